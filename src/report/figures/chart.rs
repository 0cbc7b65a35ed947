//! Charts of plotters within a figure: places the plotting area, draws grid, axes and labels in the style of all figures.
//!
//! Which ticks there are and which of them have room for a label is decided by the caller with measured texts
//! ([`super::axis`]): labelled ticks are the bold key points of a coordinate, the others its light ones.

use plotters::{
    chart::{ChartBuilder, ChartContext, LabelAreaPosition},
    coord::cartesian::Cartesian2d,
    prelude::{Color, SVGBackend},
};

use super::axis::Axis;
use super::canvas::{HEIGHT_MAX, SMALL, WIDTH};
use super::palette;
use super::style::{Area, Drawn, Font, pixels};

/// Length of ticks; labels begin twice as far from their axis.
const TICK: f64 = 4.0;
/// Down from where the library centres a label to where its digits look centred.
const LOWERED: f64 = 1.0;

/// The place of a chart in its figure: the edges of its plotting area, and the room for labels outside it.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
    /// Room for labels left of it; without any the vertical axis is not drawn.
    pub left_labels: f64,
    /// Room for labels and name of the horizontal axis.
    pub bottom_labels: f64,
}

pub struct Labels<'a> {
    pub x: &'a dyn Fn(&f64) -> String,
    pub y: &'a dyn Fn(&f64) -> String,
    /// Name of the horizontal axis, empty for none.
    pub x_name: &'a str,
}

pub type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, Axis>>;

/// Draws grid, axes and labels of a chart, which is returned for its series.
pub fn chart<'a, 'b>(area: &'a Area<'b>, frame: &Frame, x: Axis, y: Axis, labels: &Labels) -> Drawn<Chart<'a, 'b>> {
    let mut builder = ChartBuilder::on(area);
    builder
        .margin_left(pixels(frame.left - frame.left_labels))
        .margin_top(pixels(frame.top))
        .margin_right(pixels(WIDTH - frame.right))
        .margin_bottom(pixels(HEIGHT_MAX - frame.bottom - frame.bottom_labels))
        .set_label_area_size(LabelAreaPosition::Left, pixels(frame.left_labels))
        .set_label_area_size(LabelAreaPosition::Bottom, pixels(frame.bottom_labels));
    let mut chart = builder.build_cartesian_2d(x, y)?;
    let [grid, axes] = [palette::GRID, palette::GREY].map(|colour| colour.stroke_width(pixels(1.0).cast_unsigned()));
    let mut mesh = chart.configure_mesh();
    mesh.bold_line_style(grid)
        .light_line_style(grid)
        .axis_style(axes)
        .set_tick_mark_size(LabelAreaPosition::Left, pixels(TICK))
        .set_tick_mark_size(LabelAreaPosition::Bottom, pixels(TICK))
        .label_style(Font::regular(SMALL, palette::INK).text_style())
        .x_label_formatter(labels.x)
        .y_label_formatter(labels.y)
        .y_label_offset(pixels(LOWERED));
    if !labels.x_name.is_empty() {
        mesh.x_desc(labels.x_name);
    }
    mesh.draw()?;
    drop(mesh);
    Ok(chart)
}
