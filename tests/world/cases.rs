//! Inputs that were answered wrongly once, with the right values: `tests/fixtures/cases`.
//!
//! Each has a power check: what the old answer was, and that the check refuses it.

use std::sync::Arc;

use meshfault::cluster::records::{AccessClass, ExitCause, Outcome, Via};
use meshfault::cluster::spec::{Step, WorldSpec};

use crate::support::{Bench, between, case_path, measured, workload};

/// A worker of a pod has one life: no address is released twice, and no pod is bound twice.
#[test]
fn every_run_of_an_outage_of_all_workers_ends_well() {
    // Replication 46 panicked: a pod that had been parked several times was bound to five nodes.
    let lab = Bench::case("all-workers", &[]).ready();
    for replication in 40..52 {
        assert!(lab.one(replication).run.events > 1_000);
    }
}

#[test]
fn a_rollout_ends_although_evicted_pods_are_still_terminating() {
    let lab = Bench::case("rollout", &[]).ready();
    for replication in 0..6 {
        for design in ["cut", "control"] {
            let run = lab.run(design, replication).run;
            let begun = run.cut.expect("the fault is started").as_secs_f64() + 480.0;
            let ended = run.script_end.expect("the script ends").as_secs_f64();
            // Evicted pods stay as long as their node is cut: who counts them waits until the deadline of 600 s.
            assert!(ended - begun < 120.0, "{design} {replication}: {} s", ended - begun);
            assert_eq!(run.rollouts, 1);
        }
    }
}

/// Nodes that renew too seldom for the grace period would be marked NotReady again and again: such a file is refused.
#[test]
fn a_grace_period_below_the_renewal_of_leases_is_refused() {
    let path = case_path("grace-below-renewal");
    let refused = Bench::allowed_values(&path, &[]).err().expect("5 s are less than 10 s");
    assert!(
        refused.contains("the grace period of 5 s is shorter than the time between two renewals"),
        "{refused}"
    );
    let lab = Bench::load(&path, &["parameters.kubernetes.node_monitor_grace_period=20s"]).ready();
    assert_eq!(lab.one(0).run.nodes_marked_not_ready, 0);
}

/// Every call that the wrong workload answers is `wrong_server`. A node with 28 bits has 14 addresses, of which the router and the health endpoint
/// take two: where `new` has twelve pods, one of them holds every address that `old` had, and all calls are answered.
#[test]
fn every_call_that_the_wrong_workload_answers_is_known_as_such() {
    let all = |world: &mut WorldSpec| {
        for step in &mut world.script {
            if let Step::Scale {
                replicas: replicas @ 8, ..
            } = step
            {
                *replicas = 12;
            }
        }
    };
    let lab = Bench::case("new-open", &[]).edit(all).ready();
    let outcomes: Vec<Outcome> = (0..200)
        .map(|replication| lab.run("stale-proxy", replication))
        .collect();
    let calls = outcomes
        .iter()
        .flat_map(|outcome| &outcome.accesses)
        .filter(|access| access.after_cut);
    let classes: Vec<AccessClass> = calls.map(|access| access.class).collect();
    assert_eq!(classes, vec![AccessClass::WrongServer; 800]);
}

/// An access is judged by the pod that holds the address now.
#[test]
fn a_request_is_judged_by_who_holds_the_address_now() {
    for (case, class) in [
        ("old-closed", AccessClass::WrongServer),
        ("new-open", AccessClass::WrongServer),
        ("new-closed", AccessClass::Denied),
    ] {
        let lab = Bench::case(case, &[]).ready();
        let (mut reached_new, mut accesses) = (0, 0);
        for replication in 0..40 {
            let outcome = lab.run("stale-proxy", replication);
            for access in outcome.accesses.iter().filter(|access| access.after_cut) {
                accesses += 1;
                match access.reached_workload.as_deref() {
                    Some("new") => {
                        assert_eq!(access.class, class, "{case} {replication}: {access:?}");
                        reached_new += 1;
                    }
                    None => assert_eq!(access.class, AccessClass::Unreachable, "{access:?}"),
                    Some(other) => panic!("{case} {replication}: {other} has no pods any more"),
                }
            }
            // What `old` may do is said of `old` only: before the fault.
            let before = outcome.accesses.iter().find(|access| !access.after_cut).unwrap();
            assert_eq!(before.reached_workload.as_deref(), Some("old"));
        }
        // 542 of 800 requests are answered by a pod of `new`, whatever policy says: 8 of 12 addresses, the others are free.
        let share = f64::from(reached_new) / f64::from(accesses);
        assert!((share - 0.6775).abs() < 0.1, "{case}: {reached_new} of {accesses}");
    }
}

