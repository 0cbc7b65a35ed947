//! The lanes of a timeline: lays them out and draws names, spans and marks.
//!
//! Rows and room for texts are found by [`super::lanes`]; events, axis and legend belong to [`super::timeline`].

use plotters::style::RGBColor;

use super::axis::LinearScale;
use super::canvas::{Canvas, MARGIN, SMALL, TINY};
use super::lanes::{Place, SYMBOL, place_marks, place_spans};
use super::style::{Font, Style};
use super::text::{truncated, wrapped};
use super::{Lane, Mark, MarkKind, Span, SpanKind, TimelineFigure, palette};

pub(super) const GUTTER: f64 = 138.0;
/// Font size within lanes.
pub(super) const INSIDE: f64 = TINY;
/// Height of a row of spans, its gap included.
const SPAN_ROW: f64 = 26.0;
const MARK_ROW: f64 = 18.0;
/// Widest label of a mark or an event.
pub(super) const LABEL_MAX: f64 = 330.0;

pub(super) struct Laid<'a> {
    lane: &'a Lane,
    pub(super) spans: Vec<(&'a Span, [f64; 2], Place)>,
    marks: Vec<(&'a Mark, f64, Place)>,
    span_rows: usize,
    pub(super) background: RGBColor,
    pub(super) top: f64,
    pub(super) height: f64,
}

/// How times are written in one figure.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    /// Minutes and seconds instead of seconds.
    pub(super) minutes: bool,
    pub(super) decimals: usize,
}

impl Clock {
    /// `seconds` with so many decimals.
    pub(super) fn write(self, seconds: f64, decimals: usize) -> String {
        if !self.minutes {
            return format!("{seconds:.decimals$} s");
        }
        let unit = [1.0, 10.0, 100.0, 1000.0][decimals.min(3)];
        let rounded = (seconds * unit).round() / unit;
        let (sign, rounded) = if rounded < 0.0 { ("-", -rounded) } else { ("", rounded) };
        let minutes = (rounded / 60.0).floor();
        let width = if decimals == 0 { 2 } else { 3 + decimals };
        format!("{sign}{minutes:.0}:{:0width$.decimals$}", rounded - minutes * 60.0)
    }
}

/// Places everything in its lane; also returns the lower edge of the last one.
pub(super) fn lay_out<'a>(figure: &'a TimelineFigure, scale: &LinearScale, top: f64) -> (Vec<Laid<'a>>, f64) {
    let font = Font::regular(INSIDE, palette::INK);
    let mut y = top;
    let mut laid = Vec::new();
    for lane in &figure.lanes {
        let mut spans: Vec<(&Span, [f64; 2])> = lane
            .spans
            .iter()
            .filter(|span| {
                span.start_s <= scale.to && span.end_s.is_none_or(|end| end >= scale.from && end >= span.start_s)
            })
            .map(|span| {
                let left = scale.at(span.start_s);
                (
                    span,
                    [
                        left,
                        span.end_s.map_or(scale.right, |end| scale.at(end)).max(left + 2.0),
                    ],
                )
            })
            .collect();
        spans.sort_by(|a, b| a.0.start_s.total_cmp(&b.0.start_s));
        let sizes: Vec<_> = spans
            .iter()
            .map(|(span, [left, right])| (*left, *right, font.width(&span.label)))
            .collect();
        let places = place_spans(&sizes, scale.right);
        let mut marks: Vec<&Mark> = lane
            .marks
            .iter()
            .filter(|mark| mark.at_s >= scale.from && mark.at_s <= scale.to)
            .collect();
        marks.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
        let sizes: Vec<_> = marks
            .iter()
            .map(|mark| {
                (
                    scale.at(mark.at_s),
                    font.width(&mark.label).min(LABEL_MAX),
                    mark.label.as_str(),
                )
            })
            .collect();
        let mark_places = place_marks(&sizes, [scale.left, scale.right]);
        let rows = |places: &[Place]| {
            places
                .iter()
                .map(|place| place.row.max(place.text_row) + 1)
                .max()
                .unwrap_or(0)
        };
        let (span_rows, mark_rows) = (rows(&places), rows(&mark_places));
        let height = (span_rows as f64 * SPAN_ROW + mark_rows as f64 * MARK_ROW).max(28.0) + 12.0;
        laid.push(Laid {
            lane,
            spans: spans
                .into_iter()
                .zip(places)
                .map(|((span, edges), place)| (span, edges, place))
                .collect(),
            marks: marks
                .into_iter()
                .zip(&sizes)
                .zip(mark_places)
                .map(|((mark, size), place)| (mark, size.0, place))
                .collect(),
            span_rows,
            background: if laid.len() % 2 == 0 {
                palette::PALE
            } else {
                palette::WHITE
            },
            top: y,
            height,
        });
        y += height;
    }
    (laid, y)
}

