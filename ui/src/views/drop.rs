//! What covers the page while something is dragged over it.

use super::icons::{Icon, icon};
use crate::ports::shell::Kind;
use yew::prelude::*;

#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    pub(crate) shown: bool,
    pub(crate) kind: Kind,
}

#[component]
pub(crate) fn DropOverlay(props: &Props) -> Html {
    if !props.shown {
        return Html::default();
    }
    let (title, text) = match props.kind {
        Kind::Desktop => ("Drop to share", "Videos and .torrent files go to the end of the playlist."),
        Kind::Web => ("Drop a magnet link", "Files of this computer can be shared from the desktop app."),
    };
    html! {
        <div class="drop-overlay" data-testid="drop-overlay">
            <div class="drop-frame">
                { icon(Icon::Fetch) }
                <strong>{ title }</strong>
                <span>{ text }</span>
            </div>
        </div>
    }
}
