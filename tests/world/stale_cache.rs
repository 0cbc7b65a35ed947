//! Watch caches that stand still or lag: who stays on what it knew, for how long, and what a client gets that comes anew.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use meshfault::cluster::context::Shared;
use meshfault::cluster::event::{Event, FaultEvent};
use meshfault::cluster::fault::act;
use meshfault::cluster::faults::cut::CutMode;
use meshfault::cluster::faults::place::{Where, Whom};
use meshfault::cluster::faults::restart::Restart;
use meshfault::cluster::faults::stale_cache::StaleCache;
use meshfault::cluster::faults::{FaultKind, FaultSpec, When};
use meshfault::cluster::history::{Cursor, Delay, View};
use meshfault::cluster::ids::NodeId;
use meshfault::cluster::objects::EndpointObject;
use meshfault::cluster::party::{Party, PartyKind};
use meshfault::cluster::purpose::Purpose;
use meshfault::cluster::records::{AccessClass, Outcome, Via};
use meshfault::cluster::spec::WorldSpec;
use meshfault::cluster::world::Watch;
use meshfault::kernel::{DrawLog, Moment, SimTime};

use crate::support::{Bench, at, cuts, measured, on_node, pause, s, z_of_share};

const CHURN: &str = "churn={rate: 2/s, for: 4m, lifetime: 30s}";
const STALE_S: f64 = 60.0;
const NODES: usize = 40;
const END_S: f64 = 240.0;

fn stale(server: u32, by: Option<f64>, from: f64, lasts: f64) -> FaultSpec {
    FaultSpec {
        name: "stale".to_owned(),
        when: When {
            starts_at: Some(at(from)),
            duration: Some(s(lasts)),
            ..When::default()
        },
        kind: FaultKind::StaleCache(StaleCache {
            whom: Whom {
                place: Where::ApiServers(vec![server]),
                pick: None,
                parties: vec![PartyKind::ApiServer],
            },
            by: by.map(s),
        }),
    }
}

/// A cluster in which pods come and go, with faults.
fn churning(changes: &[&str], faults: &[FaultSpec]) -> Bench {
    let mut all = vec![CHURN, "cluster.nodes=40", "cluster.api_servers=3"];
    all.extend(changes);
    Bench::of("ip-reuse", &all)
        .only("native-routing")
        .edit(move |world: &mut WorldSpec| {
            world.faults = faults.to_vec();
            world.script = vec![pause(1.0)];
            world.measures.startup_since_step = 0;
            world.measures.exposure_clients = Vec::new();
            world.measures.exposure_servers = Vec::new();
            world.horizon = at(END_S);
        })
}

/// When each agent first saw each CiliumEndpoint, and when it would have with a cache that follows etcd; and when the watches of which
/// parties were current again after a cut.
#[derive(Default)]
struct Seen {
    written: Vec<SimTime>,
    first: Vec<Vec<Option<SimTime>>>,
    calm: Vec<Vec<Option<SimTime>>>,
    current: BTreeMap<Party, SimTime>,
    silent: BTreeSet<Party>,
    /// How many versions the agent of one node had read, at each change.
    watched: Option<NodeId>,
    read: Vec<u32>,
}

impl Watch for Seen {
    fn event(&mut self, moment: &Moment, event: &Event, shared: &Shared) -> ControlFlow<()> {
        let nodes = || (0..shared.blueprint.spec.nodes).map(NodeId);
        let again: Vec<Party> = self
            .silent
            .iter()
            .copied()
            .filter(|party| shared.links.hears(*party))
            .collect();
        for party in again {
            self.silent.remove(&party);
            self.current.insert(party, moment.time);
        }
        if let Event::Fault(FaultEvent::Watches(party)) = event {
            self.silent.insert(*party);
        }
        let read = self.watched.map(|node| shared.ipcache_of(node).seen_at(moment.time));
        self.read.extend(read.filter(|read| self.read.last() != Some(read)));
        if moment.time > at(END_S - 10.0) && self.first.is_empty() {
            self.written = shared.api.endpoints.iter().map(|(_, version)| version.time).collect();
            let delay = Arc::new(Delay {
                purpose: Purpose::IpcacheDelay,
                distribution: shared.blueprint.spec.cilium.ipcache_latency,
                then: None,
                batch_period: shared.blueprint.spec.cilium.ipcache_batch_period,
                pace: None,
            });
            let first = |reader: &View<EndpointObject>| -> Vec<Option<SimTime>> {
                reader
                    .history
                    .iter()
                    .map(|(index, _)| reader.first_seen(index))
                    .collect()
            };
            for node in nodes() {
                let calm = Cursor::watching(shared.blueprint.node_key(node).named("ipcache"), &delay);
                self.calm
                    .push(first(&calm.over(&shared.api.endpoints, &shared.run_key)));
                self.first.push(first(&shared.ipcache_of(node)));
            }
        }
        ControlFlow::Continue(())
    }
}

