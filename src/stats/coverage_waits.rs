//! The synthetic studies of waits: clustered in runs and cut off, as those of pods are, and independent ones.
//!
//! Other populations are in `coverage_studies.rs`.

use super::coverage_studies::STUDIES_SLOW;
use super::coverage_table::{CONFIDENCE, Claim, Row, STUDIES, row, row_of};
use super::special::normal_quantile;
use super::testing::Words;
use super::*;

use Claim::{AtLeast, Nominal};

/// Studies of a thousand runs.
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

fn analysis(list: &[Observation]) -> IncidenceAnalysis {
    IncidenceAnalysis::new(
        list,
        IncidenceOptions {
            horizon_ns: 100 * HORIZON_NS,
            confidence: CONFIDENCE,
        },
    )
}

pub(super) fn waits() -> Vec<Row> {
    // Deviation of the logarithm of a wait.
    let spread = (0.49f64 + 0.49).sqrt();
    let quantile = |study, claim, studies, runs: u32, subjects: u32, p: f64| {
        let interval = match p {
            0.5 => "median of waits",
            0.9 => "p90 of waits",
            _ => "p99 of waits",
        };
        row(
            interval,
            study,
            claim,
            studies,
            libm::exp(spread * normal_quantile(p)),
            move |words| {
                let list = clustered_log_normal(words, runs, subjects);
                analysis(&list).quantiles(&[p]).remove(0)
            },
        )
    };
    vec![
        quantile(
            "20 runs of 10 pods, clustered, some cut off",
            AtLeast,
            STUDIES_SLOW,
            20,
            10,
            0.5,
        ),
        quantile(
            "100 runs of 10 pods, clustered, some cut off",
            Nominal,
            STUDIES_SLOW,
            100,
            10,
            0.5,
        ),
        quantile(
            "20 runs of 10 pods, clustered, some cut off",
            AtLeast,
            STUDIES_SLOW,
            20,
            10,
            0.9,
        ),
        quantile(
            "100 runs of 10 pods, clustered, some cut off",
            AtLeast,
            STUDIES_SLOW,
            100,
            10,
            0.9,
        ),
        quantile(
            "50 runs of 10 pods, clustered, some cut off: no upper bound",
            AtLeast,
            STUDIES_SLOW,
            50,
            10,
            0.99,
        ),
        quantile(
            "200 runs of 10 pods, clustered, some cut off",
            AtLeast,
            STUDIES_SLOW,
            200,
            10,
            0.99,
        ),
        quantile(
            "1000 runs of 3 pods, clustered, some cut off",
            AtLeast,
            STUDIES_LARGE,
            1000,
            3,
            0.99,
        ),
        uncut("20 runs of 10 pods, clustered", Nominal, 20, 10, 0.9),
        uncut("100 runs of 10 pods, clustered", Nominal, 100, 10, 0.99),
        uncut("200 runs of 10 pods, clustered", Nominal, 200, 10, 0.99),
        uncut("1000 runs of 3 pods, clustered", Nominal, 1000, 3, 0.99),
        row_of(
            "band of a startup curve",
            "100 runs of 10 pods, at 2 s",
            Nominal,
            STUDIES_SLOW,
            |words| {
                let list = clustered_log_normal(words, 100, 10);
                let band = analysis(&list).curve_band(&[2_000_000_000]);
                let truth = super::special::normal_tails(libm::log(2.0) / spread).lower;
                band[0].0 <= truth && truth <= band[0].1
            },
        ),
        few_windows("1000 runs, 2 of them with windows", 0.002),
        few_windows("1000 runs, 8 of them with windows", 0.008),
        few_windows("1000 runs, 20 of them with windows", 0.02),
        row(
            "quantile of one value per run",
            "100 exponential values, p90",
            AtLeast,
            STUDIES,
            -libm::log(0.1),
            |words| {
                let wait = |run| Observation {
                    run,
                    time_ns: (words.exponential() * 1e9) as u64,
                    outcome: Outcome::Event,
                };
                let list: Vec<Observation> = (0..100).map(wait).collect();
                analysis(&list).quantiles(&[0.9]).remove(0)
            },
        ),
        row(
            "quantile of one value per run",
            "60 exponential values, a third cut off, median",
            Nominal,
            STUDIES,
            libm::log(2.0),
            |words| {
                let wait = |run| {
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
                };
                let list: Vec<Observation> = (0..60).map(wait).collect();
                analysis(&list).quantiles(&[0.5]).remove(0)
            },
        ),
    ]
}

/// Waits of which none was cut off.
fn uncut(study: &'static str, claim: Claim, runs: u32, subjects: u32, p: f64) -> Row {
    let interval = if p < 0.95 { "p90 of waits" } else { "p99 of waits" };
    let studies = if runs > 500 { STUDIES_LARGE } else { STUDIES_SLOW };
    let truth = libm::exp((0.49f64 + 0.49).sqrt() * normal_quantile(p));
    row(interval, study, claim, studies, truth, move |words| {
        let mut list = Vec::new();
        for run in 0..runs {
            let effect = 0.7 * words.normal();
            list.extend((0..subjects).map(|_| Observation {
                run,
                time_ns: (libm::exp(effect + 0.7 * words.normal()) * 1e9) as u64,
                outcome: Outcome::Event,
            }));
        }
        analysis(&list).quantiles(&[p]).remove(0)
    })
}

/// The median of exponential windows that few runs have, some of them two.
fn few_windows(study: &'static str, share: f64) -> Row {
    row(
        "median of few windows",
        study,
        AtLeast,
        STUDIES_SLOW,
        libm::log(2.0),
        move |words| {
            let mut list = Vec::new();
            for run in 0..1000 {
                if words.uniform() < share {
                    let windows = 1 + words.word() % 2;
                    list.extend((0..windows).map(|_| Observation {
                        run,
                        time_ns: (words.exponential() * 1e9) as u64,
                        outcome: Outcome::Event,
                    }));
                }
            }
            analysis(&list).quantiles(&[0.5]).remove(0)
        },
    )
}
