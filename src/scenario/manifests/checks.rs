//! Checks across objects: what a selector matches, which accounts exist, what contradicts what.
//!
//! Belongs here: everything that needs more than one object. Does not belong here: the reading of a single one.

use std::collections::{BTreeMap, BTreeSet};

use super::index::{Index, Party};
use super::injection::Facts;
use super::object::LabelPlace;
pub(super) use super::selectors::{Selects, Use, selects_something};
use super::{Manifests, ROOT_NAMESPACE, ServicePort, TargetPort, Workload, pods, service, workload};
use crate::policy::labels::{LabelSelector, Labels};
use crate::scenario::error::{InputError, Place, near_match};

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
    /// Objects that carry pods, of every kind; only when a folder is read for its policies.
    pub pods: Vec<pods::Draft>,
    /// Groups of addresses that policies of Cilium name; only when a folder is read for its policies.
    pub groups: super::groups::Groups,
    /// Namespaces that objects say they are in.
    pub namespaces: Vec<(String, Place)>,
    /// Whether a part that is not evaluated becomes a warning and an open verdict instead of an error.
    pub lenient: bool,
    /// Whether the folder is read to be asked, so that a part may stay open instead of being refused.
    pub asks: bool,
    /// Where `toFQDNs` is first written.
    pub names: Option<Place>,
    /// Whether a rule lets Cilium see DNS queries.
    pub sees_dns: bool,
    /// What was met while single objects were read.
    pub warnings: Vec<String>,
}

impl Pending {
    /// Notes a part whose meaning is only known in a running cluster; the caller puts something open in its place. The
    /// simulator refuses it.
    pub fn open(&mut self, error: InputError) -> Result<(), InputError> {
        match self.asks {
            true => Ok(()),
            false => self.not_evaluated(error),
        }
    }

    /// Notes a part that is known but not evaluated; the caller puts something unknown in its place.
    pub fn not_evaluated(&mut self, error: InputError) -> Result<(), InputError> {
        if !self.lenient {
            return Err(error);
        }
        self.warnings.push(error.to_string().replace("\n  hint: ", "; "));
        Ok(())
    }
}

/// Namespaces that exist without being written: Kubernetes makes four, Istio's installation one.
pub(super) const BUILT_IN: [&str; 5] = [
    "default",
    "kube-system",
    "kube-public",
    "kube-node-lease",
    ROOT_NAMESPACE,
];

/// Completes workloads and services and checks everything that spans objects.
pub(super) fn finish(mut manifests: Manifests, pending: Pending) -> Result<Manifests, InputError> {
    namespaces_exist(&manifests, &pending.namespaces)?;
    manifests.warnings.extend(pending.warnings.iter().cloned());
    let accounts = Accounts::new(&manifests);
    let declared: BTreeMap<&str, &Labels> = manifests
        .namespaces
        .iter()
        .map(|n| (n.name.as_str(), &n.labels))
        .collect();
    let none = Labels::default();
    let mut workloads = Vec::with_capacity(pending.workloads.len());
    for draft in &pending.workloads {
        own_template(draft)?;
        account_exists(&accounts, draft)?;
        let mut workload = draft.workload.clone();
        let labels = declared.get(workload.namespace.as_str()).copied().unwrap_or(&none);
        workload.injected = injected(labels, draft);
        workload.subject.namespace_labels.0.extend(labels.0.clone());
        workloads.push(workload);
    }
    let index = Index::new(workloads.iter().map(Party::from).collect());
    overlapping_deployments(&pending.workloads, &index)?;
    for draft in pending.services {
        finish_service(&mut manifests, &workloads, &index, draft)?;
    }
    let http_ports = http_ports(&manifests, &index);
    let unknown_accounts = unknown_accounts(&mut manifests, &pending.accounts);
    for selector in &pending.uses {
        let found = selects_something(&index, selector, &unknown_accounts);
        settle(&mut manifests, selector.required, found)?;
    }
    if !pending.lenient {
        peer_authentication_scopes(&manifests, &index)?;
    }
    drop(index);
    for (workload, port) in workloads.iter_mut().zip(http_ports) {
        workload.http_port = port;
    }
    manifests.workloads = workloads;
    Ok(manifests)
}

/// A complaint is an error or a warning.
fn settle(manifests: &mut Manifests, required: bool, found: Option<InputError>) -> Result<(), InputError> {
    match found {
        Some(error) if required => Err(error),
        Some(error) => {
            manifests.warnings.push(warning(&error));
            Ok(())
        }
        None => Ok(()),
    }
}

/// An error in one line.
pub(super) fn warning(error: &InputError) -> String {
    error.to_string().replace("\n  hint: ", "; ")
}

impl<'w> From<&'w Workload> for Party<'w> {
    fn from(workload: &'w Workload) -> Self {
        Party {
            name: &workload.name,
            subject: &workload.subject,
        }
    }
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
fn overlapping_deployments(drafts: &[workload::Draft], index: &Index<'_>) -> Result<(), InputError> {
    for (number, draft) in drafts.iter().enumerate() {
        let labels = pairs(&draft.selector);
        for other_number in index.candidates(Some(&draft.workload.namespace), labels) {
            let theirs = &drafts[*other_number].workload;
            if number != *other_number && draft.selector.matches(&theirs.subject.labels) {
                let message = format!("the selector also matches the pods of `{}`", theirs.name);
                let hint = format!("{} is at {}", theirs.name, theirs.place);
                return Err(draft.selector_place.error(message).with_hint(hint));
            }
        }
    }
    Ok(())
}

fn pairs(selector: &LabelSelector) -> impl Iterator<Item = (&str, &str)> {
    selector.match_labels.iter().map(|(k, v)| (k.as_str(), v.as_str()))
}

