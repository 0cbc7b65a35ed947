//! The processors of each node, where sandboxes and containers start and stop.
//!
//! **Modeled**: so many of these jobs at the same time as the node has cores; the others wait in the order in which they
//! came, so that a start takes the longer the more a node starts at once.
//! **Left out**: what else runs on the node, jobs that use part of a core or several, disks, the runtime's own locks.
//! **Parameters**: `node_cores`. **Validated by**: `tests/world/kubelet_start.rs`.

use super::ids::NodeId;
use crate::kernel::{SimDuration, SimTime};

/// The cores of all nodes.
#[derive(Debug, Default)]
pub struct NodeCores {
    /// When each core of a node is free; nothing for a node that has never started anything.
    free_from: Vec<Vec<SimTime>>,
}

impl NodeCores {
    /// Runs a job on a node of so many cores: when it ends. Must be asked in the order of time.
    pub fn run(&mut self, node: NodeId, cores: u32, now: SimTime, span: SimDuration) -> SimTime {
        if self.free_from.len() <= node.index() {
            self.free_from.resize(node.index() + 1, Vec::new());
        }
        let free_from = &mut self.free_from[node.index()];
        if free_from.is_empty() {
            free_from.resize(cores.max(1) as usize, SimTime::ZERO);
        }
        let earliest = (0..free_from.len()).min_by_key(|core| free_from[*core]).unwrap_or(0);
        let end = free_from[earliest].max(now) + span;
        free_from[earliest] = end;
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_cores_do_two_jobs_at_once_and_the_others_wait_in_their_order() {
        let mut cores = NodeCores::default();
        let at = |s| SimTime::ZERO + SimDuration::from_secs(s);
        let mut run = |now, span| cores.run(NodeId(3), 2, at(now), SimDuration::from_secs(span));
        let ends: Vec<SimTime> = [4, 2, 3, 1].into_iter().map(|span| run(0, span)).collect();
        assert_eq!(ends, [at(4), at(2), at(5), at(5)]);
        assert_eq!(run(10, 1), at(11), "an idle core loses nothing and gains nothing");
    }
}
