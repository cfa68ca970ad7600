//! One WebSocket of a peer, or of a client that announces for several torrents.

use super::{
    Map, Tracker,
    pool::Place,
    swarms::{From, SocketId},
    visitor::{Allowance, Network},
};
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use std::{pin::pin, sync::atomic::Ordering, time::Duration};
use streamshare_webtorrent::tracker::{
    Announce, Announced, Answer, Event, Failure, InfoHash, PassedAnswer, PassedOffer, PeerId, PeerMessage, Scrape,
    TrackerMessage,
};
use tokio::{
    sync::mpsc,
    time::{Instant, Interval, MissedTickBehavior, interval_at, timeout},
};
use tokio_tungstenite::tungstenite::{
    Error, Message, Utf8Bytes,
    protocol::{
        CloseFrame,
        frame::{
            Frame,
            coding::{CloseCode, Data, OpCode},
        },
    },
};

/// What reaches a peer: messages of others wait here. Where it is full, the peer does not read, and they are dropped, for
/// an offer is worth nothing when it is old.
/// Each is the JSON of a message.
pub(super) type Outlet = mpsc::Sender<Bytes>;

/// Messages of others that wait for one socket: the offers and answers of a full room at once. At most 1 MB.
const OUTLET_CAPACITY: usize = 64;

/// Messages that are read or passed on before what they led to is sent: one write for many.
const BATCH: usize = 32;

/// How often a socket is asked whether it lives. The listener ends connections that are silent for 75 s.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// How long a peer may be silent: two questions without an answer.
const SILENCE_MAX: Duration = Duration::from_secs(65);

/// How long the end of a connection may take.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// Messages that are none, after which a socket is closed.
const MALFORMED_MAX: u32 = 20;

/// Messages above the rate, after which a socket is closed.
const EXCESS_MAX: u32 = 1000;

/// A socket that sends too much is told so at most this often.
const NOTICE_INTERVAL: Duration = Duration::from_secs(1);

/// Offers that count as one message.
const OFFERS_PER_MESSAGE: usize = 5;

/// What a socket of the tracker is read from and written to.
pub(super) trait Socket: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin {}

impl<T: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin> Socket for T {}

/// Serves a socket until it ends or the tracker does.
pub(super) async fn serve(tracker: &Tracker, mut socket: impl Socket, network: Option<Network>) {
    let (outlet, inbox) = mpsc::channel(OUTLET_CAPACITY);
    let id = SocketId(tracker.sockets_made.fetch_add(1, Ordering::Relaxed));
    let now = Instant::now();
    let config = &tracker.config;
    let mut session = Session {
        tracker,
        id,
        outlet,
        network,
        torrents: Map::default(),
        json: Vec::new(),
        answers: BytesMut::new(),
        allowance: Allowance::full(config.messages_per_second, config.messages_burst, now),
        malformed: 0,
        excess: 0,
        noticed: None,
    };
    let why = session.run(&mut socket, inbox).await;
    session.leave();
    tracing::debug!(socket = id.0, ?why, "tracker socket ends");
    let frame = why.frame();
    // The peer may be gone: this is a courtesy.
    let _ = timeout(CLOSE_MAX, socket.send(Message::Close(frame))).await;
}

/// Why a socket ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The peer left, or its connection broke.
    Gone,
    /// The peer does not answer.
    Silent,
    /// The tracker ends.
    Stop,
    /// A frame was longer than any message.
    TooLong,
    /// It sent too much, or too much that is no message.
    Abuse,
}

impl End {
    fn frame(self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            Self::Gone | Self::Silent => return None,
            Self::Stop => (CloseCode::Away, "the relay is shutting down"),
            Self::TooLong => (CloseCode::Size, "the message is too long"),
            Self::Abuse => (CloseCode::Policy, "too many messages"),
        };
        Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) })
    }
}

/// What a socket's loop waits for.
enum Happened {
    Stop,
    Incoming(Option<Result<Message, Error>>),
    FromOthers(Bytes),
    Tick,
}

struct Session<'a> {
    tracker: &'a Tracker,
    id: SocketId,
    outlet: Outlet,
    network: Option<Network>,
    /// As whom it announced what.
    torrents: Map<InfoHash, (PeerId, Place)>,
    /// Where an answer is written.
    json: Vec<u8>,
    /// Where answers are until they are framed: the same memory for all of them.
    answers: BytesMut,
    allowance: Allowance,
    malformed: u32,
    excess: u32,
    noticed: Option<Instant>,
}

