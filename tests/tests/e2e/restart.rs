//! The relay dies and comes back with an empty memory: its members are its memory.

use anyhow::{Context as _, Result};
use serde_json::json;
use std::time::Duration;
use streamshare_tests::{Browser, Case, Desktop, Launch, Media, PlainPeer, Relay, Seeder, Swarm, Transport};

/// Reconnection backs off, and people wait for it.
const BACK_WITHIN: Duration = Duration::from_secs(40);

#[tokio::test]
async fn everyone_is_back_with_playlist_and_place() -> Result<()> {
    let case = Case::begin("restart").await?;
    let mut relay = Relay::start(&case).await?;
    let mut swarm = Swarm::start(&case, Seeder::Libtorrent, None).await?;
    let torrents = [swarm.seed(Media::Mp4).await?, swarm.seed(Media::Mkv).await?];
    let titles = [Media::Mp4.title(), Media::Mkv.title()];
    let desktop = Desktop::start(&case, "ada", Launch::default()).await?;
    desktop.join_room("Ada", &relay.link("phoenix")).await?;
    let browser = Browser::open(&case, "ben", &relay.link("phoenix")).await?;
    browser.accept_invitation("Ben").await?;
    let mut peer = PlainPeer::connect(&case, "Pia", &relay.url(), Transport::WebSocket)?;
    peer.join("phoenix")?;
    for (torrent, shown) in torrents.iter().zip(1..) {
        desktop.drop_files(&case, &[&torrent.file]).await?;
        desktop.playlist_is(&titles[..shown]).await?;
    }
    desktop.plays().await?;
    desktop.slide("seek", 25.0).await?;
    for window in [&*desktop, &*browser] {
        window.until("room().position > 25").await?;
    }
    desktop.shot("before").await?;

    relay.kill();
    for window in [&*desktop, &*browser] {
        window.until("room().link === 'lost'").await?;
    }
    peer.lost()?;
    peer.skip();
    desktop.shot("lost").await?;
    browser.shot("lost").await?;
    // Nobody's picture stops for it.
    desktop.plays().await?;
    let before = desktop.room().await?["position"].as_f64().context("a place")?;

    relay.start_again().await?;
    for window in [&*desktop, &*browser] {
        window.until_within(BACK_WITHIN, "room().link === 'joined'").await?;
        window.until_within(BACK_WITHIN, "room().members.length === 3").await?;
        window.members_are(&["Ada", "Ben", "Pia"]).await?;
        window.playlist_is(&titles).await?;
        window.state_is("PLAYING").await?;
        window.until(&format!("room().position >= {before} && room().position < {before} + 40")).await?;
    }
    desktop.plays().await?;
    let (a, b) = tokio::try_join!(desktop.room(), browser.room())?;
    let (place, at) = (a["position"].as_f64().context("a place")?, a["at"].as_f64().context("a time")?);
    let (other, later) = (b["position"].as_f64().context("a place")?, b["at"].as_f64().context("a time")?);
    let apart = (other - (later - at) / 1e3 - place).abs();
    assert!(apart < 1.0, "{apart} s apart");
    let hello = peer.command("HELLO", |hello| hello["playlist"].as_array().is_some_and(|list| list.len() == 2))?;
    assert_eq!(hello["status"]["state"], json!("PLAYING"), "{hello}");
    desktop.shot("back").await?;
    browser.shot("back").await?;

    // And the room works: it is not only a picture of one.
    browser.click("play-toggle").await?;
    desktop.until("video().paused").await?;
    peer.command("PAUSE", |_| true)?;
    Ok(())
}
