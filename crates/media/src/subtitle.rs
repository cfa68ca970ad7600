//! Subtitles in files of their own become WebVTT's cues. What lies within a film is read by `extract`, line by line with the same rules.

mod ass;
mod encoding;
mod lines;
mod markup;
mod webvtt;

use std::time::Duration;

pub(crate) use ass::{Script, parse_block as parse_ass_block};
pub use encoding::decode;
pub(crate) use markup::{Dialect, cue_text};
pub(crate) use webvtt::place;

/// Bytes of a file at most: the subtitles of a long film have 200 KB, those of a song with effects for each letter some MB.
pub const SUBTITLE_LEN_MAX: usize = 16 << 20;
/// Lines that are shown of a file at most.
const CUES_MAX: usize = 50_000;
/// Characters of one cue at most: more would cover the picture.
const TEXT_MAX: usize = 2_000;

/// Text that is shown for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cue {
    /// From when on, in the film's time.
    pub start: Duration,
    /// Until when, after [`Cue::start`].
    pub end: Duration,
    /// What, as a cue's text of WebVTT (W3C, section 4.2.2): only WebVTT's own tags are in it, everything else is escaped or gone.
    pub text: String,
    /// Where.
    pub place: Place,
}

/// Where a cue is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Place {
    /// At the bottom, as almost all.
    #[default]
    Bottom,
    /// At the top: something is written in the picture's lower part.
    Top,
}

/// Why a file is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubtitleError {
    /// It has more than three times [`SUBTITLE_LEN_MAX`] bytes as UTF-8, which no encoding of so many bytes has.
    #[error("the file is too large for subtitles")]
    TooLarge,
    /// Nothing in it is SubRip, WebVTT or SubStation Alpha.
    #[error("there are no subtitles in this file, or of a kind that is not known here")]
    NoSubtitles,
}

impl Cue {
    /// One that is legal; `None` where nothing is to be shown.
    pub(crate) fn new(start: Duration, end: Duration, text: String, place: Place) -> Option<Self> {
        let text = match text.char_indices().nth(TEXT_MAX) {
            // Never within a tag or an escape: what is cut off would show as letters.
            Some((end, _)) => {
                let kept = &text[..end];
                let open = kept.rfind(['<', '&']).filter(|at| !kept[*at..].contains(['>', ';']));
                kept[..open.unwrap_or(end)].to_owned()
            }
            None => text,
        };
        (start < end && !text.trim().is_empty()).then_some(Self { start, end, text, place })
    }
}

/// Reads a subtitle file of any kind: SubRip, WebVTT, or SubStation Alpha (.ssa, .ass). The kind is told by the content, for names lie.
/// The cues are in the order of their times.
///
/// # Errors
/// See [`SubtitleError`].
pub fn read_subtitles(text: &str) -> Result<Vec<Cue>, SubtitleError> {
    if text.len() > SUBTITLE_LEN_MAX * 3 {
        return Err(SubtitleError::TooLarge);
    }
    // A zero would end the text in some players.
    let text = text.replace(['\0', '\u{feff}'], "").replace("\r\n", "\n").replace('\r', "\n");
    let head = text.trim_start();
    let mut cues = if head.starts_with("WEBVTT") {
        webvtt::read(head)
    } else if head.starts_with('[') || head.contains("\n[Events]") {
        ass::read(head)
    } else {
        lines::read(head)
    };
    if cues.is_empty() {
        return Err(SubtitleError::NoSubtitles);
    }
    // Stable: of those that are shown together, the first in the file stands lowest, as players of each kind have it.
    cues.sort_by_key(|cue| cue.start);
    cues.dedup();
    cues.truncate(CUES_MAX);
    Ok(cues)
}
