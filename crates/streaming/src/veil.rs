//! Hides from a player the subtitles that a film has in itself.
//!
//! WebKitGTK 2.50 joins all of them, and fails where some are pictures ("caps subpicture/x-pgs not accepted"); where there are no others it
//! waits for the first picture for ever. So no film off a disc would play. The window shows lines by itself and needs none of the player's:
//! in what the player reads, the entries of subtitles in Matroska's list of tracks are padding. One byte of each says so, nothing moves, and
//! blocks of a track that is not listed are jumped over. Whoever reads the file without asking for this gets it as it is.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::watch;

/// Where the entries that are hidden begin in a file, once that is known.
pub(crate) type Entries = Option<Arc<[u64]>>;
type Learning = Pin<Box<dyn Future<Output = Arc<[u64]>> + Send>>;

/// The id of padding (RFC 8794, section 11.3.2), as long as those that it takes the place of.
const PADDING: u8 = 0xec;
/// What is read while the entries are not known: the player waits for it.
const HELD_BYTES: usize = 64 << 10;

/// What a player reads.
pub(crate) struct Veiled<S> {
    source: S,
    position: u64,
    entries: Arc<[u64]>,
    /// Tells the entries, while they are not known.
    learning: Option<Learning>,
    held: Vec<u8>,
}

impl<S> Veiled<S> {
    /// `source` stands at a place in the file. Nothing is hidden where nobody knows the entries, nor will.
    pub(crate) fn new(source: S, position: u64, entries: Option<watch::Receiver<Entries>>) -> Self {
        let learning = entries.map(|mut entries| {
            let known = async move {
                let known = entries.wait_for(Option::is_some).await;
                known.ok().and_then(|known| known.clone()).unwrap_or_default()
            };
            Box::pin(known) as Learning
        });
        Self { source, position, entries: Arc::default(), learning, held: Vec::new() }
    }

    fn hide(&mut self, bytes: &mut [u8]) {
        for entry in &*self.entries {
            let at = entry.checked_sub(self.position).and_then(|at| usize::try_from(at).ok());
            if let Some(byte) = at.and_then(|at| bytes.get_mut(at)) {
                *byte = PADDING;
            }
        }
        self.position += bytes.len() as u64;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Veiled<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(learning) = &mut this.learning {
            let Poll::Ready(entries) = learning.as_mut().poll(cx) else {
                // It is fetched, and counts as what a player waits for.
                if this.held.is_empty() {
                    let mut held = vec![0; HELD_BYTES];
                    let mut part = ReadBuf::new(&mut held);
                    if Pin::new(&mut this.source).poll_read(cx, &mut part)?.is_ready() {
                        let count = part.filled().len();
                        held.truncate(count);
                        this.held = held;
                    }
                }
                return Poll::Pending;
            };
            (this.entries, this.learning) = (entries, None);
        }
        let before = buf.filled().len();
        if this.held.is_empty() {
            ready!(Pin::new(&mut this.source).poll_read(cx, buf))?;
        } else {
            let count = this.held.len().min(buf.remaining());
            buf.put_slice(&this.held[..count]);
            this.held.drain(..count);
        }
        this.hide(&mut buf.filled_mut()[before..]);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn entries_become_padding_wherever_a_read_begins() {
        static FILM: [u8; 8] = *b"01e3e5e7";
        let entries: Arc<[u64]> = Arc::new([2, 4, 6]);
        let hidden = *b"01\xec3\xec5\xec7";
        for from in 0..FILM.len() {
            let (tell, told) = watch::channel(None);
            let mut veiled = Veiled::new(&FILM[from..], from as u64, Some(told));
            let reading = tokio::spawn(async move {
                let mut bytes = vec![veiled.read_u8().await.unwrap()];
                veiled.read_to_end(&mut bytes).await.unwrap();
                bytes
            });
            tokio::task::yield_now().await;
            assert!(!reading.is_finished(), "it was shown before it was known");
            tell.send(Some(entries.clone())).unwrap();
            assert_eq!(reading.await.unwrap(), hidden[from..]);
            let (_tell, told) = watch::channel(Some(entries.clone()));
            let mut bytes = Vec::new();
            Veiled::new(&FILM[from..], from as u64, Some(told)).read_to_end(&mut bytes).await.unwrap();
            assert_eq!(bytes, hidden[from..]);
        }
        // Nobody will know any more, or nobody ever does.
        let lost = watch::channel(None).1;
        for entries in [Some(lost), None] {
            let mut bytes = Vec::new();
            Veiled::new(&FILM[..], 0, entries).read_to_end(&mut bytes).await.unwrap();
            assert_eq!(bytes, FILM);
        }
    }
}
