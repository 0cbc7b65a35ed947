//! Who may call whom by the policies of a dump, and which of these edges an experiment asks about first.
//!
//! Belongs here: verdicts of both layers for pairs of workloads. Does not belong here: evaluation itself (`policy`), and how they
//! are written (`experiment`).

use crate::cluster::spec::{ServiceSpec, WorkloadSpec};
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
}

/// Whether both layers admit a request.
fn admits(material: &Material, mesh: bool, from: &WorkloadSpec, to: &WorkloadSpec, port: u16) -> bool {
    is_open(material, mesh, &from.subject, from.injected, to, port)
}

fn is_open(material: &Material, mesh: bool, from: &Subject, injected: bool, to: &WorkloadSpec, port: u16) -> bool {
    let network = &material.network_policies;
    let admitted = network
        .egress(from, Peer::Endpoint(&to.subject), port, Protocol::Tcp, None)
        .is_allowed()
        && network
            .ingress(&to.subject, Peer::Endpoint(from), port, Protocol::Tcp, None)
            .is_allowed();
    if !admitted || !mesh || !to.injected {
        return admitted;
    }
    let principal = injected.then(|| from.principal(TRUST_DOMAIN));
    let request = Request {
        port,
        method: Some("GET"),
        path: Some("/"),
        host: None,
    };
    material
        .mesh_policies
        .request(&to.subject, principal.as_deref(), &request)
        .is_allowed()
}

/// The restricted servers behind Services, with their clients. `mesh` is whether the mesh's policies are in force.
pub(super) fn edges(material: &Material, mesh: bool) -> Edges {
    let stranger = Subject::new("default", Labels::default(), "stranger", Labels::default());
    let mut edges = Edges::default();
    let mut pairs = 0;
    let behind = |service: &ServiceSpec, workload: &WorkloadSpec| {
        workload.subject.namespace == service.namespace && service.selector.matches(&workload.subject.labels)
    };
    let all = &material.workloads;
    for (workload, to) in all.iter().enumerate().filter(|(_, of)| of.replicas > 0) {
        let found = material.services.iter().position(|service| behind(service, to));
        let Some(service) = found else { continue };
        let port = material.services[service].target_port;
        edges.candidates += 1;
        if is_open(material, mesh, &stranger, false, to, port) {
            continue;
        }
        pairs += all.len();
        if pairs > PAIRS_MAX && !edges.servers.is_empty() {
            edges.left_out += 1;
            continue;
        }
        let clients = (0..all.len()).filter(|client| *client != workload && all[*client].replicas > 0);
        let (allowed, denied) = clients.partition(|client| admits(material, mesh, &all[*client], to, port));
        edges.servers.push(Server {
            workload,
            service,
            port,
            allowed,
            denied,
        });
    }
    edges
}

impl Edges {
    /// The server about which an experiment asks first: one that lets some clients in and keeps others out; of several, the one with
    /// the most of the rarer of both, and then with the fewest pods.
    pub fn first(&self, material: &Material) -> Option<&Server> {
        let score = |server: &&Server| {
            let pods = material.workloads[server.workload].replicas;
            (server.allowed.len().min(server.denied.len()), std::cmp::Reverse(pods))
        };
        let found = self.servers.iter().rev().max_by_key(score)?;
        (!found.denied.is_empty()).then_some(found)
    }
}
