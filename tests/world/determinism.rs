//! A run is a function of its number: nothing that is not part of the simulated world can change it.

use std::sync::Arc;

use meshfault::cluster::faults::cut::CutMode;
use meshfault::cluster::party::PartyKind;
use meshfault::cluster::records::{Outcome, PodRecord};
use meshfault::cluster::spec::{Measures, ServiceSpec, WorldSpec};
use meshfault::policy::{LabelSelector, Labels};
use meshfault::scenario::built_in_names;

use crate::support::{Bench, at, cuts, on_node, s};

/// Everything of two runs but their stories.
fn assert_same(left: &Outcome, right: &Outcome, what: &str) {
    assert_eq!(left.run, right.run, "{what}");
    assert_eq!(left.pods, right.pods, "{what}");
    assert_eq!(left.accesses, right.accesses, "{what}");
    assert_eq!(left.exposures, right.exposures, "{what}");
    assert_eq!(left.edges, right.edges, "{what}");
    assert_eq!(left.flows, right.flows, "{what}");
}

#[test]
fn a_run_is_the_same_twice_with_and_without_its_story() {
    for experiment in built_in_names() {
        let (lab, again) = (Bench::of(experiment, &[]).ready(), Bench::of(experiment, &[]).ready());
        for design in lab.names() {
            let first = lab.run(design, 17);
            // In another simulator, where no run was made before.
            assert_same(&first, &again.run(design, 17), design);
            let told = lab.run_told(design, 17);
            assert_same(&first, &told, design);
            assert!(!told.lines.is_empty());
            assert_eq!(told.lines, again.run_told(design, 17).lines);
        }
    }
}

#[test]
fn a_run_does_not_depend_on_the_runs_before_it() {
    let lab = Bench::of("istiod-cut-off", &[]).ready();
    let alone = lab.run("cilium-istio-1.21", 17);
    for replication in 0..17 {
        lab.run("cilium-istio-1.21", replication);
    }
    assert_same(&alone, &lab.run("cilium-istio-1.21", 17), "after 17 others");
}

#[test]
fn another_seed_and_another_number_are_other_runs() {
    let lab = Bench::of("ip-reuse", &[]).ready();
    let other = Bench::of("ip-reuse", &[]).seed(2).ready();
    let group = Bench::of("ip-reuse", &["seed_group=other"]).ready();
    let run = lab.run("vxlan", 0);
    for different in [lab.run("vxlan", 1), other.run("vxlan", 0), group.run("vxlan", 0)] {
        assert_ne!(run.run.fingerprint, different.run.fingerprint);
        assert_ne!(run.pods, different.pods);
    }
}

/// What components did: when pods went through what, and how accesses ended.
fn deeds(outcome: &Outcome) -> (Vec<PodRecord>, String) {
    let pods = outcome.pods.iter().map(|pod| PodRecord {
        // Which pods are measured is a question, too.
        measured: false,
        delayed_by: None,
        ..pod.clone()
    });
    (
        pods.collect(),
        format!("{:?} {:?}", outcome.accesses, outcome.run.node_given_up),
    )
}

