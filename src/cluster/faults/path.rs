//! What the kinds of faults between nodes share: two groups of nodes, the direction of the packets, and what they ask of the world.
//!
//! The first group is the target of the fault, the second one is named by keys of its own, or is all other nodes. What packets meet
//! belongs to `cluster/paths.rs`; how a kind begins and ends is in its file.

use super::cut::CutMode;
use super::form::{Complaint, Key, Role, Takes, Value, Written};
use super::place::{Where, Whom};
use crate::cluster::ids::{FaultId, NodeId};
use crate::cluster::party::{Party, PartyKind};
use crate::kernel::Distribution;

/// Which packets a fault touches: those between the nodes of its target and these.
#[derive(Clone, Debug, PartialEq)]
pub struct Between {
    /// The second group; all nodes outside the first one if absent.
    pub others: Option<Vec<NodeId>>,
    /// Which way the packets go.
    pub direction: Direction,
}

/// Which way packets go that a fault touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Either way.
    Both,
    /// From the first group to the second.
    Outbound,
    /// From the second group to the first.
    Inbound,
}

/// The directions, each with its word and its meaning.
const DIRECTIONS: [(Direction, &str, &str); 3] = [
    (Direction::Both, "both", "packets in both directions"),
    (
        Direction::Outbound,
        "outbound",
        "only packets from the nodes of the target",
    ),
    (Direction::Inbound, "inbound", "only packets to the nodes of the target"),
];

const TO_NODES: &str = "to_nodes";
const TO_ZONES: &str = "to_zones";
const DIRECTION: &str = "direction";

/// The keys of the second group and of the direction.
pub const KEYS: &[Key] = &[
    other(
        TO_NODES,
        Takes::Node,
        "The nodes on the other side, or `[all]`. Without this key and `to_zones`: all nodes outside the target.",
    ),
    other(TO_ZONES, Takes::Zone, "All nodes of these zones are on the other side."),
    Key {
        name: DIRECTION,
        meaning: "`both`, `outbound` (from the target) or `inbound` (to the target).",
        takes: Takes::Word("direction of packets", || {
            DIRECTIONS.map(|(_, word, meaning)| (word, meaning)).to_vec()
        }),
        list: false,
        role: Role::Optional,
    },
];

const fn other(name: &'static str, takes: Takes, meaning: &'static str) -> Key {
    Key {
        name,
        meaning,
        takes,
        list: true,
        role: Role::Optional,
    }
}

/// What a fault does to packets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Impairment {
    /// None passes.
    Cut(CutMode),
    /// This share of them is lost.
    Loss(f64),
    /// Each takes so much longer.
    Delay(Distribution),
}

/// What faults between nodes ask of the world.
pub trait Paths {
    /// Packets between a node of the target and the other side meet a fault.
    fn impair(&mut self, node: NodeId, between: &Between, what: Impairment, fault: FaultId);

    /// They no longer meet it.
    fn mend(&mut self, node: NodeId, what: Impairment, fault: FaultId);
}

impl Between {
    /// Reads it, with the target. Without parties these are the networks of the nodes.
    ///
    /// # Errors
    /// If there is no path between the two sides.
    pub fn read(written: &Written<'_>) -> Result<(Whom, Self), Complaint> {
        let mut whom = Whom::read(written)?;
        if !written.has(Whom::PARTIES) {
            whom.parties = vec![PartyKind::Network];
        }
        let mut others = Vec::new();
        for key in [TO_NODES, TO_ZONES] {
            let nodes = written.of(key).iter().filter_map(|(_, value)| match value {
                Value::Node(node) => Some(*node),
                _ => None,
            });
            others.extend(nodes);
            if written.has(key) && written.of(key).is_empty() {
                return Err(Complaint {
                    key,
                    place: 0,
                    message: "is a fault with an empty other side".to_owned(),
                    hint: "name nodes or zones on the other side, or leave the key out for all other nodes",
                });
            }
        }
        others.sort();
        others.dedup();
        let named = written.has(TO_NODES) || written.has(TO_ZONES);
        if let (Where::Nodes(nodes), [only]) = (&whom.place, others.as_slice())
            && nodes.iter().all(|node| node == only)
        {
            return Err(Complaint {
                key: if written.has(TO_NODES) { TO_NODES } else { TO_ZONES },
                place: 0,
                message: "is the target itself: packets inside a node touch no network".to_owned(),
                hint: "name another node on the other side",
            });
        }
        if !named
            && written.has("nodes")
            && matches!(&whom.place, Where::Nodes(nodes) if nodes.len() == written.nodes as usize)
            && !whom.parties.is_empty()
        {
            return Err(Complaint {
                key: "nodes",
                place: 0,
                message: "leaves no node on the other side".to_owned(),
                hint: "name both sides, with `to_nodes` or `to_zones`",
            });
        }
        let (direction, ..) = DIRECTIONS[written.word(DIRECTION)];
        let between = Self {
            others: named.then_some(others),
            direction,
        };
        Ok((whom, between))
    }

    /// A fault starts to do this to the packets of a party, if that is a network.
    pub fn begin(&self, what: Impairment, fault: FaultId, party: Party, world: &mut (impl Paths + ?Sized)) {
        if let Party::Network(node) = party {
            world.impair(node, self, what, fault);
        }
    }

    /// It no longer does.
    pub fn end(&self, what: Impairment, fault: FaultId, party: Party, world: &mut (impl Paths + ?Sized)) {
        if let Party::Network(node) = party {
            world.mend(node, what, fault);
        }
    }
}
