//! Other names for everything in a dump that has a name, the same ones wherever it is named, so that verdicts stay the same.
//!
//! Belongs here: the names and where they are written. Does not belong here: what is written at all. A text of a policy that is
//! not known to be a word of Kubernetes, Cilium or Istio is replaced, so that what is forgotten here is hidden rather than shown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::companions::Companion;
use super::dump::{Policy, Text};
use super::policies::Written;
use super::pools::Pool;
use super::workloads::Workload;
use crate::cluster::placement::{HOSTNAME, ZONE};
use crate::policy::network::cilium::selector::{NAMESPACE_LABEL, SERVICE_ACCOUNT_LABEL};

/// Namespaces that every cluster has; what the simulator makes itself is in two of them.
const NAMESPACES: [&str; 5] = [
    "default",
    "kube-system",
    "kube-public",
    "kube-node-lease",
    "istio-system",
];
/// Keys of labels that many clusters have, besides those of Kubernetes, Cilium and Istio.
const KEYS: [&str; 12] = [
    "app",
    "component",
    "env",
    "environment",
    "name",
    "release",
    "role",
    "service",
    "team",
    "tier",
    "version",
    "workload-of-dump",
];
/// Domains of keys of labels that every cluster has.
const DOMAINS: [&str; 4] = ["kubernetes.io/", "k8s.io/", "istio.io/", "cilium.k8s."];
/// Values of labels by which the simulator finds what it makes itself, and switches.
const VALUES: [&str; 8] = [
    "", "true", "false", "enabled", "disabled", "kube-dns", "istiod", "pilot",
];
/// Keys of policies whose texts are words of Kubernetes, Cilium and Istio.
const WORDS: [&str; 19] = [
    "apiVersion",
    "kind",
    "operator",
    "protocol",
    "port",
    "ports",
    "notPorts",
    "policyTypes",
    "fromEntities",
    "toEntities",
    "action",
    "mode",
    "methods",
    "notMethods",
    "creationTimestamp",
    "restartPolicy",
    "whenUnsatisfiable",
    "nodeTaintsPolicy",
    "nodeAffinityPolicy",
];
/// Labels whose values are names of namespaces.
const OF_NAMESPACES: [&str; 2] = ["kubernetes.io/metadata.name", NAMESPACE_LABEL];
const NAMESPACE_LABELS: &str = "io.cilium.k8s.namespace.labels.";
/// A block of addresses for documentation (RFC 5737).
const BLOCK: &str = "192.0.2.0/24";

/// New names of one sort, in the order in which they are needed.
struct Sort {
    prefix: &'static str,
    names: BTreeMap<String, String>,
}

impl Sort {
    const fn new(prefix: &'static str) -> Self {
        Self {
            prefix,
            names: BTreeMap::new(),
        }
    }

    fn get(&mut self, own: &str) -> String {
        let next = self.names.len() + 1;
        let name = self.names.entry(own.to_owned());
        name.or_insert_with(|| format!("{}-{next}", self.prefix)).clone()
    }
}

struct Redaction {
    namespaces: Sort,
    accounts: Sort,
    services: BTreeMap<(String, String), String>,
    keys: Sort,
    values: Sort,
    hosts: Sort,
    segments: Sort,
    others: Sort,
    priorities: Sort,
    /// The namespaces and the accounts of all workloads, by their own names.
    known: BTreeSet<(String, String)>,
}

/// What has names.
pub(super) struct Everything<'e> {
    pub workloads: &'e mut [Workload],
    pub services: &'e mut [Written],
    pub policies: &'e mut [Policy],
    pub companions: &'e mut [Companion],
    pub pools: &'e mut [Pool],
    pub namespaces: &'e mut BTreeMap<String, Text>,
}

