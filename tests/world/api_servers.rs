//! Clients of several API servers, of which one is lost, against real ones: twelve Istiods as clients of three servers, a Service that
//! changes a second after the loss (`validation/api-servers.csv`).

use meshfault::cluster::faults::cut::CutMode;
use meshfault::cluster::faults::place::Where;
use meshfault::cluster::party::PartyKind;
use meshfault::cluster::spec::{Step, WorldSpec};

use crate::repairs::{Readers, twelve_istiods};
use crate::support::{Z_MAX, at, cuts, ks_distance, quantile, z_of_mean, z_of_share};

const RUNS: u64 = 30;

/// Seconds from the loss of the first of `servers` API servers until each of its clients was current, and the share of clients that it had.
pub fn current_after(mode: CutMode, servers: u32) -> (Vec<f64>, f64) {
    current_after_with(mode, servers, &[], RUNS)
}

/// The same of clients with other rules.
fn current_after_with(mode: CutMode, servers: u32, changes: &[&str], runs: u64) -> (Vec<f64>, f64) {
    let servers = format!("cluster.api_servers={servers}");
    let mut all = vec![servers.as_str()];
    all.extend(changes);
    let alter = |world: &mut WorldSpec| {
        world.faults = vec![cuts("lost", Where::ApiServers(vec![0]), &[PartyKind::Istiod], mode)];
        world.horizon = at(300.0);
    };
    let mut after = Vec::new();
    let mut parties = 0;
    for readers in twelve_istiods(&all, runs, alter) {
        let Readers {
            cut,
            listed,
            parties: touched,
            ..
        } = readers;
        let cut = cut.expect("the script starts the fault");
        after.extend(listed.values().map(|listed| listed.since(cut).as_secs_f64()));
        parties += touched;
    }
    (after, f64::from(parties) / (12.0 * runs as f64))
}

pub fn measured(mode: &str) -> Vec<f64> {
    let rows = include_str!("../../validation/api-servers.csv").lines().skip(1);
    let rows = rows.map(|line| line.split(',').collect::<Vec<&str>>());
    // Clients of the lost server; those of others knew at once.
    let rows = rows.filter(|fields| fields[1] == mode && fields[4] == "1");
    rows.map(|fields| fields[5].parse().expect("a number")).collect()
}

#[test]
fn clients_of_a_lost_server_are_current_when_measured() {
    for (mode, rows, clients) in [(CutMode::Drop, "drop", 18), (CutMode::Reject, "kill", 9)] {
        let seen = measured(rows);
        assert_eq!(seen.len(), clients);
        let (mut here, share) = current_after(mode, 3);
        // What was read before the Service changed at 1 s is of no use.
        here.iter_mut().for_each(|time| *time = time.max(1.0));
        let (least, p50, most) = (
            quantile(&mut here, 0.0),
            quantile(&mut here, 0.5),
            quantile(&mut here, 1.0),
        );
        let (mut sorted, distance) = (seen.clone(), ks_distance(&here, &seen));
        let seen_p50 = quantile(&mut sorted, 0.5);
        eprintln!(
            "{rows}: {least:.1}, {p50:.1}, {most:.1} s, measured {sorted:.1?}; distance {distance:.3}; share {share:.2}"
        );
        // The measured times contain a debounce and the look that saw the Service, some 0.3 s.
        assert!((p50 - seen_p50).abs() < 1.0, "{rows}: {p50}, measured {seen_p50}");
        assert!(
            seen.iter().all(|time| (least..=most + 0.5).contains(time)),
            "{rows}: {seen:?}"
        );
        let error = (2.0 / 9.0 / (12.0 * RUNS as f64)).sqrt();
        assert!(
            (share - 1.0 / 3.0).abs() < 4.0 * error,
            "{share} of the clients are on one of three servers"
        );
        // Nothing pays a second timeout.
        assert!(most < 48.0, "{most}");
    }
}

/// A client with one watch whose connection was last heard from at the cut, and whose backoffs are short.
const ONE_WATCH: [&str; 5] = [
    "parameters.istio.api_watches=1",
    "parameters.istio.api_lock_interval=1h",
    "parameters.istio.api_last_frame_age=0s",
    "parameters.istio.api_backoff_initial=1ms",
    "parameters.istio.api_backoff_max=1ms",
];

