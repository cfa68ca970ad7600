//! One tracker: connects, serves the connection, waits, and connects anew, for as long as somebody is there.

use super::{
    CloseCause, Shared, TrackerClientConfig, TrackerEvent, Transfer,
    dial::{Socket, broken, dial},
    roster::{Audience, Roster, State},
    schedule::{Due, Schedule},
};
use crate::tracker::{Answer, InfoHash, Offer, OfferId, PeerId, PeerMessage, Scrape, Sdp, TrackerMessage};
use futures_util::{SinkExt, StreamExt};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::{Error, Message};
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

/// What is to be done.
#[derive(Debug)]
pub(super) enum Order {
    Announce { info_hash: InfoHash, member: u64, transfer: Transfer, offers: Vec<Offer> },
    Hasten { info_hash: InfoHash },
    Answer { info_hash: InfoHash, to_peer_id: PeerId, offer_id: OfferId, sdp: Sdp },
    Scrape { info_hash: InfoHash },
}

/// Everything about one tracker.
pub(super) struct Link {
    pub(super) url: Url,
    /// For `wss`.
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
    pub(super) shared: Arc<Shared>,
    pub(super) roster: Arc<Roster>,
    pub(super) orders: mpsc::Receiver<Order>,
}

/// Why a connection is over.
enum End {
    /// The client was told to stop, or nobody is at the tracker any more.
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
        while let End::Lost(cause) = self.connect(&mut failures).await {
            let retry_in = retry_in(&self.shared.config, failures);
            tracing::debug!(host = self.url.host_str(), %cause, ?retry_in, "no connection to a tracker");
            self.roster.set_state(State::Disconnected { cause: Arc::new(cause), retry_in });
            if self.unless_over(sleep(retry_in)).await.is_none() {
                break;
            }
        }
        self.roster.close();
    }

    /// One connection, from its making to its end. Counts failures.
    async fn connect(&mut self, failures: &mut u32) -> End {
        let connections = Arc::clone(&self.shared.connections);
        // The semaphore is never closed.
        let Some(Ok(_connection)) = self.unless_over(connections.acquire_owned()).await else { return End::Stop };
        let since = Instant::now();
        let dialing = dial(&self.url, self.tls.as_ref(), self.shared.config.connect_timeout);
        let end = match self.unless_over(dialing).await {
            Some(Ok(mut socket)) => self.serve(&mut socket).await,
            Some(Err(cause)) => End::Lost(cause),
            None => End::Stop,
        };
        *failures = if since.elapsed() > STEADY { 1 } else { failures.saturating_add(1) };
        end
    }

    /// What comes of something, or nothing where the client stops or everybody leaves meanwhile.
    async fn unless_over<T>(&self, something: impl Future<Output = T>) -> Option<T> {
        let abandoned = async {
            while !self.shared.close_if_empty(&self.url, &self.roster) {
                self.roster.changed().await;
            }
        };
        tokio::select! {
            () = self.shared.stop.cancelled() => None,
            () = abandoned => None,
            done = something => Some(done),
        }
    }

    async fn serve(&mut self, socket: &mut Socket) -> End {
        // What was meant for the last connection is worth nothing on this one.
        while self.orders.try_recv().is_ok() {}
        // A new one each time: WebTorrent drops a second connection from the same id without a word.
        let peer_id = new_peer_id();
        let mut schedule = Schedule::new(peer_id, &self.shared.config);
        self.roster.set_state(State::Connected { peer_id });
        let Err(end) = self.exchange(socket, &mut schedule, peer_id).await;
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
    ) -> Result<Infallible, End> {
        let mut pings = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        self.take_over(socket, schedule).await?;
        loop {
            let next = schedule.next();
            let happened = tokio::select! {
                () = self.shared.stop.cancelled() => Happened::Stop,
                incoming = socket.next() => Happened::Incoming(incoming),
                Some(order) = self.orders.recv() => Happened::Order(order),
                () = self.roster.changed() => Happened::Changed,
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => Happened::Due,
                _ = pings.tick() => Happened::Ping,
            };
            match happened {
                Happened::Stop => return Err(End::Stop),
                Happened::Incoming(incoming) => {
                    heard = Instant::now();
                    self.take_in(incoming, schedule, peer_id)?;
                }
                Happened::Order(order) => carry_out(order, socket, schedule, peer_id).await?,
                Happened::Changed => self.take_over(socket, schedule).await?,
                Happened::Due => {
                    for due in schedule.poll(Instant::now()) {
                        match due {
                            Due::Ask(hash) => self.roster.deliver(hash, Audience::Newest, &TrackerEvent::Due),
                            Due::Announce(announce) => send(socket, text(&PeerMessage::Announce(announce))).await?,
                        }
                    }
                }
                Happened::Ping if heard.elapsed() > SILENCE_MAX => return Err(End::Lost(CloseCause::Silent)),
                Happened::Ping => send(socket, Message::Ping(Default::default())).await?,
            }
        }
    }

    /// Takes over which torrents there are, and tells the tracker what it must know at once. Ends where there are none.
    async fn take_over(&self, socket: &mut Socket, schedule: &mut Schedule) -> Result<(), End> {
        for announce in schedule.set_torrents(&self.roster.torrents(), Instant::now()) {
            send(socket, text(&PeerMessage::Announce(announce))).await?;
        }
        if self.shared.close_if_empty(&self.url, &self.roster) { Err(End::Stop) } else { Ok(()) }
    }

    /// Handles what the tracker sent.
    fn take_in(
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
        let deliver = |hash, event| self.roster.deliver(hash, Audience::All, &event);
        match TrackerMessage::from_json(&text) {
            Ok(TrackerMessage::Announced(announced)) => {
                schedule.announced(&announced, Instant::now());
                deliver(announced.info_hash, TrackerEvent::Announced(announced));
            }
            // A tracker that does not know this peer hands it its own.
            Ok(TrackerMessage::Offer(offer)) if offer.peer_id == peer_id => {}
            Ok(TrackerMessage::Answer(answer)) if answer.peer_id == peer_id => {}
            Ok(TrackerMessage::Offer(offer)) => {
                self.roster.deliver(offer.info_hash, Audience::Newest, &TrackerEvent::Offer(offer));
            }
            Ok(TrackerMessage::Answer(answer)) => deliver(answer.info_hash, TrackerEvent::Answer(answer)),
            Ok(TrackerMessage::Scrape(files)) => {
                files.into_iter().for_each(|(hash, counts)| deliver(hash, TrackerEvent::Scraped(counts)));
            }
            Ok(TrackerMessage::Failure(failure)) => {
                tracing::debug!(host = self.url.host_str(), reason = failure.reason, "a tracker refuses");
                if let Some(info_hash) = failure.info_hash {
                    deliver(info_hash, TrackerEvent::Failed(failure));
                }
            }
            Err(error) => {
                tracing::debug!(host = self.url.host_str(), %error, "a tracker sent what is no message");
            }
        }
        Ok(())
    }
}

async fn carry_out(order: Order, socket: &mut Socket, schedule: &mut Schedule, peer_id: PeerId) -> Result<(), End> {
    let now = Instant::now();
    let message = match order {
        Order::Announce { info_hash, member, transfer, offers } => {
            // It may have been removed meanwhile.
            let Some(announce) = schedule.announce(info_hash, (member, transfer), offers, now) else { return Ok(()) };
            PeerMessage::Announce(announce)
        }
        Order::Hasten { info_hash } => {
            schedule.hasten(info_hash, now);
            return Ok(());
        }
        Order::Answer { info_hash, to_peer_id, offer_id, sdp } => {
            PeerMessage::Answer(Answer { info_hash, peer_id, to_peer_id, offer_id, sdp })
        }
        Order::Scrape { info_hash } => PeerMessage::Scrape(Scrape { info_hashes: vec![info_hash] }),
    };
    send(socket, text(&message)).await
}

/// Between half of it and the whole: those who lost the same tracker at once must not come back at once.
fn retry_in(config: &TrackerClientConfig, failures: u32) -> Duration {
    let doubled = config.retry_min.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    let whole = doubled.min(config.retry_max);
    let chance = f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX);
    whole.mul_f64(0.5 + chance / 2.0)
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
