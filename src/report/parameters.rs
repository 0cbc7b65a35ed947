//! The model's parameters as rows: one per name and value, with the designs that have it. Pages and summaries show them.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::design_names::design_names;
use crate::lab::{Manifest, PlannedParameter};
use crate::scenario::point_name::base_of;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParameterRow {
    pub name: String,
    /// Value with its unit, as a user would write it.
    pub value: String,
    pub source: String,
    /// Confidence: source code, documented, measured or assumed.
    pub confidence: String,
    /// Whether the value is an assumption.
    pub assumed: bool,
    /// Whether the experiment overrides the parameter set.
    pub overridden: bool,
    pub designs: String,
}

/// All parameters by name. Of the points of a design after the first the manifest lists only parameters that differ from it;
/// here every point has all of its own.
pub fn rows(manifest: &Manifest) -> Vec<ParameterRow> {
    let designs = &manifest.designs;
    let mut found: IndexMap<(&str, &str), (&PlannedParameter, Vec<usize>)> = IndexMap::new();
    for (at, design) in designs.iter().enumerate() {
        let first = designs
            .iter()
            .position(|other| base_of(&other.name) == base_of(&design.name));
        let shared = first
            .filter(|first| *first != at)
            .map(|first| &designs[first].parameters);
        let own = |name: &str| design.parameters.iter().any(|own| own.name == name);
        let inherited = shared.into_iter().flatten().filter(|parameter| !own(&parameter.name));
        for parameter in design.parameters.iter().chain(inherited) {
            let entry = found.entry((&parameter.name, &parameter.value));
            entry.or_insert((parameter, Vec::new())).1.push(at);
        }
    }
    let mut rows: Vec<ParameterRow> = found
        .into_values()
        .map(|(parameter, having)| ParameterRow {
            name: parameter.name.clone(),
            value: parameter.value.clone(),
            source: parameter.source.clone(),
            confidence: parameter.confidence.clone(),
            assumed: parameter.is_assumed(),
            overridden: parameter.overridden,
            designs: design_names(designs, &having),
        })
        .collect();
    rows.sort_by(|left, right| left.name.cmp(&right.name));
    rows
}
