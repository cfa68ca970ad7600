//! Whether nobody does anything at the player, so that its controls go away.

use gloo_timers::callback::Interval;
use std::cell::Cell;
use std::rc::Rc;
use web_sys::Element;
use yew::prelude::*;

/// Milliseconds after which a pointer rests.
const REST_MS: u32 = 2_600;
/// What keeps the controls where they are: a menu that is open, and the focus of who uses the keyboard.
const HELD: &str = ".controls [aria-expanded=true], .controls :focus-visible";

/// What hears of the person, for the stage.
pub(super) struct Hears {
    pub(super) moves: Callback<PointerEvent>,
    pub(super) focus: Callback<FocusEvent>,
    pub(super) keys: Callback<KeyboardEvent>,
    /// Whether the last that touched the stage was a finger.
    pub(super) by_touch: Rc<Cell<bool>>,
}

/// Whether the person rests, and what tells that they don't.
#[hook]
pub(super) fn use_resting(stage: &NodeRef) -> (bool, Hears) {
    let resting = use_state_eq(|| false);
    let by_touch = use_memo((), |()| Cell::new(false));
    let timer = use_mut_ref(|| None::<Interval>);
    let stirs = {
        let (resting, stage) = (resting.setter(), stage.clone());
        Callback::from(move |()| {
            resting.set(false);
            let (resting, stage) = (resting.clone(), stage.clone());
            // Again and again: a menu closes, and the focus goes, without a move on the stage.
            *timer.borrow_mut() = Some(Interval::new(REST_MS, move || {
                let stage = stage.cast::<Element>();
                resting.set(stage.is_none_or(|stage| stage.query_selector(HELD).ok().flatten().is_none()));
            }));
        })
    };
    // Who never touches the stage rests, too.
    use_effect_with((), {
        let stirs = stirs.clone();
        move |()| stirs.emit(())
    });
    let moves = {
        let (stirs, by_touch) = (stirs.clone(), Rc::clone(&by_touch));
        Callback::from(move |event: PointerEvent| {
            by_touch.set(event.pointer_type() == "touch");
            stirs.emit(());
        })
    };
    let hears = Hears { moves, focus: stirs.reform(|_| ()), keys: stirs.reform(|_| ()), by_touch };
    (*resting, hears)
}
