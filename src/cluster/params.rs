//! What the components' behavior depends on: one parameter set per component, with types.
//!
//! No value stands here. Values live in `models/`, each with unit, source and confidence, and are read by `scenario`;
//! a design may override them by the names below, for example `kubernetes.node_monitor_grace_period`.

use crate::kernel::{Distribution, SimDuration};

/// A value of a parameter as it was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A span of time.
    Duration(SimDuration),
    /// A number without a unit, or per second.
    Number(f64),
    /// A whole number.
    Count(u64),
    /// A behavior that is on or off.
    Switch(bool),
    /// A distribution of a span of time.
    Distribution(Distribution),
}

/// The type that a parameter must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A span of time, written `40s`.
    Duration,
    /// A number.
    Number,
    /// A whole number.
    Count,
    /// `true` or `false`.
    Switch,
    /// A distribution of a span of time, or one span.
    Distribution,
}

/// A Rust type that a parameter can have.
pub trait Parameter: Sized {
    /// The kind expected.
    const KIND: Kind;
    /// The value, if it is of that kind.
    fn from_value(value: Value) -> Option<Self>;
}

macro_rules! parameter {
    ($type:ty, $kind:ident, $($pattern:pat => $result:expr),+) => {
        impl Parameter for $type {
            const KIND: Kind = Kind::$kind;
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    $($pattern => $result,)+
                    _ => None,
                }
            }
        }
    };
}

parameter!(SimDuration, Duration, Value::Duration(d) => Some(d));
parameter!(f64, Number, Value::Number(n) => Some(n), Value::Count(n) => Some(n as f64));
parameter!(u32, Count, Value::Count(n) => u32::try_from(n).ok());
parameter!(bool, Switch, Value::Switch(on) => Some(on));
parameter!(Distribution, Distribution, Value::Distribution(distribution) => Some(distribution), Value::Duration(d) => Some(Distribution::Constant(d)));

macro_rules! parameters {
    ($(#[$meta:meta])* $name:ident { $(#[doc = $doc:literal] $field:ident: $type:ty,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name { $(#[doc = $doc] pub $field: $type,)+ }

        impl $name {
            /// Names and kinds of all parameters of this set, in order.
            pub const FIELDS: &'static [(&'static str, Kind)] = &[$((stringify!($field), <$type as Parameter>::KIND),)+];

            /// What each of them means, in the same order, as it is said above.
            pub const MEANINGS: &'static [&'static str] = &[$($doc,)+];

            /// Builds the set by asking for every parameter by name and kind.
            ///
            /// # Errors
            /// The first error of `lookup`.
            ///
            /// # Panics
            /// If `lookup` returns a value of another kind than it was asked for.
            pub fn build<E>(mut lookup: impl FnMut(&'static str, Kind) -> Result<Value, E>) -> Result<Self, E> {
                Ok(Self { $($field: {
                    let value = lookup(stringify!($field), <$type as Parameter>::KIND)?;
                    <$type as Parameter>::from_value(value)
                        .unwrap_or_else(|| panic!("{} has the value {value:?} of a wrong kind", stringify!($field)))
                },)+ })
            }
        }
    };
}

