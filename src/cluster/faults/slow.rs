//! Slow processes: what each does by itself takes so many times as long.
//!
//! **Modeled**: an Istiod's reviews, signatures and first pushes; requests that an API server serves; a kubelet's setups, sandboxes
//! and starts of containers; an agent's identities, builds and publications of endpoints. Factors of several faults are multiplied.
//! A request is as slow as its server when it begins.
//! **Left out**: slow watches; limits of clients, which are no work; requests of controllers go to the first API server.
//! **Parameters**: target, processes, factor, start, duration. **Validated by**: `tests/world/processes.rs`.

use super::fault::{Effect, Fault, Switch, Words};
use super::form::{Complaint, Form, Key, Role, Takes, Written};
use super::place::Whom;
use super::process::{Processes, timed_processes};
use crate::cluster::ids::FaultId;
use crate::cluster::party::{NamedParty, Party, PartyKind};

/// Processes that are slow.
#[derive(Clone, Debug, PartialEq)]
pub struct Slow {
    /// Whose processes.
    pub whom: Whom,
    /// How many times as long everything takes that a process does by itself.
    pub factor: f64,
}

const FACTOR: &str = "factor";

impl Slow {
    /// How it is written.
    pub const FORM: Form = Form {
        name: "slow",
        meaning: "Processes that are slow: what each does by itself takes longer; waits and limits stay as they are.",
        does: "slows",
        done: "slowed",
        keys: &[
            Whom::KEYS,
            &[
                timed_processes("Which processes are slow there."),
                Key {
                    name: FACTOR,
                    meaning: "How many times as long everything takes that the process does by itself.",
                    takes: Takes::Number(1.0, 1e6),
                    list: false,
                    role: Role::Required,
                },
            ],
        ],
    };

    /// Reads one.
    ///
    /// # Errors
    /// If a process is not at the target.
    pub fn read(written: &Written<'_>) -> Result<Self, Complaint> {
        let whom = Whom::read(written)?;
        let factor = written.number(FACTOR).unwrap_or(1.0);
        Ok(Self { whom, factor })
    }

    /// It starts to act on a party.
    pub fn begin(&self, fault: FaultId, party: Party, world: &mut (impl Processes + ?Sized)) {
        world.slow(party, self.factor, fault);
    }

    /// It no longer acts on a party.
    pub fn end(&self, fault: FaultId, party: Party, world: &mut (impl Processes + ?Sized)) {
        world.full_speed(party, fault);
    }
}

impl Fault for Slow {
    fn whom(&self) -> &Whom {
        &self.whom
    }

    fn words(&self) -> Words {
        Self::FORM.words(
            "the process",
            "the process is slow",
            "What the process did by itself took longer.",
        )
    }

    fn consequence(&self, party: PartyKind) -> &'static str {
        match party {
            PartyKind::Kubelet => "pods of its node started and stopped later",
            PartyKind::Agent => "new pods of its node were connected later",
            PartyKind::ApiServer => "requests that it served took longer",
            PartyKind::ServiceProxy
            | PartyKind::Node
            | PartyKind::Network
            | PartyKind::Controllers
            | PartyKind::Istiod
            | PartyKind::Webhook
            | PartyKind::IstiodClients
            | PartyKind::IstiodProcess => "certificates and first configurations came later",
        }
    }

    fn effect(&self, party: &NamedParty) -> Effect {
        Effect {
            word: "process slow",
            what: format!("{party} was slowed by a factor of {}", self.factor),
            how: "what it did by itself took longer",
        }
    }

    fn switches(&self, fault: &str) -> Vec<Switch> {
        vec![Switch {
            name: format!("{fault} at full speed"),
            words: format!("the processes that {fault} slows had been as fast as ever"),
            set: format!("faults.{fault}.slow.factor=1"),
        }]
    }
}
