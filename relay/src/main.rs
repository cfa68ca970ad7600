//! The relay as a program.

use anyhow::Context;
use clap::{Parser, ValueEnum};
use std::{io::IsTerminal, net::SocketAddr, process::ExitCode, time::Duration};
use streamshare_relay::{Ended, IceServersConfig, IceUri, Relay, RelayConfig, TrackerConfig, TurnSecret};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

/// Passes Streamshare's room messages between members, serves the web client and introduces BitTorrent peers.
///
/// Open http://ADDRESS/ in a browser, or give the address to the desktop app. Nothing is stored; a restarted relay gets
/// its rooms back from their members. SIGTERM and SIGINT end it cleanly.
///
/// Torrent clients announce at http://ADDRESS/announce, browsers at ws://ADDRESS/announce.
///
/// GET /ice-servers answers with the STUN and TURN servers that --stun and --turn name.
///
/// GET /healthz answers 200 with {"status", "version", "rooms", "members", "tracker"}, and 503 while the relay shuts down.
#[derive(Debug, Parser)]
#[command(name = "streamshare-relay", version)]
struct Cli {
    /// Address and port to listen at; port 0 takes a free one
    #[arg(long, env = "STREAMSHARE_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,

    /// What to log: error, warn, info, debug, trace, or a filter such as info,streamshare_relay=debug. Room ids and names
    /// appear at debug and below only
    #[arg(long, env = "STREAMSHARE_LOG", value_name = "FILTER", default_value = "info")]
    log: String,

    /// How to write the log, which goes to the standard error output
    #[arg(long, env = "STREAMSHARE_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,

    /// Connections at one time; further ones wait
    #[arg(long, env = "STREAMSHARE_MAX_CONNECTIONS", value_name = "COUNT", default_value_t = defaults().connections_max)]
    max_connections: usize,

    /// Rooms at one time; where all have members, nobody can make another one
    #[arg(long, env = "STREAMSHARE_MAX_ROOMS", value_name = "COUNT", default_value_t = defaults().rooms_max)]
    max_rooms: usize,

    /// Messages a second that one connection may send on the average
    #[arg(long, env = "STREAMSHARE_MESSAGE_RATE", value_name = "PER_SECOND", default_value_t = defaults().messages_per_second)]
    message_rate: u32,

    /// Messages that one connection may send at once after a pause
    #[arg(long, env = "STREAMSHARE_MESSAGE_BURST", value_name = "COUNT", default_value_t = defaults().messages_burst)]
    message_burst: u32,

    /// Seconds between two questions whether a connection lives. With --ping-timeout and --write-timeout at most 45, for
    /// that is how long a member that vanished may stay in its room
    #[arg(long, env = "STREAMSHARE_PING_INTERVAL", value_name = "SECONDS", value_parser = seconds, default_value = "5")]
    ping_interval: Duration,

    /// Seconds that a connection has to answer
    #[arg(long, env = "STREAMSHARE_PING_TIMEOUT", value_name = "SECONDS", value_parser = seconds, default_value = "5")]
    ping_timeout: Duration,

    /// Seconds that a write to a connection may hang
    #[arg(long, env = "STREAMSHARE_WRITE_TIMEOUT", value_name = "SECONDS", value_parser = seconds, default_value = "10")]
    write_timeout: Duration,

    /// Seconds for which a room without members is remembered
    #[arg(long, env = "STREAMSHARE_ROOM_MEMORY", value_name = "SECONDS", value_parser = seconds, default_value = "600")]
    room_memory: Duration,

    /// Seconds that connections have to end when the relay shuts down
    #[arg(long, env = "STREAMSHARE_SHUTDOWN_TIMEOUT", value_name = "SECONDS", value_parser = seconds, default_value = "5")]
    shutdown_timeout: Duration,

    /// Have no BitTorrent tracker
    #[arg(long, env = "STREAMSHARE_NO_TRACKER")]
    no_tracker: bool,

    /// Messages a second that one connection to the tracker may send on the average
    #[arg(long, env = "STREAMSHARE_TRACKER_MESSAGE_RATE", value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..),
        default_value_t = TrackerConfig::default().messages_per_second)]
    tracker_message_rate: u32,

    /// Messages that one connection to the tracker may send at once after a pause
    #[arg(long, env = "STREAMSHARE_TRACKER_MESSAGE_BURST", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..),
        default_value_t = TrackerConfig::default().messages_burst)]
    tracker_message_burst: u32,

    /// Believe the last address in X-Forwarded-For: for a relay that only a proxy can reach which writes it. The tracker
    /// gives such addresses to other peers, and counts by them
    #[arg(long, env = "STREAMSHARE_TRUST_FORWARDED")]
    trust_forwarded: bool,

    /// A STUN server that tells members their public address, such as stun:turn.example.org:3478; may be given several
    /// times, or with commas
    #[arg(long, env = "STREAMSHARE_STUN", value_name = "URI", value_delimiter = ',', value_parser = stun)]
    stun: Vec<IceUri>,

    /// A TURN server that passes films on between members that cannot reach each other, such as
    /// turn:turn.example.org:3478?transport=udp; may be given several times, or with commas
    #[arg(long, env = "STREAMSHARE_TURN", value_name = "URI", value_delimiter = ',', value_parser = turn)]
    #[arg(requires = "turn_secret")]
    turn: Vec<IceUri>,

    /// What the relay shares with its TURN servers (coturn: use-auth-secret, static-auth-secret), of which it makes
    /// credentials for members. Better given by the environment: other programs see the command line
    #[arg(long, env = "STREAMSHARE_TURN_SECRET", value_name = "SECRET", hide_env_values = true, value_parser = secret)]
    turn_secret: Option<TurnSecret>,

    /// Seconds for which such credentials are good
    #[arg(long, env = "STREAMSHARE_TURN_TTL", value_name = "SECONDS", value_parser = seconds, default_value = "43200")]
    turn_ttl: Duration,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// A line for people
    Text,
    /// A JSON object a line
    Json,
}

