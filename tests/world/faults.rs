//! Overlapping faults: several on one party, started twice, ended early or before they began, on small random worlds.
//!
//! `MESHFAULT_RANDOM_WORLDS` says how many worlds are made, a few hundred without it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use meshfault::cluster::context::Shared;
use meshfault::cluster::event::{Event, Write};
use meshfault::cluster::fault::act;
use meshfault::cluster::faults::cut::{Cut, CutMode};
use meshfault::cluster::faults::delay::Delay;
use meshfault::cluster::faults::loss::Loss;
use meshfault::cluster::faults::partition::Partition;
use meshfault::cluster::faults::path::{Between, Direction};
use meshfault::cluster::faults::place::{Where, Whom};
use meshfault::cluster::faults::{FaultKind, FaultSpec, When};
use meshfault::cluster::ids::{IstiodId, KindId, NodeId};
use meshfault::cluster::party::PartyKind;
use meshfault::cluster::purpose::Purpose;
use meshfault::cluster::spec::{ChurnSpec, Step, WorldSpec};
use meshfault::cluster::world::Watch;
use meshfault::kernel::{Distribution, DrawLog, EntityKey, Moment, RunKey, Stream};
use meshfault::story::ToldRun;

use crate::support::{Bench, at, cut, cut_node, cuts, pause, s, takes_down};

/// All that was cut is repaired by then.
const REPAIRED_S: f64 = 300.0;
/// A node that had no power has booted.
const BOOT_S: f64 = 20.0;
/// Nodes are heard again a heartbeat after that, whose longest back-off is 7 s, or two.
const RETURNED_S: f64 = REPAIRED_S + BOOT_S + 20.0;
/// The repair has reached all, even if a dial had lost its last SYN, which takes 15 s to fail, before the longest back-off of 60 s.
const RESUMED_S: f64 = REPAIRED_S + 77.0;
/// Everything has settled.
const SETTLED_S: f64 = 880.0;
const HORIZON_S: f64 = 900.0;

const MODES: [CutMode; 3] = [CutMode::Drop, CutMode::Reject, CutMode::RepliesOnly];

fn pick<T: Copy>(lot: &mut Stream, from: &[T]) -> T {
    from[lot.below(from.len() as u64) as usize]
}

fn seconds(lot: &mut Stream, from: u64, to: u64) -> f64 {
    from as f64 + lot.uniform() * (to - from) as f64
}

fn fault(lot: &mut Stream, number: usize, nodes: u32, servers: u32, meshed: bool) -> FaultSpec {
    let target = match lot.below(if meshed { 5 } else { 4 }) {
        0 => Where::NodeOf(lot.below(2) as usize),
        3 => {
            let first = lot.below(u64::from(servers)) as u32;
            Where::ApiServers(if lot.below(3) == 0 {
                (0..servers).collect()
            } else {
                vec![first]
            })
        }
        // Few nodes, so that faults meet.
        1 | 2 => Where::Nodes(vec![NodeId(1 + lot.below(u64::from((nodes - 1).min(2))) as u32)]),
        _ => Where::Istiods(vec![IstiodId(lot.below(2) as u32)]),
    };
    let fits = |party: &PartyKind| match party {
        PartyKind::Webhook => meshed && !matches!(target, Where::ApiServers(_)),
        PartyKind::Istiod => meshed,
        PartyKind::Node | PartyKind::Network => false,
        PartyKind::IstiodClients => meshed && !matches!(target, Where::ApiServers(_)),
        PartyKind::Controllers => matches!(target, Where::ApiServers(_)),
        _ => !matches!(target, Where::Istiods(_)),
    };
    let mut parties: Vec<PartyKind> = Cut::PARTIES.iter().copied().filter(fits).collect();
    parties.retain(|_| lot.below(3) > 0);
    let when = When {
        starts_at: (lot.below(2) == 0).then(|| at(seconds(lot, 10, 250))),
        duration: (lot.below(2) == 0).then(|| s(seconds(lot, 1, 120))),
        ..When::default()
    };
    let of_nodes = matches!(target, Where::Nodes(_) | Where::NodeOf(_));
    let name = format!("f{number}");
    let fault = match of_nodes.then(|| lot.below(6)) {
        Some(0 | 1) => takes_down(&name, target),
        Some(2) => impairs(&name, target, lot),
        _ => cuts(&name, target, &parties, pick(lot, &MODES)),
    };
    FaultSpec { when, ..fault }
}

