//! The synthetic studies of the table of coverages: populations like those of results, with a known truth.
//!
//! Sizes are those at which the intervals are used, mostly 100 to 1000 runs. There are fewer studies where the time of the test
//! demands it; the table states how many.

use super::coverage_pairs::differences;
use super::coverage_table::{CONFIDENCE, Claim, Row, STUDIES, holds, row, row_at, row_of};
use super::coverage_waits::waits;
use super::testing::Words;
use super::*;

use Claim::{AtLeast, Below, Nominal};

/// Studies of slow intervals.
pub(super) const STUDIES_SLOW: u32 = 2_000;
/// Nominal coverage of one of a family of forty claims, about.
pub(super) const FAMILY: f64 = 0.999;

/// All rows, in the order of the document.
pub(super) fn rows() -> Vec<Row> {
    let mut rows = shares_of_runs();
    rows.extend(shares_of_pods());
    rows.extend(means());
    rows.extend(waits());
    rows.extend(differences());
    rows
}

fn shares_of_runs() -> Vec<Row> {
    let share = |n: u64, p: f64, interval: fn(u64, u64, f64) -> Estimate| {
        move |words: &mut Words| interval(words.binomial(n, p), n, CONFIDENCE)
    };
    vec![
        row_of(
            "Wilson",
            "1000 runs, a probability uniform in 0.02 to 0.98",
            Nominal,
            STUDIES,
            |words| {
                let p = 0.02 + 0.96 * words.uniform();
                holds(&wilson(words.binomial(1000, p), 1000, CONFIDENCE), p)
            },
        ),
        row_of(
            "Wilson",
            "100 runs, a probability uniform in 0.1 to 0.9",
            Nominal,
            STUDIES,
            |words| {
                let p = 0.1 + 0.8 * words.uniform();
                holds(&wilson(words.binomial(100, p), 100, CONFIDENCE), p)
            },
        ),
        row(
            "share of runs, Clopper-Pearson",
            "1000 runs, probability 0.00302",
            AtLeast,
            STUDIES,
            0.00302,
            share(1000, 0.00302, share_of_runs),
        ),
        row(
            "share of runs, Clopper-Pearson",
            "1000 runs, probability 0.0037, just above the bound without events",
            AtLeast,
            STUDIES,
            0.0037,
            share(1000, 0.0037, share_of_runs),
        ),
        row(
            "share of runs, Clopper-Pearson",
            "100 runs, probability 0.3",
            AtLeast,
            STUDIES,
            0.3,
            share(100, 0.3, share_of_runs),
        ),
        row(
            "share of runs, Clopper-Pearson",
            "1000 runs, probability 0.35",
            AtLeast,
            STUDIES,
            0.35,
            share(1000, 0.35, share_of_runs),
        ),
    ]
}

/// Runs of `units` pods whose common probability is Beta(1, 9): mean 0.1, design effect 1 + (units − 1)/11.
fn clustered(words: &mut Words, runs: usize, units: u64) -> Vec<(u64, u64)> {
    let mut run = || {
        let p = 1.0 - libm::pow(words.uniform(), 1.0 / 9.0);
        (words.binomial(units, p), units)
    };
    (0..runs).map(|_| run()).collect()
}

/// Runs of 20 pods that all have the event, with this probability, or none of them.
fn all_or_nothing(words: &mut Words, runs: usize, p: f64) -> Vec<(u64, u64)> {
    (0..runs)
        .map(|_| (if words.uniform() < p { 20 } else { 0 }, 20))
        .collect()
}

fn shares_of_pods() -> Vec<Row> {
    vec![
        row(
            "ratio of sums, logit scale",
            "20 runs of 50 pods, share 0.1, design effect 5.5",
            Nominal,
            STUDIES,
            0.1,
            |words| ratio_of_sums(&clustered(words, 20, 50), CONFIDENCE),
        ),
        row(
            "ratio of sums, logit scale",
            "40 runs of 50 pods, share 0.1, design effect 5.5",
            Nominal,
            STUDIES,
            0.1,
            |words| ratio_of_sums(&clustered(words, 40, 50), CONFIDENCE),
        ),
        row(
            "ratio of sums, logit scale",
            "300 runs of 15 pods, share 0.1, design effect 2.3",
            Nominal,
            STUDIES,
            0.1,
            |words| ratio_of_sums(&clustered(words, 300, 15), CONFIDENCE),
        ),
        row(
            "ratio of sums",
            "100 runs of 15 pods, share 0.5, uniform in each run",
            Nominal,
            STUDIES,
            0.5,
            |words| {
                let runs: Vec<(u64, u64)> = (0..100)
                    .map(|_| {
                        let p = words.uniform();
                        (words.binomial(15, p), 15)
                    })
                    .collect();
                ratio_of_sums(&runs, CONFIDENCE)
            },
        ),
        row(
            "ratio of sums, Korn-Graubard",
            "1000 runs of 20 pods, all or none in a run, share 0.004",
            AtLeast,
            STUDIES,
            0.004,
            |words| ratio_of_sums(&all_or_nothing(words, 1000, 0.004), CONFIDENCE),
        ),
        row(
            "ratio of sums, bound without events",
            "1000 runs of 20 pods, all or none in a run, share 0.0005",
            AtLeast,
            STUDIES,
            0.0005,
            |words| ratio_of_sums(&all_or_nothing(words, 1000, 0.0005), CONFIDENCE),
        ),
    ]
}

