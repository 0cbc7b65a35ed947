//! One measure of one design over the points of its factors: whether it differs there at all, what it is over all points,
//! and intervals that hold at all points at once.
//!
//! With common random numbers a run stands for one block: the same random events at every point. Words are in
//! `report::page::over_points`, formulas in `stats::no_effect`.

use super::differences::ordered_per_run;
use super::measures::{Context, Frame, definition_of};
use super::plan::RandomNumbers;
use super::result::Finished;
use super::summary::{CONFIDENCE, Measure};
use crate::stats::no_effect::{Effect, friedman, kruskal_wallis};
use crate::stats::{Estimate, bonferroni, ratio_of_sums, share_of_runs};

#[derive(Clone, Debug, PartialEq)]
pub struct OverPoints {
    pub effect: Effect,
    /// Runs behind each point; with common random numbers the same ones.
    pub runs: u64,
    /// The share over all points, if the measure is a share of runs.
    pub pooled: Option<Estimate>,
}

#[derive(Clone, Copy)]
pub struct Points<'r> {
    result: &'r Finished,
    frame: &'r Frame,
}

impl<'r> Points<'r> {
    pub const fn new(result: &'r Finished, frame: &'r Frame) -> Self {
        Self { result, frame }
    }

    fn context(&self, design: &str) -> Option<Context<'r>> {
        let index = self.result.manifest.designs.iter().position(|of| of.name == design)?;
        Some(Context {
            frame: self.frame,
            design: &self.result.manifest.designs[index],
            numbers: &self.result.numbers[index],
        })
    }

    /// Whether a measure differs over designs, which are points of one; `None` where too few runs have a value.
    pub fn over(&self, designs: &[&str], measure: &str) -> Option<OverPoints> {
        let values: Vec<Vec<Option<f64>>> = designs
            .iter()
            .map(|design| ordered_per_run(measure, self.context(design)?))
            .collect::<Option<_>>()?;
        let is_share = self
            .context(designs[0])
            .and_then(|context| definition_of(measure, context))?
            .is_share_of_runs();
        if self.result.manifest.random_numbers == RandomNumbers::Independent {
            let groups: Vec<Vec<f64>> = values.iter().map(|of| of.iter().flatten().copied().collect()).collect();
            let runs = groups.iter().map(Vec::len).max()? as u64;
            let all = || groups.iter().flatten();
            let events = all().filter(|value| **value > 0.0).count() as u64;
            return Some(OverPoints {
                effect: kruskal_wallis(&groups)?,
                runs,
                pooled: is_share.then(|| share_of_runs(events, all().count() as u64, CONFIDENCE)),
            });
        }
        let runs = values.iter().map(Vec::len).min()?;
        let blocks: Vec<Vec<f64>> = (0..runs)
            .filter_map(|run| values.iter().map(|of| of[run]).collect())
            .collect();
        let counts = |block: &Vec<f64>| {
            (
                block.iter().filter(|value| **value > 0.0).count() as u64,
                block.len() as u64,
            )
        };
        let pairs: Vec<(u64, u64)> = blocks.iter().map(counts).collect();
        Some(OverPoints {
            effect: friedman(&blocks)?,
            runs: blocks.len() as u64,
            pooled: is_share.then(|| ratio_of_sums(&pairs, CONFIDENCE)),
        })
    }

    /// The measure of one of `among` points, with an interval that holds together with those of all others.
    pub fn at_once(&self, design: &str, measure: &str, among: usize) -> Option<Measure> {
        let context = self.context(design)?;
        let frame = Frame {
            confidence: bonferroni(CONFIDENCE, among),
            ..self.frame.clone()
        };
        Some(definition_of(measure, context)?.estimate(&frame, context.numbers))
    }
}
