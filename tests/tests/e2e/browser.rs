//! A desktop and a browser in one room, hosted by the desktop itself.

use anyhow::Result;
use streamshare_tests::{Browser, Case, Desktop, Launch, Media, together};

/// How far two windows' ideas of the room's place may be apart while it stands, in seconds.
const SAME_PLACE_S: f64 = 0.3;

async fn both_at(desktop: &Desktop, browser: &Browser, seconds: f64) -> Result<()> {
    let near = format!("Math.abs(room().position - {seconds}) < {SAME_PLACE_S}");
    desktop.until(&near).await?;
    browser.until(&near).await?;
    desktop.until(&format!("Math.abs(video().currentTime - {seconds}) < {SAME_PLACE_S}")).await?;
    Ok(())
}

#[tokio::test]
async fn play_pause_seek_and_playlist_cross_both_ways() -> Result<()> {
    let case = Case::begin("browser").await?;
    let desktop = Desktop::start(&case, "ada", Launch::default()).await?;
    let link = desktop.start_room("Ada").await?;
    let browser = Browser::open(&case, "ben", &link).await?;
    browser.shot("invited").await?;
    browser.accept_invitation("Ben").await?;
    for window in [&*desktop, &*browser] {
        window.members_are(&["Ada", "Ben"]).await?;
    }
    browser
        .until("room().members.filter(m => m.me).length === 1 && room().members.find(m => m.me).name === 'Ben'")
        .await?;
    browser.shot("empty-room").await?;

    let file = Media::Mp4.file()?;
    desktop.drop_files(&case, &[&file]).await?;
    for window in [&*desktop, &*browser] {
        window.playlist_is(&[Media::Mp4.title()]).await?;
        window.state_is("PLAYING").await?;
    }
    desktop.plays().await?;
    browser.until("room().position > 1 && room().duration > 55").await?;
    browser.until("room().members.find(m => m.name === 'Ada').state === 'PLAYING'").await?;
    browser.shows_picture(Media::Mp4).await?;
    desktop.until("room().members.find(m => m.name === 'Ben').state === 'PLAYING'").await?;
    browser.shot("follows").await?;
    // What is said under the player gets longer and shorter every second: the buttons stay under the pointer.
    let stays = "(() => { const at = () => $('play-toggle').getBoundingClientRect().top; const before = at();
        const more = document.createElement('span'); more.textContent = ' and more'.repeat(40); $('stats').append(more);
        const after = at(); more.remove(); return before === after; })()";
    browser.until(&format!("$('stats') && {stays}")).await?;
    desktop.shot("both").await?;

    browser.click("play-toggle").await?;
    for window in [&*desktop, &*browser] {
        window.state_is("PAUSED").await?;
    }
    desktop.until("video().paused").await?;
    browser.shot("paused").await?;
    // A click goes to the slider's middle.
    browser.click("seek").await?;
    both_at(&desktop, &browser, 30.0).await?;
    // A seek while paused shows the new place, not black.
    desktop.shows_video("browser-sought").await?;
    desktop.shot("browser-sought").await?;
    desktop.slide("seek", 20.0).await?;
    both_at(&desktop, &browser, 20.0).await?;
    browser.shot("desktop-sought").await?;
    desktop.click("play-toggle").await?;
    for window in [&*desktop, &*browser] {
        window.state_is("PLAYING").await?;
        window.until("room().position > 21").await?;
    }
    desktop.plays().await?;
    together(&desktop, &browser, 1.0).await?;

    let second = Media::Short.file()?;
    desktop.drop_files(&case, &[&second]).await?;
    browser.playlist_is(&[Media::Mp4.title(), Media::Short.title()]).await?;
    browser.shot("two-items").await?;
    browser.click("next-item").await?;
    for window in [&*desktop, &*browser] {
        window.playlist_is(&[Media::Short.title()]).await?;
    }
    desktop.until("video().videoWidth === 320").await?;
    desktop.shot("next-item").await?;

    browser.click("leave-room").await?;
    desktop.members_are(&["Ada"]).await?;
    desktop.shot("alone").await?;
    Ok(())
}
