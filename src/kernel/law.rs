//! Laws of random durations, drawn by inverse transform from one uniform variate.
//!
//! One uniform per variate keeps common random numbers synchronised between designs, and the software functions of
//! `libm` keep the bits equal on every platform (`methods.md` section 1). Where the uniform comes from belongs to
//! `stream`.

use super::time::SimDuration;

/// The 0.99 quantile of the standard normal law, for laws that are given by median and 99th percentile.
const Z_99: f64 = 2.326_347_874_040_841;

/// A law of a duration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Law {
    /// Always the same.
    Constant(SimDuration),
    /// Uniform on [min, max).
    Uniform {
        /// Lower end.
        min: SimDuration,
        /// Upper end.
        max: SimDuration,
    },
    /// Log-normal, given by its median and 99th percentile, cut at `max` (values above become `max`).
    LogNormal {
        /// Median.
        median: SimDuration,
        /// 99th percentile before the cut.
        p99: SimDuration,
        /// Upper bound.
        max: SimDuration,
    },
    /// Exponential with this mean, cut at `max`.
    Exponential {
        /// Mean before the cut.
        mean: SimDuration,
        /// Upper bound.
        max: SimDuration,
    },
}

impl Law {
    /// The duration at the quantile `u`, which lies strictly between 0 and 1.
    #[must_use]
    pub fn quantile(&self, u: f64) -> SimDuration {
        match *self {
            Self::Constant(value) => value,
            Self::Uniform { min, max } => min + max.saturating_sub(min).scale(u),
            Self::LogNormal { median, p99, max } => {
                let sigma = libm::log(p99.as_secs_f64() / median.as_secs_f64()) / Z_99;
                SimDuration::from_secs_f64(median.as_secs_f64() * libm::exp(sigma * normal_quantile(u))).min(max)
            }
            Self::Exponential { mean, max } => mean.scale(-libm::log(u)).min(max),
        }
    }

    /// The longest duration this law can give. Readers rely on it to know when everything older has arrived.
    #[must_use]
    pub const fn bound(&self) -> SimDuration {
        match *self {
            Self::Constant(value) => value,
            Self::Uniform { max, .. } | Self::LogNormal { max, .. } | Self::Exponential { max, .. } => max,
        }
    }
}

/// The quantile function of the standard normal law (Wichura 1988, algorithm AS 241, relative error about 1e-16).
#[must_use]
pub fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 8] = [
        3.387_132_872_796_366_6,
        1.331_416_678_917_843_8e2,
        1.971_590_950_306_551_3e3,
        1.373_169_376_550_946e4,
        4.592_195_393_154_987e4,
        6.726_577_092_700_87e4,
        3.343_057_558_358_813e4,
        2.509_080_928_730_122_7e3,
    ];
    const B: [f64; 8] = [
        1.0,
        4.231_333_070_160_091e1,
        6.871_870_074_920_579e2,
        5.394_196_021_424_751e3,
        2.121_379_430_158_659_7e4,
        3.930_789_580_009_271e4,
        2.872_908_573_572_194_3e4,
        5.226_495_278_852_854e3,
    ];
    const C: [f64; 8] = [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        2.417_807_251_774_506e-1,
        2.272_384_498_926_918_4e-2,
        7.745_450_142_783_414e-4,
    ];
    const D: [f64; 8] = [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        6.897_673_349_851e-1,
        1.481_039_764_274_800_8e-1,
        1.519_866_656_361_645_7e-2,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ];
    const E: [f64; 8] = [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        2.965_605_718_285_048_7e-1,
        2.653_218_952_657_612_4e-2,
        1.242_660_947_388_078_4e-3,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ];
    const F: [f64; 8] = [
        1.0,
        5.998_322_065_558_88e-1,
        1.369_298_809_227_358e-1,
        1.487_536_129_085_061_5e-2,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ];
    let ratio = |num: &[f64; 8], den: &[f64; 8], r: f64| {
        let poly = |c: &[f64; 8]| c.iter().rev().fold(0.0, |sum, coefficient| sum * r + coefficient);
        poly(num) / poly(den)
    };
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        return q * ratio(&A, &B, 0.180_625 - q * q);
    }
    let r = libm::sqrt(-libm::log(if q < 0.0 { p } else { 1.0 - p }));
    let tail = if r <= 5.0 {
        ratio(&C, &D, r - 1.6)
    } else {
        ratio(&E, &F, r - 5.0)
    };
    if q < 0.0 { -tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_quantile_agrees_with_published_values() {
        for (p, z) in [
            (0.5, 0.0),
            (0.975, 1.959_963_984_540_054),
            (0.99, Z_99),
            (1e-10, -6.361_340_902_404_056),
        ] {
            assert!(
                (normal_quantile(p) - z).abs() < 1e-13 * (1.0 + f64::abs(z)),
                "{p}: {}",
                normal_quantile(p)
            );
        }
    }

    #[test]
    fn a_log_normal_meets_its_median_its_99th_percentile_and_its_bound() {
        let law = Law::LogNormal {
            median: SimDuration::from_millis(200),
            p99: SimDuration::from_secs(2),
            max: SimDuration::from_secs(5),
        };
        let near = |u: f64, s: f64| (law.quantile(u).as_secs_f64() - s).abs() < 1e-8;
        assert!(near(0.5, 0.2) && near(0.99, 2.0));
        assert_eq!(law.quantile(1.0 - 1e-15), SimDuration::from_secs(5));
    }

    #[test]
    fn an_exponential_has_its_mean() {
        let law = Law::Exponential {
            mean: SimDuration::from_secs(1),
            max: SimDuration::from_secs(1000),
        };
        // The mean of the quantile function over a fine grid is the mean of the law.
        let n = 100_000;
        let mean = (0..n)
            .map(|i| law.quantile((f64::from(i) + 0.5) / f64::from(n)).as_secs_f64())
            .sum::<f64>()
            / f64::from(n);
        assert!((mean - 1.0).abs() < 1e-4, "{mean}");
    }
}
