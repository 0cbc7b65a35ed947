//! What components wait for or watch, so that only that is reported to them: kinds of pods that the script waits for, addresses
//! and Services that a pair of the judge depends on.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::ids::{KindId, ServiceId};

/// What is watched now.
#[derive(Debug, Default)]
pub struct Watchlist {
    /// The script waits for changes of pods of these kinds.
    pub kinds: Vec<KindId>,
    /// Some pair has one of these addresses.
    pub addresses: BTreeSet<Ipv4Addr>,
    /// Some pair may meet through one of these.
    pub services: BTreeSet<ServiceId>,
}
