//! Which policies an experiment takes: the reader of manifests is asked, and what it refuses is left out, rule by rule.
//!
//! Belongs here: taking rules out so that the rest keeps its meaning. Does not belong here: why something is refused (`manifests`,
//! `material`).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::dump::{Policy, Text, texts};
use super::policies::nothing;
use super::workloads::{Index, Workload};
use super::write;
use crate::scenario::error::InputError;
use crate::scenario::manifests::ROOT_NAMESPACE;
use crate::scenario::material::{self, Sources};

/// What was left out, by reason, with the names of the policies.
pub(super) type LeftOut = BTreeMap<String, Vec<String>>;

/// Lists of rules of each kind of policy.
const LISTS: [&str; 5] = ["ingress", "egress", "ingressDeny", "egressDeny", "rules"];

/// The policies that an experiment takes. `namespaces` are the manifests of all namespaces.
pub(super) fn settle(
    policies: Vec<Policy>,
    workloads: &[Workload],
    namespaces: &str,
    left_out: &mut LeftOut,
) -> Vec<Policy> {
    let index = Index::new(workloads);
    let mut kept = Vec::new();
    for policy in policies {
        // Policies of Istio select by labels; those of the root namespace select in all namespaces.
        let selector = texts(&policy.object["spec"]["selector"]["matchLabels"]);
        let of_mesh = !selector.is_empty();
        if of_mesh && policy.namespace != ROOT_NAMESPACE && index.with(&policy.namespace, &selector).is_empty() {
            note(
                left_out,
                "it selects no workload that is simulated as one",
                &title(&policy),
            );
            continue;
        }
        let check = Check {
            namespaces,
            selected: of_mesh.then(|| selected(&policy.namespace, &selector)),
        };
        kept.extend(check.policy(policy, left_out));
    }
    kept
}

/// A workload that a selector selects, since a policy of Istio that selects none is refused.
fn selected(namespace: &str, labels: &Text) -> String {
    write::document(&json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "selected", "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "none"}]}},
        },
    }))
}

struct Check<'n> {
    namespaces: &'n str,
    /// A manifest of what the policy selects, if it selects by the labels of Istio.
    selected: Option<String>,
}

impl Check<'_> {
    /// Why a policy is refused.
    fn refused(&self, object: &Value) -> Option<String> {
        let file = |name: &str, text: String| (name.to_owned(), text);
        let mut files = vec![
            file("namespaces.yaml", self.namespaces.to_owned()),
            file("policy.yaml", write::document(object)),
        ];
        files.extend(self.selected.clone().map(|text| file("workload.yaml", text)));
        together(&files).err().map(|errors| reason(&errors))
    }

    fn policy(&self, mut policy: Policy, left_out: &mut LeftOut) -> Option<Policy> {
        let title = title(&policy);
        let Some(why) = self.refused(&policy.object) else {
            return Some(policy);
        };
        let whole = policy.object.clone();
        let mut lost_all = false;
        for key in ["spec", "specs"] {
            let specs = match key {
                "specs" => whole[key].as_array().map_or(0, Vec::len),
                _ => usize::from(!whole[key].is_null()),
            };
            for number in 0..specs {
                for list in LISTS {
                    let at = match key {
                        "specs" => format!("/specs/{number}/{list}"),
                        _ => format!("/spec/{list}"),
                    };
                    let Some(rules) = whole.pointer(&at).and_then(Value::as_array) else {
                        continue;
                    };
                    let mut kept = Vec::new();
                    for rule in rules {
                        match self.refused(&alone(&whole, &at, rule)) {
                            None => kept.push(rule.clone()),
                            Some(why) => note(left_out, &format!("a rule: {why}"), &title),
                        }
                    }
                    lost_all |= !rules.is_empty() && kept.is_empty();
                    refill(&mut policy, &at, list, kept);
                }
            }
        }
        // A rule that denies and is not simulated denies nothing; without rules the policy would deny everything.
        let action = policy.object.pointer("/spec/action").and_then(Value::as_str);
        if lost_all && policy.kind == "AuthorizationPolicy" && action.is_some_and(|action| action != "ALLOW") {
            return None;
        }
        match self.refused(&policy.object) {
            None => Some(policy),
            Some(_) => {
                note(left_out, &why, &title);
                None
            }
        }
    }
}

/// `KIND NAMESPACE/NAME` of a policy.
fn title(policy: &Policy) -> String {
    match policy.namespace.as_str() {
        "" => format!("{} {}", policy.kind, policy.name),
        namespace => format!("{} {namespace}/{}", policy.kind, policy.name),
    }
}

fn note(left_out: &mut LeftOut, why: &str, title: &str) {
    let titles = left_out.entry(why.to_owned()).or_default();
    if titles.last().is_none_or(|last| last != title) {
        titles.push(title.to_owned());
    }
}

/// The first of some errors, without the place in a file that is not written.
fn reason(errors: &[InputError]) -> String {
    let first = errors.first().map_or("refused", |error| error.message.as_str());
    // The name of the policy is in the list beside the reason.
    match first.split_once(" in a rule of ") {
        Some((what, _)) => format!("{what} is not simulated"),
        None => first.to_owned(),
    }
}

/// The policy with one rule.
fn alone(whole: &Value, at: &str, rule: &Value) -> Value {
    let mut object = whole.clone();
    let (parent, own) = at.rsplit_once('/').unwrap_or(("", at));
    if let Some(spec) = object.pointer_mut(parent).and_then(Value::as_object_mut) {
        for list in LISTS {
            spec.remove(list);
        }
        spec.insert(own.to_owned(), Value::Array(vec![rule.clone()]));
    }
    object
}

/// Puts the rules that are left in the place of all.
fn refill(policy: &mut Policy, at: &str, list: &str, mut kept: Vec<Value>) {
    let cilium = policy.kind.starts_with("Cilium");
    if kept.is_empty() && cilium {
        kept.extend(nothing(list));
    }
    let (parent, _) = at.rsplit_once('/').unwrap_or(("", at));
    let Some(spec) = policy.object.pointer_mut(parent).and_then(Value::as_object_mut) else {
        return;
    };
    match kept.is_empty() && policy.kind != "NetworkPolicy" {
        // An ALLOW policy without rules allows nothing; an empty list of denials denies nothing.
        true => _ = spec.remove(list),
        false => _ = spec.insert(list.to_owned(), Value::Array(kept)),
    }
}

/// Manifests, read together.
///
/// # Errors
/// What the reader refuses although each policy alone was taken.
pub(super) fn together(files: &[(String, String)]) -> Result<material::Material, Vec<InputError>> {
    material::read(&Sources::of(files), false)
}
