//! What components do, one line per fact: when it happened, which component reports it, what it was.
//!
//! Latencies are constants here, so that a log can be read: 10 ms for a write, 5 ms for a watch, 100 ms from the request to
//! stop to the end of a process, 200 ms for the end of its sandbox, 250 ms from a binding to the network plugin's call,
//! 30 ms from an identity to its CiliumEndpoint, 600 ms for an endpoint's programs.

use std::collections::BTreeMap;
use std::sync::Arc;

use meshfault::cluster::faults::cut::CutMode;
use meshfault::cluster::ids::KindId;
use meshfault::cluster::party::PartyKind;
use meshfault::cluster::records::{AccessClass, Outcome};
use meshfault::cluster::spec::{ProbeFrom, ProbeSpec, Rollout, Step, WorldSpec};
use meshfault::story::{Line, ToldRun};

use crate::support::{Bench, at, cut, cuts, on_node, pause, s, workload};

/// Constant latencies.
pub const PLAIN: [&str; 21] = [
    "parameters.kubernetes.api_write_latency=10ms",
    "parameters.kubernetes.watch_latency=5ms",
    "parameters.kubernetes.watch_batch_period=1ns",
    "parameters.kubernetes.client_command_latency=100ms",
    "parameters.kubernetes.controller_sync_latency=1ms",
    "parameters.kubernetes.controller_requests_per_pod=1",
    "parameters.kubernetes.garbage_collection_latency=500ms",
    "parameters.kubernetes.scheduling_latency=10ms",
    "parameters.kubernetes.pod_setup_latency=100ms",
    "parameters.kubernetes.sandbox_latency=150ms",
    "parameters.kubernetes.sandbox_retry=10s",
    "parameters.kubernetes.container_start_latency=200ms",
    "parameters.kubernetes.pleg_period=1ms",
    "parameters.kubernetes.term_reaction=100ms",
    "parameters.kubernetes.sandbox_stop_latency=200ms",
    "parameters.kubernetes.endpoint_slice_sync_latency=10ms",
    "parameters.kubernetes.service_proxy_sync_latency=0s",
    "parameters.cilium.endpoint_build_latency=600ms",
    "parameters.cilium.identity_create_latency=20ms",
    "parameters.cilium.endpoint_publish_latency=30ms",
    "parameters.cilium.ipcache_latency=150ms",
];

/// One run on nodes without other pods; the script is what `alter` makes of it.
fn told(changes: &[&str], alter: impl Fn(&mut WorldSpec)) -> ToldRun {
    let mut all = PLAIN.to_vec();
    all.extend(changes);
    Bench::of("ip-reuse", &all).only("vxlan").edit(alter).ready().told(0)
}

/// The story from a second of the run on, as `milliseconds component: text`, without what `skip` says.
fn log(outcome: &ToldRun, from_s: f64, skip: &str) -> Vec<String> {
    let start = at(from_s);
    let lines = outcome.lines.iter().filter(|line| line.time >= start);
    let line = |line: &Line| {
        let ms = line.time.since(start).as_nanos() / 1_000_000;
        format!("{ms}ms {}: {}", line.component, line.text)
    };
    lines
        .map(line)
        .filter(|line| skip.is_empty() || !line.contains(skip))
        .collect()
}

/// One pod of sleep-v1 that is scaled away 10 s later.
fn termination(grace_s: f64, ignores_sigterm: bool) -> Vec<String> {
    let outcome = told(&[], |world| {
        let sleep = workload(world, "sleep-v1");
        world.horizon = at(60.0);
        Arc::make_mut(&mut world.workloads)[sleep].replicas = 1;
        Arc::make_mut(&mut world.workloads)[sleep].grace_period = s(grace_s);
        Arc::make_mut(&mut world.workloads)[sleep].ignores_sigterm = ignores_sigterm;
        let scale = Step::Scale {
            workload: sleep,
            replicas: 0,
        };
        world.script = vec![Step::Apply { workloads: vec![sleep] }, pause(9.9), scale];
    });
    log(&outcome, 10.0, "script")
}

#[test]
fn without_grace_the_object_goes_before_the_address_is_free() {
    assert_eq!(
        termination(0.0, true),
        [
            "126ms deployment controller: sets replica set 0 to 0",
            "152ms api server: removes sleep-v1-1-0",
            "167ms endpoint slice controller: finds 0 ready behind sleep-v1",
            "177ms api server: stores the EndpointSlice of sleep-v1, 0 ready",
            // The garbage collector is faster than the agent.
            "652ms api server: removes the CiliumEndpoint of sleep-v1-1-0, 10.244.1.187",
            // The process ignores the request to stop and is killed after the kubelet's least of 1 s.
            "1157ms kubelet: has stopped sleep-v1-1-0",
            "1357ms cilium agent: frees 10.244.1.187 of sleep-v1-1-0",
        ]
    );
}

