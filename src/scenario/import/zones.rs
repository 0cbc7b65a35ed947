//! Which nodes an experiment has, in which order, and in which zones they are.
//!
//! Belongs here: roles of nodes, and their order: an experiment spreads the nodes of each role over its zones in turn. Does not belong
//! here: other numbers (`sizes`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::dump::{Dump, Node};
use super::sizes::Known;
use super::workloads::Workloads;
use crate::cluster::blueprint::{node_name, zone_name, zone_of};

/// A node of the experiment that is one of the cluster.
#[derive(Debug)]
pub(super) struct Placed {
    /// Name in the experiment, and in the cluster.
    pub name: String,
    pub own: String,
    /// Zone in the experiment, and in the cluster.
    pub zone: String,
    pub own_zone: String,
}

#[derive(Debug)]
pub(super) struct Layout {
    pub nodes: Known<u32>,
    pub control_plane_nodes: Known<u32>,
    pub zones: Known<u32>,
    /// In the order of the experiment.
    pub list: Vec<Placed>,
    /// Zones of the cluster with their numbers of nodes, in the order of the experiment.
    pub sizes: Vec<(String, usize)>,
    /// Workers, and control-plane nodes, that are in another zone in the experiment.
    pub moved: (usize, usize),
    /// Control-plane nodes that are simulated as workers, since pods run on them.
    pub mixed: usize,
}

/// Nodes of a role in the order of the experiment, which spreads them over the zones in turn; and how many end in another zone.
fn in_turn<'n>(of_role: &[(&'n str, usize)], zones: usize) -> (Vec<&'n str>, usize) {
    let mut queues: Vec<VecDeque<&str>> = vec![VecDeque::default(); zones];
    for (name, zone) in of_role {
        queues[*zone % zones].push_back(name);
    }
    let mut order: Vec<Option<&str>> = (0..of_role.len()).map(|at| queues[at % zones].pop_front()).collect();
    let mut left = queues.into_iter().flatten();
    let mut moved = of_role.iter().filter(|(_, zone)| *zone >= zones).count();
    for place in order.iter_mut().filter(|place| place.is_none()) {
        *place = left.next();
        moved += 1;
    }
    (order.into_iter().flatten().collect(), moved)
}

/// The nodes of a cluster. Control-plane nodes that take pods are workers as well; they are simulated as workers.
pub(super) fn layout<'d>(dump: &'d Dump, workloads: &Workloads) -> Layout {
    let mut all: Vec<&'d Node> = dump.nodes.iter().collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let with_pods: BTreeSet<&str> = workloads
        .all
        .iter()
        .flat_map(|of| &of.nodes)
        .map(String::as_str)
        .collect();
    let only_control = all.iter().all(|node| node.control_plane);
    let is_worker =
        |node: &Node| !node.control_plane || !node.reserved && (only_control || with_pods.contains(node.name.as_str()));
    let mixed = all.iter().filter(|node| node.control_plane && is_worker(node)).count();
    let (workers, control): (Vec<&'d Node>, Vec<&'d Node>) = all.into_iter().partition(|node| is_worker(node));
    let zone_names = zone_names(&workers, &control);
    let zone = |node: &Node| {
        let own = node.zone.as_deref();
        zone_names.iter().position(|(name, _)| own == Some(name)).unwrap_or(0)
    };
    let numbered = |of: &&'d Node| (of.name.as_str(), zone(of));
    let mut worker_list: Vec<(&str, usize)> = workers.iter().map(numbered).collect();
    let control_list: Vec<(&str, usize)> = control.iter().map(numbered).collect();
    if dump.nodes.is_empty() {
        let of_pods: BTreeSet<&str> = dump.pods.iter().filter_map(|pod| pod.node.as_deref()).collect();
        worker_list = of_pods.into_iter().map(|name| (name, 0)).collect();
    }
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let control_plane_nodes = match (control_list.len(), mixed) {
        (0, 0) => Known::assumed(1, "the dump has no control-plane node"),
        (0, _) => Known::assumed(1, "all control-plane nodes take pods, and are simulated as workers"),
        (found, _) => Known::seen(count(found), "nodes with the role control-plane"),
    };
    let worker_count = match (worker_list.len(), dump.nodes.is_empty()) {
        (0, true) => Known::assumed(3, "the dump has no nodes"),
        (0, false) => Known::assumed(3, "the dump has no nodes but those of the control plane"),
        (found, true) => Known::assumed(count(found), "the nodes that pods name"),
        (found, false) => Known::seen(count(found), "nodes of the dump"),
    };
    let nodes = Known::seen(
        worker_count.value.saturating_add(control_plane_nodes.value),
        format!("{}, control plane included", worker_count.from),
    );
    let zones = zones(
        &zone_names,
        &worker_list,
        worker_count.value.max(control_plane_nodes.value),
    );
    let spread = zones.value as usize;
    let (control_order, control_moved) = in_turn(&control_list, spread);
    let (worker_order, workers_moved) = in_turn(&worker_list, spread);
    let own_zones: BTreeMap<&str, &str> = dump
        .nodes
        .iter()
        .map(|node| (node.name.as_str(), node.zone.as_deref().unwrap_or_default()))
        .collect();
    let placed = |number: u32, own: &str| Placed {
        name: node_name(number, control_plane_nodes.value),
        zone: zone_name(zone_of(number, control_plane_nodes.value, zones.value)),
        own_zone: own_zones.get(own).copied().unwrap_or_default().to_owned(),
        own: own.to_owned(),
    };
    let mut list: Vec<Placed> = (0..).zip(&control_order).map(|(at, own)| placed(at, own)).collect();
    let from = control_plane_nodes.value;
    list.extend((from..).zip(&worker_order).map(|(at, own)| placed(at, own)));
    Layout {
        nodes,
        control_plane_nodes,
        zones,
        list,
        sizes: zone_names
            .iter()
            .map(|(name, sizes)| (name.clone(), sizes.0 + sizes.1))
            .collect(),
        moved: (workers_moved, control_moved),
        mixed,
    }
}

