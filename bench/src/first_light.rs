//! What a person waits for, in real windows.

use anyhow::{Context as _, Result};
use streamshare_tests::{Browser, Case, Desktop, Launch, Media, Page, Seeder, Swarm, median, pss_kib};

/// How often a drop is repeated, and a click in each direction.
const DROPS: usize = 5;
const CLICKS: usize = 20;

pub(crate) async fn first_light() -> Result<()> {
    let mut drops = Vec::new();
    for round in 0..DROPS {
        drops.push(drop_to_picture(round).await?);
    }
    print("drop of a .torrent to the first moving picture", "ms", &drops);
    reaction_and_memory().await
}

/// Milliseconds from the moment the mouse lets a .torrent go until the picture moves.
async fn drop_to_picture(round: usize) -> Result<f64> {
    let case = Case::begin(&format!("bench-first-light-{round}")).await?;
    let mut swarm = Swarm::start(&case, Seeder::Libtorrent, None).await?;
    let torrent = swarm.seed(Media::Mp4).await?;
    let desktop = Desktop::start(&case, "ada", Launch::default()).await?;
    desktop.start_room("Ada").await?;
    desktop
        .js("const timer = setInterval(() => {
                 if (video() && video().videoWidth > 0 && video().currentTime > 0) {
                     window.firstPicture = Date.now();
                     clearInterval(timer);
                 }
             }, 4)")
        .await?;
    let dropped = desktop.drop_files(&case, &[&torrent.file]).await?;
    let seen = desktop.until("window.firstPicture").await?.as_f64().context("a time")?;
    Ok(seen - dropped)
}

async fn reaction_and_memory() -> Result<()> {
    let case = Case::begin("bench-first-light").await?;
    let desktop = Desktop::start(&case, "ada", Launch::default()).await?;
    let link = desktop.start_room("Ada").await?;
    let browser = Browser::open(&case, "ben", &link).await?;
    browser.accept_invitation("Ben").await?;
    desktop.drop_files(&case, &[&Media::Mp4.file()?]).await?;
    desktop.plays().await?;
    browser.state_is("PLAYING").await?;
    let (sum, parts) = pss_kib(desktop.group())?;
    let driver: u64 = parts.iter().filter(|(name, _)| name.contains("WebDriver")).map(|(_, kib)| kib).sum();
    println!("memory of the app while playing: {} MiB (PSS)", (sum - driver) / 1024);
    for (name, kib) in parts.iter().filter(|(name, _)| !name.contains("WebDriver")) {
        println!("    {name}: {} MiB", kib / 1024);
    }
    for window in [&*desktop, &*browser] {
        watch(window).await?;
    }
    let (mut there, mut back) = (Vec::new(), Vec::new());
    for _ in 0..CLICKS {
        there.push(click_to_reaction(&browser, &desktop).await?);
        back.push(click_to_reaction(&desktop, &browser).await?);
    }
    print("click in the browser to the desktop's reaction", "ms", &there);
    print("click on the desktop to the browser's reaction", "ms", &back);
    Ok(())
}

/// Has a page note when the room's state changes in it.
async fn watch(page: &Page) -> Result<()> {
    let code = "window.changes = [];
        const note = (list) => list.filter(({ target }) => target.dataset.testid === 'play-toggle')
            .forEach(({ target }) => window.changes.push({ state: target.dataset.state, at: Date.now() }));
        new MutationObserver(note).observe(document.body, { subtree: true, attributeFilter: ['data-state'] })";
    page.js(code).await.map(drop)
}

/// Milliseconds from a click on play or pause in one window until the other shows the new state.
async fn click_to_reaction(from: &Page, to: &Page) -> Result<f64> {
    let state = from.room().await?["state"].as_str().context("a state")?.to_owned();
    to.state_is(&state).await?;
    to.js("window.changes = []").await?;
    let clicked = from.js("const at = Date.now(); $('play-toggle').click(); return at").await?;
    let clicked = clicked.as_f64().context("a time")?;
    let seen = to.until(&format!("window.changes.find(change => change.state !== '{state}')?.at")).await?;
    from.until(&format!("room().state !== '{state}'")).await?;
    Ok(seen.as_f64().context("a time")? - clicked)
}

fn print(what: &str, unit: &str, figures: &[f64]) {
    println!("{what}: median {:.0} {unit} of {}: {figures:.0?}", median(figures), figures.len());
}
