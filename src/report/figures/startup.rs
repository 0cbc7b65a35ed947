//! The start-up figure: which share of the pods was ready how long after it was wished for.
//!
//! Up to three designs share one panel; more get a panel each with common axes and the control behind it, which stays
//! readable where six steps and their bands would cover each other. The table below
//! is drawn by `startup_table.rs`.

use plotters::{
    prelude::{LineSeries, Polygon},
    style::RGBColor,
};

use super::axis::{Axis, labels_that_fit, short_tick_label, tick_label};
use super::canvas::{Canvas, MARGIN, NORMAL, SMALL, WIDTH};
use super::chart::{Frame, Labels, chart};
use super::startup_table::table;
use super::style::{Anchor, Font, Style};
use super::{Figure, StartupFigure, StartupSeries, palette, without_data};

const NAME: &str = "startup_distribution";
/// Room for the labels of the share axis.
const LEFT: f64 = 66.0;
/// Room right of the last panel, for the half of the last label.
const RIGHT: f64 = 26.0;
/// Between panels.
const GAP: f64 = 38.0;
/// Most designs that share one panel.
pub(super) const OVERLAID_MAX: usize = 3;

/// Room below a panel for the labels of the time axis.
const TIME_LABELS: f64 = 22.0;

/// One panel, its axes and which of them have labels.
struct Panel {
    frame: Frame,
    time: Axis,
    share_labels: bool,
    time_labels: bool,
}

/// Band or curve of a series in a panel.
struct Layer<'a> {
    series: &'a StartupSeries,
    colour: RGBColor,
    part: Part,
}

/// What of a series is drawn.
#[derive(Clone, Copy)]
enum Part {
    /// The confidence band.
    Band,
    /// The curve, with its width.
    Curve(f64),
}

/// Draws the distribution of start-up latencies per design.
pub fn startup_distribution(figure: &StartupFigure) -> Figure {
    let any = figure
        .series
        .iter()
        .any(|series| series.n_pods > 0 && series.points.iter().any(usable));
    if !any {
        return without_data(NAME, &figure.title, &figure.subtitle, "no measured pod became ready");
    }
    if !figure.horizon_s.is_finite() || figure.horizon_s <= 0.0 {
        return without_data(NAME, &figure.title, &figure.subtitle, "the runs cover no time");
    }
    let mut canvas = Canvas::default();
    let top = canvas.heading(&figure.title, &figure.subtitle);
    let (from, to) = range(figure);
    let apart = figure.series.len() > OVERLAID_MAX;
    let bottom = if apart {
        small_multiples(&mut canvas, figure, top, [from, to])
    } else {
        overlaid(&mut canvas, figure, top, [from, to])
    };
    let font = Font::regular(SMALL, palette::INK);
    canvas.text("share of all measured pods that are ready", [MARGIN, top + 20.0], font);
    let middle = (LEFT + WIDTH - RIGHT) / 2.0;
    let font = Font::regular(SMALL, palette::INK).anchored(Anchor::Middle);
    canvas.text(
        "time from the wish for the pod until it is ready (logarithmic)",
        [middle, bottom + 36.0],
        font,
    );
    let end = table(&mut canvas, figure, bottom + 66.0);
    Figure {
        name: NAME.to_owned(),
        svg: canvas.finish(end, &figure.title),
    }
}

pub(super) fn usable(point: &(f64, f64)) -> bool {
    point.0.is_finite() && point.1.is_finite()
}

/// First and last second of the axis: from 1 s, or the round value below the fastest pod, to the horizon.
fn range(figure: &StartupFigure) -> (f64, f64) {
    let points = figure.series.iter().flat_map(|series| &series.points);
    let fastest = points
        .filter(|point| usable(point) && point.1 > 0.0)
        .map(|point| point.0)
        .fold(f64::INFINITY, f64::min);
    let from = [1.0, 0.5, 0.2, 0.1]
        .into_iter()
        .find(|from| *from < fastest)
        .unwrap_or(0.05);
    (from, figure.horizon_s.max(from * 10.0))
}

