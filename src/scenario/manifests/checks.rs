//! Checks across objects: what a selector matches, which accounts exist, what contradicts what.
//!
//! Belongs here: everything that needs more than one object. Does not belong here: the reading of a single one.

use std::collections::{BTreeMap, BTreeSet};

use super::index::Index;
pub(super) use super::selectors::{Selects, Use, selects_something};
use super::{Manifests, ROOT_NAMESPACE, pods};
use crate::policy::labels::LabelSelector;
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
    /// Objects that carry pods, of every kind.
    pub pods: Vec<pods::Draft>,
    /// PriorityClasses.
    pub classes: Vec<super::scheduling::PriorityClass>,
    /// What scales a workload: namespace, kind and name of the workload, where it is written, and its own kind.
    pub scaled: Vec<(String, String, String, Place, String)>,
    /// What a run has instead of objects of a kind, with the places of these.
    pub instead: BTreeMap<String, Vec<Place>>,
    /// Groups of addresses that policies of Cilium name.
    pub groups: super::groups::Groups,
    /// Namespaces that objects say they are in.
    pub namespaces: Vec<(String, Place)>,
    /// Whether a part that is not evaluated becomes a warning and an open verdict instead of an error.
    pub lenient: bool,
    /// Where `toFQDNs` is first written.
    pub names: Option<Place>,
    /// Whether a rule lets Cilium see DNS queries.
    pub sees_dns: bool,
    /// What was met while single objects were read.
    pub warnings: Vec<String>,
}

impl Pending {
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

/// A text with the first of the places that it is about.
pub(in crate::scenario) fn folded(text: &str, places: &[Place]) -> String {
    match places {
        [] => text.to_owned(),
        [only] => format!("{only}: {text}"),
        [first, more @ ..] => format!("{first}: {text} (and at {} more places)", more.len()),
    }
}

/// An error in one line.
pub(super) fn warning(error: &InputError) -> String {
    error.to_string().replace("\n  hint: ", "; ")
}

fn pairs(selector: &LabelSelector) -> impl Iterator<Item = (&str, &str)> {
    selector.match_labels.iter().map(|(k, v)| (k.as_str(), v.as_str()))
}

/// Declared accounts and `default`, which every namespace has.
pub(super) struct Accounts(BTreeMap<String, BTreeSet<String>>);

impl Accounts {
    pub(super) fn new(manifests: &Manifests) -> Self {
        let mut accounts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for account in &manifests.service_accounts {
            let names = accounts.entry(account.namespace.clone()).or_default();
            names.insert(account.name.clone());
        }
        Self(accounts)
    }

    pub(super) fn has(&self, namespace: &str, name: &str) -> bool {
        name == "default" || self.0.get(namespace).is_some_and(|names| names.contains(name))
    }

    /// What the name of an account that no manifest declares may have meant, as the end of a sentence.
    pub(super) fn near(&self, namespace: &str, name: &str) -> String {
        let declared = self.0.get(namespace).into_iter().flatten();
        let known: BTreeSet<&str> = declared.map(String::as_str).chain(["default"]).collect();
        near_match(name, known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
    }
}

/// Warns about named accounts that nothing declares; returns them.
pub(super) fn unknown_accounts(manifests: &mut Manifests, uses: &[AccountUse]) -> BTreeSet<(String, String)> {
    let accounts = Accounts::new(manifests);
    let (mut unknown, mut warnings) = (BTreeSet::new(), Vec::new());
    for account in uses {
        if accounts.has(&account.namespace, &account.name) {
            continue;
        }
        let near = accounts.near(&account.namespace, &account.name);
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
