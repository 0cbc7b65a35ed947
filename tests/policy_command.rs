//! `meshfault policy` as a person calls it: the real binary over a folder of our own, and over any folders of the same form
//! that `MESHFAULT_SHARED_MANIFESTS` names.

use std::path::Path;

use assert_cmd::Command;
use serde_json::{Value, json};

fn policy(arguments: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = Command::cargo_bin("meshfault").expect("the binary was built");
    command.arg("policy").args(arguments).assert()
}

/// The answers to questions about a folder, in their order.
fn answers(folder: &str, queries: &Value) -> Vec<Value> {
    let scratch = tempfile::tempdir().expect("a folder for the questions");
    let file = scratch.path().join("queries.json");
    std::fs::write(&file, queries.to_string()).expect("the questions are written");
    let file = file.to_str().expect("a path in UTF-8");
    let done = policy(&["--manifests", folder, "--queries", file, "--format", "json"]).success();
    let output: Value = serde_json::from_slice(&done.get_output().stdout).expect("JSON");
    output["cases"].as_array().expect("a list").clone()
}

const SHOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/policy-shop");

#[test]
fn a_folder_answers_questions_of_both_layers() {
    let ask = |id: u32, from: &str, port: u16, method: &str, path: &str| json!({"id": id, "from": from, "to": "shop/back", "port": port, "protocol": "TCP", "method": method, "path": path});
    let queries = json!([
        ask(0, "shop/front", 8080, "GET", "/items/7"),
        ask(1, "shop/front", 8080, "POST", "/items/7"),
        ask(2, "shop/front", 9090, "GET", "/items/7"),
        ask(3, "default/stranger", 8080, "GET", "/items/7"),
        ask(4, "ip:203.0.113.10", 8080, "GET", "/items/7"),
    ]);
    let expected = [
        ("allow", "allow"),
        ("allow", "deny"),
        ("deny", "allow"),
        ("deny", "deny"),
        ("deny", "deny"),
    ];
    let answers = answers(SHOP, &queries);
    for (answer, (network, mesh)) in answers.iter().zip(expected) {
        assert_eq!(
            (answer["network_policy"].as_str(), answer["istio"].as_str()),
            (Some(network), Some(mesh)),
            "{answer}"
        );
        assert!(answer["because"].as_str().is_some_and(|text| !text.is_empty()));
    }
    assert_eq!(answers.len(), expected.len());
}

#[test]
fn a_misspelt_name_has_a_near_match_and_exit_code_2() {
    let done = policy(&["--manifests", SHOP, "--from", "shop/frnt"]).code(2);
    let text = String::from_utf8_lossy(&done.get_output().stderr).replace(['\n', ' ', '│'], "");
    assert!(text.contains("didyoumean`shop/front`"), "{text}");
}

#[test]
fn two_workloads_of_one_name_both_stand_in_the_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let pod = |kind: &str, label: &str| {
        let template = format!(
            "{{metadata: {{labels: {{app: {label}}}}}, spec: {{containers: [{{name: c, image: i, ports: [{{containerPort: 80}}]}}]}}}}"
        );
        match kind {
            "DaemonSet" => format!(
                "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {{name: twin}}\nspec: {{selector: {{matchLabels: {{app: {label}}}}}, template: {template}}}\n"
            ),
            _ => format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: twin, labels: {{app: {label}}}}}\nspec: {{containers: [{{name: c, image: i}}]}}\n"
            ),
        }
    };
    let text = format!("{}---\n{}", pod("DaemonSet", "one"), pod("Pod", "other"));
    std::fs::write(folder.path().join("twins.yaml"), text).expect("written");
    let path = folder.path().to_str().expect("UTF-8");
    let done = policy(&["--manifests", path, "--format", "csv"]).success();
    let table = String::from_utf8_lossy(&done.get_output().stdout).into_owned();
    assert!(
        table.contains(",default/Pod/twin,default/DaemonSet/twin,80,TCP,"),
        "{table}"
    );
}

const LAYERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/policy-layers");

/// Each question with the answers of the network, of the mesh, and of both together.
#[test]
fn the_mesh_changes_what_the_network_sees() {
    let cases = [
        // Inside mutual TLS an HTTP rule cannot read the request.
        ("side/client", "side/read-only", 80, "GET", ["allow", "allow", "deny"]),
        ("side/client", "side/read-only", 80, "POST", ["deny", "allow", "deny"]),
        // Without mutual TLS it can.
        ("side/client", "side/plain", 80, "GET", ["allow", "allow", "allow"]),
        ("side/client", "side/plain", 80, "POST", ["deny", "allow", "deny"]),
        (
            "ip:203.0.113.10",
            "side/read-only",
            80,
            "GET",
            ["allow", "allow", "allow"],
        ),
        // In ambient mode the network sees port 15008 and no other.
        (
            "ambient/client",
            "ambient/by-port",
            80,
            "GET",
            ["allow", "allow", "deny"],
        ),
        (
            "ambient/client",
            "ambient/by-tunnel",
            80,
            "GET",
            ["deny", "allow", "allow"],
        ),
        (
            "ip:203.0.113.10",
            "ambient/by-port",
            80,
            "GET",
            ["allow", "allow", "allow"],
        ),
    ];
    ask_layers(&cases);
}

#[test]
fn a_waypoint_has_the_policies_of_its_service_and_the_workload_sees_the_waypoint() {
    let cases = [
        ("ambient/client", "guarded/web", 80, "GET", ["allow", "allow", "allow"]),
        ("ambient/client", "guarded/web", 80, "POST", ["allow", "deny", "deny"]),
        ("ambient/by-port", "guarded/web", 80, "GET", ["allow", "deny", "deny"]),
        // No Service leads to this port, so that nothing stands between.
        ("ambient/client", "guarded/web", 9090, "GET", ["allow", "deny", "deny"]),
        // Sidecars and clients outside of the mesh do not call waypoints.
        ("side/client", "guarded/web", 80, "GET", ["allow", "deny", "deny"]),
        ("ip:203.0.113.10", "guarded/web", 80, "GET", ["allow", "deny", "deny"]),
    ];
    ask_layers(&cases);
}

fn ask_layers(cases: &[(&str, &str, u16, &str, [&str; 3])]) {
    let query = |(from, to, port, method, _): &(&str, &str, u16, &str, [&str; 3])| json!({"from": from, "to": to, "port": port, "method": method});
    let queries: Vec<Value> = cases.iter().map(query).collect();
    let answers = answers(LAYERS, &json!(queries));
    assert_eq!(answers.len(), cases.len());
    for (answer, case) in answers.iter().zip(cases) {
        let seen = ["network_policy", "istio", "together"].map(|key| answer[key].as_str().unwrap_or("nothing"));
        assert_eq!(seen, case.4, "{answer:#}");
    }
}

#[test]
fn what_is_not_evaluated_is_refused_and_leniently_makes_verdicts_unknown() {
    let folder = tempfile::tempdir().expect("a folder");
    let shop = std::fs::read_to_string(format!("{SHOP}/shop.yaml")).expect("read");
    let filter = "apiVersion: cilium.io/v2\nkind: CiliumEnvoyConfig\nmetadata: {name: f, namespace: shop}\nspec: {}\n";
    std::fs::write(folder.path().join("shop.yaml"), shop).expect("written");
    std::fs::write(folder.path().join("z.yaml"), filter).expect("written");
    let path = folder.path().to_str().expect("UTF-8");
    let refused = policy(&["--manifests", path]).code(2);
    let error = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(
        error.contains("CiliumEnvoyConfig") && error.contains("z.yaml:2:7"),
        "{error}"
    );

    let ask = [
        "--manifests",
        path,
        "--from",
        "shop/front",
        "--format",
        "csv",
        "--lenient",
    ];
    let done = policy(&ask).success();
    let output = done.get_output();
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    let row = table.lines().find(|line| line.contains("shop/back")).expect("a row");
    assert!(row.contains(",unknown,allow,unknown,"), "{row}");
    let warnings = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(warnings.contains("CiliumEnvoyConfig"), "{warnings}");
}

