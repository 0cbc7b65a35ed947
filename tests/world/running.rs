//! Workloads that run when a run begins, against the same ones applied, waited for and left alone for ten minutes.
//!
//! Both worlds have the same random numbers where they do the same, so that differences are taken run by run.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use meshfault::cluster::cilium::ipcache;
use meshfault::cluster::context::Shared;
use meshfault::cluster::event::{Event, SidecarEvent};
use meshfault::cluster::fault::act;
use meshfault::cluster::faults::cut::CutMode;
use meshfault::cluster::ids::{IstiodId, KindId, NodeId, PodId, ServiceId};
use meshfault::cluster::istio::messages::{Answer, Channel};
use meshfault::cluster::party::{Party, PartyKind};
use meshfault::cluster::records::{AccessClass, ExitCause, LayerDecision, Outcome};
use meshfault::cluster::spec::{Step, WorldSpec};
use meshfault::cluster::world::Watch;
use meshfault::kernel::{DrawLog, Moment, SimTime};

use crate::operators::{NETWORK, scripted};
use crate::support::{Bench, Z_MAX, at, at_first_istiod, cuts, on_node, takes_down, workload, z_of_mean, z_of_share};

const MESH: &str = "coredns: 2, cilium: {version: \"1.16.5\", routing: vxlan, encryption: none}, istio: {version: \"1.21.0\", replicas: 3}";
const RUNNING: &str = "running: [server, client, stranger]";
const APPLIED: &str =
    "  - apply: [server, client, stranger]\n  - wait_ready: {workloads: [server, client, stranger], timeout: 5m}\n";

/// Ten pods of each workload.
fn ten_of_each(world: &mut WorldSpec) {
    let workloads = Arc::make_mut(&mut world.workloads);
    workloads.iter_mut().for_each(|workload| workload.replicas = 10);
}

/// The same steps in a world whose workloads run, at 30 s, and in one where they were applied ten minutes before.
fn both(cluster: &str, steps: &str, changes: &[&str], alter: fn(&mut WorldSpec)) -> [Bench; 2] {
    let warm = format!("  - wait: {{until: 30s}}\n{steps}\n{RUNNING}");
    let cold = format!("{APPLIED}  - wait: {{until: 11m}}\n{steps}");
    [warm, cold].map(|script| scripted(cluster, &script, changes).edit(ten_of_each).edit(alter))
}

/// What a world has come to.
#[derive(Debug, Default, PartialEq)]
struct State {
    /// Pods of each kind that are ready, run, are connected, hold their address, and have a live proxy if they have one.
    pods: Vec<usize>,
    /// Pairs of a pod and a node whose agent knows the pod's address and identity.
    known: usize,
    /// By Service: how many backends service proxies and sidecars send to, each number with how many of them.
    backends: BTreeMap<u32, BTreeMap<usize, usize>>,
    sidecars: BTreeMap<u32, BTreeMap<usize, usize>>,
    certificates: usize,
}

/// Takes the state at the first event from a time on.
struct Look {
    from: SimTime,
    state: Option<State>,
}

