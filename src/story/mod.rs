//! The story of a run as facts: what happened to whom, kept only when a person asked for that run.
//!
//! Components note facts as they happen, with identifiers and no text. What follows from them (who believed what at that
//! moment, as of which revision, and why nothing corrected it) is worked out after the run, when asking is free: [`told`]
//! makes the [`dossier::Dossier`], and with it the [`course::Course`] that a trace is made from. Comparing belief with truth is allowed here as it is to the judge: nobody in the run
//! hears of it. How a dossier reads belongs to `report`.

mod addresses;
mod beliefs;
pub mod course;
pub mod dossier;
mod dossier_courses;
mod dossier_starts;
mod exposed;
mod over_time;
mod requests;
mod starts;
mod told;

use std::ops::Deref;

use crate::cluster::records::Outcome;
use dossier::Dossier;

pub use told::told;

/// A run that was told; it reads as its outcome.
#[derive(Clone, Debug, Default)]
pub struct ToldRun {
    /// Its records, and the lines of its story.
    pub outcome: Outcome,
    /// Its story as facts; nothing if a panic left nothing to tell.
    pub dossier: Option<Box<Dossier>>,
}

impl Deref for ToldRun {
    type Target = Outcome;

    fn deref(&self) -> &Outcome {
        &self.outcome
    }
}
