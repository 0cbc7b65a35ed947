//! The scheduler: binds pods to nodes.
//!
//! **Modeled**: one cycle after another; filters by the taint of the control plane, cordon, labels of nodes, pods per node, required
//! anti-affinity per hostname, both ways, and topology spread constraints that forbid nodes
//! (`docs/model/kubernetes.md#placement`); the node with the fewest pods wins, equal ones by lot; of several zones those come first that have the fewest pods of
//! the workload, pods on their way out not counted; the first pods of a workload start on the nodes that the description gives
//! them, if these can take them; unschedulable pods wait and are tried again when a pod
//! goes or a node returns, with a back-off.
//! **Left out**: resources, other affinities, priorities and pre-emption, several profiles; topology spread by scores that other
//! scores can outweigh (here the zone decides first); the limit of its client, 50 requests per second and a burst of 100
//! (`kubernetes/kubernetes pkg/scheduler/apis/config/v1/defaults.go`): the controllers create 20 pods per second.
//! **Parameters**: `scheduling_latency`, `scheduling_backoff_*`, `pods_per_node_max`.
//! **Validated by**: `tests/world/published_results.rs` (placement), `tests/world/zones.rs`, `tests/world/workloads.rs`.

use std::collections::VecDeque;

use super::blueprint::{Kind, KindSpread};
use super::context::Ctx;
use super::event::{Event, SchedulerEvent, Source, Write};
use super::ids::{KindId, NodeId, PodId};
use super::observed::PodFact;
use super::placement::may_grow;
use super::purpose::{Ordinal, Purpose};
use super::subscription::{Change, Notification, Subscription};
use crate::kernel::{EntityKey, EventClass};

/// The scheduler's state: its own count of pods per node.
#[derive(Debug)]
pub struct Scheduler {
    queue: VecDeque<PodId>,
    busy: bool,
    cycles: u64,
    ready: Vec<bool>,
    /// Whether administrators let it place pods there.
    takes_pods: Vec<bool>,
    pods: Vec<u32>,
    /// Pods per node and kind.
    kinds: Vec<u32>,
    kind_count: usize,
    /// Where it placed a pod.
    placed: Vec<Option<NodeId>>,
    /// Pods that found no node.
    parked: Vec<Parked>,
}

#[derive(Clone, Copy, Debug)]
struct Parked {
    pod: PodId,
    /// How often it has found none.
    tries: u32,
    /// Whether its back-off runs.
    waits: bool,
}

