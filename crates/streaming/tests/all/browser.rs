//! A browser and a TCP peer bring one film: real Chromium with webtorrent's own bundle.
//!
//! Needs node, `npm install` at the top of the repository, and Chromium (`CHROMIUM`, by default /usr/bin/chromium).
#![cfg(target_os = "linux")]
#![allow(clippy::print_stderr, reason = "it is told why it is skipped")]

#[path = "../../../webtorrent/tests/chromium/mod.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod chromium;

use std::num::NonZeroU32;

use crate::common::{Peer, Way, eventually, get, noise, write};
use chromium::{Browser, one_at_a_time};
use serde_json::json;
use streamshare_streaming::{Limits, Source, State, TorrentInfo};
use streamshare_webtorrent::hybrid::{Hybrid, HybridConfig, Torrent};
use streamshare_webtorrent::tracker::InfoHash;

/// What the browser's part of the tests asks for.
mod swarm {
    pub(crate) async fn limited<T>(what: &str, future: impl Future<Output = T>) -> T {
        let limit = crate::common::DEADLINE;
        tokio::time::timeout(limit, future).await.unwrap_or_else(|_| panic!("waited too long for {what}"))
    }
}

const MIB: usize = 1 << 20;

/// Meets browsers for a peer.
fn hybrid(peer: &Peer, browser: &Browser, info: &TorrentInfo, left: usize) -> Hybrid {
    let mut config = HybridConfig::new(peer.engine.peer_addr().unwrap(), peer.engine.peer_id());
    config.ice.loopback = true;
    let hybrid = Hybrid::start(config);
    let torrent = Torrent { piece_count: info.piece_count, left: left as u64 };
    hybrid.add(InfoHash(info.info_hash.0), vec![browser.tracker_url()], torrent);
    hybrid
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_browser_brings_blocks_of_the_pieces_that_others_bring() {
    let Some(_turn) = one_at_a_time().await else { return };
    let mut browser = Browser::start().await;
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("seeder");
    let seeder = Peer::start(&home).await;
    let film = noise(12 * MIB, 23);
    let info = seeder.share(&write(&dir.path().join("film.mkv"), &film)).await;
    seeder.wait_for(info.info_hash, State::Seeding).await;

    // The page gets it from the desktop, and gives it on by itself then.
    let giving = hybrid(&seeder, &browser, &info, 0);
    let page = browser.open().await;
    page.call("add", json!([browser.magnet(InfoHash(info.info_hash.0))])).await;
    swarm::limited("the page", page.call("done", json!([]))).await;
    giving.remove(InfoHash(info.info_hash.0));
    page.call("throttle", json!([1_500_000])).await;
    seeder.engine.set_limits(Limits { upload_bps: NonZeroU32::new(1_500_000), ..Limits::default() });

    let (addr, way) = Way::start(seeder.engine.peer_addr().unwrap(), false).await;
    let leecher = Peer::start(&dir.path().join("leecher")).await;
    leecher.add(Source::Link(format!("magnet:?xt=urn:btih:{}&x.pe={addr}", info.info_hash))).await;
    let url = leecher.open(info.info_hash, 0).await;
    let taking = hybrid(&leecher, &browser, &info, film.len());
    let channels = || taking.stats(InfoHash(info.info_hash.0)).unwrap().channels;
    eventually(channels, |channels| *channels == 1).await;
    let bridges = || taking.bridges(InfoHash(info.info_hash.0));
    let is_bridge = || leecher.engine.peers(info.info_hash).iter().any(|peer| bridges().contains(&peer.addr));
    eventually(is_bridge, |told| *told).await;
    let before = way.count()[2];
    // librqbit alone asks one peer for all of a piece.
    let part = || {
        let pieces = way.pieces();
        pieces.values().filter(|blocks| (1..16).contains(*blocks)).count()
    };
    let reading = get(&url, Some(&format!("bytes={}-{}", 6 * MIB, 9 * MIB - 1))).await;
    assert!(reading.bytes().await.unwrap() == film[6 * MIB..9 * MIB]);
    assert!(way.count()[2] > before && part() > 2, "{:?}", way.pieces());

    // Alone, and choking now and then, it is as good.
    way.shut();
    page.call("choke", json!([])).await;
    let tail = tokio::spawn({
        let url = url.clone();
        async move { get(&url, Some("bytes=-1000000")).await.bytes().await.unwrap() }
    });
    page.call("unchoke", json!([])).await;
    assert!(tail.await.unwrap() == film[film.len() - 1_000_000..]);
    tokio::join!(giving.shutdown(), taking.shutdown(), leecher.engine.shutdown(), seeder.engine.shutdown());
    browser.stop().await;
}
