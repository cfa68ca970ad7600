//! When to announce which torrent at one tracker, and as what. No IO and no clock: one connection's memory.

use super::{TrackerClientConfig, Transfer, roster::Torrents};
use crate::tracker::{Announce, Announced, Event, InfoHash, Offer, PeerId, limits::OFFERS_MAX};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// What holds where a tracker does not say how often it wants to hear of a torrent: what bittorrent-tracker says.
const INTERVAL: Duration = Duration::from_secs(120);

#[derive(Debug)]
pub(super) struct Schedule {
    peer_id: PeerId,
    offers_timeout: Duration,
    interval_min: Duration,
    interval_max: Duration,
    hasten_min: Duration,
    torrents: BTreeMap<InfoHash, Entry>,
}

#[derive(Debug)]
struct Entry {
    /// The number of who is asked for offers.
    member: u64,
    transfer: Transfer,
    /// Whether the tracker knows of this peer.
    is_started: bool,
    /// Whether the tracker knows that it is complete.
    is_complete: bool,
    interval: Duration,
    /// When it was last announced.
    last: Option<Instant>,
    next: Next,
    /// It is announced sooner than the tracker wants it.
    is_hastened: bool,
}

#[derive(Clone, Copy, Debug)]
enum Next {
    /// To ask for offers.
    Ask(Instant),
    /// To announce without offers, unless they come before.
    Announce(Instant),
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Ask(InfoHash),
    Announce(Announce),
}

impl Schedule {
    pub(super) fn new(peer_id: PeerId, config: &TrackerClientConfig) -> Self {
        Self {
            peer_id,
            offers_timeout: config.offers_timeout,
            interval_min: config.interval_min,
            interval_max: config.interval_max.max(config.interval_min),
            hasten_min: config.hasten_min,
            torrents: BTreeMap::new(),
        }
    }

    /// Takes over what torrents there are; gives back what the tracker must know at once.
    pub(super) fn set_torrents(&mut self, torrents: &Torrents, now: Instant) -> Vec<Announce> {
        let mut out = Vec::new();
        let peer_id = self.peer_id;
        self.torrents.retain(|&info_hash, entry| {
            let stays = torrents.contains_key(&info_hash);
            if !stays && entry.is_started {
                out.push(entry.announce(info_hash, peer_id, Event::Stopped));
            }
            stays
        });
        let interval = self.clamp(INTERVAL);
        for (&info_hash, &(member, transfer)) in torrents {
            let entry = self.torrents.entry(info_hash).or_insert_with(|| Entry {
                member,
                transfer,
                is_started: false,
                is_complete: false,
                interval,
                last: None,
                next: Next::Ask(now),
                is_hastened: false,
            });
            // A new member shall not wait until the tracker wants to hear of the torrent again, nor for another's offers.
            if std::mem::replace(&mut entry.member, member) != member {
                entry.next = Next::Ask(now);
                entry.is_hastened = true;
            }
            entry.transfer = transfer;
            if entry.is_started && !entry.is_complete && transfer.left == Some(0) {
                entry.is_complete = true;
                out.push(entry.announce(info_hash, peer_id, Event::Completed));
            }
        }
        out
    }

    /// Announces a torrent soon.
    pub(super) fn hasten(&mut self, info_hash: InfoHash, now: Instant) {
        let Some(entry) = self.torrents.get_mut(&info_hash) else { return };
        let soon = entry.last.map_or(now, |last| now.max(last + self.hasten_min));
        if let Next::Ask(at) = entry.next
            && soon < at
        {
            entry.next = Next::Ask(soon);
            entry.is_hastened = true;
        }
    }

    /// What is due.
    pub(super) fn poll(&mut self, now: Instant) -> Vec<Due> {
        let (mut due, mut without) = (Vec::new(), Vec::new());
        for (&info_hash, entry) in &mut self.torrents {
            match entry.next {
                Next::Ask(at) if at <= now => {
                    entry.next = Next::Announce(now + self.offers_timeout);
                    due.push(Due::Ask(info_hash));
                }
                Next::Announce(at) if at <= now => without.push(info_hash),
                Next::Ask(_) | Next::Announce(_) => {}
            }
        }
        for info_hash in without {
            let known = self.torrents.get(&info_hash).map(|entry| (entry.member, entry.transfer));
            let announce = known.and_then(|known| self.announce(info_hash, known, Vec::new(), now));
            due.extend(announce.map(Due::Announce));
        }
        due
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.torrents
            .values()
            .map(|entry| match entry.next {
                Next::Ask(at) | Next::Announce(at) => at,
            })
            .min()
    }

