//! Makes the player follow: which item, playing or not, and where.

use super::types::{Output, PlayerPhase, PlayerReport};
use crate::{MonoTime, anchor::Anchor};
use std::collections::VecDeque;
use std::time::Duration;
use streamshare_protocol::{MediaTime, PlaybackState, PlayerState, PlaylistItem, Speed};

/// How far a playing player may be off before it is sent to the room's place. A seek costs 0.1 to 0.4 s of picture on
/// the players that we measured, so less than that is better left alone until playback speed can be used.
const JUMP_S: f64 = 0.5;
/// How far a paused player may be off: two frames at 25 per second. WebKitGTK stayed black after a paused seek by some
/// hundredths of a second and the next one behind it, so what a pause is off by is not worth a seek.
const PAUSED_OFF_S: f64 = 0.08;
/// How far before the end the last frame is shown at the latest: a frame at 10 per second.
pub(super) const LAST_FRAME_S: f64 = 0.1;
/// The pause between two seeks of ours. Doubled with each that did not help, so that a slow swarm is not chased.
const SEEK_EVERY: Duration = Duration::from_secs(2);
const SEEK_EVERY_MAX: Duration = Duration::from_secs(30);
/// How often a paused player is sent to the same place.
const PAUSED_TRIES: u32 = 3;
/// The pause between two equal commands to a player that does not obey at once.
const COMMAND_EVERY: Duration = Duration::from_millis(700);
/// How far behind its target a player is right after a seek, to begin with; learned from each seek.
const SEEK_LATENCY_S: f64 = 0.12;
const SEEK_LATENCY_S_MAX: f64 = 1.0;

/// Below this, two playback speeds are the same.
const RATE_STEP_MIN: f64 = 1e-4;

/// A command and when it was given.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Given<T> {
    what: T,
    at: MonoTime,
}

#[derive(Debug)]
pub(super) struct Follower {
    /// What the player was told to load.
    loaded: Option<PlaylistItem>,
    report: Option<(PlayerReport, MonoTime)>,
    last_state: Option<Given<PlaybackState>>,
    last_seek: Option<Given<MediaTime>>,
    last_rate: Option<Given<f64>>,
    seek_every: Duration,
    paused_tries: u32,
    seek_latency_s: f64,
    /// Set from a seek while playing until the player reports to be past it.
    measuring: bool,
}

impl Follower {
    pub(super) fn new() -> Self {
        Self {
            loaded: None,
            report: None,
            last_state: None,
            last_seek: None,
            last_rate: None,
            seek_every: SEEK_EVERY,
            paused_tries: 0,
            seek_latency_s: SEEK_LATENCY_S,
            measuring: false,
        }
    }

    /// What the player said of the item it was told to load.
    pub(super) fn handle_report(&mut self, report: PlayerReport, now: MonoTime) {
        let of_loaded = report.item == self.loaded.as_ref().and_then(|item| item.item_id);
        if of_loaded {
            self.report = Some((report, now));
        }
    }

    /// The room's state changed by someone's act: what was tried for the former state counts no more.
    pub(super) fn handle_change(&mut self) {
        self.last_state = None;
        self.last_seek = None;
        self.seek_every = SEEK_EVERY;
        self.measuring = false;
    }

    pub(super) fn report(&self) -> Option<&PlayerReport> {
        self.report.as_ref().map(|(report, _)| report)
    }

    /// Where the player is now.
    pub(super) fn position(&self, now: MonoTime) -> Option<MediaTime> {
        let (report, at) = self.report.as_ref()?;
        let moves = report.phase == PlayerPhase::Ready && !report.paused && !report.seeking && !report.ended;
        let moved_s = if moves { now.since(*at).as_secs_f64() * report.rate } else { 0.0 };
        Some(MediaTime::saturating(report.position.seconds() + moved_s))
    }

    /// What a SYNC says the player does.
    pub(super) fn player_state(&self) -> PlayerState {
        match self.report() {
            None if self.loaded.is_some() => PlayerState::Loading,
            None => PlayerState::Idle,
            Some(report) => match report.phase {
                PlayerPhase::Empty => PlayerState::Idle,
                PlayerPhase::Loading => PlayerState::Loading,
                PlayerPhase::Failed => PlayerState::Failed,
                PlayerPhase::Following => PlayerState::Following,
                PlayerPhase::Ready if report.paused => PlayerState::Paused,
                PlayerPhase::Ready if report.stalled => PlayerState::Stalled,
                PlayerPhase::Ready => PlayerState::Playing,
            },
        }
    }

