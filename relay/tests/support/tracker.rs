//! The tracker, as it looks from outside.

use super::{PATIENCE, url};
use serde_json::Value;
use std::time::Duration;
use streamshare_relay::Relay;
use tokio::time::{Instant, sleep};

pub(crate) fn announce_url(relay: &Relay, scheme: &str) -> String {
    format!("{scheme}://{}/announce", relay.local_addr())
}

pub(crate) async fn tracker_load(relay: &Relay) -> Value {
    let text = reqwest::get(format!("{}/healthz", url(relay))).await.unwrap().text().await.unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["tracker"].clone()
}

pub(crate) async fn until_load(relay: &Relay, field: &str, wanted: u64) {
    let end = Instant::now() + PATIENCE;
    loop {
        let load = tracker_load(relay).await;
        if load[field] == wanted {
            return;
        }
        assert!(Instant::now() < end, "{field} never became {wanted}: {load}");
        sleep(Duration::from_millis(5)).await;
    }
}