impl Scheduler {
    /// A scheduler of an empty cluster.
    #[must_use]
    pub fn new(nodes: u32, kinds: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            busy: false,
            cycles: 0,
            ready: vec![true; nodes as usize],
            takes_pods: vec![true; nodes as usize],
            pods: vec![0; nodes as usize],
            kinds: vec![0; nodes as usize * kinds],
            kind_count: kinds,
            placed: Vec::new(),
            parked: Vec::new(),
        }
    }

    /// Handles an event.
    pub fn handle(&mut self, event: SchedulerEvent, ctx: &mut Ctx) {
        match event {
            SchedulerEvent::Created(pod) => self.enqueue(pod, ctx),
            SchedulerEvent::Retry(pod) => {
                // It may have gone meanwhile.
                if let Some(parked) = self.parked.iter_mut().find(|parked| parked.pod == pod) {
                    parked.waits = false;
                    self.enqueue(pod, ctx);
                }
            }
            SchedulerEvent::Removed(pod) => {
                if let Some(node) = self.placed.get_mut(pod.index()).and_then(Option::take) {
                    self.pods[node.index()] -= 1;
                    self.kinds[node.index() * self.kind_count + ctx.shared.pods[pod.index()].kind.index()] -= 1;
                }
                self.parked.retain(|parked| parked.pod != pod);
                self.unpark(ctx);
            }
            SchedulerEvent::NodeReady(node, ready) => {
                self.ready[node.index()] = ready;
                if ready {
                    self.unpark(ctx);
                }
            }
            SchedulerEvent::TakesPods(node, yes) => {
                self.takes_pods[node.index()] = yes;
                if yes {
                    self.unpark(ctx);
                }
            }
            SchedulerEvent::Cycle => {
                self.busy = false;
                if let Some(pod) = self.queue.pop_front() {
                    self.schedule(pod, ctx);
                }
                self.start_cycle(ctx);
            }
        }
    }

    /// A pod stands in the queue once, and one that was placed does not stand there again.
    fn enqueue(&mut self, pod: PodId, ctx: &mut Ctx) {
        let placed = self.placed.get(pod.index()).is_some_and(Option::is_some);
        if !placed && !self.queue.contains(&pod) {
            self.queue.push_back(pod);
        }
        self.start_cycle(ctx);
    }

    fn start_cycle(&mut self, ctx: &mut Ctx) {
        if !self.busy
            && let Some(&pod) = self.queue.front()
        {
            self.busy = true;
            self.cycles += 1;
            let distribution = ctx.blueprint().spec.kubernetes.scheduling_latency;
            // Addressed by pod: how often a pod is tried does not shift the others.
            let latency = ctx.draw(Purpose::Scheduling, ctx.shared.key(pod), &distribution);
            ctx.after(
                Source::Scheduler,
                EventClass::Timer,
                latency,
                Event::Scheduler(SchedulerEvent::Cycle),
            );
        }
    }

    fn schedule(&mut self, pod: PodId, ctx: &mut Ctx) {
        if ctx
            .shared
            .api
            .pod(pod)
            .is_none_or(|object| object.deleting || object.node.is_some())
        {
            return;
        }
        let kind = ctx.shared.pods[pod.index()].kind;
        let Some(node) = self.choose(pod, ctx) else {
            let tries = self
                .parked
                .iter()
                .position(|parked| parked.pod == pod)
                .map_or(0, |at| self.parked.swap_remove(at).tries);
            self.parked.push(Parked {
                pod,
                tries: tries + 1,
                waits: false,
            });
            ctx.observe_pod(pod, PodFact::NoNode);
            return;
        };
        self.parked.retain(|parked| parked.pod != pod);
        self.pods[node.index()] += 1;
        self.kinds[node.index() * self.kind_count + kind.index()] += 1;
        if self.placed.len() <= pod.index() {
            self.placed.resize(pod.index() + 1, None);
        }
        self.placed[pod.index()] = Some(node);
        ctx.observe_pod(pod, PodFact::Bound(node));
        let key = Ordinal::BINDING.of(ctx.shared.key(pod));
        ctx.write(Source::Scheduler, None, key, Write::BindPod(pod, node));
    }

    /// The node that is given to the pod, if it is feasible; else the feasible node with the fewest pods, one of them by lot if
    /// there are several.
    fn choose(&self, pod: PodId, ctx: &Ctx) -> Option<NodeId> {
        let kind = ctx.shared.pods[pod.index()].kind;
        let of_kind = ctx.blueprint().kind(kind);
        let most = ctx.blueprint().spec.kubernetes.pods_per_node_max;
        let spread: Vec<Vec<bool>> = of_kind
            .spread
            .iter()
            .map(|spread| self.spread(pod, spread, ctx))
            .collect();
        let feasible = |node: usize| {
            self.ready[node]
                && self.takes_pods[node]
                && is_free(of_kind, node, ctx)
                && of_kind.matches_node(NodeId(node as u32))
                && self.pods[node] < most
                && spread.iter().all(|may_grow| may_grow[node])
                && of_kind
                    .conflicts
                    .iter()
                    .all(|other| self.kinds[node * self.kind_count + other.index()] == 0)
        };
        if let Some(node) = given(pod, ctx).filter(|node| feasible(node.index())) {
            return Some(node);
        }
        let in_zone = self.pods_by_zone(kind, ctx);
        let load = |node: usize| {
            let zone = ctx.blueprint().zone_of(NodeId(node as u32));
            (in_zone.get(zone as usize), self.pods[node])
        };
        let (mut fewest, mut best) = (None, Vec::new());
        for node in (0..self.pods.len()).filter(|&node| feasible(node)) {
            let load = load(node);
            if fewest.is_none_or(|fewest| load < fewest) {
                fewest = Some(load);
                best.clear();
            }
            if fewest == Some(load) {
                best.push(node);
            }
        }
        fewest?;
        let lot = ctx
            .stream(Purpose::SchedulerTie, ctx.shared.key(pod))
            .below(best.len() as u64);
        best.get(lot as usize).map(|node| NodeId(*node as u32))
    }

    /// For each node, whether its domain may have one more pod under a constraint. Pods that are to go do not count.
    fn spread(&self, pod: PodId, of: &KindSpread, ctx: &Ctx) -> Vec<bool> {
        let (blueprint, api, pods) = (ctx.blueprint(), &ctx.shared.api, &ctx.shared.pods);
        let meta = &pods[pod.index()];
        let kind = blueprint.kind(meta.kind);
        let domain = |node: usize| match of.spread.by_zone {
            true => blueprint.zone_of(NodeId(node as u32)) as usize,
            false => node,
        };
        let mut counts = vec![0; self.pods.len().max(blueprint.spec.zones as usize)];
        for &other in of.kinds.iter().flat_map(|kind| api.pods_of(*kind)) {
            let counts_here = !of.per_revision || pods[other.index()].revision == meta.revision;
            if counts_here
                && api.pod(other).is_some_and(|object| !object.deleting)
                && let Some(node) = self.placed.get(other.index()).copied().flatten()
            {
                counts[domain(node.index())] += 1;
            }
        }
        let nodes = 0..self.pods.len();
        let is_domain = |node: &usize| {
            kind.matches_node(NodeId(*node as u32)) && (!of.spread.honors_taints || is_free(kind, *node, ctx))
        };
        let domains: Vec<u32> = nodes
            .clone()
            .filter(is_domain)
            .map(|node| counts[domain(node)])
            .collect();
        let fewest = domains.iter().copied().min();
        nodes
            .map(|node| may_grow(counts[domain(node)], fewest.into_iter(), of.spread.max_skew))
            .collect()
    }

    /// Pods of a kind in each zone that are not on their way out; nothing if there is one zone.
    fn pods_by_zone(&self, kind: KindId, ctx: &Ctx) -> Vec<u32> {
        let zones = ctx.blueprint().spec.zones;
        if zones == 1 {
            return Vec::new();
        }
        let mut pods = vec![0; zones as usize];
        let api = &ctx.shared.api;
        let stays = |pod: &&PodId| api.pod(**pod).is_some_and(|object| !object.deleting);
        for pod in api.pods_of(kind).iter().filter(stays) {
            if let Some(node) = self.placed.get(pod.index()).copied().flatten() {
                pods[ctx.blueprint().zone_of(node) as usize] += 1;
            }
        }
        pods
    }

    fn unpark(&mut self, ctx: &mut Ctx) {
        let params = &ctx.blueprint().spec.kubernetes;
        let (initial, most) = (params.scheduling_backoff_initial, params.scheduling_backoff_max);
        let queue = &self.queue;
        let resting = self
            .parked
            .iter_mut()
            .filter(|parked| !parked.waits && !queue.contains(&parked.pod));
        for parked in resting {
            parked.waits = true;
            let Parked { pod, tries, .. } = *parked;
            let wait = initial.scale(libm::exp2(f64::from(tries.min(20) - 1))).min(most);
            ctx.after(
                Source::Scheduler,
                EventClass::Timer,
                wait,
                Event::Scheduler(SchedulerEvent::Retry(pod)),
            );
        }
    }
}

