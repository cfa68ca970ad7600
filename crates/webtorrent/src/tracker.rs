//! The tracker protocol of WebTorrent: text JSON over a WebSocket, as npm's bittorrent-tracker 11 speaks it.
//!
//! A peer announces a torrent together with some WebRTC offers. The tracker answers with numbers, and hands each offer to
//! another peer of the torrent, whose answer it passes back. [`PeerMessage`] is what peers send, [`TrackerMessage`] what
//! trackers send; both read from text and write to text. There is no formal specification; the reference is the source of
//! bittorrent-tracker 11.2.3 (`lib/client/websocket-tracker.js`, `server.js`), and docs/TRACKER.md tells what is kept of it.

mod field;
mod id;
pub mod limits;
mod message;
mod peer_message;
mod sdp;
mod tracker_message;

pub use id::{InfoHash, OfferId, PeerId};
pub use message::{
    Announce, Announced, Answer, Counts, DecodeError, Event, Failure, Offer, PassedAnswer, PassedOffer, PeerMessage,
    Scrape, TrackerMessage,
};
pub use sdp::{Sdp, SdpError};

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "client")]
pub use client::{
    CloseCause, JoinError, Membership, TrackerClient, TrackerClientConfig, TrackerEvent, TrackerEvents, Transfer,
    is_web_socket,
};
