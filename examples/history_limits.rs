//! Histories and paths at the limits of the house: 5,000 readers of 150,000 endpoints, 100 replacements a second for one
//! hour. Prints one row of JSON; two runs print the same but for the times and the memory.
//!
//! `cargo run --release --example history_limits`
//!
//! A replacement deletes a pod's endpoint, creates one of another pod on the same node, and updates that once: 3 versions. Two
//! per cent of the new pods take the address that was just given back, the others the node's next free one in turn. After ten
//! minutes every third reader is frozen; they are restored during the last two minutes. Every tenth second the history is
//! truncated to what may still be asked.
//!
//! Questions are what a random reader knows of a random object, four of five about now, the others about the ten seconds before.
//! A window is open while a reader's entry lets in the holder of an address whom its true identity would not; an identity
//! is let in if it is one of 4 in 64. All readers enforce. Readers that were frozen after equally many versions share one
//! verdict. A window of a reader that only lags begins when the new holder comes and ends with the version that corrects it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use meshfault::cluster::history::{Crossing, Delay, Delivery, History, Path, Reader, VersionIndex, WriteRules};
use meshfault::cluster::purpose::Purpose;
use meshfault::kernel::{EntityKey, Fingerprint, Law, RunKey, SimDuration, SimTime, Stream};

const READERS: u32 = 5_000;
const PODS_PER_NODE: u32 = 30;
const ADDRESSES_PER_NODE: u32 = 64;
const PODS: u32 = READERS * PODS_PER_NODE;
const REPLACEMENTS_PER_S: u64 = 100;
const QUESTIONS: u64 = 1_000_000;
/// The readers list what there is and begin to watch.
const START: SimTime = SimTime::from_nanos(20_000_000_000);
const FREEZE: SimTime = SimTime::from_nanos(620_000_000_000);
const RESTORE_FROM: SimTime = SimTime::from_nanos(3_500_000_000_000);
const END: SimTime = SimTime::from_nanos(3_620_000_000_000);
const LOOK_BACK: SimDuration = SimDuration::from_secs(10);

/// A CiliumEndpoint as the readers need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Endpoint {
    address: u32,
    identity: u16,
    node: u16,
    generation: u32,
}

impl Endpoint {
    const fn let_in(self) -> bool {
        self.identity < 4
    }
}

/// The latest upsert, unless its own pod was deleted after it.
struct LastUpsert;

impl WriteRules<Endpoint> for LastUpsert {
    type Entry = Endpoint;

    fn entry<'a>(&self, latest_first: impl Iterator<Item = Delivery<'a, Endpoint>>) -> Option<Endpoint> {
        let mut deleted: smallvec::SmallVec<[u32; 4]> = smallvec::SmallVec::new();
        for delivery in latest_first {
            match delivery {
                Delivery::Delete(pod) => deleted.push(pod),
                Delivery::Upsert(version) => return version.value.filter(|_| !deleted.contains(&version.key)),
            }
        }
        None
    }
}

/// Readers that were frozen after equally many versions.
#[derive(Default)]
struct Group {
    readers: Vec<u32>,
    /// Open windows, by address: when they were opened.
    open: BTreeMap<u32, SimTime>,
}

/// Sums over windows.
#[derive(Default)]
struct Windows {
    closed: u64,
    seconds: f64,
    digest: Fingerprint,
}

impl Windows {
    fn close(&mut self, reader: u32, address: u32, from: SimTime, to: SimTime) {
        self.closed += 1;
        self.seconds += to.since(from).as_secs_f64();
        self.digest.mix(
            to.as_nanos(),
            u64::from(reader) << 32 | u64::from(address),
            from.as_nanos(),
        );
    }
}

struct Limits {
    history: History<Endpoint>,
    revision: u32,
    delay: Delay,
    run_key: RunKey,
    dice: Stream,
    /// Pods by slot; a slot is a place on a node.
    pods: Vec<u32>,
    next_pod: u32,
    free: Vec<VecDeque<u32>>,
    updates: VecDeque<(SimTime, u32)>,
    paths: Vec<Path>,
    groups: BTreeMap<u32, Group>,
    /// Addresses with an open window of a frozen reader.
    open: BTreeSet<u32>,
    frozen: bool,
    lagging: Windows,
    stale: Windows,
    answers: Fingerprint,
    asked: u64,
}

