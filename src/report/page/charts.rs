//! The data of the chart of startup: every curve and its band at the same times, few enough for a page.
//!
//! The curves are those of the drawn figure; between two times of the page a step may be up to one time early or late.

use serde::Serialize;

use super::runs::significant;
use crate::report::figures::StartupFigure;

/// Times at which curves are given.
const TIMES: u32 = 360;
/// Most numbers in all curves together; with many designs there are fewer times.
const NUMBERS_MAX: u32 = 60_000;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Curves {
    x: Vec<f64>,
    series: Vec<Curve>,
}

/// The curve of a design: the share of its pods that are ready, and its band.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Curve {
    y: Vec<f64>,
    lower: Vec<Option<f64>>,
    upper: Vec<Option<f64>>,
}

/// The curves of a figure; nothing if it has no point. Its series must be the designs in their order.
pub(super) fn curves(figure: &StartupFigure) -> Option<Curves> {
    let times = || {
        let points = figure.series.iter().flat_map(|series| &series.points);
        points.map(|point| point.0).filter(|time| *time > 0.0)
    };
    let first = times().min_by(f64::total_cmp)?;
    let last = times().max_by(f64::total_cmp)?.max(first * 1.01);
    let designs = u32::try_from(figure.series.len()).unwrap_or(u32::MAX).max(1);
    let steps = TIMES.min(NUMBERS_MAX / designs / 3).max(60);
    let (low, high) = (libm::log(first), libm::log(last));
    let mut x: Vec<f64> = (0..=steps)
        .map(|step| significant(libm::exp(low + (high - low) * f64::from(step) / f64::from(steps))))
        .collect();
    x.dedup();
    let series = figure.series.iter().map(|series| {
        let step = |time: f64| {
            let after = series.points.partition_point(|point| point.0 <= time * (1.0 + 1e-9));
            after.checked_sub(1).map_or(0.0, |at| series.points[at].1)
        };
        let band = |time: f64| {
            let after = series.band.partition_point(|entry| entry.0 <= time * (1.0 + 1e-9));
            after.checked_sub(1).map(|at| series.band[at])
        };
        Curve {
            y: x.iter().map(|time| share(step(*time))).collect(),
            lower: x.iter().map(|time| band(*time).map(|band| share(band.1))).collect(),
            upper: x.iter().map(|time| band(*time).map(|band| share(band.2))).collect(),
        }
    });
    let series = series.collect();
    Some(Curves { x, series })
}

/// A share to a millionth, so that its complement has digits too.
fn share(value: f64) -> f64 {
    libm::round(value * 1e6) / 1e6
}
