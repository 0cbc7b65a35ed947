//! Tests of the timeline: an ordinary run, a long one, and everything at once. What is checked of every figure is in
//! [`super::check`].

use super::super::timeline as figure_of;
use super::*;

fn span(start_s: f64, end_s: Option<f64>, label: &str, kind: SpanKind) -> Span {
    Span {
        start_s,
        end_s,
        label: label.to_owned(),
        kind,
    }
}

fn lane(label: &str, spans: Vec<Span>, marks: &[(f64, &str, MarkKind)]) -> Lane {
    let mark = |&(at_s, label, kind): &(f64, &str, MarkKind)| Mark {
        at_s,
        label: label.to_owned(),
        kind,
    };
    Lane {
        label: label.to_owned(),
        spans,
        marks: marks.iter().map(mark).collect(),
    }
}

/// A run with two lanes, for the golden files.
pub(super) fn small() -> TimelineFigure {
    let mut figure = run();
    figure.lanes = [0, 2, 6].map(|index| figure.lanes[index].clone()).to_vec();
    figure.events.truncate(3);
    figure
}

fn run() -> TimelineFigure {
    use {MarkKind as M, SpanKind as S};
    TimelineFigure {
        title: "How sleep-v2 came to speak for sleep-v1".to_owned(),
        subtitle: "istiod-cut-off, design cilium-istio-1.21, replication 17, seed 1\n\
                   meshfault explain istiod-cut-off --design cilium-istio-1.21 --replication 17"
            .to_owned(),
        start_s: 90.0,
        end_s: 210.0,
        lanes: vec![
            lane(
                "10.244.3.9 truly belongs to",
                vec![
                    span(20.0, Some(121.3), "sleep-v1-6c9f-k2", S::Truth),
                    span(121.3, Some(124.8), "nobody", S::Absent),
                    span(124.8, None, "sleep-v2-7d84-p7", S::Truth),
                ],
                &[],
            ),
            lane(
                "API server says",
                vec![
                    span(20.0, Some(121.1), "sleep-v1-6c9f-k2", S::Right),
                    span(121.1, Some(126.0), "nobody", S::Absent),
                    span(126.0, None, "sleep-v2-7d84-p7", S::Right),
                ],
                &[],
            ),
            lane(
                "worker-1 (cut off) believes",
                vec![
                    span(20.0, Some(121.3), "service account sleep-v1", S::Right),
                    span(121.3, None, "service account sleep-v1", S::Stale),
                ],
                &[],
            ),
            lane(
                "worker-3 believes",
                vec![
                    span(20.0, Some(121.9), "service account sleep-v1", S::Right),
                    span(121.9, Some(126.8), "nobody", S::Absent),
                    span(126.8, None, "service account sleep-v2", S::Right),
                ],
                &[],
            ),
            lane(
                "endpoints of helloworld-v1",
                vec![
                    span(20.0, Some(167.6), "10.244.1.4 ready", S::Neutral),
                    span(167.6, None, "none", S::Absent),
                ],
                &[],
            ),
            lane(
                "sidecar of sleep-v2-7d84-p7",
                vec![
                    span(127.4, Some(157.9), "asks istiod-2, which is cut off", S::Broken),
                    span(157.9, None, "certificate held", S::Right),
                ],
                &[(157.9, "2nd connection: istiod-0", M::Info)],
            ),
            lane(
                "probe",
                vec![],
                &[
                    (131.0, "no proxy yet", M::Info),
                    (160.2, "network admits, mesh refuses: RBAC: access denied", M::Warning),
                    (172.0, "unreachable", M::Info),
                ],
            ),
        ],
        events: vec![
            (120.0, "worker-1 cut from the API server".to_owned()),
            (120.1, "sleep-v1 to 0, sleep-v2 to 15".to_owned()),
            (124.8, "10.244.3.9 reused".to_owned()),
            (160.2, "probe from the reused address".to_owned()),
            (167.6, "worker-1 given up, endpoint withdrawn".to_owned()),
        ],
    }
}

#[test]
fn timeline_of_a_run() {
    let figure = figure_of(&run());
    let texts = check("timeline", &figure);
    assert!(contains(&texts, "10.244.3.9 reused") && contains(&texts, "sleep-v2-7d84-p7"));
    assert_eq!(figure, figure_of(&run()));
}

#[test]
fn timeline_of_a_long_run() {
    let mut figure = run();
    (figure.start_s, figure.end_s) = (0.0, 2400.0);
    figure.events.push((2399.0, "the horizon of the experiment".to_owned()));
    figure.events.push((2500.0, "never shown".to_owned()));
    let texts = check("timeline-long", &figure_of(&figure));
    assert!(contains(&texts, "1 event outside the axis"));
}

#[test]
fn timeline_awkward() {
    use {MarkKind as M, SpanKind as S};
    let long = "a label of forty characters & more <here>";
    let mut figure = run();
    figure.events = (0..6)
        .map(|index| (120.0 + 0.02 * f64::from(index), format!("{long} {index}")))
        .collect();
    figure
        .events
        .extend((0..4).map(|index| (209.0 + 0.1 * f64::from(index), format!("{long} {index}"))));
    figure.events.push((f64::NAN, "at no time".to_owned()));
    figure.lanes[0].label = "a lane whose name is much too long for its column".to_owned();
    figure.lanes.push(lane(
        "everything at once",
        (0..4)
            .map(|index| span(100.0 + f64::from(index), Some(140.0), long, S::Stale))
            .collect(),
        &[
            (120.0, long, M::Bad),
            (120.05, long, M::Good),
            (120.1, long, M::Warning),
            (209.9, long, M::Bad),
        ],
    ));
    figure.lanes.push(lane(
        "short spans",
        (0..40)
            .map(|index| {
                span(
                    92.0 + 3.0 * f64::from(index),
                    Some(94.0 + 3.0 * f64::from(index)),
                    "w",
                    S::Neutral,
                )
            })
            .collect(),
        &[],
    ));
    figure.lanes.push(lane(
        "nothing",
        vec![span(f64::NAN, Some(f64::NAN), "?", S::Truth)],
        &[(f64::NAN, "?", M::Bad)],
    ));
    let many: Vec<(f64, &str, MarkKind)> = (0..50)
        .map(|index| (95.0 + f64::from(index), "denied", M::Good))
        .collect();
    figure.lanes.push(lane("many probes", vec![], &many));
    check("timeline-awkward", &figure_of(&figure));
    figure.lanes.truncate(1);
    figure.events.clear();
    (figure.start_s, figure.end_s) = (121.0, 121.5);
    check("timeline-one-lane", &figure_of(&figure));
    for empty in [
        TimelineFigure::default(),
        TimelineFigure {
            end_s: 9.0,
            ..TimelineFigure::default()
        },
    ] {
        assert!(contains(&check("timeline-empty", &figure_of(&empty)), "no data"));
    }
}