/// Renames everything.
pub(super) fn redact(everything: &mut Everything<'_>) {
    let Everything {
        workloads,
        services,
        policies,
        companions,
        pools,
        namespaces,
    } = everything;
    let known = workloads
        .iter()
        .map(|of| (of.namespace.clone(), of.template.spec.account.clone()));
    let mut redaction = Redaction {
        namespaces: Sort::new("ns"),
        accounts: Sort::new("sa"),
        services: BTreeMap::new(),
        keys: Sort::new("key"),
        values: Sort::new("v"),
        hosts: Sort::new("host"),
        segments: Sort::new("p"),
        others: Sort::new("text"),
        priorities: Sort::new("priority"),
        known: known.collect(),
    };
    let renamed = std::mem::take(*namespaces).into_iter().map(|(name, labels)| {
        let own = redaction.namespace(&name);
        (own, redaction.labels(labels))
    });
    **namespaces = renamed.collect();
    for (number, workload) in (1..).zip(workloads.iter_mut()) {
        redaction.workload(number, workload);
    }
    for (number, service) in (1..).zip(services.iter_mut()) {
        let name = format!("svc-{number}");
        let own = (
            service.namespace.clone(),
            std::mem::replace(&mut service.name, name.clone()),
        );
        redaction.services.insert(own, name.clone());
        service.written = name;
        service.namespace = redaction.namespace(&service.namespace);
        service.selector = redaction.labels(std::mem::take(&mut service.selector));
        for (number, port) in (1..).zip(&mut service.ports) {
            if let Some(name) = port["name"].as_str() {
                // What Istio reads off the name of a port is the word before the first `-`.
                let word = name.split('-').next().unwrap_or_default().to_owned();
                let known = [
                    "http", "http2", "https", "grpc", "tcp", "tls", "udp", "mongo", "mysql", "redis",
                ];
                let word = if known.contains(&word.as_str()) {
                    word
                } else {
                    "port".to_owned()
                };
                port["name"] = format!("{word}-{number}").into();
            }
        }
    }
    for (number, policy) in (1..).zip(policies.iter_mut()) {
        redaction.policy(number, policy);
    }
    for (number, of) in (1..).zip(companions.iter_mut()) {
        of.namespace = redaction.namespace(&of.namespace);
        of.name = match of.kind.as_str() {
            "PriorityClass" => redaction.priority(&of.name),
            kind => format!("{}-{number}", kind.to_lowercase()),
        };
        // All else of them are numbers and words of Kubernetes.
        if let Some(selector) = of.rest.get_mut("spec").and_then(|spec| spec.get_mut("selector")) {
            redaction.walk("", selector);
        }
    }
    for pool in pools.iter_mut() {
        pool.labels = redaction.labels(std::mem::take(&mut pool.labels));
        for [key, value, _] in &mut pool.taints {
            *value = redaction.value(key, value);
            *key = redaction.key(key);
        }
    }
}

impl Redaction {
    fn namespace(&mut self, own: &str) -> String {
        match NAMESPACES.contains(&own) || own.is_empty() {
            true => own.to_owned(),
            false => self.namespaces.get(own),
        }
    }

    fn priority(&mut self, own: &str) -> String {
        match own.starts_with("system-") {
            true => own.to_owned(),
            false => self.priorities.get(own),
        }
    }

    fn account(&mut self, own: &str) -> String {
        match own == "default" {
            true => own.to_owned(),
            false => self.accounts.get(own),
        }
    }

    /// The key of a label, with the source that a policy of Cilium may put before it.
    fn key(&mut self, own: &str) -> String {
        let sources = ["k8s:", "any:", "reserved:", "container:"];
        for source in sources {
            if let Some(rest) = own.strip_prefix(source) {
                let rest = if source == "reserved:" {
                    rest.to_owned()
                } else {
                    self.key(rest)
                };
                return format!("{source}{rest}");
            }
        }
        if let Some(rest) = own.strip_prefix(NAMESPACE_LABELS) {
            return format!("{NAMESPACE_LABELS}{}", self.key(rest));
        }
        let common = KEYS.contains(&own) || own.starts_with("k8s-app") || DOMAINS.iter().any(|of| own.contains(of));
        match common
            || own == "istio"
            || own == "istio-injection"
            || own == NAMESPACE_LABEL
            || own == SERVICE_ACCOUNT_LABEL
        {
            true => own.to_owned(),
            false => self.keys.get(own),
        }
    }

    /// The value of a label with this key.
    fn value(&mut self, key: &str, own: &str) -> String {
        let bare = key.split_once(':').map_or(key, |(_, key)| key);
        let bare = bare.strip_prefix(NAMESPACE_LABELS).unwrap_or(bare);
        match bare {
            _ if OF_NAMESPACES.contains(&bare) => self.namespace(own),
            SERVICE_ACCOUNT_LABEL => self.account(own),
            // Names of nodes and zones are those of the experiment already.
            HOSTNAME if own.starts_with("worker-") || own.starts_with("control-plane") => own.to_owned(),
            ZONE if own.starts_with("zone-") => own.to_owned(),
            _ if VALUES.contains(&own) || key.starts_with("reserved:") => own.to_owned(),
            _ => self.values.get(own),
        }
    }

    fn labels(&mut self, labels: Text) -> Text {
        let renamed = labels.into_iter().map(|(key, value)| {
            let value = self.value(&key, &value);
            (self.key(&key), value)
        });
        renamed.collect()
    }

