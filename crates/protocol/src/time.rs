use crate::limits::{MEDIA_TIME_S_MAX, UNIX_MS_MAX};
use serde::{Serialize, Serializer};

/// A number that is not a time: negative, not finite or beyond the range of its type.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("is {value:?}, not a number from 0 to {max:?}")]
pub struct IllegalTime {
    value: f64,
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
        legal(seconds, MEDIA_TIME_S_MAX).map(Self)
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
        legal(ms, UNIX_MS_MAX).map(Self)
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

/// Adding zero turns -0.0 into 0.0, so that equal times are written alike.
fn legal(value: f64, max: f64) -> Result<f64, IllegalTime> {
    if value.is_finite() && (0.0..=max).contains(&value) { Ok(value + 0.0) } else { Err(IllegalTime { value, max }) }
}

/// Whole numbers are written without a fraction, as JavaScript writes them.
fn write_number<S: Serializer>(value: f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.fract() == 0.0 {
        // Both caps lie far below 2^64, and the value is not negative.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the type's range fits")]
        serializer.serialize_u64(value as u64)
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
    }
}
