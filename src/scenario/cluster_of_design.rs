//! The cluster of one design: its size, its data path and the parameter set of each component.
//!
//! Belongs here: what `cluster` and `parameters` of an experiment can have wrong. Does not belong here: the rest of a design (`world`)
//! and the parameter sets themselves (`models`).

use std::collections::BTreeSet;
use std::path::Path;

use indexmap::IndexMap;

use super::error::{InputError, keep, keep_one};
use super::faults::Targets;
use super::layers::Merged;
use super::models::ParameterSet;
use super::node_pools::pools;
use super::schema::{Istio, Setting, Text};
use super::values::{choice, complain, count};
use super::world::Shared;
use super::yaml::Spanned;
use crate::cluster::blueprint::zone_in_pools;
use crate::cluster::params::{CiliumParams, KubernetesParams};
use crate::cluster::placement::NodePool;
use crate::cluster::spec::{Datapath, Encryption, Routing};

/// Nodes of a cluster without `nodes`: one control plane and three workers.
const NODES: u32 = 4;
/// Length of a node's pod address prefix where none is given; the default of kube-controller-manager.
const NODE_PREFIX_LENGTH: u8 = 24;
/// Most nodes that a cluster can have: twice the tested limit of Kubernetes.
pub const NODES_MAX: u32 = 10_000;
/// Most API servers.
pub const API_SERVERS_MAX: u32 = 100;
/// Most identities of pods: Cilium numbers those of one cluster from 256 to 65,535
/// (`cilium/cilium pkg/identity/cache/allocator.go`).
const IDENTITIES_MAX: usize = 65_280;
pub(super) const ROUTINGS: [(&str, Routing); 2] = [("native", Routing::Native), ("vxlan", Routing::Vxlan)];
pub(super) const ENCRYPTIONS: [(&str, Encryption); 2] =
    [("none", Encryption::None), ("wireguard", Encryption::WireGuard)];
/// The cluster of a design, without faults and script.
pub struct ClusterOf {
    pub targets: Targets,
    pub node_prefix_length: u8,
    pub datapath: Datapath,
    pub sets: Sets,
}

/// The parameter set of each component.
pub struct Sets {
    pub kubernetes: ParameterSet,
    pub cilium: ParameterSet,
    pub istio: Option<ParameterSet>,
    pub network: ParameterSet,
    /// By component, as they are written.
    pub versions: IndexMap<String, String>,
}

/// The numbers of a cluster.
struct Sizes {
    nodes: u32,
    control_plane_nodes: u32,
    zones: u32,
    pools: Vec<NodePool>,
    api_servers: u32,
    coredns: u32,
    node_prefix_length: u8,
    istiods: Option<u32>,
}

/// Whether a design describes an Istio, rightly or not.
pub fn with_istio(merged: &Merged<'_>) -> bool {
    let istio = merged.experiment.cluster.istio.as_ref();
    istio.is_some_and(|istio| !matches!(&istio.value, Istio::Word(word) if word == "none"))
}

/// The cluster of a design.
///
/// # Errors
/// For every part of it that is wrong.
pub fn cluster(shared: &Shared<'_>, merged: &Merged<'_>) -> Result<ClusterOf, Vec<InputError>> {
    let mut errors = Vec::new();
    let sizes = keep_one(&mut errors, sizes(merged));
    let datapath = keep(&mut errors, datapath(merged));
    let accounts_max = keep_one(&mut errors, accounts_max(merged, shared));
    let sets = keep(&mut errors, sets(shared, merged));
    let (Some(sizes), Some(datapath), Some(accounts_max), Some(sets)) = (sizes, datapath, accounts_max, sets) else {
        return Err(errors);
    };
    if let Some(setting) = own_addresses(merged) {
        check_own_addresses(merged.file, setting, sizes.node_prefix_length, &sets.cilium)
            .map_err(|error| vec![error])?;
    }
    Ok(ClusterOf {
        targets: Targets {
            nodes: sizes.nodes,
            control_plane_nodes: sizes.control_plane_nodes,
            zones: sizes.zones,
            pools: sizes.pools,
            api_servers: sizes.api_servers,
            istiods: sizes.istiods,
            coredns: sizes.coredns,
            horizon: shared.horizon,
            accounts_max,
        },
        node_prefix_length: sizes.node_prefix_length,
        datapath,
        sets,
    })
}

