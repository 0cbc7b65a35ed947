//! Reading of good manifests: values, defaults, injection, and which kinds are read at all.

use std::fs;
use std::path::{Path, PathBuf};

use super::{CountOrPercent, EndpointManifest, Excluded, Manifests, ReadOptions, Workload};
use crate::policy::istio::Request;
use crate::policy::network::Options;
use crate::policy::{Peer, Protocol};
use crate::scenario::error::InputError;

fn own(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("experiments/manifests")
        .join(name)
}

/// Reads a folder to be simulated.
pub(super) fn read_folder(folder: &Path) -> Result<Manifests, Vec<InputError>> {
    super::read_folder(folder, ReadOptions::default(), &Excluded::default())
}

impl Manifests {
    /// The endpoint that a text means.
    pub(super) fn endpoint(&self, text: &str) -> Result<&EndpointManifest, String> {
        self.endpoint_position(text).map(|position| &self.endpoints[position])
    }

    /// The workload of that name.
    pub(super) fn workload(&self, namespace: &str, name: &str) -> Option<&Workload> {
        let mut workloads = self.workloads.iter();
        workloads.find(|w| w.namespace == namespace && w.name == name)
    }
}

pub(super) fn read(text: &str) -> Result<Manifests, InputError> {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a.yaml"), text).expect("written");
    read_folder(folder.path()).map_err(|mut errors| {
        errors[0].file = "a.yaml".into();
        errors.swap_remove(0)
    })
}

/// The first of the errors.
pub(super) fn first(read: Result<Manifests, Vec<InputError>>) -> InputError {
    read.expect_err("refused").swap_remove(0)
}

pub(super) fn refused(text: &str) -> String {
    read(text).expect_err("refused").to_string()
}

pub(super) const SLEEP: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: sleep
spec:
  selector:
    matchLabels:
      app: sleep
  template:
    metadata:
      labels:
        app: sleep
    spec:
      containers:
        - name: sleep
";

pub(super) fn with_sleep(text: &str) -> String {
    format!("{SLEEP}---\n{text}")
}

#[test]
fn sleep_helloworld_is_read_as_written() {
    let manifests = read_folder(&own("sleep-helloworld")).expect("valid");
    assert_eq!(manifests.workloads.len(), 4);
    assert_eq!(manifests.services.len(), 4);
    assert_eq!(manifests.service_accounts.len(), 4);
    assert_eq!(manifests.cilium.len(), 2);
    assert_eq!(manifests.peer_authentications.len(), 1);
    assert_eq!(manifests.authorization_policies.len(), 3);
    assert!(manifests.skipped.is_empty());
    assert!(manifests.warnings.is_empty(), "{:?}", manifests.warnings);
    let sleep = manifests.workload("default", "sleep-v1").expect("there");
    assert_eq!((sleep.replicas, sleep.grace_period_s), (15, 0));
    assert_eq!(sleep.subject.service_account, "sleep-v1");
    assert_eq!((sleep.containers, sleep.progress_deadline_s), (1, 600));
    assert!(sleep.injected && sleep.ignores_sigterm);
    let servers = ["helloworld-v1", "helloworld-v2"];
    let [v1, v2] = servers.map(|n| manifests.workload("default", n).expect("there"));
    for server in [v1, v2] {
        assert!(sleep.anti_affinity[0].matches(&server.subject.labels));
        assert_eq!((server.replicas, server.grace_period_s), (1, 30));
        assert!(server.injected && !server.ignores_sigterm);
    }
    assert!(v1.anti_affinity[0].matches(&v2.subject.labels));
    assert!(!v1.anti_affinity[0].matches(&v1.subject.labels));
}

#[test]
fn sleep_helloworld_has_the_truth_table_of_the_experiment() {
    let manifests = read_folder(&own("sleep-helloworld")).expect("valid");
    let (network, mesh) = (
        manifests.network_policies(Options::default()),
        manifests.mesh_policies("cluster.local"),
    );
    let subject = |name: &str| &manifests.workload("default", name).expect("there").subject;
    for (client, server, method, by_network, by_mesh) in [
        ("sleep-v1", "helloworld-v1", "GET", true, true),
        ("sleep-v1", "helloworld-v2", "GET", false, false),
        ("sleep-v2", "helloworld-v1", "GET", false, false),
        ("sleep-v2", "helloworld-v2", "GET", true, true),
        ("sleep-v1", "helloworld-v1", "POST", true, false),
        ("helloworld-v1", "helloworld-v2", "GET", false, false),
        ("helloworld-v1", "sleep-v1", "GET", true, false),
    ] {
        let (from, to) = (subject(client), subject(server));
        let answer = network.ingress(to, Peer::Endpoint(from), 5000, Protocol::Tcp, None);
        assert_eq!(answer.is_allowed(), by_network, "{client} {server} {method}");
        let request = Request {
            port: 5000,
            method: Some(method),
            path: Some("/hello"),
            host: None,
        };
        let principal = from.principal("cluster.local");
        let answer = mesh.request(to, Some(&principal), &request);
        assert_eq!(answer.is_allowed(), by_mesh, "{client} {server} {method}");
    }
}

