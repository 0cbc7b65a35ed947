//! One pass over the sorted observations of a study with a weight for every run: the curve of a
//! resample without building the resample. Statistics of many passes are in `incidence.rs`.
//!
//! Between two censorings every subject at risk carries the same probability (Efron 1967,
//! "redistribution to the right"), so a pass is integer additions with a division only where
//! censorings end. Up to the first censoring nothing but the number of events counts, and [`LANES`]
//! resamples are summed side by side; what follows is walked resample by resample.

use super::survival::{LEVEL_SLACK, Observation, Outcome};

/// Stands for "not within the horizon"; no simulated time gets there.
pub(super) const NEVER_NS: u64 = u64::MAX;

/// Resamples that share a pass: their weights of one run fill a cache line.
pub(super) const LANES: usize = 16;

/// The weights of one run, or any other count, in [`LANES`] resamples.
pub(super) type Lanes = [u32; LANES];

/// Events summed before sums of 32 bits are carried over to 64; also how far one resample is walked
/// again to find the event that reached a level.
const BLOCK: usize = 256;

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
    /// Runs of the events before the first censoring, in the order of their times.
    event_runs: Vec<u32>,
    /// Times of the same events.
    event_times_ns: Vec<u64>,
    /// The steps from the first censoring to the last one that is none; the censorings after that
    /// change no curve.
    tail: std::ops::Range<usize>,
    /// Subjects per run that wait until the first censoring or longer.
    late_sizes: Vec<u32>,
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
        Self::indexed(observations, done, |run| {
            numbers.partition_point(|number| *number < run)
        })
    }

    /// Sorts the observations of `done` runs whose places among the weights are their numbers, so that two studies of
    /// the same runs can share weights. Panics if a number is too large.
    pub(super) fn of_numbered(observations: &[Observation], done: usize) -> Self {
        Self::indexed(observations, done, |run| run as usize)
    }

    fn indexed(observations: &[Observation], done: usize, place: impl Fn(u32) -> usize) -> Self {
        assert!(done < (1 << 32) / BLOCK, "sums over a block have 32 bits");
        let mut sizes = vec![0; done];
        let mut steps = Vec::with_capacity(observations.len());
        for seen in observations {
            let run = place(seen.run);
            sizes[run] += 1;
            steps.push(Step {
                time_ns: seen.time_ns,
                run: run as u32,
                outcome: seen.outcome,
            });
        }
        steps.sort_unstable_by_key(|step| (step.time_ns, step.outcome, step.run));
        let is_censored = |step: &Step| step.outcome == Outcome::Censored;
        let first = steps.iter().position(is_censored).unwrap_or(steps.len());
        let end = steps
            .iter()
            .rposition(|step| !is_censored(step))
            .map_or(0, |last| last + 1);
        let events = || steps[..first].iter().filter(|step| step.outcome == Outcome::Event);
        let mut late_sizes = vec![0; done];
        for step in &steps[first..] {
            late_sizes[step.run as usize] += 1;
        }
        Self {
            event_runs: events().map(|step| step.run).collect(),
            event_times_ns: events().map(|step| step.time_ns).collect(),
            tail: first..end.max(first),
            late_sizes,
            steps,
            sizes,
        }
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

    /// Times at which weighted resamples reach the increasing levels `ps`, per level and lane;
    /// [`NEVER_NS`] if not.
    pub(super) fn quantile_pass(&self, weights: &[Lanes], ps: &[f64], reached: &mut [[u64; LANES]]) {
        reached.fill([NEVER_NS; LANES]);
        let mut searches = totals(&self.sizes, weights).map(|subjects| Search::new(ps, subjects));
        let blocks = self.event_runs.chunks(BLOCK).zip(self.event_times_ns.chunks(BLOCK));
        for (runs, times_ns) in blocks {
            if searches.iter().all(Search::is_over) {
                return;
            }
            let sums = sum_of(runs, weights);
            for (lane, search) in searches.iter_mut().enumerate() {
                let after = search.pass.events + u64::from(sums[lane]);
                if after < search.target {
                    search.pass.events = after;
                    continue;
                }
                for (run, time_ns) in runs.iter().zip(times_ns) {
                    search.pass.events += u64::from(weights[*run as usize][lane]);
                    search.compare(|level| reached[level][lane] = *time_ns);
                }
            }
        }
        if self.tail.is_empty() {
            return;
        }
        let late = totals(&self.late_sizes, weights);
        for (lane, search) in searches.iter_mut().enumerate() {
            search.pass.at_risk = late[lane];
            for step in &self.steps[self.tail.clone()] {
                let weight = u64::from(weights[step.run as usize][lane]);
                if weight == 0 {
                    continue;
                }
                if search.is_over() {
                    break;
                }
                if search.pass.advance(step.outcome, weight) {
                    search.aim();
                }
                search.compare(|level| reached[level][lane] = step.time_ns);
            }
        }
    }

    /// Heights of the curves of weighted resamples at the increasing times, per time and lane; gives
    /// the number of subjects per lane, without which there is no curve.
    pub(super) fn curve_pass(&self, weights: &[Lanes], times_ns: &[u64], heights: &mut [[f64; LANES]]) -> [u64; LANES] {
        let subjects = totals(&self.sizes, weights);
        let mut passes = subjects.map(Pass::new);
        let first_censored_ns = self.steps.get(self.tail.start).map_or(NEVER_NS, |step| step.time_ns);
        let early = times_ns.partition_point(|time_ns| *time_ns < first_censored_ns);
        let mut done = 0;
        for (time_ns, heights) in times_ns[..early].iter().zip(&mut *heights) {
            let end = self.event_times_ns.partition_point(|event_ns| event_ns <= time_ns);
            add_events(&mut passes, &self.event_runs[done..end], weights);
            done = end;
            *heights = std::array::from_fn(|lane| passes[lane].incidence());
        }
        add_events(&mut passes, &self.event_runs[done..], weights);
        let late = totals(&self.late_sizes, weights);
        for (lane, pass) in passes.iter_mut().enumerate() {
            pass.at_risk = late[lane];
            let mut next = early;
            for step in &self.steps[self.tail.clone()] {
                while next < times_ns.len() && times_ns[next] < step.time_ns {
                    heights[next][lane] = pass.incidence();
                    next += 1;
                }
                if next == times_ns.len() {
                    break;
                }
                let weight = u64::from(weights[step.run as usize][lane]);
                if weight > 0 {
                    pass.advance(step.outcome, weight);
                }
            }
            for heights in &mut heights[next..] {
                heights[lane] = pass.incidence();
            }
        }
        subjects
    }
}

