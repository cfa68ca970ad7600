//! Peers of browsers, which speak BitTorrent over WebRTC and find each other through WebSocket trackers.
//!
//! [`tracker`] holds the messages of that tracker protocol, without IO, and with the feature `client` a client that keeps
//! one connection per tracker. A tracker's server is in the relay.
//!
//! What this crate deliberately does not do: it makes no torrents and no HTTP, and it knows no rooms.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]
#![warn(missing_docs)]

#[cfg(feature = "hybrid")]
pub mod channel;
#[cfg(feature = "hybrid")]
pub mod hybrid;
pub mod tracker;
#[cfg(feature = "wire")]
pub mod wire;
