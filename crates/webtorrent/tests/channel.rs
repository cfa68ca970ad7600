//! WebRTC channels between two ends in one process, over the loopback interface.
#![cfg(feature = "hybrid")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and tell what it measured")]

use bytes::Bytes;
use std::time::{Duration, Instant};
use streamshare_webtorrent::channel::{
    Channel, ConnectError, Connector, GATHER_TIME, IceConfig, IceServer, MESSAGE_BYTES_MAX, WebRtc,
};
use tokio::time::timeout;

const TIME: Duration = Duration::from_secs(30);

fn connector() -> WebRtc {
    WebRtc::new(IceConfig { loopback: true, ..IceConfig::default() })
}

async fn connect(left: &WebRtc, right: &WebRtc) -> (Channel, Channel) {
    let (offer, pending) = left.make_offer().await.unwrap();
    let (answer, opening) = right.make_answer(&offer).await.unwrap();
    let (left, right) = tokio::join!(pending.answer(&answer), opening.open());
    (left.unwrap(), right.unwrap())
}

async fn receive_all(mut channel: Channel, bytes: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < bytes {
        all.extend_from_slice(&channel.receiver.recv().await.expect("the channel stays open"));
    }
    all
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| u8::try_from((at * 31 + at / 251) % 256).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn carries_bytes_both_ways_in_order() {
    let (left, right) = (connector(), connector());
    let (a, b) = timeout(TIME, connect(&left, &right)).await.unwrap();
    let data = pattern(3_000_000);
    let send = async |channel: &Channel| {
        // Messages larger than one may be are split.
        for chunk in data.chunks(200_000) {
            channel.sender.send(Bytes::copy_from_slice(chunk)).await.unwrap();
        }
    };
    let (to_a, to_b) = (a.sender.clone(), b.sender.clone());
    let (read_a, read_b) = (tokio::spawn(receive_all(a, data.len())), tokio::spawn(receive_all(b, data.len())));
    let keep = (Channel::pair().0.receiver, Channel::pair().0.receiver);
    let (a, b) = (Channel { sender: to_a, receiver: keep.0 }, Channel { sender: to_b, receiver: keep.1 });
    tokio::join!(send(&a), send(&b));
    assert!(timeout(TIME, read_a).await.unwrap().unwrap() == data);
    assert!(timeout(TIME, read_b).await.unwrap().unwrap() == data);
    drop((a, b));
    timeout(TIME, async { tokio::join!(left.shutdown(), right.shutdown()) }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_delivers_what_was_sent_and_is_noticed() {
    let (left, right) = (connector(), connector());
    let (a, b) = timeout(TIME, connect(&left, &right)).await.unwrap();
    let data = pattern(500_000);
    a.sender.send(Bytes::from(data.clone())).await.unwrap();
    drop(a);
    let mut b = b;
    let mut received = Vec::new();
    while let Some(chunk) = timeout(TIME, b.receiver.recv()).await.unwrap() {
        received.extend_from_slice(&chunk);
    }
    assert!(received == data);
    timeout(TIME, b.sender.closed()).await.unwrap();
    timeout(TIME, async { tokio::join!(left.shutdown(), right.shutdown()) }).await.unwrap();
}

/// Whoever does not read makes the sender wait, and no memory grows.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_stops_the_sender() {
    let (left, right) = (connector(), connector());
    let (a, mut b) = timeout(TIME, connect(&left, &right)).await.unwrap();
    let chunk = Bytes::from(vec![7; MESSAGE_BYTES_MAX]);
    let mut sent = 0;
    while let Ok(result) = timeout(Duration::from_secs(2), a.sender.send(chunk.clone())).await {
        result.unwrap();
        sent += chunk.len();
        assert!(sent < 24 << 20, "{sent} bytes were taken");
    }
    println!("{} MiB are taken for a reader that does not read", sent >> 20);
    // And it goes on once it is read.
    let mut received = 0;
    while received < sent {
        received += timeout(TIME, b.receiver.recv()).await.unwrap().expect("still open").len();
    }
    timeout(TIME, a.sender.send(chunk)).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_nonsense() {
    let connect_time = Duration::from_secs(3);
    let left = WebRtc::new(IceConfig { loopback: true, connect_time, ..IceConfig::default() });
    assert!(matches!(left.make_answer("nonsense").await, Err(ConnectError::Description(_))));
    let (_, pending) = left.make_offer().await.unwrap();
    assert!(matches!(pending.answer("nonsense").await, Err(ConnectError::Description(_))));
    let (offer, pending) = left.make_offer().await.unwrap();
    // An answer that is an offer has no DTLS role that fits, or no way; it must not hang for ever or panic.
    let ended = timeout(TIME, pending.answer(&offer)).await.unwrap();
    assert!(ended.is_err());
    timeout(TIME, left.shutdown()).await.unwrap();
}

/// A description without the candidates of IPv4.
fn only_ipv6(sdp: &str) -> String {
    let is_ipv4 = |line: &str| line.starts_with("a=candidate:") && line.split(' ').nth(4).unwrap().contains('.');
    let left: Vec<&str> = sdp.split("\r\n").filter(|line| !is_ipv4(line)).collect();
    let left = left.join("\r\n");
    assert!(left.contains("a=candidate:") && left.len() < sdp.len(), "{sdp}");
    left
}

#[tokio::test(flavor = "multi_thread")]
async fn connects_over_ipv6_alone() {
    let (left, right) = (connector(), connector());
    let (offer, pending) = left.make_offer().await.unwrap();
    let (answer, opening) = right.make_answer(&only_ipv6(&offer)).await.unwrap();
    let answer = only_ipv6(&answer);
    let (a, b) = tokio::join!(pending.answer(&answer), opening.open());
    a.unwrap().sender.send(Bytes::from_static(b"six")).await.unwrap();
    assert_eq!(timeout(TIME, b.unwrap().receiver.recv()).await.unwrap().unwrap(), b"six"[..]);
    timeout(TIME, async { tokio::join!(left.shutdown(), right.shutdown()) }).await.unwrap();
}

/// A STUN server that does not answer holds up the first connection for a moment, and the others hardly.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_is_not_waited_for_twice() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("stun:{}", silent.local_addr().unwrap());
    let left = WebRtc::new(IceConfig { loopback: true, ..IceConfig::default() });
    left.set_servers(vec![IceServer { url, ..IceServer::default() }]);
    let mut took = Vec::new();
    for _ in 0..2 {
        let begun = Instant::now();
        let (offer, _) = left.make_offer().await.unwrap();
        assert!(offer.contains("127.0.0.1"), "{offer}");
        took.push(begun.elapsed());
    }
    println!("offers with a silent server: {took:?}");
    assert!(took[0] >= GATHER_TIME, "it was not asked");
    assert!(took[1] < GATHER_TIME - Duration::from_millis(500));
    let right = connector();
    let begun = Instant::now();
    timeout(TIME, connect(&left, &right)).await.unwrap();
    println!("connected after {:?}", begun.elapsed());
    timeout(TIME, async { tokio::join!(left.shutdown(), right.shutdown()) }).await.unwrap();
}

#[cfg(target_os = "linux")]
fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Offers that nobody answers, connections in the middle and open ones: all is gone afterwards.
#[cfg(target_os = "linux")]
#[test]
fn nothing_leaks() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        // What the first one sets up for good is not counted.
        let (left, right) = (connector(), connector());
        drop(connect(&left, &right).await);
        tokio::join!(left.shutdown(), right.shutdown());
        let (files, tasks) = (open_files(), tokio::runtime::Handle::current().metrics().num_alive_tasks());
        let begun = Instant::now();
        for _ in 0..10 {
            let connecting = (0..5).map(|_| connect(&left, &right));
            let channels = timeout(TIME, futures_util::future::join_all(connecting)).await.unwrap();
            let (offer, unanswered) = left.make_offer().await.unwrap();
            let (_, unopened) = right.make_answer(&offer).await.unwrap();
            drop((channels, unanswered, unopened));
        }
        timeout(TIME, async { tokio::join!(left.shutdown(), right.shutdown()) }).await.unwrap();
        println!("50 channels in {:?}", begun.elapsed());
        let deadline = Instant::now() + TIME;
        loop {
            let now = (open_files(), tokio::runtime::Handle::current().metrics().num_alive_tasks());
            if now.0 <= files && now.1 <= tasks {
                break;
            }
            assert!(Instant::now() < deadline, "{now:?} instead of {:?}", (files, tasks));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}
