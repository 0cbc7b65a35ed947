//! Tests of all figures on made-up data, ordinary and awkward: well-formed, within the canvas, no text on another, the same
//! bytes twice, in every theme. Each case is also written to `target/figure-preview/` to be looked at.

use std::{fs, path::Path};

use resvg::usvg;

use super::access::access_classes;
use super::availability::AvailabilityFigure;
use super::exposure::ExposureFigure;
use super::factor_curves::FactorCurvesFigure;
use super::factor_map::FactorMapFigure;
use super::forest::ForestFigure;
use super::phases::PhasesFigure;
use super::requests::RequestsFigure;
use super::stale::StaleFigure;
use super::startup::{Side, startup_figure};
use super::traffic::TrafficFigure;
use super::*;

mod data;
mod data_factors;
mod golden;
mod legible;
mod many;
mod timeline;

use data::{access, exposure, few_phases, forest, long_name, names, phases, six_designs, startup, twelve_designs};
use data_factors::{factor_curves, factor_map, requests, stale, traffic};

/// Text with its box: left, top, right, bottom.
type TextBox = (String, [f32; 4]);

fn text_boxes(group: &usvg::Group, found: &mut Vec<TextBox>) {
    for node in group.children() {
        match node {
            usvg::Node::Group(group) => text_boxes(group, found),
            usvg::Node::Text(text) => {
                let content: String = text.chunks().iter().map(usvg::TextChunk::text).collect();
                let area = text.abs_bounding_box();
                found.push((content, [area.left(), area.top(), area.right(), area.bottom()]));
            }
            usvg::Node::Path(_) | usvg::Node::Image(_) => {}
        }
    }
}

/// Renders `figure`, writes its preview and checks what every figure has to keep.
fn check(case: &str, figure: &Figure) -> Vec<TextBox> {
    let tree = png::parsed(figure).expect("well-formed");
    let mut texts = Vec::new();
    text_boxes(tree.root(), &mut texts);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/figure-preview");
    let picture = png(figure, 1.5).expect("rendered");
    // Previews are a convenience; a read-only tree is no reason to fail.
    if fs::create_dir_all(&folder).is_ok() {
        let _ = fs::write(folder.join(format!("{case}.svg")), &figure.svg);
        let _ = fs::write(folder.join(format!("{case}.png")), picture);
    }

    let size = tree.size();
    for (text, [left, top, right, bottom]) in &texts {
        let within = *left >= 0.0 && *top >= 0.0 && *right <= size.width() && *bottom <= size.height();
        assert!(
            within,
            "{case}: `{text}` leaves the canvas: {left} {top} {right} {bottom} of {size:?}"
        );
    }
    for (index, (text, [left, top, right, bottom])) in texts.iter().enumerate() {
        for (other, [a, b, c, d]) in &texts[index + 1..] {
            // Boxes contain the room above and below the letters, a fifth of the height each.
            let slack = (bottom - top).min(d - b) * 0.2;
            let apart = right <= a || c <= left || bottom - slack <= b + slack || d - slack <= top + slack;
            assert!(apart, "{case}: `{text}` and `{other}` overlap");
        }
    }
    assert!(
        texts
            .iter()
            .all(|(text, _)| !text.contains("NaN") && !text.contains("inf")),
        "{case}: {texts:?}"
    );
    assert!(figure.svg.len() < 300_000, "{case}: {} bytes of SVG", figure.svg.len());
    texts
}

fn contains(texts: &[TextBox], wanted: &str) -> bool {
    texts.iter().any(|(text, _)| text.contains(wanted))
}

/// Whether the texts say something, wherever their lines break.
fn says(texts: &[TextBox], wanted: &str) -> bool {
    let all: Vec<&str> = texts.iter().map(|(text, _)| text.as_str()).collect();
    all.join(" ").contains(wanted)
}

/// Checks a plot in every theme, and gives the texts of the light one.
fn check_plot(case: &str, plot: &Plot, name: &str) -> Vec<TextBox> {
    let mut texts = Vec::new();
    for theme in Theme::ALL.into_iter().rev() {
        let figure = plot.draw(name, theme);
        assert_eq!(figure, plot.draw(name, theme));
        texts = check(&format!("{case}-{}", theme.name()), &figure);
    }
    let sheet = plot.sheet(name);
    let unique: std::collections::BTreeSet<_> = sheet.columns.iter().collect();
    assert_eq!(unique.len(), sheet.columns.len(), "{case}: a column twice");
    check_specification(case, plot, name);
    texts
}