parameters! {
    /// The Kubernetes control plane and the kubelet.
    KubernetesParams {
        /// From a client's request to the write being ordered by the API server (duration).
        api_write_latency: Distribution,
        /// API servers have seats and processors even in a design without load (switch).
        api_load_model: bool,
        /// Requests that an API server serves at the same time, over all priority levels (seats).
        api_seats: u32,
        /// Shares of the level `system` in the seats (shares).
        api_shares_system: u32,
        /// Shares of the level `node-high` (shares).
        api_shares_node_high: u32,
        /// Shares of the level `workload-high` (shares).
        api_shares_workload_high: u32,
        /// Shares of the level `workload-low` (shares).
        api_shares_workload_low: u32,
        /// Shares of the level `global-default` (shares).
        api_shares_global_default: u32,
        /// Shares of the levels to which no request here belongs (shares).
        api_shares_other: u32,
        /// Part of its seats that the level `system` lends (ratio).
        api_lendable_system: f64,
        /// Part of its seats that the level `node-high` lends (ratio).
        api_lendable_node_high: f64,
        /// Part of its seats that the level `workload-high` lends (ratio).
        api_lendable_workload_high: f64,
        /// Part of its seats that the level `workload-low` lends (ratio).
        api_lendable_workload_low: f64,
        /// Part of its seats that the level `global-default` lends (ratio).
        api_lendable_global_default: f64,
        /// Levels decide this often how many seats they lend (duration).
        api_lending_period: SimDuration,
        /// Queues of a level for workloads (queues).
        api_queues: u32,
        /// Queues of a level for nodes (queues).
        api_queues_of_nodes: u32,
        /// Queues of a level among which the requests of one user are spread (queues).
        api_hand_size: u32,
        /// Most requests in a queue (requests).
        api_queue_length: u32,
        /// A request that has waited this long for its seats is refused (duration).
        api_queue_wait: SimDuration,
        /// What fair queuing expects a request to take before it has run (duration).
        api_expected_service_time: SimDuration,
        /// Longest time for which a refused client stays away; the first is 1 s (duration).
        api_retry_after_max: SimDuration,
        /// How often a client tries a refused request again (requests).
        api_client_retries: u32,
        /// Objects of a list per seat (objects).
        api_objects_per_seat: u32,
        /// Most seats of a list (seats).
        api_list_seats_max: u32,
        /// Processors of an API server (cores).
        api_server_cores: u32,
        /// Processor time of a request (duration).
        api_request_work: SimDuration,
        /// Processor time of a list per object (duration).
        api_list_work_per_object: SimDuration,
        /// A request that finds no quorum of etcd fails after this (duration).
        etcd_request_timeout: SimDuration,
        /// From a write to a controller, scheduler, kubelet, service proxy or Istiod reading it by its watch (duration).
        watch_latency: Distribution,
        /// Writes within this span reach one reader together: one delay per reader and span (duration).
        watch_batch_period: SimDuration,
        /// A command of a person's or script's client, before its request is sent (duration).
        client_command_latency: Distribution,
        /// A client of the API server on a node pings when it has heard nothing for this long (duration).
        api_read_idle_timeout: SimDuration,
        /// And closes the connection when the ping is not answered within this (duration).
        api_ping_timeout: SimDuration,
        /// Time limit of a TCP connect to the API server (duration).
        api_dial_timeout: SimDuration,
        /// First back-off of a watch that cannot be opened; it doubles, each up to twice as long (duration).
        api_backoff_initial: SimDuration,
        /// Longest such back-off before it is stretched (duration).
        api_backoff_max: SimDuration,
        /// Between two dials of a client on a node that streams its lists (WatchList), within one call; 0 if it lists, and backs off (duration).
        api_watch_list_redial: SimDuration,
        /// A list that needs a newer watch cache waits so long for it (duration).
        cache_wait: SimDuration,
        /// And may come again after this (duration).
        cache_retry: SimDuration,
        /// A consistent list waits so long for the watch cache before etcd is read; 0 if it is read at once (duration).
        consistent_list_wait: SimDuration,
        /// Controllers and schedulers elect those that lead; otherwise they never stop (switch).
        leader_election: bool,
        /// New connections to the API servers go through a load balancer; otherwise through the `kubernetes` Service (switch).
        api_load_balancer: bool,
        /// The load balancer checks each API server this often (duration).
        load_balancer_check_interval: SimDuration,
        /// Failed checks in a row after which it sends no new connection to an API server (checks).
        load_balancer_check_failures: u32,
        /// An API server renews its lease on a place in the `kubernetes` Service this often, and clears others away (duration).
        endpoint_lease_interval: SimDuration,
        /// Without a renewal that lease ends after this (duration).
        endpoint_lease_ttl: SimDuration,
        /// Controllers that want to lead take over when the lease of those that lead is older than this (duration).
        leader_lease_duration: SimDuration,
        /// Those that lead end when they cannot renew their lease for this long (duration).
        leader_renew_deadline: SimDuration,
        /// Controllers renew their lease, or try to get it, this often (duration).
        leader_retry_period: SimDuration,
        /// From leading to acting: the controllers' caches are filled (duration).
        leader_start_latency: Distribution,
        /// Age of the last frame on a kubelet's connection when it is cut (duration).
        kubelet_last_frame_age: Distribution,
        /// Age of the last frame on a service proxy's connection when it is cut (duration).
        service_proxy_last_frame_age: Distribution,
        /// Time limit of a kubelet's heartbeat (duration).
        heartbeat_timeout: SimDuration,
        /// At the second heartbeat in a row that fails a kubelet closes all its connections (switch).
        heartbeat_failures_close_connections: bool,
        /// First wait of a kubelet after a heartbeat that failed; it doubles, each up to twice as long (duration).
        heartbeat_backoff_initial: SimDuration,
        /// Longest such wait before it is stretched (duration).
        heartbeat_backoff_max: SimDuration,
        /// Watches of a kubelet, each of which dials on its own (watches).
        kubelet_watches: u32,
        /// Watches of a service proxy (watches).
        service_proxy_watches: u32,
        /// Kubelet renews its node lease this often (duration).
        lease_renew_interval: SimDuration,
        /// The interval is stretched by up to this share, uniformly (ratio).
        lease_renew_jitter_ratio: f64,
        /// The node lifecycle controller looks at all nodes this often (duration).
        node_monitor_period: SimDuration,
        /// How long one such look takes before the next period starts (duration).
        node_monitor_pass_duration: SimDuration,
        /// A node without a renewed lease for longer than this is marked NotReady (duration).
        node_monitor_grace_period: SimDuration,
        /// Nodes of one zone that get the taint that evicts, per second (1/s).
        node_eviction_rate: f64,
        /// The same in a large zone that is partly disrupted; in a small one there are none then (1/s).
        node_eviction_rate_secondary: f64,
        /// A zone with more nodes than this is large (nodes).
        large_zone_threshold: u32,
        /// A zone is partly disrupted from this share of NotReady nodes on (ratio).
        unhealthy_zone_threshold: f64,
        /// And if it has more NotReady nodes than this (nodes).
        unhealthy_zone_nodes_min: u32,
        /// Pods tolerate an unreachable node for this long before they are deleted (duration).
        unreachable_toleration: SimDuration,
        /// From the return of a node's power to its kubelet and its agent being up (duration).
        node_boot_latency: Distribution,
        /// Queries per second that one controller's client may make (1/s).
        controller_client_qps: f64,
        /// Burst of the same (requests).
        controller_client_burst: u32,
        /// Client requests per pod that the ReplicaSet controller creates or deletes: the write and its event (requests).
        controller_requests_per_pod: u32,
        /// From the notification of a controller to its sync acting (duration).
        controller_sync_latency: Distribution,
        /// From the removal of a pod to the garbage collector's removal of what it owned (duration).
        garbage_collection_latency: Distribution,
        /// First size of the batches in which a ReplicaSet creates pods; each next batch is twice as large (pods).
        slow_start_initial_batch: u32,
        /// Most pods that one sync of a ReplicaSet creates or deletes (pods).
        replica_set_burst: u32,
        /// First back-off of a failed sync; it doubles (duration).
        controller_retry_initial: SimDuration,
        /// Longest back-off of a failed sync (duration).
        controller_retry_max: SimDuration,
        /// One scheduling cycle; cycles follow one another (duration).
        scheduling_latency: Distribution,
        /// First wait of an unschedulable pod before it is tried again; it doubles (duration).
        scheduling_backoff_initial: SimDuration,
        /// Longest such wait (duration).
        scheduling_backoff_max: SimDuration,
        /// Most pods per node (pods).
        pods_per_node_max: u32,
        /// Kubelet's pod worker starts on a pod, volumes and projected token included (duration).
        pod_setup_latency: Distribution,
        /// Creating the sandbox before the network plugin is called (duration).
        sandbox_latency: Distribution,
        /// Wait of the pod worker after a failed sandbox (duration).
        sandbox_retry: Distribution,
        /// Starting one container with its image present (duration).
        container_start_latency: Distribution,
        /// From the start of an init container of a workload to its end (duration).
        init_container_run: Distribution,
        /// From the start of the containers of a Job to their end, where no annotation gives it (duration).
        job_run: Distribution,
        /// The Job controller acts this long after a change of a pod (duration).
        job_sync_period: SimDuration,
        /// Wait of the Job controller after a failed pod; it doubles with each failure in a row (duration).
        job_backoff_initial: SimDuration,
        /// Longest such wait (duration).
        job_backoff_max: SimDuration,
        /// Pull of an image that a node does not have; with 0 every node has all images (duration).
        image_pull: Distribution,
        /// Comparison of an image with the registry, with `imagePullPolicy: Always`; nothing while `image_pull` is 0 (duration).
        image_check: Distribution,
        /// A kubelet pulls one image after another (switch).
        image_pulls_serial: bool,
        /// Kubelet looks at all containers this often (duration).
        pleg_period: SimDuration,
        /// Queries per second of a kubelet's client for statuses, tokens and deletions of pods (1/s).
        kubelet_client_qps: f64,
        /// Burst of the same (requests).
        kubelet_client_burst: u32,
        /// Requests of one status: reads, and the last one writes (requests).
        kubelet_requests_per_status: u32,
        /// Requests of one service account token mounted into a pod (requests).
        kubelet_requests_per_token: u32,
        /// The backlog of statuses is replaced by one per changed pod this often (duration).
        status_batch_period: SimDuration,
        /// A backlog of statuses is replaced by the newest one of each pod behind every sync (switch).
        status_sync_newest: bool,
        /// Sandboxes and containers that a node starts or stops at the same time; others wait (cores).
        node_cores: u32,
        /// First back-off of a kubelet before it starts a container that has ended twice; it doubles (duration).
        container_backoff_initial: SimDuration,
        /// Longest such back-off (duration).
        container_backoff_max: SimDuration,
        /// After this time of running the back-off is forgotten (duration).
        container_backoff_reset: SimDuration,
        /// systemd starts a kubelet that has ended after this (duration).
        kubelet_restart_wait: SimDuration,
        /// From a kubelet's start to its lists being complete (duration).
        kubelet_start_latency: Distribution,
        /// From a service proxy's start to its lists being complete (duration).
        service_proxy_start_latency: Distribution,
        /// From an API server's start to its serving (duration).
        api_server_start_latency: Distribution,
        /// A token is refused when its dates are off by more than this by the clock of the API server (duration).
        token_clock_leeway: SimDuration,
        /// Grace period of the pods that no manifest describes: Istiod's and churn's (duration).
        termination_grace_period_default: SimDuration,
        /// Shortest time between asking a process to stop and killing it (duration).
        minimum_kill_window: SimDuration,
        /// A process that handles the request to stop ends after this (duration).
        term_reaction: Distribution,
        /// Stopping the sandbox after its last container, up to the network plugin's release (duration).
        sandbox_stop_latency: Distribution,
        /// An EndpointSlice follows a change of its pods after this (duration).
        endpoint_slice_sync_latency: Distribution,
        /// One run of the service proxy that programs its node (duration).
        service_proxy_sync_latency: Distribution,
        /// Between two runs of the service proxy when it has none to spare (duration).
        service_proxy_sync_interval: SimDuration,
        /// Most runs that the service proxy has to spare after a pause (runs).
        service_proxy_sync_burst: u32,
    }
}

