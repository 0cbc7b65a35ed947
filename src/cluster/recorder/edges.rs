//! What was so along the edges between workloads: spans without a change, from what the judge reports.

use std::collections::BTreeMap;

use super::super::blueprint::Blueprint;
use super::super::ids::KindId;
use super::super::records::EdgeRecord;
use crate::kernel::SimTime;

/// Workload of the client, workload and port of the server.
type Key = (KindId, KindId, u16);
/// Pairs, and the availability.
type State = (u32, Option<f64>);

/// Spans of all edges.
#[derive(Debug, Default)]
pub struct EdgeSpans {
    /// Since when an edge is as it is; of each the changes so far.
    changes: BTreeMap<Key, Vec<(SimTime, State)>>,
    len: usize,
}

impl EdgeSpans {
    /// An edge has changed. What lasts for no time is forgotten.
    pub(super) fn observe(&mut self, key: Key, state: State, now: SimTime) {
        let changes = self.changes.entry(key).or_default();
        self.len -= changes.len();
        changes.pop_if(|(since, _)| *since == now);
        if changes.last().is_none_or(|(_, before)| *before != state) {
            changes.push((now, state));
        }
        self.len += changes.len();
    }

    /// How many changes there were.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// The records at the end of the run; nothing of an edge while it has neither pairs nor attempts.
    #[must_use]
    pub fn finish(&mut self, end: SimTime, blueprint: &Blueprint) -> Vec<EdgeRecord> {
        let mut records = Vec::with_capacity(self.len);
        let name = |kind: KindId| blueprint.kind(kind).name.clone();
        for ((client, server, port), changes) in std::mem::take(&mut self.changes) {
            let ends = changes.iter().skip(1).map(|(since, _)| *since).chain([end]);
            let spans = changes.iter().zip(ends);
            let spans = spans.filter(|((since, state), end)| *state != (0, None) && since < end);
            records.extend(spans.map(|((since, (pairs, availability)), end)| EdgeRecord {
                client_workload: name(client),
                server_workload: name(server),
                port,
                start: *since,
                end,
                pairs: *pairs,
                availability: *availability,
            }));
        }
        records
    }
}
