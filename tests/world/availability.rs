//! Availability of edges against closed forms, and against requests that are sent.

use std::fmt::Write as _;

use meshfault::cluster::records::{AccessClass, EdgeRecord, Outcome};

use crate::support::{Bench, Lab, at, between, case_path};

/// Two Deployments with a Service each, which every pod may call.
fn manifests() -> String {
    let mut yaml = "apiVersion: v1\nkind: Namespace\nmetadata: {name: default}\n".to_owned();
    for (name, replicas) in [("client", 1), ("server", 4)] {
        let _ = write!(
            yaml,
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: default}}\n\
             spec: {{selector: {{app: {name}}}, ports: [{{port: 80, targetPort: 8080}}]}}\n\
             ---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: default}}\n\
             spec:\n  replicas: {replicas}\n  selector: {{matchLabels: {{app: {name}}}}}\n  template:\n\
             \x20   metadata: {{labels: {{app: {name}}}}}\n\
             \x20   spec: {{containers: [{{name: c, image: c, ports: [{{containerPort: 8080}}]}}]}}\n",
        );
    }
    yaml
}

/// A client on the first worker and servers on the next four, with these faults, and steps after 60 s.
fn lab(faults: &str, steps: &str, seed: u64) -> Lab {
    let dir = tempfile::tempdir().expect("there is room");
    let folder = dir.path().join("manifests");
    std::fs::create_dir(&folder).expect("it can be written");
    std::fs::write(folder.join("all.yaml"), manifests()).expect("it can be written");
    let file = dir.path().join("experiment.yaml");
    let faults = if faults.is_empty() {
        String::new()
    } else {
        format!("faults:\n{faults}")
    };
    let text = format!(
        "meshfault: 1\ntitle: Four servers\nquestion: How many calls would be answered?\nhorizon: 4m\nreplications: 1\n\
         cluster:\n  kubernetes: \"1.27\"\n  nodes: 6\n  control_plane_nodes: 1\n\
         \x20 cilium: {{version: \"1.15.0\", routing: vxlan, encryption: none}}\n  istio: none\n\
         manifests: manifests\npolicies_in_force: [network]\n\
         placement: {{client: [worker-1], server: [worker-2, worker-3, worker-4, worker-5]}}\n\
         {faults}\
         script:\n  - apply: [client, server]\n  - wait_ready: {{workloads: [client, server], timeout: 50s}}\n{steps}\
         measures: {{exposure: {{clients: [client], servers: [server]}}}}\ndesigns: [{{name: only}}]\n"
    );
    std::fs::write(&file, text).expect("it can be written");
    Bench::load(&file, &[]).seed(seed).ready()
}

/// What the edge is from a time on.
fn since(outcome: &Outcome, seconds: f64) -> Vec<&EdgeRecord> {
    outcome.edges.iter().filter(|span| span.end > at(seconds)).collect()
}

fn shares(spans: &[&EdgeRecord]) -> Vec<Option<f64>> {
    let mut shares: Vec<Option<f64>> = spans.iter().map(|span| span.availability).collect();
    shares.dedup();
    shares
}

#[test]
fn a_healthy_edge_is_available_once_it_is_known() {
    let outcome = lab("", "", 1).one(0);
    assert_eq!(shares(&since(&outcome, 30.0)), [Some(1.0)]);
    let pairs: Vec<u32> = since(&outcome, 30.0).iter().map(|span| span.pairs).collect();
    assert_eq!(pairs, [4]);
    // Nothing counts before a pod of either was ready.
    let ready = |workload: &str| {
        let of = outcome.pods.iter().filter(|pod| pod.workload == workload);
        of.filter_map(|pod| pod.ready).min().expect("one was ready")
    };
    let first = outcome.edges.iter().find(|span| span.availability.is_some());
    assert_eq!(first.map(|span| span.start), Some(ready("client").max(ready("server"))));
}

/// The node of one server of four has no power: as long as it is listed a quarter of the calls get no answer.
#[test]
fn a_dead_backend_takes_its_share_while_it_is_listed() {
    let outcome = lab("  dark: {node_down: {nodes: [worker-2]}, at: 60s}\n", "", 1).one(0);
    let spans = since(&outcome, 59.0);
    assert_eq!(shares(&spans), [Some(1.0), Some(0.75), Some(1.0)]);
    let quarter: Vec<&&EdgeRecord> = spans.iter().filter(|span| span.availability == Some(0.75)).collect();
    let (from, to) = (quarter[0].start, quarter[quarter.len() - 1].end);
    assert_eq!(from, at(60.0));
    let marked = outcome.run.node_given_up.expect("the node is marked NotReady");
    assert!(to > marked && between(marked, to) < 3.0, "{marked:?} {to:?}");
}

/// Two servers of four are behind a cut for 20 s, and the client knows all four.
#[test]
fn a_partition_takes_the_servers_behind_it_for_as_long_as_it_lasts() {
    let cut = "  apart: {partition: {nodes: [worker-2, worker-3], to_nodes: [worker-1, worker-4], mode: drop}, at: 60s, for: 20s}\n";
    let outcome = lab(cut, "", 1).one(0);
    let spans = since(&outcome, 59.0);
    assert_eq!(shares(&spans), [Some(1.0), Some(0.5), Some(1.0)]);
    let half: Vec<&&EdgeRecord> = spans.iter().filter(|span| span.availability == Some(0.5)).collect();
    assert_eq!((half[0].start, half[0].end, half.len()), (at(60.0), at(80.0), 1));
}

/// A request is sent every 0.7 s through faults of all kinds. Each is answered with the probability that the edge has when it begins.
#[test]
fn requests_are_answered_as_the_availability_has_it() {
    let faults = "  dark: {node_down: {nodes: [worker-2]}, at: 60s}\n\
                  \x20 apart: {partition: {nodes: [worker-1], to_nodes: [worker-3, worker-4], mode: drop}, at: 80s, repeats: {to_failure: {exponential: {mean: 4s, max: 20s}}, to_repair: {exponential: {mean: 4s, max: 20s}}}}\n";
    let steps = "  - parallel:\n    - name: rolls\n      steps:\n      - pause: 70s\n      - rollout_restart: {workload: server}\n\
                 \x20   - name: asks\n      steps:\n      - repeat: {every: 700ms, times: 280, steps: [{probe: {from: client, to: server, time_limit: 500ms}}]}\n";
    let (mut sum, mut variance, mut certain, mut drawn) = (0.0, 0.0, 0, 0);
    for seed in 0..12 {
        let outcome = lab(faults, steps, seed).one(0);
        for access in &outcome.accesses {
            let held = |span: &&EdgeRecord| span.start <= access.time && access.time < span.end;
            let share = outcome.edges.iter().find(held).and_then(|span| span.availability);
            let Some(share) = share else { continue };
            let answered = f64::from(u8::from(access.class == AccessClass::Allowed));
            if share == 0.0 || share == 1.0 {
                assert_eq!(answered, share, "seed {seed}: {access:?}");
                certain += 1;
            } else {
                (sum, variance) = (sum + answered - share, variance + share * (1.0 - share));
                drawn += 1;
            }
        }
    }
    assert!(certain > 500 && drawn > 500, "{certain} {drawn}");
    let z = sum / f64::sqrt(variance);
    assert!(z.abs() < 4.0, "{z}");
}

/// Which edges are watched does not change the run.
#[test]
fn an_edge_that_is_not_watched_is_missing() {
    let outcome = Bench::load(&case_path("exposure-unwatched"), &[]).ready().one(0);
    assert!(outcome.edges.is_empty());
}
