//! Which faults act, from when to when. What a fault does belongs to `faults`, above this room.

use std::collections::BTreeMap;

use super::context::Ctx;
use super::event::{Event, FaultEvent, Source};
use super::ids::FaultId;
use super::links::Party;
use super::observed::Fact;
use super::spec::FaultSpec;
use crate::kernel::{EventClass, SimDuration, Timer};

/// What the start or the end of a fault did.
#[derive(Debug, Default)]
pub struct Effect {
    /// The parties on which it acts, or acted.
    pub parties: Vec<Party>,
    /// How many of them it touched that were whole before.
    pub touched: u32,
}

/// Starts (`true`) or ends a fault.
pub type FaultHandler = fn(&FaultSpec, bool, &mut Ctx) -> Effect;

/// The faults of a run.
#[derive(Debug)]
pub struct Faults {
    handler: FaultHandler,
    /// Faults that act now, each with the end that it has of itself.
    active: BTreeMap<FaultId, Option<Timer>>,
}

impl Faults {
    /// No fault acts yet.
    #[must_use]
    pub const fn new(handler: FaultHandler) -> Self {
        Self {
            handler,
            active: BTreeMap::new(),
        }
    }

    /// A fault starts or ends. One that acts cannot start again, and one that does not act cannot end: nothing happens then.
    pub fn handle(&mut self, event: FaultEvent, ctx: &mut Ctx) {
        let (fault, starts) = match event {
            FaultEvent::Start(fault) => (fault, true),
            FaultEvent::End(fault) => (fault, false),
        };
        if starts == self.active.contains_key(&fault) {
            return;
        }
        let blueprint = ctx.shared.blueprint.clone();
        let spec = &blueprint.spec.faults[fault.index()];
        let Effect { parties, touched } = (self.handler)(spec, starts, ctx);
        if !starts {
            ctx.observe(Fact::Repaired { fault, parties });
            // Ended by the script before its time: its own end must not end a later start.
            if let Some(timer) = self.active.remove(&fault).flatten() {
                ctx.kernel.cancel(timer);
            }
            return;
        }
        ctx.observe(Fact::Cut {
            fault,
            parties,
            touched,
            later: false,
        });
        let end = spec.duration.map(|duration| {
            let event = Event::Fault(FaultEvent::End(fault));
            ctx.after(Source::Fault, EventClass::Fault, duration, event)
        });
        self.active.insert(fault, end);
    }
}

/// What others tell faults.
impl Ctx<'_> {
    /// The faults of the design that start by themselves are scheduled.
    pub fn schedule_faults(&mut self) {
        let blueprint = self.shared.blueprint.clone();
        for (number, fault) in (0..).zip(&blueprint.spec.faults) {
            if let Some(at) = fault.starts_at {
                let event = Event::Fault(FaultEvent::Start(FaultId(number)));
                self.at(Source::Fault, EventClass::Fault, at, event);
            }
        }
    }

    /// A step of the script starts or ends a fault.
    pub fn turn_fault(&mut self, fault: FaultId, starts: bool) {
        let event = if starts {
            FaultEvent::Start(fault)
        } else {
            FaultEvent::End(fault)
        };
        self.after(
            Source::Script,
            EventClass::Fault,
            SimDuration::ZERO,
            Event::Fault(event),
        );
    }
}
