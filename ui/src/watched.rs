//! Where the person left the films that they watched, on this computer alone: who opens one again in an empty room goes on there. Where
//! others are, the room's place is the only one.

use crate::format;
use crate::session::Snapshot;
use crate::storage;
use serde::{Deserialize, Serialize};
use streamshare_playsync::{Action, LinkState, View};
use streamshare_protocol::{ItemId, MediaTime, PlaybackState, PlaylistItem};

/// Films that are remembered; of more the ones that were watched longest ago are forgotten.
const FILMS_MAX: usize = 200;
/// Seconds within which a film has not begun: whoever left there begins anew.
const BEGINNING_S: f64 = 30.0;
/// The part of a film after which it was seen: what is left is its credits.
const SEEN: f64 = 0.95;
/// Seconds of progress after which the place is written down again.
const STEP_S: f64 = 5.0;
/// The place that a room has when a film is put on, in seconds: it may run before this client looks.
const START_S: f64 = 3.0;

/// The places.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    films: Films,
    /// The item that is on.
    now: Option<Now>,
}

#[derive(Debug)]
struct Now {
    item: ItemId,
    /// The place written down of it, in seconds.
    written: f64,
    /// Where to go when it starts, in seconds: whoever goes somewhere before that says where it starts.
    resume: Option<f64>,
}

/// The latest last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Films(Vec<Film>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Film {
    key: String,
    seconds: f64,
}

impl Watched {
    /// As this computer remembers.
    pub(crate) fn load() -> Self {
        let films = storage::watched().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        Self { films, now: None }
    }

    /// The person enters a room: its items are others, whatever they are called.
    pub(crate) fn enter(&mut self) {
        self.now = None;
    }

    /// Looks at the room: remembers where it is, and tells where to go when a film is put on that was left before. To be called at
    /// every change.
    pub(crate) fn look(&mut self, snapshot: &Snapshot) -> Look {
        let found = self.follow(&snapshot.room, snapshot.player.ready);
        if found.is_changed
            && let Ok(text) = serde_json::to_string(&self.films)
        {
            storage::set_watched(&text);
        }
        let go_on = |to| (Action::Seek(to), format!("Going on at {}, where you left it.", format::clock(to)));
        Look { begins: found.begins, resume: found.resume.map(go_on) }
    }

    fn follow(&mut self, room: &View, ready: bool) -> Found {
        let mut found = Found::default();
        let head = room.playlist.head().and_then(|item| Some((item, item.item_id?)));
        let Some((item, id)) = head.filter(|_| room.link == LinkState::Joined) else { return found };
        let (key, at) = (key(item), room.position.seconds());
        let alone = room.members.len() == 1 && at < START_S;
        let now = match &mut self.now {
            Some(now) if now.item == id => now,
            other => {
                let resume = self.films.get(&key);
                found.begins = resume.filter(|_| alone).map(MediaTime::saturating);
                other.insert(Now { item: id, written: resume.unwrap_or(at), resume })
            }
        };
        now.resume = now.resume.filter(|_| alone);
        if now.resume.is_some() && room.state == PlaybackState::Playing {
            found.resume = now.resume.take().map(MediaTime::saturating);
            return found;
        }
        // Until it can be seen nobody watches it, wherever the room is.
        if !ready || now.resume.is_some() || (at - now.written).abs() < STEP_S {
            return found;
        }
        now.written = at;
        let seen = room.duration.is_some_and(|duration| at >= duration.seconds() * SEEN);
        found.is_changed = self.films.set(key, at, at < BEGINNING_S || seen);
        found
    }
}

/// What comes of a look.
#[derive(Debug)]
pub(crate) struct Look {
    /// The film that was just put on will begin here.
    pub(crate) begins: Option<MediaTime>,
    /// Where to go now, and what to say of it.
    pub(crate) resume: Option<(Action, String)>,
}

/// What a look brought.
#[derive(Debug, Default, PartialEq)]
struct Found {
    begins: Option<MediaTime>,
    resume: Option<MediaTime>,
    is_changed: bool,
}

impl Films {
    fn get(&self, key: &str) -> Option<f64> {
        self.0.iter().find(|film| film.key == key).map(|film| film.seconds)
    }

    /// Remembers a place, or forgets the film; tells whether that changed anything.
    fn set(&mut self, key: String, seconds: f64, forget: bool) -> bool {
        let before = self.0.len();
        self.0.retain(|film| film.key != key);
        let was_known = self.0.len() < before;
        if !forget {
            self.0.push(Film { key, seconds });
            let surplus = self.0.len().saturating_sub(FILMS_MAX);
            self.0.drain(..surplus);
        }
        was_known || !forget
    }
}