impl Watch for Look {
    fn event(&mut self, moment: &Moment, _: &Event, shared: &Shared) -> ControlFlow<()> {
        if moment.time < self.from || self.state.is_some() {
            return ControlFlow::Continue(());
        }
        let (now, blueprint) = (moment.time, &shared.blueprint);
        let mut state = State::default();
        let up = |pod: &&PodId| {
            let (physics, object) = (shared.physics.pod(**pod), shared.api.pod(**pod).expect("it is there"));
            let place = object.node.zip(object.ip);
            object.ready
                && physics.running
                && physics.connected
                && physics.place == place
                && place.is_some_and(|(_, ip)| shared.physics.holder(ip) == Some(**pod))
                && (physics.proxy_live || !shared.kind(**pod).has_sidecar())
        };
        let pods: Vec<&[PodId]> = (0..blueprint.kinds.len() as u32)
            .map(|kind| shared.api.pods_of(KindId(kind)))
            .collect();
        state.pods = pods.iter().map(|pods| pods.iter().filter(up).count()).collect();
        let nodes = || (0..blueprint.spec.nodes).map(NodeId);
        for &pod in pods.iter().copied().flatten() {
            let Some((_, ip)) = shared.physics.pod(pod).place else {
                continue;
            };
            let knows = |node: &NodeId| {
                let entry = ipcache::entry(shared, *node, ip, now).filter(|entry| entry.endpoint.pod == pod);
                entry.is_some_and(|entry| {
                    let identity = shared.true_identity_at(*node, entry.endpoint.identity, now);
                    identity == Some(shared.kind(pod).identity)
                })
            };
            state.known += nodes().filter(knows).count();
            state.certificates += usize::from(shared.certificates.of(pod).is_some());
            for service in 0..blueprint.services as u32 {
                if let Some((_, view)) = shared.proxy_of(pod) {
                    let backends = view.at(service, now).map_or(0, |backends| backends.len());
                    *state.sidecars.entry(service).or_default().entry(backends).or_default() += 1;
                }
            }
        }
        for service in 0..blueprint.services as u32 {
            for node in nodes() {
                let backends = shared.backends_at(node, ServiceId(service), now);
                let backends = backends.map_or(0, |backends| backends.len());
                *state.backends.entry(service).or_default().entry(backends).or_default() += 1;
            }
        }
        self.state = Some(state);
        ControlFlow::Continue(())
    }
}

fn watched(bench: &Bench, replication: u64, watch: &mut dyn Watch) -> Outcome {
    let outcome = bench.simulator(act).watched(0, replication, DrawLog::default(), watch);
    assert_eq!(outcome.run.failure, None);
    outcome
}

#[test]
fn the_state_is_that_of_a_world_in_which_everything_was_applied_long_before() {
    for cluster in [NETWORK, MESH] {
        let [warm, cold] = both(cluster, "  - pause: 1s", &[], |_| ());
        for replication in 0..3 {
            let state = |bench: &Bench, from_s: f64| {
                let (from, state) = (at(from_s), None);
                let mut look = Look { from, state };
                watched(bench, replication, &mut look);
                look.state.expect("it was seen")
            };
            let first = state(&warm, 0.0);
            assert_eq!(first, state(&cold, 600.0), "{cluster}");
            assert_eq!(first, state(&warm, 29.0), "{cluster}");
            // Ten pods of each workload, and with the mesh Istiod and CoreDNS.
            let pods = if cluster == MESH { 35 } else { 30 };
            assert_eq!((first.pods.iter().sum(), first.known), (pods, pods * 6));
        }
    }
}

#[test]
fn a_healthy_world_serves_from_its_first_instant_and_no_window_opens() {
    let script = "  - repeat: {every: 1s, times: 40, steps: [{probe: {from: client, to: server, time_limit: 1s}}, \
                  {probe: {from: stranger, to: server, time_limit: 1s}}]}\n  \
                  - apply: [client]\n  - wait_ready: {workloads: [client], timeout: 1s}\n\
                  running: [\"*\"]\nmeasures: {exposure: all, startup: {workloads: [client]}}";
    for cluster in [NETWORK, MESH] {
        let lab = scripted(cluster, script, &["horizon=2m"]).edit(ten_of_each).ready();
        for replication in 0..3 {
            let outcome = lab.one(replication);
            assert_eq!(outcome.run.script_stopped, None);
            assert_eq!(outcome.accesses[0].time, SimTime::ZERO);
            assert_eq!(outcome.accesses.len(), 80);
            for access in &outcome.accesses {
                let class = match access.network_intended {
                    LayerDecision::Allow => AccessClass::Allowed,
                    LayerDecision::Deny => AccessClass::Denied,
                };
                assert_eq!(access.class, class, "{access:?}");
            }
            // Applying what runs changes nothing, and what ran before has no start.
            assert_eq!((&outcome.exposures, &outcome.pods), (&Vec::new(), &Vec::new()));
            assert_eq!(outcome.run.pods, if cluster == MESH { 35 } else { 30 });
        }
    }
}

