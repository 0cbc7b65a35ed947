//! The clock, the schedule and the loop of one run, with its limits.
//!
//! A model gets one event at a time and schedules others; time never goes back. A run that exceeds a limit ends as a
//! [`RunFailure`] that names time and component; it is a result, not the end of the experiment. What events mean
//! belongs to the model.

use super::fingerprint::Fingerprint;
use super::order::{EventClass, EventKey, SourceRank};
use super::queue::{Queue, Timer};
use super::time::SimTime;
use super::trace::Trace;

/// Bounds that every run respects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The run ends here; later events never happen.
    pub horizon: SimTime,
    /// Most events that a run may handle.
    pub events_max: u64,
    /// Most events that may happen at one instant; more are a loop that never lets time pass.
    pub events_per_instant_max: u64,
    /// Most events that may be pending.
    pub pending_max: usize,
}

impl Limits {
    /// The usual limits for a run up to `horizon`.
    #[must_use]
    pub const fn until(horizon: SimTime) -> Self {
        Self {
            horizon,
            events_max: 2_000_000_000,
            events_per_instant_max: 1_000_000,
            pending_max: 100_000_000,
        }
    }
}

/// Why a run ended before its horizon. The run is stored as failed; other runs go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize)]
#[error("at {time}, in {component}: {reason}")]
pub struct RunFailure {
    /// Simulated time of the failure.
    pub time: SimTime,
    /// The component that was handling an event.
    pub component: String,
    /// Which limit or assertion it was, with its value.
    pub reason: String,
}

/// A simulated world: it handles events, one at a time.
pub trait Model {
    /// The closed set of events.
    type Event;

    /// Handles one event at the present time of `kernel`.
    fn handle(&mut self, event: Self::Event, kernel: &mut Kernel<Self::Event>);

    /// A number that stands for the event in the fingerprint. It must not contain ranks or addresses.
    fn digest(event: &Self::Event) -> u64;

    /// The component that handles the event, for messages.
    fn component(event: &Self::Event) -> &'static str;
}

/// What a model may do to the simulation: read the clock, schedule, cancel, and tell what happened.
pub struct Kernel<E> {
    now: SimTime,
    queue: Queue<E>,
    counters: Vec<u32>,
    limits: Limits,
    handled: u64,
    fingerprint: Fingerprint,
    /// The story of the run, if somebody asked for it.
    pub trace: Trace,
}

impl<E> Kernel<E> {
    /// An empty schedule at time zero.
    #[must_use]
    pub fn new(limits: Limits, trace: Trace) -> Self {
        Self {
            now: SimTime::ZERO,
            queue: Queue::default(),
            counters: Vec::new(),
            limits,
            handled: 0,
            fingerprint: Fingerprint::default(),
            trace,
        }
    }

    /// The present.
    #[must_use]
    pub const fn now(&self) -> SimTime {
        self.now
    }

    /// The end of the run.
    #[must_use]
    pub const fn horizon(&self) -> SimTime {
        self.limits.horizon
    }

    /// Events handled so far.
    #[must_use]
    pub const fn handled(&self) -> u64 {
        self.handled
    }

    /// The fingerprint of all events so far.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Schedules an event. `source` is the component that schedules it.
    ///
    /// # Panics
    /// If `at` lies in the past.
    pub fn schedule(&mut self, source: SourceRank, class: EventClass, at: SimTime, event: E) -> Timer {
        assert!(
            at >= self.now,
            "an event was scheduled for {at}, which is before {}",
            self.now
        );
        if source.index() >= self.counters.len() {
            self.counters.resize(source.index() + 1, 0);
        }
        let counter = &mut self.counters[source.index()];
        let key = EventKey::new(at, class, source, *counter);
        *counter = counter.checked_add(1).expect("a component scheduled 2^32 events");
        self.queue.push(key, event)
    }

    /// Cancels a pending event; does nothing if it has happened.
    pub fn cancel(&mut self, timer: Timer) {
        self.queue.cancel(timer);
    }

    /// Adds a line to the story of the run; `text` is only made if somebody asked for the story.
    pub fn tell(&mut self, component: &'static str, text: impl FnOnce() -> String) {
        let now = self.now;
        self.trace.tell(now, component, text);
    }
}

