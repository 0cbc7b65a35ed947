//! The real program: `meshfault import` of made-up dumps that have everything that live objects carry.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::{Value, json};

/// Runs the program in a folder; gives exit code, standard output and standard error.
fn meshfault(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("meshfault").unwrap();
    let output = command.args(arguments).current_dir(folder).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A word that is secret wherever it is in a dump.
const SECRET: &str = "hunter2";
/// Pods of each of the ten workloads: 200 in all.
const REPLICAS: [u32; 10] = [2, 30, 4, 40, 6, 40, 8, 30, 10, 30];
const WORKERS: usize = 9;

/// Metadata as the API server returns it.
fn meta(namespace: &str, name: &str, labels: Value, owner: Option<(&str, &str)>) -> Value {
    let mut meta = json!({
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": format!("{{\"password\":\"{SECRET}\"}}\n")},
        "creationTimestamp": "2026-04-01T00:00:00Z",
        "generation": 3,
        "labels": labels,
        "managedFields": [{
            "apiVersion": "v1",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:metadata": {"f:labels": {".": {}, "f:app": {}}}},
            "manager": "kube-controller-manager",
            "operation": "Update",
            "time": "2026-04-01T00:00:00Z",
        }],
        "name": name,
        "resourceVersion": "123456",
        "uid": "11111111-2222-3333-4444-555555555555",
    });
    if !namespace.is_empty() {
        meta["namespace"] = namespace.into();
    }
    if let Some((kind, name)) = owner {
        meta["ownerReferences"] = json!([{
            "apiVersion": "apps/v1", "blockOwnerDeletion": true, "controller": true, "kind": kind, "name": name, "uid": "1",
        }]);
    }
    meta
}

fn pod_spec(account: &str, image: &str, sidecar: bool) -> Value {
    let mut containers = vec![json!({
        "env": [{"name": "PASSWORD", "value": SECRET}],
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "livenessProbe": {"failureThreshold": 3, "httpGet": {"path": "/healthz", "port": "http", "scheme": "HTTP"}},
        "name": "main",
        "ports": [{"containerPort": 8080, "name": "http", "protocol": "TCP"}],
        "resources": {"limits": {"memory": "1Gi"}, "requests": {"cpu": "100m"}},
        "terminationMessagePath": "/dev/termination-log",
        "volumeMounts": [{"mountPath": "/var/run/secrets", "name": "kube-api-access-abcde", "readOnly": true}],
    })];
    if sidecar {
        containers.push(json!({"image": "docker.io/istio/proxyv2:1.21.0", "name": "istio-proxy"}));
    }
    json!({
        "containers": containers,
        "dnsPolicy": "ClusterFirst",
        "priority": 0,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "serviceAccount": account,
        "serviceAccountName": account,
        "terminationGracePeriodSeconds": 30,
        "tolerations": [{"effect": "NoExecute", "key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 300}],
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}],
        "volumes": [{"name": "kube-api-access-abcde", "projected": {"defaultMode": 420, "sources": []}}],
    })
}

fn pod(meta: Value, mut spec: Value, node: usize) -> Value {
    spec["nodeName"] = node_name(node).into();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": spec,
        "status": {
            "conditions": [{"lastProbeTime": null, "lastTransitionTime": "2026-04-01T00:00:00Z", "status": "True", "type": "Ready"}],
            "containerStatuses": [{"containerID": "containerd://0123", "name": "main", "ready": true, "restartCount": 0}],
            "hostIP": "192.168.0.1",
            "phase": "Running",
            "podIP": "10.244.3.7",
            "podIPs": [{"ip": "10.244.3.7"}],
            "qosClass": "Burstable",
        },
    })
}

fn node_name(node: usize) -> String {
    format!("ip-10-1-0-{node}.acme.internal")
}

