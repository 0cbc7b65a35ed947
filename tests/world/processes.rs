//! Processes that are frozen, that end and start again, and that are slow: Istiods, kubelets, agents and API servers.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use meshfault::cluster::context::Shared;
use meshfault::cluster::event::{Event, FaultEvent, IstiodEvent, KubeletEvent, SidecarEvent, Write};
use meshfault::cluster::fault::act;
use meshfault::cluster::faults::crash::Crash;
use meshfault::cluster::faults::cut::CutMode;
use meshfault::cluster::faults::hang::Hang;
use meshfault::cluster::faults::place::{Where, Whom};
use meshfault::cluster::faults::restart::Restart;
use meshfault::cluster::faults::slow::Slow;
use meshfault::cluster::faults::{FaultKind, FaultSpec, When};
use meshfault::cluster::ids::{IstiodId, KindId};
use meshfault::cluster::istio::messages::{Answer, Channel};
use meshfault::cluster::party::PartyKind;
use meshfault::cluster::spec::{Step, WorldSpec};
use meshfault::cluster::world::Watch;
use meshfault::kernel::{DrawLog, Moment, SimTime};

use crate::measured_starts::{BOTH, Start, simulated, simulated_with};
use crate::repairs::Readers;
use crate::support::{Bench, at, at_first_istiod, between, cuts, ks_distance, measured, pause, quantile, s, workload};

/// A fault of processes at a place, for a time if one is given.
pub fn fault(kind: fn(Whom) -> FaultKind, place: Where, processes: &[PartyKind], for_s: Option<f64>) -> FaultSpec {
    let parties = processes.to_vec();
    FaultSpec {
        name: "process".to_owned(),
        when: When {
            duration: for_s.map(s),
            ..When::default()
        },
        kind: kind(Whom {
            place,
            pick: None,
            parties,
        }),
    }
}

pub const fn hang(whom: Whom) -> FaultKind {
    FaultKind::Hang(Hang { whom })
}

pub const fn crash(whom: Whom) -> FaultKind {
    FaultKind::Crash(Crash { whom })
}

pub const fn restart(whom: Whom) -> FaultKind {
    FaultKind::Restart(Restart { whom })
}

pub fn first_istiod(kind: fn(Whom) -> FaultKind, for_s: Option<f64>) -> FaultSpec {
    fault(kind, at_first_istiod(), &[PartyKind::IstiodProcess], for_s)
}

/// Starts of agents from a second after the fault on, with the first of three Istiods under this fault.
fn starts(changes: &[&str], runs: u64, spec: impl Fn() -> FaultSpec) -> Vec<Start> {
    simulated_with("1.21.0", "some", changes, 150.0, runs, |world| {
        world.faults = vec![spec()]
    })
}

/// When a start was ready.
const READY: fn(&Start) -> f64 = BOTH[1].1;

const NEVER_WITHDRAWN: &str = "parameters.istio.readiness_probe_threshold=1000000";

#[test]
fn a_frozen_istiod_without_a_kubelet_is_one_that_nobody_reaches() {
    let frozen = starts(&[NEVER_WITHDRAWN], 20, || first_istiod(hang, None));
    let parties = [PartyKind::Istiod, PartyKind::Webhook, PartyKind::IstiodClients];
    let gone = starts(&[], 20, || cuts("other", at_first_istiod(), &parties, CutMode::Drop));
    for (what, get) in BOTH {
        let [here, there] = [&frozen, &gone].map(|starts| starts.iter().map(get).collect::<Vec<f64>>());
        let (distance, most) = (ks_distance(&here, &there), 1.36 * (2.0 / here.len() as f64).sqrt());
        eprintln!(
            "{what}: distance {distance:.3} of at most {most:.3}, {} starts",
            here.len()
        );
        assert!(distance <= most, "{what}: {distance}");
    }
}