fn sizes(merged: &Merged<'_>) -> Result<Sizes, InputError> {
    let (file, written) = (merged.file, &merged.experiment.cluster);
    let pools = pools(merged)?;
    let control_text = written.control_plane_nodes.as_ref();
    let control_plane_nodes = control_text.map_or(Ok(1), |text| count(file, text, 1, NODES_MAX))?;
    let nodes_text = written.nodes.as_ref();
    let nodes = match (nodes_text, written.node_pools.as_slice()) {
        (Some(text), []) => count(file, text, 2, NODES_MAX)?,
        (None, []) => NODES,
        (Some(text), _) => {
            let error = complain(file, text, "`nodes` and `node_pools` both state the number of nodes");
            return Err(error.with_hint("write one of them"));
        }
        (None, [.., last]) => {
            let workers = pools.iter().map(|pool| u64::from(pool.nodes)).sum::<u64>();
            let nodes = u32::try_from(workers + u64::from(control_plane_nodes)).ok();
            nodes.filter(|nodes| *nodes <= NODES_MAX).ok_or_else(|| {
                let error = complain(file, last, format!("{workers} workers are too many"));
                error.with_hint(format!("a cluster has at most {NODES_MAX} nodes"))
            })?
        }
    };
    if let (true, Some(at)) = (control_plane_nodes >= nodes, control_text.or(nodes_text)) {
        let message = format!("{control_plane_nodes} control-plane nodes of {nodes} leave no node for pods");
        return Err(complain(file, at, message).with_hint("`nodes` counts the control plane too"));
    }
    let zones_text = written.zones.as_ref();
    let of_pools = pools
        .iter()
        .filter_map(|pool| pool.zone)
        .max()
        .map_or(1, |zone| zone + 1);
    let zones = zones_text.map_or(Ok(of_pools), |text| count(file, text, 1, NODES_MAX))?;
    let pool_beyond = pools
        .iter()
        .zip(&written.node_pools)
        .find(|(pool, _)| pool.zone.is_some_and(|zone| zone >= zones));
    if let (Some((pool, _)), Some(at)) = (pool_beyond, zones_text) {
        let message = format!("{zones} zones are too few for the pool `{}`", pool.name);
        return Err(complain(file, at, message).with_hint("leave `zones` out: it follows from the pools"));
    }
    let has_node: BTreeSet<u32> = (0..nodes)
        .map(|node| zone_in_pools(node, control_plane_nodes, zones, &pools))
        .collect();
    if let (true, Some(at)) = (
        (has_node.len() as u32) < zones,
        zones_text.or_else(|| {
            written
                .node_pools
                .iter()
                .rev()
                .find_map(|pool| pool.value.zone.as_ref())
        }),
    ) {
        let message = format!("{zones} zones are too many for {nodes} nodes: one would have none");
        let hint = "write at most as many zones as there are control-plane nodes, or other nodes";
        return Err(complain(file, at, message).with_hint(hint));
    }
    let servers = written.api_servers.as_ref();
    let api_servers = servers.map_or(Ok(1), |text| count(file, text, 1, API_SERVERS_MAX))?;
    let replicas = written.coredns.as_ref();
    let coredns = replicas.map_or(Ok(0), |text| count(file, text, 0, NODES_MAX))?;
    let prefix_text = written.node_prefix_length.as_ref();
    let prefix = prefix_text.map(|text| count(file, text, 16, 28)).transpose()?;
    let node_prefix_length = prefix
        .and_then(|length| u8::try_from(length).ok())
        .unwrap_or(NODE_PREFIX_LENGTH);
    if let (true, Some(at)) = (
        u64::from(nodes) << (32 - node_prefix_length) > 1 << 24,
        prefix_text.or(nodes_text),
    ) {
        let message = format!(
            "{nodes} nodes with prefixes of length {node_prefix_length} need more addresses than 10.0.0.0/8 has"
        );
        return Err(complain(file, at, message).with_hint("write fewer nodes, or a longer `node_prefix_length`"));
    }
    let replicas = merged.istio()?.map(|(mesh, _)| mesh.replicas.as_ref());
    let istiods = replicas.map(|replicas| replicas.map_or(Ok(1), |text| count(file, text, 1, NODES_MAX)));
    Ok(Sizes {
        nodes,
        control_plane_nodes,
        zones,
        pools,
        api_servers,
        coredns,
        node_prefix_length,
        istiods: istiods.transpose()?,
    })
}

