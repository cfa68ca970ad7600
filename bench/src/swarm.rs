//! One swarm of desktops and browsers: its channels, its whole path, its memory and its tracker, each beside what
//! webtorrent in Node uses for the same, in turns within one run.

mod channel;
pub(crate) mod client;
mod link;
pub(crate) mod load;
mod memory;
pub(crate) mod ours;
mod picture;
pub(crate) mod remote;
mod report;
mod tracker;
mod whole;

use anyhow::{Result, bail};

/// The parts, in the order in which they run.
pub(crate) const PARTS: [(&str, &str); 7] = [
    ("channel", "one channel between this machine's Rust and Chromium, both ways: MB/s and CPU"),
    ("delay", "the same with 40 ms there and back, at 100 Mbit/s"),
    ("loss", "the same with 40 ms, at 100 Mbit/s, and with 0.2 % of the packets lost"),
    ("whole", "a torrent from Chromium into librqbit and back: MB/s, CPU, join to first byte"),
    ("picture", "joining a room in the browser, while a desktop plays: to the first picture"),
    ("memory", "what a channel takes, idle and after traffic, with 50 of them"),
    ("tracker", "announces a second of the relay's tracker on one core"),
];

/// Measures one part, or all.
pub(crate) async fn run(only: Option<&str>) -> Result<()> {
    for (name, what) in crate::chosen(&PARTS, only)? {
        println!("-- {name}: {what}");
        match name {
            "channel" => channel::run(&channel::DIRECT).await?,
            "delay" => channel::run(&channel::DELAYED).await?,
            "loss" => channel::run(&channel::LOSSY).await?,
            "whole" => whole::run().await?,
            "picture" => Box::pin(picture::run()).await?,
            "memory" => memory::run().await?,
            "tracker" => tracker::run().await?,
            _ => bail!("{name} is listed and does not exist"),
        }
    }
    Ok(())
}
