//! The API server with its histories: every write gets its place in one order here, and watchers are notified.
//!
//! **Modeled**: what all API servers have in common: the store with its global revision; histories of pods, CiliumEndpoints, CiliumIdentities and
//! EndpointSlices; dispatch to controllers, scheduler, kubelets and Istiods by each reader's own first-in first-out watch;
//! the garbage collector, which removes the CiliumEndpoint of a pod that is gone.
//! Which server a client is connected to, and what its loss costs, is decided by `cut_off` and `api_connection`.
//! Request limits and priorities are in `api_load`, etcd without quorum in `quorum`, watch caches that are behind in `stale_watches`.
//! **Left out**: admission other than the injection webhook,
//! conflicts of concurrent writes (each object here has one writer at a time).
//! **Parameters**: `api_write_latency`, `watch_latency`, `watch_batch_period`, `garbage_collection_latency`.
//! **Validated by**: `tests/world/event_log.rs`, `tests/world/addresses.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::api_requests::Asked;
use super::blueprint::Blueprint;
use super::context::Ctx;
use super::event::{Event, Source, Write};
use super::history::{Behind, Delay, History, Inbox, VersionIndex};
use super::ids::{BelievedIdentity, KindId, NodeId, PodId, ReplicaSetId, ServiceId, TrueIdentity};
use super::objects::{Backends, EndpointObject, IdentityObject, NodeMark, NodeObject, PodObject};
use super::observed::{Fact, PodFact};
use super::party::{Party, PartyKind};
use super::purpose::Purpose;
use super::subscription::{Change, Notification, Subscription};
use crate::kernel::{EventClass, SimDuration, SimTime, SourceRank};

/// The API server's state.
#[derive(Debug)]
pub struct ApiServer {
    revision: u32,
    /// Pods, by pod.
    pub pods: History<PodObject>,
    /// CiliumEndpoints, by pod; the topic is the address.
    pub endpoints: History<EndpointObject>,
    /// Ready backends, by Service.
    pub slices: History<Backends>,
    /// Nodes.
    nodes: Vec<NodeObject>,
    /// The replicas that each kind shall have.
    scales: Vec<u32>,
    /// CiliumIdentities in the order of their creation; each is written once.
    pub identities: History<IdentityObject>,
    /// Place among the created identities, by true identity.
    places_of_identities: FxHashMap<TrueIdentity, u32>,
    /// Which ReplicaSet made a pod.
    owners: Vec<Option<ReplicaSetId>>,
    /// Pods of each kind that exist, in the order of creation.
    pods_of_kind: Vec<Vec<PodId>>,
    /// Jobs, each with whether it is complete or has failed.
    pub(super) jobs: BTreeMap<ReplicaSetId, Option<bool>>,
    /// How often each pod was to be created so far.
    pub creations: Vec<u32>,
    subscriptions: &'static [&'static Subscription],
    /// How informers read.
    watch: Arc<Delay>,
    // Looked up, never iterated.
    inboxes: FxHashMap<SourceRank, Inbox>,
    /// Messages that wait in caches that stand still.
    held: Vec<Held>,
    /// Buffer for the notifications of one change.
    notifications: Vec<Notification>,
}

