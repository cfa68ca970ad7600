//! Adding: what is refused, cancelled or late, and with which words.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::common::{Peer, config, noise, write};
use streamshare_streaming::{AddError, CancellationToken, EngineConfig, Progress, Source, State, TorrentInfo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn refused(peer: &Peer, source: Source) -> AddError {
    peer.engine.add(source, CancellationToken::new(), |_| {}).await.unwrap_err()
}

/// A `.torrent` that an engine made.
async fn metainfo(folder: &Path, name: &str, length: usize) -> (TorrentInfo, Vec<u8>) {
    let maker = Peer::start(&folder.join("maker")).await;
    let info = maker.share(&write(&folder.join(name), &noise(length, 5))).await;
    let bytes = std::fs::read(folder.join(format!("maker/state/session/{}.torrent", info.info_hash))).unwrap();
    maker.engine.shutdown().await;
    (info, bytes)
}

/// A web server that gives one answer to every request.
async fn web(answer: Vec<u8>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(&answer).await;
            });
        }
    });
    format!("http://{addr}/x.torrent")
}

fn http(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_cannot_be_added_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let peer = Peer::start(&dir.path().join("peer")).await;
    let hash = "08ada5a7a6183aae1e09d831df6748d566095a10";
    let text = write(&dir.path().join("notes.txt"), b"hello");
    let empty = write(&dir.path().join("empty.mp4"), b"");
    write(&dir.path().join("folder/notes.txt"), b"hello");
    let broken = write(&dir.path().join("broken.torrent"), b"hello");
    for (source, expected) in [
        (Source::Link("hello".into()), "this is not a torrent: it is no magnet link, info hash or web address"),
        (Source::Link("magnet:?xt=urn:btih:0".into()), "this magnet link is invalid: its info hash is broken"),
        (
            Source::Link(hash.into()),
            "cannot fetch the torrent: the link names no tracker or peer, and peers cannot be searched for",
        ),
        (Source::Metainfo(b"".as_slice().into()), "this is not a torrent: the file does not begin like one"),
        (Source::Metainfo(b"d4:infodee".as_slice().into()), "this torrent is invalid: it has no piece hashes"),
        (Source::Path(broken), "this is not a torrent: the file does not begin like one"),
        (Source::Path(text), "there is no video or audio file in notes.txt"),
        (Source::Path(dir.path().join("folder")), "there is no video or audio file in folder"),
        (Source::Path(empty.clone()), &format!("cannot use {}: it is empty", empty.display())),
        (Source::Path("/no/such/film.mkv".into()), "cannot use /no/such/film.mkv: it does not exist"),
        (Source::Path("/no/such.torrent".into()), "cannot use /no/such.torrent: it does not exist"),
        (Source::Path("/".into()), "this is not a torrent: a whole drive cannot be shared"),
    ] {
        assert_eq!(refused(&peer, source.clone()).await.to_string(), expected, "{source:?}");
    }
    assert_eq!(peer.engine.list(), []);
    peer.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_torrent_from_the_web() {
    let dir = tempfile::tempdir().unwrap();
    let (info, bytes) = metainfo(dir.path(), "film.mp4", 300_000).await;
    let folder = dir.path().join("peer");
    let peer =
        Peer::start_with(EngineConfig { fetch_timeout: Duration::from_secs(3), ..config(&folder) }, &folder).await;
    assert_eq!(peer.add(Source::Link(web(http("200 OK", &bytes)).await)).await, info);
    let good = web(http("200 OK", &bytes)).await;
    let redirect = format!("HTTP/1.1 302 Found\r\nLocation: {good}\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(peer.add(Source::Link(web(redirect.into_bytes()).await)).await, info);
    let huge = [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".as_slice(), &vec![b'd'; 11 << 20]].concat();
    for (answer, expected) in [
        (http("404 Not Found", b""), "cannot fetch the torrent: the server answered 404 Not Found"),
        (
            http("200 OK", b"<!doctype html>"),
            "this is not a torrent: the address gives something else, perhaps a web page",
        ),
        (http("200 OK", b""), "this is not a torrent: the address gives nothing"),
        (huge, "this is not a torrent: what the address gives is larger than 10 MB"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nd".to_vec(), "cannot fetch the torrent: "),
        (http("302 Found\r\nLocation: file:///etc/passwd", b""), "cannot fetch the torrent: "),
    ] {
        let error = refused(&peer, Source::Link(web(answer).await)).await.to_string();
        assert!(error.starts_with(expected), "{error}, not {expected}");
    }
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = refused(&peer, Source::Link(format!("http://{}/", silent.local_addr().unwrap()))).await;
    assert!(
        matches!(&error, AddError::TimedOut(reason) if reason == "127.0.0.1 did not answer within 3 s"),
        "{error:?}"
    );
    let addr = silent.local_addr().unwrap();
    drop(silent);
    assert!(matches!(refused(&peer, Source::Link(format!("http://{addr}/"))).await, AddError::Network(_)));
    peer.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_magnet_link_that_no_one_answers() {
    let dir = tempfile::tempdir().unwrap();
    let config = EngineConfig { metadata_timeout: Duration::from_secs(1), ..config(dir.path()) };
    let peer = Peer::start_with(config, dir.path()).await;
    // One peer refuses, one is silent.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = format!("magnet:?xt=urn:btih:{}&x.pe=127.0.0.1:1&x.pe={}", "1".repeat(40), silent.local_addr().unwrap());
    for peers in [link.clone(), link.replace(&silent.local_addr().unwrap().to_string(), "127.0.0.1:2")] {
        let start = Instant::now();
        let error = refused(&peer, Source::Link(peers)).await;
        assert!(
            matches!(&error, AddError::TimedOut(reason) if reason == "no peer gave the torrent's metadata within 1 s"),
            "{error:?}"
        );
        assert!(start.elapsed() < Duration::from_secs(10));
    }
    let cancel = CancellationToken::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let add = peer.engine.add(Source::Link(link), cancel.clone(), {
        let (cancel, seen) = (cancel.clone(), seen.clone());
        move |progress| {
            seen.lock().unwrap().push(progress);
            cancel.cancel();
        }
    });
    assert!(matches!(add.await, Err(AddError::Cancelled)));
    assert_eq!(*seen.lock().unwrap(), [Progress::FindingMetadata]);
    peer.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hashing_tells_its_progress_and_can_be_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let peer = Peer::start(&dir.path().join("peer")).await;
    let path = write(&dir.path().join("film.mp4"), &noise(20 << 20, 6));
    let cancel = CancellationToken::new();
    let add = peer.engine.add(Source::Path(path.clone()), cancel.clone(), move |progress| {
        if matches!(progress, Progress::Hashing { done, .. } if done > 0) {
            cancel.cancel();
        }
    });
    assert!(matches!(add.await, Err(AddError::Cancelled)));
    assert_eq!(peer.engine.list(), []);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let report = seen.clone();
    let info = peer
        .engine
        .add(Source::Path(path), CancellationToken::new(), move |progress| report.lock().unwrap().push(progress))
        .await;
    let total = 20 << 20;
    let hashing = [0, 8 << 20, 16 << 20, total].map(|done| Progress::Hashing { done, total });
    assert_eq!(*seen.lock().unwrap(), [&hashing[..], &[Progress::Adding]].concat());
    peer.wait_for(info.unwrap().info_hash, State::Seeding).await;
    peer.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_torrents_of_one_name_keep_apart_and_users_files_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (first, one) = metainfo(&dir.path().join("1"), "film.mp4", 300_000).await;
    let (second, two) = metainfo(&dir.path().join("2"), "film.mp4", 300_001).await;
    assert_ne!(first.info_hash, second.info_hash);
    let peer = Peer::start(&dir.path().join("peer")).await;
    let downloads = dir.path().join("peer/downloads");
    for bytes in [&one, &two] {
        peer.add(Source::Metainfo(bytes.clone().into())).await;
    }
    let apart = downloads.join(format!("film ({})", &second.info_hash.to_string()[..8]));
    assert!(downloads.join("film/film.mp4").exists() && apart.join("film.mp4").exists());
    // Removed without its files and added again: the same folder. With them: nothing is left.
    peer.engine.remove(first.info_hash, false).await.unwrap();
    peer.add(Source::Metainfo(one.clone().into())).await;
    peer.engine.remove(first.info_hash, true).await.unwrap();
    peer.engine.remove(second.info_hash, true).await.unwrap();
    assert_eq!(std::fs::read_dir(&downloads).unwrap().count(), 0);
    // Something of the user's lies there.
    let own = write(&downloads.join("film/film.mp4"), b"mine");
    peer.add(Source::Metainfo(one.into())).await;
    assert_eq!(std::fs::read(own).unwrap(), b"mine");
    peer.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_changed_film_is_shared_anew_and_never_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("peer");
    let path = write(&dir.path().join("film.mp4"), &noise(400_000, 7));
    let mut permissions = std::fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).unwrap();
    let peer = Peer::start(&folder).await;
    let old = peer.share(&path).await;
    peer.wait_for(old.info_hash, State::Seeding).await;
    peer.engine.shutdown().await;
    // Edited while the program was not running, to another length.
    std::fs::remove_file(&path).unwrap();
    let edited = noise(500_000, 8);
    write(&path, &edited);
    let peer = Peer::start(&folder).await;
    assert_eq!(peer.engine.list(), std::slice::from_ref(&old));
    peer.wait_for(old.info_hash, State::Failed("film.mp4 has changed since it was shared".into())).await;
    let new = peer.share(&path).await;
    assert_ne!(new.info_hash, old.info_hash);
    peer.wait_for(new.info_hash, State::Seeding).await;
    assert!(std::fs::read(&path).unwrap() == edited);
    // Moved, then dropped again from where it is now.
    let moved = dir.path().join("else/film.mp4");
    std::fs::create_dir(moved.parent().unwrap()).unwrap();
    std::fs::rename(&path, &moved).unwrap();
    assert_eq!(peer.share(&moved).await, new);
    peer.wait_for(new.info_hash, State::Seeding).await;
    let url = peer.open(new.info_hash, 0).await;
    assert!(crate::common::get(&url, None).await.bytes().await.unwrap() == edited);
    peer.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn broken_state_files_do_not_keep_it_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("state/session/session.json"), b"{\"torrents\":{");
    write(&dir.path().join("state/torrents.json"), b"");
    let peer = Peer::start(dir.path()).await;
    assert_eq!(peer.engine.list(), []);
    assert!(
        dir.path().join("state/session/session.broken").exists() && dir.path().join("state/torrents.broken").exists()
    );
    peer.engine.shutdown().await;
}
