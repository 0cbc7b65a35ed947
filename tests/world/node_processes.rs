//! Processes of nodes that are frozen, or that end and start again: kubelets, agents and service proxies.

use std::ops::ControlFlow;

use meshfault::cluster::context::Shared;
use meshfault::cluster::event::Event;
use meshfault::cluster::fault::act;
use meshfault::cluster::faults::FaultKind;
use meshfault::cluster::faults::cut::CutMode;
use meshfault::cluster::faults::place::Whom;
use meshfault::cluster::ids::NodeId;
use meshfault::cluster::party::PartyKind;
use meshfault::cluster::records::{Outcome, PodRecord};
use meshfault::cluster::spec::{Step, WorldSpec};
use meshfault::cluster::world::Watch;
use meshfault::kernel::{DrawLog, Moment, SimTime};

use crate::processes::{crash, fault, first_istiod, hang, restart};
use crate::support::{Bench, at, between, cut, cuts, measured, on_node, pause, quantile, s, workload};

/// Runs of pods that are desired a second after a fault on the first worker began.
fn pods(runs: u64, changes: &[&str], further: impl Fn(&mut WorldSpec)) -> Vec<Outcome> {
    let alter = |world: &mut WorldSpec| {
        let sleep = workload(world, "sleep");
        world.script = vec![
            pause(60.0),
            Step::StartFault { fault: 0 },
            pause(1.0),
            Step::Apply { workloads: vec![sleep] },
        ];
        world.measures.startup_since_step = 1;
        world.horizon = at(600.0);
        further(world);
    };
    let lab = Bench::of("one-istiod-of-three", changes)
        .only("drop-redraw")
        .edit(alter)
        .ready();
    (0..runs).map(|replication| lab.one(replication)).collect()
}

/// Seconds from being desired to being ready, of pods on the first worker and of those elsewhere.
fn ready_after(outcomes: &[Outcome]) -> [Vec<f64>; 2] {
    [true, false].map(|there| {
        let on = |pod: &&PodRecord| (pod.node.as_deref() == Some("worker-1")) == there;
        let of_run = |outcome| measured(outcome).filter(on);
        let ready = |pod: &PodRecord| pod.ready.map_or(f64::INFINITY, |ready| between(pod.desired, ready));
        outcomes.iter().flat_map(of_run).map(ready).collect()
    })
}

#[test]
fn a_kubelet_that_is_away_starts_nothing_and_its_node_outlives_a_short_absence() {
    for (kind, away_s, least, given_up) in [
        (crash as fn(Whom) -> FaultKind, 0.001, 9.0, false),
        (crash, 100.0, 100.0, true),
        (hang, 20.0, 18.0, false),
        (hang, 100.0, 98.0, true),
        (restart, 0.0, 0.0, false),
    ] {
        let spec = fault(
            kind,
            on_node(1),
            &[PartyKind::Kubelet],
            (away_s > 0.0).then_some(away_s),
        );
        let outcomes = pods(20, &[], |world| world.faults = vec![spec.clone()]);
        let marked = outcomes
            .iter()
            .filter(|outcome| outcome.run.node_given_up.is_some())
            .count();
        let [mut here, mut elsewhere] = ready_after(&outcomes);
        let (first, usual) = (quantile(&mut here, 0.0), quantile(&mut elsewhere, 1.0));
        eprintln!(
            "{}: first pod there after {first:.1} s, others {usual:.1}; marked {marked}",
            spec.kind.words().noun
        );
        assert_eq!(marked, if given_up { 20 } else { 0 });
        assert!(
            first > least && here.iter().all(|ready| ready.is_finite()),
            "{first}, {here:?}"
        );
        assert!(usual < 40.0, "{usual}");
    }
    // What decides is how long it is away, whatever the reason.
    let slow_systemd = ["parameters.kubernetes.kubelet_restart_wait=60s"];
    let spec = fault(crash, on_node(1), &[PartyKind::Kubelet], Some(0.001));
    let outcomes = pods(20, &slow_systemd, |world| world.faults = vec![spec.clone()]);
    assert!(outcomes.iter().all(|outcome| outcome.run.node_given_up.is_some()));
}

