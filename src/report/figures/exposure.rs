//! The exposure figure: the share of runs with more exposure than so many seconds, per design.
//!
//! One panel per design with any exposure; its lines are kinds of breach (colour) and ways to the server (line style). The
//! table below states how many runs had none at all. What counts as exposure is decided by the judge.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::axis::{Axis, short_tick_label, tick_label};
use super::canvas::{Canvas, MARGIN, NORMAL, SMALL, WIDTH};
use super::chart::Frame;
use super::many;
use super::panel::{Panel, Tick};
use super::shapes::{fitted, line_sample, name};
use super::sheet::{Sheet, sheet_row};
use super::style::{Anchor, Font, Style};
use super::theme::{Marker, SeriesLook, Theme};
use super::vega::{logarithmic, nominal, share, specification, until};
use super::{Figure, Interval, Words, palette, without_data};
use crate::report::short::{count, percent, percent_interval, percent_up, seconds};

const NAME: &str = "exposure_distribution";
const LEFT: f64 = 62.0;
const RIGHT: f64 = 26.0;
/// The axis does not go below the longest exposure divided by this, however short the shortest one is.
const DECADES_MAX: f64 = 4000.0;
/// Where the axis may begin \[s\].
const ROUND_TIMES: [f64; 10] = [100.0, 60.0, 30.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1];
/// Most designs with two panels side by side; more get three.
const TWO_COLUMNS_MAX: usize = 8;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExposureFigure {
    pub words: Words,
    /// Confidence of bands and intervals, between 0 and 1.
    pub confidence: f64,
    /// One entry per design, kind and way with any exposure; designs without any have none.
    pub series: Vec<ExposureSeries>,
    /// Designs in which no run had any exposure, with their number of runs and the upper bound of the share that could have.
    pub without: Vec<(String, u64, f64)>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExposureSeries {
    pub design: String,
    /// What an attempt would have been: `unauthorized`, `network_bypassed`, `mesh_bypassed`.
    pub class: String,
    /// How the client finds the server: `service` or `pod_ip`.
    pub via: String,
    pub n_runs: u64,
    /// Share of runs without any.
    pub none: Interval,
    /// Share of runs with more than so many seconds: `(seconds, share, lower, upper)`, a step at each entry; before the
    /// first the share of runs with any.
    pub points: Vec<(f64, f64, f64, f64)>,
    /// Mean seconds per run, runs without any included.
    pub mean_s: Interval,
    /// Half of the runs with any have at most this much \[s\].
    pub median_of_any_s: f64,
    /// The most that any run had \[s\].
    pub most_s: f64,
}

impl ExposureFigure {
    /// The data as a table; the row at 0 s holds the share of runs with any.
    pub fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new("design class via exposure_s share_of_runs_above lower upper runs");
        for series in &self.series {
            let any = 1.0 - series.none.estimate;
            let bounds = [series.none.upper, series.none.lower].map(|bound| bound.map(|none| 1.0 - none));
            let first = [(0.0, any, bounds[0], bounds[1])];
            let rest = series
                .points
                .iter()
                .map(|(s, above, low, high)| (*s, *above, Some(*low), Some(*high)));
            for (seconds, above, lower, upper) in first.into_iter().chain(rest) {
                sheet.push(sheet_row![
                    &series.design,
                    &series.class,
                    &series.via,
                    seconds,
                    above,
                    lower,
                    upper,
                    series.n_runs
                ]);
            }
        }
        for (design, runs, upper) in &self.without {
            sheet.push(sheet_row![design, "any", "any", 0.0, 0.0, 0.0, *upper, *runs]);
        }
        sheet
    }

    pub fn vega(&self) -> Value {
        let designs = self.designs();
        let title = "share of runs with more exposure";
        // The row at 0 s has no place on a logarithmic axis: curves begin where the axis does.
        let from = self.axis_from().unwrap_or(1.0);
        let mut time = logarithmic("shown_s", "exposure per run [s]");
        time["scale"] = json!({ "type": "log", "nice": false, "domainMin": from });
        let classes = ["unauthorized", "network_bypassed", "mesh_bypassed"];
        let mut class = nominal("class", &classes);
        class["scale"] = json!({ "domain": classes, "range": ["#d55e00", "#e69f00", "#cc79a7"] });
        let body = json!({
            "transform": [
                { "filter": "datum.class != 'any'" },
                { "calculate": format!("max(toNumber(datum.exposure_s), {from})"), "as": "shown_s" }
            ],
            "facet": { "field": "design", "type": "nominal", "sort": designs, "title": Value::Null },
            "columns": 2,
            "spec": {
                "encoding": {
                    "x": time,
                    "color": class
                },
                "layer": [
                    {
                        "mark": { "type": "area", "interpolate": "step-after", "opacity": 0.2 },
                        "encoding": { "y": share("lower", title), "y2": until("upper"), "detail": { "field": "via" } }
                    },
                    {
                        "mark": { "type": "line", "interpolate": "step-after" },
                        "encoding": {
                            "y": share("share_of_runs_above", title),
                            "strokeDash": nominal("via", &["service", "pod_ip"])
                        }
                    }
                ],
                "width": 260,
                "height": 140
            }
        });
        specification(NAME, &self.words, body)
    }

    /// Where the axis begins \[s\]: a round time below the shortest exposure, or so many decades below the longest, but
    /// never so late that all exposure of a curve lies before it; nothing without any exposure.
    fn axis_from(&self) -> Option<f64> {
        let longest = |series: &ExposureSeries| {
            let times = series.points.iter().map(|point| point.0);
            times.filter(|time| time.is_finite()).fold(0.0, f64::max)
        };
        let times = self.series.iter().flat_map(|series| &series.points);
        let least = times
            .map(|point| point.0)
            .filter(|time| *time > 0.0 && time.is_finite())
            .fold(f64::INFINITY, f64::min);
        let most = self.series.iter().map(longest).fold(0.0, f64::max);
        if most <= 0.0 || !least.is_finite() {
            return None;
        }
        let shortest_curve = self
            .series
            .iter()
            .map(longest)
            .filter(|time| *time > 0.0)
            .fold(f64::INFINITY, f64::min);
        let fits =
            |from: &f64| *from <= least * 0.999 || (*from * DECADES_MAX <= most && *from * 2.0 <= shortest_curve);
        Some(ROUND_TIMES.into_iter().find(fits).unwrap_or(0.05))
    }

    fn designs(&self) -> Vec<&str> {
        let mut designs: Vec<&str> = Vec::new();
        for series in &self.series {
            if designs.last() != Some(&series.design.as_str()) {
                designs.push(&series.design);
            }
        }
        designs
    }
}

