//! Made-up data for the tests of figures: small ones for golden files, and the awkward: twelve designs with names of forty
//! characters, empty series, numbers that are not finite.

use super::super::exposure::{ExposureFigure, ExposureSeries};
use super::super::forest::{ForestFigure, ForestGroup, ForestRow};
use super::super::phases::{PhasesFigure, PhasesRow};
use super::super::*;

/// A name of forty characters, as people build them.
pub(super) fn long_name(index: usize) -> String {
    let name = format!("cilium-1.14.{index:02}-istio-1.21-wireguard-vxlan-b");
    name.chars().take(40).collect()
}

pub(super) fn words(title: &str) -> Words {
    Words {
        title: title.to_owned(),
        subtitle: "what is drawn, in one line\nmade-up, 1,000 runs per design, seed 1, meshfault 0.1.0".to_owned(),
        caption: "n, method and what was left out, in a sentence that is long enough to need a second line of the caption below \
                  the figure."
            .to_owned(),
    }
}

/// A curve through `(seconds, share)` knots, drawn as so many steps between two of them.
pub(super) fn curve(design: &str, knots: &[(f64, f64)], steps: u32) -> StartupSeries {
    let mut points = Vec::new();
    let mut band = Vec::new();
    for pair in knots.windows(2) {
        let ((t0, s0), (t1, s1)) = (pair[0], pair[1]);
        for step in 0..steps {
            let share = f64::from(step) / f64::from(steps);
            let (t, s) = (t0 + share * (t1 - t0), s0 + share * (s1 - s0));
            points.push((t, s));
            let half = 0.03 * (s * (1.0 - s) * 4.0);
            band.push((t, (s - half).max(0.0), (s + half).min(1.0)));
        }
    }
    let last = knots.last().map_or(0.0, |knot| knot.1);
    points.extend(knots.last());
    let after = |share: f64| points.iter().find(|point| point.1 >= share).map(|point| point.0);
    let ready_after_s = [0.5, 0.9, 0.99].map(after);
    let never = (1.0 - last) * 0.25;
    StartupSeries {
        control: None,
        design: design.to_owned(),
        points,
        band,
        censored: if never > 0.0 {
            vec![(1500.0, 3), (1700.0, 9)]
        } else {
            Vec::new()
        },
        ready_after_s,
        ready_share: last,
        n_pods: 15_000,
        n_runs: 1000,
        deleted_share: (1.0 - last) * 0.75,
        never_share: never,
    }
}

const HEALTHY: [(f64, f64); 5] = [(2.0, 0.0), (3.0, 0.3), (4.0, 0.7), (6.0, 0.97), (8.5, 1.0)];
const SLOW: [(f64, f64); 8] = [
    (2.2, 0.0),
    (4.0, 0.4),
    (6.0, 0.64),
    (28.0, 0.66),
    (33.0, 0.93),
    (58.0, 0.94),
    (66.0, 0.99),
    (90.0, 0.995),
];
const STUCK: [(f64, f64); 7] = [
    (2.2, 0.0),
    (4.0, 0.4),
    (6.0, 0.64),
    (20.0, 0.66),
    (45.0, 0.68),
    (1620.0, 0.69),
    (1790.0, 0.93),
];

pub(super) fn startup(mut series: Vec<StartupSeries>) -> StartupFigure {
    for of in series.iter_mut().filter(|of| of.design != "control") {
        of.control = Some("control".to_owned());
    }
    StartupFigure {
        words: words("Half of the pods are ready after 3.5 s in control, after 5.1 s in istio-only"),
        complement: words("The slowest 1% of the pods take more than 6.9 s in control"),
        horizon_s: 1800.0,
        confidence: 0.95,
        series,
    }
}

pub(super) fn six_designs(steps: u32) -> StartupFigure {
    startup(vec![
        curve("cilium-only", &HEALTHY, steps),
        curve("istio-only", &SLOW, steps),
        curve("cilium-istio-1.14", &STUCK, steps),
        curve("cilium-istio-1.21", &SLOW, steps),
        curve("as-published", &STUCK, steps),
        curve("control", &HEALTHY, steps),
    ])
}

pub(super) fn twelve_designs() -> StartupFigure {
    let curves = [&HEALTHY[..], &SLOW[..], &STUCK[..]];
    startup(
        (0..12)
            .map(|index| curve(&long_name(index), curves[index % 3], 60))
            .collect(),
    )
}

pub(super) fn row(design: &str, shares: &[(&str, f64, f64, f64)]) -> AccessRow {
    let share = |&(class, estimate, lower, upper): &(&str, f64, f64, f64)| ClassShare {
        class: class.to_owned(),
        estimate,
        lower,
        upper,
        method: "Wilson".to_owned(),
    };
    AccessRow {
        design: design.to_owned(),
        n_runs: 1000,
        shares: shares.iter().map(share).collect(),
    }
}

