//! Identifiers of simulated things: small integers with types, so that a pod cannot be taken for a node.

use std::fmt;
use std::net::Ipv4Addr;

use crate::kernel::EntityKey;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// The identifier as an index.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id! {
    /// A pod, in the order in which pods were created.
    PodId
}
id! {
    /// A node; control-plane nodes come first.
    NodeId
}
id! {
    /// A kind of pod: one per workload, one for Istiod, one per service account of churn.
    KindId
}
id! {
    /// A Service: those of the manifests, then Istiod's.
    ServiceId
}
id! {
    /// A ReplicaSet, in the order of creation.
    ReplicaSetId
}
id! {
    /// A fault of the design, by its place in the list.
    FaultId
}
id! {
    /// A flow of requests of the design: those that are described, then those of the policies.
    FlowId
}
id! {
    /// An Istiod replica, by the ordinal of its pod.
    IstiodId
}

/// A taint, by its place among those of the design's nodes and steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaintId(pub u8);

impl TaintId {
    /// Its bit in a set of taints.
    #[must_use]
    pub const fn bit(self) -> u64 {
        1 << self.0
    }
}

impl FaultId {
    /// No fault of the design: a process ended because an administrator replaced its pod, or deleted it.
    pub const BY_COMMAND: Self = Self(u32::MAX);
}

impl IstiodId {
    /// Its key for random streams.
    #[must_use]
    pub fn key(self) -> EntityKey {
        EntityKey::root("istiod replica").child(u64::from(self.0))
    }
}

impl fmt::Display for IstiodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "istiod-{}", self.0)
    }
}

/// What a pod truly is: its namespace, service account and labels, as a class shared by equal pods. Only the judge, the
/// wire on the sender's own node, and a certificate authority that has checked a token may look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrueIdentity(pub u16);

/// A numeric security identity that a component believes in, as Cilium numbers them: 256 and above for pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BelievedIdentity(pub u32);

impl BelievedIdentity {
    /// The identity of everything that is not known.
    pub const WORLD: Self = Self(2);
    /// The first number given to pods.
    pub const FIRST_POD: u32 = 256;
}

/// Where a node's pod addresses lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressPlan {
    base: u32,
    prefix_length: u8,
}

impl AddressPlan {
    /// The plan for `nodes` nodes: 10.244.0.0/16 as kubeadm has it, or 10.0.0.0/8 where that is too small.
    #[must_use]
    pub fn new(nodes: u32, prefix_length: u8) -> Self {
        let small = u64::from(nodes) << (32 - prefix_length) <= 1 << 16;
        Self {
            base: u32::from(if small {
                Ipv4Addr::new(10, 244, 0, 0)
            } else {
                Ipv4Addr::new(10, 0, 0, 0)
            }),
            prefix_length,
        }
    }

    /// Usable addresses of a node: all but network and broadcast.
    #[must_use]
    pub const fn pool_size(self) -> u32 {
        (1 << (32 - self.prefix_length)) - 2
    }

    /// The address at an offset of a node's pool.
    #[must_use]
    pub fn address(self, node: NodeId, offset: u32) -> Ipv4Addr {
        Ipv4Addr::from(self.base + (node.0 << (32 - self.prefix_length)) + 1 + offset)
    }

    /// The node to whose pool an address belongs, and the offset there.
    #[must_use]
    pub fn locate(self, address: Ipv4Addr) -> (NodeId, u32) {
        let relative = u32::from(address) - self.base;
        (
            NodeId(relative >> (32 - self.prefix_length)),
            (relative & ((1 << (32 - self.prefix_length)) - 1)) - 1,
        )
    }

    /// A dense number of an address, for indexes.
    #[must_use]
    pub fn topic(self, address: Ipv4Addr) -> u32 {
        u32::from(address) - self.base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_24_has_254_usable_addresses_and_addresses_come_back() {
        let plan = AddressPlan::new(4, 24);
        assert_eq!(plan.pool_size(), 254);
        assert_eq!(plan.address(NodeId(3), 0), Ipv4Addr::new(10, 244, 3, 1));
        assert_eq!(plan.address(NodeId(3), 253), Ipv4Addr::new(10, 244, 3, 254));
        assert_eq!(plan.locate(Ipv4Addr::new(10, 244, 3, 9)), (NodeId(3), 8));
    }

    #[test]
    fn many_nodes_get_the_larger_network() {
        let plan = AddressPlan::new(400, 24);
        assert_eq!(plan.address(NodeId(300), 4), Ipv4Addr::new(10, 1, 44, 5));
    }
}
