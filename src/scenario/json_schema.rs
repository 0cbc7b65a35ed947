//! The JSON Schema of experiment files, derived from the types that read them (`schema`).
//!
//! Belongs here: what JSON Schema needs in addition, because a text is checked only after it was read: spans, counts, words
//! from a list, names of parameters. A field of `schema` states which form it has by `#[schemars(with = "…")]`; a field
//! that says nothing takes any scalar. The schema never refuses what the reader takes, apart from negative ways to write
//! zero; it cannot know which names exist in the manifests, and which values contradict each other. Does not belong
//! here: reading and checking itself.

use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::models::COMPONENTS;
use super::schema::{DistributionForm, Experiment, Mesh, Pairs, Setting, Watched};
use super::yaml::Spanned;
use super::{cluster_of_design, head, key_facts, operators, script, world};
use crate::cluster::faults::when::EVENTS;
use crate::cluster::params::{CiliumParams, IstioParams, Kind, KubernetesParams, NetworkParams};

/// Numbers with units, as jiff's friendly format has them, in units that have one length.
const SPAN: &str = r"^\+?([0-9]+:[0-9]+:[0-9]+([.,][0-9]{1,9})?\s*|([0-9]+([.,][0-9]{1,9})?\s*(h|hrs?|hours?|m|mins?|minutes?|s|secs?|seconds?|ms|msecs?|millis?|milliseconds?|[uµ]s|[uµ]secs?|micros?|microseconds?|ns|nsecs?|nanos?|nanoseconds?),?\s*)+)$";

/// Says of a key at the top what its value is the same for: `experiment`, for all designs and points; `file`, for all changes from
/// the command line too. Without it a value belongs to a run, so that designs and factors can change it.
pub const SCOPE: &str = "x-scope";
/// Lists keys of a map of which the one that is set later takes the place of the others.
pub const RIVALS: &str = "x-one-of";

/// The schema of experiment files, JSON Schema 2020-12, with unit, default and example of each key.
pub fn experiment() -> Value {
    let mut schema = form();
    key_facts::add(&mut schema);
    schema
}

/// The same without them: what may be under each key.
pub fn form() -> Value {
    let generator = SchemaSettings::draft2020_12().for_deserialize().into_generator();
    let derived = generator.into_root_schema_for::<Experiment>().to_value();
    // What people look for comes first.
    let mut schema = Map::new();
    for key in ["$schema", "title", "description"] {
        schema.insert(key.to_owned(), derived[key].clone());
    }
    schema["title"] = json!("meshfault experiment");
    if let Value::Object(derived) = derived {
        for (key, value) in derived {
            schema.entry(key).or_insert(value);
        }
    }
    Value::Object(schema)
}

