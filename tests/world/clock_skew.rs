//! Clocks that are off against closed forms: certificates between sidecars, their renewal, tokens.
//!
//! A certificate issued at t is valid by a right clock from t - 2 min to t + its life. A peer whose clock is behind by d refuses it until
//! t + d - 2 min, one that is ahead by d from t + life - d on. Each expectation is checked by requests every few seconds; the power checks
//! shift it by less than a minute and find requests that refute it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use meshfault::cluster::clocks::Offset;
use meshfault::cluster::context::Shared;
use meshfault::cluster::event::{Event, KubeletEvent, SidecarEvent};
use meshfault::cluster::fault::act;
use meshfault::cluster::faults::clock_skew::ClockSkew;
use meshfault::cluster::faults::place::{Where, Whom};
use meshfault::cluster::faults::{FaultKind, FaultSpec, When};
use meshfault::cluster::ids::{IstiodId, PodId};
use meshfault::cluster::istio::messages::{Answer, Channel};
use meshfault::cluster::party::PartyKind;
use meshfault::cluster::records::{AccessClass, AccessRecord};
use meshfault::cluster::spec::{ProbeFrom, ProbeSpec, Step, WorldSpec};
use meshfault::cluster::world::Watch;
use meshfault::kernel::{DrawLog, Moment};

use crate::support::{Bench, at, pause, s, workload};

fn skew(place: Where, by: Offset, from_s: f64, for_s: Option<f64>) -> FaultSpec {
    let party = match place {
        Where::Istiods(_) => PartyKind::IstiodProcess,
        Where::ApiServers(_) => PartyKind::ApiServer,
        _ => PartyKind::Node,
    };
    FaultSpec {
        name: "skew".to_owned(),
        when: When {
            starts_at: Some(at(from_s)),
            duration: for_s.map(s),
            ..When::default()
        },
        kind: FaultKind::ClockSkew(ClockSkew {
            whom: Whom {
                place,
                pick: None,
                parties: vec![party],
            },
            by,
        }),
    }
}

fn probe(world: &WorldSpec, from: &str) -> Step {
    Step::Probe(ProbeSpec {
        from: ProbeFrom::Workload(workload(world, from)),
        to: 0,
        method: "GET".to_owned(),
        path: "/".to_owned(),
        time_limit: s(2.0),
        retry_until_up: None,
    })
}

/// The pods of this workload got certificates, or the answer to a token, at these times.
#[derive(Default)]
struct Seen {
    of: usize,
    certificates: BTreeMap<PodId, Vec<f64>>,
    reviews: BTreeMap<PodId, Vec<(f64, bool)>>,
    issued: BTreeMap<PodId, f64>,
}

