//! The workloads as a bare loop around the standard library's heap: the baseline.
//!
//! No limits, no fingerprint, no check for equal keys, no cancelling: a timeout that no longer counts stays in the heap
//! and is passed over when it comes up. The kernel's versions stand in `on_kernel`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::workload::{Component, Draws, Measured, SHORT_RUN_EVENTS, TIME_OUT_NS, Workload, add, cpu_now_ns, receive};

#[derive(Default)]
struct Bare {
    heap: BinaryHeap<Reverse<(u64, u64, u64)>>,
    next: u64,
}

impl Bare {
    #[inline]
    fn push(&mut self, time_ns: u64, payload: u64) {
        self.heap.push(Reverse((time_ns, self.next, payload)));
        self.next += 1;
    }

    #[inline]
    fn pop(&mut self) -> Option<(u64, u64)> {
        self.heap.pop().map(|Reverse((time, _, payload))| (time, payload))
    }
}

/// Runs a workload of size `n` and measures `events` events.
pub fn measure(workload: Workload, n: u64, events: u64) -> Measured {
    match workload {
        Workload::W1 => hold(n, events),
        Workload::W2 => {
            let (mut bare, mut components, mut draws) = messages(n, Draws::new(n));
            let start = cpu_now_ns();
            let digest = deliver(&mut bare, &mut components, &mut draws, events);
            ended(start, digest)
        }
        Workload::W3 => time_outs(n, events),
        Workload::W4 => server(events),
        Workload::W5 => {
            let start = cpu_now_ns();
            let mut digest = 0;
            for number in 0..events / SHORT_RUN_EVENTS {
                let (mut bare, mut components, mut draws) = messages(n, Draws::new(number));
                let run = deliver(&mut bare, &mut components, &mut draws, SHORT_RUN_EVENTS);
                digest ^= run.rotate_left(number as u32);
            }
            ended(start, digest)
        }
    }
}

fn ended(start_ns: u64, digest: u64) -> Measured {
    Measured {
        cpu_ns: cpu_now_ns() - start_ns,
        digest,
    }
}

fn hold(n: u64, events: u64) -> Measured {
    let (mut bare, mut draws, mut digest) = (Bare::default(), Draws::new(n), 0);
    for event in 0..n {
        bare.push(draws.exponential_ns(), event);
    }
    let start = cpu_now_ns();
    for _ in 0..events {
        let Some((now, event)) = bare.pop() else { break };
        digest = add(digest, now, event);
        bare.push(now + draws.exponential_ns(), event);
    }
    ended(start, digest)
}

fn messages(n: u64, mut draws: Draws) -> (Bare, Vec<Component>, Draws) {
    let mut bare = Bare::default();
    let components = vec![[0; 8]; n as usize];
    for to in 0..n {
        bare.push(draws.message_delay_ns(), to);
    }
    (bare, components, draws)
}

fn deliver(bare: &mut Bare, components: &mut [Component], draws: &mut Draws, events: u64) -> u64 {
    let mut digest = 0;
    for _ in 0..events {
        let Some((now, to)) = bare.pop() else { break };
        digest = add(digest, now, to);
        receive(&mut components[to as usize], now);
        let next = draws.below(components.len() as u64);
        bare.push(now + draws.message_delay_ns(), next);
    }
    digest
}

fn time_outs(n: u64, ticks: u64) -> Measured {
    // Payload: connection, then for a timeout its number + 1, for a tick 0.
    let (mut bare, mut draws, mut digest) = (Bare::default(), Draws::new(n), 0);
    let mut armed = vec![0_u64; n as usize];
    for number in 0..n {
        bare.push(draws.exponential_ns(), number << 40);
    }
    let (start, mut ticks_left) = (cpu_now_ns(), ticks);
    while ticks_left > 0 {
        let Some((now, payload)) = bare.pop() else { break };
        let (number, time_out) = (payload >> 40, payload & ((1 << 40) - 1));
        if time_out == 0 {
            ticks_left -= 1;
            digest = add(digest, now, number);
            armed[number as usize] += 1;
            bare.push(now + TIME_OUT_NS, number << 40 | armed[number as usize]);
            bare.push(now + draws.exponential_ns(), number << 40);
        } else if armed[number as usize] == time_out {
            digest = add(digest, now, !number);
        }
    }
    ended(start, digest)
}

fn server(customers: u64) -> Measured {
    const ARRIVES: u64 = 0;
    const DEPARTS: u64 = 1;
    let (mut bare, mut draws, mut digest) = (Bare::default(), Draws::new(1), 0);
    bare.push(draws.interarrival_ns(), ARRIVES);
    let (start, mut arrivals_left, mut present) = (cpu_now_ns(), customers, 0);
    while let Some((now, event)) = bare.pop() {
        if event == ARRIVES {
            arrivals_left -= 1;
            if arrivals_left > 0 {
                bare.push(now + draws.interarrival_ns(), ARRIVES);
            }
            present += 1;
            if present == 1 {
                bare.push(now + draws.exponential_ns(), DEPARTS);
            }
        } else {
            digest = add(digest, now, present);
            present -= 1;
            if present > 0 {
                bare.push(now + draws.exponential_ns(), DEPARTS);
            }
        }
    }
    ended(start, digest)
}
