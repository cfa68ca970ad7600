//! Fetches what a player will read before it asks: the index of what is opened, wherever in the file it lies; the film at the place
//! where it will begin, or where the room has gone; and the beginning of what comes next, while nobody needs anything else.
//!
//! A player finds its way to the first picture step by step, and waits for a piece at each step: the head, an index at the end, the
//! place itself. Here all of it is asked for at once, as far as it can be known.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use streamshare_media::{Probe, Step};
use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::engine::Inner;
use crate::layout::Layout;
use crate::readers::{At, Role};
use crate::ready::There;
use crate::through::Through;
use crate::torrents::Torrent;
use crate::veil::Entries;
use crate::{Engine, InfoHash};

/// What is read at once.
const CHUNK_BYTES: usize = 64 << 10;
/// The largest part of an index that is read: the sample tables of a film of four hours.
const INDEX_PART_MAX: u64 = 16 << 20;
/// How long finding out about a file may take; the next one who opens it tries again.
const LEARN_TIMEOUT: Duration = Duration::from_secs(600);
/// What tells how a file is laid out.
const HEAD_BYTES: u64 = 32 << 10;
/// The end of a file that is fetched along with its head, where an index may lie: all of that of an hour's film.
const TAIL_BYTES: u64 = 256 << 10;
/// How long a stream is held once a file's layout is known, until whoever waits for that has opened another one.
const HELD: Duration = Duration::from_millis(500);
/// What stands back behind all that players read, in bytes.
const LAST: u64 = 1 << 40;

/// How soon something is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    /// While nobody needs anything else.
    Later,
    /// After what the player reads at first.
    Soon,
    /// As what a player waits for.
    Now,
}

/// What is known of a torrent's files and fetched of them before players ask.
#[derive(Debug, Default)]
pub(crate) struct Primed(Mutex<BTreeMap<usize, File>>);

#[derive(Debug)]
struct File {
    known: watch::Receiver<Known>,
    subtitles: watch::Receiver<Entries>,
    urgency: watch::Sender<Urgency>,
    /// Where the player begins.
    at: Duration,
    fetching: Option<AbortOnDropHandle<()>>,
}

#[derive(Debug, Clone)]
enum Known {
    NotYet,
    Layout(Arc<Layout>),
    Nothing,
}

impl Engine {
    /// Fetches what a player needs to show a file from a time on, before anything else: it is about to go there. What was asked for
    /// before for this file is given up. Nothing happens where it is not known.
    pub fn prime(&self, info_hash: InfoHash, file_index: usize, at: Duration) {
        self.fetch_first(info_hash, file_index, at, Urgency::Now);
    }

    /// Fetches what a player needs to show a file from a time on, while no player needs anything else: it comes next. Its torrent goes
    /// on, unless the user has paused it, and no more of it is downloaded than that.
    pub fn prepare(&self, info_hash: InfoHash, file_index: usize, at: Duration) {
        let inner = self.0.clone();
        let engine = self.clone();
        self.0.tasks.spawn(async move {
            match crate::register::wake(&inner, info_hash, file_index).await {
                Ok(true) => engine.fetch_first(info_hash, file_index, at, Urgency::Later),
                Ok(false) => {}
                Err(error) => tracing::debug!(%info_hash, error = format!("{error:#}"), "what is next is not prepared"),
            }
        });
    }

    fn fetch_first(&self, info_hash: InfoHash, file_index: usize, at: Duration, urgency: Urgency) {
        let Some(torrent) = self.0.torrents.get(info_hash) else { return };
        if file_index >= torrent.info.files.len() {
            return;
        }
        torrent.primed.learn(&self.0, &torrent, file_index, urgency);
        let mut files = torrent.primed.lock();
        let Some(file) = files.get_mut(&file_index) else { return };
        file.at = at;
        // The former one ends first.
        file.fetching = None;
        let (inner, known) = (self.0.clone(), file.known.clone());
        let cancel = self.0.cancel.child_token();
        let urgency = file.urgency.subscribe();
        let fetching = self.0.tasks.spawn(async move {
            let fetching = async {
                let Some(layout) = layout_of(known).await else { return };
                let mut held = None;
                for read in layout.first_reads(at) {
                    let target = Target { inner: &inner, info_hash, file_index };
                    let read = target.read(read, Urgency::Later, urgency.clone(), &mut held, |_| ());
                    if let Err(error) = read.await {
                        tracing::debug!(%info_hash, file_index, %error, "what comes first is not fetched");
                        return;
                    }
                }
                tracing::debug!(%info_hash, file_index, ?at, "what comes first is there");
            };
            cancel.run_until_cancelled(fetching).await;
        });
        file.fetching = Some(AbortOnDropHandle::new(fetching));
    }
}

