//! What the tests of the world share: altered experiments, runs of them, and agreement in standard errors.
//!
//! A statistical test here is decided once and for all by its fixed seed: it accepts within four standard errors, and a
//! power check shows that the same data would refute a parameter that is wrong by 5 to 10%.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use meshfault::cluster::fault::FaultHandler;
use meshfault::cluster::faults::cut::{Cut, CutMode};
use meshfault::cluster::faults::node_down::NodeDown;
use meshfault::cluster::faults::place::{Where, Whom};
use meshfault::cluster::faults::{FaultKind, FaultSpec, When};
use meshfault::cluster::ids::{IstiodId, NodeId};
use meshfault::cluster::party::PartyKind;
use meshfault::cluster::records::{Outcome, PodRecord};
use meshfault::cluster::spec::{Step, TieRule, WorldSpec};
use meshfault::kernel::{SimDuration, SimTime};
use meshfault::lab::designs::{Simulator, plan};
use meshfault::lab::progress::progress_bar;
use meshfault::lab::verify::{Report, verify};
use meshfault::policy::NetworkPolicies;
use meshfault::scenario::overrides::Overrides;
use meshfault::scenario::{Design, Scenario};
use meshfault::story::ToldRun;

/// Every agreement is accepted within so many standard errors.
pub const Z_MAX: f64 = 4.0;

/// Designs of a built-in experiment, to be altered before they run.
pub struct Bench {
    scenario: Scenario,
    seed: u64,
}

impl Bench {
    /// All designs of a built-in experiment, with changes as on the command line.
    pub fn of(experiment: &str, changes: &[&str]) -> Self {
        let overrides = Overrides::parse(changes).expect("the changes of a test are well formed");
        let scenario =
            Scenario::built_in(experiment, &overrides).unwrap_or_else(|errors| panic!("{experiment}: {errors:?}"));
        let seed = scenario.seed;
        Self { scenario, seed }
    }

    /// All designs of an experiment of `tests/fixtures/cases`, with changes as on the command line.
    pub fn case(name: &str, changes: &[&str]) -> Self {
        Self::load(&case_path(name), changes)
    }

    /// All designs of an experiment on disk, with changes as on the command line.
    pub fn load(path: &Path, changes: &[&str]) -> Self {
        Self::allowed_values(path, changes).unwrap_or_else(|errors| panic!("{}: {errors}", path.display()))
    }

    /// The same, or why the changes are refused.
    pub fn allowed_values(path: &Path, changes: &[&str]) -> Result<Self, String> {
        let overrides = Overrides::parse(changes).expect("the changes of a test are well formed");
        let scenario = Scenario::load(path, &overrides).map_err(|errors| format!("{errors:?}"))?;
        let seed = scenario.seed;
        Ok(Self { scenario, seed })
    }

    /// What is said of the experiment before it runs.
    pub fn warnings(&self) -> &[String] {
        &self.scenario.warnings
    }

    /// The description of a design.
    pub fn world(&self, design: usize) -> &WorldSpec {
        &self.scenario.designs[design].world
    }

    /// Keeps only this design.
    pub fn only(mut self, design: &str) -> Self {
        self.scenario.designs.retain(|other| other.name == design);
        assert_eq!(self.scenario.designs.len(), 1, "there is no design {design}");
        self
    }

    /// With another seed.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Alters all designs.
    pub fn edit(mut self, change: impl Fn(&mut WorldSpec)) -> Self {
        self.scenario
            .designs
            .iter_mut()
            .for_each(|design| change(&mut design.world));
        self
    }

    /// The network's policies of the experiment.
    pub fn policies(&self) -> Arc<NetworkPolicies> {
        Arc::clone(&self.scenario.designs[0].world.network_policies)
    }

    /// The order of ties that the experiment wants.
    pub fn tie_order(&self) -> TieRule {
        self.scenario.tie_order
    }

