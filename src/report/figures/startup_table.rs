//! The table below the start-up figure: legend of its lines and what is read off such curves most often.
//!
//! Its figures are those of the drawn curves; estimates with their intervals are in the summary of a result.

use super::canvas::{Canvas, MARGIN, SMALL, WIDTH};
use super::startup::{OVERLAID_MAX, colours, is_control, usable};
use super::style::{Anchor, Font, Style};
use super::text::{duration, grouped, level, percent};
use super::{StartupFigure, StartupSeries, palette};

/// When the curve reaches `share`, in words. If it does not although nobody is waiting any more, too many pods were
/// deleted first, and a bound on the time would mislead.
fn reached(series: &StartupSeries, share: f64, horizon_s: f64) -> String {
    let within = |point: &&(f64, f64)| usable(point) && point.0 <= horizon_s;
    let hit = series
        .points
        .iter()
        .filter(within)
        .find(|point| point.1 >= share - 1e-12);
    match hit {
        Some((seconds, _)) => duration(*seconds),
        None if series.never_share == 0.0 => "never".to_owned(),
        None => format!("> {}", duration(horizon_s)),
    }
}

/// The table below the panels, which is the legend as well; returns the height of the whole figure.
pub(super) fn table(canvas: &mut Canvas, figure: &StartupFigure, top: f64) -> f64 {
    const COLUMNS: [f64; 8] = [244.0, 284.0, 362.0, 438.0, 512.0, 576.0, 640.0, WIDTH - MARGIN];
    let right = |colour| Font::regular(SMALL, colour).anchored(Anchor::End);
    let heads = [
        ["measured", "pods"],
        ["", "runs"],
        ["50 % ready", "after"],
        ["90 % ready", "after"],
        ["99 % ready", "after"],
        ["ready", "at all"],
        ["deleted", "before"],
        ["still", "waiting"],
    ];
    for (head, x) in heads.iter().zip(COLUMNS) {
        canvas.text(head[0], [x, top], right(palette::GREY));
        canvas.text(head[1], [x, top + 15.0], right(palette::GREY));
    }
    canvas.text(
        "design",
        [MARGIN + 26.0, top + 15.0],
        Font::regular(SMALL, palette::GREY),
    );
    let widest = figure
        .series
        .iter()
        .map(|series| right(palette::INK).width(&grouped(series.n_pods)))
        .fold(60.0, f64::max);
    let name_limit = COLUMNS[0] - widest - 8.0 - (MARGIN + 26.0);
    let mut y = top + 23.0;
    canvas.line([MARGIN, y], [WIDTH - MARGIN, y], Style::stroke(palette::RULE, 1.0));
    for (series, colour) in figure.series.iter().zip(colours(figure)) {
        let base = y + 17.0;
        canvas.rect(
            [MARGIN, base - 10.0],
            [18.0, 12.0],
            0.0,
            Style::fill(colour).translucent(0.22),
        );
        canvas.line(
            [MARGIN, base - 4.0],
            [MARGIN + 18.0, base - 4.0],
            Style::stroke(colour, 2.0),
        );
        canvas.text_within(
            &series.design,
            [MARGIN + 26.0, base],
            name_limit,
            Font::regular(SMALL, palette::INK),
        );
        let within = |point: &&(f64, f64)| usable(point) && point.0 <= figure.horizon_s;
        let ready = series.points.iter().rfind(within).map_or(0.0, |point| point.1);
        let mut cells = vec![grouped(series.n_pods), grouped(series.n_runs)];
        if series.n_pods == 0 {
            cells.resize(COLUMNS.len(), "–".to_owned());
        } else {
            cells.extend([0.5, 0.9, 0.99].map(|share| reached(series, share, figure.horizon_s)));
            cells.extend([ready, series.deleted_share, series.never_share].map(percent));
        }
        for (cell, x) in cells.iter().zip(COLUMNS) {
            canvas.text(cell, [x, base], right(palette::INK));
        }
        y += 20.0;
    }
    canvas.line(
        [MARGIN, y + 5.0],
        [WIDTH - MARGIN, y + 5.0],
        Style::stroke(palette::RULE, 1.0),
    );
    let mut notes = vec!["Deleted pods count as never ready here.".to_owned()];
    if figure.series.iter().any(|series| !series.band.is_empty()) {
        notes.insert(0, format!("Bands: {} confidence.", level(figure.confidence)));
    }
    let control = figure.series.iter().find(|series| is_control(figure, series));
    if let Some(control) = control.filter(|_| figure.series.len() > OVERLAID_MAX) {
        notes.push(format!("Grey line: {}.", control.design));
    }
    let font = Font::regular(SMALL, palette::GREY);
    canvas.paragraph(&notes.join(" "), [MARGIN, y + 23.0], WIDTH - 2.0 * MARGIN, 2, font) - SMALL + MARGIN
}