/// Colour by kind, line style by way; in print the style alone tells them apart.
fn look(series: &ExposureSeries, theme: Theme) -> SeriesLook {
    let kind = match series.class.as_str() {
        "unauthorized" => 0,
        "network_bypassed" => 1,
        _ => 2,
    };
    let by_ip = series.via == "pod_ip";
    let dash = match (theme.is_print(), by_ip) {
        (true, _) => theme.series(kind * 2 + usize::from(by_ip)).dash,
        (false, true) => &[6.0, 3.0],
        (false, false) => &[],
    };
    SeriesLook {
        colour: match theme.is_print() {
            true => palette::INK,
            false => palette::access_class(&series.class),
        },
        dash,
        marker: Marker::Circle,
        ..theme.series(0)
    }
}

fn kind_in_words(series: &ExposureSeries) -> String {
    let class = series.class.replace('_', " ");
    match series.via.as_str() {
        "pod_ip" => format!("{class}, by pod IP"),
        _ => format!("{class}, through the Service"),
    }
}

/// Draws the distribution of exposure per design; of very many designs some (`many`), on the axis of all.
pub fn exposure_distribution(figure: &ExposureFigure, theme: Theme) -> Figure {
    let words = &figure.words;
    let times = || {
        figure
            .series
            .iter()
            .flat_map(|series| &series.points)
            .map(|point| point.0)
    };
    let most = times().filter(|time| time.is_finite()).fold(0.0, f64::max);
    let Some(from) = figure.axis_from() else {
        let reason = "no run of any design was exposed";
        return without_data(NAME, &words.title, &words.subtitle, reason, theme);
    };
    let time = Axis::logarithmic(from, (most * 1.05).max(from * 4.0));
    let drawn = of_many(figure);
    let (figure, words) = (&drawn, &drawn.words);
    let mut canvas = Canvas::new(theme);
    let top = canvas.heading(&words.title, &words.subtitle);
    canvas.text(
        "share of runs with more exposure",
        [MARGIN, top + 20.0],
        Font::regular(SMALL, palette::INK),
    );
    let bottom = panels(&mut canvas, figure, &time, top + 24.0);
    let middle = [(LEFT + WIDTH - RIGHT) / 2.0, bottom + 36.0];
    let font = Font::regular(SMALL, palette::INK).anchored(Anchor::Middle);
    canvas.text("exposure of a run (logarithmic)", middle, font);
    let y = table(&mut canvas, figure, bottom + 66.0);
    let end = canvas.caption(&words.caption, y);
    canvas.figure(NAME, end, &words.title)
}

