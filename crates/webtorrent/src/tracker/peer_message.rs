//! What peers send: from text and to text.

use super::{
    Announce, Answer, DecodeError, Event, InfoHash, OfferId, PeerId, PeerMessage, Scrape,
    field::{Count, Description, InfoHashes, OfferField, Offers},
    limits::{MESSAGE_BYTES_MAX, SCRAPE_MAX},
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    action: Option<Cow<'a, str>>,
    info_hash: Option<InfoHashes>,
    peer_id: Option<PeerId>,
    #[serde(default)]
    event: Event,
    #[serde(default)]
    uploaded: Count,
    #[serde(default)]
    downloaded: Count,
    #[serde(default)]
    left: Count,
    #[serde(default)]
    offers: Offers,
    answer: Option<Description<false>>,
    to_peer_id: Option<PeerId>,
    offer_id: Option<OfferId>,
}

impl PeerMessage {
    /// Reads what a peer sent.
    ///
    /// # Errors
    /// When it is none of a peer's messages.
    pub fn from_json(text: &str) -> Result<Self, DecodeError> {
        if text.len() > MESSAGE_BYTES_MAX {
            return Err(DecodeError::TooLong);
        }
        let fields: Fields<'_> = serde_json::from_str(text).map_err(|error| DecodeError::malformed(&error))?;
        match fields.action.as_deref() {
            Some("announce") => fields.announce(),
            Some("scrape") => fields.scrape(),
            Some(_) | None => Err(DecodeError::Action),
        }
    }

    /// Writes it as a peer sends it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let json = match self {
            Self::Announce(announce) => serde_json::to_string(&AnnounceFields::from(announce)),
            Self::Answer(answer) => serde_json::to_string(&AnswerFields {
                action: "announce",
                info_hash: answer.info_hash,
                peer_id: answer.peer_id,
                to_peer_id: answer.to_peer_id,
                offer_id: answer.offer_id,
                answer: Description(answer.sdp.clone()),
            }),
            Self::Scrape(scrape) => {
                serde_json::to_string(&ScrapeFields { action: "scrape", info_hash: &scrape.info_hashes })
            }
        };
        json.expect("texts and numbers can be written as JSON")
    }
}

impl Fields<'_> {
    fn announce(self) -> Result<PeerMessage, DecodeError> {
        let missing = |field| DecodeError::Missing { field };
        let info_hash = match self.info_hash {
            Some(InfoHashes::One(hash)) => hash,
            Some(InfoHashes::Many(_)) => return Err(DecodeError::SeveralTorrents),
            None => return Err(missing("info_hash")),
        };
        let peer_id = self.peer_id.ok_or(missing("peer_id"))?;
        if let Some(answer) = self.answer {
            return Ok(PeerMessage::Answer(Answer {
                info_hash,
                peer_id,
                to_peer_id: self.to_peer_id.ok_or(missing("to_peer_id"))?,
                offer_id: self.offer_id.ok_or(missing("offer_id"))?,
                sdp: answer.0,
            }));
        }
        Ok(PeerMessage::Announce(Announce {
            info_hash,
            peer_id,
            event: self.event,
            uploaded: self.uploaded.0.unwrap_or(0),
            downloaded: self.downloaded.0.unwrap_or(0),
            left: self.left.0,
            offers: self.offers.0,
        }))
    }

    fn scrape(self) -> Result<PeerMessage, DecodeError> {
        let info_hashes = match self.info_hash {
            Some(InfoHashes::One(hash)) => vec![hash],
            Some(InfoHashes::Many(hashes)) if !hashes.is_empty() => hashes,
            // Everything there is would be a long answer to a short question.
            Some(InfoHashes::Many(_)) | None => return Err(DecodeError::Missing { field: "info_hash" }),
        };
        debug_assert!(info_hashes.len() <= SCRAPE_MAX);
        Ok(PeerMessage::Scrape(Scrape { info_hashes }))
    }
}

#[derive(Serialize)]
struct AnnounceFields {
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'static str>,
    info_hash: InfoHash,
    peer_id: PeerId,
    uploaded: u64,
    downloaded: u64,
    left: Option<u64>,
    numwant: usize,
    offers: Vec<OfferField>,
}

impl From<&Announce> for AnnounceFields {
    fn from(announce: &Announce) -> Self {
        let offer =
            |offer: &super::Offer| OfferField { offer: Description(offer.sdp.clone()), offer_id: offer.offer_id };
        Self {
            action: "announce",
            event: announce.event.name(),
            info_hash: announce.info_hash,
            peer_id: announce.peer_id,
            uploaded: announce.uploaded,
            downloaded: announce.downloaded,
            left: announce.left,
            numwant: announce.offers.len(),
            offers: announce.offers.iter().map(offer).collect(),
        }
    }
}

#[derive(Serialize)]
struct AnswerFields {
    action: &'static str,
    info_hash: InfoHash,
    peer_id: PeerId,
    to_peer_id: PeerId,
    offer_id: OfferId,
    answer: Description<false>,
}

#[derive(Serialize)]
struct ScrapeFields<'a> {
    action: &'static str,
    info_hash: &'a [InfoHash],
}
