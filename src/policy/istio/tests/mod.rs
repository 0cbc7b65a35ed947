//! One test per rule of Istio's documents, by document; here what they share.

mod ambient;
mod authorization_policy;
mod conditions;
mod naive;
mod normalization;
mod peer_authentication;
mod properties;
mod request_authentication;
mod selection;
mod tcp;
mod trust_domain;

use super::super::labels::{LabelSelector, Labels};
use super::*;
use std::net::IpAddr;

use super::super::request::Http;
use crate::policy::NamedPorts;

impl MeshPolicies {
    /// A mesh of these policies alone.
    pub(crate) fn new(
        peer_authentications: Vec<PeerAuthentication>,
        authorization_policies: Vec<AuthorizationPolicy>,
        root_namespace: &str,
        trust_domain: &str,
    ) -> Self {
        let parts = MeshParts {
            peer_authentications,
            authorization_policies,
            ..MeshParts::default()
        };
        let options = MeshOptions {
            root_namespace: root_namespace.to_owned(),
            trust_domain: trust_domain.to_owned(),
            trust_domain_aliases: Vec::new(),
        };
        Self::of_parts(parts, &options)
    }

    /// May a request with this principal (none: plain text) pass at the workload's own proxy? None where there is none.
    pub(crate) fn ask(
        &self,
        to: &Endpoint,
        principal: Option<&str>,
        source_address: Option<IpAddr>,
        port: u16,
        http: Option<Http<'_>>,
    ) -> Option<Verdict> {
        let server = self.server(to)?;
        let question = Question {
            port,
            http,
            source_address,
            destination_addresses: &to.addresses,
        };
        Some(self.decide(&server, super::server::Asking::Direct(principal), &question))
    }
}

const SLEEP: Option<&str> = Some("cluster.local/ns/default/sa/sleep");

fn server() -> Subject {
    Subject::new(
        "default",
        Labels::default(),
        "server",
        Labels::from([("app", "server")]),
    )
}

fn get(path: &'static str) -> Request<'static> {
    Request {
        port: 5000,
        method: Some("GET"),
        path: Some(path),
        host: Some("Server.default"),
    }
}

const TCP: Request<'static> = Request {
    port: 5000,
    method: None,
    path: None,
    host: None,
};

fn patterns(texts: &[&str]) -> Vec<StringMatch> {
    texts
        .iter()
        .map(|text| StringMatch::parse(text).expect("valid pattern"))
        .collect()
}

fn any_of(texts: &[&str]) -> Condition<StringMatch> {
    Condition {
        any_of: patterns(texts),
        none_of: Vec::new(),
    }
}

fn none_of(texts: &[&str]) -> Condition<StringMatch> {
    Condition {
        any_of: Vec::new(),
        none_of: patterns(texts),
    }
}

fn paths(texts: &[&str]) -> Vec<PathMatch> {
    texts
        .iter()
        .map(|text| PathMatch::parse(text).expect("valid path"))
        .collect()
}

fn only<T>(any_of: Vec<T>) -> Condition<T> {
    Condition {
        any_of,
        none_of: Vec::new(),
    }
}

fn not<T>(none_of: Vec<T>) -> Condition<T> {
    Condition {
        any_of: Vec::new(),
        none_of,
    }
}

fn endpoint(subject: Subject) -> Endpoint {
    Endpoint {
        subject,
        name: "server".into(),
        named_ports: NamedPorts::new(),
        host_network: false,
        addresses: Vec::new(),
        sidecar: true,
        ambient: false,
        capture: Default::default(),
        nodes: Vec::new(),
    }
}

fn http(method: &'static str, path: &'static str) -> Http<'static> {
    Http {
        method,
        path,
        host: Some("server.default"),
        headers: &[],
    }
}

fn mesh(policies: Vec<AuthorizationPolicy>) -> MeshPolicies {
    MeshPolicies::new(Vec::new(), policies, "istio-system", "cluster.local")
}

/// The verdict at the server's sidecar.
fn ask(policies: Vec<AuthorizationPolicy>, principal: Option<&str>, http: Option<Http<'_>>) -> Decision {
    let verdict = mesh(policies).ask(&endpoint(server()), principal, None, 5000, http);
    verdict.expect("a sidecar").decision
}

fn from_source(source: Source) -> Rule {
    Rule {
        from: vec![source],
        ..Rule::default()
    }
}

fn when(key: &str, values: &[&str], not_values: &[&str]) -> Rule {
    Rule {
        when: vec![When::parse(key, values, not_values).expect("valid condition")],
        ..Rule::default()
    }
}

fn source(principals: Condition<StringMatch>) -> Rule {
    Rule {
        from: vec![Source {
            principals,
            ..Source::default()
        }],
        ..Rule::default()
    }
}

fn operation(operation: Operation) -> Rule {
    Rule {
        to: vec![operation],
        ..Rule::default()
    }
}

fn policy(action: Action, rules: Vec<Rule>) -> AuthorizationPolicy {
    AuthorizationPolicy {
        namespace: "default".into(),
        name: "p".into(),
        action,
        rules,
        ..AuthorizationPolicy::default()
    }
}

fn authorize(policies: Vec<AuthorizationPolicy>, principal: Option<&str>, request: Request<'_>) -> bool {
    MeshPolicies::new(Vec::new(), policies, "istio-system", "cluster.local")
        .request(&server(), principal, &request)
        .is_allowed()
}

fn mode(namespace: &str, selector: LabelSelector, mode: MtlsMode) -> PeerAuthentication {
    PeerAuthentication {
        namespace: namespace.into(),
        name: "m".into(),
        selector,
        mode,
        ..PeerAuthentication::default()
    }
}

fn mode_of(policies: Vec<PeerAuthentication>, port: u16) -> MtlsMode {
    let mesh = MeshPolicies::new(policies, Vec::new(), "istio-system", "cluster.local");
    mesh.modes.mode(&server(), port)
}
