//! Factors from the file to the list of points: order, names, steps, samples, constraints, and that the text of a level is
//! what is run.

use std::path::Path;

use super::{Chance, POINTS_MAX};
use crate::cluster::spec::Step;
use crate::kernel::SimDuration;
use crate::scenario::material::Origin;
use crate::scenario::overrides::Overrides;
use crate::scenario::{Design, Scenario, embedded, read};

/// An experiment of two designs, `with` and `without` Istio, with these factors.
fn scenario(factors: &str, without: &str, changes: &[&str]) -> Result<Scenario, String> {
    let text = embedded::text("experiments/istiod-cut-off.yaml").expect("it is built in");
    let (head, _) = text.split_once("designs:\n").expect("it has designs");
    let text = format!(
        "{head}{factors}\ndesigns:\n  - name: with\n  - name: without\n    cluster: {{istio: none}}\n    \
         policies_in_force: [network]\n    faults: {{cut-node: {{cut: {{parties: [kubelet, cilium_agent]}}}}}}\n{without}"
    );
    let overrides = Overrides::parse(changes).map_err(|error| error.to_string())?;
    read(Path::new("experiments/f.yaml"), text, Origin::Embedded, &overrides)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

fn of_file(factors: &str) -> Scenario {
    scenario(factors, "", &[]).unwrap_or_else(|errors| panic!("{errors}"))
}

fn names(scenario: &Scenario) -> Vec<&str> {
    scenario.designs.iter().map(|design| design.name.as_str()).collect()
}

/// The levels of a factor at the points of the first design.
fn levels<'s>(scenario: &'s Scenario, factor: &str) -> Vec<&'s str> {
    let first = scenario.designs.iter().filter(|design| design.design == "with");
    first.map(|design| design.factors[factor].as_str()).collect()
}

#[test]
fn the_list_goes_through_designs_then_points_and_the_last_factor_varies_fastest() {
    let factors =
        "factors:\n  gap: {set: options.gap, values: [5s, 1m30s]}\n  nodes: {set: cluster.nodes, values: [4, 40]}";
    let found = of_file(factors);
    assert_eq!(
        names(&found),
        [
            "with@gap=5s,nodes=4",
            "with@gap=5s,nodes=40",
            "with@gap=1m30s,nodes=4",
            "with@gap=1m30s,nodes=40",
            "without@gap=5s,nodes=4",
            "without@gap=5s,nodes=40",
            "without@gap=1m30s,nodes=4",
            "without@gap=1m30s,nodes=40",
        ]
    );
    assert_eq!(found.warnings, Vec::<String>::new());
    let design = &found.designs[3];
    assert_eq!(
        (design.design.as_str(), design.title.as_str()),
        ("with", "with: gap 1m30s, nodes 40")
    );
    assert_eq!(design.world.nodes, 40);
    let mut steps = design.world.script.iter();
    let of_level = |step: &Step| matches!(step, Step::Pause { duration } if *duration == SimDuration::from_secs(90));
    assert!(steps.any(of_level));
}

#[test]
fn without_factors_a_design_is_one_point_of_its_own_name() {
    let found = of_file("");
    assert_eq!(names(&found), ["with", "without"]);
    assert!(found.designs[0].factors.is_empty());
}

#[test]
fn steps_of_a_range_are_linear_or_logarithmic_and_keep_the_unit() {
    let steps = |range: &str| {
        let found = of_file(&format!("factors:\n  x: {{set: options.gap, {range}}}"));
        levels(&found, "x").join(" ")
    };
    assert_eq!(steps("from: 10s, to: 40s, steps: 4"), "10s 20s 30s 40s");
    assert_eq!(steps("from: 1s, to: 2s, steps: 4"), "1s 1.33333s 1.66667s 2s");
    assert_eq!(
        steps("from: 1ms, to: 1000ms, steps: 4, scale: log"),
        "1ms 10ms 100ms 1000ms"
    );
    assert_eq!(
        steps("from: 0.50s, to: 5.0s, steps: 3, scale: log"),
        "0.50s 1.58114s 5.0s"
    );
    let nodes = of_file("factors:\n  x: {set: cluster.nodes, from: 4, to: 400, steps: 5, scale: log}");
    assert_eq!(levels(&nodes, "x"), ["4", "13", "40", "126", "400"]);
}

