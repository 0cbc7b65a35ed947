//! Flows of requests: their numbers against closed forms, connections that stick to their backends, retries, and first requests of pods.

use meshfault::cluster::fault::act;
use meshfault::cluster::flows::{FirstRequest, PoolSpec};
use meshfault::cluster::records::{AccessClass, FlowRecord, Outcome};
use meshfault::cluster::spec::{Step, WorldSpec};

use crate::support::{Bench, Lab, agrees, between, on_node, pause, s, takes_down, workload, z_of_mean, z_over_runs};

const RUNS: u64 = 10;

/// The runs of a design of the case, changed.
fn runs(bench: &Bench, design: &str) -> Vec<Outcome> {
    let lab: Lab = bench.ready();
    (0..RUNS).map(|replication| lab.run(design, replication)).collect()
}

fn changed(change: impl Fn(&mut WorldSpec)) -> Bench {
    Bench::case("flows", &[]).edit(change)
}

fn of<'o>(outcome: &'o Outcome, flow: &'o str) -> impl Iterator<Item = &'o FlowRecord> {
    outcome.flows.iter().filter(move |record| record.flow == flow)
}

fn sum(records: &mut dyn Iterator<Item = &FlowRecord>, count: fn(&FlowRecord) -> u64) -> u64 {
    records.map(count).sum()
}

/// For how long the pods of a workload are ready, in seconds of each.
fn ready_for(outcome: &Outcome, workload: &str) -> Vec<f64> {
    let pods = outcome.pods.iter().filter(|pod| pod.workload == workload);
    let end = meshfault::kernel::SimTime::ZERO + s(600.0);
    pods.filter_map(|pod| Some(between(pod.ready?, end))).collect()
}

#[test]
fn a_pod_sends_its_first_request_when_it_is_ready_and_then_a_poisson_process() {
    let outcomes = runs(&changed(|_| {}), "plain");
    for outcome in &outcomes {
        assert!(of(outcome, "meant").all(|record| record.class == AccessClass::Allowed && record.meant));
        assert!(of(outcome, "attack").all(|record| record.class == AccessClass::Denied && !record.meant));
        let first = sum(&mut of(outcome, "meant").filter(|record| record.first), |record| {
            record.requests
        });
        assert_eq!(first, 4);
        let plain = of(outcome, "meant")
            .all(|record| record.attempts == record.requests && record.connections == record.requests);
        assert!(plain, "each request opens a connection");
    }
    let differences = |rate: f64| -> Vec<f64> {
        let of_run = |outcome: &Outcome| {
            let expected: f64 = ready_for(outcome, "client").iter().map(|span| 1.0 + rate * span).sum();
            let seen = sum(&mut of(outcome, "meant"), |record| record.requests) as f64;
            (seen - expected) / expected.sqrt()
        };
        outcomes.iter().map(of_run).collect()
    };
    agrees("requests of a Poisson process", 2.0, |rate| {
        // The sum of independent standard normal numbers, one per run.
        differences(rate).iter().sum::<f64>() / (RUNS as f64).sqrt()
    });
}

#[test]
fn connections_are_renewed_as_often_as_their_life_and_the_rate_have_it() {
    let life = |seconds: f64| {
        changed(move |world| {
            let flow = &mut world.traffic.flows[0];
            flow.rate_per_s = 1.0;
            flow.call.connections = Some(PoolSpec {
                per_pod: 1,
                life: Some(s(seconds)),
            });
        })
    };
    let outcomes = runs(&life(1.0), "plain");
    assert!(
        outcomes
            .iter()
            .all(|outcome| of(outcome, "meant").all(|record| record.class == AccessClass::Allowed))
    );
    // A cycle lasts a life of 1 s and the wait for the next request, 1 s on average: a renewal process that begins with a renewal.
    let z = |rate: f64| {
        let cycle = 1.0 + 1.0 / rate;
        let of_run = |outcome: &Outcome| {
            let expected = ready_for(outcome, "client");
            let expected = expected
                .iter()
                .map(|span| span / cycle + 0.5 + 0.5 / (rate * cycle * rate * cycle));
            sum(&mut of(outcome, "meant"), |record| record.connections) as f64 - expected.sum::<f64>()
        };
        let differences: Vec<f64> = outcomes.iter().map(of_run).collect();
        z_of_mean(&differences, 0.0)
    };
    let (here, low, high) = (z(1.0), z(0.9), z(1.1));
    assert!(
        here.abs() < 4.0 && low.abs() > 4.0 && high.abs() > 4.0,
        "{low} {here} {high}"
    );
}

