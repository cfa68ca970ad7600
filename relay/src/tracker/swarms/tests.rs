//! Swarms under any order of events.

use super::*;
use std::time::Duration;
use streamshare_webtorrent::tracker::{Offer, OfferId, Sdp};

const HASH: InfoHash = InfoHash([1; 20]);
const OTHER: InfoHash = InfoHash([2; 20]);

struct World {
    swarms: Swarms<&'static str>,
    now: Instant,
}

fn world(change: impl FnOnce(&mut TrackerConfig)) -> World {
    let mut config = TrackerConfig::default();
    change(&mut config);
    World { swarms: Swarms::new(config, 7), now: Instant::now() }
}

fn peer(name: &str) -> PeerId {
    let mut id = [b'.'; 20];
    id[..name.len()].copy_from_slice(name.as_bytes());
    PeerId(id)
}

fn announce(info_hash: InfoHash, name: &str, event: Event, left: Option<u64>, offers: usize) -> Announce {
    let offer = Offer { offer_id: OfferId([9; 20]), sdp: Sdp::new("v=0").unwrap() };
    let offers = vec![offer; offers];
    Announce { info_hash, peer_id: peer(name), event, uploaded: 0, downloaded: 0, left, offers }
}

fn network(last: u8) -> Option<Network> {
    Network::of([203, 0, 113, last].into())
}

impl World {
    /// A peer by a socket of its own name and number; gives back who gets its offers.
    fn web(&mut self, socket: u64, name: &'static str, left: u64, offers: usize) -> Vec<&'static str> {
        self.web_event(socket, name, Event::Update, Some(left), offers).unwrap()
    }

    fn web_event(
        &mut self,
        socket: u64,
        name: &'static str,
        event: Event,
        left: Option<u64>,
        offers: usize,
    ) -> Result<Vec<&'static str>, Refused> {
        let from = From { socket: SocketId(socket), outlet: &name, network: network(1) };
        let told = self.swarms.announce_web(
            &from,
            &announce(HASH, name, event, left, offers),
            &mut Place::default(),
            self.now,
        )?;
        let mut peers = told.peers;
        peers.sort_unstable();
        Ok(peers)
    }

    fn tcp(&mut self, info_hash: InfoHash, port: u16, event: Event, left: u64) -> Result<Vec<u16>, Refused> {
        let addr = SocketAddr::from(([198, 51, 100, 1], port));
        let left = Some(left);
        let announce = TcpAnnounce { info_hash, addr, network: network(2), event, left, numwant: 50 };
        let told = self.swarms.announce_tcp(&announce, self.now)?;
        let mut ports: Vec<u16> = told.peers.iter().map(SocketAddr::port).collect();
        ports.sort_unstable();
        Ok(ports)
    }

    fn counts(&self) -> (u64, u64, u64) {
        let counts = self.swarms.scrape(HASH);
        (counts.complete, counts.incomplete, counts.downloaded)
    }

    fn answer(&self, socket: u64, from: &str, to: &str) -> Option<&'static str> {
        let (peer_id, to_peer_id) = (peer(from), peer(to));
        let sdp = Sdp::new("v=0").unwrap();
        let answer = Answer { info_hash: HASH, peer_id, to_peer_id, offer_id: OfferId([9; 20]), sdp };
        self.swarms.answer(SocketId(socket), &answer).copied()
    }
}

#[test]
fn offers_go_to_others_once_each() {
    let mut world = world(|_| ());
    assert!(world.web(1, "ada", 5, 5).is_empty());
    assert_eq!(world.web(2, "ben", 5, 5), ["ada"]);
    assert_eq!(world.web(3, "cyd", 5, 5), ["ada", "ben"]);
    assert_eq!(world.web(3, "cyd", 5, 1).len(), 1);
    assert!(world.web(3, "cyd", 5, 0).is_empty());
    let mut hits = std::collections::BTreeMap::new();
    for _ in 0..300 {
        *hits.entry(world.web(3, "cyd", 5, 1)[0]).or_insert(0) += 1;
    }
    assert!(hits["ada"] > 100 && hits["ben"] > 100, "{hits:?}");
}

