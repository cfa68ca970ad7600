//! Many peers that announce as fast as they are answered: what a tracker's core is kept busy with.
//!
//! Every message is made before the clock runs, and of the answers only the frames' lengths are looked at: the load must cost
//! less than what it measures, in the same time on another core.

use super::ours::commands;
use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use streamshare_webtorrent::tracker::{Announce, Event, InfoHash, Offer, OfferId, PeerId, PeerMessage, Sdp};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

/// Longer than an answer to an announce, shorter than another peer's offer.
const ANSWER_BYTES_MAX: usize = 300;
/// Peers that announce the same torrents, and so hear of each other.
const PEERS_PER_TORRENT: usize = 20;
/// Before the clock runs.
const WARM_UP: Duration = Duration::from_secs(1);

/// What a run counted.
#[derive(Debug, Default)]
struct Counted {
    answers: AtomicU64,
    offers: AtomicU64,
    ended: AtomicBool,
}

/// `part load`: `start` with a tracker's port, how many connections, how many announces each keeps on their way, and how many
/// offers are in each; `count` for how many milliseconds; `stop`.
pub(crate) async fn load() -> Result<()> {
    let mut commands = commands()?;
    let mut peers = Peers::default();
    while let Some(asked) = commands.recv().await {
        let result = match asked.command.as_str() {
            "start" => {
                let values: Result<Vec<usize>> = (0..4).map(|at| asked.number(at)).collect();
                peers.start(&values?).await
            }
            "count" => peers.count(Duration::from_millis(asked.number(0)? as u64)).await,
            "stop" => std::mem::take(&mut peers).stop().await,
            other => Err(anyhow!("no command {other}")),
        };
        asked.reply(result)?;
    }
    Ok(())
}

/// Those that announce.
#[derive(Debug, Default)]
struct Peers {
    counted: Arc<Counted>,
    tasks: JoinSet<Result<()>>,
}

impl Peers {
    async fn start(&mut self, values: &[usize]) -> Result<Value> {
        let &[port, connections, depth, offers] = values else { anyhow::bail!("four numbers are needed") };
        for index in 0..connections {
            let stream = connect(u16::try_from(port).context("a port")?).await?;
            self.tasks.spawn(announce(stream, index, depth, offers, self.counted.clone()));
        }
        tokio::time::sleep(WARM_UP).await;
        Ok(Value::Bool(true))
    }

    async fn count(&self, time: Duration) -> Result<Value> {
        let count = || (self.counted.answers.load(Ordering::Relaxed), self.counted.offers.load(Ordering::Relaxed));
        let (before, begun) = (count(), Instant::now());
        tokio::time::sleep(time).await;
        let (after, took) = (count(), begun.elapsed().as_secs_f64());
        Ok(json!({ "answers": after.0 - before.0, "offers": after.1 - before.1, "seconds": took }))
    }

    async fn stop(mut self) -> Result<Value> {
        self.counted.ended.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.context("a peer")??;
        }
        Ok(Value::Bool(true))
    }
}

async fn connect(port: u16) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.context("connect")?;
    stream.set_nodelay(true).context("send at once")?;
    let request = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.context("ask for a WebSocket")?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.context("read the answer")?);
    }
    ensure!(answer.starts_with(b"HTTP/1.1 101"), "no WebSocket: {}", String::from_utf8_lossy(&answer));
    Ok(stream)
}

/// Keeps `depth` announces of as many torrents on their way.
async fn announce(
    mut stream: TcpStream,
    index: usize,
    depth: usize,
    offers: usize,
    counted: Arc<Counted>,
) -> Result<()> {
    let mut frames = Vec::new();
    for torrent in 0..depth {
        frames.extend(frame(&message(index, torrent, offers)));
    }
    let mut reader = Frames::default();
    while !counted.ended.load(Ordering::Relaxed) {
        stream.write_all(&frames).await.context("announce")?;
        let mut waiting = depth;
        while waiting > 0 {
            let (answers, others) = reader.read(&mut stream).await?;
            counted.answers.fetch_add(answers, Ordering::Relaxed);
            counted.offers.fetch_add(others, Ordering::Relaxed);
            waiting = waiting.saturating_sub(usize::try_from(answers).unwrap_or(usize::MAX));
        }
    }
    Ok(())
}

