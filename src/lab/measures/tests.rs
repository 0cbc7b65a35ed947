//! Measures against what they stand for: computed accesses against drawn traffic, and the names that may be asked for.

use std::net::Ipv4Addr;

use super::*;
use crate::cluster::phases::{PHASES, Phases};
use crate::cluster::records::{AccessClass, DelayCause, ExitCause, ExposureRecord, PodRecord, RunRecord, Via};
use crate::kernel::{EntityKey, Purpose, RunKey, SimDuration, SimTime, Stream};
use crate::lab::numbers::{ExposureKind, PodCounts, RunNumbers};

#[derive(Clone, Copy)]
struct Drawn;

impl Purpose for Drawn {
    fn name(self) -> &'static str {
        "measures.test"
    }
}

const HORIZON_S: f64 = 200.0;

fn rate(per_s: f64, text: &str) -> TrafficRate {
    TrafficRate {
        text: text.to_owned(),
        per_s,
    }
}

/// Windows of exposure of a run, in seconds: in half of the runs none, else up to three pairs of client and server.
fn windows(stream: &mut Stream) -> Vec<(f64, f64)> {
    if stream.uniform() < 0.5 {
        return Vec::new();
    }
    let pairs = 1 + stream.below(3);
    (0..pairs)
        .map(|_| {
            let start = 100.0 * stream.uniform();
            (start, start - 6.0 * libm::log(stream.uniform()))
        })
        .collect()
}

/// Poisson traffic over the whole run, of which the attempts within the window are counted.
fn drawn_hits(window: (f64, f64), per_s: f64, stream: &mut Stream) -> u32 {
    let (mut at, mut hits) = (0.0, 0);
    loop {
        at -= libm::log(stream.uniform()) / per_s;
        if at >= HORIZON_S {
            return hits;
        }
        hits += u32::from(window.0 <= at && at < window.1);
    }
}

struct Moments {
    n: f64,
    mean: f64,
    variance: f64,
}

fn moments(values: &[f64]) -> Moments {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (n - 1.0);
    Moments { n, mean, variance }
}

#[test]
fn computed_accesses_agree_with_drawn_traffic_and_vary_less() {
    let (per_s, runs) = (0.1, 20_000);
    let frame = Frame::new(HORIZON_S, 20.0, &[rate(per_s, "0.1/s"), rate(1.1 * per_s, "0.11/s")]);
    let design = PlannedDesign::default();
    let mut numbers = DesignNumbers::default();
    let horizon = SimTime::from_nanos(frame.horizon_ns);
    let (mut drawn_any, mut drawn_count) = (Vec::new(), Vec::new());
    for replication in 0..runs {
        let key = RunKey::derive(11, "traffic", replication);
        let mut stream = key.stream(Drawn, EntityKey::root("windows"));
        let mut traffic = key.stream(Drawn, EntityKey::root("traffic"));
        numbers.run(&RunRecord::default(), horizon);
        let mut hits = 0;
        for window in windows(&mut stream) {
            let time = |seconds: f64| SimTime::ZERO + SimDuration::from_nanos((seconds * 1e9) as u64);
            let record = ExposureRecord {
                ip: Ipv4Addr::new(10, 244, 1, 9),
                client: "client".to_owned(),
                server: "server".to_owned(),
                node: "node".to_owned(),
                port: 80,
                via: Via::PodIp,
                class: AccessClass::Unauthorized,
                start: time(window.0),
                end: Some(time(window.1)),
                ..ExposureRecord::default()
            };
            numbers.sound_run(replication).unwrap().exposure(&record, horizon);
            hits += drawn_hits(window, per_s, &mut traffic);
        }
        drawn_any.push(f64::from(u8::from(hits > 0)));
        drawn_count.push(f64::from(hits));
    }
    let context = Context {
        frame: &frame,
        design: &design,
        numbers: &numbers,
    };
    let computed = |name: &str| -> Vec<f64> {
        let definition = definition_of(name, context).unwrap();
        let Value::Mean { of, .. } = definition.value else {
            panic!("{name} is a mean")
        };
        numbers.runs.iter().filter_map(of).collect()
    };
    let z = |computed: &[f64], drawn: &[f64]| {
        let (a, b) = (moments(computed), moments(drawn));
        (a.mean - b.mean) / (a.variance / a.n + b.variance / b.n).sqrt()
    };
    for (kind, drawn) in [("any", &drawn_any), ("count", &drawn_count)] {
        let of = computed(&format!("unauthorized_{kind}_at_0.1_per_s_pod_ip"));
        let (a, b) = (moments(&of), moments(drawn));
        println!(
            "{kind}: computed {:.4}, drawn {:.4}, variance {:.4} against {:.4}",
            a.mean, b.mean, a.variance, b.variance
        );
        assert!(z(&of, drawn).abs() < 4.0, "{kind}: {} {}", a.mean, b.mean);
        assert!(a.variance < 0.8 * b.variance, "{kind}: {} {}", a.variance, b.variance);
        // The interval of the summary is made of the same numbers.
        let definition = definition_of(&format!("unauthorized_{kind}_at_0.1_per_s_pod_ip"), context).unwrap();
        let measure = definition.estimate(&frame, &numbers);
        assert!((measure.estimate.unwrap() - a.mean).abs() < 1e-12, "{measure:?}");
        assert!(measure.lower.unwrap() < b.mean + 4.0 * (b.variance / b.n).sqrt());
    }
    // A rate that is wrong by a tenth would be noticed in the paired difference to the right one.
    let (right, wrong) = (
        computed("unauthorized_any_at_0.1_per_s_pod_ip"),
        computed("unauthorized_any_at_0.11_per_s_pod_ip"),
    );
    let off: Vec<f64> = wrong
        .iter()
        .zip(&drawn_any)
        .map(|(wrong, drawn)| wrong - drawn)
        .collect();
    let off = moments(&off);
    let as_right: Vec<f64> = right
        .iter()
        .zip(&drawn_any)
        .map(|(right, drawn)| right - drawn)
        .collect();
    let as_right = moments(&as_right);
    assert!(as_right.mean.abs() < 4.0 * (as_right.variance / as_right.n).sqrt());
    assert!(
        off.mean.abs() > 4.0 * (off.variance / off.n).sqrt(),
        "{} {}",
        off.mean,
        off.variance
    );
}

