//! A dump in JSON, object by object.
//!
//! Belongs here: the items of a list as they come, without what is never looked at. Does not belong here: YAML (`stream`).

use std::io::BufRead;
use std::path::Path;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::prune::is_dropped;
use super::stream::{Found, named, place, spread};
use crate::scenario::error::InputError;

/// Hands each object of a text in JSON to `sink`.
///
/// # Errors
/// If it is no JSON, with the place.
pub(super) fn read(file: &Path, from: impl BufRead, sink: &mut dyn FnMut(Found)) -> Result<(), InputError> {
    let mut from = serde_json::Deserializer::from_reader(from);
    loop {
        let top = Top { file, sink: &mut *sink };
        let read = top.deserialize(&mut from);
        read.map_err(|error| {
            let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).max(1);
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default().to_owned();
            let at = place(file, small(error.line()), small(error.column()));
            at.error(format!("no valid JSON: {message}"))
                .with_hint("the dump is what `kubectl get … -o json` prints, unchanged")
        })?;
        if from.end().is_ok() {
            return Ok(());
        }
    }
}

/// A document of JSON: an object, or a list whose items are handed on one by one.
struct Top<'s> {
    file: &'s Path,
    sink: &'s mut dyn FnMut(Found),
}

impl<'de> DeserializeSeed<'de> for Top<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a Kubernetes object or a list of them")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut object, mut nameless) = (Map::new(), Vec::new());
        while let Some(key) = map.next_key::<String>()? {
            if key == "items" {
                map.next_value_seed(Items {
                    top: Top {
                        file: self.file,
                        sink: &mut *self.sink,
                    },
                    list: list_of(&object),
                    nameless: &mut nameless,
                })?;
                object.insert(key, Value::Null);
            } else {
                object.insert(key.clone(), map.next_value_seed(Pruned { drop: is_dropped(&key) })?);
            }
        }
        let place = place(self.file, 1, 1);
        if !object.contains_key("items") {
            let object = Value::Object(object);
            (self.sink)(Found { object, place });
            return Ok(());
        }
        // The kind of the list may follow its items.
        let list = list_of(&object);
        for mut object in nameless {
            named(&mut object, &list);
            let place = place.clone();
            spread(Found { object, place }, self.sink);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        let mut nameless = Vec::new();
        let top = Top {
            file: self.file,
            sink: &mut *self.sink,
        };
        Items {
            top,
            list: (String::new(), Value::Null),
            nameless: &mut nameless,
        }
        .visit_seq(seq)?;
        let place = place(self.file, 1, 1);
        for object in nameless {
            let place = place.clone();
            (self.sink)(Found { object, place });
        }
        Ok(())
    }
}

/// The kind of the items of a list, which is empty if it is not known, and its version.
fn list_of(object: &Map<String, Value>) -> (String, Value) {
    let kind = object.get("kind").and_then(Value::as_str);
    let kind = kind.and_then(|kind| kind.strip_suffix("List")).unwrap_or_default();
    (kind.to_owned(), object.get("apiVersion").cloned().unwrap_or_default())
}

struct Items<'s> {
    top: Top<'s>,
    list: (String, Value),
    /// Items without a kind in a list whose kind is not known yet.
    nameless: &'s mut Vec<Value>,
}

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of Kubernetes objects")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(mut object) = seq.next_element_seed(Pruned { drop: false })? {
            if !object.is_object() {
                return Err(A::Error::custom("an item of the list is no object"));
            }
            named(&mut object, &self.list);
            if object.get("kind").is_none() {
                self.nameless.push(object);
                continue;
            }
            let place = place(self.top.file, 1, 1);
            spread(Found { object, place }, self.top.sink);
        }
        Ok(())
    }
}

/// A value without what is never looked at.
#[derive(Clone, Copy)]
struct Pruned {
    /// Whether it is under such a key: a map or a list is passed over, a scalar is the value of a label of that name.
    drop: bool,
}

impl<'de> DeserializeSeed<'de> for Pruned {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Pruned {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        if self.drop {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
        } else {
            while let Some(value) = seq.next_element_seed(Self { drop: false })? {
                list.push(value);
            }
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        if self.drop {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        } else {
            while let Some(key) = map.next_key::<String>()? {
                // Some variables of Istiod are parameters.
                let drop = is_dropped(&key) && key != "env";
                let value = map.next_value_seed(Self { drop })?;
                object.insert(key, value);
            }
        }
        Ok(Value::Object(object))
    }
}
