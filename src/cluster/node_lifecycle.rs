//! Node leases and the node lifecycle controller: when a silent node is marked NotReady, and what follows.
//!
//! **Modeled**: lease renewals with jitter from a phase of their own; the controller's passes; its stamp of its own time
//! when it sees a renewed lease; the grace period; Ready set to Unknown with the taint, then each pod's Ready to false by
//! one write after another; the taint that evicts, when its zone sets it (`zone_taints`); deletion of the pods after they have
//! tolerated it, each as long as its tolerations have it; return of the node; taints of administrators and of pools with the effect
//! NoExecute, which evict pods that do not tolerate them at once, and others when they have tolerated them long enough.
//! **Left out**: node status other than the lease, several controller managers; nodes are marked at the instant of a pass, and
//! the writes of one node do not wait for those of another, nor for the rate limit of the controller's client; a pod's time on a node
//! with a further taint begins anew with that taint.
//! **Parameters**: `lease_renew_*`, `node_monitor_*`, `unreachable_toleration`.
//! **Validated by**: `tests/world/node_lifecycle.rs`, against `docs/model/kubernetes.md#leases-and-notready`.
//!
//! Renewals of a healthy node are computed from its phase, not simulated: they could change nothing. When the link of a
//! kubelet changes, what its leases did meanwhile is worked out: an end of a cut cancels what the silence would have led to.

use std::collections::BTreeMap;

use super::blueprint::Blueprint;
use super::context::Ctx;
use super::event::{Event, NodeLifecycleEvent, Source, Write};
use super::faults::cut::CutMode;
use super::ids::{NodeId, PodId};
use super::node_pools::KindPlace;
use super::objects::PodObject;
use super::observed::Fact;
use super::purpose::{Ordinal, Purpose};
use super::subscription::{Change, Notification, Subscription};
use super::zone_taints::ZoneTaints;
use crate::kernel::{EntityKey, EventClass, SimDuration, SimTime, Timer};

/// The controller's state: only of nodes whose link was ever cut.
#[derive(Debug)]
pub struct NodeLifecycle {
    watched: Vec<Watched>,
    taints: ZoneTaints,
    /// Since when it has seen leases itself: a controller that takes over counts no silence before.
    began: SimTime,
    /// Whether a pass is scheduled that will find zones in another state.
    pass_due: bool,
    /// Since when a node has had its latest taint with NoExecute of an administrator.
    tainted: BTreeMap<NodeId, SimTime>,
}

#[derive(Debug)]
struct Watched {
    node: NodeId,
    marked_not_ready: bool,
    times_marked_not_ready: u32,
    /// The one thing that its silence, or its return, leads to next.
    pending: Option<Timer>,
    /// Whether `pending` is its return.
    returns: bool,
    /// When it gets the taint that evicts, or got it.
    taint: Option<SimTime>,
    /// When its pods are deleted, if it stays silent; nothing once they are.
    evict_at: Option<SimTime>,
    /// The latest renewal that took effect, as of the latest change of its link.
    heard: SimTime,
    /// The one renewal that still takes effect although its answer is lost.
    unanswered: Option<SimTime>,
    /// Since when the link has been whole, or when it last was.
    whole_since: SimTime,
}

impl NodeLifecycle {
    /// Of a cluster in which all nodes are ready.
    #[must_use]
    pub fn new(blueprint: &Blueprint) -> Self {
        Self {
            watched: Vec::new(),
            began: SimTime::ZERO,
            taints: ZoneTaints::new(&blueprint.zone_sizes(), &blueprint.spec.kubernetes),
            pass_due: false,
            tainted: BTreeMap::new(),
        }
    }

    fn state(&mut self, node: NodeId) -> &mut Watched {
        let position = self
            .watched
            .iter()
            .position(|watched| watched.node == node)
            .unwrap_or_else(|| {
                self.watched.push(Watched {
                    node,
                    marked_not_ready: false,
                    times_marked_not_ready: 0,
                    pending: None,
                    returns: false,
                    taint: None,
                    evict_at: None,
                    heard: SimTime::ZERO,
                    unanswered: None,
                    whole_since: SimTime::ZERO,
                });
                self.watched.len() - 1
            });
        &mut self.watched[position]
    }

