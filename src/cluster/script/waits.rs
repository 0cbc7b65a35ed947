//! What a track waits for, and what happens if that takes too long.

use super::super::context::Ctx;
use super::super::ids::KindId;
use super::super::observed::{Fact, ScriptFact};
use super::super::spec::{Daemons, Rollout, Step};
use super::track::{Progress, Waiting};
use super::{Script, next};
use crate::kernel::SimDuration;

/// `progressDeadlineSeconds` of Deployments that do not set it.
const PROGRESS_DEADLINE: SimDuration = SimDuration::from_secs(600);

impl Script {
    pub(super) fn wait(
        &mut self,
        track: u32,
        what: Waiting,
        kinds: Vec<KindId>,
        timeout: Option<SimDuration>,
        ctx: &mut Ctx,
    ) {
        self.begin_wait(track, what, kinds, timeout, ctx);
        if self.satisfied(track, ctx) {
            self.waited(track, ctx);
        }
    }

    pub(super) fn begin_wait(
        &mut self,
        track: u32,
        what: Waiting,
        kinds: Vec<KindId>,
        timeout: Option<SimDuration>,
        ctx: &mut Ctx,
    ) {
        let own = self.track(track);
        own.serial += 1;
        own.waiting = what;
        let serial = own.serial;
        ctx.shared.watchlist.kinds.insert(track, kinds.clone());
        if let Waiting::NodeReady(node) = what {
            ctx.shared.watchlist.nodes.insert(track, node);
        }
        own.waited_kinds = kinds;
        if let Some(timeout) = timeout {
            Self::over_after(track, timeout, Some(serial), ctx);
        }
    }

    pub(super) fn satisfied(&self, track: u32, ctx: &Ctx) -> bool {
        let api = &ctx.shared.api;
        let own = &self.tracks[track as usize];
        match own.waiting {
            Waiting::Daemons(of) => return !self.rolling.contains(&of),
            Waiting::Cordoned(node) => return api.node(node).cordoned,
            Waiting::Gone => return own.waited_pods.iter().all(|&pod| api.pod(pod).is_none()),
            Waiting::NodeReady(node) => return !api.node(node).not_ready,
            Waiting::JobComplete => {
                let is_complete = |kind: &KindId| api.latest_job(*kind, &ctx.shared.sets) == Some(true);
                return own.waited_kinds.iter().all(is_complete);
            }
            _ => {}
        }
        own.waited_kinds.iter().all(|&kind| {
            // As the controllers count: a pod with a deletion timestamp is not active.
            let active = || {
                let pods = api
                    .pods_of(kind)
                    .iter()
                    .map(|&pod| (pod, api.pod(pod).copied().unwrap_or_default()));
                pods.filter(|(_, object)| !object.deleting)
            };
            let complete = active().count() == self.desired[kind.index()] as usize;
            complete
                && active().all(|(pod, object)| match own.waiting {
                    Waiting::Addresses => object.ip.is_some(),
                    Waiting::Rollout => {
                        object.ready && ctx.shared.pods[pod.index()].revision == self.revisions[kind.index()]
                    }
                    _ => object.ready,
                })
        })
    }

    /// The Deployment's own deadline begins anew with each progress.
    pub(super) fn watch_progress(&mut self, track: u32, ctx: &mut Ctx) {
        let own = &self.tracks[track as usize];
        let Some(&kind) = own.waited_kinds.first() else { return };
        let revision = self.revisions[kind.index()];
        let api = &ctx.shared.api;
        let pods = api.pods_of(kind).iter();
        let active: Vec<(bool, bool)> = pods
            .filter_map(|&pod| {
                let object = api.pod(pod).filter(|object| !object.deleting)?;
                Some((ctx.shared.pods[pod.index()].revision == revision, object.ready))
            })
            .collect();
        let count = |is: fn(&(bool, bool)) -> bool| active.iter().filter(|pod| is(pod)).count();
        let now = Progress {
            updated: count(|(new, _)| *new),
            ready: count(|(new, ready)| *new && *ready),
            old: count(|(new, _)| !*new),
        };
        if let Some((before, timer)) = own.progress {
            if now.updated <= before.updated && now.ready <= before.ready && now.old >= before.old {
                return;
            }
            ctx.kernel.cancel(timer);
        }
        let workload = ctx.blueprint().spec.workloads.get(kind.index());
        let deadline = workload.map_or(PROGRESS_DEADLINE, |workload| workload.progress_deadline);
        let timer = Self::over_after(track, deadline, None, ctx);
        self.track(track).progress = Some((now, timer));
    }

