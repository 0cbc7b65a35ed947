//! Coverage of the intervals for differences of two designs, on synthetic studies with known truth and fixed seeds; for
//! shares exactly, by summing over all outcomes. A wrong method beside each shows that the test can fail. Intervals of
//! one design are in `coverage.rs`.

use super::testing::Words;
use super::*;

const CONFIDENCE: f64 = 0.95;

fn holds(estimate: &Estimate, truth: f64) -> bool {
    estimate.lower.is_none_or(|lower| lower <= truth) && estimate.upper.is_none_or(|upper| truth <= upper)
}

/// Share of studies whose interval holds the truth.
fn coverage(studies: u32, truth: f64, mut study: impl FnMut() -> Estimate) -> f64 {
    let held: u32 = (0..studies).map(|_| u32::from(holds(&study(), truth))).sum();
    f64::from(held) / f64::from(studies)
}

#[track_caller]
fn assert_near(name: &str, seen: f64, known: f64, studies: u32, slack: f64) {
    let allowed = slack + 4.0 * (known * (1.0 - known) / f64::from(studies)).sqrt();
    println!("{name}: coverage {seen:.4}, nominal {known:.4}, {studies} studies");
    assert!(
        (seen - known).abs() <= allowed,
        "{name}: {seen} is not {known} ± {allowed}"
    );
}

/// Coverage of an interval for a paired difference of shares, summed over all discordances of `n` runs; `b` and `c` are
/// the probabilities of "A only" and "B only".
fn exact_paired_coverage(n: u64, b: f64, c: f64, interval: impl Fn(&PairedCounts) -> Estimate) -> f64 {
    let ln_factorial = |k: u64| libm::lgamma(k as f64 + 1.0);
    let mut sum = 0.0;
    for a_only in 0..=n {
        for b_only in 0..=n - a_only {
            let rest = n - a_only - b_only;
            let ln = ln_factorial(n) - ln_factorial(a_only) - ln_factorial(b_only) - ln_factorial(rest)
                + a_only as f64 * libm::log(b)
                + b_only as f64 * libm::log(c)
                + rest as f64 * libm::log(1.0 - b - c);
            let probability = libm::exp(ln);
            if probability < 1e-9 {
                continue;
            }
            let counts = PairedCounts {
                both: 0,
                a_only,
                b_only,
                neither: rest,
            };
            if holds(&interval(&counts), b - c) {
                sum += probability;
            }
        }
    }
    sum
}

/// The least coverage over a grid of both discordances is what `docs/statistics.md` says of differences of shares.
#[test]
fn paired_shares_have_their_least_coverage() {
    for (n, confidence, promised) in [(20, 0.95, 0.93), (100, 0.95, 0.93), (100, 0.999, 0.998)] {
        let table: Vec<Estimate> = (0..=n)
            .flat_map(|a_only| (0..=n).map(move |b_only| (a_only, b_only)))
            .map(|(a_only, b_only)| {
                let neither = n - (a_only + b_only).min(n);
                let counts = PairedCounts {
                    both: 0,
                    a_only,
                    b_only,
                    neither,
                };
                match a_only + b_only > n {
                    true => Estimate::not_estimable(0, confidence, ""),
                    false => share_difference(&counts, confidence).estimate,
                }
            })
            .collect();
        let (mut least, mut sum, mut points) = (1.0f64, 0.0, 0.0);
        for step in 1..=10 {
            for other in 0..=step {
                let (b, c) = (
                    f64::from(step) * 2.0 / n as f64,
                    f64::from(other) * 2.0 / n as f64 + 1e-12,
                );
                let (b, c) = (b.min(0.6), c.min(0.35));
                let seen = exact_paired_coverage(n, b, c, |counts| {
                    table[(counts.a_only * (n + 1) + counts.b_only) as usize].clone()
                });
                (least, sum, points) = (least.min(seen), sum + seen, points + 1.0);
            }
        }
        println!(
            "paired shares, {n} runs at {confidence}: least coverage {least:.4}, average {:.4}",
            sum / points
        );
        assert!(least > promised, "{n}: {least}");
        assert!(
            sum / points < 0.5 * (1.0 + confidence),
            "the intervals are not much longer than needed"
        );
    }
    // An interval of half the length would be noticed.
    let short = exact_paired_coverage(100, 0.1, 0.05, |counts| share_difference(counts, 0.67).estimate);
    assert!(short < 0.78, "{short}");
}

#[test]
fn mcnemar_is_no_more_often_wrong_than_it_says() {
    for (n, discordance) in [(50, 0.05), (100, 0.2), (200, 0.5)] {
        let half = 0.5 * discordance;
        let rejected = 1.0
            - exact_paired_coverage(n, half, half, |counts| {
                let held = mcnemar_exact(counts) > 0.05;
                Estimate::new(None, (None, (!held).then_some(-1.0)), n, CONFIDENCE, "")
            });
        println!("exact McNemar n={n} discordance={discordance}: rejects {rejected:.4}");
        assert!(rejected <= 0.05 + 1e-6, "{rejected}");
    }
}

