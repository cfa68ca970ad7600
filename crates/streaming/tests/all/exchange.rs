//! Torrents between two engines.

use std::time::{Duration, Instant};

use crate::common::{Gate, Mode, Peer, config, eventually, get, noise, write};
use streamshare_streaming::{FileKind, InfoHash, LivePeer, NetworkConfig, Source, State, Transport};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_shared_file_streams_to_another_engine_and_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let film = noise(5 * 256 * 1024 + 12345, 1);
    let path = write(&dir.path().join("films/Ein schöner Film.mp4"), &film);
    let seeder = Peer::start(&dir.path().join("seeder")).await;
    let info = seeder.share(&path).await;
    assert_eq!(info.name, "Ein schöner Film.mp4");
    assert_eq!((info.files.len(), info.files[0].kind, info.playable()), (1, FileKind::Video, vec![0]));
    seeder.wait_for(info.info_hash, State::Seeding).await;

    let leecher = Peer::start(&dir.path().join("leecher")).await;
    let found = leecher.add(seeder.magnet(info.info_hash)).await;
    assert_eq!(found, info);
    leecher.wait_for(info.info_hash, State::Paused).await;
    let url = leecher.open(info.info_hash, 0).await;
    assert!(url.starts_with("http://127.0.0.1:") && url.ends_with("/0/Ein%20sch%C3%B6ner%20Film.mp4"));
    let part = get(&url, Some("bytes=1300000-1300099")).await;
    assert_eq!(part.status(), 206);
    assert_eq!(part.bytes().await.unwrap(), film[1_300_000..1_300_100]);
    let whole = get(&url, None).await;
    assert_eq!(whole.status(), 200);
    assert!(whole.bytes().await.unwrap() == film);
    leecher.wait_for(info.info_hash, State::Seeding).await;
    let stats = leecher.engine.stats(info.info_hash).unwrap();
    assert_eq!((stats.have_bytes, stats.total_bytes), (film.len() as u64, film.len() as u64));

    // Adding again changes nothing.
    assert_eq!(leecher.add(seeder.magnet(info.info_hash)).await, info);
    assert_eq!(seeder.share(&path).await, info);

    seeder.engine.shutdown().await;
    leecher.engine.shutdown().await;
    for folder in ["seeder", "leecher"] {
        let again = Peer::start(&dir.path().join(folder)).await;
        assert_eq!(again.engine.list(), std::slice::from_ref(&info));
        again.wait_for(info.info_hash, State::Seeding).await;
        let url = again.open(info.info_hash, 0).await;
        assert!(get(&url, None).await.bytes().await.unwrap() == film);
        again.engine.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn only_opened_files_are_downloaded_and_a_kill_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let show = dir.path().join("Show");
    let episodes = [1, 2, 10].map(|number| (format!("E{number}.mkv"), noise(600_000, number)));
    for (name, bytes) in &episodes {
        write(&show.join(name), bytes);
    }
    let seeder = Peer::start(&dir.path().join("seeder")).await;
    let info = seeder.share(&show).await;
    assert_eq!(
        info.playable().iter().map(|index| &*info.files[*index].path).collect::<Vec<_>>(),
        ["E1.mkv", "E2.mkv", "E10.mkv"]
    );
    let index = info.playable()[1];
    let source = seeder.magnet(info.info_hash);
    let folder = dir.path().join("leecher");
    // A runtime that is gone without a goodbye, as a killed process is.
    let killed = std::thread::spawn({
        let (folder, hash, source) = (folder.clone(), info.info_hash, source.clone());
        move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            let stats = runtime.block_on(async {
                let leecher = Peer::start(&folder).await;
                leecher.add(source).await;
                // While librqbit still checks, a selection is an error to it.
                leecher.open(hash, index).await;
                leecher.open(hash, index).await;
                leecher.wait_for(hash, State::Seeding).await;
                let stats = leecher.engine.stats(hash).unwrap();
                std::mem::forget(leecher);
                stats
            });
            runtime.shutdown_background();
            stats
        }
    });
    let stats = tokio::task::spawn_blocking(|| killed.join().unwrap()).await.unwrap();
    let (wanted, total) = (600_000, 1_800_000);
    assert!((wanted..total).contains(&stats.have_bytes) && stats.total_bytes == total, "{stats:?}");
    seeder.engine.shutdown().await;

    let again = Peer::start(&folder).await;
    again.wait_for(info.info_hash, State::Seeding).await;
    let url = again.open(info.info_hash, index).await;
    assert!(get(&url, None).await.bytes().await.unwrap() == episodes[1].1);
    assert_eq!(again.engine.stats(info.info_hash).unwrap().have_bytes, stats.have_bytes);
    again.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn bytes_come_while_it_downloads_and_soon_after_a_peer_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let film = noise(4 << 20, 12);
    let seeder = Peer::start(&dir.path().join("seeder")).await;
    let info = seeder.share(&write(&dir.path().join("film.mkv"), &film)).await;
    let gate = Gate::start(seeder.engine.peer_addr().unwrap()).await;
    let leecher = Peer::start(&dir.path().join("leecher")).await;
    leecher.add(Source::Link(format!("magnet:?xt=urn:btih:{}&x.pe={}", info.info_hash, gate.addr))).await;
    gate.set(Mode::Refuse);
    let url = leecher.open(info.info_hash, 0).await;
    let tail = tokio::spawn({
        let url = url.clone();
        async move { get(&url, Some("bytes=-1000")).await.bytes().await.unwrap() }
    });
    let stats = || leecher.engine.stats(info.info_hash).unwrap();
    let is_alone = || leecher.engine.peers(info.info_hash).is_empty();
    eventually(stats, |stats| stats.state == State::Downloading && stats.peers_known > 0 && is_alone()).await;
    // librqbit alone would wait for 10 s or more.
    let back = Instant::now();
    gate.set(Mode::Open);
    assert!(tail.await.unwrap() == film[film.len() - 1000..]);
    assert!(back.elapsed() < Duration::from_secs(6), "{:?}", back.elapsed());
    assert!(get(&url, Some("bytes=2000000-2999999")).await.bytes().await.unwrap() == film[2_000_000..3_000_000]);
    leecher.wait_for(info.info_hash, State::Seeding).await;
    seeder.engine.shutdown().await;
    leecher.engine.shutdown().await;
}