fn seen(bench: &Bench) -> Seen {
    seen_of(bench, None)
}

fn seen_of(bench: &Bench, watched: Option<NodeId>) -> Seen {
    let mut seen = Seen {
        watched,
        ..Seen::default()
    };
    let outcome = bench.simulator(act).watched(0, 0, DrawLog::default(), &mut seen);
    assert_eq!(outcome.run.failure, None);
    seen
}

impl Seen {
    /// For each node, the versions that were written in a span, with when the agent saw them and when it would have.
    fn between(&self, from_s: f64, to_s: f64) -> impl Iterator<Item = (usize, Vec<(SimTime, SimTime, SimTime)>)> {
        let of_node = move |node: usize| {
            let versions = self.written.iter().enumerate();
            let late = versions.filter(|(_, written)| (at(from_s)..at(to_s)).contains(*written));
            late.filter_map(|(version, written)| {
                Some((*written, self.first[node][version]?, self.calm[node][version]?))
            })
            .collect()
        };
        (0..self.first.len()).map(move |node| (node, of_node(node)))
    }
}

/// Prediction: the readers of the server, a third of them, stay where they were for as long as the fault lasts; others are unaffected.
#[test]
fn readers_at_a_cache_that_stands_still_stay_where_they_were() {
    let (from, end) = (at(100.0), at(100.0 + STALE_S));
    let seen = seen(&churning(&[], &[stale(1, None, 100.0, STALE_S)]));
    let mut still = 0;
    for (node, versions) in seen.between(0.0, END_S) {
        if versions.iter().all(|(_, is, was)| is == was) {
            continue;
        }
        still += 1;
        for (_, is, was) in versions {
            let expected = if was <= from { was } else { was.max(end) };
            // After the fault versions come as they do; on its last one, all of it at once.
            assert!(
                is == expected || is == end && was < end + s(5.0),
                "node {node}: {is:?}, {was:?}"
            );
        }
    }
    let z = z_of_share(still, NODES, 1.0 / 3.0);
    eprintln!("{still} of {NODES} agents stand still: z = {z:.2}");
    assert!(z.abs() < 4.0 && still > 5);
}

/// A cache that lags by so much shifts every first sight by so much, and nothing else.
#[test]
fn a_lag_shifts_every_first_sight() {
    for lag_s in [0.7, 20.0] {
        let seen = seen(&churning(
            &["cluster.api_servers=1"],
            &[stale(0, Some(lag_s), 100.0, STALE_S)],
        ));
        let mut shifted = 0;
        for (node, versions) in seen.between(0.0, END_S - 30.0) {
            let last = versions
                .iter()
                .filter(|(written, ..)| *written < at(100.0 + STALE_S))
                .map(|(_, is, _)| *is)
                .max();
            let versions_before = versions
                .iter()
                .filter(|(written, ..)| *written < at(100.0))
                .map(|(_, _, was)| *was)
                .max();
            for (written, is, was) in versions {
                if written < at(100.0) {
                    assert_eq!(is, was, "{node}");
                } else if written < at(100.0 + STALE_S) {
                    // Behind one that was written before the fault, and was late, it would not have come earlier.
                    let waited = versions_before.is_some_and(|late| was == late);
                    assert!(is == was + s(lag_s) || waited, "node {node}, written at {written:?}");
                    shifted += usize::from(!waited);
                } else {
                    // First in, first out, behind the last one that is late.
                    assert_eq!(is, was.max(last.expect("some were written")), "{node}");
                }
            }
        }
        assert!(shifted > NODES * 20, "{shifted}");
    }
}

