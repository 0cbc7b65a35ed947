//! What a factor sets: a key of `--set`, a parameter by its name, or a version.
//!
//! Belongs here: which keys can be varied, whether a key exists, and who else sets it. Does not belong here: setting it
//! (`overrides`) and reading the value (`world`, `models`).

use std::path::Path;

use crate::cluster::params::Kind;
use crate::scenario::error::InputError;
use crate::scenario::models::{COMPONENTS, split_name};
use crate::scenario::overrides::{CHURN_KEYS, CLUSTER_KEYS, FAULT_KEYS, Overrides};
use crate::scenario::schema::{Design, Experiment, Istio, Mesh, Text};
use crate::scenario::values::{complain, unknown};
use crate::scenario::yaml::Spanned;

/// Keys of `--set` that belong to the whole experiment.
const OF_ALL_RUNS: [&str; 7] = [
    "replications",
    "seed",
    "seed_group",
    "random_numbers",
    "horizon",
    "tie_order",
    "churn",
];
/// Short names of versions.
const VERSIONS: [(&str, &str); 3] = [
    ("kubernetes", "cluster.kubernetes"),
    ("cilium", "cluster.cilium.version"),
    ("istio", "cluster.istio.version"),
];
/// Keys that take nothing but whole numbers.
const WHOLE: [&str; 5] = [
    "cluster.nodes",
    "cluster.control_plane_nodes",
    "cluster.node_prefix_length",
    "cluster.istio.replicas",
    "churn.service_accounts",
];

/// What a factor sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The key of `--set`, `cluster.nodes`.
    pub key: String,
    /// Whether it takes whole numbers only.
    pub whole: bool,
    /// Whether it is a version.
    pub version: bool,
}

impl Target {
    /// Reads what a factor sets.
    ///
    /// # Errors
    /// If there is nothing of that name, or it cannot differ between points.
    pub fn read(file: &Path, experiment: &Experiment, set: &Text) -> Result<Self, InputError> {
        let written = set.value.as_str();
        let version = VERSIONS
            .iter()
            .find(|(short, key)| written == *short || written == *key);
        if let Some((_, key)) = version {
            return Ok(Self {
                key: (*key).to_owned(),
                whole: false,
                version: true,
            });
        }
        if OF_ALL_RUNS.contains(&written) || written.starts_with("limits.") {
            let hint = match written {
                "churn" => "name one value of it: `churn.rate`, `churn.lifetime`, `churn.for`",
                _ => "write it at the top of the experiment",
            };
            let message = format!("`{written}` is the same for the whole experiment");
            return Err(complain(file, set, message).with_hint(hint));
        }
        let (key, whole) = Self::resolve(file, experiment, set)?;
        Ok(Self {
            whole: whole || WHOLE.contains(&key.as_str()),
            key,
            version: false,
        })
    }

    /// The key, and whether a parameter of this name takes whole numbers only.
    fn resolve(file: &Path, experiment: &Experiment, set: &Text) -> Result<(String, bool), InputError> {
        let written = set.value.as_str();
        if CLUSTER_KEYS.contains(&written) {
            return Ok((written.to_owned(), false));
        }
        if CHURN_KEYS.contains(&written) {
            if experiment.churn.is_empty() {
                let message = format!("`{written}`: the experiment has no churn that starts by itself");
                return Err(complain(file, set, message).with_hint("write it under `churn`, or vary an option"));
            }
            return Ok((written.to_owned(), false));
        }
        let part = |name: &str| Spanned::new(name.to_owned(), set.referenced, set.defined);
        if let Some(option) = written.strip_prefix("options.") {
            return match experiment.options.get(option) {
                Some(_) => Ok((written.to_owned(), false)),
                None => Err(unknown(file, &part(option), "option", experiment.options.keys())),
            };
        }
        if let Some((fault, _)) = split_fault(written) {
            return match experiment.faults.get(fault) {
                Some(_) => Ok((written.to_owned(), false)),
                None => Err(unknown(file, &part(fault), "fault", experiment.faults.keys())),
            };
        }
        let parameter = written.strip_prefix("parameters.").unwrap_or(written);
        if COMPONENTS
            .iter()
            .any(|(component, _)| parameter.starts_with(&format!("{component}.")))
        {
            let (component, field) = split_name(file, &part(parameter))?;
            let kinds = COMPONENTS.iter().filter(|(known, _)| *known == component);
            let mut kinds = kinds.flat_map(|(_, fields)| fields.iter());
            let whole = kinds.any(|(known, kind)| *known == field && *kind == Kind::Count);
            return Ok((format!("parameters.{component}.{field}"), whole));
        }
        let patterns = ["options.NAME", "faults.NAME.for", "COMPONENT.PARAMETER"];
        let versions = VERSIONS.iter().map(|(short, _)| *short);
        let known = CLUSTER_KEYS
            .into_iter()
            .chain(CHURN_KEYS)
            .chain(versions)
            .chain(patterns);
        Err(unknown(file, set, "key", known))
    }

