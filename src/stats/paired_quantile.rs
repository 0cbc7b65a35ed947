//! The difference of one quantile of waits pooled over runs between two designs, with an interval from resampling whole
//! runs: the same runs for both designs if they are paired, runs of their own if not. Quantiles of one design are in
//! `incidence.rs`.
//!
//! A resample that does not reach the quantile within the horizon is no number but a bound: later than the horizon. It
//! enters the lower bound of the difference as early, and the upper bound as late, as it can be.

use super::bootstrap::{RUNS_MIN, percentile_p_value, percentile_ranks};
use super::difference::Difference;
use super::incidence::{TAIL_RUNS_MIN, draw_lanes};
use super::incidence_pass::{LANES, NEVER_NS, Study};
use super::paired::{CommonRandomNumbers, common_random_numbers};
use super::survival::{Observation, assert_level};
use super::{Estimate, error_level};

/// What a difference of quantiles needs to know besides the observations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantileDifference {
    /// Level of the quantile, in (0, 1].
    pub level: f64,
    /// The second design's quantile is multiplied by this.
    pub factor: f64,
    /// Runs of each design; with pairing they are equal, and run r of one belongs to run r of the other.
    pub runs: (u32, u32),
    /// Whether they are paired.
    pub paired: bool,
    /// Longest wait that could be observed \[ns\], in each design.
    pub horizon_ns: (u64, u64),
    /// Nominal coverage, in (0, 1).
    pub confidence: f64,
    /// Number of resamples.
    pub resamples: u32,
}

/// One design's study and its resampled quantiles.
struct Side {
    study: Study,
    /// How long its curve is known \[ns\].
    followed_ns: u64,
    point_ns: u64,
    resampled_ns: Vec<u64>,
}

impl Side {
    fn new(observations: &[Observation], runs: u32, horizon_ns: u64, level: f64) -> Self {
        let study = Study::of_numbered(observations, runs as usize);
        let mut weights = vec![[0; LANES]; runs as usize];
        weights.iter_mut().for_each(|lanes| lanes[0] = 1);
        let mut reached = [[NEVER_NS; LANES]];
        study.quantile_pass(&weights, &[level], &mut reached);
        Self {
            followed_ns: study.followed_ns(horizon_ns),
            study,
            point_ns: reached[0][0],
            resampled_ns: Vec::new(),
        }
    }

    fn resample(&mut self, weights: &[[u32; LANES]], lanes: usize, level: f64) {
        let mut reached = [[NEVER_NS; LANES]];
        self.study.quantile_pass(weights, &[level], &mut reached);
        self.resampled_ns.extend_from_slice(&reached[0][..lanes]);
    }

    /// Whether too few runs wait as long as the quantile for resampling to see beyond it.
    fn tail_is_thin(&self) -> bool {
        self.point_ns < NEVER_NS && self.study.runs_beyond(self.point_ns) < TAIL_RUNS_MIN
    }
}

