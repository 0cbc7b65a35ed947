//! The phases figure: of what the startup of a pod consists, per design, as a bar of seconds and as a bar of shares.
//!
//! Phases are a partition of the critical path, so their means add up to the mean startup of the same pods. The left bar
//! has one axis for all designs; where one design dwarfs the others, the right one still shows what theirs is made of.

use plotters::style::RGBColor;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::axis::Axis;
use super::canvas::{Canvas, MARGIN, NORMAL, SMALL, TINY, WIDTH};
use super::chart::Frame;
use super::panel::{Panel, round_ticks};
use super::shapes::{Hatch, fitted, hatched, name, whisker};
use super::sheet::{Sheet, sheet_row};
use super::style::{Anchor, Font, Style};
use super::theme::Theme;
use super::vega::{nominal, number, specification, until};
use super::{Figure, Interval, Words, palette, without_data};
use crate::report::short::{count, percent, seconds as written};

const NAME: &str = "startup_phases";
const GUTTER: f64 = 152.0;
const SECONDS: f64 = 256.0;
/// Between the two bars: the mean in words.
const BETWEEN: f64 = 62.0;
/// Height of a row, and of one whose name needs two lines.
const ROW: f64 = 44.0;
const ROW_OF_TWO: f64 = 56.0;
/// Narrower pieces of a bar have no outline, which would hide them.
const OUTLINED_FROM: f64 = 2.5;
const BAR: f64 = 20.0;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PhasesFigure {
    pub words: Words,
    /// Confidence of the intervals, between 0 and 1.
    pub confidence: f64,
    /// Names of the phases in the order of the critical path.
    pub phases: Vec<String>,
    /// One entry per design, in the order of the experiment.
    pub rows: Vec<PhasesRow>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PhasesRow {
    pub design: String,
    pub n_runs: u64,
    pub n_pods: u64,
    /// Those of them that became ready; the means are theirs.
    pub n_ready: u64,
    /// Mean seconds of each phase, in the order of the figure's phases.
    pub means_s: Vec<Interval>,
    pub total_s: Interval,
}

impl PhasesFigure {
    pub fn sheet(&self) -> Sheet {
        let mut sheet =
            Sheet::new("design phase order mean_s lower_s upper_s confidence pods_ready pods_measured runs");
        for row in &self.rows {
            let parts = self.phases.iter().map(String::as_str).zip(&row.means_s);
            for (order, (phase, mean)) in parts.chain([("all", &row.total_s)]).enumerate() {
                sheet.push(sheet_row![
                    &row.design,
                    phase,
                    order as u64,
                    mean.estimate,
                    mean.lower,
                    mean.upper,
                    self.confidence,
                    row.n_ready,
                    row.n_pods,
                    row.n_runs
                ]);
            }
        }
        sheet
    }

    pub fn vega(&self) -> Value {
        let designs: Vec<&str> = self.rows.iter().map(|row| row.design.as_str()).collect();
        let phases: Vec<&str> = self.phases.iter().map(String::as_str).collect();
        let mean = "mean seconds of pods that became ready";
        let body = json!({
            "encoding": { "y": nominal("design", &designs) },
            "layer": [
                {
                    "transform": [{ "filter": "datum.phase != 'all'" }],
                    "mark": "bar",
                    "encoding": {
                        "x": number("mean_s", mean),
                        "color": {
                            "field": "phase", "type": "nominal", "sort": phases,
                            "scale": { "domain": phases, "range": COLOURS }
                        },
                        "order": { "field": "order" },
                        "tooltip": [{ "field": "phase" }, { "field": "mean_s" }, { "field": "lower_s" }, { "field": "upper_s" }]
                    }
                },
                {
                    "transform": [{ "filter": "datum.phase == 'all' && isValid(toNumber(datum.lower_s))" }],
                    "mark": { "type": "rule", "strokeWidth": 2 },
                    "encoding": { "x": number("lower_s", mean), "x2": until("upper_s") }
                }
            ],
            "width": 480
        });
        specification(NAME, &self.words, body)
    }
}

/// Colours of phases in specifications; the same as [`paint`].
const COLOURS: [&str; 8] = [
    "#222222", "#8a8a8a", "#f0e442", "#cc79a7", "#009e73", "#d55e00", "#0072b2", "#56b4e9",
];

/// Colour of the `index`-th phase, and its hatching where there is no colour.
fn paint(index: usize) -> (RGBColor, Hatch) {
    const PAINT: [(RGBColor, Hatch); 8] = [
        (palette::INK, Hatch::Black),
        (palette::CONTROL, Hatch::Dark),
        (palette::YELLOW, Hatch::Upright),
        (palette::PURPLE, Hatch::Light),
        (palette::GREEN, Hatch::Rising),
        (palette::VERMILLION, Hatch::Crossed),
        (palette::BLUE, Hatch::Falling),
        (palette::SKY, Hatch::Empty),
    ];
    PAINT[index % PAINT.len()]
}

pub fn startup_phases(figure: &PhasesFigure, theme: Theme) -> Figure {
    let words = &figure.words;
    let longest = figure
        .rows
        .iter()
        .map(|row| row.total_s.upper.unwrap_or(0.0).max(row.total_s.estimate))
        .filter(|value| value.is_finite())
        .fold(0.0, f64::max);
    if longest <= 0.0 {
        return without_data(
            NAME,
            &words.title,
            &words.subtitle,
            "no measured pod became ready",
            theme,
        );
    }
    let mut canvas = Canvas::new(theme);
    let top = canvas.heading(&words.title, &words.subtitle);
    let top = legend(&mut canvas, figure, top + 18.0) + 12.0;
    let two = figure
        .rows
        .iter()
        .any(|row| fitted(&row.design, GUTTER - 10.0, 2, Font::bold(NORMAL, palette::INK)).1 > 1);
    let height = if two { ROW_OF_TWO } else { ROW };
    let bottom = top + figure.rows.len() as f64 * height + 6.0;
    let left = MARGIN + GUTTER;
    let seconds = panel([left, left + SECONDS], [top, bottom], Axis::linear(0.0, longest * 1.02));
    let shares = panel(
        [left + SECONDS + BETWEEN, WIDTH - MARGIN - 16.0],
        [top, bottom],
        Axis::linear(0.0, 1.0),
    );
    let ticks = round_ticks(0.0, longest * 1.02, 5.0, |value| format!("{value} s"));
    let limits = [left - 20.0, seconds.frame.right + 24.0];
    seconds.draw_axes(&mut canvas, &ticks, &[], limits, "mean time of pods that became ready");
    let ticks: Vec<(f64, String)> = [0.0, 0.5, 1.0, 0.25, 0.75]
        .map(|share| (share, format!("{:.0}%", share * 100.0)))
        .to_vec();
    let limits = [shares.frame.left - 16.0, WIDTH - 2.0];
    shares.draw_axes(&mut canvas, &ticks, &[], limits, "share of that time");
    for (index, row) in figure.rows.iter().enumerate() {
        draw_row(
            &mut canvas,
            figure,
            row,
            [&seconds, &shares],
            top + (index as f64 + 0.5) * height + 2.0,
        );
    }
    let end = canvas.caption(&words.caption, bottom + 50.0);
    canvas.figure(NAME, end, &words.title)
}

fn panel([left, right]: [f64; 2], [top, bottom]: [f64; 2], x: Axis) -> Panel {
    Panel {
        frame: Frame {
            left,
            right,
            top,
            bottom,
            left_labels: 0.0,
            bottom_labels: 37.0,
        },
        x,
        y: Axis::linear(0.0, 1.0),
    }
}

/// A sample and a name for each phase; returns the lower edge.
fn legend(canvas: &mut Canvas, figure: &PhasesFigure, top: f64) -> f64 {
    let font = Font::regular(TINY, palette::INK);
    let (mut x, mut y) = (MARGIN, top);
    for (index, phase) in figure.phases.iter().enumerate() {
        let width = 16.0 + 4.0 + font.width(phase);
        if x + width > WIDTH - MARGIN {
            x = MARGIN;
            y += 19.0;
        }
        part(canvas, [x, y - 10.0], [16.0, 12.0], index);
        canvas.text(phase, [x + 20.0, y], font);
        x += width + 10.0;
    }
    y
}

fn part(canvas: &mut Canvas, at: [f64; 2], size: [f64; 2], index: usize) {
    let (colour, hatch) = paint(index);
    if canvas.theme.is_print() {
        hatched(canvas, at, size, hatch);
    } else {
        let fill = Style::fill(colour);
        let style = if size[0] < OUTLINED_FROM {
            fill
        } else {
            fill.outlined(palette::WHITE, 0.8)
        };
        canvas.rect(at, size, 0.0, style);
    }
}

/// Name, both bars and the mean in words.
fn draw_row(canvas: &mut Canvas, figure: &PhasesFigure, row: &PhasesRow, [seconds, shares]: [&Panel; 2], middle: f64) {
    let font = Font::bold(NORMAL, palette::INK);
    let height = name(canvas, &row.design, [MARGIN, middle - 6.0], GUTTER - 10.0, 2, font);
    let small = Font::regular(TINY, palette::GREY);
    let pods = format!("{} pods", count(row.n_ready));
    let both = format!("{pods}, {} runs", count(row.n_runs));
    // The subtitle has the number of runs; a number that is cut is of no use.
    let ready = if small.width(&both) <= GUTTER - 10.0 {
        both
    } else {
        pods
    };
    let below = middle - 6.0 + height / 2.0 + 11.0;
    canvas.text_within(&ready, [MARGIN, below], GUTTER - 10.0, small);
    if row.n_ready == 0 || !row.total_s.estimate.is_finite() || row.total_s.estimate <= 0.0 {
        canvas.text(
            "no measured pod became ready",
            [seconds.frame.left + 6.0, middle + 4.0],
            small,
        );
        return;
    }
    let total = row.total_s.estimate;
    for (panel, scale) in [(seconds, 1.0), (shares, 1.0 / total)] {
        let mut before = 0.0;
        for (index, mean) in row.means_s.iter().enumerate().filter(|(_, mean)| mean.estimate > 0.0) {
            let [from, to] = [before, before + mean.estimate].map(|value| panel.at(value * scale, 0.0)[0]);
            before += mean.estimate;
            if to - from < 0.1 {
                continue;
            }
            let phase = figure.phases.get(index).map_or("", String::as_str);
            let interval = match (mean.lower, mean.upper) {
                (Some(lower), Some(upper)) => format!(" [{lower:.3}, {upper:.3}]"),
                _ => String::new(),
            };
            let tip = format!(
                "{phase}: {:.3} s{interval}, {} of the start",
                mean.estimate,
                percent(mean.estimate / total)
            );
            canvas.tooltip(&tip, |canvas| {
                part(canvas, [from, middle - BAR / 2.0], [to - from, BAR], index);
                inside(canvas, panel, scale, mean.estimate, [from, to], middle);
            });
        }
    }
    let bounds = [row.total_s.lower, row.total_s.upper].map(|bound| bound.map(|value| seconds.at(value, 0.0)[0]));
    if bounds.iter().all(Option::is_some) {
        let edges = [seconds.frame.left, seconds.frame.right];
        whisker(canvas, bounds, edges, middle + BAR / 2.0 + 5.5, palette::INK);
    }
    let font = Font::bold(SMALL, palette::INK).anchored(Anchor::End);
    canvas.text(&written(total), [shares.frame.left - 7.0, middle + 4.0], font);
}

/// A text on the bar of shares where it finds room: the share of the phase.
fn inside(canvas: &mut Canvas, panel: &Panel, scale: f64, mean: f64, [from, to]: [f64; 2], middle: f64) {
    let text = format!("{:.0}%", mean * scale * 100.0);
    let font = Font::regular(TINY, palette::INK).anchored(Anchor::Middle);
    let width = font.width(&text) + 4.0;
    if scale == 1.0 || to - from < width + 6.0 || panel.frame.right - panel.frame.left <= 0.0 {
        return;
    }
    let x = (from + to) / 2.0;
    canvas.rect(
        [x - width / 2.0, middle - 6.5],
        [width, 13.0],
        2.0,
        Style::fill(palette::WHITE),
    );
    canvas.text(&text, [x, middle + 3.8], font);
}
