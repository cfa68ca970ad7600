//! A .torrent that a stranger made. The modules that judge it are taken one by one: the crate has the whole torrent engine in it.
#![no_main]
#![allow(dead_code, unused_imports, unreachable_pub, reason = "a part of each module is used")]

#[path = "../../crates/streaming/src/bencode.rs"]
mod bencode;
#[path = "../../crates/streaming/src/error.rs"]
mod error;
#[path = "../../crates/streaming/src/file_name.rs"]
mod file_name;
#[path = "../../crates/streaming/src/info_hash.rs"]
mod info_hash;
#[path = "../../crates/streaming/src/metainfo.rs"]
mod metainfo;
#[path = "../../crates/streaming/src/torrent.rs"]
mod torrent;

use error::AddError;
use info_hash::InfoHash;
use streamshare_media::FileKind;
use torrent::{FileInfo, TorrentInfo};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| metainfo::hold_laws(bytes));
