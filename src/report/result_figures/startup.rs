//! Startup per design: the curve of all measured pods with its band, and what is read off it.
//!
//! The curve counts every pod; for the picture it is thinned to steps that can be seen, which the quantiles are not.

use rayon::prelude::*;

use super::{CONFIDENCE, subtitle};
use crate::lab::Finished;
use crate::lab::controls::Controls;
use crate::lab::numbers::DesignNumbers;
use crate::report::figures::{StartupFigure, StartupSeries, Words};
use crate::report::short::{percent, seconds as written};
use crate::stats::{
    CurvePoint, IncidenceAnalysis, IncidenceOptions, Outcome, cumulative_incidence, incidence_quantile,
};

/// Points at which a band is drawn.
const BAND_POINTS: u32 = 160;
/// Bins of the times at which pods were last seen waiting.
const CENSORED_BINS: f64 = 160.0;

/// How long pods took to become ready; nothing if none was measured. The bands of the designs are made side by side.
pub(super) fn startup(result: &Finished) -> Option<StartupFigure> {
    let manifest = &result.manifest;
    let pods = result.numbers.iter().flat_map(|design| &design.startup);
    let longest = pods.map(|seen| seen.time_ns).max()?;
    let mut series: Vec<StartupSeries> = manifest
        .designs
        .par_iter()
        .zip(&result.numbers)
        .map(|(design, numbers)| series(&design.name, numbers))
        .collect();
    let controls = Controls::of(&manifest.designs);
    for (place, of) in series.iter_mut().enumerate() {
        of.control = controls
            .control_of(place)
            .map(|control| manifest.designs[control].name.clone());
    }
    // The axis ends where the last pod was seen, and never behind the horizon, which may be shorter than 1 s.
    let horizon_s = (longest as f64 / 1e9).max(1.0).min(manifest.horizon_s);
    let words = |title: String, what: &str| Words {
        title,
        subtitle: format!("{what}\n{}", subtitle(result)),
        caption: caption(&series, manifest.horizon_s),
    };
    Some(StartupFigure {
        words: words(
            half_ready(&series, horizon_s),
            "share of measured pods that are ready within a time from their creation",
        ),
        complement: words(
            tail(&series, horizon_s),
            "share of measured pods that are not ready within a time from their creation",
        ),
        horizon_s,
        confidence: CONFIDENCE,
        series,
    })
}

fn caption(series: &[StartupSeries], horizon_s: f64) -> String {
    let mut caption = "Aalen-Johansen curves over the measured pods of all runs.".to_owned();
    if series.iter().any(|series| !series.band.is_empty()) {
        caption.push_str(" Bands: 95% pointwise, intervals of the share over whole runs.");
    }
    caption.push_str(" Pods that were replaced before they were ready count in the denominator.");
    if series.iter().any(|series| !series.censored.is_empty()) {
        let end = written(horizon_s);
        caption.push_str(&format!(
            " Upright marks: pods last seen waiting there, at the end of a run of {end} (censored)."
        ));
    }
    caption
}

/// The fastest and the slowest design by the time at which half of their pods are ready.
fn half_ready(series: &[StartupSeries], horizon_s: f64) -> String {
    let with_pods = || series.iter().filter(|series| series.n_pods > 0);
    let known = || with_pods().filter_map(|series| Some((series.ready_after_s[0]?, series)));
    let never = with_pods().find(|series| series.ready_after_s[0].is_none());
    let fastest = known().min_by(|a, b| a.0.total_cmp(&b.0));
    let slowest = known().max_by(|a, b| a.0.total_cmp(&b.0));
    match (fastest, slowest, never) {
        (Some((time, design)), _, Some(never)) => format!(
            "Half of the measured pods are ready after {} in {}, and never within {} in {}",
            written(time),
            design.design,
            written(horizon_s),
            never.design
        ),
        (Some((fast, first)), Some((slow, last)), None) if written(fast) != written(slow) => format!(
            "Half of the measured pods are ready after {} in {}, after {} in {}",
            written(fast),
            first.design,
            written(slow),
            last.design
        ),
        (Some((time, _)), _, None) => {
            let every = if with_pods().count() > 1 {
                " in every design"
            } else {
                ""
            };
            format!("Half of the measured pods are ready after {}{every}", written(time))
        }
        _ => format!(
            "Less than half of the measured pods are ready within {}",
            written(horizon_s)
        ),
    }
}

