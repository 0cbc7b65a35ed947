//! The access figure: in which share of runs each class of access happened, a row per design and a column per class.
//!
//! Columns let a reader run down one class over all designs, which is the question ("who admits the wrong client?").
//! What the classes mean is decided where accesses are judged; this file only orders, draws and labels them.

use plotters::style::RGBColor;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::axis::LinearScale;
use super::canvas::{Canvas, MARGIN, NORMAL, SMALL, TINY, WIDTH};
use super::many;
use super::shapes;
use super::sheet::{Sheet, sheet_row};
use super::style::{Anchor, Font, Style};
use super::text::wrapped;
use super::theme::Theme;
use super::vega::{nominal, share, specification, until};
use super::{Figure, Words, palette, without_data};
use crate::lab::lists::unique;
use crate::report::short::{count, percent, percent_down, percent_up};

const NAME: &str = "access_classes";
/// Room for the names of the designs.
const GUTTER: f64 = 128.0;
const ROW: f64 = 54.0;
/// Most columns side by side; more classes go into a further block.
const COLUMNS_MAX: usize = 7;
/// Between the edge of a column and its axis.
const INSET: f64 = 9.0;

/// In which share of runs each class of access happened, per design.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AccessFigure {
    pub words: Words,
    /// Confidence of the intervals, between 0 and 1.
    pub confidence: f64,
    /// One entry per design, in the order of the experiment.
    pub rows: Vec<AccessRow>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AccessRow {
    pub design: String,
    pub n_runs: u64,
    /// One entry per class; a class that a design does not list is left empty in its row.
    pub shares: Vec<ClassShare>,
}

/// Share of runs with at least one access of a class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassShare {
    /// Name of the class as in the columns of a result (`network_bypassed`) or in words (`not demonstrated`).
    pub class: String,
    #[serde(deserialize_with = "super::not_a_number_if_null")]
    pub estimate: f64,
    pub lower: f64,
    pub upper: f64,
    pub method: String,
}

impl AccessFigure {
    pub fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new("design class share_of_runs lower upper confidence method runs");
        for row in &self.rows {
            for share in &row.shares {
                sheet.push(sheet_row![
                    &row.design,
                    &share.class,
                    share.estimate,
                    share.lower,
                    share.upper,
                    self.confidence,
                    &share.method,
                    row.n_runs
                ]);
            }
        }
        sheet
    }

    pub fn vega(&self) -> Value {
        let designs: Vec<&str> = self.rows.iter().map(|row| row.design.as_str()).collect();
        let classes = classes(self);
        let body = json!({
            "facet": { "column": nominal("class", &classes) },
            "spec": {
                "encoding": { "y": nominal("design", &designs), "color": nominal("class", &classes) },
                "layer": [
                    { "mark": "rule", "encoding": { "x": share("lower", "share of runs"), "x2": until("upper") } },
                    { "mark": { "type": "point", "filled": true }, "encoding": { "x": share("share_of_runs", "share of runs") } }
                ],
                "width": 90
            }
        });
        specification(NAME, &self.words, body)
    }
}

/// Draws the share of runs with each class of access, per design; of very many designs some (`many`).
pub fn access_classes(figure: &AccessFigure, theme: Theme) -> Figure {
    let classes = classes(figure);
    let words = &figure.words;
    if classes.is_empty() || figure.rows.iter().all(|row| row.n_runs == 0) {
        return without_data(NAME, &words.title, &words.subtitle, "no run was judged", theme);
    }
    let names: Vec<&str> = figure.rows.iter().map(|row| row.design.as_str()).collect();
    let drawn = many::drawn(&names, &[]);
    let rows = figure.rows.iter().filter(|row| drawn.contains(&row.design.as_str()));
    let rows: Vec<&AccessRow> = rows.collect();
    let mut canvas = Canvas::new(theme);
    let mut y = canvas.heading(&words.title, &words.subtitle);
    let columns = classes.len().div_ceil(classes.len().div_ceil(COLUMNS_MAX));
    for block in classes.chunks(columns) {
        y = draw_block(&mut canvas, &rows, block, columns, y);
    }
    let end = canvas.caption(&many::told(&words.caption, names.len(), drawn.len()), y);
    canvas.figure(NAME, end, &words.title)
}

