//! One replication made twice: the first run is recorded, the second is held against it and ends at the first event or
//! the first drawn number that differs.
//!
//! The two runs are made one after the other on one thread, so that whatever one run leaves behind for the next shows.
//! Which replications are made, and what is said about them, belongs to the parent.

use std::ops::ControlFlow;

use serde::Serialize;

use crate::cluster::context::Shared;
use crate::cluster::event::Event;
use crate::cluster::records::Outcome;
use crate::cluster::world::Watch;
use crate::kernel::{Draw, DrawLog, EntityKey, Fingerprint, Ladder, Moment, SimTime};
use crate::lab::designs::Simulator;
use crate::lab::runner::guarded;

/// Events of the first run that are kept to compare with. Of longer runs the rest is compared by fingerprint and rows.
const KEPT_MAX: usize = 1 << 22;

#[derive(Clone, Debug, Serialize)]
pub struct EventDifference {
    /// The last event that is equal in both; absent if the runs differ from the start.
    pub last_equal: Option<EventSeen>,
    /// What the first run does next; absent if it has ended.
    pub first: Option<EventSeen>,
    /// What the second run does next; absent if it has ended.
    pub second: Option<EventSeen>,
    /// What the first run drew since the last equal event.
    pub first_draws: Vec<DrawSeen>,
    /// What the second run drew since then.
    pub second_draws: Vec<DrawSeen>,
}

impl EventDifference {
    /// Whether the events are equal and only the drawn numbers differ.
    pub fn only_draws(&self) -> bool {
        self.first.is_some() && self.first == self.second
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventSeen {
    /// Its number in the run, from 1.
    pub number: u64,
    pub time: SimTime,
    pub class: &'static str,
    pub component: &'static str,
    /// What happens, with what it is about.
    pub description: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DrawSeen {
    pub purpose: &'static str,
    /// For whom: the pod's name if it is a pod's, else the key in hexadecimal.
    pub entity: String,
    /// Its place in its stream, from 0.
    pub ordinal: u32,
    pub bits: String,
    /// The uniform variate that it gives.
    pub uniform: f64,
}

impl EventSeen {
    pub fn new(moment: &Moment, event: &Event, shared: &Shared) -> Self {
        Self {
            number: moment.number,
            time: moment.time,
            class: moment.class.name(),
            component: moment.component,
            description: with_pod_names(&format!("{event:?}"), shared),
        }
    }
}

/// The text with the name of each pod behind its number.
fn with_pod_names(text: &str, shared: &Shared) -> String {
    const MARK: &str = "PodId(";
    let mut pieces = text.split(MARK);
    let mut told = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (number, rest) = piece.split_once(')').unwrap_or((piece, ""));
        let pod = number.parse().map(crate::cluster::ids::PodId);
        match pod.ok().filter(|pod| pod.index() < shared.pods.len()) {
            Some(pod) => told.push_str(&format!("pod {}{rest}", shared.pod_name(pod))),
            None => told.push_str(&format!("pod {number}{rest}")),
        }
    }
    told
}

fn owner(entity: EntityKey, shared: Option<&Shared>) -> String {
    let pods = shared.map_or(&[] as &[_], |shared| shared.pods.as_slice());
    let pod = pods.iter().position(|meta| meta.key == entity);
    match (pod, shared) {
        (Some(pod), Some(shared)) => shared.pod_name(crate::cluster::ids::PodId(pod as u32)),
        _ => format!("{:016x}", entity.get()),
    }
}

fn told(draws: &[Draw], shared: Option<&Shared>) -> Vec<DrawSeen> {
    let told = draws.iter().map(|draw| DrawSeen {
        purpose: draw.purpose,
        entity: owner(draw.entity, shared),
        ordinal: draw.ordinal,
        bits: format!("{:016x}", draw.bits),
        uniform: ((draw.bits >> 12) as f64 + 0.5) / (1_u64 << 52) as f64,
    });
    told.collect()
}

/// An event of the first run, and how many numbers were drawn before it.
struct Kept {
    moment: Moment,
    event: Event,
    draws_before: usize,
}

#[derive(Default)]
struct Recorder {
    log: DrawLog,
    events: Vec<Kept>,
    draws: Vec<Draw>,
    ladder: Ladder,
    drawn: u64,
}

impl Watch for Recorder {
    fn event(&mut self, moment: &Moment, event: &Event, _: &Shared) -> ControlFlow<()> {
        let draws = self.log.take();
        self.drawn += draws.len() as u64;
        if self.events.len() < KEPT_MAX {
            self.draws.extend(draws);
            self.events.push(Kept {
                moment: *moment,
                event: event.clone(),
                draws_before: self.draws.len(),
            });
        }
        self.ladder.step(moment);
        ControlFlow::Continue(())
    }
}

struct Comparer<'a> {
    log: DrawLog,
    first: &'a Recorder,
    equal: usize,
    found: Option<EventDifference>,
}

impl Comparer<'_> {
    fn first_draws(&self) -> &[Draw] {
        let events = &self.first.events;
        let from = self.equal.checked_sub(1).map_or(0, |last| events[last].draws_before);
        let to = events
            .get(self.equal)
            .map_or(self.first.draws.len(), |kept| kept.draws_before);
        &self.first.draws[from..to]
    }

