//! The desktop app: a Tauri shell around the UI, the torrent engine and a relay.
//!
//! [`Controller`] is the app without its window: it answers the window's commands (`streamshare-ipc`), keeps the connection
//! to the relay, hosts rooms, and maps the torrent engine to the window's terms. It speaks to the window through [`Gui`],
//! so that tests need none. [`run`] puts Tauri around it.
//!
//! What it deliberately does not do: it knows nothing of playlists, members and positions, which are the window's; media
//! bytes never pass through it; and the window can call nothing but the commands named here.
#![warn(missing_docs)]

mod app;
mod controller;
mod gui;
mod hosting;
mod magnet;
mod openings;
mod ops;
mod room_link;
mod settings;
mod torrents;

pub use app::run;
pub use controller::Controller;
pub use gui::{Gui, GuiEvent};
pub use openings::parse as parse_arguments;
pub use room_link::{OnRoomEvent, RoomLink, SendError};
pub use settings::{Folders, HostingSettings, NetworkSettings, Settings, SettingsError};
