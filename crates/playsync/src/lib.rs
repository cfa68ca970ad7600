//! Both ends of synchronised playback as state machines: [`Room`] holds what a room agreed on, [`Client`] makes one
//! player follow it.
//!
//! Neither does IO, reads a clock, knows of sockets or of video elements: inputs come through `handle_*`, outputs leave
//! through `poll_output`, and time is an argument. So N clients and a room run in a simulation within milliseconds.
//!
//! The room's truth is one place in one item at one moment of the relay's clock, and whether it moves; every change has a
//! place in the order in which the relay took it, and the last one wins for everybody (docs/PROTOCOL.md, "Order").
#![warn(missing_docs)]

mod anchor;
mod client;
mod room;
mod time;

pub use client::{
    Action, Client, ClientConfig, Input, LinkState, MemberView, Notice, Output, PlayerKind, PlayerPhase, PlayerReport,
    Skew, View,
};
pub use room::{Delivery, JoinError, Joined, Room, RoomOutput};
pub use time::{MonoTime, Now, RelayTime};