#[test]
fn an_answer_names_the_deciding_rule_of_each_direction_and_the_way_of_the_call() {
    let ask = |from: &str, to: &str, path: &str| {
        let queries = json!([{"from": from, "to": to, "port": 8080, "method": "GET", "path": path}]);
        answers(SHOP, &queries).remove(0)
    };
    let answer = ask("shop/front", "shop/back", "/items/7");
    let part = |direction: &str| answer[direction]["because"].as_str().unwrap_or_default().to_owned();
    assert_eq!(answer["ingress"]["verdict"], "allow");
    assert!(
        part("ingress").contains("NetworkPolicy shop/back, rule 0) at "),
        "{answer:#}"
    );
    assert!(
        part("egress").contains("no policy restricts this direction"),
        "{answer:#}"
    );
    let because = answer["because"].as_str().unwrap_or_default();
    for text in [
        "egress: ",
        "ingress: ",
        "AuthorizationPolicy shop/back, rule 0) at ",
        "by Service shop/back: with mutual TLS",
    ] {
        assert!(because.contains(text), "{text}: {because}");
    }
    let queries = json!([{"from": "ambient/client", "to": "guarded/web", "port": 80, "method": "GET"}]);
    let waypoint = answers(LAYERS, &queries).remove(0);
    let because = waypoint["because"].as_str().unwrap_or_default();
    let identity = "whose identity the workload sees (`cluster.local/ns/guarded/sa/gate`)";
    assert!(because.contains(identity), "{because}");
}

#[test]
fn a_table_asks_the_requests_that_rules_name() {
    let done = policy(&[
        "--manifests",
        SHOP,
        "--to",
        "shop/back",
        "--port",
        "8080",
        "--format",
        "csv",
    ])
    .success();
    let table = String::from_utf8_lossy(&done.get_output().stdout).into_owned();
    for row in [
        ",shop/front,shop/back,8080,TCP,GET,/items/,allow,allow,allow,",
        ",shop/front,shop/back,8080,TCP,GET,/,allow,deny,deny,",
        ",shop/front,shop/back,8080,TCP,POST,/,allow,deny,deny,",
    ] {
        assert!(table.contains(row), "{row}\n{table}");
    }
}

#[test]
fn ends_that_are_no_workload_are_entities_addresses_and_names() {
    for (to, expected) in [
        ("entity:hst", "didyoumean`host`?"),
        ("entity:cluster", "notasingleendpoint"),
        ("entity:all", "oneof:health"),
        ("dns:*.example.test", "isnotaDNSname"),
        ("ip:10.0.0", "isnotanIPaddress"),
    ] {
        let done = policy(&["--manifests", SHOP, "--to", to, "--port", "80"]).code(2);
        let text = String::from_utf8_lossy(&done.get_output().stderr).replace(['\n', ' ', '│'], "");
        assert!(text.contains(expected), "{to}: {text}");
    }
    let done = policy(&["--manifests", SHOP, "--from", "dns:a.example.test", "--to", "shop/back"]).code(2);
    let text = String::from_utf8_lossy(&done.get_output().stderr).replace(['\n', ' ', '│'], "");
    assert!(text.contains("cannotbeaclient"), "{text}");
    for to in [
        "entity:host",
        "entity:kube-apiserver",
        "dns:api.example.test",
        "ip:203.0.113.7",
    ] {
        policy(&["--manifests", SHOP, "--to", to, "--port", "80"]).success();
    }
}

