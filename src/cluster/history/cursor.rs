//! How far one reader has read a history, and the questions that this answers. What the reader makes of it belongs to the
//! reader.

use std::cell::Cell;
use std::sync::Arc;

use super::delay::{Delay, LastBatch, Runs};
use super::versions::{History, VersionIndex};
use crate::kernel::{EntityKey, RunKey, SimDuration, SimTime};

#[derive(Clone, Copy, Debug)]
enum Segment {
    /// Watching since the start of the segment, after a list that contained this many versions. What is written meanwhile is
    /// sent so much later.
    Watching { listed: u32, lag: SimDuration },
    /// Cut off, or behind a cache that stands still; this many versions had been seen.
    Frozen { seen: u32 },
}

impl Segment {
    const fn watching(listed: u32) -> Self {
        let lag = SimDuration::ZERO;
        Self::Watching { listed, lag }
    }
}

/// A cache behind its store, from which a reader lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    /// Since when.
    pub since: SimTime,
    /// By how much; it stands still if nothing is said.
    pub by: Option<SimDuration>,
}

impl Behind {
    /// The latest write that it shows at a time.
    #[must_use]
    pub fn shows(self, now: SimTime) -> SimTime {
        self.by.map_or(self.since, |by| now.saturating_sub(by).max(self.since))
    }

    /// When it shows what was written at a time; nothing as long as it stands still.
    #[must_use]
    pub fn shows_at(self, written: SimTime) -> Option<SimTime> {
        match self.by {
            _ if written <= self.since => Some(written),
            Some(by) => Some(written + by),
            None => None,
        }
    }

    /// How late it sends what is written, unless it stands still.
    #[must_use]
    pub fn lag(of: Option<Self>) -> SimDuration {
        of.and_then(|behind| behind.by).unwrap_or(SimDuration::ZERO)
    }
}

/// What a cursor answered last: a later question continues from there. It never changes an answer.
#[derive(Clone, Copy, Debug)]
struct Memo {
    /// At this time exactly `seen` versions had arrived.
    at: SimTime,
    seen: u32,
    /// When the first of the others arrives, later than `at`; [`SimTime::ZERO`] if that was not known.
    next: SimTime,
    batch: LastBatch,
    /// As they stood before the first version that had not arrived.
    runs: Runs,
}

/// How far one reader has read one history, with its key for random streams and its delay.
///
/// A cursor takes about 150 bytes, and 24 more per segment after the first. Asked later and later, it draws each batch once;
/// asked about an earlier time, it draws the batches written within the bound of the delay before that time.
#[derive(Clone, Debug)]
pub struct Cursor {
    reader: EntityKey,
    delay: Arc<Delay>,
    segments: smallvec::SmallVec<[(SimTime, Segment); 1]>,
    /// How many versions it had read when the run began.
    had: u32,
    memo: Cell<Memo>,
}

impl Cursor {
    fn beginning(reader: EntityKey, delay: &Arc<Delay>, since: SimTime, listed: u32) -> Self {
        Self {
            reader,
            delay: delay.clone(),
            segments: smallvec::smallvec![(since, Segment::watching(listed))],
            had: 0,
            memo: Cell::new(Memo {
                at: SimTime::ZERO,
                seen: 0,
                next: SimTime::ZERO,
                batch: LastBatch::NONE,
                runs: Runs::NONE,
            }),
        }
    }

    /// A reader that had read so many versions long before the run began: none of them is on its way.
    pub fn has_read(&mut self, versions: u32) {
        self.segments = smallvec::smallvec![(SimTime::ZERO, Segment::watching(versions))];
        self.had = versions;
        self.memo.get_mut().seen = versions;
    }

    /// A reader that watches from the beginning.
    #[must_use]
    pub fn watching(reader: EntityKey, delay: &Arc<Delay>) -> Self {
        Self::beginning(reader, delay, SimTime::ZERO, 0)
    }

    /// A reader that lists everything written so far at `now` and watches from there.
    #[must_use]
    pub fn listing<V>(reader: EntityKey, delay: &Arc<Delay>, history: &History<V>, now: SimTime) -> Self {
        Self::beginning(reader, delay, now, history.written_by(now))
    }