/// Difference q_A − f · q_B \[s\] of the quantiles of two designs' pooled waits.
///
/// Quantiles as in [`super::IncidenceAnalysis::quantiles`]; percentile bootstrap over runs (Efron 1979; Davison & Hinkley
/// 1997, ch. 4 for the p-value). Observations carry run numbers below the number of runs. Where a quantile is not reached
/// within the horizon the difference has no estimate, and the bound that follows from the horizon; where fewer than five
/// runs wait as long as a quantile, the bound on that side is missing. Assumes independent runs, at least 20. Takes one
/// uniform word per run and resample, for unpaired designs one per run of each. Panics if an option is out of range.
pub fn quantile_difference(
    a: &[Observation],
    b: &[Observation],
    options: &QuantileDifference,
    uniform: &mut dyn FnMut() -> u64,
) -> Difference {
    let QuantileDifference {
        level,
        factor,
        confidence,
        ..
    } = *options;
    error_level(confidence);
    assert_level(level);
    assert!(options.resamples > 0 && factor > 0.0, "{options:?}");
    assert!(
        !options.paired || options.runs.0 == options.runs.1,
        "paired designs need the same replications"
    );
    let n = u64::from(options.runs.0.min(options.runs.1));
    if a.is_empty() || b.is_empty() || n < 2 {
        let why = if n < 2 && !a.is_empty() && !b.is_empty() {
            "fewer than two runs"
        } else {
            "no data"
        };
        return Difference::not_estimable(n, confidence, why);
    }
    let mut left = Side::new(a, options.runs.0, options.horizon_ns.0, level);
    let mut right = Side::new(b, options.runs.1, options.horizon_ns.1, level);
    resample(&mut left, &mut right, options, uniform);

    let minus = |a_ns: f64, b_ns: f64| (a_ns - factor * b_ns) / 1e9;
    let early = |side: &Side, time_ns: u64| time_ns.min(side.followed_ns) as f64;
    let late = |time_ns: u64| {
        if time_ns == NEVER_NS {
            f64::INFINITY
        } else {
            time_ns as f64
        }
    };
    // Of two quantiles beyond the horizon nothing is known; infinity minus infinity would be no number.
    let difference = |a_ns: f64, b_ns: f64, unknown: f64| {
        if b_ns.is_infinite() && a_ns.is_infinite() {
            unknown
        } else {
            minus(a_ns, b_ns)
        }
    };
    let pairs = || left.resampled_ns.iter().zip(&right.resampled_ns);
    let mut low: Vec<f64> = pairs()
        .map(|(a_ns, b_ns)| difference(early(&left, *a_ns), late(*b_ns), f64::NEG_INFINITY))
        .collect();
    let mut high: Vec<f64> = pairs()
        .map(|(a_ns, b_ns)| difference(late(*a_ns), early(&right, *b_ns), f64::INFINITY))
        .collect();
    low.sort_unstable_by(f64::total_cmp);
    high.sort_unstable_by(f64::total_cmp);
    let (first, last) = percentile_ranks(low.len(), confidence);
    let both = left.point_ns < NEVER_NS && right.point_ns < NEVER_NS;
    let point = both.then(|| minus(left.point_ns as f64, right.point_ns as f64));
    let mut lower = Some(low[first]).filter(|bound| bound.is_finite());
    let mut upper = Some(high[last]).filter(|bound| bound.is_finite());

    let how = if options.paired {
        "paired quantiles, the same runs resampled"
    } else {
        "quantiles of independent designs, runs resampled"
    };
    let mut method = format!("Aalen-Johansen, {how}");
    if !both {
        method += ", a quantile not reached within the horizon";
    }
    if left.tail_is_thin() {
        upper = None;
        method += ", upper bound not estimable from fewer than 5 runs beyond";
    }
    if right.tail_is_thin() {
        lower = None;
        method += ", lower bound not estimable from fewer than 5 runs beyond";
    }
    if n < RUNS_MIN {
        method += ", fewer than 20 runs";
    }
    let not_above = low.partition_point(|value| *value <= 0.0);
    let not_below = high.len() - high.partition_point(|value| *value < 0.0);
    let p_value = percentile_p_value(not_above, not_below, low.len());
    Difference {
        estimate: Estimate::new(point, (lower, upper), n, confidence, &method),
        p_value: (lower.is_some() || upper.is_some()).then_some(p_value),
        common_random_numbers: if options.paired {
            gained(&left.resampled_ns, &right.resampled_ns, factor)
        } else {
            CommonRandomNumbers::NONE
        },
    }
}

fn resample(left: &mut Side, right: &mut Side, options: &QuantileDifference, uniform: &mut dyn FnMut() -> u64) {
    let mut of_left = vec![[0; LANES]; options.runs.0 as usize];
    let mut of_right = vec![[0; LANES]; if options.paired { 0 } else { options.runs.1 as usize }];
    let resamples = options.resamples as usize;
    for round in 0..resamples.div_ceil(LANES) {
        let lanes = LANES.min(resamples - round * LANES);
        draw_lanes(&mut of_left, lanes, uniform);
        left.resample(&of_left, lanes, options.level);
        if options.paired {
            right.resample(&of_left, lanes, options.level);
        } else {
            draw_lanes(&mut of_right, lanes, uniform);
            right.resample(&of_right, lanes, options.level);
        }
    }
}

/// Correlation and variance reduction of the two estimates over the resamples that reach both.
fn gained(left_ns: &[u64], right_ns: &[u64], factor: f64) -> CommonRandomNumbers {
    let reached = left_ns.iter().zip(right_ns);
    let reached = reached.filter(|(a_ns, b_ns)| **a_ns < NEVER_NS && **b_ns < NEVER_NS);
    let seconds = |(a_ns, b_ns): (&u64, &u64)| (*a_ns as f64 / 1e9, factor * *b_ns as f64 / 1e9);
    let (a, b): (Vec<f64>, Vec<f64>) = reached.map(seconds).unzip();
    common_random_numbers(&a, &b)
}

#[cfg(test)]
mod tests {
    use super::super::survival::Outcome;
    use super::super::testing::Words;
    use super::*;

