//! A node that loses its power: what of it stays, who replaces its pods and when, and what those pay who talk to an Istiod on it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use meshfault::cluster::context::Shared;
use meshfault::cluster::event::{Event, NodeLifecycleEvent, SidecarEvent, Write};
use meshfault::cluster::ids::{KindId, NodeId, PodId};
use meshfault::cluster::istio::messages::{Answer, Channel};
use meshfault::cluster::spec::{Step, WorldSpec};
use meshfault::cluster::world::Watch;
use meshfault::kernel::{DrawLog, Moment, SimTime};

use crate::support::{Bench, agrees, at, between, on_node, pause, s, takes_down, workload, z_over_runs};

/// When the node loses its power [s].
const OFF_S: f64 = 100.0;
const NODE: NodeId = NodeId(1);

/// What became of the pods of the node, in seconds since it lost its power.
#[derive(Default)]
struct Seen {
    /// Its pods when it lost its power, with their addresses.
    before: Vec<(PodId, std::net::Ipv4Addr)>,
    marked: Option<f64>,
    evicted: Option<f64>,
    returned: Option<f64>,
    /// Creations since then.
    created: Vec<f64>,
    /// Writes about pods that only the node's own kubelet makes, while it is off.
    wrote_while_off: usize,
    /// Of its pods, at the end: how many hold their address, another one, none.
    addresses: [usize; 3],
    ready_at_end: usize,
}

impl Watch for Seen {
    fn event(&mut self, moment: &Moment, event: &Event, shared: &Shared) -> ControlFlow<()> {
        let after = moment.time.as_secs_f64() - OFF_S;
        if after < 0.0 {
            let pods = (0..shared.pods.len() as u32).map(PodId);
            let here = pods.filter_map(|pod| shared.physics.pod(pod).place.map(|(node, ip)| (pod, node, ip)));
            self.before = here
                .filter(|(_, node, _)| *node == NODE)
                .map(|(pod, _, ip)| (pod, ip))
                .collect();
            return ControlFlow::Continue(());
        }
        let of_node = |pod: &PodId| self.before.iter().any(|(other, _)| other == pod);
        match event {
            Event::NodeLifecycle(NodeLifecycleEvent::MarkNotReady(_)) => self.marked = Some(after),
            Event::NodeLifecycle(NodeLifecycleEvent::Evict(_)) => self.evicted = Some(after),
            Event::Commit(Write::SetNodeReady(_, true)) => self.returned = Some(after),
            Event::Commit(Write::CreatePod(..)) => self.created.push(after),
            Event::Commit(Write::ReportAddress(pod, _) | Write::ReportReady(pod, ..) | Write::RemovePod(pod))
                if of_node(pod) && shared.nodes_down.has(NODE) =>
            {
                self.wrote_while_off += 1;
            }
            _ => {}
        }
        self.addresses = [0; 3];
        for (pod, ip) in &self.before {
            match shared.physics.pod(*pod).place {
                Some((_, now)) if now == *ip => self.addresses[0] += 1,
                Some(_) => self.addresses[1] += 1,
                None => self.addresses[2] += 1,
            }
        }
        let kinds = (0..shared.blueprint.kinds.len() as u32).map(KindId);
        let pods = kinds.flat_map(|kind| shared.api.pods_of(kind).to_vec());
        self.ready_at_end = pods
            .filter(|pod| shared.api.pod(*pod).is_some_and(|object| object.ready))
            .count();
        ControlFlow::Continue(())
    }
}

/// Twelve pods on three nodes, one of which is off for a time.
fn outage(for_s: Option<f64>, replication: u64) -> Seen {
    let alter = |world: &mut WorldSpec| {
        world.faults = vec![takes_down("off", on_node(NODE.0))];
        world.faults[0].when.starts_at = Some(at(OFF_S));
        world.faults[0].when.duration = for_s.map(s);
        let scale = Step::Scale {
            workload: workload(world, "sleep-v2"),
            replicas: 12,
        };
        world.script = vec![scale, pause(1_000.0)];
        world.horizon = at(1_100.0);
        world.measures.startup_since_step = 0;
        world.measures.exposure_clients = Vec::new();
        world.measures.exposure_servers = Vec::new();
    };
    let bench = Bench::of("ip-reuse", &[]).only("vxlan").edit(alter);
    let mut seen = Seen::default();
    let simulator = bench.simulator(meshfault::cluster::fault::act);
    let outcome = simulator.watched(0, replication, DrawLog::default(), &mut seen);
    assert_eq!(outcome.run.failure, None);
    assert_eq!(outcome.run.nodes_falsely_not_ready, 0);
    assert_eq!(outcome.run.parties_cut, 1);
    seen
}

#[test]
fn pods_of_a_dead_node_are_replaced_after_grace_and_toleration_and_keep_their_addresses() {
    for replication in 0..20 {
        let seen = outage(None, replication);
        assert_eq!(seen.before.len(), 4);
        let (marked, evicted) = (seen.marked.expect("marked"), seen.evicted.expect("evicted"));
        assert!((29.6..45.1).contains(&marked), "{marked}");
        assert!((evicted - marked - 305.0).abs() < 1e-6, "{evicted}");
        assert_eq!(seen.created.len(), 4);
        assert!(
            seen.created.iter().all(|at| (0.0..5.0).contains(&(at - evicted))),
            "{:?}",
            seen.created
        );
        assert_eq!((seen.addresses, seen.wrote_while_off), ([4, 0, 0], 0));
        assert_eq!(seen.ready_at_end, 12);
    }
}

