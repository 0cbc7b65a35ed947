//! What follows when all files of a folder that is read for its policies are read.
//!
//! Belongs here: endpoints out of all objects that carry pods, and warnings that span objects. Does not belong here: the same
//! for the simulator (`checks`).

use std::collections::{BTreeMap, BTreeSet};

use super::checks::{self, BUILT_IN};
use super::endpoints::{self, Surroundings};
use super::index::{Index, Party};
use super::{EndpointManifest, Manifests, Reader, waypoints};
use crate::scenario::error::{InputError, Place};

impl Reader {
    /// Completes what is read of a folder for its policies.
    pub(super) fn finish_any(mut self) -> Result<Manifests, Vec<InputError>> {
        let manifests = &mut self.manifests;
        manifests.nodes.pods(&self.pending.pods);
        manifests.warnings.append(&mut self.pending.warnings);
        let around = Surroundings {
            namespaces: manifests
                .namespaces
                .iter()
                .map(|n| (n.name.as_str(), &n.labels))
                .collect(),
            named: &self.named,
        };
        let (mut endpoints, names, untold) = endpoints::build(&self.pending.pods, &around);
        for (index, error) in untold {
            if !self.options.lenient {
                self.errors.push(error);
                continue;
            }
            let warning = checks::warning(&error);
            manifests.warnings.push(warning.clone());
            endpoints[index].doubts.push(warning);
        }
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        for found in &mut endpoints {
            let doubts = self.namespace_doubts.get(&found.endpoint.subject.namespace);
            found.doubts.extend(doubts.into_iter().flatten().cloned());
        }
        if let Some(place) = self.pending.names.as_ref().filter(|_| !self.pending.sees_dns) {
            manifests.warnings.push(format!(
                "{place}: no rule of the folder lets Cilium see DNS queries (`rules: {{dns: …}}` on port 53), without which \
                 `toFQDNs` matches nothing"
            ));
        }
        undeclared_namespaces(manifests, &self.pending.namespaces);
        let party = |e| {
            let e: &EndpointManifest = e;
            Party {
                name: &e.endpoint.name,
                subject: &e.endpoint.subject,
            }
        };
        let index = Index::new(endpoints.iter().map(party).collect());
        let unknown_accounts = checks::unknown_accounts(manifests, &self.pending.accounts);
        for selector in &mut self.pending.uses {
            selector.required = false;
            if let Some(error) = checks::selects_something(&index, selector, &unknown_accounts) {
                manifests.warnings.push(checks::warning(&error));
            }
        }
        if let Err(error) = checks::peer_authentication_scopes(manifests, &index) {
            manifests.warnings.push(checks::warning(&error));
        }
        drop(index);
        let undeclared = waypoints::undeclared(manifests);
        manifests.warnings.extend(undeclared);
        (self.manifests.endpoints, self.manifests.names) = (endpoints, names);
        Ok(self.manifests)
    }
}

/// Reports for each namespace that no file declares that its labels are not known.
fn undeclared_namespaces(manifests: &mut Manifests, named: &[(String, Place)]) {
    let declared: BTreeSet<&str> = manifests
        .namespaces
        .iter()
        .map(|n| n.name.as_str())
        .chain(BUILT_IN)
        .collect();
    let mut missing: BTreeMap<&str, &Place> = BTreeMap::new();
    for (name, place) in named.iter().filter(|(name, _)| !declared.contains(name.as_str())) {
        missing.entry(name).or_insert(place);
    }
    let warnings: Vec<String> = missing
        .iter()
        .map(|(name, place)| format!("{place}: no manifest declares namespace `{name}`; it has no label but its name"))
        .collect();
    manifests.warnings.extend(warnings);
}
