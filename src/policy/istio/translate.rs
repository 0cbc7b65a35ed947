//! What a proxy makes of a rule: Envoy for HTTP, Envoy for TCP, ztunnel.
//!
//! Belongs here: which fields each of them keeps, drops or cannot evaluate. Does not belong here: the evaluation of what is
//! left (`engine`).

use super::authorization::{Action, AuthorizationPolicy, Condition, Operation, Rule, Source};
use super::conditions::When;
use super::engine::{Clause, Test};
use super::facts::HeaderField;
use super::identity::{Identity, IdentityTest, expand_trust_domain};
use super::matching::StringMatch;

/// Who evaluates a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Sidecars, gateways and waypoints, for ports with HTTP.
    EnvoyHttp,
    /// The same for other ports.
    EnvoyTcp,
    /// The node's proxy of ambient mode.
    Ztunnel,
}

pub(super) struct Translator<'a> {
    pub dialect: Dialect,
    pub policy: &'a AuthorizationPolicy,
    /// The mesh's trust domain and its aliases.
    pub trust_domains: &'a [String],
    /// Gives a condition on the client its number.
    pub intern: &'a mut dyn FnMut(IdentityTest) -> u32,
}

/// A field that this dialect cannot evaluate.
struct HttpOnly;

type Kept = Result<Option<Test>, HttpOnly>;

