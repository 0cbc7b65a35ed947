//! What happens to the first packet of a connection between two pods: who is believed to send it, and who lets it through.
//!
//! **Modeled**: egress policy at the client's node on the destination that its ipcache names; WireGuard's check of the
//! source address against the peers' allowed IPs, which are fed from the receiving node's ipcache; ingress policy at the
//! server's node on the source identity, which is the sender's own label on the same node, else what the packet carries,
//! else what the receiving node's ipcache holds, else the world (`docs/model/cilium.md#identity-of-a-packet`).
//! Nothing passes where a fault cuts the path between two nodes in either direction, since the answer has to come back.
//! **Left out**: established connections (every packet is judged there too), WireGuard's choice of a peer at the sender, host traffic, Services in the datapath, IPsec,
//! policies on answers.
//! **Parameters**: routing, encryption, `wireguard_encapsulates`. **Validated by**: `tests/world/datapath_table.rs`.

use std::net::Ipv4Addr;

use super::ipcache;
use super::passage::{Loss, Passage};
use crate::cluster::blueprint::NetworkPeer;
use crate::cluster::context::Shared;
use crate::cluster::faults::cut::CutMode;
use crate::cluster::ids::{BelievedIdentity, NodeId, PodId};
use crate::kernel::SimTime;

/// Sends the first packet of a connection from `from` to `ip` at `time`.
#[must_use]
pub fn forward(shared: &Shared, from: PodId, ip: Ipv4Addr, port: u16, time: SimTime) -> Passage {
    let blueprint = &shared.blueprint;
    let enforced = blueprint.spec.network_enforced;
    let Some((from_node, from_ip)) = shared.physics.pod(from).place else {
        return Passage::Lost(Loss::NoPod);
    };
    if enforced {
        let believed = believed_at(shared, from_node, ip, time);
        if !blueprint.egress_admits(
            shared.kind(from).identity,
            peer(shared, from_node, believed, time),
            port,
        ) {
            return Passage::Lost(Loss::EgressPolicy { believed });
        }
    }
    let Some(to) = shared
        .physics
        .holder(ip)
        .filter(|&pod| shared.physics.pod(pod).connected)
    else {
        return Passage::Lost(Loss::NoPod);
    };
    let Some((to_node, _)) = shared.physics.pod(to).place else {
        return Passage::Lost(Loss::NoPod);
    };
    let cut = shared.paths.cut(from_node, to_node);
    if cut.is_some_and(|cut| cut.mode != CutMode::RepliesOnly) {
        return Passage::Lost(Loss::Path { at: to });
    }
    if to_node != from_node
        && blueprint.wireguard_checks_pod_addresses()
        && !is_listed(shared, to_node, from_ip, from_node, time)
    {
        return Passage::Lost(Loss::WireGuardPeer { at: to });
    }
    if enforced {
        let believed = source_identity(shared, from, from_node, from_ip, to_node, time);
        if !blueprint.ingress_admits(peer(shared, to_node, believed, time), shared.kind(to).identity, port) {
            return Passage::Lost(Loss::IngressPolicy { at: to, believed });
        }
    }
    if cut.is_some() {
        return Passage::Lost(Loss::Path { at: to });
    }
    Passage::Delivered(to)
}

/// Whether a packet between two pods gets there, whatever policies say.
#[must_use]
pub fn reaches(shared: &Shared, from: PodId, to: PodId, time: SimTime) -> bool {
    let (from, to) = (shared.physics.pod(from).place, shared.physics.pod(to).place);
    let Some(((from_node, from_ip), (to_node, _))) = from.zip(to) else {
        return false;
    };
    let listed = || {
        to_node == from_node
            || !shared.blueprint.wireguard_checks_pod_addresses()
            || is_listed(shared, to_node, from_ip, from_node, time)
    };
    shared.paths.cut(from_node, to_node).is_none() && listed()
}

/// The pod that held the address when the packet was sent to it, whether it got there or not.
#[must_use]
pub fn meant_for(passage: Passage, shared: &Shared, ip: Ipv4Addr) -> Option<PodId> {
    match passage {
        Passage::Delivered(to) => Some(to),
        Passage::Lost(loss) => loss.reached().or_else(|| shared.physics.holder(ip)),
    }
}

/// As whom the server's node takes the sender.
#[must_use]
pub fn source_identity(
    shared: &Shared,
    from: PodId,
    from_node: NodeId,
    from_ip: Ipv4Addr,
    to_node: NodeId,
    time: SimTime,
) -> BelievedIdentity {
    if to_node == from_node || shared.blueprint.identity_in_packet() {
        // The sender's own node labels the packet: it knows its endpoint, whatever others believe.
        return shared
            .api
            .identity(shared.kind(from).identity)
            .unwrap_or(BelievedIdentity::WORLD);
    }
    believed_at(shared, to_node, from_ip, time)
}

/// As whom a node's ipcache takes an address.
#[must_use]
pub fn believed_at(shared: &Shared, node: NodeId, ip: Ipv4Addr, time: SimTime) -> BelievedIdentity {
    ipcache::entry(shared, node, ip, time).map_or(BelievedIdentity::WORLD, |entry| entry.endpoint.identity)
}

/// Whether a node's WireGuard peer for `from_node` lists an address.
fn is_listed(shared: &Shared, node: NodeId, ip: Ipv4Addr, from_node: NodeId, time: SimTime) -> bool {
    ipcache::entry(shared, node, ip, time).is_some_and(|entry| entry.endpoint.node == from_node)
}

/// What a believed identity means to the policy of a node. A number that the node has not read is in no policy map: no
/// selector matches it, as with the world.
fn peer(shared: &Shared, node: NodeId, believed: BelievedIdentity, time: SimTime) -> NetworkPeer {
    shared
        .true_identity_at(node, believed, time)
        .map_or(NetworkPeer::World, NetworkPeer::Pod)
}
