//! What this player can decode, by its own words.

use js_sys::Reflect;
use streamshare_media::{Codec, Media, Track, TrackKind};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::{HtmlVideoElement, Node};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = MediaSource, js_name = isTypeSupported, catch)]
    fn is_type_supported(kind: &str) -> Result<bool, JsValue>;
}

/// Containers that a codec is asked about in: a player that has it knows it in one of them.
const CONTAINERS: [&str; 3] = ["mp4", "webm", "x-matroska"];
/// Codecs whose names WebKitGTK does not connect with the decoders that it has.
const OFTEN_UNKNOWN: [&str; 3] = ["dtsc", "mlpa", "alac"];

/// What a player says of a codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ability {
    /// It has a decoder, or so it says.
    Decodes,
    /// It has none.
    Lacks,
    /// It does not know the codec's name; it may have a decoder all the same.
    Unsure,
}

/// What a person should know before a film is played.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Warnings {
    /// Of the picture.
    pub(crate) picture: Option<String>,
    /// Of the sound.
    pub(crate) sound: Option<String>,
    /// The sound may be heard all the same.
    pub(crate) sound_is_unsure: bool,
}

/// What a player lacks for a film; `is_sound` where no picture is to be expected.
pub(crate) fn warnings(media: &Media, is_sound: bool, ability: impl Fn(TrackKind, &Codec) -> Ability) -> Warnings {
    let best = |kind| {
        let of = |track: &Track| ability(kind, &track.codec);
        let abilities: Vec<_> = media.tracks_of(kind).map(of).collect();
        let has = |wanted| abilities.contains(&wanted);
        if abilities.is_empty() {
            None
        } else if has(Ability::Decodes) {
            Some(Ability::Decodes)
        } else if has(Ability::Unsure) {
            Some(Ability::Unsure)
        } else {
            Some(Ability::Lacks)
        }
    };
    let names = |kind| {
        let mut names: Vec<&str> = media.tracks_of(kind).map(|track| track.codec.name.as_str()).collect();
        names.dedup();
        names.join(", ")
    };
    let mut warnings = Warnings::default();
    // A container that is only known by name tells nothing.
    if media.tracks.is_empty() {
        return warnings;
    }
    warnings.picture = match best(TrackKind::Video) {
        None if !is_sound => Some("There is no picture in this file.".to_owned()),
        Some(Ability::Lacks) => {
            Some(format!("The picture is in {}: this player has no decoder for it.", names(TrackKind::Video)))
        }
        None | Some(Ability::Decodes | Ability::Unsure) => None,
    };
    let sound = names(TrackKind::Audio);
    match best(TrackKind::Audio) {
        None => warnings.sound = (warnings.picture.is_none()).then(|| "There is no sound in this film.".to_owned()),
        Some(Ability::Lacks) => {
            warnings.sound = Some(format!("The sound is in {sound}: this player has no decoder for it."))
        }
        Some(Ability::Unsure) => {
            warnings.sound = Some(format!("The sound is in {sound}, which this player may have no decoder for."));
            warnings.sound_is_unsure = true;
        }
        Some(Ability::Decodes) => {}
    }
    warnings
}

/// Asks a player.
pub(crate) fn ask(player: &Node, kind: TrackKind, codec: &Codec) -> Ability {
    let (Some(video), Some(name)) = (player.dyn_ref::<HtmlVideoElement>(), &codec.rfc6381) else {
        return Ability::Unsure;
    };
    let of = if kind == TrackKind::Audio { "audio" } else { "video" };
    let knows = CONTAINERS.iter().any(|container| {
        let full = format!("{of}/{container}; codecs=\"{name}\"");
        !video.can_play_type(&full).is_empty() || is_type_supported(&full).unwrap_or(false)
    });
    match knows {
        true => Ability::Decodes,
        false if OFTEN_UNKNOWN.contains(&name.as_str()) => Ability::Unsure,
        false => Ability::Lacks,
    }
}

/// Whether sound was decoded; nothing where the player does not tell (it is no standard).
pub(crate) fn has_heard(player: &Node) -> Option<bool> {
    let bytes = Reflect::get(player, &"webkitAudioDecodedByteCount".into()).ok()?.as_f64()?;
    Some(bytes > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use streamshare_media::{Probe, Step};

    /// A transport stream's program table, with tracks of these stream types.
    fn film(types: &[u8]) -> Media {
        let streams: Vec<u8> = types.iter().flat_map(|kind| [*kind, 0xe1, *kind, 0xf0, 0]).collect();
        let length = u8::try_from(9 + streams.len() + 4).expect("few tracks");
        let map = [&[0, 2, 0xb0, length, 0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0][..], &streams, &[0; 4]].concat();
        let programs = [0, 0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xe1, 0, 0, 0, 0, 0];
        let packet = |pid: [u8; 2], payload: &[u8]| {
            let mut packet = vec![0xff; 188];
            packet[..4].copy_from_slice(&[0x47, 0x40 | pid[0], pid[1], 0x10]);
            packet[4..4 + payload.len()].copy_from_slice(payload);
            packet
        };
        let file = [packet([0, 0], &programs), packet([1, 0], &map), packet([2, 0], &[]), packet([2, 0], &[])].concat();
        let mut probe = Probe::new(file.len() as u64);
        loop {
            match probe.poll() {
                Step::Read(range) => probe.feed(range.start, &file),
                Step::Done(media) => return *media,
                Step::Failed(error) => panic!("{error}"),
            }
        }
    }

    fn said(types: &[u8], is_sound: bool) -> (Option<String>, Option<String>, bool) {
        let said = warnings(&film(types), is_sound, |_, codec| match codec.name.as_str() {
            "DTS" => Ability::Unsure,
            "MPEG-2 video" | "Dolby Digital (AC-3)" => Ability::Lacks,
            _ => Ability::Decodes,
        });
        (said.picture, said.sound, said.sound_is_unsure)
    }

    #[test]
    fn what_is_said_before_playing() {
        assert_eq!(said(&[0x1b, 0x0f], false), (None, None, false));
        let (picture, sound, _) = said(&[0x02, 0x81], false);
        assert_eq!(picture.as_deref(), Some("The picture is in MPEG-2 video: this player has no decoder for it."));
        assert_eq!(sound.as_deref(), Some("The sound is in Dolby Digital (AC-3): this player has no decoder for it."));
        let (_, sound, unsure) = said(&[0x1b, 0x82], false);
        assert_eq!(
            (sound.as_deref(), unsure),
            (Some("The sound is in DTS, which this player may have no decoder for."), true)
        );
        // One that can be heard is enough.
        assert_eq!(said(&[0x1b, 0x82, 0x0f], false).1, None);
        assert_eq!(said(&[0x0f], false).0.as_deref(), Some("There is no picture in this file."));
        assert_eq!(said(&[0x0f], true), (None, None, false));
        assert_eq!(said(&[0x1b], false).1.as_deref(), Some("There is no sound in this film."));
    }
}
