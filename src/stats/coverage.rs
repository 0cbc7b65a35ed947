//! Coverage of the intervals on synthetic studies with known truth and fixed seeds. Every claim has
//! a tolerance of four binomial standard errors around the known coverage, and a wrong interval
//! beside it shows that the test can fail. Golden values are with the functions themselves.

use super::beta::binomial_tails;
use super::bootstrap::percentile_interval;
use super::mean::mean_bca;
use super::quantile::quantile_ranks;
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
            ("Clopper-Pearson", clopper_pearson),
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
                exact_coverage(n, p, clopper_pearson) >= CONFIDENCE - 1e-12,
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

#[test]
fn share_of_runs_keeps_a_safety_claim() {
    // The probability that the truth lies above the upper bound, where events are rare.
    for n in [50, 100, 1000] {
        let uppers: Vec<f64> = (0..=n)
            .map(|x| share_of_runs(x, n, CONFIDENCE).upper.unwrap())
            .collect();
        let mut worst: f64 = 0.0;
        for step in 1..=400 {
            let p = 0.1 * f64::from(step) / 400.0;
            // The bounds increase with x, so those below p belong to the smallest counts.
            let below = uppers.partition_point(|upper| *upper < p) as u64;
            if below > 0 {
                worst = worst.max(binomial_tails(below - 1, n, p).lower);
            }
        }
        println!("share of runs, n = {n}: the upper bound misses at most {worst:.4}");
        assert!(worst <= 0.05 + 1e-9, "n = {n}: {worst}");
        assert!(worst > 0.03, "n = {n}: the bound is needlessly far away, {worst}");
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

#[test]
fn bca_beats_t_on_skewed_values() {
    let studies = 3000;
    let options = BootstrapOptions {
        confidence: CONFIDENCE,
        resamples: 400,
    };
    let mut data = Words(3);
    let mut draws = Words(4);
    let mut samples = Vec::new();
    for _ in 0..studies {
        let sample: Vec<f64> = (0..30).map(|_| libm::exp(data.normal())).collect();
        samples.push(sample);
    }
    let truth = libm::exp(0.5);
    let t = coverage(studies, truth, |index| mean_t(&samples[index as usize], CONFIDENCE));
    let bca = coverage(studies, truth, |index| {
        mean_bca(&samples[index as usize], &options, &mut || draws.word())
    });
    println!("lognormal, 30 values: t {t:.4}, BCa {bca:.4}, {studies} studies");
    assert!(bca > 0.85 && bca < 0.97, "{bca}");
    assert!(t > 0.80 && t < bca, "{t}");
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
    let (mut pooled_held, mut effect) = (0u32, 0.0);
    let ratio = coverage(studies, 0.1, |_| {
        let runs = clustered(&mut words, 40, 50);
        let events = runs.iter().map(|pair| pair.0).sum();
        let pooled = wilson(events, 2000, CONFIDENCE);
        pooled_held += u32::from(pooled.lower.unwrap() <= 0.1 && 0.1 <= pooled.upper.unwrap());
        effect += design_effect(&runs).unwrap() / f64::from(studies);
        ratio_of_sums(&runs, CONFIDENCE)
    });
    let pooled = f64::from(pooled_held) / f64::from(studies);
    println!("ratio {ratio:.4}, pooled {pooled:.4}, design effect {effect:.2}, {studies} studies");
    // Intraclass correlation 1/(1+1+9-1): design effect 1 + 49/11 = 5.45.
    assert!((effect - 5.45).abs() < 0.3, "{effect}");
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
fn order_statistics_have_their_binomial_coverage() {
    let studies = 10_000;
    let mut words = Words(7);
    for (n, p) in [(100u64, 0.9), (25, 0.5), (60, 0.95)] {
        let ranks = quantile_ranks(n, p, CONFIDENCE).unwrap();
        let below = binomial_tails(ranks.lower.unwrap() - 1, n, p).lower;
        let above = binomial_tails(ranks.upper.unwrap() - 1, n, p).upper;
        let truth = -libm::log1p(-p);
        let seen = coverage(studies, truth, |_| {
            let values: Vec<f64> = (0..n).map(|_| words.exponential()).collect();
            quantile_order_statistic(&values, p, CONFIDENCE)
        });
        assert_near(
            &format!("order statistics n={n} p={p}"),
            seen,
            1.0 - below - above,
            studies,
        );
    }
}

#[test]
fn agresti_min_covers_the_difference() {
    let studies = 10_000;
    let mut words = Words(8);
    for (a_only, b_only) in [(0.10, 0.05), (0.03, 0.03), (0.3, 0.1)] {
        let seen = coverage(studies, a_only - b_only, |_| {
            let mut counts = PairedCounts::default();
            for _ in 0..200 {
                let u = words.uniform();
                counts.a_only += u64::from(u < a_only);
                counts.b_only += u64::from(u > 1.0 - b_only);
            }
            counts.neither = 200 - counts.a_only - counts.b_only;
            agresti_min(&counts, CONFIDENCE)
        });
        println!("Agresti-Min {a_only} {b_only}: {seen:.4}, {studies} studies");
        assert!((seen - 0.955).abs() < 0.005 + tolerance(0.955, studies), "{seen}");
    }
}

#[test]
fn paired_t_covers_under_common_random_numbers() {
    let studies = 10_000;
    let mut words = Words(9);
    let seen = coverage(studies, 0.5, |_| {
        let (mut a, mut b) = ([0.0; 12], [0.0; 12]);
        for run in 0..12 {
            let shared = 3.0 * words.normal();
            a[run] = 0.5 + shared + words.normal();
            b[run] = shared + words.normal();
        }
        paired_t(&a, &b, CONFIDENCE).difference
    });
    assert_near("paired t, 12 runs", seen, CONFIDENCE, studies);
}

#[test]
fn cluster_bootstrap_covers_the_median_wait_and_resampling_subjects_does_not() {
    let studies = 1500u32;
    let (runs, subjects) = (40u32, 10u32);
    // Wait = exp(run effect + subject effect), both normal: the median is 1 second. A tenth of the
    // subjects is cut off early, independent of the wait.
    let mut data = Words(10);
    let mut draws = Words(11);
    let mut wrong_held = 0u32;
    let options = IncidenceOptions {
        runs,
        horizon_ns: 1 << 50,
        confidence: CONFIDENCE,
        resamples: 400,
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
        let right = analysis.quantiles(&[0.5], &mut || draws.word()).remove(0);
        for (index, wait) in list.iter_mut().enumerate() {
            wait.run = index as u32;
        }
        let options = IncidenceOptions {
            runs: runs * subjects,
            resamples: 100,
            ..options
        };
        let wrong = IncidenceAnalysis::new(&list, options);
        let wrong = wrong.quantiles(&[0.5], &mut || draws.word()).remove(0);
        wrong_held += u32::from(wrong.lower.unwrap() <= 1.0 && 1.0 <= wrong.upper.unwrap());
        right
    });
    let wrong = f64::from(wrong_held) / f64::from(studies);
    println!("median wait: runs resampled {seen:.4}, subjects resampled {wrong:.4}");
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

#[test]
fn percentile_interval_covers_the_mean_of_normal_values() {
    let studies = 1000;
    let options = BootstrapOptions {
        confidence: CONFIDENCE,
        resamples: 300,
    };
    let mut data = Words(13);
    let mut draws = Words(14);
    let seen = coverage(studies, 0.0, |_| {
        let values: Vec<f64> = (0..40).map(|_| data.normal()).collect();
        let mean = |weights: &[u32]| {
            let terms = values
                .iter()
                .zip(weights)
                .map(|(value, weight)| value * f64::from(*weight));
            Some(terms.sum::<f64>() / 40.0)
        };
        percentile_interval(40, &mean, &options, &mut || draws.word())
    });
    // Like z with the divisor R in the variance: P(|T_39| < 1.96 √(39/40)) = 0.9398.
    assert_near("percentile bootstrap, 40 normal values", seen, 0.9398, studies);
}
