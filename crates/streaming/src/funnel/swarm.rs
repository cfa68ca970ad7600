//! A torrent's pool with the connections around it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::message::{BITFIELD, CANCEL, HAVE, REQUEST, UNCHOKE};
use super::relay::{Identity, Who};
use super::seats::Seats;
use super::{lane, lock};
use crate::pool::{Effect, Geometry, LaneKey, PeerKey, Place, Pool, ReaderKey};
use crate::readers::Role;
use crate::{InfoHash, LivePeer};

/// How often the time is told to a pool in which something is asked for.
const TICK: Duration = Duration::from_millis(40);

/// Peers that are remembered when they have left.
const LEFT_MAX: usize = 256;

/// What is said to a peer or a lane by the pool. Not bounded, since the pool is: it asks a peer for 250 blocks at most, and a lane gets no
/// block that librqbit did not ask it for.
pub(super) type Outbox = mpsc::UnboundedReceiver<Bytes>;

/// A torrent's pool with the connections around it.
pub(crate) struct Swarm {
    pub(super) info_hash: InfoHash,
    pub(super) seats: Seats,
    listener: SocketAddr,
    piece_bytes: u32,
    inner: Mutex<Inner>,
    next: AtomicU64,
    lanes_opened: AtomicU32,
    /// The key of the blocks' checksums.
    checksums: RandomState,
    changed: Arc<Notify>,
    tasks: TaskTracker,
    cancel: CancellationToken,
    _cancel_on_drop: DropGuard,
}

struct Inner {
    pool: Pool,
    peers: BTreeMap<PeerKey, PeerEnd>,
    lanes: BTreeMap<LaneKey, LaneEnd>,
    /// Ports of this machine that lanes come from.
    lane_addrs: BTreeSet<SocketAddr>,
    /// Peers that have left, the latest last: a lie may come out later.
    left: VecDeque<(PeerKey, Identity)>,
    /// Peers that sent what is wrong; until the torrent is removed or the program ends.
    banned: BTreeSet<Identity>,
}

struct PeerEnd {
    who: Who,
    outbox: mpsc::UnboundedSender<Bytes>,
    ban: CancellationToken,
}

struct LaneEnd {
    outbox: mpsc::UnboundedSender<Bytes>,
    close: CancellationToken,
}

impl Swarm {
    pub(super) fn new(
        info_hash: InfoHash,
        geometry: Geometry,
        peers: usize,
        listener: SocketAddr,
        tasks: &TaskTracker,
        cancel: &CancellationToken,
    ) -> Arc<Self> {
        let cancel = cancel.child_token();
        let inner = Inner {
            pool: Pool::new(geometry),
            peers: BTreeMap::new(),
            lanes: BTreeMap::new(),
            lane_addrs: BTreeSet::new(),
            left: VecDeque::new(),
            banned: BTreeSet::new(),
        };
        let swarm = Arc::new(Self {
            info_hash,
            seats: Seats::new(peers),
            listener,
            piece_bytes: geometry.piece_bytes,
            inner: Mutex::new(inner),
            next: AtomicU64::new(1),
            lanes_opened: AtomicU32::new(0),
            checksums: RandomState::new(),
            changed: Arc::default(),
            tasks: tasks.clone(),
            cancel: cancel.clone(),
            _cancel_on_drop: cancel.clone().drop_guard(),
        });
        tasks.spawn(cancel.run_until_cancelled_owned(tick(Arc::downgrade(&swarm))));
        swarm
    }

    /// Where a peer is and how it is connected, of whose address librqbit tells.
    pub(crate) fn live_peer(&self, seen: SocketAddr) -> Option<LivePeer> {
        let inner = lock(&self.inner);
        let who = inner.peers.values().map(|peer| peer.who).find(|who| who.seen == seen)?;
        Some(LivePeer { addr: who.addr, transport: who.transport })
    }

    /// Whether an address is a lane's.
    pub(crate) fn is_lane(&self, addr: SocketAddr) -> bool {
        lock(&self.inner).lane_addrs.contains(&addr)
    }

    /// How many lanes librqbit has ever seen, and takes for peers.
    pub(crate) fn lanes_opened(&self) -> u32 {
        self.lanes_opened.load(Ordering::Relaxed)
    }

