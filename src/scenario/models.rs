//! Parameter sets with their provenance: reads `models/`, picks the set that applies to a version, takes overrides.
//!
//! Belongs here: the form of a model file, the choice of the nearest set and the list of what a design really uses.
//! Does not belong here: what a parameter does (`cluster::params`) and how a value is written (`values`).

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::allowed_values;
use super::embedded;
use super::error::{InputError, near_match};
use super::schema::{Pairs, Setting, Text};
use super::values::{complain, describe, parameter, unknown};
use super::yaml::{self, Spanned};
use crate::cluster::params::{CiliumParams, IstioParams, Kind, KubernetesParams, NetworkParams, Value};

/// The fields of a parameter set: names and kinds.
type Fields = &'static [(&'static str, Kind)];

/// Components that have model files, in the order in which they are shown.
pub const COMPONENTS: [(&str, Fields); 4] = [
    ("kubernetes", KubernetesParams::FIELDS),
    ("cilium", CiliumParams::FIELDS),
    ("istio", IstioParams::FIELDS),
    ("network", NetworkParams::FIELDS),
];

/// How well a value is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// Read in the component's source code.
    SourceCode,
    /// Stated in its documentation.
    Documented,
    /// Measured and published.
    Measured,
    /// Chosen; the model gives the range that is plausible.
    Assumed,
}

impl Confidence {
    /// The word in files and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SourceCode => "source-code",
            Self::Documented => "documented",
            Self::Measured => "measured",
            Self::Assumed => "assumed",
        }
    }
}

/// A parameter as one design uses it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResolvedParameter {
    /// Component and name, `kubernetes.lease_renew_interval`.
    pub name: String,
    /// Its value in words.
    pub value: String,
    /// Its unit.
    pub unit: String,
    /// The primary source of the value; for an override the place where it was written.
    pub source: String,
    /// How well the value is known; `set by the experiment` for an override.
    pub confidence: String,
    /// Between which values an assumed one is plausible.
    pub range: Option<String>,
    /// What else is to be known about it.
    pub note: Option<String>,
    /// The set that it was taken from, `kubernetes 1.24`.
    pub model: String,
    /// Whether the experiment overrides the model.
    pub overridden: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelFile {
    component: Text,
    version: Text,
    based_on: Option<Text>,
    applies: String,
    /// The last minor version that behaves so, or `later`; without it, only the set's own.
    exact_until: Option<Text>,
    parameters: Pairs<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    value: Spanned<Setting>,
    unit: Text,
    source: Text,
    confidence: Spanned<Confidence>,
    range: Option<String>,
    note: Option<String>,
}

/// A parameter set of one version, with the overrides of one design.
#[derive(Clone, Debug)]
pub struct ParameterSet {
    component: &'static str,
    values: Vec<(&'static str, Kind, Value)>,
    shown: Vec<ResolvedParameter>,
    /// The model files that it was read from.
    pub files: Vec<&'static str>,
    /// To which releases it applies, in words.
    pub applies: String,
    /// What is to be reported about the choice of the set.
    pub note: Option<String>,
}

/// All model files.
#[derive(Debug)]
pub struct Models {
    files: Vec<(&'static str, ModelFile)>,
}

impl Models {
    /// Reads the model files of the binary.
    pub fn embedded() -> Result<Self, InputError> {
        Self::read(
            embedded::FILES
                .iter()
                .filter(|(name, _)| name.starts_with("models/"))
                .copied(),
        )
    }

    fn read(texts: impl Iterator<Item = (&'static str, &'static str)>) -> Result<Self, InputError> {
        let files = texts.map(|(name, text)| yaml::parse(Path::new(name), text).map(|file| (name, file)));
        Ok(Self {
            files: files.collect::<Result<_, _>>()?,
        })
    }

    /// Versions of a component that have a set, in ascending order.
    pub fn versions(&self, component: &str) -> Vec<&str> {
        let of = |file: &ModelFile| file.component.value == component;
        let mut versions: Vec<&str> = self
            .files
            .iter()
            .filter(|(_, file)| of(file))
            .map(|(_, file)| file.version.value.as_str())
            .collect();
        versions.sort_by_key(|version| number(version));
        versions
    }

