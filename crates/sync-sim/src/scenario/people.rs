//! What people do, and when: nothing but what they mean to.

use super::{Cell, Incident, Scenario};
use crate::Rng;
use crate::device::us;
use crate::scheme::UserAct;

impl Scenario {
    /// The first `count` come, someone opens a film; a pause, a start, a seek, and once more.
    pub(super) fn people(&mut self, count: usize, rng: &mut Rng) {
        for seat in 0..count {
            self.at(rng.between(0.0, 1.5), seat, Incident::Connect);
        }
        self.at(2.0, 0, Incident::Act(UserAct::Open(1)));
        let mut at_s = 7.0;
        for (act, pause_s) in [(UserAct::Pause, 2.5), (UserAct::Play, 14.0), (UserAct::Seek(0.0), 14.0)] {
            let act = if let UserAct::Seek(_) = act { UserAct::Seek(rng.between(100.0, 5000.0)) } else { act };
            self.at(at_s, rng.below(count), Incident::Act(act));
            at_s += pause_s + rng.unit();
        }
        if self.cell == Cell::Evening {
            at_s += 600.0;
        } else {
            self.at(at_s, rng.below(count), Incident::Act(UserAct::Pause));
            at_s += 2.0 + rng.unit();
            self.at(at_s, rng.below(count), Incident::Act(UserAct::Play));
            at_s += 12.0;
        }
        if self.cell == Cell::Rough {
            at_s += 20.0;
        }
        self.end_us = us(at_s);
    }

    /// The last one to three come while the film runs, or stands; what they find is what others do meanwhile.
    pub(super) fn latecomers(&mut self, rng: &mut Rng) {
        let present = 2 + rng.below(self.seats.len() - 2);
        self.people(present, rng);
        for seat in present..self.seats.len() {
            (self.seats[seat].plain, self.seats[seat].counts) =
                if rng.percent(25) { (true, false) } else { (false, true) };
            let comes_s = rng.between(11.5, 45.0);
            self.at(comes_s, seat, Incident::Connect);
            if rng.percent(25) {
                self.at(comes_s - 0.01, seat, Incident::Hide(true));
            }
            // Before its first picture, or at the place to which it has just gone. A plain peer would stay behind.
            if rng.percent(40) && !self.seats[seat].plain {
                self.at(comes_s + rng.between(0.1, 2.5), seat, Incident::Starve(us(rng.between(1.5, 14.0))));
            }
        }
        // Whoever waits for data at the end, or is waited for, has come back by then.
        self.end_us += us(20.0);
    }

    /// Somebody's data stops for longer than a room waits, and comes again; then once more, for somebody, and shorter.
    pub(super) fn long_stalls(&mut self, rng: &mut Rng) {
        let count = self.seats.len();
        for seat in 0..count {
            self.at(rng.between(0.0, 1.5), seat, Incident::Connect);
        }
        self.at(2.0, rng.below(count), Incident::Act(UserAct::Open(1)));
        if rng.percent(40) {
            self.at(4.6, 0, Incident::Act(UserAct::NeverWait));
        }
        let (seat, begins_s, lasts_s) = (rng.below(count), rng.between(11.0, 13.0), rng.between(11.5, 26.0));
        self.at(begins_s, seat, Incident::Starve(us(lasts_s)));
        if rng.percent(25) {
            let other = (seat + 1) % count;
            self.at(begins_s + rng.between(0.0, 12.0), other, Incident::Starve(us(rng.between(2.0, 14.0))));
        }
        let mut at_s = begins_s + lasts_s + rng.between(5.0, 16.0);
        let (again, lasts_s) = (if rng.percent(50) { seat } else { rng.below(count) }, rng.between(1.0, 9.0));
        self.at(at_s, again, Incident::Starve(us(lasts_s)));
        at_s += lasts_s + 16.0;
        self.at(at_s, rng.below(count), Incident::Act(UserAct::Seek(rng.between(100.0, 5000.0))));
        self.end_us = us(at_s + 12.0);
    }

    /// Two to four short films run to their ends, for all at nearly the same moment. In some rooms somebody goes on to the
    /// next one at about that time, or goes back a bit just before it; in some, messages come late then.
    pub(super) fn ends_of_films(&mut self, rng: &mut Rng) {
        /// Until all have loaded a film and are at one place: what the ends are reckoned from.
        const BEGINS_S: f64 = 1.0;
        let count = self.seats.len();
        self.films_s = (0..2 + rng.below(3)).map(|_| rng.between(12.0, 20.0)).collect();
        for seat in 0..count {
            self.at(rng.between(0.0, 1.5), seat, Incident::Connect);
        }
        self.at(2.0, 0, Incident::Act(UserAct::Open(self.films_s.len())));
        let mut ends_s = 2.0;
        let films_s = self.films_s.clone();
        for (n, film_s) in films_s.iter().enumerate() {
            ends_s += BEGINS_S + film_s;
            match rng.below(6) {
                // Pressed a little late it leaves out the next one, and of the last one it leaves nothing.
                0 if n + 2 < films_s.len() => {
                    self.at(ends_s + rng.around(1.5), rng.below(count), Incident::Act(UserAct::Next))
                }
                1 => {
                    self.at(
                        ends_s - 4.0,
                        rng.below(count),
                        Incident::Act(UserAct::Seek(film_s - rng.between(2.0, 6.0))),
                    );
                }
                2 => self.at(ends_s - rng.unit(), rng.below(count), Incident::Stall(us(rng.between(0.2, 2.5)))),
                _ => {}
            }
        }
        // Loads take up to 2.3 s each, seeks back up to 6 s.
        self.end_us = us(ends_s + 20.0);
    }
}
