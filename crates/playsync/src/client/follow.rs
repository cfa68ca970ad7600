//! Makes the player follow: which item, playing or not, and where.
//!
//! A player is brought to the room's place by meeting it: it stands at a place that the room has yet to reach, and starts
//! at the moment at which the room does, less what it needs to start. So a start that was told ahead, a seek, a late
//! join and a short pause of a player that is ahead are one thing, and each ends within some milliseconds of the room.
//! What is left is corrected by the playback speed where the player can do that ([`Profile`]).

mod commands;
mod corrections;
mod landing;

use super::Client;
use super::drift::Drift;
use super::profile::{Means, Profile};
use super::types::{Output, PlayerKind, PlayerPhase, PlayerReport};
use crate::{MonoTime, anchor::Anchor};
use std::collections::VecDeque;
use std::time::Duration;
use streamshare_protocol::{MediaTime, PlaybackState, PlayerState, PlaylistItem};

/// How far a playing player may be off before it is sent to the room's place. Speed makes up for a second in 15 s, unheard; a
/// seek takes a third of a second of picture and sound.
const JUMP_S: f64 = 1.0;
/// The same for a player whose picture has just stood for want of data: there is nothing more to be disturbed.
const JUMP_STALLED_S: f64 = 0.3;
/// A player that should move and has not for this long waits for data.
const STILL: Duration = Duration::from_millis(150);
/// How much too early a player may run, in milliseconds, before it is stopped to start with the others.
const EARLY_MS_MAX: f64 = 100.0;
/// How far behind a player is sent on that waits for data.
const STALLED_BEHIND_S: f64 = 3.0;
/// How far before the end the last frame is shown at the latest: a frame at 10 per second.
pub(super) const LAST_FRAME_S: f64 = 0.1;
/// The pause between two seeks of ours: this, or three times what a seek takes. Doubled with each that did not help, so
/// that a slow swarm is not chased.
const SEEK_EVERY: Duration = Duration::from_secs(2);
/// How often a paused player is sent to the same place.
const PAUSED_TRIES: u32 = 3;
/// Players settle within this time after they report a seek to be done, or after they started.
const SETTLE: Duration = Duration::from_millis(150);
/// In a hidden page nothing but alarms comes oftener than once a second: where reports are so far apart, the client asks to
/// be woken for more for so long while it corrects its player, and for so long after the player settled.
const SLOW_REPORTS: Duration = Duration::from_millis(400);
const SLOW_FOR: Duration = Duration::from_secs(5);
const LOOKS_FOR: Duration = Duration::from_secs(1);
/// How often a player that has settled is looked at there at least: often enough for three readings to tell how far it has
/// drifted. Timers of pages that have long been hidden come once a minute.
const SELDOM: Duration = Duration::from_secs(2);
/// An alarm for at once.
const SOON: Duration = Duration::from_millis(1);
/// A seek that takes longer than this waits for data.
const SEEK_IS_STALL: Duration = Duration::from_millis(1000);

/// A command and when it was given.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Given<T> {
    what: T,
    at: MonoTime,
}

/// What the player is to follow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) head: Option<&'a PlaylistItem>,
    /// The room's course on the relay's clock, which now reads `relay_ms`.
    pub(super) course: &'a Anchor,
    pub(super) relay_ms: f64,
    /// Whether that clock is known well enough to correct a player by it.
    pub(super) clock_known: bool,
    /// Whether it may be wrong altogether: then nothing is done.
    pub(super) clock_suspect: bool,
    /// How far what is known of it is likely to move, in milliseconds.
    pub(super) clock_noise_ms: f64,
    /// Whether the room stands because it waits for this player.
    pub(super) waits_for_me: bool,
}

