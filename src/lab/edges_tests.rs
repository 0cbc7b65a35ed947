//! Tests of edges, on made-up windows and spans.

use super::edges::{EdgeTime, availability, edges};
use super::measures::Frame;
use super::numbers::DesignNumbers;
use super::plan::{OpenEdge, PlannedDesign};
use crate::cluster::records::{AccessClass, EdgeRecord, ExposureRecord, RunRecord};
use crate::kernel::{SimDuration, SimTime};
use crate::scenario::asked::TrafficRate;

fn s(seconds: u64) -> SimTime {
    SimTime::ZERO + SimDuration::from_secs(seconds)
}

fn frame() -> Frame {
    let rate = TrafficRate {
        text: "0.1/s".to_owned(),
        per_s: 0.1,
    };
    Frame::new(100.0, 30.0, &[rate])
}

fn span(client: &str, from: u64, to: u64, availability: Option<f64>) -> EdgeRecord {
    EdgeRecord {
        client_workload: client.to_owned(),
        server_workload: "server".to_owned(),
        port: 80,
        start: s(from),
        end: s(to),
        pairs: 2,
        availability,
    }
}

/// Four runs with a fault at 15 s, two of them with exposure.
fn numbers() -> DesignNumbers {
    let mut numbers = DesignNumbers::default();
    let window = |client: &str, class, from, to| ExposureRecord {
        client_workload: client.to_owned(),
        server_workload: "server".to_owned(),
        port: 80,
        class,
        start: s(from),
        end: Some(s(to)),
        ..ExposureRecord::default()
    };
    let record = RunRecord {
        cut: Some(s(15)),
        ..RunRecord::default()
    };
    for run in 0..4 {
        numbers.run(&record, s(100));
        for client in ["a", "b", "c"] {
            numbers.edge(run, &span(client, 0, 100, None), s(100));
        }
        if run < 2 {
            numbers.exposure(run, &window("a", AccessClass::WronglyDenied, 0, 90), s(100));
            numbers.exposure(run, &window("b", AccessClass::Unauthorized, 10, 12), s(100));
            numbers.exposure(run, &window("b", AccessClass::Unauthorized, 20, 22), s(100));
            numbers.exposure(run, &window("c", AccessClass::Unauthorized, 20, 30), s(100));
        }
    }
    numbers
}

#[test]
fn edges_are_ranked_and_runs_without_any_count() {
    let seen: Vec<_> = edges(&frame(), &PlannedDesign::default(), &numbers())
        .into_iter()
        .map(|edge| {
            let since = edge.since_fault.and_then(|since| since.estimate);
            (
                edge.client,
                edge.class,
                edge.seconds.estimate,
                since,
                edge.runs.estimate,
            )
        })
        .collect();
    let row = |client: &str, class: &str, seconds, since| {
        (
            client.to_owned(),
            class.to_owned(),
            Some(seconds),
            Some(since),
            Some(0.5),
        )
    };
    assert_eq!(
        seen,
        [
            row("c", "unauthorized", 5.0, 5.0),
            row("b", "unauthorized", 2.0, 1.0),
            row("a", "wrongly_denied", 45.0, 37.5)
        ]
    );
}

#[test]
fn a_share_is_of_the_time_of_the_pairs_and_traffic_meets_it() {
    let edges = edges(&frame(), &PlannedDesign::default(), &numbers());
    let c = &edges[0];
    // Two of four runs: 10 s of the 170 s that two pairs have since the fault.
    let share = c.share.as_ref().and_then(|share| share.estimate).unwrap();
    assert!((share - 0.5 * 10.0 / 170.0).abs() < 1e-12, "{share}");
    let any = c.any_at["0.1/s"].estimate.unwrap();
    assert!((any - 0.5 * (1.0 - libm::exp(-1.0))).abs() < 1e-12, "{any}");
}

#[test]
fn what_no_layer_in_force_closes_is_set_apart() {
    let open = OpenEdge {
        client: "c".to_owned(),
        server: "server".to_owned(),
        port: 80,
        class: "unauthorized".to_owned(),
    };
    let design = PlannedDesign {
        open_by_design: vec![open],
        ..PlannedDesign::default()
    };
    let edges = edges(&frame(), &design, &numbers());
    let seen: Vec<(&str, bool)> = edges
        .iter()
        .map(|edge| (edge.client.as_str(), edge.by_design))
        .collect();
    assert_eq!(seen, [("b", false), ("a", false), ("c", true)]);
}

/// Clients can try from 20 to 100 s. Half of the attempts fail for 30 s before the fault at 80 s, all for 5 s after it.
#[test]
fn availability_is_a_mean_over_the_time_in_which_clients_could_try() {
    let mut numbers = DesignNumbers::default();
    let record = RunRecord {
        cut: Some(s(80)),
        ..RunRecord::default()
    };
    for run in 0..2 {
        numbers.run(&record, s(120));
        for (from, to, share) in [
            (0, 20, None),
            (20, 50, Some(0.5)),
            (50, 90, Some(1.0)),
            (90, 95, Some(0.0)),
            (95, 100, Some(1.0)),
        ] {
            numbers.edge(run, &span("a", from, to, share), s(120));
        }
        numbers.edge(run, &span("b", 0, 120, Some(1.0)), s(120));
    }
    let found = availability(&frame(), &numbers);
    let worst = &found[0];
    assert_eq!(worst.client, "a");
    assert_eq!(worst.availability.estimate, Some((15.0 + 40.0 + 5.0) / 80.0));
    assert_eq!(
        worst.since_fault.as_ref().and_then(|since| since.estimate),
        Some(15.0 / 20.0)
    );
    assert_eq!(found[1].availability.estimate, Some(1.0));
    let a = &numbers.edges.times.values().next().unwrap().bins;
    let means: Vec<Option<f64>> = a.iter().map(EdgeTime::availability).collect();
    // Bins of 2 s: none before 20 s, halves up to 50 s, and 90 to 95 s ends within a bin.
    assert_eq!(
        (means[9], means[10], means[24], means[25]),
        (None, Some(0.5), Some(0.5), Some(1.0))
    );
    assert_eq!(
        (means[45], means[47], means[48], means[50]),
        (Some(0.0), Some(0.5), Some(1.0), None)
    );
    let tried: f64 = a.iter().map(|bin| bin.tried).sum();
    assert!((tried - 160.0).abs() < 1e-9);
}
