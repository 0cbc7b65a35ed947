//! How faults are written: their keys, read by the forms of the kinds of faults (`cluster/faults`), and their JSON Schema.
//!
//! Does not belong here: what the values mean (`faults`).

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value, json};

use super::json_schema::{OrOption, PositiveSpan, RIVALS, Scalar, Span, Whole, option};
use super::schema::Text;
use crate::cluster::faults::form::{Form, Key, Role, Takes};
use crate::cluster::faults::{KINDS, KindForm};

/// When a fault starts by itself, and what that key means.
const AT: (&str, &str) = (
    "at",
    "Starts by itself at this time of the run; without it a step starts it.",
);
/// When a fault ends by itself, and what that key means.
const FOR: (&str, &str) = ("for", "Ends by itself after this span.");

/// The keys of a fault.
static KEYS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let kinds = KINDS.iter().map(|kind| kind.form.name);
    kinds.chain([AT.0, FOR.0]).collect()
});
/// The keys of each kind of fault, in the order of the kinds.
static KEYS_OF_KINDS: LazyLock<Vec<Vec<&'static str>>> = LazyLock::new(|| {
    let keys = |kind: &KindForm| kind.form.keys().map(|key| key.name).collect();
    KINDS.iter().map(keys).collect()
});

/// A fault, or what differs in it.
#[derive(Clone, Debug, Default)]
pub struct Fault {
    /// What it does: the number of a kind, and its keys.
    pub kinds: Vec<(usize, Vec<Setting>)>,
    /// Starts by itself at this time.
    pub at: Option<Text>,
    /// Ends by itself after this span.
    pub duration: Option<Text>,
}

/// A key of a kind of fault with what is written under it.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The key.
    pub key: &'static Key,
    /// Its value, or the entries of its list.
    pub values: Vec<Text>,
}

/// Reads a key, which is one of these.
struct KeyOf(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for KeyOf {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for KeyOf {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<usize, E> {
        let found = self.0.iter().position(|known| *known == key);
        found.ok_or_else(|| E::unknown_field(key, self.0))
    }
}

/// Reads what is under the key of the kind of this number.
struct SettingsOf(usize);

impl<'de> DeserializeSeed<'de> for SettingsOf {
    type Value = Vec<Setting>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for SettingsOf {
    type Value = Vec<Setting>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map (`key: value`)")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (keys, form) = (&KEYS_OF_KINDS[self.0], KINDS[self.0].form);
        let mut settings = Vec::new();
        while let Some(number) = map.next_key_seed(KeyOf(keys))? {
            let Some(key) = form.keys().nth(number) else { continue };
            let values = if key.list {
                map.next_value::<Option<Vec<Text>>>()?
            } else {
                map.next_value::<Option<Text>>()?.map(|text| vec![text])
            };
            settings.extend(values.map(|values| Setting { key, values }));
        }
        Ok(settings)
    }
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FaultVisitor;

        impl<'de> Visitor<'de> for FaultVisitor {
            type Value = Fault;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a map (`key: value`)")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fault, A::Error> {
                let mut fault = Fault::default();
                while let Some(number) = map.next_key_seed(KeyOf(&KEYS))? {
                    match KEYS[number] {
                        key if key == AT.0 => fault.at = map.next_value()?,
                        key if key == FOR.0 => fault.duration = map.next_value()?,
                        _ => fault.kinds.push((number, map.next_value_seed(SettingsOf(number))?)),
                    }
                }
                Ok(fault)
            }
        }

        deserializer.deserialize_map(FaultVisitor)
    }
}

impl JsonSchema for Fault {
    fn schema_name() -> Cow<'static, str> {
        "Fault".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = Map::new();
        for kind in KINDS {
            let form = kind.form;
            properties.insert(form.name.to_owned(), of_kind(form, generator));
        }
        let start = generator.subschema_for::<Option<OrOption<Span>>>();
        properties.insert(AT.0.to_owned(), described(start, AT.1));
        let end = generator.subschema_for::<Option<OrOption<PositiveSpan>>>();
        properties.insert(FOR.0.to_owned(), described(end, FOR.1));
        let kinds: Vec<&str> = KINDS.iter().map(|kind| kind.form.name).collect();
        json_schema!({
            "description": "A fault, or what differs in it.",
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
            RIVALS: kinds
        })
    }
}

fn described(schema: Schema, meaning: &str) -> Value {
    let mut schema = schema.to_value();
    schema["description"] = json!(meaning);
    schema
}

fn of_kind(form: &'static Form, generator: &mut SchemaGenerator) -> Value {
    let mut properties = Map::new();
    for key in form.keys() {
        let value = match key.takes {
            Takes::Workload | Takes::Node | Takes::Labels => generator.subschema_for::<Scalar>(),
            Takes::Istiod | Takes::ApiServer if key.list => generator.subschema_for::<Scalar>(),
            Takes::Istiod | Takes::ApiServer => generator.subschema_for::<OrOption<Whole>>(),
            Takes::Word(_, words) => {
                let words: Vec<&str> = words().iter().map(|(word, _)| *word).collect();
                json_schema!({"anyOf": [{"enum": words}, option()]})
            }
        };
        let value = match key.list {
            true => json_schema!({"type": ["array", "null"], "items": value}),
            false => json_schema!({"anyOf": [value, {"type": "null"}]}),
        };
        properties.insert(key.name.to_owned(), described(value, key.meaning));
    }
    let targets = form.keys().filter(|key| key.role == Role::Target);
    let targets: Vec<&str> = targets.map(|key| key.name).collect();
    let mut schema = json!({
        "description": form.meaning,
        "type": "object",
        "properties": properties,
        "additionalProperties": false
    });
    schema[RIVALS] = json!(targets);
    schema
}
