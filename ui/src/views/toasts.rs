//! Short messages in a corner.

use super::icons::{Icon, icon};
use crate::toasts::Toast;
use yew::prelude::*;

#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    pub(crate) toasts: Vec<Toast>,
    pub(crate) on_dismiss: Callback<u64>,
}

#[component]
pub(crate) fn ToastList(props: &Props) -> Html {
    let toast = |toast: &Toast| {
        let id = toast.id;
        html! {
            <div key={id} class="toast" data-testid="toast" data-kind={toast.kind.name()}>
                <span>{ &toast.text }</span>
                <button type="button" class="quiet" aria-label="Dismiss" onclick={props.on_dismiss.reform(move |_| id)}>
                    { icon(Icon::Remove) }
                </button>
            </div>
        }
    };
    html! { <div class="toasts" role="status" aria-live="polite">{ for props.toasts.iter().map(toast) }</div> }
}
