//! What the world's random numbers are for, and which of several things of one entity. Names and numbers are part of the
//! results: changing one changes its draws.

use crate::kernel::EntityKey;
use crate::kernel::stream::{all_differ, hash_name};

macro_rules! purposes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// The purpose of a random number in the simulated world.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Purpose { $($(#[$doc])* $variant,)+ }

        impl Purpose {
            /// All purposes.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The hashes of the names, in the same order.
            const HASHES: &'static [u64] = &[$(hash_name($name),)+];
        }

        // Two purposes of one hash would draw the same numbers; such a list does not compile.
        const _: () = assert!(all_differ(Purpose::HASHES), "two purposes have the same hash");

        impl crate::kernel::Purpose for Purpose {
            fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            #[inline]
            fn name_hash(self) -> u64 {
                Self::HASHES[self as usize]
            }
        }
    };
}

purposes! {
    /// Latency of one write to the API server.
    ApiWrite = "api.write",
    /// Delay of a dispatch batch to an informer.
    WatchDelay = "api.watch",
    /// Delay of a dispatch batch to a node's service proxy.
    ServiceProxyDelay = "service_proxy.delay",
    /// Delay of a dispatch batch to an agent's ipcache.
    IpcacheDelay = "cilium.ipcache.delay",
    /// Delay of a dispatch batch to an agent's identities.
    IdentityDelay = "cilium.identity.delay",
    /// Delay of a snapshot to a proxy.
    PushDelay = "istio.push",
    /// From a pod's removal to that of what it owned.
    GarbageCollection = "garbage_collector",
    /// A command of the script's client.
    ClientCommand = "script.command",
    /// Phase and jitter of a kubelet's lease renewals.
    LeaseRenewal = "kubelet.lease",
    /// Phase of the node lifecycle controller's passes.
    NodeMonitorPhase = "node_lifecycle.phase",
    /// From the return of a node's power to its processes.
    NodeBoot = "node.boot",
    /// Order in which a rollout of a DaemonSet takes the nodes.
    DaemonOrder = "daemon_set.order",
    /// Which pods a command deletes.
    PodPick = "script.pick",
    /// Order in which one of its passes looks at nodes.
    NodeMonitorOrder = "node_lifecycle.order",
    /// Time until a cut-off node's lease is renewed after the cut ends.
    LeaseRecovery = "kubelet.lease.recovery",
    /// Which controllers lead.
    Leader = "controllers.leader",
    /// When others take over.
    TakeOver = "controllers.take_over",
    /// Which replica of CoreDNS is asked.
    DnsReplica = "dns.replica",
    /// How long its answer takes.
    DnsAnswer = "dns.answer",
    /// When an API server that cannot be reached is withdrawn from those that get new connections.
    ServerWithdrawal = "api.server.withdrawal",
    /// From a fault's repair to its next failure, and from a failure to its repair.
    FaultLaw = "fault.law",
    /// The start of a process that has ended.
    ProcessStart = "process.start",
    /// From the start of a process to its memory being full.
    MemoryFills = "process.memory",
    /// Looks of a kubelet's pod worker at a container in its back-off.
    CrashRetry = "kubelet.container.retry",
    /// Phase of a liveness probe.
    ProbePhase = "kubelet.probe",
    /// Which of the places of a fault it takes.
    FaultPick = "fault.pick",
    /// Latency of a controller's sync.
    ControllerSync = "controller.sync",
    /// A pod's unique identifier, where it decides a ranking.
    PodUid = "replica_set.uid",
    /// A scheduling cycle.
    Scheduling = "scheduler.cycle",
    /// Choice among nodes of equal score.
    SchedulerTie = "scheduler.tie",
    /// Setting up a pod.
    PodSetup = "kubelet.setup",
    /// Creating a sandbox.
    Sandbox = "kubelet.sandbox",
    /// Wait after a failed sandbox.
    SandboxRetry = "kubelet.sandbox.retry",
    /// Starting containers.
    ContainerStart = "kubelet.container.start",
    /// How long containers run that end by themselves, and whether they fail.
    ContainerRun = "kubelet.container.run",
    /// Pull of an image by a node.
    ImagePull = "kubelet.image.pull",
    /// Comparison of an image with the registry.
    ImageCheck = "kubelet.image.check",
    /// Phase of the kubelet's look at containers.
    PlegPhase = "kubelet.pleg",
    /// Phase of the batches in which a kubelet syncs statuses.
    StatusBatchPhase = "kubelet.status.phase",
    /// Order of the pods in such a batch.
    StatusBatchOrder = "kubelet.status.order",
    /// Reaction of a process to the request to stop.
    TermReaction = "kubelet.term",
    /// Stopping a sandbox.
    SandboxStop = "kubelet.sandbox.stop",
    /// Start of Istiod in its container.
    IstiodStart = "istiod.start",
    /// Offset at which an address is searched.
    IpamOffset = "cilium.ipam",
    /// Building an endpoint.
    EndpointBuild = "cilium.endpoint.build",
    /// Creating an identity.
    IdentityCreate = "cilium.identity.create",
    /// From a cut to the client's next frame that its program sends by itself.
    NextFrame = "client.api.next_frame",
    /// Back-off of a kubelet's heartbeat that failed.
    HeartbeatBackoff = "kubelet.heartbeat.backoff",
    /// The API server of a client's connection.
    ApiServerChoice = "client.api.server",
    /// From a client's request for a leader election lock that failed to the next one.
    LockInterval = "client.api.lock",
    /// When requests of a flow come to an API server.
    LoadArrival = "api.load.arrival",
    /// Who sends them.
    LoadUser = "api.load.user",
    /// Back-off of a client's watch that cannot be opened.
    Redial = "client.api.redial",
    /// Age of the last frame on an agent's connection to the API server.
    ClientFrameAge = "client.api.last_frame",
    /// Publishing an endpoint.
    EndpointPublish = "cilium.endpoint.publish",
    /// Syncing an EndpointSlice.
    EndpointSliceSync = "endpoint_slice.sync",
    /// Choice of a backend for a connection.
    BackendChoice = "service_proxy.backend",
    /// Choice of a backend by a proxy.
    ProxyBackendChoice = "istio.proxy.backend",
    /// Choice of the Istiod that the API server calls.
    WebhookBackend = "istio.webhook.backend",
    /// Answer of the injection webhook.
    WebhookLatency = "istio.webhook",
    /// A refused connection of the API server to the injection webhook.
    WebhookRefused = "istio.webhook.refused",
    /// Age of the last frame on an Istiod's connection to the API server.
    LastFrameAge = "istiod.api.last_frame",
    /// The refusal of a TokenReview whose packets are rejected.
    ReviewRejected = "istiod.api.rejected",
    /// Back-off of an Istiod that cannot reach the API server when it starts.
    IstiodRedial = "istiod.api.redial",
    /// A TokenReview.
    TokenReview = "istiod.token_review",
    /// Signing a certificate.
    Sign = "istiod.sign",
    /// First configuration of a proxy.
    FirstPush = "istiod.first_push",
    /// Init container of an injected pod.
    InitContainer = "istio.init",
    /// Starts and runs of a pod's own init containers.
    OwnInitContainers = "kubelet.init_containers",
    /// Start of the pilot-agent.
    AgentStart = "istio.agent.start",
    /// Generation of a key.
    KeyGeneration = "istio.agent.key",
    /// Back-off of the warm-up loop.
    WarmUpBackoff = "istio.agent.warm_up",
    /// Back-off between attempts of one certificate request.
    AttemptBackoff = "istio.agent.attempt",
    /// Back-off of a channel.
    ChannelBackoff = "istio.agent.channel",
    /// Back-off of Envoy's certificate stream.
    EnvoySecretBackoff = "istio.envoy.secret",
    /// Back-off of Envoy's stream for the root.
    EnvoyRootBackoff = "istio.envoy.root",
    /// Back-off of Envoy's configuration stream.
    EnvoyStreamBackoff = "istio.envoy.stream",
    /// How old a connection or a certificate is when the run begins.
    AgeAtBegin = "run.begin.age",
    /// Maximum age of a connection.
    ConnectionAge = "istiod.connection_age",
    /// Envoy's warm-up.
    EnvoyWarmUp = "istio.envoy.warm_up",
    /// Whether a packet is lost.
    PacketLoss = "network.loss",
    /// What a fault adds to the way of a packet.
    PacketDelay = "network.delay",
    /// Jitter of the renewal of a certificate.
    CertificateRenewal = "istio.agent.renewal",
    /// One way through the network.
    OneWay = "network.one_way",
    /// Serving a request.
    Request = "network.request",
    /// When a pod sends its next request of a flow.
    FlowArrival = "traffic.arrival",
    /// Arrivals of churn.
    ChurnArrival = "churn.arrival",
    /// Lifetimes of churn.
    ChurnLifetime = "churn.lifetime",
    /// Service accounts of churn.
    ChurnKind = "churn.kind",
}

