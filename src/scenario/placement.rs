//! Where the first pods of workloads start: names of nodes become indexes.
//!
//! Belongs here: what can be wrong with `placement`. Does not belong here: what the scheduler does with it (`cluster`).

use rustc_hash::FxHashMap;

use super::error::{InputError, all};
use super::faults::Targets;
use super::layers::Merged;
use super::values::complain;
use super::world::Names;
use crate::cluster::blueprint::node_name;
use crate::cluster::ids::NodeId;
use crate::cluster::spec::WorkloadSpec;

/// By workload: the nodes of its first pods. Empty if the experiment places none.
///
/// # Errors
/// For every name that is wrong, every node that takes no pods, and every workload with more nodes than pods.
pub fn placement(
    merged: &Merged<'_>,
    names: &Names,
    workloads: &[WorkloadSpec],
    targets: &Targets,
) -> Result<Vec<Vec<NodeId>>, Vec<InputError>> {
    let written = &merged.experiment.placement.0;
    if written.is_empty() {
        return Ok(Vec::new());
    }
    // By name: a large cluster has thousands of nodes, and a name for each of its pods.
    let nodes: FxHashMap<String, u32> = (0..targets.nodes)
        .map(|node| (node_name(node, targets.control_plane_nodes), node))
        .collect();
    let mut placement = vec![Vec::new(); names.count()];
    let found = all(written.iter().map(|(name, places)| {
        let workload = names.workload(merged, name)?;
        let replicas = workloads[workload].replicas as usize;
        if let Some(surplus) = places.get(replicas) {
            let message = format!(
                "`{}` starts with {replicas} pods, and {} nodes are named",
                name.value,
                places.len()
            );
            return Err(complain(merged.file, surplus, message).with_hint("name at most one node for each pod"));
        }
        let places = places.iter().map(|text| match nodes.get(&text.value) {
            Some(node) if *node < targets.control_plane_nodes => {
                let message = format!("no workload is placed on the control-plane node `{}`", text.value);
                Err(complain(merged.file, text, message).with_hint("name a worker: `worker-1`, `worker-2`, …"))
            }
            Some(node) => Ok(NodeId(*node)),
            None => {
                let message = format!("unknown node `{}`", text.value);
                let last = node_name(targets.nodes - 1, targets.control_plane_nodes);
                Err(complain(merged.file, text, message).with_hint(format!("known: worker-1, … {last}")))
            }
        });
        Ok((workload, places.collect::<Result<Vec<NodeId>, _>>()?))
    }))?;
    for (workload, nodes) in found {
        placement[workload] = nodes;
    }
    Ok(placement)
}