    /// The set with the highest version that is not above the one asked for.
    ///
    /// # Errors
    /// If the version is none, no set applies, or a model file is wrong.
    pub fn choose(&self, component: &'static str, file: &Path, asked: &Text) -> Result<ParameterSet, InputError> {
        let versions = self.versions(component);
        let known = || format!("parameter sets exist for {component} {}", versions.join(", "));
        let Some(wanted) = number(&asked.value) else {
            let message = format!("`{}` is not a version of {component}", asked.value);
            return Err(complain(file, asked, message).with_hint(known()));
        };
        let minor = wanted.get(..2).unwrap_or(&wanted);
        let nearest = versions
            .iter()
            .rev()
            .find(|version| number(version).is_some_and(|v| v.as_slice() <= minor));
        let Some(version) = nearest else {
            let message = format!("no parameter set applies to {component} `{}`", asked.value);
            return Err(complain(file, asked, message).with_hint(known()));
        };
        let mut set = self.set(component, version)?;
        let file = self
            .files
            .iter()
            .find(|(_, f)| f.component.value == component && f.version.value == *version);
        let exact = file
            .and_then(|(_, file)| file.exact_until.as_ref())
            .is_some_and(|last| {
                last.value == "later" || number(&last.value).is_some_and(|last| minor <= last.as_slice())
            });
        if !exact && number(version).as_deref() != Some(minor) {
            let asked = &asked.value;
            let applies = &set.applies;
            set.note = Some(format!(
                "{component} {asked}: the nearest parameter set that applies is {version} ({applies})"
            ));
        }
        Ok(set)
    }

    /// The set of the network, which has no versions.
    pub fn network(&self) -> Result<ParameterSet, InputError> {
        self.set("network", "default")
    }

    /// The set of exactly this version.
    pub fn set(&self, component: &str, version: &str) -> Result<ParameterSet, InputError> {
        let fields = COMPONENTS.iter().find(|(name, _)| *name == component);
        let file = self
            .files
            .iter()
            .find(|(_, f)| f.component.value == component && f.version.value == version);
        let (Some((component, fields)), Some((name, file))) = (fields, file) else {
            let message = format!("there is no model file of {component} {version}");
            return Err(InputError::in_file(Path::new("models"), message));
        };
        let path = Path::new(*name);
        for (key, entry) in &file.parameters.0 {
            check_entry(path, key, entry, fields)?;
        }
        let mut set = match &file.based_on {
            Some(base) if number(&base.value) < number(version) => self.set(component, &base.value)?,
            Some(base) => return Err(complain(path, base, "a set is based on an older one")),
            None => ParameterSet {
                component,
                values: Vec::new(),
                shown: Vec::new(),
                files: Vec::new(),
                applies: String::new(),
                note: None,
            },
        };
        set.files.push(name);
        set.applies.clone_from(&file.applies);
        for (field, kind) in fields.iter() {
            let old = set.values.iter().position(|(name, ..)| name == field);
            let Some(entry) = file.parameters.get(field) else {
                if old.is_none() {
                    return Err(InputError::in_file(path, format!("parameter `{field}` is missing")));
                }
                continue;
            };
            let value = parameter(path, *kind, &entry.value)?;
            allowed_values::check(path, field, value, &entry.value)?;
            let shown = ResolvedParameter {
                name: format!("{component}.{field}"),
                value: describe(&entry.value.value),
                unit: entry.unit.value.clone(),
                source: entry.source.value.clone(),
                confidence: entry.confidence.value.name().to_owned(),
                range: entry.range.clone(),
                note: entry.note.clone(),
                model: format!("{component} {version}"),
                overridden: false,
            };
            match old {
                Some(index) => (set.values[index].2, set.shown[index]) = (value, shown),
                None => {
                    set.values.push((field, *kind, value));
                    set.shown.push(shown);
                }
            }
        }
        Ok(set)
    }
}

impl ParameterSet {
    /// Takes an override; its name has been checked by [`split_name`].
    pub fn override_with(&mut self, file: &Path, field: &str, setting: &Spanned<Setting>) -> Result<(), InputError> {
        let Some(index) = self.values.iter().position(|(name, ..)| *name == field) else {
            return Ok(());
        };
        let (name, kind, _) = self.values[index];
        let value = parameter(file, kind, setting)?;
        allowed_values::check(file, name, value, setting)?;
        self.values[index].2 = value;
        let shown = &mut self.shown[index];
        let place = complain(file, setting, "");
        shown.value = describe(&setting.value);
        shown.source = match place.line {
            Some(line) => format!(
                "{}:{line}",
                file.file_name()
                    .map_or("experiment".into(), |name| name.to_string_lossy())
            ),
            None => "command line".to_owned(),
        };
        shown.confidence = "set by the experiment".to_owned();
        (shown.range, shown.note) = (None, None);
        shown.overridden = true;
        Ok(())
    }

