//! Time to an event with competing ends and censoring: Aalen-Johansen, Kaplan-Meier and the share
//! that never had the event. Bootstrap intervals over runs do not belong here; see `incidence.rs`.
//!
//! Waits that did not end are data: dropping "not ready" pods makes every start-up quantile too
//! good. "Deleted before ready" is a competing end and not censoring: 1 − Kaplan-Meier would
//! overstate the share that becomes ready (Putter, Fiocco & Geskus 2007).

use std::collections::BTreeMap;

use super::special::normal_critical;
use super::{Estimate, ratio_of_sums};

/// Relative slack when a curve is compared with a level, far above rounding and far below one
/// observation.
pub(super) const LEVEL_SLACK: f64 = 1e-12;

/// How a wait ended.
///
/// The order of the variants is behaviour: at equal times events come before competing ends and
/// both before censorings, as in Kaplan & Meier (1958).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The awaited event happened, e.g. the pod became ready.
    Event,
    /// Another end made the event impossible, e.g. the pod was deleted before it was ready.
    Competing,
    /// Still waiting when the observation ended, e.g. at the horizon. Must be independent of the
    /// wait: stopping a run because of what happened in it is not.
    Censored,
}

/// One wait of one subject (a pod, a request) in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Observation {
    /// Index of the run, the sampling unit.
    pub run: u32,
    /// Length of the wait, from its own start \[ns\].
    pub time_ns: u64,
    /// How the wait ended.
    pub outcome: Outcome,
}

/// A step of a cumulative incidence curve.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CurvePoint {
    /// Time of the step since the start of the wait \[ns\].
    pub time_ns: u64,
    /// Probability that the event has happened by then (right-continuous), in \[0, 1\].
    pub incidence: f64,
}

/// A step of a Kaplan-Meier curve.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SurvivalPoint {
    /// Time of the step since the start of the wait \[ns\].
    pub time_ns: u64,
    /// Probability of still waiting just after that time, in \[0, 1\].
    pub survival: f64,
    /// Pointwise lower bound; `None` where the curve is at 0.
    pub lower: Option<f64>,
    /// Pointwise upper bound; `None` where the curve is at 0.
    pub upper: Option<f64>,
}

/// Counts at one distinct time.
struct Tick {
    time_ns: u64,
    at_risk: u64,
    events: u64,
    competing: u64,
}

/// Distinct times in increasing order with the number still waiting just before each.
fn ticks(observations: &[Observation]) -> Vec<Tick> {
    let mut sorted: Vec<(u64, Outcome)> = observations.iter().map(|seen| (seen.time_ns, seen.outcome)).collect();
    sorted.sort_unstable();
    let mut at_risk = sorted.len() as u64;
    let mut ticks = Vec::new();
    for tied in sorted.chunk_by(|left, right| left.0 == right.0) {
        let of = |kind| tied.iter().filter(|seen| seen.1 == kind).count() as u64;
        let (events, competing) = (of(Outcome::Event), of(Outcome::Competing));
        ticks.push(Tick {
            time_ns: tied[0].0,
            at_risk,
            events,
            competing,
        });
        at_risk -= tied.len() as u64;
    }
    ticks
}

/// Cumulative incidence of the event under competing ends and censoring (Aalen & Johansen 1978).
///
/// F(t) = Σ S(t_i−) d_i / n_i over event times t_i ≤ t, S the probability that no end of either kind
/// has happened. One point per distinct event time; before the first F is 0. Assumes censoring
/// independent of the wait. Subjects of one run may depend on each other: the curve is still right,
/// its precision is that of the runs (`incidence.rs`).
pub fn cumulative_incidence(observations: &[Observation]) -> Vec<CurvePoint> {
    let (mut waiting, mut incidence) = (1.0, 0.0);
    let mut curve = Vec::new();
    for tick in ticks(observations) {
        let at_risk = tick.at_risk as f64;
        if tick.events > 0 {
            incidence += waiting * tick.events as f64 / at_risk;
            curve.push(CurvePoint {
                time_ns: tick.time_ns,
                incidence,
            });
        }
        waiting *= 1.0 - (tick.events + tick.competing) as f64 / at_risk;
    }
    curve
}

/// Smallest time with F(t) ≥ `p` \[ns\]; `None` if the curve never gets there.
///
/// Without censoring this is the inverse ECDF (type 1 of Hyndman & Fan 1996) over all subjects.
/// Panics unless 0 < p ≤ 1.
pub fn incidence_quantile(curve: &[CurvePoint], p: f64) -> Option<u64> {
    assert_level(p);
    let needed = p * (1.0 - LEVEL_SLACK);
    let step = curve.partition_point(|point| point.incidence < needed);
    curve.get(step).map(|point| point.time_ns)
}

