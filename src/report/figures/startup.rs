//! The startup figures: which share of the pods was ready how long after it was created, and the same from the other
//! end, which share was not ready yet, on a logarithmic axis that shows the tail.
//!
//! Up to three designs share one panel; more get a panel each with common axes and its control behind it, which stays
//! readable where six steps and their bands would cover each other. The table below is drawn by `startup_table.rs`.

use super::axis::{Axis, short_tick_label, tick_label};
use super::canvas::{Canvas, MARGIN, NORMAL, SMALL, WIDTH};
use super::chart::Frame;
use super::many;
use super::panel::{Panel, Tick, decades};
use super::shapes::{fitted, name};
use super::startup_table::table;
use super::style::{Anchor, Font, Style};
use super::theme::{SeriesLook, Theme};
use super::{Figure, StartupFigure, StartupSeries, palette, without_data};
use crate::report::short::number;

const LEFT: f64 = 66.0;
/// Room right of the last panel, for the half of the last label.
const RIGHT: f64 = 26.0;
/// Between panels.
const GAP: f64 = 38.0;
/// Most designs that share one panel.
pub(super) const OVERLAID_MAX: usize = 3;
/// Most designs with two panels side by side; more get three.
const TWO_COLUMNS_MAX: usize = 8;
/// Room below a panel for the labels of the time axis.
const TIME_LABELS: f64 = 22.0;
/// Marks of censored pods are at least so far apart.
const MARKS_APART: f64 = 4.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Distribution,
    /// The share that is not ready yet.
    Complement,
}

impl Side {
    pub const fn name(self) -> &'static str {
        match self {
            Side::Distribution => "startup_distribution",
            Side::Complement => "startup_complement",
        }
    }

    /// What is drawn of a share of ready pods.
    fn of(self, ready: f64) -> f64 {
        match self {
            Side::Distribution => ready.clamp(0.0, 1.0),
            Side::Complement => (1.0 - ready).clamp(0.0, 1.0),
        }
    }
}

/// Draws startup latencies per design, from one of two sides; of very many designs some (`many`), on the axes of all.
pub fn startup_figure(figure: &StartupFigure, side: Side, theme: Theme) -> Figure {
    let words = figure.words(side);
    let nothing = |reason| without_data(side.name(), &words.title, &words.subtitle, reason, theme);
    let any = figure
        .series
        .iter()
        .any(|series| series.n_pods > 0 && series.points.iter().any(usable));
    if !any {
        return nothing("no measured pod became ready");
    }
    if !figure.horizon_s.is_finite() || figure.horizon_s <= 0.0 {
        return nothing("the runs cover no time");
    }
    let mut canvas = Canvas::new(theme);
    let top = canvas.heading(&words.title, &words.subtitle);
    let axes = Axes::of(figure, side);
    let drawn = of_many(figure);
    let (figure, words) = (&drawn, drawn.words(side));
    let bottom = if figure.series.len() > OVERLAID_MAX {
        small_multiples(&mut canvas, figure, &axes, top)
    } else {
        overlaid(&mut canvas, figure, &axes, top)
    };
    let font = Font::regular(SMALL, palette::INK);
    let what = match side {
        Side::Distribution => "share of all measured pods that are ready",
        Side::Complement => "share of all measured pods that are not ready yet (logarithmic)",
    };
    canvas.text(what, [MARGIN, top + 20.0], font);
    let middle = (LEFT + WIDTH - RIGHT) / 2.0;
    let font = Font::regular(SMALL, palette::INK).anchored(Anchor::Middle);
    canvas.text(
        "time from the creation of the pod until it is ready (logarithmic)",
        [middle, bottom + 36.0],
        font,
    );
    let end = table(&mut canvas, figure, words, bottom + 66.0);
    canvas.figure(side.name(), end, &words.title)
}

/// The same with the designs that are drawn, and captions that say how many are not.
fn of_many(figure: &StartupFigure) -> StartupFigure {
    let names: Vec<&str> = figure.series.iter().map(|series| series.design.as_str()).collect();
    let drawn = many::drawn(&names, &figure.controls());
    let mut shown = figure.clone();
    shown.series.retain(|series| drawn.contains(&series.design.as_str()));
    for words in [&mut shown.words, &mut shown.complement] {
        words.caption = many::told(&words.caption, names.len(), drawn.len());
    }
    shown
}

pub(super) fn usable(point: &(f64, f64)) -> bool {
    point.0.is_finite() && point.1.is_finite()
}

struct Axes {
    side: Side,
    time: Axis,
    share: Axis,
}