/// Nodes: three control planes and nine workers in three zones.
fn nodes() -> Vec<Value> {
    let node = |number: usize| {
        let mut labels = json!({"kubernetes.io/hostname": node_name(number), "topology.kubernetes.io/zone": format!("eu-{}", number % 3)});
        if number < 3 {
            labels["node-role.kubernetes.io/control-plane"] = "".into();
        }
        json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": meta("", &node_name(number), labels, None),
            "spec": {"podCIDR": format!("10.244.{number}.0/24"), "podCIDRs": [format!("10.244.{number}.0/24")]},
            "status": {
                "allocatable": {"cpu": "8", "memory": "32Gi", "pods": "110"},
                "conditions": [{"lastHeartbeatTime": "2026-05-01T12:00:00Z", "status": "True", "type": "Ready"}],
                "images": [{"names": ["registry.acme.example/app"], "sizeBytes": 1000}],
                "nodeInfo": {"kubeletVersion": "v1.29.4", "osImage": "Linux"},
            },
        })
    };
    (0..12).map(node).collect()
}

fn namespace(number: usize) -> &'static str {
    if number.is_multiple_of(2) { "payments" } else { "web" }
}

/// Ten workloads of several kinds in two namespaces, with their pods and Services.
fn workloads() -> Vec<Value> {
    let mut objects = Vec::new();
    let mut placed = 0;
    for (number, replicas) in REPLICAS.into_iter().enumerate() {
        let (namespace, name) = (namespace(number), format!("app-{number}"));
        let sidecar = number % 2 == 0;
        let labels = json!({"app": name, "tier": if number % 4 == 0 { "db" } else { "front" }});
        let account = format!("account-{number}");
        let spec = pod_spec(&account, "registry.acme.example/app:1.2", false);
        let kind = if number == 8 { "StatefulSet" } else { "Deployment" };
        let mut with_hash = labels.clone();
        let mut owner = (kind, name.clone());
        objects.push(json!({
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": meta(namespace, &name, labels.clone(), None),
            "spec": {
                "progressDeadlineSeconds": 600,
                "replicas": replicas,
                "revisionHistoryLimit": 10,
                "selector": {"matchLabels": {"app": name}},
                "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}, "type": "RollingUpdate"},
                "template": {"metadata": {"creationTimestamp": null, "labels": labels}, "spec": spec},
            },
            "status": {"availableReplicas": replicas, "observedGeneration": 3},
        }));
        if kind == "Deployment" {
            with_hash["pod-template-hash"] = "7d9f8abc".into();
            owner = ("ReplicaSet", format!("{name}-7d9f8abc"));
            objects.push(json!({
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "metadata": meta(namespace, &owner.1, with_hash.clone(), Some((kind, &name))),
                "spec": {"replicas": replicas, "selector": {"matchLabels": with_hash}, "template": {"metadata": {"labels": with_hash}, "spec": spec}},
                "status": {"replicas": replicas},
            }));
        }
        for ordinal in 0..replicas {
            let meta = meta(
                namespace,
                &format!("{name}-{ordinal:03}"),
                with_hash.clone(),
                Some((owner.0, &owner.1)),
            );
            let spec = pod_spec(&account, "registry.acme.example/app:1.2", sidecar);
            objects.push(pod(meta, spec, 3 + placed % WORKERS));
            placed += 1;
        }
        objects.push(json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta(namespace, &name, json!({}), None),
            "spec": {
                "clusterIP": "10.96.0.17",
                "clusterIPs": ["10.96.0.17"],
                "internalTrafficPolicy": "Cluster",
                "ipFamilies": ["IPv4"],
                "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}],
                "selector": {"app": name},
                "sessionAffinity": "None",
                "type": "ClusterIP",
            },
            "status": {"loadBalancer": {}},
        }));
    }
    objects
}

