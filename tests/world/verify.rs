//! `verify` finds what was planted: a component that reads the machine's clock, a number drawn too often, a panic, a loop.
//!
//! The defects sit in fault handlers of these tests; nothing of them is in the program.

use std::sync::atomic::{AtomicU32, Ordering};

use meshfault::cluster::context::Ctx;
use meshfault::cluster::event::{Event, FaultEvent, ScriptEvent, Source};
use meshfault::cluster::fault::{Effect, act};
use meshfault::cluster::faults::FaultSpec;
use meshfault::cluster::ids::FaultId;
use meshfault::cluster::purpose::Purpose;
use meshfault::cluster::spec::TieRule;
use meshfault::kernel::{Distribution, EntityKey, EventClass, RunFailure, SimDuration, SimTime};
use meshfault::lab::verify::{EventDifference, What};
use meshfault::scenario::built_in_names;

use crate::support::Bench;

/// Acts as it should, and then looks at the machine's clock to choose when the script looks around.
fn reads_the_clock(fault: FaultId, spec: &FaultSpec, starts: bool, ctx: &mut Ctx) -> Effect {
    let touched = act(fault, spec, starts, ctx);
    if starts {
        #[expect(clippy::disallowed_methods, reason = "this is the planted defect")]
        let now = std::time::SystemTime::now();
        let since = now
            .duration_since(std::time::UNIX_EPOCH)
            .expect("it is later than 1970");
        let wait = SimDuration::from_nanos(1 + u64::from(since.subsec_nanos()));
        ctx.after(
            Source::Fault,
            EventClass::Timer,
            wait,
            Event::Script(ScriptEvent::Look(0)),
        );
    }
    touched
}

/// Draws one number too many in every second run.
fn draws_too_often(fault: FaultId, spec: &FaultSpec, starts: bool, ctx: &mut Ctx) -> Effect {
    static STARTS: AtomicU32 = AtomicU32::new(0);
    if starts && STARTS.fetch_add(1, Ordering::SeqCst) % 2 == 1 {
        let _ = ctx.draw(
            Purpose::PodUid,
            EntityKey::root("planted"),
            &Distribution::Constant(SimDuration::ZERO),
        );
    }
    act(fault, spec, starts, ctx)
}

/// Fails as a component with a defect would.
fn panics(_: FaultId, _: &FaultSpec, _: bool, _: &mut Ctx) -> Effect {
    panic!("planted")
}

/// Never lets time pass: ends when it starts and starts when it ends.
fn loops(fault: FaultId, _: &FaultSpec, starts: bool, ctx: &mut Ctx) -> Effect {
    ctx.after(
        Source::Fault,
        EventClass::Fault,
        SimDuration::ZERO,
        Event::Fault(if starts {
            FaultEvent::End(fault)
        } else {
            FaultEvent::Start(fault)
        }),
    );
    Effect::default()
}

fn event_difference(what: &What) -> &EventDifference {
    match what {
        What::Event(found) => found,
        What::Rows { table, .. } => panic!("the events differ, not only the rows of {table}"),
    }
}

#[test]
fn every_built_in_experiment_repeats() {
    for experiment in built_in_names() {
        let report = Bench::of(experiment, &[]).verified(2, 2, act);
        assert!(report.sound(), "{experiment}: {report:?}");
        assert!(report.events > 1_000 && report.draws > 1_000, "{experiment}");
        let ties = report.ties.expect("ties are always looked at");
        assert_eq!(ties.runs, 2 * report.designs.len() as u64);
        assert!(
            ties.answers
                .iter()
                .any(|answer| answer.measure == "startup_latency_p50")
        );
    }
}

#[test]
fn a_component_that_reads_the_machines_clock_is_located() {
    let bench = || Bench::of("ip-reuse", &[]).only("vxlan");
    let cut = bench().ready().one(0).run.cut.expect("the script cuts");
    let report = bench().verified(1, 1, reads_the_clock);
    assert!(!report.sound());
    let found = event_difference(&report.differences[0].what);
    // The planted event comes first in the run whose clock showed the smaller fraction.
    let planted = [&found.first, &found.second]
        .into_iter()
        .flatten()
        .find(|seen| seen.class == "timer" && seen.component == "script")
        .expect("the planted event is shown");
    assert_eq!(planted.description, "Script(Look(0))");
    assert!(
        planted.time > cut && planted.time.since(cut) <= SimDuration::from_secs(1),
        "{planted:?}"
    );
    let last = found.last_equal.as_ref().expect("the runs begin alike");
    assert!(last.time >= cut && last.number + 1 == planted.number, "{last:?}");
    let page = meshfault::report::verify::render(&report);
    assert!(
        page.contains("DIFFERS") && page.contains("script: Script(Look(0))"),
        "{page}"
    );
    assert!(
        page.contains("meshfault explain ip-reuse --design vxlan --replication 0"),
        "{page}"
    );
}

