//! A finding: what many measures together say about one question, as an introduction, a table with a row per design, and a few
//! points. Which findings there are belongs to their files (`reuse`, `slow_pods`); pages show them.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub heading: String,
    /// What has to be known to read the table.
    pub lead: String,
    pub heads: Vec<String>,
    pub rows: Vec<FindingRow>,
    /// What follows, a sentence or two each; names of designs are between backticks.
    pub points: Vec<String>,
    /// What the letters in it mean.
    #[serde(default)]
    pub legend: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingRow {
    pub design: String,
    pub cells: Vec<String>,
}
