//! The registry of measures: name, estimand in words, unit, which value is better, how each is taken from runs, and every word
//! that a table, a figure or a sentence has for it.
//!
//! Names are the same in files, columns and code. Numbers come from `numbers`, formulas from `stats`; `definition` joins
//! them. A measure whose population a design cannot have (connections to Istiod without a mesh) is left out; one whose population
//! happened to be empty has no estimate and n 0. Failed runs are in no measure.

mod access;
pub mod definition;
mod exposure;
mod nodes;
mod recovery;
mod startup;
#[cfg(test)]
mod tests;
mod traffic;

use std::sync::LazyLock;

pub use definition::{Better, Definition, Frame, OfRun, Presence, Said, Value, Waits, Words};

use super::manifest::Manifest;
use super::numbers::DesignNumbers;
use super::plan::{Plan, PlannedDesign, horizon_of};
use super::summary::{CONFIDENCE, Measure};
use crate::scenario::asked::TrafficRate;

/// The measure of who got in, over the runs that tested it.
pub const TESTED: &str = "unauthorized_if_tested";

#[derive(Clone, Copy)]
pub struct Context<'n> {
    pub frame: &'n Frame,
    pub design: &'n PlannedDesign,
    pub numbers: &'n DesignNumbers,
}

/// Says what the measures are that are estimated together.
pub type MeasureSet = for<'n> fn(Context<'n>) -> Vec<Definition<'n>>;

/// The estimates of the measures of a set that the design has.
pub fn estimate(set: MeasureSet, context: Context<'_>) -> Vec<(String, Measure)> {
    let mut definitions = set(context);
    definitions.retain(|definition| definition.presence == Presence::Shown);
    let measures = definition::estimate_all(&definitions, context.frame, context.numbers);
    definitions.into_iter().map(|of| of.name).zip(measures).collect()
}

pub const fn measure_sets() -> &'static [MeasureSet] {
    &[
        access::access_classes,
        access::access_shares,
        access::reuse,
        access::node_given_up,
        nodes::nodes,
        startup::startup_latency,
        startup::running_latency,
        startup::delayed_startup,
        startup::pod_shares,
        startup::connections,
        startup::stuck_certificates,
        access::control_plane,
        access::api_load,
        exposure::exposure,
        exposure::tail,
        exposure::conditional,
        exposure::exposure_window,
        exposure::share_of_pairs,
        exposure::availability,
        access::first_unauthorized,
        traffic::traffic,
        recovery::deploys,
        recovery::creations,
        recovery::recovery,
    ]
}

/// What can be said about a measure before any run is made.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    pub name: String,
    pub estimand: String,
    pub unit: &'static str,
    pub better: Better,
    /// Whether it has an interval; observed extremes have none.
    pub interval: bool,
    pub words: Words,
}

impl Known {
    /// What it is called on axes and in charts.
    pub fn label(&self) -> String {
        let name = || self.name.replace('_', " ");
        self.words.label.map_or_else(name, str::to_owned)
    }
}

pub fn known_of(frame: &Frame) -> Vec<Known> {
    let (design, numbers) = (PlannedDesign::default(), DesignNumbers::default());
    let context = Context {
        frame,
        design: &design,
        numbers: &numbers,
    };
    let known = |definition: Definition<'_>| Known {
        interval: !matches!(definition.value, Value::Extreme(_)),
        unit: definition.unit,
        better: definition.better,
        name: definition.name,
        estimand: definition.estimand,
        words: definition.words,
    };
    let definitions = measure_sets().iter().flat_map(|set| set(context));
    definitions.map(known).collect()
}

/// All measures that an experiment with these rates of traffic can have.
pub fn known_measures(traffic_rates: &[TrafficRate]) -> Vec<Known> {
    known_of(&Frame::new(1.0, 0.0, traffic_rates))
}

/// Every measure, those of traffic with some rate.
static ALL: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let rate = TrafficRate {
        text: "1/s".to_owned(),
        per_s: 1.0,
    };
    known_measures(&[rate])
});

pub fn known(name: &str) -> Option<&'static Known> {
    let named = |known: &&Known| known.name == name;
    let of_kind = |known: &&Known| known.words.family.is_some_and(|begin| name.starts_with(begin));
    ALL.iter().find(named).or_else(|| ALL.iter().find(of_kind))
}

/// What a measure is called on axes and in charts, by its name.
pub fn label(name: &str) -> String {
    known(name).map_or_else(|| name.to_owned(), Known::label)
}

pub fn words(name: &str) -> Words {
    known(name).map_or_else(Words::default, |known| known.words)
}

/// Measures that have a place of some kind, in the order of the places.
fn placed<T: Ord>(place: impl Fn(&Known) -> Option<T>) -> Vec<&'static Known> {
    let mut found: Vec<(T, &Known)> = ALL.iter().filter_map(|known| Some((place(known)?, known))).collect();
    found.sort_by(|left, right| left.0.cmp(&right.0));
    found.into_iter().map(|(_, known)| known).collect()
}

pub fn columns() -> Vec<&'static Known> {
    placed(|known| known.words.head.map(|(place, _)| place))
}

/// The measures of a headline, in its order.
pub fn headline(names: &[String]) -> impl Iterator<Item = &'static Known> {
    names.iter().filter_map(|name| known(name))
}

/// The panels of figures over factors, the most telling first.
pub fn panels() -> Vec<&'static Known> {
    placed(|known| known.words.panel)
}

/// The measures of when which part of the pods is Ready, the smallest part first.
pub fn ready_quantiles() -> Vec<&'static Known> {
    let is_ready = |said| matches!(said, Said::When { state: READY, .. });
    ALL.iter().filter(|known| is_ready(known.words.said)).collect()
}

/// The part of the pods that a quantile is about: `Half`, `99%`; none for other measures.
pub fn part_of_pods(measure: &str) -> Option<String> {
    match words(measure).said {
        Said::When { level: 0.5, .. } => Some("Half".to_owned()),
        Said::When { level, .. } => Some(format!("{}%", 100.0 * level)),
        _ => None,
    }
}

/// The state of pods that clients can ask.
const READY: &str = "Ready";

pub fn definition_of<'n>(name: &str, context: Context<'n>) -> Option<Definition<'n>> {
    let mut definitions = measure_sets().iter().flat_map(|set| set(context));
    definitions.find(|definition| definition.name == name)
}

impl Frame {
    pub fn new(horizon_s: f64, delayed_threshold_s: f64, traffic_rates: &[TrafficRate]) -> Self {
        Self {
            horizon_s,
            horizon_ns: horizon_of(horizon_s).as_nanos(),
            delayed_threshold_s,
            confidence: CONFIDENCE,
            traffic_rates: traffic_rates.to_vec(),
        }
    }

    pub fn of_plan(plan: &Plan) -> Self {
        Self::new(plan.horizon_s, plan.delayed_threshold_s, &plan.questions.traffic_rates)
    }

    pub fn of_manifest(manifest: &Manifest) -> Self {
        Self::new(
            manifest.horizon_s,
            manifest.delayed_threshold_s,
            &manifest.questions.traffic_rates,
        )
    }
}
