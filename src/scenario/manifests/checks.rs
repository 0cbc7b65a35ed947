//! Checks across objects: what a selector matches, which accounts exist, what contradicts what.
//!
//! Belongs here: everything that needs more than one object. Does not belong here: the reading of a single one.

use std::collections::BTreeSet;

use super::object::LabelPlace;
use super::{Manifests, ROOT_NAMESPACE, ServicePort, Workload, service, workload};
use crate::policy::cilium::CiliumSelector;
use crate::policy::cilium::selector::{NAMESPACE_LABEL, SERVICE_ACCOUNT_LABEL};
use crate::policy::labels::LabelSelector;
use crate::policy::{Peer, Subject};
use crate::scenario::error::{InputError, Place, near_match};

/// A selector that should match some workload.
pub(super) struct Use {
    /// "`selector` of Service default/a".
    pub owner: String,
    pub place: Place,
    /// Where to look; none means every namespace.
    pub namespace: Option<String>,
    pub labels: Vec<LabelPlace>,
    pub selects: Selects,
    /// Whether matching nothing is an error; else it is a warning.
    pub required: bool,
}

/// The two kinds of selectors.
pub(super) enum Selects {
    Labels(LabelSelector),
    Cilium(CiliumSelector),
}

/// A policy that names a service account.
pub(super) struct AccountUse {
    pub owner: String,
    pub place: Place,
    pub namespace: String,
    pub name: String,
}

/// What is looked at when all objects are read.
#[derive(Default)]
pub(super) struct Pending {
    pub uses: Vec<Use>,
    pub accounts: Vec<AccountUse>,
    pub workloads: Vec<workload::Draft>,
    pub services: Vec<service::Draft>,
    /// Namespaces that objects say they are in.
    pub namespaces: Vec<(String, Place)>,
}

/// Namespaces that exist without being written: Kubernetes makes four, Istio's installation one.
const BUILT_IN: [&str; 5] = [
    "default",
    "kube-system",
    "kube-public",
    "kube-node-lease",
    ROOT_NAMESPACE,
];

/// Completes workloads and services and checks everything that spans objects.
pub(super) fn finish(mut manifests: Manifests, pending: Pending) -> Result<Manifests, InputError> {
    namespaces_exist(&manifests, &pending.namespaces)?;
    for draft in &pending.workloads {
        own_template(draft)?;
        account_exists(&manifests, draft)?;
        let mut workload = draft.workload.clone();
        workload.injected = injected(&manifests, draft);
        manifests.workloads.push(workload);
    }
    overlapping_deployments(&pending.workloads)?;
    for draft in pending.services {
        finish_service(&mut manifests, draft)?;
    }
    http_ports(&mut manifests);
    let unknown_accounts = unknown_accounts(&mut manifests, &pending.accounts);
    for selector in &pending.uses {
        selects_something(&mut manifests, selector, &unknown_accounts)?;
    }
    peer_authentication_scopes(&manifests)?;
    Ok(manifests)
}

/// An object of a namespace that does not exist is refused by the API server; a misspelt one would make a policy
/// vanish.
fn namespaces_exist(manifests: &Manifests, named: &[(String, Place)]) -> Result<(), InputError> {
    let declared = manifests.namespaces.iter().map(|n| n.name.as_str());
    let known: BTreeSet<&str> = declared.chain(BUILT_IN).collect();
    match named.iter().find(|(name, _)| !known.contains(name.as_str())) {
        None => Ok(()),
        Some((name, place)) => {
            let error = place.error(format!("namespace `{name}` does not exist"));
            Err(match near_match(name, known) {
                Some(near) => error.with_hint(format!("did you mean `{near}`?")),
                None => error.with_hint("add an object of kind Namespace"),
            })
        }
    }
}

/// A Deployment whose selector does not match its own template is refused by the API server.
fn own_template(draft: &workload::Draft) -> Result<(), InputError> {
    let labels = &draft.workload.subject.labels;
    if draft.selector.is_empty() {
        return Err(draft.selector_place.error("an empty `selector` is not allowed here"));
    }
    if draft.selector.matches(labels) {
        return Ok(());
    }
    let differs = |l: &&LabelPlace| labels.get(&l.key) != Some(l.value.as_str());
    Err(match draft.selector_labels.iter().find(differs) {
        Some(label) => {
            let message = format!(
                "`{}: {}` is not a label of the pod template, so the selector matches nothing",
                label.key, label.value
            );
            let hint = match labels.get(&label.key) {
                Some(value) => format!("the template has `{}: {value}`", label.key),
                None => format!("the template has `{labels}`"),
            };
            label.place.error(message).with_hint(hint)
        }
        None => {
            let message = "the selector does not match the labels of the pod template";
            let hint = format!("the template has `{labels}`");
            draft.selector_place.error(message).with_hint(hint)
        }
    })
}

