//! The runs behind the estimates: a few numbers of each run, thinned so that a page stays small, and the outliers.
//!
//! Kept are, of every design, the largest runs by each number, the first failed ones, and of the rest every k-th replication,
//! the same ones in all designs. Nothing is drawn at random, so a page has the same bytes every time.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::cluster::records::{AccessClass, Via};
use crate::lab::cell::Word;
use crate::lab::numbers::{DesignNumbers, RunNumbers};
use crate::lab::{Finished, Manifest};
use crate::stats::{Observation, Outcome, cumulative_incidence, incidence_quantile};

/// Points of the regular sample, over all designs.
const SAMPLE: usize = 4_000;
/// Outliers that are kept, over all designs and numbers.
const OUTLIERS: usize = 3_000;
/// Most failed runs of a design that are kept.
const FAILED_MAX: usize = 50;
/// Rows of the table of outliers, per number.
const TABLE: usize = 5;

/// What is marked on a run, a bit each: that it failed, accesses of a class, that some pod was never ready.
const FLAGS: [Option<AccessClass>; 8] = [
    None,
    Some(AccessClass::Unauthorized),
    Some(AccessClass::NetworkBypassed),
    Some(AccessClass::MeshBypassed),
    Some(AccessClass::WronglyDenied),
    Some(AccessClass::WrongServer),
    Some(AccessClass::Unreachable),
    None,
];

