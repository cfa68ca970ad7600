//! Hostile and dying peers over real WebRTC, against a real librqbit: they go, the rest goes on, and nothing is left.
#![cfg(all(feature = "hybrid", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and tell figures")]

mod hostile;
#[path = "../swarm/mod.rs"]
mod swarm;
mod tracker;

use hostile::{Hostile, frame, request};
use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};
use streamshare_webtorrent::{
    channel::{Channel, Connector, IceConfig, WebRtc},
    hybrid::{Hybrid, SwarmStats},
    tracker::InfoHash,
};
use swarm::{Added, Client, eventually, hash_of, limited, random_file};
use tokio::{
    runtime::Handle,
    sync::{Mutex, MutexGuard},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracker::Tracker;

const MB: usize = 1_000_000;
/// Enough on a busy machine, and short enough to wait for.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// They count what belongs to the whole process.
async fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

/// A client with its hybrid peer.
struct Peer {
    client: Client,
    hybrid: Hybrid,
    torrent: Added,
}

impl Peer {
    /// Waits for others: its own offers would hold sockets for as long as nobody answers them.
    async fn start(tracker: &Tracker, client: Client, torrent: Added) -> Self {
        let mut config = client.hybrid_config();
        config.offers = 0;
        config.ice.connect_time = CONNECT_TIME;
        let peer = Self { hybrid: Hybrid::start(config), client, torrent };
        peer.join(tracker).await;
        peer
    }

    /// Offers connections to others.
    async fn start_outgoing(tracker: &Tracker, client: Client, torrent: Added) -> Self {
        let peer = Self { hybrid: Hybrid::start(client.hybrid_config()), client, torrent };
        peer.join(tracker).await;
        peer
    }

    async fn join(&self, tracker: &Tracker) {
        let before = tracker.started();
        self.hybrid.add(self.torrent.info_hash, vec![tracker.url.clone()], self.torrent.facts());
        eventually("the tracker", || tracker.started() > before).await;
    }

    fn stats(&self) -> SwarmStats {
        self.hybrid.stats(self.torrent.info_hash).unwrap()
    }

    /// Gets its film from an honest peer, in spite of all that was before; then both stop.
    async fn downloads_from(self, tracker: &Tracker, (client, torrent): (Client, Added)) {
        let honest = Self::start_outgoing(tracker, client, torrent).await;
        limited("download", self.torrent.completed()).await;
        assert!(same_film(&honest.client, &self.client));
        honest.stop().await;
        self.stop().await;
    }

    async fn stop(self) {
        self.hybrid.shutdown().await;
        self.client.stop().await;
    }
}

/// A client that has a new film of this size, and one that has nothing of it.
async fn seed_and_leech(bytes: usize) -> ((Client, Added), (Client, Added)) {
    let (seed, leech) = (Client::start().await, Client::start().await);
    let seeded = seed.seed(&random_file(&seed.path("film.bin"), bytes)).await;
    let added = leech.add(seeded.metainfo.clone()).await;
    ((seed, seeded), (leech, added))
}

fn same_film(left: &Client, right: &Client) -> bool {
    let sha1 = |client: &Client| hash_of(&std::fs::read(client.path("film.bin")).unwrap());
    sha1(left) == sha1(right)
}

fn connector() -> WebRtc {
    WebRtc::new(IceConfig { loopback: true, ..IceConfig::default() })
}

async fn connect(tracker: &Tracker, info_hash: InfoHash, connector: &WebRtc) -> Channel {
    limited("a channel", tracker.join(info_hash).connect(connector)).await.unwrap()
}

/// Tasks and open files.
fn held() -> (usize, usize) {
    (Handle::current().metrics().num_alive_tasks(), std::fs::read_dir("/proc/self/fd").unwrap().count())
}

async fn nothing_is_left(before: (usize, usize)) {
    eventually("tasks and files to go", || held().0 <= before.0 && held().1 <= before.1).await;
}

/// Bytes of this process's memory.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_peers_go_and_the_download_is_right() {
    let _turn = one_at_a_time().await;
    let tracker = Tracker::start().await;
    let (seed, leech) = seed_and_leech(8 * MB).await;
    let victim = Peer::start(&tracker, leech.0, leech.1).await;
    let (info_hash, pieces) = (victim.torrent.info_hash, victim.torrent.facts().piece_count);
    let connector = connector();
    // What the first connection sets up for good is not counted.
    let mut first = Hostile::silent(connect(&tracker, info_hash, &connector).await);
    first.say("nonsense").await;
    first.closed("nonsense").await;
    connector.shutdown().await;
    eventually("the first peer to go", || victim.stats().opening + victim.stats().channels == 0).await;
    let before = held();

    let open = async || Hostile::greet(connect(&tracker, info_hash, &connector).await, info_hash).await;
    let mut ends = JoinSet::new();
    for _ in 0..2 {
        ends.spawn(open().await.give_garbage(pieces));
    }
    let silent = Hostile::silent(connect(&tracker, info_hash, &connector).await);
    ends.spawn(silent.closed("a peer that never speaks"));
    let mut other = Hostile::silent(connect(&tracker, info_hash, &connector).await);
    other.say("GET / HTTP/1.1\r\n\r\n").await;
    ends.spawn(other.closed("a peer of another protocol"));
    let bad_bytes: [(&str, Vec<u8>); 5] = [
        ("a frame of 4 GiB", [0xff; 100].to_vec()),
        ("a frame that does not fit", frame(7, &[0; 40_000])),
        ("garbage after the handshake", (0..10_000).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect()),
        ("a bitfield of the wrong length", frame(5, &[0xff; 5])),
        ("a request with the wrong length", frame(6, &[0; 11])),
    ];
    for (what, bytes) in bad_bytes {
        let mut peer = open().await;
        peer.say(bytes).await;
        ends.spawn(peer.closed(what));
    }
    let mut chatty = open().await;
    ends.spawn(async move {
        // 50 MB that help nobody, unless it is given up because the client does not keep up.
        for _ in 0..2000 {
            if !chatty.say(frame(4, &[0, 0, 0, 1]).repeat(3000)).await {
                break;
            }
        }
    });
    let begun = Instant::now();
    while let Some(end) = limited("the hostile peers to be left", ends.join_next()).await {
        end.unwrap();
        println!("{} hostile peers are left after {:?}", ends.len(), begun.elapsed());
    }
    eventually("the hostile peers to go", || victim.stats().opening + victim.stats().channels == 0).await;
    connector.shutdown().await;
    nothing_is_left(before).await;

    victim.downloads_from(&tracker, seed).await;
}