    /// Handles an event.
    pub fn handle(&mut self, event: NodeLifecycleEvent, ctx: &mut Ctx) {
        match event {
            NodeLifecycleEvent::Begins => {
                self.began = ctx.now();
                let waits = |watched: &&Watched| watched.pending.is_some() && !watched.marked_not_ready;
                let judged: Vec<NodeId> = self.watched.iter().filter(waits).map(|watched| watched.node).collect();
                judged.into_iter().for_each(|node| self.cut(node, ctx));
            }
            NodeLifecycleEvent::Cut(node) => self.cut(node, ctx),
            NodeLifecycleEvent::Repaired(node) => self.repaired(node, ctx),
            NodeLifecycleEvent::Renewed(node) => {
                self.state(node).heard = ctx.now();
                self.repaired(node, ctx);
            }
            // It is heard again, and the controller learns of that at this instant: nothing comes of its silence.
            NodeLifecycleEvent::MarkNotReady(node) | NodeLifecycleEvent::Evict(node)
                if ctx.lease_cut(node).is_none() =>
            {
                self.state(node).pending = None;
            }
            NodeLifecycleEvent::MarkNotReady(node) => self.mark_not_ready(node, ctx),
            NodeLifecycleEvent::Evict(node) => {
                let now = ctx.now();
                let state = self.state(node);
                let since = state.taint.unwrap_or(now);
                let long_enough = |span: &SimDuration| since + *span <= now;
                let spans = ctx.shared.blueprint.stays_unreachable.iter();
                let next = spans.copied().find(|span| !long_enough(span)).map(|span| since + span);
                state.evict_at = next;
                state.pending = next.map(|at| {
                    let event = Event::NodeLifecycle(NodeLifecycleEvent::Evict(node));
                    ctx.at(Source::NodeLifecycle, EventClass::Timer, at, event)
                });
                evict(
                    node,
                    |place| place.stays_unreachable.is_some_and(|span| long_enough(&span)),
                    ctx,
                );
            }
            NodeLifecycleEvent::Return(node) => {
                let now = ctx.now();
                let state = self.state(node);
                state.marked_not_ready = false;
                state.pending = None;
                state.returns = false;
                state.taint = None;
                state.evict_at = None;
                state.heard = now;
                ctx.observe(Fact::Returned(node));
                let key = self.state(node).turn(Ordinal::RETURN, ctx);
                ctx.write(Source::NodeLifecycle, None, key, Write::SetNodeReady(node, true));
                let params = &ctx.blueprint().spec.kubernetes;
                if self.taints.returns(node, now, params) && !self.pass_due {
                    self.pass_due = true;
                    let pass = Event::NodeLifecycle(NodeLifecycleEvent::Pass);
                    ctx.at(Source::NodeLifecycle, EventClass::Timer, next_pass(now, ctx), pass);
                }
                self.plan_evictions(ctx);
            }
            NodeLifecycleEvent::Tainted(node) => {
                self.tainted.insert(node, ctx.now());
                let taints = ctx.shared.api.node(node).taints;
                let blueprint = ctx.shared.blueprint.clone();
                evict(
                    node,
                    |place| place.stays(taints, &blueprint.nodes) == Some(SimDuration::ZERO),
                    ctx,
                );
                for pod in ctx.shared.api.pods_on(node) {
                    stays_for_a_while(pod, ctx);
                }
            }
            NodeLifecycleEvent::BoundThere(pod) => stays_for_a_while(pod, ctx),
            NodeLifecycleEvent::Tolerated(pod) => {
                // The taint may have gone, or come again.
                let node = ctx
                    .shared
                    .api
                    .pod(pod)
                    .filter(|object| !object.deleting)
                    .and_then(|object| object.node);
                let Some((node, stays)) = node.zip(stays(pod, ctx)) else {
                    return;
                };
                let since = self.tainted.get(&node).copied().unwrap_or(SimTime::ZERO);
                if since + stays <= ctx.now() {
                    ctx.observe(Fact::Evicted(node, 1));
                    let key = Ordinal::DELETION.of(ctx.shared.key(pod));
                    ctx.write(Source::NodeLifecycle, None, key, Write::DeletePod(pod));
                }
            }
            NodeLifecycleEvent::Pass => {
                self.pass_due = false;
                self.taints.pass(ctx.now(), &ctx.blueprint().spec.kubernetes);
                self.plan_evictions(ctx);
            }
        }
    }