/// Every field that a specification names is a column of its table, or one that it calculates.
fn check_specification(case: &str, plot: &Plot, name: &str) {
    fn fields(value: &serde_json::Value, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(entries) => {
                for (key, value) in entries {
                    match (key.as_str(), value) {
                        ("field", serde_json::Value::String(field)) => found.push(field.clone()),
                        _ => fields(value, found),
                    }
                }
            }
            serde_json::Value::Array(values) => values.iter().for_each(|value| fields(value, found)),
            _ => {}
        }
    }
    let specification = plot.vega(name);
    assert_eq!(
        specification["$schema"],
        "https://vega.github.io/schema/vega-lite/v5.json"
    );
    let rows = specification["data"]["values"].as_array().map(Vec::len);
    assert_eq!(rows, Some(plot.sheet(name).rows.len()), "{case}: the rows of its table");
    // A column that no channel shows is not parsed: its empty cells are empty texts, which are valid.
    let text = specification.to_string();
    assert!(!text.contains("isValid(datum."), "{case}: {text}");
    let mut named = Vec::new();
    fields(&specification, &mut named);
    assert!(!named.is_empty());
    let columns = plot.sheet(name).columns;
    for field in named {
        let calculated = [
            "from_s",
            "until_s",
            "shown_s",
            "last",
            "until",
            "shown_difference",
            "shown_lower",
            "shown_upper",
        ]
        .contains(&field.as_str());
        assert!(
            calculated || columns.contains(&field.as_str()),
            "{case}: no column {field} in {columns:?}"
        );
    }
}

const BOTH: [&str; 2] = ["startup_distribution", "startup_complement"];

#[test]
fn startup_six_designs() {
    for name in BOTH {
        let texts = check_plot(&format!("{name}-six"), &Plot::Startup(six_designs(60)), name);
        assert!(contains(&texts, "cilium-istio-1.21") && contains(&texts, "> 1800 s"));
    }
}

#[test]
fn startup_three_designs_share_a_panel() {
    let mut figure = six_designs(60);
    figure.series = [1, 2, 5].map(|index| figure.series[index].clone()).to_vec();
    for name in BOTH {
        check_plot(&format!("{name}-three"), &Plot::Startup(figure.clone()), name);
    }
    figure.series.truncate(1);
    check_plot("startup-one", &Plot::Startup(figure), BOTH[0]);
}

#[test]
fn startup_twelve_designs_with_long_names() {
    for name in BOTH {
        let texts = check_plot(&format!("{name}-twelve"), &Plot::Startup(twelve_designs()), name);
        assert!(
            !texts.iter().any(|(text, _)| text.contains('…')),
            "no name has to be shortened"
        );
    }
}

#[test]
fn startup_awkward() {
    let mut figure = six_designs(60);
    figure.horizon_s = 2400.0;
    figure.words.title = "A very long title that goes on ".repeat(6);
    figure.words.subtitle = "a subtitle that nobody will read to its end, ".repeat(9);
    figure.series.truncate(5);
    figure.series[0] = StartupSeries {
        design: "no-pods-at-all".to_owned(),
        n_runs: 1000,
        ..StartupSeries::default()
    };
    figure.series[1].design = "a-design-<with>&-a-name-of-more-than-sixty-characters-in-all".to_owned();
    figure.series[2].points = vec![(0.15, 0.5), (f64::NAN, 0.7), (1e6, 0.9)];
    figure.series[2].band.clear();
    figure.series[3].points.clear();
    figure.series[3].censored = vec![(f64::NAN, 1), (0.0, 4), (1e9, 2)];
    figure.series[4].n_pods = 123_456_789;
    let texts = check_plot("startup-awkward", &Plot::Startup(figure), BOTH[0]);
    assert!(contains(&texts, "no measured pod became ready"));
    for series in [
        vec![],
        vec![StartupSeries::default()],
        vec![StartupSeries {
            n_pods: 9,
            ..StartupSeries::default()
        }],
    ] {
        let figure = startup_figure(&startup(series), Side::Complement, Theme::Light);
        assert!(contains(&check("startup-empty", &figure), "no data"));
    }
}

