//! Probes of the containers of pods, and what is reported of them.

use super::super::blueprint::Role;
use super::super::context::Ctx;
use super::super::event::{Event, KubeletEvent, Source};
use super::super::ids::{NodeId, PodId};
use super::super::kubelet_client::Status;
use super::super::spec::{Probe, ProbedContainer};
use super::{Kubelets, Stage, Worker};
use crate::kernel::{EventClass, SimDuration, SimTime};

impl Kubelets {
    /// A readiness probe of a container that was ready fails, or one that failed passes.
    pub(super) fn probed(&mut self, node: NodeId, pod: PodId, passed: bool, ctx: &mut Ctx) {
        let worker = self.worker(pod);
        if worker.stage != Stage::Up || worker.stop || worker.probed == passed && worker.unready != passed {
            return;
        }
        (worker.probed, worker.unready) = (passed, !passed);
        let status = if passed { Status::Ready } else { Status::NotReady };
        if worker.seen_running {
            self.clients.report(node, pod, status, ctx);
        }
    }

    pub(super) fn report_running(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        let worker = self.worker(pod);
        // A run may have ended before it was seen.
        if worker.stage != Stage::Up || !ctx.shared.physics.pod(pod).running {
            return;
        }
        worker.seen_running = true;
        let Worker { probed, since, .. } = *worker;
        let kind = ctx.shared.kind(pod);
        // Containers without a readiness probe are ready as soon as they run.
        let mut ready = probed || !kind.has_sidecar() && kind.role != Role::Istiod;
        if !kind.probed.is_empty() {
            let up = ctx.shared.physics.pod(pod).running_since;
            let at = answered_at(&kind.probed, since, up, up + kind.answers_after, ctx.now());
            if at > ctx.now() {
                ready = false;
                let event = Event::Kubelet(node, KubeletEvent::Answered(pod));
                ctx.at(Source::Kubelet(node), EventClass::Timer, at, event);
            } else {
                self.worker(pod).answered = true;
            }
        }
        let status = if ready { Status::Ready } else { Status::Running };
        self.clients.report(node, pod, status, ctx);
    }

    /// The probes of the workload's containers have succeeded.
    pub(super) fn answered(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        let worker = self.worker(pod);
        let up = ctx.shared.physics.pod(pod).running_since;
        // It may be about an earlier run.
        let early = ctx.now() < up + ctx.shared.kind(pod).answers_after;
        if worker.stage != Stage::Up || worker.stop || !worker.seen_running || early {
            return;
        }
        worker.answered = true;
        if worker.probed || !ctx.shared.kind(pod).has_sidecar() {
            self.clients.report(node, pod, Status::Ready, ctx);
        }
    }
}

/// When the last probe of a pod's containers succeeds that readiness needs. The containers have run since `up`, answer from
/// `answers` on, and are seen to run now. Probes tick since the pod's worker began, except that a container that is seen to have
/// started is probed at once (kubernetes/kubernetes `pkg/kubelet/prober/worker.go`, `prober_manager.go`).
fn answered_at(containers: &[ProbedContainer], since: SimTime, up: SimTime, answers: SimTime, now: SimTime) -> SimTime {
    let tick = |probe: &Probe, at: SimTime| {
        let ticks = at.since(since).as_nanos().div_ceil(probe.period.as_nanos().max(1));
        since + probe.period * ticks
    };
    let from = |probe: &Probe| (up + probe.initial_delay).max(answers);
    let answered = |container: &ProbedContainer| {
        let started = container
            .startup
            .map_or(now, |startup| tick(&startup, from(&startup).max(now)));
        let Some(readiness) = container.readiness else {
            return started;
        };
        let first = match from(&readiness) {
            at if at <= started => started,
            at => tick(&readiness, at),
        };
        let next = |at: SimTime| tick(&readiness, at + SimDuration::from_nanos(1));
        (1..readiness.successes).fold(first, |at, _| next(at))
    };
    containers.iter().map(answered).max().unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_tick_from_the_start_of_the_worker_but_for_the_first_one() {
        let s = |seconds: u64| SimDuration::from_nanos(seconds * 1_000_000_000);
        let at = |seconds: u64| SimTime::ZERO + s(seconds);
        let probe = |initial: u64, period: u64, successes| Probe {
            initial_delay: s(initial),
            period: s(period),
            successes,
        };
        // The worker begins at 100 s, the container starts at 103 s, and is seen at 104 s.
        let ready = |startup: Option<Probe>, readiness: Option<Probe>, answers: u64| {
            let container = ProbedContainer { startup, readiness };
            answered_at(&[container], at(100), at(103), at(answers), at(104))
        };
        assert_eq!(ready(None, Some(probe(0, 10, 1)), 103), at(104));
        assert_eq!(ready(None, Some(probe(0, 10, 1)), 105), at(110));
        assert_eq!(ready(None, Some(probe(0, 10, 3)), 103), at(120));
        assert_eq!(ready(None, Some(probe(5, 10, 1)), 103), at(110));
        assert_eq!(ready(None, Some(probe(7, 10, 1)), 103), at(110));
        assert_eq!(ready(None, Some(probe(8, 10, 1)), 103), at(120));
        assert_eq!(ready(Some(probe(0, 3, 1)), None, 103), at(106));
        assert_eq!(ready(Some(probe(0, 3, 1)), Some(probe(0, 10, 1)), 107), at(109));
        assert_eq!(ready(Some(probe(0, 3, 1)), Some(probe(20, 10, 1)), 103), at(130));
    }
}
