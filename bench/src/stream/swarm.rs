//! Foreign seeders behind lines, and the tracker that tells of them.

use super::shaper::{self, Line};
use anyhow::{Context as _, Result, bail};
use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{ChildStdin, Command},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};
use streamshare_tests::{Case, Lines, Process, bound, root, target_folder};

const LIMIT: Duration = Duration::from_secs(60);
/// Peers of the figures: three as they should be, one that is slow.
const SESSIONS: usize = 4;
/// One way.
const DELAY: Duration = Duration::from_millis(20);

/// What is streamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Film {
    /// mp4 with its index first, 8 Mbit/s for 64 s.
    Fast,
    /// mp4 with its index at the end.
    Tail,
    /// Matroska.
    Mkv,
    /// 512 MB of noise.
    Large,
}

impl Film {
    pub(super) const SECONDS: u32 = 64;

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast.mp4",
            Self::Tail => "tail.mp4",
            Self::Mkv => "film.mkv",
            Self::Large => "large.mp4",
        }
    }

    fn folder() -> PathBuf {
        target_folder().join("bench-films-2")
    }

    /// The file, made when first asked for and kept beside what cargo builds.
    pub(super) fn file(self) -> Result<PathBuf> {
        let folder = Self::folder();
        std::fs::create_dir_all(&folder).context("make a folder for films")?;
        let file = folder.join(self.name());
        if file.exists() {
            return Ok(file);
        }
        let unfinished = folder.join(format!("unfinished-{}", self.name()));
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-loglevel", "error", "-y"]);
        match self {
            Self::Fast => {
                let seconds = Self::SECONDS;
                command
                    .args(["-f", "lavfi", "-i", &format!("testsrc2=s=1280x720:r=25:d={seconds}")])
                    .args(["-f", "lavfi", "-i", &format!("sine=f=330:d={seconds}")])
                    .args(["-vf", "noise=alls=40:allf=t", "-c:v", "libx264", "-preset", "ultrafast"])
                    .args(["-pix_fmt", "yuv420p", "-g", "50", "-b:v", "7900k", "-minrate", "7900k"])
                    .args(["-maxrate", "7900k", "-bufsize", "2M", "-c:a", "aac", "-b:a", "96k"])
                    .args(["-movflags", "+faststart"]);
            }
            Self::Tail | Self::Mkv => {
                command.arg("-i").arg(Self::Fast.file()?).args(["-c", "copy"]);
            }
            Self::Large => {
                command = Command::new("dd");
                command.args(["if=/dev/urandom", "bs=1M", "count=512", "status=none"]);
                command.arg(format!("of={}", unfinished.display()));
            }
        }
        if self != Self::Large {
            command.arg(&unfinished);
        }
        run(&mut command)?;
        std::fs::rename(&unfinished, &file).context("name a film")?;
        Ok(file)
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Seeders, lines and tracker.
pub(super) struct Swarm {
    announce: String,
    peers: Arc<Mutex<Vec<SocketAddr>>>,
    ports: Vec<SocketAddr>,
    input: ChildStdin,
    said: Lines,
    folder: PathBuf,
    _process: Process,
}

impl Swarm {
    pub(super) fn start(case: &Case) -> Result<Self> {
        let mut python = bound("/usr/bin/python3")?;
        python.arg(root().join("bench/parts/seeders.py")).arg(SESSIONS.to_string()).arg(Film::folder());
        let (mut process, said) = Process::spawn_piped("seeders", &mut python, &case.log("seeders"))?;
        let input = process.take_stdin().context("take the pipe")?;
        let line = said.next(LIMIT)?;
        let port = |word: &str| Some(SocketAddr::from((Ipv4Addr::LOCALHOST, word.parse().ok()?)));
        let ports: Vec<_> = line.split(' ').skip(1).filter_map(port).collect();
        anyhow::ensure!(ports.len() == SESSIONS, "the seeders said {line}");
        let peers = Arc::new(Mutex::new(Vec::new()));
        let announce = tracker(peers.clone())?;
        Ok(Self { announce, peers, ports, input, said, folder: case.scratch().to_owned(), _process: process })
    }

    /// Three seeders of 2 MiB/s, one of 50 KB/s, and a dead one.
    pub(super) fn usual(&self) -> Result<()> {
        let fast = Line { rate: f64::from(2 << 20), delay: DELAY };
        let slow = Line { rate: 50e3, delay: DELAY };
        let mut peers = vec![shaper::dead()?, shaper::line(self.ports[3], slow)?];
        for port in &self.ports[..3] {
            peers.push(shaper::line(*port, fast)?);
        }
        self.set(peers);
        Ok(())
    }

    /// One seeder of 5 MB/s and one of 50 KB/s.
    pub(super) fn uneven(&self) -> Result<()> {
        let lines = [(self.ports[0], 5e6), (self.ports[3], 50e3)];
        let lines = lines.map(|(port, rate)| shaper::line(port, Line { rate, delay: DELAY }));
        self.set(lines.into_iter().collect::<Result<_>>()?);
        Ok(())
    }

    /// Three seeders next door.
    pub(super) fn near(&self) {
        self.set(self.ports[..3].to_vec());
    }

    fn set(&self, peers: Vec<SocketAddr>) {
        *self.peers.lock().unwrap_or_else(PoisonError::into_inner) = peers;
    }

    /// A film's .torrent, seeded by all; pieces of so many KiB.
    pub(super) fn seed(&mut self, film: Film, piece_kib: u32) -> Result<Vec<u8>> {
        let file = self.folder.join(format!("{piece_kib}-{}.torrent", film.name()));
        let mut create = Command::new("transmission-create");
        // Private (BEP 27): nobody is to tell of the ways around the lines (PEX).
        create.args(["--private", "--tracker", &self.announce, "--piecesize", &piece_kib.to_string(), "--outfile"]);
        run(create.arg(&file).arg(film.file()?))?;
        writeln!(self.input, "{}", file.display()).context("tell the seeders")?;
        self.said.next(LIMIT)?;
        read(&file)
    }
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("read {}", file.display()))
}

/// A tracker (BEP 3, 23) that tells everybody of the same peers; its address.
fn tracker(peers: Arc<Mutex<Vec<SocketAddr>>>) -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("start a tracker")?;
    let port = listener.local_addr().context("a tracker's address")?.port();
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let peers = peers.lock().unwrap_or_else(PoisonError::into_inner).clone();
            thread::spawn(move || {
                let _ = client.read(&mut [0; 4096]);
                let mut compact = Vec::new();
                for peer in peers {
                    let SocketAddr::V4(peer) = peer else { continue };
                    compact.extend_from_slice(&peer.ip().octets());
                    compact.extend_from_slice(&peer.port().to_be_bytes());
                }
                let mut body = format!("d8:intervali1800e5:peers{}:", compact.len()).into_bytes();
                body.extend_from_slice(&compact);
                body.push(b'e');
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = client.write_all(&[head.as_bytes(), &body].concat());
            });
        }
    });
    Ok(format!("http://127.0.0.1:{port}/announce"))
}
