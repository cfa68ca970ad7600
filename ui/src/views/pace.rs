//! How the room plays: its speed, and whether it waits for whoever is buffering. Both are everyone's.

use crate::format;
use gloo_events::EventListener;
use streamshare_playsync::{Action, View};
use streamshare_protocol::StallPolicy;
use wasm_bindgen::JsCast;
use web_sys::{Element, KeyboardEvent, Node};
use yew::prelude::*;

/// The speeds to choose from; a room may have another one from elsewhere.
const SPEEDS: [f64; 6] = [0.5, 0.75, 1.0, 1.25, 1.5, 2.0];
/// How far apart two numbers may be that are one speed.
const SAME_SPEED: f64 = 1e-3;

#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    pub(crate) room: View,
    pub(crate) on_action: Callback<Action>,
}

#[component]
pub(crate) fn Pace(props: &Props) -> Html {
    let open = use_state(|| false);
    let place = use_node_ref();
    use_closing(*open, &place, {
        let open = open.clone();
        Callback::from(move |()| open.set(false))
    });
    let speed = props.room.speed;
    let toggle = {
        let open = open.clone();
        Callback::from(move |_: MouseEvent| open.set(!*open))
    };
    html! {
        <span class="pace" ref={place}>
            <button type="button" class="control" data-testid="pace" data-speed={speed.to_string()} title="Speed, and who is waited for"
                aria-label={format!("Speed {}, and who is waited for", format::pace(speed))}
                aria-expanded={if *open { "true" } else { "false" }} onclick={toggle}>{ format::pace(speed) }</button>
            if *open {
                <div class="pace-panel" data-testid="pace-panel" role="group" aria-label="For everyone in the room">
                    <p class="pace-for">{ "For everyone in the room" }</p>
                    <div class="speeds">{ for SPEEDS.iter().map(|choice| speed_button(*choice, speed, &props.on_action)) }</div>
                    { policy(props) }
                </div>
            }
        </span>
    }
}

fn speed_button(choice: f64, speed: f64, on_action: &Callback<Action>) -> Html {
    let chosen = (choice - speed).abs() < SAME_SPEED;
    html! {
        <button type="button" class="speed" data-testid="speed" data-speed={choice.to_string()}
            aria-pressed={if chosen { "true" } else { "false" }} onclick={on_action.reform(move |_| Action::SetSpeed(choice))}>
            { format::pace(choice) }
        </button>
    }
}

fn policy(props: &Props) -> Html {
    let waits = props.room.stall_policy == StallPolicy::Wait;
    let other = if waits { StallPolicy::NeverWait } else { StallPolicy::Wait };
    html! {
        <label class="policy">
            <input type="checkbox" data-testid="stall-policy" checked={waits}
                onchange={props.on_action.reform(move |_| Action::SetStallPolicy(other))} />
            <span>{ "Wait up to 10 s for whoever is buffering" }</span>
        </label>
    }
}

/// Closes what is open at a click elsewhere, and at Escape.
#[hook]
fn use_closing(open: bool, place: &NodeRef, on_close: Callback<()>) {
    let place = place.clone();
    use_effect_with(open, move |open| {
        let document = web_sys::window().and_then(|window| window.document()).filter(|_| *open);
        let listeners = document.map(|document| {
            let closes = on_close.clone();
            let elsewhere = EventListener::new(&document, "pointerdown", move |event| {
                let target = event.target().and_then(|target| target.dyn_into::<Node>().ok());
                if !place.cast::<Element>().is_some_and(|place| place.contains(target.as_ref())) {
                    closes.emit(());
                }
            });
            let escape = EventListener::new(&document, "keydown", move |event| {
                if event.dyn_ref::<KeyboardEvent>().is_some_and(|event| event.key() == "Escape") {
                    on_close.emit(());
                }
            });
            [elsewhere, escape]
        });
        move || drop(listeners)
    });
}
