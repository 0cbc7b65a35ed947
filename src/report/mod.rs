//! What people see of a result. Pure functions of the manifest and the estimates; nothing here runs or estimates.
//!
//! `table` is the terminal, `summary_md` the page, `slow_pods` and `reuse` its paragraphs in words, `short` how numbers are written.

pub mod figures;
pub mod result_figures;
pub mod reuse;
pub mod short;
pub mod slow_pods;
pub mod summary_md;
pub mod table;

#[cfg(test)]
mod tests;
