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
//! Containers that end by themselves: they start again by `restartPolicy` after a back-off, or their pod has finished, gives its address
//! back and stays as an object (`docs/model/kubernetes.md#containers-that-end`); a sidecar goes on, and so does its pod. Pulls of images, one
//! after another on each node, where `image_pull` is set.
//! **Left out**: liveness of containers, containers whose probes fail for good, readiness after a restart of the kubelet, volumes other than a latency and their
//! tokens; containers of one pod that end at different times; checks of images before a restart; after a loss of power pods run anew whatever their `restartPolicy`.
//! **Parameters**: `pod_setup_latency`, `sandbox_*`, `container_*`, `init_container_run`, `job_run`, `image_*`, `node_cores`, `pleg_period`, …
//! **Validated by**: `tests/world/event_log.rs`, `tests/world/kubelet_start.rs`, `tests/world/workloads.rs`, `tests/world/jobs.rs`.

mod ends;
mod images;
mod probes;
mod start;
mod verbs;

use std::net::Ipv4Addr;

use super::api_requests::Asked;
use super::blueprint::Role;
use super::context::Ctx;
use super::event::{Event, KubeletEvent, Source, Write};
use super::ids::{NodeId, PodId};
use super::kubelet_client::{KubeletClients, Status};
use super::node_cores::NodeCores;
use super::objects::PodObject;
use super::observed::PodFact;
use super::party::{Home, Party};
use super::purpose::{Ordinal, Purpose};
use super::subscription::{Change, Missed, Notification, Subscription};
use crate::kernel::{EventClass, SimDuration, SimTime};
use images::Images;

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
    /// How often its containers were started.
    starts: u32,
    /// They are being started again.
    again: bool,
    /// The present run of its containers fails, if it comes to its end.
    fails: bool,
    /// When their latest run ended, and how many ends count for the back-off.
    ended: SimTime,
    ends: u32,
    /// All its containers have ended for good.
    finished: bool,
}

/// All kubelets; each pod's worker belongs to the kubelet of its node.
#[derive(Debug, Default)]
pub struct Kubelets {
    workers: Vec<Worker>,
    /// What kubelets with a cut link have missed.
    missed: Missed<KubeletEvent>,
    clients: KubeletClients,
    cores: NodeCores,
    images: Images,
}

impl Kubelets {
    fn worker(&mut self, pod: PodId) -> &mut Worker {
        if self.workers.len() <= pod.index() {
            self.workers.resize(pod.index() + 1, Worker::default());
        }
        &mut self.workers[pod.index()]
    }

    /// A pod ran when the run began. Its probes tick from a time of their own.
    pub fn has_started(&mut self, node: NodeId, pod: PodId, ip: Ipv4Addr, ctx: &mut Ctx) {
        let mut since = SimTime::ZERO;
        if ctx.shared.kind(pod).role == Role::Istiod {
            let period = ctx.blueprint().istio().params.readiness_probe_period;
            since += ctx.stream(Purpose::ProbePhase, ctx.shared.key(pod)).up_to(period);
        }
        *self.worker(pod) = Worker {
            stage: Stage::Up,
            tries: 1,
            seen_running: true,
            probed: true,
            answered: true,
            since,
            ..Worker::default()
        };
        ctx.shared.physics.starts_running(pod, since);
        ctx.observe_pod(pod, PodFact::RanBefore(node, ip));
        if ctx.shared.kind(pod).is_watched() {
            ctx.judge_looks_at(Source::Kubelet(node), pod);
            ctx.judge_counts(Source::Kubelet(node), pod);
        }
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
            KubeletEvent::Pulled(pod) => self.pulled(node, pod, ctx),
            KubeletEvent::RunEnds(pod, starts) => self.run_ends(node, pod, starts, ctx),
            KubeletEvent::EndSeen(pod, starts) => self.end_seen(node, pod, starts, ctx),
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
            let Worker { tries, starts, .. } = *self.worker(pod);
            *self.worker(pod) = Worker {
                tries,
                starts,
                ..Worker::default()
            };
            match object {
                Some(PodObject {
                    deleting: false,
                    ended: Some(_),
                    ..
                }) => (self.worker(pod).stage, self.worker(pod).finished) = (Stage::Gone, true),
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
}

/// Whether something goes on at a node without its kubelet: what the container runtime is at work on, and processes that end.
const fn goes_on_alone(event: &KubeletEvent) -> bool {
    matches!(
        event,
        KubeletEvent::SandboxReady(_)
            | KubeletEvent::ContainersUp(_)
            | KubeletEvent::Stopped(_)
            | KubeletEvent::RunEnds(..)
    )
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
