//! A restart: processes end in an orderly way and are started once.
//!
//! **Modeled**: as a crash, but the process is started at once and counts as no crash for the back-off of its supervisor.
//! **Left out**: draining: requests under way end with the process.
//! **Parameters**: target, processes, start; `*_start_latency`. **Validated by**: `tests/world/processes.rs`.

use super::cut::CutMode;
use super::form::{Complaint, Form, Written};
use super::place::Whom;
use super::process::{Processes, Stop, Stops, processes};
use crate::cluster::ids::FaultId;
use crate::cluster::party::Party;

/// Processes that are restarted once.
#[derive(Clone, Debug, PartialEq)]
pub struct Restart {
    /// Whose processes.
    pub whom: Whom,
}

impl Restart {
    /// How it is written.
    pub const FORM: Form = Form {
        name: "restart",
        meaning: "Processes that end in an orderly way and are started once, at once. The fault is over as soon as it has begun.",
        does: "restarts",
        done: "restarted",
        keys: &[Whom::KEYS, &[processes("Which processes are restarted there.")]],
    };

    /// Reads one.
    ///
    /// # Errors
    /// If a process is not at the target.
    pub fn read(written: &Written<'_>) -> Result<Self, Complaint> {
        Whom::read(written).map(|whom| Self { whom })
    }

    /// It starts to act on a party.
    pub fn begin(&self, fault: FaultId, party: Party, world: &mut (impl Processes + ?Sized)) {
        if self.whom.has_client(party.kind()) {
            world.loses_server(party, CutMode::Reject, fault);
        } else {
            world.restart(party, fault);
        }
    }

    /// Nothing is left of it but the start of the process, which comes when it is due.
    pub fn end(&self, _: FaultId, _: Party, _: &mut (impl Processes + ?Sized)) {}
}

impl Stops for Restart {
    const STOP: Stop = Stop {
        words: Self::FORM.words(
            "the process",
            "the process is restarted",
            "The process ended in an orderly way, which closed its connections, and was started at once.",
        ),
        effect: "process restarted",
        what: "was restarted",
        how: "its connections were closed, and it was started at once",
        loses_servers: Some(CutMode::Reject),
        outlasts: true,
        is_over_at_once: true,
    };

    fn target(&self) -> &Whom {
        &self.whom
    }
}
