//! What befalls a seat, and what its person does.

use super::{Event, World};
use crate::device::us;
use crate::scenario::{Cell, Incident};
use crate::scheme::{Happening, Scheme, UserAct};

impl<S: Scheme> World<'_, S> {
    pub(super) fn incident(&mut self, n: usize, incident: Incident) {
        let t_us = self.t_us;
        let seat = &mut self.seats[n];
        match incident {
            Incident::Connect => {
                if !seat.connected {
                    (seat.connected, seat.left) = (true, false);
                    seat.connection += 1;
                    seat.link.reset();
                    self.observer.link(n, true, t_us);
                    self.happens(n, Happening::LinkUp);
                }
            }
            Incident::Cut(noticed_us) => {
                if seat.connected {
                    seat.connected = false;
                    seat.inbox.clear();
                    let connection = seat.connection;
                    self.observer.link(n, false, t_us);
                    self.happens(n, Happening::LinkDown);
                    self.at(t_us + noticed_us, Event::Leave { seat: n, connection });
                }
            }
            Incident::Busy(for_us) => seat.device.busy(t_us + for_us),
            Incident::Suspend(for_us) => {
                seat.device.suspend(t_us, t_us + for_us);
                seat.player.suspend(t_us, t_us + for_us);
                self.observer.disturb(n, t_us + for_us, t_us);
            }
            Incident::Hide(hidden) => {
                seat.device.hide(hidden, t_us);
                // In a room where much happens, only what can be seen is asked to be exact.
                self.observer.hide(n, hidden && self.scenario.cell == Cell::Rough, t_us);
            }
            Incident::Starve(for_us) => {
                seat.player.starve(t_us, t_us + for_us);
                self.observer.starve(n, t_us + for_us, t_us);
                self.happens(n, Happening::Player);
            }
            Incident::Stall(for_us) => {
                seat.link.stall(t_us + for_us);
                self.observer.delay(n, t_us + for_us);
            }
            Incident::StepWall(by_ms) => seat.device.step_wall(by_ms),
            Incident::Act(act) => self.act(n, act),
        }
    }

    /// A person acts; where that one cannot right now, the next one does.
    pub(super) fn act(&mut self, first: usize, act: UserAct) {
        let count = self.seats.len();
        let able = |n: &usize| self.seats[*n].connected && self.seats[*n].device.handles_at(self.t_us) == self.t_us;
        match (first..first + count).map(|n| n % count).find(able) {
            Some(n) => {
                self.observer.act(act, self.t_us);
                self.happens(n, Happening::User(act));
            }
            None => self.at(self.t_us + us(1.0), Event::Act(first, act)),
        }
    }
}
