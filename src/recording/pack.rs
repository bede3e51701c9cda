//! Gzip members. Pure Rust, and any tool can read it: an hour of a small cluster is a file to attach to a mail.

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use std::io::{Read, Write};

/// No member of ours holds more; what claims to is an attack on the reader's memory.
const MOST: u64 = 512 * 1024 * 1024;

pub(super) fn packed(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    // Writing to memory cannot fail.
    let _ = encoder.write_all(text);
    encoder.finish().unwrap_or_default()
}

/// What a member holds.
pub(super) struct Member {
    pub(super) text: Vec<u8>,
    /// How many bytes it takes.
    pub(super) length: usize,
    /// Why the text is not all of it.
    pub(super) damage: Option<String>,
}

/// The member that `bytes` begin with, as far as it can be read.
pub(super) fn unpacked(bytes: &[u8]) -> Member {
    let mut decoder = GzDecoder::new(bytes);
    let mut text = Vec::new();
    let damage = match decoder.by_ref().take(MOST).read_to_end(&mut text) {
        Ok(_) if text.len() as u64 == MOST => Some(format!("more than {} MiB in one part", MOST / 1024 / 1024)),
        Ok(_) => None,
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Some("the file is cut off here".into()),
        Err(error) => Some(error.to_string()),
    };
    Member { length: bytes.len() - decoder.into_inner().len(), text, damage }
}
