//! The window of Streamshare: one code base for the desktop's webview and for a browser.
//!
//! [`session`] drives the client state machine of `streamshare-playsync`; [`ports`] hold what differs between desktop and
//! browser; [`views`] show a snapshot and hand on what the person does. Nothing here decides about synchronisation.

mod additions;
mod alarm;
mod app;
mod captions;
mod clock;
mod format;
mod ids;
mod ipc;
mod next;
mod ports;
mod route;
mod session;
mod storage;
mod task;
mod toasts;
mod views;
mod watched;

fn main() {
    yew::Renderer::<app::App>::new().render();
}
