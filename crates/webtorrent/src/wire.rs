//! What is said over a channel once it is open: the BitTorrent peer protocol (BEP 3) as a stream of bytes.
//!
//! [`Shim`] stands between a peer at the other end of a channel and a BitTorrent client at the other end of a local TCP
//! connection, and makes up for what that client (librqbit 9.1) does not do. [`MetadataExchange`] asks a peer for the
//! info dictionary of a torrent (BEP 9, 10). Both are state machines without IO and without a clock.

mod bencode;
mod extended;
mod frame;
mod metadata;
mod shim;

pub use frame::{Frame, FrameError, Frames, Handshake};
pub use metadata::{MetadataError, MetadataExchange};
pub use shim::{Shim, ShimConfig, WireError};

pub mod limits;
