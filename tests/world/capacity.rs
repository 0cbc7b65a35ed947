//! Nodes that can be full: requests, labels and taints of pools, scores, priorities and pre-emption, tolerations with their times, and
//! laws that hold for random clusters. Latencies are constants, as in `event_log`.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use meshfault::cluster::context::Shared;
use meshfault::cluster::event::{Event, Write};
use meshfault::cluster::ids::{KindId, NodeId, PodId};
use meshfault::cluster::placement::{Effect, NodePool, Taint, Toleration};
use meshfault::cluster::spec::{Controller, Step, WorldSpec};
use meshfault::cluster::world::Watch;
use meshfault::kernel::{DrawLog, Moment};
use meshfault::policy::LabelSelector;
use meshfault::policy::labels::Labels;
use meshfault::story::ToldRun;

use crate::event_log::PLAIN;
use crate::support::{Bench, at, between, pause};

/// A Deployment whose pods have this in their spec.
pub fn deployment(name: &str, replicas: u32, spec: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  replicas: {replicas}\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    \
         spec: {{{spec}}}\n---\n"
    )
}

/// Containers that request so much.
fn requests(amounts: &str) -> String {
    format!("containers: [{{name: a, resources: {{requests: {{{amounts}}}}}}}]")
}

/// An experiment of one design with the network alone: these manifests in this cluster, with this script.
pub fn bench(cluster: &str, manifests: &str, script: &str) -> Bench {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("a file can be written");
    std::fs::create_dir(dir.path().join("manifests")).expect("a folder can be made");
    write("manifests/all.yaml", manifests);
    write(
        "experiment.yaml",
        &format!(
            "meshfault: 1\ntitle: Places\nquestion: Where are the pods?\nhorizon: 20m\nreplications: 1\nseed_group: capacity\n\
             cluster: {{kubernetes: \"1.31\", {cluster}, cilium: {{version: \"1.16.5\"}}, istio: none}}\nmanifests: manifests\n\
             {script}\ndesigns: [{{name: only}}]\n"
        ),
    );
    Bench::load(Path::new(&dir.path().join("experiment.yaml")), &PLAIN)
}

fn told(cluster: &str, manifests: &str, script: &str) -> ToldRun {
    bench(cluster, manifests, script).ready().told(0)
}

/// Times and texts of the lines that begin like this, in seconds.
pub fn lines<'t>(told: &'t ToldRun, start: &str) -> Vec<(f64, &'t str)> {
    let found = told.lines.iter().filter(|line| line.text.starts_with(start));
    found
        .map(|line| (between(at(0.0), line.time), line.text.as_str()))
        .collect()
}

/// How many pods of a workload each node got.
fn bound(told: &ToldRun, workload: &str) -> BTreeMap<String, u32> {
    let mut nodes = BTreeMap::new();
    let pods = format!("binds {workload}-");
    for (_, text) in lines(told, &pods) {
        let (_, node) = text.rsplit_once(' ').expect("binds a pod to a node");
        *nodes.entry(node.to_owned()).or_default() += 1;
    }
    nodes
}

