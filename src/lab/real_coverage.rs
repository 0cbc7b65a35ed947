//! How often the intervals of the built-in experiments hold the truth, measured on their own rows.
//!
//! Ten thousand runs of each design are taken as all there are, so that the truth is known; studies of the experiment's own
//! number of replications are drawn from them, and every measure and the usual comparisons are estimated from each
//! (`examples/coverage_on_real_rows.rs`). The table is part of the program: a result of one of these experiments warns of
//! the measures whose intervals do not hold there.

use super::summary::Summary;

/// The table: experiment, design, measure, replications of a study, share of the studies whose interval holds the truth.
const TABLE: &str = include_str!("real_coverage.csv");
/// Coverage below which a result warns.
pub const COVERAGE_MIN: f64 = 0.93;
/// A result of up to this many times more or fewer replications is warned like a study of the table.
const ALIKE: f64 = 2.0;

#[derive(Clone, Debug, PartialEq)]
pub struct Covered {
    pub experiment: String,
    /// The design, or `A - B` for a difference.
    pub design: String,
    pub measure: String,
    pub replications: u64,
    /// Share of the studies whose interval holds the truth.
    pub coverage: f64,
}

pub fn rows() -> Vec<Covered> {
    TABLE.lines().skip(1).filter_map(row).collect()
}

fn row(line: &str) -> Option<Covered> {
    let mut cells = line.split(',').map(str::to_owned);
    Some(Covered {
        experiment: cells.next()?,
        design: cells.next()?,
        measure: cells.next()?,
        replications: cells.next()?.parse().ok()?,
        coverage: cells.next()?.parse().ok()?,
    })
}

/// The measures of a result whose intervals are known to hold too seldom, with their coverage.
pub fn below(summary: &Summary) -> Vec<Covered> {
    let Some(runs) = summary.designs.iter().map(|design| design.replications).max() else {
        return Vec::new();
    };
    let alike = |row: &Covered| {
        let ratio = runs as f64 / row.replications as f64;
        row.experiment == summary.experiment && (1.0 / ALIKE..=ALIKE).contains(&ratio)
    };
    let shown = |row: &Covered| match row.design.split_once(" - ") {
        None => {
            let design = summary.designs.iter().find(|design| design.name == row.design);
            design.is_some_and(|design| design.measure(&row.measure).is_some())
        }
        Some((a, b)) => summary.comparisons.iter().any(|of| {
            let pair = (of.a.as_str(), of.b.as_str());
            of.measure == row.measure && (pair == (a, b) || pair == (b, a))
        }),
    };
    let found = rows()
        .into_iter()
        .filter(|row| row.coverage < COVERAGE_MIN && alike(row) && shown(row));
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_is_read() {
        let rows = rows();
        assert_eq!(rows.len(), TABLE.lines().count() - 1);
        assert!(
            rows.iter()
                .all(|row| (0.0..=1.0).contains(&row.coverage) && row.replications > 0)
        );
        assert!(rows.iter().any(|row| row.measure == "unauthorized_exposure_service"));
    }
}
