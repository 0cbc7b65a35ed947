//! How long a large folder of manifests takes to be read and compiled, and a question to be answered.
//!
//! Belongs here: a made-up folder and stopwatches. Does not belong here: anything that a result depends on.
//!
//! `cargo run --release --example policy_scale -- [POLICIES] [WORKLOADS]`; half of the policies are NetworkPolicies, a quarter
//! CiliumNetworkPolicies and a quarter AuthorizationPolicies.

#![expect(clippy::disallowed_methods, reason = "a stopwatch reads the machine's clock")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Instant;

use meshfault::policy::istio::{ClientTls, Question, Towards};
use meshfault::policy::layers::{Ask, Layers};
use meshfault::policy::network::{End, Options};
use meshfault::policy::{Http, Protocol};
use meshfault::scenario::manifests::{Excluded, Purpose, ReadOptions, read_folder};

const QUESTIONS: usize = 2_000_000;
const TRUST_DOMAIN: &str = "cluster.local";

fn main() {
    let mut sizes = std::env::args()
        .skip(1)
        .map(|text| text.parse().expect("a number of policies, a number of workloads"));
    let policies: usize = sizes.next().unwrap_or(1_000);
    let workloads: usize = sizes.next().unwrap_or(10_000);
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = write_folder(folder.path(), policies, workloads);

    let start = Instant::now();
    let options = ReadOptions {
        purpose: Purpose::Policy,
        lenient: false,
    };
    let manifests = read_folder(folder.path(), options, &Excluded::default()).expect("a valid folder");
    let read_s = start.elapsed().as_secs_f64();

    let start = Instant::now();
    let endpoints: Vec<_> = manifests.endpoints.iter().map(|e| e.endpoint.clone()).collect();
    let network = manifests
        .network_policies(Options::default())
        .compile(endpoints.clone());
    let network_s = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let mesh = manifests.mesh_policies(TRUST_DOMAIN);
    let routes = manifests.routes();
    let servers: Vec<_> = endpoints.iter().map(|e| mesh.server(e).expect("a sidecar")).collect();
    let clients: Vec<_> = endpoints
        .iter()
        .map(|e| mesh.client(Some(&e.subject.principal(TRUST_DOMAIN))))
        .collect();
    let mesh_s = start.elapsed().as_secs_f64();
    println!(
        "{policies} policies, {workloads} workloads, {:.1} MB of YAML: read in {read_s:.2} s, network compiled in \
         {network_s:.3} s, mesh in {mesh_s:.3} s",
        bytes as f64 / 1e6
    );

    let http = Some(Http {
        method: "GET",
        path: "/items/7",
        host: None,
        headers: &[],
    });
    measure("network, one direction", QUESTIONS, workloads, |from, to| {
        let verdict = network.ingress(to, End::Workload(from), 8080, Protocol::Tcp, http.as_ref());
        verdict.is_allowed()
    });
    measure("mesh", QUESTIONS, workloads, |from, to| {
        let question = Question {
            port: 8080,
            http,
            source_address: None,
            destination_addresses: &[],
        };
        let tls = mesh.client_tls(&Towards {
            from: &endpoints[from],
            to: &endpoints[to],
            port: 8080,
            route: routes[to].first(),
        });
        tls[0] == ClientTls::Mutual && mesh.verdict(&servers[to], &clients[from], &question).is_allowed()
    });
    let layers = Layers::new(network.clone(), manifests.mesh_policies(TRUST_DOMAIN), TRUST_DOMAIN)
        .with_routes(manifests.routes());
    measure(
        "everything that the command asks",
        QUESTIONS / 10,
        workloads,
        |from, to| {
            let answer = layers.ask(&Ask {
                from: End::Workload(from),
                to: End::Workload(to),
                port: 8080,
                protocol: Protocol::Tcp,
                http,
            });
            answer.together.verdict.is_allowed()
        },
    );
}

