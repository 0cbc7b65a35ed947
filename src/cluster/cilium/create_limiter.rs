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