pub(super) fn access() -> AccessFigure {
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
        words: words("cilium-only let a client on a reused address in, against all policy, in 88.3% of the runs"),
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

fn around(estimate: f64, half: f64) -> Interval {
    Interval {
        estimate,
        lower: Some((estimate - half).max(0.0)),
        upper: Some(estimate + half),
    }
}

pub(super) fn phases(designs: &[(String, f64)]) -> PhasesFigure {
    let names = crate::cluster::phases::PHASES.map(|phase| phase.name);
    let row = |(design, certificate): &(String, f64)| {
        let means = [0.01, 0.02, 0.9, 0.4, 1.3, *certificate, 0.02, 0.6];
        let total: f64 = means.iter().sum();
        PhasesRow {
            design: design.clone(),
            n_runs: 1000,
            n_pods: 15_000,
            n_ready: if *certificate > 50.0 { 10_040 } else { 15_000 },
            means_s: means.iter().map(|mean| around(*mean, mean * 0.02)).collect(),
            total_s: around(total, total * 0.05),
        }
    };
    PhasesFigure {
        words: words("Startup is slowest in cilium-istio-1.14: 28 s on average, 88% of it certificate"),
        confidence: 0.95,
        phases: names.map(str::to_owned).to_vec(),
        rows: designs.iter().map(row).collect(),
    }
}

pub(super) fn few_phases() -> PhasesFigure {
    phases(&[
        ("cilium-only".to_owned(), 0.0),
        ("istio-only".to_owned(), 9.2),
        ("cilium-istio-1.14".to_owned(), 25.0),
        ("control".to_owned(), 0.3),
    ])
}

fn exposed(design: &str, class: &str, via: &str, none: f64, most: f64, steps: u32) -> ExposureSeries {
    let points = (1..=steps).map(|step| {
        let part = f64::from(step) / f64::from(steps);
        let above = (1.0 - none) * (1.0 - part);
        (
            2.0 + part * (most - 2.0),
            above,
            (above - 0.02).max(0.0),
            (above + 0.02).min(1.0),
        )
    });
    ExposureSeries {
        design: design.to_owned(),
        class: class.to_owned(),
        via: via.to_owned(),
        n_runs: 1000,
        none: around(none, 0.012),
        points: points.collect(),
        mean_s: around((1.0 - none) * most / 2.0, 1.0),
        median_of_any_s: most / 2.0,
        most_s: most,
    }
}

pub(super) fn exposure(designs: &[String], steps: u32) -> ExposureFigure {
    let series = designs.iter().enumerate().flat_map(|(index, design)| {
        let class = ["unauthorized", "network_bypassed", "mesh_bypassed"][index % 3];
        let none = 0.04 + 0.07 * index as f64;
        [
            exposed(design, class, "service", none + 0.05, 60.0, steps),
            exposed(design, class, "pod_ip", none, 1700.0, steps),
        ]
    });
    ExposureFigure {
        words: words("cilium-only stands open to the wrong client for 1.4 h of a run on average"),
        confidence: 0.95,
        series: series.collect(),
        without: vec![
            ("control".to_owned(), 1000, 0.003),
            ("istio-only".to_owned(), 1000, 0.003),
        ],
    }
}

fn difference(a: &str, values: Option<[f64; 3]>) -> ForestRow {
    ForestRow {
        a: a.to_owned(),
        b: "control".to_owned(),
        difference: values.map(|values| values[0]),
        lower: values.map(|values| values[1]),
        upper: values.map(|values| values[2]),
        confidence: 0.95,
        method: "paired t".to_owned(),
        pairs: 1000,
    }
}

pub(super) fn forest(names: &[String]) -> ForestFigure {
    let rows = |scale: f64| {
        let row = |(index, name): (usize, &String)| {
            let middle = (index as f64 - 1.0) * scale;
            difference(
                name,
                (index != 3).then_some([middle, middle - 0.4 * scale, middle + 0.4 * scale]),
            )
        };
        names.iter().enumerate().map(row).collect::<Vec<ForestRow>>()
    };
    let group = |measure: &str, label: &str, unit: &str, rows: Vec<ForestRow>| ForestGroup {
        measure: measure.to_owned(),
        label: label.to_owned(),
        unit: unit.to_owned(),
        rows,
    };
    let mut open = rows(12.0);
    open[0].upper = None;
    open[0].b = "another".to_owned();
    ForestFigure {
        words: words("The intervals of 7 of 9 differences between designs exclude zero"),
        groups: vec![
            group("unauthorized_any", "runs with an unauthorized access", "1", rows(0.2)),
            group(
                "startup_latency_p50",
                "startup: half of the pods are ready after",
                "s",
                open,
            ),
        ],
    }
}

pub(super) fn names(count: usize) -> Vec<String> {
    [
        "cilium-only",
        "istio-only",
        "cilium-istio-1.14",
        "cilium-istio-1.21",
        "as-published",
    ]
    .into_iter()
    .take(count)
    .map(str::to_owned)
    .collect()
}
