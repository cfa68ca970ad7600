//! The one place where the relay reads a clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};
use streamshare_playsync::RelayTime;

/// The relay's clock: the wall clock as it stood at the start, advanced by the monotonic one, so that it never jumps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    start_unix_us: u64,
}

impl Clock {
    /// A clock that starts now.
    pub(crate) fn start() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start: Instant::now(), start_unix_us: saturating_us(unix) }
    }

    pub(crate) fn now(&self) -> RelayTime {
        RelayTime::from_us(self.unix_us())
    }

    pub(crate) fn unix_us(&self) -> u64 {
        self.start_unix_us.saturating_add(saturating_us(self.start.elapsed()))
    }
}

fn saturating_us(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
