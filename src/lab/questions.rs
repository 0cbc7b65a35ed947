//! What an experiment asks of its rows beyond the measures that are always made: rates of traffic for the conditional
//! estimators, expectations, margins of differences that do not matter, and what the result is set beside.
//!
//! Part of plan and manifest, so that a stored result can be asked again. It changes no row.

use serde::{Deserialize, Serialize};

use crate::scenario::asked::{Published, TrafficRate};
use crate::scenario::expectations::Expected;
use crate::scenario::margins::Margin;

/// The questions of an experiment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Questions {
    /// Rates of traffic from each watched client to each watched server; empty if exposure is not watched.
    #[serde(default)]
    pub traffic_rates: Vec<TrafficRate>,
    /// The measures that answer the question, most telling first; empty for those of access and startup.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headline: Vec<String>,
    /// What is expected of the result.
    #[serde(default)]
    pub expectations: Vec<Expected>,
    /// Differences that do not matter, by measure.
    #[serde(default)]
    pub margins: Vec<Margin>,
    /// What was published about what the experiment reproduces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
}
