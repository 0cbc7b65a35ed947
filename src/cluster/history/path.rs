//! How one reader reads a history: a short list of segments, and how much of the history is visible through them. What the
//! reader makes of it belongs to `reader` and `rules`, where it reads from to `feed`.

use std::cell::Cell;

use super::delay::{Delay, LastBatch, Runs};
use super::feed::Feed;
use super::versions::VersionIndex;
use crate::kernel::{EntityKey, RunKey, SimTime};

/// When a reader sees a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crossing {
    /// At this time.
    At(SimTime),
    /// Not as long as its path stays as it is.
    NotYet,
}

/// What a reader accepts from the server that it moves to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListFrom {
    /// Whatever the server has, even if that is older than what the reader had: `resourceVersion="0"`.
    AnyRevision,
    /// Nothing older: until the server has caught up, the reader keeps what it had (`resourceVersionMatch=NotOlderThan`).
    NotOlderThanSeen,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Segment {
    /// Watching a server since the start of the segment, after a list that contained this many versions.
    Watching { listed: u32, server: u32 },
    /// Cut off; this many versions had been seen.
    Frozen { seen: u32 },
    /// Started again from what was on disk: what the reader had at an earlier time, this many versions.
    Restored { seen: u32, stored: SimTime },
}

/// What a path answered last: a later question continues from there. It never changes an answer.
#[derive(Clone, Copy, Debug)]
struct Memo {
    server: u32,
    epoch: u32,
    /// At this time exactly `visible` versions had arrived from the server.
    at: SimTime,
    visible: u32,
    /// When the first of the others arrives, later than `at`; [`SimTime::ZERO`] if that was not known.
    next: SimTime,
    batch: LastBatch,
    /// As they stood before the first version that had not arrived.
    runs: Runs,
}

/// How one reader reads one history.
///
/// A path takes about 150 bytes, and 32 more per segment after the first. Asked later and later, it draws each batch once;
/// asked about an earlier time, it draws the batches written within the bound of the delay before that time.
#[derive(Clone, Debug)]
pub struct Path {
    reader: EntityKey,
    segments: smallvec::SmallVec<[(SimTime, Segment); 1]>,
    memo: Cell<Memo>,
}

impl Path {
    fn beginning(reader: EntityKey, since: SimTime, segment: Segment) -> Self {
        Self {
            reader,
            segments: smallvec::smallvec![(since, segment)],
            memo: Cell::new(Memo {
                server: 0,
                epoch: 0,
                at: SimTime::ZERO,
                visible: 0,
                next: SimTime::ZERO,
                batch: LastBatch::NONE,
                runs: Runs::NONE,
            }),
        }
    }

    /// A reader that watches from the beginning.
    #[must_use]
    pub fn watching(reader: EntityKey) -> Self {
        Self::watching_server(reader, 0)
    }

    /// A reader that watches one of several servers from the beginning.
    #[must_use]
    pub fn watching_server(reader: EntityKey, server: u32) -> Self {
        Self::beginning(reader, SimTime::ZERO, Segment::Watching { listed: 0, server })
    }

    /// A reader that lists everything written so far at `now` and watches from there.
    #[must_use]
    pub fn listing<F: Feed>(reader: EntityKey, feed: &F, now: SimTime) -> Self {
        let listed = feed.handed_out_by(0, now);
        Self::beginning(reader, now, Segment::Watching { listed, server: 0 })
    }

    /// The segments with their starts, oldest first.
    pub(super) fn segments(&self) -> &[(SimTime, Segment)] {
        &self.segments
    }

    /// Since when the path has been frozen, or has had nothing newer than what was on disk.
    #[must_use]
    pub fn frozen_since(&self) -> Option<SimTime> {
        self.frozen_at(SimTime::NEVER)
    }

    /// Since when the path was frozen at `time`, if it was.
    #[must_use]
    pub fn frozen_at(&self, time: SimTime) -> Option<SimTime> {
        match self.segment_at(time) {
            Some((since, Segment::Frozen { .. } | Segment::Restored { .. })) => Some(since),
            Some((_, Segment::Watching { .. })) | None => None,
        }
    }

    fn segment_at(&self, time: SimTime) -> Option<(SimTime, Segment)> {
        self.segments.iter().rev().find(|(start, _)| *start <= time).copied()
    }

    /// When the path was cut, restored or moved.
    pub fn changes(&self) -> impl Iterator<Item = SimTime> {
        self.segments.iter().map(|(since, _)| *since)
    }