/// How far a difference, run by run, is from none, in standard errors; one of a tenth of the mean would be refuted.
fn no_difference(what: &str, pairs: &[(f64, f64)]) {
    let differences: Vec<f64> = pairs.iter().map(|(warm, cold)| warm - cold).collect();
    let mean = pairs.iter().map(|(_, cold)| cold).sum::<f64>() / pairs.len() as f64;
    let (here, power) = (z_of_mean(&differences, 0.0), z_of_mean(&differences, mean * 0.15));
    eprintln!("{what}: mean {mean:.3}, z = {here:.2}, 15% off: {power:.1}");
    assert!(here.abs() <= Z_MAX, "{what}: z = {here}");
    assert!(power.abs() > Z_MAX, "{what} has no power: {power}");
}

#[test]
fn what_follows_has_the_same_distribution() {
    // A rollout, new pods on a cut node, and a reused address that the node does not hear of.
    let rollout = both(
        NETWORK,
        "  - rollout_restart: {workload: client, deadline: 5m}",
        &[],
        |_| (),
    );
    let scaled = "  - scale: {workload: client, replicas: 25}\n  - wait_ready: {workloads: [client], timeout: 5m}\n  - pause: 1s\n";
    let scale = both(MESH, scaled, &[], |_| ());
    let reuse = "  - start_fault: cut\n  - scale: {workload: client, replicas: 0}\n  - pause: 15s\n  \
                 - scale: {workload: stranger, replicas: 40}\nfaults: {cut: {cut: {node_of: server, parties: [cilium_agent], mode: drop}}}\n\
                 measures: {exposure: {clients: [stranger], servers: [server], port: 8080}}\n";
    let native = "cilium: {version: \"1.16.5\", routing: native, encryption: none}, istio: none";
    let reuse = both(native, reuse, &["cluster.node_prefix_length=26"], |world| {
        let server = workload(world, "server");
        Arc::make_mut(&mut world.workloads)[server].replicas = 1;
    });
    let pairs = |benches: [Bench; 2], runs: u64, value: fn(&Outcome) -> f64| -> Vec<(f64, f64)> {
        let [warm, cold] = benches.map(|bench| bench.ready());
        (0..runs)
            .map(|run| (value(&warm.one(run)), value(&cold.one(run))))
            .collect()
    };
    let deploy = |outcome: &Outcome| outcome.run.longest_deploy.expect("it was waited for").as_secs_f64();
    no_difference("rollout", &pairs(rollout, 100, deploy));
    // The pods of the scale are the last ones; in the other world the first ones have starts too.
    let starts = |outcome: &Outcome| {
        let pods = outcome
            .pods
            .iter()
            .rev()
            .filter(|pod| pod.workload == "client")
            .take(15);
        let spans = pods.map(|pod| pod.exit.as_secs_f64() - pod.desired.as_secs_f64());
        spans.sum::<f64>() / 15.0
    };
    no_difference("scale", &pairs(scale, 60, starts));
    let exposed = |outcome: &Outcome| {
        let spans = outcome.exposures.iter();
        spans
            .map(|window| window.end.map_or(1_200.0, |end| end.as_secs_f64()) - window.start.as_secs_f64())
            .filter(|span| *span > 60.0)
            .count() as f64
    };
    no_difference("windows", &pairs(reuse, 300, exposed));
}

/// When sidecars that followed the first Istiod at a time have a stream again.
struct Streams {
    from: SimTime,
    followed: Option<Vec<PodId>>,
    back: BTreeMap<PodId, f64>,
}

impl Watch for Streams {
    fn event(&mut self, moment: &Moment, event: &Event, shared: &Shared) -> ControlFlow<()> {
        if moment.time < self.from {
            return ControlFlow::Continue(());
        }
        let followed = self.followed.get_or_insert_with(|| {
            let pods = (0..shared.pods.len() as u32).map(PodId);
            let first = |pod: &PodId| shared.proxy_of(*pod).is_some_and(|(istiod, _)| istiod == IstiodId(0));
            pods.filter(first).collect()
        });
        if let Event::Sidecar(pod, SidecarEvent::Answer(Channel::Configuration, .., Answer::Ok)) = event
            && followed.contains(pod)
        {
            let after = moment.time.since(self.from).as_secs_f64();
            self.back.entry(*pod).or_insert(after);
        }
        ControlFlow::Continue(())
    }
}

