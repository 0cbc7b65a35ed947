//! Steps that operators take: nodes that are drained and tainted, deletions, repetitions, tracks side by side, waits with timeouts.

use std::collections::BTreeMap;
use std::path::Path;

use meshfault::cluster::records::AccessClass;
use meshfault::story::{Line, ToldRun};

use crate::event_log::PLAIN;
use crate::support::{Bench, Lab, at, between};

/// An experiment of one design with this script: six nodes, `server` with one replica, `client` with six.
pub fn scripted(cluster: &str, script: &str, changes: &[&str]) -> Bench {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifests = root.join("tests/fixtures/cases/manifests-starter");
    let text = format!(
        "meshfault: 1\ntitle: A script\nquestion: What does it do?\nhorizon: 20m\nreplications: 1\nseed_group: operators\n\
         cluster: {{kubernetes: \"1.31\", nodes: 6, control_plane_nodes: 1, {cluster}}}\nmanifests: {}\nscript:\n{script}\n\
         designs: [{{name: only}}]\n",
        manifests.display()
    );
    let dir = tempfile::tempdir().expect("a folder for a file");
    let path = dir.path().join("scripted.yaml");
    std::fs::write(&path, text).expect("a file can be written");
    Bench::load(&path, changes)
}

/// The network alone.
pub const NETWORK: &str = "cilium: {version: \"1.16.5\", routing: vxlan, encryption: none}, istio: none";

fn plain(script: &str) -> Lab {
    scripted(NETWORK, script, &PLAIN).ready()
}

/// Twelve pods of client on five workers.
const TWELVE: &str = "  - apply: [server, client]\n  - scale: {workload: client, replicas: 12}\n  \
                      - wait_ready: {workloads: [server, client], timeout: 2m}\n";

/// The node of each pod that is there at a time, from the story.
fn nodes_at(told: &ToldRun, seconds: f64) -> BTreeMap<String, String> {
    let mut nodes = BTreeMap::new();
    for line in told.lines.iter().filter(|line| line.time <= at(seconds)) {
        if let Some((pod, node)) = line
            .text
            .strip_prefix("binds ")
            .and_then(|rest| rest.split_once(" to "))
        {
            nodes.insert(pod.to_owned(), node.to_owned());
        }
        if let Some(pod) = line.text.strip_prefix("removes ") {
            nodes.remove(pod);
        }
    }
    nodes
}

/// When the script, or a track, says this.
fn said(told: &ToldRun, text: &str) -> Vec<f64> {
    let lines = told
        .lines
        .iter()
        .filter(|line| line.component == "script" && line.text == text);
    lines.map(|line| between(at(0.0), line.time)).collect()
}

#[test]
fn a_drain_leaves_no_pod_on_the_node_and_lets_none_in_until_it_is_uncordoned() {
    let lab = plain(&format!(
        "{TWELVE}  - wait: {{until: 60s}}\n  - drain: {{node: worker-2, timeout: 2m}}\n  - wait: {{until: 120s}}\n  \
         - scale: {{workload: client, replicas: 30}}\n  - wait: {{until: 240s}}\n  - uncordon: {{node: worker-2}}\n  \
         - scale: {{workload: client, replicas: 40}}\n  - wait: {{ready: [client], timeout: 2m}}"
    ));
    for replication in 0..5 {
        let told = lab.told(replication);
        let on_it = |seconds: f64| {
            nodes_at(&told, seconds)
                .values()
                .filter(|node| *node == "worker-2")
                .count()
        };
        assert!(on_it(59.0) >= 2, "{replication}: the check is not empty");
        let evicted = format!("evicts {} pods of worker-2", on_it(59.0));
        assert_eq!(said(&told, "cordons worker-2").len(), 1);
        let [begun] = said(&told, &evicted)[..] else {
            panic!("{replication}: {evicted}")
        };
        // A command of 100 ms and its write; pods end 105 ms after they hear of it, and their sandboxes 200 ms later.
        assert!((begun - 60.11).abs() < 0.001, "{begun}");
        let ended = told.lines.iter().find(|line| line.text.contains("uncordons"));
        assert!(ended.is_some(), "{replication}: the drain ends");
        for seconds in [62.0, 119.0, 239.0] {
            assert_eq!(on_it(seconds), 0, "{replication} at {seconds}");
        }
        assert!(on_it(290.0) >= 5, "{replication}: it fills up again");
        assert!(told.run.script_end.is_some() && told.run.script_stopped.is_none());
    }
}

