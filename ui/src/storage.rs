//! What the window remembers on this computer. A browser may forbid storage: then nothing is remembered.

use streamshare_protocol::{Invitation, ResumeKey};
use web_sys::Storage;

const NAME: &str = "streamshare.name";
const VOLUME: &str = "streamshare.volume";
const CAPTIONS: &str = "streamshare.captions";
const CAPTION_DELAYS: &str = "streamshare.captions.delays";
const MUTED: &str = "streamshare.muted";
const WATCHED: &str = "streamshare.watched";

fn lasting() -> Option<Storage> {
    web_sys::window()?.local_storage().ok()?
}

fn of_this_tab() -> Option<Storage> {
    web_sys::window()?.session_storage().ok()?
}

fn put(storage: Option<Storage>, key: &str, value: &str) {
    if let Some(storage) = storage {
        // Full or forbidden: what follows works without.
        let _ = storage.set_item(key, value);
    }
}

fn take(storage: Option<Storage>, key: &str) -> Option<String> {
    let storage = storage?;
    let value = storage.get_item(key).ok()?;
    let _ = storage.remove_item(key);
    value
}

/// The person's name.
pub(crate) fn name() -> Option<String> {
    lasting()?.get_item(NAME).ok()?
}

/// Remembers the person's name.
pub(crate) fn set_name(name: &str) {
    put(lasting(), NAME, name);
}

/// Volume from 0 to 1, and whether the sound is off.
pub(crate) fn sound() -> (f64, bool) {
    let get = |key| lasting().and_then(|storage| storage.get_item(key).ok()?);
    let volume = get(VOLUME).and_then(|text| text.parse::<f64>().ok()).filter(|v| (0.0..=1.0).contains(v));
    (volume.unwrap_or(1.0), get(MUTED).as_deref() == Some("true"))
}

/// Remembers [`sound`].
pub(crate) fn set_sound(volume: f64, muted: bool) {
    put(lasting(), VOLUME, &volume.to_string());
    put(lasting(), MUTED, if muted { "true" } else { "false" });
}

/// Which subtitles the person chose last, if any: how they may be known again in another film.
pub(crate) fn captions() -> Option<String> {
    lasting()?.get_item(CAPTIONS).ok()?.filter(|text| !text.is_empty())
}

/// Remembers [`captions`].
pub(crate) fn set_captions(memory: Option<&str>) {
    put(lasting(), CAPTIONS, memory.unwrap_or_default());
}

/// How much later or earlier subtitles are shown, as JSON.
pub(crate) fn caption_delays() -> Option<String> {
    lasting()?.get_item(CAPTION_DELAYS).ok()?
}

/// Remembers [`caption_delays`].
pub(crate) fn set_caption_delays(json: &str) {
    put(lasting(), CAPTION_DELAYS, json);
}

/// Where films were left, as JSON.
pub(crate) fn watched() -> Option<String> {
    lasting()?.get_item(WATCHED).ok()?
}

/// Remembers [`watched`].
pub(crate) fn set_watched(json: &str) {
    put(lasting(), WATCHED, json);
}

fn resume_slot(invitation: &Invitation) -> String {
    format!("streamshare.resume.{invitation}")
}

/// Takes out the key that a reload of this tab left. It is taken, not read: a duplicated tab gets a copy of the storage
/// and must not get the key, else both would push each other out of the room for ever.
pub(crate) fn take_resume_key(invitation: &Invitation) -> Option<ResumeKey> {
    take(of_this_tab(), &resume_slot(invitation)).and_then(|text| ResumeKey::new(&text).ok())
}

/// Leaves a key for the page that this tab loads next.
pub(crate) fn leave_resume_key(invitation: &Invitation, key: &ResumeKey) {
    put(of_this_tab(), &resume_slot(invitation), key.as_str());
}
