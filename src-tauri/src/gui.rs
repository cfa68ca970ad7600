//! What the app needs of its window: the seam between the two.

use streamshare_ipc::{DropEvent, Progress, RoomEvent, TorrentStats, event};

/// What the app tells its window.
#[derive(Clone, Debug, PartialEq)]
pub enum GuiEvent {
    /// Something happened to the connection to the relay.
    Room(RoomEvent),
    /// Something is dragged over the window.
    Drop(DropEvent),
    /// There are openings to take.
    Openings,
    /// How far a request is.
    Progress(Progress),
    /// How the torrents are doing.
    Stats(Vec<TorrentStats>),
}

impl GuiEvent {
    /// The event's name on the way to the window, one of [`streamshare_ipc::event`].
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Room(_) => event::ROOM,
            Self::Drop(_) => event::DROP,
            Self::Openings => event::OPENINGS,
            Self::Progress(_) => event::PROGRESS,
            Self::Stats(_) => event::STATS,
        }
    }
}

/// The window, as the [`crate::Controller`] sees it: the seam at which tests stand in for it.
///
/// Nothing here blocks or fails: a window that is gone takes no notice.
pub trait Gui: Send + Sync + 'static {
    /// Hands an event to the window. Events arrive in the order of the calls.
    fn emit(&self, event: GuiEvent);
    /// Brings the window before the person.
    fn focus_window(&self);
    /// Whether there is a window to show anything in.
    fn has_window(&self) -> bool;
}
