//! Golden values of each distribution, and its draws on a fixed seed: agreement within four standard errors, with a power check
//! that the same numbers refute a parameter that is wrong by 7 %.

use super::super::stream::{EntityKey, Purpose, RunKey, Stream};
use super::*;

#[derive(Clone, Copy)]
struct Sampling;

impl Purpose for Sampling {
    fn name(self) -> &'static str {
        "sampling"
    }
}

fn stream(name: &str) -> Stream {
    RunKey::derive(1, "laws", 0).stream(Sampling, EntityKey::root(name))
}

fn ms(ms: u64) -> SimDuration {
    SimDuration::from_millis(ms)
}

fn exponential() -> Distribution {
    Distribution::Exponential {
        mean: ms(1_000),
        max: ms(1_000_000),
    }
}

fn log_normal() -> Distribution {
    Distribution::log_normal(ms(200), ms(2_000), ms(5_000_000))
}

fn weibull() -> Distribution {
    Distribution::weibull(ms(1_000), 1.5, ms(1_000_000))
}

fn table() -> Quantiles {
    Quantiles {
        min: ms(10),
        p50: ms(100),
        p90: ms(300),
        p99: ms(900),
        max: ms(3_000),
    }
}

/// These decide results: a change here is a change of every run that uses the distribution.
#[test]
fn golden_values() {
    let us = [1e-9, 0.25, 0.5, 0.95, 1.0 - 1e-9];
    let of = |distribution: Distribution| us.map(|u| distribution.quantile(u).as_nanos());
    let uniform = Distribution::Uniform {
        min: ms(1_000),
        max: ms(3_000),
    };
    let values = [
        of(uniform),
        of(exponential()),
        of(log_normal()),
        of(weibull()),
        of(Distribution::Quantiles(table())),
        us.map(|u| jitter(ms(1_000), 0.1, u).as_nanos()),
        us.map(|u| full_jitter(ms(1_000), u).as_nanos()),
    ];
    insta::assert_compact_json_snapshot!(values);
}

#[test]
fn distributions_pass_through_what_they_are_given_by() {
    let near = |distribution: Distribution, u: f64, s: f64| {
        let found_s = distribution.quantile(u).as_secs_f64();
        assert!((found_s - s).abs() < 1e-8, "{distribution:?} at {u}: {found_s}");
    };
    near(log_normal(), 0.5, 0.2);
    near(log_normal(), 0.99, 2.0);
    near(weibull(), 1.0 - libm::exp(-1.0), 1.0);
    for (u, s) in [(1e-15, 0.01), (0.5, 0.1), (0.9, 0.3), (0.99, 0.9), (1.0 - 1e-12, 3.0)] {
        near(Distribution::Quantiles(table()), u, s);
    }
    let cut = Distribution::log_normal(ms(200), ms(2_000), ms(5_000));
    assert_eq!((cut.quantile(1.0 - 1e-15), cut.bound()), (ms(5_000), ms(5_000)));
    let cut = Distribution::weibull(ms(200), 0.5, ms(5_000));
    assert_eq!((cut.quantile(1.0 - 1e-15), cut.bound()), (ms(5_000), ms(5_000)));
}

#[test]
fn a_weibull_of_shape_one_is_exponential() {
    let distribution = Distribution::weibull(ms(1_000), 1.0, ms(1_000_000));
    for u in [0.001, 0.3, 0.999] {
        assert_eq!(distribution.quantile(u), exponential().quantile(u));
    }
}

