//! What an agent believes about an address: its ipcache.
//!
//! **Modeled**: one entry per address, without an age limit; an upsert overwrites whatever was there (equal source, the
//! last writer wins); a delete is honoured only if the entry still belongs to the deleted pod
//! (`cilium/cilium pkg/k8s/watchers/cilium_endpoint.go`, `pkg/ipcache/ipcache.go`, DeleteOnMetadataMatch).
//! **Left out**: CiliumEndpointSlices, kvstore, other sources, restarts of the agent (a new map beside the frozen old one).
//! **Parameters**: `ipcache_latency`. **Validated by**: `the_fold_equals_a_map_with_the_write_rules` below.
//! Source: `docs/model/cilium.md#ipcache`.
//!
//! Nothing is stored per node: the entry is the fold of the CiliumEndpoint versions that the node's agent has seen, as if each had been watched. What a list
//! after a cut would do differently (it does not bring the versions between) shows only while two endpoints claim one address.

use std::net::Ipv4Addr;

use crate::cluster::context::Shared;
use crate::cluster::history::History;
use crate::cluster::ids::NodeId;
use crate::cluster::objects::EndpointObject;
use crate::kernel::SimTime;

/// An entry of an ipcache with the revision at which it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Owner, address, identity and node, as published.
    pub endpoint: EndpointObject,
    /// Revision of the write.
    pub revision: u32,
    /// When it was written.
    pub written: SimTime,
}

/// The entry of an address in the ipcache of a node, now or at an earlier time.
#[must_use]
pub fn entry(shared: &Shared, node: NodeId, ip: Ipv4Addr, time: SimTime) -> Option<Entry> {
    let reader = shared.ipcache_of(node);
    entry_of(
        reader.history,
        shared.blueprint.addresses.topic(ip),
        reader.seen_at(time),
    )
}

/// The entry of an address as the API server has it.
#[must_use]
pub fn head_entry(shared: &Shared, ip: Ipv4Addr) -> Option<Entry> {
    let endpoints = &shared.api.endpoints;
    entry_of(endpoints, shared.blueprint.addresses.topic(ip), endpoints.len() as u32)
}

/// The entry of an address as the API server had it at a time.
#[must_use]
pub fn api_entry(shared: &Shared, ip: Ipv4Addr, time: SimTime) -> Option<Entry> {
    let endpoints = &shared.api.endpoints;
    entry_of(
        endpoints,
        shared.blueprint.addresses.topic(ip),
        endpoints.written_by(time),
    )
}

/// The entry of an address, by its topic, after the first `seen` versions: the latest upsert, unless its own pod was deleted
/// after it.
#[must_use]
pub fn entry_of(endpoints: &History<EndpointObject>, topic: u32, seen: u32) -> Option<Entry> {
    let mut deleted: smallvec::SmallVec<[u32; 4]> = smallvec::SmallVec::new();
    let positions = endpoints
        .of_topic(topic)
        .skip_while(|index| index.get() >= seen as usize);
    for version in positions.map(|index| endpoints.version(index)) {
        match version.value {
            None => deleted.push(version.key),
            Some(_) if deleted.contains(&version.key) => return None,
            Some(endpoint) => {
                return Some(Entry {
                    endpoint,
                    revision: version.revision,
                    written: version.time,
                });
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ids::{BelievedIdentity, PodId};
    use crate::kernel::SimDuration;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn endpoint(pod: u32) -> EndpointObject {
        EndpointObject {
            pod: PodId(pod),
            ip: Ipv4Addr::new(10, 244, 1, 7),
            identity: BelievedIdentity(256 + pod),
            node: NodeId(1),
        }
    }

    proptest! {
        /// A map that applies the write rules one version after another holds the same entry.
        #[test]
        fn the_fold_equals_a_map_with_the_write_rules(operations in prop::collection::vec((0_u32..4, any::<bool>()), 0..20), visible in 0_u32..25) {
            let mut history = History::default();
            let mut map: BTreeMap<u32, EndpointObject> = BTreeMap::new();
            for (number, &(pod, exists)) in operations.iter().enumerate() {
                let time = SimTime::ZERO + SimDuration::from_secs(number as u64);
                history.append(time, number as u32 + 1, pod, Some(7), exists.then(|| endpoint(pod)));
                if (number as u32) < visible {
                    if exists {
                        map.insert(7, endpoint(pod));
                    } else if map.get(&7).is_some_and(|entry| entry.pod == PodId(pod)) {
                        map.remove(&7);
                    }
                }
            }
            prop_assert_eq!(entry_of(&history, 7, visible).map(|entry| entry.endpoint), map.get(&7).copied());
        }
    }

    #[test]
    fn a_late_delete_of_the_old_owner_does_no_harm() {
        let mut history = History::default();
        let at = |s| SimTime::ZERO + SimDuration::from_secs(s);
        history.append(at(1), 1, 0, Some(7), Some(endpoint(0)));
        history.append(at(2), 2, 1, Some(7), Some(endpoint(1)));
        history.append(at(3), 3, 0, Some(7), None);
        let entry = entry_of(&history, 7, 3);
        assert_eq!(entry.map(|entry| entry.endpoint.pod), Some(PodId(1)));
    }
}
