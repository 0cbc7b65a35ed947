//! Whether two results share their random numbers, and what else differs between them.
//!
//! Equal replications of two results meet the same misfortunes if seed, seed group and scheme of random numbers are equal;
//! everything else may differ, and is told. What is made of it belongs to `compare`.

use super::manifest::Manifest;

/// What differs between two results: first what ends the pairing, then what else a reader should know.
#[must_use]
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
    (breaking, others)
}
