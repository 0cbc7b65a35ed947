//! PeerAuthentication: which mutual TLS mode a workload's port accepts.
//!
//! Belongs here: inheritance mesh, namespace, workload, port. Does not belong here: certificates and their expiry
//! (`cluster::istio`), and what a client sends (`client`).

use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;

use super::super::labels::{LabelSelector, Labels};
use super::super::{Origin, PolicyError, Subject};
use super::truth::Truth;

/// Mutual TLS mode of a server (istio/api `security/v1beta1/peer_authentication.proto`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum MtlsMode {
    /// Inherit from the next wider scope.
    #[default]
    Unset,
    /// Plain text only.
    Disable,
    /// Both; the default.
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
    /// `metadata.creationTimestamp` as the API server writes it (UTC), so that the order of texts is the order of times.
    pub created: Option<String>,
    /// Where it was read; without it kind, namespace and name stand in reasons.
    pub origin: Option<Arc<Origin>>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Modes {
    policies: Vec<(Arc<Origin>, PeerAuthentication)>,
    /// Those without a selector, and those with one, by namespace.
    general: BTreeMap<String, Vec<u32>>,
    selecting: BTreeMap<String, Vec<u32>>,
    root_namespace: String,
}

/// What a port takes. Unknown where two policies contradict each other and nothing states which one is older.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accepts {
    pub plain_text: Truth,
    pub mutual_tls: Truth,
    /// The deciding policy.
    pub policy: Option<u32>,
}

#[derive(Debug, Clone)]
pub(super) struct PortModes {
    default: Accepts,
    ports: SmallVec<[(u16, Accepts); 2]>,
}

/// One candidate for each scope.
#[derive(Debug, Clone, Copy)]
struct Chain {
    mesh: Option<u32>,
    namespace: Option<u32>,
    workload: Option<u32>,
}

impl Modes {
    pub(super) fn new(policies: Vec<PeerAuthentication>, root_namespace: &str) -> Self {
        let mut modes = Self {
            root_namespace: root_namespace.to_owned(),
            ..Self::default()
        };
        for (index, policy) in (0..).zip(policies) {
            let by_scope = match policy.selector.is_empty() {
                true => &mut modes.general,
                false => &mut modes.selecting,
            };
            by_scope.entry(policy.namespace.clone()).or_default().push(index);
            let named = || Origin::named(format!("PeerAuthentication {}/{}", policy.namespace, policy.name));
            let origin = policy.origin.clone().unwrap_or_else(|| Arc::new(named()));
            modes.policies.push((origin, policy));
        }
        modes
    }

    pub(super) fn origin(&self, policy: u32) -> &Arc<Origin> {
        &self.policies[policy as usize].0
    }

    pub(super) fn root_namespace(&self) -> &str {
        &self.root_namespace
    }

    /// Whether clients use mutual TLS to the Services of a namespace, as its own policy or that of the mesh says it without
    /// looking at workloads (Istio `pilot/pkg/model/authentication.go`, `GetNamespaceMutualTLSMode`).
    pub(super) fn of_namespace(&self, namespace: &str) -> Truth {
        let chains = self.chains_in(namespace, None);
        let mut answers = chains
            .iter()
            .map(|chain| Truth::from(self.mode_of(*chain, None).0 != MtlsMode::Disable));
        let first = answers.next().unwrap_or(Truth::True);
        if answers.all(|other| other == first) {
            first
        } else {
            Truth::Unknown
        }
    }

    /// Modes of all ports of a workload with a sidecar, also of those that no Service names
    /// (`pilot/pkg/security/authn/policy_applier.go`, `PortLevelSetting`, for the passthrough listeners).
    pub(super) fn of_sidecar(&self, to: &Subject) -> PortModes {
        self.port_modes(&self.chains(to), |chain, port| {
            let (mode, policy) = self.mode_of(chain, port);
            Accepts {
                plain_text: Truth::from(mode != MtlsMode::Strict),
                mutual_tls: Truth::from(mode != MtlsMode::Disable),
                policy,
            }
        })
    }

    /// Modes of all ports of a workload behind ztunnel. It always takes mutual TLS, so that DISABLE means PERMISSIVE.
    /// Where the workload's own mode is unset, the port's is DISABLE and the wider scope is STRICT, Istio lets the port out
    /// only beside one that is PERMISSIVE (`pilot/pkg/serviceregistry/ambient/authorization.go`,
    /// `convertedSelectorPeerAuthentications`).
    pub(super) fn of_ztunnel(&self, to: &Subject) -> PortModes {
        self.port_modes(&self.chains(to), |chain, port| {
            let (mut mode, policy) = self.mode_of(chain, port);
            let workload = chain.workload.map(|index| &self.policies[index as usize].1);
            if let Some(workload) = workload
                && workload.mode == MtlsMode::Unset
                && mode == MtlsMode::Disable
                && self.mode_of(chain, None).0 == MtlsMode::Strict
                && !workload.port_modes.values().any(|port| *port == MtlsMode::Permissive)
            {
                mode = MtlsMode::Strict;
            }
            Accepts {
                plain_text: Truth::from(mode != MtlsMode::Strict),
                mutual_tls: Truth::True,
                policy,
            }
        })
    }

