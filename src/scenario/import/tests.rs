//! Dumps become experiments: each part of the way, on small texts.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Import, Imported, Options};

fn import(text: &str) -> Imported {
    let mut import = Import::default();
    import
        .read(Path::new("dump.yaml"), text.as_bytes())
        .expect("the dump can be read");
    import
        .finish("shop", &Options::default())
        .expect("the dump has workloads")
}

fn files(imported: &Imported) -> BTreeMap<&str, &str> {
    let files = imported.files.iter();
    files.map(|(name, text)| (name.as_str(), text.as_str())).collect()
}

/// A pod in a namespace with labels and an owner, as YAML.
fn pod(namespace: &str, name: &str, label: &str, owner: Option<(&str, &str)>, phase: &str) -> String {
    let owner = owner.map_or(String::new(), |(kind, name)| {
        format!("  ownerReferences:\n  - kind: {kind}\n    name: {name}\n    controller: true\n")
    });
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  namespace: {namespace}\n  labels:\n    {label}\n{owner}spec:\n  \
         containers:\n  - name: a\nstatus:\n  phase: {phase}\n"
    )
}

#[test]
fn pods_alone_show_what_they_belong_to() {
    let text = [
        pod(
            "a",
            "web-7d9f8-x",
            "app: web\n    pod-template-hash: 7d9f8",
            Some(("ReplicaSet", "web-7d9f8")),
            "Running",
        ),
        pod(
            "a",
            "web-7d9f8-y",
            "app: web\n    pod-template-hash: 7d9f8",
            Some(("ReplicaSet", "web-7d9f8")),
            "Pending",
        ),
        pod("a", "db-0", "app: db", Some(("StatefulSet", "db")), "Running"),
        pod("a", "job-1", "app: job", Some(("Job", "job")), "Succeeded"),
        pod("a", "alone", "app: alone", None, "Running"),
        pod(
            "kube-system",
            "etcd-1",
            "component: etcd",
            Some(("Node", "node-1")),
            "Running",
        ),
    ];
    let imported = import(&text.concat());
    let files = files(&imported);
    let workloads = files["manifests/workloads.yaml"];
    for written in [
        "kind: Deployment\nmetadata:\n  name: web\n  namespace: a\nspec:\n  replicas: 2\n",
        "kind: StatefulSet\nmetadata:\n  name: db\n  namespace: a\nspec:\n  replicas: 1\n",
        "# In the cluster: Pod a/alone, simulated as a Deployment.\n",
    ] {
        assert!(workloads.contains(written), "{written}: {workloads}");
    }
    assert!(
        !workloads.contains("7d9f8") && !workloads.contains("etcd") && !workloads.contains("job"),
        "{workloads}"
    );
    assert!(
        imported
            .report
            .iter()
            .any(|line| line.starts_with("1 pod of the dump not Running")),
        "{:?}",
        imported.report
    );
    assert!(
        imported.report.iter().any(|line| line.starts_with("1 Job without")),
        "{:?}",
        imported.report
    );
    assert!(
        imported
            .report
            .iter()
            .any(|line| line.starts_with("assumed: cluster.kubernetes")),
        "{:?}",
        imported.report
    );
}

#[test]
fn fewer_pods_are_kept_in_proportion_and_no_workload_is_lost() {
    let of = |name: &str, pods: usize| -> String {
        let owner = Some(("StatefulSet", name));
        let label = format!("app: {name}");
        (0..pods)
            .map(|at| pod("a", &format!("{name}-{at}"), &label, owner, "Running"))
            .collect()
    };
    let text = of("large", 90) + &of("small", 10) + &of("one", 1);
    let mut import = Import::default();
    let read = import.read(Path::new("dump.yaml"), text.as_bytes());
    read.expect("the dump can be read");
    let options = Options {
        pods_max: Some(50),
        ..Options::default()
    };
    let imported = import.finish("shop", &options).expect("the dump has workloads");
    let files = files(&imported);
    for (name, replicas) in [("large", 44), ("small", 4), ("one", 1)] {
        let written = format!("  name: {name}\n  namespace: a\nspec:\n  replicas: {replicas}\n");
        assert!(files["manifests/workloads.yaml"].contains(&written), "{written}");
    }
    let cut = |line: &String| line.starts_with("52 pods of the dump left out");
    assert!(imported.report.iter().any(cut), "{:?}", imported.report);
}

