//! Real Chromium with webtorrent's own bundle, npm's tracker and a real librqbit: whole swarms on one machine.
//!
//! Needs node, `npm install` at the top of the repository, and Chromium (`CHROMIUM`, by default /usr/bin/chromium).
#![cfg(feature = "hybrid")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test may panic, and tell figures"
)]

mod chromium;
mod swarm;

use chromium::{Browser, one_at_a_time};
use serde_json::json;
use std::{
    path::Path,
    time::{Duration, Instant},
};
use streamshare_webtorrent::{hybrid::Hybrid, tracker::InfoHash};
use swarm::{Client, eventually, hash_of, limited, random_file};
use tokio_util::sync::CancellationToken;

const MB: usize = 1_000_000;
/// Bytes that are asked for at a time (BEP 3).
const BLOCK: usize = 16 << 10;
/// How long librqbit waits for a silent peer where that is tested, instead of 10 s.
const READ_TIME: Duration = Duration::from_secs(2);

/// The film's SHA-1, if it is there.
fn sha1(path: &Path) -> String {
    hash_of(&std::fs::read(path).unwrap())
}

fn hybrid(client: &Client) -> Hybrid {
    Hybrid::start(client.hybrid_config())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_seeds_and_librqbit_downloads() {
    let Some(_turn) = one_at_a_time().await else { return };
    let mut browser = Browser::start().await;
    let page = browser.open().await;
    let seeded = page.call("seed", json!([50 * MB, browser.tracker])).await;
    let client = Client::start().await;
    let hybrid = hybrid(&client);
    let begun = Instant::now();
    let torrent = client.add(chromium::torrent_of(&seeded)).await;
    hybrid.add(torrent.info_hash, vec![browser.tracker_url()], torrent.facts());
    limited("download", torrent.completed()).await;
    println!("browser -> librqbit: {:.1} MB/s, join included", 50.0 / begun.elapsed().as_secs_f64());
    assert_eq!(sha1(&client.path("film.bin")), seeded["sha1"]);
    let stats = hybrid.stats(torrent.info_hash).unwrap();
    assert!(stats.downloaded_bytes > 50_000_000 && stats.trackers == 1, "{stats:?}");
    hybrid.shutdown().await;
    client.stop().await;
    browser.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn librqbit_seeds_and_a_browser_downloads_by_magnet() {
    let Some(_turn) = one_at_a_time().await else { return };
    let mut browser = Browser::start().await;
    let client = Client::start().await;
    let film = random_file(&client.path("film.bin"), 50 * MB);
    let torrent = client.seed(&film).await;
    let hybrid = hybrid(&client);
    hybrid.add(torrent.info_hash, vec![browser.tracker_url()], torrent.facts());
    eventually("the tracker", || hybrid.stats(torrent.info_hash).unwrap().trackers == 1).await;
    let page = browser.open().await;
    page.call("add", json!([browser.magnet(torrent.info_hash)])).await;
    let done = limited("download", page.call("done", json!([]))).await;
    assert_eq!(done["sha1"], sha1(&film));
    println!(
        "librqbit -> browser: {:.1} MB/s; metadata after {:.0} ms, first block after {:.0} ms",
        50_000.0 / (done["done"].as_f64().unwrap() - done["first"].as_f64().unwrap()),
        done["metadata"].as_f64().unwrap(),
        done["first"].as_f64().unwrap()
    );
    hybrid.shutdown().await;
    client.stop().await;
    browser.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_magnet_of_a_swarm_of_browsers_is_resolved() {
    let Some(_turn) = one_at_a_time().await else { return };
    let mut browser = Browser::start().await;
    let page = browser.open().await;
    let seeded = page.call("seed", json!([3 * MB, browser.tracker])).await;
    let client = Client::start().await;
    let hybrid = hybrid(&client);
    let info_hash = InfoHash(swarm::unhex(seeded["infoHash"].as_str().unwrap()));
    let begun = Instant::now();
    let cancel = CancellationToken::new();
    let info = limited("metadata", hybrid.resolve(info_hash, vec![browser.tracker_url()], &cancel)).await.unwrap();
    println!("metadata of {} bytes after {:?}", info.len(), begun.elapsed());
    let metainfo = [b"d4:info", &info[..], b"e"].concat();
    let torrent = client.add(metainfo).await;
    assert_eq!(torrent.info_hash, info_hash);
    hybrid.add(info_hash, vec![browser.tracker_url()], torrent.facts());
    limited("download", torrent.completed()).await;
    println!("downloaded after {:?}", begun.elapsed());
    assert_eq!(sha1(&client.path("film.bin")), seeded["sha1"]);
    hybrid.shutdown().await;
    client.stop().await;
    browser.stop().await;
}

/// The browser cuts the connection in the middle of a piece, and later chokes and unchokes: each time the download goes
/// on by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_and_a_choke_do_not_end_a_download() {
    let Some(_turn) = one_at_a_time().await else { return };
    let mut browser = Browser::start().await;
    let page = browser.open().await;
    // By itself webtorrent makes pieces of one block of so small a film.
    let seeded = page.call("seed", json!([20 * MB, browser.tracker, { "pieceLength": 16 * BLOCK }])).await;
    page.call("throttle", json!([2 * MB])).await;
    let client = Client::start().await;
    let hybrid = hybrid(&client);
    let torrent = client.add(chromium::torrent_of(&seeded)).await;
    hybrid.add(torrent.info_hash, vec![browser.tracker_url()], torrent.facts());
    let received = || hybrid.stats(torrent.info_hash).unwrap().downloaded_bytes;
    eventually("the first blocks", || received() > 1_000_000).await;
    let cuts = page.call("cut", json!([])).await;
    println!("cut: {cuts}");
    assert!(cuts[0]["sent"].as_u64().unwrap() < cuts[0]["length"].as_u64().unwrap(), "{cuts}");
    let cut = Instant::now();
    eventually("the channel to end", || hybrid.stats(torrent.info_hash).unwrap().channels == 0).await;
    let before = received();
    eventually("the download to go on", || received() > before + 1_000_000).await;
    println!("goes on {:?} after the cut", cut.elapsed());
    page.call("choke", json!([])).await;
    page.call("unchoke", json!([])).await;
    let choked = Instant::now();
    let before = received();
    eventually("the download to go on", || received() > before + 1_000_000).await;
    println!("goes on {:?} after the choke", choked.elapsed());
    assert!(choked.elapsed().as_secs() < 15, "librqbit waits 29 s for requests that a choke has lost");
    page.call("throttle", json!([-1])).await;
    limited("download", torrent.completed()).await;
    assert_eq!(sha1(&client.path("film.bin")), seeded["sha1"]);
    hybrid.shutdown().await;
    client.stop().await;
    browser.stop().await;
}

/// A browser that wants nothing stays connected for longer than librqbit waits for a silent peer.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_browser_stays() {
    let Some(_turn) = one_at_a_time().await else { return };
    let mut browser = Browser::start().await;
    let client = Client::start_with(READ_TIME).await;
    let film = random_file(&client.path("film.bin"), 3 * MB);
    let torrent = client.seed(&film).await;
    let mut config = client.hybrid_config();
    config.keep_alive = READ_TIME / 4;
    let hybrid = Hybrid::start(config);
    hybrid.add(torrent.info_hash, vec![browser.tracker_url()], torrent.facts());
    let page = browser.open().await;
    page.call("add", json!([browser.magnet(torrent.info_hash), { "deselect": true }])).await;
    let connected = || hybrid.stats(torrent.info_hash).unwrap().channels == 1;
    eventually("the browser", connected).await;
    // This is what is tested: time passes.
    tokio::time::sleep(READ_TIME * 3).await;
    assert!(connected());
    page.call("select", json!([])).await;
    let done = limited("download", page.call("done", json!([]))).await;
    assert_eq!(done["sha1"], sha1(&film));
    assert_eq!(done["wires"], 1, "it was the first connection all the time");
    hybrid.shutdown().await;
    client.stop().await;
    browser.stop().await;
}

/// Two librqbits, one with everything, over WebRTC alone: both wait for the other's handshake first, and only the shim
/// speaks.
#[tokio::test(flavor = "multi_thread")]
async fn two_librqbits_meet() {
    let Some(_turn) = one_at_a_time().await else { return };
    let browser = Browser::start().await;
    let (seed, leech) = (Client::start().await, Client::start().await);
    let film = random_file(&seed.path("film.bin"), 20 * MB);
    let seeded = seed.seed(&film).await;
    let torrent = leech.add(seeded.metainfo.clone()).await;
    let (left, right) = (hybrid(&seed), hybrid(&leech));
    left.add(seeded.info_hash, vec![browser.tracker_url()], seeded.facts());
    right.add(seeded.info_hash, vec![browser.tracker_url()], torrent.facts());
    let begun = Instant::now();
    limited("download", torrent.completed()).await;
    println!("librqbit -> librqbit: {:.1} MB/s, join included", 20.0 / begun.elapsed().as_secs_f64());
    assert_eq!(sha1(&leech.path("film.bin")), sha1(&film));
    right.update_left(seeded.info_hash, 0);
    tokio::join!(left.shutdown(), right.shutdown());
    seed.stop().await;
    leech.stop().await;
    browser.stop().await;
}
