//! Where the app's torrents meet others: at trackers of relays, which count who is there.

use crate::support::{
    DEADLINE,
    app::{Fixture, add, app, app_with, body, film, get, path_source, start},
};
use serde_json::json;
use std::time::Duration;
use streamshare_ipc::{Connect, OpenRequest};
use streamshare_protocol::TorrentId;
use streamshare_relay::{Relay, RelayConfig};
use tokio::time::timeout;

/// Waits until a relay's tracker counts so many peers of a torrent that have it, and so many that lack something.
async fn counted(relay: &Relay, info_hash: &str, is_right: impl Fn(u64, u64) -> bool) {
    let hash: String =
        info_hash.as_bytes().chunks(2).flat_map(|digits| [b"%", digits].concat()).map(char::from).collect();
    let scrape = format!("http://{}/scrape?info_hash={hash}", relay.local_addr());
    let mut last = String::new();
    let answered = async {
        loop {
            last = String::from_utf8_lossy(&get(&scrape).await).into_owned();
            let number = |name: &str| {
                let digits =
                    last.split(&format!("{}:{name}i", name.len())).nth(1).and_then(|rest| rest.split('e').next());
                digits.unwrap().parse().unwrap()
            };
            if is_right(number("complete"), number("incomplete")) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = timeout(DEADLINE, answered).await.is_ok();
    assert!(in_time, "never as many as expected: {last}");
}

async fn seeds(relay: &Relay, info_hash: &str, wanted: u64) {
    counted(relay, info_hash, |complete, incomplete| (complete, incomplete) == (wanted, 0)).await;
}

async fn relay() -> Relay {
    Relay::start(RelayConfig::new(([127, 0, 0, 1], 0).into())).await.unwrap()
}

/// Whatever an item's form is, all of a room meet at its relay's tracker: over TCP and WebRTC, and for a bare info hash, too.
/// So do those who have a tracker in their settings.
#[tokio::test(flavor = "multi_thread")]
async fn a_room_meets_at_its_relay_though_no_item_names_it() {
    let (room, public) = (relay().await, relay().await);
    let connected = async |app: &Fixture| {
        let relay = format!("http://{}", room.local_addr());
        app.controller.room_connect(Connect { relay }).await.unwrap();
    };
    let public_tracker = format!("ws://{}/announce", public.local_addr());
    let ada = app_with(|settings| {
        settings["network"]["trackers"] = json!(true);
        settings["network"]["extraTrackers"] = json!([public_tracker]);
    });
    connected(&ada).await;
    let path = ada.home.path().join("film.mp4");
    film(&path);
    let added = add(&ada, 1, path_source(&path)).await.unwrap();
    // By both ways, and that before anybody opens it. Over TCP it was announced before its bytes were checked.
    counted(&room, &added.info_hash, |complete, incomplete| complete > 0 && complete + incomplete == 2).await;
    seeds(&public, &added.info_hash, 1).await;

    let ben = app_with(|settings| settings["network"]["trackers"] = json!(true));
    connected(&ben).await;
    let request = OpenRequest { op: 1, torrent_id: added.info_hash.clone(), filename: String::new() };
    let opened = timeout(DEADLINE, ben.controller.torrent_open(request)).await.unwrap().unwrap();
    assert!(body(&get(&opened.url).await) == std::fs::read(&path).unwrap(), "the film's bytes");
    ben.controller.shutdown().await;
    ada.controller.shutdown().await;
}

/// What is played in a room is announced at the room's tracker, and after a restart again, before anybody opens it.
#[tokio::test(flavor = "multi_thread")]
async fn torrents_of_the_last_run_are_served_to_browsers() {
    let relay = relay().await;
    let app = app();
    let path = app.home.path().join("film.mp4");
    film(&path);
    let added = add(&app, 1, path_source(&path)).await.unwrap();
    let seeds = |wanted| seeds(&relay, &added.info_hash, wanted);
    seeds(0).await;
    // The room's relay adds its tracker to what goes into the playlist.
    let tracker = format!("ws://{}/announce", relay.local_addr());
    let torrent_id = TorrentId::new(&added.torrent_id).unwrap().with_trackers(&[tracker]).as_str().to_owned();
    let request = OpenRequest { op: 2, torrent_id, filename: String::new() };
    timeout(DEADLINE, app.controller.torrent_open(request)).await.unwrap().unwrap();
    seeds(1).await;
    app.controller.shutdown().await;
    seeds(0).await;

    let app = start(app.home);
    seeds(1).await;
    app.controller.shutdown().await;
    seeds(0).await;
}
