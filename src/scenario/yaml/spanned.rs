//! Values that remember where they were written.
//!
//! Belongs here: the place of a value in its document. Does not belong here: the place in the file (`Document::place`).

use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Location;

use super::read::SPANNED;
use super::{count, small};

/// The position of a value in its document, or in a change from the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, counted from 1; 0 where nothing is known.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
}

impl Position {
    /// Of a value that is written in no file.
    pub const UNKNOWN: Self = Self { line: 0, column: 0 };

    /// Of a value in the change from the command line of this number.
    pub fn of_change(number: usize) -> Self {
        let column = count(number).saturating_add(1);
        Self { line: 0, column }
    }

    /// Whether the value is written in a file.
    pub const fn is_of_file(self) -> bool {
        self.line > 0
    }
}

impl From<Location> for Position {
    fn from(location: Location) -> Self {
        Self {
            line: small(location.line()),
            column: small(location.column()),
        }
    }
}

/// A value that remembers where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it is used: of an alias, the place of the alias.
    pub referenced: Position,
    /// Where it is written: of an alias, the place of the anchor.
    pub defined: Position,
}

impl<T> Spanned<T> {
    /// A value with its two places.
    pub const fn new(value: T, referenced: Position, defined: Position) -> Self {
        Self {
            value,
            referenced,
            defined,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PlacedVisitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for PlacedVisitor<T> {
            type Value = Spanned<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value with its place")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Spanned<T>, A::Error> {
                let value = parts.next_element()?.ok_or_else(|| de::Error::missing_field("value"))?;
                let mut number = || parts.next_element().map(Option::unwrap_or_default);
                let mut position = || {
                    Ok(Position {
                        line: number()?,
                        column: number()?,
                    })
                };
                Ok(Spanned::new(value, position()?, position()?))
            }
        }
        deserializer.deserialize_newtype_struct(SPANNED, PlacedVisitor(std::marker::PhantomData))
    }
}
