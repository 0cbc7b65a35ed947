//! The agent's limiter of endpoint creations.
//!
//! **Modeled**: a creation waits first for its place among the parallel ones, in the order of arrival, each holding a share
//! of the places that was right when it came; then, holding the place, for the rate; both waits together are bounded.
//! A creation refused for the rate first sleeps for the mean duration and holds its place meanwhile. Rate, burst and
//! parallelism follow the mean duration of the latest successful creations (`cilium/cilium pkg/rate/api_limiter.go`,
//! `daemon/cmd/api_limits.go`).
//! **Left out**: timeouts of the caller itself.
//! **Parameters**: `endpoint_create_*`. **Validated by**: `both_waits_together_are_bounded` and
//! `limits_follow_the_measured_duration` below. Source: `docs/model/cilium.md#endpoint-creation`.

use std::collections::VecDeque;

use crate::cluster::ids::PodId;
use crate::cluster::params::CiliumParams;
use crate::cluster::token_bucket::TokenBucket;
use crate::kernel::{SimDuration, SimTime};

/// All places together: each creation holds `PLACES / parallel` of them.
const PLACES: u32 = 10_000_000;

/// What becomes of a creation that has its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It starts after this wait for the rate.
    Starts(SimDuration),
    /// It is refused after this sleep.
    Refused(SimDuration),
}

/// A creation that waits for a place.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    pod: PodId,
    since: SimTime,
    share: u32,
    /// Mean duration of creations when it came.
    pace: SimDuration,
}

/// The limiter of one agent.
#[derive(Clone, Debug)]
pub struct CreateLimiter {
    bucket: TokenBucket,
    scheduled: u32,
    parallel: u32,
    free: u32,
    holding: Vec<(PodId, u32)>,
    waiting: VecDeque<Waiting>,
    latest: VecDeque<SimDuration>,
}

impl CreateLimiter {
    /// The limiter of an agent that has just started.
    #[must_use]
    pub fn new(params: &CiliumParams) -> Self {
        Self {
            bucket: TokenBucket::new(params.endpoint_create_rate, params.endpoint_create_burst),
            scheduled: 0,
            parallel: params.endpoint_create_parallel,
            free: PLACES,
            holding: Vec::new(),
            waiting: VecDeque::new(),
            latest: VecDeque::new(),
        }
    }

    /// A creation is asked for: what becomes of it, or nothing if it waits for a place until [`CreateLimiter::withdraw`].
    pub fn request(&mut self, pod: PodId, now: SimTime, params: &CiliumParams) -> Option<Turn> {
        self.scheduled += 1;
        if self.scheduled <= params.endpoint_create_skip_initial {
            return Some(Turn::Starts(SimDuration::ZERO));
        }
        let waiting = Waiting {
            pod,
            since: now,
            share: PLACES / self.parallel.max(1),
            pace: self.mean(),
        };
        if self.waiting.is_empty() && waiting.share <= self.free {
            return Some(self.take(waiting, now, params));
        }
        self.waiting.push_back(waiting);
        None
    }

    /// The longest wait of a creation is over: whether it still waited for a place, and is refused.
    pub fn withdraw(&mut self, pod: PodId, asked: SimTime) -> bool {
        let place = self
            .waiting
            .iter()
            .position(|waiting| (waiting.pod, waiting.since) == (pod, asked));
        place.is_some_and(|place| self.waiting.remove(place).is_some())
    }

    /// It has its place and asks for the rate.
    fn take(&mut self, waiting: Waiting, now: SimTime, params: &CiliumParams) -> Turn {
        self.free -= waiting.share;
        self.holding.push((waiting.pod, waiting.share));
        let longest = params.endpoint_create_max_wait.saturating_sub(now.since(waiting.since));
        match self.bucket.reserve_within(now, longest) {
            Some(wait) => Turn::Starts(wait),
            None => Turn::Refused(waiting.pace),
        }
    }

