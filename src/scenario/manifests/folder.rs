//! Files of a folder: which are read, in which order, and how much of them.
//!
//! Belongs here: the walk through folders and its limits. Does not belong here: what is in the files (`yaml`, `reader`).

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::scenario::error::{InputError, near_path};
use crate::scenario::yaml;

/// Largest sum of the sizes of all files of a folder \[bytes\].
pub const FOLDER_SIZE_MAX: u64 = 256 * 1024 * 1024;
/// Most files of a folder that are read.
pub const FILES_MAX: usize = 100_000;
const DEPTH_MAX: usize = 32;

/// The files to read, and those that are passed over with the reason.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Files with their texts, in the order of their names.
    pub texts: Vec<(PathBuf, String)>,
    /// What is passed over, and why.
    pub skipped: Vec<(PathBuf, &'static str)>,
    /// Files that cannot be read as text.
    pub errors: Vec<InputError>,
    /// Patterns that match nothing.
    pub warnings: Vec<String>,
    /// How many files have the ending of a manifest and are not excluded.
    pub files: usize,
}

/// Files and folders that are passed over, as patterns of their paths within the folder.
#[derive(Debug, Default)]
pub struct Excluded(Vec<(String, Regex)>);

impl Excluded {
    /// Reads patterns: `*` is any part of a name, `**` any number of folders, `?` one character. A pattern without `/` means
    /// a file or folder of that name at any depth; a folder is passed over with all that is in it.
    pub fn parse<T: AsRef<str>>(patterns: &[T]) -> Self {
        let compiled = patterns.iter().filter_map(|pattern| {
            let pattern = pattern.as_ref();
            let path = pattern.trim_start_matches("./").trim_matches('/');
            let anywhere = if path.contains('/') { "" } else { "(?:.*/)?" };
            let mut text = format!("^{anywhere}");
            let mut rest = path;
            while let Some(c) = rest.chars().next() {
                let (part, length) = match c {
                    '*' if rest.starts_with("**/") => ("(?:.*/)?".to_owned(), 3),
                    '*' if rest.starts_with("**") => (".*".to_owned(), 2),
                    '*' => ("[^/]*".to_owned(), 1),
                    '?' => ("[^/]".to_owned(), 1),
                    other => (regex::escape(other.encode_utf8(&mut [0; 4])), other.len_utf8()),
                };
                text.push_str(&part);
                rest = &rest[length..];
            }
            let regex = Regex::new(&(text + "$")).ok()?;
            Some((pattern.to_owned(), regex))
        });
        Self(compiled.collect())
    }

    /// The number of the pattern that a path within the folder matches.
    fn find(&self, path: &Path) -> Option<usize> {
        let text = path.to_string_lossy().replace('\\', "/");
        self.0.iter().position(|(_, pattern)| pattern.is_match(&text))
    }
}

/// Finds all `*.yaml`, `*.yml` and `*.json` files of a folder and its subfolders. A file alone may stand for the folder. What
/// begins with a dot is not looked at; links lead to files within the folder only.
pub fn read(folder: &Path, excluded: &Excluded) -> Result<Found, InputError> {
    let mut found = Found::default();
    let mut files = Vec::new();
    if folder.is_file() {
        files.push(folder.to_owned());
    } else {
        let mut walk = Walk {
            top: folder,
            home: fs::canonicalize(folder).map_err(|e| unreadable(folder, &e))?,
            excluded,
            matched: BTreeSet::new(),
            files: Vec::new(),
            skipped: Vec::new(),
        };
        walk.collect(folder, DEPTH_MAX)?;
        (files, found.skipped) = (walk.files, walk.skipped);
        let unmatched = excluded.0.iter().enumerate().filter(|(n, _)| !walk.matched.contains(n));
        let warning = |(_, (pattern, _)): (usize, &(String, Regex))| {
            format!(
                "{}: the excluded `{pattern}` matches no file and no folder",
                folder.display()
            )
        };
        found.warnings = unmatched.map(warning).collect();
    }
    files.sort();
    found.files = files.len();
    if files.len() > FILES_MAX {
        let error = InputError::in_file(folder, format!("{} manifests in this folder", files.len()));
        return Err(error.with_hint(format!("at most {FILES_MAX} are read")));
    }
    let mut size = 0_u64;
    for file in files {
        let text = match yaml::read_text(&file) {
            Ok(text) => text,
            Err(_) if is_encrypted(&file) => {
                found.skipped.push((file, "encrypted with git-crypt"));
                continue;
            }
            Err(error) => {
                found.errors.push(error);
                continue;
            }
        };
        size = size.saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX));
        if size > FOLDER_SIZE_MAX {
            let error = InputError::in_file(folder, "the manifests of this folder are too large");
            return Err(error.with_hint(format!("at most {} MiB are read", FOLDER_SIZE_MAX / (1024 * 1024))));
        }
        found.texts.push((file, text));
    }
    Ok(found)
}

