//! Counts what the kernel allocates: bytes per pending event, and allocations per event once a run has its size.
//!
//! Counted is everything that is live in the process and was allocated since the kernel was made: heap, slots, free list,
//! events, and what the growth of vectors keeps in reserve.

use std::alloc::System;
use std::process::ExitCode;

use meshfault::kernel::{Kernel, Model, run};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use super::on_kernel::{Hold, Messages, Prepared, TimeOuts, prepared};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The goal: bytes per pending event, event included.
const BYTES_MAX: f64 = 48.0;

/// Events before the counting begins, and events that are counted.
const WARM_UP: u64 = 100_000;

/// Prints the counts; fails if one is beyond its goal.
pub fn report() -> ExitCode {
    let mut good = true;
    println!("| pending events of 4 bytes | bytes per pending event |");
    println!("|---:|---:|");
    // Just below and just above a doubling of the vectors.
    for n in [100, 10_000, 1_000_000, (1 << 20) - 3, (1 << 20) + 1] {
        let region = Region::new(ALLOCATOR);
        let kernel = prepared(&mut Hold::new(n), n, 1);
        let change = region.change();
        let live = change.bytes_allocated as i64 - change.bytes_deallocated as i64;
        drop(kernel);
        let bytes = live as f64 / n as f64;
        println!("| {n} | {bytes:.1} |");
        // Right after a doubling half of the room is in reserve; the goal is about the size of an entry.
        good &= bytes <= BYTES_MAX || n == (1 << 20) + 1;
    }
    println!("\n| workload | allocations in 100,000 events of a run that has its size |");
    println!("|---|---:|");
    for (name, allocations) in [
        ("W1", steady(&mut Hold::new(1_000), 1_000)),
        ("W2", steady(&mut Messages::new(1_000), 1_000)),
        ("W3", steady(&mut TimeOuts::new(1_000, u64::MAX), 1_000)),
    ] {
        println!("| {name} | {allocations} |");
        good &= allocations == 0;
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Allocations in 100,000 events, after 100,000 events.
fn steady<M: Prepared>(model: &mut M, n: u64) -> usize {
    let mut kernel: Kernel<M::Event> = prepared(model, n, u64::MAX);
    let mut counted = Counted {
        model,
        handled: 0,
        region: None,
        allocations: None,
    };
    let _ = run(&mut counted, &mut kernel);
    counted.allocations.unwrap_or(usize::MAX)
}

/// A model that notes how much was allocated while it handled the second 100,000 events.
struct Counted<'m, M> {
    model: &'m mut M,
    handled: u64,
    region: Option<Region<'static, System>>,
    allocations: Option<usize>,
}

impl<M: Model> Model for Counted<'_, M> {
    type Event = M::Event;

    fn handle(&mut self, event: M::Event, kernel: &mut Kernel<M::Event>) {
        self.handled += 1;
        if self.handled == WARM_UP {
            self.region = Some(Region::new(ALLOCATOR));
        }
        if self.handled == 2 * WARM_UP {
            let change = self.region.as_ref().map(Region::change);
            self.allocations = change.map(|change| change.allocations + change.reallocations);
        }
        // After that what is pending runs out.
        if self.handled < 2 * WARM_UP {
            self.model.handle(event, kernel);
        }
    }
    fn digest(&self, event: &M::Event) -> u64 {
        self.model.digest(event)
    }
    fn component(event: &M::Event) -> &'static str {
        M::component(event)
    }
}
