//! Replaces a file as a whole: whoever reads it, after a kill, too, finds all of it as it was or all of it as it is to be.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Blocks on the disk. After a loss of power the file may be as it was, or broken.
pub(crate) fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    write(file, bytes, false)
}

/// The same, and when this returns the bytes are on the disk.
pub(crate) fn replace_durably(file: &Path, bytes: &[u8]) -> io::Result<()> {
    write(file, bytes, true)
}

fn write(file: &Path, bytes: &[u8], is_durable: bool) -> io::Result<()> {
    let partial = file.with_extension("partial");
    let mut written = File::create(&partial)?;
    written.write_all(bytes)?;
    if is_durable {
        written.sync_all()?;
    }
    drop(written);
    std::fs::rename(partial, file)
}