/// A client that another server serves after its own is lost needs what it has seen: it waits for the cache that is older, and takes the list
/// from etcd when its request has failed often enough; a process that is new takes what the cache has.
#[test]
fn a_client_that_moves_to_a_stale_server_waits_and_a_new_process_goes_back() {
    // Two of the servers stand still; the third is lost later, and its clients have seen more than the others' caches have.
    let lost_at = |lasts: f64| {
        let mut lost = cuts("lost", Where::ApiServers(vec![2]), &[PartyKind::Agent], CutMode::Reject);
        (lost.when.starts_at, lost.when.duration) = (Some(at(120.0)), Some(s(90.0)));
        let standing = [0, 1].map(|server| stale(server, None, 100.0, lasts));
        standing.into_iter().chain([lost]).collect::<Vec<FaultSpec>>()
    };
    let lost = |lasts: f64, changes: &[&str]| {
        let seen = seen(&churning(changes, &lost_at(lasts)));
        let waits: Vec<f64> = seen
            .current
            .values()
            .map(|current| current.since(at(120.0)).as_secs_f64())
            .collect();
        let most = waits.iter().copied().fold(0.0, f64::max);
        let least = waits.iter().copied().fold(f64::MAX, f64::min);
        eprintln!(
            "{changes:?}: {} clients are current {least:.1} to {most:.1} s after the loss",
            waits.len()
        );
        assert!(waits.len() > 5);
        (least, most)
    };
    let within =
        |(least, most): (f64, f64), from: f64, to: f64| assert!(least >= from && most <= to, "{least} to {most}");
    // The caches go on 10 s after the loss, when the third request waits.
    within(lost(30.0, &[]), 9.9, 10.5);
    // They do not: 11 requests of 3 s with pauses of 1 s.
    within(lost(90.0, &[]), 43.0, 44.0);
    within(
        lost(90.0, &["parameters.kubernetes.consistent_list_wait=3s"]),
        46.0,
        47.0,
    );
    // Who streams its lists waits for the cache.
    within(lost(90.0, &["parameters.cilium.api_watch_list_redial=1s"]), 69.9, 70.5);
    // A process that starts anew has nothing, and takes what the cache has, although the one before it had a list from etcd.
    let mut faults = lost_at(90.0);
    let moved = seen(&churning(&[], &faults))
        .current
        .into_keys()
        .find_map(|party| match party {
            Party::Agent(node) => Some(node),
            _ => None,
        });
    let reads = |faults: &[FaultSpec]| seen_of(&churning(&[], faults), moved).read;
    let goes_back = |read: &[u32]| read.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert_eq!(goes_back(&reads(&faults)), 0);
    faults.push(FaultSpec {
        name: "restart".to_owned(),
        when: When {
            starts_at: Some(at(170.0)),
            ..When::default()
        },
        kind: FaultKind::Restart(Restart {
            whom: Whom {
                place: on_node(moved.expect("some move").0),
                pick: None,
                parties: vec![PartyKind::Agent],
            },
        }),
    });
    assert_eq!(goes_back(&reads(&faults)), 1);
}

/// Which agents stand still, and which controllers lead.
#[derive(Default)]
struct Still {
    agents: BTreeSet<NodeId>,
    leader: u32,
}

impl Watch for Still {
    fn event(&mut self, moment: &Moment, _: &Event, shared: &Shared) -> ControlFlow<()> {
        let nodes = (0..shared.blueprint.spec.nodes).map(NodeId);
        self.agents
            .extend(nodes.filter(|node| shared.ipcache_of(*node).cursor.frozen_at(moment.time).is_some()));
        self.leader = shared.controllers.leader();
        ControlFlow::Continue(())
    }
}

/// Prediction: where agents read from a cache that stands still, a denied client that reuses an address is admitted in as many runs as
/// where the same agents are cut off for as long. Compared where no kubelet and no controllers are behind, too: all pods start.
#[test]
fn a_cache_that_stands_still_admits_as_a_cut_of_its_agents_does() {
    let bench = |kind: FaultKind| {
        let changes = ["cluster.api_servers=3", "cluster.node_prefix_length=27", "horizon=5m"];
        let bench = Bench::of("ip-reuse", &changes).only("native-routing");
        bench.edit(move |world| {
            world.faults[0].kind = kind.clone();
            // It ends with the commands, which do not depend on what they find.
            let scaled = world.script.len() - 2;
            world.script.truncate(scaled);
        })
    };
    let exposed = |outcome: &Outcome| {
        let mut windows = outcome.exposures.iter();
        windows.any(|window| window.class == AccessClass::Unauthorized && window.via == Via::PodIp)
    };
    let (mut runs, mut of_stale, mut of_cut, mut differ) = (0, 0, 0, 0);
    for replication in 0..160 {
        let mut still = Still::default();
        let stale = bench(stale(1, None, 0.0, 0.0).kind);
        let stale = stale
            .simulator(act)
            .watched(0, replication, DrawLog::default(), &mut still);
        if still.leader == 1 || measured(&stale).any(|pod| pod.ready.is_none()) {
            continue;
        }
        let nodes = Where::Nodes(still.agents.into_iter().collect());
        let cut = bench(cuts("", nodes, &[PartyKind::Agent], CutMode::Drop).kind);
        let (stale, cut) = (exposed(&stale), exposed(&cut.ready().one(replication)));
        runs += 1;
        of_stale += usize::from(stale);
        of_cut += usize::from(cut);
        differ += usize::from(stale != cut);
    }
    eprintln!("of {runs} runs: stale {of_stale}, cut {of_cut}, {differ} differ");
    assert!(of_cut > 5 && of_cut < runs - 5 && differ <= 1);
}
