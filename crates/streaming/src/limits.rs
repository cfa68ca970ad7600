//! What the engine may use up, and what it does when it has.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use librqbit::Session;

/// What an [`Engine`](crate::Engine) may use up. Default: nothing is limited.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Bytes a second to others, all torrents together; at least [`Limits::MIN_BPS`], which less is taken for.
    pub upload_bps: Option<NonZeroU32>,
    /// Bytes a second from others, all torrents together; at least [`Limits::MIN_BPS`], which less is taken for.
    pub download_bps: Option<NonZeroU32>,
    /// Peers a torrent, 256 where this says nothing. Holds for torrents that are added, or go on from the last run, after
    /// the engine was started with it.
    pub peers: Option<NonZeroU32>,
    /// A torrent pauses when it has given so many times what it has. It does not hold for files of the user's own.
    pub seed_ratio: Option<f64>,
    /// A torrent pauses when it has had all that was opened for so long. It does not hold for files of the user's own.
    pub seed_time: Option<Duration>,
    /// Bytes on the disk that downloads may take up together which the user did not want to keep. The least recently
    /// opened ones are dropped first.
    pub cache_bytes: Option<NonZeroU64>,
}

impl Limits {
    /// The least speed that can be set: a block is 16 KiB, and librqbit asks for the right to move a whole one; where that is
    /// more than a second's worth it gives up the torrent's uploads for good.
    pub const MIN_BPS: u32 = 16 << 10;

    /// Sets the speeds of a session that runs.
    pub(crate) fn apply(&self, session: &Session) {
        session.ratelimits.set_upload_bps(self.upload_bps.map(at_least));
        session.ratelimits.set_download_bps(self.download_bps.map(at_least));
    }

    /// Whether a torrent that gave `uploaded` bytes in all, of `have` bytes that it has, and did so for `seeded` has given
    /// enough.
    pub(crate) fn is_enough(&self, uploaded: u64, have: u64, seeded: Duration) -> bool {
        #[allow(clippy::cast_precision_loss, reason = "a ratio of sizes needs no last digit")]
        let ratio = uploaded as f64 / have as f64;
        let given = self.seed_ratio.is_some_and(|limit| have > 0 && ratio >= limit);
        given || self.seed_time.is_some_and(|limit| seeded >= limit)
    }
}

fn at_least(bps: NonZeroU32) -> NonZeroU32 {
    bps.max(NonZeroU32::new(Limits::MIN_BPS).expect("16 KiB is not zero"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_it_is_enough() {
        let limits = |seed_ratio, seed_s: Option<u64>| Limits {
            seed_ratio,
            seed_time: seed_s.map(Duration::from_secs),
            ..Limits::default()
        };
        let enough = |limits: Limits, uploaded, have, s| limits.is_enough(uploaded, have, Duration::from_secs(s));
        assert!(!enough(limits(None, None), u64::MAX, 1, u64::MAX));
        assert!(enough(limits(Some(2.0), None), 200, 100, 0) && !enough(limits(Some(2.0), None), 199, 100, 999));
        assert!(enough(limits(Some(0.0), None), 0, 100, 0) && !enough(limits(Some(2.0), None), 5, 0, 0));
        assert!(enough(limits(Some(2.0), Some(60)), 0, 100, 60) && !enough(limits(Some(2.0), Some(60)), 0, 100, 59));
    }
}