#[test]
fn a_connection_sticks_to_its_backend_until_that_ends() {
    let kept = |world: &mut WorldSpec| {
        world.traffic.flows[0].call.connections = Some(PoolSpec { per_pod: 2, life: None });
    };
    for outcome in runs(&changed(kept), "plain") {
        assert_eq!(sum(&mut of(&outcome, "meant"), |record| record.connections), 8);
        assert!(of(&outcome, "meant").all(|record| record.class == AccessClass::Allowed));
    }
    // Three servers are replaced: each of the eight connections is opened again, some of them several times.
    let replaced = |world: &mut WorldSpec| {
        kept(world);
        let workload = workload(world, "server");
        world.script.push(Step::Pause { duration: s(60.0) });
        world.script.push(Step::DeletePods { workload, count: None });
    };
    for outcome in runs(&changed(replaced), "plain") {
        let connections = sum(&mut of(&outcome, "meant"), |record| record.connections);
        assert!((16..=24).contains(&connections), "{connections}");
        let last = of(&outcome, "meant").filter(|record| record.from.as_secs_f64() > 200.0);
        assert!(last.into_iter().all(|record| record.class == AccessClass::Allowed));
    }
}

/// A node loses its power, and its kernel closes no connection: those that clients keep are silent for about 15 minutes, although the Service
/// leads elsewhere as soon as the node is NotReady. New connections find the other servers.
#[test]
fn a_connection_to_a_node_without_power_is_kept_until_tcp_gives_it_up() {
    let unreachable = |kept: bool| -> u64 {
        let bench = changed(|world| {
            world.faults = vec![takes_down("dark", on_node(2))];
            world.script.push(pause(60.0));
            world.script.push(Step::StartFault { fault: 0 });
            world.traffic.flows[0].call.connections = kept.then_some(PoolSpec { per_pod: 1, life: None });
        });
        let late = |outcome: &Outcome| {
            let records = of(outcome, "meant").filter(|record| record.from.as_secs_f64() > 300.0);
            sum(
                &mut records.filter(|record| record.class != AccessClass::Allowed),
                |record| record.requests,
            )
        };
        runs(&bench, "plain").iter().map(late).sum()
    };
    assert_eq!(unreachable(false), 0);
    // Two of three servers are there: about two thirds of the requests of 280 s.
    assert!(unreachable(true) > 10_000, "{}", unreachable(true));
}

