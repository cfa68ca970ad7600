//! The app without its window.

use crate::support::{
    DEADLINE,
    app::{add, app, app_with, body, film, get, link, path_source, start, write_settings},
};
use serde_json::{Value, json};
use std::{path::Path, process::Command, sync::Arc, time::Duration};
use streamshare::GuiEvent;
use streamshare_ipc::{
    Act, ActRequest, AddRequest, CancelRequest, Connect, DropEvent, Keeping, LimitSettings, OpenRequest, Opening,
    PrepareRequest, PrimeRequest, RoomEvent, RoomSend, TorrentState, TorrentStats, code,
};
use streamshare_protocol::TorrentId;
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread")]
async fn a_film_is_shared_and_played() {
    let app = app();
    let path = app.home.path().join("My film é.mp4");
    film(&path);
    let added = add(&app, 1, path_source(&path)).await.unwrap();
    assert_eq!(added.chosen, [0]);
    assert_eq!(added.files[0].path, "My film é.mp4");
    assert_eq!(added.files[0].length, std::fs::metadata(&path).unwrap().len());
    let id = TorrentId::new(&added.torrent_id).unwrap();
    assert_eq!(id.info_hash().unwrap().to_string(), added.info_hash);
    assert!(!added.torrent_id.contains("127.0.0.1"), "{}", added.torrent_id);

    for filename in ["My film é.mp4", ""] {
        let request = OpenRequest { op: 2, torrent_id: added.torrent_id.clone(), filename: filename.to_owned() };
        let opened = timeout(DEADLINE, app.controller.torrent_open(request)).await.unwrap().unwrap();
        assert!(opened.url.starts_with("http://127.0.0.1:"));
        assert_eq!((opened.mime.as_str(), opened.file_index), ("video/mp4", 0));
        assert_eq!(opened.info_hash, added.info_hash);
        assert!(body(&get(&opened.url).await) == std::fs::read(&path).unwrap(), "the film's bytes");
    }
    let stats = |event: &GuiEvent| {
        let GuiEvent::Stats(stats) = event else { return None };
        stats.iter().find(|torrent| torrent.info_hash == added.info_hash).cloned()
    };
    assert_eq!(app.notes.wait("Stats", stats).await.total_bytes, added.files[0].length);

    let request = OpenRequest { op: 3, torrent_id: added.torrent_id.clone(), filename: "other.mp4".to_owned() };
    assert_eq!(app.controller.torrent_open(request).await.unwrap_err().code, code::NO_SUCH_FILE);

    // What it reads first is here: nothing is missing.
    let prime = |info_hash: &str| PrimeRequest { info_hash: info_hash.to_owned(), file_index: 0, seconds: 1.0 };
    app.controller.torrent_prime(&prime(&added.info_hash)).unwrap();
    assert_eq!(app.controller.torrent_prime(&prime("no hash")).unwrap_err().code, code::INTERNAL);
    let missing = |event: &GuiEvent| {
        let ready = stats(event)?.ready.into_iter().find(|ready| ready.file_index == 0)?;
        ready.missing_to_start.filter(|missing| *missing == 0)
    };
    app.notes.wait("Stats that tell what is missing", missing).await;
    let prepare = async |op: u64, filename: &str| {
        let (torrent_id, filename) = (added.torrent_id.clone(), filename.to_owned());
        let request = PrepareRequest { op, torrent_id, filename, seconds: 0.0 };
        app.controller.torrent_prepare(request).await.map_err(|error| error.code)
    };
    assert_eq!(prepare(4, "").await, Ok(()));
    assert_eq!(prepare(5, "other.mp4").await, Err(code::NO_SUCH_FILE.to_owned()));

    // What the person does to it shows in what is told next.
    let act = |act: Act, all: bool| {
        let info_hash = (!all).then(|| added.info_hash.clone());
        app.controller.torrent_act(ActRequest { info_hash, act })
    };
    let told = |state: TorrentState| move |torrent: &TorrentStats| (torrent.state == state).then(|| torrent.clone());
    act(Act::Pause, true).await.unwrap();
    let paused = told(TorrentState::Paused);
    let paused = app.notes.wait("a paused torrent", |event| stats(event).as_ref().and_then(paused)).await;
    assert_eq!((paused.name.as_str(), paused.keeping), ("My film é.mp4", Keeping::Own));
    act(Act::Resume, false).await.unwrap();
    let seeding = told(TorrentState::Seeding);
    app.notes.wait("a seeding torrent", |event| stats(event).as_ref().and_then(seeding)).await;
    assert_eq!(act(Act::Delete, true).await.unwrap_err().code, code::INTERNAL);
    act(Act::Delete, false).await.unwrap();
    let none = |event: &GuiEvent| matches!(event, GuiEvent::Stats(all) if all.is_empty()).then_some(());
    app.notes.wait("an empty list", none).await;
    assert!(path.exists(), "a file of the person's own was deleted");
    app.controller.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_kept_and_bad_ones_refused() {
    let app = app();
    let limits = LimitSettings { upload_bps: Some(50_000), cache_bytes: Some(0), ..LimitSettings::default() };
    assert_eq!(app.controller.set_limits(limits).await.unwrap().limits, limits);
    let bad = LimitSettings { upload_bps: Some(16_000), ..limits };
    let error = app.controller.set_limits(bad).await.unwrap_err();
    assert!(error.code == code::BAD_SETTINGS && error.message.contains("20 kB/s"), "{error:?}");
    app.controller.shutdown().await;
    let again = start(app.home);
    let view = again.controller.settings().await;
    assert_eq!(view.limits, limits);
    assert!((500_000_000..=10_000_000_000).contains(&view.cache_default), "{view:?}");
    again.controller.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_added_says_why() {
    let app = app();
    let file = |name: &str, bytes: &[u8]| {
        let path = app.home.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path_source(&path)
    };
    for (op, (source, expected)) in [
        (link("magnet:?xt=urn:btih:12"), code::BAD_MAGNET),
        (link("hello"), code::NOT_A_TORRENT),
        (link("http://127.0.0.1:9/film.torrent"), code::NETWORK),
        (file("a.torrent", b"this is no torrent"), code::NOT_A_TORRENT),
        (file("b.torrent", b"d4:infod6:lengthi-1e4:name1:x12:piece lengthi0e6:pieces0:ee"), code::BAD_TORRENT),
        (path_source(&app.home.path().join("gone.torrent")), code::FILE_ACCESS),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(add(&app, op as u64, source.clone()).await.unwrap_err(), expected, "{source:?}");
    }
    let request = OpenRequest { op: 9, torrent_id: "http://127.0.0.1/x.torrent".to_owned(), filename: String::new() };
    assert_eq!(app.controller.torrent_open(request).await.unwrap_err().code, code::NOT_A_TORRENT);
    app.controller.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_magnet_link_that_nobody_has_can_be_cancelled() {
    let app = app();
    let magnet = format!("magnet:?xt=urn:btih:{}&x.pe=127.0.0.1:9", "ab".repeat(20));
    let controller = Arc::clone(&app.controller);
    let request = AddRequest { op: 5, source: link(&magnet) };
    let adding = tokio::spawn(async move { controller.torrent_add(request).await });
    app.notes.wait("Progress", |event| matches!(event, GuiEvent::Progress(p) if p.op == 5).then_some(())).await;
    app.controller.torrent_cancel(CancelRequest { op: 5 });
    let error = timeout(DEADLINE, adding).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.code, code::CANCELLED);
    app.controller.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hosted_room_can_be_reached_and_talked_to() {
    let app = app();
    let (hosted, again) = tokio::join!(app.controller.host_room(), app.controller.host_room());
    let hosted = hosted.unwrap();
    assert_eq!(again.unwrap(), hosted);
    let health = get(&format!("{}/healthz", hosted.relay)).await;
    assert!(health.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&health));

    app.controller.room_connect(Connect { relay: hosted.relay.clone() }).await.unwrap();
    let up = |event: &GuiEvent| matches!(event, GuiEvent::Room(RoomEvent::Up)).then_some(());
    app.notes.wait("Up", up).await;
    let json = json!({"command": "Join", "name": "Ada", "roomId": "blue"}).to_string();
    app.controller.room_send(RoomSend { json }).unwrap();
    let hello = |event: &GuiEvent| {
        let GuiEvent::Room(RoomEvent::Message { json }) = event else { return None };
        json.contains("HELLO").then_some(())
    };
    app.notes.wait("HELLO", hello).await;

    // A second connection takes the place of the first.
    app.controller.room_connect(Connect { relay: hosted.relay }).await.unwrap();
    app.notes.wait("Up", up).await;
    for json in ["", "7", "[]", &format!("{{\"x\":\"{}\"}}", "x".repeat(200_000))] {
        assert_eq!(app.controller.room_send(RoomSend { json: json.to_owned() }).unwrap_err().code, code::INTERNAL);
    }
    app.controller.room_disconnect().await;
    let json = "{}".to_owned();
    assert_eq!(app.controller.room_send(RoomSend { json }).unwrap_err().code, code::NETWORK);
    for relay in ["", "ftp://host", "host:80"] {
        let request = Connect { relay: relay.to_owned() };
        assert_eq!(app.controller.room_connect(request).await.unwrap_err().code, code::NETWORK);
    }
    app.controller.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openings_wait_for_the_window_and_are_handed_out_once() {
    let app = app();
    let openings = streamshare::parse_arguments(&["http://host/#/room/blue".to_owned()], app.home.path());
    app.controller.open_for_the_person(openings.clone());
    app.notes.wait("Openings", |event| matches!(event, GuiEvent::Openings).then_some(())).await;
    assert_eq!(app.notes.focused(), 1);
    assert_eq!(app.controller.take_openings(), openings);
    assert_eq!(app.controller.take_openings(), vec![]);
    let drop = DropEvent::Drop { paths: vec!["/x.torrent".to_owned()] };
    app.controller.dragged(drop.clone());
    app.notes.wait("Drop", |event| (*event == GuiEvent::Drop(drop.clone())).then_some(())).await;
    app.controller.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_are_not_understood_are_shown() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("settings.json"), "{\"colour\": \"blue\"}").unwrap();
    let app = start(home);
    let openings = app.controller.take_openings();
    assert!(
        matches!(&openings[..], [Opening::Refused { message }] if message.contains("unknown field `colour`")),
        "{openings:?}"
    );
    app.controller.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_download_folder_rooms_go_on() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("file"), "").unwrap();
    write_settings(home.path(), &home.path().join("file/films"), |_| {});
    let app = start(home);
    app.notes.wait("Openings", |event| matches!(event, GuiEvent::Openings).then_some(())).await;
    let openings = app.controller.take_openings();
    assert!(matches!(&openings[..], [Opening::Refused { message }] if message.contains("file/films")), "{openings:?}");
    let film = app.home.path().join("film.mp4");
    std::fs::write(&film, "not much of a film").unwrap();
    assert_eq!(add(&app, 1, path_source(&film)).await.unwrap_err(), code::FILE_ACCESS);
    assert!(app.controller.host_room().await.is_ok());
    app.controller.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_ends_in_time_and_twice() {
    let app = app();
    let hosted = app.controller.host_room().await.unwrap();
    app.controller.room_connect(Connect { relay: hosted.relay }).await.unwrap();
    let both = async {
        app.controller.shutdown().await;
        app.controller.shutdown().await;
    };
    timeout(Duration::from_secs(8), both).await.expect("an end in time");
}

/// A .torrent of a folder, made by a foreign program.
fn torrent_of(folder: &Path, extra: &[&str]) -> std::path::PathBuf {
    let torrent = folder.with_extension("torrent");
    let made = Command::new("transmission-create")
        .args(["--tracker", "http://127.0.0.1:9/announce", "--tracker", "http://tracker.example/announce?passkey=k"])
        .args(extra)
        .arg("--outfile")
        .arg(&torrent)
        .arg(folder)
        .output()
        .expect("transmission-create is installed");
    assert!(made.status.success(), "{made:?}");
    torrent
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torrent_of_many_files_is_added_and_its_items_found() {
    let app = app();
    for (name, extra, told) in [("open", &[][..], true), ("closed", &["--private"][..], false)] {
        let folder = app.home.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        for (file, size) in [("e10.mp4", 40_000), ("e2.mp4", 70_000), ("e1.mp4", 50_000), ("notes.txt", 10)] {
            // Told apart by the folder's name: two torrents with the same info hash would be one.
            std::fs::write(folder.join(file), name.repeat(size / name.len())).unwrap();
        }
        let added = add(&app, 1, path_source(&torrent_of(&folder, extra))).await.unwrap();
        assert_eq!(added.name, name);
        assert_eq!(added.files.len(), 4);
        let chosen: Vec<_> = added.chosen.iter().map(|index| added.files[*index].path.as_str()).collect();
        assert_eq!(chosen, ["e1.mp4", "e2.mp4", "e10.mp4"]);
        assert_eq!(added.torrent_id.contains("tracker.example"), told, "{}", added.torrent_id);
        assert!(!added.torrent_id.contains("127.0.0.1"), "{}", added.torrent_id);

        for (filename, path) in [("e1.mp4", "e1.mp4"), (&format!("{name}/e10.mp4"), "e10.mp4"), ("", "e2.mp4")] {
            let request = OpenRequest { op: 2, torrent_id: added.info_hash.clone(), filename: filename.to_owned() };
            let opened = timeout(DEADLINE, app.controller.torrent_open(request)).await.unwrap().unwrap();
            assert_eq!(added.files[opened.file_index].path, path, "{filename}");
            assert_eq!(opened.length, added.files[opened.file_index].length);
        }
    }
    app.controller.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_no_reason_not_to_host() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let user = json!({"url": "turn:192.0.2.1:3478", "username": "ada", "credential": "west"});
    let app = app_with(|settings| {
        settings["hosting"]["listen"] = json!(taken.local_addr().unwrap());
        settings["network"]["iceServers"] = json!([{"url": "stun:192.0.2.1"}, user, {"url": "nonsense"}]);
    });
    let hosted = app.controller.host_room().await.unwrap();
    assert_ne!(hosted.relay, format!("http://{}", taken.local_addr().unwrap()));
    assert!(get(&format!("{}/healthz", hosted.relay)).await.starts_with(b"HTTP/1.1 200"));
    // Guests in browsers get through routers by the servers of the app that hosts them.
    let named: Value = serde_json::from_slice(body(&get(&format!("{}/ice-servers", hosted.relay)).await)).unwrap();
    let turn = json!({"urls": ["turn:192.0.2.1:3478"], "username": "ada", "credential": "west"});
    assert_eq!(named["iceServers"], json!([{"urls": ["stun:192.0.2.1"]}, turn]));
    app.controller.shutdown().await;
}
