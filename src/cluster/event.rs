//! The table of components: what each of them handles, under which numbers that enters a run's fingerprint, and what it is
//! called.
//!
//! A component's events stand here, so that scheduling one needs no import of the component; but only the component's own
//! files name them (a test holds that). Others call the verbs that it adds to [`super::context::Ctx`].
//!
//! The numbers in front of components and variants, and the fields in front of a `;` (at most two numbers' worth), make the
//! digest of an event. They are frozen: another number is another fingerprint of every run. They hold nothing that an idle
//! addition would shift: workloads, Services and faults go by the keys of their names, never by their places in a list.

use std::net::Ipv4Addr;

use super::api_flow::Flow;
use super::api_requests::Asked;
use super::blueprint::Blueprint;
use super::flows::AttemptEnd;
use super::history::VersionIndex;
use super::ids::{FaultId, FlowId, IstiodId, KindId, NodeId, PodId, ReplicaSetId, ServiceId, TrueIdentity};
use super::istio::messages::{Answer, Caller, Channel, Request};
use super::objects::{Backends, Ended, EndpointObject, NodeMark, NodeObject};
use super::party::{Party, PartyKind};
use super::placement::TAINT_OF_STEPS;
use crate::kernel::{EntityKey, SimTime, SourceRank, Timer};

/// What an event is about, as up to two numbers.
#[derive(Default)]
struct Parts {
    what: u64,
    detail: u64,
    taken: u32,
}

impl Parts {
    /// The first number is what it is about, the second a detail, a third shares the detail's upper half.
    #[inline]
    fn take(&mut self, number: u64) {
        match self.taken {
            0 => self.what = number,
            1 => self.detail = number,
            _ => self.detail |= number << 32,
        }
        self.taken += 1;
    }

    #[inline]
    fn with(mut self, part: &impl Part, blueprint: &Blueprint) -> Self {
        part.part(blueprint, &mut self);
        self
    }
}

/// Something that stands for itself in a digest.
trait Part {
    fn part(&self, blueprint: &Blueprint, parts: &mut Parts);
}

macro_rules! parts {
    ($($of:ty: |$value:pat_param, $blueprint:pat_param| $number:expr;)+) => {
        $(impl Part for $of {
            #[inline]
            fn part(&self, $blueprint: &Blueprint, parts: &mut Parts) {
                let $value = self;
                parts.take($number);
            }
        })+
    };
}

parts! {
    u32: |number, _| u64::from(*number);
    u64: |number, _| *number;
    bool: |yes, _| u64::from(*yes);
    PodId: |PodId(pod), _| u64::from(*pod);
    NodeId: |NodeId(node), _| u64::from(*node);
    IstiodId: |IstiodId(istiod), _| u64::from(*istiod);
    ReplicaSetId: |ReplicaSetId(set), _| u64::from(*set);
    Option<ReplicaSetId>: |set, _| set.map_or(u64::MAX, |set| u64::from(set.0));
    Ipv4Addr: |ip, _| u64::from(u32::from(*ip));
    SimTime: |time, _| time.as_nanos();
    VersionIndex: |index, _| index.get() as u64;
    Backends: |backends, _| backends.len() as u64;
    Channel: |channel, _| *channel as u64;
    Caller: |caller, _| *caller as u64;
    PartyKind: |kind, _| *kind as u64;
    KindId: |kind, blueprint| blueprint.kind(*kind).key.get();
    ServiceId: |service, blueprint| blueprint.service_key(*service).get();
    FlowId: |flow, blueprint| blueprint.flow(*flow).key.get();
    FaultId: |fault, blueprint| EntityKey::root(&blueprint.spec.faults[fault.index()].name).get();
}

/// A taint of a step without a key goes by its effect.
impl Part for NodeMark {
    fn part(&self, blueprint: &Blueprint, parts: &mut Parts) {
        parts.take(match self {
            Self::Cordoned => 0,
            Self::Taint(taint) => {
                let taint = &blueprint.nodes.taints[usize::from(taint.0)];
                let effect = taint.effect as u64 + 1;
                match (taint.key.as_str(), taint.value.as_str()) {
                    (TAINT_OF_STEPS, "") => effect,
                    (key, value) => EntityKey::root(key).named(value).child(effect).get(),
                }
            }
        });
    }
}

impl Part for Party {
    #[inline]
    fn part(&self, blueprint: &Blueprint, parts: &mut Parts) {
        blueprint.party_key(*self).get().part(blueprint, parts);
    }
}

impl Part for EndpointObject {
    #[inline]
    fn part(&self, blueprint: &Blueprint, parts: &mut Parts) {
        self.pod.part(blueprint, parts);
        self.ip.part(blueprint, parts);
    }
}