#[test]
fn with_grace_the_object_goes_after_the_address_is_free() {
    let log = |stopped: u32| {
        let after = |ms: u32| stopped + ms;
        [
            "126ms deployment controller: sets replica set 0 to 0".to_owned(),
            "167ms endpoint slice controller: finds 0 ready behind sleep-v1".to_owned(),
            "177ms api server: stores the EndpointSlice of sleep-v1, 0 ready".to_owned(),
            format!("{stopped}ms kubelet: has stopped sleep-v1-1-0"),
            format!("{}ms cilium agent: frees 10.244.1.187 of sleep-v1-1-0", after(200)),
            format!(
                "{}ms api server: removes the CiliumEndpoint of sleep-v1-1-0, 10.244.1.187",
                after(210)
            ),
            format!("{}ms api server: removes sleep-v1-1-0", after(240)),
            format!(
                "{}ms endpoint slice controller: finds 0 ready behind sleep-v1",
                after(255)
            ),
            format!(
                "{}ms api server: stores the EndpointSlice of sleep-v1, 0 ready",
                after(265)
            ),
        ]
    };
    // The kubelet reads and writes the last status, reads it once more and deletes the object: four requests.
    // A process that hears the request ends after 100 ms; one that ignores it is killed when the grace is over.
    assert_eq!(termination(30.0, false), log(257));
    assert_eq!(termination(30.0, true), log(30_157));
}

/// Four replicas: at most five, at least three available. The new ReplicaSet has three when the last old pods go, and
/// grows to four after that.
#[test]
fn a_rolling_update_surges_follows_readiness_and_ends() {
    let outcome = told(&[], |world| {
        let sleep = workload(world, "sleep-v1");
        world.horizon = at(60.0);
        Arc::make_mut(&mut world.workloads)[sleep].replicas = 4;
        let restart = Step::RolloutRestart {
            of: Rollout::Deployment(KindId(sleep as u32)),
            deadline: Some(s(30.0)),
        };
        world.script = vec![Step::Apply { workloads: vec![sleep] }, pause(9.9), restart];
    });
    let told = log(&outcome, 10.0, "cilium");
    let of = |component: &str| -> Vec<String> {
        let lines = told.iter().filter(|line| line.contains(component));
        lines.cloned().collect()
    };
    assert_eq!(
        of("deployment controller"),
        [
            "126ms deployment controller: sets replica set 1 to 1",
            "127ms deployment controller: sets replica set 0 to 3",
            "128ms deployment controller: sets replica set 1 to 2",
            "1258ms deployment controller: sets replica set 0 to 2",
            "1259ms deployment controller: sets replica set 1 to 3",
            "1274ms deployment controller: sets replica set 0 to 0",
            "1275ms deployment controller: sets replica set 1 to 4",
        ]
    );
    assert_eq!(of("script")[0], "10ms script: restarts sleep-v1");
    assert!(
        outcome.run.script_end.is_some_and(|end| end < at(14.0)),
        "{:?}",
        of("script")
    );
    assert_eq!(outcome.run.rollouts, 1);
}

/// Whatever the number of replicas, a rollout in which nothing fails is complete long before its deadline.
#[test]
fn every_rolling_update_is_complete() {
    for replicas in 1..=15 {
        let outcome = told(&[], |world| {
            let sleep = workload(world, "sleep-v1");
            world.horizon = at(400.0);
            Arc::make_mut(&mut world.workloads)[sleep].replicas = replicas;
            let restart = Step::RolloutRestart {
                of: Rollout::Deployment(KindId(sleep as u32)),
                deadline: Some(s(200.0)),
            };
            world.script = vec![Step::Apply { workloads: vec![sleep] }, pause(60.0), restart];
        });
        let exceeded = outcome.lines.iter().find(|line| line.text.contains("deadline"));
        assert_eq!(exceeded, None, "{replicas} replicas");
        let new = outcome.pods.iter().filter(|pod| pod.pod.starts_with("sleep-v1-2-"));
        assert_eq!(new.count(), replicas as usize);
    }
}

