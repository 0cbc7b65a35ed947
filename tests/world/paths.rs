//! Faults between nodes: partitions, loss and delay of packets, against closed forms, against the cut of an Istiod's clients, and what
//! they leave alone.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use meshfault::cluster::context::Shared;
use meshfault::cluster::event::{Event, IstiodEvent, SidecarEvent};
use meshfault::cluster::fault::act;
use meshfault::cluster::faults::cut::CutMode;
use meshfault::cluster::faults::delay::Delay;
use meshfault::cluster::faults::loss::Loss;
use meshfault::cluster::faults::partition::Partition;
use meshfault::cluster::faults::path::{Between, Direction};
use meshfault::cluster::faults::place::{Where, Whom};
use meshfault::cluster::faults::{FaultKind, FaultSpec, When};
use meshfault::cluster::ids::{IstiodId, NodeId, PodId};
use meshfault::cluster::istio::messages::{Answer, Channel};
use meshfault::cluster::party::PartyKind;
use meshfault::cluster::records::{AccessClass, Outcome};
use meshfault::cluster::spec::{ProbeFrom, ProbeSpec, Step, WorldSpec};
use meshfault::cluster::world::Watch;
use meshfault::kernel::{Distribution, DrawLog, Moment, SimTime};

use crate::fault_kinds::written;
use crate::support::{Bench, at, at_first_istiod, cuts, measured, on_node, pause, s, workload, z_of_share};

const LOSS: f64 = 0.3;

/// A fault of a kind at a place, from a time on, for a time.
fn acting(kind: FaultKind, from_s: f64, for_s: f64) -> FaultSpec {
    FaultSpec {
        name: "path".to_owned(),
        when: When {
            starts_at: Some(at(from_s)),
            duration: Some(s(for_s)),
            ..When::default()
        },
        kind,
    }
}

fn whom(place: Where) -> Whom {
    Whom {
        place,
        pick: None,
        parties: vec![PartyKind::Network],
    }
}

/// To all nodes outside the target.
const fn outside(direction: Direction) -> Between {
    Between {
        others: None,
        direction,
    }
}

fn partition(place: Where, direction: Direction, rejects: bool) -> FaultKind {
    FaultKind::Partition(Partition {
        whom: whom(place),
        between: outside(direction),
        rejects,
    })
}

fn loss(place: Where, direction: Direction, share: f64) -> FaultKind {
    FaultKind::Loss(Loss {
        whom: whom(place),
        between: outside(direction),
        share,
    })
}

fn delay(place: Where, direction: Direction, seconds: f64) -> FaultKind {
    FaultKind::Delay(Delay {
        whom: whom(place),
        between: outside(direction),
        latency: Distribution::Constant(s(seconds)),
    })
}

/// What happens to the sidecars that are not on the node of the only Istiod.
#[derive(Default)]
struct Sidecars {
    began: BTreeMap<u32, SimTime>,
    connected: BTreeMap<u32, SimTime>,
    arrived: u32,
    sent_again: Vec<u32>,
    certificates: u32,
    given_up: u32,
    silent: u32,
    reviewed: Vec<SimTime>,
}