#[test]
fn access_six_designs() {
    let texts = check_plot("access-six", &Plot::Access(access()), "access_classes");
    assert!(contains(&texts, "88.3%") && contains(&texts, "≤ 0.38%"));
}

#[test]
fn access_twelve_designs_with_long_names() {
    let mut figure = access();
    let rows = figure.rows.clone();
    figure.rows = rows.into_iter().cycle().take(12).collect();
    for (index, row) in figure.rows.iter_mut().enumerate() {
        row.design = long_name(index);
    }
    let texts = check_plot("access-twelve", &Plot::Access(figure), "access_classes");
    assert!(!texts.iter().any(|(text, _)| text.contains('…')));
}

#[test]
fn access_awkward() {
    let mut figure = access();
    figure.rows.truncate(4);
    figure.rows[0].design = "a-design-<with>&-a-name-of-more-than-sixty-characters-in-all".to_owned();
    figure.rows[1].n_runs = 0;
    figure.rows[2].shares.truncate(3);
    figure.rows[3].n_runs = 12;
    for share in &mut figure.rows[3].shares {
        (share.estimate, share.lower, share.upper) = (0.0, 0.0, 0.2425);
    }
    figure.rows[3].shares.extend(
        ["allowed", "a_class_of_which_nobody_has_heard_before"].map(|class| ClassShare {
            class: class.to_owned(),
            estimate: f64::NAN,
            lower: 0.0,
            upper: 1.0,
            method: String::new(),
        }),
    );
    check_plot("access-awkward", &Plot::Access(figure), "access_classes");
    let mut one = access();
    one.rows.truncate(1);
    one.rows[0].n_runs = 1;
    one.rows[0].shares.truncate(2);
    check("access-one", &access_classes(&one, Theme::Light));
    one.rows.clear();
    assert!(contains(
        &check("access-empty", &access_classes(&one, Theme::Dark)),
        "no data"
    ));
}

#[test]
fn phases_of_few_and_of_many_designs() {
    let texts = check_plot("phases", &Plot::Phases(few_phases()), "startup_phases");
    assert!(contains(&texts, "certificate") && contains(&texts, "28 s"));
    let many: Vec<(String, f64)> = (0..12).map(|index| (long_name(index), index as f64 * 11.0)).collect();
    let mut figure = phases(&many);
    figure.rows[4].n_ready = 0;
    figure.rows[4].means_s.clear();
    figure.rows[5].total_s = Interval::default();
    let texts = check_plot("phases-twelve", &Plot::Phases(figure), "startup_phases");
    assert!(contains(&texts, "no measured pod became ready"));
    assert!(!texts.iter().any(|(text, _)| text.contains('…')));
    let empty = super::phases::startup_phases(&PhasesFigure::default(), Theme::Light);
    assert!(contains(&check("phases-empty", &empty), "no data"));
}

#[test]
fn exposure_of_few_and_of_many_designs() {
    let texts = check_plot(
        "exposure",
        &Plot::Exposure(exposure(&names(3), 200)),
        "exposure_distribution",
    );
    assert!(contains(&texts, "no exposure in any run") && contains(&texts, "unauthorized, by pod IP"));
    let one = exposure(&names(1), 200);
    check_plot("exposure-one", &Plot::Exposure(one), "exposure_distribution");
    let many: Vec<String> = (0..12).map(long_name).collect();
    let mut twelve = exposure(&many, 600);
    // With these there would be more designs than are drawn.
    twelve.without.clear();
    let texts = check_plot("exposure-twelve", &Plot::Exposure(twelve), "exposure_distribution");
    assert!(!texts.iter().any(|(text, _)| text.contains('…')));
    let empty = super::exposure::exposure_distribution(&ExposureFigure::default(), Theme::Light);
    assert!(contains(&check("exposure-empty", &empty), "no data"));
}

#[test]
fn differences_of_few_and_of_many_designs() {
    let texts = check_plot("differences", &Plot::Differences(forest(&names(5))), "differences");
    assert!(contains(&texts, "not estimable") && contains(&texts, "percentage points"));
    let many: Vec<String> = (0..12).map(long_name).collect();
    let mut figure = forest(&many);
    let again = figure.groups.clone();
    for index in 0..3 {
        let mut more = again.clone();
        more.iter_mut()
            .for_each(|group| group.measure.push_str(&index.to_string()));
        figure.groups.extend(more);
    }
    let texts = check_plot("differences-twelve", &Plot::Differences(figure), "differences");
    assert!(says(&texts, "Not drawn, but in"));
    let empty = super::forest::differences(&ForestFigure::default(), Theme::Light);
    assert!(contains(&check("differences-empty", &empty), "no data"));
}

