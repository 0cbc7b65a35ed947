//! Evaluation of Istio's security policies at the destination's proxy: PeerAuthentication, RequestAuthentication,
//! AuthorizationPolicy; at sidecars, ztunnel and waypoints.
//!
//! Belongs here: the question "may this request, with this principal, pass?" (`docs/model/istio.md#authorization`) and what it is
//! asked of. Does not belong here: which certificate a pod holds, and which policy a proxy has received; the caller knows
//! those.
//!
//! From a written policy to a verdict: `translate` makes of every rule what Envoy (for HTTP and for TCP) and ztunnel make of
//! it; `engine` holds those rules; `selection` states which of them a proxy has, once for all workloads with equal labels
//! ([`Server`]); what depends on the client's certificate is evaluated once for each principal ([`Client`]). A verdict is then
//! an intersection of bit sets and the evaluation of the few rules that are left, in three values ([`Decision`]).

mod arrival;
pub mod authorization;
mod client;
pub mod conditions;
mod destination_rule;
mod engine;
mod expression;
mod facts;
mod identity;
pub mod matching;
mod path;
pub mod peer_authentication;
mod protocol;
pub mod request_authentication;
mod scope;
mod selection;
mod server;
mod simulation;
mod translate;
mod truth;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::{Decision, Endpoint, Origin, Subject, Verdict};
pub use arrival::Arrival;
pub use authorization::{
    Action, AddressBlock, AuthorizationPolicy, Condition, Operation, Rule, ServiceAccountRef, Source, TargetKind,
    TargetRef,
};
pub use client::{ClientTls, Possible, Towards};
pub use conditions::When;
pub use destination_rule::{DestinationRule, TlsMode, TrafficTls};
use engine::{ClientBits, Engine};
pub use facts::Question;
pub use matching::{PathMatch, PathTemplate, StringMatch};
pub use peer_authentication::{MtlsMode, PeerAuthentication};
pub use protocol::PortProtocol;
pub use request_authentication::{RequestAuthentication, TokenRule};
pub use scope::SidecarScope;
use selection::Selection;
pub use selection::Waypoint;
pub use server::Server;
pub use simulation::Request;
use translate::Dialect;

/// Settings of the mesh (istio/api `mesh/v1alpha1/config.proto`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeshOptions {
    /// Namespace whose policies reach every namespace.
    pub root_namespace: String,
    /// Trust domain of the mesh's certificates.
    pub trust_domain: String,
    /// Further names of the trust domain.
    pub trust_domain_aliases: Vec<String>,
}

impl Default for MeshOptions {
    fn default() -> Self {
        Self {
            root_namespace: "istio-system".to_owned(),
            trust_domain: "cluster.local".to_owned(),
            trust_domain_aliases: Vec::new(),
        }
    }
}

/// All Istio security policies of a mesh as they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MeshParts {
    /// Which mutual TLS modes ports accept.
    pub peer_authentications: Vec<PeerAuthentication>,
    /// Where tokens are looked for.
    pub request_authentications: Vec<RequestAuthentication>,
    /// Who may do what.
    pub authorization_policies: Vec<AuthorizationPolicy>,
    /// How clients call Services.
    pub destination_rules: Vec<DestinationRule>,
    /// Which Services clients know.
    pub sidecar_scopes: Vec<SidecarScope>,
}

/// All Istio security policies of a mesh, ready to be asked.
#[derive(Debug, Clone, Default)]
pub struct MeshPolicies {
    modes: peer_authentication::Modes,
    destination_rules: destination_rule::Rules,
    sidecar_scopes: Vec<SidecarScope>,
    tokens: Vec<RequestAuthentication>,
    token_selection: Selection,
    policies: Vec<AuthorizationPolicy>,
    origins: Vec<Arc<Origin>>,
    selection: Selection,
    engines: [Engine; 3],
    plain_text: Client,
}

/// A client's certificate, or that it has none, with everything evaluated that depends on it.
#[derive(Debug, Clone, Default)]
pub struct Client {
    is_plain_text: bool,
    bits: [ClientBits; 3],
}

impl MeshPolicies {
    /// Prepares the policies; the order of AuthorizationPolicies is the order in which they are named as reasons.
    pub fn of_parts(parts: MeshParts, options: &MeshOptions) -> Self {
        let root = options.root_namespace.as_str();
        let mut domains = vec![options.trust_domain.clone()];
        domains.extend_from_slice(&options.trust_domain_aliases);
        let policies = parts.authorization_policies;
        let engine = |dialect| Engine::new(dialect, &policies, &domains);
        let engines = [
            engine(Dialect::EnvoyHttp),
            engine(Dialect::EnvoyTcp),
            engine(Dialect::Ztunnel),
        ];
        let tokens = parts.request_authentications;
        let mut mesh = Self {
            modes: peer_authentication::Modes::new(parts.peer_authentications, root),
            destination_rules: destination_rule::Rules::new(parts.destination_rules),
            sidecar_scopes: parts.sidecar_scopes,
            token_selection: Selection::new(tokens.iter().map(RequestAuthentication::attachment), root),
            tokens,
            selection: Selection::new(policies.iter().map(AuthorizationPolicy::attachment), root),
            origins: policies.iter().map(AuthorizationPolicy::origin).collect(),
            policies,
            engines,
            plain_text: Client::default(),
        };
        mesh.plain_text = mesh.client(None);
        mesh
    }

    /// Evaluates what depends on a principal: `cluster.local/ns/default/sa/sleep-v1`, without `spiffe://`; none is plain text.
    pub fn client(&self, principal: Option<&str>) -> Client {
        Client {
            is_plain_text: principal.is_none(),
            bits: [0, 1, 2].map(|engine: usize| self.engines[engine].client(principal)),
        }
    }

    /// May a request from this client pass at this proxy? The fast way for many questions; allocates nothing unless the
    /// path has to be normalized or a header field occurs twice.
    pub fn verdict(&self, server: &Server, client: &Client, question: &Question<'_>) -> Verdict {
        let prepared = |client| server::Asking::Prepared(client, &self.plain_text);
        self.decide(server, prepared(client), question)
    }
}
