//! Limits, and what the user does to torrents.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::common::libtorrent::Foreign;
use crate::common::{Peer, config, eventually, get, noise, write};
use streamshare_streaming::{EngineConfig, Keeping, Limits, Source, State};

const MIB: usize = 1 << 20;

fn limited(folder: &Path, limits: Limits) -> EngineConfig {
    EngineConfig { limits, ..config(folder) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn limits_hold_and_give_way() {
    let dir = tempfile::tempdir().unwrap();
    // Below what librqbit can stand: it is taken for the least that works.
    let slow = Limits { upload_bps: NonZeroU32::new(1), ..Limits::default() };
    let seeder = Peer::start_with(limited(&dir.path().join("seeder"), slow), &dir.path().join("seeder")).await;
    let path = write(&dir.path().join("film.mkv"), &noise(2 * MIB, 7));
    let film = seeder.share(&path).await.info_hash;
    let home = dir.path().join("viewer");
    let viewer = Peer::start(&home).await;
    viewer.add(seeder.magnet(film)).await;
    viewer.open(film, 0).await;
    let uploaded = || seeder.engine.account(film).unwrap().uploaded_bytes;
    eventually(uploaded, |bytes| *bytes > 0).await;
    assert!(viewer.engine.stats(film).unwrap().have_bytes < 2 * MIB as u64, "it came at once");

    // Paused, nothing goes on; without limits it does.
    viewer.engine.pause_all().await;
    viewer.wait_for(film, State::Paused).await;
    seeder.engine.set_limits(Limits::default());
    viewer.engine.resume_all().await;
    viewer.wait_for(film, State::Seeding).await;
    eventually(uploaded, |bytes| *bytes >= 2 * MIB as u64).await;

    // Who has given enough pauses, but for files of the user's own, and until the user insists.
    let none = Limits { seed_ratio: Some(0.0), ..Limits::default() };
    viewer.engine.set_limits(none);
    seeder.engine.set_limits(none);
    viewer.wait_for(film, State::Paused).await;
    viewer.engine.resume(film).await.unwrap();
    viewer.wait_for(film, State::Seeding).await;
    assert_eq!(seeder.engine.stats(film).unwrap().state, State::Seeding);

    // The same for who has given as much as it has, and for who has had it for long enough.
    let once = Limits { seed_ratio: Some(1.0), ..Limits::default() };
    let given_by_viewer = || viewer.engine.account(film).unwrap().uploaded_bytes;
    viewer.engine.set_limits(once);
    viewer.engine.pause(film).await.unwrap();
    viewer.engine.resume_all().await;
    viewer.wait_for(film, State::Seeding).await;
    let third = Peer::start(&dir.path().join("third")).await;
    third.add(viewer.magnet(film)).await;
    third.open(film, 0).await;
    viewer.wait_for(film, State::Paused).await;
    assert!(given_by_viewer() >= 2 * MIB as u64, "after {}", given_by_viewer());
    let second = Limits { seed_time: Some(Duration::from_secs(1)), ..Limits::default() };
    third.wait_for(film, State::Seeding).await;
    third.engine.set_limits(second);
    third.wait_for(film, State::Paused).await;
    assert!(third.engine.account(film).unwrap().seeded >= Duration::from_secs(1));
    viewer.engine.set_limits(none);

    // The account outlives the engine; deleting spares what is the user's own.
    let account = viewer.engine.account(film).unwrap();
    assert_eq!((account.keeping, seeder.engine.account(film).unwrap().keeping), (Keeping::Cached, Keeping::Own));
    eventually(|| viewer.engine.account(film).unwrap().disk_bytes, |bytes| *bytes == 2 * MIB as u64).await;
    viewer.engine.set_kept(film, true).await.unwrap();
    let given = uploaded();
    seeder.engine.shutdown().await;
    let seeder = Peer::start(&dir.path().join("seeder")).await;
    assert!(seeder.engine.account(film).unwrap().uploaded_bytes >= given);
    seeder.engine.remove(film, true).await.unwrap();
    assert!(path.exists());
    let files =
        || -> Vec<PathBuf> { std::fs::read_dir(home.join("downloads")).unwrap().map(|e| e.unwrap().path()).collect() };
    assert_eq!(files().len(), 1);
    viewer.engine.shutdown().await;
    let viewer = Peer::start(&home).await;
    assert_eq!(viewer.engine.account(film).unwrap().keeping, Keeping::Kept);
    viewer.engine.remove(film, true).await.unwrap();
    assert_eq!(files(), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn few_peers_are_enough() {
    let dir = tempfile::tempdir().unwrap();
    let maker = Peer::start(&dir.path().join("maker")).await;
    let bytes = noise(3 * MIB, 7);
    let film = maker.share(&write(&dir.path().join("film.mkv"), &bytes)).await.info_hash;
    maker.engine.shutdown().await;
    let torrent = dir.path().join(format!("maker/state/session/{film}.torrent"));
    let seeders = [(); 2].map(|()| Foreign::seed(&torrent, dir.path()));
    // Nobody listens there.
    let dead = [(); 6].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
    let ports = dead.into_iter().chain(seeders.iter().map(|(_, port)| *port));
    let peers: String = ports.map(|port| format!("&x.pe=127.0.0.1:{port}")).collect();
    // One peer at a time, and not so fast.
    const SPEED: u32 = 2 << 20;
    let limits = Limits { peers: NonZeroU32::new(1), download_bps: NonZeroU32::new(SPEED), ..Limits::default() };
    let home = dir.path().join("viewer");
    let viewer = Peer::start_with(limited(&home, limits), &home).await;
    // What a player will need is fetched before it asks.
    let begun = std::time::Instant::now();
    viewer.add(Source::Link(format!("magnet:?xt=urn:btih:{film}{peers}"))).await;
    let url = viewer.open(film, 0).await;
    let mut answer = get(&url, None).await;
    let mut got = Vec::new();
    while let Some(chunk) = answer.chunk().await.unwrap() {
        got.extend_from_slice(&chunk);
        // One that has just gone may be listed beside the next one for a moment.
        eventually(|| viewer.engine.peers(film).len(), |connected| *connected <= 1).await;
    }
    assert!(got == bytes);
    // librqbit lets a second's worth through at once.
    let least = (bytes.len() as f64 - f64::from(SPEED)) / f64::from(SPEED);
    assert!(begun.elapsed().as_secs_f64() > least * 0.9, "after {:?}", begun.elapsed());
}