    /// The server that the path reads from, or read from last.
    #[must_use]
    pub fn server(&self) -> u32 {
        let watched = self.segments.iter().rev().find_map(|(_, segment)| match segment {
            Segment::Watching { server, .. } => Some(*server),
            Segment::Frozen { .. } | Segment::Restored { .. } => None,
        });
        watched.unwrap_or(0)
    }

    /// The fewest versions that a question about `since` or later may need: what a history must keep for this path, apart
    /// from those written within the bound of its delay before that time.
    #[must_use]
    pub fn lowest_cursor<F: Feed>(&self, feed: &F, delay: &Delay, run_key: &RunKey, since: SimTime) -> u32 {
        let later = self.changes().filter(|start| *start > since);
        let at = later.map(|start| self.visible_at(feed, delay, run_key, start)).min();
        let now = self.visible_at(feed, delay, run_key, since);
        at.map_or(now, |at| at.min(now))
    }

    fn begin(&mut self, now: SimTime, segment: Segment) {
        let latest = self.segments.last().map(|(start, _)| *start);
        assert!(
            latest.is_none_or(|latest| latest <= now),
            "a path cannot change in its past"
        );
        self.segments.push((now, segment));
    }

    /// Cuts the reader off.
    pub fn freeze<F: Feed>(&mut self, feed: &F, delay: &Delay, run_key: &RunKey, now: SimTime) {
        if self.frozen_since().is_none() {
            let seen = self.visible_at(feed, delay, run_key, now);
            self.begin(now, Segment::Frozen { seen });
        }
    }

    /// Lets a reader that was cut off list again, from the server that it had, and go on watching.
    pub fn restore<F: Feed>(&mut self, feed: &F, now: SimTime) {
        if self.frozen_since().is_some() {
            let server = self.server();
            let listed = feed.handed_out_by(server, now);
            self.begin(now, Segment::Watching { listed, server });
        }
    }

    /// Starts the reader again with what it had at `stored`, which it had written to disk. It has nothing newer until
    /// it is restored.
    pub fn start_from_disk<F: Feed>(
        &mut self,
        feed: &F,
        delay: &Delay,
        run_key: &RunKey,
        stored: SimTime,
        now: SimTime,
    ) {
        assert!(stored <= now, "nothing is on disk before it was read");
        let seen = self.visible_at(feed, delay, run_key, stored);
        self.begin(now, Segment::Restored { seen, stored });
    }

    /// Moves the reader to a server: it lists there and watches from there. A server that lags may take it back
    /// to an older revision, if the reader accepts that.
    pub fn move_to<F: Feed>(
        &mut self,
        feed: &F,
        delay: &Delay,
        run_key: &RunKey,
        server: u32,
        from: ListFrom,
        now: SimTime,
    ) {
        let served = feed.handed_out_by(server, now);
        let listed = match from {
            ListFrom::AnyRevision => served,
            ListFrom::NotOlderThanSeen => served.max(self.visible_at(feed, delay, run_key, now)),
        };
        self.begin(now, Segment::Watching { listed, server });
    }

    /// How many versions the reader has seen at `time`.
    ///
    /// Takes amortised constant time per version if asked later and later, else the time for the versions written within
    /// the bound of the delay before `time`. A question about the time from the latest answer to the next arrival takes constant time.
    #[must_use]
    pub fn visible_at<F: Feed>(&self, feed: &F, delay: &Delay, run_key: &RunKey, time: SimTime) -> u32 {
        self.segment_at(time)
            .map_or(0, |(_, segment)| self.visible_in(feed, delay, run_key, segment, time))
    }

    /// How many versions the reader has seen at `time`, if it has been in this segment up to then.
    pub(super) fn visible_in<F: Feed>(
        &self,
        feed: &F,
        delay: &Delay,
        run_key: &RunKey,
        segment: Segment,
        time: SimTime,
    ) -> u32 {
        match segment {
            Segment::Frozen { seen } | Segment::Restored { seen, .. } => seen,
            Segment::Watching { listed, server } => self.arrived(feed, delay, run_key, server, time).max(listed),
        }
    }

    /// How many versions have arrived from a server by `time`, first in, first out.
    fn arrived<F: Feed>(&self, feed: &F, delay: &Delay, run_key: &RunKey, server: u32, time: SimTime) -> u32 {
        let mut memo = self.memo.get();
        let epoch = feed.epoch(server);
        let same = (memo.server, memo.epoch) == (server, epoch);
        let continues = same && memo.at <= time;
        if continues && time < memo.next {
            return memo.visible;
        }
        let from = if continues { memo.visible } else { 0 };
        let (mut visible, mut runs) = begin_of_runs(feed, server, from, continues.then_some(memo.runs), time, delay);
        let mut next = SimTime::ZERO;
        while let Some(written) = feed.handed_out(server, visible) {
            let before = runs;
            let arrival = memo.batch.arrival(&mut runs, delay, run_key, self.reader, written);
            if arrival > time {
                (next, runs) = (arrival, before);
                break;
            }
            visible += 1;
        }
        if continues || !same {
            self.memo.set(Memo {
                server,
                epoch,
                at: time,
                visible,
                next,
                batch: memo.batch,
                runs,
            });
        }
        visible
    }

