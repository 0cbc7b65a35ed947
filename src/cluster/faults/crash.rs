//! A crash: processes end at once, and again after each start while the fault lasts.
//!
//! **Modeled**: connections are reset; whoever supervises the process starts it again: systemd a kubelet, after a fixed wait, a kubelet
//! all others, the first time at once and then after a back-off that doubles (CrashLoopBackOff) and is forgotten after a time of
//! running; each needs its time to start. An Istiod is not ready until it serves, and its snapshots are new; a kubelet lists its pods and
//! reports them all; an agent connects to the API server first, and ends again if that is away for too long; the datapath, the rules
//! of the service proxy and containers go on meanwhile. An API server that crashes loses its clients to the others.
//! **Left out**: calls of the network plugin under way fail when their next step is due, and not at once; a container that a kubelet
//! cannot start; readiness of pods behind a kubelet that has started again; hosts whose supervisor stops trying.
//! **Parameters**: target, processes, start, duration; `container_backoff_*`, `kubelet_restart_wait`, `*_start_latency`, `agent_connect_*`.
//! **Validated by**: `tests/world/processes.rs`.

use super::cut::CutMode;
use super::form::{Complaint, Form, Written};
use super::place::Whom;
use super::process::{Processes, Stop, Stops, processes};
use crate::cluster::ids::FaultId;
use crate::cluster::party::Party;

/// Processes that end at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Crash {
    /// Whose processes.
    pub whom: Whom,
}

impl Crash {
    /// How it is written.
    pub const FORM: Form = Form {
        name: "crash",
        meaning: "Processes that end at once. Whoever supervises them starts them again; while the fault lasts each ends again after every start.",
        does: "crashes",
        done: "crashed",
        keys: &[Whom::KEYS, &[processes("Which processes end there.")]],
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
            world.crash(party, fault);
        }
    }

    /// It no longer acts on a party: a process that has ended starts when it is due, and its clients find it then.
    pub fn end(&self, fault: FaultId, party: Party, world: &mut (impl Processes + ?Sized)) {
        if !self.whom.has_client(party.kind()) {
            world.stays_up(party, fault);
        }
    }
}

impl Stops for Crash {
    const STOP: Stop = Stop {
        words: Self::FORM.words("the process", "the process ends", "The process ended, so connections were reset at once; it was started again, and ended again while this lasted."),
        effect: "process ended",
        what: "crashed",
        how: "its connections were reset, and it was started again",
        loses_servers: Some(CutMode::Reject),
        outlasts: true,
        is_over_at_once: false,
    };

    fn target(&self) -> &Whom {
        &self.whom
    }
}
