//! Manifests as text: YAML in block style, the same bytes for the same values.
//!
//! Belongs here: quoting, and the manifests of workloads, Services and namespaces. Does not belong here: the experiment
//! (`experiment`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::companions::Companion;
use super::dump::{Policy, Text};
use super::policies::Written;
use super::workloads::{Workload, is_kept};

/// Files are split at about this size, since larger ones are not read \[bytes\].
const FILE_SIZE: usize = 8 * 1024 * 1024;

/// A document with its separator.
pub(super) fn document(value: &Value) -> String {
    let mut text = String::from("---\n");
    block(&mut text, value, 0);
    text
}

/// A value in block style, from this indentation on.
fn block(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                text.push_str(&" ".repeat(indent));
                text.push_str(&scalar(key));
                text.push(':');
                under(text, value, indent + 2);
            }
        }
        Value::Array(list) => {
            for item in list {
                let mut inner = String::new();
                match is_nested(item) {
                    true => {
                        block(&mut inner, item, indent + 2);
                        inner.replace_range(indent..indent + 2, "- ");
                    }
                    false => inner = format!("{}- {}\n", " ".repeat(indent), inline(item)),
                }
                text.push_str(&inner);
            }
        }
        other => text.push_str(&format!("{}\n", inline(other))),
    }
}

/// A value behind a key.
fn under(text: &mut String, value: &Value, indent: usize) {
    match is_nested(value) {
        true => {
            text.push('\n');
            block(text, value, indent);
        }
        false => text.push_str(&format!(" {}\n", inline(value))),
    }
}

fn is_nested(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => false,
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::Object(_) => "{}".to_owned(),
        Value::Array(_) => "[]".to_owned(),
        Value::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// A text, quoted unless it is surely no number, no switch and no syntax.
pub(super) fn scalar(text: &str) -> String {
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        && !words.contains(&text.to_lowercase().as_str());
    match plain {
        true => text.to_owned(),
        false => Value::from(text).to_string(),
    }
}

/// The files of the manifests with their names, without those of the policies.
pub(super) fn manifests(
    workloads: &[Workload],
    services: &[Written],
    companions: &[Companion],
    namespaces: &BTreeMap<String, Text>,
) -> Vec<(String, String)> {
    let injected: BTreeSet<&str> = workloads
        .iter()
        .filter(|of| of.injected)
        .map(|of| of.namespace.as_str())
        .collect();
    let mut files = vec![("namespaces.yaml".to_owned(), all_namespaces(namespaces, &injected))];
    let accounts: BTreeSet<(&str, &str)> = workloads
        .iter()
        .map(|of| (of.namespace.as_str(), of.template.spec.account.as_str()))
        .filter(|(_, account)| *account != "default")
        .collect();
    let accounts = accounts.into_iter().map(|(namespace, name)| {
        let meta = json!({"name": name, "namespace": namespace});
        document(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}))
    });
    files.extend(split("service-accounts", accounts));
    let written = workloads
        .iter()
        .map(|of| workload(of, injected.contains(of.namespace.as_str())));
    files.extend(split("workloads", written));
    files.extend(split(
        "companions",
        companions.iter().map(|of| document(&of.object(workloads))),
    ));
    files.extend(split("services", services.iter().map(service)));
    files
}

/// The files of the policies.
pub(super) fn policies(policies: &[Policy]) -> Vec<(String, String)> {
    split("policies", policies.iter().map(|policy| document(&policy.object)))
}

/// Documents in one file, or in several where they are too many for one; none if there are no documents.
fn split(name: &str, documents: impl Iterator<Item = String>) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    for document in documents {
        match files.last_mut() {
            Some((_, text)) if text.len() + document.len() <= FILE_SIZE => text.push_str(&document),
            _ => {
                let number = files.len() + 1;
                let file = if number == 1 {
                    format!("{name}.yaml")
                } else {
                    format!("{name}-{number}.yaml")
                };
                files.push((file, document));
            }
        }
    }
    files
}

