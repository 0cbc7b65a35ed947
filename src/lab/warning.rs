//! Warnings that advise: what was seen, why it matters for trust, what to do.
//!
//! A closed list. Warnings go into the manifest and from there onto every page.

use std::collections::BTreeMap;
use std::fmt;

use super::compare::ACCESS;
use super::controls::Controls;
use super::manifest::Manifest;
use super::measures::{Known, TESTED, ready_quantiles};
use super::numbers::DesignNumbers;
use super::plan::Plan;
use super::real_coverage;
use super::shard::ShardRecord;
use super::stopping::{StoppingRecord, Verdict};
use super::summary::{DesignSummary, Summary};
use crate::kernel::RunFailure;

/// Runs below which intervals are too rough for a decision.
const RUNS_FEW: u64 = 100;
/// Most designs that one warning names.
const LISTED_MAX: usize = 4;

/// Something worth knowing before a result is trusted.
#[derive(Clone, Debug, PartialEq)]
pub enum Warning {
    Incomplete {
        done: u64,
        planned: u64,
    },
    Shard(ShardRecord),
    /// The number of replications depends on the machine.
    TimeBudget {
        same_rows_with: String,
    },
    /// A stopping rule that was not fulfilled.
    NotNarrowEnough {
        /// The intervals that were too wide, as design and measure.
        intervals: Vec<(String, String)>,
        runs: u64,
    },
    Failed {
        design: String,
        failed: u64,
        runs: u64,
        first: u64,
        failure: RunFailure,
        replay: String,
    },
    FewRuns {
        runs: u64,
    },
    FaultTouchedNothing {
        design: String,
        runs: u64,
    },
    DeletedFirst {
        /// Designs, each with the lowest such measure and the share of deleted pods.
        cases: Vec<(String, &'static str, f64)>,
    },
    BeyondHorizon {
        cases: Vec<(String, &'static str)>,
        horizon_s: f64,
    },
    /// Intervals that are known to hold too seldom in this experiment.
    Coverage {
        /// Design and measure, with the share of studies whose interval held the truth.
        cases: Vec<(String, String, f64)>,
    },
    /// Runs that measured many pods fared otherwise than those that measured few.
    InformativeSize {
        /// Design and measure, with the share of the pods and the mean over runs.
        cases: Vec<(String, String, f64, f64)>,
    },
    /// Nothing bad was seen, in designs that are no control.
    ZeroEvents {
        designs: Vec<String>,
        runs: u64,
        upper: f64,
    },
    ScriptStopped {
        designs: Vec<(String, u64)>,
        reason: String,
    },
}

impl Warning {
    pub fn of(plan: &Plan, manifest: &Manifest, numbers: &[DesignNumbers], summary: &Summary) -> Vec<Self> {
        let mut warnings = Vec::new();
        let controls = Controls::of(&plan.designs);
        let done = manifest.replications;
        if !manifest.complete {
            warnings.push(Self::Incomplete {
                done,
                planned: manifest.replications_planned,
            });
        }
        warnings.extend(manifest.shard.clone().map(Self::Shard));
        warnings.extend(manifest.stopping.as_ref().and_then(stopped));
        if done < RUNS_FEW {
            warnings.push(Self::FewRuns { runs: done });
        }
        for (numbers, estimated) in numbers.iter().zip(&summary.designs) {
            let design = || estimated.name.clone();
            let runs = estimated.replications;
            if let Some((first, failure)) = &numbers.first_failure {
                warnings.push(Self::Failed {
                    design: design(),
                    failed: estimated.failed,
                    runs,
                    first: manifest.first_replication() + *first,
                    failure: failure.clone(),
                    replay: plan.replay(&estimated.name, manifest.first_replication() + *first),
                });
            }
            let untouched = numbers
                .sound()
                .filter(|run| run.record.cut.is_some() && run.record.parties_cut == 0)
                .count() as u64;
            let on_purpose = controls.contains(&estimated.name)
                || plan
                    .designs
                    .iter()
                    .any(|design| design.name == estimated.name && design.cuts_nothing);
            if untouched > 0 && !on_purpose {
                warnings.push(Self::FaultTouchedNothing {
                    design: design(),
                    runs: untouched,
                });
            }
        }
        warnings.extend(deleted_first(summary));
        warnings.extend(beyond_horizon(plan, summary));
        warnings.extend(coverage(summary));
        warnings.extend(informative_size(summary));
        warnings.extend(zero_events(summary, &controls));
        warnings.extend(script_stopped(numbers, summary));
        warnings
    }
}

fn stopped(stopping: &StoppingRecord) -> Option<Warning> {
    match stopping.verdict {
        Verdict::TimeBudget => Some(Warning::TimeBudget {
            same_rows_with: stopping.same_rows_with.clone(),
        }),
        Verdict::AtMost => {
            let look = stopping.looks.last()?;
            let wide = look.intervals.iter().filter(|seen| !seen.reached);
            let intervals: Vec<_> = wide.map(|seen| (seen.design.clone(), seen.measure.clone())).collect();
            let runs = look.replications;
            (!stopping.rule.until.is_empty()).then_some(Warning::NotNarrowEnough { intervals, runs })
        }
        Verdict::Reached | Verdict::GoOn => None,
    }
}

fn deleted_first(summary: &Summary) -> Option<Warning> {
    let never = |design: &DesignSummary| {
        let case = |of: &&'static Known| {
            let name = of.name.as_str();
            Some((design.name.clone(), name, design.never_reached(name)?))
        };
        ready_quantiles().iter().find_map(case)
    };
    let cases: Vec<_> = summary.designs.iter().filter_map(never).collect();
    (!cases.is_empty()).then_some(Warning::DeletedFirst { cases })
}

fn beyond_horizon(plan: &Plan, summary: &Summary) -> Option<Warning> {
    let not_reached = |design: &DesignSummary| {
        let waiting = |of: &&Known| {
            let missing = design
                .measure(&of.name)
                .is_some_and(|measure| measure.estimate.is_none() && measure.n > 0);
            missing && design.never_reached(&of.name).is_none()
        };
        let found = ready_quantiles().into_iter().find(waiting);
        found.map(|of| (design.name.clone(), of.name.as_str()))
    };
    let cases: Vec<_> = summary.designs.iter().filter_map(not_reached).collect();
    (!cases.is_empty()).then_some(Warning::BeyondHorizon {
        cases,
        horizon_s: plan.horizon_s,
    })
}

fn coverage(summary: &Summary) -> Option<Warning> {
    let below = real_coverage::below(summary).into_iter();
    let cases: Vec<_> = below.map(|row| (row.design, row.measure, row.coverage)).collect();
    (!cases.is_empty()).then_some(Warning::Coverage { cases })
}

fn informative_size(summary: &Summary) -> Option<Warning> {
    let cases = summary.designs.iter().flat_map(|design| {
        let per_run = design.measures.iter().filter_map(|(name, per_run)| {
            let share = design.measure(name.strip_suffix("_per_run")?)?;
            let measure = name.strip_suffix("_per_run")?.to_owned();
            Some((design.name.clone(), measure, share.estimate?, per_run.estimate?))
        });
        per_run.collect::<Vec<_>>()
    });
    let cases: Vec<_> = cases.collect();
    (!cases.is_empty()).then_some(Warning::InformativeSize { cases })
}

fn zero_events(summary: &Summary, controls: &Controls<'_>) -> Option<Warning> {
    // Where no request put a policy to the test, and none was open, there is nothing that could have been seen.
    let tested = |design: &DesignSummary| design.measure(TESTED).is_some_and(|measure| measure.n > 0);
    if !summary.designs.iter().any(tested) {
        return None;
    }
    let bound = |design: &DesignSummary| {
        let measure = design.measure(ACCESS).filter(|measure| measure.estimate == Some(0.0))?;
        Some((design.name.clone(), measure.n, measure.upper?)).filter(|_| !controls.contains(&design.name))
    };
    let found: Vec<_> = summary.designs.iter().filter_map(bound).collect();
    let runs = found.iter().map(|(_, runs, _)| *runs).min()?;
    let upper = found.iter().map(|(_, _, upper)| *upper).fold(0.0, f64::max);
    Some(Warning::ZeroEvents {
        designs: found.into_iter().map(|(name, _, _)| name).collect(),
        runs,
        upper,
    })
}

fn script_stopped(numbers: &[DesignNumbers], summary: &Summary) -> Option<Warning> {
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    let mut designs = Vec::new();
    for (numbers, design) in numbers.iter().zip(&summary.designs) {
        for (reason, count) in &numbers.script_stops {
            *reasons.entry(reason).or_default() += count;
        }
        let stops: u64 = numbers.script_stops.values().sum();
        designs.extend((stops > 0).then(|| (design.name.clone(), stops)));
    }
    // The first by name among the most frequent.
    let most = reasons.into_iter().rev().max_by_key(|(_, count)| *count)?;
    Some(Warning::ScriptStopped {
        designs,
        reason: most.0.to_owned(),
    })
}

/// Names with something each, as a list in a sentence; of many points the first ones.
fn listed<T>(items: &[T], write: impl Fn(&T) -> String) -> String {
    let mut words: Vec<String> = items.iter().take(LISTED_MAX).map(write).collect();
    if items.len() > LISTED_MAX {
        words.push(format!("and {} more", items.len() - LISTED_MAX));
    }
    words.join(", ")
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete { done, planned } => write!(
                f,
                "The experiment was interrupted: {done} of {planned} replications of each design are in the result. \
                 They are a valid smaller study, with wider intervals. Go on with --resume."
            ),
            Self::Shard(shard) => write!(
                f,
                "This is shard {} of an experiment: replications {} to {} of {}. It is a valid smaller study, with wider \
                 intervals. Put the shards together with `meshfault merge`.",
                shard.shard(),
                shard.first,
                shard.end - 1,
                shard.replications_of_all
            ),
            Self::TimeBudget { same_rows_with } => write!(
                f,
                "The time budget ended the study, so another machine may make another number of replications. \
                 `{same_rows_with}` makes the same runs again."
            ),
            Self::NotNarrowEnough { intervals, runs } if intervals.is_empty() => write!(
                f,
                "No design has the measures that the stopping rule names; all {runs} replications were made. Name other \
                 measures under `until`."
            ),
            Self::NotNarrowEnough { intervals, runs } => write!(
                f,
                "After {runs} replications, the most that the stopping rule allows, these intervals were still wider than \
                 it requests: {}. Raise `at_most`, or request less.",
                listed(intervals, |(design, measure)| format!("{measure} of {design}"))
            ),
            Self::Failed {
                design,
                failed,
                runs,
                first,
                failure,
                replay,
            } => write!(
                f,
                "{design}: {failed} of {runs} runs failed and are in no measure. If they failed because of what is \
                 measured, the estimates are biased. The first is replication {first}: {failure}. A reason that begins \
                 with `panic` is a defect of the program. Replay it with `{replay}`."
            ),
            Self::FewRuns { runs } => write!(
                f,
                "{} of each design {} few: intervals are wide, and nothing rarer than about {:.0}% of runs would show. Raise \
                 --replications before deciding anything.",
                numbered(*runs, "replication"),
                if *runs == 1 { "is" } else { "are" },
                if *runs == 0 {
                    100.0
                } else {
                    (300.0 / *runs as f64).min(100.0)
                }
            ),
            Self::FaultTouchedNothing { design, runs } => write!(
                f,
                "{design}: in {runs} runs the fault touched no component. Those runs show a healthy cluster. Check the names \
                 that the fault is aimed at."
            ),
            Self::DeletedFirst { cases } => write!(
                f,
                "These quantiles do not exist, because more pods were replaced before they were ready: {}. Compare a lower quantile.",
                listed(cases, |(design, measure, deleted)| format!(
                    "{measure} of {design}, {} replaced",
                    percent(*deleted)
                ))
            ),
            Self::BeyondHorizon { cases, horizon_s } => write!(
                f,
                "Not reached within the horizon of {horizon_s} s, because pods were still waiting: {}. There is only a lower \
                 bound. Read never_ready_share before comparing; a longer horizon helps.",
                listed(cases, |(design, measure)| format!("{measure} of {design}"))
            ),
            Self::Coverage { cases } => write!(
                f,
                "In studies of this size, drawn from ten thousand runs of this experiment, these intervals of nominal 95% held \
                 the truth more seldom: {}. Take more replications before deciding by them.",
                listed(cases, |(design, measure, held)| format!(
                    "{measure} of {design} in {}",
                    percent(*held)
                ))
            ),
            Self::InformativeSize { cases } => write!(
                f,
                "Shares of all pods differ from shares per run, because runs measured different numbers of pods: {}. \
                 `measures.startup.first_batch` measures the same pods in every run.",
                listed(cases, |(design, measure, pods, runs)| format!(
                    "{measure} of {design}, {} of the pods, {} by run",
                    percent(*pods),
                    percent(*runs)
                ))
            ),
            Self::ZeroEvents { designs, runs, upper } => write!(
                f,
                "No unauthorized access was seen in {} or more of {}. The true share may still be up to {}. \
                 Check exposure, which does not depend on probe timing, or increase --replications.",
                numbered(*runs, "run"),
                listed(designs, String::clone),
                percent(*upper)
            ),
            Self::ScriptStopped { designs, reason } => write!(
                f,
                "The script stopped before its end ({}), mostly at: {reason}. Measures that need the later steps have \
                 fewer runs; see their n.",
                listed(designs, |(design, runs)| format!("{design}: {runs} runs"))
            ),
        }
    }
}