impl ApiServer {
    /// An empty API server of a design with those who watch it.
    #[must_use]
    pub fn new(blueprint: &Blueprint, subscriptions: &'static [&'static Subscription]) -> Self {
        Self {
            revision: 0,
            pods: History::default(),
            endpoints: History::default(),
            slices: History::default(),
            nodes: blueprint
                .nodes
                .tainted
                .iter()
                .map(|&taints| NodeObject {
                    taints,
                    ..NodeObject::default()
                })
                .collect(),
            scales: vec![0; blueprint.kinds.len()],
            identities: History::default(),
            places_of_identities: FxHashMap::default(),
            owners: Vec::new(),
            pods_of_kind: vec![Vec::new(); blueprint.kinds.len()],
            jobs: BTreeMap::new(),
            creations: Vec::new(),
            subscriptions,
            watch: Arc::new(Delay {
                purpose: Purpose::WatchDelay,
                distribution: blueprint.spec.kubernetes.watch_latency,
                then: None,
                batch_period: blueprint.spec.kubernetes.watch_batch_period,
                pace: None,
            }),
            inboxes: FxHashMap::default(),
            held: Vec::new(),
            notifications: Vec::new(),
        }
    }

    /// The latest revision.
    #[must_use]
    pub const fn revision(&self) -> u32 {
        self.revision
    }

    /// Pods of a kind that exist now, in the order of creation.
    #[must_use]
    pub fn pods_of(&self, kind: KindId) -> &[PodId] {
        &self.pods_of_kind[kind.index()]
    }

    /// Pods that are bound to a node, kind by kind.
    #[must_use]
    pub fn pods_on(&self, node: NodeId) -> Vec<PodId> {
        let here = |pod: &&PodId| self.pod(**pod).is_some_and(|object| object.node == Some(node));
        self.pods_of_kind.iter().flatten().filter(here).copied().collect()
    }

    /// How many replicas a kind shall have.
    #[must_use]
    pub fn scale(&self, kind: KindId) -> u32 {
        self.scales[kind.index()]
    }

    /// The ReplicaSet of a pod.
    #[must_use]
    pub fn owner(&self, pod: PodId) -> Option<ReplicaSetId> {
        self.owners.get(pod.index()).copied().flatten()
    }

    /// Whether a pod ran when the run began: it was ready in its first version.
    #[must_use]
    pub fn ran_before(&self, pod: PodId) -> bool {
        let first = self.pods.of_key(pod.0).last();
        first.is_some_and(|index| self.pods.version(index).value.is_some_and(|object| object.ready))
    }

    /// A pod as it stands.
    #[must_use]
    pub fn pod(&self, pod: PodId) -> Option<&PodObject> {
        self.pods.value(pod.0)
    }

    /// A node as it stands.
    #[must_use]
    pub fn node(&self, node: NodeId) -> NodeObject {
        self.nodes[node.index()]
    }

    /// The number of a true identity, if one was created.
    #[must_use]
    pub fn identity(&self, identity: TrueIdentity) -> Option<BelievedIdentity> {
        self.identity_object(identity).map(|object| object.number)
    }

    /// The object of a true identity, if one was created.
    #[must_use]
    pub fn identity_object(&self, identity: TrueIdentity) -> Option<IdentityObject> {
        self.created_identity(identity).map(|(_, object)| object)
    }

    /// The object of a true identity, with the number of those created before it.
    pub(super) fn created_identity(&self, identity: TrueIdentity) -> Option<(u32, IdentityObject)> {
        let place = *self.places_of_identities.get(&identity)?;
        Some((place, *self.identities.value(place)?))
    }

    /// The object with this number, with the number of those created before it. Numbers rise with the order of creation
    /// and are never given again within a run.
    pub(super) fn numbered_identity(&self, number: BelievedIdentity) -> Option<(u32, IdentityObject)> {
        let place = number.0.checked_sub(BelievedIdentity::FIRST_POD)?;
        Some((place, *self.identities.value(place)?))
    }

    /// The object with this number.
    #[must_use]
    pub fn numbered(&self, number: BelievedIdentity) -> Option<IdentityObject> {
        self.numbered_identity(number).map(|(_, object)| object)
    }

    /// What a numeric identity stands for.
    #[must_use]
    pub fn meaning(&self, number: BelievedIdentity) -> Option<TrueIdentity> {
        self.numbered(number).map(|object| object.true_identity)
    }

    /// The parties for which messages wait in a cache.
    pub(super) fn parties_of_held(&self) -> Vec<Party> {
        self.held.iter().map(|held| held.over).collect()
    }

    /// A workload had its size when the run began.
    pub fn has_scaled(&mut self, kind: KindId, replicas: u32) {
        self.scales[kind.index()] = replicas;
    }

    /// Stores a new pod.
    pub fn add_pod(&mut self, now: SimTime, pod: PodId, kind: KindId, owner: Option<ReplicaSetId>, object: PodObject) {
        let revision = self.next_revision();
        self.pods.append(now, revision, pod.0, None, Some(object));
        if self.owners.len() <= pod.index() {
            self.owners.resize(pod.index() + 1, None);
        }
        self.owners[pod.index()] = owner;
        self.pods_of_kind[kind.index()].push(pod);
    }

    /// Stores an identity, if there is none; where.
    pub fn add_identity(&mut self, now: SimTime, identity: TrueIdentity) -> Option<VersionIndex> {
        if self.identity(identity).is_some() {
            return None;
        }
        let revision = self.next_revision();
        let place = self.identities.len() as u32;
        let object = IdentityObject {
            true_identity: identity,
            number: super::blueprint::numeric_identity(place),
        };
        self.places_of_identities.insert(identity, place);
        Some(self.identities.append(now, revision, place, None, Some(object)))
    }

    /// Stores an endpoint whose address has this topic, or that it is gone.
    pub fn put_endpoint(&mut self, now: SimTime, endpoint: EndpointObject, topic: u32, exists: bool) -> VersionIndex {
        let revision = self.next_revision();
        let value = exists.then_some(endpoint);
        self.endpoints.append(now, revision, endpoint.pod.0, Some(topic), value)
    }

    /// Stores the backends of a Service.
    pub fn put_slice(&mut self, now: SimTime, service: ServiceId, backends: Backends) -> VersionIndex {
        let revision = self.next_revision();
        self.slices.append(now, revision, service.0, None, Some(backends))
    }

    pub(super) fn next_revision(&mut self) -> u32 {
        self.revision = self.revision.checked_add(1).expect("more than 2^32 revisions");
        self.revision
    }
}

