//! A stranger's page, with webtorrent and nothing of ours.

use crate::process::{Process, bound, root};
use crate::{Browser, Case, Media};
use anyhow::{Context as _, Result};
use serde_json::json;
use std::time::Duration;

/// How long the page's server may take to start.
const LIMIT: Duration = Duration::from_secs(20);

/// A page that has nothing to do with the product: webtorrent's own bundle and what its readme says, in Chromium.
#[derive(Debug)]
pub struct ForeignPage {
    browser: Browser,
    _server: Process,
}

impl ForeignPage {
    /// Opens the page; what it seeds is announced at a tracker.
    ///
    /// # Errors
    /// When something is not installed or the page does not load.
    pub async fn open(case: &Case, name: &str, tracker: &str) -> Result<Self> {
        let mut server = bound("node")?;
        server.arg(root().join("tests/parts/page.mjs"));
        let (server, said) = Process::spawn_piped("node", &mut server, &case.log(&format!("{name}-server")))?;
        let address = format!("http://127.0.0.1:{}/?announce={tracker}", said.next(LIMIT)?);
        let browser = Browser::open(case, name, &address).await?;
        browser.until("window.ready").await?;
        Ok(Self { browser, _server: server })
    }

    /// The browser that shows it.
    #[must_use]
    pub fn browser(&self) -> &Browser {
        &self.browser
    }

    /// Seeds a video; answers the magnet link that webtorrent makes.
    ///
    /// # Errors
    /// When it does not.
    pub async fn seed(&self, media: Media) -> Result<String> {
        self.browser.js("window.seeded = null").await?;
        self.browser.give_files(&[&media.file()?]).await?;
        let magnet = self.browser.until("window.seeded").await?;
        magnet.as_str().map(str::to_owned).context("a text")
    }

    /// Downloads all of a magnet link's first file; answers the SHA-1 of what came.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn download(&self, magnet: &str) -> Result<String> {
        self.browser.js(&format!("window.downloaded = null; window.download({})", json!(magnet))).await?;
        let downloaded = self.browser.until("window.downloaded").await?;
        downloaded["sha1"].as_str().map(str::to_owned).context("a text")
    }
}
