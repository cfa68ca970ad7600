//! Several peers of one torrent: who lies, who comes to us, and what a pause does.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Peer, config, eventually, get, noise, write};
use streamshare_streaming::{EngineConfig, Limits, Source, State};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// A way to a peer, which counts, and may falsify the blocks that the peer gives.
#[derive(Debug, Default)]
struct Way {
    opened: AtomicUsize,
    /// Connections that either side ended.
    ended: AtomicUsize,
    blocks: AtomicUsize,
}

impl Way {
    async fn start(target: SocketAddr, lies: bool) -> (SocketAddr, Arc<Self>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, way) = (listener.local_addr().unwrap(), Arc::new(Self::default()));
        tokio::spawn({
            let way = way.clone();
            async move {
                while let Ok((near, _)) = listener.accept().await {
                    tokio::spawn(way.clone().pass(near, target, lies));
                }
            }
        });
        (addr, way)
    }

    async fn pass(self: Arc<Self>, near: TcpStream, target: SocketAddr, lies: bool) {
        self.opened.fetch_add(1, Ordering::SeqCst);
        let far = TcpStream::connect(target).await.unwrap();
        let ((mut from_near, mut to_near), (mut from_far, mut to_far)) = (near.into_split(), far.into_split());
        tokio::select! {
            _ = tokio::io::copy(&mut from_near, &mut to_far) => {}
            _ = self.back(&mut from_far, &mut to_near, lies) => {}
        }
        self.ended.fetch_add(1, Ordering::SeqCst);
    }

    async fn back(&self, from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, lies: bool) -> std::io::Result<()> {
        let mut hello = [0; 68];
        from.read_exact(&mut hello).await?;
        to.write_all(&hello).await?;
        while let Ok(length) = from.read_u32().await {
            let mut message = vec![0; length.try_into().unwrap()];
            from.read_exact(&mut message).await?;
            if message.first() == Some(&7) {
                self.blocks.fetch_add(1, Ordering::SeqCst);
                *message.last_mut().unwrap() ^= u8::from(lies);
            }
            to.write_all(&[&length.to_be_bytes(), &message[..]].concat()).await?;
        }
        Ok(())
    }

    fn count(&self) -> [usize; 3] {
        [&self.opened, &self.ended, &self.blocks].map(|count| count.load(Ordering::SeqCst))
    }
}

fn slow(folder: &std::path::Path, bps: u32) -> EngineConfig {
    EngineConfig { limits: Limits { upload_bps: NonZeroU32::new(bps), ..Limits::default() }, ..config(folder) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_liar_is_shut_out_and_a_pause_shuts_nobody_out() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("seeder");
    let seeder = Peer::start_with(slow(&home, 3 << 20), &home).await;
    let film = noise(8 << 20, 21);
    let info = seeder.share(&write(&dir.path().join("film.mkv"), &film)).await;
    seeder.wait_for(info.info_hash, State::Seeding).await;
    let leecher = Peer::start(&dir.path().join("leecher")).await;
    let target = seeder.engine.peer_addr().unwrap();
    let (liar_addr, liar) = Way::start(target, true).await;
    let (one_addr, one) = Way::start(target, false).await;
    let (other_addr, other) = Way::start(target, false).await;
    let link = format!("magnet:?xt=urn:btih:{}&x.pe={liar_addr}&x.pe={one_addr}&x.pe={other_addr}", info.info_hash);
    leecher.add(Source::Link(link)).await;
    // Who was asked for the metadata was connected for that.
    let is_idle = |counts: &[[usize; 3]; 3]| counts.iter().all(|[opened, ended, _]| opened == ended);
    let asked = eventually(|| [&liar, &one, &other].map(|way| way.count()), is_idle).await;
    let url = leecher.open(info.info_hash, 0).await;
    let reading = tokio::spawn(async move { get(&url, None).await.bytes().await.unwrap() });

    eventually(|| liar.count(), |[_, ended, _]| *ended > asked[0][1]).await;
    let honest = || {
        [(&one, asked[1]), (&other, asked[2])].map(|(way, asked)| {
            let count = way.count();
            [count[0] - asked[0], count[1] - asked[1], count[2]]
        })
    };
    let before = honest();
    let have = leecher.engine.stats(info.info_hash).unwrap().have_bytes;
    assert!(have < film.len() as u64, "it was complete before the liar was found");
    assert!(before.iter().all(|[opened, ended, blocks]| *opened == 1 && *ended == 0 && *blocks > 0), "{before:?}");
    let lied = liar.count()[2];

    // Twice in a short time, in the middle of pieces.
    for round in [1, 2] {
        leecher.engine.pause(info.info_hash).await.unwrap();
        let cut = eventually(honest, |counts| counts.iter().all(|[_, ended, _]| *ended == round)).await;
        leecher.engine.resume(info.info_hash).await.unwrap();
        eventually(honest, |now| now[0][2] > cut[0][2] && now[1][2] > cut[1][2]).await;
    }
    assert!(reading.await.unwrap() == film);
    assert_eq!(liar.count()[2], lied, "it was asked again");
    leecher.engine.shutdown().await;
    seeder.engine.shutdown().await;
}
