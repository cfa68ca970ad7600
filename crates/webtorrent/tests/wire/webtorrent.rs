//! A shim with webtorrent at the other end, in virtual time: whatever webtorrent loses, the client gets in the end.

use crate::{CHOKE, EMPTY_BITFIELD, UNCHOKE, laws};
use laws::{HASH, OURS, THEIRS, handshake};
use proptest::prelude::*;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};
use streamshare_webtorrent::wire::{Frames, Handshake, Shim, ShimConfig, limits};

/// How bittorrent-protocol 5.0.9 keeps requests (`Wire._onRequest`, `choke`, `_pull`): by place, in an array whose order
/// changes when one is taken out.
#[derive(Default)]
struct WebTorrent {
    choking: bool,
    requests: Vec<Read>,
    /// Blocks that are being read.
    reads: Vec<Read>,
    begun: u32,
}

#[derive(Clone, Copy, PartialEq)]
struct Read {
    id: u32,
    piece: u8,
}

impl WebTorrent {
    fn request(&mut self, piece: u8) {
        if !self.choking {
            let read = Read { id: self.begun, piece };
            self.begun += 1;
            self.requests.push(read);
            self.reads.push(read);
        }
    }

    /// A block was read. Whether it is sent.
    fn finish(&mut self, at: usize) -> Option<u8> {
        let read = self.reads.remove(at);
        let found = self.requests.iter().position(|request| request.piece == read.piece)?;
        (self.requests.swap_remove(found) == read).then_some(read.piece)
    }

    fn choke(&mut self) {
        self.choking = true;
        self.requests.clear();
    }
}

struct World {
    now: Instant,
    shim: Shim,
    peer: WebTorrent,
    to_peer: Frames,
    to_shim: VecDeque<Vec<u8>>,
    to_client: Frames,
    asked: u8,
    got: Vec<u8>,
}

impl World {
    /// After both handshakes, unchoked.
    fn new() -> Self {
        let now = Instant::now();
        let mut shim = Shim::new(ShimConfig::new(HASH, OURS), Some(10), now);
        shim.handle_peer(&handshake(THEIRS), now).unwrap();
        shim.handle_client(&handshake(OURS), now).unwrap();
        assert_eq!(shim.poll_peer().unwrap().len(), Handshake::BYTES);
        shim.handle_peer(EMPTY_BITFIELD, now).unwrap();
        assert_eq!(shim.poll_client().unwrap().len(), Handshake::BYTES);
        let frames = || Frames::new(limits::FRAME_BYTES_MAX);
        let (to_peer, to_client) = (frames(), frames());
        let to_shim = [UNCHOKE].map(<[u8]>::to_vec).into();
        let peer = WebTorrent::default();
        let mut world = Self { now, shim, peer, to_peer, to_shim, to_client, asked: 0, got: Vec::new() };
        world.hear(1);
        world
    }

    /// The client asks for blocks.
    fn ask(&mut self, count: u8) {
        for _ in 0..count {
            self.shim.handle_client(&crate::block(6, self.asked), self.now).unwrap();
            self.asked += 1;
        }
    }

    /// What was sent to the peer arrives, up to a number of messages.
    fn tell(&mut self, count: usize) {
        while let Some(bytes) = self.shim.poll_peer() {
            self.to_peer.push(&bytes);
        }
        for _ in 0..count {
            let Some(frame) = self.to_peer.next_frame().unwrap() else { return };
            if frame.id() == Some(6) {
                self.peer.request(frame.payload()[3]);
            }
        }
    }

    /// What the peer has sent arrives, up to a number of messages.
    fn hear(&mut self, count: usize) {
        for _ in 0..count {
            let Some(bytes) = self.to_shim.pop_front() else { break };
            self.shim.handle_peer(&bytes, self.now).unwrap();
        }
        while let Some(bytes) = self.shim.poll_client() {
            self.to_client.push(&bytes);
        }
        while let Some(frame) = self.to_client.next_frame().unwrap() {
            if frame.id() == Some(7) {
                self.got.push(frame.payload()[3]);
            }
        }
    }

    fn finish(&mut self, at: usize) {
        if !self.peer.reads.is_empty()
            && let Some(piece) = self.peer.finish(at % self.peer.reads.len())
        {
            self.to_shim.push_back(crate::piece(piece, limits::BLOCK_BYTES));
        }
    }

