//! Differences of designs by equal runs, as the summary has them.

use super::{methods, subtitle};
use crate::lab::compare::excludes_zero;
use crate::lab::measures::label;
use crate::lab::{Comparison, Finished};
use crate::report::compare::{number_of_nines, together};
use crate::report::figures::Words;
use crate::report::figures::forest::{ForestFigure, ForestGroup, ForestRow};

/// The differences; nothing if no difference could be estimated.
pub(super) fn differences(result: &Finished) -> Option<ForestFigure> {
    let summary = &result.summary;
    let mut groups: Vec<ForestGroup> = Vec::new();
    for comparison in &summary.comparisons {
        let row = row(comparison);
        match groups.iter_mut().find(|group| group.measure == comparison.measure) {
            Some(group) => group.rows.push(row),
            None => groups.push(ForestGroup {
                measure: comparison.measure.clone(),
                label: label(&comparison.measure),
                unit: comparison.unit.clone(),
                rows: vec![row],
            }),
        }
    }
    // A measure of which nothing could be compared is left out.
    groups.retain(|group| group.rows.iter().any(|row| row.difference.is_some()));
    let rows = || groups.iter().flat_map(|group| &group.rows);
    let estimated = rows().filter(|row| row.difference.is_some()).count();
    let apart = rows().filter(|row| excludes_zero(row.lower, row.upper)).count();
    if estimated == 0 {
        return None;
    }
    let confidence = rows().map(|row| row.confidence).fold(f64::NAN, f64::min);
    let title = match (apart, estimated) {
        (0, _) => "No difference between designs is statistically significant".to_owned(),
        (1, estimated) => format!("1 of {estimated} differences between designs is statistically significant"),
        (apart, estimated) => {
            format!("{apart} of {estimated} differences between designs are statistically significant")
        }
    };
    let used = methods(rows().map(|row| row.method.split(", common random").next().unwrap_or_default()));
    Some(ForestFigure {
        words: Words {
            title,
            subtitle: format!(
                "differences of designs, run by run with common random numbers, with {}% intervals\n{}",
                number_of_nines(100.0 * confidence),
                subtitle(result)
            ),
            caption: format!(
                "Filled squares: the interval excludes zero. {} Methods: {used}. n is the number of pairs of runs, {}.",
                together(summary.comparisons.len(), confidence, false),
                pairs(&groups)
            ),
        },
        groups,
    })
}

fn row(comparison: &Comparison) -> ForestRow {
    ForestRow {
        a: comparison.a.clone(),
        b: comparison.b.clone(),
        difference: comparison.difference,
        lower: comparison.lower,
        upper: comparison.upper,
        confidence: comparison.confidence,
        method: comparison.method.clone(),
        pairs: comparison.n,
    }
}

fn pairs(groups: &[ForestGroup]) -> String {
    let all = || groups.iter().flat_map(|group| &group.rows).map(|row| row.pairs);
    let (least, most) = (all().min().unwrap_or(0), all().max().unwrap_or(0));
    let count = crate::report::short::count;
    match least == most {
        true => count(least),
        false => format!("{} to {}", count(least), count(most)),
    }
}
