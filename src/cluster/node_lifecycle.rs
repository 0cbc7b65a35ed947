//! Node leases and the node lifecycle controller: when a silent node is given up, and what follows.
//!
//! **Modelled**: lease renewals with jitter from a phase of their own; the controller's passes; its stamp of its own time
//! when it sees a renewed lease; the grace period; Ready set to Unknown with the taint, then each pod's Ready to false by
//! one write after another; deletion of the pods after their toleration; return of the node.
//! **Left out**: zones and eviction rates, node status other than the lease, several controller managers.
//! **Parameters**: `lease_renew_*`, `node_monitor_*`, `unreachable_toleration`.
//! **Validated by**: the range and mean of `kubernetes.md` 3.1 for two-way cuts and for lost replies.
//!
//! Renewals of a healthy node are computed from its phase, not simulated: they could change nothing.

use super::context::Ctx;
use super::event::{Event, Source};
use super::ids::NodeId;
use super::links::Party;
use super::objects::Write;
use super::purpose::Purpose;
use super::story::Fact;
use crate::kernel::{EntityKey, EventClass, SimDuration, SimTime, Timer};

/// Something the node lifecycle controller handles.
#[derive(Clone, Copy, Debug)]
pub enum NodeLifecycleEvent {
    /// A kubelet's link was cut.
    Cut(NodeId),
    /// A kubelet's link was repaired.
    Repaired(NodeId),
    /// A pass finds that the grace period of a node is over.
    GiveUp(NodeId),
    /// The pods of a node have tolerated its absence long enough.
    Evict(NodeId),
    /// A node that was given up renews its lease again.
    Return(NodeId),
}

/// The controller's state: only of nodes whose link was ever cut.
#[derive(Debug, Default)]
pub struct NodeLifecycle {
    watched: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    node: NodeId,
    given_up: bool,
    pending: Option<Timer>,
}

impl NodeLifecycle {
    fn state(&mut self, node: NodeId) -> &mut Watched {
        let position = self
            .watched
            .iter()
            .position(|watched| watched.node == node)
            .unwrap_or_else(|| {
                self.watched.push(Watched {
                    node,
                    given_up: false,
                    pending: None,
                });
                self.watched.len() - 1
            });
        &mut self.watched[position]
    }

    /// Handles an event.
    pub fn handle(&mut self, event: NodeLifecycleEvent, ctx: &mut Ctx) {
        match event {
            NodeLifecycleEvent::Cut(node) => {
                let at = given_up_at(node, ctx);
                let timer = ctx.at(
                    Source::NodeLifecycle,
                    EventClass::Timer,
                    at,
                    Event::NodeLifecycle(NodeLifecycleEvent::GiveUp(node)),
                );
                self.state(node).pending = Some(timer);
            }
            NodeLifecycleEvent::Repaired(node) => {
                let state = self.state(node);
                let given_up = state.given_up;
                if let Some(timer) = state.pending.take() {
                    ctx.kernel.cancel(timer);
                }
                if given_up {
                    // The kubelet's back-off ends within one renewal interval.
                    let interval = ctx.blueprint().spec.kubernetes.lease_renew_interval;
                    let wait = ctx.stream(Purpose::LeaseRecovery, node_key(node)).up_to(interval);
                    ctx.after(
                        Source::NodeLifecycle,
                        EventClass::Timer,
                        wait,
                        Event::NodeLifecycle(NodeLifecycleEvent::Return(node)),
                    );
                }
            }
            NodeLifecycleEvent::GiveUp(node) => self.give_up(node, ctx),
            NodeLifecycleEvent::Evict(node) => evict(node, ctx),
            NodeLifecycleEvent::Return(node) => {
                let state = self.state(node);
                state.given_up = false;
                state.pending = None;
                ctx.tell("node lifecycle controller", |shared| {
                    format!("sees {} renew its lease again", shared.blueprint.node_name(node))
                });
                ctx.note(|_| Fact::Returned(node));
                ctx.write(
                    Source::NodeLifecycle,
                    None,
                    node_key(node).child(4),
                    Write::SetNodeReady(node, true),
                );
            }
        }
    }

