//! The only door to YAML: limits, documents of a file, and parser errors in our words.
//!
//! Belongs here: every use of the YAML crate, so that it can be exchanged. Does not belong here: what the keys mean.
//! Duplicate keys are errors, nesting and alias expansion are bounded, and every error has a line and a column of
//! the *file*, whichever of its documents it is in.

use std::fs;
use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_saphyr::{DuplicateKeyPolicy, Error, Location, Options};

use super::error::{InputError, Place, candidates_hint};

/// A value that remembers where it was written; `referenced` is the place where it is used.
pub use serde_saphyr::Spanned;

/// A value of any shape that is not looked at.
pub type Anything = serde::de::IgnoredAny;

/// Largest file that is read \[bytes\].
pub const FILE_SIZE_MAX: u64 = 8 * 1024 * 1024;
/// Most documents in one file.
pub const DOCUMENTS_MAX: usize = 10_000;
/// Deepest nesting of maps and lists.
const DEPTH_MAX: usize = 64;
/// Most scalars, maps and lists in one document, expanded aliases included.
const NODES_MAX: usize = 1_000_000;
/// Most parser events that aliases may repeat in one document.
const ALIAS_EVENTS_MAX: usize = 100_000;
/// Longest piece of the file that is quoted in a message [characters].
const QUOTE_MAX: usize = 60;

/// How a plain scalar such as `true` or `5` is read where a string is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strings {
    /// As the string it looks like.
    Lenient,
    /// As an error, because Kubernetes refuses it too; quotes are needed.
    Quoted,
}

/// One document of a file.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    file: &'a Path,
    text: &'a str,
    lines_before: u32,
    strings: Strings,
}

/// Reads a file as text; refuses what is too large or not UTF-8.
pub fn read_text(file: &Path) -> Result<String, InputError> {
    let unreadable = |error: std::io::Error| InputError::in_file(file, format!("cannot be read: {error}"));
    let mut bytes = Vec::new();
    fs::File::open(file)
        .map_err(unreadable)?
        .take(FILE_SIZE_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    check_size(file, bytes.len())?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let bad = error.as_bytes().get(good.len()).copied().unwrap_or(0);
        let before = String::from_utf8_lossy(good);
        let last_line = before.rsplit('\n').next().unwrap_or("");
        Place {
            file: file.to_owned(),
            line: count(before.matches('\n').count()) + 1,
            column: count(last_line.chars().count()) + 1,
        }
        .error(format!("byte 0x{bad:02x} is not valid UTF-8"))
        .with_hint("save the file as UTF-8")
    })
}

/// Reads one value from a text with one document; strings are lenient.
pub fn parse<T: DeserializeOwned>(file: &Path, text: &str) -> Result<T, InputError> {
    check_size(file, text.len())?;
    Document {
        file,
        text,
        lines_before: 0,
        strings: Strings::Lenient,
    }
    .parse()
}

/// Reads one value from each document of a text; strings are lenient.
pub fn parse_documents<T: DeserializeOwned>(file: &Path, text: &str) -> Result<Vec<T>, InputError> {
    let documents = documents(file, text, Strings::Lenient)?;
    documents.iter().map(Document::parse).collect()
}

/// The documents of a text that hold something. `---` and `...` at the beginning of a line separate documents
/// wherever they stand, also inside scalars (YAML 1.2.2, section 9.1.2), so no parsing is needed to find them.
pub fn documents<'a>(file: &'a Path, text: &'a str, strings: Strings) -> Result<Vec<Document<'a>>, InputError> {
    check_size(file, text.len())?;
    let mut splitter = Splitter::default();
    let (mut offset, mut line_number) = (0, 0);
    for line in text.split_inclusive('\n') {
        splitter.line(line, offset, line_number);
        offset += line.len();
        line_number += 1;
    }
    splitter.close(offset);
    if splitter.found.len() > DOCUMENTS_MAX {
        let message = format!("{} documents in one file", splitter.found.len());
        let hint = format!("at most {DOCUMENTS_MAX} are read; split the file");
        return Err(InputError::in_file(file, message).with_hint(hint));
    }
    Ok(splitter
        .found
        .into_iter()
        .map(|(start, end, lines_before)| Document {
            file,
            text: &text[start..end],
            lines_before,
            strings,
        })
        .collect())
}

