//! Deploys of the script: how many were complete in time, and how long the longest took.
//!
//! A deploy is what `kubectl rollout status` waits for after a command: a restart, or applies and scales of workloads with the
//! `wait_ready` or `wait` that follows. It begins with its first command and is complete when the wait for it ends well: as many active pods
//! as asked for, all of the new revision and available. Pods that are terminating are not active, wherever they are
//! (`kubernetes/kubernetes staging/src/k8s.io/kubectl/pkg/polymorphichelpers/rollout_status.go`,
//! `pkg/controller/replicaset/replica_set.go`). Its deadline is that of the step, or the Deployment's own if it makes no progress.
//! The wait itself belongs to `script`.

use std::collections::BTreeMap;

use super::super::observed::ScriptFact;
use super::super::records::RunRecord;
use super::super::spec::{Rollout, Step, Until};
use crate::kernel::SimTime;

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Deploys {
    /// Workloads that were applied or scaled, and not waited for since: when first.
    commanded: BTreeMap<usize, SimTime>,
    /// When the deploy began that a track of the script waits for.
    under_way: BTreeMap<u32, SimTime>,
}

impl Deploys {
    /// Only what is under way counts.
    pub(super) fn begin_anew(&self, run: &mut RunRecord) {
        run.deploys = self.under_way.len() as u32;
        (run.deploys_in_time, run.longest_deploy) = (0, None);
    }

    /// Takes in what a track of the script did or saw.
    pub(super) fn observe(
        &mut self,
        track: u32,
        fact: &ScriptFact,
        script: &[Step],
        now: SimTime,
        run: &mut RunRecord,
    ) {
        match fact {
            ScriptFact::Step(number) => {
                self.end(track, true, now, run);
                self.step(track, &script[*number], now, run);
            }
            ScriptFact::Restarted(_, true) => self.begin(track, now, run),
            ScriptFact::Restarted(Rollout::Deployment(kind), false) => {
                self.commanded.entry(kind.index()).or_insert(now);
            }
            ScriptFact::RolloutComplete(_) | ScriptFact::Ended => self.end(track, true, now, run),
            ScriptFact::RolloutOverdue(_) | ScriptFact::TimedOut(..) => self.end(track, false, now, run),
            _ => {}
        }
    }

    fn step(&mut self, track: u32, step: &Step, now: SimTime, run: &mut RunRecord) {
        match step {
            Step::Apply { workloads } => {
                for workload in workloads {
                    self.commanded.entry(*workload).or_insert(now);
                }
            }
            Step::Scale { workload, replicas } => {
                if *replicas > 0 {
                    self.commanded.entry(*workload).or_insert(now);
                } else {
                    self.commanded.remove(workload);
                }
            }
            Step::Delete { workloads } => {
                for workload in workloads {
                    self.commanded.remove(workload);
                }
            }
            Step::WaitReady { workloads, .. }
            | Step::Wait {
                until: Until::Ready(workloads),
                ..
            } => self.waits(track, workloads, run),
            Step::Wait {
                until: Until::Complete(Rollout::Deployment(kind)),
                ..
            } => self.waits(track, &[kind.index()], run),
            _ => {}
        }
    }

    fn waits(&mut self, track: u32, workloads: &[usize], run: &mut RunRecord) {
        let began = workloads.iter().filter_map(|workload| self.commanded.remove(workload));
        if let Some(began) = began.min() {
            self.begin(track, began, run);
        }
    }

    fn begin(&mut self, track: u32, at: SimTime, run: &mut RunRecord) {
        run.deploys += 1;
        self.under_way.insert(track, at);
    }

    fn end(&mut self, track: u32, in_time: bool, now: SimTime, run: &mut RunRecord) {
        if let Some(began) = self.under_way.remove(&track) {
            run.deploys_in_time += u32::from(in_time);
            run.longest_deploy = run.longest_deploy.max(Some(now.since(began)));
        }
    }

    /// The run ends.
    pub(super) fn settle(&mut self, now: SimTime, run: &mut RunRecord) {
        for track in self.under_way.keys().copied().collect::<Vec<_>>() {
            self.end(track, false, now, run);
        }
    }
}
