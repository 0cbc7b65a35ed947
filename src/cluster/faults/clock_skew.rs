//! Clock skew: the clocks of nodes, Istiods or API servers are off.
//!
//! **Modeled**: certificates are dated by the clock of the Istiod that signs them, and checked by the clocks of both ends of a new
//! connection between sidecars; they are renewed by the clock of their node; tokens are dated by the clock of the API server that issues
//! them, and checked by that of the one that reviews them. Offsets of several faults add up. An Istiod has the clock of its node,
//! and its own offset on top.
//! **Left out**: drift (the clock steps when the fault starts and ends); certificates of kubelets, agents, API servers and Istiods
//! themselves. Leases, node lifecycle, leader elections and time limits compare readings of one clock, so skew is without effect on them.
//! **Parameters**: target, by, start, duration; `certificate_*`, `token_*`. **Validated by**: `tests/world/clock_skew.rs`.

use super::fault::{Effect, Fault, Words};
use super::form::{Complaint, Form, Key, Role, Takes, Value, Written};
use super::place::{Where, Whom};
use crate::cluster::clocks::Offset;
use crate::cluster::ids::FaultId;
use crate::cluster::party::{NamedParty, Party, PartyKind};

/// Clocks that are off.
#[derive(Clone, Debug, PartialEq)]
pub struct ClockSkew {
    /// Whose clocks.
    pub whom: Whom,
    /// By how much.
    pub by: Offset,
}

/// What it asks of the world.
pub trait ClocksOff {
    /// A fault sets the clock of a party off.
    fn set_clock_off(&mut self, party: Party, by: Offset, fault: FaultId);

    /// A fault no longer sets it off.
    fn correct_clock(&mut self, party: Party, fault: FaultId);
}

/// The parties that have clocks.
const CLOCKS: &[PartyKind] = &[PartyKind::Node, PartyKind::IstiodProcess, PartyKind::ApiServer];
const BY: &str = "by";

impl ClockSkew {
    /// How it is written.
    pub const FORM: Form = Form {
        name: "clock_skew",
        meaning: "Clocks that are off: those of nodes with all that runs there, of Istiods alone, or of API servers.",
        does: "shifts the clock of",
        done: "shifted",
        keys: &[
            Whom::KEYS,
            &[
                Whom::only("`[]` in a control; otherwise the target has its clock set off.", CLOCKS),
                Key {
                    name: BY,
                    meaning: "By how much: ahead, or behind with a minus sign.",
                    takes: Takes::Offset,
                    list: false,
                    role: Role::Required,
                },
            ],
        ],
    };

    /// Reads one.
    ///
    /// # Errors
    /// If a party is not at the target.
    pub fn read(written: &Written<'_>) -> Result<Self, Complaint> {
        let mut whom = Whom::read(written)?;
        if !written.has(Whom::PARTIES) {
            whom.parties = vec![match whom.place {
                Where::Istiods(_) => PartyKind::IstiodProcess,
                Where::ApiServers(_) => PartyKind::ApiServer,
                Where::Nodes(_) | Where::NodeOf(_) | Where::NodesOf(_) => PartyKind::Node,
            }];
        }
        let by = match written.of(BY) {
            [(_, Value::Offset(by)), ..] => *by,
            _ => Offset::default(),
        };
        Ok(Self { whom, by })
    }

    /// It starts to act on a party.
    pub fn begin(&self, fault: FaultId, party: Party, world: &mut (impl ClocksOff + ?Sized)) {
        world.set_clock_off(party, self.by, fault);
    }

    /// It no longer acts on a party.
    pub fn end(&self, fault: FaultId, party: Party, world: &mut (impl ClocksOff + ?Sized)) {
        world.correct_clock(party, fault);
    }
}

impl Fault for ClockSkew {
    fn whom(&self) -> &Whom {
        &self.whom
    }

    fn words(&self) -> Words {
        Words {
            did: "shifted the clock of",
            ..Self::FORM.words("the clock", "the clock is off", "Certificates and tokens were dated or checked by a clock that was off. What measures spans of time by one clock went on as ever.")
        }
    }

    fn consequence(&self, party: PartyKind) -> &'static str {
        match (party, self.by.is_ahead()) {
            (PartyKind::ApiServer, _) => "it dated tokens by its clock, and refused those that were not valid by it",
            (PartyKind::Node, true) => "its sidecars refused certificates that had expired by its clock",
            (PartyKind::Node, false) => "its sidecars refused certificates that were not yet valid by its clock",
            (_, true) => "certificates that it signed were valid only later",
            (_, false) => "certificates that it signed expired earlier",
        }
    }

    fn effect(&self, party: &NamedParty) -> Effect {
        Effect {
            word: "clock off",
            what: format!("the clock of {party} was {}", self.by),
            how: "it dated and checked certificates and tokens by that clock",
        }
    }
}
