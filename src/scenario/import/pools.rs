//! Nodes that differ: their capacity, their taints, and the labels that rules of placement name.
//!
//! Belongs here: which nodes are alike. Does not belong here: what an experiment can say of them (`experiment`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::dump::{Dump, Text};
use super::workloads::Workload;
use super::zones::Layout;
use crate::cluster::placement::{CONTROL_PLANE, HOSTNAME, OS, ZONE};

/// Nodes that are alike.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pool {
    /// Processors and memory for pods, as the kubelets state them.
    pub allocatable: [String; 2],
    /// Taints: key, value and effect.
    pub taints: Vec<[String; 3]>,
    /// Labels that a rule of a workload names.
    pub labels: Text,
    /// Names in the experiment.
    pub nodes: Vec<String>,
}

/// The workers in groups, the largest first.
pub(super) fn pools(dump: &Dump, layout: &Layout, workloads: &[Workload]) -> Vec<Pool> {
    let mut asked = BTreeSet::new();
    for workload in workloads {
        let scheduling = &workload.template.spec.scheduling;
        if let Some(Value::Object(labels)) = scheduling.get("nodeSelector") {
            asked.extend(labels.keys().cloned());
        }
        if let Some(affinity) = scheduling.get("affinity") {
            keys(&affinity["nodeAffinity"], &mut asked);
        }
    }
    // What every node of an experiment has by itself.
    asked.retain(|key| ![HOSTNAME, ZONE, OS, CONTROL_PLANE].contains(&key.as_str()));
    let of_dump: BTreeMap<&str, _> = dump.nodes.iter().map(|node| (node.name.as_str(), node)).collect();
    let mut alike: BTreeMap<Pool, Vec<String>> = BTreeMap::new();
    for placed in layout.list.iter().filter(|of| of.name.starts_with("worker-")) {
        let Some(node) = of_dump.get(placed.own.as_str()) else {
            continue;
        };
        let labels = node.labels.iter().filter(|(key, _)| asked.contains(*key));
        let pool = Pool {
            allocatable: node.allocatable.clone(),
            taints: node.taints.clone(),
            labels: labels.map(|(key, value)| (key.clone(), value.clone())).collect(),
            nodes: Vec::new(),
        };
        alike.entry(pool).or_default().push(placed.name.clone());
    }
    let named = alike.into_iter().map(|(pool, nodes)| Pool { nodes, ..pool });
    let mut pools: Vec<Pool> = named.collect();
    pools.sort_by_key(|pool| std::cmp::Reverse(pool.nodes.len()));
    pools
}

fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            if let (Some(Value::String(key)), true) = (map.get("key"), map.contains_key("operator")) {
                found.insert(key.clone());
            }
            map.values().for_each(|value| keys(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| keys(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
