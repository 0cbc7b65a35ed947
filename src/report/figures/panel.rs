//! A plotting area with two axes and what is drawn into it: steps, bands, points, all in the coordinates of the figure.
//!
//! Grid, axes and labels are drawn by plotters ([`super::chart`]); curves by the canvas, which can dash them. Which values
//! are drawn belongs to the figures.

use super::axis::{Axis, labels_that_fit};
use super::canvas::{Canvas, SMALL};
use super::chart::{Frame, Labels, chart};
use super::palette;
use super::style::{Font, Style};
use super::theme::SeriesLook;

/// Steps that are smaller than this, in units of the figure, are not drawn one by one: in a picture of 1,440 pixels they are
/// half a pixel high.
const INVISIBLE: f64 = 0.25;
/// The same for the edges of bands.
const INVISIBLE_EDGE: f64 = 0.7;

#[derive(Clone, Debug)]
pub struct Panel {
    /// Its edges, and the room for labels.
    pub frame: Frame,
    pub x: Axis,
    pub y: Axis,
}

/// A tick: where, and its label if there is room.
pub type Tick = (f64, String);

impl Panel {
    pub fn at(&self, x: f64, y: f64) -> [f64; 2] {
        let frame = &self.frame;
        [
            frame.left + self.x.share(x) * (frame.right - frame.left),
            frame.bottom - self.y.share(y) * (frame.bottom - frame.top),
        ]
    }

    /// Draws grid, axes and labels. Of the horizontal ticks, the most important first, those get a label that find room
    /// within `limits`; of the vertical ones all.
    pub fn draw_axes(&self, canvas: &mut Canvas, x_ticks: &[Tick], y_ticks: &[Tick], limits: [f64; 2], x_name: &str) {
        let font = Font::regular(SMALL, palette::INK);
        let frame = self.frame;
        let sizes: Vec<(f64, f64)> = x_ticks
            .iter()
            .map(|(tick, label)| (self.at(*tick, 0.0)[0], font.width(label)))
            .collect();
        let mut shown = labels_that_fit(&sizes, 5.0, limits);
        let room = frame.bottom_labels > 0.0;
        shown
            .iter_mut()
            .zip(x_ticks)
            .for_each(|(shown, tick)| *shown &= room && !tick.1.is_empty());
        let values = |ticks: &[Tick]| ticks.iter().map(|tick| tick.0).collect::<Vec<f64>>();
        let y_shown: Vec<bool> = y_ticks
            .iter()
            .map(|tick| frame.left_labels > 0.0 && !tick.1.is_empty())
            .collect();
        let x = self.x.clone().with_ticks(&values(x_ticks), &shown);
        let y = self.y.clone().with_ticks(&values(y_ticks), &y_shown);
        let label = |ticks: &[Tick], value: &f64| {
            ticks
                .iter()
                .find(|tick| tick.0 == *value)
                .map_or_else(String::new, |tick| tick.1.clone())
        };
        let labels = Labels {
            x: &|value| label(x_ticks, value),
            y: &|value| label(y_ticks, value),
            x_name,
        };
        // The library draws the vertical axis only where there is room for its labels.
        canvas.plot(|area| chart(area, &frame, x, y, &labels).map(drop));
    }

    /// The corners of a step function that starts at `start`: each value holds from its place on. Steps that no reader could
    /// see are drawn together with the next; the last value holds to the end of the axis.
    pub fn steps(&self, start: f64, values: impl Iterator<Item = (f64, f64)>) -> Vec<[f64; 2]> {
        self.stairs(start, values, INVISIBLE)
    }

    /// The same for the edge of a band, which needs fewer corners than a line.
    pub fn edge(&self, start: f64, values: impl Iterator<Item = (f64, f64)>) -> Vec<[f64; 2]> {
        self.stairs(start, values, INVISIBLE_EDGE)
    }

    fn stairs(&self, start: f64, values: impl Iterator<Item = (f64, f64)>, least: f64) -> Vec<[f64; 2]> {
        let mut corners = vec![self.at(self.x.from, start)];
        let mut y = corners[0][1];
        let mut latest = corners[0];
        let within = values.filter(|(at, value)| at.is_finite() && value.is_finite() && *at <= self.x.to);
        for (at, value) in within {
            latest = self.at(at, value);
            if (latest[1] - y).abs() >= least {
                corners.extend([[latest[0], y], latest]);
                y = latest[1];
            }
        }
        if latest[1] != y {
            corners.extend([[latest[0], y], latest]);
            y = latest[1];
        }
        corners.push([self.frame.right, y]);
        without_repetitions(corners)
    }

    pub fn curve(&self, canvas: &mut Canvas, corners: &[[f64; 2]], look: SeriesLook, width: f64) {
        canvas.path(corners, false, Style::stroke(look.colour, width).dashed(look.dash));
    }

