//! A simulator for tests: made-up runs, seeded like real ones, with every null and every class somewhere.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::plan::{Plan, PlannedDesign, PlannedParameter, Simulate};
use super::questions::Questions;
use crate::cluster::phases::Phases;
use crate::cluster::records::{
    AccessClass, AccessRecord, DelayCause, EdgeRecord, ExitCause, ExposureRecord, FlowRecord, LayerDecision, Outcome,
    PodRecord, RunRecord, Via,
};
use crate::kernel::{EntityKey, Purpose, RunFailure, RunKey, SimDuration, SimTime, Stream};

#[derive(Clone, Copy)]
struct Drawn;

impl Purpose for Drawn {
    fn name(self) -> &'static str {
        "fake"
    }
}

#[derive(Default)]
pub(crate) struct Fake {
    /// Panic in this replication of design 0.
    pub panic_at: Option<u64>,
    /// No Service has an endpoint, so that no access tests anything.
    pub unanswered: bool,
    /// Set this once that many runs were begun.
    pub stop_after: Option<(u64, AtomicBool)>,
    pub begun: AtomicU64,
}

impl Fake {
    /// Sets its stop flag after `runs` runs.
    pub(crate) fn stopping_after(runs: u64) -> Self {
        Self {
            stop_after: Some((runs, AtomicBool::new(false))),
            ..Self::default()
        }
    }

    /// Runs in which no access is answered.
    pub(crate) fn unanswered() -> Self {
        Self {
            unanswered: true,
            ..Self::default()
        }
    }

    pub(crate) fn stop(&self) -> &AtomicBool {
        static NEVER: AtomicBool = AtomicBool::new(false);
        self.stop_after.as_ref().map_or(&NEVER, |(_, stop)| stop)
    }

    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    /// One made-up run.
    pub(crate) fn outcome(&self, design: usize, replication: u64) -> Outcome {
        let key = RunKey::derive(7, "fake", replication);
        let mut stream = key.stream(Drawn, EntityKey::root("run"));
        let mut maybe = key.stream(Drawn, EntityKey::root("maybe"));
        let time = |stream: &mut Stream, max: u64| SimTime::from_nanos(stream.below(max * 1_000_000_000));
        let control = design == 2;
        let cut = SimTime::from_nanos(60_000_000_001);
        let admitted = !control && stream.uniform() < 0.4;
        let class = if admitted {
            if design == 0 {
                AccessClass::Unauthorized
            } else {
                AccessClass::NetworkBypassed
            }
        } else {
            AccessClass::Denied
        };
        let run = RunRecord {
            failure: (replication == 13 && design == 1).then(|| RunFailure {
                time: time(&mut stream, 10),
                component: "kubelet".to_owned(),
                reason: "too many events: 7".to_owned(),
            }),
            events: stream.below(10_000),
            fingerprint: stream.bits(),
            script_end: maybe.uniform().lt(&0.9).then(|| SimTime::from_nanos(500_000_000_000)),
            script_stopped: maybe
                .uniform()
                .lt(&0.1)
                .then(|| "step 6: no pod on a remembered address".to_owned()),
            cut: Some(cut),
            parties_cut: if control { 0 } else { 3 },
            node_given_up: (!control)
                .then(|| cut + SimDuration::from_secs(40) + SimDuration::from_nanos(stream.below(15_000_000_000))),
            endpoint_withdrawn: (!control).then(|| cut + SimDuration::from_secs(50)),
            remembered: 15,
            found_at_first_look: maybe.uniform().lt(&0.8).then(|| stream.uniform() < 0.59),
            reused_in_first_batch: Some(stream.uniform() < 0.6),
            rollouts: stream.below(3) as u32,
            deploys: 2,
            deploys_in_time: 1 + (replication % 2) as u32,
            longest_deploy: (!replication.is_multiple_of(3)).then(|| SimDuration::from_secs(20 + replication % 7)),
            creations_refused: (replication % 4) as u32,
            creations_repeated: (replication % 3) as u32,
            repaired: replication.is_multiple_of(2).then(|| cut + SimDuration::from_secs(30)),
            readers_current: replication.is_multiple_of(2).then(|| cut + SimDuration::from_secs(31)),
            nodes_ready: replication.is_multiple_of(4).then(|| cut + SimDuration::from_secs(35)),
            pods_ready: replication.is_multiple_of(2).then(|| cut + SimDuration::from_secs(32)),
            probed: maybe
                .uniform()
                .lt(&0.7)
                .then(|| cut + SimDuration::from_nanos(stream.below(100_000_000_000))),
            demonstrated: admitted,
            certificate_requests: 15 + stream.below(9),
            stale_entries: stream.below(4) as u32,
            pods: 8,
            ..RunRecord::default()
        };
        let pods = (0..8)
            .map(|ordinal| pod(&mut stream, design, ordinal, replication))
            .collect();
        let accesses = (0..2).map(|ordinal| {
            access(
                &mut stream,
                ordinal,
                cut,
                if ordinal == 0 { AccessClass::Allowed } else { class },
            )
        });
        let mut accesses: Vec<AccessRecord> = accesses.collect();
        if self.unanswered {
            for access in &mut accesses {
                (access.network_decided, access.mesh_decided, access.reached) = (None, None, false);
                access.class = AccessClass::Unreachable;
                access.cause = "no_endpoint".to_owned();
            }
        }
        let window = |via, open: bool, stream: &mut Stream| ExposureRecord {
            ip: Ipv4Addr::new(10, 244, 1, 9),
            client: "sleep-v2-3".to_owned(),
            server: "helloworld-v1-0".to_owned(),
            client_workload: "sleep".to_owned(),
            server_workload: "helloworld".to_owned(),
            port: 5000,
            node: "worker-1".to_owned(),
            via,
            class,
            start: cut,
            end: (!open).then(|| cut + SimDuration::from_nanos(1 + stream.below(60_000_000_000))),
            end_cause: if open {
                String::new()
            } else {
                "the entry was corrected".to_owned()
            },
        };
        let edge = |start, end, availability| EdgeRecord {
            client_workload: "sleep".to_owned(),
            server_workload: "helloworld".to_owned(),
            port: 5000,
            start,
            end,
            pairs: 8,
            availability: Some(availability),
        };
        let horizon = SimTime::from_nanos(900_000_000_000);
        let edges = vec![
            edge(SimTime::ZERO, cut, 1.0),
            edge(cut, horizon, if admitted { 0.75 } else { 1.0 }),
        ];
        let exposures = if admitted {
            vec![
                window(Via::Service, false, &mut stream),
                window(Via::PodIp, replication.is_multiple_of(5), &mut stream),
            ]
        } else {
            Vec::new()
        };
        Outcome {
            run,
            pods,
            accesses,
            exposures,
            edges,
            flows: flows(replication, class),
        }
    }
}

