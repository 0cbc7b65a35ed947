//! A small SVG writer: shapes, text and tooltips become markup, in the order in which they are drawn.
//!
//! It knows nothing of axes, designs or runs. It stands in place of a plotting library because figures need fractional
//! coordinates, measured text and `<title>` tooltips. Coordinates are in units of which [`WIDTH`] span the figure; at
//! 16 cm width 12 units are a font of 7.6 pt.

use std::fmt::Write as _;

use super::text::{Weight, escaped, truncated, width, wrapped};

/// Width of every figure.
pub const WIDTH: f64 = 720.0;
/// Distance between content and the edges of the figure.
pub const MARGIN: f64 = 14.0;
/// Font size of axis labels and values.
pub const SMALL: f64 = 12.0;
/// Font size of names.
pub const NORMAL: f64 = 13.0;
/// Font size of the figure's title.
pub const LARGE: f64 = 17.0;

/// How a shape is painted; colours are SVG colours, `none` paints nothing.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Colour of the inside.
    pub fill: &'static str,
    /// Opacity of the inside, 0 to 1.
    pub fill_opacity: f64,
    /// Colour of the outline.
    pub stroke: &'static str,
    /// Width of the outline.
    pub stroke_width: f64,
    /// Dash pattern as in SVG, empty for a solid line.
    pub dash: &'static str,
}

impl Style {
    /// An outline without inside.
    pub fn stroke(colour: &'static str, stroke_width: f64) -> Self {
        Style {
            fill: "none",
            fill_opacity: 1.0,
            stroke: colour,
            stroke_width,
            dash: "",
        }
    }

    /// A dashed outline without inside.
    pub fn dashed(colour: &'static str, stroke_width: f64, dash: &'static str) -> Self {
        Style {
            dash,
            ..Style::stroke(colour, stroke_width)
        }
    }

    /// An inside without outline.
    pub fn fill(colour: &'static str) -> Self {
        Style {
            fill: colour,
            fill_opacity: 1.0,
            stroke: "none",
            stroke_width: 0.0,
            dash: "",
        }
    }

    /// The same with a translucent inside.
    pub fn translucent(self, fill_opacity: f64) -> Self {
        Style { fill_opacity, ..self }
    }

    /// The same with an outline.
    pub fn outlined(self, colour: &'static str, stroke_width: f64) -> Self {
        Style {
            stroke: colour,
            stroke_width,
            ..self
        }
    }

    fn attributes(&self) -> String {
        let mut result = format!("fill=\"{}\"", self.fill);
        if self.fill_opacity < 1.0 {
            let _ = write!(result, " fill-opacity=\"{}\"", number(self.fill_opacity));
        }
        if self.stroke != "none" {
            let _ = write!(
                result,
                " stroke=\"{}\" stroke-width=\"{}\"",
                self.stroke,
                number(self.stroke_width)
            );
            if !self.dash.is_empty() {
                let _ = write!(result, " stroke-dasharray=\"{}\"", self.dash);
            }
        }
        result
    }
}

/// Which part of a text stands at its `x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The beginning.
    Start,
    /// The middle.
    Middle,
    /// The end.
    End,
}

/// Font of a text.
#[derive(Clone, Copy, Debug)]
pub struct Font {
    /// Size in units of the figure.
    pub size: f64,
    /// Regular or bold.
    pub weight: Weight,
    /// Colour.
    pub colour: &'static str,
    /// Where the text stands relative to its point.
    pub anchor: Anchor,
}

impl Font {
    /// Regular text that begins at its point.
    pub fn regular(size: f64, colour: &'static str) -> Self {
        Font {
            size,
            weight: Weight::Regular,
            colour,
            anchor: Anchor::Start,
        }
    }

    /// Bold text that begins at its point.
    pub fn bold(size: f64, colour: &'static str) -> Self {
        Font {
            weight: Weight::Bold,
            ..Font::regular(size, colour)
        }
    }

    /// The same, at another side of its point.
    pub fn anchored(self, anchor: Anchor) -> Self {
        Font { anchor, ..self }
    }

