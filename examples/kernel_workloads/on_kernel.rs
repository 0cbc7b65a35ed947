//! The workloads through the kernel's public API.
//!
//! One source schedules everything, so that ties are broken by its counter alone, as in the bare heap; a fingerprint is
//! kept, as always. The bare heap's versions stand in `on_bare_heap`.

use meshfault::kernel::{EventClass, Kernel, Limits, Model, SimDuration, SimTime, SourceRank, Timer, run};

use super::workload::{Component, Draws, Measured, SHORT_RUN_EVENTS, TIME_OUT_NS, Workload, add, cpu_now_ns, receive};

/// Runs a workload of size `n` and measures `events` events.
pub fn measure(workload: Workload, n: u64, events: u64) -> Measured {
    match workload {
        Workload::W1 => timed(&mut Hold::new(n), n, events),
        Workload::W2 => timed(&mut Messages::new(n), n, events),
        Workload::W3 => timed(&mut TimeOuts::new(n, events), n, u64::MAX),
        Workload::W4 => timed(&mut Server::new(events), n, u64::MAX),
        Workload::W5 => {
            let start = cpu_now_ns();
            let mut digest = 0;
            for number in 0..events / SHORT_RUN_EVENTS {
                let mut model = Messages::new(n);
                model.draws = Draws::new(number);
                let mut kernel = prepared(&mut model, n, SHORT_RUN_EVENTS);
                let _ = run(&mut model, &mut kernel);
                digest ^= model.digest.rotate_left(number as u32);
            }
            Measured {
                cpu_ns: cpu_now_ns() - start,
                digest,
            }
        }
    }
}

/// A model with its first events and what it found.
pub trait Prepared: Model {
    /// Most events that may be pending, for a workload of size n.
    const PENDING_PER_N: usize;
    /// Schedules what is pending at the start.
    fn begin(&mut self, n: u64, kernel: &mut Kernel<Self::Event>);
    /// The digest so far.
    fn outcome(&self) -> u64;
}

/// A kernel in which the first events are pending; it ends the run after `events` of them.
pub fn prepared<M: Prepared>(model: &mut M, n: u64, events: u64) -> Kernel<M::Event> {
    let mut limits = Limits::until(SimTime::NEVER);
    limits.events_max = events;
    // A queue that kept cancelled timeouts would fail here.
    limits.pending_max = M::PENDING_PER_N * n as usize;
    let mut kernel = Kernel::new(limits);
    model.begin(n, &mut kernel);
    kernel
}

fn timed<M: Prepared>(model: &mut M, n: u64, events: u64) -> Measured {
    let mut kernel = prepared(model, n, events);
    let start = cpu_now_ns();
    let result = run(model, &mut kernel);
    let cpu_ns = cpu_now_ns() - start;
    let ended = |failure: &meshfault::kernel::RunFailure| failure.reason == format!("more than {events} events");
    assert!(result.as_ref().err().is_none_or(ended), "{result:?}");
    Measured {
        cpu_ns,
        digest: model.outcome(),
    }
}

#[inline]
fn after<E>(kernel: &mut Kernel<E>, delay_ns: u64, event: E) -> Timer {
    let at = kernel.now() + SimDuration::from_nanos(delay_ns);
    kernel.schedule(SourceRank::new(0), EventClass::Timer, at, event)
}

/// W1.
pub struct Hold {
    draws: Draws,
    digest: u64,
}

impl Hold {
    /// With its random numbers.
    pub fn new(n: u64) -> Self {
        Self {
            draws: Draws::new(n),
            digest: 0,
        }
    }
}

impl Model for Hold {
    type Event = u32;

    #[inline]
    fn handle(&mut self, event: u32, kernel: &mut Kernel<u32>) {
        self.digest = add(self.digest, kernel.now().as_nanos(), u64::from(event));
        after(kernel, self.draws.exponential_ns(), event);
    }
    #[inline]
    fn digest(&self, event: &u32) -> u64 {
        u64::from(*event)
    }
    #[inline]
    fn component(_: &u32) -> &'static str {
        "hold"
    }
}

impl Prepared for Hold {
    const PENDING_PER_N: usize = 1;
    fn begin(&mut self, n: u64, kernel: &mut Kernel<u32>) {
        for event in 0..n as u32 {
            after(kernel, self.draws.exponential_ns(), event);
        }
    }
    fn outcome(&self) -> u64 {
        self.digest
    }
}

/// W2.
pub struct Messages {
    components: Vec<Component>,
    draws: Draws,
    digest: u64,
}

impl Messages {
    /// Builds the components.
    pub fn new(n: u64) -> Self {
        Self {
            components: vec![[0; 8]; n as usize],
            draws: Draws::new(n),
            digest: 0,
        }
    }
}

/// A message to a component.
pub struct Message {
    to: u32,
}

impl Model for Messages {
    type Event = Message;

