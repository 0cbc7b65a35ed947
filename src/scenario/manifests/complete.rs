//! What follows when all files of a folder are read.
//!
//! Belongs here: endpoints and workloads out of all objects that carry pods, and warnings that span objects. Does not belong here:
//! the single checks (`checks`, `selectors`).

use std::collections::{BTreeMap, BTreeSet};

use super::checks::{self, BUILT_IN};
use super::endpoints::{self, Surroundings};
use super::index::{Index, Party};
use super::injection::Facts;
use super::{
    EndpointManifest, Manifests, Purpose, Reader, ServiceManifest, TargetPort, Workload, scheduling, waypoints,
};
use crate::policy::labels::Labels;
use crate::scenario::error::{InputError, Place};

impl Reader {
    /// Completes what is read.
    pub(super) fn finish(mut self) -> Result<Manifests, Vec<InputError>> {
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
        let simulates = self.options.purpose == Purpose::Simulate;
        for selector in &self.pending.uses {
            if let Some(error) = checks::selects_something(&index, selector, &unknown_accounts) {
                match selector.service.filter(|_| simulates) {
                    Some(service) => manifests.services[service].remarks.refused.push(error),
                    None => manifests.warnings.push(checks::warning(&error)),
                }
            }
        }
        if let Err(error) = checks::peer_authentication_scopes(manifests, &index) {
            if simulates && !self.options.lenient {
                return Err(vec![error]);
            }
            manifests.warnings.push(checks::warning(&error));
        }
        drop(index);
        if simulates {
            let instead = self.pending.instead.iter();
            let instead = instead.map(|(text, places)| checks::folded(text, places));
            manifests.warnings.extend(instead);
            target_ports(&mut manifests.services, &endpoints);
            workloads(manifests, &mut self.pending);
        }
        let undeclared = waypoints::undeclared(manifests);
        manifests.warnings.extend(undeclared);
        (self.manifests.endpoints, self.manifests.names) = (endpoints, names);
        Ok(self.manifests)
    }
}

/// Looks up target ports that are names.
fn target_ports(services: &mut [ServiceManifest], endpoints: &[EndpointManifest]) {
    for service in services {
        let behind: Vec<&EndpointManifest> = endpoints
            .iter()
            .filter(|found| service.selects(&found.endpoint.subject))
            .collect();
        for port in 0..service.ports.len() {
            let TargetPort::Name(name) = &service.ports[port].target else {
                continue;
            };
            let (name, protocol) = (name.clone(), service.ports[port].protocol);
            let number = |found: &&EndpointManifest| service.ports[port].of(&found.endpoint);
            let numbers: BTreeSet<u16> = behind.iter().filter_map(number).collect();
            let shown = format!("`targetPort: {name}` of Service `{}`", service.name);
            let lacks = behind.iter().find(|found| number(found).is_none());
            if let Some(lacks) = lacks.filter(|_| port == 0) {
                let of = &lacks.endpoint;
                let known = of.named_ports.keys().filter(|(_, p)| *p == protocol);
                let error = service
                    .place
                    .error(format!("{shown} is no container port of `{}`", of.name));
                let error = error.with_candidates(&name, known.map(|(name, _)| name.as_str()));
                service.remarks.refused.push(error);
            } else if numbers.len() > 1 {
                let shown = format!("{shown}, which means several numbers,");
                service
                    .remarks
                    .refuse(service.place.clone(), &shown, "the lowest is called");
            }
            if let Some(lowest) = numbers.first() {
                service.ports[port].target = TargetPort::Number(*lowest);
            }
        }
    }
}

/// What a run has of the objects that carry pods.
fn workloads(manifests: &mut Manifests, pending: &mut checks::Pending) {
    let accounts = checks::Accounts::new(manifests);
    let namespaces: BTreeMap<&str, &Labels> = manifests
        .namespaces
        .iter()
        .map(|n| (n.name.as_str(), &n.labels))
        .collect();
    let none = Labels::default();
    let mut found: Vec<Workload> = Vec::new();
    for draft in &mut pending.pods {
        let Some(mut workload) = draft.run.take() else { continue };
        let labels = namespaces.get(draft.namespace.as_str()).copied().unwrap_or(&none);
        let facts = Facts {
            namespace: &draft.namespace,
            namespace_labels: labels,
            labels: &draft.labels,
            annotation: draft.inject.as_deref(),
            host_network: draft.host_network,
        };
        workload.injected = draft.has_proxy || facts.injected();
        if !workload.injected && facts.ambient() {
            let text = "its pods are outside the mesh";
            workload
                .remarks
                .refuse(workload.place.clone(), "the ambient mode of its pods", text);
        }
        if !accounts.has(&draft.namespace, &draft.service_account) {
            let near = accounts.near(&draft.namespace, &draft.service_account);
            let shown = format!(
                "service account `{}`, which no manifest declares,",
                draft.service_account
            );
            let text = format!("it exists{near}");
            workload.remarks.approximate(workload.place.clone(), &shown, &text);
        }
        let priority = std::mem::take(&mut workload.priority);
        scheduling::prioritize(&mut workload, &priority, &pending.classes);
        for (namespace, kind, name, place, by) in &pending.scaled {
            if (namespace, kind.as_str(), name) == (&workload.namespace, workload.kind.name(), &workload.name) {
                let shown = format!("{by} of `{name}`");
                workload
                    .remarks
                    .approximate(place.clone(), &shown, "its replicas stay as they are written");
            }
        }
        workload.subject.namespace_labels.0.extend(labels.0.clone());
        found.push(*workload);
    }
    manifests.workloads = found;
    without_controller(manifests, pending);
}

/// Reports pods and ReplicaSets whose controller is not in the folder: a run does not have them.
fn without_controller(manifests: &mut Manifests, pending: &checks::Pending) {
    let known: BTreeSet<(&str, &str, &str)> = pending
        .pods
        .iter()
        .map(|draft| (draft.namespace.as_str(), draft.kind.name(), draft.name.as_str()))
        .collect();
    let mut missing: BTreeMap<(&str, &str, &str), &Place> = BTreeMap::new();
    for draft in pending.pods.iter().filter(|draft| !draft.has_ended) {
        if let Some(owner) = draft.owner.as_ref().filter(|owner| owner.kind != "Node") {
            let controller = (draft.namespace.as_str(), owner.kind.as_str(), owner.name.as_str());
            if !known.contains(&controller) {
                missing.entry(controller).or_insert(&draft.place);
            }
        }
    }
    let warnings: Vec<String> = missing
        .iter()
        .map(|((namespace, kind, name), place)| {
            format!("{place}: {kind} `{namespace}/{name}`, its controller, is not in the folder; a run does not have its pods")
        })
        .collect();
    manifests.warnings.extend(warnings);
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
