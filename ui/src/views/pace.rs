//! How the room plays: its speed, and whether it waits for whoever is buffering. Both are everyone's.

use super::menu::use_escape;
use crate::format;
use streamshare_playsync::{Action, View};
use streamshare_protocol::StallPolicy;
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
    let close = {
        let open = open.clone();
        Callback::from(move |()| open.set(false))
    };
    use_escape(*open, &close);
    let speed = props.room.speed;
    let toggle = {
        let open = open.clone();
        Callback::from(move |_: MouseEvent| open.set(!*open))
    };
    html! {
        <span class="pace">
            <button type="button" class="control" data-testid="pace" data-speed={speed.to_string()} title="Speed, and who is waited for"
                aria-label={format!("Speed {}, and who is waited for", format::pace(speed))}
                aria-expanded={if *open { "true" } else { "false" }} onclick={toggle}>{ format::pace(speed) }</button>
            if *open {
                <div class="menu-away" onclick={close.reform(|_| ())}></div>
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