    fn give_up(&mut self, node: NodeId, ctx: &mut Ctx) {
        let state = self.state(node);
        state.given_up = true;
        ctx.tell("node lifecycle controller", |shared| {
            format!(
                "gives up {}: its lease was not renewed",
                shared.blueprint.node_name(node)
            )
        });
        ctx.shared.recorder.node_given_up(node, ctx.kernel.now());
        ctx.note(|_| Fact::GivenUp(node));
        ctx.write(
            Source::NodeLifecycle,
            None,
            node_key(node).child(1),
            Write::SetNodeReady(node, false),
        );
        // One write per pod, one after another.
        let mut wait = SimDuration::ZERO;
        let law = ctx.blueprint().spec.kubernetes.api_write_latency;
        for pod in pods_on(node, ctx) {
            wait += ctx.draw(Purpose::ApiWrite, ctx.shared.key(pod).child(103), &law);
            ctx.after(
                Source::NodeLifecycle,
                EventClass::Commit,
                wait,
                Event::Commit(Write::MarkNotReady(pod)),
            );
        }
        let params = &ctx.blueprint().spec.kubernetes;
        // The taint that evicts is queued by the next pass.
        let toleration = params.node_monitor_period + params.unreachable_toleration;
        let timer = ctx.after(
            Source::NodeLifecycle,
            EventClass::Timer,
            toleration,
            Event::NodeLifecycle(NodeLifecycleEvent::Evict(node)),
        );
        self.state(node).pending = Some(timer);
    }
}

fn node_key(node: NodeId) -> EntityKey {
    EntityKey::root("node").child(u64::from(node.0))
}

fn pods_on(node: NodeId, ctx: &Ctx) -> Vec<super::ids::PodId> {
    let api = &ctx.shared.api;
    let kinds = ctx.blueprint().kinds.len() as u32;
    (0..kinds)
        .flat_map(|kind| api.pods_of(super::ids::KindId(kind)))
        .copied()
        .filter(|&pod| api.pod(pod).is_some_and(|object| object.node == Some(node)))
        .collect()
}

fn evict(node: NodeId, ctx: &mut Ctx) {
    ctx.tell("node lifecycle controller", |shared| {
        format!("evicts the pods of {}", shared.blueprint.node_name(node))
    });
    for pod in pods_on(node, ctx) {
        let key = ctx.shared.key(pod).child(super::replica_set::DELETE);
        ctx.write(Source::NodeLifecycle, None, key, Write::DeletePod(pod));
    }
}

/// When the controller gives the node up, if its link stays cut from now on.
fn given_up_at(node: NodeId, ctx: &Ctx) -> SimTime {
    let params = &ctx.blueprint().spec.kubernetes;
    let now = ctx.now();
    let mut renewals = ctx.stream(Purpose::LeaseRenewal, node_key(node));
    // The first renewal lies uniformly within the first interval; each next one an interval with jitter later.
    let mut next = SimTime::ZERO + renewals.up_to(params.lease_renew_interval);
    let mut last = SimTime::ZERO;
    while next <= now {
        last = next;
        next += params
            .lease_renew_interval
            .scale(1.0 + params.lease_renew_jitter_ratio * renewals.uniform());
    }
    // A request on the open connection still takes effect when only the answers are lost.
    if ctx.shared.links.requests_pass(Party::Kubelet(node)) {
        last = next;
    }
    let phase = ctx
        .stream(Purpose::NodeMonitorPhase, EntityKey::root("node lifecycle controller"))
        .up_to(params.node_monitor_period);
    let seen = pass_at_or_after(
        last,
        phase,
        params.node_monitor_period + params.node_monitor_pass_duration,
    );
    // The first pass at which more than the grace period has gone since the stamp.
    let over = seen + params.node_monitor_grace_period + SimDuration::from_nanos(1);
    pass_at_or_after(
        over,
        phase,
        params.node_monitor_period + params.node_monitor_pass_duration,
    )
    .max(now)
}

/// The first pass at or after a time: passes are at the phase plus multiples of the period.
fn pass_at_or_after(time: SimTime, phase: SimDuration, period: SimDuration) -> SimTime {
    let since_phase = time.since(SimTime::ZERO + phase).as_nanos();
    SimTime::ZERO + phase + period * since_phase.div_ceil(period.as_nanos())
}

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
