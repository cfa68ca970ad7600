//! The bridge to the desktop shell: commands and events, with the types of `streamshare-ipc`.

use js_sys::{Function, JSON, Promise, Reflect};
use serde::{Serialize, de::DeserializeOwned};
use std::cell::Cell;
use std::rc::Rc;
use streamshare_ipc::{ShellError, code};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_namespace = ["window", "__TAURI__", "core"], js_name = invoke)]
    fn invoke_js(command: &str, arguments: &JsValue) -> Result<Promise, JsValue>;
    #[wasm_bindgen(catch, js_namespace = ["window", "__TAURI__", "event"], js_name = listen)]
    fn listen_js(event: &str, handler: &JsValue) -> Result<Promise, JsValue>;
}

/// Whether the desktop shell surrounds this page.
pub(crate) fn available() -> bool {
    Reflect::has(&js_sys::global(), &"__TAURI__".into()).unwrap_or(false)
}

/// Calls a command that takes a request.
///
/// # Errors
/// What the shell answers; [`code::INTERNAL`] where the bridge itself fails.
pub(crate) async fn call<A: Serialize, R: DeserializeOwned>(command: &str, request: &A) -> Result<R, ShellError> {
    let json = serde_json::to_string(request).map_err(internal)?;
    invoke(command, &format!("{{\"request\":{json}}}")).await
}

/// Calls a command without an argument.
///
/// # Errors
/// As [`call`].
pub(crate) async fn ask<R: DeserializeOwned>(command: &str) -> Result<R, ShellError> {
    invoke(command, "{}").await
}

async fn invoke<R: DeserializeOwned>(command: &str, arguments: &str) -> Result<R, ShellError> {
    let arguments = JSON::parse(arguments).map_err(|e| shell_error(&e))?;
    let promise = invoke_js(command, &arguments).map_err(|e| shell_error(&e))?;
    let answer = JsFuture::from(promise).await.map_err(|e| shell_error(&e))?;
    from_js(&answer).map_err(internal)
}

fn internal(error: impl ToString) -> ShellError {
    ShellError { code: code::INTERNAL.to_owned(), message: error.to_string() }
}

/// The shell rejects with a [`ShellError`], its framework with a text.
fn shell_error(error: &JsValue) -> ShellError {
    from_js(error).unwrap_or_else(|_| internal(error.as_string().unwrap_or_else(|| format!("{error:?}"))))
}

fn from_js<T: DeserializeOwned>(value: &JsValue) -> Result<T, String> {
    let json = JSON::stringify(value).ok().and_then(|text| text.as_string()).unwrap_or_else(|| "null".to_owned());
    serde_json::from_str(&json).map_err(|e| e.to_string())
}

/// Hears an event of the shell until it is dropped.
pub(crate) struct Listener {
    handler: Option<Closure<dyn FnMut(JsValue)>>,
    registered: Option<Promise>,
    alive: Rc<Cell<bool>>,
}

impl Listener {
    /// Starts to listen; events before [`Listener::ready`] may be missed.
    pub(crate) fn new<T: DeserializeOwned + 'static>(event: &'static str, hear: impl Fn(T) + 'static) -> Self {
        let alive = Rc::new(Cell::new(true));
        let still_alive = Rc::clone(&alive);
        let handler = Closure::<dyn FnMut(JsValue)>::new(move |message: JsValue| {
            let payload = Reflect::get(&message, &"payload".into()).unwrap_or(JsValue::NULL);
            match from_js(&payload) {
                Ok(payload) if still_alive.get() => hear(payload),
                Ok(_) => (),
                Err(error) => web_sys::console::error_1(&format!("event {event}: {error}").into()),
            }
        });
        let registered = listen_js(event, handler.as_ref().unchecked_ref()).ok();
        Self { handler: Some(handler), registered, alive }
    }

    /// Returns once nothing is missed any more.
    pub(crate) async fn ready(&self) {
        if let Some(promise) = &self.registered {
            // A refusal shows at the first event that does not come; there is nothing to be done about it here.
            let _ = JsFuture::from(promise.clone()).await;
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.alive.set(false);
        let (handler, registered) = (self.handler.take(), self.registered.take());
        // The shell may call the handler until it took note: the handler has to live until then.
        spawn_local(async move {
            if let Some(promise) = registered
                && let Ok(unlisten) = JsFuture::from(promise).await
                && let Ok(unlisten) = unlisten.dyn_into::<Function>()
            {
                let _ = unlisten.call0(&JsValue::NULL);
            }
            drop(handler);
        });
    }
}
