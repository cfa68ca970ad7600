//! What a screenshot shows.

use crate::Desktop;
use anyhow::{Context as _, Result, bail};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// What a part of a picture looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// Mean brightness, from 0 (black) to 1.
    pub mean: f64,
    /// Standard deviation of the brightness: 0 where all is one colour.
    pub deviation: f64,
}

impl Look {
    /// Whether there is more to see than one dark plane. A test picture has a mean near 0.5 and deviates by 0.3; an
    /// empty player is below 0.1 in both.
    #[must_use]
    pub fn is_a_picture(self) -> bool {
        self.mean > 0.15 && self.deviation > 0.12
    }
}

/// Looks at a part of a picture, `area` as ImageMagick's geometry (WIDTHxHEIGHT+X+Y).
///
/// # Errors
/// When ImageMagick cannot read it.
pub fn look(file: &Path, area: &str) -> Result<Look> {
    let mut convert = Command::new("convert");
    convert.arg(file).args(["-crop", area, "+repage", "-colorspace", "Gray"]);
    let out = crate::process::run(convert.args(["-format", "%[fx:mean] %[fx:standard_deviation]", "info:"]))?;
    let text = String::from_utf8(out).context("read figures")?;
    let mut numbers = text.split_whitespace().map(str::parse::<f64>);
    let mut next = || numbers.next().context("two figures")?.context("a figure");
    Ok(Look { mean: next()?, deviation: next()? })
}

/// How long the screen may take to show what the page has.
const PAINT_LIMIT: Duration = Duration::from_secs(15);

impl Desktop {
    /// Takes pictures of the screen until the video can be seen in one; keeps the last.
    ///
    /// # Errors
    /// When there is no video, or no picture of it in time.
    pub async fn shows_video(&self, step: &str) -> Result<Look> {
        let [width, height, x, y] = self.video_area().await?;
        let area = format!("{width}x{height}+{x}+{y}");
        let end = Instant::now() + PAINT_LIMIT;
        loop {
            let seen = look(&self.screen(step)?, &area)?;
            if seen.is_a_picture() {
                return Ok(seen);
            }
            if Instant::now() > end {
                bail!("the screen shows no picture at {area}: {seen:?}");
            }
        }
    }

    /// Where the video's own picture is on the screen, without the bars around it: width, height, left and top in pixels.
    ///
    /// # Errors
    /// When the page is gone or shows no video.
    pub async fn video_area(&self) -> Result<[u32; 4]> {
        let code = "const v = video(), r = v.getBoundingClientRect(), k = Math.min(r.width / v.videoWidth, r.height / v.videoHeight);
            const w = v.videoWidth * k, h = v.videoHeight * k, d = devicePixelRatio;
            const x = screenX + r.x + (r.width - w) / 2, y = screenY + r.y + (r.height - h) / 2;
            return [w, h, x, y].map(n => Math.round(n * d))";
        serde_json::from_value(self.js(code).await?).context("an area")
    }
}
