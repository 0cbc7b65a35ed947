//! The certificate requests of one run: how many each Istiod had got by when, and each single request with what became of
//! it.
//!
//! Which run is drawn and where its requests come from belongs to `result_figures`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::axis::{Axis, LinearScale};
use super::canvas::{Canvas, MARGIN, SMALL, TINY, WIDTH};
use super::chart::Frame;
use super::panel::{Panel, Tick, round_ticks};
use super::shapes::{line_sample, name};
use super::sheet::{Sheet, sheet_row};
use super::style::{Anchor, Font, Style};
use super::theme::Theme;
use super::vega::{last_of, nominal, number, specification, until};
use super::{Figure, Words, palette, without_data};

const NAME: &str = "certificate_requests";
const LEFT: f64 = 112.0;
const RIGHT: f64 = 26.0;
const HEIGHT: f64 = 220.0;
const STRIP: f64 = 24.0;
/// Most Istiods with a strip each.
const STRIPS_MAX: usize = 12;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestsFigure {
    pub words: Words,
    pub start_s: f64,
    pub end_s: f64,
    /// What happened to the cluster: `(seconds, label)`.
    pub events: Vec<(f64, String)>,
    pub istiods: Vec<IstiodRequests>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IstiodRequests {
    pub istiod: String,
    /// Its requests in order: when each was sent \[s\], and whether it got its certificate.
    pub requests: Vec<(f64, bool)>,
}

impl RequestsFigure {
    /// The data as a table: a row per request.
    pub fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new("istiod sent_s requests_so_far answer");
        for istiod in &self.istiods {
            for (index, (sent, signed)) in istiod.requests.iter().enumerate() {
                let answer = if *signed { "certificate" } else { "none or refused" };
                sheet.push(sheet_row![&istiod.istiod, *sent, index as u64 + 1, answer]);
            }
        }
        sheet
    }

    pub fn vega(&self) -> Value {
        let names: Vec<&str> = self.istiods.iter().map(|istiod| istiod.istiod.as_str()).collect();
        let mut time = number("sent_s", "time in the run [s]");
        time["scale"] = json!({ "domain": [self.start_s, self.end_s], "nice": false });
        let body = json!({
            "transform": last_of("sent_s", "istiod", self.end_s),
            "encoding": {
                "x": time,
                "y": number("requests_so_far", "certificate requests so far"),
                "color": nominal("istiod", &names)
            },
            "layer": [
                { "mark": { "type": "line", "interpolate": "step-after", "clip": true } },
                {
                    "transform": [{ "filter": "datum.sent_s == datum.last && datum.last < datum.until" }],
                    "mark": { "type": "rule", "strokeWidth": 2, "clip": true },
                    "encoding": { "x2": until("until") }
                },
                {
                    "transform": [{ "filter": "datum.answer == 'certificate'" }],
                    "mark": { "type": "point", "filled": true, "size": 16, "clip": true }
                },
                {
                    "transform": [{ "filter": "datum.answer != 'certificate'" }],
                    "mark": { "type": "point", "shape": "M-1,-1L1,1M-1,1L1,-1", "size": 60, "strokeWidth": 2, "clip": true },
                    "encoding": { "color": { "value": "black" } }
                }
            ],
            "width": 560,
            "height": 300
        });
        specification(NAME, &self.words, body)
    }
}

/// Rows in which the numbers of events find room above a panel.
const EVENT_ROWS: usize = 3;
/// Room above a panel for what it shows and the numbers of events below that.
pub(super) const EVENTS_HEAD: f64 = 57.0;

/// A time axis of seconds with ticks for a panel.
pub(super) fn time_axis(start_s: f64, end_s: f64, [left, right]: [f64; 2]) -> (Axis, Vec<Tick>) {
    let scale = LinearScale {
        from: start_s,
        to: end_s,
        left,
        right,
    };
    let (ticks, _) = scale.time_ticks(62.0);
    let minutes = end_s > 900.0;
    let label = |tick: f64| match minutes {
        true => format!(
            "{:.0}:{:02.0}",
            (tick / 60.0).floor(),
            tick - (tick / 60.0).floor() * 60.0
        ),
        false => format!("{tick} s"),
    };
    let ticks = ticks.into_iter().map(|tick| (tick, label(tick))).collect();
    (Axis::linear(start_s, end_s), ticks)
}

pub(super) fn time_name(end_s: f64) -> &'static str {
    match end_s > 900.0 {
        true => "time in the run (minutes:seconds)",
        false => "time in the run",
    }
}