/// Kaplan-Meier curve with pointwise log-log Greenwood intervals, for data without competing ends.
///
/// Ŝ(t) = Π (1 − d_i/n_i) (Kaplan & Meier 1958); interval Ŝ^exp(±z·se) with se = √(Σ d_i /
/// (n_i (n_i − d_i))) / |ln Ŝ| (Kalbfleisch & Prentice 2002). One point per distinct event time.
/// Assumes independent subjects, e.g. one per run; for several subjects per run the interval is too
/// short. `None` if an observation is [`Outcome::Competing`]: use [`cumulative_incidence`] then.
pub fn kaplan_meier(observations: &[Observation], confidence: f64) -> Option<Vec<SurvivalPoint>> {
    let z = normal_critical(confidence);
    let (mut survival, mut greenwood) = (1.0, 0.0);
    let mut curve = Vec::new();
    for tick in ticks(observations) {
        if tick.competing > 0 {
            return None;
        }
        if tick.events == 0 {
            continue;
        }
        let (at_risk, events) = (tick.at_risk as f64, tick.events as f64);
        let time_ns = tick.time_ns;
        if tick.events == tick.at_risk {
            curve.push(SurvivalPoint {
                time_ns,
                survival: 0.0,
                lower: None,
                upper: None,
            });
            break;
        }
        survival *= 1.0 - events / at_risk;
        greenwood += events / (at_risk * (at_risk - events));
        let log_survival = libm::log(survival);
        let spread = libm::exp(z * greenwood.sqrt() / -log_survival);
        let lower = Some(libm::exp(log_survival * spread));
        let upper = Some(libm::exp(log_survival / spread));
        curve.push(SurvivalPoint {
            time_ns,
            survival,
            lower,
            upper,
        });
    }
    Some(curve)
}

/// Shares of subjects that never had the event.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct NeverShare {
    /// Ended otherwise or still waiting.
    pub any: Estimate,
    /// Ended otherwise, e.g. deleted before ready.
    pub competing: Estimate,
    /// Still waiting when the observation ended.
    pub censored: Estimate,
}

/// Share of subjects that never had the event within the observation, dimensionless.
///
/// A ratio of sums over runs ([`ratio_of_sums`]). `runs` is the number of runs done, including runs
/// without any subject. The censored share depends on the horizon: state it beside the number.
/// Panics if the observations come from more than `runs` runs.
pub fn never_share(observations: &[Observation], runs: u32, confidence: f64) -> NeverShare {
    // Per run: subjects, competing ends, censorings.
    let mut counts: BTreeMap<u32, [u64; 3]> = BTreeMap::new();
    for seen in observations {
        let run = counts.entry(seen.run).or_default();
        run[0] += 1;
        match seen.outcome {
            Outcome::Event => {}
            Outcome::Competing => run[1] += 1,
            Outcome::Censored => run[2] += 1,
        }
    }
    assert!(
        counts.len() <= runs as usize,
        "observations from {} of {runs} runs",
        counts.len()
    );
    let mut rows: Vec<[u64; 3]> = counts.into_values().collect();
    rows.resize(runs as usize, [0; 3]);
    let share = |part: &dyn Fn(&[u64; 3]) -> u64| {
        let pairs: Vec<(u64, u64)> = rows.iter().map(|row| (part(row), row[0])).collect();
        ratio_of_sums(&pairs, confidence)
    };
    NeverShare {
        any: share(&|row| row[1] + row[2]),
        competing: share(&|row| row[1]),
        censored: share(&|row| row[2]),
    }
}

