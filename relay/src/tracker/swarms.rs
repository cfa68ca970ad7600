//! Who has or wants what: the tracker's memory, without IO and without a clock.

use super::{
    Map, TrackerConfig,
    pool::{Group, Place},
    random::Random,
    visitor::Network,
};
use std::net::SocketAddr;
use streamshare_webtorrent::tracker::{Announce, Answer, Counts, Event, InfoHash, PeerId};
use tokio::time::Instant;

/// A WebSocket of this process; none has the number of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketId(pub(crate) u64);

/// All torrents. `O` is what reaches a WebSocket peer.
#[derive(Debug)]
pub(crate) struct Swarms<O> {
    config: TrackerConfig,
    torrents: Map<InfoHash, Swarm<O>>,
    census: Census,
    random: Random,
}

#[derive(Debug)]
struct Swarm<O> {
    web: Group<PeerId, WebPeer<O>>,
    tcp: Group<SocketAddr, Seen>,
    downloaded: u64,
    /// When somebody was last there.
    active: Instant,
}

/// When a peer announced itself, and from where.
#[derive(Clone, Copy, Debug)]
struct Seen {
    at: Instant,
    network: Option<Network>,
}

#[derive(Debug)]
struct WebPeer<O> {
    socket: SocketId,
    outlet: O,
    seen: Seen,
}

/// How many peers there are, in all and by address.
#[derive(Debug, Default)]
struct Census {
    peers: usize,
    by_network: Map<Network, usize>,
}

/// The socket that an announce came by.
#[derive(Debug)]
pub(crate) struct From<'a, O> {
    pub(crate) socket: SocketId,
    pub(crate) outlet: &'a O,
    /// `None` where its peers are not counted.
    pub(crate) network: Option<Network>,
}

/// A TCP peer's announce.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TcpAnnounce {
    pub(crate) info_hash: InfoHash,
    /// Where the peer can be reached.
    pub(crate) addr: SocketAddr,
    /// `None` where its peers are not counted.
    pub(crate) network: Option<Network>,
    pub(crate) event: Event,
    pub(crate) left: Option<u64>,
    /// How many peers it wants.
    pub(crate) numwant: usize,
}

/// What an announce is told: the torrent's numbers, and some of its peers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told<P> {
    pub(crate) counts: Counts,
    pub(crate) peers: Vec<P>,
}

/// Why an announce is not taken. Displays as a failure reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the tracker has as many torrents as it can keep")]
    Torrents,
    #[error("the tracker has as many peers as it can keep")]
    Peers,
    #[error("the torrent has as many peers as the tracker keeps")]
    PeersOfTorrent,
    #[error("too many peers from one address")]
    PeersOfAddress,
}

/// What the tracker holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) torrents: usize,
    pub(crate) peers: usize,
}

impl<O: Clone> Swarms<O> {
    pub(crate) fn new(config: TrackerConfig, seed: u64) -> Self {
        Self { config, torrents: Map::default(), census: Census::default(), random: Random::new(seed) }
    }

    pub(crate) fn load(&self) -> Load {
        Load { torrents: self.torrents.len(), peers: self.census.peers }
    }

    /// A peer announces by WebSocket: gives back who is to have its offers, at most one for each. `place` is what its last
    /// announce of this torrent left there.
    pub(crate) fn announce_web(
        &mut self,
        from: &From<'_, O>,
        announce: &Announce,
        place: &mut Place,
        now: Instant,
    ) -> Result<Told<O>, Refused> {
        let Announce { info_hash, peer_id, event, .. } = *announce;
        if event == Event::Stopped {
            self.remove_web(info_hash, peer_id, from.socket);
            return Ok(Told { counts: self.scrape(info_hash), peers: Vec::new() });
        }
        let is_seed = is_seed(event, announce.left);
        let swarm = entered(&mut self.torrents, &self.config, info_hash, now)?;
        let seen = Seen { at: now, network: from.network };
        match swarm.web.get_mut(&peer_id, is_seed, place) {
            // Most announces: nothing is new but the time.
            Some(peer) if peer.socket == from.socket && peer.seen.network == from.network => peer.seen = seen,
            Some(_) | None => {
                let known = swarm.web.get(&peer_id).map(|peer| peer.seen.network);
                self.census.admit(&self.config, swarm.len(), known, from.network)?;
                swarm.downloaded += u64::from(event == Event::Completed && swarm.web.leechers.get(&peer_id).is_some());
                // Replaces a socket of the same peer: it is a new connection of a peer whose old one is not noticed as dead
                // yet.
                let peer = WebPeer { socket: from.socket, outlet: from.outlet.clone(), seen };
                swarm.web.insert(peer_id, peer, is_seed);
            }
        }
        swarm.active = now;
        let drawn = swarm.web.draw(&peer_id, is_seed, announce.offers.len(), &mut self.random);
        let peers = drawn.into_iter().map(|(_, peer)| peer.outlet.clone()).collect();
        Ok(Told { counts: swarm.counts(), peers })
    }

    /// Who is to have an answer. Only a peer that announced the torrent by this socket may answer.
    pub(crate) fn answer(&self, socket: SocketId, answer: &Answer) -> Option<&O> {
        let web = &self.torrents.get(&answer.info_hash)?.web;
        web.get(&answer.peer_id).filter(|peer| peer.socket == socket)?;
        web.get(&answer.to_peer_id).map(|peer| &peer.outlet)
    }

