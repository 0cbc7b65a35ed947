//! `meshfault policy --diff` as a person or a pipeline calls it: the real binary over two folders of manifests.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::{Value, json};

fn policy(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("meshfault").expect("the binary was built");
    let done = command.arg("policy").args(arguments).current_dir(folder).output();
    let done = done.expect("the binary runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (done.status.code().unwrap_or(-1), text(&done.stdout), text(&done.stderr))
}

/// Two pods in a namespace with a label, and a rule for the server in place of `RULE`.
fn manifests(label: &str, policy: &str) -> String {
    let pod = |name: &str, ports: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: n, labels: {{app: {name}}}}}\n\
             spec: {{containers: [{{name: c, image: i{ports}}}]}}\n---\n"
        )
    };
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: n, labels: {{{label}}}}}\n---\n");
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: server, namespace: n}\n\
                   spec: {selector: {app: server}, ports: [{name: http, port: 80}]}\n---\n";
    [
        namespace,
        pod("client", ""),
        pod("server", ", ports: [{containerPort: 80}]"),
        service.to_owned(),
        policy.to_owned(),
    ]
    .concat()
}

const ALLOW_80: &str = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: to-server, namespace: n}\n\
    spec: {podSelector: {matchLabels: {app: server}}, ingress: [{ports: [{port: 80}]}]}\n";
const SIDECAR: &str = "istio-injection: enabled";
const AMBIENT: &str = "istio.io/dataplane-mode: ambient";

/// A folder with `before/all.yaml` and `after/all.yaml`.
fn folders(before: &str, after: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [("before", before), ("after", after)] {
        fs::create_dir(folder.path().join(name)).expect("made");
        fs::write(folder.path().join(name).join("all.yaml"), text).expect("written");
    }
    folder
}

const DIFF: [&str; 3] = ["--diff", "before", "after"];

#[test]
fn a_migration_to_ambient_that_breaks_a_call_is_found() {
    let folder = folders(&manifests(SIDECAR, ALLOW_80), &manifests(AMBIENT, ALLOW_80));
    let (code, out, _) = policy(folder.path(), &DIFF);
    assert_eq!(code, 1, "{out}");
    for line in [
        "Verdicts change in 1 of 1 call.",
        "Allowed before, denied after: 1",
        "  n/client → n/server  80/TCP",
        "    together: allow → deny",
        "      after: the network sees ambient mode's tunnel on port 15008: the workload is selected and no rule allows this \
         (NetworkPolicy n/to-server) in after/all.yaml",
    ] {
        assert!(out.lines().any(|shown| shown == line), "{line}\n{out}");
    }
    assert!(!out.contains("network policy:") && !out.contains("Istio:"), "{out}");
    // The way back opens it again.
    let (code, out, _) = policy(folder.path(), &["--diff", "after", "before"]);
    assert!(code == 1 && out.contains("Denied before, allowed after: 1"), "{out}");
    // A layer that decides for both together gives its reason once.
    let folder = folders(
        &manifests("a: b", ALLOW_80),
        &manifests("a: b", &ALLOW_80.replace("80", "81")),
    );
    let (code, out, _) = policy(folder.path(), &DIFF);
    assert_eq!((code, out.matches("      after: ").count()), (1, 1), "{out}");
    assert!(
        out.contains("network policy: allow → deny") && out.contains("together: allow → deny"),
        "{out}"
    );
}

#[test]
fn equal_verdicts_are_no_change_whatever_the_files() {
    let folder = folders(
        &manifests(SIDECAR, ALLOW_80),
        &format!("# moved\n{}", manifests(SIDECAR, ALLOW_80)),
    );
    let (code, out, _) = policy(folder.path(), &DIFF);
    assert_eq!((code, out.as_str()), (0, "No verdict changes in 1 call.\n"));
    // A sidecar without policies lets everything pass, as no sidecar does.
    let folder = folders(&manifests("a: b", ALLOW_80), &manifests(SIDECAR, ALLOW_80));
    assert_eq!(policy(folder.path(), &DIFF).0, 0);
}