#[test]
fn a_drain_of_a_node_whose_kubelet_is_away_ends_at_its_timeout() {
    for (on_timeout, stops) in [("", true), (", on_timeout: go_on", false)] {
        let script = format!(
            "{TWELVE}  - start_fault: away\n  - drain: {{node: worker-2, timeout: 30s{on_timeout}}}\n  - pause: 1s\nfaults:\n  \
             away: {{cut: {{node: worker-2, parties: [kubelet], mode: drop}}}}"
        );
        let run = plain(&script).one(0).run;
        assert_eq!(run.script_end.is_none(), stops);
        let reason = stops.then_some("step 5: pods of the node were not gone in time");
        assert_eq!(run.script_stopped.as_deref(), reason);
    }
}

#[test]
fn a_taint_keeps_pods_away_or_evicts_them() {
    for (effect, evicts) in [("NoSchedule", false), ("NoExecute", true)] {
        let told = plain(&format!(
            "{TWELVE}  - wait: {{until: 60s}}\n  - taint: {{node: worker-1, effect: {effect}}}\n  - wait: {{until: 120s}}\n  \
             - scale: {{workload: client, replicas: 24}}\n  - wait: {{until: 180s}}\n  \
             - taint: {{node: worker-1, effect: {effect}, remove: true}}\n  - scale: {{workload: client, replicas: 40}}"
        ))
        .told(0);
        let on_it = |seconds: f64| {
            nodes_at(&told, seconds)
                .values()
                .filter(|node| *node == "worker-1")
                .count()
        };
        let before = on_it(59.0);
        assert!(before >= 2);
        let stay = if evicts { 0 } else { before };
        assert_eq!((on_it(110.0), on_it(179.0)), (stay, stay), "{effect}");
        assert!(on_it(240.0) > before, "{effect}");
        assert_eq!(told.run.pods_evicted, if evicts { before as u32 } else { 0 });
    }
}

#[test]
fn deleted_pods_are_replaced_and_deleted_workloads_are_not() {
    let lab = plain(&format!(
        "{TWELVE}  - wait: {{until: 60s}}\n  - delete_pods: {{workload: client, count: 5}}\n  - wait: {{until: 120s}}\n  \
         - delete: [client]\n  - wait: {{until: 180s}}\n  - apply: [\"*\"]\n  - wait: {{ready: [client, server], timeout: 1m}}"
    ));
    let mut drawn = BTreeMap::new();
    for replication in 0..6 {
        let told = lab.told(replication);
        let clients = |seconds: f64| -> Vec<String> {
            let nodes = nodes_at(&told, seconds);
            nodes.into_keys().filter(|pod| pod.starts_with("client")).collect()
        };
        let (before, after) = (clients(59.0), clients(110.0));
        assert_eq!((before.len(), after.len(), clients(170.0).len()), (12, 12, 0));
        let gone: Vec<String> = before.into_iter().filter(|pod| !after.contains(pod)).collect();
        assert_eq!(gone.len(), 5);
        *drawn.entry(gone).or_insert(0) += 1;
        assert!(told.run.script_end.is_some());
    }
    assert!(drawn.len() > 1, "the same pods in every run: {drawn:?}");
}

/// A probe every 10 s: as many as asked for, at their times; and until the end of the run.
#[test]
fn steps_are_repeated_exactly_as_often_as_asked() {
    let probe = "{from: client, to: server, time_limit: 1s}";
    let told = plain(&format!(
        "{TWELVE}  - wait: {{until: 60s}}\n  - repeat:\n      every: 10s\n      times: 7\n      steps:\n        - probe: {probe}\n        \
         - repeat: {{every: 100ms, times: 3, steps: [{{pause: 1ms}}, {{probe: {probe}}}]}}\n  - pause: 1s"
    ))
    .told(0);
    let times: Vec<f64> = told
        .accesses
        .iter()
        .map(|access| between(at(0.0), access.time))
        .collect();
    assert_eq!(times.len(), 7 * 4);
    for (number, four) in times.chunks(4).enumerate() {
        assert!((four[0] - 60.0 - 10.0 * number as f64).abs() < 1e-9, "{four:?}");
        assert!(
            (four[2] - four[1] - 0.1).abs() < 0.02 && (four[3] - four[2] - 0.1).abs() < 0.02,
            "{four:?}"
        );
    }
    assert!(told.run.script_end.is_some());
    // The repetitions draw numbers of their own.
    let endless = plain(&format!(
        "{TWELVE}  - wait: {{until: 60s}}\n  - repeat: {{every: 1m, steps: [{{probe: {probe}}}, {{pause: 90s}}]}}"
    ));
    // Each repetition takes longer than its period: the next one begins at its end.
    let run = endless.one(0);
    let times: Vec<f64> = run
        .accesses
        .iter()
        .map(|access| between(at(60.0), access.time))
        .collect();
    assert_eq!(times.len(), 13, "{times:?}");
    assert!(
        times.windows(2).all(|pair| (90.0..91.0).contains(&(pair[1] - pair[0]))),
        "{times:?}"
    );
    assert_eq!(run.run.script_end, None);
}

