//! Pools of workers: what an experiment writes of their number, capacity, labels, taints and zones.
//!
//! Belongs here: what can be wrong with one pool. Does not belong here: the size of the cluster (`cluster_of_design`), and what pools are
//! to a scheduler (`cluster::node_pools`).

use std::collections::BTreeSet;

use super::cluster_of_design::NODES_MAX;
use super::error::InputError;
use super::layers::Merged;
use super::operators::EFFECTS;
use super::quantity;
use super::schema::{self, Text};
use super::values::{choice, complain, count};
use crate::cluster::blueprint::zone_name;
use crate::cluster::placement::{CONTROL_PLANE, HOSTNAME, NodePool, OS, Taint, ZONE};
use crate::policy::labels::Labels;

/// Labels that follow from a node's name, zone and role.
const OWN_LABELS: [&str; 4] = [HOSTNAME, ZONE, OS, CONTROL_PLANE];

/// The pools of a design.
///
/// # Errors
/// For the first thing that is wrong.
pub(super) fn pools(merged: &Merged<'_>) -> Result<Vec<NodePool>, InputError> {
    let written = &merged.experiment.cluster.node_pools;
    let mut names = BTreeSet::new();
    let read = written.iter().map(|pool| {
        let name = &pool.value.name;
        if !names.insert(&name.value) {
            let error = complain(merged.file, name, format!("the pool `{}` is there twice", name.value));
            return Err(error.with_hint("give each pool a name of its own"));
        }
        self::pool(merged, &pool.value)
    });
    read.collect()
}

fn pool(merged: &Merged<'_>, written: &schema::NodePool) -> Result<NodePool, InputError> {
    let file = merged.file;
    let mut labels = Labels::default();
    for (key, value) in &written.labels.0 {
        if OWN_LABELS.contains(&key.value.as_str()) {
            let message = format!("`{}` follows from a node's name, zone or role", key.value);
            return Err(complain(file, key, message).with_hint("leave it out; `zone: zone-1` sets the zone of a pool"));
        }
        labels.0.insert(key.value.clone(), merged.text(value)?.value.clone());
    }
    let taints = written.taints.iter().map(|taint| {
        let taint = &taint.value;
        Ok(Taint {
            key: merged.text(&taint.key)?.value.clone(),
            value: match &taint.value {
                Some(value) => merged.text(value)?.value.clone(),
                None => String::new(),
            },
            effect: choice(file, merged.text(&taint.effect)?, "effect of a taint", &EFFECTS)?,
        })
    });
    Ok(NodePool {
        name: written.name.value.clone(),
        nodes: count(file, merged.text(&written.nodes)?, 1, NODES_MAX)?,
        cpu_milli: amount(merged, &written.cpu, quantity::thousandths, "`4` or `3500m`")?,
        memory: amount(merged, &written.memory, quantity::units, "`16Gi`")?,
        labels,
        taints: taints.collect::<Result<_, InputError>>()?,
        zone: written.zone.as_ref().map(|zone| self::zone(merged, zone)).transpose()?,
    })
}

fn amount(
    merged: &Merged<'_>,
    written: &Option<Text>,
    read: fn(&str) -> Option<u64>,
    example: &str,
) -> Result<Option<u64>, InputError> {
    let Some(written) = written else { return Ok(None) };
    let text = merged.text(written)?;
    let amount = read(&text.value).filter(|amount| *amount > 0);
    amount.map(Some).ok_or_else(|| {
        let message = format!("`{}` is no amount that a node can have", text.value);
        complain(merged.file, text, message).with_hint(format!("write an amount such as {example}"))
    })
}

fn zone(merged: &Merged<'_>, written: &Text) -> Result<u32, InputError> {
    let text = merged.text(written)?;
    let number = text
        .value
        .strip_prefix("zone-")
        .and_then(|number| number.parse::<u32>().ok());
    let zone = number.and_then(|number| number.checked_sub(1));
    let found = zone.filter(|zone| *zone < NODES_MAX && zone_name(*zone) == text.value);
    found.ok_or_else(|| {
        let message = format!("there is no zone `{}`", text.value);
        complain(merged.file, text, message).with_hint("zones are called zone-1, zone-2, …")
    })
}
