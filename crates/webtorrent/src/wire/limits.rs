//! The numbers of the wire, and where they come from.

use std::time::Duration;

/// Bytes of a frame with its length prefix. librqbit 9.1 reads into a ring of 32 KiB (`read_buf.rs`) and drops a peer
/// whose frame does not fit; a block of 16 KiB and a bitfield of 262,000 pieces do.
pub const FRAME_BYTES_MAX: usize = 32 * 1024;

/// Bytes of a frame while metadata is fetched, when the number of pieces is not known yet: a bitfield of 8 million
/// pieces.
pub const METADATA_FRAME_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of an info dictionary. As much as the desktop reads out of a `.torrent`: a million pieces have 20 MB, but no
/// client in use makes more than some ten thousand.
pub const METADATA_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of a block, the unit of requests (BEP 3 and practice: everybody asks for 16 KiB).
pub const BLOCK_BYTES: usize = 16 * 1024;

/// Bytes that wait for the channel, or are being read by the client for it. Requests of the peer beyond that wait, so
/// that the client's side can always be read: librqbit loses HAVEs while its writer blocks. As much as WebRTC itself
/// keeps in flight.
pub const TO_PEER_BYTES: usize = 1024 * 1024;

/// Bytes that may wait for the channel although the peer asked for none of them: 116,000 HAVEs. Beyond is the end.
pub const TO_PEER_BYTES_MAX: usize = 2 * TO_PEER_BYTES;

/// Bytes that may wait for the client beside the blocks that it asked for: 14,000 HAVEs. The peer is read all the time,
/// since WebRTC would keep far more (512 messages) than what a peer may send: the blocks that were asked for, which is
/// 2 MiB with librqbit, and little else. A peer that sends more than the client takes is given up.
pub const CHATTER_BYTES_MAX: usize = 128 * 1024;

/// Requests of the peer that wait. webtorrent asks for what it could load in a second: 134 MB.
pub const HELD_MAX: usize = 8192;

/// Requests of the client that were not answered. librqbit has 128 at most, whatever is configured.
pub const OUTSTANDING_MAX: usize = 1024;

/// Requests for metadata that the client works on at a time; an answer is a block.
pub const METADATA_SERVED_MAX: usize = 16;

/// librqbit drops a peer that was silent for 10 s (its default), WebTorrent sends a keep-alive every 55 s.
pub const KEEP_ALIVE: Duration = Duration::from_secs(8);

/// A peer that was silent for so long is gone. BEP 3 has keep-alives every 2 minutes; half a minute for delays.
pub const IDLE_MAX: Duration = Duration::from_secs(150);

/// A peer that took nothing for so long although something is to be sent is as good as gone, whatever it says.
pub const STUCK_MAX: Duration = IDLE_MAX;

/// How long a peer may take for its handshake. webtorrent waits 5 s for one; slow links and sleepy tabs get more.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(15);

/// How long a peer's first message is waited for before its bitfield is taken to be empty. It follows the handshake at
/// once, or answers ours, after a round trip; two desktops wait for each other.
pub const BITFIELD_TIME: Duration = Duration::from_millis(500);

/// A choke that lasted for so long has discarded all requests that were sent before (BEP 3). Of a shorter one it is not
/// known: requests may have crossed it, since both take a round trip, and what waits in buffers.
pub const CROSSING_TIME: Duration = Duration::from_secs(2);

/// Answers to later requests after which an earlier one is taken to be lost. Peers answer in order, but for blocks that
/// they read at the same time.
pub const OVERTAKEN_MAX: u32 = 32;

/// How long no block may come before requests are taken to be lost. SCTP's first retransmission takes a second.
pub const STALL_TIME: Duration = Duration::from_secs(3);