/// Enums of events with their digests. `as (what, detail)` stands where the fields alone would not give it.
macro_rules! events {
    ($(
        $(#[$of:meta])* $name:ident {$(
            $(#[$doc:meta])*
            $number:literal $variant:ident $(($($field:ident: $type:ty),* $(; $($silent:ident: $other:ty),+)?))?
                $(as $parts:expr)?,
        )+}
    )+) => {$(
        $(#[$of])*
        #[derive(Clone, Debug)]
        pub enum $name {
            $($(#[$doc])* $variant $(($($type,)* $($($other),+)?))?,)+
        }

        impl $name {
            /// Number of the variant, and up to two numbers about it.
            #[inline]
            fn parts(&self, blueprint: &Blueprint) -> (u64, u64, u64) {
                let _ = blueprint;
                match self {
                    $(Self::$variant $(($($field,)* $($(events!(@ignore $silent)),+)?))? => {
                        let (what, detail) = events!(@parts blueprint [$($($field)*)?] $($parts)?);
                        ($number, what, detail)
                    })+
                }
            }
        }
    )+};
    (@ignore $silent:ident) => { _ };
    (@parts $blueprint:ident [$($field:ident)*] $parts:expr) => { $parts };
    (@parts $blueprint:ident [$($field:ident)*]) => {{
        let parts = Parts::default()$(.with($field, $blueprint))*;
        (parts.what, parts.detail)
    }};
}

events! {
    /// A write that reaches the API server.
    Write {
        /// Creates or updates a Deployment with so many replicas.
        0 ScaleDeployment(kind: KindId, replicas: u32),
        /// Changes the pod template of a Deployment, as `kubectl rollout restart` does.
        1 RestartDeployment(kind: KindId),
        /// Creates a pod for a ReplicaSet or for churn.
        2 CreatePod(pod: PodId, owner: Option<ReplicaSetId>),
        /// Binds a pod to a node.
        3 BindPod(pod: PodId, node: NodeId),
        /// Kubelet reports a pod's address.
        4 ReportAddress(pod: PodId, ip: Ipv4Addr),
        /// Kubelet reports that all containers run.
        5 ReportRunning(pod: PodId, ip: Ipv4Addr; restarts: u32),
        /// Kubelet reports Ready, with all that comes before it.
        6 ReportReady(pod: PodId, ip: Ipv4Addr; restarts: u32),
        /// The node lifecycle controller sets Ready to false.
        7 MarkNotReady(pod: PodId),
        /// Deletes a pod: at once with grace 0, else by a deletion timestamp.
        8 DeletePod(pod: PodId),
        /// Kubelet confirms that a pod is gone.
        9 RemovePod(pod: PodId),
        /// An agent publishes an endpoint.
        10 PublishEndpoint(endpoint: EndpointObject),
        /// An agent removes an endpoint.
        11 RemoveEndpoint(endpoint: EndpointObject),
        /// The agent of a node creates a security identity for a pod.
        12 CreateIdentity(pod: PodId, node: NodeId; identity: TrueIdentity),
        /// The EndpointSlice controller writes a slice.
        13 WriteSlice(service: ServiceId, backends: Backends),
        /// The node lifecycle controller, or the kubelet, sets the node's Ready condition.
        14 SetNodeReady(node: NodeId, ready: bool),
        /// A write that had to wait for a seat, or for etcd, no longer waits; never scheduled, a call.
        15 Served(; write: Box<Write>),
        /// A pod could not be created, because etcd had no quorum.
        16 Unwritten(pod: PodId, owner: Option<ReplicaSetId>),
        /// Changes the pod template of a DaemonSet, as `kubectl rollout restart` does.
        17 RestartDaemons(of: PartyKind, max_unavailable: u32),
        /// The DaemonSet controller deletes the pod of a process.
        18 DeleteDaemon(party: Party),
        /// Kubelet reports that the pod of a process is ready.
        19 ReportDaemonReady(party: Party),
        /// An administrator sets something at a node, or removes it.
        20 MarkNode(node: NodeId, mark: NodeMark, on: bool),
        /// An administrator deletes a pod, or evicts one that no budget protects.
        21 EndPod(pod: PodId),
        /// The script evicts a pod that a PodDisruptionBudget protects.
        22 EvictPod(pod: PodId, track: u32),
        /// Kubelet reports that the containers of a pod have ended, perhaps for good.
        23 ReportEnd(pod: PodId; restarts: u32, ended: Option<Ended>),
        /// The CronJob controller creates a Job.
        24 CreateJob(job: ReplicaSetId),
        /// The Job controller reports that a Job is complete, or has failed.
        25 FinishJob(job: ReplicaSetId, complete: bool),
        /// A controller deletes a Job, and with it its pods.
        26 DeleteJob(job: ReplicaSetId),
    }

    /// Something the Deployment controller handles.
    DeploymentEvent {
        /// It learns that a Deployment was created or scaled.
        0 Scaled(kind: KindId, replicas: u32),
        /// It learns that a Deployment's template changed.
        1 Restarted(kind: KindId),
        /// It learns that pods of a Deployment changed; so many versions of pods are known now.
        2 PodsChanged(kind: KindId, seen: u32),
        /// It acts.
        3 Sync(kind: KindId),
    }

    /// Something the ReplicaSet controller handles.
    ReplicaSetEvent {
        /// A ReplicaSet was given a size.
        0 Resized(set: ReplicaSetId, size: u32),
        /// It acts.
        1 Sync(set: ReplicaSetId),
        /// A request to create a pod leaves the controller.
        2 Request(set: ReplicaSetId, pod: PodId),
        /// It learns that a pod of it was created.
        3 Created(set: ReplicaSetId, pod: PodId),
        /// A creation was refused.
        4 Refused(set: ReplicaSetId, pod: PodId),
        /// It learns that a pod changed or is gone; so many versions of pods are known now.
        5 Changed(set: ReplicaSetId, pod: PodId, seen: u32),
    }

    /// Something the scheduler handles.
    SchedulerEvent {
        /// It learns of a new pod.
        0 Created(pod: PodId),
        /// It learns that a pod is gone.
        1 Removed(pod: PodId),
        /// It learns that a node is ready, or not.
        2 NodeReady(node: NodeId, ready: bool),
        /// The cycle of a pod ends.
        3 Cycle,
        /// A pod that found no node is tried again.
        4 Retry(pod: PodId),
        /// It learns what administrators have set at a node, or that nothing is.
        5 Marked(node: NodeId, nothing: bool; object: NodeObject),
    }

    /// Something the node lifecycle controller handles.
    NodeLifecycleEvent {
        /// A kubelet's link was cut, or is cut in another mode.
        0 Cut(node: NodeId),
        /// A kubelet's link was repaired.
        1 Repaired(node: NodeId),
        /// A pass finds that the grace period of a node is over.
        2 MarkNotReady(node: NodeId),
        /// The pods of a node have tolerated its absence long enough.
        3 Evict(node: NodeId),
        /// A node that was marked NotReady renews its lease again.
        4 Return(node: NodeId),
        /// A pass sees that nodes are ready again, so that zones are in another state.
        5 Pass,
        /// It takes over from another one.
        6 Begins,
        /// The lease of a node whose renewal had to wait is renewed.
        7 Renewed(node: NodeId),
        /// A node has a taint with the effect NoExecute.
        8 Tainted(node: NodeId),
        /// A pod that tolerates such a taint for a while is bound to its node.
        9 BoundThere(pod: PodId),
        /// A pod may have tolerated the taints of its node long enough.
        10 Tolerated(pod: PodId),
    }

    /// Something the DaemonSet controller handles.
    DaemonSetEvent {
        /// It learns that a template changed.
        0 Restarted(of: PartyKind, max_unavailable: u32),
        /// It learns that the pod of a process is ready.
        1 Ready(party: Party),
        /// It acts.
        2 Sync(of: PartyKind),
    }

    /// Something the Job controller handles.
    JobEvent {
        /// It learns of a new Job.
        0 Created(job: ReplicaSetId),
        /// It learns that a Job is gone.
        1 Deleted(job: ReplicaSetId),
        /// A request to create a pod leaves the controller.
        2 Request(job: ReplicaSetId, pod: PodId),
        /// It learns that a pod was created; so many versions of pods are known now.
        3 PodCreated(job: ReplicaSetId, pod: PodId, seen: u32),
        /// A creation was refused.
        4 Refused(job: ReplicaSetId, pod: PodId),
        /// It learns that a pod changed or is gone; so many versions of pods are known now.
        5 PodChanged(job: ReplicaSetId, seen: u32),
        /// It acts.
        6 Sync(job: ReplicaSetId),
        /// The time for which a finished Job is kept is over.
        7 Expired(job: ReplicaSetId),
    }

    /// Something the CronJob controller handles.
    CronJobEvent {
        /// It learns that a CronJob was created, or deleted.
        0 Applied(kind: KindId, exists: bool),
        /// A time of its schedule has come.
        1 Due(kind: KindId),
        /// It learns that a Job is complete, or has failed.
        2 Finished(job: ReplicaSetId, complete: bool),
        /// It learns that a Job is gone.
        3 Deleted(job: ReplicaSetId),
    }

    /// Something the EndpointSlice controller handles.
    EndpointSliceEvent {
        /// It learns that a pod changed; so many versions of pods are known now.
        0 PodChanged(pod: PodId, seen: u32),
        /// It acts.
        1 Sync(service: ServiceId),
    }

    /// Something a kubelet handles.
    KubeletEvent {
        /// It learns that a pod is bound to its node.
        0 Assigned(pod: PodId),
        /// It learns that a pod is to go, or is gone.
        1 Deleted(pod: PodId),
        /// The sandbox exists; the network plugin is called.
        2 SandboxReady(pod: PodId),
        /// The network plugin succeeded.
        3 NetworkReady(pod: PodId),
        /// The network plugin failed, perhaps because the agent's limiter refused it; the sandbox is made again after a wait.
        4 NetworkFailed(pod: PodId, limited: bool),
        /// All containers run.
        5 ContainersUp(pod: PodId),
        /// The periodic look sees the pod's first container, so its address is reported.
        6 ReportAddress(pod: PodId),
        /// The periodic look sees all containers run.
        7 ReportRunning(pod: PodId),
        /// Its probe has succeeded.
        8 ReportReady(pod: PodId),
        /// The processes have ended.
        9 Stopped(pod: PodId),
        /// The sandbox is gone.
        10 SandboxGone(pod: PodId),
        /// The link to the API server was repaired.
        11 Repaired,
        /// Setup is done but for the pod's tokens.
        12 SetUp(pod: PodId),
        /// Nothing is missing any more, or the wait after a failure is over: the sandbox is made.
        13 MakeSandbox(pod: PodId),
        /// The periodic look sees the end of the init container.
        14 InitSeen(pod: PodId),
        /// The API server has answered a call of the worker that syncs statuses.
        15 ApiAnswered,
        /// That call had a seat; never scheduled, a call.
        16 StatusServed,
        /// The token requests of a pod are sent.
        17 AskTokens(pod: PodId),
        /// They had a seat; never scheduled, a call.
        18 TokensServed(pod: PodId),
        /// It starts after a boot of its node.
        19 Booted,
        /// The readiness probe of an Istiod ends otherwise than the one before, well or not.
        20 Probed(pod: PodId, passed: bool),
        /// The container of an Istiod that has ended is started again.
        21 StartAgain(pod: PodId),
        /// The periodic look sees the end of the last init container of the workload.
        22 OwnInitSeen(pod: PodId),
        /// All readiness probes of the workload's containers have succeeded.
        23 Answered(pod: PodId),
        /// It learns that the pod of a process is to go.
        24 ReplaceDaemon(party: Party),
        /// It sees that the pod that took its place is ready.
        25 DaemonReady(party: Party),
        /// The node has the images of a pod.
        26 Pulled(pod: PodId),
        /// The containers of a pod that were started so often end by themselves.
        27 RunEnds(pod: PodId, starts: u32),
        /// The periodic look sees that.
        28 EndSeen(pod: PodId, starts: u32),
    }

    /// Something a Cilium agent handles.
    AgentEvent {
        /// The network plugin is called for a pod.
        0 Add(pod: PodId),
        /// The limiter lets a creation go on.
        1 Admitted(pod: PodId),
        /// The identity is known.
        2 Identified(pod: PodId),
        /// The programs are in place.
        3 Built(pod: PodId),
        /// The endpoint is published: first the agent looks whether it exists.
        4 Publish(endpoint: EndpointObject),
        /// CNI DEL: a sandbox is gone.
        5 Delete(pod: PodId),
        /// The link to the API server was repaired.
        6 Repaired,
        /// The limiter refuses a creation.
        7 Refused(pod: PodId),
        /// The longest wait of a creation that was asked for at this time is over.
        8 Withdraw(pod: PodId, asked: SimTime),
        /// It does not exist: it is created.
        9 Create(endpoint: EndpointObject),
        /// The endpoint is looked at again: one more request.
        10 SyncAgain(pod: PodId),
        /// The identity was created, but the answer is lost.
        11 Unanswered(pod: PodId),
        /// The network plugin has waited long enough.
        12 TimedOut(pod: PodId),
        /// It starts after a boot of its node.
        13 Booted,
        /// The network plugin does not reach the agent in time.
        14 NotReached(pod: PodId),
    }

    /// Something an Istiod handles.
    IstiodEvent {
        /// Its container starts.
        0 Start(pod: PodId),
        /// Its caches are synced: it serves.
        1 Serving(pod: PodId),
        /// It learns of new backends of a Service.
        2 SliceSeen(service: ServiceId, index: VersionIndex),
        /// The quiet after changes is over.
        3 Debounced,
        /// A request arrives.
        4 Request(request: Request) as request.parts(false),
        /// A TokenReview ends, well or not.
        5 Reviewed(request: Request, passed: bool) as request.parts(*passed),
        /// Its link to the API server was repaired, or its watches are current again.
        6 Repaired,
        /// The repair has reached its connection: what waits for an answer gets one.
        7 Answered,
        /// Its clients reach it again, or do no more.
        8 Clients(reach: bool),
        /// An answer to a request does not reach its client; never scheduled, a call.
        9 Undelivered(request: Request, answer: Answer) as request.parts(*answer == Answer::Ok),
        /// A TokenReview that asked for a seat at this time had one, or was refused; never scheduled, a call.
        10 ReviewServed(; request: Request, since: SimTime, served: bool),
        /// Its process dies with its node; never scheduled, a call.
        11 Dies,
        /// Its process, which was frozen, goes on.
        12 Thaws,
        /// Its process ends; never scheduled, a call.
        13 Ends,
        /// Packets between it and sidecars of a node, or its own, pass no more, or again.
        14 Path(node: NodeId),
        /// It sends an answer over a path that meets a fault, or sends it again.
        15 Sends(request: Request, answer: Answer, tries: u32)
            as (u64::from(request.pod.0) | u64::from(*tries) << 32, request.parts(*answer == Answer::Ok).1),
    }

    /// Something a sidecar handles.
    SidecarEvent {
        /// Its container starts.
        0 Start,
        /// The agent is up: both channels begin.
        1 AgentUp,
        /// Key and request are made.
        2 KeyReady,
        /// A SYN is retransmitted.
        3 Syn(channel: Channel, serial: u32),
        /// A connection stands.
        4 Connected(channel: Channel, serial: u32),
        /// A connect ran out of time.
        5 ConnectTimeout(channel: Channel, serial: u32),
        /// The certificate channel dials again.
        6 ChannelRedials(serial: u32) as (0, u64::from(*serial)),
        /// A failed attempt of a certificate call is made again.
        7 AttemptAgain,
        /// A caller asks for the certificate again.
        8 CallerWakes(caller: Caller),
        /// Istiod answered request number so and so on a connection.
        9 Answer(channel: Channel, serial: u32, number: u32, answer: Answer)
            as ((*channel as u64) << 8 | *answer as u64, u64::from(*serial) << 32 | u64::from(*number)),
        /// Envoy opens its stream again.
        10 StreamRetries,
        /// The stream has reached its age.
        11 StreamAged(serial: u32) as (0, u64::from(*serial)),
        /// Envoy has warmed up.
        12 Live,
        /// Nothing passes any more between it and an Istiod.
        13 Silent(istiod: IstiodId),
        /// It closes a connection on which nothing has passed for long.
        14 GivesUp(channel: Channel, serial: u32),
        /// It passes again.
        15 Heard(istiod: IstiodId),
        /// A request that was lost on the way to an Istiod is sent again.
        16 SendsAgain(istiod: IstiodId, request: Request, tries: u32)
            as (u64::from(istiod.0) | u64::from(*tries) << 32, request.parts(false).1),
        /// It renews the certificate of this number.
        17 Renews(number: u32),
    }

    /// Something the script handles.
    ScriptEvent {
        /// Begin.
        0 Begin,
        /// Go on with the next step of a track.
        1 Next(track: u32),
        /// Something a track waits for may have changed.
        2 Look(track: u32),
        /// The wait of this step has lasted too long.
        3 Timeout(serial: u32, track: u32),
        /// A probe of a step has ended; whether the client's own pod or proxy was not up.
        4 ProbeDone(not_up: bool; step: u32),
        /// Send the probe of a track again.
        5 ProbeAgain(track: u32),
        /// A rollout has made no progress for as long as its Deployment allows.
        6 NoProgress(track: u32),
        /// The rollout of a DaemonSet is complete.
        7 DaemonsReplaced(of: PartyKind),
        /// An eviction of a track was refused by a budget.
        8 EvictionRefused(pod: PodId, track: u32),
        /// The track tries it again.
        9 EvictAgain(pod: PodId, track: u32),
    }

    /// Something churn handles.
    ChurnEvent {
        /// A process of the design begins by itself.
        0 Begin(process: u32),
        /// A pod is created.
        1 Create(process: u32),
        /// A pod has lived long enough.
        2 Delete(pod: PodId),
        /// The script starts its process so and so; never scheduled, a call.
        3 StartByScript(step: u32),
    }

    /// Something that happens to a request under way.
    AccessEvent {
        /// The SYN is sent again.
        0 Syn,
        /// The connection stands and the request was served or refused.
        1 Answered,
        /// The client's time limit is over.
        2 TimedOut,
        /// A pod sends the request of a step of the script; never scheduled, a call.
        3 Send(client: PodId, step: u32; key: EntityKey),
        /// No pod of a kind is ready to send the request of a step; never scheduled, a call.
        4 Unsent(kind: KindId, step: u32),
        /// The request is sent over a path that meets a fault, or sent again.
        5 Requests(tries: u32),
        /// Its answer is.
        6 Replies(tries: u32),
        /// A pod sends a request of a flow; never scheduled, a call.
        7 SendOfFlow(client: PodId, flow: FlowId; of_pod: u64, key: EntityKey),
    }

    /// Something about the flows of requests between workloads.
    TrafficEvent {
        /// The containers of a pod run, or it is ready; never scheduled, a call.
        0 Begins(pod: PodId, ready: bool),
        /// A pod sends its next request.
        1 Send(pod: PodId, flow: FlowId),
        /// A request that had no answer is sent again.
        2 Again(request: u32),
        /// An attempt has ended; never scheduled, a call.
        3 Ended(request: u32; end: AttemptEnd),
    }

    /// Something the judge looks at.
    JudgeEvent {
        /// A pod can send and receive, or its proxy came up.
        0 Connected(pod: PodId),
        /// A write about an address was ordered.
        1 EndpointWritten(ip: Ipv4Addr, index: VersionIndex),
        /// A write about a Service was ordered.
        2 SliceWritten(service: ServiceId, index: VersionIndex),
        /// An Istiod made a snapshot of a Service.
        3 SnapshotWritten(service: ServiceId, index: VersionIndex, istiod: IstiodId),
        /// A pod lost its address.
        4 Released(pod: PodId, ip: Ipv4Addr),
        /// A pair is looked at again.
        5 Recheck(pair: u32),
        /// A reader of a node that was cut off reads again.
        6 ReadsAgain(node: NodeId),
        /// An identity was created.
        7 IdentityWritten(index: VersionIndex) as (0, index.get() as u64),
        /// A reader of a node reads again from a cache that is behind.
        8 ReadsLate(node: NodeId),
        /// Packets pass no more between some nodes, or again.
        9 PathsChanged,
        /// A pod may send or serve from now on, or no more; never scheduled, a call.
        10 Changed(pod: PodId),
    }

    /// Something the API server's side of admission handles; calls go by their number.
    AdmissionEvent {
        /// A request to create a pod has come so far that the webhook is asked.
        0 Ask(pod: PodId, owner: Option<ReplicaSetId>),
        /// The connection that a call dials stands.
        1 Connected(call: u64),
        /// That connection was refused.
        2 Refused(call: u64),
        /// The webhook answers.
        3 Answered(call: u64),
        /// The call has used up its time, or the connection that it holds was reset.
        4 Failed(call: u64),
        /// The way to an Istiod's webhook is repaired.
        5 Repaired(istiod: IstiodId),
        /// The request of a call, which was lost, is sent again.
        6 SentAgain(call: u64),
        /// A request to create a pod has its seat; never scheduled, a call.
        7 Served(pod: PodId, owner: Option<ReplicaSetId>),
    }

    /// Something that happens to requests at API servers whose load is modeled.
    LoadEvent {
        /// A component sends one; never scheduled, a call.
        0 Asks(; asked: Box<Asked>),
        /// A request that was refused is sent again.
        1 Again(request: u64),
        /// The webhook of a creation has answered, or failed; never scheduled, a call.
        2 Created(pod: PodId),
        /// A waiting request may be served or refused.
        3 Look(server: u32),
        /// A fault lets requests come to a server; never scheduled, a call.
        4 Floods(server: u32, fault: FaultId; flow: Box<Flow>),
        /// They no longer come; never scheduled, a call.
        5 Subsides(server: u32, fault: FaultId),
        /// A kubelet renews its lease under load.
        6 Renews(node: NodeId),
    }

    /// A fault starts or ends.
    FaultEvent {
        /// It ends.
        0 End(fault: FaultId),
        /// It starts.
        1 Start(fault: FaultId),
        /// A repair reaches a party: its requests are answered.
        2 Answers(party: Party),
        /// A repair reaches a party: its watches are current.
        3 Watches(party: Party),
        /// Other controllers take over.
        4 TakeOver,
        /// A party that is to be current again has listed; never scheduled, a call.
        5 Listed(party: Party; timer: Timer),
        /// A node that had no power has booted.
        6 Boots(node: NodeId),
        /// The supervisor of a process starts it again.
        7 ProcessStarts(party: Party),
        /// A process that was started again serves.
        8 ProcessServes(party: Party),
        /// The memory of a process is full that was started so often.
        9 MemoryFull(party: Party, starts: u32),
    }
}

/// The table of components, handed to a macro: number in digests, event and whose it is, name, who schedules for it and its
/// rank (which decides ties, see `kernel::order`; the API server schedules for its admission), and the state that handles it.
macro_rules! components {
    ($with:ident) => {
        $with! {
            0 Fault(FaultEvent) "fault" by Fault = 0, faults: Faults;
            1 Commit(Write) "api server" by ApiServer = 1, commits: Commits;
            2 Deployment(DeploymentEvent) "deployment controller" by Deployment = 2, deployments: Deployments;
            3 ReplicaSet(ReplicaSetEvent) "replica set controller" by ReplicaSet = 3, replica_sets: ReplicaSets;
            4 Scheduler(SchedulerEvent) "scheduler" by Scheduler = 4, scheduler: Scheduler;
            5 NodeLifecycle(NodeLifecycleEvent) "node lifecycle controller" by NodeLifecycle = 5, node_lifecycle: NodeLifecycle;
            6 EndpointSlice(EndpointSliceEvent) "endpoint slice controller" by EndpointSlice = 6, endpoint_slices: EndpointSlices;
            7 Kubelet[node: NodeId](KubeletEvent) "kubelet" by Kubelet(node: NodeId) = NODES_FROM + 2 * node.0, kubelets: Kubelets;
            8 Agent[node: NodeId](AgentEvent) "cilium agent" by Agent(node: NodeId) = NODES_FROM + 2 * node.0 + 1, agents: Agents;
            9 Istiod[istiod: IstiodId](IstiodEvent) "istiod" by Istiod(istiod: IstiodId) = ISTIODS_FROM + istiod.0, istiods: Istiods;
            10 Sidecar[pod: PodId](SidecarEvent) "sidecar" by Sidecar(pod: PodId) = PODS_FROM + pod.0, sidecars: Sidecars;
            11 Script(ScriptEvent) "script" by Script(track: u32) = rank_of_track(track), script: Script;
            12 Churn(ChurnEvent) "churn" by Churn = 8, churn: Churn;
            13 Access[number: u32](AccessEvent) "client" by Access = 10, accesses: Accesses;
            14 Judge(JudgeEvent) "judge" by Judge = 9, judge: Judge;
            15 Admission(AdmissionEvent) "admission", admission: Admission;
            16 Load(LoadEvent) "api load", loads: ApiLoads;
            17 DaemonSet(DaemonSetEvent) "daemon set controller" by DaemonSet = 11, daemon_sets: DaemonSets;
            18 Job(JobEvent) "job controller" by Job = 12, jobs: Jobs;
            19 CronJob(CronJobEvent) "cron job controller" by CronJob = 13, cron_jobs: CronJobs;
            24 Traffic(TrafficEvent) "traffic" by Traffic = 15, traffic: Traffic;
        }
    };
}
pub(super) use components;

/// Ranks below this belong to singletons, then to Istiods, then to nodes, then to pods.
const ISTIODS_FROM: u32 = 16;
const NODES_FROM: u32 = 1 << 12;
const PODS_FROM: u32 = 1 << 18;

/// Most tracks of a script, itself included: their ranks lie between those of Istiods and of nodes.
pub const TRACKS_MAX: u32 = 64;

/// The rank of the script, or of a track of it.
const fn rank_of_track(track: u32) -> u32 {
    match track {
        0 => 7,
        track => NODES_FROM - track,
    }
}

macro_rules! define {
    ($(
        $number:literal $variant:ident $([$whose:ident: $Whose:ty])? ($event:ty) $name:literal
            $(by $source:ident $(($of:ident: $Of:ty))? = $rank:expr)?, $field:ident: $state:ident;
    )+) => {
        /// Something that happens in the world, with the component that handles it.
        #[derive(Clone, Debug)]
        pub enum Event {
            $(#[doc = concat!("For the ", $name, ".")] $variant($($Whose,)? $event),)+
        }

        impl Event {
            /// The component that handles the event.
            #[must_use]
            pub const fn component(&self) -> &'static str {
                match self { $(Self::$variant(..) => $name,)+ }
            }

            /// The number that stands for the event in the fingerprint of a run of a design: component, variant, and what it
            /// is about.
            #[must_use]
            pub fn digest(&self, blueprint: &Blueprint) -> u64 {
                let (component, whose, (variant, what, detail)): (u64, u64, _) = match self {
                    $(Self::$variant($($whose,)? event) => {
                        ($number, 0 $(+ Parts::default().with($whose, blueprint).what)?, event.parts(blueprint))
                    })+
                };
                // Odd multipliers lose no bit of either number; the rotations keep small numbers apart.
                let what = (what ^ whose << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let detail = detail.wrapping_mul(0xc2b2_ae3d_27d4_eb4f).rotate_left(29);
                what.rotate_left(17) ^ detail ^ (variant << 8 | component)
            }
        }

        /// A component that schedules events.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Source {
            $($(#[doc = concat!("The ", $name, ".")] $source $(($Of))?,)?)+
        }

        impl Source {
            /// The rank in the total order.
            #[must_use]
            pub fn rank(self) -> SourceRank {
                SourceRank::new(match self {
                    $($(Self::$source $(($of))? => $rank,)?)+
                })
            }
        }
    };
}

components!(define);

impl Event {
    /// The node whose silence leads to it, if it does.
    #[must_use]
    pub const fn due_to_silence_of(&self) -> Option<NodeId> {
        match self {
            Self::NodeLifecycle(NodeLifecycleEvent::MarkNotReady(node) | NodeLifecycleEvent::Evict(node)) => {
                Some(*node)
            }
            _ => None,
        }
    }

    /// Whether it is for a controller or the scheduler, which do nothing while none of them leads.
    #[must_use]
    pub const fn is_of_controllers(&self) -> bool {
        matches!(
            self,
            Self::Deployment(_)
                | Self::ReplicaSet(_)
                | Self::Scheduler(_)
                | Self::NodeLifecycle(_)
                | Self::EndpointSlice(_)
                | Self::DaemonSet(_)
                | Self::Job(_)
                | Self::CronJob(_)
        )
    }
}

impl Write {
    /// Whether its sender sends nothing before it that has to be answered. A kubelet reads a pod before it writes its status
    /// or removes it, an agent reads a CiliumEndpoint before it writes one (`kubernetes/kubernetes
    /// pkg/kubelet/status/status_manager.go`, syncPod; `cilium/cilium pkg/k8s/watchers/endpointsynchronizer.go`).
    #[must_use]
    pub const fn needs_no_answer_before(&self) -> bool {
        matches!(self, Self::CreateIdentity(..) | Self::RemoveEndpoint(_))
    }

    /// Whether an administrator sends it by a command.
    #[must_use]
    pub const fn is_command(&self) -> bool {
        matches!(
            self,
            Self::ScaleDeployment(..)
                | Self::RestartDeployment(_)
                | Self::RestartDaemons(..)
                | Self::MarkNode(..)
                | Self::EndPod(_)
                | Self::EvictPod(..)
        )
    }

    /// What a write is called, and the pod that it is about.
    #[must_use]
    pub fn words(&self) -> (&'static str, Option<PodId>) {
        match self {
            Self::ScaleDeployment(..) => ("scale the Deployment", None),
            Self::RestartDeployment(_) => ("restart the Deployment", None),
            Self::CreatePod(pod, _) => ("create the pod", Some(*pod)),
            Self::BindPod(pod, _) => ("bind the pod", Some(*pod)),
            Self::ReportAddress(pod, _) => ("report the pod's address", Some(*pod)),
            Self::ReportRunning(pod, ..) => ("report Running", Some(*pod)),
            Self::ReportReady(pod, ..) => ("report Ready", Some(*pod)),
            Self::MarkNotReady(pod) => ("mark the pod not ready", Some(*pod)),
            Self::DeletePod(pod) => ("delete the pod", Some(*pod)),
            Self::RemovePod(pod) => ("confirm that the pod is gone", Some(*pod)),
            Self::PublishEndpoint(endpoint) => ("publish the CiliumEndpoint", Some(endpoint.pod)),
            Self::RemoveEndpoint(endpoint) => ("remove the CiliumEndpoint", Some(endpoint.pod)),
            Self::CreateIdentity(pod, ..) => ("create the CiliumIdentity", Some(*pod)),
            Self::WriteSlice(..) => ("write the EndpointSlice", None),
            Self::SetNodeReady(_, true) => ("mark the node ready", None),
            Self::SetNodeReady(_, false) => ("mark the node not ready", None),
            Self::Served(write) => write.words(),
            Self::Unwritten(pod, _) => ("create the pod", Some(*pod)),
            Self::RestartDaemons(..) => ("restart the DaemonSet", None),
            Self::DeleteDaemon(_) => ("delete the pod of the DaemonSet", None),
            Self::ReportDaemonReady(_) => ("report that the pod of the DaemonSet is ready", None),
            Self::MarkNode(_, NodeMark::Cordoned, true) => ("cordon the node", None),
            Self::MarkNode(_, NodeMark::Cordoned, false) => ("uncordon the node", None),
            Self::MarkNode(_, _, true) => ("taint the node", None),
            Self::MarkNode(_, _, false) => ("remove the taint of the node", None),
            Self::EndPod(pod) | Self::EvictPod(pod, _) => ("evict or delete the pod", Some(*pod)),
            Self::ReportEnd(pod, ..) => ("report that its containers have ended", Some(*pod)),
            Self::CreateJob(_) => ("create the Job", None),
            Self::FinishJob(..) => ("report the end of the Job", None),
            Self::DeleteJob(_) => ("delete the Job", None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_of_different_components_differ() {
        use Source::*;
        let singletons = [
            Fault,
            ApiServer,
            Deployment,
            ReplicaSet,
            Scheduler,
            NodeLifecycle,
            EndpointSlice,
            DaemonSet,
            Job,
            CronJob,
            Churn,
            Judge,
            Access,
            Traffic,
        ];
        let mut ranks: Vec<SourceRank> = singletons
            .into_iter()
            .chain((0..TRACKS_MAX).map(Script))
            .chain((0..4_000).map(|i| Istiod(IstiodId(i))))
            .chain((0..5_000).flat_map(|i| [Kubelet(NodeId(i)), Agent(NodeId(i))]))
            .chain((0..5_000).map(|i| Sidecar(PodId(i))))
            .map(Source::rank)
            .collect();
        let n = ranks.len();
        ranks.sort_unstable();
        ranks.dedup();
        assert_eq!(ranks.len(), n);
    }
}
