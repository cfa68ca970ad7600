//! WebDriver servers and their sessions.

use crate::process::{Process, free_port};
use anyhow::{Context as _, Result, bail};
use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long a driver may take to listen and a program to show its first page, on a machine that builds meanwhile.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Starts a WebDriver server on a free port and a session in it.
pub(crate) async fn session(
    name: &str,
    command: &mut Command,
    capabilities: Capabilities,
    log: &Path,
) -> Result<(Process, Client)> {
    let port = free_port()?;
    let driver = Process::spawn(name, command.arg(format!("--port={port}")), log)?;
    let end = Instant::now() + START_LIMIT;
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        if Instant::now() > end {
            bail!("{name} does not listen");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut builder = ClientBuilder::new(HttpConnector::new());
    let connecting = builder.capabilities(capabilities);
    let url = format!("http://127.0.0.1:{port}");
    let client = tokio::time::timeout(START_LIMIT, connecting.connect(&url))
        .await
        .with_context(|| format!("{name} opened no session in time"))?
        .with_context(|| format!("open a session in {name}"))?;
    Ok((driver, client))
}
