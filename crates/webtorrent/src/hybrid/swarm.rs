//! A torrent's peers: announces, offers and answers, and the channels that come of them.

mod channels;
mod trackers;

use super::{HybridConfig, SwarmStats, bridges::Bridges, peers::Peers, pipe::Traffic, search::Search};
use crate::{
    channel::Connector,
    tracker::{Announced, Counts, InfoHash, TrackerClient, TrackerEvent},
};
use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{BoxStream, SelectAll},
};
use std::{
    collections::BTreeMap,
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
use trackers::{Made, Tracker};
use url::Url;

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
    pub(super) trackers: TrackerClient,
    /// A permit for each channel.
    pub(super) slots: Arc<Semaphore>,
    /// A permit for each offer that waits.
    pub(super) offers: Arc<Semaphore>,
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
    pub(super) bridges: Bridges,
    peers: Peers,
    opening: AtomicUsize,
    duplicates: AtomicU64,
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
            duplicates: self.duplicates.load(Ordering::Relaxed),
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
        info_hash,
        purpose,
        live,
        places,
        opening: Arc::new(Semaphore::new(OPENING_MAX)),
        trackers: BTreeMap::new(),
        joined: 0,
        said: SelectAll::new(),
        search: Search::default(),
        tasks: JoinSet::new(),
        known_left: *left.borrow(),
        scrape_at: Instant::now() + shared.config.scrape_every,
        cancel,
        shared,
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
    /// By the order in which they were joined.
    trackers: BTreeMap<u64, Tracker>,
    /// Trackers joined so far.
    joined: u64,
    said: SelectAll<BoxStream<'static, (u64, TrackerEvent)>>,
    search: Search,
    tasks: JoinSet<Done>,
    known_left: Option<u64>,
    /// When the trackers are asked for numbers again.
    scrape_at: Instant,
    cancel: CancellationToken,
}

/// How a task of a swarm's ended.
enum Done {
    /// Offers for an announce at a tracker.
    Offers { tracker: u64, made: Vec<Made> },
    /// A channel is gone that was open for so long; `None` where it never was.
    Channel { lasted: Option<Duration> },
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

    fn next_wake(&self) -> Option<Instant> {
        self.trackers.values().filter_map(Tracker::next_expiry).chain(self.search.next()).chain([self.scrape_at]).min()
    }

    /// Does what is due.
    fn keep_up(&mut self, now: Instant) {
        self.trackers.values_mut().for_each(|tracker| tracker.expire(now));
        if self.search.poll(self.live.peers.count() > 0, now) {
            self.trackers.values_mut().for_each(Tracker::hasten);
        }
        if self.scrape_at <= now {
            self.scrape_at = now + self.shared.config.scrape_every;
            self.trackers.values().for_each(Tracker::scrape);
        }
    }

    fn handle_said(&mut self, number: u64, said: TrackerEvent) {
        // One that had to make room may have said something before.
        let Some(tracker) = self.trackers.get_mut(&number) else { return };
        match said {
            TrackerEvent::Connected { .. } => tracker.connected(),
            TrackerEvent::Disconnected { .. } => tracker.disconnected(),
            TrackerEvent::Due => self.begin_announce(number),
            TrackerEvent::Announced(Announced { complete, incomplete, .. })
            | TrackerEvent::Scraped(Counts { complete, incomplete, .. }) => {
                let before = tracker.counted((complete, incomplete));
                self.look_for_others(before, (complete, incomplete));
            }
            TrackerEvent::Offer(offer) => self.take_offer(number, offer),
            TrackerEvent::Answer(answer) => self.take_answer(number, answer),
            // The connection has told the log.
            TrackerEvent::Failed(_) => {}
        }
        let live = &self.live;
        live.trackers.store(self.trackers.values().filter(|tracker| tracker.is_connected()).count(), Ordering::Relaxed);
        let most =
            |of: fn((u64, u64)) -> u64| self.trackers.values().map(|tracker| of(tracker.seen())).max().unwrap_or(0);
        live.seeders.store(most(|(complete, _)| complete), Ordering::Relaxed);
        live.leechers.store(most(|(_, incomplete)| incomplete), Ordering::Relaxed);
    }

    /// Where a tracker knows peers of use and none is connected, something went wrong, or they cannot be reached.
    fn look_for_others(&mut self, before: (u64, u64), now_seen: (u64, u64)) {
        // This peer is one of them.
        let others = |(complete, incomplete): (u64, u64)| match self.known_left {
            Some(0) => incomplete,
            Some(_) | None => (complete + incomplete).saturating_sub(1),
        };
        if others(now_seen) > others(before) {
            self.search.renew();
        }
        if others(now_seen) > 0 && self.live.peers.count() == 0 {
            self.search.missing(Instant::now());
        }
    }

    fn handle_done(&mut self, done: Done) {
        match done {
            Done::Offers { tracker, made } => self.announce(tracker, made),
            Done::Channel { lasted: Some(lasted) } => self.search.lost(lasted, Instant::now()),
            Done::Channel { lasted: None } => {}
        }
    }

    fn handle_left(&mut self, left: Option<u64>) {
        let before = std::mem::replace(&mut self.known_left, left);
        if left == Some(0) && before != Some(0) {
            let transfer = self.transfer();
            self.trackers.values().for_each(|tracker| tracker.set(transfer));
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