/// What runs the cluster, and what decides who may talk to whom.
fn system_and_policies() -> Vec<Value> {
    let mut objects = Vec::new();
    let mut component =
        |name: &str, namespace: &str, labels: Value, image: &str, owner: (&str, &str), node: usize, host: bool| {
            let mut spec = pod_spec("default", image, false);
            spec["hostNetwork"] = host.into();
            objects.push(pod(meta(namespace, name, labels, Some(owner)), spec, node));
        };
    for number in 0..3 {
        let (istiod, image) = (
            json!({"app": "istiod", "istio": "pilot"}),
            "docker.io/istio/pilot:1.21.0-distroless",
        );
        let set = ("ReplicaSet", "istiod-1");
        component(
            &format!("istiod-{number}"),
            "istio-system",
            istiod,
            image,
            set,
            3 + number,
            false,
        );
        let node = node_name(number);
        let image = "registry.k8s.io/kube-apiserver:v1.29.4";
        let labels = json!({"component": "kube-apiserver"});
        component(
            &format!("kube-apiserver-{number}"),
            "kube-system",
            labels,
            image,
            ("Node", &node),
            number,
            true,
        );
        let image = "quay.io/cilium/cilium:v1.15.3@sha256:0123";
        let labels = json!({"k8s-app": "cilium"});
        component(
            &format!("cilium-{number}"),
            "kube-system",
            labels,
            image,
            ("DaemonSet", "cilium"),
            number,
            true,
        );
    }
    for number in 0..2 {
        let labels = json!({"k8s-app": "kube-dns"});
        let image = "registry.k8s.io/coredns/coredns:v1.11.1";
        component(
            &format!("coredns-{number}"),
            "kube-system",
            labels,
            image,
            ("ReplicaSet", "coredns-1"),
            number,
            false,
        );
    }
    for (name, injection) in [
        ("payments", "enabled"),
        ("web", "disabled"),
        ("istio-system", "disabled"),
    ] {
        let labels = json!({"kubernetes.io/metadata.name": name, "istio-injection": injection});
        objects.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": meta("", name, labels, None), "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}));
        objects.push(json!({"apiVersion": "v1", "data": {"key": SECRET}, "kind": "Secret", "metadata": meta(name, "key", json!({}), None), "type": "Opaque"}));
    }
    let config = json!({"routing-mode": "native", "enable-wireguard": "false", "identity-allocation-mode": "crd"});
    objects.push(json!({"apiVersion": "v1", "data": config, "kind": "ConfigMap", "metadata": meta("kube-system", "cilium-config", json!({}), None)}));
    objects.push(json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": meta("payments", "db", json!({}), None),
        "spec": {
            "ingress": [{
                "from": [
                    {"podSelector": {"matchLabels": {"tier": "front"}}},
                    {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "web"}}, "podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["app-1", "app-3"]}]}},
                    {"ipBlock": {"cidr": "192.168.0.0/16"}},
                ],
                "ports": [{"port": "http", "protocol": "TCP"}],
            }],
            "podSelector": {"matchLabels": {"tier": "db"}},
            "policyTypes": ["Ingress"],
        },
        "status": {},
    }));
    objects.push(json!({
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": meta("web", "app-3", json!({}), None),
        "spec": {
            "endpointSelector": {"matchLabels": {"app": "app-3"}},
            "ingress": [
                {"fromEndpoints": [{"matchLabels": {"k8s:io.kubernetes.pod.namespace": "payments", "app": "app-2"}}], "toPorts": [{"ports": [{"port": "8080", "protocol": "TCP"}], "rules": {"http": [{"method": "GET", "path": "/secret-path/.*"}]}}]},
                {"fromCIDR": ["172.16.0.0/12"]},
            ],
            "egress": [{"toFQDNs": [{"matchName": "api.acme.example"}]}],
        },
    }));
    objects.push(json!({
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": meta("payments", "app-6", json!({}), None),
        "spec": {
            "action": "ALLOW",
            "selector": {"matchLabels": {"app": "app-6"}},
            "rules": [
                {"from": [{"source": {"principals": ["cluster.local/ns/payments/sa/account-2", "*/sa/account-4"]}}]},
                {"from": [{"source": {"ipBlocks": ["172.16.0.0/12"]}}]},
            ],
        },
    }));
    objects
}

