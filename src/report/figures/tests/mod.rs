//! Tests of all figures on made-up data, ordinary and awkward: well-formed, within the canvas, no text on another, the same
//! bytes twice. Each case is also written to `target/figure-preview/` to be looked at.

use std::{fs, path::Path};

use resvg::usvg;

use super::*;

mod timeline;

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
    texts
}

fn contains(texts: &[TextBox], wanted: &str) -> bool {
    texts.iter().any(|(text, _)| text.contains(wanted))
}

/// A curve through `(seconds, share)` knots, drawn as 200 steps of equal height.
fn series(design: &str, knots: &[(f64, f64)]) -> StartupSeries {
    let mut points = Vec::new();
    let mut band = Vec::new();
    for pair in knots.windows(2) {
        let ((t0, s0), (t1, s1)) = (pair[0], pair[1]);
        for step in 0..60 {
            let share = f64::from(step) / 60.0;
            let (t, s) = (t0 + share * (t1 - t0), s0 + share * (s1 - s0));
            points.push((t, s));
            band.push((
                t,
                (s - 0.03 * (s * (1.0 - s) * 4.0)).max(0.0),
                (s + 0.03 * (s * (1.0 - s) * 4.0)).min(1.0),
            ));
        }
    }
    let last = knots.last().map_or(0.0, |knot| knot.1);
    points.extend(knots.last());
    StartupSeries {
        design: design.to_owned(),
        points,
        band,
        n_pods: 15_000,
        n_runs: 1000,
        deleted_share: (1.0 - last) * 0.75,
        never_share: (1.0 - last) * 0.25,
    }
}

fn startup(series: Vec<StartupSeries>) -> StartupFigure {
    StartupFigure {
        title: "Start-up of sleep-v2 pods while one Istiod cannot reach the API server".to_owned(),
        subtitle: "istiod-cut-off, seed 1, 1,000 replications per design, meshfault 0.1.0 (`meshfault run`)".to_owned(),
        horizon_s: 1800.0,
        confidence: 0.95,
        control: Some("control".to_owned()),
        series,
    }
}

fn six_designs() -> StartupFigure {
    let healthy = [(2.0, 0.0), (3.0, 0.3), (4.0, 0.7), (6.0, 0.97), (8.5, 1.0)];
    let slow = [
        (2.2, 0.0),
        (4.0, 0.4),
        (6.0, 0.64),
        (28.0, 0.66),
        (33.0, 0.93),
        (58.0, 0.94),
        (66.0, 0.99),
        (90.0, 0.995),
    ];
    let stuck = [
        (2.2, 0.0),
        (4.0, 0.4),
        (6.0, 0.64),
        (20.0, 0.66),
        (45.0, 0.68),
        (1620.0, 0.69),
        (1790.0, 0.93),
    ];
    startup(vec![
        series("cilium-only", &healthy),
        series("istio-only", &slow),
        series("cilium-istio-1.14", &stuck),
        series("cilium-istio-1.21", &slow),
        series("as-published", &stuck),
        series("control", &healthy),
    ])
}

#[test]
fn startup_six_designs() {
    let figure = startup_distribution(&six_designs());
    let texts = check("startup-six", &figure);
    assert!(contains(&texts, "cilium-istio-1.21") && contains(&texts, "> 30 min"));
    assert_eq!(figure, startup_distribution(&six_designs()));
}

#[test]
fn startup_three_designs_share_a_panel() {
    let mut figure = six_designs();
    figure.series = [1, 2, 5].map(|index| figure.series[index].clone()).to_vec();
    check("startup-three", &startup_distribution(&figure));
    figure.series.truncate(1);
    figure.control = None;
    check("startup-one", &startup_distribution(&figure));
}

#[test]
fn startup_awkward() {
    let mut figure = six_designs();
    figure.horizon_s = 2400.0;
    figure.title = "A very long title that goes on ".repeat(6);
    figure.subtitle = "a subtitle that nobody will read to its end, ".repeat(9);
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
    figure.series[4].n_pods = 123_456_789;
    let texts = check("startup-awkward", &startup_distribution(&figure));
    assert!(contains(&texts, "no measured pod became ready"));
    for series in [
        vec![],
        vec![StartupSeries::default()],
        vec![StartupSeries {
            n_pods: 9,
            ..StartupSeries::default()
        }],
    ] {
        assert!(contains(
            &check("startup-empty", &startup_distribution(&startup(series))),
            "no data"
        ));
    }
}

fn row(design: &str, shares: &[(&str, f64, f64, f64)]) -> AccessRow {
    let share = |&(class, estimate, lower, upper): &(&str, f64, f64, f64)| ClassShare {
        class: class.to_owned(),
        estimate,
        lower,
        upper,
    };
    AccessRow {
        design: design.to_owned(),
        n_runs: 1000,
        shares: shares.iter().map(share).collect(),
    }
}

fn access() -> AccessFigure {
    let none = (0.0, 0.0, 0.0038);
    let all = |a: (f64, f64, f64), b: (f64, f64, f64), d: (f64, f64, f64), u: (f64, f64, f64), n: (f64, f64, f64)| {
        let named = |class: &'static str, (e, l, h): (f64, f64, f64)| (class, e, l, h);
        [
            named("unauthorized", a),
            named("network_bypassed", b),
            named("mesh_bypassed", none),
            named("denied", d),
            named("wrongly_denied", none),
            named("unreachable", u),
            named("not demonstrated", n),
        ]
    };
    let (most, few, half) = ((0.883, 0.862, 0.901), (0.021, 0.0138, 0.0319), (0.47, 0.439, 0.501));
    let nearly = (0.9962, 0.989, 0.9987);
    AccessFigure {
        title: "Accesses from reused addresses by class".to_owned(),
        subtitle: "istiod-cut-off, seed 1, 1,000 replications per design, meshfault 0.1.0".to_owned(),
        confidence: 0.95,
        rows: vec![
            row("cilium-only", &all(most, none, none, few, (0.117, 0.0985, 0.138))),
            row("istio-only", &all(none, none, half, half, half)),
            row("cilium-istio-1.14", &all(none, half, none, half, half)),
            row("cilium-istio-1.21", &all(none, most, none, few, (0.117, 0.0985, 0.138))),
            row("as-published", &all(none, nearly, none, few, (0.003, 0.001, 0.009))),
            row("control", &all(none, none, (1.0, 0.9962, 1.0), none, none)),
        ],
    }
}

#[test]
fn access_six_designs() {
    let figure = access_classes(&access());
    let texts = check("access-six", &figure);
    assert!(contains(&texts, "88.3 %") && contains(&texts, "≤ 0.38 %"));
    assert_eq!(figure, access_classes(&access()));
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
        }),
    );
    check("access-awkward", &access_classes(&figure));
    let mut one = access();
    one.rows.truncate(1);
    one.rows[0].n_runs = 1;
    one.rows[0].shares.truncate(2);
    check("access-one", &access_classes(&one));
    one.rows.clear();
    assert!(contains(&check("access-empty", &access_classes(&one)), "no data"));
}

#[test]
fn pictures_are_reproducible_and_limited() {
    let figure = access_classes(&access());
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
    let sample = "The quick brown fox: 10.244.3.9 -> sleep-v1_(7) & [42 %] @ {x}";
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
