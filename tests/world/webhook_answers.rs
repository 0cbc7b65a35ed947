//! An injection webhook that answers late, with errors or with a certificate that does not fit, against closed forms.
//!
//! A creation that fails is tried again by its controller after 5 ms, 10 ms, 20 ms, …: the first that comes at least T after the beginning is
//! the one after 5 ms (2^k - 1) >= T. A webhook that answers late delays each slow-start batch of a ReplicaSet (1, 2, 4, 8 pods) by as much.

use std::sync::Arc;

use meshfault::cluster::faults::place::Whom;
use meshfault::cluster::faults::webhook::{Answer, Webhook};
use meshfault::cluster::faults::{FaultKind, FaultSpec, When};
use meshfault::cluster::ids::IstiodId;
use meshfault::cluster::party::PartyKind;
use meshfault::cluster::records::Outcome;
use meshfault::cluster::spec::{Step, WorldSpec};

use crate::support::{Bench, at, measured, pause, quantile, s, workload};

const PODS: u32 = 15;
const RUNS: u64 = 5;

/// When pods that are desired a second after the fault on all Istiods were created, in seconds since.
fn created(answer: Answer, for_s: f64) -> Vec<f64> {
    let alter = |world: &mut WorldSpec| {
        let sleep = workload(world, "sleep-v2");
        let istiods = world.istio.as_ref().map_or(0, |istio| istio.replicas);
        Arc::make_mut(&mut world.workloads)[sleep].grace_period = s(0.0);
        world.faults = vec![FaultSpec {
            name: "disturbed".to_owned(),
            when: When {
                duration: Some(s(for_s)),
                ..When::default()
            },
            kind: FaultKind::Webhook(Webhook {
                whom: Whom {
                    place: meshfault::cluster::faults::place::Where::Istiods((0..istiods).map(IstiodId).collect()),
                    pick: None,
                    parties: vec![PartyKind::Webhook],
                },
                answer,
            }),
        }];
        let scale = Step::Scale {
            workload: sleep,
            replicas: PODS,
        };
        world.script = vec![pause(90.0), Step::StartFault { fault: 0 }, pause(1.0), scale];
        world.measures.startup_since_step = 3;
        world.horizon = at(400.0);
    };
    let lab = Bench::of("mechanisms", &["parameters.istio.webhook_latency=1ms"])
        .only("d-webhook")
        .edit(alter)
        .ready();
    let times = |outcome: Outcome| measured(&outcome).map(admission_s).collect::<Vec<f64>>();
    (0..RUNS).flat_map(|run| times(lab.one(run))).collect()
}

fn admission_s(pod: &meshfault::cluster::records::PodRecord) -> f64 {
    let admission = pod.phases.of("admission");
    admission.expect("every pod is created in the end").as_secs_f64()
}

#[test]
fn errors_and_certificates_that_do_not_fit_cost_what_refusals_cost() {
    // The first try at least 59 s after the first is the one after 5 ms (2^14 - 1).
    let expected = 0.005 * (libm::pow(2.0, 14.0) - 1.0);
    for answer in [Answer::Refuse, Answer::Error, Answer::BadCertificate] {
        let mut times = created(answer, 60.0);
        assert_eq!(times.len(), (RUNS * u64::from(PODS)) as usize);
        let (least, most) = (quantile(&mut times, 0.0), quantile(&mut times, 1.0));
        eprintln!("{answer:?}: {least:.2} to {most:.2} s, expected {expected:.2} s and what each try takes");
        assert!((expected..expected + 1.5).contains(&least) && most < expected + 2.0);
    }
}

#[test]
fn a_late_answer_delays_each_batch_of_a_replica_set() {
    for delay_s in [1.0, 3.0] {
        let mut times = created(Answer::Slow(s(delay_s)), 300.0);
        let (least, most) = (quantile(&mut times, 0.0), quantile(&mut times, 1.0));
        eprintln!("{delay_s} s later: {least:.2} to {most:.2} s");
        // Batches of 1, 2, 4 and 8 pods, one after the other.
        assert!((delay_s..delay_s + 0.3).contains(&least), "{least}");
        assert!((4.0 * delay_s..4.0 * delay_s + 0.5).contains(&most), "{most}");
    }
}

#[test]
fn an_answer_later_than_the_time_limit_is_none() {
    // Each call lasts for 10 s, so that the first that the end of the fault reaches is the third at most.
    let [late, silent] = [Answer::Slow(s(12.0)), Answer::Silent].map(|answer| created(answer, 25.0));
    for times in [&late, &silent] {
        assert!(times.iter().all(|time| (20.0..32.0).contains(time)), "{times:?}");
    }
}