/// One of three API servers is black-holed: a client is blind until its ping has closed the connection, 45 s, and for each dial to the
/// same server 30 s more. A third of the dials goes there, so that a client with one watch is blind 45 s + 30 s x G, G being the
/// number of failures before a success of probability 2/3: 60 s on average. One with a dozen watches dials a dozen times at once.
#[test]
fn a_client_with_one_watch_draws_a_server_for_each_dial_and_one_with_many_pays_once() {
    let (blind, _) = current_after_with(CutMode::Drop, 3, &ONE_WATCH, 150);
    let draws: Vec<f64> = blind.iter().map(|time| (time - 45.0) / 30.0).collect();
    assert!(
        draws.iter().all(|draw| (draw - draw.round()).abs() < 0.01),
        "{draws:.3?}"
    );
    let failed = |times: f64| draws.iter().filter(|draw| draw.round() == times).count();
    let z = [0.0, 1.0, 2.0].map(|times| z_of_share(failed(times), draws.len(), 2.0 / 3.0 / libm::pow(3.0, times)));
    let mean = z_of_mean(&blind, 60.0);
    // One of two servers would be 75 s; a second timeout that nobody pays 45 s; 10% more are noticed, too.
    let wrong = [75.0, 45.0, 66.0, 54.0].map(|mean| z_of_mean(&blind, mean));
    eprintln!(
        "{} clients with one watch: z of the mean {mean:.2}, of shares {z:.2?}; wrong means {wrong:.1?}",
        blind.len()
    );
    assert!(
        mean.abs() <= Z_MAX && z.iter().all(|z| z.abs() <= Z_MAX),
        "{mean} {z:?}"
    );
    assert!(wrong.iter().all(|z| z.abs() > Z_MAX), "{wrong:?}");

    let many = [ONE_WATCH.as_slice(), &["parameters.istio.api_watches=12"]].concat();
    let (blind, _) = current_after_with(CutMode::Drop, 3, &many, 30);
    let once = blind.iter().filter(|time| (45.0..45.1).contains(*time)).count();
    eprintln!("{once} of {} clients with twelve watches pay once", blind.len());
    assert_eq!(once, blind.len());
}

/// When faults began and ended, and the last time at which each of twelve Istiods had answers and heard of changes again.
fn overlapping(faults: &[(&[u32], Option<f64>)], changes: &[&str]) -> (usize, Vec<f64>) {
    let mut all = vec!["cluster.api_servers=3"];
    all.extend(changes);
    let alter = |world: &mut WorldSpec| {
        world.faults.clear();
        for (number, (servers, for_s)) in faults.iter().enumerate() {
            let mut fault = cuts(
                &format!("lost-{number}"),
                Where::ApiServers(servers.to_vec()),
                &[PartyKind::Istiod],
                CutMode::Drop,
            );
            fault.when.duration = for_s.map(meshfault::kernel::SimDuration::from_secs_f64);
            world.faults.push(fault);
            // The first is started in the midst of the script, the others behind its end.
            world
                .script
                .extend((number > 0).then_some(Step::StartFault { fault: number }));
        }
        world.horizon = at(600.0);
    };
    let (mut without, mut after) = (0, Vec::new());
    for readers in twelve_istiods(&all, 10, alter) {
        let cut = readers.first_cut.expect("the script starts the fault");
        for (answers, watches) in readers.resumed.values() {
            without += usize::from(answers.is_none() || watches.is_none());
            after.extend(answers.max(watches).map(|time| time.since(cut).as_secs_f64()));
        }
    }
    (without, after)
}

#[test]
fn servers_that_return_serve_those_who_lost_another() {
    // Server 0 never returns; the other two are away for a minute from 2 s after it on.
    let (without, after) = overlapping(&[(&[0], None), (&[1, 2], Some(60.0))], &[]);
    assert_eq!(without, 0);
    assert!(after.iter().all(|time| (37.0..130.0).contains(time)), "{after:?}");
    // Without another server they wait for one that is lost.
    let (without, after) = overlapping(&[(&[0, 1, 2], None)], &[]);
    assert_eq!((without, after.len()), (120, 0));
    // The other way round.
    let (without, _) = overlapping(&[(&[1, 2], None), (&[0], Some(60.0))], &[]);
    assert_eq!(without, 0);
    let at_once = ["parameters.network.repair_reaches_at_once=true"];
    let (without, _) = overlapping(&[(&[0], Some(5.0))], &at_once);
    assert_eq!(without, 0);
}

/// Behind a load balancer a server that cannot be reached gets no new connection once its checks have failed; the `kubernetes`
/// Service keeps it as long as it renews its lease.
#[test]
fn a_load_balancer_withdraws_a_server_that_cannot_be_reached() {
    // One watch and no lock: a dial that meets the lost server costs its whole time limit.
    let late = |balanced: bool| {
        let balanced = format!("parameters.kubernetes.api_load_balancer={balanced}");
        let all = [
            balanced.as_str(),
            "parameters.istio.api_watches=1",
            "cluster.api_servers=3",
        ];
        let alter = |world: &mut WorldSpec| {
            world.faults = vec![cuts(
                "lost",
                Where::ApiServers(vec![0]),
                &[PartyKind::Istiod],
                CutMode::Drop,
            )];
            world.istio.as_mut().expect("the design has Istio").params.api_locks = 0;
            world.horizon = at(400.0);
        };
        let (mut late, mut clients) = (0, 0);
        for readers in twelve_istiods(&all, 3 * RUNS, alter) {
            let cut = readers.cut.expect("the script starts the fault");
            let resumed = readers.resumed.values().filter_map(|(answers, _)| *answers);
            let after: Vec<f64> = resumed.map(|time| time.since(cut).as_secs_f64()).collect();
            clients += after.len();
            late += after.iter().filter(|after| **after > 60.0).count();
        }
        (late, clients)
    };
    let (late_balanced, clients) = late(true);
    assert!(late_balanced == 0 && clients > 250, "{late_balanced} of {clients}");
    let (late, clients) = late(false);
    let z = crate::support::z_of_share(late, clients, 1.0 / 3.0);
    eprintln!("{late} of {clients} paid a second time limit, z {z:.2}");
    assert!(z.abs() < 4.0, "{late} of {clients}");
}