    fn cut(&mut self, node: NodeId, ctx: &mut Ctx) {
        let Some(cut) = ctx.lease_cut(node) else {
            return; // It was repaired at the same instant.
        };
        let (now, began) = (ctx.now(), self.began);
        let state = self.state(node);
        if let Some(timer) = state.pending.take() {
            ctx.kernel.cancel(timer);
        }
        let (last, next) = renewals_around(node, cut.since, ctx);
        let state = self.state(node);
        state.returns = false;
        if last > state.whole_since {
            state.heard = state.heard.max(last);
        }
        state.settle(now);
        // A request on the open connection still takes effect when only the answers are lost; the next ones conflict with it.
        state.unanswered = (cut.mode == CutMode::RepliesOnly && next > now).then_some(next);
        let due = if state.marked_not_ready {
            let evict_at = state.evict_at.map(|at| at.max(now));
            evict_at.map(|at| (NodeLifecycleEvent::Evict(node), at))
        } else {
            let last = state.unanswered.unwrap_or(state.heard).max(began);
            Some((NodeLifecycleEvent::MarkNotReady(node), marked_not_ready_at(last, ctx)))
        };
        let pending = due.map(|(event, at)| {
            ctx.at(
                Source::NodeLifecycle,
                EventClass::Timer,
                at,
                Event::NodeLifecycle(event),
            )
        });
        self.state(node).pending = pending;
    }

    fn repaired(&mut self, node: NodeId, ctx: &mut Ctx) {
        if ctx.lease_cut(node).is_some() {
            return; // It was cut again at the same instant.
        }
        let now = ctx.now();
        let state = self.state(node);
        state.settle(now);
        state.unanswered = None;
        state.whole_since = now;
        let marked_not_ready = state.marked_not_ready;
        if let Some(timer) = state.pending.take() {
            ctx.kernel.cancel(timer);
        }
        if marked_not_ready {
            // It is a heartbeat that got through. If repairs are felt at once, the kubelet's back-off ends within one interval.
            let spec = &ctx.blueprint().spec;
            let (at_once, interval) = (
                spec.network.repair_reaches_at_once,
                spec.kubernetes.lease_renew_interval,
            );
            let key = self.state(node).turn(Ordinal::RETURN, ctx);
            let backoff = ctx.stream(Purpose::LeaseRecovery, key).up_to(interval);
            let wait = if at_once { backoff } else { SimDuration::ZERO };
            let timer = ctx.after(
                Source::NodeLifecycle,
                EventClass::Timer,
                wait,
                Event::NodeLifecycle(NodeLifecycleEvent::Return(node)),
            );
            let state = self.state(node);
            state.pending = Some(timer);
            state.returns = true;
        }
    }

    fn mark_not_ready(&mut self, node: NodeId, ctx: &mut Ctx) {
        let state = self.state(node);
        state.marked_not_ready = true;
        let runs = !ctx.shared.nodes_down.has(node);
        ctx.observe(Fact::MarkedNotReady(node, runs));
        let state = self.state(node);
        state.times_marked_not_ready += 1;
        let key = state.turn(Ordinal::MARKED_NOT_READY, ctx);
        ctx.write(Source::NodeLifecycle, None, key, Write::SetNodeReady(node, false));
        // One write per pod, one after another.
        let mut wait = SimDuration::ZERO;
        let distribution = ctx.blueprint().spec.kubernetes.api_write_latency;
        for pod in ctx.shared.api.pods_on(node) {
            wait += ctx.draw(
                Purpose::ApiWrite,
                Ordinal::MARKING.of(ctx.shared.key(pod)),
                &distribution,
            );
            ctx.after(
                Source::NodeLifecycle,
                EventClass::Commit,
                wait,
                Event::Commit(Write::MarkNotReady(pod)),
            );
        }
        let (zone, params) = (ctx.blueprint().zone_of(node), &ctx.blueprint().spec.kubernetes);
        // The nodes of one pass stand in no order.
        let place = ctx.stream(Purpose::NodeMonitorOrder, key).bits();
        self.taints.marks(node, zone, place, ctx.now(), params);
        self.plan_evictions(ctx);
    }

