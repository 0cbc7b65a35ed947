//! How long a node without API server counts as alive: from the phases of its lease and of the controller, in closed form.
//!
//! The controller stamps a renewal at its next pass and marks the node NotReady at the first pass after the grace period. With passes
//! every 5.001 s and a grace of 40 s that is 40.008 s after the stamp, which itself comes 2.5005 s after the renewal on
//! average. A two-way cut stops renewals at once; while only answers are lost, one more takes effect. Intervals X between
//! renewals are uniform on 10 to 10.4 s, so the last one is E[X²]/2E[X] = 5.1007 s old at a random time, and the next one
//! is as far away. The cut comes after three hours, when the phase of the first renewal is forgotten.

use meshfault::cluster::faults::cut::CutMode;
use meshfault::cluster::party::PartyKind;
use meshfault::cluster::spec::{Step, WorldSpec};

use crate::support::{Bench, Lab, agrees, at, between, cut, cut_node, pause, z_of_mean};

const RUNS: u64 = 3_000;

/// From a renewal to NotReady, on average [s].
const FROM_RENEWAL_S: f64 = 2.5005 + 40.008;
/// Mean age of the last renewal, and mean wait for the next one [s].
const RESIDUAL_S: f64 = 5.1007;

fn lonely_node(mode: CutMode, changes: &[&str]) -> Lab {
    let alter = |world: &mut WorldSpec| {
        world.horizon = at(10_920.0);
        world.script = vec![pause(10_800.0), Step::StartFault { fault: 0 }];
        cut(world, 0).whom.parties = vec![PartyKind::Kubelet];
        cut(world, 0).mode = mode;
        cut_node(world, 1);
    };
    Bench::of("ip-reuse", changes).only("vxlan").edit(alter).ready()
}

/// Seconds from the cut to NotReady, run by run.
fn delays(lab: &Lab) -> Vec<f64> {
    let delay = |replication| {
        let run = lab.one(replication).run;
        let cut = run.cut.expect("every run is cut");
        between(cut, run.node_given_up.expect("every cut node is marked NotReady"))
    };
    (0..RUNS).map(delay).collect()
}

fn within(delays: &[f64], low: f64, high: f64) {
    let (min, max) = delays
        .iter()
        .fold((f64::MAX, 0.0_f64), |(min, max), &d| (min.min(d), max.max(d)));
    assert!(low <= min && max <= high, "{min} to {max}");
    // The range is not only kept but used: nearly all of it is seen.
    assert!(min < low + 1.0 && max > high - 1.0, "{min} to {max}");
}

#[test]
fn a_silent_node_is_marked_not_ready_after_30_to_45_seconds() {
    let delays = delays(&lonely_node(CutMode::Drop, &[]));
    within(&delays, 29.6, 45.01);
    agrees("NotReady after a two-way drop", FROM_RENEWAL_S - RESIDUAL_S, |mean| {
        z_of_mean(&delays, mean)
    });
}

#[test]
fn lost_answers_let_one_more_renewal_through_and_add_an_interval() {
    let delays = delays(&lonely_node(CutMode::RepliesOnly, &[]));
    within(&delays, 40.0, 55.41);
    agrees("NotReady after lost answers", FROM_RENEWAL_S + RESIDUAL_S, |mean| {
        z_of_mean(&delays, mean)
    });
    agrees("the same, as published", 47.6, |mean| z_of_mean(&delays, mean));
}

#[test]
fn a_refused_lease_is_as_lost_as_a_dropped_one() {
    assert_eq!(
        delays(&lonely_node(CutMode::Drop, &[])),
        delays(&lonely_node(CutMode::Reject, &[]))
    );
}

#[test]
fn kubernetes_1_32_waits_ten_seconds_longer_run_by_run() {
    for mode in [CutMode::Drop, CutMode::RepliesOnly] {
        let old = delays(&lonely_node(mode, &[]));
        let new = delays(&lonely_node(mode, &["cluster.kubernetes=1.32"]));
        for (old, new) in old.iter().zip(new) {
            // Two passes of 5.001 s more.
            assert!((new - old - 10.002).abs() < 1e-6, "{old} and {new}");
        }
    }
}