#[test]
fn a_node_that_is_back_soon_restarts_its_pods_with_new_addresses() {
    for replication in 0..20 {
        // NotReady, but not evicted.
        let seen = outage(Some(60.0), replication);
        let returned = seen.returned.expect("it boots");
        assert!((90.0..=150.1).contains(&returned), "{returned}");
        assert_eq!((seen.created.len(), seen.ready_at_end), (0, 12));
        assert_eq!(seen.addresses[0] + seen.addresses[1], 4);
        // An address out of 254 is rarely the same.
        assert!(seen.addresses[1] >= 3, "{:?}", seen.addresses);
        // An outage shorter than the grace period is no less of one: the boot takes longer.
        let short = outage(Some(1.0), replication);
        assert_eq!((short.evicted, short.ready_at_end, short.addresses[2]), (None, 12, 0));
        // Evicted in the meantime: nothing is left of them.
        let late = outage(Some(500.0), replication);
        assert_eq!(
            (late.created.len(), late.addresses, late.ready_at_end),
            (4, [0, 0, 4], 12)
        );
    }
}

/// From its key to its certificate, pod by pod.
#[derive(Default)]
struct Certificates(BTreeMap<PodId, (SimTime, Option<SimTime>)>);

impl Watch for Certificates {
    fn event(&mut self, moment: &Moment, event: &Event, shared: &Shared) -> ControlFlow<()> {
        let now = moment.time;
        match event {
            Event::Sidecar(pod, SidecarEvent::KeyReady) if shared.physics.pod(*pod).running => {
                self.0.insert(*pod, (now, None));
            }
            Event::Sidecar(pod, SidecarEvent::Answer(Channel::Certificate, .., Answer::Ok)) => {
                if let Some((_, end)) = self.0.get_mut(pod) {
                    end.get_or_insert(now);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Seconds that the certificates took of pods that ran. A node with one of three Istiods is switched off so long after they were created,
/// or before.
fn certificates(bench: &Bench, replication: u64) -> Vec<f64> {
    let mut certificates = Certificates::default();
    let simulator = bench.simulator(meshfault::cluster::fault::act);
    let outcome = simulator.watched(0, replication, DrawLog::default(), &mut certificates);
    assert_eq!(outcome.run.failure, None);
    let dead: Vec<bool> = outcome
        .pods
        .iter()
        .map(|pod| pod.node.as_deref() == Some("worker-1"))
        .collect();
    // Later ones may find the dead Istiod withdrawn, or take the place of pods that were evicted.
    let live = certificates
        .0
        .iter()
        .filter(|(pod, (begin, _))| !dead[pod.index()] && *begin < at(88.0));
    live.map(|(_, (begin, end))| end.map_or(f64::INFINITY, |end| between(*begin, end)))
        .collect()
}

fn bench(changes: &[&str], created: f64, for_s: Option<f64>) -> Bench {
    let alter = |world: &mut WorldSpec| {
        world.faults = vec![takes_down("off", on_node(NODE.0))];
        world.faults[0].when.duration = for_s.map(s);
        let scale = Step::Scale {
            workload: workload(world, "sleep"),
            replicas: 60,
        };
        let off = Step::StartFault { fault: 0 };
        world.script = match created < 0.0 {
            true => vec![pause(60.0), scale, pause(-created), off],
            false => vec![pause(60.0), off, pause(created), scale],
        };
        world.horizon = at(if created < 0.0 { 1_100.0 } else { 250.0 });
        world.measures.startup_since_step = 0;
    };
    // All pods start at once.
    let fast = [
        "parameters.kubernetes.kubelet_client_qps=1000",
        "parameters.kubernetes.kubelet_client_burst=1000",
    ];
    let changes: Vec<&str> = changes.iter().copied().chain(fast).collect();
    Bench::of("one-istiod-of-three", &changes)
        .only("drop-redraw")
        .edit(alter)
}

const RUNS: u64 = 400;

/// Per run: certificates within these bounds, and all.
fn shares(changes: &[&str], created: f64, for_s: Option<f64>, within: std::ops::Range<f64>) -> Vec<(usize, usize)> {
    let bench = bench(changes, created, for_s);
    let run = |replication| {
        let waits = certificates(&bench, replication);
        (waits.iter().filter(|wait| within.contains(wait)).count(), waits.len())
    };
    (0..RUNS).map(run).collect()
}

#[test]
fn a_third_of_the_certificates_waits_twenty_seconds_for_a_dead_istiod() {
    for version in ["cluster.istio.version=1.14.3", "cluster.istio.version=1.21.0"] {
        let late = shares(&[version], 10.0, None, 20.0..f64::MAX);
        agrees(version, 1.0 / 3.0, |share| z_over_runs(&late, share));
        // Nobody waits between a healthy start and the time limit of a connect.
        let between = shares(&[version], 10.0, None, 10.0..20.0);
        assert_eq!(between.iter().map(|(hits, _)| hits).sum::<usize>(), 0);
    }
}

/// A request that was under way when the node lost its power is given up after 15 minutes, and from 1.17 on after 40 s.
#[test]
fn requests_under_way_wait_until_their_connection_is_given_up() {
    // Long reviews, so that all requests are under way.
    let changes = |version| [version, "parameters.istio.token_review_latency=20s"];
    for (version, for_s, within) in [
        ("cluster.istio.version=1.14.3", None, 924.0..1_000.0),
        // Nobody answers an old connection when the node is back.
        ("cluster.istio.version=1.14.3", Some(60.0), 924.0..1_000.0),
        ("cluster.istio.version=1.17.0", None, 40.0..120.0),
        ("cluster.istio.version=1.21.0", None, 40.0..120.0),
    ] {
        let stuck = shares(&changes(version), -12.0, for_s, within);
        agrees(version, 1.0 / 3.0, |share| z_over_runs(&stuck, share));
    }
}
