//! Where the desktop app and a browser differ: the player, the connection to the room, the torrents, what surrounds the
//! page. Sessions and views see the traits alone.

pub(crate) mod ability;
pub(crate) mod bytes;
pub(crate) mod captions;
mod files;
pub(crate) mod player;
pub(crate) mod room;
mod room_socketio;
mod room_tauri;
mod selection;
pub(crate) mod shelf;
pub(crate) mod shell;
mod shell_tauri;
mod shell_web;
mod swarm;
pub(crate) mod text;
pub(crate) mod torrents;
mod torrents_tauri;
mod torrents_web;
mod video;
