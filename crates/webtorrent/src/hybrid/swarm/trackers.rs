//! A torrent's places at its trackers, and the offers it makes there.

use super::{Done, Swarm};
use crate::{
    channel::{Connector, PendingOffer},
    hybrid::random_id,
    tracker::{Membership, Offer, OfferId, PassedOffer, Sdp, Transfer, is_web_socket},
};
use futures_util::{StreamExt, future::join_all, stream};
use std::{collections::HashMap, sync::Arc, time::Instant};
use tokio::sync::OwnedSemaphorePermit;
use url::Url;

/// Trackers of a torrent that count; one more takes the place of one that is not connected. A magnet link of WebTorrent
/// has 3 to 8.
const TRACKERS_MAX: usize = 16;

/// One of a swarm's trackers.
pub(super) struct Tracker {
    url: Url,
    membership: Arc<Membership>,
    is_connected: bool,
    /// Offers are wanted even of whoever has everything.
    is_eager: bool,
    /// Offers are being made for an announce.
    is_busy: bool,
    offers: HashMap<OfferId, Pending>,
    seen: (u64, u64),
}

struct Pending {
    /// When it is no good any more.
    until: Instant,
    offer: Box<dyn PendingOffer>,
    _permit: OwnedSemaphorePermit,
}

pub(super) struct Made {
    offer: Offer,
    pending: Box<dyn PendingOffer>,
    permit: OwnedSemaphorePermit,
}

impl Tracker {
    pub(super) fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// How many peers it knows: those that have everything, and the others.
    pub(super) fn seen(&self) -> (u64, u64) {
        self.seen
    }

    pub(super) fn connected(&mut self) {
        self.is_connected = true;
        // It knows nothing of this peer yet.
        self.is_eager = true;
        self.offers.clear();
    }

    pub(super) fn disconnected(&mut self) {
        self.is_connected = false;
        self.offers.clear();
        self.seen = (0, 0);
    }

    /// Gives what it knew before.
    pub(super) fn counted(&mut self, seen: (u64, u64)) -> (u64, u64) {
        std::mem::replace(&mut self.seen, seen)
    }

    /// Asks it how many peers it knows.
    pub(super) fn scrape(&self) {
        if self.is_connected {
            self.membership.scrape();
        }
    }

    pub(super) fn hasten(&mut self) {
        self.is_eager = true;
        self.membership.hasten();
    }

    pub(super) fn set(&self, transfer: Transfer) {
        self.membership.set(transfer);
    }

    pub(super) fn has_offered(&self, offer_id: OfferId) -> bool {
        self.offers.contains_key(&offer_id)
    }

    /// The offer that was taken, if it is still good.
    pub(super) fn taken(&mut self, offer_id: OfferId) -> Option<Box<dyn PendingOffer>> {
        self.offers.remove(&offer_id).map(|pending| pending.offer)
    }

    /// What answers an offer that came from here.
    pub(super) fn answerer(&self, offer: &PassedOffer) -> impl FnOnce(Sdp) + Send + use<> {
        let (membership, offer) = (Arc::clone(&self.membership), offer.clone());
        move |sdp| membership.answer(&offer, sdp)
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.offers.values().map(|pending| pending.until).min()
    }

    pub(super) fn expire(&mut self, now: Instant) {
        self.offers.retain(|_, pending| now < pending.until);
    }
}

