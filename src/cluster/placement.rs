//! On which nodes pods may be, and the labels that nodes have: plain data of the world and its evaluation.
//!
//! Belongs here: node selectors, the taint of the control plane, spread over domains. Does not belong here: the choice among the
//! nodes that are left (`scheduler`) and the reading of manifests (`scenario`).
//! Sources: `docs/model/kubernetes.md#placement`.

use crate::policy::labels::{LabelSelector, Labels};

/// Label with a node's name.
pub const HOSTNAME: &str = "kubernetes.io/hostname";
/// Label with a node's zone.
pub const ZONE: &str = "topology.kubernetes.io/zone";
/// Label with a node's operating system, `linux`.
pub const OS: &str = "kubernetes.io/os";
/// Label and taint of control-plane nodes.
pub const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

/// What a workload asks of the nodes of its pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// A node matches one of these; without any, every node.
    pub nodes: Vec<LabelSelector>,
    /// Whether its pods tolerate the taint of control-plane nodes.
    pub tolerates_control_plane: bool,
    /// Topology spread constraints that forbid nodes.
    pub spread: Vec<Spread>,
}

impl Placement {
    /// Whether the labels of a node are as asked.
    #[must_use]
    pub fn selects(&self, node: &Labels) -> bool {
        self.nodes.is_empty() || self.nodes.iter().any(|selector| selector.matches(node))
    }
}

/// A topology spread constraint with `whenUnsatisfiable: DoNotSchedule`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Whether the domains are zones; otherwise nodes.
    pub by_zone: bool,
    /// `maxSkew`.
    pub max_skew: u32,
    /// Pods of the own namespace that count.
    pub selector: LabelSelector,
    /// Labels in which they have to be like the pod that is placed (`matchLabelKeys`).
    pub same: Vec<String>,
    /// Whether nodes with a taint that the pod does not tolerate are no domains (`nodeTaintsPolicy: Honor`).
    pub honors_taints: bool,
}

/// The label that the Deployment controller gives the pods of a revision.
pub const REVISION: &str = "pod-template-hash";

/// Whether a domain may have one more pod: of all domains that count, given by their pods, none has fewer by more than the
/// skew (Kubernetes `pkg/scheduler/framework/plugins/podtopologyspread/filtering.go`).
#[must_use]
pub fn may_grow(pods: u32, domains: impl Iterator<Item = u32>, max_skew: u32) -> bool {
    let fewest = domains.min().unwrap_or(0);
    (pods + 1).saturating_sub(fewest) <= max_skew
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_grows_as_long_as_no_other_is_left_behind() {
        let grows = |pods: u32, max_skew| may_grow(pods, [pods, 1, 2].into_iter(), max_skew);
        assert!(grows(0, 1) && grows(1, 1) && !grows(2, 1) && grows(2, 2) && !grows(3, 2));
        assert!(!may_grow(1, [0, 1].into_iter(), 1), "a domain without pods counts");
    }
}
