//! One track of a script: where it is, what it waits for, and what it repeats.

use std::collections::BTreeMap;

use super::super::ids::{KindId, NodeId, PodId};
use super::super::party::PartyKind;
use super::super::spec::{Step, TrackSpec};
use crate::kernel::{SimDuration, SimTime, Timer};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Waiting {
    /// For nothing.
    #[default]
    No,
    /// For Istiod and CoreDNS, before the first step.
    Prelude,
    /// For workloads to be ready.
    Ready,
    /// For addresses of all pods.
    Addresses,
    /// For the rollout of a Deployment to be complete.
    Rollout,
    /// For the rollout of a DaemonSet to be complete.
    Daemons(PartyKind),
    /// For a node to be cordoned, which begins a drain.
    Cordoned(NodeId),
    /// For pods to be gone.
    Gone,
    /// For a node to be Ready.
    NodeReady(NodeId),
    /// For a Job to be complete.
    JobComplete,
}

/// What of a rollout counts as progress (`kubernetes/kubernetes pkg/controller/deployment/util`, DeploymentProgressing): active pods
/// of the new revision, those of them that are ready, and old ones that are not there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) updated: usize,
    pub(super) ready: usize,
    pub(super) old: usize,
}

/// A track's state.
#[derive(Debug, Default)]
pub(super) struct Track {
    /// Its present step, and the first one that is not its own.
    pub(super) step: usize,
    pub(super) end: usize,
    /// Steps that it repeats, the innermost last.
    loops: Vec<Loop>,
    /// The track by which it was started.
    pub(super) parent: Option<u32>,
    /// Tracks that it has started and that have not ended.
    pub(super) children: usize,
    pub(super) serial: u32,
    /// Commands given so far, by the key of what they are about.
    pub(super) commands: BTreeMap<u64, u64>,
    pub(super) waiting: Waiting,
    pub(super) waited_kinds: Vec<KindId>,
    pub(super) waited_pods: Vec<PodId>,
    /// How far the rollout has come, and what happens if it comes no further.
    pub(super) progress: Option<(Progress, Timer)>,
    /// How many rollouts it has waited for.
    pub(super) rollouts: u32,
    pub(super) found: Option<PodId>,
    pub(super) prober: Option<PodId>,
}

/// Steps that are repeated.
#[derive(Debug)]
struct Loop {
    first: usize,
    end: usize,
    every: SimDuration,
    left: Option<u32>,
    /// When this repetition began, or is to begin.
    began: SimTime,
}

/// The tracks of a script: itself, and those that it can start.
pub(super) fn of_script(steps: &[Step]) -> Vec<Track> {
    let tracks = |step: &Step| match step {
        Step::Parallel { tracks, .. } => tracks.len(),
        _ => 0,
    };
    let of_steps: usize = steps.iter().map(tracks).sum();
    // None of them is at a step before it begins.
    let idle = || Track {
        step: usize::MAX,
        ..Track::default()
    };
    let mut all: Vec<Track> = (0..=of_steps).map(|_| idle()).collect();
    (all[0].step, all[0].end) = (0, steps.len());
    all
}

impl Track {
    /// It begins, perhaps not for the first time.
    pub(super) fn begins(&mut self, parent: u32, spec: &TrackSpec) {
        self.parent = Some(parent);
        (self.step, self.end) = (spec.steps.start, spec.steps.end);
    }

    /// It comes to steps that are repeated.
    pub(super) fn enter(&mut self, every: SimDuration, times: Option<u32>, end: usize, now: SimTime) {
        self.step += 1;
        self.loops.push(Loop {
            first: self.step,
            end,
            every,
            left: times,
            began: now,
        });
    }

    /// If it is at the end of steps that are repeated: when it goes on with the first of them. A repetition begins a period after the
    /// one before it, or when that has ended.
    pub(super) fn repeats(&mut self, now: SimTime) -> Option<SimTime> {
        while let Some(innermost) = self.loops.last_mut().filter(|innermost| innermost.end == self.step) {
            innermost.left = innermost.left.map(|left| left.saturating_sub(1));
            if innermost.left == Some(0) {
                self.loops.pop();
                continue;
            }
            innermost.began = (innermost.began + innermost.every).max(now);
            self.step = innermost.first;
            return Some(innermost.began);
        }
        None
    }
}
