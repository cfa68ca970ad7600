//! A relay's start and end, as a library and as a program.

use crate::support::{KINDS, Kind, PATIENCE, Peer, RawSocket, config, start, url};
use serde_json::{Value, json};
use std::{
    error::Error,
    io::ErrorKind,
    net::SocketAddr,
    process::{Output, Stdio},
    time::{Duration, Instant},
};
use streamshare_relay::{Ended, Relay, RelayConfig, StartError};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::TcpStream,
    process::{Child, ChildStderr, Command},
    time::timeout,
};

#[tokio::test]
async fn a_shutdown_tells_everyone_and_frees_the_port() {
    let relay = start().await;
    let addr = relay.local_addr();
    let mut peers = Vec::new();
    for kind in KINDS {
        peers.push(Peer::joined(&url(&relay), kind, "x", "r").await);
    }
    let since = Instant::now();
    assert_eq!(relay.shutdown().await, Ended::Drained);
    assert!(since.elapsed() < Duration::from_secs(5));
    assert_eq!(relay.shutdown().await, Ended::Drained);
    assert_eq!(relay.ended().await, Ended::Drained);
    for peer in &mut peers {
        peer.lost().await;
    }
    let again = Relay::start(RelayConfig { listen: addr, ..config() }).await.unwrap();
    assert_eq!(again.local_addr(), addr);
    let mut ada = Peer::connect(&url(&again), Kind::JsWebSocket).await;
    assert_eq!(ada.join("Ada", "r").await["users"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_reader_that_stopped_does_not_hold_up_a_shutdown() {
    let stubborn = RelayConfig { shutdown_max: Duration::from_secs(2), ..config() };
    let relay = Relay::start(stubborn).await.unwrap();
    let mut ghost = RawSocket::connect(relay.local_addr()).await;
    ghost.send(json!({"command": "Join", "name": "ghost", "roomId": "r"})).await;
    let mut ada = Peer::joined(&url(&relay), Kind::RustWebSocket, "Ada", "r").await;
    let filler = "x".repeat(3 * 1024);
    for place in 0..250 {
        ada.send(json!({"command": "PLAY", "currentTime": place, "dispatchedAt": 1, "filler": filler})).await;
    }
    ada.until_pong().await;
    let since = Instant::now();
    let health = async {
        loop {
            let answer = reqwest::get(format!("{}/healthz", url(&relay))).await.unwrap();
            if answer.status() == 503 {
                return answer.text().await.unwrap();
            }
        }
    };
    let (ended, health) = tokio::join!(relay.shutdown(), health);
    assert_eq!(ended, Ended::Cut);
    assert!(since.elapsed() < Duration::from_secs(5));
    assert_eq!(serde_json::from_str::<Value>(&health).unwrap()["status"], "stopping");
}

#[tokio::test]
async fn a_dropped_relay_ends() {
    let relay = start().await;
    let addr = relay.local_addr();
    let mut ada = Peer::joined(&url(&relay), Kind::JsWebSocket, "Ada", "r").await;
    drop(relay);
    ada.event("disconnect").await;
    let refused = async { while TcpStream::connect(addr).await.is_ok() {} };
    timeout(PATIENCE, refused).await.unwrap();
}

#[tokio::test]
async fn relays_live_side_by_side_but_not_at_one_port() {
    let (one, two) = (start().await, start().await);
    assert_ne!(one.local_addr(), two.local_addr());
    let error = Relay::start(RelayConfig { listen: one.local_addr(), ..config() }).await.unwrap_err();
    assert!(error.to_string().contains(&one.local_addr().to_string()), "{error}");
    let StartError::Listen { source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.kind(), ErrorKind::AddrInUse);
    assert!(error.source().is_some());
    one.shutdown().await;
    Peer::joined(&url(&two), Kind::RustWebSocket, "Ada", "r").await;
}

#[tokio::test]
async fn a_configuration_that_breaks_promises_is_refused() {
    let patient = RelayConfig { ping_timeout: Duration::from_secs(60), ..config() };
    assert!(matches!(Relay::start(patient).await, Err(StartError::Config(_))));
}

/// The program, and what it logs.
struct Program {
    child: Child,
    log: BufReader<ChildStderr>,
    addr: SocketAddr,
    seen: String,
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_streamshare-relay"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

impl Program {
    async fn start(mut command: Command) -> Self {
        let mut child = command.arg("--log-format=json").spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            let read = timeout(PATIENCE, log.read_line(&mut line)).await.expect("the address in time").unwrap();
            assert!(read > 0, "the program ended: {seen}");
            seen.push_str(&line);
            let line: Value = serde_json::from_str(&line).unwrap();
            if let Some(addr) = line["fields"]["local_addr"].as_str() {
                let addr = addr.parse().unwrap();
                return Self { child, log, addr, seen };
            }
        }
    }

    /// Sends a signal; gives back the exit code and the whole log.
    async fn end(mut self, signal: &str) -> (Option<i32>, String) {
        let process = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &process]).status().await.unwrap().success());
        let status = timeout(PATIENCE, self.child.wait()).await.expect("the program ends in time").unwrap();
        self.log.read_to_string(&mut self.seen).await.unwrap();
        (status.code(), self.seen)
    }
}