#[cfg(test)]
mod tests {
    use super::{Purpose, hash_name};
    use crate::kernel::Purpose as _;

    #[test]
    fn the_constant_hashes_are_those_of_the_names() {
        for purpose in Purpose::ALL {
            assert_eq!(purpose.name_hash(), hash_name(purpose.name()), "{}", purpose.name());
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<&str> = Purpose::ALL.iter().map(|purpose| purpose.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Purpose::ALL.len());
    }
}

/// Which of several things of one entity a number is drawn for: a child of the entity's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ordinal(u64);

impl Ordinal {
    /// The child of an entity's key.
    #[must_use]
    pub fn of(self, entity: EntityKey) -> EntityKey {
        entity.child(self.0)
    }
}

macro_rules! ordinals {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)+) => {
        impl Ordinal {
            $($(#[$doc])* pub const $name: Self = Self($number);)+
        }

        // Two things of one number would draw the same; such a list does not compile.
        const _: () = assert!(all_differ(&[$($number,)+]), "two things of an entity have the same number");
    };
}

ordinals! {
    /// Of a node: its being marked NotReady.
    MARKED_NOT_READY = 1;
    /// Of a node: its return.
    RETURN = 4;
    /// Of a pod: the write that deletes it.
    DELETION = 101;
    /// Of a pod: the write that binds it.
    BINDING = 102;
    /// Of a pod: the write that marks it not ready.
    MARKING = 103;
    /// Of a pod: the write that it is not ready after a boot of its node.
    BOOT = 106;
    /// Of a pod: the write that creates it.
    CREATION = 104;
    /// Of a pod: the webhook's dial before it is created.
    WEBHOOK_DIAL = 105;
    /// Of a pod: the reads before its statuses.
    STATUS_GET = 110;
    /// Of a pod: its statuses.
    STATUS_PATCH = 111;
    /// Of a pod: the confirmation that it is gone.
    STATUS_DELETE = 112;
    /// Of a pod: the write of its identity.
    IDENTITY_CREATION = 120;
    /// Of a pod: the write of its endpoint.
    ENDPOINT_CREATION = 121;
    /// Of a pod: the removal of its endpoint.
    ENDPOINT_REMOVAL = 122;
    /// Of a sidecar: connections for its certificate.
    CERTIFICATE_DIAL = 201;
    /// Of a sidecar: connections for its configuration.
    CONFIGURATION_DIAL = 202;
    /// Of a sidecar: TokenReviews for its certificate.
    CERTIFICATE_REVIEW = 210;
    /// Of a sidecar: TokenReviews for its configuration.
    CONFIGURATION_REVIEW = 211;
    /// Of a sidecar: answers about its certificate.
    CERTIFICATE_ANSWER = 220;
    /// Of a sidecar: answers about its configuration.
    CONFIGURATION_ANSWER = 221;
    /// Of a sidecar: the back-off of its certificate channel.
    CHANNEL_BACKOFF = 230;
    /// Of a sidecar: the back-off between attempts of a certificate call.
    ATTEMPT_BACKOFF = 231;
    /// Of a sidecar: the back-off of those who ask for the certificate.
    CALLER_BACKOFF = 232;
    /// Of a sidecar: the back-off of its stream.
    STREAM_BACKOFF = 233;
    /// Of a sidecar: requests for its certificate.
    CERTIFICATE_REQUEST = 240;
    /// Of a sidecar: requests for its configuration.
    CONFIGURATION_REQUEST = 241;
    /// Of a sidecar: how it reads the snapshots of an Istiod.
    SNAPSHOTS = 250;
}
