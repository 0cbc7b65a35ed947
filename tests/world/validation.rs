//! The validation page: what was measured on real components beside what is simulated of the same settings.
//!
//! `UPDATE_DOCUMENTS=1 cargo test --test world validation` writes `docs/validation.md` and its figure from the rows in
//! `validation/`; without it the test checks that they are what this version gives. Nothing is tuned to pass: a setting outside its
//! limit is listed as outside.

use std::fmt::Write;
use std::path::Path;

use meshfault::cluster::faults::cut::CutMode;

use crate::measured_starts::{BOTH, STARTS, Start, delays, lab_healed, simulated_with};
use crate::support::{binomial_p, ks_distance, quantile};
use crate::{api_servers, kubelet_start, repairs, webhook};

/// A setting that was measured and simulated: seconds, infinite for what had not come by the end.
struct Setting {
    name: String,
    measured: Vec<f64>,
    simulated: Vec<f64>,
    /// Kolmogorov's distance and the most that chance explains.
    distances: Vec<(&'static str, f64, f64)>,
    cap_s: f64,
}

fn number(value: f64, cap_s: f64) -> String {
    if value.is_finite() {
        format!("{value:.1}")
    } else {
        format!("> {cap_s:.0}")
    }
}

fn quantiles(values: &[f64], cap_s: f64) -> String {
    let mut sorted = values.to_vec();
    let shown = [0.5, 0.75, 0.9, 1.0].map(|share| number(quantile(&mut sorted, share), cap_s));
    shown.join(" / ")
}

impl Setting {
    fn inside(&self) -> bool {
        self.distances.iter().all(|(_, distance, most)| distance <= most)
    }

    fn row(&self) -> String {
        let distances: Vec<String> = self
            .distances
            .iter()
            .map(|(what, distance, most)| format!("{what} {distance:.3} (≤ {most:.3})"))
            .collect();
        format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            self.name,
            self.measured.len(),
            quantiles(&self.measured, self.cap_s),
            quantiles(&self.simulated, self.cap_s),
            distances.join(", "),
            if self.inside() { "inside" } else { "**outside**" },
        )
    }
}

const HEAD: &str = "| setting | measured | p50 / p75 / p90 / max measured (s) | simulated (s) | distance | |\n|---|--:|---|---|---|---|\n";

fn limit(count: usize, more: f64) -> f64 {
    1.36 / (count as f64).sqrt() + more
}

/// Certificates and readiness of sidecars with one Istiod of three in trouble.
fn starts() -> Vec<Setting> {
    let mut settings = Vec::new();
    for istio in ["1.14.3", "1.21.0"] {
        let healthy = simulated_with(istio, "none", &[], 150.0, 5, |_| {});
        let seen_healthy = lab_healed(STARTS, istio, "none", None);
        for (fault, heal_s, what) in [
            ("api-drop", None, "loses the API server"),
            ("api-drop", Some(10.0), "loses the API server for 10 s"),
            ("api-drop", Some(40.0), "loses the API server for 40 s"),
            ("istiod-drop", None, "cannot be reached"),
        ] {
            let starts = simulated_with(istio, fault, &[], 150.0, 60, |world| {
                world.faults[0].when.duration = heal_s.map(meshfault::kernel::SimDuration::from_secs_f64);
            });
            let seen = lab_healed(STARTS, istio, fault, heal_s);
            for (of, get) in BOTH {
                let (here, there) = (delays(&starts, &healthy, get), delays(&seen, &seen_healthy, get));
                let late = |all: &[f64]| -> Vec<f64> { all.iter().copied().filter(|delay| *delay > 0.0).collect() };
                let (late_here, late_there) = (late(&here), late(&there));
                let values = |starts: &[Start]| starts.iter().map(get).collect();
                settings.push(Setting {
                    name: format!("Istio {istio}, one Istiod {what}: {of}"),
                    distances: vec![
                        ("all", ks_distance(&here, &there), limit(there.len(), 0.05)),
                        (
                            "late",
                            ks_distance(&late_here, &late_there),
                            limit(late_there.len(), 0.1),
                        ),
                    ],
                    measured: values(&seen),
                    simulated: values(&starts),
                    cap_s: 150.0,
                });
            }
        }
    }
    settings
}

fn kubelets() -> Vec<Setting> {
    let mut settings = Vec::new();
    for batch in kubelet_start::SETTINGS {
        for (limits, qps, burst) in [(&kubelet_start::SLOW, "5", 10), (&kubelet_start::FAST, "50", 100)] {
            let found = kubelet_start::compare(batch, limits, qps);
            let pods = if batch.meshed { "meshed" } else { "plain" };
            let kind = if batch.exchange {
                "in exchange for 15 others"
            } else {
                "fresh"
            };
            settings.push(Setting {
                name: format!("15 {pods} pods, {kind}, {qps}/s and burst {burst}: Ready"),
                distances: vec![(
                    "all",
                    ks_distance(&found.simulated, &found.measured),
                    limit(found.measured.len(), 0.1),
                )],
                measured: found.measured,
                simulated: found.simulated,
                cap_s: 400.0,
            });
        }
    }
    settings
}