/// Two Deployments that select each other's pods would fight for them.
fn overlapping_deployments(drafts: &[workload::Draft]) -> Result<(), InputError> {
    for (index, draft) in drafts.iter().enumerate() {
        for (other_index, other) in drafts.iter().enumerate() {
            let (ours, theirs) = (&draft.workload, &other.workload);
            if index != other_index
                && ours.namespace == theirs.namespace
                && draft.selector.matches(&theirs.subject.labels)
            {
                let message = format!("the selector also matches the pods of `{}`", theirs.name);
                let hint = format!("{} is at {}", theirs.name, theirs.place);
                return Err(draft.selector_place.error(message).with_hint(hint));
            }
        }
    }
    Ok(())
}

fn account_exists(manifests: &Manifests, draft: &workload::Draft) -> Result<(), InputError> {
    let subject = &draft.workload.subject;
    let known = accounts_of(manifests, &subject.namespace);
    if known.contains(subject.service_account.as_str()) {
        return Ok(());
    }
    let message = format!(
        "service account `{}` does not exist in namespace `{}`",
        subject.service_account, subject.namespace
    );
    let error = draft.account_place.error(message);
    Err(error.with_candidates(&subject.service_account, known))
}

/// Declared accounts and `default`, which every namespace has.
fn accounts_of<'m>(manifests: &'m Manifests, namespace: &str) -> BTreeSet<&'m str> {
    let declared = manifests.service_accounts.iter();
    declared
        .filter(|account| account.namespace == namespace)
        .map(|account| account.name.as_str())
        .chain(["default"])
        .collect()
}

/// The namespace's label decides, unless the pod's label overrides it; the older annotation can only opt out
/// (Istio `pkg/kube/inject/inject.go`, `injectRequired`; webhook selectors of the `istiod` chart).
fn injected(manifests: &Manifests, draft: &workload::Draft) -> bool {
    let namespace = &draft.workload.namespace;
    let mut namespaces = manifests.namespaces.iter();
    let object = namespaces.find(|n| n.name == *namespace);
    match object.and_then(|n| n.labels.get("istio-injection")) {
        Some("enabled") => draft.inject_label.or(draft.inject_annotation) != Some(false),
        Some(_) => false,
        None => draft.inject_label == Some(true),
    }
}

fn finish_service(manifests: &mut Manifests, draft: service::Draft) -> Result<(), InputError> {
    let mut service = draft.service;
    let selector = LabelSelector {
        match_labels: service.selector.0.clone(),
        match_expressions: Vec::new(),
    };
    let owner = format!("`selector` of Service {}/{}", service.namespace, service.name);
    let check = Use {
        owner,
        place: draft.selector_place,
        namespace: Some(service.namespace.clone()),
        labels: draft.selector_labels,
        selects: Selects::Labels(selector),
        required: true,
    };
    selects_something(manifests, &check, &BTreeSet::new())?;
    for (index, name, place) in draft.named_targets {
        let behind = || {
            let workloads = manifests.workloads.iter();
            workloads.filter(|w| check.matches(&w.subject))
        };
        let mut numbers: BTreeSet<u16> = BTreeSet::new();
        for workload in behind() {
            match workload.port_names.get(&name) {
                Some(number) => _ = numbers.insert(*number),
                None => {
                    let message = format!("`{}` has no container port `{name}`", workload.name);
                    let known: BTreeSet<&str> =
                        behind().flat_map(|w| w.port_names.keys()).map(String::as_str).collect();
                    return Err(place.error(message).with_candidates(&name, known));
                }
            }
        }
        match (numbers.len(), numbers.first()) {
            (1, Some(number)) => service.ports[index].target_port = *number,
            _ => {
                let message = format!("`targetPort: {name}` means several numbers");
                let hint = "one Service over different port numbers is not modelled";
                return Err(place.error(message).with_hint(hint));
            }
        }
    }
    manifests.services.push(service);
    Ok(())
}

/// The lowest port of each workload to which a Service forwards HTTP.
fn http_ports(manifests: &mut Manifests) {
    let services = &manifests.services;
    for workload in &mut manifests.workloads {
        let in_front = services.iter().filter(|s| s.selects(workload));
        let ports = in_front.flat_map(|s| &s.ports);
        workload.http_port = ports.filter(|p| p.http).map(target).min();
    }
}

