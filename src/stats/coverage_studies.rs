//! The synthetic studies of the table of coverages: populations like those of results, with a known truth.
//!
//! Sizes are those at which the intervals are used, mostly 100 to 1000 runs. Studies of bootstrap intervals take 400
//! resamples in place of 2000, and fewer studies where the time of the test demands it; the table says how many.

use super::coverage_pairs::differences;
use super::coverage_table::{CONFIDENCE, Claim, Row, STUDIES, holds, row, row_of};
use super::coverage_waits::{clustered_waits, independent_waits};
use super::mean::mean_bca;
use super::testing::Words;
use super::*;

use Claim::{AtLeast, Below, Nominal};

/// Studies of a bootstrap of many numbers.
pub(super) const STUDIES_BOOTSTRAP: u32 = 2_000;
/// How bootstraps of studies are made.
pub(super) const OPTIONS: BootstrapOptions = BootstrapOptions {
    confidence: CONFIDENCE,
    resamples: 400,
};

/// All rows, in the order of the document.
pub(super) fn rows() -> Vec<Row> {
    let mut rows = shares_of_runs();
    rows.extend(shares_of_pods());
    rows.extend(means());
    rows.extend(clustered_waits());
    rows.extend(independent_waits());
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
            "Clopper-Pearson",
            "1000 runs, probability 0.003",
            AtLeast,
            STUDIES,
            0.003,
            share(1000, 0.003, clopper_pearson),
        ),
        row(
            "Clopper-Pearson",
            "100 runs, probability 0.3",
            AtLeast,
            STUDIES,
            0.3,
            share(100, 0.3, clopper_pearson),
        ),
        row_of(
            "upper bound after no event",
            "1000 runs, probability 0.0032, just above the bound",
            AtLeast,
            STUDIES,
            |words| {
                // The bound alone: studies with events have an upper bound of their own.
                share_of_runs(words.binomial(1000, 0.0032), 1000, CONFIDENCE)
                    .upper
                    .is_some_and(|upper| 0.0032 <= upper)
            },
        ),
        row(
            "share of runs as in results",
            "1000 runs, probability 0.00302, just above the bound after no event",
            Below,
            STUDIES,
            0.00302,
            share(1000, 0.00302, share_of_runs),
        ),
        row(
            "share of runs as in results",
            "1000 runs, probability 0.005: the counts choose the interval",
            AtLeast,
            STUDIES,
            0.005,
            share(1000, 0.005, share_of_runs),
        ),
        row(
            "share of runs as in results",
            "1000 runs, probability 0.35",
            Nominal,
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
    let exponential = |n: usize| move |words: &mut Words| -> Vec<f64> { (0..n).map(|_| words.exponential()).collect() };
    let log_normal =
        |n: usize| move |words: &mut Words| -> Vec<f64> { (0..n).map(|_| libm::exp(words.normal())).collect() };
    // Exposure of runs: none in seven of ten, else exponential.
    let rare = |n: usize| {
        move |words: &mut Words| -> Vec<f64> {
            let mut one = || match words.uniform() < 0.7 {
                true => 0.0,
                false => words.exponential(),
            };
            (0..n).map(|_| one()).collect()
        }
    };
    fn as_in_results(words: &mut Words, values: &[f64]) -> Estimate {
        mean_of_runs(values, &OPTIONS, &mut || words.word())
    }
    fn bca(words: &mut Words, values: &[f64]) -> Estimate {
        mean_bca(values, &OPTIONS, &mut || words.word())
    }
    vec![
        row("Student t", "10 normal values", Nominal, STUDIES, 3.0, |words| {
            let values: Vec<f64> = (0..10).map(|_| 3.0 + 2.0 * words.normal()).collect();
            mean_t(&values, CONFIDENCE)
        }),
        row("Student t", "1000 exponential values", Nominal, STUDIES, 1.0, |words| {
            mean_t(&exponential(1000)(words), CONFIDENCE)
        }),
        row(
            "mean of runs as in results",
            "100 exponential values: skewness chooses BCa or t",
            Below,
            STUDIES,
            1.0,
            |words| {
                let values = exponential(100)(words);
                as_in_results(words, &values)
            },
        ),
        row(
            "mean of runs as in results",
            "300 exponential values: mostly t",
            Nominal,
            STUDIES,
            1.0,
            |words| {
                let values = exponential(300)(words);
                as_in_results(words, &values)
            },
        ),
        row(
            "mean of runs as in results",
            "300 values, 0 in seven of ten, else exponential",
            Nominal,
            STUDIES_BOOTSTRAP,
            0.3,
            |words| {
                let values = rare(300)(words);
                as_in_results(words, &values)
            },
        ),
        row(
            "BCa",
            "30 log-normal values (skewness 6)",
            Below,
            STUDIES_BOOTSTRAP,
            libm::exp(0.5),
            |words| {
                let values = log_normal(30)(words);
                bca(words, &values)
            },
        ),
        row(
            "BCa",
            "300 log-normal values (skewness 6)",
            Nominal,
            STUDIES_BOOTSTRAP,
            libm::exp(0.5),
            |words| {
                let values = log_normal(300)(words);
                bca(words, &values)
            },
        ),
    ]
}
