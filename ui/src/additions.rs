//! What is on its way into the playlist.

use crate::format;
use crate::ports::torrents::{AddEvent, Operation, TorrentsPort, source_label};
use std::rc::Rc;
use streamshare_ipc::{Phase, Progress, Source};
use streamshare_protocol::PlaylistItem;
use yew::Callback;

/// An addition as a view shows it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PendingView {
    pub(crate) id: u64,
    pub(crate) label: String,
    pub(crate) progress: Option<Progress>,
}

struct Pending {
    view: PendingView,
    /// A file of this computer: it takes seconds, and what was dropped after it waits for it. A link may take for ever.
    is_local: bool,
    /// What it came to, until it is its turn.
    done: Option<Vec<PlaylistItem>>,
    _operation: Operation,
}

/// The additions under way.
pub(crate) struct Additions {
    torrents: Rc<dyn TorrentsPort>,
    pending: Vec<Pending>,
    next_id: u64,
    on_event: Callback<(u64, AddEvent)>,
}

impl Additions {
    /// None yet; `on_event` gets what [`Additions::handle`] takes.
    pub(crate) fn new(torrents: Rc<dyn TorrentsPort>, on_event: Callback<(u64, AddEvent)>) -> Self {
        Self { torrents, pending: Vec::new(), next_id: 1, on_event }
    }

    /// Begins one.
    pub(crate) fn begin(&mut self, source: Source) {
        let id = self.next_id;
        self.next_id += 1;
        let (label, is_local) = (source_label(&source), matches!(source, Source::Path { .. }));
        let operation = self.torrents.add(source, self.on_event.reform(move |event| (id, event)));
        let view = PendingView { id, label, progress: None };
        self.pending.push(Pending { view, is_local, done: None, _operation: operation });
    }

    /// Takes what became of one; why it failed, for people, if it did. See [`Additions::take_items`] for the rest.
    pub(crate) fn handle(&mut self, id: u64, event: AddEvent) -> Option<String> {
        let index = self.pending.iter().position(|pending| pending.view.id == id)?;
        match event {
            AddEvent::Progress(progress) => self.pending[index].view.progress = Some(progress),
            AddEvent::Done(items) => self.pending[index].done = Some(items),
            AddEvent::Failed(reason) => {
                let label = self.pending.remove(index).view.label;
                return Some(format!("{label}: {reason}"));
            }
        }
        None
    }

    /// The items whose turn it is, in the order in which they were added: files that were dropped together come in the
    /// order of the drop, however long each takes.
    pub(crate) fn take_items(&mut self) -> Vec<PlaylistItem> {
        let (mut items, mut waits) = (Vec::new(), false);
        self.pending.retain_mut(|pending| match &mut pending.done {
            Some(done) if !waits => {
                items.append(done);
                false
            }
            done => {
                waits |= pending.is_local && done.is_none();
                true
            }
        });
        items
    }

    /// Cancels one.
    pub(crate) fn cancel(&mut self, id: u64) {
        self.pending.retain(|pending| pending.view.id != id);
    }

    /// Cancels all.
    pub(crate) fn clear(&mut self) {
        self.pending.clear();
    }

    /// What is to be shown.
    pub(crate) fn list(&self) -> Vec<PendingView> {
        self.pending.iter().map(|pending| pending.view.clone()).collect()
    }
}

/// What an operation is doing, for people.
pub(crate) fn progress_text(progress: Option<&Progress>) -> String {
    let Some(progress) = progress else { return "Opening...".to_owned() };
    let share = format::percent(progress.done, progress.total);
    match (progress.phase, share) {
        (Phase::Resolving, _) => "Looking for peers...".to_owned(),
        (Phase::Hashing, Some(percent)) => format!("Preparing to share... {percent} %"),
        (Phase::Hashing, None) => "Preparing to share...".to_owned(),
        (Phase::Checking, Some(percent)) => format!("Checking what is on the disk... {percent} %"),
        (Phase::Checking, None) => "Checking what is on the disk...".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_in_words() {
        let text = |phase, done, total| progress_text(Some(&Progress { op: 1, phase, done, total }));
        assert_eq!(text(Phase::Hashing, 512, 1024), "Preparing to share... 50 %");
        assert_eq!(text(Phase::Checking, 0, 0), "Checking what is on the disk...");
        assert_eq!(text(Phase::Resolving, 0, 0), "Looking for peers...");
        assert_eq!(progress_text(None), "Opening...");
    }
}
