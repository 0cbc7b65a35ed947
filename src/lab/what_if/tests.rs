//! Replays with one thing changed, on the built-in experiments.

use super::{Effect, Happened, RepairBound, Replays, WhatIf};
use crate::cluster::records::{AccessClass, Outcome};
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