    /// A creation succeeded after this time, or failed or was refused: its place is free, and after a success the limits
    /// follow. Gives what becomes of those that come into their place by it.
    pub fn finished(
        &mut self,
        pod: PodId,
        now: SimTime,
        success: Option<SimDuration>,
        params: &CiliumParams,
    ) -> Vec<(PodId, Turn)> {
        if let Some(place) = self.holding.iter().position(|(holder, _)| *holder == pod) {
            self.free += self.holding.swap_remove(place).1;
        }
        if let Some(duration) = success {
            self.learns(duration, now, params);
        }
        let mut turns = Vec::new();
        while self.waiting.front().is_some_and(|first| first.share <= self.free) {
            if let Some(first) = self.waiting.pop_front() {
                turns.push((first.pod, self.take(first, now, params)));
            }
        }
        turns
    }

    /// A creation took so long, long before the run began: nothing of it is left but what the limits made of it.
    pub fn has_created(&mut self, duration: SimDuration, params: &CiliumParams) {
        self.scheduled += 1;
        self.learns(duration, SimTime::ZERO, params);
        self.bucket.fill();
    }

    /// The limits follow the duration of a creation.
    fn learns(&mut self, duration: SimDuration, now: SimTime, params: &CiliumParams) {
        self.latest.push_back(duration);
        while self.latest.len() > params.endpoint_create_mean_over as usize {
            self.latest.pop_front();
        }
        if params.endpoint_create_auto_adjust {
            self.adjust(now, params);
        }
    }

    fn mean(&self) -> SimDuration {
        let total = self
            .latest
            .iter()
            .fold(SimDuration::ZERO, |sum, duration| sum + *duration);
        total.scale(1.0 / self.latest.len().max(1) as f64)
    }

