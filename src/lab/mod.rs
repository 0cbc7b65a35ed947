//! The laboratory: from a plan and a simulator to rows, files and estimates.
//!
//! Read `plan` first, then `experiment` (what happens in which order), `rows` (the row format) and `summary` (what is
//! estimated). Knows no file that a user writes and no way to show a result; those are `scenario` and `report`.

pub mod catalogue;
pub mod cell;
pub mod common_numbers;
pub mod compare;
pub mod comparisons;
pub mod design_table;
pub mod designs;
pub mod differences;
pub mod digest;
pub mod error;
pub mod expectations;
pub mod experiment;
pub mod files;
pub mod lock;
pub mod manifest;
pub mod measures;
pub mod merge;
pub mod numbers;
pub mod pareto;
pub mod parquet_read;
pub mod parquet_write;
pub mod pick;
pub mod pilot;
pub mod plan;
pub mod points;
pub mod printable;
pub mod progress;
pub mod question_check;
pub mod questions;
pub mod real_coverage;
pub mod result;
pub mod rows;
pub mod runner;
pub mod segment;
pub mod shard;
pub mod stopping;
pub mod store;
pub mod summary;
pub mod tables;
pub mod verify;
mod wall_clock;
pub mod warning;
pub mod what_if;
pub mod written;

#[cfg(test)]
mod compare_tests;
#[cfg(test)]
mod shape_tests;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use error::LabError;
pub use expectations::{Expectation, Verdict};
pub use experiment::{Options, Start, execute, execute_told};
pub use manifest::Manifest;
pub use merge::{MergeError, merge};
pub use plan::{Plan, PlannedDesign, PlannedParameter, RandomNumbers, Simulate};
pub use result::{Finished, open_result, read_numbers, result_dir};
pub use shard::Shard;
pub use summary::{Comparison, DesignSummary, Measure, Summary};
pub use warning::Warning;
