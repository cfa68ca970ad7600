//! Numbers and names as people read them. Pure.

use streamshare_protocol::MediaTime;

/// Endings of files that a playlist may hold; only these are cut off a title.
const MEDIA_ENDINGS: [&str; 22] = [
    "mp4", "m4v", "mkv", "webm", "mov", "avi", "mpg", "mpeg", "ts", "m2ts", "ogv", "ogg", "wmv", "flv", "3gp", "mp3",
    "m4a", "flac", "opus", "wav", "aac", "torrent",
];

/// A place in an item: `m:ss`, from an hour on `h:mm:ss`. Fractions are cut, as clocks do.
pub(crate) fn clock(time: MediaTime) -> String {
    // A media time ends below 10^7 s and is never negative.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the type's range fits")]
    let whole = time.seconds() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// A number of bytes with three digits at most before the unit: `820 B`, `1.4 MB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    #[allow(clippy::cast_precision_loss, reason = "only shown, rounded to two digits")]
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let name = UNITS[unit];
    if unit == 0 || value >= 9.95 { format!("{value:.0} {name}") } else { format!("{value:.1} {name}") }
}

/// Bytes a second.
pub(crate) fn speed(bytes_per_second: u64) -> String {
    format!("{}/s", bytes(bytes_per_second))
}

/// How fast a room plays: `1×`, `1.25×`.
pub(crate) fn pace(speed: f64) -> String {
    let digits = format!("{speed:.2}");
    format!("{}×", digits.trim_end_matches('0').trim_end_matches('.'))
}

/// How much later something is shown than it says, or earlier: `+0.3 s`, `−1.0 s`.
pub(crate) fn delay(ms: i32) -> String {
    let sign = match ms {
        0 => "",
        1.. => "+",
        _ => "−",
    };
    format!("{sign}{}.{} s", ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000 / 100)
}

/// How much of a whole, as a whole number of percent that says 100 only where nothing is missing.
pub(crate) fn percent(done: u64, total: u64) -> Option<u64> {
    if total == 0 {
        return None;
    }
    let share = u128::from(done.min(total)) * 100 / u128::from(total);
    u64::try_from(share).ok()
}

/// A title for people from a file's or a torrent's name: without folder and ending, with blanks for the dots and
/// underscores that stand for them.
pub(crate) fn title(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name).trim();
    let stem = match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && MEDIA_ENDINGS.contains(&ending.to_ascii_lowercase().as_str()) => {
            stem
        }
        _ => name,
    };
    let spaced = stem.contains(' ');
    let chars: Vec<char> = stem.chars().collect();
    let blank = |at: usize, c: char| c == '_' || (c == '.' && !spaced && !belongs(&chars, at));
    let blanked: String = chars.iter().enumerate().map(|(at, &c)| if blank(at, c) { ' ' } else { c }).collect();
    let words: Vec<&str> = blanked.split_whitespace().collect();
    if words.is_empty() { name.to_owned() } else { words.join(" ") }
}

/// Whether the dot at `at` is one: that of `5.1` and of `H.264` is, those of `2019.1080p` and `Part.02` are not.
fn belongs(chars: &[char], at: usize) -> bool {
    let around = |offset: isize| at.checked_add_signed(offset).and_then(|at| chars.get(at)).copied();
    let digit = |offset: isize| around(offset).is_some_and(|c| c.is_ascii_digit());
    let surround = digit(-1) && digit(1) && !digit(-2) && !digit(2);
    let codec = matches!(around(-1), Some('h' | 'H' | 'x' | 'X')) && !around(-2).is_some_and(char::is_alphanumeric);
    surround || (codec && digit(1))
}

/// The first letters of a name's first and last word, for its badge.
pub(crate) fn initials(name: &str) -> String {
    let mut words = name.split_whitespace();
    let first = words.next().and_then(|word| word.chars().next());
    let last = words.next_back().and_then(|word| word.chars().next());
    first.into_iter().chain(last).flat_map(char::to_uppercase).collect()
}

/// `1 peer`, `2 peers`.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks() {
        for (seconds, text) in [
            (0.0, "0:00"),
            (9.99, "0:09"),
            (61.0, "1:01"),
            (3599.9, "59:59"),
            (3600.0, "1:00:00"),
            (360_000.0, "100:00:00"),
        ] {
            assert_eq!(clock(MediaTime::saturating(seconds)), text);
        }
    }

    #[test]
    fn sizes() {
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (9_949, "9.9 kB"),
            (9_960, "10 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (1_400_000_000, "1.4 GB"),
            (u64::MAX, "18446744 TB"),
        ] {
            assert_eq!(bytes(count), text);
        }
        assert_eq!((percent(999, 1000), percent(5, 5), percent(1, 0)), (Some(99), Some(100), None));
    }

    #[test]
    fn titles() {
        for (name, expected) in [
            ("clip.mp4", "clip"),
            ("Big.Buck.Bunny.2008.1080p.x264.mkv", "Big Buck Bunny 2008 1080p x264"),
            ("Film.2019.DTS.5.1.H.264.mkv", "Film 2019 DTS 5.1 H.264"),
            ("Season 1/02_The_Return.webm", "02 The Return"),
            ("Mr. Nobody (2009).mkv", "Mr. Nobody (2009)"),
            ("Sintel", "Sintel"),
            (".mp4", "mp4"),
            ("___", "___"),
            ("a.b", "a b"),
        ] {
            assert_eq!(title(name), expected, "{name}");
        }
    }

    #[test]
    fn paces() {
        for (speed, text) in [(1.0, "1×"), (0.5, "0.5×"), (1.25, "1.25×"), (2.0, "2×"), (1.004, "1×")] {
            assert_eq!(pace(speed), text);
        }
    }

    #[test]
    fn delays() {
        for (ms, text) in [(0, "0.0 s"), (100, "+0.1 s"), (-1250, "−1.2 s"), (61_000, "+61.0 s")] {
            assert_eq!(delay(ms), text);
        }
    }

    #[test]
    fn badges() {
        for (name, expected) in [("ann", "A"), ("Ann Marie van Dam", "AD"), ("ßa", "SS"), ("", "")] {
            assert_eq!(initials(name), expected);
        }
    }
}
