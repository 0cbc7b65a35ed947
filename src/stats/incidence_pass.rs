//! One pass over the sorted observations of a study with a weight for every run: the curve of a
//! resample without building the resample. Statistics of many passes are in `incidence.rs`.
//!
//! Between two censorings every subject at risk carries the same probability (Efron 1967,
//! "redistribution to the right"), so a pass is integer additions with a division only where
//! censorings end. 60,000 observations take well under a millisecond.

use super::survival::{LEVEL_SLACK, Observation, Outcome};

/// Stands for "not within the horizon"; no simulated time gets there.
pub(super) const NEVER_NS: u64 = u64::MAX;

/// One sorted observation, as the passes read it.
#[derive(Clone, Copy)]
struct Step {
    time_ns: u64,
    /// Index into `sizes`.
    run: u32,
    outcome: Outcome,
}

/// Sorted observations of a study.
pub(super) struct Study {
    steps: Vec<Step>,
    /// Subjects per run; runs without subjects follow at the end.
    sizes: Vec<u32>,
}

impl Study {
    /// Sorts the observations of `done` runs. Panics if they come from more runs than that.
    pub(super) fn new(observations: &[Observation], done: usize) -> Self {
        let mut numbers: Vec<u32> = observations.iter().map(|seen| seen.run).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert!(
            numbers.len() <= done,
            "observations from {} of {done} runs",
            numbers.len()
        );
        let mut sizes = vec![0; done];
        let mut steps = Vec::with_capacity(observations.len());
        for seen in observations {
            let run = numbers.partition_point(|number| *number < seen.run);
            sizes[run] += 1;
            steps.push(Step {
                time_ns: seen.time_ns,
                run: run as u32,
                outcome: seen.outcome,
            });
        }
        steps.sort_unstable_by_key(|step| (step.time_ns, step.outcome, step.run));
        Self { steps, sizes }
    }

    /// Number of runs, with or without subjects.
    pub(super) fn runs(&self) -> usize {
        self.sizes.len()
    }

    /// Number of runs with at least one subject.
    pub(super) fn runs_with_subjects(&self) -> usize {
        self.sizes.iter().filter(|size| **size > 0).count()
    }

    /// Whether there is no observation at all.
    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether any subject had the event.
    pub(super) fn has_events(&self) -> bool {
        self.steps.iter().any(|step| step.outcome == Outcome::Event)
    }

    /// How long the curve is known: the horizon, or the longest wait if that one was cut off earlier.
    pub(super) fn followed_ns(&self, horizon_ns: u64) -> u64 {
        match self.steps.last() {
            Some(last) if last.outcome == Outcome::Censored => last.time_ns.min(horizon_ns),
            _ => horizon_ns,
        }
    }

    /// Number of runs with a wait of at least `time_ns`.
    pub(super) fn runs_beyond(&self, time_ns: u64) -> usize {
        let first = self.steps.partition_point(|step| step.time_ns < time_ns);
        let mut runs: Vec<u32> = self.steps[first..].iter().map(|step| step.run).collect();
        runs.sort_unstable();
        runs.dedup();
        runs.len()
    }

    /// Subjects in a resample.
    fn subjects(&self, weights: &[u32]) -> u64 {
        let product = |(size, weight): (&u32, &u32)| u64::from(*size) * u64::from(*weight);
        self.sizes.iter().zip(weights).map(product).sum()
    }

    /// Times at which a weighted resample reaches the increasing levels `ps`; [`NEVER_NS`] if not.
    pub(super) fn quantile_pass(&self, weights: &[u32], ps: &[f64], reached: &mut [u64]) {
        reached.fill(NEVER_NS);
        let mut state = Pass::new(self.subjects(weights));
        let mut next = 0;
        let needed = |index: usize| ps.get(index).map(|p| p * (1.0 - LEVEL_SLACK));
        let Some(mut level) = needed(next) else {
            return;
        };
        let mut target = state.events_needed(level);
        for step in &self.steps {
            let weight = u64::from(weights[step.run as usize]);
            if weight == 0 {
                continue;
            }
            if state.advance(step.outcome, weight) {
                target = state.events_needed(level);
            }
            while state.events >= target {
                reached[next] = step.time_ns;
                next += 1;
                let Some(following) = needed(next) else {
                    return;
                };
                level = following;
                target = state.events_needed(level);
            }
        }
    }

