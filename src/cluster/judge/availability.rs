//! Edges from a workload to a port of another one: how many pairs of pods they have, and how likely an attempt through the Service
//! is answered rightly. No request is sent.
//!
//! **Availability** of an edge at a time: the probability that an attempt by a ready pod of the client, each as likely as another, through
//! the Service gets an answer of one of its servers. The attempt goes to any of the backends that the client knows, each as likely; of
//! several Services to any of them. No backend known, a backend that is gone and still listed, a path that is cut, a layer that refuses
//! and a wrong server all count against it. It is not defined while no pod of the client is ready, before a pod of the server was ever
//! ready, and where policy denies the edge.
//! **Left out**: packets that a fault loses at random or makes late, which a retransmission mends; timeouts and retries of clients.
//! When a pair or a pod has to be looked at belongs to `judge`.
//! **Validated by**: `tests/world/availability.rs`.

use std::collections::{BTreeMap, BTreeSet};

use super::super::blueprint::{Blueprint, Kind};
use super::super::cilium::passage::Passage;
use super::super::context::{Ctx, Shared};
use super::super::ids::{KindId, PodId, ServiceId};
use super::super::intent::{by_design, class_of, usual};
use super::super::istio::mesh::{Attempt, backends};
use super::super::observed::Fact;
use super::super::records::AccessClass;
use crate::kernel::SimTime;

/// Workload of the client, workload and port of the server.
type Key = (KindId, KindId, u16);

/// All edges that a design watches.
#[derive(Debug)]
pub struct Edges {
    all: Vec<Edge>,
    /// Edges whose Services have backends of a kind, so that a pair of this edge counts for them.
    sharing: BTreeMap<Key, Vec<usize>>,
    /// Clients whose share at an edge may have changed.
    looks: BTreeSet<(usize, PodId)>,
    /// Edges of which something else has changed.
    changed: BTreeSet<usize>,
}

#[derive(Debug)]
struct Edge {
    key: Key,
    /// The Services that lead there.
    services: Vec<ServiceId>,
    /// Whether policy lets the client in, and a Service leads there.
    is_meant: bool,
    pairs: u32,
    /// Whether a pod of the server was ever ready.
    begun: bool,
    /// The share of attempts of each ready client that are answered, and when it was looked at as the last thing of an instant.
    answered: BTreeMap<PodId, (f64, Option<SimTime>)>,
    reported: (u32, Option<f64>),
}

impl Edge {
    fn availability(&self) -> Option<f64> {
        let clients = self.answered.len();
        let shares = || self.answered.values().map(|(share, _)| share);
        (self.begun && clients > 0).then(|| shares().sum::<f64>() / clients as f64)
    }
}

impl Edges {
    /// The edges of a design, without pods.
    #[must_use]
    pub fn new(blueprint: &Blueprint) -> Self {
        let kinds = || (0..).map(KindId).zip(&blueprint.kinds);
        let mut all = Vec::new();
        for (client, _) in kinds().filter(|(_, kind)| kind.exposure_client) {
            for (server, kind) in kinds() {
                all.extend(kind.exposure_ports.iter().map(|&port| {
                    let services = services_of(blueprint, server, port);
                    Edge {
                        key: (client, server, port),
                        is_meant: !services.is_empty() && is_meant(blueprint, client, server, port),
                        services,
                        pairs: 0,
                        begun: false,
                        answered: BTreeMap::new(),
                        reported: (0, None),
                    }
                }));
            }
        }
        all.sort_by_key(|edge: &Edge| edge.key);
        let mut sharing: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
        for (number, edge) in all.iter().enumerate() {
            let (client, _, port) = edge.key;
            let behind = |kind: &Kind| edge.services.iter().any(|service| kind.services.contains(service));
            for (server, _) in kinds().filter(|(_, kind)| behind(kind)) {
                sharing.entry((client, server, port)).or_default().push(number);
            }
        }
        Self {
            all,
            sharing,
            looks: BTreeSet::new(),
            changed: BTreeSet::new(),
        }
    }

    /// An edge has a pair more, or one less.
    pub fn count(&mut self, key: Key, more: bool) {
        let found = self.all.binary_search_by_key(&key, |edge| edge.key);
        if let Ok(number) = found {
            let pairs = &mut self.all[number].pairs;
            *pairs = if more { *pairs + 1 } else { *pairs - 1 };
            self.changed.insert(number);
        }
    }

