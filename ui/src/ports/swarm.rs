//! The browser as a peer: `ui/static/swarm/index.js`, with webtorrent behind it.

use js_sys::Promise;
use serde::Deserialize;
use sha1::{Digest, Sha1};
use std::ops::Range;
use streamshare_ipc::{FileSummary, Phase};
use wasm_bindgen::prelude::*;
use web_sys::File;

#[wasm_bindgen(raw_module = "./swarm/index.js")]
extern "C" {
    /// Whether this browser can take part.
    #[wasm_bindgen(js_name = supported)]
    pub(super) fn is_supported() -> bool;

    /// All torrents of the page.
    pub(super) type Swarm;
    #[wasm_bindgen(constructor)]
    fn new_js(sha1: &JsValue, on_report: &JsValue) -> Swarm;
    /// The tracker of the room that the page is in, and where its relay tells of STUN and TURN servers.
    #[wasm_bindgen(method, js_name = setRelay)]
    pub(super) fn set_relay(this: &Swarm, tracker: Option<&str>, ice_servers: Option<&str>);
    /// Asks lost trackers anew at once.
    #[wasm_bindgen(method)]
    pub(super) fn wake(this: &Swarm);
    /// Ends torrents that nobody needs here, but for these.
    #[wasm_bindgen(method)]
    pub(super) fn keep(this: &Swarm, info_hashes: Vec<String>);
    #[wasm_bindgen(method)]
    fn seed(this: &Swarm, file: &File, piece_length: f64, hear: &JsValue) -> Handle;
    #[wasm_bindgen(method)]
    fn resolve(this: &Swarm, source: &JsValue, info_hash: Option<&str>, hear: &JsValue) -> Handle;
    #[wasm_bindgen(method, js_name = read)]
    fn read_bytes(this: &Swarm, info_hash: &str, index: usize, start: f64, end: f64) -> Promise;
    #[wasm_bindgen(method)]
    fn stream(this: &Swarm, info_hash: &str, index: usize, mime: &str, hear: &JsValue) -> Handle;

    type Handle;
    #[wasm_bindgen(method)]
    fn cancel(this: &Handle);
}

/// What becomes of something that was asked for.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub(super) enum SwarmEvent {
    /// It goes on.
    Progress { phase: Phase, done: u64, total: u64 },
    /// A torrent's description is known. The last event of its request.
    Torrent(Description),
    /// A player can have it. The last event of its request.
    Ready { url: String, mime: String, length: u64 },
    /// It failed, for people. The last event of its request.
    Failed { reason: String },
}

/// What a torrent holds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Description {
    /// Forty hexadecimal digits.
    pub(super) info_hash: String,
    /// The torrent's name.
    pub(super) name: String,
    /// Its trackers, the room's among them.
    pub(super) trackers: Vec<String>,
    /// Its files, in its order; paths without the torrent's name.
    pub(super) files: Vec<FileSummary>,
}

/// Something that was asked for; dropping it ends it.
pub(super) struct Request {
    handle: Handle,
}

impl Drop for Request {
    fn drop(&mut self) {
        self.handle.cancel();
    }
}

impl Swarm {
    /// None yet; `on_report` hears now and then how the torrents are doing, as JSON.
    pub(super) fn new(on_report: impl Fn(String) + 'static) -> Self {
        let sha1 = Closure::<dyn Fn(Vec<u8>) -> Vec<u8>>::new(|bytes: Vec<u8>| Sha1::digest(bytes).to_vec());
        let on_report = Closure::<dyn Fn(String)>::new(on_report);
        Self::new_js(&sha1.into_js_value(), &on_report.into_js_value())
    }

    /// Shares a file in pieces of so many bytes.
    pub(super) fn share(&self, file: &File, piece_length: u32, hear: impl FnMut(SwarmEvent) + 'static) -> Request {
        Request { handle: self.seed(file, f64::from(piece_length), &heard(hear)) }
    }

    /// Finds out what a magnet link, an info hash or an address means.
    pub(super) fn look_up(&self, id: &str, info_hash: Option<&str>, hear: impl FnMut(SwarmEvent) + 'static) -> Request {
        Request { handle: self.resolve(&id.into(), info_hash, &heard(hear)) }
    }

    /// Reads bytes of a file of a known torrent.
    #[allow(clippy::cast_precision_loss, reason = "JavaScript's numbers; no file has 2^53 bytes")]
    pub(super) fn bytes(&self, info_hash: &str, index: usize, range: Range<u64>) -> Promise {
        self.read_bytes(info_hash, index, range.start as f64, range.end as f64)
    }

    /// Reads a .torrent file.
    pub(super) fn read(&self, file: &File, hear: impl FnMut(SwarmEvent) + 'static) -> Request {
        Request { handle: self.resolve(file, None, &heard(hear)) }
    }

    /// Makes a file of a known torrent playable until the request is dropped.
    pub(super) fn play(
        &self,
        info_hash: &str,
        index: usize,
        mime: &str,
        hear: impl FnMut(SwarmEvent) + 'static,
    ) -> Request {
        Request { handle: self.stream(info_hash, index, mime, &heard(hear)) }
    }
}

/// Left to the page's garbage collector: a request may be dropped while it is heard.
fn heard(mut hear: impl FnMut(SwarmEvent) + 'static) -> JsValue {
    let closure = Closure::<dyn FnMut(String)>::new(move |json: String| {
        hear(serde_json::from_str(&json).unwrap_or_else(|error| SwarmEvent::Failed { reason: error.to_string() }));
    });
    closure.into_js_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_as_the_page_tells_them() {
        let read = |json: &str| serde_json::from_str::<SwarmEvent>(json).expect("a known event");
        let progress = read(r#"{"kind":"progress","phase":"hashing","done":1,"total":2}"#);
        assert_eq!(progress, SwarmEvent::Progress { phase: Phase::Hashing, done: 1, total: 2 });
        let torrent = read(
            r#"{"kind":"torrent","infoHash":"aa","name":"n","trackers":[],"files":[{"path":"a/b.mp4","length":3}]}"#,
        );
        let SwarmEvent::Torrent(description) = torrent else { panic!("{torrent:?}") };
        assert_eq!((description.name.as_str(), description.files.len()), ("n", 1));
        let ready = read(r#"{"kind":"ready","url":"u","mime":"video/mp4","length":3}"#);
        assert_eq!(ready, SwarmEvent::Ready { url: "u".to_owned(), mime: "video/mp4".to_owned(), length: 3 });
    }
}
