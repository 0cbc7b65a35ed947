//! Distributions of random durations, drawn by inverse transform from one uniform variate.
//!
//! One uniform per variate keeps common random numbers synchronised between designs, and the software functions of
//! `libm` keep the bits equal on every platform. Formulas are those of Devroye, *Non-Uniform Random Variate Generation*
//! (1986), chapter 2 and the tables there. What a distribution needs in addition to the uniform is computed when it is made. Where the
//! uniform comes from belongs to `stream`.

use super::normal::normal_quantile;
use super::time::SimDuration;

/// The 0.99 quantile of the standard normal distribution, for distributions that are given by median and 99th percentile.
const Z_99: f64 = 2.326_347_874_040_841;

/// A distribution of a duration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// Always the same. Mean and support: the value.
    Constant(SimDuration),
    /// Uniform on [min, max). Mean (min + max) / 2.
    Uniform {
        /// Lower end.
        min: SimDuration,
        /// Upper end.
        max: SimDuration,
    },
    /// Log-normal, see [`Distribution::log_normal`].
    LogNormal(LogNormal),
    /// Exponential with this mean on (0, max], cut at `max` (values above become `max`): mean · -ln(1 - u).
    Exponential {
        /// Mean before the cut.
        mean: SimDuration,
        /// Upper bound.
        max: SimDuration,
    },
    /// Weibull, see [`Distribution::weibull`].
    Weibull(Weibull),
    /// What was measured, by five quantiles, see [`Quantiles`].
    Quantiles(Quantiles),
}

/// A log-normal distribution: support (0, max], mean before the cut median · exp(σ²/2), where σ = ln(p99 / median) / z(0.99).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogNormal {
    median_s: f64,
    sigma: f64,
    max: SimDuration,
}

/// A Weibull distribution: support (0, max], mean before the cut scale · Γ(1 + 1/shape).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weibull {
    scale: SimDuration,
    shape: f64,
    inverse_shape: f64,
    max: SimDuration,
}

/// An empirical distribution: a table of quantiles, linear in between. Support [min, max]; mean 0.25 (min + p50) + 0.2 (p50 + p90) +
/// 0.045 (p90 + p99) + 0.005 (p99 + max). These five are what measurements are published as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiles {
    /// The least.
    pub min: SimDuration,
    /// Median.
    pub p50: SimDuration,
    /// 90th percentile.
    pub p90: SimDuration,
    /// 99th percentile.
    pub p99: SimDuration,
    /// The greatest.
    pub max: SimDuration,
}

impl Distribution {
    /// Log-normal by its median and 99th percentile, cut at `max` (values above become `max`).
    pub fn log_normal(median: SimDuration, p99: SimDuration, max: SimDuration) -> Self {
        let median_s = median.as_secs_f64();
        Self::LogNormal(LogNormal {
            median_s,
            sigma: libm::log(p99.as_secs_f64() / median_s) / Z_99,
            max,
        })
    }

    /// Weibull by its scale (the 63rd percentile) and shape, cut at `max` (values above become `max`): scale · (-ln(1 - u))^(1/shape).
    /// A shape below 1 means that what has lasted goes on; of 1, an exponential distribution; above 1, that things wear out.
    ///
    /// # Panics
    /// If the shape is not above zero.
    pub fn weibull(scale: SimDuration, shape: f64, max: SimDuration) -> Self {
        assert!(
            shape > 0.0,
            "the shape of a Weibull distribution is above zero, got {shape}"
        );
        Self::Weibull(Weibull {
            scale,
            shape,
            inverse_shape: 1.0 / shape,
            max,
        })
    }

    /// The duration for a uniform `u`, which lies strictly between 0 and 1. It never falls as `u` grows, whatever the distribution:
    /// designs that differ in the family of a distribution are long in the same runs.
    pub fn quantile(&self, u: f64) -> SimDuration {
        match *self {
            Self::Constant(value) => value,
            Self::Uniform { min, max } => uniform(min, max, u),
            Self::LogNormal(LogNormal { median_s, sigma, max }) => {
                SimDuration::from_secs_f64(median_s * libm::exp(sigma * normal_quantile(u))).min(max)
            }
            Self::Exponential { mean, max } => mean.scale(exponential(u)).min(max),
            Self::Weibull(distribution) => distribution
                .scale
                .scale(libm::pow(exponential(u), distribution.inverse_shape))
                .min(distribution.max),
            Self::Quantiles(table) => table.at(u),
        }
    }

    /// The longest duration this distribution can give. Readers rely on it to know when everything older has arrived.
    pub const fn bound(&self) -> SimDuration {
        match *self {
            Self::Constant(value) => value,
            Self::Uniform { max, .. } | Self::Exponential { max, .. } => max,
            Self::LogNormal(distribution) => distribution.max,
            Self::Weibull(distribution) => distribution.max,
            Self::Quantiles(table) => table.max,
        }
    }
}

impl Quantiles {
    /// Linear between the two entries around `u`.
    fn at(&self, u: f64) -> SimDuration {
        let (from, low, to, high) = if u < 0.5 {
            (0.0, self.min, 0.5, self.p50)
        } else if u < 0.9 {
            (0.5, self.p50, 0.9, self.p90)
        } else if u < 0.99 {
            (0.9, self.p90, 0.99, self.p99)
        } else {
            (0.99, self.p99, 1.0, self.max)
        };
        uniform(low, high, (u - from) / (to - from))
    }
}

/// Exponential with mean 1: large where `u` is large.
#[inline]
pub fn exponential(u: f64) -> f64 {
    -libm::log1p(-u)
}

/// Uniform on [min, max).
#[inline]
pub fn uniform(min: SimDuration, max: SimDuration, u: f64) -> SimDuration {
    min + max.saturating_sub(min).scale(u)
}

/// Bounded jitter: uniform within `ratio` around `centre`. Mean `centre`, support `centre` · [1 - ratio, 1 + ratio).
#[inline]
pub fn jitter(centre: SimDuration, ratio: f64, u: f64) -> SimDuration {
    centre.scale(1.0 - ratio + 2.0 * ratio * u)
}

/// Full jitter: uniform on [0, max). Mean max / 2.
#[inline]
pub fn full_jitter(max: SimDuration, u: f64) -> SimDuration {
    max.scale(u)
}

#[cfg(test)]
#[path = "distribution_tests.rs"]
mod tests;
