//! What holds the layout: which package may import which, how large a file may grow, and what has no clock of its own.

use anyhow::{Context as _, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every package and the packages of ours that it may import, for whatever purpose. A package that is not here, or an
/// import that is not, is a decision: docs/ARCHITECTURE.md tells which way the arrows point and why.
const MAY_IMPORT: [(&str, &[&str]); 14] = [
    ("streamshare-protocol", &[]),
    ("streamshare-playsync", &["streamshare-protocol"]),
    ("streamshare-sync-sim", &["streamshare-playsync", "streamshare-protocol"]),
    ("streamshare-ipc", &[]),
    ("streamshare-media", &[]),
    // A module that the page loads by itself, when it needs it.
    ("streamshare-encodings", &[]),
    ("streamshare-streaming", &["streamshare-media", "streamshare-webtorrent"]),
    ("streamshare-webtorrent", &[]),
    ("streamshare-relay", &["streamshare-playsync", "streamshare-protocol", "streamshare-webtorrent"]),
    ("streamshare-ui", &["streamshare-ipc", "streamshare-media", "streamshare-playsync", "streamshare-protocol"]),
    (
        "streamshare",
        &[
            "streamshare-ipc",
            "streamshare-media",
            "streamshare-protocol",
            "streamshare-relay",
            "streamshare-streaming",
            "streamshare-webtorrent",
        ],
    ),
    ("streamshare-tests", &["streamshare-protocol"]),
    (
        "streamshare-bench",
        &["streamshare-streaming", "streamshare-sync-sim", "streamshare-tests", "streamshare-webtorrent"],
    ),
    ("xtask", &[]),
];

/// Lines that no file may exceed.
const LINES_MAX: usize = 800;
/// Lines before a file's tests that no file should exceed.
const LINES_BEFORE_TESTS_MAX: usize = 400;
/// Files that exceed the second limit, and by how much they may: this list only shrinks.
const LARGE: [(&str, usize); 0] = [];

/// Sources that must behave alike on every machine and in every run, and the types that would break it.
const DETERMINISTIC: [&str; 3] = ["crates/protocol/src", "crates/playsync/src", "crates/sync-sim/src"];
const NOT_DETERMINISTIC: [&str; 4] = ["HashMap", "HashSet", "Instant", "SystemTime"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn dependencies_point_one_way() -> Result<()> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let output =
        cargo.current_dir(root()).args(["metadata", "--no-deps", "--format-version=1", "--offline"]).output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout).context("read cargo's metadata")?;
    let packages = metadata["packages"].as_array().context("a list of packages")?;
    let allowed: BTreeMap<_, _> = MAY_IMPORT.into_iter().collect();
    let mut seen = BTreeSet::new();
    for package in packages {
        let name = package["name"].as_str().context("a name")?;
        seen.insert(name);
        let allowed = allowed.get(name).with_context(|| format!("{name} is not in MAY_IMPORT"))?;
        for dependency in package["dependencies"].as_array().into_iter().flatten().filter(|d| d["path"].is_string()) {
            let imported = dependency["name"].as_str().context("a name")?;
            assert!(allowed.contains(&imported), "{name} must not import {imported}");
        }
    }
    let gone: Vec<_> = allowed.keys().filter(|name| !seen.contains(*name)).collect();
    assert!(gone.is_empty(), "in MAY_IMPORT but not in the workspace: {gone:?}");
    Ok(())
}

#[test]
fn files_stay_small() -> Result<()> {
    let mut complaints = Vec::new();
    let mut large: BTreeMap<_, _> = LARGE.into_iter().collect();
    for (path, text) in sources(&root())? {
        let lines = text.lines().count();
        if lines > LINES_MAX {
            complaints.push(format!("{path} has {lines} lines, more than {LINES_MAX}"));
        }
        let before_tests = before_tests(&text).lines().count();
        match large.remove(path.as_str()) {
            Some(limit) if before_tests > limit => {
                complaints.push(format!("{path} grew to {before_tests} lines before its tests, from {limit}"));
            }
            Some(_) if before_tests <= LINES_BEFORE_TESTS_MAX => {
                complaints.push(format!("{path} is small enough now: take it off the list"));
            }
            None if before_tests > LINES_BEFORE_TESTS_MAX => complaints.push(format!(
                "{path} has {before_tests} lines before its tests, more than {LINES_BEFORE_TESTS_MAX}: split it"
            )),
            Some(_) | None => {}
        }
    }
    complaints.extend(large.keys().map(|path| format!("{path} is gone: take it off the list")));
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    Ok(())
}

#[test]
fn state_machines_have_no_clock_and_no_random_order() -> Result<()> {
    for folder in DETERMINISTIC {
        for (path, text) in sources(&root().join(folder))? {
            let code = before_tests(&text).lines().filter(|line| !line.trim_start().starts_with("//"));
            for (word, line) in code.flat_map(|line| NOT_DETERMINISTIC.map(|word| (word, line))) {
                let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
                assert!(!words.any(|w| w == word), "{folder}/{path} uses {word}: {line}");
            }
        }
    }
    Ok(())
}

fn before_tests(text: &str) -> &str {
    text.split("\n#[cfg(test)]").next().unwrap_or(text)
}

/// Every Rust source below a folder, by its path there, without what is built or installed.
fn sources(top: &Path) -> Result<Vec<(String, String)>> {
    let (mut found, mut folders) = (Vec::new(), vec![top.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with('.') && !["target", "node_modules", "corpus"].contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
                found.push((path.strip_prefix(top)?.to_string_lossy().into_owned(), text));
            }
        }
    }
    found.sort();
    Ok(found)
}
