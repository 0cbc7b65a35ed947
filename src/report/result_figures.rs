//! The figures of a result, from its numbers: start-up per design, and access classes per design.
//!
//! Here numbers become the plain data that `figures` draws; nothing is drawn or written here. The timeline of one run comes
//! from a replay and belongs to `timeline_of_run`.

use rayon::prelude::*;

use super::figures::{AccessFigure, AccessRow, ClassShare, StartupFigure, StartupSeries};
use crate::cluster::records::AccessClass;
use crate::kernel::{EntityKey, Purpose, RunKey};
use crate::lab::Finished;
use crate::lab::numbers::{DesignNumbers, RunNumbers};
use crate::stats::{IncidenceAnalysis, IncidenceOptions, Outcome, cumulative_incidence, share_of_runs};

/// Nominal coverage of the intervals in figures.
const CONFIDENCE: f64 = 0.95;
/// Resamples behind a band.
const RESAMPLES: u32 = 500;
/// Points at which a band is drawn.
const BAND_POINTS: u32 = 160;
/// The design that others are compared with.
const CONTROL: &str = "control";

/// Classes of the figure, with the word for each.
const CLASSES: [(AccessClass, &str); 6] = [
    (AccessClass::Unauthorized, "unauthorized"),
    (AccessClass::NetworkBypassed, "network_bypassed"),
    (AccessClass::MeshBypassed, "mesh_bypassed"),
    (AccessClass::Denied, "denied"),
    (AccessClass::WronglyDenied, "wrongly_denied"),
    (AccessClass::Unreachable, "unreachable"),
];

#[derive(Clone, Copy)]
struct Band;

impl Purpose for Band {
    fn name(self) -> &'static str {
        "report.startup_band"
    }
}

/// The run that is drawn as a timeline, as design and replication: the first replication of the first design in which the
/// network let a request from a reused address in after the cut against its policy; else the first in which such a request
/// reached a live server. Failed runs are none to tell.
#[must_use]
pub fn run_to_tell(result: &Finished) -> Option<(usize, u64)> {
    let first = |wanted: fn(&RunNumbers) -> bool| {
        result.numbers.iter().enumerate().find_map(|(design, numbers)| {
            let replication = numbers.runs.iter().position(|run| !run.failed && wanted(run))?;
            Some((design, replication as u64))
        })
    };
    first(|run| run.reused_probe_admitted).or_else(|| first(|run| run.reused_probe_reached))
}

fn subtitle(result: &Finished) -> String {
    let manifest = &result.manifest;
    format!(
        "{}, {} runs per design, seed {}, meshfault {}",
        manifest.experiment, manifest.replications, manifest.seed, manifest.version
    )
}

/// How long pods took to become ready. The bands of the designs are made side by side.
#[must_use]
pub fn startup(result: &Finished) -> StartupFigure {
    let manifest = &result.manifest;
    let longest = result
        .numbers
        .iter()
        .flat_map(|design| &design.startup)
        .map(|seen| seen.time_ns)
        .max()
        .unwrap_or(0);
    let series = manifest
        .designs
        .par_iter()
        .zip(&result.numbers)
        .map(|(design, numbers)| series(&design.name, numbers, manifest.seed));
    StartupFigure {
        title: "How long measured pods take to become ready".to_owned(),
        subtitle: format!(
            "{}\nshare of measured pods ready within the time since their ReplicaSet wished for them; 95 % bands over runs",
            subtitle(result)
        ),
        // The axis ends where the last pod was seen.
        horizon_s: (longest as f64 / 1e9).clamp(1.0, manifest.horizon_s),
        confidence: CONFIDENCE,
        control: manifest
            .designs
            .iter()
            .any(|design| design.name == CONTROL)
            .then(|| CONTROL.to_owned()),
        series: series.collect(),
    }
}

