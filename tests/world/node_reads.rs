//! What a node knows late on a healthy cluster: identities of new accounts, and endpoints whose agent has many to publish.

use std::collections::BTreeMap;
use std::sync::Arc;

use meshfault::cluster::records::AccessClass;
use meshfault::cluster::spec::{ProbeFrom, ProbeSpec, Step};
use meshfault::story::ToldRun;

use crate::support::{Bench, at, pause, quantile, s, workload};

/// Everything else is fast and the same for all pods.
const QUICK: [&str; 9] = [
    "parameters.kubernetes.node_cores=1000",
    "parameters.kubernetes.kubelet_client_qps=1000",
    "parameters.kubernetes.kubelet_client_burst=1000",
    "parameters.kubernetes.controller_client_qps=1000",
    "parameters.kubernetes.client_command_latency=1ms",
    "parameters.cilium.endpoint_create_rate=1000",
    "parameters.cilium.endpoint_create_burst=1000",
    "parameters.cilium.endpoint_create_parallel=1000",
    "parameters.cilium.ipcache_latency=1ms",
];

/// sleep-v1 asks its server as soon as its first pods are ready, 10 s later, and again with pods that are new while their
/// account is known.
fn first_requests(identity_latency: &str) -> Vec<AccessClass> {
    let mut changes = QUICK.to_vec();
    changes.push(identity_latency);
    let bench = Bench::of("ip-reuse", &changes).only("vxlan").edit(|world| {
        let (sleep, server) = (workload(world, "sleep-v1"), workload(world, "helloworld-v1"));
        world.horizon = at(300.0);
        world.faults.clear();
        let to = world
            .services
            .iter()
            .position(|service| service.name == "helloworld-v1");
        let probe = Step::Probe(ProbeSpec {
            from: ProbeFrom::Workload(sleep),
            to: to.expect("the server has a Service"),
            method: "GET".to_owned(),
            path: "/hello".to_owned(),
            time_limit: s(0.5),
            retry_until_up: None,
        });
        let ready = |which| Step::WaitReady {
            workloads: vec![which],
            timeout: s(60.0),
        };
        let apply = |which| Step::Apply { workloads: vec![which] };
        let gone = Step::Scale {
            workload: sleep,
            replicas: 0,
        };
        let back = Step::Scale {
            workload: sleep,
            replicas: 15,
        };
        world.script = vec![
            apply(server),
            ready(server),
            pause(30.0),
            apply(sleep),
            ready(sleep),
            probe.clone(),
            pause(10.0),
            probe.clone(),
            gone,
            pause(20.0),
            back,
            ready(sleep),
            probe,
        ];
    });
    let outcome = bench.ready().one(0);
    outcome.accesses.iter().map(|access| access.class).collect()
}

/// The identity of a new account reaches each node by a watch of its own. Until then its pods are strangers there; pods of
/// a known account are not. With identities that are known at once no packet is refused.
#[test]
fn the_first_pods_of_a_new_account_are_strangers_until_its_identity_is_read() {
    use AccessClass::{Allowed, WronglyDenied};
    let late = first_requests("parameters.cilium.identity_watch_latency=9s");
    assert_eq!(late, [WronglyDenied, Allowed, Allowed]);
    let at_once = first_requests("parameters.cilium.identity_watch_latency=1ms");
    assert_eq!(at_once, [Allowed, Allowed, Allowed], "the check has power");
}

/// Seconds from an address to its CiliumEndpoint.
fn publications(outcome: &ToldRun) -> Vec<f64> {
    let mut given = BTreeMap::new();
    let mut waits = Vec::new();
    for line in outcome.lines.iter().filter(|line| line.text.contains("sleep-v2")) {
        if line.text.starts_with("gives") {
            let pod = line.text.rsplit(' ').next().unwrap_or_default();
            given.insert(pod.to_owned(), line.time);
        } else if let Some((pod, _)) = line
            .text
            .strip_prefix("stores the CiliumEndpoint of ")
            .and_then(|text| text.split_once(','))
        {
            waits.push(line.time.since(given[pod]).as_secs_f64());
        }
    }
    waits
}

/// Fifteen pods take the place of fifteen others: 15 removals and 30 requests for the new endpoints share the agent's client.
#[test]
fn a_busy_agent_publishes_endpoints_seconds_late() {
    let waits = |limit: &[&str]| {
        let mut changes = QUICK.to_vec();
        changes.extend(limit);
        let lab = Bench::of("ip-reuse", &changes)
            .only("vxlan")
            .edit(|world| {
                let (old, new) = (workload(world, "sleep-v1"), workload(world, "sleep-v2"));
                world.nodes = 2;
                world.horizon = at(150.0);
                world.faults.clear();
                Arc::make_mut(&mut world.workloads)[new].replicas = 15;
                let gone = Step::Scale {
                    workload: old,
                    replicas: 0,
                };
                let apply = |which| Step::Apply { workloads: vec![which] };
                world.script = vec![apply(old), pause(100.0), gone, apply(new)];
            })
            .ready();
        let mut waits: Vec<f64> = (0..40)
            .flat_map(|replication| publications(&lab.told(replication)))
            .collect();
        assert_eq!(waits.len(), 600);
        let found = [0.5, 0.9].map(|share| quantile(&mut waits, share));
        eprintln!("published after {found:.2?} s with {limit:?}");
        found
    };
    let [median, late] = waits(&[]);
    // The median of ten runs lies anywhere from 2.5 to 5.2 s (28 seeds, mean 3.5 s): pods of one run wait for one another.
    assert!(
        (2.2..=4.9).contains(&median) && (3.5..=7.0).contains(&late),
        "{median} and {late}"
    );
    let without = [
        "parameters.cilium.agent_client_qps=1000",
        "parameters.cilium.agent_client_burst=1000",
    ];
    let [median, late] = waits(&without);
    assert!(median < 0.3 && late < 0.6, "the check has power: {median} and {late}");
}
