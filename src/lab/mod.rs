//! The laboratory: from a plan and a simulator to rows, files and estimates.
//!
//! Read `plan` first, then `experiment` (what happens in which order), `rows` (the row format) and `summary` (what is
//! estimated). Knows no file that a user writes and no way to show a result; those are `scenario` and `report`.

pub mod cell;
pub mod comparisons;
pub mod design_table;
pub mod designs;
pub mod digest;
pub mod error;
pub mod experiment;
pub mod manifest;
pub mod measures;
pub mod numbers;
pub mod parquet_read;
pub mod parquet_write;
pub mod pilot;
pub mod plan;
pub mod rows;
pub mod runner;
pub mod segment;
pub mod store;
pub mod summary;
pub mod verify;
mod wall_clock;
pub mod warning;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use error::LabError;
pub use experiment::{Finished, Options, Start, execute, open_result, read_numbers, result_dir};
pub use manifest::Manifest;
pub use plan::{Plan, PlannedDesign, PlannedParameter, RandomNumbers, Simulate};
pub use summary::{Comparison, DesignSummary, Measure, Summary};
pub use warning::Warning;