pub(super) fn lane_name(canvas: &mut Canvas, laid: &Laid) {
    let font = Font::regular(SMALL, palette::INK);
    let limit = GUTTER - 12.0;
    let lines = wrapped(&laid.lane.label, SMALL, font.weight, limit, 2).len();
    let first = laid.top + laid.height / 2.0 + if lines == 1 { 4.0 } else { -3.5 };
    canvas.paragraph(&laid.lane.label, [MARGIN + 6.0, first], limit, 2, font);
}

/// Light inside and strong outline of a kind of span.
pub(super) fn paint(kind: SpanKind) -> Style {
    let solid = |fill, stroke| Style::fill(fill).outlined(stroke, 1.3);
    match kind {
        SpanKind::Truth => solid(RGBColor(0xdd, 0xe1, 0xe6), RGBColor(0x4d, 0x4d, 0x4d)),
        SpanKind::Right => solid(RGBColor(0xcf, 0xeb, 0xe1), palette::GREEN),
        SpanKind::Stale => solid(RGBColor(0xfc, 0xdc, 0xc6), palette::VERMILLION).dashed(&[5.0, 2.5]),
        SpanKind::Absent => solid(palette::WHITE, RGBColor(0x9a, 0x9a, 0x9a)).dashed(&[2.0, 2.5]),
        SpanKind::Broken => solid(RGBColor(0xf3, 0xdb, 0xe8), RGBColor(0xa8, 0x44, 0x7f)),
        SpanKind::Neutral => solid(RGBColor(0xd6, 0xe8, 0xf4), palette::BLUE),
    }
}

fn span_top(laid: &Laid, row: usize) -> f64 {
    let used = laid.span_rows as f64 * SPAN_ROW
        + if laid.marks.is_empty() {
            0.0
        } else {
            mark_rows(laid) * MARK_ROW
        };
    laid.top + (laid.height - used) / 2.0 + row as f64 * SPAN_ROW + 2.0
}

fn mark_rows(laid: &Laid) -> f64 {
    laid.marks
        .iter()
        .map(|(_, _, place)| place.row.max(place.text_row) + 1)
        .max()
        .unwrap_or(0) as f64
}

/// The box of a span; one without an end closes with an open side.
pub(super) fn span_box(
    canvas: &mut Canvas,
    laid: &Laid,
    span: &Span,
    [left, right]: [f64; 2],
    row: usize,
    clock: Clock,
) {
    let (top, bottom) = (span_top(laid, row), span_top(laid, row) + SPAN_ROW - 4.0);
    let until = span
        .end_s
        .map_or_else(|| "the end of the figure".to_owned(), |end| clock.write(end, 2));
    let tip = format!("{}: from {} to {until}", span.label, clock.write(span.start_s, 2));
    let style = paint(span.kind);
    canvas.tooltip(&tip, |canvas| {
        if span.end_s.is_none() {
            canvas.rect(
                [left, top],
                [right - left, bottom - top],
                0.0,
                Style { stroke: None, ..style },
            );
            let outline = Style { fill: None, ..style };
            canvas.path(
                &[[right, top], [left, top], [left, bottom], [right, bottom]],
                false,
                outline,
            );
        } else {
            canvas.rect([left, top], [right - left, bottom - top], 1.5, style);
        }
    });
}