/// When a run's fault began, when its Istiod's pod was marked not ready and ready again, and when its container was started again.
#[derive(Default)]
struct Probes {
    begins: Option<SimTime>,
    ends: Option<SimTime>,
    not_ready: Option<SimTime>,
    ready: Option<SimTime>,
    starts: Vec<SimTime>,
}

impl Watch for Probes {
    fn event(&mut self, moment: &Moment, event: &Event, shared: &Shared) -> ControlFlow<()> {
        let first =
            |pod: usize| shared.blueprint.istiod == Some(shared.pods[pod].kind) && shared.pods[pod].ordinal == 0;
        match event {
            Event::Fault(FaultEvent::Start(_)) => self.begins = Some(moment.time),
            Event::Fault(FaultEvent::End(_)) => self.ends = Some(moment.time),
            Event::Commit(Write::MarkNotReady(pod)) if first(pod.0 as usize) => {
                self.not_ready.get_or_insert(moment.time);
            }
            Event::Commit(Write::ReportReady(pod, ..)) if first(pod.0 as usize) && self.not_ready.is_some() => {
                self.ready.get_or_insert(moment.time);
            }
            Event::Kubelet(_, KubeletEvent::StartAgain(_)) => self.starts.push(moment.time),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Runs of three Istiods of which the first meets a fault at 60 s.
fn probed(runs: u64, horizon_s: f64, changes: &[&str], spec: impl Fn() -> FaultSpec) -> Vec<Probes> {
    probed_often(runs, horizon_s, changes, None, spec)
}

/// As [`probed`], with a second fault after a time.
fn probed_often(
    runs: u64,
    horizon_s: f64,
    changes: &[&str],
    again_s: Option<f64>,
    spec: impl Fn() -> FaultSpec,
) -> Vec<Probes> {
    let alter = |world: &mut WorldSpec| {
        world.faults = vec![spec()];
        world.script = vec![pause(60.0), Step::StartFault { fault: 0 }];
        if let Some(again_s) = again_s {
            world.script.extend([pause(again_s), Step::StartFault { fault: 0 }]);
        }
        world.measures.startup_since_step = 0;
        world.horizon = at(horizon_s);
    };
    let bench = Bench::of("one-istiod-of-three", changes)
        .only("drop-redraw")
        .edit(alter);
    let simulator = bench.simulator(act);
    let run = |replication| {
        let mut probes = Probes::default();
        let outcome = simulator.watched(0, replication, DrawLog::default(), &mut probes);
        assert_eq!(outcome.run.failure, None);
        probes
    };
    (0..runs).map(run).collect()
}

#[test]
fn a_frozen_istiod_is_withdrawn_when_three_probes_have_failed() {
    let runs = probed(100, 200.0, &[], || first_istiod(hang, Some(60.0)));
    let span = |from: Option<SimTime>, to: Option<SimTime>| between(from.expect("it was"), to.expect("it was"));
    let mut withdrawn: Vec<f64> = runs.iter().map(|run| span(run.begins, run.not_ready)).collect();
    let mut back: Vec<f64> = runs.iter().map(|run| span(run.ends, run.ready)).collect();
    let of = |values: &mut [f64]| [0.0, 0.5, 1.0].map(|share| quantile(values, share));
    let (withdrawn, back) = (of(&mut withdrawn), of(&mut back));
    eprintln!("withdrawn after {withdrawn:.1?} s, back {back:.1?} s after the thaw");
    // The next tick of 3 s, three probes of 5 s one behind the other, and the write; then the next tick.
    assert!(withdrawn[0] > 15.0 && withdrawn[2] < 18.5, "{withdrawn:?}");
    assert!((withdrawn[1] - 16.5).abs() < 0.7, "{withdrawn:?}");
    assert!(back[2] < 3.5 && (back[1] - 1.5).abs() < 0.7, "{back:?}");
    // Who thaws before the third failure stays ready.
    let runs = probed(20, 200.0, &[], || first_istiod(hang, Some(12.0)));
    assert!(runs.iter().all(|run| run.not_ready.is_none()));
    // Agents that start when it is withdrawn lose nothing.
    let frozen = starts(&[], 20, || first_istiod(hang, None));
    let late = |from: f64, to: f64| {
        let there = frozen.iter().filter(|start| (from..to).contains(&start.starts_s()));
        there.filter(|start| READY(start) > 20.0).count()
    };
    let (before, after) = (late(0.0, 13.0), late(17.0, 100.0));
    eprintln!("{before} starts before it was withdrawn were late, {after} after it");
    assert!(before > 50 && after == 0, "{before}, {after}");
}

#[test]
fn an_istiod_that_ends_is_no_black_hole() {
    let healthy = simulated("1.21.0", "none", &[], 150.0, 3);
    for (what, spec) in [
        ("once", first_istiod(crash, Some(0.001))),
        ("in a loop", first_istiod(crash, None)),
        ("in order", first_istiod(restart, None)),
    ] {
        let ended = starts(&[], 20, || spec.clone());
        let usual = quantile(&mut healthy.iter().map(READY).collect::<Vec<f64>>(), 0.5);
        let mut late: Vec<f64> = ended.iter().map(|start| READY(start) - usual).collect();
        let worst = quantile(&mut late, 1.0);
        eprintln!("{what}: at most {worst:.1} s late");
        assert!(worst < 5.0, "{what}: {worst}");
    }
}

#[test]
fn a_crash_loop_backs_off() {
    let runs = probed(20, 2_000.0, &[], || first_istiod(crash, None));
    for run in &runs {
        let gaps: Vec<f64> = run.starts.windows(2).map(|pair| between(pair[0], pair[1])).collect();
        let first = between(run.begins.expect("it begins"), run.starts[0]);
        assert!(first <= 1.0, "{first}");
        let mut least = 10.0;
        for gap in &gaps {
            // The pod worker looks every 10 to 15 s.
            assert!((least..least + 15.0).contains(gap), "{gap} for {least}: {gaps:?}");
            least = f64::min(least * 2.0, 300.0);
        }
        assert!(gaps.len() >= 8, "{gaps:?}");
    }
    eprintln!("starts of the first run: {:.0?}", runs[0].starts);
    // One end: it is started at once, not ready meanwhile, and ready again when it serves.
    let once = probed(50, 300.0, &[], || first_istiod(crash, Some(0.001)));
    for run in &once {
        assert_eq!(run.starts.len(), 1);
        let begins = run.begins.expect("it begins");
        let not_ready = between(begins, run.not_ready.expect("it is not ready"));
        let ready = between(begins, run.ready.expect("it is ready again"));
        assert!(not_ready < 1.5 && (2.0..8.0).contains(&ready), "{not_ready}, {ready}");
    }
    // Its back-off is forgotten after ten minutes of running, not after five.
    let again = |every_s: f64| {
        let runs = probed_often(5, 100.0 + every_s, &[], Some(every_s), || {
            first_istiod(crash, Some(0.001))
        });
        let lag = |run: &Probes| between(run.begins.expect("it begins"), run.starts[1]);
        runs.iter().map(lag).fold(0.0, f64::max)
    };
    let (soon, late) = (again(300.0), again(700.0));
    eprintln!("started {soon:.1} s after an end 5 min after another, {late:.1} s after one 11 min after it");
    assert!(soon > 10.0 && late < 2.0);
}

/// From requests for a certificate arriving at an Istiod to the answer arriving at the sidecar [s].
#[derive(Default)]
struct Answers {
    asked: BTreeMap<u32, SimTime>,
    took: Vec<f64>,
    adds: BTreeMap<u32, SimTime>,
    built: Vec<f64>,
}

impl Watch for Answers {
    fn event(&mut self, moment: &Moment, event: &Event, _: &Shared) -> ControlFlow<()> {
        use meshfault::cluster::event::AgentEvent;
        match event {
            Event::Istiod(_, IstiodEvent::Request(request)) if request.channel == Channel::Certificate => {
                self.asked.insert(request.pod.0, moment.time);
            }
            Event::Sidecar(pod, SidecarEvent::Answer(Channel::Certificate, _, _, Answer::Ok)) => {
                self.took
                    .extend(self.asked.remove(&pod.0).map(|asked| between(asked, moment.time)));
            }
            Event::Agent(_, AgentEvent::Identified(pod)) => drop(self.adds.insert(pod.0, moment.time)),
            Event::Agent(_, AgentEvent::Built(pod)) => {
                self.built
                    .extend(self.adds.remove(&pod.0).map(|added| between(added, moment.time)));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

#[test]
fn slow_processes_take_so_many_times_as_long() {
    let changes = [
        "parameters.istio.token_review_latency=2s",
        "parameters.istio.sign_latency=1s",
        "parameters.network.one_way_latency=1ms",
        "parameters.cilium.endpoint_build_latency=500ms",
    ];
    let run = |place: Where, process: PartyKind, factor: f64| {
        let alter = |world: &mut WorldSpec| {
            let sleep = workload(world, "sleep");
            let slow = |whom| FaultKind::Slow(Slow { whom, factor: 1.0 });
            world.faults = vec![fault(slow, place.clone(), &[process], None)];
            if let FaultKind::Slow(slow) = &mut world.faults[0].kind {
                slow.factor = factor;
            }
            world.script = vec![
                pause(60.0),
                Step::StartFault { fault: 0 },
                Step::Apply { workloads: vec![sleep] },
            ];
            world.measures.startup_since_step = 1;
            world.horizon = at(400.0);
        };
        let bench = Bench::of("one-istiod-of-three", &changes)
            .only("drop-redraw")
            .edit(alter);
        let mut answers = Answers::default();
        let outcome = bench.simulator(act).watched(0, 0, DrawLog::default(), &mut answers);
        assert_eq!(outcome.run.failure, None);
        let ready: Vec<f64> = measured(&outcome)
            .map(|pod| between(pod.desired, pod.ready.expect("it is ready")))
            .collect();
        (answers, ready.iter().sum::<f64>() / ready.len() as f64)
    };
    let istiods = || Where::Istiods((0..3).map(IstiodId).collect());
    for (place, process, factor, answer_s, build_s) in [
        (istiods(), PartyKind::IstiodProcess, 1.0, 3.0, 0.5),
        (istiods(), PartyKind::IstiodProcess, 4.0, 12.0, 0.5),
        (Where::ApiServers(vec![0]), PartyKind::ApiServer, 4.0, 9.0, 0.5),
        (
            Where::Nodes((0..4).map(meshfault::cluster::ids::NodeId).collect()),
            PartyKind::Agent,
            4.0,
            3.0,
            2.0,
        ),
    ] {
        let (answers, _) = run(place, process, factor);
        assert_eq!(answers.took.len(), 15);
        assert!(
            answers.took.iter().all(|took| (took - answer_s - 0.001).abs() < 1e-6),
            "{:?}",
            answers.took
        );
        assert!(
            answers.built.iter().skip(3).all(|built| (built - build_s).abs() < 1e-6),
            "{:?}",
            answers.built
        );
    }
    let nodes = || Where::Nodes((0..4).map(meshfault::cluster::ids::NodeId).collect());
    let [(_, usual), (_, slow)] = [1.0, 10.0].map(|factor| run(nodes(), PartyKind::Kubelet, factor));
    eprintln!("ready after {usual:.1} s, on slow nodes {slow:.1} s");
    assert!(slow > usual + 3.0, "{usual}, {slow}");
}

#[test]
fn an_api_server_that_is_restarted_is_missed_by_its_clients_only() {
    let after = |servers: u32, kind: fn(Whom) -> FaultKind, for_s: Option<f64>| {
        let servers = format!("cluster.api_servers={servers}");
        let alter = |world: &mut WorldSpec| {
            world.faults = vec![fault(kind, Where::ApiServers(vec![0]), &[PartyKind::ApiServer], for_s)];
            world.script = vec![pause(60.0), Step::StartFault { fault: 0 }];
            world.measures.startup_since_step = 0;
            world.measures.exposure_clients = Vec::new();
            world.measures.exposure_servers = Vec::new();
            world.horizon = at(600.0);
        };
        let changes = ["cluster.nodes=14", "cluster.istio.replicas=12", servers.as_str()];
        let bench = Bench::of("istiod-cut-off", &changes).only("istio-only").edit(alter);
        let simulator = bench.simulator(act);
        let (mut without, mut after, mut parties) = (0, Vec::new(), 0);
        for replication in 0..12 {
            let mut readers = Readers::default();
            let outcome = simulator.watched(0, replication, DrawLog::default(), &mut readers);
            assert_eq!(outcome.run.failure, None);
            let begins = readers.first_cut.expect("the script starts the fault");
            parties += outcome.run.parties_cut;
            for (answers, watches) in readers.resumed.values() {
                without += usize::from(answers.is_none() || watches.is_none());
                after.extend(answers.max(watches).map(|time| between(begins, time)));
            }
        }
        let [least, most] = [0.0, 1.0].map(|share| quantile(&mut after, share));
        eprintln!("{servers}: {parties} parties, {least:.1} to {most:.1} s, {without} without");
        (without, least, most, parties)
    };
    // Of three the others take its clients over at once; the only one needs 5 to 20 s, and back-offs follow.
    let (without, _, most, parties) = after(3, restart, None);
    assert!(without == 0 && most < 3.0, "{without}, {most}");
    // The process itself, and a third of 12 Istiods and of three clients on each of 14 nodes.
    assert!((12 * 15..12 * 24).contains(&parties), "{parties}");
    let (without, least, most, _) = after(1, restart, None);
    assert!(
        without == 0 && least > 4.5 && most < 60.0,
        "{without}, {least} to {most}"
    );
    // In a crash loop it comes back when the loop ends, and a frozen one when it thaws.
    let (without, least, _, _) = after(1, crash, Some(50.0));
    assert!(without == 0 && least > 50.0, "{without}, {least}");
    let (without, least, most, _) = after(1, hang, Some(10.0));
    assert!(
        without == 0 && least > 10.0 && most < 30.0,
        "{without}, {least} to {most}"
    );
}

/// A fault that waits for the Istiods of a node ends one that comes to it there as soon as it starts.
#[test]
fn a_crash_meets_an_istiod_that_comes_later() {
    let waits = || {
        let mut spec = fault(
            crash,
            Where::Nodes((0..4).map(meshfault::cluster::ids::NodeId).collect()),
            &[PartyKind::IstiodProcess],
            None,
        );
        spec.when.starts_at = Some(at(0.001));
        spec
    };
    let alter = |world: &mut WorldSpec| {
        world.faults = vec![waits()];
        world.script = vec![pause(200.0)];
        world.measures.startup_since_step = 0;
        world.horizon = at(200.0);
    };
    let bench = Bench::of("one-istiod-of-three", &[]).only("drop-redraw").edit(alter);
    let mut ready = Ready::default();
    let outcome = bench.simulator(act).watched(0, 0, DrawLog::default(), &mut ready);
    assert_eq!((outcome.run.failure, ready.0), (None, 0));
}

#[derive(Default)]
struct Ready(u32);

impl Watch for Ready {
    fn event(&mut self, _: &Moment, event: &Event, shared: &Shared) -> ControlFlow<()> {
        let istiod: Option<KindId> = shared.blueprint.istiod;
        if let Event::Commit(Write::ReportReady(pod, ..)) = event {
            self.0 += u32::from(Some(shared.pods[pod.0 as usize].kind) == istiod);
        }
        ControlFlow::Continue(())
    }
}
