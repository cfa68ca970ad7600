//! What a file is by its name, and which files of a torrent are worth playing.

use std::cmp::Ordering;

use crate::{FileInfo, FileKind, TorrentInfo};

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

/// Served for everything else: never shown, never run.
const OTHER_MIME: &str = "application/octet-stream";

/// Words in a path that mark what is not the thing itself.
const EXTRAS: [&str; 3] = ["sample", "trailer", "trailers"];

impl FileKind {
    /// What a file is, by its path's extension.
    #[must_use]
    pub fn of(path: &str) -> Self {
        lookup(path).map_or(Self::Other, |(_, kind, _)| *kind)
    }
}

/// The MIME type that a file is served with.
pub(crate) fn mime(path: &str) -> &'static str {
    lookup(path).map_or(OTHER_MIME, |(_, _, mime)| mime)
}

fn lookup(path: &str) -> Option<&'static (&'static str, FileKind, &'static str)> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let (_, extension) = name.rsplit_once('.')?;
    TYPES.iter().find(|(known, _, _)| known.eq_ignore_ascii_case(extension))
}

impl TorrentInfo {
    /// Indices of the files worth playing, in playing order: the one film, or all episodes of a series, in natural order, without
    /// samples and trailers; where there is no video, all audio. Empty if there is nothing to play.
    #[must_use]
    pub fn playable(&self) -> Vec<usize> {
        let of_kind =
            |kind| (0..self.files.len()).filter(move |index| self.files[*index].kind == kind).collect::<Vec<_>>();
        let mut found = self.features(of_kind(FileKind::Video));
        if found.is_empty() {
            found = of_kind(FileKind::Audio);
        }
        found.sort_by(|left, right| natural_order(&self.files[*left].path, &self.files[*right].path));
        found
    }

    fn features(&self, videos: Vec<usize>) -> Vec<usize> {
        let length = |index: &usize| self.files[*index].length;
        let biggest = videos.iter().map(length).max().unwrap_or_default();
        // A sample is a minute of a film: under 5 % of it.
        let is_feature = |index: &usize| length(index) >= biggest / 20 && !is_extra(&self.files[*index]);
        let mut features: Vec<usize> = videos.iter().copied().filter(is_feature).collect();
        if features.is_empty() {
            return videos;
        }
        features.sort_by_key(|index| std::cmp::Reverse(length(index)));
        // Episodes are of about one length, even a double one; what is under a quarter of a film is its bonus material.
        if features.get(1).is_some_and(|second| length(second) < length(&features[0]) / 4) {
            features.truncate(1);
        }
        features
    }
}

fn is_extra(file: &FileInfo) -> bool {
    file.path
        .split(|c: char| !c.is_alphanumeric())
        .any(|word| EXTRAS.iter().any(|extra| word.eq_ignore_ascii_case(extra)))
}

/// Orders names as people do: digits by their number, the rest without regard to case.
pub(crate) fn natural_order(left: &str, right: &str) -> Ordering {
    let (mut a, mut b) = (left, right);
    loop {
        let ((first_a, rest_a), (first_b, rest_b)) = match (next_chunk(a), next_chunk(b)) {
            (None, None) => return left.cmp(right),
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => (a, b),
        };
        let is_number = |chunk: &str| chunk.starts_with(|c: char| c.is_ascii_digit());
        let order = if is_number(first_a) && is_number(first_b) {
            let (digits_a, digits_b) = (first_a.trim_start_matches('0'), first_b.trim_start_matches('0'));
            digits_a.len().cmp(&digits_b.len()).then_with(|| digits_a.cmp(digits_b))
        } else {
            first_a.chars().flat_map(char::to_lowercase).cmp(first_b.chars().flat_map(char::to_lowercase))
        };
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

/// A run of digits, or one other character, and what follows.
fn next_chunk(text: &str) -> Option<(&str, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let end = if digits > 0 { digits } else { text.chars().next()?.len_utf8() };
    Some(text.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn playable(files: &[(&str, u64)]) -> Vec<String> {
        let files: Vec<_> = files
            .iter()
            .map(|(path, length)| FileInfo { path: (*path).into(), length: *length, kind: FileKind::of(path) })
            .collect();
        let info = TorrentInfo {
            info_hash: crate::InfoHash([0; 20]),
            name: "x".into(),
            files,
            trackers: vec![],
            private: false,
            piece_count: 1,
        };
        info.playable().into_iter().map(|index| info.files[index].path.clone()).collect()
    }

    #[test]
    fn what_is_worth_playing() {
        assert_eq!(
            playable(&[("Film.nfo", 9), ("Film.mkv", 4000), ("Sample/film-sample.mkv", 300), ("Film.srt", 5)]),
            ["Film.mkv"]
        );
        assert_eq!(
            playable(&[("Film.mkv", 4000), ("Film.Trailer.mkv", 3000), ("bonus.mkv", 900), ("tiny.mkv", 10)]),
            ["Film.mkv"]
        );
        assert_eq!(
            playable(&[
                ("Show/S01E10.mkv", 1000),
                ("Show/S01E02.mkv", 900),
                ("Show/s01e01.mkv", 2100),
                ("Show/sample.mkv", 800)
            ]),
            ["Show/s01e01.mkv", "Show/S01E02.mkv", "Show/S01E10.mkv"]
        );
        assert_eq!(playable(&[("sample.mp4", 10)]), ["sample.mp4"]);
        assert_eq!(playable(&[("Sampler.mp4", 10)]), ["Sampler.mp4"]);
        assert_eq!(
            playable(&[("CD2/1.flac", 5), ("CD1/10.flac", 5), ("CD1/9.flac", 1), ("cover.jpg", 9)]),
            ["CD1/9.flac", "CD1/10.flac", "CD2/1.flac"]
        );
        assert_eq!(playable(&[("readme.txt", 10), ("page.html", 10)]), Vec::<String>::new());
    }

    #[test]
    fn natural() {
        let mut names = ["b", "a10", "a9", "A1", "a01", "a", "á", "a1b", "", "10", "9"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["", "9", "10", "a", "A1", "a01", "a1b", "a9", "a10", "b", "á"]);
    }

    #[test]
    fn nothing_is_served_as_a_page() {
        for name in ["x.html", "x.svg", "x.xhtml", "x.js", "x.pdf", "x", "mp4", "a.mp4/x", "x.xml", "x.mp4.html"] {
            assert_eq!(mime(name), OTHER_MIME, "{name}");
        }
        assert_eq!(mime("A/Film.MP4"), "video/mp4");
    }

    proptest::proptest! {
        #[test]
        fn natural_order_is_an_order(a in "[a-cA-C0-2é]{0,6}", b in "[a-cA-C0-2é]{0,6}", c in "[a-cA-C0-2é]{0,6}") {
            proptest::prop_assert_eq!(natural_order(&a, &b), natural_order(&b, &a).reverse());
            if natural_order(&a, &b).is_le() && natural_order(&b, &c).is_le() {
                proptest::prop_assert!(natural_order(&a, &c).is_le());
            }
        }
    }
}
