//! One proxy with the policies that it enforces, and its verdict.
//!
//! Belongs here: the order of mutual TLS, tokens, CUSTOM, DENY and ALLOW. Does not belong here: the evaluation of single rules
//! (`engine`).

use super::authorization::{Action, AuthorizationPolicy, Operation};
use super::engine::{Bits, Client as EngineClient};
use super::facts::{Facts, Question};
use super::peer_authentication::PortModes;
use super::request_authentication::TokenRules;
use super::selection::{GATEWAY_NAME_LABEL, Selected, Waypoint};
use super::truth::Truth;
use super::{Client, Decision, Endpoint, MeshPolicies, Subject, Verdict};

/// What enforces policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proxy {
    Sidecar,
    Ztunnel,
    Waypoint,
}

/// A proxy and everything about it that does not change from question to question. Workloads with equal subjects and the
/// same kind of proxy may share one.
#[derive(Debug, Clone)]
pub struct Server {
    proxy: Proxy,
    modes: PortModes,
    tokens: TokenRules,
    /// Whether `X-Forwarded-For` states where a request comes from: at sidecars. Gateways take the address of the connection
    /// (Istio `pilot/pkg/networking/core/listener.go`, `useRemoteAddress`).
    trusts_forwarded: bool,
    /// For HTTP and TCP in Envoy; ztunnel has only the first.
    rules: [Rules; 2],
    /// The first ALLOW policy: with it, what no ALLOW rule matches is refused.
    restricting: Option<u32>,
}

/// Numbers of the rules that a proxy has, by what a match does.
#[derive(Debug, Clone, Default)]
struct Rules {
    custom: Bits,
    deny: Bits,
    allow: Bits,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Asking<'a> {
    /// The client, and what a client without a certificate would be.
    Prepared(&'a Client, &'a Client),
    Direct(Option<&'a str>),
}

const HTTP: usize = 0;
const TCP: usize = 1;
const ZTUNNEL: usize = 2;

impl Asking<'_> {
    fn is_plain_text(&self) -> bool {
        match self {
            Self::Prepared(client, _) => client.is_plain_text,
            Self::Direct(principal) => principal.is_none(),
        }
    }

    fn engine(&self, engine: usize) -> EngineClient<'_> {
        match self {
            Self::Prepared(client, _) => EngineClient::Prepared(&client.bits[engine]),
            Self::Direct(principal) => EngineClient::Direct(*principal),
        }
    }

    fn without_certificate(self) -> Self {
        match self {
            Self::Prepared(_, plain_text) => Self::Prepared(plain_text, plain_text),
            Self::Direct(_) => Self::Direct(None),
        }
    }
}

impl MeshPolicies {
    /// The proxy of a workload: its sidecar, or else its node's ztunnel in ambient mode; none without either.
    pub fn server(&self, to: &Endpoint) -> Option<Server> {
        if to.sidecar {
            Some(self.sidecar(&to.subject))
        } else {
            to.ambient.then(|| self.ztunnel(&to.subject))
        }
    }

    /// The sidecar of a workload; equally the proxy of a gateway, by the label of its pods.
    pub fn sidecar(&self, to: &Subject) -> Server {
        let selected = self
            .selection
            .of_workload(to, |i| self.policies[i as usize].attachment());
        let tokens = self
            .token_selection
            .of_workload(to, |i| self.tokens[i as usize].attachment());
        let mut server = self.serve(Proxy::Sidecar, self.modes.of_sidecar(to), &tokens, &selected);
        server.trusts_forwarded = to.labels.get(GATEWAY_NAME_LABEL).is_none();
        server
    }

