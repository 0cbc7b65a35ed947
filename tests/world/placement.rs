//! Where pods start: the first ones of a workload on the nodes that the description names, all others where the scheduler chooses.

use std::ops::ControlFlow;

use meshfault::cluster::context::Shared;
use meshfault::cluster::event::{Event, Write};
use meshfault::cluster::ids::{KindId, NodeId};
use meshfault::cluster::spec::{Rollout, Step, WorldSpec};
use meshfault::cluster::world::Watch;
use meshfault::kernel::{DrawLog, Moment};

use crate::support::{Bench, at, pause, s, workload};

/// Bindings of the pods of a kind: revision, ordinal and node.
struct Bound {
    kind: KindId,
    pods: Vec<(u32, u32, NodeId)>,
}

impl Watch for Bound {
    fn event(&mut self, _: &Moment, event: &Event, shared: &Shared) -> ControlFlow<()> {
        if let Event::Commit(Write::BindPod(pod, node)) = event {
            let meta = &shared.pods[pod.index()];
            if meta.kind == self.kind {
                self.pods.push((meta.revision, meta.ordinal, *node));
            }
        }
        ControlFlow::Continue(())
    }
}

/// The bindings of `sleep-v1`, 15 pods that are restarted once on three workers, with these nodes for the first of them.
fn bound(nodes: &[u32]) -> Vec<(u32, u32, NodeId)> {
    let alter = |world: &mut WorldSpec| {
        let sleep = workload(world, "sleep-v1");
        world.placement = vec![Vec::new(); world.workloads.len()];
        world.placement[sleep] = nodes.iter().copied().map(NodeId).collect();
        world.script = vec![
            Step::Apply { workloads: vec![sleep] },
            pause(60.0),
            Step::RolloutRestart {
                of: Rollout::Deployment(KindId(sleep as u32)),
                deadline: Some(s(120.0)),
            },
        ];
        world.faults = Vec::new();
        world.horizon = at(300.0);
        world.measures.startup_since_step = 0;
        world.measures.exposure_clients = Vec::new();
        world.measures.exposure_servers = Vec::new();
    };
    let bench = Bench::of("ip-reuse", &[]).only("vxlan").edit(alter);
    let kind = KindId(workload(bench.world(0), "sleep-v1") as u32);
    let mut bound = Bound { kind, pods: Vec::new() };
    let simulator = bench.simulator(meshfault::cluster::fault::act);
    let outcome = simulator.watched(0, 0, DrawLog::default(), &mut bound);
    assert_eq!(outcome.run.failure, None);
    bound.pods
}

#[test]
fn the_first_pods_start_where_the_description_places_them_and_no_others() {
    let nodes = [3, 3, 1, 3, 3, 3, 3, 3];
    let placed = bound(&nodes);
    let free = bound(&[]);
    let of = |pods: &[(u32, u32, NodeId)], revision: u32| -> Vec<(u32, NodeId)> {
        let mut pods: Vec<(u32, NodeId)> = pods
            .iter()
            .filter(|(of, ..)| *of == revision)
            .map(|(_, ordinal, node)| (*ordinal, *node))
            .collect();
        pods.sort_unstable();
        pods
    };
    let first = of(&placed, 1);
    assert_eq!(first.len(), 15);
    for (ordinal, node) in nodes.iter().enumerate() {
        assert_eq!(first[ordinal], (ordinal as u32, NodeId(*node)));
    }
    // The scheduler spreads the others over the emptier nodes, and those of a restart as well.
    let on_third = |pods: &[(u32, NodeId)]| pods.iter().filter(|(_, node)| *node == NodeId(3)).count();
    assert_eq!(on_third(&first), 7, "{first:?}");
    assert_eq!(on_third(&of(&free, 1)), 5);
    assert!(!of(&placed, 2).is_empty());
    assert!(on_third(&of(&placed, 2)) < 7, "{:?}", of(&placed, 2));
}
