//! Single files: read within a limit, written whole or not at all.
//!
//! What is read may be a stranger's or damaged: only regular files are opened, so that no reader waits for a FIFO or reads a
//! device without end, and no more than a limit per kind is taken into memory. What is written gets its name when it is
//! whole. Which files a result has belongs to `store`, whose they are to `written`.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::error::LabError;

const MIB: u64 = 1 << 20;
/// Most bytes of a JSON file of a result: manifest, estimates, data of figures and reports.
pub const JSON_MAX: u64 = 512 * MIB;
/// Most bytes of the fingerprints of another build.
pub const FINGERPRINTS_MAX: u64 = 2048 * MIB;
pub const SEGMENT_MAX: u64 = 2048 * MIB;
pub const TABLE_MAX: u64 = 1 << 42;

/// Opens a regular file of at most `max` bytes for reading, and gives its size.
///
/// # Errors
/// If it is absent, too large, or no regular file.
pub fn open(path: &Path, max: u64) -> Result<(File, u64), LabError> {
    let found = fs::metadata(path).map_err(LabError::file(path, "read"))?;
    regular(path, &found)?;
    let file = File::open(path).map_err(LabError::file(path, "open"))?;
    if found.len() > max {
        return Err(LabError::Damaged {
            path: path.to_owned(),
            reason: format!(
                "it has {} bytes, more than the {max} that such a file may have",
                found.len()
            ),
        });
    }
    Ok((file, found.len()))
}

pub(super) fn regular(path: &Path, found: &fs::Metadata) -> Result<(), LabError> {
    if found.is_file() {
        return Ok(());
    }
    let what = if found.is_dir() {
        "a folder"
    } else {
        "a pipe or a device"
    };
    Err(LabError::Damaged {
        path: path.to_owned(),
        reason: format!("it is {what}, not a file"),
    })
}

/// The bytes of a regular file of at most `max` bytes.
///
/// # Errors
/// If it cannot be read, is too large, or no regular file.
pub fn read(path: &Path, max: u64) -> Result<Vec<u8>, LabError> {
    let (file, size) = open(path, max)?;
    let mut bytes = Vec::new();
    // It may grow meanwhile: then the end is missing, and whoever reads it sees that.
    file.take(size)
        .read_to_end(&mut bytes)
        .map_err(LabError::file(path, "read"))?;
    Ok(bytes)
}

/// The digest of a file's bytes, hexadecimal.
///
/// # Errors
/// As [`read`].
pub fn digest(path: &Path) -> Result<String, LabError> {
    Ok(digest_of(&read(path, JSON_MAX)?))
}

pub fn digest_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// Writes a file so that it is whole or absent: under another name first, then renamed.
///
/// That bears the end of the process at any time. Nothing is forced to the disk: if the machine itself stops, a file may
/// be cut off, which its checksum shows.
///
/// # Errors
/// If the file system refuses; what was written of the file is deleted, so that a full disk has that room again.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), LabError> {
    let unfinished = unfinished_beside(path);
    let mut file = create(&unfinished)?;
    let written = file.write_all(bytes).map_err(LabError::file(&unfinished, "write"));
    drop(file);
    let named =
        written.and_then(|()| fs::rename(&unfinished, path).map_err(LabError::file(path, "rename a file to it")));
    if named.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&unfinished);
    }
    named
}

/// Writes a file that a person named, as a shell would: through links and into pipes and devices, and never in their place.
pub fn write_through(path: &Path, bytes: &[u8]) -> Result<(), LabError> {
    fs::write(path, bytes).map_err(LabError::file(path, "write"))
}

/// The name under which a file is written: its own with an ending more, so that files that differ in their ending alone can
/// be written at the same time.
pub(super) fn unfinished_beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(UNFINISHED);
    name.into()
}

/// How the names of unfinished files end.
pub(super) const UNFINISHED: &str = ".unfinished";

/// Makes an unfinished file anew. The name can be guessed, so what lies there is never opened: others could have made it a
/// link to another file.
pub(super) fn create(unfinished: &Path) -> Result<File, LabError> {
    match fs::remove_file(unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(LabError::file(unfinished, "replace")(error));
        }
        _ => {}
    }
    File::create_new(unfinished).map_err(LabError::file(unfinished, "create"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_stem_are_written_at_the_same_time() {
        let dir = tempfile::tempdir().unwrap();
        let (drawing, picture) = (dir.path().join("figure.svg"), dir.path().join("figure.png"));
        for _ in 0..200 {
            let (first, second) = rayon::join(
                || write_whole(&drawing, &[b's'; 50_000]),
                || write_whole(&picture, &[b'p'; 10_000]),
            );
            first.unwrap();
            second.unwrap();
            assert!(fs::read(&drawing).unwrap() == [b's'; 50_000]);
            assert!(fs::read(&picture).unwrap() == [b'p'; 10_000]);
        }
    }

    #[test]
    fn only_regular_files_of_some_size_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "12345").unwrap();
        assert_eq!(read(&file, 5).unwrap(), b"12345");
        let said = |path: &Path, max| read(path, max).unwrap_err().to_string();
        assert!(said(&file, 4).ends_with("it has 5 bytes, more than the 4 that such a file may have"));
        assert!(said(dir.path(), 4).ends_with("it is a folder, not a file"));
        File::create(&file).unwrap().set_len(1 << 40).unwrap();
        assert!(said(&file, JSON_MAX).contains("more than"));
        #[cfg(target_os = "linux")]
        assert!(said(Path::new("/dev/zero"), 4).ends_with("it is a pipe or a device, not a file"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_place_of_an_unfinished_file_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (theirs, mine) = (dir.path().join("theirs"), dir.path().join("mine"));
        fs::write(&theirs, "precious").unwrap();
        std::os::unix::fs::symlink(&theirs, unfinished_beside(&mine)).unwrap();
        write_whole(&mine, b"new").unwrap();
        assert_eq!(fs::read_to_string(theirs).unwrap(), "precious");
        assert_eq!(fs::read_to_string(mine).unwrap(), "new");
    }
}
