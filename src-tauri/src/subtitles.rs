//! Subtitle files of this computer, which a person drops on the window.

use crate::torrents::shell_error;
use data_encoding::BASE64;
use std::io::{self, Read as _};
use std::path::Path;
use streamshare_ipc::{ShellError, SubtitleRequest, code};
use streamshare_media::{FileKind, SUBTITLE_LEN_MAX};

/// Reads one. Whatever the window asks for, it gets nothing else than what is called a subtitle file and is as small as one.
pub(crate) async fn read(request: SubtitleRequest) -> Result<String, ShellError> {
    let refuse = |text: &str| shell_error(code::FILE_ACCESS, text);
    if FileKind::of(&request.path) != FileKind::Subtitle || !Path::new(&request.path).is_absolute() {
        return Err(refuse("this is no subtitle file"));
    }
    let reading = tokio::task::spawn_blocking(move || read_file(Path::new(&request.path)));
    let bytes = match reading.await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => return Err(refuse(&format!("the file cannot be read: {error}"))),
        Err(error) => return Err(shell_error(code::INTERNAL, &error.to_string())),
    };
    if bytes.len() > SUBTITLE_LEN_MAX {
        return Err(refuse("the file is too large for subtitles"));
    }
    Ok(BASE64.encode(&bytes))
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    // Opening something else may wait for ever.
    if !path.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(SUBTITLE_LEN_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_subtitles_are_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).expect("a file");
            path.to_string_lossy().into_owned()
        };
        let ask = |path: String| read(SubtitleRequest { path });
        assert_eq!(ask(write("a.SRT", b"1\xff")).await, Ok(BASE64.encode(b"1\xff")));
        for path in [write("id_rsa", b"x"), write("a.srt.txt", b"x"), "a.srt".to_owned(), "/nowhere/a.srt".to_owned()] {
            assert_eq!(ask(path).await.map_err(|error| error.code), Err(code::FILE_ACCESS.to_owned()));
        }
        assert!(ask(write("b.srt", &vec![b'x'; SUBTITLE_LEN_MAX + 1])).await.is_err());
        std::fs::create_dir(folder.path().join("c.srt")).expect("a folder");
        assert!(ask(folder.path().join("c.srt").to_string_lossy().into_owned()).await.is_err());
    }
}
