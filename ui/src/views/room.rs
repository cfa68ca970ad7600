//! The room's page.

use super::icons::{Icon, icon, logo};
use super::{
    add::Add, beside::Beside, invite::Invite, members::Members, player::Player, playlist::PlaylistView, ready,
    shelf::Shelf, skew::SkewView,
};
use crate::additions::PendingView;
use crate::app::Wish;
use crate::clock::mono_ms;
use crate::format;
use crate::ports::shell::Kind;
use crate::session::{Media, Snapshot};
use crate::toasts::ToastKind;
use streamshare_ipc::{Peers, TorrentState, TorrentStats};
use streamshare_playsync::{Action, LinkState};
use streamshare_protocol::{Invitation, is_loopback_host};
use web_sys::Node;
use yew::prelude::*;

/// Milliseconds over which a speed is evened out: a few of the seconds in which it is counted.
const STEADY_MS: f64 = 4_000.0;
/// Milliseconds after which a torrent's state is no passing one: more than from one count to the next.
const SETTLED_MS: f64 = 1_500.0;

#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    pub(crate) kind: Kind,
    pub(crate) invitation: Invitation,
    pub(crate) snapshot: Snapshot,
    pub(crate) player: Node,
    /// Of the torrent that plays.
    pub(crate) stats: Option<TorrentStats>,
    pub(crate) pending: Vec<PendingView>,
    /// Volume from 0 to 1, and whether the sound is off.
    pub(crate) sound: (f64, bool),
    pub(crate) on_gesture: Callback<()>,
    pub(crate) on_action: Callback<Action>,
    pub(crate) on_wish: Callback<Wish>,
}

#[component]
pub(crate) fn RoomPage(props: &Props) -> Html {
    let room = &props.snapshot.room;
    let (link, banner) = match (room.link, &props.snapshot.trouble) {
        (LinkState::Connecting, None) => ("connecting", Some("Connecting to the room...".to_owned())),
        (LinkState::Connecting, Some(why)) => ("connecting", Some(format!("{why} Trying again..."))),
        (LinkState::Joined, _) => ("joined", None),
        (LinkState::Lost, _) => ("lost", Some("Connection to the room lost. Trying again...".to_owned())),
    };
    let ready = match &props.snapshot.media {
        Media::Opened { file_index, .. } => ready::of_file(props.stats.as_ref(), *file_index),
        Media::Empty | Media::Opening(_) | Media::Failed(_) | Media::Unsupported => None,
    };
    let speed = use_steady(props.stats.as_ref());
    let does = use_settled(props.stats.as_ref());
    let forecast =
        ready.as_ref().and_then(|ready| ready::forecast(ready, room.position, props.snapshot.player.duration, speed));
    let wait = match &ready {
        Some(ready) if !props.snapshot.player.ready => ready::begins_text(ready, speed),
        Some(_) | None => ready::starts_text(forecast),
    };
    use_title(room.playlist.head().map_or("Streamshare", |item| item.label()));
    let copy_failed = props.on_wish.reform(|()| {
        Wish::Tell(ToastKind::Error, "The link could not be copied. Please select it and copy it by hand.".to_owned())
    });
    html! {
        <div class="room" data-testid="room" data-link={link}>
            <header class="top">
                <span class="brand">{ logo() }<span>{ "Streamshare" }</span></span>
                <Invite link={props.invitation.to_string()} on_failure={copy_failed} />
                if props.kind == Kind::Desktop { <Shelf /> }
                <button type="button" class="secondary" data-testid="leave-room" onclick={props.on_wish.reform(|_| Wish::Leave)}>
                    { icon(Icon::Leave) }<span>{ "Leave" }</span>
                </button>
            </header>
            if let Some(banner) = banner {
                <div class="banner" data-testid="banner" role="status"><span class="spinner small" aria-hidden="true"></span>{ banner }</div>
            }
            <main class="watch">
                <Player
                    kind={props.kind}
                    invitation={props.invitation.clone()}
                    snapshot={props.snapshot.clone()}
                    {ready}
                    {wait}
                    broken={props.stats.as_ref().and_then(|stats| stats.error.clone())}
                    torrent={does}
                    forsaken={props.stats.as_ref().is_some_and(is_forsaken)}
                    node={props.player.clone()}
                    sound={props.sound}
                    on_gesture={props.on_gesture.clone()}
                    on_action={props.on_action.clone()}
                    on_wish={props.on_wish.clone()}
                />
                <div class="under">
                    <h1 class="now">{ room.playlist.head().map_or("Nothing is playing", |item| item.label()) }</h1>
                    <div class="figures-line">
                        <SkewView skew={room.skew} />
                        if let Some(stats) = &props.stats {
                            { stats_line(stats_text(stats, ready::through_text(forecast))) }
                        }
                    </div>
                </div>
            </main>
            <aside class="side">
                if is_local(&props.invitation) {
                    <p class="hint" data-testid="local-hint">
                        { match props.kind {
                            Kind::Desktop => "The link works on this computer only: it has no network address that others could reach.",
                            Kind::Web => "The link works on this computer only. To invite others, open this page by the server's network address.",
                        } }
                    </p>
                }
                <Members members={room.members.clone()} position={room.position} />
                <PlaylistView playlist={room.playlist.clone()} on_action={props.on_action.clone()} />
                <Beside files={props.snapshot.beside.clone()} playlist={room.playlist.clone()} on_action={props.on_action.clone()} />
                <Add pending={props.pending.clone()} on_wish={props.on_wish.clone()} />
            </aside>
        </div>
    }
}

