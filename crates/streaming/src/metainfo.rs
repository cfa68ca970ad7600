//! A torrent's metainfo, held to rules before librqbit sees it: librqbit panics on a piece length of 0, takes wrong hash counts and
//! names like `C:evil`, and reads fields of the outer dictionary that it does not need.

use bytes::Bytes;
use sha1::{Digest, Sha1};
use url::Url;

use crate::bencode::{self, Dict, Value, write_bytes};
use crate::{AddError, FileInfo, FileKind, InfoHash, TorrentInfo, file_name};

/// Bytes of a `.torrent` or an info dictionary: a 4 TiB torrent of 4 MiB pieces has 20 MiB of hashes, no film comes near.
pub(crate) const MAX_METAINFO_LEN: usize = 16 << 20;
/// Files in a torrent.
const MAX_FILES: usize = 100_000;
/// Bytes in a piece: beyond it the first frame takes minutes, and libtorrent's own limit is near.
const MAX_PIECE_LEN: i64 = 64 << 20;
/// Bytes in a torrent, so that no sum of lengths and offsets comes near overflow: 1 PiB.
const MAX_TOTAL_LEN: u64 = 1 << 50;
/// Trackers kept of a torrent.
const MAX_TRACKERS: usize = 100;
/// Bytes in a tracker's address.
const MAX_TRACKER_LEN: usize = 2048;

/// Metainfo that keeps the rules.
#[derive(Debug, Clone)]
pub(crate) struct Metainfo {
    pub(crate) info: TorrentInfo,
    pub(crate) piece_count: usize,
    /// Whether all files lie in a folder named like the torrent.
    pub(crate) is_multi_file: bool,
    raw_info: Bytes,
}

impl Metainfo {
    /// Reads a `.torrent`.
    pub(crate) fn parse(bytes: &Bytes) -> Result<Self, AddError> {
        if bytes.len() > MAX_METAINFO_LEN {
            return Err(bad("it is larger than 16 MiB"));
        }
        if bytes.first() != Some(&b'd') {
            return Err(AddError::NotATorrent("the file does not begin like one".into()));
        }
        let root = bencode::decode(bytes).map_err(bad)?;
        let root = root.as_dict().ok_or_else(|| bad("it is no dictionary"))?;
        let info = root.get("info").and_then(Value::as_dict).ok_or_else(|| bad("it describes no files"))?;
        let trackers = announce_urls(root);
        Self::from_dict(bytes, info, trackers)
    }

    fn from_dict(bytes: &Bytes, info: &Dict<'_>, trackers: Vec<String>) -> Result<Self, AddError> {
        let layout = Layout::read(info)?;
        let raw_info = bytes.slice_ref(info.raw);
        let info_hash = InfoHash(Sha1::digest(&raw_info).into());
        // librqbit decodes names that are not UTF-8: what it will write to the disk is what must keep the rules.
        let wrapped = wrap(&raw_info, &[]);
        let decoded =
            librqbit_core::torrent_metainfo::torrent_from_bytes(&wrapped).map_err(|error| bad(format!("{error:#}")))?;
        if decoded.info_hash.0 != info_hash.0 {
            return Err(bad("its identity is ambiguous"));
        }
        let decoded = decoded.info.data.validate().map_err(|error| bad(format!("{error:#}")))?;
        let mut names = file_name::Tree::default();
        let mut files = Vec::with_capacity(layout.lengths.len());
        for (file, length) in decoded.iter_file_details().zip(&layout.lengths) {
            let is_padding = file.attrs().padding;
            let parts = file.filename.to_vec();
            if file.len != *length {
                return Err(bad("its file lengths are ambiguous"));
            }
            if !is_padding {
                names.insert(&parts).map_err(bad)?;
            }
            let path = parts.join("/");
            let kind = if is_padding { FileKind::Other } else { FileKind::of(&path) };
            files.push(FileInfo { path, length: *length, kind });
        }
        if files.len() != layout.lengths.len() {
            return Err(bad("its list of files is ambiguous"));
        }
        let name = decoded.name().map(|name| name.into_owned()).filter(|name| file_name::check_part(name).is_ok());
        let name = name.unwrap_or_else(|| info_hash.to_string());
        let piece_count = u32::try_from(layout.piece_count).map_err(|_| bad("it has too many pieces"))?;
        let info = TorrentInfo { info_hash, name, files, trackers, private: layout.private, piece_count };
        Ok(Self { info, piece_count: layout.piece_count, is_multi_file: layout.is_multi_file, raw_info })
    }

