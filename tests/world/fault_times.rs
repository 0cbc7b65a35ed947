//! When faults start and end: because of what happens, while a condition holds, again and again, and at places drawn at random.

use std::collections::BTreeMap;

use meshfault::cluster::faults::cut::CutMode;
use meshfault::cluster::faults::form::Amount;
use meshfault::cluster::faults::place::Where;
use meshfault::cluster::faults::when::{Condition, Event, Occurrence, Repeats};
use meshfault::cluster::faults::{FaultSpec, When};
use meshfault::cluster::ids::{FaultId, KindId, NodeId};
use meshfault::cluster::party::PartyKind;
use meshfault::cluster::records::ExitCause;
use meshfault::cluster::spec::{Step, WorldSpec};
use meshfault::kernel::{Distribution, SimDuration, SimTime};

use crate::support::{Bench, Lab, at, cut, cuts, measured, on_node, pause, s, workload, z_of_share};

/// A cut of the kubelet of the second worker.
fn fault(name: &str, when: When) -> FaultSpec {
    let fault = cuts(name, on_node(2), &[PartyKind::Kubelet], CutMode::Drop);
    FaultSpec { when, ..fault }
}

/// Fifteen pods that are applied at 5 s, with these faults.
fn lab(horizon_s: f64, faults: impl Fn(&WorldSpec) -> Vec<FaultSpec>) -> Lab {
    let alter = |world: &mut WorldSpec| {
        let sleep = workload(world, "sleep");
        cut(world, 0).whom.parties.clear();
        world.faults.extend(faults(world));
        world.script = vec![
            pause(5.0),
            Step::StartFault { fault: 0 },
            Step::Apply { workloads: vec![sleep] },
        ];
        world.horizon = at(horizon_s);
    };
    Bench::of("one-istiod-of-three", &[])
        .only("control")
        .edit(alter)
        .ready()
}

/// When the faults of a run started (`true`) and ended, by name.
fn changes(lab: &Lab, replication: u64) -> BTreeMap<String, Vec<(bool, SimTime)>> {
    let mut changes = BTreeMap::new();
    let told = lab.told(replication);
    let dossier = told.dossier.expect("there is a story");
    for fault in &dossier.faults {
        let all: &mut Vec<_> = changes.entry(fault.fault.clone()).or_default();
        all.push((fault.begins, fault.time));
    }
    changes
}

const fn occurrence(event: Event, count: u32, wait: SimDuration) -> Option<Occurrence> {
    Some(Occurrence { event, count, wait })
}

#[test]
fn a_fault_starts_after_the_kth_event_and_ends_after_another() {
    let lab = lab(200.0, |world| {
        let sleep = KindId(workload(world, "sleep") as u32);
        let third = When {
            after: occurrence(Event::PodReady(sleep), 3, s(2.0)),
            until: occurrence(Event::NodeNotReady(NodeId(2)), 1, s(1.5)),
            ..When::default()
        };
        let reports = When {
            after: occurrence(Event::FaultEnds(FaultId(1)), 1, SimDuration::ZERO),
            ..When::default()
        };
        vec![fault("third", third), fault("follows", reports)]
    });
    for replication in 0..4 {
        let outcome = lab.one(replication);
        let mut ready: Vec<SimTime> = measured(&outcome)
            .filter_map(|pod| (pod.exit_cause == ExitCause::Ready).then_some(pod.exit))
            .collect();
        ready.sort_unstable();
        let changes = changes(&lab, replication);
        let [(true, start), (false, end)] = changes["third"].as_slice() else {
            panic!("{changes:?}");
        };
        assert_eq!(*start, ready[2] + s(2.0));
        let told = lab.told(replication);
        let dossier = told.dossier.expect("there is a story");
        let silent = dossier.given_up.first().expect("the node is marked NotReady");
        assert_eq!(*end, silent.at + s(1.5));
        assert_eq!(
            changes["follows"],
            [(true, *end)],
            "a fault that ended before starts another at the same instant"
        );
    }
}

