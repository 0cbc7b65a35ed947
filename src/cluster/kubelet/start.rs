//! The start of a pod: set-up, tokens, sandbox, network, images, init containers and containers. The model card stands in `mod`.

use super::super::blueprint::Role;
use super::super::context::Ctx;
use super::super::event::{Event, KubeletEvent, Source};
use super::super::ids::{NodeId, PodId};
use super::super::kubelet_client::Status;
use super::super::observed::{KubeletCalls, PodFact};
use super::super::party::Party;
use super::super::purpose::Purpose;
use super::{Kubelets, Stage, next_look};
use crate::kernel::{EntityKey, EventClass, SimDuration, SimTime};

impl Kubelets {
    /// It has read that a pod is bound to its node.
    pub fn assigned(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        let worker = self.worker(pod);
        if worker.stage != Stage::Unknown || worker.stop {
            return;
        }
        worker.stage = Stage::Starting;
        self.clients.report(node, pod, Status::Creating, ctx);
        let distribution = ctx.blueprint().spec.kubernetes.pod_setup_latency;
        let setup = ctx.draw(Purpose::PodSetup, ctx.shared.key(pod), &distribution);
        let setup = ctx.slowed(Party::Kubelet(node), setup);
        ctx.after(
            Source::Kubelet(node),
            EventClass::Timer,
            setup,
            Event::Kubelet(node, KubeletEvent::SetUp(pod)),
        );
    }

    /// Each service account token that is mounted into a pod is a call of its own, one per audience.
    pub(super) fn set_up(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        self.worker(pod).since = ctx.now();
        let tokens = 1 + u32::from(ctx.shared.kind(pod).has_sidecar());
        let wait = self.clients.request_tokens(node, tokens, ctx);
        ctx.token_is_issued(node, pod, wait);
        if wait.as_nanos() > 0 {
            let from = ctx.now();
            let limit = PodFact::KubeletLimit {
                what: KubeletCalls::Tokens,
                from,
                until: from + wait,
                lost: wait,
            };
            ctx.observe_pod(pod, limit);
        }
        if ctx.models_load() {
            let event = Event::Kubelet(node, KubeletEvent::AskTokens(pod));
            ctx.after(Source::Kubelet(node), EventClass::Timer, wait, event);
            return;
        }
        self.sandbox_after(node, pod, wait, ctx);
    }

    pub(super) fn sandbox_after(&mut self, node: NodeId, pod: PodId, wait: SimDuration, ctx: &mut Ctx) {
        if wait.as_nanos() == 0 {
            self.sandbox(node, pod, ctx);
            return;
        }
        ctx.after(
            Source::Kubelet(node),
            EventClass::Timer,
            wait,
            Event::Kubelet(node, KubeletEvent::MakeSandbox(pod)),
        );
    }

    pub(super) fn sandbox(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        let worker = self.worker(pod);
        worker.tries += 1;
        let tries = u64::from(worker.tries);
        let distribution = ctx.blueprint().spec.kubernetes.sandbox_latency;
        let latency = ctx.draw(Purpose::Sandbox, ctx.shared.key(pod).child(tries), &distribution);
        self.job(node, latency, KubeletEvent::SandboxReady(pod), ctx);
    }

    pub(super) fn networked(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        if self.worker(pod).stop {
            self.stopped(node, pod, ctx);
            return;
        }
        self.worker(pod).stage = Stage::Networked;
        ctx.observe_pod(pod, PodFact::NetworkReady);
        ctx.judge_looks_at(Source::Kubelet(node), pod);
        let pulled = self.images.pulled(node, pod, ctx);
        if pulled > ctx.now() {
            ctx.observe_pod(pod, PodFact::Pulls(pulled));
            let event = Event::Kubelet(node, KubeletEvent::Pulled(pod));
            ctx.at(Source::Kubelet(node), EventClass::Physics, pulled, event);
        } else {
            self.pulled(node, pod, ctx);
        }
    }

    /// The node has its images.
    pub(super) fn pulled(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        if self.worker(pod).stage != Stage::Networked {
            return;
        }
        match ctx.shared.kind(pod).init_containers {
            0 => self.start_mesh_init(node, pod, ctx),
            count => self.start_own_init(node, pod, count, ctx),
        }
    }