    fn difference(&self, second: Option<EventSeen>, draws: &[Draw], shared: Option<&Shared>) -> EventDifference {
        let seen = |kept: &Kept| match shared {
            Some(shared) => EventSeen::new(&kept.moment, &kept.event, shared),
            None => EventSeen {
                number: kept.moment.number,
                time: kept.moment.time,
                class: kept.moment.class.name(),
                component: kept.moment.component,
                description: format!("{:?}", kept.event),
            },
        };
        let events = &self.first.events;
        EventDifference {
            last_equal: self.equal.checked_sub(1).map(|last| seen(&events[last])),
            first: events.get(self.equal).map(seen),
            second,
            first_draws: told(self.first_draws(), shared),
            second_draws: told(draws, shared),
        }
    }
}

impl Watch for Comparer<'_> {
    fn event(&mut self, moment: &Moment, event: &Event, shared: &Shared) -> ControlFlow<()> {
        let draws = self.log.take();
        let kept = self.first.events.get(self.equal);
        if kept.is_none() && self.equal == KEPT_MAX {
            return ControlFlow::Continue(());
        }
        let same = |kept: &Kept| {
            let (left, right) = (&kept.moment, moment);
            (left.time, left.class, left.component, left.digest)
                == (right.time, right.class, right.component, right.digest)
        };
        if kept.is_some_and(same) && draws == self.first_draws() {
            self.equal += 1;
            return ControlFlow::Continue(());
        }
        let second = EventSeen::new(moment, event, shared);
        self.found = Some(self.difference(Some(second), &draws, Some(shared)));
        ControlFlow::Break(())
    }
}

pub(super) struct Compared {
    pub first: Outcome,
    /// What the second gave, if it was not ended early.
    pub second: Option<Outcome>,
    pub ladder: Ladder,
    pub events: u64,
    pub draws: u64,
    pub difference: Option<EventDifference>,
    /// A stream that two addresses own, with them.
    pub collision: Option<(String, [String; 2])>,
}

pub(super) fn compare(simulator: &Simulator, design: usize, replication: u64) -> Compared {
    let mut recorder = Recorder::default();
    let log = recorder.log.clone();
    let first = guarded(|| simulator.watched(design, replication, log, &mut recorder));
    recorder.drawn += recorder.log.take().len() as u64;
    let log = DrawLog::default();
    let mut comparer = Comparer {
        log: log.clone(),
        first: &recorder,
        equal: 0,
        found: None,
    };
    let second = guarded(|| simulator.watched(design, replication, log.clone(), &mut comparer));
    if comparer.found.is_none() && comparer.equal < recorder.events.len() {
        let draws = log.take();
        comparer.found = Some(comparer.difference(None, &draws, None));
    }
    let difference = comparer.found;
    let collision = recorder.log.collision().map(|collision| {
        let told = |(purpose, entity): (&str, EntityKey)| format!("{purpose} of {:016x}", entity.get());
        let owners = [told(collision.first), told(collision.second)];
        (format!("{:016x}", collision.stream), owners)
    });
    Compared {
        second: difference.is_none().then_some(second),
        events: first.run.events,
        draws: recorder.drawn,
        ladder: recorder.ladder,
        first,
        difference,
        collision,
    }
}

/// The events of a run after the `from`-th and up to the `to`-th, at most `most` of them.
pub(super) fn events_between(
    simulator: &Simulator,
    design: usize,
    replication: u64,
    between: (u64, u64),
    most: usize,
) -> Vec<EventSeen> {
    struct Between {
        log: DrawLog,
        between: (u64, u64),
        most: usize,
        seen: Vec<EventSeen>,
    }
    impl Watch for Between {
        fn event(&mut self, moment: &Moment, event: &Event, shared: &Shared) -> ControlFlow<()> {
            // The draws are not read; they shall not pile up.
            let _ = self.log.take();
            if moment.number > self.between.0 {
                self.seen.push(EventSeen::new(moment, event, shared));
            }
            if moment.number >= self.between.1 || self.seen.len() >= self.most {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        }
    }
    let log = DrawLog::default();
    let mut watch = Between {
        log: log.clone(),
        between,
        most,
        seen: Vec::new(),
    };
    let _ = guarded(|| simulator.watched(design, replication, log, &mut watch));
    watch.seen
}

pub(super) fn hex(fingerprint: Fingerprint) -> String {
    format!("{:016x}", fingerprint.get())
}
