//! The one error of all input: where it is, what is wrong, what to write instead.
//!
//! Belongs here: the error type, its text form and the search for a near match. Does not belong here: reading files
//! (`yaml`) and colours or source excerpts (`cli`).

use std::fmt;
use std::path::{Path, PathBuf};

use super::other_words;
use super::yaml::Position;

/// Stands for the file in complaints about values that come from the command line.
pub const COMMAND_LINE: &str = "--set";

/// A position in an input file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as the user named it.
    pub file: PathBuf,
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
}

impl Place {
    /// An error at this place.
    pub fn error(&self, message: impl Into<String>) -> InputError {
        InputError {
            file: self.file.clone(),
            line: Some(self.line),
            column: Some(self.column),
            message: message.into(),
            hint: None,
            class: Class::Wrong,
        }
        .classified()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// Something in the input that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputError {
    /// The file or folder, as the user named it.
    pub file: PathBuf,
    /// Line, counted from 1; none where the whole file is meant.
    pub line: Option<u32>,
    /// Column in characters, counted from 1; without a line, a change from the command line that is not named yet.
    pub column: Option<u32>,
    /// What is wrong: a fragment in lower case that quotes the offending value.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// Whether it is plainly wrong, or could be passed over at the price of unknown answers.
    pub class: Class,
}

/// How bad an [`InputError`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The input is wrong or cannot be read.
    Wrong,
    /// An unknown field, or a known one that is not evaluated although it may change an answer.
    NotEvaluated,
}

impl InputError {
    /// An error about a whole file or folder.
    pub fn in_file(file: &Path, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            column: None,
            message: message.into(),
            hint: None,
            class: Class::Wrong,
        }
    }

    /// An error about a value from the command line, which [`super::overrides::Overrides::named`] gives the name of its change.
    pub fn of_change(at: Position, message: impl Into<String>) -> Self {
        Self {
            column: (at.column > 0).then_some(at.column),
            ..Self::in_file(Path::new(COMMAND_LINE), message)
        }
    }

    /// The same error, as one of the class [`Class::NotEvaluated`].
    pub fn not_evaluated(mut self) -> Self {
        self.class = Class::NotEvaluated;
        self
    }

    /// The error with its hint in one line.
    pub fn in_one_line(&self) -> String {
        self.to_string().replace("\n  hint: ", "; ")
    }

    /// "is not modeled" are the words of all input errors about something that is known and not evaluated.
    fn classified(self) -> Self {
        match self.message.contains("not modeled") {
            true => self.not_evaluated(),
            false => self,
        }
    }

    /// The same error with a hint.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with "did you mean", if one of the candidates is near, or with the list of candidates.
    pub fn with_candidates<'c>(self, value: &str, candidates: impl IntoIterator<Item = &'c str>) -> Self {
        match candidates_hint(value, candidates) {
            Some(hint) => self.with_hint(hint),
            None => self,
        }
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        write!(f, ": {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for InputError {}

/// All values, or all errors.
pub fn all<T>(results: impl Iterator<Item = Result<T, InputError>>) -> Result<Vec<T>, Vec<InputError>> {
    let (mut values, mut errors) = (Vec::new(), Vec::new());
    for result in results {
        values.extend(keep_one(&mut errors, result));
    }
    if errors.is_empty() { Ok(values) } else { Err(errors) }
}

/// The value if there is one; the errors are added to the others.
pub fn keep<T>(errors: &mut Vec<InputError>, result: Result<T, Vec<InputError>>) -> Option<T> {
    result.map_err(|more| errors.extend(more)).ok()
}

/// The same of a single error.
pub fn keep_one<T>(errors: &mut Vec<InputError>, result: Result<T, InputError>) -> Option<T> {
    result.map_err(|error| errors.push(error)).ok()
}

/// Least length of a beginning that stands for a name.
const BEGINNING_MIN: usize = 3;

/// "did you mean `x`?" for a path, if the name of a file or folder beside it is near.
pub fn near_path(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let entries = std::fs::read_dir(folder.unwrap_or_else(|| Path::new("."))).ok()?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    let near = near_match(name, names.iter().map(String::as_str).filter(|near| *near != name))?;
    Some(format!("did you mean `{}`?", path.with_file_name(near).display()))
}

/// Most names that a hint lists.
const KNOWN_MAX: usize = 40;

/// "write `x`" for a word that others use for the candidate, "did you mean `x`?" for a near match or for the first name that begins
/// like this, "known: a, b, c" without one, nothing without candidates.
pub fn candidates_hint<'c>(value: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    if let Some(spelling) = other_words::spelling(value, &candidates) {
        return Some(format!("write `{spelling}`"));
    }
    let begins = |candidate: &&str| value.len() >= BEGINNING_MIN && candidate.starts_with(value);
    match near_match(value, candidates.iter().copied()).or_else(|| candidates.iter().copied().find(begins)) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if candidates.is_empty() => None,
        None if candidates.len() > KNOWN_MAX => {
            let (shown, all) = (candidates[..KNOWN_MAX].join(", "), candidates.len());
            Some(format!("known: {shown}, … ({all} in all)"))
        }
        None => Some(format!("known: {}", candidates.join(", "))),
    }
}

/// The candidate that is most like the value, if any is like it: at most a third of its characters inserted,
/// removed, replaced or swapped, and case ignored. Of equally near ones the first.
pub fn near_match<'c>(value: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let value = value.to_lowercase();
    let limit = (value.chars().count() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        // Longer differences cannot be near; this keeps hostile lengths cheap.
        if candidate.len().abs_diff(value.len()) > 4 * limit || value.len() > 200 {
            continue;
        }
        let distance = strsim::osa_distance(&value, &candidate.to_lowercase());
        if distance <= limit && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_file_line_column_message_and_hint() {
        let place = Place {
            file: "a.yaml".into(),
            line: 3,
            column: 5,
        };
        let error = place.error("unknown key `x`").with_hint("did you mean `y`?");
        assert_eq!(
            error.to_string(),
            "a.yaml:3:5: unknown key `x`\n  hint: did you mean `y`?"
        );
        let whole = InputError::in_file(Path::new("dir"), "no file");
        assert_eq!(whole.to_string(), "dir: no file");
    }

    #[test]
    fn near_match_finds_typos_and_leaves_strangers() {
        let keys = ["replicas", "selector", "strategy"];
        assert_eq!(near_match("replcas", keys), Some("replicas"));
        assert_eq!(near_match("Selector", keys), Some("selector"));
        assert_eq!(near_match("zzz", keys), None);
        assert_eq!(near_match("", keys), None);
    }

    #[test]
    fn near_match_prefers_the_nearest_and_then_the_first() {
        assert_eq!(near_match("sleep-v3", ["sleep-v1", "sleep-v2"]), Some("sleep-v1"));
        assert_eq!(near_match("sleep-v2x", ["sleep-v1", "sleep-v2"]), Some("sleep-v2"));
    }
}
