//! Files that a person drags onto a window, with a real pointer.

use crate::process::{Process, bound, root};
use crate::{Case, Desktop};
use anyhow::Result;
use std::path::Path;
use std::time::Duration;

/// How long each step of a drag may take.
const STEP_LIMIT: Duration = Duration::from_secs(45);

impl Desktop {
    /// Drags files from another window onto the middle of this one, with the mouse, through X11's own protocol, and
    /// lets them go; keeps a picture while they hover. Returns when the drop was taken, in Unix milliseconds.
    ///
    /// # Errors
    /// When the window does not take them.
    pub async fn drop_files(&self, case: &Case, files: &[&Path]) -> Result<f64> {
        let mut command = bound("/usr/bin/python3")?;
        self.display().apply(&mut command);
        command.arg(root().join("tests/parts/drag_source.py")).args(files);
        let (mut source, said) = Process::spawn_piped("drag source", &mut command, &case.log("drag-source"))?;
        said.expect("ready", STEP_LIMIT)?;
        self.display().xdotool(&["mousemove", "40", "40", "mousedown", "1"])?;
        // A drag starts with a motion beyond GTK's threshold.
        self.display().xdotool(&["mousemove", "60", "52", "sleep", "0.05", "mousemove", "90", "80"])?;
        said.expect("begin", STEP_LIMIT)?;
        let steps: Vec<String> = (1..=10)
            .flat_map(|i| {
                [
                    "mousemove".into(),
                    (90 + i * 42).to_string(),
                    (80 + i * 26).to_string(),
                    "sleep".into(),
                    "0.03".into(),
                ]
            })
            .collect();
        self.display().xdotool(&steps.iter().map(String::as_str).collect::<Vec<_>>())?;
        self.until("shown('drop-overlay')").await?;
        self.painted().await?;
        self.screen("hover")?;
        let dropped = crate::unix_ms();
        self.display().xdotool(&["mouseup", "1"])?;
        said.expect("given", STEP_LIMIT)?;
        said.expect("end", STEP_LIMIT)?;
        source.kill();
        self.until("!shown('drop-overlay')").await?;
        Ok(dropped)
    }
}