parameters! {
    /// Cilium: agent, address management, identities, datapath.
    CiliumParams {
        /// A tunnelled packet that is also WireGuard-encrypted carries the sender's identity (switch).
        wireguard_encapsulates: bool,
        /// Endpoint creations per second that an agent admits before adjustment (1/s).
        endpoint_create_rate: f64,
        /// Burst of the same (requests).
        endpoint_create_burst: u32,
        /// Creations at the same time (requests).
        endpoint_create_parallel: u32,
        /// Least number of creations at the same time after adjustment (requests).
        endpoint_create_parallel_min: u32,
        /// Expected duration of one creation; the rate is scaled by expected over measured (duration).
        endpoint_create_estimate: SimDuration,
        /// Whether rate, burst and parallelism follow the measured duration (switch).
        endpoint_create_auto_adjust: bool,
        /// Number of the latest creations over which the duration is averaged (requests).
        endpoint_create_mean_over: u32,
        /// Share of the adjustment that burst and parallelism follow (ratio).
        endpoint_create_delayed_adjustment: f64,
        /// Largest factor of adjustment (ratio).
        endpoint_create_adjustment_max: f64,
        /// First creations after the agent's start that are not limited (requests).
        endpoint_create_skip_initial: u32,
        /// A creation that would wait longer is refused (duration).
        endpoint_create_max_wait: SimDuration,
        /// Building an endpoint's programs, up to the end of the network plugin's call (duration).
        endpoint_build_latency: Distribution,
        /// Creating a security identity in the API (duration).
        identity_create_latency: Distribution,
        /// From a CiliumIdentity's creation to another agent's selectors and policy maps (duration).
        identity_watch_latency: Distribution,
        /// The network plugin's call to the agent times out after this (duration).
        endpoint_call_timeout: SimDuration,
        /// The network plugin's call fails when it has not reached the agent within this (duration).
        plugin_connect_timeout: SimDuration,
        /// From an agent's start, once it reaches the API server, to its serving the network plugin with all caches (duration).
        agent_start_latency: Distribution,
        /// An agent that starts tries to reach the API server this often (duration).
        agent_connect_interval: SimDuration,
        /// And ends when that has been in vain for this long (duration).
        agent_connect_limit: SimDuration,
        /// The agent's liveness probe fails while it does not reach the API server (switch).
        agent_liveness_needs_api: bool,
        /// Period of that probe (duration).
        agent_liveness_period: SimDuration,
        /// Failures in a row after which the agent is ended (failures).
        agent_liveness_threshold: u32,
        /// The agent tests a silent connection to the API server after this (duration).
        api_read_idle_timeout: SimDuration,
        /// And closes it when the test is not answered within this (duration).
        api_ping_timeout: SimDuration,
        /// Age of the last frame on that connection when it is cut (duration).
        api_last_frame_age: Distribution,
        /// Time limit of a TCP connect to the API server (duration).
        api_dial_timeout: SimDuration,
        /// First back-off of a watch that cannot be opened; it doubles, each up to twice as long (duration).
        api_backoff_initial: SimDuration,
        /// Longest such back-off before it is stretched (duration).
        api_backoff_max: SimDuration,
        /// Between two dials of an agent that streams its lists (WatchList), within one call; 0 if it lists, and backs off (duration).
        api_watch_list_redial: SimDuration,
        /// Watches of an agent, each of which dials on its own (watches).
        api_watches: u32,
        /// From the identity being known to the CiliumEndpoint being written (duration).
        endpoint_publish_latency: Distribution,
        /// Queries per second of an agent's client of the API server (1/s).
        agent_client_qps: f64,
        /// Burst of the same (requests).
        agent_client_burst: u32,
        /// Requests of the agent for one new endpoint: a read, its creation, and one more at its next round (requests).
        agent_requests_per_endpoint: u32,
        /// From an endpoint's publication to that round (duration).
        agent_endpoint_sync_period: SimDuration,
        /// From a CiliumEndpoint's write to another agent's ipcache (duration).
        ipcache_latency: Distribution,
        /// Writes within this span reach one agent's ipcache together: one delay per agent and span (duration).
        ipcache_batch_period: SimDuration,
        /// Addresses of a node's pool that Cilium itself uses: router and health endpoint (addresses).
        node_addresses: u32,
    }
}

