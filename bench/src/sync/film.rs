//! The film that is played: every frame says its own number, so that what is seen can be compared with what a player says.

use anyhow::{Context as _, Result, ensure};
use std::{path::PathBuf, process::Command};
use streamshare_tests::target_folder;

/// Frames a second, as in cinemas.
pub(super) const RATE: u32 = 24;
/// The code's blocks are a strip at the top of the picture, in Grey code from the lowest bit on the left; `meter.js` and
/// `screen.rs` read it.
pub(super) const BITS: u32 = 16;
/// The strip's share of the picture's height.
pub(super) const STRIP: f64 = 1.0 / 9.0;
/// Counts up whenever the film changes.
const VERSION: u32 = 1;

/// A film of this length, made at the first call.
pub(super) fn film(minutes: u32) -> Result<PathBuf> {
    let folder = target_folder().join("e2e").join(format!("sync-{VERSION}"));
    std::fs::create_dir_all(&folder).context("make the film's folder")?;
    let file = folder.join(format!("Counted {minutes} min.mp4"));
    if file.exists() {
        return Ok(file);
    }
    let unfinished = folder.join("unfinished.mp4");
    let seconds = minutes * 60;
    let code = format!(
        "color=c=black:s={BITS}x1:r={RATE}:d={seconds},format=gray,\
         geq=lum='255*mod(floor(N/pow(2,X))+floor(N/pow(2,X+1)),2)',scale=640:40:flags=neighbor,format=yuv420p"
    );
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-y"])
        .args(["-f", "lavfi", "-i", &code])
        .args(["-f", "lavfi", "-i", &format!("testsrc2=s=640x320:r={RATE}:d={seconds}")])
        .args(["-f", "lavfi", "-i", &format!("sine=f=330:d={seconds}")])
        .args(["-filter_complex", "[0:v][1:v]vstack[v]", "-map", "[v]", "-map", "2:a"])
        .args(["-c:v", "libx264", "-preset", "veryfast", "-crf", "34", "-pix_fmt", "yuv420p", "-g", "48"])
        .args(["-c:a", "aac", "-b:a", "64k", "-shortest", "-movflags", "+faststart"])
        .arg(&unfinished)
        .status()
        .context("start ffmpeg")?;
    ensure!(status.success(), "ffmpeg made no film");
    std::fs::rename(&unfinished, &file).context("name the film")?;
    Ok(file)
}

/// A frame's number, from the brightness of its blocks.
pub(super) fn number(blocks: &[u8]) -> u32 {
    let mut number = 0;
    for (bit, block) in blocks.iter().enumerate().rev() {
        let above = number >> (bit + 1) & 1;
        number |= (u32::from(*block > 127) ^ above) << bit;
    }
    number
}

#[cfg(test)]
mod tests {
    use super::{BITS, number};

    #[test]
    fn a_number_is_read_from_grey_code() {
        for n in [0_u32, 1, 2400, 7199, 50_399] {
            let blocks: Vec<u8> = (0..BITS).map(|bit| if (n ^ (n >> 1)) >> bit & 1 == 1 { 230 } else { 20 }).collect();
            assert_eq!(number(&blocks), n);
        }
    }
}
