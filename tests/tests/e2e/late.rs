//! A second desktop comes late, and runs out of film later on.

use anyhow::Result;
use streamshare_tests::{Case, Desktop, Launch, Media, Seeder, Swarm, windows_together};

/// What a film's only source sends, in kB a second: a little more than the film needs, next to nothing, and all at once.
const ENOUGH: &str = "260";
const NEXT_TO_NOTHING: &str = "20";
const PLENTY: &str = "50000";

/// Limits what a desktop sends, as its person does it.
async fn limit_upload(desktop: &Desktop, kb_per_s: &str) -> Result<()> {
    desktop.click("shelf-open").await?;
    desktop.fill("limit-upload", kb_per_s).await?;
    desktop.click("limits-save").await?;
    desktop.until("$('limits-saved')").await?;
    desktop.click("shelf-close").await?;
    desktop.until("$('shelf') === null").await.map(drop)
}

/// Gives the room a film that one of the two gets too slowly from then on.
async fn one_starves(case: &Case, first: &Desktop, second: &Desktop) -> Result<()> {
    limit_upload(first, ENOUGH).await?;
    first.drop_files(case, &[&Media::Mkv.file()?]).await?;
    first.playlist_is(&[Media::Mp4.title(), Media::Mkv.title()]).await?;
    first.click("next-item").await?;
    for desktop in [first, second] {
        desktop.playlist_is(&[Media::Mkv.title()]).await?;
        desktop.plays().await?;
    }
    limit_upload(first, NEXT_TO_NOTHING).await?;

    // The others see whom the room waits for, and so does who is waited for.
    first.until("room().message?.kind === 'waiting' && room().message.text.includes('Waiting for Bea')").await?;
    second.until("room().message?.kind === 'buffering' && room().message.text.includes('waits for you')").await?;
    first.shot("waits").await?;
    second.shot("starves").await?;
    // Not for ever: it goes on without her, and by itself.
    first.until("room().message === null && !video().paused").await?;
    first.plays().await?;
    second.until("room().message?.kind === 'buffering' && !room().message.text.includes('waits for you')").await?;
    first.until("room().members.some(({ name, state }) => name === 'Bea' && state === 'STALLED')").await?;
    first.shot("goes-on").await?;

    // With enough of it she is where the room is, by herself.
    limit_upload(first, PLENTY).await?;
    second.until("room().message === null").await?;
    windows_together(first, second, 1.0).await?;
    first.until("room().members.every(({ state }) => state === 'PLAYING')").await?;
    second.shot("back").await?;
    Ok(())
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
    windows_together(&first, &second, 1.0).await?;
    second.shows_video("landed").await?;
    first.shot("both").await?;
    second.shot("both").await?;

    second.click("play-toggle").await?;
    first.until("video().paused").await?;
    second.until("video().paused").await?;
    // Away from the middle of the slider first: a click on its thumb moves nothing.
    second.slide("seek", 10.0).await?;
    first.until("Math.abs(video().currentTime - 10) < 0.5").await?;
    second.click("seek").await?;
    for desktop in [&first, &second] {
        desktop.until("Math.abs(video().currentTime - 30) < 0.5").await?;
    }
    // Both show the very picture: a player that stands may be two frames off.
    let place = first.js("return video().currentTime").await?;
    second.until(&format!("Math.abs(video().currentTime - {place}) < 0.1")).await?;
    first.click("play-toggle").await?;
    for desktop in [&first, &second] {
        desktop.plays().await?;
    }
    windows_together(&first, &second, 1.0).await?;

    one_starves(&case, &first, &second).await?;

    // Who is killed leaves the room; the room goes on.
    second.kill()?;
    first.members_are(&["Ada"]).await?;
    first.plays().await?;
    Ok(())
}
