//! What each workload is, apart from the engine that runs it: sizes, random numbers, handlers' arithmetic and the digest.
//!
//! Both engines use exactly these, so that their digests agree. How events are kept belongs to `on_kernel` and `on_bare_heap`.

use meshfault::kernel::{EntityKey, Purpose, RunKey, Stream};

/// Time unit of all workloads in nanoseconds.
pub const SECOND_NS: f64 = 1e9;
/// Arrivals per second of W4; the server serves one customer per second.
pub const LOAD: f64 = 0.8;
/// Mean time between ticks times this is the timeout of W3.
pub const TIME_OUT_NS: u64 = 10_000_000_000;
/// Events of one run of W5.
pub const SHORT_RUN_EVENTS: u64 = 20_000;

/// The five workloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Hold model: n pending; take the earliest, add one at now + Exp(1).
    W1,
    /// n components of 64 bytes, n messages in flight; each goes on to a random component after 0.1 + Exp(1).
    W2,
    /// n connections; each tick cancels the connection's timeout, arms a new one and schedules the next tick.
    W3,
    /// M/M/1 at load 0.8 with an arrival and a departure event; an event is a customer.
    W4,
    /// Many short runs of W2, building and dropping included.
    W5,
}

impl Workload {
    /// All with the sizes that are measured and the number of events that takes long enough.
    pub const MEASURED: [(Self, u64, u64); 8] = [
        (Self::W1, 100, 2_000_000),
        (Self::W1, 10_000, 2_000_000),
        (Self::W1, 1_000_000, 2_000_000),
        (Self::W2, 1_000, 2_000_000),
        (Self::W2, 100_000, 2_000_000),
        (Self::W3, 1_000, 1_000_000),
        (Self::W4, 1, 1_000_000),
        (Self::W5, 100, 2_000_000),
    ];
}

/// What one measurement gave.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// CPU time of this thread, in nanoseconds, without building (W5: with it).
    pub cpu_ns: u64,
    /// A number over everything that was handled, in order.
    pub digest: u64,
}

#[derive(Clone, Copy)]
struct Driver;

impl Purpose for Driver {
    fn name(self) -> &'static str {
        "workload"
    }
}

/// The random numbers of a workload: one long stream, the same for both engines.
pub struct Draws(Stream);

impl Draws {
    /// The numbers of a workload of this size.
    pub fn new(n: u64) -> Self {
        Self(RunKey::derive(1, "kernel workloads", n).stream(Driver, EntityKey::root("driver")))
    }

    /// An exponential span of mean 1 s, in nanoseconds.
    #[inline]
    pub fn exponential_ns(&mut self) -> u64 {
        (-libm::log(self.0.uniform()) * SECOND_NS) as u64
    }

    /// The delay of a message of W2: 0.1 s + Exp(1 s).
    #[inline]
    pub fn message_delay_ns(&mut self) -> u64 {
        100_000_000 + self.exponential_ns()
    }

    /// The time to the next customer of W4.
    #[inline]
    pub fn interarrival_ns(&mut self) -> u64 {
        (-libm::log(self.0.uniform()) * (SECOND_NS / LOAD)) as u64
    }

    /// A component.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        self.0.below(n)
    }
}

/// Adds an event to a digest: cheap, and different for a different order.
#[inline]
pub fn add(digest: u64, time_ns: u64, payload: u64) -> u64 {
    digest.rotate_left(7).wrapping_add(time_ns ^ payload.rotate_left(32))
}

/// State of a component of W2: one cache line.
pub type Component = [u64; 8];

/// What a component of W2 does with a message.
#[inline]
pub fn receive(component: &mut Component, time_ns: u64) {
    component[0] += 1;
    component[(component[0] % 7 + 1) as usize] ^= time_ns;
}

/// The CPU time that this thread has used, in nanoseconds.
pub fn cpu_now_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