/// Dashed upright lines for events, each with its number above; returns the key to the numbers.
pub(super) fn events(canvas: &mut Canvas, panel: &Panel, events: &[(f64, String)], bottom: f64) -> String {
    let mut key: Vec<String> = Vec::new();
    let mut taken = [f64::NEG_INFINITY; EVENT_ROWS];
    let within = events.iter().filter(|(at, _)| *at >= panel.x.from && *at <= panel.x.to);
    for (number, (at, label)) in within.enumerate() {
        let [x, _] = panel.at(*at, panel.y.from);
        let line = Style::stroke(palette::GREY, 1.0).dashed(&[3.0, 2.5]);
        canvas.tooltip(&format!("{at:.1} s: {label}"), |canvas| {
            canvas.line([x, panel.frame.top], [x, bottom], line);
        });
        let text = (number + 1).to_string();
        let font = Font::regular(TINY, palette::GREY).anchored(Anchor::Middle);
        let half = font.width(&text) / 2.0;
        if let Some(level) = taken.iter().position(|taken| x - half > taken + 2.0) {
            canvas.text(&text, [x, panel.frame.top - 4.0 - 11.0 * level as f64], font);
            taken[level] = x + half;
        }
        // No line ends between a number and what it belongs to.
        key.push(format!("{}\u{a0}{label} ({at:.1}\u{a0}s)", number + 1));
    }
    match key.is_empty() {
        true => String::new(),
        false => format!("Dashed lines: {}.", key.join(", ")),
    }
}

pub fn certificate_requests(figure: &RequestsFigure, theme: Theme) -> Figure {
    let words = &figure.words;
    let (from, to) = (figure.start_s, figure.end_s);
    let any = figure.istiods.iter().any(|istiod| !istiod.requests.is_empty());
    if !(any && from.is_finite() && to.is_finite() && to > from) {
        let reason = "no certificate was requested in this run";
        return without_data(NAME, &words.title, &words.subtitle, reason, theme);
    }
    let mut canvas = Canvas::new(theme);
    let top = canvas.heading(&words.title, &words.subtitle) + EVENTS_HEAD;
    canvas.text(
        "certificate requests so far",
        [MARGIN, top - EVENTS_HEAD + 16.0],
        Font::regular(SMALL, palette::INK),
    );
    let most = figure
        .istiods
        .iter()
        .map(|istiod| istiod.requests.len())
        .max()
        .unwrap_or(1) as f64;
    let edges = [LEFT, WIDTH - RIGHT];
    let (time, ticks) = time_axis(from, to, edges);
    let shown = figure.istiods.len().min(STRIPS_MAX);
    let strips_top = top + HEIGHT + 8.0;
    let bottom = strips_top + shown as f64 * STRIP;
    let panel = Panel {
        frame: Frame {
            left: edges[0],
            right: edges[1],
            top,
            bottom: top + HEIGHT,
            left_labels: LEFT,
            bottom_labels: 0.0,
        },
        x: time.clone(),
        y: Axis::linear(0.0, most * 1.05),
    };
    let counts = round_ticks(0.0, most * 1.05, 5.0, |value| format!("{value}"));
    let counts: Vec<Tick> = counts.into_iter().filter(|(value, _)| value.fract() == 0.0).collect();
    panel.draw_axes(&mut canvas, &ticks, &counts, [0.0, WIDTH], "");
    let strips = Panel {
        frame: Frame {
            top: strips_top,
            bottom,
            left_labels: 0.0,
            bottom_labels: 37.0,
            ..panel.frame
        },
        x: time,
        y: Axis::linear(0.0, 1.0),
    };
    strips.draw_axes(&mut canvas, &ticks, &[], [edges[0] - 24.0, WIDTH - 2.0], time_name(to));
    let key = events(&mut canvas, &panel, &figure.events, bottom);
    for (index, istiod) in figure.istiods.iter().enumerate() {
        let look = theme.series(index);
        let before = istiod.requests.partition_point(|(sent, _)| *sent < from);
        let later = istiod.requests.iter().enumerate().skip(before);
        let steps = later.map(|(index, (sent, _))| (*sent, index as f64 + 1.0));
        let corners = panel.steps(before as f64, steps);
        panel.curve(&mut canvas, &corners, look, 2.0);
        if index < shown {
            strip(&mut canvas, istiod, &strips, index, theme);
        }
    }
    let caption = format!("{} {key}", words.caption);
    let end = canvas.caption(&caption, bottom + 50.0);
    canvas.figure(NAME, end, &words.title)
}

/// Name of an Istiod, a sample of its line, and its single requests: bars for certificates, crosses for none.
fn strip(canvas: &mut Canvas, istiod: &IstiodRequests, strips: &Panel, index: usize, theme: Theme) {
    let middle = strips.frame.top + (index as f64 + 0.5) * STRIP;
    let look = theme.series(index);
    line_sample(canvas, [MARGIN, middle], 20.0, look, false, false);
    let limit = LEFT - MARGIN - 32.0;
    name(
        canvas,
        &istiod.istiod,
        [MARGIN + 26.0, middle],
        limit,
        2,
        Font::regular(SMALL, palette::INK),
    );
    let mut latest = [f64::NEG_INFINITY; 2];
    for (sent, signed) in istiod
        .requests
        .iter()
        .filter(|(sent, _)| (strips.x.from..=strips.x.to).contains(sent))
    {
        let [x, _] = strips.at(*sent, 0.0);
        if x - latest[usize::from(*signed)] < 0.8 {
            continue;
        }
        latest[usize::from(*signed)] = x;
        if *signed {
            canvas.line([x, middle - 6.0], [x, middle + 6.0], Style::stroke(look.colour, 1.4));
        } else {
            let style = Style::stroke(palette::INK, 1.4);
            canvas.line([x - 3.5, middle - 3.5], [x + 3.5, middle + 3.5], style);
            canvas.line([x - 3.5, middle + 3.5], [x + 3.5, middle - 3.5], style);
        }
    }
}
