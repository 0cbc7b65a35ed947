//! Kubelets: from a bound pod to running containers, and back.
//!
//! **Modeled**: noticing a pod by watch; setup; service account tokens; sandbox; the network plugin's call with its retry;
//! init containers of the workload one after another and that of the mesh, whose ends the periodic look has to see; containers one
//! after another; startup and readiness probes of the workload's containers, which answer (`docs/model/kubernetes.md#probes-and-init-containers`); sandboxes and containers sharing
//! the node's cores; statuses by the periodic look at containers, synced by `kubelet_client`; readiness of a sidecar by its
//! probe's ticks; termination with the kill window; release of the address when the sandbox stops, before the object
//! goes, or after it with grace 0 (`docs/model/kubernetes.md#pod-termination`); loss of statuses and of watches while the link is cut;
//! a kubelet that is frozen or has ended, which does nothing while containers go on, and takes up what it has missed; an Istiod's
//! container that is started again, and its readiness probe while it is frozen. After a boot sandboxes and containers are made anew.
//! **Left out**: image pulls (images are present), liveness of containers, containers whose probes fail for good, readiness after a restart of the kubelet, volumes other than a latency and their tokens.
//! **Parameters**: `pod_setup_latency`, `sandbox_*`, `container_start_latency`, `init_container_run`, `node_cores`, `pleg_period`, …
//! **Validated by**: `tests/world/event_log.rs`, `tests/world/kubelet_start.rs`, `tests/world/workloads.rs`.

use super::api_requests::Asked;
use super::context::Ctx;
use super::event::{Event, KubeletEvent, Source, Write};
use super::ids::{IstiodId, NodeId, PodId};
use super::kubelet_client::{KubeletClients, Status};
use super::node_cores::NodeCores;
use super::objects::PodObject;
use super::observed::{KubeletCalls, PodFact};
use super::party::{Home, Party};
use super::purpose::{Ordinal, Purpose};
use super::spec::{Probe, ProbedContainer};
use super::subscription::{Change, Missed, Notification, Subscription};
use crate::cluster::blueprint::Role;
use crate::kernel::{EventClass, SimDuration, SimTime, Timer};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Unknown,
    Starting,
    /// The network plugin is at work and cannot be interrupted.
    InNetworkPlugin,
    Networked,
    Up,
    Stopping,
    Gone,
}

#[derive(Clone, Copy, Debug, Default)]
struct Worker {
    stage: Stage,
    /// It should stop as soon as it can.
    stop: bool,
    tries: u32,
    /// The periodic look has seen all its containers run.
    seen_running: bool,
    /// Its probe has succeeded.
    probed: bool,
    /// The probes of the workload's containers have succeeded.
    answered: bool,
    /// When its probes begin to tick.
    since: SimTime,
    /// It was ready and is no more: its container has ended, or its probe fails.
    unready: bool,
}

/// All kubelets; each pod's worker belongs to the kubelet of its node.
#[derive(Debug, Default)]
pub struct Kubelets {
    workers: Vec<Worker>,
    /// What kubelets with a cut link have missed.
    missed: Missed<KubeletEvent>,
    clients: KubeletClients,
    cores: NodeCores,
}

impl Kubelets {
    fn worker(&mut self, pod: PodId) -> &mut Worker {
        if self.workers.len() <= pod.index() {
            self.workers.resize(pod.index() + 1, Worker::default());
        }
        &mut self.workers[pod.index()]
    }

