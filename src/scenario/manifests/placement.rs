//! On which nodes the pods of a workload may be: node selectors, tolerations, spread and anti-affinity.
//!
//! Belongs here: reading them for the nodes of a run, which have few labels and one taint. Does not belong here: placing pods
//! (`cluster::scheduler`).

use serde::Deserialize;

use super::object::{RawSelector, SpannedMap};
use super::types::Remarks;
use crate::cluster::placement::{CONTROL_PLANE, HOSTNAME, OS, Placement, Spread, ZONE};
use crate::policy::labels::{LabelSelector, Requirement};
use crate::scenario::error::InputError;
use crate::scenario::yaml::{Document, Spanned};

/// Older names of labels of nodes.
const OLD_NAMES: [(&str, &str); 3] = [
    ("failure-domain.beta.kubernetes.io/zone", ZONE),
    ("beta.kubernetes.io/os", OS),
    ("node-role.kubernetes.io/master", CONTROL_PLANE),
];

/// What a pod template says about placement.
pub(super) struct RawPlacement {
    pub node_selector: Option<SpannedMap>,
    pub affinity: Option<Affinity>,
    pub tolerations: Option<Vec<Toleration>>,
    pub topology_spread_constraints: Option<Vec<Constraint>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Affinity {
    node_affinity: Option<NodeAffinity>,
    pod_anti_affinity: Option<PodAntiAffinity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeAffinity {
    required_during_scheduling_ignored_during_execution: Option<NodeSelector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeSelector {
    node_selector_terms: Option<Vec<Term>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Term {
    match_expressions: Option<Vec<Expression>>,
}

#[derive(Deserialize)]
struct Expression {
    key: Spanned<String>,
    operator: Spanned<String>,
    values: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodAntiAffinity {
    required_during_scheduling_ignored_during_execution: Option<Vec<AffinityTerm>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AffinityTerm {
    /// Without a selector a term matches no pod (Kubernetes `v1.PodAffinityTerm`).
    label_selector: Option<RawSelector>,
    topology_key: Spanned<String>,
}

#[derive(Deserialize)]
pub(super) struct Toleration {
    key: Option<String>,
    operator: Option<String>,
    effect: Option<String>,
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Constraint {
    label_selector: Option<RawSelector>,
    match_label_keys: Option<Vec<String>>,
    max_skew: Option<u32>,
    node_taints_policy: Option<String>,
    topology_key: Spanned<String>,
    when_unsatisfiable: Option<Spanned<String>>,
}

/// Which nodes may have its pods.
pub(super) fn read(
    document: &Document<'_>,
    raw: &RawPlacement,
    remarks: &mut Remarks,
) -> Result<Placement, InputError> {
    let mut own = LabelSelector::default();
    for (key, value) in raw.node_selector.iter().flatten() {
        let wanted = Requirement::In(vec![value.value.clone()]);
        require(document, remarks, &mut own, (key, value), wanted);
    }
    let affinity = raw.affinity.as_ref().and_then(|a| a.node_affinity.as_ref());
    let terms = affinity.and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref());
    let mut nodes = Vec::new();
    for term in terms.and_then(|t| t.node_selector_terms.as_deref()).unwrap_or_default() {
        let mut all = own.clone();
        for expression in term.match_expressions.iter().flatten() {
            if let Some(wanted) = requirement(document, expression, remarks)? {
                let key = (expression.key.value.as_str(), &expression.key);
                require(document, remarks, &mut all, key, wanted);
            }
        }
        nodes.push(all);
    }
    if nodes.is_empty() && !own.is_empty() {
        nodes.push(own);
    }
    let mut spread = Vec::new();
    for constraint in raw.topology_spread_constraints.iter().flatten() {
        spread.extend(self::spread(document, constraint, remarks)?);
    }
    Ok(Placement {
        nodes,
        tolerates_control_plane: raw.tolerations.iter().flatten().any(tolerates_control_plane),
        spread,
    })
}

/// Adds a requirement of a node's label. What the nodes of a run do not show is taken to hold.
fn require<T>(
    document: &Document<'_>,
    remarks: &mut Remarks,
    all: &mut LabelSelector,
    (key, place): (&str, &Spanned<T>),
    wanted: Requirement,
) {
    let key = OLD_NAMES
        .iter()
        .find(|(old, _)| *old == key)
        .map_or(key, |(_, new)| new);
    let known = |value: &String| match key {
        HOSTNAME => value.starts_with("worker-") || value.starts_with("control-plane"),
        ZONE => value.starts_with("zone-"),
        _ => true,
    };
    let is_label = [HOSTNAME, ZONE, OS, CONTROL_PLANE].contains(&key);
    let shown = match &wanted {
        // No node of a run has another label, or another value.
        Requirement::NotIn(_) | Requirement::DoesNotExist if !is_label => return,
        Requirement::In(values) if is_label && !values.iter().any(known) => format!("`{key}: {}`", values.join(", ")),
        _ if is_label => {
            all.match_expressions.push((key.to_owned(), wanted));
            return;
        }
        Requirement::In(values) => format!("`{key}: {}`", values.join(", ")),
        _ => format!("`{key}`"),
    };
    remarks.approximate(document.place(place), &shown, "every node of the run is taken to match");
}

fn requirement(
    document: &Document<'_>,
    expression: &Expression,
    remarks: &mut Remarks,
) -> Result<Option<Requirement>, InputError> {
    const OPERATORS: [&str; 6] = ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"];
    let values = expression.values.clone().unwrap_or_default();
    Ok(Some(match expression.operator.value.as_str() {
        "In" => Requirement::In(values),
        "NotIn" => Requirement::NotIn(values),
        "Exists" => Requirement::Exists,
        "DoesNotExist" => Requirement::DoesNotExist,
        "Gt" | "Lt" => {
            let shown = format!("`{} {}`", expression.key.value, expression.operator.value);
            let place = document.place(&expression.operator);
            remarks.approximate(place, &shown, "every node of the run is taken to match");
            return Ok(None);
        }
        other => {
            let error = document.error(&expression.operator, format!("unknown operator `{other}`"));
            return Err(error.with_candidates(other, OPERATORS));
        }
    }))
}

/// The taint of control-plane nodes is the only one that nodes of a run have (Kubernetes `cmd/kubeadm`); it has no value.
fn tolerates_control_plane(toleration: &Toleration) -> bool {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (key, effect) = (text(&toleration.key), text(&toleration.effect));
    let exists = toleration.operator.as_deref() == Some("Exists");
    let key = match key.as_str() {
        "" => exists,
        key => key == CONTROL_PLANE && (exists || text(&toleration.value).is_empty()),
    };
    key && (effect.is_empty() || effect == "NoSchedule")
}

fn spread(
    document: &Document<'_>,
    constraint: &Constraint,
    remarks: &mut Remarks,
) -> Result<Option<Spread>, InputError> {
    let key = &constraint.topology_key;
    let shown = format!("the spread over `{}`", key.value);
    let by_zone = match key.value.as_str() {
        HOSTNAME => false,
        ZONE => true,
        other if OLD_NAMES[0].0 == other => true,
        _ => {
            remarks.approximate(document.place(key), &shown, "every node is in the same domain");
            return Ok(None);
        }
    };
    let anyway = constraint
        .when_unsatisfiable
        .as_ref()
        .filter(|when| when.value == "ScheduleAnyway");
    if let Some(when) = anyway {
        let text = "the zone with the fewest pods of the workload and the node with the fewest pods are preferred";
        remarks.approximate(document.place(when), &format!("{shown} as a preference"), text);
        return Ok(None);
    }
    let selector = constraint
        .label_selector
        .as_ref()
        .map(|s| s.convert(document))
        .transpose()?;
    // Without a selector no pod counts.
    Ok(selector.map(|selector| Spread {
        by_zone,
        max_skew: constraint.max_skew.unwrap_or(1).max(1),
        selector,
        same: constraint.match_label_keys.clone().unwrap_or_default(),
        honors_taints: constraint.node_taints_policy.as_deref() == Some("Honor"),
    }))
}

/// Required anti-affinity per hostname.
pub(super) fn anti_affinity(
    document: &Document<'_>,
    raw: &RawPlacement,
    remarks: &mut Remarks,
) -> Result<Vec<LabelSelector>, InputError> {
    let affinity = raw.affinity.as_ref().and_then(|a| a.pod_anti_affinity.as_ref());
    let terms = affinity.and_then(|a| a.required_during_scheduling_ignored_during_execution.as_deref());
    let mut selectors = Vec::new();
    for term in terms.unwrap_or_default() {
        let key = &term.topology_key;
        if key.value != HOSTNAME {
            let shown = format!("anti-affinity per `{}`", key.value);
            remarks.approximate(
                document.place(key),
                &shown,
                "its pods are placed as if it were not written",
            );
        } else if let Some(selector) = &term.label_selector {
            selectors.push(selector.convert(document)?);
        }
    }
    Ok(selectors)
}
