//! The figure of availability over time: a panel per design, with a line for all edges and one for the edge with the lowest.
//!
//! What availability is, and which edge has the lowest, is decided where the data are made.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::axis::Axis;
use super::canvas::{Canvas, MARGIN, SMALL, TINY, WIDTH};
use super::chart::Frame;
use super::many;
use super::panel::{Panel, Tick};
use super::requests::{time_axis, time_name};
use super::shapes::{line_sample, name};
use super::sheet::{Sheet, sheet_row};
use super::style::Font;
use super::theme::{SeriesLook, Theme};
use super::vega::{nominal, number, share, specification};
use super::{Figure, Words, palette, without_data};

const NAME: &str = "availability_over_time";
const LEFT: f64 = 216.0;
const RIGHT: f64 = 26.0;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AvailabilityFigure {
    pub words: Words,
    pub end_s: f64,
    /// One or two entries per design, that of all edges first; designs without watched edges have none.
    pub series: Vec<AvailabilitySeries>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AvailabilitySeries {
    pub design: String,
    /// Of which edges.
    pub edge: String,
    /// `(seconds, availability from then on)`; parts without attempts have no entry.
    pub points: Vec<(f64, f64)>,
}

impl AvailabilityFigure {
    /// The data as a table: a row per part of the time.
    pub fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new("design edge time_s availability");
        for series in &self.series {
            for (time, share) in &series.points {
                sheet.push(sheet_row![&series.design, &series.edge, *time, *share]);
            }
        }
        sheet
    }

    pub fn vega(&self) -> Value {
        let mut time = number("time_s", "time in the run [s]");
        time["scale"] = json!({ "domain": [0.0, self.end_s], "nice": false });
        let body = json!({
            "facet": { "field": "design", "type": "nominal", "sort": self.designs(), "title": Value::Null },
            "columns": 1,
            "spec": {
                "mark": { "type": "line", "interpolate": "step-after" },
                "encoding": {
                    "x": time,
                    "y": share("availability", "availability"),
                    "color": nominal("edge", &[])
                },
                "width": 560,
                "height": 100
            }
        });
        specification(NAME, &self.words, body)
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

    /// The length of a part of the time: the least between two entries \[s\].
    fn width(&self) -> f64 {
        let gaps = self.series.iter().flat_map(|series| series.points.windows(2));
        let gaps = gaps.map(|pair| pair[1].0 - pair[0].0).filter(|gap| *gap > 0.0);
        gaps.fold(self.end_s, f64::min)
    }
}

/// Draws availability over time, a panel per design with a common axis; of very many designs some.
pub fn availability_over_time(figure: &AvailabilityFigure, theme: Theme) -> Figure {
    let words = &figure.words;
    let all = figure.designs();
    if all.is_empty() || !(figure.end_s.is_finite() && figure.end_s > 0.0) {
        let reason = "no edge is watched that policy allows";
        return without_data(NAME, &words.title, &words.subtitle, reason, theme);
    }
    let designs = many::drawn(&all, &[]);
    let mut canvas = Canvas::new(theme);
    let top = canvas.heading(&words.title, &words.subtitle) + 8.0;
    let (width, font) = (figure.width(), Font::regular(SMALL, palette::INK));
    let height = if designs.len() > 6 { 48.0 } else { 72.0 };
    let edges = [LEFT, WIDTH - RIGHT];
    let (time, ticks) = time_axis(0.0, figure.end_s, edges);
    let bottom = top + designs.len() as f64 * (height + 14.0) - 14.0;
    for (index, design) in designs.iter().enumerate() {
        let panel_top = top + index as f64 * (height + 14.0);
        let last = index + 1 == designs.len();
        let panel = Panel {
            frame: Frame {
                left: edges[0],
                right: edges[1],
                top: panel_top,
                bottom: panel_top + height,
                left_labels: LEFT,
                bottom_labels: if last { 37.0 } else { 0.0 },
            },
            x: time.clone(),
            y: Axis::linear(0.0, 1.0),
        };
        let shares: Vec<Tick> = [(0.0, "0%"), (0.5, "50%"), (1.0, "100%")]
            .map(|(share, label)| (share, label.to_owned()))
            .to_vec();
        let axis = if last { time_name(figure.end_s) } else { "" };
        panel.draw_axes(&mut canvas, &ticks, &shares, [edges[0] - 24.0, WIDTH - 2.0], axis);
        let room = LEFT - MARGIN - 46.0;
        name(&mut canvas, design, [MARGIN, panel_top + 6.0], room, 1, font);
        let own = figure.series.iter().filter(|series| series.design == *design);
        for (line, series) in own.enumerate() {
            let look = theme.series(line);
            draw(&mut canvas, &panel, series, width, look);
            let y = panel_top + 24.0 + 15.0 * line as f64;
            line_sample(&mut canvas, [MARGIN, y], 18.0, look, false, false);
            let small = Font::regular(TINY, palette::GREY);
            canvas.text_within(&series.edge, [MARGIN + 24.0, y + 4.0], room - 24.0, small);
        }
    }
    let caption = many::told(&words.caption, all.len(), designs.len());
    let end = canvas.caption(&caption, bottom + 50.0);
    canvas.figure(NAME, end, &words.title)
}

/// A line of steps for each stretch without a gap.
fn draw(canvas: &mut Canvas, panel: &Panel, series: &AvailabilitySeries, width: f64, look: SeriesLook) {
    let points: Vec<(f64, f64)> = series
        .points
        .iter()
        .copied()
        .filter(|(time, share)| time.is_finite() && share.is_finite())
        .collect();
    for stretch in points.chunk_by(|left, right| right.0 - left.0 < 1.5 * width) {
        let corners = stretch.iter().flat_map(|(time, share)| {
            let end = (time + width).min(panel.x.to);
            [panel.at(*time, *share), panel.at(end, *share)]
        });
        panel.curve(canvas, &corners.collect::<Vec<_>>(), look, 2.0);
    }
}
