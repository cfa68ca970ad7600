//! From a source to a torrent of the engine: the engine and the browsers look for a magnet link's metadata side by side.

use super::{
    OnProgress, Running, Torrents,
    answers::{add_error, cancelled},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use streamshare_ipc::{Phase, Progress, ShellError};
use streamshare_protocol::TorrentId;
use streamshare_streaming::{
    AddError, CancellationToken, Progress as EngineProgress, Source as EngineSource, TorrentInfo,
};

/// Least time between two progress events of one request: ten a second look smooth.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

impl Torrents {
    /// Adds a torrent, until `cancel` says so.
    pub(super) async fn add_source(
        &self,
        source: EngineSource,
        op: u64,
        cancel: &CancellationToken,
        on_progress: OnProgress,
    ) -> Result<TorrentInfo, ShellError> {
        let running = tokio::select! {
            running = self.running() => running?,
            () = cancel.cancelled() => return Err(cancelled()),
        };
        let id = match &source {
            EngineSource::Link(text) => TorrentId::new(text).ok().filter(|id| id.info_hash().is_some()),
            EngineSource::Metainfo(_) | EngineSource::Path(_) => None,
        };
        let places = self.places(id.as_ref());
        let addition = Addition { running, cancel, places, report: Arc::new(progress_reporter(op, on_progress)) };
        match id {
            Some(id) => addition.add_magnet(source, &id).await,
            None => addition.add_by_engine(source, cancel.clone()).await.map_err(add_error),
        }
    }
}

/// A request to add something.
struct Addition<'a> {
    running: &'a Running,
    cancel: &'a CancellationToken,
    /// Where browsers are looked for.
    places: Vec<String>,
    report: Arc<dyn Fn(EngineProgress) + Send + Sync>,
}

impl Addition<'_> {
    async fn add_by_engine(&self, source: EngineSource, cancel: CancellationToken) -> Result<TorrentInfo, AddError> {
        let report = Arc::clone(&self.report);
        Box::pin(self.running.engine.add(source, cancel, move |progress| report(progress))).await
    }

    /// Takes the metadata from whoever has it first: a peer of the engine's, or a browser.
    async fn add_magnet(&self, source: EngineSource, id: &TorrentId) -> Result<TorrentInfo, ShellError> {
        let attempt = self.cancel.child_token();
        let mut of_engine = Box::pin(self.add_by_engine(source, attempt.clone()));
        let mut of_browsers = Box::pin(self.running.browsers.metainfo(id, &self.places, self.cancel));
        let metainfo = tokio::select! {
            added = &mut of_engine => match added {
                Err(error) if self.may_browsers_help(&error) => {
                    of_browsers.await.ok_or_else(|| add_error(error))?
                }
                added => return added.map_err(add_error),
            },
            Some(metainfo) = &mut of_browsers => {
                attempt.cancel();
                match of_engine.await {
                    // It was as fast.
                    Ok(info) => return Ok(info),
                    Err(_) => metainfo,
                }
            }
        };
        let source = EngineSource::Metainfo(metainfo.into());
        self.add_by_engine(source, self.cancel.clone()).await.map_err(add_error)
    }

    /// Whether browsers are worth waiting for where the engine found no metadata.
    fn may_browsers_help(&self, error: &AddError) -> bool {
        matches!(error, AddError::TimedOut(_) | AddError::Network(_) | AddError::Engine(_) | AddError::BadMagnet(_))
            && self.places.iter().any(|tracker| tracker.starts_with("ws"))
    }
}

/// Turns the engine's progress into events, at most one per [`PROGRESS_EVERY`] but for a change of phase.
fn progress_reporter(op: u64, on_progress: OnProgress) -> impl Fn(EngineProgress) + Send + Sync + 'static {
    let last: Mutex<Option<(Phase, Instant)>> = Mutex::new(None);
    move |progress| {
        let (phase, done, total) = match progress {
            EngineProgress::Hashing { done, total } => (Phase::Hashing, done, total),
            EngineProgress::Adding => (Phase::Checking, 0, 0),
            EngineProgress::Fetching | EngineProgress::FindingMetadata => (Phase::Resolving, 0, 0),
            _ => return,
        };
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let too_soon = |(before, at): (Phase, Instant)| before == phase && now.duration_since(at) < PROGRESS_EVERY;
        if last.is_some_and(too_soon) {
            return;
        }
        *last = Some((phase, now));
        on_progress(Progress { op, phase, done, total });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_thinned_out_but_for_a_new_phase() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let report = progress_reporter(3, Arc::new(move |progress| sink.lock().expect("no panic").push(progress)));
        for done in 0..1000 {
            report(EngineProgress::Hashing { done, total: 1000 });
        }
        report(EngineProgress::Adding);
        let seen = seen.lock().expect("no panic");
        assert!(seen.len() >= 2 && seen.len() < 100, "{}", seen.len());
        assert_eq!(seen[0], Progress { op: 3, phase: Phase::Hashing, done: 0, total: 1000 });
        assert_eq!(seen.last().map(|progress| progress.phase), Some(Phase::Checking));
    }
}
