//! The DaemonSet controller: rolling updates of what runs on every node, Cilium's agents or the service proxies.
//!
//! **Modeled**: nodes in a random order; an old pod is deleted while fewer than `maxUnavailable` pods are unavailable, and one that
//! is unavailable anyway at once (`kubernetes/kubernetes pkg/controller/daemon/update.go`, rollingUpdate); the next one when the
//! new pod is reported ready. A pod waits for its kubelet: on a node that is cut off or down it stays unavailable, and the rollout waits.
//! From the deletion of a pod to the start of its successor (`pause`) its process is away as in a restart (`supervision`): its maps survive.
//! **Left out**: surge, `OnDelete`, `minReadySeconds`; an API server that is away while a pod is replaced delays the start of the
//! process, not its creation; a process that a fault has ended counts as available.
//! **Parameters**: `max_unavailable` of the step; `controller_sync_latency`, `api_write_latency`, `watch_latency`, `term_reaction`,
//! `sandbox_*`, `scheduling_latency`, `pod_setup_latency`, `container_start_latency`.
//! **Validated by**: `tests/world/rollouts.rs`, against `docs/model/kubernetes.md#rolling-updates-of-daemonsets`.

use std::collections::BTreeMap;

use super::context::Ctx;
use super::event::{DaemonSetEvent, Event, Source, Write};
use super::ids::NodeId;
use super::party::{Home, Party, PartyKind};
use super::purpose::Purpose;
use super::subscription::{Change, Notification, Subscription};
use crate::kernel::{EntityKey, EventClass, SimDuration};

/// Init containers of Cilium's agent: the configuration, three mounts, the cleaner of its state, the installer of the network plugin
/// (`cilium/cilium install/kubernetes/cilium/templates/cilium-agent/daemonset.yaml`).
const AGENT_INIT_CONTAINERS: u64 = 6;
/// Grace period of the agent's pod in the same chart.
const AGENT_GRACE: SimDuration = SimDuration::from_secs(1);
/// Period of the agent's startup probe in the same chart.
const STARTUP_PROBE_PERIOD: SimDuration = SimDuration::from_secs(2);

/// The controller's state: the rollouts under way.
#[derive(Debug, Default)]
pub struct DaemonSets {
    rollouts: BTreeMap<PartyKind, Rolling>,
}

#[derive(Debug, Default)]
struct Rolling {
    /// How often its template has changed.
    revision: u64,
    max_unavailable: usize,
    /// Nodes with an old pod, the next one last.
    old: Vec<NodeId>,
    /// Nodes whose pod was deleted and whose next one is not ready.
    replaced: Vec<NodeId>,
    sync_pending: bool,
    syncs: u64,
    under_way: bool,
}

/// The key of a DaemonSet.
fn key(of: PartyKind) -> EntityKey {
    EntityKey::root("daemon set").named(of.words().word)
}

impl DaemonSets {
    /// Handles an event.
    pub fn handle(&mut self, event: DaemonSetEvent, ctx: &mut Ctx) {
        match event {
            DaemonSetEvent::Restarted(of, max_unavailable) => {
                let rolling = self.rollouts.entry(of).or_default();
                rolling.revision += 1;
                rolling.max_unavailable = max_unavailable as usize;
                rolling.under_way = true;
                let order = key(of).named("order").child(rolling.revision);
                let lot = |node: &NodeId| {
                    let key = order.child(ctx.blueprint().node_key(*node).get());
                    ctx.stream(Purpose::DaemonOrder, key).bits()
                };
                rolling.old = (0..ctx.blueprint().spec.nodes).map(NodeId).collect();
                rolling.old.sort_by_cached_key(lot);
                self.sync_soon(of, ctx);
            }
            DaemonSetEvent::Ready(party) => {
                let (of, Home::Node(node)) = (party.kind(), party.home()) else {
                    return;
                };
                if let Some(rolling) = self.rollouts.get_mut(&of) {
                    rolling.replaced.retain(|other| *other != node);
                    self.sync_soon(of, ctx);
                }
            }
            DaemonSetEvent::Sync(of) => self.sync(of, ctx),
        }
    }

    fn sync_soon(&mut self, of: PartyKind, ctx: &mut Ctx) {
        let rolling = self.rollouts.entry(of).or_default();
        if !std::mem::replace(&mut rolling.sync_pending, true) {
            rolling.syncs += 1;
            let key = key(of).named("sync").child(rolling.syncs);
            let distribution = ctx.blueprint().spec.kubernetes.controller_sync_latency;
            let latency = ctx.draw(Purpose::ControllerSync, key, &distribution);
            let event = Event::DaemonSet(DaemonSetEvent::Sync(of));
            ctx.after(Source::DaemonSet, EventClass::Timer, latency, event);
        }
    }

