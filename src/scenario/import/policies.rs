//! Policies and Services of a dump without what the cluster wrote into them, in the form that an experiment takes.
//!
//! Belongs here: what is left out or replaced, with the reason. Does not belong here: which rules the reader of manifests refuses
//! (`settle`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::dump::{Dump, Policy, Text};
use super::template::without_null;
use super::workloads::{Index, Workload};

/// A Service as it is written.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub namespace: String,
    /// Name in the cluster.
    pub name: String,
    /// Name in the experiment, which no other Service has.
    pub written: String,
    pub selector: Text,
    pub ports: Vec<Value>,
}

impl Written {
    /// The ports of pods to which its ports of TCP lead.
    pub fn tcp_ports(&self) -> impl Iterator<Item = u16> {
        let tcp = self.ports.iter().filter(|port| port["protocol"].is_null());
        tcp.filter_map(|port| u16::try_from(port["targetPort"].as_u64()?).ok())
    }
}

/// Counts of what was left out or replaced, by reason.
pub(super) type Counts = BTreeMap<&'static str, usize>;

/// The Services of a dump that lead to its workloads.
pub(super) fn services(dump: &Dump, workloads: &[Workload], counts: &mut Counts) -> Vec<Written> {
    let index = Index::new(workloads);
    let mut services = Vec::new();
    for service in &dump.services {
        let (selector, spec) = (&service.selector, &service.spec);
        let behind = index.with(&service.namespace, selector);
        if spec["type"] == "ExternalName" || selector.is_empty() {
            *counts
                .entry("without a selector: no pods of the dump are behind them")
                .or_default() += 1;
            continue;
        }
        if behind.is_empty() {
            *counts
                .entry("that lead to no workload that is simulated as one")
                .or_default() += 1;
            continue;
        }
        let pods: Vec<&Workload> = behind.iter().map(|at| &workloads[*at]).collect();
        let written = spec["ports"].as_array().into_iter().flatten();
        let ports: Vec<Value> = written.filter_map(|port| target(port, &pods)).collect();
        if ports.is_empty() {
            *counts.entry("whose ports no pod serves").or_default() += 1;
            continue;
        }
        let differs = spec["sessionAffinity"].as_str().is_some_and(|of| of != "None")
            || spec["internalTrafficPolicy"].as_str().is_some_and(|of| of != "Cluster")
            || spec["clusterIP"] == "None";
        if differs {
            let reason = "headless, sticky or for the own node only: called as all others, by a random ready pod";
            *counts.entry(reason).or_default() += 1;
        }
        services.push(Written {
            namespace: service.namespace.clone(),
            name: service.name.clone(),
            written: service.name.clone(),
            selector: selector.clone(),
            ports,
        });
    }
    services.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    services
}

/// A port with the number to which it leads: of several numbers under one name, that of the first workload.
fn target(port: &Value, pods: &[&Workload]) -> Option<Value> {
    let number = port["port"].as_u64().filter(|number| *number > 0)?;
    let by_name = |name: &str| {
        let mut ports = pods.iter().flat_map(|of| &of.template.spec.ports);
        ports.find(|(_, own)| own == name).map(|(number, _)| u64::from(*number))
    };
    let target = match &port["targetPort"] {
        Value::String(name) => name.parse().ok().or_else(|| by_name(name))?,
        written => written.as_u64().unwrap_or(number),
    };
    let mut written = Map::new();
    for key in ["name", "appProtocol"] {
        if let Some(text) = port[key].as_str().filter(|text| !text.is_empty()) {
            written.insert(key.to_owned(), text.into());
        }
    }
    written.insert("port".to_owned(), number.into());
    written.insert("targetPort".to_owned(), target.into());
    if let Some(protocol) = port["protocol"].as_str().filter(|protocol| *protocol != "TCP") {
        written.insert("protocol".to_owned(), protocol.into());
    }
    Some(Value::Object(written))
}

/// The policies of a dump, cleaned, by kind, namespace and name.
pub(super) fn policies(
    dump: &Dump,
    workloads: &[Workload],
    trust_domain: Option<String>,
    counts: &mut Counts,
) -> Vec<Policy> {
    let mut cleaner = Cleaner {
        named: BTreeMap::new(),
        trust_domain,
        counts,
    };
    for (number, name) in workloads.iter().flat_map(|of| &of.template.spec.ports) {
        cleaner.named.entry(name.as_str()).or_default().insert(*number);
    }
    let cleaned = dump.policies.iter().filter_map(|policy| cleaner.policy(policy));
    let mut cleaned: Vec<Policy> = cleaned.collect();
    cleaned.sort_by(|a, b| (&a.kind, &a.namespace, &a.name).cmp(&(&b.kind, &b.namespace, &b.name)));
    cleaned
}