/// The texts of all spans of a lane, on a patch that hides event lines.
pub(super) fn span_texts(canvas: &mut Canvas, laid: &Laid) {
    let font = Font::regular(INSIDE, palette::INK);
    for (span, [_, right], place) in &laid.spans {
        let Some((x, limit)) = place.text else { continue };
        let shown = truncated(&span.label, INSIDE, font.weight, limit);
        let baseline = span_top(laid, place.row) + (SPAN_ROW - 4.0) / 2.0 + INSIDE * 0.36;
        let patch = if x < *right {
            paint(span.kind).fill.unwrap_or(laid.background)
        } else {
            laid.background
        };
        patched_text(canvas, &shown, [x, baseline], font, patch);
    }
}

/// Text on a patch of the colour around it, which hides lines behind it.
pub(super) fn patched_text(canvas: &mut Canvas, text: &str, [x, y]: [f64; 2], font: Font, patch: RGBColor) {
    let size = [font.width(text) + 2.0, font.size + 2.0];
    canvas.rect([x - 1.0, y - font.size + 1.0], size, 0.0, Style::fill(patch));
    canvas.text(text, [x, y], font);
}

pub(super) fn marks(canvas: &mut Canvas, laid: &Laid, clock: Clock) {
    let font = Font::regular(INSIDE, palette::INK);
    let top = span_top(laid, laid.span_rows) - 2.0;
    for (mark, x, place) in &laid.marks {
        let y = top + (place.row as f64 + 0.5) * MARK_ROW;
        canvas.tooltip(&format!("{}: {}", clock.write(mark.at_s, 2), mark.label), |canvas| {
            symbol(canvas, [*x, y], mark.kind);
            if let Some((begin, limit)) = place.text {
                let shown = truncated(&mark.label, INSIDE, font.weight, limit);
                let y = top + (place.text_row as f64 + 0.5) * MARK_ROW;
                patched_text(canvas, &shown, [begin, y + INSIDE * 0.36], font, laid.background);
            }
        });
    }
}

/// Marks differ in shape as well as in colour.
pub(super) fn symbol(canvas: &mut Canvas, [x, y]: [f64; 2], kind: MarkKind) {
    let r = SYMBOL;
    match kind {
        MarkKind::Info => canvas.circle([x, y], r - 1.5, Style::fill(palette::WHITE).outlined(palette::INK, 1.5)),
        MarkKind::Good => canvas.circle([x, y], r - 0.5, Style::fill(palette::GREEN).outlined(palette::INK, 0.8)),
        MarkKind::Bad => {
            for (a, b) in [(-1.0, -1.0), (-1.0, 1.0)] {
                let ends = [
                    [x + a * (r - 1.0), y + b * (r - 1.0)],
                    [x - a * (r - 1.0), y - b * (r - 1.0)],
                ];
                canvas.line(ends[0], ends[1], Style::stroke(palette::WHITE, 5.0));
            }
            for (a, b) in [(-1.0, -1.0), (-1.0, 1.0)] {
                let ends = [
                    [x + a * (r - 1.0), y + b * (r - 1.0)],
                    [x - a * (r - 1.0), y - b * (r - 1.0)],
                ];
                canvas.line(ends[0], ends[1], Style::stroke(palette::VERMILLION, 2.6));
            }
        }
        MarkKind::Warning => canvas.path(
            &[[x, y - r], [x + r, y + r - 1.0], [x - r, y + r - 1.0]],
            true,
            Style::fill(palette::ORANGE).outlined(palette::INK, 0.8),
        ),
    }
}
