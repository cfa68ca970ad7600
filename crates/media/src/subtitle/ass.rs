//! SubStation Alpha (.ssa, .ass): what it says, in italics where it says so, and whether at the top or at the bottom; not its fonts and
//! colours, and no places beyond that.

use std::collections::BTreeMap;
use std::time::Duration;

use super::markup::Writer;
use super::{CUES_MAX, Cue, Place, lines};

/// Styles of a script at most.
const STYLES_MAX: usize = 1_000;
/// The columns where a script does not name them (v4+).
const EVENT_COLUMNS: &str = "Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text";

/// The height that places are told in where a script does not say so, as its first program had it.
const HEIGHT_DEFAULT: u16 = 288;

/// What a style means here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Style {
    bold: bool,
    italic: bool,
    underline: bool,
    place: Place,
}

/// The head of a script: its styles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Script {
    styles: BTreeMap<String, Style>,
    /// Of the picture that places are told for.
    height: Option<u16>,
}

impl Script {
    /// Reads what is before the events.
    pub(crate) fn read(text: &str) -> Self {
        let (mut script, mut columns, mut is_old) = (Self::default(), Vec::new(), false);
        for line in text.lines().map(str::trim) {
            if line.starts_with('[') {
                is_old = line.eq_ignore_ascii_case("[V4 Styles]");
            } else if let Some(rest) = field(line, "Format:") {
                columns = split(rest);
            } else if let Some(rest) = field(line, "PlayResY:") {
                script.height = rest.trim().parse().ok().filter(|height| *height > 0);
            } else if let Some(rest) = field(line, "Style:")
                && script.styles.len() < STYLES_MAX
            {
                let values = split(rest);
                let value = |name| columns.iter().position(|column| column == name).and_then(|at| values.get(at));
                let is_set = |name| value(name).is_some_and(|value| value != "0");
                let alignment = value("alignment").and_then(|value| value.parse::<u8>().ok()).unwrap_or(2);
                // The first version added 4 for the top, where the second counts like a keyboard.
                let is_top = if is_old { alignment & 4 != 0 } else { (7..=9).contains(&alignment) };
                let style = Style {
                    bold: is_set("bold"),
                    italic: is_set("italic"),
                    underline: is_set("underline"),
                    place: if is_top { Place::Top } else { Place::Bottom },
                };
                if let Some(name) = value("name") {
                    script.styles.insert(name.trim_start_matches('*').to_owned(), style);
                }
            }
        }
        script
    }

    /// What a line of dialogue shows; an empty text where it only draws.
    fn text(&self, style: &str, text: &str) -> (String, Place) {
        let style =
            self.styles.get(&style.trim().trim_start_matches('*').to_ascii_lowercase()).copied().unwrap_or_default();
        let middle = f64::from(self.height.unwrap_or(HEIGHT_DEFAULT)) / 2.0;
        let mut line = Line { out: Writer::default(), style, place: style.place, put: None, draws: false, middle };
        // Bold is most often the film's style for all; marked as such it would only look heavy.
        line.set("i", style.italic);
        line.set("u", style.underline);
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            if next == '{'
                && let Some((overrides, after)) = rest[1..].split_once('}')
            {
                line.obey(overrides);
                rest = after;
            } else {
                let mut letters = rest.chars();
                letters.next();
                let (letter, used) = match (next, letters.next()) {
                    ('\\', Some('N')) => ('\n', 2),
                    ('\\', Some('n')) => (' ', 2),
                    ('\\', Some('h')) => ('\u{a0}', 2),
                    _ => (next, next.len_utf8()),
                };
                if !line.draws {
                    line.out.letter(letter);
                }
                rest = &rest[used..];
            }
        }
        (line.out.finish(), line.put.unwrap_or(line.place))
    }
}

struct Line {
    out: Writer,
    style: Style,
    /// Where its alignment has it.
    place: Place,
    /// Where it is put itself, which goes before that.
    put: Option<Place>,
    draws: bool,
    /// How far from the top the lower half of the picture begins.
    middle: f64,
}

impl Line {
    fn set(&mut self, tag: &'static str, on: bool) {
        if on {
            self.out.open(tag, "");
        } else {
            self.out.close(tag);
        }
    }

    fn obey(&mut self, overrides: &str) {
        for one in overrides.split('\\').skip(1) {
            let number = |name: &str| one.strip_prefix(name).and_then(|value| value.trim().parse::<u16>().ok());
            if let Some(from_top) = one.strip_prefix("pos(").or_else(|| one.strip_prefix("move(")).and_then(height) {
                self.put.get_or_insert(if from_top < self.middle { Place::Top } else { Place::Bottom });
            } else if let Some(alignment) = number("an") {
                self.place = if (7..=9).contains(&alignment) { Place::Top } else { Place::Bottom };
            } else if let Some(alignment) = number("a") {
                self.place = if alignment & 4 != 0 && alignment < 8 { Place::Top } else { Place::Bottom };
            } else if let Some(level) = number("p") {
                self.draws = level > 0;
            } else if let Some(on) = number("i") {
                self.set("i", on > 0);
            } else if let Some(weight) = number("b") {
                // 1, or a weight of a font.
                self.set("b", weight == 1 || weight >= 600);
            } else if let Some(on) = number("u") {
                self.set("u", on > 0);
            } else if one.starts_with('r') {
                let style = self.style;
                self.set("b", false);
                self.set("i", style.italic);
                self.set("u", style.underline);
            }
        }
    }
}

