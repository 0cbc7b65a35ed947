//! Cursors against readers that copy everything.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::cluster::purpose::Purpose;
use crate::kernel::{Distribution, EntityKey, RunKey, SimDuration, SimTime};

const TOPICS: u32 = 3;
const KEYS: u32 = 6;

fn delay(max_ms: u64) -> Arc<Delay> {
    Arc::new(Delay {
        purpose: Purpose::IpcacheDelay,
        distribution: Distribution::Uniform {
            min: SimDuration::from_millis(1),
            max: SimDuration::from_millis(max_ms),
        },
        then: Some(Distribution::Constant(SimDuration::from_millis(2))),
        batch_period: SimDuration::from_millis(10),
        pace: None,
    })
}

fn at(ms: u64) -> SimTime {
    SimTime::ZERO + SimDuration::from_millis(ms)
}

fn run_key() -> RunKey {
    RunKey::derive(1, "history", 0)
}

fn topic(key: u32) -> u32 {
    key % TOPICS
}

/// What a reader has from a time on: how many versions, positions of the objects that exist by key, number of the segment.
type Known = (SimTime, u32, BTreeMap<u32, u32>, usize);

/// A reader that copies the whole map of objects and applies each change as it arrives.
struct Copying {
    identity: EntityKey,
    /// Versions that are on their way here, with their arrivals.
    wire: VecDeque<(SimTime, u32)>,
    latest: SimTime,
    cut: bool,
    seen: u32,
    map: BTreeMap<u32, u32>,
    segment: usize,
    /// After each change.
    log: Vec<Known>,
}

impl Copying {
    fn new(identity: EntityKey) -> Self {
        Self {
            identity,
            wire: VecDeque::new(),
            latest: SimTime::ZERO,
            cut: false,
            seen: 0,
            map: BTreeMap::new(),
            segment: 0,
            log: vec![(SimTime::ZERO, 0, BTreeMap::new(), 0)],
        }
    }

    fn note(&mut self, time: SimTime) {
        self.log.push((time, self.seen, self.map.clone(), self.segment));
    }

    fn send(&mut self, index: u32, now: SimTime, delay: &Delay, run_key: &RunKey) {
        let batch = now.as_nanos() / delay.batch_period.as_nanos();
        let mut stream = run_key.stream(delay.purpose, self.identity.child(batch));
        let mut arrival = now + stream.duration(&delay.distribution);
        if let Some(then) = delay.then {
            arrival += stream.duration(&then);
        }
        self.latest = arrival.max(self.latest);
        self.wire.push_back((self.latest, index));
    }

    fn apply(&mut self, written: &[(u32, bool)], seen: u32) {
        for index in self.seen..seen {
            match written[index as usize] {
                (key, true) => self.map.insert(key, index),
                (key, false) => self.map.remove(&key),
            };
        }
        self.seen = self.seen.max(seen);
    }

    /// Takes in what has arrived by `time`.
    fn deliver(&mut self, written: &[(u32, bool)], time: SimTime) {
        while let Some((arrived, index)) = self.wire.pop_front_if(|(arrival, _)| *arrival <= time) {
            if !self.cut && index >= self.seen {
                self.apply(written, index + 1);
                self.note(arrived);
            }
        }
    }

    /// Is cut off, or lists everything and watches again.
    fn switch(&mut self, cut: bool, written: &[(u32, bool)], now: SimTime) {
        (self.cut, self.segment) = (cut, self.segment + 1);
        if !cut {
            self.apply(written, written.len() as u32);
        }
        self.note(now);
    }

    fn known_at(&self, time: SimTime) -> &Known {
        let known = self.log.iter().rev().find(|(since, ..)| *since <= time);
        known.expect("the log begins at 0")
    }

