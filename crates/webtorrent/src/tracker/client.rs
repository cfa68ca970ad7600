//! A client of many trackers: one connection to each, for all torrents that are announced there.

mod connection;
mod dial;
mod roster;
mod schedule;

use super::{Announced, Counts, Failure, InfoHash, PassedAnswer, PassedOffer, PeerId};
use connection::Link;
use roster::Roster;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Semaphore, time::timeout};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use url::Url;

pub use dial::CloseCause;
pub use roster::{Membership, TrackerEvents};

/// How long a shutdown waits for the trackers to be told.
const SHUTDOWN_MAX: Duration = Duration::from_secs(5);

/// How to treat trackers.
#[derive(Clone, Debug)]
pub struct TrackerClientConfig {
    /// Connections at a time; further trackers wait for their turn. A tracker that cannot be reached takes a place only
    /// while it is tried.
    pub connections_max: usize,
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
    /// The longest one.
    pub interval_max: Duration,
    /// The least time between two announces of a torrent where [`Membership::hasten`] asks for the second.
    pub hasten_min: Duration,
    /// TLS settings for `wss`; `None` for those of the system.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

impl Default for TrackerClientConfig {
    fn default() -> Self {
        Self {
            // Of the 1,024 files that a process may open on most systems.
            connections_max: 128,
            // Gathering candidates takes up to 5 s where a STUN server does not answer.
            offers_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(15),
            retry_min: Duration::from_secs(1),
            // Short, since a relay that was restarted has a room waiting.
            retry_max: Duration::from_secs(60),
            interval_min: Duration::from_secs(15),
            // A tracker of the reference's kind forgets a peer after 20 minutes.
            interval_max: Duration::from_secs(600),
            // A relay's tracker takes 10 messages a second of each connection: 25 torrents at once at this pace.
            hasten_min: Duration::from_secs(5),
            tls: None,
        }
    }
}

/// How far a torrent is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transfer {
    /// Bytes sent.
    pub uploaded: u64,
    /// Bytes received.
    pub downloaded: u64,
    /// Bytes that are lacking, `None` where that is not known yet. 0 has the tracker told that it is complete.
    pub left: Option<u64>,
}

/// What happens with a torrent at a tracker.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TrackerEvent {
    /// The tracker is connected, and knows nothing of the torrent yet. This peer goes by another id than before, so that
    /// what was offered before is not answered any more.
    Connected {
        /// What this peer is called there now.
        peer_id: PeerId,
    },
    /// The connection ended or could not be made; it is made anew by itself.
    Disconnected {
        /// Why.
        cause: Arc<CloseCause>,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// The torrent is to be announced: the tracker waits for [`Membership::announce`].
    Due,
    /// The tracker took an announce.
    Announced(Announced),
    /// Another peer offers to connect: [`Membership::answer`] takes it.
    Offer(PassedOffer),
    /// Another peer took an offer.
    Answer(PassedAnswer),
    /// The answer to [`Membership::scrape`].
    Scraped(Counts),
    /// The tracker refused something.
    Failed(Failure),
}

/// Why a tracker cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The address is no tracker's.
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

/// Whether an address can be a WebSocket tracker's.
#[must_use]
pub fn is_web_socket(tracker: &Url) -> bool {
    matches!(tracker.scheme(), "ws" | "wss") && tracker.has_host()
}

/// What the connections have in common.
#[derive(Debug)]
struct Shared {
    config: TrackerClientConfig,
    /// Made when the first `wss` tracker is joined.
    tls: Mutex<Option<Arc<rustls::ClientConfig>>>,
    /// Who is at which tracker. Locked before a roster is, never after.
    rosters: Mutex<HashMap<Url, Arc<Roster>>>,
    /// A permit for each connection.
    connections: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Shared {
    /// A panic while the lock is held leaves whole entries.
    fn rosters(&self) -> MutexGuard<'_, HashMap<Url, Arc<Roster>>> {
        self.rosters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a tracker off the list, unless somebody is there. Who joins afterwards gets a new connection.
    fn close_if_empty(&self, url: &Url, roster: &Roster) -> bool {
        let mut rosters = self.rosters();
        let is_empty = roster.is_empty();
        if is_empty {
            rosters.remove(url);
        }
        is_empty
    }

    fn tls(&self) -> Result<Arc<rustls::ClientConfig>, JoinError> {
        let mut tls = self.tls.lock().unwrap_or_else(PoisonError::into_inner);
        match &*tls {
            Some(tls) => Ok(Arc::clone(tls)),
            None => Ok(Arc::clone(tls.insert(dial::system_tls()?))),
        }
    }
}

/// Connections to trackers, as many as torrents need: each is made when the first torrent joins its tracker, and closed
/// when the last one has left.
///
/// Dropping it ends all in the background, and the trackers are told; [`shutdown`](Self::shutdown) also waits.
#[derive(Debug)]
pub struct TrackerClient {
    shared: Arc<Shared>,
    links: TaskTracker,
    _stop_on_drop: DropGuard,
}

impl TrackerClient {
    /// Connects to nothing yet.
    #[must_use]
    pub fn new(config: TrackerClientConfig) -> Self {
        let stop = CancellationToken::new();
        Self {
            shared: Arc::new(Shared {
                tls: Mutex::new(config.tls.clone()),
                rosters: Mutex::default(),
                connections: Arc::new(Semaphore::new(config.connections_max)),
                stop: stop.clone(),
                config,
            }),
            links: TaskTracker::new(),
            _stop_on_drop: stop.drop_guard(),
        }
    }

    /// Has a torrent announced at a tracker until the membership is dropped. Where it is there already, the newest
    /// membership gets the offers of others, and the tracker hears of one peer.
    ///
    /// # Errors
    /// When the address is no tracker's, or TLS cannot be used.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn join(
        &self,
        tracker: &Url,
        info_hash: InfoHash,
        transfer: Transfer,
    ) -> Result<(Membership, TrackerEvents), JoinError> {
        if !is_web_socket(tracker) {
            return Err(JoinError::Address { url: tracker.clone() });
        }
        let tls = (tracker.scheme() == "wss").then(|| self.shared.tls()).transpose()?;
        let mut rosters = self.shared.rosters();
        if let Some(roster) = rosters.get(tracker) {
            return Ok(Roster::join(roster, info_hash, transfer));
        }
        let (roster, orders) = Roster::new();
        let joined = Roster::join(&roster, info_hash, transfer);
        rosters.insert(tracker.clone(), Arc::clone(&roster));
        let link = Link { url: tracker.clone(), tls, shared: Arc::clone(&self.shared), roster, orders };
        self.links.spawn(link.run());
        Ok(joined)
    }

    /// Tells the trackers that this peer leaves all torrents, and ends. Takes 5 s at most.
    pub async fn shutdown(&self) {
        self.shared.stop.cancel();
        self.links.close();
        if timeout(SHUTDOWN_MAX, self.links.wait()).await.is_err() {
            tracing::debug!("not all trackers could be told in time");
        }
    }
}
