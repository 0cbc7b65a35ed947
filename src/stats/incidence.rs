//! Quantiles and bands of the cumulative incidence with intervals from resampling whole runs. The
//! curve itself and its definitions are in `survival.rs`; resampling of other statistics is in
//! `bootstrap.rs`.
//!
//! The observations are sorted once; a resample gives every run a weight, and one pass over the
//! sorted observations (`incidence_pass.rs`) finds all quantiles of a round of resamples.

use super::bootstrap::{RUNS_MIN, draw_multiplicities, percentile_ranks};
use super::incidence_pass::{LANES, Lanes, NEVER_NS, Study};
use super::proportion::zero_event_upper;
use super::survival::{Observation, assert_level};
use super::{Estimate, error_level};

/// Runs that must have a wait at or beyond a quantile for an upper bound to be given.
pub(super) const TAIL_RUNS_MIN: usize = 5;

/// What an [`IncidenceAnalysis`] needs to know besides the observations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IncidenceOptions {
    /// Number of runs done, including runs without any subject.
    pub runs: u32,
    /// Longest wait that could be observed \[ns\].
    pub horizon_ns: u64,
    /// Nominal coverage of the intervals, in (0, 1).
    pub confidence: f64,
    /// Number of resamples B; 2000 for intervals (Efron & Tibshirani 1993).
    pub resamples: u32,
}

/// Sorted observations of a study, ready for many passes.
pub struct IncidenceAnalysis {
    options: IncidenceOptions,
    study: Study,
}

impl IncidenceAnalysis {
    /// Sorts the observations. Run numbers need not be dense.
    ///
    /// Panics if the observations come from more runs than were done, a wait is longer than the
    /// horizon, or the options are out of range.
    pub fn new(observations: &[Observation], options: IncidenceOptions) -> Self {
        error_level(options.confidence);
        assert!(options.resamples > 0, "a bootstrap needs resamples");
        assert!(options.horizon_ns < NEVER_NS, "the horizon must be a time");
        for seen in observations {
            assert!(seen.time_ns <= options.horizon_ns, "{seen:?} is beyond the horizon");
        }
        Self {
            options,
            study: Study::new(observations, options.runs as usize),
        }
    }

    /// Quantiles of the wait \[s\] over all subjects of all runs, in the order of `ps`.
    ///
    /// Estimate: smallest t with F(t) ≥ p, F the Aalen-Johansen curve. Interval: percentile bootstrap
    /// over runs (Efron 1979), where a resample that never reaches p counts as later than any other.
    /// - Not reached within the horizon: estimate and upper bound `None`; the lower bound is the
    ///   horizon, or earlier if enough resamples do reach p earlier. If every wait was cut off before
    ///   the horizon, e.g. because all subjects came late, the longest wait takes its place.
    /// - Reached, but not in enough resamples: upper bound `None`.
    /// - Fewer than 5 runs with a wait at or beyond the estimate: upper bound `None`, since resampling
    ///   cannot see beyond the longest waits.
    /// - Without any event the bootstrap says nothing: the horizon is a lower bound only if the
    ///   one-sided bound 1 − α^(1/R) of the share of runs with an event is below p, else `None`.
    ///
    /// Assumes independent runs, at least 20, and censoring independent of the wait. Takes one uniform
    /// word per run and resample. Panics unless 0 < p ≤ 1.
    pub fn quantiles(&self, ps: &[f64], uniform: &mut dyn FnMut() -> u64) -> Vec<Estimate> {
        ps.iter().for_each(|p| assert_level(*p));
        let mut order: Vec<usize> = (0..ps.len()).collect();
        order.sort_by(|left, right| ps[*left].total_cmp(&ps[*right]));
        let sorted: Vec<f64> = order.iter().map(|index| ps[*index]).collect();
        let mut weights = vec![[0; LANES]; self.study.runs()];
        weights.iter_mut().for_each(|lanes| lanes[0] = 1);
        let mut reached = vec![[NEVER_NS; LANES]; ps.len()];
        self.study.quantile_pass(&weights, &sorted, &mut reached);
        let point: Vec<u64> = reached.iter().map(|lanes| lanes[0]).collect();
        // One column of resampled times per quantile.
        let mut columns = vec![Vec::with_capacity(self.options.resamples as usize); ps.len()];
        if self.study.runs() > 1 && !self.study.is_empty() {
            let has_events = self.study.has_events();
            for lanes in self.rounds() {
                draw_lanes(&mut weights, lanes, uniform);
                // Without events no resample reaches anything; its words are taken all the same.
                if has_events {
                    self.study.quantile_pass(&weights, &sorted, &mut reached);
                }
                for (column, reached) in columns.iter_mut().zip(&reached) {
                    column.extend_from_slice(&reached[..lanes]);
                }
            }
        }
        let mut estimates = vec![None; ps.len()];
        for (rank, column) in columns.iter_mut().enumerate() {
            column.sort_unstable();
            estimates[order[rank]] = Some(self.quantile_estimate(sorted[rank], point[rank], column));
        }
        estimates.into_iter().flatten().collect()
    }

