//! Jellyfin SyncPlay: a clock like NTP's (the quickest of the last 8 pings, on the wall clock), commands that take effect
//! at a moment of the relay's clock, seeks for which everybody waits, and a correction by rate between 60 ms and 3 s that
//! its settings turn off by default.

use super::{Down, Hub, Screen, Up};
use crate::player::Sample;
use crate::scenario::SeatSpec;
use crate::scheme::{Course, Effect, Happening, Relay, Scheme, UserAct, Viewer};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;
use streamshare_playsync::{MonoTime, Now};

const SPEED_MS_MIN: f64 = 60.0;
const SPEED_MS_MAX: f64 = 3000.0;
const SPEED_FOR_MS: f64 = 1000.0;
const SKIP_MS_MIN: f64 = 400.0;
/// Nobody plays slower than this to be caught up with.
const SPEED_MIN: f64 = 0.2;
/// The relay schedules starts two of the longest ways ahead, and no less than this.
const AHEAD_MS_MIN: f64 = 500.0;
/// Three quick pings, then one a minute.
const PINGS_QUICK: u32 = 3;
const PING_QUICK: Duration = Duration::from_secs(1);
const PING_EVERY: Duration = Duration::from_secs(60);
const PINGS_KEPT: usize = 8;
/// Waiting for data for longer than this is told.
const BUFFERING: Duration = Duration::from_secs(1);

/// Jellyfin SyncPlay.
#[derive(Clone, Copy, Debug)]
pub struct Jellyfin {
    /// Whether the correction is on.
    pub corrects: bool,
}

impl Scheme for Jellyfin {
    type Up = Up;
    type Down = Down;
    type Viewer = JellyfinViewer;
    type Relay = JellyfinRelay;

    fn name(&self) -> &'static str {
        if self.corrects { "Jellyfin, on" } else { "Jellyfin" }
    }

    fn relay(&self, _now_us: u64) -> JellyfinRelay {
        JellyfinRelay::default()
    }

    fn viewer(&self, _seat: usize, _spec: &SeatSpec) -> JellyfinViewer {
        JellyfinViewer { corrects: self.corrects, ..JellyfinViewer::default() }
    }

    fn course(message: &Up) -> Option<Course> {
        super::course(message)
    }
}

#[derive(Clone, Copy, Debug)]
struct Command {
    playing: bool,
    seek: bool,
    place_s: f64,
    when_ms: f64,
}

/// Follows commands that are scheduled, and corrects by rate.
#[derive(Debug, Default)]
pub struct JellyfinViewer {
    corrects: bool,
    screen: Screen,
    /// Delay and offset of the relay's clock to this wall clock, in milliseconds.
    pings: VecDeque<(f64, f64)>,
    pings_sent: u32,
    ping_at: Option<MonoTime>,
    command: Option<Command>,
    was_ready: bool,
    due: Option<MonoTime>,
    /// A seek is under way for which the others wait.
    seeking: bool,
    /// Correction is allowed from then on; a changed rate is put back then.
    correct_from: Option<MonoTime>,
    sped: bool,
    looked: MonoTime,
    stalled: Option<MonoTime>,
    told_stall: bool,
}

impl JellyfinViewer {
    fn offset_ms(&self) -> f64 {
        self.pings.iter().min_by(|a, b| a.0.total_cmp(&b.0)).map_or(0.0, |(_, offset)| *offset)
    }

    fn relay_ms(&self, now: &Now) -> f64 {
        now.unix.ms() + self.offset_ms()
    }

    fn take(&mut self, command: Command, sample: &Sample, now: &Now, effects: &mut Vec<Effect<Up>>) {
        self.screen.load(effects);
        self.command = Some(command);
        (self.correct_from, self.seeking) = (None, false);
        if self.sped {
            self.sped = false;
            effects.push(Effect::Rate(1.0));
        }
        let in_ms = command.when_ms - self.relay_ms(now);
        if in_ms > 0.0 {
            let due = now.mono + Duration::from_secs_f64(in_ms / 1000.0);
            self.due = Some(due);
            effects.push(Effect::WakeAt(due));
            if command.playing && !command.seek && sample.position_s - command.place_s > SKIP_MS_MIN / 1000.0 {
                effects.push(Effect::Seek(command.place_s));
            }
        } else {
            self.due = None;
            self.execute(-in_ms / 1000.0, sample, now, effects);
        }
    }

