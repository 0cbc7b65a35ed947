//! The kernel's parts: workloads beside the bare heap, streams, distributions, and the questions to a cursor.
//!
//! Workloads are timed by the CPU time of the thread. For ratios use `kernel_workloads all`, which alternates both engines in
//! one process; here is what is watched over time. Whole runs are in `runs`.

#[path = "../examples/kernel_workloads/on_bare_heap.rs"]
mod on_bare_heap;
#[path = "../examples/kernel_workloads/on_kernel.rs"]
mod on_kernel;
#[path = "../examples/kernel_workloads/workload.rs"]
mod workload;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use meshfault::cluster::history::{Cursor, Delay, History, VersionIndex};
use meshfault::cluster::purpose::Purpose;
use meshfault::kernel::{Distribution, EntityKey, RunKey, SimDuration, SimTime};

use workload::{Measured, Workload};

fn workloads(criterion: &mut Criterion) {
    for (workload, n, events) in Workload::MEASURED {
        let mut group = criterion.benchmark_group(format!("{workload:?}/{n}"));
        group.throughput(criterion::Throughput::Elements(1));
        let mut add = |name: &str, measure: fn(Workload, u64, u64) -> Measured| {
            group.bench_function(name, |bencher| {
                // One iteration is one event; a measurement makes a fixed number of them and is scaled.
                bencher.iter_custom(|iterations| {
                    let measured = measure(workload, n, events);
                    black_box(measured.digest);
                    Duration::from_nanos((measured.cpu_ns as f64 * iterations as f64 / events as f64) as u64)
                });
            });
        };
        add("bare heap", on_bare_heap::measure);
        add("kernel", on_kernel::measure);
        group.finish();
    }
}

fn streams(criterion: &mut Criterion) {
    let key = RunKey::derive(1, "bench", 0);
    let family = EntityKey::root("bench");
    let mut ordinal = 0;
    criterion.bench_function("stream/open and draw one", |bencher| {
        bencher.iter(|| {
            ordinal += 1;
            key.stream(Purpose::ApiWrite, family.child(ordinal)).bits()
        });
    });
    let mut stream = key.stream(Purpose::ApiWrite, family);
    criterion.bench_function("stream/one more", |bencher| bencher.iter(|| stream.bits()));
    let seconds = SimDuration::from_secs;
    for (name, distribution) in [
        (
            "uniform",
            Distribution::Uniform {
                min: seconds(1),
                max: seconds(2),
            },
        ),
        (
            "exponential",
            Distribution::Exponential {
                mean: seconds(1),
                max: seconds(100),
            },
        ),
        (
            "log-normal",
            Distribution::log_normal(seconds(1), seconds(5), seconds(100)),
        ),
    ] {
        criterion.bench_with_input(BenchmarkId::new("law", name), &distribution, |bencher, distribution| {
            bencher.iter(|| stream.duration(black_box(distribution)));
        });
    }
}

fn cursors(criterion: &mut Criterion) {
    let at = |ms: u64| SimTime::ZERO + SimDuration::from_millis(ms);
    let delay = Arc::new(Delay {
        purpose: Purpose::IpcacheDelay,
        distribution: Distribution::Uniform {
            min: SimDuration::from_millis(1),
            max: SimDuration::from_millis(900),
        },
        then: None,
        batch_period: SimDuration::from_millis(10),
        pace: None,
    });
    let key = RunKey::derive(1, "cursors", 0);
    let cursor = Cursor::watching(EntityKey::root("reader"), &delay);
    for versions in [100_u32, 10_000] {
        let mut history = History::default();
        let written: Vec<VersionIndex> = (0..versions)
            .map(|number| history.append(at(20 * u64::from(number)), number + 1, number % 50, None, Some(number)))
            .collect();
        let reader = cursor.over(&history, &key);
        let mut question = 0;
        let mut next = move || {
            question = (question + 7_919) % (20 * u64::from(versions));
            question
        };
        criterion.bench_function(&format!("cursor/seen_at of {versions} versions"), |bencher| {
            bencher.iter(|| reader.seen_at(at(next())));
        });
        criterion.bench_function(&format!("cursor/crossing of {versions} versions"), |bencher| {
            bencher.iter(|| reader.crossing(written[(next() / 20) as usize]));
        });
    }
}

criterion_group! {
    name = kernel;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = workloads, streams, cursors
}
criterion_main!(kernel);
