//! Shares of pods or requests: the ratio of two sums over runs, with an interval that respects the
//! correlation inside a run. A pooled binomial interval does not belong here or anywhere: on
//! correlated pods a nominal 95 % covers about 60 %. Shares of runs are in `proportion.rs`.

use super::proportion::{binomial_bounds, zero_event_upper};
use super::special::{normal_critical, student_t_critical};
use super::{Caveat, Estimate, count, error_level};

/// Shares below this value, or above its complement, get their interval on the logit scale.
const LOGIT_BELOW: f64 = 0.2;

/// Contributing runs below which the linearized interval carries a warning.
pub(super) const CONTRIBUTING_MIN: usize = 10;

/// Runs below which the linearized interval carries a warning.
pub(super) const RUNS_MIN: u64 = 20;

/// Sums over runs and the linearized variance of their ratio.
struct Sums {
    events: f64,
    units: f64,
    share: f64,
    /// Variance of the share; `None` below two runs.
    variance: Option<f64>,
    /// Runs that hold at least one event, or at least one unit without event, whichever is fewer.
    contributing: usize,
}

/// Sums over runs; `None` if no run has a unit.
fn sums(runs: &[(u64, u64)]) -> Option<Sums> {
    let (mut events, mut units) = (0u128, 0u128);
    for (x, n) in runs {
        assert!(x <= n, "{x} events among {n} units of a run");
        events += u128::from(*x);
        units += u128::from(*n);
    }
    if units == 0 {
        return None;
    }
    let (events, units) = (events as f64, units as f64);
    let share = events / units;
    let mut squares = 0.0;
    for (x, n) in runs {
        let residual = count(*x) - share * count(*n);
        squares += residual * residual;
    }
    let r = runs.len() as f64;
    let variance = (runs.len() > 1).then(|| r / (r - 1.0) * squares / (units * units));
    let with_event = runs.iter().filter(|(x, _)| *x > 0).count();
    let with_other = runs.iter().filter(|(x, n)| x < n).count();
    let contributing = with_event.min(with_other);
    Some(Sums {
        events,
        units,
        share,
        variance,
        contributing,
    })
}

/// Share of units (pods, requests) with an event, from one pair (events, units) per run,
/// dimensionless.
///
/// p̂ = ΣX/ΣN with variance Σ(X − p̂N)² · R / ((R−1) (ΣN)²) and the t quantile with R − 1 degrees
/// (Cochran 1977, ch. 6), on the logit scale if p̂ is outside [0.2, 0.8] or the plain interval leaves
/// [0, 1]. With fewer than ten contributing runs (runs with an event, or with a unit without event,
/// whichever are fewer) the exact binomial interval for the effective number of units
/// n* = p̂(1−p̂)/Var · (z/t)² (Korn & Graubard 1998): the linearized one would be too sure that the
/// share is not smaller. Look then also at the share of runs (`proportion.rs`). Assumes independent
/// runs; units inside a run may depend on each other in any way.
///
/// Without any event the upper bound is that of the share of *runs* with an event, 1 − (α/2)^(1/R), times max N / mean N, since ΣX ≤ max N · (runs with an event); mirrored if every unit
/// has the event. Runs without units do not count for that bound. Panics if a pair has more events
/// than units.
pub fn ratio_of_sums(runs: &[(u64, u64)], confidence: f64) -> Estimate {
    error_level(confidence);
    let r = runs.len() as u64;
    let Some(sums) = sums(runs) else {
        return Estimate::not_estimable(r, confidence, "no data");
    };
    if let Some(bound) = bound_without_variation(runs, &sums, confidence) {
        return bound;
    }
    let variance = match sums.variance {
        Some(variance) if variance > 0.0 => variance,
        Some(_) => {
            let method = "the same share in every run, no interval";
            return Estimate::point_only(sums.share, r, confidence, method);
        }
        None => {
            return Estimate::point_only(sums.share, r, confidence, "one run, no interval");
        }
    };
    let critical = student_t_critical(confidence, count(r) - 1.0);
    let few = sums.contributing < CONTRIBUTING_MIN;
    let (lower, upper) = if few {
        korn_graubard(&sums, variance, critical, confidence)
    } else {
        linearized_bounds(sums.share, critical * variance.sqrt())
    };
    let mut estimate = Estimate::new(
        Some(sums.share),
        (Some(lower), Some(upper)),
        r,
        confidence,
        "ratio of sums over runs",
    );
    if few {
        estimate.method.push_str(", Korn-Graubard");
        estimate.warn(Caveat::FewRuns, "fewer than 10 contributing runs");
    } else if r < RUNS_MIN {
        estimate.warn(Caveat::FewRuns, "fewer than 20 runs");
    }
    estimate
}

/// Share ± half-width, on the logit scale near 0 and 1 or where the plain interval leaves \[0, 1\].
pub(super) fn linearized_bounds(share: f64, half_width: f64) -> (f64, f64) {
    let (lower, upper) = (share - half_width, share + half_width);
    let inside = (LOGIT_BELOW..=1.0 - LOGIT_BELOW).contains(&share) && lower >= 0.0 && upper <= 1.0;
    if inside {
        return (lower, upper);
    }
    let odds = share / (1.0 - share);
    let factor = libm::exp(half_width / (share * (1.0 - share)));
    // In this form an infinite factor gives 1 and not NaN.
    (
        odds / factor / (1.0 + odds / factor),
        1.0 / (1.0 + 1.0 / (odds * factor)),
    )
}

