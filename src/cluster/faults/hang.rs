//! A hang: processes are frozen, as by `SIGSTOP`, a debugger or a deadlock.
//!
//! **Modeled**: a frozen process behaves like a black hole; its connections are cut (mode `drop`) by this fault, and what it had
//! to do waits. A frozen Istiod: its clients, its own connection to the API server and its webhook; its kubelet's readiness probe
//! fails, so that its pod is withdrawn from Services until the first probe that succeeds. A frozen kubelet: no lease, no status, no
//! start or stop of a pod. A frozen agent: the datapath keeps its maps, a new call of the network plugin fails when it has not reached
//! the agent in time, one under way at its own time limit. A frozen API server: its clients lose it as in a cut of it.
//! **Left out**: what the kernel has accepted meanwhile is served when the process goes on, and not at the next retransmission as
//! here; liveness probes that would end a frozen process.
//! **Parameters**: target, processes, start, duration; `readiness_probe_*`, `plugin_connect_timeout`, `endpoint_call_timeout`.
//! **Validated by**: `tests/world/processes.rs`.

use super::cut::CutMode;
use super::form::{Complaint, Form, Written};
use super::place::Whom;
use super::process::{Processes, Stop, Stops, processes};
use crate::cluster::ids::FaultId;
use crate::cluster::party::Party;

/// Processes that are frozen.
#[derive(Clone, Debug, PartialEq)]
pub struct Hang {
    /// Whose processes.
    pub whom: Whom,
}

impl Hang {
    /// How it is written.
    pub const FORM: Form = Form {
        name: "hang",
        meaning: "Processes that are frozen: each stays where it is, does nothing and answers nothing.",
        does: "freezes",
        done: "frozen",
        keys: &[Whom::KEYS, &[processes("Which processes are frozen there.")]],
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
            world.loses_server(party, CutMode::Drop, fault);
        } else {
            world.freeze(party, fault);
        }
    }

    /// It no longer acts on a party.
    pub fn end(&self, fault: FaultId, party: Party, world: &mut (impl Processes + ?Sized)) {
        if self.whom.has_client(party.kind()) {
            world.regains_server(party, fault);
        } else {
            world.thaw(party, fault);
        }
    }
}

impl Stops for Hang {
    const STOP: Stop = Stop {
        words: Self::FORM.words(
            "the process",
            "the process is frozen",
            "A frozen process accepted connections and answered nothing, so both sides noticed only silence.",
        ),
        effect: "process frozen",
        what: "was frozen",
        how: "it answered nothing, and nothing ended its connections",
        loses_servers: Some(CutMode::Drop),
        outlasts: false,
        is_over_at_once: false,
    };

    fn target(&self) -> &Whom {
        &self.whom
    }
}
