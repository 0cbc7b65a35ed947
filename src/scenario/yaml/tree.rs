//! A document as a tree of values with their places.
//!
//! Belongs here: the tree and how the YAML crate builds it; aliases and merge keys are resolved and duplicate keys refused
//! on the way. Does not belong here: what a value means to a type (`read`).

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Location;

use super::{Position, small};

/// A value with its two places: where it is used and, of an alias, where it is written.
#[derive(Debug, Clone)]
pub struct Node<'a> {
    pub(in crate::scenario) referenced: Position,
    pub(super) defined: Position,
    pub(in crate::scenario) value: Value<'a>,
}

#[derive(Debug, Clone)]
pub enum Value<'a> {
    Null,
    Text(Cow<'a, str>),
    /// A scalar that is read as something else than text, and how it is written.
    Plain(Plain, Written<'a>),
    List(Vec<Node<'a>>),
    Map(Vec<(Node<'a>, Node<'a>)>),
}

/// How a scalar is written: its bytes in the document, or its text as soon as the document is at hand.
#[derive(Debug, Clone, Copy)]
pub enum Written<'a> {
    Bytes(u32, u32),
    Text(&'a str),
}

#[derive(Debug, Clone, Copy)]
pub enum Plain {
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

impl<'a> Node<'a> {
    /// A value at one place.
    pub(in crate::scenario) const fn new(value: Value<'a>, at: Position) -> Self {
        Self {
            referenced: at,
            defined: at,
            value,
        }
    }

    /// A scalar as it is written; none for a list, a map and nothing.
    pub(in crate::scenario) fn scalar(&self) -> Option<&str> {
        match &self.value {
            Value::Text(own) => Some(own),
            Value::Plain(_, Written::Text(text)) => Some(text),
            Value::Plain(..) | Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The entries of a map; none of anything else.
    pub(in crate::scenario) fn pairs(&self) -> &[(Self, Self)] {
        match &self.value {
            Value::Map(pairs) => pairs,
            _ => &[],
        }
    }

    /// The value under a key of a map.
    pub(in crate::scenario) fn get(&self, key: &str) -> Option<&Self> {
        let found = self.pairs().iter().find(|(name, _)| name.scalar() == Some(key));
        found.map(|(_, value)| value)
    }

    /// In a few characters, for a message.
    pub(super) fn sketch(&self) -> String {
        let inside = if let Value::List(_) = self.value {
            "[…]"
        } else {
            "{…}"
        };
        self.scalar().unwrap_or(inside).to_owned()
    }

    /// Takes the texts of scalars from the document that the tree was read from.
    pub(super) fn quote_from(&mut self, text: &'a str) {
        match &mut self.value {
            Value::Plain(_, written) => {
                if let Written::Bytes(start, end) = *written {
                    let bytes = usize::try_from(start).ok().zip(usize::try_from(end).ok());
                    let quoted = bytes.and_then(|(start, end)| text.get(start..end));
                    *written = Written::Text(quoted.unwrap_or_default());
                }
            }
            Value::List(items) => items.iter_mut().for_each(|item| item.quote_from(text)),
            Value::Map(pairs) => {
                for (key, value) in pairs {
                    key.quote_from(text);
                    value.quote_from(text);
                }
            }
            Value::Null | Value::Text(_) => {}
        }
    }

    /// The same values at one place, apart from their document; scalars are texts as they were written.
    pub(in crate::scenario) fn moved(&self, to: Position) -> Node<'static> {
        let value = match &self.value {
            Value::Null => Value::Null,
            Value::Text(_) | Value::Plain(..) => Value::Text(Cow::Owned(self.scalar().unwrap_or_default().to_owned())),
            Value::List(items) => Value::List(items.iter().map(|item| item.moved(to)).collect()),
            Value::Map(pairs) => Value::Map(pairs.iter().map(|(k, v)| (k.moved(to), v.moved(to))).collect()),
        };
        Node::new(value, to)
    }

    /// Lets a function look at every scalar, keys included, and at where lists and maps begin and end.
    pub(super) fn visit(&self, look: &mut dyn FnMut(Visit<'_>)) {
        match &self.value {
            Value::Null => look(Visit::Mark('~')),
            Value::Text(own) => look(Visit::Scalar(own)),
            Value::Plain(..) => look(Visit::Scalar(self.scalar().unwrap_or_default())),
            Value::List(items) => {
                look(Visit::Mark('['));
                items.iter().for_each(|item| item.visit(look));
                look(Visit::Mark(']'));
            }
            Value::Map(pairs) => {
                look(Visit::Mark('{'));
                for (key, value) in pairs {
                    key.visit(look);
                    value.visit(look);
                }
                look(Visit::Mark('}'));
            }
        }
    }
}

/// What [`Node::visit`] passes.
pub(super) enum Visit<'v> {
    Scalar(&'v str),
    Mark(char),
}

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = serde_saphyr::Spanned::<Raw<'de>>::deserialize(deserializer)?;
        let value = match found.value {
            Raw::Plain(plain) => Value::Plain(plain, bytes(found.defined)),
            Raw::Value(value) => value,
        };
        Ok(Self {
            referenced: found.referenced.into(),
            defined: found.defined.into(),
            value,
        })
    }
}

fn bytes<'a>(location: Location) -> Written<'a> {
    let start = small(location.span().byte_offset().unwrap_or(0));
    Written::Bytes(
        start,
        start.saturating_add(small(location.span().byte_len().unwrap_or(0))),
    )
}

/// A value before its place is known.
enum Raw<'a> {
    Plain(Plain),
    Value(Value<'a>),
}

impl<'de> Deserialize<'de> for Raw<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Build)
    }
}

struct Build;

impl<'de> Visitor<'de> for Build {
    type Value = Raw<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw<'de>, E> {
        Ok(Raw::Value(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw<'de>, E> {
        Ok(Raw::Plain(Plain::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw<'de>, E> {
        Ok(Raw::Plain(Plain::Signed(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw<'de>, E> {
        Ok(Raw::Plain(Plain::Unsigned(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw<'de>, E> {
        Ok(Raw::Plain(Plain::Float(value)))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Raw<'de>, E> {
        Ok(Raw::Value(Value::Text(Cow::Borrowed(value))))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Raw<'de>, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E>(self, value: String) -> Result<Raw<'de>, E> {
        Ok(Raw::Value(Value::Text(Cow::Owned(value))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Raw<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Raw::Value(Value::List(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw<'de>, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Raw::Value(Value::Map(pairs)))
    }
}
