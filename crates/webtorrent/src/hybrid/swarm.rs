//! A torrent's peers: announces, offers and answers, and the channels that come of them.

mod channels;

use super::{
    HybridConfig, SwarmStats,
    peers::Peers,
    pipe::Traffic,
    random_id,
    schedule::Schedule,
    signalling::{Command, Membership, Said, Trackers},
};
use crate::{
    channel::{CONNECT_TIME, Connector, PendingOffer},
    tracker::{Announced, Event, InfoHash, Offer, OfferId, Sdp},
};
use bytes::Bytes;
use futures_util::{
    StreamExt,
    future::join_all,
    stream::{BoxStream, SelectAll},
};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use url::Url;

/// Trackers of a torrent that count. A magnet link of WebTorrent has 3 to 8.
const TRACKERS_MAX: usize = 16;
/// Channels of a torrent that may be opening at a time, so that offers from nowhere cannot take all places.
const OPENING_MAX: usize = 16;
/// Lists of new trackers that wait.
const ADDITIONS: usize = 8;
/// How long channels may take to close.
const CLOSE_TIME: Duration = Duration::from_secs(4);

/// What all swarms have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: HybridConfig,
    pub(super) connector: Arc<dyn Connector>,
    pub(super) trackers: Arc<dyn Trackers>,
    /// A permit for each channel.
    pub(super) slots: Arc<Semaphore>,
}

/// What peers are wanted for.
#[derive(Debug, Clone)]
pub(super) enum Purpose {
    /// They are passed on to the client.
    Serve { piece_count: u32 },
    /// They are asked for metadata.
    Resolve { found: mpsc::Sender<Bytes> },
}

/// Figures that change while a swarm lives.
#[derive(Debug, Default)]
pub(super) struct Live {
    traffic: Traffic,
    peers: Peers,
    opening: AtomicUsize,
    trackers: AtomicUsize,
    seeders: AtomicU64,
    leechers: AtomicU64,
}

impl Live {
    pub(super) fn stats(&self) -> SwarmStats {
        let (uploaded_bytes, downloaded_bytes) = self.traffic.totals();
        SwarmStats {
            channels: self.peers.count(),
            opening: self.opening.load(Ordering::Relaxed),
            downloaded_bytes,
            uploaded_bytes,
            trackers: self.trackers.load(Ordering::Relaxed),
            seeders: self.seeders.load(Ordering::Relaxed),
            leechers: self.leechers.load(Ordering::Relaxed),
        }
    }
}

/// A swarm from outside. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) live: Arc<Live>,
    left: watch::Sender<Option<u64>>,
    additions: mpsc::Sender<Vec<Url>>,
    _cancel: tokio_util::sync::DropGuard,
}

impl Handle {
    pub(super) fn update_left(&self, left: u64) {
        self.left.send_if_modified(|known| known.replace(left) != Some(left));
    }

    pub(super) fn add_trackers(&self, trackers: Vec<Url>) {
        if self.additions.try_send(trackers).is_err() {
            tracing::debug!("too many new trackers at once");
        }
    }
}

/// Whether a tracker speaks over a WebSocket.
pub(super) fn is_usable(tracker: &Url) -> bool {
    matches!(tracker.scheme(), "ws" | "wss") && tracker.has_host()
}

/// A swarm, and what drives it until `cancel`.
pub(super) fn swarm(
    shared: Arc<Shared>,
    info_hash: InfoHash,
    trackers: Vec<Url>,
    purpose: Purpose,
    left: Option<u64>,
    cancel: CancellationToken,
) -> (Handle, impl Future<Output = ()> + Send + 'static) {
    let (left_sender, left) = watch::channel(left);
    let (additions_sender, additions) = mpsc::channel(ADDITIONS);
    let live = Arc::new(Live::default());
    let handle = Handle {
        live: live.clone(),
        left: left_sender,
        additions: additions_sender,
        _cancel: cancel.clone().drop_guard(),
    };
    let places = Arc::new(Semaphore::new(shared.config.max_channels_per_torrent));
    let swarm = Swarm {
        shared,
        info_hash,
        purpose,
        live,
        places,
        opening: Arc::new(Semaphore::new(OPENING_MAX)),
        trackers: Vec::new(),
        said: SelectAll::new(),
        tasks: JoinSet::new(),
        known_left: *left.borrow(),
        cancel,
    };
    (handle, swarm.run(trackers, left, additions))
}