    fn workload(&mut self, number: usize, workload: &mut Workload) {
        workload.name = format!("app-{number}");
        workload.written.clone_from(&workload.name);
        workload.namespace = self.namespace(&workload.namespace);
        workload.selector = self.labels(std::mem::take(&mut workload.selector));
        let template = &mut workload.template;
        template.labels = self.labels(std::mem::take(&mut template.labels));
        let spec = Arc::make_mut(&mut template.spec);
        spec.account = self.account(&spec.account);
        for (number, (_, name)) in (1..).zip(&mut spec.ports) {
            if !name.is_empty() {
                *name = format!("port-{number}");
            }
        }
        for (key, value) in &mut spec.scheduling {
            self.walk(key, value);
        }
    }

    fn policy(&mut self, number: usize, policy: &mut Policy) {
        policy.name = format!("policy-{number}");
        policy.namespace = self.namespace(&policy.namespace);
        let meta = &mut policy.object["metadata"];
        meta["name"] = policy.name.clone().into();
        if !meta["namespace"].is_null() {
            meta["namespace"] = policy.namespace.clone().into();
        }
        if let Some(meta) = meta.as_object_mut() {
            meta.retain(|_, value| !value.is_null());
        }
        for key in ["spec", "specs"] {
            if let Some(spec) = policy.object.get_mut(key) {
                self.walk("", spec);
            }
        }
    }

