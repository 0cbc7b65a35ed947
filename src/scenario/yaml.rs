//! The only door to YAML: limits, documents of a file, items of a list, and parser errors in our words.
//!
//! Belongs here: every use of the YAML crate, so that it can be exchanged. Does not belong here: what the keys mean.
//! Duplicate keys are errors, nesting and alias expansion are bounded, and every error has a line and a column of
//! the *file*, whichever of its documents it is in.

mod explain;
mod list;
mod split;

use std::fs;
use std::io::Read;
use std::path::Path;

use serde::de::{DeserializeOwned, DeserializeSeed};
use serde::{Deserialize, Deserializer};
use serde_saphyr::{DuplicateKeyPolicy, Location, Options};

use super::error::{InputError, Place};
use split::Splitter;

pub use list::Item;
/// The position of a value in its document.
pub use serde_saphyr::Location as Position;

/// A value that remembers where it was written.
///
/// A type of our own around the crate's, so that traits of other crates can be implemented for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it is used: of an alias, the place of the alias.
    pub referenced: Location,
    /// Where it is written: of an alias, the place of the anchor.
    pub defined: Location,
}

impl<T> Spanned<T> {
    /// A value with its two places.
    pub const fn new(value: T, referenced: Location, defined: Location) -> Self {
        Self {
            value,
            referenced,
            defined,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_saphyr::Spanned::deserialize(deserializer)
            .map(|spanned| Self::new(spanned.value, spanned.referenced, spanned.defined))
    }
}

/// A value of any shape that is not looked at.
pub type Anything = serde::de::IgnoredAny;

/// Largest file that is read \[bytes\].
pub const FILE_SIZE_MAX: u64 = 16 * 1024 * 1024;
/// Most documents in one file.
pub const DOCUMENTS_MAX: usize = 100_000;
/// Deepest nesting of maps and lists.
const DEPTH_MAX: usize = 64;
/// Most scalars, maps and lists in one document, expanded aliases included.
const NODES_MAX: usize = 1_000_000;
/// As [`NODES_MAX`], for a document whose values are skipped and not kept: a file of the largest size has fewer.
const NODES_SKIPPED_MAX: usize = 16_000_000;
/// Most parser events that aliases may repeat in one document.
const ALIAS_EVENTS_MAX: usize = 100_000;

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
    /// Columns in front of the first line of the text; an item of a list may begin within a line.
    columns_before: u32,
    strings: Strings,
    nodes_max: usize,
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
    text_of(file, bytes)
}

/// The text of a file; refuses what is not UTF-8 at the first bad byte.
fn text_of(file: &Path, bytes: Vec<u8>) -> Result<String, InputError> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let place = Place {
            file: file.to_owned(),
            line: 1,
            column: 1,
        };
        return Err(place.error("the file is UTF-16").with_hint("save the file as UTF-8"));
    }
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
        columns_before: 0,
        strings: Strings::Lenient,
        nodes_max: NODES_MAX,
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
            columns_before: 0,
            strings,
            nodes_max: NODES_MAX,
        })
        .collect())
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
        let read = |strings| serde_saphyr::from_str_with_options(self.text, options(strings, self.nodes_max));
        let result = match read(self.strings) {
            // YAML 1.1 knows `y` and `n` as booleans, but where a string is expected they are common names.
            Err(error) if explain::is_single_letter(&error) => read(Strings::Lenient),
            result => result,
        };
        result.map_err(|error| self.explain(&error, &not_modelled))
    }

    /// Lets a seed read the document.
    pub fn walk<S: for<'de> DeserializeSeed<'de, Value = ()>>(&self, seed: S) -> Result<(), InputError> {
        let options = options(self.strings, self.nodes_max);
        serde_saphyr::with_deserializer_from_str_with_options(self.text, options, |deserializer| {
            seed.deserialize(deserializer)
        })
        .map_err(|error| self.explain(&error, &|_| None))
    }

    /// The same document with lenient strings, for objects that are not looked at.
    #[must_use]
    pub fn lenient(&self) -> Self {
        Self {
            strings: Strings::Lenient,
            nodes_max: NODES_SKIPPED_MAX,
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

    /// Whether the document is well-formed, whatever it says.
    pub fn parse_skipped(&self) -> Result<(), InputError> {
        self.lenient().parse::<Anything>().map(|_| ())
    }

    /// The text of the document, as written.
    pub fn text(&self) -> &str {
        self.text
    }

    /// Where a position of the document is in the file.
    pub fn place_of(&self, location: Location) -> Place {
        let first_line = location.line() <= 1;
        let columns_before = if first_line { self.columns_before } else { 0 };
        Place {
            file: self.file.to_owned(),
            line: self.lines_before.saturating_add(small(location.line())),
            column: columns_before.saturating_add(small(location.column())),
        }
    }
}

/// Everything explicit that bounds the work for one document.
fn options(strings: Strings, nodes_max: usize) -> Options {
    let mut options = serde_saphyr::options! {
        with_snippet: false,
        duplicate_keys: DuplicateKeyPolicy::Error,
        no_schema: strings == Strings::Quoted,
    };
    options.budget = serde_saphyr::budget! {
        max_depth: DEPTH_MAX,
        flow_nesting_limit: DEPTH_MAX,
        max_nodes: nodes_max,
        max_events: 2 * nodes_max,
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

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
