//! Reading of a folder of Kubernetes manifests.
//!
//! One reader for two purposes ([`Purpose`]): to be simulated, and to be asked who may talk to whom. [`Manifests::endpoint_position`]
//! finds the pods that a name means, [`Manifests::endpoints`] lists them, [`Manifests::skipped`] and [`Manifests::warnings`] say
//! what was passed over, and after lenient reading [`Manifests::unknown`] and [`EndpointManifest::doubts`] state whose verdicts are
//! unknown. For a run, [`Manifests::workloads`] has what decides number, start and placement of pods, with remarks on what is
//! simulated otherwise.
//!
//! Belongs here: the result types and the way from a folder to them. A key that is unknown, or known but not evaluated although it
//! would change an answer, is an error with its place. Does not belong here: YAML itself (`scenario::yaml`) and evaluation
//! (`policy`).

mod any;
mod capture;
mod checks;
mod cilium;
mod cilium_keys;
mod cilium_ports;
mod complete;
mod destination_rules;
mod effects;
mod endpoints;
mod fields;
mod folder;
mod foreign;
mod groups;
mod index;
mod injection;
mod istio;
mod istio_rules;
mod istio_tokens;
mod jobs;
mod keys;
mod kinds;
mod network_policy;
mod nodes;
mod object;
mod options;
mod placement;
mod pods;
mod probes;
mod refused;
mod requests;
mod scheduling;
mod selectors;
mod service;
mod types;
mod waypoints;
mod workload;

#[cfg(test)]
mod any_tests;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod dumps;
#[cfg(test)]
mod files_tests;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod istio_tests;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::error::{InputError, Place};
use super::yaml::{Document, Nulls};
use crate::cluster::placement::Budget;
use crate::policy::Protocol;
use crate::policy::cilium::CiliumNetworkPolicy;
use crate::policy::istio::{
    AuthorizationPolicy, DestinationRule, MeshOptions, MeshParts, MeshPolicies, PeerAuthentication,
    RequestAuthentication, SidecarScope,
};
use crate::policy::labels::Labels;
use crate::policy::network::{NetworkPolicies, NetworkPolicy, Options, Service};
use checks::Pending;
use endpoints::Names;
use object::Object;
use refused::Kind;

pub(super) use checks::folded;
pub use endpoints::EndpointManifest;
pub use folder::{Excluded, FILES_MAX, FOLDER_SIZE_MAX, Found, read as find};
pub use nodes::Nodes;
pub use options::{Layer, Purpose, ReadOptions, Side, Unknown};
pub use pods::PodsKind;
pub use types::{CountOrPercent, Located, Remarks, ServiceManifest, ServicePort, TargetPort, Where, Workload};
pub use waypoints::WaypointManifest;
pub use workload::{ANSWERS_AFTER, IGNORES_SIGTERM};

/// Istio's root namespace, whose policies reach every namespace (istio/api `mesh/v1alpha1/config.proto`, default).
pub const ROOT_NAMESPACE: &str = "istio-system";

/// A ServiceAccount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Name of the account.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Where its name is written.
    pub place: Place,
}

/// A Namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Name of the namespace.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// Where its name is written.
    pub place: Place,
}

/// An object of a kind without influence, or a JSON file that is no object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The file.
    pub file: PathBuf,
    /// Line on which it begins; 1 for a file that was not read.
    pub line: u32,
    /// `apiVersion` as written; empty for a file that is no object.
    pub api_version: String,
    /// `kind` as written; empty for a file that is no object.
    pub kind: String,
    /// Name of the object; empty if it has none.
    pub name: String,
    /// Why, where the kind does not state it; else empty.
    pub reason: String,
    /// Whether it decides who may talk to whom where something enforces it.
    pub decides: bool,
}

impl Skipped {
    /// A file, or a document at this line of it, that is no object.
    fn file(file: &Path, line: u32, reason: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            api_version: String::new(),
            kind: String::new(),
            name: String::new(),
            reason: reason.into(),
            decides: false,
        }
    }
}

