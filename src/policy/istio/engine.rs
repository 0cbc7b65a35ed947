//! The rules of all policies as one dialect has them, and their evaluation.
//!
//! Belongs here: compiled rules, bit sets over them, and the verdict of a set of rules. Does not belong here: which policies
//! a proxy has (`selection`) and how rules are translated (`translate`).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

use smallvec::SmallVec;

use super::authorization::{AddressBlock, AuthorizationPolicy, Condition};
use super::facts::{Facts, HeaderField, HttpFacts, Text};
use super::identity::IdentityTest;
use super::matching::{PathMatch, StringMatch};
use super::translate::{Dialect, Translator};
use super::truth::Truth;

/// One condition of a compiled rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    /// On the client's certificate, by its number in the engine.
    Identity(u32),
    Source(Condition<AddressBlock>),
    Remote(Condition<AddressBlock>),
    Destination(Condition<AddressBlock>),
    Port(Condition<u16>),
    Method(Condition<StringMatch>),
    Path(Condition<PathMatch>),
    Host(Condition<StringMatch>),
    Header(HeaderField, Condition<StringMatch>),
    ServerName(Condition<StringMatch>),
    /// On the content of a token. Without a token a positive list fails and a negative one holds.
    Token {
        is_positive: bool,
    },
    Unknown,
}

/// One of the lists of tests must hold as a whole.
pub(super) type Clause = Vec<Vec<Test>>;

/// A rule: all clauses must hold.
#[derive(Debug, Clone)]
pub(super) struct CompiledRule {
    /// Index of its policy.
    pub policy: u32,
    /// Its index in the policy.
    pub rule: u32,
    pub clauses: Vec<Clause>,
}

/// A set of small numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bits(SmallVec<[u64; 4]>);