/// A message of a watch that waits in a cache that stands still.
#[derive(Debug)]
struct Held {
    subscription: &'static Subscription,
    over: Party,
    message: Notification,
}

/// Notifies the readers of a change; each learns of it after its own delay, in order.
pub(super) fn notify(ctx: &mut Ctx, change: Change) {
    let mut notifications = std::mem::take(&mut ctx.shared.api.notifications);
    for subscription in ctx.shared.api.subscriptions {
        (subscription.hears)(&change, ctx.shared, &mut notifications);
        for message in notifications.drain(..) {
            if message.over.is_some_and(|party| !ctx.shared.links.hears(party)) {
                continue;
            }
            let over = ctx.party_of_reader(message.reader);
            match over.and_then(|over| Some((over, ctx.cache_of(over)?))) {
                Some((over, Behind { by: None, .. })) => ctx.shared.api.held.push(Held {
                    subscription,
                    over,
                    message,
                }),
                behind => send(
                    ctx,
                    subscription,
                    message,
                    Behind::lag(behind.map(|(_, behind)| behind)),
                ),
            }
        }
    }
    ctx.shared.api.notifications = notifications;
}

/// Sends a message on a watch, so much later than usual.
fn send(ctx: &mut Ctx, subscription: &Subscription, message: Notification, lag: SimDuration) {
    let now = ctx.now();
    let shared = &mut *ctx.shared;
    let Notification {
        reader, event, words, ..
    } = message;
    let (inboxes, watch) = (&mut shared.api.inboxes, &shared.api.watch);
    let inbox = inboxes
        .entry(reader.rank())
        .or_insert_with(|| Inbox::new((subscription.key)(reader, &shared.blueprint), watch));
    let at = inbox.arrival(&shared.run_key, now, lag);
    ctx.message(Source::ApiServer, reader, now, at, || words);
    ctx.at(Source::ApiServer, EventClass::Deliver, at, event);
}

/// Where writes arrive.
#[derive(Debug)]
pub struct Commits;

