//! The injection webhook against batches that were measured on a real API server (`validation/webhook.csv`).
//!
//! Three backends, one of them cut. An API server keeps the connections of the calls that overlapped last, and takes the
//! one that was used last: with one connection per backend drawn alike, a third of the batches waits for the time limit as
//! a whole; if the calls of the pods before overlapped, there is a second connection, and a third of the others waits from
//! a later slow-start batch on. Dials of a batch cost nothing: what waits for one gets the next connection that is free.

use std::sync::Arc;

use meshfault::cluster::faults::cut::CutMode;
use meshfault::cluster::records::{Outcome, PodRecord};
use meshfault::cluster::spec::{Step, WorldSpec};

use crate::support::{Bench, Lab, at, at_first_istiod, binomial_p, cut, measured, pause, quantile, s, workload};

const RUNS: u64 = 300;
const PODS: usize = 15;
/// Below this two-sided probability of what was measured, the shares of a model are refused.
const P_MIN: f64 = 0.01;

/// How a batch of pods fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// All pods were late.
    Whole,
    /// From a later slow-start batch on.
    Later,
    /// None.
    Not,
}

pub const KINDS: [Batch; 3] = [Batch::Whole, Batch::Later, Batch::Not];

/// A batch by the times at which its pods were created.
fn kind(created_s: &[f64]) -> Batch {
    assert_eq!(created_s.len(), PODS);
    match created_s.iter().filter(|created| **created > 5.0).count() {
        0 => Batch::Not,
        PODS => Batch::Whole,
        _ => Batch::Later,
    }
}

/// The measured batches with a handler of so many milliseconds.
pub fn lab_batches(handler_ms: u32) -> Vec<Vec<f64>> {
    let text = include_str!("../../validation/webhook.csv");
    let mut batches: Vec<(String, Vec<f64>)> = Vec::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        if fields[0] != handler_ms.to_string() || fields[1] != "drop" {
            continue;
        }
        if batches.last().is_none_or(|(repeat, _)| repeat != fields[2]) {
            batches.push((fields[2].to_owned(), Vec::new()));
        }
        let created = fields[4].parse().expect("a time");
        batches.last_mut().expect("a batch").1.push(created);
    }
    batches.into_iter().map(|(_, created)| created).collect()
}

/// The measured protocol; pauses and sizes of `then` follow the batch.
fn protocol(webhook: &str, mode: CutMode, then: &[(f64, u32)]) -> Lab {
    let alter = |world: &mut WorldSpec| {
        let sleep = workload(world, "sleep-v2");
        let scale = |replicas| Step::Scale {
            workload: sleep,
            replicas,
        };
        Arc::make_mut(&mut world.workloads)[sleep].grace_period = s(0.0);
        cut(world, 0).whom.place = at_first_istiod();
        cut(world, 0).mode = mode;
        let mut script = vec![pause(97.0), scale(3), pause(5.0), scale(0), pause(20.0)];
        script.extend([Step::StartFault { fault: 0 }, pause(5.0), scale(PODS as u32)]);
        world.measures.startup_since_step = script.len() - 1;
        script.extend(then.iter().flat_map(|&(wait, replicas)| [pause(wait), scale(replicas)]));
        world.script = script;
        world.horizon = at(300.0);
    };
    let webhook = format!("parameters.istio.webhook_latency={webhook}");
    Bench::of("mechanisms", &[webhook.as_str()])
        .only("d-webhook")
        .edit(alter)
        .ready()
}

fn admissions(outcome: &Outcome) -> Vec<f64> {
    let mut all: Vec<f64> = measured(outcome).map(admission_s).collect();
    all.sort_by(f64::total_cmp);
    all
}

fn admission_s(pod: &PodRecord) -> f64 {
    pod.phases
        .of("admission")
        .expect("every pod is created in the end")
        .as_secs_f64()
}

pub fn simulated(webhook: &str, mode: CutMode) -> Vec<Vec<f64>> {
    let lab = protocol(webhook, mode, &[]);
    (0..RUNS).map(|replication| admissions(&lab.one(replication))).collect()
}

