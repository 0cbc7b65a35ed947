//! Unit, default and example of every key of experiment files, for the JSON Schema and the file reference made from it.
//!
//! They are data, in `key_facts.yaml`. A test holds that every key has them, that the examples of one place make a file that is read and checked without a
//! complaint, and that the schema takes each of them. What a key means is in `schema`, what it takes in `json_schema`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::json_schema::parameters;
use super::{embedded, yaml};
use crate::cluster::faults::KINDS;
use crate::cluster::faults::form::Form;

/// Under this word of JSON Schema a key says what its number counts, or `none`.
const UNIT: &str = "x-unit";

/// By place and key `[unit, default, example]`.
static FACTS: LazyLock<Value> = LazyLock::new(|| parsed(include_str!("key_facts.yaml")).unwrap_or_default());

/// The place of keys that several kinds of faults have.
const OF_ALL_FAULTS: &str = "Fault.*";

/// The places of the kinds of faults, each with its form.
static KINDS_OF_FAULTS: LazyLock<Vec<(String, &'static Form)>> = LazyLock::new(|| {
    let places = KINDS
        .iter()
        .map(|kind| (format!("Fault.{}", kind.form.name), kind.form));
    places.collect()
});

/// The keys with facts: place, key, and unit, default and example.
fn facts() -> impl Iterator<Item = (&'static str, &'static str, &'static Value)> {
    let places = FACTS.as_object().into_iter().flatten();
    places.flat_map(|(place, keys)| {
        let keys = keys.as_object().into_iter().flatten();
        keys.flat_map(move |(key, fact)| {
            places_of(place, key)
                .into_iter()
                .map(move |place| (place, key.as_str(), fact))
        })
    })
}

/// Where a key is: of the kinds of faults that have it, if it is of several, but for those that have facts of their own about it.
fn places_of(place: &'static str, key: &str) -> Vec<&'static str> {
    if place != OF_ALL_FAULTS {
        return vec![place];
    }
    let with = KINDS_OF_FAULTS
        .iter()
        .filter(|(_, form)| form.keys().any(|of| of.name == key))
        .filter(|(place, _)| FACTS[place.as_str()].get(key).is_none());
    with.map(|(place, _)| place.as_str()).collect()
}

fn parsed(text: &str) -> Option<Value> {
    yaml::parse(Path::new("key_facts.yaml"), text).ok()
}

/// The schema of a key of a place.
fn key_mut<'s>(schema: &'s mut Value, place: &str, key: &str) -> Option<&'s mut Value> {
    let mut steps = place.split('.').filter(|step| !step.is_empty());
    let mut at = match steps.next() {
        Some(definition) => schema.get_mut("$defs")?.get_mut(definition)?,
        None => schema,
    };
    for step in steps.chain([key]) {
        let is_choice = at.get("oneOf").is_some();
        at = match is_choice {
            true => {
                let mut all = at["oneOf"].as_array_mut()?.iter_mut();
                all.find_map(|one| one.get_mut("properties")?.get_mut(step))?
            }
            false => at.get_mut("properties")?.get_mut(step)?,
        };
    }
    Some(at)
}

/// Adds unit, default and example to every key of the schema. The default of a parameter depends on the version of its component.
pub fn add(schema: &mut Value) {
    for (place, key, fact) in facts() {
        let Some(form) = key_mut(schema, place, key) else {
            continue;
        };
        form[UNIT] = fact[0].clone();
        if fact[1] != "required" {
            form["default"] = fact[1].clone();
        }
        form["examples"] = json!([fact[2]]);
    }
    let values = values();
    for (name, _, meaning) in parameters() {
        let (Some(form), Some(value)) = (key_mut(schema, "Parameters", &name), values.get(&name)) else {
            continue;
        };
        let unit = meaning
            .rsplit_once('(')
            .map_or("none", |(_, unit)| unit.trim_end_matches([')', '.']));
        form[UNIT] = json!(match unit {
            "duration" => "time",
            "switch" => "none",
            unit => unit,
        });
        form["examples"] = json!([value]);
    }
}

/// A value of each parameter: that of the last of its model files.
fn values() -> BTreeMap<String, Value> {
    let models = embedded::FILES.iter().filter(|(name, _)| name.starts_with("models/"));
    let mut values = BTreeMap::new();
    for model in models.filter_map(|(_, text)| parsed(text)) {
        let component = model["component"].as_str().unwrap_or_default();
        for (field, entry) in model["parameters"].as_object().into_iter().flatten() {
            values.insert(format!("{component}.{field}"), entry["value"].clone());
        }
    }
    values
}

#[cfg(test)]
#[path = "key_facts_tests.rs"]
mod tests;
