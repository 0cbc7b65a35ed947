//! Which measures there are: name, estimand in words, unit, and how each is taken from runs.
//!
//! Names are the same in files, columns and code. Numbers come from `numbers`, formulas from `stats`; `definition` joins
//! them. A measure whose population a design cannot have (landings without a mesh) is left out; one whose population
//! happened to be empty has no estimate and n 0. Failed runs are in no measure.

mod access;
pub mod definition;
mod exposure;
mod startup;
#[cfg(test)]
mod tests;

pub use definition::{Better, Definition, Frame, OfRun, Presence, Value, Waits};
pub use startup::words;

use super::manifest::Manifest;
use super::numbers::DesignNumbers;
use super::plan::{Plan, PlannedDesign, horizon_of};
use super::summary::{CONFIDENCE, Measure};
use crate::scenario::asked::TrafficRate;

/// What the measures of a design are made from.
#[derive(Clone, Copy)]
pub struct Context<'n> {
    /// The experiment.
    pub frame: &'n Frame,
    /// The design.
    pub design: &'n PlannedDesign,
    /// Its numbers.
    pub numbers: &'n DesignNumbers,
}

/// Measures that are estimated together.
#[derive(Clone, Copy)]
pub struct MeasureSet {
    /// Name.
    pub name: &'static str,
    /// Says what its measures are.
    pub define: for<'n> fn(Context<'n>) -> Vec<Definition<'n>>,
}

impl MeasureSet {
    /// The estimates of the measures that the design has.
    #[must_use]
    pub fn estimate(&self, context: Context<'_>) -> Vec<(String, Measure)> {
        let mut definitions = (self.define)(context);
        definitions.retain(|definition| definition.presence == Presence::Shown);
        let measures = definition::estimate_all(&definitions, context.frame, context.numbers);
        definitions.into_iter().map(|of| of.name).zip(measures).collect()
    }
}

/// All measures, in the order in which they are shown.
#[must_use]
pub fn measure_sets() -> Vec<MeasureSet> {
    macro_rules! sets {
        ($($file:ident::$set:ident),+ $(,)?) => { vec![$(MeasureSet { name: stringify!($set), define: $file::$set }),+] };
    }
    sets![
        access::access_classes,
        access::reuse,
        access::node_given_up,
        startup::startup_latency,
        startup::running_latency,
        startup::delayed_startup,
        startup::pod_shares,
        startup::landings,
        startup::stuck_certificates,
        access::control_plane,
        exposure::exposure,
        exposure::tail,
        exposure::conditional,
        exposure::exposure_window,
        access::first_unauthorized,
    ]
}

/// What can be said about a measure before any run is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Name.
    pub name: String,
    /// Unit; `1` for shares.
    pub unit: &'static str,
    /// Whether it has an interval; observed extremes have none.
    pub interval: bool,
}

/// All measures that an experiment with these rates of traffic can have.
#[must_use]
pub fn known_measures(traffic_rates: &[TrafficRate]) -> Vec<Known> {
    let frame = Frame::new(1.0, 0.0, traffic_rates);
    let (design, numbers) = (PlannedDesign::default(), DesignNumbers::default());
    let context = Context {
        frame: &frame,
        design: &design,
        numbers: &numbers,
    };
    let known = |definition: Definition<'_>| Known {
        interval: !matches!(definition.value, Value::Extreme(_)),
        unit: definition.unit,
        name: definition.name,
    };
    let definitions = measure_sets().into_iter().flat_map(|set| (set.define)(context));
    definitions.map(known).collect()
}

/// The definition of one measure for one design.
#[must_use]
pub fn definition_of<'n>(name: &str, context: Context<'n>) -> Option<Definition<'n>> {
    let mut definitions = measure_sets().into_iter().flat_map(|set| (set.define)(context));
    definitions.find(|definition| definition.name == name)
}

impl Frame {
    /// The frame of an experiment.
    #[must_use]
    pub fn new(horizon_s: f64, delayed_threshold_s: f64, traffic_rates: &[TrafficRate]) -> Self {
        Self {
            horizon_s,
            horizon_ns: horizon_of(horizon_s).as_nanos(),
            delayed_threshold_s,
            confidence: CONFIDENCE,
            traffic_rates: traffic_rates.to_vec(),
        }
    }

    /// The frame of a plan.
    #[must_use]
    pub fn of_plan(plan: &Plan) -> Self {
        Self::new(plan.horizon_s, plan.delayed_threshold_s, &plan.questions.traffic_rates)
    }

    /// The frame of a stored result.
    #[must_use]
    pub fn of_manifest(manifest: &Manifest) -> Self {
        Self::new(
            manifest.horizon_s,
            manifest.delayed_threshold_s,
            &manifest.questions.traffic_rates,
        )
    }
}
