//! How many runs it takes for an interval of a given width, estimated from the result at hand.
//!
//! The width of an interval falls with the root of the number of runs, so one result shows how many it takes. A share that
//! was 0 or 1 in all runs has a bound that falls with their number itself. These are estimates: a tail that has not been
//! seen yet needs more.

use super::short::{NOTHING, count, number};
use super::table::present;
use crate::lab::{DesignSummary, Measure, Summary};

/// Half-width for shares: one percentage point.
const POINT: f64 = 0.01;
/// Half-width for other measures, in units of the estimate.
const RELATIVE: f64 = 0.05;

/// Runs of each design for the key measures: a row per design, heads first; nothing without measures.
pub fn rows(summary: &Summary) -> Vec<Vec<String>> {
    let keys = present(summary);
    let head = |measure: &str| {
        let share = summary
            .designs
            .iter()
            .find_map(|design| design.measure(measure))
            .is_some_and(is_share);
        let width = if share { "± 1 point" } else { "± 5%" };
        format!("`{measure}` {width}")
    };
    let mut rows = vec![vec!["design".to_owned()]];
    rows[0].extend(keys.iter().map(|key| head(&key.name)));
    for design in &summary.designs {
        let mut row = vec![format!("`{}`", design.name)];
        row.extend(keys.iter().map(|key| cell(design, &key.name)));
        rows.push(row);
    }
    if keys.is_empty() { Vec::new() } else { rows }
}

fn cell(design: &DesignSummary, measure: &str) -> String {
    let sound = design.replications - design.failed;
    let needed = design.measure(measure).and_then(|measure| needed(measure, sound));
    needed.map_or_else(|| NOTHING.to_owned(), |runs| count(rounded(runs)))
}

fn is_share(measure: &Measure) -> bool {
    measure.unit == "1"
}

/// Runs for the width of a measure, if `runs` gave this interval.
fn needed(measure: &Measure, runs: u64) -> Option<f64> {
    let (estimate, lower, upper) = (measure.estimate?, measure.lower, measure.upper?);
    let lower = lower.unwrap_or(estimate);
    let arm = (estimate - lower).max(upper - estimate);
    let wanted = if is_share(measure) {
        POINT
    } else {
        RELATIVE * estimate.abs()
    };
    if !(arm > 0.0 && wanted > 0.0) {
        return None;
    }
    let ratio = arm / wanted;
    let bound_only = is_share(measure) && (estimate == 0.0 || estimate == 1.0);
    Some(runs as f64 * if bound_only { ratio } else { ratio * ratio })
}

/// Up to two digits that count, so that it is not taken for exact.
fn rounded(runs: f64) -> u64 {
    let step = libm::pow(10.0, (libm::floor(libm::log10(runs.max(1.0))) - 1.0).max(0.0));
    (libm::ceil(runs / step - 1e-9) * step) as u64
}

/// What a number of runs can say about a share of runs, before any is made: the largest half-width and the bound after no
/// event, in a sentence.
pub fn before(runs: u64) -> String {
    let widest = crate::stats::share_of_runs(runs / 2, runs, 0.95);
    let arm = widest
        .lower
        .zip(widest.upper)
        .map_or(0.5, |(lower, upper)| (upper - lower) / 2.0);
    let never = crate::stats::zero_event_upper(runs, 0.95).unwrap_or(1.0);
    let more = rounded(runs as f64 * (arm / POINT) * (arm / POINT));
    format!(
        "{} replications give a share of runs to ± {} points or better, and bound what never happens to at most {}% of runs; ± 1 point \
         needs up to {}.",
        count(runs),
        number(100.0 * arm),
        number(100.0 * never),
        count(more)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::share_of_runs;

    fn share(events: u64, runs: u64) -> Measure {
        Measure::new("", "1", share_of_runs(events, runs, 0.95))
    }

    #[test]
    fn the_runs_that_are_advised_give_the_width() {
        for (events, runs) in [(30, 100), (500, 1000), (20, 1000), (0, 60), (100, 100)] {
            let advised = rounded(needed(&share(events, runs), runs).unwrap());
            let p = events as f64 / runs as f64;
            let then = share((p * advised as f64).round() as u64, advised);
            let arm = (then.estimate.unwrap() - then.lower.unwrap()).max(then.upper.unwrap() - then.estimate.unwrap());
            assert!(
                (0.007..=0.0102).contains(&arm),
                "{events} of {runs}: {advised} runs give {arm}"
            );
        }
    }

    #[test]
    fn nothing_is_advised_without_an_interval() {
        let bare = Measure::extreme("", "s", Some(3.0), 10);
        assert_eq!(needed(&bare, 10), None);
        assert_eq!([1.0, 9.0, 96.3, 9604.0].map(rounded), [1, 9, 97, 9700]);
    }
}