    fn port_modes(&self, chains: &[Chain], accepts: impl Fn(Chain, Option<u16>) -> Accepts) -> PortModes {
        let merged = |port: Option<u16>| {
            let mut all = chains.iter().map(|chain| accepts(*chain, port));
            // There is always a chain.
            let first = all.next().unwrap_or(PortModes::ANYTHING.default);
            all.fold(first, |a, b| {
                let merge = |a: Truth, b: Truth| if a == b { a } else { Truth::Unknown };
                Accepts {
                    plain_text: merge(a.plain_text, b.plain_text),
                    mutual_tls: merge(a.mutual_tls, b.mutual_tls),
                    policy: a.policy.or(b.policy),
                }
            })
        };
        let workloads = chains.iter().filter_map(|chain| chain.workload);
        let mut ports: SmallVec<[u16; 2]> = workloads
            .flat_map(|index| self.policies[index as usize].1.port_modes.keys().copied())
            .collect();
        ports.sort_unstable();
        ports.dedup();
        PortModes {
            default: merged(None),
            ports: ports.into_iter().map(|port| (port, merged(Some(port)))).collect(),
        }
    }

    /// Mode of one port. Workload beats namespace beats mesh, and the port its workload; a policy with a selector in the root
    /// namespace is ignored; the default is permissive (Istio `pilot/pkg/security/authn/policy_applier.go`,
    /// `ComposePeerAuthentication`). Of several candidates for one scope the first counts.
    fn mode_of(&self, chain: Chain, port: Option<u16>) -> (MtlsMode, Option<u32>) {
        let policy = |index: u32| &self.policies[index as usize].1;
        let mut result = (MtlsMode::Permissive, None);
        for index in [chain.mesh, chain.namespace, chain.workload].into_iter().flatten() {
            if policy(index).mode != MtlsMode::Unset {
                result = (policy(index).mode, Some(index));
            }
        }
        let of_port = |index: u32| Some((*policy(index).port_modes.get(&port?)?, Some(index)));
        match chain.workload.and_then(of_port) {
            Some(own) if own.0 != MtlsMode::Unset => own,
            _ => result,
        }
    }

    /// The mode of one port where the policies of each scope are clear.
    #[cfg(test)]
    pub(super) fn mode(&self, to: &Subject, port: u16) -> MtlsMode {
        self.mode_of(self.chains(to)[0], Some(port)).0
    }

    /// The candidates of each scope, combined: one chain where everything is clear.
    fn chains(&self, to: &Subject) -> SmallVec<[Chain; 1]> {
        self.chains_in(&to.namespace, Some(&to.labels))
    }

    /// The same for these labels; without any, of no workload.
    fn chains_in(&self, namespace: &str, labels: Option<&Labels>) -> SmallVec<[Chain; 1]> {
        let none: &[u32] = &[];
        let of = |map: &'_ BTreeMap<String, Vec<u32>>, namespace: &str| -> SmallVec<[u32; 4]> {
            map.get(namespace).map_or(none, Vec::as_slice).iter().copied().collect()
        };
        let in_root = namespace == self.root_namespace;
        let mesh = self.oldest(of(&self.general, &self.root_namespace));
        let (namespace, workload) = match in_root {
            true => (SmallVec::new(), SmallVec::new()),
            false => {
                let mut selecting = match labels {
                    Some(_) => of(&self.selecting, namespace),
                    None => SmallVec::new(),
                };
                let selects = |index: &mut u32| {
                    let selector = &self.policies[*index as usize].1.selector;
                    labels.is_some_and(|labels| selector.matches(labels))
                };
                selecting.retain(selects);
                (of(&self.general, namespace), selecting)
            }
        };
        let (namespace, workload) = (self.oldest(namespace), self.oldest(workload));
        let mut chains = SmallVec::new();
        for mesh in &mesh {
            for namespace in &namespace {
                for workload in &workload {
                    chains.push(Chain {
                        mesh: *mesh,
                        namespace: *namespace,
                        workload: *workload,
                    });
                }
            }
        }
        chains
    }

    /// The oldest of the candidates, of equally old ones the first by name (`sortConfigByCreationTime` in Istio
    /// `pilot/pkg/model/push_context.go`); all of them if one has no time; none as one candidate if there is none.
    fn oldest(&self, candidates: SmallVec<[u32; 4]>) -> SmallVec<[Option<u32>; 1]> {
        let age = |index: &u32| {
            let policy = &self.policies[*index as usize].1;
            (
                policy.created.as_deref(),
                format!("{}.{}", policy.name, policy.namespace),
            )
        };
        let dated = |index: &u32| self.policies[*index as usize].1.created.is_some();
        match candidates.as_slice() {
            [] => SmallVec::from_elem(None, 1),
            [_] => candidates.iter().copied().map(Some).collect(),
            _ if candidates.iter().all(dated) => {
                let oldest = candidates.iter().copied().min_by_key(age);
                SmallVec::from_elem(oldest, 1)
            }
            _ => candidates.iter().copied().map(Some).collect(),
        }
    }

    /// Two policies of one scope of which nothing states which one is older, although they differ.
    pub(super) fn ambiguous(&self) -> Option<&Arc<Origin>> {
        let same_scope = |a: &PeerAuthentication, b: &PeerAuthentication| {
            a.namespace == b.namespace
                && (a.created.is_none() || b.created.is_none())
                && (&a.mode, &a.port_modes) != (&b.mode, &b.port_modes)
                && (a.selector.is_empty() == b.selector.is_empty())
        };
        let mut later = (1..self.policies.len()).filter(|index| {
            let (earlier, rest) = self.policies.split_at(*index);
            earlier.iter().any(|(_, policy)| same_scope(policy, &rest[0].1))
        });
        later.next().map(|index| &self.policies[index].0)
    }
}

impl PortModes {
    /// Of a proxy that PeerAuthentication does not govern.
    pub(super) const ANYTHING: Self = Self {
        default: Accepts {
            plain_text: Truth::True,
            mutual_tls: Truth::True,
            policy: None,
        },
        ports: SmallVec::new_const(),
    };

    pub(super) fn of(&self, port: u16) -> Accepts {
        let own = self.ports.iter().find(|(known, _)| *known == port);
        own.map_or(self.default, |(_, accepts)| *accepts)
    }
}
