//! The ReplicaSet controller: creates the pods that are created and deletes those that are not.
//!
//! **Modeled**: slow start in batches of 1, 2, 4, … that stops at the first failing batch; back-off of a failed sync;
//! expectations (no new sync before its own writes are seen); the client's rate limit; the ranking of victims
//! (`kubernetes/kubernetes pkg/controller/controller_utils.go`, ActivePodsWithRanks). StatefulSets too: a pod has the lowest
//! number that is free, is created when the pod of that name is gone, and unless `Parallel` when all others are ready; the
//! highest number goes first (`docs/model/kubernetes.md#controllers-and-scheduler`).
//! **Left out**: adoption, pod-deletion-cost, restarts, minReadySeconds, the expiry of expectations.
//! **Parameters**: `slow_start_initial_batch`, `replica_set_burst`, `controller_client_*`, `controller_retry_*`.
//! **Validated by**: `tests/world/event_log.rs`, `tests/world/webhook.rs`, `tests/world/workloads.rs`.

use std::collections::{BTreeSet, VecDeque};

use super::api_server::ApiServer;
use super::context::Ctx;
use super::event::{Event, ReplicaSetEvent, Source, Write};
use super::ids::{NodeId, PodId, ReplicaSetId};
use super::objects::PodMeta;
use super::objects::PodObject;
use super::observed::PodFact;
use super::purpose::{Ordinal, Purpose};
use super::spec::Controller;
use super::subscription::{Change, Notification, Subscription};
use super::token_bucket::TokenBucket;
use crate::kernel::{EntityKey, EventClass, SimDuration, SimTime};

#[derive(Debug, Default)]
struct ReplicaSet {
    desired: u32,
    next_ordinal: u32,
    /// Desired pods that are not created yet.
    pending: VecDeque<PodId>,
    /// Pods asked for, not yet seen.
    asked: u32,
    /// Whether a creation of the present batch was refused.
    batch_failed: bool,
    /// Size of the next batch; zero when no slow start is under way.
    next_batch: u32,
    /// Deletions asked for, not yet seen.
    deleting: Vec<PodId>,
    failures: u32,
    sync_pending: bool,
    /// How often it was to be synced so far.
    syncs: u64,
}

/// The key of a ReplicaSet for random streams: workload and revision.
fn key(id: ReplicaSetId, ctx: &Ctx) -> EntityKey {
    let set = &ctx.shared.sets[id.index()];
    ctx.blueprint().kind(set.kind).key.child(u64::from(set.revision))
}

/// The controller's state.
#[derive(Debug)]
pub struct ReplicaSets {
    sets: Vec<ReplicaSet>,
    bucket: TokenBucket,
    seen: u32,
}

impl ReplicaSets {
    /// The controller with its client's limit.
    #[must_use]
    pub fn new(qps: f64, burst: u32) -> Self {
        Self {
            sets: Vec::new(),
            bucket: TokenBucket::new(qps, burst),
            seen: 0,
        }
    }

    fn set(&mut self, id: ReplicaSetId) -> &mut ReplicaSet {
        if self.sets.len() <= id.index() {
            self.sets.resize_with(id.index() + 1, ReplicaSet::default);
        }
        &mut self.sets[id.index()]
    }

    /// A ReplicaSet had all its pods when the run began.
    pub fn has_created(&mut self, id: ReplicaSetId, pods: Vec<PodId>, ctx: &mut Ctx) {
        self.seen = ctx.shared.api.pods.len() as u32;
        let set = self.set(id);
        set.desired = pods.len() as u32;
        set.next_ordinal = set.desired;
        ctx.shared.sets[id.index()].members = pods;
    }

