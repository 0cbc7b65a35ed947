//! Which fields Kubernetes knows: objects that carry pods are checked against the API reference.
//!
//! Belongs here: the table of fields and the walk through a document beside it. Does not belong here: what the few fields mean
//! that are evaluated (`pods`, `service`), and which of the others matter to a run (`effects`).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::effects;
use super::types::Remarks;
use crate::scenario::error::InputError;
use crate::scenario::yaml::{Document, Position, Spanned};

/// Most unknown fields of one object that are reported.
const FINDINGS_MAX: usize = 20;

/// What may stand under a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Value,
    Values,
    Map,
    Anything,
    Object(&'static str),
    Objects(&'static str),
}

type Types = BTreeMap<&'static str, BTreeMap<&'static str, Shape>>;

static TYPES: LazyLock<Types> = LazyLock::new(|| {
    let lines = include_str!("fields.txt").lines();
    let types = lines.filter_map(|line| line.split_once(" = "));
    types
        .map(|(name, fields)| (name, fields.split_whitespace().map(field).collect()))
        .collect()
});

fn field(text: &'static str) -> (&'static str, Shape) {
    let Some((name, shape)) = text.split_once(':') else {
        return (text, Shape::Value);
    };
    let inner = shape.strip_prefix('[').and_then(|s| s.strip_suffix(']'));
    let shape = match (shape, inner) {
        ("*", _) => Shape::Anything,
        ("{}", _) => Shape::Map,
        (_, Some("")) => Shape::Values,
        (_, Some(inner)) => Shape::Objects(inner),
        (object, None) => Shape::Object(object),
    };
    (name, shape)
}

/// The errors about unknown fields of an object of this type, in the order of the text, and what is remarked about known
/// ones; a wrong structure is an error at once.
pub(super) fn looked_at(document: &Document<'_>, kind: &'static str) -> Result<(Vec<InputError>, Remarks), InputError> {
    let found = RefCell::new(Vec::new());
    document.lenient().walk(Walk {
        shape: Shape::Object(kind),
        found: &found,
    })?;
    let (mut unknown, mut remarks) = (Vec::new(), Remarks::default());
    for Found { at, name, of, written } in found.into_inner() {
        let place = document.place_of(at);
        match written {
            Some(written) => effects::remark(&mut remarks, place, of, &name, &written),
            None => {
                let known = TYPES.get(of).into_iter().flat_map(BTreeMap::keys).copied();
                let shown: String = name.chars().take(200).collect();
                let error = place.error(format!("unknown key `{shown}`"));
                unknown.push(error.with_candidates(&name, known).not_evaluated());
            }
        }
    }
    Ok((unknown, remarks))
}

/// A field that is unknown, or that matters to a run: where, its name, the type that it is in, and its value if it is known.
struct Found {
    at: Position,
    name: String,
    of: &'static str,
    written: Option<Written>,
}

/// A value, as far as it decides whether a field is written at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Written {
    /// Null, `false`, 0, or empty.
    Nothing,
    /// Another scalar.
    Scalar(String),
    /// A list or a map with something in it.
    More,
}

#[derive(Clone, Copy)]
struct Walk<'w> {
    shape: Shape,
    found: &'w RefCell<Vec<Found>>,
}

