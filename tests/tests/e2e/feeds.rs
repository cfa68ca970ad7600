//! A desktop between two worlds: what it downloads slowly over TCP it gives to browsers at once, also after it was
//! suspended, and after the relay began anew.

use anyhow::{Context as _, Result, ensure};
use std::time::Duration;
use streamshare_tests::{Browser, Case, Desktop, Launch, Media, Page, Relay, Seeder, Swarm};

/// Half as fast again as the film plays: all of it takes more than half a minute.
const SEED_KIB_PER_S: u32 = 300;

/// The relay gives up a silent member after 10 s, a browser a silent channel after some 20.
const NOTICED_WITHIN: Duration = Duration::from_secs(60);

/// How long a room may take to be as before: reconnecting backs off, and offers wait for an announce.
const BACK_WITHIN: Duration = Duration::from_secs(60);

async fn percent(window: &Page) -> Result<u64> {
    let code = "/(\\d+) %/.test($('stats')?.innerText) && { percent: Number(/(\\d+) %/.exec($('stats').innerText)[1]) }";
    window.until(code).await?["percent"].as_u64().context("a number")
}

#[tokio::test]
async fn swarm_a_desktop_feeds_a_browser_while_it_downloads() -> Result<()> {
    let case = Case::begin("feeds").await?;
    let mut relay = Relay::start(&case).await?;
    let mut swarm = Swarm::start(&case, Seeder::Libtorrent, Some(SEED_KIB_PER_S)).await?;
    let torrent = swarm.seed(Media::Mp4).await?;
    let browser = Browser::open(&case, "ben", &relay.url()).await?;
    let link = browser.start_room("Ben").await?;
    let desktop = Desktop::start(&case, "ada", Launch::with_tracker(swarm.announce())).await?;
    desktop.join_room("Ada", &link).await?;
    desktop.drop_files(&case, &[&torrent.file]).await?;
    browser.plays().await?;
    browser.shows_picture(Media::Mp4).await?;
    let there = percent(&desktop).await?;
    ensure!(there < 90, "the browser played only when the desktop had {there} %");
    browser.shot("plays").await?;
    // So that the film does not end, and leave the playlist, while all that follows happens.
    browser.click("play-toggle").await?;
    desktop.until("video().paused").await?;

    // The computer sleeps until everyone has given it up.
    desktop.suspend()?;
    browser.until_within(NOTICED_WITHIN, "room().members.length === 1").await?;
    browser.until_within(NOTICED_WITHIN, "/0 peers/.test($('stats').innerText)").await?;
    let at_sleep = percent(&browser).await?;
    browser.shot("asleep").await?;
    desktop.wake()?;
    for window in [&*desktop, &*browser] {
        window.until_within(BACK_WITHIN, "room().link === 'joined' && room().members.length === 2").await?;
        window.playlist_is(&[Media::Mp4.title()]).await?;
    }
    ensure!(at_sleep < 100, "the browser had everything before the desktop slept");
    browser.until_within(BACK_WITHIN, "/100 %/.test($('stats').innerText)").await?;
    assert_eq!(browser.film_sha1().await?, Media::Mp4.sha1()?);
    ensure!(Media::Mp4.is_in(&desktop.download(Media::Mp4)?)?, "the desktop has something else");
    desktop.shot("awake").await?;

    // The relay and its tracker begin anew; who comes then is fed by the desktop alone.
    relay.kill();
    for window in [&*desktop, &*browser] {
        window.until("room().link === 'lost'").await?;
    }
    relay.start_again().await?;
    for window in [&*desktop, &*browser] {
        window.until_within(BACK_WITHIN, "room().link === 'joined' && room().members.length === 2").await?;
    }
    drop(browser);
    let late = Browser::open(&case, "cid", &link).await?;
    late.accept_invitation("Cid").await?;
    late.click("play-toggle").await?;
    late.until_within(BACK_WITHIN, "video() && video().videoWidth === 640").await?;
    late.plays().await?;
    late.shows_picture(Media::Mp4).await?;
    late.shot("late").await?;
    Ok(())
}
