//! Curves over a factor: an estimate with its interval at each level, a line per design, a panel per measure.
//!
//! Levels that are numbers of one unit are on a numeric axis, others side by side. Which measures and which levels are
//! shown is decided by `result_figures`.

use super::axis::{Axis, LinearScale};
use super::canvas::{Canvas, MARGIN, NORMAL, TINY, WIDTH};
use super::chart::Frame;
pub use super::factor_data::{FactorCurvesFigure, FactorLine, FactorPanel, FactorPoint, Level};
use super::panel::{Panel, Tick, decades, round_ticks};
use super::shapes::{fitted, line_sample, marker, name};
use super::style::{Font, Style};
use super::theme::{SeriesLook, Theme};
use super::{Figure, palette, without_data};
use crate::report::short::{number, percent, seconds};

pub(super) const NAME: &str = "factor_curves";
const LEFT: f64 = 70.0;
const RIGHT: f64 = 26.0;
const HEIGHT: f64 = 176.0;
/// Most lines of a figure; the others are in the table alone.
const LINES_MAX: usize = 12;
/// A numeric axis whose last level is more than so many times the first is logarithmic.
const LOGARITHMIC_FROM: f64 = 20.0;

struct LevelAxis {
    axis: Axis,
    at: Vec<f64>,
}

impl LevelAxis {
    fn of(levels: &[Level]) -> Self {
        let sizes: Vec<f64> = levels.iter().filter_map(|level| level.size).collect();
        let (low, high) = sizes.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), size| {
            (low.min(*size), high.max(*size))
        });
        let numeric = sizes.len() == levels.len() && levels.len() > 1 && high > low;
        if numeric && low > 0.0 && high / low >= LOGARITHMIC_FROM {
            let room = libm::pow(high / low, 0.05);
            return LevelAxis {
                axis: Axis::logarithmic(low / room, high * room),
                at: sizes,
            };
        }
        if numeric {
            let room = (high - low) * 0.06;
            return LevelAxis {
                axis: Axis::linear(low - room, high + room),
                at: sizes,
            };
        }
        let count = levels.len().max(1) as f64;
        LevelAxis {
            axis: Axis::linear(-0.5, count - 0.5),
            at: (0..levels.len()).map(|index| index as f64).collect(),
        }
    }
}

pub fn factor_curves(figure: &FactorCurvesFigure, theme: Theme) -> Figure {
    let words = &figure.words;
    let usable = |panel: &&FactorPanel| {
        let mut points = panel.lines.iter().flat_map(|line| &line.points);
        points.any(|point| point.estimate.is_some_and(f64::is_finite))
    };
    let panels: Vec<&FactorPanel> = figure.panels.iter().filter(usable).collect();
    if figure.levels.is_empty() || panels.is_empty() {
        let reason = "no factor was varied, or no estimate was made";
        return without_data(NAME, &words.title, &words.subtitle, reason, theme);
    }
    let mut canvas = Canvas::new(theme);
    let mut y = canvas.heading(&words.title, &words.subtitle) + 6.0;
    let names = figure.lines();
    let drawn = &names[..names.len().min(LINES_MAX)];
    let levels = LevelAxis::of(&figure.levels);
    for panel in &panels {
        y = draw_panel(&mut canvas, figure, panel, &levels, drawn, y) + 14.0;
    }
    let y = legend(&mut canvas, drawn, y);
    let mut caption = words.caption.clone();
    if names.len() > drawn.len() {
        caption.push_str(&format!(" {} more lines are in {NAME}.csv.", names.len() - drawn.len()));
    }
    let end = canvas.caption(&caption, y);
    canvas.figure(NAME, end, &words.title)
}

pub(super) fn value_label(value: f64, unit: &str) -> String {
    match unit {
        "1" => percent(value),
        "s" => seconds(value),
        _ => number(value),
    }
}