    /// One who reads, from some byte of the torrent on.
    pub(crate) fn reader(self: &Arc<Self>, offset: u64, role: Role) -> Reader {
        let mut reader = Reader {
            swarm: self.clone(),
            key: self.next.fetch_add(1, Ordering::Relaxed),
            role,
            offset,
            told: None,
            behind: 0,
        };
        if role != Role::Player {
            // It need not come for bytes: what comes first to where it stands is what it is for.
            reader.waits();
        }
        reader
    }

    pub(super) fn enter(self: &Arc<Self>, who: Who) -> (PeerKey, Outbox, CancellationToken) {
        let key = self.next.fetch_add(1, Ordering::Relaxed);
        let (outbox, receiver) = mpsc::unbounded_channel();
        let ban = self.cancel.child_token();
        lock(&self.inner).peers.insert(key, PeerEnd { who, outbox, ban: ban.clone() });
        self.act(|pool, now| pool.add_peer(key, now));
        (key, receiver, ban)
    }

    pub(super) fn leave(self: &Arc<Self>, key: PeerKey) {
        let mut inner = lock(&self.inner);
        if let Some(peer) = inner.peers.remove(&key) {
            inner.left.push_back((key, peer.who.identity()));
            if inner.left.len() > LEFT_MAX {
                inner.left.pop_front();
            }
        }
        drop(inner);
        self.act(|pool, now| pool.remove_peer(key, now));
    }

    /// Whether a peer has sent what is wrong.
    pub(super) fn is_banned(&self, who: &Who) -> bool {
        lock(&self.inner).banned.contains(&who.identity())
    }

    /// A checksum of a block's bytes; who does not know the key cannot make two that have the same.
    pub(super) fn checksum(&self, block: &[u8]) -> u64 {
        self.checksums.hash_one(block)
    }

    /// Tells the pool something, and does what comes of it.
    pub(super) fn act<T>(self: &Arc<Self>, tell: impl FnOnce(&mut Pool, Instant) -> T) -> T {
        self.act_on(None, tell)
    }

    /// The same when a block came, whose frame goes to lanes as it is.
    pub(super) fn act_on<T>(self: &Arc<Self>, frame: Option<&Bytes>, tell: impl FnOnce(&mut Pool, Instant) -> T) -> T {
        let mut inner = lock(&self.inner);
        let told = tell(&mut inner.pool, Instant::now());
        let mut opened = Vec::new();
        while let Some(effect) = inner.pool.poll_effect() {
            match effect {
                Effect::Request(peer, place, length) => inner.to_peer(peer, request(REQUEST, place, length)),
                Effect::Cancel(peer, place, length) => inner.to_peer(peer, request(CANCEL, place, length)),
                Effect::Ban(peer) => {
                    tracing::info!(info_hash = %self.info_hash, "a peer sent what is wrong and is shut out");
                    inner.ban(peer);
                }
                Effect::Open(key) => {
                    let (outbox, receiver) = mpsc::unbounded_channel();
                    let close = self.cancel.child_token();
                    inner.lanes.insert(key, LaneEnd { outbox, close: close.clone() });
                    opened.push((key, receiver, close));
                }
                Effect::Offer(key, bits) => inner.to_lane(key, bitfield(&bits)),
                Effect::Unchoke(key) => inner.to_lane(key, Bytes::from_static(&[0, 0, 0, 1, UNCHOKE])),
                Effect::Have(key, piece) => {
                    let frame = [&[0, 0, 0, 5, HAVE], &piece.to_be_bytes()[..]].concat();
                    inner.to_lane(key, frame.into());
                }
                Effect::Deliver(key, _) => {
                    if let Some(frame) = frame {
                        inner.to_lane(key, frame.clone());
                    }
                }
                Effect::Close(key) => {
                    if let Some(lane) = inner.lanes.remove(&key) {
                        lane.close.cancel();
                    }
                }
            }
        }
        let is_idle = inner.pool.is_idle();
        drop(inner);
        for (key, outbox, close) in opened {
            self.tasks.spawn(lane::run(self.clone(), key, outbox, close));
        }
        if !is_idle {
            self.changed.notify_one();
        }
        told
    }
}

impl Swarm {
    /// Where librqbit takes peers.
    pub(super) fn listener(&self) -> SocketAddr {
        self.listener
    }

    pub(super) fn lane_connected(&self, addr: SocketAddr) {
        self.lanes_opened.fetch_add(1, Ordering::Relaxed);
        lock(&self.inner).lane_addrs.insert(addr);
    }

