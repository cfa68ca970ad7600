//! What the client asked for, and what to do when an answer does not come.

use super::Place;
use crate::wire::limits::{CROSSING_TIME, OUTSTANDING_MAX, OVERTAKEN_MAX, STALL_TIME};
use std::{collections::VecDeque, time::Instant};

/// The client's requests that the peer owes an answer to, in the order in which they were sent.
///
/// Clients trust that a request is answered or was lost by a choke. It is not so: webtorrent (bittorrent-protocol
/// 5.0.9, `Wire._onRequest`) looks a request up by its place when the block was read, takes whatever it finds first, and
/// when that is not the very same request it answers neither. So a request that is sent again while the first one is
/// being worked on loses both, and librqbit waits for the block forever. Here a request is therefore sent again only
/// when there are signs that it was lost, and again after that:
/// - a choke that lasted has discarded it;
/// - many later ones were answered;
/// - no block has come for a while: then the oldest one, and when it alone was answered, all.
#[derive(Debug)]
pub(super) struct Requests {
    open: VecDeque<Request>,
    /// The peer does not answer requests.
    choked: bool,
    choked_since: Instant,
    /// When a block came last, or could have begun to come.
    quiet_since: Instant,
    /// When the silence becomes a sign that something was lost.
    stalled: Instant,
    /// There is reason to think that everything that was sent is lost.
    in_doubt: bool,
}

#[derive(Debug)]
struct Request {
    place: Place,
    /// Requests that were sent once, later, and answered earlier.
    overtaken: u32,
    sends: Sends,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sends {
    /// It waits for the end of a choke.
    None,
    One,
    Many,
}

impl Sends {
    fn next(self) -> Self {
        if self == Self::None { Self::One } else { Self::Many }
    }
}

impl Requests {
    pub(super) fn new(now: Instant) -> Self {
        Self { open: VecDeque::new(), choked: true, choked_since: now, quiet_since: now, stalled: now, in_doubt: false }
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.open.len() >= OUTSTANDING_MAX
    }

    /// Takes a request in. Whether it is to be sent now.
    pub(super) fn add(&mut self, place: Place, now: Instant) -> bool {
        if self.open.is_empty() {
            self.hear(now);
            self.in_doubt = false;
        }
        let sends = if self.choked { Sends::None } else { Sends::One };
        self.open.push_back(Request { place, overtaken: 0, sends });
        !self.choked
    }

    /// Forgets a request. Whether the peer is to forget it, too.
    pub(super) fn cancel(&mut self, place: Place) -> bool {
        let before = self.open.len();
        self.open.retain(|request| request.place != place);
        self.open.len() < before && !self.choked
    }

    /// Takes a block in. Whether somebody waits for it.
    pub(super) fn answer(&mut self, place: Place, now: Instant) -> bool {
        let at = self.open.iter().position(|request| request.place == place);
        let Some((at, answered)) = at.and_then(|at| Some((at, self.open.remove(at)?))) else {
            self.hear_late(now);
            return false;
        };
        if answered.sends == Sends::One {
            self.hear(now);
            self.in_doubt = false;
            for earlier in self.open.iter_mut().take(at) {
                earlier.overtaken += 1;
            }
        } else {
            self.hear_late(now);
            self.in_doubt = true;
        }
        true
    }

    pub(super) fn choke(&mut self, now: Instant) {
        if !self.choked {
            self.choked = true;
            self.choked_since = now;
        }
    }

    /// What is to be sent now that the peer takes requests.
    pub(super) fn unchoke(&mut self, now: Instant) -> Vec<Place> {
        if !std::mem::replace(&mut self.choked, false) {
            return Vec::new();
        }
        self.hear(now);
        // What was on its way when a short choke began arrives after its end, and is answered.
        let crossed = now < self.choked_since + CROSSING_TIME;
        let unsent = self.open.iter().position(|request| request.sends == Sends::None).unwrap_or(self.open.len());
        self.in_doubt = crossed && unsent > 0;
        self.send_from(if crossed { unsent } else { 0 })
    }

    /// What is to be sent again because later requests were answered.
    pub(super) fn take_overtaken(&mut self) -> Vec<Place> {
        if self.choked {
            return Vec::new();
        }
        // The earlier ones were overtaken by more.
        let count = self.open.iter().take_while(|request| request.overtaken >= OVERTAKEN_MAX).count();
        self.send_again(count)
    }

    /// What is to be sent again because no block has come.
    pub(super) fn take_stalled(&mut self, now: Instant) -> Vec<Place> {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return Vec::new();
        }
        self.stalled = now + (2 * now.saturating_duration_since(self.quiet_since)).max(STALL_TIME);
        let count = if std::mem::take(&mut self.in_doubt) { self.open.len() } else { 1 };
        self.send_again(count)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        (!self.choked && !self.open.is_empty()).then_some(self.stalled)
    }

    fn hear(&mut self, now: Instant) {
        self.quiet_since = now;
        self.stalled = now + STALL_TIME;
    }

    /// Perhaps a slow peer's answer to what was sent first: then the next one takes as long.
    fn hear_late(&mut self, now: Instant) {
        let silence = now.saturating_duration_since(self.quiet_since);
        self.quiet_since = now;
        self.stalled = now + (2 * silence).max(STALL_TIME);
    }

    /// The first `count` requests become the last ones.
    fn send_again(&mut self, count: usize) -> Vec<Place> {
        if count == 0 {
            return Vec::new();
        }
        self.open.rotate_left(count);
        self.send_from(self.open.len() - count)
    }

    fn send_from(&mut self, first: usize) -> Vec<Place> {
        let send = |request: &mut Request| {
            request.overtaken = 0;
            request.sends = request.sends.next();
            request.place
        };
        self.open.iter_mut().skip(first).map(send).collect()
    }
}