fn counts(pairs: &[(&str, u32)]) -> BTreeMap<String, u32> {
    pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

#[test]
fn a_pod_waits_for_room_and_is_tried_again_when_there_is_some() {
    let manifests = deployment("first", 2, &requests("cpu: 600m")) + &deployment("second", 1, &requests("cpu: 500m"));
    let told = told(
        "node_pools: [{name: all, nodes: 2, cpu: 1}]",
        &manifests,
        "script: [{apply: [first]}, {wait: {until: 20s}}, {apply: [second]}, {wait: {until: 60s}}, {scale: {workload: first, replicas: 1}}]",
    );
    assert_eq!(bound(&told, "first"), counts(&[("worker-1", 1), ("worker-2", 1)]));
    let [(tried, why)] = lines(&told, "no node for second-1-0")[..] else {
        panic!("it is tried once")
    };
    assert!((20.0..21.0).contains(&tried), "{tried}");
    let reasons = "1 node has a taint that it does not tolerate, 2 nodes have too little CPU left";
    assert_eq!(why, format!("no node for second-1-0: {reasons}"));
    let [(gone, _)] = lines(&told, "removes first-")[..] else {
        panic!("one pod goes")
    };
    let [(placed, _)] = lines(&told, "binds second-1-0")[..] else {
        panic!("it is placed")
    };
    // It hears of it after 5 ms, its first back-off is 1 s, and a cycle takes 10 ms.
    assert!((placed - gone - 1.015).abs() < 1e-6, "{gone} {placed}");
    assert_eq!(bound(&told, "second").len(), 1);
    // Memory counts as well, and a node whose pool states nothing is never full.
    let memory = deployment("first", 5, &requests("cpu: 1m, memory: 1Gi"));
    let cluster = "node_pools: [{name: small, nodes: 1, cpu: 100, memory: 2Gi}, {name: endless, nodes: 1}]";
    let told = super::capacity::told(cluster, &memory, "script: [{apply: [first]}]");
    assert_eq!(bound(&told, "first").values().sum::<u32>(), 5);
    assert!(bound(&told, "first").get("worker-1").is_none_or(|pods| *pods <= 2));
}

#[test]
fn the_node_with_the_greater_share_left_is_chosen() {
    let cluster = "node_pools: [{name: small, nodes: 1, cpu: 4}, {name: large, nodes: 1, cpu: 8}]";
    let told = told(
        cluster,
        &deployment("web", 7, &requests("cpu: 1")),
        "script: [{apply: [web]}]",
    );
    let (mut used, capacity) = ([0_u32; 2], [4, 8]);
    for (number, (_, text)) in lines(&told, "binds web-").into_iter().enumerate() {
        let left = |node: usize| 100 * (capacity[node] - used[node] - 1) / capacity[node];
        let node = usize::from(!text.ends_with("worker-1"));
        assert!(left(node) >= left(1 - node), "pod {number}: {used:?}, {text}");
        used[node] += 1;
    }
    assert_eq!(used.iter().sum::<u32>(), 7);
    assert!(used[0] >= 2 && used[1] > used[0], "{used:?}");
}

#[test]
fn labels_and_taints_of_pools_choose_the_nodes() {
    let cluster = "zones: 2, node_pools: [{name: general, nodes: 2}, {name: batch, nodes: 2, labels: {tier: batch}, taints: [{key: tier, value: batch, effect: NoSchedule}]}, \
                   {name: spare, nodes: 2, zone: zone-2, taints: [{key: spare, effect: PreferNoSchedule}]}]";
    let toleration = "tolerations: [{key: tier, operator: Equal, value: batch, effect: NoSchedule}]";
    let containers = "containers: [{name: a}]";
    let manifests = [
        deployment("plain", 4, containers),
        deployment(
            "batch",
            4,
            &format!("{containers}, nodeSelector: {{tier: batch}}, {toleration}"),
        ),
        deployment("stuck", 1, &format!("{containers}, nodeSelector: {{tier: batch}}")),
        deployment(
            "spare",
            4,
            &format!(
                "{containers}, nodeSelector: {{topology.kubernetes.io/zone: zone-2}}, tolerations: [{{operator: Exists}}]"
            ),
        ),
    ];
    let told = told(
        cluster,
        &manifests.concat(),
        "script: [{apply: [\"*\"]}, {wait: {until: 60s}}]",
    );
    // The spare nodes are avoided as long as others take pods.
    let plain = bound(&told, "plain");
    assert!(
        plain
            .keys()
            .all(|node| ["worker-1", "worker-2"].contains(&node.as_str())),
        "{plain:?}"
    );
    assert_eq!(bound(&told, "batch"), counts(&[("worker-3", 2), ("worker-4", 2)]));
    let [(_, why)] = lines(&told, "no node for stuck-")[..] else {
        panic!("it has no node")
    };
    assert!(
        why.ends_with("3 nodes have a taint that it does not tolerate, 4 nodes have other labels than it asks for"),
        "{why}"
    );
    // Zone 2 has the pool of spare nodes, and every second one of the others.
    let spare = bound(&told, "spare");
    let in_zone = ["worker-2", "worker-4", "worker-5", "worker-6"];
    assert!(spare.keys().all(|node| in_zone.contains(&node.as_str())), "{spare:?}");
}

const CLASSES: &str = "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: high}\nvalue: 1000\n---\n\
                       apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: patient}\nvalue: 1000\npreemptionPolicy: Never\n---\n";

#[test]
fn a_pod_of_a_higher_priority_makes_room_for_itself() {
    let manifests = |class: &str| {
        let high = format!("{}, priorityClassName: {class}", requests("cpu: 800m"));
        let low = format!("{}, terminationGracePeriodSeconds: 20", requests("cpu: 800m"));
        let low = deployment("low", 2, &low).replace(
            "labels: {app: low}}",
            "labels: {app: low}, annotations: {meshfault.dev/ignores-sigterm: \"true\"}}",
        );
        format!("{CLASSES}{low}{}", deployment("high", 1, &high))
    };
    let cluster = "node_pools: [{name: all, nodes: 2, cpu: 1}]";
    let script = "script: [{apply: [low]}, {wait: {until: 30s}}, {apply: [high]}, {wait: {until: 120s}}]";
    let told = super::capacity::told(cluster, &manifests("high"), script);
    let [(deleted, _)] = lines(&told, "deletes low-")[..] else {
        panic!("one pod goes")
    };
    let [(placed, text)] = lines(&told, "binds high-1-0")[..] else {
        panic!("it is placed")
    };
    // The victim runs on until its grace period is over.
    assert!((20.0..23.5).contains(&(placed - deleted)), "{deleted} {placed} {text}");
    // What took its place in the ReplicaSet finds no node, and makes no other go.
    let waits = lines(&told, "no node for low-");
    assert!(!waits.is_empty() && lines(&told, "binds low-").len() == 2, "{waits:?}");
    let told = super::capacity::told(cluster, &manifests("patient"), script);
    assert!(lines(&told, "deletes low-").is_empty() && lines(&told, "binds high-").is_empty());
    // The queue has the important ones first.
    let both = super::capacity::told(
        "node_pools: [{name: all, nodes: 1, cpu: 1}]",
        &manifests("high"),
        "script: [{apply: [low]}, {wait: {until: 30s}}, {scale: {workload: low, replicas: 0}}, {apply: [high]}, {scale: {workload: low, replicas: 2}}]",
    );
    assert_eq!(bound(&both, "high").len(), 1);
}

#[test]
fn victims_without_a_budget_come_first() {
    let budget = "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: kept}\nspec: {minAvailable: 1, selector: {matchLabels: {app: kept}}}\n---\n";
    let high = format!("{}, priorityClassName: high", requests("cpu: 800m"));
    let manifests = [
        CLASSES.to_owned(),
        budget.to_owned(),
        deployment("kept", 1, &requests("cpu: 800m")),
        deployment("other", 1, &requests("cpu: 800m")),
        deployment("high", 1, &high),
    ];
    let script = "script: [{apply: [kept, other]}, {wait: {until: 30s}}, {apply: [high]}, {wait: {until: 120s}}]";
    let lab = bench(
        "node_pools: [{name: all, nodes: 2, cpu: 1}]",
        &manifests.concat(),
        script,
    )
    .ready();
    for replication in 0..6 {
        let told = lab.told(replication);
        assert_eq!(lines(&told, "deletes other-").len(), 1, "{replication}");
        assert!(lines(&told, "deletes kept-").is_empty(), "{replication}");
    }
}

/// A pod that prefers the first worker.
fn on_the_first(tolerations: &str) -> String {
    let prefers = "affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [worker-1]}]}}]}}";
    format!("containers: [{{name: a}}], {prefers}, tolerations: [{tolerations}]")
}

#[test]
fn pods_leave_a_lost_node_when_their_own_tolerations_end() {
    let toleration = |seconds: &str| {
        on_the_first(&format!(
            "{{key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute{seconds}}}"
        ))
    };
    let manifests = [
        deployment("default", 1, &on_the_first("")),
        deployment("short", 1, &toleration(", tolerationSeconds: 30")),
        deployment("long", 1, &toleration(", tolerationSeconds: 400")),
        deployment("ever", 1, &toleration("")),
    ];
    let script =
        "faults: {lost: {node_down: {node: worker-1}, at: 60s}}\nscript: [{apply: [\"*\"]}, {wait: {until: 1000s}}]";
    let told = told("nodes: 4", &manifests.concat(), script);
    for workload in ["default", "short", "long", "ever"] {
        let first = lines(&told, &format!("binds {workload}-"))[0].1;
        assert!(first.ends_with(" worker-1"), "{first}");
    }
    let [(marked, _)] = lines(&told, "marks worker-1 NotReady")[..] else {
        panic!("it is marked once")
    };
    let evictions: Vec<f64> = lines(&told, "evicts the pods of worker-1")
        .iter()
        .map(|(time, _)| time - marked)
        .collect();
    // The taint comes a monitor period after the mark.
    let expected = [35.0, 305.0, 405.0];
    assert_eq!(evictions.len(), 3, "{evictions:?}");
    assert!(
        evictions
            .iter()
            .zip(expected)
            .all(|(time, expected)| (time - expected).abs() < 1e-6),
        "{evictions:?}"
    );
    for (workload, after) in [
        ("short", Some(35.0)),
        ("default", Some(305.0)),
        ("long", Some(405.0)),
        ("ever", None),
    ] {
        let again = lines(&told, &format!("binds {workload}-"))
            .get(1)
            .map(|(time, _)| time - marked);
        assert_eq!(again.is_some(), after.is_some(), "{workload}");
        assert!(
            again
                .zip(after)
                .is_none_or(|(again, after)| (0.0..0.1).contains(&(again - after))),
            "{workload} {again:?}"
        );
    }
}

#[test]
fn a_taint_evicts_when_it_was_tolerated_long_enough() {
    let toleration = |seconds: &str| on_the_first(&format!("{{key: tier, operator: Exists{seconds}}}"));
    let manifests = [
        deployment("none", 1, &on_the_first("")),
        deployment("short", 1, &toleration(", tolerationSeconds: 20")),
        deployment("ever", 1, &toleration("")),
    ];
    for (removed, short_leaves) in [("70s", false), ("90s", true)] {
        let script = format!(
            "script: [{{apply: [\"*\"]}}, {{wait: {{until: 60s}}}}, {{taint: {{node: worker-1, key: tier, value: batch, effect: NoExecute}}}}, \
             {{wait: {{until: {removed}}}}}, {{taint: {{node: worker-1, key: tier, value: batch, effect: NoExecute, remove: true}}}}, {{pause: 60s}}]"
        );
        let told = told("nodes: 4", &manifests.concat(), &script);
        let [(set, _)] = lines(&told, "taints worker-1 with tier=batch:NoExecute")[..] else {
            panic!("it is set")
        };
        let gone = |workload: &str| {
            lines(&told, &format!("removes {workload}-"))
                .first()
                .map(|(time, _)| time - set)
        };
        // A command of 100 ms and two writes and watches, then the end of the pod.
        assert!(
            gone("none").is_some_and(|after| (0.1..1.0).contains(&after)),
            "{:?}",
            gone("none")
        );
        assert!(gone("ever").is_none());
        assert_eq!(gone("short").is_some(), short_leaves, "{removed}");
        assert!(
            gone("short").is_none_or(|after| (20.1..21.0).contains(&after)),
            "{:?}",
            gone("short")
        );
        // It comes back to the node that it prefers, if it tolerates the taint.
        let first = |workload: &str| bound(&told, workload).get("worker-1").copied();
        assert_eq!(first("none"), Some(1));
    }
}

/// A random number below a bound.
struct Lots(u64);

impl Lots {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Four workloads with random requests, labels, tolerations and anti-affinity in random pools.
fn randomly(world: &mut WorldSpec, seed: u64) {
    let mut lots = Lots(seed);
    let taint = Taint::of("tier", Effect::NoSchedule);
    let pool = |lots: &mut Lots| NodePool {
        name: "p".to_owned(),
        nodes: 1 + lots.below(3) as u32,
        cpu_milli: (lots.below(4) > 0).then(|| 1000 + 500 * lots.below(6)),
        memory: (lots.below(3) > 0).then(|| 100 + 50 * lots.below(6)),
        labels: Labels::from([("tier", ["a", "b"][lots.below(2) as usize])]),
        taints: (lots.below(3) == 0).then(|| taint.clone()).into_iter().collect(),
        zone: None,
    };
    world.pools = (0..3).map(|_| pool(&mut lots)).collect();
    world.nodes = 1 + world.pools.iter().map(|pool| pool.nodes).sum::<u32>();
    for workload in std::sync::Arc::make_mut(&mut world.workloads) {
        workload.replicas = 2 + lots.below(9) as u32;
        workload.controller = Controller::Deployment;
        workload.placement.requests.running.cpu_milli = 250 * lots.below(6);
        workload.placement.requests.running.memory = 25 * lots.below(5);
        workload.placement.requests.starting.cpu_milli = 300 * lots.below(4);
        workload.placement.nodes = (lots.below(2) == 0)
            .then(|| LabelSelector::from([("tier", "a")]))
            .into_iter()
            .collect();
        let tolerates = Toleration {
            key: Some("tier".to_owned()),
            ..Toleration::default()
        };
        workload.placement.tolerations = (lots.below(2) == 0).then_some(tolerates).into_iter().collect();
        if lots.below(2) == 0 {
            workload.anti_affinity.clear();
        }
    }
    let all: Vec<usize> = (0..world.workloads.len()).collect();
    world.script = vec![
        Step::Apply { workloads: all },
        pause(40.0),
        Step::Scale {
            workload: 0,
            replicas: 0,
        },
        pause(40.0),
        Step::Scale {
            workload: 1,
            replicas: 12,
        },
        pause(100.0),
    ];
    world.faults.clear();
    world.horizon = at(200.0);
    world.measures.startup_since_step = 0;
    world.measures.exposure_clients.clear();
    world.measures.exposure_servers.clear();
}

/// The naive model: what a node may have is looked at pod by pod.
#[derive(Default)]
struct Laws {
    bindings: u32,
    waiting: u32,
    looked_at_the_end: bool,
}

impl Laws {
    /// Whether a pod may be on a node beside these.
    fn fits(pod: PodId, node: NodeId, beside: &[PodId], shared: &Shared) -> bool {
        let blueprint = &shared.blueprint;
        let spec = &blueprint.spec;
        let workload = |pod: PodId| &spec.workloads[shared.pods[pod.index()].kind.index()];
        let own = workload(pod);
        let Some(mut worker) = node.0.checked_sub(1) else {
            return false; // No pod here tolerates the control plane.
        };
        let pool = spec.pools.iter().find(|pool| {
            let inside = worker < pool.nodes;
            worker = worker.saturating_sub(pool.nodes);
            inside
        });
        let pool = pool.expect("every worker has a pool");
        let of = |pod: PodId| {
            let requests = workload(pod).placement.requests;
            let most = |running: u64, starting: u64| running.max(starting);
            (
                most(requests.running.cpu_milli, requests.starting.cpu_milli),
                most(requests.running.memory, requests.starting.memory),
            )
        };
        let sum = |part: fn((u64, u64)) -> u64| beside.iter().map(|pod| part(of(*pod))).sum::<u64>() + part(of(pod));
        let cpu = of(pod).0 == 0 || pool.cpu_milli.is_none_or(|most| sum(|(cpu, _)| cpu) <= most);
        let memory = of(pod).1 == 0 || pool.memory.is_none_or(|most| sum(|(_, memory)| memory) <= most);
        let labels = own
            .placement
            .nodes
            .iter()
            .all(|selector| selector.matches(&pool.labels));
        let taints = pool.taints.is_empty() || !own.placement.tolerations.is_empty();
        let excludes = |a: PodId, b: PodId| {
            let labels = &workload(b).subject.labels;
            workload(a)
                .anti_affinity
                .iter()
                .any(|selector| selector.matches(labels))
        };
        let apart = beside
            .iter()
            .all(|other| !excludes(pod, *other) && !excludes(*other, pod));
        cpu && memory && labels && taints && apart && beside.len() < spec.kubernetes.pods_per_node_max as usize
    }

    fn on(node: NodeId, shared: &Shared) -> Vec<PodId> {
        shared.api.pods_on(node)
    }
}

impl Watch for Laws {
    fn event(&mut self, moment: &Moment, event: &Event, shared: &Shared) -> ControlFlow<()> {
        if let Event::Commit(Write::BindPod(pod, node)) = event
            && shared.api.pod(*pod).is_some_and(|object| !object.deleting)
        {
            self.bindings += 1;
            let beside = Self::on(*node, shared);
            assert!(
                Self::fits(*pod, *node, &beside, shared),
                "{pod:?} on {node:?} at {}",
                moment.time
            );
        }
        if moment.time >= at(180.0) && !self.looked_at_the_end {
            self.looked_at_the_end = true;
            let kinds = (0..shared.blueprint.spec.workloads.len() as u32).map(KindId);
            for pod in kinds.flat_map(|kind| shared.api.pods_of(kind)) {
                if shared.api.pod(*pod).is_some_and(|object| object.node.is_none()) {
                    self.waiting += 1;
                    let free = (0..shared.blueprint.spec.nodes).map(NodeId);
                    let free = free.filter(|node| Self::fits(*pod, *node, &Self::on(*node, shared), shared));
                    assert_eq!(free.collect::<Vec<_>>(), [], "{pod:?} waits");
                }
            }
        }
        ControlFlow::Continue(())
    }
}

#[test]
fn no_node_is_over_its_capacity_and_no_pod_waits_while_one_has_room() {
    let (mut bindings, mut waiting) = (0, 0);
    for seed in 0..60 {
        let bench = Bench::of("ip-reuse", &PLAIN)
            .only("vxlan")
            .edit(|world| randomly(world, seed));
        let mut laws = Laws::default();
        let simulator = bench.simulator(meshfault::cluster::fault::act);
        let outcome = simulator.watched(0, 0, DrawLog::default(), &mut laws);
        assert_eq!(outcome.run.failure, None, "{seed}");
        assert!(laws.looked_at_the_end, "{seed}");
        bindings += laws.bindings;
        waiting += laws.waiting;
    }
    // The check is not empty.
    assert!(bindings > 600 && waiting > 60, "{bindings} {waiting}");
}

#[test]
fn unequal_zones_and_a_wrong_zone_are_told_apart() {
    let manifests = deployment("web", 1, "containers: [{name: a}]");
    let cluster = "node_pools: [{name: a, nodes: 1, zone: zone-2}, {name: b, nodes: 1, zone: zone-3}]";
    let bench = bench(cluster, &manifests, "script: [{apply: [web]}]");
    let world = bench.world(0);
    let blueprint = meshfault::cluster::blueprint::Blueprint::new(world.clone());
    // Three nodes in three zones, one of them the control plane.
    assert_eq!(blueprint.zone_sizes(), [1, 1, 1]);
}

#[test]
fn preferences_of_pods_choose_among_the_nodes() {
    let prefers = |which: &str, of: &str, key: &str| {
        format!(
            "affinity: {{{which}: {{preferredDuringSchedulingIgnoredDuringExecution: [{{weight: 100, podAffinityTerm: \
             {{topologyKey: {key}, labelSelector: {{matchLabels: {{app: {of}}}}}}}}}]}}}}"
        )
    };
    let (host, containers) = ("kubernetes.io/hostname", "containers: [{name: a}]");
    let spread = "topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: even}}}]";
    let manifests = [
        deployment(
            "base",
            2,
            &format!("{containers}, nodeSelector: {{kubernetes.io/hostname: worker-1}}"),
        ),
        deployment(
            "near",
            3,
            &format!("{containers}, {}", prefers("podAffinity", "base", host)),
        ),
        deployment(
            "apart",
            3,
            &format!("{containers}, {}", prefers("podAntiAffinity", "base", host)),
        ),
        deployment("even", 6, &format!("{containers}, {spread}")),
    ];
    let script = "script: [{apply: [base]}, {wait: {until: 20s}}, {apply: [near]}, {wait: {until: 40s}}, {apply: [apart]}, {wait: {until: 60s}}, {apply: [even]}, {wait: {until: 90s}}]";
    let lab = bench("nodes: 4", &manifests.concat(), script).ready();
    for replication in 0..4 {
        let told = lab.told(replication);
        assert_eq!(bound(&told, "near"), counts(&[("worker-1", 3)]), "{replication}");
        assert!(!bound(&told, "apart").contains_key("worker-1"), "{replication}");
        // However full the first node is, the constraint spreads them evenly.
        assert_eq!(
            bound(&told, "even"),
            counts(&[("worker-1", 2), ("worker-2", 2), ("worker-3", 2)]),
            "{replication}"
        );
    }
}