#[test]
fn a_fault_acts_while_another_one_does() {
    let lab = lab(400.0, |_| {
        let timed = |from: f64| When {
            starts_at: Some(at(from)),
            duration: Some(s(20.0)),
            ..When::default()
        };
        let holds = |condition| When {
            holds: Some(condition),
            ..When::default()
        };
        vec![
            fault("lead", timed(50.0)),
            fault("shadow", holds(Condition::Fault(FaultId(1)))),
            fault("deep", holds(Condition::Fault(FaultId(2)))),
            fault("never", holds(Condition::NotReady(NodeId(1)))),
        ]
    });
    let changes = changes(&lab, 0);
    let expected = vec![(true, at(50.0)), (false, at(70.0))];
    for name in ["lead", "shadow", "deep"] {
        assert_eq!(changes[name], expected, "{name}");
    }
    assert!(!changes.contains_key("never"));
}

#[test]
fn failures_and_repairs_have_their_distributions() {
    let mean = 50.0;
    let to_failure = Distribution::Exponential {
        mean: s(mean),
        max: s(mean * 40.0),
    };
    let lab = lab(3_000.0, |_| {
        let endless = Repeats {
            to_failure,
            to_repair: Distribution::Constant(s(10.0)),
            times: None,
        };
        let twice = Repeats {
            times: Some(2),
            ..endless
        };
        let when = |repeats| When {
            starts_at: Some(at(100.0)),
            repeats: Some(repeats),
            ..When::default()
        };
        vec![fault("endless", when(endless)), fault("twice", when(twice))]
    });
    let (mut gaps, mut runs) = (Vec::new(), 0);
    for replication in 0..20 {
        let changes = changes(&lab, replication);
        let endless = &changes["endless"];
        assert!(endless[0].1 >= at(100.0));
        for pair in endless.windows(2) {
            let gap = pair[1].1.since(pair[0].1).as_secs_f64();
            assert_ne!(pair[0].0, pair[1].0, "a start follows an end");
            if pair[0].0 {
                assert!((gap - 10.0).abs() < 1e-9, "{gap}");
            } else {
                gaps.push(gap);
            }
        }
        assert!(changes["twice"].iter().filter(|(begins, _)| *begins).count() <= 2);
        runs += 1;
    }
    let n = gaps.len() as f64;
    let z = (gaps.iter().sum::<f64>() / n - mean) / (mean / n.sqrt());
    eprintln!("{runs} runs, {n} gaps, z {z:.2}");
    assert!(n > 500.0 && z.abs() < 4.0, "{n} {z}");
    // Runs differ, and a run repeated does not.
    assert_eq!(changes(&lab, 3), changes(&lab, 3));
    assert_ne!(changes(&lab, 3), changes(&lab, 4));
}

#[test]
fn places_are_drawn_with_equal_chance() {
    let alter = |world: &mut WorldSpec| {
        world.nodes = 7;
        let when = When {
            starts_at: Some(at(10.0)),
            repeats: Some(Repeats {
                to_failure: Distribution::Constant(s(1.0)),
                to_repair: Distribution::Constant(s(1.0)),
                times: Some(100),
            }),
            ..When::default()
        };
        let fault = FaultSpec {
            when,
            ..cuts(
                "some",
                Where::Nodes((1..7).map(NodeId).collect()),
                &[PartyKind::ServiceProxy],
                CutMode::Drop,
            )
        };
        world.faults.push(fault);
        let last = world.faults.len() - 1;
        cut(world, last).whom.pick = Some(Amount::Share(0.3));
        world.horizon = at(300.0);
    };
    let lab = Bench::of("one-istiod-of-three", &[])
        .only("control")
        .edit(alter)
        .ready();
    let (mut taken, mut starts): (BTreeMap<String, usize>, usize) = (BTreeMap::new(), 0);
    for replication in 0..6 {
        let told = lab.told(replication);
        let dossier = told.dossier.expect("there is a story");
        for fault in dossier
            .faults
            .iter()
            .filter(|fault| fault.fault == "some" && fault.begins)
        {
            // 30% of six, rounded up.
            assert_eq!(fault.parties.len(), 2, "{:?}", fault.parties);
            fault
                .parties
                .iter()
                .for_each(|party| *taken.entry(party.of.clone()).or_default() += 1);
            starts += 1;
        }
    }
    assert_eq!((starts, taken.len()), (600, 6));
    for (node, times) in taken {
        let z = z_of_share(times, starts, 1.0 / 3.0);
        assert!(z.abs() < 4.0, "{node}: {times} of {starts}, z {z}");
    }
}