    /// Handles an event on a node.
    pub fn handle(&mut self, node: NodeId, event: KubeletEvent, ctx: &mut Ctx) {
        let runs = ctx.shared.processes.runs(Party::Kubelet(node));
        match event {
            // What a DaemonSet has on the node is new after its boot.
            KubeletEvent::ReplaceDaemon(_) | KubeletEvent::DaemonReady(_) if ctx.shared.nodes_down.has(node) => {
                self.missed.keep(Party::Node(node), event);
            }
            _ if ctx.shared.nodes_down.has(node) => {}
            // It lists when it goes on.
            KubeletEvent::Repaired if !runs => {}
            _ if !runs && !goes_on_alone(&event) => self.missed.keep(Party::Kubelet(node), event),
            KubeletEvent::Assigned(_)
            | KubeletEvent::Deleted(_)
            | KubeletEvent::SetUp(_)
            | KubeletEvent::ReplaceDaemon(_)
            | KubeletEvent::DaemonReady(_)
                if !connected(node, ctx) =>
            {
                self.missed.keep(Party::Kubelet(node), event);
            }
            KubeletEvent::ReplaceDaemon(party) => ctx.process_is_replaced(party),
            KubeletEvent::DaemonReady(party) => {
                let (own, key) = (Party::Kubelet(node), ctx.blueprint().party_key(party).named("ready"));
                let key = key.child(ctx.now().as_nanos());
                ctx.write(Source::Kubelet(node), Some(own), key, Write::ReportDaemonReady(party));
            }
            KubeletEvent::Assigned(pod) => self.assigned(node, pod, ctx),
            KubeletEvent::Deleted(pod) => self.deleted(node, pod, ctx),
            KubeletEvent::SetUp(pod) => self.set_up(node, pod, ctx),
            KubeletEvent::MakeSandbox(pod) => self.sandbox(node, pod, ctx),
            KubeletEvent::SandboxReady(pod) => {
                if self.worker(pod).stop {
                    self.stopped(node, pod, ctx);
                } else {
                    self.worker(pod).stage = Stage::InNetworkPlugin;
                    ctx.observe_pod(pod, PodFact::NetworkCalled(node));
                    ctx.call_network_plugin(node, pod);
                }
            }
            KubeletEvent::NetworkReady(pod) => self.networked(node, pod, ctx),
            KubeletEvent::NetworkFailed(pod, limited) => {
                if self.worker(pod).stop {
                    self.stopped(node, pod, ctx);
                } else {
                    self.worker(pod).stage = Stage::Starting;
                    let distribution = ctx.blueprint().spec.kubernetes.sandbox_retry;
                    let tries = u64::from(self.worker(pod).tries);
                    let wait = ctx.draw(Purpose::SandboxRetry, ctx.shared.key(pod).child(tries), &distribution);
                    ctx.observe_pod(pod, PodFact::NetworkFailed(wait, limited));
                    self.sandbox_after(node, pod, wait, ctx);
                }
            }
            KubeletEvent::ContainersUp(pod) => self.containers_up(node, pod, ctx),
            KubeletEvent::ReportAddress(pod) => self.report_address(node, pod, ctx),
            KubeletEvent::ReportRunning(pod) => self.report_running(node, pod, ctx),
            KubeletEvent::InitSeen(pod) => {
                if self.worker(pod).stage == Stage::Networked {
                    self.clients.report(node, pod, Status::Address, ctx);
                    self.start_containers(node, pod, ctx);
                }
            }
            KubeletEvent::Probed(pod, passed) => self.probed(node, pod, passed, ctx),
            KubeletEvent::StartAgain(pod) => self.start_again(node, pod, ctx),
            KubeletEvent::ReportReady(pod) => {
                let worker = self.worker(pod);
                if worker.unready {
                    return; // It has said so itself.
                }
                worker.probed |= worker.stage == Stage::Up;
                // Until the look has seen the container, its probe is not noted.
                let answered = worker.answered || ctx.shared.kind(pod).probed.is_empty();
                if worker.stage == Stage::Up && worker.seen_running && answered {
                    self.clients.report(node, pod, Status::Ready, ctx);
                }
            }
            KubeletEvent::OwnInitSeen(pod) => {
                if self.worker(pod).stop {
                    return;
                }
                if self.worker(pod).stage == Stage::Networked {
                    self.clients.report(node, pod, Status::Address, ctx);
                    self.start_mesh_init(node, pod, ctx);
                }
            }
            KubeletEvent::Answered(pod) => self.answered(node, pod, ctx),
            KubeletEvent::ApiAnswered if ctx.models_load() && connected(node, ctx) => {
                ctx.ask_api_server(Asked::Status(node));
            }
            KubeletEvent::ApiAnswered | KubeletEvent::StatusServed => self.clients.answered(node, ctx),
            KubeletEvent::AskTokens(pod) => ctx.ask_api_server(Asked::Tokens(node, pod)),
            KubeletEvent::TokensServed(pod) => self.sandbox(node, pod, ctx),
            // What was asked to stop before a loss of power is no more.
            KubeletEvent::Stopped(pod) if self.worker(pod).stage == Stage::Stopping => self.stopped(node, pod, ctx),
            KubeletEvent::Stopped(_) => {}
            KubeletEvent::Booted => self.booted(node, ctx),
            KubeletEvent::SandboxGone(pod) => self.sandbox_gone(node, pod, ctx),
            KubeletEvent::Repaired => {
                // It lists its pods again and reports what it has.
                let missed = self.missed.hand_out(Party::Kubelet(node));
                // Of a pod that came and went meanwhile the list says only that it is to go, or nothing.
                let ended = |pod: PodId| {
                    missed
                        .iter()
                        .any(|event| matches!(event, KubeletEvent::Deleted(gone) if *gone == pod))
                };
                let shown = |event: &&KubeletEvent| !matches!(event, KubeletEvent::Assigned(pod) if ended(*pod));
                for event in missed.iter().filter(shown).cloned() {
                    self.handle(node, event, ctx);
                }
                for pod in (0..self.workers.len() as u32).map(PodId) {
                    let here = ctx
                        .shared
                        .physics
                        .pod(pod)
                        .place
                        .is_some_and(|(place, _)| place == node);
                    let worker = self.workers[pod.index()];
                    if here && worker.stage == Stage::Up && !worker.unready && self.is_ready(pod, ctx) {
                        self.clients.report(node, pod, Status::Ready, ctx);
                    }
                }
                self.clients.repaired(node, ctx);
            }
        }
    }

