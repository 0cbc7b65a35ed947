//! Paths against readers that copy everything (`naive`), and truncation against a history that forgets nothing.

use proptest::prelude::*;

use super::naive::{Copying, Told, Written};
use super::*;
use crate::cluster::purpose::Purpose;
use crate::kernel::{EntityKey, Law, RunKey, SimDuration, SimTime};

const TOPICS: u32 = 3;
const KEYS: u32 = 6;
const SERVERS: usize = 2;

fn delay(max_ms: u64) -> Delay {
    Delay {
        purpose: Purpose::IpcacheDelay,
        law: Law::Uniform {
            min: SimDuration::from_millis(1),
            max: SimDuration::from_millis(max_ms),
        },
        then: Some(Law::Constant(SimDuration::from_millis(2))),
        batch_period: SimDuration::from_millis(10),
        pace: None,
    }
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

#[derive(Clone, Copy, Debug)]
enum Operation {
    Append(u32, bool),
    Freeze(usize),
    Restore(usize),
    FromDisk(usize, u64),
    Move(usize, u32, bool),
    FreezeServer(usize),
    RestoreServer(usize),
}

fn operation() -> impl Strategy<Value = Operation> {
    let reader = 0..3_usize;
    prop_oneof![
        12 => (0..KEYS, prop::bool::weighted(0.7)).prop_map(|(key, exists)| Operation::Append(key, exists)),
        1 => reader.clone().prop_map(Operation::Freeze),
        1 => reader.clone().prop_map(Operation::Restore),
        1 => (reader.clone(), 0..400_u64).prop_map(|(reader, ago)| Operation::FromDisk(reader, ago)),
        1 => (reader, 0..SERVERS as u32, any::<bool>()).prop_map(|(reader, server, any)| Operation::Move(reader, server, any)),
        1 => (0..SERVERS).prop_map(Operation::FreezeServer),
        1 => (0..SERVERS).prop_map(Operation::RestoreServer),
    ]
}

/// Readers of two lagging servers of one history, as paths and as copies.
struct Twins {
    history: History<u32>,
    written: Vec<Written>,
    server_paths: Vec<Path>,
    server_copies: Vec<Copying>,
    paths: Vec<Path>,
    copies: Vec<Copying>,
    run_key: RunKey,
    server_delay: Delay,
    delay: Delay,
    now: SimTime,
}

impl Twins {
    fn new() -> Self {
        let server = |number| EntityKey::root("server").child(number);
        let reader = |number| EntityKey::root("reader").child(number);
        Self {
            history: History::default(),
            written: Vec::new(),
            server_paths: (0..2).map(|number| Path::watching(server(number))).collect(),
            server_copies: (0..2).map(|number| Copying::new(server(number), 1, 0)).collect(),
            paths: (0..3)
                .map(|number| Path::watching_server(reader(number), number as u32 % 2))
                .collect(),
            copies: (0..3)
                .map(|number| Copying::new(reader(number), SERVERS, number as usize % 2))
                .collect(),
            run_key: run_key(),
            server_delay: delay(60),
            delay: delay(90),
            now: SimTime::ZERO,
        }
    }

    fn feed(&self) -> Servers<'_, History<u32>> {
        Servers {
            upstream: &self.history,
            paths: &self.server_paths,
            delay: &self.server_delay,
            run_key: &self.run_key,
        }
    }

    fn reader<'a>(
        &'a self,
        path: &'a Path,
        feed: &'a Servers<'a, History<u32>>,
    ) -> Reader<'a, Servers<'a, History<u32>>> {
        Reader {
            path,
            feed,
            delay: &self.delay,
            run_key: &self.run_key,
        }
    }

    /// A server's copy grew from `before`: what is new goes to every reader.
    fn pass_on(&mut self, server: usize, before: u32, now: SimTime) {
        for index in before..self.server_copies[server].cursor() {
            for copy in &mut self.copies {
                copy.send(server, index, now, &self.delay, &self.run_key);
            }
        }
    }

    /// Lets everything arrive that is due by `time`, one thing after the other.
    fn advance(&mut self, time: SimTime) {
        loop {
            let servers = self.server_copies.iter().filter_map(Copying::next);
            let next = servers.chain(self.copies.iter().filter_map(Copying::next)).min();
            let Some(next) = next.filter(|next| *next <= time) else {
                break;
            };
            for server in 0..SERVERS {
                let before = self.server_copies[server].cursor();
                self.server_copies[server].deliver(&self.written, next);
                self.pass_on(server, before, next);
            }
            for copy in &mut self.copies {
                copy.deliver(&self.written, next);
            }
        }
        self.now = time;
    }

    fn operate(&mut self, operation: Operation) {
        let now = self.now;
        match operation {
            Operation::Append(key, exists) => {
                let index = self.written.len() as u32;
                self.written.push(Written { key, exists });
                self.history
                    .append(now, 2 * index + 3, key, Some(topic(key)), exists.then_some(index));
                for copy in &mut self.server_copies {
                    copy.send(0, index, now, &self.server_delay, &self.run_key);
                }
            }
            Operation::Freeze(reader) => {
                if self.copies[reader].server().is_some() {
                    let mut path = self.paths[reader].clone();
                    path.freeze(&self.feed(), &self.delay, &self.run_key, now);
                    self.paths[reader] = path;
                    self.copies[reader].freeze(now);
                }
            }
            Operation::Restore(reader) => {
                if self.copies[reader].server().is_none() {
                    let mut path = self.paths[reader].clone();
                    let server = path.server() as usize;
                    path.restore(&self.feed(), now);
                    self.paths[reader] = path;
                    let listed = self.server_copies[server].cursor();
                    self.copies[reader].list(&self.written, server, listed, ListFrom::AnyRevision, now);
                }
            }
            Operation::FromDisk(reader, ago) => {
                let stored = now.saturating_sub(SimDuration::from_millis(ago));
                let mut path = self.paths[reader].clone();
                path.start_from_disk(&self.feed(), &self.delay, &self.run_key, stored, now);
                self.paths[reader] = path;
                self.copies[reader].start_from_disk(stored, now);
            }
            Operation::Move(reader, server, any) => {
                let from = if any {
                    ListFrom::AnyRevision
                } else {
                    ListFrom::NotOlderThanSeen
                };
                let mut path = self.paths[reader].clone();
                path.move_to(&self.feed(), &self.delay, &self.run_key, server, from, now);
                self.paths[reader] = path;
                let listed = self.server_copies[server as usize].cursor();
                self.copies[reader].list(&self.written, server as usize, listed, from, now);
            }
            Operation::FreezeServer(server) => {
                if self.server_copies[server].server().is_some() {
                    self.server_paths[server].freeze(&self.history, &self.server_delay, &self.run_key, now);
                    self.server_copies[server].freeze(now);
                }
            }
            Operation::RestoreServer(server) => {
                if self.server_copies[server].server().is_none() {
                    self.server_paths[server].restore(&self.history, now);
                    let (before, listed) = (self.server_copies[server].cursor(), self.history.len() as u32);
                    self.server_copies[server].list(&self.written, 0, listed, ListFrom::AnyRevision, now);
                    self.pass_on(server, before, now);
                }
            }
        }
    }

    fn check(&self, reader: usize, asked: &Path, time: SimTime) -> Result<(), TestCaseError> {
        let feed = self.feed();
        let ours = self.reader(asked, &feed);
        let (_, cursor, map, told, _) = &self.copies[reader].log[self.copies[reader].known_at(time)];
        prop_assert_eq!(ours.visible_at(time), *cursor, "visible at {}", time);
        let revision = cursor.checked_sub(1).map_or(0, |index| 2 * index + 3);
        prop_assert_eq!(ours.revision_at(time), revision);
        for key in 0..KEYS {
            prop_assert_eq!(ours.value_at(key, time), map.get(&key));
        }
        for topic in 0..TOPICS {
            let theirs: Vec<Told> = told.iter().filter(|(key, _)| key % TOPICS == topic).copied().collect();
            let mut deliveries: Vec<Told> = ours
                .deliveries(topic, time)
                .iter()
                .map(|delivery| match delivery {
                    Delivery::Upsert(version) => (version.key, version.value),
                    Delivery::Delete(key) => (*key, None),
                })
                .collect();
            deliveries.reverse();
            prop_assert_eq!(deliveries, theirs, "told about topic {} at {}", topic, time);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A path, through freezes, lists, restarts and moves between lagging servers, says what a reader knows that copies every
    /// version as it arrives. Questions come in any order, and those that were asked before change no answer.
    #[test]
    fn a_path_equals_a_reader_that_copies_everything(
        operations in prop::collection::vec((0_u64..80, operation()), 1..60),
        questions in prop::collection::vec((0..60_usize, 0..3_usize, 0.0..1.2_f64), 0..40),
        indexes in prop::collection::vec((0..3_usize, 0..60_u32), 0..10),
    ) {
        let mut twins = Twins::new();
        let mut ms = 0;
        for (number, &(wait, operation)) in operations.iter().enumerate() {
            ms += wait + u64::from(!matches!(operation, Operation::Append(..)));
            twins.advance(at(ms));
            twins.operate(operation);
            ms += u64::from(!matches!(operation, Operation::Append(..)));
            twins.advance(at(ms));
            for &(_, reader, share) in questions.iter().filter(|(when, ..)| *when == number) {
                let time = SimTime::from_nanos((twins.now.as_nanos() as f64 * share.min(1.0)) as u64);
                twins.check(reader, &twins.paths[reader], time)?;
                twins.check(reader, &twins.paths[reader].unasked(), time)?;
                // A question about the future may be answered only as things stand, but must do no harm later.
                let future = SimTime::from_nanos((twins.now.as_nanos() as f64 * share) as u64);
                let feed = twins.feed();
                let _ = twins.reader(&twins.paths[reader], &feed).visible_at(future);
            }
        }
        let end = ms + 10_000;
        let before: Vec<Path> = twins.paths.iter().map(Path::unasked).collect();
        twins.advance(at(end));
        for (reader, index) in indexes {
            if index as usize >= twins.written.len() { continue; }
            let theirs = twins.copies[reader].crossing(index);
            let feed = twins.feed();
            for path in [&twins.paths[reader], &before[reader], &twins.paths[reader].unasked()] {
                prop_assert_eq!(twins.reader(path, &feed).crossing(VersionIndex(index)), theirs);
            }
        }
        for &(_, reader, share) in &questions {
            let time = SimTime::from_nanos((at(ms).as_nanos() as f64 * share) as u64);
            twins.check(reader, &twins.paths[reader], time)?;
            twins.check(reader, &twins.paths[reader].unasked(), time)?;
        }
    }

    /// A subscriber is told of each version in order, of what a list changed at the time of the list, and of nothing that
    /// the list skipped.
    #[test]
    fn a_subscription_tells_what_a_copying_reader_is_told(
        operations in prop::collection::vec((0_u64..80, operation()), 1..60),
    ) {
        let mut twins = Twins::new();
        let mut ms = 0;
        for &(wait, operation) in &operations {
            if matches!(operation, Operation::Move(..) | Operation::FromDisk(..)) { continue; }
            ms += wait + 1;
            twins.advance(at(ms));
            twins.operate(operation);
        }
        twins.advance(at(ms + 10_000));
        let feed = twins.feed();
        for (path, copy) in twins.paths.iter().zip(&twins.copies) {
            let reader = twins.reader(path, &feed);
            for key in 0..KEYS {
                let mut subscription = Subscription::to(key);
                let mut ours = Vec::new();
                while let Some((index, time)) = subscription.next_after(&reader) {
                    ours.push((time, twins.history.version(index).value));
                }
                let mut theirs = Vec::new();
                let mut latest = 0;
                let mut known = false;
                for (time, .., told, _) in &copy.log {
                    for (_, index) in told[latest..].iter().filter(|(told, _)| *told == key) {
                        // The removal of an object that was never there tells nothing.
                        if index.is_some() || known {
                            theirs.push((*time, *index));
                        }
                        known = index.is_some();
                    }
                    latest = told.len();
                }
                prop_assert_eq!(ours, theirs);
            }
        }
    }

    /// A path over the history itself gives the times of an inbox, which acts on each version as it comes.
    #[test]
    fn an_inbox_gives_the_crossings_of_a_path(mut times in prop::collection::vec(0_u64..3_000, 1..80), asked in 0_u64..5_000) {
        times.sort_unstable();
        let (delay, key) = (delay(900), run_key());
        let path = Path::watching(EntityKey::root("reader"));
        let mut inbox = Inbox::new(EntityKey::root("reader"));
        let mut history = History::default();
        for (number, &time) in times.iter().enumerate() {
            let index = history.append(at(time), number as u32 + 1, number as u32 % 5, None, Some(0));
            let arrival = inbox.arrival(&delay, &key, at(time));
            prop_assert_eq!(path.crossing(&history, &delay, &key, index), Crossing::At(arrival));
            prop_assert_eq!(path.visible_at(&history, &delay, &key, arrival) > number as u32, true);
            let _ = path.visible_at(&history, &delay, &key, at(asked));
        }
    }

    /// Truncation changes no answer that may still be asked: values, entries, visible versions, crossings.
    #[test]
    fn a_truncated_history_answers_as_the_whole_one(
        writes in prop::collection::vec((0_u64..40, 0..KEYS, prop::bool::weighted(0.6), any::<bool>()), 1..120),
        cuts in prop::collection::vec((1..120_usize, 0.0..1.0_f64, any::<bool>()), 1..8),
        questions in prop::collection::vec((0..120_usize, 0.0..1.0_f64), 1..30),
    ) {
        let (delay, key) = (delay(90), run_key());
        let (mut whole, mut cut) = (History::default(), History::default());
        let (path, whole_path) = (Path::watching(EntityKey::root("reader")), Path::watching(EntityKey::root("reader")));
        let mut pins: Vec<u32> = Vec::new();
        let mut ms = 0;
        for (number, &(wait, object, exists, topical)) in writes.iter().enumerate() {
            ms += wait;
            let topic = topical.then_some(topic(object));
            for history in [&mut whole, &mut cut] {
                history.append(at(ms), number as u32 + 1, object, topic, exists.then_some(number as u32));
            }
            for &(_, share, pins_down) in cuts.iter().filter(|(when, ..)| *when == number) {
                let before = (f64::from(number as u32) * share) as u32;
                if pins_down && before >= cut.floor() {
                    cut.pin(before);
                    pins.push(before);
                } else if let Some(pin) = pins.pop() {
                    cut.unpin(pin);
                }
                let floor = cut.floor();
                let lowest = pins.iter().min().copied().unwrap_or(u32::MAX);
                prop_assert_eq!(cut.truncate(before), before.min(lowest).max(floor));
            }
            for &(_, share) in questions.iter().filter(|(when, _)| *when == number) {
                let floor = cut.floor();
                let visible = floor + (f64::from(number as u32 + 1 - floor) * share).ceil() as u32;
                prop_assert_eq!(cut.revision_of(visible), whole.revision_of(visible));
                for key in 0..KEYS {
                    let value = |history: &History<u32>| history.at(key, visible).and_then(|version| version.value);
                    prop_assert_eq!(value(&cut), value(&whole));
                }
                for topic in 0..TOPICS {
                    prop_assert_eq!(cut.entry(topic, visible, &LastUpsert), whole.entry(topic, visible, &LastUpsert));
                }
                let time = SimTime::from_nanos((at(ms + 50).as_nanos() as f64 * (0.5 + share / 2.0)) as u64);
                if whole.written_before(0, time.saturating_sub(delay.bound())) >= floor
                    && (floor == 0 || whole.version(VersionIndex(floor - 1)).time < time.saturating_sub(delay.bound())) {
                    prop_assert_eq!(path.visible_at(&cut, &delay, &key, time), whole_path.visible_at(&whole, &delay, &key, time));
                    prop_assert_eq!(cut.written_by(time), whole.written_by(time));
                }
                let index = VersionIndex(number as u32);
                let recent = at(ms).saturating_sub(delay.bound());
                if floor == 0 || whole.version(VersionIndex(floor - 1)).time < recent {
                    prop_assert_eq!(path.crossing(&cut, &delay, &key, index), whole_path.crossing(&whole, &delay, &key, index));
                }
            }
        }
        prop_assert!(cut.held() <= cut.len() - cut.floor() as usize + 2 * (KEYS + KEYS * TOPICS) as usize);
    }

    /// Which output contains a version of the source, and when its reader sees it, as a component that copies would say.
    #[test]
    fn a_republished_history_knows_its_source(
        writes in prop::collection::vec((1_u64..50, 0..3_u32), 1..60),
        every in 1_u64..200,
        reads in prop::collection::vec(0_u64..4_000, 1..20),
    ) {
        let (delay, key) = (delay(90), run_key());
        let (mut source, mut republished) = (History::default(), Republished::default());
        let mut pending: Vec<(u32, VersionIndex)> = Vec::new();
        let (mut ms, mut next) = (0, every);
        // Output versions as they would be copied: when, which object, contents.
        let mut copies: Vec<(u64, u32, VersionIndex)> = Vec::new();
        for (number, &(wait, object)) in writes.iter().enumerate() {
            ms += wait;
            while next <= ms {
                for (object, index) in pending.drain(..) {
                    republished.publish(at(next), object, None, Some(index.get()), index);
                    copies.push((next, object, index));
                }
                next += every;
            }
            let index = source.append(at(ms), 3 * number as u32 + 5, object, None, Some(number));
            pending.retain(|(other, _)| *other != object);
            pending.push((object, index));
        }
        let path = Path::watching(EntityKey::root("proxy"));
        let mut inbox = Inbox::new(EntityKey::root("proxy"));
        let arrivals: Vec<SimTime> = copies.iter().map(|(written, ..)| inbox.arrival(&delay, &key, at(*written))).collect();
        for (number, &(_, object)) in writes.iter().enumerate() {
            let index = VersionIndex(number as u32);
            let contains = copies.iter().position(|(_, other, contained)| *other == object && *contained >= index);
            let theirs = contains.map_or(Crossing::NotYet, |output| Crossing::At(arrivals[output]));
            prop_assert_eq!(republished.crossing_of_source(&path, &delay, &key, object, index), theirs);
        }
        for time in reads {
            let visible = path.visible_at(republished.output(), &delay, &key, at(time));
            for object in 0..3 {
                let seen = (0..copies.len()).rev().find(|&output| copies[output].1 == object && arrivals[output] <= at(time));
                let theirs = seen.map_or(0, |output| 3 * copies[output].2.get() as u32 + 5);
                prop_assert_eq!(republished.source_revision(&source, object, visible), theirs);
            }
        }
    }
}

/// The latest upsert, unless its own object was deleted after it.
struct LastUpsert;

impl WriteRules<u32> for LastUpsert {
    type Entry = u32;

    fn entry<'a>(&self, latest_first: impl Iterator<Item = Delivery<'a, u32>>) -> Option<u32> {
        let mut deleted = Vec::new();
        for delivery in latest_first {
            match delivery {
                Delivery::Delete(key) => deleted.push(key),
                Delivery::Upsert(version) => return version.value.filter(|_| !deleted.contains(&version.key)),
            }
        }
        None
    }
}