    /// When a version was known for the first time from some segment on.
    fn first(&self, index: u32, from: usize) -> Option<SimTime> {
        let mut since = self.log.iter().filter(|(.., segment)| *segment >= from);
        since.find(|(_, seen, ..)| *seen > index).map(|(time, ..)| *time)
    }
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Append(u32, bool),
    Cut(bool),
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => (0..KEYS, prop::bool::weighted(0.7)).prop_map(|(key, exists)| Operation::Append(key, exists)),
        1 => any::<bool>().prop_map(Operation::Cut),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A cursor, through cuts and lists, states what a reader knows that copies every version as it arrives. Questions come in any
    /// order, and those that were asked before change no answer.
    #[test]
    fn a_cursor_equals_a_reader_that_copies_everything(
        operations in prop::collection::vec((0_u64..80, operation()), 1..60),
        questions in prop::collection::vec((0..60_usize, 0.0..1.2_f64), 0..40),
        indexes in prop::collection::vec(0..60_u32, 0..10),
    ) {
        let (delay, run_key, reader) = (delay(90), run_key(), EntityKey::root("reader"));
        let (mut history, mut written) = (History::default(), Vec::new());
        let (mut cursor, mut copy) = (Cursor::watching(reader, &delay), Copying::new(reader));
        let check = |cursor: &Cursor, history: &History<u32>, copy: &Copying, time: SimTime| {
            let (_, seen, map, _) = copy.known_at(time);
            let ours = cursor.over(history, &run_key);
            prop_assert_eq!(ours.seen_at(time), *seen, "seen at {}", time);
            for key in 0..KEYS {
                prop_assert_eq!(ours.at(key, time), map.get(&key));
            }
            Ok(())
        };
        let mut ms = 0;
        for (number, &(wait, operation)) in operations.iter().enumerate() {
            ms += wait + u64::from(!matches!(operation, Operation::Append(..)));
            copy.deliver(&written, at(ms));
            match operation {
                Operation::Append(key, exists) => {
                    let index = written.len() as u32;
                    history.append(at(ms), 2 * index + 3, key, Some(topic(key)), exists.then_some(index));
                    written.push((key, exists));
                    copy.send(index, at(ms), &delay, &run_key);
                }
                Operation::Cut(cut) if cut != copy.cut => {
                    if cut { cursor.freeze(&history, &run_key, at(ms)) } else { cursor.restore(&history, at(ms)) }
                    copy.switch(cut, &written, at(ms));
                }
                Operation::Cut(_) => {}
            }
            ms += u64::from(!matches!(operation, Operation::Append(..)));
            copy.deliver(&written, at(ms));
            for &(_, share) in questions.iter().filter(|(when, _)| *when == number) {
                let time = |share: f64| SimTime::from_nanos((at(ms).as_nanos() as f64 * share) as u64);
                check(&cursor, &history, &copy, time(share.min(1.0)))?;
                check(&cursor.unasked(), &history, &copy, time(share.min(1.0)))?;
                // A question about the future may be answered only as things stand, but must do no harm later.
                let _ = cursor.over(&history, &run_key).seen_at(time(share));
            }
        }
        let before = cursor.unasked();
        copy.deliver(&written, at(ms + 10_000));
        for index in indexes.into_iter().filter(|index| (*index as usize) < written.len()) {
            for cursor in [&cursor, &before, &cursor.unasked()] {
                let ours = cursor.over(&history, &run_key);
                prop_assert_eq!(ours.crossing(VersionIndex(index)), copy.first(index, copy.segment));
                prop_assert_eq!(ours.first_seen(VersionIndex(index)), copy.first(index, 0));
                let under_way: Vec<SimTime> = ours.under_way(history.latest_first(), at(ms)).collect();
                let late = copy.first(index, copy.segment).filter(|late| *late > at(ms));
                prop_assert!(late.is_none_or(|late| under_way.contains(&late)));
            }
        }
        for &(_, share) in &questions {
            let time = SimTime::from_nanos((at(ms).as_nanos() as f64 * share) as u64);
            check(&cursor, &history, &copy, time)?;
            check(&cursor.unasked(), &history, &copy, time)?;
        }
    }

    /// A cursor gives the times of an inbox, which acts on each version as it comes.
    #[test]
    fn an_inbox_gives_the_crossings_of_a_cursor(mut times in prop::collection::vec(0_u64..3_000, 1..80), asked in 0_u64..5_000) {
        times.sort_unstable();
        let (delay, key) = (delay(900), run_key());
        let cursor = Cursor::watching(EntityKey::root("reader"), &delay);
        let mut inbox = Inbox::new(EntityKey::root("reader"), &delay);
        let mut history = History::default();
        for (number, &time) in times.iter().enumerate() {
            let index = history.append(at(time), number as u32 + 1, number as u32 % 5, None, Some(0));
            let arrival = inbox.arrival(&key, at(time), SimDuration::ZERO);
            let reader = cursor.over(&history, &key);
            prop_assert_eq!(reader.crossing(index), Some(arrival));
            prop_assert_eq!(reader.seen_at(arrival) > number as u32, true);
            let _ = reader.seen_at(at(asked));
        }
    }

    /// Both indexes and both counts by time give what a look at all versions gives.
    #[test]
    fn indexes_find_what_a_look_at_all_versions_finds(
        writes in prop::collection::vec((0_u64..40, 0..KEYS, any::<bool>()), 1..120),
        questions in prop::collection::vec((0..130_u32, 0_u64..3_000, 0..KEYS), 1..30),
    ) {
        let (mut history, mut ms) = (History::default(), 0);
        for &(wait, key, topical) in &writes {
            ms += wait;
            history.publish(at(ms), key, ());
            if topical {
                history.append(at(ms), history.len() as u32 + 1, key, Some(topic(key)), None);
            }
        }
        for (seen, ms, key) in questions {
            let all: Vec<(VersionIndex, &Version<()>)> = history.iter().collect();
            let of_key = all.iter().rfind(|(index, version)| index.0 < seen && version.key == key);
            prop_assert_eq!(history.at(key, seen).map(|version| version.revision), of_key.map(|(_, version)| version.revision));
            let of_topic = all.iter().rev().filter(|(_, version)| version.value.is_none() && topic(version.key) == topic(key));
            prop_assert!(history.of_topic(topic(key)).eq(of_topic.map(|(index, _)| *index)));
            prop_assert_eq!(history.written_by(at(ms)) as usize, all.iter().filter(|(_, version)| version.time <= at(ms)).count());
            let before = all.iter().filter(|(_, version)| version.time < at(ms)).count();
            prop_assert_eq!(history.written_before(seen, at(ms)) as usize, before.max(seen as usize));
        }
    }
}

#[test]
#[should_panic(expected = "cannot go back")]
fn a_history_cannot_go_back() {
    let mut history = History::default();
    history.publish(at(5), 0, ());
    history.append(at(4), 99, 0, None, Some(()));
}

#[test]
fn sizes_are_as_documented() {
    assert_eq!(size_of::<Version<[u8; 0]>>(), 32); // 24, the mark of a value, and padding
    assert_eq!(size_of::<Version<crate::cluster::objects::EndpointObject>>(), 48);
    assert!(size_of::<Cursor>() <= 160, "{}", size_of::<Cursor>());
}
