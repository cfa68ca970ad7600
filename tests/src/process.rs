//! Programs that end with the test that started them.

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// A process in a group of its own; dropping it kills the whole group, so that a failed test leaves nothing behind.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts a program with both outputs appended to a log.
    ///
    /// # Errors
    /// When it cannot be started, most often because it is not installed.
    pub fn spawn(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let out = open_log(log)?;
        let err = out.try_clone().context("clone the log's handle")?;
        Self::start(name, command.stdin(Stdio::null()).stdout(out).stderr(err))
    }

    /// Starts a program whose standard output is read line by line; its errors go to a log. Standard input is a pipe.
    ///
    /// # Errors
    /// When it cannot be started, most often because it is not installed.
    pub fn spawn_piped(name: &str, command: &mut Command, log: &Path) -> Result<(Self, Lines)> {
        let err = open_log(log)?;
        let mut process = Self::start(name, command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(err))?;
        let out = process.child.stdout.take().context("take the pipe")?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(out).lines().map_while(Result::ok);
            lines.take_while(|line| sender.send(line.clone()).is_ok()).for_each(drop);
        });
        Ok((process, Lines { name: name.to_owned(), lines }))
    }

    fn start(name: &str, command: &mut Command) -> Result<Self> {
        let child = command.process_group(0).spawn().with_context(|| format!("start {name}"))?;
        Ok(Self { name: name.to_owned(), child })
    }

    /// The process's id, which is its group's id, too.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The pipe to its standard input, once.
    pub fn take_stdin(&mut self) -> Option<std::process::ChildStdin> {
        self.child.stdin.take()
    }

    /// Kills the group without a chance to clean up, and waits.
    pub fn kill(&mut self) {
        if let Some(group) = pid(self.child.id()) {
            // A group that is gone already is what we want.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }

    /// Asks the process to end, and waits.
    ///
    /// # Errors
    /// When it is still there at the deadline.
    pub fn terminate(&mut self, within: Duration) -> Result<ExitStatus> {
        if let Some(pid) = pid(self.child.id()) {
            let _ = kill_process(pid, Signal::TERM);
        }
        self.wait(within)
    }

    /// Waits for the process to end by itself.
    ///
    /// # Errors
    /// When it is still there at the deadline.
    pub fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        let end = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().context("wait for a process")? {
                return Ok(status);
            }
            if Instant::now() > end {
                bail!("{} still runs after {within:?}", self.name);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A program that ends when the test that started it does, even where the test is interrupted and cleans nothing up: its
/// group is its own, so no signal of the terminal reaches it. The kernel watches the thread that spawns it.
///
/// # Errors
/// When it is not installed.
pub fn bound(program: impl AsRef<Path>) -> Result<Command> {
    let program = program.as_ref();
    let folders = std::env::var_os("PATH").unwrap_or_default();
    if !std::env::split_paths(&folders).any(|folder| folder.join(program).is_file()) {
        bail!("{} is not installed; `./dev test` installs what the tests need", program.display());
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]).arg(program);
    Ok(command)
}

/// Writes a script that can be run, and returns its path.
pub(crate) fn write_script(file: &Path, text: &str) -> Result<PathBuf> {
    std::fs::write(file, text).with_context(|| format!("write {}", file.display()))?;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).context("make a script executable")?;
    Ok(file.to_owned())
}

/// Kills one process by its id, without a chance to clean up.
///
/// # Errors
/// When there is no such process.
pub(crate) fn kill_one(id: u32) -> Result<()> {
    let pid = pid(id).context("a process id")?;
    kill_process(pid, Signal::KILL).context("kill a process")
}

/// Sends a signal to all processes of a group.
///
/// # Errors
/// When there is no such group.
pub(crate) fn signal_group(id: u32, signal: Signal) -> Result<()> {
    let group = pid(id).context("a process id")?;
    kill_process_group(group, signal).context("signal a process group")
}

fn pid(id: u32) -> Option<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw)
}

fn open_log(log: &Path) -> Result<File> {
    OpenOptions::new().create(true).append(true).open(log).with_context(|| format!("open {}", log.display()))
}

/// What a program prints on its standard output. The channel is unbounded: the programs are ours and print little.
#[derive(Debug)]
pub struct Lines {
    name: String,
    lines: Receiver<String>,
}

impl Lines {
    /// The next line that it prints.
    ///
    /// # Errors
    /// When there is none in time or the program ended.
    pub fn next(&self, within: Duration) -> Result<String> {
        let line = self.lines.recv_timeout(within);
        line.with_context(|| format!("{} said nothing more within {within:?}", self.name))
    }

    /// As [`Lines::next`], for one particular line.
    ///
    /// # Errors
    /// As there, and when it says something else.
    pub fn expect(&self, word: &str, within: Duration) -> Result<()> {
        let line = self.next(within).with_context(|| format!("wait for {word}"))?;
        if line != word {
            bail!("{} said {line} instead of {word}", self.name);
        }
        Ok(())
    }

    /// The next line, if it was printed already.
    pub fn try_next(&self) -> Option<String> {
        self.lines.try_recv().ok()
    }
}

/// Runs a program to its end.
///
/// # Errors
/// When it cannot be started or fails; what it printed is in the error.
pub(crate) fn run(command: &mut Command) -> Result<Vec<u8>> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("start {program}"))?;
    if !output.status.success() {
        bail!("{program} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output.stdout)
}

/// A port of the loopback interface that was free a moment ago, for programs that cannot pick one themselves.
pub(crate) fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").context("look for a free port")?;
    Ok(listener.local_addr().context("look for a free port")?.port())
}

/// The repository's root.
#[must_use]
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

/// Where cargo puts what it builds.
#[must_use]
pub fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// A program of ours as `./dev` built it.
pub(crate) fn built(variable: &str, name: &str) -> Result<PathBuf> {
    let path = std::env::var_os(variable).map_or_else(|| target_folder().join("debug").join(name), PathBuf::from);
    if !path.is_file() {
        bail!("{} is not built; `./dev test` builds it", path.display());
    }
    Ok(path)
}
