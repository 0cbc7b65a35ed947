//! Leases of nodes as requests of the level `node-high`, as long as other requests come to that level.
//!
//! **Modeled**: while a flow of the background or of a fault comes to `node-high` of an API server, the kubelets that are connected to it
//! send their renewals at the times at which they always renew; one that was served after the kubelet's time limit counts for nothing and is
//! sent again, one that was refused is sent again when the server allows it. Until one counts, the node is as silent as one that is cut off.
//! **Left out**: node statuses; renewals while no such flow comes, which no load of other levels delays by as much as a grace period.
//! **Parameters**: `heartbeat_timeout`, `lease_renew_*`, `api_shares_node_high`. **Validated by**: `tests/world/api_load.rs`.

use std::collections::{BTreeMap, BTreeSet};

use super::ApiLoads;
use crate::cluster::api_flow::Level;
use crate::cluster::api_requests::Asked;
use crate::cluster::context::Ctx;
use crate::cluster::ids::NodeId;
use crate::cluster::node_lifecycle::renewals_around;
use crate::cluster::party::Party;
use crate::kernel::{SimDuration, SimTime};

/// Which servers and kubelets renewals are sent to and from.
#[derive(Debug, Default)]
pub(super) struct Leases {
    /// Flows of faults that come to `node-high` of a server.
    floods: BTreeMap<u32, u32>,
    /// Nodes whose next renewal is scheduled.
    renewing: BTreeSet<NodeId>,
}

impl Leases {
    pub(super) fn flood(&mut self, server: u32, ctx: &mut Ctx) {
        *self.floods.entry(server).or_default() += 1;
        for node in (0..ctx.blueprint().spec.nodes).map(NodeId) {
            if ctx.api_server_of(Party::Kubelet(node)) == server && self.renewing.insert(node) {
                ctx.schedule_renewal(node, ctx.now());
            }
        }
    }

    pub(super) fn subside(&mut self, server: u32) {
        if let Some(floods) = self.floods.get_mut(&server) {
            *floods = floods.saturating_sub(1);
        }
    }

    fn are_flooded(&self, server: u32, ctx: &Ctx) -> bool {
        let now = ctx.now();
        let mut background = ctx.blueprint().spec.load.iter();
        self.floods.get(&server).is_some_and(|floods| *floods > 0)
            || background.any(|load| {
                let lasts = load.duration.is_none_or(|lasts| now < load.from + lasts);
                load.flow.level == Level::NodeHigh && load.from <= now && lasts
            })
    }
}

impl ApiLoads {
    /// A kubelet renews its lease, and will again.
    pub(super) fn renew(&mut self, node: NodeId, ctx: &mut Ctx) {
        let kubelet = Party::Kubelet(node);
        if !self.leases.are_flooded(ctx.api_server_of(kubelet), ctx) {
            self.leases.renewing.remove(&node);
            return;
        }
        ctx.schedule_renewal(node, ctx.now());
        let sends = ctx.shared.links.is_up(kubelet) && ctx.shared.processes.runs(kubelet);
        if !sends || ctx.shared.late_leases.contains_key(&node) {
            return;
        }
        // It counts as sent just before, so that its own time is none of a renewal.
        let since = ctx.now().saturating_sub(SimDuration::from_nanos(1));
        ctx.shared.late_leases.insert(node, since);
        self.issue(Asked::Lease(node), ctx);
        if ctx.shared.late_leases.contains_key(&node) {
            ctx.lease_is_cut(node);
        }
    }

    /// A renewal was served that was sent at a time.
    pub(super) fn renewed(&mut self, node: NodeId, sent: SimTime, ctx: &mut Ctx) {
        let waited = ctx.now().since(sent);
        if waited > ctx.blueprint().spec.kubernetes.heartbeat_timeout {
            self.issue(Asked::Lease(node), ctx);
            return;
        }
        if let Some(since) = ctx.shared.late_leases.remove(&node)
            && since + SimDuration::from_nanos(1) < ctx.now()
        {
            ctx.lease_is_renewed(node);
        }
    }
}

impl Ctx<'_> {
    /// Renewals of nodes are requests from the beginning if a flow of the background comes to their level.
    pub fn schedule_renewals(&mut self) {
        let blueprint = self.shared.blueprint.clone();
        let flows = blueprint
            .spec
            .load
            .iter()
            .filter(|load| load.flow.level == Level::NodeHigh);
        if let Some(from) = flows.map(|load| load.from).min() {
            for node in (0..blueprint.spec.nodes).map(NodeId) {
                self.schedule_renewal(node, from);
            }
        }
    }

    fn schedule_renewal(&mut self, node: NodeId, after: SimTime) {
        let (_, next) = renewals_around(node, after, self);
        self.renews_at(node, next);
    }
}
