//! On which nodes the pods of a workload may be: node selectors, tolerations, spread and anti-affinity.
//!
//! Belongs here: reading them. Does not belong here: placing pods (`cluster::scheduler`), and which nodes have which labels
//! (`cluster::node_pools`).

use serde::Deserialize;

use super::object::{RawSelector, SpannedMap};
use super::types::{Remarks, Where};
use super::workload::seconds;
use crate::cluster::placement::{self, CONTROL_PLANE, Effect, HOSTNAME, Near, OS, Placement, Spread, ZONE};
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
    pod_affinity: Option<PodAffinity>,
    pod_anti_affinity: Option<PodAffinity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeAffinity {
    required_during_scheduling_ignored_during_execution: Option<NodeSelector>,
    preferred_during_scheduling_ignored_during_execution: Option<Vec<Preferred>>,
}

#[derive(Deserialize)]
struct Preferred {
    weight: Option<u32>,
    preference: Option<Term>,
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
struct PodAffinity {
    required_during_scheduling_ignored_during_execution: Option<Vec<AffinityTerm>>,
    preferred_during_scheduling_ignored_during_execution: Option<Vec<WeightedTerm>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WeightedTerm {
    weight: Option<u32>,
    pod_affinity_term: Option<AffinityTerm>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AffinityTerm {
    /// Without a selector a term matches no pod (Kubernetes `v1.PodAffinityTerm`).
    label_selector: Option<RawSelector>,
    topology_key: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Toleration {
    key: Option<String>,
    operator: Option<String>,
    effect: Option<String>,
    value: Option<String>,
    toleration_seconds: Option<i64>,
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
        nodes.push(self::term(document, remarks, own.clone(), term)?);
    }
    let preferred = affinity.and_then(|a| a.preferred_during_scheduling_ignored_during_execution.as_ref());
    let preferred = preferred.into_iter().flatten().filter_map(|preferred| {
        // What no node shows makes no node better than another.
        let (weight, term) = (preferred.weight?, preferred.preference.as_ref()?);
        let all = self::term(document, &mut Remarks::default(), LabelSelector::default(), term);
        Some(all.map(|all| (weight, all)))
    });
    let preferred = preferred.collect::<Result<Vec<_>, _>>()?;
    if nodes.is_empty() && !own.is_empty() {
        nodes.push(own);
    }
    let mut spread = Vec::new();
    for constraint in raw.topology_spread_constraints.iter().flatten() {
        spread.extend(self::spread(document, constraint, remarks)?);
    }
    Ok(Placement {
        nodes,
        preferred,
        tolerations: raw.tolerations.iter().flatten().filter_map(toleration).collect(),
        spread,
        near: near(document, raw.affinity.as_ref(), remarks)?,
        ..Placement::default()
    })
}

/// Adds the requirements of a term.
fn term(
    document: &Document<'_>,
    remarks: &mut Remarks,
    mut all: LabelSelector,
    term: &Term,
) -> Result<LabelSelector, InputError> {
    for expression in term.match_expressions.iter().flatten() {
        if let Some(wanted) = requirement(document, expression, remarks)? {
            let key = (expression.key.value.as_str(), &expression.key);
            require(document, remarks, &mut all, key, wanted);
        }
    }
    Ok(all)
}

/// Adds a requirement of a node's label. Names of nodes and zones that no run has are taken to hold, and so is, where no pool has
/// such a label, what asks for it (`cluster::node_pools`).
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
    let shown = match &wanted {
        Requirement::In(values) => format!("`{key}: {}`", values.join(", ")),
        _ => format!("`{key}`"),
    };
    let text = "every node of the run is taken to match";
    match &wanted {
        Requirement::In(values) if !values.iter().any(known) => {
            return remarks.approximate(document.place(place), &shown, text);
        }
        Requirement::In(_) | Requirement::Exists if ![HOSTNAME, ZONE, OS, CONTROL_PLANE].contains(&key) => {
            remarks.approximate_where(Where::NoLabel(key.to_owned()), document.place(place), &shown, text);
        }
        _ => {}
    }
    all.match_expressions.push((key.to_owned(), wanted));
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

/// A toleration; nothing if it tolerates nothing.
fn toleration(raw: &Toleration) -> Option<placement::Toleration> {
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let exists = match text(&raw.operator).as_deref() {
        Some("Exists") => true,
        None | Some("Equal") => false,
        Some(_) => return None,
    };
    let key = text(&raw.key);
    let effect = match text(&raw.effect) {
        None => None,
        Some(effect) => Some(Effect::ALL.iter().find(|(word, _)| *word == effect)?.1),
    };
    let old = OLD_NAMES.iter().find(|(old, _)| key.as_deref() == Some(*old));
    Some(placement::Toleration {
        // Without a key it has to be about all of them.
        value: match (exists, &key) {
            (true, _) => None,
            (false, None) => return None,
            (false, Some(_)) => Some(raw.value.clone().unwrap_or_default()),
        },
        key: old.map(|(_, new)| (*new).to_owned()).or(key),
        effect,
        // A time that is over is none.
        stays: raw
            .toleration_seconds
            .map(|count| seconds(u64::try_from(count).unwrap_or(0))),
    })
}

fn spread(
    document: &Document<'_>,
    constraint: &Constraint,
    remarks: &mut Remarks,
) -> Result<Option<Spread>, InputError> {
    let key = &constraint.topology_key;
    let shown = format!("the spread over `{}`", key.value);
    let by_zone = match by_zone(&key.value) {
        Some(by_zone) => by_zone,
        None => {
            remarks.approximate(document.place(key), &shown, "every node is in the same domain");
            return Ok(None);
        }
    };
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
        anyway: constraint
            .when_unsatisfiable
            .as_ref()
            .is_some_and(|when| when.value == "ScheduleAnyway"),
        honors_taints: constraint.node_taints_policy.as_deref() == Some("Honor"),
    }))
}

/// Whether the domains of a topology key are zones, or nodes; nothing if they are others.
fn by_zone(key: &str) -> Option<bool> {
    match key {
        HOSTNAME => Some(false),
        _ if key == ZONE || key == OLD_NAMES[0].0 => Some(true),
        _ => None,
    }
}

/// Preferred affinity and anti-affinity of pods.
fn near(document: &Document<'_>, affinity: Option<&Affinity>, remarks: &mut Remarks) -> Result<Vec<Near>, InputError> {
    let mut found = Vec::new();
    let both = [
        (affinity.and_then(|a| a.pod_affinity.as_ref()), 1),
        (affinity.and_then(|a| a.pod_anti_affinity.as_ref()), -1),
    ];
    for (of, sign) in both {
        let terms = of.and_then(|of| of.preferred_during_scheduling_ignored_during_execution.as_ref());
        for weighted in terms.into_iter().flatten() {
            let (Some(weight), Some(term)) = (weighted.weight, &weighted.pod_affinity_term) else {
                continue;
            };
            let key = &term.topology_key;
            let (Some(by_zone), Some(selector)) = (by_zone(&key.value), &term.label_selector) else {
                let shown = format!("the preferred affinity per `{}`", key.value);
                remarks.approximate(document.place(key), &shown, "no node is preferred for it");
                continue;
            };
            found.push(Near {
                weight: sign * i64::from(weight),
                by_zone,
                selector: selector.convert(document)?,
            });
        }
    }
    Ok(found)
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
