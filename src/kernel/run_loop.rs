//! The clock, the schedule and the loop of one run, with its limits.
//!
//! A model gets one event at a time and schedules others; time never goes back. A run that exceeds a limit ends as a
//! [`RunFailure`] that names time and component; it is a result, not the end of the experiment. Whoever wants to see
//! every event passes an [`Observer`]; without one nothing is paid for it. What events mean belongs to the model.

use super::fingerprint::Fingerprint;
use super::interrupt::runs_shall_end;
use super::limits::{Limits, RunFailure};
use super::observer::{Moment, NoObserver, Observer};
use super::order::{EventClass, EventKey, SourceRank, TieOrder};
use super::queue::{Queue, Timer};
use super::time::SimTime;

/// The estimate of memory is made once per so many events; a power of two.
const MEMORY_LOOK_EVENTS: u64 = 1 << 12;

/// A simulated world: it handles events, one at a time.
pub trait Model {
    /// The closed set of events.
    type Event;

    /// Handles one event at the present time of `kernel`.
    fn handle(&mut self, event: Self::Event, kernel: &mut Kernel<Self::Event>);

    /// A number that stands for the event in the fingerprint. It must not contain ranks or addresses in memory, so that
    /// an additional idle component changes nothing.
    fn digest(&self, event: &Self::Event) -> u64;

    /// The component that handles the event, for messages.
    fn component(event: &Self::Event) -> &'static str;

    /// About how many bytes the model takes; cheap, for the limit.
    fn memory_bytes(&self) -> u64 {
        0
    }
}

/// What a model may do to the simulation: read the clock, schedule, cancel, and report what happened.
pub struct Kernel<E> {
    now: SimTime,
    queue: Queue<E>,
    counters: Vec<u32>,
    limits: Limits,
    ties: TieOrder,
    handled: u64,
    component: &'static str,
    fingerprint: Fingerprint,
}

impl<E> Kernel<E> {
    /// An empty schedule at time zero.
    pub fn new(limits: Limits) -> Self {
        Self {
            now: SimTime::ZERO,
            queue: Queue::default(),
            counters: Vec::new(),
            limits,
            ties: TieOrder::Ranked,
            handled: 0,
            component: "start of the run",
            fingerprint: Fingerprint::default(),
        }
    }

    /// The same with another order of events at one instant; to be said before anything is scheduled.
    pub fn with_ties(mut self, ties: TieOrder) -> Self {
        assert!(
            self.queue.is_empty(),
            "the order of ties is chosen before anything is scheduled"
        );
        self.ties = ties;
        self
    }

    /// The present.
    pub const fn now(&self) -> SimTime {
        self.now
    }

    /// The end of the run.
    pub const fn horizon(&self) -> SimTime {
        self.limits.horizon
    }

    /// Events handled so far.
    pub const fn handled(&self) -> u64 {
        self.handled
    }

    /// The component that is handling an event, or handled the last one; whoever catches a panic reads it here.
    pub const fn component(&self) -> &'static str {
        self.component
    }

    /// The fingerprint of all events so far.
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
        let key = EventKey::new(at, class, self.ties.place(source), *counter);
        *counter = counter.checked_add(1).expect("a component scheduled 2^32 events");
        self.queue.push(key, event)
    }

    /// Cancels a pending event; does nothing if it has happened.
    pub fn cancel(&mut self, timer: Timer) {
        self.queue.cancel(timer);
    }
}

/// Runs the model until nothing is pending or the horizon is reached.
///
/// # Errors
/// A [`RunFailure`] if a limit is exceeded.
pub fn run<M: Model>(model: &mut M, kernel: &mut Kernel<M::Event>) -> Result<(), RunFailure> {
    run_observed(model, kernel, &mut NoObserver)
}

/// As [`run`], with an observer of every event.
///
/// # Errors
/// A [`RunFailure`] if a limit is exceeded.
///
/// # Panics
/// If time goes back, which only a defect of the schedule can cause.
pub fn run_observed<M: Model>(
    model: &mut M,
    kernel: &mut Kernel<M::Event>,
    observer: &mut impl Observer<M>,
) -> Result<(), RunFailure> {
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
        kernel.component = M::component(&event);
        if let Some(reason) = kernel.exceeded(model, at_this_instant) {
            return Err(RunFailure {
                time: kernel.now,
                component: kernel.component.to_owned(),
                reason,
            });
        }
        let digest = model.digest(&event);
        kernel
            .fingerprint
            .mix(key.time().as_nanos(), u64::from(key.class_number()), digest);
        let moment = Moment {
            number: kernel.handled,
            time: key.time(),
            class: EventClass::of_number(key.class_number()),
            component: kernel.component,
            digest,
            pending: kernel.queue.len(),
        };
        if observer.event(&moment, &event, model).is_break() {
            return Ok(());
        }
        model.handle(event, kernel);
    }
    kernel.component = "end of the run";
    kernel.now = kernel.limits.horizon.max(kernel.now);
    Ok(())
}

