//! The story of a run as facts: what happened to whom, kept only when a person asked for that run.
//!
//! Components report facts with identifiers and no text. Its words, and what follows from it (who believed what at that
//! moment, as of which revision, and why nothing corrected it) are worked out after the run, when asking is free: [`narrative`]
//! makes the lines and the [`dossier::Dossier`], and with it the [`timeline::Timeline`] that a trace is made from. Comparing belief with truth is allowed here as it is to the judge: no component in the run
//! hears of it. How a dossier reads belongs to `report`.

mod addresses;
mod cache_views;
pub mod dossier;
mod dossier_courses;
mod dossier_starts;
mod exposed;
mod lines;
mod narrative;
mod over_time;
mod requests;
mod starts;
pub mod timeline;

use std::ops::Deref;

use crate::cluster::records::Outcome;
use dossier::Dossier;

pub use lines::Line;
pub use narrative::narrative;

/// A run with its story; it derefs to its outcome.
#[derive(Clone, Debug, Default)]
pub struct ToldRun {
    /// Its records.
    pub outcome: Outcome,
    /// Its story line by line; empty if a panic left no facts.
    pub lines: Vec<Line>,
    /// Its story as facts; absent likewise.
    pub dossier: Option<Box<Dossier>>,
}

impl Deref for ToldRun {
    type Target = Outcome;

    fn deref(&self) -> &Outcome {
        &self.outcome
    }
}
