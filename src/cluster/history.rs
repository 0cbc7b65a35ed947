//! One ordered history, many cursors: what was written, and what each reader has read of it.
//!
//! A [`History`] is an append-only list of object versions under increasing revisions, indexed by key and by topic (a
//! second index, for example the address that a version concerns). A [`Path`] says how one reader reads it: watched
//! with a bounded delay per dispatch batch, frozen, or listed again. What a reader believes is the fold of the visible
//! versions with its own write rules, which belong to the reader (`cilium::ipcache`, `service_proxy`, …).
//!
//! Asking is free: a question draws only numbers addressed by reader and batch, so more questions change nothing.
//! A version costs 32 bytes plus its value.

use super::purpose::Purpose;
use crate::kernel::{EntityKey, Law, RunKey, SimDuration, SimTime};

const NONE: u32 = u32::MAX;

/// The position of a version in its history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VersionIndex(u32);

impl VersionIndex {
    /// The position as an index.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

/// One version of one object; without a value the object is gone.
#[derive(Clone, Debug)]
pub struct Version<V> {
    /// When it was written.
    pub time: SimTime,
    /// Revision under which it was written.
    pub revision: u32,
    /// The object.
    pub key: u32,
    previous_of_key: u32,
    previous_of_topic: u32,
    /// The value, or nothing if the object was removed.
    pub value: Option<V>,
}

/// An append-only history of one kind of object.
#[derive(Clone, Debug)]
pub struct History<V> {
    versions: Vec<Version<V>>,
    head_of_key: Vec<u32>,
    head_of_topic: Vec<u32>,
}

impl<V> Default for History<V> {
    fn default() -> Self {
        Self {
            versions: Vec::new(),
            head_of_key: Vec::new(),
            head_of_topic: Vec::new(),
        }
    }
}

fn slot(heads: &mut Vec<u32>, index: u32) -> &mut u32 {
    let index = index as usize;
    if index >= heads.len() {
        heads.resize(index + 1, NONE);
    }
    &mut heads[index]
}

impl<V> History<V> {
    /// Number of versions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.versions.len()
    }

    /// Whether nothing was ever written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    /// Adds a version.
    ///
    /// # Panics
    /// If time or revision goes back.
    pub fn append(
        &mut self,
        time: SimTime,
        revision: u32,
        key: u32,
        topic: Option<u32>,
        value: Option<V>,
    ) -> VersionIndex {
        if let Some(last) = self.versions.last() {
            assert!(
                last.time <= time && last.revision < revision,
                "a history cannot go back"
            );
        }
        let index = u32::try_from(self.versions.len()).expect("more than 2^32 versions");
        let previous_of_key = std::mem::replace(slot(&mut self.head_of_key, key), index);
        let previous_of_topic = match topic {
            Some(topic) => std::mem::replace(slot(&mut self.head_of_topic, topic), index),
            None => NONE,
        };
        self.versions.push(Version {
            time,
            revision,
            key,
            previous_of_key,
            previous_of_topic,
            value,
        });
        VersionIndex(index)
    }

    /// A version by its position.
    #[must_use]
    pub fn version(&self, index: VersionIndex) -> &Version<V> {
        &self.versions[index.get()]
    }

    /// All versions in their order.
    #[must_use]
    pub fn versions(&self) -> &[Version<V>] {
        &self.versions
    }

    /// The latest version of an object.
    #[must_use]
    pub fn head(&self, key: u32) -> Option<&Version<V>> {
        self.at(key, self.versions.len() as u32)
    }

    /// The latest value of an object, if it exists.
    #[must_use]
    pub fn value(&self, key: u32) -> Option<&V> {
        self.head(key).and_then(|version| version.value.as_ref())
    }

    /// The version of an object that a reader of the first `visible` versions knows.
    #[must_use]
    pub fn at(&self, key: u32, visible: u32) -> Option<&Version<V>> {
        let mut index = *self.head_of_key.get(key as usize)?;
        while index != NONE && index >= visible {
            index = self.versions[index as usize].previous_of_key;
        }
        (index != NONE).then(|| &self.versions[index as usize])
    }

