//! The storm of lists at a repair: agents that were cut off together for 5 min are current again in two waves, those that were dialing
//! and those that slept in their back-off; agents that stream their lists dial again and again, and come in one.

use std::ops::ControlFlow;

use meshfault::cluster::context::Shared;
use meshfault::cluster::event::{Event, FaultEvent};
use meshfault::cluster::fault::act;
use meshfault::cluster::faults::cut::CutMode;
use meshfault::cluster::faults::place::Where;
use meshfault::cluster::ids::NodeId;
use meshfault::cluster::party::{Party, PartyKind};
use meshfault::cluster::world::Watch;
use meshfault::kernel::{DrawLog, Moment, SimTime};

use crate::support::{Bench, at, cuts, pause, quantile, s};

const NODES: u32 = 1_000;

/// When the link was repaired, and the seconds from there until each agent listed.
#[derive(Default)]
struct Lists {
    repaired: Option<SimTime>,
    after: Vec<f64>,
}

impl Watch for Lists {
    fn event(&mut self, moment: &Moment, event: &Event, _: &Shared) -> ControlFlow<()> {
        match (event, self.repaired) {
            (Event::Fault(FaultEvent::End(_)), _) => self.repaired = Some(moment.time),
            (Event::Fault(FaultEvent::Watches(Party::Agent(_))), Some(repaired)) => {
                self.after.push(moment.time.since(repaired).as_secs_f64());
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn lists_after(cut_s: f64, changes: &[&str]) -> Vec<f64> {
    let mut all = vec!["cluster.nodes=1000", "cluster.node_prefix_length=26"];
    all.extend(changes);
    let bench = Bench::of("ip-reuse", &all).only("control").edit(|world| {
        let nodes = Where::Nodes((0..NODES).map(NodeId).collect());
        world.faults = vec![cuts("all", nodes, &[PartyKind::Agent], CutMode::Drop)];
        (world.faults[0].when.starts_at, world.faults[0].when.duration) = (Some(at(60.0)), Some(s(cut_s)));
        world.script = vec![pause(1.0)];
        world.measures.startup_since_step = 0;
        world.measures.exposure_clients = Vec::new();
        world.measures.exposure_servers = Vec::new();
        world.horizon = at(60.0 + cut_s + 120.0);
    });
    let mut lists = Lists::default();
    let outcome = bench.simulator(act).watched(0, 0, DrawLog::default(), &mut lists);
    assert_eq!(outcome.run.failure, None);
    assert_eq!(lists.after.len() as u32, NODES, "each agent lists once");
    lists.after
}

fn share(after: &[f64], from: f64, to: f64) -> f64 {
    after.iter().filter(|time| (from..to).contains(*time)).count() as f64 / after.len() as f64
}

/// A link that is silent for 285 s works again while most are in the seventh dial or have just failed: those whose next SYN comes in time
/// are current within 25 s, the others 30 s later, when they wake.
#[test]
fn a_thousand_agents_that_list_are_current_in_two_waves_and_those_that_stream_in_one() {
    let after = lists_after(285.0, &[]);
    let (first, between, second) = (
        share(&after, 0.0, 25.0),
        share(&after, 25.0, 30.0),
        share(&after, 30.0, 76.0),
    );
    eprintln!("lists: {first:.3} in 25 s, {between:.3} until 30 s, {second:.3} later");
    assert!(first > 0.6 && between < 0.02 && second > 0.15 && first + between + second > 0.999);
    let streamed = lists_after(285.0, &["parameters.cilium.api_watch_list_redial=1s"]);
    assert!(
        share(&streamed, 0.0, 25.0) > 0.999,
        "{:.3}",
        share(&streamed, 0.0, 25.0)
    );
}

/// After 300 s all have failed and sleep: nobody is current at once, and the second wave is all there is. It does not wait for a repair, so it
/// comes 15 s earlier after this one.
#[test]
fn at_another_time_of_their_back_off_all_agents_sleep() {
    let mut after = lists_after(300.0, &[]);
    let (at_once, wave) = (share(&after, 0.0, 5.0), share(&after, 10.0, 75.0));
    let (p10, p50, p90) = (
        quantile(&mut after, 0.1),
        quantile(&mut after, 0.5),
        quantile(&mut after, 0.9),
    );
    eprintln!("lists: {at_once:.3} in 5 s, then {p10:.1}, {p50:.1}, {p90:.1} s");
    assert!(at_once < 0.01 && wave > 0.99);
    // The waits of a back-off, 0.8 s times two to the sixth at most 30 s, each up to twice as long, and seven dials of 30 s: independently of
    // the simulator, the wait of the seventh ends at 340 s with a spread of 13 s.
    assert!((p50 - 38.0).abs() < 5.0 && p90 - p10 > 25.0 && p90 - p10 < 50.0);
    let mut streamed = lists_after(300.0, &["parameters.cilium.api_watch_list_redial=1s"]);
    let (first, last) = (quantile(&mut streamed, 0.0), quantile(&mut streamed, 1.0));
    eprintln!("streams: {first:.1} to {last:.1} s");
    assert!(last < 25.0 && last - first < 22.0);
}
