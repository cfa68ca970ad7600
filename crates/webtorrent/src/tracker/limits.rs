//! What a message may hold at most.

/// Bytes of a message's text. An announce with [`OFFERS_MAX`] usual descriptions of 2 KB fits; aquatic, the largest
/// tracker in use, draws the same line.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a session description as it stands in the JSON, quotes and escapes included. One for a data channel with all
/// its candidates has 0.5 to 3 KB.
pub const SDP_BYTES_MAX: usize = 16 * 1024;

/// Offers of an announce that count; what is beyond is ignored. WebTorrent's clients send 5.
pub const OFFERS_MAX: usize = 20;

/// Torrents of one scrape. As many fit into an HTTP request of 4 KB.
pub const SCRAPE_MAX: usize = 64;

/// Bytes of a failure reason; longer ones are cut where they are read.
pub const REASON_BYTES_MAX: usize = 256;

/// The text, cut to [`REASON_BYTES_MAX`].
pub(crate) fn cut_reason(mut text: String) -> String {
    if text.len() > REASON_BYTES_MAX {
        let end = (0..=REASON_BYTES_MAX).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}
