//! SubRip, as it is found in the wild: without numbers, with empty lines in texts, with points for commas.

use std::time::Duration;

use super::{CUES_MAX, Cue, Dialect, cue_text};

/// The longest time that is read: nothing is a thousand hours long.
const HOURS_MAX: u64 = 1_000;

pub(super) fn read(text: &str) -> Vec<Cue> {
    let lines: Vec<&str> = text.lines().collect();
    let times: Vec<(usize, Duration, Duration)> = lines
        .iter()
        .enumerate()
        .filter_map(|(at, line)| span(line).map(|(start, end)| (at, start, end)))
        .take(CUES_MAX)
        .collect();
    let mut cues = Vec::new();
    for (index, (at, start, end)) in times.iter().enumerate() {
        let next = times.get(index + 1).map_or(lines.len(), |(next, ..)| *next);
        let mut body = &lines[at + 1..next];
        // The number of the next cue stands before its times, with an empty line before it or counting on.
        let number_at = |at: usize| at.checked_sub(1).and_then(|before| number(lines[before]));
        if next < lines.len()
            && let [before @ .., last] = body
            && let Some(last) = number(last)
            && (before.last().is_some_and(|line| line.trim().is_empty())
                || number_at(*at).is_some_and(|this| last == this.saturating_add(1)))
        {
            body = before;
        }
        let (text, place) = cue_text(&body.join("\n"), Dialect::SubRip);
        cues.extend(Cue::new(*start, *end, text, place));
    }
    cues
}

fn number(line: &str) -> Option<u64> {
    line.trim().parse().ok()
}

/// The times of a line `00:00:01,000 --> 00:00:02,000 X1:40`.
pub(super) fn span(line: &str) -> Option<(Duration, Duration)> {
    let (start, rest) = line.split_once("-->")?;
    let end = rest.split_whitespace().next()?;
    Some((time(start)?, time(end)?))
}

/// A time: hours if there are any, minutes, seconds, and a fraction after a comma or a point.
pub(super) fn time(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (whole, fraction) = text.split_once([',', '.']).unwrap_or((text, ""));
    let mut seconds = 0_u64;
    let mut parts = 0;
    for part in whole.split(':') {
        // Some programs write blanks for zeros.
        let part = part.trim();
        if parts == 3 || part.is_empty() || part.len() > 6 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        seconds = seconds * 60 + part.parse::<u64>().ok()?;
        parts += 1;
    }
    let fraction = fraction.trim();
    if parts < 2 || seconds > HOURS_MAX * 3600 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.get(..fraction.len().min(9))?;
    let nanos = if digits.is_empty() {
        0
    } else {
        digits.parse::<u32>().ok()? * 10_u32.pow(9 - u32::try_from(digits.len()).ok()?)
    };
    Some(Duration::new(seconds, nanos))
}

#[cfg(test)]
mod tests {
    use super::super::read_subtitles;
    use super::*;

    fn shown(text: &str) -> Vec<(u128, u128, String)> {
        let cues = read_subtitles(text).unwrap_or_default();
        cues.into_iter().map(|cue| (cue.start.as_millis(), cue.end.as_millis(), cue.text)).collect()
    }

    #[test]
    fn times() {
        let ms = |text| time(text).map(|time| time.as_millis());
        assert_eq!(ms("01:02:03,004"), Some(3_723_004));
        assert_eq!((ms("02:03.5"), ms(" 1: 2: 3,45 "), ms("00:00:01")), (Some(123_500), Some(3_723_450), Some(1000)));
        for bad in ["", "1", "1:2:3:4", "-1:00:00,000", "aa:bb:cc", "00:00:01,-5", "999999:00:00", "0:0:1,é"] {
            assert_eq!(ms(bad), None, "{bad}");
        }
    }

    #[test]
    fn as_it_should_be_and_as_it_is() {
        let wanted = |cues: &[(u128, u128, &str)]| {
            cues.iter().map(|(a, b, text)| (*a, *b, (*text).to_owned())).collect::<Vec<_>>()
        };
        let plain = "1\n00:00:01,000 --> 00:00:02,500\nOne\nline two\n\n2\n00:00:03,000 --> 00:00:04,000\nTwo\n";
        let cues = wanted(&[(1000, 2500, "One\nline two"), (3000, 4000, "Two")]);
        assert_eq!(shown(plain), cues);
        assert_eq!(shown(&plain.replace('\n', "\r\n")), cues);
        assert_eq!(shown(&plain.replace('\n', "\r")), cues);
        assert_eq!(shown(&format!("\u{feff}{plain}")), cues);
        // Without numbers and empty lines between them, and one text that is a number.
        assert_eq!(
            shown("0:1,0 --> 0:2.5\n1984\n0:3,0 --> 0:4,0\n\nTwo\n\nmore"),
            wanted(&[(1000, 2500, "1984"), (3000, 4000, "Two\nmore")])
        );
        assert_eq!(
            shown("1\n0:1,0 --> 0:2,0\na\n2\n0:3,0 --> 0:4,0\nb"),
            wanted(&[(1000, 2000, "a"), (3000, 4000, "b")])
        );
        // Overlapping, out of order, backwards, empty.
        assert_eq!(
            shown("5\n0:5,0 --> 0:9,0\nb\n\n1\n0:1,0 --> 0:7,0\na\n\n9\n0:9,0 --> 0:8,0\nc\n\n9\n0:9,0 --> 0:10,0\n\n"),
            wanted(&[(1000, 7000, "a"), (5000, 9000, "b")])
        );
        assert!(shown("nothing --> here\nx").is_empty() && shown("").is_empty());
    }

    #[test]
    fn a_text_is_not_cut_within_a_tag() {
        let text = format!("1\n0:1,0 --> 0:2,0\n{}<i>x</i>", "y".repeat(1998));
        assert_eq!(shown(&text)[0].2, "y".repeat(1998));
    }
}
