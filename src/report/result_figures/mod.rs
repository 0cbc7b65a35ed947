//! The figures of a result, from its numbers: here numbers become the plain data that `figures` draws.
//!
//! One file per figure; nothing is drawn or written here. [`of_rows`] makes what follows from stored rows, [`one_run`]
//! what follows from the replay of one run.

mod access;
mod availability;
mod exposure;
mod factors;
mod forest;
pub mod one_run;
mod phases;
mod startup;
#[cfg(test)]
mod tests;
mod traffic;

use super::figures::{Interval, Plot};
use crate::lab::Finished;
use crate::lab::lists::unique;
use crate::stats::Estimate;

const CONFIDENCE: f64 = 0.95;

/// Every figure that follows from the stored rows of a result, in the order in which they are shown.
pub fn of_rows(result: &Finished) -> Vec<Plot> {
    let (startup, rest) = rayon::join(
        || startup::startup(result).map(Plot::Startup),
        || {
            [
                phases::phases(result).map(Plot::Phases),
                access::access(result).map(Plot::Access),
                exposure::exposure(result).map(Plot::Exposure),
                availability::availability(result).map(Plot::Availability),
                traffic::availability(result).map(Plot::Traffic),
                forest::differences(result).map(Plot::Differences),
                factors::curves(result).map(Plot::FactorCurves),
                factors::map(result).map(Plot::FactorMap),
            ]
        },
    );
    startup.into_iter().chain(rest.into_iter().flatten()).collect()
}

/// Why a result can be without the figure of this name.
pub fn absent_because(name: &str) -> &'static str {
    match name {
        "startup_distribution" | "startup_complement" => "no pod was measured",
        "startup_phases" => "no measured pod became ready",
        "access_classes" => "no client on a recorded IP sent a request after the cut",
        "exposure_distribution" => "no run of any design was exposed",
        "availability_over_time" => "no edge is watched that policy allows",
        "traffic_availability" => "no request of a flow was sent that policies admit",
        "differences" => "no two designs could be compared",
        "factor_curves" => "the experiment varies no factor",
        "factor_map" => "the experiment varies fewer than two factors",
        "certificate_requests" => "no run with certificate requests was replayed when the result was made",
        "stale_entries" => "no run with stale entries was replayed when the result was made",
        _ => "no run worth telling was replayed when the result was made",
    }
}

/// Experiment, runs, seed and version: what a reader needs to repeat a figure.
fn subtitle(result: &Finished) -> String {
    let manifest = &result.manifest;
    format!(
        "{}, {} runs per design, seed {}, meshfault {}",
        manifest.experiment,
        super::short::count(manifest.replications),
        manifest.seed,
        manifest.version
    )
}

/// A design and those that share its place: `vxlan`, `vxlan and native`, `vxlan and 3 other designs`.
fn with_equals(designs: &[&str]) -> String {
    match designs {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first, second] => format!("{first} and {second}"),
        [first, others @ ..] => format!("{first} and {} other designs", others.len()),
    }
}

fn interval(estimate: &Estimate) -> Interval {
    Interval {
        estimate: estimate.estimate.unwrap_or(0.0),
        lower: estimate.lower,
        upper: estimate.upper,
    }
}

/// Methods in the order in which they first appear, for a caption.
fn methods<'a>(all: impl Iterator<Item = &'a str>) -> String {
    unique(all.filter(|method| !method.is_empty())).join("; ")
}