/// A handshake (BEP 3) and the other side's: then both sides take each other for peers.
async fn shake_hands(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), info_hash: InfoHash, name: &[u8; 20]) {
    let hello = [b"\x13BitTorrent protocol", &[0; 8][..], &info_hash.0, name].concat();
    stream.write_all(&hello).await.unwrap();
    stream.read_exact(&mut [0; 68]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn peers_are_told_by_how_they_are_connected() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.network = NetworkConfig { utp: true, ..NetworkConfig::isolated() };
    let seeder = Peer::start_with(config, dir.path()).await;
    let info = seeder.share(&write(&dir.path().join("film.mkv"), &noise(100_000, 3))).await;
    seeder.wait_for(info.info_hash, State::Seeding).await;
    assert_eq!(seeder.engine.peers(info.info_hash), []);
    let addr = seeder.engine.peer_addr().unwrap();
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    shake_hands(&mut tcp, info.info_hash, b"-XX0001-over-tcp-...").await;
    let socket = librqbit_utp::UtpSocketUdp::new_udp("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let mut utp = socket.connect(addr).await.unwrap();
    shake_hands(&mut utp, info.info_hash, b"-XX0001-over-utp-...").await;
    let mut wanted = vec![
        LivePeer { addr: tcp.local_addr().unwrap(), transport: Transport::Tcp },
        LivePeer { addr: socket.bind_addr(), transport: Transport::Utp },
    ];
    wanted.sort_by_key(|peer| peer.addr);
    let peers = || {
        let mut peers = seeder.engine.peers(info.info_hash);
        peers.sort_by_key(|peer| peer.addr);
        peers
    };
    eventually(peers, |peers| *peers == wanted).await;
    drop(tcp);
    eventually(peers, |peers| matches!(peers[..], [LivePeer { transport: Transport::Utp, .. }])).await;
    seeder.engine.shutdown().await;
}
