//! Which run is told if none was named: one in which something happened, looked for by making the first ones.
//!
//! The search is bounded by runs and events, never by time, so that the same command tells the same run. Choosing from the rows
//! of a result belongs to `choose`.

use super::super::error::CliError;
use super::super::load::{self, LoadRequest};
use super::one_design;
use crate::cluster::records::{AccessClass, ExitCause, Outcome};
use crate::kernel::{SimDuration, SimTime};
use crate::lab::designs::Simulator;
use crate::lab::what_if::OPEN_AT_LEAST;

/// Runs that are made at most.
const RUNS: u64 = 50;
/// No further run is made after so many events.
const EVENTS: u64 = 10_000_000;

/// Number of a run of a design, and why that one.
///
/// # Errors
/// If there is no such design.
pub(super) fn choose(load: &LoadRequest) -> Result<(u64, String), CliError> {
    let scenario = load::scenario(load)?;
    let design = one_design(&scenario, &load.designs)?;
    let simulator = Simulator::new(scenario.seed, &scenario.seed_group, [design]);
    let (mut open, mut slowest, mut made, mut events): (Option<u64>, Option<Slow>, u64, u64) = (None, None, 0, 0);
    let told = |run: u64, why: &str| (run, format!("Chosen: run {run} of {}, {why}.", design.name));
    while made < RUNS && events < EVENTS {
        let run = made;
        let outcome = simulator.run(0, run);
        (made, events) = (made + 1, events + outcome.run.events);
        if outcome.run.failure.is_some() {
            continue;
        }
        if outcome
            .accesses
            .iter()
            .any(|access| access.class == AccessClass::Unauthorized)
        {
            return Ok(told(run, "the first with an unauthorized access"));
        }
        if is_open(&outcome, design.world.horizon) {
            open.get_or_insert(run);
        }
        let slow = slowest_of(&outcome, run);
        slowest = if slow.as_ref() > slowest.as_ref() {
            slow
        } else {
            slowest
        };
    }
    let of = format!("of the first {made} runs");
    Ok(match (open, slowest) {
        (Some(run), _) => told(
            run,
            &format!("the first {of} in which the wrong client could have got in"),
        ),
        (None, Some(slow)) => told(slow.run, &format!("the one {of} with the slowest pod, {}", slow.pod)),
        (None, None) => told(0, &format!("the first, since nothing happened in any {of}")),
    })
}

fn is_open(outcome: &Outcome, horizon: SimTime) -> bool {
    let unauthorized = outcome
        .exposures
        .iter()
        .filter(|window| window.class == AccessClass::Unauthorized);
    let mut lengths = unauthorized.map(|window| window.end.unwrap_or(horizon).since(window.start));
    lengths.any(|length| length >= OPEN_AT_LEAST)
}

/// The slowest pod of a run. A pod that was never ready is slower than any that was; of equal ones the first run counts.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Slow {
    never_ready: bool,
    took: SimDuration,
    earlier: std::cmp::Reverse<u64>,
    run: u64,
    pod: String,
}

fn slowest_of(outcome: &Outcome, run: u64) -> Option<Slow> {
    let measured = outcome
        .pods
        .iter()
        .filter(|pod| pod.measured && pod.exit_cause != ExitCause::Deleted);
    let slow = measured.map(|pod| Slow {
        never_ready: pod.exit_cause == ExitCause::Censored,
        took: pod.exit.since(pod.desired),
        earlier: std::cmp::Reverse(run),
        run,
        pod: pod.pod.clone(),
    });
    slow.max()
}
