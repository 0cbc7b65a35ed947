//! An Istiod that starts while it is cut off from the API server waits, and begins its work after the repair.

use meshfault::cluster::faults::cut::CutMode;
use meshfault::cluster::spec::{Step, WorldSpec};

use crate::support::{Bench, at, at_first_istiod, cut, measured, pause, quantile, workload};

const RUNS: u64 = 150;
/// The cut begins before Istiod's containers run, and ends then.
const HEALED_S: f64 = 120.0;

/// Seconds from the repair to the first Istiod being ready, where only one of three pods is measured that no pod can start without it.
fn ready_after_repair(mode: CutMode, changes: &[&str]) -> Vec<f64> {
    let alter = |world: &mut WorldSpec| {
        let sleep = workload(world, "sleep");
        let istio = world.istio.as_mut().expect("the experiment has Istio");
        istio.replicas = 1;
        cut(world, 0).whom.place = at_first_istiod();
        cut(world, 0).mode = mode;
        world.faults[0].when.starts_at = Some(at(0.5));
        world.faults[0].when.duration = Some(meshfault::kernel::SimDuration::from_secs_f64(HEALED_S - 0.5));
        // The script waits for Istiod before its first step.
        world.script = vec![Step::Apply { workloads: vec![sleep] }, pause(1.0)];
        world.measures.startup_since_step = 0;
        world.horizon = at(900.0);
    };
    let lab = Bench::of("one-istiod-of-three", changes)
        .only("drop-redraw")
        .edit(alter)
        .ready();
    (0..RUNS)
        .map(|replication| {
            let outcome = lab.one(replication);
            let desired = measured(&outcome).map(|pod| pod.desired).min();
            desired
                .expect("the script begins once Istiod is ready")
                .since(at(HEALED_S))
                .as_secs_f64()
        })
        .collect()
}

#[test]
fn an_istiod_that_starts_while_it_is_cut_is_ready_after_the_repair() {
    for (mode, most) in [
        (CutMode::Drop, 100.0),
        (CutMode::RepliesOnly, 100.0),
        (CutMode::Reject, 75.0),
    ] {
        let mut after = ready_after_repair(mode, &[]);
        let (least, p50, longest) = (
            quantile(&mut after, 0.0),
            quantile(&mut after, 0.5),
            quantile(&mut after, 1.0),
        );
        eprintln!("{mode:?}: ready {least:.1}, {p50:.1}, {longest:.1} s after the repair");
        // Its own start takes 2 to 5 s from the first connection on; a back-off lasts up to 60 s, a dial that has lost
        // its SYNs up to 15 s more.
        assert!(least > 2.0 && longest < most, "{mode:?}: {least} to {longest}");
    }
    // It follows from the back-off: with a short one it is there almost at once.
    let mut quick = ready_after_repair(CutMode::Reject, &["parameters.istio.api_backoff_max=1s"]);
    assert!(quantile(&mut quick, 1.0) < 10.0);
}
