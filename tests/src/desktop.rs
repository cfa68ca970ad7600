//! The desktop app in a real window, from its start to its end.

use crate::driver::session;
use crate::process::{Process, bound, built, kill_one, root, run, signal_group, target_folder, write_script};
use crate::{Case, Display, Media, Page};
use anyhow::{Context as _, Result, ensure};
use fantoccini::wd::Capabilities;
use rustix::process::Signal;
use serde_json::json;
use std::ffi::OsString;
use std::ops::Deref;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

/// What the app logs unless the environment says otherwise.
const LOG: &str = "info,streamshare=debug,streamshare_streaming=debug,streamshare_relay=debug";

/// How long the app may take to end: the 5 s that it gives itself, on a machine that is busy.
const CLOSE_LIMIT: Duration = Duration::from_secs(15);

/// How the app is started.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// What follows the program's name.
    pub arguments: Vec<OsString>,
    /// The tracker that it announces to, beside those that a torrent names.
    pub tracker: Option<String>,
}

impl Launch {
    /// With a tracker.
    #[must_use]
    pub fn with_tracker(tracker: &str) -> Self {
        Self { tracker: Some(tracker.to_owned()), ..Self::default() }
    }

    /// With an argument more.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }
}

/// The app in a real WebKitGTK window, on a screen and a session bus of its own, with a home of its own.
#[derive(Debug)]
pub struct Desktop {
    page: Page,
    home: PathBuf,
    log: PathBuf,
    driver: Process,
    display: Display,
}

impl Desktop {
    /// Starts the app and waits for its first page. The same name in the same case is the same home: what the app kept
    /// is there again.
    ///
    /// # Errors
    /// When something is not installed or the window does not come.
    pub async fn start(case: &Case, name: &str, launch: Launch) -> Result<Self> {
        let home = case.scratch().join(name);
        let log = case.log(name);
        write_settings(&home, launch.tracker.as_deref())?;
        let display = Display::start(&case.log(&format!("{name}-display")))?;
        let start = write_start_script(&home, &log)?;
        let mut command = bound("WebKitWebDriver")?;
        environment(&mut command, &home, &display);
        command.env("TAURI_WEBVIEW_AUTOMATION", "true").env("TAURI_AUTOMATION", "true");
        let arguments: Vec<_> = launch.arguments.iter().map(|a| a.to_string_lossy().into_owned()).collect();
        let mut capabilities = Capabilities::new();
        capabilities.insert("webkitgtk:browserOptions".into(), json!({ "binary": start, "args": arguments }));
        let (driver, client) =
            session("WebKitWebDriver", &mut command, capabilities, &case.log(&format!("{name}-driver"))).await?;
        let page = Page::new(client, case.output(), name);
        page.until("document.querySelector('[data-testid]') !== null").await?;
        page.js("hear()").await?;
        Ok(Self { page, home, log, driver, display })
    }

    /// The screen that the window is on.
    #[must_use]
    pub fn display(&self) -> &Display {
        &self.display
    }

