//! How large the cluster is, which versions run in it, and how often its pods are replaced.
//!
//! Belongs here: numbers of a dump, and for each of them where it is from; what the dump does not show is assumed and marked as such.
//! Does not belong here: workloads (`workloads`), and how an experiment is written (`experiment`).

use std::collections::BTreeMap;

use super::dump::{Dump, Node, Phase};
use super::versions::{self, most_common};
use super::workloads::Workloads;
use crate::cluster::blueprint::node_name;
use crate::scenario::error::InputError;
use crate::scenario::models::Models;

/// A value, and where it is from.
#[derive(Clone, Debug)]
pub(super) struct Known<T> {
    pub value: T,
    /// In words, after `# `; begins with `assumed:` where the dump does not have it.
    pub from: String,
}

impl<T> Known<T> {
    pub fn seen(value: T, from: impl Into<String>) -> Self {
        let from = from.into();
        Self { value, from }
    }

    pub fn assumed(value: T, why: &str) -> Self {
        Self::seen(value, format!("assumed: {why}"))
    }
}

/// Version and replicas of Istiod.
pub(super) type Mesh = (Known<String>, Known<u32>);

#[derive(Debug)]
pub(super) struct Sizes {
    pub kubernetes: Known<String>,
    pub cilium: Known<String>,
    pub istio: Option<Mesh>,
    pub nodes: Known<u32>,
    pub control_plane_nodes: Known<u32>,
    pub zones: Known<u32>,
    pub api_servers: Known<u32>,
    pub coredns: Known<u32>,
    pub prefix: Known<u8>,
    pub pods_per_node_max: Known<u32>,
    pub routing: Known<&'static str>,
    pub encryption: Known<&'static str>,
    /// Name in the experiment by name in the cluster.
    pub node_names: BTreeMap<String, String>,
    /// Name in the experiment, name and zone in the cluster, in the order of the experiment.
    pub node_list: Vec<(String, String, String)>,
    /// Nodes that are in another zone in the experiment, because it spreads nodes over zones in turn.
    pub moved: usize,
    pub enforced: bool,
    pub churn: Option<Churn>,
    /// What of the configuration is not simulated, in words.
    pub unlike: Vec<String>,
}

/// Replaced pods.
#[derive(Clone, Copy, Debug)]
pub(super) struct Churn {
    pub pods: usize,
    pub window_h: i64,
    /// Mean life by the number of pods and the rate \[s\].
    pub lifetime_s: u64,
}

/// Names of nodes in the dump; where it has none, those on which pods are.
fn nodes(dump: &Dump) -> (Vec<&Node>, Vec<&Node>) {
    let mut all: Vec<&Node> = dump.nodes.iter().collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all.into_iter().partition(|node| node.control_plane)
}

/// Nodes of a role in the order of the experiment, which spreads them over the zones in turn; and how many end in another zone.
fn in_turn<'n>(of_role: &[(&'n str, usize)], zones: usize) -> (Vec<&'n str>, usize) {
    let mut queues: Vec<std::collections::VecDeque<&str>> = vec![Default::default(); zones];
    for (name, zone) in of_role {
        queues[*zone].push_back(name);
    }
    let mut order: Vec<Option<&str>> = (0..of_role.len()).map(|at| queues[at % zones].pop_front()).collect();
    let mut left = queues.into_iter().flatten();
    let mut moved = 0;
    for place in order.iter_mut().filter(|place| place.is_none()) {
        *place = left.next();
        moved += 1;
    }
    (order.into_iter().flatten().collect(), moved)
}