/// Whoever asks for more than it takes is held back, then given up; who only asks for much is served what it reads.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_requests_costs_little_and_others_are_served() {
    let _turn = one_at_a_time().await;
    let tracker = Tracker::start().await;
    let (seed, leech) = seed_and_leech(20 * MB).await;
    let victim = Peer::start(&tracker, seed.0, seed.1).await;
    let (info_hash, pieces) = (victim.torrent.info_hash, victim.torrent.facts().piece_count);
    let connector = connector();
    let greedy = async |requests: usize| {
        let mut peer = Hostile::greet(connect(&tracker, info_hash, &connector).await, info_hash).await;
        peer.say(frame(2, &[])).await;
        while peer.next().await.expect("the victim speaks first").id() != Some(1) {}
        let all = request(pieces / 2).repeat(requests);
        for part in all.chunks(17_000) {
            peer.say(part.to_vec()).await;
        }
        peer
    };
    let before = resident_bytes();
    // 82 MB each, of which nothing is read yet.
    let mut greedy_peers = Vec::new();
    for _ in 0..3 {
        greedy_peers.push(greedy(5000).await);
    }
    let grown = resident_bytes().saturating_sub(before);
    println!("{} MB for three peers that ask for 246 MB", grown / MB);
    // Mostly their own: what they do not read waits on their side, too.
    assert!(grown < 75 * MB, "{grown} bytes");
    let honest = Peer::start_outgoing(&tracker, leech.0, leech.1).await;
    limited("download", honest.torrent.completed()).await;
    assert!(same_film(&honest.client, &victim.client));
    honest.stop().await;
    assert_eq!(victim.stats().channels, 3, "asking for much is no crime");
    let mut peer = greedy_peers.pop().unwrap();
    for _ in 0..300 {
        while limited("a block", peer.next()).await.expect("it is served").id() != Some(7) {}
    }
    drop((peer, greedy_peers));
    eventually("the greedy peers to go", || victim.stats().channels == 0).await;
    // One that asks without end has gone too far.
    greedy(20_000).await.closed("a peer that asks for ever").await;
    eventually("the last peer to go", || victim.stats().channels == 0).await;
    victim.stop().await;
}

