//! The desktop's torrents and limits, behind the shell.

use crate::ipc;
use streamshare_ipc::{Act, ActRequest, LimitSettings, SettingsView, TorrentStats, command, event};
use wasm_bindgen_futures::spawn_local;
use yew::Callback;

/// Hears of the torrents once a second, until it is dropped.
pub(crate) struct Watch {
    _listener: ipc::Listener,
}

/// Starts to hear.
pub(crate) fn watch(on_stats: Callback<Vec<TorrentStats>>) -> Watch {
    Watch { _listener: ipc::Listener::new(event::STATS, move |stats| on_stats.emit(stats)) }
}

/// Does something to a torrent, or to all; what fails is told to people. It shows in what [`watch`] hears next.
pub(crate) fn act(info_hash: Option<String>, act: Act, on_failure: Callback<String>) {
    // The shell goes through with it whether or not anybody waits.
    spawn_local(async move {
        if let Err(error) = ipc::call::<_, ()>(command::TORRENT_ACT, &ActRequest { info_hash, act }).await {
            on_failure.emit(error.message);
        }
    });
}

/// Asks for the settings. The answer's error is for people.
pub(crate) fn settings(on_answer: Callback<Result<SettingsView, String>>) {
    spawn_local(async move {
        on_answer.emit(ipc::ask(command::SETTINGS_GET).await.map_err(|error| error.message));
    });
}

/// Sets limits; answers how they are then. The answer's error is for people.
pub(crate) fn set_limits(limits: LimitSettings, on_answer: Callback<Result<SettingsView, String>>) {
    spawn_local(async move {
        on_answer.emit(ipc::call(command::SETTINGS_SET, &limits).await.map_err(|error| error.message));
    });
}
