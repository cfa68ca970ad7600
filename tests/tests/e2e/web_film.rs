//! Films between browsers alone: what one person drops on the page, the others see, over WebRTC and the relay's tracker.

use anyhow::Result;
use streamshare_tests::{Browser, Case, INSECURE_HOST, Media, Relay, subtitles, together};

/// Two people in a room, one of whom gives it a film.
async fn two_with_a_film(case: &Case, address: &str) -> Result<(Browser, Browser, String)> {
    let ada = Browser::open(case, "ada", address).await?;
    let link = ada.start_room("Ada").await?;
    let ben = Browser::open(case, "ben", &link).await?;
    ben.accept_invitation("Ben").await?;
    ada.drop_files(&[&Media::Mp4.file()?]).await?;
    for window in [&ada, &ben] {
        window.playlist_is(&[Media::Mp4.title()]).await?;
        window.plays().await?;
        window.shows_picture(Media::Mp4).await?;
    }
    Ok((ada, ben, link))
}

/// What both have to be able to do with it, whatever plays it.
async fn both_seek_and_pause(ada: &Browser, ben: &Browser) -> Result<()> {
    ben.slide("seek", 45.0).await?;
    for window in [ada, ben] {
        window.until("video().currentTime > 45 && video().currentTime < 60").await?;
    }
    ada.slide("seek", 10.0).await?;
    for window in [ada, ben] {
        window.until("video().currentTime > 10.5 && video().currentTime < 40").await?;
        window.plays().await?;
    }
    together(ada, ben, 1.0).await?;
    ben.click("pace").await?;
    ben.js("$$('speed').find(({ dataset }) => dataset.speed === '1.25').click()").await?;
    ada.until("$('pace').dataset.speed === '1.25'").await?;
    together(ada, ben, 1.25).await?;
    ada.until("$('skew').dataset.state === 'together' && / ms ± /.test($('skew').innerText)").await?;
    ben.js("$$('speed').find(({ dataset }) => dataset.speed === '1').click()").await?;
    ada.until("$('pace').dataset.speed === '1'").await?;
    ben.click("pace").await?;
    ben.click("play-toggle").await?;
    for window in [ada, ben] {
        window.until("video().paused").await?;
    }
    ben.until("room().members.every(m => m.state === 'PAUSED')").await?;
    ben.until("/100 %/.test($('stats').innerText)").await?;
    ada.until("/1 peer/.test($('stats').innerText)").await?;
    Ok(())
}

#[tokio::test]
async fn web_a_film_goes_through_the_service_worker() -> Result<()> {
    let case = Case::begin("web-film").await?;
    let mut relay = Relay::start(&case).await?;
    let (ada, ben, link) = two_with_a_film(&case, &relay.url()).await?;
    ben.until("isSecureContext && video().src.includes('/stream/')").await?;
    ada.shot("shares").await?;
    ben.shot("watches").await?;
    both_seek_and_pause(&ada, &ben).await?;
    ben.shot("paused").await?;

    // The relay and its tracker begin anew; who comes then finds the others all the same.
    relay.kill();
    for window in [&ada, &ben] {
        window.until("room().link === 'lost'").await?;
    }
    relay.start_again().await?;
    for window in [&ada, &ben] {
        window.joined().await?;
    }
    let cid = Browser::open(&case, "cid", &link).await?;
    cid.accept_invitation("Cid").await?;
    cid.click("play-toggle").await?;
    cid.plays().await?;
    cid.shows_picture(Media::Mp4).await?;
    cid.shot("late").await?;

    // A page that was loaded anew may play no sound until its person clicks: then it starts where the others are.
    ben.client().refresh().await?;
    ben.joined().await?;
    ben.element("gesture").await?;
    ben.shot("blocked").await?;
    ben.click("gesture").await?;
    together(&cid, &ben, 1.0).await?;
    Ok(())
}

#[tokio::test]
async fn web_a_film_goes_through_media_source_on_a_page_without_a_secure_context() -> Result<()> {
    let case = Case::begin("web-film-plain-http").await?;
    let relay = Relay::start(&case).await?;
    let address = relay.url().replace("127.0.0.1", INSECURE_HOST);
    let (ada, ben, _) = two_with_a_film(&case, &address).await?;
    ben.until("!isSecureContext && video().src.startsWith('blob:')").await?;
    ben.shot("watches").await?;
    both_seek_and_pause(&ada, &ben).await?;
    ada.shot("paused").await?;

    // Matroska through the same path, and what is no film at all.
    ben.give_files(&[&Media::Mkv.file()?]).await?;
    ada.playlist_is(&[Media::Mp4.title(), Media::Mkv.title()]).await?;
    ada.click("next-item").await?;
    for window in [&ada, &ben] {
        window.playlist_is(&[Media::Mkv.title()]).await?;
        window.plays().await?;
        window.shows_picture(Media::Mkv).await?;
    }
    // Chosen by one, shown to nobody else; from a file of his own, too.
    ben.shows_subtitles("German", "<i>Zeile</i>").await?;
    ben.shot("subtitles").await?;
    assert_eq!(ada.js("return lines().length").await?, 0);
    let own = case.scratch().join("Mine.srt");
    // As old files are: in Latin-1, which nothing tells.
    let latin1 =
        |text: String| -> Vec<u8> { text.chars().map(|letter| u8::try_from(letter).unwrap_or(b'?')).collect() };
    std::fs::write(&own, latin1(subtitles(60, "Réplique")))?;
    ben.give_files(&[&own]).await?;
    ben.shows_line("Réplique").await?;
    let not_a_film = case.scratch().join("notes.mp4");
    std::fs::write(&not_a_film, "not a film")?;
    ben.give_files(&[&not_a_film]).await?;
    ada.playlist_is(&[Media::Mkv.title(), "notes"]).await?;
    ada.click("next-item").await?;
    ada.until("room().message && room().message.kind === 'error' && room().message.text.includes('desktop app')")
        .await?;
    ada.shot("not-a-film").await?;
    Ok(())
}
