//! Keyboard shortcuts of the player. Pure, but for reading where a key was pressed.

use streamshare_protocol::MediaTime;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlInputElement, KeyboardEvent};

/// Seconds that an arrow goes.
const STEP_S: f64 = 5.0;
/// By how much an arrow changes the volume.
const STEP_VOLUME: f64 = 0.1;

/// By how much a key shifts subtitles, in milliseconds: as mpv does.
pub(super) const STEP_DELAY_MS: i32 = 100;

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shortcut {
    Toggle,
    /// Seconds forward, or back.
    Seek(f64),
    /// Louder, or quieter.
    Volume(f64),
    Mute,
    Fullscreen,
    /// Subtitles later by so many milliseconds, or earlier.
    Delay(i32),
}

/// Where a key was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Focus {
    Page,
    Text,
    Slider,
    Button,
}

/// What a key means where it was pressed; nothing where it belongs to what has the focus.
pub(super) fn shortcut(key: &str, focus: Focus) -> Option<Shortcut> {
    if focus == Focus::Text {
        return None;
    }
    match key {
        " " if focus != Focus::Button => Some(Shortcut::Toggle),
        "k" | "K" => Some(Shortcut::Toggle),
        "m" | "M" => Some(Shortcut::Mute),
        "f" | "F" => Some(Shortcut::Fullscreen),
        // As in VLC.
        "g" | "G" => Some(Shortcut::Delay(-STEP_DELAY_MS)),
        "h" | "H" => Some(Shortcut::Delay(STEP_DELAY_MS)),
        "ArrowLeft" if focus != Focus::Slider => Some(Shortcut::Seek(-STEP_S)),
        "ArrowRight" if focus != Focus::Slider => Some(Shortcut::Seek(STEP_S)),
        "ArrowUp" if focus != Focus::Slider => Some(Shortcut::Volume(STEP_VOLUME)),
        "ArrowDown" if focus != Focus::Slider => Some(Shortcut::Volume(-STEP_VOLUME)),
        _ => None,
    }
}

/// Where an event's key was pressed; [`Focus::Text`] also where it is part of a combination.
pub(super) fn focus(event: &KeyboardEvent) -> Focus {
    if event.ctrl_key() || event.meta_key() || event.alt_key() || event.is_composing() {
        return Focus::Text;
    }
    let Some(element) = event.target().and_then(|target| target.dyn_into::<Element>().ok()) else { return Focus::Page };
    match element.tag_name().as_str() {
        "INPUT" => match element.dyn_ref::<HtmlInputElement>().map(|input| input.type_()).as_deref() {
            Some("range") => Focus::Slider,
            _ => Focus::Text,
        },
        "TEXTAREA" | "SELECT" => Focus::Text,
        "BUTTON" | "A" | "SUMMARY" => Focus::Button,
        _ => Focus::Page,
    }
}

/// Whether what was clicked with the pointer shall not have the keys: buttons and sliders, but for those of a dialog and of a
/// menu, which have keys of their own.
pub(super) fn lets_go(element: &Element) -> bool {
    let pressed = element.matches("button, summary, input[type=range], input[type=checkbox]").unwrap_or(false);
    pressed && element.closest("[role=dialog], [role=menu], [aria-haspopup=menu]").ok().flatten().is_none()
}

/// A place some seconds from another, within the item.
pub(super) fn step(from: MediaTime, by_s: f64, duration: Option<MediaTime>) -> MediaTime {
    let to = MediaTime::saturating(from.seconds() + by_s);
    duration.map_or(to, |end| if to > end { end } else { to })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_belong_to_what_has_the_focus() {
        assert_eq!(shortcut(" ", Focus::Page), Some(Shortcut::Toggle));
        assert_eq!(shortcut(" ", Focus::Button), None);
        assert_eq!(shortcut("k", Focus::Button), Some(Shortcut::Toggle));
        assert_eq!(shortcut("ArrowLeft", Focus::Slider), None);
        assert_eq!(shortcut("ArrowLeft", Focus::Button), Some(Shortcut::Seek(-5.0)));
        assert_eq!(shortcut("h", Focus::Slider), Some(Shortcut::Delay(100)));
        for key in [" ", "k", "m", "f", "g", "ArrowUp", "a"] {
            assert_eq!(shortcut(key, Focus::Text), None);
        }
    }

    #[test]
    fn steps_stay_in_the_item() {
        let at = MediaTime::saturating;
        assert_eq!(step(at(3.0), -5.0, None), MediaTime::ZERO);
        assert_eq!(step(at(58.0), 5.0, Some(at(60.0))), at(60.0));
        assert_eq!(step(at(58.0), 5.0, None), at(63.0));
    }
}
