//! The Deployment controller: scaling and rolling updates.
//!
//! **Modeled**: one ReplicaSet per revision; the rolling update's arithmetic of surge and unavailability, clean-up of
//! unhealthy old pods first (`kubernetes/kubernetes pkg/controller/deployment/rolling.go`).
//! **Left out**: proportional scaling in the middle of a rollout, pausing, rollback, history limits, `Recreate`.
//! **Parameters**: `controller_sync_latency`, `api_write_latency`, `watch_latency`; surge and unavailability from the
//! manifest. **Validated by**: `a_rolling_update_of_any_size_ends` below; `tests/world/event_log.rs`.

use super::context::Ctx;
use super::event::{DeploymentEvent, Event, Source};
use super::ids::{KindId, ReplicaSetId};
use super::observed::Fact;
use super::purpose::Purpose;
use super::spec::Amount;
use super::subscription::{Change, Notification, Subscription};
use crate::kernel::{EntityKey, EventClass, SimDuration, SimTime};

/// The controller's state.
#[derive(Debug, Default)]
pub struct Deployments {
    states: Vec<Option<Deployment>>,
    /// Versions of pods that the controller has read.
    seen: u32,
    /// When the latest size reaches the ReplicaSet controller: sizes arrive in their order.
    latest_size: SimTime,
}

#[derive(Debug, Default)]
struct Deployment {
    replicas: u32,
    revision: u32,
    /// ReplicaSets, oldest first, with the size that the controller asked for.
    sets: Vec<(ReplicaSetId, u32)>,
    sync_pending: bool,
    /// Its syncs and the sizes that it gave to its ReplicaSets so far.
    syncs: u64,
    resizes: u64,
}

/// What a ReplicaSet has and should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetStatus {
    /// Pods asked for.
    pub desired: u32,
    /// Pods that are ready, as the controller knows.
    pub available: u32,
}

/// One step of a rolling update: the new sizes, new ReplicaSet last, or nothing to do.
///
/// `sets` holds the old ReplicaSets, oldest first, and the new one last.
#[must_use]
pub fn next_step(sets: &[SetStatus], replicas: u32, surge: u32, unavailable: u32) -> Option<Vec<u32>> {
    let mut sizes: Vec<u32> = sets.iter().map(|set| set.desired).collect();
    let (new, old) = sets.split_last()?;
    let total: u32 = sizes.iter().sum();
    if old.iter().all(|set| set.desired == 0) || new.desired > replicas {
        // Nothing old is left, or the Deployment was scaled down: the new ReplicaSet takes the desired size.
        if new.desired == replicas {
            return None;
        }
        *sizes.last_mut()? = replicas;
        return Some(sizes);
    }
    let most = replicas + surge;
    if new.desired < replicas && total < most {
        *sizes.last_mut()? = new.desired + (most - total).min(replicas - new.desired);
        return Some(sizes);
    }
    let least_available = replicas.saturating_sub(unavailable);
    let new_unavailable = new.desired.saturating_sub(new.available);
    let mut removable = total.saturating_sub(least_available + new_unavailable);
    if removable == 0 {
        return None;
    }
    // Pods of old ReplicaSets that are not available go first, they are no loss.
    for (size, set) in sizes.iter_mut().zip(old) {
        let unhealthy = set.desired.saturating_sub(set.available).min(removable);
        *size -= unhealthy;
        removable -= unhealthy;
    }
    let available: u32 = sets.iter().map(|set| set.available).sum();
    let mut spare = available.saturating_sub(least_available);
    for size in sizes.iter_mut().take(old.len()) {
        let down = (*size).min(spare);
        *size -= down;
        spare -= down;
    }
    (sizes.iter().zip(sets).any(|(size, set)| *size != set.desired)).then_some(sizes)
}

/// Resolves surge (rounded up) and unavailability (rounded down); both zero would never move, so one may be missing then.
#[must_use]
pub fn resolve(surge: Amount, unavailable: Amount, replicas: u32) -> (u32, u32) {
    let up = match surge {
        Amount::Count(n) => n,
        Amount::Percent(p) => (u64::from(replicas) * u64::from(p)).div_ceil(100) as u32,
    };
    let down = match unavailable {
        Amount::Count(n) => n,
        Amount::Percent(p) => (u64::from(replicas) * u64::from(p) / 100) as u32,
    };
    if up == 0 && down == 0 { (0, 1) } else { (up, down) }
}