/// Finds the borders between documents, line by line.
#[derive(Default)]
struct Splitter {
    found: Vec<(usize, usize, u32)>,
    start: usize,
    start_line: u32,
    opened: bool,
    content: bool,
}

impl Splitter {
    fn line(&mut self, line: &str, offset: usize, line_number: u32) {
        let bare = line.trim_start_matches('\u{feff}');
        let after = |marker: &str| {
            bare.strip_prefix(marker)
                .filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
        };
        let says_something = |text: &str| {
            let text = text.trim();
            !text.is_empty() && !text.starts_with('#')
        };
        if let Some(rest) = after("---") {
            // Comments and directives in front of the first marker belong to the document that it opens.
            if self.opened || self.content {
                self.close(offset);
                (self.start, self.start_line) = (offset, line_number);
            }
            (self.opened, self.content) = (true, says_something(rest));
        } else if after("...").is_some() {
            self.close(offset);
            (self.start, self.start_line) = (offset + line.len(), line_number + 1);
        } else if says_something(bare) && (self.opened || !bare.starts_with('%')) {
            self.content = true;
        }
    }

    fn close(&mut self, end: usize) {
        if self.content {
            self.found.push((self.start, end, self.start_line));
        }
        (self.opened, self.content) = (false, false);
    }
}

impl Document<'_> {
    /// Reads the document as a value.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, InputError> {
        self.parse_explaining(|_| None)
    }

    /// As [`Document::parse`]; asked with an unknown key, `not_modelled` may say why that key is known but not
    /// evaluated, which then becomes the hint.
    pub fn parse_explaining<T: DeserializeOwned>(
        &self,
        not_modelled: impl Fn(&str) -> Option<String>,
    ) -> Result<T, InputError> {
        serde_saphyr::from_str_with_options(self.text, options(self.strings))
            .map_err(|error| self.explain(&error, &not_modelled))
    }

    /// The same document with lenient strings, for objects that are not looked at.
    #[must_use]
    pub fn lenient(&self) -> Self {
        Self {
            strings: Strings::Lenient,
            ..*self
        }
    }

    /// Where a value stands in the file.
    pub fn place<T>(&self, value: &Spanned<T>) -> Place {
        self.place_of(value.referenced)
    }

    /// An error at the place of a value.
    pub fn error<T>(&self, value: &Spanned<T>, message: impl Into<String>) -> InputError {
        self.place(value).error(message)
    }

    /// The first position of the document.
    pub fn start(&self) -> Place {
        Place {
            file: self.file.to_owned(),
            line: self.lines_before.saturating_add(1),
            column: 1,
        }
    }

    /// The file of the document.
    pub fn file(&self) -> &Path {
        self.file
    }

    fn place_of(&self, location: Location) -> Place {
        Place {
            file: self.file.to_owned(),
            line: self.lines_before.saturating_add(small(location.line())),
            column: small(location.column()),
        }
    }

    /// The rest of the line at a position, for a message.
    fn quote(&self, location: Location) -> String {
        let skip = |n: u32| usize::try_from(n.saturating_sub(1)).unwrap_or(usize::MAX);
        let line = self.text.lines().nth(skip(small(location.line())));
        let rest: String = line
            .unwrap_or("")
            .chars()
            .skip(skip(small(location.column())))
            .take(QUOTE_MAX)
            .collect();
        let rest = rest.split(" #").next().unwrap_or("");
        // In `{a: 1}]` the brackets that were opened before the value are not part of it.
        let mut depth = 0_i32;
        let closes_more = |c: char| {
            depth += i32::from("[{".contains(c)) - i32::from("]}".contains(c));
            depth < 0
        };
        let value = rest.split(closes_more).next().unwrap_or("");
        value.trim_end_matches([' ', ',', ':', '\t']).to_owned()
    }

    fn explain(&self, error: &Error, not_modelled: &dyn Fn(&str) -> Option<String>) -> InputError {
        let error = error.without_snippet();
        let location = error.location().unwrap_or(Location::UNKNOWN);
        let mut place = self.place_of(location);
        // Errors without a position are about the document as a whole.
        (place.line, place.column) = (place.line.max(1), place.column.max(1));
        let quoted = self.quote(location);
        let inner = match error {
            Error::AliasError { error, .. } => error.without_snippet(),
            other => other,
        };
        let (message, hint) = match inner {
            Error::SerdeUnknownField { field, expected, .. } => match not_modelled(field) {
                Some(reason) => (format!("`{quoted}` is not modelled"), Some(reason)),
                None => (
                    format!("unknown key `{field}`"),
                    candidates_hint(field, expected.iter().copied()),
                ),
            },
            Error::SerdeUnknownVariant { variant, expected, .. } => (
                format!("unknown value `{variant}`"),
                candidates_hint(variant, expected.iter().copied()),
            ),
            Error::SerdeMissingField { field, .. } => (format!("key `{field}` is missing"), None),
            Error::DuplicateMappingKey { key, .. } => {
                let key = key.as_deref().unwrap_or(&quoted);
                let hint = "remove one of the two; nothing says which one counts";
                (format!("key `{key}` occurs twice"), Some(hint.to_owned()))
            }
            Error::SerdeInvalidType {
                unexpected, expected, ..
            }
            | Error::SerdeInvalidValue {
                unexpected, expected, ..
            } => (format!("expected {expected}, found {unexpected}"), None),
            Error::InvalidScalar { ty, .. } => (format!("`{quoted}` is no {}", kind(ty)), None),
            Error::InvalidBooleanStrict { .. } => (
                format!("`{quoted}` is no boolean"),
                Some("write true or false".to_owned()),
            ),
            Error::NullIntoString { .. } => ("expected a string, found nothing".to_owned(), None),
            Error::QuotingRequired { value, .. } => (
                format!("`{value}` is read as a number or boolean where a string is expected"),
                Some(format!("put it in quotes: \"{value}\"")),
            ),
            Error::Unexpected { expected, .. } => (format!("expected {}, found `{quoted}`", shape(expected)), None),
            Error::Eof { .. } => ("the document ends too early".to_owned(), None),
            Error::MultipleDocuments { .. } => (
                "a second document begins here".to_owned(),
                Some("one document is expected in this file".to_owned()),
            ),
            Error::Budget { breach, .. } => (
                format!("the document is too large or too deeply nested ({breach:?})"),
                Some(format!(
                    "at most {DEPTH_MAX} levels and {NODES_MAX} values, expanded aliases included"
                )),
            ),
            Error::AliasReplayLimitExceeded { .. } => (
                "aliases (`*name`) repeat too much".to_owned(),
                Some("write the values out".to_owned()),
            ),
            other => (without_position(&other.to_string()), None),
        };
        InputError {
            hint,
            ..place.error(message)
        }
    }
}