    /// The ztunnel in front of a workload in ambient mode. It knows neither HTTP nor tokens, and neither CUSTOM nor AUDIT
    /// (Istio `pilot/pkg/serviceregistry/ambient/authorization.go`, `convertAuthorizationPolicy`).
    pub fn ztunnel(&self, to: &Subject) -> Server {
        let selected = self
            .selection
            .of_workload(to, |i| self.policies[i as usize].attachment());
        let untargeted = selected
            .into_iter()
            .filter(|i| self.policies[*i as usize].targets.is_empty());
        let selected: Selected = untargeted.collect();
        self.serve(Proxy::Ztunnel, self.modes.of_ztunnel(to), &Selected::new(), &selected)
    }

    /// A waypoint in front of Services. It has the policies with `targetRefs`, and no others; ztunnel still has the others,
    /// and sees the waypoint as the client.
    pub fn waypoint(&self, waypoint: &Waypoint<'_>) -> Server {
        let selected = self
            .selection
            .of_waypoint(waypoint, |i| self.policies[i as usize].attachment());
        let tokens = self
            .token_selection
            .of_waypoint(waypoint, |i| self.tokens[i as usize].attachment());
        self.serve(Proxy::Waypoint, PortModes::ANYTHING, &tokens, &selected)
    }

    /// The operations that rules name for a workload: those of the policies of its own proxy, and those of its namespace for
    /// waypoints.
    pub fn operations(&self, to: &Endpoint) -> Vec<&Operation> {
        let own = self
            .selection
            .of_workload(&to.subject, |i| self.policies[i as usize].attachment());
        let targeted =
            |policy: &&AuthorizationPolicy| !policy.targets.is_empty() && policy.namespace == to.subject.namespace;
        let own = own.into_iter().map(|index| &self.policies[index as usize]);
        let policies = own.chain(self.policies.iter().filter(targeted));
        let rules = policies
            .filter(|policy| !policy.dry_run)
            .flat_map(|policy| &policy.rules);
        rules.flat_map(|rule| &rule.to).collect()
    }

    fn serve(&self, proxy: Proxy, modes: PortModes, tokens: &Selected, selected: &Selected) -> Server {
        let mut server = Server {
            proxy,
            modes,
            tokens: TokenRules::new(
                tokens
                    .iter()
                    .flat_map(|index| self.tokens[*index as usize].rules.clone()),
            ),
            trusts_forwarded: false,
            rules: Default::default(),
            restricting: None,
        };
        for &index in selected {
            let policy = &self.policies[index as usize];
            let action = match policy.action {
                _ if policy.dry_run => continue,
                Action::Audit => continue,
                Action::Custom if proxy == Proxy::Ztunnel => continue,
                action => action,
            };
            match action {
                Action::Allow => _ = server.restricting.get_or_insert(index),
                Action::Deny | Action::Audit | Action::Custom => {}
            }
            let engines: &[usize] = if proxy == Proxy::Ztunnel {
                &[ZTUNNEL]
            } else {
                &[HTTP, TCP]
            };
            for (rules, engine) in server.rules.iter_mut().zip(engines) {
                let bits = match action {
                    Action::Allow | Action::Audit => &mut rules.allow,
                    Action::Deny => &mut rules.deny,
                    Action::Custom => &mut rules.custom,
                };
                for rule in self.engines[*engine].rules_of(index) {
                    bits.insert(rule);
                }
            }
        }
        server
    }

    pub(super) fn decide(&self, server: &Server, asking: Asking<'_>, question: &Question<'_>) -> Verdict {
        match Facts::new(
            question,
            asking.is_plain_text(),
            server.trusts_forwarded,
            &server.tokens,
        ) {
            Ok(facts) => self.decide_facts(server, asking, &facts),
            // Ztunnel does not read requests.
            Err(_) if server.proxy == Proxy::Ztunnel => {
                let connection = Question {
                    http: None,
                    ..*question
                };
                self.decide(server, asking, &connection)
            }
            Err(reason) => Verdict::new(Decision::Deny, None, None, reason),
        }
    }

