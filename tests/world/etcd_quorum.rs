//! etcd without quorum for two minutes: what still works, what does not, and what its return brings.

use meshfault::cluster::faults::etcd_quorum::EtcdQuorum;
use meshfault::cluster::faults::place::{Where, Whom};
use meshfault::cluster::faults::when::{Event, Occurrence};
use meshfault::cluster::faults::{FaultKind, FaultSpec, When};
use meshfault::cluster::ids::KindId;
use meshfault::cluster::party::PartyKind;
use meshfault::cluster::records::{Outcome, PodRecord};
use meshfault::cluster::spec::{Step, WorldSpec};
use meshfault::kernel::SimTime;

use crate::support::{Bench, at, between, measured, pause, s, workload};

const LOST_S: f64 = 100.0;
const BACK_S: f64 = LOST_S + 120.0;
const RUNS: u64 = 20;

fn no_quorum(seconds: f64) -> FaultSpec {
    FaultSpec {
        name: "no-quorum".to_owned(),
        when: When {
            starts_at: Some(at(LOST_S)),
            duration: Some(s(seconds)),
            ..When::default()
        },
        kind: FaultKind::EtcdQuorum(EtcdQuorum {
            whom: Whom {
                place: Where::ApiServers(vec![0]),
                pick: None,
                parties: vec![PartyKind::ApiServer],
            },
        }),
    }
}

/// Pods are created at a time of the script; etcd may be without quorum then.
fn runs(apply_s: f64, fault: Option<FaultSpec>) -> Vec<Outcome> {
    runs_with(&[], apply_s, fault)
}

const NO_ELECTION: &str = "parameters.kubernetes.leader_election=false";

fn runs_with(changes: &[&str], apply_s: f64, fault: Option<FaultSpec>) -> Vec<Outcome> {
    let alter = |world: &mut WorldSpec| {
        let sleep = workload(world, "sleep");
        // The script begins when Istiod is ready, within the first seconds.
        world.script = vec![pause(apply_s), Step::Apply { workloads: vec![sleep] }];
        world.faults = fault.clone().into_iter().collect();
        world.measures.startup_since_step = 0;
        world.horizon = at(600.0);
    };
    let lab = Bench::of("one-istiod-of-three", changes)
        .only("control")
        .edit(alter)
        .ready();
    (0..RUNS).map(|replication| lab.one(replication)).collect()
}

fn ready(outcomes: &[Outcome]) -> Vec<SimTime> {
    let pods = outcomes.iter().flat_map(measured);
    pods.map(|pod| pod.ready.expect("all become ready")).collect()
}

/// Prediction: certificates for existing pods are issued as usual.
#[test]
fn certificates_for_existing_pods_are_issued_as_usual() {
    // The pods exist at 85 to 95 s; their proxies ask for certificates shortly before and after etcd is lost.
    let (calm, lost) = (runs(85.0, None), runs(85.0, Some(no_quorum(120.0))));
    let certificates = |outcomes: &[Outcome]| -> Vec<(String, u64)> {
        let pods = outcomes.iter().map(|outcome| outcome.run.certificate_requests);
        let delays = outcomes
            .iter()
            .flat_map(measured)
            .map(|pod| format!("{:?}", pod.delays));
        delays.zip(pods).collect()
    };
    let review = |outcomes: &[Outcome]| {
        let pods = outcomes.iter().flat_map(measured);
        pods.filter(|pod| format!("{:?}", pod.delays).contains("TokenReview"))
            .count()
    };
    assert_eq!((review(&calm), review(&lost)), (0, 0), "a TokenReview failed");
    assert_eq!(certificates(&calm).len(), certificates(&lost).len());
    // What was reported before is as it was; what was not is reported when etcd is back.
    let (mut before, mut after) = (0, 0);
    for (calm, lost) in ready(&calm).into_iter().zip(ready(&lost)) {
        if calm < at(LOST_S) {
            assert_eq!(calm, lost);
            before += 1;
        } else {
            assert!(lost >= at(BACK_S) && lost < at(BACK_S + 15.0), "{lost:?}");
            after += 1;
        }
    }
    eprintln!("{before} pods ready before etcd was lost, {after} after it was back");
    assert!(before > 50 && after > 50);
}

/// Prediction: no pod can be created. What was asked for before, by a Deployment, is asked for again by the controllers that lead after the
/// fault, or by the same one if there is no election, after a back-off that doubles with each failure of 7 s and outlasts the fault.
#[test]
fn no_pod_is_created_without_quorum() {
    // The next try to lead comes within 4.4 s, and the caches take 1 to 5 s.
    created_after(&[], 1.0, 10.0);
    // Failures end at 7 s, 14 s, …, each with the back-off 5 ms, 10 ms, …: the 13th at 111 s, and the next attempt 20 s later.
    created_after(&[NO_ELECTION], 5.0, 30.0);
}