#[test]
fn seeds_are_not_introduced_to_seeds() {
    let mut world = world(|_| ());
    world.web(1, "seed", 0, 0);
    assert!(world.web(2, "other", 0, 5).is_empty());
    assert_eq!(world.web(3, "leech", 1, 5), ["other", "seed"]);
    assert_eq!(world.web(2, "other", 0, 5), ["leech"]);
    assert_eq!(world.tcp(HASH, 1, Event::Started, 0), Ok(vec![]));
    assert_eq!(world.tcp(HASH, 2, Event::Started, 0), Ok(vec![]));
    assert_eq!(world.tcp(HASH, 3, Event::Started, 9), Ok(vec![1, 2]));
    assert_eq!(world.counts(), (4, 2, 0));
}

#[test]
fn events_count_as_the_reference_counts_them() {
    let mut world = world(|_| ());
    // A seed completes before it starts, which is no download.
    world.web_event(1, "seed", Event::Completed, Some(0), 0).unwrap();
    assert_eq!(world.counts(), (1, 0, 0));
    world.web_event(1, "seed", Event::Started, Some(0), 0).unwrap();
    assert_eq!(world.counts(), (1, 0, 0));
    // A magnet knows no length.
    world.web_event(2, "magnet", Event::Started, None, 0).unwrap();
    assert_eq!(world.counts(), (1, 1, 0));
    world.web_event(2, "magnet", Event::Completed, Some(0), 0).unwrap();
    world.web_event(2, "magnet", Event::Completed, Some(0), 0).unwrap();
    assert_eq!(world.counts(), (2, 0, 1));
    world.web_event(2, "magnet", Event::Stopped, Some(0), 5).unwrap();
    world.web_event(2, "magnet", Event::Stopped, Some(0), 5).unwrap();
    assert_eq!(world.counts(), (1, 0, 1));
    world.tcp(HASH, 1, Event::Paused, 3).unwrap();
    world.tcp(HASH, 1, Event::Completed, 0).unwrap();
    assert_eq!(world.counts(), (2, 0, 2));
    world.tcp(HASH, 1, Event::Stopped, 0).unwrap();
    world.tcp(HASH, 9, Event::Stopped, 0).unwrap();
    assert_eq!(world.counts(), (1, 0, 2));
}

#[test]
fn a_new_socket_replaces_the_old_one() {
    let mut world = world(|_| ());
    world.web(1, "ada", 5, 0);
    world.web(2, "ben", 5, 0);
    let from = From { socket: SocketId(3), outlet: &"ada again", network: network(3) };
    world
        .swarms
        .announce_web(&from, &announce(HASH, "ada", Event::Started, Some(5), 0), &mut Place::default(), world.now)
        .unwrap();
    assert_eq!(world.counts(), (0, 2, 0));
    assert_eq!(world.web(2, "ben", 5, 5), ["ada again"]);
    // The old socket ends at last, and takes nobody along.
    world.swarms.remove_web(HASH, peer("ada"), SocketId(1));
    assert_eq!(world.web(2, "ben", 5, 5), ["ada again"]);
    world.swarms.remove_web(HASH, peer("ada"), SocketId(3));
    assert!(world.web(2, "ben", 5, 5).is_empty());
    assert_eq!(world.swarms.load().peers, 1);
}

#[test]
fn only_members_answer_members() {
    let mut world = world(|_| ());
    world.web(1, "ada", 5, 0);
    world.web(2, "ben", 5, 0);
    assert_eq!(world.answer(2, "ben", "ada"), Some("ada"));
    assert_eq!(world.answer(2, "ada", "ben"), None);
    assert_eq!(world.answer(3, "cyd", "ada"), None);
    assert_eq!(world.answer(2, "ben", "cyd"), None);
}

#[test]
fn silent_peers_and_empty_torrents_are_forgotten() {
    let mut world = world(|_| ());
    let life = TrackerConfig::default().peer_life;
    world.web(1, "ada", 5, 0);
    world.tcp(HASH, 1, Event::Started, 5).unwrap();
    world.now += life;
    world.web(2, "ben", 5, 0);
    world.swarms.sweep(world.now);
    assert_eq!(world.counts(), (0, 3, 0));
    world.swarms.sweep(world.now + Duration::from_secs(1));
    assert_eq!(world.counts(), (0, 1, 0));
    world.web_event(2, "ben", Event::Stopped, None, 0).unwrap();
    assert_eq!(world.swarms.load(), Load { torrents: 1, peers: 0 });
    world.swarms.sweep(world.now + life + Duration::from_secs(1));
    assert_eq!(world.swarms.load(), Load { torrents: 0, peers: 0 });
    assert!(world.swarms.census.by_network.is_empty());
}

