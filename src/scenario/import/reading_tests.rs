//! What is read of a dump, and what is refused with its place.

use std::fmt::Write;
use std::path::Path;

use super::{Import, Options, settings};
use crate::scenario::models::Models;

fn read(text: &str) -> Result<Import, String> {
    let mut import = Import::default();
    match import.read(Path::new("dump"), text.as_bytes()) {
        Ok(()) => Ok(import),
        Err(error) => Err(error.in_one_line()),
    }
}

fn report(text: &str) -> String {
    let import = read(text).expect("the dump can be read");
    import
        .finish("x", &Options::default())
        .expect("there is a workload")
        .report
        .join("\n")
}

const POD: &str = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: x, labels: {app: a}}\nspec: {containers: [{name: a}]}\n";

#[test]
fn secrets_of_a_list_are_passed_over_wherever_its_kind_is() {
    let items = "items:\n- metadata: {name: a, namespace: x}\n  data:\n    k: \"LEAKED\n- metadata: {name: b, namespace: x}\n  stringData: {}\n";
    for text in [
        format!("apiVersion: v1\nkind: SecretList\n{items}{POD}"),
        format!("apiVersion: v1\n{items}kind: SecretList\n{POD}"),
        r#"{"kind": "SecretList", "apiVersion": "v1", "items": [{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}]}"#.to_owned()
            + r#"{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a", "labels": {"a": "b"}}, "spec": {"containers": [{}]}}"#,
        r#"{"apiVersion": "v1", "items": [{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}], "kind": "SecretList"}"#.to_owned()
            + r#"{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a", "labels": {"a": "b"}}, "spec": {"containers": [{}]}}"#,
    ] {
        let report = report(&text);
        assert!(report.contains("passed over unread: 2 Secrets"), "{text}: {report}");
    }
}

#[test]
fn pods_of_a_list_have_its_kind() {
    let text = "apiVersion: v1\nitems:\n- metadata: {name: a, namespace: x, labels: {app: a}}\n  spec: {containers: [{name: a}]}\nkind: PodList\n";
    assert!(report(text).contains("read: Pod 1"));
    let error = read(&text.replace("kind: PodList", "other: 1")).expect_err("no kind");
    assert!(
        error.contains("dump:3:1: an object without `apiVersion` and `kind`"),
        "{error}"
    );
}

#[test]
fn labels_that_are_no_texts_are_named() {
    let of = |text: &str| read(text).expect_err("it is no text");
    for value in ["on", "yes", "5", "1e3", "true"] {
        let error = of(&POD.replace("app: a", &format!("app: {value}")));
        assert!(
            error.contains(&format!("`{value}`")) && error.contains(&format!("\"{value}\"")),
            "{error}"
        );
        assert!(error.starts_with("dump:4:"), "{error}");
    }
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  selector: {app: off}\n";
    assert!(of(service).starts_with("dump:5:"));
    let deployment =
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  selector: {matchLabels: {app: no}}\n";
    assert!(of(deployment).starts_with("dump:5:"));
    // In quotes, and as kubectl writes what is no value.
    read(&POD.replace("app: a", "app: \"on\", b: null")).expect("it is a text");
}

#[test]
fn names_that_mean_something_in_an_experiment_are_written_without_that() {
    let text = POD.replace("name: a, namespace", "name: $a, namespace");
    let imported = read(&text)
        .expect("the dump can be read")
        .finish("x", &Options::default());
    let imported = imported.expect("there is a workload");
    let file = |name: &str| {
        &imported
            .files
            .iter()
            .find(|(own, _)| own == name)
            .expect("it is written")
            .1
    };
    assert!(file("x.yaml").contains("workloads: [a]"), "{}", file("x.yaml"));
    assert!(file("manifests/workloads.yaml").contains("# In the cluster: Pod x/$a"));
}

