//! The results that were published, per access: who gets in where an address is reused on a node that cannot hear.

use std::collections::BTreeSet;

use meshfault::cluster::records::{AccessClass, AccessRecord, LayerDecision, Outcome};

use crate::support::{Bench, Lab};

/// Probes of a reused address that reached a live server.
fn reached(outcome: &Outcome) -> impl Iterator<Item = &AccessRecord> {
    outcome
        .accesses
        .iter()
        .filter(|access| access.reused_ip && access.reached)
}

/// Every probe from a reused address that reaches a live server has this class; enough of them do.
fn all_reached_are(lab: &Lab, design: &str, runs: u64, least: usize, class: AccessClass) -> Vec<AccessRecord> {
    let mut found = Vec::new();
    for replication in 0..runs {
        let outcome = lab.run(design, replication);
        for access in reached(&outcome) {
            assert_eq!(access.class, class, "{design}, run {replication}: {access:?}");
            found.push(access.clone());
        }
        // No client gets in beyond those published.
        if class != AccessClass::Unauthorized {
            let unauthorized = |access: &&AccessRecord| access.class == AccessClass::Unauthorized;
            assert_eq!(
                outcome.accesses.iter().find(unauthorized),
                None,
                "{design}, run {replication}"
            );
        }
    }
    eprintln!(
        "{design}: {} of {runs} runs reach the server, all {class:?}",
        found.len()
    );
    assert!(
        found.len() >= least,
        "{design}: only {} of {runs} runs reach the server",
        found.len()
    );
    found
}

#[test]
fn an_identity_in_the_packet_stops_the_wrong_client() {
    let lab = Bench::of("ip-reuse", &[]).ready();
    for design in ["vxlan", "vxlan-wireguard-1.15"] {
        for access in all_reached_are(&lab, design, 80, 20, AccessClass::Denied) {
            assert_eq!(access.network_decided, Some(LayerDecision::Deny));
            assert_eq!(access.cause, "network_ingress_policy");
        }
    }
}

#[test]
fn an_identity_looked_up_on_the_cut_node_lets_the_wrong_client_in() {
    let lab = Bench::of("ip-reuse", &[]).ready();
    for design in ["vxlan-wireguard-1.12", "native-routing"] {
        for access in all_reached_are(&lab, design, 80, 20, AccessClass::Unauthorized) {
            assert_eq!(
                (access.network_intended, access.network_decided),
                (LayerDecision::Deny, Some(LayerDecision::Allow))
            );
        }
    }
}

#[test]
fn without_a_cut_no_client_is_unauthorized_and_windows_are_short_and_closed() {
    // The garbage collector removes the entry of a pod before its address is free. Only where it is slow is there a window.
    let usual = healthy_windows(&[]);
    let late = healthy_windows(&["parameters.kubernetes.garbage_collection_latency=1m"]);
    assert!(usual.0 < late.0, "{usual:?}, {late:?}");
    // An entry is corrected within the bound of the ipcache's distribution, 10 s.
    assert!(usual.1 <= 10.0 && late.1 <= 10.0, "{usual:?}, {late:?}");
}

/// Windows of the control design, and seconds of the longest; all of them are closed.
fn healthy_windows(changes: &[&str]) -> (u32, f64) {
    let lab = Bench::of("ip-reuse", changes).ready();
    let (mut windows, mut longest) = (0, 0.0_f64);
    for replication in 0..80 {
        let outcome = lab.run("control", replication);
        for access in &outcome.accesses {
            assert_ne!(access.class, AccessClass::Unauthorized, "{access:?}");
        }
        for window in &outcome.exposures {
            let end = window
                .end
                .unwrap_or_else(|| panic!("{replication}: {window:?} stays open"));
            windows += 1;
            longest = longest.max(end.since(window.start).as_secs_f64());
        }
    }
    eprintln!("control, {changes:?}: {windows} windows, the longest {longest:.3} s");
    (windows, longest)
}

#[test]
fn before_the_cut_exactly_the_pairs_of_one_version_talk() {
    for experiment in ["ip-reuse", "istiod-cut-off"] {
        let bench = Bench::of(experiment, &[]);
        let lab = bench.ready();
        for design in lab.names() {
            for replication in 0..5 {
                let outcome = lab.run(design, replication);
                let before: Vec<_> = outcome.accesses.iter().filter(|access| !access.after_cut).collect();
                assert_eq!(before.len(), 4, "{design}");
                for access in before {
                    let own = access.client_workload.replace("sleep", "helloworld") == access.server;
                    let expected = if own { AccessClass::Allowed } else { AccessClass::Denied };
                    assert_eq!(
                        access.class, expected,
                        "{experiment}, {design}, run {replication}: {access:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn with_both_layers_the_network_is_bypassed_and_the_mesh_refuses() {
    let lab = Bench::of("istiod-cut-off", &[]).ready();
    for design in ["cilium-istio-1.14", "cilium-istio-1.21"] {
        for access in all_reached_are(&lab, design, 150, 10, AccessClass::NetworkBypassed) {
            assert_eq!(access.cause, "mesh_policy");
        }
    }
    // With the kubelet's limit of Kubernetes 1.24 its script is nearly always too late.
    let lab = Bench::of("istiod-cut-off", &["cluster.kubernetes=1.27"]).ready();
    all_reached_are(&lab, "as-published", 150, 1, AccessClass::NetworkBypassed);
}

#[test]
fn with_one_layer_that_layer_decides() {
    let lab = Bench::of("istiod-cut-off", &[]).ready();
    all_reached_are(&lab, "cilium-only", 100, 20, AccessClass::Unauthorized);
    for access in all_reached_are(&lab, "istio-only", 150, 10, AccessClass::Denied) {
        assert_eq!(access.network_decided, None);
        assert_eq!(access.mesh_decided, Some(LayerDecision::Deny));
    }
}

/// Servers keep apart from each other and clients from both, so that all clients share the third worker.
#[test]
fn servers_and_clients_are_placed_as_published() {
    let lab = Bench::of("istiod-cut-off", &[]).ready();
    for replication in 0..20 {
        let pods = lab.run("control", replication).pods;
        let nodes = |name: &str| -> BTreeSet<&str> {
            let named = pods.iter().filter(|pod| pod.workload.contains(name));
            named.filter_map(|pod| pod.node.as_deref()).collect()
        };
        let (clients, servers) = (nodes("sleep"), nodes("helloworld"));
        assert_eq!((clients.len(), servers.len()), (1, 2), "{clients:?} {servers:?}");
        assert!(clients.is_disjoint(&servers), "{clients:?} {servers:?}");
    }
}
