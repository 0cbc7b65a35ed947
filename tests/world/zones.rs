//! Several nodes that fail at once: which of them are marked NotReady, whose pods are evicted and how fast, and what of it is undone.
//! The rules by themselves are tested in `cluster/zone_taints.rs`; here they are, with leases and passes, in whole runs.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use meshfault::cluster::context::Shared;
use meshfault::cluster::event::{Event, NodeLifecycleEvent, Write};
use meshfault::cluster::faults::cut::CutMode;
use meshfault::cluster::faults::place::Where;
use meshfault::cluster::ids::{KindId, NodeId};
use meshfault::cluster::party::PartyKind;
use meshfault::cluster::spec::{Step, WorldSpec};
use meshfault::cluster::world::Watch;
use meshfault::kernel::{DrawLog, Moment, SimTime};

use crate::support::{Bench, Z_MAX, at, cuts, pause, s, workload, z_of_mean};

/// From a taint to the eviction [s].
const TOLERATION_S: f64 = 300.0;
/// When the fault begins [s].
const CUT_S: f64 = 200.0;

/// What happened to nodes and pods after the fault began, in seconds since then.
#[derive(Default)]
struct Nodes {
    marked: BTreeMap<u32, f64>,
    returned: BTreeMap<u32, f64>,
    /// In order of time.
    evicted: Vec<(u32, f64)>,
    /// Pods that are ready: when the fault begins, fewest, at the end.
    ready: (usize, usize, usize),
    created: usize,
    pods_evicted: usize,
    zones: Vec<u32>,
}

