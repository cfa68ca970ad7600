//! The bytes of a response, pulled out of a torrent as the player takes them.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Bytes read at once: a read blocks a thread for its disk access. From 128 KiB on, glibc asks the system for the memory of each chunk, and
/// gives it back (`M_MMAP_THRESHOLD`, mallopt(3)).
const CHUNK_LEN: usize = 64 << 10;
/// How often a waiting read looks again by itself. librqbit wakes a reader when its piece is there, but not when the torrent fails, or
/// restarts after a failure.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Why a response is cut off before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("no peer gave the next piece in time")]
    Stalled,
    #[error("the torrent was removed or the engine is shutting down")]
    Cancelled,
    #[error(transparent)]
    Read(#[from] std::io::Error),
}

/// The body of a response.
pub(crate) enum Body {
    Empty,
    Media(Box<MediaBody>),
}

/// A part of a file. Nothing is read before the connection has taken what was read before; dropping it frees the stream.
pub(crate) struct MediaBody {
    source: Pin<Box<dyn AsyncRead + Send>>,
    remaining: u64,
    buffer: Vec<u8>,
    cancelled: Pin<Box<WaitForCancellationFutureOwned>>,
    look_again: Pin<Box<Sleep>>,
    stall_timeout: Duration,
    waiting_since: Option<Instant>,
}

impl MediaBody {
    /// `source` stands at the first byte and has at least `length` more.
    pub(crate) fn new(
        source: impl AsyncRead + Send + 'static,
        length: u64,
        stall_timeout: Duration,
        cancel: CancellationToken,
    ) -> Self {
        Self {
            source: Box::pin(source),
            remaining: length,
            buffer: Vec::new(),
            cancelled: Box::pin(cancel.cancelled_owned()),
            look_again: Box::pin(tokio::time::sleep(LOOK_AGAIN)),
            stall_timeout,
            waiting_since: None,
        }
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, BodyError>> {
        if self.cancelled.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(BodyError::Cancelled));
        }
        if self.buffer.is_empty() {
            self.buffer = vec![0; usize::try_from(self.remaining).unwrap_or(usize::MAX).min(CHUNK_LEN)];
        }
        loop {
            let mut buf = ReadBuf::new(&mut self.buffer);
            match self.source.as_mut().poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) => {
                    let count = buf.filled().len();
                    self.waiting_since = None;
                    if count == 0 {
                        return Poll::Ready(Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()));
                    }
                    let mut chunk = std::mem::take(&mut self.buffer);
                    chunk.truncate(count);
                    self.remaining -= count as u64;
                    return Poll::Ready(Ok(chunk.into()));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => {
                    let now = Instant::now();
                    let is_first = self.waiting_since.is_none();
                    let left = self.stall_timeout.saturating_sub(now - *self.waiting_since.get_or_insert(now));
                    if left.is_zero() {
                        return Poll::Ready(Err(BodyError::Stalled));
                    }
                    if is_first || self.look_again.is_elapsed() {
                        self.look_again.as_mut().reset(now + left.min(LOOK_AGAIN));
                    }
                    ready!(self.look_again.as_mut().poll(cx));
                }
            }
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self::Media(media) = self.get_mut() else { return Poll::Ready(None) };
        if media.remaining == 0 {
            return Poll::Ready(None);
        }
        let chunk = ready!(media.poll_chunk(cx));
        if let Err(error) = &chunk {
            tracing::debug!(%error, remaining = media.remaining, "response cut off");
        }
        Poll::Ready(Some(chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Media(media) => media.remaining == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Empty => 0,
            Self::Media(media) => media.remaining,
        })
    }
}