/// Everything that a folder of manifests says, in the order of files and documents.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Manifests {
    /// Objects that carry pods, as a run has them; only for [`Purpose::Simulate`].
    pub workloads: Vec<Workload>,
    /// Pods of every kind of object.
    pub endpoints: Vec<EndpointManifest>,
    /// Services.
    pub services: Vec<ServiceManifest>,
    /// ServiceAccounts.
    pub service_accounts: Vec<ServiceAccount>,
    /// Namespaces.
    pub namespaces: Vec<Namespace>,
    /// CiliumNetworkPolicies and CiliumClusterwideNetworkPolicies.
    pub cilium: Vec<Located<CiliumNetworkPolicy>>,
    /// NetworkPolicies.
    pub network_policies: Vec<Located<NetworkPolicy>>,
    /// PeerAuthentications.
    pub peer_authentications: Vec<Located<PeerAuthentication>>,
    /// AuthorizationPolicies.
    pub authorization_policies: Vec<Located<AuthorizationPolicy>>,
    /// RequestAuthentications.
    pub request_authentications: Vec<Located<RequestAuthentication>>,
    /// DestinationRules; only for [`Purpose::Policy`].
    pub destination_rules: Vec<DestinationRule>,
    /// Which Services clients know, by Sidecars; only for [`Purpose::Policy`].
    pub sidecar_scopes: Vec<SidecarScope>,
    /// Nodes.
    pub nodes: Nodes,
    /// Waypoints of ambient mode.
    pub waypoints: Vec<WaypointManifest>,
    /// PodDisruptionBudgets; only for [`Purpose::Simulate`].
    pub budgets: Vec<Budget>,
    /// What was passed over in lenient reading and acts on who may talk to whom.
    pub unknown: Vec<Unknown>,
    /// Objects without influence.
    pub skipped: Vec<Skipped>,
    /// What looks like a mistake but has a meaning; each with its place.
    pub warnings: Vec<String>,
    names: Names,
}

impl Manifests {
    /// The endpoint that a text means: `namespace/name` of a workload or pod, `namespace/Kind/name` where two kinds
    /// have one name, or `name` in the namespace `default`.
    /// The answer is its position in [`Manifests::endpoints`].
    ///
    /// # Errors
    /// In words: there is none (with a near match), or there are several that policy can distinguish.
    pub fn endpoint_position(&self, text: &str) -> Result<usize, String> {
        endpoints::find(&self.endpoints, &self.names, text)
    }

    /// Ports on which the endpoint at this position can be called: those that its containers declare, then those to which
    /// Services also lead.
    pub fn ports(&self, position: usize) -> Vec<(u16, Protocol)> {
        let found = &self.endpoints[position];
        let mut ports = found.container_ports.clone();
        let services = self.services.iter().filter(|s| s.selects(&found.endpoint.subject));
        for port in services.flat_map(|service| &service.ports) {
            if let Some(target) = port.of(&found.endpoint)
                && !ports.contains(&(target, port.protocol))
            {
                ports.push((target, port.protocol));
            }
        }
        ports
    }

    /// The network's policies, ready to be asked. The Services that they may name are added to the options.
    pub fn network_policies(&self, mut options: Options) -> NetworkPolicies {
        let cilium: Vec<CiliumNetworkPolicy> = self.cilium.iter().map(|p| p.item.clone()).collect();
        let kubernetes: Vec<NetworkPolicy> = self.network_policies.iter().map(|p| p.item.clone()).collect();
        options.services.extend(self.services.iter().map(|service| Service {
            namespace: service.namespace.clone(),
            name: service.name.clone(),
            selector: service.selector.clone(),
        }));
        self.nodes_into(&mut options);
        NetworkPolicies::new(&cilium, &kubernetes, options)
    }