    const HORIZON_NS: u64 = 100_000_000_000;

    fn options(runs: u32, level: f64) -> QuantileDifference {
        QuantileDifference {
            level,
            factor: 1.0,
            runs: (runs, runs),
            paired: true,
            horizon_ns: (HORIZON_NS, HORIZON_NS),
            confidence: 0.95,
            resamples: 2000,
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
    fn waits(runs: u32, shift: f64) -> Vec<Observation> {
        let mut words = Words(8);
        let mut list = Vec::new();
        for run in 0..runs {
            let slow = 4.0 * words.uniform();
            list.extend((0..5).map(|_| event(run, 1.0 + slow + 0.2 * words.uniform() + shift)));
        }
        list
    }

    fn difference(a: &[Observation], b: &[Observation], options: &QuantileDifference) -> Difference {
        let mut words = Words(3);
        quantile_difference(a, b, options, &mut || words.word())
    }

    #[test]
    fn a_constant_shift_is_seen_exactly_when_runs_are_paired() {
        let (a, b) = (waits(60, 1.5), waits(60, 0.0));
        let seen = difference(&a, &b, &options(60, 0.9));
        let close = |value: Option<f64>| (value.unwrap() - 1.5).abs() < 1e-6;
        assert!(
            close(seen.estimate.estimate) && close(seen.estimate.lower) && close(seen.estimate.upper),
            "{seen:?}"
        );
        assert!(seen.common_random_numbers.correlation.unwrap() > 0.999_999);
        assert!(seen.p_value.unwrap() < 0.002);
        let unpaired = QuantileDifference {
            paired: false,
            ..options(60, 0.9)
        };
        let seen = difference(&a, &b, &unpaired);
        assert!(
            seen.estimate.lower.unwrap() < 1.3 && seen.estimate.upper.unwrap() > 1.7,
            "{seen:?}"
        );
        assert_eq!(seen.common_random_numbers, CommonRandomNumbers::NONE);
    }

    #[test]
    fn a_quantile_beyond_the_horizon_bounds_the_difference() {
        let b = waits(60, 0.0);
        let never: Vec<Observation> = b
            .iter()
            .map(|seen| Observation {
                time_ns: HORIZON_NS,
                outcome: Outcome::Censored,
                ..*seen
            })
            .collect();
        let seen = difference(&never, &b, &options(60, 0.5));
        assert_eq!((seen.estimate.estimate, seen.estimate.upper), (None, None));
        // The horizon less the latest median that a resample of the other design has.
        let lower = seen.estimate.lower.unwrap();
        assert!(lower > 100.0 - 5.2 && lower < 100.0 - 2.0, "{lower}");
        let mirrored = difference(&b, &never, &options(60, 0.5));
        assert_eq!((mirrored.estimate.lower, mirrored.estimate.upper), (None, Some(-lower)));
        let nothing = difference(&never, &never, &options(60, 0.5));
        assert_eq!(
            (nothing.estimate.lower, nothing.estimate.upper, nothing.p_value),
            (None, None, None)
        );
    }

    #[test]
    fn thin_tails_leave_a_bound_out() {
        let (a, b) = (waits(60, 1.0), waits(60, 0.0));
        let seen = difference(&a, &b, &options(60, 0.995));
        assert_eq!((seen.estimate.lower, seen.estimate.upper), (None, None), "{seen:?}");
        assert!(seen.estimate.method.contains("fewer than 5 runs beyond"));
    }

    #[test]
    fn a_factor_multiplies_the_second_quantile() {
        let (a, b) = (waits(40, 0.0), waits(40, 0.0));
        let doubled = QuantileDifference {
            factor: 2.0,
            ..options(40, 0.5)
        };
        let seen = difference(&a, &b, &doubled);
        let one = difference(
            &a,
            &[event(0, 0.0), event(1, 0.0)],
            &QuantileDifference {
                level: 0.5,
                ..options(40, 0.5)
            },
        );
        assert!(
            (seen.estimate.estimate.unwrap() + one.estimate.estimate.unwrap()).abs() < 1e-9,
            "{seen:?}"
        );
    }

    #[test]
    fn nothing_to_compare_says_so() {
        assert_eq!(
            difference(&[], &waits(4, 0.0), &options(4, 0.5)).estimate.method,
            "no data"
        );
        let one = [event(0, 1.0)];
        assert_eq!(
            difference(&one, &one, &options(1, 0.5)).estimate.method,
            "fewer than two runs"
        );
    }
}
