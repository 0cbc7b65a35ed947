//! A small generator and sampling helpers for the tests of this folder. Not for simulations, which
//! draw from named streams.

use super::{Observation, Outcome};

/// SplitMix64 (Steele, Lea, Flood 2014), enough for synthetic studies.
pub(super) struct Words(pub(super) u64);

impl Words {
    /// Next uniform 64-bit word.
    pub(super) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform number strictly inside (0, 1).
    pub(super) fn uniform(&mut self) -> f64 {
        ((self.word() >> 12) as f64 + 0.5) / (1u64 << 52) as f64
    }

    /// Standard normal number by inversion.
    pub(super) fn normal(&mut self) -> f64 {
        super::special::normal_quantile(self.uniform())
    }

    /// Exponential number with mean 1 by inversion.
    pub(super) fn exponential(&mut self) -> f64 {
        -libm::log(self.uniform())
    }

    /// Number of successes in `n` trials of probability `p`.
    pub(super) fn binomial(&mut self, n: u64, p: f64) -> u64 {
        (0..n).map(|_| u64::from(self.uniform() < p)).sum()
    }
}

/// Panics unless `seen` is within relative error `tolerance` of `expected`.
#[track_caller]
pub(super) fn assert_close(seen: f64, expected: f64, tolerance: f64) {
    let error = (seen - expected).abs();
    assert!(
        error <= tolerance * expected.abs().max(f64::MIN_POSITIVE),
        "seen {seen:e}, expected {expected:e}, tolerance {tolerance:e}"
    );
}

/// Clustered waits on a coarse clock, so that ties of all kinds occur.
pub(super) fn clustered_waits(seed: u64, runs: u32, subjects: u32) -> Vec<Observation> {
    let mut words = Words(seed);
    let mut list = Vec::new();
    for run in 0..runs {
        let slowness = 0.5 + words.uniform();
        for _ in 0..subjects {
            let tick = |x: f64| (x * 20.0) as u64 * 100_000_000;
            let ends = [
                (tick(words.exponential() * slowness), Outcome::Event),
                (tick(words.exponential() * 6.0), Outcome::Competing),
                (tick(words.uniform() * 5.0), Outcome::Censored),
            ];
            let (time_ns, outcome) = ends.into_iter().min().unwrap();
            list.push(Observation { run, time_ns, outcome });
        }
    }
    list
}
