//! A dump object by object: no more than a few thousand objects of it are in memory at a time.
//!
//! Belongs here: finding the objects in a text, whatever its form: documents of YAML, the items of a `List` that is written in block
//! style (found by their indentation). Does not belong here: JSON (`json`), what an object says (`dump`) and which of its lines are never
//! parsed (`prune`).

use std::io::{BufRead, Read};
use std::path::Path;

use rayon::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use super::dump::Text;
use super::{json, prune};
use crate::scenario::error::{InputError, Place};
use crate::scenario::yaml::{self, Nulls, Strings};

/// Objects are parsed together as soon as they have this many bytes.
const BATCH: usize = 8 * 1024 * 1024;
/// Stack of a thread that parses.
const STACK_BYTES: usize = 16 * 1024 * 1024;
/// Largest object that is read \[bytes\]: etcd takes no object of more than 1.5 MiB, and YAML is longer than what is stored.
const OBJECT_MAX: usize = 16 * 1024 * 1024;

/// An object as a dump has it.
pub(super) struct Found {
    pub object: Value,
    pub place: Place,
}

/// Hands each object of a text to `sink`, in their order.
///
/// # Errors
/// If the text is neither YAML nor JSON, with the place.
pub(super) fn read(file: &Path, mut from: impl BufRead, sink: &mut dyn FnMut(Found)) -> Result<(), InputError> {
    let start = from.fill_buf().map_err(|error| unreadable(file, &error))?;
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    match start.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{' | b'[') => json::read(file, from, sink),
        _ => Lines::new(file, sink).read(from),
    }
}

fn unreadable(file: &Path, error: &std::io::Error) -> InputError {
    InputError::in_file(file, format!("cannot be read: {error}"))
}

pub(super) fn place(file: &Path, line: u32, column: u32) -> Place {
    Place {
        file: file.to_owned(),
        line,
        column,
    }
}

/// Where in a document of YAML a line is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Document,
    /// In the items of a list, which have this indentation.
    Items(Option<usize>),
    /// Behind them.
    After,
}

struct Lines<'a> {
    file: &'a Path,
    sink: &'a mut dyn FnMut(Found),
    at: At,
    /// The lines of the object so far, and how many lines are before it.
    text: Vec<u8>,
    before: u32,
    batch: Vec<(Vec<u8>, u32)>,
    bytes: usize,
    /// Kind and version of the list, which may follow its items.
    list: (String, Value),
    /// Items that state no kind, in a list whose kind is not known yet.
    nameless: Vec<Found>,
    /// Threads whose stacks are large enough for the deepest nesting that is read; without them this thread does all.
    pool: Option<rayon::ThreadPool>,
}

impl<'a> Lines<'a> {
    fn new(file: &'a Path, sink: &'a mut dyn FnMut(Found)) -> Self {
        Self {
            file,
            sink,
            at: At::Document,
            text: Vec::new(),
            before: 0,
            batch: Vec::new(),
            bytes: 0,
            list: (String::new(), Value::Null),
            nameless: Vec::new(),
            pool: rayon::ThreadPoolBuilder::new().stack_size(STACK_BYTES).build().ok(),
        }
    }

    fn read(mut self, mut from: impl BufRead) -> Result<(), InputError> {
        let (mut line, mut number) = (Vec::new(), 0_u32);
        loop {
            line.clear();
            let length = (&mut from)
                .take(OBJECT_MAX as u64)
                .read_until(b'\n', &mut line)
                .map_err(|error| unreadable(self.file, &error))?;
            if length == 0 {
                break;
            }
            self.line(&mut line, number)?;
            number = number.saturating_add(1);
        }
        self.close(number)?;
        self.parse()
    }

    /// Ends the document; the items of a list have its kind.
    fn close(&mut self, number: u32) -> Result<(), InputError> {
        self.end(number)?;
        if self.at != At::Document {
            self.parse()?;
        }
        for mut found in std::mem::take(&mut self.nameless) {
            named(&mut found.object, &self.list);
            spread(found, self.sink);
        }
        self.list = (String::new(), Value::Null);
        self.at = At::Document;
        Ok(())
    }

    /// Takes a line; `number` lines are before it.
    fn line(&mut self, line: &mut [u8], number: u32) -> Result<(), InputError> {
        let marks = |mark: &[u8]| {
            let rest = line.strip_prefix(mark);
            rest.is_some_and(|rest| rest.first().is_none_or(u8::is_ascii_whitespace))
        };
        let bare = line.trim_ascii_end();
        let lead = bare.iter().take_while(|byte| **byte == b' ').count();
        if marks(b"---") || marks(b"...") {
            self.close(number)?;
            line[..3].fill(b' ');
            self.text.extend_from_slice(line);
            self.before = number;
            return Ok(());
        }
        if bare.starts_with(b"kind:") || bare.starts_with(b"apiVersion:") {
            self.head(bare);
        }
        let is_item = bare.get(lead) == Some(&b'-') && bare.get(lead + 1).is_none_or(|byte| *byte == b' ');
        match self.at {
            At::Document if bare == b"items:" => {
                self.text.clear();
                self.parse()?;
                self.at = At::Items(None);
            }
            At::Items(_) if bare.len() == lead || bare[lead] == b'#' => self.add(line, number)?,
            At::Items(indent) if is_item && indent.is_none_or(|indent| indent == lead) => {
                self.end(number)?;
                line[lead] = b' ';
                self.at = At::Items(Some(lead));
                self.add(line, number)?;
            }
            At::Items(indent) if lead <= indent.unwrap_or(0) => {
                self.end(number)?;
                self.at = At::After;
            }
            At::Document | At::Items(_) => self.add(line, number)?,
            At::After => {}
        }
        Ok(())
    }

