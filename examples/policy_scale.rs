//! How long the network's policies take to compile and to answer, at the size of a large cluster.
//!
//! Belongs here: a made-up cluster and two stopwatches. Does not belong here: anything that a result depends on.
//!
//! `cargo run --release --example policy_scale -- [POLICIES] [WORKLOADS]`

#![expect(clippy::disallowed_methods, reason = "a stopwatch reads the machine's clock")]

use std::time::Instant;

use meshfault::policy::cilium::{CiliumNetworkPolicy, CiliumPeers, CiliumRule, CiliumSelector, CiliumSubject};
use meshfault::policy::network::form::PortMatch;
use meshfault::policy::network::kubernetes::{NetworkPeer, NetworkRule};
use meshfault::policy::network::{End, NetworkPolicy, Options};
use meshfault::policy::{Endpoint, LabelSelector, Labels, NamedPorts, NetworkPolicies, Protocol, Subject};

fn main() {
    let mut sizes = std::env::args()
        .skip(1)
        .map(|text| text.parse().expect("a number of policies, a number of workloads"));
    let policies: usize = sizes.next().unwrap_or(1_000);
    let workloads: usize = sizes.next().unwrap_or(10_000);
    let namespaces = (workloads / 100).max(1);
    let endpoints: Vec<Endpoint> = (0..workloads).map(|index| endpoint(index, namespaces)).collect();
    let half = policies / 2;
    let cilium: Vec<CiliumNetworkPolicy> = (0..half).map(|index| cilium(index, namespaces)).collect();
    let network: Vec<NetworkPolicy> = (half..policies).map(|index| network(index, namespaces)).collect();

    let start = Instant::now();
    let compiled = NetworkPolicies::new(&cilium, &network, Options::default()).compile(endpoints);
    let compile_s = start.elapsed().as_secs_f64();

    let (mut allowed, questions) = (0_usize, 2_000_000_usize);
    let start = Instant::now();
    for question in 0..questions {
        // Steps that are prime to the number of workloads visit all of them as both ends; the quotient keeps the two apart.
        let (to, from) = (
            question * 7_919 % workloads,
            (question * 104_729 + question / 7) % workloads,
        );
        let verdict = compiled.ingress(to, End::Workload(from), 8080, Protocol::Tcp, None);
        allowed += usize::from(verdict.is_allowed());
    }
    let verdict_ns = start.elapsed().as_secs_f64() * 1e9 / questions as f64;
    println!("{policies} policies, {workloads} workloads: compiled in {compile_s:.3} s");
    println!("{questions} verdicts: {verdict_ns:.0} ns each, {allowed} allowed");
}

fn endpoint(index: usize, namespaces: usize) -> Endpoint {
    let namespace = format!("ns-{}", index % namespaces);
    let team = Labels::from([("team", format!("team-{}", index % namespaces % 10))]);
    let labels = Labels::from([
        ("app", format!("app-{index}")),
        ("tier", format!("tier-{}", index % 5)),
        ("version", format!("v{}", index % 3)),
        ("part-of", format!("part-{}", index % 40)),
    ]);
    Endpoint {
        subject: Subject::new(&namespace, team, &format!("account-{}", index % 50), labels),
        name: format!("app-{index}"),
        named_ports: NamedPorts::from([(("web".to_owned(), Protocol::Tcp), 8080)]),
        host_network: false,
        addresses: Vec::new(),
        sidecar: false,
        ambient: false,
    }
}

fn one(key: &str, value: String) -> LabelSelector {
    LabelSelector::from([(key, value)])
}

fn cilium(index: usize, namespaces: usize) -> CiliumNetworkPolicy {
    let select = |selector: LabelSelector| CiliumSelector::new(&selector).expect("a valid selector");
    let namespace = format!("ns-{}", index % namespaces);
    let subject = CiliumSubject::Endpoints(select(one("tier", format!("tier-{}", index % 5))));
    CiliumNetworkPolicy {
        ingress: vec![CiliumRule {
            peers: CiliumPeers::Endpoints(vec![
                select(one("part-of", format!("part-{}", index % 40))),
                select(one(
                    "k8s:io.kubernetes.pod.namespace",
                    format!("ns-{}", (index + 1) % namespaces),
                )),
            ]),
            ports: vec![PortMatch::tcp(8080).into()],
            ..CiliumRule::default()
        }],
        ..CiliumNetworkPolicy::new(Some(&namespace), &format!("c-{index}"), subject)
    }
}

fn network(index: usize, namespaces: usize) -> NetworkPolicy {
    NetworkPolicy {
        namespace: format!("ns-{}", index % namespaces),
        name: format!("n-{index}"),
        file: String::new(),
        // Every tenth selects its whole namespace.
        pod_selector: match index % 10 {
            0 => LabelSelector::default(),
            _ => one("version", format!("v{}", index % 3)),
        },
        isolates_ingress: true,
        isolates_egress: false,
        ingress: vec![NetworkRule {
            peers: vec![NetworkPeer::Pods {
                namespaces: Some(one("team", format!("team-{}", index % 10))),
                pods: Some(one("tier", format!("tier-{}", index % 5))),
            }],
            ports: vec![PortMatch::tcp(8080)],
            line: 0,
        }],
        egress: Vec::new(),
    }
}
