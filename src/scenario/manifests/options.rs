//! How a folder is read, and what lenient reading passes over.
//!
//! Belongs here: plain data. Does not belong here: the reading.

use super::ROOT_NAMESPACE;
use crate::policy::Subject;
use crate::policy::labels::LabelSelector;
use crate::scenario::error::Place;

/// What a folder is read for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Purpose {
    /// To be simulated: of the same folder, also what decides number, start and placement of pods.
    #[default]
    Simulate,
    /// To be asked who may talk to whom.
    Policy,
}

/// How a folder is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// What for.
    pub purpose: Purpose,
    /// What is not evaluated is a warning, and the verdicts that it may change are unknown
    /// ([`Manifests::unknown`](super::Manifests::unknown), [`EndpointManifest::doubts`](super::EndpointManifest::doubts)); a run
    /// goes without it.
    pub lenient: bool,
}

/// A policy, or something that acts as one, that was passed over in lenient reading: the verdicts of everything that it
/// may concern are unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// Its `apiVersion`.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace; none means that it may concern every namespace.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// The pods of the namespace that it may concern; none means all of them.
    pub selector: Option<LabelSelector>,
    /// Whose verdicts it may change.
    pub layer: Layer,
    /// Whether pods are meant as clients or as servers.
    pub side: Side,
    /// Where it is written.
    pub place: Place,
    /// What is not evaluated in it, with place and reason.
    pub why: String,
}

/// Which layer something acts on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Layer {
    /// The network, the mesh, or both: not known.
    #[default]
    Any,
    /// The network.
    Network,
    /// The mesh.
    Mesh,
}

impl Layer {
    /// The layer of a kind of the API group.
    pub(super) fn of_group(group: &str) -> Self {
        match group {
            "networking.k8s.io" | "policy.networking.k8s.io" | "cilium.io" => Self::Network,
            "crd.projectcalico.org" | "projectcalico.org" | "crd.antrea.io" => Self::Network,
            "k8s.ovn.org" | "network.openshift.io" => Self::Network,
            _ if group.ends_with("istio.io") => Self::Mesh,
            _ => Self::Any,
        }
    }
}

/// Which end of a connection something is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Side {
    /// Either of them.
    #[default]
    Either,
    /// The client.
    Client,
    /// The server.
    Server,
}

impl Unknown {
    /// Whether it may concern these pods on this side.
    pub fn may_concern(&self, subject: &Subject, side: Side) -> bool {
        if self.side != side && self.side != Side::Either && side != Side::Either {
            return false;
        }
        let namespace = self.namespace.as_ref();
        let in_reach = namespace.is_none_or(|n| *n == subject.namespace || n == ROOT_NAMESPACE);
        in_reach && self.selector.as_ref().is_none_or(|s| s.matches(&subject.labels))
    }
}
