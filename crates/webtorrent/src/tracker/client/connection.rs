//! One tracker: connects, serves the connection, waits, and connects anew.

use super::{
    CloseCause, Shared, TrackerClientConfig, TrackerEvent, TrackerIndex, answered,
    dial::{Socket, broken, dial},
    schedule::{Due, Schedule},
};
use crate::tracker::{InfoHash, Offer, OfferId, PeerId, PeerMessage, Scrape, Sdp, TrackerMessage};
use futures_util::{SinkExt, StreamExt};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;
use url::Url;

/// How often a tracker is asked whether it lives. Proxies end connections that are silent for a minute.
const PING_INTERVAL: Duration = Duration::from_secs(25);

/// How long a tracker may be silent: two questions without an answer.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// How long a message may take to be sent.
const SEND_MAX: Duration = Duration::from_secs(15);

/// How long telling a tracker that all ends may take.
const LEAVE_MAX: Duration = Duration::from_secs(2);

/// How long a connection must have lasted for the next one to be tried soon.
const STEADY: Duration = Duration::from_secs(30);

/// What is to be sent.
#[derive(Debug)]
pub(super) enum Order {
    Announce { info_hash: InfoHash, offers: Vec<Offer> },
    Answer { info_hash: InfoHash, to_peer_id: PeerId, offer_id: OfferId, sdp: Sdp },
    Scrape { info_hashes: Vec<InfoHash> },
}

/// Everything about one tracker.
pub(super) struct Link {
    pub(super) tracker: TrackerIndex,
    pub(super) url: Url,
    pub(super) config: Arc<TrackerClientConfig>,
    pub(super) shared: Arc<Shared>,
    pub(super) changed: watch::Receiver<()>,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) events: mpsc::Sender<TrackerEvent>,
    pub(super) stop: CancellationToken,
}

/// Why a connection is over.
enum End {
    /// The client was told to stop, or nobody takes its events.
    Stop,
    /// The connection is lost.
    Lost(CloseCause),
}

/// What a connection waits for.
enum Happened {
    Stop,
    Incoming(Option<Result<Message, Error>>),
    Order(Order),
    Changed,
    Due,
    Ping,
}

impl Link {
    pub(super) async fn run(mut self) {
        let mut failures = 0;
        loop {
            let (since, stop) = (Instant::now(), self.stop.clone());
            let dialed = tokio::select! {
                () = stop.cancelled() => return,
                dialed = dial(&self.url, &self.config) => dialed,
            };
            let end = match dialed {
                Ok(mut socket) => self.serve(&mut socket).await,
                Err(cause) => End::Lost(cause),
            };
            let End::Lost(cause) = end else { return };
            failures = if since.elapsed() > STEADY { 0 } else { failures + 1 };
            let retry_in = self.retry_in(failures);
            tracing::debug!(tracker = self.tracker.0, %cause, ?retry_in, "tracker lost");
            if self.tell(TrackerEvent::Disconnected { tracker: self.tracker, cause, retry_in }).await.is_err() {
                return;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(retry_in) => {}
            }
            // What was meant for the last connection is worth nothing on the next.
            while self.orders.try_recv().is_ok() {}
        }
    }

