//! The choice of a node: which nodes can take a pod, and which of them is best.
//!
//! **Modeled**: filters by lease, cordon, taints, labels of nodes, pods per node, requested processors and memory, required
//! anti-affinity per hostname, both ways, and topology spread constraints that forbid nodes. Pods for which others have to go count
//! on their node against those of no higher priority. Scores of taints (weight 3), preferred affinity of nodes and of pods, and spread
//! constraints with `ScheduleAnyway` (2 each), and, where nodes can be full, of the least and the most balanced share of what they have (1 each; a pod without requests counts as 0.1 cores and
//! 200 MiB in the former). Among equal scores the zone with the fewest pods of the workload, pods on their way out not counted, then the
//! node with the fewest pods, then by lot.
//! **Left out**: required affinity of pods; spread over nodes and zones by default constraints, whose scores others can outweigh.
//! **Parameters**: `pods_per_node_max`. **Validated by**: `tests/world/capacity.rs`, against
//! `docs/model/kubernetes.md#placement`.

use super::super::blueprint::KindSpread;
use super::super::context::Ctx;
use super::super::ids::{KindId, NodeId, PodId};
use super::super::observed::{Unfit, Unfitting};
use super::super::placement::{Resources, may_grow};
use super::super::purpose::Purpose;
use super::Scheduler;

/// The best score of a plugin (`kubernetes/kubernetes pkg/scheduler/framework/interface.go`, MaxNodeScore).
const MOST: u64 = 100;
/// What a container without requests counts in the score of the least share
/// (`kubernetes/kubernetes pkg/scheduler/util/pod_resources.go`).
const UNREQUESTED: Resources = Resources {
    cpu_milli: 100,
    memory: 200 << 20,
};

impl Scheduler {
    /// The node that is given to the pod, if it is feasible; else the best of those that are, one of them by lot if there are several.
    pub(super) fn choose(&self, pod: PodId, ctx: &Ctx) -> Result<NodeId, Unfitting> {
        let kind = ctx.shared.pods[pod.index()].kind;
        let spread = self.domains(pod, &[], ctx);
        let unfit = |node: usize| self.unfit(pod, node, &spread, &[], ctx);
        if let Some(node) = given(pod, ctx).filter(|node| unfit(node.index()).is_none()) {
            return Ok(node);
        }
        let (mut feasible, mut unfitting) = (Vec::new(), Unfitting::default());
        for node in 0..self.pods.len() {
            match unfit(node) {
                None => feasible.push(node),
                Some(why) => unfitting.0[why as usize] += 1,
            }
        }
        let scores = self.scores(pod, &feasible, ctx);
        let in_zone = self.pods_by_zone(kind, ctx);
        let load = |place: usize| {
            let node = feasible[place];
            let zone = ctx.blueprint().zone_of(NodeId(node as u32));
            let score = scores.get(place).map_or(0, |score| u64::MAX - score);
            (score, in_zone.get(zone as usize), self.pods[node])
        };
        let Some(least) = (0..feasible.len()).map(load).min() else {
            return Err(unfitting);
        };
        let best: Vec<usize> = (0..feasible.len()).filter(|&place| load(place) == least).collect();
        let lot = ctx
            .stream(Purpose::SchedulerTie, ctx.shared.key(pod))
            .below(best.len() as u64);
        Ok(NodeId(feasible[best[lot as usize]] as u32))
    }

    /// For each spread constraint of a pod and each node, whether its domain may have one more pod, if some pods were gone.
    pub(super) fn domains(&self, pod: PodId, without: &[PodId], ctx: &Ctx) -> Vec<Vec<bool>> {
        let spread = ctx.shared.kind(pod).spread.iter().filter(|of| !of.spread.anyway);
        spread.map(|spread| self.spread(pod, spread, without, ctx)).collect()
    }

    /// Why a node cannot take a pod, if some pods were gone; nothing if it can.
    pub(super) fn unfit(
        &self,
        pod: PodId,
        node: usize,
        spread: &[Vec<bool>],
        without: &[PodId],
        ctx: &Ctx,
    ) -> Option<Unfit> {
        let (kind, nodes) = (ctx.shared.kind(pod), &ctx.blueprint().nodes);
        let place = &kind.place;
        if !self.ready[node] && !place.tolerates_unreachable {
            return Some(Unfit::NotReady);
        }
        if self.cordoned[node] && !place.tolerates_cordon {
            return Some(Unfit::Cordoned);
        }
        if !place.tolerates(self.taints[node], nodes) {
            return Some(Unfit::Taint);
        }
        if !place.matches(node) {
            return Some(Unfit::Labels);
        }
        let (mut pods, mut used) = (self.pods[node], self.requested[node]);
        for gone in without {
            let of = ctx.shared.kind(*gone).place.requests;
            pods -= 1;
            used = Resources {
                cpu_milli: used.cpu_milli - of.cpu_milli,
                memory: used.memory - of.memory,
            };
        }
        let is_before = |other: &PodId| *other != pod && ctx.shared.kind(*other).place.priority >= place.priority;
        for (other, _) in self
            .nominated
            .iter()
            .filter(|(other, at)| at.index() == node && is_before(other))
        {
            pods += 1;
            used = used.plus(ctx.shared.kind(*other).place.requests);
        }
        if pods >= ctx.blueprint().spec.kubernetes.pods_per_node_max {
            return Some(Unfit::Pods);
        }
        let lacks = |used: u64, own: u64, most: Option<u64>| own > 0 && most.is_some_and(|most| used + own > most);
        let (own, most) = (place.requests, nodes.capacity[node]);
        if lacks(used.cpu_milli, own.cpu_milli, most.cpu_milli) {
            return Some(Unfit::Cpu);
        }
        if lacks(used.memory, own.memory, most.memory) {
            return Some(Unfit::Memory);
        }
        if !spread.iter().all(|may_grow| may_grow[node]) {
            return Some(Unfit::Spread);
        }
        let conflicts = kind.conflicts.iter().any(|other| {
            let gone = without.iter().filter(|pod| ctx.shared.pods[pod.index()].kind == *other);
            self.kinds[node * self.kind_count + other.index()] > gone.count() as u32
        });
        conflicts.then_some(Unfit::AntiAffinity)
    }

