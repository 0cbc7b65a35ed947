//! The only door to YAML: limits, documents of a file, places of values, and errors in our words.
//!
//! Belongs here: every use of the YAML crate, so that it can be exchanged. Does not belong here: what the keys mean.
//! The crate reads each document into a tree (`tree`), where aliases and merge keys are resolved and duplicate keys are
//! errors; types are read from the tree (`read`), as often as needed. Nesting and the expansion of aliases are bounded,
//! and every error has a line and a column of the *file*, whichever of its documents it is in.

mod complaint;
mod explain;
mod mend;
mod read;
mod spanned;
mod split;
#[cfg(test)]
mod tests;
mod tree;

use std::fs;
use std::io::Read;
use std::path::Path;

use serde::de::{DeserializeOwned, DeserializeSeed};
use serde_saphyr::options::NonFiniteFloatPolicy;
use serde_saphyr::{DuplicateKeyPolicy, Options};

use super::error::{InputError, Place};
pub use mend::Mended;
use read::{Reading, Rules};
use split::Splitter;
use tree::Visit;
pub(super) use tree::{Node, Value};

pub use spanned::{Position, Spanned};

/// A value of any shape that is not looked at.
pub type Anything = serde::de::IgnoredAny;

/// Largest file that is read \[bytes\].
pub const FILE_SIZE_MAX: u64 = 16 * 1024 * 1024;
/// Most documents in one file.
pub const DOCUMENTS_MAX: usize = 100_000;
/// What to do with a template.
pub const TEMPLATE_HINT: &str = "the text has `{{ … }}`: render the chart first, e.g. with `helm template`";
/// Deepest nesting of maps and lists.
const DEPTH_MAX: usize = 64;
/// Most scalars, maps and lists in one document, expanded aliases included.
const NODES_MAX: usize = 4_000_000;
/// Parser events that aliases may repeat in a document of any length, and more for each of its bytes: what a folder costs
/// stays in proportion to its size.
const ALIAS_EVENTS: (usize, usize) = (1_000, 20);

/// How a plain scalar such as `true` or `5` is read where a string is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strings {
    /// As the string it looks like.
    Lenient,
    /// As an error, because Kubernetes refuses it too; quotes are needed.
    Quoted,
}

/// What a key without a value (`key:`, `key: null`) means. An optional value is absent in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nulls {
    /// A value that is required is missing.
    Refused,
    /// As the API server reads its built-in kinds (Go's `encoding/json`): the zero value of the type, which for a list or a
    /// map is the empty one and for a string the empty string; also as an item of a list.
    Zero,
    /// As the API server reads custom resources: a null is pruned before defaults are set and schemas checked
    /// (kubernetes/apiextensions-apiserver `pkg/apiserver/schema/defaulting/prunenulls.go`), except as an
    /// item of a list, which the schema refuses.
    Absent,
}

/// The text of one document of a file.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    file: &'a Path,
    text: &'a str,
    lines_before: u32,
}

/// A document as a tree of values.
#[derive(Debug, Clone)]
pub struct Tree<'a> {
    source: Source<'a>,
    pub(super) root: Node<'a>,
}

/// One document of a file, or one object of a list.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    source: Source<'a>,
    root: &'a Node<'a>,
    strings: Strings,
    nulls: Nulls,
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

/// Reads one value from a text with one document; strings are lenient, and a required value must be there.
pub fn parse<T: DeserializeOwned>(file: &Path, text: &str) -> Result<T, InputError> {
    tree(file, text)?.parse()
}

/// Reads a text with one document as a tree.
pub fn tree<'a>(file: &'a Path, text: &'a str) -> Result<Tree<'a>, InputError> {
    check_size(file, text.len())?;
    let source = Source {
        file,
        text,
        lines_before: 0,
    };
    source.tree()
}

/// A part of a file with one document; so many lines of the file are before it.
pub fn part<'a>(file: &'a Path, text: &'a str, lines_before: u32) -> Source<'a> {
    Source {
        file,
        text,
        lines_before,
    }
}

/// The documents of a text that hold something. `---` and `...` at the beginning of a line separate documents
/// wherever they stand, also inside scalars (YAML 1.2.2, section 9.1.2), so no parsing is needed to find them.
pub fn documents<'a>(file: &'a Path, text: &'a str) -> Result<Vec<Source<'a>>, InputError> {
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
    let source = |(start, end, lines_before): (usize, usize, u32)| Source {
        file,
        text: &text[start..end],
        lines_before,
    };
    Ok(splitter.found.into_iter().map(source).collect())
}

impl<'a> Source<'a> {
    /// Reads the text as a tree.
    pub fn tree(self) -> Result<Tree<'a>, InputError> {
        let root = serde_saphyr::from_str_with_options(self.text, options(self.text.len()));
        let mut root: Node<'a> = root.map_err(|error| self.explain_parser(&error))?;
        root.quote_from(self.text);
        Ok(Tree { source: self, root })
    }

    /// The first position of the document.
    pub fn start(&self) -> Place {
        Place {
            file: self.file.to_owned(),
            line: self.lines_before.saturating_add(1),
            column: 1,
        }
    }

    /// The text as written.
    pub fn text(&self) -> &'a str {
        self.text
    }

    fn place(&self, position: Position) -> Place {
        Place {
            file: self.file.to_owned(),
            line: self.lines_before.saturating_add(position.line.max(1)),
            column: position.column.max(1),
        }
    }
}

