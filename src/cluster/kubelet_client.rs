//! The API client of each kubelet: its limit, and the one worker that syncs pod statuses.
//!
//! **Modeled**: one token bucket per kubelet for status syncs, token requests and deletions of pods (leases and events have
//! clients of their own); syncs one after another, each a GET, a PATCH if something changed and, for a pod that has
//! finished, a DELETE; a GET for a pod that is gone; every `status_batch_period` the backlog is thrown away and replaced
//! by one sync per changed pod, with its status at that moment and in no particular order
//! (`kubernetes/kubernetes pkg/kubelet/status/status_manager.go`). `status_sync_newest` (from 1.27) does that behind every
//! sync instead of working through older statuses one by one.
//! **Left out**: reconciliation of statuses that another client changed, timeouts of calls on a cut link (such a sync fails at
//! once and is made up for after the repair), the chance that a due batch waits for one more sync.
//! **Parameters**: `kubelet_client_*`, `kubelet_requests_*`, `status_*`. **Validated by**: `tests/world/kubelet_start.rs`
//! (measured starts of 15 pods). Source: `docs/model/kubernetes.md#kubelet`.

use std::collections::{BTreeMap, VecDeque};

use super::context::Ctx;
use super::event::{Event, KubeletEvent, Source, Write};
use super::ids::{NodeId, PodId};
use super::observed::{KubeletCalls, PodFact};
use super::party::Party;
use super::purpose::{Ordinal, Purpose};
use super::token_bucket::TokenBucket;
use crate::kernel::{EventClass, SimDuration, SimTime};

/// What a kubelet says about a pod, in the order in which it comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Its containers are being made.
    Creating,
    /// It has an address.
    Address,
    /// All its containers run.
    Running,
    /// It is ready.
    Ready,
    /// It is no longer ready.
    NotReady,
    /// A run of its containers has ended, and the pod goes on.
    Waiting,
    /// All its containers have ended for good.
    Ended,
    /// It is being stopped: the same status once more.
    Terminating,
    /// Its containers have ended.
    Stopped,
    /// Nothing of it is left: the object may go.
    Finished,
}

/// The call of a sync that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Get,
    Patch,
    Delete,
}

#[derive(Clone, Copy, Debug)]
struct Sync {
    pod: PodId,
    status: Status,
    version: u32,
    /// Whether it came through a batch.
    batched: bool,
}

/// The latest status of a pod, and what was reported to the API server.
#[derive(Clone, Copy, Debug)]
struct Known {
    latest: Sync,
    reported: Option<(u32, Status)>,
    ready_since: Option<SimTime>,
    /// Whether a call has said that it is ready.
    ready_said: bool,
}

impl Known {
    fn is_reported(&self, version: u32) -> bool {
        self.reported.is_some_and(|(reported, _)| reported >= version)
    }
}

#[derive(Debug)]
struct Client {
    bucket: TokenBucket,
    /// Statuses that wait for their sync, in the order in which they came about.
    channel: VecDeque<Sync>,
    /// What is left of a batch.
    batch: VecDeque<Sync>,
    known: BTreeMap<PodId, Known>,
    /// The sync under way, its present call, and how long its calls took by themselves.
    current: Option<(Sync, Call, SimDuration)>,
    ticks_seen: u64,
}

/// The clients of all kubelets.
#[derive(Debug, Default)]
pub struct KubeletClients {
    clients: Vec<Option<Box<Client>>>,
}

impl KubeletClients {
    fn client(&mut self, node: NodeId, ctx: &Ctx) -> &mut Client {
        if self.clients.len() <= node.index() {
            self.clients.resize_with(node.index() + 1, || None);
        }
        self.clients[node.index()].get_or_insert_with(|| {
            let params = &ctx.blueprint().spec.kubernetes;
            Box::new(Client {
                bucket: TokenBucket::new(params.kubelet_client_qps, params.kubelet_client_burst),
                channel: VecDeque::new(),
                batch: VecDeque::new(),
                known: BTreeMap::new(),
                current: None,
                ticks_seen: 0,
            })
        })
    }

    /// Takes the tokens of the calls for so many service account tokens and returns how long to wait for them.
    pub fn request_tokens(&mut self, node: NodeId, tokens: u32, ctx: &Ctx) -> SimDuration {
        let calls = tokens * ctx.blueprint().spec.kubernetes.kubelet_requests_per_token;
        self.client(node, ctx).take(calls, ctx)
    }