    /// Fills the area between two step functions.
    pub fn band(&self, canvas: &mut Canvas, lower: Vec<[f64; 2]>, upper: Vec<[f64; 2]>, look: SeriesLook) {
        let outline: Vec<[f64; 2]> = upper.into_iter().chain(lower.into_iter().rev()).collect();
        let style = Style::fill(look.colour).translucent(look.band_opacity);
        canvas.path(&outline, true, style);
    }
}

/// Corners without those between two others on one upright or level line.
fn without_repetitions(corners: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    let mut kept: Vec<[f64; 2]> = Vec::with_capacity(corners.len());
    for corner in corners {
        if let [.., before, last] = kept.as_slice() {
            let level = before[1] == last[1] && last[1] == corner[1];
            let upright = before[0] == last[0] && last[0] == corner[0];
            if level || upright {
                kept.pop();
            }
        }
        if kept.last() != Some(&corner) {
            kept.push(corner);
        }
    }
    kept
}

/// About `count` round ticks of a linear axis, with labels.
pub fn round_ticks(from: f64, to: f64, count: f64, label: impl Fn(f64) -> String) -> Vec<Tick> {
    let raw = (to - from) / count.max(1.0);
    if !(raw.is_finite() && raw > 0.0) {
        return Vec::new();
    }
    let power = libm::floor(libm::log10(raw));
    let unit = libm::pow(10.0, power);
    let factor = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|factor| factor * unit >= raw * 0.999)
        .unwrap_or(10.0);
    let step = factor * unit;
    let (first, last) = ((from / step - 1e-9).ceil() as i64, (to / step + 1e-9).floor() as i64);
    (first..=last.min(first + 1000))
        .map(|index| {
            // Quotients of whole numbers are what a person would write; products with 0.1 are one rounding error beside.
            let whole = index as f64 * factor;
            let value = match power < 0.0 {
                true => whole / libm::pow(10.0, -power),
                false => whole * unit,
            };
            (value, label(value))
        })
        .collect()
}

/// The powers of ten within a logarithmic axis, the largest first, with labels.
pub fn decades(from: f64, to: f64, label: impl Fn(f64) -> String) -> Vec<Tick> {
    let (low, high) = (libm::log10(from), libm::log10(to));
    let (low, high) = ((low - 1e-9).ceil() as i32, (high + 1e-9).floor() as i32);
    (low..=high)
        .rev()
        .map(|power| libm::exp10(f64::from(power)))
        .map(|value| (value, label(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel() -> Panel {
        Panel {
            frame: Frame {
                left: 100.0,
                right: 300.0,
                top: 50.0,
                bottom: 150.0,
                left_labels: 0.0,
                bottom_labels: 0.0,
            },
            x: Axis::linear(0.0, 10.0),
            y: Axis::linear(0.0, 1.0),
        }
    }

    #[test]
    fn steps_hold_until_the_next_and_to_the_end() {
        let corners = panel().steps(0.0, [(2.0, 0.5), (2.001, 0.501), (4.0, 1.0), (99.0, 0.0)].into_iter());
        assert_eq!(
            corners,
            [
                [100.0, 150.0],
                [140.0, 150.0],
                [140.0, 100.0],
                [180.0, 100.0],
                [180.0, 50.0],
                [300.0, 50.0]
            ]
        );
        let last = panel().steps(0.0, [(2.0, 0.5), (2.001, 0.501)].into_iter());
        let end = last.last().copied().unwrap_or_default();
        assert!(
            (end[1] - 99.9).abs() < 1e-9,
            "the last step counts however small it is: {end:?}"
        );
    }

    #[test]
    fn a_hundred_thousand_steps_are_few_corners() {
        let steps = (0..100_000).map(|step| (f64::from(step) * 1e-4, f64::from(step) * 1e-5));
        assert!(panel().steps(0.0, steps).len() < 2500);
    }

    #[test]
    fn ticks_are_what_a_person_would_write() {
        let plain = |value: f64| value.to_string();
        let labels = |ticks: Vec<Tick>| ticks.into_iter().map(|tick| tick.1).collect::<Vec<_>>();
        assert_eq!(
            labels(round_ticks(0.0, 0.7, 7.0, plain)),
            ["0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7"]
        );
        assert_eq!(
            labels(round_ticks(-13.0, 31.0, 5.0, plain)),
            ["-10", "0", "10", "20", "30"]
        );
        assert_eq!(labels(decades(0.001, 1.0, plain)), ["1", "0.1", "0.01", "0.001"]);
        assert!(round_ticks(1.0, 1.0, 5.0, plain).is_empty());
    }
}
