//! Builds the UI: cargo for wasm, wasm-bindgen for its JavaScript side, then the files that go beside it.

use crate::dist;
use anyhow::{Context, Result, ensure};
use sha1::{Digest, Sha1};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{
    env,
    fs::{self, File},
};

/// The UI has one profile: a debug build is 20 times larger and too slow to judge anything by.
const PROFILE: &str = "wasm-release";
const TARGET: &str = "wasm32-unknown-unknown";

/// What becomes wasm, and the name that it has there: the page, and what the page loads when it needs it.
const PACKAGES: [(&str, &str); 2] = [("streamshare-ui", "ui"), ("streamshare-encodings", "encodings")];

/// From the npm packages that package-lock.json pins: source below node_modules, name in ui/dist.
const FROM_NPM: [(&str, &str); 8] = [
    ("socket.io-client/dist/socket.io.min.js", "socket.io.min.js"),
    ("webtorrent/dist/webtorrent.min.js", "webtorrent.min.js"),
    ("webtorrent/LICENSE", "licenses/webtorrent.txt"),
    ("mediabunny/dist/bundles/mediabunny.min.mjs", "mediabunny.min.js"),
    ("mediabunny/LICENSE", "licenses/mediabunny.txt"),
    ("@fontsource-variable/inter/files/inter-latin-wght-normal.woff2", "fonts/inter-latin.woff2"),
    ("@fontsource-variable/inter/files/inter-latin-ext-wght-normal.woff2", "fonts/inter-latin-ext.woff2"),
    ("@fontsource-variable/inter/LICENSE", "fonts/LICENSE.txt"),
];

/// From ui/static, under the same name.
const OWN: [&str; 17] = [
    "index.html",
    "app.css",
    "boot.js",
    "icon.svg",
    "stream.js",
    "timer.js",
    "text.js",
    "swarm/ice.js",
    "swarm/index.js",
    "swarm/leaving.js",
    "swarm/metainfo.js",
    "swarm/reader.js",
    "swarm/remux.js",
    "swarm/report.js",
    "swarm/server.js",
    "swarm/stores.js",
    "swarm/webtorrent.js",
];

pub(crate) fn build(root: &Path) -> Result<()> {
    fs::create_dir_all(target(root)).context("make the target folder")?;
    // Two builds at once would write the same files; the lock goes with the file.
    let turn = File::create(target(root).join("ui-build.lock")).context("make the build's lock file")?;
    turn.lock().context("wait for another build of the UI")?;
    compile(root)?;
    let mut files = Vec::new();
    for (package, name) in PACKAGES {
        files.extend(bind(root, package, name)?);
    }
    for name in OWN {
        files.push((name.to_owned(), read(&root.join("ui/static").join(name))?));
    }
    for (source, name) in FROM_NPM {
        let path = root.join("node_modules").join(source);
        let bytes = read(&path).context("the npm packages are missing: run `npm ci` first")?;
        files.push((name.to_owned(), without_source_map(name, bytes)));
    }
    dist::write(&root.join("ui/dist"), &files)
}

/// Compiles what becomes wasm.
fn compile(root: &Path) -> Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(root)
        .args(["build", "--quiet", "--target", TARGET, "--profile", PROFILE])
        .args(PACKAGES.iter().flat_map(|(package, _)| ["-p", package]))
        .status()
        .context("start cargo")?;
    ensure!(status.success(), "cargo could not build the UI");
    Ok(())
}

fn target(root: &Path) -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// The wasm that cargo made of a package; of a library it has the library's name.
fn wasm_of(root: &Path, package: &str) -> Result<PathBuf> {
    let folder = target(root).join(TARGET).join(PROFILE);
    let names = [package.to_owned(), package.replace('-', "_")].map(|name| folder.join(format!("{name}.wasm")));
    names.into_iter().find(|path| path.exists()).with_context(|| format!("find the wasm of {package}"))
}

/// Makes `NAME.js` and `NAME_bg.wasm`, or takes those of the last run where the wasm is still the same.
fn bind(root: &Path, package: &str, name: &str) -> Result<Vec<(String, Vec<u8>)>> {
    let wasm = &wasm_of(root, package)?;
    let stage = target(root).join("ui-bindings").join(name);
    let stamp_path = stage.join("stamp");
    // The lock file pins wasm-bindgen, the other thing that the output depends on.
    let lock = read(&root.join("Cargo.lock"))?;
    let stamp = format!("{:x} {:x}", Sha1::digest(read(wasm)?), Sha1::digest(lock));
    if fs::read_to_string(&stamp_path).ok().as_ref() != Some(&stamp) {
        // The stamp goes first and comes last, so that an interrupted run is never taken for a whole one.
        if stage.exists() {
            fs::remove_dir_all(&stage).context("clear the bindings of the last build")?;
        }
        fs::create_dir_all(&stage).context("make a folder for the bindings")?;
        wasm_bindgen_cli_support::Bindgen::new()
            .input_path(wasm)
            .out_name(name)
            .web(true)?
            .typescript(false)
            .remove_name_section(true)
            .remove_producers_section(true)
            .generate(&stage)
            .context("run wasm-bindgen")?;
        fs::write(&stamp_path, stamp).context("write the stamp of the bindings")?;
    }
    let made = [format!("{name}.js"), format!("{name}_bg.wasm")];
    made.into_iter().map(|file| Ok((file.clone(), read(&stage.join(&file))?))).collect()
}

/// The source map is not shipped, and a link to it would make every opened console ask for it in vain.
fn without_source_map(name: &str, bytes: Vec<u8>) -> Vec<u8> {
    if !name.ends_with(".js") {
        return bytes;
    }
    match String::from_utf8(bytes) {
        Ok(text) => {
            let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with("//# sourceMappingURL=")).collect();
            (kept.join("\n") + "\n").into_bytes()
        }
        Err(error) => error.into_bytes(),
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read {}", path.display()))
}
