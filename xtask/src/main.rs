//! What `cargo` alone cannot build: the UI (`ui/dist`), and what is measured of it.
//!
//! `wasm-bindgen` is linked in as a library, so the one lock file pins both of its halves and nothing needs installing.

mod dist;
mod sizes;
mod ui;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};

#[derive(Parser)]
#[command(about = "Builds the UI and measures it")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds ui/ to ui/dist; files that would stay the same are left untouched.
    Ui {
        /// Accepted for symmetry with cargo: the UI has one profile, the one that ships.
        #[arg(long)]
        release: bool,
    },
    /// Tells how large the built UI's files are, raw and as a server sends them.
    Sizes,
}

fn main() -> Result<()> {
    let root = root()?;
    match Arguments::parse().task {
        Task::Ui { release: _ } => ui::build(&root),
        Task::Sizes => sizes::print(&root),
    }
}

/// The workspace's folder.
fn root() -> Result<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().map(Path::to_owned).context("find the workspace above xtask")
}
