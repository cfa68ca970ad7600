//! The app without its window: each command of the window, handed on to whoever does it.

use crate::{
    Folders, Gui, GuiEvent, OnRoomEvent, RoomLink, Settings,
    hosting::Hosting,
    ice,
    life::LimitsFile,
    openings::Waiting,
    torrents::{OnProgress, Torrents, shell_error},
    trackers,
};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use streamshare_ipc::{
    AddRequest, Added, Bootstrap, CancelRequest, Connect, DropEvent, Hosted, OpenRequest, Opened, Opening,
    PrepareRequest, PrimeRequest, RoomSend, ShellError, code,
};
use streamshare_protocol::{Name, limits::MESSAGE_BYTES_MAX};
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

/// How often the window hears of the torrents.
const STATS_EVERY: Duration = Duration::from_secs(1);
/// Longest end of the app: what is not done by then is left to the system.
const SHUTDOWN_MAX: Duration = Duration::from_secs(5);

/// The app without its window: everything that a command does, against a [`Gui`].
///
/// All of it runs on the Tokio runtime that [`Controller::start`] was called in.
pub struct Controller {
    gui: Arc<dyn Gui>,
    torrents: Torrents,
    limits: LimitsFile,
    hosting: Hosting,
    link: Mutex<Option<Linked>>,
    /// Held while the link is replaced or ended: one after the other, the former one's end awaited.
    replacing: tokio::sync::Mutex<()>,
    openings: Mutex<Waiting>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// The connection to a relay, and what else belongs to being in its rooms.
struct Linked {
    link: RoomLink,
    stop: CancellationToken,
    /// Asks for STUN and TURN servers, until `stop`.
    asking: JoinHandle<()>,
}

impl fmt::Debug for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controller").field("torrents", &self.torrents).finish_non_exhaustive()
    }
}

