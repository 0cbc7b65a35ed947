//! The forest plot: differences of designs by equal runs, one block per measure, with their intervals around zero.
//!
//! Which designs are compared with which, and how, is decided by the laboratory; this file orders and draws.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::axis::Axis;
use super::canvas::{Canvas, MARGIN, NORMAL, SMALL, TINY, WIDTH};
use super::chart::Frame;
use super::panel::{Panel, round_ticks};
use super::shapes::{fitted, marker, name, whisker};
use super::sheet::{Sheet, sheet_row};
use super::style::{Anchor, Font, Style};
use super::theme::{Marker, Theme};
use super::vega::{nominal, number, specification, until};
use super::{Figure, Words, palette, without_data};
use crate::lab::lists::unique;
use crate::report::short::{down, up};

const NAME: &str = "differences";
const GUTTER: f64 = 176.0;
const VALUES: f64 = 168.0;
const ROW: f64 = 25.0;
/// Most differences that are drawn, in whole measures and at least one; all are in the table.
const ROWS_MAX: usize = 40;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ForestFigure {
    pub words: Words,
    pub groups: Vec<ForestGroup>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ForestGroup {
    pub measure: String,
    pub label: String,
    /// Unit; `1` for shares.
    pub unit: String,
    pub rows: Vec<ForestRow>,
}

/// `a` minus `b`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ForestRow {
    pub a: String,
    pub b: String,
    /// Point estimate, in the unit of the measure.
    pub difference: Option<f64>,
    pub lower: Option<f64>,
    pub upper: Option<f64>,
    pub confidence: f64,
    pub method: String,
    pub pairs: u64,
}

impl ForestFigure {
    /// The data as a table, in the units of the measures.
    pub fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new("measure unit a b difference_a_minus_b lower upper confidence method pairs_of_runs");
        for group in &self.groups {
            for row in &group.rows {
                sheet.push(sheet_row![
                    &group.measure,
                    &group.unit,
                    &row.a,
                    &row.b,
                    row.difference,
                    row.lower,
                    row.upper,
                    row.confidence,
                    &row.method,
                    row.pairs
                ]);
            }
        }
        sheet
    }

    pub fn vega(&self) -> Value {
        let measures: Vec<&str> = self.groups.iter().map(|group| group.measure.as_str()).collect();
        let rows = self.groups.iter().flat_map(|group| &group.rows);
        let designs = unique(rows.map(|row| row.a.as_str()));
        let title = "difference, in the unit beside the measure";
        // As in the drawing: what the measure is in words, and percentage points for shares. An empty cell is no zero.
        let labels = self.groups.iter().map(|group| {
            let label = format!("{} [{}]", group.label, group.scale().1);
            (group.measure.clone(), Value::String(label))
        });
        let labels = Value::Object(labels.collect());
        let mut rows = nominal("measure", &measures);
        rows["header"] = json!({
            "labelExpr": format!("{labels}[datum.value]"),
            "labelOrient": "top", "labelAnchor": "start", "labelFontWeight": "bold"
        });
        let shown = |column: &str, shown: &str| {
            let value = format!("toNumber(datum.{column})");
            let scaled = format!("{value} == null ? null : {value} * (datum.unit == '1' ? 100 : 1)");
            json!({ "calculate": scaled, "as": shown })
        };
        let tooltip = json!([
            { "field": "a" }, { "field": "b" },
            { "field": "shown_difference", "type": "quantitative", "title": "a minus b" },
            { "field": "shown_lower", "type": "quantitative", "title": "lower" },
            { "field": "shown_upper", "type": "quantitative", "title": "upper" },
            { "field": "method" }
        ]);
        let body = json!({
            "transform": [
                shown("difference_a_minus_b", "shown_difference"),
                shown("lower", "shown_lower"),
                shown("upper", "shown_upper")
            ],
            "facet": { "row": rows },
            "spec": {
                "encoding": { "y": nominal("a", &designs), "tooltip": tooltip },
                "layer": [
                    { "mark": { "type": "rule", "strokeDash": [3, 3] }, "encoding": { "x": { "datum": 0 }, "y": { "value": 0 }, "y2": { "value": "height" } } },
                    { "mark": "rule", "encoding": { "x": number("shown_lower", title), "x2": until("shown_upper") } },
                    { "mark": { "type": "point", "filled": true }, "encoding": { "x": number("shown_difference", title) } }
                ],
                "width": 420
            },
            "resolve": { "scale": { "x": "independent" } }
        });
        specification(NAME, &self.words, body)
    }
}