/// All objects of the dump.
fn dump() -> Vec<Value> {
    let mut objects = nodes();
    objects.extend(workloads());
    objects.extend(system_and_policies());
    objects
}

fn list(objects: &[Value]) -> Value {
    json!({"apiVersion": "v1", "items": objects, "kind": "List", "metadata": {"resourceVersion": ""}})
}

/// YAML as kubectl prints it: items of a list begin where their key does.
fn yaml(value: &Value, indent: usize, text: &mut String) {
    let blanks = " ".repeat(indent);
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                text.push_str(&format!("{blanks}{}:", json!(key)));
                match value {
                    Value::Object(inner) if !inner.is_empty() => {
                        text.push('\n');
                        yaml(value, indent + 2, text);
                    }
                    Value::Array(inner) if !inner.is_empty() => {
                        text.push('\n');
                        yaml(value, indent, text);
                    }
                    Value::String(long) if long.ends_with('\n') => text.push_str(&format!(" |\n{blanks}  {long}")),
                    other => text.push_str(&format!(" {other}\n")),
                }
            }
        }
        Value::Array(list) => {
            for item in list {
                let mut inner = String::new();
                yaml(item, indent + 2, &mut inner);
                inner.replace_range(indent..indent + 2, "- ");
                text.push_str(&inner);
            }
        }
        other => text.push_str(&format!("{blanks}{other}\n")),
    }
}

/// Keys without quotes, as kubectl writes them where it can.
fn kubectl(value: &Value) -> String {
    let mut text = String::new();
    yaml(value, 0, &mut text);
    text.lines()
        .map(|line| {
            let start = line.len() - line.trim_start_matches([' ', '-']).len();
            let (blanks, rest) = line.split_at(start);
            let plain = |key: &&str| key.chars().all(|c| c.is_ascii_alphanumeric());
            let unquoted = rest.strip_prefix('"').and_then(|rest| rest.split_once("\":"));
            match unquoted.filter(|(key, _)| plain(key)) {
                Some((key, rest)) => format!("{blanks}{key}:{rest}\n"),
                None => format!("{line}\n"),
            }
        })
        .collect()
}

/// The files of a folder by their paths below it.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            found.extend(
                files(&path)
                    .into_iter()
                    .map(|(below, text)| (format!("{name}/{below}"), text)),
            );
        } else {
            found.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
    found
}

#[test]
fn a_dump_with_all_that_live_objects_carry_runs_without_an_edit() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("dump.yaml"), kubectl(&list(&dump()))).unwrap();
    let (code, out, err) = meshfault(dir.path(), &["import", "dump.yaml", "--out", "shop"]);
    assert_eq!(code, 0, "{err}");
    for line in [
        "written: 200 pods in 10 workloads, 10 Services, 3 policies, 12 nodes; Kubernetes 1.29.4, Cilium 1.15.3, Istio 1.21.0",
        "passed over unread: 3 Secrets",
    ] {
        assert!(out.contains(line), "{out}");
    }
    let written = files(&dir.path().join("shop"));
    for (name, text) in &written {
        for hidden in [SECRET, "registry.acme", "uid", "managedFields"] {
            assert!(
                !text.contains(hidden) || name == "experiment.schema.json",
                "{name} has {hidden}"
            );
        }
    }
    let experiment = &written["shop.yaml"];
    for known in [
        "  nodes: 12 ",
        "  control_plane_nodes: 3 ",
        "  zones: 3 ",
        "  api_servers: 3 ",
        "  coredns: 2 ",
        "    routing: native ",
        "    replicas: 3 ",
        "    version: \"1.15.3\" ",
        "policies_in_force: [network, mesh]",
    ] {
        assert!(experiment.contains(known), "{known}: {experiment}");
    }
    // Pods start on the nodes on which they are, and nodes are in their zones.
    let rows: Vec<Vec<&str>> = written["nodes.csv"]
        .lines()
        .skip(1)
        .map(|row| row.split(',').collect())
        .collect();
    assert_eq!(rows.len(), 12);
    for row in rows.iter().filter(|row| row[0].starts_with("worker-")) {
        let number: usize = row[0].trim_start_matches("worker-").parse().unwrap();
        assert_eq!(row[2], format!("eu-{}", (number - 1) % 3), "{row:?}");
    }
    let simulated = |node: usize| rows.iter().find(|row| row[1] == node_name(node)).unwrap()[0];
    let placed = format!("\n  app-0: [{}, {}]\n", simulated(3), simulated(4));
    assert!(experiment.contains(&placed), "{placed}: {experiment}");
    assert!(written["manifests/workloads.yaml"].contains("kind: StatefulSet\nmetadata:\n  name: app-8\n"));
    assert!(!out.contains("simulated as Deployments"), "{out}");
    let (code, _, err) = meshfault(dir.path(), &["check", "shop"]);
    assert_eq!(code, 0, "{err}");
    let (code, out, err) = meshfault(dir.path(), &["run", "shop", "-n", "5", "--out", "result"]);
    assert_eq!(code, 0, "{out}{err}");
    let summary: Value =
        serde_json::from_str(&fs::read_to_string(dir.path().join("result/summary.json")).unwrap()).unwrap();
    assert!(summary.to_string().contains("as-it-is"), "{summary}");
}