    fn adjust(&mut self, now: SimTime, params: &CiliumParams) {
        let most = params.endpoint_create_adjustment_max;
        let estimate = params.endpoint_create_estimate.as_secs_f64();
        let factor = (estimate / self.mean().as_secs_f64()).clamp(1.0 / most, most);
        // Burst and parallelism follow only part of the way.
        let least = f64::from(params.endpoint_create_parallel_min);
        let delayed = |base: u32| {
            let base = f64::from(base);
            let followed = base + (base * factor - base) * params.endpoint_create_delayed_adjustment;
            followed.max(least).clamp(base / most, base * most)
        };
        self.parallel = delayed(params.endpoint_create_parallel) as u32;
        let burst = libm::round(delayed(params.endpoint_create_burst));
        self.bucket.set(now, params.endpoint_create_rate * factor, burst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::params::{Kind, Value};

    /// The limits of Cilium 1.12: 0.5 per second with a burst of 4, 4 in parallel, 2 s expected, at most 15 s of wait, the
    /// first 4 free. The rest of the set plays no part here.
    fn params() -> CiliumParams {
        let value = |name: &str, kind: Kind| match (name, kind) {
            ("endpoint_create_rate" | "endpoint_create_delayed_adjustment", _) => Value::Number(0.5),
            ("endpoint_create_burst" | "endpoint_create_parallel" | "endpoint_create_skip_initial", _) => {
                Value::Count(4)
            }
            ("endpoint_create_estimate", _) => Value::Duration(SimDuration::from_secs(2)),
            ("endpoint_create_max_wait", _) => Value::Duration(SimDuration::from_secs(15)),
            ("endpoint_create_mean_over", _) => Value::Count(10),
            ("endpoint_create_adjustment_max", _) => Value::Number(100.0),
            (_, Kind::Switch) => Value::Switch(true),
            (_, Kind::Duration | Kind::Distribution) => Value::Duration(SimDuration::ZERO),
            (_, Kind::Number) => Value::Number(0.0),
            (_, Kind::Count) => Value::Count(0),
        };
        CiliumParams::build(|name, kind| Ok::<_, std::convert::Infallible>(value(name, kind)))
            .expect("a set of constants is complete")
    }

    fn at(seconds: f64) -> SimTime {
        SimTime::ZERO + SimDuration::from_secs_f64(seconds)
    }

    fn s(seconds: f64) -> SimDuration {
        SimDuration::from_secs_f64(seconds)
    }

    fn starts(seconds: f64) -> Turn {
        Turn::Starts(s(seconds))
    }

    fn without_adjustment() -> CiliumParams {
        let mut params = params();
        params.endpoint_create_auto_adjust = false;
        params
    }

    /// Four are free and hold no place, four take the burst and all places; the others wait for a place first, and hold it
    /// while they wait for the rate.
    #[test]
    fn a_creation_waits_for_a_place_first_and_holds_it_while_it_waits_for_the_rate() {
        let params = without_adjustment();
        let mut limiter = CreateLimiter::new(&params);
        let turns: Vec<_> = (0..11)
            .map(|pod| limiter.request(PodId(pod), at(0.0), &params))
            .collect();
        let mut expected = vec![Some(starts(0.0)); 8];
        expected.extend([None, None, None]);
        assert_eq!(turns, expected);
        // One that is free gives no place back.
        assert_eq!(limiter.finished(PodId(0), at(0.5), Some(s(0.5)), &params), []);
        // After 1 s half a token is there; the next one comes 2 s after it.
        assert_eq!(
            limiter.finished(PodId(4), at(1.0), Some(s(1.0)), &params),
            [(PodId(8), starts(1.0))]
        );
        assert_eq!(
            limiter.finished(PodId(5), at(1.0), None, &params),
            [(PodId(9), starts(3.0))]
        );
        // Four places are held: two run, two wait for the rate.
        assert_eq!(limiter.request(PodId(11), at(1.0), &params), None);
        assert_eq!(
            limiter.finished(PodId(6), at(1.5), Some(s(1.5)), &params),
            [(PodId(10), starts(4.5))]
        );
    }

    /// Both waits together are bounded: 14 s for a place and 2 s for the rate are too long for 15 s, not for 60 s. A
    /// refused creation sleeps for the mean duration and takes no token.
    #[test]
    fn both_waits_together_are_bounded() {
        for (max_wait_s, expected) in [(15.0, Turn::Refused(s(3.0))), (60.0, starts(2.0))] {
            let mut params = without_adjustment();
            params.endpoint_create_skip_initial = 0;
            params.endpoint_create_max_wait = s(max_wait_s);
            let mut limiter = CreateLimiter::new(&params);
            for pod in 0..4 {
                assert_eq!(limiter.request(PodId(pod), at(0.0), &params), Some(starts(0.0)));
            }
            assert_eq!(limiter.finished(PodId(0), at(3.0), Some(s(3.0)), &params), []);
            assert_eq!(limiter.request(PodId(4), at(3.0), &params), Some(starts(0.0)));
            assert_eq!(limiter.request(PodId(5), at(3.0), &params), None);
            // By 17 s seven tokens have come, four of which are there; they are taken so that the next one is 2 s away.
            limiter.bucket.reserve(at(17.0), 4);
            let turns = limiter.finished(PodId(4), at(17.0), None, &params);
            assert_eq!(turns, [(PodId(5), expected)], "{max_wait_s} s");
            let next = limiter.bucket.reserve(at(17.0), 1);
            let taken = f64::from(u8::from(expected == starts(2.0)));
            assert_eq!(next, s(2.0 + 2.0 * taken), "{max_wait_s} s");
        }
    }

    #[test]
    fn a_creation_that_gets_no_place_in_time_is_refused_and_its_place_in_the_queue_is_free() {
        let params = without_adjustment();
        let mut limiter = CreateLimiter::new(&params);
        for pod in 0..10 {
            limiter.request(PodId(pod), at(0.0), &params);
        }
        assert!(limiter.withdraw(PodId(8), at(0.0)));
        assert!(!limiter.withdraw(PodId(8), at(0.0)), "it is refused once");
        assert!(!limiter.withdraw(PodId(4), at(0.0)), "it has had its turn");
        assert!(!limiter.withdraw(PodId(9), at(1.0)), "it was asked for at another time");
        assert_eq!(limiter.finished(PodId(4), at(20.0), None, &params).len(), 1);
    }

    /// Waits in milliseconds for the rate of creations that come at once.
    fn waits(limiter: &mut CreateLimiter, now: SimTime, count: usize) -> Vec<u64> {
        let wait = |_| limiter.bucket.reserve(now, 1).as_nanos() / 1_000_000;
        (0..count).map(wait).collect()
    }

    /// Creations that take as long as expected change nothing; at half of it the rate doubles and burst and parallelism
    /// follow half of the way (4 to 6); at twice of it the rate halves and they come down to 3.
    #[test]
    fn limits_follow_the_measured_duration() {
        for (duration_s, parallel, expected) in [
            (2.0, 4, [0, 0, 0, 0, 2_000, 4_000, 6_000, 8_000]),
            (1.0, 6, [0, 0, 0, 0, 1_000, 2_000, 3_000, 4_000]),
            (4.0, 3, [0, 0, 0, 4_000, 8_000, 12_000, 16_000, 20_000]),
        ] {
            let params = params();
            let mut limiter = CreateLimiter::new(&params);
            // At time zero, so that the bucket is full and no token has come back yet.
            limiter.finished(PodId(0), at(0.0), Some(s(duration_s)), &params);
            assert_eq!(waits(&mut limiter, at(0.0), 8), expected, "{duration_s} s");
            assert_eq!(limiter.parallel, parallel, "{duration_s} s");
        }
    }

    /// A larger burst is room for tokens and not tokens: they come at the new rate.
    #[test]
    fn a_larger_burst_fills_at_the_new_rate() {
        let params = params();
        let mut limiter = CreateLimiter::new(&params);
        limiter.finished(PodId(0), at(0.0), Some(s(1.0)), &params);
        // After 10 s at 1/s the bucket holds its new burst of 6.
        assert_eq!(waits(&mut limiter, at(10.0), 8), [0, 0, 0, 0, 0, 0, 1_000, 2_000]);
    }

    /// Only the latest ten durations count: after ten of 1 s nothing is left of one of 100 s. Failures change nothing.
    #[test]
    fn the_duration_is_averaged_over_the_latest_ten_successes() {
        let params = params();
        let mut limiter = CreateLimiter::new(&params);
        limiter.finished(PodId(0), at(0.0), Some(s(100.0)), &params);
        assert_eq!(limiter.parallel, 2, "a fiftieth of the rate, half of the way down");
        for pod in 1..=10 {
            limiter.finished(PodId(pod), at(0.0), Some(s(1.0)), &params);
        }
        assert_eq!(limiter.parallel, 6);
        limiter.finished(PodId(11), at(0.0), None, &params);
        assert_eq!(limiter.parallel, 6);
    }

    /// However fast creations are, the rate grows at most a hundredfold: parallelism 4 + (400 - 4) / 2. However slow they
    /// are, it stays at half of 4, or at the least that a release allows.
    #[test]
    fn adjustment_is_bounded() {
        let mut params = params();
        let mut limiter = CreateLimiter::new(&params);
        limiter.finished(PodId(0), at(0.0), Some(SimDuration::from_millis(1)), &params);
        assert_eq!(limiter.parallel, 202);
        limiter.finished(PodId(1), at(0.0), Some(s(1_000_000.0)), &params);
        assert_eq!(limiter.parallel, 2);
        params.endpoint_create_parallel_min = 3;
        limiter.finished(PodId(2), at(0.0), Some(s(1_000_000.0)), &params);
        assert_eq!(limiter.parallel, 3);
    }
}
