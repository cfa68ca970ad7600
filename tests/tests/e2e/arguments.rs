//! What the system hands to the app: at its first start, and while it runs.

use anyhow::Result;
use streamshare_protocol::Invitation;
use streamshare_tests::{Case, Desktop, Launch, Media, Relay, Seeder, Swarm};

fn deep_link(link: &str) -> String {
    Invitation::parse(link).map(|invitation| invitation.deep_link()).expect("the harness makes proper links")
}

#[tokio::test]
async fn a_torrent_and_a_link_at_the_start_and_later() -> Result<()> {
    let case = Case::begin("arguments").await?;
    let relay = Relay::start(&case).await?;
    let mut swarm = Swarm::start(&case, Seeder::Libtorrent, None).await?;
    let (mp4, mkv) = (swarm.seed(Media::Mp4).await?, swarm.seed(Media::Mkv).await?);

    // A torrent that opens the app waits until its person is in a room.
    let launch = Launch::default().argument(&mp4.file);
    let first = Desktop::start(&case, "ada", launch).await?;
    first.shot("started-with-torrent").await?;
    first.start_room("Ada").await?;
    first.playlist_is(&[Media::Mp4.title()]).await?;
    first.plays().await?;
    first.shot("plays").await?;

    // Another one, while it runs: the second process hands it over and ends.
    let status = first.launch_again(&[&mkv.file.to_string_lossy()])?;
    assert!(status.success(), "{status}");
    first.playlist_is(&[Media::Mp4.title(), Media::Mkv.title()]).await?;
    let before = first.error_count().await?;
    let status = first.launch_again(&["/nowhere/none.torrent"])?;
    assert!(status.success(), "{status}");
    first.next_error(before).await?;
    first.shot("handed-over").await?;

    // A link that opens the app fills in where to go.
    let launch = Launch::default().argument(deep_link(&relay.link("arguments")));
    let second = Desktop::start(&case, "bea", launch).await?;
    second.until("$('join-input').value.includes('arguments')").await?;
    second.shot("started-with-link").await?;
    second.fill("name-input", "Bea").await?;
    second.click("join-room").await?;
    second.joined().await?;
    second.members_are(&["Bea"]).await?;

    // A link while it runs and is in a room.
    let status = second.launch_again(&[&deep_link(&relay.link("elsewhere"))])?;
    assert!(status.success(), "{status}");
    second
        .until("$('invite-link')?.value.includes('elsewhere') || $('join-input')?.value.includes('elsewhere')")
        .await?;
    second.shot("invited-while-running").await?;
    Ok(())
}