    /// Does what the command says, so many seconds after its time.
    fn execute(&mut self, late_s: f64, sample: &Sample, now: &Now, effects: &mut Vec<Effect<Up>>) {
        let Some(command) = self.command.filter(|_| sample.ready) else { return };
        if command.seek {
            self.seeking = true;
            effects.push(Effect::Seek(command.place_s));
        } else if command.playing {
            effects.push(Effect::Play);
            if late_s > 0.01 {
                effects.push(Effect::Seek(command.place_s + late_s));
            }
            self.correct_from = Some(now.mono + Duration::from_secs_f64(SPEED_MS_MAX / 2000.0));
        } else {
            effects.push(Effect::Pause);
            effects.push(Effect::Seek(command.place_s));
        }
    }

    fn correct(&mut self, sample: &Sample, now: &Now, effects: &mut Vec<Effect<Up>>) {
        let Some(command) = self.command.filter(|command| command.playing && !command.seek) else { return };
        let Some(from) = self.correct_from.filter(|from| *from <= now.mono) else { return };
        if self.sped {
            self.sped = false;
            effects.push(Effect::Rate(1.0));
        }
        let look_every = Duration::from_secs_f64(SPEED_MS_MAX / 2000.0);
        if !self.corrects || sample.stalled || sample.paused || now.mono.since(self.looked) < look_every {
            return;
        }
        self.looked = now.mono;
        let room_s = command.place_s + (self.relay_ms(now) - command.when_ms) / 1000.0;
        let behind_ms = (room_s - sample.position_s) * 1000.0;
        let again_ms = if (SPEED_MS_MIN..SPEED_MS_MAX).contains(&behind_ms.abs()) {
            let slow = behind_ms <= -SPEED_FOR_MS * SPEED_MIN;
            let for_ms = if slow { behind_ms.abs() / (1.0 - SPEED_MIN) } else { SPEED_FOR_MS };
            effects.push(Effect::Rate(1.0 + behind_ms / for_ms));
            self.sped = true;
            for_ms
        } else if behind_ms.abs() >= SKIP_MS_MIN {
            effects.push(Effect::Seek(room_s));
            SPEED_MS_MAX / 2.0
        } else {
            return self.correct_from = Some(from);
        };
        let again = now.mono + Duration::from_secs_f64(again_ms / 1000.0);
        self.correct_from = Some(again);
        effects.push(Effect::WakeAt(again));
    }

    fn ping(&mut self, now: &Now, effects: &mut Vec<Effect<Up>>) {
        if self.ping_at.is_some_and(|at| at <= now.mono) {
            self.pings_sent += 1;
            let every = if self.pings_sent < PINGS_QUICK { PING_QUICK } else { PING_EVERY };
            self.ping_at = Some(now.mono + every);
            let ping_ms = self.pings.iter().map(|(delay, _)| *delay).fold(0.0, f64::max);
            effects.push(Effect::Send(Up::Ping { sent_ms: now.unix.ms(), ping_ms }));
        }
    }

    fn tell_stalls(&mut self, sample: &Sample, now: &Now, effects: &mut Vec<Effect<Up>>) {
        if !sample.stalled {
            self.stalled = None;
            if std::mem::take(&mut self.told_stall) {
                effects.push(Effect::Send(Up::Ready));
            }
        } else if now.mono.since(*self.stalled.get_or_insert(now.mono)) >= BUFFERING && !self.told_stall {
            self.told_stall = true;
            effects.push(Effect::Send(Up::Buffering));
        }
    }

    fn act(&mut self, act: UserAct, sample: &Sample, effects: &mut Vec<Effect<Up>>) {
        if let Some((playing, place_s, seek)) = self.screen.act(act, sample, effects) {
            effects.push(Effect::Send(Up::Act { playing, place_s, seek }));
        }
    }
}

impl Viewer for JellyfinViewer {
    type Up = Up;
    type Down = Down;

    /// As often as browsers say that the time moved on.
    fn timer_us(&self) -> u64 {
        250_000
    }

