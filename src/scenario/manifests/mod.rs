//! Strict reading of a folder of Kubernetes manifests.
//!
//! Belongs here: the result types and the way from a folder to them. Every key that is interpreted is typed; every key
//! that is unknown, or known but not evaluated although it would change an answer, is an error with its place. Does not
//! belong here: YAML itself (`scenario::yaml`) and evaluation (`policy`).

mod checks;
mod cilium;
mod istio;
mod object;
mod refused;
mod service;
mod workload;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::error::{InputError, Place};
use super::yaml::{self, Document, Strings};
use crate::policy::Protocol;
use crate::policy::cilium::{CiliumNetworkPolicy, CiliumPolicies};
use crate::policy::istio::{AuthorizationPolicy, MeshPolicies, PeerAuthentication};
use crate::policy::labels::{LabelSelector, Labels};
use crate::policy::{Subject, labels};
use checks::Pending;
use object::{Header, Object, check_keys};
use refused::{Class, Kind};
pub use workload::IGNORES_SIGTERM;

/// Istio's root namespace, whose policies reach every namespace (istio/api `mesh/v1alpha1/config.proto`, default).
pub const ROOT_NAMESPACE: &str = "istio-system";

/// Something read and where it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// What was read.
    pub item: T,
    /// Where its name is written.
    pub place: Place,
}

/// A count or a share of the replicas (Kubernetes `intstr.IntOrString` of a rollout).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountOrPercent {
    /// That many pods.
    Count(u32),
    /// That share of the replicas [%].
    Percent(u32),
}

impl CountOrPercent {
    /// Whether this is 0 or 0 %.
    pub fn is_zero(self) -> bool {
        matches!(self, Self::Count(0) | Self::Percent(0))
    }

    fn of(self, replicas: u32, round_up: bool) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                let product = u64::from(replicas) * u64::from(percent);
                let rounded = if round_up { product.div_ceil(100) } else { product / 100 };
                u32::try_from(rounded).unwrap_or(u32::MAX)
            }
        }
    }
}

/// A Deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// Name of the Deployment.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// What its pods truly are.
    pub subject: Subject,
    /// Wished number of pods; 1 where none is written.
    pub replicas: u32,
    /// `terminationGracePeriodSeconds` \[s\]; 30 where none is written.
    pub grace_period_s: u64,
    /// Required anti-affinity per hostname, against pods of the own namespace.
    pub anti_affinity: Vec<LabelSelector>,
    /// `maxSurge` of a rolling update; 25 % where none is written.
    pub max_surge: CountOrPercent,
    /// `maxUnavailable` of a rolling update; 25 % where none is written.
    pub max_unavailable: CountOrPercent,
    /// `progressDeadlineSeconds` \[s\]; 600 where none is written.
    pub progress_deadline_s: u64,
    /// Declared container ports, each once, in the order written.
    pub container_ports: Vec<u16>,
    /// Names of container ports.
    pub port_names: BTreeMap<String, u16>,
    /// Number of containers, without an injected sidecar.
    pub containers: u32,
    /// Annotation [`IGNORES_SIGTERM`] of the pod template.
    pub ignores_sigterm: bool,
    /// Whether a sidecar is injected.
    pub injected: bool,
    /// The lowest port to which a Service forwards HTTP.
    pub http_port: Option<u16>,
    /// Where its name is written.
    pub place: Place,
}

impl Workload {
    /// Pods above and below the wished number that a rollout may have: the surge is rounded up, the unavailable ones
    /// down, and if both come to 0 one may be unavailable (Kubernetes `deployment/util`, `ResolveFenceposts`).
    pub fn rollout_limits(&self) -> (u32, u32) {
        let surge = self.max_surge.of(self.replicas, true);
        let unavailable = self.max_unavailable.of(self.replicas, false);
        (surge, if surge == 0 { unavailable.max(1) } else { unavailable })
    }
}

/// One port of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePort {
    /// Name, if it has one.
    pub name: Option<String>,
    /// Port that clients call.
    pub port: u16,
    /// Port of the pod; names are looked up.
    pub target_port: u16,
    /// Protocol.
    pub protocol: Protocol,
    /// Whether Istio treats it as HTTP.
    pub http: bool,
}

