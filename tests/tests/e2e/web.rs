//! Browsers alone, on the relay's own web client: no desktop anywhere.

use anyhow::Result;
use serde_json::json;
use streamshare_tests::{Browser, Case, PlainPeer, Relay, Transport};

/// A well-formed link to what nobody has: nothing here needs the film itself.
const MAGNET: &str = "magnet:?xt=urn:btih:c9e15763f722f23e98a29decdfae341b98d53056&dn=Blue%20whale.mp4";

#[tokio::test]
async fn two_browsers_share_a_room() -> Result<()> {
    let case = Case::begin("web").await?;
    let relay = Relay::start(&case).await?;
    let ada = Browser::open(&case, "ada", &relay.url()).await?;
    ada.shot("start").await?;
    ada.click("start-room").await?;
    ada.until("$('form-error') && $('form-error').innerText.length > 10").await?;
    ada.shot("no-name").await?;
    let link = ada.start_room("Ada").await?;
    assert!(link.starts_with(&relay.url()), "{link}");
    ada.shot("empty-room").await?;

    let ben = Browser::open(&case, "ben", &link).await?;
    ben.until(&format!("$('join-input').value === {}", json!(link))).await?;
    ben.shot("invited").await?;
    ben.accept_invitation("Ben").await?;
    for window in [&ada, &ben] {
        window.members_are(&["Ada", "Ben"]).await?;
    }
    ben.fill("add-input", MAGNET).await?;
    ben.click("add-submit").await?;
    for window in [&ada, &ben] {
        window.playlist_is(&["Blue whale"]).await?;
    }
    let mut peer = PlainPeer::connect(&case, "Pia", &relay.url(), Transport::Polling)?;
    let room = link.rsplit('/').next().unwrap_or_default();
    let hello = peer.join(room)?;
    let mut list = hello["playlist"].as_array().cloned().unwrap_or_default();
    list.push(json!({ "filename": "second/Red fox.mkv", "torrentId": "0123456789abcdef0123456789abcdef01234567" }));
    peer.hello(&json!(list), "PLAYING", 100.0)?;
    for window in [&ada, &ben] {
        window.playlist_is(&["Blue whale", "Red fox.mkv"]).await?;
        window.until("room().state === 'PLAYING' && room().position > 100").await?;
    }
    ben.click("play-toggle").await?;
    for window in [&ada, &ben] {
        window.state_is("PAUSED").await?;
        window.shot("paused").await?;
    }
    peer.command("PAUSE", |pause| pause["currentTime"].as_f64().is_some_and(|time| time > 100.0))?;

    // The second item is played at once, then taken out.
    ada.js("$$('playlist-item')[1].querySelector('[data-testid=\"item-play\"]').click()").await?;
    for window in [&ada, &ben] {
        window.playlist_is(&["Red fox.mkv", "Blue whale"]).await?;
    }
    ben.js("$$('playlist-item')[0].querySelector('[data-testid=\"item-remove\"]').click()").await?;
    for window in [&ada, &ben] {
        window.playlist_is(&["Blue whale"]).await?;
    }
    ada.client().set_window_size(400, 820).await?;
    ada.shot("narrow").await?;
    ada.click("leave-room").await?;
    ben.members_are(&["Ben", "Pia"]).await?;
    ada.shot("left").await?;
    Ok(())
}
