//! A page of the product: what a person does with it, and what they see.

use anyhow::{Context as _, Result, anyhow};
use fantoccini::elements::Element;
use fantoccini::key::Key;
use fantoccini::{Client, Locator};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// What every script may use: elements by test id, and what a person can read off a room.
const PRELUDE: &str = include_str!("prelude.js");

/// How long a condition may take unless a test says otherwise. Generous: it is only ever used up by a failure.
const LIMIT: Duration = Duration::from_secs(30);

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(40);

/// A page of the product, in the desktop window or in a browser: both keep the same test ids.
#[derive(Debug)]
pub struct Page {
    client: Client,
    output: PathBuf,
    name: String,
    shots: AtomicU32,
}

impl Page {
    pub(crate) fn new(client: Client, output: &Path, name: &str) -> Self {
        Self { client, output: output.to_owned(), name: name.to_owned(), shots: AtomicU32::new(1) }
    }

    /// The WebDriver session.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Runs a script; `$`, `$$`, `video`, `room` and `shown` are at hand (see `prelude.js`).
    ///
    /// # Errors
    /// When the script throws or the page is gone.
    pub async fn js(&self, code: &str) -> Result<Value> {
        let script = format!("{PRELUDE}\n{code}");
        let run = self.client.execute(&script, Vec::new());
        tokio::time::timeout(LIMIT, run)
            .await
            .with_context(|| format!("{}: the page does not answer: {code}", self.name))?
            .with_context(|| format!("{}: {code}", self.name))
    }

    /// Waits until an expression is true, and returns its value.
    ///
    /// # Errors
    /// When it is not in time; a screenshot is left, and the error holds what the room looked like.
    pub async fn until(&self, expression: &str) -> Result<Value> {
        self.until_within(LIMIT, expression).await
    }

    /// As [`Page::until`], with another limit.
    ///
    /// # Errors
    /// As there.
    pub async fn until_within(&self, limit: Duration, expression: &str) -> Result<Value> {
        let code = format!("return ({expression})");
        let end = Instant::now() + limit;
        loop {
            let outcome = self.js(&code).await;
            match &outcome {
                Ok(Value::Null | Value::Bool(false)) | Err(_) => {}
                Ok(value) => return Ok(value.clone()),
            }
            if Instant::now() > end {
                let _ = self.shot("failed").await;
                let seen = self.js("return { room: room(), text: document.body.innerText.slice(0, 600) }").await;
                let cause = outcome.err().map(|error| format!("; {error:#}")).unwrap_or_default();
                let seen = seen.map_or_else(|error| format!("{error:#}"), |value| value.to_string());
                return Err(anyhow!("{}: not within {limit:?}: {expression}{cause}; seen: {seen}", self.name));
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// What a person can read off the room, see `prelude.js`.
    ///
    /// # Errors
    /// When the page is gone.
    pub async fn room(&self) -> Result<Value> {
        self.js("return room()").await
    }

    /// Waits for an element.
    ///
    /// # Errors
    /// When it does not come.
    pub async fn element(&self, test_id: &str) -> Result<Element> {
        self.until(&format!("shown('{test_id}')")).await?;
        let selector = format!("[data-testid=\"{test_id}\"]");
        self.client.find(Locator::Css(&selector)).await.with_context(|| format!("{}: find {test_id}", self.name))
    }

    /// Clicks an element as a person does.
    ///
    /// # Errors
    /// When it does not come or something covers it.
    pub async fn click(&self, test_id: &str) -> Result<()> {
        let element = self.element(test_id).await?;
        element.click().await.with_context(|| format!("{}: click {test_id}", self.name))
    }

    /// Empties a field and types into it.
    ///
    /// # Errors
    /// When it does not come or cannot be typed into.
    pub async fn fill(&self, test_id: &str, text: &str) -> Result<()> {
        let element = self.element(test_id).await?;
        let clear = format!("{}a{}", char::from(Key::Control), char::from(Key::Backspace));
        element.click().await.with_context(|| format!("{}: click {test_id}", self.name))?;
        element.send_keys(&clear).await.with_context(|| format!("{}: clear {test_id}", self.name))?;
        element.send_keys(text).await.with_context(|| format!("{}: type into {test_id}", self.name))?;
        self.until(&format!("$('{test_id}').value === {}", Value::from(text))).await.map(drop)
    }

    /// Moves a slider, in its own units, with the events that a person's drag makes.
    ///
    /// # Errors
    /// When it does not come.
    pub async fn slide(&self, test_id: &str, value: f64) -> Result<()> {
        self.element(test_id).await?;
        let code = format!(
            "const slider = $('{test_id}'); slider.value = {value}; for (const type of ['input', 'change']) \
             slider.dispatchEvent(new Event(type, {{ bubbles: true }}));"
        );
        self.js(&code).await.map(drop)
    }

    /// How many errors the window told of so far.
    ///
    /// # Errors
    /// When the page is gone.
    pub async fn error_count(&self) -> Result<u64> {
        self.js("return errors().length").await?.as_u64().context("a count")
    }

    /// Waits until the window told of more errors than `before`, and returns what the next one said.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn next_error(&self, before: u64) -> Result<String> {
        let told = self.until(&format!("errors()[{before}]")).await?;
        told.as_str().map(str::to_owned).context("a text")
    }

    /// Keeps a picture of the page.
    ///
    /// # Errors
    /// When the page is gone or the file cannot be written.
    pub async fn shot(&self, step: &str) -> Result<PathBuf> {
        let number = self.shots.fetch_add(1, Ordering::Relaxed);
        let file = self.output.join(format!("{}-{number:02}-{step}.png", self.name));
        self.painted().await?;
        let png = self.client.screenshot().await.with_context(|| format!("{}: take a screenshot", self.name))?;
        std::fs::write(&file, png).with_context(|| format!("write {}", file.display()))?;
        Ok(file)
    }

    /// Waits until what the page has is on the screen, a frame later. A page that paints nothing is a picture, too.
    ///
    /// # Errors
    /// When the page is gone.
    pub async fn painted(&self) -> Result<()> {
        let code = "const done = arguments[0]; setTimeout(done, 2000);
            requestAnimationFrame(() => requestAnimationFrame(() => done()))";
        let waited = self.client.execute_async(code, Vec::new()).await;
        waited.map(drop).with_context(|| format!("{}: wait for a frame", self.name))
    }

    /// Types a name and starts a room; returns the link for others.
    ///
    /// # Errors
    /// When the window does not get into a room.
    pub async fn start_room(&self, person: &str) -> Result<String> {
        self.fill("name-input", person).await?;
        self.click("start-room").await?;
        self.joined().await?;
        let link = self.until("$('invite-link') && $('invite-link').value").await?;
        link.as_str().map(str::to_owned).context("the link is a text")
    }

    /// Types a name, pastes a link and enters.
    ///
    /// # Errors
    /// When the window does not get into the room.
    pub async fn join_room(&self, person: &str, link: &str) -> Result<()> {
        self.fill("name-input", person).await?;
        self.fill("join-input", link).await?;
        self.click("join-room").await?;
        self.joined().await
    }

    /// Types a name on the page that an invitation opens, and enters.
    ///
    /// # Errors
    /// When the window does not get into the room.
    pub async fn accept_invitation(&self, person: &str) -> Result<()> {
        self.fill("name-input", person).await?;
        self.click("join-room").await?;
        self.joined().await
    }

    /// Waits until the window is in a room.
    ///
    /// # Errors
    /// When it is not in time.
    pub async fn joined(&self) -> Result<()> {
        self.until("room().link === 'joined'").await.map(drop)
    }

    /// Waits until the playlist shows these titles.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn playlist_is(&self, titles: &[&str]) -> Result<()> {
        let expected = serde_json::to_string(titles).context("write titles")?;
        self.until(&format!("JSON.stringify(room().titles) === {}", Value::from(expected))).await.map(drop)
    }

    /// Waits until the window lists these people, in any order.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn members_are(&self, names: &[&str]) -> Result<()> {
        let mut sorted = names.to_vec();
        sorted.sort_unstable();
        let expected = serde_json::to_string(&sorted).context("write names")?;
        let code = format!("JSON.stringify(room().members.map(m => m.name).sort()) === {}", Value::from(expected));
        self.until(&code).await.map(drop)
    }

