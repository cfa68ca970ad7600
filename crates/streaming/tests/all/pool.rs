//! Several peers of one torrent: who lies, who comes to us, and what a pause does.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::common::{Peer, Way, config, eventually, get, noise, seed, write};
use streamshare_streaming::{EngineConfig, Limits, Source, State};
use tokio::net::TcpStream;

fn slow(folder: &std::path::Path, bps: u32) -> EngineConfig {
    EngineConfig { limits: Limits { upload_bps: NonZeroU32::new(bps), ..Limits::default() }, ..config(folder) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_liar_is_shut_out_and_a_pause_shuts_nobody_out() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("seeder");
    let seeder = Peer::start_with(slow(&home, 3 << 20), &home).await;
    let film = noise(8 << 20, 21);
    let info = seeder.share(&write(&dir.path().join("film.mkv"), &film)).await;
    seeder.wait_for(info.info_hash, State::Seeding).await;
    let leecher = Peer::start(&dir.path().join("leecher")).await;
    let target = seeder.engine.peer_addr().unwrap();
    let (liar_addr, liar) = Way::start(target, true).await;
    let (one_addr, one) = Way::start(target, false).await;
    let (other_addr, other) = Way::start(target, false).await;
    let link = format!("magnet:?xt=urn:btih:{}&x.pe={liar_addr}&x.pe={one_addr}&x.pe={other_addr}", info.info_hash);
    leecher.add(Source::Link(link)).await;
    // Who was asked for the metadata was connected for that.
    let is_idle = |counts: &[[usize; 3]; 3]| counts.iter().all(|[opened, ended, _]| opened == ended);
    let asked = eventually(|| [&liar, &one, &other].map(|way| way.count()), is_idle).await;
    let url = leecher.open(info.info_hash, 0).await;
    let reading = tokio::spawn(async move { get(&url, None).await.bytes().await.unwrap() });

    eventually(|| liar.count(), |[_, ended, _]| *ended > asked[0][1]).await;
    let honest = || {
        [(&one, asked[1]), (&other, asked[2])].map(|(way, asked)| {
            let count = way.count();
            [count[0] - asked[0], count[1] - asked[1], count[2]]
        })
    };
    let before = honest();
    let have = leecher.engine.stats(info.info_hash).unwrap().have_bytes;
    assert!(have < film.len() as u64, "it was complete before the liar was found");
    assert!(before.iter().all(|[opened, ended, blocks]| *opened == 1 && *ended == 0 && *blocks > 0), "{before:?}");
    let lied = liar.count()[2];

    // Twice in a short time, in the middle of pieces.
    for round in [1, 2] {
        leecher.engine.pause(info.info_hash).await.unwrap();
        let cut = eventually(honest, |counts| counts.iter().all(|[_, ended, _]| *ended == round)).await;
        leecher.engine.resume(info.info_hash).await.unwrap();
        eventually(honest, |now| now[0][2] > cut[0][2] && now[1][2] > cut[1][2]).await;
    }
    assert!(reading.await.unwrap() == film);
    assert_eq!(liar.count()[2], lied, "it was asked again");
    leecher.engine.shutdown().await;
    seeder.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_comes_brings_blocks_as_who_is_connected_to() {
    let dir = tempfile::tempdir().unwrap();
    let maker = Peer::start(&dir.path().join("maker")).await;
    let film = Arc::new(noise(8 * (256 << 10), 22));
    let info = maker.share(&write(&dir.path().join("film.mkv"), &film)).await;
    assert_eq!(info.piece_count, 8);
    let metainfo = std::fs::read(dir.path().join(format!("maker/state/session/{}.torrent", info.info_hash))).unwrap();
    maker.engine.shutdown().await;

    let home = dir.path().join("leecher");
    let mut config = config(&home);
    config.network.utp = true;
    let leecher = Peer::start_with(config, &home).await;
    leecher.add(Source::Metainfo(metainfo.into())).await;
    let url = leecher.open(info.info_hash, 0).await;
    // Not before it takes peers.
    leecher.wait_for(info.info_hash, State::Downloading).await;
    let addr = leecher.engine.peer_addr().unwrap();
    let tcp = TcpStream::connect(addr).await.unwrap();
    let socket = librqbit_utp::UtpSocketUdp::new_udp("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let utp = socket.connect(addr).await.unwrap();
    let over_tcp = tokio::spawn(seed(tcp, info.clone(), film.clone(), Duration::from_millis(20)));
    let over_utp = tokio::spawn(seed(utp, info.clone(), film.clone(), Duration::from_millis(20)));
    assert!(get(&url, None).await.bytes().await.unwrap() == film[..]);
    leecher.wait_for(info.info_hash, State::Seeding).await;
    let given = [over_tcp.await.unwrap(), over_utp.await.unwrap()];
    // librqbit alone asks one peer for all of a piece.
    let shared = given[0].intersection(&given[1]).count();
    assert!(shared > 2, "{given:?}");
    leecher.engine.shutdown().await;
}