#[test]
fn equal_names_get_their_namespaces_and_equal_labels_a_label_more() {
    let text = [
        pod("a", "web-0", "app: web", Some(("StatefulSet", "web")), "Running"),
        pod("b", "web-0", "app: web", Some(("StatefulSet", "web")), "Running"),
        pod("a", "one", "app: same", None, "Running"),
        pod("a", "two", "app: same", None, "Running"),
    ];
    let imported = import(&text.concat());
    let files = files(&imported);
    let workloads = files["manifests/workloads.yaml"];
    for written in [
        "  name: web.a\n",
        "  name: web.b\n",
        "      workload-of-dump: one-pod\n",
        "      workload-of-dump: two-pod\n",
    ] {
        assert!(workloads.contains(written), "{written}: {workloads}");
    }
}

#[test]
fn redaction_keeps_what_names_nothing_of_the_owner() {
    let policy = "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: when, namespace: a}\nspec:\n  \
                  selector: {matchLabels: {app: web}}\n  action: ALLOW\n  rules:\n  - when:\n    - {key: source.namespace, values: [b]}\n    \
                  - {key: 'request.headers[x-tenant]', values: [gold]}\n";
    let apart = "  affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{labelSelector: {matchLabels: {app: web}}, \
                 topologyKey: kubernetes.io/hostname}]}}\nstatus:\n";
    let text = [
        pod("a", "web-0", "app: web", Some(("DaemonSet", "web")), "Running").replace("status:\n", apart),
        pod(
            "b",
            "caller-0",
            "app: caller",
            Some(("StatefulSet", "caller")),
            "Running",
        ),
    ];
    let mut import = Import::default();
    let read = import.read(Path::new("dump.yaml"), (text.concat() + policy).as_bytes());
    read.expect("the dump can be read");
    let options = Options {
        redact: true,
        ..Options::default()
    };
    let imported = import.finish("shop", &options).expect("the dump has workloads");
    let files = files(&imported);
    let policies = files["manifests/policies.yaml"];
    assert!(
        policies.contains("key: source.namespace\n") && policies.contains("- ns-2\n"),
        "{policies}"
    );
    assert!(
        policies.contains("request.headers[") && !policies.contains("tenant"),
        "{policies}"
    );
    assert!(!policies.contains("gold"), "{policies}");
    let workloads = files["manifests/workloads.yaml"];
    assert!(
        workloads.contains("topologyKey: kubernetes.io/hostname\n"),
        "{workloads}"
    );
}

#[test]
fn references_to_services_follow_their_names() {
    let service = |namespace: &str| {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: back, namespace: {namespace}}}\nspec: {{selector: {{app: web}}, \
             ports: [{{port: 80, targetPort: 8080}}]}}\n"
        )
    };
    let policy = "---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p, namespace: a}\nspec:\n  \
                  endpointSelector: {}\n  egress:\n  - toServices: [{k8sService: {serviceName: back, namespace: b}}]\n";
    let text = [
        pod("a", "web-0", "app: web", Some(("StatefulSet", "web")), "Running"),
        pod("b", "web-0", "app: web", Some(("StatefulSet", "web")), "Running"),
        service("a"),
        service("b"),
        policy.to_owned(),
    ];
    let imported = import(&text.concat());
    let files = files(&imported);
    assert!(
        files["manifests/policies.yaml"].contains("serviceName: back.b\n"),
        "{}",
        files["manifests/policies.yaml"]
    );
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_dump() {
    let json = "\u{feff}{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"a\", \"namespace\": \"x\", \"labels\": {\"app\": \"a\"}}, \
                \"spec\": {\"containers\": [{\"name\": \"a\"}]}, \"status\": {\"phase\": \"Running\"}}";
    assert!(import(json).report[0].contains("Pod 1"));
}