    /// The mesh's policies, ready to be asked; the root namespace is [`ROOT_NAMESPACE`].
    pub fn mesh_policies(&self, trust_domain: &str) -> MeshPolicies {
        let options = MeshOptions {
            root_namespace: ROOT_NAMESPACE.to_owned(),
            trust_domain: trust_domain.to_owned(),
            trust_domain_aliases: Vec::new(),
        };
        MeshPolicies::of_parts(self.mesh_parts(), &options)
    }

    /// The mesh's policies as they are written.
    pub fn mesh_parts(&self) -> MeshParts {
        fn items<T: Clone>(located: &[Located<T>]) -> Vec<T> {
            located.iter().map(|policy| policy.item.clone()).collect()
        }
        MeshParts {
            peer_authentications: items(&self.peer_authentications),
            request_authentications: items(&self.request_authentications),
            authorization_policies: items(&self.authorization_policies),
            destination_rules: self.destination_rules.clone(),
            sidecar_scopes: self.sidecar_scopes.clone(),
        }
    }
}

/// Reads all `*.yaml`, `*.yml` and `*.json` files of a folder and its subfolders in the order of their names; a single file may
/// stand for the folder. What begins with a dot is not looked at; links lead to files within the folder only. Limits: [`FOLDER_SIZE_MAX`] and
/// [`FILES_MAX`], and those of `scenario::yaml` for one file. What is excluded is passed over.
pub fn read_folder(folder: &Path, options: ReadOptions, excluded: &Excluded) -> Result<Manifests, Vec<InputError>> {
    let found = folder::read(folder, excluded).map_err(|error| vec![error])?;
    if found.files == 0 {
        let error = InputError::in_file(folder, "no manifest in this folder");
        return Err(vec![error.with_hint("files end in .yaml, .yml or .json")]);
    }
    read_found(found, options)
}

/// As [`read_folder`], for files that were found before.
pub fn read_found(found: Found, options: ReadOptions) -> Result<Manifests, Vec<InputError>> {
    let reader = Reader {
        errors: found.errors,
        ..Reader::new(options)
    };
    let mut manifests = reader.read(&found.texts)?;
    let skipped = found.skipped.iter();
    manifests
        .skipped
        .extend(skipped.map(|(file, reason)| Skipped::file(file, 1, *reason)));
    manifests.warnings.extend(found.warnings);
    Ok(manifests)
}

/// As [`read_folder`], from files that have been read already.
pub fn read_texts<T: AsRef<str>>(files: &[(PathBuf, T)], options: ReadOptions) -> Result<Manifests, Vec<InputError>> {
    Reader::new(options).read(files)
}

#[derive(Default)]
struct Reader {
    manifests: Manifests,
    pending: Pending,
    seen: BTreeMap<(Kind, String, String), Place>,
    options: ReadOptions,
    /// Objects so far: where their name is, where they begin, and a digest.
    written: BTreeMap<(Kind, String, String), (Place, Place, blake3::Hash)>,
    /// Labels that the cluster writes on pods and that a policy names.
    named: BTreeSet<&'static str>,
    /// What of a namespace is not evaluated and may change the verdicts of its pods.
    namespace_doubts: BTreeMap<String, Vec<String>>,
    /// Whether this reading has met such objects and read them.
    replaces: bool,
    /// Where objects are written that a later one of that name replaces, and where that one is.
    superseded: BTreeMap<Place, Place>,
    /// Files of patches, which are no objects, with the kustomization that applies them.
    patches: BTreeMap<PathBuf, PathBuf>,
    /// What is wrong so far: one document does not hide another.
    errors: Vec<InputError>,
}

impl Reader {
    fn new(options: ReadOptions) -> Self {
        let mut reader = Self {
            options,
            ..Self::default()
        };
        reader.pending.lenient = options.lenient;
        reader
    }

