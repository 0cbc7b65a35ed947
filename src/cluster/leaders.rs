//! Which controllers lead, and what those that are halted will hear of: the state of `controllers`.

use super::event::Event;
use super::purpose::Purpose;
use crate::kernel::{EntityKey, RunKey, SimTime, Timer};

/// Who leads.
#[derive(Debug)]
pub struct Controllers {
    pub(super) leader: u32,
    /// Since when those that lead have been cut off.
    pub(super) halted: Option<SimTime>,
    pub(super) take_over: Option<Timer>,
    pub(super) take_overs: u32,
    /// What they will hear of when they go on.
    pub(super) held: Vec<Event>,
}

impl Controllers {
    /// Those beside one of so many API servers lead.
    #[must_use]
    pub fn new(run_key: &RunKey, servers: u32) -> Self {
        let leader = match servers {
            1 => 0,
            servers => run_key.stream(Purpose::Leader, key()).below(u64::from(servers)) as u32,
        };
        Self {
            leader,
            halted: None,
            take_over: None,
            take_overs: 0,
            held: Vec::new(),
        }
    }

    /// The API server beside which those run that lead.
    #[must_use]
    pub const fn leader(&self) -> u32 {
        self.leader
    }

    /// Whether none of them leads.
    #[must_use]
    pub const fn are_halted(&self) -> bool {
        self.halted.is_some()
    }

    /// An event of controllers that are halted.
    pub fn hold(&mut self, event: Event) {
        self.held.push(event);
    }
}

/// The key of their draws.
pub(super) fn key() -> EntityKey {
    EntityKey::root("controllers")
}