    /// Of pods that still exist the sandbox is made anew, of others nothing is left.
    fn booted(&mut self, node: NodeId, ctx: &mut Ctx) {
        self.missed.hand_out(Party::Kubelet(node));
        self.clients.forget(node);
        for daemon in self.missed.hand_out(Party::Node(node)) {
            if let KubeletEvent::ReplaceDaemon(party) | KubeletEvent::DaemonReady(party) = daemon {
                ctx.daemon_is_ready_after(party, SimDuration::ZERO);
            }
        }
        for pod in (0..ctx.shared.pods.len() as u32).map(PodId) {
            let object = ctx.shared.api.pod(pod).copied();
            let placed = ctx.shared.physics.pod(pod).place.is_some_and(|(at, _)| at == node);
            if placed {
                ctx.cni_del_called(node, pod);
            } else if object.is_none_or(|object| object.node != Some(node)) {
                continue;
            }
            let tries = self.worker(pod).tries;
            *self.worker(pod) = Worker {
                tries,
                ..Worker::default()
            };
            match object {
                Some(PodObject {
                    deleting: false, ready, ..
                }) => {
                    if ready {
                        let key = Ordinal::BOOT.of(ctx.shared.key(pod)).child(u64::from(tries));
                        let write = Write::MarkNotReady(pod);
                        ctx.write(Source::Kubelet(node), Some(Party::Kubelet(node)), key, write);
                    }
                    self.assigned(node, pod, ctx);
                }
                _ => self.deleted(node, pod, ctx),
            }
        }
    }

    fn is_ready(&self, pod: PodId, ctx: &Ctx) -> bool {
        let (physics, kind) = (ctx.shared.physics.pod(pod), ctx.shared.kind(pod));
        let answered = kind.probed.is_empty() || self.workers[pod.index()].answered;
        physics.running && answered && (physics.proxy_live || !kind.has_sidecar())
    }