    fn handle(&mut self, happening: Happening<Down>, sample: &Sample, now: &Now, effects: &mut Vec<Effect<Up>>) {
        match happening {
            Happening::LinkUp => {
                (self.pings_sent, self.ping_at) = (0, Some(now.mono));
                effects.push(Effect::Send(Up::Hello));
                self.ping(now, effects);
            }
            Happening::LinkDown => self.ping_at = None,
            Happening::Message(Down::Pong { sent_ms, relay_ms }) => {
                let delay_ms = now.unix.ms() - sent_ms;
                self.pings.push_back((delay_ms, relay_ms + delay_ms / 2.0 - now.unix.ms()));
                if self.pings.len() > PINGS_KEPT {
                    self.pings.pop_front();
                }
            }
            Happening::Message(Down::Course { playing, place_s, seek, when_ms, .. }) => {
                self.take(Command { playing, seek, place_s, when_ms }, sample, now, effects);
            }
            Happening::Message(Down::Places(_)) => {}
            Happening::User(act) => self.act(act, sample, effects),
            Happening::Player | Happening::Timer | Happening::Wake => {
                if let Some(act) = self.screen.handle_player(sample, now, effects) {
                    self.act(act, sample, effects);
                }
                // What was commanded while the player loaded.
                if sample.ready && !std::mem::replace(&mut self.was_ready, true) && self.due.is_none() {
                    let late_ms = self.command.map_or(0.0, |command| self.relay_ms(now) - command.when_ms);
                    self.execute(late_ms / 1000.0, sample, now, effects);
                }
                if self.due.is_some_and(|due| due <= now.mono) {
                    self.due = None;
                    self.execute(0.0, sample, now, effects);
                }
                if self.seeking && !sample.seeking {
                    self.seeking = false;
                    effects.push(Effect::Pause);
                    effects.push(Effect::Send(Up::Ready));
                }
                self.correct(sample, now, effects);
                self.ping(now, effects);
                self.tell_stalls(sample, now, effects);
            }
        }
    }
}

/// Schedules, and waits for everybody after a seek and while somebody waits for data.
#[derive(Debug, Default)]
pub struct JellyfinRelay {
    hub: Hub,
    waits_for: BTreeSet<usize>,
    /// Whether it plays once nobody is waited for.
    resumes: bool,
    ping_ms_max: f64,
}

impl JellyfinRelay {
    fn resume(&mut self, now_us: u64) {
        let ahead_ms = (self.ping_ms_max * 2.0).max(AHEAD_MS_MIN);
        let place_s = self.hub.place_s(now_us);
        self.resumes = false;
        self.hub.set(true, place_s, now_us + crate::device::whole(ahead_ms * 1000.0));
        let when_ms = crate::device::ms(now_us) + ahead_ms;
        let course = Down::Course { playing: true, place_s, seek: false, when_ms, echo_ms: None, acts: 0 };
        self.hub.send_others(None, &course);
    }

    fn ready(&mut self, seat: usize, now_us: u64) {
        if self.waits_for.remove(&seat) && self.waits_for.is_empty() && self.resumes {
            self.resume(now_us);
        }
    }
}

impl Relay for JellyfinRelay {
    type Up = Up;
    type Down = Down;

    fn handle(&mut self, seat: usize, message: Up, now_us: u64) {
        match message {
            Up::Hello => {
                self.hub.seats.insert(seat);
                if self.hub.at_us > 0 {
                    let course = self.hub.course(false, now_us);
                    self.hub.send(seat, course);
                }
            }
            Up::Act { playing: true, place_s, seek: false } => {
                self.waits_for.clear();
                self.hub.set(false, place_s, now_us);
                self.resume(now_us);
            }
            Up::Act { place_s, seek, .. } => {
                // A seek goes on as it was, a pause stands.
                self.resumes = seek && (self.hub.playing || self.resumes);
                self.waits_for = if seek { self.hub.seats.clone() } else { BTreeSet::new() };
                self.hub.set(false, place_s, now_us);
                let course = self.hub.course(seek, now_us);
                self.hub.send_others(None, &course);
            }
            Up::Buffering => {
                if self.hub.playing {
                    let place_s = self.hub.place_s(now_us);
                    self.hub.set(false, place_s, now_us);
                    self.resumes = true;
                    let course = self.hub.course(false, now_us);
                    self.hub.send_others(Some(seat), &course);
                }
                self.waits_for.insert(seat);
            }
            Up::Ready => self.ready(seat, now_us),
            Up::Ping { sent_ms, ping_ms } => {
                self.ping_ms_max = self.ping_ms_max.max(ping_ms);
                self.hub.send(seat, Down::Pong { sent_ms, relay_ms: crate::device::ms(now_us) });
            }
            Up::Report { .. } => {}
        }
    }

    fn leave(&mut self, seat: usize, now_us: u64) {
        self.hub.seats.remove(&seat);
        self.ready(seat, now_us);
    }

    fn timeout_us(&self) -> Option<u64> {
        None
    }

    fn handle_timeout(&mut self, _now_us: u64) {}

    fn poll(&mut self) -> Option<(usize, Down)> {
        self.hub.poll()
    }
}