fn small() -> History<u32> {
    let mut history = History::default();
    for number in 0..10 {
        history.append(at(100 * u64::from(number)), number + 1, number % 3, None, Some(number));
    }
    history
}

#[test]
fn a_delete_that_a_list_skipped_is_told_as_a_difference() {
    let (delay, key) = (delay(5), run_key());
    let mut history = History::default();
    let mut path = Path::watching(EntityKey::root("agent"));
    history.append(at(0), 1, 0, Some(7), Some(0));
    path.freeze(&history, &delay, &key, at(100));
    // While it is cut off: the object goes, and another comes under the same topic and goes, too.
    history.append(at(200), 2, 0, Some(7), None);
    history.append(at(300), 3, 1, Some(7), Some(1));
    history.append(at(400), 4, 1, Some(7), None);
    path.restore(&history, at(500));
    let reader = Reader {
        path: &path,
        feed: &history,
        delay: &delay,
        run_key: &key,
    };
    assert!(matches!(reader.deliveries(7, at(450))[..], [Delivery::Upsert(_)]));
    assert_eq!(reader.entry_at(7, at(450), &LastUpsert), Some(0));
    assert!(matches!(
        reader.deliveries(7, at(500))[..],
        [Delivery::Delete(0), Delivery::Upsert(_)]
    ));
    assert_eq!(reader.entry_at(7, at(500), &LastUpsert), None);
}

