//! Lists of equal things as a table for people or as comma-separated values.
//!
//! Belongs here: form only. What the cells say belongs to the commands, and JSON to the types that they serialize.

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::terminal::WIDEST;
use crate::lab::printable::{cut, in_json};
use crate::report::figures::sheet::csv_field;

/// Longest cell of a table, in characters: laying one out takes time in proportion to the square of its length.
pub(super) const CELL_MAX: usize = 1000;

/// How a list is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// Comma-separated values with a header.
    Csv,
}

/// A table without content: as wide as the terminal, or else as `elsewhere`.
pub(super) fn blank(elsewhere: Option<u16>) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = table.width().map(|width| width.min(WIDEST as u16)).or(elsewhere) {
        table.set_width(width);
    }
    table
}

/// Cells under a head. On a terminal, lines are broken to its width.
pub(super) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = blank(None);
    table.set_header(head);
    for row in rows {
        table.add_row(row.iter().map(|cell| cut(cell, CELL_MAX)));
    }
    let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
    lines.collect()
}

/// The same cells by RFC 4180.
pub(super) fn csv(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut text = format!("{}\n", head.join(","));
    for row in rows {
        let fields: Vec<String> = row.iter().map(|field| csv_field(field)).collect();
        text.push_str(&fields.join(","));
        text.push('\n');
    }
    text
}

pub(super) fn json(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value).expect("what is printed is plain data");
    format!("{}\n", in_json(&text))
}
