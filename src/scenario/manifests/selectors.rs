//! Selectors that should match some workload, and what to say of those that match none.
//!
//! Belongs here: the search and the complaint with a near match. Does not belong here: whether the complaint is an error
//! (`complete`).

use std::collections::BTreeSet;

use super::index::{Index, Party};
use super::object::LabelPlace;
use crate::policy::cilium::CiliumSelector;
use crate::policy::cilium::selector::{NAMESPACE_LABEL, SERVICE_ACCOUNT_LABEL};
use crate::policy::labels::LabelSelector;
use crate::policy::{Peer, Subject};
use crate::scenario::error::{InputError, Place};

/// Most workloads among which a near match for a selector is looked for.
const NEAR_MATCHES_MAX: usize = 500;

pub(super) struct Use {
    /// "`selector` of Service default/a".
    pub owner: String,
    pub place: Place,
    /// Where to look; none means every namespace.
    pub namespace: Option<String>,
    pub labels: Vec<LabelPlace>,
    pub selects: Selects,
    /// The Service whose selector it is, by its position.
    pub service: Option<usize>,
}

/// The two kinds of selectors.
pub(super) enum Selects {
    Labels(LabelSelector),
    Cilium(CiliumSelector),
}

impl Use {
    pub(super) fn matches(&self, subject: &Subject) -> bool {
        let in_reach = |namespace: &String| *namespace == subject.namespace;
        match &self.selects {
            Selects::Labels(selector) => {
                self.namespace.as_ref().is_none_or(in_reach) && selector.matches(&subject.labels)
            }
            Selects::Cilium(selector) => selector.matches(Peer::Endpoint(subject)),
        }
    }

    /// The parties that may match: those with the rarest of the labels. Labels that Cilium derives are on no pod.
    pub(super) fn candidates<'i>(&self, index: &'i Index<'_>) -> &'i [usize] {
        let on_pods = |l: &&LabelPlace| !l.key.starts_with("io.");
        let labels = self.labels.iter().filter(on_pods);
        index.candidates(
            self.namespace.as_deref(),
            labels.map(|l| (l.key.as_str(), l.value.as_str())),
        )
    }
}

/// The value that a selector can see under a key.
fn seen<'w>(party: &Party<'w>, key: &str) -> Option<&'w str> {
    let subject = party.subject;
    match key {
        NAMESPACE_LABEL => Some(&subject.namespace),
        SERVICE_ACCOUNT_LABEL => Some(&subject.service_account),
        key => subject.labels.get(key),
    }
}

/// The complaint about a selector that matches no workload; an empty one may always stand there.
pub(super) fn selects_something(
    index: &Index<'_>,
    check: &Use,
    unknown_accounts: &BTreeSet<(String, String)>,
) -> Option<InputError> {
    let is_empty = match &check.selects {
        Selects::Labels(selector) => selector.is_empty(),
        Selects::Cilium(_) => check.labels.is_empty(),
    };
    let mut candidates = check.candidates(index).iter();
    if is_empty || candidates.any(|i| check.matches(index.parties[*i].subject)) {
        return None;
    }
    let explained = check.labels.iter().any(|label| {
        let namespace = check.namespace.clone().unwrap_or_default();
        label.key == SERVICE_ACCOUNT_LABEL && unknown_accounts.contains(&(namespace, label.value.clone()))
    });
    if explained {
        return None;
    }
    let reachable = index.within(check.namespace.as_deref());
    if reachable.len() > NEAR_MATCHES_MAX {
        return Some(check.place.error(format!("{} matches nothing", check.owner)));
    }
    let reachable: Vec<&Party<'_>> = reachable.iter().map(|i| &index.parties[*i]).collect();
    let error = nothing(check, &reachable);
    let Place { line, column, .. } = check.place;
    Some(InputError {
        line: Some(line),
        column: Some(column),
        ..error
    })
}

/// Which label is to blame, and what it may have meant.
fn nothing(check: &Use, reachable: &[&Party<'_>]) -> InputError {
    let owner = &check.owner;
    if reachable.is_empty() {
        let message = format!("{owner} matches nothing");
        let hint = match &check.namespace {
            Some(namespace) => format!("there is no workload in namespace `{namespace}`"),
            None => "there is no workload".to_owned(),
        };
        return check.place.error(message).with_hint(hint);
    }
    for label in &check.labels {
        let values: BTreeSet<&str> = reachable.iter().filter_map(|w| seen(w, &label.key)).collect();
        if values.contains(label.value.as_str()) {
            continue;
        }
        let message = format!("{owner} matches nothing: `{}: {}`", label.key, label.value);
        let error = label.place.error(message);
        return if values.is_empty() {
            let keys: BTreeSet<&str> = reachable
                .iter()
                .flat_map(|w| w.subject.labels.0.keys())
                .map(String::as_str)
                .collect();
            error.with_candidates(&label.key, keys)
        } else {
            error.with_candidates(&label.value, values)
        };
    }
    let names: BTreeSet<&str> = reachable.iter().map(|w| w.name).collect();
    let error = check.place.error(format!("{owner} matches nothing"));
    let names: Vec<&str> = names.into_iter().collect();
    error.with_hint(format!("none of these has all the labels: {}", names.join(", ")))
}