/// Whether git-crypt has encrypted the file.
fn is_encrypted(file: &Path) -> bool {
    const MAGIC: &[u8] = b"\0GITCRYPT\0";
    let mut start = Vec::new();
    let read = fs::File::open(file).and_then(|file| file.take(10).read_to_end(&mut start));
    read.is_ok() && start == MAGIC
}

fn unreadable(folder: &Path, error: &std::io::Error) -> InputError {
    let unreadable = InputError::in_file(folder, format!("the folder cannot be read: {error}"));
    match near_path(folder).filter(|_| !folder.exists()) {
        Some(near) => unreadable.with_hint(near),
        None => unreadable,
    }
}

struct Walk<'w> {
    top: &'w Path,
    /// The folder without links.
    home: PathBuf,
    excluded: &'w Excluded,
    /// Numbers of the patterns that matched something.
    matched: BTreeSet<usize>,
    files: Vec<PathBuf>,
    skipped: Vec<(PathBuf, &'static str)>,
}

impl Walk<'_> {
    fn collect(&mut self, folder: &Path, depth: usize) -> Result<(), InputError> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(|e| unreadable(folder, &e))? {
            paths.push(entry.map_err(|e| unreadable(folder, &e))?.path());
        }
        paths.sort();
        for path in paths {
            let extension = path.extension().and_then(|e| e.to_str());
            let is_manifest = matches!(extension, Some("yaml" | "yml" | "json"));
            let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
            let found = self.excluded.find(path.strip_prefix(self.top).unwrap_or(&path));
            if let Some(pattern) = found.filter(|_| path.is_dir() || is_manifest) {
                self.matched.insert(pattern);
                self.skipped.push((path, "excluded"));
                continue;
            }
            let is_link = path.is_symlink();
            match (path.is_dir(), path.is_file()) {
                _ if hidden => {}
                (true, _) if is_link => self.skipped.push((path, "links to folders are not followed")),
                (true, _) if depth == 0 => {
                    let error = InputError::in_file(&path, "the folders are too deeply nested");
                    return Err(error.with_hint(format!("at most {DEPTH_MAX} levels are read")));
                }
                (true, _) => self.collect(&path, depth - 1)?,
                (_, true) if is_manifest => {
                    let inside = !is_link || fs::canonicalize(&path).is_ok_and(|target| target.starts_with(&self.home));
                    match inside {
                        true => self.files.push(path),
                        false => self.skipped.push((path, "the link leads out of the folder")),
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_names_at_any_depth_or_paths() {
        for (pattern, yes, no) in [
            ("templates", "a/templates", "a/templates/x.yaml"),
            ("*.json", "a/b.json", "a/json"),
            ("a/*.yaml", "a/b.yaml", "a/b/c.yaml"),
            ("a/**", "a/b/c.yaml", "b/a/c.yaml"),
            ("**/test/*.yaml", "test/a.yaml", "test/x/a.yaml"),
            ("./charts/", "charts", "xcharts"),
            ("a?.yaml", "x/ab.yaml", "x/abc.yaml"),
            ("(a[b.yaml", "(a[b.yaml", "ab.yaml"),
        ] {
            let excluded = Excluded::parse(&[pattern]);
            assert_eq!(excluded.find(Path::new(yes)), Some(0), "{pattern} {yes}");
            assert_eq!(excluded.find(Path::new(no)), None, "{pattern} {no}");
        }
    }
}
