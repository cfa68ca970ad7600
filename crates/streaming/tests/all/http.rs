//! The media server as a player and as an attacker sees it.

use std::time::{Duration, Instant};

use crate::common::{Gate, Mode, Peer, config, get, noise, write};
use streamshare_streaming::{CancellationToken, Source, State, TorrentInfo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }
}

/// Sends bytes as they are and reads until the server closes; `None` if it closed without an answer.
async fn raw(addr: &str, request: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    // A reset is a way of closing.
    let _ =
        tokio::time::timeout(crate::common::DEADLINE, stream.read_to_end(&mut bytes)).await.expect("the server closes");
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    Some(Answer { status, headers, body: bytes[end + 4..].to_vec() })
}

struct Site {
    peer: Peer,
    addr: String,
    path: String,
    info: TorrentInfo,
    film: Vec<u8>,
    _dir: tempfile::TempDir,
}

impl Site {
    async fn start() -> Self {
        Self::of("film.mp4", noise(700_000, 3)).await
    }

    async fn of(name: &str, film: Vec<u8>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = write(&dir.path().join(name), &film);
        let peer = Peer::start(dir.path()).await;
        let info = peer.share(&path).await;
        let url = peer.open(info.info_hash, 0).await;
        peer.wait_for(info.info_hash, State::Seeding).await;
        let (addr, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        Self { addr: addr.into(), path: format!("/{path}"), peer, info, film, _dir: dir }
    }

    async fn ask(&self, method: &str, path: &str, headers: &str) -> Option<Answer> {
        raw(
            &self.addr,
            &format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\r\n", self.addr),
        )
        .await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ranges_over_http() {
    let site = Site::start().await;
    let etag = format!("\"{}-0\"", site.info.info_hash);
    let len = site.film.len();
    for (headers, status, first, last) in [
        ("", 200, 0, len - 1),
        ("Range: bytes=0-1\r\n", 206, 0, 1),
        ("Range: bytes=262143-262144\r\n", 206, 262_143, 262_144),
        ("Range: bytes=500000-\r\n", 206, 500_000, len - 1),
        ("Range: bytes=-7\r\n", 206, len - 7, len - 1),
        ("Range: bytes=699999-9999999\r\n", 206, len - 1, len - 1),
        ("Range: bytes=5-4\r\n", 200, 0, len - 1),
        ("Range: bytes=0-1,4-5\r\n", 200, 0, len - 1),
        (&format!("Range: bytes=1-2\r\nIf-Range: {etag}\r\n"), 206, 1, 2),
        ("Range: bytes=1-2\r\nIf-Range: \"other\"\r\n", 200, 0, len - 1),
        (&format!("Range: bytes=1-2\r\nIf-Range: W/{etag}\r\n"), 200, 0, len - 1),
        (&format!("Range: bytes=1-2\r\nIf-Range: {etag}\r\nIf-Range: {etag}\r\n"), 200, 0, len - 1),
        ("Range: bytes=1-2\r\nIf-Range: Wed, 21 Oct 2015 07:28:00 GMT\r\n", 200, 0, len - 1),
        ("If-Range: \"other\"\r\n", 200, 0, len - 1),
        ("Range: bytes=-9999999\r\n", 206, 0, len - 1),
        ("Range:   bytes= 1-2 ,\t\r\n", 206, 1, 2),
        ("Range: bytes =1-2\r\n", 200, 0, len - 1),
        ("Range: bytes=1-99999999999999999999999999\r\n", 206, 1, len - 1),
        ("Range: bytes=-99999999999999999999999999\r\n", 206, 0, len - 1),
        ("Range: seconds=1-2\r\n", 200, 0, len - 1),
        ("Range: bytes=1-2\r\nRange: bytes=3-4\r\n", 200, 0, len - 1),
        ("Range: bytes=0-0,-1\r\n", 200, 0, len - 1),
        ("If-None-Match: \"other\", W/\"another\"\r\nRange: bytes=1-2\r\n", 206, 1, 2),
        (&format!("If-Match: \"other\", {etag}\r\nRange: bytes=1-2\r\n"), 206, 1, 2),
        ("If-Modified-Since: Wed, 21 Oct 2099 07:28:00 GMT\r\n", 200, 0, len - 1),
    ] {
        let answer = site.ask("GET", &site.path, headers).await.unwrap();
        assert_eq!(answer.status, status, "{headers}");
        assert!(answer.body == site.film[first..=last], "{headers}");
        assert_eq!(answer.header("content-length"), Some(&*(last - first + 1).to_string()), "{headers}");
        let range = (status == 206).then(|| format!("bytes {first}-{last}/{len}"));
        assert_eq!(answer.header("content-range"), range.as_deref(), "{headers}");
        assert_eq!(answer.header("content-type"), Some("video/mp4"));
        assert_eq!(answer.header("accept-ranges"), Some("bytes"));
        assert_eq!(answer.header("etag"), Some(&*etag));
        assert_eq!(answer.header("transfer-encoding"), None);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("vary"), Some("origin"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    for range in ["700000-", "700000-700001", "99999999999999999999999999-", "-0"] {
        let past = site.ask("GET", &site.path, &format!("Range: bytes={range}\r\n")).await.unwrap();
        assert_eq!((past.status, past.header("content-range"), past.body.len()), (416, Some("bytes */700000"), 0));
        assert_eq!(past.header("content-length"), Some("0"), "{range}");
    }
    for range in ["", "Range: bytes=1-2\r\n", "Range: bytes=700000-\r\n", "Range: bytes=0-1\r\nIf-Range: \"other\"\r\n"]
    {
        let head = site.ask("HEAD", &site.path, range).await.unwrap();
        assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, Some("700000"), 0));
        assert_eq!((head.header("content-range"), head.header("accept-ranges")), (None, Some("bytes")));
    }
    for method in ["GET", "HEAD"] {
        for (headers, status) in [
            (format!("If-None-Match: {etag}\r\n"), 304),
            (format!("If-None-Match: \"other\"\r\nIf-None-Match: W/{etag}\r\nRange: bytes=1-2\r\n"), 304),
            ("If-None-Match: *\r\n".to_owned(), 304),
            ("If-Match: \"other\"\r\n".to_owned(), 412),
            (format!("If-Match: W/{etag}\r\nIf-None-Match: {etag}\r\n"), 412),
        ] {
            let answer = site.ask(method, &site.path, &headers).await.unwrap();
            assert_eq!((answer.status, answer.body.len()), (status, 0), "{headers}");
            assert_eq!(answer.header("etag"), (status == 304).then_some(&*etag), "{headers}");
            assert_eq!(answer.header("vary"), Some("origin"));
        }
    }
    site.peer.engine.shutdown().await;
}

/// An element of Matroska (RFC 8794, section 6): its id, its length in eight bytes, and what it holds.
fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
    [id, &((1 << 56) | content.len() as u64).to_be_bytes(), content].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_player_gets_no_subtitles_of_matroska() {
    let track = |number: u8, kind: u8, codec: &[u8]| {
        let fields = [element(&[0xd7], &[number]), element(&[0x83], &[kind]), element(&[0x86], codec)];
        element(&[0xae], &fields.concat())
    };
    let (video, pictures, text) = (track(1, 1, b"V_VP8"), track(2, 17, b"S_HDMV/PGS"), track(3, 17, b"S_TEXT/UTF8"));
    let entries = [element(&[0xbf], &[0; 4]), video.clone(), pictures.clone(), text].concat();
    let tracks = element(&[0x16, 0x54, 0xae, 0x6b], &entries);
    let cluster = element(&[0x1f, 0x43, 0xb6, 0x75], &noise(700_000, 5));
    // Lists that come late are named before the first cluster, by their distance from the segment's content.
    let seek = |at: u64| {
        let seek = [element(&[0x53, 0xab], &[0x16, 0x54, 0xae, 0x6b]), element(&[0x53, 0xac], &at.to_be_bytes())];
        element(&[0x11, 0x4d, 0x9b, 0x74], &element(&[0x4d, 0xbb], &seek.concat()))
    };
    let late = seek((seek(0).len() + cluster.len()) as u64);
    for (parts, tracks_at) in
        [(vec![&tracks, &cluster], 0), (vec![&late, &cluster, &tracks], late.len() + cluster.len())]
    {
        let head = element(&[0x1a, 0x45, 0xdf, 0xa3], &element(&[0x42, 0x82], b"matroska"));
        let segment: Vec<u8> = parts.into_iter().flatten().copied().collect();
        let film = [head.clone(), element(&[0x18, 0x53, 0x80, 0x67], &segment)].concat();
        let checksum = head.len() + 12 + tracks_at + 12;
        let first = checksum + 13 + video.len();
        let mut hidden = film.clone();
        for (at, id) in [(checksum, 0xbf), (first, 0xae), (first + pictures.len(), 0xae)] {
            assert_eq!(std::mem::replace(&mut hidden[at], 0xec), id);
        }

        let site = Site::of("film.mkv", film).await;
        let player = format!("{}?player", site.path);
        for (from, last) in
            [(0, hidden.len() - 1), (first, first), (first - 1, first + 1), (first + 1, hidden.len() - 1)]
        {
            let range = format!("Range: bytes={from}-{last}\r\n");
            for (path, wanted) in [(&player, &hidden), (&site.path, &site.film), (&format!("{player}x"), &site.film)] {
                let answer = site.ask("GET", path, &range).await.unwrap();
                assert!(answer.status == 206 && answer.body == wanted[from..=last], "{path} {range}");
            }
        }
        let [whole, plain] = [&player, &site.path].map(|path| site.ask("HEAD", path, ""));
        assert_eq!(whole.await.unwrap().headers, plain.await.unwrap().headers);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn strangers_get_nothing() {
    let site = Site::start().await;
    let port = site.addr.rsplit_once(':').unwrap().1;
    let (path, addr) = (&site.path, &site.addr);
    // A host that is not exactly this one: closed without an answer.
    for request in [
        format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"),
        format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"),
        format!("GET {path} HTTP/1.1\r\nHost: evil.example:{port}\r\n\r\n"),
        format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nHost: {addr}\r\n\r\n"),
        format!("GET {path} HTTP/1.1\r\nHost: {addr}.\r\n\r\n"),
        format!("GET {path} HTTP/1.1\r\n\r\n"),
        format!("GET {path} HTTP/1.0\r\n\r\n"),
        format!("GET http://{addr}{path} HTTP/1.1\r\nHost: {addr}\r\n\r\n"),
        format!("CONNECT {addr} HTTP/1.1\r\nHost: {addr}\r\n\r\n"),
    ] {
        assert!(raw(addr, &request).await.is_none(), "{request}");
    }
    // Paths without the token, or to what is not there.
    let (token, rest) = path[1..].split_once('/').unwrap();
    let hash = site.info.info_hash;
    for path in [
        "/".to_owned(),
        format!("/{rest}"),
        format!("/{}/{rest}", "0".repeat(32)),
        format!("/{}/{rest}", &token[..31]),
        format!("/{}/{rest}", token.to_uppercase().replace(|c: char| c.is_ascii_digit(), "A")),
        format!("/{token}x/{rest}"),
        format!("//{token}/{rest}"),
        format!("/{token}"),
        format!("/{token}/{hash}/1/film.mp4"),
        format!("/{token}/{hash}/-1/film.mp4"),
        format!("/{token}/{hash}/0/a/b"),
        format!("/{token}/{}/0/film.mp4", "0".repeat(40)),
        format!("/{token}/../../etc/passwd"),
    ] {
        let answer = site.ask("GET", &path, "").await.unwrap();
        assert_eq!((answer.status, answer.body.len()), (404, 0), "{path}");
        assert_eq!(answer.header("content-security-policy"), Some("default-src 'none'; sandbox"));
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"] {
        let answer = site.ask(method, path, "").await.unwrap();
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method}");
    }
    for (origin, status) in [
        ("tauri://localhost", 200),
        ("http://tauri.localhost", 200),
        ("https://tauri.localhost", 403),
        ("http://tauri.localhost.evil.example", 403),
        ("TAURI://LOCALHOST", 403),
        ("null", 403),
        ("", 403),
    ] {
        let answer = site.ask("GET", path, &format!("Origin: {origin}\r\n")).await.unwrap();
        let allowed = (status == 200).then_some(origin);
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (status, allowed), "{origin}");
        assert_eq!((answer.header("vary"), answer.body.is_empty()), (Some("origin"), status == 403));
    }
    let garbage = raw(addr, "\0\0\0\0 nonsense\r\n\r\n").await;
    assert!(garbage.is_none_or(|answer| answer.status == 400));
    site.peer.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_empty_file_and_a_page_are_harmless() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("Show/1.mp4"), &noise(1000, 1));
    write(&dir.path().join("Show/2.mp4"), b"");
    write(&dir.path().join("Show/3.srt"), b"<script>");
    write(&dir.path().join("Show/page.html"), b"<script>");
    let peer = Peer::start(dir.path()).await;
    let info = peer.share(&dir.path().join("Show")).await;
    assert_eq!(info.files.iter().map(|file| &*file.path).collect::<Vec<_>>(), ["1.mp4", "2.mp4", "3.srt"]);
    let empty = peer.open(info.info_hash, 1).await;
    for (range, status) in [(None, 200), (Some("bytes=0-1"), 416), (Some("bytes=0-"), 416), (Some("bytes=-5"), 200)] {
        let answer = get(&empty, range).await;
        assert_eq!((answer.status().as_u16(), answer.headers()["content-length"].to_str().unwrap()), (status, "0"));
        let told = answer.headers().get("content-range").map(|range| range.to_str().unwrap());
        assert_eq!(told, (status == 416).then_some("bytes */0"));
    }
    let subtitles = get(&peer.open(info.info_hash, 2).await, None).await;
    assert_eq!(subtitles.headers()["content-type"], "application/x-subrip");
    assert_eq!(subtitles.text().await.unwrap(), "<script>");
    peer.engine.shutdown().await;
}

/// A torrent that no one has.
async fn orphan(folder: &std::path::Path, stall: Duration) -> (Peer, TorrentInfo, String) {
    let maker = Peer::start(&folder.join("maker")).await;
    let made = maker.share(&write(&folder.join("film.mkv"), &noise(600_000, 9))).await;
    let metainfo = std::fs::read(folder.join(format!("maker/state/session/{}.torrent", made.info_hash))).unwrap();
    maker.engine.shutdown().await;
    let mut config = config(&folder.join("peer"));
    config.stall_timeout = stall;
    let peer = Peer::start_with(config, &folder.join("peer")).await;
    let info = peer.engine.add(Source::Metainfo(metainfo.into()), CancellationToken::new(), |_| {}).await.unwrap();
    let url = peer.open(info.info_hash, 0).await;
    (peer, info, url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_read_without_peers_ends_at_its_limit() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, _, url) = orphan(dir.path(), Duration::from_secs(1)).await;
    let start = Instant::now();
    let answer = get(&url, Some("bytes=5-")).await;
    assert_eq!(answer.status(), 206);
    assert!(answer.bytes().await.is_err());
    assert!((1..20).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    peer.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn removal_and_shutdown_end_reads_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, info, url) = orphan(dir.path(), Duration::from_secs(60)).await;
    let waiting = get(&url, None).await;
    let start = Instant::now();
    peer.engine.remove(info.info_hash, true).await.unwrap();
    assert!(waiting.bytes().await.is_err());
    assert_eq!(get(&url, None).await.status(), 404);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!(peer.engine.list(), []);
    assert_eq!(std::fs::read_dir(dir.path().join("peer/downloads")).unwrap().count(), 0);

    let again = peer.share(&dir.path().join("film.mkv")).await;
    assert_eq!(again, info);
    peer.engine.remove(info.info_hash, true).await.unwrap();
    assert!(dir.path().join("film.mkv").exists(), "the user's own file is never deleted");

    let metainfo = dir.path().join("x.torrent");
    std::fs::copy(dir.path().join(format!("maker/state/session/{}.torrent", info.info_hash)), &metainfo).unwrap();
    peer.add(Source::Path(metainfo)).await;
    let waiting = get(&peer.open(info.info_hash, 0).await, None).await;
    let start = Instant::now();
    peer.engine.shutdown().await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(waiting.bytes().await.is_err());
    assert!(peer.engine.open(info.info_hash, 0).await.is_err());
    assert!(peer.engine.add(Source::Link(info.info_hash.to_string()), CancellationToken::new(), |_| {}).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_streams_wait_without_a_deadlock() {
    let dir = tempfile::tempdir().unwrap();
    let film = noise(3 << 20, 4);
    let seeder = Peer::start(&dir.path().join("seeder")).await;
    let info = seeder.share(&write(&dir.path().join("film.mkv"), &film)).await;
    let gate = Gate::start(seeder.engine.peer_addr().unwrap()).await;
    let leecher = Peer::start(&dir.path().join("leecher")).await;
    leecher.add(Source::Link(format!("magnet:?xt=urn:btih:{}&x.pe={}", info.info_hash, gate.addr))).await;
    gate.set(Mode::Hold);
    let url = leecher.open(info.info_hash, 0).await;
    // More readers than librqbit's semaphore ever has by default, all waiting.
    let mut waiting = Vec::new();
    for at in (0..100).map(|number| number * 30_000) {
        waiting.push((at, get(&url, Some(&format!("bytes={at}-{}", at + 999))).await));
    }
    gate.set(Mode::Open);
    for (at, answer) in waiting {
        assert!(answer.bytes().await.unwrap() == film[at..at + 1000], "{at}");
    }
    leecher.wait_for(info.info_hash, State::Seeding).await;
    // And more than there are places for, all at once, each read to its end.
    let answers = (0..300).map(|_| {
        tokio::spawn({
            let url = url.clone();
            async move { get(&url, Some("bytes=0-99999")).await.bytes().await.unwrap() }
        })
    });
    for answer in answers.collect::<Vec<_>>() {
        assert!(answer.await.unwrap() == film[..100_000]);
    }
    leecher.engine.shutdown().await;
    seeder.engine.shutdown().await;
}
