//! Names of nodes and zones in rules of placement, as the experiment has them.
//!
//! Belongs here: node selectors and node affinity by hostname and zone. Does not belong here: where nodes are (`zones`).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::template::without_null;
use super::workloads::Workload;
use super::zones::Layout;
use crate::cluster::placement::{HOSTNAME, ZONE};

/// Writes names of nodes and zones in rules of placement as the experiment has them.
pub(super) fn relocate(all: &mut [Workload], layout: &Layout) {
    let nodes = layout
        .list
        .iter()
        .map(|of| ((HOSTNAME, of.own.as_str()), of.name.clone()));
    let zones = layout
        .list
        .iter()
        .map(|of| ((ZONE, of.own_zone.as_str()), of.zone.clone()));
    let zones = zones.filter(|((_, own), _)| !own.is_empty());
    // Of nodes that moved, the zone of the first one.
    let mut names: BTreeMap<(&str, &str), String> = BTreeMap::new();
    for (own, name) in nodes.chain(zones) {
        names.entry(own).or_insert(name);
    }
    for workload in all {
        let has_rule = |key: &str| workload.template.spec.scheduling.contains_key(key);
        if !has_rule("nodeSelector") && !has_rule("affinity") {
            continue;
        }
        let rename = |key: &str, value: &mut Value| {
            let known = value.as_str().and_then(|own| names.get(&(key, own)));
            if let Some(name) = known {
                *value = name.as_str().into();
            }
        };
        let spec = Arc::make_mut(&mut workload.template.spec);
        if let Some(Value::Object(labels)) = spec.scheduling.get_mut("nodeSelector") {
            labels.iter_mut().for_each(|(key, value)| rename(key, value));
        }
        if let Some(affinity) = spec.scheduling.get_mut("affinity") {
            expressions(&mut affinity["nodeAffinity"], &rename);
            without_null(affinity);
        }
    }
}

fn expressions(value: &mut Value, rename: &dyn Fn(&str, &mut Value)) {
    match value {
        Value::Object(map) => {
            let key = map.get("key").and_then(Value::as_str).map(str::to_owned);
            match (key, map.get_mut("values").and_then(Value::as_array_mut)) {
                (Some(key), Some(values)) => values.iter_mut().for_each(|value| rename(&key, value)),
                _ => map.values_mut().for_each(|value| expressions(value, rename)),
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| expressions(value, rename)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