impl Walk<'_> {
    fn unknown(&self) -> usize {
        self.found.borrow().iter().filter(|f| f.written.is_none()).count()
    }

    fn scalar<E: de::Error>(self, text: &str) -> Result<Written, E> {
        // An empty value may stand for an empty map or list.
        match self.shape {
            _ if text.is_empty() => Ok(Written::Nothing),
            Shape::Value => Ok(Written::Scalar(text.to_owned())),
            _ => Err(E::invalid_type(de::Unexpected::Str("text"), &self)),
        }
    }

    fn number<E: de::Error>(self, number: impl fmt::Display) -> Result<Written, E> {
        match self.scalar(&number.to_string())? {
            Written::Scalar(text) if text == "0" => Ok(Written::Nothing),
            written => Ok(written),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = Written;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Written, D::Error> {
        match self.shape {
            Shape::Anything => deserializer.deserialize_ignored_any(IgnoredAny).map(|_| Written::More),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.shape {
            Shape::Value | Shape::Anything => "one value",
            Shape::Values | Shape::Objects(_) => "a list",
            Shape::Map | Shape::Object(_) => "a map (`key: value`)",
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Written, A::Error> {
        let mut written = Written::Nothing;
        let kind = match self.shape {
            Shape::Object(kind) => kind,
            Shape::Map => {
                while map.next_key::<IgnoredAny>()?.is_some() {
                    written = Written::More;
                    map.next_value_seed(Self {
                        shape: Shape::Value,
                        ..self
                    })?;
                }
                return Ok(written);
            }
            _ => return Err(de::Error::invalid_type(de::Unexpected::Map, &self)),
        };
        let fields = TYPES.get(kind);
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            written = Written::More;
            let shape = fields.and_then(|fields| fields.get(key.value.as_str()).copied());
            let value = map.next_value_seed(Self {
                shape: shape.unwrap_or(Shape::Anything),
                ..self
            })?;
            let found = Found {
                at: key.referenced,
                of: kind,
                written: shape.map(|_| value),
                name: key.value,
            };
            let counts = match &found.written {
                Some(written) => effects::matters(kind, &found.name, written),
                None => self.unknown() < FINDINGS_MAX,
            };
            if counts {
                self.found.borrow_mut().push(found);
            }
        }
        Ok(written)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Written, A::Error> {
        let shape = match self.shape {
            Shape::Values => Shape::Value,
            Shape::Objects(kind) => Shape::Object(kind),
            _ => return Err(de::Error::invalid_type(de::Unexpected::Seq, &self)),
        };
        let mut written = Written::Nothing;
        while list.next_element_seed(Self { shape, ..self })?.is_some() {
            written = Written::More;
        }
        Ok(written)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Written, E> {
        self.scalar(text)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Written, E> {
        match self.scalar(if value { "true" } else { "false" })? {
            Written::Scalar(_) if !value => Ok(Written::Nothing),
            written => Ok(written),
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Written, E> {
        self.number(number)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Written, E> {
        self.number(number)
    }

    fn visit_i128<E: de::Error>(self, number: i128) -> Result<Written, E> {
        self.number(number)
    }

    fn visit_u128<E: de::Error>(self, number: u128) -> Result<Written, E> {
        self.number(number)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Written, E> {
        self.number(number)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Written, E> {
        Ok(Written::Nothing)
    }

    fn visit_none<E: de::Error>(self) -> Result<Written, E> {
        Ok(Written::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Written, D::Error> {
        self.deserialize(deserializer)
    }
}

/// The fields of a type, each with the type of what is under it if that is an object.
#[cfg(test)]
pub(super) fn fields_of(kind: &str) -> Option<Vec<(&'static str, Option<&'static str>)>> {
    let inner = |shape: &Shape| match shape {
        Shape::Object(inner) | Shape::Objects(inner) => Some(*inner),
        _ => None,
    };
    let fields = TYPES.get(kind)?;
    Some(fields.iter().map(|(name, shape)| (*name, inner(shape))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_that_a_field_names_is_in_the_table() {
        assert!(TYPES.len() > 100);
        for (name, fields) in TYPES.iter() {
            for (field, shape) in fields {
                if let Shape::Object(inner) | Shape::Objects(inner) = shape {
                    assert!(TYPES.contains_key(inner), "{name}.{field}: {inner}");
                }
            }
        }
    }

    #[test]
    fn every_kind_that_is_checked_is_in_the_table() {
        for kind in [
            "Pod",
            "Deployment",
            "StatefulSet",
            "DaemonSet",
            "ReplicaSet",
            "ReplicationController",
        ] {
            assert!(TYPES.contains_key(kind), "{kind}");
        }
        for kind in ["Job", "CronJob", "Service", "ServiceAccount", "Namespace"] {
            assert!(TYPES.contains_key(kind), "{kind}");
        }
    }
}
