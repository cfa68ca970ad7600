//! What this player can do, learned by watching it: how long it takes to start and to seek, and what a change of its
//! playback speed costs.
//!
//! Engines differ more than their names tell. In Chromium the speed can be changed at will; WebKitGTK stalls for 40 to
//! 800 ms at each change, so that there a short pause is the better tool (both measured). The name is where this begins,
//! what the player does is where it ends.

use super::types::PlayerKind;
use crate::MonoTime;
use std::time::Duration;

/// How a player that is a little off is brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Means {
    /// By its playback speed.
    Rate,
    /// By a short pause where it is ahead, by a seek where it is behind.
    Pause,
}

/// A mean and how far values lie from it, both moving (RFC 6298, section 2, with its gains).
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    mean: f64,
    deviation: f64,
    samples: u32,
}

impl Estimate {
    fn guess(mean: f64, deviation: f64) -> Self {
        Self { mean, deviation, samples: 0 }
    }

    fn learn(&mut self, value: f64) {
        // The first values count more than what was guessed.
        let gain = if self.samples < 3 { 0.5 } else { 0.125 };
        self.samples = self.samples.saturating_add(1);
        // One value far out has a cause of its own.
        let value = value.min(1.5 * self.bound() + 50.0);
        self.deviation += 2.0 * gain * ((value - self.mean).abs() - self.deviation);
        self.deviation = self.deviation.max(0.0);
        self.mean += gain * (value - self.mean);
    }

    pub(super) fn mean(&self) -> f64 {
        self.mean
    }

    /// What most values stay below: nineteen of twenty and more, of such as have a long tail.
    pub(super) fn bound(&self) -> f64 {
        self.mean + 3.0 * self.deviation
    }
}

/// A seek that takes longer waits for data: no property of the player.
const SEEK_MS_MAX: f64 = 1000.0;
const START_MS_MAX: f64 = 300.0;
/// How long after a change of the speed its cost is seen.
const COST_AFTER: Duration = Duration::from_millis(600);
/// What a change may cost, in milliseconds of the film, and still be worth it: less than the least that it corrects.
const COST_MS_MAX: f64 = 20.0;
/// What a change costs that costs nothing: the error of two positions, and Chromium's bias of 0.14 % in the meantime.
const COST_MS_NONE: f64 = 8.0;
/// Strikes until a player is not corrected by its speed any more: one gap may have any cause.
const STRIKES: u32 = 2;
/// Seconds of media that must be ready for a gap not to be the swarm's.
const BUFFER_S_MIN: f64 = 0.5;

/// Changes of the speed whose cost is being seen.
#[derive(Clone, Copy, Debug)]
struct Watch {
    since: MonoTime,
    changes: u32,
    /// The place in milliseconds then, and how far the film should have advanced since.
    from_ms: f64,
    advanced_ms: f64,
    /// Until when that is counted, and the rate that counts from there.
    counted: MonoTime,
    rate: f64,
}

#[derive(Debug)]
pub(super) struct Profile {
    kind: PlayerKind,
    means: Means,
    /// From the command to play until the picture moves, in milliseconds.
    start_ms: Estimate,
    /// From the command to seek until the player says that it is done, in milliseconds.
    seek_ms: Estimate,
    strikes: u32,
    watch: Option<Watch>,
    probed: Option<MonoTime>,
}

impl Profile {
    pub(super) fn new(kind: PlayerKind) -> Self {
        // Measured: Chromium starts after 11 ms (p95 21) and seeks in 110 ms (p95 340), WebKitGTK in 16 to 135 ms.
        let (means, start_ms, seek_ms) = match kind {
            PlayerKind::Chromium => (Means::Rate, Estimate::guess(12.0, 5.0), Estimate::guess(140.0, 100.0)),
            PlayerKind::WebKit => (Means::Pause, Estimate::guess(5.0, 5.0), Estimate::guess(120.0, 60.0)),
            PlayerKind::Unknown => (Means::Rate, Estimate::guess(12.0, 10.0), Estimate::guess(150.0, 100.0)),
        };
        Self { kind, means, start_ms, seek_ms, strikes: 0, watch: None, probed: None }
    }

    pub(super) fn means(&self) -> Means {
        self.means
    }

    /// How far a paused player may be off, in seconds, before it is worth a seek: half a frame at 25 per second.
    /// WebKitGTK stayed black after a paused seek by some hundredths of a second and the next one behind it, so there it
    /// is two frames; what is left is made up for when it starts.
    pub(super) fn paused_off_s(&self) -> f64 {
        match (self.kind, self.means) {
            (PlayerKind::Chromium, _) | (PlayerKind::Unknown, Means::Rate) => 0.02,
            (PlayerKind::WebKit, _) | (PlayerKind::Unknown, Means::Pause) => 0.08,
        }
    }

    pub(super) fn start_ms(&self) -> &Estimate {
        &self.start_ms
    }

    pub(super) fn seek_ms(&self) -> &Estimate {
        &self.seek_ms
    }