impl Simulate for Fake {
    fn simulate(&self, design: usize, replication: u64) -> Outcome {
        let begun = 1 + self.begun.fetch_add(1, Ordering::SeqCst);
        if let Some((runs, stop)) = &self.stop_after
            && begun >= *runs
        {
            stop.store(true, Ordering::SeqCst);
        }
        assert!(
            design != 0 || self.panic_at != Some(replication),
            "replication {replication} panics on request"
        );
        self.outcome(design, replication)
    }
}

fn pod(stream: &mut Stream, design: usize, ordinal: u64, replication: u64) -> PodRecord {
    let desired = SimTime::from_nanos(70_000_000_000 + stream.below(1_000_000_000));
    let slow = design != 2 && stream.uniform() < 0.3;
    let wait =
        SimDuration::from_nanos(2_000_000_000 + stream.below(3_000_000_000) + if slow { 30_000_000_000 } else { 0 });
    let exit_cause = match stream.below(40) {
        0 => ExitCause::Deleted,
        1 if design == 1 => ExitCause::Censored,
        _ => ExitCause::Ready,
    };
    let exit = if exit_cause == ExitCause::Censored {
        SimTime::from_nanos(900_000_000_000)
    } else {
        desired + wait
    };
    let ready = (exit_cause == ExitCause::Ready).then_some(exit);
    let phases = [
        5_000_000,
        7_000_000,
        900_000_001,
        80_000_000,
        300_000_000,
        20_000_000,
        0,
        1_000_000_000,
    ];
    let mut phases = phases.map(|nanos| ready.map(|_| SimDuration::from_nanos(nanos)));
    phases[Phases::place("configuration")] = None;
    PodRecord {
        pod: format!("sleep-v2-{ordinal}"),
        workload: "sleep-v2".to_owned(),
        measured: ordinal > 0,
        node: Some(format!("worker-{}", 1 + ordinal % 3)),
        ip: (replication != 3).then(|| Ipv4Addr::new(10, 244, 1, ordinal as u8)),
        reused_ip: ordinal == 3,
        desired,
        address: ready.map(|_| desired + SimDuration::from_nanos(1_200_000_000)),
        running: ready.map(|_| desired + SimDuration::from_nanos(1_500_000_000)),
        ready,
        exit_cause,
        exit,
        phases: Phases(phases),
        certificate_landings: if slow {
            "istiod-1 istiod-0".to_owned()
        } else {
            "istiod-2".to_owned()
        },
        certificate_landings_bad: u32::from(slow),
        configuration_landings: String::new(),
        configuration_landings_bad: if slow && ordinal == 1 { 2 } else { 0 },
        delays: if slow {
            vec![
                (DelayCause::TokenReview, SimDuration::from_secs(30)),
                (DelayCause::EndpointLimiter, SimDuration::from_millis(12)),
            ]
        } else {
            Vec::new()
        },
        delayed_by: slow.then_some(DelayCause::TokenReview),
    }
}