/// The second of the numbers of a place.
fn height(place: &str) -> Option<f64> {
    let number = place.split([',', ')']).nth(1)?;
    number.trim().parse().ok()
}

pub(super) fn read(text: &str) -> Vec<Cue> {
    let (head, events) = text.split_at(text.find("[Events]").unwrap_or(0));
    let script = Script::read(head);
    let mut columns = split(EVENT_COLUMNS);
    let mut cues = Vec::new();
    for line in events.lines().map(str::trim) {
        if let Some(rest) = field(line, "Format:") {
            columns = split(rest);
        } else if let Some(rest) = field(line, "Dialogue:")
            && cues.len() < CUES_MAX
        {
            // The text comes last and may have commas.
            let values: Vec<&str> = rest.splitn(columns.len().max(1), ',').collect();
            let value = |name| columns.iter().position(|column| column == name).and_then(|at| values.get(at).copied());
            let (Some(start), Some(end)) = (value("start").and_then(lines::time), value("end").and_then(lines::time))
            else {
                continue;
            };
            let (text, place) = script.text(value("style").unwrap_or_default(), value("text").unwrap_or_default());
            cues.extend(Cue::new(start, end, text, place));
        }
    }
    cues
}

/// A line as Matroska stores it (its codec registry, S_TEXT/ASS): its place in the script, then the columns without times.
pub(crate) fn parse_block(script: &Script, block: &str, start: Duration, end: Duration) -> Option<Cue> {
    let mut values = block.splitn(9, ',');
    let style = values.nth(2)?;
    let text = values.nth(5)?;
    let (text, place) = script.text(style, text);
    Cue::new(start, end, text, place)
}

fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let head = line.get(..name.len())?;
    head.eq_ignore_ascii_case(name).then(|| &line[name.len()..])
}

/// Names of columns, or values, in small letters.
fn split(line: &str) -> Vec<String> {
    line.split(',').take(64).map(|column| column.trim().to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::read_subtitles;
    use super::*;

    const SCRIPT: &str = "[Script Info]\nTitle: x\nScriptType: v4.00+\n\n[V4+ Styles]\n\
        Format: Name, Fontname, Bold, Italic, Underline, Alignment\nStyle: Default,Arial,-1,0,0,2\nStyle: Sign,Arial,0,-1,0,8\n\n\
        [Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n";

    fn shown(lines: &str) -> Vec<(u128, String, Place)> {
        let cues = read_subtitles(&format!("{SCRIPT}{lines}")).unwrap_or_default();
        cues.into_iter().map(|cue| (cue.start.as_millis(), cue.text, cue.place)).collect()
    }

    #[test]
    fn a_script() {
        let lines = "Comment: 0,0:00:00.00,0:00:09.00,Default,,0,0,0,,no\n\
                     Dialogue: 0,0:00:01.50,0:00:02.00,Default,Ann,0,0,0,,Hello, {\\i1}you{\\i0}\\Nthere <b>\\hx\n\
                     Dialogue: 0,0:00:03.00,0:00:04.00,Sign,,0,0,0,,{\\c&HFF&}Shop{\\an2}\n\
                     Dialogue: 0,0:00:05.00,0:00:06.00,Sign,,0,0,0,,{\\p1}m 0 0 l 10 10{\\p0}\n\
                     Dialogue: 0,0:00:07.00,0:00:08.00,Unknown,,0,0,0,,{\\b1}a{\\b400}b{\\r}c{unclosed\n\
                     Dialogue: broken\n";
        assert_eq!(
            shown(lines),
            [
                (1500, "Hello, <i>you</i>\nthere &lt;b&gt;\u{a0}x".to_owned(), Place::Bottom),
                (3000, "<i>Shop</i>".to_owned(), Place::Bottom),
                (7000, "<b>a</b>bc{unclosed".to_owned(), Place::Bottom),
            ]
        );
        assert_eq!(shown("Dialogue: 0,0:00:03.00,0:00:04.00,Sign,,0,0,0,,Top")[0].2, Place::Top);
        // Where a line is put goes before its alignment.
        for (place, wanted) in
            [("\\pos(10,143.5)", Place::Top), ("\\pos(10, 150)", Place::Bottom), ("\\pos(x)", Place::Top)]
        {
            assert_eq!(
                shown(&format!("Dialogue: 0,0:0:1.0,0:0:2.0,Sign,,0,0,0,,{{{place}}}x"))[0].2,
                wanted,
                "{place}"
            );
        }
        let large =
            format!("PlayResY: 1080\n{SCRIPT}Dialogue: 0,0:0:1.0,0:0:2.0,Default,,0,0,0,,{{\\move(0,500,0,900)}}x");
        assert_eq!(read_subtitles(&format!("[Script Info]\n{large}")).unwrap()[0].place, Place::Top);
        // The same line once for each layer of its shadow.
        let layer = "Dialogue: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,x\n";
        assert_eq!(shown(&layer.repeat(3)).len(), 1);
    }

    #[test]
    fn a_block() {
        let script = Script::read(SCRIPT);
        let (start, end) = (Duration::from_secs(1), Duration::from_secs(2));
        let cue = parse_block(&script, "12,0,Sign,,0,0,0,,One, two", start, end).unwrap();
        assert_eq!((cue.text.as_str(), cue.place), ("<i>One, two</i>", Place::Top));
        assert_eq!(parse_block(&script, "12,0,Sign", start, end), None);
    }
}
