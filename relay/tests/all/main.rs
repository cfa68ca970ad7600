//! The relay from outside, by plain peers and clients of other makes. One program, since each links all of the relay; what makes networks
//! of its own is in `nat.rs`.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod lifecycle;
mod rooms;
#[path = "../support/mod.rs"]
mod support;
mod swarm;
mod tracker;
mod tracker_foreign;
mod vanish;
