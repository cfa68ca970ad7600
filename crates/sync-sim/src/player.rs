//! The player as it was measured: headless Chromium 156, and WebKitGTK 2.48 in a window.

use crate::Rng;
use crate::device::{seconds, us, whole};

/// Which player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// Obeys `playbackRate` without a stall; seeks take long now and then.
    Chromium,
    /// Every change of `playbackRate` costs a stall; pauses are exact and seeks are quick.
    WebKit,
}

/// Milliseconds that `play()` takes: p50 11, p95 21.
const PLAY_MS: [(f64, f64); 4] = [(0.0, 6.0), (0.5, 11.0), (0.95, 21.0), (1.0, 45.0)];
/// Milliseconds that a seek takes: p50 110, p95 340.
const SEEK_MS: [(f64, f64); 5] = [(0.0, 60.0), (0.5, 110.0), (0.8, 180.0), (0.95, 340.0), (1.0, 600.0)];
/// `playbackRate`s this near to 1 do nothing in Chromium.
const DEAD_BAND: f64 = 0.0011;
/// What Chromium plays faster than it was told, outside of the dead band.
const BIAS: f64 = 0.0014;
/// Milliseconds of stall for each change of rate in WebKitGTK: at 360p, at 1080p, and in films with few key frames.
const WEBKIT_RATE_MS: [(f64, f64); 3] = [(37.0, 122.0), (134.0, 241.0), (400.0, 880.0)];
/// Milliseconds by which a pause takes longer than it was meant to.
const WEBKIT_PLAY_MS: (f64, f64) = (0.0, 5.0);
const WEBKIT_SEEK_MS: (f64, f64) = (16.0, 135.0);
/// Spread of `currentTime` around the true place, in seconds (Chromium: p95 0.1 ms).
const CHROMIUM_NOISE_S: f64 = 0.05e-3;
const WEBKIT_NOISE_S: f64 = 0.3e-3;
/// Steps of WebKitGTK's `currentTime`.
const WEBKIT_STEP_S: f64 = 1e-3;
/// What is ready ahead of a player that has enough, in seconds, and how fast that grows again after there was nothing.
const BUFFER_S: f64 = 20.0;
const BUFFER_GROWS: f64 = 3.0;
/// Until the first picture of a new item.
const LOAD_S: (f64, f64) = (0.3, 2.3);

/// What a player shows of itself at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Whether it has something to play.
    pub ready: bool,
    /// `currentTime`, in seconds.
    pub position_s: f64,
    /// Whether it stands because it was told to.
    pub paused: bool,
    /// Whether a seek is under way.
    pub seeking: bool,
    /// Whether it waits for data.
    pub stalled: bool,
    /// Seconds of media that are there ahead of the position.
    pub buffer_s: f64,
    /// Whether it is at the item's end, where it stands by itself (HTML, "reaches the end").
    pub ended: bool,
    /// The item's length in seconds.
    pub duration_s: f64,
    /// `playbackRate`.
    pub rate: f64,
}

/// A player.
#[derive(Clone, Debug)]
pub struct Player {
    model: Model,
    rng: Rng,
    /// How much too fast its sound card runs, in millionths.
    card_ppm: f64,
    /// What a change of rate costs with the film that it shows, in milliseconds.
    rate_ms: (f64, f64),
    film: usize,
    duration_s: f64,
    ready_us: Option<u64>,
    /// The place at a moment; it moves from there, but not before `held_us` and `starved_us`.
    base_s: f64,
    base_us: u64,
    held_us: u64,
    starved_us: u64,
    seeking_us: u64,
    playing: bool,
    rate: f64,
}

impl Player {
    /// An empty player on a machine whose sound card is off by this.
    #[must_use]
    pub fn new(model: Model, card_ppm: f64, mut rng: Rng) -> Self {
        let rate_ms = match model {
            Model::Chromium => (0.0, 0.0),
            Model::WebKit => WEBKIT_RATE_MS[rng.below(WEBKIT_RATE_MS.len())],
        };
        Self {
            model,
            rng,
            card_ppm,
            rate_ms,
            film: 0,
            duration_s: f64::INFINITY,
            ready_us: None,
            base_s: 0.0,
            base_us: 0,
            held_us: 0,
            starved_us: 0,
            seeking_us: 0,
            playing: false,
            rate: 1.0,
        }
    }

    /// Which player it is.
    #[must_use]
    pub fn model(&self) -> Model {
        self.model
    }