/// A peer whose process is killed says nothing more; it is noticed, and another one takes over with the pieces that it had begun.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_dies_is_noticed_and_replaced() {
    let _turn = one_at_a_time().await;
    let tracker = Tracker::start().await;
    let (seed, leech) = seed_and_leech(8 * MB).await;
    let (metainfo, film) = (seed.1.metainfo.clone(), seed.0.path("film.bin"));
    let victim = Peer::start(&tracker, leech.0, leech.1).await;
    // What belongs to it ends with its runtime, without a goodbye.
    let doomed = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let seeding = {
        let url = tracker.url.clone();
        doomed.spawn(async move {
            let client = Client::start().await;
            std::fs::copy(film, client.path("film.bin")).unwrap();
            let torrent = client.add(metainfo).await;
            client.session.ratelimits.set_upload_bps(NonZeroU32::new(1_000_000));
            let hybrid = Hybrid::start(client.hybrid_config());
            hybrid.add(torrent.info_hash, vec![url], torrent.facts());
            std::future::pending::<()>().await;
        })
    };
    eventually("the first blocks", || victim.stats().downloaded_bytes > 1_000_000).await;
    seeding.abort();
    doomed.shutdown_background();
    let died = Instant::now();
    eventually("the dead one to be noticed", || victim.stats().channels == 0).await;
    println!("noticed after {:?}", died.elapsed());
    assert!(died.elapsed() < Duration::from_secs(30), "it took {:?}", died.elapsed());
    victim.downloads_from(&tracker, seed).await;
    println!("downloaded after {:?}", died.elapsed());
}

/// Offers of connections that lead nowhere take a few places for a while and no more.
#[tokio::test(flavor = "multi_thread")]
async fn offers_by_the_thousand_are_mostly_ignored() {
    let _turn = one_at_a_time().await;
    let tracker = Tracker::start().await;
    let (seed, leech) = seed_and_leech(3 * MB).await;
    let victim = Peer::start(&tracker, leech.0, leech.1).await;
    let info_hash = victim.torrent.info_hash;
    let connector = connector();
    let (nowhere, pending) = connector.make_offer().await.unwrap();
    drop(pending);
    connector.shutdown().await;
    let before = held();
    let member = tracker.join(info_hash);
    let mut most = (0, 0);
    for _ in 0..3000 {
        member.offer(&nowhere);
        tokio::task::yield_now().await;
        most = (most.0.max(victim.stats().opening), most.1.max(held().1));
    }
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        most = (most.0.max(victim.stats().opening), most.1.max(held().1));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("{} connections opening, {} files of {} before", most.0, most.1, before.1);
    assert!(most.0 > 0, "offers are tried");
    assert!(most.0 <= 16 && most.1 <= before.1 + 16 * 8, "{most:?}");
    eventually("the places to be free", || victim.stats().opening == 0).await;
    println!("free after {:?}", begun.elapsed());
    nothing_is_left(before).await;
    victim.downloads_from(&tracker, seed).await;
}

