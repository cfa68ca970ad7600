//! What the end-to-end tests are made of: real windows under Xvfb, real browsers, foreign torrent clients, the official
//! socket.io client and the relay's own binary, each in processes of its own, on loopback only.
//!
//! It mocks nothing and knows nothing of the product's insides: it sees what a person sees (elements by their
//! `data-testid`, the screen) and what a peer sees (messages, bytes). Waiting is always for a condition under a
//! deadline; what fails leaves a screenshot and the parts' logs in `tests/output/<case>/`.

mod browser;
mod case;
mod desktop;
mod display;
mod drag;
mod driver;
mod five;
mod foreign;
mod measure;
mod media;
mod page;
mod peer;
mod picture;
mod process;
mod relay;
mod swarm;
mod together;

pub use browser::{Browser, INSECURE_HOST};
pub use case::Case;
pub use desktop::{Desktop, Launch};
pub use display::Display;
pub use five::Five;
pub use foreign::ForeignPage;
pub use measure::{cpu_seconds, median, pss_kib, unix_ms};
pub use media::{Media, subtitles};
pub use page::Page;
pub use peer::{PlainPeer, Transport};
pub use picture::{Look, look};
pub use process::{Lines, Process, bound, root, target_folder};
pub use relay::Relay;
pub use swarm::{Seeder, Swarm, Torrent};
pub use together::{together, windows_together};
