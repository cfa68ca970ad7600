//! How tracks are encoded: names for people, and names that a browser is asked by (RFC 6381).

/// How a track is encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codec {
    /// For people: "H.264", "DTS".
    pub name: String,
    /// What a browser's `canPlayType` is asked by (RFC 6381 and the registries of each codec); `None` where there is no such name.
    pub rfc6381: Option<String>,
    /// Whether it is text, which is shown as WebVTT.
    pub is_text: bool,
    /// Whether it is pictures of text, as discs and broadcasts have them.
    pub is_pictures: bool,
}

impl Codec {
    pub(super) fn new(name: &str, rfc6381: &str) -> Self {
        Self { rfc6381: Some(rfc6381.to_owned()), ..Self::foreign(name) }
    }

    /// One that no browser has a name for.
    pub(super) fn foreign(name: &str) -> Self {
        Self { name: name.to_owned(), rfc6381: None, is_text: false, is_pictures: false }
    }

    pub(super) fn text(name: &str) -> Self {
        Self { is_text: true, ..Self::foreign(name) }
    }

    pub(super) fn pictures(name: &str) -> Self {
        Self { is_pictures: true, ..Self::foreign(name) }
    }

    /// One that is only known by what the container calls it.
    pub(super) fn unknown(id: &[u8]) -> Self {
        let printable: String =
            id.iter().filter(|byte| byte.is_ascii_graphic()).map(|byte| char::from(*byte)).take(32).collect();
        Self::foreign(if printable.is_empty() { "an unknown codec" } else { &printable })
    }
}

/// H.264 by its decoder configuration (ISO/IEC 14496-15, `avcC`).
pub(super) fn h264(configuration: &[u8]) -> Codec {
    match configuration {
        [1, profile, constraints, level, ..] => {
            let codec = Codec::new("H.264", &format!("avc1.{profile:02x}{constraints:02x}{level:02x}"));
            // High 10 and beyond: few browsers decode them.
            let name = match profile {
                110 => "H.264 with 10 bits",
                122 | 244 => "H.264 4:2:2 or 4:4:4",
                _ => "H.264",
            };
            Codec { name: name.to_owned(), ..codec }
        }
        _ => Codec::new("H.264", "avc1.640028"),
    }
}

/// H.265 by its decoder configuration (ISO/IEC 14496-15, `hvcC`, and annex E for the name).
pub(super) fn h265(configuration: &[u8]) -> Codec {
    let [1, profile, c0, c1, c2, c3, constraints @ ..] = configuration else {
        return Codec::new("H.265 (HEVC)", "hvc1.1.6.L120.90");
    };
    let (Some(constraints), Some(level)) = (constraints.get(..6), constraints.get(6)) else {
        return Codec::new("H.265 (HEVC)", "hvc1.1.6.L120.90");
    };
    let space = ["", "A", "B", "C"][usize::from(profile >> 6)];
    let tier = if profile & 0x20 == 0 { 'L' } else { 'H' };
    let compatible = u32::from_be_bytes([*c0, *c1, *c2, *c3]).reverse_bits();
    let kept = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let constraints: String = constraints[..kept].iter().map(|byte| format!(".{byte:x}")).collect();
    let profile = profile & 0x1f;
    let name = if profile == 2 { "H.265 (HEVC) with 10 bits" } else { "H.265 (HEVC)" };
    Codec::new(name, &format!("hvc1.{space}{profile}.{compatible:x}.{tier}{level}{constraints}"))
}

/// AV1 by its decoder configuration (AV1 in ISOBMFF, `av1C`, section 5 for the name).
pub(super) fn av1(configuration: &[u8]) -> Codec {
    let [0x81, profile_level, flags, ..] = configuration else { return Codec::new("AV1", "av01.0.08M.08") };
    let (profile, level) = (profile_level >> 5, profile_level & 0x1f);
    let tier = if flags & 0x80 == 0 { 'M' } else { 'H' };
    let depth = match (flags & 0x40 != 0, flags & 0x20 != 0) {
        (true, true) => 12,
        (true, false) => 10,
        (false, _) => 8,
    };
    Codec::new("AV1", &format!("av01.{profile}.{level:02}{tier}.{depth:02}"))
}

/// VP9 by its configuration (VP Codec ISO Media File Format Binding, `vpcC` after its version and flags).
pub(super) fn vp9(configuration: Option<&[u8]>) -> Codec {
    match configuration {
        Some([profile, level, depth, ..]) => {
            Codec::new("VP9", &format!("vp09.{profile:02}.{level:02}.{:02}", depth >> 4))
        }
        _ => Codec::new("VP9", "vp09.00.10.08"),
    }
}

