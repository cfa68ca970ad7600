//! Looks after those who read: keeps film ahead of players, measured in seconds, and sees to it that none holds up another.
//!
//! librqbit fetches 32 MiB ahead of each of its streams: three seconds of some films, an hour of others, and as much for a player that has
//! not read for a while as for one that waits. So:
//! - what is ahead of a player beyond that is fetched by a stream of its own, at the first byte that is missing;
//! - a player that does not come for more keeps its stream only until the film ahead of it is there ([`crate::through`]);
//! - of many who read, those who began last come first, and who has read most; the others take turns where they wait.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::engine::Inner;
use crate::layout::ahead_bytes;
use crate::readers::{At, Reading, Role};
use crate::ready::There;
use crate::through::{Doing, Through};
use crate::torrents::Torrent;
use crate::{CancellationToken, InfoHash};

/// How often to look.
const TICK: Duration = Duration::from_millis(500);
/// A player that has not come for so long does not read: it has filled its buffer, or stands.
const IDLE: Duration = Duration::from_secs(2);
/// Such players of a torrent that the film ahead is still fetched for: one watches, and is in front.
const IDLE_MAX: usize = 1;
/// Players of a torrent that go first: those that began last, which is where somebody has gone, and the one that has read most. One player
/// asks at two or three places at the most.
const LATEST: usize = 2;
/// How long one of the others has its turn, in ticks.
const TURN: usize = 4;
/// What a stream of librqbit's fetches ahead of itself (`PER_STREAM_BUF_DEFAULT`), and what of it has to be there before the next one takes
/// over.
const STREAM_BYTES: u64 = 32 << 20;
const COVERED_BYTES: u64 = 24 << 20;
/// The part of the cache that may lie ahead of a player whose film is dropped behind it.
const CACHE_SHARE: u64 = 4;
/// The part of the film ahead that has to be there before anything is fetched for later.
const COMFORT_SHARE: u64 = 2;

/// Looks after all who read, until the engine ends.
pub(crate) async fn look_after_readers(inner: Weak<Inner>, cancel: CancellationToken) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut fetching = BTreeMap::new();
    let Some(begins) = inner.upgrade().map(|inner| inner.access.begins.clone()) else { return };
    let mut tick = 0_usize;
    loop {
        let looking = async {
            tokio::select! {
                _ = ticks.tick() => 1,
                () = begins.notified() => 0,
            }
        };
        let Some(later) = cancel.run_until_cancelled(looking).await else { return };
        let Some(inner) = inner.upgrade() else { return };
        tick = tick.wrapping_add(later);
        let mut is_comfortable = true;
        let mut left = std::mem::take(&mut fetching);
        for torrent in inner.torrents.all() {
            let players = Players::of(&torrent);
            let Some(first) = players.0.first() else { continue };
            let Some(there) = There::of(&inner.session, &torrent) else { continue };
            let window = window(&inner, &torrent, first.at);
            players.park_idle(&there, &torrent);
            players.take_turns(&there, tick / TURN);
            is_comfortable &= players.are_comfortable(&there, window);
            let info_hash = torrent.info.info_hash;
            if let Some(at) = next_to_fetch(&there, first.at, window) {
                let before = left.remove(&info_hash).filter(|(known, _)| *known == at);
                let fetched = match before {
                    Some(before) => Some(before),
                    None => cancel.run_until_cancelled(fetch(&inner, info_hash, at)).await.flatten(),
                };
                fetching.extend(fetched.map(|fetched| (info_hash, fetched)));
            }
        }
        inner.is_comfortable.send_if_modified(|now| std::mem::replace(now, is_comfortable) != is_comfortable);
    }
}

/// A player.
struct Player {
    at: At,
    doing: Doing,
    reading: Reading,
}

/// The players of a torrent, who got something last first.
struct Players(Vec<Player>);

