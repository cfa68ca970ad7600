//! Brings a player that is a little off nearer to the room, and one that stalled to where the room waits for it.

use super::{Client, Follower, LOOKS_FOR, SELDOM, SLOW_FOR, Target};
use crate::MonoTime;
use crate::client::types::{Output, PlayerReport};
use std::collections::VecDeque;
use std::time::Duration;
use streamshare_protocol::{MediaTime, PlaybackState};

/// A player that is corrected by pauses: from when on it is calm, how often that may be seen then, and before.
const CALM_AFTER: Duration = Duration::from_secs(10);
const NUDGE_EVERY_CALM: Duration = Duration::from_secs(60);
const NUDGE_EVERY: Duration = Duration::from_secs(2);
/// So far off, in milliseconds, people in one room hear an echo: this is worth more pictures that stand, if the last one helped.
const FAR_MS: f64 = 80.0;
const NUDGE_EVERY_FAR: Duration = Duration::from_secs(10);
/// How far it may be ahead and behind, in milliseconds: less than a frame at 24 per second.
const AHEAD_MS_MAX: f64 = 25.0;
const BEHIND_MS_MAX: f64 = 40.0;
/// What a seek costs beside its own duration, in milliseconds: the picture stands until the room is there.
const SEEK_COST_MS: f64 = 50.0;
/// A player whose room waits for it shows that it can play by getting this far beyond the place.
const RECOVERED_S: f64 = 0.1;
/// How far a player may be from where the room waits, in seconds.
const HELD_OFF_S: f64 = 0.3;
/// How far behind a player is that catches up by playing while the room waits; further back, it is sent there.
const CATCH_UP_S_MAX: f64 = 6.0;

impl Follower {
    pub(super) fn correct(
        &mut self,
        target: &Target<'_>,
        report: &PlayerReport,
        now: MonoTime,
        out: &mut VecDeque<Output>,
    ) {
        let gain = self.drift.gain(target.clock_noise_ms, now);
        self.set_rate(report, target.course.speed.factor() * (1.0 + gain), now, out);
    }

    pub(super) fn correct_by_pauses(
        &mut self,
        target: &Target<'_>,
        report: &PlayerReport,
        now: MonoTime,
        out: &mut VecDeque<Output>,
    ) {
        /// How long a trial of the speed takes at the most.
        const PROBE_MAX: Duration = Duration::from_secs(1);
        if self.probing.is_some_and(|since| now.since(since) < PROBE_MAX) {
            return self.correct(target, report, now, out);
        }
        if self.probing.take().is_some() {
            self.drift.reset();
        }
        self.set_rate(report, target.course.speed.factor(), now, out);
        let Some((error_ms, sigma_ms)) = self.error_ms() else { return };
        if self.profile.may_probe(-error_ms, now) {
            self.profile.handle_probe(now);
            self.probing = Some(now);
            return self.correct(target, report, now, out);
        }
        // On a machine that is too slow it never comes near, and each try costs a stall.
        self.nudge_helped |= error_ms.abs() < FAR_MS / 2.0;
        let calm = now.since(self.changed_at) >= CALM_AFTER;
        let every = match self.nudged_at {
            _ if !calm => NUDGE_EVERY,
            // What was not worth a seek at first is so now that it stays.
            None => CALM_AFTER,
            Some(_) if error_ms.abs() > FAR_MS && self.nudge_helped => NUDGE_EVERY_FAR,
            Some(_) => NUDGE_EVERY_CALM,
        };
        if now.since(self.nudged_at.unwrap_or(self.changed_at)) < every {
            return;
        }
        let noise_ms = 2.0 * sigma_ms.max(target.clock_noise_ms);
        let behind_ms_max = if calm { BEHIND_MS_MAX } else { self.profile.seek_ms().mean() + SEEK_COST_MS };
        let is_ahead = -error_ms > noise_ms.max(AHEAD_MS_MAX);
        let is_behind = error_ms > noise_ms.max(behind_ms_max) && self.may_seek(now);
        if is_ahead || is_behind {
            self.nudged_at = Some(now);
            self.nudge_helped = false;
            self.nudging = is_ahead;
            self.halt(now, out);
        }
    }

    /// The room waits for this player: it plays on to where the room stands, and a little beyond to show that it can.
    pub(super) fn catch_up(
        &mut self,
        report: &PlayerReport,
        place: MediaTime,
        now: MonoTime,
        out: &mut VecDeque<Output>,
    ) {
        let behind_s = place.seconds() - report.position.seconds();
        let there = behind_s <= -RECOVERED_S || report.ended;
        let recovered = self.recovered.unwrap_or(false) || (there && behind_s > -HELD_OFF_S);
        self.recovered = Some(recovered);
        self.landing = false;
        if report.seeking {
            return;
        }
        if recovered {
            if !report.paused {
                self.command(PlaybackState::Paused, now, out);
            }
        } else if !(-HELD_OFF_S..CATCH_UP_S_MAX).contains(&behind_s) && self.may_seek(now) {
            self.seek(place, now, out);
        } else if report.paused && !report.blocked {
            self.command(PlaybackState::Playing, now, out);
        } else if !report.stalled && self.is_seldom_looked_at(now) {
            // In a hidden page it would run far beyond the place before it is looked at again.
            let left_s = (behind_s + RECOVERED_S) / report.rate.max(0.1);
            self.wake = Some(now + Client::REPORT_EVERY.max(Duration::from_secs_f64(left_s.max(0.0))));
        }
    }

    /// Has an alarm set for the next look at a player that plays, where that is needed.
    pub(super) fn look_again(&mut self, now: MonoTime) {
        let unsettled = self.starting.is_some() || now < self.settled_at + LOOKS_FOR || self.drift.is_correcting();
        if self.is_seldom_looked_at(now) {
            let soon = now + Client::REPORT_EVERY;
            let looked = self.report.as_ref().map_or(now, |(_, at)| *at);
            self.wake = Some(if unsettled { soon } else { soon.max(looked + SELDOM) });
        }
    }

    /// Whether reports are far apart, as those of a hidden page.
    pub(super) fn is_seldom_looked_at(&self, now: MonoTime) -> bool {
        self.slow_at.is_some_and(|at| now.since(at) < SLOW_FOR)
    }
}
