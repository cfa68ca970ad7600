//! What goes wrong in a room.

use super::{Cell, Incident, Scenario};
use crate::Rng;
use crate::device::us;
use crate::scheme::UserAct;

impl Scenario {
    /// What goes wrong where people do what they mostly do.
    pub(super) fn troubles(&mut self, rng: &mut Rng) {
        match self.cell {
            // Early enough to have settled when what is measured begins.
            Cell::Speed => self.at(4.6, 0, Incident::Act(UserAct::Speed(rng.between(0.5, 2.0)))),
            Cell::Hidden => self.hidden_pages(rng),
            Cell::Evening if rng.percent(50) => self.at(1.6, 1, Incident::Hide(true)),
            Cell::Rough => self.misfortune(rng),
            Cell::Clocks => self.clock_trouble(rng),
            Cell::Symmetric
            | Cell::Asymmetric
            | Cell::Desktop
            | Cell::Unstable
            | Cell::Plain
            | Cell::Late
            | Cell::Starved
            | Cell::Ends
            | Cell::Crowd
            | Cell::Evening => {}
        }
    }

    /// One page is hidden from the beginning, and may be shown again; another is hidden, and shown, in between.
    fn hidden_pages(&mut self, rng: &mut Rng) {
        self.at(1.6, 1, Incident::Hide(true));
        if rng.percent(50) {
            self.at(rng.between(20.0, 40.0), 1, Incident::Hide(false));
        }
        let hides_s = rng.between(12.0, 40.0);
        self.at(hides_s, 0, Incident::Hide(true));
        self.at(hides_s + rng.between(2.0, 15.0), 0, Incident::Hide(false));
    }

    /// Disturbances, until 20 s before the end.
    fn misfortune(&mut self, rng: &mut Rng) {
        /// The relay notices a silent connection after 20 s (docs/PROTOCOL.md, "Transport").
        const NOTICED_S: f64 = 20.0;
        let last_s = crate::device::seconds(self.end_us) - 20.0;
        if rng.percent(50) {
            self.at(4.6, 0, Incident::Act(UserAct::NeverWait));
        }
        self.seats.iter_mut().for_each(|seat| seat.clock.wall_wobbles = rng.percent(30));
        let mut at_s = 10.0;
        while at_s < last_s {
            let seat = rng.below(self.seats.len());
            match rng.below(7) {
                0 => {
                    let noticed = if rng.percent(50) { 0 } else { us(NOTICED_S) };
                    self.at(at_s, seat, Incident::Cut(noticed));
                    self.at(at_s + rng.between(0.3, 6.0), seat, Incident::Connect);
                }
                1 => {
                    let sleeps_s = rng.between(1.0, 12.0);
                    self.at(at_s, seat, Incident::Suspend(us(sleeps_s)));
                    if sleeps_s > 6.0 {
                        self.at(at_s + sleeps_s, seat, Incident::Cut(0));
                        self.at(at_s + sleeps_s + rng.between(0.3, 2.0), seat, Incident::Connect);
                    }
                }
                2 => self.at(at_s, seat, Incident::Busy(us(rng.between(0.05, 1.2)))),
                3 => {
                    self.at(at_s, seat, Incident::Hide(true));
                    self.at(at_s + rng.between(3.0, 20.0), seat, Incident::Hide(false));
                }
                4 => self.at(at_s, seat, Incident::Starve(us(rng.between(0.2, 4.0)))),
                5 => self.at(at_s, seat, Incident::Stall(us(rng.between(0.2, 2.5)))),
                _ => self.at(at_s, seat, Incident::StepWall(rng.around(3_600_000.0))),
            }
            at_s += rng.between(1.0, 9.0);
        }
    }

    fn clock_trouble(&mut self, rng: &mut Rng) {
        for seat in 0..self.seats.len() {
            self.seats[seat].clock.wall_wobbles = true;
            for _ in 0..3 {
                let at_s = rng.between(5.0, 40.0);
                let step_ms = if rng.percent(50) { rng.around(2000.0) } else { rng.around(3_600_000.0) };
                self.at(at_s, seat, Incident::StepWall(step_ms));
            }
        }
    }
}
