//! A peer that knows the web spec and nothing of ours is a full member, beside a desktop and a browser.

use anyhow::Result;
use serde_json::{Value, json};
use streamshare_tests::{Browser, Case, Desktop, Launch, Media, PlainPeer, Relay, Seeder, Swarm, Transport};

fn names(hello: &Value) -> Vec<&str> {
    hello["users"].as_array().into_iter().flatten().filter_map(|user| user["name"].as_str()).collect()
}

async fn is_a_full_member(case: &Case, transport: Transport) -> Result<()> {
    let relay = Relay::start(case).await?;
    let mut swarm = Swarm::start(case, Seeder::Libtorrent, None).await?;
    let torrent = swarm.seed(Media::Mp4).await?;
    let room = "plain";
    let desktop = Desktop::start(case, "ada", Launch::default()).await?;
    desktop.join_room("Ada", &relay.link(room)).await?;

    let mut peer = PlainPeer::connect(case, "Pia", &relay.url(), transport)?;
    let hello = peer.join(room)?;
    assert_eq!(names(&hello), ["Ada", "Pia"], "{hello}");
    assert_eq!(hello["status"], json!({ "currentTime": 0, "state": "PAUSED" }), "{hello}");
    assert_eq!(hello["playlist"], json!([]), "{hello}");
    assert!(hello["dispatchedAt"].is_number(), "{hello}");
    desktop.members_are(&["Ada", "Pia"]).await?;

    // Its HELLO edits the playlist.
    let item = json!({ "filename": Media::Mp4.file_name(), "torrentId": torrent.magnet });
    peer.hello(&json!([item]), "PAUSED", 0.0)?;
    desktop.playlist_is(&[Media::Mp4.file_name()]).await?;
    desktop.until("video() && video().videoWidth === 640").await?;
    desktop.shot("peer-added").await?;
    let browser = Browser::open(case, "ben", &relay.link(room)).await?;
    browser.accept_invitation("Ben").await?;
    let hello = peer.command("HELLO", |hello| names(hello).contains(&"Ben"))?;
    assert_eq!(hello["playlist"][0]["filename"], item["filename"], "{hello}");
    let torrent_id = hello["playlist"][0]["torrentId"].as_str().unwrap_or_default();
    assert!(torrent_id.starts_with("magnet:?"), "{hello}");
    let ada = hello["users"].as_array().into_iter().flatten().find(|user| user["name"] == "Ada");
    let ada = ada.map(|user| user["id"].clone()).unwrap_or_default();
    assert!(ada.as_u64().is_some_and(|id| id > 0), "{hello}");

    // It controls, and is told who else does.
    peer.control("PLAY", 5.0)?;
    desktop.plays().await?;
    desktop.until("room().position > 5 && video().currentTime > 5").await?;
    browser.until("room().position > 5").await?;
    let sync = peer.command("SYNC", |sync| sync["userId"] == ada)?;
    assert!(
        sync["currentTime"].is_number() && sync["buffer"].is_number() && sync["dispatchedAt"].is_number(),
        "{sync}"
    );
    desktop.shot("peer-plays").await?;

    peer.skip();
    desktop.click("play-toggle").await?;
    let pause = peer.command("PAUSE", |_| true)?;
    assert_eq!(pause["userId"], ada, "{pause}");
    assert!(pause["currentTime"].as_f64().is_some_and(|time| time > 5.0 && time < 60.0), "{pause}");
    peer.control("PAUSE", 30.0)?;
    desktop.until("video().paused && Math.abs(video().currentTime - 30) < 0.3").await?;
    browser.until("room().state === 'PAUSED' && Math.abs(room().position - 30) < 0.3").await?;
    browser.click("play-toggle").await?;
    let play = peer.command("PLAY", |_| true)?;
    assert_ne!(play["userId"], ada, "{play}");
    assert!(play["currentTime"].as_f64().is_some_and(|time| (time - 30.0).abs() < 0.5), "{play}");
    desktop.plays().await?;

    // It reports, and is seen to.
    peer.send(&json!({ "command": "SYNC", "currentTime": 31.0, "buffer": 4.5, "dispatchedAt": 1.0 }))?;
    desktop.members_are(&["Ada", "Ben", "Pia"]).await?;
    desktop.shot("three").await?;
    browser.shot("three").await?;

    // An empty playlist is an edit, too.
    peer.hello(&json!([]), "PAUSED", 0.0)?;
    desktop.playlist_is(&[]).await?;
    browser.playlist_is(&[]).await?;
    drop(peer);
    desktop.members_are(&["Ada", "Ben"]).await?;
    Ok(())
}

#[tokio::test]
async fn over_websocket() -> Result<()> {
    let case = Case::begin("plain-websocket").await?;
    is_a_full_member(&case, Transport::WebSocket).await
}

#[tokio::test]
async fn over_polling() -> Result<()> {
    let case = Case::begin("plain-polling").await?;
    is_a_full_member(&case, Transport::Polling).await
}
