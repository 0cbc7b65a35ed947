//! Measures of exposure: how long an attempt would have been unauthorized, whether a client tried or not, what
//! traffic of a known rate would have got (`docs/statistics.md#exposure-at-a-rate-of-traffic`), and the availability of edges
//! (`docs/statistics.md#availability-of-edges`).
//!
//! Given its windows of exposure, a run's unauthorized accesses under Poisson traffic are Poisson with mean ν·w, w the
//! seconds summed over pairs of client and server. So their probability 1 − exp(−ν·w) and expected number need no drawn
//! traffic: the same estimands with less variance (Rao-Blackwell). The traffic must not itself change the windows.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Better, Context, Definition, Presence, Said, Value};
use crate::cluster::records::{AccessClass, Via};
use crate::lab::cell::Word;
use crate::lab::numbers::{ExposureKind, RunNumbers};
use crate::lab::summary::Measure;
use crate::stats::{Observation, Outcome};

const WAYS: [(Via, &str); 2] = [
    (Via::Service, "through the Service"),
    (Via::PodIp, "by the pod's address"),
];

/// Exposure of a run \[s\], summed over pairs of client and server.
fn exposed_s(run: &RunNumbers, class: AccessClass, via: Via) -> f64 {
    let span = run.exposure.get(&ExposureKind { class, via });
    span.map_or(0.0, |span| span.as_secs_f64())
}

/// What a design without watched pairs lacks: exposure was not watched, which is not 0 s.
fn watched(context: Context<'_>) -> Presence {
    match context.design.exposure_pairs {
        Some(0) => Presence::Absent("no exposure is watched, see `measures.exposure`"),
        _ => Presence::Shown,
    }
}

/// The most exposure that a run can have \[s\]: every pair through the whole horizon.
fn most_s(context: Context<'_>) -> Option<f64> {
    let pairs = context.design.exposure_pairs.map(f64::from);
    pairs.map(|pairs| pairs * context.frame.horizon_s)
}

