//! Laws of a healthy cluster whose watches have no delay, on random folders: nobody gets in against policy, nobody is kept out, and
//! every call ends as the table of `meshfault policy` has it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::Command;

use meshfault::cluster::purpose::Purpose;
use meshfault::cluster::records::{AccessClass, ExposureRecord, Outcome};
use meshfault::kernel::{EntityKey, RunKey, Stream};

use crate::support::{Bench, at, between};

const FOLDERS: u64 = 12;
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// What spreads without delay and what is created at once, so that nothing is believed that is no longer true.
const AT_ONCE: [&str; 7] = [
    "parameters.kubernetes.watch_latency=0s",
    "parameters.kubernetes.watch_batch_period=1ms",
    "parameters.cilium.identity_watch_latency=0s",
    "parameters.cilium.ipcache_latency=0s",
    "parameters.cilium.ipcache_batch_period=1ms",
    "parameters.cilium.endpoint_publish_latency=0s",
    "parameters.kubernetes.api_write_latency=0s",
];

/// A folder of four workloads, each with a Service and an account, and random policies of the network and the mesh.
fn folder(lot: &mut Stream) -> String {
    let mut yaml =
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: {istio-injection: enabled}}\n".to_owned();
    for name in NAMES {
        let _ = write!(
            yaml,
            "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}, namespace: default}}\n\
             ---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: default}}\n\
             spec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}\n\
             ---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: default}}\n\
             spec:\n  replicas: 1\n  selector: {{matchLabels: {{app: {name}}}}}\n  template:\n\
             \x20   metadata: {{labels: {{app: {name}, side: {side}}}}}\n\
             \x20   spec: {{serviceAccountName: {name}, containers: [{{name: c, image: c, ports: [{{containerPort: 8080}}]}}]}}\n",
            side = if lot.below(2) == 0 { "left" } else { "right" },
        );
    }
    let some = |lot: &mut Stream| NAMES[lot.below(NAMES.len() as u64) as usize];
    for number in 0..lot.below(4) {
        let (of, from, port) = (some(lot), some(lot), if lot.below(3) == 0 { 9090 } else { 8080 });
        let peer = match lot.below(3) {
            0 => "{side: left}".to_owned(),
            _ => format!("{{app: {from}}}"),
        };
        let _ = write!(
            yaml,
            "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: n{number}, namespace: default}}\n\
             spec:\n  podSelector: {{matchLabels: {{app: {of}}}}}\n  policyTypes: [Ingress]\n\
             \x20 ingress: [{{from: [{{podSelector: {{matchLabels: {peer}}}}}], ports: [{{port: {port}}}]}}]\n",
        );
    }
    for number in 0..lot.below(4) {
        let (of, from) = (some(lot), some(lot));
        let action = if lot.below(3) == 0 { "DENY" } else { "ALLOW" };
        let _ = write!(
            yaml,
            "---\napiVersion: security.istio.io/v1beta1\nkind: AuthorizationPolicy\nmetadata: {{name: m{number}, namespace: default}}\n\
             spec:\n  selector: {{matchLabels: {{app: {of}}}}}\n  action: {action}\n\
             \x20 rules: [{{from: [{{source: {{principals: [cluster.local/ns/default/sa/{from}]}}}}]}}]\n",
        );
    }
    yaml
}

fn experiment() -> String {
    let pairs = NAMES.iter().flat_map(|from| NAMES.iter().map(move |to| (from, to)));
    let probes = pairs.filter(|(from, to)| from != to);
    let probes: String = probes
        .map(|(from, to)| format!("  - probe: {{from: {from}, to: {to}, path: /, time_limit: 2s}}\n"))
        .collect();
    let all = NAMES.join(", ");
    format!(
        "meshfault: 1\ntitle: A random folder\nquestion: Does every call end as the policies intend?\nhorizon: 5m\nreplications: 1\n\
         cluster:\n  kubernetes: \"1.27\"\n  nodes: 3\n  control_plane_nodes: 1\n\
         \x20 cilium: {{version: \"1.15.0\", routing: vxlan, encryption: none}}\n  istio: {{version: \"1.21.0\", replicas: 1}}\n\
         manifests: manifests\npolicies_in_force: [network, mesh]\nscript:\n  - pause: 60s\n  - apply: [{all}]\n\
         \x20 - wait_ready: {{workloads: [{all}], timeout: 2m}}\n  - pause: 10s\n{probes}\
         traffic: {{from_policies: {{rate: 12/min, time_limit: 2s}}}}\n\
         measures: {{exposure: all}}\ndesigns: [{{name: healthy}}]\n"
    )
}

/// What `meshfault policy` says of each pair of workloads: whether both layers let the call through.
fn table(manifests: &std::path::Path) -> BTreeMap<(String, String), bool> {
    let ran = Command::new(env!("CARGO_BIN_EXE_meshfault"))
        .args(["policy", "--format", "json", "--manifests"])
        .arg(manifests)
        .output()
        .expect("the program starts");
    let told: serde_json::Value = serde_json::from_slice(&ran.stdout).expect("the output is JSON");
    let cases = told["cases"].as_array().expect("there are cases").iter();
    let name = |of: &serde_json::Value| {
        of.as_str()
            .and_then(|name| name.strip_prefix("default/"))
            .expect("a name")
            .to_owned()
    };
    let of_port = cases.filter(|case| case["port"] == 8080);
    of_port
        .map(|case| ((name(&case["from"]), name(&case["to"])), case["together"] == "allow"))
        .collect()
}

