//! A reader with all that it needs to be asked: what it believes at a time, and in which order it was told. How much of the
//! history it has seen belongs to `path`, what it makes of it to its `rules`.

use smallvec::SmallVec;

use super::delay::Delay;
use super::feed::Feed;
use super::path::{Crossing, Path, Segment};
use super::rules::{Delivery, WriteRules};
use super::versions::{Version, VersionIndex};
use crate::kernel::{RunKey, SimTime};

/// A path with what it reads from and how, to be asked questions about any time.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a, F> {
    /// How it reads.
    pub path: &'a Path,
    /// What it reads from.
    pub feed: &'a F,
    /// How versions reach it.
    pub delay: &'a Delay,
    /// The run's random numbers.
    pub run_key: &'a RunKey,
}

impl<'a, F: Feed> Reader<'a, F> {
    /// How many versions it has seen; see [`Path::visible_at`].
    #[must_use]
    pub fn visible_at(&self, time: SimTime) -> u32 {
        self.path.visible_at(self.feed, self.delay, self.run_key, time)
    }

    /// The latest revision that it has seen; 0 before the first.
    #[must_use]
    pub fn revision_at(&self, time: SimTime) -> u32 {
        self.feed.history().revision_of(self.visible_at(time))
    }

    /// The object as the reader knows it, if it knows one: its informer's store. Takes the time of [`Path::visible_at`], and that
    /// for the versions of the object that it has not seen.
    #[must_use]
    pub fn value_at(&self, key: u32, time: SimTime) -> Option<&'a F::Value> {
        self.feed.history().at(key, self.visible_at(time))?.value.as_ref()
    }

    /// When it sees a version; see [`Path::crossing`].
    #[must_use]
    pub fn crossing(&self, index: VersionIndex) -> Crossing {
        self.path.crossing(self.feed, self.delay, self.run_key, index)
    }

    /// What the reader holds under a topic by its write rules, from what its path really delivered. Takes the time of
    /// [`Reader::deliveries`].
    pub fn entry_at<R: WriteRules<F::Value>>(&self, topic: u32, time: SimTime, rules: &R) -> Option<R::Entry> {
        rules.entry(self.deliveries(topic, time).into_iter())
    }

    /// The changes of a topic that the path delivered by `time`, latest first.
    ///
    /// A watch delivers each version. A list delivers how it differs from what the reader knew: first the objects that are new or
    /// changed, in the order of their keys, then the removal of those that it no longer has; versions between are skipped, and what
    /// is unchanged is not delivered again. A reader that starts from disk had been delivered what it had when that was stored.
    /// Takes time in the versions of the topic, per list.
    ///
    /// # Panics
    /// If the history was truncated above what the reader knew before one of those lists.
    #[must_use]
    pub fn deliveries(&self, topic: u32, time: SimTime) -> Vec<Delivery<'a, F::Value>> {
        let history = self.feed.history();
        let mut deliveries = Vec::new();
        let mut until = time;
        let mut segments = self.path.segments();
        while let Some((&(since, segment), earlier)) = segments.split_last() {
            segments = earlier;
            if since > until {
                continue;
            }
            match segment {
                Segment::Frozen { .. } => {}
                // Only what had been delivered by then is known.
                Segment::Restored { stored, .. } => until = stored,
                Segment::Watching { listed, .. } => {
                    let visible = self.visible_in(segment, until);
                    let watched = history.positions_of_topic(topic);
                    let watched = watched.skip_while(|index| index.0 >= visible);
                    let watched = watched.take_while(|index| index.0 >= listed);
                    deliveries.extend(watched.filter_map(|index| history.get(index.0)).map(Delivery::from));
                    let known = earlier.last().map_or(0, |(_, before)| self.visible_in(*before, since));
                    if known != listed {
                        self.list(topic, known, listed, &mut deliveries);
                    }
                }
            }
            until = until.min(since);
        }
        deliveries
    }

    fn visible_in(&self, segment: Segment, until: SimTime) -> u32 {
        self.path
            .visible_in(self.feed, self.delay, self.run_key, segment, until)
    }

    /// What a list of the first `listed` versions changes for a reader that knew the first `known`, latest first.
    fn list(&self, topic: u32, known: u32, listed: u32, deliveries: &mut Vec<Delivery<'a, F::Value>>) {
        let history = self.feed.history();
        let lowest = known.min(listed);
        assert!(
            history.floor() <= lowest,
            "a list went from {known} to {listed} versions, but those below {} are forgotten",
            history.floor()
        );
        // The latest version of each object under the topic, as known and as listed.
        let mut objects: SmallVec<[Difference<'a, F::Value>; 4]> = SmallVec::new();
        for index in history.positions_of_topic(topic) {
            let version = history.version(index);
            let position = objects.iter().position(|object| object.key == version.key);
            let position = position.unwrap_or_else(|| {
                objects.push(Difference {
                    key: version.key,
                    known: None,
                    listed: None,
                });
                objects.len() - 1
            });
            let object = &mut objects[position];
            if index.0 < known {
                object.known.get_or_insert(version);
            }
            if index.0 < listed {
                object.listed.get_or_insert(version);
            }
        }
        objects.sort_unstable_by_key(|object| std::cmp::Reverse(object.key));
        let exists = |version: Option<&'a Version<F::Value>>| version.filter(|version| version.value.is_some());
        for object in &objects {
            if exists(object.known).is_some() && exists(object.listed).is_none() {
                deliveries.push(Delivery::Delete(object.key));
            }
        }
        for object in &objects {
            if let Some(listed) = exists(object.listed)
                && object.known.is_none_or(|known| known.revision != listed.revision)
            {
                deliveries.push(Delivery::Upsert(listed));
            }
        }
    }
}

