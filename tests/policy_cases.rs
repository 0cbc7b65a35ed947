//! Published and derived cases of who may talk to whom: `tests/fixtures/cases/policy/NAME/` with the stated verdicts and
//! where each is from. A folder is asked as a person asks it, by the real binary.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;

/// The verdicts of a case.
type Verdicts = Vec<(String, [String; 2])>;

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cases/policy");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(&root)
        .expect("the folder of cases")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    folders.sort();
    folders
}

fn text(value: &Value, key: &str) -> String {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("`{key}` in {value}"))
        .to_owned()
}

fn verdicts(cases: &[Value]) -> Verdicts {
    let of = |case: &Value| (text(case, "id"), [text(case, "network_policy"), text(case, "istio")]);
    cases.iter().map(of).collect()
}

fn expected(folder: &Path) -> Vec<Value> {
    let file = std::fs::read_to_string(folder.join("expected.json")).expect("the expected verdicts");
    let value: Value = serde_json::from_str(&file).expect("JSON");
    value["cases"].as_array().expect("a list of cases").clone()
}

/// Asks the questions of a folder about its manifests, changed by `change`.
fn ask(folder: &Path, change: impl Fn(&str) -> String) -> Vec<Value> {
    let scratch = tempfile::tempdir().expect("a folder");
    for name in ["policies.yaml", "workloads.yaml"] {
        let manifest = std::fs::read_to_string(folder.join(name)).expect("manifests");
        std::fs::write(scratch.path().join(name), change(&manifest)).expect("written");
    }
    let questions: Vec<Value> = expected(folder)
        .into_iter()
        .map(|mut case| {
            let fields = case.as_object_mut().expect("an object");
            fields.retain(|key, _| !["network_policy", "istio", "source"].contains(&key.as_str()));
            case
        })
        .collect();
    let questions_file = scratch.path().join("questions");
    std::fs::write(&questions_file, Value::from(questions).to_string()).expect("written");
    let done = Command::cargo_bin("meshfault")
        .expect("the binary was built")
        .arg("policy")
        .arg("--manifests")
        .arg(scratch.path())
        .arg("--queries")
        .arg(&questions_file)
        .args(["--format", "json"])
        .output()
        .expect("the binary runs");
    let stderr = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{}: {stderr}", folder.display());
    let answers: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    answers["cases"].as_array().expect("a list").clone()
}

/// What differs from the stated verdicts.
fn wrong(folder: &Path, answers: &[Value]) -> Vec<String> {
    let expected = expected(folder);
    assert_eq!(expected.len(), answers.len(), "{}", folder.display());
    let both = verdicts(&expected).into_iter().zip(verdicts(answers)).zip(answers);
    both.filter(|((expected, found), _)| expected != found)
        .map(|(((id, expected), (_, found)), answer)| {
            format!("{id}: expected {expected:?}, found {found:?}: {}", answer["because"])
        })
        .collect()
}

#[test]
fn every_case_has_the_stated_verdicts() {
    let mut failures = Vec::new();
    let mut count = 0;
    for folder in folders() {
        let answers = ask(&folder, str::to_owned);
        count += answers.len();
        failures.extend(wrong(&folder, &answers));
        for answer in &answers {
            assert!(
                answer["because"].as_str().is_some_and(|text| text.contains("mesh: ")),
                "{answer}"
            );
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(count >= 285, "only {count} questions were asked");
}

#[test]
fn every_case_says_where_its_verdicts_are_from_and_ids_are_unique() {
    let mut ids = BTreeSet::new();
    for folder in folders() {
        for case in expected(&folder) {
            assert!(case["source"].as_str().is_some_and(|text| !text.is_empty()), "{case}");
            assert!(ids.insert(text(&case, "id")), "{case}");
        }
    }
}

/// The comparison can fail: with one thing of a case changed, exactly the verdicts that depend on it are reported.
#[test]
fn a_wrong_answer_is_found() {
    let changed: [(&str, &str, &str, usize); 9] = [
        ("ap-http-fields-and-port-name", "name: tcp-web", "name: web", 2),
        ("pa-port-without-service", "targetPort: 9200", "targetPort: 9300", 2),
        (
            "dr-tls-to-outside",
            "host: api.example.test",
            "host: server.app.svc.cluster.local",
            1,
        ),
        (
            "inject-exclude-inbound-port",
            "excludeInboundPorts: \"9443\"",
            "excludeInboundPorts: \"9444\"",
            1,
        ),
        (
            "cnp-default-deny-without-rules",
            "  enableDefaultDeny:",
            "  ingress: [{}]\n  enableDefaultDeny:",
            1,
        ),
        ("cnp-kube-apiserver-entity", "[kube-apiserver]", "[world]", 1),
        (
            "np-null-match-labels",
            "matchLabels:\n  ingress",
            "matchLabels: {app: cortex}\n  ingress",
            1,
        ),
        (
            "cnp-null-fields-and-cidr-groups",
            "198.51.100.0/24",
            "198.51.100.0/25",
            1,
        ),
        (
            "objects-that-concern-others",
            "app: changed}}, config",
            "app: server}}, config",
            3,
        ),
    ];
    for (name, from, to, count) in changed {
        let folder = folders().into_iter().find(|f| f.ends_with(name)).expect("the case");
        let found = wrong(&folder, &ask(&folder, |text| text.replace(from, to)));
        assert_eq!(found.len(), count, "{name}: {found:#?}");
    }
}
