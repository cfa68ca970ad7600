//! Who is in the room, and how they are doing.

use crate::format;
use streamshare_playsync::MemberView;
use streamshare_protocol::{MediaTime, PlayerState};
use yew::prelude::*;

/// Seconds from the room's position at which a member's own position is worth telling.
const APART_S: f64 = 2.0;

#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    pub(crate) members: Vec<MemberView>,
    /// Where the room is.
    pub(crate) position: MediaTime,
}

/// A state as the page's attributes name it, and in words.
fn words(state: Option<PlayerState>) -> (&'static str, &'static str) {
    match state {
        Some(PlayerState::Idle) => ("IDLE", "In the room"),
        Some(PlayerState::Loading) => ("LOADING", "Loading"),
        Some(PlayerState::Paused) => ("PAUSED", "Paused"),
        Some(PlayerState::Playing) => ("PLAYING", "Watching"),
        Some(PlayerState::Stalled) => ("STALLED", "Buffering"),
        Some(PlayerState::Failed) => ("FAILED", "Can't play"),
        Some(PlayerState::Following) => ("FOLLOWING", "In the room"),
        None => ("UNKNOWN", "In the room"),
    }
}

/// Where a member is, if that is far from where the room is.
fn apart(member: &MemberView, room: MediaTime) -> Option<String> {
    let shows = match member.player? {
        PlayerState::Paused | PlayerState::Playing | PlayerState::Stalled => true,
        PlayerState::Idle | PlayerState::Loading | PlayerState::Failed | PlayerState::Following => false,
    };
    let position = member.position.filter(|at| shows && (at.seconds() - room.seconds()).abs() > APART_S)?;
    Some(format!("at {}", format::clock(position)))
}

#[component]
pub(crate) fn Members(props: &Props) -> Html {
    let member = |member: &MemberView| {
        let (state, text) = words(member.player);
        html! {
            <li key={member.id.get()} class="member" data-testid="member" data-name={member.name.as_str().to_owned()}
                data-me={if member.is_me { "true" } else { "false" }} data-state={state}>
                <span class="badge" aria-hidden="true">{ format::initials(member.name.as_str()) }</span>
                <span class="member-name" title={member.name.as_str().to_owned()}>{ member.name.as_str() }</span>
                if member.is_me { <span class="you">{ "you" }</span> }
                <span class="member-state">
                    { text }
                    if let Some(place) = apart(member, props.position) { <span class="apart">{ place }</span> }
                    <span class="dot" aria-hidden="true"></span>
                </span>
            </li>
        }
    };
    html! {
        <section class="panel">
            <h2>{ "In the room" }<span class="count">{ props.members.len() }</span></h2>
            <ul class="members" data-testid="members">{ for props.members.iter().map(member) }</ul>
        </section>
    }
}
