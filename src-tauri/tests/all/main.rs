//! The app without its window. One program, since each links all of the app.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod controller;
mod meeting;
mod room_link;
mod support;
