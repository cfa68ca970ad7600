//! Languages by what files and tracks call them.

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Language {
    /// ISO 639-1.
    pub code: &'static str,
    /// In English.
    pub name: &'static str,
}

/// ISO 639-1, the codes of ISO 639-2 (both where there are two), the name in English, and other names that files have.
const LANGUAGES: &[(&str, &[&str], &str, &[&str])] = &[
    ("ar", &["ara"], "Arabic", &[]),
    ("bg", &["bul"], "Bulgarian", &[]),
    ("bn", &["ben"], "Bengali", &[]),
    ("ca", &["cat"], "Catalan", &[]),
    ("cs", &["cze", "ces"], "Czech", &["cz"]),
    ("da", &["dan"], "Danish", &["dansk"]),
    ("de", &["ger", "deu"], "German", &["deutsch"]),
    ("el", &["gre", "ell"], "Greek", &["gr"]),
    ("en", &["eng"], "English", &[]),
    ("es", &["spa"], "Spanish", &["espanol", "español", "castellano", "latino"]),
    ("et", &["est"], "Estonian", &[]),
    ("eu", &["baq", "eus"], "Basque", &[]),
    ("fa", &["per", "fas"], "Persian", &["farsi"]),
    ("fi", &["fin"], "Finnish", &["suomi"]),
    ("fr", &["fre", "fra"], "French", &["francais", "français", "vff", "vostfr"]),
    ("gl", &["glg"], "Galician", &[]),
    ("he", &["heb"], "Hebrew", &[]),
    ("hi", &["hin"], "Hindi", &[]),
    ("hr", &["hrv", "scr"], "Croatian", &[]),
    ("hu", &["hun"], "Hungarian", &["magyar"]),
    ("hy", &["arm", "hye"], "Armenian", &[]),
    ("id", &["ind"], "Indonesian", &[]),
    ("is", &["ice", "isl"], "Icelandic", &[]),
    ("it", &["ita"], "Italian", &["italiano"]),
    ("ja", &["jpn"], "Japanese", &["jp"]),
    ("ka", &["geo", "kat"], "Georgian", &[]),
    ("kk", &["kaz"], "Kazakh", &[]),
    ("ko", &["kor"], "Korean", &[]),
    ("lt", &["lit"], "Lithuanian", &[]),
    ("lv", &["lav"], "Latvian", &[]),
    ("mk", &["mac", "mkd"], "Macedonian", &[]),
    ("ml", &["mal"], "Malayalam", &[]),
    ("mr", &["mar"], "Marathi", &[]),
    ("ms", &["may", "msa"], "Malay", &[]),
    ("nl", &["dut", "nld"], "Dutch", &["nederlands"]),
    ("no", &["nor", "nob", "nno"], "Norwegian", &["nb", "nn", "norsk"]),
    ("pl", &["pol"], "Polish", &["polski"]),
    ("pt", &["por"], "Portuguese", &["pob", "ptbr", "brazilian"]),
    ("ro", &["rum", "ron"], "Romanian", &[]),
    ("ru", &["rus"], "Russian", &[]),
    ("sk", &["slo", "slk"], "Slovak", &[]),
    ("sl", &["slv"], "Slovenian", &[]),
    ("sq", &["alb", "sqi"], "Albanian", &[]),
    ("sr", &["srp", "scc"], "Serbian", &[]),
    ("sv", &["swe"], "Swedish", &["svenska"]),
    ("ta", &["tam"], "Tamil", &[]),
    ("te", &["tel"], "Telugu", &[]),
    ("th", &["tha"], "Thai", &[]),
    ("tl", &["tgl", "fil"], "Filipino", &["tagalog"]),
    ("tr", &["tur"], "Turkish", &[]),
    ("uk", &["ukr"], "Ukrainian", &["ua"]),
    ("ur", &["urd"], "Urdu", &[]),
    ("vi", &["vie"], "Vietnamese", &[]),
    ("zh", &["chi", "zho"], "Chinese", &["chs", "cht", "cn", "mandarin", "cantonese", "yue"]),
];

/// The language that a word or a tag names: `de`, `ger`, `German`, `de-AT`; `None` where it names none.
#[must_use]
pub fn language(word: &str) -> Option<Language> {
    let word = word.trim().to_lowercase();
    let known = |word: &str| {
        LANGUAGES.iter().find(|(code, codes, name, others)| {
            *code == word || codes.contains(&word) || others.contains(&word) || name.eq_ignore_ascii_case(word)
        })
    };
    // BCP 47: what follows a hyphen is a region or a script.
    let found = known(&word).or_else(|| known(word.split_once('-')?.0));
    found.map(|(code, _, name, _)| Language { code, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_by_all_their_names() {
        for word in ["de", "ger", "deu", "German", "DEUTSCH", "de-AT"] {
            assert_eq!(language(word), Some(Language { code: "de", name: "German" }), "{word}");
        }
        for word in ["", "und", "xx", "film", "-"] {
            assert_eq!(language(word), None, "{word}");
        }
    }
}
