//! Reads a file of a torrent through everything that becomes of the torrent and of the reader: where librqbit is handed the torrent anew,
//! reading goes on at the same place, and a reader that does not come for more gives back all that it holds until it comes again.
//!
//! That is to *park* it. librqbit shares what it asks for among its streams, 32 MiB ahead of each, and each holds a place among those that
//! may use the disk: a player that reads nothing, behind a connection that is open, would slow all others and in the end stop them.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncSeekExt, ReadBuf};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::InfoHash;
use crate::funnel::{Funnel, Reader};
use crate::nudge::nudge;
use crate::readers::{At, Readers, Role};
use crate::torrents::{Torrent, Torrents};

/// librqbit's, whose type has no name outside of it.
type Stream = Pin<Box<dyn AsyncRead + Send>>;
type Opening = Pin<Box<dyn Future<Output = io::Result<Opened>> + Send>>;

/// Streams that players read at once; further ones wait for one to end or to be parked. Each holds a permit of librqbit's disk semaphore,
/// which [`crate::session::DISK_PERMITS`] keeps larger, or nothing could be written any more (rqbit#523).
pub(crate) const PLAYERS_MAX: usize = 192;
/// The same for what is read ahead of players.
pub(crate) const AHEAD_MAX: usize = 32;

/// What reading takes.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) torrents: Arc<Torrents>,
    funnel: Arc<Funnel>,
    players: Arc<Semaphore>,
    ahead: Arc<Semaphore>,
    /// Rings when a player begins to read.
    pub(crate) begins: Arc<Notify>,
}

impl Access {
    pub(crate) fn new(torrents: Arc<Torrents>, funnel: Arc<Funnel>) -> Self {
        let [players, ahead] = [PLAYERS_MAX, AHEAD_MAX].map(|max| Arc::new(Semaphore::new(max)));
        Self { torrents, funnel, players, ahead, begins: Arc::default() }
    }

    fn streams(&self, role: Role) -> Arc<Semaphore> {
        match role {
            Role::Player => self.players.clone(),
            Role::Ahead { .. } => self.ahead.clone(),
        }
    }
}

/// A file that is being read.
pub(crate) struct Through(Arc<Shared>);

/// What [`crate::ahead`] reaches, too.
pub(crate) struct Shared {
    access: Access,
    readers: Arc<Readers>,
    id: u64,
    role: Role,
    inner: Mutex<Inner>,
}

struct Inner {
    torrent: Arc<Torrent>,
    at: At,
    state: State,
    /// Bytes read so far.
    read: u64,
    /// How far it stands back behind others, in bytes.
    behind: u64,
    /// Whoever waits for the next byte.
    waiting: Option<Waker>,
    polled: Instant,
    progressed: Instant,
}

enum State {
    Reading(Opened),
    Opening(Opening),
    /// Nothing is held.
    Parked,
}

/// What is held while it is read.
struct Opened {
    torrent: Arc<Torrent>,
    stream: Stream,
    reader: Option<Reader>,
    renewed: Pin<Box<WaitForCancellationFutureOwned>>,
    _permit: OwnedSemaphorePermit,
}

/// How a reader is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Doing {
    /// Whether it waits for what is not there.
    pub(crate) is_waiting: bool,
    pub(crate) is_parked: bool,
    /// Bytes that it has read.
    pub(crate) read: u64,
    /// Those that began later have a larger one.
    pub(crate) id: u64,
    /// When it came for bytes last.
    pub(crate) polled: Instant,
    /// When it got some last, or began.
    pub(crate) progressed: Instant,
}

impl Through {
    /// Opens a file at a place; waits while the torrent is checked.
    pub(crate) async fn open(access: Access, info_hash: InfoHash, at: At, role: Role) -> io::Result<Self> {
        let opened = open(access.clone(), info_hash, at, role).await?;
        let (torrent, now) = (opened.torrent.clone(), Instant::now());
        let readers = torrent.readers.clone();
        let state = State::Reading(opened);
        let inner = Inner { torrent, at, state, read: 0, behind: 0, waiting: None, polled: now, progressed: now };
        let inner = Mutex::new(inner);
        let id = readers.next_id();
        let shared = Arc::new(Shared { access, readers: readers.clone(), id, role, inner });
        readers.enter(id, at, role, Arc::downgrade(&shared));
        if role == Role::Player {
            shared.access.begins.notify_one();
        }
        Ok(Self(shared))
    }

    /// Needs nothing more, but keeps its stream.
    pub(crate) fn rest(&self) {
        let reader = match &mut self.0.lock().state {
            State::Reading(opened) => opened.reader.take(),
            State::Opening(_) | State::Parked => None,
        };
        drop(reader);
    }
}

impl Shared {
    /// How it is doing; nothing while it reads just now.
    pub(crate) fn doing(&self) -> Option<Doing> {
        let inner = self.inner.try_lock().ok()?;
        Some(Doing {
            is_waiting: inner.waiting.is_some(),
            is_parked: matches!(inner.state, State::Parked),
            read: inner.read,
            id: self.id,
            polled: inner.polled,
            progressed: inner.progressed,
        })
    }

