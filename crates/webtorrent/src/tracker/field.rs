//! Fields that are written in more than one way.

use super::{Event, InfoHash, Offer, OfferId, Sdp, limits};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, IgnoredAny},
};
use std::fmt;

/// A number of bytes, peers or seconds: `None` for null. JavaScript has no integers, so a fraction may stand there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count(pub(crate) Option<u64>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor)
    }
}

struct CountVisitor;

impl de::Visitor<'_> for CountVisitor {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number that is not negative, or null")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Count, E> {
        Ok(Count(Some(number)))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Count, E> {
        u64::try_from(number).map(|number| Count(Some(number))).map_err(|_| E::custom("a number is negative"))
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is not negative")]
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Count, E> {
        // Rounded up: what lacks half a byte is not complete.
        if number >= 0.0 { Ok(Count(Some(number.ceil() as u64))) } else { Err(E::custom("a number is negative")) }
    }
}

/// One info hash, or a list of them with at most [`limits::SCRAPE_MAX`].
#[derive(Clone, Debug)]
pub(crate) enum InfoHashes {
    One(InfoHash),
    Many(Vec<InfoHash>),
}

impl<'de> Deserialize<'de> for InfoHashes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InfoHashesVisitor)
    }
}

struct InfoHashesVisitor;

impl<'de> de::Visitor<'de> for InfoHashesVisitor {
    type Value = InfoHashes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an info_hash or a list of them")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<InfoHashes, E> {
        InfoHash::deserialize(de::value::StrDeserializer::new(text)).map(InfoHashes::One)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<InfoHashes, A::Error> {
        let mut hashes = Vec::new();
        while let Some(hash) = list.next_element()? {
            if hashes.len() == limits::SCRAPE_MAX {
                return Err(de::Error::custom(format_args!("more than {} torrents", limits::SCRAPE_MAX)));
            }
            hashes.push(hash);
        }
        Ok(InfoHashes::Many(hashes))
    }
}

/// The offers of an announce; those beyond [`limits::OFFERS_MAX`] are passed over.
#[derive(Debug, Default)]
pub(crate) struct Offers(pub(crate) Vec<Offer>);

impl<'de> Deserialize<'de> for Offers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OffersVisitor)
    }
}

struct OffersVisitor;

impl<'de> de::Visitor<'de> for OffersVisitor {
    type Value = Offers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of offers")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Offers, E> {
        Ok(Offers::default())
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Offers, A::Error> {
        let mut offers = Vec::new();
        while offers.len() < limits::OFFERS_MAX {
            match list.next_element::<OfferField>()? {
                Some(OfferField { offer, offer_id }) => offers.push(Offer { offer_id, sdp: offer.0 }),
                None => return Ok(Offers(offers)),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Offers(offers))
    }
}

/// An offer as it stands in the list.
#[derive(Deserialize, Serialize)]
pub(crate) struct OfferField {
    pub(crate) offer: Description<true>,
    pub(crate) offer_id: OfferId,
}

/// `{type, sdp}`: an offer where `OFFER` is true, else an answer.
#[derive(Clone, Debug)]
pub(crate) struct Description<const OFFER: bool>(pub(crate) Sdp);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Offer,
    Answer,
}

#[derive(Deserialize, Serialize)]
struct DescriptionFields<S> {
    #[serde(rename = "type")]
    kind: Kind,
    sdp: S,
}

impl<const OFFER: bool> Description<OFFER> {
    const KIND: Kind = if OFFER { Kind::Offer } else { Kind::Answer };
}

impl<'de, const OFFER: bool> Deserialize<'de> for Description<OFFER> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let DescriptionFields { kind, sdp } = DescriptionFields::deserialize(deserializer)?;
        if kind == Self::KIND {
            Ok(Self(sdp))
        } else {
            Err(de::Error::custom("an offer in place of an answer, or the reverse"))
        }
    }
}

impl<const OFFER: bool> Serialize for Description<OFFER> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        DescriptionFields { kind: Self::KIND, sdp: &self.0 }.serialize(serializer)
    }
}

/// A peer's event; none, null, "", "empty" and "update" are the same.
impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EventVisitor)
    }
}

struct EventVisitor;

impl de::Visitor<'_> for EventVisitor {
    type Value = Event;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Event, E> {
        Ok(Event::Update)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Event, E> {
        Event::from_name(text).ok_or_else(|| E::custom("invalid event"))
    }
}

impl Event {
    /// Reads what trackers are told in JSON and in HTTP requests; "", "empty" and "update" are [`Event::Update`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "started" => Self::Started,
            "stopped" => Self::Stopped,
            "completed" => Self::Completed,
            "paused" => Self::Paused,
            "" | "empty" | "update" => Self::Update,
            _ => return None,
        })
    }

    /// What to write; nothing for [`Event::Update`].
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Started => Some("started"),
            Self::Stopped => Some("stopped"),
            Self::Completed => Some("completed"),
            Self::Paused => Some("paused"),
            Self::Update => None,
        }
    }
}
