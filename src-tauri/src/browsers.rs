//! Peers in browsers: the engine's torrents are also exchanged over WebRTC, through WebSocket trackers: those that a link
//! or a torrent names, the room's relay, and those of the settings.

use crate::settings::NetworkSettings;
use futures_util::future::join_all;
use std::{net::SocketAddr, time::Duration};
use streamshare_ipc::{Counted, Peers};
use streamshare_protocol::TorrentId;
use streamshare_streaming::{CancellationToken, Engine, LivePeer, State, Stats, TorrentInfo, Transport};
use streamshare_webtorrent::{
    channel::{IceConfig, IceServer},
    hybrid::{Hybrid, HybridConfig, Torrent},
    tracker::{InfoHash, is_web_socket},
};
use tokio::time::timeout;
use url::Url;

/// How long to look for somebody who has the metadata of a magnet link: as long as the engine looks.
const METADATA_MAX: Duration = Duration::from_secs(90);

/// The way to peers in browsers; none where the settings or the engine have no place for it.
#[derive(Debug, Default)]
pub(crate) struct Browsers {
    hybrid: Option<Hybrid>,
    /// The STUN and TURN servers of the settings.
    servers: Vec<IceServer>,
    /// The settings' trackers, which every torrent is announced at.
    extra_trackers: Vec<String>,
}

impl Browsers {
    pub(crate) fn start(engine: &Engine, network: &NetworkSettings) -> Self {
        let Some(listener) = engine.peer_addr().filter(|_| network.webrtc) else { return Self::default() };
        let mut config = HybridConfig::new(listener, engine.peer_id());
        let servers = network.ice_servers.iter().map(|server| IceServer {
            url: server.url.clone(),
            username: server.username.clone(),
            credential: server.credential.clone(),
        });
        let servers: Vec<IceServer> = servers.collect();
        config.ice = IceConfig { servers: servers.clone(), ..IceConfig::default() };
        let extra_trackers = network.extra_trackers.iter().map(Url::to_string).collect();
        Self { hybrid: Some(Hybrid::start(config)), servers, extra_trackers }
    }

    /// Takes a relay's STUN and TURN servers beside those of the settings.
    pub(crate) fn set_relay_servers(&self, of_relay: &[IceServer]) {
        if let Some(hybrid) = &self.hybrid {
            // A room that this app hosts names the very servers of its settings.
            let others = of_relay.iter().filter(|server| !self.servers.contains(server));
            hybrid.set_ice_servers(self.servers.iter().chain(others).cloned().collect());
        }
    }

    /// Meets browsers for a torrent, at the trackers of its own, at these places, and where it was met before.
    pub(crate) async fn serve(&self, engine: &Engine, info: &TorrentInfo, places: Vec<String>) {
        self.remember(engine, info, places).await;
        self.serve_known(engine, info);
    }

    /// Has a torrent served at these places, too, from the next time on. Peers of a private torrent come from its own
    /// trackers only (BEP 27), which know of no browsers.
    pub(crate) async fn remember(&self, engine: &Engine, info: &TorrentInfo, places: Vec<String>) {
        if self.hybrid.is_none() || info.private {
            return;
        }
        let is_new = |tracker: &String| !info.trackers.contains(tracker) && !self.extra_trackers.contains(tracker);
        let new: Vec<String> = web_sockets(places.into_iter()).into_iter().map(String::from).filter(is_new).collect();
        if !new.is_empty() {
            engine.remember_trackers(info.info_hash, new).await;
        }
    }

    /// Meets browsers for the torrents that go on from the last run, each when what is on the disk has been checked.
    pub(crate) async fn serve_restored(&self, engine: &Engine) {
        let torrents = engine.list();
        let served = torrents.iter().map(|info| async {
            engine.checked(info.info_hash).await;
            let state = engine.stats(info.info_hash).map(|stats| stats.state);
            // Others are served when they are opened.
            if matches!(state, Some(State::Downloading | State::Seeding)) {
                self.serve_known(engine, info);
            }
        });
        join_all(served).await;
    }

    /// Announces a torrent at the trackers that are known for it.
    pub(crate) fn serve_known(&self, engine: &Engine, info: &TorrentInfo) {
        let Some(hybrid) = self.hybrid.as_ref().filter(|_| !info.private) else { return };
        let Some(stats) = engine.stats(info.info_hash) else { return };
        // Where people were together last comes first: not all may be taken.
        let own = info.trackers.iter().chain(&self.extra_trackers).cloned();
        let trackers = web_sockets(engine.remembered_trackers(info.info_hash).into_iter().chain(own));
        if !trackers.is_empty() {
            let torrent = Torrent { piece_count: info.piece_count, left: left(&stats) };
            hybrid.add(InfoHash(info.info_hash.0), trackers, torrent);
        }
    }