fn measure(what: &str, questions: usize, workloads: usize, ask: impl Fn(usize, usize) -> bool) {
    let mut allowed = 0_usize;
    let start = Instant::now();
    for question in 0..questions {
        // Steps that are prime to the number of workloads visit all of them as both ends; the quotient keeps the two apart.
        let to = question * 7_919 % workloads;
        let from = (question * 104_729 + question / 7) % workloads;
        allowed += usize::from(ask(from, to));
    }
    let each_ns = start.elapsed().as_secs_f64() * 1e9 / questions as f64;
    println!("{what}: {each_ns:.0} ns each, {allowed} of {questions} allowed");
}

/// Writes the folder and gives its size \[bytes\].
fn write_folder(folder: &Path, policies: usize, workloads: usize) -> usize {
    let namespaces = (workloads / 100).max(1);
    let mut bytes = 0;
    let mut write = |name: &str, text: String| {
        bytes += text.len();
        fs::write(folder.join(name), text).expect("the folder can be written");
    };
    let mut text = String::new();
    for index in 0..namespaces {
        let team = index % 10;
        let _ = write!(
            text,
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: ns-{index}, labels: {{team: team-{team}, istio-injection: enabled}}}}\n---\n"
        );
    }
    write("0-namespaces.yaml", text);
    let list: Vec<usize> = (0..workloads).collect();
    for (file, chunk) in list.chunks(1_000).enumerate() {
        write(
            &format!("1-workloads-{file}.yaml"),
            chunk.iter().map(|i| workload(*i, namespaces)).collect(),
        );
    }
    write(
        "2-policies.yaml",
        (0..policies).map(|i| policy(i, namespaces)).collect(),
    );
    bytes
}

fn workload(index: usize, namespaces: usize) -> String {
    let (namespace, tier, version, part, account) = (index % namespaces, index % 5, index % 3, index % 40, index % 50);
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: app-{index}, namespace: ns-{namespace}}}
spec:
  selector: {{matchLabels: {{app: app-{index}}}}}
  template:
    metadata:
      labels: {{app: app-{index}, tier: tier-{tier}, version: v{version}, part-of: part-{part}}}
    spec:
      serviceAccountName: account-{account}
      containers: [{{name: c, image: i, ports: [{{name: web, containerPort: 8080}}]}}]
---
apiVersion: v1
kind: Service
metadata: {{name: app-{index}, namespace: ns-{namespace}}}
spec: {{selector: {{app: app-{index}}}, ports: [{{name: http, port: 80, targetPort: web}}]}}
---
"
    )
}

fn policy(index: usize, namespaces: usize) -> String {
    let (namespace, next) = (index % namespaces, (index + 1) % namespaces);
    let (tier, version, part, team, account) = (index % 5, index % 3, index % 40, index % 10, index % 50);
    match index % 4 {
        0 | 2 => {
            // Every fifth selects its whole namespace.
            let selector = match index % 10 {
                0 => "{}".to_owned(),
                _ => format!("{{matchLabels: {{version: v{version}}}}}"),
            };
            format!(
                "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: n-{index}, namespace: ns-{namespace}}}
spec:
  podSelector: {selector}
  policyTypes: [Ingress]
  ingress:
    - from:
        - namespaceSelector: {{matchLabels: {{team: team-{team}}}}}
          podSelector: {{matchLabels: {{tier: tier-{tier}}}}}
      ports: [{{port: web}}]
---
"
            )
        }
        1 => format!(
            "apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {{name: c-{index}, namespace: ns-{namespace}}}
spec:
  endpointSelector: {{matchLabels: {{tier: tier-{tier}}}}}
  ingress:
    - fromEndpoints:
        - matchLabels: {{part-of: part-{part}}}
        - matchLabels: {{k8s:io.kubernetes.pod.namespace: ns-{next}}}
      toPorts: [{{ports: [{{port: \"8080\", protocol: TCP}}]}}]
---
"
        ),
        _ => format!(
            "apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: a-{index}, namespace: ns-{namespace}}}
spec:
  selector: {{matchLabels: {{tier: tier-{tier}}}}}
  rules:
    - from:
        - source: {{principals: [\"cluster.local/ns/ns-{next}/sa/account-{account}\"]}}
        - source: {{namespaces: [ns-{namespace}]}}
      to: [{{operation: {{methods: [GET], paths: [\"/items/*\"]}}}}]
---
"
        ),
    }
}
