//! More made-up data for the tests of figures: factors, and courses of one run.

use super::super::Interval;
use super::super::availability::{AvailabilityFigure, AvailabilitySeries};
use super::super::factor_curves::{FactorCurvesFigure, FactorLine, FactorPanel, FactorPoint, Level};
use super::super::factor_map::{FactorMap, FactorMapFigure, MapCell};
use super::super::requests::{IstiodRequests, RequestsFigure};
use super::super::stale::{StaleFigure, StaleNode};
use super::super::traffic::{TrafficFigure, TrafficSeries, TrafficSpan};
use super::data::words;

fn levels(texts: &[(&str, Option<f64>)]) -> Vec<Level> {
    let level = |(text, size): &(&str, Option<f64>)| Level {
        text: (*text).to_owned(),
        size: *size,
    };
    texts.iter().map(level).collect()
}

pub(super) fn factor_curves(lines: &[String], numeric: bool) -> FactorCurvesFigure {
    let levels = match numeric {
        true => levels(&[
            ("10s", Some(10.0)),
            ("1m", Some(60.0)),
            ("5m", Some(300.0)),
            ("20m", Some(1200.0)),
        ]),
        false => levels(&[
            ("vxlan", None),
            ("native", None),
            ("a-level-with-a-rather-long-name", None),
        ]),
    };
    let count = levels.len();
    let line = |scale: f64| {
        let lines = lines.iter().enumerate().map(move |(index, name)| FactorLine {
            name: name.clone(),
            points: (0..count)
                .map(|level| {
                    let estimate = scale * (0.1 + 0.2 * level as f64 + 0.01 * index as f64);
                    let censored = level == 3 && index == 1 && scale > 1.0;
                    FactorPoint {
                        level,
                        estimate: (!censored).then_some(estimate),
                        lower: Some(estimate * 0.9),
                        upper: (!censored).then_some(estimate * 1.1),
                        n: 500,
                    }
                })
                .collect(),
        });
        lines.collect::<Vec<_>>()
    };
    let panel = |measure: &str, label: &str, unit: &str, lines: Vec<FactorLine>| FactorPanel {
        measure: measure.to_owned(),
        label: label.to_owned(),
        unit: unit.to_owned(),
        lines,
    };
    FactorCurvesFigure {
        words: words("Runs with an unauthorized access over outage"),
        factor: "outage".to_owned(),
        levels,
        panels: vec![
            panel("unauthorized_any", "runs with an unauthorized access", "1", line(0.9)),
            panel(
                "startup_latency_p99",
                "startup: 99% of the pods are ready after",
                "s",
                line(400.0),
            ),
        ],
    }
}

pub(super) fn factor_map(designs: usize, across: usize, down: usize) -> FactorMapFigure {
    let cell = |across: usize, down: usize, design: usize| {
        let estimate = (across as f64 * 0.13 + down as f64 * 0.2 + design as f64 * 0.05).min(1.0);
        MapCell {
            across,
            down,
            estimate: (across + down != 1).then_some(estimate),
            lower: Some((estimate - 0.03).max(0.0)),
            upper: Some((estimate + 0.03).min(1.0)),
            n: 500,
        }
    };
    let map = |design: usize| FactorMap {
        design: format!("design-{design}"),
        cells: (0..down)
            .flat_map(|down| (0..across).map(move |across| (across, down)))
            .map(|(across, down)| cell(across, down, design))
            .collect(),
    };
    FactorMapFigure {
        words: words("Runs with an unauthorized access over nodes and outage"),
        measure: "unauthorized_any".to_owned(),
        label: "runs with an unauthorized access".to_owned(),
        unit: "1".to_owned(),
        across: (
            "cluster.nodes".to_owned(),
            (0..across).map(|index| (10 << index).to_string()).collect(),
        ),
        down: (
            "outage".to_owned(),
            (0..down).map(|index| format!("{}s", 30 << index)).collect(),
        ),
        maps: (0..designs).map(map).collect(),
    }
}

pub(super) fn requests(istiods: usize, each: usize) -> RequestsFigure {
    let one = |index: usize| IstiodRequests {
        istiod: format!("istiod-{index}"),
        requests: (0..each)
            .map(|request| {
                let sent = 95.0 + request as f64 * (2.0 + index as f64);
                (sent, index != 1 || request % 2 == 0)
            })
            .collect(),
    };
    RequestsFigure {
        words: words("5 of 30 requests got no certificate, most of them from istiod-1"),
        start_s: 90.0,
        end_s: 150.0,
        events: vec![
            (100.0, "cut".to_owned()),
            (100.4, "sleep-v2 to 15".to_owned()),
            (130.0, "probe".to_owned()),
        ],
        istiods: (0..istiods).map(one).collect(),
    }
}

pub(super) fn stale(nodes: usize) -> StaleFigure {
    let node = |index: usize| StaleNode {
        node: format!("worker-{index}"),
        cut: index == 0,
        steps: match index {
            0 => vec![(101.0, 3), (104.0, 9), (120.0, 14), (149.0, 2)],
            _ => (0..6)
                .flat_map(|change| {
                    let at = 101.0 + f64::from(change) * 6.0;
                    [(at, 1), (at + 0.4, 0)]
                })
                .collect(),
        },
    };
    StaleFigure {
        words: words("worker-0 has up to 14 stale entries, and still 2 after 2.5 min"),
        start_s: 90.0,
        end_s: 150.0,
        events: vec![(100.0, "cut".to_owned())],
        nodes: (0..nodes).map(node).collect(),
        left_out: 395,
    }
}

/// Availability of two lines per design, that of the worst edge with a gap.
pub(super) fn availability(designs: &[String]) -> AvailabilityFigure {
    let line = |design: &String, edge: &str, points: &[(f64, f64)]| AvailabilitySeries {
        design: design.clone(),
        edge: edge.to_owned(),
        points: points.to_vec(),
    };
    let series = designs.iter().flat_map(|design| {
        [
            line(
                design,
                "mean over edges",
                &[(10.0, 0.2), (20.0, 1.0), (30.0, 0.9), (40.0, 1.0)],
            ),
            line(
                design,
                "frontend to orders:8080",
                &[(10.0, 0.0), (30.0, 0.5), (40.0, 1.0)],
            ),
        ]
    });
    AvailabilityFigure {
        words: words("Availability falls to 90%"),
        end_s: 60.0,
        series: series.collect(),
    }
}

/// Two designs, one of which answers less for a while and is asked nothing for another.
pub(super) fn traffic() -> TrafficFigure {
    let span = |from: u32, estimate: f64, lower: Option<f64>| TrafficSpan {
        from_s: f64::from(from) * 10.0,
        until_s: f64::from(from + 1) * 10.0,
        share: Interval {
            estimate,
            lower,
            upper: lower.map(|lower| (2.0 * estimate - lower).min(1.0)),
        },
        requests: 400,
    };
    let series = |design: &str, spans: Vec<TrafficSpan>| TrafficSeries {
        design: design.to_owned(),
        spans,
    };
    TrafficFigure {
        words: words(
            "At worst, 93% of the requests of native are answered by the right workload, of those sent from 20 s on",
        ),
        end_s: 60.0,
        series: vec![
            series(
                "native",
                vec![
                    span(0, 1.0, Some(0.99)),
                    span(1, 0.97, Some(0.95)),
                    span(2, 0.93, Some(0.9)),
                    span(4, 0.99, Some(0.98)),
                    span(5, 1.0, None),
                ],
            ),
            series("vxlan", (0..6).map(|from| span(from, 1.0, Some(0.995))).collect()),
        ],
    }
}
