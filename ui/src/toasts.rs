//! Short messages that go away by themselves.

use gloo_timers::callback::Timeout;
use streamshare_playsync::Notice;
use yew::Callback;

/// Milliseconds that a message stays, by the time it takes to read a line and to understand trouble.
const INFO_MS: u32 = 4_000;
const ERROR_MS: u32 = 9_000;
/// More would cover the page; the oldest goes.
const SHOWN_MAX: usize = 4;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ToastKind {
    /// Something happened.
    Info,
    /// Something went wrong.
    Error,
}

impl ToastKind {
    /// As the page's attributes name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Error => "error",
        }
    }
}

/// A message on the page.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Toast {
    pub(crate) id: u64,
    pub(crate) kind: ToastKind,
    pub(crate) text: String,
}

/// The messages on the page.
pub(crate) struct Toasts {
    shown: Vec<(Toast, Timeout)>,
    next_id: u64,
    on_timeout: Callback<u64>,
}

impl Toasts {
    /// None yet; `on_timeout` hears of each whose time is over.
    pub(crate) fn new(on_timeout: Callback<u64>) -> Self {
        Self { shown: Vec::new(), next_id: 1, on_timeout }
    }

    /// Shows a message. One that stands already is only kept longer.
    pub(crate) fn show(&mut self, kind: ToastKind, text: String) {
        self.shown.retain(|(toast, _)| toast.text != text);
        if self.shown.len() == SHOWN_MAX {
            drop(self.shown.remove(0));
        }
        let id = self.next_id;
        self.next_id += 1;
        let on_timeout = self.on_timeout.clone();
        let stay_ms = if kind == ToastKind::Error { ERROR_MS } else { INFO_MS };
        let timeout = Timeout::new(stay_ms, move || on_timeout.emit(id));
        self.shown.push((Toast { id, kind, text }, timeout));
    }

    /// Takes all messages away.
    pub(crate) fn clear(&mut self) {
        self.shown.clear();
    }

    /// Takes a message away.
    pub(crate) fn dismiss(&mut self, id: u64) {
        self.shown.retain(|(toast, _)| toast.id != id);
    }

    /// What is to be shown, the oldest first.
    pub(crate) fn list(&self) -> Vec<Toast> {
        self.shown.iter().map(|(toast, _)| toast.clone()).collect()
    }
}

/// What to say for a notice; nothing for one that this version does not know.
pub(crate) fn notice_text(notice: &Notice) -> Option<(ToastKind, String)> {
    let info = |text: String| Some((ToastKind::Info, text));
    match notice {
        Notice::Entered(name) => info(format!("{name} joined")),
        Notice::Left(name) => info(format!("{name} left")),
        Notice::Played(name) => info(format!("{name} pressed play")),
        Notice::Paused(name) => info(format!("{name} paused")),
        Notice::Sought(name, to) => info(format!("{name} went to {}", crate::format::clock(*to))),
        Notice::Refused { message, .. } => Some((ToastKind::Error, message.clone())),
        Notice::Restored => info("The room is back as it was.".to_owned()),
        _ => None,
    }
}