#[derive(Debug)]
pub(super) struct Follower {
    /// What the player was told to load.
    loaded: Option<PlaylistItem>,
    report: Option<(PlayerReport, MonoTime)>,
    /// Whether the report is one that was not acted on yet.
    fresh: bool,
    profile: Profile,
    drift: Drift,
    last_state: Option<Given<PlaybackState>>,
    last_seek: Option<Given<MediaTime>>,
    last_rate: Option<Given<f64>>,
    rate_tries: u32,
    seek_every: Duration,
    paused_tries: u32,
    /// Since when a seek is under way, and whether it is one of ours.
    seeking: Option<Given<bool>>,
    /// Told to start from here, and not seen to move yet.
    starting: Option<Given<f64>>,
    /// What the start was reckoned to take, in milliseconds, less what it was told too late; until it is seen what it took.
    planned_start_ms: Option<f64>,
    /// Stands, though the room plays, to start at the right moment.
    landing: bool,
    /// Stands for that alone, to let the room catch up.
    nudging: bool,
    /// Whether it ever played this item.
    has_played: bool,
    /// Where it was last seen to play, and since when it is there.
    still: Option<Given<f64>>,
    /// Whether it stood for want of data when it last was to play.
    starves: bool,
    /// Whether it waited for data and was not near the room since.
    stalled_lately: bool,
    /// From when on its error says something.
    settled_at: MonoTime,
    /// When someone last changed the room's course, and when a correction could be seen.
    changed_at: MonoTime,
    nudged_at: Option<MonoTime>,
    /// Whether it was near the room since.
    nudge_helped: bool,
    probing: Option<MonoTime>,
    room_plays: bool,
    /// Set while the room waits for this player: whether it can go on.
    recovered: Option<bool>,
    /// When reports were last far apart.
    slow_at: Option<MonoTime>,
    wake: Option<MonoTime>,
}

impl Follower {
    pub(super) fn new(kind: PlayerKind) -> Self {
        Self {
            loaded: None,
            report: None,
            fresh: false,
            profile: Profile::new(kind),
            drift: Drift::default(),
            last_state: None,
            last_seek: None,
            last_rate: None,
            rate_tries: 0,
            seek_every: SEEK_EVERY,
            paused_tries: 0,
            seeking: None,
            starting: None,
            planned_start_ms: None,
            landing: false,
            nudging: false,
            has_played: false,
            still: None,
            starves: false,
            stalled_lately: false,
            settled_at: MonoTime::default(),
            changed_at: MonoTime::default(),
            nudged_at: None,
            nudge_helped: false,
            probing: None,
            room_plays: false,
            recovered: None,
            slow_at: None,
            wake: None,
        }
    }

    /// What the player said of the item it was told to load.
    pub(super) fn handle_report(&mut self, report: PlayerReport, now: MonoTime) {
        let of_loaded = report.item == self.loaded.as_ref().and_then(|item| item.item_id);
        if of_loaded {
            if self.report.as_ref().is_some_and(|(_, last)| now.since(*last) >= SLOW_REPORTS) {
                self.slow_at = Some(now);
            }
            self.report = Some((report, now));
            self.fresh = true;
        }
    }

    /// The room's state changed by someone's act: what was tried for the former state counts no more.
    pub(super) fn handle_change(&mut self, now: MonoTime) {
        self.last_state = None;
        self.last_seek = None;
        self.seek_every = SEEK_EVERY;
        self.rate_tries = 0;
        self.nudging = false;
        self.nudged_at = None;
        self.changed_at = now;
        self.drift.reset();
    }

    pub(super) fn report(&self) -> Option<&PlayerReport> {
        self.report.as_ref().map(|(report, _)| report)
    }

    pub(super) fn profile(&self) -> &Profile {
        &self.profile
    }

    /// When to look again.
    pub(super) fn wake(&self) -> Option<MonoTime> {
        self.wake
    }

    /// How far the player is behind the room, in milliseconds, and how much that scatters; where it plays with it.
    pub(super) fn error_ms(&self) -> Option<(f64, f64)> {
        let error_ms = self.drift.error_ms()?;
        Some((error_ms, self.drift.sigma_ms()))
    }