#[test]
fn what_is_full_is_full() {
    let mut torrents = world(|config| config.torrents_max = 1);
    torrents.tcp(HASH, 1, Event::Started, 1).unwrap();
    assert_eq!(torrents.tcp(OTHER, 1, Event::Started, 1), Err(Refused::Torrents));
    torrents.tcp(HASH, 1, Event::Stopped, 1).unwrap();
    // An empty one makes room.
    torrents.tcp(OTHER, 1, Event::Started, 1).unwrap();
    assert_eq!(torrents.swarms.load(), Load { torrents: 1, peers: 1 });

    type Limit = fn(&mut TrackerConfig) -> &mut usize;
    let limits: [(Limit, Refused); 3] = [
        (|config| &mut config.peers_max, Refused::Peers),
        (|config| &mut config.peers_per_torrent_max, Refused::PeersOfTorrent),
        (|config| &mut config.peers_per_address_max, Refused::PeersOfAddress),
    ];
    for (limit, refused) in limits {
        let mut world = world(|config| *limit(config) = 2);
        for port in [1, 2] {
            world.tcp(HASH, port, Event::Started, 1).unwrap();
        }
        assert_eq!(world.tcp(HASH, 3, Event::Started, 1), Err(refused));
        // Those who are in stay in.
        assert_eq!(world.tcp(HASH, 2, Event::Update, 1), Ok(vec![1]));
        world.tcp(HASH, 1, Event::Stopped, 1).unwrap();
        assert_eq!(world.tcp(HASH, 3, Event::Started, 1), Ok(vec![2]));
    }
}

/// Whatever happens in whatever order, the counts are those of the peers that are there.
#[test]
fn the_census_is_right() {
    let mut world = world(|config| {
        (config.peers_max, config.torrents_max) = (40, 3);
        (config.peers_per_torrent_max, config.peers_per_address_max) = (25, 30);
    });
    let mut random = Random::new(11);
    // Of whichever peer announced before: it must not matter.
    let mut place = Place::default();
    let mut pick = |end: usize| random.sample(1, end)[0];
    let events = [Event::Started, Event::Stopped, Event::Completed, Event::Paused, Event::Update, Event::Update];
    for _ in 0..20_000 {
        let info_hash = InfoHash([u8::try_from(pick(4)).unwrap(); 20]);
        let (event, left) = (events[pick(6)], [None, Some(0), Some(5)][pick(3)]);
        let name = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"][pick(14)];
        let socket = SocketId(pick(20) as u64);
        let network = [None, network(1), network(2)][pick(3)];
        match pick(8) {
            0 => world.swarms.remove_web(info_hash, peer(name), socket),
            1 => {
                world.now += Duration::from_secs(60);
                world.swarms.sweep(world.now);
            }
            2..=4 => {
                let addr = SocketAddr::from(([192, 0, 2, 1], u16::try_from(pick(20)).unwrap()));
                let announce = TcpAnnounce { info_hash, addr, network, event, left, numwant: 5 };
                let _ = world.swarms.announce_tcp(&announce, world.now);
            }
            _ => {
                let from = From { socket, outlet: &name, network };
                let announce = announce(info_hash, name, event, left, 5);
                let told = world.swarms.announce_web(&from, &announce, &mut place, world.now);
                if told.is_ok() && event != Event::Stopped {
                    let there = world.swarms.torrents[&info_hash].web.get(&peer(name)).unwrap();
                    assert_eq!((there.socket, there.seen.at), (socket, world.now));
                }
            }
        }
        let swarms = &world.swarms;
        let there: u64 = swarms.torrents.values().map(|s| s.counts().complete + s.counts().incomplete).sum();
        assert_eq!(there, swarms.census.peers as u64);
        assert!(swarms.census.peers <= 40 && swarms.torrents.len() <= 3);
        assert!(swarms.torrents.values().all(|swarm| swarm.len() <= 25));
        assert!(swarms.census.by_network.values().all(|there| (1..=30).contains(there)));
    }
}
