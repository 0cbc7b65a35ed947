//! The latest repair of a cut that prevents something, found by halving: a tenth of a second later it no longer does.
//!
//! Until it is repaired, a run is the run that was. So a repair after the event prevents nothing, and the search needs no
//! replay to know that. Between the moments that were tried nothing is claimed.

use serde::Serialize;

use super::{Change, Effect, Happened, Replays, Seen};
use crate::cluster::faults::FaultSpec;
use crate::cluster::records::Outcome;
use crate::kernel::{SimDuration, SimTime};

/// The step to which the moment is found.
const STEP: SimDuration = SimDuration::from_millis(100);

/// What an earlier repair of a cut would have changed in this run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Repair {
    pub fault: String,
    pub began: SimTime,
    pub bound: RepairBound,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum RepairBound {
    /// A repair at `repaired` prevents it, one at `too_late` does not.
    Found {
        repaired: SimTime,
        /// The next one that was tried, a step later.
        too_late: SimTime,
        change: Change,
        seen: Box<Seen>,
    },
    /// Even the earliest repair, a step after the cut, does not.
    Never { change: Change },
}

/// The bounds for every fault that touched a party before the event.
pub(super) fn repairs(replays: &mut Replays, original: &Outcome, happened: &Happened) -> Vec<Repair> {
    let Some(cut) = original.run.cut.filter(|_| original.run.parties_cut > 0) else {
        return Vec::new();
    };
    let faults = &replays.design.world.faults;
    let touching: Vec<FaultSpec> = faults
        .iter()
        .filter(|fault| !fault.kind.whom().parties.is_empty())
        .cloned()
        .collect();
    let mut found = Vec::new();
    for fault in touching {
        // A fault that a step starts is the first one to start, or the time of its own beginning is known.
        let began = fault.when.starts_at.unwrap_or(cut);
        if began < happened.time() {
            found.extend(latest(replays, happened, &fault, began));
        }
    }
    found
}

fn latest(replays: &mut Replays, happened: &Happened, fault: &FaultSpec, began: SimTime) -> Option<Repair> {
    let change = |steps: u64, replays: &Replays| Change {
        design: replays.design.name.clone(),
        set: vec![ends_after(fault, steps)],
    };
    let first = change(1, replays);
    let repair = |bound| Repair {
        fault: fault.name.clone(),
        began,
        bound,
    };
    // A repair that comes after the event, or after the fault's own end, is the run that was.
    let own_end = fault
        .when
        .duration
        .unwrap_or(SimDuration::MAX)
        .as_nanos()
        .div_ceil(STEP.as_nanos());
    let mut late = (happened.time().since(began).as_nanos() / STEP.as_nanos() + 1).min(own_end);
    let mut early = 1;
    let mut best = replays.seen(&first, happened)?;
    if best.effect != Effect::Prevented {
        return Some(repair(RepairBound::Never { change: first }));
    }
    while late - early > 1 {
        let middle = early + (late - early) / 2;
        let tried = change(middle, replays);
        let seen = replays.seen(&tried, happened)?;
        if seen.effect == Effect::Prevented {
            (early, best) = (middle, seen);
        } else {
            late = middle;
        }
    }
    Some(repair(RepairBound::Found {
        repaired: began + STEP * early,
        too_late: began + STEP * late,
        change: change(early, replays),
        seen: Box::new(best),
    }))
}

/// The change that ends a fault so many steps after its beginning.
fn ends_after(fault: &FaultSpec, steps: u64) -> String {
    let tenths = (STEP * steps).as_nanos() / STEP.as_nanos();
    format!("faults.{}.for={}.{}s", fault.name, tenths / 10, tenths % 10)
}
