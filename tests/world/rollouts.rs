//! Rollouts of what the system consists of: agents, Istiods, CoreDNS.

use std::collections::{BTreeMap, BTreeSet};

use meshfault::cluster::records::AccessClass;
use meshfault::story::ToldRun;
use meshfault::story::dossier::Viewer;

use crate::event_log::PLAIN;
use crate::operators::{NETWORK, scripted};
use crate::support::{Lab, at, between, measured};

/// From its end to when an agent is up again: 100 ms to stop, 200 ms for its sandbox, three writes that are read 5 ms later, 1 ms of
/// the controller, 10 ms of the scheduler, 100 ms of setup, 150 ms for its sandbox, seven containers of 200 ms, and 3 s of its own.
const AWAY_S: f64 = 0.1 + 0.2 + 3.0 * 0.015 + 0.001 + 0.01 + 0.1 + 0.15 + 7.0 * 0.2 + 3.0;

fn agents(step: &str, more: &str) -> Lab {
    let script = format!("  - apply: [server, client]\n  - wait: {{until: 60s}}\n  - rollout_restart: {step}\n{more}");
    let mut changes = PLAIN.to_vec();
    changes.push("parameters.cilium.agent_start_latency=3s");
    scripted(NETWORK, &script, &changes).ready()
}

/// When each agent ended, and when it was up again.
fn absences(told: &ToldRun) -> BTreeMap<String, (f64, f64)> {
    let mut absences = BTreeMap::new();
    for line in &told.lines {
        let Some((of, what)) = line
            .text
            .strip_prefix("the Cilium agent of ")
            .and_then(|rest| rest.split_once(' '))
        else {
            continue;
        };
        let time = between(at(0.0), line.time);
        match what {
            "ends" => assert!(
                absences.insert(of.to_owned(), (time, f64::INFINITY)).is_none(),
                "{of} twice"
            ),
            "is up again" => absences.get_mut(of).expect("it has ended").1 = time,
            _ => {}
        }
    }
    absences
}

/// Most agents that are away at one time.
fn most_away(absences: &BTreeMap<String, (f64, f64)>) -> usize {
    let away = |time: f64| {
        absences
            .values()
            .filter(|(ends, up)| *ends <= time && time < *up)
            .count()
    };
    absences.values().map(|(ends, _)| away(*ends)).max().unwrap_or(0)
}

/// Six nodes, at most k at a time: 6/k rounds of the time that an agent is away and of its startup probe, which sees it up to 2 s later.
#[test]
fn agents_are_replaced_as_many_at_a_time_as_may_be_unavailable() {
    let mut orders = BTreeSet::new();
    for (most, written) in [(1, ", max_unavailable: 1"), (2, ""), (3, ", max_unavailable: 3")] {
        let lab = agents(&format!("{{daemonset: cilium_agent{written}, deadline: 10m}}"), "");
        for replication in 0..6 {
            let told = lab.told(replication);
            let absences = absences(&told);
            assert_eq!(absences.len(), 6, "{absences:?}");
            assert_eq!(most_away(&absences), most);
            for (agent, (ends, up)) in &absences {
                assert!((up - ends - AWAY_S).abs() < 1e-6, "{agent}: {} s", up - ends);
            }
            let rounds = (6 / most) as f64;
            let ended = told.run.script_end.expect("the rollout is complete");
            let took = between(at(60.0), ended);
            // Per round also the probe, and the controller's work with its writes and watches.
            let (least, longest) = (rounds * AWAY_S, rounds * (AWAY_S + 2.0 + 0.05) + 0.2);
            assert!(
                (least..longest).contains(&took),
                "{most} at a time: {took} s, not {least} to {longest} s"
            );
            assert_eq!(
                (told.run.rollouts, told.run.deploys, told.run.deploys_in_time),
                (1, 1, 1)
            );
            let mut order: Vec<(&String, &(f64, f64))> = absences.iter().collect();
            order.sort_by(|one, other| one.1.0.total_cmp(&other.1.0));
            orders.insert(order.into_iter().map(|(agent, _)| agent.clone()).collect::<Vec<_>>());
        }
    }
    assert!(orders.len() > 3, "the order of nodes is drawn");
}

