//! Measures of what a fault does to deploys and to the creation of pods, and of how long its effects outlast it.
//!
//! When a deploy is complete, and what is out of order after a repair, is in the records of `cluster::recorder`.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Better, Context, Definition, Presence, Waits};
use crate::cluster::records::RunRecord;
use crate::kernel::{SimDuration, SimTime};
use crate::stats::{Observation, Outcome};

/// A time of each run that has one, and whether it is over; otherwise it was cut off.
fn waits<'n>(context: Context<'n>, of: impl Fn(&RunRecord) -> Option<(SimDuration, bool)>) -> Waits<'n> {
    let runs = (0..).zip(&context.numbers.runs).filter(|(_, run)| !run.failed);
    let seen = runs.filter_map(|(run, numbers)| {
        let (wait, over) = of(&numbers.record)?;
        Some(Observation {
            run,
            time_ns: wait.as_nanos(),
            outcome: if over { Outcome::Event } else { Outcome::Censored },
        })
    });
    Arc::new(Cow::Owned(seen.collect()))
}

fn shown_if(any: bool) -> Presence {
    if any { Presence::Shown } else { Presence::Quiet }
}

pub(super) fn deploys(context: Context<'_>) -> Vec<Definition<'_>> {
    let any = context.numbers.sound().any(|run| run.record.deploys > 0);
    let which = "of the deploys that were under way when the first fault began or later; a deploy is a restart, or applies and \
                 scales with the wait after them, and is complete when `kubectl rollout status` reports it";
    let longest = waits(context, |run| {
        Some((run.longest_deploy?, run.deploys_in_time == run.deploys))
    });
    let quantile = |suffix: &str, level: f64| {
        let estimand = format!(
            "time within which {}% of the runs that deploy have completed the longest of their deploys; one that is not complete \
             at its deadline or when the run ends is censored then",
            100.0 * level
        );
        Definition::quantile(format!("longest_deploy_{suffix}"), estimand, &longest, level)
    };
    let measures = [
        Definition::ratio(
            "deploys_in_time_share",
            format!("share that is complete by its deadline and before the run ends, {which}"),
            |run| (run.record.deploys_in_time, run.record.deploys),
        )
        .better(Better::Larger)
        .label("deploys complete in time")
        .head(8, "deploys\nin time")
        .panel(13),
        quantile("p50", 0.5).label("half of the runs have completed their deploys after"),
        quantile("p90", 0.9),
    ];
    measures.into_iter().map(|of| of.with(shown_if(any))).collect()
}

pub(super) fn creations(context: Context<'_>) -> Vec<Definition<'_>> {
    let any = context.numbers.sound().any(|run| run.record.creations_refused > 0);
    let measures = [
        Definition::mean(
            "creations_refused",
            "mean number of creations of pods per run that admission refused",
            "requests",
            |run| Some(f64::from(run.record.creations_refused)),
        )
        .label("refused creations of pods per run")
        .said(super::Said::Makes("refused creations of pods per run")),
        Definition::mean(
            "creations_repeated",
            "mean number of creations of pods per run that a controller sent again after a refusal",
            "requests",
            |run| Some(f64::from(run.record.creations_repeated)),
        )
        .label("repeated creations of pods per run")
        .said(super::Said::Makes("repeated creations of pods per run")),
    ];
    measures.into_iter().map(|of| of.with(shown_if(any))).collect()
}

/// When something was in order again after the repair; nothing if it was not when the run ended.
type Again = fn(&RunRecord) -> Option<SimTime>;

/// The last of the three.
fn all(run: &RunRecord) -> Option<SimTime> {
    Some(run.readers_current?.max(run.nodes_ready?).max(run.pods_ready?))
}

pub(super) fn recovery(context: Context<'_>) -> Vec<Definition<'_>> {
    let horizon = SimTime::from_nanos(context.frame.horizon_ns);
    let any = context.numbers.sound().any(|run| run.record.repaired.is_some());
    let measure = |name: &str, what: &str, again: Again, level: f64| {
        let seen = waits(context, |run| {
            let (repaired, again) = (run.repaired?, again(run));
            Some((again.unwrap_or(horizon).since(repaired), again.is_some()))
        });
        let estimand = format!(
            "time from the end of the last fault within which {}% of the runs whose faults have ended have {what} again; 0 s \
             where nothing was amiss, censored at the horizon",
            100.0 * level
        );
        let name = format!("{name}_p{:.0}", 100.0 * level);
        Definition::quantile(name, estimand, &seen, level).with(shown_if(any))
    };
    let readers = "all watches current";
    let nodes = "all nodes Ready";
    let pods = "all pods Ready that were desired before it, or deleted";
    vec![
        measure("recovery", "watches, nodes and pods in order", all, 0.5)
            .label("half of the runs have recovered after")
            .head(9, "recovered:\nhalf of runs")
            .panel(14),
        measure("recovery", "watches, nodes and pods in order", all, 0.9),
        measure("recovery_readers", readers, |run| run.readers_current, 0.5)
            .label("half of the runs have current watches after"),
        measure("recovery_nodes", nodes, |run| run.nodes_ready, 0.5)
            .label("half of the runs have all nodes Ready after"),
        measure("recovery_pods", pods, |run| run.pods_ready, 0.5).label("half of the runs have all pods Ready after"),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::{Frame, definition_of};
    use crate::cluster::records::RunRecord;
    use crate::kernel::{SimDuration, SimTime};
    use crate::lab::numbers::DesignNumbers;
    use crate::lab::plan::PlannedDesign;

    use super::*;

    fn s(seconds: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_secs(seconds)
    }

    /// Presence and estimate of a measure after these runs.
    fn of(name: &str, runs: &[RunRecord]) -> (Presence, Option<f64>) {
        let frame = Frame::new(300.0, 20.0, &[]);
        let design = PlannedDesign::default();
        let mut numbers = DesignNumbers::default();
        runs.iter().for_each(|run| numbers.run(run, s(300)));
        let context = Context {
            frame: &frame,
            design: &design,
            numbers: &numbers,
        };
        let definition = definition_of(name, context).expect("there is such a measure");
        (definition.presence, definition.estimate(&frame, &numbers).estimate)
    }

    #[test]
    fn a_design_without_deploys_refusals_and_repairs_reports_none() {
        let runs = vec![RunRecord::default(); 5];
        for name in [
            "deploys_in_time_share",
            "longest_deploy_p50",
            "creations_refused",
            "recovery_p50",
            "recovery_nodes_p50",
        ] {
            assert_eq!(of(name, &runs).0, Presence::Quiet, "{name}");
        }
    }

    #[test]
    fn a_deploy_that_is_not_complete_is_censored() {
        // Two deploys per run, the longest of 10, 20, … 100 s; from 60 s on one of them ran into its deadline.
        let run = |tenth: u64| RunRecord {
            deploys: 2,
            deploys_in_time: if tenth < 6 { 2 } else { 1 },
            longest_deploy: Some(SimDuration::from_secs(10 * tenth)),
            ..RunRecord::default()
        };
        let runs: Vec<RunRecord> = (1..=10).map(run).collect();
        assert_eq!(of("deploys_in_time_share", &runs), (Presence::Shown, Some(0.75)));
        assert_eq!(of("longest_deploy_p50", &runs).1, Some(50.0));
        assert_eq!(of("longest_deploy_p90", &runs).1, None);
    }

    #[test]
    fn what_has_recovered_counts_from_the_end_of_the_last_fault() {
        // Nodes return 10 s after readers, pods 20 s; those of the last three runs are not Ready when the run ends.
        let run = |number: u64| {
            let repaired = s(100 + number);
            let after = |seconds| Some(repaired + SimDuration::from_secs(seconds));
            RunRecord {
                repaired: Some(repaired),
                readers_current: after(number),
                nodes_ready: after(number + 10),
                pods_ready: after(number + 20).filter(|_| number <= 7),
                ..RunRecord::default()
            }
        };
        let mut runs: Vec<RunRecord> = (1..=10).map(run).collect();
        // A fault that still acts has no end.
        runs.push(RunRecord::default());
        for (name, expected) in [
            ("recovery_readers_p50", Some(5.0)),
            ("recovery_nodes_p50", Some(15.0)),
            ("recovery_pods_p50", Some(25.0)),
            ("recovery_p50", Some(25.0)),
            ("recovery_p90", None),
        ] {
            assert_eq!(of(name, &runs), (Presence::Shown, expected), "{name}");
        }
    }
}