/// AAC by its AudioSpecificConfig (ISO/IEC 14496-3, section 1.6.2.1).
pub(super) fn aac(configuration: &[u8]) -> Codec {
    let kind = match configuration {
        [first, second, ..] if first >> 3 == 31 => 32 + u16::from((first & 7) << 3 | second >> 5),
        [first, ..] if first >> 3 != 0 => u16::from(first >> 3),
        _ => 2,
    };
    Codec::new("AAC", &format!("mp4a.40.{kind}"))
}

/// What an MPEG-4 descriptor (`esds`) says: the object type (MP4RA's registry) and what belongs to it.
pub(super) fn by_object_type(object_type: u8, specific: &[u8]) -> Codec {
    match object_type {
        0x20 => Codec::new("MPEG-4 Visual", "mp4v.20.9"),
        0x21 => Codec::new("H.264", "avc1.640028"),
        0x40 | 0x66..=0x68 => aac(specific),
        0x60..=0x65 => Codec::foreign("MPEG-2 video"),
        0x69 | 0x6b => Codec::new("MP3", "mp4a.6b"),
        0x6a => Codec::foreign("MPEG-1 video"),
        0x6c => Codec::foreign("JPEG"),
        0xa5 => Codec::new("Dolby Digital (AC-3)", "ac-3"),
        0xa6 => Codec::new("Dolby Digital Plus (E-AC-3)", "ec-3"),
        0xa9 => dts(),
        0xdd => Codec::new("Vorbis", "vorbis"),
        _ => Codec::foreign("an unknown MPEG-4 codec"),
    }
}

/// DTS in all its kinds: who decodes one decodes at least the core of the others.
pub(super) fn dts() -> Codec {
    Codec::new("DTS", "dtsc")
}

/// A sound format of WAVE (RFC 2361), as AVI and Matroska name them.
pub(super) fn by_wave_tag(tag: u16) -> Codec {
    match tag {
        1 | 3 => Codec::foreign("uncompressed sound (PCM)"),
        0x50 => Codec::new("MP2", "mp4a.69"),
        0x55 => Codec::new("MP3", "mp4a.6b"),
        0xff | 0x1600 | 0x1602 | 0x706d => Codec::new("AAC", "mp4a.40.2"),
        0x160..=0x163 => Codec::foreign("Windows Media Audio"),
        0x2000 => Codec::new("Dolby Digital (AC-3)", "ac-3"),
        0x2001 => dts(),
        0xf1ac => Codec::new("FLAC", "flac"),
        0x674f..=0x6751 | 0x676f..=0x6771 | 0x566f => Codec::new("Vorbis", "vorbis"),
        _ => Codec::foreign(&format!("sound of kind {tag:#06x}")),
    }
}

/// A picture format by its four letters, as AVI and Matroska name them.
pub(super) fn by_fourcc(code: &[u8]) -> Codec {
    match code.to_ascii_uppercase().as_slice() {
        b"H264" | b"X264" | b"AVC1" | b"DAVC" => Codec::new("H.264", "avc1.640028"),
        b"HEVC" | b"H265" | b"X265" | b"HEV1" | b"HVC1" => Codec::new("H.265 (HEVC)", "hvc1.1.6.L120.90"),
        b"XVID" | b"DIVX" | b"DX50" | b"FMP4" | b"MP4V" | b"3IVX" | b"RMP4" => {
            Codec::new("MPEG-4 Visual (Xvid, DivX)", "mp4v.20.9")
        }
        b"DIV3" | b"DIV4" | b"MP43" | b"MP42" | b"MPG4" => Codec::foreign("Microsoft MPEG-4"),
        b"WMV1" | b"WMV2" | b"WMV3" | b"WVC1" => Codec::foreign("Windows Media Video"),
        b"MPG2" | b"MPEG" => Codec::foreign("MPEG-2 video"),
        b"MPG1" => Codec::foreign("MPEG-1 video"),
        b"MJPG" => Codec::foreign("Motion JPEG"),
        b"VP80" => Codec::new("VP8", "vp8"),
        b"VP90" => vp9(None),
        b"AV01" => Codec::new("AV1", "av01.0.08M.08"),
        _ => Codec::unknown(code),
    }
}