impl Commits {
    /// Lets a write take effect and tells its readers.
    pub fn handle(&mut self, write: Write, ctx: &mut Ctx) {
        if write.is_command() && ctx.without_api_servers() {
            // Whoever types the command tries again, and goes on meanwhile.
            ctx.after(
                Source::Script(0),
                EventClass::Commit,
                SimDuration::from_secs(1),
                Event::Commit(write),
            );
            return;
        }
        let write = match write {
            Write::Served(write) => *write,
            Write::Unwritten(pod, owner) => return ctx.creation_fails(pod, owner),
            // The script's client belongs to an administrator, who is exempt.
            write if write.is_command() => write,
            write if ctx.models_load() => return ctx.ask_api_server(Asked::Write(write)),
            write => write,
        };
        if let Some(write) = ctx.unless_quorum_is_lost(write) {
            commit(ctx, write);
        }
    }
}

/// Lets a write take effect.
///
/// # Panics
/// If it only stands for another write.
fn commit(ctx: &mut Ctx, write: Write) {
    match write {
        Write::ScaleDeployment(kind, replicas) => {
            ctx.shared.api.scales[kind.index()] = replicas;
            ctx.scale_jobs(kind, replicas);
            notify(ctx, Change::DeploymentScaled(kind, replicas));
        }
        Write::RestartDeployment(kind) => notify(ctx, Change::DeploymentRestarted(kind)),
        Write::CreatePod(pod, owner) => create_pod(ctx, pod, owner),
        Write::BindPod(pod, node) => bind_pod(ctx, pod, node),
        Write::ReportAddress(pod, ip) => update_pod(ctx, pod, |object| object.ip = Some(ip)),
        Write::ReportRunning(pod, ip, restarts) => {
            update_pod(ctx, pod, |object| {
                (object.ip, object.restarts) = (Some(ip), restarts);
                object.running = true;
            });
        }
        Write::ReportReady(pod, ip, restarts) => {
            update_pod(ctx, pod, |object| {
                (object.ip, object.restarts) = (Some(ip), restarts);
                object.running = true;
                object.ready = true;
            });
        }
        Write::ReportEnd(pod, restarts, ended) => {
            update_pod(ctx, pod, |object| {
                (object.running, object.ready) = (false, false);
                (object.restarts, object.ended) = (restarts, ended);
            });
        }
        Write::CreateJob(job) => ctx.create_job(job),
        Write::FinishJob(job, complete) => ctx.finish_job(job, complete),
        Write::DeleteJob(job) => ctx.delete_job(job),
        Write::MarkNotReady(pod) => update_pod(ctx, pod, |object| object.ready = false),
        Write::RestartDaemons(of, most) => notify(ctx, Change::DaemonsRestarted(of, most)),
        Write::DeleteDaemon(party) => notify(ctx, Change::DaemonDeleted(party)),
        Write::ReportDaemonReady(party) => notify(ctx, Change::DaemonReady(party)),
        Write::MarkNode(node, mark, on) => mark_node(ctx, node, mark, on),
        Write::EvictPod(pod, track) if !ctx.may_be_evicted(pod) => ctx.eviction_is_refused(pod, track),
        Write::DeletePod(pod) | Write::EndPod(pod) | Write::EvictPod(pod, _) => {
            // Without a grace period, before it was bound or when it has finished, the object goes at once
            // (`docs/model/kubernetes.md#pod-termination`).
            let goes = |object: &PodObject| object.node.is_none() || object.ended.is_some();
            let at_once =
                ctx.shared.kind(pod).grace_period.as_nanos() == 0 || ctx.shared.api.pod(pod).is_some_and(goes);
            if at_once {
                remove_pod(ctx, pod);
            } else {
                update_pod(ctx, pod, |object| object.deleting = true);
            }
        }
        Write::RemovePod(pod) => remove_pod(ctx, pod),
        Write::PublishEndpoint(endpoint) => write_endpoint(ctx, endpoint, true),
        Write::RemoveEndpoint(endpoint) => write_endpoint(ctx, endpoint, false),
        Write::CreateIdentity(pod, node, identity) => create_identity(ctx, identity, node, pod),
        Write::WriteSlice(service, backends) => write_slice(ctx, service, backends),
        Write::SetNodeReady(node, ready) => {
            ctx.shared.api.next_revision();
            ctx.shared.api.nodes[node.index()].not_ready = !ready;
            notify(ctx, Change::NodeReady(node, ready));
        }
        Write::Served(_) | Write::Unwritten(..) => unreachable!("{write:?} is no write of its own"),
    }
}