/// Colour of each series; the control is grey and uses up no colour.
pub(super) fn colours(figure: &StartupFigure) -> Vec<RGBColor> {
    let mut used = 0;
    let mut colour = |series: &StartupSeries| {
        if is_control(figure, series) {
            return palette::CONTROL;
        }
        used += 1;
        palette::design(used - 1)
    };
    figure.series.iter().map(&mut colour).collect()
}

pub(super) fn is_control(figure: &StartupFigure, series: &StartupSeries) -> bool {
    figure.control.as_deref() == Some(series.design.as_str())
}

/// All designs in one panel; returns its lower edge.
fn overlaid(canvas: &mut Canvas, figure: &StartupFigure, top: f64, [from, to]: [f64; 2]) -> f64 {
    let top = top + 32.0;
    let panel = Panel {
        frame: Frame {
            left: LEFT,
            right: WIDTH - RIGHT,
            top,
            bottom: top + 290.0,
            left_labels: LEFT,
            bottom_labels: TIME_LABELS,
        },
        time: Axis::logarithmic(from, to),
        share_labels: true,
        time_labels: true,
    };
    let mut ordered: Vec<(&StartupSeries, RGBColor)> = figure.series.iter().zip(colours(figure)).collect();
    ordered.sort_by_key(|(series, _)| !is_control(figure, series));
    let layers = [Part::Band, Part::Curve(2.0)].map(|part| {
        let layers = ordered.iter().copied();
        layers.map(move |(series, colour)| Layer { series, colour, part })
    });
    let layers: Vec<Layer> = layers.into_iter().flatten().collect();
    draw_panel(canvas, &panel, &layers);
    panel.frame.bottom
}

/// One panel per design, two in a row; returns the lower edge of the last row.
fn small_multiples(canvas: &mut Canvas, figure: &StartupFigure, top: f64, [from, to]: [f64; 2]) -> f64 {
    let colours = colours(figure);
    let control = figure.series.iter().find(|series| is_control(figure, series));
    let width = (WIDTH - LEFT - RIGHT - GAP) / 2.0;
    let (height, step) = (132.0, 132.0 + 30.0);
    let count = figure.series.len();
    for (index, (series, colour)) in figure.series.iter().zip(&colours).enumerate() {
        let left = LEFT + (index % 2) as f64 * (width + GAP);
        let panel_top = top + 56.0 + (index / 2) as f64 * step;
        let panel = Panel {
            frame: Frame {
                left,
                right: left + width,
                top: panel_top,
                bottom: panel_top + height,
                left_labels: LEFT,
                bottom_labels: TIME_LABELS,
            },
            time: Axis::logarithmic(from, to),
            share_labels: index % 2 == 0,
            time_labels: index + 2 >= count,
        };
        let grey = control.filter(|control| control.design != series.design);
        let grey = grey.map(|series| (series, palette::CONTROL, Part::Curve(1.3)));
        let own = [Part::Band, Part::Curve(2.0)].map(|part| (series, *colour, part));
        let layers: Vec<Layer> = grey
            .into_iter()
            .chain(own)
            .map(|(series, colour, part)| Layer { series, colour, part })
            .collect();
        draw_panel(canvas, &panel, &layers);
        let named = series.design == "control";
        let reserve = if is_control(figure, series) && !named {
            70.0
        } else {
            0.0
        };
        let font = Font::bold(NORMAL, palette::INK);
        canvas.text_within(&series.design, [left, panel_top - 7.0], width - reserve, font);
        if reserve > 0.0 {
            let font = Font::regular(SMALL, palette::GREY).anchored(Anchor::End);
            canvas.text("control", [left + width, panel_top - 7.0], font);
        }
        if series.n_pods == 0 || !series.points.iter().any(usable) {
            let font = Font::regular(SMALL, palette::GREY).anchored(Anchor::Middle);
            canvas.text(
                "no measured pod became ready",
                [left + width / 2.0, panel_top + height / 2.0],
                font,
            );
        }
    }
    top + 56.0 + (count.div_ceil(2) - 1) as f64 * step + height
}

