//! Renewal of certificates while no Istiod reaches the API server, against agents that were measured (`validation/istio-renewal.csv`).
//!
//! Certificates live for 120 s, and all three Istiods lose the API server some 22 s after they were issued, for 300 s. A renewal is due
//! after 60 s; its first try fails when the dead connection to the API server is closed, each later one after 30 s of dialing and Envoy's
//! back-off. Nothing is issued until the repair.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use meshfault::cluster::context::Shared;
use meshfault::cluster::event::{Event, SidecarEvent};
use meshfault::cluster::fault::act;
use meshfault::cluster::faults::cut::CutMode;
use meshfault::cluster::faults::place::Where;
use meshfault::cluster::ids::{IstiodId, PodId};
use meshfault::cluster::istio::messages::{Answer, Channel};
use meshfault::cluster::party::PartyKind;
use meshfault::cluster::spec::Step;
use meshfault::cluster::world::Watch;
use meshfault::kernel::{DrawLog, Moment};

use crate::support::{Bench, at, cuts, ks_distance, pause, quantile, s, workload};

const CUT_S: f64 = 120.0;
const FOR_S: f64 = 300.0;

/// Of one agent: when its tries failed and when it got a certificate, in seconds since the cut.
#[derive(Clone, Debug, Default)]
struct Agent {
    failed: Vec<f64>,
    issued: Vec<f64>,
}

#[derive(Default)]
struct Agents(BTreeMap<PodId, Agent>);

impl Watch for Agents {
    fn event(&mut self, moment: &Moment, event: &Event, _: &Shared) -> ControlFlow<()> {
        if let Event::Sidecar(pod, SidecarEvent::Answer(Channel::Certificate, .., answer)) = *event {
            let since_cut = moment.time.as_secs_f64() - CUT_S;
            let agent = self.0.entry(pod).or_default();
            match answer {
                Answer::Ok => agent.issued.push(since_cut),
                _ => agent.failed.push(since_cut),
            }
        }
        ControlFlow::Continue(())
    }
}

fn measured() -> Vec<Agent> {
    let mut agents: BTreeMap<String, Agent> = BTreeMap::new();
    for line in include_str!("../../validation/istio-renewal.csv").lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let agent = agents.entry(fields[1].to_owned()).or_default();
        let time = fields[3].parse().expect("a time");
        match fields[2] {
            "issued" => agent.issued.push(time),
            "stream_closed" => agent.failed.push(time),
            other => panic!("{other} is no event"),
        }
    }
    agents.into_values().collect()
}

fn simulated(lifetime: &str, runs: u64) -> Vec<Agent> {
    let lifetime = format!("parameters.istio.certificate_lifetime={lifetime}");
    let changes = [
        "cluster.istio.version=1.14.3",
        "cluster.istio.replicas=3",
        lifetime.as_str(),
    ];
    let bench = Bench::case("random-mesh", &changes).edit(|world| {
        let client = workload(world, "client");
        let istiods = Where::Istiods((0..3).map(IstiodId).collect());
        let mut cut = cuts("lost", istiods, &[PartyKind::Istiod], CutMode::Drop);
        (cut.when.starts_at, cut.when.duration) = (Some(at(CUT_S)), Some(s(FOR_S)));
        Arc::make_mut(&mut world.workloads)[client].grace_period = s(0.0);
        world.faults = vec![cut];
        let scale = Step::Scale {
            workload: client,
            replicas: 6,
        };
        // The script begins when the Istiods are ready; a pod has its certificate some 4 s after it was asked for.
        world.script = vec![pause(87.5), scale];
        world.horizon = at(CUT_S + 400.0);
    });
    let agents = (0..runs).flat_map(|run| {
        let mut agents = Agents::default();
        let outcome = bench.simulator(act).watched(0, run, DrawLog::default(), &mut agents);
        assert_eq!(outcome.run.failure, None);
        agents.0.into_values()
    });
    agents.collect()
}

fn intervals(agents: &[Agent]) -> Vec<f64> {
    let of = |agent: &Agent| {
        agent
            .failed
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .collect::<Vec<_>>()
    };
    agents.iter().flat_map(of).collect()
}

fn firsts(agents: &[Agent], get: impl Fn(&Agent) -> Option<f64>) -> Vec<f64> {
    agents.iter().map(|agent| get(agent).expect("each has one")).collect()
}

#[test]
fn renewals_fail_and_succeed_when_they_were_measured_to() {
    let (lab, model) = (measured(), simulated("120s", 20));
    assert_eq!((lab.len(), model.len()), (6, 120));
    let before = |agent: &Agent| agent.issued.first().copied();
    for (what, get, slack_s) in [
        ("issued before the cut", &before as &dyn Fn(&Agent) -> Option<f64>, 2.0),
        ("first failure", &|agent| agent.failed.first().copied(), 1.0),
        ("issued after the repair", &|agent| agent.issued.get(1).copied(), 1.0),
        (
            "renewed once more after",
            &|agent| Some(agent.issued.get(2)? - agent.issued.get(1)?),
            1.0,
        ),
    ] {
        let (mut lab, mut model) = (firsts(&lab, get), firsts(&model, get));
        let (least, most) = (quantile(&mut model, 0.0), quantile(&mut model, 1.0));
        let (from, to) = (quantile(&mut lab, 0.0), quantile(&mut lab, 1.0));
        eprintln!("{what}: measured {from:.2} to {to:.2}, simulated {least:.2} to {most:.2}");
        assert!(from >= least - slack_s && to <= most + slack_s, "{what}");
    }
    let (lab, model) = (intervals(&lab), intervals(&model));
    let most = 1.36 / (lab.len() as f64).sqrt() + 0.1;
    let distance = ks_distance(&lab, &model);
    eprintln!(
        "between failures: {} measured, distance {distance:.2} of at most {most:.2}",
        lab.len()
    );
    assert!(distance <= most);
    // Another second of dialing would be noticed.
    let later: Vec<f64> = model.iter().map(|interval| interval + 3.0).collect();
    assert!(ks_distance(&lab, &later) > most);
}

/// No certificate is issued for as long as no Istiod can check a token: each that is due expires.
#[test]
fn nothing_is_renewed_before_the_repair() {
    let model = simulated("120s", 5);
    for agent in &model {
        let between = agent.issued.iter().filter(|time| (0.0..FOR_S).contains(*time));
        assert_eq!(between.count(), 0, "{agent:?}");
    }
    // With a life of an hour none is due.
    assert!(
        simulated("1h", 2)
            .iter()
            .all(|agent| agent.failed.is_empty() && agent.issued.len() == 1)
    );
}