fn value_axis(panel: &FactorPanel) -> (Axis, Vec<Tick>) {
    let points = || panel.lines.iter().flat_map(|line| &line.points);
    let values = || {
        points()
            .flat_map(|point| [point.estimate, point.lower, point.upper])
            .flatten()
            .filter(|value| value.is_finite())
    };
    let (low, high) = values().fold((f64::INFINITY, 0.0_f64), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let label = |value: f64| value_label(value, &panel.unit);
    if panel.unit == "s" && low > 0.0 && high / low > 50.0 {
        let axis = Axis::logarithmic(low * 0.8, high * 1.25);
        let mut ticks: Vec<Tick> = axis
            .round_times()
            .into_iter()
            .map(|time| (time, seconds(time)))
            .collect();
        if ticks.len() > 6 {
            ticks = decades(low * 0.8, high * 1.25, label);
        }
        return (axis, ticks);
    }
    let high = if high > 0.0 { high * 1.06 } else { 1.0 };
    let high = if panel.unit == "1" { high.min(1.0) } else { high };
    let low = low.min(0.0);
    let axis = Axis::linear(low, high);
    if panel.unit != "s" {
        return (axis, round_ticks(low, high, 5.0, label));
    }
    let scale = LinearScale {
        from: low,
        to: high,
        left: 0.0,
        right: HEIGHT,
    };
    let ticks = scale.time_ticks(30.0).0.into_iter().map(|time| (time, label(time)));
    (axis, ticks.collect())
}

fn draw_panel(
    canvas: &mut Canvas,
    figure: &FactorCurvesFigure,
    shown: &FactorPanel,
    levels: &LevelAxis,
    names: &[&str],
    top: f64,
) -> f64 {
    let bold = Font::bold(NORMAL, palette::INK);
    let below = canvas.paragraph(&shown.label, [MARGIN, top + 14.0], WIDTH - 2.0 * MARGIN, 2, bold);
    let (axis, ticks) = value_axis(shown);
    let panel = Panel {
        frame: Frame {
            left: LEFT,
            right: WIDTH - RIGHT,
            top: below - 2.0,
            bottom: below - 2.0 + HEIGHT,
            left_labels: LEFT,
            bottom_labels: 37.0,
        },
        x: levels.axis.clone(),
        y: axis,
    };
    let x_ticks: Vec<Tick> = levels
        .at
        .iter()
        .zip(&figure.levels)
        .map(|(at, level)| (*at, level.text.clone()))
        .collect();
    panel.draw_axes(canvas, &x_ticks, &ticks, [LEFT - 30.0, WIDTH - 2.0], &figure.factor);
    let lines = shown.lines.iter().filter_map(|line| {
        let index = names.iter().position(|name| *name == line.name)?;
        Some((line, index))
    });
    let count = names.len().max(1) as f64;
    let mut places: Vec<f64> = levels.at.iter().map(|at| panel.at(*at, 0.0)[0]).collect();
    places.sort_by(f64::total_cmp);
    let slot = places.windows(2).map(|pair| pair[1] - pair[0]).fold(240.0, f64::min);
    for (line, index) in lines {
        let look = canvas.theme.series(index);
        // Lines side by side, so that whiskers of equal levels do not cover each other.
        let aside = (index as f64 - (count - 1.0) / 2.0) * (slot * 0.7 / count).min(14.0);
        draw_line(canvas, &panel, levels, line, look, aside);
    }
    panel.frame.bottom + 37.0
}

fn draw_line(canvas: &mut Canvas, panel: &Panel, levels: &LevelAxis, line: &FactorLine, look: SeriesLook, aside: f64) {
    let at = |level: usize, value: f64| {
        let [x, y] = panel.at(levels.at.get(level).copied().unwrap_or(0.0), value);
        [x + aside, y]
    };
    let mut corners: Vec<[f64; 2]> = Vec::new();
    for point in &line.points {
        if let Some(estimate) = point.estimate.filter(|estimate| estimate.is_finite()) {
            corners.push(at(point.level, estimate));
        }
    }
    panel.curve(canvas, &corners, look, 1.8);
    for point in &line.points {
        let tip = format!(
            "{}: {} [{}, {}], n = {}",
            line.name,
            point
                .estimate
                .map_or("not estimable".to_owned(), |value| value.to_string()),
            point.lower.map_or("?".to_owned(), |value| value.to_string()),
            point.upper.map_or("?".to_owned(), |value| value.to_string()),
            point.n
        );
        canvas.tooltip(&tip, |canvas| {
            let bounds = [point.lower, point.upper].map(|bound| bound.filter(|bound| bound.is_finite()));
            if let [Some(lower), Some(upper)] = bounds {
                let ([x, low], [_, high]) = (at(point.level, lower), at(point.level, upper));
                let style = Style::stroke(look.colour, 1.5);
                canvas.line([x, low], [x, high], style);
                for y in [low, high] {
                    canvas.line([x - 3.0, y], [x + 3.0, y], style);
                }
            }
            match (point.estimate, point.lower) {
                (Some(estimate), _) if estimate.is_finite() => {
                    marker(canvas, at(point.level, estimate), look.marker, 3.6, look.colour);
                }
                // Beyond the horizon in too many runs: an arrow up from what is known.
                (None, Some(lower)) => {
                    let [x, y] = at(point.level, lower);
                    let style = Style::stroke(look.colour, 1.6);
                    canvas.line([x, y], [x, y - 12.0], style);
                    canvas.path(&[[x - 3.5, y - 8.0], [x, y - 12.0], [x + 3.5, y - 8.0]], false, style);
                }
                _ => {}
            }
        });
    }
}

/// A sample and a name for each line, in two columns; returns the lower edge.
fn legend(canvas: &mut Canvas, names: &[&str], top: f64) -> f64 {
    let width = (WIDTH - 2.0 * MARGIN) / 2.0;
    let font = Font::regular(TINY, palette::INK);
    let two_lines = names.iter().any(|line| fitted(line, width - 46.0, 2, font).1 > 1);
    let step = if two_lines { 31.0 } else { 20.0 };
    for (index, line) in names.iter().enumerate() {
        let x = MARGIN + (index % 2) as f64 * width;
        let y = top + 12.0 + (index / 2) as f64 * step;
        let look = canvas.theme.series(index);
        line_sample(canvas, [x, y], 30.0, look, false, true);
        name(canvas, line, [x + 38.0, y], width - 46.0, 2, font);
    }
    top + 4.0 + names.len().div_ceil(2) as f64 * step
}