/// A fault of the paths of a node.
fn impairs(name: &str, place: Where, lot: &mut Stream) -> FaultSpec {
    let whom = Whom {
        place,
        pick: None,
        parties: vec![PartyKind::Network],
    };
    let others = (lot.below(2) == 0).then(|| vec![NodeId(1), NodeId(2)]);
    let direction = pick(lot, &[Direction::Both, Direction::Inbound, Direction::Outbound]);
    let between = Between { others, direction };
    let (share, latency) = (lot.uniform() * 0.9, Distribution::Constant(s(seconds(lot, 0, 5))));
    let rejects = lot.below(2) == 0;
    let kind = match lot.below(3) {
        0 => FaultKind::Partition(Partition { whom, between, rejects }),
        1 => FaultKind::Loss(Loss { whom, between, share }),
        _ => FaultKind::Delay(Delay { whom, between, latency }),
    };
    FaultSpec {
        name: name.to_owned(),
        when: When::default(),
        kind,
    }
}

/// A small world with faults that meet one another, all of them ended at 300 s.
fn alter(world: &mut WorldSpec, lot: &mut Stream) {
    let meshed = world.istio.is_some();
    world.horizon = at(HORIZON_S);
    world.nodes = 2 + lot.below(4) as u32;
    world.api_servers = 1 + lot.below(3) as u32;
    world.kubernetes.node_boot_latency = Distribution::Constant(s(BOOT_S));
    let faults = 1 + lot.below(4) as usize;
    world.faults = (0..faults)
        .map(|number| fault(lot, number, world.nodes, world.api_servers, meshed))
        .collect();
    let workloads = world.workloads.len();
    world.script = vec![Step::Apply {
        workloads: (0..workloads).collect(),
    }];
    let mut spent = 0.0;
    while spent < 250.0 {
        let step = match lot.below(6) {
            0 | 1 => Step::StartFault {
                fault: lot.below(faults as u64) as usize,
            },
            2 => Step::EndFault {
                fault: lot.below(faults as u64) as usize,
            },
            3 => Step::Scale {
                workload: lot.below(workloads as u64) as usize,
                replicas: 1 + lot.below(4) as u32,
            },
            _ => {
                let span = seconds(lot, 1, 40);
                spent += span;
                pause(span)
            }
        };
        world.script.push(step);
    }
    world
        .script
        .push(pause(REPAIRED_S - 10.0 - spent.min(REPAIRED_S - 10.0)));
    world.script.extend((0..faults).map(|fault| Step::EndFault { fault }));
    // So that something happens when everything has settled.
    world.script.push(pause(SETTLED_S + 10.0 - REPAIRED_S));
    world.churn = Vec::new();
    if lot.below(2) == 0 {
        world.churn.push(ChurnSpec {
            rate_per_s: seconds(lot, 1, 20) / 60.0,
            lifetime: Distribution::Constant(s(seconds(lot, 1, 200))),
            from: at(0.0),
            duration: s(500.0),
            service_accounts: 1 + lot.below(3) as u32,
        });
    }
    world.measures.exposure_clients = vec![workloads - 1];
    world.measures.exposure_servers = vec![(0, 8080)];
}

/// Looks at the invariants that no single component sees.
#[derive(Default)]
struct Invariants {
    revision: u32,
    nodes: BTreeMap<NodeId, bool>,
    returned: bool,
    resumed: bool,
    settled: bool,
}

impl Watch for Invariants {
    fn event(&mut self, moment: &Moment, event: &Event, shared: &Shared) -> ControlFlow<()> {
        let now = moment.time.as_secs_f64();
        assert!(shared.api.revision() >= self.revision, "revisions go back at {now}");
        self.revision = shared.api.revision();
        if let Event::Commit(Write::SetNodeReady(node, ready)) = event {
            assert!(
                *ready || now <= RETURNED_S,
                "healthy {node:?} is marked NotReady at {now}"
            );
            self.nodes.insert(*node, *ready);
        }
        if !self.resumed && now > RESUMED_S {
            self.resumed = true;
            assert!(shared.links.all_up(), "links are cut at {now}: {:?}", shared.links);
        }
        if !self.returned && now > RETURNED_S {
            self.returned = true;
            assert!(shared.touched.is_empty(), "faults act at {now}: {:?}", shared.touched);
            assert!(
                shared.paths.is_empty(),
                "paths are touched at {now}: {:?}",
                shared.paths
            );
            for (node, ready) in &self.nodes {
                assert!(ready, "{node:?} is not Ready again at {now}");
            }
        }
        if !self.settled && now > SETTLED_S {
            self.settled = true;
            self.look_at_pods(shared, now);
        }
        ControlFlow::Continue(())
    }
}