impl Watch for Seen {
    fn event(&mut self, moment: &Moment, event: &Event, shared: &Shared) -> ControlFlow<()> {
        let now = moment.time.as_secs_f64();
        let is_one = |pod: PodId| shared.pods[pod.index()].kind.index() == self.of;
        match *event {
            Event::Sidecar(pod, SidecarEvent::Answer(Channel::Certificate, .., answer)) if is_one(pod) => {
                self.reviews.entry(pod).or_default().push((now, answer == Answer::Ok));
                if answer == Answer::Ok {
                    self.certificates.entry(pod).or_default().push(now);
                }
            }
            Event::Kubelet(_, KubeletEvent::SetUp(pod)) if is_one(pod) => {
                self.issued.insert(pod, now);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// The clients get new pods at 120 s, and one of them asks every `every_s` from then on; when its certificates came, and its requests.
fn asked(
    changes: &[&str],
    fault: impl Fn(&WorldSpec) -> FaultSpec,
    every_s: f64,
    until_s: f64,
) -> (Vec<f64>, Vec<AccessRecord>) {
    let bench = Bench::case("random-mesh", changes).edit(|world| {
        let (client, server) = (workload(world, "client"), workload(world, "server"));
        let scale = |workload, replicas| Step::Scale { workload, replicas };
        let ready = |workload| Step::WaitReady {
            workloads: vec![workload],
            timeout: s(60.0),
        };
        world.faults = vec![fault(world)];
        world.script = vec![
            pause(30.0),
            scale(server, 1),
            ready(server),
            pause(60.0),
            scale(client, 1),
            ready(client),
        ];
        let requests = ((until_s - 120.0) / every_s) as usize;
        let request = probe(world, "client");
        world
            .script
            .extend((0..requests).flat_map(|_| [request.clone(), pause(every_s)]));
        world.horizon = at(until_s);
    });
    let mut seen = Seen {
        of: workload(bench.world(0), "client"),
        ..Seen::default()
    };
    let outcome = bench.simulator(act).watched(0, 0, DrawLog::default(), &mut seen);
    assert_eq!(outcome.run.failure, None);
    let mut all = seen.certificates.into_values();
    let (certificates, others) = (all.next().expect("a client has a certificate"), all.next());
    assert_eq!(others, None, "there is one client");
    (certificates, outcome.accesses)
}

/// Requests that a rule about their times expects otherwise, leaving out those within this of a limit.
fn against(accesses: &[AccessRecord], cause: &str, refused: impl Fn(f64) -> bool) -> usize {
    const NEAR_S: f64 = 1.0;
    let other = |access: &&AccessRecord| {
        let time = access.time.as_secs_f64();
        let expected = refused(time);
        refused(time - NEAR_S) == expected && refused(time + NEAR_S) == expected && (access.cause == cause) != expected
    };
    accesses.iter().filter(other).count()
}

fn node_of(world: &WorldSpec, name: &str) -> Where {
    Where::NodeOf(workload(world, name))
}

#[test]
fn a_server_that_is_behind_refuses_certificates_until_they_are_valid_by_its_clock() {
    const CAUSE: &str = "certificate_not_yet_valid";
    for (behind_s, refused_s) in [(600.0, 480.0), (130.0, 10.0), (110.0, 0.0)] {
        let fault = |world: &WorldSpec| skew(node_of(world, "server"), Offset::behind(s(behind_s)), 100.0, None);
        let (certificates, accesses) = asked(&[], fault, 2.0, 800.0);
        let [issued] = certificates[..] else {
            panic!("{certificates:?}");
        };
        assert_eq!(against(&accesses, CAUSE, |time| time < issued + refused_s), 0);
        let refused = accesses.iter().filter(|access| access.cause == CAUSE);
        let classes = |access: &AccessRecord| access.class == AccessClass::WronglyDenied;
        assert!(refused.clone().all(classes), "a refusal is no unauthorized access");
        eprintln!(
            "{behind_s} s behind: {} of {} requests refused, expected for {refused_s} s",
            refused.count(),
            accesses.len()
        );
        // A back-dating of 1 min 50 s or 2 min 10 s would be noticed wherever it refuses something.
        if refused_s > 0.0 {
            for off_s in [-10.0, 10.0] {
                assert!(against(&accesses, CAUSE, |time| time < issued + refused_s + off_s) > 0);
            }
        }
    }
}

#[test]
fn an_istiod_that_is_ahead_signs_certificates_that_no_one_takes_yet() {
    const CAUSE: &str = "certificate_not_yet_valid";
    let istiods = || Where::Istiods(vec![IstiodId(0), IstiodId(1)]);
    // The clocks are right again when the certificate was signed; its dates stay.
    let fault = |_: &WorldSpec| skew(istiods(), Offset::ahead(s(300.0)), 100.0, Some(100.0));
    let (certificates, accesses) = asked(&[], fault, 2.0, 500.0);
    let [issued] = certificates[..] else {
        panic!("{certificates:?}");
    };
    assert_eq!(against(&accesses, CAUSE, |time| time < issued + 180.0), 0);
    assert!(against(&accesses, CAUSE, |time| time < issued + 170.0) > 0);
}

const SHORT: &str = "parameters.istio.certificate_lifetime=10m";

#[test]
fn a_server_that_is_ahead_refuses_what_has_expired_by_its_clock_until_it_is_renewed() {
    const CAUSE: &str = "certificate_expired";
    // Each certificate lives for 600 s and is renewed after 300 s; by the server's clock it expires after 200 s.
    let fault = |world: &WorldSpec| skew(node_of(world, "server"), Offset::ahead(s(400.0)), 100.0, None);
    let (certificates, accesses) = asked(&[SHORT], fault, 2.0, 1200.0);
    let expired = |after_s: f64| {
        let certificates = certificates.clone();
        move |time: f64| {
            let latest = certificates.iter().rfind(|issued| **issued <= time);
            latest.is_some_and(|issued| time > issued + after_s)
        }
    };
    assert!(certificates.len() >= 3, "{certificates:?}");
    assert_eq!(against(&accesses, CAUSE, expired(200.0)), 0);
    for off_s in [190.0, 210.0] {
        assert!(against(&accesses, CAUSE, expired(off_s)) > 0);
    }
}

#[test]
fn certificates_are_renewed_at_half_of_the_life_that_is_left_by_the_clock_of_their_node() {
    for (ahead_s, interval_s) in [(0.0, 300.0), (200.0, 200.0), (500.0, 50.0)] {
        // The client's node is known when its pod runs: its first renewal is scheduled before.
        let fault = |world: &WorldSpec| skew(node_of(world, "client"), Offset::ahead(s(ahead_s)), 200.0, None);
        let (certificates, _) = asked(&[SHORT], fault, 10.0, 1400.0);
        let intervals: Vec<f64> = certificates.windows(2).map(|pair| pair[1] - pair[0]).collect();
        eprintln!("{ahead_s} s ahead: renewed after {intervals:?}");
        // A step of the clock moves no timer.
        assert!((300.0..300.5).contains(&intervals[0]), "{intervals:?}");
        let later = &intervals[1..];
        assert!(!later.is_empty() && later.iter().all(|after| (interval_s..interval_s + 0.5).contains(after)));
    }
}

#[test]
fn a_token_that_a_server_ahead_has_dated_is_refused_until_its_date_is_within_a_minute() {
    // Ahead by 5 min while the pods are set up, and right from then on.
    let fault = skew(Where::ApiServers(vec![0]), Offset::ahead(s(300.0)), 60.0, Some(45.0));
    let bench = Bench::case("random-mesh", &["parameters.kubernetes.pod_setup_latency=1s"]).edit(|world| {
        let client = workload(world, "client");
        let scale = |replicas| Step::Scale {
            workload: client,
            replicas,
        };
        world.faults = vec![fault.clone()];
        world.script = vec![pause(50.0), scale(5), pause(46.0), scale(20), pause(60.0), scale(25)];
        world.horizon = at(700.0);
    });
    let mut seen = Seen {
        of: workload(bench.world(0), "client"),
        ..Seen::default()
    };
    let outcome = bench.simulator(act).watched(0, 0, DrawLog::default(), &mut seen);
    assert_eq!(outcome.run.failure, None);
    let (mut kept, mut let_in) = (0, 0);
    let off = |time: f64| if (60.0..105.0).contains(&time) { 300.0 } else { 0.0 };
    // Answers that a leeway of so many seconds expects otherwise; they take some milliseconds.
    let against = |leeway_s: f64| {
        let answers = seen
            .reviews
            .iter()
            .flat_map(|(pod, reviews)| reviews.iter().map(move |review| (pod, review)));
        let other = answers.filter(|(pod, (time, passed))| {
            let early = seen.issued[pod] + off(seen.issued[pod]) - (time + off(*time)) - leeway_s;
            early.abs() > 0.1 && *passed != (early <= 0.0)
        });
        other.count()
    };
    assert_eq!(against(60.0), 0);
    for wrong_s in [30.0, 90.0] {
        assert!(against(wrong_s) > 0, "a leeway of {wrong_s} s would not be noticed");
    }
    for (_, passed) in seen.reviews.values().flatten() {
        *(if *passed { &mut let_in } else { &mut kept }) += 1;
    }
    eprintln!("{kept} requests for certificates were refused, {let_in} were not");
    assert!(kept > 20 && let_in == 25, "{kept} and {let_in}");
    let late = seen.certificates.values().filter(|times| times[0] > 300.0).count();
    assert!(late > 5, "{late} pods had to wait for their date");
}

#[test]
fn the_story_names_the_clock() {
    let bench = Bench::case("random-mesh", &[]).edit(|world| {
        let (client, server) = (workload(world, "client"), workload(world, "server"));
        let scale = |workload| Step::Scale { workload, replicas: 1 };
        world.faults = vec![skew(node_of(world, "server"), Offset::behind(s(600.0)), 100.0, None)];
        let request = probe(world, "client");
        world.script = vec![
            pause(30.0),
            scale(server),
            pause(120.0),
            scale(client),
            pause(60.0),
            request,
        ];
        world.horizon = at(300.0);
    });
    let told = bench.ready().told(0);
    let line = told
        .lines
        .iter()
        .find(|line| line.text.starts_with("skew shifts the clock of"));
    let text = &line.expect("the fault is told").text;
    assert!(text.contains("worker"), "{text}");
    let [access] = &told.accesses[..] else {
        panic!("{:?}", told.accesses);
    };
    assert_eq!(access.cause, "certificate_not_yet_valid");
}
