//! What is added and does nothing changes nothing: every event and every drawn number of the run stays.
//!
//! Seen through an observer of all events and a log of all draws, so that no measure can hide a difference.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use meshfault::cluster::context::{Ctx, Shared};
use meshfault::cluster::event::Event;
use meshfault::cluster::fault::{Effect, FaultHandler, act};
use meshfault::cluster::faults::FaultSpec;
use meshfault::cluster::faults::cut::CutMode;
use meshfault::cluster::ids::{FaultId, NodeId, ServiceId};
use meshfault::cluster::party::PartyKind;
use meshfault::cluster::purpose::Purpose;
use meshfault::cluster::records::Outcome;
use meshfault::cluster::spec::WorldSpec;
use meshfault::cluster::world::Watch;
use meshfault::kernel::{Distribution, Draw, DrawLog, EntityKey, Moment, SimDuration};
use meshfault::policy::Labels;

use crate::support::{Bench, cuts, on_node, s};

/// Time in nanoseconds, class, component and digest of an event.
type Seen = (u64, &'static str, &'static str, u64);

/// Everything that happens and is drawn in a run.
#[derive(Default)]
struct Log {
    draws_log: DrawLog,
    /// Query what every reader believes between any two events.
    asks: bool,
    answers: u64,
    events: Vec<Seen>,
    draws: Vec<Draw>,
}

impl Watch for Log {
    fn event(&mut self, moment: &Moment, _: &Event, shared: &Shared) -> ControlFlow<()> {
        self.draws.extend(self.draws_log.take());
        let Moment {
            time,
            class,
            component,
            digest,
            ..
        } = *moment;
        self.events.push((time.as_nanos(), class.name(), component, digest));
        if self.asks && moment.number.is_multiple_of(16) {
            self.answers += ask(shared, moment);
        }
        ControlFlow::Continue(())
    }
}

/// What every node's service proxy believes about every Service.
fn ask(shared: &Shared, moment: &Moment) -> u64 {
    let nodes = (0..shared.blueprint.spec.nodes).map(NodeId);
    let services = || (0..shared.blueprint.services as u32).map(ServiceId);
    let known = |node| services().filter(move |&service| shared.backends_at(node, service, moment.time).is_some());
    nodes.map(|node| known(node).count() as u64).sum()
}

fn logged(bench: &Bench, handler: FaultHandler, design: usize, replication: u64, asks: bool) -> (Log, Outcome) {
    let mut log = Log { asks, ..Log::default() };
    let draws = log.draws_log.clone();
    let outcome = bench
        .simulator(handler)
        .watched(design, replication, draws.clone(), &mut log);
    log.draws.extend(draws.take());
    assert_eq!(outcome.run.failure, None);
    (log, outcome)
}

const EXPERIMENTS: [&str; 3] = ["ip-reuse", "istiod-cut-off", "one-istiod-of-three"];

/// Each experiment's first two designs, two runs each, with and without the addition: events, draws and fingerprint.
fn changes_nothing(addition: impl Fn(&mut WorldSpec)) {
    for experiment in EXPERIMENTS {
        let (plain, more) = (Bench::of(experiment, &[]), Bench::of(experiment, &[]).edit(&addition));
        for (design, replication) in [(0, 0), (0, 5), (1, 0), (1, 5)] {
            let what = format!("{experiment}, design {design}, run {replication}");
            let (left, of_left) = logged(&plain, act, design, replication, false);
            let (right, of_right) = logged(&more, act, design, replication, false);
            assert!(left.events.len() > 500 && left.draws.len() > 500, "{what}");
            assert_eq!(
                left.events.iter().zip(&right.events).position(|(a, b)| a != b),
                None,
                "{what}"
            );
            assert_eq!(left.events.len(), right.events.len(), "{what}");
            assert_eq!(left.draws, right.draws, "{what}");
            assert_eq!(of_left.run.fingerprint, of_right.run.fingerprint, "{what}");
        }
    }
}