/// A Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceManifest {
    /// Name of the Service.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Labels of the pods behind it; never empty.
    pub selector: Labels,
    /// Its ports; never empty.
    pub ports: Vec<ServicePort>,
    /// Where its name is written.
    pub place: Place,
}

impl ServiceManifest {
    /// Whether the pods of a workload are behind this Service.
    pub fn selects(&self, workload: &Workload) -> bool {
        let labels: &labels::Labels = &workload.subject.labels;
        let mut wanted = self.selector.0.iter();
        self.namespace == workload.namespace && wanted.all(|(k, v)| labels.get(k) == Some(v))
    }
}

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
    /// `kind` as written; empty for a file that is no object.
    pub kind: String,
    /// Name of the object; empty if it has none.
    pub name: String,
}

/// Everything that a folder of manifests says, in the order of files and documents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifests {
    /// Deployments.
    pub workloads: Vec<Workload>,
    /// Services.
    pub services: Vec<ServiceManifest>,
    /// ServiceAccounts.
    pub service_accounts: Vec<ServiceAccount>,
    /// Namespaces.
    pub namespaces: Vec<Namespace>,
    /// CiliumNetworkPolicies.
    pub cilium: Vec<Located<CiliumNetworkPolicy>>,
    /// PeerAuthentications.
    pub peer_authentications: Vec<Located<PeerAuthentication>>,
    /// AuthorizationPolicies.
    pub authorization_policies: Vec<Located<AuthorizationPolicy>>,
    /// Objects without influence.
    pub skipped: Vec<Skipped>,
    /// What looks like a mistake but has a meaning; each with its place.
    pub warnings: Vec<String>,
}

impl Manifests {
    /// The network's policies, ready to be asked.
    pub fn cilium_policies(&self) -> CiliumPolicies {
        CiliumPolicies::new(self.cilium.iter().map(|p| p.item.clone()).collect())
    }

    /// The mesh's policies, ready to be asked; the root namespace is [`ROOT_NAMESPACE`].
    pub fn mesh_policies(&self, trust_domain: &str) -> MeshPolicies {
        let peers = self.peer_authentications.iter().map(|p| p.item.clone());
        let rules = self.authorization_policies.iter().map(|p| p.item.clone());
        MeshPolicies::new(peers.collect(), rules.collect(), ROOT_NAMESPACE, trust_domain)
    }

    /// The workload of that name.
    pub fn workload(&self, namespace: &str, name: &str) -> Option<&Workload> {
        let mut workloads = self.workloads.iter();
        workloads.find(|w| w.namespace == namespace && w.name == name)
    }
}

/// Reads all `*.yaml`, `*.yml` and `*.json` files of a folder (not of its subfolders) in the order of their names.
pub fn read_folder(folder: &Path) -> Result<Manifests, InputError> {
    let unreadable = |error: std::io::Error| InputError::in_file(folder, format!("the folder cannot be read: {error}"));
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let extension = path.extension().and_then(|e| e.to_str());
        if path.is_file() && matches!(extension, Some("yaml" | "yml" | "json")) {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        let error = InputError::in_file(folder, "no manifest in this folder");
        return Err(error.with_hint("files end in .yaml, .yml or .json"));
    }
    let texts = files
        .into_iter()
        .map(|file| Ok((yaml::read_text(&file)?, file)).map(|(text, file)| (file, text)));
    read_texts(&texts.collect::<Result<Vec<_>, InputError>>()?)
}

/// As [`read_folder`], from files that have been read already.
pub fn read_texts<T: AsRef<str>>(files: &[(PathBuf, T)]) -> Result<Manifests, InputError> {
    let mut reader = Reader::default();
    for (file, text) in files {
        reader.file(file, text.as_ref())?;
    }
    checks::finish(reader.manifests, reader.pending)
}

/// State while the files of a folder are read.
#[derive(Default)]
struct Reader {
    manifests: Manifests,
    pending: Pending,
    seen: BTreeMap<(Kind, String, String), Place>,
}

impl Reader {
    fn file(&mut self, file: &Path, text: &str) -> Result<(), InputError> {
        let documents = yaml::documents(file, text, Strings::Quoted)?;
        if documents.is_empty() {
            let place = Place {
                file: file.to_owned(),
                line: 1,
                column: 1,
            };
            return Err(place.error("no Kubernetes object in this file"));
        }
        documents.iter().try_for_each(|d| self.document(d))
    }