#[test]
fn hostile_texts_are_refused_with_their_place() {
    let deep = |open: &str, close: &str| open.repeat(100_000) + &close.repeat(100_000);
    let mut aliases =
        String::from("apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (from, to) in "abcdefghij".chars().zip("bcdefghijk".chars()) {
        _ = writeln!(
            aliases,
            "  {to}: &{to} [*{from}, *{from}, *{from}, *{from}, *{from}, *{from}, *{from}, *{from}]"
        );
    }
    for (text, place) in [
        (
            format!("apiVersion: v1\nkind: Pod\nmetadata: {}\n", deep("[", "]")),
            "dump:3:",
        ),
        (
            format!("apiVersion: v1\nkind: Pod\nmetadata: {}\n", deep("{a: ", "}")),
            "dump:3:",
        ),
        (format!("{{\"kind\": {}}}", deep("[", "]")), "dump:1:"),
        (aliases, "dump:"),
        (format!("{POD}---\n{}\n", "- ".repeat(100_000)), "dump:7:"),
        (
            (0..1_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect(),
            "dump:65:",
        ),
        (
            format!("{POD}---\nkind: Pod\napiVersion: v1\nkind: Pod\nmetadata: {{name: b}}\n"),
            "dump:9:1:",
        ),
        (
            format!("{POD}---\nkind: Pod\napiVersion: v1\nmetadata: {{name: \"b\u{0}\"}}\n"),
            "dump:",
        ),
        ("kind: Pod\napiVersion: v1\nmetadata: {name: b\n".to_owned(), "dump:3:"),
        (
            r#"{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "b"#.to_owned(),
            "dump:1:",
        ),
        (format!("{POD}---\n- a\n- b\n"), "dump:6:1:"),
        (format!("{POD}---\njust text\n"), "dump:6:1:"),
        (
            "apiVersion: v1\nitems:\n- kind: Pod\n  apiVersion: v1\n  metadata: {name: a}\n  spec: *x\n".to_owned(),
            "dump:6:",
        ),
    ] {
        let begin: String = text.chars().take(300).collect();
        let error = read(&text).expect_err(&begin);
        assert!(error.starts_with(place), "{begin}: {error}");
    }
    assert!(read(&POD.replace('\n', "\r\n")).is_ok());
}

#[test]
fn settings_of_cilium_and_istio_become_parameters() {
    let config = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: cilium-config, namespace: kube-system}\ndata:\n  routing-mode: native\n  \
                  enable-wireguard: \"true\"\n  k8s-client-qps: \"50\"\n  k8s-client-burst: \"20\"\n  identity-allocation-mode: kvstore\n  \
                  labels: k8s:app\n  api-rate-limit: endpoint-create=rate-limit:1/s,rate-burst:8,auto-adjust:false,endpoint-patch=rate-limit:9/s\n";
    let mesh = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: |\n    trustDomain: acme\n    \
                outboundTrafficPolicy: {mode: REGISTRY_ONLY}\n    defaultConfig:\n      holdApplicationUntilProxyStarts: true\n      \
                proxyMetadata: {SECRET_GRACE_PERIOD_RATIO: \"0.3\", SECRET_TTL: sometimes}\n";
    let istiod = "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: istiod, namespace: istio-system}\nspec:\n  selector: {matchLabels: {app: istiod}}\n  \
                  template:\n    metadata:\n      labels:\n        app: istiod\n    spec:\n      containers:\n      - name: discovery\n        \
                  image: istio/pilot:1.21.0\n        env:\n        - name: PILOT_DEBOUNCE_AFTER\n          value: 250ms\n        - name: PASSWORD\n          value: hunter2\n";
    let import = read(&format!("{POD}{config}{mesh}{istiod}")).expect("the dump can be read");
    let imported = import.finish("x", &Options::default()).expect("there is a workload");
    let experiment = &imported.files[0].1;
    for line in [
        "    routing: native ",
        "    encryption: wireguard ",
        "  cilium.agent_client_qps: 50 ",
        "  cilium.endpoint_create_rate: 1 ",
        "  cilium.endpoint_create_burst: 8 ",
        "  cilium.endpoint_create_auto_adjust: false ",
        "  istio.debounce_after: 250ms ",
        "  istio.certificate_renewal_ratio: 0.3 ",
    ] {
        assert!(experiment.contains(line), "{line}: {experiment}");
    }
    // As the model has it already, or not a value of it.
    assert!(
        !experiment.contains("client_burst") && !experiment.contains("certificate_lifetime"),
        "{experiment}"
    );
    let report = imported.report.join("\n");
    for part in [
        "`proxyMetadata.SECRET_TTL` of MeshConfig is `sometimes`",
        "`identity-allocation-mode: kvstore`",
        "`labels` of cilium-config",
        "simulated as cluster.local",
        "`outboundTrafficPolicy`",
        "`holdApplicationUntilProxyStarts`",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    assert!(!experiment.contains("hunter2") && !report.contains("hunter2"));
}

#[test]
fn every_parameter_of_a_setting_exists() {
    let models = Models::embedded().expect("the models can be read");
    for name in settings::parameters() {
        let (component, field) = name.split_once('.').expect("a component");
        let versions = models.versions(if component == "istio" { "istio" } else { "cilium" });
        let newest = versions.last().expect("a version");
        let text = crate::scenario::yaml::Spanned::new(
            (*newest).to_owned(),
            crate::scenario::yaml::Position::UNKNOWN,
            crate::scenario::yaml::Position::UNKNOWN,
        );
        let component = if component == "istio" { "istio" } else { "cilium" };
        let set = models.choose(component, Path::new("x"), &text).expect("a set");
        // It panics for a parameter that does not exist.
        _ = set.value(field);
    }
}

#[test]
fn identities_are_compared_with_pods() {
    let identity = |name: &str, labels: &str| {
        format!(
            "---\napiVersion: cilium.io/v2\nkind: CiliumIdentity\nmetadata: {{name: \"{name}\"}}\nsecurity-labels: {{{labels}}}\n"
        )
    };
    let policy = "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: x}\nspec:\n  podSelector: {matchLabels: {tier: db, app: a}}\n  \
                  ingress: [{from: [{namespaceSelector: {matchLabels: {other: x}}}]}]\n";
    let endpoint = "---\napiVersion: cilium.io/v2\nkind: CiliumEndpoint\nmetadata: {name: a, namespace: x}\nstatus: {identity: {id: 1000}}\n";
    let text = format!(
        "{}{}{}{policy}{endpoint}",
        POD.to_owned() + "status: {phase: Running, podIP: 10.0.0.1}\n",
        identity("1000", "\"k8s:app\": a, \"k8s:io.kubernetes.pod.namespace\": x"),
        identity("2000", "\"cidr:10.0.0.0/8\": \"\"")
    );
    let report = report(&text);
    for part in [
        "identities: 2 in the dump (1 of blocks of addresses), 1 in use by 1 endpoint; pods have 1 sets",
        "labels that no identity has, and match no pod in the cluster: tier",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
}