#[test]
fn calls_of_the_network_plugin_wait_for_an_agent_that_is_away() {
    let usual = {
        let outcomes = pods(10, &[], |world| cut(world, 0).whom.parties.clear());
        let [mut here, _] = ready_after(&outcomes);
        [quantile(&mut here, 0.0), quantile(&mut here, 1.0)]
    };
    for (kind, away_s) in [(crash as fn(Whom) -> FaultKind, 0.001), (hang, 20.0), (hang, 120.0)] {
        let spec = fault(kind, on_node(1), &[PartyKind::Agent], Some(away_s));
        let outcomes = pods(20, &[], |world| world.faults = vec![spec.clone()]);
        let [mut here, mut elsewhere] = ready_after(&outcomes);
        let (first, last) = (quantile(&mut here, 0.0), quantile(&mut here, 1.0));
        let other = quantile(&mut elsewhere, 1.0);
        eprintln!(
            "{} {away_s}: {first:.1} to {last:.1} s there, at most {other:.1} elsewhere; usual {usual:.1?}",
            spec.kind.words().noun
        );
        assert!(other < usual[1] + 10.0, "{other}");
        // One that ends needs 5 to 20 s; calls that fail after 30 s are made again 10 to 15 s later.
        let (least, most) = if away_s < 1.0 {
            (usual[0] + 3.0, usual[1] + 25.0)
        } else {
            (away_s, away_s + usual[1] + 50.0)
        };
        assert!(
            first > least && last < most,
            "{first} to {last}, not within {least} to {most}"
        );
    }
}

/// A run in which the agent of a node is cut for 20 minutes.
fn without_api(needs_api: bool, replication: u64) -> Outcome {
    let alter = |world: &mut WorldSpec| {
        cut(world, 0).whom.parties = vec![PartyKind::Agent];
        cut(world, 0).mode = CutMode::Drop;
        world.faults[0].when.duration = Some(s(1_200.0));
        world.horizon = at(2_400.0);
    };
    let lab = Bench::of("istiod-cut-off", &[needs(needs_api).as_str()])
        .only("cilium-only")
        .edit(alter)
        .ready();
    lab.one(replication)
}

fn needs(needs_api: bool) -> String {
    format!("parameters.cilium.agent_liveness_needs_api={needs_api}")
}

/// Pods that become desired eight minutes after that cut on the first worker: when they are ready there, from the repair on [s].
fn started_without_api(needs_api: bool) -> Vec<f64> {
    let outcomes = pods(10, &[needs(needs_api).as_str()], |world| {
        world.faults = vec![cuts("cut", on_node(1), &[PartyKind::Agent], CutMode::Drop)];
        world.faults[0].when.duration = Some(s(1_200.0));
        let sleep = workload(world, "sleep");
        let scale = Step::Scale {
            workload: sleep,
            replicas: 30,
        };
        let steps = [pause(60.0), Step::StartFault { fault: 0 }, pause(480.0), scale];
        world.script = vec![Step::Apply { workloads: vec![sleep] }];
        world.script.extend(steps);
        world.measures.startup_since_step = 4;
        world.horizon = at(2_400.0);
    });
    let of_run = |outcome: &Outcome| {
        let healed = outcome.run.cut.expect("it is cut") + s(1_200.0);
        let there = measured(outcome).filter(|pod| pod.node.as_deref() == Some("worker-1"));
        let ready = there.map(|pod| pod.ready.expect("it is ready at last"));
        ready
            .map(|ready| ready.as_secs_f64() - healed.as_secs_f64())
            .collect::<Vec<f64>>()
    };
    outcomes.iter().flat_map(of_run).collect()
}