    /// Commands the player. `anchor` is the room's course on the relay's clock, which now reads `relay_ms`.
    pub(super) fn follow(
        &mut self,
        head: Option<&PlaylistItem>,
        anchor: &Anchor,
        relay_ms: f64,
        now: MonoTime,
        out: &mut VecDeque<Output>,
    ) {
        if !same_entry(self.loaded.as_ref(), head) {
            self.loaded = head.cloned();
            self.report = None;
            self.handle_change();
            out.push_back(Output::Load(self.loaded.clone()));
            return;
        }
        let Some((report, _)) = self.report.clone() else { return };
        if report.phase != PlayerPhase::Ready {
            return;
        }
        self.follow_speed(&report, anchor.speed, now, out);
        let end = report.duration.unwrap_or(MediaTime::saturating(f64::INFINITY));
        let room = anchor.position(relay_ms);
        let room = if room > end { end } else { room };
        match anchor.state {
            PlaybackState::Playing if room == end && report.ended => {}
            PlaybackState::Playing => self.follow_playing(&report, room, end, now, out),
            PlaybackState::Paused => {
                // A player that is sent to the very end shows nothing there: the last frame lies before it.
                let last = MediaTime::saturating(end.seconds() - LAST_FRAME_S);
                self.follow_paused(&report, if room > last && !report.ended { last } else { room }, now, out);
            }
        }
    }

    fn follow_speed(&mut self, report: &PlayerReport, speed: Speed, now: MonoTime, out: &mut VecDeque<Output>) {
        let wanted = speed.factor();
        let told = self
            .last_rate
            .is_some_and(|last| (last.what - wanted).abs() < RATE_STEP_MIN && now.since(last.at) < COMMAND_EVERY);
        if (report.rate - wanted).abs() >= RATE_STEP_MIN && !told {
            self.last_rate = Some(Given { what: wanted, at: now });
            out.push_back(Output::Rate(wanted));
        }
    }

    fn follow_playing(
        &mut self,
        report: &PlayerReport,
        room: MediaTime,
        end: MediaTime,
        now: MonoTime,
        out: &mut VecDeque<Output>,
    ) {
        if !report.seeking {
            let error_s = room.seconds() - self.position(now).unwrap_or_default().seconds();
            self.learn(report, error_s, now);
            if error_s.abs() > JUMP_S && self.may_seek(now) {
                let ahead_s = if report.blocked { 0.0 } else { self.seek_latency_s };
                let target = MediaTime::saturating((room.seconds() + ahead_s).min(end.seconds()));
                self.seek(target, now, out);
                self.measuring = true;
            }
        }
        if report.paused && !report.blocked {
            self.command(PlaybackState::Playing, now, out);
        }
    }

    fn follow_paused(&mut self, report: &PlayerReport, room: MediaTime, now: MonoTime, out: &mut VecDeque<Output>) {
        if !report.paused {
            self.command(PlaybackState::Paused, now, out);
        }
        let off_s = (room.seconds() - self.position(now).unwrap_or_default().seconds()).abs();
        // A player that was sent here again and again and stands elsewhere has no frame nearer than that.
        let again = self.last_seek.is_some_and(|seek| seek.what == room);
        let tried = again && (self.paused_tries >= PAUSED_TRIES || !self.may_seek(now));
        if off_s > PAUSED_OFF_S && !report.seeking && !tried {
            self.paused_tries = if again { self.paused_tries + 1 } else { 1 };
            self.seek(room, now, out);
        }
    }

    fn command(&mut self, state: PlaybackState, now: MonoTime, out: &mut VecDeque<Output>) {
        if self.last_state.is_some_and(|last| last.what == state && now.since(last.at) < COMMAND_EVERY) {
            return;
        }
        self.last_state = Some(Given { what: state, at: now });
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

    fn may_seek(&self, now: MonoTime) -> bool {
        self.last_seek.is_none_or(|seek| now.since(seek.at) >= self.seek_every)
    }

    fn seek(&mut self, target: MediaTime, now: MonoTime, out: &mut VecDeque<Output>) {
        if self.last_seek.is_some() {
            self.seek_every = (self.seek_every * 2).min(SEEK_EVERY_MAX);
        }
        self.last_seek = Some(Given { what: target, at: now });
        if let Some((report, at)) = &mut self.report {
            (report.position, report.seeking, *at) = (target, true, now);
        }
        out.push_back(Output::Seek(target));
    }

    /// After a seek while playing, what is missing to the room's place is what the seek took too long.
    fn learn(&mut self, report: &PlayerReport, error_s: f64, now: MonoTime) {
        /// Players settle within this time after they report the seek to be done.
        const SETTLED: Duration = Duration::from_millis(300);
        let settled = self.last_seek.is_some_and(|seek| now.since(seek.at) >= SETTLED);
        if self.measuring && settled && !report.paused && !report.stalled {
            self.measuring = false;
            if error_s.abs() < SEEK_LATENCY_S_MAX {
                self.seek_latency_s = (self.seek_latency_s + error_s / 2.0).clamp(0.0, SEEK_LATENCY_S_MAX);
            }
            if error_s.abs() < JUMP_S {
                self.seek_every = SEEK_EVERY;
            }
        }
    }
}

/// Whether both are one entry of the playlist. The same media in another entry starts anew.
fn same_entry(a: Option<&PlaylistItem>, b: Option<&PlaylistItem>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => a.item_id == b.item_id && a.same_media(b),
        _ => false,
    }
}
