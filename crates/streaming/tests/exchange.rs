//! Torrents between two engines.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Peer, get, noise, write};
use streamshare_streaming::{FileKind, State};

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
