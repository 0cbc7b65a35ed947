//! Coverage of the intervals on synthetic studies with known truth and fixed seeds. Every claim has
//! a tolerance of four binomial standard errors around the known coverage, and a wrong interval
//! beside it shows that the test can fail. Golden values are with the functions themselves.

use super::beta::binomial_tails;
use super::special::normal_critical;
use super::testing::Words;
use super::*;

const CONFIDENCE: f64 = 0.95;

/// Share of studies whose interval holds the truth; an open side holds everything.
fn coverage(studies: u32, truth: f64, mut study: impl FnMut(u32) -> Estimate) -> f64 {
    let mut held = 0u32;
    for index in 0..studies {
        let seen = study(index);
        let above = seen.lower.is_none_or(|lower| lower <= truth);
        let below = seen.upper.is_none_or(|upper| truth <= upper);
        held += u32::from(above && below);
    }
    f64::from(held) / f64::from(studies)
}

/// Four binomial standard errors of an observed coverage.
fn tolerance(coverage: f64, studies: u32) -> f64 {
    4.0 * (coverage * (1.0 - coverage) / f64::from(studies)).sqrt()
}

#[track_caller]
fn assert_near(name: &str, seen: f64, known: f64, studies: u32) {
    println!("{name}: coverage {seen:.4}, known {known:.4}, {studies} studies");
    let allowed = tolerance(known, studies);
    assert!(
        (seen - known).abs() <= allowed,
        "{name}: {seen} is not {known} ± {allowed}"
    );
}

/// Coverage of an interval for a proportion, summed over all outcomes of Bin(n, p).
fn exact_coverage(n: u64, p: f64, interval: fn(u64, u64, f64) -> Estimate) -> f64 {
    let mut below = 0.0;
    let mut sum = 0.0;
    for x in 0..=n {
        let cumulative = binomial_tails(x, n, p).lower;
        let seen = interval(x, n, CONFIDENCE);
        if seen.lower.unwrap() <= p && p <= seen.upper.unwrap() {
            sum += cumulative - below;
        }
        below = cumulative;
    }
    sum
}

#[test]
fn proportions() {
    let studies = 10_000;
    let mut words = Words(1);
    for (n, p) in [(50, 0.1), (100, 0.3), (200, 0.02)] {
        for (name, interval) in [
            ("Wilson", wilson as fn(u64, u64, f64) -> Estimate),
            ("Clopper-Pearson", share_of_runs),
        ] {
            let table: Vec<Estimate> = (0..=n).map(|x| interval(x, n, CONFIDENCE)).collect();
            let seen = coverage(studies, p, |_| table[words.binomial(n, p) as usize].clone());
            let name = format!("{name} n={n} p={p}");
            assert_near(&name, seen, exact_coverage(n, p, interval), studies);
        }
    }
}

#[test]
fn clopper_pearson_is_never_below_nominal_and_wilson_is_near_it_on_average() {
    let (mut sum, mut points) = (0.0, 0.0);
    for n in [10, 40, 150] {
        for step in 1..40 {
            let p = f64::from(step) / 80.0;
            assert!(
                exact_coverage(n, p, share_of_runs) >= CONFIDENCE - 1e-12,
                "n = {n}, p = {p}"
            );
            sum += exact_coverage(n, p, wilson);
            points += 1.0;
        }
    }
    let average = sum / points;
    println!("Wilson: average coverage {average:.4}");
    assert!((average - CONFIDENCE).abs() < 0.01, "{average}");
}