    /// Waits until the picture moves: its size is known and its time goes on by half a second.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn plays(&self) -> Result<()> {
        self.plays_within(LIMIT).await
    }

    /// As [`Page::plays`], with another limit for the picture, and for its time.
    ///
    /// # Errors
    /// As there.
    pub async fn plays_within(&self, limit: Duration) -> Result<()> {
        let begun = "video() && video().videoWidth > 0 && video().currentTime > 0 && { t: video().currentTime }";
        let from = self.until_within(limit, begun).await?["t"].as_f64().unwrap_or_default();
        let moved = format!("!video().paused && (video().currentTime > {from} + 0.5 || video().currentTime < {from})");
        self.until_within(limit, &moved).await.map(drop)
    }

    /// Chooses the subtitles of a name, and waits for one of their lines that is of the second that plays.
    ///
    /// # Errors
    /// When there are no such subtitles, or no such line comes.
    pub async fn shows_subtitles(&self, name: &str, word: &str) -> Result<()> {
        let choice = format!("$$('caption-choice').find(choice => choice.innerText.trim() === '{name}')");
        self.until("$('captions-menu') || ($('captions').click(), false)").await?;
        self.until(&choice).await?;
        self.js(&format!("{choice}.click()")).await?;
        self.until("!$('captions-menu')").await?;
        self.shows_line(word).await
    }

    /// Waits for one line, of the second that plays.
    ///
    /// # Errors
    /// When none comes.
    pub async fn shows_line(&self, word: &str) -> Result<()> {
        self.until(&format!("lines().length === 1 && lines()[0] === `{word} ${{Math.floor(video().currentTime)}}`"))
            .await?;
        Ok(())
    }

    /// How much of the film is there, in whole percent, once the window tells.
    ///
    /// # Errors
    /// When it does not.
    pub async fn percent(&self) -> Result<u64> {
        let told = self.until("/\\d+ %/.test($('stats')?.innerText) && { text: $('stats').innerText }").await?;
        let text = told["text"].as_str().context("a text")?;
        let number = text.split(" %").next().and_then(|text| text.rsplit(' ').next()).context("a number")?;
        number.parse().with_context(|| format!("a number in {text}"))
    }

    /// Waits until the room stands or plays, as this window shows it.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn state_is(&self, state: &str) -> Result<()> {
        self.until(&format!("room().state === '{state}'")).await.map(drop)
    }
}