    fn choke(&mut self, choke: bool) {
        if choke != self.peer.choking {
            if choke {
                self.peer.choke()
            } else {
                self.peer.choking = false
            }
            self.to_shim.push_back(if choke { CHOKE } else { UNCHOKE }.to_vec());
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.shim.handle_timeout(self.now).unwrap();
    }

    /// Lets everything come to an end. How long it took.
    fn settle(&mut self) -> Duration {
        let begun = self.now;
        self.choke(false);
        for _ in 0..1000 {
            self.tell(usize::MAX);
            while !self.peer.reads.is_empty() {
                self.finish(0);
            }
            self.hear(usize::MAX);
            if self.got.len() == usize::from(self.asked) {
                break;
            }
            self.wait(Duration::from_millis(100));
        }
        self.now - begun
    }

    fn check_complete(mut self) {
        self.got.sort_unstable();
        assert_eq!(self.got, (0..self.asked).collect::<Vec<_>>(), "each block once");
    }
}

/// Two requests for a block, of which webtorrent answers neither: those that crossed a choke, and a repetition.
#[test]
fn requests_that_annul_each_other_are_repeated() {
    let mut world = World::new();
    world.ask(2);
    // The choke is over before the first requests arrive, so these count.
    world.choke(true);
    world.choke(false);
    world.tell(2);
    world.hear(2);
    // A long choke would have them repeated at once. Here it is the peer who asks itself twice.
    world.peer.request(1);
    world.finish(0);
    world.finish(0);
    world.finish(0);
    world.hear(usize::MAX);
    assert_eq!(world.got, [0], "webtorrent has lost one");
    assert!(world.settle() < limits::STALL_TIME + Duration::from_secs(1));
    world.check_complete();
}

/// When all is lost, and not because of a choke that was seen to discard it, the second silence has all repeated.
#[test]
fn a_short_choke_that_discards_everything_is_found_out() {
    let mut world = World::new();
    world.ask(100);
    world.tell(usize::MAX);
    world.choke(true);
    world.choke(false);
    while !world.peer.reads.is_empty() {
        world.finish(0);
    }
    world.hear(usize::MAX);
    assert!(world.got.is_empty());
    assert!(world.settle() < limits::STALL_TIME + Duration::from_secs(1));
    world.check_complete();
}

#[test]
fn what_was_overtaken_is_repeated_while_others_flow() {
    let mut world = World::new();
    world.ask(60);
    world.tell(usize::MAX);
    world.peer.requests.remove(0);
    for _ in 0..40 {
        world.finish(0);
    }
    world.hear(usize::MAX);
    world.tell(usize::MAX);
    while !world.peer.reads.is_empty() {
        world.finish(0);
    }
    world.hear(usize::MAX);
    world.check_complete();
}

/// A peer that needs long for a block, but answers all requests in order, is not asked for everything again and again.
#[test]
fn a_slow_peer_is_asked_little_more_than_once() {
    for seconds in [2, 4, 7, 20] {
        let mut world = World::new();
        world.ask(100);
        for _ in 0..100 {
            world.tell(usize::MAX);
            for _ in 0..10 * seconds {
                world.wait(Duration::from_millis(100));
            }
            let sent = world.peer.reads.remove(0);
            world.to_shim.push_back(crate::piece(sent.piece, limits::BLOCK_BYTES));
            world.hear(usize::MAX);
        }
        assert!(world.peer.begun <= 170, "{} requests at {seconds} s for a block", world.peer.begun);
    }
}

proptest! {
    #[test]
    fn nothing_stays_lost(
        steps in proptest::collection::vec((0..7_u8, 0..40_u8), 0..200),
    ) {
        let mut world = World::new();
        for (step, size) in steps {
            match step {
                0 => world.ask(size.min(200 - world.asked.min(200))),
                1 => world.tell(size.into()),
                2 => world.hear(size.into()),
                3 => world.finish(size.into()),
                4 => (0..size).for_each(|_| world.finish(0)),
                5 => world.choke(size % 2 == 0),
                _ => world.wait(Duration::from_millis(u64::from(size) * 30)),
            }
        }
        let took = world.settle();
        prop_assert!(took < Duration::from_secs(60), "{took:?}");
        world.check_complete();
    }
}