fn servers() -> Vec<Setting> {
    let one = |mode, rows, what: &str| {
        let (measured, (mut simulated, _)) = (api_servers::measured(rows), api_servers::current_after(mode, 3));
        simulated.iter_mut().for_each(|time| *time = time.max(1.0));
        Setting {
            name: format!("One of three API servers {what}: its clients are current"),
            distances: vec![("all", ks_distance(&simulated, &measured), limit(measured.len(), 0.1))],
            measured,
            simulated,
            cap_s: 300.0,
        }
    };
    vec![
        one(CutMode::Drop, "drop", "cannot be reached by its clients"),
        one(CutMode::Reject, "kill", "is killed"),
    ]
}

fn readers() -> String {
    let mut text = String::from(
        "| cut (s) | measured, three rounds (s) | simulated: least, median, most (s) | |\n|--:|---|---|---|\n",
    );
    for (cut_s, seen) in repairs::measured() {
        let mut here = repairs::current_after(CutMode::Drop, f64::from(cut_s), &[]);
        let [least, p50, most] = [0.0, 0.5, 1.0].map(|share| quantile(&mut here, share));
        // The measured times contain the work of the Istiod and of the look that saw the Service.
        let inside = seen.iter().all(|known| (least - 0.1..=most + 1.2).contains(known));
        let seen: Vec<String> = seen.iter().map(|known| format!("{known:.1}")).collect();
        let verdict = if inside { "inside" } else { "**outside**" };
        let _ = writeln!(
            text,
            "| {cut_s} | {} | {least:.1}, {p50:.1}, {most:.1} | {verdict} |",
            seen.join(", ")
        );
    }
    text
}

fn webhooks() -> String {
    let mut text =
        String::from("| handler takes | batch | measured | simulated | two-sided p |\n|--:|---|--:|--:|--:|\n");
    for handler_ms in [0, 20] {
        let seen = webhook::lab_batches(handler_ms);
        let latency = format!("{}ms", handler_ms.max(1));
        let here = webhook::simulated(&latency, CutMode::Drop);
        for (kind, words) in webhook::KINDS
            .iter()
            .zip(["late as a whole", "late from a later batch on", "not late"])
        {
            let hits = (webhook::share(&seen, *kind) * seen.len() as f64).round() as usize;
            let share = webhook::share(&here, *kind);
            let p = binomial_p(hits, seen.len(), share);
            let of = seen.len();
            let _ = writeln!(
                text,
                "| {handler_ms} ms | {words} | {hits} of {of} | {:.1}% | {p:.2} |",
                share * 100.0
            );
        }
    }
    text
}

