//! Two players of one film, each in a program of its own, with a meter in each page.

use super::film::film;
use super::link::Link;
use super::skew::{Notes, skews};
use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::{
    ops::Deref,
    time::{Duration, Instant},
};
use streamshare_tests::{Browser, Case, Desktop, Launch, Page, Process, Relay, bound, root, target_folder};

/// The meter, as it runs in each page.
const METER: &str = include_str!("../../parts/meter.js");
/// How often a page that is hidden is told to note something: its own timers are slowed down.
const NOTE_EVERY: Duration = Duration::from_millis(50);
/// How often notes are fetched.
const FETCH_EVERY: Duration = Duration::from_secs(2);
/// How long the film may take to be everywhere, and a page to be ready.
const LIMIT: Duration = Duration::from_secs(90);
/// The links' seeds, one for each player.
const SEEDS: [u64; 2] = [1_000, 2_000];

/// Where a player is shown.
#[derive(Debug)]
pub(super) enum Window {
    Browser(Browser),
    Desktop(Box<Desktop>),
}

/// A player and what was noted of it.
#[derive(Debug)]
pub(super) struct Player {
    pub(super) window: Window,
    pub(super) notes: Notes,
    /// Its page is behind another.
    hidden: bool,
}

impl Deref for Player {
    type Target = Page;

    fn deref(&self) -> &Page {
        match &self.window {
            Window::Browser(browser) => browser,
            Window::Desktop(desktop) => desktop,
        }
    }
}

impl Player {
    fn new(window: Window) -> Self {
        Self { window, notes: Notes::default(), hidden: false }
    }

    /// The page's clock, in milliseconds since the Unix epoch.
    pub(super) async fn now_ms(&self) -> Result<f64> {
        self.js("return meter.now()").await?.as_f64().context("a time")
    }

    /// Whether the player gets what it is told, see `meter.js`.
    pub(super) async fn mode(&self, mode: &str) -> Result<()> {
        self.js(&format!("meter.mode('{mode}')")).await.map(drop)
    }

    /// Frames that were dropped and frames at all, so far.
    pub(super) async fn frames(&self) -> Result<[f64; 2]> {
        let quality = self.js("return meter.quality()").await?;
        Ok([0, 1].map(|at| quality[at].as_f64().unwrap_or(f64::NAN)))
    }

    /// Puts its window away. (Headless Chromium calls a tab behind another one visible.)
    pub(super) async fn hide(&mut self) -> Result<()> {
        self.client().minimize_window().await.context("put a window away")?;
        self.until("document.visibilityState === 'hidden'").await?;
        self.hidden = true;
        Ok(())
    }

    async fn fetch(&mut self) -> Result<()> {
        let taken = self.js("return meter.take()").await?;
        self.notes.add(&taken);
        Ok(())
    }
}

/// What keeps the two together.
#[derive(Debug)]
enum Keeper {
    /// A room on a relay, reached over bad links.
    Room { _relay: Relay, _links: Vec<Link> },
    /// A page of its own, which knows the machine's clock.
    Page { _server: Process },
}

/// The two.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) one: Player,
    pub(super) other: Player,
    keeper: Keeper,
    /// What its players run in ends with it.
    _case: Case,
}

impl Pair {
    /// Two browsers in a room. The film comes from the first and goes to the second through the swarm.
    pub(super) async fn browsers(minutes: u32) -> Result<Self> {
        let case = Case::begin("bench-sync").await?;
        let (relay, links, [ada, ben]) = room(&case).await?;
        let film = film(minutes)?;
        let one = Browser::open(&case, "ada", &ada).await?;
        one.accept_invitation("Ada").await?;
        let other = Browser::open(&case, "ben", &ben).await?;
        other.accept_invitation("Ben").await?;
        one.give_files(&[&film]).await?;
        let keeper = Keeper::Room { _relay: relay, _links: links };
        let pair = Self {
            one: Player::new(Window::Browser(one)),
            other: Player::new(Window::Browser(other)),
            keeper,
            _case: case,
        };
        pair.ready().await?;
        Ok(pair)
    }

    /// The desktop's window and a browser in a room. The film comes from the desktop.
    pub(super) async fn with_desktop(minutes: u32) -> Result<Self> {
        let case = Case::begin("bench-sync").await?;
        let (relay, links, [ada, ben]) = room(&case).await?;
        let film = film(minutes)?;
        let one = Desktop::start(&case, "ada", Launch::default()).await?;
        one.join_room("Ada", &ada).await?;
        let other = Browser::open(&case, "ben", &ben).await?;
        other.accept_invitation("Ben").await?;
        one.drop_files(&case, &[&film]).await?;
        let keeper = Keeper::Room { _relay: relay, _links: links };
        let pair = Self {
            one: Player::new(Window::Desktop(Box::new(one))),
            other: Player::new(Window::Browser(other)),
            keeper,
            _case: case,
        };
        pair.ready().await?;
        Ok(pair)
    }

