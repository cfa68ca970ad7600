//! An app without its window, on loopback alone.

use super::{DEADLINE, Notes};
use serde_json::{Value, json};
use std::{path::Path, process::Command, sync::Arc};
use streamshare::{Controller, Folders};
use streamshare_ipc::{AddRequest, Added, Source};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

pub(crate) struct Fixture {
    pub(crate) controller: Arc<Controller>,
    pub(crate) notes: Arc<Notes>,
    pub(crate) home: tempfile::TempDir,
}

/// An app on loopback alone, with a folder of its own.
pub(crate) fn app() -> Fixture {
    app_with(|_| {})
}

/// The same with other settings.
pub(crate) fn app_with(change: impl FnOnce(&mut Value)) -> Fixture {
    let home = tempfile::tempdir().unwrap();
    write_settings(home.path(), &home.path().join("films"), change);
    start(home)
}

pub(crate) fn write_settings(home: &Path, downloads: &Path, change: impl FnOnce(&mut Value)) {
    let mut settings = json!({
        "downloadFolder": downloads,
        "network": {"dht": false, "trackers": false, "utp": false, "localDiscovery": false, "upnp": false,
                    "iceServers": [], "listen": "127.0.0.1:0"},
        "hosting": {"listen": "127.0.0.1:0"}
    });
    change(&mut settings);
    std::fs::write(home.join("settings.json"), settings.to_string()).unwrap();
}

pub(crate) fn start(home: tempfile::TempDir) -> Fixture {
    let notes = Notes::new();
    let folders = Folders::new(Some(home.path().to_owned()), home.path().to_owned(), None);
    let controller = Controller::start(notes.clone(), folders);
    Fixture { controller, notes, home }
}

/// A few seconds of H.264 with a counter.
pub(crate) fn film(path: &Path) {
    let made = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=2"])
        .args(["-c:v", "libx264", "-pix_fmt", "yuv420p", "-movflags", "+faststart"])
        .arg(path)
        .status()
        .expect("ffmpeg is installed");
    assert!(made.success());
}

pub(crate) fn path_source(path: &Path) -> Source {
    Source::Path { path: path.to_str().unwrap().to_owned() }
}

pub(crate) fn link(text: &str) -> Source {
    Source::Link { text: text.to_owned() }
}

pub(crate) async fn add(app: &Fixture, op: u64, source: Source) -> Result<Added, String> {
    let adding = app.controller.torrent_add(AddRequest { op, source });
    timeout(DEADLINE, adding).await.expect("an answer in time").map_err(|error| {
        assert!(error.message.ends_with('.'), "{error:?}");
        error.code
    })
}

/// The whole answer to a GET, headers and all.
pub(crate) async fn get(url: &str) -> Vec<u8> {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("an answer in time").unwrap();
    answer
}

pub(crate) fn body(answer: &[u8]) -> &[u8] {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("headers");
    &answer[end + 4..]
}
