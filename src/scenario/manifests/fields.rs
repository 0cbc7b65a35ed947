//! Which fields Kubernetes knows: objects that carry pods are checked against the API reference.
//!
//! Belongs here: the table of fields and the walk through a document beside it. Does not belong here: what the few fields mean
//! that are evaluated (`pods`, `service`).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

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

/// The errors about unknown fields of an object of this type, in the order of the text; a wrong structure is an error at
/// once.
pub(super) fn unknown_fields(document: &Document<'_>, kind: &'static str) -> Result<Vec<InputError>, InputError> {
    let found = RefCell::new(Vec::new());
    document.lenient().walk(Walk {
        shape: Shape::Object(kind),
        found: &found,
    })?;
    let found = found.into_inner().into_iter();
    Ok(found
        .map(|(position, name, kind)| {
            let known = TYPES.get(kind).into_iter().flat_map(BTreeMap::keys).copied();
            let shown: String = name.chars().take(200).collect();
            let error = document.place_of(position).error(format!("unknown key `{shown}`"));
            error.with_candidates(&name, known).not_evaluated()
        })
        .collect())
}

/// Unknown fields: where, their name and the type that lacks them.
type Found = RefCell<Vec<(Position, String, &'static str)>>;

#[derive(Clone, Copy)]
struct Walk<'w> {
    shape: Shape,
    found: &'w Found,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.shape {
            Shape::Anything => deserializer.deserialize_ignored_any(IgnoredAny).map(|_| ()),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.shape {
            Shape::Value | Shape::Anything => "one value",
            Shape::Values | Shape::Objects(_) => "a list",
            Shape::Map | Shape::Object(_) => "a map (`key: value`)",
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let kind = match self.shape {
            Shape::Object(kind) => kind,
            Shape::Map => {
                while map.next_key::<IgnoredAny>()?.is_some() {
                    map.next_value_seed(Self {
                        shape: Shape::Value,
                        ..self
                    })?;
                }
                return Ok(());
            }
            _ => return Err(de::Error::invalid_type(de::Unexpected::Map, &self)),
        };
        let fields = TYPES.get(kind);
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let shape = fields.and_then(|fields| fields.get(key.value.as_str()).copied());
            if shape.is_none() && self.found.borrow().len() < FINDINGS_MAX {
                self.found.borrow_mut().push((key.referenced, key.value, kind));
            }
            let shape = shape.unwrap_or(Shape::Anything);
            map.next_value_seed(Self { shape, ..self })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let shape = match self.shape {
            Shape::Values => Shape::Value,
            Shape::Objects(kind) => Shape::Object(kind),
            _ => return Err(de::Error::invalid_type(de::Unexpected::Seq, &self)),
        };
        while list.next_element_seed(Self { shape, ..self })?.is_some() {}
        Ok(())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        // An empty value may stand for an empty map or list.
        match self.shape {
            Shape::Value => Ok(()),
            _ if text.is_empty() => Ok(()),
            _ => Err(E::invalid_type(de::Unexpected::Str("text"), &self)),
        }
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        self.visit_str("true")
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        self.visit_str("number")
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        self.visit_str("number")
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<(), E> {
        self.visit_str("number")
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<(), E> {
        self.visit_str("number")
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        self.visit_str("number")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize(deserializer)
    }
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