#[test]
fn without_exposure_the_probability_is_bounded_and_the_count_is_not() {
    let frame = Frame::new(HORIZON_S, 20.0, &[rate(1.0, "1/s")]);
    let design = PlannedDesign::default();
    let mut numbers = DesignNumbers::default();
    for _ in 0..100 {
        numbers.run(&RunRecord::default(), SimTime::from_nanos(frame.horizon_ns));
    }
    let context = Context {
        frame: &frame,
        design: &design,
        numbers: &numbers,
    };
    let estimate = |name: &str| definition_of(name, context).unwrap().estimate(&frame, &numbers);
    let any = estimate("unauthorized_any_at_1_per_s_service");
    assert_eq!((any.estimate, any.lower), (Some(0.0), Some(0.0)));
    assert!((any.upper.unwrap() - 0.0362).abs() < 1e-4, "{any:?}");
    assert_eq!(estimate("unauthorized_count_at_1_per_s_service").upper, None);
}

#[test]
fn the_known_measures_are_those_that_can_be_made() {
    let rates = [rate(0.1, "0.1/s"), rate(1.0 / 60.0, "1/min")];
    let known = known_measures(&rates);
    let names: Vec<&str> = known.iter().map(|known| known.name.as_str()).collect();
    for name in [
        "unauthorized_any",
        "startup_latency_p99",
        "certificate_requests",
        "certificate_stuck_share",
        "delayed_startup_p50_token_review",
        "unauthorized_any_at_0.1_per_s_pod_ip",
        "unauthorized_count_at_1_per_min_service",
    ] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), names.len(), "a measure is listed twice");
    assert!(
        known
            .iter()
            .any(|known| known.name == "exposure_window_max" && !known.interval)
    );
    assert!(!known_measures(&[]).iter().any(|known| known.name.contains("_per_s")));
}

/// The definition of an exposure of a design with so many watched pairs, after so many runs without any.
fn of_no_exposure(pairs: u32, runs: usize) -> (Presence, Measure) {
    let frame = Frame::new(300.0, 20.0, &[]);
    let design = PlannedDesign {
        exposure_pairs: Some(pairs),
        ..PlannedDesign::default()
    };
    let numbers = DesignNumbers {
        runs: vec![RunNumbers::default(); runs],
        ..DesignNumbers::default()
    };
    let context = Context {
        frame: &frame,
        design: &design,
        numbers: &numbers,
    };
    let definition = definition_of("unauthorized_exposure_pod_ip", context).expect("there is such a measure");
    let measure = definition.estimate(&frame, &numbers);
    (definition.presence, measure)
}

#[test]
fn an_exposure_that_was_not_watched_is_missing() {
    assert!(matches!(of_no_exposure(0, 100).0, Presence::Absent(_)));
    assert_eq!(of_no_exposure(1, 100).0, Presence::Shown);
}