    /// The same torrent as `.torrent` bytes with these trackers and nothing else around the info dictionary.
    pub(crate) fn to_bytes(&self) -> Bytes {
        // librqbit picks one tracker of a private torrent by chance, so it is given one that it can use.
        let usable = self.info.trackers.iter().find(|tracker| is_usable(tracker));
        match usable {
            Some(tracker) if self.info.private => wrap(&self.raw_info, std::slice::from_ref(tracker)),
            _ => wrap(&self.raw_info, &self.info.trackers),
        }
    }

    /// Adds trackers that are not known yet, unless the torrent is private.
    pub(crate) fn add_trackers<'a>(&mut self, trackers: impl IntoIterator<Item = &'a str>) {
        if !self.info.private {
            extend_trackers(&mut self.info.trackers, trackers);
        }
    }
}

/// Whether librqbit can announce to a tracker.
pub(crate) fn is_usable(tracker: &str) -> bool {
    Url::parse(tracker).is_ok_and(|url| matches!(url.scheme(), "http" | "https" | "udp"))
}

/// Appends the trackers that are well-formed and new, in order.
pub(crate) fn extend_trackers<'a>(trackers: &mut Vec<String>, more: impl IntoIterator<Item = &'a str>) {
    for tracker in more {
        let tracker = tracker.trim();
        let known = trackers.iter().any(|known| known == tracker);
        if known || trackers.len() >= MAX_TRACKERS || tracker.len() > MAX_TRACKER_LEN {
            continue;
        }
        let Ok(url) = Url::parse(tracker) else { continue };
        if url.has_host() && matches!(url.scheme(), "http" | "https" | "udp" | "ws" | "wss") {
            trackers.push(tracker.to_owned());
        }
    }
}

/// A `.torrent` of an info dictionary.
pub(crate) fn wrap(raw_info: &[u8], trackers: &[String]) -> Bytes {
    let mut out = Vec::with_capacity(raw_info.len() + 64);
    out.push(b'd');
    if let Some(first) = trackers.first() {
        write_bytes(&mut out, b"announce");
        write_bytes(&mut out, first.as_bytes());
        write_bytes(&mut out, b"announce-list");
        out.push(b'l');
        for tracker in trackers {
            out.push(b'l');
            write_bytes(&mut out, tracker.as_bytes());
            out.push(b'e');
        }
        out.push(b'e');
    }
    write_bytes(&mut out, b"info");
    out.extend_from_slice(raw_info);
    out.push(b'e');
    out.into()
}

/// BEP 12: the list of tiers where there is one, else the one tracker.
fn announce_urls(root: &Dict<'_>) -> Vec<String> {
    let tiers = root.get("announce-list").and_then(Value::as_list).unwrap_or_default();
    let listed = tiers.iter().filter_map(Value::as_list).flatten();
    let all = listed
        .chain(root.get("announce"))
        .filter_map(Value::as_bytes)
        .filter_map(|bytes| std::str::from_utf8(bytes).ok());
    let mut trackers = Vec::new();
    extend_trackers(&mut trackers, all);
    trackers
}

/// The numbers of an info dictionary.
struct Layout {
    lengths: Vec<u64>,
    piece_count: usize,
    is_multi_file: bool,
    private: bool,
}

