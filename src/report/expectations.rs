//! Expectations and how they came out, for a terminal and for a page.
//!
//! What decides belongs to `lab::expectations`, JUnit to `cli::junit`.

use super::short::{Short, up};
use crate::lab::{Expectation, Summary, Verdict};

pub const fn word(outcome: Verdict) -> &'static str {
    match outcome {
        Verdict::Pass => "pass",
        Verdict::Fail => "FAIL",
        Verdict::Inconclusive => "inconclusive",
    }
}

/// What was seen and why that decides, or does not.
pub fn seen(expectation: &Expectation) -> String {
    let Expectation {
        estimate,
        lower,
        upper,
        unit,
        quantity,
        reason,
        ..
    } = expectation;
    if estimate.is_none() && lower.is_none() && upper.is_none() {
        return reason.clone();
    }
    let short = match (estimate, lower, upper) {
        (None, None, Some(upper)) => format!("< {}{}", up(*upper), if unit == "s" { " s" } else { "" }),
        _ => Short::from_parts(*estimate, *lower, *upper, unit).joined(" "),
    };
    format!("{quantity}: {short}; {reason}")
}

/// What is expected, with its name and the design it is about.
pub fn title(expectation: &Expectation) -> String {
    let text = match &expectation.name {
        Some(name) => format!("{name}: {}", expectation.text),
        None => expectation.text.clone(),
    };
    match &expectation.design {
        Some(design) => format!("{text} [{design}]"),
        None => text,
    }
}

pub fn lines(summary: &Summary) -> Vec<String> {
    let line = |of: &Expectation| format!("expectation {}: {} ({})", word(of.outcome), title(of), seen(of));
    summary.expectations.iter().map(line).collect()
}

/// The rows of a table, head first; empty without expectations.
pub fn rows(summary: &Summary) -> Vec<Vec<String>> {
    if summary.expectations.is_empty() {
        return Vec::new();
    }
    let mut rows = vec![["expected", "design", "outcome", "seen"].map(str::to_owned).to_vec()];
    for of in &summary.expectations {
        let name = of.name.as_ref().map_or(String::new(), |name| format!("{name}: "));
        rows.push(vec![
            format!("{name}`{}`", of.text),
            of.design
                .as_ref()
                .map_or("–".to_owned(), |design| format!("`{design}`")),
            word(of.outcome).to_owned(),
            seen(of),
        ]);
    }
    rows
}
