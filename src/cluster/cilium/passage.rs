//! What becomes of a packet: the outcomes of `datapath`, which facts and records speak of.

use crate::cluster::ids::{BelievedIdentity, PodId};

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It reached this pod.
    Delivered(PodId),
    /// It vanished.
    Lost(Loss),
}

/// Why a packet vanished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// No pod holds the address, or its programs are not in place.
    NoPod,
    /// Nothing passes between clients and this server.
    Cut {
        /// The server.
        at: PodId,
    },
    /// A fault between the two nodes lost it on the way to this pod, or its answer on the way back.
    Path {
        /// The pod behind the address.
        at: PodId,
    },
    /// Egress policy at the client's node.
    EgressPolicy {
        /// As whom the destination was taken.
        believed: BelievedIdentity,
    },
    /// The receiving node's WireGuard peers do not list the source address.
    WireGuardPeer {
        /// The pod behind the address.
        at: PodId,
    },
    /// Ingress policy at the server's node.
    IngressPolicy {
        /// The server.
        at: PodId,
        /// As whom the source was taken.
        believed: BelievedIdentity,
    },
}

impl Loss {
    /// Whether the network refused it; otherwise there was no packet to refuse.
    #[must_use]
    pub const fn is_refusal(self) -> bool {
        !matches!(self, Self::NoPod | Self::Cut { .. } | Self::Path { .. })
    }

    /// The pod at whose node the packet was lost, if it got that far.
    #[must_use]
    pub const fn reached(self) -> Option<PodId> {
        match self {
            Self::NoPod | Self::Cut { .. } | Self::Path { .. } | Self::EgressPolicy { .. } => None,
            Self::WireGuardPeer { at } | Self::IngressPolicy { at, .. } => Some(at),
        }
    }
}
