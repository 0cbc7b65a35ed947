//! API servers under load: closed forms of one server's queues, and what a flood does to the rest of the cluster.

use std::collections::BTreeSet;

use meshfault::cluster::api_flow::{Flow, Level, Verb};
use meshfault::cluster::api_load::queues::Work;
use meshfault::cluster::api_load::server::{Arrivals, Decision, Server};
use meshfault::cluster::faults::overload::Overload;
use meshfault::cluster::faults::place::{Where, Whom};
use meshfault::cluster::faults::{FaultKind, FaultSpec, When};
use meshfault::cluster::params::KubernetesParams;
use meshfault::cluster::party::PartyKind;
use meshfault::cluster::purpose::Purpose;
use meshfault::cluster::records::Outcome;
use meshfault::cluster::spec::{Step, WorldSpec};
use meshfault::kernel::{EntityKey, RunKey, SimTime, Stream};

use crate::support::{Bench, agrees, at, measured, pause, quantile, s, z_of_mean};

/// Parameters of the oldest release, without a limit of processors.
fn params(changes: impl Fn(&mut KubernetesParams)) -> KubernetesParams {
    let mut params = Bench::of("one-istiod-of-three", &[]).world(0).kubernetes.clone();
    params.api_server_cores = 100_000;
    changes(&mut params);
    params
}

fn stream(name: &str, child: u64) -> Stream {
    RunKey::derive(7, "closed forms", 0).stream(Purpose::LoadArrival, EntityKey::root(name).child(child))
}

/// A flow of lists that keep their seats for a second.
fn flow(rate_per_s: f64, users: u32) -> Flow {
    Flow {
        name: "flood".to_owned(),
        level: Level::WorkloadLow,
        verb: Verb::Get,
        rate_per_s,
        objects: 1,
        users,
        work: Some(s(1.0)),
    }
}

fn arrivals(flow: Flow, until: SimTime, child: u64) -> Arrivals {
    let mut times = stream("times", child);
    Arrivals {
        id: 0,
        rate_per_s: flow.rate_per_s,
        next: SimTime::ZERO + times.until_next(flow.rate_per_s),
        until,
        times,
        users: stream("users", child),
        key: EntityKey::root("users"),
        flow,
    }
}

/// One seat, constant service of 100 ms, Poisson arrivals: the mean wait is that of M/D/1, whatever the order of service.
#[test]
fn below_its_capacity_a_level_waits_like_m_d_1() {
    let (service, rate) = (0.1, 7.0);
    let params = params(|params| params.api_seats = 2);
    let means: Vec<f64> = (0..200_u64)
        .map(|run| {
            let mut server = Server::new(&params);
            let mut times = stream("arrivals", run);
            let (mut now, mut came) = (SimTime::ZERO, Vec::new());
            let mut waits = Vec::new();
            for number in 0..2_000_u64 {
                now += times.until_next(rate);
                // What was decided meanwhile is told at the next look.
                while let Some(next) = server.next_decision().filter(|next| *next <= now) {
                    server.advance(next);
                    for (number, decision) in server.decided() {
                        assert_eq!(decision, Decision::Served);
                        let came: SimTime = came[number as usize];
                        waits.push(next.since(came).as_secs_f64() - service);
                    }
                }
                came.push(now);
                server.ask(number, Level::WorkloadLow, number, (1, Work::Whole(s(service))), now);
            }
            waits.iter().sum::<f64>() / waits.len() as f64
        })
        .collect();
    let load = rate * service;
    let expected = load * service / (2.0 * (1.0 - load));
    agrees("mean wait of M/D/1", expected, |expected| z_of_mean(&means, expected));
}

/// 245 seats at 80% of what they can serve: a request that comes finds a seat.
#[test]
fn many_seats_below_their_capacity_do_not_wait() {
    let mut server = Server::new(&params(|_| ()));
    server.begin(arrivals(flow(196.0, 5_000), at(300.0), 0));
    for number in 0..250_u64 {
        server.ask(
            number,
            Level::WorkloadLow,
            1,
            (1, Work::Counted(s(0.001))),
            at(20.0 + number as f64),
        );
        assert_eq!(server.decided(), [(number, Decision::Served)], "at once");
    }
    assert_eq!(server.counts.refused, 0);
}

