//! The menu of subtitles, and what this player cannot do with a film.

use super::icons::{Icon, icon};
use super::keys::STEP_DELAY_MS;
use super::menu::{focus_first, use_escape, walk};
use crate::app::Wish;
use crate::captions::CaptionsView;
use crate::format;
use gloo_timers::callback::Timeout;
use wasm_bindgen::JsCast;
use web_sys::HtmlInputElement;
use yew::prelude::*;

#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    pub(crate) captions: CaptionsView,
    pub(crate) disabled: bool,
    pub(crate) on_wish: Callback<Wish>,
}

/// Milliseconds for which it is told how subtitles were shifted.
const TOLD_MS: u32 = 1_600;
/// What arrows go through in the menu.
const ROWS: &str = "button:not(:disabled), input";

/// The button among the controls, and the menu above it.
#[component]
pub(crate) fn CaptionsMenu(props: &Props) -> Html {
    let open = use_state(|| false);
    let (place, menu) = (use_node_ref(), use_node_ref());
    let CaptionsView { choices, chosen, delay_ms, lacking, .. } = &props.captions;
    let set = |to: bool| {
        let open = open.clone();
        Callback::from(move |_: MouseEvent| open.set(to))
    };
    // Whoever came by the keyboard is back at the button.
    let close = {
        let (open, place) = (open.clone(), place.clone());
        Callback::from(move |()| {
            open.set(false);
            focus_first(&place, ".control");
        })
    };
    use_escape(*open, &close);
    use_effect_with(*open, {
        let menu = menu.clone();
        move |open| {
            if *open {
                focus_first(&menu, "[aria-checked=true]");
            }
        }
    });
    let choose = |id: Option<u64>| {
        let (open, close, on_wish) = (open.clone(), close.clone(), props.on_wish.clone());
        Callback::from(move |event: MouseEvent| {
            on_wish.emit(Wish::Caption(id));
            if event.detail() > 0 { open.set(false) } else { close.emit(()) }
        })
    };
    let take = {
        let (open, on_wish) = (open.clone(), props.on_wish.clone());
        Callback::from(move |event: Event| {
            let input = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok());
            if let Some(file) = input.as_ref().and_then(|input| input.files()).and_then(|files| files.get(0)) {
                on_wish.emit(Wish::CaptionFile(file));
            }
            // The same file may be chosen again.
            if let Some(input) = input {
                input.set_value("");
            }
            open.set(false);
        })
    };
    let on_key = {
        let menu = menu.clone();
        Callback::from(move |event: KeyboardEvent| {
            if walk(&menu, ROWS, &event.key()) {
                // The player would take them for its volume.
                event.prevent_default();
                event.stop_propagation();
            }
        })
    };
    let row = |id: Option<u64>, label: &str| {
        html! {
            <button type="button" role="menuitemradio" class="caption-choice" data-testid="caption-choice" key={label.to_owned()}
                aria-checked={if *chosen == id { "true" } else { "false" }} onclick={choose(id)}>
                <span class="caption-mark">if *chosen == id { { icon(Icon::Done) } }</span><span>{ label }</span>
            </button>
        }
    };
    html! {
        <span ref={place} class="captions">
            <button type="button" class="control" data-testid="captions" aria-label="Subtitles" title="Subtitles" aria-haspopup="menu"
                aria-expanded={if *open { "true" } else { "false" }} aria-pressed={if chosen.is_some() { "true" } else { "false" }}
                disabled={props.disabled} onclick={set(!*open)}>{ icon(Icon::Captions) }</button>
            if *open {
                <div class="menu-away" onclick={set(false)}></div>
                <div ref={menu} class="captions-menu" role="menu" aria-label="Subtitles" data-testid="captions-menu" onkeydown={on_key}>
                    { row(None, "Off") }
                    { for choices.iter().map(|(id, label)| row(Some(*id), label)) }
                    <label class="caption-choice caption-own">
                        <span class="caption-mark">{ icon(Icon::Add) }</span><span>{ "Add a file..." }</span>
                        <input type="file" data-testid="caption-file" accept=".srt,.vtt,.ass,.ssa" onchange={take} />
                    </label>
                    if chosen.is_some() {
                        { timing(*delay_ms, &props.on_wish) }
                    }
                    { for lacking.iter().map(|told| html! { <p class="caption-hint" data-testid="caption-lacking">{ told }</p> }) }
                    <p class="caption-hint">{ "Only you see what you choose here." }</p>
                </div>
            }
        </span>
    }
}

