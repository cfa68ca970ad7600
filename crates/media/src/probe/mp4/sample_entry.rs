//! What a track's samples are (ISO/IEC 14496-12, section 8.5.2, and the registrations at mp4ra.org).

use super::boxes::{Boxes, find, u16_at};
use crate::probe::TrackKind;
use crate::probe::codec::{self, Codec};

/// Descriptors within descriptors at most.
const DESCRIPTORS_MAX: usize = 16;

/// Kind and codec, by `stsd` and the track's handler.
pub(super) fn read(stsd: &[u8], handler: &[u8]) -> Option<(TrackKind, Codec)> {
    let (format, entry) = Boxes(stsd.get(8..)?).next()?;
    Some(match handler {
        b"vide" => (TrackKind::Video, video(format, entry.get(78..).unwrap_or_default())),
        b"soun" => (TrackKind::Audio, audio(format, entry)),
        _ => match text(format, handler) {
            Some(codec) => (TrackKind::Subtitle, codec),
            None => (TrackKind::Other, Codec::unknown(&format)),
        },
    })
}

fn video(format: [u8; 4], inner: &[u8]) -> Codec {
    let configuration = |kind| find(inner, kind).unwrap_or_default();
    match &format {
        b"avc1" | b"avc2" | b"avc3" | b"avc4" => codec::h264(configuration(b"avcC")),
        b"hvc1" | b"hev1" => codec::h265(configuration(b"hvcC")),
        b"dvh1" | b"dvhe" => Codec { name: "Dolby Vision".to_owned(), ..codec::h265(configuration(b"hvcC")) },
        b"av01" => codec::av1(configuration(b"av1C")),
        b"vp09" => codec::vp9(configuration(b"vpcC").get(4..)),
        b"vp08" => Codec::new("VP8", "vp8"),
        b"mp4v" => {
            elementary_stream(configuration(b"esds")).unwrap_or_else(|| Codec::new("MPEG-4 Visual", "mp4v.20.9"))
        }
        b"encv" => Codec::foreign("pictures under copy protection"),
        b"apch" | b"apcn" | b"apcs" | b"apco" | b"ap4h" => Codec::foreign("Apple ProRes"),
        b"jpeg" | b"mjpa" | b"mjpb" => Codec::foreign("Motion JPEG"),
        b"SVQ1" | b"SVQ3" => Codec::foreign("Sorenson Video"),
        _ => codec::by_fourcc(&format),
    }
}

fn audio(format: [u8; 4], entry: &[u8]) -> Codec {
    // QuickTime puts more numbers before the boxes (its file format, "Sound Sample Description").
    let numbers = match u16_at(entry, 8) {
        Some(1) => 28 + 16,
        Some(2) => 28 + 36,
        _ => 28,
    };
    let inner = entry.get(numbers..).unwrap_or_default();
    match &format {
        b"mp4a" => {
            let stream = find(inner, b"esds").or_else(|| find(find(inner, b"wave")?, b"esds"));
            stream.and_then(elementary_stream).unwrap_or_else(|| codec::aac(&[]))
        }
        b"ac-3" => Codec::new("Dolby Digital (AC-3)", "ac-3"),
        b"ec-3" => Codec::new("Dolby Digital Plus (E-AC-3)", "ec-3"),
        b"ac-4" => Codec::new("Dolby AC-4", "ac-4"),
        b"Opus" => Codec::new("Opus", "opus"),
        b"fLaC" => Codec::new("FLAC", "flac"),
        b"alac" => Codec::new("ALAC", "alac"),
        b".mp3" => Codec::new("MP3", "mp4a.6b"),
        b"dtsc" | b"dtsh" | b"dtsl" | b"dtse" | b"dtsx" => codec::dts(),
        b"mlpa" => Codec::new("Dolby TrueHD", "mlpa"),
        b"sowt" | b"twos" | b"lpcm" | b"ipcm" | b"fpcm" | b"in24" | b"in32" | b"fl32" | b"raw " => {
            Codec::foreign("uncompressed sound (PCM)")
        }
        b"enca" => Codec::foreign("sound under copy protection"),
        _ => Codec::unknown(&format),
    }
}

fn text(format: [u8; 4], handler: &[u8]) -> Option<Codec> {
    Some(match &format {
        b"tx3g" | b"text" => Codec::text("MP4 timed text"),
        b"wvtt" => Codec::text("WebVTT"),
        b"stpp" => Codec::foreign("TTML"),
        b"c608" | b"c708" => Codec::foreign("closed captions"),
        // Scenes and their objects (ISO/IEC 14496-1) have it, too, under handlers of their own.
        b"mp4s" if handler == b"subp" => Codec::pictures("VobSub"),
        _ => return None,
    })
}

/// The codec of an `esds` (ISO/IEC 14496-1, section 7.2.6): ES_Descriptor 3 > DecoderConfigDescriptor 4 > DecoderSpecificInfo 5.
fn elementary_stream(esds: &[u8]) -> Option<Codec> {
    let mut bytes = esds.get(4..)?;
    let mut object_type = None;
    for _ in 0..DESCRIPTORS_MAX {
        let Some((tag, content, rest)) = descriptor(bytes) else { break };
        bytes = match tag {
            3 => {
                // Its number, then flags for what is optional.
                let flags = *content.get(2)?;
                let depends = if flags & 0x80 == 0 { 0 } else { 2 };
                let url = if flags & 0x40 == 0 { 0 } else { 1 + usize::from(*content.get(3 + depends)?) };
                let clock = if flags & 0x20 == 0 { 0 } else { 2 };
                content.get(3 + depends + url + clock..)?
            }
            4 => {
                object_type = content.first().copied();
                content.get(13..).unwrap_or_default()
            }
            5 => return Some(codec::by_object_type(object_type?, content)),
            _ => rest,
        };
    }
    object_type.map(|object_type| codec::by_object_type(object_type, &[]))
}

/// A descriptor's tag, its content, and what follows it.
fn descriptor(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, mut rest) = bytes.split_first()?;
    let mut length = 0_usize;
    for _ in 0..4 {
        let (byte, after) = rest.split_first()?;
        rest = after;
        length = length << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    let (content, after) = rest.split_at(length.min(rest.len()));
    Some((*tag, content, after))
}