impl Watch for Sidecars {
    fn event(&mut self, moment: &Moment, event: &Event, shared: &Shared) -> ControlFlow<()> {
        let node = |pod: PodId| shared.physics.pod(pod).place.map(|(node, _)| node);
        let at_istiod = shared.istiod_pod(IstiodId(0)).and_then(node);
        match event {
            Event::Sidecar(pod, event) if node(*pod) != at_istiod => match event {
                SidecarEvent::AgentUp => drop(self.began.entry(pod.0).or_insert(moment.time)),
                SidecarEvent::Connected(Channel::Configuration, 1) => {
                    self.connected.insert(pod.0, moment.time);
                }
                SidecarEvent::SendsAgain(_, _, tries) => self.sent_again.push(*tries),
                SidecarEvent::Answer(Channel::Certificate, _, _, Answer::Ok) => self.certificates += 1,
                SidecarEvent::GivesUp(..) => self.given_up += 1,
                SidecarEvent::Silent(_) => self.silent += 1,
                _ => {}
            },
            Event::Istiod(_, IstiodEvent::Request(request)) if node(request.pod) != at_istiod => self.arrived += 1,
            Event::Istiod(_, IstiodEvent::Reviewed(..)) => self.reviewed.push(moment.time),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Sidecars {
    /// Seconds that the first dials took, in the order of the pods.
    fn dials(&self) -> impl Iterator<Item = (u32, f64)> {
        self.connected
            .iter()
            .map(|(pod, at)| (*pod, at.since(self.began[pod]).as_secs_f64()))
    }
}

/// Sidecars that start from 60 s on in a mesh with one Istiod, while a fault acts that is made for the place of its node.
fn starts(replications: u64, changes: &[&str], fault: impl Fn(Where) -> Vec<FaultSpec>) -> Vec<(Sidecars, Outcome)> {
    let mut all = vec![
        "cluster.istio.replicas=1",
        "cluster.nodes=6",
        "parameters.kubernetes.kubelet_client_qps=1000",
        "parameters.istio.api_client_qps=1000",
    ];
    all.extend(changes);
    let alter = |world: &mut WorldSpec| {
        let (sleep, istiod) = (workload(world, "sleep"), world.workloads.len());
        world.faults = fault(Where::NodeOf(istiod));
        let scale = Step::Scale {
            workload: sleep,
            replicas: 60,
        };
        world.script = vec![pause(60.0), Step::Apply { workloads: vec![sleep] }, scale];
        world.horizon = at(160.0);
    };
    let simulator = Bench::of("one-istiod-of-three", &all)
        .only("drop-redraw")
        .edit(alter)
        .simulator(act);
    let one = |replication| {
        let mut seen = Sidecars::default();
        let outcome = simulator.watched(0, replication, DrawLog::default(), &mut seen);
        assert_eq!(outcome.run.failure, None);
        (seen, outcome)
    };
    (0..replications).map(one).collect()
}

#[test]
fn dials_under_loss_follow_the_series_of_syns() {
    for (direction, answered) in [
        (Direction::Both, (1.0 - LOSS) * (1.0 - LOSS)),
        (Direction::Inbound, 1.0 - LOSS),
        (Direction::Outbound, 1.0 - LOSS),
    ] {
        let runs = starts(40, &[], |istiod| {
            vec![acting(loss(istiod, direction, LOSS), 50.0, 100.0)]
        });
        let waits: Vec<f64> = runs
            .iter()
            .flat_map(|(seen, _)| seen.dials().map(|(_, wait)| wait))
            .collect();
        let begun: usize = runs.iter().map(|(seen, _)| seen.began.len()).sum();
        assert!(begun > 1800, "{begun}");
        // A dial whose SYNs at 0, 1, 3, 7 and 15 s are all lost fails at 20 s.
        let syns = [0.0, 1.0, 3.0, 7.0, 15.0];
        let mut left = begun;
        for (sent, syn) in syns.into_iter().enumerate() {
            let here = waits.iter().filter(|wait| (syn..syn + 0.1).contains(*wait)).count();
            if sent < 3 {
                let z = z_of_share(here, left, answered);
                eprintln!("{direction:?}: {here} of {left} at {syn} s, z {z:.2}");
                assert!(z.abs() < 4.0, "{direction:?} at {syn} s: {here} of {left}, z {z}");
            }
            if sent == 0 {
                let wrong = [answered - 0.09, answered + 0.09, 1.0 - LOSS * LOSS];
                let seen = |share: f64| z_of_share(here, left, share).abs() > 4.0;
                assert!(wrong.into_iter().all(seen), "the test would not see a wrong share");
            }
            left -= here;
        }
        let failed = begun - waits.len();
        assert_eq!(failed, left, "{direction:?}: a dial connected between two SYNs");
    }
}

#[test]
fn loss_ends_no_stream_and_shows_only_in_retransmissions() {
    let lossy = |share| {
        starts(12, &[], move |istiod| {
            // Streams stand and requests are sent while it acts.
            vec![acting(loss(istiod, Direction::Both, share), 50.0, 60.0)]
        })
    };
    let runs = lossy(LOSS);
    let (mut lost, mut arrived, mut again) = (0, 0, BTreeMap::new());
    for (seen, _) in &runs {
        assert_eq!((seen.given_up, seen.silent), (0, 0), "a stream ended");
        assert_eq!(seen.certificates as usize, seen.began.len(), "a certificate is missing");
        lost += seen.sent_again.len();
        arrived += seen.arrived as usize;
        for tries in &seen.sent_again {
            *again.entry(*tries).or_insert(0_usize) += 1;
        }
    }
    let z = z_of_share(lost, lost + arrived, LOSS);
    eprintln!(
        "{lost} of {} requests were lost, z {z:.2}; by number of tries {again:?}",
        lost + arrived
    );
    assert!(
        z.abs() < 4.0 && z_of_share(lost, lost + arrived, LOSS + 0.06).abs() > 4.0,
        "z {z}"
    );
    // Each further loss of one request is as likely.
    let twice = z_of_share(again[&2], again[&1], LOSS);
    assert!(twice.abs() < 4.0, "{again:?}: z {twice}");
    for (seen, _) in lossy(0.0) {
        assert_eq!(seen.sent_again.len(), 0);
    }
}

#[test]
fn a_lost_answer_waits_for_the_network_s_retransmissions() {
    // What the Istiod sends is lost: SYNs are sent again by waits of their own, answers by those that this changes.
    let ready = |share: f64, initial: &str| -> BTreeMap<String, f64> {
        let initial = format!("parameters.network.retransmit_initial={initial}");
        let runs = starts(3, &[&initial], |istiod| {
            vec![acting(loss(istiod, Direction::Outbound, share), 50.0, 100.0)]
        });
        let pods = runs.iter().enumerate().flat_map(|(run, (_, outcome))| {
            let pods = measured(outcome);
            pods.filter_map(move |pod| {
                let name = format!("{run} {}", pod.pod);
                Some((name, pod.ready?.since(pod.desired).as_secs_f64()))
            })
        });
        pods.collect()
    };
    let (without, short, long) = (ready(0.0, "50ms"), ready(0.6, "50ms"), ready(0.6, "5s"));
    let late = |with: &BTreeMap<String, f64>| -> f64 {
        let lost = with.iter().map(|(pod, ready)| ready - without[pod]);
        lost.sum::<f64>() / with.len() as f64
    };
    let (short, long) = (late(&short), late(&long));
    eprintln!("mean delay {short:.2} s with 50 ms, {long:.2} s with 5 s");
    assert!(short > 0.5 && long > short + 2.0, "{short} {long}");
}

/// Requests to a server in an unmeshed world, over a path that meets a fault that is made for the place of the server.
fn requests(kind: impl Fn(Where) -> Option<FaultKind>, replications: u64) -> Vec<Outcome> {
    let alter = |world: &mut WorldSpec| {
        world.horizon = at(400.0);
        let kind = kind(Where::NodeOf(workload(world, "server")));
        world.faults = kind.into_iter().map(|kind| acting(kind, 50.0, 1000.0)).collect();
        let all = (0..world.workloads.len()).collect();
        world.script = vec![Step::Apply { workloads: all }, pause(60.0)];
        for from in ["client", "stranger"] {
            let probe = ProbeSpec {
                from: ProbeFrom::Workload(workload(world, from)),
                to: 0,
                method: "GET".to_owned(),
                path: "/".to_owned(),
                time_limit: s(2.0),
                retry_until_up: None,
            };
            for _ in 0..20 {
                world.script.extend([Step::Probe(probe.clone()), pause(1.0)]);
            }
        }
    };
    let bench = Bench::case("random-plain", &["cluster.nodes=8"]).edit(alter);
    let lab = bench.ready();
    (0..replications).map(|replication| lab.one(replication)).collect()
}

/// Those of the client whose node is not that of the server, and those of the stranger.
fn by_workload(outcome: &Outcome) -> (Vec<(AccessClass, &str, f64)>, Vec<AccessClass>) {
    let of = |workload: &'static str| {
        outcome
            .accesses
            .iter()
            .filter(move |access| access.client_workload == workload)
    };
    let client = of("client").map(|access| (access.class, access.cause.as_str(), access.latency.as_secs_f64()));
    (client.collect(), of("stranger").map(|access| access.class).collect())
}

#[test]
fn a_cut_in_one_direction_is_enough_and_a_reset_is_for_its_sender() {
    for (direction, rejects, expected, limit_s) in [
        (Direction::Both, false, "no_answer", 2.0),
        (Direction::Outbound, false, "no_answer", 2.0),
        (Direction::Inbound, false, "no_answer", 2.0),
        (Direction::Both, true, "connection_refused", 0.1),
        (Direction::Inbound, true, "connection_refused", 0.1),
        (Direction::Outbound, true, "no_answer", 2.0),
    ] {
        let outcomes = requests(|server| Some(partition(server, direction, rejects)), 4);
        let (mut cut, mut inside) = (0, 0);
        for outcome in &outcomes {
            let (client, stranger) = by_workload(outcome);
            for (class, cause, latency) in client {
                match class {
                    AccessClass::Unreachable => {
                        assert_eq!(cause, expected, "{direction:?} {rejects}");
                        assert!(latency <= limit_s + 0.01, "{latency}");
                        cut += 1;
                    }
                    AccessClass::Allowed => inside += 1,
                    other => panic!("{other:?}: {cause}"),
                }
            }
            for class in stranger {
                assert!(
                    matches!(class, AccessClass::Denied | AccessClass::Unreachable),
                    "{class:?}"
                );
            }
        }
        eprintln!("{direction:?} rejects {rejects}: {cut} cut, {inside} on the node of the server");
        assert!(cut >= 40 && (cut + inside) % 20 == 0, "{cut} {inside}");
    }
}

#[test]
fn zones_that_are_cut_apart_go_on_inside() {
    let faults = "  split: {partition: {zones: [zone-1], to_zones: [zone-2], mode: drop}}\n";
    let probe = |from: &str, count: usize| {
        let probe = format!("  - probe: {{from: {from}, to: server, path: /, time_limit: 2s}}\n");
        probe.repeat(count)
    };
    let steps = [
        "  - apply: [server, client, stranger]\n  - scale: {workload: server, replicas: 6}\n  - pause: 60s\n"
            .to_owned(),
        "  - start_fault: split\n".to_owned(),
        probe("client", 30),
        probe("stranger", 30),
        "  - end_fault: split\n".to_owned(),
        probe("client", 10),
    ];
    let path = written("zones-apart", faults, &steps.concat(), false);
    let bench = Bench::load(&path, &["cluster.nodes=9", "cluster.zones=2"]);
    let lab = bench.ready();
    let (mut across, mut inside) = (0, 0);
    for replication in 0..6 {
        let told = lab.told(replication);
        let dossier = told.dossier.as_ref().expect("the run did not fail");
        assert_eq!(dossier.requests.len(), 70);
        let end = dossier.faults.iter().find(|fault| !fault.begins).expect("it ends").time;
        for request in &dossier.requests {
            let zone = |node: &str| {
                let number: u32 = node.trim_start_matches("worker-").parse().expect("pods are on workers");
                number % 2
            };
            let (client, server) = (request.client_node.as_deref(), request.choice.as_ref());
            let (client, server) = client.zip(server).expect("both were there");
            let apart = zone(client) != zone(&server.node) && request.record.time < end;
            let is_client = request.record.client_workload == "client";
            let expected = match (apart, is_client) {
                (true, _) => AccessClass::Unreachable,
                (false, true) => AccessClass::Allowed,
                (false, false) => AccessClass::Denied,
            };
            assert_eq!(
                request.record.class, expected,
                "{client} to {}: {:?}",
                server.node, request.record
            );
            across += usize::from(apart);
            inside += usize::from(!apart);
        }
        let lines: Vec<&str> = told.lines.iter().map(|line| line.text.as_str()).collect();
        let begins = lines.iter().find(|line| line.starts_with("split partitions"));
        assert!(
            begins.is_some_and(|line| line.contains("the network of worker-1")),
            "{begins:?}"
        );
    }
    eprintln!("{across} requests across, {inside} inside a zone or after the repair");
    assert!(across > 100 && inside > 100);
}

#[test]
fn delay_adds_exactly_its_amount_to_each_round_trip() {
    const ADDED_S: f64 = 0.05;
    let exact = |more: f64, expected: f64| (more - expected).abs() < 1e-6;
    for (direction, round_trip) in [
        (Direction::Both, 2.0 * ADDED_S),
        (Direction::Inbound, ADDED_S),
        (Direction::Outbound, ADDED_S),
    ] {
        // Connection and request are two round trips.
        let without = requests(|_| None, 3);
        let with = requests(|server| Some(delay(server, direction, ADDED_S)), 3);
        let mut late = 0;
        for (without, with) in without.iter().zip(&with) {
            for (one, other) in without.accesses.iter().zip(&with.accesses) {
                assert_eq!((one.class, &one.cause), (other.class, &other.cause));
                if one.class == AccessClass::Allowed {
                    let more = other.latency.as_secs_f64() - one.latency.as_secs_f64();
                    assert!(exact(more, 2.0 * round_trip) || exact(more, 0.0), "{more} s");
                    late += usize::from(!exact(more, 0.0));
                }
            }
        }
        assert!(late >= 20, "{late}");
        let plain = starts(1, &[], |_| Vec::new());
        let slow = starts(1, &[], |istiod| {
            vec![acting(delay(istiod, direction, ADDED_S), 50.0, 100.0)]
        });
        let (plain, slow): (BTreeMap<_, _>, BTreeMap<_, _>) =
            (plain[0].0.dials().collect(), slow[0].0.dials().collect());
        assert!(plain.len() > 20 && plain.len() == slow.len());
        for (pod, dial) in &plain {
            let more = slow[pod] - dial;
            assert!(exact(more, round_trip), "{direction:?}: {more} s");
        }
    }
}

#[test]
fn requests_pass_and_answers_wait_if_only_the_istiod_s_packets_vanish() {
    // A delay keeps requests in flight when the cut begins.
    let reviewed = |direction| {
        let runs = starts(6, &[], |istiod| {
            let mut slow = acting(delay(istiod.clone(), Direction::Both, 3.0), 50.0, 110.0);
            slow.name = "slow".to_owned();
            vec![slow, acting(partition(istiod, direction, false), 75.0, 100.0)]
        });
        let behind = |(seen, _): &(Sidecars, Outcome)| seen.reviewed.iter().filter(|time| **time > at(75.1)).count();
        let connected = runs.iter().map(|(seen, _)| seen.connected.len()).sum::<usize>();
        (runs.iter().map(behind).sum::<usize>(), connected)
    };
    let (there, connected) = reviewed(Direction::Outbound);
    let (back, _) = reviewed(Direction::Inbound);
    eprintln!("of {connected}: {there} reviews if answers vanish, {back} if requests do");
    assert!(there > 10, "{there}");
    // Those on the Istiod's own node do not notice.
    assert!(back * 4 < there, "{back}");
}

#[test]
fn the_path_to_an_istiod_is_cut_as_its_clients_are() {
    for (mode, rejects, for_s) in [
        (CutMode::Drop, false, 12.0),
        (CutMode::Drop, false, 60.0),
        (CutMode::Reject, true, 12.0),
    ] {
        let by_clients = starts(3, &[], |_| {
            let cut = cuts("path", at_first_istiod(), &[PartyKind::IstiodClients], mode);
            vec![acting(cut.kind, 68.0, for_s)]
        });
        let by_path = starts(3, &[], |istiod| {
            vec![acting(partition(istiod, Direction::Both, rejects), 68.0, for_s)]
        });
        let healthy = starts(3, &[], |_| Vec::new());
        let (mut same, mut late) = (0, 0);
        for (((_, one), (_, other)), (_, healthy)) in by_clients.iter().zip(&by_path).zip(&healthy) {
            let at_istiod = one
                .pods
                .iter()
                .find(|pod| pod.workload == "istiod")
                .and_then(|pod| pod.node.clone());
            let pods = measured(one).zip(measured(other)).zip(measured(healthy));
            for ((one, other), healthy) in pods.filter(|((one, _), _)| one.node != at_istiod) {
                assert_eq!(
                    (&one.pod, one.ready),
                    (&other.pod, other.ready),
                    "{mode:?} for {for_s} s"
                );
                same += 1;
                late += usize::from(one.ready != healthy.ready);
            }
        }
        eprintln!("{mode:?} for {for_s} s: {same} pods alike, {late} of them late");
        assert!(same > 100 && late > 10, "{same} {late}");
    }
}

#[test]
fn streams_freeze_with_their_path_and_go_on_after_it() {
    /// How many proxies read nothing at some times.
    #[derive(Default)]
    struct Frozen(BTreeMap<u64, (usize, usize)>);
    impl Watch for Frozen {
        fn event(&mut self, moment: &Moment, _: &Event, shared: &Shared) -> ControlFlow<()> {
            let second = moment.time.as_secs_f64() as u64;
            let pods = (0..shared.pods.len() as u32).map(PodId);
            let following = pods.filter_map(|pod| shared.proxy_of(pod));
            let frozen: Vec<bool> = following
                .map(|(_, view)| view.cursor.frozen_at(moment.time).is_some())
                .collect();
            let all = frozen.len();
            self.0
                .insert(second, (frozen.into_iter().filter(|frozen| *frozen).count(), all));
            ControlFlow::Continue(())
        }
    }
    let alter = |world: &mut WorldSpec| {
        let (sleep, istiod) = (workload(world, "sleep"), world.workloads.len());
        let cut = acting(partition(Where::NodeOf(istiod), Direction::Both, false), 130.0, 10.0);
        world.faults = vec![cut];
        world.script = vec![
            pause(60.0),
            Step::Apply { workloads: vec![sleep] },
            pause(90.0),
            pause(5.0),
        ];
        world.horizon = at(160.0);
    };
    let simulator = Bench::of("one-istiod-of-three", &["cluster.istio.replicas=1"])
        .only("drop-redraw")
        .edit(alter)
        .simulator(act);
    let mut seen = Frozen::default();
    let outcome = simulator.watched(0, 0, DrawLog::default(), &mut seen);
    assert_eq!(outcome.run.failure, None);
    let last = |until: u64| seen.0.range(..=until).next_back().map(|(_, counts)| *counts);
    let (before, during, after) = (last(129), last(139), last(160));
    eprintln!("frozen, of all: {before:?} before, {during:?} during, {after:?} after");
    let (before, during, after) = before
        .zip(during)
        .zip(after)
        .map(|((a, b), c)| (a, b, c))
        .expect("events");
    assert_eq!((before.0, after.0), (0, 0));
    assert!(
        during.0 > 5 && during.0 < during.1,
        "those on the node of the Istiod go on: {during:?}"
    );
}

#[test]
fn exposure_ends_where_nothing_passes_and_begins_again() {
    let open = Bench::of("ip-reuse", &[]).only("native-routing");
    let lab = open.ready();
    let long = |replication| {
        let outcome = lab.one(replication);
        let windows = outcome.exposures.into_iter();
        let mut long = windows.filter(|window| window.end.is_some_and(|end| end > window.start + s(9.0)));
        long.next().map(|window| (replication, window))
    };
    let found: Vec<_> = (0..60).filter_map(long).take(3).collect();
    assert!(!found.is_empty());
    for (replication, window) in found {
        let node: u32 = window.node.trim_start_matches("worker-").parse().expect("a worker");
        let from = window.start + s(3.0);
        let cut = Bench::of("ip-reuse", &[]).only("native-routing").edit(|world| {
            let mut fault = acting(partition(on_node(node), Direction::Both, false), 0.0, 3.0);
            fault.when.starts_at = Some(from);
            world.faults.push(fault);
        });
        let outcome = cut.ready().one(replication);
        let same = outcome
            .exposures
            .iter()
            .filter(|other| (&other.client, &other.server, other.via) == (&window.client, &window.server, window.via));
        let spans: Vec<_> = same
            .map(|other| (other.start, other.end, other.end_cause.as_str()))
            .collect();
        let first = spans.iter().find(|(start, ..)| *start == window.start);
        assert_eq!(first, Some(&(window.start, Some(from), "path_cut")), "{spans:?}");
        let second = spans.iter().find(|(start, ..)| *start == from + s(3.0));
        assert_eq!(second.map(|(_, end, _)| *end), Some(window.end), "{spans:?}");
    }
}

#[test]
fn half_of_the_queries_fail_if_one_of_two_replicas_of_coredns_is_cut_off() {
    let alter = |world: &mut WorldSpec| {
        let (sleep, coredns) = (workload(world, "sleep"), world.workloads.len() + 1);
        world.faults = vec![acting(
            partition(Where::NodeOf(coredns), Direction::Inbound, false),
            61.0,
            100.0,
        )];
        let scale = Step::Scale {
            workload: sleep,
            replicas: 60,
        };
        world.script = vec![pause(62.0), Step::Apply { workloads: vec![sleep] }, scale];
        world.horizon = at(150.0);
    };
    let changes = [
        "cluster.nodes=30",
        "cluster.coredns=2",
        "cluster.istio.replicas=1",
        "parameters.network.dns_names_per_dial=1",
        "parameters.kubernetes.kubelet_client_qps=1000",
    ];
    let simulator = Bench::of("one-istiod-of-three", &changes)
        .only("drop-redraw")
        .edit(alter)
        .simulator(act);
    let (mut late, mut all) = (0, 0);
    for replication in 0..12 {
        let mut seen = Sidecars::default();
        let outcome = simulator.watched(0, replication, DrawLog::default(), &mut seen);
        assert_eq!(outcome.run.failure, None);
        let node = |name: &str| {
            let mut pods = outcome.pods.iter().filter(|pod| pod.workload == name);
            pods.next().and_then(|pod| pod.node.clone())
        };
        if node("coredns") == node("istiod") {
            continue;
        }
        let cut_off = node("coredns");
        let here = |pod: &u32| outcome.pods[*pod as usize].node == cut_off;
        // Of the others, a dial fails whose second query is lost too.
        let began = seen.began.keys().filter(|pod| !here(pod)).count();
        let at_once = seen.dials().filter(|(pod, wait)| !here(pod) && *wait < 4.9).count();
        all += began;
        late += began - at_once;
    }
    let z = z_of_share(late, all, 0.5);
    eprintln!("{late} of {all} dials lost a query, z {z:.2}");
    assert!(all > 300 && z.abs() < 4.0, "z {z}");
    assert!(
        z_of_share(late, all, 0.35).abs() > 4.0,
        "the test would not see a third"
    );
}

#[test]
fn a_fault_that_no_packet_meets_changes_no_byte() {
    // The control plane's node has no pods.
    let outcome = |kind: FaultKind| {
        starts(1, &[], move |_| vec![acting(kind.clone(), 50.0, 60.0)])
            .remove(0)
            .1
    };
    let place = || Where::Nodes(vec![NodeId(0)]);
    let mut nobody = loss(place(), Direction::Both, LOSS);
    if let FaultKind::Loss(loss) = &mut nobody {
        loss.whom.parties.clear();
    }
    let control = outcome(nobody);
    for kind in [
        loss(place(), Direction::Both, LOSS),
        delay(place(), Direction::Both, 1.0),
    ] {
        assert_eq!(outcome(kind).run.fingerprint, control.run.fingerprint);
    }
    // Partitions are told to Istiods; pods do the same.
    assert_eq!(outcome(partition(place(), Direction::Both, false)).pods, control.pods);
    let near = starts(1, &[], |istiod| {
        vec![acting(loss(istiod, Direction::Both, LOSS), 50.0, 60.0)]
    });
    assert_ne!(near[0].1.run.fingerprint, control.run.fingerprint);
}