/// Sums of the weights of at most [`BLOCK`] runs. No sum wraps, see [`Study::new`]: a resample has
/// as many runs as the study, so no weight is larger. Additions that could fail would not be joined
/// into vectors.
fn sum_of(runs: &[u32], weights: &[Lanes]) -> Lanes {
    let mut sums = [0u32; LANES];
    for run in runs {
        for (sum, weight) in sums.iter_mut().zip(&weights[*run as usize]) {
            *sum = sum.wrapping_add(*weight);
        }
    }
    sums
}

/// Adds weighted events of `runs` to passes that have met no censoring.
fn add_events(passes: &mut [Pass; LANES], runs: &[u32], weights: &[Lanes]) {
    for block in runs.chunks(BLOCK) {
        for (pass, sum) in passes.iter_mut().zip(sum_of(block, weights)) {
            pass.events += u64::from(sum);
        }
    }
}

/// Sums of weighted counts per run.
fn totals(counts: &[u32], weights: &[Lanes]) -> [u64; LANES] {
    let mut totals = [0; LANES];
    for (count, weights) in counts.iter().zip(weights) {
        for (total, weight) in totals.iter_mut().zip(weights) {
            *total += u64::from(*count) * u64::from(*weight);
        }
    }
    totals
}

/// The search for the increasing levels `ps` in one resample.
struct Search<'a> {
    pass: Pass,
    ps: &'a [f64],
    /// Index of the level that is looked for.
    next: usize,
    /// Events since the last censoring that reach it.
    target: u64,
}

