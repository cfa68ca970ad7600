//! A browser's torrent engine: other browsers and the desktops of the room over WebRTC, found through the relay.

use super::bytes::{Bytes, SwarmBytes};
use super::swarm::{Description, Request, Swarm, SwarmEvent, is_supported};
use super::torrents::{AddEvent, OpenEvent, Operation, TorrentsPort, item_of_link, items_of};
use super::{files, selection};
use gloo_timers::callback::Timeout;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use streamshare_ipc::{Added, OPENED_FILES_MAX, Opened, OpenedFile, Progress, Source, TorrentStats};
use streamshare_media::FileKind;
use streamshare_protocol::{Playlist, PlaylistItem, TorrentId};
use yew::Callback;

/// Milliseconds after which a link goes into the playlist although nobody told what it means: whoever has peers may play
/// it. Metadata came in 0.3 to 0.7 s where there was a peer.
const LOOK_UP_LIMIT_MS: u32 = 15_000;

const NO_FILES: &str = "This browser cannot share files: it has no WebRTC. Use the desktop app or another browser.";

pub(super) struct WebTorrents {
    /// Nothing where the browser cannot take part.
    swarm: Option<Rc<Swarm>>,
    /// The info hashes of torrents whose ids do not tell them, by id.
    hashes: Rc<RefCell<BTreeMap<String, String>>>,
    /// What the playlist was at the last call.
    kept: RefCell<Vec<String>>,
}

/// What an operation consists of at the moment; the operation owns it, and what is heard only looks.
type Current = Rc<RefCell<Vec<Part>>>;

enum Part {
    Request { _guard: Request },
    Limit { _guard: Timeout },
}

impl WebTorrents {
    pub(super) fn new(on_stats: Callback<Vec<TorrentStats>>) -> Self {
        let swarm = is_supported().then(|| {
            Rc::new(Swarm::new(move |json| match serde_json::from_str(&json) {
                Ok(stats) => on_stats.emit(stats),
                Err(error) => web_sys::console::error_1(&error.to_string().into()),
            }))
        });
        Self { swarm, hashes: Rc::default(), kept: RefCell::default() }
    }
}

fn operation(current: Current) -> Operation {
    Operation::new(move || {
        // Out of the cell first: what ends may look into it.
        let parts = current.take();
        drop(parts);
    })
}

fn progress(event: &SwarmEvent) -> Option<Progress> {
    match *event {
        SwarmEvent::Progress { phase, done, total } => Some(Progress { op: 0, phase, done, total }),
        SwarmEvent::Torrent(_) | SwarmEvent::Ready { .. } | SwarmEvent::Failed { .. } => None,
    }
}

fn tell_progress(event: &SwarmEvent, on_event: &Callback<OpenEvent>) {
    if let Some(progress) = progress(event) {
        on_event.emit(OpenEvent::Progress(progress));
    }
}

/// The torrent with what others need to find it.
fn added(torrent: Description) -> Result<Added, String> {
    let chosen = selection::playable(&torrent.files);
    if chosen.is_empty() {
        return Err("There is neither a video nor music in it.".to_owned());
    }
    let torrent_id = selection::magnet(&torrent);
    Ok(Added { info_hash: torrent.info_hash, name: torrent.name, torrent_id, files: torrent.files, chosen })
}

/// Tells an addition what the swarm found.
fn conclude(event: SwarmEvent, on_event: &Callback<AddEvent>) {
    if let Some(progress) = progress(&event) {
        return on_event.emit(AddEvent::Progress(progress));
    }
    let result = match event {
        SwarmEvent::Torrent(torrent) => added(torrent).and_then(|added| items_of(&added)),
        SwarmEvent::Failed { reason } => Err(reason),
        SwarmEvent::Progress { .. } | SwarmEvent::Ready { .. } => return,
    };
    on_event.emit(match result {
        Ok(items) => AddEvent::Done(items),
        Err(reason) => AddEvent::Failed(reason),
    });
}

/// Looks a link up, for a while: it is good for the playlist in any case.
fn look_up(swarm: &Swarm, text: &str, item: PlaylistItem, on_event: Callback<AddEvent>) -> Operation {
    let current = Current::default();
    let hash = item.torrent_id.info_hash().map(|hash| hash.to_string());
    let guard = swarm.look_up(text, hash.as_deref(), {
        let (on_event, item, current) = (on_event.clone(), item.clone(), Rc::downgrade(&current));
        move |event| {
            let ends = progress(&event).is_none();
            if let Some(current) = current.upgrade().filter(|_| ends) {
                current.borrow_mut().retain(|part| matches!(part, Part::Request { .. }));
            }
            match event {
                // A site that lets no page read its .torrent, perhaps; the desktops in the room may.
                SwarmEvent::Failed { .. } => on_event.emit(AddEvent::Done(vec![item.clone()])),
                event @ (SwarmEvent::Progress { .. } | SwarmEvent::Torrent(_) | SwarmEvent::Ready { .. }) => {
                    conclude(event, &on_event);
                }
            }
        }
    });
    let limit = Timeout::new(LOOK_UP_LIMIT_MS, move || on_event.emit(AddEvent::Done(vec![item])));
    current.borrow_mut().extend([Part::Request { _guard: guard }, Part::Limit { _guard: limit }]);
    operation(current)
}

