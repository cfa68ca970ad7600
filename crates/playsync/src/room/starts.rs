//! When playback starts, so that everyone starts together; and who is told of it when.

use super::{Delivery, Room, ms};
use crate::RelayTime;
use std::collections::VecDeque;
use std::time::Duration;
use streamshare_protocol::{Control, MemberId, PlaybackState, RelayMessage, SyncReport, UnixMs};

/// How far ahead a start is told: long enough for a message over an ordinary link, and short enough not to be taken for
/// a defect.
const LEAD_MS_MIN: f64 = 150.0;
const LEAD_MS_MAX: f64 = 1000.0;
/// From this many seconds on, a place is another one, which players have to seek.
const SEEK_S_MIN: f64 = 0.1;
/// How long a second PLAY of the same place, by someone else, is taken for a crossing of both, and how near the place is.
const SAME_START_WITHIN: Duration = Duration::from_secs(1);
const SAME_START_S: f64 = 0.05;
/// How far a plain peer may be off where the room does not play at the film's own pace, in seconds.
const PLAIN_OFF_S_MAX: f64 = 1.0;

/// Readings of a sender's clock: how many are kept, and for how long.
const READINGS_MAX: usize = 32;
const READING_AGE_MAX: Duration = Duration::from_secs(180);
/// From so many readings on, the least of them counts as the way without a queue.
const READINGS_MIN: usize = 3;
/// A message that seems to have been under way for longer than this tells of a clock that was set, not of a queue.
const QUEUED_MS_MAX: f64 = 1500.0;

/// What a member's messages show of its clock: the least difference between their arrival and their `dispatchedAt` is
/// that of a message that met no queue.
#[derive(Debug, Default)]
pub(super) struct SenderClock {
    readings: VecDeque<(RelayTime, f64)>,
}

impl SenderClock {
    pub(super) fn handle_message(&mut self, dispatched_at: UnixMs, now: RelayTime) {
        self.readings.push_back((now, ms(now) - dispatched_at.ms()));
        while self.readings.len() > READINGS_MAX
            || self.readings.front().is_some_and(|(at, _)| now.since(*at) > READING_AGE_MAX)
        {
            self.readings.pop_front();
        }
    }

    /// How many milliseconds longer than need be a message was under way that has just come.
    pub(super) fn queued_ms(&self, dispatched_at: UnixMs, now: RelayTime) -> f64 {
        let least = self.readings.iter().map(|(_, difference)| *difference).fold(f64::INFINITY, f64::min);
        let queued = ms(now) - dispatched_at.ms() - least;
        let known = self.readings.len() >= READINGS_MIN && (0.0..=QUEUED_MS_MAX).contains(&queued);
        if known { queued } else { 0.0 }
    }
}

/// How long before a member's player has to run, or to be elsewhere, it wants to know, in milliseconds.
#[derive(Debug, Default)]
pub(super) struct Latencies {
    start_ms: f64,
    seek_ms: f64,
}

impl Latencies {
    pub(super) fn handle_report(&mut self, report: &SyncReport) {
        self.start_ms = report.start_latency.map_or(self.start_ms, |latency| latency.ms());
        self.seek_ms = report.seek_latency.map_or(self.seek_ms, |latency| latency.ms());
    }
}

/// Messages for a plain peer that are held back until playback starts.
#[derive(Debug)]
pub(super) struct Later {
    due: RelayTime,
    messages: Vec<RelayMessage>,
}

impl Room {
    /// From when on a PLAY or PAUSE counts, on the relay's clock in milliseconds.
    pub(super) fn counts_from_ms(
        &self,
        member: MemberId,
        state: PlaybackState,
        control: &Control,
        now: RelayTime,
    ) -> f64 {
        let now_ms = ms(now);
        if control.action_id.is_none() {
            return now_ms - self.queued_ms(member, control.dispatched_at, now);
        }
        if state == PlaybackState::Paused {
            return now_ms;
        }
        let wanted = control.starts_at.map_or(now_ms, UnixMs::ms).clamp(now_ms - LEAD_MS_MAX, now_ms + LEAD_MS_MAX);
        if self.members.len() < 2 {
            return wanted;
        }
        let off_s = control.current_time.seconds() - self.anchor.position(now_ms).seconds();
        let seeks = self.anchor.state == PlaybackState::Playing || off_s.abs() > SEEK_S_MIN;
        let lead_ms = if seeks { self.seek_lead_ms(Some(member)) } else { self.start_lead_ms(Some(member)) };
        wanted.max(now_ms + lead_ms)
    }

    pub(super) fn queued_ms(&self, member: MemberId, dispatched_at: UnixMs, now: RelayTime) -> f64 {
        self.members.get(&member).map_or(0.0, |member| member.clock.queued_ms(dispatched_at, now))
    }

