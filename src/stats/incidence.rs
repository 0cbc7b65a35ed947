//! Quantiles and bands of the cumulative incidence, with intervals that respect that the subjects of one run share its
//! random events. The curve and its definitions are in `survival.rs`, differences of quantiles in `paired_quantile.rs`.
//!
//! A curve is at any time a share of subjects: how many have had the event by then. Shares have intervals over runs
//! (`ratio.rs`), and a quantile lies beyond every time at which the interval of the share is wholly below its level
//! (Woodruff 1952; Francisco & Fuller 1991; for few subjects beyond, Korn & Graubard 1998). With one subject per run these are
//! the order statistics. Where waits were cut off, subjects still waiting inherit the weight of those cut off before them
//! (Efron 1967, "redistribution to the right"), which gives the curve of Aalen and Johansen.

use super::proportion::zero_event_upper;
use super::ratio::{RUNS_MIN, ratio_of_sums};
use super::subject_share::Shares;
use super::survival::{LEVEL_SLACK, Observation, Outcome, assert_level};
use super::{Caveat, Estimate, error_level};

/// What an [`IncidenceAnalysis`] needs in addition to the observations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IncidenceOptions {
    /// Longest wait that could be observed \[ns\].
    pub horizon_ns: u64,
    /// Nominal coverage of the intervals, in (0, 1).
    pub confidence: f64,
}

/// An event of one subject.
#[derive(Clone, Copy)]
struct Event {
    time_ns: u64,
    /// Place of its run among those with subjects.
    run: u32,
    /// How many subjects it stands for: itself and its part of those cut off before.
    weight: f64,
}

/// Sorted observations of a study.
pub struct IncidenceAnalysis {
    options: IncidenceOptions,
    /// Events in the order of their times.
    events: Vec<Event>,
    /// Numbers of the runs that have subjects, increasing.
    runs: Vec<u32>,
    /// Subjects per such run.
    sizes: Vec<f64>,
    /// Subjects per such run that ended otherwise.
    competing: Vec<u64>,
    /// Longest wait per such run, the longest first \[ns\].
    longest_ns: Vec<u64>,
    /// Whether the longest wait of all was cut off, so that the curve is not known beyond.
    cut_off: bool,
}

impl IncidenceAnalysis {
    /// Sorts the observations. Run numbers need not be dense.
    ///
    /// Sums over several waits of a run may be longer than the horizon, which then lies at the longest of them.
    ///
    /// Panics if the options are out of range.
    pub fn new(observations: &[Observation], mut options: IncidenceOptions) -> Self {
        error_level(options.confidence);
        let mut sorted = observations.to_vec();
        sorted.sort_unstable_by_key(|seen| (seen.time_ns, seen.outcome, seen.run));
        if let Some(last) = sorted.last() {
            options.horizon_ns = options.horizon_ns.max(last.time_ns);
        }
        let mut runs: Vec<u32> = observations.iter().map(|seen| seen.run).collect();
        runs.sort_unstable();
        runs.dedup();
        let place = |seen: &Observation| runs.partition_point(|run| *run < seen.run);
        let (mut sizes, mut competing) = (vec![0.0; runs.len()], vec![0; runs.len()]);
        let mut longest_ns = vec![0; runs.len()];
        let mut events = Vec::new();
        let (mut at_risk, mut weight) = (sorted.len(), 1.0);
        for tied in sorted.chunk_by(|left, right| left.time_ns == right.time_ns) {
            for seen in tied {
                let run = place(seen);
                sizes[run] += 1.0;
                longest_ns[run] = seen.time_ns;
                competing[run] += u64::from(seen.outcome == Outcome::Competing);
                if seen.outcome == Outcome::Event {
                    events.push(Event {
                        time_ns: seen.time_ns,
                        run: run as u32,
                        weight,
                    });
                }
            }
            at_risk -= tied.len();
            let censored = tied.iter().filter(|seen| seen.outcome == Outcome::Censored).count();
            if censored > 0 && at_risk > 0 {
                weight *= (at_risk + censored) as f64 / at_risk as f64;
            }
        }
        longest_ns.sort_unstable_by(|left, right| right.cmp(left));
        Self {
            options,
            events,
            runs,
            sizes,
            competing,
            longest_ns,
            cut_off: sorted.last().is_some_and(|last| last.outcome == Outcome::Censored),
        }
    }

