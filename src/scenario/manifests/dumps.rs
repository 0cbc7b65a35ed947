//! Dumps of a cluster: several objects that speak of the same pods, and pods as they run.

use super::any_tests::any;

fn owner(kind: &str, name: &str) -> String {
    format!("ownerReferences: [{{apiVersion: v1, kind: {kind}, name: {name}, uid: u, controller: true}}]")
}

fn deployment() -> String {
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: n, uid: u1}\n\
     spec: {replicas: 2, template: {metadata: {labels: {app: a}}, spec: {containers: [{name: c}]}}}\n---\n"
        .to_owned()
}

fn replica_set(hash: &str, replicas: u32) -> String {
    format!(
        "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {{name: web-{hash}, namespace: n, uid: u2, {}}}\n\
         spec: {{replicas: {replicas}, template: {{metadata: {{labels: {{app: a, pod-template-hash: {hash}}}}}, \
         spec: {{containers: [{{name: c}}]}}}}}}\n---\n",
        owner("Deployment", "web")
    )
}

fn pod(name: &str, hash: &str, ip: &str, containers: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: n, uid: u3, labels: {{app: a, pod-template-hash: {hash}}}, {}}}\n\
         spec: {{containers: [{containers}]}}\nstatus: {{phase: Running, podIP: {ip}, podIPs: [{{ip: {ip}}}, {{ip: \"fd00::1\"}}]}}\n---\n",
        owner("ReplicaSet", &format!("web-{hash}"))
    )
}

#[test]
fn deployment_replica_set_and_pods_are_one_endpoint_with_all_names() {
    let pods = pod("web-abc-1", "abc", "10.0.0.1", "{name: c}") + &pod("web-abc-2", "abc", "10.0.0.2", "{name: c}");
    let text = deployment() + &replica_set("old", 0) + &replica_set("abc", 2) + &pods;
    let manifests = any(&text).expect("valid");
    assert_eq!(manifests.endpoints.len(), 1);
    for name in [
        "n/web",
        "n/web-abc",
        "n/web-abc-1",
        "n/web-abc-2",
        "n/Deployment/web",
        "n/pod/web-abc-1",
    ] {
        let found = manifests.endpoint(name).expect(name);
        assert_eq!((found.kind.name(), found.endpoint.name.as_str()), ("Deployment", "web"));
    }
    let found = &manifests.endpoints[0];
    assert_eq!(found.endpoint.addresses.len(), 4);
    assert_eq!(found.replicas, Some(2));
    assert_eq!(found.endpoint.subject.labels.get("pod-template-hash"), None);
}

#[test]
fn pods_alone_have_the_name_of_their_deployment_too() {
    let text = pod("web-abc-1", "abc", "10.0.0.1", "{name: c}");
    let manifests = any(&text).expect("valid");
    assert_eq!(manifests.endpoint("n/web").expect("there").kind.name(), "Deployment");
    assert!(manifests.endpoint("n/web-abc-1").is_ok());
    let error = manifests.endpoint("n/wbe").expect_err("none");
    assert_eq!(error, "no workload or pod `n/wbe`; did you mean `n/web`?");
}

#[test]
fn pods_that_differ_are_endpoints_of_their_own() {
    let text = deployment()
        + &pod("web-abc-1", "abc", "10.0.0.1", "{name: c}, {name: istio-proxy}")
        + &pod("web-old-1", "old", "10.0.0.2", "{name: c}");
    let manifests = any(&text).expect("valid");
    assert_eq!(manifests.endpoints.len(), 2);
    assert!(manifests.endpoint("n/web-abc-1").expect("there").endpoint.sidecar);
    assert!(!manifests.endpoint("n/web-old-1").expect("there").endpoint.sidecar);
    assert!(
        manifests
            .endpoint("n/web")
            .expect_err("two")
            .contains("means several that differ")
    );
}

#[test]
fn a_running_pod_is_in_the_mesh_only_if_it_has_the_proxy() {
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: n, labels: {istio-injection: enabled}}\n---\n";
    let manifests = any(&format!("{namespace}{}", deployment())).expect("valid");
    assert!(manifests.endpoint("n/web").expect("there").endpoint.sidecar);
    let text = format!(
        "{namespace}{}{}",
        deployment(),
        pod("web-abc-1", "abc", "10.0.0.1", "{name: c}")
    );
    let manifests = any(&text).expect("valid");
    assert!(!manifests.endpoint("n/web").expect("there").endpoint.sidecar);
}

#[test]
fn pods_that_have_ended_have_no_network() {
    let text = pod("web-abc-1", "abc", "10.0.0.1", "{name: c}").replace("Running", "Succeeded");
    let manifests = any(&text).expect("valid");
    assert!(manifests.endpoints.is_empty());
    assert_eq!(manifests.skipped[0].reason, "the pod has ended");
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec: {template: {spec: {containers: []}}}\n---\n";
    let ended = format!(
        "{job}{}",
        text.replace("namespace: n, ", "")
            .replace(&owner("ReplicaSet", "web-abc"), &owner("Job", "j"))
    );
    assert_eq!(
        any(&ended).expect("valid").endpoint("j").expect("there").kind.name(),
        "Job"
    );
}

fn stateful_set(selector: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: db}}\n\
         spec: {{replicas: 2, template: {{metadata: {{labels: {{app: a}}}}, spec: {{containers: [{{name: c}}]}}}}}}\n---\n\
         apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: x}}\nspec: {{endpointSelector: {{matchLabels: {{{selector}}}}}}}\n"
    )
}

#[test]
fn pods_of_a_stateful_set_are_told_apart_if_a_policy_does() {
    assert_eq!(any(&stateful_set("app: a")).expect("valid").endpoints.len(), 1);
    let manifests = any(&stateful_set("statefulset.kubernetes.io/pod-name: db-1")).expect("valid");
    assert_eq!(manifests.endpoints.len(), 2);
    assert!(manifests.endpoint("db-1").is_ok() && manifests.endpoint("db").is_err());
}

#[test]
fn labels_that_only_the_cluster_knows_are_refused_if_a_policy_names_them() {
    let policy = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: x, namespace: n}\n\
                  spec: {endpointSelector: {matchLabels: {pod-template-hash: abc}}}\n";
    let error = any(&(deployment() + policy)).expect_err("refused").to_string();
    assert!(error.contains("label `pod-template-hash`"), "{error}");
    let told = deployment() + &pod("web-abc-1", "abc", "10.0.0.1", "{name: c}") + policy;
    let manifests = any(&told).expect("valid");
    assert_eq!(
        manifests.endpoints[0].endpoint.subject.labels.get("pod-template-hash"),
        Some("abc")
    );
}
