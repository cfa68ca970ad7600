//! What a start reads of the disk.

use crate::common::{Peer, get, noise, write};
use crate::{bytes_read, turn};
use streamshare_streaming::State;

const LENGTH: usize = 64 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_checked_again_not_even_after_a_kill_as_it_was_handed_over() {
    let _turn = turn().await;
    let dir = tempfile::tempdir().unwrap();
    let seeder = Peer::start(&dir.path().join("seeder")).await;
    let bytes = noise(LENGTH, 7);
    let film = seeder.share(&write(&dir.path().join("film.mkv"), &bytes)).await.info_hash;
    let home = dir.path().join("viewer");
    let viewer = Peer::start(&home).await;
    viewer.add(seeder.magnet(film)).await;
    viewer.open(film, 0).await;
    viewer.wait_for(film, State::Seeding).await;
    seeder.engine.shutdown().await;
    viewer.engine.shutdown().await;
    drop((seeder, viewer));

    // librqbit looks at samples: some 9 of these 256 pieces.
    let start = async || {
        let before = bytes_read();
        let viewer = Peer::start(&home).await;
        viewer.wait_for(film, State::Seeding).await;
        let read = bytes_read() - before;
        assert!(read < LENGTH as u64 / 2, "{read} bytes were read");
        viewer
    };
    start().await.engine.shutdown().await;

    // As a kill leaves it behind that comes after it was removed from librqbit and before it was added again.
    let (session, passage) = (home.join("state/session"), home.join("state/holes"));
    for (from, to) in [("torrent", "torrent"), ("bitv", "have")] {
        std::fs::rename(session.join(format!("{film}.{from}")), passage.join(format!("{film}.{to}"))).unwrap();
    }
    let list = session.join("session.json");
    let mut known: serde_json::Value = serde_json::from_slice(&std::fs::read(&list).unwrap()).unwrap();
    let torrents = known["torrents"].as_object_mut().unwrap();
    assert_eq!(torrents.len(), 1);
    torrents.clear();
    std::fs::write(&list, known.to_string()).unwrap();
    let viewer = start().await;
    assert!(get(&viewer.open(film, 0).await, None).await.bytes().await.unwrap() == bytes);
    assert_eq!(std::fs::read_dir(&passage).unwrap().count(), 0);
    viewer.engine.shutdown().await;
}
