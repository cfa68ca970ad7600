//! Tauri around the [`Controller`]: the window, the commands, the system's events.

use crate::{Controller, Folders, Gui, GuiEvent, openings, subtitles};
use anyhow::Context as _;
use std::{
    io::IsTerminal as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};
use streamshare_ipc::{
    ActRequest, AddRequest, Added, Bootstrap, CancelRequest, Connect, DropEvent, Hosted, LimitSettings, OpenRequest,
    Opened, Opening, PrepareRequest, PrimeRequest, RoomSend, SettingsView, ShellError, SubtitleRequest,
};
use tauri::{AppHandle, DragDropEvent, Emitter, Manager, RunEvent, State, Window, WindowEvent};
use tauri_plugin_dialog::DialogExt;
use tokio::sync::oneshot;

/// The only window's label.
const WINDOW: &str = "main";
/// How long the process waits for blocking work (disk, name resolution) once everything else has ended.
const RUNTIME_SHUTDOWN_MAX: Duration = Duration::from_millis(500);

type App<'a> = State<'a, Arc<Controller>>;

/// Runs the app until its window is closed or the system asks it to end. The arguments are links and files to open.
///
/// It reads these from the environment:
/// - `STREAMSHARE_HOME`: the app's folder (settings, the torrent engine's memory) instead of the platform's;
/// - `STREAMSHARE_LOG`, else `RUST_LOG`: what to log to stderr, as directives of tracing's `EnvFilter`;
/// - `TAURI_WEBVIEW_AUTOMATION=true`: lets WebKitWebDriver drive the window (read by Tauri);
/// - WebKitGTK's own variables. None is set here: `WEBKIT_DISABLE_DMABUF_RENDERER=1` helps where a driver leaves the
///   window blank, and costs smoothness everywhere else.
#[must_use]
pub fn run() -> ExitCode {
    log_to_stderr();
    match run_app() {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_app() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    tauri::async_runtime::set(runtime.handle().clone());
    let app = tauri::Builder::default()
        // First of all: a second start ends here, before it touches anything.
        .plugin(tauri_plugin_single_instance::init(|app, arguments, cwd| {
            open(app, arguments.get(1..).unwrap_or_default(), Path::new(&cwd));
        }))
        .plugin(tauri_plugin_deep_link::init())
        .plugin(tauri_plugin_dialog::init())
        .invoke_handler(tauri::generate_handler![
            bootstrap,
            host_room,
            room_connect,
            room_send,
            room_disconnect,
            torrent_add,
            torrent_cancel,
            torrent_open,
            torrent_prime,
            torrent_prepare,
            subtitle_read,
            torrent_act,
            settings_get,
            settings_set,
            pick_files,
            take_openings
        ])
        .setup(|app| setup(app.handle()).map_err(Into::into))
        .on_window_event(on_window_event)
        .build(tauri::generate_context!())
        .context("build the window")?;
    let code = app.run_return(on_run_event);
    runtime.shutdown_timeout(RUNTIME_SHUTDOWN_MAX);
    Ok(u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// What is logged unless the environment says otherwise. librqbit tells the names of films at `info`; the parts of WebRTC (all
/// named rtc) warn of whatever a peer does, with its address.
const LOG_DEFAULT: &str = "info,librqbit=warn,rtc=error";

/// To stderr, as `STREAMSHARE_LOG` or `RUST_LOG` say.
fn log_to_stderr() {
    use tracing_subscriber::EnvFilter;
    let directives = ["STREAMSHARE_LOG", "RUST_LOG"].iter().find_map(|key| std::env::var(key).ok());
    let filter = EnvFilter::new(directives.as_deref().filter(|text| !text.is_empty()).unwrap_or(LOG_DEFAULT));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
}

fn setup(app: &AppHandle) -> anyhow::Result<()> {
    let paths = app.path();
    let app_data = paths.app_data_dir().context("find the folder for app data")?;
    let home = std::env::var_os("STREAMSHARE_HOME").map(PathBuf::from);
    let folders = Folders::new(home, app_data, paths.download_dir().ok());
    let gui = Arc::new(TauriGui(app.clone()));
    // Tauri's handle enters the runtime; the setup itself runs outside of it.
    let controller = tauri::async_runtime::block_on(async { Controller::start(gui, folders) });
    app.manage(controller);
    let arguments: Vec<_> = std::env::args_os().skip(1).map(|text| text.to_string_lossy().into_owned()).collect();
    if !arguments.is_empty() {
        open(app, &arguments, &std::env::current_dir().unwrap_or_default());
    }
    end_on_signals(app.clone());
    Ok(())
}

/// Links and files from arguments. The deep-link plugin announces some of the links as well; nothing listens there, or
/// each would be opened twice.
fn open(app: &AppHandle, arguments: &[String], cwd: &Path) {
    hand_over(app, openings::parse(arguments, cwd));
}

fn hand_over(app: &AppHandle, openings: Vec<Opening>) {
    if let Some(controller) = app.try_state::<Arc<Controller>>() {
        controller.open_for_the_person(openings);
    }
}

/// A session that logs out, or a shell that interrupts: the app ends as if its window were closed.
#[cfg(unix)]
fn end_on_signals(app: AppHandle) {
    use tokio::signal::unix::{SignalKind, signal};
    tauri::async_runtime::spawn(async move {
        let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            tracing::warn!("signals end the app abruptly");
            return;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        app.exit(0);
    });
}

#[cfg(not(unix))]
fn end_on_signals(_: AppHandle) {}

fn on_window_event(window: &Window, event: &WindowEvent) {
    let WindowEvent::DragDrop(event) = event else { return };
    let event = match event {
        DragDropEvent::Enter { .. } => DropEvent::Enter,
        DragDropEvent::Leave => DropEvent::Leave,
        DragDropEvent::Drop { paths, .. } => {
            DropEvent::Drop { paths: paths.iter().map(|path| path.to_string_lossy().into_owned()).collect() }
        }
        DragDropEvent::Over { .. } | _ => return,
    };
    if let Some(controller) = window.try_state::<Arc<Controller>>() {
        controller.dragged(event);
    }
}

fn on_run_event(app: &AppHandle, event: RunEvent) {
    match event {
        // Tauri does not drop its managed state: what is to end is ended here.
        RunEvent::Exit => {
            if let Some(controller) = app.try_state::<Arc<Controller>>() {
                tauri::async_runtime::block_on(controller.shutdown());
            }
        }
        #[cfg(target_os = "macos")]
        RunEvent::Opened { urls } => {
            let urls: Vec<_> = urls.into_iter().map(String::from).collect();
            open(app, &urls, Path::new("/"));
        }
        _ => {}
    }
}

struct TauriGui(AppHandle);

impl Gui for TauriGui {
    fn emit(&self, event: GuiEvent) {
        let name = event.name();
        let sent = match event {
            GuiEvent::Room(payload) => self.0.emit_to(WINDOW, name, payload),
            GuiEvent::Drop(payload) => self.0.emit_to(WINDOW, name, payload),
            GuiEvent::Openings => self.0.emit_to(WINDOW, name, ()),
            GuiEvent::Progress(payload) => self.0.emit_to(WINDOW, name, payload),
            GuiEvent::Stats(payload) => self.0.emit_to(WINDOW, name, payload),
        };
        if let Err(error) = sent {
            tracing::debug!(%error, name, "the window does not listen");
        }
    }

    fn focus_window(&self) {
        if let Some(window) = self.0.get_webview_window(WINDOW) {
            // A window manager may refuse; the opening counts all the same.
            let shown = window.unminimize().and_then(|()| window.show()).and_then(|()| window.set_focus());
            if let Err(error) = shown {
                tracing::debug!(%error, "the window stays where it is");
            }
        }
    }

    fn has_window(&self) -> bool {
        self.0.get_webview_window(WINDOW).is_some()
    }
}

#[tauri::command]
fn bootstrap(app: App<'_>) -> Bootstrap {
    app.bootstrap()
}

#[tauri::command]
async fn host_room(app: App<'_>) -> Result<Hosted, ShellError> {
    app.host_room().await
}

#[tauri::command]
async fn room_connect(app: App<'_>, request: Connect) -> Result<(), ShellError> {
    app.room_connect(request).await
}

// Not async: such commands run one after the other, as they came.
#[tauri::command]
fn room_send(app: App<'_>, request: RoomSend) -> Result<(), ShellError> {
    app.room_send(request)
}

#[tauri::command]
async fn room_disconnect(app: App<'_>) -> Result<(), ShellError> {
    app.room_disconnect().await;
    Ok(())
}

#[tauri::command]
async fn torrent_add(app: App<'_>, request: AddRequest) -> Result<Added, ShellError> {
    app.torrent_add(request).await
}

#[tauri::command]
fn torrent_cancel(app: App<'_>, request: CancelRequest) {
    app.torrent_cancel(request);
}

#[tauri::command]
async fn torrent_open(app: App<'_>, request: OpenRequest) -> Result<Opened, ShellError> {
    app.torrent_open(request).await
}

// Async, since those alone run where tasks can be started.
#[tauri::command]
async fn torrent_prime(app: App<'_>, request: PrimeRequest) -> Result<(), ShellError> {
    app.torrent_prime(&request)
}

#[tauri::command]
async fn torrent_prepare(app: App<'_>, request: PrepareRequest) -> Result<(), ShellError> {
    app.torrent_prepare(request).await
}

#[tauri::command]
async fn subtitle_read(request: SubtitleRequest) -> Result<String, ShellError> {
    subtitles::read(request).await
}

#[tauri::command]
async fn torrent_act(app: App<'_>, request: ActRequest) -> Result<(), ShellError> {
    app.torrent_act(request).await
}

#[tauri::command]
async fn settings_get(app: App<'_>) -> Result<SettingsView, ShellError> {
    Ok(app.settings().await)
}

#[tauri::command]
async fn settings_set(app: App<'_>, request: LimitSettings) -> Result<SettingsView, ShellError> {
    app.set_limits(request).await
}

#[tauri::command]
async fn pick_files(window: Window) -> Result<Vec<String>, ShellError> {
    let media = [openings::VIDEO_EXTENSIONS, openings::AUDIO_EXTENSIONS].concat();
    let everything = [media.as_slice(), &["torrent"]].concat();
    let (answer, answered) = oneshot::channel();
    window
        .dialog()
        .file()
        .set_parent(&window)
        .set_title("Add to the playlist")
        .add_filter("Films and torrents", &everything)
        .add_filter("Torrents", &["torrent"])
        .add_filter("Films and sound", &media)
        .pick_files(move |paths| {
            // The command may have been given up: then nobody waits.
            let _ = answer.send(paths);
        });
    let paths = answered.await.ok().flatten().unwrap_or_default();
    let paths = paths.into_iter().filter_map(|path| path.into_path().ok());
    Ok(paths.map(|path| path.to_string_lossy().into_owned()).collect())
}

#[tauri::command]
fn take_openings(app: App<'_>) -> Vec<Opening> {
    app.take_openings()
}
