//! Which API servers can write to etcd, and the writes that wait meanwhile. What that makes of leases and creations is in `quorum`.

use std::collections::BTreeMap;

use super::event::Write;
use super::ids::FaultId;
use crate::kernel::SimTime;

/// What API servers cannot write.
#[derive(Debug, Default)]
pub struct Etcd {
    /// Servers that cannot write: since when, and because of which faults.
    pub(super) lost: BTreeMap<u32, (SimTime, Vec<FaultId>)>,
    /// Writes that wait, with their servers.
    pub(super) waiting: Vec<(u32, Write)>,
}

impl Etcd {
    /// Since when a server cannot write, if it cannot.
    #[must_use]
    pub fn lost_since(&self, server: u32) -> Option<SimTime> {
        self.lost.get(&server).map(|(since, _)| *since)
    }

    /// Whether every server can write.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.lost.is_empty()
    }
}