impl Primed {
    /// Finds out how a file is laid out, unless that is known or being found out.
    pub(crate) fn open(&self, inner: &Arc<Inner>, torrent: &Arc<Torrent>, file_index: usize) {
        self.learn(inner, torrent, file_index, Urgency::Soon);
    }

    /// How a file is laid out, where that is known.
    pub(crate) fn layout(&self, file_index: usize) -> Option<Arc<Layout>> {
        match &*self.lock().get(&file_index)?.known.borrow() {
            Known::Layout(layout) => Some(layout.clone()),
            Known::NotYet | Known::Nothing => None,
        }
    }

    /// Where a file lists its subtitles; nothing where that is not looked for.
    pub(crate) fn subtitles(&self, file_index: usize) -> Option<watch::Receiver<Entries>> {
        self.lock().get(&file_index).map(|file| file.subtitles.clone())
    }

    /// The bytes that are missing of what a player reads first, in whole pieces; nothing while that is not known.
    pub(crate) fn missing_to_start(&self, there: &There, file_index: usize) -> Option<u64> {
        let (at, is_learning) = self
            .lock()
            .get(&file_index)
            .map_or((Duration::ZERO, false), |file| (file.at, matches!(*file.known.borrow(), Known::NotYet)));
        let layout = self.layout(file_index);
        let reads = match &layout {
            Some(layout) => layout.first_reads(at),
            None => std::iter::once(0..HEAD_BYTES).collect(),
        };
        let pieces: std::collections::BTreeSet<u64> =
            reads.into_iter().flat_map(|read| there.missing_pieces(file_index, read)).collect();
        let missing = pieces.len() as u64 * there.places.piece_length;
        (missing > 0 || !is_learning).then_some(missing)
    }

