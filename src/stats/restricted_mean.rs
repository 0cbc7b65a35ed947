//! The restricted mean wait: what a subject waits on average if nobody is watched longer than a limit. Its interval comes
//! from leaving out whole runs. The curve under it is in `survival.rs`; quantiles of the wait are in `incidence.rs`.

use super::special::student_t_critical;
use super::survival::{CurvePoint, Observation, Outcome, cumulative_incidence};
use super::{Estimate, count, error_level};

/// Most groups of runs that are left out in turn; with more runs than this, several leave together.
const GROUPS_MAX: usize = 1000;

/// Area above a cumulative incidence curve up to a limit, ∫₀^τ (1 − F(t)) dt \[s\].
///
/// The mean of min(T, τ) where T is the time of the event, and never for subjects that end otherwise: without competing
/// ends the restricted mean survival time (Irwin 1949; Royston & Parmar 2013), with them τ minus the restricted mean time
/// lost (Andersen 2013). Valid up to the longest time that was followed.
#[must_use]
pub fn area_above(curve: &[CurvePoint], limit_ns: u64) -> f64 {
    let (mut area, mut since, mut height) = (0.0, 0, 0.0);
    for point in curve.iter().take_while(|point| point.time_ns < limit_ns) {
        area += (1.0 - height) * (point.time_ns - since) as f64;
        (since, height) = (point.time_ns, point.incidence);
    }
    (area + (1.0 - height) * (limit_ns - since) as f64) / 1e9
}

