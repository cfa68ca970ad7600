//! What the swarms need of trackers.

use crate::tracker::{Announced, Event, Offer, OfferId, PassedAnswer, PassedOffer, PeerId, Sdp};
use std::fmt::Debug;
use tokio::sync::mpsc;
use url::Url;

/// Messages of either direction that wait. An offer a second is a busy tracker; when the queue towards the swarm is
/// full, the tracker's connection waits, and when the one towards the tracker is, the swarm drops its message.
pub const QUEUE: usize = 64;

/// Speaks with trackers.
pub trait Trackers: Debug + Send + Sync {
    /// Begins to speak with a tracker about a torrent, and goes on until [`Membership::commands`] is dropped; then the
    /// tracker is told that the peer has stopped, if it can be reached.
    ///
    /// Connecting again after a lost connection is this side's business, under a fresh peer id each time: webtorrent
    /// ignores a second peer of the same id.
    fn join(&self, tracker: Url, info_hash: crate::tracker::InfoHash) -> Membership;
}

/// A torrent's place at a tracker.
#[derive(Debug)]
pub struct Membership {
    /// What the tracker is to be told. Ignored while there is no connection.
    pub commands: mpsc::Sender<Command>,
    /// What the tracker says.
    pub events: mpsc::Receiver<Said>,
}

/// What a tracker is to be told.
#[derive(Debug)]
pub enum Command {
    /// The torrent is announced.
    Announce {
        /// Why.
        event: Event,
        /// Payload bytes sent and received.
        uploaded: u64,
        /// Payload bytes received.
        downloaded: u64,
        /// Bytes that are missing; `None` where nobody knows.
        left: Option<u64>,
        /// Offers for others.
        offers: Vec<Offer>,
    },
    /// Somebody's offer is taken.
    Answer {
        /// Whose.
        to: PeerId,
        /// Which.
        offer_id: OfferId,
        /// Our description.
        sdp: Sdp,
    },
}

/// What a tracker says.
#[derive(Debug)]
pub enum Said {
    /// There is a new connection, which knows nothing of this torrent yet: announce.
    Connected,
    /// The connection is lost. [`Said::Connected`] follows when it is back.
    Disconnected,
    /// The answer to an announce.
    Announced(Announced),
    /// Somebody offers to connect.
    Offer(PassedOffer),
    /// Somebody takes an offer of ours.
    Answer(PassedAnswer),
    /// The tracker does not want something.
    Failure(String),
}
