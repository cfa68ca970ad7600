//! Desktop and browser in one swarm: films go both ways between them, with no tracker but the relay's.

use anyhow::{Context as _, Result};
use serde_json::json;
use streamshare_tests::{Browser, Case, Desktop, Launch, Media, PlainPeer, Relay, Seeder, Swarm, Transport};

async fn desktop_and_browser(case: &Case, relay: &Relay, launch: Launch) -> Result<(Desktop, Browser, String)> {
    let browser = Browser::open(case, "ben", &relay.url()).await?;
    let link = browser.start_room("Ben").await?;
    let desktop = Desktop::start(case, "ada", launch).await?;
    desktop.join_room("Ada", &link).await?;
    for window in [&*desktop, &*browser] {
        window.members_are(&["Ada", "Ben"]).await?;
    }
    Ok((desktop, browser, link))
}

#[tokio::test]
async fn swarm_a_film_out_of_the_ordinary_swarm_reaches_the_browser() -> Result<()> {
    let case = Case::begin("swarm-to-browser").await?;
    let relay = Relay::start(&case).await?;
    // The seeder speaks TCP only: whatever the browser sees came through the desktop.
    let mut swarm = Swarm::start(&case, Seeder::Libtorrent, None).await?;
    let torrent = swarm.seed(Media::Mp4).await?;
    let (desktop, browser, _) = desktop_and_browser(&case, &relay, Launch::with_tracker(swarm.announce())).await?;
    desktop.drop_files(&case, &[&torrent.file]).await?;
    for window in [&*desktop, &*browser] {
        window.playlist_is(&[Media::Mp4.title()]).await?;
        window.plays().await?;
    }
    browser.shows_picture(Media::Mp4).await?;
    // It feeds the browser, which is no TCP peer to it; the seeder is gone once the desktop has everything.
    desktop.until("/1 TCP, 1 WebRTC|1 peer over WebRTC/.test($('stats').innerText)").await?;
    browser.until("/1 peer over WebRTC/.test($('stats').innerText)").await?;
    desktop.shot("feeds").await?;
    browser.shot("watches").await?;
    Ok(())
}

#[tokio::test]
async fn swarm_a_film_given_to_the_browser_reaches_the_desktop() -> Result<()> {
    let case = Case::begin("swarm-to-desktop").await?;
    let relay = Relay::start(&case).await?;
    let (desktop, browser, link) = desktop_and_browser(&case, &relay, Launch::default()).await?;
    browser.give_files(&[&Media::Mp4.file()?]).await?;
    for window in [&*desktop, &*browser] {
        window.playlist_is(&[Media::Mp4.title()]).await?;
        window.plays().await?;
    }
    desktop.until("video().videoWidth === 640").await?;
    desktop.shows_video("from-the-browser").await?;
    desktop.shot("watches").await?;
    browser.shot("shares").await?;

    // A peer of another make names a film by nothing but its info hash: where all meet, the relay alone says.
    browser.give_files(&[&Media::Short.file()?]).await?;
    desktop.playlist_is(&[Media::Mp4.title(), Media::Short.title()]).await?;
    let (address, room) = link.split_once("/#/room/").context("a room's link")?;
    let mut plain = PlainPeer::connect(&case, "Pia", address, Transport::WebSocket)?;
    let hello = plain.join(room)?;
    let magnet = hello["playlist"][1]["torrentId"].as_str().context("a link")?;
    let hash = magnet.split("btih:").nth(1).and_then(|rest| rest.get(..40)).context("an info hash")?;
    plain.hello(&json!([{ "filename": "", "torrentId": hash }]), "PLAYING", 0.0)?;
    for window in [&*desktop, &*browser] {
        window.until("video().videoWidth === 320").await?;
        window.plays().await?;
    }
    Ok(())
}
