//! From a checked scenario to a plan and the simulator that makes its runs.
//!
//! The one place where files, the simulated world and faults meet. How runs are ordered and stored belongs to `runner`,
//! what is compared between them to `verify`.

use std::sync::{Arc, Mutex, PoisonError};

use super::cell::Word;
use super::plan::{OpenEdge, Plan, PlannedDesign, PlannedParameter, RandomNumbers, Simulate};
use super::questions::Questions;
use crate::cluster::blueprint::{Blueprint, SharedBlueprint};
use crate::cluster::fault::{FaultHandler, act};
use crate::cluster::ids::KindId;
use crate::cluster::intent::by_design;
use crate::cluster::records::Outcome;
use crate::cluster::spec::{TieRule, WorldSpec};
use crate::cluster::world::{RunId, Watch, simulate, simulate_watched, simulate_with_story};
use crate::kernel::DrawLog;
use crate::scenario::{Design, ResolvedParameter, Scenario};
use crate::story::{self, ToldRun};

/// Blueprints that are kept at the same time. Batches go through all points in turn, so of a plan with more points each
/// batch makes its blueprint anew, which costs less than one of its runs.
const BLUEPRINTS_MAX: usize = 64;

pub struct Simulator {
    seed: u64,
    designs: Vec<(Arc<WorldSpec>, String)>,
    blueprints: Mutex<Blueprints>,
    faults: FaultHandler,
}

/// Blueprints made so far, the latest used last.
#[derive(Default)]
struct Blueprints {
    kept: Vec<(usize, SharedBlueprint)>,
}

impl Simulator {
    /// The simulator of these designs; `seed_group` is that of the experiment.
    pub fn new<'a>(seed: u64, seed_group: &str, designs: impl IntoIterator<Item = &'a Design>) -> Self {
        let designs = designs
            .into_iter()
            .map(|design| (Arc::new(design.world.clone()), design.seed_group(seed_group)))
            .collect();
        Self {
            seed,
            designs,
            blueprints: Mutex::default(),
            faults: act,
        }
    }

    /// The same with other faults behind the same names, for experiments with faults that this library does not have.
    pub fn with_faults(mut self, faults: FaultHandler) -> Self {
        self.faults = faults;
        self
    }

    pub fn with_ties(&self, tie_order: TieRule) -> Self {
        let changed = |(spec, group): &(Arc<WorldSpec>, String)| {
            let mut spec = WorldSpec::clone(spec);
            spec.tie_order = tie_order;
            (Arc::new(spec), group.clone())
        };
        Self {
            seed: self.seed,
            designs: self.designs.iter().map(changed).collect(),
            blueprints: Mutex::default(),
            faults: self.faults,
        }
    }

    pub fn run(&self, design: usize, replication: u64) -> Outcome {
        simulate(&self.blueprint(design), self.id(design, replication), self.faults)
    }

    pub fn told(&self, design: usize, replication: u64) -> ToldRun {
        let (outcome, story) = simulate_with_story(
            &self.blueprint(design),
            self.id(design, replication),
            self.faults,
            story::narrative,
        );
        let (lines, dossier) = story.unzip();
        ToldRun {
            outcome,
            lines: lines.unwrap_or_default(),
            dossier,
        }
    }

    /// Makes one run with a watch; every number that is drawn is noted in `log`.
    pub fn watched(&self, design: usize, replication: u64, log: DrawLog, watch: &mut dyn Watch) -> Outcome {
        let blueprint = self.blueprint(design);
        simulate_watched(&blueprint, self.id(design, replication), self.faults, log, watch)
    }

    fn id(&self, design: usize, replication: u64) -> RunId<'_> {
        RunId {
            master_seed: self.seed,
            seed_group: self.designs[design].1.as_str(),
            replication,
        }
    }

    /// The blueprint of a design: a kept one, or a new one. Two workers that want a new one at the same time make it
    /// twice, which is harmless: it is a function of the design alone.
    fn blueprint(&self, design: usize) -> SharedBlueprint {
        let lock = || self.blueprints.lock().unwrap_or_else(PoisonError::into_inner);
        let (found, similar) = {
            let mut blueprints = lock();
            let found = blueprints.find(design);
            (found, blueprints.kept.last().map(|(_, kept)| Arc::clone(kept)))
        };
        if let Some(found) = found {
            return found;
        }
        let spec = WorldSpec::clone(&self.designs[design].0);
        let made = Arc::new(Blueprint::like(spec, similar.as_deref()));
        lock().keep(design, Arc::clone(&made));
        made
    }
}

impl Blueprints {
    fn find(&mut self, design: usize) -> Option<SharedBlueprint> {
        let index = self.kept.iter().position(|(known, _)| *known == design)?;
        let found = self.kept.remove(index);
        let blueprint = Arc::clone(&found.1);
        self.kept.push(found);
        Some(blueprint)
    }

    fn keep(&mut self, design: usize, blueprint: SharedBlueprint) {
        self.kept.retain(|(known, _)| *known != design);
        if self.kept.len() == BLUEPRINTS_MAX {
            self.kept.remove(0);
        }
        self.kept.push((design, blueprint));
    }
}

