//! Delay: packets between pods of two groups of nodes take longer.
//!
//! **Modeled**: each SYN, its answer, each request, answer and query takes an added time of its own, for each direction that the fault
//! acts on; those of several faults add up. A dial or a query that takes longer than its time limit fails.
//! **Left out**: connections to API servers and webhooks; pushes of configuration on open streams; retransmissions of what is only
//! late, which change nothing; the order of packets.
//! **Parameters**: target, other side, direction, latency, start, duration. **Validated by**: `tests/world/paths.rs`.

use super::fault::{Effect, Fault, Switch, Words};
use super::form::{Complaint, Form, Key, Role, Takes, Written};
use super::path::{self, Between, Impairment, Paths};
use super::place::Whom;
use crate::cluster::ids::FaultId;
use crate::cluster::party::{NamedParty, Party, PartyKind};
use crate::kernel::{Distribution, SimDuration};

/// Paths that are slow.
#[derive(Clone, Debug, PartialEq)]
pub struct Delay {
    /// The nodes of the target.
    pub whom: Whom,
    /// The other side.
    pub between: Between,
    /// What each packet takes longer in each direction.
    pub latency: Distribution,
}

const LATENCY: &str = "latency";

impl Delay {
    /// How it is written.
    pub const FORM: Form = Form {
        name: "delay",
        meaning: "Paths between pods of two groups of nodes that are slow: each packet takes longer.",
        does: "delays packets of",
        done: "delayed",
        keys: &[
            Whom::NODE_KEYS,
            path::KEYS,
            &[
                Key {
                    name: LATENCY,
                    meaning: "Distribution of the time that is added to each packet in each direction; a time alone is always the same.",
                    takes: Takes::Distribution,
                    list: false,
                    role: Role::Required,
                },
                Whom::only(
                    "`[network]`, or `[]` in a control design. Connections to API servers are not delayed; `slow` can slow the servers.",
                    &[PartyKind::Network],
                ),
            ],
        ],
    };

    /// Reads one.
    ///
    /// # Errors
    /// If there is no path between the two sides.
    pub fn read(written: &Written<'_>) -> Result<Self, Complaint> {
        let (whom, between) = Between::read(written)?;
        let none = Distribution::Constant(SimDuration::ZERO);
        let latency = written.distribution(LATENCY).unwrap_or(none);
        Ok(Self { whom, between, latency })
    }

    /// What packets meet.
    const fn impairment(&self) -> Impairment {
        Impairment::Delay(self.latency)
    }

    /// It starts to act on a party.
    pub fn begin(&self, fault: FaultId, party: Party, world: &mut (impl Paths + ?Sized)) {
        self.between.begin(self.impairment(), fault, party, world);
    }

    /// It no longer acts on a party.
    pub fn end(&self, fault: FaultId, party: Party, world: &mut (impl Paths + ?Sized)) {
        self.between.end(self.impairment(), fault, party, world);
    }
}

impl Fault for Delay {
    fn whom(&self) -> &Whom {
        &self.whom
    }

    fn words(&self) -> Words {
        Words {
            did: "delayed packets of",
            ..Self::FORM.words(
                "the path",
                "packets take longer",
                "Each packet took longer, so every round trip did.",
            )
        }
    }

    fn consequence(&self, _: PartyKind) -> &'static str {
        "round trips between its pods and the other side took longer"
    }

    fn effect(&self, party: &NamedParty) -> Effect {
        Effect {
            word: "packets delayed",
            what: format!("packets of {} took longer", party.link()),
            how: "each round trip had the delay of both directions",
        }
    }

    fn switches(&self, fault: &str) -> Vec<Switch> {
        vec![Switch {
            name: format!("{fault} without delay"),
            words: format!("{fault} had delayed no packet"),
            set: format!("faults.{fault}.delay.latency=0s"),
        }]
    }
}
