//! The document of a figure: shapes and texts drawn by plotters, in the order in which they come, and tooltips around them.
//!
//! Axes, designs and runs are not its business. Markup of shapes and texts is written by the library ([`Canvas::plot`]);
//! added here is what its SVG backend has no word for: groups that carry a `<title>` (tooltips) or a dash pattern, and a
//! head that shows the library's pixels as units of which [`WIDTH`] span the figure. At 16 cm width 12 units are a font of
//! 7.6 pt.

use std::fmt::Write as _;

use plotters::prelude::{Circle, IntoDrawingArea, PathElement, Polygon, Rectangle, SVGBackend, WHITE};

use super::Figure;
use super::palette;
use super::style::{Area, Drawn, Font, Style, pixels, point};
use super::text::{escaped, legible, truncated, wrapped};
use super::theme::Theme;

pub const WIDTH: f64 = 720.0;
/// Height of the area that is drawn on; the document is cut where its content ends.
pub const HEIGHT_MAX: f64 = 100_000.0;
/// Distance between content and the edges of the figure.
pub const MARGIN: f64 = 14.0;
pub const SMALL: f64 = 12.0;
/// The smallest text: at least 11 px where a page shows the figure at its least width.
pub const TINY: f64 = 11.6;
pub const NORMAL: f64 = 13.0;
pub const LARGE: f64 = 17.0;

/// The library hangs texts from their point by this part of their size; figures place them by their baseline.
const HANG: f64 = 0.76;

#[derive(Debug, Default)]
pub struct Canvas {
    body: String,
    pub theme: Theme,
}

impl Canvas {
    pub fn new(theme: Theme) -> Self {
        Canvas {
            body: String::new(),
            theme,
        }
    }

    /// What `draw` draws on the drawing area of the figure, in [`pixels`].
    pub fn plot(&mut self, draw: impl FnOnce(&Area) -> Drawn<()>) {
        self.body.push_str(&shapes(HEIGHT_MAX, draw));
    }

    /// A rectangle by its top left corner and size, with corners rounded by `radius`.
    pub fn rect(&mut self, [x, y]: [f64; 2], [w, h]: [f64; 2], radius: f64, style: Style) {
        let (w, h) = (w.max(0.0), h.max(0.0));
        if radius == 0.0 && style.stroke.is_none() {
            let Some(inside) = style.inside() else { return };
            let corners = [point([x, y]), point([x + w, y + h])];
            self.plot(|area| area.draw(&Rectangle::new(corners, inside)));
        } else {
            self.path(&rounded([x, y], [w, h], radius.min(w / 2.0).min(h / 2.0)), true, style);
        }
    }

    pub fn line(&mut self, from: [f64; 2], to: [f64; 2], style: Style) {
        self.path(&[from, to], false, style);
    }

    /// A line through `points`, closed to an area if `closed`.
    pub fn path(&mut self, points: &[[f64; 2]], closed: bool, style: Style) {
        if points.len() < 2 {
            return;
        }
        let mut points: Vec<(i32, i32)> = points.iter().copied().map(point).collect();
        if let Some(inside) = style.inside() {
            self.plot(|area| area.draw(&Polygon::new(points.clone(), inside)));
        }
        let Some(outline) = style.outline() else { return };
        if closed {
            // Past the first corner, so that it is joined like the others; dashes must not run over each other.
            let again = if style.dash.is_empty() { 2 } else { 1 };
            points.extend_from_within(..again.min(points.len()));
        }
        let line = PathElement::new(points, outline);
        if style.dash.is_empty() {
            self.plot(|area| area.draw(&line));
        } else {
            let lengths: Vec<String> = style.dash.iter().map(|length| pixels(*length).to_string()).collect();
            let _ = writeln!(self.body, "<g stroke-dasharray=\"{}\">", lengths.join(" "));
            self.plot(|area| area.draw(&line));
            self.body.push_str("</g>\n");
        }
    }

    pub fn circle(&mut self, centre: [f64; 2], radius: f64, style: Style) {
        for part in [style.inside(), style.outline()].into_iter().flatten() {
            self.plot(|area| area.draw(&Circle::new(point(centre), pixels(radius), part)));
        }
    }

    /// One line of text whose baseline is at `y`.
    pub fn text(&mut self, text: &str, [x, y]: [f64; 2], font: Font) {
        if text.is_empty() {
            return;
        }
        let at = point([x, y - HANG * font.size]);
        self.plot(|area| area.draw_text(&legible(text), &font.text_style(), at));
    }

    /// One line of text, shortened to `limit`; the full text is then its tooltip.
    pub fn text_within(&mut self, text: &str, at: [f64; 2], limit: f64, font: Font) {
        let shown = truncated(text, font.size, font.weight, limit);
        if shown == text {
            self.text(&shown, at, font);
        } else {
            self.tooltip(text, |canvas| canvas.text(&shown, at, font));
        }
    }

    /// Up to `lines` lines of text, the first with its baseline at `y`; returns the baseline below the last one. A text
    /// that is shortened has its full wording as tooltip.
    pub fn paragraph(&mut self, text: &str, at: [f64; 2], limit: f64, lines: usize, font: Font) -> f64 {
        self.paragraph_spaced(text, at, limit, lines, font, font.size * 1.3)
    }

    /// The same with another distance of baselines.
    pub fn paragraph_spaced(
        &mut self,
        text: &str,
        [x, y]: [f64; 2],
        limit: f64,
        lines: usize,
        font: Font,
        step: f64,
    ) -> f64 {
        let shown = wrapped(text, font.size, font.weight, limit, lines);
        let draw = |canvas: &mut Canvas| {
            for (index, line) in shown.iter().enumerate() {
                canvas.text(line, [x, y + index as f64 * step], font);
            }
        };
        if shown
            .last()
            .is_some_and(|line| line.ends_with('…') && !text.ends_with('…'))
        {
            self.tooltip(text, draw);
        } else {
            draw(self);
        }
        y + shown.len() as f64 * step
    }

