//! What is wrong with a value of a document, before it is put into words.
//!
//! Belongs here: the error of reading the tree. Does not belong here: its words (`explain`).

use std::fmt;

use serde::de;

use super::Position;
use super::tree::Node;

/// Something that a type does not take, and where.
#[derive(Debug)]
pub(super) struct Complaint {
    pub what: What,
    pub at: Option<Position>,
    /// What is there, for a value that is not part of the document.
    pub found: String,
}

#[derive(Debug)]
pub(super) enum What {
    UnknownKey(String, &'static [&'static str]),
    UnknownVariant(String, &'static [&'static str]),
    MissingKey(&'static str),
    /// What was expected and what was found.
    Other(String, String),
    /// A list or map where something else is expected, or the other way round.
    Shape(&'static str),
    /// A scalar that is not of this kind.
    Scalar(&'static str),
    NullIntoString,
    EmptyItem,
    /// A number or boolean where a string is expected.
    Quotes(String),
    Message(String),
}

impl Complaint {
    /// The same, at this place unless it has one.
    pub fn or_at(mut self, node: &Node<'_>) -> Self {
        self.at.get_or_insert(node.referenced);
        self
    }

    fn of(what: What) -> Self {
        Self {
            what,
            at: None,
            found: String::new(),
        }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.what)
    }
}

impl std::error::Error for Complaint {}

impl de::Error for Complaint {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::of(What::Message(message.to_string()))
    }

    fn invalid_type(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::of(What::Other(expected.to_string(), unexpected.to_string()))
    }

    fn invalid_value(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::of(What::UnknownVariant(variant.to_owned(), expected))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::of(What::UnknownKey(field.to_owned(), expected))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::of(What::MissingKey(field))
    }
}