    /// Pointwise bootstrap band of the cumulative incidence at the given times, in their order:
    /// (lower, upper), dimensionless.
    ///
    /// Percentile bootstrap over runs. Where no resample has an event, or all subjects have it in
    /// every resample, the band shrinks to a line: read the bounds of `proportion.rs` there. With
    /// fewer than two runs, or no observation, the band is (0, 1). Takes one uniform word per run and
    /// resample.
    pub fn curve_band(&self, times_ns: &[u64], uniform: &mut dyn FnMut() -> u64) -> Vec<(f64, f64)> {
        if self.study.runs() < 2 || self.study.is_empty() {
            return vec![(0.0, 1.0); times_ns.len()];
        }
        let mut order: Vec<usize> = (0..times_ns.len()).collect();
        order.sort_by_key(|index| times_ns[*index]);
        let sorted: Vec<u64> = order.iter().map(|index| times_ns[*index]).collect();
        let mut weights = vec![[0; LANES]; self.study.runs()];
        let mut heights = vec![[0.0; LANES]; sorted.len()];
        let mut columns = vec![Vec::with_capacity(self.options.resamples as usize); sorted.len()];
        for lanes in self.rounds() {
            draw_lanes(&mut weights, lanes, uniform);
            let subjects = self.study.curve_pass(&weights, &sorted, &mut heights);
            for (column, heights) in columns.iter_mut().zip(&heights) {
                let curves = heights.iter().zip(subjects).take(lanes);
                column.extend(curves.filter(|(_, subjects)| *subjects > 0).map(|(height, _)| *height));
            }
        }
        let mut band = vec![(0.0, 1.0); times_ns.len()];
        for (rank, column) in columns.iter_mut().enumerate() {
            if column.is_empty() {
                continue;
            }
            column.sort_unstable_by(f64::total_cmp);
            let (lower, upper) = percentile_ranks(column.len(), self.options.confidence);
            band[order[rank]] = (column[lower], column[upper]);
        }
        band
    }

    /// The resamples in rounds: how many share each pass.
    fn rounds(&self) -> impl Iterator<Item = usize> {
        let resamples = self.options.resamples as usize;
        (0..resamples.div_ceil(LANES)).map(move |round| LANES.min(resamples - round * LANES))
    }

    /// Estimate of one quantile from its point and its sorted resampled times (empty: no interval).
    fn quantile_estimate(&self, p: f64, point_ns: u64, column: &[u64]) -> Estimate {
        let confidence = self.options.confidence;
        let followed_ns = self.study.followed_ns(self.options.horizon_ns);
        let runs = self.study.runs() as u64;
        if self.study.is_empty() {
            return Estimate::not_estimable(runs, confidence, "no data");
        }
        let mut method = "Aalen-Johansen, percentile bootstrap over runs".to_owned();
        let mut lower = None;
        let mut upper = None;
        if column.is_empty() {
            method = "Aalen-Johansen, one run, no interval".to_owned();
        } else if !self.study.has_events() {
            method = "zero events, one-sided lower bound".to_owned();
            let with_subjects = self.study.runs_with_subjects() as u64;
            let bound = zero_event_upper(with_subjects, confidence);
            lower = bound.filter(|bound| *bound < p).map(|_| followed_ns);
        } else {
            let (first, last) = percentile_ranks(column.len(), confidence);
            lower = Some(column[first].min(followed_ns));
            upper = Some(column[last]).filter(|time_ns| *time_ns < NEVER_NS);
            if point_ns == NEVER_NS {
                upper = None;
            } else if upper.is_none() {
                method += ", upper bound beyond the horizon";
            } else if self.study.runs_beyond(point_ns) < TAIL_RUNS_MIN {
                upper = None;
                method += ", upper bound not estimable from fewer than 5 runs beyond";
            }
            if runs < RUNS_MIN {
                method += ", fewer than 20 runs";
            }
        }
        if point_ns == NEVER_NS {
            method += ", not reached within the horizon";
        }
        let point = (point_ns < NEVER_NS).then(|| seconds(point_ns));
        let bounds = (lower.map(seconds), upper.map(seconds));
        Estimate::new(point, bounds, runs, confidence, &method)
    }
}

