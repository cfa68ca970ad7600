//! One desktop, one foreign seeder: from a dropped file or a pasted link to a moving picture.

use anyhow::{Context as _, Result, ensure};
use std::time::Duration;
use streamshare_tests::{Case, Desktop, Launch, Media, Seeder, Swarm, subtitles};

/// Slower than the video needs on a fast disk, faster than it plays: it has to play while it downloads.
const SEED_KIB_PER_S: u32 = 1500;

/// Where the film is left, in seconds: beyond its beginning, before its end.
const LEFT_AT: u32 = 35;

/// Where the film stands while its subtitles are looked at, in seconds: in the middle of a line.
const STANDS_AT: f64 = 20.5;

const FETCHED_WITHIN: Duration = Duration::from_secs(60);

async fn shows_the_picture(desktop: &Desktop, media: Media) -> Result<()> {
    desktop.plays().await?;
    let (width, height) = media.size();
    desktop.until(&format!("video().videoWidth === {width} && video().videoHeight === {height}")).await?;
    desktop.until(&format!("Math.abs(room().duration - {}) < 1", media.seconds())).await?;
    desktop.until("room().state === 'PLAYING' && room().message === null").await?;
    desktop.until("room().members.every(member => member.state === 'PLAYING')").await?;
    desktop.shows_video("plays").await?;
    let place = desktop.room().await?;
    desktop.until(&format!("room().position > {} + 1", place["position"])).await?;
    Ok(())
}

#[tokio::test]
async fn a_dropped_torrent_plays_while_it_downloads() -> Result<()> {
    let case = Case::begin("dropped-torrent").await?;
    let mut swarm = Swarm::start(&case, Seeder::Transmission, Some(SEED_KIB_PER_S)).await?;
    let torrent = swarm.seed(Media::Mp4).await?;
    let desktop = Desktop::start(&case, "ada", Launch::default()).await?;
    desktop.shot("start").await?;
    let link = desktop.start_room("Ada").await?;
    assert!(link.contains("/#/room/"), "{link}");
    desktop.members_are(&["Ada"]).await?;
    desktop.shot("empty-room").await?;

    desktop.drop_files(&case, &[&torrent.file]).await?;
    desktop.playlist_is(&[Media::Mp4.title()]).await?;
    desktop.until("room().current === 0").await?;
    desktop.shot("in-the-playlist").await?;
    desktop.plays().await?;
    // The line under the slider is the pieces that are there, not what the player holds.
    let stats = desktop.js("return `${$('stats').innerText} ${$('ready')?.dataset.of}`").await?;
    let stats = stats.as_str().context("a text")?;
    assert!(stats.ends_with(" part"), "{stats}");
    assert!(stats.contains('%') && !stats.contains("100"), "it plays before all is there: {stats}");
    shows_the_picture(&desktop, Media::Mp4).await?;
    desktop.shot("plays").await?;
    desktop.until_within(FETCHED_WITHIN, "$('ready')?.dataset.of === 'whole'").await?;

    // Watched yesterday: the same film in another room, nobody else there.
    desktop.slide("seek", f64::from(LEFT_AT)).await?;
    desktop.until(&format!("room().position > {LEFT_AT} && room().state === 'PLAYING'")).await?;
    desktop.until(&format!("localStorage['streamshare.watched']?.includes('\"seconds\":{LEFT_AT}')")).await?;
    desktop.click("leave-room").await?;
    desktop.start_room("Ada").await?;
    desktop.drop_files(&case, &[&torrent.file]).await?;
    desktop.until(&format!("room().current === 0 && room().position > {LEFT_AT}")).await?;
    desktop.plays().await?;
    the_shelf(&desktop).await
}