/// 245 seats and 300 requests a second of one second each: waits grow by 300/245 - 1 seconds per second up to 15 s; from then on what
/// cannot be served is refused. One queue, so that the order of service is that of arrival.
#[test]
fn above_its_capacity_a_level_waits_longer_and_longer_and_then_refuses() {
    let (rate, seats, until) = (300.0, 245.0, 200.0);
    let growth = rate / seats - 1.0;
    let params = params(|params| {
        params.api_client_retries = 0;
        (params.api_queues, params.api_hand_size, params.api_queue_length) = (1, 1, 100_000);
    });
    let (mut early, mut late, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..30 {
        let mut server = Server::new(&params);
        server.begin(arrivals(flow(rate, 5_000), at(600.0), run));
        let wait = |server: &mut Server, number: u64, time: f64| -> Decided {
            server.ask(
                number,
                Level::WorkloadLow,
                number + 100 * run,
                (1, Work::Counted(s(0.001))),
                at(time),
            );
            loop {
                if let [(_, decision)] = server.decided()[..] {
                    return (decision, server.now().since(at(time)).as_secs_f64());
                }
                let next = server.next_decision().expect("it waits");
                server.advance(next);
            }
        };
        for (times, waits) in [(20.0, &mut early), (50.0, &mut late)] {
            let (decision, waited) = wait(&mut server, times as u64, times);
            assert_eq!(decision, Decision::Served);
            waits.push(waited);
        }
        server.advance(at(75.0));
        assert_eq!(server.counts.refused, 0, "nothing that came has waited for 15 s");
        server.advance(at(150.0));
        let before = server.counts;
        server.advance(at(150.0 + until));
        refused.push((server.counts.refused - before.refused) as f64);
        match wait(&mut server, 400, 400.0) {
            (Decision::Served, waited) => assert!(waited > 12.0 && waited <= 15.0, "{waited}"),
            (Decision::Refused(after), waited) => assert_eq!((after, waited), (s(1.0), 15.0)),
        }
    }
    // The backlog itself is random: by 50 s it is that of 300 * 50 arrivals.
    agrees("wait of who comes at 50 s", 50.0 * growth, |expected| {
        z_of_mean(&late, expected)
    });
    assert!(
        (early.iter().sum::<f64>() / 30.0 - 20.0 * growth).abs() < 0.5,
        "{early:?}"
    );
    agrees("refusals of 200 s", (rate - seats) * until, |expected| {
        z_of_mean(&refused, expected)
    });
}

/// What became of a request, and after how many seconds.
type Decided = (Decision, f64);

/// Refused clients of flows come again, until they give up.
#[test]
fn refused_clients_come_again() {
    let requests = |retries: u32| {
        let mut server = Server::new(&params(|params| params.api_client_retries = retries));
        server.begin(arrivals(flow(490.0, 5_000), at(60.0), 0));
        server.advance(at(600.0));
        server.counts
    };
    let (once, again) = (requests(0), requests(10));
    eprintln!("{once:?}, with repetitions {again:?}");
    assert!(again.requests > once.requests + 1_000);
    assert!(once.requests.abs_diff(490 * 60) < 4 * 172);
}

/// Executing requests share the processors: of twice as many as there are processors each takes twice its time.
#[test]
fn processors_are_shared() {
    let mut server = Server::new(&params(|params| params.api_server_cores = 4));
    for number in 0..8 {
        server.ask(
            number,
            Level::WorkloadLow,
            number,
            (1, Work::Whole(s(1.0))),
            SimTime::ZERO,
        );
    }
    server.advance(at(1.999));
    assert_eq!(server.decided(), []);
    server.advance(at(2.001));
    assert_eq!(server.decided().len(), 8);
}

/// From 1.26 on an overloaded level has the seats that idle ones lend: 245 and, of the others, 24 + 24 + 49 + 24.
#[test]
fn idle_levels_lend_seats() {
    let served = |release: &str| {
        let bench = Bench::of("one-istiod-of-three", &[&format!("cluster.kubernetes={release}")]);
        let mut params = bench.world(0).kubernetes.clone();
        params.api_server_cores = 100_000;
        params.api_client_retries = 0;
        let mut server = Server::new(&params);
        server.begin(arrivals(flow(600.0, 5_000), at(600.0), 0));
        server.advance(at(60.0));
        let before = server.counts;
        server.advance(at(560.0));
        let (came, refused) = (
            server.counts.requests - before.requests,
            server.counts.refused - before.refused,
        );
        (came - refused) as f64 / 500.0
    };
    let (old, new) = (served("1.24"), served("1.27"));
    eprintln!("served per second: {old} without lending, {new} with");
    // The backlog is constant, so that what is neither refused nor served is little.
    assert!((old - 245.0).abs() < 5.0 && (new - 366.0).abs() < 6.0, "{old}, {new}");
}

/// Lists of 5,000 agents within a minute, while the pods start.
const FLOOD: &str = "level: workload-low, verb: list, rate: 83/s, objects: 5000, from: 110s, for: 60s";

fn runs(load: &str, more: &[&str]) -> Vec<Outcome> {
    let load = format!("cluster.load=[{load}]");
    let mut changes = vec!["horizon=10m", load.as_str()];
    changes.extend(more);
    let lab = Bench::of("one-istiod-of-three", &changes).only("control").ready();
    (0..20).map(|replication| lab.one(replication)).collect()
}

fn flood(users: u32) -> String {
    format!("{{name: agents, {FLOOD}, users: {users}}}")
}

/// Seconds of the certificate and configuration channels that pods lost to TokenReviews.
fn startup(outcomes: &[Outcome]) -> Vec<f64> {
    let pods = outcomes.iter().flat_map(measured);
    pods.map(|pod| pod.ready.expect("all become ready").since(pod.desired).as_secs_f64())
        .collect()
}

fn certificates(outcomes: &[Outcome]) -> f64 {
    let requests: u64 = outcomes.iter().map(|outcome| outcome.run.certificate_requests).sum();
    let pods = outcomes.iter().flat_map(measured).count();
    requests as f64 / pods as f64
}

/// Prediction: TokenReviews take 15 s or more. Certificate requests triple only if Istiod's client gives up after its first refusal:
/// client-go repeats a refused request ten times.
#[test]
fn lists_of_all_agents_delay_token_reviews() {
    let calm = runs("", &[]);
    assert!(calm.iter().all(|outcome| outcome.run.api_requests.is_none()));
    let flooded = runs(&flood(5_000), &[]);
    let longest: Vec<f64> = flooded
        .iter()
        .map(|outcome| outcome.run.longest_review.expect("load is modeled").as_secs_f64())
        .collect();
    let (mut before, mut after) = (startup(&calm), startup(&flooded));
    eprintln!(
        "startup p50 {:.1} and {:.1} s, p99 {:.1} and {:.1} s; longest TokenReviews {longest:.0?} s",
        quantile(&mut before, 0.5),
        quantile(&mut after, 0.5),
        quantile(&mut before, 0.99),
        quantile(&mut after, 0.99),
    );
    assert!(longest.iter().all(|wait| *wait >= 15.0), "{longest:?}");
    assert!(quantile(&mut after, 0.5) > quantile(&mut before, 0.5) + 20.0);
    for outcome in &flooded {
        let (requests, refused) = (outcome.run.api_requests.unwrap(), outcome.run.api_refused.unwrap());
        assert!(
            requests > 4_500 && refused > 500 && refused < requests,
            "{requests}, {refused}"
        );
        assert!(outcome.run.events < 30_000, "{} events", outcome.run.events);
    }
    let (calm, repeated) = (certificates(&calm), certificates(&flooded));
    let give_up = "parameters.kubernetes.api_client_retries=0";
    let given_up = certificates(&runs(&flood(5_000), &[give_up]));
    eprintln!("certificate requests per pod: {calm}, {repeated}, and {given_up:.2} without repetitions");
    assert!(calm == 1.0 && repeated < 1.1 && given_up > 2.0);
}

/// The same lists of one account have six queues to themselves, and Istiod has its own.
#[test]
fn a_flood_of_one_account_is_kept_from_istiod() {
    let longest = |users: u32| {
        let outcomes = runs(&flood(users), &[]);
        let longest = outcomes.iter().filter_map(|outcome| outcome.run.longest_review).max();
        longest.expect("load is modeled").as_secs_f64()
    };
    let (one, many) = (longest(1), longest(5_000));
    eprintln!("longest TokenReview: {one:.2} s beside one account, {many:.1} s beside 5,000");
    assert!(one < 5.0 && many > 15.0);
}

/// A flood of one level takes no seat of another: with processors to spare the statuses of kubelets come at the same nanosecond.
#[test]
fn a_flood_of_one_level_leaves_others_alone() {
    // Kubelets whose client is never at its limit: otherwise statuses of delayed pods make room for others.
    let spare = [
        "parameters.kubernetes.api_server_cores=100000",
        "parameters.kubernetes.kubelet_client_qps=1000",
        "parameters.kubernetes.kubelet_client_burst=1000",
    ];
    let modeled = [&spare[..], &["parameters.kubernetes.api_load_model=true"]].concat();
    let flood =
        |level: &str| format!("{{name: agents, {FLOOD}, users: 5000, work: 1s}}").replace("workload-low", level);
    let calm = runs("", &modeled);
    let flooded = runs(&flood("workload-low"), &spare);
    let running = |outcomes: &[Outcome]| -> Vec<Option<SimTime>> {
        outcomes.iter().flat_map(measured).map(|pod| pod.address).collect()
    };
    assert!(running(&calm) == running(&flooded), "a status waited");
    let mut delayed = startup(&flooded);
    assert!(
        quantile(&mut delayed, 0.9) > 15.0,
        "the flood delays what is in its own level"
    );
    // Of another level it is the other way round.
    assert!(running(&runs(&flood("system"), &spare)) != running(&calm));
}

/// With processors and seats to spare the model adds nothing: pods are ready at the same nanosecond as without it.
#[test]
fn without_load_the_latencies_are_the_old_ones() {
    let pods =
        |changes: &[&str]| -> Vec<_> { runs("", changes).into_iter().flat_map(|outcome| outcome.pods).collect() };
    let (off, on) = (pods(&[]), pods(&["parameters.kubernetes.api_load_model=true"]));
    assert!(off == on, "the model moves a pod");
    let fingerprints = |changes: &[&str]| -> Vec<u64> {
        runs("", changes)
            .iter()
            .map(|outcome| outcome.run.fingerprint)
            .collect()
    };
    assert_eq!(
        fingerprints(&[]),
        fingerprints(&[
            "parameters.kubernetes.api_seats=1",
            "parameters.kubernetes.api_request_work=9s"
        ]),
        "parameters of a model that is off move a run"
    );
}

fn overload(flow: Flow, parties: &[PartyKind], from_s: f64, lasts_s: f64) -> FaultSpec {
    FaultSpec {
        name: "flood".to_owned(),
        when: When {
            starts_at: Some(at(from_s)),
            duration: Some(s(lasts_s)),
            ..When::default()
        },
        kind: FaultKind::Overload(Overload {
            whom: Whom {
                place: Where::ApiServers(vec![0]),
                pick: None,
                parties: parties.to_vec(),
            },
            flow,
        }),
    }
}

/// A fault of kind `overload` is the same flow for its time: a minute of lists, and none before and after.
#[test]
fn an_overload_is_a_flow_for_its_time() {
    let runs = |parties: &[PartyKind], lasts: f64| -> Vec<Outcome> {
        let lists = Flow {
            verb: Verb::List,
            objects: 5_000,
            work: None,
            ..flow(83.0, 5_000)
        };
        let fault = overload(lists, parties, 110.0, lasts);
        let bench = Bench::of("one-istiod-of-three", &["horizon=10m"]).only("control");
        let alter = |world: &mut WorldSpec| {
            world.faults = vec![fault.clone()];
            let starts = |step: &Step| matches!(step, Step::StartFault { .. });
            world.script.retain(|step| !starts(step));
            world.measures.startup_since_step = 0;
        };
        let lab = bench.edit(alter).ready();
        (0..20).map(|replication| lab.one(replication)).collect()
    };
    let mean = |outcomes: &[Outcome]| {
        let requests = outcomes.iter().filter_map(|outcome| outcome.run.api_requests);
        requests.sum::<u64>() as f64 / outcomes.len() as f64
    };
    let (calm, short, long) = (
        runs(&[], 60.0),
        runs(&[PartyKind::ApiServer], 6.0),
        runs(&[PartyKind::ApiServer], 60.0),
    );
    let mut ready = startup(&long);
    eprintln!(
        "{:.0}, {:.0} and {:.0} requests, startup p50 {:.1} s",
        mean(&calm),
        mean(&short),
        mean(&long),
        quantile(&mut ready, 0.5)
    );
    // 83/s for 6 s are served or wait: nothing is refused, and nothing comes again.
    let flooded: Vec<f64> = short
        .iter()
        .zip(&calm)
        .map(|(short, calm)| short.run.api_requests.unwrap() as f64 - calm.run.api_requests.unwrap() as f64)
        .collect();
    agrees("requests of six seconds", 83.0 * 6.0, |expected| {
        z_of_mean(&flooded, expected)
    });
    assert!(mean(&long) > 83.0 * 60.0, "refused clients come again");
    assert!(quantile(&mut ready, 0.5) > 15.0);
}

/// How many nodes are marked NotReady while requests come to a level of the only API server for 5 min.
fn marked(level: Level, rate_per_s: f64, users: u32) -> (usize, usize) {
    let lab = Bench::of("one-istiod-of-three", &["cluster.nodes=20"])
        .only("control")
        .edit(|world| {
            let flow = Flow {
                level,
                work: Some(s(5.0)),
                ..flow(rate_per_s, users)
            };
            world.faults = vec![overload(flow, &[PartyKind::ApiServer], 60.0, 300.0)];
            world.script = vec![pause(1.0)];
            world.measures.startup_since_step = 0;
            world.horizon = at(500.0);
            world.kubernetes.api_server_cores = 100_000;
        })
        .ready();
    let told = lab.told(0);
    let marked = &told.dossier.as_ref().expect("there is a story").given_up;
    let nodes: BTreeSet<&str> = marked.iter().map(|up| up.node.as_str()).collect();
    let back = marked.iter().filter(|up| up.at > at(360.0)).count();
    (nodes.len(), back)
}

/// Leases have a level of their own: a flood of another one, or of one user of theirs, leaves all nodes Ready. A flood of many users fills
/// its queues, so that renewals wait too long or are refused: healthy nodes are marked NotReady, and none after the flood.
#[test]
fn only_a_flood_of_their_own_level_marks_healthy_nodes() {
    let calm = marked(Level::WorkloadLow, 200.0, 1_000);
    let one_user = marked(Level::NodeHigh, 200.0, 1);
    let below = marked(Level::NodeHigh, 15.0, 1_000);
    let flood = marked(Level::NodeHigh, 200.0, 1_000);
    eprintln!("nodes marked: {calm:?}, one user {one_user:?}, below capacity {below:?}, flood {flood:?}");
    assert_eq!((calm, below), ((0, 0), (0, 0)));
    assert!(one_user.0 <= 8 && flood.0 >= 15 && flood.1 == 0);
}
