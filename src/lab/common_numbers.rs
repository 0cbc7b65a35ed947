//! Whether two results share their random numbers, and what else differs between them.
//!
//! Equal replications of two results use the same random events if seed, seed group, scheme and sharing of random numbers
//! are equal; everything else may differ, and is reported, the files of inputs by name. What is made of it belongs to `compare`.

use super::manifest::{Input, Manifest};
use super::plan::RandomNumbers;

/// What differs between two results: first what ends the pairing, then what else a reader should know.
pub fn differences_of(a: &Manifest, b: &Manifest) -> (Vec<String>, Vec<String>) {
    let said = |what: &str, a: &dyn std::fmt::Display, b: &dyn std::fmt::Display| format!("{what}: {a} and {b}");
    let (mut breaking, mut others) = (Vec::new(), Vec::new());
    if a.seed != b.seed {
        breaking.push(said("seed", &a.seed, &b.seed));
    }
    if a.seed_group != b.seed_group {
        breaking.push(said("seed group", &a.seed_group, &b.seed_group));
    }
    if a.random_scheme != b.random_scheme {
        breaking.push(said("scheme of random numbers", &a.random_scheme, &b.random_scheme));
    }
    if a.random_numbers != b.random_numbers {
        let word = |of: &Manifest| match of.random_numbers {
            RandomNumbers::Common => "common",
            RandomNumbers::Independent => "independent",
        };
        breaking.push(said("random numbers", &word(a), &word(b)));
    }
    let short = |digest: &str| digest.get(..12).unwrap_or(digest).to_owned();
    let texts = [
        ("experiment", a.experiment.clone(), b.experiment.clone()),
        ("version", a.version.clone(), b.version.clone()),
        ("inputs", short(&a.input_digest), short(&b.input_digest)),
        (
            "order of ties",
            a.tie_order.word().to_owned(),
            b.tie_order.word().to_owned(),
        ),
        ("horizon", format!("{} s", a.horizon_s), format!("{} s", b.horizon_s)),
        ("replications", a.replications.to_string(), b.replications.to_string()),
        (
            "threshold of delayed pods",
            format!("{} s", a.delayed_threshold_s),
            format!("{} s", b.delayed_threshold_s),
        ),
    ];
    let differing = texts.iter().filter(|(_, a, b)| a != b);
    others.extend(differing.map(|(what, a, b)| said(what, a, b)));
    // Draws are addressed by names: what only one of them describes shifts nothing of what both do.
    let lacks = |of: &Manifest, input: &Input| !of.inputs.iter().any(|other| other == input);
    let mut files: Vec<&str> = a
        .inputs
        .iter()
        .filter(|input| lacks(b, input))
        .map(|i| i.name.as_str())
        .collect();
    files.extend(b.inputs.iter().filter(|input| lacks(a, input)).map(|i| i.name.as_str()));
    files.sort_unstable();
    files.dedup();
    if !files.is_empty() {
        others.push(format!(
            "files {}; equal replications share the random draws of the workloads that both have",
            files.join(", ")
        ));
    }
    (breaking, others)
}