    /// The versions of a topic among the first `visible`, latest first.
    pub fn of_topic(&self, topic: u32, visible: u32) -> impl Iterator<Item = &Version<V>> {
        let mut index = self.head_of_topic.get(topic as usize).copied().unwrap_or(NONE);
        std::iter::from_fn(move || {
            while index != NONE {
                let version = &self.versions[index as usize];
                let found = index < visible;
                index = version.previous_of_topic;
                if found {
                    return Some(version);
                }
            }
            None
        })
    }

    /// Positions of the versions of a topic written at or after `time`, latest first.
    pub fn of_topic_since(&self, topic: u32, time: SimTime) -> impl Iterator<Item = VersionIndex> {
        let mut index = self.head_of_topic.get(topic as usize).copied().unwrap_or(NONE);
        std::iter::from_fn(move || {
            if index == NONE || self.versions[index as usize].time < time {
                return None;
            }
            let found = VersionIndex(index);
            index = self.versions[index as usize].previous_of_topic;
            Some(found)
        })
    }

    /// Number of versions written at or before `time`.
    #[must_use]
    pub fn written_by(&self, time: SimTime) -> u32 {
        self.versions.partition_point(|version| version.time <= time) as u32
    }

    /// Number of versions written before `time` (exclusive).
    fn written_before(&self, time: SimTime) -> usize {
        self.versions.partition_point(|version| version.time < time)
    }
}

/// When a reader sees a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crossing {
    /// At this time.
    At(SimTime),
    /// Not as long as its path stays as it is.
    NotYet,
}

/// How the writes of one dispatch batch are delayed on their way to one reader.
#[derive(Clone, Copy, Debug)]
pub struct Delay {
    /// What the draws are for.
    pub purpose: Purpose,
    /// Law of the delay.
    pub law: Law,
    /// Law of what the reader itself needs before it acts on what it read, if anything.
    pub then: Option<Law>,
    /// Writes within this span travel together.
    pub batch_period: SimDuration,
}

impl Delay {
    fn bound(&self) -> SimDuration {
        self.law.bound() + self.then.map_or(SimDuration::ZERO, |law| law.bound())
    }

    /// The delay of the batch that contains `time`, for `reader`.
    fn of(&self, run_key: &RunKey, reader: EntityKey, time: SimTime) -> SimDuration {
        let batch = time.as_nanos() / self.batch_period.as_nanos().max(1);
        let mut stream = run_key.stream(self.purpose, reader.child(batch));
        let delay = stream.duration(&self.law);
        delay + self.then.map_or(SimDuration::ZERO, |law| stream.duration(&law))
    }
}

#[derive(Clone, Copy, Debug)]
enum Segment {
    /// Watching since the start of the segment, after a list that contained this many versions.
    Watching { listed: u32 },
    /// Cut off; this many versions had been seen.
    Frozen { seen: u32 },
}

/// How one reader reads one history.
#[derive(Clone, Debug)]
pub struct Path {
    reader: EntityKey,
    segments: smallvec::SmallVec<[(SimTime, Segment); 1]>,
}

impl Path {
    /// A reader that watches from the beginning.
    #[must_use]
    pub fn watching(reader: EntityKey) -> Self {
        Self {
            reader,
            segments: smallvec::smallvec![(SimTime::ZERO, Segment::Watching { listed: 0 })],
        }
    }

    /// A reader that lists everything written so far at `now` and watches from there.
    #[must_use]
    pub fn listing<V>(reader: EntityKey, history: &History<V>, now: SimTime) -> Self {
        Self {
            reader,
            segments: smallvec::smallvec![(
                now,
                Segment::Watching {
                    listed: history.len() as u32
                }
            )],
        }
    }

    /// Since when the path has been frozen, if it is.
    #[must_use]
    pub fn frozen_since(&self) -> Option<SimTime> {
        match self.segments.last() {
            Some((since, Segment::Frozen { .. })) => Some(*since),
            _ => None,
        }
    }

