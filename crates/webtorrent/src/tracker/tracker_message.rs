//! What trackers send: from text and to text.

use super::{
    Announced, Counts, DecodeError, Failure, InfoHash, OfferId, PassedAnswer, PassedOffer, PeerId, Sdp, TrackerMessage,
    field::{Count, Description},
    id::push_id,
    limits::{MESSAGE_BYTES_MAX, SCRAPE_MAX, cut_reason},
};
use serde::{Deserialize, Deserializer, Serialize, de, ser::SerializeMap};
use std::{borrow::Cow, fmt};

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    action: Option<Cow<'a, str>>,
    #[serde(rename = "failure reason")]
    failure: Option<String>,
    info_hash: Option<InfoHash>,
    #[serde(default)]
    complete: Count,
    #[serde(default)]
    incomplete: Count,
    #[serde(default)]
    interval: Count,
    peer_id: Option<PeerId>,
    offer_id: Option<OfferId>,
    offer: Option<Description<true>>,
    answer: Option<Description<false>>,
    files: Option<Files>,
}

impl TrackerMessage {
    /// Reads what a tracker sent.
    ///
    /// # Errors
    /// When it is none of a tracker's messages.
    pub fn from_json(text: &str) -> Result<Self, DecodeError> {
        if text.len() > MESSAGE_BYTES_MAX {
            return Err(DecodeError::TooLong);
        }
        let fields: Fields<'_> = serde_json::from_str(text).map_err(|error| DecodeError::malformed(&error))?;
        // Comes without an action where the tracker did not understand which it was.
        if let Some(reason) = fields.failure {
            return Ok(Self::Failure(Failure { reason: cut_reason(reason), info_hash: fields.info_hash }));
        }
        match fields.action.as_deref() {
            Some("announce") => fields.announce(),
            Some("scrape") => {
                fields.files.map(|files| Self::Scrape(files.0)).ok_or(DecodeError::Missing { field: "files" })
            }
            Some(_) | None => Err(DecodeError::Action),
        }
    }

    /// Writes it as a tracker sends it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = Vec::with_capacity(self.json_bytes());
        self.write_json(&mut json);
        String::from_utf8(json).expect("made of texts")
    }

    /// Appends what a tracker sends, which is UTF-8.
    ///
    /// The frequent ones are put together by hand: through serde's structures a tracker was seen to spend much of its time on
    /// them.
    pub fn write_json(&self, json: &mut Vec<u8>) {
        let written = match self {
            Self::Announced(announced) => return push_announced(json, announced),
            Self::Offer(passed) => {
                return push_passed(
                    json,
                    "offer",
                    &passed.sdp,
                    passed.offer_id.0,
                    passed.peer_id.0,
                    passed.info_hash.0,
                );
            }
            Self::Answer(passed) => {
                return push_passed(
                    json,
                    "answer",
                    &passed.sdp,
                    passed.offer_id.0,
                    passed.peer_id.0,
                    passed.info_hash.0,
                );
            }
            Self::Scrape(files) => {
                let fields = ScrapeFields { action: "scrape", files: FilesFields(files), flags: Flags {} };
                serde_json::to_writer(json, &fields)
            }
            Self::Failure(failure) => {
                let action = failure.info_hash.map(|_| "announce");
                let fields = FailureFields { action, failure: &failure.reason, info_hash: failure.info_hash };
                serde_json::to_writer(json, &fields)
            }
        };
        written.expect("texts and numbers can be written as JSON");
    }

    /// About how many bytes its JSON has.
    #[must_use]
    pub fn json_bytes(&self) -> usize {
        FIELDS_BYTES
            + match self {
                Self::Offer(PassedOffer { sdp, .. }) | Self::Answer(PassedAnswer { sdp, .. }) => sdp.json().len(),
                Self::Announced(_) | Self::Scrape(_) | Self::Failure(_) => 0,
            }
    }
}

/// Bytes of a message beside what it passes on: its names, and its ids where they need few escapes.
const FIELDS_BYTES: usize = 256;