/// What a film is known by: its torrent and its file, however a link to it was written.
fn key(item: &PlaylistItem) -> String {
    let torrent = item.torrent_id.info_hash().map(|hash| hash.to_string());
    format!("{}/{}", torrent.as_deref().unwrap_or_else(|| item.torrent_id.as_str()), item.filename.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use streamshare_playsync::MemberView;
    use streamshare_protocol::{Filename, MemberId, Name, Playlist, StallPolicy, TorrentId};

    /// A room in which the film is on as this item.
    fn room(item: u64, seconds: f64, members: u64) -> View {
        let link = format!("magnet:?xt=urn:btih:dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c&dn={item}");
        let torrent = TorrentId::new(&link).expect("a link");
        let mut head = PlaylistItem::new(Filename::new("film.mkv").expect("a name"), torrent);
        head.item_id = Some(ItemId::new(item).expect("an id"));
        let member = |n: u64| MemberView {
            id: MemberId::new(n + 1).expect("an id"),
            name: Name::new("Ada").expect("a name"),
            is_me: n == 0,
            player: None,
            position: None,
            buffer: None,
            skew_ms: None,
        };
        View {
            link: LinkState::Joined,
            members: (0..members).map(member).collect(),
            playlist: Playlist::new(vec![head]).expect("a playlist"),
            state: PlaybackState::Playing,
            position: MediaTime::saturating(seconds),
            duration: Some(MediaTime::saturating(1000.0)),
            needs_gesture: false,
            skew: None,
            waiting_for: Vec::new(),
            speed: 1.0,
            stall_policy: StallPolicy::Wait,
        }
    }

    fn resumes(watched: &mut Watched, item: u64, members: u64) -> Option<f64> {
        watched.follow(&room(item, 0.5, members), false).resume.map(MediaTime::seconds)
    }

    #[test]
    fn who_is_alone_goes_on_where_it_was_left() {
        let mut watched = Watched::default();
        assert_eq!(resumes(&mut watched, 1, 1), None);
        assert!(!watched.follow(&room(1, 4.0, 1), true).is_changed);
        // Nobody sees it yet.
        assert!(!watched.follow(&room(1, 500.0, 1), false).is_changed);
        assert!(watched.follow(&room(1, 500.0, 1), true).is_changed);
        assert!(!watched.follow(&room(1, 504.0, 1), true).is_changed);
        // The same film by another link; once, and not where others are or the room is elsewhere.
        let found = watched.follow(&room(2, 0.5, 1), false);
        assert_eq!(
            (found.begins, found.resume),
            (Some(MediaTime::saturating(500.0)), Some(MediaTime::saturating(500.0)))
        );
        assert_eq!(watched.follow(&room(2, 0.5, 1), false), Found::default());
        assert_eq!(resumes(&mut watched, 3, 2), None);
        assert_eq!(watched.follow(&room(4, 60.0, 1), false).resume, None);
        // Not before it starts, which who goes somewhere first decides.
        let paused = |item, at| View { state: PlaybackState::Paused, ..room(item, at, 1) };
        // Until then it can be fetched.
        let found = watched.follow(&paused(7, 0.0), true);
        assert_eq!((found.begins, found.resume), (Some(MediaTime::saturating(500.0)), None));
        assert_eq!(watched.follow(&paused(7, 0.0), true), Found::default());
        assert_eq!(resumes(&mut watched, 7, 1), Some(500.0));
        watched.follow(&paused(8, 0.0), true);
        watched.follow(&paused(8, 40.0), true);
        assert_eq!(watched.follow(&room(8, 40.0, 1), true).resume, None);
        assert!(watched.follow(&room(8, 500.0, 1), true).is_changed);
        // Who goes back in it on purpose is left alone.
        assert_eq!(resumes(&mut watched, 5, 1), Some(500.0));
        assert!(watched.follow(&room(5, 100.0, 1), true).is_changed);
        assert_eq!(resumes(&mut watched, 6, 1), Some(100.0));
    }

    #[test]
    fn what_was_seen_or_hardly_begun_begins_anew() {
        for left_at in [960.0, 20.0] {
            let mut watched = Watched::default();
            resumes(&mut watched, 1, 1);
            watched.follow(&room(1, 500.0, 1), true);
            assert!(watched.follow(&room(1, left_at, 1), true).is_changed);
            assert_eq!(resumes(&mut watched, 2, 1), None, "{left_at}");
        }
    }

    #[test]
    fn only_so_many_are_remembered() {
        let mut films = Films::default();
        for n in 0..FILMS_MAX + 5 {
            assert!(films.set(n.to_string(), 60.0, false));
        }
        assert_eq!((films.0.len(), films.get("4"), films.get("5")), (FILMS_MAX, None, Some(60.0)));
        let text = serde_json::to_string(&films).expect("JSON");
        assert_eq!(serde_json::from_str::<Films>(&text).expect("the same"), films);
    }
}