impl Limits {
    fn new() -> Self {
        let run_key = RunKey::derive(1, "history limits", 0);
        Self {
            history: History::default(),
            revision: 0,
            delay: Delay {
                purpose: Purpose::IpcacheDelay,
                law: Law::log_normal(
                    SimDuration::from_millis(150),
                    SimDuration::from_millis(1_900),
                    SimDuration::from_secs(10),
                ),
                then: None,
                batch_period: SimDuration::from_millis(500),
                pace: None,
            },
            dice: run_key.stream(Purpose::ChurnKind, EntityKey::root("dice")),
            run_key,
            pods: Vec::new(),
            next_pod: 0,
            free: (0..READERS)
                .map(|node| {
                    (0..ADDRESSES_PER_NODE)
                        .map(|offset| node * ADDRESSES_PER_NODE + offset)
                        .collect()
                })
                .collect(),
            updates: VecDeque::new(),
            paths: Vec::new(),
            groups: BTreeMap::new(),
            open: BTreeSet::new(),
            frozen: false,
            lagging: Windows::default(),
            stale: Windows::default(),
            answers: Fingerprint::default(),
            asked: 0,
        }
    }

    fn write(&mut self, now: SimTime, pod: u32, address: u32, value: Option<Endpoint>) -> VersionIndex {
        self.revision += 1;
        self.history.append(now, self.revision, pod, Some(address), value)
    }

    fn create(&mut self, now: SimTime, slot: u32, address: u32) -> Endpoint {
        let (pod, node) = (self.next_pod, slot / PODS_PER_NODE);
        self.next_pod += 1;
        let endpoint = Endpoint {
            address,
            identity: self.dice.below(64) as u16,
            node: node as u16,
            generation: 0,
        };
        self.write(now, pod, address, Some(endpoint));
        match self.pods.get_mut(slot as usize) {
            Some(place) => *place = pod,
            None => self.pods.push(pod),
        }
        endpoint
    }

    fn replace(&mut self, now: SimTime) {
        while let Some((_, pod)) = self.updates.front().copied().filter(|(at, _)| *at <= now) {
            self.updates.pop_front();
            if let Some(mut endpoint) = self.history.value(pod).copied() {
                endpoint.generation += 1;
                self.write(now, pod, endpoint.address, Some(endpoint));
            }
        }
        let slot = self.dice.below(u64::from(PODS)) as u32;
        let (old, node) = (self.pods[slot as usize], (slot / PODS_PER_NODE) as usize);
        let before = *self.history.value(old).expect("a pod in its slot exists");
        let deleted = self.write(now, old, before.address, None);
        self.close_stale(now, before.address);
        let at_once = self.dice.below(50) == 0;
        self.free[node].push_back(before.address);
        let address = if at_once {
            self.free[node].pop_back()
        } else {
            self.free[node].pop_front()
        };
        let address = address.expect("a node has more addresses than pods");
        let now = now + SimDuration::from_millis(1);
        let after = self.create(now, slot, address);
        self.updates
            .push_back((now + SimDuration::from_millis(700), self.next_pod - 1));
        if !after.let_in() {
            self.open_stale(now, address);
            if at_once && before.let_in() {
                self.lagging_windows(now, address, deleted);
            }
        }
    }

    /// Readers that have not yet read that the address was given back.
    fn lagging_windows(&mut self, now: SimTime, address: u32, deleted: VersionIndex) {
        for (number, path) in self.paths.iter().enumerate() {
            if path.frozen_since().is_some() {
                continue;
            }
            let visible = path.visible_at(&self.history, &self.delay, &self.run_key, now);
            if visible > deleted.get() as u32 {
                continue;
            }
            let entry = self.history.entry(address, visible, &LastUpsert);
            if entry.is_some_and(Endpoint::let_in)
                && let Crossing::At(right) = path.crossing(&self.history, &self.delay, &self.run_key, deleted)
            {
                self.lagging.close(number as u32, address, now, right);
            }
        }
    }

    /// Frozen readers whose entry lets in the new holder of an address. Without a version of the address between the
    /// cursors of two groups, they have the same entry.
    fn open_stale(&mut self, now: SimTime, address: u32) {
        let (Some((&lowest, _)), Some((&highest, _))) = (self.groups.first_key_value(), self.groups.last_key_value())
        else {
            return;
        };
        let history = &self.history;
        let mut frozen = history.positions_of_topic(address).map(|index| index.get() as u32);
        let same = frozen.find(|index| *index < highest).is_none_or(|index| index < lowest);
        let entry_of_all = history.entry(address, highest, &LastUpsert);
        if same && !entry_of_all.is_some_and(Endpoint::let_in) {
            return;
        }
        for (&cursor, group) in &mut self.groups {
            let entry = if same {
                entry_of_all
            } else {
                history.entry(address, cursor, &LastUpsert)
            };
            if entry.is_some_and(Endpoint::let_in) {
                group.open.entry(address).or_insert(now);
                self.open.insert(address);
            }
        }
    }

    /// The holder of an address is gone: nobody is let in in its name.
    fn close_stale(&mut self, now: SimTime, address: u32) {
        if !self.open.remove(&address) {
            return;
        }
        for group in self.groups.values_mut() {
            if let Some(from) = group.open.remove(&address) {
                for &reader in &group.readers {
                    self.stale.close(reader, address, from, now);
                }
            }
        }
    }

