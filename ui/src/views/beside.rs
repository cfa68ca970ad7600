//! The other files of the torrent that plays, for the playlist.

use super::icons::{Icon, icon};
use crate::format;
use streamshare_playsync::Action;
use streamshare_protocol::{Playlist, PlaylistItem};
use yew::prelude::*;

#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    /// The files of the torrent, without the one that plays.
    pub(crate) files: Vec<PlaylistItem>,
    pub(crate) playlist: Playlist,
    pub(crate) on_action: Callback<Action>,
}

#[component]
pub(crate) fn Beside(props: &Props) -> Html {
    let is_listed = |file: &&PlaylistItem| {
        props.playlist.iter().any(|item| item.filename == file.filename && item.torrent_id == file.torrent_id)
    };
    let others: Vec<_> = props.files.iter().filter(|file| !is_listed(file)).collect();
    if others.is_empty() {
        return Html::default();
    }
    let row = |file: &&PlaylistItem| {
        let add = (*file).clone();
        let onclick = props.on_action.reform(move |_: MouseEvent| Action::Append(vec![add.clone()]));
        html! {
            <li class="beside-file" key={file.filename.as_str().to_owned()}>
                <span class="beside-name" title={file.filename.as_str().to_owned()}>{ file.label() }</span>
                <span class="beside-size">{ file.length.map(format::bytes) }</span>
                <button type="button" class="quiet" data-testid="add-beside" title="Add to the playlist"
                    aria-label={format!("Add to the playlist: {}", file.label())} {onclick}>{ icon(Icon::Add) }</button>
            </li>
        }
    };
    html! {
        <details class="panel beside" data-testid="beside">
            <summary>{ "More in this torrent" }<span class="count">{ others.len() }</span></summary>
            <ul>{ for others.iter().map(row) }</ul>
        </details>
    }
}
