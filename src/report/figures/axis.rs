//! Scales and ticks: where a value is on an axis and which ticks get a label.
//!
//! Pure arithmetic; drawing is done by the figures. Logarithms come from `libm`, so that the bytes of a figure do not
//! depend on the platform.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

/// An axis with its ticks, as a coordinate of plotters.
///
/// The library's own coordinates do not do: its logarithms are those of the standard library, which differ between
/// platforms, its logarithmic ticks are powers of ten only, and given ticks cannot be formatted on an axis of `f64`.
#[derive(Clone, Debug)]
pub struct Axis {
    /// First value; above 0 on a logarithmic axis.
    pub from: f64,
    /// Last value, above `from`.
    pub to: f64,
    pub labelled: Vec<f64>,
    /// Ticks without a label.
    pub unlabelled: Vec<f64>,
    logarithmic: bool,
}

impl Axis {
    pub fn linear(from: f64, to: f64) -> Self {
        Axis {
            from,
            to,
            labelled: Vec::new(),
            unlabelled: Vec::new(),
            logarithmic: false,
        }
    }

    pub fn logarithmic(from: f64, to: f64) -> Self {
        Axis {
            logarithmic: true,
            ..Axis::linear(from, to)
        }
    }

    /// The same with `ticks`, each with a label if it is `shown`.
    pub fn with_ticks(mut self, ticks: &[f64], shown: &[bool]) -> Self {
        for (tick, shown) in ticks.iter().zip(shown) {
            if *shown {
                self.labelled.push(*tick);
            } else {
                self.unlabelled.push(*tick);
            }
        }
        self
    }

    /// Where `value` is between the ends of the axis, 0 to 1; at an end if it lies outside.
    pub fn share(&self, value: f64) -> f64 {
        let value = value.clamp(self.from, self.to);
        if self.logarithmic {
            libm::log(value / self.from) / libm::log(self.to / self.from)
        } else {
            (value - self.from) / (self.to - self.from)
        }
    }

    /// Round times within the axis, the most important first. Ten minutes come before five: where there is room for one of
    /// them, an axis that ends before half an hour is better labelled near its end.
    pub fn round_times(&self) -> Vec<f64> {
        const BY_IMPORTANCE: [f64; 25] = [
            1.0, 10.0, 30.0, 60.0, 1800.0, 600.0, 300.0, 2.0, 5.0, 120.0, 20.0, 3600.0, 0.1, 86_400.0, 21_600.0,
            7200.0, 0.5, 0.2, 0.01, 43_200.0, 604_800.0, 172_800.0, 3.0, 15.0, 7.0,
        ];
        BY_IMPORTANCE
            .into_iter()
            .filter(|tick| (self.from..=self.to).contains(tick))
            .collect()
    }
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (first, last): (i32, i32)) -> i32 {
        first + (self.share(*value) * f64::from(last - first)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            self.unlabelled.clone()
        } else {
            self.labelled.clone()
        }
    }

    fn range(&self) -> Range<f64> {
        self.from..self.to
    }
}

#[derive(Clone, Copy, Debug)]
pub struct LinearScale {
    pub from: f64,
    /// Last value, above `from`.
    pub to: f64,
    pub left: f64,
    pub right: f64,
}

impl LinearScale {
    /// Coordinate of `value`, at an end of the axis if it lies outside.
    pub fn at(&self, value: f64) -> f64 {
        let share = (value.clamp(self.from, self.to) - self.from) / (self.to - self.from);
        self.left + share * (self.right - self.left)
    }