/// The defaults of everything but the address.
fn defaults() -> RelayConfig {
    RelayConfig::new(SocketAddr::from(([127, 0, 0, 1], 3000)))
}

/// A number of seconds, at most a week, with a fraction where wanted.
fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if (0.0..=604_800.0).contains(&number) {
        Ok(Duration::from_secs_f64(number))
    } else {
        Err("not between 0 and 604800".to_owned())
    }
}

fn stun(text: &str) -> Result<IceUri, String> {
    ice_uri(text, false)
}

fn turn(text: &str) -> Result<IceUri, String> {
    ice_uri(text, true)
}

fn ice_uri(text: &str, is_turn: bool) -> Result<IceUri, String> {
    let uri: IceUri = text.parse().map_err(|error: streamshare_relay::IceUriError| error.to_string())?;
    if uri.is_turn() == is_turn {
        Ok(uri)
    } else {
        Err(format!("this is no {} server", if is_turn { "TURN" } else { "STUN" }))
    }
}

fn secret(text: &str) -> Result<TurnSecret, String> {
    TurnSecret::new(text.to_owned()).ok_or_else(|| "it is empty".to_owned())
}

impl Cli {
    fn config(&self) -> RelayConfig {
        RelayConfig {
            listen: self.listen,
            connections_max: self.max_connections,
            rooms_max: self.max_rooms,
            messages_per_second: self.message_rate,
            messages_burst: self.message_burst,
            ping_interval: self.ping_interval,
            ping_timeout: self.ping_timeout,
            write_timeout: self.write_timeout,
            empty_room_memory: self.room_memory,
            shutdown_max: self.shutdown_timeout,
            tracker: (!self.no_tracker).then(|| TrackerConfig {
                messages_per_second: self.tracker_message_rate,
                messages_burst: self.tracker_message_burst,
                trust_forwarded: self.trust_forwarded,
                ..TrackerConfig::default()
            }),
            ice_servers: IceServersConfig {
                stun: self.stun.clone(),
                turn: self.turn.clone(),
                turn_secret: self.turn_secret.clone(),
                turn_ttl: self.turn_ttl,
                turn_users: Vec::new(),
            },
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("streamshare-relay: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    start_log(cli)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the asynchronous runtime")?;
    runtime.block_on(serve(cli.config()))
}

async fn serve(config: RelayConfig) -> anyhow::Result<()> {
    // Before the address is announced, so that a signal sent by whoever waits for it is not missed.
    let signal = StopSignal::listen().context("listen for signals")?;
    let listen = config.listen;
    let relay = Relay::start(config).await.with_context(|| hint(listen))?;
    tokio::select! {
        ended = relay.ended() => anyhow::bail!("the relay ended by itself ({ended:?})"),
        name = signal.received() => tracing::info!(signal = name, "shutting down"),
    }
    anyhow::ensure!(relay.shutdown().await != Ended::Failed, "the relay failed while it shut down");
    Ok(())
}

fn hint(listen: SocketAddr) -> String {
    format!("start the relay (another address can be given by --listen, now {listen})")
}

fn start_log(cli: &Cli) -> anyhow::Result<()> {
    // Below INFO the transport writes out whole messages, with resume keys and room ids; only who names it gets that.
    let filter = format!("socketioxide=info,engineioxide=info,{}", cli.log);
    let filter = EnvFilter::try_new(filter).with_context(|| format!("read the log filter {:?}", cli.log))?;
    let log = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match cli.log_format {
        LogFormat::Text => log.with(lines.with_ansi(std::io::stderr().is_terminal())).init(),
        LogFormat::Json => log.with(lines.json()).init(),
    }
    Ok(())
}

/// The signals that ask a program to end.
struct StopSignal {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl StopSignal {
    #[cfg(unix)]
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    #[cfg(not(unix))]
    fn listen() -> std::io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(unix)]
    async fn received(mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    #[cfg(not(unix))]
    async fn received(self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            // Nothing can be listened for: only ending the process ends the relay.
            Err(_) => std::future::pending().await,
        }
    }
}