/// Restricted mean wait \[s\] over all subjects of all runs, with an interval from the jackknife over runs.
///
/// Estimate: [`area_above`] the Aalen-Johansen curve up to τ = `limit_ns`; a subject that ends otherwise, such as a pod
/// deleted before it was ready, counts with τ. Interval: θ̂ ± t · √((G−1)/G · Σ(θ₍g₎ − θ̄)²) with G − 1 degrees, θ₍g₎ without
/// group g of runs (Tukey 1958; Lin & Wei 1989 for the runs as clusters), cut to \[0, τ\]. Each run is a group of its own
/// up to 1000 runs; above that run i is in group i modulo 1000 (Kott 2001). `runs` is the number of runs done; runs without
/// subjects count as groups that change nothing.
///
/// Without an interval: fewer than two runs, or no difference between them. Not estimable if the curve is not known up to
/// τ because all waits were cut off earlier. Assumes independent runs, about 20 or more, and censoring independent of
/// the wait. Panics if the observations come from more than `runs` runs.
pub fn restricted_mean(observations: &[Observation], runs: u32, limit_ns: u64, confidence: f64) -> Estimate {
    error_level(confidence);
    let mut numbers: Vec<u32> = observations.iter().map(|seen| seen.run).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert!(
        numbers.len() <= runs as usize,
        "observations from {} of {runs} runs",
        numbers.len()
    );
    let n = u64::from(runs);
    let Some(last) = observations.iter().max_by_key(|seen| (seen.time_ns, seen.outcome)) else {
        return Estimate::not_estimable(n, confidence, "no data");
    };
    if last.outcome == Outcome::Censored && last.time_ns < limit_ns {
        return Estimate::not_estimable(n, confidence, "waits were cut off before the limit");
    }
    let mut sorted = observations.to_vec();
    sorted.sort_unstable_by_key(|seen| (seen.time_ns, seen.outcome));
    let point = area_above(&cumulative_incidence(&sorted), limit_ns);
    let groups = (runs as usize).min(GROUPS_MAX);
    if groups < 2 {
        return Estimate::point_only(point, n, confidence, "restricted mean, one run, no interval");
    }
    let group_of = |seen: &Observation| numbers.partition_point(|number| *number < seen.run) % groups;
    let group_of: Vec<usize> = sorted.iter().map(group_of).collect();
    let mut kept = Vec::with_capacity(sorted.len());
    let mut left_out = Vec::with_capacity(groups);
    for group in 0..groups {
        kept.clear();
        let others = sorted.iter().zip(&group_of).filter(|(_, of)| **of != group);
        kept.extend(others.map(|(seen, _)| *seen));
        // Without the only run with subjects nothing is known, and the estimate is as good as any.
        left_out.push(match kept.is_empty() {
            true => point,
            false => area_above(&cumulative_incidence(&kept), limit_ns),
        });
    }
    let g = count(groups as u64);
    let centre = left_out.iter().sum::<f64>() / g;
    let squares: f64 = left_out.iter().map(|value| (value - centre) * (value - centre)).sum();
    let error = ((g - 1.0) / g * squares).sqrt();
    if error <= 1e-12 * point.abs() {
        return Estimate::point_only(point, n, confidence, "restricted mean, all runs equal, no interval");
    }
    let half_width = student_t_critical(confidence, g - 1.0) * error;
    let bounds = (
        Some((point - half_width).max(0.0)),
        Some((point + half_width).min(limit_ns as f64 / 1e9)),
    );
    Estimate::new(
        Some(point),
        bounds,
        n,
        confidence,
        "restricted mean, jackknife over runs",
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, clustered_waits};
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn seen(run: u32, time_s: u64, outcome: Outcome) -> Observation {
        Observation {
            run,
            time_ns: time_s * SECOND,
            outcome,
        }
    }

    #[test]
    fn without_censoring_it_is_the_mean_of_the_restricted_waits() {
        let waits = [1, 4, 9, 2, 7, 30];
        let data: Vec<Observation> = (0..6)
            .map(|run| seen(run, waits[run as usize], Outcome::Event))
            .collect();
        let estimate = restricted_mean(&data, 6, 10 * SECOND, 0.95);
        let restricted = waits.map(|wait| wait.min(10) as f64);
        let plain = super::super::mean_t(&restricted, 0.95);
        // The jackknife of a mean is its standard error, so the interval is Student's.
        for (seen, known) in [
            (estimate.estimate, plain.estimate),
            (estimate.lower, plain.lower),
            (estimate.upper, plain.upper),
        ] {
            assert_close(seen.unwrap(), known.unwrap(), 1e-12);
        }
        // A deletion is a wait up to the limit.
        let mut deleted = data.clone();
        deleted[0].outcome = Outcome::Competing;
        let shifted = restricted_mean(&deleted, 6, 10 * SECOND, 0.95).estimate.unwrap();
        assert_close(shifted, plain.estimate.unwrap() + 9.0 / 6.0, 1e-12);
    }

    #[test]
    fn what_was_not_followed_is_not_estimated() {
        let data = [seen(0, 1, Outcome::Event), seen(1, 5, Outcome::Censored)];
        let none = restricted_mean(&data, 2, 6 * SECOND, 0.95);
        assert_eq!(
            (none.estimate, none.method.as_str()),
            (None, "waits were cut off before the limit")
        );
        assert_eq!(restricted_mean(&data, 2, 5 * SECOND, 0.95).estimate, Some(3.0));
        assert_eq!(restricted_mean(&[], 2, 5 * SECOND, 0.95).method, "no data");
        let one = restricted_mean(&data[..1], 1, 5 * SECOND, 0.95);
        assert_eq!((one.estimate, one.lower), (Some(1.0), None));
    }

    #[test]
    fn many_runs_leave_in_groups_and_the_interval_stays() {
        let data = clustered_waits(3, 1600, 3);
        let grouped = restricted_mean(&data, 1600, 4 * SECOND, 0.95);
        // Taken two by two, the same runs are few enough to leave one by one.
        let joined: Vec<Observation> = data
            .iter()
            .map(|seen| Observation {
                run: seen.run % 800,
                ..*seen
            })
            .collect();
        let single = restricted_mean(&joined, 800, 4 * SECOND, 0.95);
        assert_eq!(grouped.estimate, single.estimate);
        let width = |estimate: &Estimate| estimate.upper.unwrap() - estimate.lower.unwrap();
        assert!(
            (width(&grouped) / width(&single) - 1.0).abs() < 0.1,
            "{grouped:?} {single:?}"
        );
    }
}
