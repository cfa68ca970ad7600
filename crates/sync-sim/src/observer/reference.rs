//! What the room should do.

use crate::device::seconds;
use crate::scenario::Scenario;
use crate::scheme::Course;

/// A plain peer's announcement of a place this near to the room's is as old as the way to the relay, and moves nothing.
const ANNOUNCED_S: f64 = 1.0;
/// A plain peer that tells of a film's beginning this long after it comes late to the end of the one before.
const BEGUN_S: f64 = 3.0;

/// The course of the room as its relay took it: the last command counts. Knows nothing of clocks, of stalls or of whose
/// command it was.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) playing: bool,
    pub(crate) speed: f64,
    /// Which film it shows.
    pub(crate) film: usize,
    films_s: Vec<f64>,
    place_s: f64,
    at_us: u64,
}

impl Reference {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self { playing: false, speed: 1.0, film: 0, films_s: scenario.films_s.clone(), place_s: 0.0, at_us: 0 }
    }

    pub(crate) fn take(&mut self, course: Course, t_us: u64) {
        let (film, playing, place_s) = match course {
            Course::Control(film, playing, place_s) if film.is_none_or(|film| film == self.film) => {
                (self.film, playing, place_s)
            }
            Course::Next(film) if film == self.film && film + 1 < self.films_s.len() => (film + 1, false, 0.0),
            Course::Announce(film, playing, place_s)
                if film != self.film
                    || playing != self.playing
                    || !((place_s - self.place_s(t_us)).abs() < ANNOUNCED_S || self.has_begun(place_s, t_us)) =>
            {
                (film, playing, place_s)
            }
            Course::Control(..) | Course::Next(_) | Course::Announce(..) => return,
        };
        (self.film, self.playing, self.place_s, self.at_us) = (film, playing, place_s, t_us);
    }

    pub(crate) fn take_speed(&mut self, speed: f64, t_us: u64) {
        (self.place_s, self.at_us, self.speed) = (self.place_s(t_us), t_us, speed);
    }

    /// Whether a place is a film's beginning that was a moment ago.
    fn has_begun(&self, place_s: f64, t_us: u64) -> bool {
        place_s <= 0.0 && self.playing && self.place_s(t_us) < BEGUN_S
    }

    pub(crate) fn place_s(&self, t_us: u64) -> f64 {
        let advanced_s = if self.playing { seconds(t_us.saturating_sub(self.at_us)) * self.speed } else { 0.0 };
        (self.place_s + advanced_s).min(self.film_s())
    }

    /// The length of what it shows, in seconds.
    pub(crate) fn film_s(&self) -> f64 {
        self.films_s.get(self.film).copied().unwrap_or(f64::INFINITY)
    }
}
