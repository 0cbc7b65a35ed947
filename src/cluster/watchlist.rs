//! What components wait for or watch, so that only that is reported to them: kinds of pods that the script waits for, addresses
//! and Services that a pair of the judge depends on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::ids::{KindId, NodeId, ServiceId};
use crate::kernel::SimTime;

/// What is watched now.
#[derive(Debug, Default)]
pub struct Watchlist {
    /// A track of the script waits for changes of pods of these kinds.
    pub kinds: BTreeMap<u32, Vec<KindId>>,
    /// A track of the script waits for a node.
    pub nodes: BTreeMap<u32, NodeId>,
    /// Some pair has one of these addresses.
    pub addresses: BTreeSet<Ipv4Addr>,
    /// Some pair may meet through one of these.
    pub services: BTreeSet<ServiceId>,
    /// When the judge last heard that paths have changed.
    pub paths_changed: Option<SimTime>,
}