/// Implements `JsonSchema` by a name and an expression over the generator.
macro_rules! form {
    ($(#[$doc:meta])* $name:ident, |$generator:ident| $schema:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

form!(
    /// Any scalar; it is read as the text that it looks like.
    Scalar, |_generator| json_schema!({"type": ["string", "number", "boolean"]})
);
form!(
    /// The form of the file.
    Form, |_generator| json_schema!({"enum": [1, "1"]})
);
form!(
    /// A span of time with its unit.
    Span, |_generator| json_schema!({
        "description": "A span of time with its unit: `40s`, `250ms`, `1h30m`.",
        "type": "string",
        "pattern": SPAN,
        "examples": ["40s", "250ms", "1h30m"]
    })
);
form!(
    /// A span of time above zero.
    PositiveSpan, |_generator| json_schema!({
        "description": "A span of time above zero, with its unit: `40s`, `250ms`, `1h30m`.",
        "type": "string",
        "pattern": format!("^(?=.*[1-9]){}", &SPAN[1..]),
        "examples": ["40s", "250ms", "1h30m"]
    })
);
form!(
    /// A span of time above zero, perhaps with a sign.
    Offset, |_generator| json_schema!({
        "description": "A span of time above zero, with its unit; with a minus sign it is behind: `10m`, `-5m`.",
        "type": "string",
        "pattern": format!("^(?=.*[1-9])-?{}", &SPAN[1..]),
        "examples": ["10m", "-5m"]
    })
);
form!(
    /// A span of time, or `never`.
    SpanOrNever, |generator| json_schema!({"anyOf": [generator.subschema_for::<PositiveSpan>(), {"const": "never"}]})
);
form!(
    /// A rate.
    Rate, |_generator| json_schema!({
        "description": "A positive number per time: `20/s`, `5/min`, `10/h`.",
        "type": "string",
        "pattern": r"^\s*[0-9.eE+-]+\s*/\s*(s|min|h)\s*$",
        "examples": ["20/s", "5/min"]
    })
);
form!(
    /// A whole number from 0.
    Whole, |_generator| json_schema!({"anyOf": [
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": r"^\s*\+?[0-9]+\s*$"}
    ]})
);
form!(
    /// A whole number from 1.
    Count, |_generator| json_schema!({"anyOf": [
        {"type": "integer", "minimum": 1},
        {"type": "string", "pattern": r"^\s*\+?0*[1-9][0-9]*\s*$"}
    ]})
);
form!(
    /// A number that is not negative.
    Number, |_generator| json_schema!({"anyOf": [
        {"type": "number", "minimum": 0},
        {"type": "string", "pattern": r"^\s*[0-9.eE+-]+\s*$"}
    ]})
);
form!(
    /// An amount of processors or memory as Kubernetes writes it.
    Quantity, |_generator| json_schema!({"anyOf": [
        {"type": "number", "exclusiveMinimum": 0},
        {"type": "string", "pattern": r"^\s*[0-9.]+([eE][+-]?[0-9]+|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?\s*$", "examples": ["3500m", "15Gi"]}
    ]})
);
form!(
    /// A number, or a share in per cent.
    Share, |_generator| json_schema!({"anyOf": [
        {"type": "number", "minimum": 0},
        {"type": "string", "pattern": r"^\s*[0-9.eE+-]+\s*%?\s*$", "examples": ["30%"]}
    ]})
);
form!(
    /// A number of things, or a share of them in per cent.
    Amount, |_generator| json_schema!({"anyOf": [
        {"type": "integer", "minimum": 1},
        {"type": "string", "pattern": r"^\s*[0-9.]*[1-9][0-9.]*\s*%?\s*$", "examples": ["2", "30%"]}
    ]})
);
form!(
    /// A behavior that is on or off.
    Switch, |_generator| json_schema!({"enum": [true, false, "true", "false"]})
);
form!(
    /// A version.
    Version, |_generator| json_schema!({"anyOf": [
        {"type": "string", "pattern": r"^v?\+?[0-9]+(\.\+?[0-9]+)*$", "examples": ["1.21.0"]},
        {"type": "number"}
    ]})
);
form!(
    /// A name in results.
    Name, |_generator| json_schema!({"anyOf": [
        {"type": "string", "pattern": r"^[A-Za-z0-9._-]+$"},
        {"type": ["number", "boolean"]}
    ]})
);
form!(
    /// A path of a request.
    HttpPath, |_generator| json_schema!({"type": "string", "pattern": r"^/"})
);

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $words:expr) => {
        form!($(#[$doc])* $name, |_generator| {
            let words: Vec<&str> = $words.iter().map(|(word, _)| *word).collect();
            json_schema!({"enum": words})
        });
    };
}

words!(
    /// How pods reach pods of other nodes.
    Routing, cluster_of_design::ROUTINGS
);
words!(
    /// How packets between nodes are encrypted.
    Encryption, cluster_of_design::ENCRYPTIONS
);
words!(
    /// A priority level of the API servers.
    ApiLevel, crate::cluster::api_flow::Level::ALL
);
words!(
    /// What a request to an API server does.
    ApiVerb, crate::cluster::api_flow::Verb::ALL
);
words!(
    /// A layer that enforces its policies.
    Layer, world::LAYERS
);
form!(
    /// Something that happens in a run.
    EventWord, |_generator| {
        let words: Vec<&str> = EVENTS.iter().map(|event| event.word).collect();
        json_schema!({"enum": words})
    }
);
words!(
    /// An order of ties.
    TieOrder, head::TIE_RULES
);
words!(
    /// When to look for a reused address.
    Look, script::LOOKS
);
words!(
    /// What a taint does to pods that do not tolerate it.
    TaintEffect, operators::EFFECTS
);
words!(
    /// What runs on every node.
    DaemonSet, operators::DAEMON_SETS
);
words!(
    /// What a wait that was too long does.
    OnTimeout, operators::ON_TIMEOUT
);
words!(
    /// A method of a request.
    Method, script::METHODS
);

words!(
    /// When a pod sends its first request.
    FirstRequest, super::traffic::FIRST_REQUESTS
);

/// The name of an option.
pub fn option() -> Value {
    json!({"type": "string", "pattern": r"^\$", "description": "An option of the experiment, `$name`."})
}

/// A value of a form, or the name of an option, `$name`.
#[derive(Debug)]
pub struct OrOption<T>(PhantomData<T>);

impl<T: JsonSchema> JsonSchema for OrOption<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}OrOption", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        json_schema!({"anyOf": [value, option()]})
    }
}

