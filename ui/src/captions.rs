//! The captions of what plays, and what this player lacks for it: looks into the film, knows which subtitles there are, and shows those
//! that the person chose. The choice is this person's alone; nothing of it goes to the room.

mod choice;
mod delays;
mod look;

use crate::ports::ability::{self, Warnings};
use crate::ports::bytes::{self, Bytes};
use crate::ports::captions::CaptionTrack;
use crate::ports::player::Sample;
use crate::ports::torrents::TorrentsPort;
use crate::storage;
use crate::task::Task;
use choice::{Choice, Origin};
use delays::Delays;
use look::{cues_of, probe};
use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::{Rc, Weak};
use std::time::Duration;
use streamshare_ipc::{Opened, OpenedFile};
use streamshare_media::{Cue, Extractor, Media, SUBTITLE_LEN_MAX, TrackKind};
use web_sys::{File, Node};
use yew::Callback;

/// Seconds ahead of the player that lines are read from the film at least, where the player has less ready or does not say.
const AHEAD_MIN_S: f64 = 3.0;
/// And at most: reading on would only be early.
const AHEAD_MAX_S: f64 = 60.0;

/// What a view shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CaptionsView {
    /// The subtitles that there are, by number and name.
    pub(crate) choices: Vec<(u64, String)>,
    /// The one that is shown.
    pub(crate) chosen: Option<u64>,
    /// How much later than they say they are shown, in milliseconds; earlier where it is negative.
    pub(crate) delay_ms: i32,
    /// What the film has beside them that cannot be shown, in sentences.
    pub(crate) lacking: Vec<String>,
    /// What this player cannot do with the film, in sentences.
    pub(crate) notes: Vec<String>,
}

/// What happens to captions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CaptionsEvent {
    /// There may be something new to see.
    Changed,
    /// Subtitles that the person wants cannot be shown; the reason is for people.
    Failed(String),
}

/// The captions of a player. Dropping them ends what is read for them.
pub(crate) struct Captions {
    core: Rc<Core>,
}

struct Core {
    player: Node,
    track: Option<CaptionTrack>,
    torrents: Rc<dyn TorrentsPort>,
    state: RefCell<State>,
    /// From where and until when lines are wanted.
    wanted: Cell<(Duration, Duration)>,
    delays: RefCell<Delays>,
    on_event: Callback<CaptionsEvent>,
    this: Weak<Core>,
}

#[derive(Default)]
struct State {
    opened: Option<Opened>,
    film: Option<Rc<dyn Bytes>>,
    media: Option<Media>,
    choices: Vec<Choice>,
    chosen: Option<u64>,
    /// Of what is chosen.
    delay_ms: i32,
    lacking: Vec<String>,
    next_id: u64,
    warnings: Warnings,
    extractor: Option<Extractor>,
    /// Whether the extractor's bytes are being read.
    extracts: bool,
    /// What looks into the film, what reads a subtitle file or the film's lines, and what reads the person's own files.
    probing: Option<Task>,
    reading: Option<Task>,
    taking: Vec<Task>,
}

impl Captions {
    /// Of nothing yet.
    pub(crate) fn new(player: Node, torrents: Rc<dyn TorrentsPort>, on_event: Callback<CaptionsEvent>) -> Self {
        let core = Rc::new_cyclic(|this| Core {
            track: CaptionTrack::new(&player),
            player,
            torrents,
            state: RefCell::default(),
            wanted: Cell::default(),
            delays: RefCell::new(Delays::load()),
            on_event,
            this: this.clone(),
        });
        Self { core }
    }

    /// Nothing plays any more.
    pub(crate) fn close(&self) {
        let former = self.core.state.take();
        if let Some(track) = &self.core.track {
            track.clear();
        }
        drop(former);
    }

    /// This plays now.
    pub(crate) fn open(&self, opened: Opened) {
        self.close();
        let core = &self.core;
        let Some(file) = opened.files.iter().find(|file| file.index == opened.file_index).cloned() else { return };
        let mut state = core.state.borrow_mut();
        for (label, language, file) in choice::beside(&opened) {
            state.offer(label, language, Origin::Beside(file));
        }
        state.film = core.torrents.bytes(&opened, &file);
        if let Some(film) = state.film.clone() {
            let this = core.this.clone();
            state.probing = Some(Task::spawn(async move {
                let media = probe(&*film, file.length).await;
                if let (Some(core), Some(media)) = (this.upgrade(), media) {
                    core.take_media(media);
                }
            }));
        }
        state.opened = Some(opened);
        drop(state);
        core.choose_again();
    }

