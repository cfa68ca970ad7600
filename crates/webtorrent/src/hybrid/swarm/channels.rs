//! Offers and answers of others, and what becomes of their channels.

use super::{Done, Live, Purpose, Shared, Swarm};
use crate::{
    channel::{Channel, ConnectError},
    hybrid::{
        fetch::fetch_metadata,
        pipe::{PipeError, pipe},
    },
    tracker::{InfoHash, OfferId, PassedAnswer, PassedOffer, Sdp},
    wire::{Shim, ShimConfig},
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

/// The places that a channel takes.
struct Slots {
    taken: [OwnedSemaphorePermit; 2],
    opening: OpeningSlot,
}

struct OpeningSlot {
    _permit: OwnedSemaphorePermit,
    live: Arc<Live>,
}

impl Drop for OpeningSlot {
    fn drop(&mut self) {
        self.live.opening.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Swarm {
    pub(super) fn take_offer(&mut self, number: u64, offered: PassedOffer) {
        // A tracker that is known by two addresses hands us our own.
        if self.trackers.values().any(|tracker| tracker.has_offered(offered.offer_id)) {
            return;
        }
        let Some(slots) = self.take_slots() else { return };
        let connector = self.shared.connector.clone();
        let Some(tracker) = self.trackers.get(&number) else { return };
        let answer_with = tracker.answerer(&offered);
        let connect = async move {
            let (answer, opening) = connector.make_answer(&offered.sdp.text()).await?;
            let sdp = Sdp::new(&answer).map_err(|error| ConnectError::Local(error.into()))?;
            // Without its answer the offerer comes again at its next announce.
            answer_with(sdp);
            opening.open().await
        };
        self.spawn_channel(offered.offer_id, slots, connect);
    }

    pub(super) fn take_answer(&mut self, number: u64, answered: PassedAnswer) {
        let taken = self.trackers.get_mut(&number).and_then(|tracker| tracker.taken(answered.offer_id));
        let Some(offer) = taken else { return };
        let Some(slots) = self.take_slots() else { return };
        let connect = async move { offer.answer(&answered.sdp.text()).await };
        self.spawn_channel(answered.offer_id, slots, connect);
    }

    /// Room for one more channel, if there is any.
    fn take_slots(&self) -> Option<Slots> {
        let permit = self.opening.clone().try_acquire_owned().ok()?;
        let place = self.places.clone().try_acquire_owned().ok()?;
        let slot = self.shared.slots.clone().try_acquire_owned().ok()?;
        self.live.opening.fetch_add(1, Ordering::Relaxed);
        let opening = OpeningSlot { _permit: permit, live: self.live.clone() };
        Some(Slots { taken: [slot, place], opening })
    }

    fn spawn_channel(
        &mut self,
        offer_id: OfferId,
        slots: Slots,
        connect: impl Future<Output = Result<Channel, ConnectError>> + Send + 'static,
    ) {
        let task = ChannelTask {
            shared: self.shared.clone(),
            live: self.live.clone(),
            info_hash: self.info_hash,
            offer_id,
            cancel: self.cancel.clone(),
        };
        let purpose = self.purpose.clone();
        let Slots { taken, opening } = slots;
        self.tasks.spawn(async move {
            let channel = match task.cancel.run_until_cancelled(connect).await {
                Some(Ok(channel)) => channel,
                Some(Err(error)) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "no channel");
                    return Done::Channel { lasted: None };
                }
                None => return Done::Channel { lasted: None },
            };
            drop(opening);
            let since = Instant::now();
            let is_loss = task.use_channel(channel, purpose).await;
            drop(taken);
            Done::Channel { lasted: is_loss.then(|| since.elapsed()) }
        });
    }
}

struct ChannelTask {
    shared: Arc<Shared>,
    live: Arc<Live>,
    info_hash: InfoHash,
    offer_id: OfferId,
    cancel: CancellationToken,
}

impl ChannelTask {
    /// Answers whether a peer was lost by the channel's end.
    async fn use_channel(&self, channel: Channel, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Serve { piece_count } => self.serve(channel, piece_count).await,
            Purpose::Resolve { found } => {
                match self.cancel.run_until_cancelled(fetch_metadata(channel, self.info_hash)).await {
                    // Somebody else may have been faster.
                    Some(Ok(info)) => drop(found.try_send(info)),
                    Some(Err(error)) => tracing::debug!(error = &error as &dyn std::error::Error, "no metadata"),
                    None => {}
                }
                true
            }
        }
    }

    async fn serve(&self, channel: Channel, piece_count: u32) -> bool {
        let config = &self.shared.config;
        let shim = ShimConfig { keep_alive: config.keep_alive, ..ShimConfig::new(self.info_hash, config.peer_id) };
        let shim = Shim::new(shim, Some(piece_count), Instant::now());
        let mut admitted = None;
        let admit = |peer_id| {
            let replaced = self.live.peers.admit(peer_id, self.offer_id, Instant::now())?;
            admitted = Some(peer_id);
            Some(replaced)
        };
        let live = &self.live;
        let ended = pipe(channel, config.listener, shim, (&live.traffic, &live.bridges), &self.cancel, admit).await;
        if let Some(peer_id) = admitted {
            self.live.peers.release(peer_id, self.offer_id);
        }
        match ended {
            Ok(()) => tracing::debug!("a peer has left"),
            // It is still there, over another channel.
            Err(PipeError::Duplicate) => {
                self.live.duplicates.fetch_add(1, Ordering::Relaxed);
                return false;
            }
            Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "a peer is gone"),
        }
        true
    }
}
