//! Objects beside workloads: autoscalers, PodDisruptionBudgets and PriorityClasses.
//!
//! Belongs here: which of them are written, and what of them. Does not belong here: what a run makes of them (`manifests`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::dump::{Dump, Policy};
use super::template::without_null;
use super::workloads::Workload;

/// An object that is written; its names are those of the cluster until everything has its new name.
#[derive(Debug)]
pub(super) struct Companion {
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub api_version: String,
    /// What is beside kind, version and metadata.
    pub rest: Map<String, Value>,
    /// The workload that an autoscaler scales.
    pub target: Option<usize>,
}

/// Keys that are written of the spec of each kind.
const AUTOSCALER: [&str; 5] = [
    "minReplicas",
    "maxReplicas",
    "targetCPUUtilizationPercentage",
    "metrics",
    "behavior",
];
const BUDGET: [&str; 4] = [
    "minAvailable",
    "maxUnavailable",
    "selector",
    "unhealthyPodEvictionPolicy",
];
const PRIORITY: [&str; 3] = ["value", "globalDefault", "preemptionPolicy"];

/// The companions of the workloads, and how many metrics were left out because they are not of processors or memory.
pub(super) fn companions(dump: &Dump, workloads: &[Workload]) -> (Vec<Companion>, usize) {
    let targets: BTreeMap<[&str; 3], usize> = workloads
        .iter()
        .enumerate()
        .map(|(at, of)| ([of.kind.as_str(), of.namespace.as_str(), of.name.as_str()], at))
        .collect();
    let namespaces: BTreeSet<&str> = workloads.iter().map(|of| of.namespace.as_str()).collect();
    let used: BTreeSet<&str> = workloads.iter().filter_map(priority_class).collect();
    let (mut found, mut left_out) = (Vec::new(), 0);
    for of in &dump.companions {
        let (spec, mut target) = (&of.object["spec"], None);
        let mut rest = match of.kind.as_str() {
            "HorizontalPodAutoscaler" => {
                let scaled = &spec["scaleTargetRef"];
                let key = [&scaled["kind"], &scaled["name"]].map(|word| word.as_str().unwrap_or_default());
                target = targets.get(&[key[0], of.namespace.as_str(), key[1]]).copied();
                if target.is_none() {
                    continue;
                }
                let mut spec = some(spec, &AUTOSCALER);
                if let Some(Value::Array(metrics)) = spec.get_mut("metrics") {
                    let all = metrics.len();
                    metrics.retain(|metric| metric["type"] == "Resource");
                    left_out += all - metrics.len();
                }
                Map::from_iter([("spec".to_owned(), spec.into())])
            }
            "PodDisruptionBudget" if namespaces.contains(of.namespace.as_str()) => {
                Map::from_iter([("spec".to_owned(), some(spec, &BUDGET).into())])
            }
            "PriorityClass" if used.contains(of.name.as_str()) || of.object["globalDefault"] == true => {
                some(&of.object, &PRIORITY)
            }
            _ => continue,
        };
        rest.values_mut().for_each(without_null);
        found.push(companion(of, rest, target));
    }
    // Classes that are not in the dump, by the priorities of pods.
    let known: BTreeSet<String> = found.iter().map(|of| of.name.clone()).collect();
    let missing = dump
        .priorities
        .iter()
        .filter(|(name, _)| used.contains(name.as_str()) && !known.contains(*name) && !name.starts_with("system-"));
    found.extend(missing.map(|(name, value)| Companion {
        kind: "PriorityClass".to_owned(),
        namespace: String::new(),
        name: name.clone(),
        api_version: "scheduling.k8s.io/v1".to_owned(),
        rest: Map::from_iter([("value".to_owned(), (*value).into())]),
        target: None,
    }));
    found.sort_by(|a, b| (&a.kind, &a.namespace, &a.name).cmp(&(&b.kind, &b.namespace, &b.name)));
    (found, left_out)
}

fn companion(of: &Policy, rest: Map<String, Value>, target: Option<usize>) -> Companion {
    Companion {
        kind: of.kind.clone(),
        namespace: of.namespace.clone(),
        name: of.name.clone(),
        api_version: of.object["apiVersion"].as_str().unwrap_or_default().to_owned(),
        rest,
        target,
    }
}

fn priority_class(of: &Workload) -> Option<&str> {
    of.template.spec.scheduling.get("priorityClassName")?.as_str()
}

fn some(from: &Value, keys: &[&str]) -> Map<String, Value> {
    let found = keys.iter().filter(|key| !from[**key].is_null());
    found.map(|key| ((*key).to_owned(), from[*key].clone())).collect()
}

impl Companion {
    /// The manifest; `workloads` have their new names.
    pub fn object(&self, workloads: &[Workload]) -> Value {
        let mut meta = Map::from_iter([("name".to_owned(), self.name.clone().into())]);
        if !self.namespace.is_empty() {
            meta.insert("namespace".to_owned(), self.namespace.clone().into());
        }
        let mut object = json!({"apiVersion": self.api_version, "kind": self.kind, "metadata": meta});
        for (key, value) in &self.rest {
            object[key] = value.clone();
        }
        if let Some(target) = self.target.and_then(|at| workloads.get(at)) {
            object["spec"]["scaleTargetRef"] =
                json!({"apiVersion": target.api_version(), "kind": target.written_kind(), "name": target.written});
        }
        object
    }
}
