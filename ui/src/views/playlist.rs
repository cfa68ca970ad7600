//! What plays and what comes.

use super::icons::{Icon, icon};
use crate::format;
use streamshare_playsync::Action;
use streamshare_protocol::{ItemId, Playlist, PlaylistItem};
use yew::prelude::*;

#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    pub(crate) playlist: Playlist,
    pub(crate) on_action: Callback<Action>,
}

#[component]
pub(crate) fn PlaylistView(props: &Props) -> Html {
    let count = props.playlist.len();
    let rows = props.playlist.iter().enumerate().map(|(index, item)| row(index, count, item, &props.on_action));
    html! {
        <section class="panel grows">
            <h2>{ "Playlist" }if count > 0 { <span class="count">{ count }</span> }</h2>
            <ol class="playlist" data-testid="playlist">{ for rows }</ol>
            if count == 0 {
                <p class="empty">{ "Nothing in it yet. What anyone adds below plays for everyone, one after the other." }</p>
            }
        </section>
    }
}

fn row(index: usize, count: usize, item: &PlaylistItem, on_action: &Callback<Action>) -> Html {
    let current = index == 0;
    let key = item.item_id.map_or_else(|| format!("place {index}"), |id| id.to_string());
    // Place 0 is what plays; getting there is "play now", so the arrows stay below it.
    let button = |name: &'static str,
                  words: &'static str,
                  shape: Icon,
                  enabled: bool,
                  action: fn(ItemId, usize) -> Action| {
        let onclick = item.item_id.map(|id| on_action.reform(move |_: MouseEvent| action(id, index)));
        html! {
            <button type="button" class="quiet" data-testid={name} aria-label={format!("{words}: {}", item.label())} title={words}
                disabled={!enabled || onclick.is_none()} {onclick}>{ icon(shape) }</button>
        }
    };
    html! {
        <li {key} class="playlist-item" data-testid="playlist-item" data-title={item.label().to_owned()}
            data-current={if current { "true" } else { "false" }} aria-current={current.then_some("true")}>
            <span class="place" aria-hidden="true">
                if current { { icon(Icon::Play) } } else { { index } }
            </span>
            <span class="item-text">
                <span class="item-title" title={item.label().to_owned()}>{ item.label() }</span>
                <span class="item-detail">{ detail(item, current) }</span>
            </span>
            <span class="item-buttons">
                { button("item-play", "Play now", Icon::Play, !current, |item, _| Action::Move { item, to: 0 }) }
                { button("item-up", "Move up", Icon::Up, index > 1, |item, index| Action::Move { item, to: index.saturating_sub(1) }) }
                { button("item-down", "Move down", Icon::Down, !current && index + 1 < count, |item, index| Action::Move { item, to: index + 1 }) }
                { button("item-remove", "Remove", Icon::Remove, true, |item, _| Action::Remove(item)) }
            </span>
        </li>
    }
}

fn detail(item: &PlaylistItem, current: bool) -> String {
    let state = current.then(|| "Now playing".to_owned());
    let length = item.length.map(format::bytes);
    state.into_iter().chain(length).collect::<Vec<_>>().join(" · ")
}