#[test]
fn paired_means() {
    let (studies, runs) = (1_500, 60);
    let mut words = Words(31);
    let mut p_small = 0u32;
    let seen = coverage(studies, 0.0, || {
        let shared: Vec<f64> = (0..runs).map(|_| 2.0 * words.normal()).collect();
        let mut design = || -> Vec<f64> { shared.iter().map(|common| common + words.normal()).collect() };
        let (a, b) = (design(), design());
        let difference = mean_difference(&a, &b, 1.0, None, CONFIDENCE);
        p_small += u32::from(difference.p_value.unwrap() <= 0.05);
        difference.estimate
    });
    assert_near("paired means, normal", seen, CONFIDENCE, studies, 0.0);
    let rejected = f64::from(p_small) / f64::from(studies);
    assert!(
        (rejected - (1.0 - seen)).abs() < 1e-3,
        "test and interval agree: {rejected} {seen}"
    );
}

#[test]
fn paired_ratios_with_clustered_pods() {
    let (studies, runs) = (800, 80);
    let mut words = Words(33);
    let mut pooled = 0u32;
    let seen = coverage(studies, 0.15, || {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            // The random event of a run is shared by its pods and by both designs.
            let shared_event = words.uniform();
            let pods = 6 + words.word() % 9;
            a.push((words.binomial(pods, 0.6 * shared_event + 0.05), pods));
            b.push((words.binomial(pods, 0.3 * shared_event + 0.05), pods));
        }
        let difference = ratio_difference(&a, &b, 1.0, CONFIDENCE);
        let sums = |runs: &[(u64, u64)]| runs.iter().fold((0, 0), |(x, n), run| (x + run.0, n + run.1));
        pooled += u32::from(holds(&newcombe(sums(&a), sums(&b), CONFIDENCE).estimate, 0.15));
        difference.estimate
    });
    assert_near("paired ratios of sums", seen, CONFIDENCE, studies, 0.005);
    println!(
        "pods pooled as if independent: coverage {:.4}",
        f64::from(pooled) / f64::from(studies)
    );
}

#[test]
fn paired_quantiles_of_pooled_pods() {
    let (studies, runs) = (200, 100u32);
    let options = QuantileDifference {
        level: 0.9,
        factor: 1.0,
        paired: true,
        horizon_ns: (1_000_000_000_000, 1_000_000_000_000),
        confidence: CONFIDENCE,
    };
    let mut words = Words(35);
    let mut wrong = 0u32;
    let seen = coverage(studies, 2.0, || {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for run in 0..runs {
            let slowness = 20.0 * words.uniform();
            for _ in 0..5 {
                let mut wait = |shift: f64| Observation {
                    run,
                    time_ns: ((slowness + shift + 4.0 * words.uniform()) * 1e9) as u64,
                    outcome: Outcome::Event,
                };
                a.push(wait(2.0));
                b.push(wait(0.0));
            }
        }
        let paired = quantile_difference(&a, &b, &options).estimate;
        let apart = QuantileDifference {
            paired: false,
            ..options
        };
        wrong += u32::from(holds(&quantile_difference(&a, &b, &apart).estimate, 2.0));
        paired
    });
    // Conservative where pairing gains much.
    println!("paired 90 % quantiles: coverage {seen:.4}, nominal {CONFIDENCE}, {studies} studies");
    assert!(
        seen >= CONFIDENCE - 4.0 * (0.95f64 * 0.05 / f64::from(studies)).sqrt(),
        "{seen}"
    );
    let wrong = f64::from(wrong) / f64::from(studies);
    println!("taken apart, as if independent: coverage {wrong:.4}");
    assert!(wrong > 0.99, "not pairing wastes the pairs: {wrong}");
}

#[test]
fn independent_shares_and_means() {
    let studies = 2_000;
    let mut words = Words(37);
    let seen = coverage(studies, 0.1, || {
        newcombe((words.binomial(80, 0.3), 80), (words.binomial(60, 0.2), 60), CONFIDENCE).estimate
    });
    assert_near("Newcombe", seen, CONFIDENCE, studies, 0.01);
    let seen = coverage(studies, 1.0, || {
        let a: Vec<f64> = (0..40).map(|_| 31.0 + 3.0 * words.normal()).collect();
        let b: Vec<f64> = (0..70).map(|_| 30.0 + words.normal()).collect();
        mean_difference_unpaired(&a, &b, None, CONFIDENCE).estimate
    });
    assert_near("Welch", seen, CONFIDENCE, studies, 0.005);
}

#[test]
fn a_family_of_intervals_holds_together() {
    let (studies, family) = (400, 8);
    let each = bonferroni(CONFIDENCE, family);
    let mut words = Words(38);
    let (mut all, mut any_claim) = (0u32, 0u32);
    for _ in 0..studies {
        let shared: Vec<f64> = (0..60).map(|_| words.normal()).collect();
        let mut p_values = Vec::new();
        let mut held = true;
        for _ in 0..family {
            let b: Vec<f64> = shared.iter().map(|common| common + words.normal()).collect();
            let seen = mean_difference(&shared, &b, 1.0, None, each);
            held &= holds(&seen.estimate, 0.0);
            p_values.push(seen.p_value.unwrap());
        }
        all += u32::from(held);
        any_claim += u32::from(holm_adjusted(&p_values).iter().any(|p| *p <= 0.05));
    }
    let share = |count: u32| f64::from(count) / f64::from(studies);
    println!(
        "8 intervals together {:.4}, a false claim by Holm {:.4}",
        share(all),
        share(any_claim)
    );
    let allowed = 4.0 * (0.95f64 * 0.05 / f64::from(studies)).sqrt();
    assert!(share(all) >= CONFIDENCE - allowed, "{}", share(all));
    assert!(share(any_claim) <= 0.05 + allowed, "{}", share(any_claim));
    assert!(share(all) < 0.98, "the intervals are not much longer than needed");
}