    /// A pod has a new status: it is synced in its turn.
    pub fn report(&mut self, node: NodeId, pod: PodId, status: Status, ctx: &mut Ctx) {
        let now = ctx.now();
        let client = self.client(node, ctx);
        let version = client.known.get(&pod).map_or(0, |known| known.latest.version) + 1;
        let latest = Sync {
            pod,
            status,
            version,
            batched: false,
        };
        let known = client.known.entry(pod).or_insert(Known {
            latest,
            reported: None,
            ready_since: None,
            ready_said: ctx.shared.api.ran_before(pod),
        });
        known.latest = latest;
        if status == Status::Ready {
            known.ready_since.get_or_insert(now);
            ctx.traffic_begins(pod, true);
        }
        client.channel.push_back(latest);
        if client.current.is_none() {
            client.ticks_seen = tick(node, ctx);
            client.next(node, ctx);
        }
    }

    /// The call under way was answered.
    pub fn answered(&mut self, node: NodeId, ctx: &mut Ctx) {
        self.client(node, ctx).answered(node, ctx);
    }

    /// The kubelet's process is another one.
    pub fn forget(&mut self, node: NodeId) {
        if let Some(client) = self.clients.get_mut(node.index()) {
            *client = None;
        }
    }

    /// The link was repaired: all that was not reported is synced.
    pub fn repaired(&mut self, node: NodeId, ctx: &mut Ctx) {
        let client = self.client(node, ctx);
        if client.current.is_none() {
            client.collect(node, ctx);
            client.next(node, ctx);
        }
    }
}

/// How many batches have become due so far.
fn tick(node: NodeId, ctx: &Ctx) -> u64 {
    let period = ctx.blueprint().spec.kubernetes.status_batch_period;
    let key = ctx.blueprint().node_key(node);
    let phase = ctx.stream(Purpose::StatusBatchPhase, key).up_to(period);
    let since = ctx.now() + period;
    since.since(SimTime::ZERO + phase).as_nanos() / period.as_nanos().max(1)
}

impl Client {
    fn take(&mut self, calls: u32, ctx: &Ctx) -> SimDuration {
        if calls == 0 {
            return SimDuration::ZERO;
        }
        self.bucket.reserve(ctx.now(), calls)
    }

    /// Throws the backlog away for one sync per pod whose latest status was not reported.
    fn collect(&mut self, node: NodeId, ctx: &Ctx) {
        self.channel.clear();
        let tick = tick(node, ctx);
        let order = |pod: PodId| {
            let key = ctx.shared.key(pod).child(tick);
            ctx.stream(Purpose::StatusBatchOrder, key).bits()
        };
        // A pod that the kubelet has seen go is in no batch.
        let unreported = self
            .known
            .values()
            .filter(|known| !known.is_reported(known.latest.version));
        let exists = |sync: &Sync| ctx.shared.api.pod(sync.pod).is_some();
        let batched = !ctx.blueprint().spec.kubernetes.status_sync_newest;
        let latest = unreported.map(|known| Sync {
            batched,
            ..known.latest
        });
        let mut syncs: Vec<Sync> = latest.filter(exists).collect();
        syncs.sort_by_cached_key(|sync| (order(sync.pod), sync.pod));
        self.batch = syncs.into();
    }

    /// Begins the next sync that has something to say.
    fn next(&mut self, node: NodeId, ctx: &mut Ctx) {
        self.current = None;
        loop {
            let newest = ctx.blueprint().spec.kubernetes.status_sync_newest;
            let due = tick(node, ctx);
            if self.batch.is_empty() && (due > self.ticks_seen || newest && !self.channel.is_empty()) {
                self.ticks_seen = due;
                self.collect(node, ctx);
            }
            let Some(sync) = self.batch.pop_front().or_else(|| self.channel.pop_front()) else {
                return;
            };
            let reported = self
                .known
                .get(&sync.pod)
                .is_some_and(|known| known.is_reported(sync.version));
            // Without an answer to the GET there is no PATCH.
            if reported || !ctx.shared.links.is_up(Party::Kubelet(node)) {
                continue;
            }
            let reads = ctx
                .blueprint()
                .spec
                .kubernetes
                .kubelet_requests_per_status
                .saturating_sub(1);
            self.call(node, sync, Call::Get, reads, SimDuration::ZERO, ctx);
            return;
        }
    }

