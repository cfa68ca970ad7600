//! WebVTT (W3C). Styles and regions are left out: they are the page's business.

use super::{CUES_MAX, Cue, Dialect, Place, cue_text, lines};

pub(super) fn read(text: &str) -> Vec<Cue> {
    let mut cues = Vec::new();
    let mut rest = text.lines();
    while let Some(line) = rest.next() {
        let Some((start, end)) = lines::span(line) else { continue };
        let body: Vec<&str> = rest.by_ref().take_while(|line| !line.trim().is_empty()).collect();
        let settings = line.split_once("-->").map_or("", |(_, after)| after);
        let (text, _) = cue_text(&body.join("\n"), Dialect::WebVtt);
        cues.extend(Cue::new(start, end, text, place(settings)));
        if cues.len() >= CUES_MAX {
            break;
        }
    }
    cues
}

/// Where the setting `line` puts a cue: by percent, or by lines, which count from the bottom where they are negative.
pub(crate) fn place(settings: &str) -> Place {
    let line = settings.split_whitespace().find_map(|setting| setting.strip_prefix("line:"));
    let value = line.map(|line| line.split(',').next().unwrap_or(line));
    let is_top = match value.map(|value| (value.strip_suffix('%'), value)) {
        Some((Some(percent), _)) => percent.parse::<f64>().is_ok_and(|percent| percent < 50.0),
        Some((None, number)) => number.parse::<i32>().is_ok_and(|number| (0..8).contains(&number)),
        None => false,
    };
    if is_top { Place::Top } else { Place::Bottom }
}

#[cfg(test)]
mod tests {
    use super::super::read_subtitles;
    use super::*;

    #[test]
    fn a_file_with_everything() {
        let text = "WEBVTT - a title\nKind: captions\n\nNOTE\n00:00:00.000 --> is no cue\n\nSTYLE\n::cue { color: red }\n\n\
                    intro\n00:01.000 --> 00:02.000 line:10% align:start\n<v Ann>Hi &amp; <font>bye</font>\nyou\n\n\
                    00:00:03.000 --> 00:00:04.000 line:-1\nlow\n";
        let cues = read_subtitles(text).unwrap();
        let shown: Vec<_> = cues.iter().map(|cue| (cue.start.as_secs(), cue.text.as_str(), cue.place)).collect();
        assert_eq!(shown, [(1, "<v Ann>Hi &amp; bye\nyou</v>", Place::Top), (3, "low", Place::Bottom)]);
        assert_eq!((place("line:0"), place("line:90%"), place("")), (Place::Top, Place::Bottom, Place::Bottom));
    }
}