impl<'a> Search<'a> {
    fn new(ps: &'a [f64], subjects: u64) -> Self {
        let mut search = Self {
            pass: Pass::new(subjects),
            ps,
            next: if subjects > 0 { 0 } else { ps.len() },
            target: 0,
        };
        search.aim();
        search
    }

    fn is_over(&self) -> bool {
        self.next == self.ps.len()
    }

    fn aim(&mut self) {
        let level = self.ps.get(self.next).map(|p| p * (1.0 - LEVEL_SLACK));
        self.target = level.map_or(u64::MAX, |level| self.pass.events_needed(level));
    }

    /// Hands over the index of every level that has been reached since the last comparison.
    fn compare(&mut self, mut reached: impl FnMut(usize)) {
        while self.pass.events >= self.target {
            reached(self.next);
            self.next += 1;
            self.aim();
        }
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
    use super::super::incidence::draw_lanes;
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
        assert!(unreached_of_equal_passes(&data) > 100);
    }

    #[test]
    fn so_it_does_if_many_events_come_before_the_first_censoring() {
        let mut data = clustered_waits(1, 12, 200);
        for seen in &mut data {
            if seen.outcome == Outcome::Censored && seen.time_ns < 2_000_000_000 {
                seen.outcome = Outcome::Event;
            }
        }
        let study = Study::new(&data, 12);
        assert!(study.event_runs.len() > 2 * BLOCK && !study.tail.is_empty());
        assert!(unreached_of_equal_passes(&data) > 100);
        data.retain(|seen| seen.outcome != Outcome::Censored);
        assert!(unreached_of_equal_passes(&data) > 100);
    }

    /// Compares passes over resamples of 12 runs with the curves of the copied runs; gives the number of levels that
    /// were not reached, which a good test also sees.
    fn unreached_of_equal_passes(data: &[Observation]) -> usize {
        let study = Study::new(data, 12);
        let ps = [0.01, 0.1, 0.25, 0.5, 0.6, 0.7, 0.8, 0.95, 1.0];
        let times: Vec<u64> = (0..60).map(|tick| tick * 100_000_000).collect();
        let mut words = Words(2);
        let mut unreached = 0;
        for _ in 0..13 {
            let mut weights = vec![[0; LANES]; 12];
            draw_lanes(&mut weights, LANES, &mut || words.word());
            let mut reached = [[0; LANES]; 9];
            study.quantile_pass(&weights, &ps, &mut reached);
            let mut heights = vec![[0.0; LANES]; times.len()];
            let subjects = study.curve_pass(&weights, &times, &mut heights);
            for lane in 0..LANES {
                let weights: Vec<u32> = weights.iter().map(|lanes| lanes[lane]).collect();
                let copied = copies(data, &weights);
                assert_eq!(subjects[lane], copied.len() as u64);
                let curve = cumulative_incidence(&copied);
                for (p, time_ns) in ps.iter().zip(reached.map(|lanes| lanes[lane])) {
                    let expected = incidence_quantile(&curve, *p);
                    assert_eq!((time_ns < NEVER_NS).then_some(time_ns), expected, "p = {p}");
                    unreached += usize::from(expected.is_none());
                }
                for (time_ns, height) in times.iter().zip(heights.iter().map(|lanes| lanes[lane])) {
                    let step = curve.partition_point(|point| point.time_ns <= *time_ns);
                    let expected = if step == 0 { 0.0 } else { curve[step - 1].incidence };
                    assert!((height - expected).abs() < 1e-12, "{time_ns}");
                }
            }
        }
        unreached
    }
}
