//! The processes that faults touch or have touched, and by which faults: all others run.
//!
//! What faults do to a process belongs to `processes`, who starts it again to `supervision`.

use std::collections::{BTreeMap, BTreeSet};

use super::ids::FaultId;
use super::party::Party;
use crate::kernel::{Distribution, SimTime, Timer};

#[derive(Debug, Default)]
pub(super) struct Process {
    pub(super) frozen_by: BTreeSet<FaultId>,
    pub(super) crashed_by: BTreeSet<FaultId>,
    /// Faults by which it has ended; none once it runs.
    pub(super) down_by: BTreeSet<FaultId>,
    pub(super) down: bool,
    /// How often it has ended by itself, as its supervisor counts.
    pub(super) ends: u32,
    /// How often it was started again.
    pub(super) starts: u32,
    pub(super) started: SimTime,
    /// How often this start has tried to reach the API server.
    pub(super) tries: u32,
    /// How often its pod was replaced, and whether the latest one has not been reported ready.
    pub(super) replacements: u64,
    pub(super) unreported: bool,
    /// Its kubelet was away when it was to start.
    pub(super) parked: bool,
    /// Faults by which its memory fills, each in a time of this distribution.
    pub(super) filled_by: BTreeMap<FaultId, Distribution>,
    pub(super) slowed_by: BTreeMap<FaultId, f64>,
    /// When its readiness probe has failed often enough.
    pub(super) unready: Option<Timer>,
}

/// The processes that faults touch or have touched; all others run.
#[derive(Debug, Default)]
pub struct Processes(pub(super) BTreeMap<Party, Process>);

impl Processes {
    /// Whether a process runs and is not frozen.
    #[must_use]
    pub fn runs(&self, party: Party) -> bool {
        let away = |process: &Process| process.down || !process.frozen_by.is_empty();
        self.0.is_empty() || !self.0.get(&party).is_some_and(away)
    }

    /// Whether a process has ended and is not up again.
    #[must_use]
    pub fn is_down(&self, party: Party) -> bool {
        self.0.get(&party).is_some_and(|process| process.down)
    }

    /// Whether a process ends again after each start.
    #[must_use]
    pub fn crashes(&self, party: Party) -> bool {
        self.0.get(&party).is_some_and(|process| !process.crashed_by.is_empty())
    }

    /// Whether a fault fills the memory of a process.
    #[must_use]
    pub(super) fn is_filled(&self, party: Party) -> bool {
        self.0.get(&party).is_some_and(|process| !process.filled_by.is_empty())
    }

    /// How often a process was started again; nothing if no fault ever touched it.
    #[must_use]
    pub fn starts(&self, party: Party) -> Option<u32> {
        self.0.get(&party).map(|process| process.starts)
    }

    /// How often a process was started again, and has ended by itself since its supervisor counts.
    pub(super) fn counts(&self, party: Party) -> (u64, u64) {
        let counts = |process: &Process| (u64::from(process.starts), u64::from(process.ends));
        self.0.get(&party).map(counts).unwrap_or_default()
    }

    /// How many times as long everything takes that a process does by itself, if not as long as ever.
    pub(super) fn factor(&self, party: Party) -> Option<f64> {
        let slowed = &self.0.get(&party)?.slowed_by;
        (!slowed.is_empty()).then(|| slowed.values().product())
    }

    pub(super) fn of(&mut self, party: Party) -> &mut Process {
        self.0.entry(party).or_default()
    }
}
