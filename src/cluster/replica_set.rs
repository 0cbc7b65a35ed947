//! The ReplicaSet controller: creates the pods that are wished for and deletes those that are not.
//!
//! **Modelled**: slow start in batches of 1, 2, 4, … that stops at the first failing batch; back-off of a failed sync;
//! expectations (no new sync before its own writes are seen); the client's rate limit; the ranking of victims
//! (`kubernetes/kubernetes pkg/controller/controller_utils.go`, ActivePodsWithRanks).
//! **Left out**: adoption, pod-deletion-cost, restarts, minReadySeconds, the expiry of expectations.
//! **Parameters**: `slow_start_initial_batch`, `replica_set_burst`, `controller_client_*`, `controller_retry_*`.
//! **Validated by**: `tests/world/event_log.rs`, `tests/world/webhook.rs`.

use std::collections::VecDeque;

use super::api_server::ApiServer;
use super::context::{Ctx, PodMeta};
use super::event::{Event, Source};
use super::ids::{KindId, NodeId, PodId, ReplicaSetId};
use super::istio::injection::Admission;
use super::objects::{PodObject, Write};
use super::purpose::Purpose;
use super::token_bucket::TokenBucket;
use crate::kernel::{EntityKey, EventClass, SimDuration, SimTime};

/// Something the ReplicaSet controller handles.
#[derive(Clone, Copy, Debug)]
pub enum ReplicaSetEvent {
    /// A ReplicaSet was given a size.
    Resized(ReplicaSetId, u32),
    /// It acts.
    Sync(ReplicaSetId),
    /// A request to create a pod leaves the controller.
    Request(ReplicaSetId, PodId),
    /// It learns that a pod of it was created.
    Created(ReplicaSetId, PodId),
    /// A creation was refused.
    Refused(ReplicaSetId, PodId),
    /// It learns that a pod changed or is gone; so many versions of pods are known now.
    Changed(ReplicaSetId, PodId, u32),
}

#[derive(Debug)]
struct ReplicaSet {
    kind: KindId,
    revision: u32,
    desired: u32,
    next_ordinal: u32,
    /// Pods created and not known to be deleted.
    members: Vec<PodId>,
    /// Pods wished for, not yet asked for.
    wishes: VecDeque<PodId>,
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

impl ReplicaSet {
    /// Its key for random streams: workload and revision.
    fn key(&self, ctx: &Ctx) -> EntityKey {
        ctx.blueprint().kind(self.kind).key.child(u64::from(self.revision))
    }
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

    /// Adds an empty ReplicaSet.
    pub fn add(&mut self, kind: KindId, revision: u32) -> ReplicaSetId {
        self.sets.push(ReplicaSet {
            kind,
            revision,
            desired: 0,
            next_ordinal: 0,
            members: Vec::new(),
            wishes: VecDeque::new(),
            asked: 0,
            batch_failed: false,
            next_batch: 0,
            deleting: Vec::new(),
            failures: 0,
            sync_pending: false,
            syncs: 0,
        });
        ReplicaSetId(self.sets.len() as u32 - 1)
    }

    /// Ready pods of a ReplicaSet, as known by the first `seen` versions of pods.
    #[must_use]
    pub fn available(&self, set: ReplicaSetId, seen: u32, api: &ApiServer) -> u32 {
        let known = |pod: &PodId| api.pods.at(pod.0, seen).and_then(|version| version.value.as_ref());
        self.sets[set.index()]
            .members
            .iter()
            .filter_map(known)
            .filter(|object| object.ready && !object.deleting)
            .count() as u32
    }

    /// Handles an event.
    pub fn handle(&mut self, event: ReplicaSetEvent, ctx: &mut Ctx, admission: &mut Admission) {
        match event {
            ReplicaSetEvent::Resized(set, size) => {
                self.sets[set.index()].desired = size;
                self.sync_soon(set, ctx);
            }
            ReplicaSetEvent::Sync(set) => self.sync(set, ctx),
            ReplicaSetEvent::Request(set, pod) => admission.create(pod, Some(set), ctx),
            ReplicaSetEvent::Created(id, pod) => {
                self.sets[id.index()].members.push(pod);
                self.answered(id, ctx);
            }
            ReplicaSetEvent::Refused(id, pod) => {
                let set = &mut self.sets[id.index()];
                set.batch_failed = true;
                // The wish stays; it is the first to be tried again, and the others wait behind it.
                set.wishes.push_front(pod);
                for &waiting in &set.wishes {
                    ctx.shared.recorder.creation_refused(waiting);
                }
                self.answered(id, ctx);
            }
            ReplicaSetEvent::Changed(id, pod, seen) => {
                self.seen = self.seen.max(seen);
                let gone = self.known(pod, &ctx.shared.api).is_none_or(|object| object.deleting);
                let set = &mut self.sets[id.index()];
                if gone && set.members.contains(&pod) {
                    set.members.retain(|&member| member != pod);
                    set.deleting.retain(|&other| other != pod);
                    self.sync_soon(id, ctx);
                }
            }
        }
    }