impl Deployments {
    fn state(&mut self, kind: KindId) -> &mut Deployment {
        if self.states.len() <= kind.index() {
            self.states.resize_with(kind.index() + 1, || None);
        }
        self.states[kind.index()].get_or_insert_default()
    }

    /// A workload had its size when the run began: all its pods are of this ReplicaSet.
    pub fn has_scaled(&mut self, kind: KindId, set: ReplicaSetId, replicas: u32, ctx: &Ctx) {
        self.seen = ctx.shared.api.pods.len() as u32;
        *self.state(kind) = Deployment {
            replicas,
            revision: 1,
            sets: vec![(set, replicas)],
            ..Deployment::default()
        };
    }

    /// Handles an event.
    pub fn handle(&mut self, event: DeploymentEvent, ctx: &mut Ctx) {
        match event {
            DeploymentEvent::Scaled(kind, replicas) => {
                let state = self.state(kind);
                state.replicas = replicas;
                if state.sets.is_empty() {
                    state.revision = 1;
                    state.sets.push((ctx.shared.add_set(kind, 1), 0));
                }
                self.sync_soon(kind, ctx);
            }
            DeploymentEvent::Restarted(kind) => {
                let state = self.state(kind);
                state.revision += 1;
                state.sets.push((ctx.shared.add_set(kind, state.revision), 0));
                self.sync_soon(kind, ctx);
            }
            DeploymentEvent::PodsChanged(kind, seen) => {
                self.seen = self.seen.max(seen);
                // Without an old ReplicaSet that still has pods, their changes call for nothing.
                if self.state(kind).sets.iter().rev().skip(1).any(|(_, size)| *size > 0) {
                    self.sync_soon(kind, ctx);
                }
            }
            DeploymentEvent::Sync(kind) => self.sync(kind, ctx),
        }
    }

    fn sync_soon(&mut self, kind: KindId, ctx: &mut Ctx) {
        let state = self.state(kind);
        if !state.sync_pending {
            state.sync_pending = true;
            state.syncs += 1;
            let key = ctx.blueprint().kind(kind).key.named("sync").child(state.syncs);
            let distribution = ctx.blueprint().spec.kubernetes.controller_sync_latency;
            let latency = ctx.draw(Purpose::ControllerSync, key, &distribution);
            ctx.after(
                Source::Deployment,
                EventClass::Timer,
                latency,
                Event::Deployment(DeploymentEvent::Sync(kind)),
            );
        }
    }

    fn sync(&mut self, kind: KindId, ctx: &mut Ctx) {
        let seen = self.seen;
        let (surge, unavailable) = (
            ctx.blueprint().kind(kind).max_surge,
            ctx.blueprint().kind(kind).max_unavailable,
        );
        let state = self.state(kind);
        state.sync_pending = false;
        let (surge, unavailable) = resolve(surge, unavailable, state.replicas);
        let status: Vec<SetStatus> = state
            .sets
            .iter()
            .map(|&(set, desired)| SetStatus {
                desired,
                available: ctx.shared.available(set, seen),
            })
            .collect();
        let Some(sizes) = next_step(&status, state.replicas, surge, unavailable) else {
            return;
        };
        let mut changed = Vec::new();
        for ((set, desired), size) in state.sets.iter_mut().zip(sizes) {
            if *desired != size {
                *desired = size;
                changed.push((*set, size));
            }
        }
        // When the last old pods are deleted the new ReplicaSet may still have to grow.
        let rolling = state.sets.len() > 1;
        // Old ReplicaSets that are empty play no part any more.
        let last = state.sets.len() - 1;
        let mut position = 0;
        state.sets.retain(|(_, size)| {
            position += 1;
            position > last || *size > 0
        });
        for (set, size) in changed {
            self.resize(kind, set, size, ctx);
        }
        if rolling {
            self.sync_soon(kind, ctx);
        }
    }

    /// The new size travels by a write to the ReplicaSet object and its controller's watch.
    fn resize(&mut self, kind: KindId, set: ReplicaSetId, size: u32, ctx: &mut Ctx) {
        let state = self.state(kind);
        state.resizes += 1;
        let key = ctx.blueprint().kind(kind).key.named("resize").child(state.resizes);
        let params = &ctx.blueprint().spec.kubernetes;
        let (write, watch) = (params.api_write_latency, params.watch_latency);
        let latency: SimDuration =
            ctx.draw(Purpose::ApiWrite, key, &write) + ctx.draw(Purpose::WatchDelay, key, &watch);
        self.latest_size = (ctx.now() + latency).max(self.latest_size);
        ctx.observe(Fact::SetResized(set, size));
        ctx.resize_set(self.latest_size, set, size);
    }
}

