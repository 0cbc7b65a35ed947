//! The ends of a pod's containers: runs that end and start again after a back-off, pods that have finished, and termination.

use super::super::blueprint::Role;
use super::super::context::Ctx;
use super::super::event::{Event, KubeletEvent, Source};
use super::super::ids::{NodeId, PodId};
use super::super::kubelet_client::Status;
use super::super::objects::Ended;
use super::super::observed::PodFact;
use super::super::party::Party;
use super::super::purpose::Purpose;
use super::super::supervision::backoff;
use super::{Kubelets, Stage, next_look};
use crate::kernel::{EventClass, SimDuration};

impl Kubelets {
    /// The containers of a pod run; where they end by themselves, when.
    pub(super) fn run_begins(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        let Some((lasts, fails)) = ctx.shared.kind(pod).runs else {
            return;
        };
        let starts = self.worker(pod).starts;
        let mut draws = ctx.stream(Purpose::ContainerRun, ctx.shared.key(pod).child(u64::from(starts)));
        let span = draws.duration(&lasts);
        self.worker(pod).fails = draws.uniform() < fails;
        let event = Event::Kubelet(node, KubeletEvent::RunEnds(pod, starts));
        ctx.after(Source::Kubelet(node), EventClass::Physics, span, event);
    }

    /// The processes of all containers end by themselves, if they are those of this start; the next look sees it.
    pub(super) fn run_ends(&mut self, node: NodeId, pod: PodId, starts: u32, ctx: &mut Ctx) {
        let now = ctx.now();
        let worker = self.worker(pod);
        if worker.starts != starts || worker.stage != Stage::Up {
            return;
        }
        worker.ended = now;
        let failed = worker.fails;
        ctx.shared.physics.run_ends(pod);
        ctx.observe_pod(pod, PodFact::RunEnds(failed));
        let look = next_look(node, now, ctx);
        let event = Event::Kubelet(node, KubeletEvent::EndSeen(pod, starts));
        ctx.at(Source::Kubelet(node), EventClass::Timer, look, event);
    }

    /// The end of a run is seen: the containers start again after a wait, or the pod has finished.
    pub(super) fn end_seen(&mut self, node: NodeId, pod: PodId, starts: u32, ctx: &mut Ctx) {
        let worker = self.worker(pod);
        if worker.starts != starts || worker.stage != Stage::Up || worker.stop {
            return;
        }
        (worker.seen_running, worker.answered) = (false, false);
        let (failed, at) = (worker.fails, worker.ended);
        let kind = ctx.shared.kind(pod);
        let (again, sidecar) = (kind.restart.restarts(failed), kind.has_sidecar());
        if again {
            let wait = self.waits_before_restart(pod, ctx);
            self.clients.report(node, pod, Status::Waiting, ctx);
            ctx.observe_pod(pod, PodFact::StartsAgain(wait));
            let event = Event::Kubelet(node, KubeletEvent::StartAgain(pod));
            ctx.after(Source::Kubelet(node), EventClass::Timer, wait, event);
            return;
        }
        if sidecar {
            // The sidecar goes on, and with it the pod.
            self.clients.report(node, pod, Status::Waiting, ctx);
            return;
        }
        let worker = self.worker(pod);
        (worker.stage, worker.finished) = (Stage::Stopping, true);
        let succeeded = !failed;
        ctx.shared.physics.finishes(pod, Ended { at, succeeded });
        ctx.observe_pod(pod, PodFact::Finished(succeeded));
        self.clients.report(node, pod, Status::Ended, ctx);
        self.stop_sandbox(node, pod, ctx);
    }

    /// How long the containers of a pod wait before they start again.
    fn waits_before_restart(&mut self, pod: PodId, ctx: &Ctx) -> SimDuration {
        let params = &ctx.blueprint().spec.kubernetes;
        let ran = self.worker(pod).ended.since(ctx.shared.physics.pod(pod).running_since);
        let worker = self.worker(pod);
        if ran >= params.container_backoff_reset {
            worker.ends = 0;
        }
        worker.ends += 1;
        let key = ctx.shared.key(pod).child(u64::from(worker.starts));
        let (initial, most) = (params.container_backoff_initial, params.container_backoff_max);
        backoff(worker.ends, initial, most, || {
            (ctx.stream(Purpose::CrashRetry, key), params.sandbox_retry)
        })
    }

