//! The form of factors in an experiment file: keys with the places where they were written.
//!
//! Belongs here: types that mirror the file. Does not belong here: what they mean (`levels`, `target`).

use serde::Deserialize;

use crate::scenario::schema::Text;

/// A factor: what it sets, and to which values.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FactorForm {
    /// What it sets: a key as it is written for `--set`, a parameter such as `kubernetes.node_monitor_grace_period`, or a version:
    /// `kubernetes`, `cilium`, `istio`.
    pub set: Text,
    /// The values, one by one.
    pub values: Option<Vec<Text>>,
    /// The lower end of a range, with its unit.
    pub from: Option<Text>,
    /// The upper end of a range, in the same unit.
    pub to: Option<Text>,
    /// How many values are taken from the range, ends included; a range without steps is sampled.
    pub steps: Option<Text>,
    /// How values lie in the range: `linear`, the default, or `log`.
    pub scale: Option<Text>,
    /// Whether values of a range are whole numbers; without it, where the target takes nothing else.
    pub whole: Option<Text>,
}

/// How ranges without steps are sampled, all together.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SamplingForm {
    /// `latin_hypercube` or `sobol`.
    pub method: Text,
    /// How many points.
    pub points: Text,
    /// Whether Sobol' points are shifted at random; the default is `true`.
    pub shift: Option<Text>,
}
