//! The synthetic studies of differences between two designs, for the table of coverages: those of `compare` and of expectations
//! that name two designs, for equal runs and for independent ones.

use super::coverage_studies::{FAMILY, STUDIES_SLOW};
use super::coverage_table::{CONFIDENCE, Claim, Row, STUDIES, holds, row, row_at};
use super::difference::interval_of_mean;
use super::testing::Words;
use super::*;

use Claim::{AtLeast, Below, Nominal};

/// Studies of the slowest interval, that of a difference of two quantiles.
const STUDIES_QUANTILE: u32 = 200;

pub(super) fn differences() -> Vec<Row> {
    let mut rows = of_means();
    rows.extend(of_shares());
    rows.extend(of_pods());
    rows.extend(independent());
    rows
}

fn of_means() -> Vec<Row> {
    // Of a thousand pairs so many differ, by an exponential amount of either sign, or of one sign only.
    let either = |share: f64| {
        move |words: &mut Words| match words.uniform() {
            u if u < 0.5 * share => words.exponential(),
            u if u < share => -words.exponential(),
            _ => 0.0,
        }
    };
    let one_sign = |share: f64| {
        move |words: &mut Words| {
            if words.uniform() < share {
                words.exponential()
            } else {
                0.0
            }
        }
    };
    let heavy = |words: &mut Words| libm::exp(1.5 * words.normal()) - libm::exp(1.5 * words.normal());
    let normal = |words: &mut Words| 0.5 + words.normal();
    vec![
        mean("30 pairs, normal", Nominal, 30, 0.5, CONFIDENCE, normal),
        mean("1000 pairs, normal", Nominal, 1000, 0.5, CONFIDENCE, normal),
        mean("300 pairs, exponential", Nominal, 300, 1.0, CONFIDENCE, |words| {
            words.exponential()
        }),
        mean(
            "1000 pairs, 4 differ, either way",
            AtLeast,
            1000,
            0.0,
            CONFIDENCE,
            either(0.004),
        ),
        mean(
            "1000 pairs, 8 differ, either way",
            AtLeast,
            1000,
            0.0,
            CONFIDENCE,
            either(0.008),
        ),
        mean(
            "1000 pairs, 20 differ, either way",
            Nominal,
            1000,
            0.0,
            CONFIDENCE,
            either(0.02),
        ),
        mean(
            "1000 pairs, 40 differ, either way",
            Nominal,
            1000,
            0.0,
            CONFIDENCE,
            either(0.04),
        ),
        mean(
            "1000 pairs, 4 differ, either way",
            AtLeast,
            1000,
            0.0,
            FAMILY,
            either(0.004),
        ),
        mean(
            "1000 pairs, 20 differ, either way",
            AtLeast,
            1000,
            0.0,
            FAMILY,
            either(0.02),
        ),
        mean(
            "1000 pairs, 40 differ, either way",
            AtLeast,
            1000,
            0.0,
            FAMILY,
            either(0.04),
        ),
        mean(
            "1000 pairs, 8 differ, one way",
            Below,
            1000,
            0.008,
            CONFIDENCE,
            one_sign(0.008),
        ),
        mean(
            "1000 pairs, 40 differ, one way",
            AtLeast,
            1000,
            0.04,
            CONFIDENCE,
            one_sign(0.04),
        ),
        mean("100 pairs, two heavy tails", AtLeast, 100, 0.0, CONFIDENCE, heavy),
        mean("1000 pairs, two heavy tails", Nominal, 1000, 0.0, CONFIDENCE, heavy),
        mean("100 pairs, two heavy tails", AtLeast, 100, 0.0, FAMILY, heavy),
        mean(
            "300 pairs, 0 in seven of ten, else exponential",
            Nominal,
            300,
            0.3,
            CONFIDENCE,
            one_sign(0.3),
        ),
    ]
}

/// A row of mean differences; 1000 values with 20,000 studies would take minutes.
fn mean(
    study: &'static str,
    claim: Claim,
    pairs: usize,
    truth: f64,
    confidence: f64,
    value: impl Fn(&mut Words) -> f64 + Sync,
) -> Row {
    row_at("mean difference", study, claim, STUDIES_SLOW, confidence, |words| {
        let values: Vec<f64> = (0..pairs).map(|_| value(words)).collect();
        let (lower, upper) = interval_of_mean(&values, confidence);
        lower <= truth && truth <= upper
    })
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
    let difference = |study, claim, n: u64, a_only: f64, b_only: f64, confidence| {
        row_at(
            "difference of shares",
            study,
            claim,
            STUDIES_SLOW,
            confidence,
            move |words| {
                let counts = counts(words, n, a_only, b_only);
                holds(&share_difference(&counts, confidence).estimate, a_only - b_only)
            },
        )
    };
    vec![
        difference(
            "1000 runs, 10 % and 5 % discordant",
            Nominal,
            1000,
            0.10,
            0.05,
            CONFIDENCE,
        ),
        difference(
            "200 runs, 3 % discordant either way",
            AtLeast,
            200,
            0.03,
            0.03,
            CONFIDENCE,
        ),
        difference(
            "1000 runs, 31 % discordant, one way only",
            Nominal,
            1000,
            0.31,
            0.0,
            CONFIDENCE,
        ),
        difference(
            "1000 runs, 0.6 % and 0.2 % discordant",
            Nominal,
            1000,
            0.006,
            0.002,
            CONFIDENCE,
        ),
        difference(
            "1000 runs, 0.4 % discordant, one way only",
            Below,
            1000,
            0.004,
            0.0,
            CONFIDENCE,
        ),
        difference(
            "1000 runs, 2 % discordant either way",
            Nominal,
            1000,
            0.02,
            0.02,
            FAMILY,
        ),
    ]
}

fn of_pods() -> Vec<Row> {
    vec![
        row(
            "difference of ratios of sums",
            "80 runs of 6 to 14 pods, both designs slow by the same random event",
            Nominal,
            STUDIES_SLOW,
            0.15,
            |words| {
                let (mut a, mut b) = (Vec::new(), Vec::new());
                for _ in 0..80 {
                    let shared_event = words.uniform();
                    let pods = 6 + words.word() % 9;
                    a.push((words.binomial(pods, 0.6 * shared_event + 0.05), pods));
                    b.push((words.binomial(pods, 0.3 * shared_event + 0.05), pods));
                }
                ratio_difference(&a, &b, 1.0, CONFIDENCE).estimate
            },
        ),
        row(
            "difference of p90 of waits, the same runs",
            "100 runs of 5 pods, both designs slow by the same random event",
            AtLeast,
            STUDIES_QUANTILE,
            2.0,
            |words| quantiles(words, true),
        ),
        row(
            "difference of p90 of waits, independent runs",
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
        paired,
        horizon_ns: (1_000_000_000_000, 1_000_000_000_000),
        confidence: CONFIDENCE,
    };
    quantile_difference(&a, &b, &options).estimate
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
            "difference of independent means",
            "40 and 70 independent runs, normal, one with three times the spread",
            Nominal,
            STUDIES,
            1.0,
            |words| {
                let a: Vec<f64> = (0..40).map(|_| 31.0 + 3.0 * words.normal()).collect();
                let b: Vec<f64> = (0..70).map(|_| 30.0 + words.normal()).collect();
                mean_difference_unpaired(&a, &b, None, CONFIDENCE).estimate
            },
        ),
    ]
}
