//! What closes a breach, over a sample of breached runs: each run is replayed with one change at a time.
//!
//! The sample is the first runs of a design in which the wrong client got in or could have got in for a while, so that the same
//! result gives the same remedies. How many replays are made is bounded by runs and events, never by time.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Change, Effect, Happened, Reload, Simulator, switches};
use crate::cluster::records::{AccessClass, ExposureRecord, Outcome};
use crate::kernel::{SimDuration, SimTime};
use crate::lab::Finished;
use crate::scenario::{Design, Scenario};

/// Runs of a design that are replayed.
const SAMPLE: usize = 10;
/// Designs that are asked, in the order of the result.
const DESIGNS_MAX: usize = 8;
/// Most events in all replays of one design together.
const EVENTS_MAX: u64 = 10_000_000;
/// An exposure of this length is a breach, though no client tried: a healthy cluster spreads a change sooner.
pub const OPEN_AT_LEAST: SimDuration = SimDuration::from_secs(10);

/// A change and what it did to the breached runs of a design.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remedy {
    /// What is changed, in a few words.
    pub name: String,
    /// What it means, after "if".
    pub words: String,
    /// What it is on the command line.
    pub change: Change,
    /// Runs in which the wrong client was refused.
    pub refused: u32,
    /// Runs in which its request did not get that far.
    pub not_reached: u32,
    /// Runs that were replayed.
    pub tried: u32,
}

/// What closes the breaches of one design, the most helpful change first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remedies {
    pub design: String,
    /// Breached runs that were replayed.
    pub runs: u32,
    pub remedies: Vec<Remedy>,
}

/// The remedies of all breached designs of a result. `scenario` is what the result was made from.
pub fn remedies(finished: &Finished, scenario: &Scenario, reload: Reload<'_>) -> Vec<Remedies> {
    let breached = |(at, planned): (usize, &crate::lab::PlannedDesign)| {
        let design = scenario.designs.iter().find(|design| design.name == planned.name)?;
        let numbers = finished.numbers.get(at)?;
        let sound = numbers.runs.iter().enumerate().filter(|(_, run)| !run.failed);
        let open = sound.filter(|(_, run)| run.has(AccessClass::Unauthorized) || run.longest_open() >= OPEN_AT_LEAST);
        let first = finished.manifest.first_replication();
        let runs: Vec<u64> = open.map(|(run, _)| first + run as u64).take(SAMPLE).collect();
        (!runs.is_empty()).then_some((design, runs))
    };
    let designs = finished.manifest.designs.iter().enumerate().filter_map(breached);
    let designs: Vec<(&Design, Vec<u64>)> = designs.take(DESIGNS_MAX).collect();
    let found = designs
        .par_iter()
        .map(|(design, runs)| of_design(scenario, design, runs, reload));
    found.collect()
}

pub(super) fn of_design(scenario: &Scenario, design: &Design, runs: &[u64], reload: Reload<'_>) -> Remedies {
    let simulator = Simulator::new(scenario.seed, &scenario.seed_group, [design]);
    let mut changed: BTreeMap<Change, Option<Simulator>> = BTreeMap::new();
    let mut found: Vec<Remedy> = Vec::new();
    // What the replays with each of them were.
    let mut made: Vec<Vec<(u64, Vec<AccessClass>)>> = Vec::new();
    let (mut events, mut replayed) = (0, 0);
    for &run in runs {
        let original = simulator.run(0, run);
        let Some(happened) = breach(&original, design.world.horizon) else {
            continue;
        };
        replayed += 1;
        // Only one thing at a time may be a cure.
        for switch in switches::switches(scenario, design, &original)
            .into_iter()
            .filter(|switch| switch.one)
        {
            if events > EVENTS_MAX {
                break;
            }
            let make = || Simulator::changed(reload, &switch.change);
            let Some(with) = changed.entry(switch.change.clone()).or_insert_with(make) else {
                continue;
            };
            let outcome = with.run(0, run);
            events += outcome.run.events;
            if outcome.run.failure.is_some() {
                continue;
            }
            let at = found
                .iter()
                .position(|remedy| remedy.change == switch.change)
                .unwrap_or_else(|| {
                    found.push(Remedy {
                        name: switch.name,
                        words: switch.words,
                        change: switch.change,
                        refused: 0,
                        not_reached: 0,
                        tried: 0,
                    });
                    made.push(Vec::new());
                    found.len() - 1
                });
            let classes = outcome.accesses.iter().map(|access| access.class).collect();
            made[at].push((outcome.run.fingerprint, classes));
            let remedy = &mut found[at];
            remedy.tried += 1;
            match happened.effect(&outcome, design.world.measures.delayed_threshold) {
                Effect::Prevented => remedy.refused += 1,
                Effect::NotReached => remedy.not_reached += 1,
                Effect::Happens | Effect::Unknown => {}
            }
        }
    }
    // A switch and a design, or two designs, that make the same runs are one cure under two names.
    let is_new = |at: usize| !made[..at].contains(&made[at]);
    let mut found: Vec<Remedy> = (0..)
        .zip(found)
        .filter(|(at, _)| is_new(*at))
        .map(|(_, of)| of)
        .collect();
    found.sort_by_key(|remedy| std::cmp::Reverse(remedy.refused));
    Remedies {
        design: design.name.clone(),
        runs: replayed,
        remedies: found,
    }
}

/// What went wrong in a run: the first unauthorized access, else the longest unauthorized exposure.
fn breach(outcome: &Outcome, horizon: SimTime) -> Option<Happened> {
    let mut accesses = outcome.accesses.iter();
    if let Some(access) = accesses.find(|access| access.class == AccessClass::Unauthorized) {
        return Some(Happened::Access(access.clone()));
    }
    let windows = outcome
        .exposures
        .iter()
        .filter(|window| window.class == AccessClass::Unauthorized);
    let length = |window: &&ExposureRecord| window.end.unwrap_or(horizon).since(window.start);
    windows
        .max_by_key(length)
        .map(|window| Happened::Exposure(window.clone()))
}