    /// The announce of a torrent, if it is one of those and the member is the one that is asked for offers.
    pub(super) fn announce(
        &mut self,
        info_hash: InfoHash,
        (member, transfer): (u64, Transfer),
        mut offers: Vec<Offer>,
        now: Instant,
    ) -> Option<Announce> {
        let entry = self.torrents.get_mut(&info_hash).filter(|entry| entry.member == member)?;
        entry.transfer = transfer;
        entry.last = Some(now);
        entry.next = Next::Ask(now + entry.interval);
        entry.is_hastened = false;
        let is_complete = transfer.left == Some(0);
        let event = match (entry.is_started, entry.is_complete) {
            // What was complete from the start was not completed (BEP 3).
            (false, _) => Event::Started,
            (true, false) if is_complete => Event::Completed,
            (true, _) => Event::Update,
        };
        entry.is_complete |= is_complete;
        entry.is_started = true;
        offers.truncate(OFFERS_MAX);
        Some(Announce { offers, ..entry.announce(info_hash, self.peer_id, event) })
    }

    /// The tracker took an announce, and says when it wants the next one.
    pub(super) fn announced(&mut self, announced: &Announced, now: Instant) {
        let interval = self.clamp(announced.interval.map_or(INTERVAL, Duration::from_secs));
        // It may be the answer to a goodbye: whoever has come back since was not announced yet.
        let entry = self.torrents.get_mut(&announced.info_hash);
        let Some(entry) = entry.filter(|entry| entry.is_started) else { return };
        entry.interval = interval;
        if let Next::Ask(at) = entry.next {
            let wanted = now + interval;
            entry.next = Next::Ask(if entry.is_hastened { wanted.min(at) } else { wanted });
        }
    }

    fn clamp(&self, interval: Duration) -> Duration {
        interval.clamp(self.interval_min, self.interval_max)
    }

    /// What to tell the tracker when this peer leaves all.
    pub(super) fn leave(&self) -> Vec<Announce> {
        let started = self.torrents.iter().filter(|(_, entry)| entry.is_started);
        started.map(|(&info_hash, entry)| entry.announce(info_hash, self.peer_id, Event::Stopped)).collect()
    }
}

