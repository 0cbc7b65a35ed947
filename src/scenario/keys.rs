//! The keys of experiment files: which there are, what may be under each, and who may change it.
//!
//! All of it is found in the JSON Schema, which the types of `schema` give; no key is listed here. A key of several steps is
//! written in one line, `cluster.cilium.version`; a step into a list means every entry that has the key, `script.pause`. Names
//! may contain dots. Does not belong here: changing a tree (`patch`).

use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;

use super::error::InputError;
use super::json_schema;
use super::models::split_name;
use super::schema::Text;
use super::values::complain;
use super::yaml::Spanned;

static EXPERIMENT: LazyLock<Value> = LazyLock::new(json_schema::form);

/// What may be under a key: a part of the JSON Schema.
#[derive(Clone, Copy, Debug)]
pub struct Form(&'static Value);

impl Form {
    /// The form of a whole file.
    pub fn experiment() -> Self {
        Self(&EXPERIMENT)
    }

    /// What a reference refers to, or the form itself.
    fn referred(self) -> Self {
        let reference = self.0["$ref"].as_str().and_then(|path| path.strip_prefix('#'));
        let form = reference.and_then(|path| EXPERIMENT.pointer(path));
        form.map_or(self, |form| Self(form).referred())
    }

    fn among(self, word: &str) -> impl Iterator<Item = Self> {
        let forms = self.referred().0[word].as_array();
        forms.into_iter().flatten().map(Self)
    }

    /// The forms without alternatives that it allows.
    fn simple(self) -> Vec<Self> {
        let forms: Vec<Self> = self.among("anyOf").chain(self.among("oneOf")).collect();
        match forms.is_empty() {
            true => vec![self.referred()],
            false => forms.into_iter().flat_map(Self::simple).collect(),
        }
    }

    fn allows(self, test: impl Fn(&'static Value) -> bool) -> bool {
        self.simple().iter().any(|form| test(form.0))
    }

    /// Whether it is a map of one key, which states what is under it.
    pub fn is_choice(self) -> bool {
        self.among("oneOf").next().is_some() || self.among("anyOf").any(Self::is_choice)
    }

    /// Whether the word `none` says that there is no such thing.
    pub fn is_dispensable(self) -> bool {
        self.allows(|form| form["const"] == "none")
    }

    /// Whether it allows a map.
    pub fn is_map(self) -> bool {
        self.allows(|form| form["type"] == "object")
    }

    /// Whether it allows a single value.
    pub fn is_scalar(self) -> bool {
        let is_none = |form: &Value| form["type"].is_null() || form["type"] == "null";
        self.allows(|form| {
            form["enum"].is_array() || form["items"].is_null() && !is_none(form) && form["type"] != "object"
        })
    }

    /// Whether it is one of the forms of these names, perhaps beside others.
    pub fn is_one_of(self, names: &[&str]) -> bool {
        let name = self.0["$ref"].as_str().and_then(|path| path.rsplit('/').next());
        name.is_some_and(|name| names.contains(&name)) || self.among("anyOf").any(|form| form.is_one_of(names))
    }

    /// What the entries are if it is a list.
    pub fn entry(self) -> Option<Self> {
        self.simple().iter().find_map(|form| form.0.get("items")).map(Self)
    }

    /// What may be under a key if it is a map.
    pub fn child(self, key: &str) -> Option<Self> {
        let child = |form: &Self| {
            let any = form
                .0
                .get("additionalProperties")
                .filter(|any| any.is_object() && !key.is_empty());
            form.0["properties"].get(key).or(any)
        };
        self.simple().iter().find_map(child).map(Self)
    }

    /// The keys of a map; `NAME` where any is allowed.
    pub fn keys(self) -> Vec<&'static str> {
        let mut keys = Vec::new();
        for form in self.simple() {
            let own = form.0["properties"].as_object().into_iter().flatten();
            keys.extend(own.map(|(key, _)| key.as_str()));
            keys.extend(form.0["additionalProperties"].is_object().then_some("NAME"));
        }
        keys
    }

    /// The keys of a map of which the one that is set later takes the place of the others.
    pub fn rivals(self) -> Vec<&'static str> {
        let rivals = self.referred().0[json_schema::RIVALS].as_array();
        rivals.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// What the value of a key at the top is the same for; nothing if each design and point may have its own.
    pub fn scope(self) -> Option<&'static str> {
        self.0[json_schema::SCOPE].as_str()
    }

    /// The steps of a key, and what may be under it.
    fn walk(self, written: &str) -> Option<(Vec<String>, Self)> {
        if let Some(found) = self.entry().and_then(|entry| entry.walk(written)) {
            return Some(found);
        }
        let mut ends = written.match_indices('.').map(|(end, _)| end).chain([written.len()]);
        ends.find_map(|end| {
            let (step, form) = (&written[..end], self.child(&written[..end])?);
            let (mut steps, form) = match written.get(end + 1..) {
                Some(rest) => form.walk(rest)?,
                // A name with dots ends in no key: what looks like one is misspelt.
                None if step.contains('.') && !form.is_scalar() && !form.entry().is_some_and(Self::is_scalar) => {
                    return None;
                }
                None => (Vec::new(), form),
            };
            steps.insert(0, step.to_owned());
            Some((steps, form))
        })
    }
}

/// A key of an experiment file, from the top down to a value.
#[derive(Clone, Debug)]
pub struct Key {
    /// As it is written in one line.
    pub written: String,
    /// The keys on the way.
    pub steps: Vec<String>,
    /// What may be under it.
    pub form: Form,
}

impl Key {
    /// Finds a key.
    pub fn read(file: &Path, at: &Text) -> Result<Self, InputError> {
        let written = at.value.clone();
        if let Some((steps, form)) = Form::experiment().walk(&written) {
            return Ok(Self { written, steps, form });
        }
        if let Some(parameter) = written.strip_prefix("parameters.") {
            split_name(file, &Spanned::new(parameter.to_owned(), at.referenced, at.defined))?;
        }
        let (mut form, mut before) = (Form::experiment(), String::new());
        for step in written.split('.') {
            let Some(child) = form.child(step) else { break };
            form = child.entry().unwrap_or(child);
            before = format!("{before}{step}.");
        }
        let known: Vec<String> = form.keys().into_iter().map(|key| format!("{before}{key}")).collect();
        let error = complain(file, at, format!("unknown key `{written}`"));
        Err(error.with_candidates(&written, known.iter().map(String::as_str)))
    }

    /// What its value is the same for; nothing if each design and point may have its own.
    pub fn scope(&self) -> Option<&'static str> {
        Form::experiment().child(self.steps.first()?)?.scope()
    }

    /// Whether one of the two is part of what the other sets.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.steps.iter().zip(&other.steps).all(|(own, other)| own == other)
    }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