    /// Notes what a line at the top says of the items of a list.
    fn head(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let value = |key: &str| {
            let value = text.strip_prefix(key)?.strip_prefix(": ")?;
            Some(value.trim().trim_matches(['"', '\'']).to_owned())
        };
        if let Some(kind) = value("kind") {
            kind.strip_suffix("List")
                .unwrap_or_default()
                .clone_into(&mut self.list.0);
        } else if let Some(version) = value("apiVersion") {
            self.list.1 = version.into();
        }
    }

    fn add(&mut self, line: &[u8], number: u32) -> Result<(), InputError> {
        if self.text.is_empty() {
            self.before = number;
        }
        self.text.extend_from_slice(line);
        if self.text.len() > OBJECT_MAX {
            let message = "the object that begins here is too large";
            let hint = format!("at most {} MiB are read", OBJECT_MAX / (1024 * 1024));
            let start = place(self.file, self.before.saturating_add(1), 1);
            return Err(start.error(message).with_hint(hint));
        }
        Ok(())
    }

    /// Ends the object.
    fn end(&mut self, number: u32) -> Result<(), InputError> {
        let text = std::mem::take(&mut self.text);
        let is_comment = |line: &[u8]| line.trim_ascii().first().is_none_or(|first| b"#%".contains(first));
        if !text.split(|byte| *byte == b'\n').all(is_comment) {
            self.bytes += text.len();
            self.batch.push((text, self.before));
        }
        self.before = number;
        if self.bytes < BATCH {
            return Ok(());
        }
        self.parse()
    }

    /// Parses what is waiting, and hands it on in its order.
    fn parse(&mut self) -> Result<(), InputError> {
        let (file, batch) = (self.file, std::mem::take(&mut self.batch));
        self.bytes = 0;
        let parse = |(text, before)| object(file, text, before);
        let parsed: Vec<Result<Found, InputError>> = match &self.pool {
            Some(pool) => pool.install(|| batch.into_par_iter().map(parse).collect()),
            None => batch.into_iter().map(parse).collect(),
        };
        for found in parsed {
            let mut found = found?;
            if self.at != At::Document && found.object.is_object() {
                named(&mut found.object, &self.list);
                if found.object.get("kind").is_none() {
                    self.nameless.push(found);
                    continue;
                }
            }
            spread(found, self.sink);
        }
        Ok(())
    }
}

/// The object of some lines.
fn object(file: &Path, text: Vec<u8>, before: u32) -> Result<Found, InputError> {
    let text = String::from_utf8(text).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let lines = good.iter().filter(|byte| **byte == b'\n').count();
        let line = before.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        let at = place(file, line.saturating_add(1), 1);
        at.error("the line is not valid UTF-8")
            .with_hint("save the dump as UTF-8")
    })?;
    let kept = prune::lines(&text);
    drop(text);
    let source = yaml::part(file, &kept, before);
    let tree = source.tree()?;
    let object: Value = tree.parse()?;
    // As the API server, which takes no label whose value is a number or a switch.
    let quoted = tree.document(Strings::Quoted, Nulls::Zero);
    match object["kind"] == "Service" {
        true => _ = quoted.parse::<OfService>()?,
        false if object.is_object() => _ = quoted.parse::<Labeled>()?,
        false => {}
    }
    let place = source.start();
    Ok(Found { object, place })
}

/// The texts of an object that are labels.
#[derive(Deserialize)]
struct Labeled {
    #[serde(rename = "metadata")]
    _metadata: Option<Metadata>,
    #[serde(rename = "spec")]
    _spec: Option<Spec>,
}

#[derive(Deserialize)]
struct OfService {
    #[serde(rename = "spec")]
    _spec: Option<ServiceSpec>,
}

#[derive(Deserialize)]
struct ServiceSpec {
    #[serde(rename = "selector")]
    _selector: Option<Text>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "labels")]
    _labels: Option<Text>,
}

#[derive(Deserialize)]
struct Spec {
    #[serde(rename = "template")]
    _template: Option<Template>,
    #[serde(rename = "selector")]
    _selector: Option<Selector>,
}

#[derive(Deserialize)]
struct Template {
    #[serde(rename = "metadata")]
    _metadata: Option<Metadata>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Selector {
    #[serde(rename = "matchLabels")]
    _match_labels: Option<Text>,
}

/// An object, or those of a list.
pub(super) fn spread(found: Found, sink: &mut dyn FnMut(Found)) {
    let Found { mut object, place } = found;
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let of_items = kind.strip_suffix("List").filter(|_| object["items"].is_array());
    let Some(of_items) = of_items else {
        return sink(Found { object, place });
    };
    let list = (of_items.to_owned(), object["apiVersion"].clone());
    let Value::Array(items) = object["items"].take() else {
        return;
    };
    for mut item in items {
        named(&mut item, &list);
        let place = place.clone();
        spread(Found { object: item, place }, sink);
    }
}

/// The items of a `PodList` state neither kind nor version.
pub(super) fn named(item: &mut Value, (kind, version): &(String, Value)) {
    if let Value::Object(item) = item
        && !kind.is_empty()
    {
        item.entry("kind").or_insert_with(|| kind.as_str().into());
        item.entry("apiVersion").or_insert_with(|| version.clone());
    }
}