    fn read<T: AsRef<str>>(mut self, files: &[(PathBuf, T)]) -> Result<Manifests, Vec<InputError>> {
        let unreadable = self.errors.clone();
        self.patches = foreign::patches(files);
        self.pending.groups = groups::Groups::of(files);
        for (file, text) in files {
            self.file(file, text.as_ref());
        }
        if !self.errors.is_empty() {
            self.errors.dedup();
            self.errors.iter_mut().for_each(foreign::name_variables);
            return Err(self.errors);
        }
        if self.replaces {
            // Once more without the objects that later ones replace.
            let again = Self {
                superseded: self.superseded,
                errors: unreadable,
                ..Self::new(self.options)
            };
            return again.read(files);
        }
        self.finish()
    }

    fn object(&mut self, kind: Kind, document: &Document<'_>) -> Result<(), InputError> {
        let (manifests, pending) = (&mut self.manifests, &mut self.pending);
        let seen = &mut self.seen;
        match kind {
            Kind::CiliumNetworkPolicy | Kind::CiliumClusterwideNetworkPolicy => {
                let object: cilium::PolicyObject = document.parse_explaining(|key| refused::why_refused(kind, key))?;
                remember(kind, document, &object.metadata, seen)?;
                let clusterwide = kind == Kind::CiliumClusterwideNetworkPolicy;
                let policies = cilium::read(document, &object, clusterwide, pending)?;
                manifests.cilium.extend(policies);
            }
            Kind::NetworkPolicy => {
                let object = typed(kind, document, seen)?;
                let policy = network_policy::read(document, &object, pending)?;
                manifests.network_policies.push(policy);
            }
            Kind::PeerAuthentication => {
                let policy = istio::read_peer(document, typed(kind, document, seen)?, pending)?;
                manifests.peer_authentications.push(policy);
            }
            // Read on their own.
            Kind::Pods(_) | Kind::Namespace | Kind::ServiceAccount | Kind::Service => {}
            Kind::AuthorizationPolicy => {
                let object = typed(kind, document, seen)?;
                let policy = istio::read_authorization(document, object, pending)?;
                manifests.authorization_policies.push(policy);
            }
            Kind::RequestAuthentication => {
                let policy = istio_tokens::read_request(document, typed(kind, document, seen)?, pending)?;
                manifests.request_authentications.push(policy);
            }
        }
        Ok(())
    }
}

/// What null means in an object: built-in kinds are in groups without a dot or of `k8s.io`, the others are custom resources.
fn nulls(api_version: &str) -> Nulls {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    match !group.contains('.') || group.ends_with(".k8s.io") {
        true => Nulls::Zero,
        false => Nulls::Absent,
    }
}

/// Reads an object of a kind with all its keys typed, and refuses a second one of that name.
fn typed<S: DeserializeOwned>(
    kind: Kind,
    document: &Document<'_>,
    seen: &mut BTreeMap<(Kind, String, String), Place>,
) -> Result<Object<S>, InputError> {
    let object: Object<S> = document.parse_explaining(|key| refused::why_refused(kind, key))?;
    remember(kind, document, &object.metadata, seen)?;
    Ok(object)
}

fn remember(
    kind: Kind,
    document: &Document<'_>,
    meta: &object::Metadata,
    seen: &mut BTreeMap<(Kind, String, String), Place>,
) -> Result<(), InputError> {
    meta.check(document)?;
    // A Namespace is in no namespace, a clusterwide policy neither.
    let namespace = match kind {
        Kind::Namespace | Kind::CiliumClusterwideNetworkPolicy => String::new(),
        _ => meta.namespace(),
    };
    let (name, place) = (meta.name.value.clone(), document.place(&meta.name));
    if let Some(first) = seen.get(&(kind, namespace.clone(), name.clone())) {
        let message = format!("{kind:?} `{name}` is written twice");
        return Err(place.error(message).with_hint(format!("the first is at {first}")));
    }
    seen.insert((kind, namespace, name), place);
    Ok(())
}
