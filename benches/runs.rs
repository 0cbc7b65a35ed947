//! Whole runs of `istiod-cut-off`, one measurement per design.
//!
//! An iteration is one run with the next replication, from the finished blueprint to the outcome. Parts of the kernel are
//! in `kernel`.

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use meshfault::lab::designs::Simulator;
use meshfault::scenario::Scenario;
use meshfault::scenario::overrides::Overrides;

fn whole_runs(criterion: &mut Criterion) {
    let scenario = Scenario::built_in("istiod-cut-off", &Overrides::default())
        .unwrap_or_else(|errors| panic!("a built-in experiment is wrong: {errors:?}"));
    let simulator = Simulator::new(scenario.seed, &scenario.seed_group, &scenario.designs);
    let mut group = criterion.benchmark_group("istiod-cut-off");
    for (number, design) in scenario.designs.iter().enumerate() {
        let mut replication = 0;
        group.bench_function(&design.name, |bencher| {
            bencher.iter(|| {
                replication = (replication + 1) % 1_000;
                simulator.run(number, replication)
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = runs;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    targets = whole_runs
}
criterion_main!(runs);