/// The least coverage of the interval for a share of runs, over a fine grid of probabilities, is that of its document:
/// never below nominal, whatever the probability and the level; each bound alone misses at most half of the error.
#[test]
fn share_of_runs_has_its_least_coverage() {
    for (n, confidence) in [
        (20, 0.95),
        (30, 0.95),
        (50, 0.95),
        (100, 0.95),
        (1000, 0.95),
        (100, 0.999),
        (1000, 0.999),
    ] {
        let bounds: Vec<(f64, f64)> = (0..=n)
            .map(|x| share_of_runs(x, n, confidence))
            .map(|of| (of.lower.unwrap(), of.upper.unwrap()))
            .collect();
        let (mut least, mut above, mut below) = (1.0f64, 0.0f64, 0.0f64);
        for step in 1..400 {
            let p = 0.5 * f64::from(step) / 400.0;
            // Both bounds grow with x: those whose upper bound is below p are the smallest counts.
            let too_low = bounds.partition_point(|of| of.1 < p) as u64;
            let too_high = bounds.partition_point(|of| of.0 <= p) as u64;
            let misses_low = if too_low > 0 {
                binomial_tails(too_low - 1, n, p).lower
            } else {
                0.0
            };
            let misses_high = if too_high <= n {
                binomial_tails(too_high - 1, n, p).upper
            } else {
                0.0
            };
            (above, below) = (above.max(misses_low), below.max(misses_high));
            least = least.min(1.0 - misses_low - misses_high);
        }
        println!("share of {n} runs at {confidence}: least coverage {least:.4}, misses {above:.5} and {below:.5}");
        assert!(least >= confidence - 1e-12, "{n}: {least}");
        let half = 0.5 * (1.0 - confidence);
        assert!(above <= half + 1e-12 && below <= half + 1e-12, "{n}: {above} {below}");
        assert!(above > 0.5 * half, "{n}: the bound is needlessly far away, {above}");
    }
}

#[test]
fn t_interval_of_normal_values_is_exact() {
    let studies = 10_000;
    let mut words = Words(2);
    let mut values = [0.0; 10];
    let seen = coverage(studies, 3.0, |_| {
        values.fill_with(|| 3.0 + 2.0 * words.normal());
        mean_t(&values, CONFIDENCE)
    });
    assert_near("t, 10 normal values", seen, CONFIDENCE, studies);
    // With the normal critical value the known coverage is P(|T_9| < 1.96) = 0.9184.
    let narrow = coverage(studies, 3.0, |_| {
        values.fill_with(|| 3.0 + 2.0 * words.normal());
        let mut seen = mean_t(&values, CONFIDENCE);
        let shrink = normal_critical(CONFIDENCE) / special::student_t_critical(CONFIDENCE, 9.0);
        let half_width = shrink * (seen.upper.unwrap() - seen.estimate.unwrap());
        seen.lower = seen.estimate.map(|mean| mean - half_width);
        seen.upper = seen.estimate.map(|mean| mean + half_width);
        seen
    });
    assert_near("z instead of t", narrow, 0.9184, studies);
}

/// One study of correlated subjects: `runs` runs of `units` with probability Beta(1, 9) each.
fn clustered(words: &mut Words, runs: usize, units: u64) -> Vec<(u64, u64)> {
    let mut run = || {
        let p = 1.0 - libm::pow(words.uniform(), 1.0 / 9.0);
        (words.binomial(units, p), units)
    };
    (0..runs).map(|_| run()).collect()
}

#[test]
fn ratio_interval_holds_on_correlated_subjects_and_the_pooled_one_does_not() {
    let studies = 4000;
    let mut words = Words(5);
    let mut pooled_held = 0u32;
    let ratio = coverage(studies, 0.1, |_| {
        let runs = clustered(&mut words, 40, 50);
        let events = runs.iter().map(|pair| pair.0).sum();
        let pooled = wilson(events, 2000, CONFIDENCE);
        pooled_held += u32::from(pooled.lower.unwrap() <= 0.1 && 0.1 <= pooled.upper.unwrap());
        ratio_of_sums(&runs, CONFIDENCE)
    });
    let pooled = f64::from(pooled_held) / f64::from(studies);
    // Intraclass correlation 1/(1+1+9-1): as if there were 1 + 49/11 = 5.45 times fewer subjects.
    println!("ratio {ratio:.4}, pooled {pooled:.4}, {studies} studies");
    assert!(ratio > 0.93 && ratio < 0.97, "{ratio}");
    assert!(pooled < 0.70, "{pooled}");
}

