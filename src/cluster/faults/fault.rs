//! What every kind of fault declares, for readers of experiment files, for stories of runs and for replays of what would have prevented
//! something. What a kind does belongs to its own file, which kinds there are to the table in `mod.rs`.

use super::cut::CutMode;
use super::form::Form;
use super::place::Whom;
use crate::cluster::party::{NamedParty, PartyKind};

/// A fault of some kind.
pub trait Fault {
    /// Whom it touches.
    fn whom(&self) -> &Whom;

    /// Whether a party that it touches gets nothing from the API server.
    fn cuts_off(&self) -> bool {
        false
    }

    /// Whether a party that it touches hears of changes late, or not at all.
    fn withholds_changes(&self) -> bool {
        self.cuts_off()
    }

    /// Whether what it does to an API server touches the server's clients.
    fn touches_clients(&self) -> bool {
        false
    }

    /// How connections to API servers at its target do not work, if none reaches them.
    fn loses_servers(&self) -> Option<CutMode> {
        None
    }

    /// Whether what it did lasts beyond its end, until the processes that it ended have started again.
    fn outlasts(&self) -> bool {
        false
    }

    /// Whether it ends as soon as it has started, unless it is said how long it lasts.
    fn is_over_at_once(&self) -> bool {
        false
    }

    /// What it is called.
    fn words(&self) -> Words;

    /// What a party that it touches does no more or does otherwise, in a sentence after a colon.
    fn consequence(&self, party: PartyKind) -> &'static str;

    /// Its effect on a party, as a link of a causal chain; the next link is the fault itself.
    fn effect(&self, party: &NamedParty) -> Effect;

    /// The changes of an experiment whose effect on what a fault of this name did is worth a replay. That it ends sooner is tried
    /// for every fault.
    fn switches(&self, fault: &str) -> Vec<Switch> {
        let _ = fault;
        Vec::new()
    }
}

/// What a fault is called. A sentence is whole; other words are parts of one.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// What it is: `cut`.
    pub noun: &'static str,
    /// What it does to a party: `cuts`.
    pub does: &'static str,
    /// What of a party it acts on: `the link`.
    pub object: &'static str,
    /// What it did to a party: `cut off`.
    pub did: &'static str,
    /// How, as experiment files write it.
    pub word: &'static str,
    /// How, in a few words.
    pub how: &'static str,
    /// How, and what is noticed of it.
    pub sentence: &'static str,
}

impl Form {
    /// What a fault of this kind is called, if it has no other names: on what of a party it acts, how, and what is noticed of it.
    #[must_use]
    pub const fn words(&self, object: &'static str, how: &'static str, sentence: &'static str) -> Words {
        Words {
            noun: self.name,
            does: self.does,
            object,
            did: self.done,
            word: self.name,
            how,
            sentence,
        }
    }
}

/// A link of a causal chain.
#[derive(Clone, Debug)]
pub struct Effect {
    /// What it is: `link cut`.
    pub word: &'static str,
    /// What held: `the link between … and the API server was cut`.
    pub what: String,
    /// How: `packets vanished in both directions`.
    pub how: &'static str,
}

/// A change of an experiment.
#[derive(Clone, Debug)]
pub struct Switch {
    /// Its name.
    pub name: String,
    /// What it means, after "if".
    pub words: String,
    /// As it is set, `KEY=VALUE`.
    pub set: String,
}
