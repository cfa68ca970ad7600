//! A client of several trackers: one connection to each, for all torrents.

mod connection;
mod dial;
mod schedule;

use super::{
    Announced, Answer, Counts, Failure, InfoHash, Offer, OfferId, PassedAnswer, PassedOffer, PeerId, Sdp, limits,
};
use connection::{Link, Order};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use url::Url;

/// Events that wait for who handles them. Where it is full, the connections wait: a tracker's messages are then held up
/// by TCP.
const EVENTS_CAPACITY: usize = 256;

/// Announces, answers and scrapes that wait for one connection. Where it is full, further ones are dropped: descriptions
/// are worth nothing when they are old.
const ORDERS_CAPACITY: usize = 256;

/// How long a shutdown waits for the trackers to be told.
const SHUTDOWN_MAX: Duration = Duration::from_secs(5);

/// How to treat trackers.
#[derive(Clone, Debug)]
pub struct TrackerClientConfig {
    /// Their addresses, `ws` or `wss`.
    pub trackers: Vec<Url>,
    /// Offers that each announce should bring, at most [`limits::OFFERS_MAX`]. WebTorrent makes 5.
    pub offers: usize,
    /// How long an announce waits for its offers. It is then made without them, so that others find this peer.
    pub offers_timeout: Duration,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long to wait after a connection was lost, at least half of it by chance; doubled with each failure.
    pub retry_min: Duration,
    /// How long to wait at most.
    pub retry_max: Duration,
    /// The shortest interval that a tracker may ask for.
    pub interval_min: Duration,
    /// The longest one, and what holds where it asks for none.
    pub interval_max: Duration,
    /// TLS settings for `wss`; `None` for those of the system.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

impl TrackerClientConfig {
    /// The defaults, for some trackers.
    #[must_use]
    pub fn new(trackers: Vec<Url>) -> Self {
        Self {
            trackers,
            offers: 5,
            // Gathering candidates takes up to 5 s where a STUN server does not answer.
            offers_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(15),
            retry_min: Duration::from_secs(1),
            retry_max: Duration::from_secs(300),
            interval_min: Duration::from_secs(15),
            // A tracker of the reference's kind forgets a peer after 20 minutes.
            interval_max: Duration::from_secs(600),
            tls: None,
        }
    }
}

/// Which tracker, by its place in [`TrackerClientConfig::trackers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackerIndex(pub usize);

/// How far a torrent is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transfer {
    /// Bytes sent.
    pub uploaded: u64,
    /// Bytes received.
    pub downloaded: u64,
    /// Bytes that are lacking, `None` where that is not known yet. 0 has the trackers told that it is complete.
    pub left: Option<u64>,
}

/// What happens with a tracker.
#[derive(Debug)]
#[non_exhaustive]
pub enum TrackerEvent {
    /// It is connected. This peer goes by another id than before; what was offered before may still be answered.
    Connected {
        /// Which one.
        tracker: TrackerIndex,
        /// What this peer is called there now.
        peer_id: PeerId,
    },
    /// Its connection ended or could not be made; it is made anew by itself.
    Disconnected {
        /// Which one.
        tracker: TrackerIndex,
        /// Why.
        cause: CloseCause,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// A torrent is to be announced: the tracker waits for [`TrackerClient::announce`].
    Due {
        /// Which one.
        tracker: TrackerIndex,
        /// Which torrent.
        info_hash: InfoHash,
        /// How many offers it should bring.
        offers: usize,
    },
    /// It took an announce.
    Announced {
        /// Which one.
        tracker: TrackerIndex,
        /// Its numbers.
        announced: Announced,
    },
    /// Another peer offers to connect: [`TrackerClient::answer`] takes it.
    Offer {
        /// Which one.
        tracker: TrackerIndex,
        /// The offer.
        offer: PassedOffer,
    },
    /// Another peer took an offer.
    Answer {
        /// Which one.
        tracker: TrackerIndex,
        /// The answer.
        answer: PassedAnswer,
    },
    /// The answer to [`TrackerClient::scrape`].
    Scraped {
        /// Which one.
        tracker: TrackerIndex,
        /// Torrents and their numbers.
        files: Vec<(InfoHash, Counts)>,
    },
    /// It refused something.
    Failed {
        /// Which one.
        tracker: TrackerIndex,
        /// Why.
        failure: Failure,
    },
}

pub use dial::CloseCause;

/// Why a client did not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// An address is no tracker's.
    #[error("{url} is no address of a WebSocket tracker")]
    Address {
        /// The address.
        url: Url,
    },
    /// TLS cannot be used: the system's certificates cannot be read, or the settings cannot be.
    #[error("TLS cannot be used: {reason}")]
    Tls {
        /// What its library says.
        reason: String,
    },
}

/// The torrents to announce, which all connections look at.
type Torrents = BTreeMap<InfoHash, Transfer>;

