//! What surrounds the page: the desktop app, or a browser's tab.

use super::{shell_tauri::TauriShell, shell_web::WebShell};
use crate::{ipc, task::Task};
use streamshare_ipc::{Bootstrap, DropEvent, Hosted, Opening, TorrentStats};
use streamshare_protocol::{Invitation, ResumeKey};
use yew::Callback;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The desktop app.
    Desktop,
    /// A browser.
    Web,
}

/// What comes from around the page.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ShellEvent {
    /// What the window needs at its start.
    Bootstrap(Bootstrap),
    /// Something is dragged over the window.
    Drop(DropEvent),
    /// The person opened something with the app.
    Opening(Opening),
    /// How the torrents are doing.
    Stats(Vec<TorrentStats>),
    /// The page's address names this room now, or none.
    Address(Option<Invitation>),
}

/// The surroundings. Dropping them ends their events.
pub(crate) trait ShellPort {
    /// Which kind it is.
    fn kind(&self) -> Kind;
    /// Finds a relay for a new room. The answer's error is for people.
    fn host_room(&self, on_answer: Callback<Result<Hosted, String>>) -> Task;
    /// Lets the person choose files.
    fn pick_files(&self, on_answer: Callback<Result<Vec<String>, String>>) -> Task;
    /// The room that the page is in from now on.
    fn set_room(&self, room: Option<(&Invitation, &ResumeKey)>);
    /// The key by which this window was in a room before.
    fn resume_key(&self, invitation: &Invitation) -> Option<ResumeKey>;
    /// The room that the page's address names.
    fn invitation(&self) -> Option<Invitation>;
}

/// The surroundings of this page.
pub(crate) fn create(on_event: Callback<ShellEvent>) -> Box<dyn ShellPort> {
    if ipc::available() { Box::new(TauriShell::new(on_event)) } else { Box::new(WebShell::new(on_event)) }
}
