//! What people see of a result. Pure functions of the manifest and the estimates; nothing here runs or estimates.
//!
//! `table` is the terminal, `summary_md` the page, `slow_pods` and `reuse` are findings of many measures, `short` is how numbers
//! are written, `text` lists and words; `compare` tells comparisons, `expectations` what came true; `explain` tells one run, `timeline_of_run` draws it; `verify` says whether runs repeat;
//! `page` puts all of it into one file.

pub mod compare;
pub mod compare_words;
pub mod design_names;
pub mod estimands;
pub mod expectations;
pub mod explain;
pub mod figures;
pub mod finding;
pub mod page;
pub mod parameters;
pub mod result_figures;
pub mod reuse;
pub mod run_facts;
pub mod sample_size;
pub mod short;
pub mod slow_pods;
pub mod summary_md;
pub mod table;
pub mod text;
pub mod timeline_of_run;
pub mod trace;
pub mod verify;

#[cfg(test)]
mod tests;
