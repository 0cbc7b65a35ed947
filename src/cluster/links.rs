//! Links between the API server and the parties that talk to it, and what a cut does to them.
//!
//! A link says only whether packets pass, in which direction, and since when. What a party makes of the silence (timeouts,
//! relists, lost leases) belongs to the party. Several faults may cut one link: it is whole when the last of them has ended.

use std::collections::BTreeMap;

use super::blueprint::Blueprint;
use super::ids::{IstiodId, NodeId};
use super::spec::CutMode;
use crate::kernel::{EntityKey, SimTime};

/// A party at the other end of a link to the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// A node's kubelet.
    Kubelet(NodeId),
    /// A node's Cilium agent.
    Agent(NodeId),
    /// A node's service proxy.
    ServiceProxy(NodeId),
    /// An Istiod, as a client of the API server.
    Istiod(IstiodId),
    /// An Istiod, as the webhook that the API server calls.
    Webhook(IstiodId),
}

impl Party {
    /// The key of its connection for random streams.
    #[must_use]
    pub fn key(self, blueprint: &Blueprint) -> EntityKey {
        match self {
            Self::Kubelet(node) => blueprint.node_key(node).named("kubelet"),
            Self::Agent(node) => blueprint.node_key(node).named("cilium agent"),
            Self::ServiceProxy(node) => blueprint.node_key(node).named("service proxy"),
            Self::Istiod(istiod) => istiod.key(),
            Self::Webhook(istiod) => istiod.key().named("webhook"),
        }
    }

    /// Name of a party in a story.
    #[must_use]
    pub fn told(self, blueprint: &Blueprint) -> String {
        match self {
            Self::Kubelet(node) => format!("the kubelet of {}", blueprint.node_name(node)),
            Self::Agent(node) => format!("the Cilium agent of {}", blueprint.node_name(node)),
            Self::ServiceProxy(node) => format!("the service proxy of {}", blueprint.node_name(node)),
            Self::Istiod(istiod) => format!("the API connection of {istiod}"),
            Self::Webhook(istiod) => format!("the webhook of {istiod}"),
        }
    }
}

/// A cut of one link, as its party meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// How: the strongest mode of all faults that cut it now.
    pub mode: CutMode,
    /// Since when the link has not been whole, whichever faults cut it meanwhile.
    pub since: SimTime,
}

/// What one change of a link did to its party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: another fault cuts it as hard as before.
    None,
    /// A whole link is cut.
    Cut,
    /// The link is still cut, in another mode.
    Mode,
    /// The last fault that cut it has ended.
    Repaired,
}

#[derive(Clone, Debug)]
struct Cuts {
    since: SimTime,
    /// The faults that cut the link, by their number, each with its mode.
    causes: BTreeMap<u32, CutMode>,
}

impl Cuts {
    /// Packets that vanish on the way meet no reset behind it, and a reset that comes back is no silence: `drop` before
    /// `reject` before `replies_only`.
    fn mode(&self) -> CutMode {
        let strength = |mode: &&CutMode| match mode {
            CutMode::RepliesOnly => 0,
            CutMode::Reject => 1,
            CutMode::Drop => 2,
        };
        let strongest = self.causes.values().max_by_key(strength);
        *strongest.expect("a cut has a cause")
    }
}

/// Whom a fault that cuts a node also cuts when it comes to that node later.
#[derive(Clone, Copy, Debug)]
struct NodeCut {
    fault: u32,
    node: NodeId,
    party: fn(IstiodId) -> Party,
    mode: CutMode,
}

/// The links that are cut; all others are up.
#[derive(Clone, Debug, Default)]
pub struct Links {
    cuts: BTreeMap<Party, Cuts>,
    nodes: Vec<NodeCut>,
    first_cut_agent: Option<NodeId>,
}

impl Links {
    /// The cut of a party's link, if it is cut.
    #[must_use]
    pub fn cut_of(&self, party: Party) -> Option<Cut> {
        // Nearly always nothing is cut, and nearly every event asks.
        if self.cuts.is_empty() {
            return None;
        }
        let cuts = self.cuts.get(&party)?;
        Some(Cut {
            mode: cuts.mode(),
            since: cuts.since,
        })
    }

    /// Whether answers, watches and new connections work.
    #[must_use]
    pub fn is_up(&self, party: Party) -> bool {
        self.cuts.is_empty() || !self.cuts.contains_key(&party)
    }

    /// Whether no link is cut.
    #[must_use]
    pub fn all_up(&self) -> bool {
        self.cuts.is_empty() && self.nodes.is_empty()
    }

    /// A fault, by its number, cuts a link.
    pub fn cut(&mut self, party: Party, mode: CutMode, now: SimTime, fault: u32) -> Change {
        let before = self.cut_of(party);
        let cuts = self.cuts.entry(party).or_insert_with(|| Cuts {
            since: now,
            causes: BTreeMap::new(),
        });
        cuts.causes.insert(fault, mode);
        if let (Party::Agent(node), None) = (party, self.first_cut_agent) {
            self.first_cut_agent = Some(node);
        }
        self.change(party, before)
    }

