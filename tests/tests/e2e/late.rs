//! A second desktop comes late.

use anyhow::{Context as _, Result};
use serde_json::Value;
use streamshare_tests::{Case, Desktop, Launch, Media, Seeder, Swarm};

/// What the issue asks for.
const APART_S_MAX: f64 = 1.0;

/// Where both players are now, the second brought to the moment of the first. Both run on this machine's clock.
async fn apart(first: &Desktop, second: &Desktop) -> Result<f64> {
    let code = "return [video().currentTime, Date.now(), video().paused ? 0 : 1]";
    let (a, b) = tokio::try_join!(first.js(code), second.js(code))?;
    let number = |value: &Value, i: usize| value[i].as_f64().context("a figure");
    let elapsed = (number(&b, 1)? - number(&a, 1)?) / 1e3 * number(&b, 2)?;
    Ok((number(&b, 0)? - elapsed - number(&a, 0)?).abs())
}

#[tokio::test]
async fn a_latecomer_lands_where_the_room_is() -> Result<()> {
    let case = Case::begin("late").await?;
    let mut swarm = Swarm::start(&case, Seeder::Libtorrent, None).await?;
    let torrent = swarm.seed(Media::Mp4).await?;
    let first = Desktop::start(&case, "ada", Launch::with_tracker(swarm.announce())).await?;
    let link = first.start_room("Ada").await?;
    first.drop_files(&case, &[&torrent.file]).await?;
    first.plays().await?;
    first.slide("seek", 20.0).await?;
    first.until("video().currentTime > 21 && video().currentTime < 40").await?;

    let second = Desktop::start(&case, "bea", Launch::with_tracker(swarm.announce())).await?;
    second.join_room("Bea", &link).await?;
    second.shot("joined").await?;
    second.playlist_is(&[Media::Mp4.title()]).await?;
    second.plays().await?;
    first.members_are(&["Ada", "Bea"]).await?;
    // It lands with the first seek that it makes, so it has no second chance: the first figures count.
    second.until("Math.abs(video().currentTime - room().position) < 1").await?;
    for _ in 0..5 {
        let apart = apart(&first, &second).await?;
        assert!(apart < APART_S_MAX, "{apart} s apart");
        second.plays().await?;
    }
    second.shows_video("landed").await?;
    first.shot("both").await?;
    second.shot("both").await?;

    second.click("play-toggle").await?;
    first.until("video().paused").await?;
    second.until("video().paused").await?;
    second.click("seek").await?;
    for desktop in [&first, &second] {
        desktop.until("Math.abs(video().currentTime - 30) < 0.5").await?;
    }
    first.click("play-toggle").await?;
    for desktop in [&first, &second] {
        desktop.plays().await?;
    }
    assert!(apart(&first, &second).await? < APART_S_MAX);

    // Who is killed leaves the room; the room goes on.
    second.kill()?;
    first.members_are(&["Ada"]).await?;
    first.plays().await?;
    Ok(())
}
