//! Which silent nodes get the taint that evicts their pods, and when: the state of each zone and the rate limit of its queue.
//!
//! **Modeled**: states of zones by their share of NotReady nodes, the control plane counted; one queue per zone with one token
//! in its bucket, refilled at the rate of the state; a limiter that is replaced while it has no token starts without one;
//! all zones fully disrupted: all these taints are removed, and none is set until a node is ready again.
//! **Left out**: the 0.1 s between two looks at the queue; a taint of a node that is ready again stays until the next pass in the
//! real controller, here it goes at once; nodes that a label excludes from the count.
//! **Parameters**: `node_eviction_rate*`, `large_zone_threshold`, `unhealthy_zone_*`.
//! **Validated by**: `tests/world/zones.rs`, against `docs/model/kubernetes.md#zones-and-evictions`.
//!
//! The queues are worked in advance: a taint has its planned time, and a change of a zone's state plans anew.

use super::ids::NodeId;
use super::params::KubernetesParams;
use crate::kernel::{SimDuration, SimTime};

/// What a zone's share of NotReady nodes makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Normal,
    PartlyDisrupted,
    FullyDisrupted,
}

/// A bucket of one token.
#[derive(Clone, Copy, Debug)]
struct Limiter {
    /// Tokens per second; none ever at 0.
    rate: f64,
    /// When it has its token.
    token_at: SimTime,
}

impl Limiter {
    fn between(&self) -> SimDuration {
        SimDuration::from_secs_f64(1.0 / self.rate)
    }

    /// The limiter that takes its place.
    fn at_rate(self, rate: f64, now: SimTime) -> Self {
        if self.rate.total_cmp(&rate).is_eq() {
            return self;
        }
        let has_token = self.rate > 0.0 && self.token_at <= now;
        let mut next = Self { rate, token_at: now };
        if rate > 0.0 && !has_token {
            next.token_at = now + next.between();
        }
        next
    }
}

#[derive(Debug)]
struct Zone {
    nodes: u32,
    limiter: Limiter,
    /// The limiter before the pass that is under way: all nodes of a pass are looked at before it is replaced.
    before_pass: Limiter,
    state: State,
}

/// A NotReady node.
#[derive(Debug)]
struct NotReady {
    node: NodeId,
    zone: usize,
    /// When the pass after the one that marked it asks for the taint; then its place among those of that pass.
    asked: (SimTime, u64),
    /// When it gets the taint, or got it.
    taint: Option<SimTime>,
    tainted: bool,
}

/// The state of all zones.
#[derive(Debug)]
pub struct ZoneTaints {
    zones: Vec<Zone>,
    not_ready: Vec<NotReady>,
    all_disrupted: bool,
    pass: SimTime,
}

impl ZoneTaints {
    /// Zones of so many nodes each, all of them ready.
    #[must_use]
    pub fn new(sizes: &[u32], params: &KubernetesParams) -> Self {
        let limiter = Limiter {
            rate: params.node_eviction_rate,
            token_at: SimTime::ZERO,
        };
        let zone = |&nodes: &u32| Zone {
            nodes,
            limiter,
            before_pass: limiter,
            state: State::Normal,
        };
        Self {
            zones: sizes.iter().map(zone).collect(),
            not_ready: Vec::new(),
            all_disrupted: false,
            pass: SimTime::ZERO,
        }
    }

    /// The pass of this time marks a node of a zone NotReady. `place` orders those of one pass.
    pub fn marks(&mut self, node: NodeId, zone: u32, place: u64, now: SimTime, params: &KubernetesParams) {
        self.begin(now);
        self.not_ready.push(NotReady {
            node,
            zone: zone as usize,
            asked: (now + params.node_monitor_period, place),
            taint: None,
            tainted: false,
        });
        self.pass(now, params);
    }

    /// A node is ready again: it has no taint. `true` if a pass will find its zone in another state.
    pub fn returns(&mut self, node: NodeId, now: SimTime, params: &KubernetesParams) -> bool {
        self.begin(now);
        self.not_ready.retain(|other| other.node != node);
        self.plan(now);
        let state = |zone| self.state_of(zone, params);
        self.all_disrupted || (0..self.zones.len()).any(|zone| state(zone) != self.zones[zone].state)
    }

