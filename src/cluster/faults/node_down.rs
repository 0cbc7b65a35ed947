//! A node without power: all its processes end at once, and after the fault it boots.
//!
//! **Modeled**: containers, kubelet, Cilium agent and service proxy end; addresses stay taken, in the API and in the agent's pool;
//! packets to the node vanish, so connections to it hang until their client times out; nothing on it writes, and no lease is
//! renewed. When the last such fault has ended, the node boots: its agent and its service proxy list everything anew, pods that still
//! exist get a new sandbox with a new address, of the others nothing is left.
//! **Left out**: control plane that runs on the node (API servers, controllers and etcd are no processes of a node here), orderly
//! shutdown, loss of the disk, verdicts for connections that were open, image pulls after the boot.
//! **Parameters**: `node_boot_latency`, `*_channel_dead_after`.
//! **Validated by**: `tests/world/node_down.rs`.

use super::fault::{Effect, Fault, Words};
use super::form::{Complaint, Form, Written};
use super::place::Whom;
use crate::cluster::ids::{FaultId, NodeId};
use crate::cluster::party::{NamedParty, Party, PartyKind};

/// Nodes without power.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeDown {
    /// Which nodes.
    pub whom: Whom,
}

/// What it asks of the world.
pub trait Powers {
    /// A fault takes the power of a node.
    fn power_off(&mut self, node: NodeId, fault: FaultId);

    /// A fault gives it back: the node boots, unless another one takes it.
    fn power_on(&mut self, node: NodeId, fault: FaultId);
}

impl NodeDown {
    /// How it is written.
    pub const FORM: Form = Form {
        name: "node_down",
        meaning: "Nodes without power: their processes end, and their addresses stay taken. They boot when the fault ends.",
        does: "takes down",
        done: "down",
        keys: &[Whom::NODE_KEYS, &[Whom::only("`[]` in a control.", &[PartyKind::Node])]],
    };

    /// Reads one.
    ///
    /// # Errors
    /// None of its own.
    pub fn read(written: &Written<'_>) -> Result<Self, Complaint> {
        let mut whom = Whom::read(written)?;
        if !written.has(Whom::PARTIES) {
            whom.parties = vec![PartyKind::Node];
        }
        Ok(Self { whom })
    }

    /// It starts to act on a party.
    pub fn begin(&self, fault: FaultId, party: Party, world: &mut (impl Powers + ?Sized)) {
        if let Party::Node(node) = party {
            world.power_off(node, fault);
        }
    }

    /// It no longer acts on a party.
    pub fn end(&self, fault: FaultId, party: Party, world: &mut (impl Powers + ?Sized)) {
        if let Party::Node(node) = party {
            world.power_on(node, fault);
        }
    }
}

impl Fault for NodeDown {
    fn whom(&self) -> &Whom {
        &self.whom
    }

    fn words(&self) -> Words {
        Words {
            noun: "loss of power",
            does: Self::FORM.does,
            object: "the power",
            did: "taken down",
            word: Self::FORM.name,
            how: "all processes end",
            sentence: "All processes ended at once, and packets to the node vanished, so others noticed only silence.",
        }
    }

    fn consequence(&self, _: PartyKind) -> &'static str {
        "its pods were dead, but stayed endpoints until the node was marked NotReady"
    }

    fn effect(&self, party: &NamedParty) -> Effect {
        Effect {
            word: "node down",
            what: format!("{party} had no power"),
            how: "all its processes ended at once",
        }
    }
}