    /// What `draw` draws, with `tip` shown when the pointer rests on it.
    pub fn tooltip(&mut self, tip: &str, draw: impl FnOnce(&mut Canvas)) {
        let _ = writeln!(self.body, "<g><title>{}</title>", escaped(tip));
        draw(self);
        self.body.push_str("</g>\n");
    }

    /// Title and subtitle at the top of the figure; returns the `y` at which content may begin.
    pub fn heading(&mut self, title: &str, subtitle: &str) -> f64 {
        let limit = WIDTH - 2.0 * MARGIN;
        let mut y = MARGIN + LARGE * 0.8;
        if !title.trim().is_empty() {
            y = self.paragraph(title, [MARGIN, y], limit, 3, Font::bold(LARGE, palette::INK)) - 2.0;
        }
        if !subtitle.trim().is_empty() {
            y = self.paragraph(subtitle, [MARGIN, y], limit, 3, Font::regular(SMALL, palette::GREY));
        }
        y - SMALL * 0.5
    }

    /// The caption at the bottom of a figure: n, interval method, what was left out. Returns the height of the figure.
    pub fn caption(&mut self, text: &str, top: f64) -> f64 {
        if text.trim().is_empty() {
            return top + MARGIN;
        }
        let font = Font::regular(TINY, palette::GREY);
        self.paragraph(text, [MARGIN, top + TINY], WIDTH - 2.0 * MARGIN, 9, font) - TINY + MARGIN
    }

    pub fn figure(self, name: &str, height: f64, title: &str) -> Figure {
        Figure {
            name: name.to_owned(),
            svg: self.finish(height, title),
        }
    }

    /// The finished document, `height` high, on the ground of its theme and in the theme's colours.
    pub fn finish(self, height: f64, title: &str) -> String {
        let height = height.ceil();
        let theme = self.theme;
        theme.repaint(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {} {}\" \
             role=\"img\" stroke-linejoin=\"round\">\n<title>{}</title>\n{}{}</svg>\n",
            pixels(WIDTH),
            pixels(height),
            escaped(title),
            shapes(height, |area| area.fill(&WHITE)),
            self.body
        ))
    }
}

/// The markup of what `draw` draws on an area so high, without the `<svg>` around it.
fn shapes(height: f64, draw: impl FnOnce(&Area) -> Drawn<()>) -> String {
    let mut document = String::new();
    let size = (pixels(WIDTH).cast_unsigned(), pixels(height).cast_unsigned());
    let area = SVGBackend::with_string(&mut document, size).into_drawing_area();
    draw(&area)
        .and_then(|()| area.present())
        .expect("a string takes all that is drawn");
    drop(area);
    let inside = document
        .split_once('\n')
        .and_then(|(_, rest)| rest.strip_suffix("</svg>\n"))
        .expect("a document with its head in one line");
    inside.to_owned()
}

/// The corners of a rectangle, each rounded to a quarter of a circle, from the middle of the upper edge clockwise.
fn rounded([x, y]: [f64; 2], [w, h]: [f64; 2], radius: f64) -> Vec<[f64; 2]> {
    /// 1 - sine and 1 - cosine of 0, 22.5, 45, 67.5 and 90 degrees.
    const QUARTER: [[f64; 2]; 5] = [
        [1.0, 0.0],
        [0.617_317, 0.076_120],
        [0.292_893, 0.292_893],
        [0.076_120, 0.617_317],
        [0.0, 1.0],
    ];
    let steps: &[[f64; 2]] = if radius > 0.0 { &QUARTER } else { &[[0.0, 0.0]] };
    let (right, bottom) = (x + w, y + h);
    let forth = || steps.iter().map(|[a, b]| [a * radius, b * radius]);
    let back = || steps.iter().rev().map(|[a, b]| [a * radius, b * radius]);
    let mut corners = vec![[x + w / 2.0, y]];
    corners.extend(forth().map(|[a, b]| [right - a, y + b]));
    corners.extend(back().map(|[a, b]| [right - a, bottom - b]));
    corners.extend(forth().map(|[a, b]| [x + a, bottom - b]));
    corners.extend(back().map(|[a, b]| [x + a, y + b]));
    corners
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_written_by_the_library_and_grouped_here() {
        let mut canvas = Canvas::default();
        canvas.tooltip("a < b", |canvas| {
            let style = Style::stroke(palette::BLUE, 1.3).dashed(&[3.0, 2.5]);
            canvas.line([1.0, 2.0], [f64::NAN, 4.26], style);
        });
        assert_eq!(
            canvas.body,
            "<g><title>a &lt; b</title>\n<g stroke-dasharray=\"30 25\">\n\
             <polyline fill=\"none\" opacity=\"1\" stroke=\"#0072B2\" stroke-width=\"13\" points=\"10,20 0,43 \"/>\n\
             </g>\n</g>\n"
        );
    }

    #[test]
    fn corners_are_round_and_start_in_an_edge() {
        assert_eq!(
            rounded([0.0, 0.0], [4.0, 2.0], 0.0),
            [[2.0, 0.0], [4.0, 0.0], [4.0, 2.0], [0.0, 2.0], [0.0, 0.0]]
        );
        let corners = rounded([0.0, 0.0], [4.0, 2.0], 1.0);
        assert_eq!(corners[..2], [[2.0, 0.0], [3.0, 0.0]]);
        assert_eq!(corners.last(), Some(&[1.0, 0.0]));
    }
}