/// The maps of the datapath survive: requests between running pods are answered all the while.
#[test]
fn connections_go_on_while_agents_are_replaced() {
    let probes =
        "  - repeat: {every: 200ms, times: 120, steps: [{probe: {from: client, to: server, time_limit: 100ms}}]}";
    let run = agents("{daemonset: cilium_agent, max_unavailable: 6}", probes).told(0);
    let absences = absences(&run);
    let within = |time: f64| absences.values().any(|(ends, up)| *ends <= time && time < *up);
    let during = run
        .accesses
        .iter()
        .filter(|access| within(between(at(0.0), access.time)));
    assert!(during.count() > 20);
    assert!(run.accesses.iter().all(|access| access.class == AccessClass::Allowed));
}

/// The pod of an agent waits for its kubelet: while a node is silent the rollout waits for it, and goes on with the others.
#[test]
fn a_rollout_waits_for_a_node_whose_kubelet_is_cut_off() {
    let fault = "  - wait: {daemonset: cilium_agent, timeout: 10m}\nfaults:\n  away: {cut: {node: worker-3, parties: [kubelet], mode: drop}, at: 20s, for: 5m}";
    let told = agents("{daemonset: cilium_agent, deadline: 100s}", fault).told(0);
    let absences = absences(&told);
    let (ends, _) = absences["worker-3"];
    assert!((320.0..400.0).contains(&ends), "{ends}");
    let others = absences.iter().filter(|(agent, _)| *agent != "worker-3");
    assert!(others.clone().count() == 5 && others.into_iter().all(|(_, (ends, _))| *ends < 120.0));
    // It counts as unavailable: the others go one after another.
    assert_eq!(most_away(&absences), 1);
    assert!(told.run.script_end.is_some() && told.run.script_stopped.is_none());
    assert_eq!((told.run.deploys_in_time, told.run.rollouts), (0, 2));
}

/// An agent on a node that dies is new when the node is back.
#[test]
fn a_node_that_is_down_meanwhile_has_a_new_agent_after_its_boot() {
    let fault = "faults:\n  dead: {node_down: {node: worker-3}, at: 20s, for: 4m}";
    let told = agents("{daemonset: cilium_agent, deadline: 15m}", fault).told(0);
    let ended = told.run.script_end.expect("the rollout is complete");
    let booted = told
        .lines
        .iter()
        .find(|line| line.text.contains("worker-3") && line.text.contains("boot"));
    let booted = booted.expect("it boots").time;
    assert!((0.0..30.0).contains(&between(booted, ended)), "{booted:?} {ended:?}");
}

const MESH: &str = "coredns: 2, cilium: {version: \"1.16.5\", routing: vxlan, encryption: none}, istio: {version: \"1.21.0\", replicas: 3}";

/// Each Istiod is a new pod with an ordinal of its own, whose clients connect anew.
#[test]
fn istiods_are_replaced_by_new_pods_and_sidecars_go_on() {
    let script = "  - apply: [server, client]\n  - wait_ready: {workloads: [server, client], timeout: 3m}\n  - wait: {until: 3m}\n  \
                  - rollout_restart: {deployment: istiod, deadline: 5m}\n  - pause: 60s\n  - scale: {workload: client, replicas: 12}\n  \
                  - wait_ready: {workloads: [client], timeout: 3m}\n  - rollout_restart: {deployment: coredns, deadline: 5m}\n  \
                  - probe: {from: client, to: server, time_limit: 1s}\nmeasures: {startup: {workloads: [client]}}";
    let lab = scripted(MESH, script, &[]).ready();
    for replication in 0..4 {
        let told = lab.told(replication);
        let texts = || told.lines.iter().map(|line| line.text.as_str());
        let bound = |name: &str| {
            texts()
                .filter(|text| text.starts_with(&format!("binds {name}")))
                .count()
        };
        assert_eq!((bound("istiod-2-"), bound("coredns-2-")), (3, 2), "{replication}");
        // Ordinals go on, so that no Istiod is taken for another one.
        for ordinal in 3..6 {
            assert_eq!(bound(&format!("istiod-2-{ordinal}")), 1);
        }
        let (mut run, mut counts) = (3_i32, Vec::new());
        for line in told.lines.iter().filter(|line| line.time > at(180.0)) {
            run += i32::from(line.text.starts_with("runs the containers of istiod-2-"));
            run -= i32::from(line.text.starts_with("has stopped istiod-1-"));
            counts.push(run);
        }
        // A quarter of three is none: three always run, and no more than twice as many.
        assert_eq!(counts.iter().min(), Some(&3), "{replication}");
        assert!(
            counts.iter().max().is_some_and(|most| (4..=6).contains(most)),
            "{replication}"
        );
        assert!(
            told.run.script_end.is_some(),
            "{replication}: {:?}",
            told.run.script_stopped
        );
        assert_eq!(told.run.deploys_in_time, told.run.deploys);
        assert!(measured(&told).all(|pod| pod.ready.is_some()), "{replication}");
        assert_eq!(
            told.accesses.last().map(|access| access.class),
            Some(AccessClass::Allowed)
        );
    }
}