    /// The cursor with the history that it reads, to be asked.
    #[must_use]
    pub const fn over<'a, V>(&'a self, history: &'a History<V>, run_key: &'a RunKey) -> View<'a, V> {
        View {
            cursor: self,
            history,
            run_key,
        }
    }

    /// Since when it was frozen at `time`, if it was.
    #[must_use]
    pub fn frozen_at(&self, time: SimTime) -> Option<SimTime> {
        let (since, segment) = self.segment_at(time)?;
        matches!(segment, Segment::Frozen { .. }).then_some(since)
    }

    fn segment_at(&self, time: SimTime) -> Option<(SimTime, Segment)> {
        self.segments.iter().rev().find(|(start, _)| *start <= time).copied()
    }

    /// How much later than usual the reader is sent what was written at a time: as its server's cache lags then, or when the
    /// reader is next connected to one.
    fn lag(&self, written: SimTime) -> SimDuration {
        if self.segments.len() == 1 {
            return SimDuration::ZERO; // Nearly all have none, and this is asked for each version.
        }
        let at = self
            .segments
            .partition_point(|(start, _)| *start <= written)
            .saturating_sub(1);
        let mut later = self.segments[at..].iter();
        let watching = later.find_map(|(_, segment)| match segment {
            Segment::Watching { lag, .. } => Some(*lag),
            Segment::Frozen { .. } => None,
        });
        watching.unwrap_or(SimDuration::ZERO)
    }

    /// The longest time that anything is on its way.
    fn bound(&self) -> SimDuration {
        let lags = self.segments.iter().map(|(_, segment)| match segment {
            Segment::Watching { lag, .. } => *lag,
            Segment::Frozen { .. } => SimDuration::ZERO,
        });
        self.delay.bound() + lags.max().unwrap_or(SimDuration::ZERO)
    }

    /// When it began, was frozen or was restored.
    pub fn changes(&self) -> impl Iterator<Item = SimTime> {
        self.segments.iter().map(|(since, _)| *since)
    }

    fn begin(&mut self, now: SimTime, segment: Segment) {
        let latest = self.segments.last().map(|(start, _)| *start);
        assert!(
            latest.is_none_or(|latest| latest <= now),
            "a cursor cannot change in its past"
        );
        self.segments.push((now, segment));
    }

    /// Cuts the reader off.
    pub fn freeze<V>(&mut self, history: &History<V>, run_key: &RunKey, now: SimTime) {
        if self.frozen_at(SimTime::NEVER).is_none() {
            let seen = self.over(history, run_key).seen_at(now);
            self.begin(now, Segment::Frozen { seen });
        }
    }

    /// Lets a reader that was cut off list again and go on watching.
    pub fn restore<V>(&mut self, history: &History<V>, now: SimTime) {
        if self.frozen_at(SimTime::NEVER).is_some() {
            self.begin(now, Segment::watching(history.written_by(now)));
        }
    }

    /// As [`Cursor::restore`], from a cache that is behind: the list has what was written up to a time.
    pub fn restore_behind<V>(&mut self, history: &History<V>, now: SimTime, behind: Behind, listed: SimTime) {
        let listed = history.written_by(listed);
        self.begin(
            now,
            match behind.by {
                Some(lag) => Segment::Watching { listed, lag },
                None => Segment::Frozen { seen: listed },
            },
        );
    }

    /// The cache from which the reader is sent changes lags by so much from now on.
    pub fn lags(&mut self, now: SimTime, lag: SimDuration) {
        match self.segments.last().copied() {
            Some((_, Segment::Watching { listed, lag: before })) if before != lag => {
                self.begin(now, Segment::Watching { listed, lag });
            }
            _ => {}
        }
    }
}

/// A reader of a history: its cursor with all that is needed to ask what it has seen, at any time.
#[derive(Debug)]
pub struct View<'a, V> {
    /// How far it has read.
    pub cursor: &'a Cursor,
    /// What it reads.
    pub history: &'a History<V>,
    run_key: &'a RunKey,
}

impl<'a, V> View<'a, V> {
    /// How many versions the reader has seen at `time`.
    ///
    /// Takes amortised constant time per version if asked later and later, else the time for the versions written within
    /// the bound of the delay before `time`. A question about the time from the latest answer to the next arrival takes constant time.
    #[must_use]
    pub fn seen_at(&self, time: SimTime) -> u32 {
        match self.cursor.segment_at(time) {
            None => 0,
            Some((_, Segment::Frozen { seen })) => seen,
            Some((_, Segment::Watching { listed, .. })) => self.arrived(time).max(listed),
        }
    }