#[test]
fn a_level_reaches_what_the_command_line_reaches() {
    let factors = "
churn:
  - {rate: 1/s, lifetime: 60s, for: 5m}
factors:
  grace: {set: kubernetes.node_monitor_grace_period, values: [20s]}
  kept: {set: faults.cut-node.for, values: [30s]}
  mode: {set: faults.cut-node.cut.mode, values: [drop]}
  rate: {set: churn.rate, values: [30/min]}
  cilium: {set: cilium, values: [\"1.15.0\"]}
";
    let world = &of_file(factors).designs[0].world;
    assert_eq!(world.kubernetes.node_monitor_grace_period, SimDuration::from_secs(20));
    assert_eq!(world.faults[0].when.duration, Some(SimDuration::from_secs(30)));
    assert_eq!(world.faults[0].kind.words().word, "drop");
    assert_eq!(world.churn[0].rate_per_s, 0.5);
    assert!(world.cilium.wireguard_encapsulates);
    let overridden = of_file(factors).designs[0]
        .parameters
        .iter()
        .find(|p| p.overridden)
        .cloned();
    let overridden = overridden.expect("a factor overrides a parameter");
    assert!(overridden.source.starts_with("f.yaml:"), "{}", overridden.source);
}

#[test]
fn a_constraint_excludes_points_of_the_designs_that_take_its_factors() {
    let factors = "
factors:
  nodes: {set: cluster.nodes, values: [4, 7, 10]}
  istiods: {set: cluster.istio.replicas, values: [1, 2, 3]}
constraints: [\"nodes - 1 >= 3 * istiods\"]
";
    let found = scenario(factors, "    factors: [nodes]\n", &[]).expect("the factors are right");
    assert_eq!(
        names(&found),
        [
            "with@nodes=4,istiods=1",
            "with@nodes=7,istiods=1",
            "with@nodes=7,istiods=2",
            "with@nodes=10,istiods=1",
            "with@nodes=10,istiods=2",
            "with@nodes=10,istiods=3",
            "without@nodes=4",
            "without@nodes=7",
            "without@nodes=10",
        ]
    );
    assert_eq!(found.excluded, 3);
    let idle = scenario(&factors.replace("nodes - 1", "nodes + 90"), "    factors: []\n", &[]).expect("as before");
    assert_eq!(idle.designs.last().map(|design| design.name.as_str()), Some("without"));
    let warning = idle.warnings.first().expect("the constraint is idle");
    assert!(
        warning.ends_with("the constraint `nodes + 90 >= 3 * istiods` excludes nothing"),
        "{warning}"
    );
}

#[test]
fn a_latin_hypercube_puts_one_level_into_each_part_of_each_range() {
    let factors = "
factors:
  gap: {set: options.gap, from: 0s, to: 64s}
  grace: {set: kubernetes.node_monitor_grace_period, from: 20s, to: 2000s, scale: log}
sampling: {method: latin_hypercube, points: 64}
";
    let found = of_file(factors);
    let parts = |factor: &str, part: &dyn Fn(f64) -> f64| {
        let levels = levels(&found, factor);
        let number = |level: &&str| level.trim_end_matches('s').parse::<f64>().expect("a number of seconds");
        let mut parts: Vec<i64> = levels.iter().map(|level| part(number(level)) as i64).collect();
        parts.sort_unstable();
        parts
    };
    let all: Vec<i64> = (0..64).collect();
    assert_eq!(parts("gap", &|s| s), all);
    assert_eq!(parts("grace", &|s| 64.0 * libm::log10(s / 20.0) / 2.0), all);
    assert_eq!(names(&found), names(&of_file(factors)));
    let other = scenario(factors, "", &["seed=2"]).expect("the factors are right");
    assert_ne!(names(&found), names(&other));
    // A design that takes one of them has the same levels in the same order.
    let part = scenario(factors, "    factors: [gap]\n", &[]).expect("the factors are right");
    let of_second: Vec<&str> = part.designs[64..].iter().map(|d| d.factors["gap"].as_str()).collect();
    assert_eq!(of_second, levels(&found, "gap"));
}

#[test]
fn sobol_points_without_a_shift_are_the_published_ones() {
    let factors = "
factors:
  gap: {set: options.gap, from: 0s, to: 8s}
  qps: {set: kubernetes.lease_renew_jitter_ratio, from: 0, to: 0.8}
sampling: {method: sobol, points: 8, shift: false}
";
    let found = of_file(factors);
    assert_eq!(levels(&found, "gap"), ["0s", "4s", "6s", "2s", "3s", "7s", "5s", "1s"]);
    assert_eq!(
        levels(&found, "qps"),
        ["0", "0.4", "0.2", "0.6", "0.3", "0.7", "0.1", "0.5"]
    );
    let shifted = of_file(&factors.replace(", shift: false", ""));
    assert_ne!(names(&found), names(&shifted));
    let uneven = of_file(&factors.replace("points: 8", "points: 9"));
    let warning = uneven.warnings.first().expect("nine is not a power of two");
    assert!(
        warning.contains("not a power of two") && warning.ends_with("take 8 or 16"),
        "{warning}"
    );
}

#[test]
fn whole_samples_give_each_number_its_share_and_leave_repetitions_out() {
    let factors = "
factors:
  nodes: {set: cluster.nodes, from: 4, to: 7}
sampling: {method: sobol, points: 64}
";
    let found = of_file(factors);
    let mut seen = levels(&found, "nodes");
    seen.sort_unstable();
    assert_eq!(seen, ["4", "5", "6", "7"]);
    assert!(
        found.warnings[0].contains("60 points of the sample repeat"),
        "{:?}",
        found.warnings
    );
}

#[test]
fn a_sample_is_crossed_with_lists() {
    let factors = "
factors:
  gap: {set: options.gap, from: 0s, to: 8s}
  nodes: {set: cluster.nodes, values: [4, 5]}
  rollout: {set: options.rollout_deadline, from: 8m, to: 16m}
sampling: {method: sobol, points: 2, shift: false}
";
    assert_eq!(
        names(&of_file(factors))[..4],
        [
            "with@gap=0s,nodes=4,rollout=8m",
            "with@gap=0s,nodes=5,rollout=8m",
            "with@gap=4s,nodes=4,rollout=12m",
            "with@gap=4s,nodes=5,rollout=12m",
        ]
    );
}

#[test]
fn the_command_line_cannot_set_what_a_factor_varies() {
    let factors = "factors:\n  gap: {set: options.gap, values: [5s, 9s]}";
    let error = scenario(factors, "", &["options.gap=1s"]).expect_err("two masters");
    assert!(
        error.contains("--set options.gap: the factor `gap` varies it"),
        "{error}"
    );
    assert!(scenario(factors, "", &["cluster.nodes=40"]).is_ok());
}

#[test]
fn random_numbers_are_common_unless_independent_ones_are_asked_for() {
    let factors = "factors:\n  gap: {set: options.gap, values: [5s, 9s]}";
    let group = |design: &Design| design.seed_group("g");
    let common = of_file(factors);
    assert!(common.designs.iter().all(|design| group(design) == "g"));
    let own = scenario(factors, "", &["random_numbers=independent"]).expect("the factors are right");
    let groups: Vec<String> = own.designs.iter().map(group).collect();
    assert_eq!(
        groups,
        ["g/with@gap=5s", "g/with@gap=9s", "g/without@gap=5s", "g/without@gap=9s"]
    );
}

#[test]
fn points_share_manifests_and_equal_parameters() {
    let found = of_file("factors:\n  grace: {set: kubernetes.node_monitor_grace_period, values: [20s, 50s]}");
    let [a, b, ..] = &found.designs[..] else {
        panic!("there are four points");
    };
    assert!(std::sync::Arc::ptr_eq(&a.world.workloads, &b.world.workloads));
    let pairs = a.parameters.iter().zip(&b.parameters);
    let own: Vec<&str> = pairs
        .filter(|(a, b)| !std::sync::Arc::ptr_eq(a, b))
        .map(|(a, _)| a.name.as_str())
        .collect();
    assert_eq!(own, ["kubernetes.node_monitor_grace_period"]);
}

#[test]
fn as_many_points_as_are_allowed_are_read_in_seconds() {
    let factors = format!(
        "factors:\n  gap: {{set: options.gap, from: 1s, to: 9s, steps: {}}}",
        POINTS_MAX / 2
    );
    assert_eq!(of_file(&factors).designs.len(), POINTS_MAX);
}

#[test]
fn a_further_sampled_factor_moves_no_other_one() {
    let chance = Chance {
        seed: 1,
        seed_group: "g",
    };
    let one = super::sobol::points(4, &[5]);
    let two = super::sobol::points(4, &[5, 9]);
    assert!(one.iter().zip(&two).all(|(one, two)| one[0] == two[0]));
    let latin = super::latin::points(1, &["a"], chance);
    assert_eq!(latin[0][0], super::latin::points(1, &["a", "b"], chance)[0][0]);
}