/// The rows of a folder's truth table without their reasons, sorted.
fn rows(folder: &Path) -> Vec<String> {
    let path = folder.to_str().expect("UTF-8");
    let done = policy(&["--manifests", path, "--format", "csv"]).success();
    let table = String::from_utf8_lossy(&done.get_output().stdout).into_owned();
    let decisions = |line: &str| line.splitn(11, ',').take(10).collect::<Vec<_>>().join(",");
    let mut rows: Vec<String> = table.lines().map(decisions).collect();
    rows.sort_unstable();
    rows
}

#[test]
fn order_of_files_and_of_objects_changes_nothing() {
    for file in [format!("{SHOP}/shop.yaml"), format!("{LAYERS}/layers.yaml")] {
        let whole = tempfile::tempdir().expect("a folder");
        let text = std::fs::read_to_string(&file).expect("read");
        std::fs::write(whole.path().join("all.yaml"), &text).expect("written");
        let expected = rows(whole.path());
        assert!(expected.len() >= 3, "{expected:?}");
        let documents: Vec<&str> = text.split("\n---\n").collect();
        let reversed = tempfile::tempdir().expect("a folder");
        for (index, document) in documents.iter().rev().enumerate() {
            let name = format!("{index:03}.yaml");
            std::fs::write(reversed.path().join(name), format!("{document}\n")).expect("written");
        }
        assert_eq!(rows(reversed.path()), expected, "{file}");
        let turned: Vec<&str> = documents.iter().rev().copied().collect();
        std::fs::write(whole.path().join("all.yaml"), turned.join("\n---\n")).expect("written");
        assert_eq!(rows(whole.path()), expected, "{file}");
    }
}

#[test]
fn a_table_in_a_pipe_has_a_whole_answer_in_each_line() {
    let done = policy(&["--manifests", SHOP, "--explain"]).success();
    let table = String::from_utf8_lossy(&done.get_output().stdout).into_owned();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(
        rows[0],
        [
            "from",
            "to",
            "port",
            "request",
            "network policy",
            "Istio",
            "together",
            "because"
        ]
    );
    assert!(rows.len() > 3 && rows.iter().all(|row| row.len() == 8), "{table}");
    let csv = policy(&["--manifests", SHOP, "--format", "csv"]).success();
    let csv = String::from_utf8_lossy(&csv.get_output().stdout).into_owned();
    assert_eq!(csv.lines().count(), rows.len());
    assert!(
        csv.lines()
            .zip(&rows)
            .skip(1)
            .all(|(line, row)| line.trim_end_matches('"').ends_with(row[7])),
        "{table}"
    );
}

