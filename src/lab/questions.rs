//! What an experiment asks of its rows beyond the measures that are always made: rates of traffic for the conditional
//! estimators, expectations, and margins of differences that do not matter.
//!
//! Part of plan and manifest, so that a stored result can be asked again. It changes no row.

use serde::{Deserialize, Serialize};

use crate::scenario::asked::TrafficRate;
use crate::scenario::expectations::Expected;
use crate::scenario::margins::Margin;

/// The questions of an experiment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Questions {
    /// Rates of traffic from each watched client to each watched server; empty if exposure is not watched.
    #[serde(default)]
    pub traffic_rates: Vec<TrafficRate>,
    /// What is expected of the result.
    #[serde(default)]
    pub expectations: Vec<Expected>,
    /// Differences that do not matter, by measure.
    #[serde(default)]
    pub margins: Vec<Margin>,
}
