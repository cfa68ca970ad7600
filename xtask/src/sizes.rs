//! Tells the size of what a browser has to fetch.

use anyhow::{Context, Result};
use std::fs;
use std::io::Write;
use std::path::Path;

/// Brotli's highest level: what a server sends that compresses once, when the files are embedded.
const QUALITY: i32 = 11;
/// Brotli's window of 2^22 bytes, the largest that every browser takes (RFC 7932).
const WINDOW: i32 = 22;

pub(crate) fn print(root: &Path) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{:<20}{:>10}{:>10}", "file", "bytes", "brotli")?;
    for name in [
        "ui_bg.wasm",
        "ui.js",
        "socket.io.min.js",
        "app.css",
        "webtorrent.min.js",
        "mediabunny.min.js",
        "encodings_bg.wasm",
    ] {
        let path = root.join("ui/dist").join(name);
        let bytes = fs::read(&path).with_context(|| format!("read {}: run `cargo xtask ui` first", path.display()))?;
        writeln!(out, "{name:<20}{:>10}{:>10}", bytes.len(), compressed(&bytes)?.len())?;
    }
    Ok(())
}

fn compressed(bytes: &[u8]) -> Result<Vec<u8>> {
    let parameters = brotli::enc::BrotliEncoderParams { quality: QUALITY, lgwin: WINDOW, ..Default::default() };
    let mut packed = Vec::new();
    brotli::BrotliCompress(&mut &bytes[..], &mut packed, &parameters).context("compress with brotli")?;
    Ok(packed)
}
