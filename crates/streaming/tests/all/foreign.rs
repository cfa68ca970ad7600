//! Exchange with other makes of clients: Transmission, a WebTorrent-project tracker, ffmpeg as a player.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::common::{Peer, config, eventually, get, noise, write};
use streamshare_streaming::{EngineConfig, Source, State};

/// A child process that does not outlive its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Has libtorrent check files against a .torrent, where they lie: every byte, with its own idea of pieces and names.
const CHECK: &str = r#"
import sys, time, libtorrent
off = ["enable_dht", "enable_lsd", "enable_upnp", "enable_natpmp"]
session = libtorrent.session({"listen_interfaces": "127.0.0.1:0", **dict.fromkeys(off, False)})
torrent = libtorrent.add_torrent_params()
torrent.ti = libtorrent.torrent_info(sys.argv[1])
torrent.save_path = sys.argv[2]
handle = session.add_torrent(torrent)
end = time.monotonic() + 30
while not handle.status().is_seeding:
    status = handle.status()
    if time.monotonic() > end or status.errc.value():
        sys.exit(f"{status.state}, {status.progress}, {status.errc.message()}")
    time.sleep(0.02)
"#;

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// transmission-daemon with everything off but TCP and trackers.
struct Transmission {
    rpc: String,
    peer_port: u16,
    downloads: PathBuf,
    _process: Process,
}

