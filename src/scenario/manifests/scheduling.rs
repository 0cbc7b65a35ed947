//! Objects that schedulers and drains read beside pods: PriorityClasses and PodDisruptionBudgets.
//!
//! Belongs here: reading them, and the priority of a workload. Does not belong here: what they do in a run (`cluster`).

use serde::Deserialize;

use super::Workload;
use super::object::{Loose, RawSelector};
use super::types::{CountOrPercent, Where};
use crate::cluster::placement::{Amount, Budget, Limit};
use crate::policy::labels::LabelSelector;
use crate::scenario::error::{InputError, Place};
use crate::scenario::yaml::{Document, Spanned};

/// A PriorityClass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriorityClass {
    name: String,
    value: i32,
    /// Whether it is that of pods without one.
    is_default: bool,
    never_preempts: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawClass {
    metadata: RawName,
    value: Option<i32>,
    global_default: Option<bool>,
    preemption_policy: Option<String>,
}

#[derive(Deserialize)]
struct RawName {
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawBudget {
    selector: Option<RawSelector>,
    min_available: Option<Spanned<CountOrPercent>>,
    max_unavailable: Option<Spanned<CountOrPercent>>,
    unhealthy_pod_eviction_policy: Option<String>,
}

/// What a pod says of its priority.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RawPriority {
    pub class: Option<(String, Place)>,
    pub value: Option<i32>,
    pub policy: Option<String>,
}

/// The classes that every cluster has (`kubernetes/kubernetes pkg/apis/scheduling/types.go`).
const BUILT_IN: [(&str, i32); 2] = [
    ("system-cluster-critical", 2_000_000_000),
    ("system-node-critical", 2_000_001_000),
];

pub(super) fn class(document: &Document<'_>) -> Result<PriorityClass, InputError> {
    let raw: RawClass = document.lenient().parse()?;
    Ok(PriorityClass {
        name: raw.metadata.name,
        value: raw.value.unwrap_or(0),
        is_default: raw.global_default.unwrap_or(false),
        never_preempts: raw.preemption_policy.as_deref() == Some("Never"),
    })
}

pub(super) fn budget(document: &Document<'_>) -> Result<Budget, InputError> {
    let object: Loose<RawBudget> = document.lenient().parse()?;
    let (name, namespace) = (object.metadata.name.value.clone(), object.metadata.namespace());
    let raw = object.spec.unwrap_or_default();
    let amount = |written: &Spanned<CountOrPercent>| match written.value {
        CountOrPercent::Count(pods) => Amount::Count(pods),
        CountOrPercent::Percent(share) => Amount::Percent(share),
    };
    let limit = match (&raw.min_available, &raw.max_unavailable) {
        (Some(_), Some(most)) => {
            let error = document.error(most, "`minAvailable` and `maxUnavailable` exclude each other");
            return Err(error.with_hint("write one of them"));
        }
        (None, Some(most)) => Limit::MaxUnavailable(amount(most)),
        (Some(least), None) => Limit::MinAvailable(amount(least)),
        // As the API server fills it in: nothing has to be available.
        (None, None) => Limit::MinAvailable(Amount::Count(0)),
    };
    let selector = raw.selector.as_ref().map(|selector| selector.convert(document));
    Ok(Budget {
        name,
        namespace,
        selector: selector.transpose()?.unwrap_or_else(LabelSelector::default),
        limit,
        ignores_unready: raw.unhealthy_pod_eviction_policy.as_deref() == Some("AlwaysAllow"),
    })
}

/// Gives a workload the priority of its class, as an admission plugin does
/// (`kubernetes/kubernetes plugin/pkg/admission/priority/admission.go`).
pub(super) fn prioritize(workload: &mut Workload, written: &RawPriority, classes: &[PriorityClass]) {
    let built_in = |name: &str| {
        BUILT_IN
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    };
    let class = match &written.class {
        None => classes.iter().find(|class| class.is_default),
        Some((name, _)) => classes.iter().find(|class| class.name == *name),
    };
    let of_class = class.map(|class| class.value);
    let named = written.class.as_ref();
    let value = of_class.or_else(|| named.and_then(|(name, _)| built_in(name)));
    if let (Some((name, place)), None, None) = (named, value, written.value) {
        let shown = format!("priority class `{name}`, which no manifest declares,");
        let text = "its pods have the priority 0";
        workload
            .remarks
            .approximate_where(Where::CanBeFull, place.clone(), &shown, text);
    }
    workload.placement.priority = value.or(written.value).unwrap_or(0);
    workload.placement.waits_its_turn = match &written.policy {
        Some(policy) => policy == "Never",
        None => class.is_some_and(|class| class.never_preempts),
    };
}