#[test]
fn up_to_1_16_no_pod_starts_on_a_node_whose_agent_was_without_the_api_for_long() {
    for replication in 0..10 {
        // No pod starts there: verdicts are the same, until the repair finds the agent in its back-off.
        let [old, new] = [true, false].map(|needs_api| without_api(needs_api, replication));
        assert_eq!(old.accesses, new.accesses, "{replication}");
        let healed = old.run.cut.expect("it is cut") + s(1_200.0);
        assert_eq!(old.exposures.len(), new.exposures.len(), "{replication}");
        for (old, new) in old.exposures.iter().zip(&new.exposures) {
            assert_eq!(
                (old.start, &old.client, &old.server),
                (new.start, &new.client, &new.server)
            );
            let ends = |at: Option<SimTime>| at.filter(|&at| at < healed);
            assert_eq!(ends(old.end), ends(new.end));
        }
    }
    let (mut old, mut new) = (started_without_api(true), started_without_api(false));
    assert!(
        old.len() > 30 && new.len() > 30,
        "{} and {} pods there",
        old.len(),
        new.len()
    );
    let of = |values: &mut [f64]| [0.0, 0.5, 1.0].map(|share| quantile(values, share));
    let (old, new) = (of(&mut old), of(&mut new));
    eprintln!("ready after the repair: up to 1.16 {old:.0?} s, from 1.17 on {new:.0?} s");
    assert!(new[2] < -600.0, "{new:?}");
    // The back-off of up to 5 min and its look of up to 15 s, the start, a call that is made again, and the batch of pods.
    assert!(old[0] > 0.0 && old[2] < 315.0 + 20.0 + 60.0 + 60.0, "{old:?}");
}

/// A frozen service proxy keeps its rules: a pod that goes is still chosen.
#[test]
fn a_service_proxy_that_is_away_keeps_its_rules() {
    let seen = |kind: fn(Whom) -> FaultKind, for_s: Option<f64>| {
        #[derive(Default)]
        struct Looks(Vec<(f64, usize)>);
        impl Watch for Looks {
            fn event(&mut self, moment: &Moment, _: &Event, shared: &Shared) -> ControlFlow<()> {
                let node = NodeId(1);
                let service = shared.blueprint.istiod_service.expect("there is Istio");
                let backends = shared.backends_at(node, service, moment.time);
                self.0
                    .push((moment.time.as_secs_f64(), backends.map_or(0, |backends| backends.len())));
                ControlFlow::Continue(())
            }
        }
        let alter = |world: &mut WorldSpec| {
            world.faults = vec![fault(kind, on_node(1), &[PartyKind::ServiceProxy], for_s)];
            let mut second = first_istiod(crash, None);
            second.name = "istiod".to_owned();
            second.when.starts_at = Some(at(75.0));
            world.faults.push(second);
            world.script = vec![pause(60.0), Step::StartFault { fault: 0 }, pause(80.0)];
            world.measures.startup_since_step = 0;
            world.horizon = at(160.0);
        };
        let bench = Bench::of("one-istiod-of-three", &[]).only("drop-redraw").edit(alter);
        let mut looks = Looks::default();
        let outcome = bench.simulator(act).watched(0, 0, DrawLog::default(), &mut looks);
        assert_eq!(outcome.run.failure, None);
        let fewer = looks.0.iter().find(|(time, backends)| *time > 76.0 && *backends == 2);
        fewer.map(|(time, _)| *time)
    };
    let (frozen, thawed) = (seen(hang, None), seen(hang, Some(30.0)));
    eprintln!(
        "two backends: never {frozen:?}, thawed {thawed:?}, restarted {:?}",
        seen(restart, None)
    );
    assert_eq!(frozen, None);
    assert!(thawed.is_some_and(|time| (90.0..130.0).contains(&time)));
    assert!(seen(restart, None).is_some_and(|time| time < 90.0));
}
