//! Which measures there are: name, estimand in words, unit, and the estimator that fits.
//!
//! Names are the same in files, columns and code. Numbers come from `numbers`, formulas from `stats`. A measure whose
//! population a design cannot have (landings without a mesh) is left out; one whose population happened to be empty
//! has no estimate and n 0. Failed runs are in no measure.

use super::cell::Word;
use super::numbers::{DesignNumbers, ExposureKind, RunNumbers, STUCK_AFTER};
use super::plan::{Plan, PlannedDesign};
use super::summary::Measure;
use crate::cluster::records::{AccessClass, DelayCause, Via};
use crate::kernel::SimDuration;
use crate::stats::{
    BootstrapOptions, Estimate, IncidenceAnalysis, IncidenceOptions, Observation, Outcome, mean_of_runs, mean_t,
    ratio_of_sums, share_of_runs,
};

/// Runs above which a mean is near enough to normal whatever its law here, and a jackknife takes too long.
const JACKKNIFE_RUNS_MAX: usize = 10_000;

/// What a measure is made from.
pub struct Context<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The design.
    pub design: &'a PlannedDesign,
    /// Its numbers.
    pub numbers: &'a DesignNumbers,
    /// Nominal coverage of the intervals.
    pub confidence: f64,
}

/// Uniform 64-bit words.
pub type Uniform<'a> = &'a mut dyn FnMut() -> u64;

type Measures = Vec<(String, Measure)>;

/// Measures that are estimated together.
pub struct MeasureSet {
    /// Name; part of the address of its random numbers.
    pub name: &'static str,
    /// Makes the estimates.
    pub estimate: fn(&Context<'_>, Uniform<'_>) -> Measures,
}

/// All measures, in the order in which they are shown.
#[must_use]
pub fn measure_sets() -> Vec<MeasureSet> {
    macro_rules! sets {
        ($($set:ident),+ $(,)?) => { vec![$(MeasureSet { name: stringify!($set), estimate: $set }),+] };
    }
    sets![
        access_classes,
        reuse,
        node_given_up,
        startup_latency,
        running_latency,
        delayed_startup,
        pod_shares,
        landings,
        stuck_certificates,
        control_plane,
        exposure,
        exposure_window,
        first_unauthorized,
    ]
}

impl Context<'_> {
    /// Resamples of a bootstrap: as many beyond each end of the interval as there are at the usual confidence.
    fn resamples(&self) -> u32 {
        let usual = BootstrapOptions::default();
        let more = (1.0 - usual.confidence) / (1.0 - self.confidence);
        libm::round(f64::from(usual.resamples) * more.max(1.0)) as u32
    }

    fn share(&self, estimand: &str, of: impl Fn(&RunNumbers) -> Option<bool>) -> Measure {
        let (mut events, mut runs) = (0, 0);
        for event in self.numbers.sound().filter_map(of) {
            events += u64::from(event);
            runs += 1;
        }
        Measure::new(estimand, "1", share_of_runs(events, runs, self.confidence))
    }

    fn ratio(&self, estimand: &str, of: impl Fn(&RunNumbers) -> (u32, u32)) -> Measure {
        let pairs: Vec<(u64, u64)> = self
            .numbers
            .sound()
            .map(of)
            .map(|(events, units)| (events.into(), units.into()))
            .collect();
        let mut estimate = ratio_of_sums(&pairs, self.confidence);
        if pairs.iter().all(|(_, units)| *units == 0) {
            estimate.n = 0;
        }
        Measure::new(estimand, "1", estimate)
    }

    fn mean(
        &self,
        estimand: &str,
        unit: &str,
        uniform: Uniform<'_>,
        of: impl Fn(&RunNumbers) -> Option<f64>,
    ) -> Measure {
        let values: Vec<f64> = self.numbers.sound().filter_map(of).collect();
        let estimate = if values.len() > JACKKNIFE_RUNS_MAX {
            mean_t(&values, self.confidence)
        } else {
            let options = BootstrapOptions {
                confidence: self.confidence,
                resamples: self.resamples(),
            };
            mean_of_runs(&values, &options, uniform)
        };
        Measure::new(estimand, unit, estimate)
    }

    fn quantiles(&self, observations: &[Observation], levels: &[f64], uniform: Uniform<'_>) -> Vec<Estimate> {
        if observations.is_empty() {
            return vec![Estimate::not_estimable(0, self.confidence, "no data"); levels.len()];
        }
        let options = IncidenceOptions {
            runs: u32::try_from(self.numbers.sound().count()).unwrap_or(u32::MAX),
            horizon_ns: self.plan.horizon().as_nanos(),
            confidence: self.confidence,
            resamples: self.resamples(),
        };
        IncidenceAnalysis::new(observations, options).quantiles(levels, uniform)
    }
}