#[test]
fn yaml_json_documents_and_the_standard_input_give_the_same_files() {
    let dir = tempfile::tempdir().unwrap();
    let objects = dump();
    let write = |name: &str, text: String| fs::write(dir.path().join(name), text).unwrap();
    write("dump.yaml", kubectl(&list(&objects)));
    write("dump.json", serde_json::to_string_pretty(&list(&objects)).unwrap());
    write(
        "documents.yaml",
        objects
            .iter()
            .map(|object| format!("---\n{}", kubectl(object)))
            .collect(),
    );
    // As the API server itself writes a list: the items state no kind.
    let pods = objects
        .iter()
        .filter(|object| object["kind"] == "Pod")
        .cloned()
        .map(|mut pod| {
            pod.as_object_mut()
                .unwrap()
                .retain(|key, _| key != "kind" && key != "apiVersion");
            pod
        });
    let pods = json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods.collect::<Vec<_>>()});
    let others: Vec<Value> = objects
        .iter()
        .filter(|object| object["kind"] != "Pod")
        .cloned()
        .collect();
    fs::create_dir(dir.path().join("parts")).unwrap();
    write("parts/pods.json", pods.to_string());
    // Objects of one kind after the other, and all of them twice.
    write(
        "parts/others.yaml",
        [kubectl(&list(&others)), "---\n".to_owned(), kubectl(&list(&others))].concat(),
    );
    let import = |from: &str, out: &str| {
        let out_name = format!("{out}/shop");
        let (code, _, err) = meshfault(dir.path(), &["import", from, "--out", &out_name]);
        assert_eq!(code, 0, "{from}: {err}");
        files(&dir.path().join(out_name))
    };
    let expected = import("dump.yaml", "a");
    for (from, out) in [
        ("dump.yaml", "b"),
        ("dump.json", "c"),
        ("documents.yaml", "d"),
        ("parts", "e"),
    ] {
        assert_eq!(import(from, out), expected, "{from}");
    }
    let mut command = Command::cargo_bin("meshfault").unwrap();
    let input = kubectl(&list(&objects));
    let command = command.args(["import", "-", "--out", "f/shop"]).current_dir(dir.path());
    command.write_stdin(input).assert().success();
    assert_eq!(files(&dir.path().join("f/shop")), expected);
}

