use crate::driver::session;
use crate::process::{Process, bound, write_script};
use crate::{Case, Page};
use anyhow::{Context as _, Result};
use fantoccini::wd::Capabilities;
use serde_json::json;
use std::ops::Deref;

/// A driver that is killed leaves its browser behind; this does not.
const START: &str = "#!/bin/sh\nexec setpriv --pdeathsig TERM -- chromium \"$@\"\n";

/// Headless Chromium with a profile of its own.
#[derive(Debug)]
pub struct Browser {
    page: Page,
    _driver: Process,
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
        Ok(Self { page, _driver: driver })
    }
}

impl Deref for Browser {
    type Target = Page;

    fn deref(&self) -> &Page {
        &self.page
    }
}
