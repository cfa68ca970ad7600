//! A test case: its folders, its turn and its time.

use crate::process::root;
use anyhow::{Context as _, Result};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

/// One at a time: a window that plays video wants the whole machine, and deadlines assume it.
static TURN: Mutex<()> = Mutex::const_new(());

/// A test case: a folder for what it leaves to be looked at, and one for what it does not.
#[derive(Debug)]
pub struct Case {
    output: PathBuf,
    scratch: TempDir,
    began: Instant,
    _turn: MutexGuard<'static, ()>,
}

impl Case {
    /// Waits for its turn and empties `tests/output/<name>/`.
    ///
    /// # Errors
    /// When the folders cannot be made.
    pub async fn begin(name: &str) -> Result<Self> {
        let turn = TURN.lock().await;
        let output = root().join("tests/output").join(name);
        if output.exists() {
            std::fs::remove_dir_all(&output).context("empty the output folder")?;
        }
        std::fs::create_dir_all(&output).context("make the output folder")?;
        let scratch = tempfile::Builder::new().prefix("streamshare-").tempdir().context("make a scratch folder")?;
        Ok(Self { output, scratch, began: Instant::now(), _turn: turn })
    }

    /// Where screenshots and logs go; kept after the test.
    #[must_use]
    pub fn output(&self) -> &Path {
        &self.output
    }

    /// Where everything else goes; gone after the test.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// The log of one part.
    #[must_use]
    pub fn log(&self, part: &str) -> PathBuf {
        self.output.join(format!("{part}.log"))
    }
}

/// Tells how long it took, past the capture of what tests print: the sum of these is what everyone waits for.
impl Drop for Case {
    fn drop(&mut self) {
        // Nobody reads it: then it is not told.
        let _ = write!(std::io::stderr(), "({:.1} s) ", self.began.elapsed().as_secs_f64());
    }
}