    /// The player is here now.
    pub(crate) fn follow(&self, sample: &Sample) {
        let position = sample.position.seconds();
        let ahead = sample.buffer.seconds().clamp(AHEAD_MIN_S, AHEAD_MAX_S);
        self.core.wanted.set((Duration::from_secs_f64(position), Duration::from_secs_f64(position + ahead)));
        self.core.extract();
        self.core.listen();
    }

    /// The person chooses one of them, or none.
    pub(crate) fn choose(&self, id: Option<u64>) {
        let memory = id.and_then(|id| self.core.state.borrow().find(id).map(Choice::memory));
        storage::set_captions(memory.as_deref());
        self.core.show(id);
    }

    /// Shows what is chosen so many milliseconds later, or earlier; by nothing as they say. Remembered for this film.
    pub(crate) fn delay(&self, by_ms: Option<i32>) {
        self.core.delay(by_ms);
    }

    /// Whether the player's controls are shown: lines at the bottom stand above them.
    pub(crate) fn make_room(&self, controls: bool) {
        if let Some(track) = &self.core.track {
            track.lift(controls);
        }
    }

    /// The person has subtitles for what plays, by the name that the page has for the file.
    pub(crate) fn take_path(&self, path: String) {
        let name = path.clone();
        self.take(name, async move { bytes::read_local(&path).await });
    }

    /// Likewise, chosen on the page.
    pub(crate) fn take_file(&self, file: File) {
        self.take(file.name(), bytes::read_file(file));
    }

    fn take(&self, name: String, read: impl Future<Output = Result<Vec<u8>, String>> + 'static) {
        let this = self.core.this.clone();
        let taking = Task::spawn(async move {
            let cues = cues_of(read.await).await;
            let Some(core) = this.upgrade() else { return };
            match cues {
                Ok(_) if core.state.borrow().opened.is_none() => {
                    core.on_event
                        .emit(CaptionsEvent::Failed("Play a video first, then drop its subtitles.".to_owned()));
                }
                Ok(cues) => {
                    let (label, language) = choice::named(&name);
                    let id = core.state.borrow_mut().offer(label, language, Origin::Local(Rc::new(cues)));
                    core.show(Some(id));
                }
                Err(reason) => {
                    core.on_event.emit(CaptionsEvent::Failed(format!("{}: {reason}", choice::file_name(&name))))
                }
            }
        });
        self.core.state.borrow_mut().taking.push(taking);
    }

    /// What there is to see now.
    pub(crate) fn view(&self) -> CaptionsView {
        let state = self.core.state.borrow();
        CaptionsView {
            choices: state.choices.iter().map(|choice| (choice.id, choice.label.clone())).collect(),
            chosen: state.chosen,
            delay_ms: state.delay_ms,
            lacking: state.lacking.clone(),
            notes: state.warnings.picture.iter().chain(&state.warnings.sound).cloned().collect(),
        }
    }
}

impl State {
    fn find(&self, id: u64) -> Option<&Choice> {
        self.choices.iter().find(|choice| choice.id == id)
    }

    /// What the delay of the chosen one is remembered by.
    fn key(&self) -> Option<String> {
        let (opened, choice) = (self.opened.as_ref()?, self.find(self.chosen?)?);
        Some(format!("{}/{} {}", opened.info_hash, opened.file_index, choice.label))
    }

    /// Adds a choice, under a name of its own.
    fn offer(&mut self, label: String, language: Option<&'static str>, origin: Origin) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let same = self.choices.iter().filter(|choice| choice.base == label).count();
        let shown = if same == 0 { label.clone() } else { format!("{label} {}", same + 1) };
        self.choices.push(Choice { id, label: shown, base: label, language, origin });
        id
    }
}

impl Core {
    fn take_media(&self, media: Media) {
        let mut state = self.state.borrow_mut();
        let is_sound = state.opened.as_ref().is_some_and(|opened| opened.mime.starts_with("audio/"));
        state.warnings = ability::warnings(&media, is_sound, |kind, codec| ability::ask(&self.player, kind, codec));
        let (texts, others): (Vec<_>, Vec<_>) =
            media.tracks_of(TrackKind::Subtitle).partition(|track| Extractor::new(&media, track.id).is_some());
        for track in texts {
            let (label, language) = choice::of_track(track);
            state.offer(label, language, Origin::Track(track.id));
        }
        state.lacking = choice::lacking(&others);
        state.media = Some(media);
        drop(state);
        self.choose_again();
        self.on_event.emit(CaptionsEvent::Changed);
    }

    /// Shows what the person chose for the last film, where there is the like.
    fn choose_again(&self) {
        let state = self.state.borrow();
        let Some(memory) = storage::captions().filter(|_| state.chosen.is_none()) else { return };
        let like = state.choices.iter().find(|choice| choice.memory() == memory).map(|choice| choice.id);
        drop(state);
        if like.is_some() {
            self.show(like);
        }
    }