impl Watch for Nodes {
    fn event(&mut self, moment: &Moment, event: &Event, shared: &Shared) -> ControlFlow<()> {
        if self.zones.is_empty() {
            let blueprint = &shared.blueprint;
            self.zones = (0..blueprint.spec.nodes)
                .map(|node| blueprint.zone_of(NodeId(node)))
                .collect();
        }
        let after = moment.time.as_secs_f64() - CUT_S;
        if let Event::Commit(_) = event {
            let kinds = (0..shared.blueprint.kinds.len() as u32).map(KindId);
            let pods = kinds.flat_map(|kind| shared.api.pods_of(kind));
            let ready = pods
                .filter(|pod| shared.api.pod(**pod).is_some_and(|object| object.ready))
                .count();
            match after {
                before if before < 0.0 => self.ready = (ready, ready, ready),
                _ => self.ready = (self.ready.0, self.ready.1.min(ready), ready),
            }
        }
        match event {
            Event::Commit(Write::SetNodeReady(NodeId(node), true)) => _ = self.returned.insert(*node, after),
            Event::NodeLifecycle(NodeLifecycleEvent::MarkNotReady(NodeId(node))) => {
                self.marked.insert(*node, after);
            }
            Event::NodeLifecycle(NodeLifecycleEvent::Evict(NodeId(node))) => self.evicted.push((*node, after)),
            Event::Commit(Write::CreatePod(..)) if after > 0.0 => self.created += 1,
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Nodes {
    /// Times of evictions in a zone.
    fn evicted_in(&self, zone: u32) -> Vec<f64> {
        let here = self
            .evicted
            .iter()
            .filter(|(node, _)| self.zones[*node as usize] == zone);
        here.map(|(_, time)| *time).collect()
    }
}

/// A cluster of so many nodes in which the kubelets of some are cut off, for a span or to the end of 30 minutes.
struct Outage {
    nodes: u32,
    zones: u32,
    lost: Vec<u32>,
    for_s: Option<f64>,
    pods: u32,
    version: &'static str,
}

impl Outage {
    fn run(&self, replication: u64) -> Nodes {
        let changes = [
            format!("cluster.nodes={}", self.nodes),
            format!("cluster.zones={}", self.zones),
            format!("cluster.kubernetes={}", self.version),
        ];
        let alter = |world: &mut WorldSpec| {
            let lost = self.lost.iter().copied().map(NodeId).collect();
            let mut fault = cuts("lost", Where::Nodes(lost), &[PartyKind::Kubelet], CutMode::Drop);
            fault.when.starts_at = Some(at(CUT_S));
            fault.when.duration = self.for_s.map(s);
            world.faults = vec![fault];
            let scale = Step::Scale {
                workload: workload(world, "sleep-v2"),
                replicas: self.pods,
            };
            world.script = if self.pods > 0 {
                vec![scale, pause(1.0)]
            } else {
                vec![pause(1.0)]
            };
            world.horizon = at(1_800.0);
            world.measures.startup_since_step = 0;
            world.measures.exposure_clients = Vec::new();
            world.measures.exposure_servers = Vec::new();
        };
        let changes: Vec<&str> = changes.iter().map(String::as_str).collect();
        let bench = Bench::of("ip-reuse", &changes).only("vxlan").edit(alter);
        let mut nodes = Nodes::default();
        let simulator = bench.simulator(meshfault::cluster::fault::act);
        let outcome = simulator.watched(0, replication, DrawLog::default(), &mut nodes);
        assert_eq!(outcome.run.failure, None);
        assert_eq!(outcome.run.nodes_marked_not_ready as usize, nodes.marked.len());
        assert_eq!(outcome.run.nodes_falsely_not_ready, outcome.run.nodes_marked_not_ready);
        nodes.pods_evicted = outcome.run.pods_evicted as usize;
        nodes
    }
}

const SMALL: Outage = Outage {
    nodes: 20,
    zones: 1,
    lost: Vec::new(),
    for_s: None,
    pods: 0,
    version: "1.24",
};

/// A load balancer in front of the API servers that is away for 8 minutes.
#[test]
fn if_all_nodes_are_silent_nobody_is_evicted_though_no_pod_stays_ready() {
    for zones in [1, 3] {
        let all_lost = Outage {
            lost: (0..20).collect(),
            for_s: Some(480.0),
            zones,
            pods: 60,
            ..SMALL
        };
        for replication in 0..5 {
            let nodes = all_lost.run(replication);
            assert_eq!(nodes.marked.len(), 20);
            assert!(nodes.evicted.is_empty(), "{:?}", nodes.evicted);
            assert_eq!((nodes.ready, nodes.created, nodes.pods_evicted), ((60, 0, 60), 0, 0));
            let (first, last) = (nodes.returned.values(), nodes.returned.values());
            let (first, last) = (
                first.fold(f64::MAX, |a, b| a.min(*b)),
                last.fold(0.0_f64, |a, b| a.max(*b)),
            );
            assert!(480.0 < first && last < 505.0, "{first} to {last}");
        }
    }
    // While one node in 20 is heard, nothing is undone: the nodes of the first pass may have got one taint before the zone was
    // found to be disrupted, and no other follows.
    let all_but_one = Outage {
        lost: (1..20).collect(),
        for_s: Some(480.0),
        pods: 60,
        ..SMALL
    };
    for replication in 0..5 {
        assert!(all_but_one.run(replication).evicted.len() <= 1);
    }
}

/// 33 s without the API. A kubelet of 1.24 sends its renewals on the dead connection until the health check closes it, up to 45 s after
/// the last frame, which is longer than the grace period of 40 s and shorter than that of 50 s.
#[test]
fn half_a_minute_without_a_load_balancer_marks_most_nodes_at_1_24_and_few_at_1_32() {
    let share = |version: &'static str| -> Vec<f64> {
        let outage = Outage {
            lost: (0..20).collect(),
            for_s: Some(33.0),
            version,
            ..SMALL
        };
        (0..60)
            .map(|replication| outage.run(replication).marked.len() as f64 / 20.0)
            .collect()
    };
    let (old, new) = (share("1.24"), share("1.32"));
    let mean = |shares: &[f64]| shares.iter().sum::<f64>() / shares.len() as f64;
    let z = (z_of_mean(&old, 0.5), z_of_mean(&new, 0.1));
    eprintln!(
        "share marked NotReady: {:.3} and {:.3}, z = {z:.1?}",
        mean(&old),
        mean(&new)
    );
    assert!(z.0 > Z_MAX && z.1 < -Z_MAX, "{z:?}");
}

#[test]
fn three_silent_nodes_of_a_zone_are_evicted_ten_seconds_apart() {
    let three = Outage {
        lost: vec![4, 5, 6],
        pods: 60,
        ..SMALL
    };
    for replication in 0..10 {
        let nodes = three.run(replication);
        let times = nodes.evicted_in(0);
        assert_eq!(times.len(), 3);
        let first = nodes.marked.values().fold(f64::MAX, |a, b| a.min(*b));
        // A pass after the first of them was marked.
        assert!(
            (times[0] - first - 5.0 - TOLERATION_S).abs() < 1e-6,
            "{times:?}, {first}"
        );
        for gap in times.windows(2).map(|pair| pair[1] - pair[0]) {
            assert!((gap - 10.0).abs() < 1e-6, "{times:?}");
        }
        assert!(nodes.pods_evicted >= 9);
        assert_eq!(nodes.created, nodes.pods_evicted);
    }
}

#[test]
fn zones_have_limiters_of_their_own() {
    // Nodes 1, 2 and 3 of zones 1, 2 and 0 (workers are counted from 0), then again.
    let six = Outage {
        lost: (1..7).collect(),
        zones: 3,
        nodes: 31,
        ..SMALL
    };
    let nodes = six.run(0);
    assert_eq!(nodes.zones[..7], [0, 0, 1, 2, 0, 1, 2]);
    for zone in 0..3 {
        let times = nodes.evicted_in(zone);
        assert_eq!(times.len(), 2);
        assert!(times[1] - times[0] >= 10.0 - 1e-6, "{times:?}");
    }
}

#[test]
fn a_small_zone_that_is_mostly_silent_is_spared_and_others_are_not() {
    // Zone 0 has the control plane and workers 1, 4, 7, …; of its 11 nodes 8 are lost, and a single one of zone 1.
    let lost = (0..8).map(|number| 1 + 3 * number).chain([2]).collect();
    let outage = Outage {
        lost,
        zones: 3,
        nodes: 31,
        ..SMALL
    };
    for replication in 0..10 {
        let nodes = outage.run(replication);
        assert_eq!(nodes.evicted_in(1).len(), 1);
        // A pass that marks too few of them lets at most the next pass taint one.
        assert!(nodes.evicted_in(0).len() <= 1, "{:?}", nodes.evicted);
    }
}

#[test]
fn a_large_zone_that_is_mostly_silent_is_evicted_slowly() {
    let outage = Outage {
        nodes: 60,
        lost: (1..41).collect(),
        ..SMALL
    };
    let nodes = outage.run(0);
    let times = nodes.evicted_in(0);
    // The limiter of the disrupted zone; the first taint may be older than it.
    for gap in times.windows(2).skip(1).map(|pair| pair[1] - pair[0]) {
        assert!((gap - 100.0).abs() < 1e-6, "{times:?}");
    }
    assert!((13..=16).contains(&times.len()), "{times:?}");
}

/// What happens to a node depends on its own leases and on how many others are silent, not on its number.
#[test]
fn other_nodes_of_the_same_number_fail_alike() {
    let of = |lost: Vec<u32>| {
        let outage = Outage { lost, ..SMALL };
        let runs = (0..200).map(|replication| outage.run(replication));
        let spans = runs.map(|nodes| nodes.evicted.last().expect("all are evicted").1);
        spans.collect::<Vec<f64>>()
    };
    let (low, high) = (of(vec![1, 2, 3]), of(vec![17, 18, 19]));
    let mean = high.iter().sum::<f64>() / high.len() as f64;
    let z = z_of_mean(&low, mean);
    // The mean of the other sample has an error of the same size.
    assert!(z.abs() < Z_MAX * std::f64::consts::SQRT_2, "{z}");
}

/// Which nodes the pods of a workload are bound to.
#[derive(Default)]
struct Placement(Vec<u32>);

impl Watch for Placement {
    fn event(&mut self, _: &Moment, event: &Event, shared: &Shared) -> ControlFlow<()> {
        if let Event::Commit(Write::BindPod(_, node)) = event {
            self.0.push(shared.blueprint.zone_of(*node));
        }
        ControlFlow::Continue(())
    }
}

#[test]
fn pods_of_a_workload_are_spread_over_zones() {
    for pods in [1_u32, 3, 10] {
        let alter = |world: &mut WorldSpec| {
            let workload = workload(world, "sleep-v2");
            world.script = vec![
                Step::Scale {
                    workload,
                    replicas: pods,
                },
                pause(1.0),
            ];
            world.horizon = SimTime::ZERO + s(60.0);
            world.measures.startup_since_step = 0;
        };
        // 8 workers in three zones: 3, 3 and 2.
        let changes = ["cluster.nodes=9", "cluster.zones=3"];
        let bench = Bench::of("ip-reuse", &changes).only("vxlan").edit(alter);
        let simulator = bench.simulator(meshfault::cluster::fault::act);
        let mut placement = Placement::default();
        simulator.watched(0, 0, DrawLog::default(), &mut placement);
        let here = |zone| placement.0.iter().filter(|other| **other == zone).count() as u32;
        assert!(
            (0..3).all(|zone| here(zone) == pods / 3 || here(zone) == pods.div_ceil(3)),
            "{:?}",
            placement.0
        );
        assert_eq!(placement.0.len() as u32, pods);
    }
}
