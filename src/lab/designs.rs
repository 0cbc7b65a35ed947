//! From a checked scenario to a plan and the simulator that makes its runs.
//!
//! The one place where files, the simulated world and faults meet. How runs are ordered and stored belongs to `runner`,
//! what is compared between them to `verify`.

use std::sync::Arc;

use super::plan::{Plan, PlannedDesign, PlannedParameter, Simulate};
use crate::cluster::blueprint::{Blueprint, SharedBlueprint};
use crate::cluster::records::Outcome;
use crate::cluster::spec::TieRule;
use crate::cluster::world::{FaultHandler, RunId, Watch, simulate, simulate_watched};
use crate::faults;
use crate::kernel::DrawLog;
use crate::scenario::{Design, ResolvedParameter, Scenario};

/// Simulates the designs of a scenario.
pub struct Simulator {
    seed: u64,
    seed_group: String,
    blueprints: Vec<SharedBlueprint>,
    faults: FaultHandler,
}

impl Simulator {
    /// The simulator of these designs.
    #[must_use]
    pub fn new<'a>(seed: u64, seed_group: &str, designs: impl IntoIterator<Item = &'a Design>) -> Self {
        let blueprints = designs
            .into_iter()
            .map(|design| Arc::new(Blueprint::new(design.world.clone())))
            .collect();
        Self {
            seed,
            seed_group: seed_group.to_owned(),
            blueprints,
            faults: faults::act,
        }
    }

    /// The same with other faults behind the same names, for experiments with faults that this library does not have.
    #[must_use]
    pub fn with_faults(mut self, faults: FaultHandler) -> Self {
        self.faults = faults;
        self
    }

    /// The same designs with another order of ties.
    #[must_use]
    pub fn with_ties(&self, tie_order: TieRule) -> Self {
        let changed = |blueprint: &SharedBlueprint| {
            let mut spec = blueprint.spec.clone();
            spec.tie_order = tie_order;
            Arc::new(Blueprint::new(spec))
        };
        Self {
            seed: self.seed,
            seed_group: self.seed_group.clone(),
            blueprints: self.blueprints.iter().map(changed).collect(),
            faults: self.faults,
        }
    }

    /// Makes one run, with its story if it is wanted.
    #[must_use]
    pub fn run(&self, design: usize, replication: u64, story: bool) -> Outcome {
        simulate(&self.blueprints[design], self.id(replication), self.faults, story)
    }

    /// Makes one run that somebody watches; every number that is drawn is noted in `log`.
    #[must_use]
    pub fn watched(&self, design: usize, replication: u64, log: DrawLog, watch: &mut dyn Watch) -> Outcome {
        simulate_watched(&self.blueprints[design], self.id(replication), self.faults, log, watch)
    }

    const fn id(&self, replication: u64) -> RunId<'_> {
        RunId {
            master_seed: self.seed,
            seed_group: self.seed_group.as_str(),
            replication,
        }
    }
}

impl Simulate for Simulator {
    fn simulate(&self, design: usize, replication: u64) -> Outcome {
        self.run(design, replication, false)
    }

    fn story(&self, design: usize, replication: u64) -> Option<Outcome> {
        Some(self.run(design, replication, true))
    }
}

/// The plan of a scenario, restricted to these designs.
#[must_use]
pub fn plan(scenario: &Scenario, designs: &[&Design]) -> Plan {
    let horizon = designs
        .iter()
        .map(|design| design.world.horizon.as_secs_f64())
        .fold(0.0, f64::max);
    let threshold = designs
        .first()
        .map_or(0.0, |design| design.world.measures.delayed_threshold.as_secs_f64());
    Plan {
        experiment: scenario.name.clone(),
        title: scenario.title.clone(),
        question: scenario.question.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        input_digest: scenario.input_digest.clone(),
        inputs: scenario
            .inputs
            .iter()
            .map(|input| (input.name.clone(), input.digest.clone()))
            .collect(),
        seed: scenario.seed,
        seed_group: scenario.seed_group.clone(),
        replications: u64::from(scenario.replications),
        designs: designs.iter().map(|design| planned(design)).collect(),
        delayed_threshold_s: threshold,
        horizon_s: horizon,
        tie_order: scenario.tie_order,
        explain: format!("meshfault explain {}", scenario.name),
        changes: scenario.changes.clone(),
        warnings: scenario.warnings.clone(),
    }
}

fn planned(design: &Design) -> PlannedDesign {
    PlannedDesign {
        name: design.name.clone(),
        title: design.title.clone(),
        parameters: design.parameters.iter().map(planned_parameter).collect(),
        notes: design.notes.clone(),
        mesh: design.world.istio.is_some(),
        network_enforced: design.world.network_enforced,
    }
}

fn planned_parameter(parameter: &ResolvedParameter) -> PlannedParameter {
    PlannedParameter {
        name: parameter.name.clone(),
        value: parameter.value.clone(),
        unit: parameter.unit.clone(),
        source: parameter.source.clone(),
        confidence: parameter.confidence.to_string(),
        model: parameter.model.clone(),
        overridden: parameter.overridden,
    }
}
