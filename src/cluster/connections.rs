//! Connections that clients keep for requests of flows: found, opened, and given up.
//!
//! **Modeled**: a connection sticks to the backend that was chosen for its SYN, whatever becomes of the Service (a NAT entry of the service
//! proxy, or of Cilium's load balancing, lasts as long as its connection). The kernel of a server whose process ends closes its connections, and the
//! client hears of that unless the path is cut or the server's node has no power. A client that hears nothing sends segments again as long as TCP does
//! (`tcp_retries2` of Linux, 15).
//! **Left out**: requests that wait behind a segment of another one on the same connection, keepalives, idle timeouts. A proxy draws no limits
//! of connections or requests.
//! **Parameters**: `retransmit_initial`, `retransmit_max`. **Validated by**: `tests/world/traffic.rs`.

use std::net::Ipv4Addr;

use rustc_hash::FxHashMap;

use super::api_connection::retransmission;
use super::context::Shared;
use super::ids::{FlowId, NodeId, PodId, ServiceId};
use super::objects::Backend;
use super::params::NetworkParams;
use crate::kernel::{SimDuration, SimTime};

/// Retransmissions of a segment before Linux gives a connection up (`net.ipv4.tcp_retries2`).
const TCP_RETRIES: u32 = 15;

/// Which connection of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// One of those that a pod keeps for a flow.
    Of(PodId, FlowId, u32),
    /// That of a pod's proxy to a backend of a Service.
    Proxy(PodId, ServiceId, Ipv4Addr),
}

/// A connection that stands, as far as its client has heard.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// The backend that was chosen.
    pub backend: Backend,
    server: PodId,
    node: NodeId,
    /// Since when the server's process ran when the connection was opened.
    running_since: SimTime,
    /// When the client uses it no longer.
    ends: Option<SimTime>,
    /// Since when nothing was answered.
    silent_since: Option<SimTime>,
}

impl Connection {
    /// Whether its other end is still there.
    fn stands(&self, shared: &Shared) -> bool {
        let server = shared.physics.pod(self.server);
        shared.physics.holder(self.backend.ip) == Some(self.server)
            && server.running
            && server.running_since == self.running_since
    }

    /// Whether the client hears that the other end is gone.
    fn hears(&self, client: PodId, shared: &Shared) -> bool {
        let own = shared.physics.pod(client).place;
        let reaches = own.is_some_and(|(node, _)| shared.paths.cut(node, self.node).is_none());
        reaches && !shared.nodes_down.has(self.node)
    }
}

/// The connections of all clients.
#[derive(Debug, Default)]
pub struct Connections {
    // Looked up, never iterated.
    open: FxHashMap<Slot, Connection>,
}

impl Connections {
    /// The connection of a slot that the client takes for open.
    pub fn find(&mut self, slot: Slot, client: PodId, shared: &Shared, now: SimTime) -> Option<Backend> {
        let connection = self.open.get(&slot)?;
        let network = &shared.blueprint.spec.network;
        let over = connection.ends.is_some_and(|ends| now >= ends);
        let dead = connection
            .silent_since
            .is_some_and(|since| now >= since + given_up_after(network));
        let closed = !connection.stands(shared) && connection.hears(client, shared);
        if over || dead || closed {
            self.open.remove(&slot);
            return None;
        }
        Some(connection.backend)
    }

    /// Whether a segment of a connection that got to a pod meets the process that opened it: any other one resets it.
    #[must_use]
    pub fn is_of(&self, slot: Slot, server: PodId, shared: &Shared) -> bool {
        let of = |connection: &Connection| connection.server == server && connection.stands(shared);
        self.open.get(&slot).is_some_and(of)
    }

    /// A connection to a pod stands.
    pub fn open(
        &mut self,
        slot: Slot,
        backend: Backend,
        server: PodId,
        life: Option<SimDuration>,
        shared: &Shared,
        now: SimTime,
    ) {
        let state = shared.physics.pod(server);
        let Some((node, _)) = state.place else { return };
        let connection = Connection {
            backend,
            server,
            node,
            running_since: state.running_since,
            ends: life.map(|life| now + life),
            silent_since: None,
        };
        self.open.insert(slot, connection);
    }

    /// Something was answered on it.
    pub fn answered(&mut self, slot: Slot) {
        if let Some(connection) = self.open.get_mut(&slot) {
            connection.silent_since = None;
        }
    }

    /// A request on it had no answer, which was sent at this time.
    pub fn silent(&mut self, slot: Slot, since: SimTime) {
        if let Some(connection) = self.open.get_mut(&slot) {
            connection.silent_since.get_or_insert(since);
        }
    }

    /// It is no more.
    pub fn close(&mut self, slot: Slot) {
        self.open.remove(&slot);
    }
}

/// From the first unanswered segment until Linux gives a connection up.
fn given_up_after(network: &NetworkParams) -> SimDuration {
    let waits = (0..=TCP_RETRIES).map(|tries| retransmission(tries, network));
    waits.fold(SimDuration::ZERO, |sum, wait| sum + wait)
}
