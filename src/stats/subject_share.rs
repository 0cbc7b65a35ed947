//! Intervals of the share of subjects that have had an event by some time, where subjects weigh more than one if others were cut
//! off before them. Shares of counted subjects are in `ratio.rs`; what is made of these belongs to `incidence.rs`.

use super::proportion::{binomial_bounds, zero_event_upper};
use super::ratio::{CONTRIBUTING_MIN, RUNS_MIN, linearized_bounds};
use super::special::{normal_critical, student_t_critical};
use super::survival::LEVEL_SLACK;

/// Intervals of shares of the subjects of a study at one confidence.
pub(super) struct Shares<'a> {
    sizes: &'a [f64],
    subjects: f64,
    largest: f64,
    confidence: f64,
    /// Quantile of Student's t with as many degrees as there are runs less one; `None` below two runs.
    critical: Option<f64>,
}

impl<'a> Shares<'a> {
    /// `sizes` are the numbers of subjects of the runs that have any.
    pub(super) fn new(sizes: &'a [f64], confidence: f64) -> Self {
        let runs = sizes.len();
        Self {
            sizes,
            subjects: sizes.iter().sum(),
            largest: sizes.iter().copied().fold(0.0, f64::max),
            confidence,
            critical: (runs > 1).then(|| student_t_critical(confidence, runs as f64 - 1.0)),
        }
    }

    /// Interval of the share of subjects with an event, from the weights of the events of each run.
    ///
    /// With one subject per run the exact interval. Otherwise that of a ratio of sums (`ratio.rs`): linearized; with few
    /// contributing runs the exact interval of the effective number of subjects; without any event, or without any subject
    /// without one, the bound of the share of runs times largest over mean size.
    pub(super) fn bounds(&self, events: &[f64]) -> (f64, f64) {
        let runs = self.sizes.len();
        if runs == 0 {
            return (0.0, 1.0);
        }
        let share = (events.iter().sum::<f64>() / self.subjects).min(1.0);
        let exact = |subjects: f64| binomial_bounds(share * subjects, subjects, self.confidence);
        let Some(critical) = self.critical else {
            return exact(1.0);
        };
        // Without a wait cut off before every weight is 1, and with one subject per run nothing depends on anything.
        if self.largest <= 1.0 && events.iter().all(|x| *x == 0.0 || *x == 1.0) {
            return exact(self.subjects);
        }
        let pairs = || events.iter().zip(self.sizes);
        let with_event = events.iter().filter(|x| **x > 0.0).count();
        let with_other = pairs().filter(|(x, n)| **x < **n * (1.0 - LEVEL_SLACK)).count();
        if with_event == 0 || with_other == 0 {
            let unseen = zero_event_upper(runs as u64, self.confidence).unwrap_or(1.0);
            let bound = (unseen * self.largest * runs as f64 / self.subjects).min(1.0);
            return if with_event == 0 {
                (0.0, bound)
            } else {
                (1.0 - bound, 1.0)
            };
        }
        let squares: f64 = pairs().map(|(x, n)| (x - share * n) * (x - share * n)).sum();
        let variance = runs as f64 / (runs as f64 - 1.0) * squares / (self.subjects * self.subjects);
        let few_runs = (runs as u64) < RUNS_MIN;
        if with_event.min(with_other) >= CONTRIBUTING_MIN && variance > 0.0 && !few_runs {
            return linearized_bounds(share, critical * variance.sqrt());
        }
        let widening = normal_critical(self.confidence) / critical;
        let effective = share * (1.0 - share) / variance * widening * widening;
        exact(effective.min(if few_runs { runs as f64 } else { self.subjects }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::ratio_of_sums;
    use super::super::testing::{Words, assert_close};
    use super::*;

    #[test]
    fn whole_weights_have_the_interval_of_a_ratio_of_sums() {
        let mut words = Words(4);
        for (runs, p) in [(60, 0.3), (60, 0.03), (200, 0.97), (40, 0.0), (40, 1.0)] {
            let pairs: Vec<(u64, u64)> = (0..runs)
                .map(|_| {
                    let subjects = 3 + words.word() % 9;
                    (words.binomial(subjects, p), subjects)
                })
                .collect();
            let (events, sizes): (Vec<f64>, Vec<f64>) = pairs.iter().map(|(x, n)| (*x as f64, *n as f64)).unzip();
            let (lower, upper) = Shares::new(&sizes, 0.95).bounds(&events);
            let expected = ratio_of_sums(&pairs, 0.95);
            assert_close(lower, expected.lower.unwrap(), 1e-12);
            assert_close(upper, expected.upper.unwrap(), 1e-12);
        }
    }

    #[test]
    fn few_runs_count_for_one_subject_each() {
        let sizes = [10.0; 8];
        let (lower, upper) = Shares::new(&sizes, 0.95).bounds(&[5.0, 5.1, 4.9, 5.0, 5.0, 5.0, 5.0, 5.0]);
        assert_eq!((lower, upper), binomial_bounds(4.0, 8.0, 0.95));
    }
}
