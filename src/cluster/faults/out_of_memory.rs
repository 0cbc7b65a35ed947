//! Out of memory: the kernel kills processes, again each time that they have filled their memory.
//!
//! **Modeled**: a process is killed when the fault starts, and after each of its starts once it has filled its memory; connections are
//! reset, and its supervisor starts it again as after a crash, with the same back-off, which is forgotten if it has run for long enough.
//! **Left out**: what fills the memory, so it takes a time that the file states and no load shortens; processes that are slow before
//! they are killed; other processes of the node that are killed instead; API servers.
//! **Parameters**: target, processes, fills_in, start, duration; those of a crash. **Validated by**: `tests/world/out_of_memory.rs`.

use super::fault::Words;
use super::form::{Complaint, Form, Key, Role, Takes, Value, Written};
use super::place::Whom;
use super::process::{Processes, Stop, Stops};
use crate::cluster::ids::FaultId;
use crate::cluster::party::{Party, PartyKind};
use crate::kernel::{Distribution, SimDuration};

/// Processes that are killed for lack of memory.
#[derive(Clone, Debug, PartialEq)]
pub struct OutOfMemory {
    /// Whose processes.
    pub whom: Whom,
    /// From a process being up to its memory being full.
    pub fills_in: Distribution,
}

const FILLS_IN: &str = "fills_in";

impl OutOfMemory {
    /// How it is written.
    pub const FORM: Form = Form {
        name: "out_of_memory",
        meaning: "Processes that the kernel kills for lack of memory: at once, and again each time that they have filled it.",
        does: "kills",
        done: "killed",
        keys: &[
            Whom::NODE_KEYS,
            Whom::ISTIOD_KEYS,
            &[
                Whom::processes(
                    "Which processes are killed there.",
                    &[
                        PartyKind::Kubelet,
                        PartyKind::Agent,
                        PartyKind::ServiceProxy,
                        PartyKind::IstiodProcess,
                    ],
                ),
                Key {
                    name: FILLS_IN,
                    meaning: "Distribution of the time from the process being up to its memory being full.",
                    takes: Takes::Distribution,
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
        let fills_in = match written.of(FILLS_IN) {
            [(_, Value::Distribution(fills_in)), ..] => *fills_in,
            _ => Distribution::Constant(SimDuration::ZERO),
        };
        Ok(Self { whom, fills_in })
    }

    /// It starts to act on a party.
    pub fn begin(&self, fault: FaultId, party: Party, world: &mut (impl Processes + ?Sized)) {
        world.kill(party, self.fills_in, fault);
    }

    /// It no longer acts on a party: a process that was killed starts when it is due.
    pub fn end(&self, fault: FaultId, party: Party, world: &mut (impl Processes + ?Sized)) {
        world.has_memory(party, fault);
    }
}

impl Stops for OutOfMemory {
    const STOP: Stop = Stop {
        words: Words {
        word: "OOMKilled",
        ..Self::FORM.words(
            "the process",
            "the process is killed",
            "The kernel killed the process for lack of memory, so connections were reset; it was started again, and killed again when its memory was full.",
        )
    },
        effect: "process killed",
        what: "was out of memory",
        how: "the kernel killed it (OOMKilled), its connections were reset, and it was started again",
        loses_servers: None,
        outlasts: true,
        is_over_at_once: false,
    };

    fn target(&self) -> &Whom {
        &self.whom
    }
}
