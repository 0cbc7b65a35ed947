//! What a reader could not tell before: cut names of designs, curves before the axis, numbers of events that found no room.

use super::data::{exposure, few_phases, names, six_designs};
use super::data_factors::requests;
use super::*;

#[test]
fn phases_of_points_of_a_factor_have_whole_names() {
    let mut figure = few_phases();
    for (index, row) in figure.rows.iter_mut().enumerate() {
        row.design = format!("cilium-istio-1.21@cut=80s,prefix={}", 24 + index);
    }
    let count = figure.rows.len();
    let texts = check_plot("phases-factors", &Plot::Phases(figure), "startup_phases");
    for index in 0..count {
        assert!(contains(&texts, &format!("prefix={}", 24 + index)), "{texts:?}");
    }
}

#[test]
fn every_curve_of_exposure_reaches_into_the_axis() {
    let mut figure = exposure(&names(2), 6);
    let short = &mut figure.series[0].points;
    *short = vec![(0.1, 0.02, 0.01, 0.04), (1.7, 0.0, 0.0, 0.02)];
    figure.series[1].points = vec![(8600.0, 0.0, 0.0, 0.02)];
    let specification = Plot::Exposure(figure).vega("exposure_distribution");
    let from = specification["spec"]["encoding"]["x"]["scale"]["domainMin"].as_f64();
    assert_eq!(from, Some(0.5));
}

#[test]
fn three_events_at_almost_one_time_have_their_numbers() {
    let mut figure = requests(3, 12);
    figure.events = [100.0, 100.1, 100.2].map(|at| (at, "restart".to_owned())).to_vec();
    let texts = check_plot(
        "requests-events",
        &Plot::CertificateRequests(figure),
        "certificate_requests",
    );
    for number in ["1", "2", "3"] {
        assert!(texts.iter().any(|(text, _)| text == number), "{number}: {texts:?}");
    }
}

/// On a logarithmic axis nothing is not its lower edge.
#[test]
fn a_curve_ends_where_no_pod_is_left() {
    let mut figure = six_designs(60);
    figure.series.truncate(2);
    figure.series[0].band.clear();
    figure.series[0].censored.clear();
    figure.series[0].points = vec![(2.0, 0.5), (4.0, 0.9995)];
    // The other design keeps the axis as it is.
    figure.series[1].points = figure.series[0].points.clone();
    let length = |figure: &StartupFigure| startup_figure(figure, Side::Complement, Theme::Light).svg.len();
    let some_left = length(&figure);
    figure.series[0].points[1].1 = 1.0;
    assert!(length(&figure) + 8 < some_left, "the curve has no piece along the edge");
}