#[test]
fn a_list_from_a_lagging_server_goes_back_unless_the_reader_refuses() {
    let (delay, key) = (delay(5), run_key());
    let history = small();
    let mut servers = [
        Path::watching(EntityKey::root("server 0")),
        Path::watching(EntityKey::root("server 1")),
    ];
    servers[1].freeze(&history, &delay, &key, at(250));
    let feed = Servers {
        upstream: &history,
        paths: &servers,
        delay: &delay,
        run_key: &key,
    };
    let path = Path::watching_server(EntityKey::root("reader"), 0);
    let revision = |path: &Path, ms| {
        let feed = &feed;
        let (delay, run_key) = (&delay, &key);
        Reader {
            path,
            feed,
            delay,
            run_key,
        }
        .revision_at(at(ms))
    };
    for (from, revisions) in [
        (ListFrom::AnyRevision, [7, 3, 3]),
        (ListFrom::NotOlderThanSeen, [7, 7, 7]),
    ] {
        let mut moved = path.clone();
        moved.move_to(&feed, &delay, &key, 1, from, at(650));
        assert_eq!([640, 650, 5_000].map(|ms| revision(&moved, ms)), revisions);
    }
}

#[test]
#[should_panic(expected = "cannot go back")]
fn a_history_cannot_go_back() {
    let mut history = small();
    history.append(at(4), 99, 0, None, Some(0));
}

