//! A screen and a session bus that nothing else shares.

use crate::process::{Process, bound, run};
use anyhow::Result;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// How long they may take to start.
const START_LIMIT: Duration = Duration::from_secs(20);

/// A screen of its own and a session bus of its own: a desktop session that nothing else shares.
#[derive(Debug)]
pub struct Display {
    name: String,
    bus_address: String,
    _xvfb: Process,
    _bus: Process,
}

impl Display {
    /// Starts both; the X server picks a free display number itself.
    ///
    /// # Errors
    /// When one of them does not start.
    pub fn start(log: &Path) -> Result<Self> {
        let mut xvfb = bound("Xvfb")?;
        xvfb.args(["-displayfd", "1", "-screen", "0", "1280x860x24", "-nolisten", "tcp", "-noreset"]);
        let (xvfb, said) = Process::spawn_piped("Xvfb", &mut xvfb, log)?;
        let name = format!(":{}", said.next(START_LIMIT)?);
        let mut bus = bound("dbus-daemon")?;
        bus.args(["--session", "--nofork", "--nopidfile", "--print-address=1"]);
        let (bus, said) = Process::spawn_piped("dbus-daemon", &mut bus, log)?;
        let bus_address = said.next(START_LIMIT)?;
        Ok(Self { name, bus_address, _xvfb: xvfb, _bus: bus })
    }

    /// As programs that take it as an argument name the screen.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Points a program at this screen and bus.
    pub fn apply(&self, command: &mut Command) {
        command
            .env("DISPLAY", &self.name)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.bus_address)
            .env("GDK_BACKEND", "x11")
            .env("NO_AT_BRIDGE", "1")
            .env_remove("WAYLAND_DISPLAY");
    }

    /// Takes a picture of the whole screen.
    ///
    /// # Errors
    /// When ImageMagick fails.
    pub fn screenshot(&self, file: &Path) -> Result<()> {
        let mut import = Command::new("import");
        self.apply(&mut import);
        run(import.args(["-silent", "-window", "root"]).arg(file)).map(drop)
    }

    /// Moves and clicks the mouse as a person does.
    ///
    /// # Errors
    /// When xdotool fails.
    pub fn xdotool(&self, arguments: &[&str]) -> Result<()> {
        let mut xdotool = Command::new("xdotool");
        self.apply(&mut xdotool);
        run(xdotool.args(arguments)).map(drop)
    }
}