#[test]
fn curves_over_a_factor() {
    let few = factor_curves(&names(2), true);
    check_plot("factor-curves", &Plot::FactorCurves(few), "factor_curves");
    let many: Vec<String> = (0..14)
        .map(|index| format!("{}, cluster.nodes=400", long_name(index)))
        .collect();
    let figure = factor_curves(&many, false);
    let texts = check_plot("factor-curves-many", &Plot::FactorCurves(figure), "factor_curves");
    assert!(says(&texts, "2 more lines"));
    let empty = super::factor_curves::factor_curves(&FactorCurvesFigure::default(), Theme::Light);
    assert!(contains(&check("factor-curves-empty", &empty), "no data"));
}

#[test]
fn maps_over_two_factors() {
    check_plot("factor-map", &Plot::FactorMap(factor_map(2, 4, 3)), "factor_map");
    check_plot("factor-map-wide", &Plot::FactorMap(factor_map(1, 14, 6)), "factor_map");
    let empty = super::factor_map::factor_map(&FactorMapFigure::default(), Theme::Light);
    assert!(contains(&check("factor-map-empty", &empty), "no data"));
}

#[test]
fn courses_of_one_run() {
    let texts = check_plot(
        "requests",
        &Plot::CertificateRequests(requests(3, 12)),
        "certificate_requests",
    );
    assert!(contains(&texts, "istiod-1") && contains(&texts, "1\u{a0}cut (100.0\u{a0}s)"));
    check_plot(
        "requests-many",
        &Plot::CertificateRequests(requests(20, 900)),
        "certificate_requests",
    );
    check_plot("stale", &Plot::StaleEntries(stale(3)), "stale_entries");
    let texts = check_plot("traffic", &Plot::Traffic(traffic()), "traffic_availability");
    assert!(contains(&texts, "90%") && contains(&texts, "95%") && contains(&texts, "vxlan"));
    check_plot("stale-many", &Plot::StaleEntries(stale(8)), "stale_entries");
    for empty in [
        Plot::CertificateRequests(RequestsFigure::default()),
        Plot::StaleEntries(StaleFigure::default()),
        Plot::Availability(AvailabilityFigure::default()),
        Plot::Traffic(TrafficFigure::default()),
    ] {
        let name = empty.names()[0];
        assert!(contains(
            &check("courses-empty", &empty.draw(name, Theme::Print)),
            "no data"
        ));
    }
}

#[test]
fn pictures_are_reproducible_and_limited() {
    let figure = access_classes(&access(), Theme::Light);
    assert_eq!(
        png(&figure, 1.0).expect("rendered"),
        png(&figure, 1.0).expect("rendered")
    );
    for scale in [0.0, -1.0, 1e6, f64::NAN] {
        assert!(matches!(png(&figure, scale), Err(FigureError::Size { .. })));
    }
    let broken = Figure {
        name: "x".to_owned(),
        svg: "<svg".to_owned(),
    };
    assert!(matches!(png(&broken, 1.0), Err(FigureError::Svg { .. })));
}

#[test]
fn estimated_widths_are_those_of_the_font() {
    let sample = "The quick brown fox: 10.244.3.9 -> sleep-v1_(7) & [42%] @ {x}";
    for weight in [text::Weight::Regular, text::Weight::Bold] {
        let mut canvas = canvas::Canvas::default();
        let font = style::Font {
            weight,
            ..style::Font::regular(12.0, palette::INK)
        };
        canvas.text(sample, [10.0, 50.0], font);
        let texts = check(
            "width",
            &Figure {
                name: "x".to_owned(),
                svg: canvas.finish(100.0, "x"),
            },
        );
        let real = f64::from(texts[0].1[2] - texts[0].1[0]);
        let estimated = text::width(sample, 12.0, weight);
        assert!(
            (real - estimated).abs() < 0.02 * real,
            "{weight:?}: {real} laid out, {estimated} estimated"
        );
    }
}