impl<E> Kernel<E> {
    /// The limit that the present event exceeds, in words.
    fn exceeded<M: Model<Event = E>>(&self, model: &M, at_this_instant: u64) -> Option<String> {
        let Limits {
            events_max,
            events_per_instant_max,
            pending_max,
            memory_max_bytes,
            ..
        } = self.limits;
        if self.handled > events_max {
            return Some(format!("more than {events_max} events"));
        }
        if at_this_instant > events_per_instant_max {
            return Some(format!(
                "more than {events_per_instant_max} events at one instant: time does not pass"
            ));
        }
        if self.queue.len() > pending_max {
            return Some(format!("more than {pending_max} pending events"));
        }
        // At every event, since some of them take long.
        if runs_shall_end() {
            return Some("the program was asked to end".to_owned());
        }
        if self.handled.is_multiple_of(MEMORY_LOOK_EVENTS) {
            // Key, place and slot of a pending event take about 40 bytes in addition to the event itself.
            let schedule = self.queue.len() as u64 * (size_of::<E>() as u64 + 40);
            if model.memory_bytes().saturating_add(schedule) > memory_max_bytes {
                return Some(format!("more than {} MiB by estimate", memory_max_bytes >> 20));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::kernel::order::TieKey;
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
        fn digest(&self, (): &()) -> u64 {
            0
        }
        fn component((): &()) -> &'static str {
            "bell"
        }
        fn memory_bytes(&self) -> u64 {
            self.rings * 1024
        }
    }

    fn ring(stuck: bool, limits: Limits) -> (Result<(), RunFailure>, u64, Kernel<()>) {
        let mut kernel = Kernel::new(limits);
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
    fn too_many_pending_events_and_too_much_memory_are_named() {
        let (result, _, _) = ring(
            false,
            Limits {
                pending_max: 0,
                ..ten_seconds()
            },
        );
        // The event under way is not pending; the next one is.
        assert_eq!(result, Ok(()));
        let horizon = SimTime::ZERO + SimDuration::from_secs(10_000);
        let (result, rings, _) = ring(
            false,
            Limits {
                memory_max_bytes: 4 << 20,
                ..Limits::until(horizon)
            },
        );
        assert_eq!(
            (result.unwrap_err().reason.as_str(), rings),
            ("more than 4 MiB by estimate", 2 * MEMORY_LOOK_EVENTS - 1)
        );
    }

    #[test]
    fn an_observer_sees_every_event_and_can_end_the_run() {
        struct Until(u64, Vec<Moment>);
        impl Observer<Bell> for Until {
            fn event(&mut self, moment: &Moment, (): &(), bell: &Bell) -> ControlFlow<()> {
                assert_eq!(bell.rings + 1, moment.number);
                self.1.push(*moment);
                if moment.number == self.0 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            }
        }
        let mut kernel = Kernel::new(ten_seconds());
        kernel.schedule(SourceRank::new(0), EventClass::Timer, SimTime::ZERO, ());
        let mut bell = Bell { stuck: false, rings: 0 };
        let mut until = Until(4, Vec::new());
        assert_eq!(run_observed(&mut bell, &mut kernel, &mut until), Ok(()));
        // The fourth was seen and not handled.
        assert_eq!((bell.rings, until.1.len()), (3, 4));
        let last = until.1[3];
        assert_eq!(
            (last.time, last.component),
            (SimTime::ZERO + SimDuration::from_secs(3), "bell")
        );
        assert_eq!(last.class, EventClass::Timer);
    }

    #[test]
    fn ties_are_broken_as_was_said() {
        struct Order(Vec<u32>);
        impl Model for Order {
            type Event = u32;
            fn handle(&mut self, event: u32, _: &mut Kernel<u32>) {
                self.0.push(event);
            }
            fn digest(&self, event: &u32) -> u64 {
                u64::from(*event)
            }
            fn component(_: &u32) -> &'static str {
                "order"
            }
        }
        let order = |ties: TieOrder| {
            let mut kernel = Kernel::new(ten_seconds()).with_ties(ties);
            for event in 0..40 {
                kernel.schedule(
                    SourceRank::new(event / 2),
                    EventClass::Timer,
                    SimTime::from_nanos(5),
                    event,
                );
            }
            let mut model = Order(Vec::new());
            run(&mut model, &mut kernel).unwrap();
            model.0
        };
        assert_eq!(order(TieOrder::Ranked), (0..40).collect::<Vec<_>>());
        let permuted = order(TieOrder::Permuted(TieKey::derive(1, "g", 0)));
        assert_ne!(permuted, (0..40).collect::<Vec<_>>());
        // The two events of one source stay together and in their order.
        assert!(
            permuted
                .chunks(2)
                .all(|pair| pair[0] + 1 == pair[1] && pair[0] % 2 == 0)
        );
    }

    #[test]
    #[should_panic(expected = "time went back")]
    fn time_never_goes_back_whatever_the_schedule_gives() {
        let mut kernel = Kernel::new(ten_seconds());
        kernel.now = SimTime::from_nanos(7);
        let key = EventKey::new(SimTime::from_nanos(5), EventClass::Timer, SourceRank::new(0), 0);
        kernel.queue.push(key, ());
        let _ = run(&mut Bell { stuck: false, rings: 0 }, &mut kernel);
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
            fn digest(&self, (): &()) -> u64 {
                0
            }
            fn component((): &()) -> &'static str {
                "back"
            }
        }
        let mut kernel = Kernel::new(ten_seconds());
        kernel.schedule(SourceRank::new(0), EventClass::Timer, SimTime::from_nanos(5), ());
        let _ = run(&mut Back, &mut kernel);
    }
}