    /// The scores of nodes, the highest is best; nothing if all would be equal.
    fn scores(&self, pod: PodId, feasible: &[usize], ctx: &Ctx) -> Vec<u64> {
        let (place, nodes) = (&ctx.shared.kind(pod).place, &ctx.blueprint().nodes);
        let soft = |node: usize| u64::from((self.taints[node] & nodes.soft & !place.tolerated).count_ones());
        let wanted = |node: usize| u64::from(place.preferred(node).unwrap_or(0));
        let most = |of: &dyn Fn(usize) -> u64| feasible.iter().map(|node| of(*node)).max().unwrap_or(0);
        let (most_soft, most_wanted) = (most(&soft), most(&wanted));
        let kind = ctx.shared.kind(pod);
        let spreads = kind.spread.iter().any(|of| of.spread.anyway);
        if most_soft == 0 && most_wanted == 0 && !nodes.can_be_full && !spreads && kind.near.is_empty() {
            return Vec::new();
        }
        let (evenness, nearness) = (self.evenness(pod, feasible, ctx), self.nearness(pod, feasible, ctx));
        let share = |part: u64, of: u64| (MOST * part).checked_div(of).unwrap_or(0);
        let score = |(at, &node): (usize, &usize)| {
            let taints = MOST - share(soft(node), most_soft);
            let wanted = share(wanted(node), most_wanted);
            let resources = match nodes.can_be_full {
                true => self.resources(node, place.requests, ctx),
                false => 0,
            };
            3 * taints + 2 * (wanted + evenness[at] + nearness[at]) + resources
        };
        feasible.iter().enumerate().map(score).collect()
    }

    /// How much of a node would be left, and how evenly it would be used (`kubernetes/kubernetes
    /// pkg/scheduler/framework/plugins/noderesources`, leastResourceScorer and balancedResourceScorer).
    fn resources(&self, node: usize, own: Resources, ctx: &Ctx) -> u64 {
        let (used, most) = (self.requested[node], ctx.blueprint().nodes.capacity[node]);
        let counted = |own: u64, unrequested: u64| if own > 0 { own } else { unrequested };
        let each = [
            (most.cpu_milli, used.cpu_milli, own.cpu_milli, UNREQUESTED.cpu_milli),
            (most.memory, used.memory, own.memory, UNREQUESTED.memory),
        ];
        let limited = || {
            each.into_iter()
                .filter_map(|(most, used, own, least)| Some((most?, used, own, least)))
        };
        let left = limited().map(|(most, used, own, least)| {
            let free = most.saturating_sub(used + counted(own, least));
            (MOST * free).checked_div(most).unwrap_or(0)
        });
        let shares: Vec<f64> = limited()
            .map(|(most, used, own, _)| ((used + own) as f64 / most as f64).min(1.0))
            .collect();
        let apart = match shares.as_slice() {
            [cpu, memory] => (cpu - memory).abs() / 2.0,
            _ => 0.0,
        };
        let least = left.sum::<u64>().checked_div(shares.len() as u64).unwrap_or(0);
        least + ((1.0 - apart) * MOST as f64) as u64
    }

    /// For each node, whether its domain may have one more pod under a constraint.
    fn spread(&self, pod: PodId, of: &KindSpread, without: &[PodId], ctx: &Ctx) -> Vec<bool> {
        let (blueprint, kind) = (ctx.blueprint(), ctx.shared.kind(pod));
        let counts = self.in_domains(pod, of, without, ctx);
        let is_domain = |node: &usize| {
            let free = kind.place.tolerates(self.taints[*node], &blueprint.nodes);
            kind.place.matches(*node) && (!of.spread.honors_taints || free)
        };
        let fewest = (0..counts.len()).filter(is_domain).map(|node| counts[node]).min();
        let grows = |pods: &u32| may_grow(*pods, fewest.into_iter(), of.spread.max_skew);
        counts.iter().map(grows).collect()
    }