fn datapath(merged: &Merged<'_>) -> Result<Datapath, Vec<InputError>> {
    let (file, cilium) = (merged.file, &merged.experiment.cluster.cilium);
    let mut errors = Vec::new();
    let routing = cilium
        .routing
        .as_ref()
        .map_or(Ok(Routing::Vxlan), |text| choice(file, text, "routing mode", &ROUTINGS));
    let encryption = cilium.encryption.as_ref();
    let encryption = encryption.map_or(Ok(Encryption::None), |text| {
        choice(file, text, "encryption", &ENCRYPTIONS)
    });
    match (keep_one(&mut errors, routing), keep_one(&mut errors, encryption)) {
        (Some(routing), Some(encryption)) => Ok(Datapath { routing, encryption }),
        _ => Err(errors),
    }
}

/// The parameter set of each component, with the values that the design sets.
fn sets(shared: &Shared<'_>, merged: &Merged<'_>) -> Result<Sets, Vec<InputError>> {
    let (file, written) = (merged.file, &merged.experiment.cluster);
    let choose = |component, text: Option<&Text>, key: &str, example: &str| match text {
        Some(text) => shared.models.choose(component, file, text),
        None => Err(complain(
            file,
            &merged.design.name,
            format!("design `{}` has no `{key}`", merged.design.name.value),
        )
        .with_hint(format!("write `{key}: \"{example}\"` under `cluster`"))),
    };
    let mut errors = Vec::new();
    let kubernetes = choose("kubernetes", written.kubernetes.as_ref(), "kubernetes", "1.24");
    let cilium = choose("cilium", written.cilium.version.as_ref(), "cilium.version", "1.12.0");
    let istio = merged.istio().and_then(|mesh| {
        mesh.map(|(_, version)| shared.models.choose("istio", file, version))
            .transpose()
    });
    let versions = [
        ("kubernetes", written.kubernetes.as_ref()),
        ("cilium", written.cilium.version.as_ref()),
        ("istio", merged.istio().ok().flatten().map(|(_, version)| version)),
    ];
    let versions = versions.into_iter();
    let versions = versions.filter_map(|(component, version)| Some((component.to_owned(), version?.value.clone())));
    let versions = versions.collect();
    let (Some(kubernetes), Some(cilium), Some(istio), Some(network)) = (
        keep_one(&mut errors, kubernetes),
        keep_one(&mut errors, cilium),
        keep_one(&mut errors, istio),
        keep_one(&mut errors, shared.models.network()),
    ) else {
        return Err(errors);
    };
    let mut sets = Sets {
        kubernetes,
        cilium,
        istio,
        network,
        versions,
    };
    let mut of_leases = None;
    let parameters = merged.parameters(sets.istio.is_some());
    for (component, field, setting) in keep(&mut errors, parameters).unwrap_or_default() {
        if component == "kubernetes" && OF_LEASES.contains(&field) {
            // The one that was written last is complained about: designs follow the rest, the command line follows all.
            let place = |of: &Spanned<Setting>| (of.referenced.line == 0, of.referenced.line, of.referenced.column);
            of_leases = of_leases.into_iter().chain([setting]).max_by_key(|of| place(of));
        }
        let set = match component {
            "kubernetes" => Some(&mut sets.kubernetes),
            "cilium" => Some(&mut sets.cilium),
            "network" => Some(&mut sets.network),
            _ => sets.istio.as_mut(),
        };
        let set = set.map_or(Ok(()), |set| set.override_with(file, field, setting));
        keep_one(&mut errors, set);
    }
    if let (Some(setting), true) = (of_leases, errors.is_empty()) {
        keep_one(&mut errors, check_leases(file, setting, &sets.kubernetes));
    }
    if errors.is_empty() { Ok(sets) } else { Err(errors) }
}