impl Transmission {
    fn start(folder: &Path) -> Self {
        let (rpc_port, peer_port, downloads) = (free_port(), free_port(), folder.join("downloads"));
        std::fs::create_dir_all(&downloads).unwrap();
        let settings = serde_json::json!({
            "bind-address-ipv4": "127.0.0.1", "rpc-bind-address": "127.0.0.1", "rpc-port": rpc_port, "peer-port": peer_port, "dht-enabled": false,
            "lpd-enabled": false, "pex-enabled": false, "utp-enabled": false, "port-forwarding-enabled": false, "download-dir": downloads,
            "incomplete-dir-enabled": false, "encryption": 0,
        });
        write(&folder.join("config/settings.json"), settings.to_string().as_bytes());
        let mut command = Command::new("transmission-daemon");
        command
            .arg("--foreground")
            .arg("--config-dir")
            .arg(folder.join("config"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = Process(command.spawn().expect("transmission-daemon is installed"));
        Self { rpc: format!("127.0.0.1:{rpc_port}"), peer_port, downloads, _process: process }
    }

    async fn add(&self, what: &str) {
        eventually(
            || Command::new("transmission-remote").args([&*self.rpc, "--add", what]).output().unwrap().status.success(),
            |done| *done,
        )
        .await;
    }

    async fn wait_for_all(&self) {
        let list = || run("transmission-remote", &[&self.rpc, "--torrent", "all", "--info"]);
        let is_done = |line: &str| line.trim().strip_prefix("Percent Done: ").is_none_or(|percent| percent == "100%");
        eventually(list, |info| info.contains("Percent Done: ") && info.lines().all(is_done)).await;
    }
}

/// An HTTP tracker that asks to be asked every second.
async fn tracker() -> (Process, url::Url) {
    let script = "import Server from 'bittorrent-tracker/server';
        const server = new Server({ http: true, udp: false, ws: false, stats: false, interval: 1000 });
        server.on('error', console.error).on('warning', console.error);
        server.listen(Number(process.argv[1]), '127.0.0.1');";
    let port = free_port();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut command = Command::new("node");
    command.args(["--input-type=module", "--eval", script, &port.to_string()]).current_dir(root).stdout(Stdio::null());
    let process = Process(command.spawn().expect("node is installed"));
    eventually(|| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok(), |done| *done).await;
    (process, format!("http://127.0.0.1:{port}/announce").parse().unwrap())
}

fn tracked(folder: &Path, tracker: &url::Url) -> EngineConfig {
    let mut config = config(folder);
    config.network.trackers = true;
    // Transmission thinks about whom to serve every 10 s only.
    config.stall_timeout = Duration::from_secs(30);
    config.metadata_timeout = Duration::from_secs(30);
    config.network.extra_trackers = vec![tracker.clone()];
    config
}

/// Five seconds of moving picture and sound, with its index at the end as cameras write it.
fn film(path: &Path) -> Vec<u8> {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let arguments = "-v error -f lavfi -i testsrc2=size=640x360:rate=25 -f lavfi -i sine -t 5 -c:v libx264 -preset ultrafast -b:v 4M -c:a aac -y";
    run("ffmpeg", &arguments.split(' ').chain([path.to_str().unwrap()]).collect::<Vec<_>>());
    std::fs::read(path).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_player_plays_what_only_transmission_has() {
    let dir = tempfile::tempdir().unwrap();
    let (_tracker, announce) = tracker().await;
    let transmission = Transmission::start(&dir.path().join("transmission"));
    let path = transmission.downloads.join("Ein Film.mp4");
    let bytes = film(&path);
    let metainfo = dir.path().join("film.torrent");
    run(
        "transmission-create",
        &["-o", metainfo.to_str().unwrap(), "-t", announce.as_str(), "-s", "64", path.to_str().unwrap()],
    );
    transmission.add(metainfo.to_str().unwrap()).await;
    transmission.wait_for_all().await;

    let folder = dir.path().join("engine");
    let peer = Peer::start_with(tracked(&folder, &announce), &folder).await;
    let shown = run("transmission-show", &[metainfo.to_str().unwrap()]);
    let hash = shown.lines().find_map(|line| line.trim().strip_prefix("Hash: ")).unwrap().to_owned();
    // Once with the peer's address, once with what the tracker tells.
    let link = format!("magnet:?xt=urn:btih:{hash}&x.pe=127.0.0.1:{}", transmission.peer_port);
    let info = peer.add(Source::Link(link)).await;
    peer.engine.remove(info.info_hash, true).await.unwrap();
    assert_eq!(peer.add(Source::Link(hash.clone())).await, info);
    assert_eq!((info.info_hash.to_string(), info.trackers.clone()), (hash, vec![announce.to_string()]));

    // Right after the metadata connection, which Transmission takes for a reason to refuse the next one.
    let url = peer.open(info.info_hash, 0).await;
    let probe = tokio::task::spawn_blocking({
        let url = url.clone();
        move || {
            run(
                "ffprobe",
                &["-v", "error", "-show_entries", "format=duration:stream=codec_name", "-of", "csv=p=0", &url],
            )
        }
    });
    let probed = probe.await.unwrap();
    assert!(probed.contains("h264") && probed.contains("aac") && probed.contains("5.0"), "{probed}");
    assert!(get(&url, None).await.bytes().await.unwrap() == bytes);
    peer.wait_for(info.info_hash, State::Seeding).await;
    peer.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn transmission_and_libtorrent_take_what_is_shared() {
    let dir = tempfile::tempdir().unwrap();
    let (_tracker, announce) = tracker().await;
    let folder = dir.path().join("engine");
    let peer = Peer::start_with(tracked(&folder, &announce), &folder).await;
    // Exact multiples of the piece length, less than a piece, empty files at every place, pieces over files, and names of the world.
    let show = dir.path().join("Sérié 日本 😀");
    let piece = 256 << 10;
    let files =
        [("0.srt", 0), ("a/1 ä.mkv", piece), ("a/2.mkv", 1), ("a/3.srt", 0), ("b.mkv", 2 * piece - 1), ("ß.srt", 0)];
    for (seed, (name, length)) in files.iter().enumerate() {
        write(&show.join(name), &noise(*length, seed as u64));
    }
    let exact = write(&dir.path().join("exact.mp4"), &noise(2 * piece, 99));
    let short = write(&dir.path().join("short.mp4"), &noise(piece / 3, 98));
    // One each, for Transmission takes one handshake at a time from an address, and a seeding librqbit does not try again.
    let mut takers = Vec::new();
    for (number, path) in [&show, &exact, &short].into_iter().enumerate() {
        let info = peer.share(path).await;
        assert_eq!(info.trackers, [announce.to_string()]);
        let metainfo = folder.join(format!("state/session/{}.torrent", info.info_hash));
        let shown = run("transmission-show", &[metainfo.to_str().unwrap()]);
        assert!(shown.contains(&format!("Hash: {}", info.info_hash)), "{shown}");
        run("/usr/bin/python3", &["-c", CHECK, metainfo.to_str().unwrap(), dir.path().to_str().unwrap()]);
        peer.wait_for(info.info_hash, State::Seeding).await;
        let taker = Transmission::start(&dir.path().join(format!("transmission-{number}")));
        taker.add(metainfo.to_str().unwrap()).await;
        takers.push(taker);
    }
    for taker in &takers {
        taker.wait_for_all().await;
    }
    let same =
        |a: PathBuf, b: &Path| assert!(std::fs::read(&a).unwrap() == std::fs::read(b).unwrap(), "{}", a.display());
    // Transmission makes no empty files.
    for (name, _) in files.iter().filter(|(_, length)| *length > 0) {
        same(takers[0].downloads.join("Sérié 日本 😀").join(name), &show.join(name));
    }
    same(takers[1].downloads.join("exact.mp4"), &exact);
    same(takers[2].downloads.join("short.mp4"), &short);
    peer.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_engines_meet_at_a_tracker() {
    let dir = tempfile::tempdir().unwrap();
    let (_tracker, announce) = tracker().await;
    let bytes = noise(1 << 20, 11);
    let path = write(&dir.path().join("film.webm"), &bytes);
    let peers = ["one", "two"].map(|name| dir.path().join(name));
    let one = Peer::start_with(tracked(&peers[0], &announce), &peers[0]).await;
    let two = Peer::start_with(
        EngineConfig { metadata_timeout: Duration::from_secs(20), ..tracked(&peers[1], &announce) },
        &peers[1],
    )
    .await;
    let info = one.share(&path).await;
    assert_eq!(two.add(Source::Link(format!("magnet:?xt=urn:btih:{}", info.info_hash))).await, info);
    let url = two.open(info.info_hash, 0).await;
    assert!(get(&url, None).await.bytes().await.unwrap() == bytes);
    one.engine.shutdown().await;
    two.engine.shutdown().await;
}
