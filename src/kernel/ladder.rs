//! The ladder of fingerprints of one run: at rungs, per class of events and per component.
//!
//! Two builds, or two machines, compare their ladders and know between which two rungs they part, and in whose events,
//! without keeping any event. What is done with that belongs to whoever compares; how one fingerprint is made belongs to
//! `fingerprint`.

use super::fingerprint::Fingerprint;
use super::observer::Moment;
use super::order::EventClass;
use super::time::SimTime;

/// Events between two rungs of a short run; a power of two.
const EVERY: u64 = 256;
/// At most so many rungs are kept; beyond it every second one goes and the distance doubles.
const RUNGS_MAX: usize = 1024;

/// The fingerprint after so many events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Events so far.
    pub events: u64,
    /// When the last of them happened.
    pub time: SimTime,
    /// The fingerprint over all of them.
    pub fingerprint: Fingerprint,
}

/// A part of the events of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The component's or the class's name.
    pub name: &'static str,
    /// Its events.
    pub events: u64,
    /// The fingerprint over them.
    pub fingerprint: Fingerprint,
}

/// The fingerprints of one run.
#[derive(Clone, Debug)]
pub struct Ladder {
    every: u64,
    whole: Fingerprint,
    rungs: Vec<Rung>,
    classes: Vec<Part>,
    components: Vec<Part>,
}

impl Default for Ladder {
    fn default() -> Self {
        let class = |(_, name, _): (EventClass, &'static str, &'static str)| Part::new(name);
        Self {
            every: EVERY,
            whole: Fingerprint::default(),
            rungs: Vec::new(),
            classes: EventClass::TABLE.into_iter().map(class).collect(),
            components: Vec::new(),
        }
    }
}

impl Part {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            events: 0,
            fingerprint: Fingerprint::default(),
        }
    }

    fn add(&mut self, moment: &Moment) {
        self.events += 1;
        self.fingerprint
            .mix(moment.time.as_nanos(), moment.class as u64, moment.digest);
    }
}

impl Ladder {
    /// Takes the next event of the run.
    pub fn step(&mut self, moment: &Moment) {
        self.whole
            .mix(moment.time.as_nanos(), moment.class as u64, moment.digest);
        self.classes[moment.class as usize].add(moment);
        let known = self.components.iter().position(|part| part.name == moment.component);
        let index = known.unwrap_or_else(|| {
            self.components.push(Part::new(moment.component));
            self.components.len() - 1
        });
        self.components[index].add(moment);
        if moment.number.is_multiple_of(self.every) {
            self.rungs.push(Rung {
                events: moment.number,
                time: moment.time,
                fingerprint: self.whole,
            });
            if self.rungs.len() > RUNGS_MAX {
                self.every *= 2;
                let every = self.every;
                self.rungs.retain(|rung| rung.events.is_multiple_of(every));
            }
        }
    }

    /// The fingerprint over all events, the one that the run itself keeps.
    pub const fn whole(&self) -> Fingerprint {
        self.whole
    }

    /// The rungs, from below.
    pub fn rungs(&self) -> &[Rung] {
        &self.rungs
    }

    /// Per class, in the order of classes.
    pub fn classes(&self) -> &[Part] {
        &self.classes
    }

    /// Per component, in the order of their first events.
    pub fn components(&self) -> &[Part] {
        &self.components
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn climbed(events: u64, odd_one: Option<u64>) -> Ladder {
        let mut ladder = Ladder::default();
        for number in 1..=events {
            let component = if number % 2 == 0 { "even" } else { "odd" };
            ladder.step(&Moment {
                number,
                time: SimTime::from_nanos(number),
                class: EventClass::Timer,
                component,
                digest: u64::from(odd_one == Some(number)),
                pending: 0,
            });
        }
        ladder
    }

    #[test]
    fn a_difference_shows_at_the_next_rung_in_its_component_and_in_its_class() {
        let (plain, other) = (climbed(2_000, None), climbed(2_000, Some(700)));
        let first = plain.rungs().iter().zip(other.rungs()).position(|(a, b)| a != b);
        assert_eq!(first.map(|rung| plain.rungs()[rung].events), Some(768));
        assert_eq!(plain.components()[0], other.components()[0]);
        assert_ne!(plain.components()[1], other.components()[1]);
        let differ = |(a, b): (&Part, &Part)| (a != b).then_some(a.name);
        let classes: Vec<_> = plain.classes().iter().zip(other.classes()).filter_map(differ).collect();
        assert_eq!(classes, ["timer"]);
        assert_ne!(plain.whole(), other.whole());
    }

    #[test]
    fn a_long_run_has_few_rungs() {
        let ladder = climbed(600_000, None);
        assert!(ladder.rungs().len() <= RUNGS_MAX && ladder.rungs().len() > RUNGS_MAX / 2);
        let apart: Vec<u64> = ladder
            .rungs()
            .windows(2)
            .map(|pair| pair[1].events - pair[0].events)
            .collect();
        assert!(apart.iter().all(|distance| *distance == apart[0]));
    }
}