pub fn share(batches: &[Vec<f64>], of: Batch) -> f64 {
    let hits = batches.iter().filter(|created| kind(created) == of).count();
    hits as f64 / batches.len() as f64
}

/// Batches of which a pod waited for the time limit twice.
fn twice(batches: &[Vec<f64>]) -> usize {
    batches.iter().filter(|created| created[PODS - 1] > 15.0).count()
}

#[test]
fn batches_are_late_as_often_and_by_as_much_as_measured() {
    let mut second = Vec::new();
    for (handler_ms, handler) in [(0, "0ms"), (20, "20ms")] {
        let (lab, runs) = (lab_batches(handler_ms), simulated(handler, CutMode::Drop));
        for of in KINDS {
            let expected = share(&runs, of);
            let seen = lab.iter().filter(|created| kind(created) == of).count();
            let p = binomial_p(seen, lab.len(), expected);
            eprintln!(
                "handler {handler}: {of:?} {expected:.2}, measured {seen} of {}: p = {p:.3}",
                lab.len()
            );
            assert!(p >= P_MIN, "{handler} {of:?}: {expected}, measured {seen}, p = {p}");
        }
        // Late pods come 10.0 to 10.3 s late, all together.
        let once = runs.iter().filter(|created| created[PODS - 1] < 15.0);
        for created in once.clone().filter(|created| kind(created) != Batch::Not) {
            let first_late = created
                .iter()
                .copied()
                .find(|created| *created > 5.0)
                .expect("it is late");
            assert!((9.9..10.5).contains(&first_late), "{created:?}");
        }
        let mut late: Vec<f64> = once.flatten().copied().filter(|created| *created > 5.0).collect();
        let (least, most) = (quantile(&mut late, 0.0), quantile(&mut late, 0.95));
        eprintln!("handler {handler}: late pods after {least:.2} to {most:.2} s");
        assert!(least >= 10.0 && most <= 10.5, "{least} to {most}");
        let lab_late = lab.iter().flatten().filter(|created| **created > 5.0);
        assert!(lab_late.clone().all(|created| (10.0..10.4).contains(created)));
        second.push(twice(&runs) as f64 / runs.len() as f64);
    }
    // 28 batches were measured, and none was late twice. Here that takes a second idle connection that is bad as well.
    let p = binomial_p(0, 28, second.iter().sum::<f64>() / second.len() as f64);
    eprintln!("late twice: {second:?}, measured 0 of 28: p = {p:.3}");
    assert!(p >= P_MIN, "{second:?}");
}

/// The measured batches distinguish models: one connection for all calls, or a new one for each, would not do.
#[test]
fn the_measured_batches_refuse_other_models() {
    let lab: Vec<Vec<f64>> = [0, 20].into_iter().flat_map(lab_batches).collect();
    let seen = |of| lab.iter().filter(|created| kind(created) == of).count();
    // One connection: all pods or none.
    assert!(binomial_p(seen(Batch::Later), lab.len(), 0.0) < P_MIN);
    // A dial per call: one of them nearly always meets the bad backend.
    let none = libm::pow(2.0 / 3.0, PODS as f64);
    assert!(binomial_p(seen(Batch::Not), lab.len(), none) < P_MIN);
    // A dial for each call that finds no idle connection, which nothing but that dial can serve: eight calls overlap.
    let none = libm::pow(2.0 / 3.0, 8.0);
    assert!(binomial_p(seen(Batch::Not), lab.len(), none) < P_MIN);
}

#[test]
fn the_slower_the_webhook_the_more_batches_are_hit_until_all_calls_overlap() {
    let hit: Vec<f64> = ["0ms", "5ms", "20ms", "200ms"]
        .into_iter()
        .map(|handler| 1.0 - share(&simulated(handler, CutMode::Drop), Batch::Not))
        .collect();
    eprintln!("batches hit by a webhook of 0, 5, 20 and 200 ms: {hit:?}");
    assert!(hit.is_sorted(), "{hit:?}");
    // 1/3 with one connection, 5/9 with two.
    assert!((hit[0] - 1.0 / 3.0).abs() < 0.11, "{hit:?}");
    assert!((hit[3] - 5.0 / 9.0).abs() < 0.11, "{hit:?}");
}

