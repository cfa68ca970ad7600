//! Prepares what Tauri embeds: the permissions of our own commands, and a page to embed where the UI is not built yet.

use std::{fs, io, path::Path};

/// The commands the window may call; their permissions stand in `capabilities/main.json`.
const COMMANDS: &[&str] = &[
    "bootstrap",
    "host_room",
    "room_connect",
    "room_send",
    "room_disconnect",
    "torrent_add",
    "torrent_cancel",
    "torrent_open",
    "torrent_prime",
    "torrent_prepare",
    "subtitle_read",
    "torrent_act",
    "settings_get",
    "settings_set",
    "pick_files",
    "take_openings",
];

fn main() {
    stand_in_for_the_ui(Path::new("../ui/dist")).expect("../ui/dist can be written");
    // A UI that was built anew is embedded anew.
    println!("cargo::rerun-if-changed=../ui/dist");
    let manifest = tauri_build::AppManifest::new().commands(COMMANDS);
    tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest)).expect("tauri.conf.json is sound");
}

/// Without `ui/dist`, Tauri's macro fails even in `cargo check`: puts a page there that says what to do.
fn stand_in_for_the_ui(dist: &Path) -> io::Result<()> {
    let page = dist.join("index.html");
    if page.exists() {
        return Ok(());
    }
    fs::create_dir_all(dist)?;
    fs::write(
        page,
        "<!doctype html><meta charset=\"utf-8\"><title>Streamshare</title>\
         <p>The user interface is not built yet. Run <code>./dev run</code>.</p>\n",
    )
}