impl Session<'_> {
    async fn run(&mut self, socket: &mut impl Socket, mut inbox: mpsc::Receiver<Bytes>) -> End {
        let mut ticks = ticks();
        let mut heard = Instant::now();
        let tracker = self.tracker;
        let mut stopped = pin!(tracker.stop.cancelled());
        loop {
            let happened = tokio::select! {
                () = &mut stopped => Happened::Stop,
                incoming = socket.next() => Happened::Incoming(incoming),
                // Never ends: this session holds a sender itself.
                Some(message) = inbox.recv() => Happened::FromOthers(message),
                _ = ticks.tick() => Happened::Tick,
            };
            let done = match happened {
                Happened::Stop => Err(End::Stop),
                Happened::Tick if heard.elapsed() > SILENCE_MAX => Err(End::Silent),
                Happened::Tick => send(socket, Message::Ping(Default::default())).await,
                Happened::Incoming(incoming) => {
                    heard = Instant::now();
                    self.take_in(socket, incoming, heard).await
                }
                Happened::FromOthers(message) => pass_on(socket, message, &mut inbox).await,
            };
            if let Err(end) = done {
                return end;
            }
            if socket.flush().await.is_err() {
                return End::Gone;
            }
        }
    }

    /// Handles a message and those that are there already.
    async fn take_in(
        &mut self,
        socket: &mut impl Socket,
        first: Option<Result<Message, Error>>,
        now: Instant,
    ) -> Result<(), End> {
        let (mut next, mut room) = (Some(first), BATCH);
        while let Some(incoming) = next.take() {
            let reply = match incoming {
                None | Some(Ok(Message::Close(_))) => return Err(End::Gone),
                Some(Err(Error::Capacity(_))) => return Err(End::TooLong),
                Some(Err(_)) => return Err(End::Gone),
                Some(Ok(Message::Text(message))) => self.handle(&message, now)?,
                Some(Ok(Message::Binary(_))) => self.refuse_malformed("a message must be text".to_owned())?,
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => None,
            };
            if let Some(reply) = reply {
                let answer = self.json_of(&reply);
                send(socket, text(answer)).await?;
            }
            room -= 1;
            if room > 0 {
                next = socket.next().now_or_never();
            }
        }
        Ok(())
    }

    fn json_of(&mut self, answer: &TrackerMessage) -> Bytes {
        self.json.clear();
        answer.write_json(&mut self.json);
        self.answers.extend_from_slice(&self.json);
        self.answers.split().freeze()
    }

    /// What a message leads to: an answer to its sender, and messages to others.
    fn handle(&mut self, text: &str, now: Instant) -> Result<Option<TrackerMessage>, End> {
        let message = match PeerMessage::from_json(text) {
            Ok(message) => message,
            Err(error) => return self.refuse_malformed(error.to_string()),
        };
        if !self.allowance.take(cost(&message), now) {
            return self.refuse_excess(&message, now);
        }
        Ok(match message {
            PeerMessage::Announce(announce) => Some(self.announce(announce, now)),
            PeerMessage::Answer(answer) => {
                self.answer(answer);
                None
            }
            PeerMessage::Scrape(Scrape { info_hashes }) => {
                let swarms = self.tracker.swarms();
                Some(TrackerMessage::Scrape(info_hashes.into_iter().map(|hash| (hash, swarms.scrape(hash))).collect()))
            }
        })
    }

    fn announce(&mut self, announce: Announce, now: Instant) -> TrackerMessage {
        let Announce { info_hash, peer_id, event, .. } = announce;
        let fail = |reason: String| TrackerMessage::Failure(Failure { reason, info_hash: Some(info_hash) });
        let count = self.torrents.len();
        let entry = self.torrents.get_mut(&info_hash);
        let before = entry.as_ref().map(|entry| entry.0);
        if before.is_none() && count >= self.tracker.config.torrents_per_socket_max {
            return fail("too many torrents on one connection".to_owned());
        }
        let told = {
            let mut swarms = self.tracker.swarms();
            // One peer for each torrent: otherwise a single socket could be a crowd.
            if let Some(before) = before.filter(|&before| before != peer_id) {
                swarms.remove_web(info_hash, before, self.id);
            }
            let from = From { socket: self.id, outlet: &self.outlet, network: self.network };
            let mut nowhere = Place::default();
            let place = entry.map_or(&mut nowhere, |(_, place)| place);
            swarms.announce_web(&from, &announce, place, now)
        };
        let told = match told {
            Ok(told) => told,
            Err(refused) => {
                self.torrents.remove(&info_hash);
                return fail(refused.to_string());
            }
        };
        if event == Event::Stopped {
            self.torrents.remove(&info_hash);
        } else if before != Some(peer_id) {
            self.torrents.insert(info_hash, (peer_id, Place::default()));
        }
        for (to, offer) in told.peers.iter().zip(announce.offers) {
            let (offer_id, sdp) = (offer.offer_id, offer.sdp);
            deliver(to, &TrackerMessage::Offer(PassedOffer { info_hash, peer_id, offer_id, sdp }));
        }
        TrackerMessage::Announced(Announced {
            info_hash,
            complete: told.counts.complete,
            incomplete: told.counts.incomplete,
            interval: Some(self.tracker.config.interval.as_secs().max(1)),
        })
    }

    /// Passes an answer on. Where nobody waits for it there is nothing to say: its sender could do nothing.
    fn answer(&self, answer: Answer) {
        let Some(to) = self.tracker.swarms().answer(self.id, &answer).cloned() else { return };
        let Answer { info_hash, peer_id, offer_id, sdp, .. } = answer;
        deliver(&to, &TrackerMessage::Answer(PassedAnswer { info_hash, peer_id, offer_id, sdp }));
    }

    fn refuse_malformed(&mut self, reason: String) -> Result<Option<TrackerMessage>, End> {
        self.malformed += 1;
        if self.malformed > MALFORMED_MAX {
            return Err(End::Abuse);
        }
        Ok(Some(TrackerMessage::Failure(Failure { reason, info_hash: None })))
    }

    /// Names the torrent: npm's client gives up its connection over a failure that names none.
    fn refuse_excess(&mut self, message: &PeerMessage, now: Instant) -> Result<Option<TrackerMessage>, End> {
        self.excess += 1;
        if self.excess > EXCESS_MAX {
            return Err(End::Abuse);
        }
        if self.noticed.is_some_and(|noticed| now.saturating_duration_since(noticed) < NOTICE_INTERVAL) {
            return Ok(None);
        }
        self.noticed = Some(now);
        let info_hash = match message {
            PeerMessage::Announce(announce) => Some(announce.info_hash),
            PeerMessage::Answer(answer) => Some(answer.info_hash),
            PeerMessage::Scrape(scrape) => scrape.info_hashes.first().copied(),
        };
        let reason = "more messages than a peer may send; slow down".to_owned();
        Ok(Some(TrackerMessage::Failure(Failure { reason, info_hash })))
    }

    /// The socket is gone, and with it its peers.
    fn leave(&mut self) {
        let mut swarms = self.tracker.swarms();
        for (info_hash, (peer_id, _)) in self.torrents.drain() {
            swarms.remove_web(info_hash, peer_id, self.id);
        }
    }
}