    /// Quantiles of the wait \[s\] over all subjects of all runs, in the order of `ps`.
    ///
    /// Estimate: smallest t with F(t) ≥ p, F the Aalen-Johansen curve. Lower bound: the first event at which the interval of
    /// F reaches p; upper bound: the first at which it is wholly at or above p. Each exists only if the data give it: one run
    /// bounds nothing, and a curve that ends close above p has no upper bound.
    /// - Not reached: estimate and upper bound `None`; the lower bound is at most the longest wait that enough runs have
    ///   followed, so many that all of them would rarely wait longer than a quantile of that level, 1 − (α/2)^(1/n) < p.
    /// - The share of subjects that ended otherwise is above 1 − p, by its lower bound: no horizon would show the quantile.
    ///   The caveat is then [`Caveat::Never`], otherwise [`Caveat::BeyondHorizon`].
    ///
    /// `n` counts the runs that have subjects; below 20 of them no run counts for more than one subject in the interval.
    /// Assumes independent runs and censoring independent of the wait. Panics unless 0 < p ≤ 1.
    pub fn quantiles(&self, ps: &[f64]) -> Vec<Estimate> {
        ps.iter().map(|p| self.quantile(*p)).collect()
    }

    fn quantile(&self, p: f64) -> Estimate {
        assert_level(p);
        let (n, confidence) = (self.runs_with_subjects(), self.options.confidence);
        if n == 0 {
            return Estimate::not_estimable(0, confidence, "no data");
        }
        let point = self.point_ns(p);
        let (lower, upper) = self.quantile_bounds_ns(p, confidence);
        let bounds = (lower.map(seconds), upper.map(seconds));
        let method = "Aalen-Johansen, share by then inverted over runs";
        let mut estimate = Estimate::new(point.map(seconds), bounds, n, confidence, method);
        if point.is_none() && self.is_never(p) {
            estimate.warn(Caveat::Never, "never, because too many end otherwise");
        } else if point.is_none() {
            estimate.warn(Caveat::BeyondHorizon, "not reached within the horizon");
        }
        if n < RUNS_MIN {
            estimate.warn(Caveat::FewRuns, "fewer than 20 runs with any");
        }
        if lower.is_none() {
            estimate.warn(Caveat::FewRuns, "no lower bound");
        }
        if upper.is_none() && point.is_some() {
            estimate.warn(Caveat::FewRuns, "no upper bound");
        }
        estimate
    }

    /// Pointwise band of the cumulative incidence at the given times, in their order: (lower, upper), dimensionless. The
    /// interval of the share at each time, so that a quantile's bounds lie on the band. Without subjects (0, 1).
    pub fn curve_band(&self, times_ns: &[u64]) -> Vec<(f64, f64)> {
        let shares = Shares::new(&self.sizes, self.options.confidence);
        let at = |time_ns: &u64| shares.bounds(&self.by_run(self.events_by(*time_ns)));
        times_ns.iter().map(at).collect()
    }

    /// Number of runs with at least one subject.
    pub(super) fn runs_with_subjects(&self) -> u64 {
        self.runs.len() as u64
    }

    /// Smallest time with F(t) ≥ `p` \[ns\].
    pub(super) fn point_ns(&self, p: f64) -> Option<u64> {
        let needed = p * self.sizes.iter().sum::<f64>() * (1.0 - LEVEL_SLACK);
        let mut sum = 0.0;
        let reached = self.events.iter().find(|event| {
            sum += event.weight;
            sum >= needed
        });
        reached.map(|event| event.time_ns)
    }

