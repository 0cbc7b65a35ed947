//! Links between the API server and the parties that talk to it, and what a cut does to them.
//!
//! A link says only whether packets pass, in which direction, and since when. What a party makes of the silence (timeouts,
//! relists, lost leases) belongs to the party. Several faults may cut one link: it is whole when the last of them has ended.

use std::collections::BTreeMap;

use super::blueprint::Blueprint;
use super::faults::cut::CutMode;
use super::ids::{FaultId, NodeId};
use super::party::{Home, NamedParty, Party};
use crate::kernel::{EntityKey, SimTime};

impl Blueprint {
    /// The key of a party's connection for random streams.
    #[must_use]
    pub fn party_key(&self, party: Party) -> EntityKey {
        match party {
            Party::Kubelet(node) => self.node_key(node).named("kubelet"),
            Party::Agent(node) => self.node_key(node).named("cilium agent"),
            Party::ServiceProxy(node) => self.node_key(node).named("service proxy"),
            Party::Istiod(istiod) => istiod.key(),
            Party::Webhook(istiod) => istiod.key().named("webhook"),
        }
    }

    /// A party by names.
    #[must_use]
    pub fn named(&self, party: Party) -> NamedParty {
        let of = match party.home() {
            Home::Node(node) => self.node_name(node),
            Home::Istiod(istiod) => istiod.to_string(),
        };
        NamedParty { kind: party.kind(), of }
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
    /// The faults that cut the link, each with its mode.
    causes: BTreeMap<FaultId, CutMode>,
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

/// The links that are cut; all others are up.
#[derive(Clone, Debug, Default)]
pub struct Links {
    cuts: BTreeMap<Party, Cuts>,
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
        self.cuts.is_empty()
    }

    /// A fault cuts a link.
    pub fn cut(&mut self, party: Party, mode: CutMode, now: SimTime, fault: FaultId) -> Change {
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

    /// A fault ends for a link, which stays cut if another one cuts it.
    pub fn restore(&mut self, party: Party, fault: FaultId) -> Change {
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
        assert_eq!(links.cut(AGENT, CutMode::RepliesOnly, at(1), FaultId(0)), Change::Cut);
        assert_eq!(links.cut(AGENT, CutMode::Drop, at(2), FaultId(1)), Change::Mode);
        assert_eq!(links.cut(AGENT, CutMode::Reject, at(3), FaultId(2)), Change::None);
        let cut = links.cut_of(AGENT).unwrap();
        assert_eq!((cut.mode, cut.since), (CutMode::Drop, at(1)));
        assert_eq!(links.restore(AGENT, FaultId(1)), Change::Mode);
        assert_eq!(links.cut_of(AGENT).unwrap().mode, CutMode::Reject);
        assert_eq!(links.restore(AGENT, FaultId(0)), Change::None);
        assert_eq!(
            links.restore(AGENT, FaultId(0)),
            Change::None,
            "an end before its start does nothing"
        );
        assert!(!links.is_up(AGENT));
        assert_eq!(links.restore(AGENT, FaultId(2)), Change::Repaired);
        assert!(links.is_up(AGENT));
    }

    #[test]
    fn the_first_cut_agent_is_the_first_by_time() {
        let mut links = Links::default();
        links.cut(Party::Agent(NodeId(3)), CutMode::Drop, at(1), FaultId(0));
        links.cut(Party::Agent(NodeId(1)), CutMode::Drop, at(2), FaultId(1));
        assert_eq!(links.first_cut_agent(), Some(NodeId(3)));
    }
}
