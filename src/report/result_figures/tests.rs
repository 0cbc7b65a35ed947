//! Tests of the data behind figures, on made-up runs: partitions add up, shares are those of the rows, and every figure
//! survives its way through JSON.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::lab::testing::{Fake, plan};
use crate::lab::{Options, Start, execute};
use crate::report::figures::Theme;

fn finished() -> Finished {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        dir: dir.path().to_owned(),
        jobs: 2,
        start: Start::New,
        quiet: true,
        command_line: Vec::new(),
    };
    execute(&plan(60), &Fake::default(), &options, &AtomicBool::new(false), &()).unwrap()
}

#[test]
fn every_figure_survives_json_and_gives_the_same_bytes() {
    let plots = of_rows(&finished());
    let names: Vec<&str> = plots.iter().flat_map(|plot| plot.names()).copied().collect();
    assert_eq!(
        names,
        [
            "startup_distribution",
            "startup_complement",
            "startup_phases",
            "access_classes",
            "exposure_distribution",
            "availability_over_time",
            "traffic_availability",
            "differences"
        ]
    );
    for plot in &plots {
        let text = serde_json::to_string(plot).unwrap();
        let again: Plot = serde_json::from_str(&text).unwrap();
        for name in plot.names() {
            for theme in Theme::ALL {
                assert_eq!(plot.draw(name, theme), again.draw(name, theme), "{name}");
            }
            assert_eq!(plot.sheet(name).csv(), again.sheet(name).csv());
            assert_eq!(plot.vega(name), again.vega(name));
        }
    }
}

#[test]
fn phases_add_up_to_the_start() {
    let figure = phases::phases(&finished()).unwrap();
    for row in &figure.rows {
        let sum: f64 = row.means_s.iter().map(|mean| mean.estimate).sum();
        assert!((sum - row.total_s.estimate).abs() < 1e-9, "{sum} {:?}", row.total_s);
        assert!(row.n_ready <= row.n_pods && row.n_ready > 0);
        let bounds = (row.total_s.lower, row.total_s.upper);
        // Every made-up pod that is ready has the same phases, so there is no interval to give.
        assert_eq!(bounds, (None, None));
    }
}

#[test]
fn exposure_is_counted_per_run() {
    let finished = finished();
    let figure = exposure::exposure(&finished).unwrap();
    let first = &figure.series[0];
    assert_eq!(
        (first.design.as_str(), first.class.as_str(), first.via.as_str()),
        ("cilium-only", "unauthorized", "service")
    );
    let with = finished.numbers[0]
        .sound()
        .filter(|run| !run.exposure.is_empty())
        .count() as f64;
    assert!((first.none.estimate - (1.0 - with / 60.0)).abs() < 1e-12);
    assert!(
        first
            .points
            .windows(2)
            .all(|pair| pair[0].0 < pair[1].0 && pair[0].1 > pair[1].1)
    );
    assert_eq!(
        first.points.last().map(|point| point.1),
        Some(0.0),
        "no run has more than the most"
    );
    assert_eq!(figure.without.len(), 1, "the control has none: {:?}", figure.without);
}

#[test]
fn every_name_has_a_reason_to_be_absent() {
    for name in crate::report::figures::names() {
        assert!(!absent_because(name).is_empty());
    }
}
