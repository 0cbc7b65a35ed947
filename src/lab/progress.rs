//! How far an experiment is: what the laboratory reports while it works, and bars on a terminal that show it.
//!
//! Events for programs are written by `cli`. Nothing here may reach rows, estimates or the manifest.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::plan::Plan;
use super::printable::spelled;
use super::stopping::{Look, Verdict};

/// More designs than this share one bar.
const BARS_MAX: usize = 12;

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

/// Receives reports.
pub trait Listen: Sync {
    /// Something happened. Batches come from several threads, in any order.
    fn hear(&self, event: Event<'_>);

    /// A run of the design was made; called often.
    fn run_made(&self, design: usize) {
        let _ = design;
    }
}

/// Drops all reports.
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

/// A bar per design on the error stream, with rate and time left; nothing if that is no terminal or `quiet`.
///
/// Warnings are lines on the error stream, quiet or not.
pub struct Bars {
    multi: MultiProgress,
    bars: Mutex<Vec<ProgressBar>>,
}

impl Bars {
    /// No bars yet; they come when the work begins.
    pub fn new(quiet: bool) -> Self {
        Self {
            multi: MultiProgress::with_draw_target(target(quiet)),
            bars: Mutex::default(),
        }
    }

    fn with_bars(&self, act: impl FnOnce(&mut Vec<ProgressBar>)) {
        act(&mut self.bars.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub fn clear(&self) {
        self.with_bars(|bars| bars.drain(..).for_each(|bar| bar.finish_and_clear()));
    }

    fn say(&self, line: &str) {
        // A line that does not break the bars; without bars, an ordinary one.
        if self.multi.is_hidden() || self.multi.println(spelled(line)).is_err() {
            complain(&spelled(line));
        }
    }
}

impl Listen for Bars {
    fn hear(&self, event: Event<'_>) {
        match event {
            Event::Waiting { dir } => self.say(&format!(
                "{}: another process is working on this result; waiting for it",
                dir.display()
            )),
            Event::Started { plan, .. } => self.with_bars(|bars| {
                let names: Vec<&str> = plan.designs.iter().map(|design| design.name.as_str()).collect();
                let names = if names.len() > BARS_MAX {
                    vec!["all designs"]
                } else {
                    names
                };
                let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
                let template = format!(
                    "{{prefix:{width}}} {{bar:40}} {{human_pos}} of {{human_len}} runs, {{per_sec}}, {{eta}} left"
                );
                for name in names {
                    let bar = self.multi.add(ProgressBar::new(0).with_prefix(name.to_owned()));
                    if let Ok(style) = ProgressStyle::with_template(&template) {
                        bar.set_style(style);
                    }
                    bars.push(bar);
                }
            }),
            Event::Stage { end, there } => self.with_bars(|bars| {
                if bars.len() == there.len() {
                    for (bar, there) in bars.iter().zip(there) {
                        bar.set_length(end);
                        bar.set_position(*there);
                        bar.reset_eta();
                    }
                } else if let [bar] = bars.as_slice() {
                    bar.set_length(end * there.len() as u64);
                    bar.set_position(there.iter().sum());
                    bar.reset_eta();
                }
            }),
            Event::Batch { .. } | Event::Look { .. } => {}
            Event::Warning(text) => self.say(&format!("warning: {text}")),
        }
    }

    fn run_made(&self, design: usize) {
        self.with_bars(|bars| {
            if let Some(bar) = bars.get(design).or(bars.first()) {
                bar.inc(1);
            }
        });
    }
}

/// Writes a line to the error stream. A closed or full stream is no error.
pub fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// A bar over `steps` on the error stream, with the time left; hidden if that is no terminal or `quiet`.
pub fn progress_bar(steps: u64, quiet: bool) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} runs, {eta} left");
    let bar = ProgressBar::with_draw_target(Some(steps), target(quiet));
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn target(quiet: bool) -> ProgressDrawTarget {
    if quiet {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    }
}