    /// The object as the reader knows it, if it knows one. Takes the time of [`View::seen_at`], and that for the versions of the
    /// object that it has not seen.
    #[must_use]
    pub fn at(&self, key: u32, time: SimTime) -> Option<&'a V> {
        self.history.at(key, self.seen_at(time))?.value.as_ref()
    }

    /// When the reader sees a version, if nothing cuts it off any more or, while it is cut off, if that stays so: nothing if
    /// never. For a version that its latest list had, the time of that list. Takes the time for the versions written within the
    /// bound of the delay before it, or those that had not arrived when the cursor was asked last, whichever are fewer.
    #[must_use]
    pub fn crossing(&self, index: VersionIndex) -> Option<SimTime> {
        let &(since, segment) = self.cursor.segments.last()?;
        self.crossing_in(index, since, segment)
    }

    fn crossing_in(&self, index: VersionIndex, since: SimTime, segment: Segment) -> Option<SimTime> {
        match segment {
            Segment::Frozen { seen: had } | Segment::Watching { listed: had, .. } if index.0 < had => Some(since),
            Segment::Frozen { .. } => None,
            Segment::Watching { .. } => Some(self.arrival(index)?.max(since)),
        }
    }

    /// When the reader sees a version for the first time, over all that became of its cursor. Takes the time of
    /// [`View::crossing`] per segment.
    #[must_use]
    pub fn first_seen(&self, index: VersionIndex) -> Option<SimTime> {
        let segments = &self.cursor.segments;
        let ends = segments[1..].iter().map(|(end, _)| Some(*end)).chain([None]);
        segments.iter().zip(ends).find_map(|(&(since, segment), end)| {
            let crossing = self.crossing_in(index, since, segment)?;
            end.is_none_or(|end| crossing < end).then_some(crossing)
        })
    }

    /// When the reader sees those of some versions, given latest first, that may still be on their way to it at `now`.
    pub fn under_way(
        &self,
        latest_first: impl Iterator<Item = VersionIndex>,
        now: SimTime,
    ) -> impl Iterator<Item = SimTime> {
        // Nothing older than the longest delay can still be on its way.
        let since = now.saturating_sub(self.cursor.bound());
        let is_late =
            move |index: &VersionIndex| index.0 >= self.cursor.had && self.history.version(*index).time >= since;
        let late = latest_first.take_while(is_late);
        late.filter_map(|index| self.crossing(index))
    }

    /// How many versions have arrived by `time`, first in, first out.
    fn arrived(&self, time: SimTime) -> u32 {
        let Cursor {
            reader, delay, memo, ..
        } = self.cursor;
        let mut known = memo.get();
        let continues = known.at <= time;
        if continues && time < known.next {
            return known.seen;
        }
        let from = if continues { known.seen } else { self.cursor.had };
        let (mut seen, mut runs) = self.begin_of_runs(from, continues.then_some(known.runs), time);
        let mut next = SimTime::ZERO;
        while let Some(version) = self.history.get(seen) {
            let before = runs;
            let lag = self.cursor.lag(version.time);
            let arrival = known
                .batch
                .arrival(&mut runs, delay, self.run_key, *reader, version.time, lag);
            if arrival > time {
                (next, runs) = (arrival, before);
                break;
            }
            seen += 1;
        }
        if continues {
            memo.set(Memo {
                at: time,
                seen,
                next,
                batch: known.batch,
                runs,
            });
        }
        seen
    }

    /// When a version arrives, first in, first out; nothing if it is not written yet.
    fn arrival(&self, index: VersionIndex) -> Option<SimTime> {
        let memo = self.cursor.memo.get();
        let written = self.history.get(index.0)?.time;
        // Versions that had arrived when the cursor was asked last cannot delay one that had not.
        let known = memo.next > memo.at && memo.seen <= index.0;
        let from = if known { memo.seen } else { self.cursor.had };
        let (first, mut runs) = self.begin_of_runs(from, known.then_some(memo.runs), written);
        let mut batch = memo.batch;
        let versions = (first..=index.0).filter_map(|index| self.history.get(index));
        let Cursor { reader, delay, .. } = self.cursor;
        versions
            .map(|version| {
                let lag = self.cursor.lag(version.time);
                batch.arrival(&mut runs, delay, self.run_key, *reader, version.time, lag)
            })
            .max()
    }

    /// From which version on arrivals are to be followed up to `time`, and how the reader's runs stand there. Versions before it
    /// have arrived. `known` states how they stand at `from`; without that, before it nothing was written.
    fn begin_of_runs(&self, from: u32, known: Option<Runs>, time: SimTime) -> (u32, Runs) {
        let (history, delay) = (self.history, &self.cursor.delay);
        let mut first = history.written_before(from, time.saturating_sub(self.cursor.bound()));
        if delay.pace.is_none() {
            return (first, Runs::NONE);
        }
        // Runs depend on earlier ones, back to the latest pause that was long enough.
        let paused = |at: u32| match (history.get(at - 1), history.get(at)) {
            (Some(before), Some(version)) => {
                version.time.since(before.time) > delay.quiet() + self.cursor.lag(before.time)
            }
            _ => false,
        };
        while first > from && !paused(first) {
            first -= 1;
        }
        (first, known.filter(|_| first == from).unwrap_or(Runs::NONE))
    }
}

#[cfg(test)]
impl Cursor {
    /// The same cursor, never asked before.
    pub(super) fn unasked(&self) -> Self {
        Self {
            segments: self.segments.clone(),
            had: self.had,
            memo: Cell::new(Memo {
                seen: self.had,
                ..Self::watching(self.reader, &self.delay).memo.get()
            }),
            ..Self::watching(self.reader, &self.delay)
        }
    }
}