    /// The value of a parameter, for the `build` functions of [`crate::cluster::params`].
    ///
    /// # Panics
    /// If the parameter does not belong to the component of this set.
    pub fn value(&self, field: &str) -> Value {
        match self.values.iter().find(|(name, ..)| *name == field) {
            Some((.., value)) => *value,
            None => panic!("{} has no parameter {field}", self.component),
        }
    }

    /// All parameters with their provenance.
    pub fn shown(&self) -> &[ResolvedParameter] {
        &self.shown
    }
}

/// Splits `kubernetes.lease_renew_interval` and checks both parts.
pub fn split_name(file: &Path, name: &Text) -> Result<(&'static str, &'static str), InputError> {
    for (component, fields) in COMPONENTS {
        let field = name
            .value
            .strip_prefix(component)
            .and_then(|rest| rest.strip_prefix('.'));
        if let Some((field, _)) = field.and_then(|field| fields.iter().find(|(known, _)| *known == field)) {
            return Ok((component, field));
        }
    }
    let known: Vec<String> = COMPONENTS
        .iter()
        .flat_map(|(component, fields)| fields.iter().map(move |(field, _)| format!("{component}.{field}")))
        .collect();
    let error = complain(file, name, format!("unknown parameter `{}`", name.value));
    // A name that breaks off is completed; the distance of a typo would prefer a shorter stranger.
    let mut known = known.iter().map(String::as_str);
    let completed = known
        .clone()
        .find(|known| name.value.contains('.') && known.starts_with(&name.value));
    Err(match completed.or_else(|| near_match(&name.value, &mut known)) {
        Some(near) => error.with_hint(format!("did you mean `{near}`?")),
        None => error.with_hint("write component and name, such as `kubernetes.node_monitor_grace_period`"),
    })
}

fn check_entry(path: &Path, key: &Text, entry: &Entry, fields: Fields) -> Result<(), InputError> {
    let Some((_, kind)) = fields.iter().find(|(field, _)| *field == key.value) else {
        return Err(unknown(path, key, "parameter", fields.iter().map(|(field, _)| *field)));
    };
    let fits = match kind {
        Kind::Duration | Kind::Distribution => entry.unit.value == "duration",
        Kind::Switch => entry.unit.value == "switch",
        Kind::Number | Kind::Count => !["duration", "switch"].contains(&entry.unit.value.as_str()),
    };
    if !fits {
        let message = format!("unit `{}` does not fit `{}`", entry.unit.value, key.value);
        return Err(complain(path, &entry.unit, message));
    }
    if entry.source.value.trim().is_empty() {
        return Err(complain(path, &entry.source, format!("`{}` needs a source", key.value)));
    }
    if entry.confidence.value == Confidence::Assumed && entry.range.is_none() {
        return Err(complain(
            path,
            &entry.confidence,
            format!("the assumed `{}` needs a range", key.value),
        ));
    }
    Ok(())
}

/// A dotted version as numbers.
fn number(version: &str) -> Option<Vec<u32>> {
    let version = version.strip_prefix('v').unwrap_or(version);
    version.split('.').map(|part| part.parse().ok()).collect()
}
