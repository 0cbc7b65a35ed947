//! Whole experiments: the built-in ones are right, and each bad one is complained about in the right words at the right
//! place.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::cluster::faults::FaultKind;
use crate::cluster::faults::cut::CutMode;
use crate::cluster::faults::place::Where;
use crate::cluster::ids::{IstiodId, NodeId};
use crate::cluster::party::PartyKind;
use crate::cluster::spec::Step as WorldStep;
use crate::kernel::{Distribution, SimDuration, SimTime};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn changed(changes: &[&str]) -> Overrides {
    Overrides::parse(changes).expect("the changes of a test are well formed")
}

fn built_in(name: &str, changes: &[&str]) -> Scenario {
    match Scenario::built_in(name, &changed(changes)) {
        Ok(scenario) => scenario,
        Err(errors) => panic!("{}", text(&errors)),
    }
}

fn text(errors: &[InputError]) -> String {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn designs_of_the_built_in_experiments() {
    let mut table = String::new();
    for name in built_in_names() {
        let scenario = built_in(name, &[]);
        assert_eq!(scenario.warnings, Vec::<String>::new());
        let replications = match name {
            "api-overload" | "grace-period" | "one-node-against-all" | "zone-loss" => 200,
            "api-server-outage" => 300,
            "heal-and-churn" => 400,
            _ => 1000,
        };
        assert_eq!(
            (scenario.seed, scenario.seed_group.as_str(), scenario.replications),
            (1, name, replications)
        );
        let mut designs: Vec<&Design> = scenario.designs.iter().collect();
        // Of a design with factors the first point stands for all.
        designs.dedup_by_key(|design| &design.design);
        for design in designs {
            let (world, fault) = (&design.world, &design.world.faults[0]);
            let find = world.script.iter().find_map(|step| match step {
                WorldStep::FindReuse { look, .. } => Some(*look),
                _ => None,
            });
            let retry = world.script.iter().rev().find_map(|step| match step {
                WorldStep::Probe(probe) => probe.retry_until_up,
                _ => None,
            });
            let place = format!("{:?}", fault.kind.whom().place)
                .replace("NodeId", "")
                .replace("IstiodId", "");
            let look = find.map(|look| format!(", look {look:?}, retry {retry:?}"));
            let look = look.unwrap_or_default();
            writeln!(
                table,
                "{name} {}: {:?} {:?}, Istio {:?}, network {}, mesh {}, {place} {:?} {:?}{look}",
                design.name,
                world.datapath.routing,
                world.datapath.encryption,
                world
                    .istio
                    .as_ref()
                    .map(|istio| (istio.replicas, istio.params.csr_redial_on_error)),
                world.network_enforced,
                world.mesh_enforced,
                fault.kind.whom().parties,
                fault.kind.words().word,
            )
            .expect("a text can be written to");
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn one_fault_can_have_many_targets() {
    let place = |target: &str| {
        let key = format!("faults.cut-istiod.cut.{target}");
        let scenario = built_in("one-istiod-of-three", &[&key]);
        scenario.designs[0].world.faults[0].kind.whom().place.clone()
    };
    let nodes = |numbers: &[u32]| Where::Nodes(numbers.iter().map(|number| NodeId(*number)).collect());
    let istiods = |numbers: &[u32]| Where::Istiods(numbers.iter().map(|number| IstiodId(*number)).collect());
    assert_eq!(place("istiods=[2, 0, 2]"), istiods(&[0, 2]));
    assert_eq!(place("istiods=all"), istiods(&[0, 1, 2]));
    assert_eq!(place("api_servers=all"), Where::ApiServers(vec![0]));
    assert_eq!(place("nodes=[worker-2, worker-1]"), nodes(&[1, 2]));
    assert_eq!(place("nodes=all"), nodes(&[0, 1, 2, 3]));
    assert_eq!(place("node=worker-1"), nodes(&[1]));
    assert_eq!(place("nodes_of=sleep"), Where::NodesOf(vec![0]));
    assert_eq!(place("nodes_with=app=sleep"), Where::NodesOf(vec![0]));
}

#[test]
fn a_file_on_disk_and_the_built_in_one_are_the_same() {
    for name in built_in_names() {
        let path = root().join("experiments").join(format!("{name}.yaml"));
        let on_disk = Scenario::load(&path, &Overrides::default()).expect("the project's experiments are right");
        let embedded = built_in(name, &[]);
        assert_eq!(on_disk.input_digest, embedded.input_digest);
        assert_eq!(on_disk.inputs, embedded.inputs);
        assert!(
            on_disk
                .inputs
                .iter()
                .all(|input| !input.name.contains('\\') && input.digest.len() == 64)
        );
    }
}

#[test]
fn only_the_models_that_a_design_uses_are_inputs() {
    let names: Vec<String> = built_in("ip-reuse", &[])
        .inputs
        .into_iter()
        .map(|input| input.name)
        .collect();
    assert_eq!(names[0], "ip-reuse.yaml");
    assert!(names.contains(&"manifests/sleep-helloworld/30-sleep.yaml".to_owned()));
    assert!(names.contains(&"models/cilium/1.15.yaml".to_owned()));
    assert!(
        !names
            .iter()
            .any(|name| name.contains("istio/1.") || name.contains("1.32")),
        "{names:?}"
    );
}

#[test]
fn the_digest_depends_on_changes() {
    let digest = |changes: &[&str]| built_in("ip-reuse", changes).input_digest;
    assert_eq!(digest(&[]), digest(&[]));
    assert_ne!(digest(&[]), digest(&["replications=20"]));
    assert_ne!(digest(&["seed=2"]), digest(&["seed=3"]));
}

#[test]
fn changes_from_the_command_line_reach_every_design() {
    let changes = [
        "cluster.nodes=400",
        "horizon=20m",
        "replications=7",
        "seed=9",
        "options.gap=3s",
        "cluster.istio.replicas=5",
        "churn={rate: 20/s, for: 10m, lifetime: {exponential: {mean: 3m, max: 30m}}, service_accounts: 50}",
        "parameters.kubernetes.node_monitor_grace_period=50s",
        "parameters.istio.api_client_qps=20",
    ];
    let scenario = built_in("istiod-cut-off", &changes);
    assert_eq!((scenario.replications, scenario.seed), (7, 9));
    for design in &scenario.designs {
        let world = &design.world;
        assert_eq!((world.nodes, world.control_plane_nodes), (400, 1));
        assert_eq!(world.horizon, SimTime::ZERO + SimDuration::from_secs(1200));
        assert_eq!(world.kubernetes.node_monitor_grace_period, SimDuration::from_secs(50));
        assert_eq!(world.churn[0].service_accounts, 50);
        assert!(matches!(world.churn[0].lifetime, Distribution::Exponential { .. }));
        let pauses = world
            .script
            .iter()
            .filter(|step| matches!(step, WorldStep::Pause { duration } if *duration == SimDuration::from_secs(3)));
        assert_eq!(pauses.count(), 1);
        // A design without Istio does not get it from the command line.
        assert_eq!(world.istio.as_ref().map_or(5, |istio| istio.replicas), 5);
        assert_eq!(world.istio.is_none(), design.name == "cilium-only");
        let mut overridden = design.parameters.iter().filter(|parameter| parameter.overridden);
        let grace = overridden.next().expect("one parameter is overridden");
        assert_eq!((grace.value.as_str(), grace.source.as_str()), ("50s", "command line"));
    }
}

#[test]
fn a_change_that_is_wrong_is_complained_about_without_a_place() {
    let error = |change: &str| match Scenario::built_in("ip-reuse", &changed(&[change])) {
        Ok(_) => panic!("{change} is wrong"),
        Err(errors) => text(&errors),
    };
    assert_eq!(
        error("cluster.nodes=many"),
        "--set cluster.nodes=many: `many` is not a whole number\n  hint: write a whole number from 2 to 10000"
    );
    assert_eq!(
        error("options.gab=5s"),
        "--set options.gab=5s: unknown option `gab`\n  hint: did you mean `gap`?"
    );
    let rate = error("churn={rate: 20, for: 10m, lifetime: 60s}");
    assert!(
        rate.starts_with("--set churn={rate: 20, for: 10m, lifetime: 60s}: `20` is not a valid rate"),
        "{rate}"
    );
}

#[test]
fn an_unknown_built_in_experiment_has_a_near_match() {
    let errors = Scenario::built_in("ip-reuze", &Overrides::default()).expect_err("there is none");
    assert_eq!(
        text(&errors),
        "ip-reuze: there is no built-in experiment `ip-reuze`\n  hint: did you mean `ip-reuse`?"
    );
    let errors = Scenario::load(Path::new("no-such.yaml"), &Overrides::default()).expect_err("there is none");
    assert!(
        text(&errors).contains("ip-reuse, istiod-cut-off, mechanisms, one-istiod-of-three"),
        "{}",
        text(&errors)
    );
}

#[test]
fn faults_and_steps_are_resolved_to_indexes() {
    let scenario = built_in("istiod-cut-off", &[]);
    let world = &scenario.designs[4].world;
    let FaultKind::Cut(cut) = &world.faults[0].kind else {
        panic!("it is a cut");
    };
    assert_eq!(
        cut.whom.parties,
        [PartyKind::Kubelet, PartyKind::Agent, PartyKind::ServiceProxy]
    );
    assert_eq!(cut.mode, CutMode::RepliesOnly);
    let WorldStep::StartFault { fault: 0 } = world.script[world.measures.startup_since_step] else {
        panic!("pods are measured from the step on that starts the fault");
    };
    let WorldStep::Probe(probe) = &world.script[world.script.len() - 1] else {
        panic!("the last step is the probe");
    };
    assert_eq!(world.services[probe.to].name, "helloworld-v1");
    assert_eq!((probe.method.as_str(), probe.path.as_str()), ("GET", "/hello"));
}

const EVERY_FORM: &str = r#"
meshfault: 1
title: Every form
question: Is every form of the file read?
horizon: 1h
replications: 3
seed: 18446744073709551615
seed_group: a group
cluster:
  kubernetes: 1.30
  nodes: 6
  control_plane_nodes: 2
  node_prefix_length: 25
  cilium: {version: 1.15, routing: native, encryption: wireguard}
  istio: {version: 1.21, replicas: 2}
manifests: manifests/sleep-helloworld
options: {mode: reject, party: webhook, replicas: 3, from: 30s}
faults:
  one: {cut: {node: control-plane-2, parties: [kubelet], mode: drop}, at: $from, for: 5m}
  two: {cut: {node: worker-1, parties: [service_proxy, kubelet, kubelet], mode: replies_only}}
  three: {cut: {istiod: 1, parties: [istiod, $party], mode: $mode}}
script:
  - apply: [sleep-v1, helloworld-v1]
  - wait_ready: {workloads: [sleep-v1], timeout: 90s}
  - start_fault: two
  - churn: {rate: 30/min, lifetime: {uniform: {min: 10s, max: 20s}}, for: 1m}
  - rollout_restart: {workload: sleep-v1, deadline: 10m}
  - scale: {workload: sleep-v1, replicas: $replicas}
  - remember_ips: sleep-v1
  - find_reuse: {workload: sleep-v1, look: at_once, rollout_deadline: 10m, rollouts_max: 0}
  - end_fault: two
  - start_fault: three
  - probe: {from: sleep-v1, to: helloworld-v1, method: POST, time_limit: 1s, retry_until_up: never}
  - pause: 0s
churn:
  - {rate: 10/h, lifetime: {log_normal: {median: 3m, p99: 1h, max: 2h}}, from: $from, for: 10m, service_accounts: 50}
parameters:
  kubernetes.watch_latency: {constant: 7ms}
  kubernetes.term_reaction: 1s
  kubernetes.lease_renew_jitter_ratio: 0.1
  cilium.wireguard_encapsulates: false
designs:
  - name: only
    parameters: {istio.csr_attempts: 3}
"#;

#[test]
fn every_form_is_read() {
    let path = Path::new("experiments/every-form.yaml");
    let overrides = Overrides::default();
    let scenario = read(path, EVERY_FORM.to_owned(), Origin::Embedded, &overrides);
    let scenario = scenario.unwrap_or_else(|errors| panic!("{}", text(&errors)));
    assert_eq!((scenario.seed, scenario.seed_group.as_str()), (u64::MAX, "a group"));
    let design = &scenario.designs[0];
    assert!(design.notes.is_empty(), "{:?}", design.notes);
    let world = &design.world;
    assert_eq!((world.network_enforced, world.mesh_enforced), (true, true));
    insta::assert_debug_snapshot!((&world.faults, &world.script, &world.churn, &world.measures));
    assert_eq!(
        world.kubernetes.watch_latency,
        Distribution::Constant(SimDuration::from_millis(7))
    );
    assert_eq!(
        world.kubernetes.term_reaction,
        Distribution::Constant(SimDuration::from_secs(1))
    );
    assert!(!world.cilium.wireguard_encapsulates);
    let overridden: Vec<String> = design
        .parameters
        .iter()
        .filter(|parameter| parameter.overridden)
        .map(|parameter| format!("{} {} {}", parameter.name, parameter.value, parameter.source))
        .collect();
    assert_eq!(
        overridden,
        [
            "kubernetes.watch_latency 7ms every-form.yaml:38",
            "kubernetes.lease_renew_jitter_ratio 0.1 every-form.yaml:40",
            "kubernetes.term_reaction 1s every-form.yaml:39",
            "cilium.wireguard_encapsulates false every-form.yaml:41",
            "istio.csr_attempts 3 every-form.yaml:44",
        ]
    );
}

/// The bad experiments of `tests/bad_inputs`, in the order of their names.
fn bad_inputs() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(root().join("tests/bad_inputs")).expect("the folder is part of the project");
    let mut files: Vec<PathBuf> = folder
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

#[test]
fn bad_inputs_are_complained_about() {
    let mut messages = String::new();
    for path in bad_inputs() {
        let errors = match Scenario::load(&path, &Overrides::default()) {
            Ok(_) => panic!("{} is bad", path.display()),
            Err(errors) => text(&errors),
        };
        // Messages name files as they were given; the place of the project is not part of the expectation.
        let prefix = format!("{}/tests/bad_inputs/", root().display());
        writeln!(messages, "{}", errors.replace(&prefix, "")).expect("a text can be written to");
    }
    let complaints = messages.lines().filter(|line| !line.starts_with("  hint: "));
    let places: Vec<&str> = complaints
        .map(|line| line.split(": ").next().unwrap_or_default())
        .collect();
    insta::assert_snapshot!(places.join("\n"));
    for message in [
        "api-server-of-a-node.yaml:17:41: `api_server` is not at that target\n  hint: the target `api_servers` goes with the process api_server",
        "kubelet-of-an-api-server.yaml:17:45: `kubelet` is not at that target\n  hint: the target `api_servers` goes with the process api_server",
        "process-of-an-istiod.yaml:17:35: `kubelet` does not belong to an Istiod\n  hint: an Istiod has the process istiod",
        "slow-by-less-than-one.yaml:17:58: ",
        "slow-service-proxy.yaml:17:40: unknown process that a fault slows `service_proxy`\n  hint: known: kubelet, cilium_agent, istiod, api_server",
        "alias-bomb.yaml:6:45: aliases (`*name`) repeat too much\n  hint: write the values out",
        "churn-with-from-in-a-step.yaml:23:55: churn of the script starts with its step\n  hint: leave `from` out",
        "constraint-on-unknown-factor.yaml:32:15: constraint `node >= 4`: unknown factor `node`\n  hint: did you mean `nodes`?",
        "traffic-beyond-all-measure.yaml:15:62: the traffic sends about 1800000030 requests in a run of design `one`, more than 2000000\n",
        "traffic-flow-twice.yaml:16:14: two flows are called `greet`\n  hint: the name chooses the random numbers of a flow: give each its own",
        "traffic-first-request-at-another-time.yaml:14:61: unknown time of a first request `later`\n  hint: known: container, ready",
        "traffic-to-nobody.yaml:15:41: unknown Service `goodbye`\n  hint: known: helloworld-v1, helloworld-v2, sleep-v1, sleep-v2",
        "control-of-itself.yaml:30:26: design `one` is its own control\n  hint: name a design that is compared with no other",
        "control-that-does-not-exist.yaml:30:26: unknown design `onn`\n  hint: known: off",
        "controls-in-a-circle.yaml:31:26: controls form a circle: two, three, two\n  hint: name a design that is compared with no other",
        "cost-without-unit.yaml:31:11: `3` is not a valid cost\n  hint: write a number of at most 1e15 and what is counted",
        "duration-for-horizon.yaml:4:1: unknown key `duration`\n  hint: write `horizon`",
        "published-without-unit.yaml:29:22: `30` is not a valid duration\n",
        "published-without-words.yaml:29:33: `text` is empty\n",
        "duplicate-key.yaml:5:1: key `horizon` occurs twice\n",
        "empty-manifest-folder.yaml:11:12: manifest folder `../browser` has no manifest\n",
        "startup_latency_p50 of one about 2s`: expected `<`, `<=`, `>` or `>=`, found `about`\n",
        "factor-range-of-two-units.yaml:30:44: `500ms` and `5s` have different units\n  hint: write both ends in the same unit",
        "node-pools.yaml:15:68: `lots` is no amount that a node can have\n  hint: write an amount such as `4` or `3500m`",
        "`nodes` and `node_pools` both state the number of nodes\n  hint: write one of them",
        "1 zones are too few for the pool `p`\n",
        "3 zones are too many for 3 nodes: one would have none\n",
        "10008 workers are too many\n  hint: a cluster has at most 10000 nodes",
        "workload-that-is-gone.yaml:15:33: `sleep-v2` does not exist any more: a step before it deletes it\n",
        "operators-steps.yaml:15:5: the step has none of the keys `workload`, `deployment` and `daemonset`\n  hint: write one of them",
        "operators-steps.yaml:17:62: `max_unavailable` is of a DaemonSet; a Deployment has its own in its manifest",
        "operators-steps.yaml:18:34: unknown DaemonSet `cilium_agents`\n  hint: did you mean `cilium_agent`?",
        "operators-steps.yaml:32:5: the step never comes: the one before it repeats until the end of the run",
        "operators-steps.yaml:11:12: `next Monday` is not a date and time\n  hint: write UTC as in `2024-01-01T00:00:00`",
        "operators-steps.yaml:25:17: `sleep-v2` is no Job\n  hint: wait for it by `ready`",
        "grace-below-renewal.yaml:31:52: the grace period of 5 s is shorter than the time between two renewals",
        "law-upside-down.yaml:14:45: `10ms`: the lower end of a uniform distribution is above its upper end\n",
        "manifests/percentage-out-of-range/pods.yaml:15:37: `maxUnavailable` is more than 100%\n",
        "missing-unit.yaml:4:10: `600` is not a valid duration\n  hint: write a number with its unit, such as `40s`",
        "parameter-of-wrong-kind.yaml:14:33: `4s` is not a whole number\n  hint: write a whole number of at least 0",
        "repeats-without-time.yaml:18:27: the fault would start and end all the time: both times are zero\n  hint: give `to_failure` or `to_repair` a time above 0s",
        "selector-matches-nothing/pods.yaml:26:9: `selector` of Service default/sleep-v1 matches nothing: `app: slep`\n",
        "several-designs-several-errors.yaml:17:54: `istiod` is cut in design `two`, which has no Istio\n",
        "several-designs-several-errors.yaml:34:33: unknown routing mode `vlan`\n  hint: did you mean `vxlan`?",
        "parties-of-istiods.yaml:17:37: `kubelet` does not belong to an Istiod\n  hint: an Istiod has the parties istiod, webhook and istiod_clients",
        "steps-of-jobs.yaml:14:23: `migrate` is a Job, whose pods end\n  hint: a script can apply it, delete it and wait for it: `wait: {job: migrate, timeout: 10m}`",
        "steps-of-jobs.yaml:18:33: `report` is a Job, whose pods end\n",
        "target-among-many-unknown.yaml:17:29: unknown node `worker-9`\n  hint: known: control-plane, worker-1",
        "target-of-labels-of-nobody.yaml:17:23: no workload has pods with the labels `app=slep`\n",
        "target-of-no-labels.yaml:17:23: no labels are `app`\n  hint: write `app=sleep`",
        "target-that-names-nothing.yaml:16:3: fault `cut-node` cuts nothing\n  hint: name one under `nodes`",
        "unknown-key-of-a-cut.yaml:17:47: unknown key `mod`\n  hint: did you mean `mode`?",
        "too-few-nodes.yaml:9:24: 4 control-plane nodes of 4 leave no node for pods\n",
        "two-targets.yaml:16:3: fault `cut-node` has several targets\n  hint: write one of node_of, node, istiod, nodes_of, nodes_with, nodes, zones, istiods",
        "unknown-fault.yaml:22:18: unknown fault `cut-nod`\n  hint: did you mean `cut-node`?",
        "unknown-version.yaml:9:21: no parameter set applies to cilium `1.9.0`\n  hint: parameter sets exist for cilium 1.12",
    ] {
        assert!(messages.contains(message), "`{message}` is missing:\n{messages}");
    }
}

/// Form, values and expressions of one file are complained about together, and nothing follows from another complaint.
#[test]
fn everything_that_is_wrong_with_a_file_is_reported_at_once() {
    let path = root().join("tests/bad_inputs/values-of-every-kind.yaml");
    let errors = Scenario::load(&path, &Overrides::default()).expect_err("the file is bad");
    let seen: Vec<String> = errors
        .iter()
        .map(|error| format!("{} {}", error.line.unwrap_or(0), error.message))
        .collect();
    assert_eq!(
        seen,
        [
            "2 unknown key `titel`",
            "4 `10` is not a valid duration",
            "5 `-3` is negative",
            "8 unknown key `nods`",
            "9 unknown routing mode `vlan`",
            "16 unknown workload `helloworl-v1`",
            "18 unknown value `aply`",
            "19 `5` is not a valid duration",
            "20 unknown fault `cut-nod`",
            "21 unknown option `$gop`",
            "25 `startup_latency_p50 of one about 2s`: expected `<`, `<=`, `>` or `>=`, found `about`",
            "27 unknown parameter `kubernetes.lease_renew_intervall`",
            "32 constraint `node >= 4`: unknown factor `node`",
        ]
    );
}

#[test]
fn every_complaint_names_a_place_and_has_a_hint_where_one_helps() {
    for path in bad_inputs() {
        let errors = Scenario::load(&path, &Overrides::default()).expect_err("the file is bad");
        // What the reader of YAML and that of manifests say by themselves needs no hint.
        let plain = ["is missing", "found nothing", "expected", "%"];
        for error in errors {
            assert!(error.line.is_some() || error.message.contains("no design"), "{error}");
            assert!(
                error.hint.is_some() || plain.iter().any(|words| error.message.contains(words)),
                "{error}"
            );
        }
    }
}

#[test]
fn faults_that_nothing_starts_and_options_that_nothing_names_are_warned_about() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("idle.yaml");
    let manifests = root().join("experiments/manifests/pods-only").display().to_string();
    let experiment = embedded::text("experiments/one-istiod-of-three.yaml").expect("it is built in");
    let idle = experiment
        .replace("manifests/pods-only", &manifests)
        .replace("  - start_fault: cut-istiod\n", "")
        .replace(", since: cut-istiod", "")
        .replace("faults:\n  cut-istiod:", "options:\n  gap: 5s\nfaults:\n  cut-istiod:");
    std::fs::write(&path, idle).expect("the folder can be written to");
    let scenario = Scenario::load(&path, &Overrides::default()).expect("the experiment is odd, not wrong");
    let ends: Vec<&str> = scenario
        .warnings
        .iter()
        .filter_map(|warning| warning.split(": ").last())
        .collect();
    assert_eq!(
        ends,
        [
            "nothing names the option `$gap`",
            "nothing starts the fault `cut-istiod`"
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens to a file, the answer is a scenario or complaints, and never a panic.
    #[test]
    fn damaged_experiments_do_not_panic(line in 0_usize..110, insert in "[ -~]{0,12}", cut in 0_usize..40) {
        let experiment = embedded::text("experiments/istiod-cut-off.yaml").expect("it is built in");
        let damaged: Vec<String> = experiment
            .lines()
            .enumerate()
            .map(|(index, text)| match index == line {
                true => format!("{}{insert}", text.chars().take(cut).collect::<String>()),
                false => text.to_owned(),
            })
            .collect();
        let path = Path::new("experiments/istiod-cut-off.yaml");
        let _ = read(path, damaged.join("\n"), Origin::Embedded, &Overrides::default());
    }
}

#[test]
fn a_folder_stands_for_the_only_experiment_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let complaint = || {
        let errors = Scenario::load(dir.path(), &Overrides::default()).unwrap_err();
        (text(&errors), errors[0].hint.clone().unwrap_or_default())
    };
    let (message, hint) = complaint();
    assert!(message.contains("is a folder"), "{message}");
    assert_eq!(hint, "name an experiment file; none is in this folder");
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("shop.yaml", "# A comment.\nmeshfault: 1\n");
    write("pods.yaml", "kind: Pod\n");
    let errors = Scenario::load(dir.path(), &Overrides::default()).unwrap_err();
    assert!(
        errors.iter().all(|error| error.file.ends_with("shop.yaml")),
        "{errors:?}"
    );
    write("another.yml", "meshfault: 1\n");
    let (_, hint) = complaint();
    assert!(
        hint.starts_with("name one of the 2 experiments in it, such as `") && hint.ends_with("another.yml`"),
        "{hint}"
    );
}

/// A fault without parties needs nothing of a design: neither Istio nor CoreDNS.
#[test]
fn a_fault_without_parties_needs_no_istio() {
    let root = root();
    let text = |faults: &str, of_mesh: &str| {
        format!(
            "meshfault: 1\ntitle: T\nquestion: Q?\nhorizon: 10m\nreplications: 1\ncluster:\n  kubernetes: \"1.24\"\n  nodes: 4\n  \
             cilium: {{version: \"1.12.0\"}}\n  istio: none\nmanifests: {}\nfaults:\n  f: {faults}\nscript:\n  - apply: [sleep]\n\
             designs:\n  - name: plain\n  - name: meshed\n    cluster: {{istio: {{version: \"1.21.0\", replicas: 3}}}}\n    faults: {{f: {of_mesh}}}\n",
            root.join("experiments/manifests/pods-only").display()
        )
    };
    let read = |faults: &str, of_mesh: &str| {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("idle.yaml");
        std::fs::write(&file, text(faults, of_mesh)).unwrap();
        Scenario::load(&file, &Overrides::default())
    };
    let cases = [
        (
            "webhook: {istiods: [all], parties: [], answer: error}",
            "webhook: {parties: [webhook]}",
        ),
        (
            "cut: {istiods: [0], parties: [], mode: drop}",
            "cut: {parties: [istiod]}",
        ),
        ("hang: {istiods: [0, 1], processes: []}", "hang: {processes: [istiod]}"),
        (
            "cut: {node_of: istiod, parties: [], mode: drop}",
            "cut: {parties: [kubelet]}",
        ),
    ];
    for (idle, acting) in cases {
        let (idle, acting) = (format!("{{{idle}, at: 60s}}"), format!("{{{acting}}}"));
        let scenario = read(&idle, &acting).unwrap_or_else(|errors| panic!("{idle}: {}", self::text(&errors)));
        let parties = scenario
            .designs
            .iter()
            .map(|design| design.world.faults[0].kind.whom().parties.len());
        assert_eq!(parties.collect::<Vec<_>>(), [0, 1], "{idle}");
    }
    // With parties it needs Istio, and the message says what to write.
    let errors = read("{cut: {istiods: [0], parties: [istiod], mode: drop}, at: 60s}", "{}").unwrap_err();
    assert!(
        self::text(&errors).contains("write `parties: []` in it"),
        "{}",
        self::text(&errors)
    );
}