fn target(port: &ServicePort) -> u16 {
    port.target_port
}

/// Warns about named accounts that nothing declares; returns them.
fn unknown_accounts(manifests: &mut Manifests, uses: &[AccountUse]) -> BTreeSet<(String, String)> {
    let (mut unknown, mut warnings) = (BTreeSet::new(), Vec::new());
    for account in uses {
        let known = accounts_of(manifests, &account.namespace);
        if known.contains(account.name.as_str()) {
            continue;
        }
        let near = match near_match(&account.name, known) {
            Some(near) => format!("; did you mean `{near}`?"),
            None => String::new(),
        };
        warnings.push(format!(
            "{}: {} names service account `{}` of namespace `{}`, which no manifest declares{near}",
            account.place, account.owner, account.name, account.namespace
        ));
        unknown.insert((account.namespace.clone(), account.name.clone()));
    }
    manifests.warnings.extend(warnings);
    unknown
}

impl Use {
    fn matches(&self, subject: &Subject) -> bool {
        let in_reach = |namespace: &String| *namespace == subject.namespace;
        match &self.selects {
            Selects::Labels(selector) => {
                self.namespace.as_ref().is_none_or(in_reach) && selector.matches(&subject.labels)
            }
            Selects::Cilium(selector) => selector.matches(Peer::Endpoint(subject)),
        }
    }
}

/// The value that a selector can see under a key.
fn seen<'w>(workload: &'w Workload, key: &str) -> Option<&'w str> {
    let subject = &workload.subject;
    match key {
        NAMESPACE_LABEL => Some(&subject.namespace),
        SERVICE_ACCOUNT_LABEL => Some(&subject.service_account),
        key => subject.labels.get(key),
    }
}

/// Refuses (or warns about) a selector that matches no workload; an empty one may always stand there.
fn selects_something(
    manifests: &mut Manifests,
    check: &Use,
    unknown_accounts: &BTreeSet<(String, String)>,
) -> Result<(), InputError> {
    let is_empty = match &check.selects {
        Selects::Labels(selector) => selector.is_empty(),
        Selects::Cilium(_) => check.labels.is_empty(),
    };
    if is_empty || manifests.workloads.iter().any(|w| check.matches(&w.subject)) {
        return Ok(());
    }
    let reachable: Vec<&Workload> = manifests
        .workloads
        .iter()
        .filter(|w| check.namespace.as_ref().is_none_or(|n| *n == w.namespace))
        .collect();
    let error = nothing(check, &reachable);
    if check.required {
        return Err(error);
    }
    let explained = check.labels.iter().any(|label| {
        let namespace = check.namespace.clone().unwrap_or_default();
        label.key == SERVICE_ACCOUNT_LABEL && unknown_accounts.contains(&(namespace, label.value.clone()))
    });
    if !explained {
        let hint = error.hint.map_or(String::new(), |hint| format!("; {hint}"));
        let warning = format!("{}: {}{hint}", check.place, error.message);
        manifests.warnings.push(warning);
    }
    Ok(())
}

/// Which label is to blame, and what it may have meant.
fn nothing(check: &Use, reachable: &[&Workload]) -> InputError {
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
    let names: BTreeSet<&str> = reachable.iter().map(|w| w.name.as_str()).collect();
    let error = check.place.error(format!("{owner} matches nothing"));
    let names: Vec<&str> = names.into_iter().collect();
    error.with_hint(format!("none of these has all the labels: {}", names.join(", ")))
}

/// Of two PeerAuthentications with one scope Istio takes the older; a folder does not say which that is.
fn peer_authentication_scopes(manifests: &Manifests) -> Result<(), InputError> {
    let policies = &manifests.peer_authentications;
    for (index, later) in policies.iter().enumerate() {
        for earlier in &policies[..index] {
            let (a, b) = (&earlier.item, &later.item);
            let both_select =
                |w: &Workload| a.selector.matches(&w.subject.labels) && b.selector.matches(&w.subject.labels);
            let in_namespace = |w: &&Workload| w.namespace == a.namespace;
            let same_scope = a.selector.is_empty() == b.selector.is_empty()
                && (a.selector.is_empty() || manifests.workloads.iter().filter(in_namespace).any(both_select));
            if a.namespace == b.namespace && same_scope {
                let message = format!("`{}` has the same scope as `{}`", b.name, a.name);
                let hint = format!(
                    "Istio takes the older one, which a folder cannot say; the other is at {}",
                    earlier.place
                );
                return Err(later.place.error(message).with_hint(hint));
            }
        }
    }
    Ok(())
}