    /// The folder that holds all that the app keeps.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// What the app said so far.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub fn log(&self) -> Result<String> {
        std::fs::read_to_string(&self.log).context("read the app's log")
    }

    /// The app's process id.
    ///
    /// # Errors
    /// When it never started.
    pub fn app_id(&self) -> Result<u32> {
        let id = std::fs::read_to_string(self.home.join("app.pid")).context("read the app's process id")?;
        id.trim().parse().context("the app's process id")
    }

    /// The process group that holds the app and all processes of its web engine, and the driver.
    #[must_use]
    pub fn group(&self) -> u32 {
        self.driver.id()
    }

    /// Kills the app as a crash does; nothing else of it is told.
    ///
    /// # Errors
    /// When it is gone already.
    pub fn kill(self) -> Result<()> {
        kill_one(self.app_id()?)
    }

    /// Closes the window as its frame's button does, and waits for the app to end by itself; answers what it said.
    ///
    /// # Errors
    /// When it is still there after the 5 s that the app gives itself and some more.
    pub fn close(self) -> Result<String> {
        let app = self.app_id()?;
        let mut closer = bound("/usr/bin/python3")?;
        self.display.apply(&mut closer);
        run(closer.arg(root().join("tests/parts/close_window.py")).arg("Streamshare"))?;
        let end = Instant::now() + CLOSE_LIMIT;
        while is_running(app) {
            ensure!(Instant::now() < end, "the app still runs after {CLOSE_LIMIT:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        self.log()
    }

    /// Stops the app and its web engine as a suspended computer does. The page answers nothing until [`Desktop::wake`].
    ///
    /// # Errors
    /// When it is gone.
    pub fn suspend(&self) -> Result<()> {
        signal_group(self.group(), Signal::STOP)
    }

    /// Lets it go on after [`Desktop::suspend`].
    ///
    /// # Errors
    /// When it is gone.
    pub fn wake(&self) -> Result<()> {
        signal_group(self.group(), Signal::CONT)
    }

    /// A video among the app's downloads, in whichever folder the app made for its torrent.
    ///
    /// # Errors
    /// When there is none.
    pub fn download(&self, media: Media) -> Result<PathBuf> {
        let mut found = run(Command::new("find").arg(self.home.join("downloads")).args(["-name", media.file_name()]))?;
        found.truncate(found.iter().position(|byte| *byte == b'\n').context("a video among the downloads")?);
        Ok(OsString::from_vec(found).into())
    }

    /// Starts the app once more in the same session, as opening a file does, and waits for that second process to end.
    ///
    /// # Errors
    /// When it does not end: it did not hand over to the first.
    pub fn launch_again(&self, arguments: &[&str]) -> Result<ExitStatus> {
        let mut command = bound(built("STREAMSHARE_APP", "streamshare")?)?;
        environment(&mut command, &self.home, &self.display);
        let mut second = Process::spawn("a second instance", command.args(arguments), &self.log)?;
        second.wait(Duration::from_secs(20))
    }

    /// Takes a picture of the screen, which unlike [`Page::shot`] is what a person really sees.
    ///
    /// # Errors
    /// When it cannot be taken.
    pub fn screen(&self, step: &str) -> Result<PathBuf> {
        let file = self.log.with_extension("").with_file_name(format!(
            "{}-screen-{step}.png",
            self.log.file_stem().unwrap_or_default().to_string_lossy()
        ));
        self.display.screenshot(&file)?;
        Ok(file)
    }
}

impl Deref for Desktop {
    type Target = Page;

    fn deref(&self) -> &Page {
        &self.page
    }
}

/// Everything that reaches beyond loopback is off.
fn write_settings(home: &Path, tracker: Option<&str>) -> Result<()> {
    let data = home.join("data");
    for folder in [&data, &home.join("downloads"), &home.join("runtime"), &target_folder().join("e2e")] {
        std::fs::create_dir_all(folder).context("make the app's home")?;
    }
    // Session services refuse a runtime folder that others can read.
    std::fs::set_permissions(home.join("runtime"), std::fs::Permissions::from_mode(0o700)).context("close a folder")?;
    let settings = json!({
        "downloadFolder": home.join("downloads"),
        "network": {
            "dht": false,
            "trackers": true,
            "utp": false,
            "localDiscovery": false,
            "iceServers": [],
            "upnp": false,
            "listen": "127.0.0.1:0",
            "extraTrackers": tracker.into_iter().collect::<Vec<_>>(),
        },
        "hosting": { "listen": "127.0.0.1:0" },
    });
    std::fs::write(data.join("settings.json"), settings.to_string()).context("write settings")
}

/// The driver silences what it starts and does not tell its process id; this keeps both.
fn write_start_script(home: &Path, log: &Path) -> Result<PathBuf> {
    let app = built("STREAMSHARE_APP", "streamshare")?;
    let script = format!(
        "#!/bin/sh\necho $$ > '{}/app.pid'\nexec '{}' \"$@\" >> '{}' 2>&1\n",
        home.display(),
        app.display(),
        log.display()
    );
    write_script(&home.join("start"), &script)
}

fn environment(command: &mut Command, home: &Path, display: &Display) {
    display.apply(command);
    command
        .env("HOME", home)
        .env("STREAMSHARE_HOME", home.join("data"))
        .env("XDG_DATA_HOME", home.join(".local/share"))
        .env("XDG_CONFIG_HOME", home.join(".config"))
        .env("XDG_CACHE_HOME", home.join(".cache"))
        .env("XDG_RUNTIME_DIR", home.join("runtime"))
        // Without it every start would look through all of GStreamer's plugins anew.
        .env("GST_REGISTRY", target_folder().join("e2e").join("gstreamer.registry"))
        .env("STREAMSHARE_LOG", std::env::var("STREAMSHARE_LOG").unwrap_or_else(|_| LOG.to_owned()))
        .env("RUST_BACKTRACE", "1");
}

/// Whether a process is there; one that ended and that nobody waited for is not.
fn is_running(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next()).is_some_and(|state| state != "Z")
}