/// The classes in the order in which they first appear.
fn classes(figure: &AccessFigure) -> Vec<&str> {
    let shares = figure.rows.iter().flat_map(|row| &row.shares);
    unique(shares.map(|share| share.class.as_str()))
}

/// Heads, rows and axes of some classes; returns the lower edge.
fn draw_block(canvas: &mut Canvas, rows: &[&AccessRow], classes: &[&str], columns: usize, top: f64) -> f64 {
    let width = (WIDTH - 2.0 * MARGIN - GUTTER) / columns as f64;
    let left = |column: usize| MARGIN + GUTTER + column as f64 * width;
    let right = left(classes.len());
    let font = title_font(classes, width - 3.0).anchored(Anchor::Middle);
    let titles: Vec<Vec<String>> = classes
        .iter()
        .map(|class| wrapped(&class.replace('_', " "), font.size, font.weight, width - 3.0, 3))
        .collect();
    let lines = titles.iter().map(Vec::len).max().unwrap_or(1);
    let rows_top = top + 12.0 + lines as f64 * 15.0 + 8.0;
    let bottom = rows_top + rows.len() as f64 * ROW;
    for (column, (class, title)) in classes.iter().zip(&titles).enumerate() {
        let middle = left(column) + width / 2.0;
        let first = rows_top - 16.0 - (title.len() - 1) as f64 * 15.0;
        canvas.tooltip(&class.replace('_', " "), |canvas| {
            for (index, line) in title.iter().enumerate() {
                canvas.text(line, [middle, first + index as f64 * 15.0], font);
            }
        });
        let mark = Style::fill(palette::access_class(class));
        canvas.rect(
            [left(column) + INSET, rows_top - 8.0],
            [width - 2.0 * INSET, 3.0],
            0.0,
            mark,
        );
        for share in [0.0, 0.5, 1.0] {
            let x = scale(left(column), width).at(share);
            canvas.line([x, bottom], [x, bottom + 4.0], Style::stroke(palette::GREY, 1.0));
        }
        let font = Font::regular(TINY, palette::GREY);
        canvas.text("0", [left(column) + INSET - 3.0, bottom + 16.0], font);
        canvas.text(
            "100%",
            [left(column) + width - INSET + 5.0, bottom + 16.0],
            font.anchored(Anchor::End),
        );
    }
    for (index, row) in rows.iter().enumerate() {
        let y = rows_top + index as f64 * ROW;
        canvas.line([MARGIN, y], [right, y], Style::stroke(palette::RULE, 1.0));
        row_head(canvas, row, y);
        for (column, class) in classes.iter().enumerate() {
            let share = row.shares.iter().find(|share| share.class == *class && row.n_runs > 0);
            draw_cell(canvas, share, left(column), width, y);
        }
    }
    canvas.line([MARGIN, bottom], [right, bottom], Style::stroke(palette::GREY, 1.0));
    bottom + 30.0
}

fn scale(left: f64, width: f64) -> LinearScale {
    LinearScale {
        from: 0.0,
        to: 1.0,
        left: left + INSET,
        right: left + width - INSET,
    }
}

/// The largest font in which no usual word of the column titles has to be broken.
fn title_font(classes: &[&str], limit: f64) -> Font {
    let fits = |font: &Font| {
        classes
            .iter()
            .flat_map(|class| class.split(['_', ' ']))
            .all(|word| font.width(word) <= limit)
    };
    let fonts = [
        Font::bold(SMALL, palette::INK),
        Font::regular(SMALL, palette::INK),
        Font::regular(TINY, palette::INK),
    ];
    fonts
        .into_iter()
        .find(fits)
        .unwrap_or(Font::regular(TINY, palette::INK))
}