#[test]
fn sidecars_leave_an_istiod_that_is_lost_as_if_they_had_connected_long_before() {
    // Streams of any age would end meanwhile.
    let changes = ["parameters.istio.connection_age=1000h"];
    let from = [30.0, 660.0].map(at);
    let benches = both(MESH, "  - pause: 5m", &changes, |world| {
        world.faults = vec![cuts(
            "lost",
            at_first_istiod(),
            &[PartyKind::IstiodClients],
            CutMode::Drop,
        )];
    })
    .into_iter()
    .zip(from)
    .map(|(bench, from)| bench.edit(|world| world.faults[0].when.starts_at = Some(from)));
    let benches: Vec<Bench> = benches.collect();
    let (mut pairs, mut followed) = (Vec::new(), 0);
    for replication in 0..60 {
        let mut means = [0.0; 2];
        for ((bench, from), mean) in benches.iter().zip(from).zip(&mut means) {
            let mut streams = Streams {
                from,
                followed: None,
                back: BTreeMap::new(),
            };
            watched(bench, replication, &mut streams);
            let of_first = streams.followed.expect("they were seen");
            assert_eq!(streams.back.len(), of_first.len(), "all are back");
            followed += of_first.len();
            *mean = streams.back.values().sum::<f64>() / (streams.back.len() as f64).max(1.0);
        }
        pairs.push((means[0], means[1]));
    }
    let z = z_of_share(followed, 60 * 60, 1.0 / 3.0);
    assert!(z.abs() <= Z_MAX, "a third follows each of three: {z}");
    no_difference("streams", &pairs);
}

/// Certificates at the beginning, and renewals in the run.
#[derive(Default)]
struct Certificates {
    /// Shares of their lives that were over.
    ages: Vec<f64>,
    renewed: usize,
}

impl Watch for Certificates {
    fn event(&mut self, _: &Moment, event: &Event, shared: &Shared) -> ControlFlow<()> {
        if self.ages.is_empty() {
            let params = &shared.blueprint.istio().params;
            let pods = (0..shared.pods.len() as u32).map(PodId);
            let certificates = pods.filter_map(|pod| shared.certificates.of(pod));
            let now = shared.clocks.shown(Party::Node(NodeId(0)), SimTime::ZERO);
            let left = certificates.map(|certificate| certificate.not_after.since(now).as_secs_f64());
            self.ages = left
                .map(|left| 1.0 - left / params.certificate_lifetime.as_secs_f64())
                .collect();
        }
        self.renewed += usize::from(matches!(event, Event::Sidecar(_, SidecarEvent::Renews(_))));
        ControlFlow::Continue(())
    }
}

#[test]
fn certificates_have_any_age_and_are_renewed_at_a_steady_rate() {
    // With 1.21 half of its life after it was issued. In a quarter of the life half of them are due.
    let script = format!("  - pause: 1s\n{RUNNING}");
    let bench = scripted(
        MESH,
        &script,
        &["parameters.istio.certificate_lifetime=1h", "horizon=15m"],
    )
    .edit(ten_of_each);
    let (mut ages, mut renewed) = (Vec::new(), 0);
    for replication in 0..30 {
        let mut seen = Certificates::default();
        watched(&bench, replication, &mut seen);
        ages.extend(seen.ages);
        renewed += seen.renewed;
    }
    assert_eq!(ages.len(), 900);
    assert!(ages.iter().all(|age| (0.0..=0.5).contains(age)), "{ages:?}");
    let z = z_of_mean(&ages, 0.25);
    let young = ages.iter().filter(|age| **age < 0.05).count();
    let (tenth, half) = (z_of_share(young, ages.len(), 0.1), z_of_share(renewed, ages.len(), 0.5));
    eprintln!("mean age: z = {z:.2}, a tenth: {tenth:.2}, renewed: {half:.2}");
    assert!(z.abs() <= Z_MAX && tenth.abs() <= Z_MAX && half.abs() <= Z_MAX);
}