/// What a person does with torrents: sees what they cost, sets a limit, keeps, pauses and deletes one.
async fn the_shelf(desktop: &Desktop) -> Result<()> {
    let file = desktop.download(Media::Mp4)?;
    desktop.click("shelf-open").await?;
    desktop.until("$('torrent')?.dataset.state === 'seeding' && $('torrent').dataset.keeping === 'cached'").await?;
    desktop.until("/^11 MB · gave .* · 11 MB on the disk$/.test($('torrent-cost').innerText)").await?;
    desktop.shot("shelf").await?;
    desktop.click("torrent-keep").await?;
    desktop.until("$('torrent').dataset.keeping === 'kept'").await?;

    desktop.fill("limit-upload", "5").await?;
    desktop.click("limits-save").await?;
    desktop.until("$('limits-error')?.innerText.includes('20 kB/s')").await?;
    desktop.fill("limit-upload", "500").await?;
    desktop.click("limits-save").await?;
    desktop.until("$('limits-saved')").await?;
    let settings = std::fs::read_to_string(desktop.home().join("data/settings.json")).context("read the settings")?;
    let settings: serde_json::Value = serde_json::from_str(&settings).context("the settings")?;
    ensure!(settings["limits"]["uploadBps"] == 500_000 && settings["network"]["dht"] == false, "{settings}");

    desktop.click("torrent-go").await?;
    desktop.until("$('torrent').dataset.state === 'paused'").await?;
    desktop.click("resume-all").await?;
    desktop.until("$('torrent').dataset.state === 'seeding'").await?;
    desktop.click("torrent-delete").await?;
    ensure!(file.exists(), "deleted before it was confirmed");
    desktop.click("confirm-delete").await?;
    desktop.until("$('torrent') === null").await?;
    ensure!(!file.exists(), "{} is still there", file.display());
    desktop.click("shelf-close").await?;
    desktop.until("$('shelf') === null && room().link === 'joined'").await?;
    Ok(())
}

#[tokio::test]
async fn a_pasted_magnet_link_to_matroska_plays() -> Result<()> {
    let case = Case::begin("pasted-magnet").await?;
    let mut swarm = Swarm::start(&case, Seeder::Transmission, Some(SEED_KIB_PER_S)).await?;
    let torrent = swarm.seed(Media::Mkv).await?;
    let desktop = Desktop::start(&case, "ada", Launch::default()).await?;
    desktop.start_room("Ada").await?;
    desktop.fill("add-input", &torrent.magnet).await?;
    desktop.click("add-submit").await?;
    desktop.shot("pasted").await?;
    desktop.playlist_is(&[Media::Mkv.title()]).await?;
    shows_the_picture(&desktop, Media::Mkv).await?;
    desktop.shot("plays").await?;

    // The film's own subtitles while it downloads, and a file of the person's.
    desktop.shows_subtitles("German", "<i>Zeile</i>").await?;
    desktop.shot("subtitles").await?;
    let own = case.scratch().join("Mine.fr.srt");
    std::fs::write(&own, format!("\u{feff}{}", subtitles(60, "Réplique")).replace('\n', "\r\n"))?;
    desktop.drop_files(&case, &[&own]).await?;
    desktop.shows_line("Réplique").await?;
    others_subtitles(&case, &desktop).await?;
    desktop.playlist_is(&[Media::Mkv.title()]).await?;

    // What comes next is there in time: its beginning, and no more of it.
    let next = swarm.seed(Media::Mp4).await?;
    desktop.drop_files(&case, &[&next.file]).await?;
    desktop.playlist_is(&[Media::Mkv.title(), Media::Mp4.title()]).await?;
    desktop.click("shelf-open").await?;
    let some = "$$('torrent-cost').some(cost => /^[1-9].* of 11 MB · .* · [1-9].* on the disk$/.test(cost.innerText))";
    desktop.until(&format!("{some} && $$('torrent').length === 2")).await?;
    desktop.until("room().state === 'PLAYING'").await?;
    Ok(())
}