async fn output(mut command: Command) -> Output {
    timeout(PATIENCE, command.output()).await.expect("the program ends in time").unwrap()
}

#[cfg(unix)]
#[tokio::test]
async fn the_program_ends_cleanly_and_keeps_secrets_out_of_its_log() {
    for signal in ["-TERM", "-INT"] {
        let mut command = command();
        command.env("STREAMSHARE_LISTEN", "127.0.0.1:0");
        let program = Program::start(command).await;
        let mut ada =
            Peer::joined(&format!("http://{}", program.addr), Kind::JsWebSocket, "Adelheid", "secret-room").await;
        ada.send(json!({"command": "PLAY", "currentTime": 1, "dispatchedAt": "no"})).await;
        ada.command("ERROR").await;
        let (code, log) = program.end(signal).await;
        assert_eq!(code, Some(0), "{log}");
        ada.event("disconnect").await;
        assert!(!log.contains("secret-room") && !log.contains("Adelheid"), "{log}");
        assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{log}");
    }
}

#[tokio::test]
async fn the_program_says_why_it_cannot_start() {
    let relay = start().await;
    let addr = relay.local_addr().to_string();
    let mut taken = command();
    taken.args(["--listen", &addr]);
    let mut patient = command();
    patient.args(["--listen", "127.0.0.1:0", "--ping-timeout", "60"]);
    let mut unreadable = command();
    unreadable.env("STREAMSHARE_LISTEN", "nowhere");
    let mut filter = command();
    filter.args(["--log", "a=b=c"]);
    for (command, says) in [
        (taken, vec![addr.as_str(), "in use"]),
        (patient, vec!["45s"]),
        (unreadable, vec!["nowhere"]),
        (filter, vec!["a=b=c"]),
    ] {
        let output = output(command).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert!(says.iter().all(|part| error.contains(part)), "{error}");
    }
}

#[tokio::test]
async fn the_help_names_a_variable_for_every_option() {
    let mut help = command();
    help.arg("--help");
    let help = String::from_utf8(output(help).await.stdout).unwrap();
    let options = help.lines().filter(|line| line.trim_start().starts_with("--")).count();
    assert!(options >= 12, "{help}");
    assert_eq!(help.matches("[env: STREAMSHARE_").count(), options, "{help}");
}

/// The secret of the TURN servers is used, and is in no log, no help and no error.
#[cfg(unix)]
#[tokio::test]
async fn the_program_names_ice_servers_and_keeps_its_secret() {
    let with = |args: &[&str]| {
        let mut command = command();
        command.env("STREAMSHARE_TURN_SECRET", "very-secret").args(args);
        command
    };
    let servers = ["--stun=stun:a.example", "--turn=turn:a.example,turns:b.example:443?transport=tcp"];
    let program = Program::start(with(&[&servers[..], &["--listen=127.0.0.1:0", "--log=trace"]].concat())).await;
    let text = reqwest::get(format!("http://{}/ice-servers", program.addr)).await.unwrap().text().await.unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["iceServers"][0]["urls"], json!(["stun:a.example"]));
    assert_eq!(answer["iceServers"][1]["urls"], json!(["turn:a.example", "turns:b.example:443?transport=tcp"]));
    assert_eq!(answer["iceServers"][1]["credential"].as_str().map(str::len), Some(28));
    let (_, log) = program.end("-TERM").await;
    assert!(!text.contains("very-secret") && !log.contains("very-secret"));
    for (args, said) in [
        (&["--help"][..], "--turn-secret"),
        (&["--stun=turn:a.example"], "no STUN server"),
        (&["--turn=https://a.example"], "must begin with"),
        (&["--turn=turn:a.example", "--turn-ttl=1"], "at least 60s"),
    ] {
        let output = output(with(&[args, &["--listen=127.0.0.1:0"]].concat())).await;
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(text.contains(said) && !text.contains("very-secret"), "{args:?}: {text}");
    }
    let mut unshared = command();
    unshared.env_remove("STREAMSHARE_TURN_SECRET").arg("--turn=turn:a.example");
    let output = output(unshared).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--turn-secret"));
}