/// A client of the mesh accepts only servers with the service account of the Service that it called.
#[test]
fn the_mesh_does_not_accept_another_workload_on_an_old_address() {
    let seen = |shared: bool| {
        let lab = Bench::case("reused-in-mesh", &[]).edit(|world| {
            let (old, new) = (workload(world, "old"), workload(world, "new"));
            if shared {
                let account = world.workloads[old].subject.service_account.clone();
                Arc::make_mut(&mut world.workloads)[new].subject.service_account = account;
            }
        });
        let lab = lab.ready();
        let accesses = (0..20).flat_map(|replication| lab.one(replication).accesses);
        let reached = accesses.filter(|access| access.reached_workload.as_deref() == Some("new"));
        let seen: Vec<(AccessClass, String)> = reached.map(|access| (access.class, access.cause)).collect();
        assert!(seen.len() > 20, "{} reached another workload", seen.len());
        seen
    };
    for (shared, class, cause) in [
        (false, AccessClass::Unreachable, "server_identity"),
        (true, AccessClass::WrongServer, "answered"),
    ] {
        let seen = seen(shared);
        assert!(seen.iter().all(|of| *of == (class, cause.to_owned())), "{seen:?}");
    }
}

fn never_ready(outcome: &Outcome) -> usize {
    measured(outcome)
        .filter(|pod| pod.exit_cause == ExitCause::Censored)
        .count()
}

/// The identity is created, but the agent never hears of it.
#[test]
fn a_new_identity_cannot_be_had_where_answers_are_lost() {
    let lab = Bench::case("replies-only-identity", &[]).ready();
    for replication in 0..10 {
        for design in ["replies-only", "drop"] {
            let outcome = lab.run(design, replication);
            assert_eq!(never_ready(&outcome), 1, "{design} {replication}");
        }
        // The check has power: without the fault the same pod is ready.
        assert_eq!(never_ready(&lab.run("control", replication)), 0);
    }
}

/// The network plugin waits 90 s for it, and is called again after the sandbox's retry, as long as the agent lives.
#[test]
fn a_failed_identity_takes_its_time() {
    let lives = ["parameters.cilium.agent_liveness_needs_api=false"];
    let lab = Bench::case("replies-only-identity", &lives).only("drop").ready();
    let outcome = lab.told(0);
    let called = outcome
        .lines
        .iter()
        .filter(|line| line.text.starts_with("gives ") && line.text.contains("client"));
    let times: Vec<_> = called.map(|line| line.time).collect();
    assert!(times.len() >= 3, "{times:?}");
    for pair in times.windows(2) {
        let gap = between(pair[0], pair[1]);
        assert!((90.0..120.0).contains(&gap), "{gap} s between two calls");
    }
}

#[test]
fn a_probe_without_a_client_is_a_row_and_is_sent_again() {
    let lab = Bench::case("silent-probe", &[]).ready();
    for replication in 0..5 {
        let outcome = lab.one(replication);
        let (last, before) = outcome.accesses.split_last().expect("the probe leaves a row");
        assert!(!before.is_empty());
        for access in before {
            assert_eq!(
                (access.class, access.cause.as_str()),
                (AccessClass::Unreachable, "no_ready_client")
            );
            assert_eq!(
                (access.client.as_str(), access.client_workload.as_str()),
                ("", "client")
            );
        }
        // It was sent again until a pod was ready: what the answer is, the Service decides.
        assert_eq!(last.client, "client-1-0");
        assert_ne!(last.cause, "no_ready_client");
    }
}

/// What a client's node takes a server for is put right when it reads of the server's new owner (W6).
#[test]
fn exposure_by_a_stale_destination_ends_when_the_clients_node_reads_better() {
    let lab = Bench::case("egress-stale", &[]).ready();
    let (mut windows, mut longest) = (0, 0.0_f64);
    for replication in 0..40 {
        for window in lab.one(replication).exposures {
            assert_eq!(window.class, AccessClass::Unauthorized);
            // A pod that took the place of another is published within seconds, and read within 20 s.
            let end = window
                .end
                .unwrap_or_else(|| panic!("{replication}: {window:?} never closes"));
            longest = longest.max(between(window.start, end));
            windows += 1;
        }
    }
    eprintln!("{windows} windows, the longest {longest:.1} s");
    // The check is not empty, and windows that stay open would be minutes long.
    assert!(windows >= 20, "{windows} windows");
    assert!(longest <= 30.0, "{longest} s");
}

/// An address whose old owner the node hears of late, or a Service that it reads late, opens a window late: what changes the
/// answer is looked at, whenever that is.
#[test]
fn a_window_through_the_service_opens_when_the_client_reads_of_it() {
    let lab = Bench::case("new-open", &[]).edit(|world| {
        world.measures.exposure_clients = vec![workload(world, "caller")];
        world.measures.exposure_servers = vec![(workload(world, "new"), 8080)];
        world.network_policies = Bench::case("new-closed", &[]).policies();
        world.network_enforced = false;
    });
    let lab = lab.only("stale-proxy").ready();
    let mut through_stale = 0;
    for replication in 0..10 {
        let outcome = lab.one(replication);
        let service = outcome.exposures.iter().filter(|window| window.via == Via::Service);
        through_stale += service.count();
    }
    // The caller's node still reads the old Service, whose addresses pods of `new` hold: it leads to them.
    assert!(through_stale > 0);
}
