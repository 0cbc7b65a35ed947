//! The agent's limiter of endpoint creations.
//!
//! **Modelled**: a rate limit with reservations, a bound on the wait, a bound on parallel creations, and the automatic
//! adjustment of all three to the measured duration of creations (`cilium/cilium pkg/rate/api_limiter.go`,
//! `daemon/cmd/api_limits.go`).
//! **Left out**: time-outs of the caller while it waits for its turn among parallel creations.
//! **Parameters**: `endpoint_create_*`. **Validated by**: the tests below.

use std::collections::VecDeque;

use crate::cluster::ids::PodId;
use crate::cluster::params::CiliumParams;
use crate::cluster::token_bucket::TokenBucket;
use crate::kernel::{SimDuration, SimTime};

/// The limiter of one agent.
#[derive(Clone, Debug)]
pub struct CreateLimiter {
    bucket: TokenBucket,
    scheduled: u32,
    parallel: u32,
    running: u32,
    waiting: VecDeque<PodId>,
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
            running: 0,
            waiting: VecDeque::new(),
            latest: VecDeque::new(),
        }
    }

    /// A creation is asked for: how long it has to wait for the rate, or nothing if it is refused.
    pub fn request(&mut self, now: SimTime, params: &CiliumParams) -> Option<SimDuration> {
        self.scheduled += 1;
        if self.scheduled <= params.endpoint_create_skip_initial {
            return Some(SimDuration::ZERO);
        }
        self.bucket.reserve_within(now, params.endpoint_create_max_wait)
    }

    /// The wait for the rate is over: whether the creation may start now, or waits for one of the parallel ones.
    pub fn start(&mut self, pod: PodId) -> bool {
        if self.running < self.parallel {
            self.running += 1;
            return true;
        }
        self.waiting.push_back(pod);
        false
    }

    /// A creation took `duration`: the limits follow. Gives the creations that may start now.
    pub fn finished(&mut self, now: SimTime, duration: SimDuration, params: &CiliumParams) -> Vec<PodId> {
        self.running -= 1;
        self.latest.push_back(duration);
        while self.latest.len() > params.endpoint_create_mean_over as usize {
            self.latest.pop_front();
        }
        if params.endpoint_create_auto_adjust {
            self.adjust(now, params);
        }
        let mut next = Vec::new();
        while self.running < self.parallel
            && let Some(pod) = self.waiting.pop_front()
        {
            self.running += 1;
            next.push(pod);
        }
        next
    }

    fn adjust(&mut self, now: SimTime, params: &CiliumParams) {
        let total = self
            .latest
            .iter()
            .fold(SimDuration::ZERO, |sum, duration| sum + *duration);
        let mean_s = total.as_secs_f64() / self.latest.len() as f64;
        let most = params.endpoint_create_adjustment_max;
        let factor = (params.endpoint_create_estimate.as_secs_f64() / mean_s).clamp(1.0 / most, most);
        // Burst and parallelism follow only part of the way.
        let delayed = |base: u32| {
            let base = f64::from(base);
            let followed = base + (base * factor - base) * params.endpoint_create_delayed_adjustment;
            followed.max(1.0).clamp(base / most, base * most)
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
            (_, Kind::Duration | Kind::Law) => Value::Duration(SimDuration::ZERO),
            (_, Kind::Number) => Value::Number(0.0),
            (_, Kind::Count) => Value::Count(0),
        };
        CiliumParams::build(|name, kind| Ok::<_, std::convert::Infallible>(value(name, kind)))
            .expect("a set of constants is complete")
    }

    fn at(seconds: f64) -> SimTime {
        SimTime::ZERO + SimDuration::from_secs_f64(seconds)
    }

    /// Waits in milliseconds of creations that are asked for at once; nothing where one is refused.
    fn waits(limiter: &mut CreateLimiter, now: SimTime, count: usize, params: &CiliumParams) -> Vec<Option<u64>> {
        let wait = |_| Some(limiter.request(now, params)?.as_nanos() / 1_000_000);
        (0..count).map(wait).collect()
    }

    /// Four are free, four take the burst, then one every two seconds up to 15 s; a refusal takes no turn.
    #[test]
    fn the_first_and_the_burst_go_at_once_then_the_rate_holds_until_the_wait_is_too_long() {
        let params = params();
        let mut limiter = CreateLimiter::new(&params);
        let mut expected = vec![Some(0); 8];
        expected.extend([2, 4, 6, 8, 10, 12, 14].map(|s| Some(s * 1_000)));
        expected.extend([None, None]);
        assert_eq!(waits(&mut limiter, at(0.0), 17, &params), expected);
        // One second later the next turn is 15 s away: just allowed.
        assert_eq!(waits(&mut limiter, at(1.0), 2, &params), [Some(15_000), None]);
    }

    #[test]
    fn four_run_in_parallel_and_the_others_wait_in_their_order() {
        let mut params = params();
        params.endpoint_create_auto_adjust = false;
        let mut limiter = CreateLimiter::new(&params);
        let started: Vec<bool> = (0..6).map(|pod| limiter.start(PodId(pod))).collect();
        assert_eq!(started, [true, true, true, true, false, false]);
        let estimate = params.endpoint_create_estimate;
        assert_eq!(limiter.finished(at(2.0), estimate, &params), [PodId(4)]);
        assert_eq!(limiter.finished(at(2.0), estimate, &params), [PodId(5)]);
        assert_eq!(limiter.finished(at(2.0), estimate, &params), []);
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
            let mut params = params();
            params.endpoint_create_skip_initial = 0;
            params.endpoint_create_max_wait = SimDuration::from_secs(60);
            let mut limiter = CreateLimiter::new(&params);
            assert!(limiter.start(PodId(0)));
            // At time zero, so that the bucket is full and no token has come back yet.
            limiter.finished(at(0.0), SimDuration::from_secs_f64(duration_s), &params);
            let expected: Vec<Option<u64>> = expected.into_iter().map(Some).collect();
            assert_eq!(waits(&mut limiter, at(0.0), 8, &params), expected, "{duration_s} s");
            let started = (1..20).filter(|&pod| limiter.start(PodId(pod))).count();
            assert_eq!(started, parallel, "{duration_s} s");
        }
    }

    /// A larger burst is room for tokens and not tokens: they come at the new rate.
    #[test]
    fn a_larger_burst_fills_at_the_new_rate() {
        let mut params = params();
        params.endpoint_create_skip_initial = 0;
        let mut limiter = CreateLimiter::new(&params);
        assert!(limiter.start(PodId(0)));
        limiter.finished(at(0.0), SimDuration::from_secs(1), &params);
        // After 10 s at 1/s the bucket holds its new burst of 6.
        let mut expected = vec![Some(0); 6];
        expected.extend([Some(1_000), Some(2_000)]);
        assert_eq!(waits(&mut limiter, at(10.0), 8, &params), expected);
    }

    /// Only the latest ten durations count: after ten of 1 s nothing is left of one of 100 s.
    #[test]
    fn the_duration_is_averaged_over_the_latest_ten() {
        let mut params = params();
        params.endpoint_create_skip_initial = 0;
        let mut limiter = CreateLimiter::new(&params);
        assert!(limiter.start(PodId(0)));
        limiter.finished(at(0.0), SimDuration::from_secs(100), &params);
        assert_eq!(limiter.parallel, 2, "a fiftieth of the rate, half of the way down");
        for pod in 1..=10 {
            assert!(limiter.start(PodId(pod)));
            limiter.finished(at(0.0), SimDuration::from_secs(1), &params);
        }
        assert_eq!(limiter.parallel, 6);
    }

    /// However fast creations are, the rate grows at most a hundredfold: parallelism 4 + (400 - 4) / 2.
    #[test]
    fn adjustment_is_bounded() {
        let params = params();
        let mut limiter = CreateLimiter::new(&params);
        assert!(limiter.start(PodId(0)));
        limiter.finished(at(0.0), SimDuration::from_millis(1), &params);
        assert_eq!(limiter.parallel, 202);
        assert!(limiter.start(PodId(1)));
        limiter.finished(at(0.0), SimDuration::from_secs(1_000_000), &params);
        // The mean of both is far above; downwards half of the way to a hundredth of 4.
        assert_eq!(limiter.parallel, 2);
    }
}