    /// Two browsers with pages that `bench/parts/timing.mjs` serves.
    pub(super) async fn pages(minutes: u32, [one, other]: [&str; 2]) -> Result<Self> {
        let case = Case::begin("bench-sync").await?;
        let packages = target_folder().join("tools/bench/package.json");
        if !packages.is_file() {
            bail!("{} is missing; `./dev bench` installs what is measured beside", packages.display());
        }
        let mut server = bound("node")?;
        server.arg(root().join("bench/parts/timing.mjs")).arg(packages).arg(film(minutes)?);
        let (server, said) = Process::spawn_piped("node", &mut server, &case.log("pages"))?;
        let port = said.next(LIMIT)?;
        let mut windows = Vec::new();
        for (name, path) in [("ada", one), ("ben", other)] {
            let browser = Browser::open(&case, name, &format!("http://127.0.0.1:{port}{path}")).await?;
            browser.until_within(LIMIT, "window.ready").await?;
            // A person's click, without which a page must not play sound.
            browser.click("page").await?;
            browser.js(METER).await?;
            windows.push(Player::new(Window::Browser(browser)));
        }
        let (Some(other), Some(one)) = (windows.pop(), windows.pop()) else { bail!("two pages") };
        Ok(Self { one, other, keeper: Keeper::Page { _server: server }, _case: case })
    }

    /// Waits until both play a film that is all there, and puts meters into the pages.
    async fn ready(&self) -> Result<()> {
        for player in [&self.one, &self.other] {
            player.until_within(LIMIT, "video() && video().videoWidth > 0").await?;
            player.state_is("PLAYING").await?;
            player.plays().await?;
            player.js(METER).await?;
        }
        let end = Instant::now() + LIMIT;
        while self.other.percent().await? < 100 {
            anyhow::ensure!(Instant::now() < end, "the film does not come");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// Plays or stands; answers when it was asked for.
    pub(super) async fn set_playing(&mut self, plays: bool) -> Result<f64> {
        if let Keeper::Room { .. } = self.keeper {
            let state = if plays { "PLAYING" } else { "PAUSED" };
            let code =
                format!("const at = meter.now(); if (room().state !== '{state}') $('play-toggle').click(); return at");
            return self.one.js(&code).await?.as_f64().context("a time");
        }
        let place_s =
            self.one.js("return document.querySelector('video').currentTime").await?.as_f64().context("a place")?;
        self.set_course(place_s, if plays { 1.0 } else { 0.0 }).await
    }

    /// Goes to a place while playing; the first player's person asks for it, or the second's.
    pub(super) async fn seek(&mut self, to_s: f64, by_one: bool) -> Result<f64> {
        if let Keeper::Room { .. } = self.keeper {
            let player = if by_one { &self.one } else { &self.other };
            let code = format!(
                "const at = meter.now(), slider = $('seek'); slider.value = {to_s};
                 for (const type of ['input', 'change']) slider.dispatchEvent(new Event(type, {{ bubbles: true }}));
                 return at"
            );
            return player.js(&code).await?.as_f64().context("a time");
        }
        self.set_course(to_s, 1.0).await
    }

    async fn set_course(&mut self, place_s: f64, speed: f64) -> Result<f64> {
        let at = self.one.now_ms().await?;
        let course = json!({ "place": place_s, "at": at, "speed": speed });
        let code = format!("course({course})");
        tokio::try_join!(self.one.js(&code), self.other.js(&code))?;
        Ok(at)
    }

    /// Lets the keeper of a page that is no room begin.
    pub(super) async fn control(&self) -> Result<()> {
        if let Keeper::Page { .. } = self.keeper {
            tokio::try_join!(self.one.js("control()"), self.other.js("control()"))?;
        }
        Ok(())
    }

    /// Runs a script in both pages.
    pub(super) async fn both(&self, code: &str) -> Result<[Value; 2]> {
        let (one, other) = tokio::try_join!(self.one.js(code), self.other.js(code))?;
        Ok([one, other])
    }

    /// Takes notes for a while.
    pub(super) async fn watch(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        loop {
            let fetch_at = end.min(Instant::now() + FETCH_EVERY);
            while self.other.hidden && Instant::now() < fetch_at {
                self.other.js("meter.note()").await?;
                tokio::time::sleep(NOTE_EVERY).await;
            }
            tokio::time::sleep_until(fetch_at.into()).await;
            self.one.fetch().await?;
            self.other.fetch().await?;
            if Instant::now() >= end {
                return Ok(());
            }
        }
    }

    /// How far the first player was ahead of the second: when, and by how much, in milliseconds.
    pub(super) fn skews(&self, from_ms: f64, to_ms: f64) -> Vec<(f64, f64)> {
        skews(&self.one.notes, &self.other.notes, from_ms, to_ms)
    }
}

/// A relay, and a room on it as two people reach it, each over a link of their own.
async fn room(case: &Case) -> Result<(Relay, Vec<Link>, [String; 2])> {
    let relay = Relay::start(case).await?;
    let url = relay.url();
    let target = url.trim_start_matches("http://").parse().context("the relay's address")?;
    let mut links = Vec::new();
    for seed in SEEDS {
        links.push(Link::to(target, seed).await?);
    }
    let addresses = [0, 1].map(|at| format!("{}/#/room/bench-sync", links[at].url()));
    Ok((relay, links, addresses))
}
