//! Every draw is addressed by names: what stands beside a workload in the manifests, in which file and in which order, moves
//! none of its numbers.
//!
//! The additions are files, as a user would write them, so that reading, numbering and drawing are tested together.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use meshfault::cluster::blueprint::Blueprint;
use meshfault::cluster::context::Shared;
use meshfault::cluster::event::Event;
use meshfault::cluster::fault::act;
use meshfault::cluster::ids::{NodeId, ServiceId};
use meshfault::cluster::purpose::Purpose;
use meshfault::cluster::records::Outcome;
use meshfault::cluster::spec::{Measures, ProbeFrom, ProbeSpec, Step, WorldSpec};
use meshfault::cluster::world::Watch;
use meshfault::kernel::{DrawLog, EntityKey, Moment, Purpose as _, RunKey};
use meshfault::story::ToldRun;

use crate::support::{Bench, pause, s, workload};

/// A Deployment that no script names.
fn deployment(namespace: &str, name: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  replicas: 3\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec:\n      \
         containers: [{{name: main, image: nginx}}]\n"
    )
}

const UNUSED: &str = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: aaa, namespace: default}\n---\napiVersion: v1\n\
                      kind: Service\nmetadata: {name: aaa, namespace: default}\nspec:\n  selector: {app: aaa}\n  ports: \
                      [{name: http, port: 80}]\n---\n";
const ELSEWHERE: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: aardvark, labels: {team: none}}\n---\n";

/// A built-in experiment on disk, with its manifests in files that may be renamed, and more files.
fn bench(experiment: &str, rename: fn(&str) -> String, more: &[(&str, String)], changes: &[&str]) -> Bench {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let folder = tempfile::tempdir().expect("a folder");
    let manifests = folder.path().join("manifests/sleep-helloworld");
    fs::create_dir_all(&manifests).expect("a folder");
    let text = fs::read_to_string(root.join(experiment).with_extension("yaml")).expect("the experiment");
    let path = folder.path().join(experiment).with_extension("yaml");
    fs::write(&path, text).expect("is written");
    for entry in fs::read_dir(root.join("manifests/sleep-helloworld")).expect("the manifests") {
        let entry = entry.expect("an entry");
        let name = rename(&entry.file_name().to_string_lossy());
        fs::copy(entry.path(), manifests.join(name)).expect("is copied");
    }
    for (name, text) in more {
        fs::write(manifests.join(name), text).expect("is written");
    }
    Bench::load(&path, changes)
}

fn as_they_are(name: &str) -> String {
    name.to_owned()
}

/// 00 becomes 99, and so on.
fn reversed(name: &str) -> String {
    let (number, rest) = name.split_at(2);
    format!("{:02}{rest}", 99 - number.parse::<u32>().expect("a number"))
}