struct Cleaner<'c> {
    /// Numbers by the names that containers give to ports.
    named: BTreeMap<&'c str, BTreeSet<u16>>,
    trust_domain: Option<String>,
    counts: &'c mut Counts,
}

impl Cleaner<'_> {
    fn count(&mut self, reason: &'static str) {
        *self.counts.entry(reason).or_default() += 1;
    }

    fn policy(&mut self, policy: &Policy) -> Option<Policy> {
        let object = &policy.object;
        if policy.kind == "RequestAuthentication" {
            self.count("about tokens, which simulated requests do not carry");
            return None;
        }
        if object["metadata"]["annotations"]["istio.io/dry-run"] == "true" {
            self.count("with `istio.io/dry-run`, which decide nothing");
            return None;
        }
        let mut meta = Map::new();
        meta.insert("name".to_owned(), policy.name.clone().into());
        if !policy.namespace.is_empty() {
            meta.insert("namespace".to_owned(), policy.namespace.clone().into());
        }
        // Of two with one scope Istio takes the older.
        if let (true, Some(created)) = (
            policy.kind == "PeerAuthentication",
            object["metadata"]["creationTimestamp"].as_str(),
        ) {
            meta.insert("creationTimestamp".to_owned(), created.into());
        }
        let mut cleaned = json!({
            "apiVersion": object["apiVersion"],
            "kind": policy.kind,
            "metadata": meta,
        });
        for key in ["spec", "specs"] {
            if object[key].is_null() {
                continue;
            }
            let mut spec = object[key].clone();
            let specs: Vec<&mut Value> = match &mut spec {
                Value::Array(specs) => specs.iter_mut().collect(),
                one => vec![one],
            };
            for spec in specs {
                match policy.kind.as_str() {
                    "NetworkPolicy" => self.network_policy(spec),
                    "AuthorizationPolicy" => self.authorization(spec),
                    "PeerAuthentication" => {}
                    _ => self.cilium(spec),
                }
            }
            cleaned[key] = spec;
        }
        if cleaned["spec"].is_null() && cleaned["specs"].is_null() {
            // An empty spec is written as none by some API servers.
            cleaned["spec"] = json!({});
        }
        Some(Policy {
            object: cleaned,
            ..policy.clone()
        })
    }

    fn network_policy(&mut self, spec: &mut Value) {
        if spec["policyTypes"].is_null() {
            let types = match spec["egress"].is_null() {
                true => json!(["Ingress"]),
                false => json!(["Ingress", "Egress"]),
            };
            spec["policyTypes"] = types;
        }
        for (list, peers) in [("ingress", "from"), ("egress", "to")] {
            let Some(rules) = spec[list].as_array_mut() else {
                continue;
            };
            for rule in rules.iter_mut() {
                if let Some(all) = rule[peers].as_array_mut() {
                    let is_block = |peer: &Value| !peer["ipBlock"].is_null();
                    // Blocks of addresses match no pods under Cilium; a rule of nothing else is looked at by `settle`.
                    if all.iter().any(is_block) && !all.iter().all(is_block) {
                        all.retain(|peer| !is_block(peer));
                        self.count("peers that are blocks of addresses, which match no pods");
                    }
                }
            }
            let mut kept = Vec::new();
            for mut rule in std::mem::take(rules) {
                if self.ports(&mut rule["ports"]) {
                    without_null(&mut rule);
                    kept.push(rule);
                }
            }
            spec[list] = kept.into();
        }
        without_null(spec);
    }

    /// Replaces names of ports by their numbers; false if no port is left, so that the rule matches nothing.
    fn ports(&mut self, ports: &mut Value) -> bool {
        let Some(all) = ports.as_array_mut() else {
            return true;
        };
        let had_any = !all.is_empty();
        let mut numbered = Vec::new();
        for port in all.drain(..) {
            let name = port["port"].as_str().filter(|text| text.parse::<u16>().is_err());
            let Some(name) = name.map(str::to_owned) else {
                numbered.push(port);
                continue;
            };
            self.count("ports by name, replaced by the numbers that pods give to the name");
            for number in self.named.get(name.as_str()).into_iter().flatten() {
                let mut port = port.clone();
                port["port"] = match port["port"] {
                    Value::String(_) => json!(number),
                    _ => continue,
                };
                numbered.push(port);
            }
        }
        let left = !numbered.is_empty() || !had_any;
        *all = numbered;
        left
    }

    fn cilium(&mut self, spec: &mut Value) {
        for key in ["description", "labels", "log"] {
            if let Some(spec) = spec.as_object_mut() {
                spec.remove(key);
            }
        }
        for list in ["ingress", "egress", "ingressDeny", "egressDeny"] {
            let rules = spec[list].as_array_mut().map(std::mem::take);
            let Some(rules) = rules else { continue };
            let (had_any, mut kept) = (!rules.is_empty(), Vec::new());
            for mut rule in rules {
                let mut left = true;
                if let Some(ports) = rule["toPorts"].as_array_mut() {
                    let had_ports = !ports.is_empty();
                    ports.retain_mut(|of| self.layer7(of));
                    left = !had_ports || !ports.is_empty();
                }
                without_null(&mut rule);
                if left {
                    kept.push(rule);
                }
            }
            if kept.is_empty() && had_any {
                kept = nothing(list).into_iter().collect();
            }
            spec[list] = kept.into();
        }
        without_null(spec);
        if let Some(spec) = spec.as_object_mut() {
            spec.retain(|_, value| value.as_array().is_none_or(|list| !list.is_empty()));
        }
    }

    /// Leaves out what a rule demands of requests and of TLS; false if it has no port any more.
    fn layer7(&mut self, of: &mut Value) -> bool {
        if !of["rules"].is_null() && of["rules"]["dns"].is_null() {
            self.count("rules on requests: the port is open for all requests");
        }
        if let Some(of) = of.as_object_mut() {
            of.retain(|key, _| key == "ports");
        }
        // Cilium writes numbers of ports as texts.
        let left = self.ports(&mut of["ports"]);
        for port in of["ports"].as_array_mut().into_iter().flatten() {
            if let Some(number) = port["port"].as_u64() {
                port["port"] = number.to_string().into();
            }
        }
        without_null(of);
        left
    }

    fn authorization(&mut self, spec: &mut Value) {
        let Some(domain) = self.trust_domain.as_deref() else {
            return;
        };
        let rules = spec["rules"].as_array_mut().into_iter().flatten();
        let sources = rules.flat_map(|rule| rule["from"].as_array_mut().into_iter().flatten());
        for source in sources {
            for key in ["principals", "notPrincipals"] {
                let names = source["source"][key].as_array_mut().into_iter().flatten();
                for name in names {
                    let rest = name.as_str().and_then(|name| name.strip_prefix(domain));
                    if let Some(rest) = rest.filter(|rest| rest.starts_with('/')) {
                        *name = format!("cluster.local{rest}").into();
                    }
                }
            }
        }
        without_null(spec);
    }
}

