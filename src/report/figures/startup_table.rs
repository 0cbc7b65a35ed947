//! The table below the startup figure: legend of its lines and what is read off such curves most often.
//!
//! Its figures are those of the drawn curves; estimates with their intervals are in the summary of a result.

use super::canvas::{Canvas, MARGIN, SMALL, TINY, WIDTH};
use super::shapes::{fitted, line_sample, name};
use super::startup::{OVERLAID_MAX, looks};
use super::style::{Anchor, Font, Style};
use super::{StartupFigure, StartupSeries, Words, palette};
use crate::report::short::{count, percent, seconds};

/// When a share of the pods is ready, in words. If it never is although no pod waits any more, too many pods were
/// deleted first, and a bound on the time would mislead.
fn reached(series: &StartupSeries, after_s: Option<f64>, horizon_s: f64) -> String {
    match after_s {
        Some(after_s) => seconds(after_s),
        None if series.never_share == 0.0 => "not reached".to_owned(),
        None => format!("> {}", seconds(horizon_s)),
    }
}

/// The table below the panels, which is the legend as well; returns the height of the whole figure.
pub(super) fn table(canvas: &mut Canvas, figure: &StartupFigure, words: &Words, top: f64) -> f64 {
    const COLUMNS: [f64; 8] = [236.0, 270.0, 342.0, 428.0, 514.0, 578.0, 643.0, WIDTH - MARGIN];
    /// Least room between the number of pods and that of runs.
    const APART: f64 = 10.0;
    let right = |colour| Font::regular(SMALL, colour).anchored(Anchor::End);
    let heads = [
        ["measured", "pods"],
        ["", "runs"],
        ["50% ready", "after"],
        ["90% ready", "after"],
        ["99% ready", "after"],
        ["ready", "at all"],
        ["replaced", "first"],
        ["still", "waiting"],
    ];
    let widest = |of: fn(&StartupSeries) -> u64, least: f64| {
        let widths = figure.series.iter().map(of);
        widths
            .map(|number| right(palette::INK).width(&count(number)))
            .fold(least, f64::max)
    };
    let mut columns = COLUMNS;
    columns[0] = columns[0].min(columns[1] - widest(|series| series.n_runs, 0.0) - APART);
    for (head, x) in heads.iter().zip(columns) {
        canvas.text(head[0], [x, top], right(palette::GREY));
        canvas.text(head[1], [x, top + 15.0], right(palette::GREY));
    }
    canvas.text(
        "design",
        [MARGIN + 26.0, top + 15.0],
        Font::regular(SMALL, palette::GREY),
    );
    let name_limit = columns[0] - widest(|series| series.n_pods, 60.0) - 8.0 - (MARGIN + 26.0);
    let mut font = Font::regular(SMALL, palette::INK);
    let two_lines = figure
        .series
        .iter()
        .any(|series| fitted(&series.design, name_limit, 2, font).1 > 1);
    let step = if two_lines { 30.0 } else { 20.0 };
    if two_lines {
        font.size = TINY;
    }
    let mut y = top + 23.0;
    canvas.line([MARGIN, y], [WIDTH - MARGIN, y], Style::stroke(palette::RULE, 1.0));
    for (series, look) in figure.series.iter().zip(looks(figure, canvas.theme)) {
        let middle = y + 2.5 + step / 2.0;
        let base = middle + 4.3;
        line_sample(canvas, [MARGIN, middle], 18.0, look, !series.band.is_empty(), false);
        name(canvas, &series.design, [MARGIN + 26.0, middle], name_limit, 2, font);
        let mut cells = vec![count(series.n_pods), count(series.n_runs)];
        if series.n_pods == 0 {
            cells.resize(columns.len(), "–".to_owned());
        } else {
            cells.extend(
                series
                    .ready_after_s
                    .map(|after| reached(series, after, figure.horizon_s)),
            );
            cells.extend([series.ready_share, series.deleted_share, series.never_share].map(percent));
        }
        for (cell, x) in cells.iter().zip(columns) {
            canvas.text(cell, [x, base], right(palette::INK));
        }
        y += step;
    }
    y += 5.0;
    canvas.line([MARGIN, y], [WIDTH - MARGIN, y], Style::stroke(palette::RULE, 1.0));
    let grey = match figure.controls().as_slice() {
        [control] if figure.series.len() > OVERLAID_MAX => format!(" Grey line: {control}."),
        [_, _, ..] if figure.series.len() > OVERLAID_MAX => " Grey line: the design's control.".to_owned(),
        _ => String::new(),
    };
    canvas.caption(&format!("{}{grey}", words.caption), y + 8.0)
}
