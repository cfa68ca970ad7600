//! Reads a file of a torrent through everything that becomes of the torrent: where librqbit is handed it anew, reading goes on at the same
//! place.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncSeekExt, ReadBuf};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::InfoHash;
use crate::nudge::nudge;
use crate::torrents::{Torrent, Torrents};

/// librqbit's, whose type has no name outside of it.
type Stream = Pin<Box<dyn AsyncRead + Send>>;
type Opening = Pin<Box<dyn Future<Output = io::Result<(Arc<Torrent>, Stream)>> + Send>>;

/// Where a torrent is being read.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    next: AtomicU64,
    places: Mutex<BTreeMap<u64, At>>,
    /// Where it was read last, once nobody reads any more.
    last: Mutex<Option<At>>,
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) file_index: usize,
    /// Bytes from the file's start.
    pub(crate) position: u64,
}

impl Readers {
    /// Where it is read now; where nobody reads, where it was read last.
    pub(crate) fn places(&self) -> Vec<At> {
        let now: Vec<At> = self.places.lock().unwrap_or_else(PoisonError::into_inner).values().copied().collect();
        if now.is_empty() {
            self.last.lock().unwrap_or_else(PoisonError::into_inner).into_iter().collect()
        } else {
            now
        }
    }

    /// Whether somebody reads now.
    pub(crate) fn is_read(&self) -> bool {
        !self.places.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn set(&self, id: u64, at: At) {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).insert(id, at);
    }

    fn end(&self, id: u64) {
        let ended = self.places.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = ended;
    }
}

/// A file that is being read.
pub(crate) struct Through {
    torrents: Arc<Torrents>,
    torrent: Arc<Torrent>,
    readers: Arc<Readers>,
    id: u64,
    at: At,
    renewed: Pin<Box<WaitForCancellationFutureOwned>>,
    state: State,
}

enum State {
    Reading(Stream),
    Opening(Opening),
}

impl Through {
    /// Opens a file at a place; waits while the torrent is checked.
    pub(crate) async fn open(
        torrents: Arc<Torrents>,
        info_hash: InfoHash,
        file_index: usize,
        position: u64,
    ) -> io::Result<Self> {
        let at = At { file_index, position };
        let (torrent, stream) = open(torrents.clone(), info_hash, at).await?;
        let readers = torrent.readers.clone();
        let id = readers.next.fetch_add(1, Ordering::Relaxed);
        readers.set(id, at);
        let renewed = Box::pin(torrent.renewed.clone().cancelled_owned());
        Ok(Self { torrents, torrent, readers, id, at, renewed, state: State::Reading(stream) })
    }

    /// Opens it again, when the torrent is there anew.
    fn reopen(&mut self) {
        let (torrents, renewed) = (self.torrents.clone(), self.torrent.renewed.clone());
        let (info_hash, at) = (self.torrent.info.info_hash, self.at);
        self.state = State::Opening(Box::pin(async move {
            renewed.cancelled().await;
            open(torrents, info_hash, at).await
        }));
    }

    /// Whether the next byte was dropped.
    fn stands_at_hole(&self) -> bool {
        let Some(places) = crate::ready::places(&self.torrent.handle) else { return false };
        places.piece_at(self.at.file_index, self.at.position).is_some_and(|piece| self.torrent.holes.contains(piece))
    }
}

impl AsyncRead for Through {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Opening(opening) => {
                    let (torrent, stream) = ready!(opening.as_mut().poll(cx))?;
                    this.renewed = Box::pin(torrent.renewed.clone().cancelled_owned());
                    this.torrent = torrent;
                    this.state = State::Reading(stream);
                }
                State::Reading(stream) => {
                    if this.renewed.as_mut().poll(cx).is_ready() {
                        this.reopen();
                        continue;
                    }
                    let before = buf.filled().len();
                    let read = stream.as_mut().poll_read(cx, buf);
                    if read.is_pending() {
                        nudge(&this.torrents, &this.torrent, this.at.file_index);
                    }
                    match ready!(read) {
                        Ok(()) => {
                            this.at.position += (buf.filled().len() - before) as u64;
                            this.readers.set(this.id, this.at);
                            return Poll::Ready(Ok(()));
                        }
                        // The read itself rang for it.
                        Err(_) if this.stands_at_hole() => this.reopen(),
                        // It is being handed over, or will be when there is room for it.
                        Err(_) if this.torrent.will_be_renewed() => this.reopen(),
                        Err(error) => return Poll::Ready(Err(error)),
                    }
                }
            }
        }
    }
}

impl Drop for Through {
    fn drop(&mut self) {
        self.readers.end(self.id);
    }
}

async fn open(torrents: Arc<Torrents>, info_hash: InfoHash, at: At) -> io::Result<(Arc<Torrent>, Stream)> {
    let torrent = torrents.get(info_hash).ok_or(io::ErrorKind::NotFound)?;
    let opened = torrent.handle.clone().stream(at.file_index).await;
    let mut stream = opened.map_err(io::Error::other)?;
    stream.seek(io::SeekFrom::Start(at.position)).await?;
    Ok((torrent, Box::pin(stream)))
}
