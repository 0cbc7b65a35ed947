//! The API server with its histories: every write gets its place in one order here, and watchers are told.
//!
//! **Modelled**: one API server; a global revision; histories of pods, CiliumEndpoints, CiliumIdentities and
//! EndpointSlices; dispatch to controllers, scheduler, kubelets and Istiods by each reader's own first-in first-out watch;
//! the garbage collector, which removes the CiliumEndpoint of a pod that is gone.
//! **Left out**: several servers, request limits and priorities, etcd, admission other than the injection webhook,
//! conflicts of concurrent writes (each object here has one writer at a time).
//! **Parameters**: `api_write_latency`, `watch_latency`, `watch_batch_period`, `garbage_collection_latency`.
//! **Validated by**: `tests/world/event_log.rs`, `tests/world/addresses.rs`.

use rustc_hash::FxHashMap;

use super::blueprint::Blueprint;
use super::cilium::agent::AgentEvent;
use super::context::Ctx;
use super::deployment::DeploymentEvent;
use super::endpoint_slice::EndpointSliceEvent;
use super::event::{Event, Source};
use super::history::{Delay, History, Inbox, VersionIndex};
use super::ids::{BelievedIdentity, IstiodId, KindId, NodeId, PodId, ReplicaSetId, ServiceId, TrueIdentity};
use super::istio::istiod::IstiodEvent;
use super::judge::JudgeEvent;
use super::kubelet::KubeletEvent;
use super::links::Party;
use super::objects::{Backends, EndpointObject, IdentityObject, PodObject, Write};
use super::purpose::Purpose;
use super::replica_set::ReplicaSetEvent;
use super::scheduler::SchedulerEvent;
use super::script::ScriptEvent;
use super::story::Fact;
use super::story::messages::watch_words;
use crate::kernel::{EntityKey, EventClass, RunKey, SimDuration, SimTime};

/// Readers that act on what they watch.
#[derive(Debug)]
struct Inboxes {
    deployment: Inbox,
    replica_set: Inbox,
    scheduler: Inbox,
    endpoint_slice: Inbox,
    script: Inbox,
    kubelets: Vec<Inbox>,
    istiods: Vec<Inbox>,
}

/// The API server's state.
#[derive(Debug)]
pub struct ApiServer {
    revision: u32,
    /// Pods, by pod.
    pub pods: History<PodObject>,
    /// CiliumEndpoints, by pod; the topic is the address.
    pub endpoints: History<EndpointObject>,
    /// Ready back ends, by Service.
    pub slices: History<Backends>,
    /// CiliumIdentities in the order of their creation; each is written once.
    pub identities: History<IdentityObject>,
    /// Place among the created identities, by true identity.
    places_of_identities: FxHashMap<TrueIdentity, u32>,
    /// Which ReplicaSet made a pod.
    owners: Vec<Option<ReplicaSetId>>,
    /// Pods of each kind that exist, in the order of creation.
    pods_of_kind: Vec<Vec<PodId>>,
    inboxes: Inboxes,
}