    fn learn(&self, inner: &Arc<Inner>, torrent: &Arc<Torrent>, file_index: usize, urgency: Urgency) {
        let mut files = self.lock();
        if let Some(file) = files.get(&file_index).filter(|file| !matches!(*file.known.borrow(), Known::Nothing)) {
            file.urgency.send_if_modified(|now| std::mem::replace(now, urgency.max(*now)) < urgency);
            return;
        }
        let (tell, known) = watch::channel(Known::NotYet);
        let (tell_subtitles, subtitles) = watch::channel(None);
        let (urgency, wanted) = watch::channel(urgency);
        let before = files.insert(file_index, File { known, subtitles, urgency, at: Duration::ZERO, fetching: None });
        drop(files);
        drop(before);
        let (inner, info_hash, cancel) = (inner.clone(), torrent.info.info_hash, torrent.cancel.clone());
        let length = torrent.info.files.get(file_index).map_or(0, |file| file.length);
        let is_mp4 = torrent.info.files.get(file_index).is_some_and(|file| is_mp4(&file.path));
        inner.tasks.clone().spawn(async move {
            let target = Target { inner: &inner, info_hash, file_index };
            let mut held = None;
            let learning = target.learn(length, is_mp4, wanted, tell_subtitles, &mut held);
            let learning = tokio::time::timeout(LEARN_TIMEOUT, learning);
            let learned = cancel.run_until_cancelled(learning).await.and_then(Result::ok).flatten();
            tracing::debug!(%info_hash, file_index, is_known = learned.is_some(), "looked into a file");
            // Nobody waits for it where the torrent has gone.
            let _ = tell.send(learned.map_or(Known::Nothing, |layout| Known::Layout(Arc::new(layout))));
            if held.is_some() {
                cancel.run_until_cancelled(tokio::time::sleep(HELD)).await;
            }
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<usize, File>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn layout_of(mut known: watch::Receiver<Known>) -> Option<Arc<Layout>> {
    let known = known.wait_for(|known| !matches!(known, Known::NotYet)).await.ok()?;
    match &*known {
        Known::Layout(layout) => Some(layout.clone()),
        Known::NotYet | Known::Nothing => None,
    }
}

/// Kinds of files whose index may lie at the end, and is read first then.
fn is_mp4(path: &str) -> bool {
    let extension = path.rsplit('.').next().unwrap_or_default();
    ["mp4", "m4v", "mov", "m4a"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// A file that something is fetched of.
#[derive(Clone, Copy)]
struct Target<'a> {
    inner: &'a Arc<Inner>,
    info_hash: InfoHash,
    file_index: usize,
}

impl Target<'_> {
    /// Finds out how the file is laid out; nothing where that cannot be told.
    async fn learn(
        self,
        length: u64,
        is_mp4: bool,
        urgency: watch::Receiver<Urgency>,
        subtitles: watch::Sender<Entries>,
        held: &mut Option<Through>,
    ) -> Option<Layout> {
        let mut probe = Probe::new(length);
        let is_soon = *urgency.borrow() > Urgency::Later;
        // Until the head tells where the index is.
        let mut tail = match length.checked_sub(TAIL_BYTES) {
            Some(from) if is_mp4 && is_soon => self.open(from, Urgency::Soon).await.ok(),
            Some(_) | None => None,
        };
        // A player begins with the head, whatever it does then.
        let mut least = Urgency::Now;
        let mut step = probe.poll();
        loop {
            let range = match step {
                Step::Read(range) if range.end - range.start <= INDEX_PART_MAX => range,
                Step::Read(_) | Step::Failed(_) => return None,
                Step::Done(media) => return Some(Layout::new(*media, length)),
            };
            let mut bytes = Vec::new();
            let take = |chunk: &[u8]| bytes.extend_from_slice(chunk);
            self.read(range.clone(), least, urgency.clone(), held, take).await.ok()?;
            least = Urgency::Later;
            probe.feed(range.start, &bytes);
            drop(bytes);
            let is_told = subtitles.borrow().is_some();
            if let Some(entries) = probe.subtitle_entries().filter(|_| !is_told) {
                // Players wait for it.
                subtitles.send_replace(Some(entries.into()));
            }
            step = probe.poll();
            tail = tail.filter(|_| matches!(step, Step::Read(_)));
        }
    }

    /// Reads a range, as soon as is wanted at the time; where it is wanted for more than later, at least as soon as `least`. The stream is left
    /// in `held`, in place of the one before: where nothing of a torrent is selected and no stream is open for a moment, librqbit is done
    /// and sends all away who have everything.
    async fn read(
        self,
        range: Range<u64>,
        least: Urgency,
        mut urgency: watch::Receiver<Urgency>,
        held: &mut Option<Through>,
        mut take: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        let mut comfort = self.inner.is_comfortable.subscribe();
        let mut position = range.start;
        let mut buffer = vec![0; CHUNK_BYTES];
        while position < range.end {
            let now = match *urgency.borrow_and_update() {
                Urgency::Later => Urgency::Later,
                wanted @ (Urgency::Soon | Urgency::Now) => wanted.max(least),
            };
            if now == Urgency::Later && !*comfort.borrow_and_update() {
                *held = None;
                tokio::select! {
                    changed = comfort.changed() => changed.map_err(io::Error::other)?,
                    changed = urgency.changed() => changed.map_err(io::Error::other)?,
                }
                continue;
            }
            let mut through = self.open(position, now).await?;
            *held = None;
            while position < range.end {
                let fits = usize::try_from(range.end - position).unwrap_or(usize::MAX).min(CHUNK_BYTES);
                tokio::select! {
                    read = through.read(&mut buffer[..fits]) => {
                        let count = read?;
                        if count == 0 {
                            return Err(io::ErrorKind::UnexpectedEof.into());
                        }
                        take(&buffer[..count]);
                        position += count as u64;
                    }
                    Ok(()) = urgency.changed() => break,
                    Ok(()) = comfort.changed(), if now == Urgency::Later => break,
                }
            }
            through.rest();
            *held = Some(through);
        }
        Ok(())
    }

    async fn open(self, position: u64, urgency: Urgency) -> io::Result<Through> {
        let torrent = self.inner.torrents.get(self.info_hash).ok_or(io::ErrorKind::NotFound)?;
        let piece = crate::ready::places(&torrent.handle).map_or(0, |places| places.piece_length);
        let role = match urgency {
            Urgency::Now => Role::Ahead { behind_bytes: 0, is_urgent: true },
            // After the piece that the player waits for, before the next one.
            Urgency::Soon => Role::Ahead { behind_bytes: piece.saturating_sub(1), is_urgent: true },
            Urgency::Later => Role::Ahead { behind_bytes: LAST, is_urgent: true },
        };
        let at = At { file_index: self.file_index, position };
        Through::open(self.inner.access.clone(), self.info_hash, at, role).await
    }
}