    /// What became of a pair of an edge may have changed.
    pub fn pair_changed(&mut self, key: Key, client: PodId) {
        let sharing = self.sharing.get(&key).into_iter().flatten();
        self.looks.extend(sharing.map(|&number| (number, client)));
    }

    /// A pod may send or serve, or no more.
    pub fn pod_changed(&mut self, pod: PodId, shared: &Shared) {
        let kind = shared.pods[pod.index()].kind;
        let serves = |number: &usize| self.all[*number].key.1 == kind;
        let is_ready = shared.api.pod(pod).is_some_and(|object| object.ready);
        for number in (0..self.all.len()).filter(serves).collect::<Vec<_>>() {
            let edge = &mut self.all[number];
            if is_ready && !edge.begun {
                edge.begun = true;
                self.changed.insert(number);
            }
        }
        let sharing = self.sharing.iter().filter(|((_, server, _), _)| *server == kind);
        for &number in sharing.flat_map(|(_, numbers)| numbers) {
            let clients = self.all[number].answered.keys();
            self.looks.extend(clients.map(|&client| (number, client)));
        }
        let own = self.all.iter().enumerate().filter(|(_, edge)| edge.key.0 == kind);
        self.looks.extend(own.map(|(number, _)| (number, pod)));
    }

    /// Looks at what may have changed, and reports what has. What was looked at as the last thing of an instant stays so for that instant.
    pub fn settle(&mut self, is_last: bool, ctx: &mut Ctx) {
        let now = ctx.now();
        for (number, client) in std::mem::take(&mut self.looks) {
            let edge = &mut self.all[number];
            let looked = edge.answered.get(&client).and_then(|(_, looked)| *looked);
            if !edge.is_meant || is_last && looked == Some(now) {
                continue;
            }
            if can_send(ctx.shared, client) {
                let share = answered(ctx.shared, client, edge, now);
                edge.answered.insert(client, (share, is_last.then_some(now)));
            } else {
                edge.answered.remove(&client);
            }
            self.changed.insert(number);
        }
        for number in std::mem::take(&mut self.changed) {
            let edge = &mut self.all[number];
            let now = (edge.pairs, edge.availability());
            if now != edge.reported {
                edge.reported = now;
                ctx.observe(Fact::Edge {
                    edge: edge.key,
                    pairs: now.0,
                    availability: now.1,
                });
            }
        }
    }
}

/// The Services that lead to this port of a kind.
fn services_of(blueprint: &Blueprint, kind: KindId, port: u16) -> Vec<ServiceId> {
    let services = blueprint.kind(kind).services.iter().copied();
    services
        .filter(|service| blueprint.target_port(*service) == port)
        .collect()
}

fn is_meant(blueprint: &Blueprint, client: KindId, server: KindId, port: u16) -> bool {
    matches!(
        by_design(blueprint, client, server, port),
        AccessClass::Allowed | AccessClass::WronglyDenied
    )
}

/// Whether a pod is ready and can send.
fn can_send(shared: &Shared, pod: PodId) -> bool {
    let state = shared.physics.pod(pod);
    let is_ready = shared
        .api
        .pod(pod)
        .is_some_and(|object| object.ready && !object.deleting);
    let has_proxy = state.proxy_live || !shared.kind(pod).is_meshed();
    is_ready && state.running && state.connected && has_proxy
}

/// The share of a client's attempts that would be answered by a server of the Service.
fn answered(shared: &Shared, client: PodId, edge: &Edge, now: SimTime) -> f64 {
    let (_, _, port) = edge.key;
    let asked = usual(&shared.blueprint, port);
    let is_answered = |service: ServiceId, ip| {
        let attempt = Attempt::at(shared, client, Some(service), ip, asked, now);
        let Passage::Delivered(server) = attempt.passage else {
            return false;
        };
        let kind = shared.pods[server.index()].kind;
        let wrong = !shared.blueprint.kind(kind).services.contains(&service);
        let class = class_of(shared, client, kind, asked, &attempt, wrong);
        shared.physics.pod(server).running && class == AccessClass::Allowed
    };
    let through = |&service: &ServiceId| {
        backends(shared, client, service, now).map_or(0.0, |backends| {
            let good = backends.iter().filter(|backend| is_answered(service, backend.ip));
            good.count() as f64 / backends.len() as f64
        })
    };
    edge.services.iter().map(through).sum::<f64>() / edge.services.len() as f64
}
