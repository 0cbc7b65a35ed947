//! The scheduler: binds pods to nodes.
//!
//! **Modeled**: one cycle after another, pods of a higher priority first; filters and scores (`choice`); pre-emption (`preemption`); the
//! first pods of a workload start on the nodes that the description gives
//! them, if these can take them; unschedulable pods wait and are tried again when a pod
//! goes, a node returns or a mark of a node is removed, with a back-off (`docs/model/kubernetes.md#placement`).
//! **Left out**: several profiles; a pod is tried again whatever it was that kept it from its node; the limit of its client, 50 requests
//! per second and a burst of 100
//! (`kubernetes/kubernetes pkg/scheduler/apis/config/v1/defaults.go`): the controllers create 20 pods per second.
//! **Parameters**: `scheduling_latency`, `scheduling_backoff_*`, `pods_per_node_max`.
//! **Validated by**: `tests/world/published_results.rs` (placement), `tests/world/zones.rs`, `tests/world/workloads.rs`,
//! `tests/world/capacity.rs`.

mod choice;
mod preemption;

use std::collections::VecDeque;

use super::context::Ctx;
use super::event::{Event, SchedulerEvent, Source, Write};
use super::ids::{KindId, NodeId, PodId};
use super::node_pools::Nodes;
use super::observed::PodFact;
use super::placement::Resources;
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
    cordoned: Vec<bool>,
    taints: Vec<u64>,
    pods: Vec<u32>,
    /// What they request.
    requested: Vec<Resources>,
    /// Pods per node and kind.
    kinds: Vec<u32>,
    kind_count: usize,
    /// Where it placed a pod.
    placed: Vec<Option<NodeId>>,
    /// Pods that found no node.
    parked: Vec<Parked>,
    /// Pods for which others have to go, each with its node.
    nominated: Vec<(PodId, NodeId)>,
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
    pub fn new(nodes: &Nodes, kinds: usize) -> Self {
        let count = nodes.tainted.len();
        Self {
            queue: VecDeque::new(),
            busy: false,
            cycles: 0,
            ready: vec![true; count],
            cordoned: vec![false; count],
            taints: nodes.tainted.clone(),
            pods: vec![0; count],
            requested: vec![Resources::default(); count],
            kinds: vec![0; count * kinds],
            kind_count: kinds,
            placed: Vec::new(),
            parked: Vec::new(),
            nominated: Vec::new(),
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
                    let (requested, own) = (&mut self.requested[node.index()], ctx.shared.kind(pod).place.requests);
                    *requested = Resources {
                        cpu_milli: requested.cpu_milli - own.cpu_milli,
                        memory: requested.memory - own.memory,
                    };
                }
                self.parked.retain(|parked| parked.pod != pod);
                self.nominated.retain(|(nominated, _)| *nominated != pod);
                self.unpark(ctx);
            }
            SchedulerEvent::NodeReady(node, ready) => {
                self.ready[node.index()] = ready;
                if ready {
                    self.unpark(ctx);
                }
            }
            SchedulerEvent::Marked(node, nothing, object) => {
                let (cordoned, taints) = (&mut self.cordoned[node.index()], &mut self.taints[node.index()]);
                let freed = *cordoned && !object.cordoned || *taints & !object.taints != 0;
                (*cordoned, *taints) = (object.cordoned, object.taints);
                if nothing || freed {
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
            let priority = |pod: &PodId| ctx.shared.kind(*pod).place.priority;
            let own = priority(&pod);
            let behind = self.queue.iter().rposition(|other| priority(other) >= own);
            self.queue.insert(behind.map_or(0, |place| place + 1), pod);
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
        let node = self.choose(pod, ctx).map_err(|unfitting| {
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
            ctx.observe_pod(pod, PodFact::NoNode(unfitting));
        });
        let Ok(node) = node else {
            self.preempt(pod, ctx);
            return;
        };
        self.parked.retain(|parked| parked.pod != pod);
        self.nominated.retain(|(nominated, _)| *nominated != pod);
        self.place(pod, kind, node, ctx);
        ctx.observe_pod(pod, PodFact::Bound(node));
        let key = Ordinal::BINDING.of(ctx.shared.key(pod));
        ctx.write(Source::Scheduler, None, key, Write::BindPod(pod, node));
    }

    fn place(&mut self, pod: PodId, kind: KindId, node: NodeId, ctx: &Ctx) {
        self.pods[node.index()] += 1;
        let requested = &mut self.requested[node.index()];
        *requested = requested.plus(ctx.shared.kind(pod).place.requests);
        self.kinds[node.index() * self.kind_count + kind.index()] += 1;
        if self.placed.len() <= pod.index() {
            self.placed.resize(pod.index() + 1, None);
        }
        self.placed[pod.index()] = Some(node);
    }

    /// Where a pod ran when the run began: on the node that is given to it, whatever the scheduler would make of that, else
    /// where the scheduler puts it. For a pod that fits nowhere it tries again.
    pub fn has_placed(&mut self, pod: PodId, ctx: &mut Ctx) -> Option<NodeId> {
        let node = choice::given(pod, ctx).or_else(|| self.choose(pod, ctx).ok());
        match node {
            Some(node) => self.place(pod, ctx.shared.pods[pod.index()].kind, node, ctx),
            None => self.enqueue(pod, ctx),
        }
        node
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

/// New pods, pods that are gone, and nodes that become ready or not.
pub const SUBSCRIPTION: Subscription = Subscription {
    key: |_, _| EntityKey::root("scheduler"),
    hears: |change, _, notifications| {
        let (event, words) = match *change {
            Change::PodCreated(pod, _) => (SchedulerEvent::Created(pod), ("the pod was created", Some(pod))),
            Change::PodRemoved(pod, _) => (SchedulerEvent::Removed(pod), ("the pod is gone", Some(pod))),
            Change::PodUpdated(pod, old, new) if new.ended.is_some() && old.ended.is_none() => {
                (SchedulerEvent::Removed(pod), ("the pod has finished", Some(pod)))
            }
            Change::NodeReady(node, ready) => (
                SchedulerEvent::NodeReady(node, ready),
                ("the node's readiness changed", None),
            ),
            Change::NodeMarked(node, object, nothing) => (
                SchedulerEvent::Marked(node, nothing, object),
                ("the node takes pods, or no more", None),
            ),
            _ => return,
        };
        notifications.push(Notification::new(Source::Scheduler, Event::Scheduler(event), words));
    },
};
