//! The difference of one quantile of waits pooled over runs between two designs. Quantiles of one design are in
//! `incidence.rs`.
//!
//! Both quantiles have bounds, and the runs state how much both are alike: what a run has in one design beyond its part at
//! the quantile goes with what it has in the other. From these the bounds of the difference are recovered as if they were
//! standard errors (Zou & Donner 2008).

use super::agree::tested;
use super::difference::Difference;
use super::incidence::{IncidenceAnalysis, IncidenceOptions};
use super::paired::{CommonRandomNumbers, common_random_numbers};
use super::survival::{Observation, assert_level};
use super::{Caveat, Estimate};

/// What a difference of quantiles needs in addition to the observations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantileDifference {
    /// Level of the quantile, in (0, 1].
    pub level: f64,
    /// The second design's quantile is multiplied by this.
    pub factor: f64,
    /// Whether equal run numbers are equal replications.
    pub paired: bool,
    /// Longest wait that could be observed \[ns\], in each design.
    pub horizon_ns: (u64, u64),
    /// Nominal coverage, in (0, 1).
    pub confidence: f64,
}

/// Difference q_A − f · q_B \[s\] of the quantiles of two designs' pooled waits.
///
/// Quantiles and their bounds as in [`IncidenceAnalysis::quantiles`]. With q_A in (l_A, u_A) and q_B in (l_B, u_B):
/// L = d − √((q_A − l_A)² + f²(u_B − q_B)² − 2ρf(q_A − l_A)(u_B − q_B)), U likewise, ρ the correlation over equal replications of
/// the two designs' X_r − p·N_r at their quantiles, 0 for independent designs. Where a quantile is not reached within the
/// horizon the difference has no estimate, and the bound l_A − f·u_B or u_A − f·l_B where both are known. Designs without any
/// spread between them, such as identical ones, have no interval. `n` is the smaller number of runs with subjects. Panics if an
/// option is out of range.
pub fn quantile_difference(a: &[Observation], b: &[Observation], options: &QuantileDifference) -> Difference {
    let QuantileDifference {
        level,
        factor,
        confidence,
        ..
    } = *options;
    assert_level(level);
    assert!(factor > 0.0, "{options:?}");
    let analysis = |data, horizon_ns| IncidenceAnalysis::new(data, IncidenceOptions { horizon_ns, confidence });
    let (left, right) = (analysis(a, options.horizon_ns.0), analysis(b, options.horizon_ns.1));
    let n = left.runs_with_subjects().min(right.runs_with_subjects());
    if n == 0 {
        return Difference::not_estimable(0, confidence, "no data");
    }
    let gained = match options.paired {
        true => likeness(&left.influence(level), &right.influence(level)),
        false => CommonRandomNumbers::NONE,
    };
    let correlation = gained.correlation.unwrap_or(0.0);
    let seconds = |ns: u64| ns as f64 / 1e9;
    let points = left.point_ns(level).zip(right.point_ns(level));
    let points = points.map(|(of_a, of_b)| (seconds(of_a), factor * seconds(of_b)));
    let bounds = |confidence: f64| {
        let of_a = left.quantile_bounds_ns(level, confidence);
        let of_b = right.quantile_bounds_ns(level, confidence);
        // No wait is shorter than nothing, and none is known to end.
        let below = |bound: Option<u64>| bound.map_or(0.0, seconds);
        let above = |bound: Option<u64>| bound.map_or(f64::INFINITY, seconds);
        let (low_a, high_a) = (below(of_a.0), above(of_a.1));
        let (low_b, high_b) = (factor * below(of_b.0), factor * above(of_b.1));
        let Some((point_a, point_b)) = points else {
            return (low_a - high_b, high_a - low_b);
        };
        let size = |x: f64, y: f64| match x.is_finite() && y.is_finite() {
            true => (x * x + y * y - 2.0 * correlation * x * y).max(0.0).sqrt(),
            false => f64::INFINITY,
        };
        let difference = point_a - point_b;
        (
            difference - size(point_a - low_a, high_b - point_b),
            difference + size(high_a - point_a, point_b - low_b),
        )
    };
    let point = points.map(|(of_a, of_b)| of_a - of_b);
    // The runs of both designs differ in nothing that the quantile sees.
    if point == Some(0.0) && gained.correlation.is_some() && gained.variance_reduction.is_none() {
        let method = "Aalen-Johansen, no spread between the designs, no interval";
        return Difference {
            estimate: Estimate::new(point, (None, None), n, confidence, method),
            p_value: None,
            common_random_numbers: gained,
        };
    }
    let ((lower, upper), p_value) = tested(bounds, None, confidence);
    let how = if options.paired {
        "paired quantiles"
    } else {
        "quantiles of independent designs"
    };
    let finite = |bound: f64| Some(bound).filter(|bound| bound.is_finite());
    let bounds = (finite(lower), finite(upper));
    let mut estimate = Estimate::new(point, bounds, n, confidence, &format!("Aalen-Johansen, {how}"));
    if point.is_none() {
        estimate.warn(Caveat::BeyondHorizon, "a quantile not reached within the horizon");
    }
    if n < super::ratio::RUNS_MIN {
        estimate.warn(Caveat::FewRuns, "fewer than 20 runs with any");
    }
    let p_value = (estimate.lower.is_some() || estimate.upper.is_some()).then_some(p_value);
    Difference {
        estimate,
        p_value,
        common_random_numbers: gained,
    }
}

/// Correlation and variance reduction of two designs' influences over the runs that both have.
fn likeness(left: &[(u32, f64)], right: &[(u32, f64)]) -> CommonRandomNumbers {
    let of_right = |run: u32| {
        right
            .binary_search_by_key(&run, |(number, _)| *number)
            .ok()
            .map(|place| right[place].1)
    };
    let both = left.iter().filter_map(|(run, x)| Some((*x, of_right(*run)?)));
    let (a, b): (Vec<f64>, Vec<f64>) = both.unzip();
    common_random_numbers(&a, &b)
}

