//! What the person does to torrents, and what torrents may use up.

use crate::{
    Controller, Settings,
    settings::limits_fault,
    torrents::{Torrents, shell_error},
};
use std::{
    num::{NonZeroU32, NonZeroU64},
    path::{Path, PathBuf},
    time::Duration,
};
use streamshare_ipc::{Act, ActRequest, LimitSettings, SettingsView, ShellError, code};
use streamshare_streaming::{ActError, InfoHash, Limits, RemoveError, free_bytes};

/// The largest cache that nobody asked for: two long films in high definition.
const CACHE_MAX: u64 = 10_000_000_000;
/// The part of the free space that a cache takes unasked.
const CACHE_SHARE: u64 = 5;
/// The smallest cache that nobody asked for: on a disk that is nearly full the film that plays needs some room.
const CACHE_MIN: u64 = 500_000_000;

/// The limits, and where they are written down.
#[derive(Debug)]
pub(crate) struct LimitsFile {
    home: PathBuf,
    downloads: PathBuf,
    /// The cache where the person set none: as the disk was when the app started, so that it does not shrink with what fills it.
    cache_default: u64,
    /// Held while they are changed.
    limits: tokio::sync::Mutex<LimitSettings>,
}

impl LimitsFile {
    pub(crate) fn new(home: &Path, downloads: &Path, limits: LimitSettings) -> Self {
        let cache_default = default_cache(free_bytes(downloads));
        Self { home: home.to_owned(), downloads: downloads.to_owned(), cache_default, limits: limits.into() }
    }

    /// As the engine takes them.
    pub(crate) fn for_engine(&self, limits: &LimitSettings) -> Limits {
        let cache = limits.cache_bytes.unwrap_or(self.cache_default);
        Limits {
            upload_bps: limits.upload_bps.and_then(NonZeroU32::new),
            download_bps: limits.download_bps.and_then(NonZeroU32::new),
            peers: limits.peers.and_then(NonZeroU32::new),
            seed_ratio: limits.seed_ratio,
            seed_time: limits.seed_minutes.map(|minutes| Duration::from_secs(u64::from(minutes) * 60)),
            cache_bytes: NonZeroU64::new(cache),
        }
    }

    fn view(&self, limits: LimitSettings) -> SettingsView {
        let download_folder = self.downloads.to_string_lossy().into_owned();
        SettingsView { limits, cache_default: self.cache_default, download_folder }
    }
}

/// What suits a disk with so many bytes free.
fn default_cache(free: Option<u64>) -> u64 {
    free.map_or(CACHE_MAX, |free| (free / CACHE_SHARE).clamp(CACHE_MIN, CACHE_MAX))
}

impl Controller {
    /// Does something to a torrent, or to all.
    ///
    /// # Errors
    /// When there is no such torrent, when the engine fails, and when it is nothing that is done to all.
    pub async fn torrent_act(&self, request: ActRequest) -> Result<(), ShellError> {
        self.torrents().act(request).await
    }

    /// The settings that the window shows.
    pub async fn settings(&self) -> SettingsView {
        let file = self.limits();
        let limits = *file.limits.lock().await;
        file.view(limits)
    }

    /// Writes down new limits and lets them hold.
    ///
    /// # Errors
    /// When one is out of its range, or when they cannot be written: then those before go on to hold.
    pub async fn set_limits(&self, limits: LimitSettings) -> Result<SettingsView, ShellError> {
        let file = self.limits();
        if let Some(why) = limits_fault(&limits) {
            return Err(shell_error(code::BAD_SETTINGS, &why));
        }
        let mut held = file.limits.lock().await;
        let home = file.home.clone();
        let saved = tokio::task::spawn_blocking(move || Settings::save_limits(&home, &limits)).await;
        let saved = saved.map_err(|error| shell_error(code::INTERNAL, &error.to_string()))?;
        saved.map_err(|error| shell_error(code::BAD_SETTINGS, &error.to_string()))?;
        *held = limits;
        self.torrents().set_limits(file.for_engine(&limits));
        Ok(file.view(limits))
    }
}

impl Torrents {
    async fn act(&self, request: ActRequest) -> Result<(), ShellError> {
        let (engine, browsers) = self.parts().await?;
        let Some(hash) = request.info_hash else {
            match request.act {
                Act::Pause => engine.pause_all().await,
                Act::Resume => engine.resume_all().await,
                Act::Keep | Act::Release | Act::Delete => {
                    return Err(shell_error(code::INTERNAL, "this is done to one torrent at a time"));
                }
            }
            return Ok(());
        };
        let hash: InfoHash = hash.parse().map_err(|_| shell_error(code::INTERNAL, "this is no info hash"))?;
        match request.act {
            Act::Pause => engine.pause(hash).await.map_err(act_error),
            Act::Resume => engine.resume(hash).await.map_err(act_error),
            Act::Keep => engine.set_kept(hash, true).await.map_err(act_error),
            Act::Release => engine.set_kept(hash, false).await.map_err(act_error),
            Act::Delete => {
                browsers.leave(hash);
                engine.remove(hash, true).await.map_err(|error| {
                    let code = match error {
                        RemoveError::Engine(_) => code::FILE_ACCESS,
                        RemoveError::UnknownTorrent | _ => code::INTERNAL,
                    };
                    shell_error(code, &error.to_string())
                })
            }
        }
    }
}

fn act_error(error: ActError) -> ShellError {
    shell_error(code::INTERNAL, &error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_that_suits_the_disk() {
        for (free, cache) in [
            (None, 10_000_000_000),
            (Some(1_000_000_000_000), 10_000_000_000),
            (Some(20_000_000_000), 4_000_000_000),
            (Some(600_000_000), 500_000_000),
        ] {
            assert_eq!(default_cache(free), cache, "{free:?}");
        }
    }
}
