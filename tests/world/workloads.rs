//! What manifests say of the start and the places of pods: probes, init containers, node selectors, tolerations, spread, and the
//! kinds of controllers. Latencies are constants, as in `event_log`, so that times are exact.

use std::collections::BTreeMap;
use std::sync::Arc;

use meshfault::cluster::ids::{KindId, NodeId};
use meshfault::cluster::placement::{CONTROL_PLANE, HOSTNAME, Spread, Toleration, ZONE};
use meshfault::cluster::records::{Outcome, PodRecord};
use meshfault::cluster::spec::{Controller, NodeAt, Probe, ProbedContainer, Rollout, Step, WorkloadSpec, WorldSpec};
use meshfault::kernel::{SimDuration, SimTime};
use meshfault::policy::LabelSelector;
use meshfault::policy::labels::Requirement;

use crate::event_log::PLAIN;
use crate::support::{Bench, at, between, pause, s, workload};

/// Runs nothing but sleep-v1, as `alter` makes it.
fn run(changes: &[&str], alter: impl Fn(&mut WorldSpec, usize)) -> Outcome {
    let mut all = PLAIN.to_vec();
    all.extend(changes);
    let bench = Bench::of("ip-reuse", &all).only("vxlan").edit(|world| {
        let sleep = workload(world, "sleep-v1");
        world.horizon = at(120.0);
        world.faults.clear();
        world.script = vec![Step::Apply { workloads: vec![sleep] }];
        alter(world, sleep);
    });
    bench.ready().one(0)
}

fn of(world: &mut WorldSpec, workload: usize) -> &mut WorkloadSpec {
    &mut Arc::make_mut(&mut world.workloads)[workload]
}

/// The only pod of a run in which `alter` changes the workload.
fn one_pod(changes: &[&str], alter: impl Fn(&mut WorkloadSpec)) -> PodRecord {
    let outcome = run(changes, |world, sleep| {
        of(world, sleep).replicas = 1;
        alter(of(world, sleep));
    });
    assert_eq!(outcome.pods.len(), 1);
    outcome.pods[0].clone()
}

fn probe(initial_delay: f64, period: f64, successes: u32) -> Option<Probe> {
    Some(Probe {
        initial_delay: s(initial_delay),
        period: s(period),
        successes,
    })
}

fn ready_with(startup: Option<Probe>, readiness: Option<Probe>, answers_after: SimDuration) -> SimTime {
    let pod = one_pod(&[], |workload| {
        workload.probed = vec![ProbedContainer { startup, readiness }];
        workload.answers_after = answers_after;
    });
    let (running, ready) = (pod.running.expect("it runs"), pod.ready.expect("it is ready"));
    assert!(running <= ready);
    ready
}

#[test]
fn readiness_probes_tick_from_the_start_of_their_worker() {
    let none = SimDuration::ZERO;
    let without = one_pod(&[], |_| ()).ready.expect("it is ready");
    // What is seen to run is probed at once.
    assert_eq!(ready_with(None, probe(0.0, 10.0, 1), none), without);
    // Eight seconds are the second tick of four and the first of eight: the worker began less than three seconds before.
    let second = ready_with(None, probe(5.0, 4.0, 1), none);
    assert_eq!(ready_with(None, probe(5.0, 8.0, 1), none), second);
    assert!((5.0..8.0).contains(&between(without, second)));
    assert_eq!(between(second, ready_with(None, probe(5.0, 4.0, 3), none)), 8.0);
    assert_eq!(ready_with(probe(5.0, 4.0, 1), None, none), second);
    assert_eq!(ready_with(probe(5.0, 4.0, 1), probe(0.0, 60.0, 1), none), second);
    // A container that answers later is not ready before.
    assert_eq!(ready_with(None, probe(0.0, 4.0, 1), s(5.0)), second);
}

#[test]
fn init_containers_run_one_after_another() {
    let running = |count: u32| {
        let changes = ["parameters.kubernetes.init_container_run=2s"];
        one_pod(&changes, |workload| workload.init_containers = count)
            .running
            .expect("it runs")
    };
    // Start and run take 2.2 s; the next look sees the end within a millisecond.
    for count in 1..4 {
        let later = between(running(0), running(count)) - 2.2 * f64::from(count);
        assert!((-1e-9..0.005).contains(&later), "{count}: {later}");
    }
}

/// How many pods each node has; those without a node under an empty name.
fn by_node(outcome: &Outcome) -> BTreeMap<String, u32> {
    let mut nodes = BTreeMap::new();
    for pod in &outcome.pods {
        *nodes.entry(pod.node.clone().unwrap_or_default()).or_default() += 1;
    }
    nodes
}

fn on_nodes(nodes: u32, zones: u32, alter: impl Fn(&mut WorkloadSpec)) -> BTreeMap<String, u32> {
    let outcome = run(&[], |world, sleep| {
        (world.nodes, world.zones) = (nodes, zones);
        let workload = of(world, sleep);
        workload.anti_affinity.clear();
        workload.replicas = 6;
        alter(workload);
    });
    by_node(&outcome)
}

/// A toleration of the control plane's taint, or none.
fn tolerating(tolerates: bool) -> Vec<Toleration> {
    let toleration = Toleration {
        key: Some(CONTROL_PLANE.to_owned()),
        ..Toleration::default()
    };
    tolerates.then_some(toleration).into_iter().collect()
}