/// The same with the designs that are drawn, those with any exposure before those without, and a caption that says how many
/// are not.
fn of_many(figure: &ExposureFigure) -> ExposureFigure {
    let mut names = figure.designs();
    names.extend(figure.without.iter().map(|(design, ..)| design.as_str()));
    let drawn = many::drawn(&names, &[]);
    let mut shown = figure.clone();
    shown.series.retain(|series| drawn.contains(&series.design.as_str()));
    shown.without.retain(|(design, ..)| drawn.contains(&design.as_str()));
    shown.words.caption = many::told(&shown.words.caption, names.len(), drawn.len());
    shown
}

/// A panel per design; returns the lower edge of the last row.
fn panels(canvas: &mut Canvas, figure: &ExposureFigure, time: &Axis, top: f64) -> f64 {
    let designs = figure.designs();
    let (columns, height, gap) = match designs.len() {
        1 => (1, 220.0, 0.0),
        count if count <= TWO_COLUMNS_MAX => (2, 132.0, 38.0),
        _ => (3, 108.0, 24.0),
    };
    let width = (WIDTH - LEFT - RIGHT - gap * (columns - 1) as f64) / columns as f64;
    let title = Font::bold(NORMAL, palette::INK);
    let lines = designs
        .iter()
        .map(|design| fitted(design, width, 2, title).1)
        .max()
        .unwrap_or(1);
    let head = if lines > 1 { 44.0 } else { 30.0 };
    for (index, design) in designs.iter().enumerate() {
        let left = LEFT + (index % columns) as f64 * (width + gap);
        let panel_top = top + head + (index / columns) as f64 * (height + head);
        let first = index % columns == 0;
        let panel = Panel {
            frame: Frame {
                left,
                right: left + width,
                top: panel_top,
                bottom: panel_top + height,
                left_labels: if first { LEFT } else { 1.0 },
                bottom_labels: if index + columns >= designs.len() { 22.0 } else { 0.0 },
            },
            x: time.clone(),
            y: Axis::linear(0.0, 1.0),
        };
        let label = if width < 400.0 { short_tick_label } else { tick_label };
        let times: Vec<Tick> = time.round_times().into_iter().map(|time| (time, label(time))).collect();
        let shares: Vec<Tick> = [0.0, 0.25, 0.5, 0.75, 1.0]
            .map(|share| {
                (
                    share,
                    if first {
                        format!("{:.0}%", share * 100.0)
                    } else {
                        String::new()
                    },
                )
            })
            .to_vec();
        panel.draw_axes(canvas, &times, &shares, [left - 20.0, left + width + RIGHT - 2.0], "");
        let own = || figure.series.iter().filter(|series| series.design == *design);
        for series in own() {
            let look = look(series, canvas.theme);
            let bound = |start: f64, of: fn(&(f64, f64, f64, f64)) -> f64| {
                panel.edge(start, series.points.iter().map(|point| (point.0, of(point))))
            };
            let start = |none: Option<f64>| 1.0 - none.unwrap_or(series.none.estimate);
            let lower = bound(start(series.none.upper), |point| point.2);
            let upper = bound(start(series.none.lower), |point| point.3);
            panel.band(canvas, lower, upper, look);
        }
        for series in own() {
            let points = series.points.iter().map(|point| (point.0, point.1));
            let corners = panel.steps(1.0 - series.none.estimate, points);
            panel.curve(canvas, &corners, look(series, canvas.theme), 2.0);
        }
        name(
            canvas,
            design,
            [left, panel_top - 6.0 - (head - 16.0) / 2.0],
            width,
            2,
            title,
        );
    }
    top + head + (designs.len().div_ceil(columns) - 1) as f64 * (height + head) + height
}