    /// A pass: each zone gets the limiter of its state.
    pub fn pass(&mut self, now: SimTime, params: &KubernetesParams) {
        self.begin(now);
        let states: Vec<State> = (0..self.zones.len()).map(|zone| self.state_of(zone, params)).collect();
        let all_disrupted = states.iter().all(|state| *state == State::FullyDisrupted);
        for (zone, &state) in self.zones.iter_mut().zip(&states) {
            zone.state = state;
            let rate = match state {
                _ if all_disrupted => 0.0,
                State::PartlyDisrupted if zone.nodes > params.large_zone_threshold => {
                    params.node_eviction_rate_secondary
                }
                State::PartlyDisrupted => 0.0,
                State::Normal | State::FullyDisrupted => params.node_eviction_rate,
            };
            zone.limiter = zone.before_pass.at_rate(rate, now);
        }
        if all_disrupted && !self.all_disrupted {
            // Their taints go, and each later pass asks for them again.
            for node in &mut self.not_ready {
                node.tainted = false;
            }
        }
        self.all_disrupted = all_disrupted;
        self.plan(now);
    }

    /// When a node that is NotReady gets the taint, or got it.
    #[must_use]
    pub fn taint_of(&self, node: NodeId) -> Option<SimTime> {
        self.not_ready.iter().find(|other| other.node == node)?.taint
    }

