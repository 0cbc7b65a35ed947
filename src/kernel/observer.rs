//! Who looks at a run, event by event, and what is seen.
//!
//! An observer is a type parameter of the run loop: without one, it costs nothing. What is made of it (`ladder`,
//! logs, comparisons) belongs to the observers.

use std::ops::ControlFlow;

use super::order::EventClass;
use super::run_loop::Model;
use super::time::SimTime;

/// An event that is about to be handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Its number in the run, from 1.
    pub number: u64,
    /// When it happens.
    pub time: SimTime,
    /// Its class.
    pub class: EventClass,
    /// The component that handles it.
    pub component: &'static str,
    /// What stands for it in the fingerprint.
    pub digest: u64,
    /// Other events that are pending.
    pub pending: usize,
}

/// Looks at every event before it is handled. It cannot change the run, except by ending it.
pub trait Observer<M: Model> {
    /// Sees an event and the model as it is before; `Break` ends the run there.
    fn event(&mut self, moment: &Moment, event: &M::Event, model: &M) -> ControlFlow<()>;
}

/// Observes nothing.
pub(super) struct NoObserver;

impl<M: Model> Observer<M> for NoObserver {
    #[inline(always)]
    fn event(&mut self, _: &Moment, _: &M::Event, _: &M) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}
