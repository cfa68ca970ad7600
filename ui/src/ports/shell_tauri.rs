//! The desktop app around the page.

use super::shell::{Kind, ShellEvent, ShellPort};
use crate::{ipc, task::Task};
use std::cell::RefCell;
use streamshare_ipc::{Bootstrap, DropEvent, Hosted, Opening, TorrentStats, command, event};
use streamshare_protocol::{Invitation, ResumeKey};
use wasm_bindgen_futures::spawn_local;
use yew::Callback;

pub(super) struct TauriShell {
    /// Of the rooms that this window was in; there are few.
    keys: RefCell<Vec<(Invitation, ResumeKey)>>,
    _start: Task,
    _listeners: [ipc::Listener; 2],
}

impl TauriShell {
    pub(super) fn new(on_event: Callback<ShellEvent>) -> Self {
        let drops = ipc::Listener::new(event::DROP, {
            let on_event = on_event.clone();
            move |drop: DropEvent| on_event.emit(ShellEvent::Drop(drop))
        });
        let stats = ipc::Listener::new(event::STATS, {
            let on_event = on_event.clone();
            move |stats: Vec<TorrentStats>| on_event.emit(ShellEvent::Stats(stats))
        });
        let start = Task::spawn(async move {
            let openings = ipc::Listener::new(event::OPENINGS, {
                let on_event = on_event.clone();
                move |_: serde_json::Value| {
                    let on_event = on_event.clone();
                    spawn_local(async move { take_openings(&on_event).await });
                }
            });
            match ipc::ask::<Bootstrap>(command::BOOTSTRAP).await {
                Ok(bootstrap) => on_event.emit(ShellEvent::Bootstrap(bootstrap)),
                Err(error) => web_sys::console::error_1(&error.message.into()),
            }
            openings.ready().await;
            take_openings(&on_event).await;
            // The task owns the listener and ends with the port.
            std::future::pending::<()>().await;
        });
        Self { keys: RefCell::default(), _start: start, _listeners: [drops, stats] }
    }
}

/// The shell hands each opening out once, so this is never cut short.
async fn take_openings(on_event: &Callback<ShellEvent>) {
    match ipc::ask::<Vec<Opening>>(command::TAKE_OPENINGS).await {
        Ok(openings) => openings.into_iter().for_each(|opening| on_event.emit(ShellEvent::Opening(opening))),
        Err(error) => web_sys::console::error_1(&error.message.into()),
    }
}

impl ShellPort for TauriShell {
    fn kind(&self) -> Kind {
        Kind::Desktop
    }

    fn host_room(&self, on_answer: Callback<Result<Hosted, String>>) -> Task {
        Task::spawn(async move {
            on_answer.emit(ipc::ask(command::HOST_ROOM).await.map_err(|error| error.message));
        })
    }

    fn pick_files(&self, on_answer: Callback<Result<Vec<String>, String>>) -> Task {
        Task::spawn(async move {
            on_answer.emit(ipc::ask(command::PICK_FILES).await.map_err(|error| error.message));
        })
    }

    fn set_room(&self, room: Option<(&Invitation, &ResumeKey)>) {
        if let Some((invitation, key)) = room {
            let mut keys = self.keys.borrow_mut();
            keys.retain(|(known, _)| known != invitation);
            keys.push((invitation.clone(), key.clone()));
        }
    }

    fn resume_key(&self, invitation: &Invitation) -> Option<ResumeKey> {
        self.keys.borrow().iter().find(|(known, _)| known == invitation).map(|(_, key)| key.clone())
    }

    fn invitation(&self) -> Option<Invitation> {
        None
    }
}