/// Verbs with which other components notify the API server.
impl Ctx<'_> {
    /// The API server to which a write goes; controllers and scheduler have the one beside them.
    #[must_use]
    pub fn server_of_write(&self, write: &Write) -> u32 {
        let node_of = |pod: PodId| self.shared.api.pod(pod).and_then(|object| object.node);
        let party = match write {
            Write::PublishEndpoint(endpoint) | Write::RemoveEndpoint(endpoint) => Some(Party::Agent(endpoint.node)),
            Write::CreateIdentity(_, node, _) => Some(Party::Agent(*node)),
            Write::ReportAddress(pod, _)
            | Write::ReportRunning(pod, ..)
            | Write::ReportReady(pod, ..)
            | Write::ReportEnd(pod, ..)
            | Write::RemovePod(pod) => node_of(*pod).map(Party::Kubelet),
            Write::ReportDaemonReady(party) => PartyKind::Kubelet.at(party.home()),
            _ => None,
        };
        party.map_or(self.shared.controllers.leader(), |party| self.api_server_of(party))
    }

    /// A party is sent what waited in a cache, as far as its watch stands.
    pub(super) fn sends_what_was_held(&mut self, party: Party) {
        let held = self.shared.api.held.extract_if(.., |held| held.over == party);
        for held in held.collect::<Vec<_>>() {
            if held.message.over.is_none_or(|party| self.shared.links.hears(party)) {
                send(self, held.subscription, held.message, SimDuration::ZERO);
            }
        }
    }

    /// A write has its seat, or needs none: it takes effect as soon as the component at work is done.
    pub fn write_served(&mut self, write: Write) {
        self.call(Event::Commit(Write::Served(Box::new(write))));
    }
}

/// What an administrator sets at a node tells the scheduler whether it takes pods, and may evict those that it has.
fn mark_node(ctx: &mut Ctx, node: NodeId, mark: NodeMark, on: bool) {
    ctx.shared.api.next_revision();
    let (kinds, nodes) = (&ctx.shared.blueprint.kinds, &ctx.shared.blueprint.nodes);
    let object = &mut ctx.shared.api.nodes[node.index()];
    let before = *object;
    // Whoever tolerates it has to know what else is set there.
    let (told, evicts) = match mark {
        NodeMark::Cordoned => {
            object.cordoned = on;
            (kinds.iter().any(|kind| kind.place.tolerates_cordon), false)
        }
        NodeMark::Taint(taint) => {
            let bit = taint.bit();
            object.taints = if on { object.taints | bit } else { object.taints & !bit };
            let told = nodes.soft & bit != 0 || kinds.iter().any(|kind| kind.place.tolerated & bit != 0);
            (told, on && nodes.evicting & bit != 0)
        }
    };
    let after = *object;
    let unmarked = |object: &NodeObject| !object.cordoned && object.taints == nodes.tainted[node.index()];
    let (was_unmarked, is_unmarked) = (unmarked(&before), unmarked(&after));
    if before == after {
        return;
    }
    if told || was_unmarked != is_unmarked {
        notify(ctx, Change::NodeMarked(node, after, is_unmarked));
    }
    if evicts {
        notify(ctx, Change::NodeTainted(node));
    }
}

fn create_identity(ctx: &mut Ctx, identity: TrueIdentity, node: NodeId, pod: PodId) {
    if let Some(index) = ctx.shared.api.add_identity(ctx.kernel.now(), identity) {
        ctx.judge_hears_of_identity(index);
    }
    ctx.identity_answered(node, pod);
}