    /// Loads a film of so many seconds, which has its number. Its first picture is data, too.
    pub fn load(&mut self, film: usize, duration_s: f64, t_us: u64) {
        let takes = us(self.rng.between(LOAD_S.0, LOAD_S.1));
        *self = Self {
            film,
            duration_s,
            rate_ms: self.rate_ms,
            ready_us: Some(t_us.max(self.starved_us) + takes),
            base_us: t_us,
            starved_us: self.starved_us,
            ..Self::new(self.model, self.card_ppm, self.rng.clone())
        };
    }

    /// Starts, some milliseconds later. From the end it starts anew (HTML, "internal play steps").
    pub fn play(&mut self, t_us: u64) {
        if self.has_ended(t_us) {
            self.pause(t_us);
            self.seek(0.0, t_us);
        }
        if self.playing {
            return;
        }
        self.settle(t_us);
        let takes_ms = match self.model {
            Model::Chromium => self.rng.quantile(&PLAY_MS),
            Model::WebKit => self.rng.between(WEBKIT_PLAY_MS.0, WEBKIT_PLAY_MS.1),
        };
        self.playing = true;
        self.held_us = self.held_us.max(t_us + whole(takes_ms * 1000.0));
    }

    /// Stands.
    pub fn pause(&mut self, t_us: u64) {
        self.settle(t_us);
        self.playing = false;
    }

    /// Goes to a place; what plays goes on from there some time later.
    pub fn seek(&mut self, place_s: f64, t_us: u64) {
        self.settle(t_us);
        let takes_ms = match self.model {
            Model::Chromium => self.rng.quantile(&SEEK_MS),
            Model::WebKit => self.rng.between(WEBKIT_SEEK_MS.0, WEBKIT_SEEK_MS.1),
        };
        if self.has_ended(t_us) {
            self.playing = false;
        }
        self.base_s = place_s.min(self.duration_s);
        // Elsewhere there is no data either.
        self.seeking_us = t_us.max(self.starved_us) + whole(takes_ms * 1000.0);
        self.held_us = self.held_us.max(self.seeking_us);
    }

    /// Plays faster or slower.
    #[allow(clippy::float_cmp, reason = "the same command again changes nothing")]
    pub fn set_rate(&mut self, rate: f64, t_us: u64) {
        if rate == self.rate {
            return;
        }
        self.settle(t_us);
        self.rate = rate;
        if self.model == Model::WebKit && self.playing {
            let stall_ms = self.rng.between(self.rate_ms.0, self.rate_ms.1);
            self.held_us = self.held_us.max(t_us + whole(stall_ms * 1000.0));
        }
    }

    /// There is no data until then.
    pub fn starve(&mut self, t_us: u64, until_us: u64) {
        self.settle(t_us);
        self.starved_us = self.starved_us.max(until_us);
    }

    /// The machine sleeps, and the player with it.
    pub fn suspend(&mut self, t_us: u64, until_us: u64) {
        self.settle(t_us);
        self.held_us = self.held_us.max(until_us);
    }

    /// Where it truly is, in seconds: what its viewer sees and hears.
    #[must_use]
    pub fn position_s(&self, t_us: u64) -> f64 {
        if self.playing {
            let advanced_s = self.speed() * seconds(t_us.saturating_sub(self.moves_from()));
            (self.base_s + advanced_s).min(self.duration_s)
        } else {
            self.base_s
        }
    }

    /// Whether it truly advances.
    #[must_use]
    pub fn moves(&self, t_us: u64) -> bool {
        self.is_ready(t_us) && self.is_playing(t_us) && t_us >= self.moves_from()
    }

    /// Whether it was told to play, and is not at the end.
    #[must_use]
    pub fn is_playing(&self, t_us: u64) -> bool {
        self.playing && !self.has_ended(t_us)
    }

    /// Whether it is at its film's end.
    #[must_use]
    pub fn has_ended(&self, t_us: u64) -> bool {
        self.is_ready(t_us) && t_us >= self.seeking_us && self.position_s(t_us) >= self.duration_s
    }

    /// The film that it was told to load, by number.
    #[must_use]
    pub fn film(&self) -> usize {
        self.film
    }

    /// `playbackRate`.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Whether it has something to play.
    #[must_use]
    pub fn is_ready(&self, t_us: u64) -> bool {
        self.ready_us.is_some_and(|at| at <= t_us)
    }

    /// The next moment at which it says by itself that something changed.
    #[must_use]
    pub fn next_event_us(&self, t_us: u64) -> Option<u64> {
        let left_s = (self.duration_s - self.base_s) / self.speed();
        let ends = (self.playing && left_s.is_finite()).then(|| self.moves_from() + us(left_s) + 1);
        [self.ready_us.unwrap_or(0), self.seeking_us, self.held_us, self.starved_us, ends.unwrap_or(0)]
            .into_iter()
            .filter(|at| *at > t_us)
            .min()
    }