#[test]
#[should_panic(expected = "cannot go back")]
fn a_history_cannot_go_back_behind_what_was_forgotten() {
    let mut history = small();
    history.truncate(10);
    history.append(at(4), 99, 0, None, Some(0));
}

#[test]
#[should_panic(expected = "asked about the first 3 versions, but only questions from 5 on can be answered")]
fn nobody_asks_below_the_floor() {
    let mut history = small();
    assert_eq!(history.truncate(5), 5);
    let _ = history.at(0, 3);
}

#[test]
#[should_panic(expected = "asked what was written before 0.400 s, but versions up to 0.400 s are forgotten")]
fn nobody_asks_about_a_time_below_the_floor() {
    let mut history = small();
    history.truncate(5);
    let path = Path::watching(EntityKey::root("reader"));
    let _ = path.visible_at(&history, &delay(98), &run_key(), at(500));
}

#[test]
fn a_pin_holds_the_floor() {
    let mut history = small();
    history.pin(4);
    history.pin(4);
    assert_eq!(history.truncate(8), 4);
    history.unpin(4);
    assert_eq!(history.truncate(8), 4);
    history.unpin(4);
    assert_eq!(history.truncate(8), 8);
    // Two versions above the floor, and one of each object below it.
    assert_eq!(history.held(), 5);
    assert_eq!(history.at(0, 8).map(|version| version.revision), Some(7));
}

#[test]
fn sizes_are_as_documented() {
    assert_eq!(size_of::<Version<[u8; 0]>>(), 32); // 24, the mark of a value, and padding
    assert_eq!(size_of::<Version<crate::cluster::objects::EndpointObject>>(), 48);
    assert!(size_of::<Path>() <= 160, "{}", size_of::<Path>());
}
