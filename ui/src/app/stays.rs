//! Entering and leaving rooms.

use super::{App, Entry, Msg, Stay};
use crate::session::Session;
use crate::toasts::ToastKind;
use crate::{ids, ports::player, storage};
use std::rc::Rc;
use streamshare_ipc::Hosted;
use streamshare_playsync::ClientConfig;
use streamshare_protocol::{Invitation, Name, Playlist, ResumeKey};
use yew::prelude::*;

impl App {
    pub(super) fn take_entry(&mut self, ctx: &Context<Self>, name: &str, entry: Entry) {
        self.form_error = None;
        let name = match Name::new(name) {
            Ok(name) => name,
            Err(_) if name.trim().is_empty() => return self.refuse("Please enter your name first."),
            Err(error) => return self.refuse(&format!("This name {error}.")),
        };
        self.name = name.as_str().to_owned();
        storage::set_name(&self.name);
        match entry {
            Entry::Start { relay: Some(relay) } => {
                let room = ids::new_room();
                match Invitation::new(&relay, room) {
                    Ok(invitation) => self.join(ctx, name, invitation),
                    Err(_) => self.refuse("The relay's address has to look like http://host:7411."),
                }
            }
            Entry::Start { relay: None } => {
                let on_answer = ctx.link().callback(move |answer| Msg::Hosted { name: name.clone(), answer });
                self.asking = Some(self.shell.host_room(on_answer));
            }
            Entry::Join { link } => match Invitation::parse(&link) {
                Ok(invitation) => self.join(ctx, name, invitation),
                Err(error) => self.refuse(&error.to_string()),
            },
        }
    }

    fn refuse(&mut self, why: &str) {
        self.form_error = Some(why.to_owned());
    }

    pub(super) fn take_hosted(&mut self, ctx: &Context<Self>, name: Name, answer: Result<Hosted, String>) {
        self.asking = None;
        let hosted = match answer {
            Ok(hosted) => hosted,
            Err(reason) => return self.refuse(&reason),
        };
        let shared = hosted.share.first().unwrap_or(&hosted.relay);
        match Invitation::new(shared, ids::new_room()) {
            Ok(invitation) => {
                let key = ids::new_key();
                self.enter(ctx, name, invitation, &hosted.relay, key);
            }
            Err(error) => self.refuse(&error.to_string()),
        }
    }

    fn join(&mut self, ctx: &Context<Self>, name: Name, invitation: Invitation) {
        let key = self.shell.resume_key(&invitation).unwrap_or_else(ids::new_key);
        let relay = invitation.relay().to_owned();
        self.enter(ctx, name, invitation, &relay, key);
    }

    pub(super) fn enter(
        &mut self,
        ctx: &Context<Self>,
        name: Name,
        invitation: Invitation,
        relay: &str,
        key: ResumeKey,
    ) {
        // The former room is left before the next one is entered.
        self.stay = None;
        self.shell.set_room(Some((&invitation, &key)));
        self.torrents.enter(relay);
        self.watched.enter();
        let config = ClientConfig { name, room: invitation.room().clone(), resume_key: key, player: player::kind() };
        let on_event = ctx.link().callback(Msg::Session);
        let Some(session) = Session::new(config, relay, Rc::clone(&self.torrents), on_event) else {
            return self.refuse("This browser cannot show video.");
        };
        let (volume, muted) = self.sound;
        session.set_sound(volume, muted);
        self.link = invitation.to_string();
        self.stay = Some(Stay { session: Rc::new(session), invitation });
        for source in std::mem::take(&mut self.held) {
            self.additions.begin(source);
        }
    }

    pub(super) fn leave(&mut self) {
        self.stay = None;
        self.toasts.clear();
        self.link.clear();
        self.items.clear();
        self.stats.clear();
        self.torrents.keep(&Playlist::default());
        self.additions.clear();
        self.shell.set_room(None);
    }

    /// Someone opened an invitation: a person with a name joins at once, another one is asked for it.
    pub(super) fn take_invitation(&mut self, ctx: &Context<Self>, link: &str) {
        let invitation = match Invitation::parse(link) {
            Ok(invitation) => invitation,
            Err(error) => return self.toasts.show(ToastKind::Error, error.to_string()),
        };
        if self.stay.as_ref().is_some_and(|stay| stay.invitation == invitation) {
            return;
        }
        self.link = invitation.to_string();
        // Without a name there was no room yet; the start page asks for it.
        if let Ok(name) = Name::new(&self.name) {
            if self.stay.is_some() {
                self.additions.clear();
                self.items.clear();
            }
            self.join(ctx, name, invitation);
        }
    }
}
