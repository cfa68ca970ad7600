//! What a friend waits for who opens an invitation in a browser, while the film plays on a desktop.

use super::report::alone;
use anyhow::{Context as _, Result};
use streamshare_tests::{Browser, Case, Desktop, Launch, Media, Relay};

const ROUNDS: usize = 5;

pub(super) async fn run() -> Result<()> {
    let case = Case::begin("bench-swarm-picture").await?;
    let relay = Relay::start(&case).await?;
    let desktop = Desktop::start(&case, "ada", Launch::default()).await?;
    let link = relay.link("bench-swarm");
    desktop.join_room("Ada", &link).await?;
    desktop.drop_files(&case, &[&Media::Mp4.file()?]).await?;
    desktop.plays().await?;
    let (mut first_byte, mut picture) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let browser = Browser::open(&case, &format!("ben-{round}"), &link).await?;
        // From the click that joins: until the page has bytes of the film, and until they are a picture that moves.
        browser
            .js("document.addEventListener('click', ({ target }) => {
                     if (target.closest('[data-testid=\"join-room\"]')) window.clickedAt ??= performance.now();
                 }, true);
                 const timer = setInterval(() => {
                     const has = video() && video().buffered.length > 0;
                     if (has) window.firstByte ??= performance.now() - window.clickedAt;
                     if (has && video().videoWidth > 0 && video().currentTime > 0) {
                         window.firstPicture = performance.now() - window.clickedAt;
                         clearInterval(timer);
                     }
                 }, 4)")
            .await?;
        browser.accept_invitation("Ben").await?;
        picture.push(browser.until("window.firstPicture").await?.as_f64().context("a time")?);
        first_byte.push(browser.js("return window.firstByte").await?.as_f64().context("a time")?);
    }
    alone("click that joins to the first media in the player", "ms", &first_byte);
    alone("click that joins to the first moving picture", "ms", &picture);
    Ok(())
}
