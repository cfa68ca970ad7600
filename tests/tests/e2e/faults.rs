//! What breaks in the middle of a film: it goes on where it stopped, and nobody has to do anything for it.

use anyhow::{Result, ensure};
use std::time::Duration;
use streamshare_tests::{Browser, Case, Desktop, Launch, Media, Relay, together};

/// The relay gives up a silent member after 10 s, Chromium a silent channel after some 20.
const NOTICED_WITHIN: Duration = Duration::from_secs(60);

/// How long a room may take to be as before: reconnecting backs off, and a silent channel is given up after 15 s.
const BACK_WITHIN: Duration = Duration::from_secs(45);

/// How long 57 MB may take after that.
const FETCHED_WITHIN: Duration = Duration::from_secs(120);

/// What a window shows that has everything.
const COMPLETE: &str = "/ 100 %/.test($('stats')?.innerText)";

#[tokio::test]
async fn swarm_a_suspended_desktop_and_a_lost_relay_come_back() -> Result<()> {
    let case = Case::begin("suspended").await?;
    let mut relay = Relay::start(&case).await?;
    let link = relay.link("suspended");
    let desktop = Desktop::start(&case, "ada", Launch::default()).await?;
    desktop.join_room("Ada", &link).await?;
    let browser = Browser::open(&case, "ben", &link).await?;
    browser.accept_invitation("Ben").await?;
    desktop.drop_files(&case, &[&Media::Long.file()?]).await?;
    browser.until("/[1-9]\\d* %/.test($('stats')?.innerText)").await?;

    // The computer sleeps until everyone has given it up.
    desktop.suspend()?;
    browser.until_within(NOTICED_WITHIN, "room().members.length === 1").await?;
    browser.until_within(NOTICED_WITHIN, "/ 0 peers/.test($('stats').innerText)").await?;
    let there = browser.percent().await?;
    ensure!(there < 100, "the browser had everything before the desktop slept");
    browser.shot("asleep").await?;
    desktop.wake()?;
    for window in [&*desktop, &*browser] {
        window.until_within(BACK_WITHIN, "room().link === 'joined' && room().members.length === 2").await?;
        window.playlist_is(&[Media::Long.title()]).await?;
    }
    browser.until_within(BACK_WITHIN, "/ 1 peer/.test($('stats').innerText)").await?;
    browser.until_within(FETCHED_WITHIN, COMPLETE).await?;
    browser.plays().await?;
    assert_eq!(browser.film_sha1().await?, Media::Long.sha1()?);
    desktop.plays().await?;
    // Where the other one is, though its clocks stood and its film did, too.
    together(&desktop, &browser, 1.0).await?;
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
    late.until_within(BACK_WITHIN, "video() && video().videoWidth === 640").await?;
    late.plays().await?;
    late.shows_picture(Media::Long).await?;
    together(&desktop, &late, 1.0).await?;
    late.shot("late").await?;
    Ok(())
}

#[tokio::test]
async fn swarm_the_tab_that_seeds_closes_and_comes_back() -> Result<()> {
    let case = Case::begin("tab").await?;
    let relay = Relay::start(&case).await?;
    let browser = Browser::open(&case, "ben", &relay.url()).await?;
    let link = browser.start_room("Ben").await?;
    let desktop = Desktop::start(&case, "ada", Launch::default()).await?;
    desktop.join_room("Ada", &link).await?;
    ensure!(!browser.warns_before_leaving().await?, "nobody needs this page yet");
    browser.give_files(&[&Media::Long.file()?]).await?;
    desktop.until("/1 WebRTC|1 peer over WebRTC/.test($('stats')?.innerText)").await?;
    browser.until("/ 1 peer/.test($('stats')?.innerText)").await?;
    ensure!(browser.warns_before_leaving().await?, "the desktop needs this page");

    browser.close_tab().await?;
    desktop.members_are(&["Ada"]).await?;
    desktop.until_within(NOTICED_WITHIN, "/ 0 peers/.test($('stats').innerText)").await?;
    let there = desktop.percent().await?;
    ensure!(there < 100, "the desktop had everything before the tab was closed");
    // Where nothing is there yet the window says why it waits.
    desktop.slide("seek", 200.0).await?;
    desktop.until("room().message?.kind === 'buffering' && /nobody/i.test(room().message.text)").await?;
    desktop.shot("waits").await?;
    drop(browser);

    let again = Browser::open(&case, "ben-again", &link).await?;
    again.accept_invitation("Ben").await?;
    again.playlist_is(&[Media::Long.title()]).await?;
    again.give_files(&[&Media::Long.file()?]).await?;
    desktop.until_within(BACK_WITHIN, "/1 WebRTC|1 peer over WebRTC/.test($('stats').innerText)").await?;
    desktop.until_within(BACK_WITHIN, "room().message === null").await?;
    desktop.plays().await?;
    desktop.until_within(FETCHED_WITHIN, COMPLETE).await?;
    ensure!(Media::Long.is_in(&desktop.download(Media::Long)?)?, "the desktop has something else");
    desktop.shot("has-all").await?;
    Ok(())
}
