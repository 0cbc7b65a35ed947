//! Measures of pods: how long they wait for Ready and Running, how many were delayed by what, and where their
//! connections to the control plane went.

use std::borrow::Cow;
use std::sync::Arc;

use super::access::NO_MESH;
use super::{Better, Context, Definition, Presence, READY, Said};
use crate::cluster::phases::PHASES;
use crate::cluster::records::DelayCause;
use crate::lab::cell::Word;
use crate::lab::numbers::{PodCounts, RunNumbers, STUCK_AFTER};
use crate::lab::summary::Measure;
use crate::stats::Observation;

pub(super) fn startup_latency(context: Context<'_>) -> Vec<Definition<'_>> {
    let [half, most, nearly_all] = latency(context, "startup_latency", READY, &context.numbers.startup);
    vec![
        half.label("startup: half of the pods are ready after")
            .head(4, "ready: half\nof the pods")
            .panel(4),
        most.label("startup: 90% of the pods are ready after"),
        nearly_all
            .label("startup: 99% of the pods are ready after")
            .head(5, "ready: 99%\nof the pods")
            .panel(3),
    ]
}

pub(super) fn running_latency(context: Context<'_>) -> Vec<Definition<'_>> {
    latency(context, "running_latency", "Running", &context.numbers.running).into()
}

fn latency<'n>(
    context: Context<'n>,
    name: &str,
    state: &'static str,
    observations: &'n [Observation],
) -> [Definition<'n>; 3] {
    let waits = Arc::new(Cow::Borrowed(observations));
    let horizon = context.frame.horizon_s;
    let levels = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)];
    let measure = |(suffix, level): (&str, f64)| {
        let percent = 100.0 * level;
        let estimand = format!(
            "time from the creation of a pod within which {percent}% of the measured pods of all runs are {state}; \
             deleted pods never are, pods still waiting at the horizon of {horizon} s are censored"
        );
        Definition::quantile(format!("{name}_{suffix}"), estimand, &waits, level).said(Said::When { level, state })
    };
    levels.map(measure)
}

pub(super) fn delayed_startup<'n>(context: Context<'n>) -> Vec<Definition<'n>> {
    let causes = DelayCause::WORDS.iter().zip(&context.numbers.delayed);
    let measure = |((_, word), waits): (&(DelayCause, &str), &'n Vec<Observation>)| {
        let estimand = format!(
            "time from the creation of a pod within which half of the measured pods that {} delayed most are Ready; deleted \
             pods never are",
            word.replace('_', " ")
        );
        // Pods that one design delays are others than those of another design, so no value is better by itself.
        let presence = if waits.is_empty() {
            Presence::Quiet
        } else {
            Presence::Shown
        };
        let waits = Arc::new(Cow::Borrowed(waits.as_slice()));
        Definition::quantile(format!("delayed_startup_p50_{word}"), estimand, &waits, 0.5)
            .with(presence)
            .better(Better::Neither)
    };
    causes.map(measure).collect()
}

