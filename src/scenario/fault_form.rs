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

use super::json_schema::{
    Amount, Count, Distribution, EventWord, Offset, OrOption, PositiveSpan, RIVALS, Rate, Scalar, Share, Span, Whole,
    option,
};
use super::schema::{Setting as SettingValue, Text};
use super::yaml::Spanned;
use crate::cluster::faults::form::{Form, Key, Role, Takes};
use crate::cluster::faults::{KINDS, KindForm};

/// A key that says when a fault acts, and what it means.
type When = (&'static str, &'static str);
const AT: When = (
    "at",
    "Starts by itself at this time of the run; without a key that states when, a step starts it.",
);
const AFTER: When = ("after", "Starts by itself when something has happened.");
const FOR: When = ("for", "Ends by itself after this span.");
const UNTIL: When = ("until", "Ends by itself when something has happened.");
const WHILE: When = (
    "while",
    "Acts whenever a condition holds: starts when it begins to hold, and ends when it does no more.",
);
const REPEATS: When = (
    "repeats",
    "Starts and ends again and again by distributions of the times to failures and repairs, from the start of the run, or from `at` on.",
);
/// All keys that say when a fault acts.
const WHEN: [When; 6] = [AT, AFTER, FOR, UNTIL, WHILE, REPEATS];

/// The keys of a fault.
static KEYS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let kinds = KINDS.iter().map(|kind| kind.form.name);
    kinds.chain(WHEN.map(|(key, _)| key)).collect()
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
    /// Starts by itself when something has happened.
    pub after: Option<Trigger>,
    /// Ends by itself after this span.
    pub duration: Option<Text>,
    /// Ends by itself when something has happened.
    pub until: Option<Trigger>,
    /// Acts while a condition holds.
    pub holds: Option<Condition>,
    /// Starts and ends again and again.
    pub repeats: Option<Repeats>,
}

/// Something that happens in a run, or its k-th occurrence.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// What happens.
    #[schemars(with = "OrOption<EventWord>")]
    pub event: Text,
    /// To which workload, node or fault it happens.
    #[schemars(with = "Option<Scalar>")]
    pub of: Option<Text>,
    /// Which occurrence counts; the default is 1, the first.
    #[schemars(with = "Option<OrOption<Count>>")]
    pub count: Option<Text>,
    /// How long after it; the default is 0s.
    #[schemars(with = "Option<OrOption<Span>>")]
    pub wait: Option<Text>,
}

/// A condition; one of these.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Another fault acts.
    #[schemars(with = "Option<Scalar>")]
    pub fault: Option<Text>,
    /// The API server has this node as NotReady.
    #[schemars(with = "Option<Scalar>")]
    pub node_not_ready: Option<Text>,
    /// A rollout of this workload that the script waits for is under way.
    #[schemars(with = "Option<Scalar>")]
    pub rollout_of: Option<Text>,
}

/// How it fails and is repaired again and again.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repeats {
    /// Distribution of the time from the beginning, or from a repair, to the next failure.
    #[schemars(with = "Distribution")]
    pub to_failure: Spanned<SettingValue>,
    /// Distribution of the time from a failure to its repair.
    #[schemars(with = "Distribution")]
    pub to_repair: Spanned<SettingValue>,
    /// At most so many failures; without it, as many as there are.
    #[schemars(with = "Option<OrOption<Count>>")]
    pub times: Option<Text>,
}

/// A key of a kind of fault with what is written under it.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The key.
    pub key: &'static Key,
    /// Its value, or the entries of its list.
    pub values: Vec<Text>,
    /// Its value, if it is a distribution.
    pub distribution: Option<Spanned<SettingValue>>,
}

impl Setting {
    /// A key that takes a distribution, or one span.
    fn of(key: &'static Key, written: Spanned<SettingValue>) -> Self {
        let (values, distribution) = match written.value {
            SettingValue::Scalar(span) => (vec![Spanned::new(span, written.referenced, written.defined)], None),
            SettingValue::Distribution(_) => (Vec::new(), Some(written)),
        };
        Self {
            key,
            values,
            distribution,
        }
    }
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
            if let Takes::Distribution = key.takes {
                let written = map.next_value::<Option<Spanned<SettingValue>>>()?;
                settings.extend(written.map(|written| Setting::of(key, written)));
                continue;
            }
            let values = if key.list {
                map.next_value::<Option<Vec<Text>>>()?
            } else {
                map.next_value::<Option<Text>>()?.map(|text| vec![text])
            };
            settings.extend(values.map(|values| Setting {
                key,
                values,
                distribution: None,
            }));
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
                        key if key == AFTER.0 => fault.after = map.next_value()?,
                        key if key == FOR.0 => fault.duration = map.next_value()?,
                        key if key == UNTIL.0 => fault.until = map.next_value()?,
                        key if key == WHILE.0 => fault.holds = map.next_value()?,
                        key if key == REPEATS.0 => fault.repeats = map.next_value()?,
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
        let forms = [
            generator.subschema_for::<Option<OrOption<Span>>>(),
            generator.subschema_for::<Option<Trigger>>(),
            generator.subschema_for::<Option<OrOption<PositiveSpan>>>(),
            generator.subschema_for::<Option<Trigger>>(),
            generator.subschema_for::<Option<Condition>>(),
            generator.subschema_for::<Option<Repeats>>(),
        ];
        for ((key, meaning), form) in WHEN.into_iter().zip(forms) {
            properties.insert(key.to_owned(), described(form, meaning));
        }
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
            Takes::Workload | Takes::Node | Takes::Zone | Takes::Labels => generator.subschema_for::<Scalar>(),
            Takes::Istiod | Takes::ApiServer if key.list => generator.subschema_for::<Scalar>(),
            Takes::Istiod | Takes::ApiServer => generator.subschema_for::<OrOption<Whole>>(),
            Takes::Word(..) | Takes::Party(_) => {
                let words: Vec<&str> = key.takes.words().iter().map(|(word, _)| *word).collect();
                json_schema!({"anyOf": [{"enum": words}, option()]})
            }
            Takes::Span => generator.subschema_for::<OrOption<PositiveSpan>>(),
            Takes::Distribution => generator.subschema_for::<Distribution>(),
            Takes::Offset => generator.subschema_for::<OrOption<Offset>>(),
            Takes::Number(..) => generator.subschema_for::<OrOption<Share>>(),
            Takes::Rate => generator.subschema_for::<OrOption<Rate>>(),
            Takes::Amount => generator.subschema_for::<OrOption<Amount>>(),
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