/// Deployments, and pods of ReplicaSets.
pub const SUBSCRIPTION: Subscription = Subscription {
    key: |_, _| EntityKey::root("deployment controller"),
    hears: |change, shared, notifications| {
        let of_jobs = |kind: KindId| shared.blueprint.kind(kind).controller.makes_jobs();
        let event = match *change {
            Change::DeploymentScaled(kind, _) if of_jobs(kind) => return,
            Change::DeploymentScaled(kind, replicas) => DeploymentEvent::Scaled(kind, replicas),
            Change::DeploymentRestarted(kind) => DeploymentEvent::Restarted(kind),
            _ => match change.of_pod() {
                Some((pod, true)) if shared.api.owner(pod).is_some() => {
                    let kind = shared.pods[pod.index()].kind;
                    if of_jobs(kind) {
                        return;
                    }
                    DeploymentEvent::PodsChanged(kind, shared.api.pods.len() as u32)
                }
                _ => return,
            },
        };
        notifications.push(Notification::new(
            Source::Deployment,
            Event::Deployment(event),
            ("the Deployment or its pods changed", None),
        ));
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    fn set(desired: u32, available: u32) -> SetStatus {
        SetStatus { desired, available }
    }

    #[test]
    fn a_quarter_of_fifteen_is_four_more_and_three_fewer() {
        assert_eq!(resolve(Amount::Percent(25), Amount::Percent(25), 15), (4, 3));
        assert_eq!(resolve(Amount::Percent(0), Amount::Percent(0), 15), (0, 1));
        assert_eq!(resolve(Amount::Count(2), Amount::Percent(25), 1), (2, 0));
    }

    #[test]
    fn scaling_without_old_pods_goes_straight_to_the_desired_size() {
        assert_eq!(next_step(&[set(1, 1)], 15, 4, 3), Some(vec![15]));
        assert_eq!(next_step(&[set(15, 15)], 15, 4, 3), None);
        assert_eq!(next_step(&[set(15, 15)], 0, 4, 3), Some(vec![0]));
    }

    #[test]
    fn a_rolling_update_surges_first_then_removes_three_then_follows_readiness() {
        assert_eq!(next_step(&[set(15, 15), set(0, 0)], 15, 4, 3), Some(vec![15, 4]));
        assert_eq!(next_step(&[set(15, 15), set(4, 0)], 15, 4, 3), Some(vec![12, 4]));
        assert_eq!(next_step(&[set(12, 12), set(4, 0)], 15, 4, 3), Some(vec![12, 7]));
        assert_eq!(next_step(&[set(12, 12), set(7, 0)], 15, 4, 3), None);
        assert_eq!(next_step(&[set(12, 12), set(7, 5)], 15, 4, 3), Some(vec![7, 7]));
    }

    #[test]
    fn unhealthy_old_pods_go_first() {
        // Ten of the old pods never became ready: removing them costs nothing.
        assert_eq!(next_step(&[set(15, 5), set(4, 4)], 15, 4, 3), Some(vec![8, 4]));
    }

    #[test]
    fn a_rolling_update_of_any_size_ends() {
        for replicas in 1..40 {
            let (surge, unavailable) = resolve(Amount::Percent(25), Amount::Percent(25), replicas);
            let mut sets = vec![set(replicas, replicas), set(0, 0)];
            for _ in 0..200 {
                match next_step(&sets, replicas, surge, unavailable) {
                    Some(sizes) => {
                        for (status, size) in sets.iter_mut().zip(&sizes) {
                            status.desired = *size;
                            status.available = status.available.min(*size);
                        }
                        let total: u32 = sizes.iter().sum();
                        assert!(total <= replicas + surge, "{replicas}: {sizes:?}");
                    }
                    None => sets[1].available = sets[1].desired,
                }
                let available: u32 = sets.iter().map(|status| status.available).sum();
                assert!(available >= replicas - unavailable, "{replicas}: {sets:?}");
            }
            assert_eq!((sets[0].desired, sets[1].desired), (0, replicas));
        }
    }
}
