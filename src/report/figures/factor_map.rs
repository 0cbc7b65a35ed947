//! The heat map over two factors: an estimate in each cell, one map per design, on a scale that also works in grey.
//!
//! Each cell has its number and interval as text, so that no value has to be read off a colour. Which measure is shown is
//! decided by `result_figures`.

use plotters::style::RGBColor;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::canvas::{Canvas, MARGIN, NORMAL, SMALL, TINY, WIDTH};
use super::factor_curves::value_label;
use super::shapes::name;
use super::sheet::{Sheet, sheet_row};
use super::style::{Anchor, Font, Style};
use super::theme::Theme;
use super::vega::{nominal, specification};
use super::{Figure, Words, palette, without_data};

const NAME: &str = "factor_map";
const GUTTER: f64 = 118.0;
const CELL: f64 = 38.0;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FactorMapFigure {
    pub words: Words,
    pub measure: String,
    pub label: String,
    /// Unit; `1` for shares.
    pub unit: String,
    /// The factor from left to right, and its levels.
    pub across: (String, Vec<String>),
    /// The factor from top to bottom, and its levels.
    pub down: (String, Vec<String>),
    pub maps: Vec<FactorMap>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FactorMap {
    pub design: String,
    pub cells: Vec<MapCell>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MapCell {
    pub across: usize,
    pub down: usize,
    /// Point estimate; absent if the data give none.
    pub estimate: Option<f64>,
    pub lower: Option<f64>,
    pub upper: Option<f64>,
    pub n: u64,
}

impl FactorMapFigure {
    /// The data as a table, in the unit of the measure.
    pub fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(
            "design factor_across level_across factor_down level_down measure unit estimate lower upper runs",
        );
        for map in &self.maps {
            for cell in &map.cells {
                sheet.push(sheet_row![
                    &map.design,
                    &self.across.0,
                    self.across.1.get(cell.across),
                    &self.down.0,
                    self.down.1.get(cell.down),
                    &self.measure,
                    &self.unit,
                    cell.estimate,
                    cell.lower,
                    cell.upper,
                    cell.n
                ]);
            }
        }
        sheet
    }

    pub fn vega(&self) -> Value {
        let texts = |levels: &[String]| levels.to_vec();
        let axis = |field: &str, (factor, levels): &(String, Vec<String>)| json!({ "field": field, "type": "ordinal", "title": factor, "sort": texts(levels) });
        let designs: Vec<&str> = self.maps.iter().map(|map| map.design.as_str()).collect();
        let body = json!({
            "facet": { "row": nominal("design", &designs) },
            "spec": {
                "mark": { "type": "rect", "stroke": "white" },
                "encoding": {
                    "x": axis("level_across", &self.across),
                    "y": axis("level_down", &self.down),
                    "color": {
                        "field": "estimate", "type": "quantitative", "title": self.label,
                        "scale": { "scheme": "cividis", "reverse": true }
                    },
                    "tooltip": [{ "field": "estimate" }, { "field": "lower" }, { "field": "upper" }, { "field": "runs" }]
                },
                "width": 480
            }
        });
        specification(NAME, &self.words, body)
    }
}

/// Colours from low to high: light to dark, so that the order survives in grey and with any colour vision.
fn ramp(share: f64, theme: Theme) -> RGBColor {
    let stops: [[f64; 3]; 4] = match theme {
        Theme::Light => [
            [255.0, 250.0, 214.0],
            [244.0, 196.0, 106.0],
            [202.0, 92.0, 48.0],
            [84.0, 21.0, 54.0],
        ],
        Theme::Dark => [
            [30.0, 35.0, 48.0],
            [84.0, 52.0, 92.0],
            [206.0, 104.0, 66.0],
            [255.0, 228.0, 150.0],
        ],
        Theme::Print => [[252.0; 3], [196.0; 3], [126.0; 3], [48.0; 3]],
    };
    let at = share.clamp(0.0, 1.0) * 3.0;
    let index = (at.floor() as usize).min(2);
    let part = at - index as f64;
    let mix = |channel: usize| {
        let value = stops[index][channel] * (1.0 - part) + stops[index + 1][channel] * part;
        value.round() as u8
    };
    RGBColor(mix(0), mix(1), mix(2))
}

/// Black or white, whichever is read better on a ground.
fn ink_on(RGBColor(red, green, blue): RGBColor) -> RGBColor {
    let light = 0.299 * f64::from(red) + 0.587 * f64::from(green) + 0.114 * f64::from(blue);
    // Beside the roles of the palette, so that no theme repaints them.
    if light > 140.0 {
        RGBColor(0x11, 0x11, 0x11)
    } else {
        RGBColor(0xfd, 0xfd, 0xfd)
    }
}

pub fn factor_map(figure: &FactorMapFigure, theme: Theme) -> Figure {
    let words = &figure.words;
    let estimates = || {
        figure
            .maps
            .iter()
            .flat_map(|map| &map.cells)
            .filter_map(|cell| cell.estimate)
    };
    let (low, high) = estimates()
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    if low > high || figure.across.1.is_empty() || figure.down.1.is_empty() {
        let reason = "no two factors were varied, or no estimate was made";
        return without_data(NAME, &words.title, &words.subtitle, reason, theme);
    }
    let mut canvas = Canvas::new(theme);
    let mut y = canvas.heading(&words.title, &words.subtitle) + 6.0;
    for map in &figure.maps {
        y = draw_map(&mut canvas, figure, map, [low, high], y) + 10.0;
    }
    let y = scale(&mut canvas, figure, [low, high], y + 4.0);
    let end = canvas.caption(&words.caption, y);
    canvas.figure(NAME, end, &words.title)
}

fn draw_map(canvas: &mut Canvas, figure: &FactorMapFigure, map: &FactorMap, [low, high]: [f64; 2], top: f64) -> f64 {
    let limit = WIDTH - 2.0 * MARGIN;
    canvas.text_within(
        &map.design,
        [MARGIN, top + 14.0],
        limit,
        Font::bold(NORMAL, palette::INK),
    );
    let left = MARGIN + GUTTER;
    let width = (WIDTH - MARGIN - left) / figure.across.1.len() as f64;
    let cells_top = top + 54.0;
    let grey = Font::regular(SMALL, palette::GREY);
    canvas.text_within(
        &format!("{} →", figure.across.0),
        [left, top + 32.0],
        WIDTH - MARGIN - left,
        grey,
    );
    canvas.text_within(
        &format!("{} ↓", figure.down.0),
        [MARGIN, top + 49.0],
        GUTTER - 8.0,
        grey,
    );
    let font = Font::regular(SMALL, palette::INK);
    for (index, level) in figure.across.1.iter().enumerate() {
        let x = left + (index as f64 + 0.5) * width;
        name(
            canvas,
            level,
            [x, top + 45.0],
            width - 4.0,
            1,
            font.anchored(Anchor::Middle),
        );
    }
    for (index, level) in figure.down.1.iter().enumerate() {
        let y = cells_top + (index as f64 + 0.5) * CELL + 4.3;
        canvas.text_within(level, [MARGIN, y], GUTTER - 8.0, font);
    }
    for cell in &map.cells {
        let at = [left + cell.across as f64 * width, cells_top + cell.down as f64 * CELL];
        draw_cell(canvas, figure, cell, at, width, [low, high]);
    }
    cells_top + figure.down.1.len() as f64 * CELL
}

fn draw_cell(
    canvas: &mut Canvas,
    figure: &FactorMapFigure,
    cell: &MapCell,
    [x, y]: [f64; 2],
    width: f64,
    [low, high]: [f64; 2],
) {
    let label = |value: f64| value_label(value, &figure.unit);
    let frame = Style::stroke(palette::WHITE, 1.5);
    let Some(estimate) = cell.estimate.filter(|value| value.is_finite()) else {
        canvas.rect(
            [x, y],
            [width, CELL],
            0.0,
            Style::fill(palette::PALE).outlined(palette::WHITE, 1.5),
        );
        let text = cell.lower.map_or("–".to_owned(), |lower| format!("> {}", label(lower)));
        let font = Font::regular(SMALL, palette::GREY).anchored(Anchor::Middle);
        name(canvas, &text, [x + width / 2.0, y + CELL / 2.0], width - 4.0, 1, font);
        return;
    };
    let share = if high > low {
        (estimate - low) / (high - low)
    } else {
        0.5
    };
    let ground = ramp(share, canvas.theme);
    let ink = ink_on(ground);
    let interval = match (cell.lower, cell.upper) {
        (Some(lower), Some(upper)) => format!("{}–{}", label(lower).trim_end_matches('%'), label(upper)),
        (Some(lower), None) => format!("> {}", label(lower)),
        (None, Some(upper)) => format!("< {}", label(upper)),
        (None, None) => String::new(),
    };
    let tip = format!("{} [{interval}], n = {}", label(estimate), cell.n);
    canvas.tooltip(&tip, |canvas| {
        canvas.rect([x, y], [width, CELL], 0.0, Style::fill(ground));
        canvas.rect([x, y], [width, CELL], 0.0, frame);
        let value = label(estimate);
        let middle = Font::bold(SMALL, ink).anchored(Anchor::Middle);
        let small = Font::regular(TINY, ink).anchored(Anchor::Middle);
        let sizes = [SMALL, TINY].map(|size| Font { size, ..middle });
        let Some(font) = sizes.into_iter().find(|font| font.width(&value) <= width - 3.0) else {
            return;
        };
        let both = !interval.is_empty() && small.width(&interval) <= width - 4.0;
        let y = y + CELL / 2.0 + if both { -2.0 } else { 4.0 };
        canvas.text(&value, [x + width / 2.0, y], font);
        if both {
            canvas.text(&interval, [x + width / 2.0, y + 13.0], small);
        }
    });
}

/// The scale of the colours; returns its lower edge.
fn scale(canvas: &mut Canvas, figure: &FactorMapFigure, [low, high]: [f64; 2], top: f64) -> f64 {
    const STEPS: u32 = 48;
    let (left, width) = (MARGIN + GUTTER, 240.0);
    for step in 0..STEPS {
        let share = f64::from(step) / f64::from(STEPS - 1);
        let x = left + f64::from(step) * width / f64::from(STEPS);
        let size = [width / f64::from(STEPS) + 0.3, 11.0];
        let colour = ramp(share, canvas.theme);
        canvas.rect([x, top], size, 0.0, Style::fill(colour));
    }
    let font = Font::regular(SMALL, palette::INK);
    let right = Font::regular(SMALL, palette::INK).anchored(Anchor::End);
    canvas.text(&value_label(low, &figure.unit), [left, top + 25.0], font);
    canvas.text(&value_label(high, &figure.unit), [left + width, top + 25.0], right);
    let limit = WIDTH - MARGIN - (left + width + 14.0);
    canvas.text_within(&figure.label, [left + width + 14.0, top + 10.0], limit, font);
    top + 36.0
}