    /// Starts containers again that have ended.
    pub(super) fn start_again(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        let worker = self.worker(pod);
        if worker.stage != Stage::Up || worker.stop {
            return;
        }
        if ctx.shared.kind(pod).role != Role::Istiod {
            (worker.stage, worker.again) = (Stage::Networked, true);
            let key = ctx.shared.key(pod).named("again").child(u64::from(worker.starts));
            ctx.shared.physics.restarts(pod);
            let containers = ctx.shared.kind(pod).containers;
            self.run_containers(node, pod, containers, key, ctx);
            return;
        }
        let istiod = ctx.istiod_in(pod);
        let distribution = ctx.blueprint().spec.kubernetes.container_start_latency;
        let starts = ctx
            .shared
            .processes
            .starts(Party::IstiodProcess(istiod))
            .unwrap_or_default();
        let key = ctx.shared.key(pod).child(u64::from(starts) + 1);
        let latency = ctx.draw(Purpose::ContainerStart, key, &distribution);
        match ctx.istiod_container_starts(istiod, pod) {
            Some(wait) => {
                let event = Event::Kubelet(node, KubeletEvent::StartAgain(pod));
                ctx.after(Source::Kubelet(node), EventClass::Timer, wait, event);
            }
            None => ctx.start_istiod(node, pod, latency),
        }
    }

    pub(super) fn deleted(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        let worker = self.worker(pod);
        if worker.stop {
            return;
        }
        worker.stop = true;
        let stage = worker.stage;
        if ctx.shared.api.pod(pod).is_some() && !matches!(stage, Stage::Unknown | Stage::Gone) {
            self.clients.report(node, pod, Status::Terminating, ctx);
        }
        let worker = self.worker(pod);
        match stage {
            Stage::Unknown | Stage::Gone => {
                worker.stage = Stage::Gone;
                if ctx.shared.api.pod(pod).is_some() {
                    self.clients.report(node, pod, Status::Finished, ctx);
                }
            }
            // The worker notices at its next step.
            Stage::Starting | Stage::InNetworkPlugin => {}
            Stage::Networked | Stage::Up => {
                worker.stage = Stage::Stopping;
                let kind = ctx.shared.kind(pod);
                let window = kind
                    .grace_period
                    .max(ctx.blueprint().spec.kubernetes.minimum_kill_window);
                let ignores = kind.ignores_sigterm;
                let distribution = ctx.blueprint().spec.kubernetes.term_reaction;
                let reaction = ctx.draw(Purpose::TermReaction, ctx.shared.key(pod), &distribution);
                // Between two runs there is nothing to stop.
                let idle = kind.runs.is_some() && !kind.has_sidecar() && !ctx.shared.physics.pod(pod).running;
                let span = match (idle && stage == Stage::Up, ignores) {
                    (true, _) => SimDuration::ZERO,
                    (_, true) => window,
                    _ => reaction.min(window),
                };
                ctx.after(
                    Source::Kubelet(node),
                    EventClass::Physics,
                    span,
                    Event::Kubelet(node, KubeletEvent::Stopped(pod)),
                );
            }
            Stage::Stopping => {}
        }
    }

    pub(super) fn stopped(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        self.worker(pod).stage = Stage::Stopping;
        ctx.shared.physics.stops_running(pod);
        ctx.observe_pod(pod, PodFact::Stopped);
        if ctx.shared.kind(pod).role == Role::Istiod {
            ctx.istiod_leaves(pod);
        }
        self.stop_sandbox(node, pod, ctx);
    }

    fn stop_sandbox(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        let distribution = ctx.blueprint().spec.kubernetes.sandbox_stop_latency;
        let latency = ctx.draw(Purpose::SandboxStop, ctx.shared.key(pod), &distribution);
        self.job(node, latency, KubeletEvent::SandboxGone(pod), ctx);
    }

    pub(super) fn sandbox_gone(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        let worker = self.worker(pod);
        worker.stage = Stage::Gone;
        // The object of a pod that has finished stays.
        let stays = worker.finished && !worker.stop;
        ctx.cni_del_called(node, pod);
        if stays {
            return;
        }
        self.clients.report(node, pod, Status::Stopped, ctx);
        // The status of a pod whose object is gone is forgotten soon after: it costs one vain GET.
        if ctx.shared.api.pod(pod).is_some() {
            self.clients.report(node, pod, Status::Finished, ctx);
        }
    }
}