fn means() -> Vec<Row> {
    let exponential = |words: &mut Words| words.exponential();
    let log_normal = |words: &mut Words| libm::exp(words.normal());
    // Exposure of runs: none in most, else exponential.
    let rare = |any: f64| {
        move |words: &mut Words| {
            if words.uniform() < any {
                words.exponential()
            } else {
                0.0
            }
        }
    };
    // Exposure of `cilium-only` in `istiod-cut-off`: 0.18 % of the runs hold 1674 s, 2.2 % none, the others about 41 s.
    let open_to_the_end = |words: &mut Words| match words.uniform() {
        u if u < 0.0018 => 1674.0,
        u if u < 0.024 => 0.0,
        _ => 35.0 + 6.0 * words.exponential(),
    };
    let truth_open = 0.0018 * 1674.0 + 0.976 * 41.0;
    // The probability of an access at a rate in such runs.
    let nearly_one = |words: &mut Words| match words.uniform() {
        u if u < 0.022 => 0.0,
        _ => 1.0 - 0.0001 * words.uniform(),
    };
    let truth_nearly_one = 0.978 * (1.0 - 0.00005);
    vec![
        row("Student t", "10 normal values", Nominal, STUDIES, 3.0, |words| {
            let values: Vec<f64> = (0..10).map(|_| 3.0 + 2.0 * words.normal()).collect();
            mean_t(&values, CONFIDENCE)
        }),
        mean("30 exponential values", Nominal, 30, 1.0, None, CONFIDENCE, exponential),
        mean(
            "100 exponential values",
            Nominal,
            100,
            1.0,
            None,
            CONFIDENCE,
            exponential,
        ),
        mean(
            "1000 exponential values",
            Nominal,
            1000,
            1.0,
            None,
            CONFIDENCE,
            exponential,
        ),
        mean("100 exponential values", Nominal, 100, 1.0, None, FAMILY, exponential),
        mean(
            "300 values, 0 in seven of ten, else exponential",
            Nominal,
            300,
            0.3,
            None,
            CONFIDENCE,
            rare(0.3),
        ),
        mean(
            "1000 values, 0 in 95 of 100, else exponential",
            Nominal,
            1000,
            0.05,
            None,
            CONFIDENCE,
            rare(0.05),
        ),
        mean(
            "1000 values, 15 not 0, exponential",
            Nominal,
            1000,
            0.015,
            None,
            CONFIDENCE,
            rare(0.015),
        ),
        mean(
            "1000 values, 3 not 0, exponential",
            Below,
            1000,
            0.003,
            None,
            CONFIDENCE,
            rare(0.003),
        ),
        mean(
            "1000 values of at most 600, 3 not 0, exponential",
            AtLeast,
            1000,
            0.003,
            Some(600.0),
            CONFIDENCE,
            rare(0.003),
        ),
        mean(
            "100 log-normal values (skewness 6)",
            Nominal,
            100,
            libm::exp(0.5),
            None,
            CONFIDENCE,
            log_normal,
        ),
        mean(
            "1000 log-normal values (skewness 6)",
            Nominal,
            1000,
            libm::exp(0.5),
            None,
            CONFIDENCE,
            log_normal,
        ),
        mean(
            "60 values, 0.18 % of them 1674 of at most 1800",
            AtLeast,
            60,
            truth_open,
            Some(1800.0),
            CONFIDENCE,
            open_to_the_end,
        ),
        mean(
            "500 values, 0.18 % of them 1674 of at most 1800",
            AtLeast,
            500,
            truth_open,
            Some(1800.0),
            CONFIDENCE,
            open_to_the_end,
        ),
        mean(
            "2000 values, 0.18 % of them 1674 of at most 1800",
            AtLeast,
            2000,
            truth_open,
            Some(1800.0),
            CONFIDENCE,
            open_to_the_end,
        ),
        mean(
            "60 values, 2.2 % of them 0, else nearly 1 of at most 1",
            AtLeast,
            60,
            truth_nearly_one,
            Some(1.0),
            CONFIDENCE,
            nearly_one,
        ),
        mean(
            "500 values, 2.2 % of them 0, else nearly 1 of at most 1",
            AtLeast,
            500,
            truth_nearly_one,
            Some(1.0),
            CONFIDENCE,
            nearly_one,
        ),
    ]
}

fn mean(
    study: &'static str,
    claim: Claim,
    runs: usize,
    truth: f64,
    most: Option<f64>,
    confidence: f64,
    value: impl Fn(&mut Words) -> f64 + Sync,
) -> Row {
    let studies = if runs > 100 { STUDIES_SLOW / 2 } else { STUDIES_SLOW };
    row_at("mean of runs", study, claim, studies, confidence, |words| {
        let values: Vec<f64> = (0..runs).map(|_| value(words)).collect();
        holds(&mean_of_runs(&values, most, confidence), truth)
    })
}