impl Invariants {
    fn look_at_pods(&self, shared: &Shared, now: f64) {
        for workload in 0..shared.blueprint.spec.workloads.len() as u32 {
            let kind = KindId(workload);
            // A sidecar may wait for a connection to end that it made while its Istiod was cut.
            if shared.blueprint.kind(kind).has_sidecar() {
                continue;
            }
            for &pod in shared.api.pods_of(kind) {
                let object = shared.api.pod(pod).copied().unwrap_or_default();
                let name = shared.pod_name(pod);
                assert!(object.ready && !object.deleting, "{name} at {now}: {object:?}");
                let place = shared.physics.pod(pod).place;
                assert_eq!(place.map(|(_, ip)| ip), object.ip, "{name}");
                assert_eq!(place.map(|(node, _)| node), object.node, "{name}");
            }
        }
    }
}

fn worlds() -> u64 {
    let wanted = std::env::var("MESHFAULT_RANDOM_WORLDS").ok();
    wanted.and_then(|number| number.parse().ok()).unwrap_or(200)
}

/// One owner per address, monotone revisions, no timer of a repaired cut; after all repairs every link is whole, every node
/// Ready and every pod running where the API server says.
#[test]
fn overlapping_faults_on_random_worlds_break_no_invariant() {
    for world in 0..worlds() {
        let mut lot = RunKey::derive(1, "random worlds", world).stream(Purpose::ChurnKind, EntityKey::root("test"));
        let case = pick(&mut lot, &["random-plain", "random-plain", "random-mesh"]);
        let altered = lot.bits();
        let bench = Bench::case(case, &[]).seed(world).edit(|spec| {
            let mut lot =
                RunKey::derive(altered, "random world", world).stream(Purpose::ChurnKind, EntityKey::root("test"));
            alter(spec, &mut lot);
        });
        let mut seen = Invariants::default();
        let outcome = bench.simulator(act).watched(0, 0, DrawLog::default(), &mut seen);
        assert_eq!(outcome.run.failure, None, "world {world} of {case}");
        assert!(seen.settled, "world {world} of {case} ends at once");
    }
}

fn two_faults(change: impl Fn(&mut WorldSpec)) -> ToldRun {
    let alter = |world: &mut WorldSpec| {
        world.horizon = at(600.0);
        cut(world, 0).whom.parties = vec![PartyKind::Kubelet, PartyKind::Agent];
        cut(world, 0).mode = CutMode::Drop;
        cut_node(world, 1);
        let mut second = world.faults[0].clone();
        second.name = "second".to_owned();
        world.faults.push(second);
        change(world);
    };
    Bench::of("ip-reuse", &[]).only("vxlan").edit(alter).ready().told(0)
}

const fn start(fault: usize) -> Step {
    Step::StartFault { fault }
}

const fn end(fault: usize) -> Step {
    Step::EndFault { fault }
}

/// A second fault on one party counts no party anew; the end of the one repairs nothing that the other still cuts.
#[test]
fn the_end_of_one_of_two_faults_repairs_nothing() {
    let script = |steps: Vec<Step>| move |world: &mut WorldSpec| world.script = steps.clone();
    let both = two_faults(script(vec![
        pause(100.0),
        start(0),
        pause(5.0),
        start(1),
        pause(5.0),
        end(0),
    ]));
    assert_eq!(both.run.parties_cut, 2);
    assert!(both.run.node_given_up.is_some(), "the second fault still cuts the node");
    // The check has power: when both have ended nothing is marked NotReady, by no timer of either.
    let ended = two_faults(script(vec![
        pause(100.0),
        start(0),
        pause(5.0),
        start(1),
        pause(5.0),
        end(0),
        end(1),
    ]));
    assert_eq!(ended.run.node_given_up, None);
}

