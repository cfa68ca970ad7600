//! The window: which page it shows, and everything that outlives a page.

mod stays;

use crate::additions::Additions;
use crate::ports::shelf;
use crate::ports::shell::{self, ShellEvent, ShellPort};
use crate::ports::torrents::{self, AddEvent, TorrentsPort, source_label};
use crate::session::{Media, Session, SessionEvent};
use crate::storage;
use crate::task::Task;
use crate::toasts::{ToastKind, Toasts, notice_text};
use crate::views::{drop::DropOverlay, room::RoomPage, start::StartPage, toasts::ToastList};
use crate::watched::Watched;
use std::rc::Rc;
use streamshare_ipc::{Act, DropEvent, Hosted, Opening, Source, TorrentStats};
use streamshare_media::FileKind;
use streamshare_playsync::{Action, LinkState};
use streamshare_protocol::{Invitation, Name, PlaylistItem};
use web_sys::File;
use yew::prelude::*;

/// What the person asks for on the start page.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Entry {
    /// A new room, on the app's own relay or on the one at this address.
    Start { relay: Option<String> },
    /// The room that a link leads to.
    Join { link: String },
}

/// What the person asks for on the room's page, beside what the room does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wish {
    Leave,
    Retry,
    Add(Source),
    PickFiles,
    CancelAddition(u64),
    /// The torrent of what plays shall go on.
    ResumeTorrent,
    Sound {
        volume: f64,
        muted: bool,
    },
    /// Subtitles by their number, or none.
    Caption(Option<u64>),
    /// They are shown so many milliseconds later, or earlier; by nothing as they say.
    CaptionDelay(Option<i32>),
    /// Subtitles of the person's own.
    CaptionFile(File),
    Tell(ToastKind, String),
    /// The player's controls are shown, or not any more.
    Controls(bool),
}

pub(crate) enum Msg {
    Enter { name: String, entry: Entry },
    Hosted { name: Name, answer: Result<Hosted, String> },
    Session(SessionEvent),
    Act(Action),
    Wish(Wish),
    Picked(Result<Vec<String>, String>),
    Addition(u64, AddEvent),
    Shell(ShellEvent),
    Dismiss(u64),
}

struct Stay {
    session: Rc<Session>,
    invitation: Invitation,
}

pub(crate) struct App {
    shell: Box<dyn ShellPort>,
    torrents: Rc<dyn TorrentsPort>,
    additions: Additions,
    toasts: Toasts,
    stay: Option<Stay>,
    /// The name and the link that the start page begins with.
    name: String,
    link: String,
    form_error: Option<String>,
    /// The answer that the start page or a dialog waits for.
    asking: Option<Task>,
    picking: Option<Task>,
    /// What waits for a room to be added to.
    held: Vec<Source>,
    /// What waits for the room to answer.
    items: Vec<PlaylistItem>,
    stats: Vec<TorrentStats>,
    dragging: bool,
    watched: Watched,
    sound: (f64, bool),
}

impl Component for App {
    type Message = Msg;
    type Properties = ();

    fn create(ctx: &Context<Self>) -> Self {
        let link = ctx.link();
        let shell = shell::create(link.callback(Msg::Shell));
        let torrents = torrents::create(link.callback(|stats| Msg::Shell(ShellEvent::Stats(stats))));
        let additions = Additions::new(Rc::clone(&torrents), link.callback(|(id, event)| Msg::Addition(id, event)));
        let invited = shell.invitation();
        let mut app = Self {
            torrents,
            additions,
            toasts: Toasts::new(link.callback(Msg::Dismiss)),
            stay: None,
            name: storage::name().unwrap_or_default(),
            link: invited.as_ref().map(ToString::to_string).unwrap_or_default(),
            form_error: None,
            asking: None,
            picking: None,
            held: Vec::new(),
            items: Vec::new(),
            stats: Vec::new(),
            dragging: false,
            watched: Watched::load(),
            sound: storage::sound(),
            shell,
        };
        // A reload: the person was in this room a moment ago.
        if let (Some(invitation), Ok(name)) = (invited, Name::new(&app.name))
            && let Some(key) = app.shell.resume_key(&invitation)
        {
            let relay = invitation.relay().to_owned();
            app.enter(ctx, name, invitation, &relay, key);
        }
        app
    }