/// What is shared with the connections.
#[derive(Debug)]
struct Shared {
    torrents: Mutex<Torrents>,
    /// Says when the torrents changed.
    changed: watch::Sender<()>,
}

impl Shared {
    /// A panic while the lock is held leaves whole entries.
    fn torrents(&self) -> MutexGuard<'_, Torrents> {
        self.torrents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connections to trackers. Dropping it ends them without telling the trackers; [`TrackerClient::shutdown`] tells them.
///
/// No method waits for a tracker, so that whoever handles the events may call them all.
#[derive(Debug)]
pub struct TrackerClient {
    shared: Arc<Shared>,
    orders: Vec<mpsc::Sender<Order>>,
    stop: CancellationToken,
    connections: JoinSet<()>,
}

impl TrackerClient {
    /// Starts to connect to each tracker. The events must be taken from the receiver; where it is dropped, all ends.
    ///
    /// # Errors
    /// When an address is no tracker's, or TLS cannot be used.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn start(config: TrackerClientConfig) -> Result<(Self, mpsc::Receiver<TrackerEvent>), StartError> {
        for url in &config.trackers {
            if !matches!(url.scheme(), "ws" | "wss") || url.host().is_none() {
                return Err(StartError::Address { url: url.clone() });
            }
        }
        let tls = match &config.tls {
            Some(tls) => Some(Arc::clone(tls)),
            None if config.trackers.iter().any(|url| url.scheme() == "wss") => Some(dial::system_tls()?),
            None => None,
        };
        let config = Arc::new(TrackerClientConfig { offers: config.offers.min(limits::OFFERS_MAX), tls, ..config });
        let shared = Arc::new(Shared { torrents: Mutex::default(), changed: watch::Sender::new(()) });
        let stop = CancellationToken::new();
        let (events_in, events) = mpsc::channel(EVENTS_CAPACITY);
        let (mut orders, mut connections) = (Vec::new(), JoinSet::new());
        for (index, url) in config.trackers.iter().enumerate() {
            let (orders_in, orders_out) = mpsc::channel(ORDERS_CAPACITY);
            orders.push(orders_in);
            let link = Link {
                tracker: TrackerIndex(index),
                url: url.clone(),
                config: Arc::clone(&config),
                shared: Arc::clone(&shared),
                changed: shared.changed.subscribe(),
                orders: orders_out,
                events: events_in.clone(),
                stop: stop.clone(),
            };
            connections.spawn(link.run());
        }
        Ok((Self { shared, orders, stop, connections }, events))
    }

    /// Adds a torrent, or tells how far it is.
    pub fn set(&self, info_hash: InfoHash, transfer: Transfer) {
        self.shared.torrents().insert(info_hash, transfer);
        self.shared.changed.send_replace(());
    }

    /// Removes a torrent, and has the trackers told that this peer leaves it.
    pub fn remove(&self, info_hash: InfoHash) {
        self.shared.torrents().remove(&info_hash);
        self.shared.changed.send_replace(());
    }

    /// Announces a torrent with offers, at most [`limits::OFFERS_MAX`]. Made for [`TrackerEvent::Due`], but it may come at
    /// any time. Nothing happens while the tracker is not connected: it will be due again.
    pub fn announce(&self, tracker: TrackerIndex, info_hash: InfoHash, offers: Vec<Offer>) {
        self.order(tracker, Order::Announce { info_hash, offers });
    }

    /// Takes an offer.
    pub fn answer(&self, tracker: TrackerIndex, offer: &PassedOffer, sdp: Sdp) {
        let (info_hash, to_peer_id, offer_id) = (offer.info_hash, offer.peer_id, offer.offer_id);
        self.order(tracker, Order::Answer { info_hash, to_peer_id, offer_id, sdp });
    }

    /// Asks a tracker for the numbers of torrents, at most [`limits::SCRAPE_MAX`] of which count.
    pub fn scrape(&self, tracker: TrackerIndex, mut info_hashes: Vec<InfoHash>) {
        info_hashes.truncate(limits::SCRAPE_MAX);
        if !info_hashes.is_empty() {
            self.order(tracker, Order::Scrape { info_hashes });
        }
    }

    fn order(&self, tracker: TrackerIndex, order: Order) {
        let Some(orders) = self.orders.get(tracker.0) else { return };
        if orders.try_send(order).is_err() {
            tracing::debug!(tracker = tracker.0, "too much waits for a tracker; a message is dropped");
        }
    }

    /// Tells the trackers that this peer leaves all torrents, and ends. Takes 5 s at most.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        let drained = timeout(SHUTDOWN_MAX, async { while self.connections.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            self.connections.shutdown().await;
        }
    }
}

/// Fills in who answers.
fn answered(order: (InfoHash, PeerId, OfferId, Sdp), peer_id: PeerId) -> Answer {
    let (info_hash, to_peer_id, offer_id, sdp) = order;
    Answer { info_hash, peer_id, to_peer_id, offer_id, sdp }
}
