//! Rooms in virtual time: viewers with wrong clocks, slow ways and real players' habits, kept together by our rules or by
//! those of others, in one and the same world. An observer who sees every true place tells how far apart they are.
//!
//! No IO, no clock, no hash order: a seed gives the same room on every machine. What the players and networks do was
//! measured or published, and is noted at each constant. What is deliberately not here: edits of the playlist but for going
//! on to the next film (playsync's own tests), relays that restart (there, too), pictures and sound.
#![warn(missing_docs)]

pub mod baselines;
mod device;
mod link;
mod observer;
mod ours;
mod outcome;
mod plain;
mod player;
mod rng;
pub mod run;
mod scenario;
mod scheme;
pub mod table;
pub mod verdict;
mod world;

pub use device::{ClockSpec, Device};
pub use link::{Link, LinkSpec};
pub use ours::{Mutant, Ours, OursRelay, OursViewer};
pub use outcome::{Histogram, Outcome};
pub use plain::Plain;
pub use player::{Model, Player, Sample};
pub use rng::Rng;
pub use scenario::{Cell, Incident, Scenario, SeatSpec};
pub use scheme::{Effect, Happening, Relay, Scheme, UserAct, Viewer};
pub use world::World;
