//! Writes a folder so that nobody sees half a file, and so that what did not change keeps its time stamp: whoever embeds
//! the folder is then not built anew.

use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Makes `folder` hold exactly `files`, given as paths below it and contents.
pub(crate) fn write(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<()> {
    let mut wanted = BTreeSet::new();
    for (name, bytes) in files {
        let path = folder.join(name);
        if fs::read(&path).ok().as_ref() != Some(bytes) {
            replace(&path, bytes)?;
        }
        wanted.insert(path);
    }
    for path in files_below(folder)? {
        if !wanted.contains(&path) {
            fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// A rename is atomic within a file system; the temporary name lies beside the final one for that reason.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().context("find the folder of a file")?;
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    fs::write(&temporary, bytes).with_context(|| format!("write {}", temporary.display()))?;
    fs::rename(&temporary, path).with_context(|| format!("rename to {}", path.display()))
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
            let path = entry.context("read a folder's entry")?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_written_and_what_is_gone_is_removed() -> Result<()> {
        let folder = std::env::temp_dir().join(format!("streamshare-xtask-{}", std::process::id()));
        let file = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
        write(&folder, &[file("same", "1"), file("sub/changes", "1"), file("goes", "1")])?;
        let before = fs::metadata(folder.join("same"))?.modified()?;
        write(&folder, &[file("same", "1"), file("sub/changes", "2")])?;
        assert_eq!(fs::metadata(folder.join("same"))?.modified()?, before);
        assert_eq!(fs::read(folder.join("sub/changes"))?, b"2");
        let mut left = files_below(&folder)?;
        left.sort();
        assert_eq!(left, [folder.join("same"), folder.join("sub/changes")]);
        fs::remove_dir_all(&folder)?;
        Ok(())
    }
}