#[test]
fn a_number_that_is_drawn_too_often_is_shown() {
    let report = Bench::of("ip-reuse", &[]).only("vxlan").verified(1, 1, draws_too_often);
    let found = event_difference(&report.differences[0].what);
    assert!(found.only_draws(), "{found:?}");
    let last = found.last_equal.as_ref().expect("the runs begin alike");
    assert_eq!(last.component, "fault");
    assert_eq!(found.second_draws.len(), found.first_draws.len() + 1);
    let more = &found.second_draws[0];
    assert_eq!((more.purpose, more.ordinal), ("replica_set.uid", 0));
    assert_eq!(more.entity, format!("{:016x}", EntityKey::root("planted").get()));
    assert!(meshfault::report::verify::render(&report).contains("drawn since: replica_set.uid"));
}

/// The failure of the only design's first run.
fn failure(bench: Bench, handler: meshfault::cluster::fault::FaultHandler) -> RunFailure {
    let outcome = bench.simulator(handler).run(0, 0);
    outcome.run.failure.expect("the run fails")
}

#[test]
fn a_panic_is_a_failed_run_with_time_and_component() {
    let bench = || Bench::of("ip-reuse", &[]).only("vxlan");
    let cut = bench().ready().one(0).run.cut.expect("the script cuts");
    assert_eq!(
        failure(bench(), panics),
        RunFailure {
            time: cut,
            component: "fault".to_owned(),
            reason: "panic: planted".to_owned(),
        }
    );
    let report = bench().verified(2, 2, panics);
    assert!(report.differences.is_empty() && !report.sound());
    assert_eq!((report.failures.len(), report.failures[1].replication), (2, 1));
}

#[test]
fn every_limit_ends_a_run_as_failed() {
    let bench = || Bench::of("ip-reuse", &[]).only("vxlan");
    let stuck = failure(bench().edit(|world| world.limits.events_per_instant_max = 1_000), loops);
    assert_eq!(
        (stuck.component.as_str(), stuck.reason.as_str()),
        ("fault", "more than 1000 events at one instant: time does not pass")
    );
    assert!(stuck.time > SimTime::ZERO);
    let pending = failure(bench().edit(|world| world.limits.pending_max = 3), act);
    assert_eq!(pending.reason, "more than 3 pending events");
    let long = failure(bench().edit(|world| world.limits.events_max = 500), act);
    assert_eq!(long.reason, "more than 500 events");
    let churn = "churn={rate: 20/s, for: 2m, lifetime: 60s}";
    let large = Bench::of("ip-reuse", &[churn, "limits.memory_max_mib=1"]).only("vxlan");
    assert_eq!(failure(large, act).reason, "more than 1 MiB by estimate");
}

/// Latencies on a grid of 10 ms, so that components act at the same instant; with the distributions of the models they hardly ever do.
const GRID: [&str; 8] = [
    "parameters.kubernetes.api_write_latency={constant: 10ms}",
    "parameters.kubernetes.watch_latency={constant: 10ms}",
    "parameters.kubernetes.controller_sync_latency={constant: 10ms}",
    "parameters.kubernetes.scheduling_latency={constant: 10ms}",
    "parameters.kubernetes.pod_setup_latency={constant: 10ms}",
    "parameters.kubernetes.sandbox_latency={constant: 10ms}",
    "parameters.kubernetes.container_start_latency={constant: 10ms}",
    "parameters.kubernetes.client_command_latency={constant: 10ms}",
];

#[test]
fn ties_are_broken_otherwise_and_only_ties() {
    let changes = [&GRID[..], &["tie_order=permuted"]].concat();
    let ranked = Bench::of("ip-reuse", &GRID).only("vxlan");
    let permuted = Bench::of("ip-reuse", &changes).only("vxlan");
    let report = Bench::of("ip-reuse", &changes).only("vxlan").verified(6, 2, act);
    assert!(report.sound(), "{report:?}");
    let ties = report.ties.expect("ties are always looked at");
    assert!(ties.other == TieRule::Ranked && ties.reordered > 0, "{ties:?}");
    assert!(permuted.tie_order() == TieRule::Permuted && ranked.tie_order() == TieRule::Ranked);
    let (ranked, permuted) = (ranked.ready(), permuted.ready());
    let mut reordered = 0;
    for replication in 0..6 {
        let (left, right) = (ranked.one(replication), permuted.one(replication));
        reordered += u32::from(left.run.fingerprint != right.run.fingerprint);
        assert_eq!(right, permuted.one(replication));
        // The same random events: every container takes as long to start as before.
        for (left, right) in left
            .pods
            .iter()
            .zip(&right.pods)
            .filter(|(left, right)| left.pod == right.pod)
        {
            if let (Some(before), Some(after)) = (left.phases.of("containers"), right.phases.of("containers")) {
                assert_eq!(before, after, "{}", left.pod);
            }
        }
    }
    assert!(reordered > 0, "no run has a tie");
}