#[test]
fn what_no_script_names_moves_nothing_whatever_its_name_its_file_and_its_namespace() {
    let in_other = format!("{ELSEWHERE}{}", deployment("aardvark", "middle"));
    type Addition<'a> = (&'a str, fn(&str) -> String, Vec<(&'a str, String)>);
    let additions: [Addition<'_>; 7] = [
        ("files in reversed order", reversed, vec![]),
        (
            "a Deployment first",
            as_they_are,
            vec![("00-a.yaml", deployment("default", "aaa"))],
        ),
        (
            "in the middle",
            as_they_are,
            vec![("15-unused.yaml", deployment("default", "middle"))],
        ),
        ("last", as_they_are, vec![("99-z.yaml", deployment("default", "zzz"))]),
        ("in another namespace", as_they_are, vec![("15-other.yaml", in_other)]),
        (
            "in Istiod's namespace",
            as_they_are,
            vec![("15-istio.yaml", deployment("istio-system", "bbb"))],
        ),
        (
            "an account and a Service that selects nobody who runs",
            reversed,
            vec![("00-b.yaml", format!("{UNUSED}{}", deployment("default", "aaa")))],
        ),
    ];
    // Churn and Istiod have pods that no manifest describes.
    let churn = "churn={rate: 1/s, for: 40s, lifetime: 30s, service_accounts: 3}";
    let experiments: [(&str, usize, &[&str]); 2] = [
        ("ip-reuse", 0, &["horizon=150s", churn]),
        ("istiod-cut-off", 2, &["horizon=150s"]),
    ];
    for (experiment, design, changes) in experiments {
        let runs = |rename, more: &[_]| -> Vec<ToldRun> {
            let bench = bench(experiment, rename, more, changes);
            let run = |replication| bench.simulator(act).told(design, replication);
            (0..2).map(run).collect()
        };
        let plain = runs(as_they_are, &[]);
        for (what, rename, more) in &additions {
            let with = runs(*rename, more);
            for (replication, (plain, with)) in plain.iter().zip(&with).enumerate() {
                let what = format!("{experiment}, run {replication}: {what}");
                assert_eq!(plain.run, with.run, "{what}");
                assert!(plain.run.failure.is_none() && plain.run.cut.is_some(), "{what}");
                assert!(plain.pods == with.pods && plain.accesses == with.accesses, "{what}");
                assert_eq!(plain.exposures, with.exposures, "{what}");
                // Lines have numbers of identities and addresses.
                let differs = plain.lines.iter().zip(&with.lines).find(|(plain, with)| plain != with);
                assert_eq!((differs, plain.lines.len()), (None, with.lines.len()), "{what}");
            }
        }
    }
}

/// Applies all workloads, these ones before the others, lets one of each call a server, and cuts the node.
fn script(world: &mut WorldSpec, before: &[&str]) {
    let index = |name: &str| workload(world, name);
    let others = ["helloworld-v1", "helloworld-v2", "sleep-v1", "sleep-v2"];
    let all: Vec<usize> = before.iter().chain(&others).copied().map(index).collect();
    let call = |from: &str| {
        let probe = world.script.iter().find_map(|step| match step {
            Step::Probe(probe) => Some(probe.clone()),
            _ => None,
        });
        Step::Probe(ProbeSpec {
            from: ProbeFrom::Workload(index(from)),
            ..probe.expect("a probe")
        })
    };
    let timeout = s(300.0);
    let mut steps = vec![
        pause(30.0),
        Step::Apply { workloads: all.clone() },
        Step::WaitReady {
            workloads: all,
            timeout,
        },
    ];
    steps.extend(before.iter().chain(&["sleep-v1", "sleep-v2"]).map(|from| call(from)));
    steps.push(Step::StartFault { fault: 0 });
    world.script = steps;
    world.measures = Measures::default();
}

struct Idle;

impl Watch for Idle {
    fn event(&mut self, _: &Moment, _: &Event, _: &Shared) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

type Addresses = BTreeMap<(&'static str, EntityKey, u32), u64>;

fn drawn(bench: &Bench, design: usize) -> (Outcome, Addresses) {
    let log = DrawLog::default();
    let outcome = bench.simulator(act).watched(design, 1, log.clone(), &mut Idle);
    assert_eq!(outcome.run.failure, None);
    let draws = log.take();
    let numbers = draws
        .iter()
        .map(|draw| ((draw.purpose, draw.entity, draw.ordinal), draw.bits));
    (outcome, numbers.collect())
}

/// A further client that the script applies first, and that calls first, runs beside the others and waits with them; it
/// draws its own numbers, and theirs stay.
#[test]
fn a_workload_that_is_used_moves_no_number_of_the_others() {
    let more = [("00-first.yaml", deployment("default", "aaa"))];
    const EXPERIMENT: &str = "istiod-cut-off";
    let changes = [
        "horizon=100s",
        "parameters.kubernetes.node_cores=1000",
        "parameters.kubernetes.pleg_period=1us",
    ];
    for design in [0, 2] {
        let (few, few_numbers) = drawn(
            &bench(EXPERIMENT, as_they_are, &more, &changes).edit(|world| script(world, &[])),
            design,
        );
        let (many, many_numbers) = drawn(
            &bench(EXPERIMENT, as_they_are, &more, &changes).edit(|world| script(world, &["aaa"])),
            design,
        );
        let shared: Vec<_> = few_numbers
            .iter()
            .filter_map(|(at, bits)| Some((at, bits, many_numbers.get(at)?)))
            .collect();
        assert!(shared.iter().all(|(_, bits, other)| bits == other));
        // All that is drawn once for each object is drawn again; delays of watches depend on the times of writes.
        let by_time = [
            Purpose::WatchDelay,
            Purpose::ServiceProxyDelay,
            Purpose::IpcacheDelay,
            Purpose::IdentityDelay,
        ]
        .map(|purpose| purpose.name());
        let counted = |at: &&(&'static str, EntityKey, u32)| !by_time.contains(&at.0);
        let all = few_numbers.keys().filter(counted).count();
        let kept = shared.iter().map(|(at, ..)| *at).filter(counted).count();
        assert!(kept * 100 >= all * 95 && all > 200, "design {design}: {kept} of {all}");
        let starts = |outcome: &Outcome| -> BTreeMap<String, Option<u64>> {
            let pods = outcome.pods.iter().filter(|pod| !pod.pod.starts_with("aaa"));
            // Rounded to 10 µs: the look at containers is periodic.
            let span = |span: meshfault::kernel::SimDuration| span.as_nanos().div_ceil(10_000);
            pods.map(|pod| (pod.pod.clone(), pod.phases.of("containers").map(span)))
                .collect()
        };
        let (few, many) = (starts(&few), starts(&many));
        assert_eq!(few.keys().collect::<BTreeSet<_>>(), many.keys().collect());
        for (pod, span) in &few {
            let apart = span.zip(many[pod]).map(|(a, b)| a.abs_diff(b));
            assert!(
                apart.is_none_or(|apart| apart <= 1),
                "{pod}: {span:?} and {:?}",
                many[pod]
            );
        }
    }
}

#[test]
fn nodes_services_and_namespaces_are_known_by_their_names() {
    let blueprint = |changes: &[&str], more: &[(&str, String)]| {
        let bench = bench("istiod-cut-off", as_they_are, more, changes);
        Blueprint::new(bench.world(2).clone())
    };
    let plain = blueprint(&[], &[]);
    let larger = blueprint(&["cluster.nodes=40", "cluster.control_plane_nodes=3"], &[]);
    for worker in 0..3 {
        let (node, same) = (NodeId(1 + worker), NodeId(3 + worker));
        assert_eq!(plain.node_name(node), larger.node_name(same));
        assert_eq!(plain.node_key(node), larger.node_key(same));
    }
    assert_eq!(plain.node_key(NodeId(0)), larger.node_key(NodeId(0)));
    assert_ne!(larger.node_key(NodeId(1)), larger.node_key(NodeId(4)));
    // A Service more, which sorts first.
    let more = [(
        "99.yaml",
        format!("{UNUSED}{ELSEWHERE}{}", deployment("default", "aaa")),
    )];
    let served = blueprint(&[], &more);
    let keys = |blueprint: &Blueprint| -> BTreeMap<String, EntityKey> {
        let services = (0..blueprint.services as u32).map(ServiceId);
        let kinds = blueprint
            .kinds
            .iter()
            .map(|kind| (format!("pods of {}", kind.name), kind.key));
        let services = services.map(|service| {
            (
                blueprint.service_name(service).to_owned(),
                blueprint.service_key(service),
            )
        });
        services.chain(kinds).collect()
    };
    let (few, many) = (keys(&plain), keys(&served));
    assert_eq!(many.len(), few.len() + 2);
    assert!(few.iter().all(|(name, key)| many[name] == *key));
    assert_eq!(many.values().collect::<BTreeSet<_>>().len(), many.len());
    // What a namespace is called depends on its manifest, not on who else is in it.
    let labelled = "apiVersion: v1\nkind: Namespace\nmetadata: {name: istio-system, labels: {team: mesh}}\n".to_owned();
    let of_istiod = blueprint(&[], &[("01.yaml", labelled)]);
    let istiod = of_istiod.istiod.expect("Istio");
    let subject = &of_istiod.subjects[of_istiod.kind(istiod).identity.0 as usize];
    assert_eq!(subject.namespace_labels.get("team"), Some("mesh"));
}

/// Neighbours by name draw numbers that have nothing to do with each other: workloads whose names differ in one letter, pods
/// of one workload, nodes, and equal ordinals of two owners.
#[test]
fn neighbours_by_name_are_independent() {
    const RUNS: u64 = 4_000;
    let workload = |name: &str| {
        EntityKey::root("workload")
            .named("default")
            .named("Deployment")
            .named(name)
    };
    let (v1, v2) = (workload("helloworld-v1"), workload("helloworld-v2"));
    let worker = |number| EntityKey::root("node").named("worker").child(number);
    let pairs = [
        (v1.child(1).child(0), v2.child(1).child(0)),
        (v1.child(1).child(0), v1.child(1).child(1)),
        (v1.child(1).child(1), v1.child(2).child(1)),
        (v1.named("sync").child(1), v1.named("sync").child(2)),
        (v1.named("command").child(1), v2.named("command").child(1)),
        (worker(0), worker(1)),
        (worker(0).named("kubelet"), worker(0).named("ipcache")),
    ];
    let uniforms = |purpose: Purpose, entity: EntityKey| -> Vec<f64> {
        let run = |replication| RunKey::derive(1, "addresses", replication);
        (0..RUNS)
            .map(|k| run(k).stream(purpose, entity).uniform() - 0.5)
            .collect()
    };
    for (number, (a, b)) in pairs.into_iter().enumerate() {
        let (a, b) = (
            uniforms(Purpose::ContainerStart, a),
            uniforms(Purpose::ContainerStart, b),
        );
        // Mean, variance, correlation, and correlation of squares and of neighbouring runs, in standard errors: of four.
        let z = |products: Vec<f64>, variance: f64| products.iter().sum::<f64>() / (RUNS as f64 * variance).sqrt();
        let pairs = || a.iter().zip(&b);
        let centred = |x: &f64| x * x - 1.0 / 12.0;
        let found = [
            z(a.clone(), 1.0 / 12.0),
            z(a.iter().map(centred).collect(), 1.0 / 180.0),
            z(pairs().map(|(a, b)| a * b).collect(), 1.0 / 144.0),
            z(pairs().map(|(a, b)| centred(a) * centred(b)).collect(), 1.0 / 32_400.0),
            z(a[1..].iter().zip(&a).map(|(a, b)| a * b).collect(), 1.0 / 144.0),
            z(b[1..].iter().zip(&a).map(|(a, b)| a * b).collect(), 1.0 / 144.0),
        ];
        assert!(found.iter().all(|z| z.abs() < 4.0), "pair {number}: {found:?}");
        // The same numbers shifted by a twentieth would be seen.
        assert!(z(a.iter().map(|x| x + 0.05).collect(), 1.0 / 12.0) > 4.0);
    }
}