/// Runs the model until nothing is pending or the horizon is reached.
///
/// # Errors
/// A [`RunFailure`] if a limit is exceeded.
pub fn run<M: Model>(model: &mut M, kernel: &mut Kernel<M::Event>) -> Result<(), RunFailure> {
    let mut at_this_instant = 0_u64;
    while let Some(key) = kernel.queue.peek() {
        if key.time() > kernel.limits.horizon {
            break;
        }
        let (_, event) = kernel.queue.pop().expect("an event was pending");
        assert!(
            key.time() >= kernel.now,
            "time went back from {} to {}",
            kernel.now,
            key.time()
        );
        at_this_instant = if key.time() == kernel.now {
            at_this_instant + 1
        } else {
            1
        };
        kernel.now = key.time();
        kernel.handled += 1;
        let component = M::component(&event);
        let fail = |reason: String| RunFailure {
            time: key.time(),
            component: component.to_owned(),
            reason,
        };
        if kernel.handled > kernel.limits.events_max {
            return Err(fail(format!("more than {} events", kernel.limits.events_max)));
        }
        if at_this_instant > kernel.limits.events_per_instant_max {
            return Err(fail(format!(
                "more than {} events at one instant: time does not pass",
                kernel.limits.events_per_instant_max
            )));
        }
        if kernel.queue.len() > kernel.limits.pending_max {
            return Err(fail(format!("more than {} pending events", kernel.limits.pending_max)));
        }
        kernel
            .fingerprint
            .mix(key.time().as_nanos(), u64::from(key.class_number()), M::digest(&event));
        model.handle(event, kernel);
    }
    kernel.now = kernel.limits.horizon.max(kernel.now);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::time::SimDuration;

    /// Rings every second, or for ever at the same instant.
    struct Bell {
        stuck: bool,
        rings: u64,
    }

    impl Model for Bell {
        type Event = ();
        fn handle(&mut self, (): (), kernel: &mut Kernel<()>) {
            self.rings += 1;
            let pause = if self.stuck {
                SimDuration::ZERO
            } else {
                SimDuration::from_secs(1)
            };
            kernel.schedule(SourceRank::new(0), EventClass::Timer, kernel.now() + pause, ());
        }
        fn digest((): &()) -> u64 {
            0
        }
        fn component((): &()) -> &'static str {
            "bell"
        }
    }

    fn ring(stuck: bool, limits: Limits) -> (Result<(), RunFailure>, u64, Kernel<()>) {
        let mut kernel = Kernel::new(limits, Trace::off());
        kernel.schedule(SourceRank::new(0), EventClass::Timer, SimTime::ZERO, ());
        let mut bell = Bell { stuck, rings: 0 };
        let result = run(&mut bell, &mut kernel);
        (result, bell.rings, kernel)
    }

    fn ten_seconds() -> Limits {
        Limits::until(SimTime::ZERO + SimDuration::from_secs(10))
    }

    #[test]
    fn the_horizon_is_included_and_ends_the_run() {
        let (result, rings, kernel) = ring(false, ten_seconds());
        assert_eq!((result, rings, kernel.now()), (Ok(()), 11, ten_seconds().horizon));
    }

    #[test]
    fn a_loop_without_time_is_named() {
        let (result, _, _) = ring(
            true,
            Limits {
                events_per_instant_max: 100,
                ..ten_seconds()
            },
        );
        assert_eq!(
            result.unwrap_err().to_string(),
            "at 0.000 s, in bell: more than 100 events at one instant: time does not pass"
        );
    }

    #[test]
    fn too_many_events_are_named() {
        let (result, _, _) = ring(
            false,
            Limits {
                events_max: 3,
                ..ten_seconds()
            },
        );
        assert_eq!(
            result.unwrap_err().to_string(),
            "at 3.000 s, in bell: more than 3 events"
        );
    }

    #[test]
    fn equal_runs_have_equal_fingerprints_and_longer_ones_another() {
        let (_, _, a) = ring(false, ten_seconds());
        let (_, _, b) = ring(false, ten_seconds());
        let (_, _, c) = ring(false, Limits::until(SimTime::ZERO + SimDuration::from_secs(9)));
        assert_eq!(a.fingerprint(), b.fingerprint());
        assert_ne!(a.fingerprint(), c.fingerprint());
    }

    #[test]
    #[should_panic(expected = "which is before")]
    fn the_past_cannot_be_scheduled() {
        struct Back;
        impl Model for Back {
            type Event = ();
            fn handle(&mut self, (): (), kernel: &mut Kernel<()>) {
                kernel.schedule(SourceRank::new(0), EventClass::Timer, SimTime::ZERO, ());
            }
            fn digest((): &()) -> u64 {
                0
            }
            fn component((): &()) -> &'static str {
                "back"
            }
        }
        let mut kernel = Kernel::new(ten_seconds(), Trace::off());
        kernel.schedule(SourceRank::new(0), EventClass::Timer, SimTime::from_nanos(5), ());
        let _ = run(&mut Back, &mut kernel);
    }
}
