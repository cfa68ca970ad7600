//! Chromium under WebDriver.

use crate::driver::session;
use crate::process::{Process, bound, write_script};
use crate::{Case, Media, Page};
use anyhow::{Context as _, Result};
use fantoccini::Locator;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use reqwest::{Method, Url};
use serde_json::{Value, json};
use std::ops::Deref;
use std::path::Path;

/// A driver that is killed leaves its browser behind; this does not.
const START: &str = "#!/bin/sh\nexec setpriv --pdeathsig TERM -- chromium \"$@\"\n";

/// A name of this computer that browsers do not take for it: a page from there is no secure context, like one from another
/// computer in the same network.
pub const INSECURE_HOST: &str = "relay.test";

/// Headless Chromium with a profile of its own.
#[derive(Debug)]
pub struct Browser {
    page: Page,
    driver: Process,
}

impl Browser {
    /// Opens an address.
    ///
    /// # Errors
    /// When Chromium does not start or cannot open it.
    pub async fn open(case: &Case, name: &str, url: &str) -> Result<Self> {
        let profile = case.scratch().join(format!("{name}-profile"));
        std::fs::create_dir_all(&profile).context("make a browser profile")?;
        let mut capabilities = Capabilities::new();
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--window-size=1200,800",
            &format!("--host-resolver-rules=MAP {INSECURE_HOST} 127.0.0.1"),
            &format!("--user-data-dir={}", profile.display()),
        ];
        let start = write_script(&case.scratch().join(format!("{name}-start")), START)?;
        capabilities.insert("goog:chromeOptions".into(), json!({ "binary": start, "args": arguments }));
        capabilities.insert("goog:loggingPrefs".into(), json!({ "browser": "ALL" }));
        let mut command = bound("chromedriver")?;
        let (driver, client) = session("chromedriver", &mut command, capabilities, &case.log(name)).await?;
        client.goto(url).await.with_context(|| format!("open {url}"))?;
        let page = Page::new(client, case.output(), name);
        page.js("hear()").await?;
        Ok(Self { page, driver })
    }

    /// The process group that holds the browser and its driver.
    #[must_use]
    pub fn group(&self) -> u32 {
        self.driver.id()
    }

    /// Gives the page files as its dialog would.
    ///
    /// # Errors
    /// When the page is gone or takes no files.
    pub async fn give_files(&self, files: &[&Path]) -> Result<()> {
        let field =
            self.client().find(Locator::Css("[data-testid=\"file-input\"]")).await.context("find the file field")?;
        let paths: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        field.send_keys(&paths.join("\n")).await.context("choose files")
    }

    /// Drops files in the middle of the page, as a file manager would: the browser makes the events of it, as of a person's.
    ///
    /// # Errors
    /// When the page is gone.
    pub async fn drop_files(&self, files: &[&Path]) -> Result<()> {
        let paths: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        for kind in ["dragEnter", "dragOver", "drop"] {
            let data = json!({ "items": [], "files": paths, "dragOperationsMask": 1 });
            let params = json!({ "type": kind, "x": 600, "y": 400, "data": data });
            let command = DevTools { command: "Input.dispatchDragEvent", params };
            self.client().issue_cmd(command).await.with_context(|| format!("{kind} with files"))?;
        }
        Ok(())
    }

    /// Closes the tab as a person does who is not asked, or who insists.
    ///
    /// # Errors
    /// When it is gone already.
    pub async fn close_tab(&self) -> Result<()> {
        self.client().close_window().await.context("close the tab")
    }

    /// Whether the page wants the browser to ask before it is left. The event is what a browser sends then; the question
    /// itself is out of WebDriver's sight.
    ///
    /// # Errors
    /// When the page is gone.
    pub async fn warns_before_leaving(&self) -> Result<bool> {
        let stays = self.js("return !window.dispatchEvent(new Event('beforeunload', { cancelable: true }))").await?;
        stays.as_bool().context("yes or no")
    }

    /// Reads the whole film through the address that the page's player has, and answers its SHA-1. The service worker
    /// answers as much as is there, so that it has to be asked again and again.
    ///
    /// # Errors
    /// When the page plays without a service worker, or the film is not all there in time.
    pub async fn film_sha1(&self) -> Result<String> {
        let code = "window.sha1 = null; (async () => {
            const parts = []; let at = 0; let length = Infinity;
            while (at < length) {
                const answer = await fetch(video().src, { headers: { Range: `bytes=${at}-` } });
                const bytes = await answer.arrayBuffer();
                length = Number(answer.headers.get('Content-Range').split('/')[1]); at += bytes.byteLength; parts.push(bytes);
            }
            const digest = await crypto.subtle.digest('SHA-1', await new Blob(parts).arrayBuffer());
            window.sha1 = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
        })()";
        self.js(code).await?;
        self.until("window.sha1").await?.as_str().map(str::to_owned).context("a text")
    }

    /// Waits until the video has a picture of the right size that is not one plane.
    ///
    /// # Errors
    /// When it has none in time.
    pub async fn shows_picture(&self, media: Media) -> Result<()> {
        let (width, height) = media.size();
        let code = format!(
            "(() => {{ const v = video(); if (v.videoWidth !== {width} || v.videoHeight !== {height}) return false;
            const c = document.createElement('canvas'); c.width = 64; c.height = 36; const g = c.getContext('2d');
            g.drawImage(v, 0, 0, 64, 36); const reds = [...g.getImageData(0, 0, 64, 36).data].filter((_, i) => i % 4 === 0);
            const mean = reds.reduce((a, b) => a + b) / reds.length;
            return mean > 40 && Math.sqrt(reds.reduce((a, b) => a + (b - mean) ** 2, 0) / reds.length) > 30; }})()"
        );
        self.until(&code).await.map(drop)
    }
}

/// What WebDriver has no command for: one of Chromium's own, through chromedriver.
#[derive(Debug)]
struct DevTools {
    command: &'static str,
    params: Value,
}

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base_url: &Url, session_id: Option<&str>) -> Result<Url, <Url as std::str::FromStr>::Err> {
        base_url.join(&format!("session/{}/goog/cdp/execute", session_id.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "cmd": self.command, "params": self.params }).to_string()))
    }
}

impl Deref for Browser {
    type Target = Page;

    fn deref(&self) -> &Page {
        &self.page
    }
}