pub(super) fn pod_shares(context: Context<'_>) -> Vec<Definition<'_>> {
    let horizon = context.frame.horizon_s;
    let threshold = context.frame.delayed_threshold_s;
    let mut measures = vec![
        Definition::ratio(
            "never_ready_share",
            format!("share of measured pods still waiting at the horizon of {horizon} s"),
            |run| (run.pods.never_ready, run.pods.all),
        )
        .label("pods that were never ready")
        .head(7, "never ready\n(pods)")
        .panel(5)
        .said(Said::Pods("still leaves waiting at the horizon")),
        Definition::ratio(
            "deleted_before_ready_share",
            "share of measured pods deleted before they were ready",
            |run| (run.pods.deleted, run.pods.all),
        )
        .said(Said::Pods("deletes before they are ready")),
        Definition::ratio(
            "delayed_share",
            format!(
                "share of measured pods that lost at least {threshold} s to connections to the control plane, limits and \
                 refusals"
            ),
            |run| (run.pods.delayed_by.iter().sum(), run.pods.all),
        )
        .label("pods that the control plane delayed")
        .head(6, "delayed\n(pods)")
        .panel(6)
        .said(Said::Pods("delays")),
    ];
    measures.extend(long_starts(context));
    measures.extend(per_run(context, &measures));
    for (cause, word) in DelayCause::WORDS {
        let estimand = format!(
            "share of measured pods delayed by at least {threshold} s, mostly by {}",
            cause.words().by
        );
        let name = format!("delayed_share_{word}");
        measures.push(Definition::ratio(name, estimand, |run| {
            (run.pods.delayed_by[*cause as usize], run.pods.all)
        }));
    }
    measures
}

/// Shares of pods whose runs are not alike in size: the correlation from which on the share of the pods and the mean over
/// runs of the run's own share are shown side by side.
pub const INFORMATIVE: f64 = 0.2;

/// Counts the pods of a run that have a property.
type Count = fn(&PodCounts) -> u32;

/// The same shares with every run counting alike, however many pods it measured. They differ where the number of pods of a
/// run depends on what happened in it, and are listed there.
fn per_run<'n>(context: Context<'n>, shares: &[Definition<'n>]) -> Vec<Definition<'n>> {
    let alike: [(&str, Count); 4] = [
        ("never_ready_share", |pods| pods.never_ready),
        ("deleted_before_ready_share", |pods| pods.deleted),
        ("delayed_share", |pods| pods.delayed_by.iter().sum()),
        ("long_start_share", |pods| pods.took_long),
    ];
    let own = |of: Count| {
        move |run: &RunNumbers| {
            let pods = &run.pods;
            (pods.all > 0).then(|| f64::from(of(pods)) / f64::from(pods.all))
        }
    };
    let measure = |(name, of): (&str, Count)| {
        let estimand = &shares.iter().find(|share| share.name == name)?.estimand;
        let seen: Vec<(f64, f64)> = context
            .numbers
            .sound()
            .filter_map(|run| Some((f64::from(run.pods.all), own(of)(run)?)))
            .collect();
        let informative = correlation(&seen).is_some_and(|rho| rho.abs() > INFORMATIVE);
        let presence = if informative { Presence::Shown } else { Presence::Quiet };
        let estimand = format!("mean over runs, each counting alike, of the run's own {estimand}");
        let mean = Definition::mean(format!("{name}_per_run"), estimand, "1", own(of));
        Some(mean.at_most(Some(1.0)).with(presence))
    };
    alike.into_iter().filter_map(measure).collect()
}

/// Correlation of pairs; `None` if one of the two does not vary.
fn correlation(pairs: &[(f64, f64)]) -> Option<f64> {
    let n = pairs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
    let (a, b) = (mean(|pair| pair.0), mean(|pair| pair.1));
    let sum = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>();
    let both = sum(&|pair| (pair.0 - a) * (pair.1 - b));
    let each = sum(&|pair| (pair.0 - a) * (pair.0 - a)) * sum(&|pair| (pair.1 - b) * (pair.1 - b));
    (each > 0.0).then(|| both / libm::sqrt(each))
}

/// Starts that took long, and those of them that no known mechanism explains, by their longest phase.
fn long_starts(context: Context<'_>) -> Vec<Definition<'_>> {
    let threshold = context.frame.delayed_threshold_s;
    let unexplained = format!(
        "share of measured pods that took at least {threshold} s without having lost half of what is beyond that to \
         connections to the control plane, limits, refusals and nodes that started no pods"
    );
    let mut measures = vec![
        Definition::ratio(
            "long_start_share",
            format!(
                "share of measured pods that took at least {threshold} s from being desired to Ready, whatever the reason; \
                 those deleted or still waiting after that long count as well"
            ),
            |run| (run.pods.took_long, run.pods.all),
        )
        .label("pods that took long"),
        Definition::ratio("unexplained_share", unexplained.as_str(), |run| {
            (run.pods.unexplained.iter().sum(), run.pods.all)
        }),
    ];
    for (place, phase) in PHASES.iter().map(|phase| phase.name).enumerate() {
        let estimand = format!("{unexplained}, and whose longest phase was {phase}");
        let any = context.numbers.sound().any(|run| run.pods.unexplained[place] > 0);
        measures.push(
            Definition::ratio(format!("unexplained_share_{phase}"), estimand, move |run| {
                (run.pods.unexplained[place], run.pods.all)
            })
            .with(if any { Presence::Shown } else { Presence::Quiet }),
        );
    }
    measures
}

pub(super) fn connections(context: Context<'_>) -> Vec<Definition<'_>> {
    let presence = if context.design.mesh { Presence::Shown } else { NO_MESH };
    let measures = [
        Definition::ratio(
            "no_bad_landing_share",
            "share of measured pods of which no connection to an Istiod failed",
            |run| (run.pods.no_bad_landing, run.pods.all),
        )
        .better(Better::Larger),
        Definition::ratio(
            "any_bad_landing_share",
            "share of measured pods of which at least one connection to an Istiod failed",
            |run| (run.pods.all - run.pods.no_bad_landing, run.pods.all),
        ),
        Definition::ratio(
            "two_bad_landings_share",
            "share of measured pods of which at least two connections of one channel to an Istiod failed",
            |run| (run.pods.two_bad_landings, run.pods.all),
        ),
    ];
    measures.into_iter().map(|of| of.with(presence)).collect()
}

pub(super) fn stuck_certificates(context: Context<'_>) -> Vec<Definition<'_>> {
    let any = context.numbers.sound().any(|run| run.pods.certificate_stuck > 0);
    let presence = match (context.design.mesh, any) {
        (_, true) => Presence::Shown,
        (true, false) => Presence::Quiet,
        (false, false) => NO_MESH,
    };
    let minutes = STUCK_AFTER.as_secs_f64() / 60.0;
    let (n, shortest, longest) = match context.numbers.unstuck {
        Some((n, shortest, longest)) => (n, Some(shortest.as_secs_f64()), Some(longest.as_secs_f64())),
        None => (0, None, None),
    };
    let shortest = Measure::extreme(
        "shortest wait for a certificate that was stuck and came in the end",
        "s",
        shortest,
        n,
    );
    let measures = [
        Definition::ratio(
            "certificate_stuck_share",
            format!(
                "share of measured pods whose certificate took {minutes} minutes or more, or had not come by the horizon"
            ),
            |run| (run.pods.certificate_stuck, run.pods.all),
        ),
        Definition::extreme("certificate_unstuck_min", shortest),
        Definition::extreme(
            "certificate_unstuck_max",
            Measure::extreme("longest such wait", "s", longest, n),
        ),
    ];
    measures.into_iter().map(|of| of.with(presence)).collect()
}