/// All namespaces; pods of those in `injected` get a sidecar.
pub(super) fn all_namespaces(namespaces: &BTreeMap<String, Text>, injected: &BTreeSet<&str>) -> String {
    let written = namespaces.iter().map(|(name, labels)| {
        let mut labels: Text = labels.clone();
        labels.retain(|key, _| is_kept(key) && key != "sidecar.istio.io/inject");
        match injected.contains(name.as_str()) {
            true => _ = labels.insert("istio-injection".to_owned(), "enabled".to_owned()),
            false => labels.retain(|key, value| key != "istio-injection" || value == "disabled"),
        }
        let meta = json!({"name": name, "labels": labels});
        document(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": meta}))
    });
    written.collect()
}

fn service(service: &Written) -> String {
    let meta = json!({"name": service.written, "namespace": service.namespace});
    let spec = json!({"selector": service.selector, "ports": service.ports});
    let text = document(&json!({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}));
    let comment = (service.written != service.name).then(|| {
        format!(
            "# In the cluster: Service {}/{}. Steps need a name that no other has.\n",
            service.namespace, service.name
        )
    });
    text.replacen("---\n", &format!("---\n{}", comment.unwrap_or_default()), 1)
}

pub(super) fn workload(of: &Workload, injects: bool) -> String {
    let template = template(of, injects);
    let kind = of.written_kind();
    let mut spec = Map::new();
    if !matches!(kind, "DaemonSet" | "Job" | "CronJob") {
        spec.insert("replicas".to_owned(), of.replicas.into());
    }
    if !matches!(kind, "Job" | "CronJob") {
        spec.insert("selector".to_owned(), json!({"matchLabels": of.selector}));
    }
    spec.extend(of.spec.clone());
    match spec.get_mut("jobTemplate") {
        Some(job) => job["spec"]["template"] = template,
        None => _ = spec.insert("template".to_owned(), template),
    }
    let text = document(&json!({
        "apiVersion": of.api_version(),
        "kind": kind,
        "metadata": {"name": of.written, "namespace": of.namespace},
        "spec": spec,
    }));
    let (namespace, name) = (&of.namespace, &of.name);
    let comment = if kind != of.kind {
        format!(
            "# In the cluster: {} {namespace}/{name}, simulated as a Deployment.\n",
            of.kind
        )
    } else if of.written != of.name {
        format!("# In the cluster: {kind} {namespace}/{name}. Steps need a name that no other has.\n")
    } else {
        String::new()
    };
    text.replacen("---\n", &format!("---\n{comment}"), 1)
}

/// The template of the pods of a workload.
fn template(of: &Workload, injects: bool) -> Value {
    let spec = &of.template.spec;
    let mut labels = of.template.labels.clone();
    let mut annotations = Map::new();
    // The namespace decides; one that differs from it has an annotation, or a label that is there already.
    match (injects, of.injected) {
        (true, false) => {
            labels.remove("sidecar.istio.io/inject");
            annotations.insert("sidecar.istio.io/inject".to_owned(), "false".into());
        }
        (false, _) | (true, true) => _ = labels.remove("sidecar.istio.io/inject"),
    }
    let mut meta = Map::new();
    meta.insert("labels".to_owned(), json!(labels));
    if !annotations.is_empty() {
        meta.insert("annotations".to_owned(), annotations.into());
    }
    let mut pod = Map::new();
    if spec.account != "default" {
        pod.insert("serviceAccountName".to_owned(), spec.account.clone().into());
    }
    if let Some(seconds) = spec.grace_s.filter(|seconds| *seconds != 30) {
        pod.insert("terminationGracePeriodSeconds".to_owned(), seconds.into());
    }
    pod.extend(spec.scheduling.clone());
    if of.api_version() != "batch/v1" {
        // Other pods start again whatever their containers ended with.
        pod.remove("restartPolicy");
    }
    let mut numbers: Vec<u16> = spec.ports.iter().map(|(number, _)| *number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let ports: Vec<Value> = numbers.iter().map(|number| json!({"containerPort": number})).collect();
    let containers = |all: &[Map<String, Value>], prefix: &str, ports: &[Value]| -> Value {
        let written = (1..).zip(all).map(|(number, own)| {
            let mut container = Map::new();
            container.insert("name".to_owned(), format!("{prefix}-{number}").into());
            container.insert("image".to_owned(), "none".into());
            if number == 1 && !ports.is_empty() {
                container.insert("ports".to_owned(), ports.into());
            }
            container.extend(own.clone());
            Value::Object(container)
        });
        written.collect()
    };
    if !spec.init.is_empty() {
        pod.insert("initContainers".to_owned(), containers(&spec.init, "init", &[]));
    }
    pod.insert(
        "containers".to_owned(),
        containers(&spec.containers, "container", &ports),
    );
    json!({"metadata": meta, "spec": pod})
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::yaml;

    #[test]
    fn what_is_written_is_read_again() {
        let value = json!({
            "a": {"b": [1, {"c": "yes", "d": {}}, [], "x: y", [["p", {"q": null}]]], "e.f/g": "1.10"},
            "8080": "a \"quoted\"\nline",
            "empty": "",
        });
        let text = document(&value);
        let again: Value = yaml::parse(Path::new("a.yaml"), &text).expect("the text is YAML");
        assert_eq!(again, value, "{text}");
    }
}