impl Controller {
    /// Starts the app: reads the settings and brings back the torrents of the last run. Neither can fail it: what went
    /// wrong waits as an [`Opening::Refused`] for the window.
    pub fn start(gui: Arc<dyn Gui>, folders: Folders) -> Arc<Self> {
        let mut openings = Waiting::default();
        let settings = Settings::load(&folders.home).unwrap_or_else(|error| {
            tracing::warn!(%error, "using the default settings");
            openings.push(vec![Opening::Refused { message: format!("{error} The default settings are used.") }]);
            Settings::default()
        });
        let downloads = settings.download_folder.clone().unwrap_or_else(|| folders.downloads.clone());
        let limits = LimitsFile::new(&folders.home, &downloads, settings.limits);
        let held = limits.for_engine(&settings.limits);
        let this = Arc::new(Self {
            gui,
            torrents: Torrents::new(&folders.home, downloads, &settings, held),
            limits,
            hosting: Hosting::new(settings.hosting.listen, &settings.network.ice_servers),
            link: Mutex::default(),
            replacing: tokio::sync::Mutex::default(),
            openings: Mutex::new(openings),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        this.tasks.spawn(Arc::clone(&this).start_engine());
        this.tasks.spawn(Arc::clone(&this).report_stats());
        this
    }

    /// What the window needs at its start.
    #[must_use]
    pub fn bootstrap(&self) -> Bootstrap {
        Bootstrap { version: env!("CARGO_PKG_VERSION").to_owned(), user_name: user_name() }
    }

    /// Starts the relay of this computer, once, and tells its addresses.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub async fn host_room(&self) -> Result<Hosted, ShellError> {
        Box::pin(self.hosting.host()).await
    }

    /// Connects to a relay, in the place of the one before; [`streamshare_ipc::RoomEvent`]s follow.
    ///
    /// # Errors
    /// When the address is not http(s). That nobody answers there is no error but an event.
    pub async fn room_connect(self: &Arc<Self>, request: Connect) -> Result<(), ShellError> {
        let relay = Url::parse(&request.relay).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let relay = relay.ok_or_else(|| shell_error(code::NETWORK, "this is not the address of a relay"))?;
        let _replacing = self.replacing.lock().await;
        self.end_link().await;
        if !self.stop.is_cancelled() {
            let gui = Arc::clone(&self.gui);
            let on_event: OnRoomEvent = Arc::new(move |event| gui.emit(GuiEvent::Room(event)));
            let stop = self.stop.child_token();
            self.torrents.set_room_trackers(trackers::of_relay(&relay));
            let this = Arc::clone(self);
            let asking =
                ice::follow(relay.clone(), stop.clone(), move |servers| this.torrents.set_relay_servers(servers));
            let asking = self.tasks.spawn(asking);
            *locked(&self.link) = Some(Linked { link: RoomLink::open(&relay, on_event), stop, asking });
        }
        Ok(())
    }

    /// Sends a message to the room, in the order of the calls: this does not wait, so that none overtakes another. It may
    /// be lost with the connection: after each `Up` the window's client tells its state anew.
    ///
    /// # Errors
    /// When it is no JSON object or too long, and while there is no connection.
    pub fn room_send(&self, request: RoomSend) -> Result<(), ShellError> {
        if request.json.len() > MESSAGE_BYTES_MAX {
            return Err(shell_error(code::INTERNAL, "this message is too long"));
        }
        let message: serde_json::Value =
            serde_json::from_str(&request.json).map_err(|error| shell_error(code::INTERNAL, &error.to_string()))?;
        if !message.is_object() {
            return Err(shell_error(code::INTERNAL, "a message is a JSON object"));
        }
        match locked(&self.link).as_ref() {
            Some(linked) => linked.link.send(message).map_err(|error| shell_error(code::NETWORK, &error.to_string())),
            None => Err(shell_error(code::NETWORK, "there is no connection to a relay")),
        }
    }

    /// Ends the connection to the relay; none of its events comes after this.
    pub async fn room_disconnect(&self) {
        let _replacing = self.replacing.lock().await;
        self.end_link().await;
    }

    /// Adds a torrent or a file and tells what to put into a playlist.
    ///
    /// # Errors
    /// See [`code`].
    pub async fn torrent_add(&self, request: AddRequest) -> Result<Added, ShellError> {
        Box::pin(self.torrents.add(request, self.on_progress())).await
    }

    /// Cancels the request with this number, if it is still under way.
    pub fn torrent_cancel(&self, request: CancelRequest) {
        self.torrents.cancel(request.op);
    }

    /// Makes a playlist item playable.
    ///
    /// # Errors
    /// See [`code`].
    pub async fn torrent_open(&self, request: OpenRequest) -> Result<Opened, ShellError> {
        Box::pin(self.torrents.open(request, self.on_progress())).await
    }

    /// Fetches what the player needs at a place that it is about to go to, before anything else.
    ///
    /// # Errors
    /// See [`code`].
    pub fn torrent_prime(&self, request: &PrimeRequest) -> Result<(), ShellError> {
        self.torrents.prime(request)
    }

    /// Gets a playlist item ready that comes next, while nothing else is needed.
    ///
    /// # Errors
    /// See [`code`].
    pub async fn torrent_prepare(&self, request: PrepareRequest) -> Result<(), ShellError> {
        Box::pin(self.torrents.prepare(request)).await
    }

    /// Hands out what waits to be opened, each once.
    #[must_use]
    pub fn take_openings(&self) -> Vec<Opening> {
        locked(&self.openings).take()
    }

    /// Takes what the system asks to open, tells the window and brings it to the front.
    pub fn open_for_the_person(&self, openings: Vec<Opening>) {
        if !openings.is_empty() {
            locked(&self.openings).push(openings);
            self.gui.emit(GuiEvent::Openings);
        }
        self.gui.focus_window();
    }

    /// Passes on what is dragged over the window.
    pub fn dragged(&self, event: DropEvent) {
        self.gui.emit(GuiEvent::Drop(event));
    }

    pub(crate) fn torrents(&self) -> &Torrents {
        &self.torrents
    }

    pub(crate) fn limits(&self) -> &LimitsFile {
        &self.limits
    }

    /// Ends everything within 5 s: the connection, the hosted rooms, the torrents. Idempotent.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        let all = async {
            tokio::join!(
                self.room_disconnect(),
                Box::pin(self.hosting.shutdown()),
                Box::pin(self.torrents.shutdown()),
                self.tasks.wait()
            );
        };
        if timeout(SHUTDOWN_MAX, all).await.is_err() {
            tracing::warn!("not everything ended in time");
        }
    }

    async fn end_link(&self) {
        let former = locked(&self.link).take();
        if let Some(Linked { link, stop, asking }) = former {
            stop.cancel();
            // A panic in it was reported by the runtime.
            let _ = asking.await;
            self.torrents.set_relay_servers(Vec::new());
            self.torrents.set_room_trackers(Vec::new());
            link.close().await;
        }
    }

    async fn start_engine(self: Arc<Self>) {
        let started = tokio::select! {
            started = self.torrents.start() => started,
            () = self.stop.cancelled() => return,
        };
        if let Err(error) = started {
            tracing::warn!(error = %error.message, "no torrents for now");
            let message = format!("Torrents cannot be played at the moment. {}", error.message);
            locked(&self.openings).push(vec![Opening::Refused { message }]);
            self.gui.emit(GuiEvent::Openings);
        }
    }

    async fn report_stats(self: Arc<Self>) {
        let mut ticks = interval(STATS_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told_of_some = false;
        while self.stop.run_until_cancelled(ticks.tick()).await.is_some() {
            if self.gui.has_window() {
                let stats = self.torrents.stats();
                let are_there_some = !stats.is_empty();
                // That the last one was deleted has to be told, too.
                if are_there_some || told_of_some {
                    self.gui.emit(GuiEvent::Stats(stats));
                }
                told_of_some = are_there_some;
            }
        }
    }

    fn on_progress(&self) -> OnProgress {
        let gui = Arc::clone(&self.gui);
        Arc::new(move |progress| gui.emit(GuiEvent::Progress(progress)))
    }
}

/// What these locks guard is whole between any two statements: a panic elsewhere does not spoil it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name under which the person logged in, as a proposal; an account that is no person's is none.
fn user_name() -> Option<String> {
    let name = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|key| std::env::var(key).ok())?;
    let name = name.trim();
    let fits = name != "root" && Name::new(name).is_ok();
    fits.then(|| name.to_owned())
}
