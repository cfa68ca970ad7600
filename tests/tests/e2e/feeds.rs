//! A desktop between two worlds: what it downloads slowly over TCP it gives to browsers at once.

use anyhow::{Result, ensure};
use streamshare_tests::{Browser, Case, Desktop, Launch, Media, Relay, Seeder, Swarm};

/// Half as fast again as the film plays: all of it takes more than half a minute.
const SEED_KIB_PER_S: u32 = 300;

#[tokio::test]
async fn swarm_a_desktop_feeds_a_browser_while_it_downloads() -> Result<()> {
    let case = Case::begin("feeds").await?;
    let relay = Relay::start(&case).await?;
    let mut swarm = Swarm::start(&case, Seeder::Transmission, Some(SEED_KIB_PER_S)).await?;
    let torrent = swarm.seed(Media::Mp4).await?;
    let browser = Browser::open(&case, "ben", &relay.url()).await?;
    let link = browser.start_room("Ben").await?;
    let desktop = Desktop::start(&case, "ada", Launch::with_tracker(swarm.announce())).await?;
    desktop.join_room("Ada", &link).await?;
    desktop.drop_files(&case, &[&torrent.file]).await?;
    browser.plays().await?;
    browser.shows_picture(Media::Mp4).await?;
    let there = desktop.percent().await?;
    ensure!(there < 90, "the browser played only when the desktop had {there} %");
    desktop.until("/1 WebRTC|1 peer over WebRTC/.test($('stats').innerText)").await?;
    browser.shot("plays").await?;
    Ok(())
}
