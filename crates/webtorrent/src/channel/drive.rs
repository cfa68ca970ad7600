//! Carries messages between a [`Channel`](super::Channel) and webrtc-rs's data channel.
//!
//! How much is on its way decides how fast a channel is. Chromium keeps 208 KiB of packets that it has not read, by the
//! kernel's count, and loses what comes beyond; on a short way nothing else holds a burst back, and after a loss
//! SCTP halves its window or, where the end of a burst is lost, is silent for a second. Measured to Chromium on one busy
//! machine, where factor 2 is noise: 8-10 MB/s with 96 KiB to 1 MiB on the way, 10-20 with 64 KiB, 13 with 32 KiB. A long
//! way needs as much as it holds instead: hence [`window`].

use super::{ChannelDriver, MESSAGE_BYTES_MAX};
use bytes::{Bytes, BytesMut};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{Notify, mpsc},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use webrtc::{
    data_channel::{DataChannel, DataChannelEvent},
    error::Result,
    peer_connection::{PeerConnection, StatsSelector},
};

/// Bytes on their way, at least: what Chromium's socket holds even when it is not read for a while.
const WINDOW_BYTES_MIN: usize = 64 << 10;
/// Bytes on their way, at most; less starves links of 40 ms.
const WINDOW_BYTES_MAX: usize = 1 << 20;
/// A fast line of a home, about 500 Mbit/s: what a longer way holds more.
const WINDOW_BYTES_PER_SECOND: f64 = 64e6;
/// How often the way is measured again: ICE does so every 2 s.
const MEASURE_INTERVAL: Duration = Duration::from_secs(2);
/// How often sending looks by itself whether there is room: the word that there is comes behind all that was received, and
/// whoever sends might not take that before.
const ROOM_POLL: Duration = Duration::from_millis(50);
/// How long closing waits for what was sent to leave.
const FLUSH_TIME: Duration = Duration::from_secs(2);
/// How often closing looks.
const FLUSH_POLL: Duration = Duration::from_millis(10);
/// How long the other side may take to hear of the end before the sockets go: two round trips of a slow link.
const CLOSE_TIME: Duration = Duration::from_millis(200);

/// Carries messages both ways until either side closes or `failed` says so, then closes the rest.
pub(super) async fn drive(
    connection: &dyn PeerConnection,
    failed: &CancellationToken,
    channel: Arc<dyn DataChannel>,
    driver: ChannelDriver,
    first: Option<Bytes>,
) {
    let ChannelDriver { outgoing, incoming } = driver;
    let room = Notify::new();
    let sender = Sender { connection, channel: &*channel, room: &room, window: 0, free: 0, measured: None };
    tokio::select! {
        () = receive(&*channel, &room, incoming, first) => {}
        () = async {
            sender.run(outgoing).await;
            flush(&*channel).await;
        } => {}
        () = failed.cancelled() => {}
    }
    match channel.close().await {
        Ok(()) => {
            // Lets the other side hear of it; when it has, the connection may end before.
            drop(timeout(CLOSE_TIME, failed.cancelled()).await);
        }
        Err(error) => tracing::trace!(%error, "the channel was closed already"),
    }
}

/// Ends when the other side closes.
async fn receive(channel: &dyn DataChannel, room: &Notify, incoming: mpsc::Sender<Bytes>, first: Option<Bytes>) {
    if let Some(first) = first {
        drop(incoming.send(first).await);
    }
    while let Some(event) = channel.poll().await {
        match event {
            // When nobody reads any more it is discarded, and what was sent still leaves.
            DataChannelEvent::OnMessage(message) => drop(incoming.send(message.data.freeze()).await),
            DataChannelEvent::OnBufferedAmountLow => room.notify_one(),
            DataChannelEvent::OnClosing | DataChannelEvent::OnClose => return,
            DataChannelEvent::OnOpen | DataChannelEvent::OnError | DataChannelEvent::OnBufferedAmountHigh | _ => {}
        }
    }
}

/// Sends within a window.
///
/// It fills the window and waits until half of it has arrived. webrtc-rs's own limit would wake it for every packet that is
/// confirmed, to send a packet or two: half a window leaves in one system call.
struct Sender<'a> {
    connection: &'a dyn PeerConnection,
    channel: &'a dyn DataChannel,
    /// Half of the window has arrived.
    room: &'a Notify,
    /// Bytes that may be on their way.
    window: usize,
    /// Bytes that may still be sent before it must be asked how many arrived.
    free: usize,
    measured: Option<Instant>,
}

impl Sender<'_> {
    /// Ends when our side closes, or sending fails.
    async fn run(mut self, mut outgoing: mpsc::Receiver<Bytes>) {
        while let Some(mut message) = outgoing.recv().await {
            while !message.is_empty() {
                let part = message.split_to(message.len().min(MESSAGE_BYTES_MAX));
                if let Err(error) = self.send(part).await {
                    tracing::debug!(%error, "sending failed");
                    return;
                }
            }
        }
    }

    async fn send(&mut self, message: Bytes) -> Result<()> {
        if self.free == 0 {
            self.wait_for_room().await?;
        }
        // A message may be longer than what is free: then the window is exceeded once by one message.
        self.free = self.free.saturating_sub(message.len());
        self.channel.send(BytesMut::from(message)).await
    }

    async fn wait_for_room(&mut self) -> Result<()> {
        if self.measured.is_none_or(|measured| measured.elapsed() >= MEASURE_INTERVAL) {
            self.measure().await?;
        }
        loop {
            let on_their_way = self.channel.outstanding_bytes().await?;
            if on_their_way <= self.window / 2 {
                self.free = self.window - on_their_way;
                return Ok(());
            }
            // Woken early or late, it looks again; a word that came meanwhile is kept.
            drop(timeout(ROOM_POLL, self.room.notified()).await);
        }
    }

    async fn measure(&mut self) -> Result<()> {
        let now = Instant::now();
        self.measured = Some(now);
        let stats = self.connection.get_stats(now, StatsSelector::None).await;
        // Among the ways that were tried, the one in use has carried most.
        let pair = stats.candidate_pairs().max_by_key(|pair| pair.bytes_sent + pair.bytes_received);
        let window = window(pair.map_or(0.0, |pair| pair.current_round_trip_time));
        if window != self.window {
            tracing::trace!(window, "send window");
            self.window = window;
            let half = u32::try_from(window / 2).unwrap_or(u32::MAX);
            self.channel.set_buffered_amount_low_threshold(half).await?;
        }
        Ok(())
    }
}

/// Bytes that may be on their way for a round trip of so many seconds; 0 for one that is not known.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates, and is not negative")]
fn window(round_trip: f64) -> usize {
    if round_trip <= 0.0 {
        return WINDOW_BYTES_MAX;
    }
    ((round_trip * WINDOW_BYTES_PER_SECOND) as usize).clamp(WINDOW_BYTES_MIN, WINDOW_BYTES_MAX)
}

/// Waits until what was sent has left.
async fn flush(channel: &dyn DataChannel) {
    let left = async {
        while channel.outstanding_bytes().await.is_ok_and(|bytes| bytes > 0) {
            tokio::time::sleep(FLUSH_POLL).await;
        }
    };
    if timeout(FLUSH_TIME, left).await.is_err() {
        tracing::debug!("closing before everything was sent");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_holds_what_the_way_does() {
        assert_eq!(window(0.0), WINDOW_BYTES_MAX);
        assert_eq!(window(0.000_2), WINDOW_BYTES_MIN);
        assert_eq!(window(0.005), 320_000);
        assert_eq!(window(0.04), WINDOW_BYTES_MAX);
    }
}