struct Swarm {
    shared: Arc<Shared>,
    info_hash: InfoHash,
    purpose: Purpose,
    live: Arc<Live>,
    /// A permit for each channel of this torrent.
    places: Arc<Semaphore>,
    /// A permit for each channel that is opening.
    opening: Arc<Semaphore>,
    trackers: Vec<Tracker>,
    said: SelectAll<BoxStream<'static, (usize, Said)>>,
    tasks: JoinSet<Done>,
    known_left: Option<u64>,
    cancel: CancellationToken,
}

struct Tracker {
    url: Url,
    commands: mpsc::Sender<Command>,
    /// Counts connections: what was begun for an earlier one is of no use.
    connection: u64,
    connected: bool,
    /// What the next announce is about.
    event: Event,
    /// Offers are being made for an announce.
    busy: bool,
    schedule: Schedule,
    offers: HashMap<OfferId, Pending>,
    seen: (u64, u64),
}

struct Pending {
    since: Instant,
    offer: Box<dyn PendingOffer>,
}

/// How a task of a swarm's ended.
enum Done {
    /// Offers for an announce at a tracker, on a connection of its.
    Offers { tracker: usize, connection: u64, made: Vec<Made> },
    /// A channel is gone. Whether it was of use.
    Channel { opened: bool },
}

struct Made {
    offer: Offer,
    pending: Box<dyn PendingOffer>,
}

impl Swarm {
    async fn run(
        mut self,
        trackers: Vec<Url>,
        mut left: watch::Receiver<Option<u64>>,
        mut additions: mpsc::Receiver<Vec<Url>>,
    ) {
        let cancel = self.cancel.clone();
        self.join_trackers(trackers);
        loop {
            let wake = self.next_wake();
            tokio::select! {
                () = cancel.cancelled() => break,
                Some((tracker, said)) = self.said.next() => self.handle_said(tracker, said),
                Some(done) = self.tasks.join_next() => {
                    if let Ok(done) = done {
                        self.handle_done(done);
                    }
                }
                Ok(()) = left.changed() => {
                    let left = *left.borrow_and_update();
                    self.handle_left(left);
                }
                Some(trackers) = additions.recv() => self.join_trackers(trackers),
                () = sleep_until(wake) => {}
            }
            self.keep_up(Instant::now());
        }
        // Leaves the trackers.
        self.trackers.clear();
        if timeout(CLOSE_TIME, async { while self.tasks.join_next().await.is_some() {} }).await.is_err() {
            self.tasks.shutdown().await;
        }
    }

