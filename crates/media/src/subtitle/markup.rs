//! From what other formats write into their texts to the cue text of WebVTT (W3C, section 4.2.2).

use super::Place;

/// Tags of a cue that are open at most.
const OPEN_MAX: usize = 32;

/// Whose tags a text may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// SubRip: `<b>`, `<i>`, `<u>`, and the overrides of SubStation Alpha that many players understand.
    SubRip,
    /// WebVTT: voices, classes, languages, ruby and times as well.
    WebVtt,
}

/// The text of a cue, and where it wants to be. Tags that WebVTT does not have are left out, what looks like one but is none is
/// escaped, and every tag is closed: nothing in it can be anything else than text to a browser.
pub(crate) fn cue_text(text: &str, dialect: Dialect) -> (String, Place) {
    let mut out = Writer::default();
    let mut place = Place::Bottom;
    let mut rest = text.trim();
    while let Some(next) = rest.chars().next() {
        if next == '<'
            && let Some((tag, after)) = tag(rest)
        {
            out.tag(tag, dialect);
            rest = after;
            continue;
        }
        // {\an8}: at the top. The others are about fonts and colours.
        if dialect == Dialect::SubRip
            && rest.starts_with("{\\")
            && let Some((overrides, after)) = rest[1..].split_once('}')
        {
            if overrides.contains("\\an7") || overrides.contains("\\an8") || overrides.contains("\\an9") {
                place = Place::Top;
            }
            rest = after;
            continue;
        }
        if dialect == Dialect::WebVtt
            && let Some(entity) = entity(rest)
        {
            out.text.push_str(entity);
            out.shows = true;
            rest = &rest[entity.len()..];
            continue;
        }
        out.letter(next);
        rest = &rest[next.len_utf8()..];
    }
    (out.finish(), place)
}

/// What is between `<` and `>`, and what follows; `None` where it is no tag but a sign.
fn tag(rest: &str) -> Option<(&str, &str)> {
    let (tag, after) = rest[1..].split_once('>')?;
    let begins = tag.trim_start_matches('/').chars().next()?;
    (begins.is_ascii_alphanumeric() && !tag.contains(['<', '\n'])).then_some((tag, after))
}

/// An escape of WebVTT at the beginning of a text.
fn entity(rest: &str) -> Option<&str> {
    let known = ["&amp;", "&lt;", "&gt;", "&nbsp;", "&lrm;", "&rlm;"];
    known.into_iter().find(|entity| rest.starts_with(entity))
}

/// Writes cue text and keeps in mind which tags are open.
#[derive(Default)]
pub(super) struct Writer {
    text: String,
    open: Vec<&'static str>,
    /// Whether there is more than tags and blanks.
    shows: bool,
}

impl Writer {
    pub(super) fn letter(&mut self, letter: char) {
        self.shows |= !letter.is_whitespace();
        match letter {
            '&' => self.text.push_str("&amp;"),
            '<' => self.text.push_str("&lt;"),
            '>' => self.text.push_str("&gt;"),
            '\n' => {
                // An empty line ends a cue.
                let kept = self.text.trim_end_matches([' ', '\t', '\n']).len();
                self.text.truncate(kept);
                self.text.push('\n');
            }
            '\t' => self.text.push(' '),
            control if control.is_control() => {}
            other => self.text.push(other),
        }
    }

    fn tag(&mut self, tag: &str, dialect: Dialect) {
        if let Some(name) = tag.strip_prefix('/') {
            return self.close(name.trim());
        }
        let end = tag.find([' ', '\t', '.']).unwrap_or(tag.len());
        let (name, rest) = tag.split_at(end);
        let name = name.to_ascii_lowercase();
        match (dialect, name.as_str()) {
            (_, "b") => self.open("b", ""),
            (_, "i") => self.open("i", ""),
            (_, "u") => self.open("u", ""),
            (Dialect::WebVtt, "ruby") => self.open("ruby", ""),
            (Dialect::WebVtt, "rt") => self.open("rt", ""),
            (Dialect::WebVtt, "c") => self.open("c", &classes(rest)),
            (Dialect::WebVtt, "v") => self.open("v", &annotation(rest)),
            (Dialect::WebVtt, "lang") => self.open("lang", &annotation(rest)),
            (Dialect::WebVtt, _) if is_time(tag) => {
                self.text.push_str(&format!("<{}>", tag.trim()));
            }
            _ => {}
        }
    }

