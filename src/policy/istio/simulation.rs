//! The short question of the simulator: a request without headers, from a known principal, to a sidecar.
//!
//! Belongs here: that question, and which policies depend on more than it says. Does not belong here: the full question
//! (`facts`).

use std::borrow::Cow;

use super::facts::{Facts, HttpFacts, Text};
use super::server::Asking;
use super::{Action, MeshPolicies, Subject, Verdict};
use crate::policy::PolicyError;

/// A request as the server's sidecar sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// Port of the workload (after Service mapping).
    pub port: u16,
    /// HTTP method; none means plain TCP.
    pub method: Option<&'a str>,
    /// HTTP path; a query string is ignored.
    pub path: Option<&'a str>,
    /// HTTP host (`:authority`); without one no condition on hosts matches.
    pub host: Option<&'a str>,
}

impl Request<'_> {}

impl MeshPolicies {
    /// May a request with this principal pass the workload's sidecar? `principal` is `cluster.local/ns/default/sa/sleep-v1`,
    /// without `spiffe://`; none means plain text. A port whose mode is DISABLE speaks no TLS, so no principal reaches its
    /// policies.
    pub fn request(&self, to: &Subject, principal: Option<&str>, request: &Request<'_>) -> Verdict {
        let without_query = |path| super::path::normalize(path).unwrap_or(Cow::Borrowed(path));
        let http = request.method.map(|method| HttpFacts {
            method,
            raw_path: request.path,
            path: request.path.map(without_query),
            host: request.host.map_or(Text::Absent, Text::Is),
            headers: &[],
            remote: None,
            token: false,
            overwritten: &[],
        });
        let facts = Facts {
            port: request.port,
            source: None,
            destinations: &[],
            server_name: if principal.is_none() {
                Text::Absent
            } else {
                Text::Unknown
            },
            http,
        };
        self.decide_facts(&self.sidecar(to), Asking::Direct(principal), &facts)
    }

    /// Refuses policies whose verdict depends on more than [`Request`] says, so that [`MeshPolicies::request`] never answers
    /// [`Unknown`](crate::policy::Decision::Unknown).
    pub fn check_simulated(&self) -> Result<(), PolicyError> {
        const HINT: &str =
            "the simulator's requests have no addresses and no headers; use principals, methods or paths instead";
        let refuse = |what, policy: String| {
            Err(PolicyError::NotModelled {
                what,
                value: policy,
                hint: HINT,
            })
        };
        let custom = |index: &usize| {
            let policy = &self.policies[*index];
            policy.action == Action::Custom && !policy.dry_run
        };
        if let Some(index) = (0..self.policies.len()).find(custom) {
            return refuse("the action of", self.origins[index].policy.clone());
        }
        if let Some(policy) = self.modes.ambiguous() {
            return refuse("the same scope as that of another policy, for", policy.policy.clone());
        }
        for engine in &self.engines[..2] {
            if let Some((rule, what)) = engine.beyond_simulation() {
                let policy = &self.origins[rule.policy as usize].policy;
                return refuse(what, format!("{policy}, rule {}", rule.rule));
            }
        }
        Ok(())
    }
}
