//! What runs leave behind about deploys, refused creations and recovery, on worlds where it is known.

use std::collections::BTreeSet;

use meshfault::cluster::faults::FaultKind;
use meshfault::cluster::faults::cut::CutMode;
use meshfault::cluster::faults::out_of_memory::OutOfMemory;
use meshfault::cluster::faults::place::{Where, Whom};
use meshfault::cluster::ids::NodeId;
use meshfault::cluster::party::PartyKind;
use meshfault::cluster::records::{DelayCause, PodRecord, RunRecord};
use meshfault::cluster::spec::{Step, WorldSpec};
use meshfault::kernel::Distribution;

use crate::support::{Bench, at, at_first_istiod, between, cut, measured, pause, s, workload};

const RUNS: u64 = 20;

fn runs(bench: Bench) -> Vec<RunRecord> {
    let lab = bench.ready();
    (0..RUNS).map(|replication| lab.one(replication).run).collect()
}

/// A restart eight minutes after a node was cut, whose pods are terminating and cannot end, with this deadline.
fn deploys(deadline_s: f64) -> Vec<RunRecord> {
    let alter = |world: &mut WorldSpec| {
        for step in &mut world.script {
            if let Step::RolloutRestart { deadline, .. } = step {
                *deadline = Some(s(deadline_s));
            }
        }
    };
    runs(Bench::case("rollout", &[]).only("cut").edit(alter))
}

#[test]
fn a_deploy_is_complete_when_rollout_status_says_so_or_overdue_at_its_deadline() {
    for run in deploys(600.0) {
        assert_eq!((run.deploys, run.deploys_in_time), (1, 1), "{run:?}");
        assert!(
            run.longest_deploy < Some(s(60.0)) && run.longest_deploy > Some(s(2.0)),
            "{run:?}"
        );
    }
    for run in deploys(1.0) {
        assert_eq!((run.deploys, run.deploys_in_time), (1, 0), "{run:?}");
        assert!(
            run.longest_deploy >= Some(s(1.0)) && run.longest_deploy < Some(s(4.0)),
            "{run:?}"
        );
    }
}

#[test]
fn applies_and_scales_are_deploys_if_the_script_waits_for_them() {
    // Before the first fault they do not count; without any they do.
    let first_steps = |steps: usize, wait_s: f64| {
        let alter = |world: &mut WorldSpec| {
            world.faults.clear();
            world.script.truncate(steps);
            if let Some(Step::WaitReady { timeout, .. }) = world.script.last_mut() {
                *timeout = s(wait_s);
            }
        };
        runs(Bench::case("rollout", &[]).only("cut").edit(alter))
    };
    for (steps, wait_s, asked, in_time) in [(2, 1.0, 0, 0), (3, 300.0, 1, 1), (3, 0.1, 1, 0)] {
        for run in first_steps(steps, wait_s) {
            assert_eq!(
                (run.deploys, run.deploys_in_time),
                (asked, in_time),
                "{steps} {wait_s}: {run:?}"
            );
        }
    }
}

/// Node 1 cut off for so long, ten pods running.
fn cut_for(for_s: Option<f64>, changes: &[&str]) -> Vec<RunRecord> {
    let alter = |world: &mut WorldSpec| {
        world.faults[0].when.duration = for_s.map(s);
        let start = world
            .script
            .iter()
            .position(|step| matches!(step, Step::StartFault { .. }));
        world.script.truncate(start.expect("the script starts the fault") + 1);
        world.script.push(pause(400.0));
    };
    runs(Bench::case("rollout", changes).only("cut").edit(alter))
}

fn after(run: &RunRecord) -> [Option<f64>; 3] {
    let repaired = run.repaired.expect("the fault ended");
    [run.readers_current, run.nodes_ready, run.pods_ready].map(|time| Some(time?.since(repaired).as_secs_f64()))
}

#[test]
fn recovery_counts_from_the_end_of_the_fault_until_nothing_is_amiss() {
    for run in cut_for(None, &[]) {
        assert_eq!((run.repaired, run.readers_current, run.pods_ready), (None, None, None));
    }
    // A short cut is over when what was lost is sent again; no node was NotReady.
    for run in cut_for(Some(10.0), &[]) {
        let [readers, nodes, pods] = after(&run).map(|after| after.expect("all is well again"));
        assert!((0.0..20.0).contains(&readers) && nodes == 0.0 && pods == 0.0, "{run:?}");
        assert!(run.node_given_up.is_none());
    }
    // A long one is over when the node is Ready again, then its pods.
    let (mut nodes_later, mut pods_later) = (0, 0);
    for run in cut_for(Some(100.0), &[]) {
        let [readers, nodes, pods] = after(&run).map(|after| after.expect("all is well again"));
        assert!(run.node_given_up.is_some());
        assert!((0.0..60.0).contains(&readers) && nodes < 60.0 && pods < 70.0, "{run:?}");
        nodes_later += usize::from(nodes > 0.0);
        pods_later += usize::from(pods >= nodes);
    }
    assert_eq!((nodes_later, pods_later), (RUNS as usize, RUNS as usize));
    // If repairs are felt at once, watches are.
    for run in cut_for(Some(100.0), &["parameters.network.repair_reaches_at_once=true"]) {
        assert_eq!(after(&run)[0], Some(0.0));
    }
}

