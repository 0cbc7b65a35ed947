//! Evaluation of Istio's PeerAuthentication and AuthorizationPolicy at the server's sidecar.
//!
//! Belongs here: the question "may this request, with this principal, pass?" (`istio.md` section 6). Does not belong
//! here: which certificate a pod holds, which policy a proxy has received, and whether the workload has a proxy at
//! all; the caller knows those.

pub mod authorization;
pub mod matching;
pub mod peer_authentication;

#[cfg(test)]
mod tests;

use super::{Decision, Subject, Verdict};
pub use authorization::{Action, AuthorizationPolicy, Condition, Operation, Rule, ServiceAccountRef, Source};
pub use matching::StringMatch;
pub use peer_authentication::{MtlsMode, PeerAuthentication};

/// A request as the server's sidecar sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// Port of the workload (after Service mapping).
    pub port: u16,
    /// HTTP method; none means plain TCP.
    pub method: Option<&'a str>,
    /// HTTP path; a query string is ignored.
    pub path: Option<&'a str>,
    /// HTTP host (`:authority`).
    pub host: Option<&'a str>,
}

impl Request<'_> {
    /// Whether this is HTTP; plain TCP has no method.
    pub fn is_http(&self) -> bool {
        self.method.is_some()
    }
}

/// All Istio security policies of a mesh, ready to be asked.
#[derive(Debug, Clone, Default)]
pub struct MeshPolicies {
    modes: peer_authentication::Modes,
    authorization: authorization::Authorization,
}

impl MeshPolicies {
    /// Prepares the policies. Of two PeerAuthentications with the same scope the first wins, so give them in the
    /// order of their age. `root_namespace` is usually `istio-system`, `trust_domain` `cluster.local`
    /// (istio/api `mesh/v1alpha1/config.proto`).
    pub fn new(
        peer_authentications: Vec<PeerAuthentication>,
        authorization_policies: Vec<AuthorizationPolicy>,
        root_namespace: &str,
        trust_domain: &str,
    ) -> Self {
        Self {
            modes: peer_authentication::Modes::new(peer_authentications, root_namespace),
            authorization: authorization::Authorization::new(authorization_policies, root_namespace, trust_domain),
        }
    }

    /// The mutual TLS mode that a port of the workload accepts; never [`MtlsMode::Unset`].
    pub fn mtls_mode(&self, to: &Subject, port: u16) -> MtlsMode {
        self.modes.mode(to, port).0
    }

    /// May a request with this principal pass? `principal` is `cluster.local/ns/default/sa/sleep-v1`, without
    /// `spiffe://`; none means plain text. A port whose mode is DISABLE speaks no TLS, so no principal reaches its
    /// policies.
    pub fn request(&self, to: &Subject, principal: Option<&str>, request: &Request<'_>) -> Verdict {
        let (mode, policy) = self.modes.mode(to, request.port);
        let principal = match (mode, principal) {
            (MtlsMode::Strict, None) => {
                let text = "mutual TLS is required and the client has no certificate";
                return Verdict::new(Decision::Deny, policy, None, text);
            }
            (MtlsMode::Disable, _) => None,
            (MtlsMode::Strict | MtlsMode::Permissive | MtlsMode::Unset, principal) => principal,
        };
        self.authorization.decide(to, principal, request)
    }
}
