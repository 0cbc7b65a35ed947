//! Links between the API server and the parties that talk to it, and what a cut does to them.
//!
//! A link says only whether packets pass, in which direction, and since when. What a party makes of the silence (time-outs,
//! relists, lost leases) belongs to the party.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::blueprint::Blueprint;
use super::ids::{IstiodId, NodeId};
use super::spec::CutMode;
use crate::kernel::SimTime;

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

/// A cut of one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// How.
    pub mode: CutMode,
    /// Since when.
    pub since: SimTime,
}

/// The links that are cut; all others are up.
#[derive(Clone, Debug, Default)]
pub struct Links {
    cuts: BTreeMap<Party, Cut>,
    /// Which fault cut a party, by its name: only that one's end repairs it.
    cut_by: BTreeMap<Party, String>,
}

impl Links {
    /// The cut of a party's link, if it is cut.
    #[must_use]
    pub fn cut_of(&self, party: Party) -> Option<Cut> {
        // Nearly always nothing is cut, and nearly every event asks.
        if self.cuts.is_empty() {
            None
        } else {
            self.cuts.get(&party).copied()
        }
    }

    /// Whether a request on an open connection still reaches the other side and takes effect.
    #[must_use]
    pub fn requests_pass(&self, party: Party) -> bool {
        self.cut_of(party).is_none_or(|cut| cut.mode == CutMode::RepliesOnly)
    }

    /// Whether answers, watches and new connections work.
    #[must_use]
    pub fn is_up(&self, party: Party) -> bool {
        self.cut_of(party).is_none()
    }

    /// A fault cuts a link; an existing cut stays as it is.
    pub fn cut(&mut self, party: Party, mode: CutMode, now: SimTime, fault: &str) {
        if let Entry::Vacant(free) = self.cuts.entry(party) {
            free.insert(Cut { mode, since: now });
            self.cut_by.insert(party, fault.to_owned());
        }
    }

    /// The parties whose links a fault has cut.
    pub fn cut_parties(&self, fault: &str) -> impl Iterator<Item = Party> {
        let of_fault = self.cut_by.iter().filter(move |(_, by)| *by == fault);
        of_fault.map(|(party, _)| *party)
    }

    /// Repairs a link; says whether it was cut.
    pub fn restore(&mut self, party: Party) -> bool {
        self.cut_by.remove(&party);
        self.cuts.remove(&party).is_some()
    }
}

/// The first node whose agent is cut off, if any.
#[must_use]
pub fn first_cut_agent(links: &Links) -> Option<NodeId> {
    links.cuts.keys().find_map(|party| match party {
        Party::Agent(node) => Some(*node),
        _ => None,
    })
}