    /// Heights of the curve of a weighted resample at the increasing times; `false` if the resample
    /// has no subject.
    pub(super) fn curve_pass(&self, weights: &[u32], times_ns: &[u64], heights: &mut [f64]) -> bool {
        let subjects = self.subjects(weights);
        let mut state = Pass::new(subjects);
        let mut next = 0;
        for step in &self.steps {
            while next < times_ns.len() && times_ns[next] < step.time_ns {
                heights[next] = state.incidence();
                next += 1;
            }
            if next == times_ns.len() {
                break;
            }
            let weight = u64::from(weights[step.run as usize]);
            if weight > 0 {
                state.advance(step.outcome, weight);
            }
        }
        heights[next..].fill(state.incidence());
        subjects > 0
    }
}

/// State of one pass: F = base + mass · events.
struct Pass {
    /// Subjects still waiting.
    at_risk: u64,
    /// Probability that each of them carries since the last censoring.
    mass: f64,
    /// F at the last censoring.
    base: f64,
    /// Events since then.
    events: u64,
    /// Probability of still waiting, if censorings have not been shared out yet.
    to_share: Option<f64>,
}

impl Pass {
    fn new(subjects: u64) -> Self {
        let mass = if subjects > 0 { 1.0 / subjects as f64 } else { 0.0 };
        Self {
            at_risk: subjects,
            mass,
            base: 0.0,
            events: 0,
            to_share: None,
        }
    }

    fn incidence(&self) -> f64 {
        (self.base + self.mass * self.events as f64).min(1.0)
    }

    /// Smallest number of events since the last censoring that lifts F to `level`.
    fn events_needed(&self, level: f64) -> u64 {
        if self.mass > 0.0 {
            // The conversion saturates, so an unreachable level stays unreachable.
            libm::ceil((level - self.base) / self.mass) as u64
        } else {
            u64::MAX
        }
    }

    /// Takes in one end of `weight` subjects; `true` if base and mass have changed.
    #[inline]
    fn advance(&mut self, outcome: Outcome, weight: u64) -> bool {
        if outcome == Outcome::Censored {
            if self.to_share.is_none() {
                self.to_share = Some(self.mass * self.at_risk as f64);
            }
            self.at_risk -= weight;
            return false;
        }
        let mut changed = false;
        if let Some(waiting) = self.to_share.take() {
            self.base += self.mass * self.events as f64;
            self.events = 0;
            self.mass = waiting / self.at_risk as f64;
            changed = true;
        }
        self.at_risk -= weight;
        if outcome == Outcome::Event {
            self.events += weight;
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::super::bootstrap::draw_multiplicities;
    use super::super::survival::{cumulative_incidence, incidence_quantile};
    use super::super::testing::{Words, clustered_waits};
    use super::*;

    fn copies(data: &[Observation], weights: &[u32]) -> Vec<Observation> {
        let copy = |seen: &Observation| vec![*seen; weights[seen.run as usize] as usize];
        data.iter().flat_map(copy).collect()
    }

    #[test]
    fn a_weighted_pass_equals_the_curve_of_the_copied_runs() {
        let data = clustered_waits(1, 12, 15);
        let study = Study::new(&data, 12);
        let ps = [0.01, 0.1, 0.25, 0.5, 0.6, 0.7, 0.8, 0.95, 1.0];
        let times: Vec<u64> = (0..60).map(|tick| tick * 100_000_000).collect();
        let mut words = Words(2);
        let mut unreached = 0;
        for _ in 0..200 {
            let mut weights = vec![0; 12];
            draw_multiplicities(&mut weights, &mut || words.word());
            let curve = cumulative_incidence(&copies(&data, &weights));
            let mut reached = [0; 9];
            study.quantile_pass(&weights, &ps, &mut reached);
            for (p, time_ns) in ps.iter().zip(reached) {
                let expected = incidence_quantile(&curve, *p);
                assert_eq!((time_ns < NEVER_NS).then_some(time_ns), expected, "p = {p}");
                unreached += usize::from(expected.is_none());
            }
            let mut heights = vec![0.0; times.len()];
            assert!(study.curve_pass(&weights, &times, &mut heights));
            for (time_ns, height) in times.iter().zip(heights) {
                let step = curve.partition_point(|point| point.time_ns <= *time_ns);
                let expected = if step == 0 { 0.0 } else { curve[step - 1].incidence };
                assert!((height - expected).abs() < 1e-12, "{time_ns}");
            }
        }
        assert!(unreached > 100, "the test must also see levels that are not reached");
    }
}