/// The names of the Deployments of a folder in their order, `NAMESPACE/NAME`.
fn deployments(files: &BTreeMap<String, String>) -> Vec<String> {
    let text = &files["manifests/workloads.yaml"];
    let value = |document: &str, key: &str| {
        let found = document
            .lines()
            .find_map(|line| line.strip_prefix(&format!("  {key}: ")));
        found.unwrap_or_else(|| panic!("no {key}: {document}")).to_owned()
    };
    let documents = text.split("---\n").skip(1);
    documents
        .map(|of| format!("{}/{}", value(of, "namespace"), value(of, "name")))
        .collect()
}

/// Client, server and port with the verdict of each layer and of both.
fn verdicts(folder: &Path) -> BTreeSet<[String; 6]> {
    let (code, out, err) = meshfault(folder, &["policy", "--manifests", "manifests", "--format", "json"]);
    assert_eq!(code, 0, "{err}");
    let table: Value = serde_json::from_str(&out).unwrap();
    let rows = table["cases"].as_array().unwrap().iter();
    rows.map(|row| {
        ["from", "to", "port", "network_policy", "istio", "together"]
            .map(|key| row[key].to_string().trim_matches('"').to_owned())
    })
    .collect()
}

#[test]
fn renamed_everything_has_the_same_verdicts() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("dump.yaml"), kubectl(&list(&dump()))).unwrap();
    let import = |out: &str, more: &[&str]| {
        let (code, _, err) = meshfault(dir.path(), &[&["import", "dump.yaml", "--out", out], more].concat());
        assert_eq!(code, 0, "{err}");
        files(&dir.path().join(out))
    };
    let (plain, redacted) = (import("plain", &[]), import("redacted", &["--redact"]));
    for (name, text) in redacted.iter().filter(|(name, _)| *name != "experiment.schema.json") {
        for hidden in [
            "payments",
            "web",
            "account-",
            "front",
            "acme",
            "eu-",
            "ip-10",
            "secret-path",
            "172.16",
        ] {
            assert!(!text.contains(hidden), "{name} has {hidden}: {text}");
        }
    }
    let (own, new) = (deployments(&plain), deployments(&redacted));
    assert_eq!(own.len(), 10);
    let renamed: BTreeMap<&String, &String> = own.iter().zip(&new).collect();
    let expected: BTreeSet<[String; 6]> = verdicts(&dir.path().join("plain"))
        .into_iter()
        .map(|[from, to, port, network, mesh, both]| {
            [renamed[&from].clone(), renamed[&to].clone(), port, network, mesh, both]
        })
        .collect();
    let found = verdicts(&dir.path().join("redacted"));
    assert_eq!(found, expected);
    // So does the table of edges, which has the names of the experiment.
    let table = |files: &BTreeMap<String, String>, names: &[String]| -> BTreeSet<[String; 6]> {
        let full = |name: &str| {
            let found = names.iter().find(|of| of.rsplit('/').next() == Some(name));
            found.unwrap_or_else(|| panic!("no workload {name}")).clone()
        };
        let rows = files["edges.csv"].lines().skip(1).map(|row| {
            let cells: Vec<&str> = row.split(',').collect();
            let [client, server, port, network, mesh, both] = cells[..] else {
                panic!("{row}");
            };
            [
                full(client),
                full(server),
                port.into(),
                network.into(),
                mesh.into(),
                both.into(),
            ]
        });
        rows.collect()
    };
    assert_eq!(table(&redacted, &new), found);
    assert_eq!(table(&plain, &own), verdicts(&dir.path().join("plain")));
    let with = |at: usize, verdict: &str| found.iter().filter(|row| row[at] == verdict).count();
    assert!(with(3, "deny") > 5 && with(3, "allow") > 5, "{found:?}");
    assert!(with(4, "deny") > 1 && with(4, "allow") > 1, "{found:?}");
    // The experiments are the same, name by name.
    let lines = |files: &BTreeMap<String, String>, name: &str| files[name].lines().count();
    assert_eq!(lines(&plain, "plain.yaml"), lines(&redacted, "redacted.yaml"));
}

