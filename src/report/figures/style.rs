//! How shapes and texts of a figure look, in units of the figure, and the same in the terms of plotters.
//!
//! The drawing library counts in whole pixels, of which ten make one unit here: fine enough that rounding does not
//! show. Widths of texts are measured by [`super::text`], never by the library, which without a font can only guess.

use plotters::{
    backend::DrawingBackend,
    prelude::{Color, FontDesc, FontFamily, FontStyle, RGBColor, SVGBackend, ShapeStyle, TextStyle},
    style::text_anchor::{HPos, Pos, VPos},
};

use super::text::{Weight, width};

/// Pixels of the drawing library per unit of a figure.
const SCALE: f64 = 10.0;
/// Fonts of all texts, the embedded one first.
const FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";
/// The library's SVG writer divides font sizes by this.
const FONT_SIZE_DIVISOR: f64 = 1.24;

/// A plotters drawing area that writes SVG.
pub type Area<'a> = plotters::drawing::DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
/// What drawing on an [`Area`] returns.
pub type Drawn<T> =
    Result<T, plotters::drawing::DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>>;

/// A length in pixels of the drawing library; what is not finite becomes 0.
pub fn pixels(length: f64) -> i32 {
    (length * SCALE).round() as i32
}

/// A point in pixels of the drawing library.
pub fn point([x, y]: [f64; 2]) -> (i32, i32) {
    (pixels(x), pixels(y))
}

/// How a shape is painted; a part without colour is not painted.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub fill: Option<RGBColor>,
    /// Opacity of the inside, 0 to 1.
    pub fill_opacity: f64,
    pub stroke: Option<RGBColor>,
    pub stroke_width: f64,
    /// Lengths of dashes and of the gaps between them in turn; empty for a solid outline.
    pub dash: &'static [f64],
}

impl Style {
    /// An outline without inside.
    pub fn stroke(colour: RGBColor, stroke_width: f64) -> Self {
        Style {
            fill: None,
            fill_opacity: 1.0,
            stroke: Some(colour),
            stroke_width,
            dash: &[],
        }
    }

    /// An inside without outline.
    pub fn fill(colour: RGBColor) -> Self {
        Style {
            fill: Some(colour),
            fill_opacity: 1.0,
            stroke: None,
            stroke_width: 0.0,
            dash: &[],
        }
    }

    pub fn translucent(self, fill_opacity: f64) -> Self {
        Style { fill_opacity, ..self }
    }

    pub fn outlined(self, colour: RGBColor, stroke_width: f64) -> Self {
        Style {
            stroke: Some(colour),
            stroke_width,
            ..self
        }
    }

    pub fn dashed(self, dash: &'static [f64]) -> Self {
        Style { dash, ..self }
    }

    /// The inside in the terms of plotters, if it is painted.
    pub fn inside(&self) -> Option<ShapeStyle> {
        Some(self.fill?.mix(self.fill_opacity).filled())
    }

    /// The outline in the terms of plotters, dashes left out, if it is painted.
    pub fn outline(&self) -> Option<ShapeStyle> {
        let width = pixels(self.stroke_width).max(0).cast_unsigned();
        Some(self.stroke?.stroke_width(width))
    }
}

/// Which part of a text is at its `x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

#[derive(Clone, Copy, Debug)]
pub struct Font {
    pub size: f64,
    pub weight: Weight,
    pub colour: RGBColor,
    /// Where the text is relative to its point.
    pub anchor: Anchor,
}

impl Font {
    /// Regular text that begins at its point.
    pub fn regular(size: f64, colour: RGBColor) -> Self {
        Font {
            size,
            weight: Weight::Regular,
            colour,
            anchor: Anchor::Start,
        }
    }

    /// Bold text that begins at its point.
    pub fn bold(size: f64, colour: RGBColor) -> Self {
        Font {
            weight: Weight::Bold,
            ..Font::regular(size, colour)
        }
    }

    /// The same, at another side of its point.
    pub fn anchored(self, anchor: Anchor) -> Self {
        Font { anchor, ..self }
    }

    pub fn width(&self, text: &str) -> f64 {
        width(text, self.size, self.weight)
    }

    /// The same in the terms of plotters; texts hang from their point by 0.76 of their size.
    pub fn text_style(&self) -> TextStyle<'static> {
        let style = match self.weight {
            Weight::Regular => FontStyle::Normal,
            Weight::Bold => FontStyle::Bold,
        };
        let horizontal = match self.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let size = self.size * SCALE * FONT_SIZE_DIVISOR;
        FontDesc::new(FontFamily::Name(FAMILY), size, style)
            .color(&self.colour)
            .pos(Pos::new(horizontal, VPos::Top))
    }
}