impl Players {
    fn of(torrent: &Torrent) -> Self {
        let readings = torrent.readers.all().into_iter().filter(|reading| reading.role == Role::Player);
        let player = |reading: Reading| {
            let now = Instant::now();
            // One that reads right now is as well as can be.
            let busy =
                Doing { is_waiting: false, is_parked: false, read: u64::MAX, id: 0, polled: now, progressed: now };
            Player { at: reading.at, doing: reading.shared.doing().unwrap_or(busy), reading }
        };
        let mut all: Vec<Player> = readings.map(player).collect();
        all.sort_by_key(|player| std::cmp::Reverse(player.doing.progressed));
        Self(all)
    }

    /// Parks those who do not come for more.
    fn park_idle(&self, there: &There, torrent: &Torrent) {
        let is_idle = |player: &&Player| {
            !player.doing.is_waiting && !player.doing.is_parked && player.doing.polled.elapsed() > IDLE
        };
        for (number, player) in self.0.iter().filter(is_idle).enumerate() {
            let At { file_index, position } = player.at;
            let window = ahead_bytes(torrent.primed.layout(file_index).as_deref(), position).min(STREAM_BYTES);
            if number >= IDLE_MAX || there.first_missing(file_index, position..position + window).is_none() {
                player.reading.shared.park();
            }
        }
    }

    /// Lets only some of those wait with librqbit who wait.
    fn take_turns(&self, there: &There, turn: usize) {
        let mut others: Vec<&Player> = self.0.iter().collect();
        others.sort_by_key(|player| player.doing.id);
        let latest = others.split_off(others.len().saturating_sub(LATEST));
        let most = others.iter().enumerate().max_by_key(|(_, player)| player.doing.read).map(|(number, _)| number);
        let most = most.map(|number| others.remove(number));
        for first in latest.into_iter().chain(most) {
            first.reading.shared.stand_back(0);
            if first.doing.is_waiting && first.doing.is_parked {
                first.reading.shared.unpark();
            }
        }
        let waiting: Vec<&Player> = others.into_iter().filter(|player| player.doing.is_waiting).collect();
        for (number, player) in waiting.iter().enumerate() {
            player.reading.shared.stand_back(STREAM_BYTES);
            let At { file_index, position } = player.at;
            let goes_on =
                number == turn % waiting.len() || there.first_missing(file_index, position..position + 1).is_none();
            match player.doing.is_parked {
                true if goes_on => player.reading.shared.unpark(),
                false if !goes_on => player.reading.shared.park(),
                true | false => {}
            }
        }
    }

    /// Whether nobody needs anything soon.
    fn are_comfortable(&self, there: &There, window: u64) -> bool {
        let Some(first) = self.0.first() else { return true };
        let At { file_index, position } = first.at;
        !first.doing.is_waiting
            && there.first_missing(file_index, position..position + window / COMFORT_SHARE).is_none()
    }
}

/// How many bytes are to be there ahead of a player.
fn window(inner: &Inner, torrent: &Torrent, at: At) -> u64 {
    let window = ahead_bytes(torrent.primed.layout(at.file_index).as_deref(), at.position);
    let is_whole = torrent.handle.only_files().is_none_or(|only| only.contains(&at.file_index));
    match inner.limits.borrow().cache_bytes {
        // What is fetched now is dropped again soon.
        Some(limit) if !is_whole => window.min(limit.get() / CACHE_SHARE).min(crate::cache::AHEAD - (8 << 20)),
        Some(_) | None => window,
    }
}

/// Where to fetch what lies within the window and beyond what librqbit fetches by itself.
fn next_to_fetch(there: &There, at: At, window: u64) -> Option<At> {
    let missing = there.first_missing(at.file_index, at.position..at.position + window)?;
    (missing >= at.position + COVERED_BYTES).then_some(At { position: missing, ..at })
}

/// A stream of librqbit's at a place, which nobody reads; after what players need.
async fn fetch(inner: &Arc<Inner>, info_hash: InfoHash, at: At) -> Option<(At, Through)> {
    let role = Role::Ahead { behind_bytes: STREAM_BYTES, is_urgent: false };
    let opened = tokio::time::timeout(TICK, Through::open(inner.access.clone(), info_hash, at, role)).await;
    Some((at, opened.ok()?.ok()?))
}
