//! All measures that a result can have, with estimand, unit and method, without running anything.
//!
//! The measures are made by the same functions as those of a result, from made-up runs in which everything that a
//! measure depends on has happened. Which measures there are belongs to `measures`.

use super::measures::{Context, Frame, measure_sets};
use super::numbers::DesignNumbers;
use super::plan::{Plan, PlannedDesign};
use super::summary::Measure;
use crate::cluster::records::PHASES;
use crate::kernel::SimDuration;
use crate::stats::{Observation, Outcome};

/// The measures that a design can have, by name; `plan` gives the horizon and threshold that some estimands name.
#[must_use]
pub fn measures(plan: &Plan, design: &PlannedDesign) -> Vec<(String, Measure)> {
    let mut numbers = DesignNumbers::default();
    let event = Observation {
        run: 0,
        time_ns: 1,
        outcome: Outcome::Event,
    };
    let horizon = crate::kernel::SimTime::ZERO + SimDuration::from_secs(1);
    numbers.run(&crate::cluster::records::RunRecord::default(), horizon);
    numbers.startup.push(event);
    numbers.running.push(event);
    numbers.delayed.iter_mut().for_each(|waits| waits.push(event));
    for run in &mut numbers.runs {
        (run.pods.never_ready, run.pods.deleted, run.pods.took_long) = (1, 1, 1);
        run.pods.delayed_by[0] = 1;
        run.pods.all = PHASES.len() as u32;
        run.pods.certificate_stuck = 1;
        run.pods.unexplained = [1; PHASES.len()];
    }
    // A larger run in which nothing happened, so that how many pods a run has tells something.
    numbers.run(&crate::cluster::records::RunRecord::default(), horizon);
    numbers.runs[1].pods.all = 10 * PHASES.len() as u32;
    let frame = Frame::of_plan(plan);
    let context = Context {
        frame: &frame,
        design,
        numbers: &numbers,
    };
    let sets = measure_sets().into_iter();
    sets.flat_map(|set| set.estimate(context)).collect()
}