    /// What it shows of itself.
    pub fn sample(&mut self, t_us: u64) -> Sample {
        let position_s = match self.model {
            Model::Chromium => self.position_s(t_us) + self.rng.bell() * CHROMIUM_NOISE_S,
            Model::WebKit => {
                ((self.position_s(t_us) + self.rng.bell() * WEBKIT_NOISE_S) / WEBKIT_STEP_S).floor() * WEBKIT_STEP_S
            }
        };
        Sample {
            ready: self.is_ready(t_us),
            position_s: if self.moves(t_us) { position_s.max(0.0) } else { self.position_s(t_us) },
            paused: !self.is_playing(t_us),
            seeking: t_us < self.seeking_us,
            stalled: self.is_playing(t_us) && t_us < self.starved_us,
            buffer_s: (seconds(t_us.saturating_sub(self.starved_us)) * BUFFER_GROWS).min(BUFFER_S),
            ended: self.has_ended(t_us),
            duration_s: self.duration_s,
            rate: self.rate,
        }
    }

    fn moves_from(&self) -> u64 {
        self.base_us.max(self.held_us).max(self.starved_us)
    }

    fn speed(&self) -> f64 {
        let rate = match self.model {
            Model::Chromium if (self.rate - 1.0).abs() <= DEAD_BAND => 1.0,
            Model::Chromium => self.rate + BIAS,
            Model::WebKit => self.rate,
        };
        rate * (1.0 + self.card_ppm * 1e-6)
    }

    fn settle(&mut self, t_us: u64) {
        (self.base_s, self.base_us) = (self.position_s(t_us), t_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn playing(model: Model) -> Player {
        let mut player = Player::new(model, 0.0, Rng::new(3, 0));
        player.load(0, 3600.0, 0);
        player.play(us(3.0));
        player
    }

    #[test]
    fn rates_in_the_dead_band_do_nothing_and_others_overshoot() {
        let mut player = playing(Model::Chromium);
        let ran_s = |player: &Player, from: f64| player.position_s(us(from + 10.0)) - player.position_s(us(from));
        player.set_rate(1.001, us(10.0));
        assert!((ran_s(&player, 10.0) - 10.0).abs() < 1e-6);
        player.set_rate(1.02, us(30.0));
        assert!((ran_s(&player, 30.0) - 10.214).abs() < 1e-6);
    }

    #[test]
    fn a_change_of_rate_stalls_webkit_and_a_pause_is_exact() {
        let mut player = playing(Model::WebKit);
        let before = player.position_s(us(10.0));
        player.set_rate(1.05, us(10.0));
        player.set_rate(1.0, us(11.0));
        let lost_s = before + 2.05 - player.position_s(us(12.0));
        assert!((0.074..1.76).contains(&lost_s), "{lost_s}");
        let before = player.position_s(us(20.0));
        player.pause(us(20.0));
        player.play(us(20.15));
        let lost_s = before + 1.0 - player.position_s(us(21.0));
        assert!((0.150..=0.155).contains(&lost_s), "{lost_s}");
    }

    #[test]
    fn what_starves_stands_and_says_so() {
        let mut player = playing(Model::Chromium);
        player.starve(us(10.0), us(12.0));
        assert!(player.sample(us(11.0)).stalled && !player.moves(us(11.0)));
        assert_eq!(player.next_event_us(us(11.0)), Some(us(12.0)));
        let lost_s = player.position_s(us(10.0)) + 3.0 - player.position_s(us(13.0));
        assert!((lost_s - 2.0).abs() < 1e-6, "{lost_s}");
        player.starve(us(20.0), us(30.0));
        player.seek(100.0, us(21.0));
        assert!(player.sample(us(29.9)).seeking, "there is no data elsewhere either");
    }

    #[test]
    fn at_the_end_it_stands_and_says_so_and_starts_anew() {
        let mut player = playing(Model::Chromium);
        player.seek(3590.0, us(10.0));
        let ends_us = std::iter::successors(Some(us(10.0)), |t_us| player.next_event_us(*t_us)).last();
        let ends_us = ends_us.expect("there is one");
        let sample = player.sample(ends_us);
        assert!(sample.ended && sample.paused && (20.0..21.0).contains(&seconds(ends_us)), "{sample:?} {ends_us}");
        assert!((sample.position_s - 3600.0).abs() < 1e-9 && !player.sample(ends_us - 2000).ended);
        player.play(ends_us);
        assert!(player.position_s(ends_us + us(2.0)) < 2.0);
    }
}