/// Where the addresses that Cilium uses of each node are set.
fn own_addresses<'a>(merged: &Merged<'a>) -> Option<&'a Spanned<Setting>> {
    let mut parameters = merged.experiment.parameters.0.iter().rev();
    let found = parameters.find(|(name, _)| name.value == "cilium.node_addresses");
    found.map(|(_, setting)| setting)
}

/// How many identities manifests leave for the service accounts of churn.
fn accounts_max(merged: &Merged<'_>, shared: &Shared<'_>) -> Result<u32, InputError> {
    let workloads = &shared.material.workloads;
    let mut taken = workloads.len();
    if taken >= IDENTITIES_MAX {
        let subjects: BTreeSet<_> = workloads.iter().map(|workload| &workload.subject).collect();
        taken = subjects.len();
    }
    // One for Istiod, and one for an account that is not named.
    let left = IDENTITIES_MAX.checked_sub(taken + 1).filter(|left| *left > 0);
    left.and_then(|left| u32::try_from(left).ok()).ok_or_else(|| {
        let message = format!("the manifests describe pods of {taken} identities");
        let hint =
            format!("Cilium numbers at most {IDENTITIES_MAX} identities of pods: merge labels or service accounts");
        complain(merged.file, &merged.experiment.manifests, message).with_hint(hint)
    })
}

/// The addresses that Cilium itself uses have to leave one for a pod.
fn check_own_addresses(
    file: &Path,
    at: &Spanned<Setting>,
    prefix_length: u8,
    set: &ParameterSet,
) -> Result<(), InputError> {
    let used = built(CiliumParams::build(|name, _| Ok(set.value(name)))).node_addresses;
    let size = (1_u32 << (32 - prefix_length)) - 2;
    if used < size {
        return Ok(());
    }
    let message =
        format!("cilium.node_addresses is {used}, and a node has {size} addresses: none would be left for pods");
    Err(complain(file, at, message).with_hint(format!("write at most {}", size - 1)))
}

/// Parameters that state how often a lease is renewed, and how long it may go unrenewed.
const OF_LEASES: [&str; 3] = [
    "node_monitor_grace_period",
    "lease_renew_interval",
    "lease_renew_jitter_ratio",
];

/// A lease must be renewed within the grace period: otherwise healthy nodes are marked NotReady between two renewals, again
/// and again, which is not simulated.
fn check_leases(file: &Path, at: &Spanned<Setting>, set: &ParameterSet) -> Result<(), InputError> {
    let params = built(KubernetesParams::build(|name, _| Ok(set.value(name))));
    let longest = params.lease_renew_interval.scale(1.0 + params.lease_renew_jitter_ratio);
    if params.node_monitor_grace_period >= longest {
        return Ok(());
    }
    let message = format!(
        "the grace period of {} s is shorter than the time between two renewals of a lease, up to {} s: healthy nodes would be \
         marked NotReady again and again",
        params.node_monitor_grace_period.as_secs_f64(),
        longest.as_secs_f64()
    );
    let hint =
        "kubernetes.node_monitor_grace_period has to be at least lease_renew_interval * (1 + lease_renew_jitter_ratio)";
    Err(complain(file, at, message).with_hint(hint))
}

/// The set that was built; its values were checked when they were read.
pub fn built<T>(result: Result<T, std::convert::Infallible>) -> T {
    match result {
        Ok(set) => set,
        Err(never) => match never {},
    }
}