    /// Since when the path was frozen at `time`, if it was.
    #[must_use]
    pub fn frozen_at(&self, time: SimTime) -> Option<SimTime> {
        match self.segments.iter().rev().find(|(start, _)| *start <= time) {
            Some((since, Segment::Frozen { .. })) => Some(*since),
            _ => None,
        }
    }

    /// When the path was cut or restored.
    pub fn changes(&self) -> impl Iterator<Item = SimTime> {
        self.segments.iter().map(|(since, _)| *since)
    }

    /// Cuts the reader off.
    pub fn freeze<V>(&mut self, history: &History<V>, delay: &Delay, run_key: &RunKey, now: SimTime) {
        if self.frozen_since().is_none() {
            let seen = self.visible_at(history, delay, run_key, now);
            self.segments.push((now, Segment::Frozen { seen }));
        }
    }

    /// Lets the reader list again and go on watching.
    pub fn restore<V>(&mut self, history: &History<V>, now: SimTime) {
        if self.frozen_since().is_some() {
            self.segments.push((
                now,
                Segment::Watching {
                    listed: history.len() as u32,
                },
            ));
        }
    }

    /// How many versions the reader has seen at `time`. Takes time in the number of versions written within the bound
    /// of the delay before `time`.
    #[must_use]
    pub fn visible_at<V>(&self, history: &History<V>, delay: &Delay, run_key: &RunKey, time: SimTime) -> u32 {
        let segment = self.segments.iter().rev().find(|(start, _)| *start <= time);
        match segment {
            None => 0,
            Some((_, Segment::Frozen { seen })) => *seen,
            Some((_, Segment::Watching { listed })) => {
                let mut visible = history.written_before(time.saturating_sub(delay.bound()));
                let mut batch = (u64::MAX, SimDuration::ZERO);
                while let Some(version) = history.versions.get(visible) {
                    let number = version.time.as_nanos() / delay.batch_period.as_nanos().max(1);
                    if number != batch.0 {
                        batch = (number, delay.of(run_key, self.reader, version.time));
                    }
                    if version.time + batch.1 > time {
                        break;
                    }
                    visible += 1;
                }
                (visible as u32).max(*listed)
            }
        }
    }

    /// When the reader sees a version, if its path stays as it is now.
    #[must_use]
    pub fn crossing<V>(&self, history: &History<V>, delay: &Delay, run_key: &RunKey, index: VersionIndex) -> Crossing {
        match self.segments.last() {
            None => Crossing::NotYet,
            Some((since, Segment::Frozen { seen })) => {
                if index.0 < *seen {
                    Crossing::At(*since)
                } else {
                    Crossing::NotYet
                }
            }
            Some((since, Segment::Watching { listed })) => {
                if index.0 < *listed {
                    return Crossing::At(*since);
                }
                let written = history.version(index).time;
                let first = history.written_before(written.saturating_sub(delay.bound()));
                let mut seen = *since;
                let mut batch = (u64::MAX, SimDuration::ZERO);
                for version in &history.versions[first..=index.get()] {
                    let number = version.time.as_nanos() / delay.batch_period.as_nanos().max(1);
                    if number != batch.0 {
                        batch = (number, delay.of(run_key, self.reader, version.time));
                    }
                    seen = seen.max(version.time + batch.1);
                }
                Crossing::At(seen)
            }
        }
    }
}

/// The position of a reader that acts on every version of its watch as it arrives: first in, first out.
///
/// It gives the same times as [`Path::crossing`], at a constant cost per version.
#[derive(Clone, Debug)]
pub struct Inbox {
    reader: EntityKey,
    latest: SimTime,
    batch: (u64, SimDuration),
}

impl Inbox {
    /// The inbox of a reader.
    #[must_use]
    pub const fn new(reader: EntityKey) -> Self {
        Self {
            reader,
            latest: SimTime::ZERO,
            batch: (u64::MAX, SimDuration::ZERO),
        }
    }

