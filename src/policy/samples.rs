//! Requests that HTTP rules are about, as samples for a table.
//!
//! Belongs here: one request for each method and path that a rule names. Does not belong here: evaluation; a sample only says
//! what is worth asking.

use super::Endpoint;
use super::istio::{MeshPolicies, Operation, PathMatch, StringMatch};
use super::network::CompiledPolicies;

/// Most samples for one port of a workload.
pub const SAMPLES_MAX: usize = 12;

/// Methods to ask with, the first that a rule does not exclude.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "HEAD"];

/// A method and a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sample {
    /// Method.
    pub method: String,
    /// Path.
    pub path: String,
}

impl Sample {
    fn of(method: Option<String>, path: Option<String>) -> Self {
        Self {
            method: method.unwrap_or_else(|| "GET".to_owned()),
            path: path.unwrap_or_else(|| "/".to_owned()),
        }
    }
}

/// The requests that the HTTP rules of both layers name for a port of a workload, in their order, each once; none if there
/// is no such rule. A request that no rule names stands last.
pub fn samples(network: &CompiledPolicies, mesh: &MeshPolicies, to: usize, port: u16) -> Vec<Sample> {
    let endpoint = &network.endpoints()[to];
    let mut found: Vec<Sample> = of_mesh(mesh, endpoint, port);
    for rule in network.http_rules(to, port) {
        let text = |pattern: &Option<super::cilium::Pattern>| pattern.as_ref().map(|p| of_expression(p.text()));
        found.push(Sample::of(text(&rule.method), text(&rule.path)));
    }
    if found.is_empty() {
        return found;
    }
    let mut samples: Vec<Sample> = Vec::new();
    let other = ["GET", "POST"].map(|method| Sample::of(Some(method.to_owned()), None));
    for sample in found.into_iter().take(SAMPLES_MAX - other.len()).chain(other) {
        if !samples.contains(&sample) {
            samples.push(sample);
        }
    }
    samples
}

fn of_mesh(mesh: &MeshPolicies, endpoint: &Endpoint, port: u16) -> Vec<Sample> {
    if !(endpoint.sidecar || endpoint.ambient) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let about = |operation: &&Operation| {
        let ports = &operation.ports;
        (ports.any_of.is_empty() || ports.any_of.contains(&port)) && !ports.none_of.contains(&port)
    };
    for operation in mesh.operations(endpoint).into_iter().filter(about) {
        let (methods, paths) = (&operation.methods, &operation.paths);
        // Where everything but something is named, something else is worth asking too.
        let other = |method: &&&str| !methods.none_of.iter().any(|pattern| pattern.matches_text(method));
        let other = METHODS
            .iter()
            .find(other)
            .filter(|_| methods.any_of.is_empty() && !methods.none_of.is_empty());
        let named = methods.any_of.iter().chain(&methods.none_of).map(of_match);
        let methods: Vec<String> = other
            .map(|method| (*method).to_owned())
            .into_iter()
            .chain(named)
            .collect();
        let other = (paths.any_of.is_empty() && !paths.none_of.is_empty()).then(|| "/".to_owned());
        let other = other.filter(|path| !paths.none_of.iter().any(|pattern| pattern.matches(Some(path))));
        let named = paths.any_of.iter().chain(&paths.none_of).map(PathMatch::sample);
        let paths: Vec<String> = other.into_iter().chain(named).collect();
        let hosts = &operation.hosts;
        if methods.is_empty() && paths.is_empty() && hosts.is_empty() {
            continue;
        }
        let or_none = |list: &[String]| -> Vec<Option<String>> {
            match list.is_empty() {
                true => vec![None],
                false => list.iter().cloned().map(Some).collect(),
            }
        };
        for path in or_none(&paths) {
            for method in or_none(&methods) {
                found.push(Sample::of(method, path.clone()));
            }
        }
    }
    found
}

fn of_match(pattern: &StringMatch) -> String {
    match pattern {
        StringMatch::Exact(text) | StringMatch::Prefix(text) | StringMatch::Suffix(text) => text.clone(),
        StringMatch::Present => "GET".to_owned(),
    }
}

/// A text that a regular expression is likely to match.
fn of_expression(text: &str) -> String {
    let plain = text.trim_start_matches('^').trim_end_matches('$');
    let first = plain.split('|').next().unwrap_or(plain).trim_matches(['(', ')']);
    let mut result = first.to_owned();
    for (from, to) in [
        (".*", "x"),
        (".+", "x"),
        ("[0-9]+", "1"),
        ("[a-z]+", "a"),
        (r"\.", "."),
        ("?", ""),
    ] {
        result = result.replace(from, to);
    }
    result
}
