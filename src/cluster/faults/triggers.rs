//! What starts or ends faults because it happens: the events for which faults wait, and how often each has happened.
//!
//! What can be waited for is in `when.rs`; which fact is which event, and what a start or an end does, in `cluster/fault.rs`.

use std::collections::BTreeMap;

use super::FaultSpec;
use super::when::Event;
use crate::cluster::ids::FaultId;
use crate::kernel::{SimDuration, Timer};

/// What starts or ends faults because it happens, and how often each fault has started.
#[derive(Debug, Default)]
pub struct Triggers {
    watches: Vec<Watch>,
    starts: BTreeMap<FaultId, u32>,
    /// Ends that something has brought about and that still lie ahead.
    ends: Vec<(FaultId, Timer)>,
}

/// An event that starts or ends a fault.
#[derive(Clone, Copy, Debug)]
struct Watch {
    event: Event,
    fault: FaultId,
    starts: bool,
    /// Which occurrence does; none if each does.
    count: Option<u32>,
    seen: u32,
    wait: SimDuration,
}

impl Triggers {
    /// Those of the faults of a design.
    #[must_use]
    pub fn new(faults: &[FaultSpec]) -> Self {
        let mut watches = Vec::new();
        for (number, spec) in (0..).zip(faults) {
            let mut watch = |event, starts, count, wait| {
                let fault = FaultId(number);
                watches.push(Watch {
                    event,
                    fault,
                    starts,
                    count,
                    seen: 0,
                    wait,
                });
            };
            if let Some(after) = spec.when.after {
                watch(after.event, true, Some(after.count), after.wait);
            }
            if let Some(until) = spec.when.until {
                watch(until.event, false, Some(until.count), until.wait);
            }
            if let Some(holds) = spec.when.holds {
                let (begins, ends) = holds.events();
                watch(begins, true, None, SimDuration::ZERO);
                watch(ends, false, None, SimDuration::ZERO);
            }
        }
        Self {
            watches,
            ..Self::default()
        }
    }

    /// Whether nothing that happens starts or ends a fault.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.watches.is_empty()
    }

    /// What has happened ends a fault by this timer.
    pub fn ends(&mut self, fault: FaultId, timer: Timer) {
        self.ends.push((fault, timer));
    }

    /// How often a fault has started before.
    #[must_use]
    pub fn starts(&self, fault: FaultId) -> u32 {
        self.starts.get(&fault).copied().unwrap_or_default()
    }

    /// A fault has started: what ends it is counted from now on.
    pub fn started(&mut self, fault: FaultId) {
        *self.starts.entry(fault).or_default() += 1;
        let ends = self
            .watches
            .iter_mut()
            .filter(|watch| watch.fault == fault && !watch.starts);
        ends.for_each(|watch| watch.seen = 0);
    }

    /// A fault has ended: ends of it that lie ahead come back, to be cancelled.
    pub fn ended(&mut self, fault: FaultId) -> Vec<Timer> {
        self.ends
            .extract_if(.., |(of, _)| *of == fault)
            .map(|(_, timer)| timer)
            .collect()
    }

    /// Which faults an event starts or ends, and after what wait.
    pub fn see(&mut self, event: Event) -> Vec<(FaultId, bool, SimDuration)> {
        let mut due = Vec::new();
        for watch in self.watches.iter_mut().filter(|watch| watch.event == event) {
            watch.seen += 1;
            if watch.count.is_none_or(|count| count == watch.seen) {
                due.push((watch.fault, watch.starts, watch.wait));
            }
        }
        due
    }
}