    fn sync(&mut self, of: PartyKind, ctx: &mut Ctx) {
        let rolling = self.rollouts.entry(of).or_default();
        rolling.sync_pending = false;
        let unavailable = |node: &NodeId| ctx.shared.api.node(*node).not_ready;
        let free = |node: &NodeId, replaced: &[NodeId]| !replaced.contains(node);
        let mut deleted: Vec<NodeId> = Vec::new();
        // Pods that are unavailable anyway cost nothing.
        let replaced = rolling.replaced.clone();
        deleted.extend(
            rolling
                .old
                .extract_if(.., |node| unavailable(node) && free(node, &replaced)),
        );
        rolling.replaced.extend(&deleted);
        while rolling.replaced.len() < rolling.max_unavailable {
            let Some(next) = rolling.old.iter().rposition(|node| free(node, &rolling.replaced)) else {
                break;
            };
            let node = rolling.old.remove(next);
            rolling.replaced.push(node);
            deleted.push(node);
        }
        let revision = rolling.revision;
        let complete = rolling.old.is_empty() && rolling.replaced.is_empty();
        let complete = complete && std::mem::take(&mut rolling.under_way);
        for party in deleted.into_iter().filter_map(|node| of.at(Home::Node(node))) {
            let key = key_of_replacement(party, revision, ctx).named("delete");
            ctx.write(Source::DaemonSet, None, key, Write::DeleteDaemon(party));
        }
        if complete {
            ctx.daemons_are_replaced(of);
        }
    }
}

/// The key of the draws of a replacement.
fn key_of_replacement(party: Party, number: u64, ctx: &Ctx) -> EntityKey {
    ctx.blueprint().party_key(party).named("replaced").child(number)
}

impl Ctx<'_> {
    /// How long a process is away until its container is started again, from when its kubelet has heard that its pod is to go: the old pod
    /// ends, the controller creates the new one, it is bound, and its sandbox and its init containers start.
    #[must_use]
    pub(super) fn pause_of_replacement(&self, party: Party, number: u64) -> SimDuration {
        let key = key_of_replacement(party, number, self);
        let params = &self.blueprint().spec.kubernetes;
        let ends = self.draw(Purpose::TermReaction, key, &params.term_reaction);
        let (ends, inits) = match party.kind() {
            PartyKind::Agent => (ends.min(AGENT_GRACE), AGENT_INIT_CONTAINERS),
            _ => (ends.min(params.termination_grace_period_default), 0),
        };
        let once = [
            (Purpose::SandboxStop, &params.sandbox_stop_latency),
            (Purpose::ControllerSync, &params.controller_sync_latency),
            (Purpose::Scheduling, &params.scheduling_latency),
            (Purpose::PodSetup, &params.pod_setup_latency),
            (Purpose::Sandbox, &params.sandbox_latency),
        ];
        let writes = ["gone", "created", "bound"].map(|what| {
            let key = key.named(what);
            self.draw(Purpose::ApiWrite, key, &params.api_write_latency)
                + self.draw(Purpose::WatchDelay, key, &params.watch_latency)
        });
        let containers = (0..inits).map(|init| {
            let key = key.named("init").child(init);
            self.draw(Purpose::ContainerStart, key, &params.container_start_latency)
        });
        let once = once.map(|(purpose, distribution)| self.draw(purpose, key, distribution));
        once.into_iter()
            .chain(writes)
            .chain(containers)
            .fold(ends, |sum, span| sum + span)
    }

    /// How long its kubelet takes to see that the process that took its place is ready.
    #[must_use]
    pub(super) fn probe_of_replacement(&self, party: Party, number: u64) -> SimDuration {
        match party.kind() {
            PartyKind::Agent => {
                let key = key_of_replacement(party, number, self);
                self.stream(Purpose::ProbePhase, key).up_to(STARTUP_PROBE_PERIOD)
            }
            _ => SimDuration::ZERO,
        }
    }
}

/// Templates of DaemonSets, and their pods.
pub const SUBSCRIPTION: Subscription = Subscription {
    key: |_, _| EntityKey::root("daemon set controller"),
    hears: |change, _, notifications| {
        let (event, words) = match *change {
            Change::DaemonsRestarted(of, most) => (
                DaemonSetEvent::Restarted(of, most),
                "the template of the DaemonSet changed",
            ),
            Change::DaemonReady(party) => (DaemonSetEvent::Ready(party), "a pod of the DaemonSet is ready"),
            _ => return,
        };
        notifications.push(Notification::new(
            Source::DaemonSet,
            Event::DaemonSet(event),
            (words, None),
        ));
    },
};
