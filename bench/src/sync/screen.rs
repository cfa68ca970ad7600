//! Reads the film's frame numbers off a screen, by ffmpeg: what a person in front of it sees, whatever the player says.

use super::film::{BITS, STRIP, number};
use anyhow::{Context as _, Result, ensure};
use std::{
    process::{Command, Stdio},
    time::Duration,
};
use streamshare_tests::Desktop;

/// Pictures a second that are taken of the screen.
const RATE: u32 = 60;

/// What a screen showed for a while: when (ms since the Unix epoch), which frame.
pub(super) async fn frames(desktop: &Desktop, time: Duration) -> Result<Vec<(f64, f64)>> {
    let [width, height, x, y] = desktop.video_area().await?;
    let strip = (f64::from(height) * STRIP).floor().max(2.0);
    let mut ffmpeg = Command::new("ffmpeg");
    desktop.display().apply(&mut ffmpeg);
    ffmpeg
        .args(["-nostdin", "-loglevel", "info", "-nostats", "-copyts", "-f", "x11grab", "-draw_mouse", "0"])
        .args(["-framerate", &RATE.to_string(), "-video_size", &format!("{}x{strip}", width & !1)])
        .args(["-grab_x", &x.to_string(), "-grab_y", &y.to_string()])
        // An option of the input: the output's times begin in 1970.
        .args(["-t", &time.as_secs_f64().to_string(), "-i", desktop.display().name()])
        .args(["-vf", &format!("scale={BITS}:1:flags=area,format=gray,showinfo"), "-fps_mode", "passthrough"])
        .args(["-f", "rawvideo", "-"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = tokio::task::spawn_blocking(move || ffmpeg.output()).await?.context("read the screen")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && !output.stdout.is_empty(), "ffmpeg saw no screen: {said}");
    // Microseconds since the Unix epoch, one line for each picture (ffmpeg, "showinfo").
    let times = said.lines().filter(|line| line.contains("showinfo") && line.contains(" pts_time:"));
    let times = times.filter_map(|line| line.split(" pts:").nth(1)?.split_whitespace().next()?.parse::<f64>().ok());
    let blocks = output.stdout.chunks_exact(BITS as usize);
    Ok(times.zip(blocks).map(|(us, blocks)| (us / 1000.0, f64::from(number(blocks)))).collect())
}
