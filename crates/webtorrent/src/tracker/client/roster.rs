//! Who is at a tracker: what the swarms and the tracker's connection share.

use super::{TrackerEvent, Transfer, connection::Order};
use crate::tracker::{InfoHash, Offer, PassedOffer, PeerId, Sdp};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, mpsc, watch};

/// Events that wait for one member. An offer a second is a busy tracker. Where it is full, further ones are dropped: the
/// other torrents of the connection do not wait for this one.
const EVENTS_CAPACITY: usize = 64;

/// Announces, answers and scrapes that wait for one connection. Where it is full, further ones are dropped: descriptions
/// are worth nothing when they are old.
const ORDERS_CAPACITY: usize = 256;

/// How a connection is.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// It was never made.
    New,
    Connected {
        peer_id: PeerId,
    },
    Disconnected {
        cause: Arc<super::CloseCause>,
        retry_in: Duration,
    },
}

/// The torrents that are to be announced, each with the number of its newest member.
pub(super) type Torrents = BTreeMap<InfoHash, (u64, Transfer)>;

/// Whom an event is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// One peer can take an offer.
    Newest,
    All,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Roster {
    members: Mutex<Members>,
    /// Says that somebody came, left or got further.
    changed: Notify,
    orders: mpsc::Sender<Order>,
    state: watch::Sender<State>,
}

#[derive(Debug, Default)]
struct Members {
    joined: u64,
    /// The newest is last.
    by_torrent: BTreeMap<InfoHash, Vec<Member>>,
}

#[derive(Debug)]
struct Member {
    number: u64,
    transfer: Transfer,
    events: mpsc::Sender<TrackerEvent>,
}

impl Roster {
    pub(super) fn new() -> (Arc<Self>, mpsc::Receiver<Order>) {
        let (orders, orders_out) = mpsc::channel(ORDERS_CAPACITY);
        let state = watch::Sender::new(State::New);
        (Arc::new(Self { members: Mutex::default(), changed: Notify::new(), orders, state }), orders_out)
    }

    pub(super) fn join(this: &Arc<Self>, info_hash: InfoHash, transfer: Transfer) -> (Membership, TrackerEvents) {
        let (events, events_out) = mpsc::channel(EVENTS_CAPACITY);
        let mut members = this.members();
        members.joined += 1;
        let number = members.joined;
        members.by_torrent.entry(info_hash).or_default().push(Member { number, transfer, events });
        drop(members);
        this.changed.notify_one();
        let mut state = this.state.subscribe();
        // Whoever comes later is told how it is, too.
        state.mark_changed();
        (Membership { roster: Arc::clone(this), info_hash, number }, TrackerEvents { state, events: events_out })
    }

    /// Waits until [`torrents`](Self::torrents) may have changed. Cancel safe.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members().by_torrent.is_empty()
    }

    pub(super) fn torrents(&self) -> Torrents {
        let members = self.members();
        let newest = |(hash, all): (&InfoHash, &Vec<Member>)| Some((*hash, all.last()?.of_schedule()));
        members.by_torrent.iter().filter_map(newest).collect()
    }

    pub(super) fn set_state(&self, state: State) {
        self.state.send_replace(state);
    }

    pub(super) fn deliver(&self, info_hash: InfoHash, audience: Audience, event: &TrackerEvent) {
        let members = self.members();
        let Some(all) = members.by_torrent.get(&info_hash) else { return };
        let first = if audience == Audience::Newest { all.len().saturating_sub(1) } else { 0 };
        for member in &all[first..] {
            if member.events.try_send(event.clone()).is_err() {
                tracing::debug!("a swarm does not take what a tracker says");
            }
        }
    }

    /// Ends the events of all members.
    pub(super) fn close(&self) {
        self.members().by_torrent.clear();
    }

    fn set(&self, info_hash: InfoHash, number: u64, transfer: Transfer) {
        let mut members = self.members();
        let all = members.by_torrent.get_mut(&info_hash);
        if let Some(member) = all.and_then(|all| all.iter_mut().find(|member| member.number == number)) {
            member.transfer = transfer;
        }
    }

    fn leave(&self, info_hash: InfoHash, number: u64) {
        let mut members = self.members();
        if let Some(all) = members.by_torrent.get_mut(&info_hash) {
            all.retain(|member| member.number != number);
            if all.is_empty() {
                members.by_torrent.remove(&info_hash);
            }
        }
        drop(members);
        self.changed.notify_one();
    }

    fn order(&self, order: Order) {
        if self.orders.try_send(order).is_err() {
            tracing::debug!("too much waits for a tracker; a message is dropped");
        }
    }

    /// A panic while the lock is held leaves whole entries.
    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    fn of_schedule(&self) -> (u64, Transfer) {
        (self.number, self.transfer)
    }
}

/// A torrent's place at a tracker. When the last one of the torrent is dropped, the tracker is told that this peer leaves
/// it; when there is none for any torrent, the connection is closed.
///
/// No method waits for the tracker, so that whoever handles the events may call them all. What is told while there is no
/// connection is lost; the torrent will be due again.
#[derive(Debug)]
pub struct Membership {
    roster: Arc<Roster>,
    info_hash: InfoHash,
    number: u64,
}

