//! Brings a player that stands to where the room is to come by, and starts it there.

use super::{Follower, Given, JUMP_S, SETTLE, Target};
use crate::MonoTime;
use crate::client::profile::Means;
use crate::client::types::{Output, PlayerReport};
use std::collections::VecDeque;
use std::time::Duration;
use streamshare_protocol::{MediaTime, PlaybackState};

/// How late a player may start, in milliseconds, before it is worth a seek: what is missing has to be made up for.
const LATE_MS_MAX: f64 = 100.0;
const LATE_PAUSE_MS_MAX: f64 = 80.0;
/// How long a player waits for the room to come to where it stands, in milliseconds, rather than seek back.
const WAIT_MS_MAX: f64 = 350.0;
/// The same where it has just sought, and must not again. Until the room starts it waits in any case.
const WAIT_UNSOUGHT_MS_MAX: f64 = 4000.0;
/// A start is in time up to this many milliseconds late: what a page's timer may be off by.
const IN_TIME_MS: f64 = 20.0;
/// A start this near is now: timers are no better.
const NOW_MS: f64 = 1.5;

impl Follower {
    /// Stops the player, and sends it to where it meets the room.
    pub(super) fn meet(&mut self, target: &Target<'_>, end: MediaTime, now: MonoTime, out: &mut VecDeque<Output>) {
        self.halt(now, out);
        if let Some((report, _)) = self.report.clone().filter(|(report, _)| report.paused) {
            self.land(target, &report, end, now, out);
        }
    }

    /// Where a player that seeks now meets the room.
    pub(super) fn meeting_place(&self, target: &Target<'_>, end: MediaTime) -> MediaTime {
        let starts_in_ms = (target.course.at_ms - target.relay_ms).max(0.0);
        let seek_ms = self.profile.seek_ms().bound() + self.profile.start_ms().mean();
        let place = target.course.position(target.relay_ms + starts_in_ms.max(seek_ms));
        if place > end { end } else { place }
    }

    /// The player stands and the room plays: it starts when the room comes to where it is.
    pub(super) fn land(
        &mut self,
        target: &Target<'_>,
        report: &PlayerReport,
        end: MediaTime,
        now: MonoTime,
        out: &mut VecDeque<Output>,
    ) {
        if self.was_told(PlaybackState::Playing, now) {
            return;
        }
        self.landing = true;
        let (course, start_ms) = (target.course, self.profile.start_ms().mean());
        let starts_in_ms = (course.at_ms - target.relay_ms).max(0.0);
        let wait_ms = course.reaches_ms(report.position) - target.relay_ms - start_ms;
        let seek_ms = self.profile.seek_ms().bound() + start_ms;
        // Whoever was sent ahead may have been there sooner than usual.
        let wait_max_ms = if self.nudging { JUMP_S * 1100.0 } else { seek_ms.max(WAIT_MS_MAX) };
        let late_max_ms = if self.profile.means() == Means::Rate { LATE_MS_MAX } else { LATE_PAUSE_MS_MAX };
        let off = wait_ms > starts_in_ms + wait_max_ms || wait_ms < -late_max_ms;
        let place = self.meeting_place(target, end);
        if off && self.may_seek_to(place, now) {
            return self.seek(place, now, out);
        }
        if report.ended {
            // It starts nowhere else than at the beginning.
            return;
        }
        if wait_ms > NOW_MS && (starts_in_ms > 0.0 || wait_ms < WAIT_UNSOUGHT_MS_MAX) {
            self.wake = Some(now + Duration::from_secs_f64(wait_ms / 1000.0));
            return;
        }
        self.starting = Some(Given { what: report.position.seconds(), at: now });
        self.settled_at = now + SETTLE;
        // Whoever comes late for another reason tells nothing of how long a start takes.
        let in_time = target.clock_known && wait_ms > -IN_TIME_MS;
        self.planned_start_ms = in_time.then_some(start_ms + wait_ms.min(0.0));
        (self.landing, self.nudging) = (false, false);
        self.drift.reset();
        self.command(PlaybackState::Playing, now, out);
        self.look_again(now);
    }
}
