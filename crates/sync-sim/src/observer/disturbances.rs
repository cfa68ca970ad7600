//! What is nobody's fault, and for how long.

use super::{CATCH_UP_US, HOLD_AFTER_US, JOINED_US, Observer, SETTLE_US, WAIT_MORE_US, WAITED_FOR_US, WAITED_MS};
use crate::device::whole;

impl Observer {
    /// Something outside of the scheme's power keeps a viewer from playing until then.
    pub(crate) fn disturb(&mut self, seat: usize, until_us: u64, t_us: u64) {
        if self.trial.as_ref().is_some_and(|trial| trial.seats.contains(&seat)) {
            self.trial = None;
        }
        let seat = &mut self.seats[seat];
        seat.unable_us = seat.unable_us.max(until_us);
        let settles_us = if until_us > t_us { CATCH_UP_US } else { SETTLE_US };
        seat.disturbed_us = seat.disturbed_us.max(until_us + settles_us);
        seat.window = None;
        seat.corrections.clear();
    }

    /// A viewer hears nothing until then, nor is heard: what it does before that, it does alone.
    pub(crate) fn delay(&mut self, n: usize, until_us: u64) {
        let seat = &mut self.seats[n];
        seat.disturbed_us = seat.disturbed_us.max(until_us + CATCH_UP_US);
        (seat.landing, seat.window) = (None, None);
        seat.corrections.clear();
    }

    /// A viewer gets no data until then. Where it has played, the room may wait for it, up to its budget.
    pub(crate) fn starve(&mut self, n: usize, until_us: u64, t_us: u64) {
        self.disturb(n, until_us, t_us);
        let seat = &mut self.seats[n];
        (seat.starved, seat.able, seat.seeks) = (true, false, 0);
        let joins = seat.moved_us <= if seat.came_late { JOINED_US } else { 0 };
        if !joins && !self.never_waits && until_us - t_us >= WAITED_FOR_US {
            self.disturb_all(until_us.min(t_us + HOLD_AFTER_US + whole(WAITED_MS * 1000.0)));
        }
    }

    /// A viewer that is not to be held to anything while it is hidden, or that is seen again.
    pub(crate) fn hide(&mut self, seat: usize, hidden: bool, t_us: u64) {
        if self.seats[seat].hidden != hidden {
            self.disturb(seat, t_us, t_us);
            self.seats[seat].hidden = hidden;
        }
    }

    /// A viewer's connection comes or goes.
    pub(crate) fn link(&mut self, seat: usize, up: bool, t_us: u64) {
        self.disturb(seat, t_us, t_us);
        let came_late = self.last_act.is_some();
        let seat = &mut self.seats[seat];
        (seat.offline, seat.came_late, seat.moved_us) = (!up, came_late, 0);
    }

    /// Something happened to one viewer that a room may wait for: it is nobody's fault if that is felt until then.
    fn disturb_all(&mut self, until_us: u64) {
        self.trial = None;
        self.waits_us = self.waits_us.max(until_us + WAIT_MORE_US);
        self.settled_us = self.settled_us.max(self.waits_us + SETTLE_US);
        for seat in &mut self.seats {
            seat.window = None;
            seat.corrections.clear();
        }
    }
}