    /// When a version written at `written` arrives. Must be called in the order of writing.
    pub fn arrival(&mut self, delay: &Delay, run_key: &RunKey, written: SimTime) -> SimTime {
        let number = written.as_nanos() / delay.batch_period.as_nanos().max(1);
        if number != self.batch.0 {
            self.batch = (number, delay.of(run_key, self.reader, written));
        }
        self.latest = self.latest.max(written + self.batch.1);
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn delay() -> Delay {
        Delay {
            purpose: Purpose::IpcacheDelay,
            law: Law::Uniform {
                min: SimDuration::from_millis(1),
                max: SimDuration::from_millis(900),
            },
            then: None,
            batch_period: SimDuration::from_millis(10),
        }
    }

    fn at(ms: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_millis(ms)
    }

    fn history(times: &[u64]) -> History<u32> {
        let mut history = History::default();
        for (number, &time) in times.iter().enumerate() {
            let number = number as u32;
            history.append(
                at(time),
                number + 1,
                number % 5,
                Some(number % 3),
                (number % 7 != 6).then_some(number),
            );
        }
        history
    }

    fn reader() -> EntityKey {
        EntityKey::root("reader")
    }

    fn key() -> RunKey {
        RunKey::derive(1, "history", 0)
    }

    proptest! {
        /// A naive reader that copies each version when it arrives, in order, sees what the path says.
        #[test]
        fn a_path_equals_a_copying_reader(mut times in prop::collection::vec(0_u64..3_000, 1..80), question in 0_u64..5_000) {
            times.sort_unstable();
            let history = history(&times);
            let (delay, key) = (delay(), key());
            let path = Path::watching(reader());
            let mut inbox = Inbox::new(reader());
            let mut seen = 0;
            for (number, &time) in times.iter().enumerate() {
                let arrival = inbox.arrival(&delay, &key, at(time));
                let index = VersionIndex(number as u32);
                prop_assert_eq!(path.crossing(&history, &delay, &key, index), Crossing::At(arrival));
                if arrival <= at(question) {
                    seen = number as u32 + 1;
                }
            }
            prop_assert_eq!(path.visible_at(&history, &delay, &key, at(question)), seen);
            for k in 0..5 {
                let naive = history.versions[..seen as usize].iter().rev().find(|v| v.key == k).map(|v| v.revision);
                prop_assert_eq!(history.at(k, seen).map(|v| v.revision), naive);
            }
            for topic in 0..3 {
                let naive: Vec<u32> = history.versions[..seen as usize].iter().rev().filter(|v| (v.revision - 1) % 3 == topic).map(|v| v.revision).collect();
                let ours: Vec<u32> = history.of_topic(topic, seen).map(|v| v.revision).collect();
                prop_assert_eq!(ours, naive);
            }
        }

        /// A frozen reader keeps what it saw, for ever, until it lists again.
        #[test]
        fn a_frozen_path_stands_still(mut times in prop::collection::vec(0_u64..3_000, 1..60), cut in 0_u64..3_000) {
            times.sort_unstable();
            let history = history(&times);
            let (delay, key) = (delay(), key());
            let mut path = Path::watching(reader());
            let before = path.visible_at(&history, &delay, &key, at(cut));
            path.freeze(&history, &delay, &key, at(cut));
            prop_assert_eq!(path.visible_at(&history, &delay, &key, at(1_000_000)), before);
            if (before as usize) < history.len() {
                prop_assert_eq!(path.crossing(&history, &delay, &key, VersionIndex(before)), Crossing::NotYet);
            }
            path.restore(&history, at(10_000));
            prop_assert_eq!(path.visible_at(&history, &delay, &key, at(10_000)), history.len() as u32);
        }
    }

    #[test]
    #[should_panic(expected = "cannot go back")]
    fn a_history_cannot_go_back() {
        let mut history = history(&[5]);
        history.append(at(4), 9, 0, None, Some(0));
    }
}