    /// Handles an event.
    pub fn handle(&mut self, event: ReplicaSetEvent, ctx: &mut Ctx) {
        match event {
            ReplicaSetEvent::Resized(set, size) => {
                self.set(set).desired = size;
                self.sync_soon(set, ctx);
            }
            ReplicaSetEvent::Sync(set) => self.sync(set, ctx),
            ReplicaSetEvent::Request(set, pod) => ctx.create_pod(pod, Some(set)),
            ReplicaSetEvent::Created(id, pod) => {
                ctx.shared.sets[id.index()].members.push(pod);
                self.answered(id, ctx);
            }
            ReplicaSetEvent::Refused(id, pod) => {
                let set = self.set(id);
                set.batch_failed = true;
                // The pod stays pending; it is the first to be tried again, and the others wait behind it.
                set.pending.push_front(pod);
                for &waiting in &set.pending {
                    ctx.observe_pod(waiting, PodFact::WaitsForWebhook);
                }
                self.answered(id, ctx);
            }
            ReplicaSetEvent::Changed(id, pod, seen) => {
                self.seen = self.seen.max(seen);
                let keeps_names = controller(id, ctx).keeps_names();
                let object = self.known(pod, &ctx.shared.api);
                let gone = object.is_none_or(|object| object.deleting && !keeps_names);
                let members = &mut ctx.shared.sets[id.index()].members;
                if gone && members.contains(&pod) {
                    members.retain(|&member| member != pod);
                    self.set(id).deleting.retain(|&other| other != pod);
                    self.sync_soon(id, ctx);
                }
                if keeps_names {
                    // Another revision may wait for its name, and the next pod for its readiness.
                    for set in sets_of(id, ctx) {
                        self.sync_soon(set, ctx);
                    }
                }
            }
        }
    }