struct Healthy {
    /// The folder, for messages.
    text: String,
    table: BTreeMap<(String, String), bool>,
    outcome: Outcome,
    /// Windows that lasted, by class and length \[s\].
    windows: Vec<(AccessClass, f64)>,
}

/// The run of a random folder with these changes.
fn run(number: u64, changes: &[&str]) -> Healthy {
    let mut lot = RunKey::derive(1, "random folders", number).stream(Purpose::ChurnKind, EntityKey::root("test"));
    let dir = tempfile::tempdir().expect("there is room");
    let manifests = dir.path().join("manifests");
    std::fs::create_dir(&manifests).expect("it can be written");
    let text = folder(&mut lot);
    std::fs::write(manifests.join("all.yaml"), &text).expect("it can be written");
    let file = dir.path().join("random.yaml");
    std::fs::write(&file, experiment()).expect("it can be written");
    let table = table(&manifests);
    let outcome = Bench::load(&file, changes).seed(number).ready().one(0);
    let length = |window: &ExposureRecord| between(window.start, window.end.unwrap_or(at(300.0)));
    let windows = outcome.exposures.iter().map(|window| (window.class, length(window)));
    let windows = windows.filter(|(_, length)| *length > 0.01).collect();
    Healthy {
        text,
        table,
        outcome,
        windows,
    }
}

#[test]
fn a_healthy_cluster_without_delays_does_what_its_policies_intend() {
    let (mut allowed, mut denied) = (0, 0);
    for number in 0..FOLDERS {
        let Healthy {
            text,
            table,
            outcome,
            windows,
        } = run(number, &AT_ONCE);
        assert!(windows.is_empty(), "folder {number}: {windows:?}\n{text}");
        for span in outcome.edges.iter().filter(|span| span.end == at(300.0)) {
            let edge = (span.client_workload.clone(), span.server_workload.clone());
            let meant = table.get(&edge).filter(|_| edge.0 != edge.1);
            let share = meant.map(|meant| meant.then_some(1.0));
            assert_eq!(
                span.availability,
                share.unwrap_or(span.availability),
                "folder {number}: {span:?}\n{text}"
            );
        }
        assert_eq!(outcome.accesses.len(), NAMES.len() * (NAMES.len() - 1));
        for access in &outcome.accesses {
            let meant = table[&(access.client_workload.clone(), access.server.clone())];
            let class = if meant {
                AccessClass::Allowed
            } else {
                AccessClass::Denied
            };
            assert_eq!(access.class, class, "folder {number}: {access:?}\n{text}");
            *(if meant { &mut allowed } else { &mut denied }) += 1;
        }
        requests_agree(&table, &outcome, &text);
    }
    assert!(allowed > 30 && denied > 20, "{allowed} {denied}");
}

/// Traffic of a healthy run: the requests of every edge are meant or not as the table has it, and end so once all pods are ready.
fn requests_agree(table: &BTreeMap<(String, String), bool>, outcome: &Outcome, text: &str) {
    let mut answered = BTreeSet::new();
    let mut connections = BTreeMap::new();
    for flow in &outcome.flows {
        let edge = (flow.client_workload.clone(), flow.server.clone());
        assert_eq!(flow.meant, table[&edge], "{flow:?}\n{text}");
        match flow.class {
            AccessClass::Allowed => assert!(flow.meant, "{flow:?}\n{text}"),
            AccessClass::Denied => assert!(!flow.meant, "{flow:?}\n{text}"),
            // Its server is not ready yet.
            AccessClass::Unreachable => {
                assert!(flow.from < at(150.0), "{flow:?}\n{text}");
                continue;
            }
            _ => panic!("{flow:?}\n{text}"),
        }
        *connections.entry(edge.clone()).or_insert(0) += flow.connections;
        answered.insert(edge);
    }
    // One pod calls one other one: its proxy opens a connection once, if the network lets it.
    let once = |(edge, opened): (&(String, String), &u64)| *opened == 1 || *opened == 0 && !table[edge];
    assert!(connections.iter().all(once), "{connections:?}\n{text}");
    assert_eq!(answered.len(), NAMES.len() * (NAMES.len() - 1), "{text}");
}

/// The check has power: where addresses are what identity is known by, and nodes read of them 5 s late, new pods are kept out until
/// then by the policies that name them.
#[test]
fn a_delay_keeps_new_pods_out_for_as_long() {
    let late = ["cluster.cilium.routing=native", "parameters.cilium.ipcache_latency=5s"];
    let windows = (0..FOLDERS).flat_map(|number| run(number, &late).windows);
    let closed = windows.filter(|(class, _)| *class == AccessClass::WronglyDenied);
    let closed: Vec<f64> = closed.map(|(_, length)| length).collect();
    assert!(closed.len() > 10, "{} windows", closed.len());
    assert!(closed.iter().all(|length| *length < 6.0), "{closed:?}");
}
