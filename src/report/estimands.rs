//! The measures of a result by name: what each estimates, and by which methods.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::lab::lists::unique;
use crate::lab::{DesignSummary, Measure, Summary};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimand {
    pub name: String,
    /// Unit; `share` for shares.
    pub unit: String,
    pub estimand: String,
    pub methods: String,
}

pub fn estimands(summary: &Summary) -> Vec<Estimand> {
    let of = |(name, measure): (&str, &Measure)| {
        let methods = summary
            .designs
            .iter()
            .filter_map(|design| Some(design.measure(name)?.method.as_str()));
        Estimand {
            name: name.to_owned(),
            unit: match measure.unit.as_str() {
                "1" => "share".to_owned(),
                unit => unit.to_owned(),
            },
            estimand: measure.estimand.clone(),
            methods: unique(methods).join("; "),
        }
    };
    measures(summary).into_iter().map(of).collect()
}

pub fn measures(summary: &Summary) -> IndexMap<&str, &Measure> {
    let mut names: IndexMap<&str, &Measure> = IndexMap::new();
    // The design with most measures first, so that the order is the intended one.
    let mut designs: Vec<&DesignSummary> = summary.designs.iter().collect();
    designs.sort_by_key(|design| std::cmp::Reverse(design.measures.len()));
    for (name, measure) in designs.iter().flat_map(|design| &design.measures) {
        names.entry(name).or_insert(measure);
    }
    names
}
