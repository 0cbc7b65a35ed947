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

/// Truth tables that lie elsewhere, if somebody names their folder.
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