/// Name of the design and number of its runs.
fn row_head(canvas: &mut Canvas, row: &AccessRow, top: f64) {
    let limit = GUTTER - 8.0;
    let (large, small) = (Font::bold(NORMAL, palette::INK), Font::bold(TINY, palette::INK));
    // Two large lines, else three small ones.
    let fits = shapes::fitted(&row.design, limit, 2, large).0.size > TINY;
    let (font, lines) = if fits { (large, 2) } else { (small, 3) };
    let height = shapes::name(canvas, &row.design, [MARGIN, top + 21.0], limit, lines, font);
    let runs = if row.n_runs == 1 {
        "1 run".to_owned()
    } else {
        format!("{} runs", count(row.n_runs))
    };
    let below = top + 21.0 + height / 2.0 + 10.0;
    canvas.text(
        &runs,
        [MARGIN, below.min(top + ROW - 4.0)],
        Font::regular(TINY, palette::GREY),
    );
}

/// Estimate in words, whisker and interval in words, one below the other.
fn draw_cell(canvas: &mut Canvas, share: Option<&ClassShare>, left: f64, width: f64, top: f64) {
    let middle = left + width / 2.0;
    let Some(share) = share.filter(|share| share.estimate.is_finite()) else {
        let font = Font::regular(SMALL, palette::GREY).anchored(Anchor::Middle);
        canvas.text("–", [middle, top + ROW / 2.0 + 4.0], font);
        return;
    };
    let scale = scale(left, width);
    let colour = palette::access_class(&share.class);
    let none = share.estimate <= 0.0;
    let y = top + 28.0;
    let ink = if none { palette::GREY } else { palette::INK };
    let weight = if none {
        Font::regular(SMALL, ink)
    } else {
        Font::bold(SMALL, ink)
    };
    let font = weight.anchored(Anchor::Middle);
    canvas.text(&percent(share.estimate), [middle, top + 17.0], font);
    canvas.line([scale.left, y], [scale.right, y], Style::stroke(palette::RULE, 1.0));
    for tick in [0.0, 0.5, 1.0].map(|tick| scale.at(tick)) {
        canvas.line([tick, y - 4.0], [tick, y + 4.0], Style::stroke(palette::RULE, 1.0));
    }
    if share.lower.is_finite() && share.upper.is_finite() {
        let (lower, upper) = (scale.at(share.lower), scale.at(share.upper));
        whisker(canvas, [lower, upper], y, none, colour);
        let font = Font::regular(TINY, palette::GREY).anchored(Anchor::Middle);
        canvas.text(&interval(share), [middle, top + 46.0], font);
    }
    let at = [scale.at(share.estimate), y];
    let dot = if none {
        Style::fill(palette::WHITE).outlined(colour, 1.6)
    } else {
        Style::fill(colour)
    };
    canvas.circle(at, 4.2, dot);
}

/// The interval of a share; one that starts at "never seen" ends in an open arrow head instead of a bar.
fn whisker(canvas: &mut Canvas, [lower, upper]: [f64; 2], y: f64, none: bool, colour: RGBColor) {
    let style = Style::stroke(colour, 2.2);
    canvas.line([lower, y], [upper, y], style);
    if !none {
        for x in [lower, upper] {
            canvas.line([x, y - 5.0], [x, y + 5.0], Style::stroke(colour, 1.6));
        }
    } else if upper - lower > 9.0 {
        canvas.path(
            &[[upper - 5.0, y - 5.0], [upper, y], [upper - 5.0, y + 5.0]],
            false,
            Style::stroke(colour, 1.6),
        );
    }
}

/// `0.2–1.9` (per cent), or `≤ 0.38%` if nothing was seen.
fn interval(share: &ClassShare) -> String {
    let (lower, upper) = (percent_down(share.lower), percent_up(share.upper));
    match share.estimate {
        estimate if estimate <= 0.0 => format!("≤ {upper}"),
        estimate if estimate >= 1.0 => format!("≥ {lower}"),
        _ => format!("{}–{}", lower.trim_end_matches('%'), upper.trim_end_matches('%')),
    }
}
