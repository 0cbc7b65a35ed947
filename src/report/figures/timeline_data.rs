//! The plain data of a timeline: lanes with spans and marks, and events through all of them.
//!
//! Where they come from belongs to `timeline_of_run`, how they are drawn to [`super::timeline`].

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Words;
use super::sheet::{Sheet, sheet_row};
use super::vega::{nominal, number, specification};

/// One run as swim lanes: which views were right or wrong, and when.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimelineFigure {
    pub title: String,
    /// Experiment, design, replication, seed, and the command that gives the same as text.
    pub subtitle: String,
    pub start_s: f64,
    pub end_s: f64,
    pub lanes: Vec<Lane>,
    /// Vertical lines through all lanes: `(seconds, label)`, such as the cut, the reuse, the probe, the withdrawal.
    pub events: Vec<(f64, String)>,
}

/// One party, or one question to which the answer changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lane {
    pub label: String,
    pub spans: Vec<Span>,
    pub marks: Vec<Mark>,
}

/// What holds in a lane for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    pub start_s: f64,
    /// Until when \[s\]; `None` for beyond the end of the figure.
    pub end_s: Option<f64>,
    pub label: String,
    pub kind: SpanKind,
}

/// Meaning of a span, which decides its colour and its entry in the legend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpanKind {
    /// Physics: what is so.
    Truth,
    /// A belief that agrees with the truth.
    Right,
    /// A belief that the truth has left behind.
    Stale,
    /// Nothing is known, or nothing is there.
    Absent,
    /// A part that cannot be reached or does not work.
    Broken,
    Neutral,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    pub at_s: f64,
    pub label: String,
    pub kind: MarkKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkKind {
    /// An attempt or a message, without judgement.
    Info,
    Good,
    /// Against what was intended, in every layer.
    Bad,
    /// One layer failed, another held; or a failure without an intruder.
    Warning,
}

/// Kinds of spans as the table writes them, and their colours in specifications, those of the drawing.
const SPAN_KINDS: [&str; 6] = ["truth", "right", "stale", "absent", "broken", "neutral"];
const SPAN_COLOURS: [&str; 6] = ["#8a8a8a", "#009e73", "#d55e00", "#ffffff", "#cc79a7", "#0072b2"];
/// Kinds of marks as the table writes them, and their symbols in specifications.
const MARK_KINDS: [&str; 4] = ["info", "good", "bad", "warning"];
const MARK_SHAPES: [&str; 4] = ["circle", "diamond", "cross", "triangle-up"];

impl TimelineFigure {
    /// The data as a table: spans with begin and end, marks and events with one time.
    pub fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new("lane what kind start_s end_s label");
        for (at, label) in &self.events {
            sheet.push(sheet_row!["", "event", "", *at, None::<f64>, label]);
        }
        for lane in &self.lanes {
            for span in &lane.spans {
                let kind = word(&span.kind);
                sheet.push(sheet_row![
                    &lane.label,
                    "span",
                    &kind,
                    span.start_s,
                    span.end_s,
                    &span.label
                ]);
            }
            for mark in &lane.marks {
                let kind = word(&mark.kind);
                sheet.push(sheet_row![
                    &lane.label,
                    "mark",
                    &kind,
                    mark.at_s,
                    None::<f64>,
                    &mark.label
                ]);
            }
        }
        sheet
    }

    pub fn vega(&self) -> Value {
        let lanes: Vec<&str> = self.lanes.iter().map(|lane| lane.label.as_str()).collect();
        let words = Words {
            title: self.title.clone(),
            subtitle: self.subtitle.clone(),
            caption: String::new(),
        };
        // An empty cell is read as an empty text, which counts as 0 in arithmetic; `toNumber` makes it nothing.
        let open = format!(
            "isValid(toNumber(datum.end_s)) ? min(toNumber(datum.end_s), {}) : {}",
            self.end_s, self.end_s
        );
        let from = format!("max(toNumber(datum.start_s), {})", self.start_s);
        let scale = json!({ "domain": [self.start_s, self.end_s], "nice": false });
        let time = |field: &str| {
            let mut channel = number(field, "time in the run [s]");
            channel["scale"] = scale.clone();
            channel
        };
        let tooltip = json!([{ "field": "label" }, { "field": "start_s" }, { "field": "end_s" }]);
        let body = json!({
            "transform": [
                { "calculate": from, "as": "from_s" },
                { "calculate": open, "as": "until_s" },
                { "filter": format!("datum.from_s <= {} && datum.until_s >= {}", self.end_s, self.start_s) }
            ],
            "layer": [
                {
                    "transform": [{ "filter": "datum.what == 'span'" }],
                    "mark": { "type": "bar", "stroke": "black", "opacity": 0.6 },
                    "encoding": {
                        "x": time("from_s"),
                        "x2": { "field": "until_s" },
                        "y": nominal("lane", &lanes),
                        "color": {
                            "field": "kind", "type": "nominal", "title": "what holds",
                            "scale": { "domain": SPAN_KINDS, "range": SPAN_COLOURS }
                        },
                        "tooltip": tooltip
                    }
                },
                {
                    "transform": [{ "filter": "datum.what == 'mark'" }],
                    "mark": { "type": "point", "filled": true, "size": 70, "color": "black" },
                    "encoding": { "x": time("from_s"), "y": nominal("lane", &lanes),
                        "shape": {
                            "field": "kind", "type": "nominal", "title": "what happened",
                            "scale": { "domain": MARK_KINDS, "range": MARK_SHAPES }
                        },
                        "tooltip": tooltip
                    }
                },
                {
                    "transform": [{ "filter": "datum.what == 'event'" }],
                    "mark": { "type": "rule", "strokeDash": [3, 3] },
                    "encoding": { "x": time("from_s"), "tooltip": tooltip }
                }
            ],
            "width": 560
        });
        specification("timeline", &words, body)
    }
}

fn word(kind: &impl Serialize) -> String {
    match serde_json::to_value(kind) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}