/// Panics unless 0 < p ≤ 1.
pub(super) fn assert_level(p: f64) {
    assert!(p > 0.0 && p <= 1.0, "a quantile level must lie in (0, 1], got {p}");
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Words, assert_close};
    use super::Outcome::{Censored, Competing, Event};
    use super::*;

    fn waits(list: &[(u64, Outcome)]) -> Vec<Observation> {
        let observation = |(run, seen): (usize, &(u64, Outcome))| Observation {
            run: run as u32,
            time_ns: seen.0,
            outcome: seen.1,
        };
        list.iter().enumerate().map(observation).collect()
    }

    #[test]
    fn a_hand_computed_curve_with_competing_ends_and_ties() {
        // n = 6: event at 1 (6 at risk), deletion at 2 (5), event and censoring at 3 (4), event at 5 (2).
        let data = waits(&[
            (3, Censored),
            (1, Event),
            (2, Competing),
            (3, Event),
            (5, Event),
            (7, Censored),
        ]);
        let curve = cumulative_incidence(&data);
        let times: Vec<u64> = curve.iter().map(|point| point.time_ns).collect();
        assert_eq!(times, [1, 3, 5]);
        // S(2-) = 5/6, S(3-) = 4/6, then 3/6 with one of three censored: S(5-) = 3/6.
        assert_close(curve[0].incidence, 1.0 / 6.0, 1e-15);
        assert_close(curve[1].incidence, 2.0 / 6.0, 1e-15);
        assert_close(curve[2].incidence, 2.0 / 6.0 + 0.5 / 2.0, 1e-15);
        assert_eq!(incidence_quantile(&curve, 1.0 / 3.0), Some(3));
        assert_eq!(incidence_quantile(&curve, 0.5), Some(5));
        assert_eq!(incidence_quantile(&curve, 0.6), None);
    }

    #[test]
    fn without_censoring_the_curve_is_the_plain_share() {
        let mut words = Words(4);
        let mut data = waits(&[]);
        for run in 0..500 {
            let time_ns = words.word() % 200;
            let outcome = if words.word().is_multiple_of(4) {
                Competing
            } else {
                Event
            };
            data.push(Observation { run, time_ns, outcome });
        }
        for point in cumulative_incidence(&data) {
            let by_then = |seen: &&Observation| seen.outcome == Event && seen.time_ns <= point.time_ns;
            let share = data.iter().filter(by_then).count() as f64 / 500.0;
            assert_close(point.incidence, share, 1e-12);
        }
    }

    #[test]
    fn treating_deletions_as_censoring_would_overstate() {
        let data = waits(&[(1, Competing), (2, Event), (3, Competing), (4, Event)]);
        let honest = cumulative_incidence(&data).last().unwrap().incidence;
        let censored: Vec<Observation> = data
            .iter()
            .map(|seen| match seen.outcome {
                Competing => Observation {
                    outcome: Censored,
                    ..*seen
                },
                _ => *seen,
            })
            .collect();
        assert_close(honest, 0.5, 1e-15);
        assert_eq!(kaplan_meier(&censored, 0.95).unwrap().last().unwrap().survival, 0.0);
        assert_eq!(kaplan_meier(&data, 0.95), None);
    }

    #[test]
    fn kaplan_meier_meets_the_leukaemia_data() {
        // Freireich et al. 1963, 6-MP arm; survival as printed in textbooks.
        let events = [6, 6, 6, 7, 10, 13, 16, 22, 23].map(|week| (week, Event));
        let others = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35].map(|week| (week, Censored));
        let curve = kaplan_meier(&waits(&[&events[..], &others[..]].concat()), 0.95).unwrap();
        let expected = [
            (6, 0.8571, 0.6197, 0.9516),
            (7, 0.8067, 0.5631, 0.9228),
            (10, 0.7529, 0.5032, 0.8894),
            (13, 0.6902, 0.4316, 0.8491),
            (16, 0.6275, 0.3675, 0.8049),
            (22, 0.5378, 0.2678, 0.7468),
            (23, 0.4482, 0.1881, 0.6801),
        ];
        assert_eq!(curve.len(), expected.len());
        for (point, (time, survival, lower, upper)) in curve.iter().zip(expected) {
            assert_eq!(point.time_ns, time);
            assert!((point.survival - survival).abs() < 6e-5, "{point:?}");
            assert!((point.lower.unwrap() - lower).abs() < 6e-5, "{point:?}");
            assert!((point.upper.unwrap() - upper).abs() < 6e-5, "{point:?}");
        }
    }

    #[test]
    fn levels_that_fall_on_a_step_are_not_lost_to_rounding() {
        let data = waits(&(1..=100).map(|time| (time, Event)).collect::<Vec<_>>());
        let curve = cumulative_incidence(&data);
        for percent in 1..=100u64 {
            assert_eq!(incidence_quantile(&curve, percent as f64 / 100.0), Some(percent));
        }
    }

    #[test]
    fn never_shares_count_runs_without_subjects() {
        let mut data = waits(&[(1, Event), (2, Competing), (9, Censored), (3, Event)]);
        data.push(Observation {
            run: 3,
            time_ns: 9,
            outcome: Censored,
        });
        let shares = never_share(&data, 10, 0.95);
        assert_close(shares.any.estimate.unwrap(), 0.6, 1e-15);
        assert_close(shares.competing.estimate.unwrap(), 0.2, 1e-15);
        assert_close(shares.censored.estimate.unwrap(), 0.4, 1e-15);
        assert_eq!(shares.any.n, 10);
        assert_eq!(never_share(&[], 5, 0.95).any.method, "no data");
    }

    #[test]
    #[should_panic(expected = "observations from 2 of 1 runs")]
    fn more_runs_than_were_done_is_a_mistake_of_the_caller() {
        never_share(&waits(&[(1, Event), (2, Event)]), 1, 0.95);
    }
}