    /// How far ahead a start is to be told for everyone but one member to be in time, in milliseconds.
    pub(super) fn start_lead_ms(&self, but: Option<MemberId>) -> f64 {
        self.lead_ms(but, |latencies| latencies.start_ms)
    }

    fn seek_lead_ms(&self, but: Option<MemberId>) -> f64 {
        self.lead_ms(but, |latencies| latencies.seek_ms)
    }

    fn lead_ms(&self, but: Option<MemberId>, of: impl Fn(&Latencies) -> f64) -> f64 {
        let others = self.members.iter().filter(|(id, _)| Some(**id) != but);
        others.map(|(_, member)| of(&member.latencies)).fold(LEAD_MS_MIN, f64::max).min(LEAD_MS_MAX)
    }

    /// Whether a PLAY says what someone else's has just said: two people pressed, or two players went on by themselves.
    pub(super) fn starts_already(
        &self,
        member: MemberId,
        state: PlaybackState,
        control: &Control,
        now: RelayTime,
    ) -> bool {
        let (by, at) = self.moved;
        let both_play = state == PlaybackState::Playing && self.anchor.state == PlaybackState::Playing;
        let off_s = control.current_time.seconds() - self.anchor.position.seconds();
        both_play
            && by.is_some_and(|by| by != member)
            && now.since(at) < SAME_START_WITHIN
            && off_s.abs() < SAME_START_S
    }

    /// Whether a message to a member is kept for later: a plain peer starts on arrival. What comes meanwhile waits, too, up
    /// to what counts at once.
    pub(super) fn held_back(&mut self, member: MemberId, message: &RelayMessage) -> bool {
        let now = self.now;
        let starts_at_ms = match message {
            RelayMessage::Hello(hello) if hello.status.state == PlaybackState::Playing => Some(self.anchor.at_ms),
            RelayMessage::Hello(_) | RelayMessage::Pause { .. } => Some(ms(now)),
            RelayMessage::Play { .. } => Some(self.anchor.at_ms),
            RelayMessage::Sync { .. }
            | RelayMessage::Taken { .. }
            | RelayMessage::Pong { .. }
            | RelayMessage::Error { .. } => None,
        };
        let is_plain = self.members.get(&member).is_some_and(|member| !member.timed);
        match (starts_at_ms, self.later.get_mut(&member)) {
            (Some(at_ms), later) if at_ms > ms(now) && is_plain => {
                let due = now + Duration::from_secs_f64((at_ms - ms(now)) / 1000.0);
                let mut messages = later.map(|later| std::mem::take(&mut later.messages)).unwrap_or_default();
                messages.push(message.clone());
                self.later.insert(member, Later { due, messages });
                true
            }
            (Some(_), Some(_)) => {
                self.send_later(member);
                false
            }
            (None, Some(later)) => {
                if !matches!(message, RelayMessage::Sync { .. } | RelayMessage::Pong { .. }) {
                    later.messages.push(message.clone());
                }
                true
            }
            (_, None) => false,
        }
    }

    /// Sends what waited until now.
    pub(super) fn send_due(&mut self, now: RelayTime) {
        let due: Vec<MemberId> = self.later.iter().filter(|(_, later)| later.due <= now).map(|(id, _)| *id).collect();
        due.into_iter().for_each(|member| self.send_later(member));
    }

    fn send_later(&mut self, member: MemberId) {
        for message in self.later.remove(&member).into_iter().flat_map(|later| later.messages) {
            self.put_out(vec![member], message, Delivery::Required);
        }
    }

    /// Plain peers play at the film's own pace: where the room does not, they are told when they are off by too much.
    pub(super) fn remind_plain(&mut self, now: RelayTime) {
        let Some(every) = self.reminder_interval() else { return };
        let late = |aligned_at: RelayTime| now >= aligned_at + every;
        let off = self.members.iter().filter(|(_, member)| !member.timed && late(member.aligned_at));
        let off: Vec<MemberId> = off.map(|(id, _)| *id).collect();
        for member in off {
            self.hello(member, now);
        }
    }

    /// When something is to be sent though nothing happens.
    pub(super) fn next_send(&self) -> impl Iterator<Item = RelayTime> {
        let every = self.reminder_interval();
        let plain = self.members.values().filter(|member| !member.timed);
        let reminders = plain.filter_map(move |member| Some(member.aligned_at + every?));
        self.later.values().map(|later| later.due).chain(reminders)
    }

    fn reminder_interval(&self) -> Option<Duration> {
        let off_per_s = (self.anchor.speed.factor() - 1.0).abs();
        let drifts = self.anchor.state == PlaybackState::Playing && off_per_s > f64::EPSILON;
        drifts.then(|| Duration::from_secs_f64((PLAIN_OFF_S_MAX / off_per_s).min(3600.0)))
    }
}
