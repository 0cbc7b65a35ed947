//! Time to an event with competing ends and censoring: what an observation is, and the curve of Aalen and Johansen. Intervals
//! do not belong here; see `incidence.rs`.
//!
//! Waits that did not end are data: dropping "not ready" pods makes every startup quantile too
//! good. "Deleted before ready" is a competing end and not censoring: 1 − Kaplan-Meier would
//! overstate the share that becomes ready (Putter, Fiocco & Geskus 2007).

/// Relative slack when a curve is compared with a level, far above rounding and far below one
/// observation.
pub(super) const LEVEL_SLACK: f64 = 1e-12;

/// How a wait ended.
///
/// The order of the variants is behavior: at equal times events come before competing ends and
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
        // Without competing ends the curve is that of Kaplan and Meier, which would go to 1.
        assert_close(cumulative_incidence(&censored).last().unwrap().incidence, 1.0, 1e-15);
    }

    #[test]
    fn levels_that_fall_on_a_step_are_not_lost_to_rounding() {
        let data = waits(&(1..=100).map(|time| (time, Event)).collect::<Vec<_>>());
        let curve = cumulative_incidence(&data);
        for percent in 1..=100u64 {
            assert_eq!(incidence_quantile(&curve, percent as f64 / 100.0), Some(percent));
        }
    }
}