    /// Between half of it and the whole: those who lost the same tracker at once must not come back at once.
    fn retry_in(&self, failures: u32) -> Duration {
        let doubled = self.config.retry_min.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
        let whole = doubled.min(self.config.retry_max);
        let chance = f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX);
        whole.mul_f64(0.5 + chance / 2.0)
    }

    async fn serve(&mut self, socket: &mut Socket) -> End {
        // A new one each time: WebTorrent drops a second connection from the same id without a word.
        let peer_id = new_peer_id();
        let mut schedule = Schedule::new(peer_id, &self.config);
        let served = self.exchange(socket, &mut schedule, peer_id).await;
        let Err(end) = served;
        if matches!(end, End::Stop) {
            let leave = async {
                for announce in schedule.leave() {
                    socket.feed(text(&PeerMessage::Announce(announce))).await?;
                }
                socket.close(None).await
            };
            // A courtesy: the tracker notices the end of the connection as well.
            let _ = timeout(LEAVE_MAX, leave).await;
        }
        end
    }

    async fn exchange(
        &mut self,
        socket: &mut Socket,
        schedule: &mut Schedule,
        peer_id: PeerId,
    ) -> Result<std::convert::Infallible, End> {
        self.tell(TrackerEvent::Connected { tracker: self.tracker, peer_id }).await?;
        self.changed.mark_changed();
        let mut pings = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        let (stop, events) = (self.stop.clone(), self.events.clone());
        loop {
            let next = schedule.next();
            let happened = tokio::select! {
                () = stop.cancelled() => Happened::Stop,
                () = events.closed() => Happened::Stop,
                incoming = socket.next() => Happened::Incoming(incoming),
                Some(order) = self.orders.recv() => Happened::Order(order),
                Ok(()) = self.changed.changed() => Happened::Changed,
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => Happened::Due,
                _ = pings.tick() => Happened::Ping,
            };
            let now = Instant::now();
            match happened {
                Happened::Stop => return Err(End::Stop),
                Happened::Incoming(incoming) => {
                    heard = now;
                    self.take_in(incoming, schedule, peer_id).await?;
                }
                Happened::Order(order) => self.carry_out(order, socket, schedule, peer_id).await?,
                Happened::Changed => {
                    let news = schedule.set_torrents(&self.shared.torrents(), now);
                    for announce in news {
                        send(socket, text(&PeerMessage::Announce(announce))).await?;
                    }
                }
                Happened::Due => {
                    for due in schedule.poll(now) {
                        match due {
                            Due::Ask(info_hash) => self.ask(info_hash).await?,
                            Due::Announce(announce) => send(socket, text(&PeerMessage::Announce(announce))).await?,
                        }
                    }
                }
                Happened::Ping if heard.elapsed() > SILENCE_MAX => return Err(End::Lost(CloseCause::Silent)),
                Happened::Ping => send(socket, Message::Ping(Default::default())).await?,
            }
        }
    }

    async fn ask(&self, info_hash: InfoHash) -> Result<(), End> {
        self.tell(TrackerEvent::Due { tracker: self.tracker, info_hash, offers: self.config.offers }).await
    }

    async fn carry_out(
        &self,
        order: Order,
        socket: &mut Socket,
        schedule: &mut Schedule,
        peer_id: PeerId,
    ) -> Result<(), End> {
        let message = match order {
            Order::Announce { info_hash, offers } => match schedule.announce(info_hash, offers, Instant::now()) {
                Some(announce) => PeerMessage::Announce(announce),
                // It was removed meanwhile.
                None => return Ok(()),
            },
            Order::Answer { info_hash, to_peer_id, offer_id, sdp } => {
                PeerMessage::Answer(answered((info_hash, to_peer_id, offer_id, sdp), peer_id))
            }
            Order::Scrape { info_hashes } => PeerMessage::Scrape(Scrape { info_hashes }),
        };
        send(socket, text(&message)).await
    }

    /// Handles what the tracker sent.
    async fn take_in(
        &self,
        incoming: Option<Result<Message, Error>>,
        schedule: &mut Schedule,
        peer_id: PeerId,
    ) -> Result<(), End> {
        let text = match incoming {
            Some(Ok(Message::Text(text))) => text,
            // The reference sends text; some trackers send the same as bytes.
            Some(Ok(Message::Binary(bytes))) => match bytes.try_into() {
                Ok(text) => text,
                Err(_) => return Ok(()),
            },
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => return Ok(()),
            Some(Ok(Message::Close(frame))) => {
                return Err(End::Lost(CloseCause::Closed { code: frame.map(|frame| frame.code.into()) }));
            }
            None => return Err(End::Lost(CloseCause::Closed { code: None })),
            Some(Err(error)) => return Err(End::Lost(broken(error))),
        };
        let tracker = self.tracker;
        let event = match TrackerMessage::from_json(&text) {
            Ok(TrackerMessage::Announced(announced)) => {
                schedule.announced(&announced, Instant::now());
                TrackerEvent::Announced { tracker, announced }
            }
            // The tracker does not know that one peer may have two torrents' worth of connections: an offer of one's own.
            Ok(TrackerMessage::Offer(offer)) if offer.peer_id == peer_id => return Ok(()),
            Ok(TrackerMessage::Answer(answer)) if answer.peer_id == peer_id => return Ok(()),
            Ok(TrackerMessage::Offer(offer)) => TrackerEvent::Offer { tracker, offer },
            Ok(TrackerMessage::Answer(answer)) => TrackerEvent::Answer { tracker, answer },
            Ok(TrackerMessage::Scrape(files)) => TrackerEvent::Scraped { tracker, files },
            Ok(TrackerMessage::Failure(failure)) => TrackerEvent::Failed { tracker, failure },
            Err(error) => {
                tracing::debug!(tracker = tracker.0, %error, "a tracker sent what is no message");
                return Ok(());
            }
        };
        self.tell(event).await
    }

    /// Waits for room in the events' channel: a connection must not run ahead of who handles it.
    async fn tell(&self, event: TrackerEvent) -> Result<(), End> {
        tokio::select! {
            () = self.stop.cancelled() => Err(End::Stop),
            sent = self.events.send(event) => sent.map_err(|_| End::Stop),
        }
    }
}

fn text(message: &PeerMessage) -> Message {
    Message::text(message.to_json())
}

async fn send(socket: &mut Socket, message: Message) -> Result<(), End> {
    match timeout(SEND_MAX, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(End::Lost(broken(error))),
        Err(_) => Err(End::Lost(CloseCause::Timeout { after: SEND_MAX })),
    }
}

/// Twelve random characters behind what names the program, as BEP 20 has it.
fn new_peer_id() -> PeerId {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
    let mut id = *b"-SS0001-............";
    let mut chance = [0; 12];
    // Without randomness the system would not have made a connection.
    if getrandom::fill(&mut chance).is_err() {
        tracing::warn!("the system gives no random bytes");
    }
    for (digit, byte) in id[8..].iter_mut().zip(chance) {
        *digit = DIGITS[usize::from(byte) % DIGITS.len()];
    }
    PeerId(id)
}