    /// Lets others go first, whose film lies less than so many bytes ahead of them.
    pub(crate) fn stand_back(&self, behind: u64) {
        let Ok(mut inner) = self.inner.try_lock() else { return };
        inner.behind = behind;
        if let State::Reading(Opened { reader: Some(reader), .. }) = &mut inner.state {
            reader.stand_back(behind);
        }
    }

    /// Gives back what is held. One that waits goes on waiting, for [`Shared::unpark`].
    pub(crate) fn park(&self) {
        let Ok(mut inner) = self.inner.try_lock() else { return };
        let state = std::mem::replace(&mut inner.state, State::Parked);
        drop(inner);
        drop(state);
    }

    /// Lets one go on that waits.
    pub(crate) fn unpark(&self) {
        let waker = self.lock().waiting.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn poll_read(&mut self, shared: &Shared, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            match &mut self.state {
                State::Parked => {
                    let (access, info_hash) = (shared.access.clone(), self.torrent.info.info_hash);
                    self.state = State::Opening(Box::pin(open(access, info_hash, self.at, shared.role)));
                }
                State::Opening(opening) => {
                    let mut opened = ready!(opening.as_mut().poll(cx))?;
                    self.torrent = opened.torrent.clone();
                    if let Some(reader) = &mut opened.reader {
                        reader.stand_back(self.behind);
                    }
                    self.state = State::Reading(opened);
                }
                State::Reading(opened) => {
                    if opened.renewed.as_mut().poll(cx).is_ready() {
                        self.reopen(shared);
                        continue;
                    }
                    let before = buf.filled().len();
                    let read = opened.stream.as_mut().poll_read(cx, buf);
                    if read.is_pending() {
                        if let Some(reader) = &mut opened.reader {
                            reader.waits();
                        }
                        nudge(&shared.access.torrents, &self.torrent, self.at.file_index);
                    }
                    match ready!(read) {
                        Ok(()) => {
                            let count = (buf.filled().len() - before) as u64;
                            self.at.position += count;
                            self.read += count;
                            if let Some(reader) = &mut opened.reader {
                                reader.has_read(count);
                            }
                            return Poll::Ready(Ok(()));
                        }
                        // The read itself rang for it.
                        Err(_) if self.stands_at_hole() => self.reopen(shared),
                        // It is being handed over, or will be when there is room for it.
                        Err(_) if self.torrent.will_be_renewed() => self.reopen(shared),
                        Err(error) => return Poll::Ready(Err(error)),
                    }
                }
            }
        }
    }

    /// Opens it again, when the torrent is there anew.
    fn reopen(&mut self, shared: &Shared) {
        let (access, renewed) = (shared.access.clone(), self.torrent.renewed.clone());
        let (info_hash, at, role) = (self.torrent.info.info_hash, self.at, shared.role);
        self.state = State::Opening(Box::pin(async move {
            renewed.cancelled().await;
            open(access, info_hash, at, role).await
        }));
    }

    /// Whether the next byte was dropped.
    fn stands_at_hole(&self) -> bool {
        let Some(places) = crate::ready::places(&self.torrent.handle) else { return false };
        places.piece_at(self.at.file_index, self.at.position).is_some_and(|piece| self.torrent.holes.contains(piece))
    }
}

impl AsyncRead for Through {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let shared = &*self.0;
        let mut inner = shared.lock();
        inner.polled = Instant::now();
        // Who was parked while waiting goes on waiting, until it is its turn.
        if inner.waiting.is_some() && matches!(inner.state, State::Parked) {
            inner.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let read = inner.poll_read(shared, cx, buf);
        if read.is_pending() {
            inner.waiting = Some(cx.waker().clone());
        } else {
            inner.waiting = None;
            inner.progressed = inner.polled;
            shared.readers.set(shared.id, inner.at);
        }
        read
    }
}

impl Drop for Through {
    fn drop(&mut self) {
        self.0.readers.leave(self.0.id);
        // The other one who holds it may take its time.
        let state = std::mem::replace(&mut self.0.lock().state, State::Parked);
        drop(state);
    }
}

async fn open(access: Access, info_hash: InfoHash, at: At, role: Role) -> io::Result<Opened> {
    let permit = access.streams(role).acquire_owned().await.map_err(io::Error::other)?;
    let torrent = access.torrents.get(info_hash).ok_or(io::ErrorKind::NotFound)?;
    let opened = torrent.handle.clone().stream(at.file_index).await;
    let mut stream = opened.map_err(io::Error::other)?;
    stream.seek(io::SeekFrom::Start(at.position)).await?;
    let reader = access.funnel.reader(&torrent.handle, at.file_index, at.position, role);
    let renewed = Box::pin(torrent.renewed.clone().cancelled_owned());
    Ok(Opened { torrent, stream: Box::pin(stream), reader, renewed, _permit: permit })
}