impl Simulate for Simulator {
    fn simulate(&self, design: usize, replication: u64) -> Outcome {
        self.run(design, replication)
    }

    fn story(&self, design: usize, replication: u64) -> Option<ToldRun> {
        Some(self.told(design, replication))
    }
}

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
        random_numbers: match scenario.independent {
            true => RandomNumbers::Independent,
            false => RandomNumbers::Common,
        },
        replications: u64::from(scenario.replications),
        stopping: scenario.stopping.clone(),
        shard: None,
        designs: planned(designs),
        delayed_threshold_s: threshold,
        horizon_s: horizon,
        tie_order: scenario.tie_order,
        explain: format!("meshfault explain {}", scenario.name),
        changes: scenario.changes.clone(),
        questions: Questions {
            traffic_rates: scenario.traffic_rates.clone(),
            headline: scenario.headline.iter().map(|name| name.value.clone()).collect(),
            expectations: scenario
                .expectations
                .iter()
                .map(|placed| placed.expected.clone())
                .collect(),
            margins: scenario.margins.iter().map(|placed| placed.margin.clone()).collect(),
            published: scenario.published.clone(),
        },
        warnings: scenario.warnings.clone(),
    }
}

/// The designs as they are planned. A design of ten thousand points has its hundred and more parameters once: points after
/// its first name those that differ.
fn planned(designs: &[&Design]) -> Vec<PlannedDesign> {
    let mut first: Option<&Design> = None;
    let mut found = Vec::with_capacity(designs.len());
    for &design in designs {
        let earlier = first.filter(|first| first.design == design.design);
        let new = |(index, parameter): &(usize, &Arc<ResolvedParameter>)| {
            earlier.is_none_or(|earlier| earlier.parameters.get(*index) != Some(*parameter))
        };
        let parameters = design.parameters.iter().enumerate().filter(new);
        found.push(PlannedDesign {
            name: design.name.clone(),
            design: design.design.clone(),
            factors: design.factors.clone(),
            title: design.title.clone(),
            parameters: parameters.map(|(_, parameter)| planned_parameter(parameter)).collect(),
            notes: design.notes.clone(),
            mesh: design.world.istio.is_some(),
            network_enforced: design.world.network_enforced,
            control_plane_replicas: Some(design.world.istio.as_ref().map_or(0, |istio| istio.replicas)),
            exposure_pairs: Some(design.world.exposure_pairs()),
            exposure_edges: Some(design.world.measures.exposure_edges()),
            open_by_design: open_by_design(&design.world, earlier, found.last()),
            flows: Some(design.world.flow_count() as u32).filter(|flows| *flows > 0),
            cuts_nothing: design
                .world
                .faults
                .iter()
                .all(|fault| fault.kind.whom().parties.is_empty()),
            cost: design.cost.clone(),
            control: design.control.clone(),
            versions: design.versions.clone(),
            layers: layers(&design.world),
        });
        if earlier.is_none() {
            first = Some(design);
        }
    }
    found
}

/// The edges that are open at all times. Points of a design that have its policies and layers have its edges.
fn open_by_design(world: &WorldSpec, first: Option<&Design>, latest: Option<&PlannedDesign>) -> Vec<OpenEdge> {
    let alike = |first: &WorldSpec| {
        Arc::ptr_eq(&first.network_policies, &world.network_policies)
            && Arc::ptr_eq(&first.mesh_policies, &world.mesh_policies)
            && layers(first) == layers(world)
    };
    if let (Some(_), Some(latest)) = (first.filter(|first| alike(&first.world)), latest) {
        return latest.open_by_design.clone();
    }
    let measures = &world.measures;
    if measures.exposure_edges() < 2 {
        return Vec::new();
    }
    let blueprint = Blueprint::new(world.clone());
    let kind = |workload: usize| KindId(workload as u32);
    let clients = measures.exposure_clients.iter();
    let edges = clients.flat_map(|client| measures.exposure_servers.iter().map(move |server| (*client, *server)));
    let open = edges.filter_map(|(client, (server, port))| {
        let class = by_design(&blueprint, kind(client), kind(server), port);
        class.is_breach().then(|| OpenEdge {
            client: world.workloads[client].name.clone(),
            server: world.workloads[server].name.clone(),
            port,
            class: class.word().to_owned(),
        })
    });
    open.collect()
}