    /// The workload's init containers run one after another, each when a look has seen the end of the one before.
    pub(super) fn start_own_init(&mut self, node: NodeId, pod: PodId, count: u32, ctx: &mut Ctx) {
        let params = &ctx.blueprint().spec.kubernetes;
        let (start, run) = (params.container_start_latency, params.init_container_run);
        let mut draws = ctx.stream(Purpose::OwnInitContainers, ctx.shared.key(pod));
        let (mut next, mut first) = (ctx.now(), None);
        for _ in 0..count {
            let started = next + ctx.slowed(Party::Kubelet(node), draws.duration(&start));
            first = first.or(Some(started));
            next = next_look(node, started + draws.duration(&run), ctx);
        }
        let look = next_look(node, first.unwrap_or(next), ctx);
        for (at, event) in [
            (look, KubeletEvent::ReportAddress(pod)),
            (next, KubeletEvent::OwnInitSeen(pod)),
        ] {
            if at < next || matches!(event, KubeletEvent::OwnInitSeen(_)) {
                ctx.at(
                    Source::Kubelet(node),
                    EventClass::Timer,
                    at,
                    Event::Kubelet(node, event),
                );
            }
        }
    }

    pub(super) fn start_mesh_init(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        if !ctx.shared.kind(pod).has_sidecar() {
            self.start_containers(node, pod, ctx);
            return;
        }
        let distribution = ctx.blueprint().istio().params.init_container_latency;
        let latency = ctx.draw(Purpose::InitContainer, ctx.shared.key(pod), &distribution);
        let ended = self.on_a_core(node, latency, ctx);
        let started = SimTime::ZERO + ended.since(SimTime::ZERO + latency);
        // The pod's worker goes on when a look has seen the end; one look that sees start and end makes one status.
        let (look, last) = (next_look(node, started, ctx), next_look(node, ended, ctx));
        for (look, event) in [
            (look, KubeletEvent::ReportAddress(pod)),
            (last, KubeletEvent::InitSeen(pod)),
        ] {
            if look < last || matches!(event, KubeletEvent::InitSeen(_)) {
                let event = Event::Kubelet(node, event);
                ctx.at(Source::Kubelet(node), EventClass::Timer, look, event);
            }
        }
    }

    pub(super) fn start_containers(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        let kind = ctx.shared.kind(pod);
        let containers = kind.containers + u32::from(kind.has_sidecar());
        self.run_containers(node, pod, containers, ctx.shared.key(pod), ctx);
    }

    /// Starts so many containers one after another; the key is that of their draws.
    pub(super) fn run_containers(&mut self, node: NodeId, pod: PodId, containers: u32, key: EntityKey, ctx: &mut Ctx) {
        let distribution = ctx.blueprint().spec.kubernetes.container_start_latency;
        let mut starts = ctx.stream(Purpose::ContainerStart, key);
        let latency = (0..containers).fold(SimDuration::ZERO, |sum, _| sum + starts.duration(&distribution));
        self.job(node, latency, KubeletEvent::ContainersUp(pod), ctx);
    }

    pub(super) fn containers_up(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        let now = ctx.now();
        let worker = self.worker(pod);
        if worker.stage != Stage::Networked {
            return;
        }
        worker.stage = Stage::Up;
        worker.starts += 1;
        let again = std::mem::take(&mut worker.again);
        ctx.shared.physics.starts_running(pod, now);
        ctx.observe_pod(pod, PodFact::ContainersUp);
        ctx.traffic_begins(pod, false);
        let look = next_look(node, now, ctx);
        ctx.at(
            Source::Kubelet(node),
            EventClass::Timer,
            look,
            Event::Kubelet(node, KubeletEvent::ReportRunning(pod)),
        );
        self.run_begins(node, pod, ctx);
        if again {
            return;
        }
        let kind = ctx.shared.kind(pod);
        let (sidecar, role) = (kind.has_sidecar(), kind.role);
        if sidecar {
            ctx.start_sidecar(node, pod);
        }
        if role == Role::Istiod {
            if ctx.shared.processes.is_down(Party::IstiodProcess(ctx.istiod_in(pod))) {
                self.start_again(node, pod, ctx);
            } else {
                ctx.start_istiod(node, pod, SimDuration::ZERO);
            }
        }
    }

    pub(super) fn report_address(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        if matches!(self.worker(pod).stage, Stage::Networked | Stage::Up) {
            self.clients.report(node, pod, Status::Address, ctx);
        }
    }
}