#[test]
fn a_warm_pool_holds_nothing_that_is_cut() {
    let warm = |pause_s: f64| {
        let lab = protocol("20ms", CutMode::Drop, &[(25.0, 0), (pause_s, PODS as u32)]);
        let mut late = 0;
        for replication in 0..RUNS {
            let outcome = lab.one(replication);
            let again: Vec<&PodRecord> = measured(&outcome).skip(PODS).collect();
            assert_eq!(again.len(), PODS, "{replication}");
            late += usize::from(
                again
                    .iter()
                    .any(|pod| pod.phases.of("admission").is_none_or(|phase| phase > s(5.0))),
            );
        }
        late as f64 / RUNS as f64
    };
    // What met the cut backend was closed. Only a connection that the first batch never took may still be there.
    let (warm, cold) = (warm(20.0), warm(95.0));
    eprintln!("second batch late: {warm:.3} with a warm pool, {cold:.3} once it is empty");
    assert!(warm < 0.04, "{warm}");
    assert!(cold > 0.2, "{cold}");
}

#[test]
fn a_refused_connection_costs_milliseconds_and_a_silent_one_its_time_limit() {
    let mut refused: Vec<f64> = simulated("20ms", CutMode::Reject).into_iter().flatten().collect();
    let (p50, most) = (quantile(&mut refused, 0.5), quantile(&mut refused, 1.0));
    eprintln!("refused: p50 {p50:.3} s, at most {most:.3} s");
    assert!(most < 2.0, "{most}");
    // The API server's own packets are what `replies_only` loses: its requests, and its SYNs.
    let (silent, drop) = (
        simulated("20ms", CutMode::RepliesOnly),
        simulated("20ms", CutMode::Drop),
    );
    assert_eq!(silent, drop);
}

/// One Istiod whose webhook is cut for 3 s when the pods are asked for, and nothing in the pool.
#[test]
fn a_webhook_that_is_refused_for_a_while_is_asked_again_after_the_controllers_back_off() {
    let admitted = |mode: CutMode, changes: &[&str]| {
        let alter = |world: &mut WorldSpec| {
            let sleep = workload(world, "sleep-v2");
            world.istio.as_mut().expect("the experiment has Istio").replicas = 1;
            cut(world, 0).whom.place = at_first_istiod();
            cut(world, 0).mode = mode;
            world.faults[0].when.duration = Some(s(3.0));
            let scale = Step::Scale {
                workload: sleep,
                replicas: 5,
            };
            world.script = vec![pause(60.0), Step::StartFault { fault: 0 }, scale];
            world.measures.startup_since_step = 1;
            world.horizon = at(200.0);
        };
        let lab = Bench::of("mechanisms", changes).only("d-webhook").edit(alter).ready();
        let all = (0..60).flat_map(|replication| admissions(&lab.one(replication)));
        all.collect::<Vec<f64>>()
    };
    let quantiles = |mut values: Vec<f64>| {
        let at = [0.0, 0.5, 1.0].map(|share| quantile(&mut values, share));
        (at[0], at[1], at[2])
    };
    let at_once = ["parameters.network.repair_reaches_at_once=true"];
    let refused = quantiles(admitted(CutMode::Reject, &[]));
    let silent = quantiles(admitted(CutMode::Drop, &[]));
    let lost = quantiles(admitted(CutMode::Drop, &at_once));
    eprintln!("refused for 3 s: {refused:?}; silent for 3 s: {silent:?}; if what is lost stays lost: {lost:?}");
    // Tries after 5, 15, 35 ms and so on: the first one beyond 3 s comes 5.1 s after the first of all.
    assert!(
        refused.0 > 2.5 && (3.0..6.0).contains(&refused.1) && refused.2 < 8.0,
        "{refused:?}"
    );
    // The dial's SYNs leave after 1 and 3 s: the second of them passes, and all pods are served by what it opens.
    assert!(silent.0 >= 3.0 && silent.2 < 3.6, "{silent:?}");
    assert!(lost.0 >= 10.0 && lost.2 < 12.0, "{lost:?}");
}

