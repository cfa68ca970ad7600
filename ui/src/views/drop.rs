//! What covers the page while something is dragged over it.

use super::icons::{Icon, icon};
use yew::prelude::*;

#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    pub(crate) shown: bool,
}

#[component]
pub(crate) fn DropOverlay(props: &Props) -> Html {
    if !props.shown {
        return Html::default();
    }
    html! {
        <div class="drop-overlay" data-testid="drop-overlay">
            <div class="drop-frame">
                { icon(Icon::Fetch) }
                <strong>{ "Drop to share" }</strong>
                <span>{ "Videos and .torrent files go to the end of the playlist, subtitles to what plays." }</span>
            </div>
        </div>
    }
}
