//! The laws over mutated films and subtitles.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;
mod laws;
#[path = "../../../fuzz/mutation.rs"]
mod mutation;

use common::Folder;

const SUBRIP: &str =
    "1\n00:00:01,000 --> 00:00:02,000\n<i>One</i> & {\\an8}two\n\n2\n00:00:02,500 --> 00:00:04,000\nthree <b>four\n";
const WEBVTT: &str = "WEBVTT\n\nNOTE x\n\n00:01.000 --> 00:02.000 line:0\n<v Ann>Hi <00:01.500><c.red>you</c></v> &amp; <ruby>a<rt>b</rt></ruby>\n";
const ASS: &str = "[Script Info]\n[V4+ Styles]\nFormat: Name, Italic, Alignment\nStyle: Top,-1,8\n[Events]\n\
                   Format: Layer, Start, End, Style, Text\nDialogue: 0,0:00:01.00,0:00:02.00,Top,a{\\i0}b\\N{\\p1}m 0{\\p0}c\n";

#[test]
fn mutated_films_break_no_law() {
    let folder = Folder::new();
    let lines = folder.write("s.srt", SUBRIP);
    let films: Vec<_> = ["a.mp4", "f.mp4", "a.mkv", "b.mkv", "c.avi", "d.ts", "e.ogg"]
        .into_iter()
        .map(|name| {
            let film = folder.tiny(name, &lines);
            laws::media(&film);
            film
        })
        .collect();
    let tokens = ["\0\0\0\0", "\u{7f}", "\0\0\0\u{1}", "moov", "trak", "stsd", "\u{1a}E", "\0\0\u{10}\0", "JUNK"];
    mutation::run("films", &films, &tokens, laws::media);
}

#[test]
fn mutated_subtitles_break_no_law() {
    let corpus = [SUBRIP, WEBVTT, ASS].map(|text| text.as_bytes().to_vec());
    corpus.iter().for_each(|text| laws::subtitles(text));
    let tokens = [
        "-->",
        "<",
        ">",
        "</i>",
        "&",
        "&amp;",
        "{\\",
        "}",
        "\n\n",
        "\r",
        "<script>",
        "\\N",
        "\u{feff}",
        "00:00:01,000 --> 00:00:02,000\n",
    ];
    mutation::run("subtitles", &corpus, &tokens, laws::subtitles);
}