/// After no exposure in 100 runs a share of 3.62% of runs may have some (1 - 0.025^(1/100)), each pair through 300 s.
#[test]
fn no_exposure_in_any_run_bounds_its_mean_by_the_share_of_runs_that_may_have_any() {
    let (_, measure) = of_no_exposure(1, 100);
    let upper = measure.upper.expect("there is a bound");
    assert!((upper - 0.036_22 * 300.0).abs() < 0.01, "{upper}");
    assert_eq!((measure.estimate, measure.lower), (Some(0.0), Some(0.0)));
    let more = of_no_exposure(2, 1_000).1.upper.expect("there is a bound");
    assert!((more - 2.0 * 0.003_682 * 300.0).abs() < 0.01, "{more}");
    // The old answer, no bounds at all, is what no claim can be held against.
    assert_eq!(of_no_exposure(1, 0).1.upper, None);
}

/// What a pod of `took` seconds counts as, from 20 s on, having lost so many seconds.
fn counted(took: u64, lost: u64, alter: impl Fn(&mut PodRecord)) -> PodCounts {
    let mut pod = PodRecord {
        measured: true,
        exit_cause: ExitCause::Ready,
        exit: SimTime::ZERO + SimDuration::from_secs(took),
        delays: vec![(DelayCause::KubeletApi, SimDuration::from_secs(lost))],
        ..PodRecord::default()
    };
    let phases = &mut pod.phases.0;
    phases[Phases::place("admission")] = Some(SimDuration::from_secs(1));
    phases[Phases::place("containers")] = Some(SimDuration::from_secs(took - 1));
    alter(&mut pod);
    let mut numbers = DesignNumbers::default();
    numbers.run(&RunRecord::default(), SimTime::ZERO + SimDuration::from_secs(900));
    numbers.pod(0, &pod, SimDuration::from_secs(20));
    numbers.runs[0].pods
}

#[test]
fn a_start_is_unexplained_if_it_lost_less_than_half_of_the_excess() {
    let place = |phase: &str| PHASES.iter().position(|known| known.name == phase).unwrap();
    let only = |phase: &str| {
        let mut counts = [0; PHASES.len()];
        counts[place(phase)] = 1;
        counts
    };
    let none = [0; PHASES.len()];
    let as_is = |_: &mut PodRecord| {};
    for (took, lost, long, unexplained) in [
        (19, 0, 0, none),
        (20, 0, 1, only("containers")),
        (40, 0, 1, only("containers")),
        (40, 9, 1, only("containers")),
        (40, 10, 1, none),
    ] {
        let counts = counted(took, lost, as_is);
        assert_eq!(
            (counts.took_long, counts.unexplained),
            (long, unexplained),
            "{took} s, lost {lost} s"
        );
    }
    // What delayed a pod explains it, however long it took.
    let delayed = counted(100, 20, |pod| pod.delayed_by = Some(DelayCause::KubeletApi));
    assert_eq!((delayed.took_long, delayed.unexplained), (1, none));
    // Of a start that is not over the phase under way counts: containers that never run, a certificate, readiness without a sidecar.
    let waiting = |alter: fn(&mut PodRecord)| {
        counted(40, 0, |pod| {
            pod.exit_cause = ExitCause::Censored;
            let short = Some(SimDuration::from_secs(1));
            pod.phases.0[1..=4].fill(short);
            alter(pod);
        })
        .unexplained
    };
    assert_eq!(
        waiting(|pod| pod.phases.0[Phases::place("containers")] = None),
        only("containers")
    );
    assert_eq!(
        waiting(|pod| pod.certificate_landings = "istiod-0".to_owned()),
        only("certificate")
    );
    assert_eq!(waiting(|_| {}), only("readiness"));
}

/// A design with one pair, watched for 2000 s, whose runs had these exposures [s].
fn estimates(exposed_s: &[f64], names: &[&str]) -> Vec<Measure> {
    let frame = Frame::new(2_000.0, 20.0, &[]);
    let design = PlannedDesign {
        exposure_pairs: Some(1),
        ..PlannedDesign::default()
    };
    let run = |seconds: &f64| {
        let mut run = RunNumbers::default();
        let kind = ExposureKind {
            class: AccessClass::Unauthorized,
            via: Via::Service,
        };
        run.exposure
            .insert(kind, SimDuration::from_nanos((1e9 * seconds) as u64));
        run
    };
    let numbers = DesignNumbers {
        runs: exposed_s.iter().map(run).collect(),
        ..DesignNumbers::default()
    };
    let context = Context {
        frame: &frame,
        design: &design,
        numbers: &numbers,
    };
    let estimate = |name: &&str| {
        let definition = definition_of(name, context).expect("there is such a measure");
        definition.estimate(&frame, &numbers)
    };
    names.iter().map(estimate).collect()
}