    fn freeze(&mut self) {
        self.frozen = true;
        for (number, path) in self.paths.iter_mut().enumerate().step_by(3) {
            path.freeze(&self.history, &self.delay, &self.run_key, FREEZE);
            let cursor = path.visible_at(&self.history, &self.delay, &self.run_key, FREEZE);
            self.history.pin(cursor);
            self.groups.entry(cursor).or_default().readers.push(number as u32);
        }
    }

    /// Restores every frozen reader whose turn has come: its list corrects all its entries at once.
    fn restore(&mut self, now: SimTime) {
        let due = |reader: u32| RESTORE_FROM + SimDuration::from_millis(u64::from(reader) * 23) <= now;
        for (&cursor, group) in &mut self.groups {
            let (restored, still): (Vec<u32>, Vec<u32>) = group.readers.iter().partition(|reader| due(**reader));
            for &reader in &restored {
                self.paths[reader as usize].restore(&self.history, now);
                self.history.unpin(cursor);
                for (&address, &from) in &group.open {
                    self.stale.close(reader, address, from, now);
                }
            }
            group.readers = still;
        }
        self.groups.retain(|_, group| !group.readers.is_empty());
    }

    fn ask(&mut self, now: SimTime) {
        self.asked += 1;
        let path = &self.paths[self.dice.below(u64::from(READERS)) as usize];
        let key = self.dice.below(u64::from(self.next_pod)) as u32;
        let time = if self.dice.below(5) == 0 {
            now.saturating_sub(self.dice.up_to(LOOK_BACK)).max(START)
        } else {
            now
        };
        let reader = Reader {
            path,
            feed: &self.history,
            delay: &self.delay,
            run_key: &self.run_key,
        };
        let answer = reader.value_at(key, time).map_or(u64::MAX, |endpoint| {
            u64::from(endpoint.address) << 32 | u64::from(endpoint.generation) << 16 | u64::from(endpoint.identity)
        });
        self.answers.mix(time.as_nanos(), u64::from(key), answer);
    }

    /// Forgets what neither a frozen reader nor a question about the last seconds needs.
    fn truncate(&mut self, now: SimTime) {
        let earliest = now.saturating_sub(LOOK_BACK).saturating_sub(self.delay.bound());
        let before = self.history.written_before(self.history.floor(), earliest);
        self.history.truncate(before);
    }

    fn run(&mut self) -> usize {
        for slot in 0..PODS {
            let address = self.free[(slot / PODS_PER_NODE) as usize].pop_front();
            self.create(
                SimTime::ZERO,
                slot,
                address.expect("a node has more addresses than pods"),
            );
        }
        let family = EntityKey::root("reader");
        self.paths = (0..READERS)
            .map(|number| Path::listing(family.child(u64::from(number)), &self.history, START))
            .collect();
        let span = END.since(START).as_nanos();
        let replacements = span / 1_000_000_000 * REPLACEMENTS_PER_S;
        let mut held = 0;
        for number in 1..=replacements {
            let now = START + SimDuration::from_nanos(span / replacements * number);
            self.replace(now);
            let now = now + SimDuration::from_millis(2);
            if now >= FREEZE && !self.frozen {
                self.freeze();
            }
            if now >= RESTORE_FROM {
                self.restore(now);
            }
            while self.asked < QUESTIONS * number / replacements {
                self.ask(now);
            }
            if number % (10 * REPLACEMENTS_PER_S) == 0 {
                held = held.max(self.history.held());
                self.truncate(now);
            }
        }
        self.restore(SimTime::NEVER.saturating_sub(SimDuration::from_secs(1)));
        held
    }
}

/// A number of `/proc/self/status`, where there is one.
fn of_status(name: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Seconds on the processor so far, where the system tells, in ticks of 10 ms.
fn cpu_s() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = |number: usize| fields.get(number)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

fn main() {
    #[expect(
        clippy::disallowed_methods,
        reason = "measures the wall time of the benchmark, nothing else"
    )]
    let start = std::time::Instant::now();
    let mut limits = Limits::new();
    let held = limits.run();
    let wall_s = start.elapsed().as_secs_f64();
    let row = serde_json::json!({
        "versions": limits.history.len(),
        "versions_held_most": held,
        "readers": READERS,
        "questions": limits.asked,
        "windows_closed_lagging": limits.lagging.closed,
        "windows_closed_frozen": limits.stale.closed,
        "window_seconds_lagging": limits.lagging.seconds,
        "window_seconds_frozen": limits.stale.seconds,
        "wall_s": wall_s,
        "cpu_s": cpu_s(),
        "peak_rss_mib": of_status("VmHWM:").map(|kib| kib / 1024.0),
        "digest": format!(
            "{:016x}-{:016x}-{:016x}",
            limits.answers.get(),
            limits.lagging.digest.get(),
            limits.stale.digest.get()
        ),
    });
    println!("{row}");
}