    /// Ticks at round times, at least `gap` units apart, with the step between them \[s\].
    pub fn time_ticks(&self, gap: f64) -> (Vec<f64>, f64) {
        const STEPS: [f64; 26] = [
            0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0,
            600.0, 1200.0, 1800.0, 3600.0, 7200.0, 21_600.0, 43_200.0, 86_400.0,
        ];
        let per_unit = (self.to - self.from) / (self.right - self.left);
        let enough = STEPS.into_iter().find(|step| step / per_unit >= gap);
        let step = enough.unwrap_or_else(|| (per_unit * gap / 86_400.0).ceil() * 86_400.0);
        let first = (self.from / step - 1e-9).ceil();
        let mut ticks = Vec::new();
        let mut index = 0.0;
        while (first + index) * step <= self.to + 1e-9 * step && index < 1000.0 {
            ticks.push((first + index) * step);
            index += 1.0;
        }
        (ticks, step)
    }
}

/// `30 s`, `2 min`, `6 h`: a tick of a time axis with its unit.
pub fn tick_label(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s < 60.0 => (s, "s"),
        s if s < 3600.0 => (s / 60.0, "min"),
        s => (s / 3600.0, "h"),
    };
    format!("{value} {unit}")
}

/// `30s`, `2m`, `6h`: the same as Kubernetes writes durations, for narrow axes.
pub fn short_tick_label(seconds: f64) -> String {
    tick_label(seconds).replace(" min", "m").replace(' ', "")
}

/// Which of `labels` (middle, width; the most important first) can be shown side by side with `gap` between them and
/// within `left..=right`.
pub fn labels_that_fit(labels: &[(f64, f64)], gap: f64, [left, right]: [f64; 2]) -> Vec<bool> {
    let mut taken: Vec<(f64, f64)> = Vec::new();
    labels
        .iter()
        .map(|&(middle, width)| {
            let (from, to) = (middle - width / 2.0, middle + width / 2.0);
            let free = taken.iter().all(|&(start, end)| to + gap <= start || end + gap <= from);
            let fits = free && from >= left && to <= right;
            if fits {
                taken.push((from, to));
            }
            fits
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decades_are_equally_long() {
        let axis = Axis::logarithmic(1.0, 1000.0);
        for (value, pixel) in [(0.5, 20), (1.0, 20), (10.0, 120), (100.0, 220), (9999.0, 320)] {
            assert_eq!(axis.map(&value, (20, 320)), pixel);
        }
    }

    #[test]
    fn time_ticks_are_round() {
        let scale = LinearScale {
            from: 3.0,
            to: 95.0,
            left: 0.0,
            right: 500.0,
        };
        assert_eq!(scale.time_ticks(60.0), (vec![20.0, 40.0, 60.0, 80.0], 20.0));
        assert_eq!(
            [0.5, 30.0, 120.0, 7200.0].map(tick_label),
            ["0.5 s", "30 s", "2 min", "2 h"]
        );
        assert_eq!([0.5, 30.0, 120.0].map(short_tick_label), ["0.5s", "30s", "2m"]);
    }

    /// Panels beside each other, about 200 units wide, whose axes end anywhere.
    #[test]
    fn the_later_part_of_a_narrow_axis_has_a_label() {
        for (to, wanted) in [(1790.0, "10m"), (1900.0, "30m"), (7300.0, "2h"), (25_000.0, "6h")] {
            let axis = Axis::logarithmic(1.0, to);
            let labels: Vec<String> = axis.round_times().into_iter().map(short_tick_label).collect();
            let sizes: Vec<(f64, f64)> = axis
                .round_times()
                .into_iter()
                .zip(&labels)
                .map(|(time, label)| (axis.share(time) * 200.0, label.len() as f64 * 8.0))
                .collect();
            let shown = labels_that_fit(&sizes, 5.0, [-20.0, 224.0]);
            let shown: Vec<&String> = labels
                .iter()
                .zip(shown)
                .filter(|entry| entry.1)
                .map(|entry| entry.0)
                .collect();
            assert!(shown.iter().any(|label| *label == wanted), "{to}: {shown:?}");
        }
    }

    #[test]
    fn later_labels_give_way() {
        let shown = labels_that_fit(
            &[(50.0, 20.0), (60.0, 20.0), (80.0, 20.0), (5.0, 20.0)],
            4.0,
            [0.0, 100.0],
        );
        assert_eq!(shown, [true, false, true, false]);
    }
}