/// What the slowest pods of the worst design do.
fn tail(series: &[StartupSeries], horizon_s: f64) -> String {
    let lost = |series: &StartupSeries| series.never_share + series.deleted_share;
    let worst = series
        .iter()
        .reduce(|best, other| if lost(other) > lost(best) { other } else { best });
    if let Some(worst) = worst.filter(|worst| lost(worst) >= 0.01) {
        let (share, design) = (percent(lost(worst)), &worst.design);
        return match (worst.deleted_share > 0.0, worst.never_share > 0.0) {
            (true, false) => format!("{share} of the measured pods of {design} are replaced before they are ready"),
            (false, _) => format!("{share} of the measured pods of {design} are still waiting when the run ends"),
            (true, true) => format!(
                "{share} of the measured pods of {design} do not become ready: {} are replaced first, {} still wait at the end",
                percent(worst.deleted_share),
                percent(worst.never_share)
            ),
        };
    }
    let known = || {
        series
            .iter()
            .filter_map(|series| Some((series.ready_after_s[2]?, series)))
    };
    let fastest = known().min_by(|a, b| a.0.total_cmp(&b.0));
    let slowest = known().max_by(|a, b| a.0.total_cmp(&b.0));
    match (fastest, slowest) {
        (Some((fast, first)), Some((slow, last))) if written(fast) != written(slow) => format!(
            "The slowest 1% of the pods take more than {} in {}, more than {} in {}",
            written(fast),
            first.design,
            written(slow),
            last.design
        ),
        (Some((time, _)), _) => format!("The slowest 1% of the pods take more than {}", written(time)),
        _ => format!("More than 1% of the pods are not ready within {}", written(horizon_s)),
    }
}

fn series(design: &str, numbers: &DesignNumbers) -> StartupSeries {
    let pods = &numbers.startup;
    let share = |outcome: Outcome| {
        pods.iter().filter(|seen| seen.outcome == outcome).count() as f64 / (pods.len().max(1)) as f64
    };
    let curve = cumulative_incidence(pods);
    let runs = u32::try_from(numbers.sound().count()).unwrap_or(u32::MAX);
    let horizon_ns = pods.iter().map(|seen| seen.time_ns).max().unwrap_or(0);
    let band = match (curve.first(), curve.last()) {
        (Some(first), Some(last)) if runs > 1 => {
            let options = IncidenceOptions {
                horizon_ns,
                confidence: CONFIDENCE,
            };
            let times = log_spaced(first.time_ns, last.time_ns);
            let bounds = IncidenceAnalysis::new(pods, options).curve_band(&times);
            times
                .iter()
                .zip(bounds)
                .map(|(&time, (lower, upper))| (seconds(time), clean(lower), clean(upper)))
                .collect()
        }
        _ => Vec::new(),
    };
    let after = |share: f64| incidence_quantile(&curve, share).map(|time| time as f64 / 1e9);
    let censored = pods.iter().filter(|seen| seen.outcome == Outcome::Censored);
    StartupSeries {
        design: design.to_owned(),
        control: None,
        points: thinned(&curve),
        band,
        censored: binned(censored.map(|seen| seen.time_ns).collect()),
        ready_after_s: [0.5, 0.9, 0.99].map(after),
        ready_share: curve.last().map_or(0.0, |point| clean(point.incidence)),
        n_pods: pods.len() as u64,
        n_runs: u64::from(runs),
        deleted_share: share(Outcome::Competing),
        never_share: share(Outcome::Censored),
    }
}

/// Products of many survivals end a rounding error below 1.
fn clean(share: f64) -> f64 {
    libm::round(share * 1e6) / 1e6
}

/// Seconds to a tenth of a millisecond, which is finer than any axis.
fn seconds(time_ns: u64) -> f64 {
    libm::round(time_ns as f64 / 1e5) / 1e4
}

/// The steps of a curve that can be seen, on a linear axis of shares or on a logarithmic one of what is left of 1; smaller
/// ones are drawn together with the next.
fn thinned(curve: &[CurvePoint]) -> Vec<(f64, f64)> {
    /// Part of the linear axis of shares: half a unit of the tallest panel.
    const SHARE: f64 = 1.0 / 600.0;
    /// Part of a decade of the logarithmic one.
    const DECADE: f64 = 1.0 / 150.0;
    let mut kept: Vec<(f64, f64)> = Vec::new();
    let mut latest: Option<&CurvePoint> = None;
    let left = |share: f64| libm::log10((1.0 - share).max(1e-7));
    for (index, point) in curve.iter().enumerate() {
        let seen = latest.is_none_or(|latest| {
            let more = point.incidence - latest.incidence >= SHARE;
            more || left(latest.incidence) - left(point.incidence) >= DECADE
        });
        if seen || index + 1 == curve.len() {
            kept.push((seconds(point.time_ns), clean(point.incidence)));
            latest = Some(point);
        }
    }
    kept
}

/// Times in bins that are evenly spaced on a logarithmic scale: the last of each bin, and how many there are.
fn binned(mut times_ns: Vec<u64>) -> Vec<(f64, u64)> {
    times_ns.sort_unstable();
    let bin = |time: u64| (libm::log10(time.max(1) as f64) * CENSORED_BINS / 3.0).floor() as i64;
    let bins = times_ns.chunk_by(|a, b| bin(*a) == bin(*b));
    bins.filter_map(|bin| Some((seconds(*bin.last()?), bin.len() as u64)))
        .collect()
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