/// Eighteen pods at once: four are free, four take the burst and the four places at once; the others wait for a place first
/// and then, holding it, for the rate, 2 s apart. The last two would wait for more than 15 s in all: they are refused, give
/// their addresses back and come again after 10 s.
#[test]
fn the_endpoint_limiter_spreads_a_batch_and_refuses_its_end() {
    let outcome = told(&["parameters.cilium.endpoint_create_auto_adjust=false"], |world| {
        let sleep = workload(world, "sleep-v1");
        world.horizon = at(60.0);
        world.nodes = 2;
        Arc::make_mut(&mut world.workloads)[sleep].replicas = 18;
        world.script = vec![Step::Apply { workloads: vec![sleep] }];
    });
    let log = log(&outcome, 0.0, "binds");
    let refused: Vec<&String> = log.iter().filter(|line| line.contains("refuses")).collect();
    assert_eq!(
        refused,
        [
            "12725ms cilium agent: refuses to create the endpoint of sleep-v1-1-16: too many requests",
            "13329ms cilium agent: refuses to create the endpoint of sleep-v1-1-17: too many requests",
        ]
    );
    let of_refused = |what: &str| {
        let lines = log
            .iter()
            .filter(|line| line.contains("sleep-v1-1-16") && line.contains(what));
        lines.count()
    };
    assert_eq!(
        (of_refused("gives"), of_refused("frees"), of_refused("stores")),
        (2, 1, 1)
    );
    let stored = |line: &&String| line.contains("stores the CiliumEndpoint");
    let seconds = |line: &String| {
        line.split_once("ms")
            .map(|(ms, _)| ms.parse::<u32>().expect("a number") / 1_000)
    };
    let stored: Vec<u32> = log.iter().filter(stored).filter_map(seconds).collect();
    // The burst and the free ones within a second or two, then the rate of one every two seconds; refused ones much later.
    assert_eq!(stored.len(), 18);
    assert!(stored[7] <= 2 && stored[8] <= 3, "{stored:?}");
    let steps = stored[8..16].windows(2).map(|pair| pair[1] - pair[0]);
    assert!(steps.clone().all(|step| (1..=3).contains(&step)), "{stored:?}");
    assert!(stored[16] >= 22, "{stored:?}");
}

/// An agent's writes keep their order: an address is stored for its next holder after it was removed for the last one.
#[test]
fn an_endpoint_is_removed_before_its_address_is_published_again() {
    let lab = Bench::of("ip-reuse", &[]).only("control").ready();
    let mut reused = 0;
    for replication in 0..40 {
        let mut published: BTreeMap<String, String> = BTreeMap::new();
        let mut before: BTreeMap<String, String> = BTreeMap::new();
        for line in &lab.told(replication).lines {
            let Some((verb, endpoint)) = line.text.split_once(" the CiliumEndpoint of ") else {
                continue;
            };
            let (pod, ip) = endpoint.split_once(", ").expect("pod and address");
            if verb == "stores" {
                assert_eq!(
                    published.insert(ip.to_owned(), pod.to_owned()),
                    None,
                    "run {replication}: {line:?}"
                );
                let last = before.insert(ip.to_owned(), pod.to_owned());
                reused += u32::from(last.is_some_and(|last| last != pod));
            } else {
                assert_eq!(
                    published.remove(ip).as_deref(),
                    Some(pod),
                    "run {replication}: {line:?}"
                );
            }
        }
    }
    assert!(reused > 20, "{reused}");
}

/// The node of a server is cut for a while. Meanwhile sleep-v1 goes away and comes back as three pods, one of which is placed
/// on the cut node, and the two pods of helloworld-v2 are deleted, one of them there.
fn cut_for(repaired_after: Option<f64>) -> ToldRun {
    told(&[], |world| {
        let names = ["sleep-v1", "helloworld-v1", "helloworld-v2"];
        let [sleep, server, deleted] = names.map(|name| workload(world, name));
        for (index, replicas) in [(sleep, 1), (server, 1), (deleted, 2)] {
            Arc::make_mut(&mut world.workloads)[index].replicas = replicas;
            Arc::make_mut(&mut world.workloads)[index].anti_affinity.clear();
        }
        world.horizon = at(200.0);
        world.nodes = 3;
        cut(world, 0).whom.parties = vec![PartyKind::Kubelet, PartyKind::Agent, PartyKind::ServiceProxy];
        world.faults[0].when.duration = repaired_after.map(s);
        let scale = |workload, replicas| Step::Scale { workload, replicas };
        let to = world
            .services
            .iter()
            .position(|service| service.name == "helloworld-v1");
        let to = to.expect("the server has a Service");
        let probe = || {
            Step::Probe(ProbeSpec {
                from: ProbeFrom::Workload(sleep),
                to,
                method: "GET".to_owned(),
                path: "/hello".to_owned(),
                time_limit: s(2.0),
                retry_until_up: None,
            })
        };
        let apply = |workload| Step::Apply {
            workloads: vec![workload],
        };
        world.script = vec![
            apply(server),
            pause(4.9),
            apply(sleep),
            pause(4.9),
            apply(deleted),
            pause(4.9),
            probe(),
            Step::StartFault { fault: 0 },
            pause(5.0),
            scale(deleted, 0),
            scale(sleep, 0),
            scale(sleep, 3),
            pause(50.0),
            probe(),
            pause(60.0),
            probe(),
        ];
    })
}