impl Layout {
    fn read(info: &Dict<'_>) -> Result<Self, AddError> {
        let Some(pieces) = info.get("pieces") else {
            let is_v2 =
                info.get("meta version").and_then(Value::as_integer) == Some(2) || info.get("file tree").is_some();
            return Err(bad(if is_v2 {
                "it is BitTorrent v2 only, which is not supported yet"
            } else {
                "it has no piece hashes"
            }));
        };
        let pieces = pieces.as_bytes().ok_or_else(|| bad("its piece hashes are broken"))?;
        let piece_length = info.get("piece length").and_then(Value::as_integer).unwrap_or_default();
        let fits_blocks = piece_length % (16 << 10) == 0 || (piece_length >= 1 << 10 && piece_length.count_ones() == 1);
        if !(1..=MAX_PIECE_LEN).contains(&piece_length) || !fits_blocks {
            return Err(bad(format!("its piece length is {piece_length}")));
        }
        let (lengths, is_multi_file) = match (info.get("length"), info.get("files")) {
            (Some(length), None) => {
                let name = info.get("name").and_then(Value::as_bytes).unwrap_or_default();
                if name.is_empty() {
                    return Err(bad("its file has no name"));
                }
                (vec![file_length(Some(length))?], false)
            }
            (None, Some(files)) => (Self::file_lengths(files)?, true),
            (Some(_), Some(_)) => return Err(bad("it says both one file and several")),
            (None, None) => return Err(bad("it has no files")),
        };
        let mut total = 0u64;
        for length in &lengths {
            total = total
                .checked_add(*length)
                .filter(|total| *total <= MAX_TOTAL_LEN)
                .ok_or_else(|| bad("its files are too large"))?;
        }
        if total == 0 {
            return Err(bad("its files are empty"));
        }
        let expected = total.div_ceil(piece_length.unsigned_abs());
        if pieces.len() % 20 != 0 || pieces.len() as u64 / 20 != expected {
            return Err(bad(format!("it has {} piece hashes for {expected} pieces", pieces.len() / 20)));
        }
        // librqbit reads it as a byte that must be 0 or 1, and overflows.
        let private = match info.get("private") {
            None => false,
            Some(flag) => match flag.as_integer() {
                Some(flag @ (0 | 1)) => flag == 1,
                _ => return Err(bad("whether it is private is unclear")),
            },
        };
        Ok(Self { lengths, piece_count: pieces.len() / 20, is_multi_file, private })
    }

    fn file_lengths(files: &Value<'_>) -> Result<Vec<u64>, AddError> {
        let files = files.as_list().ok_or_else(|| bad("its list of files is broken"))?;
        if files.is_empty() {
            return Err(bad("it has no files"));
        }
        if files.len() > MAX_FILES {
            return Err(bad(format!("it has {} files, more than {MAX_FILES}", files.len())));
        }
        files
            .iter()
            .map(|file| {
                let file = file.as_dict().ok_or_else(|| bad("its list of files is broken"))?;
                let path = file.get("path").and_then(Value::as_list).unwrap_or_default();
                if path.is_empty() || path.iter().any(|part| part.as_bytes().is_none()) {
                    return Err(bad("a file has no name"));
                }
                file_length(file.get("length"))
            })
            .collect()
    }
}

fn file_length(length: Option<&Value<'_>>) -> Result<u64, AddError> {
    let length = length.and_then(Value::as_integer).ok_or_else(|| bad("a file has no length"))?;
    u64::try_from(length).map_err(|_| bad("a file has a negative length"))
}

#[expect(clippy::needless_pass_by_value, reason = "takes literals and errors alike")]
fn bad(reason: impl ToString) -> AddError {
    AddError::BadMetainfo(reason.to_string())
}