/// A text remembers its place and is read from any scalar; anything else has the schema of its value.
impl<T: JsonSchema> JsonSchema for Spanned<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        // The only string type that is placed is a text; its type does not distinguish it from others.
        if T::schema_name() == String::schema_name() {
            generator.subschema_for::<Scalar>()
        } else {
            generator.subschema_for::<T>()
        }
    }
}

impl<V: JsonSchema> JsonSchema for Pairs<V> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("MapOf{}", V::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "additionalProperties": generator.subschema_for::<V>()})
    }
}

impl JsonSchema for Setting {
    fn schema_name() -> Cow<'static, str> {
        "Setting".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [generator.subschema_for::<Scalar>(), generator.subschema_for::<DistributionForm>()]})
    }
}

impl JsonSchema for super::expectations::Written {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Expectations".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let claim = generator.subschema_for::<Scalar>();
        json_schema!({"anyOf": [
            {"type": "array", "items": claim},
            {"type": "object", "additionalProperties": claim}
        ]})
    }
}

impl JsonSchema for super::schema::Istio {
    fn schema_name() -> Cow<'static, str> {
        "Istio".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"const": "none", "description": "No mesh."}, generator.subschema_for::<Mesh>()]})
    }
}

impl JsonSchema for super::schema::Exposure {
    fn schema_name() -> Cow<'static, str> {
        "Exposure".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [
            {"const": "all", "description": "All workloads as clients, and all workloads behind a Service as servers, at its ports."},
            generator.subschema_for::<Watched>()
        ]})
    }
}

form!(
    /// A span of time, or a distribution of one.
    Distribution,
    |generator| json_schema!({"anyOf": [generator.subschema_for::<Span>(), generator.subschema_for::<DistributionForm>()]})
);

/// What each parameter means, in the order of [`COMPONENTS`].
const MEANINGS: [&[&str]; 4] = [
    KubernetesParams::MEANINGS,
    CiliumParams::MEANINGS,
    IstioParams::MEANINGS,
    NetworkParams::MEANINGS,
];

/// All parameters: full name, kind, and what it means.
pub fn parameters() -> impl Iterator<Item = (String, Kind, &'static str)> {
    COMPONENTS
        .iter()
        .zip(MEANINGS)
        .flat_map(|((component, fields), meanings)| {
            fields
                .iter()
                .zip(meanings)
                .map(move |((field, kind), meaning)| (format!("{component}.{field}"), *kind, meaning.trim()))
        })
}

form!(
    /// Parameters that differ from the models, by name.
    Parameters, |generator| {
        let mut properties = Map::new();
        for (name, kind, meaning) in parameters() {
            let value = match kind {
                Kind::Duration => generator.subschema_for::<Span>(),
                Kind::Number => generator.subschema_for::<Number>(),
                Kind::Count => generator.subschema_for::<Whole>(),
                Kind::Switch => generator.subschema_for::<Switch>(),
                Kind::Distribution => generator.subschema_for::<Distribution>(),
            };
            let mut value = value.to_value();
            value["description"] = json!(meaning);
            properties.insert(name, value);
        }
        json_schema!({"type": "object", "properties": properties, "additionalProperties": false})
    }
);

#[cfg(test)]
#[path = "json_schema_tests.rs"]
mod tests;
