//! Where torrents are announced beside the trackers that they name themselves.

use std::sync::{Mutex, PoisonError};

use url::Url;

use crate::{Engine, InfoHash};

/// Trackers that hold for a while, as those of the room that somebody is in.
pub(crate) type Places = Mutex<Vec<Url>>;

impl Engine {
    /// Takes trackers for the torrents that are added from now on, beside those of the settings and in the place of the
    /// former ones; torrents keep theirs. Private torrents, once they are known to be, get none (BEP 27).
    pub fn set_trackers(&self, trackers: Vec<Url>) {
        *self.0.places.lock().unwrap_or_else(PoisonError::into_inner) = trackers;
    }

    /// The trackers of the settings, and those that hold now.
    pub(crate) fn extra_trackers(&self) -> Vec<String> {
        let places = self.0.places.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.config.network.extra_trackers.iter().chain(&*places).map(Url::to_string).collect()
    }

    /// Writes down trackers of others for a torrent, beside those that it was added with; librqbit is not told. Of more
    /// than 8 the oldest are forgotten.
    pub async fn remember_trackers(&self, info_hash: InfoHash, trackers: Vec<String>) {
        let registry = self.0.registry.clone();
        let written = self.0.tasks.spawn_blocking(move || registry.remember_trackers(info_hash, &trackers)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, "the registry of torrents cannot be written");
        }
    }

    /// The trackers that were written down for a torrent, the latest first.
    #[must_use]
    pub fn remembered_trackers(&self, info_hash: InfoHash) -> Vec<String> {
        self.0.registry.get(info_hash).map(|record| record.trackers).unwrap_or_default()
    }
}
