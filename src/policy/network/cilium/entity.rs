//! Entities: peers by the kind of thing they are.
//!
//! Belongs here: the names, and what each stands for. Does not belong here: rules (`super`).

use super::super::super::{Peer, PolicyError, Reserved};
use super::super::form::Peers;
use super::super::selector::{OUTSIDE_API_SERVER, OWN_API_SERVER, reserved_labels};

/// Entities: selectors over reserved identities by name (Cilium `pkg/policy/api/entity.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entity {
    /// Every peer, unknown addresses included.
    All,
    /// Everything inside the cluster: pods, nodes, health, init, unmanaged, ingress, API server.
    Cluster,
    /// No peer.
    None,
    /// Outside the cluster, by IPv4.
    WorldIpv4,
    /// Outside the cluster, by IPv6.
    WorldIpv6,
    /// One reserved identity.
    Reserved(Reserved),
}

impl Entity {
    /// Every name that can stand in `fromEntities` and `toEntities`, for near matches.
    pub const NAMES: [&'static str; 13] = [
        "all",
        "cluster",
        "health",
        "host",
        "ingress",
        "init",
        "kube-apiserver",
        "none",
        "remote-node",
        "unmanaged",
        "world",
        "world-ipv4",
        "world-ipv6",
    ];

    /// Reads the name of an entity.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        Ok(match text {
            "all" => Self::All,
            "cluster" => Self::Cluster,
            "none" => Self::None,
            "world-ipv4" => Self::WorldIpv4,
            "world-ipv6" => Self::WorldIpv6,
            name => Self::Reserved(
                Reserved::ALL
                    .into_iter()
                    .find(|r| r.name() == name && *r != Reserved::Unknown)
                    .ok_or_else(|| PolicyError::Invalid {
                        what: "entity",
                        value: text.to_owned(),
                        hint: "known: all, cluster, health, host, ingress, init, kube-apiserver, none, \
                               remote-node, unmanaged, world, world-ipv4, world-ipv6",
                    })?,
            ),
        })
    }

    /// Whether the entity stands for the peer. The world without an address counts for both families.
    pub fn matches(self, peer: Peer<'_>) -> bool {
        let reserved = match (self, peer) {
            (Self::All, _) => return true,
            (Self::None, _) => return false,
            (Self::WorldIpv4, Peer::Address(address)) => return address.is_ipv4(),
            (Self::WorldIpv6, Peer::Address(address)) => return address.is_ipv6(),
            (_, Peer::Endpoint(_)) => return self == Self::Cluster,
            (_, Peer::Reserved(reserved)) => reserved,
            (_, Peer::Address(_)) => Reserved::World,
        };
        match self {
            Self::All => true,
            Self::None => false,
            Self::WorldIpv4 | Self::WorldIpv6 => reserved == Reserved::World,
            Self::Cluster => !matches!(reserved, Reserved::Unknown | Reserved::World),
            Self::Reserved(wanted) => reserved_labels(reserved).contains(&wanted.name()),
        }
    }

    /// Adds what the entity stands for to the peers of a rule.
    pub fn lower(self, peers: &mut Peers) {
        let of = |wanted: Self| -> u16 {
            let matching = Reserved::ALL.into_iter().filter(|r| wanted.matches(Peer::Reserved(*r)));
            let of_api_servers = [
                (OWN_API_SERVER, Peers::OWN_API_SERVER),
                (OUTSIDE_API_SERVER, Peers::OUTSIDE_API_SERVER),
            ];
            let by_label = of_api_servers.into_iter().filter(|(labels, _)| match wanted {
                Self::Reserved(wanted) => labels.contains(&wanted.name()),
                Self::Cluster => true,
                _ => false,
            });
            matching.map(Peers::bit).sum::<u16>() | by_label.map(|(_, bit)| bit).sum::<u16>()
        };
        match self {
            Self::All => peers.everybody = true,
            Self::None => {}
            Self::WorldIpv4 => peers.world_ipv4 = true,
            Self::WorldIpv6 => peers.world_ipv6 = true,
            Self::Cluster => {
                peers.pods = true;
                peers.reserved |= of(self);
            }
            Self::Reserved(_) => peers.reserved |= of(self),
        }
    }
}
