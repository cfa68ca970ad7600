//! Films cross to those who are in no room with us: by magnet link alone, to and from a page of a foreign WebTorrent client.

use anyhow::{Context as _, Result};
use serde_json::Value;
use streamshare_tests::{Browser, Case, Desktop, ForeignPage, Launch, Media, PlainPeer, Relay, Transport};

/// The magnet link of the playlist's last item, as the room passes it on to a peer of any make.
fn last_magnet(case: &Case, link: &str) -> Result<String> {
    let (relay, room) = link.split_once("/#/room/").context("a room's link")?;
    let hello = PlainPeer::connect(case, "Pia", relay, Transport::WebSocket)?.join(room)?;
    let item = hello["playlist"].as_array().and_then(|list| list.last()).cloned().unwrap_or(Value::Null);
    item["torrentId"].as_str().map(str::to_owned).with_context(|| format!("an item with a link: {hello}"))
}

async fn paste_and_watch(desktop: &Desktop, magnet: &str, media: Media) -> Result<()> {
    desktop.fill("add-input", magnet).await?;
    desktop.click("add-submit").await?;
    let (title, width) = (Value::from(media.title()), media.size().0);
    desktop.until(&format!("room().titles.at(-1) === {title}")).await?;
    // One click for each that is before it, and not before the one before has counted.
    let before = desktop.room().await?["titles"].as_array().map_or(0, Vec::len).saturating_sub(1);
    for left in (1..=before).rev() {
        desktop.click("next-item").await?;
        desktop.until(&format!("room().titles.length === {left}")).await?;
    }
    desktop.until(&format!("video() && video().videoWidth === {width}")).await?;
    desktop.plays().await?;
    desktop.until("/100 %/.test($('stats').innerText)").await?;
    anyhow::ensure!(media.is_in(&desktop.download(media)?)?, "{media:?} is not what was shared");
    desktop.shot(media.title()).await?;
    Ok(())
}

#[tokio::test]
async fn swarm_magnet_links_cross_rooms_and_foreign_pages() -> Result<()> {
    let case = Case::begin("strangers").await?;
    let relay = Relay::start(&case).await?;
    let desktop = Desktop::start(&case, "ada", Launch::default()).await?;
    let own_room = desktop.start_room("Ada").await?;

    // A film out of a browser in a room on another relay.
    let browser = Browser::open(&case, "ben", &relay.url()).await?;
    let bens_room = browser.start_room("Ben").await?;
    browser.give_files(&[&Media::Mp4.file()?]).await?;
    browser.plays().await?;
    let magnet = last_magnet(&case, &bens_room)?;
    paste_and_watch(&desktop, &magnet, Media::Mp4).await?;
    drop(browser);

    // A film out of a page that knows nothing of rooms.
    let tracker = relay.url().replace("http://", "ws://") + "/announce";
    let page = ForeignPage::open(&case, "page", &tracker).await?;
    let magnet = page.seed(Media::Mkv).await?;
    paste_and_watch(&desktop, &magnet, Media::Mkv).await?;

    // And to it, by the tracker of the relay in the desktop.
    desktop.drop_files(&case, &[&Media::Short.file()?]).await?;
    desktop.until("room().titles.length === 2").await?;
    desktop.click("next-item").await?;
    desktop.until("video() && video().videoWidth === 320").await?;
    desktop.click("play-toggle").await?;
    let magnet = last_magnet(&case, &own_room)?;
    assert_eq!(page.download(&magnet).await?, Media::Short.sha1()?);
    page.browser().shot("has-all").await?;
    Ok(())
}
