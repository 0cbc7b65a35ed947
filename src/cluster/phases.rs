//! The phases of a pod's start: one table of what each is called, when it begins and when it ends.

use serde::Serialize;
use serde::ser::SerializeMap;

use crate::kernel::{SimDuration, SimTime};

/// A moment of a start that begins or ends a phase.
#[derive(Clone, Copy, Debug)]
pub enum Mark {
    /// It became desired.
    Desired,
    /// It was created.
    Created,
    /// It was bound to a node.
    Bound,
    /// The network plugin was called, the last time.
    NetworkCalled,
    /// The network plugin had connected it.
    NetworkReady,
    /// All its containers ran.
    ContainersUp,
    /// The certificate was there, if it came last; else its containers ran already.
    Certificate,
    /// Certificate and configuration were there.
    Channels,
    /// Whatever comes before readiness was there.
    Up,
    /// It was ready.
    Ready,
}

/// Moments of a start, as far as they came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks([Option<SimTime>; Mark::Ready as usize + 1]);

impl Marks {
    /// A moment, if it came.
    #[must_use]
    pub const fn get(&self, mark: Mark) -> Option<SimTime> {
        self.0[mark as usize]
    }

    /// A moment comes, or another one takes its place.
    pub const fn set(&mut self, mark: Mark, at: Option<SimTime>) {
        self.0[mark as usize] = at;
    }
}

/// A phase of a start.
#[derive(Clone, Copy, Debug)]
pub struct Phase {
    /// Its name, as in the columns of `pods`.
    pub name: &'static str,
    /// Its name in a story: by what is waited for.
    pub words: &'static str,
    /// When it begins.
    pub begin: Mark,
    /// When it ends.
    pub end: Mark,
    /// Whether only pods with a sidecar go through it.
    pub of_sidecar: bool,
}

const fn phase(name: &'static str, words: &'static str, begin: Mark, end: Mark) -> Phase {
    Phase {
        name,
        words,
        begin,
        end,
        of_sidecar: false,
    }
}

const fn of_sidecar(name: &'static str, begin: Mark, end: Mark) -> Phase {
    Phase {
        of_sidecar: true,
        ..phase(name, name, begin, end)
    }
}

/// The phases in the order of the critical path.
pub const PHASES: [Phase; 8] = [
    phase("admission", "admission", Mark::Desired, Mark::Created),
    phase("scheduling", "scheduling", Mark::Created, Mark::Bound),
    phase("sandbox", "sandbox", Mark::Bound, Mark::NetworkCalled),
    phase("identity", "network plugin", Mark::NetworkCalled, Mark::NetworkReady),
    phase("containers", "containers", Mark::NetworkReady, Mark::ContainersUp),
    of_sidecar("certificate", Mark::ContainersUp, Mark::Certificate),
    of_sidecar("configuration", Mark::Certificate, Mark::Channels),
    phase("readiness", "readiness", Mark::Up, Mark::Ready),
];

/// How long each phase of [`PHASES`] took; nothing where the start ended before it was over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases(pub [Option<SimDuration>; PHASES.len()]);

impl Phases {
    /// The phases that were over by the end of the start; what came later is no part of it.
    #[must_use]
    pub fn between(marks: &Marks, has_sidecar: bool, exit: SimTime) -> Self {
        Self(PHASES.map(|phase| {
            let end = marks.get(phase.end).filter(|end| *end <= exit)?;
            let begin = marks.get(phase.begin)?;
            (has_sidecar || !phase.of_sidecar).then(|| end.since(begin))
        }))
    }

    /// How long the phase of this name took.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub const fn of(&self, name: &str) -> Option<SimDuration> {
        self.0[Self::place(name)]
    }

    /// The place of the phase of this name, or of the column of `pods` that is about it.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub const fn place(column: &str) -> usize {
        let mut place = 0;
        while place < PHASES.len() {
            let (name, column) = (PHASES[place].name.as_bytes(), column.as_bytes());
            let mut at = 0;
            while at < name.len() && at < column.len() && name[at] == column[at] {
                at += 1;
            }
            if at == name.len() && (at == column.len() || at + "_s".len() == column.len()) {
                return place;
            }
            place += 1;
        }
        panic!("no phase is called so")
    }
}

impl Serialize for Phases {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(PHASES.len()))?;
        for (phase, length) in PHASES.iter().zip(self.0) {
            map.serialize_entry(phase.name, &length)?;
        }
        map.end()
    }
}