impl ForestGroup {
    /// What one unit of the axis is: percentage points for shares.
    fn scale(&self) -> (f64, &str) {
        match self.unit.as_str() {
            "1" => (100.0, "percentage points"),
            unit => (1.0, unit),
        }
    }

    fn baseline(&self) -> Option<&str> {
        let first = self.rows.first()?;
        self.rows.iter().all(|row| row.b == first.b).then_some(first.b.as_str())
    }
}

pub fn differences(figure: &ForestFigure, theme: Theme) -> Figure {
    let words = &figure.words;
    if figure.groups.iter().all(|group| group.rows.is_empty()) {
        return without_data(NAME, &words.title, &words.subtitle, "no designs were compared", theme);
    }
    let mut canvas = Canvas::new(theme);
    let mut y = canvas.heading(&words.title, &words.subtitle) + 8.0;
    let groups: Vec<&ForestGroup> = figure.groups.iter().filter(|group| !group.rows.is_empty()).collect();
    let (mut rows, mut drawn) = (0, 0);
    for group in &groups {
        rows += group.rows.len();
        if drawn > 0 && rows > ROWS_MAX {
            break;
        }
        y = draw_group(&mut canvas, group, y) + 16.0;
        drawn += 1;
    }
    let mut caption = words.caption.clone();
    if groups.len() > drawn {
        let rest = groups[drawn..].iter().map(|group| group.measure.as_str());
        let rest: Vec<&str> = rest.collect();
        caption.push_str(&format!(" Not drawn, but in {NAME}.csv: {}.", rest.join(", ")));
    }
    let end = canvas.caption(&caption, y - 6.0);
    canvas.figure(NAME, end, &words.title)
}

/// Head, rows and axis of a measure; returns the lower edge.
fn draw_group(canvas: &mut Canvas, group: &ForestGroup, top: f64) -> f64 {
    let (scale, unit) = group.scale();
    let head = match group.baseline() {
        Some(baseline) => format!("{}: difference from {baseline}", group.label),
        None => group.label.clone(),
    };
    let limit = WIDTH - 2.0 * MARGIN;
    let font = Font::bold(NORMAL, palette::INK);
    let below = canvas.paragraph(&head, [MARGIN, top + 14.0], limit, 2, font);
    let rows_top = below - 6.0;
    let labels: Vec<String> = group
        .rows
        .iter()
        .map(|row| match group.baseline() {
            Some(_) => row.a.clone(),
            None => format!("{} − {}", row.a, row.b),
        })
        .collect();
    let small = Font::regular(TINY, palette::INK);
    let lines = labels.iter().map(|label| fitted(label, GUTTER - 12.0, 3, small).1);
    let lines = lines.max().unwrap_or(1);
    let tall = ROW.max(lines as f64 * 13.5 + 4.0);
    let bottom = rows_top + group.rows.len() as f64 * tall + 4.0;
    let (from, to) = range(group, scale);
    let panel = Panel {
        frame: Frame {
            left: MARGIN + GUTTER,
            right: WIDTH - MARGIN - VALUES,
            top: rows_top,
            bottom,
            left_labels: 0.0,
            bottom_labels: 37.0,
        },
        x: Axis::linear(from, to),
        y: Axis::linear(0.0, 1.0),
    };
    let ticks = round_ticks(from, to, 8.0, signed);
    let axis = format!("difference [{unit}]");
    let edges = [panel.frame.left, panel.frame.right];
    panel.draw_axes(canvas, &ticks, &[], [edges[0] - 24.0, edges[1] + 24.0], &axis);
    let zero = panel.at(0.0, 0.0)[0];
    canvas.line([zero, rows_top], [zero, bottom], Style::stroke(palette::INK, 1.2));
    for (index, row) in group.rows.iter().enumerate() {
        let middle = rows_top + 2.0 + (index as f64 + 0.5) * tall;
        let font = if lines > 1 {
            small
        } else {
            Font::regular(SMALL, palette::INK)
        };
        name(canvas, &labels[index], [MARGIN, middle], GUTTER - 12.0, 3, font);
        draw_row(canvas, row, &panel, scale, middle);
        let font = Font::regular(SMALL, palette::INK).anchored(Anchor::End);
        canvas.text_within(
            &in_words(row, scale),
            [WIDTH - MARGIN, middle + 4.3],
            VALUES - 8.0,
            font,
        );
    }
    bottom + 37.0
}