#[cfg(test)]
mod tests {
    use super::super::survival::Outcome;
    use super::super::testing::{Words, assert_close};
    use super::*;

    const HORIZON_NS: u64 = 100_000_000_000;

    fn options(level: f64) -> QuantileDifference {
        QuantileDifference {
            level,
            factor: 1.0,
            paired: true,
            horizon_ns: (HORIZON_NS, HORIZON_NS),
            confidence: 0.95,
        }
    }

    fn event(run: u32, seconds: f64) -> Observation {
        Observation {
            run,
            time_ns: (seconds * 1e9) as u64,
            outcome: Outcome::Event,
        }
    }

    /// Runs of five pods; run r is slow in both designs or in neither, and `shift` is added to every wait.
    fn waits(runs: u32, seed: u64, shift: f64) -> Vec<Observation> {
        let (mut shared_event, mut words) = (Words(8), Words(seed));
        let mut list = Vec::new();
        for run in 0..runs {
            let slow = 4.0 * shared_event.uniform();
            list.extend((0..5).map(|_| event(run, 1.0 + slow + 0.2 * words.uniform() + shift)));
        }
        list
    }

    #[test]
    fn what_runs_have_in_common_makes_the_interval_shorter() {
        let (a, b) = (waits(60, 1, 1.5), waits(60, 2, 0.0));
        let seen = quantile_difference(&a, &b, &options(0.9));
        let (lower, upper) = (seen.estimate.lower.unwrap(), seen.estimate.upper.unwrap());
        assert!(lower > 1.2 && lower < 1.5 && upper > 1.5 && upper < 1.8, "{seen:?}");
        assert!(seen.common_random_numbers.correlation.unwrap() > 0.8 && seen.p_value.unwrap() < 1e-6);
        let apart = QuantileDifference {
            paired: false,
            ..options(0.9)
        };
        let apart = quantile_difference(&a, &b, &apart);
        assert!(
            apart.estimate.lower.unwrap() < lower - 0.2 && apart.estimate.upper.unwrap() > upper + 0.1,
            "{apart:?}"
        );
        assert_eq!(apart.common_random_numbers, CommonRandomNumbers::NONE);
        let mirrored = quantile_difference(&b, &a, &options(0.9));
        assert_close(mirrored.estimate.upper.unwrap(), -lower, 1e-12);
        assert_eq!(mirrored.p_value, seen.p_value);
    }

    #[test]
    fn designs_without_spread_between_them_have_no_interval() {
        let a = waits(60, 1, 0.0);
        let seen = quantile_difference(&a, &a, &options(0.5));
        assert_eq!(
            (seen.estimate.estimate, seen.estimate.lower, seen.estimate.upper),
            (Some(0.0), None, None)
        );
        assert_eq!(seen.p_value, None);
        assert!(seen.estimate.method.ends_with("no interval"));
    }

    #[test]
    fn a_quantile_beyond_the_horizon_bounds_the_difference() {
        let b = waits(60, 1, 0.0);
        let never: Vec<Observation> = b
            .iter()
            .map(|seen| Observation {
                time_ns: HORIZON_NS,
                outcome: Outcome::Censored,
                ..*seen
            })
            .collect();
        let seen = quantile_difference(&never, &b, &options(0.5));
        assert_eq!((seen.estimate.estimate, seen.estimate.upper), (None, None));
        let lower = seen.estimate.lower.unwrap();
        assert!(lower > 100.0 - 5.2 && lower < 100.0 - 2.0, "{lower}");
        let mirrored = quantile_difference(&b, &never, &options(0.5));
        assert_eq!((mirrored.estimate.lower, mirrored.estimate.upper), (None, Some(-lower)));
        let nothing = quantile_difference(&never, &never, &options(0.5));
        assert_eq!(
            (nothing.estimate.lower, nothing.estimate.upper, nothing.p_value),
            (None, None, None)
        );
    }

    #[test]
    fn thin_tails_leave_bounds_out() {
        let (a, b) = (waits(60, 1, 1.0), waits(60, 2, 0.0));
        let seen = quantile_difference(&a, &b, &options(0.995));
        assert_eq!((seen.estimate.lower, seen.estimate.upper), (None, None), "{seen:?}");
    }

    #[test]
    fn a_factor_multiplies_the_second_quantile() {
        let (a, b) = (waits(40, 1, 0.0), waits(40, 2, 0.0));
        let doubled = QuantileDifference {
            factor: 2.0,
            ..options(0.5)
        };
        let (once, twice) = (
            quantile_difference(&a, &b, &options(0.5)),
            quantile_difference(&a, &b, &doubled),
        );
        let median = |data| {
            IncidenceAnalysis::new(
                data,
                IncidenceOptions {
                    horizon_ns: HORIZON_NS,
                    confidence: 0.95,
                },
            )
            .quantiles(&[0.5])[0]
                .estimate
                .unwrap()
        };
        assert_close(
            once.estimate.estimate.unwrap() - twice.estimate.estimate.unwrap(),
            median(&b),
            1e-9,
        );
    }

    #[test]
    fn little_to_compare_says_so() {
        assert_eq!(
            quantile_difference(&[], &waits(4, 1, 0.0), &options(0.5))
                .estimate
                .method,
            "no data"
        );
        let seen = quantile_difference(&[event(0, 1.0)], &[event(0, 2.0)], &options(0.5));
        assert_eq!(
            (seen.estimate.estimate, seen.estimate.lower, seen.estimate.upper),
            (Some(-1.0), None, None)
        );
    }
}
