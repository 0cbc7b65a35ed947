//! The versions of one kind of object in the order of writing, and their two indexes. Who has read how much of them belongs to
//! `cursor`.

use crate::kernel::SimTime;

/// No earlier version.
const NONE: u32 = u32::MAX;

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

/// An append-only history of one kind of object.
///
/// A version takes 24 bytes plus its value, an object or topic that ever was 4 more.
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
    /// Number of versions that were ever written.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.versions.len()
    }

    /// Whether nothing was ever written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.versions.is_empty()
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
        if let Some(last) = self.versions.last() {
            assert!(
                last.time <= time && last.revision < revision,
                "a history cannot go back"
            );
        }
        let index = u32::try_from(self.len()).unwrap_or(NONE);
        assert!(index < NONE, "more than 2^32 versions");
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

    /// Adds a version of an object under the history's own revisions 1, 2, …: what a component republishes of what it has read.
    ///
    /// # Panics
    /// If time goes back.
    pub fn publish(&mut self, time: SimTime, key: u32, value: V) -> VersionIndex {
        let revision = u32::try_from(self.len() + 1).expect("more than 2^32 revisions");
        self.append(time, revision, key, None, Some(value))
    }

    /// When the last of the first `versions` was written, if there is one.
    #[must_use]
    pub fn newest(&self, versions: u32) -> Option<SimTime> {
        self.get(versions.checked_sub(1)?).map(|version| version.time)
    }

    /// A version by its number, if it was written. Takes constant time.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<&Version<V>> {
        self.versions.get(index as usize)
    }

    /// A version by its position. Takes constant time.
    ///
    /// # Panics
    /// If it is a position in another history.
    #[must_use]
    pub fn version(&self, index: VersionIndex) -> &Version<V> {
        &self.versions[index.get()]
    }

    /// All versions with their positions, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (VersionIndex, &Version<V>)> {
        (0..).map(VersionIndex).zip(&self.versions)
    }

    /// Positions of all versions, latest first.
    pub fn latest_first(&self) -> impl Iterator<Item = VersionIndex> + use<V> {
        (0..self.len() as u32).rev().map(VersionIndex)
    }

    /// The latest value of an object, if it exists.
    #[must_use]
    pub fn value(&self, key: u32) -> Option<&V> {
        self.at(key, self.len() as u32)?.value.as_ref()
    }

    /// The version of an object that a reader of the first `seen` versions knows. Takes time in the number of newer versions
    /// of the object.
    #[must_use]
    pub fn at(&self, key: u32, seen: u32) -> Option<&Version<V>> {
        let index = self.of_key(key).find(|index| index.0 < seen)?;
        Some(self.version(index))
    }

    /// Positions of the versions of an object, latest first.
    pub fn of_key(&self, key: u32) -> impl Iterator<Item = VersionIndex> {
        self.chain(self.head_of_key.get(key as usize), |version| version.previous_of_key)
    }

    /// Positions of the versions of a topic, latest first.
    pub fn of_topic(&self, topic: u32) -> impl Iterator<Item = VersionIndex> {
        self.chain(self.head_of_topic.get(topic as usize), |version| {
            version.previous_of_topic
        })
    }

    fn chain(&self, head: Option<&u32>, previous: impl Fn(&Version<V>) -> u32) -> impl Iterator<Item = VersionIndex> {
        let mut index = head.copied().unwrap_or(NONE);
        std::iter::from_fn(move || {
            let found = VersionIndex(index);
            index = previous(self.get(index)?);
            Some(found)
        })
    }

    /// Number of versions written at or before `time`. Takes logarithmic time.
    #[must_use]
    pub fn written_by(&self, time: SimTime) -> u32 {
        self.versions.partition_point(|version| version.time <= time) as u32
    }

    /// Number of versions written before `time`, but at least `from`. Takes logarithmic time in how far that is from `from`.
    #[must_use]
    pub fn written_before(&self, from: u32, time: SimTime) -> u32 {
        let later = self.versions.get(from as usize..).unwrap_or_default();
        let mut step = 1;
        while later.get(step - 1).is_some_and(|version| version.time < time) {
            step *= 2;
        }
        // Everything below half a step was written before, and what is at the end of the step was not.
        let (low, high) = (step / 2, later.len().min(step));
        let between = later[low..high].partition_point(|version| version.time < time);
        from + (low + between) as u32
    }
}