fn named(name: &str, measure: Measure) -> (String, Measure) {
    (name.to_owned(), measure)
}

fn access_classes(context: &Context<'_>, _: Uniform<'_>) -> Measures {
    let classes = [
        (
            "unauthorized_any",
            AccessClass::Unauthorized,
            "that no policy meant and every layer admitted",
        ),
        (
            "network_bypassed_any",
            AccessClass::NetworkBypassed,
            "that the network admitted against its policy and the mesh refused",
        ),
        (
            "mesh_bypassed_any",
            AccessClass::MeshBypassed,
            "that the mesh admitted against its policy and the network refused",
        ),
        (
            "wrongly_denied_any",
            AccessClass::WronglyDenied,
            "that policy meant and some layer refused",
        ),
    ];
    // Without any access nothing was put to the test, and no share of runs says anything.
    let judged = context.numbers.sound().any(RunNumbers::judged);
    let any = |(name, class, words): (&str, AccessClass, &str)| {
        let estimand = format!("share of runs with at least one access {words}");
        named(name, context.share(&estimand, |run| judged.then(|| run.has(class))))
    };
    let mut measures: Measures = classes.into_iter().map(any).collect();
    measures.push(named(
        "demonstrated_any",
        context.share(
            "share of runs whose probe from a reused address reached a live server",
            |run| judged.then_some(run.demonstrated),
        ),
    ));
    measures
}

fn reuse(context: &Context<'_>, _: Uniform<'_>) -> Measures {
    vec![
        named(
            "reused_at_first_look",
            context.share(
                "share of runs whose script's first look found a pod on a remembered address, of runs that looked",
                |run| run.found_at_first_look,
            ),
        ),
        named(
            "reused_in_first_batch",
            context.share(
                "share of runs in which a pod of the first batch got a remembered address, of runs with such a batch",
                |run| run.reused_in_first_batch,
            ),
        ),
        named(
            "reuse_per_rollout",
            context.ratio(
                "share of restarts that gave a pod on a remembered address, over all runs",
                |run| (run.rollouts.1, run.rollouts.0),
            ),
        ),
        named(
            "endpoint_withdrawn_first",
            context.share(
                "share of runs whose probed Service lost its endpoint before the probe was sent, of runs with a cut \
                 and remembered addresses",
                |run| run.endpoint_withdrawn_first,
            ),
        ),
        named(
            "reused_probe_admitted",
            context.share(
                "share of runs in which an access that was not meant was admitted by the network, of runs whose access \
                 from a reused address reached a live server after the cut",
                |run| run.reused_probe_reached.then_some(run.reused_probe_admitted),
            ),
        ),
    ]
}

fn node_given_up(context: &Context<'_>, uniform: Uniform<'_>) -> Measures {
    let delay = |run: &RunNumbers| run.node_given_up_delay.map(SimDuration::as_secs_f64);
    let mean = context.mean(
        "mean time from the cut to the node's being given up, of runs where it was",
        "s",
        uniform,
        delay,
    );
    let seen: Vec<f64> = context.numbers.sound().filter_map(delay).collect();
    let n = seen.len() as u64;
    let min = seen.iter().copied().reduce(f64::min);
    let max = seen.iter().copied().reduce(f64::max);
    vec![
        named("node_given_up_delay", mean),
        named(
            "node_given_up_delay_min",
            Measure::extreme("shortest such time", "s", min, n),
        ),
        named(
            "node_given_up_delay_max",
            Measure::extreme("longest such time", "s", max, n),
        ),
    ]
}

fn startup_latency(context: &Context<'_>, uniform: Uniform<'_>) -> Measures {
    latency(context, uniform, "startup_latency", "Ready", &context.numbers.startup)
}

fn running_latency(context: &Context<'_>, uniform: Uniform<'_>) -> Measures {
    latency(context, uniform, "running_latency", "Running", &context.numbers.running)
}

