//! Controllers that lead and are cut off from their API server: who takes over when, and what is done meanwhile.

use meshfault::cluster::faults::cut::CutMode;
use meshfault::cluster::faults::place::Where;
use meshfault::cluster::faults::{FaultSpec, When};
use meshfault::cluster::party::PartyKind;
use meshfault::cluster::records::Outcome;
use meshfault::cluster::spec::{Step, WorldSpec};

use crate::support::{Bench, Lab, at, between, cuts, measured, pause, s, workload, z_of_share};

/// Controllers beside these API servers are cut off for a time, from a step of the script on; a Deployment is applied a second later.
fn cut_off(servers: &[u32], parties: &[PartyKind], for_s: Option<f64>) -> FaultSpec {
    let when = When {
        duration: for_s.map(s),
        ..When::default()
    };
    let fault = cuts(
        "controllers",
        Where::ApiServers(servers.to_vec()),
        parties,
        CutMode::Drop,
    );
    FaultSpec { when, ..fault }
}

fn lab(api_servers: u32, fault: &FaultSpec) -> Lab {
    let servers = format!("cluster.api_servers={api_servers}");
    let alter = |world: &mut WorldSpec| {
        let sleep = workload(world, "sleep");
        world.faults = vec![fault.clone()];
        world.script = vec![
            pause(30.0),
            Step::StartFault { fault: 0 },
            pause(1.0),
            Step::Apply { workloads: vec![sleep] },
        ];
        world.measures.startup_since_step = 0;
        world.horizon = at(600.0);
    };
    let changes = [servers.as_str(), "parameters.kubernetes.kubelet_client_qps=1000"];
    Bench::of("one-istiod-of-three", &changes)
        .only("control")
        .edit(alter)
        .ready()
}

/// Seconds from the cut until the first pod was desired.
fn acts_after(outcome: &Outcome) -> f64 {
    let desired = measured(outcome).map(|pod| pod.desired).min();
    let cut = outcome.run.cut.expect("the script starts the fault");
    between(cut, desired.expect("the Deployment is applied"))
}

#[test]
fn others_take_over_when_the_lease_has_run_out() {
    let lab = lab(3, &cut_off(&[0], &[PartyKind::Controllers], None));
    let runs = 300;
    let after: Vec<f64> = (0..runs).map(|replication| acts_after(&lab.one(replication))).collect();
    let halted: Vec<f64> = after.iter().copied().filter(|after| *after > 5.0).collect();
    // Those beside each of three servers lead in a third of the runs.
    let z = z_of_share(halted.len(), after.len(), 1.0 / 3.0);
    let (least, most) = halted
        .iter()
        .fold((f64::INFINITY, 0.0_f64), |(a, b), at| (a.min(*at), b.max(*at)));
    let mean = halted.iter().sum::<f64>() / halted.len() as f64;
    eprintln!(
        "{} of {} halted, z {z:.2}, {least:.1} to {most:.1} s, mean {mean:.2}",
        halted.len(),
        after.len()
    );
    assert!(z.abs() < 4.0);
    // The lease runs out 13 to 15 s after the cut, the next try comes within 4.4 s, and the caches take 1 to 5 s.
    assert!(
        least > 14.0 && most < 24.5 && (mean - (14.0 + 2.2 + 3.0)).abs() < 0.7,
        "{least} {mean} {most}"
    );
}

/// A fault without parties takes no API server away, not even from the commands of the script.
#[test]
fn without_parties_all_api_servers_can_be_reached() {
    let lab = lab(3, &cut_off(&[0, 1, 2], &[], None));
    for replication in 0..5 {
        let after = acts_after(&lab.one(replication));
        assert!((1.0..2.0).contains(&after), "{after}");
    }
}

#[test]
fn who_leads_goes_on_if_it_is_back_in_time() {
    let lab = lab(1, &cut_off(&[0], &[PartyKind::Controllers], Some(9.0)));
    for replication in 0..20 {
        let after = acts_after(&lab.one(replication));
        assert!((9.0..9.5).contains(&after), "{after}");
    }
    // Later it has ended, and begins anew.
    let lab = self::lab(1, &cut_off(&[0], &[PartyKind::Controllers], Some(60.0)));
    for replication in 0..20 {
        let after = acts_after(&lab.one(replication));
        assert!((61.0..70.0).contains(&after), "{after}");
    }
}

#[test]
fn without_an_api_server_nothing_is_changed_and_no_node_marked() {
    let all = [
        PartyKind::Kubelet,
        PartyKind::Agent,
        PartyKind::ServiceProxy,
        PartyKind::Controllers,
    ];
    let lab = lab(1, &cut_off(&[0], &all, Some(300.0)));
    for replication in 0..10 {
        let told = lab.told(replication);
        let dossier = told.dossier.as_ref().expect("there is a story");
        // Nobody looked meanwhile, and whoever takes over counts no silence before.
        assert_eq!(dossier.given_up, [], "{replication}");
        let after = acts_after(&told);
        assert!((300.0..330.0).contains(&after), "{after}");
    }
}