/// How the three probes end: before the cut, when the node is NotReady, and at the end.
fn probes(outcome: &Outcome) -> Vec<(AccessClass, &str)> {
    let accesses = outcome.accesses.iter();
    accesses.map(|access| (access.class, access.cause.as_str())).collect()
}

#[test]
fn after_a_repair_the_node_catches_up() {
    let outcome = cut_for(Some(70.0));
    let cut = outcome.run.cut.expect("the node is cut");
    assert!(outcome.run.node_given_up.is_some());
    let repaired = cut + s(70.0);
    let on_node =
        |text: &str| text.contains("worker-1") || text.contains("10.244.1.") || text.contains("removes hello");
    let facts: Vec<String> = outcome
        .lines
        .iter()
        .filter(|line| line.time >= repaired && on_node(&line.text))
        .map(|line| {
            let ms = line.time.since(repaired).as_nanos() / 1_000_000;
            format!("{ms}ms {}: {}", line.component, line.text)
        })
        .collect();
    assert_eq!(
        facts,
        [
            "0ms fault: cut-node ends for the kubelet of worker-1, the Cilium agent of worker-1, the service proxy of worker-1",
            // The kubelet lists its pods: it starts the one that it missed and ends the one that should be gone.
            "339ms connection: the kubelet of worker-1: requests are answered again",
            "339ms connection: the kubelet of worker-1: watches are current again",
            "339ms node lifecycle controller: sees worker-1 renew its lease again",
            "589ms kubelet: calls the network plugin of worker-1 for sleep-v1-1-2",
            "589ms cilium agent: gives 10.244.1.224 on worker-1 to sleep-v1-1-2",
            "639ms cilium agent: frees 10.244.1.138 of helloworld-v2-1-1",
            "679ms api server: removes helloworld-v2-1-1",
            // The garbage collector comes before the agent, which cannot reach the API server yet.
            "1179ms api server: removes the CiliumEndpoint of helloworld-v2-1-1, 10.244.1.138",
            "1781ms connection: the Cilium agent of worker-1: requests are answered again",
            "1791ms api server: stores the CiliumEndpoint of sleep-v1-1-2, 10.244.1.224",
            "2621ms connection: the Cilium agent of worker-1: watches are current again",
            "5700ms connection: the service proxy of worker-1: requests are answered again",
            "6724ms connection: the service proxy of worker-1: watches are current again",
        ]
    );
    // Its server is back behind its Service as soon as the kubelet reports it.
    assert_eq!(
        probes(&outcome),
        [
            (AccessClass::Allowed, "answered"),
            (AccessClass::Unreachable, "no_endpoint"),
            (AccessClass::Allowed, "answered"),
        ]
    );
    assert_eq!(outcome.run.stale_entries, 0);
}

#[test]
fn without_a_repair_the_node_stays_behind() {
    let outcome = cut_for(None);
    assert_eq!(probes(&outcome)[2], (AccessClass::Unreachable, "no_endpoint"));
    assert!(outcome.run.stale_entries > 0);
    let done = |line: &&Line| line.text.contains("removes helloworld-v2-1-");
    assert_eq!(
        outcome.lines.iter().filter(done).count(),
        1,
        "nobody confirms the end of the pod on the cut node"
    );
}

/// The end of one fault repairs what that fault has cut; the other node stays cut and is marked NotReady.
#[test]
fn the_end_of_a_fault_repairs_nothing_that_another_one_cut() {
    let outcome = told(&[], |world| {
        world.horizon = at(120.0);
        world.script.clear();
        let parties = [PartyKind::Kubelet, PartyKind::Agent];
        let mut short = cuts("short", on_node(1), &parties, CutMode::RepliesOnly);
        (short.when.starts_at, short.when.duration) = (Some(at(10.0)), Some(s(10.0)));
        let mut lasting = cuts("lasting", on_node(2), &parties, CutMode::RepliesOnly);
        lasting.when.starts_at = Some(at(12.0));
        world.faults = vec![short, lasting];
    });
    // When the repair reaches the parties is another matter.
    let happened = outcome.lines.iter().filter(|line| line.component != "connection");
    let told: Vec<&str> = happened.map(|line| line.text.as_str()).collect();
    assert_eq!(
        told,
        [
            "ends",
            "short cuts the kubelet of worker-1, the Cilium agent of worker-1 (replies_only)",
            "lasting cuts the kubelet of worker-2, the Cilium agent of worker-2 (replies_only)",
            "short ends for the kubelet of worker-1, the Cilium agent of worker-1",
            "marks worker-2 NotReady: its lease was not renewed",
        ]
    );
}