fn series(design: &str, numbers: &DesignNumbers, seed: u64) -> StartupSeries {
    let pods = &numbers.startup;
    let share = |outcome: Outcome| {
        pods.iter().filter(|seen| seen.outcome == outcome).count() as f64 / (pods.len().max(1)) as f64
    };
    let curve = cumulative_incidence(pods);
    // Products of many survivals end a rounding error below 1.
    let clean = |share: f64| libm::round(share * 1e9) / 1e9;
    let points: Vec<(f64, f64)> = curve
        .iter()
        .map(|point| (point.time_ns as f64 / 1e9, clean(point.incidence)))
        .collect();
    let runs = u32::try_from(numbers.runs.iter().filter(|run| !run.failed).count()).unwrap_or(u32::MAX);
    let horizon_ns = pods.iter().map(|seen| seen.time_ns).max().unwrap_or(0);
    let band = match (curve.first(), curve.last()) {
        (Some(first), Some(last)) if runs > 1 => {
            let options = IncidenceOptions {
                runs,
                horizon_ns,
                confidence: CONFIDENCE,
                resamples: RESAMPLES,
            };
            let times = log_spaced(first.time_ns, last.time_ns);
            let mut words = RunKey::derive(seed, "report", 0).stream(Band, EntityKey::root(design));
            let bounds = IncidenceAnalysis::new(pods, options).curve_band(&times, &mut || words.bits());
            times
                .iter()
                .zip(bounds)
                .map(|(&time, (lower, upper))| (time as f64 / 1e9, lower, upper))
                .collect()
        }
        _ => Vec::new(),
    };
    StartupSeries {
        design: design.to_owned(),
        points,
        band,
        n_pods: pods.len() as u64,
        n_runs: u64::from(runs),
        deleted_share: share(Outcome::Competing),
        never_share: share(Outcome::Censored),
    }
}

/// Times between two, evenly spaced on a logarithmic scale, both ends included.
fn log_spaced(first_ns: u64, last_ns: u64) -> Vec<u64> {
    let (low, high) = (libm::log(first_ns.max(1) as f64), libm::log(last_ns.max(1) as f64));
    let at = |step: u32| libm::exp(low + (high - low) * f64::from(step) / f64::from(BAND_POINTS)) as u64;
    let mut times: Vec<u64> = (1..BAND_POINTS)
        .map(at)
        .filter(|time| (first_ns..=last_ns).contains(time))
        .collect();
    times.insert(0, first_ns);
    times.push(last_ns);
    times.dedup();
    times
}

/// What became of requests from a reused address. A class outside the list, allowed, is none that the figure is about.
#[must_use]
pub fn access(result: &Finished) -> AccessFigure {
    let rows = result
        .manifest
        .designs
        .iter()
        .zip(&result.numbers)
        .map(|(design, numbers)| {
            let runs = numbers.sound().count() as u64;
            let count = |has: &dyn Fn(&RunNumbers) -> bool| numbers.sound().filter(|run| has(run)).count() as u64;
            let mut shares: Vec<ClassShare> = CLASSES
                .iter()
                .map(|(class, word)| share(word, count(&|run| run.reused_met(*class)), runs))
                .collect();
            shares.push(share("no request", count(&|run| !run.reused_asked()), runs));
            AccessRow {
                design: design.name.clone(),
                n_runs: runs,
                shares,
            }
        });
    AccessFigure {
        title: "What became of requests from a reused address".to_owned(),
        subtitle: format!(
            "{}\nshare of runs in which a client on an address that the script remembered met this after the cut",
            subtitle(result)
        ),
        confidence: CONFIDENCE,
        rows: rows.collect(),
    }
}

fn share(class: &str, x: u64, runs: u64) -> ClassShare {
    let estimate = share_of_runs(x, runs, CONFIDENCE);
    ClassShare {
        class: class.to_owned(),
        estimate: estimate.estimate.unwrap_or(f64::NAN),
        lower: estimate.lower.unwrap_or(0.0),
        upper: estimate.upper.unwrap_or(1.0),
    }
}