#[test]
fn a_request_is_sent_again_as_often_as_its_retries_allow() {
    let share = |times: Option<u32>| -> Vec<(usize, usize)> {
        let bench = changed(|world| world.traffic.flows[0].call.retries = times.map(|times| (times, s(0.025))));
        let count = |outcome: &Outcome| {
            let late = || of(outcome, "meant").filter(|record| record.from.as_secs_f64() > 90.0);
            let bad = sum(
                &mut late().filter(|record| record.class == AccessClass::Unreachable),
                |record| record.requests,
            );
            (bad as usize, sum(&mut late(), |record| record.requests) as usize)
        };
        runs(&bench, "lossy").iter().map(count).collect()
    };
    let once = share(None);
    let (bad, all) = once.iter().fold((0, 0), |sum, run| (sum.0 + run.0, sum.1 + run.1));
    let failed = bad as f64 / all as f64;
    assert!(failed > 0.1, "{failed}");
    // Attempts fail independently of each other: all clients are on the node that loses packets.
    let again = share(Some(1));
    let (here, once) = (z_over_runs(&again, failed * failed), z_over_runs(&again, failed));
    assert!(here.abs() < 4.0 && once.abs() > 20.0, "{failed}: {here} {once}");
    // A Service without pods answers no attempt.
    let nobody = changed(|world| {
        world.traffic.flows[0].call.retries = Some((2, s(0.025)));
        let workload = workload(world, "server");
        world.script = vec![Step::Apply {
            workloads: (0..world.workloads.len()).filter(|other| *other != workload).collect(),
        }];
    });
    for outcome in runs(&nobody, "plain") {
        let records = || of(&outcome, "meant");
        assert!(
            records().all(|record| record.class == AccessClass::Unreachable && record.attempts == 3 * record.requests)
        );
        assert!(records().next().is_some());
    }
}

#[test]
fn runs_with_traffic_are_the_same_twice_and_on_other_threads() {
    let report = Bench::case("flows", &["horizon=4m"]).verified(2, 2, act);
    assert!(report.sound(), "{report:?}");
    assert!(report.events > 10_000);
}

/// Nobody else notices: the requests of a flow have random numbers of their own, and no component depends on them.
#[test]
fn traffic_changes_nothing_but_itself() {
    let with = changed(|_| {}).ready();
    let without = changed(|world| world.traffic.flows.clear()).ready();
    for replication in 0..RUNS {
        let (with, without) = (with.run("lossy", replication), without.run("lossy", replication));
        assert_eq!(with.pods, without.pods);
        assert_eq!((with.accesses, with.exposures), (without.accesses, without.exposures));
        assert!(without.flows.is_empty() && !with.flows.is_empty());
        assert!(with.run.events > without.run.events);
    }
    // Nor does another flow.
    let one = changed(|world| world.traffic.flows.truncate(1)).ready();
    let two = changed(|_| {}).ready();
    let (one, two) = (one.run("lossy", 3), two.run("lossy", 3));
    assert!(of(&one, "meant").eq(of(&two, "meant")));
}

/// The case of `first-packet`: where identity is looked up by address, a packet that is sent as soon as the container runs is often refused, as the
/// server's node has not read of its address; where packets carry it, seldom: a number may be unknown there. In the field it was about 0.4%, by a
/// routing that the report does not name.
#[test]
fn the_first_packet_of_a_pod_may_come_before_its_address_is_known() {
    let share = |design: &str, first: FirstRequest| {
        let bench = Bench::case("first-packet", &[]).edit(|world| world.traffic.flows[0].call.first = first);
        let lab = bench.ready();
        let (mut refused, mut all) = (0, 0);
        for replication in 0..40 {
            let outcome = lab.run(design, replication);
            for record in outcome.flows.iter().filter(|record| record.first) {
                assert!(record.meant);
                all += record.requests;
                refused += if record.class == AccessClass::WronglyDenied {
                    record.requests
                } else {
                    0
                };
            }
        }
        assert_eq!(all, 1200);
        refused as f64 / all as f64
    };
    for (design, first, expected, within) in [
        ("native", FirstRequest::Container, 0.458, 0.02),
        ("native", FirstRequest::Ready, 0.278, 0.02),
        ("native-fast-ipcache", FirstRequest::Container, 0.363, 0.02),
        ("native-fast-ipcache", FirstRequest::Ready, 0.178, 0.02),
        ("vxlan", FirstRequest::Container, 0.0042, 0.002),
        ("vxlan", FirstRequest::Ready, 0.0008, 0.001),
    ] {
        let seen = share(design, first);
        assert!((seen - expected).abs() <= within, "{design} {first:?}: {seen}");
    }
}
