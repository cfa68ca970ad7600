//! What is on the page: functions of a snapshot. They decide nothing and keep only what is theirs: what is being typed,
//! a slider that is held, whether the pointer rests.

mod add;
mod beside;
mod captions;
mod controls;
pub(crate) mod drop;
mod icons;
mod invite;
mod keys;
mod limits;
mod members;
mod menu;
mod message;
mod pace;
mod player;
mod playlist;
mod ready;
mod resting;
pub(crate) mod room;
mod shelf;
mod skew;
pub(crate) mod start;
pub(crate) mod toasts;

use wasm_bindgen::JsCast;
use web_sys::{Event, HtmlInputElement};

/// What stands in the input that an event comes from.
fn typed(event: &Event) -> Option<String> {
    event.target()?.dyn_into::<HtmlInputElement>().ok().map(|input| input.value())
}

/// The number that the slider that an event comes from stands at.
fn slid(event: &Event) -> Option<f64> {
    typed(event)?.parse().ok()
}