impl Entry {
    fn announce(&self, info_hash: InfoHash, peer_id: PeerId, event: Event) -> Announce {
        let Transfer { uploaded, downloaded, left } = self.transfer;
        Announce { info_hash, peer_id, event, uploaded, downloaded, left, offers: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: InfoHash = InfoHash([1; 20]);

    fn schedule() -> Schedule {
        Schedule::new(PeerId([7; 20]), &TrackerClientConfig::default())
    }

    fn transfer(left: Option<u64>) -> Transfer {
        Transfer { left, ..Transfer::default() }
    }

    fn torrents(left: Option<u64>) -> Torrents {
        [(ADA, (1, transfer(left)))].into()
    }

    fn announced(interval: Option<u64>) -> Announced {
        Announced { info_hash: ADA, complete: 0, incomplete: 1, interval }
    }

    fn events(announces: &[Announce]) -> Vec<Event> {
        announces.iter().map(|announce| announce.event).collect()
    }

    #[test]
    fn a_torrents_life() {
        let (mut schedule, start) = (schedule(), Instant::now());
        assert_eq!(schedule.next(), None);
        assert!(schedule.set_torrents(&torrents(None), start).is_empty());
        assert_eq!(schedule.next(), Some(start));
        assert_eq!(schedule.poll(start), [Due::Ask(ADA)]);
        assert!(schedule.poll(start).is_empty());
        let started = schedule.announce(ADA, (1, transfer(None)), Vec::new(), start).unwrap();
        assert_eq!((started.event, started.left), (Event::Started, None));
        // The tracker's wish is followed, within limits.
        for (wish, wanted) in [(Some(120), 120), (Some(1), 15), (Some(u64::MAX), 600), (None, 120)] {
            schedule.announced(&announced(wish), start);
            assert_eq!(schedule.next(), Some(start + Duration::from_secs(wanted)));
        }
        let later = start + Duration::from_secs(120);
        assert_eq!(schedule.poll(later), [Due::Ask(ADA)]);
        assert_eq!(schedule.announce(ADA, (1, transfer(Some(9))), Vec::new(), later).unwrap().event, Event::Update);
        assert_eq!(events(&schedule.set_torrents(&torrents(Some(0)), later)), [Event::Completed]);
        assert!(schedule.set_torrents(&torrents(Some(0)), later).is_empty());
        assert_eq!(events(&schedule.leave()), [Event::Stopped]);
        assert_eq!(events(&schedule.set_torrents(&Torrents::new(), later)), [Event::Stopped]);
        assert_eq!((schedule.next(), schedule.leave()), (None, vec![]));
        assert_eq!(schedule.announce(ADA, (1, transfer(None)), Vec::new(), later), None);
    }

    #[test]
    fn what_is_hastened_comes_soon_but_not_at_once() {
        let (mut schedule, start) = (schedule(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        schedule.set_torrents(&torrents(Some(5)), start);
        schedule.poll(start);
        // The offers are being made: it is under way.
        schedule.hasten(ADA, start);
        assert_eq!(schedule.next(), Some(at(10)));
        schedule.announce(ADA, (1, transfer(Some(5))), Vec::new(), start);
        schedule.hasten(ADA, at(1));
        assert_eq!(schedule.next(), Some(at(5)));
        // What the tracker says to the announce before does not put it off.
        schedule.announced(&announced(Some(120)), at(2));
        assert_eq!(schedule.next(), Some(at(5)));
        assert_eq!(schedule.poll(at(5)), [Due::Ask(ADA)]);
        schedule.announce(ADA, (1, transfer(Some(5))), Vec::new(), at(5));
        assert_eq!(schedule.next(), Some(at(125)));
        schedule.hasten(ADA, at(60));
        assert_eq!(schedule.next(), Some(at(60)));
    }

    #[test]
    fn a_new_member_is_not_kept_waiting() {
        let (mut schedule, start) = (schedule(), Instant::now());
        schedule.set_torrents(&torrents(None), start);
        schedule.announce(ADA, (1, transfer(None)), Vec::new(), start);
        let late = start + Duration::from_secs(30);
        assert!(schedule.set_torrents(&[(ADA, (2, transfer(Some(5))))].into(), late).is_empty());
        assert_eq!(schedule.poll(late), [Due::Ask(ADA)]);
        let of_both = [1, 2].map(|member| schedule.announce(ADA, (member, transfer(Some(0))), Vec::new(), late));
        assert!(matches!(&of_both, [None, Some(announce)] if announce.event == Event::Completed), "{of_both:?}");
        // Not even where the one before has just been announced, or was asked for its offers.
        schedule.set_torrents(&[(ADA, (3, transfer(Some(5))))].into(), late);
        assert_eq!(schedule.poll(late), [Due::Ask(ADA)]);
        schedule.set_torrents(&[(ADA, (4, transfer(Some(5))))].into(), late);
        assert_eq!(schedule.poll(late), [Due::Ask(ADA)]);
    }

    #[test]
    fn the_answer_to_a_goodbye_keeps_nobody_waiting_who_came_back() {
        let (mut schedule, start) = (schedule(), Instant::now());
        schedule.set_torrents(&torrents(None), start);
        schedule.announce(ADA, (1, transfer(None)), Vec::new(), start);
        assert_eq!(events(&schedule.set_torrents(&Torrents::new(), start)), [Event::Stopped]);
        schedule.set_torrents(&[(ADA, (2, transfer(Some(5))))].into(), start);
        schedule.announced(&announced(Some(120)), start);
        assert_eq!(schedule.poll(start), [Due::Ask(ADA)]);
    }

    #[test]
    fn who_makes_no_offers_is_announced_all_the_same() {
        let (mut schedule, start) = (schedule(), Instant::now());
        schedule.set_torrents(&torrents(Some(5)), start);
        schedule.poll(start);
        let late = start + Duration::from_secs(10);
        assert_eq!(schedule.next(), Some(late));
        let due = schedule.poll(late);
        assert!(matches!(&due[..], [Due::Announce(announce)] if announce.event == Event::Started), "{due:?}");
        assert_eq!(schedule.next(), Some(late + Duration::from_secs(120)));
    }

    #[test]
    fn what_was_complete_from_the_start_was_not_completed() {
        let (mut schedule, start) = (schedule(), Instant::now());
        schedule.set_torrents(&torrents(Some(0)), start);
        let started = schedule.announce(ADA, (1, transfer(Some(0))), Vec::new(), start).unwrap();
        assert_eq!(started.event, Event::Started);
        assert!(schedule.set_torrents(&torrents(Some(0)), start).is_empty());
        // Who leaves before it came says nothing.
        let mut schedule = self::schedule();
        schedule.set_torrents(&torrents(Some(0)), start);
        assert!(schedule.leave().is_empty());
    }
}
