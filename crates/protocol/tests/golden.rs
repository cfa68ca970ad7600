//! Every message in each direction as a file: read, written again, and shown in the reference.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod laws;

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::{fs, path::Path};
use streamshare_protocol::{ClientMessage, RelayMessage};

/// The golden files, by their names in the reference: `client/join.minimal.json` and so on.
fn golden() -> BTreeMap<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut files = BTreeMap::new();
    for direction in ["client", "relay"] {
        for entry in fs::read_dir(folder.join(direction)).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{direction}/{}", path.file_name().unwrap().to_str().unwrap());
            let json = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            files.insert(name, json);
        }
    }
    files
}

fn again(name: &str, json: &Value) -> Value {
    let written = if name.starts_with("client/") {
        ClientMessage::from_json(json).map(|message| message.map(|m| m.to_json()))
    } else {
        RelayMessage::from_json(json).map(|message| message.map(|m| m.to_json()))
    };
    written.unwrap_or_else(|e| panic!("{name}: {e}")).unwrap_or_else(|| panic!("{name}: an unknown command"))
}

#[test]
fn every_file_reads_and_writes_as_itself() {
    for (name, json) in golden() {
        assert_eq!(again(&name, &json), json, "{name}");
        if name.starts_with("client/") { laws::client_value(&json) } else { laws::relay_value(&json) }
    }
}

#[test]
fn every_command_has_a_file() {
    let mut commands: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (name, json) in golden() {
        let direction = if name.starts_with("client/") { "client" } else { "relay" };
        let op = json["op"].as_str().map(|op| format!(" {op}")).unwrap_or_default();
        commands.entry(direction).or_default().insert(format!("{}{op}", json["command"].as_str().unwrap()));
    }
    let list = |direction: &str| commands[direction].iter().cloned().collect::<Vec<_>>().join(", ");
    assert_eq!(
        list("client"),
        "EDIT APPEND, EDIT MOVE, EDIT NEXT, EDIT REMOVE, HELLO, Join, PAUSE, PING, PLAY, SET, SYNC"
    );
    assert_eq!(list("relay"), "ERROR, HELLO, PAUSE, PLAY, PONG, SYNC, TAKEN");
}

/// The minimal files hold what the web spec says and nothing else.
#[test]
fn the_minimal_form_is_the_web_specs() {
    let golden = golden();
    let fields = |name: &str| golden[name].as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(fields("client/join.minimal.json"), "command name roomId");
    assert_eq!(fields("client/hello.minimal.json"), "command dispatchedAt playlist status");
    assert_eq!(fields("relay/hello.minimal.json"), "command dispatchedAt playlist status users");
    for command in ["play", "pause"] {
        assert_eq!(fields(&format!("client/{command}.minimal.json")), "command currentTime dispatchedAt");
        assert_eq!(fields(&format!("relay/{command}.minimal.json")), "command currentTime dispatchedAt userId");
    }
    assert_eq!(fields("client/sync.minimal.json"), "buffer command currentTime dispatchedAt");
    assert_eq!(fields("relay/sync.minimal.json"), "buffer command currentTime dispatchedAt userId");
}

/// What a member says of `users` is not read, in whatever form: the draft's own is not JSON.
#[test]
fn the_users_of_a_members_hello_are_ignored() {
    let mut json = golden()["client/hello.minimal.json"].clone();
    let plain = again("client/hello", &json);
    for users in [json!([{"id": 9, "name": "Mallory"}]), json!({}), json!(null), json!("everyone")] {
        json["users"] = users;
        assert_eq!(again("client/hello", &json), plain);
    }
}

/// A block of the reference that follows `<!-- golden: NAME -->` is that file, letter by letter.
#[test]
fn the_reference_shows_the_golden_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let reference = fs::read_to_string(root.join("docs/PROTOCOL.md")).unwrap();
    let mut shown = BTreeSet::new();
    for part in reference.split("<!-- golden: ").skip(1) {
        let (name, rest) = part.split_once(" -->\n```json\n").expect("a name, then a json block");
        let (block, _) = rest.split_once("```").expect("an end of the block");
        let file = fs::read_to_string(root.join("crates/protocol/golden").join(name)).unwrap();
        assert_eq!(block, file, "{name}");
        shown.insert(name.to_owned());
    }
    let all: BTreeSet<String> = golden().into_keys().collect();
    assert_eq!(shown, all, "each file is shown in docs/PROTOCOL.md");
    let untagged = reference.matches("```json").count();
    assert_eq!(untagged, shown.len(), "each json block of docs/PROTOCOL.md is a golden file");
}
