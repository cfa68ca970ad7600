//! What the player is told, and what it shows by how it obeys.

use super::{Follower, Given, SEEK_IS_STALL, SETTLE, STILL};
use crate::MonoTime;
use crate::client::types::{Output, PlayerReport};
use std::collections::VecDeque;
use std::time::Duration;
use streamshare_protocol::{MediaTime, PlaybackState};

/// The pause between two equal commands to a player that does not obey at once.
const COMMAND_EVERY: Duration = Duration::from_millis(700);
/// Below this, two playback speeds are the same.
const RATE_SAME: f64 = 1e-4;
/// How often a player is told a speed that it does not take.
const RATE_TRIES: u32 = 3;
/// See [`SEEK_EVERY`](super::SEEK_EVERY).
const SEEK_EVERY_MAX: Duration = Duration::from_secs(30);

impl Follower {
    /// Stops a player whose room plays; it starts again where it meets the room.
    pub(super) fn halt(&mut self, now: MonoTime, out: &mut VecDeque<Output>) {
        self.landing = true;
        self.planned_start_ms = None;
        self.drift.reset();
        self.command(PlaybackState::Paused, now, out);
    }

    pub(super) fn was_told(&self, state: PlaybackState, now: MonoTime) -> bool {
        self.last_state.is_some_and(|last| last.what == state && now.since(last.at) < COMMAND_EVERY)
    }

    pub(super) fn command(&mut self, state: PlaybackState, now: MonoTime, out: &mut VecDeque<Output>) {
        if self.was_told(state, now) {
            return;
        }
        self.last_state = Some(Given { what: state, at: now });
        self.profile.handle_disturbance();
        let position = self.position(now);
        if let (Some((report, at)), Some(position)) = (&mut self.report, position) {
            // Until the player says otherwise, believe that it obeys.
            (report.paused, report.position, *at) = (state == PlaybackState::Paused, position, now);
        }
        out.push_back(match state {
            PlaybackState::Playing => Output::Play,
            PlaybackState::Paused => Output::Pause,
        });
    }

    pub(super) fn set_rate(&mut self, report: &PlayerReport, rate: f64, now: MonoTime, out: &mut VecDeque<Output>) {
        let told = self.last_rate.is_some_and(|last| (last.what - rate).abs() < RATE_SAME);
        let obeyed = (report.rate - rate).abs() < RATE_SAME;
        let waits = self.last_rate.is_some_and(|last| now.since(last.at) < COMMAND_EVERY);
        let done = if told { obeyed || waits || self.rate_tries >= RATE_TRIES } else { obeyed };
        if done {
            return;
        }
        self.rate_tries = if told { self.rate_tries + 1 } else { 1 };
        self.last_rate = Some(Given { what: rate, at: now });
        if !report.paused {
            self.profile.handle_rate(report.rate, rate, report.position.seconds(), now);
        }
        if let Some((report, _)) = &mut self.report {
            report.rate = rate;
        }
        out.push_back(Output::Rate(rate));
    }

    pub(super) fn may_seek(&self, now: MonoTime) -> bool {
        self.may_seek_after(self.seek_every, now)
    }

    /// The same for a certain place. Whoever waited for data and has it, there too, chases nothing.
    pub(super) fn may_seek_to(&self, place: MediaTime, now: MonoTime) -> bool {
        let ready = self.report().is_some_and(|report| {
            let ahead_s = place.seconds() - report.position.seconds();
            (0.0..=report.buffer.seconds()).contains(&ahead_s)
        });
        if ready && self.stalled_lately { self.may_seek_after(Duration::ZERO, now) } else { self.may_seek(now) }
    }

    fn may_seek_after(&self, pause: Duration, now: MonoTime) -> bool {
        let three = Duration::from_secs_f64(self.profile.seek_ms().mean().max(0.0) * 3.0 / 1000.0);
        self.last_seek.is_none_or(|seek| now.since(seek.at) >= pause.max(three))
    }

    pub(super) fn seek(&mut self, target: MediaTime, now: MonoTime, out: &mut VecDeque<Output>) {
        if self.last_seek.is_some() {
            self.seek_every = (self.seek_every * 2).min(SEEK_EVERY_MAX);
        }
        self.last_seek = Some(Given { what: target, at: now });
        self.seeking = Some(Given { what: true, at: now });
        (self.nudging, self.planned_start_ms) = (false, None);
        self.profile.handle_disturbance();
        if let Some((report, at)) = &mut self.report {
            (report.position, report.seeking, *at) = (target, true, now);
        }
        out.push_back(Output::Seek(target));
    }

    /// What the player's own word tells of its latencies and of what its speed costs.
    pub(super) fn learn(&mut self, report: &PlayerReport, fresh: bool, now: MonoTime) {
        /// A start that takes longer than this waits for data.
        const START_MAX: Duration = Duration::from_secs(1);
        /// Less than this between two reports is no movement.
        const STEP_S: f64 = 0.001;
        /// So far a player has moved when it has started: more than its clock's grain.
        const MOVED_S: f64 = 0.01;
        if !fresh {
            return;
        }
        if report.seeking {
            self.seeking = self.seeking.or(Some(Given { what: false, at: now }));
            return;
        }
        if let Some(seek) = self.seeking.take() {
            let took = now.since(seek.at);
            // It stood for want of data: a seek more is not seen, being late is.
            self.stalled_lately |= took >= SEEK_IS_STALL;
            // What lacked data before it sought, or has shown nothing yet, waits for data: no property of the player.
            let waited = self.starves || (took >= SEEK_IS_STALL && !self.has_played);
            if seek.what && !waited {
                self.profile.learn_seek(took.as_secs_f64() * 1000.0);
            }
            self.settled_at = now + SETTLE;
            self.drift.reset();
        }
        let position_s = report.position.seconds();
        let still = self.still.filter(|_| !report.paused).filter(|still| position_s - still.what < STEP_S);
        self.still = still.or(Some(Given { what: position_s, at: now }));
        let stands = report.stalled || still.is_some_and(|still| now.since(still.at) >= STILL);
        self.starting = self.starting.filter(|start| now.since(start.at) < START_MAX || !stands);
        self.stalled_lately |= stands && self.starting.is_none();
        if !report.paused {
            self.starves = stands;
        }
        if report.paused || stands {
            return self.profile.handle_disturbance();
        }
        if let Some(start) = self.starting.filter(|start| position_s - start.what > MOVED_S) {
            let moved_ms = (position_s - start.what) / report.rate.max(0.1) * 1000.0;
            // Just after a start, players are vague about where they are: where the room tells, it is asked later.
            if self.planned_start_ms.is_none() {
                self.profile.learn_start(now.since(start.at).as_secs_f64() * 1000.0 - moved_ms);
            }
            self.starting = None;
            self.settled_at = now + SETTLE;
        } else if self.starting.is_some_and(|start| now.since(start.at) >= START_MAX) {
            self.starting = None;
        }
        self.has_played |= self.starting.is_none();
        self.profile.handle_place(position_s, report.buffer.seconds(), now);
    }
}
