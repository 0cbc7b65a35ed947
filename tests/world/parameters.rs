//! Every parameter of `models/` does something: another allowed value moves a run, or a warning.
//!
//! A parameter that moves nothing is refused here: either its mechanism is missing, or it is to be deleted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use meshfault::cluster::api_flow::Level;
use meshfault::cluster::faults::FaultKind;
use meshfault::cluster::faults::cut::CutMode;
use meshfault::cluster::faults::etcd_quorum::EtcdQuorum;
use meshfault::cluster::faults::place::{Where, Whom};
use meshfault::cluster::faults::when::{Event, Occurrence};
use meshfault::cluster::ids::{KindId, NodeId};
use meshfault::cluster::params::{CiliumParams, IstioParams, Kind, KubernetesParams, NetworkParams};
use meshfault::cluster::party::PartyKind;
use meshfault::cluster::placement::NodePool;
use meshfault::cluster::records::{PodRecord, RunRecord};
use meshfault::cluster::spec::{Step, WorldSpec};

use crate::support::{Bench, at, at_first_istiod, case_path, cut, pause, s, workload};

/// Everything is scarce: places, requests, streams, time in the limiter; and pods without manifests come and go.
const SCARCE: [&str; 7] = [
    "churn={rate: 1/s, for: 60s, lifetime: 20s}",
    "parameters.kubernetes.pods_per_node_max=16",
    "parameters.kubernetes.term_reaction=3s",
    "parameters.istio.api_client_burst=1",
    "parameters.istio.stream_rate=1",
    "parameters.istio.debounce_after=5s",
    "parameters.cilium.endpoint_create_max_wait=2s",
];

