//! Putting something into the playlist.

use super::icons::{Icon, icon};
use super::typed;
use crate::additions::{PendingView, progress_text};
use crate::app::Wish;
use crate::format;
use gloo_events::EventListener;
use streamshare_ipc::Source;
use streamshare_protocol::TorrentId;
use wasm_bindgen::JsCast;
use web_sys::{ClipboardEvent, Element, Event};
use yew::prelude::*;

#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    pub(crate) pending: Vec<PendingView>,
    pub(crate) on_wish: Callback<Wish>,
}

#[component]
pub(crate) fn Add(props: &Props) -> Html {
    let text = use_state(String::new);
    use_pasting(&props.on_wish);
    let submit = {
        let (text, on_wish) = (text.clone(), props.on_wish.clone());
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            let link = text.trim().to_owned();
            if !link.is_empty() {
                on_wish.emit(Wish::Add(Source::Link { text: link }));
                text.set(String::new());
            }
        })
    };
    let types = {
        let text = text.clone();
        Callback::from(move |event: InputEvent| {
            if let Some(typed) = typed(&event) {
                text.set(typed);
            }
        })
    };
    html! {
        <section class="panel add">
            { for props.pending.iter().map(|pending| row(pending, &props.on_wish)) }
            <form class="add-form" onsubmit={submit}>
                <input data-testid="add-input" type="text" placeholder="Magnet link or address" aria-label="Add a torrent"
                    spellcheck="false" autocomplete="off" value={(*text).clone()} oninput={types} />
                <button type="submit" class="secondary" data-testid="add-submit">{ icon(Icon::Add) }<span>{ "Add" }</span></button>
            </form>
            <button type="button" class="secondary wide" data-testid="add-files" onclick={props.on_wish.reform(|_| Wish::PickFiles)}>
                { icon(Icon::Files) }<span>{ "Choose files..." }</span>
            </button>
        </section>
    }
}

/// A link that is pasted anywhere but into a field is added at once.
#[hook]
fn use_pasting(on_wish: &Callback<Wish>) {
    use_effect_with(on_wish.clone(), |on_wish| {
        let on_wish = on_wish.clone();
        let listener = web_sys::window().map(|window| {
            EventListener::new(&window, "paste", move |event| {
                if let Some(text) = pasted_link(event) {
                    on_wish.emit(Wish::Add(Source::Link { text }));
                }
            })
        });
        move || drop(listener)
    });
}

fn pasted_link(event: &Event) -> Option<String> {
    let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
    if target.is_some_and(|element| matches!(element.tag_name().as_str(), "INPUT" | "TEXTAREA")) {
        return None;
    }
    let text = event.dyn_ref::<ClipboardEvent>()?.clipboard_data()?.get_data("text/plain").ok()?;
    let text = text.trim();
    TorrentId::new(text).is_ok().then(|| text.to_owned())
}

fn row(pending: &PendingView, on_wish: &Callback<Wish>) -> Html {
    let id = pending.id;
    let share = pending.progress.as_ref().and_then(|progress| format::percent(progress.done, progress.total));
    html! {
        <div key={id} class="add-pending" data-testid="add-pending">
            <span class="spinner small" aria-hidden="true"></span>
            <span class="item-text">
                <span class="item-title">{ &pending.label }</span>
                <span class="item-detail">{ progress_text(pending.progress.as_ref()) }</span>
            </span>
            <button type="button" class="quiet" data-testid="add-cancel" aria-label={format!("Cancel: {}", pending.label)}
                title="Cancel" onclick={on_wish.reform(move |_| Wish::CancelAddition(id))}>{ icon(Icon::Remove) }</button>
            if let Some(share) = share {
                <span class="bar" aria-hidden="true"><span style={format!("width: {share}%")}></span></span>
            }
        </div>
    }
}
