//! The desktop app ends in the middle of a download, in an orderly way or not: the next start goes on where it was.

use anyhow::{Context as _, Result, ensure};
use std::time::Duration;
use streamshare_tests::{Browser, Case, Desktop, Launch, Media, Relay, Seeder, Swarm};

/// Slow enough for two ends of the app in the middle of 11 MB, faster than the film plays.
const SEED_KIB_PER_S: u32 = 400;

/// How much may be fetched twice, in bytes: what was under way when the app was killed, and pieces that were not written
/// down yet.
const TWICE_MAX: u64 = 3 << 20;

const FETCHED_WITHIN: Duration = Duration::from_secs(60);

async fn reaches(desktop: &Desktop, percent: u64) -> Result<()> {
    let code = format!("Number(/(\\d+) %/.exec($('stats')?.innerText)?.[1] ?? 0) >= {percent}");
    desktop.until_within(FETCHED_WITHIN, &code).await.map(drop)
}

/// A start after an end: the person enters the room by its link again, and finds everything as it was.
async fn comes_back(case: &Case, link: &str, tracker: &str) -> Result<(Desktop, u64)> {
    let desktop = Desktop::start(case, "ada", Launch::with_tracker(tracker)).await?;
    desktop.until("$('name-input')?.value === 'Ada'").await?;
    desktop.fill("join-input", link).await?;
    desktop.click("join-room").await?;
    desktop.joined().await?;
    desktop.members_are(&["Ada", "Ben"]).await?;
    desktop.playlist_is(&[Media::Mp4.title()]).await?;
    let percent = desktop.percent().await?;
    Ok((desktop, percent))
}

#[tokio::test]
async fn a_download_goes_on_after_a_kill_and_after_a_close() -> Result<()> {
    let case = Case::begin("resume").await?;
    let relay = Relay::start(&case).await?;
    let link = relay.link("resume");
    let mut swarm = Swarm::start(&case, Seeder::Libtorrent, Some(SEED_KIB_PER_S)).await?;
    let torrent = swarm.seed(Media::Mp4).await?;
    let tracker = swarm.announce().to_owned();
    // The room lives on in another member.
    let browser = Browser::open(&case, "ben", &link).await?;
    browser.accept_invitation("Ben").await?;
    let desktop = Desktop::start(&case, "ada", Launch::with_tracker(&tracker)).await?;
    desktop.join_room("Ada", &link).await?;
    desktop.drop_files(&case, &[&torrent.file]).await?;
    browser.plays().await?;
    browser.click("play-toggle").await?;

    reaches(&desktop, 30).await?;
    desktop.kill()?;
    browser.members_are(&["Ben"]).await?;
    let (desktop, percent) = comes_back(&case, &link, &tracker).await?;
    ensure!(percent >= 20, "after the kill it began anew: {percent} %");
    desktop.shot("after-kill").await?;

    reaches(&desktop, 65).await?;
    let said = desktop.close()?;
    ensure!(!said.contains("not everything ended in time"), "the app could not end what it had begun");
    browser.members_are(&["Ben"]).await?;
    let (desktop, percent) = comes_back(&case, &link, &tracker).await?;
    ensure!(percent >= 60, "after the close it began anew: {percent} %");
    desktop.shot("after-close").await?;
    reaches(&desktop, 100).await?;
    ensure!(Media::Mp4.is_in(&desktop.download(Media::Mp4)?)?, "the desktop has something else");

    let length = std::fs::metadata(torrent.file.with_extension("mp4")).context("look at the film")?.len();
    let uploaded = swarm.uploaded()?;
    ensure!(uploaded <= length + TWICE_MAX, "{uploaded} bytes were fetched of {length}");
    desktop.click("play-toggle").await?;
    desktop.plays().await?;
    desktop.shot("plays").await?;
    Ok(())
}