fn requires(key: &str, requirement: Requirement) -> Vec<LabelSelector> {
    vec![LabelSelector {
        match_expressions: vec![(key.to_owned(), requirement)],
        ..LabelSelector::default()
    }]
}

fn counts(pairs: &[(&str, u32)]) -> BTreeMap<String, u32> {
    pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

#[test]
fn pods_are_only_on_nodes_with_the_labels_that_they_ask_for() {
    let is = |value: &str| Requirement::In(vec![value.to_owned()]);
    let zone = on_nodes(7, 3, |workload| workload.placement.nodes = requires(ZONE, is("zone-2")));
    assert_eq!(zone, counts(&[("worker-2", 3), ("worker-5", 3)]));
    let host = on_nodes(7, 3, |workload| {
        workload.placement.nodes = requires(HOSTNAME, is("worker-6"))
    });
    assert_eq!(host, counts(&[("worker-6", 6)]));
}

#[test]
fn control_plane_nodes_have_pods_that_tolerate_their_taint() {
    let control = |tolerates: bool| {
        on_nodes(4, 1, |workload| {
            workload.placement.nodes = requires(CONTROL_PLANE, Requirement::Exists);
            workload.placement.tolerations = tolerating(tolerates);
        })
    };
    assert_eq!(control(true), counts(&[("control-plane", 6)]));
    assert_eq!(control(false), counts(&[("", 6)]));
}

#[test]
fn spread_constraints_leave_pods_without_a_node() {
    let spread = |honors_taints: bool| {
        on_nodes(4, 1, |workload| {
            workload.placement.spread = vec![Spread {
                by_zone: false,
                max_skew: 1,
                selector: LabelSelector::default(),
                same: Vec::new(),
                anyway: false,
                honors_taints,
            }];
        })
    };
    assert_eq!(
        spread(true),
        counts(&[("worker-1", 2), ("worker-2", 2), ("worker-3", 2)])
    );
    // The control-plane node is a domain, and stays empty because of its taint.
    let one_each = [("", 3), ("worker-1", 1), ("worker-2", 1), ("worker-3", 1)];
    assert_eq!(spread(false), counts(&one_each));
}

#[test]
fn a_daemon_set_has_a_pod_on_each_node() {
    let daemons = |tolerates: bool| {
        on_nodes(4, 1, |workload| {
            workload.controller = Controller::DaemonSet;
            workload.placement.tolerations = tolerating(tolerates);
        })
    };
    let workers = [("worker-1", 1), ("worker-2", 1), ("worker-3", 1)];
    assert_eq!(daemons(false), counts(&workers));
    assert_eq!(daemons(true), counts(&[&[("control-plane", 1)], &workers[..]].concat()));
}

/// A StatefulSet of three pods that is restarted after a minute.
fn stateful(controller: Controller) -> Vec<PodRecord> {
    let outcome = run(&[], |world, sleep| {
        let workload = of(world, sleep);
        (workload.replicas, workload.controller) = (3, controller);
        workload.anti_affinity.clear();
        (workload.ignores_sigterm, workload.grace_period) = (false, s(30.0));
        workload.max_surge = meshfault::cluster::spec::Amount::Count(0);
        workload.max_unavailable = meshfault::cluster::spec::Amount::Count(1);
        let restart = Step::RolloutRestart {
            of: Rollout::Deployment(KindId(sleep as u32)),
            deadline: Some(s(50.0)),
        };
        world.script.extend([pause(60.0), restart]);
    });
    outcome.pods
}

/// Three workers take one pod each; the fourth pod of a StatefulSet waits for ever, and does not hold back a lower number.
#[test]
fn a_lower_number_of_a_stateful_set_comes_again_while_a_higher_one_waits() {
    let outcome = run(&[], |world, sleep| {
        let workload = of(world, sleep);
        (workload.replicas, workload.controller) = (4, Controller::StatefulSet);
        workload.anti_affinity = vec![LabelSelector::default()];
        world.script.push(pause(60.0));
        world.script.push(Step::Drain {
            node: NodeAt::Node(NodeId(1)),
            timeout: s(60.0),
            goes_on: true,
        });
    });
    let of_sleep = outcome.pods.iter().filter(|pod| pod.pod.starts_with("sleep-v1"));
    // The one that the drain evicts is created again, though it finds no node.
    let late = of_sleep.filter(|pod| pod.desired > at(60.0)).count();
    assert_eq!(late, 1, "{:#?}", outcome.pods);
}

#[test]
fn pods_of_a_stateful_set_start_in_their_order_and_keep_their_names() {
    let pods = stateful(Controller::StatefulSet);
    let names: Vec<&str> = pods.iter().map(|pod| pod.pod.as_str()).collect();
    let expected = [
        "sleep-v1-0",
        "sleep-v1-1",
        "sleep-v1-2",
        "sleep-v1-2",
        "sleep-v1-1",
        "sleep-v1-0",
    ];
    assert_eq!(names, expected);
    for pair in pods.windows(2) {
        assert!(
            pair[0].ready.expect("it is ready") <= pair[1].desired,
            "{:?}",
            pair[1].pod
        );
    }
    let parallel = stateful(Controller::ParallelStatefulSet);
    assert_eq!(
        parallel[..3].iter().map(|pod| pod.desired).max(),
        Some(parallel[0].desired)
    );
    assert_eq!(parallel.len(), 6);
}