impl Axes {
    /// Time from the round value below the fastest pod to the last one that was seen; shares down to the least that is left.
    fn of(figure: &StartupFigure, side: Side) -> Self {
        let points = figure.series.iter().flat_map(|series| &series.points);
        let fastest = points
            .filter(|point| usable(point) && point.1 > 0.0)
            .map(|point| point.0)
            .fold(f64::INFINITY, f64::min);
        let from = [60.0, 20.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1]
            .into_iter()
            .find(|from| *from < fastest)
            .unwrap_or(0.05);
        let left = figure
            .series
            .iter()
            .flat_map(|series| &series.points)
            .map(|point| 1.0 - point.1);
        let least = left.filter(|left| *left > 1e-9).fold(1.0, f64::min);
        let powers = [0.1, 0.01, 0.001, 1e-4];
        let floor = powers.into_iter().find(|power| *power <= least).unwrap_or(1e-5);
        Axes {
            side,
            time: Axis::logarithmic(from, figure.horizon_s.max(from * 2.0)),
            share: match side {
                Side::Distribution => Axis::linear(0.0, 1.0),
                Side::Complement => Axis::logarithmic(floor, 1.0),
            },
        }
    }

    fn share_ticks(&self, tall: bool) -> Vec<Tick> {
        if self.side == Side::Complement {
            let label = |share: f64| format!("{}%", number(share * 100.0));
            // Two labels are few for a whole axis.
            if self.share.from >= 0.1 {
                return [1.0, 0.5, 0.2, 0.1].map(|share| (share, label(share))).to_vec();
            }
            return decades(self.share.from, 1.0, label);
        }
        let shares: &[f64] = if tall {
            &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
        } else {
            &[0.0, 0.25, 0.5, 0.75, 1.0]
        };
        shares
            .iter()
            .map(|share| (*share, format!("{:.0}%", share * 100.0)))
            .collect()
    }

    fn panel(&self, frame: Frame) -> Panel {
        Panel {
            frame,
            x: self.time.clone(),
            y: self.share.clone(),
        }
    }
}

/// Look of each series; controls are grey and use up none.
pub(super) fn looks(figure: &StartupFigure, theme: Theme) -> Vec<SeriesLook> {
    let controls = figure.controls();
    let mut used = 0;
    let mut look = |series: &StartupSeries| {
        if controls.contains(&series.design.as_str()) {
            return theme.control();
        }
        used += 1;
        theme.series(used - 1)
    };
    figure.series.iter().map(&mut look).collect()
}

/// All designs in one panel; returns its lower edge.
fn overlaid(canvas: &mut Canvas, figure: &StartupFigure, axes: &Axes, top: f64) -> f64 {
    let top = top + 32.0;
    let panel = axes.panel(Frame {
        left: LEFT,
        right: WIDTH - RIGHT,
        top,
        bottom: top + 290.0,
        left_labels: LEFT,
        bottom_labels: TIME_LABELS,
    });
    draw_axes(canvas, axes, &panel);
    let mut ordered: Vec<(&StartupSeries, SeriesLook)> =
        figure.series.iter().zip(looks(figure, canvas.theme)).collect();
    let controls = figure.controls();
    ordered.sort_by_key(|(series, _)| !controls.contains(&series.design.as_str()));
    for (series, look) in &ordered {
        band(canvas, axes.side, &panel, series, *look);
    }
    for (series, look) in &ordered {
        curve(canvas, axes.side, &panel, series, *look, 2.0);
        marks(canvas, axes.side, &panel, series, *look);
    }
    panel.frame.bottom
}