#[test]
fn pods_that_ran_before_are_older_than_all_others() {
    let script = format!(
        "  - scale: {{workload: client, replicas: 14}}\n  - pause: 20s\n  - scale: {{workload: client, replicas: 10}}\n{RUNNING}"
    );
    let lab = scripted(NETWORK, &script, &["horizon=2m"]).edit(ten_of_each).ready();
    for replication in 0..20 {
        let told = lab.told(replication);
        let removed = told.lines.iter().filter_map(|line| line.text.strip_prefix("removes "));
        let gone: BTreeSet<&str> = removed.filter(|pod| pod.starts_with("client-")).collect();
        assert_eq!(gone.len(), 4);
        assert!(
            gone.iter()
                .all(|pod| (10..14).any(|new| *pod == format!("client-1-{new}"))),
            "{gone:?}"
        );
        assert_eq!(told.pods.len(), 4, "only new pods have rows");
    }
}

#[test]
fn pods_start_where_they_are_and_those_without_an_address_start_in_the_run() {
    let script = format!("  - pause: 60s\n{RUNNING}");
    let crowded = |world: &mut WorldSpec| {
        let client = workload(world, "client");
        Arc::make_mut(&mut world.workloads)[client].replicas = 20;
        world.placement = vec![Vec::new(); world.workloads.len()];
        world.placement[client] = vec![NodeId(2); 20];
    };
    let bench = scripted(NETWORK, &script, &["cluster.node_prefix_length=28", "horizon=5m"]).edit(crowded);
    let mut look = Look {
        from: at(0.0),
        state: None,
    };
    let outcome = watched(&bench, 0, &mut look);
    // Of 14 addresses the node has two itself, and the stranger and the server may be there too.
    let client = workload(bench.world(0), "client");
    let ready = look.state.map(|state| state.pods[client]);
    assert!(ready.is_some_and(|ready| (10..=12).contains(&ready)), "{ready:?}");
    let late: Vec<ExitCause> = outcome
        .pods
        .iter()
        .filter(|pod| pod.workload == "client")
        .map(|pod| pod.exit_cause)
        .collect();
    assert_eq!(Some(20 - late.len()), ready);
    assert!(late.iter().all(|cause| *cause == ExitCause::Censored), "{late:?}");
}

#[test]
fn a_node_that_is_lost_has_its_pods_replaced() {
    let script = format!("  - pause: 1s\n{RUNNING}");
    let off = |world: &mut WorldSpec| {
        world.faults = vec![takes_down("off", on_node(1))];
        world.faults[0].when.starts_at = Some(at(10.0));
        let client = workload(world, "client");
        world.placement = vec![Vec::new(); world.workloads.len()];
        world.placement[client] = vec![NodeId(1); 10];
    };
    for cluster in [NETWORK, MESH] {
        let lab = scripted(cluster, &script, &[]).edit(ten_of_each).edit(off).ready();
        let outcome = lab.one(0);
        assert!(outcome.run.pods_evicted >= 10, "{:?}", outcome.run);
        let new: Vec<ExitCause> = outcome
            .pods
            .iter()
            .filter(|pod| pod.workload == "client")
            .map(|pod| pod.exit_cause)
            .collect();
        assert_eq!(new, [ExitCause::Ready; 10]);
        assert!(
            outcome
                .pods
                .iter()
                .all(|pod| pod.desired > at(300.0) && pod.desired < at(400.0))
        );
    }
}

#[test]
fn a_script_may_use_what_runs() {
    let bench = scripted(NETWORK, "  - remember_ips: client\nrunning: [client]", &[]);
    assert!(matches!(bench.world(0).script[..], [Step::RememberIps { .. }]));
    assert_eq!(bench.world(0).running, [workload(bench.world(0), "client")]);
}

/// Availability is known from the first instant, and falls as in a world that was applied.
#[test]
fn edges_of_running_workloads_are_available_from_the_first_instant() {
    let cluster = NETWORK;
    let watch = "  - wait: {until: 40s}\nmeasures: {exposure: all}\n";
    let bench = scripted(cluster, &format!("{watch}{RUNNING}"), &[]);
    let outcome = bench.ready().run("only", 0);
    let edges: Vec<_> = outcome
        .edges
        .iter()
        .filter(|edge| edge.availability.is_some())
        .collect();
    assert!(!edges.is_empty(), "{:?}", outcome.edges);
    for edge in edges {
        assert_eq!((edge.start, edge.availability), (SimTime::ZERO, Some(1.0)), "{edge:?}");
    }
}
