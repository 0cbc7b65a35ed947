//! What the parser says, in our words and with the place in the file.
//!
//! Belongs here: the translation of each kind of parser error. Does not belong here: limits and options (`yaml`).

use serde_saphyr::{Error, Location};

use super::{DEPTH_MAX, Document, NODES_MAX, small};
use crate::scenario::error::{InputError, candidates_hint};

/// Longest piece of the file that is quoted in a message [characters].
const QUOTE_MAX: usize = 60;

impl Document<'_> {
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

    pub(super) fn explain(&self, error: &Error, not_modelled: &dyn Fn(&str) -> Option<String>) -> InputError {
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
                    format!("unknown key `{}`", short(field)),
                    candidates_hint(field, expected.iter().copied()),
                ),
            },
            Error::SerdeUnknownVariant { variant, expected, .. } => (
                format!("unknown value `{}`", short(variant)),
                candidates_hint(variant, expected.iter().copied()),
            ),
            Error::SerdeMissingField { field, .. } => (format!("key `{field}` is missing"), None),
            Error::DuplicateMappingKey { key, .. } => {
                let key = key.as_deref().unwrap_or(&quoted);
                let hint = "remove one of the two; nothing says which one counts";
                (format!("key `{}` occurs twice", short(key)), Some(hint.to_owned()))
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
                format!(
                    "`{}` is read as a number or boolean where a string is expected",
                    short(value)
                ),
                Some(format!("put it in quotes: \"{}\"", short(value))),
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
            other => (short(&without_position(&other.to_string())), None),
        };
        let hint = match self.is_template(location) {
            true => Some("the text has `{{ … }}`: render the chart first, e.g. with `helm template`".to_owned()),
            false => hint,
        };
        let unknown = matches!(inner, Error::SerdeUnknownField { .. });
        let error = InputError {
            hint,
            ..place.error(message)
        };
        if unknown { error.not_evaluated() } else { error }
    }

    /// Whether the line of an error is part of a template that is not rendered yet, or a line before it is nothing
    /// else.
    fn is_template(&self, location: Location) -> bool {
        let last = usize::try_from(location.line()).unwrap_or(usize::MAX).max(1);
        let mut lines = self.text.lines().take(last).enumerate();
        lines.any(|(index, line)| line.trim_start().starts_with("{{") || (index + 1 == last && line.contains("{{")))
    }
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

/// Whether the parser asks for quotes around `y` or `n`.
pub(super) fn is_single_letter(error: &Error) -> bool {
    let mut inner = error.without_snippet();
    if let Error::AliasError { error, .. } = inner {
        inner = error.without_snippet();
    }
    matches!(inner, Error::QuotingRequired { value, .. } if ["y", "Y", "n", "N"].contains(&value.as_str()))
}

/// The beginning of a text that a hostile file may have made very long.
fn short(text: &str) -> String {
    const CHARACTERS_MAX: usize = 200;
    match text.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