    /// A WebSocket peer left, unless it is there by another socket by now.
    pub(crate) fn remove_web(&mut self, info_hash: InfoHash, peer_id: PeerId, socket: SocketId) {
        let Some(swarm) = self.torrents.get_mut(&info_hash) else { return };
        if swarm.web.get(&peer_id).is_some_and(|peer| peer.socket == socket)
            && let Some(peer) = swarm.web.remove(&peer_id)
        {
            self.census.leave(peer.seen.network);
        }
    }

    /// A peer announces by HTTP: gives back where others can be reached.
    pub(crate) fn announce_tcp(&mut self, announce: &TcpAnnounce, now: Instant) -> Result<Told<SocketAddr>, Refused> {
        let TcpAnnounce { info_hash, addr, network, event, .. } = *announce;
        if event == Event::Stopped {
            if let Some(peer) = self.torrents.get_mut(&info_hash).and_then(|swarm| swarm.tcp.remove(&addr)) {
                self.census.leave(peer.network);
            }
            return Ok(Told { counts: self.scrape(info_hash), peers: Vec::new() });
        }
        let is_seed = is_seed(event, announce.left);
        let swarm = entered(&mut self.torrents, &self.config, info_hash, now)?;
        let known = swarm.tcp.get(&addr).map(|seen| seen.network);
        self.census.admit(&self.config, swarm.len(), known, network)?;
        swarm.downloaded += u64::from(event == Event::Completed && swarm.tcp.leechers.get(&addr).is_some());
        swarm.active = now;
        swarm.tcp.insert(addr, Seen { at: now, network }, is_seed);
        let drawn = swarm.tcp.draw(&addr, is_seed, announce.numwant, &mut self.random);
        Ok(Told { counts: swarm.counts(), peers: drawn.into_iter().map(|(addr, _)| *addr).collect() })
    }

    /// A torrent's numbers; zero for an unknown one.
    pub(crate) fn scrape(&self, info_hash: InfoHash) -> Counts {
        self.torrents.get(&info_hash).map(Swarm::counts).unwrap_or_default()
    }

    /// Forgets peers that were silent too long, and torrents that nobody has had for as long.
    pub(crate) fn sweep(&mut self, now: Instant) {
        let (life, census) = (self.config.peer_life, &mut self.census);
        let is_old = |at: Instant| now.saturating_duration_since(at) > life;
        self.torrents.retain(|_, swarm| {
            swarm.web.remove_all(|peer| is_old(peer.seen.at), |peer| census.leave(peer.seen.network));
            swarm.tcp.remove_all(|seen| is_old(seen.at), |seen| census.leave(seen.network));
            swarm.len() > 0 || !is_old(swarm.active)
        });
    }
}

/// The torrent's swarm, a new one where there is none.
fn entered<'a, O>(
    torrents: &'a mut Map<InfoHash, Swarm<O>>,
    config: &TrackerConfig,
    info_hash: InfoHash,
    now: Instant,
) -> Result<&'a mut Swarm<O>, Refused> {
    if torrents.len() >= config.torrents_max && !torrents.contains_key(&info_hash) {
        // Those without peers are only remembered for their number of downloads.
        torrents.retain(|_, swarm| swarm.len() > 0);
        if torrents.len() >= config.torrents_max {
            return Err(Refused::Torrents);
        }
    }
    Ok(torrents.entry(info_hash).or_insert_with(|| Swarm {
        web: Group::default(),
        tcp: Group::default(),
        downloaded: 0,
        active: now,
    }))
}

/// Who says that it completed has everything, whatever else it says.
fn is_seed(event: Event, left: Option<u64>) -> bool {
    left == Some(0) || event == Event::Completed
}

impl<O> Swarm<O> {
    fn len(&self) -> usize {
        self.web.len() + self.tcp.len()
    }

    fn counts(&self) -> Counts {
        Counts {
            complete: (self.web.seeds.len() + self.tcp.seeds.len()) as u64,
            incomplete: (self.web.leechers.len() + self.tcp.leechers.len()) as u64,
            downloaded: self.downloaded,
        }
    }
}

impl Census {
    /// Counts a peer that announces in a torrent of so many, where it may come in. One that is in already came from
    /// `known`, perhaps another network than now.
    fn admit(
        &mut self,
        config: &TrackerConfig,
        in_torrent: usize,
        known: Option<Option<Network>>,
        network: Option<Network>,
    ) -> Result<(), Refused> {
        if known == Some(network) {
            return Ok(());
        }
        if known.is_none() && self.peers >= config.peers_max {
            return Err(Refused::Peers);
        }
        if known.is_none() && in_torrent >= config.peers_per_torrent_max {
            return Err(Refused::PeersOfTorrent);
        }
        let there = network.and_then(|network| self.by_network.get(&network));
        if there.is_some_and(|&there| there >= config.peers_per_address_max) {
            return Err(Refused::PeersOfAddress);
        }
        if let Some(before) = known {
            self.leave(before);
        }
        self.peers += 1;
        if let Some(network) = network {
            *self.by_network.entry(network).or_default() += 1;
        }
        Ok(())
    }

    fn leave(&mut self, network: Option<Network>) {
        self.peers -= 1;
        let Some(network) = network else { return };
        if let Some(there) = self.by_network.get_mut(&network) {
            *there -= 1;
            if *there == 0 {
                self.by_network.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests;
