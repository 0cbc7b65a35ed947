//! Replays with one thing changed, on the built-in experiments.

use super::{Effect, Happened, RepairBound, Replays, WhatIf};
use crate::cluster::records::{AccessClass, ExitCause, Outcome, PodRecord};
use crate::kernel::{SimDuration, SimTime};
use crate::lab::designs::Simulator;
use crate::scenario::Scenario;
use crate::scenario::overrides::Overrides;

fn load(experiment: &str, changes: &[String]) -> Option<Scenario> {
    Scenario::built_in(experiment, &Overrides::parse(changes).ok()?).ok()
}

fn again(experiment: &str, design: &str, replication: u64, changes: &[String]) -> Outcome {
    let scenario = load(experiment, changes).expect("the change is one that was tried");
    let design = scenario.designs.iter().find(|known| known.name == design).unwrap();
    Simulator::new(scenario.seed, &scenario.seed_group, [design]).run(0, replication)
}

fn asked(experiment: &str, design: &str, replication: u64, what: impl Fn(&Outcome) -> Happened) -> WhatIf {
    let scenario = load(experiment, &[]).unwrap();
    let number = scenario.designs.iter().position(|known| known.name == design).unwrap();
    let original = again(experiment, design, replication, &[]);
    let reload = |changes: &[String]| load(experiment, changes);
    Replays::new(&scenario, &scenario.designs[number], replication, &reload).what_if(&original, &what(&original))
}

fn breach(outcome: &Outcome) -> Happened {
    let mut accesses = outcome.accesses.iter();
    let bad = accesses.find(|access| access.class == AccessClass::Unauthorized);
    Happened::Access(bad.expect("this run has a breach").clone())
}

#[test]
fn a_repair_before_the_reuse_is_read_prevents_the_breach_and_a_tenth_later_does_not() {
    let answer = asked("ip-reuse", "vxlan-wireguard-1.12", 1, breach);
    let [repair] = answer.repairs.as_slice() else {
        panic!("{:?}", answer.repairs);
    };
    let RepairBound::Found {
        repaired,
        too_late,
        change,
        seen,
    } = &repair.bound
    else {
        panic!("{repair:?}");
    };
    assert_eq!(too_late.since(*repaired).as_nanos(), 100_000_000);
    assert!(seen.effect == Effect::Prevented && !answer.bounded);
    let has_breach = |set: &[String]| {
        let run = again("ip-reuse", "vxlan-wireguard-1.12", 1, set);
        run.accesses
            .iter()
            .any(|access| access.class == AccessClass::Unauthorized)
    };
    assert!(!has_breach(&change.set), "{change:?}");
    let later = too_late.since(repair.began).as_nanos() / 100_000_000;
    assert!(has_breach(&[format!(
        "faults.cut-node.for={}.{}s",
        later / 10,
        later % 10
    )]));
}

#[test]
fn switches_say_what_their_replays_showed() {
    let answer = asked("ip-reuse", "vxlan-wireguard-1.12", 1, breach);
    let prevented = |name: &str| {
        let found = answer.answers.iter().find(|answer| answer.switch.name == name);
        found.unwrap_or_else(|| panic!("{name} was not tried")).seen.effect == Effect::Prevented
    };
    assert!(prevented("identity in the tunnel") && prevented("Cilium 1.15") && prevented("no encryption"));
    // A cluster without the fault is no remedy.
    assert!(
        answer
            .answers
            .iter()
            .all(|answer| answer.switch.name != "design control")
    );
    for answer in &answer.answers {
        let run = again("ip-reuse", &answer.switch.change.design, 1, &answer.switch.change.set);
        let breached = run
            .accesses
            .iter()
            .any(|access| access.class == AccessClass::Unauthorized);
        assert_eq!(
            matches!(answer.seen.effect, Effect::Prevented | Effect::NotReached),
            !breached,
            "{}",
            answer.switch.name
        );
    }
    // Those that help come first.
    let order: Vec<Effect> = answer.answers.iter().map(|answer| answer.seen.effect).collect();
    assert!(order.is_sorted(), "{order:?}");
}

#[test]
fn nothing_prevents_what_no_cut_caused_by_repairing_one() {
    let answer = asked("one-istiod-of-three", "control", 0, |outcome| {
        Happened::SlowStart(Box::new(outcome.pods[0].clone()))
    });
    assert!(answer.repairs.is_empty());
}

/// What a run says about a start that took 120 s, if the pod was deleted, not being ready, so many seconds after it was desired.
#[test]
fn a_pod_that_is_deleted_late_was_slow_and_one_that_is_deleted_soon_shows_nothing() {
    let s = SimDuration::from_secs;
    let pod = |exit_cause, after: u64| PodRecord {
        pod: "client-1-0".to_owned(),
        exit_cause,
        exit: SimTime::ZERO + s(after),
        ..PodRecord::default()
    };
    let happened = Happened::SlowStart(Box::new(pod(ExitCause::Ready, 120)));
    let effect = |exit_cause, after| {
        let outcome = Outcome {
            pods: vec![pod(exit_cause, after)],
            ..Outcome::default()
        };
        happened.effect(&outcome, s(20))
    };
    assert_eq!(effect(ExitCause::Deleted, 5), Effect::Unknown);
    assert_eq!(effect(ExitCause::Deleted, 300), Effect::Happens);
    assert_eq!(effect(ExitCause::Ready, 5), Effect::Prevented);
    assert_eq!(happened.effect(&Outcome::default(), s(20)), Effect::Unknown);
}

#[test]
fn a_switch_and_a_design_that_make_the_same_runs_are_one_remedy() {
    let scenario = load("ip-reuse", &[]).unwrap();
    let native = scenario
        .designs
        .iter()
        .find(|design| design.name == "native-routing")
        .unwrap();
    let reload = |changes: &[String]| load("ip-reuse", changes);
    let runs: Vec<u64> = (0..4).collect();
    let found = super::remedies::of_design(&scenario, native, &runs, &reload);
    let names: Vec<&str> = found.remedies.iter().map(|remedy| remedy.name.as_str()).collect();
    // `vxlan` is what the switch makes of this design.
    assert!(
        names.contains(&"VXLAN") && !names.contains(&"design vxlan"),
        "{names:?}"
    );
    // That one differs in routing and in encryption at once, so it is no cure.
    assert!(!names.contains(&"design vxlan-wireguard-1.12"), "{names:?}");
}
