//! The start-up figure: which share of the pods was ready how long after it was wished for.
//!
//! Up to three designs share one panel; more get a panel each with common axes and the control behind it, which stays
//! readable where six steps and their bands would cover each other. The table below
//! is drawn by `startup_table.rs`.

use super::axis::{LogScale, labels_that_fit, short_tick_label, tick_label};
use super::canvas::{Anchor, Canvas, Font, MARGIN, NORMAL, SMALL, Style, WIDTH};
use super::startup_table::table;
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

/// Where one panel stands.
struct Panel {
    x: LogScale,
    top: f64,
    bottom: f64,
}

impl Panel {
    fn y(&self, share: f64) -> f64 {
        self.bottom - share.clamp(0.0, 1.0) * (self.bottom - self.top)
    }
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
pub(super) fn colours(figure: &StartupFigure) -> Vec<&'static str> {
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
    let x = LogScale {
        from,
        to,
        left: LEFT,
        right: WIDTH - RIGHT,
    };
    let panel = Panel {
        x,
        top,
        bottom: top + 290.0,
    };
    frame(canvas, &panel, true, true);
    let colours = colours(figure);
    let ordered = || {
        figure
            .series
            .iter()
            .zip(&colours)
            .filter(|(series, _)| is_control(figure, series))
    };
    let others = || {
        figure
            .series
            .iter()
            .zip(&colours)
            .filter(|(series, _)| !is_control(figure, series))
    };
    for (series, colour) in ordered().chain(others()) {
        band(canvas, &panel, series, colour);
    }
    for (series, colour) in ordered().chain(others()) {
        curve(canvas, &panel, series, colour, 2.0);
    }
    panel.bottom
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
        let x = LogScale {
            from,
            to,
            left,
            right: left + width,
        };
        let panel = Panel {
            x,
            top: panel_top,
            bottom: panel_top + height,
        };
        frame(canvas, &panel, index % 2 == 0, index + 2 >= count);
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
        if let Some(control) = control.filter(|control| control.design != series.design) {
            curve(canvas, &panel, control, palette::CONTROL, 1.3);
        }
        band(canvas, &panel, series, colour);
        curve(canvas, &panel, series, colour, 2.0);
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

/// Grid, frame and labels of a panel.
fn frame(canvas: &mut Canvas, panel: &Panel, share_labels: bool, time_labels: bool) {
    let (left, right) = (panel.x.left, panel.x.right);
    let shares: &[u32] = if panel.bottom - panel.top > 200.0 {
        &[0, 20, 40, 60, 80, 100]
    } else {
        &[0, 25, 50, 75, 100]
    };
    for share in shares {
        let y = panel.y(f64::from(*share) / 100.0);
        canvas.line([left, y], [right, y], Style::stroke(palette::GRID, 1.0));
        if share_labels {
            let font = Font::regular(SMALL, palette::INK).anchored(Anchor::End);
            canvas.text(&format!("{share} %"), [left - 7.0, y + 4.2], font);
        }
    }
    let ticks = panel.x.ticks();
    let font = Font::regular(SMALL, palette::INK).anchored(Anchor::Middle);
    let narrow = right - left < 400.0;
    let label = |tick: f64| {
        if narrow {
            short_tick_label(tick)
        } else {
            tick_label(tick)
        }
    };
    let size = |tick: &f64| (panel.x.at(*tick), font.width(&label(*tick)));
    let sizes: Vec<(f64, f64)> = ticks.iter().map(size).collect();
    let shown = labels_that_fit(
        &sizes,
        if narrow { 4.0 } else { 7.0 },
        [left - 20.0, right + RIGHT - 2.0],
    );
    for ((tick, (x, _)), shown) in ticks.iter().zip(&sizes).zip(&shown) {
        canvas.line([*x, panel.top], [*x, panel.bottom], Style::stroke(palette::GRID, 1.0));
        canvas.line(
            [*x, panel.bottom],
            [*x, panel.bottom + 4.0],
            Style::stroke(palette::GREY, 1.0),
        );
        if *shown && time_labels {
            canvas.text(&label(*tick), [*x, panel.bottom + 17.0], font);
        }
    }
    canvas.line(
        [left, panel.bottom],
        [right, panel.bottom],
        Style::stroke(palette::GREY, 1.0),
    );
    canvas.line(
        [left, panel.top],
        [left, panel.bottom],
        Style::stroke(palette::GREY, 1.0),
    );
}

/// The corners of a step function within a panel, from the left edge to the right one; steps that nobody could see are
/// left out.
fn steps(panel: &Panel, values: impl Iterator<Item = (f64, f64)>) -> Vec<[f64; 2]> {
    let mut corners = vec![[panel.x.left, panel.bottom]];
    let (mut x, mut y) = (panel.x.left, panel.bottom);
    let (mut latest_x, mut latest_y) = (x, y);
    for (seconds, share) in values.filter(|value| usable(value) && value.0 <= panel.x.to) {
        (latest_x, latest_y) = (panel.x.at(seconds), panel.y(share));
        if latest_x - x < 0.3 && (latest_y - y).abs() < 0.3 {
            continue;
        }
        corners.extend([[latest_x, y], [latest_x, latest_y]]);
        (x, y) = (latest_x, latest_y);
    }
    if latest_y != y {
        corners.extend([[latest_x, y], [latest_x, latest_y]]);
        y = latest_y;
    }
    corners.push([panel.x.right, y]);
    corners
}

fn curve(canvas: &mut Canvas, panel: &Panel, series: &StartupSeries, colour: &'static str, width: f64) {
    if series.n_pods > 0 && series.points.iter().any(usable) {
        canvas.path(
            &steps(panel, series.points.iter().copied()),
            false,
            Style::stroke(colour, width),
        );
    }
}

fn band(canvas: &mut Canvas, panel: &Panel, series: &StartupSeries, colour: &'static str) {
    let finite = || {
        series
            .band
            .iter()
            .filter(|(t, lower, upper)| t.is_finite() && lower.is_finite() && upper.is_finite())
    };
    if series.n_pods == 0 || finite().next().is_none() || !series.points.iter().any(usable) {
        return;
    }
    let mut outline = steps(panel, finite().map(|(t, _, upper)| (*t, *upper)));
    let mut lower = steps(panel, finite().map(|(t, lower, _)| (*t, *lower)));
    lower.reverse();
    outline.extend(lower);
    canvas.path(&outline, true, Style::fill(colour).translucent(0.22));
}