/// What a track does, when and with what luck, does not depend on the tracks beside it.
#[test]
fn a_track_does_not_delay_another() {
    let probes = "{name: probes, steps: [{repeat: {every: 5s, times: 40, steps: [{probe: {from: client, to: server, time_limit: 1s}}]}}]}";
    let scales = "{name: scales, steps: [{repeat: {every: 30s, times: 6, steps: [{scale: {workload: client, replicas: 14}}, {wait_ready: {workloads: [client], timeout: 1m}}, {scale: {workload: client, replicas: 12}}]}}]}";
    let run = |tracks: &str| {
        let script = format!(
            "{TWELVE}  - wait: {{until: 60s}}\n  - parallel: [{tracks}]\n  - probe: {{from: client, to: server, time_limit: 1s}}"
        );
        scripted(NETWORK, &script, &[]).ready().told(3)
    };
    let (alone, both, turned) = (
        run(probes),
        run(&format!("{probes}, {scales}")),
        run(&format!("{scales}, {probes}")),
    );
    let times = |told: &ToldRun| -> Vec<_> { told.accesses.iter().map(|access| access.time).collect() };
    // The last probe comes when the longest track has ended: the scales take 150 s and a few, the probes 195 s.
    assert_eq!(times(&alone).len(), 41);
    assert_eq!(times(&alone)[..40], times(&both)[..40]);
    assert_eq!(times(&both)[..40], times(&turned)[..40]);
    let scaled = |told: &ToldRun| -> Vec<f64> {
        let pods = told
            .lines
            .iter()
            .filter(|line| line.text.starts_with("sets replica set"));
        pods.map(|line| between(at(0.0), line.time)).collect()
    };
    assert_eq!(scaled(&both).len(), scaled(&alone).len() + 12);
    assert!(both.accesses.iter().all(|access| access.class == AccessClass::Allowed));
    for told in [&alone, &both, &turned] {
        let ended = told.run.script_end.map(|end| between(at(0.0), end)).expect("it ends");
        assert!((255.0..256.5).contains(&ended), "{ended}");
    }
}

#[test]
fn a_wait_that_is_too_long_is_a_record_and_its_track_alone_stops() {
    let told = plain(&format!(
        "{TWELVE}  - parallel:\n      - name: waits\n        steps:\n          - delete_pods: {{workload: client}}\n          \
         - wait: {{ready: [client], timeout: 100ms}}\n          - pause: 1s\n      - {{name: goes-on, steps: [{{pause: 10s}}, \
         {{probe: {{from: client, to: server, time_limit: 1s}}}}]}}\n  - pause: 1s"
    ))
    .told(0);
    let stopped = told.run.script_stopped.as_deref();
    assert_eq!(stopped, Some("step 4.waits.2: pods were not ready in time"));
    assert_eq!((told.run.script_end, told.accesses.len()), (None, 1));
    let line = "track waits: stops in step 4.waits.2: pods were not ready in time";
    assert_eq!(said(&told, line).len(), 1);
}

#[test]
fn a_wait_for_a_node_ends_when_it_is_ready_again() {
    let script = format!(
        "{TWELVE}  - start_fault: away\n  - wait: {{until: 150s}}\n  - wait: {{node: worker-2, timeout: 10m}}\n  - \
         wait: {{node: worker-2, timeout: 1s}}\nfaults:\n  away: {{cut: {{node: worker-2, parties: [kubelet], mode: drop}}, for: 3m}}"
    );
    let told = plain(&script).told(0);
    let renews = |line: &&Line| line.text == "sees worker-2 renew its lease again";
    let ready = told.lines.iter().find(renews).expect("it returns");
    let ended = told.run.script_end.expect("the script ends");
    // A write and a watch later.
    assert!(
        (between(ready.time, ended) - 0.015).abs() < 0.001,
        "{:?} {ended:?}",
        ready.time
    );
}
