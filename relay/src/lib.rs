//! The relay: passes room messages between members over Socket.IO, serves the web client and is a BitTorrent tracker.
//!
//! It parses, routes and sends; what a room decides is in `streamshare-playsync`. Each room is one task that owns a
//! [`streamshare_playsync::Room`] and sends to each member itself, so that one member that reads slowly costs the others
//! nothing.
//!
//! A [`Relay`] runs on the caller's Tokio runtime and may exist several times in one process: it holds no global state,
//! handles no signals and never ends the process. It stores nothing on disk: the members are the memory of their rooms.
#![warn(missing_docs)]

mod addresses;
mod clock;
mod config;
mod hub;
mod ice;
mod incoming;
mod listener;
mod room;
mod server;
mod session;
mod tracker;
mod web;

pub use config::{ConfigError, RelayConfig, VANISH_MAX};
pub use ice::{IceServersConfig, IceUri, IceUriError, TurnSecret, TurnUser};
pub use server::{Ended, Relay, StartError};
pub use tracker::TrackerConfig;
