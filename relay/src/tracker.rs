//! A BitTorrent tracker on the relay's port, so that a room needs no other: WebTorrent's protocol over WebSockets for
//! browsers and hybrid peers, HTTP announces (BEP 3, 7, 23) and scrapes (BEP 48) for the TCP peers of ordinary clients.
//!
//! It introduces peers to each other and knows nothing of rooms; anybody may announce anything, within the limits of
//! [`TrackerConfig`]. What it holds is in memory only. docs/TRACKER.md tells what it speaks.

mod bencode;
mod config;
mod http;
mod pool;
mod query;
mod random;
mod socket;
mod swarms;
mod upgrade;
mod visitor;

pub use config::TrackerConfig;

use axum::{Router, middleware::from_fn_with_state, routing::get};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
    time::Duration,
};
use swarms::{Load, Swarms};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use visitor::Visitors;

/// How often peers that were silent too long are looked for. They stay that much longer than they should at most.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

/// Keys are of the visitors' choice: the hashes depend on chance, which nobody outside can watch. std's hash has an answer to
/// those who could, and was a tenth of what an announce costs.
type Map<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;

/// A tracker; its tasks end when it is shut down.
#[derive(Debug)]
pub(crate) struct Tracker {
    config: TrackerConfig,
    swarms: Mutex<Swarms<socket::Outlet>>,
    visitors: Arc<Visitors>,
    sockets_made: AtomicU64,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Tracker {
    /// A tracker that ends with `stop`; `seed` is random.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub(crate) fn start(config: TrackerConfig, seed: u64, stop: CancellationToken) -> Arc<Self> {
        let tracker = Arc::new(Self {
            swarms: Mutex::new(Swarms::new(config.clone(), seed)),
            visitors: Arc::new(Visitors::new(config.clone())),
            config,
            sockets_made: AtomicU64::new(0),
            tasks: TaskTracker::new(),
            stop,
        });
        tracker.tasks.spawn(Arc::clone(&tracker).sweep());
        tracker
    }

    /// Waits until its tasks have ended, which they do once it was told to stop. Cancel safe.
    pub(crate) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Torrents and peers, and WebSockets.
    pub(crate) fn load(&self) -> (Load, usize) {
        let load = self.swarms().load();
        (load, self.visitors.sockets())
    }

    /// Has announces and scrapes handled before `pages`, at `/announce`, `/scrape`, and WebSockets also at `/`.
    pub(crate) fn mount(self: &Arc<Self>, pages: Router) -> Router {
        let requests = Router::new()
            .route("/announce", get(http::announce))
            .route("/scrape", get(http::scrape))
            .with_state(Arc::clone(self));
        pages.merge(requests).layer(from_fn_with_state(Arc::clone(self), upgrade::sockets))
    }

    async fn sweep(self: Arc<Self>) {
        let mut ticks = interval(SWEEP_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                _ = ticks.tick() => {
                    let now = Instant::now();
                    self.swarms().sweep(now);
                    self.visitors.sweep(now);
                }
            }
        }
    }

    /// A panic while the lock is held is a bug; what is held then may be off by one peer, which is no reason to end all.
    fn swarms(&self) -> MutexGuard<'_, Swarms<socket::Outlet>> {
        self.swarms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
