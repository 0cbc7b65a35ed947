//! What was run, in names and values, and what is to be noted of the designs: the same on every page.

use serde::{Deserialize, Serialize};

use super::design_names::design_names;
use super::short::count;
use crate::lab::{Manifest, PlannedDesign, RandomNumbers};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    pub designs: String,
    pub text: String,
}

/// Remarks on designs; what is said of all of them is said once.
pub fn notes(designs: &[PlannedDesign]) -> Vec<Note> {
    let mut found: indexmap::IndexMap<&str, Vec<usize>> = indexmap::IndexMap::new();
    for (at, design) in designs.iter().enumerate() {
        for note in &design.notes {
            found.entry(note).or_default().push(at);
        }
    }
    let note = |(text, having): (&str, Vec<usize>)| Note {
        designs: match design_names(designs, &having) {
            all if all == "all" => "all designs".to_owned(),
            some => some,
        },
        text: text.to_owned(),
    };
    found.into_iter().map(note).collect()
}

/// What identifies a result, as names and values: what a reader compares before trusting that two results are one.
pub fn facts(manifest: &Manifest) -> Vec<(String, String)> {
    let mut facts = vec![
        ("Experiment", manifest.experiment.clone()),
        ("Version", format!("meshfault {}", manifest.version)),
        (
            "Replications",
            format!(
                "{} of {} per design",
                count(manifest.replications),
                count(manifest.replications_planned)
            ),
        ),
        (
            "Seed",
            format!(
                "{}, group {}, scheme {}",
                manifest.seed, manifest.seed_group, manifest.random_scheme
            ),
        ),
        (
            "Common random numbers",
            match manifest.random_numbers {
                RandomNumbers::Common => "on: equal replications share their random events".to_owned(),
                RandomNumbers::Independent => "off: every design has random numbers of its own".to_owned(),
            },
        ),
        ("Order of ties", manifest.tie_order.word().to_owned()),
        ("Horizon", format!("{} s", manifest.horizon_s)),
        ("Row format", manifest.row_format.clone()),
        ("Input digest", manifest.input_digest.clone()),
        ("Plan digest", manifest.plan_digest.clone()),
        (
            "Result digest",
            manifest.result_digest.clone().unwrap_or_else(|| "none".to_owned()),
        ),
    ];
    if let Some(stopping) = &manifest.stopping {
        facts.push((
            "Stopped",
            format!(
                "{}; {} looks at most, which decide by the widths of the intervals alone",
                stopping.reason,
                stopping.checkpoints.len(),
            ),
        ));
    }
    facts.into_iter().map(|(what, text)| (what.to_owned(), text)).collect()
}
