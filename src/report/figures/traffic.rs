//! The availability figure: the share of requests of flows that the right workload answered, over the time at which they were sent.
//!
//! A panel per design with a common axis. Requests are counted in spans of time; a span without any has no value. Where its numbers come
//! from belongs to `result_figures`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::axis::Axis;
use super::canvas::{Canvas, MARGIN, SMALL, WIDTH};
use super::chart::Frame;
use super::many;
use super::panel::{Panel, Tick};
use super::requests::{time_axis, time_name};
use super::shapes::name;
use super::sheet::{Sheet, sheet_row};
use super::style::Font;
use super::theme::{SeriesLook, Theme};
use super::vega::{number, share, specification, until};
use super::{Figure, Interval, Words, palette, without_data};

const NAME: &str = "traffic_availability";
const LEFT: f64 = 168.0;
const RIGHT: f64 = 26.0;
/// Between panels.
const GAP: f64 = 14.0;
/// Where the axis of shares may begin.
const FLOORS: [f64; 4] = [0.99, 0.9, 0.5, 0.0];

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrafficFigure {
    pub words: Words,
    /// When a run ends [s].
    pub end_s: f64,
    /// One entry per design with requests that policies admit.
    pub series: Vec<TrafficSeries>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrafficSeries {
    pub design: String,
    /// In the order of time.
    pub spans: Vec<TrafficSpan>,
}

/// The requests that were sent in a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrafficSpan {
    pub from_s: f64,
    pub until_s: f64,
    /// Share that was answered rightly.
    pub share: Interval,
    /// How many, in all runs.
    pub requests: u64,
}

impl TrafficFigure {
    /// The data as a table: a row per span.
    pub fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new("design from_s until_s share_answered lower upper requests");
        for series in &self.series {
            for span in &series.spans {
                let Interval { estimate, lower, upper } = span.share;
                sheet.push(sheet_row![
                    &series.design,
                    span.from_s,
                    span.until_s,
                    estimate,
                    lower,
                    upper,
                    span.requests
                ]);
            }
        }
        sheet
    }

    pub fn vega(&self) -> Value {
        let title = "share of requests answered by the right workload";
        let designs: Vec<&str> = self.series.iter().map(|series| series.design.as_str()).collect();
        let mut time = number("from_s", "time in the run [s]");
        time["scale"] = json!({ "domain": [0.0, self.end_s], "nice": false });
        let floor = json!({ "domain": [self.floor(), 1.0] });
        let [mut shown, mut low] = [share("share_answered", title), share("lower", title)];
        (shown["scale"], low["scale"]) = (floor.clone(), floor);
        let body = json!({
            "facet": { "row": { "field": "design", "type": "nominal", "sort": designs, "title": Value::Null } },
            "spec": {
                "encoding": { "x": time, "x2": until("until_s") },
                "layer": [
                    {
                        "transform": [{ "filter": "datum.lower != null" }],
                        "mark": { "type": "rect", "opacity": 0.22, "clip": true },
                        "encoding": { "y": low, "y2": until("upper") }
                    },
                    { "mark": { "type": "rule", "strokeWidth": 2, "clip": true }, "encoding": { "y": shown } }
                ],
                "width": 560,
                "height": 110
            }
        });
        specification(NAME, &self.words, body)
    }

    /// Where the axis of shares begins: below the least share.
    fn floor(&self) -> f64 {
        let spans = self.series.iter().flat_map(|series| &series.spans);
        let least = spans.map(|span| span.share.estimate).filter(|share| share.is_finite());
        let least = least.fold(1.0, f64::min);
        FLOORS.into_iter().find(|floor| *floor < least).unwrap_or(0.0)
    }
}

/// Draws availability over time, a panel per design; of very many designs some (`many`).
pub fn traffic_availability(figure: &TrafficFigure, theme: Theme) -> Figure {
    let words = &figure.words;
    let usable = figure.end_s.is_finite() && figure.end_s > 0.0;
    if !usable || figure.series.iter().all(|series| series.spans.is_empty()) {
        let reason = "no request of a flow was sent that policies admit";
        return without_data(NAME, &words.title, &words.subtitle, reason, theme);
    }
    let names: Vec<&str> = figure.series.iter().map(|series| series.design.as_str()).collect();
    let drawn = many::drawn(&names, &[]);
    let shown: Vec<&TrafficSeries> = figure
        .series
        .iter()
        .filter(|series| drawn.contains(&series.design.as_str()))
        .collect();
    let mut canvas = Canvas::new(theme);
    let top = canvas.heading(&words.title, &words.subtitle);
    let font = Font::regular(SMALL, palette::INK);
    let what = "share of the requests that policies admit which the right workload answered";
    canvas.text(what, [MARGIN, top + 20.0], font);
    let edges = [LEFT, WIDTH - RIGHT];
    let (time, ticks) = time_axis(0.0, figure.end_s, edges);
    let floor = figure.floor();
    let label = |share: f64| format!("{}%", crate::report::short::number(share * 100.0));
    let shares: Vec<Tick> = [floor, (floor + 1.0) / 2.0, 1.0]
        .map(|share| (share, label(share)))
        .to_vec();
    let height = if shown.len() > 4 { 62.0 } else { 96.0 };
    let first = top + 34.0;
    let bottom = first + shown.len() as f64 * (height + GAP) - GAP;
    for (index, series) in shown.iter().enumerate() {
        let last = index + 1 == shown.len();
        let panel_top = first + index as f64 * (height + GAP);
        let panel = Panel {
            frame: Frame {
                left: edges[0],
                right: edges[1],
                top: panel_top,
                bottom: panel_top + height,
                left_labels: 52.0,
                bottom_labels: if last { 37.0 } else { 0.0 },
            },
            x: time.clone(),
            y: Axis::linear(floor, 1.0),
        };
        let axis = if last { time_name(figure.end_s) } else { "" };
        panel.draw_axes(&mut canvas, &ticks, &shares, [edges[0] - 24.0, WIDTH - 2.0], axis);
        spans(&mut canvas, &panel, series, floor, theme.series(0));
        let at = [MARGIN, panel_top + height / 2.0];
        name(&mut canvas, &series.design, at, LEFT - MARGIN - 60.0, 3, font);
    }
    let caption = many::told(&words.caption, names.len(), drawn.len());
    let end = canvas.caption(&caption, bottom + 50.0);
    canvas.figure(NAME, end, &words.title)
}

/// The spans of a design: a band for each, and a line that is broken where there is none.
fn spans(canvas: &mut Canvas, panel: &Panel, series: &TrafficSeries, floor: f64, look: SeriesLook) {
    let within = |share: f64| share.clamp(floor, 1.0);
    for span in &series.spans {
        let Some((lower, upper)) = span.share.lower.zip(span.share.upper) else {
            continue;
        };
        let edge = |share: f64| {
            vec![
                panel.at(span.from_s, within(share)),
                panel.at(span.until_s, within(share)),
            ]
        };
        panel.band(canvas, edge(lower), edge(upper), look);
    }
    let joined = |a: &TrafficSpan, b: &TrafficSpan| a.until_s == b.from_s;
    for piece in series.spans.chunk_by(joined) {
        let corners = piece.iter().flat_map(|span| {
            let share = within(span.share.estimate);
            [panel.at(span.from_s, share), panel.at(span.until_s, share)]
        });
        panel.curve(canvas, &corners.collect::<Vec<_>>(), look, 2.0);
    }
}