    /// Where the player is now.
    pub(super) fn position(&self, now: MonoTime) -> Option<MediaTime> {
        let (report, at) = self.report.as_ref()?;
        let stands = report.paused || report.seeking || report.ended || report.stalled;
        let moves = report.phase == PlayerPhase::Ready && !stands;
        let moved_s = if moves { now.since(*at).as_secs_f64() * report.rate } else { 0.0 };
        Some(MediaTime::saturating(report.position.seconds() + moved_s))
    }

    /// What a SYNC says the player does.
    pub(super) fn player_state(&self, now: MonoTime) -> PlayerState {
        let Some(report) = self.report() else {
            return if self.loaded.is_some() { PlayerState::Loading } else { PlayerState::Idle };
        };
        let unless_new = |state| if self.has_played { state } else { PlayerState::Loading };
        let seeks_long = self.seeking.is_some_and(|seek| now.since(seek.at) >= SEEK_IS_STALL);
        match report.phase {
            PlayerPhase::Empty => PlayerState::Idle,
            PlayerPhase::Loading => PlayerState::Loading,
            PlayerPhase::Failed => PlayerState::Failed,
            PlayerPhase::Following => PlayerState::Following,
            PlayerPhase::Ready if self.recovered == Some(false) => PlayerState::Stalled,
            PlayerPhase::Ready if seeks_long && self.room_plays => unless_new(PlayerState::Stalled),
            PlayerPhase::Ready if report.blocked => PlayerState::Paused,
            PlayerPhase::Ready if self.landing && self.room_plays => unless_new(PlayerState::Playing),
            PlayerPhase::Ready if report.paused => PlayerState::Paused,
            PlayerPhase::Ready if report.stalled => unless_new(PlayerState::Stalled),
            PlayerPhase::Ready => unless_new(PlayerState::Playing),
        }
    }

    /// Commands the player.
    pub(super) fn follow(&mut self, target: &Target<'_>, now: MonoTime, out: &mut VecDeque<Output>) {
        self.wake = None;
        self.room_plays = target.course.state == PlaybackState::Playing;
        if !same_entry(self.loaded.as_ref(), target.head) {
            return self.load(target.head, now, out);
        }
        let fresh = std::mem::take(&mut self.fresh);
        let Some((report, _)) = self.report.clone() else { return };
        if report.phase != PlayerPhase::Ready || target.clock_suspect {
            return;
        }
        self.learn(&report, fresh, now);
        if !target.waits_for_me {
            self.recovered = None;
        }
        let end = report.duration.unwrap_or(MediaTime::saturating(f64::INFINITY));
        let room = target.course.position(target.relay_ms);
        let room = if room > end { end } else { room };
        match target.course.state {
            // Whoever is a little behind plays to the end. Whoever is there already, a little ahead, stays: told to play, a
            // player begins anew (HTML, "internal play steps").
            PlaybackState::Playing if room == end && !report.paused => {}
            PlaybackState::Playing if report.ended && end.seconds() - room.seconds() < JUMP_S => {}
            PlaybackState::Playing => self.follow_playing(target, &report, fresh, end, now, out),
            PlaybackState::Paused if target.waits_for_me => {
                self.set_rate(&report, target.course.speed.factor(), now, out);
                self.catch_up(&report, room, now, out);
            }
            PlaybackState::Paused => {
                // A player that is sent to the very end shows nothing there: the last frame lies before it.
                let last = MediaTime::saturating(end.seconds() - LAST_FRAME_S);
                let place = if room > last && !report.ended { last } else { room };
                self.follow_paused(target, &report, fresh, place, now, out);
            }
        }
    }

    fn load(&mut self, head: Option<&PlaylistItem>, now: MonoTime, out: &mut VecDeque<Output>) {
        self.loaded = head.cloned();
        self.report = None;
        self.handle_change(now);
        self.profile.handle_disturbance();
        (self.last_rate, self.seeking, self.starting, self.planned_start_ms) = (None, None, None, None);
        (self.landing, self.has_played, self.recovered) = (false, false, None);
        (self.still, self.starves, self.stalled_lately) = (None, false, false);
        out.push_back(Output::Load(self.loaded.clone()));
    }

