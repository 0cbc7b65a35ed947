//! Names on the way to Istiod: what the loss of one of two replicas of CoreDNS costs the dials of new sidecars.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use meshfault::cluster::context::Shared;
use meshfault::cluster::event::{Event, SidecarEvent};
use meshfault::cluster::fault::act;
use meshfault::cluster::faults::cut::CutMode;
use meshfault::cluster::faults::place::Where;
use meshfault::cluster::istio::messages::Channel;
use meshfault::cluster::party::PartyKind;
use meshfault::cluster::spec::{Encryption, Step, WorldSpec};
use meshfault::cluster::world::Watch;
use meshfault::kernel::{DrawLog, Moment, SimTime};

use crate::support::{Bench, at, cuts, pause, workload, z_of_share};

/// When each sidecar began its first dial, and when that connection stood.
#[derive(Default)]
struct Dials {
    began: BTreeMap<u32, SimTime>,
    stood: BTreeMap<u32, SimTime>,
}

impl Watch for Dials {
    fn event(&mut self, moment: &Moment, event: &Event, _: &Shared) -> ControlFlow<()> {
        if let Event::Sidecar(pod, event) = event {
            let first = match event {
                SidecarEvent::AgentUp => &mut self.began,
                SidecarEvent::Connected(Channel::Configuration, _) => &mut self.stood,
                _ => return ControlFlow::Continue(()),
            };
            first.entry(pod.0).or_insert(moment.time);
        }
        ControlFlow::Continue(())
    }
}

/// Seconds that the first configuration streams took to connect, with two replicas of CoreDNS of which one cannot answer new pods:
/// WireGuard on its node lists none of them, because the agent there is cut off. Istiods run elsewhere.
fn connected_after(names: &str, replicas: &str) -> Vec<f64> {
    let alter = |world: &mut WorldSpec| {
        let sleep = workload(world, "sleep");
        let coredns = world.workloads.len() + 1;
        world.datapath.encryption = Encryption::WireGuard;
        world.faults = vec![cuts("cut", Where::NodeOf(coredns), &[PartyKind::Agent], CutMode::Drop)];
        let apply = Step::Apply { workloads: vec![sleep] };
        world.script = vec![pause(60.0), Step::StartFault { fault: 0 }, pause(1.0), apply];
        world.horizon = at(150.0);
    };
    let names = format!("parameters.network.dns_names_per_dial={names}");
    let replicas = format!("cluster.coredns={replicas}");
    let changes = [
        names.as_str(),
        replicas.as_str(),
        "cluster.nodes=30",
        "parameters.cilium.ipcache_latency=1ms",
        "parameters.cilium.endpoint_publish_latency=1ms",
        "parameters.kubernetes.kubelet_client_qps=1000",
    ];
    let simulator = Bench::of("one-istiod-of-three", &changes)
        .only("control")
        .edit(alter)
        .simulator(act);
    let mut after = Vec::new();
    for replication in 0..40 {
        let mut dials = Dials::default();
        let outcome = simulator.watched(0, replication, DrawLog::default(), &mut dials);
        assert_eq!(outcome.run.failure, None);
        let stood = dials.began.iter().map(|(pod, began)| (began, dials.stood.get(pod)));
        after
            .extend(stood.map(|(began, stood)| stood.map_or(f64::INFINITY, |stood| stood.since(*began).as_secs_f64())));
    }
    after
}

#[test]
fn half_of_all_dials_wait_for_a_query_to_a_lost_replica() {
    let after = connected_after("1", "2");
    let n = after.len();
    let share = |from: f64, to: f64| after.iter().filter(|after| (from..to).contains(*after)).count();
    let (quick, one, none) = (share(0.0, 1.0), share(5.0, 6.0), share(10.0, f64::INFINITY));
    eprintln!("{quick}, {one}, {none} of {n}");
    // A half answers at once, a quarter after one lost query of 5 s; the rest fails after two and dials again.
    for (seen, expected) in [(quick, 0.5), (one, 0.25), (none, 0.25)] {
        let z = z_of_share(seen, n, expected);
        assert!(z.abs() < 4.0, "{seen} of {n}, expected {expected}, z {z}");
    }
    assert_eq!(quick + one + none, n, "{after:?}");
    assert!(
        n > 400 && z_of_share(quick, n, 0.6).abs() > 4.0,
        "the test would not see a tenth"
    );
}

#[test]
fn each_name_of_the_search_list_is_a_query() {
    let after = connected_after("3", "2");
    let quick = after.iter().filter(|after| **after < 1.0).count();
    let z = z_of_share(quick, after.len(), 0.125);
    assert!(z.abs() < 4.0, "{quick} of {}, z {z}", after.len());
    // The only replica is lost: no name is resolved. Without CoreDNS names cost nothing.
    assert!(connected_after("3", "1").iter().all(|after| after.is_infinite()));
}