    /// Width of `text` in this font.
    pub fn width(&self, text: &str) -> f64 {
        width(text, self.size, self.weight)
    }
}

/// The drawing so far.
#[derive(Debug, Default)]
pub struct Canvas {
    body: String,
}

impl Canvas {
    /// A rectangle by its top left corner and size, with corners rounded by `radius`.
    pub fn rect(&mut self, [x, y]: [f64; 2], [w, h]: [f64; 2], radius: f64, style: Style) {
        let _ = write!(
            self.body,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"",
            number(x),
            number(y),
            number(w.max(0.0)),
            number(h.max(0.0))
        );
        if radius > 0.0 {
            let _ = write!(self.body, " rx=\"{}\"", number(radius));
        }
        let _ = writeln!(self.body, " {}/>", style.attributes());
    }

    /// A straight line.
    pub fn line(&mut self, from: [f64; 2], to: [f64; 2], style: Style) {
        self.path(&[from, to], false, style);
    }

    /// A line through `points`, closed to an area if `closed`.
    pub fn path(&mut self, points: &[[f64; 2]], closed: bool, style: Style) {
        if points.len() < 2 {
            return;
        }
        self.body.push_str("<path d=\"");
        for (index, [x, y]) in points.iter().enumerate() {
            let _ = write!(
                self.body,
                "{}{} {}",
                if index == 0 { "M" } else { "L" },
                number(*x),
                number(*y)
            );
        }
        if closed {
            self.body.push('Z');
        }
        let _ = writeln!(self.body, "\" stroke-linejoin=\"round\" {}/>", style.attributes());
    }

    /// A circle.
    pub fn circle(&mut self, [x, y]: [f64; 2], radius: f64, style: Style) {
        let _ = writeln!(
            self.body,
            "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" {}/>",
            number(x),
            number(y),
            number(radius),
            style.attributes()
        );
    }

    /// One line of text whose baseline is at `y`.
    pub fn text(&mut self, text: &str, [x, y]: [f64; 2], font: Font) {
        if text.is_empty() {
            return;
        }
        let _ = write!(
            self.body,
            "<text x=\"{}\" y=\"{}\" font-size=\"{}\" fill=\"{}\"",
            number(x),
            number(y),
            number(font.size),
            font.colour
        );
        if font.weight == Weight::Bold {
            self.body.push_str(" font-weight=\"bold\"");
        }
        match font.anchor {
            Anchor::Start => {}
            Anchor::Middle => self.body.push_str(" text-anchor=\"middle\""),
            Anchor::End => self.body.push_str(" text-anchor=\"end\""),
        }
        let _ = writeln!(self.body, ">{}</text>", escaped(text));
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
    pub fn paragraph(&mut self, text: &str, [x, y]: [f64; 2], limit: f64, lines: usize, font: Font) -> f64 {
        let shown = wrapped(text, font.size, font.weight, limit, lines);
        let step = font.size * 1.3;
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
            y = self.paragraph(title, [MARGIN, y], limit, 2, Font::bold(LARGE, super::palette::INK)) - 2.0;
        }
        if !subtitle.trim().is_empty() {
            y = self.paragraph(
                subtitle,
                [MARGIN, y],
                limit,
                3,
                Font::regular(SMALL, super::palette::GREY),
            );
        }
        y - SMALL * 0.5
    }

    /// The finished document, `height` high, on white.
    pub fn finish(self, height: f64, title: &str) -> String {
        let (w, h) = (number(WIDTH), number(height.ceil()));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" role=\"img\" \
             font-family=\"DejaVu Sans, Verdana, sans-serif\">\n<title>{}</title>\n\
             <rect width=\"{w}\" height=\"{h}\" fill=\"#ffffff\"/>\n{}</svg>\n",
            escaped(title),
            self.body
        )
    }
}

/// A coordinate with at most two decimals and no needless zeros; what is not finite becomes 0.
fn number(value: f64) -> String {
    let value = if value.is_finite() { value } else { 0.0 };
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn coordinates_are_short() {
        assert_eq!(
            [1.0, 1.50, 0.333, -0.001, f64::NAN].map(number),
            ["1", "1.5", "0.33", "0", "0"]
        );
    }
}
