//! How far the watch caches of API servers are behind etcd, and the lists that wait for them: the state of `stale_watches`.

use std::collections::{BTreeMap, BTreeSet};

use super::history::Behind;
use super::ids::FaultId;
use super::party::Party;
use crate::kernel::SimTime;

/// The watch caches of all API servers.
#[derive(Debug, Default)]
pub struct WatchCaches {
    /// Those that are behind, and because of which faults.
    pub(super) behind: BTreeMap<u32, Vec<(FaultId, Behind)>>,
    /// Lists that wait because the cache is older than what their party has.
    pub(super) lists: BTreeMap<Party, List>,
    /// The next list of these gets what is in etcd.
    pub(super) consistent: BTreeSet<Party>,
}

/// A list that waits for the cache.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    /// How often it has failed.
    pub(super) failed: u32,
    /// When it came last.
    pub(super) since: SimTime,
    /// When the cache has what it needs, if that is soon enough.
    pub(super) served: Option<SimTime>,
}

impl WatchCaches {
    /// How the cache of a server is behind, if it is: one that stands still for any fault stands still.
    #[must_use]
    pub fn behind(&self, server: u32) -> Option<Behind> {
        let all = || {
            self.behind
                .get(&server)
                .into_iter()
                .flatten()
                .map(|(_, behind)| *behind)
        };
        let standing = all().filter(|behind| behind.by.is_none());
        let standing = standing.min_by_key(|behind| behind.since);
        standing.or_else(|| all().max_by_key(|behind| behind.by))
    }

    /// Whether all follow etcd.
    #[must_use]
    pub fn are_fresh(&self) -> bool {
        self.behind.is_empty()
    }
}