    /// Leaves a torrent's trackers and ends its channels.
    pub(crate) fn leave(&self, info_hash: streamshare_streaming::InfoHash) {
        if let Some(hybrid) = &self.hybrid {
            hybrid.remove(InfoHash(info_hash.0));
        }
    }

    /// Tells the trackers how much is missing; answers how the torrent's peers are connected, and whom the trackers count.
    pub(crate) fn update(
        &self,
        engine: &Engine,
        info_hash: streamshare_streaming::InfoHash,
        stats: &Stats,
    ) -> (Peers, Option<Counted>) {
        let peers = engine.peers(info_hash);
        let Some(hybrid) = &self.hybrid else { return (count(&peers, &[]), None) };
        let info_hash = InfoHash(info_hash.0);
        hybrid.update_left(info_hash, left(stats));
        let swarm = hybrid.stats(info_hash).filter(|swarm| swarm.trackers > 0);
        let counted = swarm.map(|swarm| Counted { seeders: swarm.seeders, leechers: swarm.leechers });
        (count(&peers, &hybrid.bridges(info_hash)), counted)
    }

    /// The metainfo of a magnet link or an info hash, asked of browsers at these places, with the trackers of the link;
    /// nothing where none is to be asked, none has it in time, or it was cancelled.
    pub(crate) async fn metainfo(
        &self,
        id: &TorrentId,
        places: &[String],
        cancel: &CancellationToken,
    ) -> Option<Vec<u8>> {
        let (hybrid, info_hash) = (self.hybrid.as_ref()?, id.info_hash()?);
        let trackers: Vec<String> = id.trackers().collect();
        let asked = web_sockets(places.iter().cloned());
        let found = timeout(METADATA_MAX, hybrid.resolve(InfoHash(*info_hash.bytes()), asked, cancel)).await;
        found.ok()?.ok().map(|info| metainfo(&trackers, &info))
    }

    pub(crate) async fn shutdown(&self) {
        if let Some(hybrid) = &self.hybrid {
            hybrid.shutdown().await;
        }
    }
}

/// Counts peers by how they are connected: those behind a bridge come over WebRTC, whatever the engine sees of them.
fn count(peers: &[LivePeer], bridges: &[SocketAddr]) -> Peers {
    let mut counts = Peers::default();
    for peer in peers {
        let kind = match peer.transport {
            _ if bridges.contains(&peer.addr) => &mut counts.webrtc,
            Transport::Tcp => &mut counts.tcp,
            Transport::Utp => &mut counts.utp,
        };
        *kind += 1;
    }
    counts
}

fn left(stats: &Stats) -> u64 {
    stats.total_bytes.saturating_sub(stats.have_bytes)
}

fn web_sockets(trackers: impl Iterator<Item = String>) -> Vec<Url> {
    let mut urls: Vec<Url> = Vec::new();
    for url in trackers.filter_map(|tracker| Url::parse(&tracker).ok()) {
        if is_web_socket(&url) && !urls.contains(&url) {
            urls.push(url);
        }
    }
    urls
}

/// A metainfo file (BEP 3, BEP 12) of an info dictionary as it is and these trackers.
fn metainfo(trackers: &[String], info: &[u8]) -> Vec<u8> {
    let mut out = b"d13:announce-listl".to_vec();
    for tracker in trackers {
        out.extend(format!("l{}:{tracker}e", tracker.len()).bytes());
    }
    out.extend(b"e4:info");
    out.extend(info);
    out.push(b'e');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_sockets_are_asked_each_once() {
        let trackers = ["udp://t:1", "wss://a/announce", "ws://b:1/announce", "wss://a/announce", "nonsense"];
        let urls = web_sockets(trackers.into_iter().map(str::to_owned));
        let texts: Vec<&str> = urls.iter().map(Url::as_str).collect();
        assert_eq!(texts, ["wss://a/announce", "ws://b:1/announce"]);
    }

    #[test]
    fn peers_are_told_apart() {
        let addr = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let peer = |text: &str, transport| LivePeer { addr: addr(text), transport };
        let peers = [
            peer("127.0.0.1:1", Transport::Tcp),
            // On this computer, and yet no browser.
            peer("127.0.0.1:2", Transport::Tcp),
            peer("192.0.2.1:1", Transport::Utp),
            peer("[2001:db8::1]:1", Transport::Tcp),
        ];
        assert_eq!(count(&peers, &[addr("127.0.0.1:1"), addr("127.0.0.1:9")]), Peers { tcp: 2, utp: 1, webrtc: 1 });
        assert_eq!(count(&peers, &[]), Peers { tcp: 3, utp: 1, webrtc: 0 });
    }

    #[test]
    fn an_info_dictionary_becomes_a_metainfo_file() {
        let file = metainfo(&["ws://b".into(), "udp://t".into()], b"d4:name1:xe");
        assert_eq!(file, b"d13:announce-listll6:ws://bel7:udp://tee4:infod4:name1:xee");
    }
}
