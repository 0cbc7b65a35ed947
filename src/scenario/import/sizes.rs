//! How large the cluster is, which versions run in it, and how often its pods are replaced.
//!
//! Belongs here: numbers of a dump, and for each of them where it is from; what the dump does not show is assumed and marked as such.
//! Does not belong here: workloads (`workloads`), and how an experiment is written (`experiment`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::churn::{self, Churn};
use super::dump::Dump;
use super::settings::{self, Settings};
use super::template::{Phase, Pod};
use super::versions::{self, most_common};
use super::workloads::Workloads;
use super::zones::{self, Layout};
use crate::scenario::error::InputError;
use crate::scenario::models::Models;
use crate::scenario::yaml::{Position, Spanned};

/// A value, and where it is from.
#[derive(Clone, Debug)]
pub(super) struct Known<T> {
    pub value: T,
    /// In words, after `# `; begins with `assumed:` where the dump does not have it.
    pub from: String,
}

impl<T> Known<T> {
    pub fn seen(value: T, from: impl Into<String>) -> Self {
        let from = from.into();
        Self { value, from }
    }

    pub fn assumed(value: T, why: &str) -> Self {
        Self::seen(value, format!("assumed: {why}"))
    }
}

/// Version and replicas of Istiod.
pub(super) type Mesh = (Known<String>, Known<u32>);

#[derive(Debug)]
pub(super) struct Sizes {
    pub kubernetes: Known<String>,
    pub cilium: Known<String>,
    pub istio: Option<Mesh>,
    pub api_servers: Known<u32>,
    pub coredns: Known<u32>,
    pub prefix: Known<u8>,
    pub pods_per_node_max: Known<u32>,
    pub layout: Layout,
    pub settings: Settings,
    pub churn: Option<Churn>,
}

pub(super) fn sizes(dump: &Dump, workloads: &Workloads, models: &Models) -> Result<Sizes, InputError> {
    let layout = zones::layout(dump, workloads);
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let (kubernetes, cilium) = (versions::kubernetes(dump, models)?, versions::cilium(dump, models)?);
    let istio = versions::istio(dump, workloads, models)?;
    let mut sets = Vec::new();
    for (component, version) in [
        ("cilium", Some(&cilium.value)),
        ("istio", istio.as_ref().map(|of| &of.0.value)),
    ] {
        if let Some(version) = version {
            let text = Spanned::new(version.clone(), Position::UNKNOWN, Position::UNKNOWN);
            sets.push((component, models.choose(component, Path::new("import"), &text)?));
        }
    }
    let mut settings = settings::settings(dump, &sets);
    if dump.cilium_config.is_none() && cilium.from.starts_with("assumed") {
        let text = "the dump has no Cilium; the simulator has no other network plugin";
        settings.unlike.push(text.to_owned());
    }
    let revisions: BTreeSet<&String> = dump
        .namespaces
        .values()
        .filter_map(|of| of.get("istio.io/rev"))
        .collect();
    if revisions.len() > 1 {
        let text = format!(
            "namespaces use {} revisions of Istio; one is simulated",
            revisions.len()
        );
        settings.unlike.push(text);
    }
    Ok(Sizes {
        kubernetes,
        cilium,
        istio,
        prefix: prefix(dump, layout.nodes.value),
        pods_per_node_max: pods_per_node_max(dump),
        api_servers: match (workloads.api_servers, dump.api_endpoints.len()) {
            (0, 0) => Known::assumed(1, "the dump shows no API server"),
            (0, found) => Known::seen(count(found).min(100), "addresses of the Service kubernetes"),
            (found, _) => Known::seen(count(found).min(100), "pods of kube-apiserver"),
        },
        coredns: match workloads.dns {
            0 => Known::assumed(0, "the dump has no pods of CoreDNS; with 0, names cost no time"),
            found => Known::seen(count(found), "pods with the label k8s-app: kube-dns"),
        },
        churn: churn::churn(dump),
        layout,
        settings,
    })
}

/// Length of a node's prefix, within what the simulator's address plan has.
fn prefix(dump: &Dump, nodes: u32) -> Known<u8> {
    let of_nodes = dump.nodes.iter().filter_map(|node| node.prefix);
    let found = match dump.cilium_prefixes.is_empty() {
        true => most_common(of_nodes).map(|(length, _)| (length, "podCIDR of the nodes")),
        false => most_common(dump.cilium_prefixes.iter().copied()).map(|(length, _)| (length, "CiliumNodes")),
    };
    // All pods of the node with the most of them need an address, and Cilium needs some itself.
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    let addressed = |pod: &&Pod| pod.phase != Phase::Ended && !pod.template.spec.host_network;
    for node in dump.pods.iter().filter(addressed).filter_map(|pod| pod.node.as_deref()) {
        *counts.entry(node).or_default() += 1;
    }
    let needed = counts.values().max().copied().unwrap_or(0).saturating_add(10);
    let fits = |length: &u8| (1_u64 << (32 - length)) > u64::from(needed);
    let planned = |length: &u8| u64::from(nodes) << (32 - length) <= 1 << 24;
    let (asked, from) = match found {
        Some((length, from)) => (length, from.to_owned()),
        None => (24, "assumed: the dump has no address prefixes of nodes".to_owned()),
    };
    let mut lengths = (16..=28).filter(|length| fits(length) && planned(length));
    let nearest = lengths.clone().min_by_key(|length| length.abs_diff(asked));
    match nearest.or_else(|| lengths.next()) {
        Some(length) if length == asked => Known::seen(length, from),
        Some(length) => Known::seen(length, format!("assumed: /{asked} in the cluster, which does not fit")),
        None => Known::seen(24, "assumed: no prefix fits".to_owned()),
    }
}

fn pods_per_node_max(dump: &Dump) -> Known<u32> {
    let capacity = most_common(
        dump.nodes
            .iter()
            .filter(|node| !node.control_plane)
            .filter_map(|node| node.pods_max),
    );
    match capacity {
        Some((most, _)) if most > 0 => Known::seen(most, "allocatable pods of the nodes"),
        _ => Known::assumed(110, "the default of the kubelet"),
    }
}
