//! Figures of a result: plain data in; one SVG document, its picture as PNG, its data as CSV and a Vega-Lite specification
//! out.
//!
//! A figure is a pure function of its data and a theme: no clock, no file, no simulator, the same bytes for the same input.
//! Where the data come from and where figures are written is the caller's business. [`plot`] lists the figures; one file
//! per figure draws it (`…_data` holds its table and specification where that is long); below them [`panel`] and [`chart`]
//! (axes and grid, drawn with plotters), [`canvas`] (shapes, texts, the document), [`shapes`] (markers, hatching,
//! whiskers, names), `many` (which of many designs are drawn), [`style`] and [`theme`] (looks), [`text`] (widths, shortening), [`axis`] (scales, ticks) and
//! [`palette`] (colours). Values that are not finite are left out rather than drawn somewhere.

pub mod access;
pub mod availability;
pub mod axis;
pub mod canvas;
pub mod chart;
pub mod exposure;
pub mod factor_curves;
mod factor_data;
pub mod factor_map;
pub mod forest;
mod lane_drawing;
mod lanes;
mod many;
pub mod palette;
pub mod panel;
pub mod phases;
pub mod plot;
mod png;
pub mod requests;
pub mod shapes;
pub mod sheet;
pub mod stale;
pub mod startup;
mod startup_data;
mod startup_table;
pub mod style;
#[cfg(test)]
mod tests;
pub mod text;
pub mod theme;
pub mod timeline;
mod timeline_data;
pub mod traffic;
mod vega;

use serde::{Deserialize, Deserializer, Serialize};

pub use access::{AccessFigure, AccessRow, ClassShare};
pub use plot::{Plot, names};
pub use png::{FigureError, png};
pub use startup_data::{StartupFigure, StartupSeries};
pub use theme::Theme;
pub use timeline::{timeline, timeline_in};
pub use timeline_data::{Lane, Mark, MarkKind, Span, SpanKind, TimelineFigure};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    pub name: String,
    pub svg: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    pub title: String,
    /// What is drawn, and of which experiment, seed, runs and version.
    pub subtitle: String,
    /// n, interval method, what was left out.
    pub caption: String,
}

/// An estimate with its interval as figures draw it; bounds that are not known are absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub estimate: f64,
    pub lower: Option<f64>,
    pub upper: Option<f64>,
}

/// JSON has no word for "not a number" but `null`.
fn not_a_number_if_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// A figure that says why there is nothing to see.
fn without_data(name: &str, title: &str, subtitle: &str, reason: &str, theme: Theme) -> Figure {
    let mut canvas = canvas::Canvas::new(theme);
    let top = canvas.heading(title, subtitle);
    let height = 120.0;
    canvas.rect(
        [canvas::MARGIN, top],
        [canvas::WIDTH - 2.0 * canvas::MARGIN, height],
        4.0,
        style::Style::fill(palette::PALE).outlined(palette::RULE, 1.0),
    );
    let middle = canvas::WIDTH / 2.0;
    let font = style::Font::bold(canvas::NORMAL, palette::GREY).anchored(style::Anchor::Middle);
    canvas.text("no data", [middle, top + height / 2.0 - 4.0], font);
    let font = style::Font::regular(canvas::SMALL, palette::GREY).anchored(style::Anchor::Middle);
    canvas.text(reason, [middle, top + height / 2.0 + 16.0], font);
    canvas.figure(name, top + height + canvas::MARGIN, title)
}
