//! The engine from outside: between two engines, with other makes of clients, as players and as attackers see it. One program, since
//! each links the engine; what counts for all of its process is in `leaks.rs` and `reads/`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod add;
mod browser;
#[path = "../common/mod.rs"]
mod common;
mod disk;
mod exchange;
mod foreign;
mod http;
mod limits;
mod pool;
mod prime;
