//! The parts of the harness by themselves: where one of these fails, the product is not to blame.

use anyhow::Result;
use streamshare_tests::{Browser, Case, Display, Media, Seeder, Swarm, look};

async fn seeds_both(case: &Case, seeder: Seeder) -> Result<()> {
    let mut swarm = Swarm::start(case, seeder, Some(2000)).await?;
    for media in [Media::Mp4, Media::Mkv] {
        let torrent = swarm.seed(media).await?;
        assert!(torrent.magnet.starts_with("magnet:?xt=urn:btih:"), "{}", torrent.magnet);
        assert!(torrent.file.is_file());
    }
    Ok(())
}

#[tokio::test]
async fn transmission_announces_what_ffmpeg_made() -> Result<()> {
    let case = Case::begin("harness-transmission").await?;
    seeds_both(&case, Seeder::Transmission).await
}

#[tokio::test]
async fn libtorrent_announces_what_ffmpeg_made() -> Result<()> {
    let case = Case::begin("harness-libtorrent").await?;
    seeds_both(&case, Seeder::Libtorrent).await
}

#[tokio::test]
async fn an_empty_screen_is_no_picture() -> Result<()> {
    let case = Case::begin("harness-screen").await?;
    let display = Display::start(&case.log("display"))?;
    let file = case.output().join("screen.png");
    display.screenshot(&file)?;
    let black = look(&file, "640x360+10+10")?;
    assert!(!black.is_a_picture(), "{black:?}");
    let mut ffmpeg = std::process::Command::new("ffmpeg");
    let still = case.output().join("still.png");
    let made = ffmpeg.args(["-nostdin", "-loglevel", "error", "-ss", "1", "-i"]).arg(Media::Short.file()?);
    assert!(made.args(["-frames:v", "1"]).arg(&still).status()?.success());
    let picture = look(&still, "320x180+0+0")?;
    assert!(picture.is_a_picture(), "{picture:?}");
    Ok(())
}

#[tokio::test]
async fn a_browser_opens_a_page() -> Result<()> {
    let case = Case::begin("harness-browser").await?;
    let page = "data:text/html,<input data-testid=\"name-input\"><p data-testid=\"toast\" data-kind=\"info\">hello";
    let browser = Browser::open(&case, "browser", page).await?;
    browser.fill("name-input", "Ada").await?;
    browser.until("room().toasts[0].text === 'hello'").await?;
    assert!(browser.shot("page").await?.is_file());
    Ok(())
}