impl Tree<'_> {
    /// Reads the tree as a value; strings are lenient, and a required value must be there.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, InputError> {
        self.document(Strings::Lenient, Nulls::Refused).parse()
    }

    /// The document, read by these rules.
    pub fn document(&self, strings: Strings, nulls: Nulls) -> Document<'_> {
        Document {
            source: self.source,
            root: &self.root,
            strings,
            nulls,
        }
    }
}

impl<'a> Document<'a> {
    /// Reads the document as a value.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, InputError> {
        self.parse_explaining(|_| None)
    }

    /// As [`Document::parse`]; asked with an unknown key, `not_modelled` may state why that key is known but not
    /// evaluated, which then becomes the hint.
    pub fn parse_explaining<T: DeserializeOwned>(
        &self,
        not_modelled: impl Fn(&str) -> Option<String>,
    ) -> Result<T, InputError> {
        T::deserialize(self.reading()).map_err(|complaint| self.explain(complaint, &not_modelled))
    }

    /// Lets a seed read the document.
    pub fn walk<T, S: for<'de> DeserializeSeed<'de, Value = T>>(&self, seed: S) -> Result<T, InputError> {
        seed.deserialize(self.reading())
            .map_err(|complaint| self.explain(complaint, &|_| None))
    }

    fn reading(&self) -> Reading<'_> {
        Reading {
            node: self.root,
            rules: Rules {
                strings: self.strings,
                nulls: self.nulls,
            },
            is_key: false,
        }
    }

    /// The same document with lenient strings, for objects that are not looked at.
    pub fn lenient(&self) -> Self {
        Self {
            strings: Strings::Lenient,
            ..*self
        }
    }

    /// The same document with another meaning of null.
    pub fn with_nulls(&self, nulls: Nulls) -> Self {
        Self { nulls, ..*self }
    }

    /// The objects of the list `items`, with their places in the file; none where the key is missing or empty.
    pub fn items(&self) -> Vec<Document<'a>> {
        let items = self.root.get("items").map(|items| &items.value);
        let nodes: &[Node<'a>] = match items {
            Some(Value::List(nodes)) => nodes,
            _ => &[],
        };
        nodes.iter().map(|root| Document { root, ..*self }).collect()
    }

    /// Whether it is a map with this key.
    pub fn has_key(&self, key: &str) -> bool {
        self.root.get(key).is_some()
    }

    /// The text under a key, if it is a map with such a scalar.
    pub fn text_of(&self, key: &str) -> Option<&str> {
        self.root.get(key)?.scalar()
    }

    /// Its text, if it is nothing but a scalar.
    pub fn scalar(&self) -> Option<&str> {
        self.root.scalar()
    }

    /// Whether it is a map.
    pub fn is_map(&self) -> bool {
        matches!(self.root.value, Value::Map(_))
    }

    /// Whether it holds nothing but null.
    pub fn is_null(&self) -> bool {
        matches!(self.root.value, Value::Null)
    }

    /// Whether one of its keys or values contains this text.
    pub fn mentions(&self, word: &str) -> bool {
        let mut found = false;
        self.root.visit(&mut |visit| {
            found |= matches!(visit, Visit::Scalar(scalar) if scalar.contains(word));
        });
        found
    }

    /// A digest of its content, whatever its form.
    pub fn digest(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        self.root.visit(&mut |visit| {
            match visit {
                Visit::Scalar(scalar) => hasher.update(b"'").update(scalar.as_bytes()).update(b"\0"),
                Visit::Mark(mark) => hasher.update(mark.to_string().as_bytes()),
            };
        });
        hasher.finalize()
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
        self.place_of(self.root.referenced)
    }

    /// The file of the document.
    pub fn file(&self) -> &Path {
        self.source.file
    }

    /// Where a position of the document is in the file.
    pub fn place_of(&self, position: Position) -> Place {
        self.source.place(position)
    }
}

/// Everything explicit that bounds the work for one document of this many bytes.
fn options(bytes: usize) -> Options {
    let mut options = serde_saphyr::options! {
        with_snippet: false,
        duplicate_keys: DuplicateKeyPolicy::Error,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
    };
    options.budget = serde_saphyr::budget! {
        max_depth: DEPTH_MAX,
        // One more, so that both kinds of nesting meet `max_depth`.
        flow_nesting_limit: DEPTH_MAX + 1,
        max_nodes: NODES_MAX,
        max_events: 2 * NODES_MAX,
        // Their number is bounded by the size of the file, what they repeat by `alias_limits`.
        max_aliases: NODES_MAX,
        max_anchors: NODES_MAX,
        max_merge_keys: NODES_MAX,
        max_recorded_anchor_events: 2 * NODES_MAX,
        enforce_alias_anchor_ratio: false,
        max_documents: 2,
        max_total_scalar_bytes: 64 * 1024 * 1024,
    };
    options.alias_limits.max_total_replayed_events = ALIAS_EVENTS.0 + ALIAS_EVENTS.1 * bytes;
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
