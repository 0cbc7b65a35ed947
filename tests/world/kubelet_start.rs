//! How long pods start on a healthy node, against starts that were measured on real components (`validation/kubelet-start.csv`):
//! Kubernetes 1.23.13, one kubelet of two cores, 15 pods at once; only the kubelet's limit of API requests differs between the
//! settings of a pair. `fresh` pods start on an idle node, those of an `exchange` while 15 others go.
//!
//! One set of parameters says the machine, for all eight settings: two cores, a bridge for a network plugin, containers that
//! do nothing. Its latencies were chosen so that starts at 50/100 come out as measured; those at 5/10 follow from the limit.
//! Plain pods of an exchange come out 3 s early at the median. What a run does not know of the measurement is where in its
//! period of 10 s the batch of statuses falls.

use std::sync::Arc;

use meshfault::cluster::records::PodRecord;
use meshfault::cluster::spec::Step;

use crate::support::{Bench, Lab, at, between, pause, quantile, workload};

const RUNS: u64 = 40;

/// What is the same in all settings: the machine and its network.
const MACHINE: [&str; 24] = [
    "cluster.kubernetes=1.24",
    "cluster.istio.version=1.14.3",
    "cluster.cilium.encryption=none",
    "parameters.kubernetes.node_cores=2",
    "parameters.kubernetes.client_command_latency=1ms",
    "parameters.cilium.endpoint_create_rate=1000",
    "parameters.cilium.endpoint_create_burst=1000",
    "parameters.cilium.endpoint_create_parallel=1000",
    "parameters.cilium.endpoint_build_latency=50ms",
    "parameters.cilium.agent_client_qps=1000",
    "parameters.cilium.agent_client_burst=1000",
    "parameters.kubernetes.sandbox_latency={log_normal: {median: 100ms, p99: 300ms, max: 2s}}",
    "parameters.kubernetes.container_start_latency={log_normal: {median: 240ms, p99: 600ms, max: 2s}}",
    "parameters.istio.init_container_latency={log_normal: {median: 300ms, p99: 700ms, max: 2s}}",
    "parameters.istio.agent_start_latency=1ms",
    "parameters.istio.key_generation_latency=1ms",
    "parameters.istio.envoy_warm_up_latency=1ms",
    "parameters.istio.first_push_latency=1ms",
    "parameters.istio.sign_latency=1ms",
    "parameters.istio.token_review_latency=1ms",
    "parameters.istio.stream_rate=1000",
    "parameters.istio.push_latency=1ms",
    "parameters.istio.api_client_qps=1000",
    "parameters.istio.api_client_burst=1000",
];

/// A batch of pods that starts on one node.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    pub meshed: bool,
    pub exchange: bool,
    pods: u32,
}

pub const SETTINGS: [Batch; 4] = [
    Batch {
        meshed: false,
        exchange: false,
        pods: 15,
    },
    Batch {
        meshed: false,
        exchange: true,
        pods: 15,
    },
    Batch {
        meshed: true,
        exchange: false,
        pods: 15,
    },
    Batch {
        meshed: true,
        exchange: true,
        pods: 15,
    },
];

/// The batch on a kubelet with this limit.
fn lab(batch: Batch, limit: &[&str]) -> Lab {
    let changes: Vec<&str> = MACHINE.iter().chain(limit).copied().collect();
    Bench::of("mechanisms", &changes)
        .only("control")
        .edit(|world| {
            let (old, new) = (workload(world, "sleep-v1"), workload(world, "sleep-v2"));
            world.nodes = 2;
            world.horizon = at(400.0);
            world.faults.clear();
            let workloads = Arc::make_mut(&mut world.workloads);
            for which in [old, new] {
                (workloads[which].replicas, workloads[which].injected) = (batch.pods, batch.meshed);
                workloads[which].ignores_sigterm = false;
            }
            let gone = Step::Scale {
                workload: old,
                replicas: 0,
            };
            let measured = Step::Apply { workloads: vec![new] };
            world.script = if batch.exchange {
                vec![Step::Apply { workloads: vec![old] }, pause(200.0), gone, measured]
            } else {
                vec![pause(200.0), measured]
            };
        })
        .ready()
}

/// Seconds from the creation of each pod to the moment when the API server knew something about it.
fn seconds(lab: &Lab, known: impl Fn(&PodRecord) -> Option<meshfault::kernel::SimTime>) -> Vec<Vec<f64>> {
    let of_run = |replication| {
        let outcome = lab.one(replication);
        let started = outcome.pods.iter().filter(|pod| pod.workload == "sleep-v2");
        let start = |pod: &PodRecord| {
            between(
                pod.desired + pod.phases.of("admission").expect("it was created"),
                known(pod).expect("it started"),
            )
        };
        started.map(start).collect()
    };
    (0..RUNS).map(of_run).collect()
}

pub const SLOW: [&str; 2] = [
    "parameters.kubernetes.kubelet_client_qps=5",
    "parameters.kubernetes.kubelet_client_burst=10",
];
pub const FAST: [&str; 2] = [
    "parameters.kubernetes.kubelet_client_qps=50",
    "parameters.kubernetes.kubelet_client_burst=100",
];

/// A row of the measurement: seconds from the pod's creation to its address known, and to Ready.
fn rows(batch: Batch, qps: &str) -> (Vec<f64>, Vec<f64>) {
    let text = include_str!("../../validation/kubelet-start.csv");
    let kinds = [
        qps,
        if batch.meshed { "meshed" } else { "plain" },
        if batch.exchange { "exchange" } else { "fresh" },
    ];
    let fields = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    let of_setting = fields.filter(|row| [row[0], row[2], row[3]] == kinds);
    let seconds = |text: &str| text.parse::<f64>().expect("a number of seconds");
    of_setting.map(|row| (seconds(row[8]), seconds(row[10]))).unzip()
}

