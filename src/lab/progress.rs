//! How far an experiment is: events while the laboratory works, and a bar on a terminal that shows them.
//!
//! Events for programs are written by `cli`. Nothing here may reach rows, estimates or the manifest.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::plan::Plan;
use super::printable::spelled;
use super::stopping::{Look, Verdict};

/// What happens while an experiment is run.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Another process works in the folder; this one waits.
    Waiting {
        dir: &'a Path,
    },
    /// Work begins.
    Started {
        plan: &'a Plan,
        dir: &'a Path,
        jobs: usize,
    },
    /// The replications up to the next look, or all, are made next.
    Stage {
        /// Replications of each design when the stage is done, counted from the first of this result.
        end: u64,
        /// Replications that are there already, per design.
        there: &'a [u64],
    },
    Batch {
        design: usize,
        /// Replications of the design that are stored.
        done: u64,
    },
    Look {
        look: &'a Look,
        verdict: Verdict,
    },
    Warning(&'a str),
}

/// Receives events.
pub trait Listen: Sync {
    /// Something happened. Batches come from several threads, in any order.
    fn hear(&self, event: Event<'_>);

    /// A run of the design was made; called often.
    fn run_made(&self, design: usize) {
        let _ = design;
    }
}

/// Drops events.
impl Listen for () {
    fn hear(&self, _: Event<'_>) {}
}

pub struct Both<'a>(pub &'a dyn Listen, pub &'a dyn Listen);

impl Listen for Both<'_> {
    fn hear(&self, event: Event<'_>) {
        self.0.hear(event);
        self.1.hear(event);
    }

    fn run_made(&self, design: usize) {
        self.0.run_made(design);
        self.1.run_made(design);
    }
}

/// Replications of each design that are stored.
pub(super) struct Done(Vec<AtomicU64>);

impl Done {
    pub(super) fn new(designs: usize) -> Self {
        Self((0..designs).map(|_| AtomicU64::new(0)).collect())
    }

    /// Adds replications and gives how many there are now.
    pub(super) fn add(&self, design: usize, replications: u64) -> u64 {
        self.0[design].fetch_add(replications, Ordering::SeqCst) + replications
    }

    pub(super) fn all(&self) -> Vec<u64> {
        self.0.iter().map(|done| done.load(Ordering::SeqCst)).collect()
    }
}

/// A bar over all runs on the error stream, with rate and time left, and a line when they are done. If the error stream is no
/// terminal there is no bar; if `quiet`, neither.
///
/// Warnings are lines on the error stream, quiet or not.
pub struct Bars {
    bar: ProgressBar,
    quiet: bool,
}

impl Bars {
    /// No bar yet: it appears when the work begins.
    pub fn new(quiet: bool) -> Self {
        Self {
            bar: progress_bar(0, quiet),
            quiet,
        }
    }

    /// Runs were made, in this many seconds.
    pub(super) fn finish(&self, runs: u64, seconds: f64) {
        self.bar.finish_and_clear();
        if !self.quiet {
            complain(&format!("Finished {runs} runs in {seconds:.1} s"));
        }
    }

    fn say(&self, line: &str) {
        // A line that does not break the bar; without a bar, an ordinary one.
        self.bar.suspend(|| complain(&spelled(line)));
    }
}

impl Listen for Bars {
    fn hear(&self, event: Event<'_>) {
        match event {
            Event::Waiting { dir } => self.say(&format!("Waiting for another process that works on {}", dir.display())),
            Event::Stage { end, there } => {
                self.bar.set_length(end * there.len() as u64);
                self.bar.set_position(there.iter().sum());
                self.bar.reset_eta();
            }
            Event::Started { .. } | Event::Batch { .. } | Event::Look { .. } => {}
            Event::Warning(text) => self.say(&format!("warning: {text}")),
        }
    }

    fn run_made(&self, _: usize) {
        self.bar.inc(1);
    }
}

/// Writes a line to the error stream. A closed or full stream is no error.
pub fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// A bar over runs on the error stream, with rate and time left; hidden if that is no terminal or `quiet`.
pub fn progress_bar(runs: u64, quiet: bool) -> ProgressBar {
    let target = match quiet {
        true => ProgressDrawTarget::hidden(),
        false => ProgressDrawTarget::stderr(),
    };
    let bar = ProgressBar::with_draw_target(Some(runs), target);
    let rate = |state: &ProgressState, out: &mut dyn fmt::Write| {
        let _ = write!(out, "{:.0}/s", state.per_sec());
    };
    match ProgressStyle::with_template("Running [{bar:30}] {pos}/{len} runs, {rate}, {eta} left") {
        Ok(style) => bar.with_style(style.progress_chars("=> ").with_key("rate", rate)),
        Err(_) => bar,
    }
}
