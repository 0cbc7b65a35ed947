//! The synthetic studies of differences between two designs, for the table of coverages: those of `compare` and of expectations
//! that name two designs, for equal runs and for independent ones.

use super::bootstrap::BootstrapOptions;
use super::coverage_studies::STUDIES_BOOTSTRAP;
use super::coverage_table::{CONFIDENCE, Claim, Row, STUDIES, row};
use super::paired_quantile::{QuantileDifference, quantile_difference};
use super::testing::Words;
use super::*;

use Claim::{AtLeast, Below, Nominal};

/// Studies of the slowest interval, which resamples two samples of waits.
const STUDIES_QUANTILE: u32 = 1_000;
const OPTIONS: BootstrapOptions = BootstrapOptions {
    confidence: CONFIDENCE,
    resamples: 400,
};

/// All rows.
pub(super) fn differences() -> Vec<Row> {
    let mut rows = of_means();
    rows.extend(of_shares());
    rows.extend(of_pods());
    rows.extend(independent());
    rows
}

fn of_means() -> Vec<Row> {
    vec![
        row(
            "paired t",
            "12 runs, normal, correlation 0.9",
            Nominal,
            STUDIES,
            0.5,
            |words| {
                let (mut a, mut b) = ([0.0; 12], [0.0; 12]);
                for run in 0..12 {
                    let shared = 3.0 * words.normal();
                    a[run] = 0.5 + shared + words.normal();
                    b[run] = shared + words.normal();
                }
                paired_t(&a, &b, CONFIDENCE).difference
            },
        ),
        row(
            "paired t",
            "1000 runs, exponential minus half of it",
            Nominal,
            STUDIES,
            0.5,
            |words| {
                let (a, b): (Vec<f64>, Vec<f64>) = (0..1000)
                    .map(|_| words.exponential())
                    .map(|shared| (shared, 0.5 * shared))
                    .unzip();
                paired_t(&a, &b, CONFIDENCE).difference
            },
        ),
    ]
}

/// Counts of pairs of runs in which one design, the other, or neither had the event.
fn counts(words: &mut Words, n: u64, a_only: f64, b_only: f64) -> PairedCounts {
    let mut counts = PairedCounts::default();
    for _ in 0..n {
        let u = words.uniform();
        counts.a_only += u64::from(u < a_only);
        counts.b_only += u64::from(u > 1.0 - b_only);
    }
    counts.neither = n - counts.a_only - counts.b_only;
    counts
}

fn of_shares() -> Vec<Row> {
    let plain = |n: u64, a_only: f64, b_only: f64| {
        move |words: &mut Words| agresti_min(&counts(words, n, a_only, b_only), CONFIDENCE)
    };
    let as_in_results = |n: u64, a_only: f64, b_only: f64| {
        move |words: &mut Words| share_difference(&counts(words, n, a_only, b_only), CONFIDENCE).estimate
    };
    vec![
        row(
            "Agresti-Min",
            "1000 runs, 10 % and 5 % discordant",
            Nominal,
            STUDIES,
            0.05,
            plain(1000, 0.10, 0.05),
        ),
        row(
            "Agresti-Min",
            "200 runs, 3 % discordant either way",
            AtLeast,
            STUDIES,
            0.0,
            plain(200, 0.03, 0.03),
        ),
        row(
            "Agresti-Min",
            "1000 runs, 31 % discordant, one way only",
            Nominal,
            STUDIES,
            0.31,
            plain(1000, 0.31, 0.0),
        ),
        row(
            "difference of shares as in results",
            "1000 runs, 0.6 % and 0.2 % discordant: the counts choose Tango or Agresti-Min",
            Nominal,
            STUDIES,
            0.004,
            as_in_results(1000, 0.006, 0.002),
        ),
        row(
            "difference of shares as in results",
            "1000 runs, 0.4 % discordant, one way only",
            Below,
            STUDIES,
            0.004,
            as_in_results(1000, 0.004, 0.0),
        ),
        row(
            "difference of shares as in results",
            "200 runs, 20 % discordant either way",
            Nominal,
            STUDIES,
            0.0,
            as_in_results(200, 0.2, 0.2),
        ),
    ]
}

fn of_pods() -> Vec<Row> {
    vec![
        row(
            "difference of ratios of sums",
            "80 runs of 6 to 14 pods, both designs slow by the same misfortune",
            Nominal,
            STUDIES_BOOTSTRAP,
            0.15,
            |words| {
                let (mut a, mut b) = (Vec::new(), Vec::new());
                for _ in 0..80 {
                    let misfortune = words.uniform();
                    let pods = 6 + words.word() % 9;
                    a.push((words.binomial(pods, 0.6 * misfortune + 0.05), pods));
                    b.push((words.binomial(pods, 0.3 * misfortune + 0.05), pods));
                }
                ratio_difference(&a, &b, 1.0, &OPTIONS, &mut || words.word()).estimate
            },
        ),
        row(
            "difference of p90 of waits, the same runs resampled",
            "100 runs of 5 pods, both designs slow by the same misfortune",
            AtLeast,
            STUDIES_QUANTILE,
            2.0,
            |words| quantiles(words, true),
        ),
        row(
            "difference of p90 of waits, resampled apart",
            "100 runs of 5 pods, two designs without anything in common",
            Nominal,
            STUDIES_QUANTILE,
            2.0,
            |words| quantiles(words, false),
        ),
    ]
}

/// Waits of two designs, of which one is two seconds slower, and the interval of the difference of their 90 % quantiles.
fn quantiles(words: &mut Words, paired: bool) -> Estimate {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for run in 0..100 {
        let slowness = 20.0 * words.uniform();
        let of_b = if paired { slowness } else { 20.0 * words.uniform() };
        for _ in 0..5 {
            let mut wait = |begin: f64| Observation {
                run,
                time_ns: ((begin + 4.0 * words.uniform()) * 1e9) as u64,
                outcome: Outcome::Event,
            };
            a.push(wait(slowness + 2.0));
            b.push(wait(of_b));
        }
    }
    let options = QuantileDifference {
        level: 0.9,
        factor: 1.0,
        runs: (100, 100),
        paired,
        horizon_ns: (1_000_000_000_000, 1_000_000_000_000),
        confidence: CONFIDENCE,
        resamples: OPTIONS.resamples,
    };
    quantile_difference(&a, &b, &options, &mut || words.word()).estimate
}

fn independent() -> Vec<Row> {
    vec![
        row(
            "Newcombe",
            "1000 and 1000 independent runs, 3 % and 1 %",
            Nominal,
            STUDIES,
            0.02,
            |words| {
                let (a, b) = (words.binomial(1000, 0.03), words.binomial(1000, 0.01));
                newcombe((a, 1000), (b, 1000), CONFIDENCE).estimate
            },
        ),
        row(
            "Newcombe",
            "80 and 60 independent runs, 30 % and 20 %",
            Nominal,
            STUDIES,
            0.1,
            |words| {
                let (a, b) = (words.binomial(80, 0.3), words.binomial(60, 0.2));
                newcombe((a, 80), (b, 60), CONFIDENCE).estimate
            },
        ),
        row(
            "Welch",
            "40 and 70 independent runs, normal, one with three times the spread",
            Nominal,
            STUDIES,
            1.0,
            |words| {
                let a: Vec<f64> = (0..40).map(|_| 1.0 + 3.0 * words.normal()).collect();
                let b: Vec<f64> = (0..70).map(|_| words.normal()).collect();
                welch(&a, &b, CONFIDENCE).estimate
            },
        ),
    ]
}