impl Membership {
    /// Tells how far the torrent is, for the next announce. Where nothing is lacking any more, the tracker hears it now.
    pub fn set(&self, transfer: Transfer) {
        self.roster.set(self.info_hash, self.number, transfer);
        self.roster.changed.notify_one();
    }

    /// Announces the torrent with offers, at most [`limits::OFFERS_MAX`](crate::tracker::limits::OFFERS_MAX). Made for
    /// [`TrackerEvent::Due`], but it may come at any time. Of no effect where there is a newer membership.
    pub fn announce(&self, transfer: Transfer, offers: Vec<Offer>) {
        self.roster.set(self.info_hash, self.number, transfer);
        let (info_hash, member) = (self.info_hash, self.number);
        self.roster.order(Order::Announce { info_hash, member, transfer, offers });
    }

    /// Has the torrent announced sooner than the tracker wants it, as when a peer was lost. Not sooner after the last
    /// time than [`hasten_min`](super::TrackerClientConfig::hasten_min).
    pub fn hasten(&self) {
        self.roster.order(Order::Hasten { info_hash: self.info_hash });
    }

    /// Takes an offer.
    pub fn answer(&self, offer: &PassedOffer, sdp: Sdp) {
        let (info_hash, to_peer_id, offer_id) = (offer.info_hash, offer.peer_id, offer.offer_id);
        self.roster.order(Order::Answer { info_hash, to_peer_id, offer_id, sdp });
    }

    /// Asks for the torrent's numbers.
    pub fn scrape(&self) {
        self.roster.order(Order::Scrape { info_hash: self.info_hash });
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.roster.leave(self.info_hash, self.number);
    }
}

/// What happens with a torrent at a tracker.
#[derive(Debug)]
pub struct TrackerEvents {
    state: watch::Receiver<State>,
    events: mpsc::Receiver<TrackerEvent>,
}

impl TrackerEvents {
    /// The next event; `None` after the client was shut down or the membership was dropped. At most 64 wait here; while
    /// nobody takes them, further ones are lost, but never how the connection is. Cancel safe.
    pub async fn next(&mut self) -> Option<TrackerEvent> {
        loop {
            tokio::select! {
                // What follows a connection is worth nothing to whoever does not know of it.
                biased;
                Ok(()) = self.state.changed() => match &*self.state.borrow_and_update() {
                    State::New => {}
                    &State::Connected { peer_id } => return Some(TrackerEvent::Connected { peer_id }),
                    State::Disconnected { cause, retry_in } => {
                        let (cause, retry_in) = (Arc::clone(cause), *retry_in);
                        return Some(TrackerEvent::Disconnected { cause, retry_in });
                    }
                },
                event = self.events.recv() => return event,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: InfoHash = InfoHash([1; 20]);

    fn lacks(left: u64) -> Transfer {
        Transfer { left: Some(left), ..Transfer::default() }
    }

    #[tokio::test]
    async fn the_newest_member_speaks_for_a_torrent() {
        let (roster, _orders) = Roster::new();
        let (old, mut of_old) = Roster::join(&roster, ADA, lacks(5));
        roster.set_state(State::Connected { peer_id: PeerId([7; 20]) });
        let (new, mut of_new) = Roster::join(&roster, ADA, lacks(3));
        old.set(lacks(9));
        assert_eq!(roster.torrents(), [(ADA, (2, lacks(3)))].into());
        roster.deliver(ADA, Audience::Newest, &TrackerEvent::Due);
        roster.deliver(ADA, Audience::All, &TrackerEvent::Scraped(Default::default()));
        assert!(matches!(of_old.next().await, Some(TrackerEvent::Connected { .. })));
        assert!(matches!(of_old.next().await, Some(TrackerEvent::Scraped(_))));
        assert!(matches!(of_new.next().await, Some(TrackerEvent::Connected { .. })));
        assert!(matches!(of_new.next().await, Some(TrackerEvent::Due)));
        drop(new);
        assert_eq!(roster.torrents(), [(ADA, (1, lacks(9)))].into());
        drop(old);
        assert!(roster.is_empty());
        assert!(of_old.next().await.is_none());
    }

    #[tokio::test]
    async fn who_does_not_listen_misses_offers_but_not_the_connection() {
        let (roster, _orders) = Roster::new();
        let (_member, mut events) = Roster::join(&roster, ADA, lacks(5));
        for _ in 0..2 * EVENTS_CAPACITY {
            roster.deliver(ADA, Audience::All, &TrackerEvent::Due);
        }
        roster.set_state(State::Connected { peer_id: PeerId([7; 20]) });
        assert!(matches!(events.next().await, Some(TrackerEvent::Connected { .. })));
        roster.close();
        let mut dues = 0;
        while events.next().await.is_some() {
            dues += 1;
        }
        assert_eq!(dues, EVENTS_CAPACITY);
    }
}