    fn update(&mut self, ctx: &Context<Self>, msg: Msg) -> bool {
        match msg {
            Msg::Enter { name, entry } => self.take_entry(ctx, &name, entry),
            Msg::Hosted { name, answer } => self.take_hosted(ctx, name, answer),
            Msg::Session(SessionEvent::Changed) => self.take_change(),
            Msg::Session(SessionEvent::Notice(notice)) => {
                if let Some((kind, text)) = notice_text(&notice) {
                    self.toasts.show(kind, text);
                }
            }
            Msg::Session(SessionEvent::Failed(reason)) => self.toasts.show(ToastKind::Error, reason),
            Msg::Act(action) => {
                if let Some(stay) = &self.stay {
                    stay.session.act(action);
                }
            }
            Msg::Wish(wish) => self.take_wish(ctx, wish),
            Msg::Picked(answer) => {
                self.picking = None;
                match answer {
                    Ok(paths) => self.add_paths(paths),
                    Err(reason) => self.toasts.show(ToastKind::Error, reason),
                }
            }
            Msg::Addition(id, event) => {
                if let Some(reason) = self.additions.handle(id, event) {
                    self.toasts.show(ToastKind::Error, reason);
                }
                self.take_added();
            }
            Msg::Shell(event) => self.take_shell_event(ctx, event),
            Msg::Dismiss(id) => self.toasts.dismiss(id),
        }
        true
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        let link = ctx.link();
        let page = match &self.stay {
            Some(stay) => self.room_page(ctx, stay),
            None => html! {
                <StartPage
                    kind={self.shell.kind()}
                    name={self.name.clone()}
                    link={self.link.clone()}
                    error={self.form_error.clone()}
                    busy={self.asking.is_some()}
                    held={self.held.iter().map(source_label).collect::<Vec<_>>()}
                    on_enter={link.callback(|(name, entry)| Msg::Enter { name, entry })}
                />
            },
        };
        html! {
            <>
                { page }
                <DropOverlay shown={self.dragging} />
                <ToastList toasts={self.toasts.list()} on_dismiss={link.callback(Msg::Dismiss)} />
            </>
        }
    }
}

impl App {
    fn room_page(&self, ctx: &Context<Self>, stay: &Stay) -> Html {
        let link = ctx.link();
        let snapshot = stay.session.snapshot();
        let stats = match &snapshot.media {
            Media::Opened { info_hash, .. } => self.stats.iter().find(|stats| stats.info_hash == *info_hash).cloned(),
            Media::Empty | Media::Opening(_) | Media::Failed(_) | Media::Unsupported => None,
        };
        // Called in the person's gesture itself: a detour through a message could lose it.
        let session = Rc::clone(&stay.session);
        html! {
            <RoomPage
                kind={self.shell.kind()}
                invitation={stay.invitation.clone()}
                {snapshot}
                player={stay.session.player_node()}
                {stats}
                pending={self.additions.list()}
                sound={self.sound}
                on_gesture={Callback::from(move |()| session.start_in_gesture())}
                on_action={link.callback(Msg::Act)}
                on_wish={link.callback(Msg::Wish)}
            />
        }
    }

    fn take_change(&mut self) {
        self.flush_items();
        let Some(stay) = &self.stay else { return };
        let look = self.watched.look(&stay.session.snapshot());
        if let Some(at) = look.begins {
            stay.session.begins_at(at);
        }
        if let Some((action, words)) = look.resume {
            stay.session.act(action);
            self.toasts.show(ToastKind::Info, words);
        }
    }

