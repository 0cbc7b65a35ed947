//! `.written.json`: which pages and figures this program has put into a folder, with digests of their bytes.
//!
//! A decision record is there to be filled in, and a figure may be touched up. A file that is not what was written belongs to a
//! person: it is never written over and never deleted. The new one goes beside it, `report.new.md` for `report.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::error::LabError;
use super::files::{JSON_MAX, digest_of, read, write_whole};
use super::manifest::write_json;

pub const WRITTEN: &str = ".written.json";

/// What has been put into a folder: digests by path below it, `/` between the parts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Written(BTreeMap<String, Vec<String>>);

/// A file that was put into a folder, perhaps beside the one that a person has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    pub path: PathBuf,
    /// The changed file that was left alone, if there was one.
    pub beside: Option<PathBuf>,
}

impl Put {
    pub fn told(&self) -> Option<String> {
        let changed = self.beside.as_ref()?;
        Some(format!(
            "{} is not as this program wrote it, and stays; the new one is {}",
            changed.display(),
            self.path.display()
        ))
    }
}

impl Written {
    /// The record of a folder. One that is absent or damaged speaks of no file, so that all are left alone.
    pub fn of(folder: &Path) -> Self {
        let bytes = read(&folder.join(WRITTEN), JSON_MAX).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Whether a file of the folder is there with the bytes that were written.
    pub fn holds(&self, folder: &Path, name: &str) -> bool {
        let Some(digests) = self.0.get(name) else { return false };
        read(&folder.join(name), JSON_MAX).is_ok_and(|bytes| digests.contains(&digest_of(&bytes)))
    }

    pub fn knows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Puts files into a folder, each given by its path below it, and gives where they went, in the same order. What is there and is
/// neither what was written nor what shall be written stays.
///
/// The record comes first, with the old digests beside the new ones, so that a kill in between leaves no unrecorded file.
pub fn put(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<Vec<Put>, LabError> {
    let before = Written::of(folder);
    let mut after = before.clone();
    let mut places: Vec<(String, Put)> = Vec::new();
    for (name, bytes) in files {
        let digest = digest_of(bytes);
        let free = |name: &str| {
            let path = folder.join(name);
            fs::symlink_metadata(&path).is_err()
                || before.holds(folder, name)
                || read(&path, JSON_MAX).is_ok_and(|there| there == *bytes)
        };
        let mut place = name.clone();
        let mut number = 1;
        while !free(&place) {
            place = beside(name, number);
            number += 1;
        }
        after.0.entry(place.clone()).or_default().push(digest);
        let path = folder.join(&place);
        let beside = (place != *name).then(|| folder.join(name));
        places.push((place, Put { path, beside }));
    }
    write_json(&folder.join(WRITTEN), &after)?;
    places
        .par_iter()
        .zip(files)
        .try_for_each(|((_, put), (_, bytes))| write_whole(&put.path, bytes))?;
    for (place, _) in &places {
        if let Some(digests) = after.0.get_mut(place) {
            digests.drain(..digests.len() - 1);
        }
    }
    write_json(&folder.join(WRITTEN), &after)?;
    Ok(places.into_iter().map(|(_, put)| put).collect())
}

/// The name beside a changed file: `report.new.md`, then `report.new2.md`.
fn beside(name: &str, number: u32) -> String {
    let new = if number == 1 {
        "new".to_owned()
    } else {
        format!("new{number}")
    };
    let start = name.rfind('/').map_or(0, |slash| slash + 1);
    match name[start..].find('.') {
        Some(dot) => format!("{}.{new}{}", &name[..start + dot], &name[start + dot..]),
        None => format!("{name}.{new}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_changed_stays() {
        let dir = tempfile::tempdir().unwrap();
        let text = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        let put_report = |text: &str| put(dir.path(), &[("report.md".to_owned(), text.as_bytes().to_vec())]).unwrap();
        assert_eq!(put_report("one")[0].beside, None);
        assert_eq!(put_report("two")[0].beside, None);
        assert_eq!(text("report.md"), "two");
        fs::write(dir.path().join("report.md"), "decided").unwrap();
        let told = put_report("three")[0].told().unwrap();
        assert!(told.contains("report.md is not as this program wrote it") && told.ends_with("report.new.md"));
        put_report("four");
        assert_eq!(
            (text("report.md").as_str(), text("report.new.md").as_str()),
            ("decided", "four")
        );
        fs::write(dir.path().join("report.new.md"), "decided again").unwrap();
        put_report("five");
        assert_eq!(text("report.new.md"), "decided again");
        assert_eq!(text("report.new2.md"), "five");
        // Without the record the owner of the files is unknown.
        fs::remove_file(dir.path().join(WRITTEN)).unwrap();
        put_report("six");
        assert_eq!(
            (text("report.new2.md").as_str(), text("report.new3.md").as_str()),
            ("five", "six")
        );
    }

    #[test]
    fn the_new_name_keeps_its_ending() {
        assert_eq!(beside("figures/access.vl.json", 1), "figures/access.new.vl.json");
        assert_eq!(beside("report.md", 2), "report.new2.md");
    }
}
