//! Sidecars that cannot reach one of three Istiods: dials, requests in flight, streams that are open, and what a repair reaches.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use meshfault::cluster::context::Shared;
use meshfault::cluster::event::{Event, SidecarEvent};
use meshfault::cluster::fault::act;
use meshfault::cluster::faults::cut::CutMode;
use meshfault::cluster::faults::{FaultSpec, When};
use meshfault::cluster::istio::messages::{Answer, Channel};
use meshfault::cluster::party::PartyKind;
use meshfault::cluster::spec::{Step, WorldSpec};
use meshfault::cluster::world::Watch;
use meshfault::kernel::{DrawLog, Moment, SimTime};

use crate::measured_starts::{BOTH, simulated, simulated_with};
use crate::support::{Bench, at, at_first_istiod, cuts, pause, s, workload, z_of_share};

/// Clients of the first Istiod are cut from a time on, for a time if one is given.
fn clients_cut(mode: CutMode, from_s: f64, for_s: Option<f64>) -> FaultSpec {
    let when = When {
        starts_at: Some(at(from_s)),
        duration: for_s.map(s),
        ..When::default()
    };
    let fault = cuts("clients", at_first_istiod(), &[PartyKind::IstiodClients], mode);
    FaultSpec { when, ..fault }
}

#[test]
fn a_dial_that_met_the_cut_connects_at_its_next_syn() {
    let healed = |world: &mut WorldSpec| world.faults[0].when.duration = Some(s(10.0));
    let steady = [
        "parameters.istio.key_generation_latency=100ms",
        "parameters.istio.envoy_warm_up_latency=500ms",
    ];
    let healthy = simulated("1.21.0", "none", &steady, 150.0, 3);
    let starts = simulated_with("1.21.0", "istiod-drop", &steady, 150.0, 120, healed);
    for (what, get) in BOTH {
        let usual = healthy.iter().map(get).sum::<f64>() / healthy.len() as f64;
        let (mut late, mut asked) = (0, 0);
        for start in &starts {
            let delay = get(start) - usual;
            // Agents dial about 2 s after their start. Who dials behind the repair loses nothing.
            if start.starts_s() > 9.0 {
                assert!(delay.abs() < 0.7, "{what}: {start:?} is {delay} s late");
            } else if start.starts_s() < 7.0 {
                asked += 1;
                let at_a_syn = [1.0, 3.0, 7.0, 15.0].iter().any(|syn| (delay - syn).abs() < 0.7);
                assert!(at_a_syn || delay.abs() < 0.7, "{what}: {start:?} is {delay} s late");
                late += usize::from(delay > 0.7);
            }
        }
        // The first channel that meets the cut is one of three; readiness needs both.
        let expected = if what == "certificate" { 1.0 / 3.0 } else { 5.0 / 9.0 };
        let z = z_of_share(late, asked, expected);
        eprintln!("{what}: {late} of {asked} were late, z {z:.2}");
        assert!(asked > 600 && z.abs() < 4.0, "{what}: {late} of {asked}, z {z}");
        assert!(
            z_of_share(late, asked, expected - 0.15).abs() > 4.0,
            "the test would not see 15% less"
        );
    }
}

/// When sidecars first ask for their certificates, and when these come.
#[derive(Default)]
struct Certificates {
    asked: BTreeMap<u32, SimTime>,
    got: BTreeMap<u32, SimTime>,
}

impl Watch for Certificates {
    fn event(&mut self, moment: &Moment, event: &Event, _: &Shared) -> ControlFlow<()> {
        match event {
            Event::Sidecar(pod, SidecarEvent::KeyReady) => drop(self.asked.insert(pod.0, moment.time)),
            Event::Sidecar(pod, SidecarEvent::Answer(Channel::Certificate, _, _, Answer::Ok)) => {
                self.got.entry(pod.0).or_insert(moment.time);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Seconds from 75 s on until the certificates came for which sidecars waited then: the first Istiod cannot check tokens from 60 s
/// on, and its clients are cut from 75 s on.
fn certificates_after(version: &str, mode: CutMode, for_s: Option<f64>) -> Vec<f64> {
    let version = format!("cluster.istio.version={version}");
    let alter = |world: &mut WorldSpec| {
        let sleep = workload(world, "sleep");
        world.faults.push(clients_cut(mode, 75.0, for_s));
        let apply = Step::Apply { workloads: vec![sleep] };
        world.script = vec![pause(60.0), Step::StartFault { fault: 0 }, apply];
        world.horizon = at(1200.0);
    };
    let changes = [
        version.as_str(),
        "parameters.istio.api_last_frame_age=0s",
        "parameters.kubernetes.kubelet_client_qps=1000",
    ];
    let simulator = Bench::of("one-istiod-of-three", &changes)
        .only("drop-redraw")
        .edit(alter)
        .simulator(act);
    let mut after = Vec::new();
    for replication in 0..12 {
        let mut certificates = Certificates::default();
        let outcome = simulator.watched(0, replication, DrawLog::default(), &mut certificates);
        assert_eq!(outcome.run.failure, None);
        let asked = certificates.asked.iter().filter(|(_, asked)| **asked < at(73.0));
        let got = asked.map(|(pod, _)| certificates.got.get(pod).copied());
        let waited = got.map(|got| got.map_or(f64::INFINITY, |got| got.since(at(75.0)).as_secs_f64()));
        after.extend(waited.filter(|waited| *waited > 0.0));
    }
    assert!(after.len() > 20, "{}", after.len());
    after
}

#[test]
fn a_request_in_flight_waits_until_its_connection_is_given_up() {
    // Up to 1.16 nothing tests the connection. From 1.17 on it is given up after 40 s, and the next one is to a good Istiod.
    let old = certificates_after("1.16.0", CutMode::Drop, None);
    let waited = old.iter().filter(|after| (924.0..1000.0).contains(*after)).count();
    eprintln!("1.16: {waited} of {} after 924 s", old.len());
    assert!(old.iter().all(|after| *after > 924.0), "{old:?}");
    let new = certificates_after("1.17.0", CutMode::Drop, None);
    let least = new.iter().copied().fold(f64::INFINITY, f64::min);
    let at_once = new.iter().filter(|after| **after < 41.5).count();
    eprintln!("1.17: {at_once} of {} within 41.5 s, {least:.2} s at least", new.len());
    assert!(least >= 40.0 && at_once * 10 > new.len() * 5, "{new:?}");
    // A reset is noticed at once.
    let reset = certificates_after("1.17.0", CutMode::Reject, None);
    let quick = reset.iter().filter(|after| **after < 2.0).count();
    assert!(quick * 10 > reset.len() * 5, "{reset:?}");
}

#[test]
fn an_answer_that_was_lost_passes_after_the_repair() {
    // Tokens cannot be checked, so requests that wait at 75 s are refused at 105 s: 30 s behind the cut of 50 s. The refusal
    // passes at its next retransmission behind 125 s, unless the connection was given up at 115 s.
    let old = certificates_after("1.16.0", CutMode::Drop, Some(50.0));
    assert!(old.iter().all(|after| *after > 50.0), "{old:?}");
    let new = certificates_after("1.17.0", CutMode::Drop, Some(50.0));
    assert!(new.iter().any(|after| (40.0..50.0).contains(after)), "{new:?}");
}
