//! A room of both kinds with one seeder that speaks TCP only: everyone gets all of the film.

use anyhow::{Context as _, Result, ensure};
use futures_util::future::try_join_all;
use serde_json::json;
use std::time::Duration;
use streamshare_tests::{
    Browser, Case, Desktop, Five, Launch, Media, Page, PlainPeer, Relay, Seeder, Swarm, Transport,
};

/// How long five players may take to fetch 11 MB, on one machine that also shows them.
const FINISHED_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test]
async fn swarm_three_browsers_and_two_desktops_finish_a_film() -> Result<()> {
    let case = Case::begin("full-room").await?;
    let relay = Relay::start(&case).await?;
    let mut swarm = Swarm::start(&case, Seeder::Transmission, None).await?;
    let torrent = swarm.seed(Media::Mp4).await?;
    let link = relay.link("full");
    let desktop = async |name, person| {
        let desktop = Desktop::start(&case, name, Launch::with_tracker(swarm.announce())).await?;
        desktop.join_room(person, &link).await?;
        anyhow::Ok(desktop)
    };
    let browser = async |name, person| {
        let browser = Browser::open(&case, name, &link).await?;
        browser.accept_invitation(person).await?;
        anyhow::Ok(browser)
    };
    let desktops = try_join_all([desktop("ada", "Ada"), desktop("bea", "Bea")]).await?;
    let browsers = try_join_all([browser("cid", "Cid"), browser("dan", "Dan"), browser("eva", "Eva")]).await?;

    desktops[0].drop_files(&case, &[&torrent.file]).await?;
    let windows: Vec<&Page> =
        desktops.iter().map(|desktop| &**desktop).chain(browsers.iter().map(|browser| &**browser)).collect();
    try_join_all(windows.iter().map(async |window| {
        window.members_are(&["Ada", "Bea", "Cid", "Dan", "Eva"]).await?;
        window.playlist_is(&[Media::Mp4.title()]).await?;
        // Five players on one machine stall in turn and wait for each other.
        window.plays_within(FINISHED_WITHIN).await
    }))
    .await?;
    // Before the film is over and leaves the playlist.
    browsers[0].click("play-toggle").await?;
    try_join_all(windows.iter().map(async |window| {
        window.until("video().paused").await?;
        window.until_within(FINISHED_WITHIN, "/100 %/.test($('stats').innerText)").await
    }))
    .await?;
    for desktop in &desktops {
        ensure!(Media::Mp4.is_in(&desktop.download(Media::Mp4)?)?, "a desktop has something else");
        desktop.shot("has-all").await?;
    }
    let sha1 = Media::Mp4.sha1()?;
    for browser in &browsers {
        browser.shows_picture(Media::Mp4).await?;
        assert_eq!(browser.film_sha1().await?, sha1);
        browser.shot("has-all").await?;
    }
    Ok(())
}

#[tokio::test]
async fn swarm_five_browsers_watch_what_a_desktop_shares_and_the_last_one_is_asked_to_stay() -> Result<()> {
    let case = Case::begin("five").await?;
    let relay = Relay::start(&case).await?;
    let link = relay.link("five");
    let desktop = Desktop::start(&case, "ada", Launch::default()).await?;
    desktop.join_room("Ada", &link).await?;
    let mut five = Five::enter(&case, &link)?;
    desktop.members_are(&["Ada", "Cid", "Dan", "Eva", "Fay", "Gus"]).await?;
    desktop.drop_files(&case, &[&Media::Mp4.file()?]).await?;
    five.said(&json!("watched"))?;
    desktop.shot("shares").await?;
    let hello = PlainPeer::connect(&case, "Pia", &relay.url(), Transport::WebSocket)?.join("five")?;
    let magnet = hello["playlist"][0]["torrentId"].as_str().context("an item")?.to_owned();
    // Only they have it now.
    desktop.close()?;
    five.go_on(magnet.split("btih:").nth(1).and_then(|rest| rest.get(..40)).context("an info hash")?)?;
    five.said(&json!({ "other": "left" }))?;
    five.said(&json!({ "last": "beforeunload" }))?;
    five.said(&json!({ "alone": "left" }))?;
    Ok(())
}
