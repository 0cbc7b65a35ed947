//! PodDisruptionBudgets: which pods may be evicted now.
//!
//! **Modeled**: pods that are ready and not on their way out count as healthy; what has to be healthy follows from the replicas of the
//! workloads, or is a number; a pod that does not run yet, or goes already, is evicted at once, one that is not ready if enough others are;
//! a pod with several budgets cannot be evicted (`docs/model/kubernetes.md#evictions-and-budgets`).
//! **Left out**: the delay with which the controller writes the status of a budget, an eviction counts at once; pods of DaemonSets, which
//! drains leave. **Parameters**: none; the budgets are manifests. **Validated by**: `tests/world/budgets.rs`.

use super::context::Ctx;
use super::ids::{KindId, PodId};

impl Ctx<'_> {
    /// How many pods of a budget are healthy, and how many have to be.
    fn healthy(&self, budget: usize) -> (u32, u32) {
        let (api, blueprint) = (&self.shared.api, self.blueprint());
        let is_healthy = |pod: &&PodId| api.pod(**pod).is_some_and(|object| object.ready && !object.deleting);
        let kinds = (0..).map(KindId).zip(&blueprint.kinds);
        let protected = kinds.filter(|(id, kind)| kind.budgets.contains(&budget) && !api.pods_of(*id).is_empty());
        let (mut scale, mut healthy) = (0, 0);
        for (kind, _) in protected {
            scale += api.scale(kind);
            healthy += api.pods_of(kind).iter().filter(is_healthy).count() as u32;
        }
        (healthy, blueprint.spec.budgets[budget].limit.desired_healthy(scale))
    }

    /// How many more pods a budget allows to evict now.
    #[must_use]
    pub fn disruptions_allowed(&self, budget: usize) -> u32 {
        let (healthy, desired) = self.healthy(budget);
        healthy.saturating_sub(desired)
    }

    /// Whether budgets allow to evict a pod now.
    #[must_use]
    pub fn may_be_evicted(&self, pod: PodId) -> bool {
        let object = self
            .shared
            .api
            .pod(pod)
            .filter(|object| object.running && !object.deleting);
        let Some(object) = object else { return true };
        let budget = match self.shared.kind(pod).budgets.as_slice() {
            [] => return true,
            [budget] => *budget,
            _ => return false,
        };
        let (healthy, desired) = self.healthy(budget);
        let is_no_loss = || self.blueprint().spec.budgets[budget].ignores_unready || healthy >= desired && desired > 0;
        healthy > desired || !object.ready && is_no_loss()
    }
}