    #[inline]
    fn handle(&mut self, message: Message, kernel: &mut Kernel<Message>) {
        let now = kernel.now().as_nanos();
        self.digest = add(self.digest, now, u64::from(message.to));
        receive(&mut self.components[message.to as usize], now);
        let to = self.draws.below(self.components.len() as u64) as u32;
        after(kernel, self.draws.message_delay_ns(), Message { to });
    }
    #[inline]
    fn digest(&self, event: &Message) -> u64 {
        u64::from(event.to)
    }
    #[inline]
    fn component(_: &Message) -> &'static str {
        "component"
    }
}

impl Prepared for Messages {
    const PENDING_PER_N: usize = 1;
    fn begin(&mut self, n: u64, kernel: &mut Kernel<Message>) {
        for to in 0..n as u32 {
            after(kernel, self.draws.message_delay_ns(), Message { to });
        }
    }
    fn outcome(&self) -> u64 {
        self.digest
    }
}

/// W3.
pub struct TimeOuts {
    armed: Vec<Option<Timer>>,
    draws: Draws,
    digest: u64,
    ticks_left: u64,
}

impl TimeOuts {
    /// With so many ticks to come.
    pub fn new(n: u64, ticks: u64) -> Self {
        Self {
            armed: vec![None; n as usize],
            draws: Draws::new(n),
            digest: 0,
            ticks_left: ticks,
        }
    }
}

/// What happens to a connection.
pub enum Connection {
    /// Something was sent or received.
    Tick(u32),
    /// Nothing was, for a long time.
    TimedOut(u32),
}

impl Model for TimeOuts {
    type Event = Connection;

    #[inline]
    fn handle(&mut self, event: Connection, kernel: &mut Kernel<Connection>) {
        if self.ticks_left == 0 {
            return;
        }
        match event {
            Connection::Tick(number) => {
                self.ticks_left -= 1;
                self.digest = add(self.digest, kernel.now().as_nanos(), u64::from(number));
                if let Some(armed) = self.armed[number as usize].take() {
                    kernel.cancel(armed);
                }
                self.armed[number as usize] = Some(after(kernel, TIME_OUT_NS, Connection::TimedOut(number)));
                after(kernel, self.draws.exponential_ns(), Connection::Tick(number));
            }
            Connection::TimedOut(number) => {
                self.digest = add(self.digest, kernel.now().as_nanos(), !u64::from(number));
                self.armed[number as usize] = None;
            }
        }
    }
    #[inline]
    fn digest(&self, event: &Connection) -> u64 {
        match event {
            Connection::Tick(number) => u64::from(*number) << 1,
            Connection::TimedOut(number) => u64::from(*number) << 1 | 1,
        }
    }
    #[inline]
    fn component(_: &Connection) -> &'static str {
        "connection"
    }
}

impl Prepared for TimeOuts {
    const PENDING_PER_N: usize = 2;
    fn begin(&mut self, n: u64, kernel: &mut Kernel<Connection>) {
        for number in 0..n as u32 {
            after(kernel, self.draws.exponential_ns(), Connection::Tick(number));
        }
    }
    fn outcome(&self) -> u64 {
        self.digest
    }
}

/// W4: a component with a counter of waiting customers, an event for each arrival and each departure.
pub struct Server {
    present: u64,
    arrivals_left: u64,
    draws: Draws,
    digest: u64,
}

impl Server {
    /// With so many customers to come.
    pub fn new(customers: u64) -> Self {
        Self {
            present: 0,
            arrivals_left: customers,
            draws: Draws::new(1),
            digest: 0,
        }
    }
}

/// What happens at the server.
pub enum Customer {
    /// One comes.
    Arrives,
    /// The one in service goes.
    Departs,
}

impl Model for Server {
    type Event = Customer;

    #[inline]
    fn handle(&mut self, event: Customer, kernel: &mut Kernel<Customer>) {
        match event {
            Customer::Arrives => {
                self.arrivals_left -= 1;
                if self.arrivals_left > 0 {
                    after(kernel, self.draws.interarrival_ns(), Customer::Arrives);
                }
                self.present += 1;
                if self.present == 1 {
                    after(kernel, self.draws.exponential_ns(), Customer::Departs);
                }
            }
            Customer::Departs => {
                self.digest = add(self.digest, kernel.now().as_nanos(), self.present);
                self.present -= 1;
                if self.present > 0 {
                    after(kernel, self.draws.exponential_ns(), Customer::Departs);
                }
            }
        }
    }
    #[inline]
    fn digest(&self, event: &Customer) -> u64 {
        match event {
            Customer::Arrives => 0,
            Customer::Departs => 1,
        }
    }
    #[inline]
    fn component(_: &Customer) -> &'static str {
        "server"
    }
}

impl Prepared for Server {
    const PENDING_PER_N: usize = 2;
    fn begin(&mut self, _: u64, kernel: &mut Kernel<Customer>) {
        after(kernel, self.draws.interarrival_ns(), Customer::Arrives);
    }
    fn outcome(&self) -> u64 {
        self.digest
    }
}