impl Translator<'_> {
    /// The rule as clauses that must all hold; none if it never matches.
    ///
    /// Envoy on TCP: a field of HTTP makes an ALLOW rule vanish and is itself left out of any other, which makes that wider,
    /// up to matching everything (Istio `pilot/pkg/security/authz/model/model.go`, `checkError`). Ztunnel: the same,
    /// but what is left empty by that matches nothing instead (`pilot/pkg/serviceregistry/ambient/authorization.go`,
    /// `handleRule`; ztunnel `src/rbac.rs`, `matches`).
    pub(super) fn rule(&mut self, rule: &Rule) -> Option<Vec<Clause>> {
        let mut clauses = Vec::new();
        if !rule.from.is_empty() {
            let alternatives = rule.from.iter().map(|source| self.source(source));
            let alternatives: Vec<Vec<Kept>> = alternatives.collect();
            clauses.push(self.clause(alternatives)?);
        }
        if !rule.to.is_empty() {
            let alternatives = rule.to.iter().map(|operation| self.operation(operation));
            let alternatives: Vec<Vec<Kept>> = alternatives.collect();
            clauses.push(self.clause(alternatives)?);
        }
        for when in &rule.when {
            let kept = self.when(when);
            clauses.push(self.clause(vec![vec![kept]])?);
        }
        Some(clauses)
    }

    fn clause(&self, alternatives: Vec<Vec<Kept>>) -> Option<Clause> {
        let mut clause = Clause::new();
        for fields in alternatives {
            let mut tests = Vec::new();
            for field in fields {
                match field {
                    Ok(test) => tests.extend(test),
                    Err(HttpOnly) if self.policy.action == Action::Allow => return None,
                    Err(HttpOnly) => {}
                }
            }
            // Ztunnel skips an empty match.
            if !(tests.is_empty() && self.dialect == Dialect::Ztunnel) {
                clause.push(tests);
            }
        }
        (!clause.is_empty()).then_some(clause)
    }

    fn source(&mut self, source: &Source) -> Vec<Kept> {
        vec![
            self.principals(&source.principals),
            self.namespaces(&source.namespaces),
            self.identities(&source.service_accounts, |this, account| match this.dialect {
                Dialect::Ztunnel => vec![Identity::account(account, &this.policy.namespace)],
                _ => vec![Identity::envoy_account(account, &this.policy.namespace)],
            }),
            self.token(&source.request_principals),
            test(&source.ip_blocks, Test::Source),
            match self.dialect {
                Dialect::Ztunnel => self.http_only(&source.remote_ip_blocks, Test::Remote),
                _ => test(&source.remote_ip_blocks, Test::Remote),
            },
            Ok(source.unknown.then_some(Test::Unknown)),
        ]
    }

    fn operation(&mut self, operation: &Operation) -> Vec<Kept> {
        vec![
            test(&operation.ports, Test::Port),
            self.http_only(&operation.methods, Test::Method),
            self.http_only(&operation.paths, Test::Path),
            self.http_only(&operation.hosts, Test::Host),
            Ok(operation.unknown.then_some(Test::Unknown)),
        ]
    }

    fn when(&mut self, when: &When) -> Kept {
        match when {
            When::SourceAddress(blocks) => test(blocks, Test::Source),
            When::DestinationAddress(blocks) => test(blocks, Test::Destination),
            When::DestinationPort(ports) => test(ports, Test::Port),
            When::SourceNamespace(namespaces) => self.namespaces(namespaces),
            When::SourcePrincipal(principals) => self.principals(principals),
            When::Token(values) => self.token(values),
            When::Header { name, values } => {
                let field = HeaderField::new(name);
                self.http_only(values, |values| Test::Header(field, values))
            }
            When::Unknown => Ok(Some(Test::Unknown)),
            // Ztunnel evaluates five attributes (`l4WhenAttributes` in the file named above).
            When::RemoteAddress(_) | When::ServerName(_) | When::SourceServiceAccount(_)
                if self.dialect == Dialect::Ztunnel =>
            {
                Err(HttpOnly)
            }
            When::RemoteAddress(blocks) => test(blocks, Test::Remote),
            When::ServerName(names) => test(names, Test::ServerName),
            When::SourceServiceAccount(accounts) => self.identities(accounts, |this, account| {
                vec![Identity::envoy_account(account, &this.policy.namespace)]
            }),
        }
    }

    fn principals(&mut self, principals: &Condition<StringMatch>) -> Kept {
        self.identities(principals, |this, pattern| match this.dialect {
            // Ztunnel compares what is written.
            Dialect::Ztunnel => vec![Identity::Principal(pattern.clone())],
            _ => {
                let patterns = expand_trust_domain(pattern, this.trust_domains);
                patterns.iter().map(Identity::envoy_principal).collect()
            }
        })
    }

    fn namespaces(&mut self, namespaces: &Condition<StringMatch>) -> Kept {
        self.identities(namespaces, |this, pattern| match this.dialect {
            Dialect::Ztunnel => vec![Identity::Namespace(pattern.clone())],
            _ => vec![Identity::envoy_namespace(pattern)],
        })
    }

    fn identities<T>(&mut self, list: &Condition<T>, identity: impl Fn(&Self, &T) -> Vec<Identity>) -> Kept {
        if list.is_empty() {
            return Ok(None);
        }
        let all = |entries: &[T]| entries.iter().flat_map(|entry| identity(self, entry)).collect();
        let condition = Condition {
            any_of: all(&list.any_of),
            none_of: all(&list.none_of),
        };
        Ok(Some(Test::Identity((self.intern)(condition))))
    }

    fn token(&self, values: &Condition<String>) -> Kept {
        let is_positive = !values.any_of.is_empty();
        self.http_only(values, |_| Test::Token { is_positive })
    }

    fn http_only<T: Clone>(&self, list: &Condition<T>, make: impl FnOnce(Condition<T>) -> Test) -> Kept {
        match self.dialect {
            _ if list.is_empty() => Ok(None),
            Dialect::EnvoyHttp => Ok(Some(make(list.clone()))),
            Dialect::EnvoyTcp | Dialect::Ztunnel => Err(HttpOnly),
        }
    }
}

fn test<T: Clone>(list: &Condition<T>, make: impl FnOnce(Condition<T>) -> Test) -> Kept {
    Ok((!list.is_empty()).then(|| make(list.clone())))
}