    /// Nodes that are NotReady.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.not_ready.iter().map(|node| node.node)
    }

    fn state_of(&self, zone: usize, params: &KubernetesParams) -> State {
        let not_ready = self.not_ready.iter().filter(|node| node.zone == zone).count() as u32;
        let nodes = self.zones[zone].nodes;
        let share = f64::from(not_ready) / f64::from(nodes);
        if not_ready == nodes {
            State::FullyDisrupted
        } else if not_ready > params.unhealthy_zone_nodes_min && share >= params.unhealthy_zone_threshold {
            State::PartlyDisrupted
        } else {
            State::Normal
        }
    }

    /// Taints that were planned until now are set.
    fn begin(&mut self, now: SimTime) {
        for node in &mut self.not_ready {
            let due = node.taint.filter(|at| *at <= now && !node.tainted);
            if let Some(at) = due {
                node.tainted = true;
                let limiter = &mut self.zones[node.zone].limiter;
                limiter.token_at = limiter.token_at.max(at + limiter.between());
            }
        }
        if self.pass < now {
            self.pass = now;
            for zone in &mut self.zones {
                zone.before_pass = zone.limiter;
            }
        }
    }

    /// Plans the taints that are not set.
    fn plan(&mut self, now: SimTime) {
        self.not_ready.sort_by_key(|node| node.asked);
        for (number, zone) in self.zones.iter().enumerate() {
            let limiter = zone.limiter;
            let mut token_at = limiter.token_at.max(now);
            let waiting = self.not_ready.iter_mut();
            for node in waiting.filter(|node| node.zone == number && !node.tainted) {
                node.taint = (limiter.rate > 0.0).then(|| node.asked.0.max(token_at));
                token_at = node.taint.map_or(token_at, |at| at + limiter.between());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::cluster::params::{Kind, Value};
    use crate::kernel::Distribution;

    fn params() -> KubernetesParams {
        let value = |name: &str, kind| match (name, kind) {
            ("node_eviction_rate", _) => Value::Number(0.1),
            ("node_eviction_rate_secondary", _) => Value::Number(0.01),
            ("unhealthy_zone_threshold", _) => Value::Number(0.55),
            ("large_zone_threshold", _) => Value::Count(50),
            ("unhealthy_zone_nodes_min", _) => Value::Count(2),
            (_, Kind::Duration) => Value::Duration(SimDuration::from_secs(5)),
            (_, Kind::Number) => Value::Number(1.0),
            (_, Kind::Count) => Value::Count(1),
            (_, Kind::Switch) => Value::Switch(false),
            (_, Kind::Distribution) => Value::Distribution(Distribution::Constant(SimDuration::ZERO)),
        };
        let built = KubernetesParams::build(|name, kind| Ok::<_, Infallible>(value(name, kind)));
        built.unwrap_or_else(|never| match never {})
    }

    fn s(seconds: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_secs(seconds)
    }

    /// Zones of these sizes of which nodes are marked at these times, by zone; nodes are numbered in that order.
    fn marked(sizes: &[u32], marks: &[(u64, u32)]) -> ZoneTaints {
        let mut zones = ZoneTaints::new(sizes, &params());
        for (node, &(at, zone)) in (0..).zip(marks) {
            zones.marks(NodeId(node), zone, u64::from(node), s(at), &params());
        }
        zones
    }

    /// Times of the taints of the first nodes, in whole seconds.
    fn taints(zones: &ZoneTaints, nodes: u32) -> Vec<Option<u64>> {
        let taint = |node| zones.taint_of(NodeId(node));
        let seconds = |at: SimTime| at.as_nanos() / 1_000_000_000;
        (0..nodes).map(|node| taint(node).map(seconds)).collect()
    }

    fn returns(zones: &mut ZoneTaints, node: u32, at: u64) -> bool {
        zones.returns(NodeId(node), s(at), &params())
    }

    #[test]
    fn a_zone_taints_one_node_in_ten_seconds_and_the_first_at_once() {
        let three = marked(&[20], &[(100, 0), (100, 0), (105, 0)]);
        assert_eq!(taints(&three, 3), [Some(105), Some(115), Some(125)]);
        // Zones do not share a limiter.
        let two = marked(&[10, 10], &[(100, 0), (100, 1)]);
        assert_eq!(taints(&two, 2), [Some(105), Some(105)]);
    }

    #[test]
    fn who_returns_makes_room_and_a_token_is_spent_once() {
        let mut three = marked(&[20], &[(100, 0), (100, 0), (100, 0)]);
        assert!(!returns(&mut three, 1, 107));
        assert_eq!(taints(&three, 3), [Some(105), None, Some(115)]);
        three.marks(NodeId(3), 0, 0, s(130), &params());
        assert_eq!(taints(&three, 4), [Some(105), None, Some(115), Some(135)]);
    }

    #[test]
    fn a_small_zone_that_is_partly_disrupted_stops_and_others_go_on() {
        // 11 of 20 are 55 %; the next pass would have asked for the taints.
        let small: Vec<(u64, u32)> = (0..11).map(|_| (100, 0)).chain([(100, 1)]).collect();
        let zones = marked(&[20, 20], &small);
        assert_eq!(taints(&zones, 11), [None; 11]);
        assert_eq!(zones.taint_of(NodeId(11)), Some(s(105)));
        // One below the threshold: at the normal rate.
        let zones = marked(&[20, 20], &small[1..11]);
        assert_eq!(zones.taint_of(NodeId(9)), Some(s(195)));
        // Two nodes are too few, whatever their share.
        assert_eq!(taints(&marked(&[3], &[(100, 0); 2]), 2), [Some(105), Some(115)]);
    }

    #[test]
    fn a_large_zone_that_is_partly_disrupted_is_ten_times_slower() {
        let zones = marked(&[60], &[(100, 0); 40]);
        assert_eq!(taints(&zones, 3), [Some(105), Some(205), Some(305)]);
        // 50 nodes are not large.
        assert_eq!(taints(&marked(&[50], &[(100, 0); 40]), 3), [None; 3]);
    }

    #[test]
    fn the_last_zone_that_fails_lifts_all_taints_until_a_node_returns() {
        let mut zones = marked(&[1, 2], &[(100, 0), (100, 1), (120, 1)]);
        assert_eq!(taints(&zones, 3), [None; 3]);
        // Its return is seen by the next pass, whose limiters start without a token.
        assert!(returns(&mut zones, 1, 300));
        assert_eq!(taints(&zones, 3), [None; 3]);
        zones.pass(s(303), &params());
        assert_eq!(taints(&zones, 3), [Some(313), None, Some(313)]);
    }

    #[test]
    fn one_zone_that_fails_as_a_whole_is_evicted_at_the_normal_rate() {
        let zones = marked(&[3, 3], &[(100, 0); 3]);
        assert_eq!(taints(&zones, 3), [Some(105), Some(115), Some(125)]);
    }
}
