//! The inputs of a result, copied into its folder, so that the folder alone is enough to make the result again.
//!
//! Parameter sets are not copied: they belong to the program's version.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::CliError;
use super::new::moved;
use crate::lab::Manifest;
use crate::lab::files::{JSON_MAX, read};
use crate::lab::store::INPUTS;
use crate::scenario::{InputFile, Scenario};

/// Files by their path below the result's folder.
pub type Files = Vec<(String, Vec<u8>)>;

/// Whether a name stays within the folder that it is below.
fn within(name: &str) -> bool {
    !name.starts_with('/') && !name.split('/').any(|part| part == "..")
}

/// The experiment and its manifests as they were read. Where manifests lie outside the experiment's folder, both are moved together.
pub fn of(scenario: &Scenario) -> Files {
    let is_model = |input: &&InputFile| input.name.starts_with("models/");
    let files: Vec<&InputFile> = scenario.inputs.iter().filter(|input| !is_model(input)).collect();
    if files.iter().all(|input| within(&input.name)) {
        let verbatim = files
            .iter()
            .map(|input| (format!("{INPUTS}/{}", input.name), input.text.clone().into_bytes()));
        return verbatim.collect();
    }
    let moved = moved(scenario).into_iter();
    moved
        .map(|(name, text)| (format!("{INPUTS}/{name}"), text.into_bytes()))
        .collect()
}

/// The inputs that lie in a result's folder; none if it holds none.
pub fn stored(result: &Path) -> Result<Files, CliError> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::from(INPUTS)];
    while let Some(below) = folders.pop() {
        let folder = result.join(&below);
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = below.join(entry.file_name());
            // Links are not followed: they could lead out of the folder, or in circles.
            let kind = entry.file_type();
            if kind.as_ref().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if kind.is_ok_and(|kind| kind.is_file()) {
                let bytes = read(&entry.path(), JSON_MAX)?;
                files.push((path.display().to_string(), bytes));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The experiment file among the inputs of a result.
pub fn experiment(result: &Path, manifest: &Manifest) -> Option<PathBuf> {
    let name = manifest
        .inputs
        .first()
        .map(|input| &input.name)
        .filter(|name| within(name))?;
    Some(result.join(INPUTS).join(name)).filter(|path| path.is_file())
}