impl Swarm {
    pub(super) fn join_trackers(&mut self, trackers: Vec<Url>) {
        let known = self.joined;
        for url in trackers {
            // First of all: what is no tracker for us takes nobody's place.
            let is_new = is_web_socket(&url) && self.trackers.values().all(|tracker| tracker.url != url);
            if !is_new || !self.make_room(known) {
                continue;
            }
            let (membership, events) = match self.shared.trackers.join(&url, self.info_hash, self.transfer()) {
                Ok(joined) => joined,
                Err(error) => {
                    tracing::debug!(%error, "a tracker is left out");
                    continue;
                }
            };
            self.joined += 1;
            let number = self.joined;
            let said = stream::unfold(events, async |mut events| Some((events.next().await?, events)));
            self.said.push(said.map(move |said| (number, said)).boxed());
            self.search.renew();
            let tracker = Tracker {
                url,
                membership: Arc::new(membership),
                is_connected: false,
                is_eager: true,
                is_busy: false,
                offers: HashMap::new(),
                seen: (0, 0),
            };
            self.trackers.insert(number, tracker);
        }
    }

    /// Whether there is room for one more tracker. The oldest one that is not connected may have to make it, if it is none
    /// of those that came after the first so many.
    fn make_room(&mut self, known: u64) -> bool {
        if self.trackers.len() < TRACKERS_MAX {
            return true;
        }
        let mut absent = self.trackers.range(..=known).filter(|(_, tracker)| !tracker.is_connected);
        let oldest = absent.next().map(|(number, _)| *number);
        oldest.is_some_and(|number| self.trackers.remove(&number).is_some())
    }

    pub(super) fn transfer(&self) -> Transfer {
        let (uploaded, downloaded) = self.live.traffic.totals();
        Transfer { uploaded, downloaded, left: self.known_left }
    }

    /// Makes offers, which takes a moment, and announces with them.
    pub(super) fn begin_announce(&mut self, number: u64) {
        let Some(tracker) = self.trackers.get_mut(&number) else { return };
        if std::mem::replace(&mut tracker.is_busy, true) {
            return;
        }
        // Later on, those who miss something come to whoever has everything.
        let is_eager = std::mem::take(&mut tracker.is_eager) || self.known_left != Some(0);
        let permits = if is_eager { self.offer_permits() } else { Vec::new() };
        let (connector, cancel) = (Arc::clone(&self.shared.connector), self.cancel.clone());
        self.tasks.spawn(async move {
            let offers = join_all(permits.into_iter().map(|permit| make_offer(&*connector, permit)));
            let made = cancel.run_until_cancelled(offers).await.unwrap_or_default();
            Done::Offers { tracker: number, made: made.into_iter().flatten().collect() }
        });
    }

    /// A permit for each offer to be made.
    fn offer_permits(&self) -> Vec<OwnedSemaphorePermit> {
        let shared = &self.shared;
        let channels = self.places.available_permits().min(shared.slots.available_permits());
        // An app with many films begins with an announce of each.
        let reserved = if self.known_left == Some(0) { shared.config.max_offers / 2 } else { 0 };
        let offers = shared.offers.available_permits().saturating_sub(reserved);
        let count = shared.config.offers.min(channels).min(offers);
        (0..count).map_while(|_| Arc::clone(&shared.offers).try_acquire_owned().ok()).collect()
    }

    pub(super) fn announce(&mut self, number: u64, made: Vec<Made>) {
        let (until, transfer) = (Instant::now() + self.shared.config.ice.connect_time, self.transfer());
        let Some(tracker) = self.trackers.get_mut(&number) else { return };
        let mut offers = Vec::new();
        for Made { offer, pending, permit } in made {
            tracker.offers.insert(offer.offer_id, Pending { until, offer: pending, _permit: permit });
            offers.push(offer);
        }
        tracker.membership.announce(transfer, offers);
        tracker.is_busy = false;
    }
}

async fn make_offer(connector: &dyn Connector, permit: OwnedSemaphorePermit) -> Option<Made> {
    let (sdp, pending) = connector
        .make_offer()
        .await
        .inspect_err(|error| tracing::debug!(error = error as &dyn std::error::Error, "no offer"))
        .ok()?;
    let sdp = Sdp::new(&sdp).inspect_err(|error| tracing::debug!(%error, "no offer")).ok()?;
    Some(Made { offer: Offer { offer_id: OfferId(random_id()), sdp }, pending, permit })
}
