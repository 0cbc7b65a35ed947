//! PodDisruptionBudgets: drains that wait, and never go below a budget.

use std::ops::ControlFlow;

use meshfault::cluster::context::Shared;
use meshfault::cluster::event::Event;
use meshfault::cluster::ids::KindId;
use meshfault::cluster::placement::{Amount, Limit};
use meshfault::cluster::world::Watch;
use meshfault::kernel::{DrawLog, Moment};

use crate::capacity::{bench, deployment, lines};
use crate::support::{at, between};

fn budget(limit: &str) -> String {
    format!(
        "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: web}}\nspec: {{{limit}, selector: {{matchLabels: {{app: web}}}}}}\n---\n"
    )
}

/// Pods that start on the first worker, and a drain of it at 60 s.
fn drained(replicas: u32, limit: &str, spec: &str, drain: &str) -> meshfault::story::ToldRun {
    let manifests = budget(limit) + &deployment("web", replicas, &format!("containers: [{{name: a{spec}}}]"));
    let first = vec!["worker-1"; replicas as usize].join(", ");
    let script = format!(
        "placement: {{web: [{first}]}}\nscript: [{{apply: [\"*\"]}}, {{wait: {{ready: [\"*\"], timeout: 1m}}}}, {{wait: {{until: 60s}}}}, {{drain: {{node: worker-1, {drain}}}}}]"
    );
    bench("nodes: 4", &manifests, &script).ready().told(0)
}

#[test]
fn a_refused_eviction_is_repeated_after_five_seconds() {
    let told = drained(3, "minAvailable: 2", "", "timeout: 5m");
    let refused: Vec<f64> = lines(&told, "cannot evict web-")
        .iter()
        .map(|(time, _)| *time)
        .collect();
    // One of three may go; the others wait until the pod in its place is ready, one after another.
    assert_eq!(refused.len(), 3, "{refused:?}");
    assert_eq!(refused[0], refused[1]);
    assert!((refused[2] - refused[0] - 5.01).abs() < 1e-6, "{refused:?}");
    let ended = between(at(0.0), told.run.script_end.expect("the drain ends"));
    assert!(
        (refused[2] + 5.0..refused[2] + 6.0).contains(&ended),
        "{ended} {refused:?}"
    );
    // The same budget in other words, and one that allows two.
    let percent = drained(3, "maxUnavailable: 33%", "", "timeout: 5m");
    assert_eq!(lines(&percent, "cannot evict web-").len(), 3);
    let two = drained(3, "maxUnavailable: 2", "", "timeout: 5m");
    assert_eq!(lines(&two, "cannot evict web-").len(), 1);
}

#[test]
fn a_budget_that_never_allows_it_stops_a_drain() {
    let told = drained(2, "minAvailable: 100%", "", "timeout: 32s");
    let refused = lines(&told, "cannot evict web-");
    assert_eq!(refused.len(), 14, "two pods, seven times each");
    assert!(lines(&told, "removes web-").is_empty());
    assert_eq!(
        told.run.script_stopped.as_deref(),
        Some("step 4: pods of the node were not gone in time")
    );
    // The drain is over: nothing is tried afterwards.
    assert!(refused.iter().all(|(time, _)| *time < 93.0));
    let goes_on = drained(2, "minAvailable: 2", "", "timeout: 12s, on_timeout: go_on");
    assert!(goes_on.run.script_end.is_some() && goes_on.run.script_stopped.is_none());
}

#[test]
fn pods_that_do_not_count_go_at_once() {
    // Not ready, and the budget asks for more than there are: it needs them all.
    let unready = ", readinessProbe: {initialDelaySeconds: 900}";
    let script = |policy: &str| {
        let manifests = budget(&format!("minAvailable: 1{policy}"))
            + &deployment("web", 1, &format!("containers: [{{name: a{unready}}}]"));
        let script = "placement: {web: [worker-1]}\nscript: [{apply: [web]}, {wait: {until: 60s}}, {drain: {node: worker-1, timeout: 12s}}]";
        bench("nodes: 4", &manifests, script).ready().told(0)
    };
    assert_eq!(lines(&script(""), "cannot evict web-").len(), 3);
    assert!(
        lines(
            &script(", unhealthyPodEvictionPolicy: AlwaysAllow"),
            "cannot evict web-"
        )
        .is_empty()
    );
    // Pods of a DaemonSet stay, and no drain waits for them.
    let daemons = deployment("agent", 1, "containers: [{name: a}]")
        .replace("Deployment", "DaemonSet")
        .replace("  replicas: 1\n", "");
    let script = "script: [{apply: [\"*\"]}, {wait: {until: 60s}}, {drain: {node: worker-1, timeout: 1m}}]";
    let told = bench("nodes: 4", &daemons, script).ready().told(0);
    assert!(lines(&told, "removes agent-").is_empty() && told.run.script_end.is_some());
    assert_eq!(lines(&told, "binds agent-").len(), 3);
}

/// The fewest healthy pods from when all were ready first.
struct Least {
    desired: u32,
    least: Option<u32>,
}

impl Watch for Least {
    fn event(&mut self, moment: &Moment, _: &Event, shared: &Shared) -> ControlFlow<()> {
        let pods = shared.api.pods_of(KindId(0)).iter();
        let objects = pods.filter_map(|pod| shared.api.pod(*pod));
        let healthy = objects.filter(|object| object.ready && !object.deleting).count() as u32;
        if moment.time >= at(59.0) {
            self.least = Some(self.least.map_or(healthy, |least| least.min(healthy)));
            assert!(
                healthy >= self.desired,
                "{healthy} of {} at {}",
                self.desired,
                moment.time
            );
        }
        ControlFlow::Continue(())
    }
}

#[test]
fn drains_side_by_side_never_go_below_a_budget() {
    let limits = [
        ("minAvailable: 6", Limit::MinAvailable(Amount::Count(6))),
        ("minAvailable: 75%", Limit::MinAvailable(Amount::Percent(75))),
        ("maxUnavailable: 1", Limit::MaxUnavailable(Amount::Count(1))),
        ("maxUnavailable: 34%", Limit::MaxUnavailable(Amount::Percent(34))),
    ];
    for (written, limit) in limits {
        let manifests = budget(written) + &deployment("web", 8, "containers: [{name: a}]");
        let drain = |node: u32| format!("{{name: n{node}, steps: [{{drain: {{node: worker-{node}, timeout: 5m}}}}]}}");
        let script = format!(
            "script: [{{apply: [web]}}, {{wait: {{ready: [web], timeout: 50s}}}}, {{wait: {{until: 60s}}}}, {{parallel: [{}, {}]}}]",
            drain(1),
            drain(2)
        );
        let bench = bench("nodes: 5", &manifests, &script);
        let simulator = bench.simulator(meshfault::cluster::fault::act);
        for replication in 0..4 {
            let desired = limit.desired_healthy(8);
            let mut least = Least { desired, least: None };
            let outcome = simulator.watched(0, replication, DrawLog::default(), &mut least);
            assert_eq!(outcome.run.failure, None);
            assert!(outcome.run.script_end.is_some(), "{written}: the drains end");
            // The budget is what holds them back.
            assert_eq!(least.least, Some(desired), "{written} {replication}");
        }
    }
}
