//! What a stranger's session description may do: it is refused, or leads nowhere, soon, and nothing panics.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use streamshare_webtorrent::{
    channel::{Connector, IceConfig, WebRtc},
    tracker::Sdp,
};
use tokio::{runtime::Runtime, time::timeout};
use webrtc::peer_connection::RTCSessionDescription;

/// Of so many descriptions that are read, one is also connected with, which takes two sockets and a hundredth of a second.
const CONNECTED: u64 = 400;
/// Ample for what has nobody to wait for.
const SOON: Duration = Duration::from_secs(30);
/// How long a peer is looked for at places that do not exist.
const CONNECT_TIME: Duration = Duration::from_millis(20);

struct Place {
    runtime: Runtime,
    connector: WebRtc,
    /// Panics, wherever they are: the connections have tasks of their own.
    panics: &'static AtomicU64,
}

static PLACE: LazyLock<Place> = LazyLock::new(|| {
    static PANICS: AtomicU64 = AtomicU64::new(0);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        before(info);
    }));
    let runtime = Runtime::new().unwrap();
    let config = IceConfig { loopback: true, connect_time: CONNECT_TIME, ..IceConfig::default() };
    let connector = runtime.block_on(async { WebRtc::new(config) });
    Place { runtime, connector, panics: &PANICS }
});

/// An offer and an answer of our own, and an offer as Chromium makes it.
pub(crate) fn corpus() -> Vec<Vec<u8>> {
    let ours = PLACE.runtime.block_on(async {
        let (offer, pending) = PLACE.connector.make_offer().await.unwrap();
        let (answer, opening) = PLACE.connector.make_answer(&offer).await.unwrap();
        drop((pending, opening));
        [offer, answer]
    });
    let chromium = [
        "v=0",
        "o=- 4611731400430051336 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "a=extmap-allow-mixed",
        "a=msid-semantic: WMS",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        "a=candidate:1573867264 1 udp 2113937151 b5e5f1f6-2c9d-4d1b-9d34-3c3c8d8c1b8f.local 53705 typ host generation 0 network-cost 999",
        "a=candidate:842163049 1 udp 1677729535 192.0.2.7 53705 typ srflx raddr 0.0.0.0 rport 0 generation 0 network-cost 999",
        "a=ice-ufrag:+zGk",
        "a=ice-pwd:Yd5Y3Yh9tqQqmCSSjFQTvqmH",
        "a=fingerprint:sha-256 75:74:5A:A6:A4:E5:52:F4:A7:67:4C:01:C7:EE:91:3F:21:3D:A2:E3:53:7B:6F:30:86:F2:30:AA:65:FB:04:24",
        "a=setup:actpass",
        "a=mid:0",
        "a=sctp-port:5000",
        "a=max-message-size:262144",
        "",
    ];
    let all: Vec<Vec<u8>> = ours.into_iter().chain([chromium.join("\r\n")]).map(String::into_bytes).collect();
    // What is mutated means something.
    all.iter().for_each(|one| assert!(RTCSessionDescription::offer(String::from_utf8(one.clone()).unwrap()).is_ok()));
    all
}

/// A description as a tracker passes it on.
pub(crate) fn bytes(bytes: &[u8]) {
    static READ: AtomicU64 = AtomicU64::new(0);
    let Ok(sdp) = Sdp::new(&String::from_utf8_lossy(bytes)) else { return };
    let text = sdp.text();
    // The kinds differ by what is done with them.
    let is_read = RTCSessionDescription::offer(text.clone()).is_ok();
    assert_eq!(RTCSessionDescription::answer(text.clone()).is_ok(), is_read);
    if READ.fetch_add(1, Ordering::Relaxed).is_multiple_of(CONNECTED) {
        PLACE.runtime.block_on(async {
            timeout(SOON, connect(&text)).await.expect("an end of it, soon");
        });
    }
    assert_eq!(PLACE.panics.load(Ordering::Relaxed), 0, "a panic in a task");
}

async fn connect(text: &str) {
    let connector = &PLACE.connector;
    if let Ok((answer, opening)) = connector.make_answer(text).await {
        assert!(Sdp::new(&answer).is_ok(), "an answer that cannot be sent");
        assert!(opening.open().await.is_err(), "nobody is there");
    }
    let (_, pending) = connector.make_offer().await.unwrap();
    assert!(pending.answer(text).await.is_err(), "nobody is there");
    connector.shutdown().await;
}