    /// Where the time of a taint has changed, that of the eviction follows it.
    fn plan_evictions(&mut self, ctx: &mut Ctx) {
        let first = ctx.blueprint().stays_unreachable[0];
        for node in self.taints.nodes().collect::<Vec<_>>() {
            let taint = self.taints.taint_of(node);
            let state = self.state(node);
            if state.taint == taint {
                continue;
            }
            state.taint = taint;
            state.evict_at = taint.map(|taint| taint + first);
            if state.returns {
                continue;
            }
            let (earlier, evict_at) = (state.pending.take(), state.evict_at);
            if let Some(timer) = earlier {
                ctx.kernel.cancel(timer);
            }
            let evict = Event::NodeLifecycle(NodeLifecycleEvent::Evict(node));
            self.state(node).pending = evict_at.map(|at| ctx.at(Source::NodeLifecycle, EventClass::Timer, at, evict));
        }
    }
}

/// Deletes the pods of a node of the kinds that are chosen.
fn evict(node: NodeId, chosen: impl Fn(&KindPlace) -> bool, ctx: &mut Ctx) {
    let mut pods = ctx.shared.api.pods_on(node);
    pods.retain(|pod| chosen(&ctx.shared.kind(*pod).place));
    let stay = |pod: &&PodId| ctx.shared.api.pod(**pod).is_some_and(|object| !object.deleting);
    let evicted = pods.iter().filter(stay).count() as u32;
    ctx.observe(Fact::Evicted(node, evicted));
    for pod in pods {
        let key = Ordinal::DELETION.of(ctx.shared.key(pod));
        ctx.write(Source::NodeLifecycle, None, key, Write::DeletePod(pod));
    }
}

/// How long a pod stays on its node with the taints that this has, if not for ever.
fn stays(pod: PodId, ctx: &Ctx) -> Option<SimDuration> {
    let node = ctx.shared.api.pod(pod)?.node?;
    let taints = ctx.shared.api.node(node).taints;
    ctx.shared.kind(pod).place.stays(taints, &ctx.blueprint().nodes)
}

/// A pod is on a node with a taint that it tolerates for a while: it is looked at again after that.
fn stays_for_a_while(pod: PodId, ctx: &mut Ctx) {
    if let Some(span) = stays(pod, ctx).filter(|span| *span > SimDuration::ZERO) {
        let event = Event::NodeLifecycle(NodeLifecycleEvent::Tolerated(pod));
        ctx.after(Source::NodeLifecycle, EventClass::Timer, span, event);
    }
}

impl Watched {
    /// The key of what happens each time that the node is marked NotReady, or returns.
    fn turn(&self, what: Ordinal, ctx: &Ctx) -> EntityKey {
        let node = ctx.blueprint().node_key(self.node);
        what.of(node).child(u64::from(self.times_marked_not_ready))
    }

    /// Takes the renewal into account whose answer was lost, if it has come.
    fn settle(&mut self, now: SimTime) {
        if let Some(renewal) = self.unanswered.filter(|renewal| *renewal <= now) {
            self.heard = renewal;
        }
    }
}

/// The latest renewal at or before a time, and the one after it, as a healthy kubelet makes them.
pub(super) fn renewals_around(node: NodeId, time: SimTime, ctx: &Ctx) -> (SimTime, SimTime) {
    let params = &ctx.blueprint().spec.kubernetes;
    let mut renewals = ctx.stream(Purpose::LeaseRenewal, ctx.blueprint().node_key(node));
    // The first renewal lies uniformly within the first interval; each next one an interval with jitter later.
    let mut next = SimTime::ZERO + renewals.up_to(params.lease_renew_interval);
    let mut last = SimTime::ZERO;
    while next <= time {
        last = next;
        next += params
            .lease_renew_interval
            .scale(1.0 + params.lease_renew_jitter_ratio * renewals.uniform());
    }
    (last, next)
}

