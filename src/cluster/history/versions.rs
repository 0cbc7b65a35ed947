//! The versions of one kind of object in the order of writing, their two indexes, and what may be forgotten. Who has read how
//! much of them belongs to `path`.

use std::collections::{BTreeMap, VecDeque};

use rustc_hash::FxHashMap;

use super::rules::{Delivery, WriteRules};
use crate::kernel::SimTime;

/// No earlier version.
const NONE: u32 = u32::MAX;
/// The version has no topic.
const NO_TOPIC: u32 = u32::MAX - 1;

/// The position of a version in its history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VersionIndex(pub(super) u32);

impl VersionIndex {
    /// The position as an index.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

/// One version of one object; without a value the object is gone. It takes 24 bytes plus its value.
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

/// A version below the floor that is still needed.
#[derive(Clone, Debug)]
struct Settled<V> {
    version: Version<V>,
    /// It is the latest of its object, and the object exists.
    for_key: bool,
    /// It is the latest upsert of its topic, or came after that.
    for_topic: bool,
}

/// An append-only history of one kind of object.
///
/// A version takes 24 bytes plus its value, an object or topic that ever was 4 more. [`History::truncate`] forgets versions below a
/// floor that nobody can ask about any more; positions and revisions stay what they were.
#[derive(Clone, Debug)]
pub struct History<V> {
    /// Versions from the floor on.
    versions: VecDeque<Version<V>>,
    /// How many versions lie below the floor.
    floor: u32,
    /// When the last of them was written, and under which revision.
    floor_written: (SimTime, u32),
    /// Those below the floor that questions at or above it still need. Looked up by position, never iterated.
    settled: FxHashMap<u32, Settled<V>>,
    head_of_key: Vec<u32>,
    head_of_topic: Vec<u32>,
    /// Cursors that hold the floor down, each with the number of its pins.
    pins: BTreeMap<u32, u32>,
}

impl<V> Default for History<V> {
    fn default() -> Self {
        Self {
            versions: VecDeque::new(),
            floor: 0,
            floor_written: (SimTime::ZERO, 0),
            settled: FxHashMap::default(),
            head_of_key: Vec::new(),
            head_of_topic: Vec::new(),
            pins: BTreeMap::new(),
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
    /// Number of versions that were ever written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.floor as usize + self.versions.len()
    }

    /// Whether nothing was ever written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a version. Takes constant time, amortised.
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
        if !self.is_empty() {
            let last = self.versions.back().map(|last| (last.time, last.revision));
            let (last_time, last_revision) = last.unwrap_or(self.floor_written);
            assert!(
                last_time <= time && last_revision < revision,
                "a history cannot go back"
            );
        }
        let index = u32::try_from(self.len()).unwrap_or(NONE);
        assert!(index < NO_TOPIC, "more than 2^32 versions");
        let previous_of_key = std::mem::replace(slot(&mut self.head_of_key, key), index);
        let previous_of_topic = match topic {
            Some(topic) => std::mem::replace(slot(&mut self.head_of_topic, topic), index),
            None => NO_TOPIC,
        };
        self.versions.push_back(Version {
            time,
            revision,
            key,
            previous_of_key,
            previous_of_topic,
            value,
        });
        VersionIndex(index)
    }

    /// A version by its position, if it is still held. Takes constant time.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<&Version<V>> {
        match index.checked_sub(self.floor) {
            Some(offset) => self.versions.get(offset as usize),
            None => self.settled.get(&index).map(|settled| &settled.version),
        }
    }

    /// A version by its position.
    ///
    /// # Panics
    /// If it was forgotten, or never written.
    #[must_use]
    pub fn version(&self, index: VersionIndex) -> &Version<V> {
        let (floor, len) = (self.floor, self.len());
        self.get(index.0)
            .unwrap_or_else(|| panic!("version {} of {len} is not held, the floor is {floor}", index.0))
    }