    /// Gives the room what is ready for it, once it answers.
    fn flush_items(&mut self) {
        if let Some(stay) = &self.stay
            && !self.items.is_empty()
            && stay.session.snapshot().room.link == LinkState::Joined
        {
            stay.session.act(Action::Append(std::mem::take(&mut self.items)));
        }
    }

    fn take_wish(&mut self, ctx: &Context<Self>, wish: Wish) {
        match wish {
            Wish::Leave => self.leave(),
            Wish::Retry => self.stay.iter().for_each(|stay| stay.session.retry()),
            Wish::Add(source) => self.additions.begin(source),
            Wish::PickFiles => self.picking = Some(self.shell.pick_files(ctx.link().callback(Msg::Picked))),
            Wish::CancelAddition(id) => {
                self.additions.cancel(id);
                self.take_added();
            }
            Wish::Sound { volume, muted } => {
                self.sound = (volume, muted);
                storage::set_sound(volume, muted);
                if let Some(stay) = &self.stay {
                    stay.session.set_sound(volume, muted);
                }
            }
            Wish::Caption(id) => self.stay.iter().for_each(|stay| stay.session.captions().choose(id)),
            Wish::ResumeTorrent => self.resume_torrent(ctx),
            Wish::CaptionDelay(by_ms) => self.stay.iter().for_each(|stay| stay.session.captions().delay(by_ms)),
            Wish::CaptionFile(file) => {
                self.stay.iter().for_each(|stay| stay.session.captions().take_file(file.clone()))
            }
            Wish::Tell(kind, text) => self.toasts.show(kind, text),
            Wish::Controls(shown) => self.stay.iter().for_each(|stay| stay.session.captions().make_room(shown)),
        }
    }

    fn resume_torrent(&self, ctx: &Context<Self>) {
        let media = self.stay.as_ref().map(|stay| stay.session.snapshot().media);
        if let Some(Media::Opened { info_hash, .. }) = media {
            let told = ctx.link().callback(|reason| Msg::Session(SessionEvent::Failed(reason)));
            shelf::act(Some(info_hash), Act::Resume, told);
        }
    }

    fn take_shell_event(&mut self, ctx: &Context<Self>, event: ShellEvent) {
        match event {
            ShellEvent::Bootstrap(bootstrap) => {
                if self.name.is_empty() {
                    self.name = bootstrap.user_name.unwrap_or_default();
                }
            }
            ShellEvent::Drop(DropEvent::Enter) => self.dragging = true,
            ShellEvent::Drop(DropEvent::Leave) => self.dragging = false,
            ShellEvent::Drop(DropEvent::Drop { paths }) => {
                self.dragging = false;
                self.add_paths(paths);
            }
            ShellEvent::Opening(Opening::Join { link }) => self.take_invitation(ctx, &link),
            ShellEvent::Opening(Opening::Add { source }) => self.add(source),
            ShellEvent::Opening(Opening::Refused { message }) => self.toasts.show(ToastKind::Error, message),
            ShellEvent::Stats(stats) => self.stats = stats,
            ShellEvent::Address(invitation) => {
                let here = self.stay.as_ref().map(|stay| &stay.invitation);
                if invitation.as_ref() != here {
                    match invitation {
                        Some(invitation) => self.take_invitation(ctx, &invitation.to_string()),
                        None => self.leave(),
                    }
                }
            }
        }
    }

    fn take_added(&mut self) {
        let items = self.additions.take_items();
        if !items.is_empty() {
            self.items.extend(items);
            self.flush_items();
        }
    }

    fn add_paths(&mut self, paths: Vec<String>) {
        paths.into_iter().for_each(|path| self.add(Source::Path { path }));
    }

    fn add(&mut self, source: Source) {
        // Subtitles are for what plays, and for this person alone.
        if let (Source::Path { path }, Some(stay)) = (&source, &self.stay)
            && FileKind::of(path) == FileKind::Subtitle
        {
            return stay.session.captions().take_path(path.clone());
        }
        if self.stay.is_some() { self.additions.begin(source) } else { self.held.push(source) }
    }
}