    /// When a version arrives from a server, first in, first out; nothing if the server does not have it yet.
    fn arrival<F: Feed>(
        &self,
        feed: &F,
        delay: &Delay,
        run_key: &RunKey,
        server: u32,
        index: VersionIndex,
    ) -> Option<SimTime> {
        let memo = self.memo.get();
        let written = feed.handed_out(server, index.0)?;
        // Versions that had arrived when the path was asked last cannot delay one that had not.
        let known =
            (memo.server, memo.epoch) == (server, feed.epoch(server)) && memo.next > memo.at && memo.visible <= index.0;
        let from = if known { memo.visible } else { 0 };
        let (first, mut runs) = begin_of_runs(feed, server, from, known.then_some(memo.runs), written, delay);
        let mut batch = memo.batch;
        let written = (first..=index.0).filter_map(|index| feed.handed_out(server, index));
        written
            .map(|written| batch.arrival(&mut runs, delay, run_key, self.reader, written))
            .max()
    }

    /// When the reader sees a version, if its path stays as it is now; for a version that its latest list had, the time of that
    /// list. Takes the time for the versions written within the bound of the delay before it, or those that had
    /// not arrived when the path was asked last, whichever are fewer.
    #[must_use]
    pub fn crossing<F: Feed>(&self, feed: &F, delay: &Delay, run_key: &RunKey, index: VersionIndex) -> Crossing {
        self.segments.last().map_or(Crossing::NotYet, |&(since, segment)| {
            self.crossing_in(feed, delay, run_key, index, since, segment)
        })
    }

    fn crossing_in<F: Feed>(
        &self,
        feed: &F,
        delay: &Delay,
        run_key: &RunKey,
        index: VersionIndex,
        since: SimTime,
        segment: Segment,
    ) -> Crossing {
        let (had, server) = match segment {
            Segment::Frozen { seen } | Segment::Restored { seen, .. } => (seen, None),
            Segment::Watching { listed, server } => (listed, Some(server)),
        };
        if index.0 < had {
            return Crossing::At(since);
        }
        let arrival = server.and_then(|server| self.arrival(feed, delay, run_key, server, index));
        arrival.map_or(Crossing::NotYet, |arrival| Crossing::At(arrival.max(since)))
    }

    /// When the reader sees a version for the first time, over its whole path, if that stays as it is now. Takes the time of
    /// [`Path::crossing`] per segment.
    #[must_use]
    pub fn first_seen<F: Feed>(&self, feed: &F, delay: &Delay, run_key: &RunKey, index: u32) -> Crossing {
        for (number, &(since, segment)) in self.segments.iter().enumerate() {
            let end = self.segments.get(number + 1).map(|(end, _)| *end);
            let crossing = self.crossing_in(feed, delay, run_key, VersionIndex(index), since, segment);
            if let Crossing::At(time) = crossing
                && end.is_none_or(|end| time < end)
            {
                return crossing;
            }
        }
        Crossing::NotYet
    }
}

/// From which version on arrivals are to be followed up to `time`, and how the reader's runs stand there. Versions before it
/// have arrived. `known` says how they stand at `from`; without that, before it nothing was written.
fn begin_of_runs<F: Feed>(
    feed: &F,
    server: u32,
    from: u32,
    known: Option<Runs>,
    time: SimTime,
    delay: &Delay,
) -> (u32, Runs) {
    let mut first = feed.handed_out_before(server, from, time.saturating_sub(delay.bound()));
    if delay.pace.is_none() {
        return (first, Runs::NONE);
    }
    // Runs hang on earlier ones, back to the latest pause that was long enough.
    let paused = |at: u32| match (feed.handed_out(server, at - 1), feed.handed_out(server, at)) {
        (Some(before), Some(written)) => written.since(before) > delay.quiet(),
        _ => false,
    };
    while first > from && !paused(first) {
        first -= 1;
    }
    (first, known.filter(|_| first == from).unwrap_or(Runs::NONE))
}

#[cfg(test)]
impl Path {
    /// The same path, never asked before.
    pub(super) fn unasked(&self) -> Self {
        Self {
            segments: self.segments.clone(),
            ..Self::beginning(self.reader, SimTime::ZERO, Segment::Frozen { seen: 0 })
        }
    }
}
