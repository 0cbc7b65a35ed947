//! PeerAuthentication: which mutual TLS mode a workload's port accepts.
//!
//! Belongs here: inheritance mesh, namespace, workload, port. Does not belong here: certificates and their expiry
//! (`cluster::istio`), and what a client sends (auto mTLS).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::labels::LabelSelector;
use super::super::{PolicyError, Subject};

/// Mutual TLS mode of a server (istio/api `security/v1beta1/peer_authentication.proto`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MtlsMode {
    /// Inherit from the next wider scope.
    #[default]
    Unset,
    /// Plain text only.
    Disable,
    /// Both; what holds when nobody says anything.
    Permissive,
    /// Only mutual TLS; plain text is reset.
    Strict,
}

impl MtlsMode {
    /// The names that stand in a manifest.
    pub const NAMES: [&'static str; 4] = ["UNSET", "DISABLE", "PERMISSIVE", "STRICT"];

    /// Reads the name of a mode.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        Ok(match text {
            "UNSET" => Self::Unset,
            "DISABLE" => Self::Disable,
            "PERMISSIVE" => Self::Permissive,
            "STRICT" => Self::Strict,
            _ => {
                return Err(PolicyError::Invalid {
                    what: "mutual TLS mode",
                    value: text.to_owned(),
                    hint: "known: STRICT, PERMISSIVE, DISABLE, UNSET",
                });
            }
        })
    }
}

/// The evaluated part of a PeerAuthentication (same proto).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeerAuthentication {
    /// Namespace of the policy; the root namespace means the whole mesh.
    pub namespace: String,
    /// Name of the policy.
    pub name: String,
    /// Labels of the workloads it applies to; empty means the whole namespace or mesh.
    pub selector: LabelSelector,
    /// `mtls.mode`.
    pub mode: MtlsMode,
    /// `portLevelMtls`: mode per port of the workload.
    pub port_modes: BTreeMap<u16, MtlsMode>,
}

/// Prepared policies in the order of their age.
#[derive(Debug, Clone, Default)]
pub(super) struct Modes {
    policies: Vec<(Arc<str>, PeerAuthentication)>,
    root_namespace: String,
}

impl Modes {
    pub(super) fn new(policies: Vec<PeerAuthentication>, root_namespace: &str) -> Self {
        let label =
            |p: &PeerAuthentication| -> Arc<str> { format!("PeerAuthentication {}/{}", p.namespace, p.name).into() };
        Self {
            policies: policies.into_iter().map(|p| (label(&p), p)).collect(),
            root_namespace: root_namespace.to_owned(),
        }
    }

    /// Mode of one port and the policy that set it. Workload beats namespace beats mesh; the first of two with
    /// the same scope wins; a policy with a selector in the root namespace is ignored; the default is permissive
    /// (Istio `pilot/pkg/security/authn/policy_applier.go`, `ComposePeerAuthentication`).
    pub(super) fn mode(&self, to: &Subject, port: u16) -> (MtlsMode, Option<&Arc<str>>) {
        let first =
            |wanted: &dyn Fn(&PeerAuthentication) -> bool| self.policies.iter().find(|(_, policy)| wanted(policy));
        let mesh = first(&|p| p.namespace == self.root_namespace && p.selector.is_empty());
        let namespace =
            first(&|p| p.namespace == to.namespace && p.namespace != self.root_namespace && p.selector.is_empty());
        let workload = first(&|p| {
            p.namespace == to.namespace
                && p.namespace != self.root_namespace
                && !p.selector.is_empty()
                && p.selector.matches(&to.labels)
        });
        let mut mode = (MtlsMode::Permissive, None);
        for (label, policy) in [mesh, namespace, workload].into_iter().flatten() {
            if policy.mode != MtlsMode::Unset {
                mode = (policy.mode, Some(label));
            }
        }
        if let Some((label, policy)) = workload
            && let Some(port_mode) = policy.port_modes.get(&port)
            && *port_mode != MtlsMode::Unset
        {
            mode = (*port_mode, Some(label));
        }
        mode
    }
}