fn delayed_startup(context: &Context<'_>, uniform: Uniform<'_>) -> Measures {
    let causes = DelayCause::WORDS.iter().zip(&context.numbers.delayed);
    let measure = |((_, word), waits): (&(DelayCause, &str), &Vec<Observation>)| {
        let estimate = context.quantiles(waits, &[0.5], uniform).pop()?;
        let estimand = format!(
            "time from the wish for a pod within which half of the measured pods that {} delayed most are Ready; deleted \
             pods never are",
            word.replace('_', " ")
        );
        Some((
            format!("delayed_startup_p50_{word}"),
            Measure::new(&estimand, "s", estimate),
        ))
    };
    causes
        .filter(|(_, waits)| !waits.is_empty())
        .filter_map(measure)
        .collect()
}

fn latency(
    context: &Context<'_>,
    uniform: Uniform<'_>,
    name: &str,
    state: &str,
    observations: &[Observation],
) -> Measures {
    let levels = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)];
    let estimates = context.quantiles(observations, &levels.map(|(_, level)| level), uniform);
    let horizon = context.plan.horizon_s;
    let measure = |((suffix, level), estimate): ((&str, f64), Estimate)| {
        let percent = 100.0 * level;
        let estimand = format!(
            "time from the wish for a pod within which {percent} % of the measured pods of all runs are {state}; \
             deleted pods never are, pods still waiting at the horizon of {horizon} s are censored"
        );
        (format!("{name}_{suffix}"), Measure::new(estimand, "s", estimate))
    };
    levels.into_iter().zip(estimates).map(measure).collect()
}

fn pod_shares(context: &Context<'_>, _: Uniform<'_>) -> Measures {
    let horizon = context.plan.horizon_s;
    let threshold = context.plan.delayed_threshold_s;
    let mut measures = vec![
        named(
            "never_ready_share",
            context.ratio(
                &format!("share of measured pods still waiting at the horizon of {horizon} s"),
                |run| (run.pods.never_ready, run.pods.all),
            ),
        ),
        named(
            "deleted_before_ready_share",
            context.ratio("share of measured pods deleted before they were ready", |run| {
                (run.pods.deleted, run.pods.all)
            }),
        ),
        named(
            "delayed_share",
            context.ratio(
                &format!("share of measured pods whose connections to the control plane cost at least {threshold} s"),
                |run| (run.pods.delayed_by.iter().sum(), run.pods.all),
            ),
        ),
    ];
    for (cause, word) in DelayCause::WORDS {
        let estimand = format!(
            "share of measured pods delayed by at least {threshold} s, mostly by {}",
            words(*cause)
        );
        let share = context.ratio(&estimand, |run| (run.pods.delayed_by[*cause as usize], run.pods.all));
        measures.push((format!("delayed_share_{word}"), share));
    }
    measures
}

/// A cause of delay in words.
#[must_use]
pub const fn words(cause: DelayCause) -> &'static str {
    match cause {
        DelayCause::TokenReview => "a TokenReview that hung or failed",
        DelayCause::BlackHole => "a connection black-holed by the other node's WireGuard peers",
        DelayCause::Connection => "a connection that failed for another reason",
        DelayCause::Webhook => "an injection webhook that was not reached",
        DelayCause::EndpointLimiter => "Cilium's limiter of endpoint creations",
        DelayCause::IstiodLimiter => "an Istiod that refused for its own limits",
    }
}

fn landings(context: &Context<'_>, _: Uniform<'_>) -> Measures {
    if !context.design.mesh {
        return Vec::new();
    }
    vec![
        named(
            "no_bad_landing_share",
            context.ratio(
                "share of measured pods of which no connection to an Istiod failed",
                |run| (run.pods.no_bad_landing, run.pods.all),
            ),
        ),
        named(
            "any_bad_landing_share",
            context.ratio(
                "share of measured pods of which at least one connection to an Istiod failed",
                |run| (run.pods.all - run.pods.no_bad_landing, run.pods.all),
            ),
        ),
        named(
            "two_bad_landings_share",
            context.ratio(
                "share of measured pods of which at least two connections of one leg to an Istiod failed",
                |run| (run.pods.two_bad_landings, run.pods.all),
            ),
        ),
    ]
}