#[test]
fn values_that_the_dump_does_not_have_are_given_on_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let objects: Vec<Value> = dump()
        .into_iter()
        .filter(|object| object["kind"] != "ConfigMap")
        .collect();
    fs::write(dir.path().join("dump.yaml"), kubectl(&list(&objects))).unwrap();
    let import = |arguments: &[&str]| {
        let all = [&["import", "dump.yaml", "--out", "shop"], arguments].concat();
        let (code, out, err) = meshfault(dir.path(), &all);
        (code, out, err.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let given = [
        "--set",
        "cluster.cilium.routing=native",
        "-s",
        "parameters.kubernetes.watch_latency=7ms",
    ];
    for (wrong, part) in [
        ("cluster.zones=many", "--set cluster.zones=many"),
        ("cluster.zone=3", "unknown key `cluster.zone`"),
        ("script.pause=3s", "not in a line of its own"),
        ("parameters.kubernetes.watch_latency=7", "is not a valid"),
    ] {
        let (code, _, err) = import(&["--set", wrong]);
        assert!(code == 2 && err.contains(part), "{wrong}: {err}");
        assert!(!dir.path().join("shop").exists(), "{wrong}");
    }
    let (code, out, err) = import(&given);
    assert_eq!(code, 0, "{err}");
    assert!(!out.contains("assumed: cluster.cilium.routing"), "{out}");
    assert!(
        out.contains("assumed: cluster.cilium.encryption=none") && out.contains("--set KEY=VALUE"),
        "{out}"
    );
    let experiment = fs::read_to_string(dir.path().join("shop/shop.yaml")).unwrap();
    for line in [
        "    routing: native # given by --set\n",
        "  kubernetes.watch_latency: 7ms # given by --set\n",
    ] {
        assert!(experiment.contains(line), "{line}: {experiment}");
    }
    let (code, out, err) = meshfault(
        dir.path(),
        &["params", "as-it-is", "--experiment", "shop", "kubernetes.watch"],
    );
    assert!(
        code == 0 && out.contains("kubernetes.watch_latency\t7ms\t"),
        "{out}{err}"
    );
}

#[test]
fn what_cannot_be_read_is_named_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |text: &str, arguments: &[&str]| {
        fs::write(dir.path().join("dump.yaml"), text).unwrap();
        let (code, out, err) = meshfault(dir.path(), &[&["import", "dump.yaml"], arguments].concat());
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        assert!(!dir.path().join("shop").exists());
        err.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let out = ["--out", "shop"];
    for (text, parts) in [
        (
            "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: [\nkind: List\n",
            &["dump.yaml:5"][..],
        ),
        (
            "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {}\nkind: List\n",
            &["dump.yaml:3", "no `metadata.name`"],
        ),
        (
            "a: 1\n",
            &["dump.yaml:1", "without `apiVersion` and `kind`", "kubectl get"],
        ),
        (
            "{\"kind\": \"List\", \"items\": [1]}",
            &["no valid JSON", "kubectl get"],
        ),
        (
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n",
            &["no workload that can be simulated", "kubectl get"],
        ),
    ] {
        let err = refused(text, &out);
        assert!(parts.iter().all(|part| err.contains(part)), "{text}: {err}");
    }
    // The line itself may be of a Secret.
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {b: \"LEAKED\n";
    assert!(!refused(secret, &out).contains("LEAKED"));
    assert!(refused("a: 1\n", &["--out=x y"]).contains("not a valid name"));
    let (code, _, err) = meshfault(dir.path(), &["import", "dumb.yaml", "--out", "shop"]);
    assert!(code == 2 && err.contains("dump.yaml"), "{err}");
    fs::create_dir(dir.path().join("there")).unwrap();
    fs::write(dir.path().join("dump.yaml"), kubectl(&list(&dump()))).unwrap();
    let (code, _, err) = meshfault(dir.path(), &["import", "dump.yaml", "--out", "there"]);
    assert!(code == 2 && err.contains("exists already"), "{err}");
}