/// Requests of two flows, of which an attacker's is let in where the probe is.
fn flows(replication: u64, class: AccessClass) -> Vec<FlowRecord> {
    let record = |flow: &str, class, meant, bin: u64, requests| FlowRecord {
        flow: flow.to_owned(),
        client_workload: flow.to_owned(),
        server: "helloworld".to_owned(),
        port: 5000,
        meant,
        class,
        first: bin == 0,
        from: SimTime::ZERO + SimDuration::from_secs(10) * bin,
        until: SimTime::ZERO + SimDuration::from_secs(10) * (bin + 1),
        requests,
        attempts: requests + 1,
        connections: 1,
    };
    vec![
        record("allowed", AccessClass::Allowed, true, 0, 40),
        record("allowed", AccessClass::WronglyDenied, true, 0, 1 + replication % 3),
        record("allowed", AccessClass::Allowed, true, 1, 50 + replication % 7),
        record("attacker", class, false, 1, 10),
    ]
}

fn access(stream: &mut Stream, ordinal: u64, cut: SimTime, class: AccessClass) -> AccessRecord {
    AccessRecord {
        time: SimTime::from_nanos(cut.as_nanos() + stream.below(90_000_000_000)),
        after_cut: ordinal == 1,
        client: format!("sleep-v2-{ordinal}"),
        client_workload: "sleep-v2".to_owned(),
        server: "helloworld".to_owned(),
        via: Via::Service,
        client_ip: Some(Ipv4Addr::new(10, 244, 1, 9)),
        reused_ip: ordinal == 1,
        reached: true,
        reached_workload: Some("helloworld".to_owned()),
        network_intended: LayerDecision::Deny,
        network_decided: (class != AccessClass::Denied).then_some(LayerDecision::Allow),
        mesh_intended: LayerDecision::Deny,
        mesh_decided: Some(LayerDecision::Deny),
        class,
        cause: "stale identity".to_owned(),
        latency: SimDuration::from_millis(3),
    }
}

pub(crate) fn plan(replications: u64) -> Plan {
    let parameter = |name: &str, confidence: &str| PlannedParameter {
        name: name.to_owned(),
        value: "40s".to_owned(),
        unit: "s".to_owned(),
        source: "kubernetes/kubernetes pkg/controller/nodelifecycle".to_owned(),
        confidence: confidence.to_owned(),
        model: "kubernetes-1.24".to_owned(),
        overridden: false,
    };
    let design = |name: &str, title: &str, mesh: bool| PlannedDesign {
        name: name.to_owned(),
        design: name.to_owned(),
        factors: indexmap::IndexMap::new(),
        title: title.to_owned(),
        parameters: vec![
            parameter("kubernetes.node_monitor_grace_period", "source code"),
            parameter("network.one_way_latency", "assumed"),
        ],
        notes: vec!["cilium 1.12.3 takes the set of 1.12".to_owned()],
        mesh,
        network_enforced: true,
        control_plane_replicas: Some(if mesh { 3 } else { 0 }),
        exposure_pairs: None,
        exposure_edges: None,
        open_by_design: Vec::new(),
        flows: Some(2),
        cuts_nothing: false,
        cost: None,
        control: None,
        versions: indexmap::IndexMap::new(),
        layers: Vec::new(),
    };
    Plan {
        experiment: "fake".to_owned(),
        title: "A made-up experiment".to_owned(),
        question: "Does the laboratory keep its promises?".to_owned(),
        version: "0.0.0-test".to_owned(),
        input_digest: "ab".repeat(32),
        inputs: vec![("experiment.yaml".to_owned(), "cd".repeat(32))],
        seed: 1,
        seed_group: "fake".to_owned(),
        random_numbers: super::plan::RandomNumbers::Common,
        replications,
        stopping: None,
        shard: None,
        designs: vec![
            design("cilium-only", "The network alone", false),
            design("both", "Network and mesh", true),
            design("control", "No cut", true),
        ],
        delayed_threshold_s: 20.0,
        horizon_s: 900.0,
        tie_order: crate::cluster::spec::TieRule::Ranked,
        explain: "meshfault explain fake".to_owned(),
        changes: Vec::new(),
        questions: Questions::default(),
        warnings: Vec::new(),
    }
}