    /// The simulator of the designs, with a handler of faults of a test's own.
    pub fn simulator(&self, faults: FaultHandler) -> Simulator {
        Simulator::new(self.seed, &self.scenario.seed_group, &self.scenario.designs).with_faults(faults)
    }

    /// What `verify` finds in so many replications on so many threads.
    pub fn verified(&self, replications: u64, jobs: usize, faults: FaultHandler) -> Report {
        let designs: Vec<&Design> = self.scenario.designs.iter().collect();
        let mut plan = plan(&self.scenario, &designs);
        plan.replications = replications;
        let progress = progress_bar(0, true);
        let found = verify(&plan, &self.simulator(faults), jobs, None, &progress);
        found.expect("there are threads").0
    }

    /// Ready to run.
    pub fn ready(&self) -> Lab {
        let designs = &self.scenario.designs;
        Lab {
            names: designs.iter().map(|design| design.name.clone()).collect(),
            simulator: Simulator::new(self.seed, &self.scenario.seed_group, designs),
        }
    }
}

/// The file of an experiment of `tests/fixtures/cases`.
pub fn case_path(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cases");
    folder.join(format!("{name}.yaml"))
}

/// Designs that are ready to run.
pub struct Lab {
    names: Vec<String>,
    simulator: Simulator,
}

impl Lab {
    /// Names of the designs.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    fn design(&self, name: &str) -> usize {
        let found = self.names.iter().position(|other| other == name);
        found.unwrap_or_else(|| panic!("there is no design {name} among {:?}", self.names))
    }

    /// One run of a design that must not fail.
    pub fn run(&self, design: &str, replication: u64) -> Outcome {
        checked(self.simulator.run(self.design(design), replication))
    }

    /// One run of a design that must not fail, with its story.
    pub fn run_told(&self, design: &str, replication: u64) -> ToldRun {
        checked_told(self.simulator.told(self.design(design), replication))
    }

    /// One run of the only design.
    pub fn one(&self, replication: u64) -> Outcome {
        checked(self.simulator.run(0, replication))
    }

    /// One run of the only design, with its story.
    pub fn told(&self, replication: u64) -> ToldRun {
        checked_told(self.simulator.told(0, replication))
    }
}

fn checked(outcome: Outcome) -> Outcome {
    assert_eq!(outcome.run.failure, None);
    outcome
}

fn checked_told(told: ToldRun) -> ToldRun {
    assert_eq!(told.run.failure, None);
    told
}

/// A span in seconds.
pub fn s(seconds: f64) -> SimDuration {
    SimDuration::from_secs_f64(seconds)
}

/// A point of the run in seconds.
pub fn at(seconds: f64) -> SimTime {
    SimTime::ZERO + s(seconds)
}

/// A pause of the script.
pub fn pause(seconds: f64) -> Step {
    Step::Pause { duration: s(seconds) }
}

/// The index of a workload.
pub fn workload(world: &WorldSpec, name: &str) -> usize {
    let found = world.workloads.iter().position(|workload| workload.name == name);
    found.unwrap_or_else(|| panic!("there is no workload {name}"))
}

/// The cut that a fault is.
pub fn cut(world: &mut WorldSpec, fault: usize) -> &mut Cut {
    match &mut world.faults[fault].kind {
        FaultKind::Cut(cut) => cut,
        other => panic!("{other:?} is no cut"),
    }
}

/// A cut of parties at a place, from a step of the script on.
pub fn cuts(name: &str, place: Where, parties: &[PartyKind], mode: CutMode) -> FaultSpec {
    let parties = parties.to_vec();
    FaultSpec {
        name: name.to_owned(),
        when: When::default(),
        kind: FaultKind::Cut(Cut {
            whom: Whom {
                place,
                pick: None,
                parties,
            },
            mode,
        }),
    }
}