/// Draws the first `lanes` resamples, one after another; the lanes beyond keep their weights.
pub(super) fn draw_lanes(weights: &mut [Lanes], lanes: usize, uniform: &mut dyn FnMut() -> u64) {
    let mut drawn = vec![0; weights.len()];
    for lane in 0..lanes {
        draw_multiplicities(&mut drawn, uniform);
        for (weights, weight) in weights.iter_mut().zip(&drawn) {
            weights[lane] = *weight;
        }
    }
}

fn seconds(time_ns: u64) -> f64 {
    time_ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::super::survival::{Outcome, cumulative_incidence};
    use super::super::testing::{Words, clustered_waits};
    use super::*;

    const HORIZON_NS: u64 = 10_000_000_000;

    fn options(runs: u32) -> IncidenceOptions {
        IncidenceOptions {
            runs,
            horizon_ns: HORIZON_NS,
            confidence: 0.95,
            resamples: 400,
        }
    }

    #[test]
    fn without_censoring_the_estimate_is_the_inverse_ecdf() {
        let data: Vec<Observation> = (0..100)
            .map(|run| Observation {
                run,
                time_ns: u64::from(run + 1) * 1_000_000,
                outcome: Outcome::Event,
            })
            .collect();
        let analysis = IncidenceAnalysis::new(&data, options(100));
        let mut words = Words(3);
        let seen = analysis.quantiles(&[0.99, 0.07, 0.5], &mut || words.word());
        let points: Vec<Option<f64>> = seen.iter().map(|quantile| quantile.estimate).collect();
        assert_eq!(points, [Some(0.099), Some(0.007), Some(0.05)]);
        assert_eq!(seen[0].upper, None);
        assert!(
            seen[0]
                .method
                .ends_with("upper bound not estimable from fewer than 5 runs beyond")
        );
        // Order statistics give ranks 40 and 61 for the median.
        assert!((seen[2].lower.unwrap() - 0.040).abs() < 0.003, "{:?}", seen[2]);
        assert!((seen[2].upper.unwrap() - 0.061).abs() < 0.003, "{:?}", seen[2]);
    }

    #[test]
    fn a_quantile_beyond_the_horizon_is_a_lower_bound() {
        let mut data = Vec::new();
        for run in 0..200u32 {
            let ready = run % 4 != 0;
            let time_ns = if ready {
                1_000_000_000 + u64::from(run)
            } else {
                HORIZON_NS
            };
            let outcome = if ready { Outcome::Event } else { Outcome::Censored };
            data.push(Observation { run, time_ns, outcome });
        }
        let analysis = IncidenceAnalysis::new(&data, options(200));
        let mut words = Words(5);
        let seen = analysis.quantiles(&[0.5, 0.75, 0.95], &mut || words.word());
        assert!(seen[0].upper.is_some());
        // Three quarters are ready: reached exactly, but only by about half of the resamples.
        assert!(seen[1].estimate.is_some() && seen[1].lower.is_some());
        assert_eq!(seen[1].upper, None);
        assert!(seen[1].method.ends_with("upper bound beyond the horizon"));
        assert_eq!(
            (seen[2].estimate, seen[2].lower, seen[2].upper),
            (None, Some(10.0), None)
        );
        assert!(seen[2].method.ends_with("not reached within the horizon"));
    }

    #[test]
    fn a_quantile_just_missed_does_not_claim_the_horizon() {
        let mut data = Vec::new();
        for run in 0..200u32 {
            let ready = run >= 52;
            let time_ns = if ready { 2_000_000_000 } else { HORIZON_NS };
            let outcome = if ready { Outcome::Event } else { Outcome::Censored };
            data.push(Observation { run, time_ns, outcome });
        }
        let analysis = IncidenceAnalysis::new(&data, options(200));
        let mut words = Words(5);
        let seen = &analysis.quantiles(&[0.75], &mut || words.word())[0];
        assert_eq!((seen.estimate, seen.lower, seen.upper), (None, Some(2.0), None));
    }

    #[test]
    fn without_events_the_number_of_runs_decides() {
        let waiting = |run| Observation {
            run,
            time_ns: HORIZON_NS,
            outcome: Outcome::Censored,
        };
        let data: Vec<Observation> = (0..30).map(waiting).collect();
        let analysis = IncidenceAnalysis::new(&data, options(30));
        let mut words = Words(6);
        let seen = analysis.quantiles(&[0.05, 0.5], &mut || words.word());
        // 1 - 0.05^(1/30) = 0.095.
        assert_eq!((seen[0].lower, seen[1].lower), (None, Some(10.0)));
        let method = "zero events, one-sided lower bound, not reached within the horizon";
        assert_eq!(seen[1].method, method);
    }

    #[test]
    fn waits_cut_off_early_do_not_claim_the_horizon() {
        let mut data = Vec::new();
        for run in 0..100u32 {
            data.push(Observation {
                run,
                time_ns: 1_000_000_000,
                outcome: Outcome::Event,
            });
            data.push(Observation {
                run,
                time_ns: 3_000_000_000,
                outcome: Outcome::Censored,
            });
        }
        let analysis = IncidenceAnalysis::new(&data, options(100));
        let mut words = Words(5);
        let seen = &analysis.quantiles(&[0.9], &mut || words.word())[0];
        assert_eq!((seen.estimate, seen.lower, seen.upper), (None, Some(3.0), None));
        // Deletions end the wait for good: then nothing can happen before the horizon.
        data.iter_mut().for_each(|seen| {
            if seen.outcome == Outcome::Censored {
                seen.outcome = Outcome::Competing;
            }
        });
        let analysis = IncidenceAnalysis::new(&data, options(100));
        let seen = &analysis.quantiles(&[0.9], &mut || words.word())[0];
        assert_eq!((seen.estimate, seen.lower, seen.upper), (None, Some(10.0), None));
    }

    #[test]
    fn too_little_data_has_no_bounds() {
        let mut words = Words(7);
        let none = IncidenceAnalysis::new(&[], options(30));
        assert_eq!(none.quantiles(&[0.5], &mut || words.word())[0].method, "no data");
        assert_eq!(none.curve_band(&[5], &mut || words.word()), [(0.0, 1.0)]);
        let one = IncidenceAnalysis::new(&clustered_waits(1, 1, 40), options(1));
        let seen = &one.quantiles(&[0.1], &mut || words.word())[0];
        assert!(seen.estimate.is_some() && seen.lower.is_none() && seen.upper.is_none());
    }

    #[test]
    fn equal_waits_have_an_interval_of_one_point() {
        let ready = |run| Observation {
            run,
            time_ns: 200_000_000,
            outcome: Outcome::Event,
        };
        let data: Vec<Observation> = (0..50).map(ready).collect();
        let analysis = IncidenceAnalysis::new(&data, options(50));
        let mut words = Words(8);
        let seen = &analysis.quantiles(&[0.99], &mut || words.word())[0];
        assert_eq!(
            (seen.estimate, seen.lower, seen.upper),
            (Some(0.2), Some(0.2), Some(0.2))
        );
    }

    #[test]
    fn the_band_surrounds_the_curve_and_follows_the_given_order() {
        let data = clustered_waits(9, 60, 10);
        let analysis = IncidenceAnalysis::new(&data, options(60));
        let curve = cumulative_incidence(&data);
        let mut words = Words(10);
        let times = [2_000_000_000, 300_000_000, 1_000_000_000];
        let band = analysis.curve_band(&times, &mut || words.word());
        for (time_ns, (lower, upper)) in times.iter().zip(&band) {
            let step = curve.partition_point(|point| point.time_ns <= *time_ns);
            let height = curve[step - 1].incidence;
            assert!(
                *lower < height && height < *upper,
                "{time_ns}: {lower} {height} {upper}"
            );
        }
        assert!(band[1].1 < band[0].0, "early and late do not overlap");
    }

    #[test]
    fn run_numbers_need_not_be_dense() {
        let shift = |seen: &Observation| Observation {
            run: seen.run * 7 + 500,
            ..*seen
        };
        let data = clustered_waits(11, 25, 8);
        let shifted: Vec<Observation> = data.iter().map(shift).collect();
        let quantiles = |data: &[Observation]| {
            let mut words = Words(12);
            IncidenceAnalysis::new(data, options(25)).quantiles(&[0.3, 0.5], &mut || words.word())
        };
        assert_eq!(quantiles(&data), quantiles(&shifted));
    }
}