    fn known<'a>(&self, pod: PodId, api: &'a ApiServer) -> Option<&'a PodObject> {
        api.pods.at(pod.0, self.seen).and_then(|version| version.value.as_ref())
    }

    fn sync_soon(&mut self, id: ReplicaSetId, ctx: &mut Ctx) {
        let distribution = ctx.blueprint().spec.kubernetes.controller_sync_latency;
        let set = self.set(id);
        set.syncs += 1;
        let key = key(id, ctx).named("sync").child(set.syncs);
        let latency = ctx.draw(Purpose::ControllerSync, key, &distribution);
        self.sync_after(id, latency, ctx);
    }

    fn sync_after(&mut self, id: ReplicaSetId, wait: SimDuration, ctx: &mut Ctx) {
        let set = self.set(id);
        if !set.sync_pending {
            set.sync_pending = true;
            ctx.after(
                Source::ReplicaSet,
                EventClass::Timer,
                wait,
                Event::ReplicaSet(ReplicaSetEvent::Sync(id)),
            );
        }
    }

    fn sync(&mut self, id: ReplicaSetId, ctx: &mut Ctx) {
        let set = self.set(id);
        set.sync_pending = false;
        if set.asked > 0 || !set.deleting.is_empty() {
            return; // Expectations: it syncs again when its own writes are seen.
        }
        let desired = set.desired as usize;
        let held = ctx.shared.sets[id.index()].members.len();
        while held + set.pending.len() > desired {
            // Never created and no longer desired.
            let Some(pod) = set.pending.pop_back() else { break };
            ctx.observe_pod(pod, PodFact::Dropped);
        }
        if held > desired {
            let surplus = held - desired;
            self.delete(id, surplus, ctx);
            return;
        }
        let burst = ctx.blueprint().spec.kubernetes.replica_set_burst as usize;
        let mut missing = (desired - held).min(burst);
        let controller = controller(id, ctx);
        if controller.keeps_names() {
            missing = self.next_of_stateful_set(id, missing, controller, ctx);
        }
        let set = self.set(id);
        while set.pending.len() < missing {
            let of = &ctx.shared.sets[id.index()];
            // An Istiod goes by its ordinal: those of a later revision count on.
            let number = match ctx.blueprint().istiod {
                Some(istiod) if istiod == of.kind => {
                    let earlier = ctx.shared.pods.iter().filter(|pod| pod.kind == istiod);
                    earlier.count() as u32
                }
                _ => set.next_ordinal,
            };
            set.next_ordinal += 1;
            let owner_key = key(id, ctx);
            let meta = PodMeta {
                kind: of.kind,
                revision: of.revision,
                ordinal: match controller.keeps_names() {
                    true => free_ordinal(id, &set.pending, ctx),
                    false => number,
                },
                key: owner_key.child(u64::from(number)),
            };
            let pod = ctx.add_pod(meta);
            set.pending.push_back(pod);
        }
        if !set.pending.is_empty() {
            set.next_batch = ctx.blueprint().spec.kubernetes.slow_start_initial_batch.max(1);
            self.ask(id, ctx);
        }
    }

    /// How many pods a StatefulSet may create now.
    fn next_of_stateful_set(&self, id: ReplicaSetId, missing: usize, controller: Controller, ctx: &Ctx) -> usize {
        let (api, sets) = (&ctx.shared.api, sets_of(id, ctx));
        let members: Vec<PodId> = sets
            .iter()
            .flat_map(|set| ctx.shared.sets[set.index()].members.iter().copied())
            .collect();
        // A name is free when its pod is gone.
        let desired = sets
            .iter()
            .filter_map(|set| self.sets.get(set.index()))
            .map(|set| set.desired as usize);
        let missing = missing.min(desired.sum::<usize>().saturating_sub(members.len()));
        let is_ready = |pod: &PodId| self.known(*pod, api).is_some_and(|object| object.ready);
        let number = |pod: &PodId| ctx.shared.pods[pod.index()].ordinal;
        let taken: BTreeSet<u32> = members.iter().map(number).collect();
        let next = (0..).find(|number| !taken.contains(number)).unwrap_or(u32::MAX);
        // Pods of lower numbers have to be ready before the next one comes.
        let waits = members.iter().any(|pod| number(pod) < next && !is_ready(pod));
        match controller {
            Controller::StatefulSet if waits => 0,
            Controller::StatefulSet => missing.min(1),
            _ => missing,
        }
    }

    /// Sends the next batch of creations.
    fn ask(&mut self, id: ReplicaSetId, ctx: &mut Ctx) {
        let requests = ctx.blueprint().spec.kubernetes.controller_requests_per_pod;
        let set = self.set(id);
        set.batch_failed = false;
        let size = (set.next_batch as usize).min(set.pending.len());
        set.next_batch = set.next_batch.saturating_mul(2);
        let asked: Vec<PodId> = set.pending.drain(..size).collect();
        set.asked += size as u32;
        for pod in asked {
            let wait = self.bucket.reserve(ctx.now(), requests);
            ctx.after(
                Source::ReplicaSet,
                EventClass::Timer,
                wait,
                Event::ReplicaSet(ReplicaSetEvent::Request(id, pod)),
            );
        }
    }

    /// One creation was answered.
    fn answered(&mut self, id: ReplicaSetId, ctx: &mut Ctx) {
        let set = self.set(id);
        set.asked -= 1;
        if set.asked > 0 {
            return;
        }
        if set.batch_failed {
            let params = &ctx.blueprint().spec.kubernetes;
            let wait = params
                .controller_retry_initial
                .scale(libm::exp2(f64::from(set.failures.min(40))))
                .min(params.controller_retry_max);
            set.failures += 1;
            set.next_batch = 0;
            self.sync_after(id, wait, ctx);
            return;
        }
        if set.pending.is_empty() || set.next_batch == 0 {
            // Only a sync that did all it set out to do ends the back-off.
            set.failures = 0;
            set.next_batch = 0;
            self.sync_soon(id, ctx);
        } else {
            self.ask(id, ctx);
        }
    }

    fn delete(&mut self, id: ReplicaSetId, surplus: usize, ctx: &mut Ctx) {
        let victims = self.victims(id, surplus, ctx);
        let requests = ctx.blueprint().spec.kubernetes.controller_requests_per_pod;
        for pod in victims {
            self.set(id).deleting.push(pod);
            let wait = self.bucket.reserve(ctx.now(), requests);
            let key = Ordinal::DELETION.of(ctx.shared.key(pod));
            ctx.write_after(Source::ReplicaSet, None, key, wait, Write::DeletePod(pod));
        }
    }

    /// The pods to delete, in the order of the ranking: the first difference decides.
    fn victims(&self, id: ReplicaSetId, surplus: usize, ctx: &Ctx) -> Vec<PodId> {
        let sets = &ctx.shared.sets;
        let set = &sets[id.index()];
        let api = &ctx.shared.api;
        let object = |pod: PodId| self.known(pod, api).copied().unwrap_or_default();
        // Pods of all revisions of the Deployment count as siblings on a node.
        let siblings = |node: Option<NodeId>| {
            let same_kind = sets
                .iter()
                .filter(|other| other.kind == set.kind)
                .flat_map(|other| &other.members);
            same_kind
                .filter(|&&pod| node.is_some() && object(pod).node == node)
                .count()
        };
        let now = ctx.now();
        let bucket = |since: Option<SimTime>| since.map_or(0, |since| now.since(since).as_nanos().max(1).ilog2());
        let mut ranked: Vec<_> = set
            .members
            .iter()
            .map(|&pod| {
                let state = object(pod);
                let (created, ready) = since(pod, api);
                let bucket = |since| if api.ran_before(pod) { u32::MAX } else { bucket(since) };
                let uid = ctx.stream(Purpose::PodUid, ctx.shared.key(pod)).bits();
                let last = match controller(id, ctx).keeps_names() {
                    true => u32::MAX - ctx.shared.pods[pod.index()].ordinal,
                    false => 0,
                };
                let rank = (
                    last,
                    state.node.is_some(),
                    state.running,
                    state.ready,
                    std::cmp::Reverse(siblings(state.node)),
                    bucket(ready),
                    bucket(created),
                    uid,
                );
                (rank, pod)
            })
            .collect();
        ranked.sort_unstable();
        ranked.truncate(surplus);
        ranked.into_iter().map(|(_, pod)| pod).collect()
    }
}