impl Bits {
    pub(super) fn insert(&mut self, number: u32) {
        let word = number as usize / 64;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (number % 64);
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        self.0
            .get(number as usize / 64)
            .is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    fn word(&self, index: usize) -> u64 {
        self.0.get(index).copied().unwrap_or(0)
    }
}

/// What a client's certificate decides, as bits, or the certificate itself.
#[derive(Debug, Clone, Copy)]
pub(super) enum Client<'a> {
    Prepared(&'a ClientBits),
    /// The principal; none without a certificate.
    Direct(Option<&'a str>),
}

/// The conditions and rules of an engine that hold, or may hold, for one client.
#[derive(Debug, Clone, Default)]
pub(super) struct ClientBits {
    holds: Bits,
    may_hold: Bits,
    /// Rules that the certificate does not rule out.
    rules: Bits,
}

/// All rules of a mesh in one dialect.
#[derive(Debug, Clone, Default)]
pub(super) struct Engine {
    rules: Vec<CompiledRule>,
    /// The rules of each policy.
    of_policy: Vec<Range<u32>>,
    identities: Vec<IdentityTest>,
}

impl Engine {
    pub(super) fn new(dialect: Dialect, policies: &[AuthorizationPolicy], trust_domains: &[String]) -> Self {
        let mut engine = Self::default();
        let mut numbers: BTreeMap<IdentityTest, u32> = BTreeMap::new();
        for (policy_index, policy) in policies.iter().enumerate() {
            let first = count(engine.rules.len());
            let mut intern = |condition: IdentityTest| {
                let next = count(numbers.len());
                *numbers.entry(condition).or_insert(next)
            };
            let mut translator = Translator {
                dialect,
                policy,
                trust_domains,
                intern: &mut intern,
            };
            for (rule_index, rule) in policy.rules.iter().enumerate() {
                if let Some(clauses) = translator.rule(rule) {
                    engine.rules.push(CompiledRule {
                        policy: count(policy_index),
                        rule: count(rule_index),
                        clauses,
                    });
                }
            }
            engine.of_policy.push(first..count(engine.rules.len()));
        }
        let mut identities: Vec<_> = numbers.into_iter().collect();
        identities.sort_by_key(|(_, number)| *number);
        engine.identities = identities.into_iter().map(|(condition, _)| condition).collect();
        engine
    }

    /// Numbers of the rules of a policy.
    pub(super) fn rules_of(&self, policy: u32) -> Range<u32> {
        self.of_policy[policy as usize].clone()
    }

    pub(super) fn rule(&self, number: u32) -> &CompiledRule {
        &self.rules[number as usize]
    }

    /// Evaluates everything that a client's certificate decides.
    pub(super) fn client(&self, principal: Option<&str>) -> ClientBits {
        let mut bits = ClientBits::default();
        for (number, condition) in self.identities.iter().enumerate() {
            match condition.holds_for(principal) {
                Truth::False => continue,
                Truth::True => bits.holds.insert(count(number)),
                Truth::Unknown => {}
            }
            bits.may_hold.insert(count(number));
        }
        let may = |test: &Test| match test {
            Test::Identity(number) => bits.may_hold.contains(*number),
            _ => true,
        };
        let mut rules = Bits::default();
        for (number, rule) in self.rules.iter().enumerate() {
            if rule
                .clauses
                .iter()
                .all(|clause| clause.iter().any(|all| all.iter().all(may)))
            {
                rules.insert(count(number));
            }
        }
        bits.rules = rules;
        bits
    }

    /// Of these rules the first that matches, and the first that may match before it.
    pub(super) fn first_match(
        &self,
        rules: &Bits,
        client: Client<'_>,
        facts: &Facts<'_>,
    ) -> (Option<u32>, Option<u32>) {
        let mut possible = None;
        for (index, &word) in rules.0.iter().enumerate() {
            let mut candidates = match client {
                Client::Prepared(bits) => word & bits.rules.word(index),
                Client::Direct(_) => word,
            };
            while candidates != 0 {
                let number = count(index) * 64 + candidates.trailing_zeros();
                candidates &= candidates - 1;
                match self.matches(number, client, facts) {
                    Truth::True => return (Some(number), possible),
                    Truth::Unknown => possible = possible.or(Some(number)),
                    Truth::False => {}
                }
            }
        }
        (None, possible)
    }

    fn matches(&self, rule: u32, client: Client<'_>, facts: &Facts<'_>) -> Truth {
        let clauses = self.rule(rule).clauses.iter();
        Truth::all(clauses.map(|clause| {
            let alternatives = clause.iter();
            Truth::any(alternatives.map(|all| Truth::all(all.iter().map(|test| self.test(test, client, facts)))))
        }))
    }

    fn test(&self, test: &Test, client: Client<'_>, facts: &Facts<'_>) -> Truth {
        match test {
            Test::Identity(number) => match client {
                Client::Direct(principal) => self.identities[*number as usize].holds_for(principal),
                Client::Prepared(bits) if bits.holds.contains(*number) => Truth::True,
                Client::Prepared(bits) if bits.may_hold.contains(*number) => Truth::Unknown,
                Client::Prepared(_) => Truth::False,
            },
            Test::Source(blocks) => address(blocks, facts.source),
            Test::Remote(blocks) => address(blocks, facts.remote()),
            Test::Destination(blocks) => {
                let mut answers = facts.destinations.iter().map(|pod| address(blocks, Some(*pod)));
                let first = answers.next().unwrap_or(Truth::Unknown);
                if answers.all(|answer| answer == first) {
                    first
                } else {
                    Truth::Unknown
                }
            }
            Test::Port(ports) => {
                let port = facts.port;
                Truth::list(&ports.any_of, &ports.none_of, |wanted| Truth::from(*wanted == port))
            }
            Test::ServerName(names) => text(names, facts.server_name, StringMatch::matches_text),
            Test::Unknown => Truth::Unknown,
            Test::Method(_) | Test::Path(_) | Test::Host(_) | Test::Header(..) | Test::Token { .. } => {
                // Rules for plain TCP have no such test.
                facts.http.as_ref().map_or(Truth::Unknown, |http| test_http(test, http))
            }
        }
    }

    /// A test of a rule whose answer depends on what a question of the simulator does not state, in words.
    pub(super) fn beyond_simulation(&self) -> Option<(&CompiledRule, &'static str)> {
        let words = |test: &Test| match test {
            Test::Source(_) | Test::Remote(_) | Test::Destination(_) => Some("a condition on addresses"),
            Test::ServerName(_) => Some("a condition on `connection.sni`"),
            Test::Header(HeaderField::SetByProxies, _) => Some("a condition on a header field that proxies set"),
            Test::Unknown => Some("a part that is not evaluated"),
            Test::Identity(number) => {
                let unknown = self.identities[*number as usize].holds_for(Some("")) == Truth::Unknown;
                unknown.then_some("a pattern that is a regular expression")
            }
            _ => None,
        };
        let of_rule = |rule: &CompiledRule| rule.clauses.iter().flatten().flatten().find_map(words);
        self.rules.iter().find_map(|rule| Some((rule, of_rule(rule)?)))
    }
}

fn test_http(test: &Test, http: &HttpFacts<'_>) -> Truth {
    match test {
        // `*` asks whether the field is there, not whether it is empty (`matcher/header.go`).
        Test::Method(methods) => text(methods, Text::Is(http.method), matches_field),
        // Whoever sends a request names a host, even if it is not known which.
        Test::Host(hosts) => Truth::list(&hosts.any_of, &hosts.none_of, |pattern| match http.host {
            Text::Absent => Truth::False,
            Text::Unknown if *pattern == StringMatch::Present => Truth::True,
            Text::Unknown => Truth::Unknown,
            Text::Is(host) => Truth::from(pattern.matches_any_case(host)),
        }),
        Test::Header(field, values) => {
            let mut buffer = String::new();
            text(values, http.header(field, &mut buffer), matches_field)
        }
        Test::Path(paths) => Truth::list(&paths.any_of, &paths.none_of, |path| {
            Truth::from(path.matches(http.path.as_deref()))
        }),
        Test::Token { .. } if http.token => Truth::Unknown,
        Test::Token { is_positive } => Truth::from(!is_positive),
        _ => Truth::Unknown,
    }
}

fn matches_field(pattern: &StringMatch, value: &str) -> bool {
    *pattern == StringMatch::Present || pattern.matches_text(value)
}

fn text(list: &Condition<StringMatch>, value: Text<'_>, matches: impl Fn(&StringMatch, &str) -> bool) -> Truth {
    Truth::list(&list.any_of, &list.none_of, |pattern| match value {
        Text::Absent => Truth::False,
        Text::Unknown => Truth::Unknown,
        Text::Is(value) => Truth::from(matches(pattern, value)),
    })
}

fn address(blocks: &Condition<AddressBlock>, address: Option<IpAddr>) -> Truth {
    Truth::list(&blocks.any_of, &blocks.none_of, |block| {
        address.map_or(Truth::Unknown, |address| Truth::from(block.contains(address)))
    })
}

fn count(number: usize) -> u32 {
    u32::try_from(number).expect("more than 4 billion rules")
}