/// A share in per cent with two digits that count.
/// A number of runs or replications.
fn numbered(number: u64, of: &str) -> String {
    format!("{number} {of}{}", if number == 1 { "" } else { "s" })
}

fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    let digits = if percent >= 10.0 {
        0
    } else if percent >= 1.0 {
        1
    } else {
        2
    };
    format!("{percent:.digits$}%")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::summary::Measure;
    use crate::stats::share_of_runs;

    /// Requests that no policy refuses show nothing about wrong clients.
    #[test]
    fn nothing_is_missed_where_no_request_tested_a_policy() {
        let summary = |tested: u64| Summary {
            experiment: String::new(),
            version: String::new(),
            headline: Vec::new(),
            designs: vec![DesignSummary {
                name: "a".to_owned(),
                replications: 100,
                failed: 0,
                measures: [(ACCESS, 100), (TESTED, tested)]
                    .map(|(name, runs)| {
                        (
                            name.to_owned(),
                            Measure::new("share", "1", share_of_runs(0, runs, 0.95)),
                        )
                    })
                    .into_iter()
                    .collect(),
                edges: Vec::new(),
                availability: Vec::new(),
                flows: Vec::new(),
            }],
            comparisons: Vec::new(),
            not_compared: Vec::new(),
            expectations: Vec::new(),
        };
        let controls = Controls::of(&[]);
        assert_eq!(zero_events(&summary(0), &controls), None);
        assert!(matches!(
            zero_events(&summary(3), &controls),
            Some(Warning::ZeroEvents { runs: 100, .. })
        ));
    }
}
