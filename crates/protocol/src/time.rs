//! Places in films, wall clocks, speeds and latencies: numbers that cannot be out of range.

use crate::limits::{LATENCY_MS_MAX, MEDIA_TIME_S_MAX, SKEW_MS_MAX, SPEED_MAX, SPEED_MIN, UNIX_MS_MAX};
use serde::{Serialize, Serializer};

/// A number that is not a time: not finite, or beyond the range of its type.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("is {value:?}, not a number from {min} to {max:?}")]
pub struct IllegalTime {
    value: f64,
    min: f64,
    max: f64,
}

/// A place in a media item, or a length of media: seconds, from 0 to [`MEDIA_TIME_S_MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct MediaTime(f64);

impl MediaTime {
    /// The start of an item.
    pub const ZERO: Self = Self(0.0);

    /// A time of `seconds`.
    ///
    /// # Errors
    /// When `seconds` is negative, not finite or above [`MEDIA_TIME_S_MAX`].
    pub fn new(seconds: f64) -> Result<Self, IllegalTime> {
        legal(seconds, 0.0, MEDIA_TIME_S_MAX).map(Self)
    }

    /// The nearest legal time to `seconds`; what is not a number becomes zero.
    #[must_use]
    pub fn saturating(seconds: f64) -> Self {
        if seconds.is_nan() { Self::ZERO } else { Self(seconds.clamp(0.0, MEDIA_TIME_S_MAX) + 0.0) }
    }

    /// Seconds.
    #[must_use]
    pub fn seconds(self) -> f64 {
        self.0
    }
}

/// A wall-clock reading: milliseconds since the Unix epoch on the clock of whoever sent it, from 0 to [`UNIX_MS_MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct UnixMs(f64);

impl UnixMs {
    /// A reading of `ms` milliseconds.
    ///
    /// # Errors
    /// When `ms` is negative, not finite or above [`UNIX_MS_MAX`].
    pub fn new(ms: f64) -> Result<Self, IllegalTime> {
        legal(ms, 0.0, UNIX_MS_MAX).map(Self)
    }

    /// The nearest legal reading to `ms`; what is not a number becomes zero.
    #[must_use]
    pub fn saturating(ms: f64) -> Self {
        if ms.is_nan() { Self(0.0) } else { Self(ms.clamp(0.0, UNIX_MS_MAX) + 0.0) }
    }

    /// Milliseconds.
    #[must_use]
    pub fn ms(self) -> f64 {
        self.0
    }
}

/// How fast a room plays: 1 is the film's own pace; from [`SPEED_MIN`] to [`SPEED_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Speed(f64);

impl Speed {
    /// The film's own pace.
    pub const NORMAL: Self = Self(1.0);

    /// A pace of `factor` times the film's own.
    ///
    /// # Errors
    /// When `factor` is not a number from [`SPEED_MIN`] to [`SPEED_MAX`].
    pub fn new(factor: f64) -> Result<Self, IllegalTime> {
        legal(factor, SPEED_MIN, SPEED_MAX).map(Self)
    }

    /// The nearest legal pace to `factor`; what is not a number becomes the film's own.
    #[must_use]
    pub fn saturating(factor: f64) -> Self {
        if factor.is_nan() { Self::NORMAL } else { Self(factor.clamp(SPEED_MIN, SPEED_MAX)) }
    }

    /// Seconds of film in a second.
    #[must_use]
    pub fn factor(self) -> f64 {
        self.0
    }
}

impl Default for Speed {
    fn default() -> Self {
        Self::NORMAL
    }
}

/// How long a member needs for something, in milliseconds from 0 to [`LATENCY_MS_MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Latency(f64);

impl Latency {
    /// `ms` milliseconds.
    ///
    /// # Errors
    /// When `ms` is negative, not finite or above [`LATENCY_MS_MAX`].
    pub fn new(ms: f64) -> Result<Self, IllegalTime> {
        legal(ms, 0.0, LATENCY_MS_MAX).map(Self)
    }

    /// The nearest legal latency to `ms`; what is not a number becomes zero.
    #[must_use]
    pub fn saturating(ms: f64) -> Self {
        if ms.is_nan() { Self(0.0) } else { Self(ms.clamp(0.0, LATENCY_MS_MAX) + 0.0) }
    }

    /// Milliseconds.
    #[must_use]
    pub fn ms(self) -> f64 {
        self.0
    }
}

/// How far a player is ahead of its room (where negative: behind), in milliseconds from -[`SKEW_MS_MAX`] to
/// [`SKEW_MS_MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Skew(f64);

impl Skew {
    /// `ms` milliseconds ahead.
    ///
    /// # Errors
    /// When `ms` is not finite, or further from 0 than [`SKEW_MS_MAX`].
    pub fn new(ms: f64) -> Result<Self, IllegalTime> {
        legal(ms, -SKEW_MS_MAX, SKEW_MS_MAX).map(Self)
    }

    /// The nearest legal skew to `ms`; what is not a number becomes zero.
    #[must_use]
    pub fn saturating(ms: f64) -> Self {
        if ms.is_nan() { Self(0.0) } else { Self(ms.clamp(-SKEW_MS_MAX, SKEW_MS_MAX) + 0.0) }
    }

    /// Milliseconds ahead.
    #[must_use]
    pub fn ms(self) -> f64 {
        self.0
    }
}

/// Adding zero turns -0.0 into 0.0, so that equal times are written alike.
fn legal(value: f64, min: f64, max: f64) -> Result<f64, IllegalTime> {
    let is_legal = value.is_finite() && (min..=max).contains(&value);
    if is_legal { Ok(value + 0.0) } else { Err(IllegalTime { value, min, max }) }
}

/// Whole numbers are written without a fraction, as JavaScript writes them.
fn write_number<S: Serializer>(value: f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.fract() == 0.0 {
        // All caps lie far below 2^63.
        #[allow(clippy::cast_possible_truncation, reason = "the types' ranges fit")]
        serializer.serialize_i64(value as i64)
    } else {
        serializer.serialize_f64(value)
    }
}

impl Serialize for MediaTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_number(self.0, serializer)
    }
}

impl Serialize for UnixMs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_number(self.0, serializer)
    }
}

impl Serialize for Speed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_number(self.0, serializer)
    }
}

impl Serialize for Latency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_number(self.0, serializer)
    }
}

impl Serialize for Skew {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_number(self.0, serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_times_in_range_are_times() {
        for bad in [-1.0, -f64::MIN_POSITIVE, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
            assert!(MediaTime::new(bad).is_err(), "{bad}");
            assert!(UnixMs::new(bad).is_err(), "{bad}");
        }
        assert_eq!(MediaTime::new(-0.0).map(|t| t.seconds().is_sign_positive()), Ok(true));
        assert_eq!(MediaTime::saturating(f64::NAN), MediaTime::ZERO);
        assert_eq!(MediaTime::saturating(-3.0), MediaTime::ZERO);
        assert_eq!(MediaTime::saturating(1e300).seconds(), MEDIA_TIME_S_MAX);
        for bad in [0.49, 2.01, -1.0, f64::NAN] {
            assert!(Speed::new(bad).is_err(), "{bad}");
        }
        assert_eq!((Speed::saturating(f64::NAN), Speed::saturating(9.0).factor()), (Speed::NORMAL, 2.0));
        assert!(Latency::new(-1.0).is_err() && Skew::new(-1.0).is_ok() && Skew::new(f64::INFINITY).is_err());
    }
}
