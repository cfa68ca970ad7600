//! libtorrent in Python, which gives and takes.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use streamshare_streaming::InfoHash;

/// Gives what it has with libtorrent's own ideas of how, and tells how far it is, each time it is asked by a line.
const LIBTORRENT: &str = r"
import json, sys, libtorrent as lt
magnet, folder, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
session = lt.session({'listen_interfaces': '127.0.0.1:0', 'enable_dht': False, 'enable_lsd': False, 'enable_upnp': False,
    'enable_natpmp': False, 'min_reconnect_time': 1, 'allow_multiple_connections_per_ip': True, 'peer_connect_timeout': 5,
    'enable_outgoing_utp': False}, flags=0)
# Without the exchange of addresses it knows this one peer alone.
session.add_extension('ut_metadata')
params = lt.parse_magnet_uri(magnet)
params.save_path = folder
torrent = session.add_torrent(params)
for _ in sys.stdin:
    torrent.connect_peer(('127.0.0.1', port))
    torrent.clear_error()
    status = torrent.status()
    print(json.dumps({'pieces': [bool(bit) for bit in status.pieces], 'failed': status.total_failed_bytes}), flush=True)
";

/// Gives a whole film, as libtorrent does, and tells where.
const SEEDER: &str = r"
import sys, time, libtorrent as lt
session = lt.session({'listen_interfaces': '127.0.0.1:0', 'enable_dht': False, 'enable_lsd': False, 'enable_upnp': False,
    'enable_natpmp': False, 'enable_outgoing_utp': False, 'allow_multiple_connections_per_ip': True}, flags=0)
session.add_extension('ut_metadata')
params = lt.add_torrent_params()
params.ti, params.save_path = lt.torrent_info(sys.argv[1]), sys.argv[2]
torrent = session.add_torrent(params)
while not (torrent.status().is_seeding and session.listen_port()):
    time.sleep(0.02)
print(session.listen_port(), flush=True)
sys.stdin.read()
";

/// libtorrent, connected to one peer.
pub struct Foreign {
    process: Child,
    answers: std::io::Lines<std::io::BufReader<std::process::ChildStdout>>,
}

impl Foreign {
    pub fn start(info_hash: InfoHash, folder: &Path, port: u16) -> Self {
        use std::io::BufRead;
        std::fs::create_dir_all(folder).unwrap();
        let mut command = Command::new("/usr/bin/python3");
        command.args(["-c", LIBTORRENT, &format!("magnet:?xt=urn:btih:{info_hash}")]).arg(folder).arg(port.to_string());
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 is installed");
        let answers = std::io::BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, answers }
    }

    /// One that has all of a film, and its port.
    pub fn seed(torrent: &Path, folder: &Path) -> (Self, u16) {
        use std::io::BufRead;
        let mut command = Command::new("/usr/bin/python3");
        command.args(["-c", SEEDER]).arg(torrent).arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("python3 is installed");
        let mut answers = std::io::BufReader::new(process.stdout.take().unwrap()).lines();
        let port = answers.next().unwrap().unwrap().parse().unwrap();
        (Self { process, answers }, port)
    }

    /// The pieces that it has, and the bytes that it got and that were wrong.
    pub fn ask(&mut self) -> (Vec<bool>, u64) {
        use std::io::Write;
        self.process.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        let answer: serde_json::Value = serde_json::from_str(&self.answers.next().unwrap().unwrap()).unwrap();
        let pieces = answer["pieces"].as_array().unwrap().iter().map(|bit| bit.as_bool().unwrap()).collect();
        (pieces, answer["failed"].as_u64().unwrap())
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