/// The layers that enforce their policies, by the words of experiment files.
fn layers(world: &WorldSpec) -> Vec<String> {
    let layers = [(world.network_enforced, "network"), (world.mesh_enforced, "mesh")];
    let enforced = layers.into_iter().filter(|(enforced, _)| *enforced);
    enforced.map(|(_, layer)| layer.to_owned()).collect()
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ops::ControlFlow;

    use super::*;
    use crate::cluster::context::Shared;
    use crate::cluster::event::Event;
    use crate::kernel::Moment;
    use crate::scenario::overrides::Overrides;

    struct Idle;

    impl Watch for Idle {
        fn event(&mut self, _: &Moment, _: &Event, _: &Shared) -> ControlFlow<()> {
            ControlFlow::Continue(())
        }
    }

    /// The built-in experiment with factors, as a scenario.
    fn scenario(changes: &[&str]) -> Scenario {
        let overrides = Overrides::parse(changes).unwrap();
        Scenario::built_in("heal-and-churn", &overrides).unwrap_or_else(|errors| panic!("{errors:?}"))
    }

    fn simulator(scenario: &Scenario) -> Simulator {
        Simulator::new(scenario.seed, &scenario.seed_group, &scenario.designs)
    }

    fn index(scenario: &Scenario, name: &str) -> usize {
        scenario.designs.iter().position(|design| design.name == name).unwrap()
    }

    /// Every number that a run draws, by its address.
    fn draws(scenario: &Scenario, name: &str) -> (u64, BTreeMap<(&'static str, u64, u32), u64>) {
        let log = DrawLog::default();
        let outcome = simulator(scenario).watched(index(scenario, name), 3, log.clone(), &mut Idle);
        let drawn = log.take();
        let by_address = drawn.iter().map(|d| ((d.purpose, d.entity.get(), d.ordinal), d.bits));
        (outcome.run.fingerprint, by_address.collect())
    }

    /// Addresses that two runs share, and how many of those have different numbers.
    fn compared(scenario: &Scenario, a: &str, b: &str) -> (usize, usize) {
        let (a, b) = (draws(scenario, a).1, draws(scenario, b).1);
        let shared = a.iter().filter_map(|(address, bits)| Some((bits, b.get(address)?)));
        shared.fold((0, 0), |(all, other), (a, b)| (all + 1, other + usize::from(a != b)))
    }

    #[test]
    fn designs_and_points_meet_the_same_random_events_unless_they_are_to_be_independent() {
        let pairs = [
            ("cilium-only@cut=10s,prefix=24", "cilium-only@cut=80s,prefix=27"),
            ("cilium-only@cut=40s,prefix=25", "cilium-istio-1.21@cut=40s,prefix=25"),
        ];
        for (a, b) in pairs {
            let (shared, other) = compared(&scenario(&[]), a, b);
            assert!(shared > 300, "{a} and {b} share {shared} addresses");
            assert_eq!(other, 0, "{a} and {b}");
            let (shared, other) = compared(&scenario(&["random_numbers=independent"]), a, b);
            assert_eq!(shared, other, "{a} and {b}");
        }
    }

    #[test]
    fn a_factor_that_matters_to_nothing_changes_no_draw_and_no_event() {
        // The limit of events is far above what a run needs; a probe's time limit of 10 s is never reached here.
        let name = "cilium-only@cut=20s,prefix=24";
        let usual = draws(&scenario(&[]), name);
        let other = draws(
            &scenario(&[
                "parameters.kubernetes.node_monitor_grace_period=14m",
                "limits.events_max=5000000",
            ]),
            name,
        );
        assert_eq!(usual, other, "a cut of 20 s is over before a node is marked NotReady");
    }

    #[test]
    fn independent_random_numbers_make_another_plan() {
        let digest = |changes: &[&str]| {
            let scenario = scenario(changes);
            let mut plan = plan(&scenario, &scenario.designs.iter().collect::<Vec<_>>());
            plan.input_digest.clear();
            plan.digest()
        };
        assert_ne!(digest(&[]), digest(&["random_numbers=independent"]));
        assert_eq!(digest(&[]), digest(&["random_numbers=common"]));
    }

    #[test]
    fn points_after_the_first_name_only_the_parameters_that_differ() {
        let scenario = scenario(&[]);
        let designs: Vec<&Design> = scenario.designs.iter().collect();
        let planned = plan(&scenario, &designs).designs;
        assert!(planned[0].parameters.len() > 50 && planned[1].parameters.is_empty());
        assert!(planned[16].parameters.len() > planned[0].parameters.len());
        assert_eq!(planned[17].base(), "istio-only");
        let levels: Vec<(&str, &str)> = planned[17]
            .factors
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        assert_eq!(levels, [("cut", "10s"), ("prefix", "25")]);
        let alone = plan(&scenario, &designs[1..2]).designs;
        assert_eq!(alone[0].parameters, planned[0].parameters);
    }

    /// Blueprints come and go, and points are independent of which were made before.
    #[test]
    fn a_point_gives_the_same_run_whatever_was_made_before_it() {
        let scenario = scenario(&[]);
        let simulator = simulator(&scenario);
        let mut kept = simulator.blueprints.lock().unwrap();
        let nothing = Arc::new(Blueprint::new(scenario.designs[0].world.clone()));
        for other in 0..2 * BLUEPRINTS_MAX {
            kept.keep(1000 + other, Arc::clone(&nothing));
        }
        assert_eq!(kept.kept.len(), BLUEPRINTS_MAX);
        drop(kept);
        for design in [0, 47, 0, 17] {
            let alone = Simulator::new(scenario.seed, &scenario.seed_group, [&scenario.designs[design]]);
            let (a, b) = (simulator.run(design, 5), alone.run(0, 5));
            assert_eq!(a.run.fingerprint, b.run.fingerprint);
            assert_eq!((a.pods, a.accesses), (b.pods, b.accesses));
        }
    }
}