    /// Whether the target is part of Istio, so that a design without it has nothing to set.
    #[must_use]
    pub fn is_of_istio(&self) -> bool {
        self.key.starts_with("cluster.istio.") || self.key.starts_with("parameters.istio.")
    }

    /// The command line is the last word on a value, so it cannot set what a factor varies.
    ///
    /// # Errors
    /// If it does.
    pub fn refuse_on_command_line(
        &self,
        file: &Path,
        factor: &Text,
        set: &Text,
        overrides: &Overrides,
    ) -> Result<(), InputError> {
        let keys = overrides
            .written
            .iter()
            .filter_map(|change| change.split_once('='))
            .map(|(key, _)| key.trim());
        let clashes = |key: &str| key == self.key || key == "churn" && CHURN_KEYS.contains(&self.key.as_str());
        match keys.into_iter().find(|key| clashes(key)) {
            None => Ok(()),
            Some(key) => {
                let message = format!("--set {key}: the factor `{}` varies it", factor.value);
                Err(complain(file, set, message).with_hint("choose points with `--design DESIGN@factor=value,…`"))
            }
        }
    }

    /// Where a design itself sets the target, if it does.
    #[must_use]
    pub fn written_in(&self, design: &Design) -> Option<Spanned<()>> {
        fn place<T>(text: &Spanned<T>) -> Spanned<()> {
            Spanned::new((), text.referenced, text.defined)
        }
        let cluster = &design.cluster;
        let mesh = |get: fn(&Mesh) -> Option<&Text>| match cluster.istio.as_ref().map(|istio| &istio.value) {
            Some(Istio::Mesh(mesh)) => get(mesh),
            _ => None,
        };
        let found = match self.key.as_str() {
            "cluster.kubernetes" => cluster.kubernetes.as_ref(),
            "cluster.nodes" => cluster.nodes.as_ref(),
            "cluster.control_plane_nodes" => cluster.control_plane_nodes.as_ref(),
            "cluster.node_prefix_length" => cluster.node_prefix_length.as_ref(),
            "cluster.cilium.version" => cluster.cilium.version.as_ref(),
            "cluster.cilium.routing" => cluster.cilium.routing.as_ref(),
            "cluster.cilium.encryption" => cluster.cilium.encryption.as_ref(),
            "cluster.istio.version" => mesh(|mesh| mesh.version.as_ref()),
            "cluster.istio.replicas" => mesh(|mesh| mesh.replicas.as_ref()),
            _ => None,
        };
        if let Some(text) = found {
            return Some(place(text));
        }
        if let Some(option) = self.key.strip_prefix("options.") {
            return design.options.get(option).map(place);
        }
        if let Some(parameter) = self.key.strip_prefix("parameters.") {
            return design.parameters.get(parameter).map(place);
        }
        let (name, key) = split_fault(&self.key)?;
        let fault = design.faults.get(name)?;
        let text = match key {
            "at" => fault.at.as_ref(),
            "for" => fault.duration.as_ref(),
            "cut.mode" => fault.cut.mode.as_ref(),
            "cut.node_of" => fault.cut.node_of.as_ref(),
            "cut.node" => fault.cut.node.as_ref(),
            _ => fault.cut.istiod.as_ref(),
        };
        text.map(place)
    }
}

/// Splits `faults.cut-node.for` into the fault and one of its keys.
#[must_use]
pub fn split_fault(key: &str) -> Option<(&str, &'static str)> {
    let rest = key.strip_prefix("faults.")?;
    FAULT_KEYS
        .into_iter()
        .find_map(|key| Some((rest.strip_suffix(key)?.strip_suffix('.')?, key)))
}
