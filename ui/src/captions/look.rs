//! Looks into films, and into files of subtitles.

use crate::ports::bytes::Bytes;
use crate::ports::text;
use streamshare_media::{Cue, Media, Probe, Step, decode, read_subtitles};

/// The cues in a subtitle file's bytes; why there are none, for people.
pub(super) async fn cues_of(bytes: Result<Vec<u8>, String>) -> Result<Vec<Cue>, String> {
    let bytes = bytes?;
    let text = match decode(&bytes) {
        Some(text) => text,
        None => text::guess(&bytes).await?,
    };
    read_subtitles(&text).map_err(|error| super::choice::sentence(&error))
}

/// Looks into a film; nothing where it cannot be read or is of an unknown kind: the player will say what it thinks of it.
pub(super) async fn probe(film: &dyn Bytes, length: u64) -> Option<Media> {
    let mut probe = Probe::new(length);
    loop {
        match probe.poll() {
            Step::Read(range) => {
                let start = range.start;
                probe.feed(start, &film.read(range).await.ok()?);
            }
            Step::Done(media) => return Some(*media),
            Step::Failed(error) => {
                web_sys::console::info_1(&error.to_string().into());
                return None;
            }
        }
    }
}
