//! A browser's tab around the page.

use super::files;
use super::shell::{Kind, ShellEvent, ShellPort};
use crate::{route, storage, task::Task};
use gloo_events::{EventListener, EventListenerOptions};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use streamshare_ipc::{DropEvent, Hosted, Opening, Source};
use streamshare_protocol::{Invitation, ResumeKey};
use wasm_bindgen::JsCast;
use web_sys::{DragEvent, Event, FileList, HtmlInputElement, Window};
use yew::Callback;

/// What a dropped thing is that is neither a file nor a text.
const NOTHING: &str = "There is no file and no link in what was dropped.";

type Room = Rc<RefCell<Option<(Invitation, ResumeKey)>>>;

pub(super) struct WebShell {
    room: Room,
    /// Opens the browser's dialog; outside of what Yew draws, so that it is there on every page.
    input: Option<HtmlInputElement>,
    _listeners: Vec<EventListener>,
}

impl WebShell {
    pub(super) fn new(on_event: Callback<ShellEvent>) -> Self {
        let room = Room::default();
        let mut listeners = Vec::new();
        let input = file_input();
        if let Some(input) = &input {
            listeners.push(EventListener::new(input, "change", {
                let (input, on_event) = (input.clone(), on_event.clone());
                move |_| {
                    input.files().iter().flat_map(sources).for_each(|source| tell(&on_event, source));
                    // So that the same file can be chosen again.
                    input.set_value("");
                }
            }));
        }
        if let Some(window) = web_sys::window() {
            listeners.push(EventListener::new(&window, "hashchange", {
                let on_event = on_event.clone();
                move |_| on_event.emit(ShellEvent::Address(route::invitation_in(&href())))
            }));
            // A reload comes here first, and so does closing the tab; the next page of this tab takes the key.
            listeners.push(EventListener::new(&window, "pagehide", {
                let room = Rc::clone(&room);
                move |_| {
                    if let Some((invitation, key)) = &*room.borrow() {
                        storage::leave_resume_key(invitation, key);
                    }
                }
            }));
            listeners.extend(drop_listeners(&window, &on_event));
        }
        Self { room, input, _listeners: listeners }
    }
}

/// A browser leaves the page for whatever is dropped on it, unless these take it.
fn drop_listeners(window: &Window, on_event: &Callback<ShellEvent>) -> Vec<EventListener> {
    // Every element under the pointer tells enter and leave; the drag is over the window while they don't even out.
    let depth = Rc::new(Cell::new(0_i32));
    ["dragenter", "dragover", "dragleave", "drop"]
        .into_iter()
        .map(|name| {
            let (depth, on_event) = (Rc::clone(&depth), on_event.clone());
            let options = EventListenerOptions::enable_prevent_default();
            EventListener::new_with_options(window, name, options, move |event: &Event| {
                event.prevent_default();
                match name {
                    "dragenter" => {
                        depth.set(depth.get() + 1);
                        on_event.emit(ShellEvent::Drop(DropEvent::Enter));
                    }
                    "dragleave" => {
                        depth.set(depth.get() - 1);
                        if depth.get() <= 0 {
                            depth.set(0);
                            on_event.emit(ShellEvent::Drop(DropEvent::Leave));
                        }
                    }
                    "drop" => {
                        depth.set(0);
                        on_event.emit(ShellEvent::Drop(DropEvent::Leave));
                        dropped(event).into_iter().for_each(|opening| on_event.emit(ShellEvent::Opening(opening)));
                    }
                    _ => (),
                }
            })
        })
        .collect()
}

/// A hidden field for files on the page.
fn file_input() -> Option<HtmlInputElement> {
    let document = web_sys::window()?.document()?;
    let input: HtmlInputElement = document.create_element("input").ok()?.dyn_into().ok()?;
    for (name, value) in [
        ("type", "file"),
        ("multiple", ""),
        ("hidden", ""),
        ("accept", "video/*,audio/*,.mkv,.torrent"),
        ("data-testid", "file-input"),
    ] {
        input.set_attribute(name, value).ok()?;
    }
    document.body()?.append_child(&input).ok()?;
    Some(input)
}

fn sources(list: &FileList) -> Vec<Source> {
    let files = (0..list.length()).filter_map(|index| list.get(index));
    files.map(|file| Source::Path { path: files::keep(file) }).collect()
}

fn tell(on_event: &Callback<ShellEvent>, source: Source) {
    on_event.emit(ShellEvent::Opening(Opening::Add { source }));
}

fn dropped(event: &Event) -> Vec<Opening> {
    let data = event.dyn_ref::<DragEvent>().and_then(DragEvent::data_transfer);
    let files = data.as_ref().and_then(|data| data.files()).map(|list| sources(&list)).unwrap_or_default();
    if !files.is_empty() {
        return files.into_iter().map(|source| Opening::Add { source }).collect();
    }
    let text = data.and_then(|data| data.get_data("text/plain").ok()).map(|text| text.trim().to_owned());
    vec![match text.filter(|text| !text.is_empty()) {
        Some(text) => Opening::Add { source: Source::Link { text } },
        None => Opening::Refused { message: NOTHING.to_owned() },
    }]
}

fn href() -> String {
    web_sys::window().and_then(|window| window.location().href().ok()).unwrap_or_default()
}

impl Drop for WebShell {
    fn drop(&mut self) {
        if let Some(input) = &self.input {
            input.remove();
        }
    }
}

impl ShellPort for WebShell {
    fn kind(&self) -> Kind {
        Kind::Web
    }

    fn host_room(&self, on_answer: Callback<Result<Hosted, String>>) -> Task {
        // The relay that served this page.
        Task::spawn(
            async move { on_answer.emit(Ok(Hosted { relay: route::relay_of_page(&href()), share: Vec::new() })) },
        )
    }

    fn pick_files(&self, on_answer: Callback<Result<Vec<String>, String>>) -> Task {
        // What is chosen comes as if it had been dropped; a dialog that is closed tells nothing.
        if let Some(input) = &self.input {
            input.click();
        }
        Task::spawn(async move { on_answer.emit(Ok(Vec::new())) })
    }

    fn set_room(&self, room: Option<(&Invitation, &ResumeKey)>) {
        let hash = room.map_or_else(
            || "#".to_owned(),
            |(invitation, _)| route::hash_for(invitation, &route::relay_of_page(&href())),
        );
        *self.room.borrow_mut() = room.map(|(invitation, key)| (invitation.clone(), key.clone()));
        if let Some(window) = web_sys::window() {
            // The same hash makes no event; a new one makes one that names the room that the page is in already.
            let _ = window.location().set_hash(&hash);
        }
    }

    fn resume_key(&self, invitation: &Invitation) -> Option<ResumeKey> {
        storage::take_resume_key(invitation)
    }

    fn invitation(&self) -> Option<Invitation> {
        route::invitation_in(&href())
    }
}
