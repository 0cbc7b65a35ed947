//! What is wrong with a document, in our words and with the place in the file.
//!
//! Belongs here: the words for each kind of error. Does not belong here: limits and options (`yaml`).

use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{Error, Location};

use super::complaint::{Complaint, What};
use super::{DEPTH_MAX, Document, NODES_MAX, Position, Source};
use crate::scenario::error::{InputError, candidates_hint};

/// Longest piece of the file that is quoted in a message \[characters\].
const QUOTE_MAX: usize = 60;

impl Source<'_> {
    /// The rest of the line at a position, for a message.
    fn quote(&self, position: Position) -> String {
        let skip = |n: u32| usize::try_from(n.saturating_sub(1)).unwrap_or(usize::MAX);
        let line = self.text.lines().nth(skip(position.line));
        let rest: String = line
            .unwrap_or("")
            .chars()
            .skip(skip(position.column))
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

    /// What the parser says of the text.
    pub(super) fn explain_parser(&self, error: &Error) -> InputError {
        let error = error.without_snippet();
        let position = Position::from(error.location().unwrap_or(Location::UNKNOWN));
        let inner = match error {
            Error::AliasError { error, .. } => error.without_snippet(),
            other => other,
        };
        let (message, hint) = match inner {
            Error::DuplicateMappingKey { key, .. } => {
                let quoted = self.quote(position);
                let key = key.as_deref().unwrap_or(&quoted);
                let hint = "remove one of the two";
                (format!("key `{}` occurs twice", short(key)), Some(hint.to_owned()))
            }
            Error::Eof { .. } => ("the document ends too early".to_owned(), None),
            Error::MultipleDocuments { .. } => (
                "a second document begins here".to_owned(),
                Some("one document is expected in this file".to_owned()),
            ),
            Error::Budget {
                breach: BudgetBreach::Depth { .. },
                ..
            } => too_deep(),
            Error::Budget { breach, .. } => (
                format!("the document is too large ({breach:?})"),
                Some(format!(
                    "at most {NODES_MAX} values, those that aliases repeat included"
                )),
            ),
            Error::AliasReplayLimitExceeded { .. }
            | Error::AliasExpansionLimitExceeded { .. }
            | Error::AliasReplayStackDepthExceeded { .. }
            | Error::AliasReplayCounterOverflow { .. } => (
                "aliases (`*name`) repeat too much".to_owned(),
                Some("write the values out".to_owned()),
            ),
            Error::RecursiveReferencesRequireWeakTypes { .. } => (
                "an alias (`*name`) within its own anchor".to_owned(),
                Some("the value would have no end; write it out".to_owned()),
            ),
            other => match short(&without_position(&other.to_string())) {
                message if message.contains("recursion limit") => too_deep(),
                message => (message, None),
            },
        };
        self.complain(position, message, hint)
    }

    fn complain(&self, position: Position, message: String, hint: Option<String>) -> InputError {
        let hint = match self.is_template(position) {
            true => Some(super::TEMPLATE_HINT.to_owned()),
            false => hint,
        };
        let error = match position.is_of_file() {
            true => self.place(position).error(message),
            false => InputError::of_change(position, message),
        };
        InputError { hint, ..error }
    }

    /// Whether the line of an error is part of a template that is not rendered yet, or a line before it is nothing
    /// else.
    fn is_template(&self, position: Position) -> bool {
        let last = usize::try_from(position.line).unwrap_or(usize::MAX).max(1);
        let mut lines = self.text.lines().take(last).enumerate();
        lines.any(|(index, line)| line.trim_start().starts_with("{{") || (index + 1 == last && line.contains("{{")))
    }
}

impl Document<'_> {
    /// What a type says of the document.
    pub(super) fn explain(&self, complaint: Complaint, not_modelled: &dyn Fn(&str) -> Option<String>) -> InputError {
        let position = complaint.at.unwrap_or(self.root.referenced);
        let quoted = match position.is_of_file() {
            true => self.source.quote(position),
            false => short(&complaint.found),
        };
        let unknown = matches!(complaint.what, What::UnknownKey(..));
        let (message, hint) = match complaint.what {
            What::UnknownKey(field, expected) => match not_modelled(&field) {
                Some(reason) => (format!("`{quoted}` is not modeled"), Some(reason)),
                None => (
                    format!("unknown key `{}`", short(&field)),
                    candidates_hint(&field, expected.iter().copied()),
                ),
            },
            What::UnknownVariant(variant, expected) => (
                format!("unknown value `{}`", short(&variant)),
                candidates_hint(&variant, expected.iter().copied()),
            ),
            What::MissingKey(field) => (format!("key `{field}` is missing"), None),
            What::Other(expected, found) => (format!("expected {expected}, found {}", short(&found)), None),
            What::Shape(expected) => (format!("expected {expected}, found `{quoted}`"), None),
            What::Scalar("boolean") => (
                format!("`{quoted}` is not a boolean"),
                Some("write true or false".to_owned()),
            ),
            What::Scalar(kind) => (format!("`{quoted}` is not a valid {kind}"), None),
            What::NullIntoString => ("expected a string, found nothing".to_owned(), None),
            What::EmptyItem => (
                "an entry of this list is empty".to_owned(),
                Some("remove it, or write `{}` if everything is meant".to_owned()),
            ),
            What::Quotes(value) => (
                format!(
                    "`{}` is read as a number or boolean where a string is expected",
                    short(&value)
                ),
                Some(format!("put it in quotes: \"{}\"", short(&value))),
            ),
            What::Message(message) => (short(&message), None),
        };
        let error = self.source.complain(position, message, hint);
        if unknown { error.not_evaluated() } else { error }
    }
}

fn too_deep() -> (String, Option<String>) {
    let hint = format!("at most {DEPTH_MAX} levels of maps and lists");
    ("the document is too deeply nested".to_owned(), Some(hint))
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

/// The beginning of a text that a hostile file may have made very long.
fn short(text: &str) -> String {
    const CHARACTERS_MAX: usize = 200;
    match text.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