    /// All versions from the floor on, with their positions, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (VersionIndex, &Version<V>)> {
        (self.floor..).map(VersionIndex).zip(&self.versions)
    }

    /// The latest version of an object.
    #[must_use]
    pub fn head(&self, key: u32) -> Option<&Version<V>> {
        self.at(key, self.len() as u32)
    }

    /// The latest value of an object, if it exists.
    #[must_use]
    pub fn value(&self, key: u32) -> Option<&V> {
        self.head(key).and_then(|version| version.value.as_ref())
    }

    /// The objects that were ever written have keys below this.
    #[must_use]
    pub fn keys(&self) -> u32 {
        self.head_of_key.len() as u32
    }

    /// The version of an object that a reader of the first `visible` versions knows. The removal of an object may be forgotten
    /// with the object. Takes time in the number of newer versions of the object.
    ///
    /// # Panics
    /// If `visible` lies below the floor.
    #[must_use]
    pub fn at(&self, key: u32, visible: u32) -> Option<&Version<V>> {
        self.assert_above_floor(visible);
        let mut index = *self.head_of_key.get(key as usize)?;
        loop {
            let version = self.get(index)?;
            if index < visible {
                return Some(version);
            }
            index = version.previous_of_key;
        }
    }

    /// Positions of the versions of an object, latest first, as far as they are held.
    pub fn of_key(&self, key: u32) -> impl Iterator<Item = VersionIndex> {
        let mut index = self.head_of_key.get(key as usize).copied().unwrap_or(NONE);
        std::iter::from_fn(move || {
            let found = VersionIndex(index);
            index = self.get(index)?.previous_of_key;
            Some(found)
        })
    }

    /// Positions of the versions of a topic, latest first, as far as they are held: at least back to the latest upsert
    /// below the floor.
    pub fn positions_of_topic(&self, topic: u32) -> impl Iterator<Item = VersionIndex> {
        let mut index = self.head_of_topic.get(topic as usize).copied().unwrap_or(NONE);
        std::iter::from_fn(move || {
            let found = VersionIndex(index);
            index = self.get(index)?.previous_of_topic;
            Some(found)
        })
    }

    /// The versions of a topic among the first `visible`, latest first, as far as they are held. Takes time in the number of newer
    /// versions of the topic and of those taken.
    ///
    /// # Panics
    /// If `visible` lies below the floor.
    pub fn of_topic(&self, topic: u32, visible: u32) -> impl Iterator<Item = &Version<V>> {
        self.assert_above_floor(visible);
        let positions = self.positions_of_topic(topic);
        let seen = positions.skip_while(move |index| index.0 >= visible);
        seen.filter_map(|index| self.get(index.0))
    }

    /// Positions of the versions of a topic written at or after `time`, latest first.
    pub fn of_topic_since(&self, topic: u32, time: SimTime) -> impl Iterator<Item = VersionIndex> {
        let positions = self.positions_of_topic(topic);
        positions.take_while(move |&index| self.get(index.0).is_some_and(|version| version.time >= time))
    }

    /// What a reader of the first `visible` versions, one after the other, holds under a topic by its write rules.
    pub fn entry<R: WriteRules<V>>(&self, topic: u32, visible: u32, rules: &R) -> Option<R::Entry> {
        rules.entry(self.of_topic(topic, visible).map(Delivery::from))
    }

    /// Revision of the latest of the first `visible` versions; 0 before the first.
    ///
    /// # Panics
    /// If `visible` lies below the floor.
    #[must_use]
    pub fn revision_of(&self, visible: u32) -> u32 {
        self.assert_above_floor(visible);
        match visible.checked_sub(1) {
            None => 0,
            Some(index) if index < self.floor => self.floor_written.1,
            Some(index) => self.version(VersionIndex(index)).revision,
        }
    }

    /// Number of versions written at or before `time`. Takes logarithmic time.
    #[must_use]
    pub fn written_by(&self, time: SimTime) -> u32 {
        self.assert_time_above_floor(time + crate::kernel::SimDuration::from_nanos(1));
        self.floor + self.versions.partition_point(|version| version.time <= time) as u32
    }

    /// Number of versions written before `time`, but at least `from`. Takes logarithmic time in how far that is from `from`.
    ///
    /// # Panics
    /// If that number may lie below the floor.
    #[must_use]
    pub fn written_before(&self, from: u32, time: SimTime) -> u32 {
        if from < self.floor {
            self.assert_time_above_floor(time);
        }
        let before = |offset: usize| self.versions.get(offset).is_some_and(|version| version.time < time);
        let mut low = from.saturating_sub(self.floor) as usize;
        let mut step = 1;
        while before(low + step - 1) {
            low += step;
            step *= 2;
        }
        // Everything below `low` was written before, and at `low + step - 1` not.
        let high = (low + step - 1).min(self.versions.len());
        let (mut low, mut high) = (low, high.max(low));
        while low < high {
            let middle = low + (high - low) / 2;
            if before(middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        from.max(self.floor + low as u32)
    }

    /// Number of versions below the floor: questions about fewer visible versions can no longer be answered.
    #[must_use]
    pub const fn floor(&self) -> u32 {
        self.floor
    }

    /// Number of versions in memory.
    #[must_use]
    pub fn held(&self) -> usize {
        self.versions.len() + self.settled.len()
    }

    /// Keeps everything that a reader of the first `cursor` versions may ask, until [`History::unpin`].
    ///
    /// # Panics
    /// If `cursor` lies below the floor.
    pub fn pin(&mut self, cursor: u32) {
        self.assert_above_floor(cursor);
        *self.pins.entry(cursor).or_default() += 1;
    }

    /// Takes one pin back.
    ///
    /// # Panics
    /// If there is none at `cursor`.
    pub fn unpin(&mut self, cursor: u32) {
        let count = self.pins.get_mut(&cursor).filter(|count| **count > 0);
        let count = count.unwrap_or_else(|| panic!("no pin at {cursor}"));
        *count -= 1;
        if *count == 0 {
            self.pins.remove(&cursor);
        }
    }

    /// Raises the floor to `before` versions, or to the lowest pin. What a reader of at least so many versions may ask keeps
    /// its answer: the latest version of each object that exists, and of each topic the latest upsert with what came after it.
    /// Takes constant time per version, amortised. Gives the floor.
    ///
    /// A path that watches asks for the times of versions within the bound of its delay before the time in question, so
    /// `before` should be what was written a bound before the earliest such time.
    pub fn truncate(&mut self, before: u32) -> u32 {
        let lowest = self.pins.first_key_value().map_or(u32::MAX, |(cursor, _)| *cursor);
        let floor = before.min(lowest).min(self.len() as u32);
        while self.floor < floor {
            let Some(version) = self.versions.pop_front() else {
                break;
            };
            self.settle(version);
        }
        self.floor
    }

    /// Takes the version at the floor below it, and drops what that makes needless.
    fn settle(&mut self, version: Version<V>) {
        let index = self.floor;
        self.floor += 1;
        self.floor_written = (version.time, version.revision);
        let exists = version.value.is_some();
        self.release(version.previous_of_key, |settled| settled.for_key = false);
        let mut earlier = version.previous_of_topic;
        let for_topic = if exists {
            // The topic's earlier versions are overwritten.
            while let Some(settled) = self.settled.get(&earlier).filter(|settled| settled.for_topic) {
                let next = settled.version.previous_of_topic;
                self.release(earlier, |settled| settled.for_topic = false);
                earlier = next;
            }
            version.previous_of_topic != NO_TOPIC
        } else {
            self.settled.get(&earlier).is_some_and(|settled| settled.for_topic)
        };
        if exists || for_topic {
            let settled = Settled {
                version,
                for_key: exists,
                for_topic,
            };
            self.settled.insert(index, settled);
        }
    }

    fn release(&mut self, index: u32, change: impl FnOnce(&mut Settled<V>)) {
        if let Some(settled) = self.settled.get_mut(&index) {
            change(settled);
            if !settled.for_key && !settled.for_topic {
                self.settled.remove(&index);
            }
        }
    }

    fn assert_above_floor(&self, visible: u32) {
        assert!(
            visible >= self.floor,
            "asked about the first {visible} versions, but only questions from {} on can be answered",
            self.floor
        );
    }

    fn assert_time_above_floor(&self, time: SimTime) {
        assert!(
            self.floor == 0 || self.floor_written.0 < time,
            "asked what was written before {time}, but versions up to {} are forgotten",
            self.floor_written.0
        );
    }
}