    /// The parties whose links a fault cuts.
    #[must_use]
    pub fn cut_parties(&self, fault: u32) -> Vec<Party> {
        let of_fault = self.cuts.iter().filter(|(_, cuts)| cuts.causes.contains_key(&fault));
        of_fault.map(|(party, _)| *party).collect()
    }

    /// A fault ends for a link, which stays cut if another one cuts it.
    pub fn restore(&mut self, party: Party, fault: u32) -> Change {
        let before = self.cut_of(party);
        if let Some(cuts) = self.cuts.get_mut(&party) {
            cuts.causes.remove(&fault);
            if cuts.causes.is_empty() {
                self.cuts.remove(&party);
            }
        }
        self.change(party, before)
    }

    fn change(&self, party: Party, before: Option<Cut>) -> Change {
        match (before, self.cut_of(party)) {
            (None, Some(_)) => Change::Cut,
            (Some(_), None) => Change::Repaired,
            (Some(before), Some(after)) if before.mode != after.mode => Change::Mode,
            _ => Change::None,
        }
    }

    /// A fault cuts whatever Istiod is on a node, also one that comes later.
    pub fn cut_node(&mut self, node: NodeId, party: fn(IstiodId) -> Party, mode: CutMode, fault: u32) {
        self.nodes.push(NodeCut {
            fault,
            node,
            party,
            mode,
        });
    }

    /// A fault cuts no node any more.
    pub fn restore_node(&mut self, fault: u32) {
        self.nodes.retain(|cut| cut.fault != fault);
    }

    /// An Istiod comes to a node: it is cut as the node is. Gives the faults that cut it, with party and mode.
    pub fn arrives(&mut self, istiod: IstiodId, node: NodeId, now: SimTime) -> Vec<(u32, Party, CutMode)> {
        let here = self.nodes.iter().filter(|cut| cut.node == node);
        let cuts: Vec<_> = here.map(|cut| (cut.fault, (cut.party)(istiod), cut.mode)).collect();
        for &(fault, party, mode) in &cuts {
            let _ = self.cut(party, mode, now, fault);
        }
        cuts
    }

    /// The node whose agent was cut off before all others, if any was.
    #[must_use]
    pub const fn first_cut_agent(&self) -> Option<NodeId> {
        self.first_cut_agent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::SimDuration;

    const AGENT: Party = Party::Agent(NodeId(2));

    fn at(seconds: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_secs(seconds)
    }

    #[test]
    fn a_link_is_whole_when_the_last_fault_that_cuts_it_has_ended() {
        let mut links = Links::default();
        assert_eq!(links.cut(AGENT, CutMode::RepliesOnly, at(1), 0), Change::Cut);
        assert_eq!(links.cut(AGENT, CutMode::Drop, at(2), 1), Change::Mode);
        assert_eq!(links.cut(AGENT, CutMode::Reject, at(3), 2), Change::None);
        let cut = links.cut_of(AGENT).unwrap();
        assert_eq!((cut.mode, cut.since), (CutMode::Drop, at(1)));
        assert_eq!(links.restore(AGENT, 1), Change::Mode);
        assert_eq!(links.cut_of(AGENT).unwrap().mode, CutMode::Reject);
        assert_eq!(links.restore(AGENT, 0), Change::None);
        assert_eq!(
            links.restore(AGENT, 0),
            Change::None,
            "an end before its start does nothing"
        );
        assert!(!links.is_up(AGENT));
        assert_eq!(links.restore(AGENT, 2), Change::Repaired);
        assert!(links.is_up(AGENT));
    }

    #[test]
    fn the_first_cut_agent_is_the_first_by_time() {
        let mut links = Links::default();
        links.cut(Party::Agent(NodeId(3)), CutMode::Drop, at(1), 0);
        links.cut(Party::Agent(NodeId(1)), CutMode::Drop, at(2), 1);
        assert_eq!(links.first_cut_agent(), Some(NodeId(3)));
    }

    #[test]
    fn who_comes_to_a_cut_node_is_cut_until_the_fault_ends() {
        let mut links = Links::default();
        links.cut_node(NodeId(2), Party::Istiod, CutMode::Drop, 4);
        assert!(links.arrives(IstiodId(1), NodeId(1), at(1)).is_empty());
        let cut = links.arrives(IstiodId(5), NodeId(2), at(1));
        assert_eq!(cut, [(4, Party::Istiod(IstiodId(5)), CutMode::Drop)]);
        assert_eq!(links.cut_parties(4), [Party::Istiod(IstiodId(5))]);
        links.restore_node(4);
        assert!(links.arrives(IstiodId(6), NodeId(2), at(2)).is_empty());
    }
}