parameters! {
    /// Istio: Istiod, pilot-agent, Envoy's bootstrap, injection.
    IstioParams {
        /// What the proxy of a pod requests of its node's processors (cores).
        sidecar_cpu_request: f64,
        /// And of its memory (MiB).
        sidecar_memory_request: u32,
        /// A failed certificate request closes its connection, so the next dials anew (switch).
        csr_redial_on_error: bool,
        /// After a failed connect calls fail until the channel stands again; otherwise they wait for its next connect (switch).
        channel_fails_fast_while_redialling: bool,
        /// First back-off of the warm-up loop (duration).
        warm_up_backoff_initial: SimDuration,
        /// Factor of the warm-up loop's back-off (ratio).
        warm_up_backoff_multiplier: f64,
        /// Spread of the warm-up loop's back-off, ± (ratio).
        warm_up_backoff_jitter_ratio: f64,
        /// Longest back-off of the warm-up loop (duration).
        warm_up_backoff_max: SimDuration,
        /// Attempts of one certificate request, in total, on codes that are retried (attempts).
        csr_attempts: u32,
        /// First wait between those attempts; it doubles (duration).
        csr_attempt_backoff: SimDuration,
        /// Spread of those waits, ± (ratio).
        csr_attempt_jitter_ratio: f64,
        /// Life of a certificate (duration).
        certificate_lifetime: SimDuration,
        /// A certificate is valid from so long before its signature, by the clock of its Istiod (duration).
        certificate_back_dating: SimDuration,
        /// A certificate is renewed when this share of its life is left, by the clock of its node (ratio).
        certificate_renewal_ratio: f64,
        /// Spread of that share, ± (ratio).
        certificate_renewal_jitter_ratio: f64,
        /// Life of the service account token that a sidecar shows to Istiod (duration).
        token_lifetime: SimDuration,
        /// An attempt to connect times out after this (duration).
        connect_timeout: SimDuration,
        /// First wait of a channel after a failed connect (duration).
        channel_backoff_initial: SimDuration,
        /// Factor of that wait (ratio).
        channel_backoff_multiplier: f64,
        /// Spread of that wait, ± (ratio).
        channel_backoff_jitter_ratio: f64,
        /// Longest such wait (duration).
        channel_backoff_max: SimDuration,
        /// Envoy's streams retry after a wait uniform below this; it doubles (duration).
        envoy_backoff_initial: SimDuration,
        /// Longest upper end of that wait (duration).
        envoy_backoff_max: SimDuration,
        /// Istiod ends a connection at this age (duration).
        connection_age: SimDuration,
        /// Spread of that age, ± (ratio).
        connection_age_jitter_ratio: f64,
        /// Grace after that age before requests in flight are cut (duration).
        connection_age_grace: SimDuration,
        /// A certificate request on a connection on which nothing passes fails after this (duration).
        certificate_channel_dead_after: SimDuration,
        /// A configuration stream on which nothing passes ends after this (duration).
        configuration_channel_dead_after: SimDuration,
        /// Requests per second of one Istiod to the API server (1/s).
        api_client_qps: f64,
        /// Burst of the same (requests).
        api_client_burst: u32,
        /// New configuration streams per second of one Istiod (1/s).
        stream_rate: f64,
        /// A new stream that would wait longer for its turn is refused (duration).
        stream_wait_max: SimDuration,
        /// Time limit of a TCP connect to the API server (duration).
        api_dial_timeout: SimDuration,
        /// First back-off of a client that cannot reach the API server; it doubles, each up to twice as long (duration).
        api_backoff_initial: SimDuration,
        /// Longest such back-off before it is stretched (duration).
        api_backoff_max: SimDuration,
        /// A silent connection to the API server is tested after this (duration).
        api_read_idle_timeout: SimDuration,
        /// And closed when the test is not answered within this (duration).
        api_ping_timeout: SimDuration,
        /// Age of the last frame on that connection when it is cut (duration).
        api_last_frame_age: Distribution,
        /// Between two dials of an Istiod that streams its lists (WatchList), within one call; 0 if it lists, and backs off (duration).
        api_watch_list_redial: SimDuration,
        /// Watches of an Istiod, each of which dials on its own (watches).
        api_watches: u32,
        /// Leader election locks that an Istiod reads or renews (locks).
        api_locks: u32,
        /// Between two requests for one lock (duration).
        api_lock_interval: Distribution,
        /// Answer of a connection that is rejected and not dropped (duration).
        reject_latency: Distribution,
        /// A TokenReview on a healthy API server, both ways (duration).
        token_review_latency: Distribution,
        /// Checking and signing one certificate request (duration).
        sign_latency: Distribution,
        /// Generating the first configuration of a proxy (duration).
        first_push_latency: Distribution,
        /// Push of a changed snapshot to a connected proxy (duration).
        push_latency: Distribution,
        /// Istiod waits for this much quiet before it makes a snapshot (duration).
        debounce_after: SimDuration,
        /// But not longer than this (duration).
        debounce_max: SimDuration,
        /// From Istiod's container starting to its being ready (duration).
        istiod_start_latency: Distribution,
        /// Period of Istiod's readiness probe (duration).
        readiness_probe_period: SimDuration,
        /// A readiness probe of Istiod that is not answered within this has failed (duration).
        readiness_probe_timeout: SimDuration,
        /// Failures in a row after which Istiod's pod is not ready (failures).
        readiness_probe_threshold: u32,
        /// The init container that redirects traffic (duration).
        init_container_latency: Distribution,
        /// From the proxy's container starting to its first requests (duration).
        agent_start_latency: Distribution,
        /// Generating a private key and request (duration).
        key_generation_latency: Distribution,
        /// From certificate and configuration being there to Envoy being live (duration).
        envoy_warm_up_latency: Distribution,
        /// First probe of the proxy after its container started (duration).
        probe_initial_delay: SimDuration,
        /// Period of the probe that decides when a starting proxy is ready (duration).
        probe_period: SimDuration,
        /// The API server waits this long for the injection webhook (duration).
        webhook_timeout: SimDuration,
        /// The injection webhook's answer (duration).
        webhook_latency: Distribution,
        /// Idle connections to the webhook that the API server keeps (connections).
        webhook_idle_connections: u32,
        /// And how long it keeps an unused one (duration).
        webhook_idle_timeout: SimDuration,
    }
}

parameters! {
    /// The network between nodes and the clients' TCP.
    NetworkParams {
        /// One way between two pods (duration).
        one_way_latency: Distribution,
        /// First retransmission of an unanswered SYN; the wait doubles each time (duration).
        syn_retransmit_initial: SimDuration,
        /// Retransmissions of a SYN before the connect fails (packets).
        syn_retransmits: u32,
        /// First retransmission of a segment that is not acknowledged; the wait doubles each time (duration).
        retransmit_initial: SimDuration,
        /// Longest wait between two retransmissions (duration).
        retransmit_max: SimDuration,
        /// A repair is felt at once: readers list again at that instant, and what is in flight still fails by its time limit (switch).
        repair_reaches_at_once: bool,
        /// Time in which CoreDNS answers a query (duration).
        dns_latency: Distribution,
        /// A query without an answer times out after this (duration).
        dns_timeout: SimDuration,
        /// Queries for one name before the dial fails, each to a replica of its own (queries).
        dns_attempts: u32,
        /// Names that are asked for until Istiod's is found: those of the search list come first (names).
        dns_names_per_dial: u32,
        /// Time to serve one HTTP request (duration).
        request_latency: Distribution,
    }
}