    /// Mutual TLS first, then tokens, CUSTOM, DENY and ALLOW (Istio `pilot/pkg/networking/core`, order of the filters;
    /// istio/api `security/v1beta1/authorization_policy.proto`, "evaluation"). What may refuse makes an allow unknown.
    pub(super) fn decide_facts(&self, server: &Server, asking: Asking<'_>, facts: &Facts<'_>) -> Verdict {
        let accepts = server.modes.of(facts.port);
        let mode_policy = accepts.policy.map(|policy| self.modes.origin(policy));
        if !asking.is_plain_text() {
            return match accepts.mutual_tls {
                Truth::True => self.authorize(server, asking, facts, None),
                // Such a port speaks no TLS, so that no principal reaches its policies.
                Truth::False => self.authorize(server, asking.without_certificate(), facts, None),
                Truth::Unknown => {
                    let with = self.authorize(server, asking, facts, None);
                    let without = self.authorize(server, asking.without_certificate(), facts, None);
                    if with.decision == without.decision {
                        return with;
                    }
                    let text = "PeerAuthentications of the same scope contradict each other";
                    Verdict::new(Decision::Unknown, mode_policy, None, text)
                }
            };
        }
        let maybe = match accepts.plain_text {
            Truth::True => None,
            Truth::False => {
                let text = "mutual TLS is required and the client has no certificate";
                return Verdict::new(Decision::Deny, mode_policy, None, text);
            }
            Truth::Unknown => {
                let text = "PeerAuthentications of the same scope contradict each other";
                Some(Verdict::new(Decision::Unknown, mode_policy, None, text))
            }
        };
        self.authorize(server, asking, facts, maybe)
    }

    fn authorize(&self, server: &Server, asking: Asking<'_>, facts: &Facts<'_>, mut maybe: Option<Verdict>) -> Verdict {
        let (engine, rules) = match (server.proxy, &facts.http) {
            (Proxy::Ztunnel, _) => (ZTUNNEL, &server.rules[0]),
            (_, Some(_)) => (HTTP, &server.rules[HTTP]),
            (_, None) => (TCP, &server.rules[TCP]),
        };
        let client = asking.engine(engine);
        let first_match = |rules: &Bits| self.engines[engine].first_match(rules, client, facts);
        let verdict = |decision, rule: u32, text| {
            let rule = self.engines[engine].rule(rule);
            let origin = &self.origins[rule.policy as usize];
            Verdict::new(decision, Some(origin), Some(rule.rule as usize), text)
        };
        if maybe.is_none() && facts.http.as_ref().is_some_and(|http| http.token) {
            let text = "whether the token in the request is valid is not known";
            maybe = Some(Verdict::new(Decision::Unknown, None, None, text));
        }
        let (denies, may_deny) = first_match(&rules.deny);
        if let Some(rule) = denies {
            return verdict(Decision::Deny, rule, "a DENY rule matches");
        }
        let (custom, may_be_custom) = first_match(&rules.custom);
        let unknown = |rule, text| verdict(Decision::Unknown, rule, text);
        let asks = custom.or(may_be_custom);
        maybe = maybe
            .or_else(|| {
                Some(unknown(
                    asks?,
                    "an external authorizer decides, and its answer is not known",
                ))
            })
            .or_else(|| Some(unknown(may_deny?, "a DENY rule may match")));
        let Some(restricting) = server.restricting else {
            let allowed = || Verdict::new(Decision::Allow, None, None, "no ALLOW policy selects the workload");
            return maybe.unwrap_or_else(allowed);
        };
        match first_match(&rules.allow) {
            (Some(rule), _) => maybe.unwrap_or_else(|| verdict(Decision::Allow, rule, "an ALLOW rule matches")),
            (None, Some(rule)) => maybe.unwrap_or_else(|| unknown(rule, "an ALLOW rule may match, and no other does")),
            (None, None) => {
                let text = "ALLOW policies select the workload and none matches";
                Verdict::new(Decision::Deny, Some(&self.origins[restricting as usize]), None, text)
            }
        }
    }
}