pub(super) fn sizes(dump: &Dump, workloads: &Workloads, models: &Models) -> Result<Sizes, InputError> {
    let (control, workers) = nodes(dump);
    let mut of_pods: Vec<&str> = dump.pods.iter().filter_map(|pod| pod.node.as_deref()).collect();
    of_pods.sort_unstable();
    of_pods.dedup();
    let zone_names: Vec<&str> = {
        let mut names: Vec<&str> = dump.nodes.iter().filter_map(|node| node.zone.as_deref()).collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    let zone = |node: &Node| {
        zone_names
            .iter()
            .position(|name| node.zone.as_deref() == Some(name))
            .unwrap_or(0)
    };
    fn numbered<'n>(nodes: &[&'n Node], zone: &dyn Fn(&Node) -> usize) -> Vec<(&'n str, usize)> {
        nodes.iter().map(|node| (node.name.as_str(), zone(node))).collect()
    }
    let mut worker_list = numbered(&workers, &zone);
    if dump.nodes.is_empty() {
        worker_list = of_pods.iter().map(|name| (*name, 0)).collect();
    }
    let control_list = numbered(&control, &zone);
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let control_plane_nodes = match control_list.len() {
        0 => Known::assumed(1, "the dump has no control-plane node"),
        found => Known::seen(count(found), "nodes with the role control-plane"),
    };
    let worker_count = match worker_list.len() {
        0 => Known::assumed(3, "the dump has no nodes"),
        found if dump.nodes.is_empty() => Known::assumed(count(found), "the nodes that pods name"),
        found => Known::seen(count(found), "nodes of the dump"),
    };
    let nodes = Known::seen(
        worker_count.value.saturating_add(control_plane_nodes.value),
        format!("{}, and the control plane", worker_count.from),
    );
    let most_zones = worker_count.value.max(control_plane_nodes.value);
    let zones = match count(zone_names.len()) {
        0 => Known::assumed(1, "the nodes have no label topology.kubernetes.io/zone"),
        found => Known::seen(found.min(most_zones), "labels topology.kubernetes.io/zone"),
    };
    let spread = zones.value as usize;
    let (control_order, _) = in_turn(&limited(&control_list, spread), spread);
    let (worker_order, moved) = in_turn(&limited(&worker_list, spread), spread);
    let own_zone: BTreeMap<&str, &str> = dump
        .nodes
        .iter()
        .map(|node| (node.name.as_str(), node.zone.as_deref().unwrap_or_default()))
        .collect();
    let named = |order: &[&str], from: u32| -> Vec<(String, String, String)> {
        let numbered = (from..).zip(order);
        let name = |number: u32| node_name(number, control_plane_nodes.value);
        let zone = |name: &str| own_zone.get(name).copied().unwrap_or_default().to_owned();
        numbered
            .map(|(number, own)| (name(number), (*own).to_owned(), zone(own)))
            .collect()
    };
    let mut node_list = named(&control_order, 0);
    node_list.extend(named(&worker_order, control_plane_nodes.value));
    // Workloads are placed on workers only.
    let worker_names = node_list.iter().skip(control_order.len());
    let node_names = worker_names.map(|(name, own, _)| (own.clone(), name.clone())).collect();
    let mut unlike = Vec::new();
    let cilium = versions::cilium(dump, models)?;
    let (routing, encryption, enforced) = data_path(dump, &mut unlike);
    if dump.cilium_config.is_none() && cilium.from.starts_with("assumed") {
        unlike.push("the dump has no Cilium; the simulator has no other network plugin".to_owned());
    }
    if dump.mesh_config.as_deref().is_some_and(|mesh| {
        let domain = mesh.lines().find_map(|line| line.trim().strip_prefix("trustDomain:"));
        domain.is_some_and(|domain| domain.trim().trim_matches('"') != "cluster.local")
    }) {
        unlike.push("the trust domain of the mesh is simulated as cluster.local".to_owned());
    }
    Ok(Sizes {
        kubernetes: versions::kubernetes(dump, models)?,
        istio: versions::istio(dump, workloads, models)?,
        cilium,
        prefix: prefix(dump, nodes.value, &of_pods),
        pods_per_node_max: pods_per_node_max(dump),
        api_servers: match (workloads.api_servers, dump.api_endpoints.len()) {
            (0, 0) => Known::assumed(1, "the dump shows no API server"),
            (0, found) => Known::seen(count(found).min(100), "addresses of the Service kubernetes"),
            (found, _) => Known::seen(count(found).min(100), "pods of kube-apiserver"),
        },
        coredns: match workloads.dns {
            0 => Known::assumed(0, "the dump has no pods of CoreDNS; with 0, names cost no time"),
            found => Known::seen(count(found), "pods with the label k8s-app: kube-dns"),
        },
        churn: churn(dump),
        nodes,
        control_plane_nodes,
        zones,
        routing,
        encryption,
        node_names,
        node_list,
        moved,
        enforced,
        unlike,
    })
}

/// Zones beyond the number that the experiment can have become the last one.
fn limited<'n>(list: &[(&'n str, usize)], zones: usize) -> Vec<(&'n str, usize)> {
    list.iter()
        .map(|(name, zone)| (*name, (*zone).min(zones - 1)))
        .collect()
}

/// Routing, encryption, and whether policies of the network are enforced.
fn data_path(dump: &Dump, unlike: &mut Vec<String>) -> (Known<&'static str>, Known<&'static str>, bool) {
    let Some(config) = &dump.cilium_config else {
        let why = "the dump has no ConfigMap cilium-config";
        return (Known::assumed("vxlan", why), Known::assumed("none", why), true);
    };
    let get = |key: &str| config.get(key).map(String::as_str);
    let from = "ConfigMap cilium-config";
    let routing = match (get("routing-mode"), get("tunnel"), get("tunnel-protocol")) {
        (Some("native"), ..) | (None, Some("disabled"), _) => Known::seen("native", from),
        (_, Some("geneve"), _) | (_, _, Some("geneve")) => {
            unlike.push("packets travel in Geneve, which is simulated as VXLAN".to_owned());
            Known::seen("vxlan", from)
        }
        _ => Known::seen("vxlan", from),
    };
    let on = |key: &str| get(key) == Some("true");
    if on("enable-ipsec") {
        unlike.push("packets are encrypted by IPsec, which is not simulated".to_owned());
    }
    for (key, usual) in [
        ("identity-allocation-mode", "crd"),
        ("ipam", "cluster-pool"),
        ("enable-policy", "default"),
    ] {
        let other = get(key).filter(|mode| *mode != usual && *mode != "kubernetes" && *mode != "never");
        unlike.extend(other.map(|mode| format!("`{key}: {mode}` of cilium-config is simulated as `{usual}`")));
    }
    let encryption = match on("enable-wireguard") {
        true => Known::seen("wireguard", from),
        false => Known::seen("none", from),
    };
    (routing, encryption, get("enable-policy") != Some("never"))
}

