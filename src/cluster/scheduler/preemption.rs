//! Pre-emption: a pod that finds no node makes others of a lower priority go.
//!
//! **Modeled**: on each node, the pods of a lower priority without which the pod would fit, as few as possible: those whose budget
//! would be violated are kept first, then the more important ones (higher priority, older). The best node has the fewest violated
//! budgets, then the lowest highest priority, the lowest sum of priorities, the fewest pods, the youngest of the most important ones,
//! then by lot. The pod is nominated for it and waits until they are gone, each with its grace period; as long as one of them is on its
//! way out, it makes no other go. `preemptionPolicy: Never`.
//! **Left out**: the share of nodes at which large clusters stop looking; a victim's age is the order of creation.
//! **Parameters**: none. **Validated by**: `tests/world/capacity.rs`, against `docs/model/kubernetes.md#priorities-and-pre-emption`.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::super::context::Ctx;
use super::super::event::{Source, Write};
use super::super::ids::{NodeId, PodId};
use super::super::observed::PodFact;
use super::super::purpose::{Ordinal, Purpose};
use super::Scheduler;

/// Who would have to go from a node, and how many of them their budgets protect.
struct Victims {
    pods: Vec<PodId>,
    violated: usize,
}

impl Scheduler {
    /// Makes room for a pod that found no node, if that is possible.
    pub(super) fn preempt(&mut self, pod: PodId, ctx: &mut Ctx) {
        let place = &ctx.shared.kind(pod).place;
        let priority = |pod: PodId| ctx.shared.kind(pod).place.priority;
        let own = place.priority;
        if !place.preempts || ctx.blueprint().kinds.iter().all(|kind| kind.place.priority >= own) {
            return;
        }
        let mut lower = vec![Vec::new(); self.pods.len()];
        for (other, node) in (0..).map(PodId).zip(&self.placed) {
            if let Some(node) = node.filter(|_| priority(other) < own) {
                lower[node.index()].push(other);
            }
        }
        let goes = |pod: &PodId| ctx.shared.api.pod(*pod).is_none_or(|object| object.deleting);
        let nominated = self.nominated.iter().find(|(nominated, _)| *nominated == pod);
        if nominated.is_some_and(|(_, node)| lower[node.index()].iter().any(goes)) {
            return;
        }
        self.nominated.retain(|(nominated, _)| *nominated != pod);
        let candidates = lower.iter().enumerate().filter_map(|(node, lower)| {
            let victims = self.victims(pod, node, lower, ctx)?;
            let highest = victims.pods.iter().map(|pod| priority(*pod)).max()?;
            let sum: i64 = victims
                .pods
                .iter()
                .map(|pod| i64::from(priority(*pod)) + (1 << 31))
                .sum();
            let oldest = victims
                .pods
                .iter()
                .filter(|pod| priority(**pod) == highest)
                .min()
                .copied();
            let key = ctx.shared.key(pod).named("preemption").child(node as u64);
            let lot = ctx.stream(Purpose::SchedulerTie, key).bits();
            let rank = (victims.violated, highest, sum, victims.pods.len(), Reverse(oldest), lot);
            Some((rank, NodeId(node as u32), victims.pods))
        });
        let Some((_, node, victims)) = candidates.min_by_key(|(rank, ..)| *rank) else {
            return;
        };
        self.nominated.push((pod, node));
        for victim in victims {
            if ctx.shared.api.pod(victim).is_some_and(|object| !object.deleting) {
                ctx.observe_pod(victim, PodFact::Preempted(node, pod));
                let key = Ordinal::DELETION.of(ctx.shared.key(victim));
                ctx.write(Source::Scheduler, None, key, Write::DeletePod(victim));
            }
        }
    }

    /// Whom of the pods of a lower priority a pod would replace on a node; nothing if it would not fit without all of them.
    fn victims(&self, pod: PodId, node: usize, lower: &[PodId], ctx: &Ctx) -> Option<Victims> {
        if lower.is_empty() {
            return None;
        }
        let fits = |without: &[PodId]| {
            let spread = self.domains(pod, without, ctx);
            self.unfit(pod, node, &spread, without, ctx).is_none()
        };
        if !fits(lower) {
            return None;
        }
        let mut important = lower.to_vec();
        important.sort_by_key(|pod| (Reverse(ctx.shared.kind(*pod).place.priority), *pod));
        let mut allowed: BTreeMap<usize, u32> = BTreeMap::new();
        let (violating, others): (Vec<PodId>, Vec<PodId>) = important.iter().copied().partition(|pod| {
            ctx.shared.kind(*pod).budgets.iter().any(|&budget| {
                let left = allowed.entry(budget).or_insert_with(|| ctx.disruptions_allowed(budget));
                let violates = *left == 0;
                *left = left.saturating_sub(1);
                violates
            })
        });
        let (mut without, mut violated) = (important, 0);
        for (place, back) in violating.iter().chain(&others).enumerate() {
            let at = without.iter().position(|pod| pod == back)?;
            without.remove(at);
            if !fits(&without) {
                without.insert(at, *back);
                violated += usize::from(place < violating.len());
            }
        }
        Some(Victims {
            pods: without,
            violated,
        })
    }
}