#[test]
fn asking_is_free() {
    let questions: [fn(&mut WorldSpec); 4] = [
        |world| world.measures = Measures::default(),
        |world| world.measures.exposure_clients.clear(),
        |world| {
            world.measures.exposure_clients = (0..world.workloads.len()).collect();
            world.measures.exposure_servers = (0..world.workloads.len()).map(|server| (server, 8080)).collect();
        },
        |world| {
            world.measures.startup_workloads = (0..world.workloads.len()).collect();
            world.measures.startup_since_step = 0;
            world.measures.delayed_threshold = s(1.0);
        },
    ];
    for experiment in ["ip-reuse", "istiod-cut-off"] {
        let lab = Bench::of(experiment, &[]).ready();
        for (number, question) in questions.into_iter().enumerate() {
            let asked = Bench::of(experiment, &[]).edit(question).ready();
            for design in lab.names() {
                for replication in 0..4 {
                    let (plain, asked) = (lab.run(design, replication), asked.run(design, replication));
                    assert_eq!(
                        deeds(&plain),
                        deeds(&asked),
                        "{design}, question {number}, run {replication}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_fault_that_never_starts_changes_nothing() {
    let idle = |world: &mut WorldSpec| {
        let parties = [PartyKind::Kubelet, PartyKind::Agent, PartyKind::Istiod];
        let mut never = cuts("never", on_node(1), &parties, CutMode::Drop);
        never.when.duration = Some(s(10.0));
        world.faults.push(never);
    };
    for experiment in built_in_names() {
        let (lab, idle) = (
            Bench::of(experiment, &[]).ready(),
            Bench::of(experiment, &[]).edit(idle).ready(),
        );
        for design in lab.names() {
            assert_same(&lab.run(design, 3), &idle.run(design, 3), design);
        }
    }
}

#[test]
fn a_fault_without_targets_changes_no_pod() {
    let void = |world: &mut WorldSpec| {
        let mut fault = cuts("void", on_node(1), &[], CutMode::Drop);
        fault.when.starts_at = Some(at(20.0));
        world.faults.push(fault);
    };
    for experiment in built_in_names() {
        let (lab, void) = (
            Bench::of(experiment, &[]).ready(),
            Bench::of(experiment, &[]).edit(void).ready(),
        );
        for design in lab.names() {
            assert_eq!(lab.run(design, 3).pods, void.run(design, 3).pods, "{design}");
        }
    }
}

#[test]
fn an_unused_workload_and_an_unused_service_change_no_pod() {
    let unused = |world: &mut WorldSpec| {
        let mut workload = world.workloads[0].clone();
        workload.name = "unused".to_owned();
        workload.subject.service_account = "unused".to_owned();
        workload.subject.labels = Labels::default();
        workload.anti_affinity.clear();
        let mut selector = LabelSelector::default();
        selector.match_labels.insert("app".to_owned(), "unused".to_owned());
        let namespace = workload.subject.namespace.clone();
        Arc::make_mut(&mut world.workloads).push(workload);
        Arc::make_mut(&mut world.services).push(ServiceSpec {
            name: "unused".to_owned(),
            namespace,
            selector,
            target_port: 80,
        });
    };
    for experiment in built_in_names() {
        let (lab, unused) = (
            Bench::of(experiment, &[]).ready(),
            Bench::of(experiment, &[]).edit(unused).ready(),
        );
        for design in lab.names() {
            for replication in 0..4 {
                let (plain, other) = (lab.run(design, replication), unused.run(design, replication));
                assert_eq!(plain.pods, other.pods, "{design}, run {replication}");
                assert_eq!(plain.accesses, other.accesses, "{design}, run {replication}");
            }
        }
    }
}

/// The k-th pod of a ReplicaSet uses the same random events in every design, whatever else differs.
#[test]
fn designs_meet_the_same_random_events() {
    let bench = || Bench::of("istiod-cut-off", &[]).only("cilium-istio-1.21");
    let both = bench().ready();
    let network_only = bench().edit(|world| world.mesh_enforced = false).ready();
    for replication in 0..20 {
        let (both, network_only) = (both.one(replication), network_only.one(replication));
        // Policies do not touch startup: every pod of the first batches has the same times.
        let first = |outcome: &Outcome| -> Vec<PodRecord> {
            let batch = outcome.pods.iter().filter(|pod| pod.pod.contains("-1-"));
            batch.cloned().collect()
        };
        assert_eq!(first(&both), first(&network_only), "run {replication}");
    }
    // Releases and cuts shift when things happen, and not how long containers take to start.
    // Nor do they wait there for others, or for the periodic look.
    let alone = [
        "parameters.kubernetes.node_cores=1000",
        "parameters.kubernetes.pleg_period=1us",
    ];
    let lab = Bench::of("istiod-cut-off", &alone).ready();
    for replication in 0..20 {
        let (old, new) = (
            lab.run("cilium-istio-1.14", replication),
            lab.run("control", replication),
        );
        let mut compared = 0;
        for (old, new) in old
            .pods
            .iter()
            .zip(&new.pods)
            .take_while(|(old, new)| old.pod == new.pod)
        {
            if let (Some(old_span), Some(new_span)) = (old.phases.of("containers"), new.phases.of("containers")) {
                let apart = (old_span.as_secs_f64() - new_span.as_secs_f64()).abs();
                assert!(apart <= 2e-6, "{}: {old_span} and {new_span}", old.pod);
                compared += 1;
            }
        }
        assert!(compared >= 30, "{compared}");
    }
}