pub(super) fn exposure(context: Context<'_>) -> Vec<Definition<'_>> {
    let (presence, most) = (watched(context), most_s(context));
    let mut measures = Vec::new();
    for (class, words) in AccessClass::exposures() {
        for (via, how) in WAYS {
            let estimand = format!(
                "mean seconds per run during which an attempt {how} would have been {}, summed over pairs of client and \
                 server",
                words.would_be
            );
            let name = format!("{}_exposure_{}", class.word(), via.word());
            let mean = Definition::mean(name, estimand, "s", move |run| Some(exposed_s(run, class, via)));
            let mean = mean.at_most(most).with(presence);
            measures.push(match class {
                AccessClass::Unauthorized => mean.panel(10 + via as u8),
                _ => mean,
            });
        }
    }
    measures
}

/// Classes whose accesses under traffic are computed: what the names of their probabilities begin with, the access in words, and what
/// is said of a design that has more of them.
const UNDER_TRAFFIC: [(AccessClass, &str, &str, &str); 2] = [
    (
        AccessClass::Unauthorized,
        "unauthorized_any_at_",
        "an unauthorized access",
        "would let the wrong client in, by its exposure,",
    ),
    (
        AccessClass::WronglyDenied,
        "wrongly_denied_any_at_",
        "a wrongly denied access",
        "would keep the right client out, by its exposure,",
    ),
];

/// What a design without a fault lacks, beside what is not watched: nothing is said of it.
fn watched_with_fault(context: Context<'_>) -> Presence {
    let mut runs = context.numbers.runs.iter();
    match watched(context) {
        Presence::Shown if runs.all(|run| run.record.cut.is_none()) => Presence::Quiet,
        presence => presence,
    }
}

/// Exposure of the classes that traffic would meet: since the first fault, and as a share of the time of the pairs.
pub(super) fn share_of_pairs(context: Context<'_>) -> Vec<Definition<'_>> {
    let mut measures = Vec::new();
    let presence = watched_with_fault(context);
    for (class, ..) in UNDER_TRAFFIC {
        for (via, how) in WAYS {
            let begin = format!("{}_exposure_{}", class.word(), via.word());
            let would_be = class.words().exposed.map_or("", |words| words.would_be);
            let what = format!("an attempt {how} would have been {would_be}");
            let since = move |run: &RunNumbers| {
                let span = run.exposure_since_fault.get(&ExposureKind { class, via });
                span.map_or(0.0, |span| span.as_secs_f64())
            };
            let share = move |run: &RunNumbers| {
                let pairs = run.edges[SINCE_FAULT].pairs;
                (pairs > 0.0).then(|| (since(run) / pairs).min(1.0))
            };
            let seconds = Definition::mean(
                format!("{begin}_since_fault"),
                format!(
                    "mean seconds per run since the first fault during which {what}, summed over pairs of client and server"
                ),
                "s",
                move |run| run.record.cut.map(|_| since(run)),
            );
            let share = Definition::mean(
                format!("{begin}_share_since_fault"),
                format!(
                    "mean over runs of the share of the time of connected pairs of client and server since the first fault during which {what}"
                ),
                "1",
                share,
            );
            measures.extend([
                seconds.at_most(most_s(context)).with(presence),
                share.at_most(Some(1.0)).with(presence),
            ]);
        }
    }
    measures
}

/// Places of the times of a run's edges.
const WHOLE_RUN: usize = 0;
const SINCE_FAULT: usize = 1;

/// The availability of edges, over time and edges.
pub(super) fn availability(context: Context<'_>) -> Vec<Definition<'_>> {
    let of_part = |part: usize, ending: &str, when: &str, presence| {
        let estimand = format!(
            "mean over runs, {when} and edges that policy allows of the probability that an attempt by a ready client pod through the Service is \
             answered by a right server"
        );
        let of = move |run: &RunNumbers| run.edges[part].availability();
        let mean = Definition::mean(format!("availability_service{ending}"), estimand, "1", of);
        mean.at_most(Some(1.0)).better(Better::Larger).with(presence)
    };
    let any = |part: usize, presence: Presence| {
        let mut runs = context.numbers.runs.iter();
        match presence {
            Presence::Shown if runs.all(|run| run.edges[part].availability().is_none()) => Presence::Quiet,
            presence => presence,
        }
    };
    vec![
        of_part(WHOLE_RUN, "", "time", any(WHOLE_RUN, watched(context))),
        of_part(
            SINCE_FAULT,
            "_since_fault",
            "time since the first fault",
            any(SINCE_FAULT, watched_with_fault(context)),
        ),
    ]
}

pub(super) fn conditional(context: Context<'_>) -> Vec<Definition<'_>> {
    let mut measures = Vec::new();
    let (presence, most) = (watched(context), most_s(context));
    let rates = &context.frame.traffic_rates;
    let classes = UNDER_TRAFFIC
        .into_iter()
        .flat_map(|class| rates.iter().map(move |rate| (class, rate)));
    for ((class, any_at, access, more), rate) in classes {
        let (text, word, per_s) = (&rate.text, rate.word(), rate.per_s);
        for (via, how) in WAYS {
            let traffic = format!("if every client tried every server {how} by Poisson traffic of {text} throughout");
            let any = Value::Mean {
                of: Box::new(move |run: &RunNumbers| Some(-libm::expm1(-per_s * exposed_s(run, class, via)))),
                most: Some(1.0),
            };
            let mut any = Definition::new(
                format!("{any_at}{word}_{}", via.word()),
                format!(
                    "probability that a run has {access} {traffic}; computed from the run's exposure, without drawing \
                     the traffic"
                ),
                "1",
                any,
            );
            any.words.family = Some(any_at);
            measures.push(any.with(presence).said(Said::Often(more)));
            let count = Definition::mean(
                format!("{}_count_at_{word}_{}", class.word(), via.word()),
                format!("expected number of accesses per run, each {access}, {traffic}; computed likewise"),
                "accesses",
                move |run| Some(per_s * exposed_s(run, class, via)),
            );
            measures.push(count.at_most(most.map(|most| per_s * most)).with(presence));
        }
    }
    measures
}

/// Share of runs with the largest exposures that the tail mean is taken over.
const TAIL: f64 = 0.05;
/// Exposures that an architect may not want to see exceeded, as in names and in seconds.
const LIMITS: [(&str, &str, f64); 3] = [
    ("10s", "10 s", 10.0),
    ("1min", "1 min", 60.0),
    ("10min", "10 min", 600.0),
];

/// Tail risk: what the mean hides, because few runs hold most of it.
pub(super) fn tail(context: Context<'_>) -> Vec<Definition<'_>> {
    let mut measures = Vec::new();
    let (presence, most) = (watched(context), most_s(context));
    for (via, how) in WAYS {
        let seconds = move |run: &RunNumbers| exposed_s(run, AccessClass::Unauthorized, via);
        let what =
            format!("seconds of a run during which an attempt {how} would have been unauthorized, summed over pairs");
        let name = |ending: &str| format!("unauthorized_exposure_{}_{ending}", via.word());
        let indexed = context.numbers.runs.iter().enumerate().filter(|(_, run)| !run.failed);
        let of_runs: Vec<Observation> = indexed
            .map(|(run, numbers)| Observation {
                run: run as u32,
                time_ns: libm::round(1e9 * seconds(numbers)) as u64,
                outcome: Outcome::Event,
            })
            .collect();
        let begin = quantile_s(&of_runs);
        let waits = Arc::new(Cow::Owned(of_runs));
        measures.push(Definition::quantile(
            name("p95"),
            format!("95% quantile over runs of the {what}"),
            &waits,
            1.0 - TAIL,
        ));
        let tail_mean = move |run: &RunNumbers| Some(begin + (seconds(run) - begin).max(0.0) / TAIL);
        measures.push(
            Definition::mean(
                name("cvar95"),
                format!("mean over the 5% of runs with the largest values of the {what} (conditional value at risk)"),
                "s",
                tail_mean,
            )
            .at_most(most.map(|most| begin + (most - begin).max(0.0) / TAIL)),
        );
        for (word, text, limit) in LIMITS {
            let estimand = format!("share of runs with more than {text} of the {what}");
            let above = move |run: &RunNumbers| Some(seconds(run) > limit);
            measures.push(Definition::share(name(&format!("above_{word}")), estimand, above));
        }
    }
    measures.into_iter().map(|of| of.with(presence)).collect()
}

/// The value at which the tail begins \[s\]: the smallest that 95% of the runs do not exceed.
fn quantile_s(of_runs: &[Observation]) -> f64 {
    let mut sorted: Vec<u64> = of_runs.iter().map(|of| of.time_ns).collect();
    sorted.sort_unstable();
    let rank = libm::ceil((1.0 - TAIL) * (1.0 - 1e-12) * sorted.len() as f64) as usize;
    sorted.get(rank.saturating_sub(1)).map_or(0.0, |ns| *ns as f64 / 1e9)
}

pub(super) fn exposure_window(context: Context<'_>) -> Vec<Definition<'_>> {
    let indexed = context.numbers.runs.iter().enumerate();
    let windows: Vec<Observation> = indexed
        .flat_map(|(run, numbers)| {
            numbers.windows.iter().map(move |(length, closed)| Observation {
                run: run as u32,
                time_ns: length.as_nanos(),
                outcome: if *closed { Outcome::Event } else { Outcome::Censored },
            })
        })
        .collect();
    let what = "length of one window in which an attempt by the pod's address would have got past a layer, over the \
                windows of all runs, those open at the horizon censored";
    let all_closed = windows.iter().all(|window| window.outcome == Outcome::Event);
    let longest = windows
        .iter()
        .map(|window| window.time_ns)
        .max()
        .map(|nanos| nanos as f64 / 1e9);
    let with_windows = |run: &&RunNumbers| !run.windows.is_empty();
    let runs_with_windows = context.numbers.runs.iter().filter(with_windows).count() as u64;
    let mut max = Measure::extreme(
        format!("longest {what}"),
        "s",
        longest.filter(|_| all_closed),
        runs_with_windows,
    );
    if !all_closed {
        max.lower = longest;
        max.method.push_str(", a window was open at the horizon");
    }
    let waits = Arc::new(Cow::Owned(windows));
    let mut measures = Vec::new();
    for (name, percent, level) in [("exposure_window_p50", 50, 0.5), ("exposure_window_p90", 90, 0.9)] {
        let estimand = format!("{percent}% quantile of the {what}");
        measures.push(Definition::quantile(name, estimand, &waits, level));
    }
    measures.push(Definition::extreme("exposure_window_max", max));
    // Windows of one design are not those of another: a design without most of them may be left with the long ones.
    let presence = watched(context);
    let described = measures.into_iter().map(|of| of.better(Better::Neither).with(presence));
    described.collect()
}