fn push_announced(json: &mut Vec<u8>, announced: &Announced) {
    let Announced { info_hash, complete, incomplete, interval } = announced;
    push_number(json, r#"{"complete":"#, *complete);
    push_number(json, r#","incomplete":"#, *incomplete);
    json.extend_from_slice(br#","action":"announce","#);
    if let Some(interval) = interval {
        push_number(json, r#""interval":"#, *interval);
        json.push(b',');
    }
    push_id(json, "info_hash", &info_hash.0);
    json.push(b'}');
}

fn push_number(json: &mut Vec<u8>, before: &str, number: u64) {
    json.extend_from_slice(before.as_bytes());
    json.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// `kind` is "offer" or "answer".
fn push_passed(json: &mut Vec<u8>, kind: &str, sdp: &Sdp, offer_id: [u8; 20], peer_id: [u8; 20], info_hash: [u8; 20]) {
    for part in [r#"{"action":"announce",""#, kind, r#"":{"type":""#, kind, r#"","sdp":"#, sdp.json(), "},"] {
        json.extend_from_slice(part.as_bytes());
    }
    for (name, id) in [("offer_id", offer_id), ("peer_id", peer_id)] {
        push_id(json, name, &id);
        json.push(b',');
    }
    push_id(json, "info_hash", &info_hash);
    json.push(b'}');
}

impl Fields<'_> {
    fn announce(self) -> Result<TrackerMessage, DecodeError> {
        let missing = |field| DecodeError::Missing { field };
        let info_hash = self.info_hash.ok_or(missing("info_hash"))?;
        let from = || self.peer_id.ok_or(missing("peer_id"));
        let about = || self.offer_id.ok_or(missing("offer_id"));
        Ok(match (self.offer, self.answer) {
            (Some(offer), _) => {
                TrackerMessage::Offer(PassedOffer { info_hash, peer_id: from()?, offer_id: about()?, sdp: offer.0 })
            }
            (None, Some(answer)) => {
                TrackerMessage::Answer(PassedAnswer { info_hash, peer_id: from()?, offer_id: about()?, sdp: answer.0 })
            }
            (None, None) => TrackerMessage::Announced(Announced {
                info_hash,
                complete: self.complete.0.unwrap_or(0),
                incomplete: self.incomplete.0.unwrap_or(0),
                interval: self.interval.0,
            }),
        })
    }
}

/// The torrents of a scrape, by their info hashes.
struct Files(Vec<(InfoHash, Counts)>);

impl<'de> Deserialize<'de> for Files {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FilesVisitor)
    }
}

struct FilesVisitor;

impl<'de> de::Visitor<'de> for FilesVisitor {
    type Value = Files;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the numbers of torrents")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Files, A::Error> {
        let mut files = Vec::new();
        while let Some((hash, counts)) = map.next_entry::<InfoHash, CountsFields>()? {
            if files.len() == SCRAPE_MAX {
                return Err(de::Error::custom(format_args!("more than {SCRAPE_MAX} torrents")));
            }
            let number = |count: Count| count.0.unwrap_or(0);
            files.push((
                hash,
                Counts {
                    complete: number(counts.complete),
                    incomplete: number(counts.incomplete),
                    downloaded: number(counts.downloaded),
                },
            ));
        }
        Ok(Files(files))
    }
}

#[derive(Deserialize)]
struct CountsFields {
    #[serde(default)]
    complete: Count,
    #[serde(default)]
    incomplete: Count,
    #[serde(default)]
    downloaded: Count,
}

#[derive(Serialize)]
struct ScrapeFields<'a> {
    action: &'static str,
    files: FilesFields<'a>,
    flags: Flags,
}

/// The reference always sends the object, and clients may look into it.
#[derive(Serialize)]
struct Flags {}

struct FilesFields<'a>(&'a [(InfoHash, Counts)]);

impl Serialize for FilesFields<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields {
            complete: u64,
            incomplete: u64,
            downloaded: u64,
        }
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for &(hash, Counts { complete, incomplete, downloaded }) in self.0 {
            map.serialize_entry(&hash, &Fields { complete, incomplete, downloaded })?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct FailureFields<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
    #[serde(rename = "failure reason")]
    failure: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    info_hash: Option<InfoHash>,
}
