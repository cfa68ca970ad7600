//! Bytes of files: of a torrent's, which come from the desktop's engine over HTTP or out of this page's swarm, and of files that a
//! person gave to the page.

use super::files;
use super::swarm::Swarm;
use crate::ipc;
use js_sys::Uint8Array;
use std::cell::RefCell;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;
use streamshare_ipc::{CancelRequest, OpenRequest, Opened, SubtitleRequest, command};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Blob, File, Headers, RequestInit, Response};

/// Bytes that are on their way; what went wrong is for people.
pub(crate) type Reading = Pin<Box<dyn Future<Output = Result<Vec<u8>, String>>>>;

/// A file of a torrent at any place. A read waits until the bytes are there.
pub(crate) trait Bytes {
    /// Reads these bytes of it.
    fn read(&self, range: Range<u64>) -> Reading;
}

/// Over HTTP, from the desktop's engine.
#[derive(Clone)]
pub(super) struct HttpBytes {
    /// The address, once it is known.
    url: Rc<RefCell<Option<String>>>,
    info_hash: String,
    path: String,
    op: u64,
}

impl HttpBytes {
    /// A file by its address, or by its path in a torrent, which is then opened when it is first read; `op` is the number of that request.
    pub(super) fn new(url: Option<&str>, info_hash: &str, path: &str, op: u64) -> Self {
        let url = Rc::new(RefCell::new(url.map(str::to_owned)));
        Self { url, info_hash: info_hash.to_owned(), path: path.to_owned(), op }
    }

    async fn address(&self) -> Result<String, String> {
        if let Some(url) = &*self.url.borrow() {
            return Ok(url.clone());
        }
        let request = OpenRequest { op: self.op, torrent_id: self.info_hash.clone(), filename: self.path.clone() };
        let opened: Opened = ipc::call(command::TORRENT_OPEN, &request).await.map_err(|error| error.message)?;
        self.url.replace(Some(opened.url.clone()));
        Ok(opened.url)
    }
}

impl Bytes for HttpBytes {
    fn read(&self, range: Range<u64>) -> Reading {
        let this = self.clone();
        Box::pin(async move { fetch(&this.address().await?, range).await })
    }
}

impl Drop for HttpBytes {
    fn drop(&mut self) {
        if Rc::strong_count(&self.url) == 1 && self.url.borrow().is_none() {
            let op = self.op;
            spawn_local(async move {
                // There may be nothing to cancel.
                let _ = ipc::call::<_, ()>(command::TORRENT_CANCEL, &CancelRequest { op }).await;
            });
        }
    }
}

async fn fetch(url: &str, range: Range<u64>) -> Result<Vec<u8>, String> {
    let lost = |_| "The file cannot be read.".to_owned();
    let headers = Headers::new().map_err(lost)?;
    // A plain range, which needs no question before (Fetch, "no-CORS-safelisted request-header").
    headers.set("Range", &format!("bytes={}-{}", range.start, range.end.saturating_sub(1))).map_err(lost)?;
    let init = RequestInit::new();
    init.set_headers(&headers);
    let window = web_sys::window().ok_or("This page has no window.")?;
    let response = JsFuture::from(window.fetch_with_str_and_init(url, &init)).await.map_err(lost)?;
    let response: Response = response.dyn_into().map_err(lost)?;
    if response.status() != 206 {
        return Err(format!("The file cannot be read (HTTP {}).", response.status()));
    }
    let buffer = JsFuture::from(response.array_buffer().map_err(lost)?).await.map_err(lost)?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

/// Out of the page's own swarm.
pub(super) struct SwarmBytes {
    pub(super) swarm: Rc<Swarm>,
    pub(super) info_hash: String,
    pub(super) index: usize,
}

impl Bytes for SwarmBytes {
    fn read(&self, range: Range<u64>) -> Reading {
        let promise = self.swarm.bytes(&self.info_hash, self.index, range);
        Box::pin(async move {
            let read = JsFuture::from(promise).await;
            read.map(|bytes| Uint8Array::new(&bytes).to_vec()).map_err(|_| "The file cannot be read.".to_owned())
        })
    }
}

/// A file of this computer by the name that the page has for it: a path on the desktop, what stands for one in a browser.
pub(crate) async fn read_local(path: &str) -> Result<Vec<u8>, String> {
    if ipc::available() {
        let request = SubtitleRequest { path: path.to_owned() };
        let text: String = ipc::call(command::SUBTITLE_READ, &request).await.map_err(|error| error.message)?;
        return data_encoding::BASE64.decode(text.as_bytes()).map_err(|error| error.to_string());
    }
    match files::take(path) {
        Some(file) => read_file(file).await,
        None => Err("The file is gone.".to_owned()),
    }
}

/// A file that a person chose on the page.
pub(crate) async fn read_file(file: File) -> Result<Vec<u8>, String> {
    let limit = streamshare_media::SUBTITLE_LEN_MAX;
    #[allow(clippy::cast_precision_loss, reason = "a few megabytes")]
    if file.size() > limit as f64 {
        return Err("The file is too large for subtitles.".to_owned());
    }
    let blob: &Blob = file.as_ref();
    let buffer = JsFuture::from(blob.array_buffer()).await.map_err(|_| "The file cannot be read.".to_owned())?;
    Ok(Uint8Array::new(&buffer).to_vec())
}
