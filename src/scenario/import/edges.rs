//! Who may call whom by the policies of a dump, and about which of these edges an experiment asks first.
//!
//! Belongs here: verdicts of both layers for pairs of workloads. Does not belong here: evaluation itself (`policy`), and how they
//! are written (`experiment`).

use std::collections::BTreeMap;

use super::policies::Written;
use crate::cluster::spec::WorkloadSpec;
use crate::policy::istio::Request;
use crate::policy::labels::Labels;
use crate::policy::{Peer, Protocol, Subject};
use crate::scenario::material::{Material, TRUST_DOMAIN};

/// Most pairs whose verdicts are asked.
const PAIRS_MAX: usize = 400_000;

/// A server with its clients: indexes of workloads.
#[derive(Debug)]
pub(super) struct Server {
    pub workload: usize,
    pub service: usize,
    pub port: u16,
    pub allowed: Vec<usize>,
    pub denied: Vec<usize>,
}

#[derive(Debug, Default)]
pub(super) struct Edges {
    /// Servers that policy does not open to everybody, by namespace and name.
    pub servers: Vec<Server>,
    /// Servers behind a Service.
    pub candidates: usize,
    /// Restricted servers whose clients were not asked, because there are too many.
    pub left_out: usize,
    /// Every edge, by server, port and client.
    pub all: Vec<Edge>,
    /// Ports of servers whose edges were not asked.
    pub unlisted: usize,
}

/// What both layers say to a client, as `meshfault policy` has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub client: usize,
    pub server: usize,
    pub port: u16,
    pub network: bool,
    /// Nothing if no proxy of the server enforces policies.
    pub mesh: Option<bool>,
}

impl Edge {
    fn is_allowed(&self) -> bool {
        self.network && self.mesh != Some(false)
    }
}

/// The layers whose policies are in force.
#[derive(Clone, Copy, Debug)]
pub(super) struct InForce {
    pub network: bool,
    pub mesh: bool,
}

/// The verdicts on a request; those of both layers, whatever the other one says.
fn verdicts(
    material: &Material,
    in_force: InForce,
    from: &Subject,
    injected: bool,
    (to, port): (&WorkloadSpec, u16),
) -> (bool, Option<bool>) {
    let network = &material.network_policies;
    let admitted = || {
        let out = network.egress(from, Peer::Endpoint(&to.subject), port, Protocol::Tcp, None);
        let into = || network.ingress(&to.subject, Peer::Endpoint(from), port, Protocol::Tcp, None);
        out.is_allowed() && into().is_allowed()
    };
    let mesh = (in_force.mesh && to.injected).then(|| {
        let principal = injected.then(|| from.principal(TRUST_DOMAIN));
        let request = Request {
            port,
            method: Some("GET"),
            path: Some("/"),
            host: None,
        };
        let verdict = material
            .mesh_policies
            .request(&to.subject, principal.as_deref(), &request);
        verdict.is_allowed()
    });
    (!in_force.network || admitted(), mesh)
}

/// A port of a workload behind a Service.
struct Target {
    workload: usize,
    /// The Service, and whether calls of it lead to this port.
    service: usize,
    called: bool,
    port: u16,
    restricted: bool,
}

/// The ports of all workloads behind Services; those that policy restricts first.
fn targets(material: &Material, services: &[Written], in_force: InForce) -> Vec<Target> {
    let stranger = Subject::new("default", Labels::default(), "stranger", Labels::default());
    let mut of_namespaces: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, service) in material.services.iter().enumerate() {
        of_namespaces.entry(&service.namespace).or_default().push(at);
    }
    let more: BTreeMap<(&str, &str), &Written> = services
        .iter()
        .map(|of| ((of.namespace.as_str(), of.written.as_str()), of))
        .collect();
    let mut targets: Vec<Target> = Vec::new();
    for (workload, to) in material.workloads.iter().enumerate().filter(|(_, of)| of.replicas > 0) {
        let first = targets.len();
        let own = of_namespaces.get(to.subject.namespace.as_str()).into_iter().flatten();
        for &service in own.filter(|at| material.services[**at].selector.matches(&to.subject.labels)) {
            let spec = &material.services[service];
            let written = more.get(&(spec.namespace.as_str(), spec.name.as_str()));
            let others = written.into_iter().flat_map(|of| of.tcp_ports());
            for port in std::iter::once(spec.target_port).chain(others) {
                if targets[first..].iter().any(|of| of.port == port) {
                    continue;
                }
                let (network, mesh) = verdicts(material, in_force, &stranger, false, (to, port));
                targets.push(Target {
                    workload,
                    service,
                    called: targets.len() == first,
                    port,
                    restricted: !network || mesh == Some(false),
                });
            }
        }
    }
    targets.sort_by_key(|of| !of.restricted);
    targets
}

/// The edges to all servers behind Services.
pub(super) fn edges(material: &Material, services: &[Written], in_force: InForce) -> Edges {
    let targets = targets(material, services, in_force);
    let mut edges = Edges {
        candidates: targets.iter().filter(|of| of.called).count(),
        ..Edges::default()
    };
    let all = &material.workloads;
    for target in &targets {
        if edges.all.len() + all.len() > PAIRS_MAX && !edges.all.is_empty() {
            edges.left_out += usize::from(target.restricted && target.called);
            edges.unlisted += 1;
            continue;
        }
        let clients = (0..all.len()).filter(|client| *client != target.workload && all[*client].replicas > 0);
        let (mut allowed, mut denied) = (Vec::new(), Vec::new());
        for client in clients {
            let (from, to) = (&all[client], (&all[target.workload], target.port));
            let (network, mesh) = verdicts(material, in_force, &from.subject, from.injected, to);
            let edge = Edge {
                client,
                server: target.workload,
                port: target.port,
                network,
                mesh,
            };
            if edge.is_allowed() { &mut allowed } else { &mut denied }.push(client);
            edges.all.push(edge);
        }
        if target.called && (target.restricted || !denied.is_empty()) {
            edges.servers.push(Server {
                workload: target.workload,
                service: target.service,
                port: target.port,
                allowed,
                denied,
            });
        }
    }
    edges.servers.sort_by_key(|of| of.workload);
    edges.all.sort_by_key(|of| (of.server, of.port, of.client));
    edges
}

impl Edges {
    /// All edges as a table.
    pub fn table(&self, material: &Material) -> String {
        let word = |allowed: bool| if allowed { "allow" } else { "deny" };
        let mut text = String::from("client,server,port,network,mesh,together\n");
        for edge in &self.all {
            text.push_str(&format!(
                "{},{},{},{},{},{}\n",
                material.workloads[edge.client].name,
                material.workloads[edge.server].name,
                edge.port,
                word(edge.network),
                edge.mesh.map_or("n/a", word),
                word(edge.is_allowed())
            ));
        }
        text
    }

    /// The server about which an experiment asks first: one that lets some clients in and keeps others out; of several, the one with
    /// the most of the rarer of both, and then with the fewest pods.
    pub fn first(&self, pods: &[u32]) -> Option<&Server> {
        let score = |server: &&Server| {
            let pods = pods[server.workload];
            (server.allowed.len().min(server.denied.len()), std::cmp::Reverse(pods))
        };
        let found = self.servers.iter().rev().max_by_key(score)?;
        (!found.denied.is_empty()).then_some(found)
    }
}