/// Fifty peers come, greet and go.
#[tokio::test(flavor = "multi_thread")]
async fn peers_that_come_and_go_leave_nothing() {
    let _turn = one_at_a_time().await;
    let tracker = Tracker::start().await;
    let (seed, _) = seed_and_leech(MB).await;
    let victim = Peer::start(&tracker, seed.0, seed.1).await;
    let info_hash = victim.torrent.info_hash;
    let connector = connector();
    let come_and_go = async |peers: usize| {
        let visits = (0..peers).map(async |_| {
            let mut peer = Hostile::greet(connect(&tracker, info_hash, &connector).await, info_hash).await;
            while peer.next().await.expect("the victim says what it has").id() != Some(5) {}
        });
        futures_util::future::join_all(visits).await;
        eventually("the peers to go", || victim.stats().opening + victim.stats().channels == 0).await;
        connector.shutdown().await;
    };
    come_and_go(1).await;
    let before = held();
    for _ in 0..5 {
        come_and_go(10).await;
    }
    nothing_is_left(before).await;
    victim.stop().await;
}

/// Lies about metadata, and peers that give it without end, while a magnet link is being resolved.
#[tokio::test(flavor = "multi_thread")]
async fn lies_about_metadata_do_not_keep_a_magnet_link() {
    let _turn = one_at_a_time().await;
    let tracker = Tracker::start().await;
    let (seed, leech) = seed_and_leech(MB).await;
    let info_hash = seed.1.info_hash;
    let mut config = leech.0.hybrid_config();
    config.offers = 0;
    let hybrid = Hybrid::start(config);
    let connector = connector();
    let before = resident_bytes();
    let cancel = CancellationToken::new();
    let (resolved, ()) =
        tokio::join!(limited("metadata", hybrid.resolve(info_hash, vec![tracker.url.clone()], &cancel)), async {
            eventually("the tracker", || tracker.started() == 1).await;
            let open = async || Hostile::greet(connect(&tracker, info_hash, &connector).await, info_hash).await;
            let handshake =
                |bytes: u64| frame(20, format!("\0d1:md11:ut_metadatai2ee13:metadata_sizei{bytes}ee").as_bytes());
            let part = |piece: u32, bytes: usize| {
                let head = format!("\x03d8:msg_typei1e5:piecei{piece}e10:total_sizei99999999ee");
                frame(20, &[head.as_bytes(), &vec![0x41; bytes]].concat())
            };
            let lies: [(&str, Vec<u8>); 6] = [
                ("metadata of 4 GB", handshake(u64::from(u32::MAX))),
                ("metadata of 17 MB", handshake(17 << 20)),
                ("metadata of no number", frame(20, b"\0d1:md11:ut_metadatai2ee13:metadata_sizei-1ee")),
                ("a part that is too long", [handshake(16_384), part(0, 16_385)].concat()),
                ("wrong metadata", [handshake(16_385), part(0, 16_384), part(1, 1)].concat()),
                ("metadata that is refused", [handshake(100), frame(20, b"\x03d8:msg_typei2e5:piecei0ee")].concat()),
            ];
            let mut ends = JoinSet::new();
            for (what, bytes) in lies {
                let mut peer = open().await;
                peer.say(bytes).await;
                // One whose size is no number may tell it later, so it says what ends it, too.
                peer.say([handshake(16_384), part(0, 16_384)].concat()).await;
                ends.spawn(peer.closed(what));
            }
            // Parts that nobody asked for, as fast as they are taken, until the metadata has come from elsewhere.
            for _ in 0..3 {
                let mut peer = open().await;
                ends.spawn(async move {
                    peer.say(handshake(16 << 20)).await;
                    for piece in (0..1000).cycle() {
                        let next = if piece == 0 { 1_000_000 } else { piece };
                        if !peer.say(part(next, 16_384)).await {
                            break;
                        }
                    }
                });
            }
            let seeder = Peer::start_outgoing(&tracker, seed.0, seed.1).await;
            while let Some(end) = limited("the liars to be left", ends.join_next()).await {
                end.unwrap();
            }
            seeder.stop().await;
        });
    assert_eq!(hash_of(&resolved.unwrap()), info_hash.to_string());
    let grown = resident_bytes().saturating_sub(before);
    println!("{} MB more than before", grown / MB);
    assert!(grown < 150 * MB, "{grown} bytes");
    hybrid.shutdown().await;
    leech.0.stop().await;
}