/// A track of Matroska by its codec id (RFC 9559 and the Matroska codec registry) and its private data.
pub(super) fn by_matroska_id(id: &str, private: &[u8]) -> Codec {
    match id {
        "V_MPEG4/ISO/AVC" => h264(private),
        "V_MPEGH/ISO/HEVC" => h265(private),
        "V_AV1" => av1(private),
        "V_VP8" => Codec::new("VP8", "vp8"),
        "V_VP9" => vp9(None),
        "V_MPEG4/ISO/SP" | "V_MPEG4/ISO/ASP" | "V_MPEG4/ISO/AP" => {
            Codec::new("MPEG-4 Visual (Xvid, DivX)", "mp4v.20.9")
        }
        "V_MPEG4/MS/V3" => Codec::foreign("Microsoft MPEG-4"),
        "V_MPEG2" => Codec::foreign("MPEG-2 video"),
        "V_MPEG1" => Codec::foreign("MPEG-1 video"),
        "V_THEORA" => Codec::new("Theora", "theora"),
        // A BITMAPINFOHEADER, whose fifth number is the four letters.
        "V_MS/VFW/FOURCC" => private.get(16..20).map_or_else(|| Codec::unknown(id.as_bytes()), by_fourcc),
        "A_OPUS" => Codec::new("Opus", "opus"),
        "A_VORBIS" => Codec::new("Vorbis", "vorbis"),
        "A_FLAC" => Codec::new("FLAC", "flac"),
        "A_MPEG/L3" => Codec::new("MP3", "mp4a.6b"),
        "A_MPEG/L2" | "A_MPEG/L1" => Codec::new("MP2", "mp4a.69"),
        "A_TRUEHD" | "A_MLP" => Codec::new("Dolby TrueHD", "mlpa"),
        "A_ALAC" => Codec::new("ALAC", "alac"),
        "A_MS/ACM" => match private {
            [low, high, ..] => by_wave_tag(u16::from_le_bytes([*low, *high])),
            _ => Codec::unknown(id.as_bytes()),
        },
        "S_TEXT/UTF8" | "S_TEXT/ASCII" => Codec::text("SubRip"),
        "S_TEXT/ASS" | "S_TEXT/SSA" | "S_ASS" | "S_SSA" => Codec::text("ASS"),
        "S_TEXT/WEBVTT" | "D_WEBVTT/SUBTITLES" | "D_WEBVTT/CAPTIONS" => Codec::text("WebVTT"),
        "S_HDMV/PGS" => Codec::pictures("PGS"),
        "S_VOBSUB" => Codec::pictures("VobSub"),
        "S_DVBSUB" => Codec::pictures("DVB"),
        "S_IMAGE/BMP" => Codec::pictures("BMP"),
        _ if id.starts_with("A_AAC") => aac(private),
        _ if id.starts_with("A_AC3") => Codec::new("Dolby Digital (AC-3)", "ac-3"),
        _ if id.starts_with("A_EAC3") => Codec::new("Dolby Digital Plus (E-AC-3)", "ec-3"),
        _ if id.starts_with("A_DTS") => dts(),
        _ if id.starts_with("A_PCM") => Codec::foreign("uncompressed sound (PCM)"),
        _ => Codec::unknown(id.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_browsers_know() {
        let name = |codec: Codec| codec.rfc6381.unwrap();
        assert_eq!(name(h264(&[1, 0x64, 0, 0x28, 0xff])), "avc1.640028");
        // ISO/IEC 14496-15, annex E.3 has this example: Main, level 3.1 with a constraint.
        let main = [1, 1, 0x60, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 93];
        assert_eq!(name(h265(&main)), "hvc1.1.6.L93.b0");
        assert_eq!(name(h265(&[1, 0x22, 0x20, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 153])), "hvc1.2.4.H153.90");
        assert_eq!(name(h265(&[1, 1])), "hvc1.1.6.L120.90");
        assert_eq!(name(av1(&[0x81, 0x08, 0x0c, 0])), "av01.0.08M.08");
        assert_eq!(name(av1(&[0x81, 0x2d, 0xc0, 0])), "av01.1.13H.10");
        assert_eq!(name(vp9(Some(&[2, 31, 0xa2]))), "vp09.02.31.10");
        assert_eq!(name(aac(&[0x12, 0x10])), "mp4a.40.2");
        assert_eq!(name(aac(&[0xf9, 0x46])), "mp4a.40.42");
        assert_eq!(name(aac(&[])), "mp4a.40.2");
    }

    #[test]
    fn names_for_people() {
        assert_eq!(by_matroska_id("A_DTS/EXPRESS", &[]).name, "DTS");
        assert_eq!(
            by_matroska_id("V_MS/VFW/FOURCC", &[b"0123456789012345".as_slice(), b"XVID"].concat()).name,
            by_fourcc(b"DX50").name
        );
        assert_eq!(by_matroska_id("V_NEW\u{7}<b>", &[]).name, "V_NEW<b>");
        assert_eq!(by_matroska_id("", &[]).name, "an unknown codec");
        let (text, pictures) = (by_matroska_id("S_TEXT/UTF8", &[]), by_matroska_id("S_HDMV/PGS", &[]));
        assert_eq!(
            (text.is_text, text.is_pictures, pictures.is_text, pictures.is_pictures),
            (true, false, false, true)
        );
    }
}