fn ticks() -> Interval {
    let mut ticks = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn cost(message: &PeerMessage) -> u32 {
    match message {
        PeerMessage::Announce(announce) => {
            1 + u32::try_from(announce.offers.len() / OFFERS_PER_MESSAGE).unwrap_or(u32::MAX - 1)
        }
        PeerMessage::Answer(_) | PeerMessage::Scrape(_) => 1,
    }
}

fn deliver(to: &Outlet, message: &TrackerMessage) {
    let mut json = Vec::with_capacity(message.json_bytes());
    message.write_json(&mut json);
    if to.try_send(json.into()).is_err() {
        tracing::debug!("a peer is gone or does not read; a message for it is dropped");
    }
}

/// A message that is known to be text: as a [`Message::Text`] it would be looked through once more.
fn text(json: Bytes) -> Message {
    Message::Frame(Frame::message(json, OpCode::Data(Data::Text), true))
}

/// Queues a message; what is queued is sent by a flush.
async fn send(socket: &mut impl Socket, message: Message) -> Result<(), End> {
    socket.feed(message).await.map_err(|_| End::Gone)
}

/// Queues a message of another peer and those that wait behind it.
async fn pass_on(socket: &mut impl Socket, first: Bytes, inbox: &mut mpsc::Receiver<Bytes>) -> Result<(), End> {
    send(socket, text(first)).await?;
    for _ in 1..BATCH {
        let Ok(message) = inbox.try_recv() else { break };
        send(socket, text(message)).await?;
    }
    Ok(())
}