/// What controls the pods of a ReplicaSet.
fn controller(id: ReplicaSetId, ctx: &Ctx) -> Controller {
    ctx.blueprint().kind(ctx.shared.sets[id.index()].kind).controller
}

/// All revisions of the workload of a ReplicaSet.
fn sets_of(id: ReplicaSetId, ctx: &Ctx) -> Vec<ReplicaSetId> {
    let sets = &ctx.shared.sets;
    let kind = sets[id.index()].kind;
    let all = (0..sets.len() as u32).map(ReplicaSetId);
    all.filter(|set| sets[set.index()].kind == kind).collect()
}

/// The lowest number that no pod of a StatefulSet has.
fn free_ordinal(id: ReplicaSetId, pending: &VecDeque<PodId>, ctx: &Ctx) -> u32 {
    let members = sets_of(id, ctx)
        .into_iter()
        .flat_map(|set| &ctx.shared.sets[set.index()].members);
    let taken: Vec<u32> = members
        .chain(pending)
        .map(|pod| ctx.shared.pods[pod.index()].ordinal)
        .collect();
    (0..).find(|ordinal| !taken.contains(ordinal)).unwrap_or(0)
}

/// When a pod was created and when it was first ready.
fn since(pod: PodId, api: &ApiServer) -> (Option<SimTime>, Option<SimTime>) {
    api.pods.of_key(pod.0).fold((None, None), |(_, ready), index| {
        let version = api.pods.version(index);
        let is_ready = version.value.is_some_and(|object| object.ready);
        (Some(version.time), is_ready.then_some(version.time).or(ready))
    })
}

/// Verbs with which other components notify the ReplicaSet controller.
impl Ctx<'_> {
    /// The Deployment controller gave a ReplicaSet a size, which its controller has read at this time.
    pub fn resize_set(&mut self, at: SimTime, set: ReplicaSetId, size: u32) {
        self.at(
            Source::Deployment,
            EventClass::Deliver,
            at,
            Event::ReplicaSet(ReplicaSetEvent::Resized(set, size)),
        );
    }

    /// The API server refuses to create a pod.
    pub fn refuse_creation(&mut self, set: ReplicaSetId, pod: PodId) {
        if self.shared.kind(pod).controller.makes_jobs() {
            self.refuse_pod_of_job(set, pod);
            return;
        }
        self.after(
            Source::ApiServer,
            EventClass::Deliver,
            SimDuration::ZERO,
            Event::ReplicaSet(ReplicaSetEvent::Refused(set, pod)),
        );
    }
}

/// Pods of ReplicaSets.
pub const SUBSCRIPTION: Subscription = Subscription {
    key: |_, _| EntityKey::root("replica set controller"),
    hears: |change, shared, notifications| {
        let (event, words) = match *change {
            Change::PodCreated(pod, Some(owner)) if !shared.kind(pod).controller.makes_jobs() => {
                (ReplicaSetEvent::Created(owner, pod), ("the pod was created", Some(pod)))
            }
            _ => match change.of_pod() {
                Some((pod, _)) if shared.kind(pod).controller.makes_jobs() => return,
                Some((pod, true)) if let Some(owner) = shared.api.owner(pod) => {
                    let seen = shared.api.pods.len() as u32;
                    let event = ReplicaSetEvent::Changed(owner, pod, seen);
                    (event, ("the pod changed", Some(pod)))
                }
                _ => return,
            },
        };
        notifications.push(Notification::new(Source::ReplicaSet, Event::ReplicaSet(event), words));
    },
};