/// Kolmogorov's distance of two samples.
fn distance(left: &[f64], right: &[f64]) -> f64 {
    let below =
        |sample: &[f64], at: f64| sample.iter().filter(|value| **value <= at).count() as f64 / sample.len() as f64;
    let apart = |at: &f64| (below(left, *at) - below(right, *at)).abs();
    left.iter().chain(right).map(apart).fold(0.0, f64::max)
}

/// What was measured and what is simulated of one setting.
pub struct Compared {
    pub measured: Vec<f64>,
    pub simulated: Vec<f64>,
    address: (f64, f64),
    /// Least and largest median of a run.
    medians: (f64, f64),
}

pub fn compare(batch: Batch, limit: &[&str], qps: &str) -> Compared {
    let lab = lab(batch, limit);
    let runs = seconds(&lab, |pod| pod.ready);
    let mut address = seconds(&lab, |pod| pod.address).concat();
    let (mut known, measured) = rows(batch, qps);
    let medians: Vec<f64> = runs.iter().map(|run| quantile(&mut run.clone(), 0.5)).collect();
    let found = Compared {
        measured,
        simulated: runs.concat(),
        address: (quantile(&mut known, 0.5), quantile(&mut address, 0.5)),
        medians: medians
            .iter()
            .fold((f64::MAX, 0.0), |(low, high), m| (m.min(low), m.max(high))),
    };
    let q = |values: &[f64]| [0.0, 0.5, 0.9, 1.0].map(|share| format!("{:.1}", quantile(&mut values.to_vec(), share)));
    eprintln!(
        "{batch:?} at {qps}/s: measured {:?}, simulated {:?}, D = {:.2}; address {:.1} and {:.1}; medians of runs {:.1} to {:.1}",
        q(&found.measured),
        q(&found.simulated),
        distance(&found.measured, &found.simulated),
        found.address.0,
        found.address.1,
        found.medians.0,
        found.medians.1
    );
    found
}

fn p(values: &[f64], share: f64) -> f64 {
    quantile(&mut values.to_vec(), share)
}

/// The pairs 5/10 against 50/100 differ as measured, and each setting is near its measurement. The same check refutes a kubelet
/// without the limit.
#[test]
fn starts_differ_by_the_limit_as_measured() {
    for batch in SETTINGS {
        let (slow, fast) = (compare(batch, &SLOW, "5"), compare(batch, &FAST, "50"));
        let differences = [0.5, 0.9].map(|share| {
            let measured = p(&slow.measured, share) - p(&fast.measured, share);
            (measured, p(&slow.simulated, share) - p(&fast.simulated, share))
        });
        eprintln!("  difference at the median and at 90%: {differences:.1?}");
        for (measured, simulated) in differences {
            assert!(
                (measured - simulated).abs() <= 4.0,
                "{batch:?}: {measured} s measured, {simulated} s simulated"
            );
            // Without the limit there is no difference.
            assert!(measured > 3.0 && simulated > 3.0, "{batch:?}: no power");
        }
        for (found, tolerance) in [(&slow, 3.5), (&fast, 1.5)] {
            for share in [0.5, 0.9] {
                let (measured, simulated) = (p(&found.measured, share), p(&found.simulated, share));
                assert!(
                    (measured - simulated).abs() <= tolerance,
                    "{batch:?}: {measured} s measured, {simulated} s simulated"
                );
            }
        }
        if !batch.exchange {
            // Measured twice: at two places in the period of the batches.
            let far = 1.36 / (slow.measured.len() as f64).sqrt() + 0.05;
            assert!(distance(&slow.measured, &slow.simulated) <= far, "{batch:?}");
            assert!(
                distance(&slow.measured, &fast.simulated) > 2.0 * far,
                "{batch:?}: no power"
            );
        }
        // Measured once or twice, somewhere in the period of the batches: one of the runs.
        let median = p(&slow.measured, 0.5);
        assert!(
            (slow.medians.0 - 0.5..=slow.medians.1 + 0.5).contains(&median),
            "{batch:?}: {median}"
        );
        assert!(
            median > fast.medians.1 + 2.0,
            "{batch:?}: a kubelet without the limit would pass"
        );
        assert!(
            (slow.address.0 - slow.address.1).abs() <= 3.5,
            "{batch:?}: {:?}",
            slow.address
        );
        assert!(
            slow.address.1 >= fast.address.1 + 4.0,
            "{batch:?}: addresses are known late"
        );
    }
}

/// Twice as many pods take more than twice as long to be reported: 30 meshed pods that take the place of 30 others need up to half
/// a minute on a healthy node of that size.
#[test]
fn waits_grow_with_the_batch() {
    let last = |pods: u32, limit: &[&str]| {
        let runs = seconds(
            &lab(
                Batch {
                    meshed: true,
                    exchange: true,
                    pods,
                },
                limit,
            ),
            |pod| pod.ready,
        );
        let slowest = runs.iter().map(|run| p(run, 1.0)).sum::<f64>() / RUNS as f64;
        eprintln!("{pods} meshed pods at {limit:?}: the last after {slowest:.1} s");
        slowest
    };
    let (few, many) = (last(15, &SLOW), last(30, &SLOW));
    assert!((14.0..=19.0).contains(&few), "{few}");
    assert!((27.0..=42.0).contains(&many) && many > 1.7 * few, "{many}");
    assert!(last(30, &FAST) < 0.7 * many);
}