impl ApiServer {
    /// An empty API server of a design.
    #[must_use]
    pub fn new(blueprint: &Blueprint) -> Self {
        let reader = |name: &str| Inbox::new(EntityKey::root(name));
        Self {
            revision: 0,
            pods: History::default(),
            endpoints: History::default(),
            slices: History::default(),
            identities: History::default(),
            places_of_identities: FxHashMap::default(),
            owners: Vec::new(),
            pods_of_kind: vec![Vec::new(); blueprint.kinds.len()],
            inboxes: Inboxes {
                deployment: reader("deployment controller"),
                replica_set: reader("replica set controller"),
                scheduler: reader("scheduler"),
                endpoint_slice: reader("endpoint slice controller"),
                script: reader("script"),
                kubelets: (0..blueprint.spec.nodes)
                    .map(|node| Inbox::new(blueprint.node_key(NodeId(node)).named("kubelet")))
                    .collect(),
                istiods: Vec::new(),
            },
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

    /// The ReplicaSet of a pod.
    #[must_use]
    pub fn owner(&self, pod: PodId) -> Option<ReplicaSetId> {
        self.owners.get(pod.index()).copied().flatten()
    }

    /// A pod as it stands.
    #[must_use]
    pub fn pod(&self, pod: PodId) -> Option<&PodObject> {
        self.pods.value(pod.0)
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
        self.numbered(number).map(|object| object.stands_for)
    }

    fn next_revision(&mut self) -> u32 {
        self.revision = self.revision.checked_add(1).expect("more than 2^32 revisions");
        self.revision
    }

    fn inbox(&mut self, reader: Reader) -> &mut Inbox {
        match reader {
            Reader::Deployment => &mut self.inboxes.deployment,
            Reader::ReplicaSet => &mut self.inboxes.replica_set,
            Reader::Scheduler => &mut self.inboxes.scheduler,
            Reader::EndpointSlice => &mut self.inboxes.endpoint_slice,
            Reader::Script => &mut self.inboxes.script,
            Reader::Kubelet(node) => &mut self.inboxes.kubelets[node.index()],
            Reader::Istiod(istiod) => {
                while self.inboxes.istiods.len() <= istiod.index() {
                    let next = IstiodId(self.inboxes.istiods.len() as u32);
                    self.inboxes.istiods.push(Inbox::new(next.key().named("informer")));
                }
                &mut self.inboxes.istiods[istiod.index()]
            }
        }
    }

    fn arrival(&mut self, reader: Reader, delay: &Delay, run_key: &RunKey, written: SimTime) -> SimTime {
        self.inbox(reader).arrival(delay, run_key, written)
    }
}

/// A reader that acts on its watch.
#[derive(Clone, Copy, Debug)]
enum Reader {
    Deployment,
    ReplicaSet,
    Scheduler,
    EndpointSlice,
    Script,
    Kubelet(NodeId),
    Istiod(IstiodId),
}

impl Reader {
    /// The component that reads.
    const fn source(self) -> Source {
        match self {
            Self::Deployment => Source::Deployment,
            Self::ReplicaSet => Source::ReplicaSet,
            Self::Scheduler => Source::Scheduler,
            Self::EndpointSlice => Source::EndpointSlice,
            Self::Script => Source::Script,
            Self::Kubelet(node) => Source::Kubelet(node),
            Self::Istiod(istiod) => Source::Istiod(istiod),
        }
    }
}

/// Tells a reader about a write of now; it learns of it after its own delay, in order.
fn tell(ctx: &mut Ctx, reader: Reader, event: Event) {
    let now = ctx.now();
    let delay = ctx.shared.watch_delay();
    let shared = &mut *ctx.shared;
    let at = shared.api.arrival(reader, &delay, &shared.run_key, now);
    ctx.message(Source::ApiServer, reader.source(), now, at, || watch_words(&event));
    ctx.at(Source::ApiServer, EventClass::Deliver, at, event);
}

/// Lets a write take effect and tells its readers.
pub fn commit(ctx: &mut Ctx, write: Write) {
    match write {
        Write::ScaleDeployment(kind, replicas) => tell(
            ctx,
            Reader::Deployment,
            Event::Deployment(DeploymentEvent::Scaled(kind, replicas)),
        ),
        Write::RestartDeployment(kind) => tell(
            ctx,
            Reader::Deployment,
            Event::Deployment(DeploymentEvent::Restarted(kind)),
        ),
        Write::CreatePod(pod, owner) => create_pod(ctx, pod, owner),
        Write::BindPod(pod, node) => bind_pod(ctx, pod, node),
        Write::ReportAddress(pod, ip) => update_pod(ctx, pod, |object| object.ip = Some(ip)),
        Write::ReportRunning(pod, ip) => {
            update_pod(ctx, pod, |object| {
                object.ip = Some(ip);
                object.running = true;
            });
        }
        Write::ReportReady(pod, ip) => {
            update_pod(ctx, pod, |object| {
                object.ip = Some(ip);
                object.running = true;
                object.ready = true;
            });
        }
        Write::MarkNotReady(pod) => mark_not_ready(ctx, pod),
        Write::DeletePod(pod) => {
            // Without a grace period, or before it was bound, the object goes at once (`docs/model/kubernetes.md#pod-termination`).
            let at_once = ctx.shared.kind(pod).grace_period.as_nanos() == 0
                || ctx.shared.api.pod(pod).is_some_and(|object| object.node.is_none());
            if at_once {
                remove_pod(ctx, pod);
            } else {
                update_pod(ctx, pod, |object| object.deleting = true);
            }
        }
        Write::RemovePod(pod) => remove_pod(ctx, pod),
        Write::PublishEndpoint(endpoint) => write_endpoint(ctx, endpoint, true),
        Write::RemoveEndpoint(endpoint) => write_endpoint(ctx, endpoint, false),
        Write::CreateIdentity(identity, node, pod) => create_identity(ctx, identity, node, pod),
        Write::WriteSlice(service, backends) => write_slice(ctx, service, backends),
        Write::SetNodeReady(node, ready) => {
            ctx.shared.api.next_revision();
            tell(
                ctx,
                Reader::Scheduler,
                Event::Scheduler(SchedulerEvent::NodeReady(node, ready)),
            );
        }
    }
}

fn create_identity(ctx: &mut Ctx, identity: TrueIdentity, node: NodeId, pod: PodId) {
    let created = ctx.now();
    let api = &mut ctx.shared.api;
    if api.identity(identity).is_none() {
        let revision = api.next_revision();
        let place = api.identities.len() as u32;
        let object = IdentityObject {
            stands_for: identity,
            number: super::blueprint::numeric_identity(place),
        };
        let index = api.identities.append(created, revision, place, None, Some(object));
        api.places_of_identities.insert(identity, place);
        if ctx.shared.recorder.watches_exposure() {
            let event = Event::Judge(JudgeEvent::IdentityWritten(index));
            ctx.after(Source::ApiServer, EventClass::Observe, SimDuration::ZERO, event);
        }
    }
    // The answer to the agent's request, which is lost if the link was cut meanwhile.
    let event = if ctx.shared.links.is_up(Party::Agent(node)) {
        AgentEvent::Identified(pod)
    } else {
        AgentEvent::Unanswered(pod)
    };
    let event = Event::Agent(node, event);
    ctx.after(Source::ApiServer, EventClass::Deliver, SimDuration::ZERO, event);
}

/// A kubelet that hears of it, because its link was repaired at that moment, reports what it has again.
fn mark_not_ready(ctx: &mut Ctx, pod: PodId) {
    let before = ctx.shared.api.pod(pod).copied().unwrap_or_default();
    update_pod(ctx, pod, |object| object.ready = false);
    if let (true, Some(node)) = (before.ready, before.node)
        && ctx.shared.links.is_up(Party::Kubelet(node))
    {
        let event = Event::Kubelet(node, KubeletEvent::ReportReady(pod));
        tell(ctx, Reader::Kubelet(node), event);
    }
}

/// A pod is bound once: a second binding is a conflict (`kubernetes/kubernetes pkg/registry/core/pod/storage`, assignPod).
fn bind_pod(ctx: &mut Ctx, pod: PodId, node: NodeId) {
    let free = ctx.shared.api.pod(pod).is_some_and(|object| object.node.is_none());
    if !free {
        return;
    }
    update_pod(ctx, pod, |object| object.node = Some(node));
    if ctx.blueprint().istiod == Some(ctx.shared.pods[pod.index()].kind) {
        istiod_arrives(ctx, pod, node);
    }
}

/// An Istiod that comes to a cut node is cut as the node is.
fn istiod_arrives(ctx: &mut Ctx, pod: PodId, node: NodeId) {
    let (istiod, now) = (ctx.istiod_in(pod), ctx.now());
    for (fault, party, mode) in ctx.shared.links.arrives(istiod, node, now) {
        ctx.tell("fault", |shared| {
            let name = &shared.blueprint.spec.faults[fault as usize].name;
            format!(
                "{name} cuts {}, which has come to a cut node ({mode:?})",
                party.told(&shared.blueprint)
            )
        });
        ctx.note(|shared| Fact::Cut {
            fault: shared.blueprint.spec.faults[fault as usize].name.clone(),
            parties: vec![party],
            mode,
        });
    }
}

fn create_pod(ctx: &mut Ctx, pod: PodId, owner: Option<ReplicaSetId>) {
    let now = ctx.now();
    let kind = ctx.shared.pods[pod.index()].kind;
    let api = &mut ctx.shared.api;
    let revision = api.next_revision();
    api.pods.append(now, revision, pod.0, None, Some(PodObject::default()));
    if api.owners.len() <= pod.index() {
        api.owners.resize(pod.index() + 1, None);
    }
    api.owners[pod.index()] = owner;
    api.pods_of_kind[kind.index()].push(pod);
    ctx.shared.recorder.created(pod, now);
    tell(ctx, Reader::Scheduler, Event::Scheduler(SchedulerEvent::Created(pod)));
    if let Some(owner) = owner {
        tell(
            ctx,
            Reader::ReplicaSet,
            Event::ReplicaSet(ReplicaSetEvent::Created(owner, pod)),
        );
    }
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
    ctx.shared.recorder.updated(pod, &old, &new, now);
    if (new.node != old.node || new.deleting != old.deleting)
        && let Some(node) = new.node
    {
        let event = if new.deleting {
            KubeletEvent::Deleted(pod)
        } else {
            KubeletEvent::Assigned(pod)
        };
        tell(ctx, Reader::Kubelet(node), Event::Kubelet(node, event));
    }
    if new.ready != old.ready || new.deleting != old.deleting {
        tell_owner(ctx, pod);
    }
    let relevant =
        (new.ready != old.ready || new.deleting != old.deleting || new.ip != old.ip) && (new.ready || old.ready);
    if relevant {
        tell_slices(ctx, pod);
    }
    tell_script(ctx, pod);
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
    ctx.shared.recorder.removed(pod, now);
    ctx.tell("api server", |shared| format!("removes {}", shared.pod_name(pod)));
    collect_endpoint(ctx, pod);
    tell(ctx, Reader::Scheduler, Event::Scheduler(SchedulerEvent::Removed(pod)));
    if let Some(node) = old.node
        && !old.deleting
    {
        tell(
            ctx,
            Reader::Kubelet(node),
            Event::Kubelet(node, KubeletEvent::Deleted(pod)),
        );
    }
    tell_owner(ctx, pod);
    if old.ready {
        tell_slices(ctx, pod);
    }
    tell_script(ctx, pod);
}

fn tell_owner(ctx: &mut Ctx, pod: PodId) {
    if let Some(owner) = ctx.shared.api.owner(pod) {
        let seen = ctx.shared.api.pods.len() as u32;
        tell(
            ctx,
            Reader::ReplicaSet,
            Event::ReplicaSet(ReplicaSetEvent::Changed(owner, pod, seen)),
        );
        let kind = ctx.shared.pods[pod.index()].kind;
        tell(
            ctx,
            Reader::Deployment,
            Event::Deployment(DeploymentEvent::PodsChanged(kind, seen)),
        );
    }
}

fn tell_slices(ctx: &mut Ctx, pod: PodId) {
    if !ctx.shared.kind(pod).services.is_empty() {
        let seen = ctx.shared.api.pods.len() as u32;
        tell(
            ctx,
            Reader::EndpointSlice,
            Event::EndpointSlice(EndpointSliceEvent::PodChanged(pod, seen)),
        );
    }
}

fn tell_script(ctx: &mut Ctx, pod: PodId) {
    let kind = ctx.shared.pods[pod.index()].kind;
    if ctx.shared.recorder.script_watches(kind) {
        tell(ctx, Reader::Script, Event::Script(ScriptEvent::Look));
    }
}

fn write_endpoint(ctx: &mut Ctx, endpoint: EndpointObject, exists: bool) {
    let now = ctx.now();
    let topic = ctx.shared.blueprint.addresses.topic(endpoint.ip);
    let api = &mut ctx.shared.api;
    let previous = api.endpoints.value(endpoint.pod.0).copied();
    if !exists && previous.is_none_or(|previous| previous.ip != endpoint.ip) {
        return; // It was never published, or was replaced by a later one of the same pod.
    }
    let revision = api.next_revision();
    let index = api
        .endpoints
        .append(now, revision, endpoint.pod.0, Some(topic), exists.then_some(endpoint));
    ctx.tell("api server", |shared| {
        let verb = if exists { "stores" } else { "removes" };
        format!(
            "{verb} the CiliumEndpoint of {}, {}",
            shared.pod_name(endpoint.pod),
            endpoint.ip
        )
    });
    announce_endpoint(ctx, endpoint, index);
}

/// The garbage collector removes what a pod that is gone owned, unless its agent was faster.
fn collect_endpoint(ctx: &mut Ctx, pod: PodId) {
    if let Some(endpoint) = ctx.shared.api.endpoints.value(pod.0).copied() {
        let law = ctx.blueprint().spec.kubernetes.garbage_collection_latency;
        let latency = ctx.draw(Purpose::GarbageCollection, ctx.shared.key(pod), &law);
        let write = Event::Commit(Write::RemoveEndpoint(endpoint));
        ctx.after(Source::ApiServer, EventClass::Commit, latency, write);
    }
}

/// Exposure windows that hang on this address are looked at again when the nodes concerned have read the write.
fn announce_endpoint(ctx: &mut Ctx, endpoint: EndpointObject, index: VersionIndex) {
    if ctx.shared.recorder.watches_address(endpoint.ip) {
        ctx.after(
            Source::ApiServer,
            EventClass::Observe,
            SimDuration::ZERO,
            Event::Judge(JudgeEvent::EndpointWritten(endpoint.ip, index)),
        );
    }
}

fn write_slice(ctx: &mut Ctx, service: ServiceId, backends: Backends) {
    let now = ctx.now();
    let api = &mut ctx.shared.api;
    let revision = api.next_revision();
    let index = api
        .slices
        .append(now, revision, service.0, None, Some(backends.clone()));
    ctx.shared.recorder.slice_written(service, backends.is_empty(), now);
    for number in 0..ctx.shared.snapshots.len() {
        let istiod = IstiodId(number as u32);
        if ctx.shared.links.is_up(Party::Istiod(istiod)) {
            tell(
                ctx,
                Reader::Istiod(istiod),
                Event::Istiod(istiod, IstiodEvent::SliceSeen(service, index)),
            );
        }
    }
    if ctx.shared.recorder.watches_service(service) {
        ctx.after(
            Source::ApiServer,
            EventClass::Observe,
            SimDuration::ZERO,
            Event::Judge(JudgeEvent::SliceWritten(service, index)),
        );
    }
}
