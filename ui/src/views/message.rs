//! What the stage says where there is no picture, or not the right one.

use super::icons::{Icon, icon};
use crate::additions::progress_text;
use crate::app::Wish;
use crate::ports::shell::Kind;
use crate::session::{Media, Snapshot};
use streamshare_ipc::TorrentState;
use streamshare_playsync::{Action, MemberView, View};
use streamshare_protocol::{Invitation, Name, PlayerState};
use yew::prelude::*;

/// What a message is about; also what it looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Empty,
    Loading,
    Buffering,
    Waiting,
    Paused,
    SoundOnly,
    Error,
    Web,
}

impl About {
    /// As the page's attributes name it.
    fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Loading => "loading",
            Self::Buffering => "buffering",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::SoundOnly => "sound-only",
            Self::Error => "error",
            Self::Web => "web",
        }
    }
}

const WEB: &str = "You are in the room: what plays, who is here and the controls work. This browser cannot show the video: \
                   it has no WebRTC, or it is switched off. To watch, open this room in the desktop app or another browser.";
const FORSAKEN: &str =
    "Nobody who has the rest of this video is connected at the moment. It goes on by itself when someone is.";
const PAUSED: &str = "You paused this torrent. Resume it to get the rest of the video.";
const CHECKING: &str = "Checking what is on the disk...";
const SOUND_ONLY: &str = "Only sound: this player lacks the codec for the picture.";

/// What there is to speak of.
pub(super) struct Said<'a> {
    pub(super) snapshot: &'a Snapshot,
    /// Nobody is there to get the rest of the film from.
    pub(super) forsaken: bool,
    /// What its torrent does, once that is known.
    pub(super) torrent: Option<TorrentState>,
    /// When it plays on, in words.
    pub(super) wait: Option<&'a str>,
    /// What stopped its torrent, for people.
    pub(super) broken: Option<&'a str>,
}

fn content(said: &Said<'_>) -> Option<(About, String)> {
    let Said { snapshot, forsaken, .. } = *said;
    let (room, player) = (&snapshot.room, &snapshot.player);
    let say = |about, text: &str| Some((about, text.to_owned()));
    // A player that is to start together with the others stands meanwhile; it waits all the same where there is nothing to show.
    // One that never showed anything yet says of itself that it loads.
    let state = me(room).and_then(|me| me.player);
    let stalled = player.stalled || matches!(state, Some(PlayerState::Stalled | PlayerState::Loading));
    match &snapshot.media {
        Media::Empty => say(
            About::Empty,
            "Drop or choose a video or a .torrent file, or paste a magnet link. It starts for everyone in the room.",
        ),
        Media::Opening(progress) => Some((About::Loading, progress_text(progress.as_ref()))),
        Media::Failed(reason) => Some((About::Error, reason.clone())),
        Media::Unsupported => say(About::Web, WEB),
        Media::Opened { .. } => match &player.failure {
            // What is there plays on until its end; then the reason is the torrent's, not the player's.
            _ if said.broken.is_some() && (!player.ready || stalled || player.failure.is_some()) => {
                say(About::Error, said.broken.unwrap_or_default())
            }
            Some(reason) => Some((About::Error, reason.clone())),
            None if said.torrent == Some(TorrentState::Paused) && (!player.ready || stalled) => {
                say(About::Paused, PAUSED)
            }
            None if said.torrent == Some(TorrentState::Checking) && !player.ready => say(About::Loading, CHECKING),
            None if forsaken && (!player.ready || stalled) => say(About::Buffering, FORSAKEN),
            None if !player.ready => say(About::Loading, "Loading the video..."),
            None if stalled && room.waiting_for.is_empty() => say(About::Buffering, "Buffering..."),
            None if stalled => say(About::Buffering, "Buffering... The room waits for you."),
            None => match waiting_text(room) {
                Some(text) => Some((About::Waiting, text)),
                None if player.sound_only => say(About::SoundOnly, SOUND_ONLY),
                None => None,
            },
        },
    }
}

fn me(room: &View) -> Option<&MemberView> {
    room.members.iter().find(|member| member.is_me)
}

