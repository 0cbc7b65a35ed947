//! The laboratory: from a plan and a simulator to rows, files and estimates.
//!
//! Read `plan` first, then `experiment` (what happens in which order), `rows` (the row format) and `summary` (what is
//! estimated). Knows no file that a user writes and no way to show a result; those are `scenario` and `report`.

pub mod cell;
pub(crate) mod common_numbers;
pub(crate) mod compare;
mod comparison;
pub(crate) mod controls;
pub(crate) mod design_table;
pub mod designs;
pub mod differences;
pub mod digest;
pub mod edges;
pub mod error;
pub(crate) mod expectations;
pub mod experiment;
pub mod files;
pub mod flows;
pub(crate) mod lists;
pub(crate) mod lock;
pub mod manifest;
mod measure_table;
pub mod measures;
pub mod merge;
pub mod numbers;
pub(crate) mod pareto;
pub mod parquet_read;
pub mod parquet_write;
pub(crate) mod pick;
pub(crate) mod pilot;
pub mod plan;
pub(crate) mod points;
pub mod printable;
pub mod progress;
pub(crate) mod question_check;
pub(crate) mod questions;
pub mod real_coverage;
pub mod result;
pub mod rows;
pub(crate) mod runner;
pub mod segment;
pub mod shard;
pub(crate) mod stopping;
pub mod store;
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
mod edges_tests;
#[cfg(test)]
mod shape_tests;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use compare::Comparison;
pub use error::LabError;
pub(crate) use expectations::{Expectation, Verdict};
pub use experiment::{Options, Start, execute};
pub use manifest::Manifest;
pub(crate) use merge::merge;
pub(crate) use plan::{Plan, PlannedDesign, PlannedParameter, RandomNumbers, Simulate};
pub(crate) use result::result_dir;
pub use result::{Finished, open_result};
pub(crate) use shard::Shard;
pub(crate) use summary::{DesignSummary, Measure, Summary};