fn stuck_certificates(context: &Context<'_>, _: Uniform<'_>) -> Measures {
    if !context.numbers.sound().any(|run| run.pods.certificate_stuck > 0) {
        return Vec::new();
    }
    let minutes = STUCK_AFTER.as_secs_f64() / 60.0;
    let share = context.ratio(
        &format!(
            "share of measured pods whose certificate took {minutes} minutes or more, or had not come by the horizon"
        ),
        |run| (run.pods.certificate_stuck, run.pods.all),
    );
    let (n, shortest, longest) = match context.numbers.unstuck {
        Some((n, shortest, longest)) => (n, Some(shortest.as_secs_f64()), Some(longest.as_secs_f64())),
        None => (0, None, None),
    };
    vec![
        named("certificate_stuck_share", share),
        named(
            "certificate_unstuck_min",
            Measure::extreme(
                "shortest wait for a certificate that was stuck and came in the end",
                "s",
                shortest,
                n,
            ),
        ),
        named(
            "certificate_unstuck_max",
            Measure::extreme("longest such wait", "s", longest, n),
        ),
    ]
}

fn control_plane(context: &Context<'_>, uniform: Uniform<'_>) -> Measures {
    let mut measures = Vec::new();
    if context.design.mesh {
        let mean = context.mean(
            "mean number of certificate requests per run",
            "requests",
            uniform,
            |run| Some(run.certificate_requests as f64),
        );
        measures.push(named("certificate_requests", mean));
    }
    let estimand = "mean number of entries at the horizon in the cut node's ipcache that differ from the API server's, \
                    per run";
    measures.push(named(
        "stale_entries",
        context.mean(estimand, "entries", uniform, |run| Some(f64::from(run.stale_entries))),
    ));
    measures
}

fn exposure(context: &Context<'_>, uniform: Uniform<'_>) -> Measures {
    let kinds = [
        (AccessClass::Unauthorized, "unauthorized"),
        (AccessClass::NetworkBypassed, "admitted by the network alone"),
        (AccessClass::MeshBypassed, "admitted by the mesh alone"),
    ];
    let ways = [
        (Via::Service, "through the Service"),
        (Via::PodIp, "by the pod's address"),
    ];
    let mut measures = Vec::new();
    for (class, words) in kinds {
        for (via, how) in ways {
            let estimand = format!(
                "mean seconds per run during which an attempt {how} would have been {words}, summed over pairs of \
                 client and server"
            );
            let kind = ExposureKind { class, via };
            let mean = context.mean(&estimand, "s", uniform, |run| {
                Some(run.exposure.get(&kind).map_or(0.0, |span| span.as_secs_f64()))
            });
            measures.push((format!("{}_exposure_{}", class.word(), via.word()), mean));
        }
    }
    measures
}

fn exposure_window(context: &Context<'_>, uniform: Uniform<'_>) -> Measures {
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
    let estimates = context.quantiles(&windows, &[0.5, 0.9], uniform);
    let all_closed = windows.iter().all(|window| window.outcome == Outcome::Event);
    let longest = windows
        .iter()
        .map(|window| window.time_ns)
        .max()
        .map(|nanos| nanos as f64 / 1e9);
    let runs_with_windows = context
        .numbers
        .runs
        .iter()
        .filter(|run| !run.windows.is_empty())
        .count() as u64;
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
    let names = ["exposure_window_p50", "exposure_window_p90"];
    let percents = [50, 90];
    let mut measures: Measures = names
        .into_iter()
        .zip(percents)
        .zip(estimates)
        .map(|((name, percent), estimate)| {
            named(
                name,
                Measure::new(format!("{percent} % quantile of the {what}"), "s", estimate),
            )
        })
        .collect();
    measures.push(named("exposure_window_max", max));
    measures
}

fn first_unauthorized(context: &Context<'_>, uniform: Uniform<'_>) -> Measures {
    let indexed = context.numbers.runs.iter().enumerate();
    let firsts: Vec<Observation> = indexed
        .filter_map(|(run, numbers)| {
            let (since, happened) = numbers.first_unauthorized.filter(|_| !numbers.failed)?;
            let outcome = if happened { Outcome::Event } else { Outcome::Censored };
            Some(Observation {
                run: run as u32,
                time_ns: since.as_nanos(),
                outcome,
            })
        })
        .collect();
    let estimand = "median over runs with a cut of the time from the cut to the first unauthorized access; runs without \
                    one are censored at the horizon";
    let estimate = context.quantiles(&firsts, &[0.5], uniform).remove(0);
    vec![named("first_unauthorized", Measure::new(estimand, "s", estimate))]
}