/// A rule of this list that matches nothing, so that a policy that lost its rules still denies the rest.
pub(super) fn nothing(list: &str) -> Option<Value> {
    match list {
        "ingress" => Some(json!({"fromEndpoints": []})),
        "egress" => Some(json!({"toEndpoints": []})),
        _ => None,
    }
}

/// Writes references of policies to Services by the names under which these are written.
pub(super) fn rename_services(policies: &mut [Policy], services: &[Written]) {
    let names = services
        .iter()
        .map(|of| ((of.namespace.as_str(), of.name.as_str()), of.written.as_str()));
    let names: BTreeMap<(&str, &str), &str> = names.filter(|((_, name), written)| name != written).collect();
    if names.is_empty() {
        return;
    }
    for policy in policies {
        let namespace = policy.namespace.clone();
        references(&mut policy.object, &mut |reference| {
            let text = |key: &str| reference.get(key).and_then(Value::as_str).unwrap_or_default();
            let of = if text("namespace").is_empty() {
                namespace.as_str()
            } else {
                text("namespace")
            };
            if let Some(written) = names.get(&(of, text("serviceName"))) {
                reference.insert("serviceName".to_owned(), (*written).into());
            }
        });
    }
}

fn references(value: &mut Value, rename: &mut dyn FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                match value {
                    Value::Object(reference) if key == "k8sService" => rename(reference),
                    _ => references(value, rename),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| references(value, rename)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