/// An experiment, one of its designs, what else is set, and what is altered.
type World = (PathBuf, &'static str, &'static [&'static str], fn(&mut WorldSpec));

/// Worlds in which a parameter may show, those that show most first.
fn worlds() -> Vec<World> {
    let built_in = |name: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
        folder.join(format!("{name}.yaml"))
    };
    let mut worlds: Vec<World> = vec![
        (built_in("istiod-cut-off"), "cilium-istio-1.14", &[], |_| ()),
        (built_in("istiod-cut-off"), "cilium-istio-1.21", &SCARCE, |_| ()),
        (built_in("istiod-cut-off"), "cilium-istio-1.21", &[], nodes_are_full),
        (built_in("api-overload"), "account-per-agent", &[], |world| {
            lists_flood(world, Level::WorkloadLow)
        }),
        (built_in("api-overload"), "account-per-agent", &[], |world| {
            lists_flood(world, Level::System)
        }),
        (
            built_in("api-overload"),
            "account-per-agent-1.32",
            &PROCESSORS,
            |world| lists_flood(world, Level::WorkloadLow),
        ),
        (
            built_in("api-overload"),
            "account-per-agent-1.32",
            &PROCESSORS,
            |world| lists_flood(world, Level::WorkloadHigh),
        ),
        (built_in("api-overload"), "control", &[], etcd_is_lost),
        (built_in("one-istiod-of-three"), "drop-sticky", &[], |_| ()),
        (built_in("one-istiod-of-three"), "reject-redraw", &[], |_| ()),
        (
            built_in("one-istiod-of-three"),
            "drop-redraw",
            &[],
            istiod_starts_while_it_is_cut,
        ),
        (built_in("one-istiod-of-three"), "drop-redraw", &[], |world| {
            world.faults[0].when.duration = Some(s(80.0));
            world.horizon = at(300.0);
        }),
        (built_in("mechanisms"), "b-black-hole-1.14", &[], |_| ()),
        (built_in("mechanisms"), "d-webhook", &[], |world| {
            webhook_is_cut(world, CutMode::Drop)
        }),
        (built_in("mechanisms"), "d-webhook", &[], |world| {
            webhook_is_cut(world, CutMode::Reject)
        }),
        (
            case_path("replies-only-identity"),
            "replies-only",
            &[],
            a_new_account_comes_while_the_connection_stands,
        ),
        (case_path("replies-only-identity"), "drop", &[], |_| ()),
        (built_in("ip-reuse"), "vxlan", &[], |world| {
            Arc::make_mut(&mut world.workloads)
                .iter_mut()
                .for_each(|workload| workload.init_containers = 1);
            node_is_repaired(world, CutMode::Drop, 20.0)
        }),
        (built_in("ip-reuse"), "vxlan", &[], |world| {
            node_is_repaired(world, CutMode::Drop, 100.0)
        }),
        (built_in("ip-reuse"), "vxlan", &[], |world| {
            node_is_repaired(world, CutMode::Reject, 100.0)
        }),
        (built_in("ip-reuse"), "vxlan", &MANY_NODES, |world| {
            nodes_are_silent(world, 3)
        }),
        (built_in("ip-reuse"), "vxlan", &MANY_NODES, |world| {
            nodes_are_silent(world, 40)
        }),
    ];
    worlds.extend(
        ["server-behind", "short-lived"].map(|design| -> World { (case_path("clock-skew"), design, &[], |_| ()) }),
    );
    worlds.push((case_path("jobs"), "plain", &[], |world| {
        world.horizon = at(400.0);
        Arc::make_mut(&mut world.workloads)
            .iter_mut()
            .for_each(|workload| workload.job.iter_mut().for_each(|job| job.backoff_limit = 9));
    }));
    worlds.extend(OF_MANY_FAULTS.map(|design| -> World { (case_path("many-faults"), design, &[], |_| ()) }));
    worlds
}

/// Designs with a fault of each kind.
const OF_MANY_FAULTS: [&str; 20] = [
    "unreachable",
    "balanced",
    "killed",
    "no-controllers",
    "node-processes",
    "agents-cut",
    "istiods-loop",
    "istiods-crash-again",
    "servers-restart",
    "istiods-frozen",
    "clients-cut",
    "nodes-down",
    "stale",
    "names",
    "partitioned",
    "lossy",
    "slow-paths",
    "istiods-out-of-memory",
    "webhooks",
    "tokens",
];

/// Seats are what is scarce.
const PROCESSORS: [&str; 1] = ["parameters.kubernetes.api_server_cores=1000"];

/// Nodes take an Istiod and two sidecars, for which memory is scarce, or sidecars alone, for which cores are.
fn nodes_are_full(world: &mut WorldSpec) {
    world.pools = vec![NodePool {
        nodes: world.nodes - world.control_plane_nodes,
        cpu_milli: Some(900),
        memory: Some((2 << 30) + (300 << 20)),
        ..NodePool::default()
    }];
}

fn lists_flood(world: &mut WorldSpec, level: Level) {
    let FaultKind::Overload(overload) = &mut world.faults[0].kind else {
        panic!("the experiment has an overload");
    };
    overload.flow.level = level;
    overload.flow.rate_per_s = 300.0;
    if level == Level::System {
        // Lists whose seats depend on their objects, and their work not.
        (overload.flow.objects, overload.flow.work) = (500, Some(s(1.0)));
    }
    world.horizon = at(110.0);
}

/// After the second pod was asked for.
fn etcd_is_lost(world: &mut WorldSpec) {
    let FaultKind::Overload(overload) = &world.faults[0].kind else {
        panic!("the experiment has an overload");
    };
    let whom = Whom {
        parties: vec![PartyKind::ApiServer],
        ..overload.whom.clone()
    };
    world.faults[0].kind = FaultKind::EtcdQuorum(EtcdQuorum { whom });
    world.faults[0].when.after = Some(Occurrence {
        event: Event::PodCreated(KindId(workload(world, "sleep") as u32)),
        count: 2,
        wait: s(0.0),
    });
    let starts = |step: &Step| matches!(step, Step::StartFault { .. });
    world.script.retain(|step| !starts(step));
    world.measures.startup_since_step = 0;
    world.horizon = at(200.0);
}

const MANY_NODES: [&str; 1] = ["cluster.nodes=60"];

fn nodes_are_silent(world: &mut WorldSpec, nodes: u32) {
    cut(world, 0).whom.place = Where::Nodes((1..=nodes).map(NodeId).collect());
    let scale = Step::Scale {
        workload: workload(world, "sleep-v2"),
        replicas: 120,
    };
    world.script = vec![scale, pause(60.0), Step::StartFault { fault: 0 }];
    world.measures.startup_since_step = 0;
    world.measures.exposure_clients = Vec::new();
    world.measures.exposure_servers = Vec::new();
    world.horizon = at(900.0);
}

fn istiod_starts_while_it_is_cut(world: &mut WorldSpec) {
    only_istiod_is_cut(world, CutMode::Reject, 119.5);
    world.faults[0].when.starts_at = Some(at(0.5));
    // The script waits for Istiod before its first step.
    world.script = vec![pause(1.0)];
}

fn node_is_repaired(world: &mut WorldSpec, mode: CutMode, seconds: f64) {
    cut(world, 0).mode = mode;
    world.faults[0].when.duration = Some(s(seconds));
    world.horizon = at(400.0);
}

fn a_new_account_comes_while_the_connection_stands(world: &mut WorldSpec) {
    world.script[2] = pause(40.0);
}

fn webhook_is_cut(world: &mut WorldSpec, mode: CutMode) {
    only_istiod_is_cut(world, mode, 3.0);
    let scale = Step::Scale {
        workload: workload(world, "sleep-v2"),
        replicas: 5,
    };
    world.script = vec![pause(60.0), Step::StartFault { fault: 0 }, scale];
}

fn only_istiod_is_cut(world: &mut WorldSpec, mode: CutMode, seconds: f64) {
    world.istio.as_mut().expect("the experiment has Istio").replicas = 1;
    cut(world, 0).whom.place = at_first_istiod();
    cut(world, 0).mode = mode;
    world.faults[0].when.duration = Some(s(seconds));
    world.measures.startup_since_step = 0;
    world.horizon = at(300.0);
}

/// Values of all parameters as the oldest sets have them.
fn values() -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for set in ["kubernetes/1.24", "cilium/1.12", "istio/1.14", "network/default"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("models/{set}.yaml"));
        let text = std::fs::read_to_string(path).expect("the set is there");
        let component = set.split('/').next().unwrap_or_default();
        let mut name = "";
        for line in text.lines() {
            if let Some(key) = line.strip_prefix("  ").and_then(|key| key.strip_suffix(':')) {
                name = key;
            } else if let Some(value) = line.strip_prefix("    value: ") {
                values.insert(format!("{component}.{name}"), value.to_owned());
            }
        }
    }
    values
}

