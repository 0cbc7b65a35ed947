//! The items of a list of objects (`kind: List`), each as a document of its own.
//!
//! Belongs here: where each item begins and ends in the text. Does not belong here: what the items are.
//! Each item is read from its own piece of the text, so that reading stays linear and places stay those of the file;
//! an alias therefore reaches only anchors of its own item.

use serde::Deserialize;
use serde_saphyr::Location;

use super::{Anything, Document, Spanned, small};
use crate::scenario::error::InputError;

/// Widest indentation of an item in block style \[columns\].
const INDENT_MAX: usize = 1_000;

/// The text of one item and where it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    text: String,
    lines_before: u32,
    columns_before: u32,
}

impl Item {
    /// The item as a document of the list's file.
    pub fn document<'i>(&'i self, list: &Document<'i>) -> Document<'i> {
        Document {
            text: &self.text,
            lines_before: self.lines_before,
            columns_before: self.columns_before,
            ..*list
        }
    }
}

#[derive(Deserialize)]
struct Items {
    items: Option<Vec<Spanned<Anything>>>,
}

impl Document<'_> {
    /// The entries of `items`; none where the key is missing or empty.
    pub fn items(&self) -> Result<Vec<Item>, InputError> {
        let list: Items = self.lenient().parse()?;
        let starts: Vec<Location> = list.items.unwrap_or_default().iter().map(|i| i.referenced).collect();
        let lines = line_starts(self.text);
        let mut items = Vec::with_capacity(starts.len());
        for (index, start) in starts.iter().enumerate() {
            let item = self.item(&lines, *start, starts.get(index + 1).copied());
            items.push(item.ok_or_else(|| {
                let error = self.place_of(*start).error("this item of the list is no object");
                error.with_hint("write the objects as separate documents, divided by `---`")
            })?);
        }
        Ok(items)
    }

    fn item(&self, lines: &[usize], start: Location, next: Option<Location>) -> Option<Item> {
        let line = usize::try_from(start.line()).ok()?.checked_sub(1)?;
        let column = usize::try_from(start.column()).ok()?.checked_sub(1)?;
        let line_start = *lines.get(line)?;
        let begin = match start.span().byte_offset() {
            Some(offset) => usize::try_from(offset).ok()?,
            None => line_start + self.text.get(line_start..)?.char_indices().nth(column)?.0,
        };
        let rest = self.text.get(begin..)?;
        let place = self.place_of(start);
        if rest.starts_with('{') {
            let end = flow_end(rest)?;
            return Some(Item {
                text: rest[..end].to_owned(),
                lines_before: place.line - 1,
                columns_before: place.column - 1,
            });
        }
        if column > INDENT_MAX || rest.starts_with('[') {
            return None;
        }
        let limit = match next {
            Some(next) => *lines.get(usize::try_from(next.line()).ok()?.checked_sub(1)?)?,
            None => self.text.len(),
        };
        let end = block_end(self.text, begin, limit.max(begin), column);
        Some(Item {
            text: format!("{}{}", " ".repeat(column), &self.text[begin..end]),
            lines_before: place.line - 1,
            columns_before: self.first_line(start),
        })
    }

    /// The columns in front of the text of this document, if the position is on its first line.
    fn first_line(&self, location: Location) -> u32 {
        if small(location.line()) == 1 {
            self.columns_before
        } else {
            0
        }
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    let after = text.match_indices('\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(after).collect()
}

/// Where a block mapping at this column ends: at the first line that is indented less.
fn block_end(text: &str, begin: usize, limit: usize, column: usize) -> usize {
    let mut at = begin;
    for (index, line) in text[begin..limit].split_inclusive('\n').enumerate() {
        let content = line.trim_start_matches(' ');
        let indent = line.len() - content.len();
        let says_something = !content.trim().is_empty() && !content.starts_with('#');
        if index > 0 && says_something && indent < column {
            return at;
        }
        at += line.len();
    }
    at
}

/// Where the flow mapping that the text begins with ends: behind the bracket that closes it.
fn flow_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_u32, 0);
    // Whether a quote here would open a string: not within a plain scalar such as `it's`.
    let mut fresh = true;
    while at < bytes.len() {
        let byte = bytes[at];
        match byte {
            b'"' if fresh => at += string_end(&bytes[at..], true)?,
            b'\'' if fresh => at += string_end(&bytes[at..], false)?,
            b'#' if at > 0 && bytes[at - 1].is_ascii_whitespace() => {
                at += bytes[at..]
                    .iter()
                    .position(|b| *b == b'\n')
                    .unwrap_or(bytes.len() - at - 1);
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        fresh = matches!(byte, b'{' | b'[' | b',' | b':') || (fresh && byte.is_ascii_whitespace());
        at += 1;
    }
    None
}

/// Distance from an opening quote to the one that closes it.
fn string_end(bytes: &[u8], escapes: bool) -> Option<usize> {
    let quote = bytes[0];
    let mut at = 1;
    while at < bytes.len() {
        if escapes && bytes[at] == b'\\' {
            at += 1;
        } else if bytes[at] == quote {
            if escapes || bytes.get(at + 1) != Some(&quote) {
                return Some(at);
            }
            at += 1;
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Strings, documents};
    use super::*;

    fn items(text: &str) -> Vec<(String, String)> {
        let documents = documents(Path::new("a.yaml"), text, Strings::Lenient).expect("split");
        let list = &documents[0];
        let items = list.items().expect("items");
        let value = |item: &Item| {
            let document = item.document(list);
            let parsed: std::collections::BTreeMap<String, Spanned<serde_json::Value>> =
                document.parse().expect("an object");
            let place = document.place(&parsed["a"]);
            (
                parsed["a"].value.to_string(),
                format!("{}:{}", place.line, place.column),
            )
        };
        items.iter().map(value).collect()
    }

    fn pair(value: &str, place: &str) -> (String, String) {
        (value.to_owned(), place.to_owned())
    }

    #[test]
    fn block_items_end_where_the_next_begins_or_the_list_ends() {
        let text = "kind: List\nitems:\n- a: 1\n  b:\n  - x\n\n# word\n- b: |\n    text\n  a: 2\nmetadata: {}\n";
        assert_eq!(items(text), [pair("1", "3:6"), pair("2", "10:6")]);
        let text = "---\nitems:\n  -\n    a: 1\n  - a: 2\n    c:\n    - 1\nkind: List\n";
        assert_eq!(items(text), [pair("1", "4:8"), pair("2", "5:8")]);
    }

    #[test]
    fn flow_items_end_at_their_bracket() {
        let text = "{\"items\": [{\"a\": \"}\\\"\", \"b\": [{}]}, {\"a\": 2}], \"kind\": \"List\"}\n";
        assert_eq!(items(text), [pair("\"}\\\"\"", "1:18"), pair("2", "1:43")]);
        let text = "items:\n- {a: it's, b: '}'}\n- {a: 2, # }\n   c: 'it''s'}\n";
        assert_eq!(items(text), [pair("\"it's\"", "2:7"), pair("2", "3:7")]);
    }

    #[test]
    fn a_list_may_be_empty_and_its_items_must_be_objects() {
        assert!(items("kind: List\nitems: []\n").is_empty());
        assert!(items("kind: List\n").is_empty());
        let documents = documents(Path::new("a.yaml"), "items: [[1]]\n", Strings::Lenient).expect("split");
        assert_eq!(documents[0].items().expect_err("refused").column, Some(9));
    }
}
