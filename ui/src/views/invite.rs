//! The link that brings others into the room.

use super::icons::{Icon, icon};
use crate::task::Task;
use gloo_timers::future::TimeoutFuture;
use js_sys::Reflect;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Clipboard, HtmlDocument, HtmlInputElement};
use yew::prelude::*;

/// Milliseconds for which the button says that it worked.
const FEEDBACK_MS: u32 = 2_000;

#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    pub(crate) link: String,
    /// Hears when copying is impossible.
    pub(crate) on_failure: Callback<()>,
}

#[component]
pub(crate) fn Invite(props: &Props) -> Html {
    let input = use_node_ref();
    let copied = use_state(|| false);
    let task = use_mut_ref(|| None::<Task>);
    let copy = {
        let (input, copied, link, on_failure) =
            (input.clone(), copied.clone(), props.link.clone(), props.on_failure.clone());
        Callback::from(move |_: MouseEvent| {
            let (input, copied, link, on_failure) = (input.clone(), copied.clone(), link.clone(), on_failure.clone());
            *task.borrow_mut() = Some(Task::spawn(async move {
                if write(&link).await || select_and_copy(&input) {
                    copied.set(true);
                    TimeoutFuture::new(FEEDBACK_MS).await;
                    copied.set(false);
                } else {
                    on_failure.emit(());
                }
            }));
        })
    };
    let select = {
        let input = input.clone();
        Callback::from(move |_: FocusEvent| {
            if let Some(input) = input.cast::<HtmlInputElement>() {
                input.select();
            }
        })
    };
    html! {
        <div class="invite">
            <input ref={input} data-testid="invite-link" class="invite-link" readonly=true aria-label="Invitation link"
                value={props.link.clone()} onfocus={select} />
            <button type="button" class="secondary" data-testid="copy-link" onclick={copy}>
                { icon(if *copied { Icon::Done } else { Icon::Copy }) }
                <span>{ if *copied { "Copied" } else { "Copy link" } }</span>
            </button>
        </div>
    }
}

/// Writes to the clipboard; false where the page may not (browsers allow it to pages from https and localhost only).
async fn write(text: &str) -> bool {
    let navigator = web_sys::window().map(|window| JsValue::from(window.navigator()));
    let clipboard = navigator.and_then(|navigator| Reflect::get(&navigator, &"clipboard".into()).ok());
    match clipboard {
        Some(clipboard) if clipboard.is_object() => {
            JsFuture::from(clipboard.unchecked_into::<Clipboard>().write_text(text)).await.is_ok()
        }
        _ => false,
    }
}

/// The older way, which every page may go in a gesture of the person.
fn select_and_copy(input: &NodeRef) -> bool {
    let Some(input) = input.cast::<HtmlInputElement>() else { return false };
    input.select();
    let document = web_sys::window().and_then(|window| window.document());
    let document = document.and_then(|document| document.dyn_into::<HtmlDocument>().ok());
    document.is_some_and(|document| document.exec_command("copy").unwrap_or(false))
}