/// Whether pods of a kind tolerate the taints of a node.
fn is_free(kind: &Kind, node: usize, ctx: &Ctx) -> bool {
    kind.tolerates_control_plane || node as u32 >= ctx.blueprint().spec.control_plane_nodes
}

/// The node on which the description starts a pod: those of the first ReplicaSet have one in the order of their creation.
fn given(pod: PodId, ctx: &Ctx) -> Option<NodeId> {
    let meta = &ctx.shared.pods[pod.index()];
    let nodes = ctx.blueprint().spec.placement.get(meta.kind.index())?;
    let first = meta.revision == 1;
    nodes.get(meta.ordinal as usize).copied().filter(|_| first)
}

/// New pods, pods that are gone, and nodes that become ready or not.
pub const SUBSCRIPTION: Subscription = Subscription {
    key: |_, _| EntityKey::root("scheduler"),
    hears: |change, _, notifications| {
        let (event, words) = match *change {
            Change::PodCreated(pod, _) => (SchedulerEvent::Created(pod), ("the pod was created", Some(pod))),
            Change::PodRemoved(pod, _) => (SchedulerEvent::Removed(pod), ("the pod is gone", Some(pod))),
            Change::NodeReady(node, ready) => (
                SchedulerEvent::NodeReady(node, ready),
                ("the node's readiness changed", None),
            ),
            Change::NodeTakesPods(node, yes) => (
                SchedulerEvent::TakesPods(node, yes),
                ("the node takes pods, or no more", None),
            ),
            _ => return,
        };
        notifications.push(Notification::new(Source::Scheduler, Event::Scheduler(event), words));
    },
};