/// Shares of what has come by a time, on a logarithmic axis: measured in grey, simulated in blue, a panel per setting.
fn figure(settings: &[Setting]) -> String {
    const COLUMNS: usize = 2;
    const PANEL: [f64; 2] = [460.0, 170.0];
    const PLOT: [f64; 2] = [380.0, 95.0];
    let rows = settings.len().div_ceil(COLUMNS);
    let (width, height) = (PANEL[0] * COLUMNS as f64, PANEL[1] * rows as f64 + 40.0);
    let (from, to): (f64, f64) = (1.0, 200.0);
    let x = |seconds: f64| PLOT[0] * libm::log(seconds.clamp(from, to) / from) / libm::log(to / from);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>Measured and simulated times</title>\n<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <g fill=\"none\" stroke-width=\"5\"><path stroke=\"#bbb\" d=\"M40 18H70\"/><path stroke=\"#0b5fa5\" stroke-width=\"1.6\" d=\"M180 18H210\"/></g>\n\
         <text x=\"76\" y=\"22\">measured</text><text x=\"216\" y=\"22\">simulated: share of the pods that had it after so many seconds</text>\n"
    );
    for (place, setting) in settings.iter().enumerate() {
        let (left, top) = (
            PANEL[0] * (place % COLUMNS) as f64 + 40.0,
            PANEL[1] * (place / COLUMNS) as f64 + 70.0,
        );
        let _ = writeln!(
            svg,
            "<g transform=\"translate({left} {top})\"><text y=\"-10\" font-size=\"11.5\">{}</text>",
            setting.name
        );
        for tick in [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0] {
            let at = x(tick);
            let _ = writeln!(
                svg,
                "<path stroke=\"#e4e4e4\" d=\"M{at:.1} 0V{}\"/><text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\" font-size=\"11\">{tick}</text>",
                PLOT[1],
                PLOT[1] + 15.0
            );
        }
        for (share, label) in [(0.0, "0"), (0.5, "50%"), (1.0, "100%")] {
            let at = PLOT[1] * (1.0 - share);
            let _ = writeln!(
                svg,
                "<path stroke=\"#e4e4e4\" d=\"M0 {at:.1}H{}\"/><text x=\"-4\" y=\"{:.1}\" text-anchor=\"end\" font-size=\"11\">{label}</text>",
                PLOT[0],
                at + 4.0
            );
        }
        for (values, stroke, thick) in [(&setting.measured, "#bbb", 5.0), (&setting.simulated, "#0b5fa5", 1.6)] {
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let mut path = format!("M0 {}", PLOT[1]);
            let mut last = String::new();
            for (come, value) in sorted.iter().enumerate().filter(|(_, value)| value.is_finite()) {
                let share = (come + 1) as f64 / sorted.len() as f64;
                let step = format!("H{:.1}V{:.1}", x(*value), PLOT[1] * (1.0 - share));
                if step != last {
                    path.push_str(&step);
                    last = step;
                }
            }
            let _ = writeln!(
                svg,
                "<path fill=\"none\" stroke=\"{stroke}\" stroke-width=\"{thick}\" d=\"{path}H{}\"/>",
                PLOT[0]
            );
        }
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

fn page() -> (String, String) {
    let (starts, kubelets, servers) = (starts(), kubelets(), servers());
    let table = |settings: &[Setting]| {
        let rows: String = settings.iter().map(Setting::row).collect();
        format!("{HEAD}{rows}")
    };
    let all = || starts.iter().chain(&kubelets).chain(&servers);
    let outside = all().filter(|setting| !setting.inside()).count();
    let text = format!(
        "# Validation\n\n\
         Why believe a simulation? Because the same settings were run on real components: unmodified kubelets, API servers, Istiods, agents and Envoys, measured by this project. \
         The rows are in `validation/` with their conditions; [Measurements](model/measurements.md) describes each setup.\n\n\
         `UPDATE_DOCUMENTS=1 cargo test --test world validation` simulates every setting and writes this page. A test checks that the page is current. \
         Parameters are those of `models/`, except for what describes the measured machine (`tests/world/`). Nothing is tuned to pass.\n\n\
         {} of {} settings of sidecars, kubelets and API servers lie inside their limits; readers and webhooks have their own tables.\n\n\
         The distance is that of Kolmogorov and Smirnov between measured and simulated values. Its limit is what chance explains at the 5% level, 1.36/√n, and 0.1 for the model. \
         For sidecars the values are delays beyond the median of healthy starts; delays below 3 s count as none, as noise of the machine. There the limit for all starts has 0.05 instead of 0.1, and the late \
         starts are compared alone, too. Where about half of the starts are late, the median jumps between two groups: compare the curves.\n\n\
         ![Distributions, measured and simulated](validation/starts.svg)\n\n\
         ## Sidecars while one of three Istiods is in trouble\n\n{}\n\
         Outside: both runs of 1.21.0 with a cut of 40 s had heard nothing for 8 s when the cut began, so their connections were closed at 37 s; simulated ages of the last frame are \
         mostly below 1 s. With that age the distances are inside (`tests/world/measured_starts.rs`).\n\n\
         ## Readers after a cut\n\nSeconds from the start of a cut until an Istiod has a Service that was created at 1 s. A row is inside if each measured time lies between the least simulated one and the largest, with 1.2 s for the work of the Istiod.\n\n{}\n\
         Outside: one reader of 36 was current 46 s after its repair. The model has no explanation.\n\n\
         ## One of three API servers is lost\n\n{}\n\
         Outside: the measured times contain some 0.3 s of work of the Istiod, and the clients of the server that could not be reached had been silent for longer than simulated ones.\n\n\
         ## The kubelet's API limit\n\n{}\n\
         Outside: pods that start in exchange for others become Ready 0.5 to 3 s earlier than measured, because what the old pods cost the kubelet is simplified; fresh meshed pods at 50/s are 0.4 s early.\n\n\
         ## The injection webhook with one backend cut off\n\n{}\n\
         ## Renewal while no Istiod reaches the API server\n\nFailures, certificates after the repair and the renewal after them are compared in `tests/world/renewal.rs` (`validation/istio-renewal.csv`).\n",
        all().count() - outside,
        all().count(),
        table(&starts),
        readers(),
        table(&servers),
        table(&kubelets),
        webhooks(),
    );
    (text, figure(&starts))
}

#[test]
fn the_validation_page_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let (text, svg) = page();
    for (path, made) in [("validation.md", &text), ("validation/starts.svg", &svg)] {
        let path = root.join(path);
        let held = std::fs::read_to_string(&path).unwrap_or_default();
        if held != *made && std::env::var_os("UPDATE_DOCUMENTS").is_some() {
            std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the folder can be made");
            std::fs::write(&path, made).expect("the page can be written");
        } else {
            assert!(held == *made, "write {} with UPDATE_DOCUMENTS=1", path.display());
        }
    }
}