#[test]
fn ratio_of_rare_events_holds() {
    let studies = 4000;
    let truth = 0.0004;
    let mut words = Words(6);
    // All or nothing: the worst case for a bound that counts subjects.
    let seen = coverage(studies, truth, |_| {
        let runs: Vec<(u64, u64)> = (0..200)
            .map(|_| (if words.uniform() < truth { 20 } else { 0 }, 20))
            .collect();
        ratio_of_sums(&runs, CONFIDENCE)
    });
    println!("ratio with rare all-or-nothing runs: {seen:.4}");
    assert!(seen >= CONFIDENCE, "{seen}");
}

#[test]
fn the_median_wait_is_covered_over_runs_and_not_over_subjects() {
    let studies = 1500u32;
    let (runs, subjects) = (40u32, 10u32);
    // Wait = exp(run effect + subject effect), both normal: the median is 1 second. A tenth of the
    // subjects is cut off early, independent of the wait.
    let mut data = Words(10);
    let mut wrong_held = 0u32;
    let options = IncidenceOptions {
        horizon_ns: 1 << 50,
        confidence: CONFIDENCE,
    };
    let seen = coverage(studies, 1.0, |_| {
        let mut list = Vec::new();
        for run in 0..runs {
            let effect = 0.7 * data.normal();
            for _ in 0..subjects {
                let wait = (libm::exp(effect + 0.7 * data.normal()) * 1e9) as u64;
                let limit = (data.exponential() * 10e9) as u64;
                let outcome = if wait <= limit {
                    Outcome::Event
                } else {
                    Outcome::Censored
                };
                list.push(Observation {
                    run,
                    time_ns: wait.min(limit),
                    outcome,
                });
            }
        }
        let analysis = IncidenceAnalysis::new(&list, options);
        let right = analysis.quantiles(&[0.5]).remove(0);
        for (index, wait) in list.iter_mut().enumerate() {
            wait.run = index as u32;
        }
        let wrong = IncidenceAnalysis::new(&list, options);
        let wrong = wrong.quantiles(&[0.5]).remove(0);
        wrong_held += u32::from(wrong.lower.unwrap() <= 1.0 && 1.0 <= wrong.upper.unwrap());
        right
    });
    let wrong = f64::from(wrong_held) / f64::from(studies);
    println!("median wait: over runs {seen:.4}, over subjects {wrong:.4}");
    assert!(
        (seen - CONFIDENCE).abs() < 0.015 + tolerance(CONFIDENCE, studies),
        "{seen}"
    );
    assert!(wrong < 0.85, "{wrong}");
}

#[test]
fn incidence_is_unbiased_under_competing_ends_and_censoring() {
    // Event rate 1, competing rate 0.5, censoring rate 0.3: F(1 s) = (1 - exp(-1.5)) / 1.5.
    let truth = -libm::expm1(-1.5) / 1.5;
    let (studies, subjects) = (400, 200);
    let mut words = Words(12);
    let (mut sum, mut squares) = (0.0, 0.0);
    for _ in 0..studies {
        let mut list = Vec::new();
        for run in 0..subjects {
            let mut end = |rate: f64, outcome| ((words.exponential() / rate * 1e9) as u64, outcome);
            let ends = [
                end(1.0, Outcome::Event),
                end(0.5, Outcome::Competing),
                end(0.3, Outcome::Censored),
            ];
            let (time_ns, outcome) = ends.into_iter().min().unwrap();
            list.push(Observation { run, time_ns, outcome });
        }
        let curve = cumulative_incidence(&list);
        let step = curve.partition_point(|point| point.time_ns <= 1_000_000_000);
        let height = curve[step - 1].incidence;
        sum += height;
        squares += height * height;
    }
    let n = f64::from(studies);
    let mean = sum / n;
    let error = ((squares / n - mean * mean) / n).sqrt();
    println!(
        "F(1 s) = {mean:.5}, exact {truth:.5}, z = {:.2}",
        (mean - truth) / error
    );
    assert!((mean - truth).abs() <= 4.0 * error, "{mean} {truth} {error}");
    // A truth that is wrong by 5 % would be noticed.
    assert!((mean - 1.05 * truth).abs() > 4.0 * error);
}
