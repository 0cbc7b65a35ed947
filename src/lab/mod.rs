//! The laboratory: from a plan and a simulator to rows, files and estimates.
//!
//! Read `plan` first, then `experiment` (what happens in which order), `rows` (the row format) and `summary` (what is
//! estimated). Knows no file that a user writes and no way to show a result; those are `scenario` and `report`.

pub(crate) mod cell;
pub(crate) mod common_numbers;
pub(crate) mod compare;
mod comparison;
pub(crate) mod design_table;
pub mod designs;
pub mod differences;
pub(crate) mod digest;
pub(crate) mod error;
pub(crate) mod expectations;
pub(crate) mod experiment;
pub(crate) mod files;
pub(crate) mod lists;
pub(crate) mod lock;
pub(crate) mod manifest;
pub mod measures;
pub(crate) mod merge;
pub mod numbers;
pub(crate) mod pareto;
pub(crate) mod parquet_read;
pub(crate) mod parquet_write;
pub(crate) mod pick;
pub(crate) mod pilot;
pub(crate) mod plan;
pub(crate) mod points;
pub mod printable;
pub mod progress;
pub(crate) mod question_check;
pub(crate) mod questions;
pub mod real_coverage;
pub(crate) mod result;
pub(crate) mod rows;
pub(crate) mod runner;
pub(crate) mod segment;
pub(crate) mod shard;
pub(crate) mod stopping;
pub(crate) mod store;
pub(crate) mod summary;
pub(crate) mod tables;
pub mod verify;
mod wall_clock;
pub(crate) mod warning;
pub(crate) mod what_if;
pub(crate) mod words;
pub(crate) mod written;

#[cfg(test)]
mod compare_tests;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use compare::Comparison;
pub use error::LabError;
pub(crate) use expectations::{Expectation, Verdict};
pub(crate) use experiment::execute_told;
pub use experiment::{Options, Start, execute};
pub use manifest::Manifest;
pub(crate) use merge::merge;
pub(crate) use plan::{Plan, PlannedDesign, PlannedParameter, RandomNumbers, Simulate};
pub(crate) use result::result_dir;
pub use result::{Finished, open_result};
pub(crate) use shard::Shard;
pub(crate) use summary::{DesignSummary, Measure, Summary};