/// An object before and after a list.
struct Difference<'a, V> {
    key: u32,
    known: Option<&'a Version<V>>,
    listed: Option<&'a Version<V>>,
}

/// The position of a reader that acts on the versions of one object.
#[derive(Clone, Debug)]
pub struct Subscription {
    key: u32,
    /// Versions below this were given or skipped.
    next: u32,
    /// Whether the reader was told of the object, and not of its removal.
    exists: bool,
    /// Found and not yet given, latest first.
    pending: SmallVec<[u32; 4]>,
}

impl Subscription {
    /// A subscription to an object, from its first version on.
    #[must_use]
    pub fn to(key: u32) -> Self {
        Self {
            key,
            next: 0,
            exists: false,
            pending: SmallVec::new(),
        }
    }

    /// The next version of the object that the reader is told, and when; nothing if there is none. Versions that a list
    /// skipped are not told, nor is the removal of an object that the reader never knew. Takes amortised constant time per version,
    /// apart from [`Path::first_seen`].
    ///
    /// A version is given before it arrives. If the path changes before that time, the answer is void: ask a clone, and let the
    /// subscription itself pass on when the time has come. Paths that move back to an older revision have no subscriptions.
    pub fn next_after<F: Feed>(&mut self, reader: &Reader<F>) -> Option<(VersionIndex, SimTime)> {
        let history = reader.feed.history();
        if self.pending.is_empty() {
            let new = history.of_key(self.key).map(|index| index.0);
            self.pending.extend(new.take_while(|index| *index >= self.next));
        }
        while let Some(&index) = self.pending.last() {
            let Crossing::At(time) = reader.path.first_seen(reader.feed, reader.delay, reader.run_key, index) else {
                return None;
            };
            self.pending.pop();
            self.next = index + 1;
            let lists = reader.path.segments().iter().filter(|(since, _)| *since == time);
            let listed = lists.filter_map(|(_, segment)| match segment {
                Segment::Watching { listed, .. } => Some(*listed),
                Segment::Frozen { .. } | Segment::Restored { .. } => None,
            });
            let listed = listed.max().unwrap_or(0);
            let newer = history.of_key(self.key).map(|newer| newer.0);
            let skipped = newer.take_while(|newer| *newer > index).any(|newer| newer < listed);
            let exists = history.version(VersionIndex(index)).value.is_some();
            if !skipped && (exists || self.exists) {
                self.exists = exists;
                return Some((VersionIndex(index), time));
            }
        }
        None
    }
}