/// The bound of the runs if no unit, or every unit, has the event; else `None`.
fn bound_without_variation(runs: &[(u64, u64)], sums: &Sums, confidence: f64) -> Option<Estimate> {
    if sums.contributing > 0 {
        return None;
    }
    let r = runs.len() as u64;
    let with_units = runs.iter().filter(|(_, n)| *n > 0).count() as u64;
    let largest = runs.iter().map(|(_, n)| *n).max().map_or(0.0, count);
    let scale = largest * count(with_units) / sums.units;
    let bound = zero_event_upper(with_units, confidence)?;
    let bound = (bound * scale).min(1.0);
    Some(if sums.events == 0.0 {
        let method = "zero events, exact upper bound per run";
        Estimate::new(Some(0.0), (Some(0.0), Some(bound)), r, confidence, method)
    } else {
        let method = "an event in every unit, exact lower bound per run";
        Estimate::new(Some(1.0), (Some(1.0 - bound), Some(1.0)), r, confidence, method)
    })
}

/// Clopper-Pearson bounds at the effective number of units (Korn & Graubard 1998), never more than
/// the real number.
fn korn_graubard(sums: &Sums, variance: f64, critical: f64, confidence: f64) -> (f64, f64) {
    let widening = normal_critical(confidence) / critical;
    let effective = sums.share * (1.0 - sums.share) / variance * widening * widening;
    let units = effective.min(sums.units);
    binomial_bounds(units * sums.share, units, confidence)
}

#[cfg(test)]
mod tests {
    use super::super::proportion::share_of_runs;
    use super::super::testing::assert_close;
    use super::*;

    #[test]
    fn a_hand_computed_ratio() {
        // p = 120/200; residuals 1, -1, 2, -2 on each quadruple of (7,10), (5,10), (8,10), (4,10).
        let quadruple = [(7, 10), (5, 10), (8, 10), (4, 10)];
        let runs = quadruple.repeat(5);
        let half_width = 2.09302405440831 * (20.0f64 / 19.0 * 50.0).sqrt() / 200.0;
        let seen = ratio_of_sums(&runs, 0.95);
        assert_eq!((seen.estimate, seen.n), (Some(0.6), 20));
        assert_close(seen.lower.unwrap(), 0.6 - half_width, 1e-12);
        assert_close(seen.upper.unwrap(), 0.6 + half_width, 1e-12);
    }

    #[test]
    fn near_zero_the_interval_is_symmetric_on_the_logit_scale() {
        let runs = [(0, 10), (1, 10), (2, 10), (1, 10)].repeat(5);
        let seen = ratio_of_sums(&runs, 0.95);
        let half_width = 2.09302405440831 * (20.0f64 / 19.0 * 10.0).sqrt() / 200.0;
        let factor = libm::exp(half_width / 0.09);
        assert_close(seen.lower.unwrap(), 1.0 / (1.0 + 9.0 * factor), 1e-12);
        assert_close(seen.upper.unwrap(), factor / (9.0 + factor), 1e-12);
        assert_eq!(seen.method, "ratio of sums over runs");
    }

    #[test]
    fn one_bad_run_is_judged_like_one_event() {
        let mut runs = vec![(0, 20); 200];
        runs[17] = (20, 20);
        let seen = ratio_of_sums(&runs, 0.95);
        let exact = share_of_runs(1, 200, 0.95);
        assert_close(seen.lower.unwrap(), exact.lower.unwrap(), 0.2);
        assert_close(seen.upper.unwrap(), exact.upper.unwrap(), 0.05);
        let method = "ratio of sums over runs, Korn-Graubard, fewer than 10 contributing runs";
        assert_eq!(seen.method, method);
        // Mirrored for one good run.
        let mirrored: Vec<(u64, u64)> = runs.iter().map(|(x, n)| (n - x, *n)).collect();
        let mirrored = ratio_of_sums(&mirrored, 0.95);
        assert_close(mirrored.upper.unwrap(), 1.0 - seen.lower.unwrap(), 1e-9);
    }

    #[test]
    fn the_middle_uses_the_plain_scale() {
        let runs: Vec<(u64, u64)> = (0..40).map(|run| (20 + run % 11, 50)).collect();
        let seen = ratio_of_sums(&runs, 0.95);
        assert_eq!(seen.method, "ratio of sums over runs");
        let (lower, upper) = (seen.lower.unwrap(), seen.upper.unwrap());
        assert_close(lower + upper, 2.0 * seen.estimate.unwrap(), 1e-12);
    }

    #[test]
    fn without_events_the_runs_give_the_bound() {
        let equal = ratio_of_sums(&[(0, 50); 100], 0.95);
        assert_eq!((equal.estimate, equal.lower), (Some(0.0), Some(0.0)));
        assert_close(equal.upper.unwrap(), zero_event_upper(100, 0.95).unwrap(), 1e-12);
        assert_eq!(equal.method, "zero events, exact upper bound per run");
        let mut unequal = vec![(0, 50); 100];
        unequal[0] = (0, 550);
        let scaled = ratio_of_sums(&unequal, 0.95).upper.unwrap();
        assert_close(scaled, equal.upper.unwrap() * 550.0 / 55.0, 1e-12);
        let full = ratio_of_sums(&[(50, 50); 100], 0.95);
        assert_close(full.lower.unwrap(), 1.0 - equal.upper.unwrap(), 1e-12);
    }

    #[test]
    fn too_little_data_has_no_bounds() {
        assert_eq!(ratio_of_sums(&[], 0.95).method, "no data");
        assert_eq!(ratio_of_sums(&[(0, 0), (0, 0)], 0.95).estimate, None);
        assert_eq!(ratio_of_sums(&[(1, 3)], 0.95).upper, None);
        let constant = ratio_of_sums(&[(1, 4); 5], 0.95);
        assert_eq!((constant.estimate, constant.upper), (Some(0.25), None));
    }
}
