//! Direct evaluation of policies as they are written, without translation, bit sets or precomputation.

use super::*;

/// One request, with everything known.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub principal: Option<String>,
    pub source: IpAddr,
    pub port: u16,
    /// Method, path, host and the field `x`.
    pub http: Option<(String, String, String, Option<String>)>,
    pub ambient: bool,
}

/// True, false, or a field that the proxy cannot evaluate.
type Field = Option<bool>;

fn glob(pattern: &str, value: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        _ if pattern == "*" => !value.is_empty(),
        (Some(suffix), _) => value.ends_with(suffix),
        (_, Some(prefix)) => value.starts_with(prefix),
        _ => pattern == value,
    }
}

fn list<T>(condition: &Condition<T>, matches: impl Fn(&T) -> bool) -> bool {
    let positive = condition.any_of.iter().any(&matches) || condition.any_of.is_empty();
    positive && !condition.none_of.iter().any(matches)
}

/// The fields of a source, an operation or a condition that are written.
fn fields(parts: Vec<(bool, Field)>) -> Vec<Field> {
    let written = parts.into_iter().filter(|(is_written, _)| *is_written);
    written.map(|(_, field)| field).collect()
}

impl Asked {
    fn namespace_and_account(&self) -> Option<(&str, &str)> {
        let mut parts = self.principal.as_deref()?.split('/').skip(2);
        let namespace = parts.next()?;
        Some((namespace, parts.nth(1)?))
    }

    fn http(&self, evaluate: impl Fn(&(String, String, String, Option<String>)) -> bool) -> Field {
        if self.ambient {
            None
        } else {
            self.http.as_ref().map(evaluate)
        }
    }

    fn principals(&self, condition: &Condition<StringMatch>) -> Field {
        let own = self.principal.as_deref();
        Some(list(condition, |p| own.is_some_and(|own| glob(&p.text(), own))))
    }

    fn namespaces(&self, condition: &Condition<StringMatch>) -> Field {
        let own = self.namespace_and_account();
        Some(list(condition, |p| own.is_some_and(|(own, _)| glob(&p.text(), own))))
    }

    fn source(&self, source: &Source, policy_namespace: &str) -> Vec<Field> {
        let own = self.namespace_and_account();
        let accounts = list(&source.service_accounts, |account| {
            let namespace = account.namespace.as_deref().unwrap_or(policy_namespace);
            own == Some((namespace, &account.name))
        });
        let tokens = self.http(|_| source.request_principals.any_of.is_empty());
        let blocks = list(&source.ip_blocks, |block| block.contains(self.source));
        fields(vec![
            (!source.principals.is_empty(), self.principals(&source.principals)),
            (!source.namespaces.is_empty(), self.namespaces(&source.namespaces)),
            (!source.service_accounts.is_empty(), Some(accounts)),
            (!source.request_principals.is_empty(), tokens),
            (!source.ip_blocks.is_empty(), Some(blocks)),
        ])
    }

    fn operation(&self, operation: &Operation) -> Vec<Field> {
        let ports = list(&operation.ports, |port| *port == self.port);
        let methods = self.http(|http| list(&operation.methods, |m| glob(&m.text(), &http.0)));
        let paths = self.http(|http| list(&operation.paths, |path| path.matches(Some(&http.1))));
        let hosts = self.http(|http| {
            let host = http.2.to_lowercase();
            list(&operation.hosts, |h| glob(&h.text().to_lowercase(), &host))
        });
        fields(vec![
            (!operation.ports.is_empty(), Some(ports)),
            (!operation.methods.is_empty(), methods),
            (!operation.paths.is_empty(), paths),
            (!operation.hosts.is_empty(), hosts),
        ])
    }

    fn when(&self, when: &When) -> Field {
        match when {
            When::SourceNamespace(namespaces) => self.namespaces(namespaces),
            When::DestinationPort(ports) => Some(list(ports, |port| *port == self.port)),
            When::Header { values, .. } => self.http(|http| {
                let value = http.3.as_deref();
                list(values, |v| {
                    value.is_some_and(|value| v.text() == "*" || glob(&v.text(), value))
                })
            }),
            other => panic!("no such condition is made here: {other:?}"),
        }
    }

    fn rule(&self, policy: &AuthorizationPolicy, rule: &Rule) -> bool {
        let own = policy.namespace.as_str();
        let from: Vec<_> = rule.from.iter().map(|source| self.source(source, own)).collect();
        let to: Vec<_> = rule.to.iter().map(|operation| self.operation(operation)).collect();
        let when = rule.when.iter().map(|when| vec![vec![self.when(when)]]);
        let mut clauses: Vec<Vec<Vec<Field>>> = vec![from, to];
        clauses.extend(when);
        clauses.retain(|clause| !clause.is_empty());
        let has_unusable = clauses.iter().flatten().flatten().any(Option::is_none);
        if has_unusable && policy.action == Action::Allow {
            return false;
        }
        clauses.iter().all(|clause| {
            clause.iter().any(|all| {
                let usable: Vec<bool> = all.iter().copied().flatten().collect();
                (!usable.is_empty() || !self.ambient) && usable.iter().all(|holds| *holds)
            })
        })
    }

    /// Whether the request passes at a workload with these labels in namespace `default`.
    pub(super) fn passes(&self, policies: &[AuthorizationPolicy], labels: &Labels) -> bool {
        let selected = policies.iter().filter(|policy| {
            let in_scope = ["default", "istio-system"].contains(&policy.namespace.as_str());
            in_scope && policy.selector.matches(labels) && !policy.dry_run
        });
        let mut restricted = false;
        let mut allowed = false;
        for policy in selected {
            let matches = policy.rules.iter().any(|rule| self.rule(policy, rule));
            match policy.action {
                Action::Deny if matches => return false,
                Action::Allow => {
                    restricted = true;
                    allowed |= matches;
                }
                _ => {}
            }
        }
        allowed || !restricted
    }
}
