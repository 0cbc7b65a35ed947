//! Measures the kernel beside a bare heap, in one process and in alternation, because only ratios travel.
//!
//! `kernel_workloads WORKLOAD N EVENTS [--baseline]` prints one JSON row; `kernel_workloads all [ROUNDS]` prints the table of
//! `docs/performance.md`; `kernel_workloads memory` counts bytes per pending event and allocations per event, and fails if
//! one of them is beyond its goal. Build it with `--release`.

mod memory;
mod on_bare_heap;
mod on_kernel;
mod workload;

use std::process::ExitCode;

use workload::{Measured, Workload};

/// Rounds of one row; the least time counts, since other work on the machine can only add to it.
const ROUNDS: u32 = 5;

const USAGE: &str =
    "kernel_workloads WORKLOAD N EVENTS [--baseline]\nkernel_workloads all [ROUNDS]\nkernel_workloads memory";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["all"] => table(ROUNDS),
        ["all", rounds] => match rounds.parse() {
            Ok(rounds) if rounds > 0 => table(rounds),
            _ => usage(),
        },
        ["memory"] => memory::report(),
        [workload, n, events] => row(workload, n, events, false).unwrap_or_else(usage),
        [workload, n, events, "--baseline"] => row(workload, n, events, true).unwrap_or_else(usage),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

fn measure(workload: Workload, n: u64, events: u64, baseline: bool) -> Measured {
    if baseline {
        on_bare_heap::measure(workload, n, events)
    } else {
        on_kernel::measure(workload, n, events)
    }
}

/// A workload by its name.
fn named(name: &str) -> Option<Workload> {
    let mut all = Workload::MEASURED.into_iter().map(|(workload, ..)| workload);
    all.find(|workload| format!("{workload:?}") == name)
}

fn row(workload: &str, n: &str, events: &str, baseline: bool) -> Option<ExitCode> {
    let (kind, n, events) = (named(workload)?, n.parse().ok()?, events.parse().ok()?);
    if n == 0 || events == 0 || (kind == Workload::W5 && events < workload::SHORT_RUN_EVENTS) {
        return None;
    }
    let rounds: Vec<Measured> = (0..ROUNDS).map(|_| measure(kind, n, events, baseline)).collect();
    let least_ns = rounds.iter().map(|round| round.cpu_ns).min()?;
    let row = serde_json::json!({
        "workload": workload,
        "n": n,
        "events": events,
        "cpu_ns_per_event": least_ns as f64 / events as f64,
        "digest": format!("{:016x}", rounds[0].digest),
    });
    println!("{row}");
    Some(ExitCode::SUCCESS)
}

fn table(rounds: u32) -> ExitCode {
    println!(
        "| workload | n | bare heap, ns per event | kernel, ns per event | speed relative to the bare heap: median (range) | digests |"
    );
    println!("|---|---:|---:|---:|---:|---|");
    let mut code = ExitCode::SUCCESS;
    for (workload, n, events) in Workload::MEASURED {
        let (mut ratios, mut least, mut digests) = (Vec::new(), [u64::MAX; 2], [0; 2]);
        for _ in 0..rounds {
            let pair = [true, false].map(|baseline| measure(workload, n, events, baseline));
            ratios.push(pair[0].cpu_ns as f64 / pair[1].cpu_ns as f64);
            least = [0, 1].map(|i| least[i].min(pair[i].cpu_ns));
            digests = pair.map(|measured| measured.digest);
        }
        ratios.sort_by(f64::total_cmp);
        let equal = digests[0] == digests[1];
        if !equal {
            code = ExitCode::FAILURE;
        }
        let [bare, kernel] = least.map(|ns| ns as f64 / events as f64);
        let median = ratios[ratios.len() / 2];
        let range = format!("{:.2} to {:.2}", ratios[0], ratios[ratios.len() - 1]);
        let digests = if equal { "equal" } else { "DIFFERENT" };
        println!("| {workload:?} | {n} | {bare:.1} | {kernel:.1} | {median:.2} ({range}) | {digests} |");
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same numbers, the same order, the same answers: what is compared is the same work.
    #[test]
    fn both_engines_do_the_same_work() {
        for (workload, n, events) in [
            (Workload::W1, 100, 50_000),
            (Workload::W1, 10_000, 50_000),
            (Workload::W2, 1_000, 50_000),
            (Workload::W3, 1_000, 100_000),
            (Workload::W4, 1, 50_000),
            (Workload::W5, 100, 60_000),
        ] {
            let [bare, kernel] = [true, false].map(|baseline| measure(workload, n, events, baseline).digest);
            assert_eq!(bare, kernel, "{workload:?} {n}");
            assert_ne!(
                bare,
                measure(workload, n, events - 20_000, true).digest,
                "{workload:?} {n}"
            );
        }
    }
}