/// Whom the room waits for, where it does not wait for this person alone.
fn waiting_text(room: &View) -> Option<String> {
    let me = me(room).map(|member| &member.name);
    let names: Vec<&str> = room.waiting_for.iter().filter(|name| Some(*name) != me).map(Name::as_str).collect();
    match names[..] {
        [] => None,
        [name] => Some(format!("Waiting for {name}...")),
        [one, other] => Some(format!("Waiting for {one} and {other}...")),
        [one, ..] => Some(format!("Waiting for {one} and {} others...", names.len() - 1)),
    }
}

/// The message, if there is one, in a place that is always there: else nothing would read it out.
pub(super) fn message(
    said: &Said<'_>,
    kind: Kind,
    invitation: &Invitation,
    on_wish: &Callback<Wish>,
    on_action: &Callback<Action>,
) -> Html {
    html! { <div class="said" role="status">{ words(said, kind, invitation, on_wish, on_action) }</div> }
}

fn words(
    said: &Said<'_>,
    kind: Kind,
    invitation: &Invitation,
    on_wish: &Callback<Wish>,
    on_action: &Callback<Action>,
) -> Html {
    let Some((about, text)) = content(said) else { return Html::default() };
    let mark = match about {
        About::Loading | About::Buffering | About::Waiting => {
            html! { <span class="spinner" aria-hidden="true"></span> }
        }
        About::Empty | About::Web => icon(Icon::Screen),
        About::Paused => icon(Icon::Pause),
        About::Error | About::SoundOnly => Html::default(),
    };
    let heading = match about {
        About::Empty => Some("Nothing is playing yet"),
        About::Error => Some("This cannot be played"),
        About::Loading | About::Buffering | About::Waiting | About::Paused | About::SoundOnly | About::Web => None,
    };
    html! {
        <div class="message" data-testid="player-message" data-kind={about.name()}>
            { mark }
            if let Some(heading) = heading { <strong>{ heading }</strong> }
            <p>{ text }</p>
            if let Some(wait) = said.wait.filter(|_| matches!(about, About::Loading | About::Buffering)) {
                <p data-testid="wait">{ wait }</p>
            }
            if about == About::Error {
                <button type="button" class="primary" data-testid="retry" onclick={on_wish.reform(|_| Wish::Retry)}>
                    { icon(Icon::Retry) }<span>{ "Try again" }</span>
                </button>
            }
            if about == About::Paused {
                <button type="button" class="primary" data-testid="resume-torrent" onclick={on_wish.reform(|_| Wish::ResumeTorrent)}>
                    { icon(Icon::Play) }<span>{ "Resume" }</span>
                </button>
            }
            if about == About::Waiting {
                <button type="button" class="secondary" data-testid="go-on" onclick={on_action.reform(|_| Action::Play)}>
                    { icon(Icon::Play) }<span>{ "Go on now" }</span>
                </button>
            }
            if about == About::Web || (about == About::Error && kind == Kind::Web) {
                <a class={if about == About::Web { "button primary" } else { "button secondary" }} data-testid="open-in-app" href={invitation.deep_link()}>{ "Open in the desktop app" }</a>
            }
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::captions::CaptionsView;
    use crate::ports::player::Sample;
    use streamshare_playsync::LinkState;
    use streamshare_protocol::{MediaTime, MemberId, PlaybackState, Playlist, StallPolicy};

    fn about(media: Media, player: Sample) -> Option<About> {
        said(media, player, false).map(|(about, _)| about)
    }

    fn said(media: Media, player: Sample, forsaken: bool) -> Option<(About, String)> {
        told(media, player, forsaken, None)
    }

    fn told(media: Media, player: Sample, forsaken: bool, broken: Option<&str>) -> Option<(About, String)> {
        let (room, captions) = (room(&[]), CaptionsView::default());
        let snapshot = Snapshot { room, media, player, captions, beside: Vec::new(), trouble: None };
        content(&Said { snapshot: &snapshot, forsaken, torrent: None, wait: None, broken })
    }

    /// A room in which Ada, who is here, and Ben are, and which waits for some.
    fn room(waiting_for: &[&str]) -> View {
        let name = |name: &str| Name::new(name).expect("a name");
        let member = |is_me, who| MemberView {
            id: MemberId::FIRST,
            name: name(who),
            is_me,
            player: None,
            position: None,
            buffer: None,
            skew_ms: None,
        };
        View {
            link: LinkState::Joined,
            members: vec![member(true, "Ada"), member(false, "Ben")],
            playlist: Playlist::default(),
            state: PlaybackState::Playing,
            position: MediaTime::ZERO,
            duration: None,
            needs_gesture: false,
            skew: None,
            waiting_for: waiting_for.iter().map(|who| name(who)).collect(),
            speed: 1.0,
            stall_policy: StallPolicy::Wait,
        }
    }

    #[test]
    fn who_is_waited_for_is_named_to_the_others() {
        let text = |waiting_for: &[&str]| waiting_text(&room(waiting_for));
        assert_eq!(text(&[]), None);
        assert_eq!(text(&["Ada"]), None);
        assert_eq!(text(&["Ada", "Ben"]).as_deref(), Some("Waiting for Ben..."));
        assert_eq!(text(&["Ben", "Cid"]).as_deref(), Some("Waiting for Ben and Cid..."));
        assert_eq!(text(&["Ben", "Cid", "Dan"]).as_deref(), Some("Waiting for Ben and 2 others..."));
    }

    #[test]
    fn who_waits_for_nobody_is_told() {
        let opened = || Media::Opened { info_hash: String::new(), file_index: 0 };
        let ready = Sample { ready: true, ..Sample::default() };
        let text = |player| said(opened(), player, true).map(|(_, text)| text);
        assert_eq!(text(Sample::default()).as_deref(), Some(FORSAKEN));
        assert_eq!(text(Sample { stalled: true, ..ready.clone() }).as_deref(), Some(FORSAKEN));
        // What is there plays on.
        assert_eq!(text(ready), None);
    }

    #[test]
    fn what_a_torrent_does_is_told_of_a_player_that_waits_for_it() {
        let text = |torrent, player| {
            let (room, captions) = (room(&[]), CaptionsView::default());
            let media = Media::Opened { info_hash: String::new(), file_index: 0 };
            let snapshot = Snapshot { room, media, player, captions, beside: Vec::new(), trouble: None };
            content(&Said { snapshot: &snapshot, forsaken: false, torrent: Some(torrent), wait: None, broken: None })
        };
        let ready = || Sample { ready: true, ..Sample::default() };
        let (paused, checking) = ((About::Paused, PAUSED.to_owned()), (About::Loading, CHECKING.to_owned()));
        assert_eq!(text(TorrentState::Paused, Sample::default()), Some(paused.clone()));
        assert_eq!(text(TorrentState::Paused, Sample { stalled: true, ..ready() }), Some(paused));
        assert_eq!(text(TorrentState::Checking, Sample::default()), Some(checking));
        assert_eq!([TorrentState::Paused, TorrentState::Checking].map(|state| text(state, ready())), [None, None]);
    }

    #[test]
    fn a_torrent_that_failed_tells_why_once_what_is_there_was_shown() {
        let opened = || Media::Opened { info_hash: String::new(), file_index: 0 };
        let ready = Sample { ready: true, ..Sample::default() };
        let full = Some((About::Error, "The disk is full.".to_owned()));
        let told = |player| told(opened(), player, true, Some("The disk is full."));
        assert_eq!(told(ready.clone()), None);
        assert_eq!(told(Sample { stalled: true, ..ready.clone() }), full);
        assert_eq!(told(Sample { failure: Some("network".to_owned()), ..ready }), full);
        assert_eq!(told(Sample::default()), full);
    }

    #[test]
    fn the_most_pressing_thing_is_said() {
        let opened = || Media::Opened { info_hash: String::new(), file_index: 0 };
        let ready = Sample { ready: true, ..Sample::default() };
        assert_eq!(about(opened(), ready.clone()), None);
        assert_eq!(about(opened(), Sample::default()), Some(About::Loading));
        assert_eq!(
            about(opened(), Sample { stalled: true, sound_only: true, ..ready.clone() }),
            Some(About::Buffering)
        );
        assert_eq!(about(opened(), Sample { failure: Some("x".to_owned()), ..ready }), Some(About::Error));
        assert_eq!(about(Media::Opening(None), Sample::default()), Some(About::Loading));
        assert_eq!(about(Media::Unsupported, Sample::default()), Some(About::Web));
    }
}