    fn document(&mut self, document: &Document<'_>) -> Result<(), InputError> {
        let header: Header = document.lenient().parse()?;
        let (name, namespace) = header.metadata.map_or((None, None), |m| (m.name, m.namespace));
        let name = name.unwrap_or_default();
        let skip = |kind: &str| Skipped {
            file: document.file().to_owned(),
            kind: kind.to_owned(),
            name: name.clone(),
        };
        let is_json = document.file().extension().is_some_and(|e| e == "json");
        let (api_version, kind) = match (&header.api_version, &header.kind) {
            (Some(api_version), Some(kind)) => (api_version, kind),
            (None, None) if is_json => {
                self.manifests.skipped.push(skip(""));
                return Ok(());
            }
            (Some(other), None) => {
                return Err(document.error(other, "key `kind` is missing"));
            }
            (None, Some(other)) => {
                return Err(document.error(other, "key `apiVersion` is missing"));
            }
            (None, None) => {
                let start = document.start();
                return Err(start.error("keys `apiVersion` and `kind` are missing"));
            }
        };
        match refused::classify(&api_version.value, &kind.value) {
            Class::Known(known) => {
                if let Some(namespace) = namespace.filter(|_| known != Kind::Namespace) {
                    let place = document.place(&namespace);
                    self.pending.namespaces.push((namespace.value, place));
                }
                self.object(known, document)
            }
            Class::Refused(why) => {
                let message = format!("kind `{}` is not modelled", kind.value);
                Err(document.error(kind, message).with_hint(why))
            }
            Class::Version(versions) => {
                let message = format!("`{}` of `{}` is not read", api_version.value, kind.value);
                let hint = format!("versions that are: {}", versions.join(", "));
                Err(document.error(api_version, message).with_hint(hint))
            }
            Class::Unknown => {
                let message = format!("unknown kind `{}`", kind.value);
                let error = document.error(kind, message);
                Err(error.with_candidates(&kind.value, refused::known_kinds()))
            }
            Class::Skipped => {
                self.manifests.skipped.push(skip(&kind.value));
                Ok(())
            }
        }
    }

    fn object(&mut self, kind: Kind, document: &Document<'_>) -> Result<(), InputError> {
        let (manifests, pending) = (&mut self.manifests, &mut self.pending);
        let seen = &mut self.seen;
        match kind {
            Kind::Namespace => {
                let object: Object<yaml::Anything> = typed(kind, document, seen)?;
                check_keys(document, &object.metadata.labels, &[])?;
                check_keys(document, &object.metadata.annotations, &[])?;
                manifests.namespaces.push(Namespace {
                    name: object.metadata.name.value.clone(),
                    labels: object::labels(&object.metadata.labels),
                    place: document.place(&object.metadata.name),
                });
            }
            Kind::ServiceAccount => {
                let account: object::Account = document.parse_explaining(|_| None)?;
                remember(kind, document, &account.metadata, seen)?;
                manifests.service_accounts.push(ServiceAccount {
                    namespace: account.metadata.namespace(),
                    place: document.place(&account.metadata.name),
                    name: account.metadata.name.value,
                });
            }
            Kind::Service => {
                let draft = service::read(document, typed(kind, document, seen)?)?;
                pending.services.push(draft);
            }
            Kind::Deployment => {
                let draft = workload::read(document, typed(kind, document, seen)?)?;
                pending.workloads.push(draft);
            }
            Kind::CiliumNetworkPolicy => {
                let policy = cilium::read(document, typed(kind, document, seen)?, pending)?;
                manifests.cilium.push(policy);
            }
            Kind::PeerAuthentication => {
                let policy = istio::read_peer(document, typed(kind, document, seen)?, pending)?;
                manifests.peer_authentications.push(policy);
            }
            Kind::AuthorizationPolicy => {
                let object = typed(kind, document, seen)?;
                let policy = istio::read_authorization(document, object, pending)?;
                manifests.authorization_policies.push(policy);
            }
        }
        Ok(())
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
    // A Namespace is in no namespace.
    let namespace = match kind {
        Kind::Namespace => String::new(),
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