/// One panel per design, two or three in a row; returns the lower edge of the last row.
fn small_multiples(canvas: &mut Canvas, figure: &StartupFigure, axes: &Axes, top: f64) -> f64 {
    let looks = looks(figure, canvas.theme);
    let count = figure.series.len();
    let (columns, height) = if count > TWO_COLUMNS_MAX {
        (3, 108.0)
    } else {
        (2, 132.0)
    };
    let gap = if columns == 3 { 24.0 } else { GAP };
    let width = (WIDTH - LEFT - RIGHT - gap * (columns - 1) as f64) / columns as f64;
    let title = Font::bold(NORMAL, palette::INK);
    let lines = figure
        .series
        .iter()
        .map(|series| fitted(&series.design, width, 2, title).1)
        .max()
        .unwrap_or(1);
    let head = if lines > 1 { 44.0 } else { 30.0 };
    for (index, (series, look)) in figure.series.iter().zip(&looks).enumerate() {
        let left = LEFT + (index % columns) as f64 * (width + gap);
        let panel_top = top + 26.0 + head + (index / columns) as f64 * (height + head);
        let panel = axes.panel(Frame {
            left,
            right: left + width,
            top: panel_top,
            bottom: panel_top + height,
            left_labels: if index % columns == 0 { LEFT } else { 1.0 },
            bottom_labels: if index + columns >= count { TIME_LABELS } else { 0.0 },
        });
        draw_axes(canvas, axes, &panel);
        let mut others = figure.series.iter().filter(|other| other.n_pods > 0);
        if let Some(control) = others.find(|other| series.control.as_deref() == Some(other.design.as_str())) {
            curve(canvas, axes.side, &panel, control, canvas.theme.control(), 1.3);
        }
        band(canvas, axes.side, &panel, series, *look);
        curve(canvas, axes.side, &panel, series, *look, 2.0);
        marks(canvas, axes.side, &panel, series, *look);
        let at = [left, panel_top - 6.0 - (head - 16.0) / 2.0];
        name(canvas, &series.design, at, width, 2, title);
        if series.n_pods == 0 || !series.points.iter().any(usable) {
            let font = Font::regular(SMALL, palette::GREY).anchored(Anchor::Middle);
            let middle = [left + width / 2.0, panel_top + height / 2.0];
            canvas.text_within("no measured pod became ready", middle, width - 8.0, font);
        }
    }
    top + 26.0 + head + (count.div_ceil(columns) - 1) as f64 * (height + head) + height
}

/// Grid, axes and labels of a panel.
fn draw_axes(canvas: &mut Canvas, axes: &Axes, panel: &Panel) {
    let frame = &panel.frame;
    let narrow = frame.right - frame.left < 400.0;
    let label = if narrow { short_tick_label } else { tick_label };
    let times: Vec<Tick> = axes
        .time
        .round_times()
        .into_iter()
        .map(|time| (time, label(time)))
        .collect();
    let mut shares = axes.share_ticks(frame.bottom - frame.top > 200.0);
    if frame.left > LEFT {
        shares.iter_mut().for_each(|tick| tick.1.clear());
    }
    panel.draw_axes(
        canvas,
        &times,
        &shares,
        [frame.left - 20.0, frame.right + RIGHT - 2.0],
        "",
    );
}

/// The curve of a series, if any of its pods became ready.
fn curve(canvas: &mut Canvas, side: Side, panel: &Panel, series: &StartupSeries, look: SeriesLook, width: f64) {
    if series.n_pods == 0 || !series.points.iter().any(usable) {
        return;
    }
    let points = series.points.iter().map(|(time, ready)| (*time, side.of(*ready)));
    let mut corners = panel.steps(side.of(0.0), points);
    // Where nothing is left the logarithmic axis has no place for it: the curve ends at its lower edge.
    let all = series
        .points
        .iter()
        .rfind(|point| usable(point))
        .is_some_and(|point| side.of(point.1) <= 1e-12);
    if side == Side::Complement && all {
        corners.pop();
    }
    panel.curve(canvas, &corners, look, width);
}

fn band(canvas: &mut Canvas, side: Side, panel: &Panel, series: &StartupSeries, look: SeriesLook) {
    let finite = |entry: &&(f64, f64, f64)| entry.0.is_finite() && entry.1.is_finite() && entry.2.is_finite();
    if series.n_pods == 0 || series.band.iter().filter(finite).count() == 0 {
        return;
    }
    let bound = |of: fn(&(f64, f64, f64)) -> f64| {
        let values = series
            .band
            .iter()
            .filter(finite)
            .map(|entry| (entry.0, side.of(of(entry))));
        panel.edge(side.of(0.0), values)
    };
    panel.band(canvas, bound(|entry| entry.1), bound(|entry| entry.2), look);
}

/// Upright marks on the curve where pods were last seen still waiting.
fn marks(canvas: &mut Canvas, side: Side, panel: &Panel, series: &StartupSeries, look: SeriesLook) {
    let mut latest = f64::NEG_INFINITY;
    for (time, _) in series.censored.iter().filter(|(time, _)| time.is_finite()) {
        let after = series.points.partition_point(|point| point.0 <= *time);
        let ready = after
            .checked_sub(1)
            .and_then(|index| series.points.get(index))
            .map_or(0.0, |point| point.1);
        let [x, y] = panel.at(*time, side.of(ready));
        if x - latest < MARKS_APART {
            continue;
        }
        latest = x;
        canvas.line([x, y - 5.0], [x, y + 5.0], Style::stroke(look.colour, 1.6));
    }
}