/// A loss of power at a place, from a step of the script on.
pub fn takes_down(name: &str, place: Where) -> FaultSpec {
    let whom = Whom {
        place,
        pick: None,
        parties: vec![PartyKind::Node],
    };
    FaultSpec {
        name: name.to_owned(),
        when: When::default(),
        kind: FaultKind::NodeDown(NodeDown { whom }),
    }
}

/// A place: one node.
pub fn on_node(node: u32) -> Where {
    Where::Nodes(vec![NodeId(node)])
}

/// A place: the first Istiod.
pub fn at_first_istiod() -> Where {
    Where::Istiods(vec![IstiodId(0)])
}

/// The only fault cuts a node by its index, whoever runs there.
pub fn cut_node(world: &mut WorldSpec, node: u32) {
    cut(world, 0).whom.place = on_node(node);
}

/// Measured pods.
pub fn measured(outcome: &Outcome) -> impl Iterator<Item = &PodRecord> {
    outcome.pods.iter().filter(|pod| pod.measured)
}

/// Seconds between two points, the first one earlier.
pub fn between(from: SimTime, to: SimTime) -> f64 {
    assert!(from <= to, "{from:?} comes after {to:?}");
    to.since(from).as_secs_f64()
}

/// How far a share of independent trials lies from its expectation, in standard errors.
pub fn z_of_share(hits: usize, trials: usize, expected: f64) -> f64 {
    let error = (expected * (1.0 - expected) / trials as f64).sqrt();
    (hits as f64 / trials as f64 - expected) / error
}

/// How far a mean of independent values lies from its expectation, in standard errors.
pub fn z_of_mean(values: &[f64], expected: f64) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (n - 1.0);
    (mean - expected) / (variance / n).sqrt()
}

/// How far a ratio of sums over independent runs lies from its expectation: what runs share is in the error, too.
pub fn z_over_runs(runs: &[(usize, usize)], expected: f64) -> f64 {
    let of_run = |&(hits, of): &(usize, usize)| hits as f64 - expected * of as f64;
    let residuals: Vec<f64> = runs.iter().map(of_run).collect();
    z_of_mean(&residuals, 0.0)
}

/// The empirical quantile: the smallest value that at least this share of the values does not exceed.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (share * values.len() as f64).ceil() as usize;
    values[rank.clamp(1, values.len()) - 1]
}

/// Accepts within four standard errors, and insists that a parameter off by the given factors would have been refused.
pub fn agrees(what: &str, expected: f64, z: impl Fn(f64) -> f64) {
    let (here, low, high) = (z(expected), z(expected * 0.93), z(expected * 1.07));
    eprintln!("{what}: z = {here:.2}, 7% off: {low:.1} and {high:.1}");
    assert!(here.abs() <= Z_MAX, "{what}: z = {here}");
    assert!(
        low.abs() > Z_MAX && high.abs() > Z_MAX,
        "{what} has no power: {low}, {high}"
    );
}

/// The two-sided probability of a count at least as far out as this one, among independent trials: twice the smaller tail.
pub fn binomial_p(hits: usize, trials: usize, share: f64) -> f64 {
    let ways = |k: usize| (1..=k).fold(1.0, |ways, i| ways * (trials - k + i) as f64 / i as f64);
    let term = |k: usize| ways(k) * libm::pow(share, k as f64) * libm::pow(1.0 - share, (trials - k) as f64);
    let below: f64 = (0..=hits).map(term).sum();
    let above: f64 = (hits..=trials).map(term).sum();
    (2.0 * below.min(above)).min(1.0)
}

/// The Kolmogorov-Smirnov distance of two samples; values that never came are infinite.
pub fn ks_distance(one: &[f64], other: &[f64]) -> f64 {
    let at_most =
        |values: &[f64], x: f64| values.iter().filter(|value| **value <= x).count() as f64 / values.len() as f64;
    let finite = one.iter().chain(other).filter(|value| value.is_finite());
    finite
        .map(|&x| (at_most(one, x) - at_most(other, x)).abs())
        .fold(0.0, f64::max)
}
