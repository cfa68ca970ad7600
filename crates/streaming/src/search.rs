//! Looks for peers anew when a download has none.
//!
//! librqbit asks a tracker once in its interval (often 30 minutes) and lets a peer that it has lost wait for 10 s and more before it tries
//! again. Transmission refuses a connection that comes right after one to the same address was closed, as happens when a magnet link's
//! metadata has just been fetched from it: with that peer alone the first frame took 18 s. Pausing and resuming a torrent makes librqbit
//! forget these waits, ask its trackers and try all addresses at once; open streams live on through it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use librqbit::{Session, TorrentStatsState};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::InfoHash;
use crate::torrents::{Torrent, Torrents};

/// How often to look.
const TICK: Duration = Duration::from_millis(500);
/// Without a peer for so long, a torrent begins a new search. Longer than Transmission needs to notice a closed connection.
const FIRST_AFTER: Duration = Duration::from_secs(1);
/// While connections are being tried, the first new search waits for them: the time limit of a connection and its handshake.
const CONNECTING_AFTER: Duration = Duration::from_secs(8);
/// Each fruitless search doubles the wait up to this, which is a fair interval to ask a tracker at.
const MAX_WAIT: Duration = Duration::from_secs(300);

/// A torrent that wants data and has no peer.
struct Alone {
    since: Instant,
    wait: Duration,
}

/// Watches all torrents until `cancel`.
pub(crate) async fn keep_searching(session: Arc<Session>, torrents: Arc<Torrents>, cancel: CancellationToken) {
    let mut alone = HashMap::new();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while cancel.run_until_cancelled(ticks.tick()).await.is_some() {
        let all = torrents.all();
        alone.retain(|info_hash, _| all.iter().any(|torrent| torrent.info.info_hash == *info_hash));
        for torrent in &all {
            if is_due(torrent, &mut alone)
                && let Err(error) = search_again(&session, torrent).await
            {
                tracing::warn!(info_hash = %torrent.info.info_hash, error = format!("{error:#}"), "cannot search for peers again");
            }
        }
    }
}

fn is_due(torrent: &Torrent, alone: &mut HashMap<InfoHash, Alone>) -> bool {
    let stats = torrent.handle.stats();
    let peers = stats.live.as_ref().map(|live| &live.snapshot.peer_stats);
    // Of one that exceeds the cache nothing is selected.
    let wants = matches!(stats.state, TorrentStatsState::Live)
        && (!stats.finished || (torrent.readers.is_read() && torrent.lacks_opened(&stats.file_progress)));
    let Some(peers) = peers.filter(|peers| wants && peers.live == 0) else {
        alone.remove(&torrent.info.info_hash);
        return false;
    };
    let now = Instant::now();
    let alone = alone.entry(torrent.info.info_hash).or_insert(Alone { since: now, wait: FIRST_AFTER });
    let wait = if peers.connecting > 0 { alone.wait.max(CONNECTING_AFTER) } else { alone.wait };
    let is_due = now - alone.since >= wait;
    if is_due {
        *alone = Alone { since: now, wait: (alone.wait * 2).min(MAX_WAIT) };
    }
    is_due
}

async fn search_again(session: &Arc<Session>, torrent: &Torrent) -> anyhow::Result<()> {
    let _selecting = torrent.selecting.lock().await;
    tracing::debug!(info_hash = %torrent.info.info_hash, "searching for peers again");
    // It may have been paused or failed meanwhile: then it is not to be resumed here.
    if torrent.is_leaving() || torrent.handle.live().is_none() {
        return Ok(());
    }
    session.pause(&torrent.handle).await?;
    session.unpause(&torrent.handle).await
}