    fn join_trackers(&mut self, trackers: Vec<Url>) {
        for url in trackers {
            let known = self.trackers.iter().any(|tracker| tracker.url == url);
            if known || !is_usable(&url) || self.trackers.len() == TRACKERS_MAX {
                continue;
            }
            let index = self.trackers.len();
            let Membership { commands, mut events } = self.shared.trackers.join(url.clone(), self.info_hash);
            let said = futures_util::stream::poll_fn(move |context| events.poll_recv(context));
            self.said.push(said.map(move |said| (index, said)).boxed());
            self.trackers.push(Tracker {
                url,
                commands,
                connection: 0,
                connected: false,
                event: Event::Started,
                busy: false,
                schedule: Schedule::default(),
                offers: HashMap::new(),
                seen: (0, 0),
            });
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        let announces =
            self.trackers.iter().filter(|tracker| !tracker.busy).filter_map(|tracker| tracker.schedule.next());
        let offers = self.trackers.iter().flat_map(|tracker| tracker.offers.values());
        announces.chain(offers.map(|pending| pending.since + CONNECT_TIME)).min()
    }

    /// Does what is due.
    fn keep_up(&mut self, now: Instant) {
        for index in 0..self.trackers.len() {
            let tracker = &mut self.trackers[index];
            tracker.offers.retain(|_, pending| now < pending.since + CONNECT_TIME);
            if tracker.connected && !tracker.busy && tracker.schedule.is_due(now) {
                self.begin_announce(index);
            }
        }
    }

    fn handle_said(&mut self, index: usize, said: Said) {
        let tracker = &mut self.trackers[index];
        match said {
            Said::Connected => {
                tracker.connected = true;
                tracker.connection += 1;
                tracker.busy = false;
                tracker.event = Event::Started;
                tracker.offers.clear();
                tracker.schedule.set_due(Instant::now());
            }
            Said::Disconnected => {
                tracker.connected = false;
                tracker.offers.clear();
                tracker.schedule.disconnected();
                tracker.seen = (0, 0);
            }
            Said::Announced(Announced { complete, incomplete, interval, .. }) => {
                tracker.seen = (complete, incomplete);
                if let Some(interval) = interval {
                    tracker.schedule.set_interval(interval);
                }
            }
            Said::Offer(offer) => self.take_offer(index, offer),
            Said::Answer(answer) => self.take_answer(index, answer),
            Said::Failure(reason) => tracing::debug!(%reason, host = tracker.url.host_str(), "a tracker refuses"),
        }
        let live = &self.live;
        live.trackers.store(self.trackers.iter().filter(|tracker| tracker.connected).count(), Ordering::Relaxed);
        let most = |of: fn(&Tracker) -> u64| self.trackers.iter().map(of).max().unwrap_or(0);
        live.seeders.store(most(|tracker| tracker.seen.0), Ordering::Relaxed);
        live.leechers.store(most(|tracker| tracker.seen.1), Ordering::Relaxed);
    }

    fn handle_done(&mut self, done: Done) {
        match done {
            Done::Offers { tracker, connection, made } => {
                let state = &self.trackers[tracker];
                if state.connected && state.connection == connection {
                    self.announce(tracker, made);
                }
            }
            Done::Channel { opened } => {
                // Whoever has everything waits for others to come.
                if opened && self.known_left != Some(0) {
                    let now = Instant::now();
                    self.trackers.iter_mut().for_each(|tracker| tracker.schedule.hasten(now));
                }
            }
        }
    }

    fn handle_left(&mut self, left: Option<u64>) {
        let before = std::mem::replace(&mut self.known_left, left);
        if left == Some(0) && before != Some(0) {
            for tracker in self.trackers.iter_mut().filter(|tracker| tracker.connected) {
                if tracker.event == Event::Update {
                    tracker.event = Event::Completed;
                    tracker.schedule.set_due(Instant::now());
                }
            }
        }
    }

    /// Makes offers, which takes a moment, and announces with them.
    fn begin_announce(&mut self, index: usize) {
        let tracker = &mut self.trackers[index];
        let free = self.places.available_permits().min(self.shared.slots.available_permits());
        // Later on, those who miss something come to whoever has everything.
        let wanted = self.known_left != Some(0) || tracker.event == Event::Started;
        let count = if wanted { self.shared.config.offers.min(free) } else { 0 };
        tracker.busy = true;
        let (connector, connection) = (self.shared.connector.clone(), tracker.connection);
        let cancel = self.cancel.clone();
        self.tasks.spawn(async move {
            let offers = join_all((0..count).map(|_| make_offer(&*connector)));
            let made = cancel.run_until_cancelled(offers).await.unwrap_or_default();
            Done::Offers { tracker: index, connection, made: made.into_iter().flatten().collect() }
        });
    }

    fn announce(&mut self, index: usize, made: Vec<Made>) {
        let now = Instant::now();
        let (uploaded, downloaded) = self.live.traffic.totals();
        let tracker = &mut self.trackers[index];
        let mut offers = Vec::new();
        for Made { offer, pending } in made {
            tracker.offers.insert(offer.offer_id, Pending { since: now, offer: pending });
            offers.push(offer);
        }
        let event = std::mem::replace(&mut tracker.event, Event::Update);
        let command = Command::Announce { event, uploaded, downloaded, left: self.known_left, offers };
        if tracker.commands.try_send(command).is_err() {
            tracing::debug!("a tracker takes no messages");
        }
        tracker.busy = false;
        tracker.schedule.announced(now);
    }
}

async fn make_offer(connector: &dyn Connector) -> Option<Made> {
    let (sdp, pending) = connector
        .make_offer()
        .await
        .inspect_err(|error| tracing::debug!(error = error as &dyn std::error::Error, "no offer"))
        .ok()?;
    let sdp = Sdp::new(&sdp).inspect_err(|error| tracing::debug!(%error, "no offer")).ok()?;
    Some(Made { offer: Offer { offer_id: OfferId(random_id()), sdp }, pending })
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