/// Length of a node's prefix, within what the simulator's address plan has.
fn prefix(dump: &Dump, nodes: u32, of_pods: &[&str]) -> Known<u8> {
    let of_nodes = dump.nodes.iter().filter_map(|node| node.prefix);
    let found = match dump.cilium_prefixes.is_empty() {
        true => most_common(of_nodes).map(|(length, _)| (length, "podCIDR of the nodes")),
        false => most_common(dump.cilium_prefixes.iter().copied()).map(|(length, _)| (length, "CiliumNodes")),
    };
    // All pods of the node with the most of them need an address, and Cilium needs some itself.
    let mut counts = vec![0_u32; of_pods.len()];
    for pod in dump
        .pods
        .iter()
        .filter(|pod| pod.phase != Phase::Ended && !pod.template.host_network)
    {
        if let Some(at) = pod.node.as_deref().and_then(|node| of_pods.binary_search(&node).ok()) {
            counts[at] += 1;
        }
    }
    let needed = counts.iter().max().copied().unwrap_or(0).saturating_add(10);
    let fits = |length: &u8| (1_u64 << (32 - length)) > u64::from(needed);
    let planned = |length: &u8| u64::from(nodes) << (32 - length) <= 1 << 24;
    let (asked, from) = match found {
        Some((length, from)) => (length, from.to_owned()),
        None => (24, "assumed: the dump has no address prefixes of nodes".to_owned()),
    };
    let mut lengths = (16..=28).filter(|length| fits(length) && planned(length));
    let nearest = lengths.clone().min_by_key(|length| length.abs_diff(asked));
    match nearest.or_else(|| lengths.next()) {
        Some(length) if length == asked => Known::seen(length, from),
        Some(length) => Known::seen(length, format!("assumed: /{asked} in the cluster, which does not fit")),
        None => Known::seen(24, "assumed: no prefix fits".to_owned()),
    }
}

fn pods_per_node_max(dump: &Dump) -> Known<u32> {
    let capacity = most_common(
        dump.nodes
            .iter()
            .filter(|node| !node.control_plane)
            .filter_map(|node| node.pods_max),
    );
    match capacity {
        Some((most, _)) if most > 0 => Known::seen(most, "allocatable pods of the nodes"),
        _ => Known::assumed(110, "the default of the kubelet"),
    }
}

/// Windows of time, the shortest of which that has enough new pods shows the rate \[h\].
const WINDOWS_H: [i64; 4] = [1, 24, 7 * 24, 30 * 24];
/// New pods that are enough.
const ENOUGH: usize = 20;

/// Pods younger than a time, per time. Those that came and went within it are not in a dump.
fn churn(dump: &Dump) -> Option<Churn> {
    let latest = dump.latest_s?;
    let is_static = |owner: &(String, String)| owner.0 == "Node";
    let all = dump
        .pods
        .iter()
        .filter(|pod| !pod.owner.as_ref().is_some_and(is_static));
    let ages: Vec<i64> = all.filter_map(|pod| Some(latest - pod.created_s?)).collect();
    let oldest = ages.iter().max().copied()?;
    let younger = |hours: i64| ages.iter().filter(|age| **age < hours * 3600).count();
    // A window longer than the cluster is old would count the pods that it began with.
    let windows = WINDOWS_H.into_iter().filter(|hours| hours * 3600 < oldest);
    let found: Vec<(i64, usize)> = windows.map(|hours| (hours, younger(hours))).collect();
    let enough = found.iter().find(|(_, pods)| *pods >= ENOUGH).or(found.last());
    let (window_h, pods) = enough.copied().filter(|(_, pods)| *pods > 0)?;
    let live = dump
        .pods
        .iter()
        .filter(|pod| pod.phase != Phase::Ended && pod.addressed)
        .count();
    let lifetime_s = (live as u64 * window_h.unsigned_abs() * 3600) / pods as u64;
    Some(Churn {
        pods,
        window_h,
        lifetime_s: lifetime_s.clamp(60, 3_600_000),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::blueprint::zone_of;

    #[test]
    fn nodes_take_turns_by_zone_and_what_is_left_moves() {
        let nodes = [("a", 0), ("b", 0), ("c", 0), ("d", 1), ("e", 1)];
        assert_eq!(in_turn(&nodes, 2), (vec!["a", "d", "b", "e", "c"], 0));
        let uneven = [("a", 0), ("b", 0), ("c", 0), ("d", 1)];
        assert_eq!(in_turn(&uneven, 2), (vec!["a", "d", "b", "c"], 1));
        let order = in_turn(&nodes, 2).0;
        for (at, name) in order.iter().enumerate() {
            let zone = nodes.iter().find(|(own, _)| own == name).expect("it is one of them").1;
            assert_eq!(zone_of(at as u32 + 3, 3, 2) as usize, zone, "{name}");
        }
    }
}
