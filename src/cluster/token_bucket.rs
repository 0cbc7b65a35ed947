//! A token bucket with reservations, as client-go and Go's `x/time/rate` use it: a request takes its token at once,
//! even if it has to wait for it.

use crate::kernel::{SimDuration, SimTime};

/// A limit of requests per second with a burst.
#[derive(Clone, Debug)]
pub struct TokenBucket {
    rate_per_s: f64,
    burst: f64,
    tokens: f64,
    updated: SimTime,
}

impl TokenBucket {
    /// A full bucket.
    #[must_use]
    pub fn new(rate_per_s: f64, burst: u32) -> Self {
        Self {
            rate_per_s,
            burst: f64::from(burst),
            tokens: f64::from(burst),
            updated: SimTime::ZERO,
        }
    }

    /// Takes `n` tokens and returns how long to wait for them.
    pub fn reserve(&mut self, now: SimTime, n: u32) -> SimDuration {
        self.refill(now);
        self.tokens -= f64::from(n);
        self.wait()
    }

    /// Takes one token if the wait for it is at most `longest`.
    pub fn reserve_within(&mut self, now: SimTime, longest: SimDuration) -> Option<SimDuration> {
        let wait = self.reserve(now, 1);
        if wait > longest {
            self.tokens += 1.0;
            return None;
        }
        Some(wait)
    }

    /// Changes rate and burst; reservations made before keep their waits.
    pub fn set(&mut self, now: SimTime, rate_per_s: f64, burst: f64) {
        self.refill(now);
        self.rate_per_s = rate_per_s;
        self.burst = burst;
        self.tokens = self.tokens.min(burst);
    }

    /// All tokens are there, as after a long rest.
    pub const fn fill(&mut self) {
        self.tokens = self.burst;
    }

    fn refill(&mut self, now: SimTime) {
        let passed = now.since(self.updated).as_secs_f64();
        self.tokens = (self.tokens + passed * self.rate_per_s).min(self.burst);
        self.updated = now;
    }

    fn wait(&self) -> SimDuration {
        SimDuration::from_secs_f64(-self.tokens / self.rate_per_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_secs(s)
    }

    #[test]
    fn a_burst_is_free_and_then_the_rate_holds() {
        let mut bucket = TokenBucket::new(0.5, 4);
        let waits: Vec<u64> = (0..7)
            .map(|_| bucket.reserve(at(0), 1).as_nanos() / 1_000_000_000)
            .collect();
        assert_eq!(waits, [0, 0, 0, 0, 2, 4, 6]);
    }

    #[test]
    fn a_refused_reservation_costs_nothing() {
        let mut bucket = TokenBucket::new(1.0, 1);
        assert_eq!(
            bucket.reserve_within(at(0), SimDuration::from_secs(1)),
            Some(SimDuration::ZERO)
        );
        assert_eq!(
            bucket.reserve_within(at(0), SimDuration::from_secs(1)),
            Some(SimDuration::from_secs(1))
        );
        assert_eq!(bucket.reserve_within(at(0), SimDuration::from_secs(1)), None);
        assert_eq!(
            bucket.reserve_within(at(1), SimDuration::from_secs(1)),
            Some(SimDuration::from_secs(1))
        );
    }

    #[test]
    fn an_idle_bucket_does_not_overflow() {
        let mut bucket = TokenBucket::new(10.0, 2);
        assert_eq!(bucket.reserve(at(1000), 2), SimDuration::ZERO);
        assert!(bucket.reserve(at(1000), 1) > SimDuration::ZERO);
    }
}