#[test]
fn the_tail_is_what_its_names_say() {
    // 1000 runs: nothing in 700, 1 s to 290 s in 290, 1000 s in ten of them.
    let mut exposed: Vec<f64> = (0..1_000)
        .map(|run| if run < 700 { 0.0 } else { f64::from(run - 699) })
        .collect();
    exposed[990..].fill(1_000.0);
    let names = [
        "unauthorized_exposure_service_p95",
        "unauthorized_exposure_service_cvar95",
        "unauthorized_exposure_service_above_10s",
        "unauthorized_exposure_service_above_1min",
        "unauthorized_exposure_service_above_10min",
    ];
    let seen = estimates(&exposed, &names);
    let values: Vec<f64> = seen.iter().map(|measure| measure.estimate.unwrap()).collect();
    // The 950th run has 250 s; the 50 largest are 251 to 290 and ten times 1000.
    let mean = ((251..=290).sum::<i32>() as f64 + 10_000.0) / 50.0;
    assert_eq!(values[0], 250.0);
    assert!((values[1] - mean).abs() < 1e-9, "{} {mean}", values[1]);
    assert_eq!(&values[2..], [0.29, 0.24, 0.01]);
    assert!(
        seen.iter()
            .all(|measure| measure.lower < measure.estimate && measure.estimate < measure.upper)
    );
    // Without any exposure there is still a bound.
    let none = estimates(&[0.0; 1_000], &names);
    assert!(none[1].upper.is_some_and(|upper| upper > 0.0) && none[4].upper.is_some_and(|upper| upper < 0.004));
}

#[test]
fn the_interval_of_the_tail_mean_covers_it() {
    // A mean of 20 s in three runs of ten, exponential: the largest 5% lie above q with P(X > q) = 0.05, and their mean is
    // q + 20 s.
    let truth = 20.0 * libm::log(0.3 / 0.05) + 20.0;
    let mut stream = RunKey::derive(4, "tail", 0).stream(Drawn, EntityKey::root("studies"));
    let studies = 300;
    let mut held = 0;
    for _ in 0..studies {
        let mut one = || match stream.uniform() < 0.3 {
            true => (-20.0 * libm::log(stream.uniform())).min(1_999.0),
            false => 0.0,
        };
        let exposed: Vec<f64> = (0..400).map(|_| one()).collect();
        let seen = estimates(&exposed, &["unauthorized_exposure_service_cvar95"]).remove(0);
        held += u32::from(seen.lower.unwrap() <= truth && truth <= seen.upper.unwrap());
    }
    let coverage = f64::from(held) / f64::from(studies);
    println!("coverage of the tail mean: {coverage:.3}");
    assert!(coverage > 0.90, "{coverage}");
}

#[test]
fn runs_count_alike_or_by_their_pods_and_both_are_told_where_that_matters() {
    let numbers = |informative: bool| {
        let run = |index: u32| {
            let many = index.is_multiple_of(2);
            let all = if many { 30 } else { 10 };
            let delayed = match (many, informative) {
                (true, true) => 3,
                (false, true) => 5,
                (_, false) => all / 5 + index % 3,
            };
            let mut numbers = RunNumbers::default();
            (numbers.pods.all, numbers.pods.took_long) = (all, delayed);
            numbers
        };
        DesignNumbers {
            runs: (0..200).map(run).collect(),
            ..DesignNumbers::default()
        }
    };
    let frame = Frame::new(2_000.0, 20.0, &[]);
    let design = PlannedDesign::default();
    let of = |numbers: &DesignNumbers, name: &str| {
        let context = Context {
            frame: &frame,
            design: &design,
            numbers,
        };
        let definition = definition_of(name, context).unwrap();
        let measure = definition.estimate(&frame, numbers);
        (definition.presence, measure.estimate.unwrap())
    };
    let hangs = numbers(true);
    // 800 of 4000 pods; 10% in one half of the runs, 50% in the other.
    assert_eq!(of(&hangs, "long_start_share"), (Presence::Shown, 0.2));
    let (presence, per_run) = of(&hangs, "long_start_share_per_run");
    assert_eq!(presence, Presence::Shown);
    assert!((per_run - 0.3).abs() < 1e-12, "{per_run}");
    // Where nothing varies with the size, one number says it.
    assert_eq!(of(&hangs, "delayed_share_per_run").0, Presence::Quiet);
}