/// Truth tables in another folder, if it is named.
#[test]
fn other_truth_tables_agree() {
    let Ok(root) = std::env::var("MESHFAULT_SHARED_MANIFESTS") else {
        return;
    };
    let mut seen = 0;
    for entry in std::fs::read_dir(&root).expect("the folder can be read").flatten() {
        let expected = entry.path().join("expected.json");
        if !Path::new(&expected).is_file() {
            continue;
        }
        let text = std::fs::read_to_string(&expected).expect("text");
        let table: Value = serde_json::from_str(&text).expect("JSON");
        let cases = table["cases"].as_array().expect("a list");
        let keys = ["id", "from", "to", "port", "protocol", "method", "path", "headers"];
        let query = |case: &Value| -> Value {
            let fields = keys.iter().filter(|key| !case[**key].is_null());
            fields
                .map(|key| ((*key).to_owned(), case[*key].clone()))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let queries: Vec<Value> = cases.iter().map(query).collect();
        let folder = entry.path();
        for (answer, case) in answers(folder.to_str().expect("UTF-8"), &json!(queries))
            .iter()
            .zip(cases)
        {
            assert_eq!(answer["network_policy"], case["network_policy"], "{case}");
            assert_eq!(answer["istio"], case["istio"], "{case}");
            seen += 1;
        }
    }
    assert!(seen > 0, "{root} holds no truth table");
}

/// What no answer is based on stands in JSON, and what is excluded is not read.
#[test]
fn what_is_passed_over_stands_in_json() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    let names = |kind: &str| format!("apiVersion: networking.gke.io/v1\nkind: {kind}\nmetadata: {{name: one}}\n");
    write(
        "a.yaml",
        &format!("{}---\n{}", names("FQDNNetworkPolicy"), names("ServiceAttachment")),
    );
    write("b.yaml", &names("ServiceAttachment"));
    write("template.yaml", "apiVersion: v1\nkind: {{ .Kind }}\n");
    let path = folder.path().to_str().expect("UTF-8");
    let done = policy(&["--manifests", path, "--format", "json"]).code(2);
    let text = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
    assert!(text.contains("render"), "{text}");
    let done = policy(&["--manifests", path, "--format", "json", "--exclude", "template*"]).success();
    let output: Value = serde_json::from_slice(&done.get_output().stdout).expect("JSON");
    let found: Vec<(Option<&str>, Option<u64>, Option<bool>)> = output["passed_over"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (one["kind"].as_str(), one["count"].as_u64(), one["decides"].as_bool()))
        .collect();
    let expected = [
        (Some("FQDNNetworkPolicy"), Some(1), Some(true)),
        (Some("ServiceAttachment"), Some(2), Some(false)),
        (Some(""), Some(1), Some(false)),
    ];
    assert_eq!(found, expected, "{output:#}");
    assert_eq!(
        (
            output["passed_over"][0]["line"].as_u64(),
            output["passed_over"][0]["name"].as_str()
        ),
        (Some(1), Some("one"))
    );
}

#[test]
fn a_table_asks_a_method_that_a_rule_allows_where_it_excludes_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let manifests = r#"apiVersion: v1
kind: Namespace
metadata: {name: m, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Pod
metadata: {name: sv, namespace: m, labels: {app: sv}}
spec: {containers: [{name: c, image: "example.test/c:1", ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: cl, namespace: m, labels: {app: cl}}
spec: {containers: [{name: c, image: "example.test/c:1"}]}
---
apiVersion: v1
kind: Service
metadata: {name: sv, namespace: m}
spec: {selector: {app: sv}, ports: [{name: http, port: 80}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: x, namespace: m}
spec:
  selector: {matchLabels: {app: sv}}
  rules: [{to: [{operation: {paths: ["/a/*"], notMethods: [POST]}}]}]
"#;
    std::fs::write(folder.path().join("all.yaml"), manifests).expect("written");
    let done = assert_cmd::Command::cargo_bin("meshfault")
        .expect("the binary was built")
        .args(["policy", "--format", "json", "--manifests"])
        .arg(folder.path())
        .output()
        .expect("the binary runs");
    let answers: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let found: Vec<(&str, &str, &str)> = answers["cases"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|case| case["to"] == "m/sv" && case["path"] != "/")
        .map(|case| {
            let text = |key: &str| case[key].as_str().unwrap_or_default();
            (text("method"), text("path"), text("istio"))
        })
        .collect();
    assert_eq!(found, [("GET", "/a/", "allow"), ("POST", "/a/", "deny")]);
}

#[test]
fn of_many_errors_in_a_file_the_first_hundred_are_shown_and_the_rest_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let pod = |n: usize| format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {n}}}\n---\n");
    let text: String = (0..300).map(pod).collect();
    std::fs::write(folder.path().join("all.yaml"), text).expect("written");
    let done = assert_cmd::Command::cargo_bin("meshfault")
        .expect("the binary was built")
        .args(["policy", "--manifests"])
        .arg(folder.path())
        .output()
        .expect("the binary runs");
    assert_eq!(done.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&done.stderr);
    assert!(stderr.contains("300 errors"), "{stderr}");
    assert!(stderr.contains("and 200 more errors in this file"), "{stderr}");
    assert_eq!(stderr.matches("─ here").count(), 100, "{stderr}");
}