/// The legend with the shares of runs without exposure; returns the lower edge.
fn table(canvas: &mut Canvas, figure: &ExposureFigure, top: f64) -> f64 {
    const COLUMNS: [f64; 5] = [366.0, 522.0, 584.0, 642.0, WIDTH - MARGIN];
    let right = |colour| Font::regular(SMALL, colour).anchored(Anchor::End);
    let heads = [
        ["", "runs"],
        ["runs without any", "[interval]"],
        ["mean of", "all runs"],
        ["median", "of any"],
        ["longest", ""],
    ];
    for (head, x) in heads.iter().zip(COLUMNS) {
        canvas.text(head[0], [x, top], right(palette::GREY));
        canvas.text(head[1], [x, top + 15.0], right(palette::GREY));
    }
    let grey = Font::regular(SMALL, palette::GREY);
    canvas.text("design and what an attempt would have been", [MARGIN, top + 15.0], grey);
    let mut y = top + 23.0;
    let rule = Style::stroke(palette::RULE, 1.0);
    let font = Font::regular(SMALL, palette::INK);
    for design in figure.designs() {
        canvas.line([MARGIN, y], [WIDTH - MARGIN, y], rule);
        canvas.text_within(
            design,
            [MARGIN, y + 15.0],
            COLUMNS[0] - MARGIN - 50.0,
            Font::bold(SMALL, palette::INK),
        );
        y += 20.0;
        for series in figure.series.iter().filter(|series| series.design == design) {
            line_sample(
                canvas,
                [MARGIN + 10.0, y + 7.0],
                26.0,
                look(series, canvas.theme),
                true,
                false,
            );
            canvas.text_within(
                &kind_in_words(series),
                [MARGIN + 44.0, y + 11.0],
                COLUMNS[0] - 112.0,
                font,
            );
            let none = percent(series.none.estimate);
            let interval = match (series.none.lower, series.none.upper) {
                (Some(lower), Some(upper)) => format!(" {}", percent_interval(lower, upper)),
                _ => String::new(),
            };
            let cells = [
                count(series.n_runs),
                format!("{none}{interval}"),
                seconds(series.mean_s.estimate),
                seconds(series.median_of_any_s),
                seconds(series.most_s),
            ];
            for (cell, x) in cells.iter().zip(COLUMNS) {
                canvas.text(cell, [x, y + 11.0], right(palette::INK));
            }
            y += 18.0;
        }
        y += 2.0;
    }
    for (design, runs, upper) in &figure.without {
        canvas.line([MARGIN, y], [WIDTH - MARGIN, y], rule);
        canvas.text_within(
            design,
            [MARGIN, y + 15.0],
            COLUMNS[0] - MARGIN - 50.0,
            Font::bold(SMALL, palette::INK),
        );
        canvas.text(&count(*runs), [COLUMNS[0], y + 15.0], right(palette::INK));
        let text = format!("no exposure in any run (at most {} of runs)", percent_up(*upper));
        canvas.text(&text, [WIDTH - MARGIN, y + 15.0], right(palette::GREY));
        y += 22.0;
    }
    canvas.line([MARGIN, y], [WIDTH - MARGIN, y], rule);
    y + 8.0
}