    pub(super) fn learn_start(&mut self, ms: f64) {
        if ms < START_MS_MAX {
            self.start_ms.learn(ms.max(0.0));
        }
    }

    pub(super) fn learn_seek(&mut self, ms: f64) {
        self.seek_ms.learn(ms.min(SEEK_MS_MAX));
    }

    /// Whether to try once more whether this player's speed can be used; for a player that is ahead by a good deal, for
    /// then a stall does no harm.
    pub(super) fn may_probe(&self, ahead_ms: f64, now: MonoTime) -> bool {
        /// Ahead by this, most stalls that such a change costs bring a player nearer.
        const PROBE_AHEAD_MS_MIN: f64 = 100.0;
        const PROBE_EVERY: Duration = Duration::from_secs(300);
        ahead_ms >= PROBE_AHEAD_MS_MIN && self.probed.is_none_or(|at| now.since(at) >= PROBE_EVERY)
    }

    pub(super) fn handle_probe(&mut self, now: MonoTime) {
        self.probed = Some(now);
    }

    /// The player was told to play at another speed, while it was at a place of `place_s` and played at `former`.
    pub(super) fn handle_rate(&mut self, former: f64, rate: f64, place_s: f64, now: MonoTime) {
        let watch = self.watch.get_or_insert(Watch {
            since: now,
            changes: 0,
            from_ms: place_s * 1000.0,
            advanced_ms: 0.0,
            counted: now,
            rate: former,
        });
        watch.advanced_ms += now.since(watch.counted).as_secs_f64() * 1000.0 * watch.rate;
        (watch.counted, watch.rate, watch.changes) = (now, rate, watch.changes + 1);
    }

    /// Something else moved or stopped the player: what the change of speed cost cannot be told any more.
    pub(super) fn handle_disturbance(&mut self) {
        self.watch = None;
    }

    /// The player plays on at a place, with so many seconds ready.
    pub(super) fn handle_place(&mut self, place_s: f64, buffer_s: f64, now: MonoTime) {
        let Some(watch) = self.watch else { return };
        if buffer_s < BUFFER_S_MIN {
            return self.handle_disturbance();
        }
        if now.since(watch.since) < COST_AFTER {
            return;
        }
        self.watch = None;
        let expected_ms = watch.advanced_ms + now.since(watch.counted).as_secs_f64() * 1000.0 * watch.rate;
        let cost_ms = (expected_ms - (place_s * 1000.0 - watch.from_ms)) / f64::from(watch.changes.max(1));
        if cost_ms > COST_MS_MAX {
            self.strikes += 1;
            if self.strikes >= STRIKES {
                self.means = Means::Pause;
            }
        } else if cost_ms < COST_MS_NONE {
            self.strikes = 0;
            self.means = Means::Rate;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> MonoTime {
        MonoTime::from_us(ms * 1000)
    }

    /// Changes the speed `times` times, each at the cost of a stall, and answers by what the player is corrected then.
    fn means_after(kind: PlayerKind, times: u64, cost_ms: f64, buffer_s: f64) -> Means {
        let mut profile = Profile::new(kind);
        for n in 0..times {
            let (start, place) = (n * 10_000, 5.0);
            profile.handle_rate(1.0, 1.05, place, at(start));
            profile.handle_rate(1.05, 1.02, place + 0.21 - cost_ms / 1000.0, at(start + 200));
            let end = place + (0.2 * 1.05 + 0.5 * 1.02) - 2.0 * cost_ms / 1000.0;
            profile.handle_place(end, buffer_s, at(start + 700));
        }
        profile.means()
    }

    #[test]
    fn the_means_follow_from_what_changes_cost() {
        let table = [
            (PlayerKind::Chromium, 5, 0.0, Means::Rate),
            (PlayerKind::Chromium, 1, 90.0, Means::Rate),
            (PlayerKind::Chromium, 2, 90.0, Means::Pause),
            (PlayerKind::Unknown, 2, 37.0, Means::Pause),
            (PlayerKind::WebKit, 2, 90.0, Means::Pause),
            (PlayerKind::WebKit, 1, 1.0, Means::Rate),
        ];
        for (kind, times, cost_ms, means) in table {
            assert_eq!(means_after(kind, times, cost_ms, 10.0), means, "{kind:?} {times} {cost_ms}");
        }
        assert_eq!(means_after(PlayerKind::Chromium, 9, 90.0, 0.1), Means::Rate, "the swarm is slow, not the player");
    }

    #[test]
    fn latencies_are_learned() {
        let mut profile = Profile::new(PlayerKind::Unknown);
        for _ in 0..20 {
            profile.learn_seek(300.0);
            profile.learn_start(40.0);
        }
        assert!((profile.seek_ms().mean() - 300.0).abs() < 15.0 && (profile.start_ms().mean() - 40.0).abs() < 3.0);
        profile.learn_seek(60_000.0);
        assert!(profile.seek_ms().bound() < 700.0, "waiting for data is not the player's");
    }
}
