//! What is fetched before a player asks, and players that do not read, with libtorrent as the only one who has the films.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::common::{Gate, Mode, Peer, eventually, get, noise, write};
use streamshare_streaming::{InfoHash, Source, State};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Seeds each .torrent that is named on a line, with a limit in bytes a second, and says its info hash.
const SEEDER: &str = r"
import sys, libtorrent as lt
off = dict.fromkeys(['enable_dht', 'enable_lsd', 'enable_upnp', 'enable_natpmp', 'enable_incoming_utp', 'enable_outgoing_utp'], False)
session = lt.session({'listen_interfaces': '127.0.0.1:0', 'allow_multiple_connections_per_ip': True, **off})
print(session.listen_port(), flush=True)
for line in sys.stdin:
    path, folder, limit = line.strip().split('\t')
    params = lt.add_torrent_params()
    params.ti, params.save_path, params.upload_limit = lt.torrent_info(path), folder, int(limit)
    params.flags = lt.torrent_flags.seed_mode
    print(session.add_torrent(params).info_hash(), flush=True)
";

/// libtorrent with films.
struct Seeder {
    process: Child,
    said: std::io::Lines<BufReader<std::process::ChildStdout>>,
    port: u16,
}

impl Seeder {
    fn start() -> Self {
        let mut command = Command::new("/usr/bin/python3");
        command.args(["-c", SEEDER]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("python3 is installed");
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = said.next().unwrap().unwrap().parse().unwrap();
        Self { process, said, port }
    }

    /// Seeds a film in pieces of so many KiB, as fast as it may, in bytes a second.
    fn seed(&mut self, film: &Path, piece_kib: u32, limit: u32) -> InfoHash {
        let torrent = film.with_extension("torrent");
        run(Command::new("transmission-create").arg("-s").arg(piece_kib.to_string()).arg("-o").arg(&torrent).arg(film));
        let line = format!("{}\t{}\t{limit}\n", torrent.display(), film.parent().unwrap().display());
        self.process.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
        self.said.next().unwrap().unwrap().parse().unwrap()
    }
}

impl Drop for Seeder {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Forty seconds of moving picture and sound, some 10 MB, as cameras write it: with its index at the end.
fn film(folder: &Path) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    let film = folder.join("film.mp4");
    let arguments = "-v error -f lavfi -i testsrc2=size=320x180:rate=25 -f lavfi -i sine -t 40 -vf noise=alls=60:allf=t -c:v libx264 \
        -preset ultrafast -g 25 -b:v 2M -minrate 2M -maxrate 2M -bufsize 1M -pix_fmt yuv420p -c:a aac -y";
    run(Command::new("ffmpeg").args(arguments.split_whitespace()).arg(&film));
    film
}

/// Whether ffmpeg, as a player, shows the picture at a second of the film.
async fn shows(url: &str, second: u32) -> bool {
    let url = url.to_owned();
    let shown = tokio::task::spawn_blocking(move || {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-nostdin", "-loglevel", "error", "-ss", &second.to_string(), "-i", &url]);
        ffmpeg.args(["-map", "0:v:0", "-frames:v", "1", "-f", "md5", "-"]).output().unwrap()
    });
    let output = shown.await.unwrap();
    // The sum of no picture at all.
    output.status.success() && !String::from_utf8_lossy(&output.stdout).contains("d41d8cd98f00b204e9800998ecf8427e")
}

/// What is missing for the first picture of a torrent's only file.
fn missing(peer: &Peer, info_hash: InfoHash) -> Option<u64> {
    peer.engine.ready(info_hash).first().and_then(|ready| ready.missing_to_start)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_player_needs_is_there_before_it_asks() {
    let dir = tempfile::tempdir().unwrap();
    let one = film(&dir.path().join("films"));
    let two = one.with_file_name("next.mkv");
    run(Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(&one).args(["-c", "copy"]).arg(&two));
    let mut seeder = Seeder::start();
    // All of one takes ten seconds.
    let films = [&one, &two].map(|film| seeder.seed(film, 64, 1_000_000));
    let gate = Gate::start(([127, 0, 0, 1], seeder.port).into()).await;
    let peer = Peer::start(&dir.path().join("engine")).await;
    for info_hash in films {
        let link = format!("magnet:?xt=urn:btih:{info_hash}&x.pe={}", gate.addr);
        assert_eq!(peer.add(Source::Link(link)).await.info_hash, info_hash);
    }

    // The room is at second 30.
    let url = peer.open(films[0], 0).await;
    peer.engine.prime(films[0], 0, Duration::from_secs(30));
    eventually(|| missing(&peer, films[0]), |missing| *missing == Some(0)).await;
    // What comes next may be fetched, since nobody reads.
    peer.engine.prepare(films[1], 0, Duration::from_secs(20));
    eventually(|| missing(&peer, films[1]), |missing| *missing == Some(0)).await;
    gate.set(Mode::Refuse);
    let next = peer.engine.stats(films[1]).unwrap();
    assert!(next.have_bytes < next.total_bytes / 2, "{next:?}");
    // From what is there alone.
    assert!(shows(&url, 30).await, "{:?}", peer.engine.ready(films[0]));
    let url = peer.open(films[1], 0).await;
    assert!(shows(&url, 20).await, "{:?}", peer.engine.ready(films[1]));
    peer.engine.shutdown().await;
}

/// A player that asks for a file from some byte on and never reads.
async fn stalled(url: &str, from: usize) -> TcpStream {
    let (addr, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {addr}\r\nRange: bytes={from}-\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn players_that_do_not_read_hold_up_nobody() {
    const MIB: usize = 1 << 20;
    let dir = tempfile::tempdir().unwrap();
    let bytes = noise(96 * MIB, 5);
    let path = write(&dir.path().join("films/film.mkv"), &bytes);
    let mut seeder = Seeder::start();
    let info_hash = seeder.seed(&path, 256, 6_000_000);
    let peer = Peer::start(&dir.path().join("engine")).await;
    peer.add(Source::Link(format!("magnet:?xt=urn:btih:{info_hash}&x.pe=127.0.0.1:{}", seeder.port))).await;
    let url = peer.open(info_hash, 0).await;

    // 64 at places in the latter half of the film, of which nothing is there, and one who reads.
    let mut others = Vec::new();
    for number in 0..64 {
        others.push(stalled(&url, 48 * MIB + number * MIB * 3 / 4).await);
    }
    let end = 8 * MIB;
    let part = get(&url, Some(&format!("bytes=0-{}", end - 1))).await.bytes().await.unwrap();
    assert!(part == bytes[..end]);

    // More than may read at a time, of what is there: their places are for others.
    let shared = Peer::start(&dir.path().join("shared")).await;
    let info = shared.share(&path).await;
    let url = shared.open(info.info_hash, 0).await;
    shared.wait_for(info.info_hash, State::Seeding).await;
    for number in 0..200 {
        others.push(stalled(&url, number * MIB / 4).await);
    }
    assert!(get(&url, None).await.bytes().await.unwrap() == bytes);
    drop(others);
    peer.engine.shutdown().await;
    shared.engine.shutdown().await;
}