/// What holds of every file: it is refused, or what librqbit is given is the same torrent, with names that stay in their folder.
#[cfg(any(test, fuzzing))]
pub(crate) fn hold_laws(bytes: &[u8]) {
    let Ok(parsed) = Metainfo::parse(&Bytes::copy_from_slice(bytes)) else { return };
    let again = Metainfo::parse(&parsed.to_bytes()).expect("what is passed on is as good");
    assert_eq!((again.piece_count, again.is_multi_file), (parsed.piece_count, parsed.is_multi_file));
    assert_eq!((&again.info.info_hash, &again.info.files), (&parsed.info.info_hash, &parsed.info.files));
    assert!(parsed.piece_count > 0 && !parsed.info.files.is_empty() && parsed.info.files.len() <= MAX_FILES);
    assert!(parsed.info.files.iter().map(|file| file.length).sum::<u64>() <= MAX_TOTAL_LEN);
    assert!(parsed.info.trackers.len() <= MAX_TRACKERS);
    for file in &parsed.info.files {
        // Padding (BEP 47) is never written.
        let is_safe = file.path.split('/').all(|part| file_name::check_part(part).is_ok());
        assert!(is_safe || file.kind == FileKind::Other, "{file:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bencode::write_integer;

    const PIECE: u64 = 32 << 10;

    /// An info dictionary out of raw values.
    fn dict(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = vec![b'd'];
        for (key, value) in entries {
            write_bytes(&mut out, key.as_bytes());
            out.extend_from_slice(value);
        }
        out.push(b'e');
        out
    }

    fn text(text: impl AsRef<[u8]>) -> Vec<u8> {
        let mut out = Vec::new();
        write_bytes(&mut out, text.as_ref());
        out
    }

    fn integer(integer: u64) -> Vec<u8> {
        let mut out = Vec::new();
        write_integer(&mut out, integer);
        out
    }

    fn hashes(count: usize) -> Vec<u8> {
        text(vec![7; count * 20])
    }

    fn file(length: u64, path: &[&str]) -> Vec<u8> {
        let path = path.iter().flat_map(text).collect::<Vec<_>>();
        dict(&[("length", &integer(length)), ("path", &[b"l", &path[..], b"e"].concat())])
    }

    fn list(items: &[Vec<u8>]) -> Vec<u8> {
        [b"l", &items.concat()[..], b"e"].concat()
    }

    fn single(name: &str, length: u64) -> Vec<u8> {
        let count = usize::try_from(length.div_ceil(PIECE)).unwrap();
        dict(&[
            ("length", &integer(length)),
            ("name", &text(name)),
            ("piece length", &integer(PIECE)),
            ("pieces", &hashes(count)),
        ])
    }

    fn multi(files: &[Vec<u8>], count: usize) -> Vec<u8> {
        dict(&[
            ("files", &list(files)),
            ("name", &text("n")),
            ("piece length", &integer(PIECE)),
            ("pieces", &hashes(count)),
        ])
    }

    fn parse(info: &[u8]) -> Result<Metainfo, AddError> {
        Metainfo::parse(&wrap(info, &[]))
    }

    #[test]
    fn reads_good_torrents() {
        let one = parse(&single("Fílm.mkv", PIECE * 2)).unwrap();
        assert_eq!((one.info.name.as_str(), one.piece_count, one.is_multi_file), ("Fílm.mkv", 2, false));
        assert_eq!(one.info.files, [FileInfo { path: "Fílm.mkv".into(), length: PIECE * 2, kind: FileKind::Video }]);
        let many =
            parse(&multi(&[file(1, &["a", "1.mp3"]), file(0, &["a", "x"]), file(PIECE, &["b.txt"])], 2)).unwrap();
        let paths: Vec<_> = many.info.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!((paths, many.is_multi_file), (vec!["a/1.mp3", "a/x", "b.txt"], true));
        // Shift JIS, as old torrents have it.
        let files = dict(&[
            ("length", &integer(5)),
            ("path", &list(&[text(b"\x93\xfa\x96\x7b\x8c\xea\x82\xcc\x83\x74\x83\x40\x83\x43\x83\x8b.mp4")])),
        ]);
        let sjis = parse(&multi(&[files], 1)).unwrap();
        assert_eq!(sjis.info.files[0].path, "日本語のファイル.mp4");
    }

    #[test]
    fn keeps_trackers_and_the_info_hash() {
        let info = single("a.mp4", 5);
        let trackers =
            ["udp://a.example:1", "wss://b.example", "ftp://c.example", "nonsense", "http://d.example/announce"];
        let parsed = Metainfo::parse(&wrap(&info, &trackers.map(str::to_owned))).unwrap();
        assert_eq!(parsed.info.trackers, ["udp://a.example:1", "wss://b.example", "http://d.example/announce"]);
        let again = Metainfo::parse(&parsed.to_bytes()).unwrap();
        assert_eq!(again.info, parsed.info);
        assert_eq!(parsed.info.info_hash.0, <[u8; 20]>::from(Sha1::digest(&info)));
    }

    #[test]
    fn a_private_torrent_gets_one_tracker_and_no_more() {
        let info = dict(&[
            ("length", &integer(5)),
            ("name", &text("a.mp4")),
            ("piece length", &integer(PIECE)),
            ("pieces", &hashes(1)),
            ("private", &integer(1)),
        ]);
        let mut parsed =
            Metainfo::parse(&wrap(&info, &["wss://w.example".into(), "udp://u.example:1".into()])).unwrap();
        assert!(parsed.info.private);
        parsed.add_trackers(["http://extra.example/"]);
        assert_eq!(parsed.info.trackers, ["wss://w.example", "udp://u.example:1"]);
        assert_eq!(Metainfo::parse(&parsed.to_bytes()).unwrap().info.trackers, ["udp://u.example:1"]);
    }

    fn refuses(info: &[u8], expected: &str) {
        let refused = parse(info).expect_err(expected);
        assert!(
            matches!(&refused, AddError::BadMetainfo(reason) if reason.contains(expected)),
            "{refused:?}, not {expected}"
        );
    }

    #[test]
    fn refuses_bad_numbers() {
        let with = |key: &str, value: &[u8]| {
            let values = [
                ("length", integer(5)),
                ("name", text("a.mp4")),
                ("piece length", integer(PIECE)),
                ("pieces", hashes(1)),
                ("private", integer(1)),
            ];
            let mut values = values.map(|(name, old)| (name, if name == key { value.to_vec() } else { old })).to_vec();
            values.retain(|(_, value)| !value.is_empty());
            let entries: Vec<(&str, &[u8])> = values.iter().map(|(key, value)| (*key, &value[..])).collect();
            dict(&entries)
        };
        let max = u64::try_from(i64::MAX).unwrap();
        for (info, expected) in [
            (with("piece length", &integer(0)), "its piece length is 0"),
            (with("piece length", b"i-5e"), "its piece length is -5"),
            (with("piece length", &integer(20000)), "its piece length is 20000"),
            (with("piece length", &integer(128 << 20)), "its piece length is 134217728"),
            (with("piece length", b""), "its piece length is 0"),
            (with("pieces", &hashes(2)), "it has 2 piece hashes for 1 pieces"),
            (with("pieces", &hashes(0)), "it has 0 piece hashes for 1 pieces"),
            (with("pieces", &text([7; 21])), "it has 1 piece hashes for 1 pieces"),
            (with("pieces", b""), "it has no piece hashes"),
            (with("pieces", b"i1e"), "its piece hashes are broken"),
            (with("length", &integer(0)), "its files are empty"),
            (with("length", b"i-1e"), "a file has a negative length"),
            (with("length", &text("5")), "a file has no length"),
            (with("length", &integer(max)), "its files are too large"),
            (with("length", b""), "it has no files"),
            (with("name", b""), "its file has no name"),
            (with("name", &text("")), "its file has no name"),
            (with("private", &integer(2)), "whether it is private is unclear"),
            (with("private", &integer(max >> 10)), "whether it is private is unclear"),
            (with("private", &text("1")), "whether it is private is unclear"),
            (
                dict(&[
                    ("file tree", b"de"),
                    ("meta version", &integer(2)),
                    ("name", &text("a")),
                    ("piece length", &integer(PIECE)),
                ]),
                "it is BitTorrent v2 only, which is not supported yet",
            ),
        ] {
            refuses(&info, expected);
        }
    }

    #[test]
    fn refuses_bad_names() {
        let two = |a: &[&str], b: &[&str]| multi(&[file(1, a), file(1, b)], 1);
        let long = "x".repeat(300);
        let max = u64::try_from(i64::MAX).unwrap();
        for (info, expected) in [
            (single("..", 5), "path traversal"),
            (single("a/b.mp4", 5), "separator"),
            (single("C:evil.mp4", 5), "the name C:evil.mp4 begins with a drive letter"),
            (single("NUL.mp4", 5), "the name NUL.mp4 is reserved by Windows"),
            (single("a\0.mp4", 5), "the name a.mp4 has forbidden characters"),
            (single(&long, 5), "is too long"),
            (multi(&[], 1), "it has no files"),
            (multi(&[file(1, &[])], 1), "a file has no name"),
            (two(&["a", "..", "..", "b"], &["c"]), "path traversal"),
            (two(&["", "a"], &["c"]), "a file has an empty name"),
            (two(&["."], &["c"]), "a file lies outside of its folder"),
            (two(&["a\\b"], &["c"]), "separator"),
            (two(&["a"], &["a"]), "duplicate"),
            (two(&["a"], &["a", "b"]), "a is both a file and a folder"),
            (two(&["a", "b"], &["a"]), "a is both a file and a folder"),
            (multi(&vec![file(max, &["a"]); 3], 1), "its files are too large"),
            (multi(&[b"i1e".to_vec()], 1), "its list of files is broken"),
            (multi(&vec![b"de".to_vec(); MAX_FILES + 1], 1), "it has 100001 files, more than 100000"),
        ] {
            refuses(&info, expected);
        }
    }

    #[test]
    fn refuses_what_is_no_torrent() {
        for (bytes, expected) in [
            (&b""[..], "this is not a torrent: the file does not begin like one"),
            (b"<!doctype html>", "this is not a torrent: the file does not begin like one"),
            (b"de", "this torrent is invalid: it describes no files"),
            (b"d4:infoi1ee", "this torrent is invalid: it describes no files"),
            (b"d4:infode", "this torrent is invalid: it is cut off"),
        ] {
            assert_eq!(Metainfo::parse(&Bytes::copy_from_slice(bytes)).unwrap_err().to_string(), expected);
        }
        assert!(Metainfo::parse(&vec![b'd'; MAX_METAINFO_LEN + 1].into()).is_err());
    }

    #[test]
    fn mutated_torrents_break_no_law() {
        let tracker = ["udp://t.example:1".to_owned()];
        let torrents = [
            wrap(&single("film.mkv", 3 * PIECE + 1), &tracker),
            wrap(&multi(&[file(40000, &["a", "b.mkv"]), file(1, &["c"])], 2), &tracker),
            wrap(&single("film.mkv", 1), &[]),
        ]
        .map(|bytes| bytes.to_vec());
        let tokens = [
            "i-1e",
            "i0e",
            "i9223372036854775807e",
            "de",
            "le",
            "0:",
            "2:..",
            "1:/",
            "4:attr1:p",
            "7:privatei1e",
            "7:privatei256e",
            "i-9223372036854775808e",
            "6:lengthi1e",
            "12:piece lengthi16384e",
            "10:name.utf-83:a:b",
            "99999999999999999999:",
        ];
        crate::mutation::run("torrents", &torrents, &tokens, hold_laws);
    }
}