    fn follow_playing(
        &mut self,
        target: &Target<'_>,
        report: &PlayerReport,
        fresh: bool,
        end: MediaTime,
        now: MonoTime,
        out: &mut VecDeque<Output>,
    ) {
        if report.blocked || report.seeking {
            return;
        }
        let course = target.course;
        if report.paused {
            self.set_rate(report, course.speed.factor(), now, out);
            return self.land(target, report, end, now, out);
        }
        self.look_again(now);
        // A pause is on its way, or what is known of the player is a guess.
        if (self.landing && self.was_told(PlaybackState::Paused, now)) || !fresh {
            let is_old = self.report.as_ref().is_some_and(|(_, at)| now.since(*at) >= 2 * Client::REPORT_EVERY);
            if is_old && now.since(self.changed_at) < LOOKS_FOR {
                self.wake = Some(now + SOON);
            }
            return;
        }
        self.landing = false;
        // Before the room starts, it is told from where it will: whoever is behind starts sooner.
        let ahead_ms = course.reaches_ms(report.position) - target.relay_ms;
        let error_s = -ahead_ms / 1000.0 * course.speed.factor();
        if course.at_ms > target.relay_ms && ahead_ms > EARLY_MS_MAX {
            // It plays though the room starts later: a seek.
            return self.meet(target, end, now, out);
        }
        let jump_s = match (report.stalled, self.stalled_lately) {
            (true, _) => STALLED_BEHIND_S,
            (false, true) => JUMP_STALLED_S,
            (false, false) => JUMP_S,
        };
        let settled = report.stalled || now >= self.settled_at;
        if error_s.abs() > jump_s && settled && self.may_seek_to(self.meeting_place(target, end), now) {
            return self.meet(target, end, now, out);
        }
        if report.stalled || self.starting.is_some() || now < self.settled_at {
            if report.stalled {
                self.planned_start_ms = None;
            }
            self.drift.reset();
            return self.set_rate(report, course.speed.factor(), now, out);
        }
        if error_s.abs() < jump_s {
            self.seek_every = SEEK_EVERY;
        }
        self.stalled_lately &= error_s.abs() > JUMP_STALLED_S;
        self.drift.handle_error(error_s * 1000.0, course.speed.factor(), now);
        let may_correct = target.clock_known && error_s.abs() < JUMP_S;
        if let (Some(planned_ms), Some(error_ms)) = (self.planned_start_ms, self.drift.error_ms()) {
            self.profile.learn_start(planned_ms + error_ms / course.speed.factor());
            self.planned_start_ms = None;
        }
        match self.profile.means() {
            _ if !may_correct => self.set_rate(report, course.speed.factor(), now, out),
            Means::Rate => self.correct(target, report, now, out),
            Means::Pause => self.correct_by_pauses(target, report, now, out),
        }
    }

    fn follow_paused(
        &mut self,
        target: &Target<'_>,
        report: &PlayerReport,
        fresh: bool,
        place: MediaTime,
        now: MonoTime,
        out: &mut VecDeque<Output>,
    ) {
        (self.landing, self.nudging, self.starting, self.planned_start_ms) = (false, false, None, None);
        self.drift.reset();
        self.set_rate(report, target.course.speed.factor(), now, out);
        if !report.paused {
            return self.command(PlaybackState::Paused, now, out);
        }
        // Only the player itself knows where it came to stand.
        if !fresh {
            return;
        }
        let off_s = (place.seconds() - report.position.seconds()).abs();
        // A player that was sent here again and again and stands elsewhere has no frame nearer than that.
        let again = self.last_seek.is_some_and(|seek| seek.what == place);
        let tried = again && (self.paused_tries >= PAUSED_TRIES || !self.may_seek(now));
        if off_s > self.profile.paused_off_s() && !report.seeking && !tried {
            self.paused_tries = if again { self.paused_tries + 1 } else { 1 };
            self.seek(place, now, out);
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