    fn assigned(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
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
    fn set_up(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
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

    fn sandbox_after(&mut self, node: NodeId, pod: PodId, wait: SimDuration, ctx: &mut Ctx) {
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

    fn sandbox(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        let worker = self.worker(pod);
        worker.tries += 1;
        let tries = u64::from(worker.tries);
        let distribution = ctx.blueprint().spec.kubernetes.sandbox_latency;
        let latency = ctx.draw(Purpose::Sandbox, ctx.shared.key(pod).child(tries), &distribution);
        self.job(node, latency, KubeletEvent::SandboxReady(pod), ctx);
    }

    /// Occupies one of the node's cores for a span; the event comes when it ends.
    fn job(&mut self, node: NodeId, span: SimDuration, event: KubeletEvent, ctx: &mut Ctx) {
        let end = self.on_a_core(node, ctx.slowed(Party::Kubelet(node), span), ctx);
        let event = Event::Kubelet(node, event);
        ctx.at(Source::Kubelet(node), EventClass::Physics, end, event);
    }

    fn on_a_core(&mut self, node: NodeId, span: SimDuration, ctx: &Ctx) -> SimTime {
        let cores = ctx.blueprint().spec.kubernetes.node_cores;
        self.cores.run(node, cores, ctx.now(), span)
    }

    fn networked(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        if self.worker(pod).stop {
            self.stopped(node, pod, ctx);
            return;
        }
        self.worker(pod).stage = Stage::Networked;
        ctx.observe_pod(pod, PodFact::NetworkReady);
        ctx.judge_looks_at(Source::Kubelet(node), pod);
        match ctx.shared.kind(pod).init_containers {
            0 => self.start_mesh_init(node, pod, ctx),
            count => self.start_own_init(node, pod, count, ctx),
        }
    }

    /// The workload's init containers run one after another, each when a look has seen the end of the one before.
    fn start_own_init(&mut self, node: NodeId, pod: PodId, count: u32, ctx: &mut Ctx) {
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

    fn start_mesh_init(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
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

    fn start_containers(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        let kind = ctx.shared.kind(pod);
        let containers = kind.containers + u32::from(kind.has_sidecar());
        let distribution = ctx.blueprint().spec.kubernetes.container_start_latency;
        let mut starts = ctx.stream(Purpose::ContainerStart, ctx.shared.key(pod));
        let latency = (0..containers).fold(SimDuration::ZERO, |sum, _| sum + starts.duration(&distribution));
        self.job(node, latency, KubeletEvent::ContainersUp(pod), ctx);
    }

    fn containers_up(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        let now = ctx.now();
        let worker = self.worker(pod);
        if worker.stage != Stage::Networked {
            return;
        }
        worker.stage = Stage::Up;
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

    /// A readiness probe of a container that was ready fails, or one that failed passes.
    fn probed(&mut self, node: NodeId, pod: PodId, passed: bool, ctx: &mut Ctx) {
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

    /// Starts the container of an Istiod again.
    fn start_again(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        let worker = self.worker(pod);
        if worker.stage != Stage::Up || worker.stop {
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

    fn report_address(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        if matches!(self.worker(pod).stage, Stage::Networked | Stage::Up) {
            self.clients.report(node, pod, Status::Address, ctx);
        }
    }

    fn report_running(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        let worker = self.worker(pod);
        if worker.stage != Stage::Up {
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
    fn answered(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        let worker = self.worker(pod);
        if worker.stage != Stage::Up || worker.stop || !worker.seen_running {
            return;
        }
        worker.answered = true;
        if worker.probed || !ctx.shared.kind(pod).has_sidecar() {
            self.clients.report(node, pod, Status::Ready, ctx);
        }
    }

    fn deleted(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
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
            Stage::Unknown => {
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
                let span = if ignores { window } else { reaction.min(window) };
                ctx.after(
                    Source::Kubelet(node),
                    EventClass::Physics,
                    span,
                    Event::Kubelet(node, KubeletEvent::Stopped(pod)),
                );
            }
            Stage::Stopping | Stage::Gone => {}
        }
    }

    fn stopped(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        self.worker(pod).stage = Stage::Stopping;
        ctx.shared.physics.stops_running(pod);
        ctx.observe_pod(pod, PodFact::Stopped);
        if ctx.shared.kind(pod).role == Role::Istiod {
            ctx.istiod_leaves(pod);
        }
        let distribution = ctx.blueprint().spec.kubernetes.sandbox_stop_latency;
        let latency = ctx.draw(Purpose::SandboxStop, ctx.shared.key(pod), &distribution);
        self.job(node, latency, KubeletEvent::SandboxGone(pod), ctx);
    }

    fn sandbox_gone(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        self.worker(pod).stage = Stage::Gone;
        ctx.cni_del_called(node, pod);
        self.clients.report(node, pod, Status::Stopped, ctx);
        // The status of a pod whose object is gone is forgotten soon after: it costs one vain GET.
        if ctx.shared.api.pod(pod).is_some() {
            self.clients.report(node, pod, Status::Finished, ctx);
        }
    }
}

/// Verbs with which other components notify a kubelet.
impl Ctx<'_> {
    /// The call under way of a kubelet's worker had its seat.
    pub fn status_served(&mut self, node: NodeId) {
        self.call(Event::Kubelet(node, KubeletEvent::StatusServed));
    }

    /// The token requests of a pod had their seat.
    pub fn tokens_served(&mut self, node: NodeId, pod: PodId) {
        self.call(Event::Kubelet(node, KubeletEvent::TokensServed(pod)));
    }

    /// The network plugin has connected a pod.
    pub fn network_ready(&mut self, node: NodeId, pod: PodId) {
        self.after(
            Source::Agent(node),
            EventClass::Physics,
            SimDuration::ZERO,
            Event::Kubelet(node, KubeletEvent::NetworkReady(pod)),
        );
    }

    /// The network plugin's call for a pod failed; `limited` if the agent's limiter refused it.
    pub fn network_failed(&mut self, node: NodeId, pod: PodId, limited: bool) {
        self.after(
            Source::Agent(node),
            EventClass::Physics,
            SimDuration::ZERO,
            Event::Kubelet(node, KubeletEvent::NetworkFailed(pod, limited)),
        );
    }

    /// A pod's container answers its probe from now on: the next tick of the probe sees it.
    pub fn probe_succeeds(&mut self, node: NodeId, pod: PodId, initial_delay: SimDuration, period: SimDuration) {
        let first = self.shared.physics.pod(pod).running_since + initial_delay;
        let ticks = self.now().since(first).as_nanos().div_ceil(period.as_nanos().max(1));
        self.at(
            Source::Kubelet(node),
            EventClass::Timer,
            first + period * ticks,
            Event::Kubelet(node, KubeletEvent::ReportReady(pod)),
        );
    }

    /// An Istiod serves: its pod is ready at once.
    pub fn istiod_ready(&mut self, istiod: IstiodId, node: NodeId, pod: PodId) {
        let event = match self.shared.processes.starts(Party::IstiodProcess(istiod)) {
            None => KubeletEvent::ReportReady(pod),
            Some(_) => KubeletEvent::Probed(pod, true),
        };
        self.after(
            Source::Istiod(istiod),
            EventClass::Timer,
            SimDuration::ZERO,
            Event::Kubelet(node, event),
        );
    }

    /// The kubelet of a node sees after a span that the pod of a process is ready.
    pub(super) fn daemon_is_ready_after(&mut self, party: Party, wait: SimDuration) {
        if let Home::Node(node) = party.home() {
            let event = Event::Kubelet(node, KubeletEvent::DaemonReady(party));
            self.after(Source::Kubelet(node), EventClass::Timer, wait, event);
        }
    }

    /// The kubelet of a node starts after a boot.
    pub fn kubelet_boots(&mut self, node: NodeId) {
        let event = Event::Kubelet(node, KubeletEvent::Booted);
        self.after(Source::Fault, EventClass::Timer, SimDuration::ZERO, event);
    }

    /// The next readiness probe of an Istiod's pod.
    #[must_use]
    pub(super) fn next_readiness_probe(&self, pod: PodId, period: SimDuration) -> SimTime {
        let since = self.shared.physics.pod(pod).running_since;
        let ticks = self.now().since(since).as_nanos().div_ceil(period.as_nanos().max(1));
        since + period * ticks
    }

    /// A readiness probe ends otherwise than the one before.
    pub(super) fn probe_ends(&mut self, node: NodeId, pod: PodId, at: SimTime, passed: bool) -> Timer {
        let event = Event::Kubelet(node, KubeletEvent::Probed(pod, passed));
        self.at(Source::Kubelet(node), EventClass::Timer, at, event)
    }

    /// The container of an Istiod ends: its kubelet sees that at its next look, reports it, and starts it again after a wait.
    pub(super) fn container_ends(&mut self, pod: PodId, wait: SimDuration) {
        let Some((node, _)) = self.shared.physics.pod(pod).place else {
            return;
        };
        let look = next_look(node, self.now(), self);
        self.probe_ends(node, pod, look, false);
        let event = Event::Kubelet(node, KubeletEvent::StartAgain(pod));
        self.at(Source::Kubelet(node), EventClass::Timer, look + wait, event);
    }

    /// The link of a node's kubelet works again.
    pub fn kubelet_repaired(&mut self, node: NodeId) {
        self.after(
            Source::Fault,
            EventClass::Timer,
            SimDuration::ZERO,
            Event::Kubelet(node, KubeletEvent::Repaired),
        );
    }
}

/// Whether something goes on at a node without its kubelet: what the container runtime is at work on, and processes that end.
const fn goes_on_alone(event: &KubeletEvent) -> bool {
    matches!(
        event,
        KubeletEvent::SandboxReady(_) | KubeletEvent::ContainersUp(_) | KubeletEvent::Stopped(_)
    )
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

/// The next periodic look at containers.
fn next_look(node: NodeId, now: SimTime, ctx: &Ctx) -> SimTime {
    let period = ctx.blueprint().spec.kubernetes.pleg_period;
    let phase = ctx
        .stream(Purpose::PlegPhase, ctx.blueprint().node_key(node))
        .up_to(period);
    let looks = now
        .since(SimTime::ZERO + phase)
        .as_nanos()
        .div_ceil(period.as_nanos().max(1));
    SimTime::ZERO + phase + period * looks
}

/// Whether a kubelet has answers and hears of changes.
fn connected(node: NodeId, ctx: &Ctx) -> bool {
    let (links, party) = (&ctx.shared.links, Party::Kubelet(node));
    links.is_up(party) && links.hears(party)
}

/// Pods that are bound to its node, are to go, or were marked not ready while it can hear of that: it reports what it has again.
pub const SUBSCRIPTION: Subscription = Subscription {
    key: |reader, blueprint| match reader {
        Source::Kubelet(node) => blueprint.node_key(node).named("kubelet"),
        other => unreachable!("{other:?} is no kubelet"),
    },
    hears: |change, _, notifications| {
        let (node, event, words, over) = match *change {
            Change::PodUpdated(pod, old, new) => {
                let Some(node) = new.node else { return };
                match (new.node != old.node, new.deleting != old.deleting) {
                    (false, false) if old.ready && !new.ready => {
                        let event = KubeletEvent::ReportReady(pod);
                        (node, event, ("something changed", None), Some(Party::Kubelet(node)))
                    }
                    (false, false) => return,
                    _ if new.deleting => (node, KubeletEvent::Deleted(pod), to_be_deleted(pod), None),
                    _ => {
                        let words = ("the pod was bound here", Some(pod));
                        (node, KubeletEvent::Assigned(pod), words, None)
                    }
                }
            }
            Change::DaemonDeleted(party) => {
                let Home::Node(node) = party.home() else { return };
                let words = ("the pod of the DaemonSet is to be deleted", None);
                (node, KubeletEvent::ReplaceDaemon(party), words, None)
            }
            Change::PodRemoved(
                pod,
                PodObject {
                    node: Some(node),
                    deleting: false,
                    ..
                },
            ) => (node, KubeletEvent::Deleted(pod), to_be_deleted(pod), None),
            _ => return,
        };
        notifications.push(Notification {
            over,
            ..Notification::new(Source::Kubelet(node), Event::Kubelet(node, event), words)
        });
    },
};

const fn to_be_deleted(pod: PodId) -> (&'static str, Option<PodId>) {
    ("the pod is to be deleted", Some(pod))
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
