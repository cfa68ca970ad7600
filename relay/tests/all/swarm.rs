//! Whole swarms over WebRTC, which meet at relays' trackers and nowhere else.

#[path = "../../../crates/webtorrent/tests/swarm/mod.rs"]
mod clients;

use crate::support::{
    config, start,
    tracker::{announce_url, tracker_load, until_load},
};
use clients::{Added, Client, eventually, limited, random_file};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::{path::Path, sync::Arc, time::Duration};
use streamshare_relay::{Relay, RelayConfig};
use streamshare_webtorrent::{
    hybrid::{Hybrid, HybridConfig, SwarmStats},
    tracker::{InfoHash, TrackerClient, TrackerClientConfig, TrackerEvent, TrackerEvents, Transfer},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use url::Url;

const MB: usize = 1_000_000;

/// A BitTorrent client and its way to browsers.
struct Peer {
    client: Client,
    hybrid: Hybrid,
}

impl Peer {
    async fn start() -> Self {
        let client = Client::start().await;
        let mut config = HybridConfig::new(client.listener(), client.peer_id());
        config.ice.loopback = true;
        config.scrape_every = Duration::from_millis(500);
        Self { hybrid: Hybrid::start(config), client }
    }

    /// One that has a film of so many bytes, or somebody's.
    async fn seed(film: Film<'_>, trackers: &[Url]) -> (Self, Added) {
        let peer = Self::start().await;
        let file = peer.client.path("film.bin");
        match film {
            Film::New(bytes) => drop(random_file(&file, bytes)),
            Film::Of(other) => drop(std::fs::copy(other, &file).unwrap()),
        }
        let added = peer.client.seed(&file).await;
        peer.hybrid.add(added.info_hash, trackers.to_vec(), added.facts());
        (peer, added)
    }

    /// One that wants what somebody has.
    async fn leech(of: &Added, trackers: &[Url]) -> (Self, Added) {
        let peer = Self::start().await;
        let added = peer.client.add(of.metainfo.clone()).await;
        peer.hybrid.add(added.info_hash, trackers.to_vec(), added.facts());
        (peer, added)
    }

    fn stats(&self, of: &Added) -> SwarmStats {
        self.hybrid.stats(of.info_hash).unwrap()
    }

    async fn stop(self) {
        self.hybrid.shutdown().await;
        self.client.stop().await;
    }
}

enum Film<'a> {
    New(usize),
    Of(&'a Path),
}

fn tracker(relay: &Relay) -> Url {
    announce_url(relay, "ws").parse().unwrap()
}

fn same_film(left: &Peer, right: &Peer) -> bool {
    std::fs::read(left.client.path("film.bin")).unwrap() == std::fs::read(right.client.path("film.bin")).unwrap()
}

/// Both are known to both trackers, which hand each the offers of the other: whatever comes of it, they are one peer to
/// each other.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_met_at_two_trackers_is_one_peer() {
    let (first, second) = (start().await, start().await);
    let trackers = [tracker(&first), tracker(&second)];
    let (seed, seeded) = Peer::seed(Film::New(2 * MB), &trackers).await;
    for relay in [&first, &second] {
        until_load(relay, "peers", 1).await;
    }
    // Two that have everything part: at this pace there is time to see them together.
    seed.client.limit_upload(80_000);
    let (leech, wanted) = Peer::leech(&seeded, &trackers).await;
    let duplicates = || seed.stats(&seeded).duplicates + leech.stats(&wanted).duplicates;
    eventually("a second channel", || duplicates() > 0).await;
    let is_settled = |peer: &Peer, of: &Added| {
        let stats = peer.stats(of);
        (stats.opening, stats.channels, of.peers(), stats.trackers) == (0, 1, 1, 2)
    };
    eventually("one channel", || is_settled(&seed, &seeded) && is_settled(&leech, &wanted)).await;
    assert!(wanted.progress_bytes() < 2 * MB as u64, "the film is over too soon to tell");
    seed.client.limit_upload(0);
    limited("download", wanted.completed()).await;
    assert!(same_film(&seed, &leech));
    seed.stop().await;
    leech.stop().await;
}

/// Two torrents of one desktop take one connection, which ends when the last of them is removed.
#[tokio::test(flavor = "multi_thread")]
async fn two_torrents_take_one_connection() {
    let relay = start().await;
    let trackers = [tracker(&relay)];
    let (peer, first) = Peer::seed(Film::New(MB), &trackers).await;
    let second = peer.client.seed(&random_file(&peer.client.path("second.bin"), MB)).await;
    peer.hybrid.add(second.info_hash, trackers.to_vec(), second.facts());
    until_load(&relay, "torrents", 2).await;
    until_load(&relay, "peers", 2).await;
    assert_eq!(tracker_load(&relay).await["sockets"], 1);
    // Who comes meanwhile is counted before the next announce, two minutes later.
    eventually("this peer", || (peer.stats(&first).seeders, peer.stats(&first).leechers) == (1, 0)).await;
    let other = TrackerClient::new(TrackerClientConfig::default());
    let transfer = Transfer { left: Some(5), ..Transfer::default() };
    let (member, mut events) = other.join(&trackers[0], first.info_hash, transfer).unwrap();
    until(&mut events, "an announce to be due", |event| matches!(event, TrackerEvent::Due)).await;
    member.announce(transfer, Vec::new());
    eventually("a leecher", || peer.stats(&first).leechers == 1).await;
    other.shutdown().await;
    eventually("its end", || peer.stats(&first).leechers == 0).await;
    until_load(&relay, "sockets", 1).await;
    peer.hybrid.remove(first.info_hash);
    until_load(&relay, "peers", 1).await;
    assert_eq!(tracker_load(&relay).await["sockets"], 1);
    peer.hybrid.remove(second.info_hash);
    until_load(&relay, "sockets", 0).await;
    assert_eq!(tracker_load(&relay).await["peers"], 0);
    peer.stop().await;
}

