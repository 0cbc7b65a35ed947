//! How a kind of fault is written in experiment files, as data. `scenario` reads and checks every kind by it, and makes the JSON
//! Schema of it; what a kind makes of the values is in its own file.

use crate::cluster::clocks::Offset;
use crate::cluster::ids::{IstiodId, NodeId};
use crate::cluster::party::PartyKind;
use crate::kernel::{Distribution, SimDuration};

/// The form of a kind of fault.
#[derive(Debug)]
pub struct Form {
    /// Its key under the fault's name.
    pub name: &'static str,
    /// What is under that key.
    pub meaning: &'static str,
    /// Active verb for what it does to a party: `cuts`.
    pub does: &'static str,
    /// Passive verb for what is done to a party: `cut`.
    pub done: &'static str,
    /// Its keys, in groups.
    pub keys: &'static [&'static [Key]],
}

impl Form {
    /// Its keys.
    pub fn keys(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.keys.iter().copied().flatten()
    }
}

/// A key of a fault.
#[derive(Debug)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// Whether it takes a list.
    pub list: bool,
    /// What it is for.
    pub role: Role,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It states where a fault acts: each fault has exactly one such key.
    Target,
    /// Each fault has it.
    Required,
    /// A fault may have it.
    Optional,
}

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub enum Takes {
    /// A node by name; in a list also `all`.
    Node,
    /// A zone by name: its nodes.
    Zone,
    /// A workload by name.
    Workload,
    /// An Istiod by its ordinal; in a list also `all`.
    Istiod,
    /// An API server by its ordinal; in a list also `all`.
    ApiServer,
    /// Labels of pods, `app=sleep,version=v1`: the workloads that have them.
    Labels,
    /// Parties of these kinds.
    Party(&'static [PartyKind]),
    /// One of these words, each with its meaning; and what such a word is.
    Word(&'static str, fn() -> Vec<(&'static str, &'static str)>),
    /// A span of time above zero.
    Span,
    /// A span of time, behind with a minus sign, and not zero.
    Offset,
    /// A distribution of a span of time, or one span.
    Distribution,
    /// A number within these bounds.
    Number(f64, f64),
    /// A positive number per time, `20/s`.
    Rate,
    /// A number of things, at least 1, or a share of them in per cent.
    Amount,
}

impl Takes {
    /// The words that it takes, with their meanings; none where any text may be right.
    #[must_use]
    pub fn words(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Word(_, words) => words(),
            Self::Party(kinds) => {
                let words = kinds.iter().map(|kind| kind.words());
                words.map(|words| (words.word, words.meaning)).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl Takes {
    /// A value that it takes, for keys without words.
    #[must_use]
    pub const fn example(self) -> &'static str {
        match self {
            Self::Span | Self::Distribution => "10s",
            Self::Offset => "-10m",
            Self::Number(..) => "0.5",
            Self::Rate => "20/s",
            Self::Amount => "30%",
            _ => "NAME",
        }
    }
}

/// A number of things, or a share of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// So many.
    Count(u32),
    /// This share of them, rounded up, from 0 to 1.
    Share(f64),
}

impl Amount {
    /// How many that are of `all`.
    #[must_use]
    pub fn of(self, all: usize) -> usize {
        match self {
            Self::Count(count) => all.min(count as usize),
            Self::Share(share) => all.min(libm::ceil(share * all as f64) as usize),
        }
    }
}

/// A checked value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A node.
    Node(NodeId),
    /// A workload by its index.
    Workload(usize),
    /// An Istiod.
    Istiod(IstiodId),
    /// An API server.
    ApiServer(u32),
    /// A kind of party.
    Party(PartyKind),
    /// The word of this number in the list of the key.
    Word(usize),
    /// A span of time.
    Span(SimDuration),
    /// By how much a clock is off.
    Offset(Offset),
    /// A distribution of a span of time.
    Distribution(Distribution),
    /// A number.
    Number(f64),
    /// A number of things, or a share of them.
    Amount(Amount),
}

/// A checked value, with its place among the values of its key as they are written.
pub type Placed = (usize, Value);

/// A fault as it is written in one design: names are resolved, required keys are there, and there is one target.
#[derive(Debug)]
pub struct Written<'a> {
    /// The form of its kind.
    pub form: &'static Form,
    /// The name of the design.
    pub design: &'a str,
    /// Number of nodes.
    pub nodes: u32,
    /// Number of Istiods; none without Istio.
    pub istiods: Option<u32>,
    /// Its keys with their values.
    pub values: Vec<(&'static Key, Vec<Placed>)>,
}

impl Written<'_> {
    /// The values of a key; none if it is not written.
    #[must_use]
    pub fn of(&self, key: &str) -> &[Placed] {
        let found = self.values.iter().find(|(known, _)| known.name == key);
        found.map_or(&[], |(_, values)| values)
    }

    /// Whether a key is written, perhaps without a value.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.values.iter().any(|(known, _)| known.name == key)
    }

    /// The number of the word that a key has.
    #[must_use]
    pub fn word(&self, key: &str) -> usize {
        match self.of(key) {
            [(_, Value::Word(word)), ..] => *word,
            _ => 0,
        }
    }

    /// The span that a key has.
    #[must_use]
    pub fn span(&self, key: &str) -> Option<SimDuration> {
        match self.of(key) {
            [(_, Value::Span(span)), ..] => Some(*span),
            _ => None,
        }
    }

    /// The distribution that a key has.
    #[must_use]
    pub fn distribution(&self, key: &str) -> Option<Distribution> {
        match self.of(key) {
            [(_, Value::Distribution(distribution)), ..] => Some(*distribution),
            _ => None,
        }
    }

    /// The number that a key has.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<f64> {
        match self.of(key) {
            [(_, Value::Number(number)), ..] => Some(*number),
            _ => None,
        }
    }
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Its key.
    pub key: &'static str,
    /// Its place among the values of the key.
    pub place: usize,
    /// What is wrong, after the value as it is written.
    pub message: String,
    /// What to write instead.
    pub hint: &'static str,
}
