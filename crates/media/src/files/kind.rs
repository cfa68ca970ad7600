//! What a file is by its name.

/// What a file is, by its extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// Moving pictures.
    Video,
    /// Sound only.
    Audio,
    /// Subtitles beside a video.
    Subtitle,
    /// Anything else.
    Other,
}

/// Extension, kind and the MIME type it is served with. A fixed list, so that nothing out of a torrent is ever served as something that a
/// browser would run.
const TYPES: &[(&str, FileKind, &str)] = &[
    ("mp4", FileKind::Video, "video/mp4"),
    ("m4v", FileKind::Video, "video/mp4"),
    ("webm", FileKind::Video, "video/webm"),
    // What Chromium and WebKitGTK sniff and play as Matroska.
    ("mkv", FileKind::Video, "video/x-matroska"),
    ("mk3d", FileKind::Video, "video/x-matroska"),
    ("mov", FileKind::Video, "video/quicktime"),
    ("qt", FileKind::Video, "video/quicktime"),
    ("avi", FileKind::Video, "video/x-msvideo"),
    ("divx", FileKind::Video, "video/x-msvideo"),
    ("mpg", FileKind::Video, "video/mpeg"),
    ("mpeg", FileKind::Video, "video/mpeg"),
    ("mpe", FileKind::Video, "video/mpeg"),
    ("m2v", FileKind::Video, "video/mpeg"),
    ("vob", FileKind::Video, "video/mpeg"),
    ("ts", FileKind::Video, "video/mp2t"),
    ("m2ts", FileKind::Video, "video/mp2t"),
    ("mts", FileKind::Video, "video/mp2t"),
    ("wmv", FileKind::Video, "video/x-ms-wmv"),
    ("asf", FileKind::Video, "video/x-ms-asf"),
    ("flv", FileKind::Video, "video/x-flv"),
    ("ogv", FileKind::Video, "video/ogg"),
    ("ogm", FileKind::Video, "video/ogg"),
    ("3gp", FileKind::Video, "video/3gpp"),
    ("3g2", FileKind::Video, "video/3gpp2"),
    ("rmvb", FileKind::Video, "application/vnd.rn-realmedia-vbr"),
    ("mp3", FileKind::Audio, "audio/mpeg"),
    ("m4a", FileKind::Audio, "audio/mp4"),
    ("m4b", FileKind::Audio, "audio/mp4"),
    ("aac", FileKind::Audio, "audio/aac"),
    ("flac", FileKind::Audio, "audio/flac"),
    ("ogg", FileKind::Audio, "audio/ogg"),
    ("oga", FileKind::Audio, "audio/ogg"),
    ("opus", FileKind::Audio, "audio/ogg"),
    ("wav", FileKind::Audio, "audio/wav"),
    ("weba", FileKind::Audio, "audio/webm"),
    ("mka", FileKind::Audio, "audio/x-matroska"),
    ("wma", FileKind::Audio, "audio/x-ms-wma"),
    ("aif", FileKind::Audio, "audio/aiff"),
    ("aiff", FileKind::Audio, "audio/aiff"),
    ("ac3", FileKind::Audio, "audio/ac3"),
    ("dts", FileKind::Audio, "audio/vnd.dts"),
    ("vtt", FileKind::Subtitle, "text/vtt; charset=utf-8"),
    ("srt", FileKind::Subtitle, "application/x-subrip"),
    ("ass", FileKind::Subtitle, "text/x-ssa"),
    ("ssa", FileKind::Subtitle, "text/x-ssa"),
];

/// Of everything else: never shown, never run.
const OTHER_MIME: &str = "application/octet-stream";

impl FileKind {
    /// What a file is, by its path's extension.
    #[must_use]
    pub fn of(path: &str) -> Self {
        lookup(path).map_or(Self::Other, |(_, kind, _)| *kind)
    }
}

/// The MIME type that a file is served with, out of a fixed list, so that nothing out of a torrent is ever served as something that a
/// browser would run.
#[must_use]
pub fn mime(path: &str) -> &'static str {
    lookup(path).map_or(OTHER_MIME, |(_, _, mime)| mime)
}

fn lookup(path: &str) -> Option<&'static (&'static str, FileKind, &'static str)> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let (_, extension) = name.rsplit_once('.')?;
    TYPES.iter().find(|(known, _, _)| known.eq_ignore_ascii_case(extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_served_as_a_page() {
        for name in ["x.html", "x.svg", "x.xhtml", "x.js", "x.pdf", "x", "mp4", "a.mp4/x", "x.xml", "x.mp4.html"] {
            assert_eq!(mime(name), OTHER_MIME, "{name}");
        }
        assert_eq!(mime("A/Film.MP4"), "video/mp4");
    }
}