/// Distributions of each family, some cut, narrow or shifted.
fn distributions() -> Vec<Distribution> {
    vec![
        Distribution::Constant(ms(7)),
        Distribution::Uniform { min: ms(0), max: ms(1) },
        Distribution::Uniform {
            min: ms(1_000),
            max: ms(3_000),
        },
        exponential(),
        Distribution::Exponential {
            mean: ms(1_000),
            max: ms(1_100),
        },
        Distribution::Exponential {
            mean: SimDuration::from_nanos(40),
            max: ms(1),
        },
        log_normal(),
        Distribution::log_normal(ms(200), ms(2_000), ms(250)),
        weibull(),
        Distribution::weibull(ms(200), 0.5, ms(5_000)),
        Distribution::weibull(ms(200), 8.0, ms(190)),
        Distribution::Quantiles(table()),
        Distribution::Quantiles(Quantiles {
            min: ms(5),
            p50: ms(5),
            p90: ms(5),
            p99: ms(9),
            max: ms(9),
        }),
    ]
}

/// Whatever is drawn from a number grows with it: a rank correlation of 1 with the uniform, for every distribution.
#[test]
fn no_variate_falls_while_its_uniform_grows() {
    let fine = (0..100_000).map(|i| (f64::from(i) + 0.5) / 1e5);
    let tails = (1..=52).map(|k| libm::exp2(-f64::from(k)));
    let mut us: Vec<f64> = fine.chain(tails.clone()).chain(tails.map(|u| 1.0 - u / 2.0)).collect();
    us.sort_by(f64::total_cmp);
    for distribution in distributions() {
        let values: Vec<SimDuration> = us.iter().map(|u| distribution.quantile(*u)).collect();
        let falls = values.windows(2).position(|pair| pair[0] > pair[1]);
        assert_eq!(falls, None, "{distribution:?}");
        let (least, most) = (values[0], values[values.len() - 1]);
        assert_eq!(
            least < most,
            !matches!(distribution, Distribution::Constant(_)),
            "{distribution:?}"
        );
        assert!(most <= distribution.bound(), "{distribution:?}");
    }
    type Draw<'d> = &'d dyn Fn(&mut Stream) -> u64;
    let draws: [(&str, Draw<'_>); 6] = [
        ("uniform", &|s| s.uniform().to_bits()),
        ("below", &|s| s.below(7)),
        ("around", &|s| s.around(ms(1_000), 0.1).as_nanos()),
        ("up to", &|s| s.up_to(ms(1_000)).as_nanos()),
        ("until next", &|s| s.until_next(20.0).as_nanos()),
        ("duration", &|s| s.duration(&weibull()).as_nanos()),
    ];
    for (what, draw) in draws {
        let mut drawn: Vec<(u64, u64)> = (0..2_000)
            .map(|k| {
                let fresh = RunKey::derive(1, "laws", 0).stream(Sampling, EntityKey::root(what).child(k));
                (fresh.clone().bits(), draw(&mut fresh.clone()))
            })
            .collect();
        drawn.sort_unstable();
        assert!(drawn.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{what}");
        assert!(drawn[0].1 < drawn[drawn.len() - 1].1, "{what}");
    }
}

/// Means of the quantile functions over a fine grid are those that the documentation states.
#[test]
fn means_are_those_of_the_documentation() {
    let sigma = libm::log(10.0) / Z_99;
    for (distribution, mean_s) in [
        (exponential(), 1.0),
        (log_normal(), 0.2 * libm::exp(sigma * sigma / 2.0)),
        (weibull(), libm::tgamma(1.0 + 1.0 / 1.5)),
        (
            Distribution::Quantiles(table()),
            0.25 * 0.11 + 0.2 * 0.4 + 0.045 * 1.2 + 0.005 * 3.9,
        ),
    ] {
        let n = 200_000;
        let sum_s: f64 = (0..n)
            .map(|i| distribution.quantile((f64::from(i) + 0.5) / f64::from(n)).as_secs_f64())
            .sum();
        assert!((sum_s / f64::from(n) / mean_s - 1.0).abs() < 1e-3, "{distribution:?}");
    }
}

const DRAWS: u32 = 50_000;
const BINS: usize = 50;

/// Standardised chi-square of counts against expected shares.
fn chi_square_z(counts: &[u32], shares: &[f64]) -> f64 {
    let chi2: f64 = counts
        .iter()
        .zip(shares)
        .map(|(&count, share)| {
            let expected = share * f64::from(DRAWS);
            (f64::from(count) - expected) * (f64::from(count) - expected) / expected
        })
        .sum();
    let degrees = counts.len() as f64 - 1.0;
    (chi2 - degrees) / (2.0 * degrees).sqrt()
}

/// Draws, and how far their distribution lies from `cdf` (of seconds).
fn z(name: &str, draw: impl Fn(&mut Stream) -> SimDuration, cdf: impl Fn(f64) -> f64) -> f64 {
    let mut stream = stream(name);
    let mut counts = [0; BINS];
    for _ in 0..DRAWS {
        let p = cdf(draw(&mut stream).as_secs_f64());
        counts[((p * BINS as f64) as usize).min(BINS - 1)] += 1;
    }
    chi_square_z(&counts, &[1.0 / BINS as f64; BINS])
}

/// The draws agree with `cdf(1.0)` and not with the parameter 7 % larger or smaller.
fn agrees(name: &str, draw: impl Fn(&mut Stream) -> SimDuration, cdf: impl Fn(f64, f64) -> f64) {
    let right = z(name, &draw, |x| cdf(x, 1.0));
    assert!(right.abs() < 4.0, "{name}: {right}");
    for factor in [0.93, 1.07] {
        let wrong = z(name, &draw, |x| cdf(x, factor));
        assert!(
            wrong > 4.0,
            "{name}: a parameter wrong by {factor} is not seen, {wrong}"
        );
    }
}

fn clamp(p: f64) -> f64 {
    p.clamp(0.0, 1.0)
}

#[test]
fn draws_follow_their_distributions() {
    let uniform = Distribution::Uniform {
        min: ms(1_000),
        max: ms(3_000),
    };
    agrees("uniform", |s| s.duration(&uniform), |x, f| clamp((x - 1.0) / (2.0 * f)));
    agrees(
        "exponential",
        |s| s.duration(&exponential()),
        |x, f| 1.0 - libm::exp(-x / f),
    );
    let sigma = libm::log(10.0) / Z_99;
    let phi = |z: f64| 0.5 * libm::erfc(-z / std::f64::consts::SQRT_2);
    agrees(
        "log-normal, spread",
        |s| s.duration(&log_normal()),
        |x, f| phi(libm::log(x / 0.2) / (sigma * f)),
    );
    agrees(
        "log-normal, median",
        |s| s.duration(&log_normal()),
        |x, f| phi(libm::log(x / (0.2 * f)) / sigma),
    );
    agrees(
        "weibull, shape",
        |s| s.duration(&weibull()),
        |x, f| 1.0 - libm::exp(-libm::pow(x, 1.5 * f)),
    );
    agrees(
        "weibull, scale",
        |s| s.duration(&weibull()),
        |x, f| 1.0 - libm::exp(-libm::pow(x / f, 1.5)),
    );
    let by_table = |x: f64, median: f64| {
        let knots = [(0.0, 0.01), (0.5, median), (0.9, 0.3), (0.99, 0.9), (1.0, 3.0)];
        let part = knots.windows(2).find(|pair| x < pair[1].1).unwrap_or(&knots[3..]);
        let ((p, low), (q, high)) = (part[0], part[1]);
        clamp(p + (q - p) * (x - low) / (high - low))
    };
    agrees(
        "quantiles",
        |s| s.duration(&Distribution::Quantiles(table())),
        |x, f| by_table(x, 0.1 * f),
    );
    agrees(
        "jitter",
        |s| s.around(ms(1_000), 0.1),
        |x, f| clamp((x - 1.0 + 0.1 * f) / (0.2 * f)),
    );
    agrees("full jitter", |s| s.up_to(ms(1_000)), |x, f| clamp(x / f));
}
