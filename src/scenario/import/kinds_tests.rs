//! Kinds of workloads, and what is beside them: what is written of each.

use std::path::Path;

use super::{Import, Imported, Options, workloads, write};

/// Objects of a cluster that has everything: a DaemonSet, a StatefulSet, a Job, a CronJob, an autoscaler, a budget, and priorities.
const CLUSTER: &str = r#"
apiVersion: v1
kind: Node
metadata: {name: north-1, labels: {topology.kubernetes.io/zone: north, acme.com/disk: ssd}}
spec: {taints: [{key: acme.com/only, value: db, effect: NoSchedule}]}
status: {allocatable: {cpu: "8", memory: 32Gi, pods: "110"}}
---
apiVersion: v1
kind: Node
metadata: {name: south-1, labels: {topology.kubernetes.io/zone: south}}
status: {allocatable: {cpu: "4", memory: 16Gi, pods: "110"}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  replicas: 11
  podManagementPolicy: OrderedReady
  updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 0}}
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      priorityClassName: acme-high
      nodeSelector: {acme.com/disk: ssd, topology.kubernetes.io/zone: north}
      affinity:
        nodeAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [north-1]}]}]
      tolerations:
      - {key: acme.com/only, operator: Equal, value: db, effect: NoSchedule}
      - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 300}
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: db}}}
      initContainers: [{name: prepare, image: a}, {name: proxy, image: a, restartPolicy: Always}]
      containers:
      - {name: a, image: a, resources: {limits: {cpu: 200m, memory: 1Gi}, requests: {cpu: 100m}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: shop}
spec:
  updateStrategy: {type: OnDelete}
  selector: {matchLabels: {app: agent}}
  template: {metadata: {labels: {app: agent}}, spec: {tolerations: [{operator: Exists}], containers: [{name: a, image: a}]}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: report, namespace: shop}
spec:
  schedule: "*/5 * * * *"
  concurrencyPolicy: Forbid
  jobTemplate:
    spec:
      backoffLimit: 2
      template: {metadata: {labels: {app: report}}, spec: {restartPolicy: OnFailure, containers: [{name: a, image: a}]}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: shop}
spec:
  completions: 3
  parallelism: 2
  template: {metadata: {labels: {app: once}}, spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: db-scaler, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: StatefulSet, name: db}
  minReplicas: 2
  maxReplicas: 20
  metrics:
  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}
  - {type: External, external: {metric: {name: acme-queue}, target: {type: Value, value: "3"}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: db-budget, namespace: shop}
spec: {minAvailable: 1, selector: {matchLabels: {app: db}}}
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: acme-high}
value: 1000
"#;

/// A pod of a controller on a node.
fn pod(name: &str, app: &str, owner: (&str, &str), node: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  namespace: shop\n  labels: {{app: {app}}}\n  ownerReferences:\n  - \
         {{kind: {}, name: {}, controller: true}}\nspec: {{nodeName: {node}, containers: [{{name: a}}]}}\nstatus: {{phase: Running}}\n",
        owner.0, owner.1
    )
}

fn cluster() -> String {
    let mut text = CLUSTER.to_owned();
    // The dump has them in the order of their names: db-10 before db-2.
    let mut ordinals: Vec<usize> = (0..11).collect();
    ordinals.sort_by_key(ToString::to_string);
    for ordinal in ordinals {
        let node = if ordinal == 10 { "south-1" } else { "north-1" };
        text += &pod(&format!("db-{ordinal}"), "db", ("StatefulSet", "db"), node);
    }
    for node in ["north-1", "south-1"] {
        text += &pod(&format!("agent-{node}"), "agent", ("DaemonSet", "agent"), node);
    }
    text + &pod("once-x", "once", ("Job", "once"), "north-1")
}

fn read(text: &str) -> Import {
    let mut import = Import::default();
    let read = import.read(Path::new("dump.yaml"), text.as_bytes());
    read.expect("the dump can be read");
    import
}

fn imported(redact: bool) -> Imported {
    let options = Options {
        redact,
        ..Options::default()
    };
    read(&cluster()).finish("x", &options).expect("the dump has workloads")
}

fn file<'i>(imported: &'i Imported, name: &str) -> &'i str {
    let found = imported.files.iter().find(|(own, _)| own == name);
    &found.unwrap_or_else(|| panic!("no file {name}")).1
}

/// The document of an object by its kind.
fn document<'t>(text: &'t str, kind: &str) -> &'t str {
    let is_kind = |of: &&str| of.contains(&format!("\nkind: {kind}\n"));
    text.split("---\n")
        .find(is_kind)
        .unwrap_or_else(|| panic!("no {kind}: {text}"))
}

fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn stateful_sets_and_daemon_sets_are_written_as_what_they_are() {
    let imported = imported(false);
    let workloads = file(&imported, "manifests/workloads.yaml");
    let db = document(workloads, "StatefulSet");
    has(
        db,
        &[
            "  replicas: 11\n",
            "priorityClassName: acme-high\n",
            "acme.com/disk: ssd\n",
            // Names of nodes and zones are those of the experiment.
            "topology.kubernetes.io/zone: zone-1\n",
            "- worker-1\n",
            "key: acme.com/only\n",
            "maxSkew: 1\n",
            // Without a request, the limit is the request.
            "cpu: \"100m\"\n",
            "memory: \"1Gi\"\n",
            "name: init-1\n",
            "restartPolicy: Always\n",
        ],
    );
    for default in [
        "OrderedReady",
        "updateStrategy",
        "not-ready",
        "simulated as a Deployment",
        "200m",
    ] {
        assert!(!db.contains(default), "{default}: {db}");
    }
    let agent = document(workloads, "DaemonSet");
    assert!(!agent.contains("replicas") && !agent.contains("OnDelete"), "{agent}");
    assert!(document(workloads, "Job").contains("completions: 3\n"));
    let file_has = |text: &str| assert!(file(&imported, "x.yaml").contains(text), "{text}");
    file_has("\nrunning: [\"*\"]\n");
    file_has("  - apply: [");
    let experiment = file(&imported, "x.yaml");
    // A pod of a StatefulSet is placed by its ordinal; a DaemonSet has a pod on each node anyway.
    let placed = format!("  db: [{}worker-2]\n", "worker-1, ".repeat(10));
    has(
        experiment,
        &[
            &placed,
            "#   8 CPU, 32Gi memory, acme.com/disk: ssd, taint acme.com/only=db:NoSchedule: worker-1\n",
            "#   4 CPU, 16Gi memory: worker-2\n",
        ],
    );
    assert!(!experiment.contains("  agent: ["), "{experiment}");
    has(
        &imported.report.join("\n"),
        &["1 workload with `updateStrategy: OnDelete`"],
    );
}

#[test]
fn jobs_are_written_as_what_they_are_where_runs_simulate_them() {
    let found = workloads::workloads(&read(&cluster()).dump, &["Job", "CronJob"]);
    let written = |kind: &str| {
        let of = found.all.iter().find(|of| of.kind == kind);
        write::workload(of.unwrap_or_else(|| panic!("no {kind}")), false)
    };
    let job = written("Job");
    has(
        &job,
        &[
            "apiVersion: batch/v1\nkind: Job\n",
            "completions: 3\n",
            "parallelism: 2\n",
            "restartPolicy: Never\n",
        ],
    );
    assert!(!job.contains("replicas") && !job.contains("selector"), "{job}");
    has(
        &written("CronJob"),
        &[
            "kind: CronJob\n",
            "schedule: \"*/5 * * * *\"\n",
            "concurrencyPolicy: Forbid\n",
            "  jobTemplate:\n    spec:\n      backoffLimit: 2\n      template:\n",
            "restartPolicy: OnFailure\n",
        ],
    );
    assert!(written("StatefulSet").contains("kind: Deployment\n"));
}

#[test]
fn a_daemon_set_of_which_few_pods_are_kept_becomes_a_deployment() {
    let options = Options {
        pods_max: Some(7),
        ..Options::default()
    };
    let imported = read(&cluster()).finish("x", &options).expect("the dump has workloads");
    let workloads = file(&imported, "manifests/workloads.yaml");
    has(
        workloads,
        &["# In the cluster: DaemonSet shop/agent, simulated as a Deployment.\n"],
    );
}

#[test]
fn autoscalers_budgets_and_priorities_are_kept() {
    let imported = imported(false);
    let companions = file(&imported, "manifests/companions.yaml");
    has(
        document(companions, "HorizontalPodAutoscaler"),
        &[
            "maxReplicas: 20\n",
            "averageUtilization: 70\n",
            "    kind: StatefulSet\n    name: db\n",
        ],
    );
    assert!(!companions.contains("acme-queue"), "{companions}");
    has(
        document(companions, "PodDisruptionBudget"),
        &["minAvailable: 1\n", "app: db\n"],
    );
    has(
        document(companions, "PriorityClass"),
        &["name: acme-high\n", "value: 1000\n"],
    );
    has(&imported.report.join("\n"), &["1 metric of autoscalers left out"]);
}

#[test]
fn redaction_reaches_everything_beside_workloads() {
    let imported = imported(true);
    for (name, text) in &imported.files {
        for hidden in ["acme", "shop", "db", "ssd", "north", "south", "agent", "report", "once"] {
            let is_word = |line: &str| {
                line.split(|c: char| !c.is_ascii_alphanumeric())
                    .any(|word| word == hidden)
            };
            let line = text.lines().find(|line| is_word(line));
            // Words of this program in comments.
            let line = line.filter(|line| !line.trim_start().starts_with('#') && !line.contains("# "));
            assert_eq!(line, None, "{name} has {hidden}");
        }
    }
    let report = imported.report.join("\n");
    assert!(!report.contains("acme"), "{report}");
    // The same name everywhere: the class of the pods, the label of the node, the taint that they tolerate.
    let (workloads, experiment) = (file(&imported, "manifests/workloads.yaml"), file(&imported, "x.yaml"));
    let db = document(workloads, "StatefulSet");
    let class = db
        .lines()
        .find_map(|line| line.trim().strip_prefix("priorityClassName: "));
    let class = class.expect("it has a class");
    has(
        file(&imported, "manifests/companions.yaml"),
        &[&format!("  name: {class}\n")],
    );
    let taint = experiment
        .lines()
        .find_map(|line| line.split_once("taint "))
        .expect("a taint")
        .1;
    let (key, rest) = taint.split_once('=').expect("a key");
    let value = rest.split(':').next().expect("a value");
    has(db, &[&format!("key: {key}\n"), &format!("value: {value}\n")]);
}