#[test]
fn a_workload_that_no_step_applies_changes_no_event_and_no_draw() {
    changes_nothing(|world| {
        let mut workload = world.workloads[0].clone();
        workload.name = "idle".to_owned();
        workload.subject.service_account = "idle".to_owned();
        workload.subject.labels = Labels::default();
        workload.anti_affinity.clear();
        workload.replicas = 0;
        Arc::make_mut(&mut world.workloads).push(workload);
    });
}

#[test]
fn a_fault_that_would_start_after_the_end_changes_no_event_and_no_draw() {
    changes_nothing(|world| {
        let parties = [PartyKind::Kubelet, PartyKind::Agent];
        let mut late = cuts("too-late", on_node(1), &parties, CutMode::Drop);
        late.when.starts_at = Some(world.horizon + s(1.0));
        late.when.duration = Some(s(10.0));
        world.faults.push(late);
    });
}

#[test]
fn a_watcher_changes_no_row() {
    for experiment in EXPERIMENTS {
        let bench = Bench::of(experiment, &[]);
        for replication in 0..3 {
            let (_, watched) = logged(&bench, act, 0, replication, false);
            let plain = bench.simulator(act).run(0, replication);
            assert_eq!(watched, plain, "{experiment}, run {replication}");
        }
    }
}

/// Numbers by their addresses. An address is opened more than once, and gives the same number each time.
fn by_address(draws: &[Draw]) -> BTreeMap<(&'static str, u64, u32), u64> {
    let mut numbers = BTreeMap::new();
    for draw in draws {
        let address = (draw.purpose, draw.entity.get(), draw.ordinal);
        let known = *numbers.entry(address).or_insert(draw.bits);
        assert_eq!(known, draw.bits, "{draw:?}");
    }
    numbers
}

#[test]
fn asking_between_events_changes_no_event_and_no_number() {
    for experiment in EXPERIMENTS {
        let bench = Bench::of(experiment, &[]);
        for replication in 0..3 {
            let what = format!("{experiment}, run {replication}");
            let (plain, of_plain) = logged(&bench, act, 0, replication, false);
            let (asked, of_asked) = logged(&bench, act, 0, replication, true);
            assert!(asked.answers > 0, "{what}: nothing was asked");
            assert_eq!(plain.events, asked.events, "{what}");
            assert_eq!(of_plain, of_asked, "{what}");
            // Questions draw the delays that they need; whatever was drawn before is still the same.
            let (numbers, more) = (by_address(&plain.draws), by_address(&asked.draws));
            for (address, number) in &numbers {
                assert_eq!(more.get(address), Some(number), "{what}: {address:?}");
            }
        }
    }
}

/// Draws an unused number whenever a fault starts or ends.
fn draws_once_more(fault: FaultId, spec: &FaultSpec, starts: bool, ctx: &mut Ctx) -> Effect {
    let _ = ctx.draw(
        Purpose::PodUid,
        EntityKey::root("nobody"),
        &Distribution::Constant(SimDuration::ZERO),
    );
    act(fault, spec, starts, ctx)
}

#[test]
fn one_more_draw_somewhere_shifts_no_other_entity() {
    for experiment in EXPERIMENTS {
        let bench = Bench::of(experiment, &[]);
        for replication in 0..3 {
            let what = format!("{experiment}, run {replication}");
            let (plain, of_plain) = logged(&bench, act, 0, replication, false);
            let (mut more, of_more) = logged(&bench, draws_once_more, 0, replication, false);
            assert_eq!(plain.events, more.events, "{what}");
            assert_eq!(of_plain, of_more, "{what}");
            let added = more.draws.len() - plain.draws.len();
            more.draws.retain(|draw| draw.entity != EntityKey::root("nobody"));
            assert!(added > 0, "{what}: no fault started");
            assert_eq!(plain.draws, more.draws, "{what}");
        }
    }
}
