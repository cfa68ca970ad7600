//! The messages as types.

use super::{InfoHash, OfferId, PeerId, Sdp, limits};

/// What a peer sends to a tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerMessage {
    /// It has or wants a torrent, and makes offers.
    Announce(Announce),
    /// It takes an offer that the tracker handed to it.
    Answer(Answer),
    /// It asks for numbers.
    Scrape(Scrape),
}

/// What a tracker sends to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrackerMessage {
    /// The answer to an announce.
    Announced(Announced),
    /// Another peer's offer.
    Offer(PassedOffer),
    /// Another peer's answer to an offer of this one.
    Answer(PassedAnswer),
    /// The answer to a scrape: the torrents and their numbers.
    Scrape(Vec<(InfoHash, Counts)>),
    /// The answer to what was not understood or not allowed.
    Failure(Failure),
}

/// Where a peer stands with a torrent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Event {
    /// Its first announce.
    Started,
    /// It leaves.
    Stopped,
    /// It has everything now. WebTorrent sends this before `started` where it has everything from the start.
    Completed,
    /// It has what it wants, though not everything (BEP 21).
    Paused,
    /// It is still there.
    #[default]
    Update,
}

/// A peer has or wants a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announce {
    /// The torrent.
    pub info_hash: InfoHash,
    /// The peer.
    pub peer_id: PeerId,
    /// Why it announces.
    pub event: Event,
    /// Bytes that it sent.
    pub uploaded: u64,
    /// Bytes that it received.
    pub downloaded: u64,
    /// Bytes that it lacks; `None` where it does not know, as with a magnet link.
    pub left: Option<u64>,
    /// Its offers, at most [`limits::OFFERS_MAX`].
    pub offers: Vec<Offer>,
}

/// An offer to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// What the offering peer calls it.
    pub offer_id: OfferId,
    /// The description.
    pub sdp: Sdp,
}

/// A peer takes an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The torrent.
    pub info_hash: InfoHash,
    /// Who answers.
    pub peer_id: PeerId,
    /// Who offered.
    pub to_peer_id: PeerId,
    /// Which offer.
    pub offer_id: OfferId,
    /// The description.
    pub sdp: Sdp,
}

/// A question for numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scrape {
    /// The torrents, 1 to [`limits::SCRAPE_MAX`].
    pub info_hashes: Vec<InfoHash>,
}

/// The answer to an announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The torrent.
    pub info_hash: InfoHash,
    /// Peers that have everything.
    pub complete: u64,
    /// Peers that do not.
    pub incomplete: u64,
    /// Seconds until the peer should announce again; a tracker that does not say leaves it to the peer.
    pub interval: Option<u64>,
}

/// Another peer's offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOffer {
    /// The torrent.
    pub info_hash: InfoHash,
    /// Who offers.
    pub peer_id: PeerId,
    /// Which of its offers.
    pub offer_id: OfferId,
    /// The description.
    pub sdp: Sdp,
}

/// Another peer's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedAnswer {
    /// The torrent.
    pub info_hash: InfoHash,
    /// Who answers.
    pub peer_id: PeerId,
    /// Which offer it takes.
    pub offer_id: OfferId,
    /// The description.
    pub sdp: Sdp,
}

/// A torrent's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Peers that have everything.
    pub complete: u64,
    /// Peers that do not.
    pub incomplete: u64,
    /// How often somebody got everything.
    pub downloaded: u64,
}

/// Why a message was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For people, at most [`limits::REASON_BYTES_MAX`] bytes where it was read.
    pub reason: String,
    /// The torrent that it was about, where the tracker says so.
    pub info_hash: Option<InfoHash>,
}

/// Why a text is no message. Displays as a reason that can be sent to who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// It is longer than [`limits::MESSAGE_BYTES_MAX`].
    #[error("the message is longer than {} bytes", limits::MESSAGE_BYTES_MAX)]
    TooLong,
    /// It is no JSON, or a field holds what it must not.
    #[error("invalid message: {reason}")]
    Malformed {
        /// Where and why, at most [`limits::REASON_BYTES_MAX`] bytes.
        reason: String,
    },
    /// The action is neither `announce` nor `scrape`.
    #[error("invalid action")]
    Action,
    /// A field that the action needs is missing.
    #[error("{field} is missing")]
    Missing {
        /// Its name.
        field: &'static str,
    },
    /// An announce names several torrents.
    #[error("an announce is about one info_hash")]
    SeveralTorrents,
}

impl DecodeError {
    pub(crate) fn malformed(error: &serde_json::Error) -> Self {
        Self::Malformed { reason: limits::cut_reason(error.to_string()) }
    }
}
