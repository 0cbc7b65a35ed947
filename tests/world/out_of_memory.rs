//! Processes that the kernel kills again and again, against the back-off of their supervisor.
//!
//! A container that has ended k times waits for 0, 10, 20, 40, 80, 160, 300, 300 … s before its kubelet starts it again, with up to 15 s
//! more until the pod worker looks, and some seconds for its start. With a memory that fills in F the ends are F and that wait apart, if F
//! is shorter than the 10 min of running after which the back-off is forgotten, and else F and some seconds.

use meshfault::cluster::faults::out_of_memory::OutOfMemory;
use meshfault::cluster::faults::place::{Where, Whom};
use meshfault::cluster::faults::{FaultKind, FaultSpec, When};
use meshfault::cluster::ids::NodeId;
use meshfault::cluster::party::PartyKind;
use meshfault::kernel::{Distribution, SimDuration};

use crate::support::{Bench, at, at_first_istiod, s};

/// Of its look and its start, beyond the back-off.
const SLACK_S: f64 = 25.0;

/// The times at which a process was killed between 60 s and the end of the fault.
fn kills(place: Where, process: PartyKind, fills_in: Distribution, for_s: f64) -> Vec<f64> {
    let bench = Bench::case("random-mesh", &[]).edit(|world| {
        world.faults = vec![FaultSpec {
            name: "full".to_owned(),
            when: When {
                starts_at: Some(at(60.0)),
                duration: Some(s(for_s)),
                ..When::default()
            },
            kind: FaultKind::OutOfMemory(OutOfMemory {
                whom: Whom {
                    place: place.clone(),
                    pick: None,
                    parties: vec![process],
                },
                fills_in,
            }),
        }];
        world.horizon = at(4000.0);
    });
    let told = bench.ready().told(0);
    let killed = told
        .lines
        .iter()
        .filter(|line| line.text.contains("OOMKilled") && line.text.contains("is killed"));
    let times: Vec<f64> = killed.map(|line| line.time.as_secs_f64()).collect();
    let up = told
        .lines
        .iter()
        .filter(|line| line.text.ends_with("is up again"))
        .count();
    assert_eq!(times.len(), up, "each time it is started again");
    times
}

#[test]
fn the_back_off_grows_if_memory_fills_sooner_than_it_is_forgotten() {
    let constant = |seconds| Distribution::Constant(SimDuration::from_secs(seconds));
    let backoff_s = [0.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0];
    for (place, process) in [
        (at_first_istiod(), PartyKind::IstiodProcess),
        (Where::Nodes(vec![NodeId(1)]), PartyKind::Agent),
    ] {
        let times = kills(place.clone(), process, constant(30), 1500.0);
        let between: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        eprintln!("{process:?}: killed after {between:?}");
        assert!(between.len() >= 7, "{between:?}");
        assert!((times[0] - 60.0).abs() < 1e-6, "killed when the fault starts");
        for (between, backoff) in between.iter().zip(backoff_s) {
            let least = 30.0 + backoff;
            assert!(
                (least..least + SLACK_S).contains(between),
                "{between} after a back-off of {backoff}"
            );
        }
        // Forgotten after 10 min: the wait does not grow.
        let rare = kills(place, process, constant(700), 3000.0);
        assert!(
            rare.windows(2)
                .all(|pair| (699.999..700.0 + SLACK_S).contains(&(pair[1] - pair[0]))),
            "{rare:?}"
        );
        assert_eq!(rare.len(), 5);
    }
}

#[test]
fn a_kubelet_is_started_again_by_systemd_after_a_fixed_wait() {
    let times = kills(
        Where::Nodes(vec![NodeId(1)]),
        PartyKind::Kubelet,
        Distribution::Constant(s(30.0)),
        300.0,
    );
    let between: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    eprintln!("kubelet: killed after {between:?}");
    assert!(between.iter().all(|between| (40.0..50.0).contains(between)) && between.len() >= 5);
}
