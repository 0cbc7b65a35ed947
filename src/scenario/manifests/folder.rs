//! Files of a folder: which are read, in which order, and how much of them.
//!
//! Belongs here: the walk through folders and its limits. Does not belong here: what is in the files (`yaml`, `reader`).

use std::fs;
use std::path::{Path, PathBuf};

use crate::scenario::error::InputError;
use crate::scenario::yaml;

/// Largest sum of the sizes of all files of a folder \[bytes\].
pub const FOLDER_SIZE_MAX: u64 = 256 * 1024 * 1024;
/// Most files of a folder that are read.
pub const FILES_MAX: usize = 100_000;
/// Deepest subfolder.
const DEPTH_MAX: usize = 32;

/// The files to read, and those that are passed over with the reason.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub texts: Vec<(PathBuf, String)>,
    pub skipped: Vec<(PathBuf, &'static str)>,
}

/// Reads all `*.yaml`, `*.yml` and `*.json` files of a folder in the order of their names; `deep` goes into subfolders
/// too. A file alone may stand for the folder. What begins with a dot is not looked at; links lead to files within the
/// folder only.
pub(super) fn read(folder: &Path, deep: bool) -> Result<Found, InputError> {
    let mut found = Found::default();
    let mut files = Vec::new();
    if deep && folder.is_file() {
        files.push(folder.to_owned());
    } else {
        let home = fs::canonicalize(folder).map_err(|e| unreadable(folder, &e))?;
        collect(
            folder,
            &home,
            if deep { DEPTH_MAX } else { 0 },
            deep,
            &mut files,
            &mut found.skipped,
        )?;
    }
    files.sort();
    if files.is_empty() {
        let error = InputError::in_file(folder, "no manifest in this folder");
        return Err(error.with_hint("files end in .yaml, .yml or .json"));
    }
    if files.len() > FILES_MAX {
        let error = InputError::in_file(folder, format!("{} manifests in this folder", files.len()));
        return Err(error.with_hint(format!("at most {FILES_MAX} are read")));
    }
    let mut size = 0_u64;
    for file in files {
        let text = yaml::read_text(&file)?;
        size = size.saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX));
        if size > FOLDER_SIZE_MAX {
            let error = InputError::in_file(folder, "the manifests of this folder are too large");
            return Err(error.with_hint(format!("at most {} MiB are read", FOLDER_SIZE_MAX / (1024 * 1024))));
        }
        found.texts.push((file, text));
    }
    Ok(found)
}

fn unreadable(folder: &Path, error: &std::io::Error) -> InputError {
    InputError::in_file(folder, format!("the folder cannot be read: {error}"))
}

fn collect(
    folder: &Path,
    home: &Path,
    depth: usize,
    deep: bool,
    files: &mut Vec<PathBuf>,
    skipped: &mut Vec<(PathBuf, &'static str)>,
) -> Result<(), InputError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| unreadable(folder, &e))? {
        paths.push(entry.map_err(|e| unreadable(folder, &e))?.path());
    }
    paths.sort();
    for path in paths {
        let extension = path.extension().and_then(|e| e.to_str());
        let is_manifest = matches!(extension, Some("yaml" | "yml" | "json"));
        let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
        if !deep {
            if path.is_file() && is_manifest {
                files.push(path);
            }
            continue;
        }
        let is_link = path.is_symlink();
        match (path.is_dir(), path.is_file()) {
            _ if hidden => {}
            (true, _) if is_link => skipped.push((path, "links to folders are not followed")),
            (true, _) if depth == 0 => {
                let error = InputError::in_file(&path, "the folders are too deeply nested");
                return Err(error.with_hint(format!("at most {DEPTH_MAX} levels are read")));
            }
            (true, _) => collect(&path, home, depth - 1, deep, files, skipped)?,
            (_, true) if is_manifest => {
                let inside = !is_link || fs::canonicalize(&path).is_ok_and(|target| target.starts_with(home));
                match inside {
                    true => files.push(path),
                    false => skipped.push((path, "the link leads out of the folder")),
                }
            }
            _ => {}
        }
    }
    Ok(())
}