/// Other values of a parameter, allowed or not.
fn others(kind: Kind, value: &str) -> Vec<String> {
    let scaled = |number: &str, unit: &str| {
        let number: f64 = number.parse().expect("a number");
        if number == 0.0 {
            return vec![format!("0.25{unit}")];
        }
        [0.25, 4.0, 0.01, 0.001]
            .map(|factor| format!("{}{unit}", number * factor))
            .to_vec()
    };
    match kind {
        Kind::Switch => vec![(value != "true").to_string()],
        Kind::Distribution => ["1500ms", "10ms"].map(str::to_owned).to_vec(),
        Kind::Count => ["1", "2", "100"].map(str::to_owned).to_vec(),
        Kind::Number => scaled(value, ""),
        Kind::Duration => {
            let unit = value.find(|c: char| c.is_alphabetic()).expect("a span has a unit");
            match &value[..unit] {
                "0" => vec!["1s".to_owned(), "10s".to_owned()],
                number => scaled(number, &value[unit..]),
            }
        }
    }
}

/// Warnings, and the runs with their pods.
type Seen = (Vec<String>, Vec<(RunRecord, Vec<PodRecord>)>);

/// What is seen of a world with one change, if it is allowed.
fn seen((path, design, changes, edit): &World, change: &str) -> Option<Seen> {
    let mut changes = changes.to_vec();
    changes.extend((!change.is_empty()).then_some(change));
    let bench = Bench::allowed_values(path, &changes).ok()?.only(design).edit(edit);
    let lab = bench.ready();
    let runs = (0..2).map(|replication| lab.one(replication));
    Some((
        bench.warnings().to_vec(),
        runs.map(|outcome| (outcome.run, outcome.pods)).collect(),
    ))
}

#[test]
fn every_parameter_moves_something() {
    let values = values();
    let sets = [
        ("kubernetes", KubernetesParams::FIELDS),
        ("cilium", CiliumParams::FIELDS),
        ("istio", IstioParams::FIELDS),
        ("network", NetworkParams::FIELDS),
    ];
    let worlds = worlds();
    let before: Vec<_> = worlds
        .iter()
        .map(|world| seen(world, "").expect("the worlds are lawful"))
        .collect();
    let moves = |name: &str, other: &String| {
        let change = format!("parameters.{name}={other}");
        let mut pairs = worlds.iter().zip(&before);
        pairs.any(|(world, before)| seen(world, &change).is_some_and(|now| now != *before))
    };
    let mut dead = Vec::new();
    for (component, fields) in sets {
        for &(field, kind) in fields {
            let name = format!("{component}.{field}");
            if !others(kind, &values[&name]).iter().any(|other| moves(&name, other)) {
                dead.push(name);
            }
        }
    }
    assert!(dead.is_empty(), "these parameters move nothing: {dead:#?}");
}