    /// Bounds of the quantile \[ns\] at a confidence, as far as the data give them.
    pub(super) fn quantile_bounds_ns(&self, p: f64, confidence: f64) -> (Option<u64>, Option<u64>) {
        let shares = Shares::new(&self.sizes, confidence);
        let needed = p * (1.0 - LEVEL_SLACK);
        // The first event by which, with all events of its time, the interval of the share fulfils a condition.
        let first = |holds: &dyn Fn((f64, f64)) -> bool| {
            let (mut below, mut above) = (0, self.events.len());
            while below < above {
                let middle = below + (above - below) / 2;
                if holds(shares.bounds(&self.by_run(self.events_by(self.events[middle].time_ns)))) {
                    above = middle;
                } else {
                    below = middle + 1;
                }
            }
            self.events.get(below).map(|event| event.time_ns)
        };
        let upper = first(&|(lower, _)| lower >= needed);
        // If already a share of 0 may be p, no time is known to be too early.
        if shares.bounds(&self.by_run(0)).1 >= needed {
            return (None, upper);
        }
        let reached = first(&|(_, upper)| upper >= needed);
        let followed = self.followed_ns(p, confidence);
        let lower = followed.map(|followed| reached.map_or(followed, |reached| reached.min(followed)));
        (lower, upper)
    }

    /// How long the curve is known well enough to say that a quantile is later \[ns\].
    fn followed_ns(&self, p: f64, confidence: f64) -> Option<u64> {
        if !self.cut_off {
            return Some(self.options.horizon_ns);
        }
        let rarely = |n: &u64| zero_event_upper(*n, confidence).is_some_and(|share| share < p);
        let enough = (1..=self.runs_with_subjects()).find(rarely)?;
        Some(self.longest_ns[enough as usize - 1])
    }

    /// Whether more subjects ended otherwise than a quantile leaves room for.
    fn is_never(&self, p: f64) -> bool {
        let pairs = self.competing.iter().zip(&self.sizes);
        let pairs: Vec<(u64, u64)> = pairs.map(|(ended, size)| (*ended, *size as u64)).collect();
        let share = ratio_of_sums(&pairs, self.options.confidence);
        share.lower.is_some_and(|lower| lower > 1.0 - p)
    }

    fn events_by(&self, time_ns: u64) -> usize {
        self.events.partition_point(|event| event.time_ns <= time_ns)
    }

    /// Weights of the first events, by run.
    fn by_run(&self, events: usize) -> Vec<f64> {
        let mut sums = vec![0.0; self.runs.len()];
        for event in &self.events[..events] {
            sums[event.run as usize] += event.weight;
        }
        sums
    }

    /// What each run has at a quantile beyond its part, X_r − p·N_r, with its number: its influence on the share, and so on the
    /// quantile. Nothing if the quantile is not reached.
    pub(super) fn influence(&self, p: f64) -> Vec<(u32, f64)> {
        let Some(point) = self.point_ns(p) else {
            return Vec::new();
        };
        let sums = self.by_run(self.events_by(point));
        let parts = sums.iter().zip(&self.sizes).map(|(sum, size)| sum - p * size);
        self.runs.iter().copied().zip(parts).collect()
    }
}

