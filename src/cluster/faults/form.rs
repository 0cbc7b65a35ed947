//! How a kind of fault is written in experiment files, as data. `scenario` reads and checks every kind by it, and makes the JSON
//! Schema of it; what a kind makes of the values is in its own file.

use crate::cluster::ids::{IstiodId, NodeId};

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
}

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub enum Takes {
    /// A node by name; in a list also `all`.
    Node,
    /// A workload by name.
    Workload,
    /// An Istiod by its ordinal; in a list also `all`.
    Istiod,
    /// An API server by its ordinal; in a list also `all`.
    ApiServer,
    /// Labels of pods, `app=sleep,version=v1`: the workloads that have them.
    Labels,
    /// One of these words, each with its meaning; and what such a word is.
    Word(&'static str, fn() -> Vec<(&'static str, &'static str)>),
}

impl Takes {
    /// The words that it takes, with their meanings; none where any text may be right.
    #[must_use]
    pub fn words(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Word(_, words) => words(),
            Self::Node | Self::Workload | Self::Istiod | Self::ApiServer | Self::Labels => Vec::new(),
        }
    }
}

/// A checked value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A node.
    Node(NodeId),
    /// A workload by its index.
    Workload(usize),
    /// An Istiod.
    Istiod(IstiodId),
    /// An API server.
    ApiServer(u32),
    /// The word of this number in the list of the key.
    Word(usize),
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

    /// The number of the word that a key has.
    #[must_use]
    pub fn word(&self, key: &str) -> usize {
        match self.of(key) {
            [(_, Value::Word(word)), ..] => *word,
            _ => 0,
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