#[test]
fn each_layer_and_each_request_is_compared_and_programs_read_it() {
    let get = "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: get, namespace: n}\n\
               spec: {selector: {matchLabels: {app: server}}, rules: [{to: [{operation: {methods: [GET]}}]}]}\n";
    let nothing = "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: shut, namespace: n}\n\
                   spec: {podSelector: {matchLabels: {app: server}}}\n";
    let before = manifests(SIDECAR, nothing);
    // Istio refuses some requests, the network refuses all of them before and after.
    let folder = folders(&before, &format!("{before}{get}"));
    let (code, out, _) = policy(folder.path(), &[&DIFF[..], &["--format", "json"]].concat());
    assert_eq!(code, 1, "{out}");
    let out: Value = serde_json::from_str(&out).expect("JSON");
    let changes = out["changes"].as_array().expect("a list");
    let seen: Vec<Value> = changes
        .iter()
        .map(|of| {
            json!([
                of["method"],
                of["change"],
                of["istio"]["before"]["verdict"],
                of["istio"]["after"]["verdict"]
            ])
        })
        .collect();
    assert_eq!(seen, [json!(["POST", "one-layer", "allow", "deny"])], "{out:#}");
    let because = changes[0]["istio"]["after"]["because"].as_str().unwrap_or_default();
    assert!(because.contains("AuthorizationPolicy n/get"), "{because}");
    assert!(changes[0]["network_policy"].is_null() && changes[0]["together"].is_null());
    assert_eq!(out["same"], 1, "{out:#}");

    let (code, out, _) = policy(folder.path(), &[&DIFF[..], &["--format", "csv"]].concat());
    let rows: Vec<&str> = out.lines().collect();
    assert_eq!((code, rows.len()), (1, 2), "{out}");
    assert!(
        rows[1].starts_with("n/client,n/server,80,TCP,POST,/,one-layer,istio,allow,deny,"),
        "{out}"
    );
}

#[test]
fn ends_of_one_folder_are_named_and_wrong_input_has_its_own_code() {
    let more = format!(
        "{ALLOW_80}---\napiVersion: v1\nkind: Pod\nmetadata: {{name: new, namespace: n}}\nspec: {{containers: [{{name: c, image: i}}]}}\n"
    );
    let folder = folders(&manifests(SIDECAR, ALLOW_80), &manifests(SIDECAR, &more));
    let (code, out, _) = policy(folder.path(), &DIFF);
    assert!(code == 0 && out.contains("Only in AFTER, not compared: n/new"), "{out}");

    let (code, out, error) = policy(folder.path(), &["--diff", "before", "nowhere"]);
    assert!(code == 2 && out.is_empty() && error.contains("nowhere"), "{error}");
    for wrong in [
        &["--diff", "before"][..],
        &["--diff", "before", "after", "--manifests", "before"],
    ] {
        assert_eq!(policy(folder.path(), wrong).0, 2, "{wrong:?}");
    }
    fs::write(
        folder.path().join("after/all.yaml"),
        "apiVersion: v1\nkind: Pod\nmetadata: {nam: x}\n",
    )
    .expect("written");
    let (code, _, error) = policy(folder.path(), &DIFF);
    assert!(code == 2 && error.contains("after/all.yaml:3"), "{error}");
}

#[test]
fn questions_are_asked_of_both_folders() {
    let folder = folders(&manifests(SIDECAR, ALLOW_80), &manifests(AMBIENT, ALLOW_80));
    let questions = json!([
        {"id": "broken", "from": "n/client", "to": "n/server", "port": 80},
        {"id": "outside", "from": "ip:203.0.113.1", "to": "n/server", "port": 80},
    ]);
    fs::write(folder.path().join("q.json"), questions.to_string()).expect("written");
    let (code, out, _) = policy(
        folder.path(),
        &[&DIFF[..], &["--queries", "q.json", "--format", "json"]].concat(),
    );
    let out: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(code, 1);
    assert_eq!(
        (&out["changes"][0]["id"], &out["changes"][0]["change"]),
        (&json!("broken"), &json!("now-denied"))
    );
    assert_eq!(
        (out["changes"].as_array().map(Vec::len), &out["same"]),
        (Some(1), &json!(1)),
        "{out:#}"
    );
}
