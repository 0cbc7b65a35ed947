//! What common random numbers gain: the variance of differences between designs when equal replications meet the same
//! random events, against that of independent runs.
//!
//! Replication r of one design paired with replication r + 1 of another is a pair of independent runs of the same two
//! distributions, so both variances are measured on the same runs. Without an argument, 200 replications of every design of
//! `istiod-cut-off` are made first; with a result folder, that one is read:
//!
//! ```text
//! cargo run --release --example common_random_numbers -- out/istiod-cut-off-0123456789ab
//! ```

use std::path::Path;
use std::sync::atomic::AtomicBool;

use meshfault::lab::designs::{Simulator, plan};
use meshfault::lab::differences::per_run;
use meshfault::lab::measures::{Context, Frame};
use meshfault::lab::{Finished, Options, Start, execute, open_result};
use meshfault::scenario::Scenario;
use meshfault::scenario::overrides::Overrides;

const MEASURES: [&str; 6] = [
    "unauthorized_any",
    "unauthorized_exposure_pod_ip",
    "startup_latency_p50",
    "startup_latency_p90",
    "delayed_share",
    "certificate_requests",
];

/// What pairing does to one difference.
struct Gain {
    n: usize,
    correlation: f64,
    /// Variance of the difference of equal replications.
    paired: f64,
    /// Variance of the difference of neighbouring, hence independent, replications.
    independent: f64,
    /// Sum of the variances of the two designs.
    sum: f64,
}

fn variance(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (n - 1.0)
}

fn gain(a: &[Option<f64>], b: &[Option<f64>]) -> Option<Gain> {
    let (of_a, of_b): (Vec<f64>, Vec<f64>) = a.iter().zip(b).filter_map(|(a, b)| Some(((*a)?, (*b)?))).unzip();
    let n = of_a.len();
    if n < 3 {
        return None;
    }
    let difference = |shift: usize| -> Vec<f64> { (0..n).map(|run| of_a[run] - of_b[(run + shift) % n]).collect() };
    let (var_a, var_b) = (variance(&of_a), variance(&of_b));
    let (paired, independent) = (variance(&difference(0)), variance(&difference(1)));
    (var_a > 0.0 && var_b > 0.0).then(|| Gain {
        n,
        correlation: (var_a + var_b - paired) / (2.0 * (var_a * var_b).sqrt()),
        paired,
        independent,
        sum: var_a + var_b,
    })
}

fn table(result: &Finished) -> String {
    let frame = Frame::of_manifest(&result.manifest);
    let designs = &result.manifest.designs;
    let context = |index: usize| Context {
        frame: &frame,
        design: &designs[index],
        numbers: &result.numbers[index],
    };
    let mut text =
        "| designs | measure, per run | n | correlation | variance, equal replications | variance, independent | \
                    (σ_A² + σ_B²) / Var(D) | measured ratio |\n|---|---|---|---|---|---|---|---|\n"
            .to_owned();
    for measure in MEASURES {
        for a in 0..designs.len() {
            for b in a + 1..designs.len() {
                let values = per_run(measure, context(a)).zip(per_run(measure, context(b)));
                let Some(seen) = values.and_then(|(a, b)| gain(&a, &b)) else {
                    continue;
                };
                let ratio = |of: f64| {
                    if seen.paired > 0.0 {
                        format!("{:.2}", of / seen.paired)
                    } else {
                        "all".to_owned()
                    }
                };
                text.push_str(&format!(
                    "| `{}` − `{}` | `{measure}` | {} | {:.3} | {:.4} | {:.4} | {} | {} |\n",
                    designs[a].name,
                    designs[b].name,
                    seen.n,
                    seen.correlation,
                    seen.paired,
                    seen.independent,
                    ratio(seen.sum),
                    ratio(seen.independent)
                ));
            }
        }
    }
    text
}

fn simulated(replications: u64, dir: &Path) -> Finished {
    let overrides = Overrides::parse(&[format!("replications={replications}")]).expect("a key that exists");
    let scenario = Scenario::built_in("istiod-cut-off", &overrides).expect("the built-in experiment is sound");
    let designs: Vec<_> = scenario.designs.iter().collect();
    let simulator = Simulator::new(scenario.seed, &scenario.seed_group, designs.iter().copied());
    let options = Options {
        dir: dir.to_owned(),
        jobs: 2,
        start: Start::New,
        quiet: true,
        command_line: Vec::new(),
    };
    let plan = plan(&scenario, &designs);
    execute(&plan, &simulator, &options, &AtomicBool::new(false), &()).expect("the temporary folder can be written")
}

fn main() -> Result<(), meshfault::lab::LabError> {
    let result = match std::env::args_os().nth(1) {
        Some(folder) => open_result(Path::new(&folder))?,
        None => {
            let dir = tempfile::tempdir().expect("there is a temporary folder");
            simulated(200, &dir.path().join("result"))
        }
    };
    print!("{}", table(&result));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_replications_gain_what_independent_ones_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let result = simulated(40, &dir.path().join("result"));
        let frame = Frame::of_manifest(&result.manifest);
        let designs = &result.manifest.designs;
        let values = |name: &str| {
            let index = designs.iter().position(|design| design.name == name).unwrap();
            let context = Context {
                frame: &frame,
                design: &designs[index],
                numbers: &result.numbers[index],
            };
            per_run("startup_latency_p50", context).unwrap()
        };
        // Two designs whose slow pods have one cause; without a mesh in one of them there is nothing in common to gain from.
        let seen = gain(&values("istio-only"), &values("cilium-istio-1.21")).unwrap();
        println!(
            "variance {:.4} paired, {:.4} independent",
            seen.paired, seen.independent
        );
        assert!(
            seen.independent > 3.0 * seen.paired,
            "{} {}",
            seen.independent,
            seen.paired
        );
        // The neighbours are independent: their variance is the sum of both, within what 40 runs can tell.
        assert!(
            (0.5..2.0).contains(&(seen.independent / seen.sum)),
            "{} {}",
            seen.independent,
            seen.sum
        );
    }
}
