//! Announces and scrapes of TCP peers over HTTP (BEP 3, 7, 23, 48).

use super::{
    Tracker,
    bencode::Bencode,
    query::{self, AnnounceQuery},
    swarms::{TcpAnnounce, Told},
    visitor::{Network, Origin},
};
use crate::listener::PeerAddr;
use axum::{
    extract::{ConnectInfo, RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use std::{net::IpAddr, net::SocketAddr, sync::Arc, time::Duration};
use tokio::time::Instant;

/// How soon a client may announce again at its user's wish.
const INTERVAL_MIN: Duration = Duration::from_secs(30);

/// `GET /announce`.
pub(super) async fn announce(
    State(tracker): State<Arc<Tracker>>,
    ConnectInfo(peer): ConnectInfo<PeerAddr>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let origin = Origin::of(peer, &headers, &tracker.config);
    let now = Instant::now();
    if !tracker.visitors.may_request(Network::of(origin.addr), now) {
        return too_many();
    }
    let query = match AnnounceQuery::parse(query.as_deref().unwrap_or_default()) {
        Ok(query) => query,
        Err(error) => return failure(&error),
    };
    let named = query.ip.map(|addr| addr.to_canonical()).filter(|addr| origin.may_name_address() && is_host(*addr));
    let announce = TcpAnnounce {
        info_hash: query.info_hash,
        addr: SocketAddr::new(named.unwrap_or(origin.addr), query.port),
        network: Network::of(origin.addr),
        event: query.event,
        left: query.left,
        numwant: query.numwant,
    };
    let told = tracker.swarms().announce_tcp(&announce, now);
    match told {
        Ok(told) => {
            let peers = told.peers.iter().filter_map(|peer| origin.reach(*peer)).collect();
            answer(told_as_bencode(&Told { peers, ..told }, &query, tracker.config.interval))
        }
        Err(refused) => failure(&refused),
    }
}

/// `GET /scrape`.
pub(super) async fn scrape(
    State(tracker): State<Arc<Tracker>>,
    ConnectInfo(peer): ConnectInfo<PeerAddr>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let origin = Origin::of(peer, &headers, &tracker.config);
    if !tracker.visitors.may_request(Network::of(origin.addr), Instant::now()) {
        return too_many();
    }
    let mut hashes = match query::scrape(query.as_deref().unwrap_or_default()) {
        Ok(hashes) => hashes,
        Err(error) => return failure(&error),
    };
    hashes.sort_unstable();
    hashes.dedup();
    let swarms = tracker.swarms();
    let mut out = Bencode::default();
    out.dictionary(|out| {
        out.entry("files", |out| {
            out.dictionary(|out| {
                for hash in hashes {
                    let counts = swarms.scrape(hash);
                    out.bytes(&hash.0);
                    out.dictionary(|out| {
                        out.entry("complete", |out| out.integer(counts.complete));
                        out.entry("downloaded", |out| out.integer(counts.downloaded));
                        out.entry("incomplete", |out| out.integer(counts.incomplete));
                    });
                }
            });
        });
    });
    answer(out)
}

/// Whether an address can be a peer's.
fn is_host(addr: IpAddr) -> bool {
    let is_broadcast = matches!(addr, IpAddr::V4(addr) if addr.is_broadcast());
    !addr.is_unspecified() && !addr.is_multicast() && !is_broadcast
}

fn told_as_bencode(told: &Told<SocketAddr>, query: &AnnounceQuery, interval: Duration) -> Bencode {
    let mut out = Bencode::default();
    out.dictionary(|out| {
        out.entry("complete", |out| out.integer(told.counts.complete));
        out.entry("incomplete", |out| out.integer(told.counts.incomplete));
        out.entry("interval", |out| out.integer(interval.as_secs().max(1)));
        out.entry("min interval", |out| out.integer(interval.min(INTERVAL_MIN).as_secs().max(1)));
        if query.compact {
            let (mut v4, mut v6) = (Vec::new(), Vec::new());
            for peer in &told.peers {
                match peer.ip() {
                    IpAddr::V4(addr) => v4.extend(addr.octets().into_iter().chain(peer.port().to_be_bytes())),
                    IpAddr::V6(addr) => v6.extend(addr.octets().into_iter().chain(peer.port().to_be_bytes())),
                }
            }
            out.entry("peers", |out| out.bytes(&v4));
            out.entry("peers6", |out| out.bytes(&v6));
        } else {
            // Without the ids of the peers, which clients may ask to be left out and which nobody needs.
            out.entry("peers", |out| {
                out.list(|out| {
                    for peer in &told.peers {
                        out.dictionary(|out| {
                            out.entry("ip", |out| out.bytes(peer.ip().to_string().as_bytes()));
                            out.entry("port", |out| out.integer(peer.port().into()));
                        });
                    }
                });
            });
        }
    });
    out
}

/// Clients read the reason only where the status is 200.
fn failure(reason: &dyn std::fmt::Display) -> Response {
    answer(failure_as_bencode(reason))
}

fn failure_as_bencode(reason: &dyn std::fmt::Display) -> Bencode {
    let mut out = Bencode::default();
    out.dictionary(|out| out.entry("failure reason", |out| out.bytes(reason.to_string().as_bytes())));
    out
}

fn too_many() -> Response {
    let body = failure_as_bencode(&"more requests than an address may make; slow down");
    (StatusCode::TOO_MANY_REQUESTS, answer(body)).into_response()
}

fn answer(Bencode(body): Bencode) -> Response {
    ([(header::CONTENT_TYPE, "text/plain"), (header::CACHE_CONTROL, "no-store")], body).into_response()
}