/// A rollout that is not waited for is one deploy, from its command to the end of the wait that asks for it.
#[test]
fn a_rollout_without_a_deadline_is_waited_for_later() {
    let lab = |wait: &str| {
        let script = format!(
            "  - apply: [server, client]\n  - scale: {{workload: client, replicas: 8}}\n  - wait_ready: {{workloads: [client], timeout: 1m}}\n  \
             - wait: {{until: 60s}}\n  - rollout_restart: {{workload: client}}\n  - pause: 500ms\n  - wait: {{deployment: client, {wait}}}"
        );
        scripted(NETWORK, &script, &PLAIN).ready().one(0).run
    };
    let complete = lab("timeout: 5m");
    assert_eq!(
        (complete.rollouts, complete.deploys, complete.deploys_in_time),
        (1, 2, 2)
    );
    let ended = between(at(60.0), complete.script_end.expect("it ends"));
    let longest = complete.longest_deploy.expect("there are two").as_secs_f64();
    assert!(
        (1.0..60.0).contains(&ended) && (longest - ended).abs() < 2.0,
        "{ended} {longest}"
    );
    let late = lab("timeout: 100ms, on_timeout: go_on");
    assert_eq!((late.deploys, late.deploys_in_time, late.rollouts), (2, 1, 1));
    assert!(
        late.script_end.is_some_and(|end| between(at(60.0), end) < 1.0),
        "{:?}",
        late.script_end
    );
    let stops = lab("timeout: 100ms");
    let reason = "step 7: the rollout was not complete in time";
    assert_eq!(
        (stops.script_stopped.as_deref(), stops.deploys_in_time),
        (Some(reason), 1)
    );
}

/// A step about what no design has is told.
#[test]
fn a_rollout_of_what_no_design_has_is_a_warning() {
    let bench = |cluster: &str| scripted(cluster, "  - rollout_restart: {deployment: istiod, deadline: 1m}", &[]);
    let told = |cluster: &str| {
        let bench = bench(cluster);
        let mut warnings = bench.warnings().iter();
        warnings.any(|warning| warning.contains("no design has `istiod`: the step does nothing"))
    };
    assert!(told(NETWORK) && !told(MESH));
    assert!(bench(NETWORK).ready().one(0).run.script_end.is_some());
}

/// The Istiod that a client follows at its last probe, and those whose containers stopped.
fn followed(probes: &str, replication: u64) -> (Option<String>, Vec<String>) {
    let script = format!(
        "  - apply: [server, client]\n  - wait_ready: {{workloads: [server, client], timeout: 3m}}\n  - wait: {{until: 185s}}\n{probes}\
         faults: {{silent: {{cut: {{node_of: istiod, parties: [kubelet], mode: drop}}, at: 180s, for: 8m}}}}"
    );
    let told = scripted(MESH, &script, &[]).ready().told(replication);
    let stopped = told.lines.iter().filter_map(|line| {
        let ordinal = line.text.strip_prefix("has stopped istiod-1-")?;
        Some(format!("istiod-{ordinal}"))
    });
    let stopped = stopped.collect();
    let service = told.dossier.as_ref().and_then(|dossier| dossier.service.as_ref());
    let followed = service.and_then(|service| match &service.seen_by {
        Viewer::Proxy { istiod, .. } => istiod.clone(),
        Viewer::Node { .. } => None,
    });
    (followed, stopped)
}

/// An Istiod that was evicted from a silent node serves until the node returns and its kubelet stops it; then its clients move.
#[test]
fn an_istiod_evicted_from_a_silent_node_stops_serving_when_the_node_returns() {
    const PROBE: &str = "  - probe: {from: client, to: server, time_limit: 1s}\n";
    let later = format!("{PROBE}  - wait: {{until: 15m}}\n{PROBE}");
    let mut moved = 0;
    for replication in 0..8 {
        let (before, _) = followed(PROBE, replication);
        let (after, stopped) = followed(&later, replication);
        assert_eq!(stopped.len(), 1, "{replication}: the evicted one alone stops");
        assert!(
            after.as_ref().is_some_and(|after| !stopped.contains(after)),
            "{replication}: {after:?}"
        );
        moved += u32::from(before.is_some_and(|before| stopped.contains(&before)));
    }
    assert!(moved > 0, "no client followed the evicted Istiod before");
}