    /// Sends a call when its token is there.
    fn call(&mut self, node: NodeId, sync: Sync, call: Call, tokens: u32, calls: SimDuration, ctx: &mut Ctx) {
        let wait = self.take(tokens, ctx);
        let distribution = ctx.blueprint().spec.kubernetes.api_write_latency;
        let ordinal = match call {
            Call::Get => Ordinal::STATUS_GET,
            Call::Patch => Ordinal::STATUS_PATCH,
            Call::Delete => Ordinal::STATUS_DELETE,
        };
        let key = ordinal.of(ctx.shared.key(sync.pod)).child(u64::from(sync.version));
        let latency = if tokens == 0 {
            SimDuration::ZERO
        } else {
            let latency = ctx.draw(Purpose::ApiWrite, key, &distribution);
            ctx.slowed_by_server(Some(Party::Kubelet(node)), latency)
        };
        let calls = calls + latency;
        self.current = Some((sync, call, calls));
        let (sent, answered) = (ctx.now() + wait, ctx.now() + wait + latency);
        let source = Source::Kubelet(node);
        if let Some(write) = what(sync, call, ctx).filter(|_| !ctx.models_load()) {
            if let Write::ReportReady(..) = write {
                self.account(sync, answered, calls, ctx);
            }
            ctx.message(source, Source::ApiServer, sent, answered, || write.words());
            ctx.at(source, EventClass::Commit, answered, Event::Commit(write));
        }
        let event = Event::Kubelet(node, KubeletEvent::ApiAnswered);
        ctx.at(source, EventClass::Deliver, answered, event);
    }

    fn answered(&mut self, node: NodeId, ctx: &mut Ctx) {
        let Some((sync, call, calls)) = self.current else {
            return;
        };
        if ctx.models_load()
            && let Some(write) = what(sync, call, ctx)
        {
            if let Write::ReportReady(..) = write {
                self.account(sync, ctx.now(), calls, ctx);
            }
            ctx.write_served(write);
        }
        if !ctx.shared.links.is_up(Party::Kubelet(node)) {
            self.next(node, ctx);
            return;
        }
        let Some(known) = self.known.get_mut(&sync.pod) else {
            self.next(node, ctx);
            return;
        };
        let stopped_reported = known.reported.is_some_and(|(_, status)| status >= Status::Stopped);
        match call {
            Call::Get if ctx.shared.api.pod(sync.pod).is_none() => {
                self.known.remove(&sync.pod);
            }
            Call::Get if sync.status == Status::Terminating => {
                known.reported = Some((sync.version, sync.status));
            }
            Call::Get if sync.status == Status::Finished && stopped_reported => {
                self.call(node, sync, Call::Delete, 1, calls, ctx);
                return;
            }
            Call::Get => {
                self.call(node, sync, Call::Patch, 1, calls, ctx);
                return;
            }
            Call::Patch => {
                known.reported = Some((sync.version, sync.status));
                if sync.status == Status::Finished {
                    self.call(node, sync, Call::Delete, 1, calls, ctx);
                    return;
                }
            }
            Call::Delete => {
                self.known.remove(&sync.pod);
            }
        }
        self.next(node, ctx);
    }

    /// What else the pod's readiness waited for, in addition to its own calls.
    fn account(&mut self, sync: Sync, reported: SimTime, calls: SimDuration, ctx: &mut Ctx) {
        let pod = sync.pod;
        if let Some(known) = self.known.get_mut(&pod)
            && let Some(since) = known.ready_since
            && !std::mem::replace(&mut known.ready_said, true)
        {
            let lost = reported.since(since).saturating_sub(calls);
            let what = if sync.batched {
                KubeletCalls::Batch
            } else {
                KubeletCalls::Statuses
            };
            let (from, until) = (since, reported);
            ctx.observe_pod(
                pod,
                PodFact::KubeletLimit {
                    what,
                    from,
                    until,
                    lost,
                },
            );
        }
    }
}

/// The write of a call, if it changes anything that a reader watches.
fn what(sync: Sync, call: Call, ctx: &Ctx) -> Option<Write> {
    let state = ctx.shared.physics.pod(sync.pod);
    let (ip, restarts) = (state.place.map(|(_, ip)| ip), state.restarts);
    match (call, sync.status) {
        (Call::Delete, _) => Some(Write::RemovePod(sync.pod)),
        (Call::Patch, Status::Address) => Some(Write::ReportAddress(sync.pod, ip?)),
        (Call::Patch, Status::Running) => Some(Write::ReportRunning(sync.pod, ip?, restarts)),
        (Call::Patch, Status::Ready) => Some(Write::ReportReady(sync.pod, ip?, restarts)),
        (Call::Patch, Status::NotReady) => Some(Write::MarkNotReady(sync.pod)),
        (Call::Patch, Status::Waiting) => Some(Write::ReportEnd(sync.pod, restarts, None)),
        (Call::Patch, Status::Ended) => Some(Write::ReportEnd(sync.pod, restarts, state.ended)),
        (Call::Patch, _) | (Call::Get, _) => None,
    }
}