/// Zones with their workers and control-plane nodes, those with the most workers first: the first zones of an experiment get one
/// node more if they are not all equally large.
fn zone_names(workers: &[&Node], control: &[&Node]) -> Vec<(String, (usize, usize))> {
    let mut sizes: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for zone in workers.iter().filter_map(|node| node.zone.as_deref()) {
        sizes.entry(zone).or_default().0 += 1;
    }
    for zone in control.iter().filter_map(|node| node.zone.as_deref()) {
        sizes.entry(zone).or_default().1 += 1;
    }
    let mut names: Vec<(String, (usize, usize))> = sizes.into_iter().map(|(name, of)| (name.to_owned(), of)).collect();
    names.sort_by_key(|(_, sizes)| std::cmp::Reverse(*sizes));
    names
}

/// How many zones the experiment has: those of the cluster; those with workers alone if it can have no more, or if workers would
/// move into a zone that has none.
fn zones(names: &[(String, (usize, usize))], workers: &[(&str, usize)], most: u32) -> Known<u32> {
    let with_workers = names.iter().filter(|(_, sizes)| sizes.0 > 0).count();
    let from = "labels topology.kubernetes.io/zone";
    if names.is_empty() {
        return Known::assumed(1, "the nodes have no label topology.kubernetes.io/zone");
    }
    let moved = |zones: usize| in_turn(workers, zones.max(1)).1;
    let all = names.len();
    if all == with_workers || all <= most as usize && moved(all) <= moved(with_workers) {
        let count = u32::try_from(all).unwrap_or(u32::MAX);
        return Known::seen(count.min(most), from);
    }
    let count = u32::try_from(with_workers).unwrap_or(u32::MAX);
    Known::seen(
        count.clamp(1, most),
        format!("{from}; {} more have control-plane nodes only", all - with_workers),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

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

    /// Nodes of a dump: their zones, each with a `!` if it is of the control plane.
    fn nodes(zones: &[&str]) -> Dump {
        let mut dump = Dump::default();
        for (number, zone) in zones.iter().enumerate() {
            dump.nodes.push(Node {
                name: format!("node-{number}"),
                zone: Some(zone.trim_end_matches('!').to_owned()),
                control_plane: zone.ends_with('!'),
                ..Node::default()
            });
        }
        dump
    }

    #[test]
    fn zones_are_those_of_the_cluster_wherever_its_workers_allow() {
        for (cluster, zones, moved) in [
            // Each worker stays in its zone; that of the control plane is one more.
            (&["a!", "b", "c"][..], 2, (0, 1)),
            (&["a!", "b!", "c!", "a", "b", "c"], 3, (0, 0)),
            // The larger zone is the first one, whatever its name.
            (&["a!", "a", "b", "b"], 2, (0, 1)),
            (&["a!", "a", "b", "b", "b", "b"], 2, (1, 1)),
            // Without workers, all nodes take pods.
            (&["a!", "b!", "c!"], 3, (0, 0)),
            // A third zone for four workers would take one of them.
            (&["a!", "b!", "c!", "a", "a", "b", "b"], 2, (0, 1)),
        ] {
            let layout = layout(&nodes(cluster), &Workloads::default());
            assert_eq!((layout.zones.value, layout.moved), (zones, moved), "{cluster:?}");
        }
    }

    #[test]
    fn the_nodes_of_a_small_cluster_are_all_workers() {
        let layout = layout(&nodes(&["a!", "b!", "c!"]), &Workloads::default());
        assert_eq!(
            (layout.nodes.value, layout.control_plane_nodes.value, layout.mixed),
            (4, 1, 3)
        );
        let names: Vec<&str> = layout.list.iter().map(|of| of.name.as_str()).collect();
        assert_eq!(names, ["worker-1", "worker-2", "worker-3"]);
    }
}