#[test]
fn a_fault_that_is_started_twice_ends_once() {
    let script = |steps: Vec<Step>| move |world: &mut WorldSpec| world.script = steps.clone();
    let twice = two_faults(script(vec![
        pause(100.0),
        start(0),
        pause(5.0),
        start(0),
        pause(5.0),
        end(0),
    ]));
    assert_eq!((twice.run.parties_cut, twice.run.node_given_up), (2, None));
    // An end before the start does nothing, and the start after it does what it does.
    let early = two_faults(script(vec![pause(100.0), end(0), start(0)]));
    assert_eq!(early.run.parties_cut, 2);
    assert!(early.run.node_given_up.is_some());
}

/// A fault on many nodes touches the parties of each; the end of another one on one of them leaves the others alone.
#[test]
fn one_fault_touches_many_nodes() {
    let many = |ends: usize| {
        two_faults(|world| {
            cut(world, 0).whom.place = Where::Nodes(vec![NodeId(1), NodeId(2)]);
            world.script = vec![pause(100.0), start(0), start(1), pause(5.0), end(ends)];
        })
    };
    let (first, second) = (many(0), many(1));
    assert_eq!((first.run.parties_cut, second.run.parties_cut), (4, 4));
    let not_ready = |outcome: &ToldRun| {
        let lines = outcome.lines.iter().map(|line| line.text.as_str());
        let marked = lines.filter_map(|text| text.strip_prefix("marks "));
        marked
            .map(|text| text[.."worker-1".len()].to_owned())
            .collect::<Vec<_>>()
    };
    // When the first ends, the second still cuts worker-1; when the second ends, the first cuts both.
    assert_eq!(not_ready(&first), ["worker-1"]);
    let mut both = not_ready(&second);
    both.sort();
    assert_eq!(both, ["worker-1", "worker-2"]);
}

/// The nodes of a workload are those that host its pods when the fault starts.
#[test]
fn a_fault_finds_the_nodes_of_a_workload_when_it_starts() {
    let parties = |before: bool| {
        let outcome = two_faults(|world| {
            let workloads = (0..world.workloads.len()).collect();
            cut(world, 0).whom.place = Where::NodesOf(workloads);
            let cutting = world
                .script
                .iter()
                .position(|step| matches!(step, Step::StartFault { .. }));
            if before {
                world.script.insert(0, start(0));
                world.script.truncate(1);
            } else {
                world.script.truncate(cutting.expect("the script starts the fault") + 1);
            }
        });
        outcome.run.parties_cut
    };
    assert_eq!(parties(true), 0);
    assert!(parties(false) > 2);
}

/// Ended by the script before its time, a fault that starts again lasts its whole time again.
#[test]
fn an_early_end_takes_the_end_of_its_own_with_it() {
    let outcome = two_faults(|world| {
        world.faults[0].when.duration = Some(s(80.0));
        world.script = vec![pause(100.0), start(0), pause(1.0), end(0), pause(60.0), start(0)];
    });
    // Cut again from 161 s to 241 s: long enough, unless the end of the first time comes at 180 s.
    let given_up = outcome
        .run
        .node_given_up
        .expect("80 s are longer than the grace period");
    assert!(given_up > at(190.0), "{given_up:?}");
}

/// The strongest mode is in force: dropped packets let no renewal through, whichever fault was first.
#[test]
fn a_drop_on_top_of_lost_answers_lets_no_renewal_through() {
    let given_up = |modes: [CutMode; 2]| {
        let outcome = two_faults(|world| {
            cut(world, 0).mode = modes[0];
            cut(world, 1).mode = modes[1];
            world.script = vec![pause(100.0), start(0), start(1)];
        });
        outcome.run.node_given_up.expect("the node is silent").as_secs_f64()
    };
    let drop = given_up([CutMode::Drop, CutMode::Drop]);
    assert_eq!(given_up([CutMode::RepliesOnly, CutMode::Drop]), drop);
    assert_eq!(given_up([CutMode::Drop, CutMode::RepliesOnly]), drop);
    assert_eq!(given_up([CutMode::RepliesOnly, CutMode::Reject]), drop);
    assert!(given_up([CutMode::RepliesOnly, CutMode::RepliesOnly]) > drop + 4.9);
}