/// When the controller marks a node NotReady whose latest renewal was at `last`.
fn marked_not_ready_at(last: SimTime, ctx: &Ctx) -> SimTime {
    let grace = ctx.blueprint().spec.kubernetes.node_monitor_grace_period;
    // The first pass at which more than the grace period has gone since the stamp.
    next_pass(next_pass(last, ctx) + grace + SimDuration::from_nanos(1), ctx).max(ctx.now())
}

/// The controller's first pass at or after a time.
fn next_pass(time: SimTime, ctx: &Ctx) -> SimTime {
    let params = &ctx.blueprint().spec.kubernetes;
    let phase = ctx
        .stream(Purpose::NodeMonitorPhase, EntityKey::root("node lifecycle controller"))
        .up_to(params.node_monitor_period);
    pass_at_or_after(
        time,
        phase,
        params.node_monitor_period + params.node_monitor_pass_duration,
    )
}

/// The first pass at or after a time: passes are at the phase plus multiples of the period.
fn pass_at_or_after(time: SimTime, phase: SimDuration, period: SimDuration) -> SimTime {
    let since_phase = time.since(SimTime::ZERO + phase).as_nanos();
    SimTime::ZERO + phase + period * since_phase.div_ceil(period.as_nanos())
}

/// Verbs with which other components notify the node lifecycle controller.
impl Ctx<'_> {
    /// The link of a node's kubelet was cut, or is cut in another mode: its lease is judged anew.
    pub fn lease_is_cut(&mut self, node: NodeId) {
        self.notify_node_lifecycle(NodeLifecycleEvent::Cut(node));
    }

    /// The link of a node's kubelet works again.
    pub fn lease_is_repaired(&mut self, node: NodeId) {
        self.notify_node_lifecycle(NodeLifecycleEvent::Repaired(node));
    }

    /// The lease of a node is renewed after its request had to wait.
    pub fn lease_is_renewed(&mut self, node: NodeId) {
        self.notify_node_lifecycle(NodeLifecycleEvent::Renewed(node));
    }

    /// Another controller takes over.
    pub fn node_lifecycle_begins(&mut self) {
        self.notify_node_lifecycle(NodeLifecycleEvent::Begins);
    }

    fn notify_node_lifecycle(&mut self, event: NodeLifecycleEvent) {
        self.after(
            Source::Fault,
            EventClass::Timer,
            SimDuration::ZERO,
            Event::NodeLifecycle(event),
        );
    }
}

/// Nodes with a taint with NoExecute, and pods that come to one and tolerate it for a while.
pub const SUBSCRIPTION: Subscription = Subscription {
    key: |_, _| EntityKey::root("node lifecycle controller").named("watch"),
    hears: |change, shared, notifications| {
        let (event, words) = match *change {
            Change::NodeTainted(node) => (NodeLifecycleEvent::Tainted(node), ("the node has a taint", None)),
            Change::PodUpdated(pod, PodObject { node: None, .. }, PodObject { node: Some(node), .. }) => {
                let (place, nodes) = (&shared.kind(pod).place, &shared.blueprint.nodes);
                if place.stays(shared.api.node(node).taints, nodes).is_none() {
                    return;
                }
                (NodeLifecycleEvent::BoundThere(pod), ("the pod is bound", Some(pod)))
            }
            _ => return,
        };
        notifications.push(Notification::new(
            Source::NodeLifecycle,
            Event::NodeLifecycle(event),
            words,
        ));
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: f64) -> SimTime {
        SimTime::ZERO + SimDuration::from_secs_f64(seconds)
    }

    #[test]
    fn passes_are_periodic_from_their_phase() {
        let (phase, period) = (SimDuration::from_secs(2), SimDuration::from_secs(5));
        for (time, pass) in [(0.0, 2.0), (2.0, 2.0), (2.1, 7.0), (7.0, 7.0), (50.0, 52.0)] {
            assert_eq!(pass_at_or_after(s(time), phase, period), s(pass), "{time}");
        }
    }
}
