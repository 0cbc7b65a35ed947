//! How often the intervals of the built-in experiments hold the truth, with their own rows as the population.
//!
//! Each argument is a result of many replications, `FOLDER:R` with R the replications of a study. Its runs are taken as all
//! there are; 400 studies of R runs are drawn from them with replacement, the same runs for all designs, and every measure
//! that a report shows, and the usual differences of designs, are estimated from each study. Written are
//! `src/lab/real_coverage.csv` and the second table of `docs/statistics.md`.
//!
//! ```text
//! cargo run --release --example coverage_on_real_rows -- out/istiod-cut-off:1000 out/heal-and-churn:400
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use meshfault::kernel::{EntityKey, Purpose, RunKey};
use meshfault::lab::differences::{How, difference, point};
use meshfault::lab::measures::{Context, Frame, estimate, measure_sets};
use meshfault::lab::numbers::DesignNumbers;
use meshfault::lab::real_coverage::COVERAGE_MIN;
use meshfault::lab::{Finished, open_result};
use meshfault::stats::Observation;
use rayon::prelude::*;

const STUDIES: u64 = 400;
const SEED: u64 = 20_221;
/// Most designs of a result: of many points the first ones.
const DESIGNS_MAX: usize = 8;
const COMPARED: [&str; 4] = [
    "unauthorized_any",
    "startup_latency_p50",
    "unauthorized_exposure_service",
    "certificate_requests",
];

/// The numbers of these runs in this order, each as often as it is named: a study drawn from a population.
fn of_runs(population: &DesignNumbers, runs: &[usize]) -> DesignNumbers {
    let waits = |of: &[Observation]| {
        let mut by_run: Vec<Vec<Observation>> = vec![Vec::new(); population.runs.len()];
        for wait in of {
            by_run[wait.run as usize].push(*wait);
        }
        let drawn = runs.iter().enumerate().flat_map(|(place, drawn)| {
            let of_run = by_run[*drawn].iter();
            of_run.map(move |wait| Observation {
                run: place as u32,
                ..*wait
            })
        });
        drawn.collect::<Vec<_>>()
    };
    DesignNumbers {
        runs: runs.iter().map(|run| population.runs[*run].clone()).collect(),
        startup: waits(&population.startup),
        running: waits(&population.running),
        delayed: std::array::from_fn(|cause| waits(&population.delayed[cause])),
        ..DesignNumbers::default()
    }
}

#[derive(Clone, Copy)]
struct Drawn;

impl Purpose for Drawn {
    fn name(self) -> &'static str {
        "coverage.study"
    }
}

/// What is estimated: a design, or a difference of two, and a measure.
type What = (String, String);

/// An estimate: of what, the number, and its bounds.
type Estimated = (What, Option<f64>, Option<f64>, Option<f64>);

/// Whether an interval held the truth; `None` without one.
fn holds(truth: f64, lower: Option<f64>, upper: Option<f64>) -> Option<bool> {
    (lower.is_some() || upper.is_some())
        .then(|| lower.is_none_or(|lower| lower <= truth) && upper.is_none_or(|upper| truth <= upper))
}

/// Every estimate of a result whose designs have these numbers: point estimate and bounds.
fn estimates(result: &Finished, numbers: &[DesignNumbers]) -> Vec<Estimated> {
    let frame = Frame::of_manifest(&result.manifest);
    let context = |design: usize| Context {
        frame: &frame,
        design: &result.manifest.designs[design],
        numbers: &numbers[design],
    };
    let mut all = Vec::new();
    for design in 0..numbers.len() {
        let name = &result.manifest.designs[design].name;
        for (measure, of) in measure_sets().iter().flat_map(|set| estimate(*set, context(design))) {
            all.push(((name.clone(), measure), of.estimate, of.lower, of.upper));
        }
    }
    let how = How {
        confidence: 0.95,
        factor: 1.0,
        paired: true,
        absent_counts: false,
    };
    for (a, b) in (0..numbers.len()).flat_map(|a| (a + 1..numbers.len()).map(move |b| (a, b))) {
        for measure in COMPARED {
            let (of_a, of_b) = (context(a), context(b));
            if let Ok(made) = difference(measure, of_a, of_b, &how) {
                let name = format!("{} - {}", of_a.design.name, of_b.design.name);
                let truth = point(measure, of_a).zip(point(measure, of_b)).map(|(a, b)| a - b);
                let estimate = made.difference.estimate;
                all.push(((name, measure.to_owned()), truth, estimate.lower, estimate.upper));
            }
        }
    }
    all
}