    pub(super) fn tell_lane(&self, key: LaneKey, frame: Bytes) {
        lock(&self.inner).to_lane(key, frame);
    }

    /// A lane's connection is over, whoever ended it.
    pub(super) fn lane_ended(self: &Arc<Self>, key: LaneKey, addr: Option<SocketAddr>) {
        let mut inner = lock(&self.inner);
        inner.lanes.remove(&key);
        if let Some(addr) = addr {
            inner.lane_addrs.remove(&addr);
        }
        drop(inner);
        self.act(|pool, now| pool.lane_ended(key, now));
    }

    /// Ends everything.
    pub(super) fn end(&self) {
        self.cancel.cancel();
    }
}

impl Inner {
    fn ban(&mut self, key: PeerKey) {
        let identity = match self.peers.get(&key) {
            Some(peer) => {
                peer.ban.cancel();
                Some(peer.who.identity())
            }
            None => self.left.iter().find(|(left, _)| *left == key).map(|(_, identity)| *identity),
        };
        self.banned.extend(identity);
    }

    fn to_peer(&self, key: PeerKey, frame: Bytes) {
        if let Some(peer) = self.peers.get(&key) {
            // One that has just left needs nothing.
            let _ = peer.outbox.send(frame);
        }
    }

    fn to_lane(&self, key: LaneKey, frame: Bytes) {
        if let Some(lane) = self.lanes.get(&key) {
            let _ = lane.outbox.send(frame);
        }
    }
}

impl std::fmt::Debug for Swarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Swarm").field("info_hash", &self.info_hash).finish_non_exhaustive()
    }
}

/// One who reads a file of a torrent; dropped, they do not any more.
#[derive(Debug)]
pub(crate) struct Reader {
    swarm: Arc<Swarm>,
    key: ReaderKey,
    role: Role,
    /// Bytes from the torrent's beginning.
    offset: u64,
    told: Option<(u64, u64, bool)>,
    behind: u64,
}

impl Reader {
    /// So many bytes were read.
    pub(crate) fn has_read(&mut self, bytes: u64) {
        self.offset += bytes;
        self.tell(false);
    }

    /// What comes next is not there.
    pub(crate) fn waits(&mut self) {
        self.tell(true);
    }

    /// Others go first from now on, whose film lies less than so many bytes ahead of them.
    pub(crate) fn stand_back(&mut self, behind: u64) {
        if std::mem::replace(&mut self.behind, behind) != behind {
            let is_waiting = self.told.is_some_and(|(_, _, is_waiting)| is_waiting);
            self.tell(is_waiting);
        }
    }

    fn tell(&mut self, is_waiting: bool) {
        // To the pool, a piece is a place.
        let told = (self.offset / u64::from(self.swarm.piece_bytes), self.behind, is_waiting);
        if self.told.replace(told) != Some(told) {
            let (behind, waits) = match self.role {
                Role::Player => (self.behind, true),
                Role::Ahead { behind_bytes, is_urgent } => (behind_bytes, is_urgent),
            };
            self.swarm.act(|pool, now| pool.read(self.key, self.offset, behind, is_waiting && waits, now));
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.swarm.act(|pool, _| pool.remove_reader(self.key));
    }
}

/// Tells a pool the time while it is not idle, until its swarm is forgotten.
async fn tick(swarm: Weak<Swarm>) {
    loop {
        let Some(changed) = swarm.upgrade().map(|swarm| swarm.changed.clone()) else { return };
        changed.notified().await;
        let Some(swarm) = swarm.upgrade() else { return };
        swarm.act(|pool, now| pool.review(now));
        drop(swarm);
        tokio::time::sleep(TICK).await;
    }
}

fn bitfield(bits: &[u8]) -> Bytes {
    let length = u32::try_from(bits.len() + 1).expect("a torrent has 2^32 pieces at most");
    [&length.to_be_bytes()[..], &[BITFIELD], bits].concat().into()
}

fn request(id: u8, (piece, begin): Place, length: u32) -> Bytes {
    let numbers = [13_u32.to_be_bytes(), piece.to_be_bytes(), begin.to_be_bytes(), length.to_be_bytes()];
    let [prefix, piece, begin, length] = numbers;
    [&prefix[..], &[id], &piece, &begin, &length].concat().into()
}