#[test]
fn probes_keep_their_times_and_lose_what_they_ask() {
    let probed = "containers:\n  - name: a\n    readinessProbe:\n      httpGet: {path: /secret, port: web}\n      initialDelaySeconds: 5\n      \
                  periodSeconds: 10\n      timeoutSeconds: 1\n    livenessProbe: {tcpSocket: {port: 1}}";
    let text = pod("a", "web-0", "app: web", Some(("StatefulSet", "web")), "Running");
    let text = text.replacen("containers:\n  - name: a", probed, 1);
    let imported = import(&text);
    let files = files(&imported);
    let workloads = files["manifests/workloads.yaml"];
    assert!(workloads.contains("readinessProbe:"), "{workloads}");
    assert!(
        workloads.contains("initialDelaySeconds: 5\n") && workloads.contains("periodSeconds: 10\n"),
        "{workloads}"
    );
    assert!(
        !workloads.contains("secret") && !workloads.contains("livenessProbe"),
        "{workloads}"
    );
}

#[test]
fn rules_that_are_not_simulated_leave_the_rest_of_a_policy_as_it_is() {
    let policy = "---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata:\n  name: p\n  namespace: a\nspec:\n  \
                  endpointSelector: {}\n  egress:\n  - toCIDR: [10.244.1.0/24]\n  ingress:\n  - fromCIDR: [10.244.1.0/24]\n  \
                  - fromEntities: [cluster]\n    toPorts:\n    - ports:\n      - {port: \"80\", protocol: TCP}\n      rules: {http: [{method: GET}]}\n\
                  ---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: ip, namespace: a}\nspec:\n  \
                  selector: {matchLabels: {app: web}}\n  action: ALLOW\n  rules:\n  - from: [{source: {ipBlocks: [10.0.0.0/8]}}]\n\
                  ---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: deny, namespace: a}\nspec:\n  \
                  selector: {matchLabels: {app: web}}\n  action: DENY\n  rules:\n  - from: [{source: {ipBlocks: [10.0.0.0/8]}}]\n";
    let text = pod("a", "web-0", "app: web", Some(("StatefulSet", "web")), "Running") + policy;
    let imported = import(&text);
    let files = files(&imported);
    let policies = files["manifests/policies.yaml"];
    // What admits nothing is left of the direction that lost all its rules, so that it stays restricted.
    assert!(policies.contains("  egress:\n    - toEndpoints: []\n"), "{policies}");
    assert!(
        policies.contains("        - cluster\n") && !policies.contains("fromCIDR") && !policies.contains("http"),
        "{policies}"
    );
    // Without rules, a policy that allows allows nothing; one that denies would deny everything.
    let allow = "kind: AuthorizationPolicy\nmetadata:\n  name: ip\n";
    assert!(
        policies.contains(allow) && !policies.contains("rules:") && !policies.contains("name: deny"),
        "{policies}"
    );
}

#[test]
fn comments_block_scalars_and_other_indentations_of_a_list_are_read() {
    let text = "# A dump.\napiVersion: v1\nitems:\n# The first.\n  - apiVersion: v1\n    kind: Pod\n    metadata:\n      name: a\n      \
                namespace: x\n      labels: {app: a}\n      annotations:\n        text: |\n          - not an item\n\n          kind: Secret\n    \
                spec:\n      containers:\n      - {name: a}\n\n  - apiVersion: v1\n    kind: Pod\n    metadata: {name: b, namespace: x, labels: {app: b}}\n    \
                spec: {containers: [{name: b}]}\nkind: List\n";
    let imported = import(text);
    assert!(imported.report[0].contains("Pod 2"), "{:?}", imported.report);
}