    pub(super) fn open(&mut self, name: &'static str, rest: &str) {
        if self.open.len() < OPEN_MAX {
            self.text.push_str(&format!("<{name}{rest}>"));
            self.open.push(name);
        }
    }

    /// Closes a tag, and those within it; one that is not open is left out.
    pub(super) fn close(&mut self, name: &str) {
        let Some(at) = self.open.iter().rposition(|open| open.eq_ignore_ascii_case(name)) else { return };
        for name in self.open.drain(at..).rev() {
            self.text.push_str(&format!("</{name}>"));
        }
    }

    /// The text; empty where there are tags alone.
    pub(super) fn finish(mut self) -> String {
        if !self.shows {
            return String::new();
        }
        let kept = self.text.trim_end().len();
        self.text.truncate(kept);
        for name in self.open.drain(..).rev() {
            self.text.push_str(&format!("</{name}>"));
        }
        self.text
    }
}

fn is_time(tag: &str) -> bool {
    tag.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.')) && super::lines::time(tag).is_some()
}

/// `.yellow.bg_black`, of what a class may be made of.
fn classes(rest: &str) -> String {
    let legal = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    let legal: String = legal.take(64).collect();
    // `-->` must not stand in a cue, nor come about by the tag's end.
    legal.trim_end_matches('-').to_owned()
}

/// Who speaks, or the language.
fn annotation(rest: &str) -> String {
    let text = rest.find([' ', '\t']).map_or("", |at| rest[at..].trim());
    let legal: String = text.chars().filter(|c| !c.is_control() && !matches!(c, '<' | '>' | '&')).take(64).collect();
    match legal.trim_end_matches(['-', ' ']) {
        "" => String::new(),
        legal => format!(" {legal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, dialect: Dialect) -> String {
        cue_text(text, dialect).0
    }

    #[test]
    fn tags_of_subrip() {
        let check = |text, wanted: &str| assert_eq!(of(text, Dialect::SubRip), wanted, "{text}");
        check("<I>Hello</I> <b>you</b>", "<i>Hello</i> <b>you</b>");
        check("<font color=\"#ff0000\">Red</font> & <3", "Red &amp; &lt;3");
        check("<i>open <b>both", "<i>open <b>both</b></i>");
        check("<i>a<b>b</i>c</b>", "<i>a<b>b</b></i>c");
        check("<script>alert(1)</script><img src=x onerror=y>", "alert(1)");
        check("a < b > c <- d <!-- e", "a &lt; b &gt; c &lt;- d &lt;!-- e");
        check("&lt;i> &amp;", "&amp;lt;i&gt; &amp;amp;");
        check("one\n\n \ntwo\u{7}\t!", "one\ntwo !");
        check("<v Roger>no voice</v>", "no voice");
        assert_eq!(cue_text("{\\an8\\fs20}Sign{x}", Dialect::SubRip), ("Sign{x}".to_owned(), Place::Top));
        assert_eq!(cue_text("{\\pos(1,2)}low", Dialect::SubRip), ("low".to_owned(), Place::Bottom));
    }

    #[test]
    fn tags_of_webvtt() {
        let check = |text, wanted: &str| assert_eq!(of(text, Dialect::WebVtt), wanted, "{text}");
        check("<v.loud Roger & <b>>x</v>", "&lt;v.loud Roger &amp; <b>&gt;x</b>");
        check("<v Roger Bingham>We are</v>", "<v Roger Bingham>We are</v>");
        check("<c.yellow.bg_blue\">x</c>", "<c.yellow.bg_blue>x</c>");
        check("<ruby>漢<rt>kan</rt></ruby>", "<ruby>漢<rt>kan</rt></ruby>");
        check("<00:00:01.500>late", "<00:00:01.500>late");
        check("&lt;b&gt; &copy; & &nbsp;", "&lt;b&gt; &amp;copy; &amp; &nbsp;");
        check("<lang en>x", "<lang en>x</lang>");
    }
}