fn message(index: usize, torrent: usize, offers: usize) -> String {
    let offer = |at| Offer { offer_id: OfferId(id(3, index, at)), sdp: sdp() };
    PeerMessage::Announce(Announce {
        info_hash: InfoHash(id(1, index / PEERS_PER_TORRENT, torrent)),
        peer_id: PeerId(id(2, index, 0)),
        event: Event::Update,
        uploaded: 0,
        downloaded: 0,
        left: Some(100_000_000),
        offers: (0..offers).map(offer).collect(),
    })
    .to_json()
}

/// 20 bytes that look like chance, the same for the same numbers (splitmix64, Vigna 2015): like hashes, some need escapes in
/// JSON and half of them two bytes.
fn id(kind: u64, a: usize, b: usize) -> [u8; 20] {
    let mut state = kind << 48 ^ (a as u64) << 24 ^ b as u64;
    let mut id = [0; 20];
    for part in id.chunks_mut(8) {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        part.copy_from_slice(&(mixed ^ (mixed >> 31)).to_be_bytes()[..part.len()]);
    }
    id
}

/// As long as Chromium's for one data channel and two addresses.
fn sdp() -> Sdp {
    let text = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
                a=extmap-allow-mixed\r\na=msid-semantic: WMS\r\nm=application 50712 UDP/DTLS/SCTP webrtc-datachannel\r\n\
                c=IN IP4 203.0.113.7\r\na=candidate:2345678901 1 udp 2113937151 \
                3f1b7c9e-7c1a-4b8e-9d52-0b8a6f4e2c11.local 50712 typ host generation 0 network-cost 999\r\n\
                a=candidate:842163049 1 udp 1677729535 203.0.113.7 50712 typ srflx raddr 0.0.0.0 rport 0 generation 0\r\n\
                a=ice-ufrag:Yz3r\r\na=ice-pwd:9mBZ3vPqf0cWJ8xkRsT1uVwX\r\na=fingerprint:sha-256 \
                4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:3A:4B:7D:52:11:0C:9E:77:34:A1:D2:F6\r\n\
                a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n";
    Sdp::new(text).expect("it is short")
}

/// A frame of text (RFC 6455, section 5.2), masked with zeros, which changes nothing.
fn frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u16::try_from(text.len()) {
        Ok(length @ ..126) => frame.push(0x80 | length.to_be_bytes()[1]),
        Ok(length) => {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
        Err(_) => {
            frame.push(0x80 | 127);
            frame.extend((text.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}

/// Finds the borders of frames.
#[derive(Debug, Default)]
struct Frames {
    buffer: Vec<u8>,
}

impl Frames {
    /// Reads once, and gives how many answers to announces and how many longer messages came to their end.
    async fn read(&mut self, stream: &mut TcpStream) -> Result<(u64, u64)> {
        let read = stream.read_buf(&mut self.buffer).await.context("read")?;
        ensure!(read > 0, "the tracker hung up");
        let (mut answers, mut others, mut at) = (0, 0, 0);
        while let Some((header, length)) = header(&self.buffer[at..]) {
            let end = at + header + length;
            if end > self.buffer.len() {
                break;
            }
            ensure!(self.buffer[at] & 0x0f != 8, "the tracker closed a connection");
            if self.buffer[at] & 0x0f == 1 {
                if length < ANSWER_BYTES_MAX {
                    answers += 1;
                } else {
                    others += 1;
                }
            }
            at = end;
        }
        self.buffer.drain(..at);
        Ok((answers, others))
    }
}

/// The length of a frame's header and of what it holds.
fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    Some(match bytes.get(1)? & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        length => (2, usize::from(length)),
    })
}