    /// Renames what is under a key of a policy.
    fn walk(&mut self, key: &str, value: &mut Value) {
        match value {
            Value::Object(map) if key == "tolerations" => {
                let own = map.get("key").and_then(Value::as_str).unwrap_or_default().to_owned();
                if let Some(value) = map.get_mut("value") {
                    *value = self.value(&own, value.as_str().unwrap_or_default()).into();
                }
                if !own.is_empty() {
                    map.insert("key".to_owned(), self.key(&own).into());
                }
            }
            Value::Object(map) if matches!(key, "matchLabels" | "nodeSelector") => {
                let labels = std::mem::take(map).into_iter();
                *map = labels
                    .map(|(key, value)| {
                        let value = self.value(&key, value.as_str().unwrap_or_default());
                        (self.key(&key), value.into())
                    })
                    .collect();
            }
            Value::Object(map) if map.contains_key("operator") && map.contains_key("key") => {
                let own = map["key"].as_str().unwrap_or_default().to_owned();
                for value in map
                    .get_mut("values")
                    .and_then(Value::as_array_mut)
                    .into_iter()
                    .flatten()
                {
                    *value = self.value(&own, value.as_str().unwrap_or_default()).into();
                }
                map.insert("key".to_owned(), self.key(&own).into());
            }
            Value::Object(map)
                if map.contains_key("key") && ["values", "notValues"].iter().any(|key| map.contains_key(*key)) =>
            {
                let own = map["key"].as_str().unwrap_or_default().to_owned();
                for list in ["values", "notValues"] {
                    if let Some(Value::Array(list)) = map.get_mut(list) {
                        *list = self.expanded(list, |this, value| this.condition(&own, value));
                    }
                }
                map.insert("key".to_owned(), self.attribute(&own).into());
            }
            Value::Object(map) if key == "k8sService" => {
                let text = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
                let own = (text("namespace"), text("serviceName"));
                let name = self.services.get(&own).cloned();
                let name = name.unwrap_or_else(|| self.others.get(&own.1));
                map.insert("serviceName".to_owned(), name.into());
                if !own.0.is_empty() {
                    map.insert("namespace".to_owned(), self.namespace(&own.0).into());
                }
            }
            Value::Object(map) => map.iter_mut().for_each(|(key, value)| self.walk(key, value)),
            Value::Array(list) if matches!(key, "principals" | "notPrincipals") => {
                *list = self.expanded(list, |this, own| this.principals(own));
            }
            Value::Array(list) if matches!(key, "namespaces" | "notNamespaces") => {
                *list = self.expanded(list, |this, own| this.matching_namespaces(own));
            }
            Value::Array(list) if matches!(key, "serviceAccounts" | "notServiceAccounts") => {
                *list = self.expanded(list, |this, own| match own.split_once('/') {
                    Some((namespace, account)) => {
                        vec![format!("{}/{}", this.namespace(namespace), this.account(account))]
                    }
                    None => vec![this.account(own)],
                });
            }
            Value::Array(list) => list.iter_mut().for_each(|value| self.walk(key, value)),
            Value::String(own) => {
                let name = self.text(key, own);
                *own = name;
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn text(&mut self, key: &str, own: &str) -> String {
        match key {
            _ if WORDS.contains(&key) || own == "*" || own.is_empty() => own.to_owned(),
            "topologyKey" | "matchLabelKeys" | "mismatchLabelKeys" => self.key(own),
            "priorityClassName" => self.priority(own),
            "cidr" | "fromCIDR" | "toCIDR" | "except" => match own {
                "0.0.0.0/0" | "::/0" => own.to_owned(),
                _ => BLOCK.to_owned(),
            },
            "matchName" | "matchPattern" | "hosts" | "notHosts" => format!("{}.example", self.hosts.get(own)),
            "paths" | "notPaths" => {
                let parts = own.split('/').map(|part| match part {
                    "" | "*" | "**" | "{*}" | "{**}" => part.to_owned(),
                    // A wildcard at an end stays there; what begins like its text has to begin like its new name.
                    _ => match (part.strip_suffix('*'), part.strip_prefix('*')) {
                        (Some(text), _) => format!("{}*", self.segments.get(text)),
                        (_, Some(text)) => format!("*{}", self.segments.get(text)),
                        _ => self.segments.get(part),
                    },
                });
                parts.collect::<Vec<_>>().join("/")
            }
            _ => self.others.get(own),
        }
    }

    /// The attribute of a condition: words of Istio, with what is in brackets renamed.
    fn attribute(&mut self, own: &str) -> String {
        let parts = own.split('[').enumerate().map(|(number, part)| match number {
            0 => part.to_owned(),
            _ => format!("[{}]", self.others.get(part.trim_end_matches(']'))),
        });
        parts.collect()
    }

    /// The values that stand for one of a condition on an attribute.
    fn condition(&mut self, attribute: &str, own: &str) -> Vec<String> {
        match attribute {
            _ if own == "*" || own.is_empty() => vec![own.to_owned()],
            "source.namespace" => self.matching_namespaces(own),
            "source.principal" | "request.auth.principal" => self.principals(own),
            "source.ip" | "remote.ip" | "destination.ip" => vec![BLOCK.to_owned()],
            "destination.port" => vec![own.to_owned()],
            _ => match (own.strip_suffix('*'), own.strip_prefix('*')) {
                (Some(text), _) => vec![format!("{}*", self.others.get(text))],
                (_, Some(text)) => vec![format!("*{}", self.others.get(text))],
                _ => vec![self.others.get(own)],
            },
        }
    }

    fn expanded(&mut self, list: &[Value], rename: impl Fn(&mut Self, &str) -> Vec<String>) -> Vec<Value> {
        let names = list.iter().filter_map(Value::as_str);
        names.flat_map(|own| rename(self, own)).map(Value::from).collect()
    }

    /// New names of a principal; of a pattern, those of all accounts that it matches, since new names do not begin like old ones.
    fn principals(&mut self, own: &str) -> Vec<String> {
        let path = |namespace: &str, account: &str| format!("cluster.local/ns/{namespace}/sa/{account}");
        if own == "*" {
            return vec![own.to_owned()];
        }
        let all = self.known.clone();
        let matches = |(namespace, account): &&(String, String)| is_match(own, &path(namespace, account));
        let mut found: Vec<String> = all
            .iter()
            .filter(matches)
            .map(|(namespace, account)| path(&self.namespace(namespace), &self.account(account)))
            .collect();
        if found.is_empty() {
            // No pod has it; the list must not become empty, which would mean every principal.
            let parts: Vec<&str> = own.split('/').collect();
            let none = self.others.get(own);
            found.push(match parts.as_slice() {
                [_, "ns", namespace, "sa", account] if !own.contains('*') => {
                    path(&self.namespace(namespace), &self.account(account))
                }
                _ => path("none", &none),
            });
        }
        found
    }

    fn matching_namespaces(&mut self, own: &str) -> Vec<String> {
        if own == "*" || !own.contains('*') {
            return vec![if own == "*" {
                own.to_owned()
            } else {
                self.namespace(own)
            }];
        }
        let all: BTreeSet<String> = self.known.iter().map(|(namespace, _)| namespace.clone()).collect();
        let matching = all.iter().filter(|namespace| is_match(own, namespace));
        let mut found: Vec<String> = matching.map(|namespace| self.namespace(namespace)).collect();
        if found.is_empty() {
            found.push(self.others.get(own));
        }
        found
    }
}

/// Whether a text matches a name of Istio's policies, which may have `*` at one end.
fn is_match(pattern: &str, text: &str) -> bool {
    match (pattern.strip_suffix('*'), pattern.strip_prefix('*')) {
        (Some(start), _) => text.starts_with(start),
        (_, Some(end)) => text.ends_with(end),
        _ => pattern == text,
    }
}
