//! The synthetic studies of waits: clustered in runs and cut off, as those of pods are, and independent ones.
//!
//! Other populations are in `coverage_studies.rs`.

use super::coverage_studies::{OPTIONS, STUDIES_BOOTSTRAP};
use super::coverage_table::{CONFIDENCE, Claim, Row, STUDIES, row, row_of};
use super::special::normal_quantile;
use super::testing::Words;
use super::*;

use Claim::{AtLeast, Below, Nominal};

/// Studies of a bootstrap of a thousand runs.
const STUDIES_LARGE: u32 = 1_000;

/// Waits of `subjects` per run: exp(run + subject), both normal with deviation 0.7, so that the median is 1 s; each is cut
/// off at an exponential time with mean 10 s, and at the horizon of 20 s.
fn clustered_log_normal(words: &mut Words, runs: u32, subjects: u32) -> Vec<Observation> {
    let mut list = Vec::with_capacity((runs * subjects) as usize);
    for run in 0..runs {
        let effect = 0.7 * words.normal();
        for _ in 0..subjects {
            let wait = (libm::exp(effect + 0.7 * words.normal()) * 1e9) as u64;
            let limit = ((words.exponential() * 10e9) as u64).min(HORIZON_NS);
            let (time_ns, outcome) = match wait <= limit {
                true => (wait, Outcome::Event),
                false => (limit, Outcome::Censored),
            };
            list.push(Observation { run, time_ns, outcome });
        }
    }
    list
}

const HORIZON_NS: u64 = 20_000_000_000;

fn analysis(list: &[Observation], runs: u32) -> IncidenceAnalysis {
    IncidenceAnalysis::new(
        list,
        IncidenceOptions {
            runs,
            horizon_ns: HORIZON_NS,
            confidence: CONFIDENCE,
            resamples: OPTIONS.resamples,
        },
    )
}

/// Rows of waits that depend on each other within a run.
pub(super) fn clustered_waits() -> Vec<Row> {
    // Deviation of the logarithm of a wait.
    let spread = (0.49f64 + 0.49).sqrt();
    let quantile_at = move |p: f64| libm::exp(spread * normal_quantile(p));
    let quantile = |runs: u32, subjects: u32, p: f64| {
        move |words: &mut Words| {
            let list = clustered_log_normal(words, runs, subjects);
            analysis(&list, runs).quantiles(&[p], &mut || words.word()).remove(0)
        }
    };
    // E min(T, 5 s) of a log-normal T.
    let limit = 5.0f64;
    let normal = |z: f64| super::special::normal_tails(z);
    let z = libm::log(limit) / spread;
    let truth = libm::exp(0.5 * spread * spread) * normal(z - spread).lower + limit * normal(z).upper;
    let restricted = |runs: u32, subjects: u32| {
        move |words: &mut Words| {
            let list = clustered_log_normal(words, runs, subjects);
            restricted_mean(&list, runs, 5_000_000_000, CONFIDENCE)
        }
    };
    vec![
        row(
            "median wait, runs resampled",
            "100 runs of 10 pods, clustered, some cut off",
            Nominal,
            STUDIES_BOOTSTRAP,
            1.0,
            quantile(100, 10, 0.5),
        ),
        row(
            "p90 of waits, runs resampled",
            "100 runs of 10 pods, clustered, some cut off",
            Nominal,
            STUDIES_BOOTSTRAP,
            quantile_at(0.9),
            quantile(100, 10, 0.9),
        ),
        row(
            "p99 of waits, runs resampled",
            "200 runs of 10 pods, clustered, some cut off",
            Below,
            STUDIES_BOOTSTRAP,
            quantile_at(0.99),
            quantile(200, 10, 0.99),
        ),
        row(
            "p99 of waits, runs resampled",
            "1000 runs of 3 pods, clustered, some cut off",
            Nominal,
            STUDIES_LARGE,
            quantile_at(0.99),
            quantile(1000, 3, 0.99),
        ),
        row_of(
            "band of a start-up curve",
            "100 runs of 10 pods, at 2 s",
            Nominal,
            STUDIES_BOOTSTRAP,
            |words| {
                let list = clustered_log_normal(words, 100, 10);
                let band = analysis(&list, 100).curve_band(&[2_000_000_000], &mut || words.word());
                let truth = super::special::normal_tails(libm::log(2.0) / spread).lower;
                band[0].0 <= truth && truth <= band[0].1
            },
        ),
        row(
            "restricted mean wait",
            "40 runs of 10 pods, up to 5 s",
            Below,
            STUDIES,
            truth,
            restricted(40, 10),
        ),
        row(
            "restricted mean wait",
            "100 runs of 3 pods, up to 5 s",
            Nominal,
            STUDIES,
            truth,
            restricted(100, 3),
        ),
    ]
}

/// Rows of independent values.
pub(super) fn independent_waits() -> Vec<Row> {
    vec![
        row(
            "order statistics",
            "100 exponential values, p90",
            AtLeast,
            STUDIES,
            -libm::log(0.1),
            |words| {
                let values: Vec<f64> = (0..100).map(|_| words.exponential()).collect();
                quantile_order_statistic(&values, 0.9, CONFIDENCE)
            },
        ),
        row(
            "Garwood",
            "a rate of 5 events per exposure",
            AtLeast,
            STUDIES,
            5.0,
            |words| {
                let (mut time, mut events) = (words.exponential(), 0);
                while time < 5.0 {
                    time += words.exponential();
                    events += 1;
                }
                poisson_rate(events, 1.0, CONFIDENCE)
            },
        ),
        row_of(
            "Kaplan-Meier, log-log",
            "60 exponential waits, a third cut off, at the median",
            Nominal,
            STUDIES,
            |words| {
                let list: Vec<Observation> = (0..60)
                    .map(|run| {
                        let (wait, limit) = (words.exponential(), 2.0 * words.exponential());
                        Observation {
                            run,
                            time_ns: (wait.min(limit) * 1e9) as u64,
                            outcome: if wait <= limit {
                                Outcome::Event
                            } else {
                                Outcome::Censored
                            },
                        }
                    })
                    .collect();
                let curve = kaplan_meier(&list, CONFIDENCE).expect("no competing ends");
                let step = curve.partition_point(|point| point.time_ns <= 693_147_181);
                let seen = &curve[step - 1];
                seen.lower.is_none_or(|lower| lower <= 0.5) && seen.upper.is_none_or(|upper| 0.5 <= upper)
            },
        ),
    ]
}