fn account_exists(accounts: &Accounts, draft: &workload::Draft) -> Result<(), InputError> {
    let subject = &draft.workload.subject;
    if accounts.has(&subject.namespace, &subject.service_account) {
        return Ok(());
    }
    let message = format!(
        "service account `{}` does not exist in namespace `{}`",
        subject.service_account, subject.namespace
    );
    let error = draft.account_place.error(message);
    Err(error.with_candidates(&subject.service_account, accounts.of(&subject.namespace)))
}

/// Declared accounts and `default`, which every namespace has.
struct Accounts(BTreeMap<String, BTreeSet<String>>);

impl Accounts {
    fn new(manifests: &Manifests) -> Self {
        let mut accounts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for account in &manifests.service_accounts {
            let names = accounts.entry(account.namespace.clone()).or_default();
            names.insert(account.name.clone());
        }
        Self(accounts)
    }

    fn has(&self, namespace: &str, name: &str) -> bool {
        name == "default" || self.0.get(namespace).is_some_and(|names| names.contains(name))
    }

    fn of(&self, namespace: &str) -> BTreeSet<&str> {
        let declared = self.0.get(namespace).into_iter().flatten();
        declared.map(String::as_str).chain(["default"]).collect()
    }
}

fn injected(namespace_labels: &Labels, draft: &workload::Draft) -> bool {
    let text = |on: bool| if on { "true" } else { "false" };
    Facts {
        namespace: &draft.workload.namespace,
        namespace_labels,
        labels: &draft.workload.subject.labels,
        annotation: draft.inject_annotation.map(text),
        host_network: false,
    }
    .injected()
}

fn finish_service(
    manifests: &mut Manifests,
    workloads: &[Workload],
    index: &Index<'_>,
    draft: service::Draft,
) -> Result<(), InputError> {
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
    let found = selects_something(index, &check, &BTreeSet::new());
    settle(manifests, true, found)?;
    for (number_of_port, name, place) in draft.named_targets {
        let behind = || {
            let workloads = check.candidates(index).iter().map(|i| &workloads[*i]);
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
            (1, Some(number)) => service.ports[number_of_port].target = TargetPort::Number(*number),
            _ => {
                let message = format!("`targetPort: {name}` means several numbers");
                let hint = "one Service over different port numbers is not modeled";
                return Err(place.error(message).with_hint(hint));
            }
        }
    }
    manifests.services.push(service);
    Ok(())
}

/// The lowest port of each workload to which a Service forwards HTTP.
fn http_ports(manifests: &Manifests, index: &Index<'_>) -> Vec<Option<u16>> {
    let mut lowest: Vec<Option<u16>> = vec![None; index.parties.len()];
    for service in &manifests.services {
        let http = service.ports.iter().filter(|p| p.is_http()).filter_map(target).min();
        let labels = service.selector.0.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        for number in index.candidates(Some(&service.namespace), labels) {
            if let (true, Some(port)) = (service.selects(index.parties[*number].subject), http) {
                lowest[*number] = Some(lowest[*number].map_or(port, |known| known.min(port)));
            }
        }
    }
    lowest
}

fn target(port: &ServicePort) -> Option<u16> {
    port.target.number()
}

/// Warns about named accounts that nothing declares; returns them.
pub(super) fn unknown_accounts(manifests: &mut Manifests, uses: &[AccountUse]) -> BTreeSet<(String, String)> {
    let accounts = Accounts::new(manifests);
    let (mut unknown, mut warnings) = (BTreeSet::new(), Vec::new());
    for account in uses {
        if accounts.has(&account.namespace, &account.name) {
            continue;
        }
        let near = match near_match(&account.name, accounts.of(&account.namespace)) {
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

#[derive(Default)]
struct Firsts {
    any: Option<usize>,
    undated: Option<usize>,
}

impl Firsts {
    /// Adds a policy; returns the first one of which nothing states whether it is older.
    fn join(&mut self, number: usize, dated: bool) -> Option<usize> {
        let rival = if dated { self.undated } else { self.any };
        self.any.get_or_insert(number);
        if !dated {
            self.undated.get_or_insert(number);
        }
        rival
    }
}

/// Of two PeerAuthentications with one scope Istio takes the older; without `creationTimestamp` in both, a folder does not
/// state which that is.
pub(super) fn peer_authentication_scopes(manifests: &Manifests, index: &Index<'_>) -> Result<(), InputError> {
    let policies = &manifests.peer_authentications;
    // The first policies of each scope: of a whole namespace, or of one workload.
    let mut of_namespace: BTreeMap<&str, Firsts> = BTreeMap::new();
    let mut of_workload: BTreeMap<usize, Firsts> = BTreeMap::new();
    for (number, policy) in policies.iter().enumerate() {
        let item = &policy.item;
        let dated = item.created.is_some();
        let mut earlier: Option<usize> = None;
        if item.selector.is_empty() {
            earlier = of_namespace.entry(&item.namespace).or_default().join(number, dated);
        } else {
            for workload in index.candidates(Some(&item.namespace), pairs(&item.selector)) {
                if item.selector.matches(&index.parties[*workload].subject.labels) {
                    let same = of_workload.entry(*workload).or_default().join(number, dated);
                    earlier = earlier.into_iter().chain(same).min();
                }
            }
        }
        if let Some(earlier) = earlier {
            let earlier = &policies[earlier];
            let message = format!("`{}` has the same scope as `{}`", item.name, earlier.item.name);
            let hint = format!(
                "Istio takes the older one, which depends on `creationTimestamp`; the other is at {}",
                earlier.place
            );
            return Err(policy.place.error(message).with_hint(hint));
        }
    }
    Ok(())
}