fn draw_row(canvas: &mut Canvas, row: &ForestRow, panel: &Panel, scale: f64, middle: f64) {
    let edges = [panel.frame.left, panel.frame.right];
    let at = |value: f64| panel.at(value * scale, 0.0)[0];
    let apart = match (row.lower, row.upper) {
        (Some(lower), _) if lower > 0.0 => true,
        (_, Some(upper)) if upper < 0.0 => true,
        _ => false,
    };
    let colour = if apart { palette::BLUE } else { palette::CONTROL };
    let Some(difference) = row.difference.filter(|value| value.is_finite()) else {
        return;
    };
    let tip = format!(
        "{} − {}: {}; {}, {} pairs of runs",
        row.a,
        row.b,
        in_words(row, scale),
        row.method,
        row.pairs
    );
    canvas.tooltip(&tip, |canvas| {
        if row.lower.is_some() || row.upper.is_some() {
            whisker(canvas, [row.lower.map(at), row.upper.map(at)], edges, middle, colour);
        }
        let shape = if apart { Marker::Square } else { Marker::OpenSquare };
        marker(canvas, [at(difference), middle], shape, 4.4, colour);
    });
}

/// The ends of the axis: everything that is drawn, zero, and a little room.
fn range(group: &ForestGroup, scale: f64) -> (f64, f64) {
    let values = group
        .rows
        .iter()
        .flat_map(|row| [row.difference, row.lower, row.upper])
        .flatten()
        .filter(|value| value.is_finite());
    let (low, high) = values.fold((0.0_f64, 0.0_f64), |(low, high), value| {
        (low.min(value * scale), high.max(value * scale))
    });
    let room = ((high - low) * 0.05).max(if high > low { 0.0 } else { 1.0 });
    (low - room, high + room)
}

fn signed(value: f64) -> String {
    with_sign(crate::report::short::number(value))
}

fn with_sign(plain: String) -> String {
    match plain.as_str() {
        "0" => plain,
        text if text.starts_with('-') => plain.replacen('-', "−", 1),
        _ => format!("+{plain}"),
    }
}

/// `+29.3 [28.9, 29.7]`.
fn in_words(row: &ForestRow, scale: f64) -> String {
    let Some(difference) = row.difference else {
        return "not estimable".to_owned();
    };
    // Rounded away from the claim, as in every table.
    let bound = |value: Option<f64>, rounded: fn(f64) -> String| {
        value.map_or("?".to_owned(), |value| with_sign(rounded(value * scale)))
    };
    let interval = match (row.lower, row.upper) {
        (None, None) => String::new(),
        (lower, upper) => format!(" [{}, {}]", bound(lower, down), bound(upper, up)),
    };
    format!("{}{interval}", signed(difference * scale))
}