/// Grid, axes and layers of a panel, from the lowest layer to the highest.
fn draw_panel(canvas: &mut Canvas, panel: &Panel, layers: &[Layer]) {
    let frame = &panel.frame;
    let narrow = frame.right - frame.left < 400.0;
    let time_label = if narrow { short_tick_label } else { tick_label };
    let shares: &[f64] = if frame.bottom - frame.top > 200.0 {
        &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    } else {
        &[0.0, 0.25, 0.5, 0.75, 1.0]
    };
    let share = Axis::linear(0.0, 1.0).with_ticks(shares, &vec![panel.share_labels; shares.len()]);
    let labels = Labels {
        x: &|tick| time_label(*tick),
        y: &|share| format!("{:.0} %", share * 100.0),
        x_name: "",
    };
    canvas.plot(|area| {
        let mut chart = chart(area, frame, ticked(panel, narrow, time_label), share, &labels)?;
        for layer in layers.iter().filter(|layer| layer.series.n_pods > 0) {
            let series = layer.series;
            if !series.points.iter().any(usable) {
                continue;
            }
            match layer.part {
                Part::Curve(width) => {
                    if let Some(style) = Style::stroke(layer.colour, width).outline() {
                        let corners = steps(panel, series.points.iter().copied());
                        chart.draw_series(LineSeries::new(corners, style))?;
                    }
                }
                Part::Band => {
                    if let Some(style) = Style::fill(layer.colour).translucent(0.22).inside() {
                        chart.draw_series(band(panel, series).map(|outline| Polygon::new(outline, style)))?;
                    }
                }
            }
        }
        Ok(())
    });
}

/// The time axis of a panel with its ticks; those that find room get a label.
fn ticked(panel: &Panel, narrow: bool, label: fn(f64) -> String) -> Axis {
    let (left, right) = (panel.frame.left, panel.frame.right);
    let font = Font::regular(SMALL, palette::INK);
    let axis = panel.time.clone();
    let ticks = axis.round_times();
    let size = |tick: &f64| (left + axis.share(*tick) * (right - left), font.width(&label(*tick)));
    let sizes: Vec<(f64, f64)> = ticks.iter().map(size).collect();
    let gap = if narrow { 4.0 } else { 7.0 };
    let mut shown = labels_that_fit(&sizes, gap, [left - 20.0, right + RIGHT - 2.0]);
    shown.iter_mut().for_each(|shown| *shown &= panel.time_labels);
    axis.with_ticks(&ticks, &shown)
}

/// The corners of a step function in a panel, from the first second to the last one; steps that nobody could see are left
/// out.
fn steps(panel: &Panel, values: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let axis = &panel.time;
    let (width, height) = (
        panel.frame.right - panel.frame.left,
        panel.frame.bottom - panel.frame.top,
    );
    let mut corners = vec![(axis.from, 0.0)];
    let (mut x, mut y) = (axis.from, 0.0);
    let (mut latest_x, mut latest_y) = (x, y);
    for (seconds, share) in values.filter(|value| usable(value) && value.0 <= axis.to) {
        (latest_x, latest_y) = (seconds, share.clamp(0.0, 1.0));
        let near = (axis.share(latest_x) - axis.share(x)) * width < 0.3;
        if near && (latest_y - y).abs() * height < 0.3 {
            continue;
        }
        corners.extend([(latest_x, y), (latest_x, latest_y)]);
        (x, y) = (latest_x, latest_y);
    }
    if latest_y != y {
        corners.extend([(latest_x, y), (latest_x, latest_y)]);
        y = latest_y;
    }
    corners.push((axis.to, y));
    corners
}

/// The outline of the confidence band of a series, if it has one.
fn band(panel: &Panel, series: &StartupSeries) -> Option<Vec<(f64, f64)>> {
    let finite = || {
        series
            .band
            .iter()
            .filter(|(t, lower, upper)| t.is_finite() && lower.is_finite() && upper.is_finite())
    };
    finite().next()?;
    let mut outline = steps(panel, finite().map(|(t, _, upper)| (*t, *upper)));
    let lower = steps(panel, finite().map(|(t, lower, _)| (*t, *lower)));
    outline.extend(lower.into_iter().rev());
    Some(outline)
}