#[test]
fn pods_only_has_one_workload_and_strict_tls() {
    let manifests = read_folder(&own("pods-only")).expect("valid");
    assert!(manifests.warnings.is_empty() && manifests.cilium.is_empty());
    let sleep = manifests.workload("default", "sleep").expect("there");
    assert_eq!(sleep.replicas, 15);
    assert!(sleep.injected && sleep.anti_affinity.is_empty());
    let request = Request {
        port: 80,
        ..Request::default()
    };
    let answer = manifests
        .mesh_policies("cluster.local")
        .request(&sleep.subject, None, &request);
    assert!(!answer.is_allowed());
}

#[test]
fn defaults_are_those_of_kubernetes() {
    let manifests = read(SLEEP).expect("valid");
    let sleep = &manifests.workloads[0];
    assert_eq!((sleep.namespace.as_str(), sleep.replicas), ("default", 1));
    assert_eq!((sleep.grace_period_s, sleep.progress_deadline_s), (30, 600));
    assert_eq!(sleep.max_surge, CountOrPercent::Percent(25));
    assert_eq!(sleep.max_unavailable, CountOrPercent::Percent(25));
    assert!(!sleep.injected && !sleep.ignores_sigterm);
    assert_eq!(sleep.subject.service_account, "default");
    assert_eq!((sleep.place.line, sleep.place.column), (4, 9));
}

#[test]
fn strategy_is_read_and_checked() {
    let with = |update: &str| {
        read(&SLEEP.replace(
            "  template:",
            &format!("  strategy:\n    rollingUpdate: {update}\n  template:"),
        ))
    };
    let sleep = with("{maxSurge: 3, maxUnavailable: 10%}")
        .expect("valid")
        .workloads
        .remove(0);
    assert_eq!(sleep.max_surge, CountOrPercent::Count(3));
    assert_eq!(sleep.max_unavailable, CountOrPercent::Percent(10));
    assert!(with("{maxSurge: 0, maxUnavailable: 0}").is_err());
    assert!(with("{maxUnavailable: 101%}").is_err());
    assert!(with("{maxSurge: x}").is_err());
    assert!(with("{maxSurge: -1}").is_err());
    let recreate = SLEEP.replace("  template:", "  strategy: {type: Recreate}\n  template:");
    let recreate = read(&recreate).expect("valid").workloads.remove(0);
    assert_eq!(
        (recreate.max_surge, recreate.max_unavailable),
        (CountOrPercent::Count(0), CountOrPercent::Percent(100))
    );
    let misspelt = SLEEP.replace("  template:", "  strategy: {type: Recrate}\n  template:");
    assert!(refused(&misspelt).contains("did you mean `Recreate`?"));
}

#[test]
fn injection_follows_namespace_label_pod_label_and_annotation() {
    let namespace = |label: &str| {
        format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: default\n  labels: {{{label}}}\n---\n")
    };
    let pod = |text: &str| SLEEP.replace("        app: sleep\n    spec", text);
    let plain = pod("        app: sleep\n    spec");
    let label = |v: &str| {
        pod(&format!(
            "        app: sleep\n        sidecar.istio.io/inject: \"{v}\"\n    spec"
        ))
    };
    let note = |v: &str| {
        pod(&format!(
            "        app: sleep\n      annotations: {{sidecar.istio.io/inject: \"{v}\"}}\n    spec"
        ))
    };
    let (on, off, none) = (
        namespace("istio-injection: enabled"),
        namespace("istio-injection: disabled"),
        namespace(""),
    );
    for (before, workload, expected) in [
        (&on, &plain, true),
        (&on, &label("false"), false),
        (&on, &note("false"), false),
        (&off, &label("true"), false),
        (&none, &plain, false),
        (&none, &label("true"), true),
        (&none, &note("true"), false),
    ] {
        let manifests = read(&format!("{before}{workload}")).expect("valid");
        assert_eq!(manifests.workloads[0].injected, expected, "{before}{workload}");
    }
}

#[test]
fn unrelated_kinds_are_listed_and_related_ones_refused() {
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata: {a: 1}\n";
    let skipped = read(&with_sleep(map)).expect("valid").skipped;
    assert_eq!((skipped[0].kind.as_str(), skipped[0].name.as_str()), ("ConfigMap", "c"));
    let envoy = "apiVersion: cilium.io/v2\nkind: CiliumEnvoyConfig\nmetadata: {name: np}\n";
    assert_eq!(
        refused(&with_sleep(envoy)),
        "a.yaml:18:7: kind `CiliumEnvoyConfig` is not modeled\n  hint: custom listeners of Cilium's proxy are not evaluated"
    );
    let typo = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolcy\nmetadata: {name: np}\n";
    assert!(refused(typo).contains("did you mean `CiliumNetworkPolicy`?"));
    let version = "apiVersion: apps/v1beta1\nkind: Deployment\nmetadata: {name: np}\n";
    assert!(refused(version).contains("versions that are: v1"));
}

#[test]
fn json_files_are_read_and_data_files_skipped() {
    let folder = tempfile::tempdir().expect("a folder");
    let account = "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"ServiceAccount\",\n\t\"metadata\": {\"name\": \"a\"}\n}";
    fs::write(folder.path().join("a.json"), account).expect("written");
    fs::write(folder.path().join("b.json"), "{\"cases\": [1, 2]}").expect("written");
    let manifests = read_folder(folder.path()).expect("valid");
    assert_eq!(manifests.service_accounts[0].place.line, 4);
    assert_eq!(manifests.skipped[0].kind, "");
}