fn created_after(changes: &[&str], least_s: f64, most_s: f64) {
    let alter = |world: &mut WorldSpec| {
        let sleep = workload(world, "sleep");
        world.script = vec![pause(30.0), Step::Apply { workloads: vec![sleep] }];
        let mut fault = no_quorum(120.0);
        fault.when.starts_at = None;
        fault.when.after = Some(Occurrence {
            event: Event::PodCreated(KindId(sleep as u32)),
            count: 3,
            wait: s(0.0),
        });
        world.faults = vec![fault];
        world.measures.startup_since_step = 0;
        world.horizon = at(900.0);
    };
    let lab = Bench::of("one-istiod-of-three", changes)
        .only("control")
        .edit(alter)
        .ready();
    let mut after = Vec::new();
    for replication in 0..RUNS {
        let outcome = lab.one(replication);
        let lost = outcome.run.cut.expect("the fault began");
        let created = |pod: &&PodRecord| pod.phases.0[0].map(|admission| pod.desired + admission);
        let times: Vec<SimTime> = measured(&outcome).filter_map(|pod| created(&pod)).collect();
        let (early, late): (Vec<_>, Vec<_>) = times.iter().partition(|&&time| time <= lost);
        assert_eq!((early.len(), late.len()), (3, 12), "{times:?}");
        let first: &SimTime = late.into_iter().min().expect("twelve");
        after.push(between(lost + s(120.0), *first));
    }
    let mean = after.iter().sum::<f64>() / after.len() as f64;
    eprintln!("created {mean:.1} s after the return: {after:.0?}");
    assert!(after.iter().all(|wait| *wait > least_s && *wait < most_s), "{after:?}");
}

/// Prediction: at the return all nodes are past their grace, and are NotReady for a moment. Without the fault, or if it is shorter than
/// the grace period, none is. This takes a controller that has seen the silence: those that are elected have ended 10 s after the loss, and
/// those that lead next give each node a whole grace period.
#[test]
fn nodes_flap_when_quorum_returns_to_a_controller_that_stayed() {
    let flaps = |changes: &[&str], seconds: f64| -> Vec<Option<SimTime>> {
        let outcomes = runs_with(changes, 30.0, Some(no_quorum(seconds)));
        outcomes.iter().map(|outcome| outcome.run.node_given_up).collect()
    };
    let elected = flaps(&[], 120.0);
    assert!(elected.iter().all(Option::is_none), "{elected:?}");
    let flaps = |seconds: f64| flaps(&[NO_ELECTION], seconds);
    let short = flaps(20.0);
    assert!(short.iter().all(Option::is_none), "{short:?}");
    let long = flaps(120.0);
    assert!(long.iter().all(Option::is_some), "{long:?}");
}

/// Two losses at once: the API servers write again when the last has ended.
#[test]
fn two_losses_end_with_the_last() {
    let alter = |world: &mut WorldSpec| {
        let sleep = workload(world, "sleep");
        world.script = vec![pause(LOST_S + 5.0), Step::Apply { workloads: vec![sleep] }];
        let mut longer = no_quorum(60.0);
        longer.name = "longer".to_owned();
        world.faults = vec![no_quorum(10.0), longer];
        world.measures.startup_since_step = 0;
        world.horizon = at(400.0);
    };
    let lab = Bench::of("one-istiod-of-three", &[])
        .only("control")
        .edit(alter)
        .ready();
    let outcome = lab.one(0);
    let first = measured(&outcome).filter_map(|pod| pod.address).min();
    assert!(first.is_some_and(|first| first > at(LOST_S + 60.0)), "{first:?}");
}

/// Several nodes are silent for too long in one pass. The first that is marked NotReady ends the loss: the others are heard again at
/// that instant, and nothing comes of their silence.
#[test]
fn a_loss_that_ends_when_it_is_seen_marks_no_node_that_is_heard() {
    let lab = Bench::case("fault-ends-when-seen", &[]).ready();
    for replication in 0..20 {
        let told = lab.told(replication);
        let dossier = told.dossier.as_ref().expect("there is a story");
        let end = dossier.faults.iter().find(|fault| !fault.begins).expect("it ends").time;
        assert!(
            dossier.given_up.iter().all(|up| up.at <= end),
            "{replication}: {:?}",
            dossier.given_up
        );
    }
}