/// A pod is bound once: a second binding is a conflict (`kubernetes/kubernetes pkg/registry/core/pod/storage`, assignPod).
fn bind_pod(ctx: &mut Ctx, pod: PodId, node: NodeId) {
    let free = ctx.shared.api.pod(pod).is_some_and(|object| object.node.is_none());
    if !free {
        return;
    }
    update_pod(ctx, pod, |object| object.node = Some(node));
    if ctx.blueprint().istiod == Some(ctx.shared.pods[pod.index()].kind) {
        ctx.istiod_arrives(pod, node);
    }
}

fn create_pod(ctx: &mut Ctx, pod: PodId, owner: Option<ReplicaSetId>) {
    let (now, kind) = (ctx.now(), ctx.shared.pods[pod.index()].kind);
    ctx.shared.api.add_pod(now, pod, kind, owner, PodObject::default());
    ctx.observe_pod(pod, PodFact::Created);
    notify(ctx, Change::PodCreated(pod, owner));
}

fn update_pod(ctx: &mut Ctx, pod: PodId, change: impl FnOnce(&mut PodObject)) {
    let now = ctx.now();
    let Some(old) = ctx.shared.api.pod(pod).copied() else {
        return; // A late report about a pod that is gone.
    };
    let mut new = old;
    change(&mut new);
    if new == old {
        return;
    }
    let api = &mut ctx.shared.api;
    let revision = api.next_revision();
    api.pods.append(now, revision, pod.0, None, Some(new));
    ctx.observe_pod(pod, PodFact::Updated(old, new));
    notify(ctx, Change::PodUpdated(pod, old, new));
}

fn remove_pod(ctx: &mut Ctx, pod: PodId) {
    let now = ctx.now();
    let Some(old) = ctx.shared.api.pod(pod).copied() else {
        return;
    };
    let kind = ctx.shared.pods[pod.index()].kind;
    let api = &mut ctx.shared.api;
    let revision = api.next_revision();
    api.pods.append(now, revision, pod.0, None, None);
    api.pods_of_kind[kind.index()].retain(|&other| other != pod);
    ctx.observe_pod(pod, PodFact::Removed);
    collect_endpoint(ctx, pod);
    notify(ctx, Change::PodRemoved(pod, old));
}

fn write_endpoint(ctx: &mut Ctx, endpoint: EndpointObject, exists: bool) {
    let now = ctx.now();
    let topic = ctx.shared.blueprint.addresses.topic(endpoint.ip);
    let api = &mut ctx.shared.api;
    let previous = api.endpoints.value(endpoint.pod.0).copied();
    if !exists && previous.is_none_or(|previous| previous.ip != endpoint.ip) {
        return; // It was never published, or was replaced by a later one of the same pod.
    }
    let index = api.put_endpoint(now, endpoint, topic, exists);
    ctx.observe(Fact::EndpointWritten(endpoint, exists));
    ctx.judge_hears_of_endpoint(endpoint.ip, index);
}

/// The garbage collector removes what a pod that is gone owned, unless its agent was faster.
fn collect_endpoint(ctx: &mut Ctx, pod: PodId) {
    if let Some(endpoint) = ctx.shared.api.endpoints.value(pod.0).copied() {
        let distribution = ctx.blueprint().spec.kubernetes.garbage_collection_latency;
        let latency = ctx.draw(Purpose::GarbageCollection, ctx.shared.key(pod), &distribution);
        let write = Event::Commit(Write::RemoveEndpoint(endpoint));
        ctx.after(Source::ApiServer, EventClass::Commit, latency, write);
    }
}

fn write_slice(ctx: &mut Ctx, service: ServiceId, backends: Backends) {
    let now = ctx.now();
    let count = backends.len() as u32;
    let index = ctx.shared.api.put_slice(now, service, backends);
    ctx.observe(Fact::SliceWritten(service, count));
    notify(ctx, Change::SliceWritten(service, index));
    ctx.judge_hears_of_slice(service, index);
}
