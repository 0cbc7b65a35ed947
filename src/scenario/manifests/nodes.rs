//! Nodes of the cluster, as far as a folder shows them.
//!
//! Belongs here: names and addresses of nodes and of API servers, out of Nodes, of Pods as a cluster runs them, and of the
//! endpoints of the Service `kubernetes`. Does not belong here: what they are to policy (`policy::network`).

use std::net::IpAddr;

use serde::Deserialize;

use super::Manifests;
use super::pods::Draft;
use crate::policy::network::{Node, Options};
use crate::scenario::error::InputError;
use crate::scenario::yaml::Document;

/// What a folder shows of nodes and API servers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nodes {
    nodes: Vec<Node>,
    /// Addresses of the endpoints of the Service `kubernetes`.
    api_servers: Vec<IpAddr>,
}

#[derive(Deserialize)]
struct RawNode {
    metadata: RawMetadata,
    status: Option<RawStatus>,
}

#[derive(Deserialize)]
struct RawMetadata {
    name: Option<String>,
    namespace: Option<String>,
    labels: Option<std::collections::BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct RawStatus {
    addresses: Option<Vec<RawAddress>>,
}

#[derive(Deserialize)]
struct RawAddress {
    address: Option<String>,
}

#[derive(Deserialize)]
struct RawEndpoints {
    metadata: RawMetadata,
    subsets: Option<Vec<RawSubset>>,
    endpoints: Option<Vec<RawEndpoint>>,
}

#[derive(Deserialize)]
struct RawSubset {
    addresses: Option<Vec<RawIp>>,
}

#[derive(Deserialize)]
struct RawIp {
    ip: Option<String>,
}

#[derive(Deserialize)]
struct RawEndpoint {
    addresses: Option<Vec<String>>,
}

/// Label of an EndpointSlice with the name of its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

impl Nodes {
    pub(super) fn node(&mut self, document: &Document<'_>) -> Result<(), InputError> {
        let node: RawNode = document.lenient().parse()?;
        let addresses = node.status.and_then(|status| status.addresses).into_iter().flatten();
        let addresses: Vec<IpAddr> = addresses.filter_map(|a| a.address?.parse().ok()).collect();
        self.add(node.metadata.name, &addresses, false);
        Ok(())
    }

    /// Reads Endpoints or an EndpointSlice, if they are those of the API server (Cilium
    /// `pkg/k8s/watchers/endpoint_slice.go`, `addKubeAPIServerServiceEndpoints`).
    pub(super) fn endpoints(&mut self, document: &Document<'_>) -> Result<(), InputError> {
        let object: RawEndpoints = document.lenient().parse()?;
        let meta = object.metadata;
        let service = meta
            .labels
            .as_ref()
            .and_then(|labels| labels.get(SERVICE_NAME))
            .or(meta.name.as_ref());
        let of_api_server = service.is_some_and(|name| name == "kubernetes");
        if !of_api_server || meta.namespace.as_deref().unwrap_or("default") != "default" {
            return Ok(());
        }
        let subsets = object
            .subsets
            .into_iter()
            .flatten()
            .flat_map(|s| s.addresses.unwrap_or_default());
        let of_slice = object
            .endpoints
            .into_iter()
            .flatten()
            .flat_map(|e| e.addresses.unwrap_or_default());
        let texts = subsets.filter_map(|a| a.ip).chain(of_slice);
        self.api_servers
            .extend(texts.filter_map(|text| text.parse::<IpAddr>().ok()));
        Ok(())
    }

    /// Takes in what Pods show of their nodes.
    pub(super) fn pods(&mut self, drafts: &[Draft]) {
        for draft in drafts {
            let mut addresses = draft.host_addresses.clone();
            if draft.host_network {
                addresses.extend(&draft.addresses);
            }
            if draft.node.is_some() || !addresses.is_empty() {
                self.add(draft.node.clone(), &addresses, draft.is_api_server());
            }
        }
    }

    fn add(&mut self, name: Option<String>, addresses: &[IpAddr], api_server: bool) {
        let same = |node: &Node| match (&node.name, &name) {
            (Some(known), Some(name)) => known == name,
            _ => node.addresses.iter().any(|known| addresses.contains(known)),
        };
        let index = match self.nodes.iter().position(same) {
            Some(index) => index,
            None => {
                self.nodes.push(Node::default());
                self.nodes.len() - 1
            }
        };
        let node = &mut self.nodes[index];
        node.name = node.name.take().or(name);
        node.api_server |= api_server;
        for address in addresses {
            if !node.addresses.contains(address) {
                node.addresses.push(*address);
            }
        }
    }
}

impl Manifests {
    pub(super) fn nodes_into(&self, options: &mut Options) {
        let Nodes { nodes, api_servers } = &self.nodes;
        options.nodes.extend(nodes.iter().map(|node| Node {
            api_server: node.api_server || node.addresses.iter().any(|a| api_servers.contains(a)),
            ..node.clone()
        }));
        let of_node = |address: &&IpAddr| nodes.iter().any(|node| node.addresses.contains(address));
        options
            .outside_api_servers
            .extend(api_servers.iter().filter(|a| !of_node(a)));
    }
}