    fn show(&self, id: Option<u64>) {
        let Some(track) = &self.track else { return };
        track.clear();
        let mut state = self.state.borrow_mut();
        (state.extractor, state.extracts, state.reading) = (None, false, None);
        state.chosen = id;
        state.delay_ms = state.key().map_or(0, |key| self.delays.borrow().get(&key));
        track.shift(f64::from(state.delay_ms) / 1e3);
        match id.and_then(|id| state.find(id)).map(|choice| choice.origin.clone()) {
            Some(Origin::Local(cues)) => track.add(&cues),
            Some(Origin::Beside(file)) => state.reading = self.read_beside(&state, &file),
            Some(Origin::Track(number)) => {
                state.extractor = state.media.as_ref().and_then(|media| Extractor::new(media, number));
            }
            None => {}
        }
        drop(state);
        self.extract();
        self.on_event.emit(CaptionsEvent::Changed);
    }

    fn delay(&self, by_ms: Option<i32>) {
        let mut state = self.state.borrow_mut();
        let (Some(key), Some(track)) = (state.key(), &self.track) else { return };
        state.delay_ms = self.delays.borrow_mut().change(key, by_ms);
        track.shift(f64::from(state.delay_ms) / 1e3);
        drop(state);
        self.extract();
        self.on_event.emit(CaptionsEvent::Changed);
    }

    fn read_beside(&self, state: &State, file: &OpenedFile) -> Option<Task> {
        let bytes = self.torrents.bytes(state.opened.as_ref()?, file)?;
        let (this, length, path) = (self.this.clone(), file.length, file.path.clone());
        Some(Task::spawn(async move {
            let read = match length {
                0 => Ok(Vec::new()),
                length if length > SUBTITLE_LEN_MAX as u64 => Err("The file is too large for subtitles.".to_owned()),
                length => bytes.read(0..length).await,
            };
            let cues = cues_of(read).await;
            let Some(core) = this.upgrade() else { return };
            match (cues, &core.track) {
                (Ok(cues), Some(track)) => track.add(&cues),
                (Ok(_), None) => {}
                (Err(reason), _) => {
                    core.state.borrow_mut().chosen = None;
                    core.on_event.emit(CaptionsEvent::Failed(format!("{}: {reason}", choice::file_name(&path))));
                }
            }
        }))
    }

    /// Reads the lines of the film that are wanted, one part after another.
    fn extract(&self) {
        let mut state = self.state.borrow_mut();
        if state.extracts || state.extractor.is_none() || self.next_part(&mut state).is_none() {
            return;
        }
        let Some(film) = state.film.clone() else { return };
        state.extracts = true;
        let this = self.this.clone();
        state.reading = Some(Task::spawn(async move {
            while let Some(range) = this.upgrade().and_then(|core| core.next_part(&mut core.state.borrow_mut())) {
                let start = range.start;
                let read = film.read(range).await;
                let Some(core) = this.upgrade() else { return };
                match read {
                    Ok(bytes) => core.take_part(start, &bytes),
                    Err(reason) => {
                        // The player will want the same bytes and say so; they are asked for again at the next look.
                        web_sys::console::debug_1(&reason.into());
                        break;
                    }
                }
            }
            if let Some(core) = this.upgrade() {
                core.state.borrow_mut().extracts = false;
            }
        }));
    }

    fn next_part(&self, state: &mut State) -> Option<Range<u64>> {
        // What is shown earlier is read from farther ahead.
        let delay = Duration::from_millis(state.delay_ms.unsigned_abs().into());
        let read_at = |shown_at: Duration| match state.delay_ms {
            0.. => shown_at.saturating_sub(delay),
            _ => shown_at + delay,
        };
        let (from, until) = self.wanted.get();
        state.extractor.as_mut()?.poll(read_at(from), read_at(until))
    }

    fn take_part(&self, start: u64, bytes: &[u8]) {
        let cues: Vec<Cue> = match &mut self.state.borrow_mut().extractor {
            Some(extractor) => extractor.feed(start, bytes),
            None => return,
        };
        if let Some(track) = self.track.as_ref().filter(|_| !cues.is_empty()) {
            track.add(&cues);
        }
    }

    /// What was said about the sound is taken back once it is heard.
    fn listen(&self) {
        let unsure = self.state.borrow().warnings.sound_is_unsure;
        if unsure && ability::has_heard(&self.player) == Some(true) {
            let mut state = self.state.borrow_mut();
            (state.warnings.sound, state.warnings.sound_is_unsure) = (None, false);
        }
    }
}