/// Everything explicit that bounds the work for one document.
fn options(strings: Strings) -> Options {
    let mut options = serde_saphyr::options! {
        with_snippet: false,
        duplicate_keys: DuplicateKeyPolicy::Error,
        no_schema: strings == Strings::Quoted,
    };
    options.budget = serde_saphyr::budget! {
        max_depth: DEPTH_MAX,
        flow_nesting_limit: DEPTH_MAX,
        max_nodes: NODES_MAX,
        max_events: 2 * NODES_MAX,
        max_aliases: 1_000,
        max_anchors: 1_000,
        max_documents: 2,
        max_total_scalar_bytes: 64 * 1024 * 1024,
    };
    options.alias_limits.max_total_replayed_events = ALIAS_EVENTS_MAX;
    options
}

fn check_size(file: &Path, bytes: usize) -> Result<(), InputError> {
    if u64::try_from(bytes).is_ok_and(|bytes| bytes <= FILE_SIZE_MAX) {
        return Ok(());
    }
    let hint = format!("at most {} MiB are read", FILE_SIZE_MAX / (1024 * 1024));
    Err(InputError::in_file(file, "the file is too large").with_hint(hint))
}

/// The parser writes the position at the end of its text; it is shown in front already.
fn without_position(text: &str) -> String {
    let text = text.split(" at line ").next().unwrap_or(text);
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => "not valid YAML".to_owned(),
    }
}

/// What the parser calls a Rust type, in words.
fn kind(ty: &str) -> &str {
    match ty {
        "u8" | "u16" | "u32" | "u64" | "usize" => "whole number in range",
        "i8" | "i16" | "i32" | "i64" | "isize" => "integer in range",
        "f32" | "f64" => "number",
        "bool" => "boolean",
        other => other,
    }
}

/// What the parser calls a YAML event, in words.
fn shape(expected: &str) -> &str {
    match expected {
        "mapping start" => "a map (`key: value`)",
        "sequence start" => "a list",
        "string scalar" => "a string",
        other => other,
    }
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