fn seconds(time_ns: u64) -> f64 {
    time_ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::super::beta::binomial_tails;
    use super::super::survival::{cumulative_incidence, incidence_quantile};
    use super::super::testing::{Words, clustered_waits};
    use super::*;

    const HORIZON_NS: u64 = 10_000_000_000;

    fn analysis(data: &[Observation]) -> IncidenceAnalysis {
        let options = IncidenceOptions {
            horizon_ns: HORIZON_NS,
            confidence: 0.95,
        };
        IncidenceAnalysis::new(data, options)
    }

    fn wait(run: u32, time_ns: u64, outcome: Outcome) -> Observation {
        Observation { run, time_ns, outcome }
    }

    /// One event per run, in whole milliseconds from 1.
    fn ranked(runs: u32) -> Vec<Observation> {
        (0..runs)
            .map(|run| wait(run, u64::from(run + 1) * 1_000_000, Outcome::Event))
            .collect()
    }

    #[test]
    fn one_wait_per_run_has_the_bounds_of_order_statistics() {
        for (n, p) in [
            (6, 0.5),
            (20, 0.5),
            (29, 0.9),
            (100, 0.5),
            (100, 0.9),
            (300, 0.99),
            (50, 0.1),
        ] {
            let seen = analysis(&ranked(n)).quantiles(&[p]).remove(0);
            // Largest l with P(Bin(n, p) ≤ l − 1) ≤ 2.5 %, smallest u with P(Bin(n, p) ≥ u) ≤ 2.5 % (David & Nagaraja 2003, 7.1).
            let (n, tail) = (u64::from(n), 0.025);
            let lower = (1..=n).rev().find(|l| binomial_tails(l - 1, n, p).lower <= tail);
            let upper = (1..=n).find(|u| binomial_tails(u - 1, n, p).upper <= tail);
            let rank = |value: Option<f64>| value.map(|value| libm::round(value * 1e3) as u64);
            assert_eq!((rank(seen.lower), rank(seen.upper)), (lower, upper), "{n} {p}");
        }
        // Tables of the sign test.
        let seen = analysis(&ranked(100)).quantiles(&[0.5]).remove(0);
        assert_eq!(
            (seen.estimate, seen.lower, seen.upper),
            (Some(0.05), Some(0.04), Some(0.061))
        );
    }

    #[test]
    fn few_runs_bound_little() {
        let one = analysis(&[wait(3, 860_000_000, Outcome::Event)])
            .quantiles(&[0.5])
            .remove(0);
        assert_eq!((one.estimate, one.lower, one.upper, one.n), (Some(0.86), None, None, 1));
        assert_eq!(one.caveat, Some(Caveat::FewRuns));
        let five = analysis(&ranked(5)).quantiles(&[0.5]).remove(0);
        assert_eq!((five.lower, five.upper), (None, None));
        // Twelve windows of two runs know no more than two runs.
        let two: Vec<Observation> = (0..12)
            .map(|index| wait(index % 2, u64::from(index + 1), Outcome::Event))
            .collect();
        let two = analysis(&two).quantiles(&[0.5]).remove(0);
        assert_eq!((two.lower, two.upper, two.n), (None, None, 2));
    }

    #[test]
    fn estimates_and_weights_are_those_of_the_curve() {
        for seed in 0..20 {
            let data = clustered_waits(seed, 30, 6);
            let (analysis, curve) = (analysis(&data), cumulative_incidence(&data));
            for p in [0.05, 0.3, 0.5, 0.7] {
                assert_eq!(analysis.point_ns(p), incidence_quantile(&curve, p), "{seed} {p}");
            }
            let sum: f64 = analysis.events.iter().map(|event| event.weight).sum();
            let last = curve.last().unwrap().incidence;
            assert!((sum / data.len() as f64 - last).abs() < 1e-12);
        }
    }

    #[test]
    fn quantiles_of_clustered_waits_lie_on_the_band() {
        let data = clustered_waits(9, 60, 10);
        let analysis = analysis(&data);
        let seen = analysis.quantiles(&[0.4]).remove(0);
        let time = |bound: Option<f64>| libm::round(bound.unwrap() * 1e9) as u64;
        let band = analysis.curve_band(&[
            time(seen.lower),
            time(seen.lower) - 1,
            time(seen.upper),
            time(seen.upper) - 1,
        ]);
        assert!(
            band[0].1 >= 0.4 && band[1].1 < 0.4 && band[2].0 >= 0.4 && band[3].0 < 0.4,
            "{band:?}"
        );
        assert!(seen.lower < seen.estimate && seen.estimate < seen.upper);
    }

    #[test]
    fn a_quantile_beyond_the_horizon_is_a_lower_bound() {
        let data: Vec<Observation> = (0..200)
            .map(|run| match run % 4 {
                0 => wait(run, HORIZON_NS, Outcome::Censored),
                _ => wait(run, 1_000_000_000 + u64::from(run), Outcome::Event),
            })
            .collect();
        let seen = analysis(&data).quantiles(&[0.5, 0.75, 0.95]);
        assert!(seen[0].upper.is_some());
        // Three quarters are ready: reached exactly, but it may be fewer.
        assert!(seen[1].estimate.is_some() && seen[1].lower.is_some());
        assert_eq!((seen[1].upper, seen[1].caveat), (None, Some(Caveat::FewRuns)));
        assert_eq!(
            (seen[2].estimate, seen[2].lower, seen[2].upper),
            (None, Some(10.0), None)
        );
        assert_eq!(seen[2].caveat, Some(Caveat::BeyondHorizon));
    }

    #[test]
    fn a_quantile_just_missed_does_not_claim_the_horizon() {
        let data: Vec<Observation> = (0..200)
            .map(|run| match run < 52 {
                true => wait(run, HORIZON_NS, Outcome::Censored),
                false => wait(run, 2_000_000_000, Outcome::Event),
            })
            .collect();
        let seen = analysis(&data).quantiles(&[0.75]).remove(0);
        assert_eq!((seen.estimate, seen.lower, seen.upper), (None, Some(2.0), None));
    }

    #[test]
    fn a_quantile_that_no_horizon_shows_is_never() {
        // 18 of 100 subjects end otherwise: nine tenths are never ready, a half is.
        let data: Vec<Observation> = (0..1000)
            .map(|index| match index % 100 < 18 {
                true => wait(index / 10, 5_000_000_000, Outcome::Competing),
                false => wait(index / 10, u64::from(index), Outcome::Event),
            })
            .collect();
        let seen = analysis(&data).quantiles(&[0.5, 0.9, 0.99]);
        assert!(seen[0].estimate.is_some() && seen[0].caveat.is_none());
        assert_eq!((seen[1].estimate, seen[1].caveat), (None, Some(Caveat::Never)));
        assert_eq!((seen[2].lower, seen[2].caveat), (Some(10.0), Some(Caveat::Never)));
    }

    #[test]
    fn without_events_the_number_of_runs_decides() {
        let data: Vec<Observation> = (0..30).map(|run| wait(run, HORIZON_NS, Outcome::Censored)).collect();
        let seen = analysis(&data).quantiles(&[0.1, 0.5]);
        // 1 - 0.025^(1/30) = 0.116.
        assert_eq!((seen[0].lower, seen[1].lower), (None, Some(10.0)));
    }

    #[test]
    fn later_is_said_only_as_long_as_enough_runs_are_followed() {
        // Run r is watched for r seconds. Six runs are needed for a median: 0.5^6 < 2.5 % < 0.5^5.
        let data: Vec<Observation> = (1..=10)
            .map(|run| wait(run, u64::from(run) * 1_000_000_000, Outcome::Censored))
            .collect();
        let seen = analysis(&data).quantiles(&[0.5]).remove(0);
        assert_eq!((seen.estimate, seen.lower), (None, Some(5.0)));
        // Deletions end a wait for good: then nothing can happen before the horizon.
        let ended: Vec<Observation> = data
            .iter()
            .map(|seen| wait(seen.run, seen.time_ns, Outcome::Competing))
            .collect();
        let seen = analysis(&ended).quantiles(&[0.5]).remove(0);
        assert_eq!((seen.lower, seen.caveat), (Some(10.0), Some(Caveat::Never)));
    }

    #[test]
    fn too_little_data_has_no_bounds() {
        let none = analysis(&[]);
        assert_eq!(none.quantiles(&[0.5])[0].method, "no data");
        assert_eq!(none.curve_band(&[5]), [(0.0, 1.0)]);
        let one = analysis(&clustered_waits(1, 1, 40)).quantiles(&[0.1]).remove(0);
        assert!(one.estimate.is_some() && one.lower.is_none() && one.upper.is_none());
    }

    #[test]
    fn equal_waits_have_an_interval_of_one_point() {
        let data: Vec<Observation> = (0..500).map(|run| wait(run, 200_000_000, Outcome::Event)).collect();
        let seen = analysis(&data).quantiles(&[0.99]).remove(0);
        assert_eq!(
            (seen.estimate, seen.lower, seen.upper),
            (Some(0.2), Some(0.2), Some(0.2))
        );
        // Fifty runs cannot bound a 99 % quantile from above.
        assert_eq!(analysis(&data[..50]).quantiles(&[0.99])[0].upper, None);
    }

    #[test]
    fn the_band_surrounds_the_curve_and_follows_the_given_order() {
        let data = clustered_waits(9, 60, 10);
        let curve = cumulative_incidence(&data);
        let times = [2_000_000_000, 300_000_000, 1_000_000_000];
        let band = analysis(&data).curve_band(&times);
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
    fn run_numbers_and_the_order_of_rows_do_not_matter() {
        let mut words = Words(3);
        let data = clustered_waits(11, 25, 8);
        let mut shifted: Vec<Observation> = data
            .iter()
            .map(|seen| wait(seen.run * 7 + 500, seen.time_ns, seen.outcome))
            .collect();
        shifted.sort_by_cached_key(|_| words.word());
        assert_eq!(
            analysis(&data).quantiles(&[0.3, 0.5]),
            analysis(&shifted).quantiles(&[0.3, 0.5])
        );
    }
}
