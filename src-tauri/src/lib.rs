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
mod browsers;
mod controller;
mod gui;
mod hosting;
mod ice;
mod life;
mod magnet;
mod openings;
mod ops;
mod room_link;
mod settings;
mod subtitles;
mod torrents;
mod trackers;

pub use app::run;
pub use controller::Controller;
pub use gui::{Gui, GuiEvent};
pub use openings::parse as parse_arguments;
pub use room_link::{OnRoomEvent, RoomLink, SendError};
pub use settings::{Folders, HostingSettings, NetworkSettings, Settings, SettingsError};

#[cfg(test)]
mod tests {
    use streamshare_ipc::command;

    #[test]
    fn the_window_may_call_our_commands_and_listen_and_nothing_else() {
        let capability: serde_json::Value =
            serde_json::from_str(include_str!("../capabilities/main.json")).expect("a capability");
        let mut allowed: Vec<_> =
            capability["permissions"].as_array().expect("a list").iter().filter_map(|p| p.as_str()).collect();
        allowed.sort_unstable();
        let commands = [
            command::BOOTSTRAP,
            command::HOST_ROOM,
            command::ROOM_CONNECT,
            command::ROOM_SEND,
            command::ROOM_DISCONNECT,
            command::TORRENT_ADD,
            command::TORRENT_CANCEL,
            command::TORRENT_OPEN,
            command::TORRENT_PRIME,
            command::TORRENT_PREPARE,
            command::SUBTITLE_READ,
            command::TORRENT_ACT,
            command::SETTINGS_GET,
            command::SETTINGS_SET,
            command::PICK_FILES,
            command::TAKE_OPENINGS,
        ];
        let mut expected: Vec<_> =
            commands.iter().map(|command| format!("allow-{}", command.replace('_', "-"))).collect();
        expected.extend(["core:event:allow-listen".to_owned(), "core:event:allow-unlisten".to_owned()]);
        expected.sort_unstable();
        assert_eq!(allowed, expected);
    }
}