/// Trackers that are not there, of rooms long gone, do not keep a torrent from the one that is.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_tracker_takes_the_place_of_one_that_is_gone() {
    let (relay, other) = (start().await, start().await);
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let many = |range: std::ops::Range<u32>| range.map(|n| format!("ws://{gone}/{n}").parse().unwrap());
    let (peer, film) = Peer::seed(Film::New(MB), &many(0..16).collect::<Vec<_>>()).await;
    let news = many(16..20).chain([tracker(&relay)]).collect();
    peer.hybrid.add(film.info_hash, news, film.facts());
    until_load(&relay, "peers", 1).await;
    // Who is there stays.
    let news = [tracker(&other)].into_iter().chain(many(20..40)).collect();
    peer.hybrid.add(film.info_hash, news, film.facts());
    until_load(&other, "peers", 1).await;
    eventually("both trackers", || peer.stats(&film).trackers == 2).await;
    assert_eq!(tracker_load(&relay).await["peers"], 1);
    peer.stop().await;
}

/// The download goes on while the tracker is away; when it is back, whoever came meanwhile is found by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_tracker_that_comes_back_brings_new_peers() {
    let relay = start().await;
    let trackers = [tracker(&relay)];
    let (slow, seeded) = Peer::seed(Film::New(3 * MB), &trackers).await;
    slow.client.limit_upload(64 << 10);
    let (leech, wanted) = Peer::leech(&seeded, &trackers).await;
    eventually("the first pieces", || wanted.progress_bytes() > 0).await;
    let listen = relay.local_addr();
    relay.shutdown().await;
    eventually("the tracker's end", || leech.stats(&wanted).trackers == 0).await;
    let before = wanted.progress_bytes();
    let (fast, _) = Peer::seed(Film::Of(&slow.client.path("film.bin")), &trackers).await;
    eventually("the download to go on", || wanted.progress_bytes() > before).await;
    assert_eq!(leech.stats(&wanted).channels, 1);

    let relay = Relay::start(RelayConfig { listen, ..config() }).await.unwrap();
    eventually("the new peer", || leech.stats(&wanted).channels == 2).await;
    limited("download", wanted.completed()).await;
    assert!(same_film(&slow, &leech));
    for peer in [slow, fast, leech] {
        peer.stop().await;
    }
    until_load(&relay, "sockets", 0).await;
}

/// A web server with TLS before a relay.
struct Front {
    url: Url,
    certificate: CertificateDer<'static>,
}

impl Front {
    async fn start(relay: &Relay) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let tls = builder.unwrap().with_no_client_auth().with_single_cert(vec![certificate.clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("wss://localhost:{}/announce", listener.local_addr().unwrap().port()).parse().unwrap();
        let behind = relay.local_addr();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // Fails where the certificate is not trusted.
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut behind = TcpStream::connect(behind).await.unwrap();
                    drop(copy_bidirectional(&mut stream, &mut behind).await);
                });
            }
        });
        Self { url, certificate }
    }

    /// What trusts it.
    fn tls(&self) -> Arc<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        Arc::new(builder.unwrap().with_root_certificates(roots).with_no_client_auth())
    }
}

async fn until(events: &mut TrackerEvents, what: &str, mut is_it: impl FnMut(&TrackerEvent) -> bool) {
    let seen = async { while !is_it(&events.next().await.expect("the client runs")) {} };
    limited(what, seen).await;
}

#[tokio::test]
async fn a_tracker_behind_tls_must_be_trusted() {
    let relay = start().await;
    let front = Front::start(&relay).await;
    let (hash, transfer) = (InfoHash([7; 20]), Transfer { left: Some(5), ..Transfer::default() });
    let stranger = TrackerClient::new(TrackerClientConfig::default());
    let (_member, mut events) = stranger.join(&front.url, hash, transfer).unwrap();
    let is_refused = |event: &TrackerEvent| matches!(event, TrackerEvent::Disconnected { cause, .. } if cause.to_string().contains("secure connection"));
    until(&mut events, "a refusal", is_refused).await;
    assert_eq!(tracker_load(&relay).await["sockets"], 0);

    let config = TrackerClientConfig { tls: Some(front.tls()), ..TrackerClientConfig::default() };
    let friend = TrackerClient::new(config);
    let (member, mut events) = friend.join(&front.url, hash, transfer).unwrap();
    until(&mut events, "an announce to be due", |event| matches!(event, TrackerEvent::Due)).await;
    member.announce(transfer, Vec::new());
    let is_announced =
        |event: &TrackerEvent| matches!(event, TrackerEvent::Announced(announced) if announced.incomplete == 1);
    until(&mut events, "numbers", is_announced).await;
    tokio::join!(stranger.shutdown(), friend.shutdown());
    until_load(&relay, "sockets", 0).await;
}