/// Coverage of everything that is estimated: `(what, studies with an interval, of which it held the truth)`.
fn coverage(result: &Finished, replications: usize) -> Vec<(What, u64, u64)> {
    let designs = result.numbers.len().min(DESIGNS_MAX);
    let population = &result.numbers[..designs];
    let truth: BTreeMap<What, f64> = estimates(result, population)
        .into_iter()
        .filter_map(|(what, estimate, ..)| Some((what, estimate?)))
        .collect();
    let runs = population[0].runs.len() as u64;
    let studies: Vec<Vec<(What, bool)>> = (0..STUDIES)
        .into_par_iter()
        .map(|study| {
            let mut stream =
                RunKey::derive(SEED, &result.manifest.experiment, study).stream(Drawn, EntityKey::root("runs"));
            let drawn: Vec<usize> = (0..replications).map(|_| stream.below(runs) as usize).collect();
            let numbers: Vec<DesignNumbers> = population.iter().map(|of| of_runs(of, &drawn)).collect();
            let seen = estimates(result, &numbers).into_iter();
            let held = seen.filter_map(|(what, _, lower, upper)| {
                let held = holds(*truth.get(&what)?, lower, upper)?;
                Some((what, held))
            });
            held.collect()
        })
        .collect();
    let mut counts: BTreeMap<What, (u64, u64)> = BTreeMap::new();
    for (what, held) in studies.into_iter().flatten() {
        let count = counts.entry(what).or_default();
        count.0 += 1;
        count.1 += u64::from(held);
    }
    counts.into_iter().map(|(what, (n, held))| (what, n, held)).collect()
}

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut csv = "experiment,design,measure,replications,coverage\n".to_owned();
    let mut table = String::new();
    for argument in std::env::args().skip(1) {
        let (folder, replications) = argument.rsplit_once(':').expect("FOLDER:REPLICATIONS");
        let replications: usize = replications.parse().expect("a number of replications");
        let result = open_result(Path::new(folder)).expect("a complete result");
        let experiment = result.manifest.experiment.clone();
        let mut least: BTreeMap<String, (f64, String, usize)> = BTreeMap::new();
        for ((design, measure), n, held) in coverage(&result, replications) {
            // An interval that few studies have is not one that a report rests on.
            if n < STUDIES / 4 {
                continue;
            }
            let share = held as f64 / n as f64;
            csv.push_str(&format!("{experiment},{design},{measure},{replications},{share:.4}\n"));
            let kind = if design.contains(" - ") { "difference of " } else { "" };
            let entry = least
                .entry(format!("{kind}`{measure}`"))
                .or_insert((2.0, String::new(), 0));
            entry.2 += 1;
            if share < entry.0 {
                (entry.0, entry.1) = (share, design);
            }
        }
        for (measure, (share, design, designs)) in least {
            let mark = if share < COVERAGE_MIN { "**" } else { "" };
            table.push_str(&format!(
                "| `{experiment}`, {replications} | {measure} | {designs} | {mark}{:.1} %{mark} | `{design}` |\n",
                100.0 * share
            ));
        }
        eprintln!("{experiment}: done");
    }
    std::fs::write(root.join("src/lab/real_coverage.csv"), csv).expect("the table can be written");
    let path = root.join("docs/statistics.md");
    let text = std::fs::read_to_string(&path).expect("the document is part of the project");
    let (begin, end) = ("<!-- real coverage: begin -->\n", "<!-- real coverage: end -->");
    let head = text.find(begin).expect("the document has the mark") + begin.len();
    let tail = text.find(end).expect("the document has the mark");
    let heads = "| experiment, replications of a study | interval | designs or pairs | least coverage | where |\n|---|---|---|---|---|\n";
    let new = format!("{}{heads}{table}{}", &text[..head], &text[tail..]);
    std::fs::write(path, new).expect("the document can be written");
}
