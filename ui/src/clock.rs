//! The page's clocks.

use streamshare_playsync::{MonoTime, Now};
use streamshare_protocol::UnixMs;

/// The present, on both clocks.
pub(crate) fn now() -> Now {
    // A page's monotonic clock starts at 0 when it is opened; microseconds of a century stay below 2^53.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 2^53")]
    let us = (mono_ms() * 1000.0) as u64;
    Now { mono: MonoTime::from_us(us), unix: UnixMs::saturating(js_sys::Date::now()) }
}

/// Milliseconds on the monotonic clock.
pub(crate) fn mono_ms() -> f64 {
    web_sys::window().and_then(|window| window.performance()).map_or(0.0, |performance| performance.now())
}