    /// A wait has ended, well or not; gives what it was for.
    fn end_wait(&mut self, track: u32, ctx: &mut Ctx) -> Waiting {
        let own = self.track(track);
        own.serial += 1;
        if let Some((_, timer)) = own.progress.take() {
            ctx.kernel.cancel(timer);
        }
        ctx.shared.watchlist.kinds.remove(&track);
        ctx.shared.watchlist.nodes.remove(&track);
        std::mem::take(&mut own.waiting)
    }

    /// What a track waited for is there.
    pub(super) fn waited(&mut self, track: u32, ctx: &mut Ctx) {
        if let Waiting::Cordoned(node) = self.track(track).waiting {
            self.evict(track, node, ctx);
            return;
        }
        let rollout = self.rollout_waited_for(track);
        match self.end_wait(track, ctx) {
            Waiting::No | Waiting::Cordoned(_) => {}
            Waiting::Prelude => next(track, SimDuration::ZERO, ctx),
            Waiting::Addresses => self.look_for_reuse(track, ctx),
            Waiting::Rollout | Waiting::Daemons(_) => {
                rollout.into_iter().for_each(|rollout| {
                    ctx.observe(Fact::Script(track, ScriptFact::RolloutComplete(rollout)));
                });
                self.rolled_out(track, ctx);
            }
            Waiting::Ready | Waiting::Gone | Waiting::NodeReady(_) | Waiting::JobComplete => {
                self.advance(track, SimDuration::ZERO, ctx)
            }
        }
    }

    pub(super) fn timed_out(&mut self, track: u32, ctx: &mut Ctx) {
        let rollout = self.rollout_waited_for(track);
        if self.end_wait(track, ctx) == Waiting::No {
            return;
        }
        let place = self.track(track).step;
        let goes_on = match ctx.blueprint().spec.script.get(place) {
            // `kubectl rollout status` times out at the deadline and the script goes on.
            Some(Step::RolloutRestart { .. } | Step::FindReuse { .. }) if rollout.is_some() => true,
            Some(Step::Wait { goes_on, .. } | Step::Drain { goes_on, .. }) => *goes_on,
            _ => false,
        };
        match rollout {
            Some(rollout) if goes_on => {
                ctx.observe(Fact::Script(track, ScriptFact::RolloutOverdue(rollout)));
                self.rolled_out(track, ctx);
            }
            _ => {
                ctx.observe(Fact::Script(track, ScriptFact::TimedOut(place, !goes_on)));
                if goes_on {
                    self.advance(track, SimDuration::ZERO, ctx);
                }
            }
        }
    }

    /// The rollout for which a track waits, if it waits for one.
    fn rollout_waited_for(&self, track: u32) -> Option<Rollout> {
        let own = &self.tracks[track as usize];
        match own.waiting {
            Waiting::Rollout => own.waited_kinds.first().copied().map(Rollout::Deployment),
            Waiting::Daemons(of) => Some(Rollout::DaemonSet(Daemons { of, max_unavailable: 0 })),
            _ => None,
        }
    }

    /// A rollout ended: the loop looks again, a plain step goes on.
    fn rolled_out(&mut self, track: u32, ctx: &mut Ctx) {
        let own = self.track(track);
        own.rollouts += 1;
        match ctx.blueprint().spec.script[own.step] {
            Step::FindReuse { .. } => self.look_for_reuse(track, ctx),
            _ => self.advance(track, SimDuration::ZERO, ctx),
        }
    }
}
