//! Requests of flows, counted by flow, ending and time.

use std::collections::BTreeMap;

use super::super::blueprint::Blueprint;
use super::super::flows::span_of;
use super::super::ids::{FlowId, KindId};
use super::super::observed::FlowRequest;
use super::super::records::{AccessClass, FlowRecord};
use crate::kernel::SimTime;

/// What is counted together: flow, class, whether policy admits it, whether it is a first one, number of the span of time.
type Together = (FlowId, AccessClass, bool, bool, u64);

/// The requests of a run.
#[derive(Debug, Default)]
pub(super) struct FlowCounts {
    /// Requests, attempts, connections.
    counts: BTreeMap<Together, [u64; 3]>,
}

impl FlowCounts {
    pub(super) fn count(&mut self, request: &FlowRequest, blueprint: &Blueprint) {
        let span = span_of(blueprint.spec.horizon).as_nanos();
        let number = request.sent.as_nanos() / span.max(1);
        let together = (request.flow, request.class, request.meant, request.first, number);
        let counts = self.counts.entry(together).or_default();
        let more = [1, request.attempts, request.connections];
        counts
            .iter_mut()
            .zip(more)
            .for_each(|(sum, more)| *sum += u64::from(more));
    }

    pub(super) fn records(&self, blueprint: &Blueprint) -> Vec<FlowRecord> {
        let horizon = blueprint.spec.horizon;
        let span = span_of(horizon);
        let record =
            |(&(flow, class, meant, first, number), &[requests, attempts, connections]): (&Together, &[u64; 3])| {
                let flow = blueprint.flow(flow);
                let from = SimTime::ZERO + span * number;
                FlowRecord {
                    flow: flow.spec.name.clone(),
                    client_workload: blueprint.kind(KindId(flow.spec.from as u32)).name.clone(),
                    server: blueprint.service_name(flow.service()).to_owned(),
                    port: blueprint.target_port(flow.service()),
                    meant,
                    class,
                    first,
                    from,
                    until: (from + span).min(horizon),
                    requests,
                    attempts,
                    connections,
                }
            };
        self.counts.iter().map(record).collect()
    }
}