/// One Istiod whose webhook is cut for `for_s`, and a batch that is asked for 1 s after the cut: seconds that each pod waits.
fn admitted_after_repair(for_s: f64, changes: &[&str]) -> Vec<f64> {
    let alter = |world: &mut WorldSpec| {
        let sleep = workload(world, "sleep-v2");
        world.istio.as_mut().expect("the experiment has Istio").replicas = 1;
        cut(world, 0).whom.place = at_first_istiod();
        world.faults[0].when.duration = Some(s(for_s));
        let scale = |replicas| Step::Scale {
            workload: sleep,
            replicas,
        };
        // A call a few seconds before the cut leaves an idle connection.
        world.script = vec![pause(60.0), scale(1), pause(20.0), scale(0), pause(5.0)];
        world
            .script
            .extend([Step::StartFault { fault: 0 }, pause(1.0), scale(5)]);
        world.measures.startup_since_step = world.script.len() - 1;
        world.horizon = at(200.0);
    };
    let mut all = vec![
        "parameters.kubernetes.client_command_latency=1ms",
        "parameters.kubernetes.api_write_latency=1ms",
        "parameters.kubernetes.controller_sync_latency=1ms",
        "parameters.kubernetes.watch_latency=1ms",
        "parameters.istio.webhook_latency=1ms",
    ];
    all.extend(changes);
    let lab = Bench::of("mechanisms", &all).only("d-webhook").edit(alter).ready();
    (0..20)
        .flat_map(|replication| admissions(&lab.one(replication)))
        .collect()
}

/// A request on an idle connection that was used is sent again after 0.21 s x (2^k - 1), and a dial's SYN after 1, 3 and 7 s: the
/// first that leaves after the repair is answered, if that is within the call's 10 s.
#[test]
fn a_repair_reaches_a_call_at_its_next_retransmission_or_its_time_is_over() {
    let series = |k: i32| 0.21 * (libm::pow(2.0, f64::from(k)) - 1.0);
    // A cold pool: idle connections are closed after a second.
    let cold = ["parameters.istio.webhook_idle_timeout=1s"];
    for (repaired_s, request_s, syn_s) in [
        (0.05, series(1), 1.0),
        (0.5, series(2), 1.0),
        (1.2, series(3), 3.0),
        (2.0, series(4), 3.0),
        (5.0, series(5), 7.0),
        (6.8, 10.0, 7.0),
        (8.0, 10.0, 10.0),
    ] {
        for (pool, changes, expected) in [("warm", &[][..], request_s), ("cold", &cold[..], syn_s)] {
            // The call leaves some ten milliseconds after the command, which is 1 s after the cut.
            let waits = admitted_after_repair(1.02 + repaired_s, changes);
            assert_eq!(waits.len(), 100);
            let off = waits.iter().map(|wait| wait - expected);
            let (least, most) = off.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), off| {
                (least.min(off), most.max(off))
            });
            eprintln!(
                "repaired {repaired_s} s after the call, {pool}: {expected:.2} s, off by {least:.3} to {most:.3} s"
            );
            assert!(
                least > -0.05 && most < 0.15,
                "{pool}, {repaired_s} s: {least} to {most}"
            );
            // Half a second would be noticed.
            assert!(least < 0.1);
        }
    }
    // The rule before: what met the cut is lost.
    let at_once = ["parameters.network.repair_reaches_at_once=true"];
    let lost = admitted_after_repair(1.52, &at_once);
    assert!(lost.iter().all(|wait| (9.9..10.2).contains(wait)), "{lost:?}");
}
