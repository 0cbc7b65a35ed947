//! A document as a tree of values with their places.
//!
//! Belongs here: the tree and how the YAML crate builds it; aliases and merge keys are resolved and duplicate keys refused
//! on the way. Does not belong here: what a value means to a type (`read`).

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Location;

use super::Position;

/// A value with its two places: where it is used and, of an alias, where it is written.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub referenced: Position,
    pub defined: Position,
    pub value: Value<'a>,
}

#[derive(Debug)]
pub(super) enum Value<'a> {
    Null,
    Text(Cow<'a, str>),
    /// A scalar that is read as something else than text, and the bytes of the document it is written in.
    Plain(Plain, (usize, usize)),
    List(Vec<Node<'a>>),
    Map(Vec<(Node<'a>, Node<'a>)>),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Plain {
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

impl<'a> Node<'a> {
    /// A scalar as it is written; none for a list, a map and nothing.
    pub fn scalar<'n>(&'n self, text: &'n str) -> Option<&'n str> {
        match &self.value {
            Value::Text(own) => Some(own),
            Value::Plain(_, (start, end)) => text.get(*start..*end),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The value under a key of a map.
    pub fn get(&self, text: &str, key: &str) -> Option<&Node<'a>> {
        let Value::Map(pairs) = &self.value else { return None };
        let found = pairs.iter().find(|(name, _)| name.scalar(text) == Some(key));
        found.map(|(_, value)| value)
    }

    /// Lets a function look at every scalar, keys included, and at where lists and maps begin and end.
    pub fn visit(&self, text: &str, look: &mut dyn FnMut(Visit<'_>)) {
        match &self.value {
            Value::Null => look(Visit::Mark('~')),
            Value::Text(own) => look(Visit::Scalar(own)),
            Value::Plain(..) => look(Visit::Scalar(self.scalar(text).unwrap_or_default())),
            Value::List(items) => {
                look(Visit::Mark('['));
                items.iter().for_each(|item| item.visit(text, look));
                look(Visit::Mark(']'));
            }
            Value::Map(pairs) => {
                look(Visit::Mark('{'));
                for (key, value) in pairs {
                    key.visit(text, look);
                    value.visit(text, look);
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

fn bytes(location: Location) -> (usize, usize) {
    let number = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let start = number(location.span().byte_offset());
    (start, start + number(location.span().byte_len()))
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