/// The first pod of a batch is asked for after 0, 5, 15, 35 ms and so on: nine or ten times within 3 s.
#[test]
fn refused_creations_are_counted_and_so_are_those_sent_again() {
    let of = |mode: Option<CutMode>| {
        let alter = |world: &mut WorldSpec| {
            let sleep = workload(world, "sleep-v2");
            world.istio.as_mut().expect("the experiment has Istio").replicas = 1;
            cut(world, 0).whom.place = at_first_istiod();
            match mode {
                Some(mode) => cut(world, 0).mode = mode,
                None => cut(world, 0).whom.parties.clear(),
            }
            world.faults[0].when.duration = Some(s(3.0));
            let scale = Step::Scale {
                workload: sleep,
                replicas: 5,
            };
            world.script = vec![pause(60.0), Step::StartFault { fault: 0 }, scale];
            world.measures.startup_since_step = 1;
            world.horizon = at(200.0);
        };
        runs(Bench::of("mechanisms", &[]).only("d-webhook").edit(alter))
    };
    for run in of(Some(CutMode::Reject)) {
        assert!((9..=10).contains(&run.creations_refused), "{run:?}");
        assert_eq!(run.creations_repeated, run.creations_refused);
    }
    for run in of(None) {
        assert_eq!((run.creations_refused, run.creations_repeated), (0, 0));
    }
}

/// Pods that are bound while no node reaches the API start when it is back: the wait is put down to their nodes. One of ten nodes is
/// cut off until the horizon: nothing of what starts elsewhere is.
#[test]
fn what_a_node_without_the_api_costs_is_put_down_to_it() {
    let lost = |pod: &PodRecord| {
        let of_nodes = pod.delays.iter().filter(|(cause, _)| *cause == DelayCause::Node);
        of_nodes.map(|(_, lost)| lost.as_secs_f64()).sum::<f64>()
    };
    let lab = Bench::of("one-node-against-all", &[]).ready();
    let (mut late, mut elsewhere) = (0, 0);
    for replication in 0..RUNS {
        for pod in measured(&lab.run("all-nodes@length=2m", replication)).filter(|pod| pod.took(s(60.0))) {
            let took = between(pod.desired, pod.exit);
            assert!(lost(pod) <= took && lost(pod) > 0.8 * took - 10.0, "{took} {pod:?}");
            assert_eq!(pod.delayed_by, Some(DelayCause::Node), "{pod:?}");
            late += 1;
        }
        let outcome = lab.run("one-node@length=8m", replication);
        let by_node: BTreeSet<_> = measured(&outcome)
            .filter(|pod| lost(pod) > 0.0)
            .map(|pod| &pod.node)
            .collect();
        assert!(by_node.len() <= 1, "{by_node:?}");
        elsewhere += measured(&outcome).filter(|pod| lost(pod) == 0.0).count();
    }
    assert!(late > 100 && elsewhere > 100, "{late} {elsewhere}");
}

/// A Cilium agent that is killed again and again starts no pod, also between the end of the fault and its next start.
#[test]
fn what_an_agent_without_memory_costs_is_put_down_to_its_node() {
    let lab = Bench::of("one-node-against-all", &[])
        .only("one-node@length=8m")
        .edit(|world| {
            let whom = Whom {
                place: Where::Nodes((1..world.nodes).map(NodeId).collect()),
                pick: None,
                parties: vec![PartyKind::Agent],
            };
            let fills_in = Distribution::Constant(s(0.1));
            world.faults[0].kind = FaultKind::OutOfMemory(OutOfMemory { whom, fills_in });
            world.faults[0].when.duration = Some(s(200.0));
        });
    let lab = lab.ready();
    let (mut late, mut explained) = (0, 0);
    for replication in 0..RUNS {
        for pod in measured(&lab.one(replication)).filter(|pod| pod.took(s(60.0))) {
            late += 1;
            explained += usize::from(pod.delayed_by == Some(DelayCause::Node));
        }
    }
    assert!(late > 100 && explained * 10 >= late * 9, "{explained} of {late}");
}
