//! How long the writes of one dispatch batch are on their way to one reader. Where they stand belongs to `cursor`.

use crate::cluster::purpose::Purpose;
use crate::kernel::{Distribution, EntityKey, RunKey, SimDuration, SimTime};

/// How the writes of one dispatch batch are delayed on their way to one reader.
#[derive(Clone, Copy, Debug)]
pub struct Delay {
    /// What the draws are for.
    pub purpose: Purpose,
    /// Distribution of the delay.
    pub distribution: Distribution,
    /// Distribution of what the reader itself needs before it acts on what it read, if anything.
    pub then: Option<Distribution>,
    /// Writes within this span travel together.
    pub batch_period: SimDuration,
    /// How the reader paces its acting, if it does not act on each write as it comes.
    pub pace: Option<Pace>,
}

/// A reader that acts in runs, each on all that has arrived: at once while it has runs to spare, else an interval after the
/// run before (`kubernetes/kubernetes pkg/util/async/bounded_frequency_runner.go`).
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two runs, and what it takes to have one more run to spare.
    pub interval: SimDuration,
    /// Most runs to spare.
    pub burst: u32,
}

impl Delay {
    /// The longest delay.
    #[must_use]
    pub fn bound(&self) -> SimDuration {
        let then = self.then.map_or(SimDuration::ZERO, |distribution| distribution.bound());
        self.distribution.bound() + then + self.pace.map_or(SimDuration::ZERO, |pace| pace.interval)
    }

    /// After so long without a write the reader acts as if it had never acted.
    pub(super) fn quiet(&self) -> SimDuration {
        let full = self
            .pace
            .map_or(SimDuration::ZERO, |pace| pace.interval * u64::from(pace.burst + 1));
        self.distribution.bound() + full
    }
}

/// Where a reader stands with its runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Runs {
    /// When the latest version arrived.
    arrival: SimTime,
    /// The latest run, if there was one.
    latest: Option<SimTime>,
    /// What it has used up of its runs to spare, as the time that it takes to have them back, at the latest run.
    used: SimDuration,
}

impl Runs {
    /// It has never acted.
    pub(super) const NONE: Self = Self {
        arrival: SimTime::ZERO,
        latest: None,
        used: SimDuration::ZERO,
    };

    /// The run that acts on the next version, which has arrived at `arrival`.
    fn of_arrival(&mut self, arrival: SimTime, pace: Pace) -> SimTime {
        self.arrival = self.arrival.max(arrival);
        let arrival = self.arrival;
        let Some(latest) = self.latest else {
            (self.latest, self.used) = (Some(arrival), pace.interval);
            return arrival;
        };
        if arrival <= latest {
            return latest;
        }
        let spare = pace.interval * u64::from(pace.burst.max(1) - 1);
        let used = self.used.saturating_sub(arrival.since(latest));
        let run = if used <= spare { arrival } else { latest + pace.interval };
        self.used = self.used.saturating_sub(run.since(latest)) + pace.interval;
        self.latest = Some(run);
        run
    }
}

/// The batch that a reader looked at last, and its delay: writes of one batch come in a row, so one draw serves them all.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastBatch {
    /// Nanoseconds at which the batch begins.
    begin: u64,
    delay: SimDuration,
    then: SimDuration,
}

impl LastBatch {
    /// No batch yet.
    pub(super) const NONE: Self = Self {
        begin: u64::MAX,
        delay: SimDuration::ZERO,
        then: SimDuration::ZERO,
    };

    /// When something that was written at `written` has come to `reader` and is acted on, if nothing before it is late. Draws
    /// at most one batch. `lag` is how much later it is sent.
    pub(super) fn arrival(
        &mut self,
        runs: &mut Runs,
        delay: &Delay,
        run_key: &RunKey,
        reader: EntityKey,
        written: SimTime,
        lag: SimDuration,
    ) -> SimTime {
        let period = delay.batch_period.as_nanos().max(1);
        // Without a division for each version.
        let inside = self.begin != u64::MAX && written.as_nanos().wrapping_sub(self.begin) < period;
        if !inside {
            let number = written.as_nanos() / period;
            let mut stream = run_key.stream(delay.purpose, reader.child(number));
            let first = stream.duration(&delay.distribution);
            *self = Self {
                begin: number * period,
                delay: first,
                then: delay
                    .then
                    .map_or(SimDuration::ZERO, |distribution| stream.duration(&distribution)),
            };
        }
        let arrival = written + lag + self.delay;
        delay.pace.map_or(arrival, |pace| runs.of_arrival(arrival, pace)) + self.then
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cursor, History};
    use super::*;
    use std::sync::Arc;

    fn at(ms: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_millis(ms)
    }

    const PACE: Pace = Pace {
        interval: SimDuration::from_secs(1),
        burst: 2,
    };

    /// The first change and a second one are acted on at once, later ones a second after the run before, several at once;
    /// after a pause of two seconds there are two runs to spare again.
    #[test]
    fn the_first_two_changes_are_acted_on_at_once_and_later_ones_wait_for_the_rest_of_a_second() {
        let mut runs = Runs::NONE;
        let acted: Vec<SimTime> = [0, 100, 200, 300, 1_200, 1_900, 9_000, 9_001, 9_002]
            .into_iter()
            .map(|ms| runs.of_arrival(at(ms), PACE))
            .collect();
        assert_eq!(
            acted,
            [0, 100, 1_100, 1_100, 2_100, 2_100, 9_000, 9_001, 10_001].map(at)
        );
    }

    /// A cursor that is asked once, late, answers as one that was asked all the time.
    #[test]
    fn a_paced_reader_gives_the_same_answers_whoever_asked_before() {
        let delay = Delay {
            purpose: Purpose::ServiceProxyDelay,
            distribution: Distribution::Uniform {
                min: SimDuration::from_millis(1),
                max: SimDuration::from_millis(300),
            },
            then: Some(Distribution::Constant(SimDuration::from_millis(40))),
            batch_period: SimDuration::from_millis(100),
            pace: Some(PACE),
        };
        let run_key = RunKey::derive(7, "pace", 0);
        let mut written = run_key.stream(Purpose::ApiWrite, EntityKey::root("writes"));
        let (mut history, mut now) = (History::default(), 0);
        for number in 0..300_u32 {
            now += if number % 20 == 0 { 5_000 } else { written.below(600) };
            history.append(at(now), number + 1, number, None, Some(()));
        }
        let (reader, delay) = (EntityKey::root("reader"), Arc::new(delay));
        let often = Cursor::watching(reader, &delay);
        let often = often.over(&history, &run_key);
        for ms in (0..now + 5_000).step_by(37) {
            let once = Cursor::watching(reader, &delay);
            let seen = often.seen_at(at(ms));
            assert_eq!(once.over(&history, &run_key).seen_at(at(ms)), seen, "{ms} ms");
        }
        assert_eq!(often.seen_at(at(now + 5_000)), 300);
    }
}
