//! What is broken gets a clear answer; nothing is lost, and the room goes on.

use anyhow::{Context as _, Result};
use serde_json::json;
use streamshare_tests::{Case, Desktop, Launch, Media, PlainPeer, Relay, Seeder, Swarm, Transport};

#[tokio::test]
async fn bad_torrents_and_links_are_told_apart_in_the_window() -> Result<()> {
    let case = Case::begin("bad-torrents").await?;
    let mut swarm = Swarm::start(&case, Seeder::Libtorrent, None).await?;
    let torrent = swarm.seed(Media::Mp4).await?;
    let desktop = Desktop::start(&case, "ada", Launch::default()).await?;
    desktop.start_room("Ada").await?;
    desktop.drop_files(&case, &[&torrent.file]).await?;
    desktop.plays().await?;

    let good = std::fs::read(&torrent.file).context("read the torrent")?;
    let bad: [(&str, Vec<u8>); 4] = [
        ("cut.torrent", good[..good.len() / 2].to_vec()),
        ("zero-piece.torrent", b"d4:infod6:lengthi10e4:name5:a.mp412:piece lengthi0e6:pieces20:aaaaaaaaaaaaaaaaaaaaee".to_vec()),
        ("escape.torrent", b"d4:infod5:filesld6:lengthi10e4:pathl2:..5:b.mp4eee4:name1:x12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee".to_vec()),
        ("notes.txt", b"no torrent at all".to_vec()),
    ];
    let mut told = Vec::new();
    for (name, bytes) in bad {
        let file = case.scratch().join(name);
        std::fs::write(&file, bytes).with_context(|| format!("write {name}"))?;
        let before = desktop.error_count().await?;
        desktop.drop_files(&case, &[&file]).await?;
        let error = desktop.next_error(before).await?;
        let stem = name.split('.').next().unwrap_or(name);
        assert!(error.contains(stem), "it names the file: {error}");
        desktop.shot(name).await?;
        told.push(error);
    }
    for link in ["magnet:?xt=urn:btih:123", "magnet:?dn=nothing", "what is this", "http://127.0.0.1:9/none.torrent"] {
        let before = desktop.error_count().await?;
        desktop.fill("add-input", link).await?;
        desktop.click("add-submit").await?;
        told.push(desktop.next_error(before).await?);
        desktop.shot("bad-link").await?;
    }
    std::fs::write(case.output().join("errors.txt"), told.join("\n")).context("keep what was told")?;
    assert!(told.iter().all(|error| error.len() > 20), "sentences, not codes: {told:#?}");
    desktop.playlist_is(&[Media::Mp4.title()]).await?;
    desktop.plays().await?;
    desktop.until("$$('add-pending').length === 0").await?;
    Ok(())
}

#[tokio::test]
async fn bad_messages_are_answered_to_their_sender_alone() -> Result<()> {
    let case = Case::begin("bad-messages").await?;
    let relay = Relay::start(&case).await?;
    let desktop = Desktop::start(&case, "ada", Launch::default()).await?;
    desktop.join_room("Ada", &relay.link("strict")).await?;
    let file = Media::Mp4.file()?;
    desktop.drop_files(&case, &[&file]).await?;
    desktop.plays().await?;

    let mut mallory = PlainPeer::connect(&case, "Mallory", &relay.url(), Transport::WebSocket)?;
    let now = 1.0;
    mallory.send(&json!({ "command": "PAUSE", "currentTime": 1, "dispatchedAt": now }))?;
    mallory.command("ERROR", |error| error["code"] == "NOT_JOINED")?;
    let mut witness = PlainPeer::connect(&case, "Wilma", &relay.url(), Transport::Polling)?;
    witness.join("strict")?;
    mallory.join("strict")?;
    desktop.members_are(&["Ada", "Mallory", "Wilma"]).await?;
    witness.command("HELLO", |hello| hello["users"].as_array().is_some_and(|users| users.len() == 3))?;
    witness.skip();

    let long = "x".repeat(100_000);
    let item = |id: &str| json!({ "filename": "a.mp4", "torrentId": id });
    let hello = |playlist: serde_json::Value| json!({ "command": "HELLO", "users": [], "status": { "currentTime": 0, "state": "PAUSED" }, "playlist": playlist, "dispatchedAt": now });
    for (message, code) in [
        (json!("PAUSE"), "BAD_MESSAGE"),
        (json!([1, 2]), "BAD_MESSAGE"),
        (json!({}), "BAD_MESSAGE"),
        (json!({ "command": 7 }), "BAD_FIELD"),
        (json!({ "command": "PAUSE", "dispatchedAt": now }), "BAD_FIELD"),
        (json!({ "command": "PAUSE", "currentTime": "1", "dispatchedAt": now }), "BAD_FIELD"),
        (json!({ "command": "PAUSE", "currentTime": -1, "dispatchedAt": now }), "OUT_OF_RANGE"),
        (json!({ "command": "PLAY", "currentTime": 1e300, "dispatchedAt": now }), "OUT_OF_RANGE"),
        (json!({ "command": "Join", "name": long, "roomId": "strict" }), "TOO_LONG"),
        (hello(json!(vec![item("0123456789abcdef0123456789abcdef01234567"); 500])), "TOO_LONG"),
        (hello(json!([item("not a torrent")])), "BAD_TORRENT_ID"),
        (hello(json!([item("http://127.0.0.1/x.torrent")])), "LOOPBACK_ADDRESS"),
    ] {
        mallory.send(&message)?;
        let error = mallory.command("ERROR", |_| true).with_context(|| format!("{message:.200}"))?;
        let allowed = if code == "BAD_FIELD" { &["BAD_FIELD", "BAD_MESSAGE"][..] } else { &[code] };
        assert!(allowed.contains(&error["code"].as_str().unwrap_or_default()), "{message:.200} got {error}");
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{error}");
    }
    // A command of a later version is no error.
    mallory.send(&json!({ "command": "DANCE" }))?;
    mallory.control("PAUSE", 7.0)?;
    let first = witness.command("PAUSE", |_| true)?;
    assert_eq!(first["currentTime"].as_f64(), Some(7.0), "{first}");
    desktop.until("video().paused && Math.abs(video().currentTime - 7) < 0.3").await?;
    desktop.playlist_is(&[Media::Mp4.title()]).await?;
    desktop.shot("goes-on").await?;
    Ok(())
}