/// How fast a torrent's bytes came over the last seconds: from one to the next they come in bursts, and what is foretold from
/// them would come and go.
#[hook]
fn use_steady(stats: Option<&TorrentStats>) -> u64 {
    let steady = use_mut_ref(|| (String::new(), 0.0_f64, 0.0_f64));
    let Some(stats) = stats else { return 0 };
    let mut steady = steady.borrow_mut();
    #[allow(clippy::cast_precision_loss, reason = "an estimate")]
    let (now_ms, speed) = (mono_ms(), stats.download_bps as f64);
    if steady.0 == stats.info_hash {
        steady.1 += (speed - steady.1) * (1.0 - (-(now_ms - steady.2) / STEADY_MS).exp());
        steady.2 = now_ms;
    } else {
        *steady = (stats.info_hash.clone(), speed, now_ms);
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` keeps to the range of u64")]
    let bytes = steady.1 as u64;
    bytes
}

/// What a torrent does, once it did so for a while: one that is opened is checked and stands for a moment, which nobody paused.
#[hook]
fn use_settled(stats: Option<&TorrentStats>) -> Option<TorrentState> {
    let does = use_mut_ref(|| None::<(String, TorrentState, f64)>);
    let stats = stats?;
    let mut does = does.borrow_mut();
    let now_ms = mono_ms();
    match &*does {
        Some((hash, state, since_ms)) if *hash == stats.info_hash && *state == stats.state => {
            (now_ms - since_ms > SETTLED_MS).then_some(*state)
        }
        _ => {
            *does = Some((stats.info_hash.clone(), stats.state, now_ms));
            None
        }
    }
}

/// Names the page after what plays, for a browser's tab and history.
#[hook]
fn use_title(title: &str) {
    use_effect_with(title.to_owned(), |title| {
        let document = web_sys::window().and_then(|window| window.document());
        if let Some(document) = &document {
            document.set_title(title);
        }
        move || {
            if let Some(document) = document {
                document.set_title("Streamshare");
            }
        }
    });
}

/// Whether a link means something to this computer alone.
fn is_local(invitation: &Invitation) -> bool {
    let host = invitation.relay().split_once("://").map_or("", |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or_default();
    match host.strip_prefix('[') {
        Some(v6) => is_loopback_host(v6.split(']').next().unwrap_or_default()),
        None => is_loopback_host(host.split(':').next().unwrap_or_default()),
    }
}

/// Whether nobody is there to get the rest of a torrent from.
fn is_forsaken(stats: &TorrentStats) -> bool {
    stats.state == TorrentState::Downloading && stats.peers.total() == 0 && stats.have_bytes < stats.total_bytes
}

/// The line of a torrent; where it is cut, the pointer tells the rest.
fn stats_line(text: String) -> Html {
    html! { <p class="stats" data-testid="stats" title={text.clone()}>{ text }</p> }
}

/// How a torrent is doing, in one line; what may be cut off it comes last.
fn stats_text(stats: &TorrentStats, through: Option<String>) -> String {
    if let Some(error) = &stats.error {
        return error.clone();
    }
    let have = format::percent(stats.have_bytes, stats.total_bytes).map(|percent| format!("{percent} %"));
    let (down, up) =
        (format!("↓ {}", format::speed(stats.download_bps)), format!("↑ {}", format::speed(stats.upload_bps)));
    let (does, peers) = match stats.state {
        TorrentState::Checking => (vec!["Checking the disk".to_owned()], None),
        TorrentState::Paused => (vec!["Paused".to_owned()], Some(peers_text(stats.peers))),
        TorrentState::Failed => (vec!["Failed".to_owned()], None),
        TorrentState::Downloading => (vec![down, up], Some(peers_text(stats.peers))),
        TorrentState::Seeding => (vec![up], Some(peers_text(stats.peers))),
    };
    let through = through.filter(|_| stats.state == TorrentState::Downloading);
    does.into_iter().chain(have).chain(through).chain(peers).collect::<Vec<_>>().join(" · ")
}

/// How many peers there are, and how they are connected.
fn peers_text(peers: Peers) -> String {
    let total = format::counted(u64::from(peers.total()), "peer", "peers");
    let kinds = [(peers.tcp, "TCP"), (peers.utp, "uTP"), (peers.webrtc, "WebRTC")];
    let kinds: Vec<_> = kinds.into_iter().filter(|(count, _)| *count > 0).collect();
    match &kinds[..] {
        [] => total,
        [(_, kind)] => format!("{total} over {kind}"),
        kinds => {
            let kinds: Vec<_> = kinds.iter().map(|(count, kind)| format!("{count} {kind}")).collect();
            format!("{total} ({})", kinds.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use streamshare_ipc::Keeping;

    #[test]
    fn links_to_this_computer() {
        let local = |link: &str| is_local(&Invitation::parse(link).expect("a link"));
        assert!(
            local("http://127.0.0.1:7411/#/room/x")
                && local("http://[::1]:7411/#/room/x")
                && local("http://localhost/#/room/x")
        );
        assert!(!local("http://192.168.1.7:7411/#/room/x") && !local("https://[fd00::1]/w/#/room/x"));
    }

    #[test]
    fn a_torrent_in_one_line() {
        let mut stats = TorrentStats {
            info_hash: String::new(),
            name: String::new(),
            state: TorrentState::Downloading,
            have_bytes: 340,
            total_bytes: 1000,
            download_bps: 1_400_000,
            upload_bps: 0,
            peers: Peers { tcp: 1, ..Peers::default() },
            known_peers: 9,
            counted: None,
            uploaded_bytes: 0,
            disk_bytes: 340,
            keeping: Keeping::Cached,
            ready: Vec::new(),
            error: None,
        };
        assert_eq!(stats_text(&stats, None), "↓ 1.4 MB/s · ↑ 0 B/s · 34 % · 1 peer over TCP");
        stats.peers = Peers { tcp: 1, utp: 0, webrtc: 2 };
        assert_eq!(stats_text(&stats, None), "↓ 1.4 MB/s · ↑ 0 B/s · 34 % · 3 peers (1 TCP, 2 WebRTC)");
        stats.peers = Peers { tcp: 1, utp: 2, webrtc: 0 };
        assert_eq!(stats_text(&stats, None), "↓ 1.4 MB/s · ↑ 0 B/s · 34 % · 3 peers (1 TCP, 2 uTP)");
        stats.peers = Peers::default();
        assert_eq!(stats_text(&stats, None), "↓ 1.4 MB/s · ↑ 0 B/s · 34 % · 0 peers");
        stats.peers.webrtc = 1;
        stats.state = TorrentState::Seeding;
        assert_eq!(stats_text(&stats, None), "↑ 0 B/s · 34 % · 1 peer over WebRTC");
        stats.error = Some("The disk is full.".to_owned());
        assert_eq!(stats_text(&stats, None), "The disk is full.");
    }
}
