//! A member by the official client, which knows the web spec alone.

use crate::Case;
use crate::process::{Lines, Process, bound, root};
use anyhow::{Context as _, Result, anyhow};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::ChildStdin;
use std::time::{Duration, Instant};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(20);

/// What the official client speaks Socket.IO over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One WebSocket from the start.
    WebSocket,
    /// HTTP long-polling only.
    Polling,
}

/// A peer in JavaScript that speaks nothing but the web spec, over the official client.
#[derive(Debug)]
pub struct PlainPeer {
    name: String,
    said: Lines,
    input: ChildStdin,
    _process: Process,
}

impl PlainPeer {
    /// Connects to a relay; the peer is in no room yet.
    ///
    /// # Errors
    /// When it does not connect.
    pub fn connect(case: &Case, name: &str, relay: &str, transport: Transport) -> Result<Self> {
        let transport = match transport {
            Transport::WebSocket => "websocket",
            Transport::Polling => "polling",
        };
        let mut command = bound("node")?;
        command.arg(root().join("tests/parts/plain.mjs")).args([relay, transport]);
        let (mut process, said) = Process::spawn_piped("node", &mut command, &case.log(name))?;
        let input = process.take_stdin().context("take the pipe")?;
        let peer = Self { name: name.to_owned(), said, input, _process: process };
        let up = peer.event("connect", |_| true)?;
        anyhow::ensure!(up["transport"] == transport, "connected over {}", up["transport"]);
        Ok(peer)
    }

    /// Enters a room, and again whenever the connection comes back; returns the first HELLO.
    ///
    /// # Errors
    /// When no HELLO comes.
    pub fn join(&mut self, room: &str) -> Result<Value> {
        let join = json!({ "command": "Join", "name": self.name, "roomId": room });
        self.ask(&json!({ "remember": join }))?;
        self.command("HELLO", |_| true)
    }

    /// Sends a message as it is, good or bad.
    ///
    /// # Errors
    /// When the peer is gone.
    pub fn send(&mut self, message: &Value) -> Result<()> {
        self.ask(&json!({ "send": message }))
    }

    /// Sends PLAY or PAUSE.
    ///
    /// # Errors
    /// When the peer is gone.
    pub fn control(&mut self, command: &str, current_time: f64) -> Result<()> {
        self.send(&json!({ "command": command, "currentTime": current_time, "dispatchedAt": crate::unix_ms() }))
    }

    /// Announces a playlist and a place in its head, as the web spec's clients edit a playlist.
    ///
    /// # Errors
    /// When the peer is gone.
    pub fn hello(&mut self, playlist: &Value, state: &str, current_time: f64) -> Result<()> {
        self.send(&json!({
            "command": "HELLO",
            "users": [],
            "status": { "currentTime": current_time, "state": state },
            "playlist": playlist,
            "dispatchedAt": crate::unix_ms(),
        }))
    }

    /// Waits for a message with this command that a test likes; others before it are passed over.
    ///
    /// # Errors
    /// When none comes in time; the error holds those that came.
    pub fn command(&self, command: &str, liked: impl Fn(&Value) -> bool) -> Result<Value> {
        let message = |event: &Value| event["data"]["command"] == command && liked(&event["data"]);
        self.event("message", message).map(|event| event["data"].clone())
    }

    /// Waits until the connection is lost.
    ///
    /// # Errors
    /// When it is not in time.
    pub fn lost(&self) -> Result<()> {
        self.event("disconnect", |_| true).map(drop)
    }

    /// Forgets what came so far.
    pub fn skip(&self) {
        while self.said.try_next().is_some() {}
    }

    fn event(&self, kind: &str, liked: impl Fn(&Value) -> bool) -> Result<Value> {
        let end = Instant::now() + LIMIT;
        let mut passed = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.said.next(left) else {
                return Err(anyhow!("{}: no {kind} as expected; came: {passed:#?}", self.name));
            };
            let event: Value = serde_json::from_str(&line).with_context(|| format!("read {line}"))?;
            if event["event"] == kind && liked(&event) {
                return Ok(event);
            }
            passed.push(line);
        }
    }

    fn ask(&mut self, request: &Value) -> Result<()> {
        writeln!(self.input, "{request}").with_context(|| format!("{} is gone", self.name))
    }
}