    /// For each node, the pods of its domain that count under a constraint. Pods that are to go do not count.
    fn in_domains(&self, pod: PodId, of: &KindSpread, without: &[PodId], ctx: &Ctx) -> Vec<u32> {
        let (blueprint, api, pods) = (ctx.blueprint(), &ctx.shared.api, &ctx.shared.pods);
        let meta = &pods[pod.index()];
        let domain = |node: usize| match of.spread.by_zone {
            true => blueprint.zone_of(NodeId(node as u32)) as usize,
            false => node,
        };
        let mut counts = vec![0; self.pods.len().max(blueprint.spec.zones as usize)];
        for &other in of.kinds.iter().flat_map(|kind| api.pods_of(*kind)) {
            let counts_here = !of.per_revision || pods[other.index()].revision == meta.revision;
            if counts_here
                && !without.contains(&other)
                && api.pod(other).is_some_and(|object| !object.deleting)
                && let Some(node) = self.placed.get(other.index()).copied().flatten()
            {
                counts[domain(node.index())] += 1;
            }
        }
        (0..self.pods.len()).map(|node| counts[domain(node)]).collect()
    }

    /// How evenly pods are spread with one more on each of these nodes, by constraints that only prefer nodes
    /// (`kubernetes/kubernetes pkg/scheduler/framework/plugins/podtopologyspread/scoring.go`).
    fn evenness(&self, pod: PodId, feasible: &[usize], ctx: &Ctx) -> Vec<u64> {
        let mut sums = vec![0.0; feasible.len()];
        for of in ctx.shared.kind(pod).spread.iter().filter(|of| of.spread.anyway) {
            let counts = self.in_domains(pod, of, &[], ctx);
            let mut domains: Vec<u32> = match of.spread.by_zone {
                true => feasible.iter().map(|node| ctx.blueprint().nodes.zones[*node]).collect(),
                false => feasible.iter().map(|node| *node as u32).collect(),
            };
            domains.sort_unstable();
            domains.dedup();
            let weight = libm::log(domains.len() as f64 + 2.0);
            for (sum, node) in sums.iter_mut().zip(feasible) {
                *sum += f64::from(counts[*node]) * weight + f64::from(of.spread.max_skew - 1);
            }
        }
        let rounded: Vec<u64> = sums.into_iter().map(|sum| libm::round(sum) as u64).collect();
        let (least, most) = (rounded.iter().min().copied(), rounded.iter().max().copied());
        let (least, most) = (least.unwrap_or(0), most.unwrap_or(0));
        let score = |sum: &u64| (MOST * (most + least - sum)).checked_div(most).unwrap_or(MOST);
        rounded.iter().map(score).collect()
    }

    /// How near the pods of these nodes are to those that it rather is near, or that rather are near it.
    fn nearness(&self, pod: PodId, feasible: &[usize], ctx: &Ctx) -> Vec<u64> {
        let zones = &ctx.blueprint().nodes.zones;
        let mut sums = vec![0; feasible.len()];
        for &(weight, by_zone, kind) in &ctx.shared.kind(pod).near {
            let pods = |node: usize| i64::from(self.kinds[node * self.kind_count + kind.index()]);
            let mut in_zone = vec![0; ctx.blueprint().spec.zones as usize];
            for (node, zone) in zones.iter().enumerate() {
                in_zone[*zone as usize] += pods(node);
            }
            for (sum, &node) in sums.iter_mut().zip(feasible) {
                *sum += weight
                    * if by_zone {
                        in_zone[zones[node] as usize]
                    } else {
                        pods(node)
                    };
            }
        }
        let (least, most) = (sums.iter().min().copied(), sums.iter().max().copied());
        let (least, apart) = (least.unwrap_or(0), most.unwrap_or(0) - least.unwrap_or(0));
        let score = |sum: &i64| (MOST as i64 * (sum - least)).checked_div(apart).unwrap_or(0);
        sums.iter().map(|sum| score(sum).unsigned_abs()).collect()
    }

    /// Pods of a kind in each zone that are not on their way out; nothing if there is one zone.
    fn pods_by_zone(&self, kind: KindId, ctx: &Ctx) -> Vec<u32> {
        let zones = ctx.blueprint().spec.zones;
        if zones == 1 {
            return Vec::new();
        }
        let mut pods = vec![0; zones as usize];
        let api = &ctx.shared.api;
        let stays = |pod: &&PodId| api.pod(**pod).is_some_and(|object| !object.deleting);
        for pod in api.pods_of(kind).iter().filter(stays) {
            if let Some(node) = self.placed.get(pod.index()).copied().flatten() {
                pods[ctx.blueprint().zone_of(node) as usize] += 1;
            }
        }
        pods
    }
}

/// The node on which the description starts a pod: those of the first ReplicaSet have one in the order of their creation.
pub(super) fn given(pod: PodId, ctx: &Ctx) -> Option<NodeId> {
    let meta = &ctx.shared.pods[pod.index()];
    let nodes = ctx.blueprint().spec.placement.get(meta.kind.index())?;
    let first = meta.revision == 1;
    nodes.get(meta.ordinal as usize).copied().filter(|_| first)
}
