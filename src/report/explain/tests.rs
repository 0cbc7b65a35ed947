//! Snapshots of stories, and that asking for one changes nothing.

use super::{Told, page, render};
use crate::cluster::records::{LayerDecision, Outcome};
use crate::lab::designs::Simulator;
use crate::report::figures::timeline;
use crate::report::timeline_of_run;
use crate::scenario::Scenario;
use crate::scenario::overrides::Overrides;

fn run(experiment: &str, design: &str, replication: u64, story: bool) -> (Scenario, usize, Outcome) {
    let scenario = Scenario::built_in(experiment, &Overrides::parse::<&str>(&[]).unwrap()).unwrap();
    let number = scenario.designs.iter().position(|known| known.name == design).unwrap();
    let simulator = Simulator::new(scenario.seed, &scenario.seed_group, &scenario.designs);
    let outcome = simulator.run(number, replication, story);
    (scenario, number, outcome)
}

fn with_told<T>(experiment: &str, design: &str, replication: u64, use_it: impl Fn(&Told) -> T) -> T {
    let (scenario, number, outcome) = run(experiment, design, replication, true);
    let command = super::command(&format!("meshfault explain {experiment}"), design, replication, &[]);
    use_it(&Told {
        experiment,
        design,
        title: &scenario.designs[number].title,
        replication,
        seed: scenario.seed,
        command: &command,
        outcome: &outcome,
    })
}

fn text(experiment: &str, design: &str, replication: u64) -> String {
    let text = with_told(experiment, design, replication, render);
    assert!(
        text.lines().all(|line| line.chars().count() <= page::WIDTH),
        "a line is too long:\n{text}"
    );
    text
}

#[test]
fn a_demonstration_is_told() {
    insta::assert_snapshot!(text("ip-reuse", "vxlan-wireguard-1.12", 0));
}

#[test]
fn a_bypass_of_the_network_with_slow_pods_of_both_mechanisms_is_told() {
    insta::assert_snapshot!(text("istiod-cut-off", "cilium-istio-1.21", 18));
}

#[test]
fn a_run_in_which_nothing_is_cut_is_told() {
    insta::assert_snapshot!(text("istiod-cut-off", "control", 0));
}

#[test]
fn a_run_without_probe_is_told() {
    insta::assert_snapshot!(text("one-istiod-of-three", "drop-sticky", 0));
}

#[test]
fn a_story_changes_no_byte_of_a_run() {
    for (experiment, design, replication) in [
        ("ip-reuse", "vxlan", 3),
        ("istiod-cut-off", "as-published", 5),
        ("one-istiod-of-three", "drop-redraw", 1),
    ] {
        let (_, _, without) = run(experiment, design, replication, false);
        let (_, _, with) = run(experiment, design, replication, true);
        assert!(without.dossier.is_none() && without.story.is_empty());
        assert!(with.dossier.is_some() && !with.story.is_empty());
        assert_eq!(without.run, with.run);
        assert_eq!(without.pods, with.pods);
        assert_eq!(without.accesses, with.accesses);
        assert_eq!(without.exposures, with.exposures);
    }
}

#[test]
fn what_was_decided_follows_from_what_the_node_believed() {
    // The dossier asks again, after the run; the run's own verdicts were taken while it went.
    for (design, replication) in [
        ("vxlan-wireguard-1.12", 0),
        ("vxlan", 1),
        ("native-routing", 2),
        ("control", 3),
    ] {
        let (_, _, outcome) = run("ip-reuse", design, replication, true);
        let requests = outcome.dossier.unwrap().requests;
        assert_eq!(requests.len(), outcome.accesses.len());
        for request in &requests {
            let verdict = request.passage.as_ref().and_then(|passage| passage.verdict.as_ref());
            if let Some(verdict) = verdict {
                let admitted = request.record.network_decided == Some(LayerDecision::Allow);
                assert_eq!(verdict.allowed, admitted, "{request:?}");
            }
        }
    }
}

#[test]
fn the_timeline_shows_belief_and_truth_of_the_probed_address() {
    let figure = with_told("ip-reuse", "vxlan-wireguard-1.12", 0, timeline_of_run::figure);
    let labels: Vec<&str> = figure.lanes.iter().map(|lane| lane.label.as_str()).collect();
    insta::assert_snapshot!(labels.join("\n"));
    assert!(figure.end_s > figure.start_s && figure.events.len() >= 5);
    assert_eq!(timeline(&figure).name, "timeline");
}
