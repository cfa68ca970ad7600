//! Moments and lengths on a client's and on the relay's clock, kept apart by their types. Nobody here reads a clock.

use std::ops::{Add, Sub};
use std::time::Duration;
use streamshare_protocol::UnixMs;

/// A moment on a local monotonic clock, in microseconds from a start of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MonoTime(u64);

impl MonoTime {
    /// The moment `us` microseconds after the clock's start.
    #[must_use]
    pub fn from_us(us: u64) -> Self {
        Self(us)
    }

    /// Microseconds after the clock's start.
    #[must_use]
    pub fn us(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; nothing where it was not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for MonoTime {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(later.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// The present as a client reads it: a monotonic clock for everything it measures, and the wall clock only for the
/// `dispatchedAt` of what it sends.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Now {
    /// The monotonic clock.
    pub mono: MonoTime,
    /// The wall clock.
    pub unix: UnixMs,
}

/// A moment on the relay's clock: microseconds since the Unix epoch, read once at the relay's start and advanced by a
/// monotonic clock, so that it never jumps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RelayTime(u64);

impl RelayTime {
    /// The moment `us` microseconds after the Unix epoch.
    #[must_use]
    pub fn from_us(us: u64) -> Self {
        Self(us)
    }

    /// As messages carry it.
    #[must_use]
    pub fn unix_ms(self) -> UnixMs {
        #[allow(clippy::cast_precision_loss, reason = "microseconds since 1970 stay below 2^53 until the year 2255")]
        UnixMs::saturating(self.0 as f64 / 1000.0)
    }

    /// How long ago `earlier` was; nothing where it was not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for RelayTime {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(later.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Sub for RelayTime {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}