impl TorrentsPort for WebTorrents {
    fn add(&self, source: Source, on_event: Callback<AddEvent>) -> Operation {
        let current = Current::default();
        match (source, &self.swarm) {
            (Source::Link { text }, swarm) => match (item_of_link(&text), swarm) {
                (Ok(item), Some(swarm)) => return look_up(swarm, text.trim(), item, on_event),
                (Ok(item), None) => on_event.emit(AddEvent::Done(vec![item])),
                (Err(reason), _) => on_event.emit(AddEvent::Failed(reason)),
            },
            (Source::Path { .. }, None) => on_event.emit(AddEvent::Failed(NO_FILES.to_owned())),
            (Source::Path { path }, Some(swarm)) => {
                let Some(file) = files::take(&path) else {
                    on_event.emit(AddEvent::Failed("The file is gone.".to_owned()));
                    return Operation::over();
                };
                let name = file.name();
                let hear = move |event| conclude(event, &on_event);
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a file's length in bytes")]
                let length = file.size() as u64;
                let guard = if name.to_ascii_lowercase().ends_with(".torrent") {
                    swarm.read(&file, hear)
                } else if selection::mime_of(&name).is_empty() {
                    hear(SwarmEvent::Failed { reason: "This is neither a video nor music.".to_owned() });
                    return Operation::over();
                } else {
                    swarm.share(&file, streamshare_media::piece_length(length), hear)
                };
                current.borrow_mut().push(Part::Request { _guard: guard });
            }
        }
        operation(current)
    }

    fn open(&self, item: &PlaylistItem, on_event: Callback<OpenEvent>) -> Operation {
        let Some(swarm) = &self.swarm else {
            on_event.emit(OpenEvent::Unsupported);
            return Operation::over();
        };
        let current = Current::default();
        let (id, filename) = (item.torrent_id.as_str().to_owned(), item.filename.as_str().to_owned());
        let hash = item.torrent_id.info_hash().map(|hash| hash.to_string());
        let hear = {
            let (player, hashes, owner) = (Rc::clone(swarm), Rc::clone(&self.hashes), Rc::downgrade(&current));
            let id = id.clone();
            move |event| match event {
                SwarmEvent::Torrent(torrent) => {
                    hashes.borrow_mut().insert(id.clone(), torrent.info_hash.clone());
                    let Some(owner) = owner.upgrade() else { return };
                    match selection::find(&torrent, &filename) {
                        Ok(index) => {
                            let guard = play(&player, torrent, index, on_event.clone());
                            owner.borrow_mut().push(Part::Request { _guard: guard });
                        }
                        Err(reason) => on_event.emit(OpenEvent::Failed(reason)),
                    }
                }
                SwarmEvent::Failed { reason } => on_event.emit(OpenEvent::Failed(reason)),
                event @ (SwarmEvent::Progress { .. } | SwarmEvent::Ready { .. }) => tell_progress(&event, &on_event),
            }
        };
        let guard = swarm.look_up(&id, hash.as_deref(), hear);
        current.borrow_mut().push(Part::Request { _guard: guard });
        operation(current)
    }

    fn bytes(&self, opened: &Opened, file: &OpenedFile) -> Option<Rc<dyn Bytes>> {
        let (swarm, info_hash) = (Rc::clone(self.swarm.as_ref()?), opened.info_hash.clone());
        Some(Rc::new(SwarmBytes { swarm, info_hash, index: file.index }))
    }

    fn enter(&self, relay: &str) {
        if let Some(swarm) = &self.swarm {
            swarm.set_relay(selection::tracker_of(relay).as_deref(), selection::ice_servers_of(relay).as_deref());
        }
    }

    fn link_up(&self) {
        if let Some(swarm) = &self.swarm {
            swarm.wake();
        }
    }

    fn keep(&self, playlist: &Playlist) {
        let Some(swarm) = &self.swarm else { return };
        let hashes = self.hashes.borrow();
        let hash =
            |id: &TorrentId| id.info_hash().map(|hash| hash.to_string()).or_else(|| hashes.get(id.as_str()).cloned());
        let wanted: Vec<String> = playlist.iter().filter_map(|item| hash(&item.torrent_id)).collect();
        if *self.kept.borrow() != wanted {
            swarm.keep(wanted.clone());
            self.kept.replace(wanted);
        }
    }
}

/// What of a torrent may be played or shown.
fn opened_files(torrent: &Description) -> Vec<OpenedFile> {
    let known = torrent.files.iter().enumerate().filter(|(_, file)| FileKind::of(&file.path) != FileKind::Other);
    known
        .map(|(index, file)| OpenedFile { index, path: file.path.clone(), length: file.length })
        .take(OPENED_FILES_MAX)
        .collect()
}

fn play(swarm: &Swarm, torrent: Description, index: usize, on_event: Callback<OpenEvent>) -> Request {
    let (info_hash, known) = (torrent.info_hash.clone(), torrent.files[index].path.clone());
    swarm.play(&info_hash, index, selection::mime_of(&known), move |event| match event {
        SwarmEvent::Ready { url, mime, length } => {
            let info_hash = torrent.info_hash.clone();
            on_event.emit(OpenEvent::Ready(Opened {
                url,
                info_hash,
                file_index: index,
                length,
                mime,
                files: opened_files(&torrent),
            }));
        }
        SwarmEvent::Failed { reason } => on_event.emit(OpenEvent::Failed(reason)),
        event @ (SwarmEvent::Progress { .. } | SwarmEvent::Torrent(_)) => tell_progress(&event, &on_event),
    })
}