    fn known<'a>(&self, pod: PodId, api: &'a ApiServer) -> Option<&'a PodObject> {
        api.pods.at(pod.0, self.seen).and_then(|version| version.value.as_ref())
    }

    fn sync_soon(&mut self, id: ReplicaSetId, ctx: &mut Ctx) {
        let law = ctx.blueprint().spec.kubernetes.controller_sync_latency;
        let set = &mut self.sets[id.index()];
        set.syncs += 1;
        let key = set.key(ctx).named("sync").child(set.syncs);
        let latency = ctx.draw(Purpose::ControllerSync, key, &law);
        self.sync_after(id, latency, ctx);
    }

    fn sync_after(&mut self, id: ReplicaSetId, wait: SimDuration, ctx: &mut Ctx) {
        let set = &mut self.sets[id.index()];
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
        let set = &mut self.sets[id.index()];
        set.sync_pending = false;
        if set.asked > 0 || !set.deleting.is_empty() {
            return; // Expectations: it syncs again when its own writes are seen.
        }
        let wanted = set.desired as usize;
        let held = set.members.len();
        while held + set.wishes.len() > wanted {
            // Wished for, never created, not wanted any more.
            let Some(pod) = set.wishes.pop_back() else { break };
            ctx.shared.recorder.removed(pod, ctx.kernel.now());
        }
        if held > wanted {
            let surplus = held - wanted;
            self.delete(id, surplus, ctx);
            return;
        }
        let set = &mut self.sets[id.index()];
        let burst = ctx.blueprint().spec.kubernetes.replica_set_burst as usize;
        let missing = (wanted - held).min(burst);
        while set.wishes.len() < missing {
            let ordinal = set.next_ordinal;
            set.next_ordinal += 1;
            let owner_key = set.key(ctx);
            let meta = PodMeta {
                kind: set.kind,
                revision: set.revision,
                ordinal,
                key: owner_key.child(u64::from(ordinal)),
            };
            let pod = ctx.shared.wish(meta, ctx.kernel.now());
            set.wishes.push_back(pod);
        }
        if !set.wishes.is_empty() {
            set.next_batch = ctx.blueprint().spec.kubernetes.slow_start_initial_batch.max(1);
            self.ask(id, ctx);
        }
    }

    /// Sends the next batch of creations.
    fn ask(&mut self, id: ReplicaSetId, ctx: &mut Ctx) {
        let requests = ctx.blueprint().spec.kubernetes.controller_requests_per_pod;
        let set = &mut self.sets[id.index()];
        set.batch_failed = false;
        let size = (set.next_batch as usize).min(set.wishes.len());
        set.next_batch = set.next_batch.saturating_mul(2);
        for _ in 0..size {
            let Some(pod) = set.wishes.pop_front() else { break };
            set.asked += 1;
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
        let set = &mut self.sets[id.index()];
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
        if set.wishes.is_empty() || set.next_batch == 0 {
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
            self.sets[id.index()].deleting.push(pod);
            let wait = self.bucket.reserve(ctx.now(), requests);
            let key = ctx.shared.key(pod).child(DELETE);
            ctx.write_after(Source::ReplicaSet, None, key, wait, Write::DeletePod(pod));
        }
    }

    /// The pods to delete, in the order of the ranking: the first difference decides.
    fn victims(&self, id: ReplicaSetId, surplus: usize, ctx: &Ctx) -> Vec<PodId> {
        let set = &self.sets[id.index()];
        let api = &ctx.shared.api;
        let object = |pod: PodId| self.known(pod, api).copied().unwrap_or_default();
        // Pods of all revisions of the Deployment count as siblings on a node.
        let siblings = |node: Option<NodeId>| {
            let same_kind = self
                .sets
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
                let times = ctx.shared.recorder.times(pod);
                let uid = ctx.stream(Purpose::PodUid, ctx.shared.key(pod)).bits();
                let rank = (
                    state.node.is_some(),
                    state.running,
                    state.ready,
                    std::cmp::Reverse(siblings(state.node)),
                    bucket(times.ready),
                    bucket(times.created),
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

/// Addresses the latency of a pod's deletion.
pub const DELETE: u64 = 101;
