//! The model that paths are tested against: every reader copies the whole map of objects and applies each change as it arrives.

use std::collections::{BTreeMap, VecDeque};

use super::{Crossing, Delay, ListFrom};
use crate::kernel::{EntityKey, RunKey, SimTime};

/// One version of an object, or its removal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) key: u32,
    pub(super) exists: bool,
}

/// What a reader was told: an object at a position, or that it is gone.
pub(super) type Told = (u32, Option<u32>);

/// What a reader has from a time on: cursor, map, what it was told, and the number of the segment.
pub(super) type Known = (SimTime, u32, BTreeMap<u32, u32>, Vec<Told>, usize);

/// A reader with its own copy of everything.
#[derive(Clone, Debug)]
pub(super) struct Copying {
    identity: EntityKey,
    /// Versions of each server that are on their way here, with their arrivals.
    wires: Vec<(VecDeque<(SimTime, u32)>, SimTime)>,
    server: Option<usize>,
    cursor: u32,
    /// Positions of the objects that exist, by key.
    map: BTreeMap<u32, u32>,
    told: Vec<Told>,
    /// After each change.
    pub(super) log: Vec<Known>,
    segment: usize,
}

impl Copying {
    pub(super) fn new(identity: EntityKey, servers: usize, server: usize) -> Self {
        let mut reader = Self {
            identity,
            wires: vec![(VecDeque::new(), SimTime::ZERO); servers],
            server: Some(server),
            cursor: 0,
            map: BTreeMap::new(),
            told: Vec::new(),
            log: Vec::new(),
            segment: 0,
        };
        reader.note(SimTime::ZERO);
        reader
    }

    fn note(&mut self, time: SimTime) {
        self.log
            .push((time, self.cursor, self.map.clone(), self.told.clone(), self.segment));
    }

    pub(super) fn send(&mut self, server: usize, index: u32, at: SimTime, delay: &Delay, run_key: &RunKey) {
        let batch = at.as_nanos() / delay.batch_period.as_nanos();
        let mut stream = run_key.stream(delay.purpose, self.identity.child(batch));
        let mut arrival = at + stream.duration(&delay.law);
        if let Some(then) = delay.then {
            arrival += stream.duration(&then);
        }
        let (wire, latest) = &mut self.wires[server];
        *latest = arrival.max(*latest);
        wire.push_back((*latest, index));
    }

    /// When the next version arrives on any wire.
    pub(super) fn next(&self) -> Option<SimTime> {
        self.wires
            .iter()
            .filter_map(|(wire, _)| wire.front())
            .map(|(at, _)| *at)
            .min()
    }

    /// Takes in what has arrived by `time`.
    pub(super) fn deliver(&mut self, versions: &[Written], time: SimTime) {
        for server in 0..self.wires.len() {
            while let Some(&(at, index)) = self.wires[server].0.front().filter(|(at, _)| *at <= time) {
                self.wires[server].0.pop_front();
                if self.server != Some(server) || index < self.cursor {
                    continue;
                }
                assert_eq!(index, self.cursor, "a watch left something out");
                self.cursor += 1;
                let version = versions[index as usize];
                if version.exists {
                    self.map.insert(version.key, index);
                    self.told.push((version.key, Some(index)));
                } else {
                    self.map.remove(&version.key);
                    self.told.push((version.key, None));
                }
                self.note(at);
            }
        }
    }

    pub(super) fn freeze(&mut self, now: SimTime) {
        self.server = None;
        self.segment += 1;
        self.note(now);
    }

    pub(super) const fn server(&self) -> Option<usize> {
        self.server
    }

    pub(super) const fn cursor(&self) -> u32 {
        self.cursor
    }

    /// Lists `listed` versions from a server and watches it.
    pub(super) fn list(&mut self, versions: &[Written], server: usize, listed: u32, from: ListFrom, now: SimTime) {
        self.segment += 1;
        self.server = Some(server);
        if from == ListFrom::AnyRevision || listed > self.cursor {
            let mut map = BTreeMap::new();
            for (index, version) in versions[..listed as usize].iter().enumerate() {
                if version.exists {
                    map.insert(version.key, index as u32);
                } else {
                    map.remove(&version.key);
                }
            }
            for (key, index) in &map {
                if self.map.get(key) != Some(index) {
                    self.told.push((*key, Some(*index)));
                }
            }
            for key in self.map.keys() {
                if !map.contains_key(key) {
                    self.told.push((*key, None));
                }
            }
            self.map = map;
            self.cursor = listed;
        }
        self.note(now);
    }

    /// Starts again with what it had at `stored`.
    pub(super) fn start_from_disk(&mut self, stored: SimTime, now: SimTime) {
        let (_, cursor, map, told, _) = self.log[self.known_at(stored)].clone();
        (self.cursor, self.map, self.told) = (cursor, map, told);
        self.server = None;
        self.segment += 1;
        self.note(now);
    }

    /// The place in the log at a time.
    pub(super) fn known_at(&self, time: SimTime) -> usize {
        self.log
            .iter()
            .rposition(|(at, ..)| *at <= time)
            .expect("the log begins at 0")
    }

    /// When the current segment first knew a version.
    pub(super) fn crossing(&self, index: u32) -> Crossing {
        let mut now = self.log.iter().filter(|(.., segment)| *segment == self.segment);
        now.find(|(_, cursor, ..)| *cursor > index)
            .map_or(Crossing::NotYet, |(at, ..)| Crossing::At(*at))
    }
}