fn flag_words() -> Vec<String> {
    let classes = FLAGS.iter().flatten().map(|class| class.word().replace('_', " "));
    let mut words = vec!["failed".to_owned()];
    words.extend(classes);
    words.push("some pod still waiting at the end".to_owned());
    words
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Number {
    label: &'static str,
    unit: &'static str,
}

const NUMBERS: [Number; 5] = [
    Number {
        label: "longest wait of a pod",
        unit: "s",
    },
    Number {
        label: "median startup of its pods",
        unit: "s",
    },
    Number {
        label: "unauthorized exposure (pod IP)",
        unit: "s",
    },
    Number {
        label: "exposure past one layer (pod IP)",
        unit: "s",
    },
    Number {
        label: "certificate requests",
        unit: "",
    },
];

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Runs {
    measures: Vec<Number>,
    flags: Vec<String>,
    series: Vec<Series>,
    #[serde(skip)]
    pub(super) thinned: String,
    #[serde(skip)]
    pub(super) outliers: Vec<Outlier>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Series {
    replications: Vec<u64>,
    values: Vec<Vec<Option<f64>>>,
    flags: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Outlier {
    pub(super) measure: String,
    pub(super) design: String,
    pub(super) design_index: usize,
    pub(super) replication: u64,
    pub(super) value: String,
    pub(super) seen: String,
}

struct OneRun {
    values: [Option<f64>; NUMBERS.len()],
    flags: u32,
}

/// The runs of a result; nothing if it has none.
pub(super) fn runs(finished: &Finished) -> Option<Runs> {
    let all: Vec<Vec<OneRun>> = finished.numbers.iter().map(of_design).collect();
    let most = all.iter().map(Vec::len).max().filter(|most| *most > 0)?;
    // A number that is 0 everywhere has no chart.
    let shown: Vec<usize> = (0..NUMBERS.len())
        .filter(|number| {
            all.iter()
                .flatten()
                .any(|run| run.values[*number].is_some_and(|v| v > 0.0))
        })
        .collect();
    let designs = all.len().max(1);
    let stride = most.div_ceil((SAMPLE / designs).max(20));
    let largest = (OUTLIERS / (designs * shown.len().max(1))).clamp(5, 50);
    let first = finished.manifest.first_replication();
    let series = all.iter().map(|runs| {
        let mut kept: BTreeSet<usize> = (0..runs.len()).step_by(stride).collect();
        for number in &shown {
            kept.extend(ranked(runs, *number).into_iter().take(largest));
        }
        kept.extend(failed(runs).take(FAILED_MAX));
        Series {
            replications: kept.iter().map(|run| first + *run as u64).collect(),
            values: shown
                .iter()
                .map(|number| {
                    kept.iter()
                        .map(|run| runs[*run].values[*number].map(significant))
                        .collect()
                })
                .collect(),
            flags: kept.iter().map(|run| runs[*run].flags).collect(),
        }
    });
    let series: Vec<Series> = series.collect();
    let points: usize = series.iter().map(|series| series.replications.len()).sum();
    let thinned = if stride == 1 {
        format!("All {points} runs are shown.")
    } else {
        format!(
            "{points} of {} runs are shown: of each design the {largest} largest by each number, up to {FAILED_MAX} failed ones, and \
             of the rest one replication in {stride}, the same ones in all designs. Estimates and figures use all runs.",
            all.iter().map(Vec::len).sum::<usize>()
        )
    };
    Some(Runs {
        measures: shown.iter().map(|number| NUMBERS[*number]).collect(),
        flags: flag_words(),
        outliers: table(&finished.manifest, &all, &shown),
        series,
        thinned,
    })
}

/// Runs of a design in falling order of a number; of equal ones the first comes first.
fn ranked(runs: &[OneRun], number: usize) -> Vec<usize> {
    let value = |run: usize| runs[run].values[number].unwrap_or(0.0);
    let mut order: Vec<usize> = (0..runs.len()).filter(|run| value(*run) > 0.0).collect();
    order.sort_by(|left, right| value(*right).total_cmp(&value(*left)).then(left.cmp(right)));
    order
}

fn failed(runs: &[OneRun]) -> impl Iterator<Item = usize> + '_ {
    runs.iter()
        .enumerate()
        .filter(|(_, run)| run.flags & 1 == 1)
        .map(|(at, _)| at)
}

/// The rows of the table: of each number the largest runs of all designs, and the first failed runs.
fn table(manifest: &Manifest, all: &[Vec<OneRun>], numbers: &[usize]) -> Vec<Outlier> {
    let row = |design: usize, run: usize, measure: &str, value: String| Outlier {
        measure: measure.to_owned(),
        design: manifest.designs[design].name.clone(),
        design_index: design,
        replication: manifest.first_replication() + run as u64,
        value,
        seen: words(all[design][run].flags).join(", "),
    };
    let mut rows = Vec::new();
    for number in numbers {
        let mut largest: Vec<(usize, usize, f64)> = Vec::new();
        for (design, runs) in all.iter().enumerate() {
            let best = ranked(runs, *number).into_iter().take(TABLE);
            largest.extend(best.map(|run| (design, run, runs[run].values[*number].unwrap_or(0.0))));
        }
        largest.sort_by(|left, right| {
            right
                .2
                .total_cmp(&left.2)
                .then((left.0, left.1).cmp(&(right.0, right.1)))
        });
        // Designs share their random events, so the same run is largest in many of them; it is named once.
        let mut named = BTreeSet::new();
        largest.retain(|(_, run, _)| named.insert(*run));
        let Number { label, unit } = NUMBERS[*number];
        let written = |value: f64| {
            format!("{} {unit}", super::super::short::number(value))
                .trim_end()
                .to_owned()
        };
        rows.extend(
            largest
                .iter()
                .take(TABLE)
                .map(|(design, run, value)| row(*design, *run, label, written(*value))),
        );
    }
    let first_failed = all
        .iter()
        .enumerate()
        .filter_map(|(design, runs)| Some((design, failed(runs).next()?)));
    rows.extend(first_failed.map(|(design, run)| row(design, run, "failed run", "–".to_owned())));
    rows
}

fn words(flags: u32) -> Vec<String> {
    let set = |bit: usize| flags & (1 << bit) != 0;
    let words = flag_words().into_iter().enumerate();
    words.filter(|(bit, _)| set(*bit)).map(|(_, word)| word).collect()
}

fn of_design(numbers: &DesignNumbers) -> Vec<OneRun> {
    let mut pods: Vec<Vec<Observation>> = vec![Vec::new(); numbers.runs.len()];
    for seen in &numbers.startup {
        if let Some(of_run) = pods.get_mut(seen.run as usize) {
            of_run.push(*seen);
        }
    }
    let runs = numbers.runs.iter().zip(pods);
    runs.map(|(run, pods)| one_run(run, &pods)).collect()
}

fn one_run(run: &RunNumbers, pods: &[Observation]) -> OneRun {
    if run.failed {
        return OneRun {
            values: [None; NUMBERS.len()],
            flags: 1,
        };
    }
    let seconds = |nanos: u64| nanos as f64 / 1e9;
    // A replaced pod waited for nothing that was still to come. The median counts it, as the median of a design does.
    let waits = pods.iter().filter(|pod| pod.outcome != Outcome::Competing);
    let half = incidence_quantile(&cumulative_incidence(pods), 0.5);
    let exposed = |classes: &[AccessClass]| {
        let of = run
            .exposure
            .iter()
            .filter(|(kind, _)| kind.via == Via::PodIp && classes.contains(&kind.class));
        of.map(|(_, span)| span.as_secs_f64()).sum::<f64>()
    };
    let mut flags = 0;
    for (bit, class) in FLAGS.iter().enumerate() {
        flags |= u32::from(class.is_some_and(|class| run.has(class))) << bit;
    }
    flags |= u32::from(run.pods.never_ready > 0) << (FLAGS.len() - 1);
    OneRun {
        values: [
            waits.map(|pod| pod.time_ns).max().map(seconds),
            half.map(seconds),
            Some(exposed(&[AccessClass::Unauthorized])),
            Some(exposed(&[AccessClass::NetworkBypassed, AccessClass::MeshBypassed])),
            Some(run.record.certificate_requests as f64),
        ],
        flags,
    }
}

/// A number with four digits that count.
pub(super) fn significant(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let digits = 3 - libm::floor(libm::log10(value.abs())) as i32;
    if digits <= 0 {
        return libm::round(value);
    }
    let step = libm::pow(10.0, f64::from(digits.min(12)));
    libm::round(value * step) / step
}