/// Files of other kinds and encodings, what the film has that cannot be shown, and lines that come too early.
async fn others_subtitles(case: &Case, desktop: &Desktop) -> Result<()> {
    // The film stands meanwhile: each line is shown for a second alone, and a slow machine would come to the film's end.
    desktop.click("play-toggle").await?;
    desktop.state_is("PAUSED").await?;
    desktop.slide("seek", STANDS_AT).await?;
    desktop.until(&format!("Math.abs(video().currentTime - {STANDS_AT}) < 0.2 && !video().seeking")).await?;
    let vtt = case.scratch().join("Zwei.vtt");
    let text = format!("\u{feff}WEBVTT\n\n{}", subtitles(60, "<v Ann>Zeile</v>").replace(',', "."));
    std::fs::write(&vtt, text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>())?;
    let ass = case.scratch().join("Drei.ass");
    let line =
        |n: u32| format!("Dialogue: 0,0:00:{n:02}.00,0:00:{n:02}.99,Top,,0,0,0,,{{\\pos(9,9)}}Строка{{\\i0}} {n}\n");
    let events: String = (0..60).map(line).collect();
    let head = "[V4+ Styles]\nFormat: Name, Italic\nStyle: Top,-1\n[Events]\n\
                Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n";
    std::fs::write(&ass, format!("{head}{events}").chars().map(windows_1251).collect::<Vec<_>>())?;
    desktop.drop_files(case, &[&vtt, &ass]).await?;
    desktop.js("$('captions').click()").await?;
    // The one that is read last is shown by itself.
    let offered =
        "$$('caption-choice').map(choice => choice.innerText.trim()).sort().join() === 'Drei,German,Mine.fr,Off,Zwei'";
    desktop.until(offered).await?;
    desktop.shows_subtitles("Zwei", "<v Ann>Zeile</v>").await?;
    desktop.shows_subtitles("Drei", "<i>Строка</i>").await?;
    desktop.until("[...video().textTracks].some(track => track.activeCues?.[0]?.line === 0)").await?;

    desktop.js("$('captions').click()").await?;
    desktop.until("$('caption-lacking')?.innerText.startsWith('The film also has English as pictures')").await?;
    desktop.js("for (let n = 0; n < 12; n++) $('caption-later').click()").await?;
    desktop.until("$('caption-delay').dataset.ms === '1200'").await?;
    desktop.shot("menu").await?;
    desktop.js("$('captions').click()").await?;
    desktop.js("document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'g', bubbles: true }))").await?;
    desktop.until("$('player-told')?.innerText === 'Subtitles 1.1 s later'").await?;
    desktop.shot("shifted").await?;
    let shifted = "lines().length === 1 && lines()[0] === `<i>Строка</i> ${Math.floor(video().currentTime - 1.1)}`";
    desktop.until(shifted).await?;
    // It is this file's, and this film's.
    desktop.shows_subtitles("German", "<i>Zeile</i>").await?;
    desktop.click("play-toggle").await?;
    desktop.state_is("PLAYING").await
}

/// A letter in what Russian Windows wrote before Unicode.
fn windows_1251(letter: char) -> u8 {
    match u32::from(letter) {
        cyrillic @ 0x410..=0x44f => u8::try_from(cyrillic - 0x410 + 0xc0).expect("the range fits"),
        ascii => u8::try_from(ascii).expect("ASCII"),
    }
}

#[tokio::test]
async fn a_dropped_video_plays_and_the_playlist_goes_on() -> Result<()> {
    let case = Case::begin("dropped-video").await?;
    let desktop = Desktop::start(&case, "ada", Launch::default()).await?;
    desktop.start_room("Ada").await?;
    let (first, next) = (Media::Mp4.file()?, Media::Mkv.file()?);
    desktop.drop_files(&case, &[&first]).await?;
    desktop.playlist_is(&[Media::Mp4.title()]).await?;
    shows_the_picture(&desktop, Media::Mp4).await?;
    desktop.shot("plays").await?;

    desktop.drop_files(&case, &[&next]).await?;
    desktop.playlist_is(&[Media::Mp4.title(), Media::Mkv.title()]).await?;
    desktop.shot("two-items").await?;
    // The first comes to its end by itself.
    desktop.slide("seek", f64::from(Media::Mp4.seconds()) - 3.0).await?;
    desktop.playlist_is(&[Media::Mkv.title()]).await?;
    shows_the_picture(&desktop, Media::Mkv).await?;
    desktop.shot("next-item").await?;
    Ok(())
}
