//! What people see of a result. Pure functions of the manifest and the estimates; nothing here runs or estimates.
//!
//! `table` is the terminal, `columns` the layout of lists there, `summary_md` the page, `slow_pods`, `edges` and `reuse` are findings of many measures, `short` is how numbers
//! are written, `text` lists and words; `compare` has comparisons, `expectations` their outcomes; `explain` explains one run, `timeline_of_run` draws it; `verify` reports whether runs repeat;
//! `page` puts all of it into one file.

pub(crate) mod answer;
mod availability;
pub(crate) mod columns;
pub(crate) mod compare;
pub(crate) mod compare_words;
pub(crate) mod design_names;
pub(crate) mod edges;
pub(crate) mod estimands;
pub(crate) mod expectations;
pub(crate) mod explain;
pub(crate) mod figures;
pub(crate) mod finding;
pub(crate) mod flows;
pub(crate) mod page;
pub(crate) mod parameters;
pub(crate) mod result_figures;
pub(crate) mod reuse;
pub(crate) mod run_facts;
pub(crate) mod sample_size;
pub(crate) mod short;
pub(crate) mod slow_pods;
pub(crate) mod summary_md;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod timeline_of_run;
pub(crate) mod trace;
pub mod verify;

#[cfg(test)]
mod pages_tests;
#[cfg(test)]
mod tests;

use crate::lab::Finished;
use page::{Commands, PageFormat};

/// All texts that a result is shown as: the summary and the reports. The pictures are not in them, but their data are made.
pub fn texts(finished: &Finished) -> Vec<String> {
    let _pictures = result_figures::of_rows(finished);
    let commands = Commands {
        explain: "meshfault explain".to_owned(),
        run: "meshfault run".to_owned(),
        changes: Vec::new(),
    };
    let content = page::content(finished, None, &commands, &[]);
    let page = |format| page::render(&content, &[], format);
    let pages = [PageFormat::Html, PageFormat::Markdown, PageFormat::Latex].map(page);
    let summary = summary_md::render(&finished.manifest, &finished.summary, &content.answer);
    pages.into_iter().chain([summary]).collect()
}