/// By how much those that are chosen are shown later or earlier than they say.
fn timing(delay_ms: i32, on_wish: &Callback<Wish>) -> Html {
    let step = |by_ms: Option<i32>| on_wish.reform(move |_: MouseEvent| Wish::CaptionDelay(by_ms));
    let told = if delay_ms == 0 { "Timing".to_owned() } else { format::delay(delay_ms) };
    html! {
        <div class="caption-timing" role="group" aria-label="Timing">
            <button type="button" role="menuitem" class="quiet" data-testid="caption-earlier" aria-label="Earlier" title="Earlier by 0.1 s (g)"
                onclick={step(Some(-STEP_DELAY_MS))}>{ icon(Icon::Less) }</button>
            <button type="button" role="menuitem" class="quiet" data-testid="caption-delay" data-ms={delay_ms.to_string()} disabled={delay_ms == 0}
                aria-label={format!("{}, back to none", format::delay(delay_ms))} title="Back to none" onclick={step(None)}>{ told }</button>
            <button type="button" role="menuitem" class="quiet" data-testid="caption-later" aria-label="Later" title="Later by 0.1 s (h)"
                onclick={step(Some(STEP_DELAY_MS))}>{ icon(Icon::Add) }</button>
        </div>
    }
}

#[derive(Properties, PartialEq)]
pub(crate) struct TimingProps {
    pub(crate) chosen: Option<u64>,
    pub(crate) delay_ms: i32,
}

/// Tells for a moment how subtitles were shifted.
#[component]
pub(crate) fn Timing(props: &TimingProps) -> Html {
    let before = use_mut_ref(|| (props.chosen, props.delay_ms));
    let told = use_state_eq(|| false);
    use_effect_with((props.chosen, props.delay_ms), {
        let told = told.setter();
        move |now| {
            let before = before.replace(*now);
            // Not where others were chosen.
            let shifted = before.0 == now.0 && before.1 != now.1;
            told.set(shifted);
            let timer = shifted.then(|| Timeout::new(TOLD_MS, move || told.set(false)));
            move || drop(timer)
        }
    });
    if !*told {
        return Html::default();
    }
    let words = match props.delay_ms {
        0 => "Subtitles as they say".to_owned(),
        1.. => format!("Subtitles {} later", format::delay(props.delay_ms).trim_start_matches('+')),
        _ => format!("Subtitles {} earlier", format::delay(props.delay_ms).trim_start_matches('−')),
    };
    html! { <p class="player-told" data-testid="player-told" role="status">{ words }</p> }
}

#[derive(Properties, PartialEq)]
pub(crate) struct NotesProps {
    pub(crate) notes: Vec<String>,
}

/// What this player cannot do with the film, until the person has read it.
#[component]
pub(crate) fn Notes(props: &NotesProps) -> Html {
    let read = use_state(Vec::new);
    if props.notes.is_empty() || *read == props.notes {
        return Html::default();
    }
    let dismiss = {
        let (read, notes) = (read.clone(), props.notes.clone());
        Callback::from(move |_: MouseEvent| read.set(notes.clone()))
    };
    html! {
        <div class="player-note" data-testid="player-note" role="status">
            <div>{ for props.notes.iter().map(|note| html! { <p>{ note }</p> }) }</div>
            <button type="button" class="quiet" aria-label="Dismiss" title="Dismiss" onclick={dismiss}>{ icon(Icon::Remove) }</button>
        </div>
    }
}
